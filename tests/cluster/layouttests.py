"""Both layouts on real volumes: files of any size and content, git, claims, codeintel jobs."""
import base64
import contextlib
import hashlib
import os
import shutil
import tempfile
import time

import api
import jobs
from checks import equal, holds

TESTS = []
MODIFIED = "2024-06-03T10:20:30.123456Z"
ODD = b"'quotes' \"$HOME\" `id` $$ \\n\r\nCRLF\0NUL\xff\xfe not UTF-8, no line end"


def test(function):
    TESTS.append(function)
    return function


def step(key, *commands, directory="repository", image=jobs.STEP_IMAGE):
    return {"key": key, "image": image, "commands": list(commands), "dir": directory, "env": None}


def offer(scene, *steps, bucket=None, **fields):
    """A job of these steps alone; the frontend does not look for results of batch steps in it."""
    job = scene.offer()
    job.payload.update(dockerSteps=list(steps), **{"files": {}, **fields})
    job.files = {f"spec1/{name}": data for name, data in (bucket or {}).items()}
    job.needs_results = False
    return job


def in_bucket(name, modified=MODIFIED):
    return {"bucket": "batch-changes", "key": f"spec1/{name}", "modifiedAt": modified}


def output(job, key):
    return [line.removeprefix("stdout: ") for line in job.entry("step.kubernetes." + key).lines()]


def finish(scene, job, seconds=90):
    scene.wait_marked(job, seconds)
    equal(job.state, "completed", f"job {job.id} ({job.message})")
    scene.check_clean()


def storage_class(scene):
    """Of this scene's volumes alone: a free one of its class would do for any other scene's claim."""
    return scene.namespace.name


@contextlib.contextmanager
def volume(scene, claim=None):
    """A volume on the node, a folder here; bound to `claim` of the namespace or free for one of the
    scene's storage class."""
    name = scene.namespace.name
    folder = tempfile.mkdtemp(prefix="lunexec-volume-")
    os.chmod(folder, 0o777)
    api.call("POST", "/api/v1/persistentvolumes", {
        "apiVersion": "v1", "kind": "PersistentVolume", "metadata": {"name": name},
        "spec": {"capacity": {"storage": "10Gi"}, "accessModes": ["ReadWriteOnce", "ReadWriteMany"],
                 "persistentVolumeReclaimPolicy": "Retain", "storageClassName": storage_class(scene),
                 "hostPath": {"path": folder},
                 "claimRef": {"namespace": name, "name": claim} if claim else None}})
    try:
        yield folder
    finally:
        with contextlib.suppress(api.ApiError):
            api.call("DELETE", f"/api/v1/persistentvolumes/{name}")
        shutil.rmtree(folder, ignore_errors=True)


def claims(scene):
    return f"/api/v1/namespaces/{scene.namespace.name}/persistentvolumeclaims"


@contextlib.contextmanager
def shared_volume(scene, claim="executor-data"):
    """The claim of the shared-volume layout, and its folder as the executor sees it."""
    with volume(scene, claim) as folder:
        api.call("POST", claims(scene), {
            "apiVersion": "v1", "kind": "PersistentVolumeClaim", "metadata": {"name": claim},
            "spec": {"accessModes": ["ReadWriteOnce"], "storageClassName": storage_class(scene),
                     "resources": {"requests": {"storage": "1Gi"}}}})
        deadline = time.monotonic() + 90
        while api.call("GET", f"{claims(scene)}/{claim}")["status"].get("phase") != "Bound":
            holds(time.monotonic() < deadline, "the claim is not bound")
            time.sleep(0.1)
        yield folder


def shared_settings(folder, **settings):
    return {"EXECUTOR_KUBERNETES_PERSISTENCE_VOLUME_NAME": "executor-data",
            "LUNEXEC_WORKSPACE_DIR": folder, **settings}


def odd_files(scene, executor_settings):
    data = (ODD * 6000)[:300_000]
    job = offer(scene, step("look", "sha256sum data/odd.bin", "stat -c %Y data/odd.bin",
                            directory="."),
                bucket={"odd": data}, files={"data/odd.bin": in_bucket("odd")})
    scene.executor(**executor_settings)
    finish(scene, job)
    out = output(job, "look")
    holds(f"{hashlib.sha256(data).hexdigest()}  data/odd.bin" in out, f"the file's sum in {out}")
    holds("1717410030" in out, f"the file's time in {out}")


@test
def odd_file(scene):
    """A bucket file of 300 KB with quotes, NUL and CRLF is identical in the pod, time included."""
    started = time.monotonic()
    odd_files(scene, {})
    scene.note(f"{time.monotonic() - started:.1f} s from offer to clean, files in Secrets")


@test
def odd_file_shared(scene):
    """The same on a shared volume."""
    with shared_volume(scene) as folder:
        odd_files(scene, shared_settings(folder))
        equal(os.listdir(folder), [], "left on the volume")


@test
def big_script(scene):
    """A script of 1 MB runs."""
    lines = [f": {'x' * 1000} {i}" for i in range(1000)]
    job = offer(scene, step("long", "{ set +x; } 2>/dev/null", *lines, "echo did all"))
    scene.executor()
    finish(scene, job)
    holds("did all" in output(job, "long"), "the script's last line")


def sparse(scene, executor_settings):
    job = offer(scene, step("look", "ls", "cat web/file", "ls .git/refs/tags; cat .git/packed-refs; true"),
                sparseCheckout=["web/*"], fetchTags=True)
    scene.executor(**executor_settings)
    finish(scene, job)
    out = output(job, "look")
    holds("web" in out and "api" not in out, f"what is checked out in {out}")
    holds(any(line.endswith("v1") for line in out), f"the tag in {out}")


@test
def sparse_checkout(scene):
    """Sparse checkout and tags are honoured in a single pod."""
    sparse(scene, {})


@test
def sparse_checkout_shared(scene):
    """And on a shared volume."""
    with shared_volume(scene) as folder:
        sparse(scene, shared_settings(folder))


@test
def volume_claim(scene):
    """The workspace on a claim of its own, of a storage class; the claim goes with the job."""
    scene.namespace.allow("persistentvolumeclaims", "create", "delete")
    with volume(scene):
        job = scene.offer("echo one >> README.md", "cat README.md")
        scene.executor(KUBERNETES_JOB_VOLUME_TYPE="pvc", KUBERNETES_JOB_VOLUME_SIZE="1Gi",
                       LUNEXEC_JOB_STORAGE_CLASS=storage_class(scene))
        finish(scene, job)
        equal(output(job, "step.1.run")[-1], "one", "what step 1 sees")
        deadline = time.monotonic() + 120
        while api.call("GET", claims(scene))["items"]:  # a pod that ends protects its claim
            holds(time.monotonic() < deadline, "a claim is left")
            time.sleep(0.2)


@test
def shared_volume_steps(scene):
    """One Job a step over the executor's volume; git goes through the executor."""
    with shared_volume(scene) as folder:
        job = scene.offer("echo one >> README.md", "cat README.md")
        scene.executor(**shared_settings(folder))
        finish(scene, job)
        git = ["setup.git." + word for word in
               ("init", "add-remote", "disable-gc", "fetch", "checkout", "set-remote")]
        steps = [key for key in jobs.entry_keys(2) if key.startswith("step.")]
        # In this layout that entry is there when a pod began late, for the executor's own words.
        late = [line for entry in job.entries if entry.key == "setup.workspace" for line in entry.lines()]
        equal([line for line in late if not line.startswith("stdout: [lunexec] ")], [], "other lines")
        equal([entry.key for entry in job.entries if entry.key != "setup.workspace"],
              [*git, "setup.fs.extras", *steps, "teardown.kubernetes.job", "teardown.fs"], "entries")
        equal(len(job.step_results()), 2, "step results")
        equal(output(job, "step.1.run")[-1], "one", "what step 1 sees")
        equal(os.listdir(folder), [], "left on the volume")


@test
def volume_not_shared(scene):
    """An executor that sees another volume than its pods says so."""
    with shared_volume(scene), tempfile.TemporaryDirectory() as elsewhere:
        job = offer(scene, step("look", "echo never"))
        scene.executor(**shared_settings(elsewhere))
        scene.wait_marked(job)
        holds(job.state in ("failed", "errored"), f"state {job.state}")
        holds("EXECUTOR_KUBERNETES_PERSISTENCE_VOLUME_NAME" in job.message
              and "EXECUTOR_KUBERNETES_NODE_NAME" in job.message, f"message {job.message!r}")
        scene.check_clean()


@test
def codeintel(scene):
    """A codeintel job: lines of one script, VM_* as sent, credentials for a registry."""
    scene.frontend.queue = "codeintel"
    indexer = step("indexer", "cd web", "ls", "env | grep ^VM_", directory="")
    indexer["env"] = ["VM_CPUS=4", "VM_MEM=12.0 GB", "VM_MEM_MB=12288"]
    auth = base64.b64encode(b"user:password").decode()
    job = offer(scene, indexer, step("upload", "echo src code-intel upload", directory="web"),
                repositoryDirectory="",
                dockerAuthConfig={"auths": {"registry.example.com": {"auth": auth}}})
    with contextlib.closing(api.Proxy(scene.directory)) as proxy:
        scene.executor(proxy=proxy, EXECUTOR_QUEUE_NAME="codeintel")
        finish(scene, job)
    out = output(job, "indexer")
    for line in ("file", "VM_CPUS=4", "VM_MEM=12.0 GB", "VM_MEM_MB=12288"):
        holds(line in out, f"{line} in {out}")
    equal([entry.key for entry in job.entries],
          ["setup.workspace", "step.kubernetes.indexer", "step.kubernetes.upload", "main",
           "teardown.kubernetes.job", "teardown.fs"], "entries")
    paths = [f"{method} {path.partition('?')[0].rsplit('/', 1)[1]}"
             for method, path, _, _ in proxy.requests]
    holds(f"DELETE sg-executor-job-codeintel-{job.id}-pull" in paths, f"requests {paths}")
