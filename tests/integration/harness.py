"""Starts the stand-ins and an executor between them, and looks at what the frontend saw.

Environment: LUNEXEC_BIN is the program under test; LUNEXEC_EXECUTOR (optional) is another executor
with the same interface, started as "<it> run".
"""

import base64
import contextlib
import http.client
import json
import os
import pathlib
import shutil
import subprocess
import tempfile
import threading
import sys
import time
import unittest

sys.path.append(str(pathlib.Path(__file__).resolve().parent.parent))

from ports import free_port  # noqa: E402,F401

FIXTURES = pathlib.Path(__file__).resolve().parent.parent / "fixtures"
LUNEXEC = os.environ.get("LUNEXEC_BIN", "lunexec")
EXECUTOR = os.environ.get("LUNEXEC_EXECUTOR", LUNEXEC)
REPO = "example.com/lunexec/widgets"
PASSWORD = "hunter2hunter2hunter2"
TOKEN = "local-cluster-token"
HELPER = "sourcegraph/batcheshelper:test"
PATIENCE_SECONDS = 60  # for what has to come, however slow the machine


def until(name):
    """In a step: waits for Bench.go(name)."""
    return f"until [ -e ../{name} ]; do sleep 0.05; done"


UNTIL_GO = until("go")


def wait_for(what, condition, seconds=PATIENCE_SECONDS):
    """The first true value of `condition`, asked again until the deadline, and once after it."""
    deadline = time.monotonic() + seconds
    while True:
        late = time.monotonic() > deadline
        value = condition()
        if value:
            return value
        if late:
            raise AssertionError(f"waited {seconds} s for {what}")
        time.sleep(0.02)


def batch_job(steps, version=2, job_id=1, commit="HEAD", secrets=None, files=None, keys=None):
    """A batches payload; `steps` are shell texts. `keys` replaces the whole list of docker steps."""
    def content(text):
        raw = text.encode()
        return base64.b64encode(raw).decode() if version == 2 else raw.decode()

    docker = []
    env = [f"{name}={value}" for value, name in (secrets or {}).items()]
    for i in range(len(steps)):
        run = [
            "{ set +x; } 2>/dev/null",
            "{ set -eo pipefail; } 2>/dev/null",
            f'(exec "../step{i}.sh" | tee ../stdout{i}.log) 3>&1 1>&2 2>&3 | tee ../stderr{i}.log',
        ]
        docker += [
            {"key": f"step.{i}.pre", "image": HELPER, "commands": [f"batcheshelper pre {i}"],
             "dir": ".", "env": env},
            {"key": f"step.{i}.run", "image": "alpine:3", "commands": run, "dir": "repository",
             "env": None},
            {"key": f"step.{i}.post", "image": HELPER, "commands": [f"batcheshelper post {i}"],
             "dir": ".", "env": env},
        ]
    spec = {"steps": [{"run": text, "container": "alpine:3"} for text in steps]}
    payload = {
        "id": job_id,
        "repositoryName": REPO,
        "repositoryDirectory": "repository",
        "commit": commit,
        "fetchTags": False,
        "shallowClone": True,
        "sparseCheckout": None,
        "files": {"input.json": {"content": content(json.dumps(spec)),
                                 "modifiedAt": "0001-01-01T00:00:00Z"}, **(files or {})},
        "dockerSteps": docker if keys is None else keys,
        "cliSteps": None,
        "redactedValues": {value: "${{ secrets.%s }}" % name
                           for value, name in (secrets or {}).items()},
    }
    if version == 2:
        payload |= {"version": 2, "dockerAuthConfig": {}}
    return payload


class Process:
    """A child with its output in files; ended when the test ends."""

    def __init__(self, argv, folder, name, env=None, stdin=subprocess.PIPE):
        self.name = name
        self.out_path = folder / f"{name}.out"
        self.err_path = folder / f"{name}.err"
        with open(self.out_path, "wb") as out, open(self.err_path, "wb") as err:
            self.popen = subprocess.Popen(argv, stdin=stdin, stdout=out, stderr=err, env=env)

    def out(self):
        return self.out_path.read_text(errors="replace")

    def err(self):
        return self.err_path.read_text(errors="replace")

    def wait(self, seconds=PATIENCE_SECONDS):
        try:
            return self.popen.wait(seconds)
        except subprocess.TimeoutExpired:
            raise AssertionError(f"{self.name} did not end within {seconds} s") from None

    def signal(self, number):
        self.popen.send_signal(number)

    def said(self, *words):
        """Whether a line of its log has all these words."""
        return any(all(word in line for word in words) for line in self.err().splitlines())

    def terminate_twice(self):
        """Two signals at once would be one."""
        self.popen.terminate()
        wait_for("the first signal to be seen", lambda: self.said("draining", "signal"))
        assert self.popen.poll() is None, "the first signal has ended it"
        self.popen.terminate()

    def stop(self):
        """Lets it end by itself, so that it reports leaks and coverage."""
        for seconds in (2, 8):  # an executor drains; then it ends what still runs
            if self.popen.poll() is None:
                self.popen.terminate()
            with contextlib.suppress(subprocess.TimeoutExpired):
                self.popen.wait(seconds)
                break
        else:
            print(f"# {self.name} was killed")
            self.popen.kill()
            self.popen.wait()
        if self.popen.stdin:
            self.popen.stdin.close()


class StandIn(Process):
    def __init__(self, verb, folder, options, name=None):
        self.record_path = folder / f"{name or verb}.jsonl"
        self.recorded, self.read_to = [], 0
        argv = [LUNEXEC, verb, "--record", str(self.record_path), *options]
        super().__init__(argv, folder, name or verb)
        line = wait_for(f"{verb} to listen", self.listening)
        self.port = int(line.split()[-1])

    def listening(self):
        if self.popen.poll() is not None:
            if "bubblewrap" in self.err():
                raise unittest.SkipTest(self.err().strip())
            raise AssertionError(f"{self.name} ended: {self.err()}")
        return next((l for l in self.out().splitlines() if l.startswith("listening on ")), None)

    def records(self):
        """What was recorded; what was read before is not read again."""
        if self.record_path.exists():
            with open(self.record_path, "rb") as file:
                file.seek(self.read_to)
                *lines, _ = file.read().split(b"\n")  # the last one may still be written
            self.read_to += sum(len(line) + 1 for line in lines)
            self.recorded += [json.loads(line) for line in lines]
        return list(self.recorded)

    def calls(self, part, **match):
        """Recorded calls whose "METHOD path" contains `part`."""
        return [r for r in self.records() if "path" in r
                and part in f"{r['method']} {r['path']}"
                and all(r.get(k) == v for k, v in match.items())]

    def control(self, verb, body):
        connection = http.client.HTTPConnection("127.0.0.1", self.port, timeout=10)
        connection.request("POST", f"/_control/{verb}", json.dumps(body))
        answer = connection.getresponse()
        text = answer.read().decode()
        connection.close()
        assert answer.status == 200, f"control {verb}: {text}"

    def faults(self, *faults):
        self.control("faults", {"faults": list(faults)})

    def create(self, path, body):
        """The status of the answer to this object of a caller with the cluster's token."""
        connection = http.client.HTTPConnection("127.0.0.1", self.port, timeout=10)
        connection.request("POST", path, json.dumps(body), {
            "Authorization": f"Bearer {TOKEN}", "Content-Type": "application/json"})
        status = connection.getresponse().status
        connection.close()
        return status


class Frontend(StandIn):
    def events(self, name):
        return [r for r in self.records() if r.get("event") == name]

    def violations(self):
        return [r["text"] for r in self.events("violation")]

    executor = None  # whose early end makes waiting for it pointless

    def marked(self, seconds=PATIENCE_SECONDS):
        def look():
            ended = self.executor.popen.poll() if self.executor else None
            found = self.events("marked")
            if ended and not found:
                raise AssertionError(f"the executor ended with {ended}: {self.executor.err()}")
            return found

        return wait_for("the job to be marked", look, seconds)[0]

    def entry(self, key):
        """The last state of a log entry, from the calls that were answered with success."""
        found = {}
        for call in self.records():
            body = call.get("body")
            if not isinstance(body, dict) or call.get("status") not in (200, 204):
                continue
            if call["path"].endswith(("addExecutionLogEntry", "updateExecutionLogEntry")):
                if body["key"] == key:
                    found = body
        return found


class Bench(contextlib.AbstractContextManager):
    """Stand-ins and folder of one test. `start_executor` starts what is tested."""

    def __init__(self, name):
        self.dir = pathlib.Path(tempfile.mkdtemp(prefix=f"lunexec-{name}-"))
        self.processes = []
        self.extra = contextlib.ExitStack()
        self.repo = self.dir / "repo"
        self.make_repo({"README.md": "# Widgets\n"})

    def __exit__(self, kind, value, trace):
        for process in reversed(self.processes):
            process.stop()
            if kind:
                for label, text in (("out", process.out()), ("err", process.err())):
                    for line in text.splitlines()[-40:]:
                        print(f"# {process.name}.{label}: {line}")
        self.extra.close()
        reports = [p.name for p in self.processes if "Sanitizer" in p.err() + p.out()
                   or "runtime error:" in p.err()]
        if kind and "LUNEXEC_KEEP" in os.environ:
            print(f"# kept: {self.dir}")
        else:
            shutil.rmtree(self.dir, ignore_errors=True)
        if not kind and reports:
            raise AssertionError(f"sanitizer report in {reports}")

    def git(self, *args):
        env = dict(os.environ, GIT_CONFIG_GLOBAL="/dev/null", GIT_CONFIG_NOSYSTEM="1")
        identity = ["-c", "user.name=Test", "-c", "user.email=test@example.com"]
        done = subprocess.run(["git", "-C", str(self.repo), *identity, *args], env=env, check=True,
                              capture_output=True, text=True)
        return done.stdout.strip()

    def make_repo(self, files):
        self.repo.mkdir()
        self.git("init", "-q", "-b", "main")
        for name, text in files.items():
            (self.repo / name).write_text(text)
        self.git("add", "--all")
        self.git("commit", "-q", "-m", "start")
        self.commit = self.git("rev-parse", "HEAD")

    def add(self, process):
        self.processes.append(process)
        return process

    def start_frontend(self, *jobs, port=0, name="frontend-stand-in", options=()):
        args = ["--password", PASSWORD, "--repo", f"{REPO}={self.repo}", "--port", str(port)]
        for job in jobs:
            job = dict(job, commit=self.commit) if job.get("commit") == "HEAD" else job
            path = self.dir / f"job-{job['id']}.json"
            path.write_text(json.dumps(job))
            args += ["--job", str(path)]
        self.frontend = self.add(Frontend("frontend-stand-in", self.dir, [*args, *options], name))
        return self.frontend

    def start_cluster(self, *options, rbac=True):
        tools = self.dir / "tools"
        tools.mkdir()
        shutil.copy(FIXTURES / "batcheshelper", tools / "batcheshelper")
        args = ["--root", str(self.dir / "cluster"), "--tools", str(tools), *options]
        if rbac:
            args.append("--rbac")
        if EXECUTOR == LUNEXEC:  # client-go sends no token over plain HTTP
            args += ["--token", TOKEN]
        self.cluster = self.add(StandIn("cluster-stand-in", self.dir, args))
        return self.cluster

    def start(self, *jobs, frontend_options=()):
        self.start_cluster()
        return self.start_frontend(*jobs, options=frontend_options)

    def kubeconfig(self, text=None):
        path = self.dir / "kubeconfig"
        if text is None:
            text = "\n".join([
                "apiVersion: v1", "kind: Config", "current-context: local",
                "clusters:", "- name: local",
                f"  cluster: {{server: 'http://127.0.0.1:{self.cluster.port}'}}",
                "users:", "- name: local", f"  user: {{token: '{TOKEN}'}}",
                "contexts:", "- name: local",
                "  context: {cluster: local, user: local, namespace: default}", ""])
        path.write_text(text)
        return path

    def start_executor(self, frontend_port=None, kubeconfig=None, name="executor", **settings):
        env = {
            "PATH": os.environ["PATH"],
            "HOME": str(self.dir),
            "HOSTNAME": "bench",
            "EXECUTOR_FRONTEND_URL": f"http://127.0.0.1:{frontend_port or self.frontend.port}",
            "EXECUTOR_FRONTEND_PASSWORD": PASSWORD,
            "EXECUTOR_QUEUE_NAME": "batches",
            "EXECUTOR_QUEUE_POLL_INTERVAL": "100ms",
            "EXECUTOR_NUM_TOTAL_JOBS": "1",
            "EXECUTOR_KUBERNETES_CONFIG_PATH": str(kubeconfig or self.kubeconfig()),
            "KUBERNETES_SINGLE_JOB_POD": "true",
            "KUBERNETES_JOB_STEP_IMAGE": HELPER,
            "SRC_LOG_LEVEL": "info",
            "LUNEXEC_LISTEN": "127.0.0.1:0",
        }
        for key in ("ASAN_OPTIONS", "UBSAN_OPTIONS", "LSAN_OPTIONS", "LUNEXEC_POLICY_DIR",
                    "LUNEXEC_LIBRARY_DIR"):
            if key in os.environ:
                env[key] = os.environ[key]
        for key, value in settings.items():
            if value is None:
                env.pop(key, None)
            else:
                env[key] = str(value)
        executor = self.add(Process([EXECUTOR, "run"], self.dir, name, env,
                                    stdin=subprocess.DEVNULL))
        if getattr(self, "frontend", None):
            self.frontend.executor = executor
        return executor

    def go(self, name="go"):
        """Lets a step go on that waits for it."""
        found = [folder.parent for folder in (self.dir / "cluster").glob("**/repository")]
        assert found, "no workspace"
        for workspace in found:
            (workspace / name).touch()

    def leftovers(self):
        """Names of the Jobs and Secrets that were created and not deleted, by the record."""
        alive = set()
        for call in self.cluster.records():
            if call.get("method") == "POST" and call.get("status") == 201:
                alive.add(f"{call['path']}/{call['body']['metadata']['name']}")
            elif call.get("method") == "DELETE" and call.get("status") in (200, 404):
                alive.discard(call["path"])
        return sorted(alive)


class Relay:
    """A TCP relay that can lose answers: it hands a request on and, once the answer comes, cuts."""

    def __init__(self, port):
        import socket
        self.socket_module = socket
        self.target = port
        self.lose = []  # byte strings; a request that starts with one loses its answer, once
        self.lost = 0
        self.server = socket.create_server(("127.0.0.1", 0))
        self.port = self.server.getsockname()[1]
        threading.Thread(target=self.accept, daemon=True).start()

    def accept(self):
        while True:
            try:
                client, _ = self.server.accept()
            except OSError:
                return
            threading.Thread(target=self.serve, args=(client,), daemon=True).start()

    def serve(self, client):
        peer = self.socket_module.create_connection(("127.0.0.1", self.target))
        state = {"losing": False}

        def upstream():
            with contextlib.suppress(OSError):
                while data := client.recv(65536):
                    for part in list(self.lose):
                        if part in data:
                            self.lose.remove(part)
                            state["losing"] = True
                    peer.sendall(data)
                peer.shutdown(self.socket_module.SHUT_WR)

        threading.Thread(target=upstream, daemon=True).start()
        with contextlib.suppress(OSError):
            while data := peer.recv(65536):
                if state["losing"]:
                    self.lost += 1
                    break
                client.sendall(data)
        for end in (client, peer):
            with contextlib.suppress(OSError):
                end.shutdown(self.socket_module.SHUT_RDWR)
            end.close()

    def close(self):
        self.server.close()


def main():
    """Runs the module's tests; 77 when there was nothing but skipped ones."""
    result = unittest.main(exit=False).result
    if not result.wasSuccessful():
        sys.exit(1)
    sys.exit(77 if result.skipped and len(result.skipped) == result.testsRun else 0)
