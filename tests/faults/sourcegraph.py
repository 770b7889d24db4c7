"""The executor API of a Sourcegraph instance as a model: records, tokens, entries, marks. It says
what an executor did against the contract (`wrong`) and keeps what the invariants look at."""
import json
import os
import time

from peer import Answer, Peer

PASSWORD = "hunter2hunter2hunter2"
STALL_S = 15


class Record:
    def __init__(self, job):
        self.job, self.id = job, job.id
        self.state = "queued"
        self.executor = self.token = None
        self.beat = 0.0
        self.entries, self.epoch = [], 0
        self.marks = []        # accepted ones: (mark, message)
        self.marked_with = None
        self.old_tokens = {}   # token: when its mark was told, or None
        self.cancel = False
        self.lost = 0          # times the server took it back
        self.since = 0.0


class Sourcegraph(Peer):
    def __init__(self, chaos, world, stall_s=STALL_S):
        super().__init__(chaos, "frontend")
        self.world, self.stall_s = world, stall_s
        self.records, self.tokens, self.queue = {}, {}, []
        self.known = set()
        self.held = {}  # executor name: number of records being processed

    def add(self, job):
        self.records[job.id] = Record(job)
        self.queue.append(job.id)

    # --- faults

    def subject(self, call):
        name = call.path.rsplit("/", 1)[-1]
        return f"{name} {call.headers.get('x-sourcegraph-job-id', '')}"

    def may_be_garbage(self, call):
        return "/.executors/files/" not in call.path  # nobody could tell

    def conflict(self, call):
        return None

    # --- calls

    def answer(self, call):
        name = call.path.rsplit("/", 1)[-1]
        if call.headers.get("x-sourcegraph-actor-uid") != "none":
            self.world.wrong(f"{name} without X-Sourcegraph-Actor-UID")
        try:
            body = call.json
        except ValueError:
            self.world.wrong(f"{name}: a body that is no JSON")
            return Answer(400, "no JSON")
        call.body_json = body
        if name in ("dequeue", "heartbeat"):
            if call.headers.get("authorization") != f"token-executor {PASSWORD}":
                self.world.wrong(f"{name} with the wrong password")
                return Answer(401, "")
            return getattr(self, name)(call, body)
        if "/.executors/files/" in call.path:
            return self.file(call)
        return self.job_call(call, name, body)

    def dequeue(self, call, body):
        now = time.monotonic()
        name = body["executorName"]
        for id in list(self.queue):
            record = self.records[id]
            self.queue.remove(id)
            record.state, record.executor, record.beat = "processing", name, now
            record.epoch += 1
            record.entries, record.since = [], now
            record.token = f"{record.epoch:04x}{id:036x}"
            self.tokens[record.token] = record
            self.world.trace(id, f"dequeued by {name}")
            return Answer(200, dict(record.job.payload, token=record.token))
        return Answer(204)

    def heartbeat(self, call, body):
        name = body["executorName"]
        self.known.add(name)
        known, cancel = [], []
        for id in body.get("jobIds") or []:
            record = self.records.get(id)
            if record is None:
                self.world.wrong(f"heartbeat of {name} with job {id}, which never was")
            elif record.state == "processing" and record.executor == name:
                record.beat = time.monotonic()
                known.append(str(id))
                if record.cancel:
                    cancel.append(str(id))
        return Answer(200, {"knownIds": known or None, "cancelIds": cancel or None})

    def file(self, call):
        record = self.tokens.get(call.token)
        if record is None or call.path.split("/")[-2] != str(record.id):
            self.world.wrong(f"{call.path} with a token that is of no such job")
            return Answer(403, "not yours")
        return Answer(200, tool(record.id)) if call.token == record.token else Answer(401, "")

    def job_call(self, call, name, body):
        scheme, _, token = call.headers.get("authorization", "").partition(" ")
        record = self.tokens.get(token)
        if scheme != "Bearer" or record is None:
            self.world.wrong(f"{name} with {scheme} and a token that never was")
            return Answer(401, "invalid token")
        if token != record.token:
            return self.stale(call, name, record, token)
        executor = call.headers.get("x-sourcegraph-executor-name")
        if executor not in self.known:
            self.world.wrong(f"{name} of job {record.id}: {executor} has sent no heartbeat yet")
            return Answer(401, "executor is not known")
        if call.headers.get("x-sourcegraph-job-id") != str(record.id) or \
                body.get("jobId") != record.id:
            self.world.wrong(f"{name}: the token is of job {record.id}, ids are others")
            return Answer(403, "token belongs to another job")
        if record.state != "processing" or record.executor != body.get("executorName"):
            return Answer(404 if name.startswith("mark") else 500, '{"error":"unknown job"}')
        if name == "addExecutionLogEntry":
            return self.add_entry(record, body)
        if name == "updateExecutionLogEntry":
            return self.update_entry(record, body)
        if name.startswith("mark"):
            return self.mark(call, record, name, body)
        return Answer(404, "no such route")

    def stale(self, call, name, record, token):
        """A token that has ended. The executor knows it when a mark was answered to it, or when a
        heartbeat no longer names the job; a mark whose answer got lost is repeated as it was. What
        was underway when the answer came may come after it."""
        told = record.old_tokens.get(token)
        if name.startswith("mark") and token == record.marked_with:
            again = (name, call.body_json.get("errorMessage", ""))
            if again != record.marks[-1]:
                self.world.wrong(f"job {record.id} was marked {record.marks[-1]}, then {again}")
        elif told and time.monotonic() - told > 0.5:
            self.world.wrong(f"{name} of job {record.id} after its mark was answered")
        return Answer(401, "invalid token")

    def add_entry(self, record, body):
        record.entries.append(body)
        return Answer(200, str(len(record.entries)))

    def update_entry(self, record, body):
        index = body.get("entryId", 0) - 1
        if not 0 <= index < len(record.entries):
            # How an executor finds out whether an add whose answer was lost has been made.
            return Answer(500, '{"error":"unknown job"}')
        old = record.entries[index]
        if old["key"] != body["key"]:
            self.world.wrong(f"job {record.id}: an update made {old['key']} {body['key']}")
        was, now = old.get("out", ""), body.get("out", "")
        if not now.startswith(was):
            at = len(os.path.commonprefix([was, now]))
            near = slice(max(at - 150, 0), at + 150)
            self.world.wrong(f"job {record.id} {body['key']}: an update took back output, from "
                             f"character {at} of {len(was)}: {was[near]!r} became {now[near]!r}")
        record.entries[index] = body
        return Answer(204)

    def mark(self, call, record, name, body):
        message = body.get("errorMessage", "")
        record.marks.append((name, message))
        self.world.trace(record.id, f"{name} {message}")
        record.state = "marked"
        record.marked_with = record.token
        record.old_tokens[record.token] = None
        record.token = None
        self.world.on_mark(record, name, message)
        return Answer(204)

    def told(self, call, answer):
        name = call.path.rsplit("/", 1)[-1]
        if name.startswith("mark") and answer.status == 204:
            record = self.tokens.get(call.token)
            if record is not None and call.token in record.old_tokens:
                record.old_tokens[call.token] = time.monotonic()

    # --- the server's own doing

    def tick(self):
        """Records whose executor went silent go back to the queue."""
        now = time.monotonic()
        for record in self.records.values():
            if record.state == "processing" and now - record.beat > self.stall_s:
                self.requeue(record, "stalled")

    def requeue(self, record, why):
        self.world.trace(record.id, f"back to the queue: {why}")
        record.old_tokens[record.token] = None
        record.lost += 1
        record.state, record.token = "queued", None
        self.queue.append(record.id)

    def open_jobs(self):
        return [r.id for r in self.records.values() if r.state != "marked"]


def tool(id):
    """A workspace file that the payload only names."""
    return f"this is the tool of job {id}"


def payload(id, steps, secret):
    """A batch-changes payload, V2 (contract 2.2)."""
    docker = []
    for i in range(steps):
        env = [f"TOKEN_{i}={secret}"]
        docker += [
            {"key": f"step.{i}.pre", "image": "helper", "commands": [f"batcheshelper pre {i}"],
             "dir": ".", "env": env},
            {"key": f"step.{i}.run", "image": "alpine:3", "commands": ["true"], "dir": "repository",
             "env": None},
            {"key": f"step.{i}.post", "image": "helper", "commands": [f"batcheshelper post {i}"],
             "dir": ".", "env": env}]
    return {"version": 2, "id": id, "repositoryName": "github.com/acme/widgets",
            "repositoryDirectory": "repository", "commit": "0123456789abcdef0123456789abcdef01234567",
            "fetchTags": False, "shallowClone": True, "sparseCheckout": None,
            "files": {"input.json": {"content": "e30=", "modifiedAt": "0001-01-01T00:00:00Z"},
                      "tool": {"bucket": "batch-changes", "key": f"{id}/tool"}},
            "dockerSteps": docker, "cliSteps": None, "dockerAuthConfig": {},
            "redactedValues": {secret: "${{ secrets.TOKEN }}"}}
