"""The program under test, as a process, with the rights of deploy/role.yaml and nothing else."""
import os
import pathlib
import signal
import subprocess
import time

import api
import jobs

ROOT = pathlib.Path(__file__).resolve().parent.parent.parent
NAMESPACE = "lunexec-test"
PASSWORD = "hunter2hunter2hunter2"


def program():
    return os.environ.get("LUNEXEC") or str(ROOT / "build/release/lunexec")


def deploy_objects(name):
    """The YAML documents of deploy/<name>, with this test's namespace."""
    text = (ROOT / "deploy" / name).read_text().replace("namespace: lunexec", f"namespace: {NAMESPACE}")
    return [part.encode() for part in text.split("\n---\n")]


def prepare_namespace():
    """A fresh namespace with the shipped account and role; returns a token of that account."""
    remove_namespace()
    api.call("POST", api.COLLECTIONS["Namespace"], {
        "apiVersion": "v1", "kind": "Namespace", "metadata": {"name": NAMESPACE}})
    for kind, name in (("ServiceAccount", "serviceaccount.yaml"), ("Role", "role.yaml"),
                       ("RoleBinding", "rolebinding.yaml")):
        for document in deploy_objects(name):
            api.call("POST", api.collection(kind, NAMESPACE), document, "application/yaml")
    token = api.call("POST", api.collection("ServiceAccount", NAMESPACE) + "/lunexec/token", {
        "apiVersion": "authentication.k8s.io/v1", "kind": "TokenRequest",
        "spec": {"expirationSeconds": 7200}})
    return token["status"]["token"]


def remove_namespace():
    path = f"{api.COLLECTIONS['Namespace']}/{NAMESPACE}"
    if api.get(path) is None:
        return
    try:
        api.call("DELETE", path)
    except api.ApiError as error:
        if error.status != 409:  # being deleted already
            raise
    deadline = time.monotonic() + 90
    while api.get(path) is not None:
        if time.monotonic() > deadline:
            raise AssertionError(f"namespace {NAMESPACE} does not go away")
        time.sleep(0.2)


def write_kubeconfig(path, server, authority, token):
    path.write_text(f"""apiVersion: v1
kind: Config
clusters:
- name: test
  cluster:
    server: {server}
    certificate-authority: {authority}
users:
- name: executor
  user:
    token: {token}
contexts:
- name: test
  context:
    cluster: test
    user: executor
current-context: test
""")


class Executor:
    def __init__(self, directory, frontend_url, token, proxy=None, **settings):
        self.directory = pathlib.Path(directory)
        kubeconfig = self.directory / "kubeconfig"
        if proxy:
            write_kubeconfig(kubeconfig, proxy.url, proxy.authority, token)
        else:
            authority = pathlib.Path(os.environ["KUBECONFIG"]).parent / "pki/apiserver.crt"
            write_kubeconfig(kubeconfig, f"https://{api.HOST}", authority, token)
        self.environment = {
            "PATH": os.environ["PATH"], "HOME": str(self.directory), "TMPDIR": str(self.directory),
            "EXECUTOR_FRONTEND_URL": frontend_url, "EXECUTOR_FRONTEND_PASSWORD": PASSWORD,
            "EXECUTOR_QUEUE_NAME": "batches", "EXECUTOR_MAXIMUM_NUM_JOBS": "2",
            "EXECUTOR_KUBERNETES_CONFIG_PATH": str(kubeconfig),
            "EXECUTOR_KUBERNETES_NAMESPACE": NAMESPACE,
            "EXECUTOR_KUBERNETES_RESOURCE_REQUEST_MEMORY": "64Mi",
            "EXECUTOR_KUBERNETES_RESOURCE_LIMIT_MEMORY": "512Mi",
            "KUBERNETES_JOB_STEP_IMAGE": jobs.HELPER, "KUBERNETES_IMAGE_PULL_POLICY": "Never",
            "SRC_LOG_LEVEL": "dbug", **settings}
        for name in ("ASAN_OPTIONS", "UBSAN_OPTIONS"):
            if name in os.environ:
                self.environment[name] = os.environ[name]
        self.process = None
        self.log = self.directory / "executor.log"

    def start(self):
        with open(self.log, "ab") as log:
            self.process = subprocess.Popen(
                [program(), "run"], env=self.environment, cwd=self.directory,
                stdin=subprocess.DEVNULL, stdout=log, stderr=log, start_new_session=True)

    def signal(self, number):
        self.process.send_signal(number)

    def wait(self, seconds):
        """Its exit status; negative for a signal."""
        try:
            return self.process.wait(seconds)
        except subprocess.TimeoutExpired:
            raise AssertionError(f"the executor runs on, {seconds} s later") from None

    def pids(self):
        """Its processes: itself and its children."""
        pid = self.process.pid
        with open(f"/proc/{pid}/task/{pid}/children", encoding="ascii") as children:
            return [pid, *map(int, children.read().split())]

    def instrumented(self):
        with open(f"/proc/{self.process.pid}/maps", encoding="utf-8") as maps:
            return "libasan" in maps.read()

    def stop(self):
        """Ends it in whatever state the test left it."""
        if self.process is None or self.process.poll() is not None:
            return
        self.signal(signal.SIGTERM)
        try:
            self.process.wait(10)
        except subprocess.TimeoutExpired:
            os.killpg(self.process.pid, signal.SIGKILL)
            self.process.wait()
