"""What a second process must not get wrong about a job that the first one began."""
import os
import pathlib
import tempfile
import threading

from executor import Executor
from frontend import Frontend, payload, step
from killed import shared, shared_ends, state_dir_empty
from kube import STAMP, Kube, Script, status
from outcomes import AGAIN, CONTAINER, NAME, ONE, RUN, ended
from restart import (TEXT, begin, entries, marked_once, of, remove_behind_its_back, restart_row, restarted,
                     shown)
from shared import repository
from suite import equal, has, row, scenario

SECOND = NAME + "-attempt-2"
FILES = payload(dockerSteps=ONE, files={"tool": {"bucket": "b", "key": "tool-1"}})


def setup_of(w, n):
    """What the first container of the n-th Job does."""
    spec = w.kube.created["jobs"][n]["spec"]["template"]["spec"]
    first = spec["initContainers"][0]
    return first["command"], first["args"]


@scenario
def evicted_after_restart_with_files(w):
    script = ended("Evicted")
    script.hold, script.logs, script.then = True, {"setup-workspace": TEXT}, Script()
    w.frontend, w.kube = Frontend(), Kube(script)
    w.frontend.files["b/tool-1"] = b"a tool of many uses"
    w.start(FILES, keep_state=True, **AGAIN)
    shown(w, "setup.workspace", "three")
    w.executor.kill()
    w.executor.start()
    w.called("heartbeat")
    w.kube.release()
    w.marked().stopped()


@scenario
def killed_while_clearing_with_files(w):
    script = ended("Evicted")
    script.then = Script()
    w.frontend, w.kube = Frontend(), Kube(script)
    w.kube.stubborn = True
    w.frontend.files["b/tool-1"] = b"a tool of many uses"
    w.start(FILES, keep_state=True, **AGAIN)
    w.until(lambda: len(w.kube.deleted["jobs"]) > 1, "two deletions")
    w.executor.kill()
    remove_behind_its_back(w)
    w.executor.start()
    w.marked().stopped()


for name, sentence in (("evicted_after_restart_with_files", "taken up"),
                       ("killed_while_clearing_with_files", "taken up between two attempts")):
    restart_row(f"a job that was {sentence} is run again", name,
                lambda w: equal(w.kube.names, [NAME, SECOND]) or marked_once(w, "markComplete"))
    row("R", f"a job that was {sentence} is run again with its files", name,
        lambda w: equal(setup_of(w, 1), setup_of(w, 0)))


@scenario
def shared_killed_cloning_again(w):
    """The clone for the second attempt never ends. Then the executor is killed."""
    with tempfile.TemporaryDirectory() as folder:
        w.hang = pathlib.Path(folder, "hang")
        git = pathlib.Path(folder, "git")
        git.write_text(f'#!/bin/sh\ncase "$*" in *fetch*) while [ -e {w.hang} ]; do sleep 0.05; '
                       'done; kill -0 $PPID || exit;; esac\nexec /usr/bin/git "$@"\n')
        git.chmod(0o755)
        script = ended("Evicted")
        script.act = lambda container: w.hang.touch()
        script.then = Script(act=lambda container: w.facts.setdefault("seen", sorted(
            p.name for p in (w.data / "job-42/repository").iterdir())))
        shared(w, Kube(script), PATH=f"{folder}:{os.environ['PATH']}", **AGAIN)
        w.until(lambda: len([e for e in entries(w) if e["key"] == "setup.git.fetch"]) == 2,
                "the second clone")
        w.executor.kill()
        w.hang.unlink()
        w.executor.start()
        shared_ends(w)


restart_row("shared volume, killed while it clones for the second attempt: complete",
            "shared_killed_cloning_again", lambda w: marked_once(w, "markComplete"))
row("R", "shared volume, killed while it clones for the second attempt: the steps get the clone",
    "shared_killed_cloning_again",
    lambda w: equal(w.facts["seen"], [".git", "README.md", "doc", "web"]))


@scenario
def undelivered_then_killed(w):
    """The frontend refuses one entry for good, and the executor is killed before the job ends."""
    def act(container):
        if container == CONTAINER:
            w.go.wait()
    w.go = threading.Event()
    begin(w, Script(logs={"setup-workspace": TEXT, CONTAINER: TEXT}, act=act),
          rules=[("addExecutionLogEntry", (400, "no"))])
    shown(w, RUN, "three")
    restarted(w)
    w.go.set()
    w.marked().stopped()


restart_row("an entry that could not be delivered before a restart fails the job after it",
            "undelivered_then_killed",
            lambda w: marked_once(w, "markErrored", "log entry setup.workspace"))


POST, POST_CONTAINER = "step.kubernetes.step.0.post", "step-kubernetes-step-0-post"
WITH_RESULTS = payload(dockerSteps=[step("step.0.run"), step("step.0.post")])


class Rotating(Kube):
    """A log of which the kubelet has only the last lines, once `rotated`."""

    rotated = False

    def get(self, kind, name, query):
        if self.rotated and query.get("container") == self.rotated:
            return 200, STAMP.format(900).encode() + b" four\n"
        return super().get(kind, name, query)


def rotated(name, container, key):
    def play(w):
        def act(running):
            if running == container:
                shown(w, key, "three")
                w.kube.rotated = container
        w.frontend, w.kube = Frontend(), Rotating(Script(logs={container: TEXT}, act=act))
        w.start(WITH_RESULTS).marked().stopped()
    play.__name__ = name
    scenario(play)


rotated("results_rotated", POST_CONTAINER, POST)
rotated("output_rotated", CONTAINER, RUN)
row("8.4", "results of which lines are rotated away fail the job", "results_rotated",
    lambda w: marked_once(w, "markErrored", POST_CONTAINER, "is incomplete"))
row("9.2", "output of which lines are rotated away does not, and says so", "output_rotated",
    lambda w: marked_once(w, "markComplete") or has(w.frontend.log(RUN)["out"], "are missing"))


@scenario
def results_shorter_after_restart(w):
    def act(container):
        if container == POST_CONTAINER:
            w.go.wait()
    w.go = threading.Event()
    w.kube, w.frontend = Kube(Script(logs={POST_CONTAINER: TEXT}, act=act)), Frontend()
    w.start(WITH_RESULTS, keep_state=True)
    shown(w, POST, "three")
    restarted(w, lambda: w.kube.script.logs.update({POST_CONTAINER: "one\n"}))
    w.go.set()
    w.marked().stopped()


restart_row("results of which less can be read after a restart than was shown fail the job",
            "results_shorter_after_restart",
            lambda w: marked_once(w, "markErrored", f"log entry {POST}", "incomplete"))


class Graceful(Kube):
    """The first pod takes its time to end: it goes after the second deletion of its Job. A Job that
    is deleted in the foreground stays until then."""

    ending = overlap = False

    def create(self, kind, body):
        if kind == "jobs" and body["metadata"]["name"] not in self.made["jobs"]:
            self.overlap = self.overlap or self.ending
        return super().create(kind, body)

    def delete(self, kind, name, options):
        if kind != "jobs" or options.get("dryRun"):
            return super().delete(kind, name, options)
        self.ending = not self.deleted["jobs"]
        if not self.ending:
            return super().delete(kind, name, options)
        self.deleted["jobs"].append(name)
        if options["propagationPolicy"] == "Background":
            return 200, self.made["jobs"].pop(name)
        return 200, self.made["jobs"][name]


def begun_again(name, sentence, until=lambda w: None, end=lambda w: None, **settings):
    """The job ends while its pod runs, and is handed out again."""
    def play(w):
        w.kube = Graceful(Script(hold=True, then=Script()))
        w.start(payload(dockerSteps=ONE, token="old"), **settings)
        w.until(lambda: w.kube.made["pods"], "a pod")
        until(w)
        w.frontend.offer(payload(dockerSteps=ONE, token="new"))
        w.until(lambda: any(m.name == "markComplete" for m in w.frontend.marks()), "completion")
        w.stopped()
    play.__name__ = name
    scenario(play)
    row("12d", sentence + ": its new pod begins when the old one is gone", name,
        lambda w: equal((w.kube.names, w.kube.overlap), ([NAME, NAME], False)))


def cancel(w):
    w.frontend.cancel.add("42")
    w.marked()
    w.frontend.cancel.clear()


begun_again("given_anew_gracefully", "a job is given anew while it runs", EXECUTOR_MAXIMUM_NUM_JOBS="2")
begun_again("cancelled_gracefully", "a job is given anew after it was cancelled", cancel)

# --- the shared-volume layout


class Moved(Frontend):
    """The job that the first executor has is given to the second one: `moved` with or without the
    first one being told."""

    first = moved = None

    def known(self, beat):
        self.first = self.first or beat["executorName"]
        answer = super().known(beat)
        if self.moved and beat["executorName"] == self.first:
            answer["knownIds"] = []
        return answer

    def queue_call(self, call):
        if self.moved == "untold" and call.json.get("executorName") == self.first:
            return 500, "sick"
        return super().queue_call(call)


STEPS = ["step-kubernetes-step-0-" + s for s in ("pre", "run", "post")]


def on_volume(w, script, steps=None, **settings):
    """As killed.shared, with a frontend of our own."""
    w.folder = tempfile.TemporaryDirectory()
    w.kube = Kube(script)
    w.frontend.git_root = w.folder.name + "/git"
    w.data = pathlib.Path(w.folder.name, "data")
    w.data.mkdir()
    w.settings = {"EXECUTOR_KUBERNETES_PERSISTENCE_VOLUME_NAME": "sg-pvc",
                  "LUNEXEC_WORKSPACE_DIR": str(w.data), **settings}
    w.job = payload(commit=repository(w.frontend.git_root),
                    **({"dockerSteps": steps} if steps else {}))
    w.start(w.job, keep_state=True, **w.settings)


def taken_over(name, moved):
    """A second executor with the same volume begins the job while a step of the first one runs."""
    def play(w):
        def act(container):
            names = w.facts.setdefault("steps", [])
            names.append(container)
            if names == STEPS[:1]:
                w.go.wait()
            elif len(names) == 2:
                w.over.wait()
                w.facts["seen"] = sorted(p.name for p in (w.data / "job-42/repository").iterdir())
        w.go, w.over = threading.Event(), threading.Event()
        w.frontend = Moved()
        on_volume(w, Script(act=act), **AGAIN)
        w.until(lambda: w.facts.get("steps"), "a step")
        w.frontend.moved = moved
        w.frontend.offer(w.job)
        w.second = Executor(w.frontend, w.kube, **w.settings)
        try:
            w.until(lambda: "failure=lost" in w.executor.log, "the end of the first one")
            w.over.set()
            w.until(lambda: "state=GONE" in w.second.log, "the end of the second one")
            w.second.signal()
            w.second.wait()
        finally:
            w.go.set()
            w.over.set()
            w.second.close()
        w.stopped()
        w.left = os.listdir(w.data)
        w.folder.cleanup()
    play.__name__ = name
    scenario(play)
    row("5.1", "a job that another executor with the same volume has begun anew keeps its clone", name,
        lambda w: equal(w.facts["seen"], [".git", "README.md", "doc", "web"]))
    row("5.1", "and in the end nothing is left", name, lambda w: equal(w.left, []))


taken_over("shared_taken_over", "told")
taken_over("shared_taken_over_untold", "untold")


@scenario
def shared_lost_while_away(w):
    def act(container):
        w.go.wait()
    w.go, w.frontend = threading.Event(), Frontend()
    on_volume(w, Script(act=act))
    w.until(lambda: w.kube.made["pods"], "a pod")
    w.executor.kill()
    w.frontend.unknown.add("42")
    w.executor.start()
    w.until(lambda: state_dir_empty(w), "an empty journal")
    w.go.set()
    w.stopped()
    w.left = os.listdir(w.data)
    w.folder.cleanup()


row("R", "shared volume, lost while away: nothing is left", "shared_lost_while_away",
    lambda w: equal((w.left, [len(made) for made in w.kube.made.values()]), ([], [0] * 4)))


def other_layout(name, sentence, before, after, names):
    def play(w):
        def act(container):
            if container == STEPS[1]:
                w.go.wait()
        w.go, w.frontend = threading.Event(), Frontend()
        on_volume(w, Script(act=act, logs={c: TEXT for c in STEPS}),
                  KUBERNETES_SINGLE_JOB_POD=before)
        shown(w, "step.kubernetes.step.0.pre", "three")
        w.until(lambda: w.frontend.log("step.kubernetes.step.0.run"), "the second step")
        w.executor.kill()
        w.executor.env["KUBERNETES_SINGLE_JOB_POD"] = after
        w.executor.start()
        w.until(lambda: len(w.kube.names) > len(names(w)) or
                w.executor.log.count("state=PENDING") > 1, "going on")
        w.go.set()
        w.marked().stopped()
        w.left = os.listdir(w.data)
        w.folder.cleanup()
    play.__name__ = name
    scenario(play)
    restart_row(f"restarted {sentence}: the job is complete", name,
                lambda w: marked_once(w, "markComplete"))
    row("R", f"restarted {sentence}: no workspace is left", name, lambda w: equal(w.left, []))


other_layout("single_pod_at_last", "in the single-pod layout", "false", "true",
             lambda w: STEPS[:2])
other_layout("shared_at_last", "in the shared-volume layout", "true", "false", lambda w: [NAME])
row("R", "restarted in the single-pod layout: its last attempt is one pod", "single_pod_at_last",
    lambda w: equal(w.kube.names[-1:], [SECOND]))
row("R", "restarted in the single-pod layout: that has entries of its own", "single_pod_at_last",
    lambda w: equal([e["exitCode"] for e in entries(w) if e["key"] == POST], [0]) or
    equal(of(w, RUN)[-1]["out"], "stdout: one\nstdout: two\nstdout: three\n"))
row("R", "restarted in the single-pod layout: what was cut says so", "single_pod_at_last",
    lambda w: has(of(w, "setup.workspace")[-1]["out"], "attempt 1 ended (stopped)") or
    has("".join(e.get("out", "") for e in of(w, RUN)[:1] + of(w, "teardown.fs")), "incomplete"))
row("R", "restarted in the shared-volume layout: its pod is gone on with", "shared_at_last",
    lambda w: equal(w.kube.names, [NAME]))


@scenario
def skip_file_stays(w):
    """The executor was killed when it had gone on to the step that a skip file names, and had not
    removed the file yet."""
    def act(container):
        if container == STEPS[0]:
            (w.data / "job-42/skip.json").write_text('{"nextStep":"step.2.pre"}')
        elif container.endswith("2-pre"):
            w.go.wait()
    w.go, w.frontend = threading.Event(), Frontend()
    on_volume(w, Script(act=act), steps=[step(f"step.{i}.{s}") for i in range(3)
                                         for s in ("pre", "run")])
    w.until(lambda: len(w.kube.names) == 2, "the step that the file names")
    w.executor.kill()
    (w.data / "job-42/skip.json").write_text('{"nextStep":"step.2.pre"}')
    w.executor.start()
    w.until(lambda: w.executor.log.count("taking up jobs") == 1, "adoption")
    w.go.set()
    w.marked().stopped()
    w.folder.cleanup()


restart_row("a skip file that was obeyed already is not obeyed again", "skip_file_stays",
            lambda w: marked_once(w, "markComplete") or
            equal([n.rsplit(".step.", 1)[1] for n in w.kube.names], ["0.pre", "2.pre", "2.run"]))


@scenario
def heartbeat_says_nothing(w):
    """Something between us and the frontend answers for it."""
    w.start(payload(dockerSteps=ONE), script=Script(hold=True),
            rules=[("heartbeat", (200, {"executorName": ""}), (200, {}), (200, {"status": "ok"}))])
    w.called("heartbeat", 4)
    w.kube.release()
    w.marked().stopped()


row("4", "an answer to a heartbeat that names no ids ends no job", "heartbeat_says_nothing",
    lambda w: marked_once(w, "markComplete"))


@scenario
def volume_hangs(w):
    """The volume takes the workspace, and does not let it be removed."""
    with tempfile.TemporaryDirectory() as folder:
        hang, rm = pathlib.Path(folder, "hang"), pathlib.Path(folder, "rm")
        rm.write_text(f'#!/bin/sh\n[ ! -e {hang} ] || exec sleep 100\nexec /bin/rm "$@"\n')
        rm.chmod(0o755)
        w.frontend = Frontend()
        on_volume(w, Script(act=lambda container: hang.touch()),
                  PATH=f"{folder}:{os.environ['PATH']}")
        w.until(lambda: w.frontend.log("teardown.fs"), "the removal")
        w.executor.signal()
        w.until(lambda: "draining" in w.executor.log, "a word about the signal")
        w.executor.signal()
        w.ended()
        w.folder.cleanup()


row("4", "a workspace whose removal does not end is waited for, but not when told to stop at once",
    "volume_hangs", lambda w: equal(w.status, 0))


@scenario
def far_retry_after(w):
    """A create and the watch are to be tried again in a month, as one clock says."""
    later = (*status(503, "ServiceUnavailable", "later"), {"Retry-After": "2592000"})
    w.kube = Kube()
    for refused in (("create", "jobs"), ("watch", "pods")):
        w.kube.refusals[refused] = [later]
    w.start(payload(dockerSteps=ONE))
    w.until(lambda: w.frontend.marks(), "a mark", seconds=120)
    w.stopped()


row("7.1", "an API server that is to be asked again in a month is asked sooner", "far_retry_after",
    lambda w: marked_once(w, "markComplete"))


@scenario
def asked_after(w):
    """The first attempt's Job does not go away."""
    w.kube = Kube(ended("Evicted"))
    w.kube.stubborn = True
    w.start(payload(dockerSteps=ONE), **AGAIN)
    w.until(lambda: w.kube.deleted["jobs"], "a delete")
    w.called("heartbeat", len(w.frontend.of("heartbeat")) + 3)
    w.facts["deletes"] = len(w.kube.deleted["jobs"])
    remove_behind_its_back(w)
    w.marked().stopped()


row("12d", "a Job that does not go away is asked after less and less often", "asked_after",
    lambda w: 2 < w.facts["deletes"] < 20)


class Slow(Frontend):
    """Workspace files take their time."""

    def __init__(self):
        self.go = threading.Event()
        super().__init__()

    def answer(self, call):
        if "/.executors/files/" in call.path:
            self.go.wait()
        return super().answer(call)


@scenario
def slow_files(w):
    """More jobs wait for their files than one host usually gets connections."""
    w.frontend = Slow()
    w.frontend.files["b/tool-1"] = b"a tool of many uses"
    jobs = [dict(FILES, id=n) for n in range(1, 41)]
    w.start(*jobs, EXECUTOR_MAXIMUM_NUM_JOBS="40")
    w.called("tool-1", 40)
    w.called("heartbeat", len(w.frontend.of("heartbeat")) + 2)
    w.facts["beats"] = [len(c.json["jobIds"]) for c in w.frontend.of("heartbeat")[-2:]]
    w.frontend.go.set()
    w.marked(40).stopped()


row("1.6", "calls that take long keep no heartbeat from being sent", "slow_files",
    lambda w: equal(w.facts["beats"], [40, 40]))


@scenario
def many_undeletable(w):
    """A job with a Job a step has ended, and the API server deletes none of them."""
    w.frontend = Frontend()
    on_volume(w, Script(), steps=[step(f"step.{i}.{s}") for i in range(4)
                                  for s in ("pre", "run", "post")])
    w.kube.refusals[("delete", "jobs")] = [status(503, "ServiceUnavailable", "sick")] * 100000
    w.until(lambda: "state=CLEANING" in w.executor.log, "the end")
    w.executor.signal()
    w.until(lambda: "draining" in w.executor.log, "a word about the signal")
    w.executor.signal()
    w.ended(30)
    w.folder.cleanup()


row("4", "told to stop at once, it does not wait for each object by itself", "many_undeletable",
    lambda w: equal((len(w.kube.names), w.status), (12, 0)))


@scenario
def files_late(w):
    """The frontend is gone for longer than its client's 21 tries take."""
    w.frontend, w.kube = Frontend(), Kube()
    w.frontend.files["b/tool-1"] = b"a tool of many uses"
    w.frontend.rule("tool-1", *["drop"] * 22)
    w.start(FILES).marked().stopped()


row("1.9", "a file is asked for until a frontend that was gone is back", "files_late",
    lambda w: equal(len(w.frontend.of("tool-1")), 23) or marked_once(w, "markComplete"))
