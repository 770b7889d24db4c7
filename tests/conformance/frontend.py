"""The executor API of a Sourcegraph instance, as scripted: it hands out the payloads it was given,
accepts everything, and keeps what arrived. `rule` changes the answers of some calls."""
import json
import os
import re
import subprocess

from httpd import Drop, Peer

PASSWORD = "hunter2hunter2hunter2"


class Frontend(Peer):
    def __init__(self, tls=None):
        self.payloads, self.files, self.rules = [], {}, []
        self.cancel, self.unknown = set(), set()  # ids as the heartbeat's answer names them
        self.entries = {}  # (queue, job id): number of entries
        self.strict = True  # updates of entries that are not there are refused
        self.refused = None  # a password that is answered with 401
        self.git_root = None  # a folder of repositories, as <root>/<repositoryName>
        super().__init__(tls)

    def offer(self, *payloads):
        self.payloads.extend(payloads)

    def rule(self, name, *answers):
        """The first calls of this name get these answers, one each: (status, body[, headers]), or
        "drop" for a connection that ends without one."""
        self.rules.append((name, list(answers)))

    def answer(self, call):
        if "/.executors/git/" in call.path and self.git_root:
            return self.git(call)
        with self.lock:
            for name, answers in self.rules:
                if call.name == name and answers:
                    scripted = answers.pop(0)
                    if scripted == "drop":
                        raise Drop
                    return scripted
            if call.headers.get("Authorization") == f"token-executor {self.refused}":
                return 401, "no such password"
            known = re.fullmatch(r".*/\.executors/(?:queue|files|test)/(.*)", call.path)
            if not known:
                return 404, "no such route"
            if call.path.endswith("/test/auth"):
                return 200, "ok"
            if "/.executors/files/" in call.path:
                key = call.path.split("/.executors/files/")[1]
                return (200, self.files[key]) if key in self.files else (404, "does not exist")
            return self.queue_call(call)

    def git(self, call):
        """git's own program for smart HTTP."""
        path = call.path.split("/.executors/git", 1)[1]
        environment = {
            "PATH": os.environ["PATH"], "GIT_PROJECT_ROOT": self.git_root,
            "GIT_HTTP_EXPORT_ALL": "1", "REQUEST_METHOD": call.method, "PATH_INFO": path,
            "QUERY_STRING": call.query, "CONTENT_TYPE": call.headers.get("Content-Type", ""),
            "CONTENT_LENGTH": str(len(call.body)), "REMOTE_ADDR": "127.0.0.1",
            "HTTP_CONTENT_ENCODING": call.headers.get("Content-Encoding", ""),
            "GIT_PROTOCOL": call.headers.get("Git-Protocol", "")}
        done = subprocess.run(["git", "http-backend"], input=call.body, env=environment,
                              capture_output=True, check=False)
        head, _, body = done.stdout.partition(b"\r\n\r\n")
        fields = dict(line.split(": ", 1) for line in head.decode().split("\r\n") if ": " in line)
        return (int(fields.get("Status", "200").split()[0]), body,
                {"Content-Type": fields.get("Content-Type", "text/plain")})

    def queue_call(self, call):
        if call.name == "dequeue":
            return (200, self.payloads.pop(0)) if self.payloads else (204, b"")
        if call.name == "heartbeat":
            return 200, self.known(call.json)
        if call.name == "addExecutionLogEntry":
            key = self.added(call)
            self.entries[key] = self.entries.get(key, 0) + 1
            return 200, self.entries[key]
        if self.strict and call.name == "updateExecutionLogEntry" and \
                call.json["entryId"] > self.entries.get(self.added(call), 0):
            return 500, '{"error":"unknown job"}'
        return 204, b""

    @staticmethod
    def added(call):
        """The key of the job's entries."""
        return call.path.rsplit("/", 1)[0], call.json["jobId"]

    def known(self, beat):
        if "jobIdsByQueue" in beat or "queueNames" in beat:
            ids = [f"{i}-{group['queueName']}" for group in beat.get("jobIdsByQueue", [])
                   for i in group["jobIds"]]
        else:
            ids = beat.get("jobIds") or []
        return {"knownIds": [i for i in ids if str(i) not in self.unknown],
                "cancelIds": [i for i in ids if str(i) in self.cancel] or None}

    # --- what was recorded

    def marks(self):
        return [c for c in list(self.calls) if c.name.startswith("mark")]

    def log(self, key):
        """The last state of the log entry with this key."""
        found = None
        for call in list(self.calls):
            if call.name.endswith("ExecutionLogEntry") and call.json["key"] == key:
                found = call.json
        return found

    def keys(self):
        return [c.json["key"] for c in self.of("addExecutionLogEntry")]


def step(key, image="alpine:3", commands=("true",), dir=".", env=None):
    return {"key": key, "image": image, "commands": list(commands), "dir": dir, "env": env}


def payload(id=42, **changes):
    """A batch-changes payload, V2 (contract 2.2)."""
    value = {
        "version": 2, "id": id, "token": "3f1c9a0d5b7e4c2188f0aa11bb22cc33dd44ee55",
        "repositoryName": "github.com/acme/widgets", "repositoryDirectory": "repository",
        "commit": "0123456789abcdef0123456789abcdef01234567",
        "fetchTags": False, "shallowClone": True, "sparseCheckout": None,
        "files": {"input.json": {"content": "e30=", "modifiedAt": "0001-01-01T00:00:00Z"}},
        "dockerSteps": [
            step("step.0.pre", "sourcegraph/batcheshelper:5.6.185", ["batcheshelper pre 0"],
                 env=["GITHUB_TOKEN=s3cr3tvalue"]),
            step("step.0.run", commands=["echo hello"], dir="repository"),
            step("step.0.post", "sourcegraph/batcheshelper:5.6.185", ["batcheshelper post 0"],
                 env=["GITHUB_TOKEN=s3cr3tvalue"])],
        "cliSteps": None, "redactedValues": {"s3cr3tvalue": "${{ secrets.GITHUB_TOKEN }}"},
        "dockerAuthConfig": {},
    }
    value.update(changes)
    return json.loads(json.dumps(value))
