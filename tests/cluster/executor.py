"""The program under test, as a process, with the rights of deploy/role.yaml and nothing else."""
import os
import pathlib
import signal
import subprocess
import time

import api
import jobs
from checks import holds

ROOT = pathlib.Path(__file__).resolve().parent.parent.parent
PASSWORD = "hunter2hunter2hunter2"


def program():
    return os.environ.get("LUNEXEC") or str(ROOT / "build/release/lunexec")


class Namespace:
    """A namespace of its own, with the shipped account and role; `token` is that account's."""

    def __init__(self, name):
        self.name = name
        api.call("POST", api.COLLECTIONS["Namespace"], {
            "apiVersion": "v1", "kind": "Namespace", "metadata": {"name": name}})
        for kind, file in (("ServiceAccount", "serviceaccount.yaml"), ("Role", "role.yaml"),
                           ("RoleBinding", "rolebinding.yaml")):
            api.call("POST", self.collection(kind), self.deploy_file(file), "application/yaml")
        self.wait_allowed("secrets", "create")
        self.wait_furnished()
        token = api.call("POST", self.collection("ServiceAccount") + "/lunexec/token", {
            "apiVersion": "authentication.k8s.io/v1", "kind": "TokenRequest",
            "spec": {"expirationSeconds": 7200}})
        self.token = token["status"]["token"]

    def collection(self, kind):
        return api.COLLECTIONS[kind].format(self.name)

    def deploy_file(self, file):
        """The text of deploy/<file>, for this namespace."""
        text = (ROOT / "deploy" / file).read_bytes()
        return text.replace(b"namespace: lunexec\n", f"namespace: {self.name}\n".encode())

    def leftovers(self):
        """What jobs have created and nobody has removed."""
        return [f"{kind} {item['metadata']['name']}" for kind in ("Job", "Pod", "Secret")
                for item in api.call("GET", self.collection(kind))["items"]]

    def allow(self, resource, *verbs, api_group=""):
        """Grants more than the shipped role does."""
        meta = {"name": "more", "namespace": self.name}
        group = "rbac.authorization.k8s.io"
        api.call("POST", self.collection("Role"), {
            "apiVersion": f"{group}/v1", "kind": "Role", "metadata": meta,
            "rules": [{"apiGroups": [api_group], "resources": [resource], "verbs": list(verbs)}]})
        api.call("POST", self.collection("RoleBinding"), {
            "apiVersion": f"{group}/v1", "kind": "RoleBinding", "metadata": meta,
            "roleRef": {"apiGroup": group, "kind": "Role", "name": "more"},
            "subjects": [{"kind": "ServiceAccount", "name": "lunexec"}]})
        self.wait_allowed(resource, verbs[-1], api_group)

    def wait_furnished(self, seconds=60):
        """Until there is what the cluster puts into each namespace, and refuses pods without."""
        deadline = time.monotonic() + seconds
        for path in ("serviceaccounts/default", "configmaps/kube-root-ca.crt"):
            while True:
                try:
                    api.call("GET", f"/api/v1/namespaces/{self.name}/{path}")
                    break
                except api.ApiError as error:
                    holds(error.status == 404 and time.monotonic() < deadline, f"{path}: {error}")
                time.sleep(0.05)

    def wait_allowed(self, resource, verb, api_group="", seconds=60):
        """Until the API server, which learns of roles a little later than it takes them, lets the
        executor's account do this."""
        asked = {"apiVersion": "authorization.k8s.io/v1", "kind": "SubjectAccessReview", "spec": {
            "user": f"system:serviceaccount:{self.name}:lunexec", "resourceAttributes": {
                "namespace": self.name, "group": api_group, "resource": resource, "verb": verb}}}
        deadline = time.monotonic() + seconds
        while not api.call("POST", "/apis/authorization.k8s.io/v1/subjectaccessreviews",
                           asked)["status"]["allowed"]:
            holds(time.monotonic() < deadline, f"{verb} of {resource} is not allowed")
            time.sleep(0.02)

    def remove(self):
        """Kubernetes goes on with it on its own."""
        api.call("DELETE", f"{api.COLLECTIONS['Namespace']}/{self.name}")


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
    def __init__(self, directory, frontend_url, namespace, proxy=None, **settings):
        self.directory = pathlib.Path(directory)
        kubeconfig = self.directory / "kubeconfig"
        if proxy:
            write_kubeconfig(kubeconfig, proxy.url, proxy.authority, namespace.token)
        else:
            authority = pathlib.Path(os.environ["KUBECONFIG"]).parent / "pki/apiserver.crt"
            write_kubeconfig(kubeconfig, f"https://{api.HOST}", authority, namespace.token)
        self.environment = {
            "PATH": os.environ["PATH"], "HOME": str(self.directory), "TMPDIR": str(self.directory),
            "EXECUTOR_FRONTEND_URL": frontend_url, "EXECUTOR_FRONTEND_PASSWORD": PASSWORD,
            "EXECUTOR_QUEUE_NAME": "batches", "EXECUTOR_MAXIMUM_NUM_JOBS": "2",
            "EXECUTOR_KUBERNETES_CONFIG_PATH": str(kubeconfig),
            "EXECUTOR_KUBERNETES_NAMESPACE": namespace.name,
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

    def signal_twice(self, number, seconds=60):
        """The second one when the first has been heard: signals that arrive together are one."""
        heard = self.log.read_text(errors="replace").count("msg=draining")
        self.signal(number)
        deadline = time.monotonic() + seconds
        while self.log.read_text(errors="replace").count("msg=draining") == heard:
            holds(time.monotonic() < deadline, f"no word of signal {number}")
            time.sleep(0.02)
        self.signal(number)

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
