"""What comes between: an end while something is underway, refusals in the middle of a job's way, and
the Events that say why a pod does not begin."""
import http.client
import os
import pathlib
import re
import signal
import subprocess
import tempfile
import threading

from executor import BINARY, Executor
from frontend import Frontend, payload
from httpd import Drop
from kube import Kube, Script, status
from leftovers import EVERY, gone, litter, rounds, state_dir
from metrics import port
from outcomes import AGAIN, CONTAINER, NAME, ONE, RUN, after, ended, outcome
from restart import TEXT, begin, edit_journal, held, marked_once, of, restart_row, shown
from shared import play, repository
from suite import equal, has, row, scenario

SICK = [(500, "sick")] * 100000


def end_now(w):
    """Both signals, each taken before the next."""
    for word in ("draining", "stopping"):
        w.executor.signal()
        w.until(lambda: word in w.executor.log, f"the word {word}")


def nothing_left(w):
    equal([len(made) for made in w.kube.made.values()], [0] * 4)


def stopped_row(sentence, on, *words):
    """It has ended well, has marked nothing, and its log has these words."""
    row("4", sentence, on, lambda w: equal((w.status, w.frontend.marks()), (0, [])) or
        has(w.log, *words))


class Slow(Kube):
    """Makes the first Job at once, and says so after `go`."""

    def __init__(self, script=None):
        self.go = threading.Event()
        self.asked = False
        super().__init__(script)

    def answer(self, call):
        answer = super().answer(call)
        if call.method == "POST" and call.name == "jobs" and not self.asked:
            self.asked = True
            self.go.wait(40)
        return answer

    def close(self):
        self.go.set()
        super().close()


# --- an end in the middle of something


def creating(w, **settings):
    w.frontend, w.kube = Frontend(), Slow(held())
    w.frontend.strict = True
    w.start(payload(dockerSteps=ONE), **settings)
    w.until(lambda: w.kube.asked, "the Job to be asked for")


@scenario
def stopped_creating(w):
    creating(w)
    end_now(w)
    w.kube.go.set()
    w.ended()


@scenario
def stopped_creating_unanswered(w):
    creating(w)
    end_now(w)
    w.ended(30)


for name, how in (("stopped_creating", "is answered then"),
                  ("stopped_creating_unanswered", "is never answered")):
    stopped_row(f"a second signal while a Job is made, which {how}", name)
    row("4", f"and nothing is left of a Job whose create {how}", name, nothing_left)


class Undeleted(Kube):
    """Does not answer deletes."""

    def answer(self, call):
        if call.method == "DELETE":
            raise Drop
        return super().answer(call)


@scenario
def stopped_cleaning(w):
    w.kube = Undeleted()
    w.start(payload(dockerSteps=ONE))
    w.until(lambda: "state=CLEANING" in w.executor.log, "CLEANING")
    end_now(w)
    w.ended(30)


@scenario
def stopped_flushing(w):
    w.start(payload(dockerSteps=ONE), rules=[("updateExecutionLogEntry", *SICK)])
    w.until(lambda: "state=FLUSHING" in w.executor.log, "FLUSHING")
    end_now(w)
    w.ended(30)


row("4", "a second signal while objects cannot be deleted: it ends, and says what is left",
    "stopped_cleaning", lambda w: equal(w.status, 0) or has(w.log, "job secret", NAME))
row("4", "a second signal while logs cannot be delivered: it ends, and says so", "stopped_flushing",
    lambda w: equal(w.status, 0) or has(w.log, "the log of a stopped job is not delivered"))


@scenario
def hand_over_creating(w):
    creating(w, keep_state=True)
    first = w.executor.process
    first.send_signal(signal.SIGUSR2)
    w.until(lambda: "asked to hand over" in w.executor.log, "the word")
    w.facts["waits"] = first.poll() is None
    w.kube.go.set()
    w.facts["status"] = first.wait(20)
    w.executor.start()
    w.until(lambda: w.frontend.of("heartbeat"), "a heartbeat")
    w.kube.release()
    w.marked().stopped()


restart_row("handed over while its Job is made: that is waited for, and the job goes on in it",
            "hand_over_creating", lambda w: equal((w.kube.names, w.facts, w.status),
                                                  ([NAME], {"waits": True, "status": 0}, 0)) or
            marked_once(w, "markComplete"))


# --- refusals on the way


class NoCredentials(Kube):
    def create(self, kind, body):
        if body["metadata"]["name"].endswith("-pull"):
            return status(403, "Forbidden", "cannot make what pulls images")
        return super().create(kind, body)


@scenario
def no_credentials(w):
    w.kube = NoCredentials()
    w.start(payload(dockerSteps=ONE, dockerAuthConfig={
        "auths": {"registry.example.com": {"auth": "dTpw"}}})).marked().stopped()


row("12f", "registry credentials that may not be made: the job goes on without them, and says so",
    "no_credentials", lambda w: marked_once(w, "markComplete") or
    has(w.log, "no image pull secret for the job", "cannot make what pulls images"))
row("12f", "and what it made is removed", "no_credentials", nothing_left)

outcome("undeletable", "7.4", "an attempt that may not be removed: its failure stands", "markErrored",
        "Evicted: so it is", script=after("Evicted"),
        prepare=lambda w: w.kube.forbidden.add(("delete", "jobs")), **AGAIN)
row("7.4", "and no other one is begun beside it", "undeletable",
    lambda w: equal(w.kube.names, [NAME]) or has(w.log, "the last attempt cannot be removed"))

outcome("cli_steps", "2.1", "steps for src-cli: failed, with what to switch on", "markFailed",
        "src-cli steps", "native execution", job=payload(cliSteps=[
            {"key": "a", "commands": ["src"], "dir": ".", "env": []}]))
outcome("later_image", "7.2", "a later container that cannot start: the steps before have their logs",
        "markErrored", "InvalidImageName", script=Script(
            logs={"setup-workspace": TEXT},
            waiting=("InvalidImageName", "couldn't parse image name", CONTAINER)))
row("7.2", "whole", "later_image",
    lambda w: has(w.frontend.log("setup.workspace")["out"], "stdout: one\nstdout: two\nstdout: three\n"))
outcome("entry_gone", "9.1", "a log entry that the frontend does not know any more: errored",
        "markErrored", "updating it", script=Script(logs={CONTAINER: TEXT}),
        rules=[("updateExecutionLogEntry", *[(404, "")] * 100000)])


@scenario
def shared_again(w):
    """The first attempt leaves a file in the workspace."""
    def first(_):
        (w.data / "job-42/of-the-first").touch()

    def second(_):
        w.facts.setdefault("files", sorted(p.name for p in (w.data / "job-42").iterdir()))
    script = ended("Evicted")
    script.act, script.then = first, Script(act=second)
    play(w, script=script, **AGAIN)


row("7.4", "shared volume: an evicted job is run again, from its first step", "shared_again",
    lambda w: equal((len(set(w.kube.names)),
                     [k for k in w.frontend.keys() if k.startswith("step.")]),
                    (4, [f"step.kubernetes.step.0.{s}" for s in ("pre", "pre", "run", "post")])) or
    marked_once(w, "markComplete"))
row("7.4", "shared volume: each attempt has a fresh workspace", "shared_again",
    lambda w: equal((w.facts["files"], w.left), ([".sourcegraph-executor", "input.json", "repository"],
                                                 [])))


# --- git through the executor


class GitFrontend(Frontend):
    """on_git(call) comes before git's own answer."""

    def __init__(self, on_git):
        self.on_git = on_git
        super().__init__()

    def git(self, call):
        self.on_git(call)
        return super().git(call)


def clone(w, on_git, **settings):
    w.folder = tempfile.TemporaryDirectory()
    w.data = pathlib.Path(w.folder.name, "data")
    w.data.mkdir()
    w.frontend = GitFrontend(on_git)
    w.frontend.git_root = w.folder.name + "/git"
    w.start(payload(commit=repository(w.frontend.git_root)),
            EXECUTOR_KUBERNETES_PERSISTENCE_VOLUME_NAME="sg-pvc",
            LUNEXEC_WORKSPACE_DIR=str(w.data), **settings)


def cloned(w):
    w.left = os.listdir(w.data)
    w.folder.cleanup()


@scenario
def git_dropped(w):
    def hang_up(_):
        raise Drop
    clone(w, hang_up)
    w.marked().stopped()
    cloned(w)


@scenario
def git_elsewhere(w):
    """While git fetches, others ask the executor's proxy."""
    def ask(_):
        if w.facts:
            return
        url = w.frontend.log("setup.git.add-remote")["command"][-1]
        for method, path in (("GET", "/github.com/acme/gadgets/info/refs"),
                             ("GET", "/github.com/acme/widgets/../gadgets/info/refs"),
                             ("GET", "/github.com/acme/widgets/%2e%2e/gadgets/info/refs"),
                             ("GET", "/"), ("DELETE", "/github.com/acme/widgets/info/refs")):
            peer = http.client.HTTPConnection(url.split("/")[2], timeout=10)
            peer.request(method, path)
            w.facts[f"{method} {path}"] = peer.getresponse().status
            peer.close()
    clone(w, ask)
    w.marked().stopped()
    cloned(w)


@scenario
def git_stopped(w):
    """Both signals while the frontend does not answer git."""
    asked, go = threading.Event(), threading.Event()

    def hang(_):
        asked.set()
        go.wait(40)
    clone(w, hang)
    w.until(asked.is_set, "git at the frontend")
    end_now(w)
    w.ended()
    go.set()
    cloned(w)


row("5.1", "a frontend that hangs up on git: errored, the failed command named", "git_dropped",
    lambda w: marked_once(w, "markErrored", "setup.git.fetch", "exit code 128") or equal(w.left, []))
row("5.1", "the executor's proxy leads to the job's repository only", "git_elsewhere",
    lambda w: equal(list(w.facts.values()), [403, 403, 403, 403, 405]) or
    marked_once(w, "markComplete"))
row("5.1", "and nothing of the others' asking reaches the frontend", "git_elsewhere",
    lambda w: equal([c for c in w.frontend.calls if "gadgets" in c.path], []))
stopped_row("a second signal while git fetches: it ends", "git_stopped")
row("4", "and the workspace is removed", "git_stopped", lambda w: equal(w.left, []))


# --- why a pod does not begin


class Eventful(Kube):
    """With these Events: (type, reason, message)."""

    def __init__(self, script, *events):
        self.happened = [{"type": kind, "reason": reason, "message": message}
                         for kind, reason, message in events]
        super().__init__(script)

    def answer(self, call):
        if call.method == "GET" and call.name == "events":
            if ("list", "events") in self.forbidden:
                return status(403, "Forbidden", "cannot list events")
            return 200, {"kind": "EventList", "metadata": {}, "items": self.happened}
        return super().answer(call)


@scenario
def late_start(w):
    go = threading.Event()
    w.kube = Eventful(
        Script(late=("setup-workspace", go), meanwhile={"conditions": [
            {"type": "PodScheduled", "status": "False", "reason": "Unschedulable",
             "message": "0/3 nodes are available"}]}),
        ("Normal", "Scheduled", "assigned"), ("Warning", "FailedScheduling", "0/3 nodes are available"),
        ("Normal", "Pulling", "Pulling image one"), ("Normal", "Noise", "nobody wants to know"),
        ("Warning", "FailedMount", "no such volume"), ("Warning", "FailedMount", "no such volume"))
    w.start(payload(dockerSteps=ONE))
    shown(w, "setup.workspace", "no such volume")
    go.set()
    w.marked().stopped()


def told(w):
    return [line for line in w.frontend.log("setup.workspace")["out"].splitlines() if "[lunexec]" in line]


row("9.2", "a pod that begins late: what its status and its Events say, once each", "late_start",
    lambda w: equal(told(w)[:-1], ["stdout: [lunexec] waiting for a node: 0/3 nodes are available",
                                   "stdout: [lunexec] the pod is on node node-1: waiting for its images "
                                   "and volumes", "stdout: [lunexec] Pulling image one",
                                   "stdout: [lunexec] FailedMount: no such volume"]))
row("9.2", "and how long it took", "late_start", lambda w: has(told(w)[-1], "[lunexec] started after "))

GRACE = """
local default = require "default"
return { api = 1, admit = default.admit, job = function(task, settings)
  return default.job(task, settings), { grace = { ["no-pod"] = 8, quota = 8 } }
end }
"""


def refused_pods(w, *forbidden):
    with tempfile.TemporaryDirectory() as folder:
        pathlib.Path(folder, "policy.lua").write_text(GRACE)
        w.kube = Eventful(Script(podless=True),
                          ("Warning", "FailedCreate", "exceeded quota: pods, used: 10, limited: 10"))
        w.kube.forbidden.update(forbidden)
        w.start(payload(dockerSteps=ONE), LUNEXEC_POLICY_DIR=folder).marked().stopped()


@scenario
def pods_refused(w):
    refused_pods(w)


@scenario
def pods_refused_unseen(w):
    refused_pods(w, ("list", "events"))


row("7.2", "a Job whose pods are refused: errored, with the words of the API server", "pods_refused",
    lambda w: marked_once(w, "markErrored", "exceeded quota: pods, used: 10") or nothing_left(w))
row("7.2", "and without the right to list Events, that there is no pod", "pods_refused_unseen",
    lambda w: marked_once(w, "markErrored", "the cluster made no pod for it") or
    equal(len([c for c in w.kube.calls if c.name == "events"]), 1))


# --- the sweep in trouble


def sweeping(w, prepare):
    w.frontend = Frontend()
    w.kube = w.kube or Kube()
    w.names = [litter(w, "ex-ours", id) for id in (7, 8)]
    prepare(w)
    w.start(LUNEXEC_STATE_DIR=state_dir(w, "ex-ours"), LUNEXEC_SWEEP_INTERVAL=EVERY)


def swept_in_the_end(w):
    gone(w, *w.names)
    w.stopped()


@scenario
def sweep_refused(w):
    """Secrets may not be deleted before the next process."""
    sweeping(w, lambda w: w.kube.forbidden.add(("delete", "secrets")))
    w.until(lambda: "cannot be removed now" in w.executor.log, "a word about it")
    rounds(w, 3)
    w.executor.kill()
    w.facts["left"] = sorted(w.kube.made["jobs"])
    w.kube.forbidden.clear()
    w.executor.start()
    swept_in_the_end(w)


@scenario
def sweep_failing(w):
    """The first delete of a Job fails, and so does a list."""
    sweeping(w, lambda w: w.kube.refusals.update({
        ("list", "jobs"): [status(501, "", "half done")],
        ("delete", "jobs"): [status(501, "", "half done")]}))
    swept_in_the_end(w)


class Paged(Kube):
    """Lists one object a page."""

    def resource(self, call, kind, name):
        answer = super().resource(call, kind, name)
        if call.method != "GET" or "limit=" not in call.query or answer[0] != 200:
            return answer
        items = answer[1]["items"]
        at = int(call.query.partition("continue=")[2] or 0)
        answer[1].update(items=items[at:at + 1])
        if at + 1 < len(items):
            answer[1]["metadata"]["continue"] = str(at + 1)
        return answer


@scenario
def sweep_paged(w):
    w.kube = Paged()
    sweeping(w, lambda w: None)
    swept_in_the_end(w)


def nothing_of(w):
    equal([sorted(w.kube.made[kind]) for kind in ("jobs", "secrets")], [[], []])


row("7.5", "the sweep: what belongs to a Job that it has removed is tried again, by a later process "
    "too, and said once", "sweep_refused", lambda w: nothing_of(w) or equal(w.facts["left"], []) or
    equal(len(re.findall("lvl=warn.*cannot be removed now", w.log)), 1))
row("7.5", "the sweep: an API server in trouble is asked again in the next round", "sweep_failing",
    lambda w: nothing_of(w))
row("7.5", "the sweep: a list in pages is read to its end", "sweep_paged", lambda w: nothing_of(w))


# --- what the state directory holds


@scenario
def record_unreadable(w):
    begin(w, held(), LUNEXEC_SWEEP_INTERVAL=EVERY)
    shown(w, "setup.workspace", "three")
    w.executor.kill()
    edit_journal(w.executor.log_path.with_name("state") / "journal",
                 lambda value: b"[" + value[1:] if b'"payload"' in value else value)
    w.kube.release()
    w.frontend.offer(payload(43, dockerSteps=ONE))
    w.executor.start()
    w.marked()
    gone(w, NAME)
    w.stopped()


restart_row("a record that cannot be read costs its own job only, and is said", "record_unreadable",
            lambda w: equal([(m.name, m.json["jobId"]) for m in w.frontend.marks()],
                            [("markComplete", 43)]) or
            has(w.log, "the journal has a job that cannot be read"))


@scenario
def journal_torn(w):
    begin(w, held())
    shown(w, "setup.workspace", "three")
    w.executor.kill()
    with open(w.executor.log_path.with_name("state") / "journal", "ab") as journal:
        journal.write(b"LXJ1\1\0")
    w.executor.start()
    w.until(lambda: len(w.frontend.of("heartbeat")) > 0, "a heartbeat")
    w.kube.release()
    w.marked().stopped()


restart_row("a write that was cut costs nothing, and is said", "journal_torn",
            lambda w: marked_once(w, "markComplete") or equal(w.kube.names, [NAME]) or
            has(w.log, "the journal ended in a write that was cut"))


@scenario
def name_unusable(w):
    with tempfile.TemporaryDirectory() as folder:
        pathlib.Path(folder, "executor-name").write_text("two words\n")
        w.start(payload(dockerSteps=ONE), LUNEXEC_STATE_DIR=folder).marked().stopped()


row("R", "a state directory with a name that is none: jobs run, and why they are not kept is said",
    "name_unusable", lambda w: marked_once(w, "markComplete") or
    has(w.log, "running without a state directory", "holds no executor name"))


# --- what it is started with


class Bare(Executor):
    """Started without standard input, output and error."""

    def start(self):
        self.argv = ["sh", "-c", 'exec "$0" run <&- >&- 2>&-', os.path.abspath(BINARY)]
        self.process = subprocess.Popen(self.argv, env=self.env)

    log = out = ""


@scenario
def no_descriptors(w):
    w.frontend, w.kube = Frontend(), Kube(Script(logs={CONTAINER: TEXT}))
    w.frontend.strict = True
    w.frontend.offer(payload(dockerSteps=ONE))
    w.executor = Bare(w.frontend, w.kube, keep_state=True)
    w.marked().stopped()


row("3.4", "without standard descriptors: none of its own files and sockets gets what is for people",
    "no_descriptors", lambda w: marked_once(w, "markComplete") or equal(w.status, 0) or
    equal([e["out"] for e in of(w, RUN)], ["stdout: one\nstdout: two\nstdout: three\n"]))


# --- the port


@scenario
def port_taken(w):
    w.frontend = Frontend()
    w.start(payload(dockerSteps=ONE),
            LUNEXEC_LISTEN=w.frontend.url.removeprefix("http://")).marked().stopped()


@scenario
def port_methods(w):
    address = port()
    w.start(LUNEXEC_LISTEN=f"127.0.0.1:{address}").called("dequeue")
    w.facts["answers"] = []
    for method in ("POST", "HEAD"):
        peer = http.client.HTTPConnection("127.0.0.1", address, timeout=10)
        peer.request(method, "/healthz")
        w.facts["answers"].append(peer.getresponse().status)
        peer.close()
    w.stopped()


row("10", "a port that is taken: said, and jobs run", "port_taken",
    lambda w: marked_once(w, "markComplete") or has(w.log, "no /metrics and /healthz"))
row("10", "/healthz: HEAD is answered, POST is not allowed", "port_methods",
    lambda w: equal(w.facts["answers"], [405, 200]))
