"""Batch-change jobs as a Sourcegraph server hands them out, and the repository they run on."""
import json
import os
import subprocess

from frontend import file_content

HELPER = "docker.io/lunexec/batcheshelper:1"
STEP_IMAGE = "docker.io/library/busybox:1"
REPOSITORY = "github.com/acme/widgets"
UNSET = "0001-01-01T00:00:00Z"


def make_repository(root):
    """Creates <root>/github.com/acme/widgets, bare, with one commit, and returns its id."""
    work, bare = os.path.join(root, "work"), os.path.join(root, REPOSITORY)
    os.makedirs(work)

    def git(*arguments):
        done = subprocess.run(
            ["git", "-C", work, "-c", "user.name=test", "-c", "user.email=test@example.com",
             *arguments], capture_output=True, text=True, check=True)
        return done.stdout.strip()

    git("init", "--quiet", "--initial-branch=main")
    with open(os.path.join(work, "README.md"), "w", encoding="utf-8") as readme:
        readme.write("# Widgets\n")
    for name in ("web", "api"):
        os.mkdir(os.path.join(work, name))
        with open(os.path.join(work, name, "file"), "w", encoding="utf-8") as file:
            file.write(name + "\n")
    git("add", "--all")
    git("commit", "--quiet", "--message=first")
    git("tag", "v1")
    git("clone", "--quiet", "--bare", work, bare)
    for what in ("allowAnySHA1InWant", "allowFilter"):
        subprocess.run(["git", "-C", bare, "config", f"uploadpack.{what}", "true"], check=True)
    return git("rev-parse", "HEAD")


def execution_input(commit, runs, image):
    return {
        "BatchChangeAttributes": {"Name": "hello-world", "Description": "Add a greeting"},
        "repository": {"id": "UmVwb3NpdG9yeToxNjc4", "name": REPOSITORY},
        "branch": {"name": "refs/heads/main", "target": {"oid": commit}},
        "path": "", "onlyFetchWorkspace": False,
        "steps": [{"run": run, "container": image} for run in runs],
        "searchResultPaths": ["README.md"], "cachedStepResultFound": False,
        "cachedStepResult": {"changedFiles": None, "stdout": "", "stderr": "", "stepIndex": 0,
                             "diff": "", "outputs": None},
        "skippedSteps": {}}


def steps(count, image):
    for i in range(count):
        helper = {"image": HELPER, "dir": ".", "env": ["GREETING_TOKEN=s3cr3t-value"]}
        yield {"key": f"step.{i}.pre", "commands": [f"batcheshelper pre {i}"], **helper}
        yield {"key": f"step.{i}.run", "image": image, "dir": "repository", "env": None,
               "commands": [
                   "{ set +x; } 2>/dev/null", "{ set -eo pipefail; } 2>/dev/null",
                   f'(exec "../step{i}.sh" | tee ../stdout{i}.log) 3>&1 1>&2 2>&3 | tee ../stderr{i}.log']}
        yield {"key": f"step.{i}.post", "commands": [f"batcheshelper post {i}"], **helper}


def batch_job(job_id, commit, runs, version=2, image=STEP_IMAGE):
    """A job whose steps run the shell commands `runs`, one workspace file beside the input."""
    text = json.dumps(execution_input(commit, runs, image), separators=(",", ":")).encode()
    payload = {
        "id": job_id, "repositoryName": REPOSITORY, "repositoryDirectory": "repository",
        "commit": commit, "fetchTags": False, "shallowClone": True, "sparseCheckout": None,
        "files": {
            "input.json": {"content": file_content(version, text), "modifiedAt": UNSET},
            "workspace-files/greeting.txt": {
                "bucket": "batch-changes", "key": "spec1/file1",
                "modifiedAt": "2024-06-03T10:20:30.123456Z"}},
        "dockerSteps": list(steps(len(runs), image)), "cliSteps": None,
        "redactedValues": {"s3cr3t-value": "${{ secrets.GREETING_TOKEN }}"}}
    if version == 2:
        payload.update(version=2, dockerAuthConfig={})
    return payload


WORKSPACE_FILES = {"spec1/file1": b"Hello from a workspace file\n"}


def entry_keys(count):
    """Log entry keys of a job of `count` steps that all ran, in order (single pod)."""
    middle = [f"step.kubernetes.step.{i}.{part}" for i in range(count) for part in ("pre", "run", "post")]
    return ["setup.workspace", *middle, "main", "teardown.kubernetes.job", "teardown.fs"]
