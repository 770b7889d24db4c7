"""The program under test: its environment, its life."""
import os
import pathlib
import signal
import subprocess
import tempfile

from frontend import PASSWORD
from httpd import PATIENCE_S

BINARY = os.environ.get("LUNEXEC", "build/asan/lunexec")
KUBECONFIG = """apiVersion: v1
kind: Config
current-context: c
clusters: [{name: c, cluster: {server: "%s"}}]
users: [{name: u, user: {token: scripted}}]
contexts: [{name: c, context: {cluster: c, user: u}}]
"""


def environment(home, **settings):
    """Nothing of the tester's own environment but where programs are and what sanitizers want."""
    env = {"PATH": os.environ["PATH"], "HOME": str(home), "HOSTNAME": "ex"}
    env.update({k: v for k, v in os.environ.items() if k.endswith("SAN_OPTIONS")})
    env.update({k: v for k, v in settings.items() if v is not None})
    return env


class Executor:
    """`lunexec COMMAND` between a scripted frontend and a scripted Kubernetes API. What makes it slow
    on purpose (pauses, intervals) is set short unless `settings` says otherwise."""

    def __init__(self, frontend, kube, command="run", program=None, keep_state=False,
                 **settings):
        self.peers = frontend, kube
        self.folder = tempfile.TemporaryDirectory()
        home = pathlib.Path(self.folder.name)
        config = home / "kubeconfig"
        config.write_text(KUBECONFIG % kube.url)
        defaults = {
            "EXECUTOR_FRONTEND_URL": frontend.url, "EXECUTOR_FRONTEND_PASSWORD": PASSWORD,
            "EXECUTOR_QUEUE_NAME": None if "EXECUTOR_QUEUE_NAMES" in settings else "batches",
            "EXECUTOR_QUEUE_POLL_INTERVAL": "50ms", "EXECUTOR_KUBERNETES_CONFIG_PATH": str(config),
            "LUNEXEC_LOG_UPDATE_INTERVAL": "100ms", "LUNEXEC_LISTEN": "off",
            "SRC_HTTP_CLI_INTERNAL_RETRY_DELAY_BASE": "1ms",
            "SRC_HTTP_CLI_INTERNAL_RETRY_DELAY_MAX": "5ms", "SRC_LOG_LEVEL": "dbug",
        }
        if keep_state:
            (home / "state").mkdir()
            defaults["LUNEXEC_STATE_DIR"] = str(home / "state")
        self.env = environment(home, **{**defaults, **settings})
        self.argv = [program or BINARY, command]
        self.log_path = home / "log"
        self.start()

    def start(self):
        """Again after kill(): with the same folder, its log goes on."""
        with open(self.log_path, "ab") as log, open(self.log_path.with_name("out"), "ab") as out:
            self.process = subprocess.Popen(self.argv, executable=BINARY, env=self.env,
                                            stdin=subprocess.DEVNULL, stdout=out, stderr=log)

    def kill(self):
        """Ends it at once. What it sent by then has arrived when this returns."""
        self.process.kill()
        self.process.wait()
        for peer in self.peers:
            peer.hear_out()

    @property
    def log(self):
        return self.log_path.read_text(errors="replace")

    @property
    def out(self):
        return self.log_path.with_name("out").read_text()

    def signal(self, number=signal.SIGTERM):
        self.process.send_signal(number)

    def wait(self, seconds=PATIENCE_S):
        return self.process.wait(seconds)

    def stop(self):
        """Lets it end by itself, with whatever it runs, so that it reports leaks and coverage."""
        for seconds in (2, 8):  # drain; end what still runs
            if self.process.poll() is None:
                self.signal()
            try:
                self.wait(seconds)
                return
            except subprocess.TimeoutExpired:
                pass
        self.kill()

    def close(self):
        self.stop()
        self.folder.cleanup()
