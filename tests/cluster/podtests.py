"""The executor as its own pod, from the shipped image and manifests, in a restricted namespace.

LUNEXEC_LONG=1 makes the job that runs through an upgrade last 60 s instead of 20 s.
"""
import contextlib
import json
import os
import subprocess
import threading
import time

import api
import deployed
import jobs
import original
from checks import equal, holds
from executor import PASSWORD
from layouttests import offer, output, shared_volume, step

TESTS = []
MIB = 1 << 20
IMAGE_LIMIT = 80 * MIB  # as a registry keeps it
TICKS = 60 if deployed.LONG else 20
IMAGE = {"lock": threading.Lock(), "size": None}  # built when the first test asks for it


def test(function):
    TESTS.append(function)
    return function


def image_size(scene):
    with IMAGE["lock"]:
        if IMAGE["size"] is None:
            IMAGE["size"] = deployed.import_image(scene.directory)
    return IMAGE["size"]


def restrict(scene):
    api.call("PATCH", f"{api.COLLECTIONS['Namespace']}/{scene.namespace.name}",
             {"metadata": {"labels": {"pod-security.kubernetes.io/enforce": "restricted"}}},
             "application/merge-patch+json")


JOBS = {"KUBERNETES_RUN_AS_USER": "100", "KUBERNETES_RUN_AS_GROUP": "101", "KUBERNETES_FS_GROUP": "101",
        "KUBERNETES_JOB_STEP_IMAGE": jobs.HELPER, "KUBERNETES_IMAGE_PULL_POLICY": "Never",
        "LUNEXEC_FIREWALL_PROFILE": "hardened",
        "EXECUTOR_KUBERNETES_RESOURCE_REQUEST_MEMORY": "64Mi",
        "EXECUTOR_KUBERNETES_RESOURCE_LIMIT_MEMORY": "512Mi"}


def tools(scene):
    """Where helm and kustomize are; None where they cannot be built."""
    path = subprocess.run([deployed.ROOT / "tests/deploy/run", "--tools"], check=True, text=True,
                          capture_output=True).stdout.strip()
    if path.startswith("skipped: "):
        scene.note(path.splitlines()[0])
        return None
    return path


def chart_values(scene, executor=None, **lunexec):
    """Values of the chart for this scene, as a values file has them."""
    registry, _, image = deployed.IMAGE.rpartition("/")
    name, tag = image.split(":")
    return json.dumps({
        "sourcegraph": {"image": {"repository": registry, "pullPolicy": "Never"}},
        "executor": {"image": {"name": name, "tag": tag}, "namespace": scene.namespace.name,
                     "frontendUrl": scene.frontend.url, "frontendPassword": PASSWORD,
                     "queueName": "batches", "log": {"level": "info"},
                     "extraEnv": [{"name": k, "value": v} for k, v in JOBS.items()],
                     **(executor or {})},
        "lunexec": {"networkPolicies": {"enabled": True}, "podDisruptionBudget": {"enabled": True},
                    **lunexec}})


def chart(scene, executor=None, **lunexec):
    """What the chart makes of these values; None where helm cannot be built. Its Role has to do."""
    scene.may_lack = set()
    path = tools(scene)
    if not path:
        return None
    done = subprocess.run(
        [f"{path}/helm", "template", "sg-executor", deployed.ROOT / "deploy/helm/lunexec",
         "--namespace", scene.namespace.name, "--values", "-"],
        input=chart_values(scene, executor, **lunexec), text=True, capture_output=True, check=False)
    equal(done.returncode, 0, done.stderr)
    return deployed.load(done.stdout)


def plain(scene, user):
    """What `kubectl apply -f deploy/` installs, for this user, with nowhere to write to."""
    names = ("serviceaccount", "role", "rolebinding", "deployment")
    manifests = [m for name in names
                 for m in deployed.load(scene.namespace.deploy_file(name + ".yaml"))]
    spec = manifests[-1]["spec"]["template"]["spec"]
    spec["securityContext"].update(runAsUser=user, runAsGroup=0, fsGroup=user)
    container = spec["containers"][0]
    container.update(image=deployed.IMAGE, imagePullPolicy="Never")
    given = {**JOBS, "EXECUTOR_FRONTEND_URL": scene.frontend.url}
    container["env"] = [e for e in container["env"] if e["name"] not in given] + \
        [{"name": name, "value": value} for name, value in given.items()]
    spec["volumes"], container["volumeMounts"] = [], []
    return [{"apiVersion": "v1", "kind": "Secret", "metadata": {"name": "lunexec"},
             "stringData": {"EXECUTOR_FRONTEND_PASSWORD": PASSWORD}}, *manifests]


@contextlib.contextmanager
def running(scene, manifests):
    """The executor that these objects install in a restricted namespace, ready."""
    image_size(scene)
    restrict(scene)
    deployment = deployed.Deployment(scene, manifests)
    try:
        deployment.wait_ready()
        yield deployment
    except BaseException:
        deployment.describe()
        raise


def finish(scene, job, seconds=90):
    """The job completes; nothing is left but what the installation consists of."""
    scene.wait_marked(job, seconds)
    equal(job.state, "completed", f"job {job.id} ({job.message})")
    deadline = time.monotonic() + 120
    while left := [name for name in scene.namespace.leftovers() if "sg-executor-job-" in name]:
        holds(time.monotonic() < deadline, f"left: {left}")
        time.sleep(0.2)
    equal(scene.frontend.problems, [], "what the frontend objected to")


@test
def image_is_small(scene):
    """The image is under 80 MiB as a registry keeps it."""
    size = image_size(scene)
    scene.note(f"{size / MIB:.1f} MiB compressed (gzip -1)")
    holds(size < IMAGE_LIMIT, f"{size} bytes")


@test
def deployed_single_pod(scene):
    """A batch job, run by the executor's own pod as the chart installs it."""
    manifests = chart(scene)
    if not manifests:
        return
    kinds = {m["kind"] for m in manifests}
    holds({"Role", "RoleBinding", "NetworkPolicy", "PodDisruptionBudget"} <= kinds, f"of {kinds}")
    job = scene.offer("cat ../workspace-files/greeting.txt; echo one >> README.md", "cat README.md")
    with running(scene, manifests):
        finish(scene, job)
    equal(len(job.step_results()), 2, "step results")
    equal(output(job, "step.1.run")[-1], "one", "what step 1 sees")


@test
def deployed_shared_volume(scene):
    """The same in the shared-volume layout: one claim, mounted by the executor and each step."""
    with shared_volume(scene):
        manifests = chart(scene, sharedVolume={"existingClaim": "executor-data"})
        if not manifests:
            return
        job = scene.offer("echo one >> README.md", "cat README.md")
        with running(scene, manifests):
            finish(scene, job)
        equal(output(job, "step.1.run")[-1], "one", "what step 1 sees")
        holds(job.entry("setup.fs.extras"), "an entry of the shared-volume layout")


@test
def deployed_any_user(scene):
    """The plain manifests; any user and group will do, a read-only root, and nowhere to write to;
    the runtime's own seccomp profile does not keep the executor from restricting itself."""
    job = offer(scene, step("who", "id -u"))
    manifests = plain(scene, 1000730000)  # as OpenShift gives to a project
    container = manifests[-1]["spec"]["template"]["spec"]["containers"][0]
    container["env"] = [e for e in container["env"] if e["name"] != "SRC_LOG_LEVEL"] + \
        [{"name": "SRC_LOG_LEVEL", "value": "dbug"}]
    with running(scene, manifests) as deployment:
        finish(scene, job)
        log = deployment.log(deployment.pods()[0]["metadata"]["name"])
        for word in ("restricted in its system calls", "restricted to its own directories"):
            holds(word in log and f"not {word}" not in log, log)


@test
def deployed_upgrade(scene):
    """A changed chart is applied while a job runs: the job completes once, its log is whole, and the
    new pod takes the next job."""
    manifests = chart(scene)
    if not manifests:
        return
    long = scene.offer(f"i=0; while [ $i -lt {TICKS} ]; do i=$((i+1)); echo tick $i; sleep 1; done")
    with running(scene, manifests) as deployment:
        scene.wait_running(long, "step.0.run", text="tick 3\n")
        old = deployment.pods()[0]["metadata"]["name"]
        deployment.apply(chart(scene, executor={"maximumNumJobs": 11}))
        finish(scene, long, 90 + TICKS)
        ticks = [line for line in output(long, "step.0.run") if line.startswith("tick ")]
        equal(ticks, [f"tick {i}" for i in range(1, TICKS + 1)], "the log of the job")
        first = long.executor
        following = scene.offer("echo next")
        finish(scene, following)
        holds(following.executor != first, "the next job by another executor")
        holds(deployment.wait_ready()["metadata"]["name"] != old, "another pod")
        marks = [path for _, _, path in scene.frontend.calls if path.endswith("/markComplete")]
        equal(len(marks), 2, "jobs marked complete")


def dropped_in(scene, manifests):
    """A job, run by this program in place of the original; the pod never had to start again."""
    image_size(scene)
    job = scene.offer("cat ../workspace-files/greeting.txt; echo one >> README.md")
    deployment = original.installed(scene, manifests)
    try:
        finish(scene, job)
    except BaseException:
        deployment.describe()
        raise
    status = deployment.wait_ready()["status"]["containerStatuses"][0]
    equal((status["restartCount"], status["ready"]), (0, True), "restarts, readiness")


@test
def dropped_into_helm(scene):
    """What the original's chart installs works with this image, its Service and probes included."""
    dropped_in(scene, original.helm(scene))
    equal(len(original.endpoints(scene, "executor-batches")), 1, "addresses behind the Service")


@test
def dropped_into_kustomize(scene):
    """And what the original's Kustomize component installs, as charts did before 7.6: it names a claim,
    whose volume is root's, and that chooses nothing."""
    with shared_volume(scene, original.CLAIM) as folder:
        os.chmod(folder, 0o755)
        dropped_in(scene, original.kustomize(scene))


def validate(scene, deployment):
    """Runs `lunexec validate` in a pod like the executor's; (whether it was content, what it said)."""
    spec = json.loads(json.dumps(deployment.pods()[0]["spec"]))
    container = spec["containers"][0]
    container["command"] = ["/usr/local/bin/lunexec", "validate"]
    for probe in ("livenessProbe", "readinessProbe"):
        container.pop(probe, None)
    del spec["nodeName"]
    spec["restartPolicy"] = "Never"
    name = f"validate-{time.monotonic_ns()}"
    pods = scene.namespace.collection("Pod")
    api.call("POST", pods, {"apiVersion": "v1", "kind": "Pod", "metadata": {"name": name},
                            "spec": spec})
    deadline = time.monotonic() + 180
    while (phase := api.call("GET", f"{pods}/{name}")["status"]["phase"]) not in (
            "Succeeded", "Failed"):
        holds(time.monotonic() < deadline, f"phase {phase}")
        time.sleep(0.2)
    return phase == "Succeeded", api.text("GET", f"{pods}/{name}/log")


@test
def deployed_validate(scene):
    """`lunexec validate`, in the executor's pod: content with the chart's role; without a part of it,
    it names what is missing."""
    manifests = chart(scene)
    if not manifests:
        return
    with running(scene, manifests) as deployment:
        equal(validate(scene, deployment), (True, "All checks passed!\n"), "with the role")
        role = next(m for m in manifests if m["kind"] == "Role")
        role["rules"] = [rule for rule in role["rules"] if "secrets" not in rule["resources"]]
        deployed.apply(role, deployment.namespace)
        scene.provokes("create", "secrets")
        scene.provokes("delete", "secrets")
        content, text = validate(scene, deployment)
        for line in text.splitlines():
            scene.note(line)
        holds(not content and "secrets" in text and "create" in text, f"without: {text!r}")
