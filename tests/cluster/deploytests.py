"""What the chart and the kustomizations of deploy/ make, against the API server."""
import contextlib
import json
import pathlib
import subprocess
import time

import api
import yaml
from checks import holds
from executor import ROOT

TESTS = []
RENDER, DEFINITIONS = ROOT / "tests/deploy/render", ROOT / "tests/deploy/definitions"
COLLECTIONS = {
    **api.COLLECTIONS,
    "ConfigMap": "/api/v1/namespaces/{}/configmaps",
    "PersistentVolumeClaim": "/api/v1/namespaces/{}/persistentvolumeclaims",
    "NetworkPolicy": "/apis/networking.k8s.io/v1/namespaces/{}/networkpolicies",
    "PodDisruptionBudget": "/apis/policy/v1/namespaces/{}/poddisruptionbudgets",
}
CUSTOM = "/apis/apiextensions.k8s.io/v1/customresourcedefinitions"


def test(function):
    TESTS.append(function)
    return function


def define(file):
    """Makes what the file defines known to the API server; (kind, collection) of it."""
    definition = yaml.safe_load(file.read_text())
    name, spec = definition["metadata"]["name"], definition["spec"]
    with contextlib.suppress(api.ApiError):  # it is there already
        api.call("POST", CUSTOM, definition)
    deadline = time.monotonic() + 90
    while not any(c["type"] == "Established" and c["status"] == "True" for c in
                  api.call("GET", f"{CUSTOM}/{name}")["status"].get("conditions") or []):
        holds(time.monotonic() < deadline, f"{name} is not established")
        time.sleep(0.1)
    version = next(v["name"] for v in spec["versions"] if v["storage"])
    collection = f"/apis/{spec['group']}/{version}/namespaces/{{}}/{spec['names']['plural']}"
    while not served(collection.format("default")):  # a little after it says so
        holds(time.monotonic() < deadline, f"{name} is not served")
        time.sleep(0.1)
    return spec["names"]["kind"], collection


def served(path):
    try:
        api.call("GET", path)
    except api.ApiError:
        return False
    return True


def collections(scene):
    """Where objects of each kind are, and the kinds that cannot be judged."""
    done = subprocess.run([DEFINITIONS], capture_output=True, text=True, check=True)
    if done.stdout.startswith("skipped: "):
        scene.note(done.stdout.strip())
        return COLLECTIONS, {"PodMonitor", "LocalQueue", "PrometheusRule", "ScaledObject"}
    files = sorted(pathlib.Path(done.stdout.strip()).glob("*.yaml"))
    return {**COLLECTIONS, **dict(map(define, files))}, set()


@test
def deploy_rendered(scene):
    """All that tests/deploy renders passes strict validation, in a namespace of Pod Security
    "restricted", whose warnings the API server would give."""
    done = subprocess.run([RENDER, scene.namespace.name], capture_output=True, text=True, check=False)
    if done.stdout.startswith("skipped: "):
        scene.note(done.stdout.strip())
        return
    holds(done.returncode == 0, done.stderr)
    known, unknown = collections(scene)
    kinds = set()
    seen = 0
    for line in done.stdout.splitlines():
        item = json.loads(line)
        kinds.add(item["kind"])
        if item["kind"] in unknown:
            continue
        item["metadata"].update(namespace=scene.namespace.name, name="strict-" + item["metadata"]["name"])
        path = known[item["kind"]].format(scene.namespace.name)
        holds(path.startswith((f"/api/{item['apiVersion']}/", f"/apis/{item['apiVersion']}/")),
              f"{item['apiVersion']} of {item['kind']}")
        try:
            api.call("POST", path + "?dryRun=All&fieldValidation=Strict", item)
        except api.ApiError as error:
            raise AssertionError(f"{item['kind']} {item['metadata']['name']}: {error}") from None
        seen += 1
    holds(seen > 60, f"{seen} objects")
    holds(kinds == set(known) - {"Namespace", "Pod", "Job"} | unknown, f"kinds: {sorted(kinds)}")
    scene.note(f"{seen} objects accepted")
