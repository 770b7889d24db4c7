"""The executor's pod replaced: killed and taken up from its state volume, brought in by `helm upgrade`
over the original's release and out again, put by Kustomize over the original's component.

LUNEXEC_LONG=1 makes the job that outlives its executor last 60 s instead of 20 s.
"""
import os
import pathlib
import subprocess

import api
import deployed
import original
import yaml
from checks import equal, holds
from executor import PASSWORD
from layouttests import output, shared_volume, storage_class, volume
from podtests import TICKS, chart, chart_values, finish, image_size, running, tools

TESTS = []


def test(function):
    TESTS.append(function)
    return function


def only_pod(deployment):
    """The pod that is there, and not on its way out."""
    pods = [pod for pod in deployment.pods() if "deletionTimestamp" not in pod["metadata"]]
    return pods[0]["metadata"]["name"] if len(pods) == 1 else None


def marks(scene):
    return [path for _, _, path in scene.frontend.calls if "/mark" in path]


@test
def deployed_state(scene):
    """The executor's pod is killed while a job runs, and, once more, replaced by a changed chart: each
    time the next pod goes on with the job, which completes once, its log whole."""
    with volume(scene, "executor-batches-state"):
        state = {"enabled": True, "storageClass": storage_class(scene), "handOver": True}
        manifests = chart(scene, state=state)
        if not manifests:
            return
        job = scene.offer(f"i=0; while [ $i -lt {TICKS} ]; do i=$((i+1)); echo tick $i; sleep 1; done")
        with running(scene, manifests) as deployment:
            scene.wait_running(job, "step.0.run", text="tick 2\n")
            first = only_pod(deployment)
            scene.frontend.replace()
            api.call("DELETE", f"{scene.namespace.collection('Pod')}/{first}?gracePeriodSeconds=0")
            scene.frontend.wait(lambda: only_pod(deployment) not in (None, first), 90, "another pod")
            if deployed.LONG:
                deployment.wait_ready()
                second = only_pod(deployment)
                scene.frontend.replace()
                deployment.apply(chart(scene, state=state, executor={"maximumNumJobs": 11}))
                scene.frontend.wait(lambda: only_pod(deployment) not in (None, second), 20,
                                    "a third pod, without waiting for the job")
            finish(scene, job, 90 + TICKS)
            equal(job.state, "completed", "state")
            ticks = [line for line in output(job, "step.0.run") if line.startswith("tick ")]
            equal(ticks, [f"tick {i}" for i in range(1, TICKS + 1)], "the log of the job")
            equal(len(marks(scene)), 1, "marks")
            following = scene.offer("echo next")
            finish(scene, following)
            equal(following.executor, job.executor, "the name of the next pod's executor")


class Helm:
    """helm in the scene's namespace."""

    def __init__(self, scene, path):
        self.program, self.namespace, self.home = f"{path}/helm", scene.namespace.name, scene.directory

    def __call__(self, *words, values=""):
        done = subprocess.run(
            [self.program, *map(str, words), "--namespace", self.namespace], input=values, text=True,
            capture_output=True, check=False,
            env={"HOME": self.home, "PATH": os.environ["PATH"], "KUBECONFIG": os.environ["KUBECONFIG"]})
        equal(done.returncode, 0, done.stderr)


def original_chart(scene):
    """A chart that installs what the original's does."""
    directory = pathlib.Path(scene.directory, "original")
    (directory / "templates").mkdir(parents=True)
    (directory / "Chart.yaml").write_text(
        "{apiVersion: v2, name: sourcegraph-executor-k8s, version: 7.6.0}\n")
    (directory / "templates/objects.yaml").write_text(yaml.safe_dump_all(original.helm(scene)))
    return directory


def run_job(scene, deployment, words):
    """A job of the executor whose Deployment this is; returns the Deployment's UID."""
    try:
        deployment.wait_ready()
        job = scene.offer(f"echo {words}")
        finish(scene, job)
    except BaseException:
        deployment.describe()
        raise
    holds(words in output(job, "step.0.run"), "the output of the job")
    path = f"{deployed.KINDS['Deployment'].format(scene.namespace.name)}/{deployment.name}"
    return api.call("GET", path)["metadata"]["uid"]


@test
def deployed_helm(scene):
    """docs/migrate.md: `helm upgrade` puts the chart over the original's release, `helm rollback` takes
    it back; it is one Deployment all the time, and each takes jobs."""
    path = tools(scene)
    if not path:
        return
    image_size(scene)
    helm = Helm(scene, path)
    helm("install", original.RELEASE, original_chart(scene))
    found = deployed.Deployment(scene, original.helm(scene), install=False)
    before = run_job(scene, found, "before")
    helm("upgrade", original.RELEASE, deployed.ROOT / "deploy/helm/lunexec", "--values", "-",
         values=chart_values(scene))
    equal(run_job(scene, found, "upgraded"), before, "the Deployment")
    pod = found.pods()[0]["spec"]
    equal(pod["terminationGracePeriodSeconds"], 1860, "the new pod is the chart's: its grace")
    helm("rollback", original.RELEASE, "1")
    equal(run_job(scene, found, "back"), before, "the Deployment")


@test
def deployed_kustomize(scene):
    """docs/migrate.md: the component over the original's, in a namespace of its own; nothing else is
    needed for a job."""
    path = tools(scene)
    if not path:
        return
    image_size(scene)
    upstream, ours = (os.path.relpath(deployed.ROOT / name, scene.directory) for name in (
        "tests/deploy/upstream", "deploy/kustomize/components/sourcegraph-executor"))
    image, tag = deployed.IMAGE.split(":")
    settings = {"EXECUTOR_FRONTEND_URL": scene.frontend.url, "EXECUTOR_QUEUE_NAME": "batches",
                "KUBERNETES_JOB_STEP_IMAGE": original.jobs.HELPER,
                "KUBERNETES_IMAGE_PULL_POLICY": "Never",
                "EXECUTOR_KUBERNETES_RESOURCE_REQUEST_MEMORY": "64Mi"}
    overlay = {
        "namespace": scene.namespace.name, "components": [upstream, ours],
        "images": [{"name": "lunexec", "newName": image, "newTag": tag}],
        "patches": [{"target": {"kind": "ConfigMap", "name": "executor-config"}, "patch": yaml.safe_dump(
            [{"op": "add", "path": f"/data/{name}", "value": text} for name, text in settings.items()])}]}
    pathlib.Path(scene.directory, "kustomization.yaml").write_text(yaml.safe_dump(overlay))
    done = subprocess.run([f"{path}/kustomize", "build", "--load-restrictor=LoadRestrictionsNone",
                           scene.directory], capture_output=True, text=True, check=False)
    equal(done.returncode, 0, done.stderr)
    secret = {"apiVersion": "v1", "kind": "Secret", "metadata": {"name": "executor-secret"},
              "stringData": {"password": PASSWORD}}
    manifests = [secret, *(m for m in deployed.load(done.stdout) if m["kind"] != "PersistentVolumeClaim")]
    for manifest in manifests:
        if manifest["kind"] == "Deployment":
            manifest["spec"]["template"]["spec"]["containers"][0]["imagePullPolicy"] = "Never"
    with shared_volume(scene, original.CLAIM):
        run_job(scene, deployed.Deployment(scene, manifests), "built")
