"""Clones onto a shared volume: through the executor's proxy, and again for another attempt."""
import http.client
import os
import pathlib
import shutil
import tempfile
import threading

from frontend import PASSWORD, Frontend, payload
from httpd import Drop
from kube import Script
from outcomes import AGAIN, ended
from restart import marked_once
from shared import play, repository
from stops import end_now, stopped_row
from suite import equal, row, scenario


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
        w.until(lambda: w.frontend.log("setup.git.add-remote"), "the proxy's address")
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
        go.wait()
    clone(w, hang)
    w.until(asked.is_set, "git at the frontend")
    end_now(w)
    w.ended()
    go.set()
    cloned(w)


@scenario
def git_without_token(w):
    """As the payloads of old servers are."""
    play(w, changes={"token": ""})


@scenario
def git_missing(w):
    with tempfile.TemporaryDirectory() as programs:
        os.symlink(shutil.which("rm"), programs + "/rm")
        clone(w, lambda call: None, PATH=programs)
        w.marked().stopped()
    cloned(w)


@scenario
def volume_missing(w):
    w.start(payload(), KUBERNETES_SINGLE_JOB_POD="false",
            LUNEXEC_WORKSPACE_DIR="/nonexistent/data").marked().stopped()


row("1.2", "git for a job without a token: the shared password", "git_without_token",
    lambda w: equal({c.headers["Authorization"] for c in w.frontend.calls
                     if "/.executors/git/" in c.path}, {f"token-executor {PASSWORD}"}) or
    marked_once(w, "markComplete"))
row("5.1", "no git: errored, the command named, and no workspace left", "git_missing",
    lambda w: marked_once(w, "markErrored", "setup.git.init") or equal(w.left, []))
row("5.1", "no volume where it should be: errored, with where it has to be mounted", "volume_missing",
    lambda w: marked_once(w, "markErrored", "has to be mounted at /nonexistent/data"))
row("5.1", "a frontend that hangs up on git: errored, the failed command named", "git_dropped",
    lambda w: marked_once(w, "markErrored", "setup.git.fetch", "exit code 128") or equal(w.left, []))
row("5.1", "the executor's proxy leads to the job's repository only", "git_elsewhere",
    lambda w: equal(list(w.facts.values()), [403, 403, 403, 403, 405]) or
    marked_once(w, "markComplete"))
row("5.1", "and nothing of the others' asking reaches the frontend", "git_elsewhere",
    lambda w: equal([c for c in w.frontend.calls if "gadgets" in c.path], []))
stopped_row("a second signal while git fetches: it ends", "git_stopped")
row("4", "and the workspace is removed", "git_stopped", lambda w: equal(w.left, []))


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
