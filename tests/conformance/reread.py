"""Log entries whose containers' logs are read again after a restart: the executor was killed while
lines were rotated away, limits were reached, entries were not yet delivered or its disk was full."""
import os
import struct
import subprocess
import threading

from executor import BINARY
from frontend import Frontend, payload
from killed import BWRAP, SICK, Cramped, kube_sick
from kube import STAMP, Kube, Script, status
from outcomes import CONTAINER, NAME, ONE, RUN
from restart import (TEXT, begin, entries, held, journal_of, kept, log_reads, marked_once,
                     never_taken_back, of, read_again, restart_row, restarted, shown, terminated)
from suite import equal, has, row, scenario
from truth import POST, POST_CONTAINER, WITH_RESULTS, Rotating

OUTPUT_KEPT = rb'"begins":[1-9]'  # of an entry: output of its container has been read
RESULTS_KEPT = rb'"key":"' + POST.encode() + rb'"(?:(?!LXJ1).)*' + OUTPUT_KEPT  # in one record


def exit_shown(w, key, code=0):
    w.until(lambda: any(e.get("exitCode") == code for e in of(w, key)), f"exit code of {key}")


def tell_nodes(w, message):
    """The pod's status has news, for which the executor writes a line of its own."""
    pod = w.kube.made["pods"][NAME]
    with w.kube.lock:
        pod["status"]["conditions"] = [{"type": "PodScheduled", "status": "False",
                                        "reason": "Unschedulable", "message": message}]
        w.kube.event("MODIFIED", pod)


@scenario
def gap_then_killed(w):
    """Lines of results are rotated away while they are read. Their entry is finished, then the
    executor is killed."""
    go = threading.Event()

    def act(running):
        if running == POST_CONTAINER:
            shown(w, POST, "three")
            w.kube.rotated = POST_CONTAINER
        if running == "main":
            go.wait()

    w.frontend, w.kube = Frontend(), Rotating(Script(logs={POST_CONTAINER: TEXT}, act=act))
    w.start(WITH_RESULTS, keep_state=True)
    exit_shown(w, POST)
    restarted(w)
    go.set()
    w.marked().stopped()


restart_row("results of which lines are rotated away fail the job also after a restart",
            "gap_then_killed",
            lambda w: marked_once(w, "markErrored", POST_CONTAINER, "is incomplete"))


def results_rotated(w, *held_too, meanwhile=lambda: None):
    """The beginning of results is rotated away while the executor is away, and more can be read than
    before. The events that let their container go, and those of `held_too`."""
    go = {name: threading.Event() for name in (POST_CONTAINER, *held_too)}
    script = Script(logs={POST_CONTAINER: TEXT}, act=lambda name: name not in go or go[name].wait())
    w.kube, w.frontend = Kube(script), Frontend()
    w.start(WITH_RESULTS, keep_state=True)
    shown(w, POST, "three")
    script.logs = {POST_CONTAINER: TEXT * 3}

    def away():
        w.kube.lost_lines = 2
        meanwhile()

    restarted(w, away)
    return go


@scenario
def results_rotated_while_away(w):
    """And the executor is killed again."""
    go = results_rotated(w)
    w.until(lambda: len(of(w, POST)) == 2, "a second entry")
    restarted(w)
    go[POST_CONTAINER].set()
    w.marked().stopped()


restart_row("results whose beginning was rotated away meanwhile fail the job",
            "results_rotated_while_away",
            lambda w: marked_once(w, "markErrored", POST_CONTAINER, "is incomplete"))


@scenario
def rotated_while_away_then_killed(w):
    """The second entry, in which they go on, is finished, then the executor is killed again."""
    go = results_rotated(w, "main")
    w.until(lambda: len(of(w, POST)) == 2, "a second entry")
    go[POST_CONTAINER].set()
    exit_shown(w, POST)
    restarted(w)
    go["main"].set()
    w.marked().stopped()


restart_row("results whose beginning was rotated away meanwhile fail the job after a further kill",
            "rotated_while_away_then_killed",
            lambda w: marked_once(w, "markErrored", POST_CONTAINER, "is incomplete"))


class Unreadable(Kube):
    """The log of one container cannot be found."""
    lost = None

    def get(self, kind, name, query):
        if self.lost and query.get("container") == self.lost:
            return status(404, "NotFound", "no log")
        return super().get(kind, name, query)


@scenario
def unread_then_killed(w):
    """A step's log cannot be found. Its entry is finished, then the executor is killed."""
    go = threading.Event()
    w.kube = Unreadable(Script(logs={CONTAINER: TEXT},
                               act=lambda name: name != "main" or go.wait()))
    w.kube.lost = CONTAINER
    w.frontend = Frontend()
    w.start(payload(dockerSteps=ONE), keep_state=True)
    exit_shown(w, RUN)
    restarted(w)
    go.set()
    w.marked().stopped()


restart_row("a log that could not be read fails the job also after a restart", "unread_then_killed",
            lambda w: marked_once(w, "markErrored", "log of"))


@scenario
def given_up_while_reading_again(w):
    """The second process finds the log of a container that has ended no more, and gives it up. The
    third one finds it."""
    late = threading.Event()
    script = held(late=(CONTAINER, late))
    w.kube, w.frontend = Unreadable(script), Frontend()
    w.start(payload(dockerSteps=ONE), keep_state=True)
    shown(w, "setup.workspace", "three")

    def lose():
        w.kube.lost = "setup-workspace"
        w.kube.release()
        terminated(w, "setup-workspace")

    restarted(w, lose)
    w.until(lambda: any(c.path.endswith("/log") and c.status == 404 for c in w.kube.calls), "404")
    w.until(lambda: "log stream interrupted" in w.executor.log, "an interrupted log")
    kept(w, rb'"broken_log":true')
    reads = log_reads(w, "setup-workspace")
    restarted(w, lambda: setattr(w.kube, "lost", None))
    read_again(w, reads, "setup-workspace")
    late.set()
    w.marked().stopped()


restart_row("a log that was given up while it was read again takes nothing back and is delivered whole",
            "given_up_while_reading_again",
            lambda w: equal([(e["out"], e["exitCode"]) for e in of(w, "setup.workspace")],
                            [("stdout: one\nstdout: two\nstdout: three\n", 0)]))


LINE = "x" * 92 + "\n"  # 102 bytes in an entry, with prefix and the escaped line end


def limited(name, first, more, restart=True):
    """A log that may have 64 KiB, about 640 lines: `first` lines were there before the kill, `more`
    are written while the executor is away."""

    def play(w):
        begin(w, Script(logs={"setup-workspace": LINE * first}, hold=True),
              LUNEXEC_LOG_LIMIT_STEP="64Ki")
        shown(w, "setup.workspace", LINE[:90])
        w.until(lambda: len(w.frontend.log("setup.workspace")["out"]) > 50000, "much")

        def grow():
            w.kube.script.logs = {"setup-workspace": LINE * (first + more)}

        if restart:
            restarted(w, grow)
        w.kube.release()
        w.marked().stopped()

    play.__name__ = name
    scenario(play)
    when = "after" if restart else "without"
    row("R", f"a log that is near its limit is delivered to its end {when} a restart", name,
        lambda w: marked_once(w, "markComplete") or
        equal(of(w, "setup.workspace")[0].get("exitCode"), 0))
    row("R", "and is not said to be incomplete", name,
        lambda w: "incomplete" not in of(w, "teardown.fs")[0].get("out", ""))


limited("limited_plain", 635, 20, restart=False)
for lines in (590, 640, 770):
    limited(f"limited_{lines}", lines, 40)


@scenario
def job_limit(w):
    """The first entry leaves the second one the least that an entry gets, 64 KiB."""
    go, late = threading.Event(), threading.Event()
    logs = {"setup-workspace": ("x" * 99 + "\n") * 1024, CONTAINER: ("y" * 79 + "\n") * 1024}
    begin(w, Script(logs=logs, late=(CONTAINER, late),
                    act=lambda name: name != CONTAINER or go.wait()),
          LUNEXEC_LOG_LIMIT_JOB="110Ki")
    w.until(lambda: any(len(e.get("out", "")) > 100_000 for e in of(w, "setup.workspace")), "output")
    late.set()
    shown(w, RUN, "yyy")
    restarted(w)
    go.set()
    w.marked().stopped()


restart_row("the limit of an entry is the same after a restart", "job_limit",
            lambda w: has(of(w, RUN)[0]["out"], "the log limit is 65536 bytes"))


@scenario
def read_never_shown(w):
    """Results are read while the frontend takes no entries. While the executor is away, all their
    lines are rotated away."""
    go = threading.Event()
    w.kube = Kube(Script(logs={POST_CONTAINER: TEXT},
                         act=lambda name: name != POST_CONTAINER or go.wait()))
    w.frontend = Frontend()
    w.start(WITH_RESULTS, keep_state=True, rules=[("addExecutionLogEntry", *SICK)])
    kept(w, RESULTS_KEPT)

    def lose():
        w.frontend.rules.clear()
        w.kube.script.logs = {}

    restarted(w, lose)
    go.set()
    w.marked().stopped()


restart_row("results that were read, not shown and rotated away fail the job", "read_never_shown",
            lambda w: marked_once(w, "markErrored"))


@scenario
def lost_exit_code(w):
    """A container's output is read while the frontend takes no entries. The job is cancelled while
    the executor is away, and the container is still running."""
    begin(w, held(), rules=[("addExecutionLogEntry", *SICK)])
    kept(w, rb'"stream":true')
    w.executor.kill()
    w.frontend.rules.clear()
    w.frontend.cancel.add("42")
    w.executor.start()
    w.marked().stopped()


row("R", "a container that has not ended has no exit code 0", "lost_exit_code",
    lambda w: of(w, "setup.workspace")[0].get("exitCode") != 0)


@scenario
def rotated_never_shown(w):
    """A log is read while the frontend takes no entries. Its beginning is rotated away while the
    executor is away."""

    def more(text, rotated):
        w.kube.script.logs, w.kube.lost_lines = {"setup-workspace": text}, rotated
        w.frontend.rules.clear()

    begin(w, held(), rules=[("addExecutionLogEntry", *SICK)])
    kept(w, OUTPUT_KEPT)
    restarted(w, lambda: more(TEXT + "four\n" * 5, 2))
    shown(w, "setup.workspace", "four")
    w.kube.release()
    w.marked().stopped()


restart_row("no entry stays open of which nothing was shown", "rotated_never_shown",
            lambda w: None not in [e.get("exitCode") for e in of(w, "setup.workspace")])


def cut_journal(path, words, n):
    """It ends before the last n of its records up to the one with these words."""
    data, ends = path.read_bytes(), [0]
    while ends[-1] < data.index(words):
        key_len, value_len = struct.unpack_from("<HI", data, ends[-1] + 6)
        ends.append(ends[-1] + 20 + key_len + value_len)
    path.write_bytes(data[:ends[-1 - n]])


@scenario
def killed_going_on(w):
    """The journal ends after the record that opens the second entry: the one that ends the first
    entry, and the line that says why, were not written."""
    go = results_rotated(w, meanwhile=lambda: w.frontend.rule("addExecutionLogEntry", *SICK))
    kept(w, b"goes on from the entry")
    w.executor.kill()
    cut_journal(journal_of(w), b"goes on from the entry", 2)
    w.frontend.rules.clear()
    reads = log_reads(w, POST_CONTAINER)
    w.executor.start()
    read_again(w, reads, POST_CONTAINER)
    go[POST_CONTAINER].set()
    w.marked().stopped()


restart_row("results that go on in a second entry fail the job, though their first entry was not ended",
            "killed_going_on",
            lambda w: marked_once(w, "markErrored", POST_CONTAINER, "is incomplete"))


AGAIN_SMALL = """
"$0" run & pid=$!
while read -r word; do
    case $word in
    fill) dd if=/dev/zero of="$LUNEXEC_STATE_DIR/filler" bs=1024 2>/dev/null
          dd if=/dev/zero of="$LUNEXEC_STATE_DIR/filler2" bs=1 2>/dev/null ;;
    free) rm "$LUNEXEC_STATE_DIR"/filler* ;;
    kill) kill -9 $pid; wait $pid; "$0" run & pid=$! ;;
    esac
    echo "$word"
done
kill $pid
wait $pid
"""


class Killable(Cramped):
    """tell() kills it as well, and starts it again."""

    def start(self):
        self.argv = [*BWRAP, "--size", "262144", "--tmpfs", self.env["LUNEXEC_STATE_DIR"],
                     "sh", "-c", AGAIN_SMALL, os.path.abspath(BINARY)]
        with open(self.log_path, "ab") as log:
            self.process = subprocess.Popen(self.argv, env=self.env, stdin=subprocess.PIPE,
                                            stdout=subprocess.PIPE, stderr=log)


@scenario
def full_then_killed(w):
    """A line of ours is shown while the disk is full. When it can be written again, the log goes on,
    and the executor is killed."""
    w.frontend, w.kube = Frontend(), Kube(held())
    w.frontend.offer(payload(dockerSteps=ONE))
    w.executor = Killable(w.frontend, w.kube, keep_state=True)
    shown(w, "setup.workspace", "three")
    w.executor.tell("fill")
    tell_nodes(w, "0/1 nodes" * 500)
    shown(w, "setup.workspace", "0/1 nodes")
    w.until(lambda: "cannot be written:" in w.executor.log, "full")
    w.executor.tell("free")
    w.until(lambda: "can be written again" in w.executor.log, "free")
    pod = w.kube.made["pods"][NAME]
    with w.kube.lock:
        w.kube.script.logs["setup-workspace"] += "four\n" * 1000
        del pod["status"]["conditions"]
        w.kube.event("MODIFIED", pod)
    w.executor.tell("kill")
    w.until(lambda: "taking up jobs" in w.executor.log, "adoption")
    w.kube.release()
    w.marked()
    w.status = w.executor.end()


row("R", "a line of ours that was written while the disk was full stays", "full_then_killed",
    never_taken_back)


@scenario
def keeps_jobs_at_last(w):
    """Killed while the objects of a job are removed, the executor starts with the setting that keeps
    them."""
    w.frontend, w.kube = Frontend(), Kube(Script())
    kube_sick(w, "delete", "jobs")
    w.start(payload(dockerSteps=ONE), keep_state=True)
    w.until(lambda: w.frontend.log("teardown.kubernetes.job"), "teardown")
    w.executor.kill()
    w.kube.refusals.clear()
    w.executor.env["KUBERNETES_KEEP_JOBS"] = "true"
    w.executor.start()
    w.marked().stopped()


row("R", "a job whose objects were being removed is marked when they are to be kept after a restart",
    "keeps_jobs_at_last", lambda w: marked_once(w, "markComplete"))


@scenario
def spool_full_while_reading_again(w):
    """All of a long log was shown. The second process may spool only a part of it."""
    begin(w, Script(logs={"setup-workspace": LINE * 30000 + "end\n"}, hold=True))
    shown(w, "setup.workspace", "end")
    w.executor.env["LUNEXEC_SPOOL_LIMIT"] = "100Ki"
    restarted(w)
    w.kube.release()
    w.marked().stopped()


def only_lengths(w):
    """never_taken_back, without the long texts in its message."""
    for entry in entries(w):
        for before, later in zip(entry["shown"], entry["shown"][1:]):
            if not later.startswith(before):
                raise AssertionError(
                    f"{entry['key']}: {len(before)} became {len(later)}: {later[-200:]}")


row("R", "a spool that is full while a log is read again takes nothing back, and fails the job",
    "spool_full_while_reading_again", lambda w: only_lengths(w) or marked_once(w, "markErrored"))


class LateAnswer(Frontend):
    """The last update of the first entry is taken, and answered much later."""

    def __init__(self):
        self.took, self.go = threading.Event(), threading.Event()
        super().__init__()

    def answer(self, call):
        answer = super().answer(call)
        if call.name == "updateExecutionLogEntry" and call.json["key"] == "setup.workspace" and \
                call.json.get("exitCode") is not None and not self.took.is_set():
            self.took.set()
            self.go.wait()
        return answer


@scenario
def news_after_lost_output(w):
    """A line of ours stands after output that was never shown and is gone when it is read again; the
    entry is finished so. A third process has more to tell."""
    go = threading.Event()
    w.kube = Kube(Script(logs={"setup-workspace": TEXT}, hold=True,
                         act=lambda name: name != CONTAINER or go.wait()))
    w.frontend = LateAnswer()
    w.start(payload(dockerSteps=ONE), keep_state=True, rules=[("addExecutionLogEntry", *SICK)])
    kept(w, OUTPUT_KEPT)
    tell_nodes(w, "0/1 nodes")
    kept(w, b"0/1 nodes")

    def lose():
        w.frontend.rules.clear()
        w.kube.script.logs = {}
        w.kube.release()
        terminated(w, "setup-workspace")

    restarted(w, lose)
    w.until(w.frontend.took.is_set, "the last update")
    reads = log_reads(w, "setup-workspace")
    restarted(w, lambda: w.frontend.go.set() or tell_nodes(w, "0/2 nodes"))
    read_again(w, reads, "setup-workspace")
    go.set()
    w.marked().stopped()


restart_row("what is told after a restart follows lines of ours after output that is gone",
            "news_after_lost_output", lambda w: has(of(w, "setup.workspace")[0]["out"], "0/1 nodes"))


class Shrinking(Kube):
    """A log that is read again in part, and rotated away then."""

    answers = None

    def get(self, kind, name, query):
        if self.answers and name.endswith("/log") and query["container"] == "setup-workspace":
            return 200, self.answers.pop(0) if len(self.answers) > 1 else self.answers[0]
        return super().get(kind, name, query)


@scenario
def rotated_while_reading_again(w):
    """The second process reads one line again; then the log begins much further on."""
    w.frontend, w.kube = Frontend(), Shrinking(held())
    w.start(payload(dockerSteps=ONE), keep_state=True)
    shown(w, "setup.workspace", "three")
    restarted(w, lambda: setattr(w.kube, "answers", [
        STAMP.format(0).encode() + b" one\n",
        b"".join(STAMP.format(n).encode() + b" four\n" for n in range(900, 920))]))
    shown(w, "setup.workspace", "four")
    w.kube.release()
    w.marked().stopped()


restart_row("a log that is rotated while it is read again goes on in a second entry",
            "rotated_while_reading_again", lambda w: marked_once(w, "markComplete") or equal(
                of(w, "setup.workspace")[0]["out"], "stdout: one\nstdout: two\nstdout: three\n") or
            has(of(w, "setup.workspace")[1]["out"], "are missing", "four"))
