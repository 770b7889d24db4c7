"""Why a job is not running: what its log says meanwhile."""
import contextlib
import http.server
import json
import os
import pathlib
import subprocess
import tarfile
import threading
import time

import api
import image
from checks import equal, holds
from failuretests import quota
from layouttests import finish, offer, step

TESTS = []
SLOW_SECONDS = 7  # longer than what is told of


def test(function):
    TESTS.append(function)
    return function


def told(job, key="setup.workspace"):
    """The executor's own lines of an entry, each of which stands there once."""
    entry = job.entry(key)
    lines = [line for line in entry.lines() if line.startswith("stdout: [lunexec] ")] if entry else []
    equal(len(lines), len(set(lines)), f"lines that stand there twice among {lines}")
    return [line.removeprefix("stdout: [lunexec] ") for line in lines]


def wait_told(scene, job, words, key="setup.workspace"):
    scene.frontend.wait(lambda: any(words in line for line in told(job, key)), 60, f"the line {words!r}")


@test
def told_unscheduled(scene):
    """No node takes the pod; one does later."""
    label = scene.namespace.name
    job = offer(scene, step("work", "echo done"))
    scene.executor(EXECUTOR_KUBERNETES_NODE_SELECTOR=f"lunexec-test={label}")
    wait_told(scene, job, "waiting for a node: 0/1 nodes are available")
    equal(job.state, "processing", "state")
    api.call("PATCH", "/api/v1/nodes/node1", {"metadata": {"labels": {"lunexec-test": label}}},
             "application/merge-patch+json")
    finish(scene, job)
    told(job)


@test
def told_quota(scene):
    """A quota lets no pod be made; it is raised later."""
    quota(scene, "few", "Pod", "pods")
    scene.namespace.allow("events", "list")
    job = offer(scene, step("work", "echo done"))
    scene.executor()
    wait_told(scene, job, "exceeded quota: few")
    api.call("DELETE", f"/api/v1/namespaces/{scene.namespace.name}/resourcequotas/few")
    finish(scene, job)
    told(job)


class Registry(http.server.BaseHTTPRequestHandler):
    """Serves one image, slowly."""

    protocol_version = "HTTP/1.1"
    archive = None  # set in a subclass

    def do_GET(self):
        kind, reference = self.path.split("/")[-2:] if self.path != "/v2/" else ("", "")
        manifest = json.loads(self.blob("index.json"))["manifests"][0]
        if kind == "manifests":
            self.answer(self.blob(f"blobs/sha256/{manifest['digest'][7:]}"), manifest["mediaType"],
                        manifest["digest"])
        elif kind == "blobs":
            if self.command == "GET":
                time.sleep(SLOW_SECONDS / 2)  # the image has two blobs, and they are fetched in turn
            self.answer(self.blob(f"blobs/sha256/{reference[7:]}"), "application/octet-stream", reference)
        else:
            self.answer(b"{}", "application/json", None)

    do_HEAD = do_GET

    def blob(self, name):
        with tarfile.open(self.archive) as tar:
            return tar.extractfile(name).read()

    def answer(self, body, media, digest):
        self.send_response(200)
        self.send_header("Content-Type", media)
        self.send_header("Content-Length", str(len(body)))
        if digest:
            self.send_header("Docker-Content-Digest", digest)
        self.end_headers()
        if self.command == "GET":
            self.wfile.write(body)

    def log_message(self, *_):
        pass


@contextlib.contextmanager
def registry(scene):
    """The name of an image that takes its time to be pulled."""
    folder = pathlib.Path(scene.directory)
    root = folder / "root"
    (root / "bin").mkdir(parents=True)
    subprocess.run(["cp", "/bin/busybox", root / "bin/busybox"], check=True)
    for name in ("sh", "echo", "cat", "mkdir", "sleep"):
        (root / "bin" / name).symlink_to("busybox")
    image.pack("slow", root, folder / "slow.tar")
    with serving(folder / "slow.tar") as port:
        yield f"127.0.0.1:{port}/{scene.namespace.name}/slow:1"


@contextlib.contextmanager
def serving(archive, port=0):
    """Serves the image at a port of this machine, which the node may ask without TLS."""
    server = http.server.ThreadingHTTPServer(("127.0.0.1", port), type("Slow", (Registry,), {
        "archive": archive}))
    name = f"127.0.0.1:{server.server_port}"
    hosts = pathlib.Path(os.environ["KUBECONFIG"]).parent / "registries" / name
    hosts.mkdir(parents=True, exist_ok=True)
    (hosts / "hosts.toml").write_text(f'server = "http://{name}"\n')
    threading.Thread(target=server.serve_forever, daemon=True).start()
    try:
        yield server.server_port
    finally:
        server.shutdown()
        server.server_close()


@test
def told_slow_image(scene):
    """The first step's image takes long to be pulled: setup.workspace says so, and how long it took."""
    scene.namespace.allow("events", "list")
    with registry(scene) as name:
        job = offer(scene, step("work", "echo done", image=name))
        scene.executor(KUBERNETES_IMAGE_PULL_POLICY="IfNotPresent")
        wait_told(scene, job, f'Pulling image "{name}"')
        finish(scene, job)
    lines = told(job)
    holds(any("started after " in line for line in lines), f"lines {lines}")


@test
def told_slow_image_of_a_later_step(scene):
    """A later step's image: then the entry of the step before it does, which is open until then."""
    scene.namespace.allow("events", "list")
    with registry(scene) as name:
        job = offer(scene, step("first", "echo first"), step("work", "echo done", image=name))
        scene.executor(KUBERNETES_IMAGE_PULL_POLICY="IfNotPresent")
        wait_told(scene, job, f'Pulling image "{name}"', "step.kubernetes.first")
        finish(scene, job)
    lines = told(job, "step.kubernetes.first")
    holds(any("started after " in line for line in lines), f"lines {lines}")
    equal(told(job), [], "lines of setup.workspace")


@test
def told_back_off(scene):
    """An image that cannot be pulled at first: the reasons, as the kubelet gives them."""
    with registry(scene) as name:
        port = int(name.split(":")[1].split("/")[0])
    job = offer(scene, step("work", "echo done", image=name))
    scene.executor(KUBERNETES_IMAGE_PULL_POLICY="IfNotPresent")
    wait_told(scene, job, "waits: ErrImagePull: ")
    with serving(pathlib.Path(scene.directory) / "slow.tar", port):
        finish(scene, job, 120)
    told(job)
