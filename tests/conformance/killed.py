"""An executor that is killed in each state of a job, or hands over, and what the next process with
the same state directory makes of it."""
import base64
import os
import pathlib
import re
import signal
import subprocess
import tempfile
import threading

from executor import BINARY, Executor
from frontend import Frontend, payload
from httpd import PATIENCE_S, Drop
from kube import Kube, Script, status
from loop import one_more_beat
from outcomes import AGAIN, CONTAINER, NAME, ONE, RUN
from restart import TEXT, begin, held, journal_of, log_reads, marked_once, of, restart_row, restarted, shown
from shared import repository
from suite import equal, has, row, scenario

SICK = [(500, "sick")] * 100000
OUTPUT = "stdout: one\nstdout: two\nstdout: three\n"
LOGS = {"setup-workspace": TEXT, CONTAINER: TEXT}


def state_entered(w, state):
    """Its own log says that the executor entered the state with the job."""
    w.until(lambda: f"state={state}\n" in w.executor.log, f"state {state}")


def kube_sick(w, verb, kind):
    w.kube.refusals[(verb, kind)] = [status(503, "ServiceUnavailable", "sick")] * 100000


def killed(state, jobs, script=None, payloads=None, holding=None, released=None, rules=(), **settings):
    """One row of kills: `holding(w)` keeps the job in that state, `released(w)` lets it go after the
    kill. Then the job is complete, with at most `jobs` Jobs in all, one at a time."""
    def play(w):
        w.frontend, w.kube = Frontend(), Kube(script() if script else Script(logs=LOGS))
        if holding:
            holding(w)
        w.start(payloads or payload(dockerSteps=ONE), keep_state=True, rules=rules, **settings)
        state_entered(w, state)
        w.executor.kill()
        w.frontend.rules.clear()
        w.kube.refusals.clear()
        if released:
            released(w)
        w.executor.start()
        w.until(lambda: any(m.status == 204 for m in w.frontend.marks()), "a mark")
        w.stopped()
    play.__name__ = "killed_in_" + state.lower()
    scenario(play)
    restart_row(f"killed in {state}: the job is complete, once", play.__name__,
                lambda w: equal([m.name for m in w.frontend.marks() if m.status == 204],
                                ["markComplete"]) or equal(w.kube.most, 1) or
                len(w.kube.names) <= jobs)
    row("R", f"killed in {state}: the logs are whole, once", play.__name__, lambda w: equal(
        [e["out"] for e in of(w, RUN) if e["exitCode"] == 0], [OUTPUT]))


FILES = payload(dockerSteps=ONE, files={
    "input.json": {"content": "e30="}, "tool": {"bucket": "b", "key": "tool-1"}})


def has_file(w):
    w.frontend.files["b/tool-1"] = b"tool"


def pod_at_last(w):
    w.kube.script.podless = False
    job = w.kube.made["jobs"][NAME]
    threading.Thread(target=w.kube.run, args=[job, w.kube.script], daemon=True).start()


# Not held: the kill may come a little later.
killed("QUEUED", 2)
killed("FETCHING", 1, payloads=FILES, holding=has_file, rules=[("tool-1", *SICK)])
killed("PLANNING", 2)
killed("PARKED", 2)
killed("CREATING", 1, holding=lambda w: kube_sick(w, "create", "jobs"))
killed("PENDING", 1, script=lambda: Script(logs=LOGS, podless=True), released=pod_at_last)
killed("RUNNING", 1, script=held, released=lambda w: w.kube.release())
killed("DRAINING_LOGS", 1, holding=lambda w: kube_sick(w, "get", "pods"))
killed("CLEANING", 1, holding=lambda w: kube_sick(w, "delete", "jobs"))
killed("FLUSHING", 1, rules=[("updateExecutionLogEntry", *SICK)])
killed("REPORTING", 1, rules=[("markComplete", *SICK)])


class Silent(Kube):
    """Makes the first object of a kind (after `skip` others) and does not answer before `go`."""

    def __init__(self, script, kind="jobs", skip=0):
        self.go = threading.Event()
        self.kind, self.skip = kind, skip
        super().__init__(script)

    def answer(self, call):
        answer = super().answer(call)
        if call.method == "POST" and call.name == self.kind:
            self.skip -= 1
            if self.skip == -1:
                self.go.wait()
                raise Drop
        return answer


@scenario
def killed_unremovable(w):
    """Before its Job is made; the executor cannot ask whose a Secret is when it is back."""
    w.frontend, w.kube = Frontend(), Silent(Script(logs=LOGS), "secrets")
    w.start(payload(dockerSteps=ONE), keep_state=True, **AGAIN)
    w.until(lambda: w.kube.made["secrets"], "a Secret")
    w.executor.kill()
    w.kube.go.set()
    w.kube.forbidden.add(("delete", "secrets"))
    w.executor.start()
    w.marked().stopped()


row("R", "what was begun and cannot be looked at fails the job, not the executor",
    "killed_unremovable",
    lambda w: marked_once(w, "markErrored", "creating job secret") or equal(w.status, 0))


def killed_in_create(name, kind, sentence, skip=0, payloads=None):
    """The object is made, its pod perhaps runs, and the executor dies before it knows."""
    def play(w):
        w.frontend, w.kube = Frontend(), Silent(held(), kind, skip)
        w.frontend.files["b/tool-1"] = bytes(range(256)) * 2000  # gets a Secret of its own
        w.start(payloads or payload(dockerSteps=ONE), keep_state=True)
        w.until(lambda: len(w.kube.made[kind]) > skip, "the object")
        w.executor.kill()
        w.kube.go.set()
        w.executor.start()
        shown(w, "setup.workspace", "three")
        w.facts["deleted"] = sum(w.kube.deleted.values(), [])
        w.kube.release()
        w.marked().stopped()
    play.__name__ = name
    scenario(play)
    restart_row(sentence, name, lambda w: equal(w.kube.names, [NAME]) or
                equal(w.facts["deleted"], []) or marked_once(w, "markComplete"))
    row("R", "and its logs are whole, once", name, lambda w: equal(
        [e["out"] for e in of(w, RUN) if e["exitCode"] == 0], [OUTPUT]))


killed_in_create("killed_unanswered", "jobs",
                 "a Job whose create was not answered before the kill is taken over: no step "
                 "begins twice")
killed_in_create("killed_before_the_job", "secrets",
                 "a Secret whose create was not answered before the kill is taken over")
killed_in_create("killed_before_its_files", "secrets",
                 "a Job that runs while what it needs is not known to be made is taken over",
                 skip=1, payloads=FILES)


@scenario
def mark_answer_lost(w):
    """The frontend has taken the mark; the executor dies before it knows."""
    begin(w, Script(logs=LOGS), rules=[("markComplete", *["drop"] * 100000)])
    w.called("markComplete")
    w.executor.kill()
    w.frontend.rules.clear()
    w.frontend.unknown.add("42")
    w.facts["calls"] = len(w.frontend.calls)
    w.executor.start()
    w.until(lambda: state_dir_empty(w), "an empty journal")
    w.stopped()


def of_the_second(w):
    """Calls from the second process's first heartbeat on; those before it the killed one had sent."""
    calls = w.frontend.calls[w.facts["calls"]:]
    return calls[next(i for i, call in enumerate(calls) if call.name == "heartbeat"):]


def state_dir_empty(w):
    journal = w.executor.log_path.with_name("state") / "journal"
    return journal.exists() and journal.stat().st_size == 0


restart_row("a job that was marked already is not marked again", "mark_answer_lost",
            lambda w: equal([c.name for c in of_the_second(w) if c.name.startswith("mark")], []))


@scenario
def lost_while_away(w):
    """The frontend gave the job to somebody else."""
    begin(w, held())
    shown(w, "setup.workspace", "three")
    w.executor.kill()
    w.frontend.unknown.add("42")
    w.facts["calls"] = len(w.frontend.calls)
    w.executor.start()
    w.until(lambda: state_dir_empty(w), "an empty journal")
    w.stopped()


restart_row("a job that was lost meanwhile is only removed", "lost_while_away",
            lambda w: equal([c.name for c in w.frontend.calls[w.facts["calls"]:]
                             if c.name not in ("heartbeat", "dequeue", "auth")], []))

# --- hand-over


def handed_over(w, take_over):
    begin(w, held())
    shown(w, "setup.workspace", "three")
    first = w.executor.process
    try:
        take_over(w, first)
        w.facts["status"] = first.wait(PATIENCE_S)
    finally:
        first.kill()
    beats = len(w.frontend.of("heartbeat"))
    w.until(lambda: any(c.json.get("jobIds") == [42] for c in w.frontend.of("heartbeat")[beats:]),
            "a heartbeat of the second process")
    w.kube.release()
    w.marked().stopped()


@scenario
def hand_over_signal(w):
    def take_over(w, first):
        first.send_signal(signal.SIGUSR2)
        first.wait(PATIENCE_S)
        w.executor.start()
    handed_over(w, take_over)


@scenario
def hand_over_asked(w):
    """A second process is started with the same directory, while the first still runs. It holds the
    directory for a while before it hands it on."""
    handed_over(w, lambda w, first: w.executor.start())


for name, how in (("hand_over_signal", "SIGUSR2"), ("hand_over_asked", "a second process")):
    restart_row(f"{how}: the job goes on, in the same pod", name,
                lambda w: equal((w.kube.names, w.facts["status"], w.status), ([NAME], 0, 0)) or
                marked_once(w, "markComplete"))
    row("R", f"{how}: one dequeue, one name", name, lambda w: equal(
        (len([c for c in w.frontend.of("dequeue") if c.status == 200]),
         len({c.json["executorName"] for c in w.frontend.of("heartbeat")})), (1, 1)))

@scenario
def hand_over_withdrawn(w):
    """A second process is started with the same directory by mistake, and ended before the first one
    has heard of it: which goes on, and later hands over to the next that asks."""
    begin(w, held())
    shown(w, "setup.workspace", "three")
    first = w.executor.process
    wish = pathlib.Path(w.executor.env["LUNEXEC_STATE_DIR"], "handover")
    try:
        w.facts["ends"] = []
        for number in (signal.SIGTERM, signal.SIGUSR2, signal.SIGKILL):
            asked = w.executor.log.count("it is asked to hand over") + 1
            first.send_signal(signal.SIGSTOP)  # so that it does not hear of it
            w.executor.start()
            w.until(lambda n=asked: w.executor.log.count("it is asked to hand over") == n, "a wish")
            w.executor.signal(number)
            w.facts["ends"].append(w.executor.wait())
            first.send_signal(signal.SIGCONT)
            w.until(lambda: not wish.exists(), "the end of the wish")
        w.facts["goes_on"] = first.poll() is None
        w.kube.release()
        w.marked()
        w.executor.start()
        w.facts["status"] = first.wait(PATIENCE_S)
    finally:
        first.kill()
    w.stopped()


restart_row("a second process that ends while it waits takes nothing over", "hand_over_withdrawn",
            lambda w: equal((w.facts["ends"], w.facts["goes_on"], w.facts["status"], w.status),
                            ([0, 0, -signal.SIGKILL], True, 0, 0)) or
            marked_once(w, "markComplete"))


@scenario
def hand_over_refused(w):
    """A second process is started with the same directory, and a password that the frontend refuses."""
    begin(w, held())
    shown(w, "setup.workspace", "three")
    first = w.executor.process
    try:
        w.executor.env["EXECUTOR_FRONTEND_PASSWORD"] = w.frontend.refused = "of-last-year"
        w.executor.start()
        w.facts["end"] = w.executor.wait()
        w.facts["log"] = w.executor.log
        w.kube.release()
        w.marked()
        w.executor.process = first
        w.stopped()
    finally:
        first.kill()


restart_row("a second process that the frontend refuses takes nothing over", "hand_over_refused",
            lambda w: equal((w.facts["end"], w.status), (1, 0)) or marked_once(w, "markComplete") or
            has(w.facts["log"], "the frontend refuses EXECUTOR_FRONTEND_PASSWORD"))


@scenario
def hand_over_of_nothing(w):
    """Somebody has removed the journal: nobody could go on with the job."""
    begin(w, held())
    shown(w, "setup.workspace", "three")
    journal_of(w).unlink()
    w.executor.signal(signal.SIGUSR2)
    w.until(lambda: "asked to hand over" in w.executor.log, "the wish")
    one_more_beat(w)
    w.kube.release()
    w.marked().ended()


restart_row("SIGUSR2 when the journal is gone: jobs are finished first", "hand_over_of_nothing",
            lambda w: equal(w.status, 0) or marked_once(w, "markComplete") or
            has(w.log, "is finished before the hand-over"))

# --- without a state directory that can be used


@scenario
def state_unusable(w):
    """It is a file."""
    with tempfile.NamedTemporaryFile() as file:
        w.start(payload(dockerSteps=ONE), LUNEXEC_STATE_DIR=file.name).marked()
        w.executor.signal(signal.SIGUSR2)
        w.until(lambda: "SIGUSR2 is ignored" in w.executor.log, "a word about SIGUSR2")
        w.stopped()


row("R", "a state directory that cannot be used: jobs run", "state_unusable",
    lambda w: marked_once(w, "markComplete") or equal(w.status, 0))
row("R", "a state directory that cannot be used: said once, with what is given up", "state_unusable",
    lambda w: equal(w.log.count("running without a state directory"), 1) or
    has(w.log, "jobs that run when this process dies are lost", "LUNEXEC_STATE_DIR="))

# --- the shared-volume layout


def shared(w, kube, **settings):
    w.folder = tempfile.TemporaryDirectory()
    w.frontend, w.kube = Frontend(), kube
    w.frontend.git_root = w.folder.name + "/git"
    w.data = pathlib.Path(w.folder.name, "data")
    w.data.mkdir()
    w.start(payload(commit=repository(w.frontend.git_root)), keep_state=True, **{
        "EXECUTOR_KUBERNETES_PERSISTENCE_VOLUME_NAME": "sg-pvc",
        "LUNEXEC_WORKSPACE_DIR": str(w.data), **settings})


def shared_ends(w):
    w.marked().stopped()
    w.left = os.listdir(w.data)
    w.folder.cleanup()


@scenario
def shared_killed_cloning(w):
    """The first process never gets its clone, which ends with it."""
    with tempfile.TemporaryDirectory() as folder:
        w.hang = pathlib.Path(folder, "hang")
        w.hang.touch()
        git = pathlib.Path(folder, "git")
        git.write_text(f'#!/bin/sh\ncase "$*" in *fetch*) while [ -e {w.hang} ]; do sleep 0.05; '
                       'done; kill -0 $PPID || exit;; esac\nexec /usr/bin/git "$@"\n')
        git.chmod(0o755)
        shared(w, Kube(), PATH=f"{folder}:{os.environ['PATH']}")
        w.until(lambda: w.frontend.log("setup.git.fetch"), "git fetch")
        w.executor.kill()
        w.hang.unlink()
        w.executor.start()
        shared_ends(w)


@scenario
def shared_killed_in_step(w):
    """In the second of three steps."""
    def act(container):
        if container == "step-kubernetes-step-0-run":
            w.go.wait()
    w.go = threading.Event()
    shared(w, Kube(Script(logs={"step-kubernetes-step-0-run": TEXT}, act=act)))
    shown(w, "step.kubernetes.step.0.run", "three")
    restarted(w)
    w.go.set()
    shared_ends(w)


@scenario
def shared_killed_in_create(w):
    """The second step's Job is made, and the executor dies before it knows."""
    shared(w, Silent(Script(logs={"step-kubernetes-step-0-run": TEXT}), skip=1))
    w.until(lambda: len(w.kube.names) == 2, "the second Job")
    w.executor.kill()
    w.kube.go.set()
    w.executor.start()
    shared_ends(w)


for name, sentence in (("shared_killed_cloning", "while it clones"),
                       ("shared_killed_in_create", "while a step's Job is made"),
                       ("shared_killed_in_step", "while a step runs")):
    restart_row(f"shared volume, killed {sentence}: complete, each step ran once", name,
                lambda w: marked_once(w, "markComplete") or
                equal([n.rsplit(".", 1)[1] for n in w.kube.names], ["pre", "run", "post"]))
    row("R", f"shared volume, killed {sentence}: no workspace is left", name,
        lambda w: equal(w.left, []))
for name in ("shared_killed_in_step", "shared_killed_in_create"):
    row("R", f"shared volume, {name[7:].replace('_', ' ')}: the step's log is whole", name,
        lambda w: equal([e["out"] for e in of(w, "step.kubernetes.step.0.run")], [OUTPUT]))

# --- a full disk

SMALL = """
"$0" run & pid=$!
while read -r word; do
    case $word in
    fill) dd if=/dev/zero of="$LUNEXEC_STATE_DIR/filler" bs=1024 2>/dev/null ;;
    free) rm "$LUNEXEC_STATE_DIR/filler" ;;
    esac
    echo "$word"
done
kill $pid
wait $pid
"""
# With a process namespace of its own: all of it ends with its first process.
BWRAP = ["bwrap", "--dev-bind", "/", "/", "--unshare-pid", "--proc", "/proc", "--die-with-parent"]


class Cramped(Executor):
    """Its state directory is a file system of its own with 256 KiB. tell() fills it or frees it;
    without further words the executor gets SIGTERM."""

    def start(self):
        self.argv = [*BWRAP, "--size", "262144", "--tmpfs", self.env["LUNEXEC_STATE_DIR"],
                     "sh", "-c", SMALL, os.path.abspath(BINARY)]
        with open(self.log_path, "ab") as log:
            self.process = subprocess.Popen(self.argv, env=self.env, stdin=subprocess.PIPE,
                                            stdout=subprocess.PIPE, stderr=log)

    out = ""  # what it prints is for tell()

    def tell(self, word):
        self.process.stdin.write(f"{word}\n".encode())
        self.process.stdin.flush()
        equal(self.process.stdout.readline().decode(), f"{word}\n")

    def end(self):
        self.process.stdin.close()
        status = self.wait()
        self.process.stdout.close()
        return status


WRITTEN = re.compile("the state directory (can.* be written(?: again)?)")


def has_bubblewrap():
    try:
        return subprocess.run([*BWRAP, "true"], capture_output=True, check=False).returncode == 0
    except FileNotFoundError:
        return False


def asked(w):
    """Dequeues so far, and the jobs they brought."""
    calls = w.frontend.of("dequeue")
    return len(calls), [c.status for c in calls].count(200)


def disk_full(w):
    """While one job runs the disk gets full. A second one, which is large, is taken before that is
    noticed; a third waits."""
    w.frontend, w.kube = Frontend(), Kube(held())
    w.frontend.offer(payload(dockerSteps=ONE))
    w.executor = Cramped(w.frontend, w.kube, keep_state=True, EXECUTOR_MAXIMUM_NUM_JOBS="5")
    shown(w, "setup.workspace", "three")
    w.executor.tell("fill")
    large = {"input.json": {"content": base64.b64encode(bytes(50000)).decode()}}
    w.frontend.offer(payload(43, dockerSteps=ONE, files=large))
    w.until(lambda: len(w.kube.names) == 2, "the second Job")
    w.until(lambda: WRITTEN.search(w.executor.log), "a word about the disk")
    one_more_beat(w)  # by then a dequeue that was underway is over
    w.frontend.offer(payload(44, dockerSteps=ONE))
    before = asked(w)
    w.called("heartbeat", len(w.frontend.of("heartbeat")) + 2)
    w.facts["asked"] = before, asked(w)
    w.kube.release()
    w.marked(2)
    w.facts["marks"] = [m.name for m in w.frontend.marks()]
    w.executor.tell("free")
    w.marked(3)
    w.status = w.executor.end()


def disk_stays_full(w):
    """Two jobs run when the disk gets full, and nobody makes room but they. A third waits."""
    w.frontend, w.kube = Frontend(), Kube(held())
    w.frontend.offer(payload(dockerSteps=ONE), payload(43, dockerSteps=ONE))
    w.executor = Cramped(w.frontend, w.kube, keep_state=True, EXECUTOR_MAXIMUM_NUM_JOBS="2")
    w.until(lambda: log_reads(w, "setup-workspace") >= 2, "both logs")
    w.executor.tell("fill")
    w.frontend.offer(payload(44, dockerSteps=ONE))
    w.kube.release()
    w.marked(3)
    w.status = w.executor.end()


if has_bubblewrap():
    scenario(disk_full)
    scenario(disk_stays_full)
    row("R", "a full disk: what the journal itself takes of it is given back when the jobs have ended",
        "disk_stays_full",
        lambda w: equal([m.name for m in w.frontend.marks()], ["markComplete"] * 3))
    row("R", "a full disk: the jobs that run are finished", "disk_full",
        lambda w: equal((set(w.facts["marks"]), w.status), ({"markComplete"}, 0)))
    row("R", "a full disk: no further job is taken, nor asked for", "disk_full",
        lambda w: equal(*w.facts["asked"]) or w.facts["asked"][0][1] == 2)
    row("R", "a full disk: when there is room again, jobs are taken again", "disk_full",
        lambda w: equal([m.name for m in w.frontend.marks()], ["markComplete"] * 3))
    row("R", "a full disk: the log says so, and when it has passed", "disk_full",
        lambda w: equal(WRITTEN.findall(w.log)[:2], ["cannot be written", "can be written again"]))
else:
    print("skipped: disk_full: there is no bubblewrap that may run")
