"""What a second process must not get wrong about a job that the first one began."""
import os
import pathlib
import tempfile

from frontend import Frontend, payload
from killed import shared, shared_ends
from kube import Kube, Script
from outcomes import AGAIN, NAME, ONE, ended
from restart import (TEXT, entries, marked_once, remove_behind_its_back, restart_row, shown)
from suite import equal, row, scenario

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
