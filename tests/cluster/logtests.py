"""Logs: live, complete, in order, whatever happens to the connections they come through.

LUNEXEC_LONG=1 makes them long: 2,000,000 lines instead of 100,000.
"""
import contextlib
import os
import pathlib
import re
import signal
import sys
import time
import urllib.request

import api
from checks import equal, holds, status_number

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parent.parent / "faults"))
import faults  # noqa: E402  pylint: disable=wrong-import-position

TESTS = []
LONG = os.environ.get("LUNEXEC_LONG") == "1"
LINES = 2_000_000 if LONG else 100_000
PARTS = 200 if LONG else 20  # what is printed within a second comes again after each cut
PATIENCE = 900 if LONG else 150
PEAK_KIB = 24 * 1024
FILLER = "abcdefghijklmnopqrstuvwxyzabcdefghijkl"  # a line has 50 bytes, its end included
STEP = "step.kubernetes.step.0.run"


def beside(function):
    """A test that runs while others do."""
    TESTS.append(function)
    return function


def alone(function):
    """A test that nothing else may run beside."""
    function.alone = True
    TESTS.append(function)
    return function


def printing(lines, seconds):
    """A step that prints numbered lines, spread over some seconds. They go to the container's
    standard output itself, since what passes through the step's own is kept in its result too."""
    part = lines // PARTS
    return (f"p=0; while [ $p -lt {PARTS} ]; do "
            f"awk -v p=$p 'BEGIN {{ for (i = p * {part} + 1; i <= (p + 1) * {part}; i++) "
            f"printf \"%010d {FILLER}\\n\", i }}' > /proc/1/fd/1; "
            f"p=$((p + 1)); sleep {seconds / PARTS}; done")


def numbered(entry):
    """The numbers of the lines that `printing` printed, and all other lines."""
    numbers, others = [], []
    for line in entry.lines():
        text = line.removeprefix("stdout: ")
        if text.endswith(" " + FILLER) and text[:10].isdigit():
            numbers.append(int(text[:10]))
        else:
            others.append(text)
    return numbers, others


def check_whole(job, count):
    """All lines are there, once and in order, and nothing else."""
    numbers, others = numbered(job.entry(STEP))
    for at, number in enumerate(numbers[:count]):
        holds(number == at + 1, f"line {number} where {at + 1} should be; beside them {others[:5]}")
    equal((len(numbers), others), (count, []), "lines, and others")
    equal(job.state, "completed", f"job {job.id} ({job.message})")


class Memory:
    """The peak of the executor's resident memory above what it needs idle."""

    def __init__(self, scene, executor):
        scene.frontend.wait(lambda: any(c[2].endswith("/dequeue") for c in scene.frontend.calls),
                            20, "a poll")
        self.scene, self.executor, self.pid = scene, executor, executor.process.pid
        self.idle = status_number(self.pid, "VmRSS")

    def check(self):
        peak = status_number(self.pid, "VmHWM") - self.idle
        self.scene.note(f"peak {peak / 1024:.1f} MiB above idle ({self.idle / 1024:.1f} MiB)")
        if not self.executor.instrumented():
            holds(peak <= PEAK_KIB, f"peak {peak} KiB above idle")


def daemon(name):
    """The process of this cluster's daemon."""
    own = os.readlink("/proc/self/ns/net")
    for directory in pathlib.Path("/proc").glob("[0-9]*"):
        with contextlib.suppress(OSError):
            program = (directory / "cmdline").read_bytes().split(b"\0")[0].decode()
            if program.endswith("/" + name) and os.readlink(directory / "ns/net") == own:
                return int(directory.name)
    raise AssertionError(f"{name} does not run")


class FaultyApi(faults.Proxy):
    """A proxy before the API server."""

    def __init__(self):
        super().__init__(api.HOST, (api.HOST, 443))
        self.url = f"https://{api.HOST}:{self.port}"
        self.authority = pathlib.Path(os.environ["KUBECONFIG"]).parent / "pki/apiserver.crt"


def flood(scene, seconds, during, proxy=None):
    """A job of many lines; `during` is called once the first of them have arrived."""
    executor = scene.executor(LUNEXEC_LOG_LIMIT_STEP="0", LUNEXEC_LOG_LIMIT_JOB="0", proxy=proxy)
    memory = Memory(scene, executor)
    started = time.monotonic()
    job = scene.offer(printing(LINES, seconds))
    scene.wait_running(job, "step.0.run", text="0000000001 ")
    during()
    scene.wait_marked(job, PATIENCE)
    scene.note(f"{LINES} lines in {time.monotonic() - started:.0f} s, "
               f"{len(job.entry(STEP).history)} updates")
    check_whole(job, LINES)
    memory.check()
    scene.check_clean()


@alone
def log_flood(scene):
    """Many lines arrive complete and in order, and memory stays flat."""
    flood(scene, 2, lambda: None)


@alone
def log_server_stopped(scene):
    """The same while the API server stands still three times."""
    def stop():
        pid = daemon("kube-apiserver")
        for _ in range(3):
            time.sleep(1.5)
            os.kill(pid, signal.SIGSTOP)
            try:
                time.sleep(4)
            finally:
                os.kill(pid, signal.SIGCONT)
    flood(scene, 20, stop)


@alone
def log_cuts(scene):
    """The same while every connection to the API server is cut after 0.1 to 3 s."""
    with contextlib.closing(FaultyApi()) as proxy:
        flood(scene, 60 if LONG else 15, lambda: proxy.cut_every(0.1, 3), proxy)
        scene.note(f"{proxy.cuts} connections were cut")
        holds(proxy.cuts >= 10, f"only {proxy.cuts} cuts")


def restart_kubelet(**settings):
    """Ends the kubelet; another one starts at once, with these settings besides."""
    config = pathlib.Path(os.environ["KUBECONFIG"]).parent / "kubelet.yaml"
    kept = [line for line in config.read_text(encoding="utf-8").splitlines()
            if not line.startswith("containerLog")]
    kept += [f"{name}: {value}" for name, value in settings.items()]
    config.write_text("\n".join(kept) + "\n", encoding="utf-8")
    old = daemon("kubelet")
    os.kill(old, signal.SIGKILL)
    deadline = time.monotonic() + 60
    while time.monotonic() < deadline:
        with contextlib.suppress(AssertionError, api.ApiError):
            if daemon("kubelet") != old:
                api.call("GET", "/api/v1/nodes/node1/proxy/configz")
                return
        time.sleep(0.2)
    raise AssertionError("the kubelet does not come back")


WIDE = {"containerLogMaxSize": "2Gi"}  # as tests/cluster/kubernetes has it
GAP = re.compile(r"\[lunexec: .* (missing|may be missing): rotated away by the kubelet\]")


@alone
def log_kubelet_restart(scene):
    """The kubelet ends and starts again while a step prints: nothing is lost."""
    flood(scene, 12, lambda: restart_kubelet(**WIDE))


METRICS = "127.0.0.1:16060"


def rotated_files():
    state = pathlib.Path(os.environ["KUBECONFIG"]).parent
    return {path.name for path in state.glob("pod-logs/*/*step-0-run/*.log.*")}


NARROW = {"containerLogMaxSize": "512Ki", "containerLogMaxFiles": 2,
          "containerLogMonitorInterval": "3s"}


def rotate(scene, during, proxy=None):
    """A job of many lines under a kubelet that rotates often; returns how many places are missing."""
    seen = set()
    try:
        restart_kubelet(**NARROW)
        scene.executor(LUNEXEC_LOG_LIMIT_STEP="0", LUNEXEC_LOG_LIMIT_JOB="0", proxy=proxy,
                       LUNEXEC_LISTEN=METRICS)
        job = scene.offer(printing(100_000, 30))
        scene.wait_running(job, "step.0.run", text="0000000001 ")
        during()
        scene.frontend.wait(lambda: seen.update(rotated_files()) or job.marked_at, PATIENCE, "the mark")
    finally:
        restart_kubelet(**WIDE)
    numbers, others = numbered(job.entry(STEP))
    gaps = [line for line in others if GAP.fullmatch(line)]
    equal([line for line in others if not GAP.fullmatch(line)], [], "other lines")
    equal(numbers, sorted(set(numbers)), "lines once and in order")
    breaks = sum(a + 1 != b for a, b in zip([0, *numbers], [*numbers, 100_001]))
    scene.note(f"{len(seen)} rotations seen; {100_000 - len(numbers)} lines rotated away, "
               f"at {breaks} places; told: {gaps}")
    equal(len(gaps), breaks, "gaps told")
    with urllib.request.urlopen(f"http://{METRICS}/metrics", timeout=10) as answer:
        counted = re.search(r"^lunexec_log_gaps_total{.*} (.*)$", answer.read().decode(), re.M)
    equal(counted and float(counted[1]), float(breaks), "gaps counted")
    holds(len(seen) >= 2, f"only {len(seen)} rotations")
    equal(job.state, "completed", f"job {job.id} ({job.message})")
    scene.check_clean()
    return breaks


@alone
def log_rotation(scene):
    """The kubelet rotates the log under a follower: everything arrives, or a line tells the gap."""
    rotate(scene, lambda: None)


@alone
def log_rotated_away(scene):
    """What was rotated away while no connection could be made is missing, and a line says so."""
    with contextlib.closing(FaultyApi()) as proxy:
        def interrupt():
            proxy.refuse()
            time.sleep(14)
            proxy.calm()
        holds(rotate(scene, interrupt, proxy) > 0, "nothing was rotated away")


@alone
def log_rotated_over_restart(scene):
    """kill -9, and the beginning of the log is gone when it is read again: what was shown stays, and
    a second entry goes on."""
    before = rotated_files()
    try:
        restart_kubelet(**NARROW)
        executor = scene.executor(LUNEXEC_STATE_DIR=str(scene.directory) + "/state")
        job = scene.offer(printing(100_000, 30))
        scene.wait_running(job, "step.0.run", text="0000000001 ")
        scene.frontend.wait(lambda: rotated_files() - before, PATIENCE, "a rotation")
        scene.frontend.kill()
        executor.signal(signal.SIGKILL)
        executor.wait(5)
        executor.start()
        scene.wait_marked(job, PATIENCE)
    finally:
        restart_kubelet(**WIDE)
    first, second = [numbered(entry) for entry in job.entries if entry.key == STEP]
    equal(first, (list(range(1, len(first[0]) + 1)), []), "what was shown before")
    holds("this log goes on from the entry before" in second[1][0], f"beside lines: {second[1]}")
    equal(second[0], sorted(set(second[0])), "lines once and in order")
    equal(second[0][-1], 100_000, "the last line")
    breaks = sum(a + 1 != b for a, b in zip(second[0], second[0][1:]))
    equal(breaks, len(second[1]) - 1, f"gaps told, beside lines {second[1]}")
    scene.note(f"lines 1 to {first[0][-1]}, then from {second[0][0]}")
    equal(job.state, "completed", f"job {job.id} ({job.message})")
    scene.check_clean()


@beside
def log_latency(scene):
    """A line a second is at the frontend 1.5 s later, 99 times in 100, other jobs or not."""
    count = 64
    job = scene.offer(f"i=0; while [ $i -lt {count} ]; do read up rest < /proc/uptime; "
                      "echo tick $i $up; i=$((i + 1)); sleep 1; done")
    scene.executor()
    scene.wait_marked(job, 150)
    equal(job.state, "completed", f"job {job.id} ({job.message})")
    lags = []
    for i in range(count):
        arrived, out = next((a, o) for a, o in job.entry(STEP).history if f"stdout: tick {i} " in o)
        lags.append(arrived - float(out.split(f"stdout: tick {i} ")[1].split()[0]))
    lags.sort()
    p99 = lags[max(0, -(-99 * count // 100) - 1)]
    scene.note(f"lag of {count} lines: median {lags[count // 2]:.2f} s, p99 {p99:.2f} s")
    holds(p99 <= 1.5, f"p99 of the lag is {p99:.2f} s")
    scene.check_clean()
