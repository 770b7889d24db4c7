"""Contract section 7: verdicts and texts; section 2: payloads; section 8.4: what the server reads."""
import json
import pathlib
import tempfile
import threading

from frontend import payload, step
from kube import STAMP, Kube, Script, status
from suite import equal, has, row, scenario

NAME = "sg-executor-job-batches-42"
ONE = [step("step.0.run")]
RUN, CONTAINER = "step.kubernetes.step.0.run", "step-kubernetes-step-0-run"


def outcome(name, section, sentence, mark, *words, script=None, prepare=None, job=None, **settings):
    """A row: so the pod or the API behaves, so the job is marked, and these words are in the
    message."""
    def play(w):
        w.kube = Kube(script or Script())
        if prepare:
            prepare(w)
        w.start(job or payload(dockerSteps=ONE), **settings).marked().stopped()
    play.__name__ = name
    scenario(play)
    row(section, sentence, name, lambda w: equal(w.frontend.marks()[0].name, mark) or
        has(w.frontend.marks()[0].json.get("errorMessage", ""), *words))


outcome("success", "7.2", "all containers exit 0: complete", "markComplete")
outcome("setup_fails", "7.4", "the setup container fails", "markErrored", "setup.workspace",
        "exited with code 128", script=Script(exits={"setup-workspace": 128}))
row("7.2", "the setup container fails: its exit code is its entry's", "setup_fails",
    lambda w: equal(w.frontend.log("setup.workspace")["exitCode"], 128))
outcome("step_exit", "7.4", "a step fails: the message names step, job and code", "markErrored",
        f'running command "{RUN}"', f"job {NAME} failed", "exited with code 3",
        script=Script(exits={CONTAINER: 3}))
outcome("main_fails", "7.4", "the last container fails", "markErrored", "main",
        script=Script(exits={"main": 1}))
outcome("deadline", "7.4", "the pod's deadline: the status message", "markErrored",
        f"job {NAME} failed", "Pod was active on the node longer than the specified deadline",
        script=Script(pod={"phase": "Failed", "reason": "DeadlineExceeded", "message":
                           "Pod was active on the node longer than the specified deadline"}))
outcome("evicted", "7.4", "an eviction: reason and message", "markErrored", "Evicted",
        'Usage of EmptyDir volume "job-data" exceeds the limit "5Gi".',
        script=Script(pod={"phase": "Failed", "reason": "Evicted", "message":
                           'Usage of EmptyDir volume "job-data" exceeds the limit "5Gi". '}))
outcome("bad_image", "7.4", "an image name that cannot be: the reason, without waiting", "markErrored",
        "InvalidImageName", "setup-workspace",
        script=Script(waiting=("InvalidImageName", "couldn't parse image name")))
outcome("job_refused", "7.1", "the Job is refused: the API server's words", "markErrored", "creating job",
        "exceeded quota", prepare=lambda w: w.kube.refusals.update({("create", "jobs"): [
            status(403, "Forbidden", "exceeded quota: pods")] * 9}))
outcome("secret_refused", "7.1", "the Secret is refused: the API server's words", "markErrored",
        "cannot create resource",
        prepare=lambda w: w.kube.forbidden.add(("create", "secrets")))
outcome("job_503", "7.1", "an API server in trouble is asked again", "markComplete",
        prepare=lambda w: w.kube.refusals.update({("create", "jobs"): [
            status(503, "ServiceUnavailable", "try again")] * 2}))
outcome("watch_410", "7.2", "a watch that is too old: listed again, the job goes on", "markComplete",
        prepare=lambda w: w.kube.refusals.update({("watch", "pods"): [
            status(410, "Expired", "too old resource version")] * 2}))
outcome("watch_503", "7.2", "an API server in trouble is watched again, and the job goes on",
        "markComplete", prepare=lambda w: w.kube.refusals.update({
            ("list", "pods"): [status(500, "InternalError", "etcdserver: leader changed")] * 2,
            ("watch", "pods"): [status(503, "ServiceUnavailable", "try again")] * 3}))
outcome("gone_before", "7.5", "what somebody else deleted is deleted: no error", "markComplete",
        prepare=lambda w: setattr(w.kube.script, "act", lambda name: w.kube.made["secrets"].clear()))
outcome("log_500", "7.3", "a log that is refused for a while is read later", "markComplete",
        script=Script(logs={CONTAINER: "a\n"}),
        prepare=lambda w: w.kube.refusals.update({("get", "pods"): [
            status(500, "InternalError", "kubelet")] * 2}))

row("7.5", "what somebody else deleted: the teardown is fine", "gone_before",
    lambda w: equal(w.frontend.log("teardown.kubernetes.job")["exitCode"], 0))
row("7.5", "a failed job leaves nothing behind", "step_exit",
    lambda w: equal([len(m) for m in w.kube.made.values()], [0] * 4))
row("7.5", "a refused Job leaves no Secret behind", "job_refused",
    lambda w: equal(w.kube.made["secrets"], {}))
row("7.2", "containers after the failed one have no entries", "step_exit",
    lambda w: "main" not in w.frontend.keys())
row("8.4", "a refused Job is explained where users look first", "job_refused",
    lambda w: has(w.frontend.log("setup.workspace")["out"], "exceeded quota"))
row("7.3", "the log that came late is whole", "log_500",
    lambda w: equal(w.frontend.log(RUN)["out"], "stdout: a\n"))


@scenario
def delete_fails(w):
    w.kube = Kube()
    w.kube.forbidden.add(("delete", "jobs"))
    w.start(payload(dockerSteps=ONE)).marked().stopped()


row("7.5", "a Job that cannot be deleted: said in the teardown entry, exit code 1", "delete_fails",
    lambda w: equal(w.frontend.log("teardown.kubernetes.job")["exitCode"], 1) or
    has(w.frontend.log("teardown.kubernetes.job")["out"], f"Failed to delete job {NAME}"))
row("7.5", "a Job that cannot be deleted: the job is complete all the same", "delete_fails",
    lambda w: equal(w.frontend.marks()[0].name, "markComplete"))

# --- 12d retries: another attempt where the cluster failed one, as the policy decides

POLICY = pathlib.Path(__file__).resolve().parent.parent / "fixtures/again"
AGAIN = {"LUNEXEC_POLICY_DIR": str(POLICY)}
folders = []


def again_within(seconds):
    """As AGAIN, but a Job gets its pod within so many seconds, or has failed."""
    folders.append(tempfile.TemporaryDirectory())
    text = (POLICY / "policy.lua").read_text().replace('["no-pod"] = 60', f'["no-pod"] = {seconds}')
    pathlib.Path(folders[-1].name, "policy.lua").write_text(text)
    return {"LUNEXEC_POLICY_DIR": folders[-1].name}


def holds_many(deletes):
    if len(deletes) < 3:
        raise AssertionError(f"{len(deletes)} deletes")


def ended(reason):
    return Script(pod={"phase": "Failed", "reason": reason, "message": "so it is"})


def after(reason):
    script = ended(reason)
    script.then = Script()
    return script


outcome("again", "7.4", "an evicted job is run again, and completes", "markComplete",
        script=after("Evicted"), **AGAIN)
outcome("again_default", "7.4", "the default policy lets a job's own deadline stand", "markErrored",
        "DeadlineExceeded", script=after("DeadlineExceeded"))
outcome("again_exit", "7.4", "an exit code is never run again", "markErrored", "exited with code 3",
        script=Script(exits={CONTAINER: 3}, then=Script()), **AGAIN)
outcome("again_thrice", "7.4", "the policy ends it: the last failure is told", "markErrored",
        "Evicted: so it is", script=ended("Evicted"), **AGAIN)
outcome("again_wrong", "7.4", "an answer of retry() that cannot be: the failure stands",
        "markErrored", "Preempting", script=after("Preempting"), **AGAIN)
outcome("podless", "7.2", "a Job without a pod fails after its grace", "markErrored",
        "the cluster made no pod for it", script=Script(podless=True, then=Script(podless=True)),
        **again_within(1))
outcome("blind", "7.2", "a pod that cannot be seen for a while is not missing", "markComplete",
        prepare=lambda w: w.kube.refusals.update({("list", "pods"): [
            status(500, "InternalError", "etcdserver: leader changed")] * 6}), **again_within(1))
row("7.4", "attempts have names of their own", "again",
    lambda w: equal(w.kube.names, [NAME, NAME + "-attempt-2"]))
row("7.4", "never two attempts at once", "again_thrice",
    lambda w: equal((w.kube.most, len(w.kube.names)), (1, 3)))
row("7.2", "and its job has one attempt", "blind", lambda w: equal(len(w.kube.names), 1))
row("7.4", "a failure that stands has one attempt", "again_exit", lambda w: equal(len(w.kube.names), 1))
row("7.4", "the next attempt's log says why the last one ended", "again",
    lambda w: has(w.frontend.log("setup.workspace")["out"], "attempt 1 ended (evicted)",
                  "Evicted: so it is", "attempt 2 begins"))
row("7.4", "the last attempt's log says that it ended", "again",
    lambda w: any("attempt 1 ended (evicted)" in c.json.get("out", "")
                  for c in w.frontend.of("updateExecutionLogEntry") if c.json["key"] == "main") or
    has("", "attempt 1 ended"))
row("7.4", "all attempts are removed", "again_thrice",
    lambda w: equal([len(m) for m in w.kube.made.values()], [0] * 4))
row("7.4", "every attempt has a Secret of its own", "again",
    lambda w: equal([s["metadata"]["name"] for s in w.kube.created["secrets"]],
                    [NAME + "-secrets", NAME + "-attempt-2-secrets"]))
row("7.4", "the second attempt is labelled", "again",
    lambda w: equal(w.kube.created["jobs"][1]["metadata"]["labels"]["lunexec.dev/attempt"], "2"))
row("7.4", "a wrong answer of retry() is in the executor's log", "again_wrong",
    lambda w: has(w.log, "policy retry()", "delay: must be whole seconds from 0 to 3600"))


@scenario
def again_unheard(w):
    """The frontend does not answer heartbeats any more, for so long that it gives jobs to others."""
    script = after("Evicted")
    script.hold = True
    w.start(payload(dockerSteps=ONE), script=script, **AGAIN)
    w.called("heartbeat", 2)
    w.frontend.rules.append(("heartbeat", [(500, "x")] * 100000))
    w.called("heartbeat", 7)
    w.kube.release()
    w.until(lambda: "nothing is made for a job before" in w.executor.log, "the wait")
    w.facts["made"] = list(w.kube.names)
    w.frontend.rules.clear()
    w.marked().stopped()


row("7.4", "no attempt begins while nobody knows whether the job is given to somebody else",
    "again_unheard", lambda w: equal((w.facts["made"], w.kube.names, w.frontend.marks()[0].name),
                                     ([NAME], [NAME, NAME + "-attempt-2"], "markComplete")))


@scenario
def cancelled_between(w):
    """While the next attempt waits for its time."""
    w.start(payload(dockerSteps=ONE), script=after("NodeShutdown"), **AGAIN)
    w.until(lambda: "state=CLEARING" in w.executor.log, "the wait")
    w.frontend.cancel.add("42")
    w.marked().stopped()


row("7.4", "a job that is cancelled between attempts: markFailed", "cancelled_between",
    lambda w: equal(w.frontend.marks()[0].name, "markFailed"))
row("7.4", "and no other attempt is made", "cancelled_between",
    lambda w: equal((len(w.kube.names), len(w.kube.made["jobs"])), (1, 0)))

outcome("never_gone", "7.4", "an attempt that does not go away: no other one, until the job's time ends",
        "markErrored", "job exceeded maximum execution time of 8s", "(evicted)", "Evicted: so it is",
        script=ended("Evicted"), prepare=lambda w: setattr(w.kube, "stubborn", True),
        EXECUTOR_MAXIMUM_RUNTIME_PER_JOB="8s", **AGAIN)
row("7.4", "and then it had the one attempt", "never_gone",
    lambda w: equal(len(w.kube.names), 1) or holds_many(w.kube.deleted["jobs"]))

# --- 2.1 payloads

outcome("nulls", "2.1", "null arrays and maps count as empty", "markComplete", job=payload(
    files=None, sparseCheckout=None, redactedValues=None, dockerSteps=[
        {"key": "step.0.run", "image": "alpine:3", "commands": None, "dir": ".", "env": None}]))
outcome("empty_file", "2.1", "a file with neither content nor bucket is empty", "markComplete",
        job=payload(dockerSteps=ONE, files={"empty": {"modifiedAt": "0001-01-01T00:00:00Z"}}))
outcome("unknown_keys", "2.1", "unknown keys are ignored", "markComplete",
        job=payload(dockerSteps=ONE, requiresFirecracker=True, kubernetesSteps=[{}]))
outcome("bad_base64", "2.1", "content that is no base64: failed, and said so", "markFailed", "files",
        job=payload(dockerSteps=ONE, files={"a": {"content": "%%%"}}))
outcome("bad_env", "2.1", "an env entry without =: failed, and said so", "markFailed", "env",
        job=payload(dockerSteps=[step("step.0.run", env=["NOVALUE"])]))
outcome("outside", "5.2", "a file outside of the workspace is refused", "markFailed",
        job=payload(dockerSteps=ONE, files={"../../etc/passwd": {"content": "aGk="}}))
outcome("codeintel", "2.3", "a codeintel job", "markComplete", job=payload(
    repositoryDirectory="", files={}, redactedValues={
        "token-executor hunter2hunter2hunter2": "token-executor REDACTED"},
    dockerSteps=[step("pre-index.0", "alpine", ["yarn", "install"], "web",
                      ["VM_CPUS=4", "VM_MEM=12.0 GB", "VM_MEM_GB=12"]),
                 step("indexer", "sourcegraph/scip-go", ["scip-go -o dump.scip"], "web"),
                 step("upload", "sourcegraph/src-cli:5.6.0", ["src code-intel upload"], "web",
                      ["SRC_ENDPOINT=https://sourcegraph.example.com",
                       "SRC_HEADER_AUTHORIZATION=token-executor hunter2hunter2hunter2"])]))
row("2.3", "codeintel: keys of the entries", "codeintel",
    lambda w: equal([k for k in w.frontend.keys() if k.startswith("step.")],
                    [f"step.kubernetes.{k}" for k in ("pre-index.0", "indexer", "upload")]))
row("2.3", "codeintel: VM_ variables arrive as sent", "codeintel",
    lambda w: equal(w.kube.job()["spec"]["template"]["spec"]["initContainers"][1]["env"][:3],
                    [{"name": "VM_CPUS", "value": "4"}, {"name": "VM_MEM", "value": "12.0 GB"},
                     {"name": "VM_MEM_GB", "value": "12"}]))
row("2.3", "codeintel: the upload's authorization is in the Secret only", "codeintel",
    lambda w: "hunter2" not in json.dumps(w.kube.job()))

# --- 8.4 what the server parses out of log entries

EVENT = json.dumps({"operation": "CACHE_AFTER_STEP_RESULT", "timestamp": 1, "status": "SUCCESS",
                    "metadata": {"value": {"diff": "ZGlmZg==", "outputs": {"a": "}{\\"}}}})


@scenario
def post_output(w):
    w.start(payload(), script=Script(logs={
        "step-kubernetes-step-0-post": "words\n" + EVENT + "\r\n\nlast\n"})).marked().stopped()


row("8.4", ".post output arrives unchanged but for the prefix", "post_output",
    lambda w: equal(w.frontend.log("step.kubernetes.step.0.post")["out"],
                    f"stdout: words\nstdout: {EVENT}\nstdout: \nstdout: last\n"))
row("8.4", "keys of steps are what the server looks for", "post_output",
    lambda w: equal([k for k in w.frontend.keys() if k.startswith("step.")],
                    [f"step.kubernetes.step.0.{s}" for s in ("pre", "run", "post")]))


class Halting(Kube):
    """The step's log stops in the middle of a line, and of a secret, until `go`."""

    def __init__(self):
        self.go, self.read = threading.Event(), threading.Event()
        super().__init__(Script(late=("main", self.go), act=self.act))

    def act(self, name):
        if name == CONTAINER:
            self.read.wait()

    def get(self, kind, name, query):
        if not name.endswith("/log") or query["container"] != CONTAINER:
            return super().get(kind, name, query)

        def stream(chunk):
            stamp = STAMP.format(0).encode()
            chunk(stamp + b" one\n" + stamp + b" two s3cr3t")
            self.go.wait()
            chunk(b"value end\n" + stamp + b" three\n")
        return 200, stream


@scenario
def late_container(w):
    w.kube = Halting()
    w.start(payload(dockerSteps=ONE))
    w.until(lambda: "one" in (w.frontend.log(RUN) or {}).get("out", ""), "the first line")
    w.kube.read.set()
    w.kube.wait(lambda: [c for c in w.kube.calls if c.path.endswith("/events")], "a look at events")
    w.kube.go.set()
    w.marked().stopped()


row("9.2", "why the next container does not begin stands between lines of the step before",
    "late_container", lambda w: has(w.frontend.log(RUN)["out"],
                                    "stdout: one\nstdout: two ${{ secrets.GITHUB_TOKEN }} end\n"
                                    "stdout: [lunexec] the pod is on node node-1: waiting for its "
                                    "images and volumes\n", "\nstdout: three\n"))
