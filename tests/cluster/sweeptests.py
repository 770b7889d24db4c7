"""What is in the cluster already: what an executor left behind, and what has a job's names."""
import contextlib
import pathlib
import time
import urllib.parse

import api
import jobs
from checks import equal, holds

TESTS = []
QUIET_S = 3  # until a pod of a leftover ends that was told to
SWEEP = {"LUNEXEC_SWEEP_INTERVAL": "1s"}


def test(function):
    TESTS.append(function)
    return function


def label(name):
    """As the executor makes it: FNV-1a with 64 bits."""
    value = 0xcbf29ce484222325
    for byte in name.encode():
        value = (value ^ byte) * 0x100000001b3 % 2**64
    return f"{value:016x}"


def metadata(scene, name, executor, job_id, frontend):
    return {"name": name, "namespace": scene.namespace.name,
            "labels": {"app.kubernetes.io/managed-by": "lunexec", "lunexec.dev/queue": "batches",
                       "lunexec.dev/job-id": str(job_id), "lunexec.dev/executor": label(executor)},
            "annotations": {"lunexec.dev/executor-name": executor,
                            "lunexec.dev/frontend": frontend, "lunexec.dev/run": "0" * 16}}


def leave(scene, executor, job_id, frontend=None):
    """A Job whose pod runs, and takes its time to end, and its Secret, as an executor makes them."""
    url = urllib.parse.urlsplit(frontend or scene.frontend.url)
    name = f"sg-executor-job-batches-{job_id}"
    origin = f"{url.scheme}://{url.netloc}"
    about = metadata(scene, name, executor, job_id, origin)
    secret = metadata(scene, name + "-secrets", executor, job_id, origin)
    api.call("POST", scene.namespace.collection("Secret"),
             {"apiVersion": "v1", "kind": "Secret", "metadata": secret, "stringData": {"TOKEN": "x"}})
    command = f"trap 'sleep {QUIET_S}; exit 0' TERM; while :; do sleep 0.1; done"
    api.call("POST", scene.namespace.collection("Job"), {
        "apiVersion": "batch/v1", "kind": "Job", "metadata": about, "spec": {
            "backoffLimit": 0, "template": {"metadata": {"labels": about["labels"]}, "spec": {
                "restartPolicy": "Never", "containers": [{
                    "name": "main", "image": jobs.STEP_IMAGE, "imagePullPolicy": "Never",
                    "command": ["sh", "-c", command]}]}}}})
    deadline = time.monotonic() + 60
    while not [p for p in pods(scene, name) if p["status"]["phase"] == "Running"]:
        holds(time.monotonic() < deadline, f"the pod of {name} does not run")
        time.sleep(0.1)
    return name


def pods(scene, job):
    selector = urllib.parse.quote(f"job-name={job}")
    return api.call("GET", f"{scene.namespace.collection('Pod')}?labelSelector={selector}")["items"]


def gone(scene, name, seconds=60):
    deadline = time.monotonic() + seconds
    while left := [item for item in scene.namespace.leftovers() if f" {name}" in item]:
        holds(time.monotonic() < deadline, f"{left} are left")
        time.sleep(0.2)


def remove(scene, name):
    """As its owner would."""
    body = {"propagationPolicy": "Background", "gracePeriodSeconds": 0}
    api.call("DELETE", f"{scene.namespace.collection('Job')}/{name}", body)
    api.call("DELETE", f"{scene.namespace.collection('Secret')}/{name}-secrets")


def sweeper(scene):
    state = pathlib.Path(scene.directory) / "state"
    state.mkdir()
    (state / "executor-name").write_text("ex-ours")
    return scene.executor(LUNEXEC_STATE_DIR=str(state), **SWEEP)


def swept(scene, podless=False):
    ours, theirs = leave(scene, "ex-ours", 7), leave(scene, "ex-theirs", 8)
    while podless and (left := pods(scene, ours)):
        with contextlib.suppress(api.ApiError):  # it may be gone by now
            api.call("DELETE", f"{scene.namespace.collection('Pod')}/{left[0]['metadata']['name']}",
                     {"gracePeriodSeconds": 0})
    sweeper(scene)
    gone(scene, ours)
    job = scene.offer("echo done")
    scene.wait_marked(job)
    equal(job.state, "completed", job.message)
    left = sorted(item for item in scene.namespace.leftovers() if not item.startswith("Pod"))
    equal(left, [f"Job {theirs}", f"Secret {theirs}-secrets"], "left")
    remove(scene, theirs)


@test
def sweep_through_pods(scene):
    """With the shipped role Jobs may not be listed."""
    swept(scene)


@test
def sweep_through_jobs(scene):
    """A Job that has no pod any more is found where Jobs may be listed."""
    scene.namespace.allow("jobs", "list", api_group="batch")
    swept(scene, podless=True)


@test
def leftover_of_the_same_name(scene):
    """The frontend gave the job to an executor before that is gone; its pod runs still."""
    name = leave(scene, "ex-before", 101)
    old = pods(scene, name)[0]["metadata"]["uid"]
    job = scene.offer("echo done")
    equal(job.id, 101, "id")
    scene.executor()
    seen = set()

    def both():
        alive = {p["metadata"]["uid"] for p in pods(scene, name)
                 if p["status"]["phase"] in ("Pending", "Running")}
        seen.update(alive)
        holds(len(alive) < 2, "two pods of the job at once")
        return job.marked_at
    scene.frontend.wait(both, 90, "the mark")
    equal(job.state, "completed", job.message)
    equal((old in seen, len(seen)), (True, 2), "pods")


@test
def name_of_another_instance(scene):
    """Its Job stays, and goes on."""
    name = leave(scene, "ex-theirs", 101, "https://other.example.com")
    job = scene.offer("echo done")
    scene.executor()
    scene.wait_marked(job)
    equal(job.state, "errored", "state")
    for words in (name, "executor ex-theirs's", "https://other.example.com"):
        holds(words in job.message, f"{words!r} is not in {job.message!r}")
    equal([p["status"]["phase"] for p in pods(scene, name)], ["Running"], "its pod")
    remove(scene, name)
