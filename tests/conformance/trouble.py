"""What is refused or damaged on a job's way, and the Events that say why a pod does not begin."""
import http.client
import json
import os
import pathlib
import re
import socket
import subprocess
import tempfile
import threading

from executor import BINARY, Executor
from frontend import Frontend, payload
from kube import Kube, Script, status
from leftovers import EVERY, gone, litter, rounds, state_dir
from metrics import free_port
from outcomes import AGAIN, CONTAINER, NAME, ONE, RUN, after, outcome
from restart import TEXT, begin, edit_journal, held, marked_once, of, restart_row, restarted, shown
from stops import nothing_left
from suite import equal, has, row, scenario

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


outcome("keep_again", "7.4", "KUBERNETES_KEEP_JOBS: an evicted job is run again", "markComplete",
        script=after("Evicted"), KUBERNETES_KEEP_JOBS="true", **AGAIN)
row("7.4", "and both its Jobs are kept", "keep_again",
    lambda w: equal((sorted(w.kube.made["jobs"]), w.kube.deleted["jobs"]),
                    ([NAME, NAME + "-attempt-2"], [])))

LOOPS = """
local default = require "default"
return { api = 1, admit = default.admit, job = default.job, retry = function() while true do end end }
"""


@scenario
def again_loops(w):
    with tempfile.TemporaryDirectory() as folder:
        pathlib.Path(folder, "policy.lua").write_text(LOOPS)
        w.start(payload(dockerSteps=ONE), script=after("Evicted"),
                LUNEXEC_POLICY_DIR=folder).marked().stopped()


row("7.4", "a retry() that does not come to its end: the failure stands", "again_loops",
    lambda w: marked_once(w, "markErrored", "Evicted: so it is") or equal(w.kube.names, [NAME]))
row("7.4", "and both logs say why", "again_loops", lambda w: has(w.log, "policy retry()") or
    has(json.dumps([c.json for c in w.frontend.of("updateExecutionLogEntry")]), "policy retry()"))

outcome("unwatched", "7.2", "pods that may not be listed: errored when the job's time is over",
        "markErrored", "job exceeded maximum execution time of 2s",
        prepare=lambda w: w.kube.forbidden.update({("list", "pods"), ("watch", "pods")}),
        EXECUTOR_MAXIMUM_RUNTIME_PER_JOB="2s")
row("7.2", "and the executor's log says so", "unwatched",
    lambda w: has(w.log, "watching pods fails, running jobs wait for it"))


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
def sweep_untagged(w):
    """Pods that do not say of which run they are, where Jobs may not be listed."""
    def prepare(w):
        w.kube.forbidden.add(("list", "jobs"))
        for pod in w.kube.made["pods"].values():
            del pod["metadata"]["annotations"]["lunexec.dev/run"]
    sweeping(w, prepare)
    swept_in_the_end(w)


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
row("7.5", "the sweep: of whatever run a Job was, what belongs to it goes with it", "sweep_untagged",
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


def append(path, data):
    with open(path, "ab") as file:
        file.write(data)


@scenario
def journal_torn(w):
    begin(w, held())
    shown(w, "setup.workspace", "three")
    restarted(w, lambda: append(w.executor.log_path.with_name("state") / "journal", b"LXJ1\1\0"))
    w.kube.release()
    w.marked().stopped()


restart_row("a write that was cut costs nothing, and is said", "journal_torn",
            lambda w: marked_once(w, "markComplete") or equal(w.kube.names, [NAME]) or
            has(w.log, "the journal ended in a write that was cut"))


@scenario
def journal_damaged(w):
    """A byte of a log entry's record has changed on the disk."""
    begin(w, held())
    shown(w, "setup.workspace", "three")
    path = w.executor.log_path.with_name("state") / "journal"
    restarted(w, lambda: path.write_bytes(path.read_bytes().replace(
        b'"key":"setup.workspace"', b'"key":"setup.workspXce"', 1)))
    w.kube.release()
    w.marked().stopped()


row("R", "a damaged record costs itself only, and is said", "journal_damaged",
    lambda w: marked_once(w, "markComplete") or equal(w.kube.names, [NAME]) or
    has(w.log, "the journal has damaged records, which are left out"))


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
    address = free_port()
    w.start(LUNEXEC_LISTEN=f"127.0.0.1:{address}").called("dequeue")
    w.facts["answers"] = []
    for method in ("POST", "HEAD"):
        peer = http.client.HTTPConnection("127.0.0.1", address, timeout=10)
        peer.request(method, "/healthz")
        w.facts["answers"].append(peer.getresponse().status)
        peer.close()
    w.stopped()


def has_ipv6():
    try:
        with socket.create_server(("::1", 0), family=socket.AF_INET6):
            return True
    except OSError:
        return False


def answers(address, *hosts):
    """The status of /healthz at each, None where nobody listens."""
    found = []
    for host in hosts:
        peer = http.client.HTTPConnection(host, address, timeout=10)
        try:
            peer.request("GET", "/healthz")
            found.append(peer.getresponse().status)
        except ConnectionRefusedError:
            found.append(None)
        peer.close()
    return found


def listening(name, host, wanted):
    def play(w):
        address = free_port()
        w.start(LUNEXEC_LISTEN=f"{host}:{address}").called("dequeue")
        w.facts["answers"] = answers(address, "127.0.0.1", "::1")
        w.stopped()
    play.__name__ = name
    scenario(play)
    row("10", f"LUNEXEC_LISTEN={host}:port: who is answered, over IPv4 and IPv6", name,
        lambda w: equal(w.facts["answers"], wanted))


if has_ipv6():
    listening("port_all", "", [200, 200])
    listening("port_ipv4", "0.0.0.0", [200, None])
    listening("port_ipv6", "[::1]", [None, 200])
else:
    print("skipped: port_ipv6: there is no IPv6")

row("10", "a port that is taken: said, and jobs run", "port_taken",
    lambda w: marked_once(w, "markComplete") or has(w.log, "no /metrics and /healthz"))
row("10", "/healthz: HEAD is answered, POST is not allowed", "port_methods",
    lambda w: equal(w.facts["answers"], [405, 200]))
