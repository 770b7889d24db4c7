"""Contract section 4: the main loop; issue of queues and ids."""
import datetime
import re
import signal
import subprocess
import tempfile
import time

from clock import elapsed
from frontend import Frontend, payload, step
from kube import Script, status
from suite import equal, has, row, scenario

ONE = [step("step.0.run")]


def brief(id=42, **changes):
    return payload(id, dockerSteps=ONE, **changes)


def dequeued(world):
    return [c for c in world.frontend.of("dequeue") if c.status == 200]


def mark(world, n=0):
    return world.frontend.marks()[n]


def stop_idle(number):
    def play(w):
        w.start().called("dequeue")
        w.executor.signal(number)
        w.since = time.monotonic()
        w.ended()
        w.took = elapsed(w.since, time.monotonic())
    play.__name__ = "idle_" + signal.Signals(number).name
    return scenario(play)


for number in (signal.SIGTERM, signal.SIGINT, signal.SIGHUP):
    stop_idle(number)
    row("4", f"{signal.Signals(number).name} with nothing running: status 0 within a second",
        "idle_" + signal.Signals(number).name, lambda w: equal(w.status, 0) or w.took < 1)


@scenario
def drain(w):
    """A signal while a job runs and another one waits in the queue."""
    w.start(brief(1), script=Script(hold=True)).called("addExecutionLogEntry")
    w.executor.signal()
    w.frontend.offer(brief(2))
    w.signalled = time.monotonic()
    w.called("heartbeat", 3)
    w.running_then = w.executor.process.poll() is None
    w.kube.release()
    w.ended()


row("4", "a signal: nothing is dequeued any more", "drain",
    lambda w: equal([c for c in w.frontend.of("dequeue") if c.at > w.signalled + 0.1], []))
row("4", "a signal: the running job goes on", "drain", lambda w: w.running_then)
row("4", "a signal: the running job ends as it would have", "drain",
    lambda w: equal([(m.name, m.json["jobId"]) for m in w.frontend.marks()], [("markComplete", 1)]))
row("4", "a signal: heartbeats go on, with the job", "drain",
    lambda w: equal(w.frontend.of("heartbeat")[2].json["jobIds"], [1]))
row("4", "a signal: status 0 after the last job", "drain", lambda w: equal(w.status, 0))


@scenario
def second_signal(w):
    w.start(brief(), script=Script(hold=True)).called("addExecutionLogEntry")
    w.executor.signal()
    w.executor.signal(signal.SIGINT)
    w.since = time.monotonic()
    w.ended()
    w.took = elapsed(w.since, time.monotonic())


row("4", "a second signal: jobs are stopped, objects deleted (11.2: not left behind)", "second_signal",
    lambda w: equal([len(m) for m in w.kube.made.values()], [0] * 4))
row("4", "a second signal: no mark, so that the server gives the job to another executor",
    "second_signal", lambda w: equal(w.frontend.marks(), []))
row("4", "a second signal: the log says why the job ended", "second_signal",
    lambda w: has(w.frontend.log("teardown.kubernetes.job")["key"], "teardown") or
    equal(w.frontend.log("teardown.kubernetes.job")["exitCode"], 0))
row("4", "a second signal: status 0, soon", "second_signal",
    lambda w: equal(w.status, 0) or w.took < 10)


@scenario
def total_jobs(w):
    w.start(brief(1), brief(2), brief(3), EXECUTOR_NUM_TOTAL_JOBS="2").ended()


row("4", "EXECUTOR_NUM_TOTAL_JOBS: so many are dequeued", "total_jobs",
    lambda w: equal(len(dequeued(w)), 2))
row("4", "EXECUTOR_NUM_TOTAL_JOBS: and finished, then status 0", "total_jobs",
    lambda w: equal((w.status, [m.name for m in w.frontend.marks()]), (0, ["markComplete"] * 2)))


@scenario
def total_failed_dequeues(w):
    w.start(brief(1), rules=[("dequeue", (204, b""), (501, "no"))],
            EXECUTOR_NUM_TOTAL_JOBS="1").ended()


row("4", "EXECUTOR_NUM_TOTAL_JOBS counts successful dequeues", "total_failed_dequeues",
    lambda w: equal(len(w.frontend.marks()), 1))


def one_more_beat(w):
    w.called("heartbeat", len(w.frontend.of("heartbeat")) + 1)


@scenario
def active_time(w):
    w.start(brief(1), script=Script(hold=True), EXECUTOR_MAX_ACTIVE_TIME="3s",
            EXECUTOR_MAXIMUM_NUM_JOBS="2").called("addExecutionLogEntry")
    w.until(lambda: "EXECUTOR_MAX_ACTIVE_TIME" in w.executor.log, "the limit")
    one_more_beat(w)  # by then a dequeue that was underway is over
    w.frontend.offer(brief(2))
    one_more_beat(w)
    w.running_then = w.executor.process.poll() is None
    w.kube.release()
    w.ended()


row("4", "EXECUTOR_MAX_ACTIVE_TIME: then no dequeue", "active_time",
    lambda w: equal(len(dequeued(w)), 1))
row("4", "EXECUTOR_MAX_ACTIVE_TIME: running jobs finish, status 0", "active_time",
    lambda w: equal((w.running_then, w.status, mark(w).name), (True, 0, "markComplete")))


@scenario
def slots(w):
    """More jobs than slots."""
    w.start(*[brief(i) for i in range(1, 7)], script=Script(hold=True), EXECUTOR_MAXIMUM_NUM_JOBS="2")
    w.until(lambda: len(w.kube.made["jobs"]) == 2, "two Jobs")
    time.sleep(0.4)
    w.full = len(w.frontend.of("dequeue"))
    w.kube.release()
    w.marked(6).stopped()


row("4", "EXECUTOR_MAXIMUM_NUM_JOBS: never more Jobs at a time", "slots",
    lambda w: equal(w.kube.most, 2))
row("4", "no dequeue while no slot is free", "slots", lambda w: equal(w.full, 2))
row("4", "every job gets its turn", "slots",
    lambda w: equal(sorted(m.json["jobId"] for m in w.frontend.marks()), [1, 2, 3, 4, 5, 6]))


@scenario
def polling(w):
    w.start(brief(1), brief(2), script=Script(hold=True), EXECUTOR_QUEUE_POLL_INTERVAL="5s",
            EXECUTOR_MAXIMUM_NUM_JOBS="4").called("dequeue", 5)
    w.kube.release()
    w.marked(2).stopped()


def gaps(world):
    calls = world.frontend.of("dequeue")
    return [round(b.at - a.at, 2) for a, b in zip(calls, calls[1:])]


row("4", "after a job: dequeue again at once", "polling", lambda w: max(gaps(w)[:2]) < 4.9)
row("4", "after an empty dequeue: the poll interval", "polling", lambda w: min(gaps(w)[2:4]) > 4.95)


@scenario
def runtime_waiting(w):
    w.start(brief(), script=Script(waiting=("ContainerCreating", "")),
            EXECUTOR_MAXIMUM_RUNTIME_PER_JOB="5s").marked().stopped()


@scenario
def runtime(w):
    w.start(brief(), script=Script(hold=True), EXECUTOR_MAXIMUM_RUNTIME_PER_JOB="5s").marked().stopped()


row("4", "EXECUTOR_MAXIMUM_RUNTIME_PER_JOB: the text, with the limit as Go prints it", "runtime",
    lambda w: has(mark(w).json["errorMessage"],
                  "job exceeded maximum execution time of 5s: setup.workspace has not ended"))
row("4", "EXECUTOR_MAXIMUM_RUNTIME_PER_JOB: a pod that never started: what it waits for",
    "runtime_waiting", lambda w: has(mark(w).json["errorMessage"], "its pod never started: "
                                     "container setup-workspace waits on node node-1 "
                                     "for its image or a volume (ContainerCreating)"))
row("4", "EXECUTOR_MAXIMUM_RUNTIME_PER_JOB: objects are deleted", "runtime",
    lambda w: equal([len(m) for m in w.kube.made.values()], [0] * 4))
row("4", "EXECUTOR_MAXIMUM_RUNTIME_PER_JOB: errored, not failed", "runtime",
    lambda w: equal(mark(w).name, "markErrored"))


@scenario
def unknown_id(w):
    """The heartbeat's answer does not know a running job; the other one it does."""
    w.start(brief(42), brief(43), script=Script(hold=True), EXECUTOR_MAXIMUM_NUM_JOBS="2")
    w.until(lambda: len(w.kube.made["pods"]) == 2, "two pods")
    w.frontend.unknown.add("42")
    w.marked()
    w.pods_then = sorted(w.kube.made["pods"])
    w.kube.release()
    w.marked(2).stopped()


row("4", "an unknown id: that job is stopped and deleted", "unknown_id",
    lambda w: equal(w.pods_then, ["sg-executor-job-batches-43"]))
row("4", "an unknown id: markErrored, not failed", "unknown_id",
    lambda w: equal((mark(w).name, mark(w).json["jobId"]), ("markErrored", 42)))
row("4", "an unknown id: the others go on", "unknown_id",
    lambda w: equal((mark(w, 1).name, mark(w, 1).json["jobId"]), ("markComplete", 43)))


@scenario
def cancel_id(w):
    w.start(brief(42), script=Script(hold=True)).called("addExecutionLogEntry")
    w.frontend.cancel.add("42")
    w.marked().stopped()


row("4", "a cancel id: the Job is deleted", "cancel_id",
    lambda w: equal(w.kube.deleted["jobs"], ["sg-executor-job-batches-42"]))
row("4", "a cancel id: markFailed (operations 12e.9)", "cancel_id",
    lambda w: equal(mark(w).name, "markFailed"))
row("4", "a cancel id: the teardown is in the log", "cancel_id",
    lambda w: has(" ".join(w.frontend.keys()), "teardown.kubernetes.job"))


@scenario
def given_anew(w):
    """The server has taken a job back, and hands it out again, with another token, while it runs
    here."""
    w.start(brief(42, token="old"), script=Script(hold=True, then=Script()),
            EXECUTOR_MAXIMUM_NUM_JOBS="2")
    w.until(lambda: w.kube.made["pods"], "a pod")
    w.frontend.offer(brief(42, token="new"))
    w.marked().stopped()


row("4", "a job given anew: the earlier run ends first, and is not marked", "given_anew",
    lambda w: equal((w.kube.most, len(w.kube.names)), (1, 2)) or
    equal([m.name for m in w.frontend.marks()], ["markComplete"]))
row("4", "a job given anew: its new token is used", "given_anew",
    lambda w: equal(mark(w).headers["Authorization"], "Bearer new"))
row("4", "a job given anew: nothing is left", "given_anew",
    lambda w: equal([len(made) for made in w.kube.made.values()], [0] * 4))


@scenario
def given_anew_twice(w):
    """Once more before the earlier run has ended."""
    w.start(brief(42, token="old"), script=Script(hold=True, then=Script()),
            EXECUTOR_MAXIMUM_NUM_JOBS="2")
    w.until(lambda: w.kube.made["pods"], "a pod")
    w.kube.refusals[("delete", "jobs")] = [status(503, "ServiceUnavailable", "sick")] * 100000
    w.frontend.offer(brief(42, token="new"), brief(42, token="newest"))
    w.until(lambda: len(dequeued(w)) == 3, "all of it")
    w.kube.refusals.clear()
    w.marked().stopped()


row("4", "a job given anew twice: its last token is used", "given_anew_twice",
    lambda w: equal([(m.name, m.headers["Authorization"]) for m in w.frontend.marks()],
                    [("markComplete", "Bearer newest")]))


@scenario
def duplicate_id(w):
    """The server hands out a job that runs here already."""
    w.start(brief(42), brief(42), brief(43), script=Script(hold=True), EXECUTOR_MAXIMUM_NUM_JOBS="2")
    w.until(lambda: len(w.kube.made["jobs"]) == 2, "two Jobs")
    w.kube.release()
    w.marked(2).stopped()


row("4", "a duplicate id: said in the log, the slot is given back", "duplicate_id",
    lambda w: has(w.log, "job already exists") or equal(len(dequeued(w)), 3))
row("4", "a duplicate id: the running job is not touched", "duplicate_id",
    lambda w: equal(sorted((m.name, m.json["jobId"]) for m in w.frontend.marks()),
                    [("markComplete", 42), ("markComplete", 43)]))


@scenario
def beats_fail(w):
    w.start(brief(), script=Script(hold=True), rules=[
        ("heartbeat", (200, "{}"), (500, "x"), (200, "not JSON"))])
    w.called("heartbeat", 4)
    w.kube.release()
    w.marked().stopped()


row("4", "heartbeats that fail do not end a job", "beats_fail",
    lambda w: equal(mark(w).name, "markComplete"))
row("4", "heartbeats that fail: the next one comes after 5 s, no sooner", "beats_fail",
    lambda w: all(b.at - a.at > 4.9 for a, b in zip(w.frontend.of("heartbeat"),
                                                    w.frontend.of("heartbeat")[1:])))


@scenario
def slow_start(w):
    """The frontend needs a while."""
    w.start(brief(), rules=[("heartbeat", (503, ""), (500, ""), (502, ""))]).marked().stopped()


row("4", "ping until it is answered, once a second", "slow_start",
    lambda w: all(0.9 < b.at - a.at and elapsed(a.at, b.at) < 3 for a, b in zip(w.frontend.of("heartbeat")[:4],
                                                          w.frontend.of("heartbeat")[1:4])))
row("4", "no dequeue before the ping was answered", "slow_start",
    lambda w: w.frontend.of("dequeue")[0].at > w.frontend.of("heartbeat")[3].at)


@scenario
def unreachable(w):
    w.frontend = Frontend()
    since, date = time.monotonic(), datetime.datetime.now(datetime.timezone.utc)
    w.start(EXECUTOR_FRONTEND_URL="http://127.0.0.1:9")
    w.until(lambda: "waiting for the frontend" in w.executor.log, "a log line")
    told = re.search(r"t=(\S+)Z .*waiting for the frontend", w.executor.log)[1] + "+00:00"
    w.took = elapsed(since, since + (datetime.datetime.fromisoformat(told) - date).total_seconds())
    w.alive = w.executor.process.poll() is None
    w.stopped()


row("4", "an unreachable frontend: waited for, with a log line within 5 s (operations 12b.10)",
    "unreachable", lambda w: w.alive and w.took < 5)
row("4", "an unreachable frontend: the line names the setting", "unreachable",
    lambda w: has(w.log, "EXECUTOR_FRONTEND_URL", "127.0.0.1:9"))


@scenario
def reported(w):
    w.start(EXECUTOR_JOB_NUM_CPUS="0", EXECUTOR_FIRECRACKER_MEMORY="8G",
            EXECUTOR_FIRECRACKER_DISK_SPACE="9G", LUNEXEC_REPORTED_VERSION="5.6.185",
            HOSTNAME="pod-1").called("dequeue").stopped()


row("1.5", "numCPUs is left out when 0; the older names of settings are read", "reported",
    lambda w: equal({k: v for k, v in w.frontend.of("dequeue")[0].json.items()
                     if k != "executorName"},
                    {"version": "5.6.185", "memory": "8G", "diskSpace": "9G"}))
row("1.5", "the name begins with HOSTNAME", "reported",
    lambda w: w.frontend.of("dequeue")[0].json["executorName"].startswith("pod-1-"))

# --- several queues


@scenario
def two_queues(w):
    """Equal ids in both queues, one cancelled, one no longer known."""
    w.start(brief(7, queue="batches"), brief(7, queue="codeintel"), brief(8, queue="codeintel"),
            script=Script(hold=True), EXECUTOR_MAXIMUM_NUM_JOBS="3",
            EXECUTOR_QUEUE_NAMES="batches,codeintel")
    w.until(lambda: len(w.kube.made["pods"]) == 3, "three pods")
    w.frontend.cancel.add("7-codeintel")
    w.frontend.unknown.add("8-codeintel")
    w.marked(2)
    w.kube.release()
    w.marked(3).stopped()


def outcome(world):
    return sorted((m.path.split("/")[-2], m.json["jobId"], m.name) for m in world.frontend.marks())


row("1.6", "several queues: equal ids of two queues are two jobs (contract 11.1)", "two_queues",
    lambda w: equal(sorted(w.kube.names), ["sg-executor-job-batches-7", "sg-executor-job-codeintel-7",
                                           "sg-executor-job-codeintel-8"]))
row("1.6", "several queues: cancel and unknown ids hit the right jobs", "two_queues",
    lambda w: equal(outcome(w), [("batches", 7, "markComplete"), ("codeintel", 7, "markFailed"),
                                 ("codeintel", 8, "markErrored")]))


@scenario
def queue_in_payload(w):
    """One queue configured, but the payload carries a queue (contract 11.3)."""
    w.start(brief(42, queue="batches"), script=Script(hold=True)).called("heartbeat", 2)
    w.kube.release()
    w.marked().stopped()


row("11.3", "one queue, and a queue in the payload: the id is sent as a number", "queue_in_payload",
    lambda w: equal(w.frontend.of("heartbeat")[1].json["jobIds"], [42]))
row("11.3", "one queue, and a queue in the payload: the job is not taken for unknown",
    "queue_in_payload", lambda w: equal(mark(w).name, "markComplete"))


@scenario
def one_of_names(w):
    w.start(brief(7, queue="batches"), EXECUTOR_QUEUE_NAMES="batches").marked().stopped()


row("3.2", "EXECUTOR_QUEUE_NAMES with one name: the multi-queue calls", "one_of_names",
    lambda w: equal((w.frontend.of("dequeue")[0].path, w.frontend.of("dequeue")[0].json["queues"]),
                    ("/.executors/queue/dequeue", ["batches"])))

# --- TLS


def with_certificate(w, trusted):
    with tempfile.TemporaryDirectory() as folder:
        subprocess.run(["openssl", "req", "-x509", "-newkey", "ec", "-pkeyopt",
                        "ec_paramgen_curve:prime256v1", "-nodes", "-days", "2", "-subj", "/CN=test",
                        "-addext", "subjectAltName=IP:127.0.0.1", "-keyout", f"{folder}/key.pem",
                        "-out", f"{folder}/cert.pem"], check=True, capture_output=True)
        w.frontend = Frontend(tls=folder)
        w.start(SSL_CERT_FILE=f"{folder}/cert.pem" if trusted else None)
        if trusted:
            w.called("dequeue")
        else:
            w.until(lambda: "waiting for the frontend" in w.executor.log, "a log line")
        w.stopped()


@scenario
def own_authority(w):
    with_certificate(w, True)


@scenario
def unknown_authority(w):
    with_certificate(w, False)


@scenario
def no_authority(w):
    w.start(SSL_CERT_FILE="/no/such/bundle.pem").ended()


row("1.1", "SSL_CERT_FILE is trusted, as the original's runtime does", "own_authority",
    lambda w: len(w.frontend.of("dequeue")) >= 1)
row("1.1", "an unknown authority is not trusted", "unknown_authority",
    lambda w: equal(w.frontend.calls, []) or has(w.log.lower(), "certificate"))
row("3.1", "SSL_CERT_FILE that is not there: one line, status 1", "no_authority",
    lambda w: equal((w.status, w.log.count("\n")), (1, 1)) or
    has(w.log, 'invalid SSL_CERT_FILE "/no/such/bundle.pem"'))
