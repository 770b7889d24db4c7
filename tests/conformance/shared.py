"""The shared-volume layout: contract 5.1 (the executor clones), 6.1 (a Job a step), 8.1 (skipping)."""
import base64
import json
import os
import pathlib
import re
import subprocess
import tempfile

from frontend import Frontend, payload, step
from kube import Script
from manifests import POD, SETTINGS, at
from suite import equal, has, row, scenario

PREFIX = "sg-executor-job-batches-42-step.kubernetes.step.0."
KEYS = [f"step.kubernetes.step.0.{s}" for s in ("pre", "run", "post")]
GIT = ["setup.git." + k for k in ("init", "add-remote", "disable-gc", "fetch", "checkout",
                                  "set-remote")]
BYTES = bytes(range(256)) + b"'\"\r\n"


def git(folder, *argv):
    env = {**os.environ, "GIT_CONFIG_GLOBAL": "/dev/null", "GIT_AUTHOR_NAME": "a",
           "GIT_AUTHOR_EMAIL": "a@example.com", "GIT_COMMITTER_NAME": "a",
           "GIT_COMMITTER_EMAIL": "a@example.com"}
    return subprocess.run(["git", "-C", folder, *argv], env=env, check=True, capture_output=True,
                          text=True).stdout.strip()


def repository(root):
    """Two commits, a tag, two folders; the last commit's id."""
    folder = pathlib.Path(root) / "github.com/acme/widgets"
    (folder / "web").mkdir(parents=True)
    (folder / "doc").mkdir()
    git(folder, "init", "-q", "-b", "main")
    for name in ("uploadpack.allowAnySHA1InWant", "uploadpack.allowFilter"):
        git(folder, "config", name, "true")
    for number in (1, 2):
        for name in ("README.md", "web/a.txt", "doc/b.txt"):
            (folder / name).write_text(f"{number}\n")
        git(folder, "add", ".")
        git(folder, "commit", "-q", "-m", f"commit {number}")
        git(folder, "tag", f"v{number}")
    return git(folder, "rev-parse", "HEAD")


def play(w, script=None, keep=False, changes=(), namespace="default", **settings):
    """One job in this layout; its workspace is looked at when the first step runs."""
    with tempfile.TemporaryDirectory() as folder:
        w.frontend = Frontend()
        w.frontend.git_root = folder + "/git"
        os.mkdir(folder + "/data")
        job = payload(commit=repository(w.frontend.git_root), **dict(changes))
        w.commit, w.data = job["commit"], pathlib.Path(folder) / "data"
        script = script or Script()
        script.act = script.act or looker(w)
        w.start(job, script=script, namespace=namespace, **{
            "EXECUTOR_KUBERNETES_PERSISTENCE_VOLUME_NAME": "sg-pvc",
            "LUNEXEC_WORKSPACE_DIR": str(w.data),
            "EXECUTOR_KEEP_WORKSPACES": "true" if keep else None, **settings}).marked().stopped()
        w.left = sorted(p.name for p in w.data.iterdir())


def looker(w):
    def look(container):
        if "files" in w.facts:
            return
        root = w.data / "job-42"
        repo = root / "repository"
        w.facts["files"] = {str(p.relative_to(root)): p.read_bytes() for p in root.rglob("*")
                            if p.is_file() and ".git/" not in str(p)}
        w.facts["mode"] = {str(p.relative_to(root)): p.stat() for p in root.rglob("*")}
        if repo.is_dir():
            w.facts["config"] = (repo / ".git/config").read_text()
            w.facts["commits"] = git(repo, "rev-list", "--count", "HEAD")
            w.facts["tags"] = git(repo, "tag")
            w.facts["remote"] = git(repo, "remote", "get-url", "origin")
            w.facts["head"] = git(repo, "rev-parse", "HEAD")
    return look


@scenario
def shared_defaults(w):
    play(w, changes={"files": {
        "input.json": {"content": "e30="},
        "bin/tool": {"content": base64.b64encode(BYTES).decode(),
                     "modifiedAt": "2024-06-03T10:20:30.123456789Z"}}})


@scenario
def shared_all_set(w):
    play(w, namespace="jobs", EXECUTOR_KUBERNETES_NAMESPACE="jobs",
         **{name: value for name, value, *_ in SETTINGS})


@scenario
def shared_by_switch(w):
    """KUBERNETES_SINGLE_JOB_POD=false, the volume's name left to its default."""
    play(w, KUBERNETES_SINGLE_JOB_POD="false", EXECUTOR_KUBERNETES_PERSISTENCE_VOLUME_NAME=None)


@scenario
def shared_sparse(w):
    play(w, changes={"sparseCheckout": ["web/*"], "fetchTags": True})


@scenario
def shared_deep(w):
    play(w, changes={"shallowClone": False})


@scenario
def shared_no_repository(w):
    play(w, changes={"repositoryName": "", "repositoryDirectory": ""})


@scenario
def shared_keep(w):
    play(w, keep=True)


@scenario
def shared_bad_commit(w):
    with tempfile.TemporaryDirectory() as folder:
        w.frontend = Frontend()
        w.frontend.git_root = folder + "/git"
        os.mkdir(folder + "/data")
        repository(w.frontend.git_root)
        w.start(payload(), EXECUTOR_KUBERNETES_PERSISTENCE_VOLUME_NAME="sg-pvc",
                LUNEXEC_WORKSPACE_DIR=folder + "/data").marked().stopped()
        w.left = os.listdir(folder + "/data")


@scenario
def shared_step_fails(w):
    play(w, script=Script(exits={"step-kubernetes-step-0-run": 5}))


@scenario
def shared_skip(w):
    """step.0.pre says that step 2 is next; there are three."""
    def act(container):
        if container == "step-kubernetes-step-0-pre":
            (w.data / "job-42/skip.json").write_text('{"nextStep":"step.2.pre"}')
    steps = [step(f"step.{i}.{s}") for i in range(3) for s in ("pre", "run", "post")]
    play(w, script=Script(act=act), changes={"dockerSteps": steps})


@scenario
def shared_skip_unknown(w):
    def act(container):
        if container == "step-kubernetes-step-0-pre":
            (w.data / "job-42/skip.json").write_text('{"nextStep":"step.9.pre"}')
    play(w, script=Script(act=act))


@scenario
def shared_skip_garbled(w):
    def act(container):
        if container == "step-kubernetes-step-0-pre":
            (w.data / "job-42/skip.json").write_text('{"nextStep":')
    play(w, script=Script(act=act))


def only(world, n=0):
    """The one container of the n-th Job."""
    spec = world.kube.created["jobs"][n]["spec"]["template"]["spec"]
    equal((len(spec["containers"]), "initContainers" in spec), (1, False))
    return spec["containers"][0]


def argv(world, key):
    command = world.frontend.log(key)["command"]
    equal(command[:2], ["git", "-C"])
    return command[3:]


# --- 6.1, and every setting

for name, value, path, on, off in SETTINGS:
    def look(w, path=path, wanted=None):
        for n, job in enumerate(w.kube.created["jobs"]):
            equal(at(only(w, n), path[2:]) if path.startswith("*.") else at(job, path), wanted)
        equal(len(w.kube.created["jobs"]), 3)
    row("6.1", f"{name}={value}, a Job a step", "shared_all_set",
        lambda w, look=look, on=on: look(w, wanted=on))
    row("6.1", f"{name} unset, a Job a step", "shared_defaults",
        lambda w, look=look, off=off: look(w, wanted=off))

row("6", "one Job a step, in order", "shared_defaults",
    lambda w: equal(w.kube.names, [PREFIX + s for s in ("pre", "run", "post")]))
row("6.1", "container names", "shared_defaults",
    lambda w: equal([only(w, n)["name"] for n in range(3)],
                    [k.replace(".", "-") for k in KEYS]))
row("6.1", "the shell runs the script on the volume, if the volume is the executor's", "shared_defaults",
    lambda w: equal(only(w, 1)["command"], ["/bin/sh", "-c"]) or
    equal(only(w, 1)["args"][1], "/job/.sourcegraph-executor/42.1_github.com_acme_widgets@"
          + w.commit + ".sh"))
row("9.4", "argv in the log is the shell and the script", "shared_defaults",
    lambda w: equal(w.frontend.log(KEYS[1])["command"],
                    ["/bin/sh", "/job/.sourcegraph-executor/42.1_github.com_acme_widgets@"
                     + w.commit + ".sh"]))
row("6.1", "working directories", "shared_defaults",
    lambda w: equal([only(w, n)["workingDir"] for n in range(3)], ["/job", "/job/repository", "/job"]))
row("6.1", "the workspace: the job's folder of the claim, at /job", "shared_defaults",
    lambda w: equal({k: v for k, v in only(w)["volumeMounts"][0].items() if k != "name"},
                    {"mountPath": "/job", "subPath": "job-42"}))
row("6.1", "the claim by its name", "shared_defaults",
    lambda w: equal(at(w.kube.job(), POD + ".volumes.0.persistentVolumeClaim"),
                    {"claimName": "sg-pvc"}))
row("3.3", "EXECUTOR_KUBERNETES_PERSISTENCE_VOLUME_NAME is sg-executor-pvc by default",
    "shared_by_switch",
    lambda w: equal(at(w.kube.job(), POD + ".volumes.0.persistentVolumeClaim"),
                    {"claimName": "sg-executor-pvc"}))
row("3.3", "KUBERNETES_SINGLE_JOB_POD=false chooses this layout", "shared_by_switch",
    lambda w: equal(len(w.kube.names), 3))
row("6.1", "images are the steps'", "shared_defaults",
    lambda w: equal([only(w, n)["image"] for n in range(3)],
                    [s["image"] for s in payload()["dockerSteps"]]))
row("6.1", "backoffLimit 0, restartPolicy Never", "shared_defaults",
    lambda w: equal([(j["spec"]["backoffLimit"], at(j, POD + ".restartPolicy"))
                     for j in w.kube.created["jobs"]], [(0, "Never")] * 3))
row("7.5", "every Job is deleted, nothing is left", "shared_defaults",
    lambda w: equal((sorted(set(w.kube.deleted["jobs"])), [len(m) for m in w.kube.made.values()]),
                    (sorted(w.kube.names), [0] * 4)))

# --- 5.1 the clone

row("9.4", "the entries and their order", "shared_defaults",
    lambda w: equal(w.frontend.keys(), GIT + ["setup.fs.extras"] + KEYS
                    + ["teardown.kubernetes.job", "teardown.fs"]))
row("9.4", "sparse: eight git entries", "shared_sparse",
    lambda w: equal(w.frontend.keys()[:8],
                    GIT[:4] + ["setup.git.sparse-checkout-config", "setup.git.sparse-checkout-set"]
                    + GIT[4:]))
row("5.1", "no repository: no git entries", "shared_no_repository",
    lambda w: equal([k for k in w.frontend.keys() if k.startswith("setup.git")], []))
for key, words in (("init", ["init"]), ("disable-gc", ["config", "--local", "gc.auto", "0"]),
                   ("set-remote", ["remote", "set-url", "origin", "github.com/acme/widgets"])):
    row("5.1", f"setup.git.{key}: argv", "shared_defaults",
        lambda w, key=key, words=words: equal(argv(w, "setup.git." + key), words))
row("5.1", "setup.git.add-remote: a proxy on 127.0.0.1", "shared_defaults",
    lambda w: re.fullmatch(r"remote add origin http://127\.0\.0\.1:\d+/github\.com/acme/widgets",
                           " ".join(argv(w, "setup.git.add-remote"))) is not None)
FETCH = "-c protocol.version=2 fetch --progress --no-recurse-submodules"
for name, on, flags in (("shallow", "shared_defaults", "--no-tags --depth=1"),
                        ("tags and sparse", "shared_sparse", "--tags --depth=1 --filter=blob:none"),
                        ("not shallow", "shared_deep", "")):
    row("5.1", f"setup.git.fetch: argv, {name}", on,
        lambda w, flags=flags: equal(" ".join(argv(w, "setup.git.fetch")),
                                     " ".join(f"{FETCH} {flags} origin {w.commit}".split())))
row("5.1", "setup.git.checkout: argv", "shared_defaults",
    lambda w: equal(" ".join(argv(w, "setup.git.checkout")), f"checkout --progress --force {w.commit}"))
row("5.1", "setup.git.sparse-checkout-set: argv", "shared_sparse",
    lambda w: equal(" ".join(argv(w, "setup.git.sparse-checkout-set")),
                    "sparse-checkout set --no-cone -- web/*"))
row("5.1", "the commit is checked out", "shared_defaults",
    lambda w: equal((w.facts["head"], w.facts["files"]["repository/README.md"]), (w.commit, b"2\n")))
row("5.1", "shallow: one commit, no tags", "shared_defaults",
    lambda w: equal((w.facts["commits"], w.facts["tags"]), ("1", "")))
row("5.1", "sparse: only what matches is there", "shared_sparse",
    lambda w: equal(("repository/web/a.txt" in w.facts["files"],
                     "repository/doc/b.txt" in w.facts["files"]), (True, False)))
row("5.1", "fetchTags: tags are there", "shared_sparse", lambda w: has(w.facts["tags"], "v2"))
row("5.1", "origin is the repository's name afterwards", "shared_defaults",
    lambda w: equal(w.facts["remote"], "github.com/acme/widgets"))
row("5.1", "no credentials in .git/config or in an argv", "shared_defaults",
    lambda w: payload()["token"] not in w.facts["config"]
    and payload()["token"] not in json.dumps([w.frontend.log(k) for k in GIT]))
row("1.2", "git through the executor: the four headers", "shared_defaults",
    lambda w: [equal([c.headers.get(h) for h in ("Authorization", "X-Sourcegraph-Actor-UID",
                                                 "X-Sourcegraph-Job-ID")],
                     ["Bearer " + payload()["token"], "internal", "42"])
               for c in w.frontend.calls if "/.executors/git/" in c.path] != [])
row("5.1", "a commit that is not there: errored, the failed command named", "shared_bad_commit",
    lambda w: equal(w.frontend.marks()[0].name, "markErrored") or
    has(w.frontend.marks()[0].json["errorMessage"], "setup.git.fetch", "exit code 128"))
row("5.1", "a clone that failed leaves no folder and no Job", "shared_bad_commit",
    lambda w: equal((w.left, w.kube.names), ([], [])))

# --- 5.2 files

row("5.2", "files are byte-exact", "shared_defaults",
    lambda w: equal(w.facts["files"]["bin/tool"] == BYTES, True))
row("5.2", "files: mode 0777, mtime as given", "shared_defaults",
    lambda w: equal((oct(w.facts["mode"]["bin/tool"].st_mode & 0o777),
                     int(w.facts["mode"]["bin/tool"].st_mtime)), ("0o777", 1717410030)))
row("5.2", "setup.fs.extras: a line a file", "shared_defaults",
    lambda w: equal(len(re.findall(r"^(?:stdout: )?Wrote \S+ in \S+$",
                                   w.frontend.log("setup.fs.extras")["out"], re.M)), 5))
row("5.2", "a script a step", "shared_defaults",
    lambda w: equal(len([f for f in w.facts["files"] if f.startswith(".sourcegraph-executor/")]), 3))

# --- 8.1 skipping

row("8.1", "skip.json: the steps between are not run", "shared_skip",
    lambda w: equal([n.rsplit("step.kubernetes.", 1)[1] for n in w.kube.names],
                    ["step.0.pre", "step.2.pre", "step.2.run", "step.2.post"]))
row("8.1", "skip.json: they have no entries", "shared_skip",
    lambda w: equal([k for k in w.frontend.keys() if k.startswith("step.")],
                    ["step.kubernetes." + k for k in ("step.0.pre", "step.2.pre", "step.2.run",
                                                      "step.2.post")]))
row("8.1", "skip.json names no step that comes: nothing else is run, complete", "shared_skip_unknown",
    lambda w: equal((len(w.kube.names), w.frontend.marks()[0].name), (1, "markComplete")))
row("8.1", "skip.json that cannot be read: errored", "shared_skip_garbled",
    lambda w: equal(w.frontend.marks()[0].name, "markErrored") or
    has(w.frontend.marks()[0].json["errorMessage"], "checking for skip file"))

# --- 7

row("7.4", "a step fails: later steps are not run, the message names it", "shared_step_fails",
    lambda w: equal((len(w.kube.names), w.frontend.marks()[0].name), (2, "markErrored")) or
    has(w.frontend.marks()[0].json["errorMessage"], 'running command "step.kubernetes.step.0.run"'))
row("7.5", "teardown.fs: the workspace is removed", "shared_defaults",
    lambda w: equal(w.left, []) or has(w.frontend.log("teardown.fs")["out"], "Removing "))
row("3.2", "EXECUTOR_KEEP_WORKSPACES: the workspace is kept, and the log says so", "shared_keep",
    lambda w: equal(w.left, ["job-42"]) or
    has(w.frontend.log("teardown.fs")["out"], "Preserving workspace"))
