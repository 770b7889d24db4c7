"""The API server as the executor meets it in trouble: it cannot be reached, it takes another token.

LUNEXEC_LONG=1 makes the time without it 150 s instead of 15 s.
"""
import contextlib
import os
import pathlib
import signal
import time

import api
from checks import equal, holds
from layouttests import finish, offer, step
from logtests import FaultyApi, daemon

TESTS = []
LONG = os.environ.get("LUNEXEC_LONG") == "1"
AWAY = 150 if LONG else 15


def test(function):
    TESTS.append(function)
    return function


def counting(seconds):
    return (f"i=0; while [ $i -lt {seconds} ]; do echo tick $i; i=$((i + 1)); sleep 1; done",)


def check_ticks(job, key, count):
    ticks = [line for line in job.entry("step.kubernetes." + key).lines() if line.startswith("stdout: tick ")]
    equal(ticks, [f"stdout: tick {i}" for i in range(count)], f"output of {key}")


@test
def api_unreachable(scene):
    """No connection is to be had for a while: the job runs on meanwhile, and its log is whole."""
    with contextlib.closing(FaultyApi()) as proxy:
        job = offer(scene, step("work", *counting(AWAY + 10)))
        scene.executor(proxy=proxy)
        scene.wait_running(job, "work", text="tick 2")
        proxy.refuse()
        time.sleep(AWAY)  # how long it is away
        proxy.calm()
        finish(scene, job, 90)
        check_ticks(job, "work", AWAY + 10)


@test
def api_unreachable_at_the_end(scene):
    """The same while the pod ends: what became of it is learnt afterwards."""
    with contextlib.closing(FaultyApi()) as proxy:
        job = offer(scene, step("work", *counting(6)))
        scene.executor(proxy=proxy)
        scene.wait_running(job, "work", text="tick 2")
        proxy.refuse()
        time.sleep(AWAY)
        proxy.calm()
        finish(scene, job, 90)
        check_ticks(job, "work", 6)


def token_of(scene, owner):
    """A token of the executor's account that is worth nothing once the Secret `owner` is gone."""
    collection = scene.namespace.collection("Secret")
    made = api.call("POST", collection, {"apiVersion": "v1", "kind": "Secret",
                                         "metadata": {"name": owner}})
    answer = api.call("POST", scene.namespace.collection("ServiceAccount") + "/lunexec/token", {
        "apiVersion": "authentication.k8s.io/v1", "kind": "TokenRequest",
        "spec": {"expirationSeconds": 3600, "boundObjectRef": {
            "apiVersion": "v1", "kind": "Secret", "name": owner, "uid": made["metadata"]["uid"]}}})
    return answer["status"]["token"], f"{collection}/{owner}"


@test
def token_rotated(scene):
    """The token's file gets another one and the old one is refused, in the middle of a job."""
    first, first_owner = token_of(scene, "token-1")
    second, second_owner = token_of(scene, "token-2")
    file = pathlib.Path(scene.directory) / "token"
    file.write_text(first)
    job = offer(scene, step("work", *counting(20)))
    executor = scene.executor_of()
    kubeconfig = pathlib.Path(executor.environment["EXECUTOR_KUBERNETES_CONFIG_PATH"])
    kubeconfig.write_text(kubeconfig.read_text().replace(f"token: {scene.namespace.token}",
                                                         f"tokenFile: {file}"))
    scene.executors.append(executor)
    executor.start()
    scene.wait_running(job, "work", text="tick 2")
    file.with_name("token.new").write_text(second)
    file.with_name("token.new").rename(file)
    api.call("DELETE", first_owner)
    later = offer(scene, step("work", "echo later"))
    scene.wait_marked(job, 90)
    scene.wait_marked(later, 90)
    api.call("DELETE", second_owner)
    for done in (job, later):
        equal(done.state, "completed", f"job {done.id} ({done.message})")
    check_ticks(job, "work", 20)
    holds(first not in executor.log.read_text() and second not in executor.log.read_text(),
          "a token in the executor's log")
    scene.check_clean()
