"""A strict stand-in for the executor API of a Sourcegraph instance, written from docs and not from
the program under test: one queue ("batches"), job tokens, log entries, files, git.

Whatever a client does that the real server would refuse, or that its contract excludes, is kept in
`problems`; every call is kept in `calls` with its time. Answers are those of the real server.
"""
import base64
import json
import os
import re
import secrets
import socketserver
import subprocess
import sys
import threading
import time
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

RFC3339 = re.compile(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(\.\d{1,9})?(Z|[+-]\d\d:\d\d)")
HISTORY_MAX = 1 << 20
KILL_SECONDS = 2  # an answer this long before a kill may not have been written down
STALL_SECONDS = 25  # a job without a heartbeat for so long goes back to the queue
TEXTS = ("os", "architecture", "dockerVersion", "executorVersion", "gitVersion", "igniteVersion",
         "srcCliVersion", "prometheusMetrics")


def boot_time():
    """Seconds since the machine started, as /proc/uptime shows them in containers too."""
    return time.clock_gettime(time.CLOCK_BOOTTIME)


class Server(ThreadingHTTPServer):
    """Binds without asking for the address's name: there is no name server here to answer."""

    daemon_threads = True
    request_queue_size = 1024  # one too many would be tried again by TCP after a second

    def server_bind(self):
        socketserver.TCPServer.server_bind(self)
        self.server_name, self.server_port = self.server_address

    def handle_error(self, request, client_address):
        if not isinstance(sys.exc_info()[1], ConnectionError):  # a client may go away at any time
            super().handle_error(request, client_address)

    def start(self):
        threading.Thread(target=self.serve_forever, args=[0.05], daemon=True).start()

    def stop(self):
        self.shutdown()
        self.server_close()


class Refusal(Exception):
    def __init__(self, status, text, body=None, expected=False):
        super().__init__(text)
        self.status, self.text, self.expected = status, text, expected
        self.body = text.encode() if body is None else body


class Entry:
    def __init__(self, fields):
        self.key, self.command = fields["key"], fields["command"]
        self.start_time = fields["startTime"]
        self.exit_code, self.duration_ms, self.out = None, None, ""
        self.history = []  # (boot_time of arrival, whole output so far while that is small)

    def lines(self):
        return self.out.removesuffix("\n").split("\n") if self.out else []  # a CR ends no line


class Job:
    def __init__(self, payload):
        self.payload, self.id = payload, payload["id"]
        self.needs_results = True  # as jobs of batch changes do
        self.files = {}  # "<spec>/<file>": bytes
        self.cancelled = False
        self.reset()

    def reset(self):
        self.state, self.executor, self.token = "queued", None, None
        self.entries, self.message, self.beat_at = [], None, None
        self.marked_at = self.marked_with = None  # when, and by which token

    def entry(self, key):
        found = [e for e in self.entries if e.key == key]
        return found[0] if found else None

    def step_results(self):
        """What the server looks for in the entries of a finished batch job."""
        results = []
        for entry in self.entries:
            if not entry.key.endswith(".post"):
                continue
            for line in entry.lines():
                try:
                    event = json.loads(line.removeprefix("stdout: "))
                except ValueError:
                    continue
                if isinstance(event, dict) and event.get("operation") == "CACHE_AFTER_STEP_RESULT":
                    results.append(event)
        return results


class Frontend:
    def __init__(self, host, password, git_root):
        self.password, self.git_root = password, git_root
        self.queue = "batches"
        self.lock = threading.Condition()
        self.jobs, self.executors = {}, {}  # executors: name -> times of its heartbeats
        self.busy = 0.0  # seconds since the last heartbeat in which a large log kept it from hearing one
        self.problems, self.calls = [], []
        self.forgotten = set()  # tokens of executors that are gone; their last call may come late
        self.kills = []  # when executors were killed
        self.replaced = 0  # pods of executors whose successor may have taken its time
        self.requeued = 0  # jobs that a killed executor took and never named in a heartbeat
        frontend = self

        class Handler(RequestHandler):
            server_version, frontend_ = "frontend", frontend

        self.server = Server((host, 0), Handler)
        self.url = f"http://{host}:{self.server.server_port}"
        self.server.start()

    # --- what tests use

    def offer(self, payload, files=None):
        job = Job(payload)
        job.files = files or {}
        with self.lock:
            self.jobs[job.id] = job
        return job

    def cancel(self, job):
        with self.lock:
            job.cancelled = True

    def requeue(self, job):
        """What happens to a job whose executor has gone silent: offered again, with a new token."""
        with self.lock:
            self.forgotten.add(job.token)
            job.reset()

    def kill(self):
        """To be called before an executor is killed: what it was about to do may be left undone, or be
        done again by the one that goes on."""
        with self.lock:
            self.kills.append(time.monotonic())

    def replace(self):
        """To be called before the cluster has to replace an executor's pod: how long it takes, once,
        until there is a heartbeat again, is not the executor's doing."""
        with self.lock:
            self.replaced += 1

    def late(self, seconds):
        """A heartbeat that has come so long after the one before."""
        if self.replaced:
            self.replaced -= 1
        else:
            self.problem(f"{seconds:.1f} s without a heartbeat")

    def wait(self, condition, seconds, what):
        """Waits for condition() to hold; it is looked at after every call that arrives."""
        deadline = time.monotonic() + seconds
        with self.lock:
            while not condition():
                left = deadline - time.monotonic()
                if left <= 0:
                    raise AssertionError(f"after {seconds} s still waiting for {what}")
                self.lock.wait(min(left, 0.5))

    def problem(self, text):
        with self.lock:
            self.problems.append(text)

    # --- the endpoints; each returns (status, body) or raises Refusal

    def dequeue(self, fields):
        check(fields, {"executorName": str, "version": str},
              {"numCPUs": int, "memory": str, "diskSpace": str})
        name = fields["executorName"]
        if name not in self.executors:
            raise Refusal(500, f"dequeue by {name!r}, which has not sent a heartbeat")
        for job in sorted(self.jobs.values(), key=lambda j: j.id):
            if job.state == "queued":
                job.state, job.executor, job.token = "processing", name, secrets.token_hex(20)
                job.beat_at = time.monotonic()
                return 200, {**job.payload, "token": job.token}
        return 204, None

    def heartbeat(self, fields):
        ping = "jobIds" not in fields
        check(fields, {"executorName": str, "version": str, **dict.fromkeys(TEXTS, str)},
              {"jobIds": (list, type(None))})
        if not fields["executorName"]:
            raise Refusal(500, "empty executorName")
        if not ping and (fields["version"], fields["os"]) != ("V2", "linux"):
            self.problem(f"heartbeat with version {fields['version']!r}, os {fields['os']!r}")
        ids = fields.get("jobIds") or []
        if not all(type(i) is int for i in ids):
            raise Refusal(400, f"job ids of a single queue are integers, not {ids}")
        beats, now = self.executors.setdefault(fields["executorName"], []), time.monotonic()
        if beats and now - beats[-1] - self.busy > 9:
            self.late(now - beats[-1])
        self.busy = 0.0
        beats.append(now)
        known = []
        for job in self.jobs.values():
            if job.state == "processing" and job.executor == fields["executorName"]:
                if job.id in ids:
                    job.beat_at = now
                    known.append(job)
                elif now - job.beat_at > STALL_SECONDS:
                    if any(kill > job.beat_at - KILL_SECONDS for kill in self.kills):
                        self.requeued += 1
                        self.forgotten.add(job.token)
                    else:
                        self.problem(f"job {job.id} was in no heartbeat for {STALL_SECONDS} s")
                    job.reset()
        cancelled = [str(job.id) for job in known if job.cancelled]
        return 200, {"knownIds": [str(job.id) for job in known], "cancelIds": cancelled or None}

    def add_entry(self, job, fields):
        self.check_entry(fields, {})
        entry = Entry(fields)
        job.entries.append(entry)
        self.fill(entry, fields)
        return 200, len(job.entries)

    def update_entry(self, job, fields):
        self.check_entry(fields, {"entryId": int})
        if not 1 <= fields["entryId"] <= len(job.entries):
            # Of the next one, it is the question whether an add whose answer was lost was made.
            raise Refusal(500, f"no entry {fields['entryId']}", b'{"error":"unknown job"}',
                          expected=fields["entryId"] == len(job.entries) + 1)
        entry = job.entries[fields["entryId"] - 1]
        same = (entry.key, entry.command, entry.start_time)
        if same != (fields["key"], fields["command"], fields["startTime"]):
            self.problem(f"entry {entry.key}: key, command or startTime changed")
        self.fill(entry, fields)
        return 204, None

    def check_entry(self, fields, more):
        check(fields, {"executorName": str, "jobId": int, "key": str, "startTime": str,
                       "command": (list, type(None)), **more},
              {"exitCode": int, "out": str, "durationMs": int})
        if not RFC3339.fullmatch(fields["startTime"]):
            self.problem(f"entry {fields['key']}: startTime {fields['startTime']!r}")

    def fill(self, entry, fields):
        out = fields.get("out", "")
        if not out.startswith(entry.out):
            self.problem(f"entry {entry.key}: output that was there has changed")
        if entry.exit_code is not None and fields.get("exitCode") != entry.exit_code:
            self.problem(f"entry {entry.key}: exit code changed after the end")
        if ("exitCode" in fields) != ("durationMs" in fields):
            self.problem(f"entry {entry.key}: exitCode without durationMs, or the reverse")
        entry.exit_code, entry.duration_ms = fields.get("exitCode"), fields.get("durationMs")
        entry.out = out
        entry.history.append((boot_time(), out if len(out) <= HISTORY_MAX else ""))

    def mark(self, job, fields, kind):
        more = {} if kind == "markComplete" else {"errorMessage": str}
        check(fields, {"executorName": str, "jobId": int, **more}, {})
        for i, entry in enumerate(job.entries):
            gone_on = any(later.key == entry.key for later in job.entries[i + 1:])
            if entry.exit_code is None and not gone_on:
                self.problem(f"{kind} while entry {entry.key} is open")
        job.state = {"markComplete": "completed", "markErrored": "errored", "markFailed": "failed"}[kind]
        job.message, job.marked_at = fields.get("errorMessage"), time.monotonic()
        job.marked_with, job.token = job.token, None
        if kind == "markComplete" and job.needs_results and not job.step_results():
            job.state, job.message = "failed", "found no step results"
        return 204, None

    # --- who may

    def job_of(self, headers, body_id=None):
        """The job whose token the request carries, as the server checks it."""
        scheme, _, value = headers.get("Authorization", "").partition(" ")
        name = headers.get("X-Sourcegraph-Executor-Name", "")
        if not re.fullmatch(r"\d+", headers.get("X-Sourcegraph-Job-ID", "")):
            raise Refusal(400, "X-Sourcegraph-Job-ID is missing")
        if not name:
            raise Refusal(400, "worker hostname cannot be empty")
        if scheme != "Bearer":
            raise Refusal(401, f"a job call with scheme {scheme!r} though the job has a token")
        job = next((j for j in self.jobs.values() if j.token and j.token == value), None)
        if job is None and (value in self.forgotten or self.mark_unheard(value)):
            raise Refusal(401, "invalid token", expected=True)
        if job is None:
            raise Refusal(401, "invalid token")
        if str(job.id) != headers["X-Sourcegraph-Job-ID"] or body_id not in (None, job.id):
            raise Refusal(403, f"the token of job {job.id} used for another")
        if name not in self.executors:
            raise Refusal(401, f"executor {name!r} is not known")
        return job

    def mark_unheard(self, token):
        """Whether the executor may have been killed before it knew that this job is marked."""
        return any(abs(kill - job.marked_at) < KILL_SECONDS
                   for job in self.jobs.values() if job.marked_with == token for kill in self.kills)

    def route(self, path, headers, body):
        if headers.get("Content-Type") != "application/json":
            self.problem(f"{path}: Content-Type {headers.get('Content-Type')!r}")
        action = path.removeprefix(f"/.executors/queue/{self.queue}/")
        fields = parse(body)
        if action in ("dequeue", "heartbeat"):
            if headers.get("Authorization") != "token-executor " + self.password:
                raise Refusal(401, "", b"")
            return self.dequeue(fields) if action == "dequeue" else self.heartbeat(fields)
        job = self.job_of(headers, fields.get("jobId"))
        if job.state != "processing" or fields.get("executorName") != job.executor:
            if action.startswith("mark"):
                raise Refusal(404, f"{action} of a job that is not this executor's", b"null")
            raise Refusal(500, "unknown job", b'{"error":"unknown job"}')
        if action == "addExecutionLogEntry":
            return self.add_entry(job, fields)
        if action == "updateExecutionLogEntry":
            return self.update_entry(job, fields)
        if action in ("markComplete", "markErrored", "markFailed"):
            return self.mark(job, fields, action)
        raise Refusal(404, f"no endpoint {path}")

    def file(self, path, headers):
        job = self.job_of(headers)
        content = job.files.get(path.removeprefix("/.executors/files/batch-changes/"))
        if content is None:
            raise Refusal(404, "workspace file does not exist")
        return content

    def test_auth(self, headers):
        """Whether the shared password is right; `executor validate` asks."""
        if headers.get("Authorization") != "token-executor " + self.password:
            raise Refusal(401, "", b"")
        return b"ok"

    def may_clone(self, path, headers):
        job = self.job_of(headers)
        if headers.get("X-Sourcegraph-Actor-UID") != "internal":
            self.problem(f"git with actor {headers.get('X-Sourcegraph-Actor-UID')!r}")
        if not path.startswith(f"/.executors/git/{job.payload['repositoryName']}/"):
            raise Refusal(403, f"the token of job {job.id} used for {path}")


def check(fields, required, optional):
    """The object has exactly these keys, of these types."""
    for key, kind in {**required, **optional}.items():
        if key not in fields:
            if key in required:
                raise Refusal(400, f"{key} is missing in {sorted(fields)}")
        elif not isinstance(fields[key], kind) or isinstance(fields[key], bool):
            raise Refusal(400, f"{key} is {fields[key]!r}")
    unknown = set(fields) - set(required) - set(optional)
    if unknown:
        raise Refusal(400, f"unknown keys {sorted(unknown)}")


def parse(body):
    def unique(pairs):
        if len(dict(pairs)) != len(pairs):
            raise ValueError("a key twice")
        return dict(pairs)

    try:
        fields = json.loads(body, object_pairs_hook=unique)
    except ValueError as error:
        raise Refusal(400, f"Failed to unmarshal payload: {error}")
    if not isinstance(fields, dict):
        raise Refusal(400, "Failed to unmarshal payload: no object")
    return fields


class RequestHandler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"

    def log_message(self, *args):
        pass

    def do_GET(self):
        self.handle_one_call(b"")

    def do_POST(self):
        self.handle_one_call(self.read_body())

    def read_body(self):
        if self.headers.get("Transfer-Encoding", "").lower() != "chunked":
            return self.read_exactly(int(self.headers.get("Content-Length", 0)))
        parts = []
        while True:
            size = int(self.read_line().split(b";")[0], 16)
            parts.append(self.read_exactly(size))
            self.read_line()
            if size == 0:
                return b"".join(parts)

    def read_exactly(self, size):
        found = self.rfile.read(size)
        if len(found) < size:
            raise ConnectionAbortedError("the client went away within a request")
        return found

    def read_line(self):
        line = self.rfile.readline()
        if not line.endswith(b"\n"):
            raise ConnectionAbortedError("the client went away within a request")
        return line

    def handle_one_call(self, body):
        frontend, path = self.frontend_, self.path.partition("?")[0]
        content_type = "application/json"
        try:
            with frontend.lock:
                began = time.monotonic()
                frontend.calls.append((time.time(), self.command, path))
                if path.startswith("/.executors/git/"):
                    frontend.may_clone(path, self.headers)
                elif path == "/.executors/test/auth":
                    status, answer = 200, frontend.test_auth(self.headers)
                elif self.command == "GET":
                    status, answer = 200, frontend.file(path, self.headers)
                else:
                    status, value = frontend.route(path, self.headers, body)
                    answer = b"" if status == 204 else json.dumps(value).encode()
                frontend.busy += time.monotonic() - began
                frontend.lock.notify_all()
            if path.startswith("/.executors/git/"):
                status, content_type, answer = self.git(body)
        except Refusal as refusal:
            if not refusal.expected:
                frontend.problem(f"{self.command} {path}: {refusal.status} {refusal.text}")
            status, answer = refusal.status, refusal.body
        self.send_response(status)
        if status != 204:
            self.send_header("Content-Type", content_type)
            self.send_header("Content-Length", str(len(answer)))
        self.end_headers()
        if status != 204:
            self.wfile.write(answer)

    def git(self, body):
        path, _, query = self.path.partition("?")
        environment = {
            "PATH": os.environ["PATH"], "GIT_PROJECT_ROOT": self.frontend_.git_root,
            "GIT_HTTP_EXPORT_ALL": "1", "REQUEST_METHOD": self.command, "QUERY_STRING": query,
            "PATH_INFO": path.removeprefix("/.executors/git"), "REMOTE_ADDR": self.client_address[0],
            "CONTENT_TYPE": self.headers.get("Content-Type", ""), "CONTENT_LENGTH": str(len(body)),
            "HTTP_CONTENT_ENCODING": self.headers.get("Content-Encoding", ""),
            "GIT_PROTOCOL": self.headers.get("Git-Protocol", "")}
        done = subprocess.run(["git", "http-backend"], input=body, env=environment,
                              capture_output=True, check=False)
        head, _, answer = done.stdout.partition(b"\r\n\r\n")
        fields = dict(line.split(": ", 1) for line in head.decode().split("\r\n") if ": " in line)
        status = int(fields.get("Status", "200").split()[0])
        return status, fields.get("Content-Type", "text/plain"), answer


def file_content(payload_version, content):
    """The content of a workspace file as the payload carries it: base64 from version 2 on."""
    return base64.b64encode(content).decode() if payload_version == 2 else content.decode()
