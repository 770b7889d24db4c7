"""What becomes of a job when the executor is killed, and starts again with its state directory."""
import json
import re
import struct
import time

from frontend import Frontend, payload
from kube import Kube, Script, status
from outcomes import AGAIN, CONTAINER, NAME, ONE, RUN, again_within, ended
from suite import equal, has, row, scenario

TEXT = "one\ntwo\nthree\n"


def entries(w):
    """The log entries as the frontend has them in the end, in their order."""
    found = []
    for call in list(w.frontend.calls):
        if call.name == "addExecutionLogEntry" and call.status == 200:
            found.append(dict(call.json, shown=[]))
        elif call.name == "updateExecutionLogEntry" and call.status == 204:
            entry = found[call.json["entryId"] - 1]
            entry.update(call.json)
            entry["shown"].append(call.json.get("out", ""))
    return found


def of(w, key):
    return [e for e in entries(w) if e["key"] == key]


def never_taken_back(w):
    for entry in entries(w):
        for before, later in zip(entry["shown"], entry["shown"][1:]):
            if not later.startswith(before):
                raise AssertionError(f"{entry['key']}: {before!r} became {later!r}")


def none_open(w):
    """The last entry of each key has an exit code."""
    last = {e["key"]: e for e in entries(w)}
    equal([key for key, e in last.items() if e.get("exitCode") is None], [])


def shown(w, key, text):
    w.until(lambda: any(text in e.get("out", "") for e in of(w, key)), f"{text!r} in {key}")


def begin(w, script, stubborn=False, **settings):
    w.kube, w.frontend = Kube(script), Frontend()
    w.kube.stubborn = stubborn
    w.start(payload(dockerSteps=ONE), keep_state=True, **settings)


def held(**more):
    return Script(logs={"setup-workspace": TEXT, CONTAINER: TEXT}, hold=True, **more)


def restarted(w, meanwhile=None):
    """Kills the executor and starts it again, until it takes up its jobs."""
    w.executor.kill()
    if meanwhile:
        meanwhile()
    adoptions = w.executor.log.count("taking up jobs")
    w.executor.start()
    w.until(lambda: w.executor.log.count("taking up jobs") > adoptions, "adoption")


def log_reads(w, container):
    """How many times the container's log has been read."""
    return len([c for c in list(w.kube.calls) if c.path.endswith("/log") and c.status == 200 and
                f"container={container}" in c.query])


def read_again(w, n, container):
    """Waits until the container's log has been read more than n times."""
    w.until(lambda: log_reads(w, container) > n, f"log of {container} read again")


def terminated(w, container):
    """Waits until the pod's status shows that the container has terminated."""

    def ended_so():
        shows = w.kube.made["pods"][NAME]["status"]
        return any(c["name"] == container and "terminated" in c["state"]
                   for c in shows["initContainerStatuses"] + shows["containerStatuses"])

    w.until(ended_so, f"end of {container}")


def journal_of(w):
    """The path of the executor's journal."""
    return w.executor.log_path.with_name("state") / "journal"


def kept(w, pattern):
    """Waits until the journal has what the pattern (of bytes) matches."""
    w.until(lambda: journal_of(w).exists() and re.search(pattern, journal_of(w).read_bytes()),
            f"{pattern!r} in the journal")


def remove_behind_its_back(w, name=NAME):
    with w.kube.lock:
        w.kube.stubborn = False
        if name in w.kube.made["jobs"]:
            w.kube.delete("jobs", name, {})


def marked_once(w, mark, *words):
    equal([m.name for m in w.frontend.marks()], [mark])
    has(w.frontend.marks()[0].json.get("errorMessage", ""), *words)


def restart_row(sentence, on, check):
    row("R", sentence, on, check)
    row("R", "and nothing that was shown is taken back", on, never_taken_back)
    row("R", "and nothing is left", on,
        lambda w: equal([len(made) for made in w.kube.made.values()], [0] * 4))


@scenario
def evicted_after_restart(w):
    script = ended("Evicted")
    script.hold, script.logs, script.then = True, {"setup-workspace": TEXT}, Script()
    begin(w, script, **AGAIN)
    shown(w, "setup.workspace", "three")
    restarted(w)
    w.kube.release()
    w.marked().stopped()


restart_row("a job that was taken up is run again when the cluster fails it", "evicted_after_restart",
            lambda w: equal(w.kube.names, [NAME, NAME + "-attempt-2"]) or
            marked_once(w, "markComplete"))


@scenario
def memory_after_restart(w):
    begin(w, held(exits={CONTAINER: 137}, reasons={CONTAINER: "OOMKilled"}),
          EXECUTOR_KUBERNETES_RESOURCE_LIMIT_MEMORY="3Gi")
    shown(w, "setup.workspace", "three")
    restarted(w)
    w.kube.release()
    w.marked().stopped()


restart_row("a container's memory limit is known after a restart", "memory_after_restart",
            lambda w: marked_once(w, "markErrored", "step step.0.run: killed, out of memory (limit 3Gi)"))


@scenario
def killed_while_clearing(w):
    """The first attempt's Job does not go away, the frontend does not take its logs; when both has
    passed, the executor is away."""
    script = ended("Evicted")
    script.logs, script.then = {CONTAINER: TEXT}, Script(logs={CONTAINER: TEXT})
    begin(w, script, stubborn=True, **AGAIN,
          rules=[("updateExecutionLogEntry", *[(500, "sick")] * 100000)])
    w.until(lambda: len(w.kube.deleted["jobs"]) > 1, "two deletions")
    w.executor.kill()
    remove_behind_its_back(w)
    w.frontend.rules.clear()
    w.executor.start()
    w.marked().stopped()


restart_row("that another attempt follows is not forgotten", "killed_while_clearing",
            lambda w: equal(w.kube.names, [NAME, NAME + "-attempt-2"]) or
            marked_once(w, "markComplete"))
row("R", "and the log of the attempt before is delivered, though its pod is gone",
    "killed_while_clearing", lambda w: has(
        of(w, RUN)[0]["out"], "stdout: one\nstdout: two\nstdout: three\n") or
    has(of(w, "main")[0]["out"], "attempt 1 ended (evicted)"))
row("R", "and each attempt has its own entries", "killed_while_clearing",
    lambda w: equal([e["exitCode"] for e in of(w, RUN)], [0, 0]))


def unscheduled(w):
    """The pod's status has news, and its logs cannot be read."""
    w.kube.refusals[("get", "pods")] = [status(503, "ServiceUnavailable", "sick")] * 100000
    pod = w.kube.made["pods"][NAME]
    with w.kube.lock:
        pod["status"]["conditions"] = [{"type": "PodScheduled", "status": "False",
                                        "reason": "Unschedulable", "message": "0/1 nodes"}]
        w.kube.event("MODIFIED", pod)


@scenario
def news_before_the_log(w):
    begin(w, held())
    shown(w, "setup.workspace", "three")
    restarted(w, lambda: unscheduled(w))
    w.until(lambda: any(c.path.endswith("/log") and c.status == 503 for c in w.kube.calls),
            "a log that was refused")
    w.kube.refusals.clear()
    shown(w, "setup.workspace", "0/1 nodes")
    w.kube.release()
    w.marked().stopped()


restart_row("what the pod's status tells before its log is read again follows what was shown",
            "news_before_the_log", lambda w: has(
                of(w, "setup.workspace")[0]["out"],
                "three\nstdout: [lunexec] waiting for a node: 0/1 nodes\n"))


@scenario
def rotated_while_away(w):
    """More is read after the restart than before it, but not from the same line on; twice."""
    def more(text, rotated):
        w.kube.script.logs, w.kube.lost_lines = {"setup-workspace": text}, rotated
    begin(w, held())
    shown(w, "setup.workspace", "three")
    restarted(w, lambda: more(TEXT + "four\n" * 5, 2))
    shown(w, "setup.workspace", "four")
    restarted(w)
    w.kube.release()
    w.marked().stopped()


restart_row("a log whose beginning was rotated away meanwhile goes on in a second entry",
            "rotated_while_away", lambda w: marked_once(w, "markComplete") or equal(
                [e["out"].split("\n", e["out"].count("goes on from the entry before"))[-1]
                 for e in of(w, "setup.workspace")],
                ["stdout: one\nstdout: two\nstdout: three\n",
                 "stdout: three\n" + "stdout: four\n" * 5]))


@scenario
def killed_in_second_attempt(w):
    script = ended("Evicted")
    script.logs, script.then = {"setup-workspace": TEXT, CONTAINER: TEXT}, held()
    begin(w, script, **AGAIN)
    w.until(lambda: len(of(w, "setup.workspace")) == 2 and
            "three" in of(w, "setup.workspace")[1].get("out", ""), "output of attempt 2")
    restarted(w)
    w.kube.release()
    w.marked().stopped()


restart_row("a second attempt is gone on with", "killed_in_second_attempt",
            lambda w: equal(w.kube.names, [NAME, NAME + "-attempt-2"]) or
            marked_once(w, "markComplete"))
row("R", "and its log is read, not taken for the first one's", "killed_in_second_attempt",
    lambda w: has(of(w, "setup.workspace")[1]["out"], "attempt 2 begins", "stdout: three\n") or
    has(of(w, RUN)[1]["out"], "stdout: three\n") or equal(len(of(w, RUN)), 2))


@scenario
def pod_gone_while_away(w):
    begin(w, held(), **AGAIN)
    shown(w, "setup.workspace", "three")
    w.executor.kill()
    remove_behind_its_back(w)
    w.kube.release()
    w.executor.start()
    w.marked().stopped()


restart_row("a pod that went while the executor was away: the job is run again", "pod_gone_while_away",
            lambda w: equal(w.kube.names, [NAME, NAME + "-attempt-2"]) or
            marked_once(w, "markComplete"))
row("R", "and no step seems to run on", "pod_gone_while_away", none_open)
row("R", "and the log says which entry is incomplete", "pod_gone_while_away",
    lambda w: has(of(w, "teardown.fs")[0]["out"], "log entry setup.workspace is incomplete"))


@scenario
def killed_while_podless(w):
    begin(w, Script(podless=True, then=Script()), **again_within(6))
    w.until(lambda: w.kube.made["jobs"], "a Job")
    w.executor.kill()
    w.executor.start()
    w.marked().stopped()


restart_row("the policy's grace holds after a restart", "killed_while_podless",
            lambda w: equal(w.kube.names, [NAME, NAME + "-attempt-2"]) or
            marked_once(w, "markComplete"))


@scenario
def cancelled_while_away(w):
    begin(w, held())
    shown(w, "setup.workspace", "three")
    w.executor.kill()
    w.frontend.cancel.add("42")
    w.executor.start()
    w.marked().stopped()


restart_row("a job that was cancelled while the executor was away is marked", "cancelled_while_away",
            lambda w: marked_once(w, "markFailed", "cancelled"))
row("R", "and its steps have ended, though what they wrote since is not read", "cancelled_while_away",
    none_open)


def crc32c(data):
    crc = 0xffffffff
    for byte in data:
        crc ^= byte
        for _ in range(8):
            crc = crc >> 1 ^ (0x82f63b78 if crc & 1 else 0)
    return crc ^ 0xffffffff


def edit_journal(path, edit):
    """Changes the values of its records, not their lengths."""
    out, rest = b"", path.read_bytes()
    while rest:
        kind, key_len, value_len = struct.unpack_from("<BxHI", rest, 4)
        key, value = rest[20:20 + key_len], rest[20 + key_len:20 + key_len + value_len]
        rest = rest[20 + key_len + value_len:]
        value = edit(value) if kind == 1 else value
        head = struct.pack("<4sBxHII", b"LXJ1", kind, key_len, value_len, crc32c(key + value))
        out += head + struct.pack("<I", crc32c(head)) + key + value
    path.write_bytes(out)


@scenario
def machine_rebooted(w):
    """The job began longer ago than the machine's clock that knows no date has been running."""
    begin(w, held())
    shown(w, "setup.workspace", "three")
    w.executor.kill()
    edit_journal(journal_of(w), lambda value: re.sub(
        rb'"started":\d{13}', b'"started":1000000000000', value))
    w.executor.start()
    shown(w, "setup.workspace", "three")
    w.until(lambda: len(w.frontend.of("heartbeat")) > 1, "heartbeats")
    w.kube.release()
    w.marked().stopped()


restart_row("a job that began before the machine was rebooted is gone on with", "machine_rebooted",
            lambda w: marked_once(w, "markComplete") or equal(w.kube.names, [NAME]))


@scenario
def not_yet_confirmed(w):
    """Logs wait to be delivered. The frontend does not answer the first heartbeats of the second
    process."""
    begin(w, Script(logs={CONTAINER: TEXT}),
          rules=[("updateExecutionLogEntry", *[(500, "sick")] * 100000)])
    w.until(lambda: w.kube.deleted["jobs"], "a deletion")
    w.executor.kill()
    w.frontend.rules.clear()
    w.facts["calls"] = len(w.frontend.calls)
    w.frontend.rule("heartbeat", *[(500, "x")] * 3)
    w.executor.start()
    w.marked().stopped()


def waits_for_heartbeat(w):
    calls = w.frontend.calls[w.facts["calls"]:]
    first = next(i for i, call in enumerate(calls) if call.name == "heartbeat")
    for call in calls[first:]:  # what comes before it was sent by the process that was killed
        if call.name == "heartbeat" and call.status == 200:
            return
        if "job-id" in " ".join(call.headers.keys()).lower():
            raise AssertionError(f"{call.name} before a heartbeat was answered")


restart_row("nothing is sent for a job before the frontend has named it", "not_yet_confirmed",
            waits_for_heartbeat)


@scenario
def killed_before_the_mark(w):
    begin(w, ended("DeadlineExceeded"), rules=[("markErrored", *[(500, "x")] * 100000)])
    w.called("markErrored")
    w.executor.kill()
    w.frontend.rules.clear()
    w.executor.start()
    w.until(lambda: any(m.status == 204 for m in w.frontend.marks()), "a mark")
    w.stopped()


restart_row("the verdict is what it was", "killed_before_the_mark",
            lambda w: equal(len({m.json["errorMessage"] for m in w.frontend.marks()}), 1))

# --- whose pod

GRACE_S = 2


def changed_pod(w, **metadata):
    """Somebody changes the pod, or puts another one of the same Job in its place."""
    with w.kube.lock:
        pod = w.kube.made["pods"][NAME]
        before = json.loads(json.dumps(pod))
        pod["metadata"].update(metadata)
        if before["metadata"]["uid"] != pod["metadata"]["uid"]:
            w.kube.event("DELETED", before)
        w.kube.event("MODIFIED", json.loads(json.dumps(pod)))


def with_changed_pod(w, change, script, **settings):
    begin(w, script, **settings)
    shown(w, "setup.workspace", "three")
    change()
    w.kube.release()
    w.marked().stopped()


@scenario
def replaced_while_away(w):
    with_changed_pod(w, lambda: restarted(w, lambda: changed_pod(w, uid="another")),
                     held(then=Script()), **AGAIN)


@scenario
def left_by_its_job(w):
    with_changed_pod(w, lambda: changed_pod(w, ownerReferences=[]), held())


@scenario
def left_while_away(w):
    with_changed_pod(w, lambda: restarted(w, lambda: changed_pod(w, ownerReferences=[])), held())


@scenario
def copied_while_away(w):
    begin(w, held(), **again_within(GRACE_S))
    shown(w, "setup.workspace", "three")

    def copy():
        with w.kube.lock:
            pod = json.loads(json.dumps(w.kube.made["pods"][NAME]))
            pod["metadata"].update(name="copy", uid="copy", ownerReferences=[],
                                   creationTimestamp="2030-01-01T00:00:00Z")
            w.kube.made["pods"]["copy"] = pod
    restarted(w, copy)
    time.sleep(GRACE_S + 1)  # the time within which a Job without a pod fails
    w.kube.release()
    w.marked().stopped()
    del w.kube.made["pods"]["copy"]


restart_row("another pod of the Job, though it runs well, is not the one that was seen: run again",
            "replaced_while_away", lambda w: equal(w.kube.names, [NAME, NAME + "-attempt-2"]) or
            marked_once(w, "markComplete"))
for name, sentence in (("left_by_its_job", "whose Job is deleted without it"),
                       ("left_while_away", "whose Job was deleted without it meanwhile"),
                       ("copied_while_away", "that was copied with its labels")):
    restart_row(f"a pod {sentence} is followed to its end", name,
                lambda w: equal(w.kube.names, [NAME]) or marked_once(w, "markComplete"))


class TwoNamespaces(Kube):
    """The second one is a cluster of its own, but for the address."""

    def __init__(self, script):
        self.second = Kube(namespace="second")
        super().__init__(script)

    def answer(self, call):
        return self.second.answer(call) if "/namespaces/second/" in call.path else super().answer(call)

    def close(self):
        self.second.close()
        super().close()


@scenario
def elsewhere_after_restart(w):
    w.kube, w.frontend = TwoNamespaces(held()), Frontend()
    w.start(payload(dockerSteps=ONE), keep_state=True)
    shown(w, "setup.workspace", "three")
    w.executor.env["EXECUTOR_KUBERNETES_NAMESPACE"] = "second"
    restarted(w)
    w.marked().stopped()


restart_row("a restart for another namespace: what is in the first one goes, then it is run again",
            "elsewhere_after_restart",
            lambda w: equal((w.kube.names, w.kube.second.names), ([NAME], [NAME + "-attempt-2"])) or
            marked_once(w, "markComplete") or
            has(of(w, "setup.workspace")[-1]["out"], "another namespace"))
row("R", "and nothing is left in the second one", "elsewhere_after_restart",
    lambda w: equal([len(made) for made in w.kube.second.made.values()], [0] * 4))
