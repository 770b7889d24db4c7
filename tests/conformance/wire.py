"""Contract section 1: the HTTP interface to Sourcegraph, and section 9: log entries."""
import json
import re

from frontend import PASSWORD, Frontend, payload, step
from kube import Script
from suite import equal, has, row, scenario

TOKEN = payload()["token"]
UUID = r"[0-9a-f]{8}-[0-9a-f]{4}-4[0-9a-f]{3}-[89ab][0-9a-f]{3}-[0-9a-f]{12}"
LOGS = {"setup-workspace": "Cloning\n", "step-kubernetes-step-0-pre": "{\"operation\":\"X\"}\n",
        "step-kubernetes-step-0-run": "hello s3cr3tvalue\r\nno newline at the end",
        "step-kubernetes-step-0-post": "", "main": "complete\n"}
FILES = {"files": {"workspace-files/a.sh": {"bucket": "batch-changes", "key": "spec1/file1",
                                            "modifiedAt": "2024-06-03T10:20:30.123456Z"}}}


@scenario
def one_job(w):
    """A batches job that succeeds; then a heartbeat; then the end."""
    w.start(payload(), script=Script(logs=LOGS)).marked().called("heartbeat", 2).stopped()


@scenario
def running_job(w):
    """A job that is underway when the heartbeat comes."""
    w.start(payload(), script=Script(hold=True)).called("heartbeat", 2)
    w.kube.release()
    w.marked().stopped()


@scenario
def several_queues(w):
    """Jobs of both queues, with equal ids, underway when the heartbeat comes."""
    w.start(payload(7, queue="codeintel", dockerSteps=[step("indexer")]), payload(7, queue="batches"),
            payload(12, queue="batches"), script=Script(hold=True), EXECUTOR_MAXIMUM_NUM_JOBS="3",
            EXECUTOR_QUEUE_NAMES="codeintel,batches,codeintel")
    w.called("heartbeat", 2)
    w.kube.release()
    w.marked(3).stopped()


@scenario
def path_in_url(w):
    """A frontend URL with a path of its own."""
    from frontend import Frontend
    w.frontend = Frontend()
    w.start(payload(**FILES), EXECUTOR_FRONTEND_URL=w.frontend.url + "/sub/")
    w.frontend.files["batch-changes/spec1/file1"] = "echo hi\n"
    w.marked().stopped()


@scenario
def no_token(w):
    """A payload of an old server, V1 and without a job token."""
    old = payload(token=None, files={"plain.txt": {"content": "as it is"}})
    for key in ("version", "token", "dockerAuthConfig"):
        del old[key]
    w.start(old).marked().stopped()


@scenario
def step_fails(w):
    w.start(payload(), script=Script(exits={"step-kubernetes-step-0-run": 7})).marked().stopped()


@scenario
def file_missing(w):
    w.start(payload(**FILES)).marked().stopped()


@scenario
def unusable_payload(w):
    w.start(payload(dockerSteps="none")).marked().stopped()


@scenario
def answers_503(w):
    """Every kind of call is refused for a while."""
    busy = (503, "busy")
    w.start(payload(), script=Script(logs=LOGS), rules=[
        ("dequeue", *[busy] * 3), ("addExecutionLogEntry", *[busy] * 20),
        ("updateExecutionLogEntry", busy, busy), ("markComplete", busy, (429, "slow down"))])
    w.marked(3).stopped()


@scenario
def answers_final(w):
    """Refusals that trying again does not change."""
    w.start(payload(), rules=[("markComplete", (404, "null"))]).marked().called("dequeue", 8)
    w.stopped()


@scenario
def answer_lost(w):
    """The connection breaks after the request: nobody knows whether it had its effect."""
    w.frontend = Frontend()
    w.frontend.strict = False  # the entry whose answer is dropped is made
    w.start(payload(), script=Script(logs=LOGS), rules=[("addExecutionLogEntry", "drop")])
    w.marked().stopped()


@scenario
def add_refused(w):
    w.start(payload(), rules=[("addExecutionLogEntry", (400, "bad"))]).marked().stopped()


@scenario
def retry_after(w):
    w.start(payload(), rules=[("markComplete", (503, "busy", {"Retry-After": "1"}))]).marked(2)
    w.stopped()


@scenario
def wrong_password(w):
    w.start(rules=[("heartbeat", *[(401, "")] * 9)]).ended()


@scenario
def dequeue_500(w):
    """A server that refuses every dequeue: heartbeats go on."""
    w.start(rules=[("dequeue", *[(501, '{"error":"x"}')] * 99)]).called("heartbeat", 2).stopped()


@scenario
def numbers_for_ids(w):
    """Ids come back as numbers where strings were sent."""
    w.start(payload(7, queue="batches"), script=Script(hold=True),
            EXECUTOR_QUEUE_NAMES="batches", rules=[
                ("heartbeat", (200, "{}"), (200, '{"KnownIDs":[7],"cancelIds":[]}'))])
    w.called("heartbeat", 2)
    w.kube.release()
    w.marked().stopped()


@scenario
def retry_settings(w):
    w.start(payload(), rules=[("markComplete", (503, "busy", {"Retry-After": "9"}), (503, "busy"))],
            SRC_HTTP_CLI_INTERNAL_RETRY_DELAY_BASE="300ms",
            SRC_HTTP_CLI_INTERNAL_RETRY_DELAY_MAX="400ms",
            SRC_HTTP_CLI_INTERNAL_RETRY_AFTER_MAX_DURATION="700ms").marked(3).stopped()


def call(world, name, n=0):
    return world.frontend.of(name)[n]


# --- 1.1 client basics

for name in ("heartbeat", "dequeue", "addExecutionLogEntry", "updateExecutionLogEntry",
             "markComplete"):
    row("1.1", f"{name}: Content-Type application/json, actor none, no User-Agent", "one_job",
        lambda w, name=name: [equal(c.headers.get("Content-Type"), "application/json") or
                              equal(c.headers.get("X-Sourcegraph-Actor-UID"), "none") or
                              equal(c.headers.get("User-Agent"), None)
                              for c in w.frontend.of(name)] != [])
    row("1.1", f"{name}: a POST below /.executors/queue/batches", "one_job",
        lambda w, name=name: equal((call(w, name).method, call(w, name).path),
                                   ("POST", f"/.executors/queue/batches/{name}")))
row("1.1", "a path in the base URL is kept, without a double slash", "path_in_url",
    lambda w: equal({c.path.split("/.executors")[0] for c in w.frontend.calls}, {"/sub"}))
row("1.1", "5xx is tried again: dequeue", "answers_503",
    lambda w: equal([c.status for c in w.frontend.of("dequeue")][:4], [503, 503, 503, 200]))
row("1.1", "20 retries of a log entry are 21 calls, the last one succeeds", "answers_503",
    lambda w: equal([c.status for c in w.frontend.of("addExecutionLogEntry")][:21],
                    [503] * 20 + [200]))
row("1.1", "429 is tried again", "answers_503",
    lambda w: equal([c.status for c in w.frontend.of("markComplete")], [503, 429, 204]))
row("1.1", "Retry-After is waited for", "retry_after",
    lambda w: call(w, "markComplete", 1).at - call(w, "markComplete").at >= 0.99)
row("1.1", "SRC_HTTP_CLI_INTERNAL_RETRY_AFTER_MAX_DURATION cuts Retry-After", "retry_settings",
    lambda w: 0.68 < call(w, "markComplete", 1).at - call(w, "markComplete").at < 5)
row("1.1", "SRC_HTTP_CLI_INTERNAL_RETRY_DELAY_BASE and _MAX: the pause", "retry_settings",
    lambda w: 0.28 < call(w, "markComplete", 2).at - call(w, "markComplete", 1).at)
row("1.1", "501 is not tried again at once", "dequeue_500",
    lambda w: min(b.at - a.at for a, b in zip(w.frontend.of("dequeue"),
                                              w.frontend.of("dequeue")[1:])) > 0.04)
row("1.1", "404 is not tried again", "answers_final",
    lambda w: equal(len(w.frontend.of("markComplete")), 1))

# --- 1.2 authorization

for name in ("heartbeat", "dequeue"):
    row("1.2", f"{name}: token-executor and the shared password, no job headers", "one_job",
        lambda w, name=name: equal((call(w, name).headers["Authorization"],
                                    call(w, name).headers.get("X-Sourcegraph-Job-ID")),
                                   (f"token-executor {PASSWORD}", None)))
for name in ("addExecutionLogEntry", "updateExecutionLogEntry", "markComplete"):
    row("1.2", f"{name}: Bearer and the job token, job id, executor name", "one_job",
        lambda w, name=name: equal(
            [call(w, name).headers[h] for h in ("Authorization", "X-Sourcegraph-Job-ID",
                                                "X-Sourcegraph-Executor-Name")],
            [f"Bearer {TOKEN}", "42", call(w, "dequeue").json["executorName"]]))
row("1.2", "files: Bearer and the job token", "path_in_url",
    lambda w: equal(call(w, "file1").headers["Authorization"], f"Bearer {TOKEN}"))
row("1.2", "a job without a token: token-executor, with the job headers", "no_token",
    lambda w: equal([call(w, "markComplete").headers[h] for h in
                     ("Authorization", "X-Sourcegraph-Job-ID")],
                    [f"token-executor {PASSWORD}", "42"]))
row("1.2", "a heartbeat with this name comes before any job call", "one_job",
    lambda w: equal(w.frontend.calls[0].name, "heartbeat"))
row("1.2", "all log writes are over before the mark", "one_job",
    lambda w: all(c.at < w.frontend.marks()[0].at for c in w.frontend.calls
                  if c.name.endswith("LogEntry")))
row("1.2", "a refused password ends the program with status 1 and says which setting", "wrong_password",
    lambda w: equal(w.status, 1) or has(w.log, "EXECUTOR_FRONTEND_PASSWORD", "***"))
row("1.2", "the password is in no message", "wrong_password", lambda w: PASSWORD not in w.log)

# --- 1.3 endpoints

row("1.3", "one queue: heartbeat and dequeue have it in the path", "running_job",
    lambda w: equal({c.path for c in w.frontend.of("heartbeat") + w.frontend.of("dequeue")},
                    {f"/.executors/queue/batches/{n}" for n in ("heartbeat", "dequeue")}))
row("1.3", "several queues: heartbeat and dequeue have none in the path", "several_queues",
    lambda w: equal({c.path for c in w.frontend.of("heartbeat") + w.frontend.of("dequeue")},
                    {"/.executors/queue/heartbeat", "/.executors/queue/dequeue"}))
row("1.3", "several queues: job calls have the job's queue in the path", "several_queues",
    lambda w: equal({c.path for c in w.frontend.of("markComplete")},
                    {"/.executors/queue/codeintel/markComplete",
                     "/.executors/queue/batches/markComplete"}))
row("1.3", "a step that fails: markErrored or markFailed", "step_fails",
    lambda w: has("markErrored markFailed", w.frontend.marks()[0].name))

# --- 1.4 statuses and reactions

row("1.4", "dequeue fails: the poll goes on", "dequeue_500",
    lambda w: len(w.frontend.of("dequeue")) >= 3)
row("1.4", "dequeue fails: heartbeats go on", "dequeue_500",
    lambda w: len(w.frontend.of("heartbeat")) >= 2)
row("1.4", "an entry that cannot be added makes the job errored", "add_refused",
    lambda w: equal([m.name for m in w.frontend.marks()], ["markErrored"]))
row("1.4", "mark answered 404: logged, the executor goes on", "answers_final",
    lambda w: equal(w.status, 0) or len(w.frontend.of("dequeue")) >= 8)
row("1.4", "a file that is not there: no Job is made", "file_missing",
    lambda w: equal((len(w.kube.created["jobs"]), len(w.kube.created["secrets"])), (0, 0)))
row("1.4", "a file that is not there: the job is marked and the message names it", "file_missing",
    lambda w: has(w.frontend.marks()[0].json["errorMessage"], "a.sh"))
row("1.4", "an add whose answer was lost is not made twice", "answer_lost",
    lambda w: equal(len(w.frontend.keys()) - len(set(w.frontend.keys())), 0))
row("1.4", "a payload that makes no sense is marked failed with the reason", "unusable_payload",
    lambda w: equal(w.frontend.marks()[0].name, "markFailed") or
    has(w.frontend.marks()[0].json["errorMessage"], "dockerSteps"))

# --- 1.5 dequeue


def dequeue_body(world):
    body = call(world, "dequeue").json
    if not re.fullmatch("ex-" + UUID, body.pop("executorName")):
        raise AssertionError("executorName is not <hostname>-<uuid4>")
    return body


row("1.5", "exact body, one queue", "one_job",
    lambda w: equal(dequeue_body(w), {"version": "0.0.0+dev", "numCPUs": 4, "memory": "12G",
                                      "diskSpace": "20G"}))
row("1.5", "exact body, several queues: each once, sorted", "several_queues",
    lambda w: equal(dequeue_body(w), {"queues": ["batches", "codeintel"], "version": "0.0.0+dev",
                                      "numCPUs": 4, "memory": "12G", "diskSpace": "20G"}))
row("1.5", "204: nothing there, asked again after the poll interval", "one_job",
    lambda w: 204 in [c.status for c in w.frontend.of("dequeue")])
row("1.5", "payload V1: content is plain text", "no_token",
    lambda w: has(json.dumps(w.kube.job()), "as it is"))
row("1.5", "the same name in every call", "one_job",
    lambda w: equal(len({c.json["executorName"] for c in w.frontend.calls if c.body}), 1))

# --- 1.6 heartbeat

HOST = {"os": "linux", "dockerVersion": "", "igniteVersion": "", "srcCliVersion": "",
        "executorVersion": "0.0.0+dev"}
NO_HOST = dict.fromkeys(("os", "architecture", "dockerVersion", "executorVersion", "gitVersion",
                         "igniteVersion", "srcCliVersion", "prometheusMetrics"), "")


def beat(world, n=1):
    """The body of a heartbeat without what differs from machine to machine."""
    body = call(world, "heartbeat", n).json
    return {k: v for k, v in body.items()
            if k not in ("executorName", "architecture", "gitVersion", "prometheusMetrics")}


row("1.6", "ping, one queue: all strings empty, no jobIds", "one_job",
    lambda w: equal({k: v for k, v in call(w, "heartbeat").json.items() if k != "executorName"},
                    {"version": "", **NO_HOST}))
row("1.6", "ping, several queues: queueNames as well", "several_queues",
    lambda w: equal({k: v for k, v in call(w, "heartbeat").json.items() if k != "executorName"},
                    {"version": "", "queueNames": ["batches", "codeintel"], **NO_HOST}))
row("1.6", "one queue, idle: version V2, jobIds null", "dequeue_500",
    lambda w: equal(beat(w), {"version": "V2", "jobIds": None, **HOST}))
row("1.6", "one queue: jobIds are integers", "running_job",
    lambda w: equal(beat(w), {"version": "V2", "jobIds": [42], **HOST}))
row("1.6", "several queues: version empty, ids as strings, by queue, sorted", "several_queues",
    lambda w: equal(beat(w), {"version": "", "queueNames": ["batches", "codeintel"],
                              "jobIdsByQueue": [
                                  {"queueName": "batches", "jobIds": ["12", "7"]},
                                  {"queueName": "codeintel", "jobIds": ["7"]}], **HOST}))
row("1.6", "architecture is Go's name", "running_job",
    lambda w: has("amd64 arm64 arm 386 riscv64", call(w, "heartbeat", 1).json["architecture"]))
row("1.6", "gitVersion is git's, without the words before it", "running_job",
    lambda w: re.match(r"\d+\.\d+", call(w, "heartbeat", 1).json["gitVersion"]) is not None)
row("1.6", "the first beat comes 5 s after the start, also while idle", "dequeue_500",
    lambda w: 4.5 < call(w, "heartbeat", 1).at - call(w, "heartbeat").at < 9)
row("1.6", "an answer with numbers for ids and other capitals is understood", "numbers_for_ids",
    lambda w: equal(w.frontend.marks()[0].name, "markComplete"))

# --- 1.7 log entries


def entry(world, key):
    value = dict(world.frontend.log(key))
    for name in ("executorName", "startTime", "durationMs", "entryId"):
        value.pop(name, None)
    return value


RUN = "step.kubernetes.step.0.run"
row("1.7", "add: the entry's fields, no entryId, no exitCode, no durationMs", "running_job",
    lambda w: equal(sorted(k for k in call(w, "addExecutionLogEntry").json if k != "out"),
                    ["command", "executorName", "jobId", "key", "startTime"]))
row("1.7", "update: everything again, with the id that add answered", "one_job",
    lambda w: equal({c.json["key"]: c.json["entryId"]
                     for c in w.frontend.of("updateExecutionLogEntry")},
                    {key: i for i, key in enumerate(w.frontend.keys(), 1)}))
row("1.7", "exitCode is there even when 0", "one_job",
    lambda w: equal(w.frontend.log(RUN)["exitCode"], 0))
row("1.7", "exitCode is the container's", "step_fails",
    lambda w: equal(w.frontend.log(RUN)["exitCode"], 7))
row("1.7", "durationMs is a whole number", "one_job",
    lambda w: isinstance(w.frontend.log(RUN)["durationMs"], int))
row("1.7", "out is left out when empty", "one_job",
    lambda w: "out" not in w.frontend.log("step.kubernetes.step.0.post"))
row("1.7", "startTime is RFC 3339 with a zone", "one_job",
    lambda w: re.fullmatch(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(\.\d{1,9})?Z",
                           w.frontend.log(RUN)["startTime"]) is not None)
row("1.7", "command of setup.workspace and of the teardown is null", "one_job",
    lambda w: equal([w.frontend.log(k)["command"] for k in ("setup.workspace",
                                                            "teardown.kubernetes.job")], [None] * 2))

# --- 1.8 marks

row("1.8", "complete: exact body", "one_job",
    lambda w: equal(call(w, "markComplete").json,
                    {"executorName": call(w, "dequeue").json["executorName"], "jobId": 42}))
row("1.8", "failed or errored: errorMessage as well, nothing else", "step_fails",
    lambda w: equal(sorted(w.frontend.marks()[0].json), ["errorMessage", "executorName", "jobId"]))
row("1.8", "the message names the step that failed", "step_fails",
    lambda w: has(w.frontend.marks()[0].json["errorMessage"], RUN))
row("1.8", "marked once", "one_job", lambda w: equal(len(w.frontend.marks()), 1))

# --- 1.9 files

row("1.9", "GET /.executors/files/<bucket>/<key>", "path_in_url",
    lambda w: equal((call(w, "file1").method, call(w, "file1").path),
                    ("GET", "/sub/.executors/files/batch-changes/spec1/file1")))
row("1.9", "files are fetched before the Job is made", "path_in_url",
    lambda w: has(json.dumps(w.kube.job()), "echo hi"))

# --- 9 log entries in detail

row("9.2", "secrets are masked in the output, with their replacement", "one_job",
    lambda w: has(w.frontend.log(RUN)["out"], "hello ${{ secrets.GITHUB_TOKEN }}"))
row("9.2", "no call carries a secret but its own authorization", "one_job",
    lambda w: all(b"s3cr3tvalue" not in c.body for c in w.frontend.calls))
row("9.3", "every line begins with \"stdout: \", CR before LF is dropped, the last line ends", "one_job",
    lambda w: equal(w.frontend.log(RUN)["out"],
                    "stdout: hello ${{ secrets.GITHUB_TOKEN }}\nstdout: no newline at the end\n"))
row("9.4", "single pod: the entries and their order", "one_job",
    lambda w: equal(w.frontend.keys(),
                    ["setup.workspace"] + [f"step.kubernetes.step.0.{s}"
                                           for s in ("pre", "run", "post")]
                    + ["main", "teardown.kubernetes.job", "teardown.fs"]))
row("9.4", "argv of a step: the shell and its script, <id>.<step>_<repository>@<commit>.sh", "one_job",
    lambda w: equal(w.frontend.log(RUN)["command"],
                    ["/bin/sh", "/job/.sourcegraph-executor/42.1_github.com_acme_widgets@"
                     + payload()["commit"] + ".sh"]))
row("9.4", "steps after one that failed have no entries", "step_fails",
    lambda w: "step.kubernetes.step.0.post" not in w.frontend.keys())
row("9.4", "the teardown's exit code is 0", "one_job",
    lambda w: equal(w.frontend.log("teardown.kubernetes.job")["exitCode"], 0))
