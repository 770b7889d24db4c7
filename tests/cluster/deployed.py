"""The executor as its own pod: the image of deploy/image, run as the Dockerfile says, under the
shipped manifests."""
import ast
import os
import pathlib
import re
import subprocess
import time

import api
import image
import yaml
from checks import holds

ROOT = pathlib.Path(__file__).resolve().parent.parent.parent
IMAGE = "docker.io/lunexec/executor:test"
KINDS = {  # where objects of a kind live, for server-side apply
    **api.COLLECTIONS,
    "ConfigMap": "/api/v1/namespaces/{}/configmaps",
    "PersistentVolumeClaim": "/api/v1/namespaces/{}/persistentvolumeclaims",
    "NetworkPolicy": "/apis/networking.k8s.io/v1/namespaces/{}/networkpolicies",
    "PodDisruptionBudget": "/apis/policy/v1/namespaces/{}/poddisruptionbudgets",
}


def dockerfile_config():
    """What the Dockerfile says of user and entry point."""
    text = (ROOT / "Dockerfile").read_text()
    entry = re.search(r"^ENTRYPOINT (\[.*\])$", text, re.MULTILINE).group(1)
    user = re.search(r"^USER (\S+)$", text, re.MULTILINE).group(1)
    return {"Entrypoint": ast.literal_eval(entry), "User": user}


def import_image(directory):
    """Builds the root file system and gives the node the image of it; returns the archive's size
    as a registry would keep it, in bytes."""
    built = pathlib.Path(directory) / "image"
    subprocess.run([ROOT / "deploy/image/rootfs", built], check=True, stdout=subprocess.DEVNULL)
    archive = built / "executor.tar"
    image.pack(IMAGE, built / "rootfs.tar", archive, **dockerfile_config())
    subprocess.run([ROOT / "tests/cluster/kubernetes", "import", archive], check=True)
    packed = subprocess.run(["gzip", "-1", "-c", built / "rootfs.tar"], check=True, capture_output=True)
    return len(packed.stdout)


def apply(manifest, namespace, **query):
    """Server-side apply of one object, with unknown fields refused."""
    query = "&".join(f"{k}={v}" for k, v in {"fieldManager": "test", "force": "true",
                                            "fieldValidation": "Strict", **query}.items())
    path = f"{KINDS[manifest['kind']].format(namespace)}/{manifest['metadata']['name']}?{query}"
    return api.call("PATCH", path, manifest, "application/apply-patch+yaml")


class Deployment:
    """One executor's Deployment; `name` is its own and its pods' app label. The manifests are applied,
    unless somebody else installs them."""

    def __init__(self, scene, manifests, install=True):
        self.scene, self.namespace = scene, scene.namespace.name
        if install:
            self.apply(manifests)
        else:
            self.follow(manifests)

    def apply(self, manifests):
        for manifest in manifests:
            apply(manifest, self.namespace)
        self.follow(manifests)

    def follow(self, manifests):
        deployment = next(m for m in manifests if m["kind"] == "Deployment")
        self.name = deployment["metadata"]["name"]
        self.selector = deployment["spec"]["selector"]["matchLabels"]

    def status(self):
        found = api.call("GET", KINDS["Deployment"].format(self.namespace) + "/" + self.name)
        status = found.get("status", {})
        return found["metadata"]["generation"] == status.get("observedGeneration"), status

    def pods(self):
        labels = ",".join(f"{k}%3D{v.replace('/', '%2F')}" for k, v in self.selector.items())
        return api.call("GET", KINDS["Pod"].format(self.namespace) + "?labelSelector=" + labels)["items"]

    def wait_ready(self, seconds=120):
        """Until the newest pods are ready, and the only ones."""
        deadline = time.monotonic() + seconds
        while True:
            seen, status = self.status()
            if seen and status.get("updatedReplicas") == status.get("readyReplicas") == 1 == \
                    status.get("replicas") and len(pods := self.pods()) == 1:
                return pods[0]
            holds(time.monotonic() < deadline, f"after {seconds} s: {status}")
            time.sleep(0.2)

    def log(self, pod):
        return api.text("GET", f"{KINDS['Pod'].format(self.namespace)}/{pod}/log")

    def describe(self):
        for pod in self.pods():
            name = pod["metadata"]["name"]
            for state in pod["status"].get("containerStatuses", []):
                self.scene.note(f"{name}: {state['state']}")
            for line in self.log(name).splitlines()[-25:]:
                self.scene.note(f"{name}: {line[:300]}")


def load(text):
    return [document for document in yaml.safe_load_all(text) if document]


LONG = os.environ.get("LUNEXEC_LONG") == "1"
