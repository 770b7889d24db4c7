"""A policy in a ConfigMap that changes while the executor runs: mounted, and swapped, by the kubelet."""
import datetime
import json
import os
import pathlib
import re
import time
import urllib.request

import api
import jobs
from checks import equal, holds

TESTS = []
PORT = 16060
CONFIG_MAPS = "/api/v1/namespaces/{}/configmaps"
MOUNTED = "kubernetes.io~configmap/policy"

POLICY = """
local policy = require "default"
local pod = require "lunexec.pod"
local job = policy.job
policy.job = function(task, settings)
  local made = job(task, settings)
  pod.set_label(made, "generation", "%s")
  %s
  return made
end
return policy
"""


def test(function):
    TESTS.append(function)
    return function


def config_map(policy):
    return {"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": "policy"},
            "data": {"policy.lua": policy}}


class MountedPolicy:
    """A ConfigMap, and a pod that mounts it; `path` is where the kubelet keeps the mount."""

    def __init__(self, scene, policy):
        self.namespace = scene.namespace.name
        self.maps = CONFIG_MAPS.format(self.namespace)
        self.pods = scene.namespace.collection("Pod")
        api.call("POST", self.maps, config_map(policy))
        pod = api.call("POST", self.pods, {
            "apiVersion": "v1", "kind": "Pod", "metadata": {"name": "holds-the-policy"},
            "spec": {"terminationGracePeriodSeconds": 0, "automountServiceAccountToken": False,
                     "containers": [{"name": "main", "image": jobs.STEP_IMAGE,
                                     "imagePullPolicy": "Never", "command": ["sleep", "3600"],
                                     "volumeMounts": [{"name": "policy", "mountPath": "/policy"}]}],
                     "volumes": [{"name": "policy", "configMap": {"name": "policy"}}]}})
        state = pathlib.Path(os.environ["KUBECONFIG"]).parent
        self.path = state / "kubelet/pods" / pod["metadata"]["uid"] / "volumes" / MOUNTED
        wait(lambda: (self.path / "policy.lua").exists(), 60, "the mount")

    def change(self, policy):
        """Waits until the kubelet has swapped the files; when that was, as time.time() counts."""
        before = os.readlink(self.path / "..data")
        api.call("PUT", f"{self.maps}/policy", config_map(policy))
        # A change of the pod makes the kubelet look at once, and not within a minute.
        api.call("PATCH", f"{self.pods}/holds-the-policy",
                 {"metadata": {"annotations": {"look": str(time.time())}}},
                 "application/merge-patch+json")
        wait(lambda: os.readlink(self.path / "..data") != before, 120, "the kubelet's swap")
        return os.lstat(self.path / "..data").st_ctime

    def remove(self):
        api.call("DELETE", f"{self.pods}/holds-the-policy")


def wait(condition, seconds, what):
    deadline = time.monotonic() + seconds
    while not condition():
        holds(time.monotonic() < deadline, f"not within {seconds} s: {what}")
        time.sleep(0.01)


def status():
    with urllib.request.urlopen(f"http://127.0.0.1:{PORT}/policy", timeout=5) as answer:
        return json.loads(answer.read())["active"]


def up():
    try:
        return bool(status())
    except OSError:
        return False


def loaded_at(executor, policy):
    """When the executor took the policy of this hash into use, by its own log."""
    found = re.findall(r'^t=(\S+) .*msg="policy loaded" .*policy=(\w+)', executor.log.read_text(), re.M)
    return next(datetime.datetime.fromisoformat(at).timestamp()
                for at, loaded in reversed(found) if loaded == policy)


def run_job(scene):
    """One job; the Job that was made for it, as Kubernetes has it while it runs."""
    job = scene.offer("sleep 1")
    name = f"sg-executor-job-batches-{job.id}"
    path = f"{scene.namespace.collection('Job')}/{name}"

    def there():
        try:
            made.append(api.call("GET", path))
        except api.ApiError:
            pass
        return made

    made = []
    scene.frontend.wait(there, 60, f"the Job {name}")
    scene.wait_marked(job)
    equal(job.state, "completed", f"job {job.id} ({job.message})")
    return made[0]["metadata"]


@test
def policy_from_a_config_map(scene):
    """The next job has the new shape within 2 s of the files changing; a broken update is refused,
    by Lua and by the API server in a dry run, and jobs go on."""
    mounted = MountedPolicy(scene, POLICY % ("one", ""))
    executor = scene.executor(LUNEXEC_POLICY_DIR=str(mounted.path), LUNEXEC_LISTEN=f":{PORT}",
                              LUNEXEC_POLICY_DRY_RUN="true")
    wait(up, 60, "the executor")
    equal(run_job(scene)["labels"]["generation"], "one", "label of the first job")
    started = executor.process.pid

    before = status()["hash"]
    swapped = mounted.change(POLICY % ("two", ""))
    wait(lambda: status()["hash"] != before, 60, "the new policy")
    took = loaded_at(executor, status()["hash"]) - swapped
    holds(took < 2, f"{took:.2f} s from the kubelet's swap to the policy in use")
    scene.note(f"in use {took:.2f} s after the kubelet swapped the files")
    second = run_job(scene)
    equal(second["labels"]["generation"], "two", "label of the second job")
    equal(second["annotations"]["lunexec.dev/policy"], status()["hash"], "annotation")

    good = status()["hash"]
    for more, word in (("error 'not today'", "not today"), ("end end", "<eof>"),
                       ('made.spec.template.spec.dnsPolicy = "Wrong"', "dnsPolicy")):
        mounted.change(POLICY % ("three", more))
        wait(lambda: word in ((status()["refused"] or {}).get("reason") or ""), 60,
             f"a refusal that says {word}")
        scene.note(f"refused: {status()['refused']['reason'][:150]}")
        equal(status()["hash"], good, "the policy in use")
    equal(run_job(scene)["labels"]["generation"], "two", "label of a job after the refusals")

    mounted.change(POLICY % ("four", ""))
    wait(lambda: status()["refused"] is None and status()["hash"] != good, 60, "the repaired policy")
    equal(run_job(scene)["labels"]["generation"], "four", "label of the last job")
    equal(executor.process.poll(), None, "end of the executor")
    equal(executor.process.pid, started, "process")
    children = executor.pids()[1:]
    holds(len(children) <= 2, f"processes of old policies: {children}")
    if not executor.instrumented():
        for pid in children:
            with open(f"/proc/{pid}/status", encoding="ascii") as file:
                text = file.read()
            holds("Seccomp:\t2" in text and "NoNewPrivs:\t1" in text, f"confinement of {pid}")
    mounted.remove()
    scene.check_clean()
