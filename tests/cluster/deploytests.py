"""What the chart and the kustomizations of deploy/ make, against the API server."""
import json
import subprocess

import api
from checks import holds
from executor import ROOT

TESTS = []
RENDER = ROOT / "tests/deploy/render"
COLLECTIONS = {
    **api.COLLECTIONS,
    "ConfigMap": "/api/v1/namespaces/{}/configmaps",
    "PersistentVolumeClaim": "/api/v1/namespaces/{}/persistentvolumeclaims",
    "NetworkPolicy": "/apis/networking.k8s.io/v1/namespaces/{}/networkpolicies",
    "PodDisruptionBudget": "/apis/policy/v1/namespaces/{}/poddisruptionbudgets",
}
OF_OTHERS = {"PodMonitor", "LocalQueue"}  # their definitions are not in a bare cluster


def test(function):
    TESTS.append(function)
    return function


@test
def deploy_rendered(scene):
    """All that tests/deploy renders passes strict validation, in a namespace of Pod Security
    "restricted", whose warnings the API server would give."""
    done = subprocess.run([RENDER, scene.namespace.name], capture_output=True, text=True, check=False)
    if done.stdout.startswith("skipped: "):
        scene.note(done.stdout.strip())
        return
    holds(done.returncode == 0, done.stderr)
    seen = 0
    for line in done.stdout.splitlines():
        item = json.loads(line)
        if item["kind"] in OF_OTHERS:
            continue
        item["metadata"].update(namespace=scene.namespace.name, name="strict-" + item["metadata"]["name"])
        path = COLLECTIONS[item["kind"]].format(scene.namespace.name)
        try:
            api.call("POST", path + "?dryRun=All&fieldValidation=Strict", item)
        except api.ApiError as error:
            raise AssertionError(f"{item['kind']} {item['metadata']['name']}: {error}") from None
        seen += 1
    holds(seen > 60, f"{seen} objects")
    scene.note(f"{seen} objects accepted")
