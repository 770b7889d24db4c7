"""Suspicions of a reviewer: kills and log entries."""
import os
import struct
import subprocess
import threading
import time

from executor import BINARY, Executor
from frontend import Frontend, payload, step
from killed import BWRAP, SICK, Cramped, kube_sick, state_entered
from kube import STAMP, Kube, Script, status
from outcomes import AGAIN, CONTAINER, NAME, ONE, RUN, ended
from restart import (TEXT, begin, entries, held, marked_once, never_taken_back, of, restart_row,
                     restarted, shown)
from suite import equal, has, row, scenario
from truth import POST, POST_CONTAINER, WITH_RESULTS, Rotating


def exit_shown(w, key, code=0):
    w.until(lambda: any(e.get("exitCode") == code for e in of(w, key)), f"exit code of {key}")


# 1: a broken log is forgotten when its entry is finished before the kill

@scenario
def gap_then_killed(w):
    go = threading.Event()

    def act(running):
        if running == POST_CONTAINER:
            shown(w, POST, "three")
            w.kube.rotated = POST_CONTAINER
        if running == "main":
            go.wait(20)
    w.frontend, w.kube = Frontend(), Rotating(Script(logs={POST_CONTAINER: TEXT}, act=act))
    w.start(WITH_RESULTS, keep_state=True)
    exit_shown(w, POST)
    restarted(w)
    go.set()
    w.marked().stopped()


restart_row("results of which lines are rotated away fail the job also after a restart", "gap_then_killed",
            lambda w: marked_once(w, "markErrored", POST_CONTAINER, "is incomplete"))


@scenario
def rotated_while_away_then_killed(w):
    go, end = threading.Event(), threading.Event()

    def act(name):
        if name == POST_CONTAINER:
            go.wait(20)
        if name == "main":
            end.wait(20)
    script = Script(logs={POST_CONTAINER: TEXT}, act=act)
    w.kube, w.frontend = Kube(script), Frontend()
    w.start(WITH_RESULTS, keep_state=True)
    shown(w, POST, "three")
    script.logs = {POST_CONTAINER: TEXT * 3}
    restarted(w, lambda: setattr(w.kube, "lost_lines", 2))
    w.until(lambda: len(of(w, POST)) == 2, "a second entry")
    go.set()
    exit_shown(w, POST)
    restarted(w)
    end.set()
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
    go = threading.Event()
    w.kube = Unreadable(Script(logs={CONTAINER: TEXT},
                               act=lambda name: name != "main" or go.wait(20)))
    w.kube.lost = CONTAINER
    w.frontend = Frontend()
    w.start(payload(dockerSteps=ONE), keep_state=True)
    exit_shown(w, RUN)
    restarted(w)
    go.set()
    w.marked().stopped()


restart_row("a log that could not be read fails the job also after a restart", "unread_then_killed",
            lambda w: marked_once(w, "markErrored", "log of"))


# 3: a log is given up while it is being read again; the next process reads it

@scenario
def given_up_while_reading_again(w):
    late = threading.Event()
    script = held(late=(CONTAINER, late))
    w.kube, w.frontend = Unreadable(script), Frontend()
    w.start(payload(dockerSteps=ONE), keep_state=True)
    shown(w, "setup.workspace", "three")

    def lose():
        w.kube.lost = "setup-workspace"
        w.kube.release()
        time.sleep(1)
    restarted(w, lose)
    w.until(lambda: any(c.path.endswith("/log") and c.status == 404 for c in w.kube.calls), "404")
    time.sleep(1)
    restarted(w, lambda: setattr(w.kube, "lost", None))
    time.sleep(1)
    late.set()
    w.marked().stopped()


restart_row("a log that was given up while it was read again", "given_up_while_reading_again",
            lambda w: equal([(e["out"], e["exitCode"]) for e in of(w, "setup.workspace")],
                            [("stdout: one\nstdout: two\nstdout: three\n", 0)]))


# 2: limits

LINE = "x" * 92 + "\n"  # 102 bytes in an entry, with prefix and the escaped line end


def limited(name, first, more, restart=True):
    def play(w):
        w.kube = Kube(Script(logs={"setup-workspace": LINE * first}, hold=True))
        w.frontend = Frontend()
        w.start(payload(dockerSteps=ONE), keep_state=True, LUNEXEC_LOG_LIMIT_STEP="64Ki")
        shown(w, "setup.workspace", LINE[:90])
        w.until(lambda: len(w.frontend.log("setup.workspace")["out"]) > 50000, "much")
        time.sleep(0.5)
        def grow():
            w.kube.script.logs = {"setup-workspace": LINE * (first + more)}
        if restart:
            restarted(w, grow)
        w.kube.release()
        w.marked().stopped()
    play.__name__ = name
    scenario(play)
    row("R", "a limited log is delivered whole after a restart", name,
        lambda w: marked_once(w, "markComplete") or
        equal(of(w, "setup.workspace")[0].get("exitCode"), 0))
    row("R", "and is not said to be incomplete", name,
        lambda w: "incomplete" not in of(w, "teardown.fs")[0].get("out", ""))


limited("limited_plain", 635, 20, restart=False)
for n in (590, 640, 770):
    limited(f"limited_{n}", n, 40)


@scenario
def job_limit(w):
    go = threading.Event()
    w.kube = Kube(Script(logs={"setup-workspace": LINE * 600, CONTAINER: LINE * 800 + "end\n"},
                         hold=True, act=lambda name: name != CONTAINER or go.wait(20)))
    w.frontend = Frontend()
    w.start(payload(dockerSteps=ONE), keep_state=True, LUNEXEC_LOG_LIMIT_JOB="128Ki")
    shown(w, "setup.workspace", "xxx")
    time.sleep(0.5)
    w.kube.release()
    shown(w, RUN, "end")
    exit_shown(w, "setup.workspace")
    restarted(w)
    time.sleep(1)
    go.set()
    w.marked().stopped()


def same_end(w):
    texts = [t for t in of(w, RUN)[0]["shown"] if "end" in t]
    equal([len(t) for t in texts if t != texts[0]], [])


row("R", "the limit of a job is what it was", "job_limit", same_end)


# 4: read, not shown, then rotated to nothing

@scenario
def read_never_shown(w):
    go = threading.Event()
    w.kube = Kube(Script(logs={POST_CONTAINER: TEXT},
                         act=lambda name: name != POST_CONTAINER or go.wait(20)))
    w.frontend = Frontend()
    w.start(WITH_RESULTS, keep_state=True, rules=[("addExecutionLogEntry", *SICK)])
    w.until(lambda: any(f"container={POST_CONTAINER}" in c.query and c.path.endswith("/log") and
                        c.status == 200 for c in w.kube.calls), "log read")
    time.sleep(0.5)

    def lose():
        w.frontend.rules.clear()
        w.kube.script.logs = {}
    restarted(w, lose)
    go.set()
    w.marked().stopped()


restart_row("results that were read, not shown and rotated away fail the job", "read_never_shown",
            lambda w: marked_once(w, "markErrored"))


# 6: the exit code of an entry that was never shown

@scenario
def lost_exit_code(w):
    w.kube, w.frontend = Kube(held()), Frontend()
    w.start(payload(dockerSteps=ONE), keep_state=True, rules=[("addExecutionLogEntry", *SICK)])
    w.until(lambda: any(c.path.endswith("/log") and c.status == 200 for c in w.kube.calls), "log")
    time.sleep(0.5)
    w.executor.kill()
    w.frontend.rules.clear()
    w.frontend.cancel.add("42")
    w.executor.start()
    w.marked().stopped()


row("R", "a container that has not ended has no exit code 0", "lost_exit_code",
    lambda w: of(w, "setup.workspace")[0].get("exitCode") != 0)


# 8: goes on in another, nothing shown

@scenario
def rotated_never_shown(w):
    def more(text, rotated):
        w.kube.script.logs, w.kube.lost_lines = {"setup-workspace": text}, rotated
        w.frontend.rules.clear()
    begin(w, held(), rules=[("addExecutionLogEntry", *SICK)])
    w.until(lambda: any(c.path.endswith("/log") and c.status == 200 for c in w.kube.calls), "log")
    time.sleep(0.5)
    restarted(w, lambda: more(TEXT + "four\n" * 5, 2))
    shown(w, "setup.workspace", "four")
    w.kube.release()
    w.marked().stopped()


restart_row("no entry stays open of which nothing was shown", "rotated_never_shown",
            lambda w: None not in [e.get("exitCode") for e in of(w, "setup.workspace")])


# 5: killed between the two records of an entry that goes on in another

@scenario
def killed_going_on(w):
    """The journal ends after the record that ends the first entry."""
    go = threading.Event()
    script = Script(logs={POST_CONTAINER: TEXT},
                    act=lambda name: name != POST_CONTAINER or go.wait(20))
    w.kube, w.frontend = Kube(script), Frontend()
    w.start(WITH_RESULTS, keep_state=True)
    shown(w, POST, "three")
    script.logs = {POST_CONTAINER: TEXT * 3}

    def away():
        w.kube.lost_lines = 2
        w.frontend.rule("addExecutionLogEntry", *SICK)
    restarted(w, away)
    journal = w.executor.log_path.with_name("state") / "journal"
    w.until(lambda: b"goes on from the entry" in journal.read_bytes(), "the second entry")
    w.executor.kill()
    data, at, n = journal.read_bytes(), 0, 0
    mark = data.index(b"goes on from the entry")
    ends = [0]
    while at < mark:
        key_len, value_len = struct.unpack_from("<HI", data, at + 6)
        at += 20 + key_len + value_len
        ends.append(at)
    # the last whole record is the line, before it those of the two entries
    journal.write_bytes(data[:ends[-3]])
    w.frontend.rules.clear()
    w.executor.start()
    w.until(lambda: w.executor.log.count("taking up jobs") == 1, "adoption")
    time.sleep(1)
    go.set()
    w.marked().stopped()


restart_row("killed between the records of an entry that goes on in another: results fail", "killed_going_on",
            lambda w: marked_once(w, "markErrored", POST_CONTAINER, "is incomplete"))


# 9: a disk that was full, and a kill afterwards

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
    def start(self):
        self.argv = [*BWRAP, "--size", "262144", "--tmpfs", self.env["LUNEXEC_STATE_DIR"],
                     "sh", "-c", AGAIN_SMALL, os.path.abspath(BINARY)]
        with open(self.log_path, "ab") as log:
            self.process = subprocess.Popen(self.argv, env=self.env, stdin=subprocess.PIPE,
                                            stdout=subprocess.PIPE, stderr=log)


@scenario
def full_then_killed(w):
    w.frontend, w.kube = Frontend(), Kube(held())
    w.frontend.offer(payload(dockerSteps=ONE))
    w.executor = Killable(w.frontend, w.kube, keep_state=True)
    shown(w, "setup.workspace", "three")
    w.executor.tell("fill")
    pod = w.kube.made["pods"][NAME]
    with w.kube.lock:
        pod["status"]["conditions"] = [{"type": "PodScheduled", "status": "False",
                                        "reason": "Unschedulable", "message": "0/1 nodes" * 500}]
        w.kube.event("MODIFIED", pod)
    shown(w, "setup.workspace", "0/1 nodes")
    w.until(lambda: "cannot be written:" in w.executor.log, "full")
    w.executor.tell("free")
    w.until(lambda: "can be written again" in w.executor.log, "free")
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


# keep jobs

@scenario
def keeps_jobs_at_last(w):
    w.frontend, w.kube = Frontend(), Kube(Script())
    kube_sick(w, "delete", "jobs")
    w.start(payload(dockerSteps=ONE), keep_state=True)
    w.until(lambda: w.frontend.log("teardown.kubernetes.job"), "teardown")
    w.executor.kill()
    w.kube.refusals.clear()
    w.executor.env["KUBERNETES_KEEP_JOBS"] = "true"
    w.executor.start()
    w.marked().stopped()


row("R", "killed while its objects are removed, and started to keep them: marked", "keeps_jobs_at_last",
    lambda w: marked_once(w, "markComplete"))


@scenario
def spool_full_while_reading_again(w):
    w.kube = Kube(Script(logs={"setup-workspace": (LINE * 30000) + "end\n"}, hold=True))
    w.frontend = Frontend()
    w.start(payload(dockerSteps=ONE), keep_state=True)
    shown(w, "setup.workspace", "end")
    w.executor.env["LUNEXEC_SPOOL_LIMIT"] = "100Ki"
    restarted(w)
    time.sleep(1)
    w.kube.release()
    w.marked().stopped()


def only_lengths(w):
    for entry in entries(w):
        for before, later in zip(entry["shown"], entry["shown"][1:]):
            if not later.startswith(before):
                raise AssertionError(f"{entry['key']}: {len(before)} became {len(later)}: {later[-200:]}")


row("R", "a spool that is full while a log is read again takes nothing back", "spool_full_while_reading_again",
    lambda w: only_lengths(w) or marked_once(w, "markErrored"))


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
            self.go.wait(20)
        return answer


def tell_nodes(w, n):
    pod = w.kube.made["pods"][NAME]
    with w.kube.lock:
        pod["status"]["conditions"] = [{"type": "PodScheduled", "status": "False",
                                        "reason": "Unschedulable", "message": f"0/{n} nodes"}]
        w.kube.event("MODIFIED", pod)


@scenario
def news_after_lost_output(w):
    """A line of ours stands after output that was never shown and is gone when it is read again; the
    entry is finished so. A third process has more to tell."""
    go = threading.Event()
    w.frontend, w.kube = LateAnswer(), Kube(Script(logs={"setup-workspace": TEXT}, hold=True,
                                                   act=lambda name: name != CONTAINER or go.wait(20)))
    w.start(payload(dockerSteps=ONE), keep_state=True, rules=[("addExecutionLogEntry", *SICK)])
    w.until(lambda: any(c.path.endswith("/log") and c.status == 200 for c in w.kube.calls), "log")
    journal = w.executor.log_path.with_name("state") / "journal"
    tell_nodes(w, 1)
    w.until(lambda: b"0/1 nodes" in journal.read_bytes(), "the line")

    def lose():
        w.frontend.rules.clear()
        w.kube.script.logs = {}
        w.kube.release()
        time.sleep(0.5)
    restarted(w, lose)
    w.until(w.frontend.took.is_set, "the last update")
    restarted(w, lambda: w.frontend.go.set() or tell_nodes(w, 2))
    time.sleep(1)
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
