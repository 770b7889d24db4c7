"""What a second process must not get wrong about a job that the first one began."""
import os
import pathlib
import tempfile
import threading

from frontend import Frontend, payload, step
from killed import shared, shared_ends
from kube import STAMP, Kube, Script
from outcomes import AGAIN, CONTAINER, NAME, ONE, RUN, ended
from restart import (TEXT, begin, entries, marked_once, remove_behind_its_back, restart_row, shown)
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
    w.frontend.strict = True
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
    w.frontend.strict = w.kube.stubborn = True
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
        shared(w, script, PATH=f"{folder}:{os.environ['PATH']}", **AGAIN)
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
            w.go.wait(20)
    w.go = threading.Event()
    begin(w, Script(logs={"setup-workspace": TEXT, CONTAINER: TEXT}, act=act),
          rules=[("addExecutionLogEntry", (400, "no"))])
    shown(w, RUN, "three")
    w.executor.kill()
    w.executor.start()
    w.until(lambda: w.executor.log.count("taking up jobs") == 1, "adoption")
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
            w.go.wait(20)
    w.go = threading.Event()
    w.kube, w.frontend = Kube(Script(logs={POST_CONTAINER: TEXT}, act=act)), Frontend()
    w.frontend.strict = True
    w.start(WITH_RESULTS, keep_state=True)
    shown(w, POST, "three")
    w.executor.kill()
    w.kube.script.logs[POST_CONTAINER] = "one\n"
    w.executor.start()
    w.until(lambda: w.executor.log.count("taking up jobs") == 1, "adoption")
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
