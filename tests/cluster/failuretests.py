"""What the cluster does to jobs: pods that are evicted, deleted, killed, refused or never start, and
what becomes of their jobs."""
import contextlib
import http.server
import os
import pathlib
import signal
import threading
import time

import api
import jobs
from checks import equal, holds
from executor import ROOT
from layouttests import finish, offer, shared_settings, shared_volume, step
from logtests import daemon

TESTS = []
# Again at once, whatever it was, twice at most.
AGAIN = "retry = function(failure) return failure.attempt < 3 and { delay = 0 } or nil end"
POLICY = """
local default = require "default"
local changed = { %s }
return {
  api = 1,
  job = changed.job or default.job,
  admit = default.admit,
  retry = changed.retry or default.retry,
  network = default.network,
}
"""
# Lasts until it is disturbed, and a little longer; the next attempt until it was seen.
LONG = ("echo started", "case $(hostname) in *-attempt-2*) sleep 6 ;; *) sleep 20 ;; esac", "echo done")


def test(function):
    TESTS.append(function)
    return function


def policy(scene, *functions):
    """A policy that changes these functions of the default one."""
    folder = pathlib.Path(scene.directory) / "policy"
    folder.mkdir()
    (folder / "policy.lua").write_text(POLICY % ", ".join(functions), encoding="utf-8")
    return str(folder)


def grace(**seconds):
    table = ", ".join(f'["{name.replace("_", "-")}"] = {value}' for name, value in seconds.items())
    return f"""job = function(task, settings)
      return default.job(task, settings), {{ grace = {{ {table} }} }}
    end"""


def pods(scene):
    return api.call("GET", scene.namespace.collection("Pod"))["items"]


def only_pod(scene):
    equal(len(pods(scene)), 1, "pods")
    return f"{scene.namespace.collection('Pod')}/{pods(scene)[0]['metadata']['name']}"


class Attempts:
    """Watches that no two attempts live at once."""

    def __init__(self, scene):
        self.scene, self.most, self.names, self.over = scene, 0, set(), threading.Event()
        self.thread = threading.Thread(target=self.look, daemon=True)

    def look(self):
        while not self.over.wait(0.1):
            alive = [p["metadata"]["name"] for p in pods(self.scene)
                     if p["status"].get("phase") in ("Pending", "Running")]
            self.most = max(self.most, len(alive))
            self.names.update(alive)

    def __enter__(self):
        self.thread.start()
        return self

    def __exit__(self, *_):
        self.over.set()
        self.thread.join()


def retried(scene, job, disturb, settings, words):
    """`disturb` ends the first attempt; the second one completes, and the log tells of both."""
    with Attempts(scene) as attempts:
        executor = scene.executor(**settings)
        scene.wait_running(job, "work", text="started")
        disturb()
        finish(scene, job, 120)
    equal((attempts.most, len(attempts.names)), (1, 2), "pods at once, pods")
    entries = [e for e in job.entries if e.key == "step.kubernetes.work"]
    equal(len(entries), 2, "entries of the step")
    holds("attempt 1 ended" in entries[0].out and words in entries[0].out, f"out {entries[0].out!r}")
    equal(entries[1].exit_code, 0, "exit code")
    setup = [e for e in job.entries if e.key == "setup.workspace"][-1]
    holds(words in setup.out and "attempt 2 begins" in setup.out, f"setup {setup.out!r}")
    holds("attempt failed, the job is tried again" in executor.log.read_text(), "the executor's log")


@test
def evicted_and_retried(scene):
    """A drained pod: the job is run again in another pod, and completes."""
    job = offer(scene, step("work", *LONG))

    def evict():
        path = only_pod(scene)
        name = path.rsplit("/", 1)[1]
        api.call("POST", path + "/eviction", {"apiVersion": "policy/v1", "kind": "Eviction",
                                              "metadata": {"name": name}})

    retried(scene, job, evict, {"LUNEXEC_POLICY_DIR": policy(scene, AGAIN)}, "(evicted)")


@test
def deleted_and_retried(scene):
    """A pod that somebody deletes: the same."""
    job = offer(scene, step("work", *LONG))
    retried(scene, job, lambda: api.call("DELETE", only_pod(scene)),
            {"LUNEXEC_POLICY_DIR": policy(scene, AGAIN)}, "(pod-deleted)")


@test
def deleted_and_retried_shared(scene):
    """On a shared volume the next attempt begins with a fresh clone."""
    with shared_volume(scene) as folder:
        job = offer(scene, step("first", "echo half >> README.md"), step("work", "cat README.md", *LONG))
        settings = shared_settings(folder, LUNEXEC_POLICY_DIR=policy(scene, AGAIN))
        scene.executor(**settings)
        scene.wait_running(job, "work", text="started")
        api.call("DELETE", next(f"{scene.namespace.collection('Pod')}/{p['metadata']['name']}"
                                for p in pods(scene) if p["status"]["phase"] == "Running"))
        finish(scene, job, 120)
        entries = [e for e in job.entries if e.key == "step.kubernetes.work"]
        equal(len(entries), 2, "entries of the step")
        equal(entries[1].out.count("half"), 1, "changes of the first step")


@test
def preempted_and_retried(scene):
    """A pod that has to make room for one of higher priority: the same, when there is room again."""
    with contextlib.suppress(api.ApiError):  # it may be there from another run
        api.call("POST", "/apis/scheduling.k8s.io/v1/priorityclasses", {
            "apiVersion": "scheduling.k8s.io/v1", "kind": "PriorityClass",
            "metadata": {"name": "lunexec-test-high"}, "value": 1000})
    node = api.call("GET", "/api/v1/nodes/node1")["status"]["allocatable"]["cpu"]
    cpus = int(node) * 600  # two pods of that size do not fit
    job = offer(scene, step("work", *LONG))

    def preempt():
        name = f"{scene.namespace.name}-important"
        api.call("POST", "/api/v1/namespaces/default/pods", {
            "apiVersion": "v1", "kind": "Pod", "metadata": {"name": name},
            "spec": {"priorityClassName": "lunexec-test-high", "restartPolicy": "Never",
                     "terminationGracePeriodSeconds": 0,
                     "containers": [{"name": "main", "image": jobs.STEP_IMAGE,
                                     "imagePullPolicy": "Never", "command": ["sleep", "2"],
                                     "resources": {"requests": {"cpu": f"{cpus}m"}}}]}})
        path = f"/api/v1/namespaces/default/pods/{name}"
        deadline = time.monotonic() + 120
        while api.call("GET", path)["status"].get("phase") != "Succeeded":
            holds(time.monotonic() < deadline, "the important pod has not ended")
            time.sleep(0.2)
        api.call("DELETE", path)

    retried(scene, job, preempt, {"EXECUTOR_KUBERNETES_RESOURCE_REQUEST_CPU": f"{cpus}m",
                                  "EXECUTOR_KUBERNETES_RESOURCE_LIMIT_CPU": f"{cpus}m",
                                  "LUNEXEC_POLICY_DIR": policy(scene, AGAIN)}, "(preempted)")


@contextlib.contextmanager
def tainted(scene):
    """The node takes no pods, and gives up those it has."""
    path = "/api/v1/nodes/node1"
    taint = {"key": "lunexec.dev/test", "value": scene.namespace.name, "effect": "NoExecute"}
    api.call("PATCH", path, {"spec": {"taints": [taint]}}, "application/merge-patch+json")
    try:
        yield
    finally:
        api.call("PATCH", path, {"spec": {"taints": None}}, "application/merge-patch+json")


@test
def lost_with_its_node(scene):
    """A node that is given up and says nothing: the next attempt waits until the pod is really gone."""
    job = offer(scene, step("work", "echo started", "sleep 20", "echo done"))

    def lose():
        kubelet = daemon("kubelet")
        os.kill(kubelet, signal.SIGSTOP)
        try:
            with tainted(scene):
                scene.frontend.wait(lambda: any("deletionTimestamp" in pod["metadata"]
                                                for pod in pods(scene)), 30, "the end of the pod")
            time.sleep(8)  # no other attempt may begin meanwhile
            equal(len(pods(scene)), 1, "pods while the node is silent")
        finally:
            os.kill(kubelet, signal.SIGCONT)

    retried(scene, job, lose, {"LUNEXEC_POLICY_DIR": policy(scene, AGAIN)}, "(node-lost)")


lost_with_its_node.alone = True


@test
def node_pressure_default(scene):
    """The default policy runs an evicted job again, after 10 s."""
    job = offer(scene, step("work", *LONG))
    retried(scene, job, lambda: api.call("DELETE", only_pod(scene)), {}, "(pod-deleted)")


@test
def out_of_memory(scene):
    """Killed for its memory: the message says so, with step and limit; the default lets it stand."""
    job = offer(scene, step("hungry", "dd if=/dev/zero of=/dev/null bs=200M count=1"))
    scene.executor(EXECUTOR_KUBERNETES_RESOURCE_LIMIT_MEMORY="96Mi")
    scene.wait_marked(job)
    holds("step hungry: killed, out of memory (limit 96Mi)" in job.message, f"message {job.message!r}")
    equal(len([e for e in job.entries if e.key == "setup.workspace"]), 1, "attempts")
    scene.check_clean()


@test
def out_of_memory_retried(scene):
    """And with the cookbook's recipe it is tried again with twice as much, and completes."""
    job = offer(scene, step("hungry", "set -e", "dd if=/dev/zero of=/dev/null bs=200M count=1",
                           "echo fed"))
    scene.executor(EXECUTOR_KUBERNETES_RESOURCE_LIMIT_MEMORY="128Mi",
                   LUNEXEC_POLICY_DIR=str(ROOT / "spec/cookbook/oom-retry"))
    finish(scene, job, 120)
    entries = [e for e in job.entries if e.key == "step.kubernetes.hungry"]
    equal(len(entries), 2, "entries of the step")
    holds("out of memory" in entries[0].out and "fed" in entries[1].out, "what they say")


@test
def out_of_memory_inside(scene):
    """A process that is killed for its memory though its step ends with 0: the kubelet goes on with
    nothing, so the job fails instead of waiting."""
    job = offer(scene, step("hungry", "dd if=/dev/zero of=/dev/null bs=200M count=1 || echo survived"))
    scene.executor(EXECUTOR_KUBERNETES_RESOURCE_LIMIT_MEMORY="96Mi")
    scene.wait_marked(job)
    holds("step hungry: killed, out of memory (limit 96Mi)" in job.message, f"message {job.message!r}")
    holds("survived" in job.entry("step.kubernetes.hungry").out, "the step's log")
    scene.check_clean()


@test
def exit_code_stands(scene):
    """What a job did itself is never run again, whatever the policy says."""
    job = offer(scene, step("wrong", "exit 9"))
    scene.executor(LUNEXEC_POLICY_DIR=policy(scene, AGAIN))
    scene.wait_marked(job)
    holds("exited with code 9" in job.message, f"message {job.message!r}")
    equal(len([e for e in job.entries if e.key == "step.kubernetes.wrong"]), 1, "attempts")
    scene.check_clean()


class Registry(http.server.BaseHTTPRequestHandler):
    """Has nothing, and lets nobody see "secret" images."""

    def do_GET(self):
        code, text = (401, '{"errors":[{"code":"UNAUTHORIZED"}]}') if "/secret/" in self.path else \
                     (404, '{"errors":[{"code":"MANIFEST_UNKNOWN","message":"manifest unknown"}]}')
        if self.path == "/v2/":
            code, text = 200, "{}"
        self.send_response(code)
        self.send_header("Content-Length", str(len(text)))
        self.end_headers()
        if self.command == "GET":
            self.wfile.write(text.encode())

    do_HEAD = do_GET

    def log_message(self, *_):
        pass


def image_refused(scene, port, name, words):
    server = http.server.ThreadingHTTPServer(("127.0.0.1", port), Registry)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    with contextlib.closing(server.socket):
        image = f"127.0.0.1:{port}/{name}:1"
        job = offer(scene, step("never", "true", image=image))
        scene.executor(KUBERNETES_IMAGE_PULL_POLICY="IfNotPresent")
        try:
            scene.wait_marked(job, 120)
        finally:
            server.shutdown()
    holds(all(w in job.message for w in ("step never", words, image)), f"message {job.message!r}")
    scene.check_clean()


@test
def image_not_found(scene):
    """The registry has no such image: the job fails soon, and says so."""
    image_refused(scene, 5901, "lunexec/absent", "the image is not there")


@test
def image_unauthorized(scene):
    """The registry wants credentials: the same."""
    image_refused(scene, 5902, "secret/image", "does not let the cluster pull")


@test
def image_name_invalid_after_output(scene):
    """A later step that can never start ends the job at once, and loses nothing of what ran before."""
    job = offer(scene, step("first", "seq 1 50000"), step("never", "true", image="not//a-name:1"))
    scene.executor(KUBERNETES_IMAGE_PULL_POLICY="IfNotPresent")
    scene.wait_marked(job, 120)
    holds("step never" in job.message and "not//a-name:1" in job.message, f"message {job.message!r}")
    lines = [line.removeprefix("stdout: ") for line in job.entry("step.kubernetes.first").lines()]
    equal([line for line in lines if line.isdigit()], [str(i) for i in range(1, 50001)],
          "output of the first step")
    scene.check_clean()


PROBE = {"restartPolicy": "Never", "containers": [{"name": "main", "image": jobs.STEP_IMAGE}]}


def quota(scene, name, kind, resource):
    """Lets no objects of this kind be made; in force when this returns. Until the controller has
    counted what there is, the API server heeds no quota."""
    api.call("POST", f"/api/v1/namespaces/{scene.namespace.name}/resourcequotas", {
        "apiVersion": "v1", "kind": "ResourceQuota", "metadata": {"name": name},
        "spec": {"hard": {resource: "0"}}})
    spec = PROBE if kind == "Pod" else {"template": {"spec": PROBE}}
    probe = {"apiVersion": "v1" if kind == "Pod" else "batch/v1", "kind": kind,
             "metadata": {"name": "probe"}, "spec": spec}
    deadline = time.monotonic() + 60
    while not exceeds(scene.namespace.collection(kind) + "?dryRun=All", probe):
        holds(time.monotonic() < deadline, f"the quota {name} is not in force")
        time.sleep(0.05)


def exceeds(path, manifest):
    try:
        api.call("POST", path, manifest)
    except api.ApiError as error:
        holds("exceeded quota" in str(error), str(error))
        return True
    return False


@test
def quota_refuses_job(scene):
    """A quota on Jobs: the API server's words, at once."""
    quota(scene, "none", "Job", "count/jobs.batch")
    job = offer(scene, step("never", "true"))
    scene.executor()
    scene.wait_marked(job)
    holds("exceeded quota" in job.message, f"message {job.message!r}")
    scene.check_clean()


@test
def quota_refuses_pod(scene):
    """A quota on pods: the Job is there and its pod is not; its Events say why."""
    quota(scene, "none", "Pod", "pods")
    scene.namespace.allow("events", "list")
    job = offer(scene, step("never", "true"))
    scene.executor(LUNEXEC_POLICY_DIR=policy(scene, grace(quota=1, no_pod=60)))
    scene.wait_marked(job)
    holds("made no pod" in job.message and "exceeded quota" in job.message, f"message {job.message!r}")
    scene.check_clean()


@test
def no_pod(scene):
    """Without the right to list Events the job ends all the same, after its grace."""
    quota(scene, "none", "Pod", "pods")
    job = offer(scene, step("never", "true"))
    scene.executor(LUNEXEC_POLICY_DIR=policy(scene, grace(no_pod=4)))
    scene.wait_marked(job)
    holds("the cluster made no pod for it" in job.message, f"message {job.message!r}")
    scene.check_clean()


@test
def unschedulable_grace(scene):
    """A policy says how long a job may wait for a node."""
    job = offer(scene, step("never", "true"))
    scene.executor(EXECUTOR_KUBERNETES_RESOURCE_REQUEST_MEMORY="900Gi",
                   EXECUTOR_KUBERNETES_RESOURCE_LIMIT_MEMORY="900Gi",
                   LUNEXEC_POLICY_DIR=policy(scene, grace(unschedulable=3)))
    scene.wait_marked(job)
    holds("no node takes its pod" in job.message and "nsufficient memory" in job.message,
          f"message {job.message!r}")
    scene.check_clean()


@test
def unmountable(scene):
    """A volume that does not mount: the job ends after its grace, and says which it is. Events are
    looked at after 5 s, where the kubelet may not have said so yet, and after 35 s."""
    volume = """job = function(task, settings)
      local made = default.job(task, settings)
      local pod = made.spec.template.spec
      pod.volumes[#pod.volumes + 1] = { name = "absent", configMap = { name = "no-such-map" } }
      local mounts = pod.initContainers[1].volumeMounts
      mounts[#mounts + 1] = { name = "absent", mountPath = "/absent" }
      return made, { grace = { ["pod-setup"] = 45 } }
    end"""
    scene.namespace.allow("events", "list")
    job = offer(scene, step("never", "true"))
    scene.executor(LUNEXEC_POLICY_DIR=policy(scene, volume))
    scene.wait_marked(job, 150)
    equal(job.state, "errored", "state")
    for words in ("does not get its volumes or its network ready", "FailedMount", "no-such-map"):
        holds(words in job.message, f"message {job.message!r}")
    scene.check_clean()
