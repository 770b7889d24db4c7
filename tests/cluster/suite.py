"""The executor against a real Kubernetes: run by tests/cluster/run, inside the cluster's network.

suite.py [NAME...]: all tests, or those whose names contain one of these words.
"""
import concurrent.futures
import contextlib
import json
import os
import signal
import sys
import tempfile
import time
import traceback

import api
import apitests
import audit
import contracttests
import deploytests
import failuretests
import jobs
import killtests
import layouttests
import logtests
import podtests
import policytests
import reloadtests
import sweeptests
import upgradetests
import waittests
from checks import equal, holds, status_number
from executor import PASSWORD, Executor, Namespace
from frontend import Frontend

TESTS = [*podtests.TESTS, *upgradetests.TESTS, *reloadtests.TESTS, *killtests.TESTS, *apitests.TESTS,
         *waittests.TESTS, *sweeptests.TESTS]


def test(function):
    TESTS.append(function)
    return function


class Scene:
    """A namespace, a frontend, executors that poll it, and what is to be told of them."""

    commit = git_root = None  # set by main

    def __init__(self, name, directory):
        self.directory = directory
        self.frontend = Frontend(api.HOST, PASSWORD, Scene.git_root)
        self.namespace = Namespace(f"lunexec-{os.getpid()}-{name.replace('_', '-')}")
        self.executors, self.notes = [], []
        self.record = audit.Record(self.namespace.name)
        self.may_lack, self.provoked = audit.optional(), set()

    def note(self, text):
        self.notes.append(f"#   {text}")

    def executor_of(self, **settings):
        """One that is not started."""
        return Executor(self.directory, self.frontend.url, self.namespace, **settings)

    def executor(self, **settings):
        executor = self.executor_of(**settings)
        self.executors.append(executor)
        executor.start()
        return executor

    def offer(self, *runs, **options):
        job_id = 101 + len(self.frontend.jobs)
        payload = jobs.batch_job(job_id, Scene.commit, runs, **options)
        return self.frontend.offer(payload, jobs.WORKSPACE_FILES)

    def wait_marked(self, job, seconds=90):
        self.frontend.wait(lambda: job.marked_at, seconds, f"the mark of job {job.id}")

    def wait_running(self, job, key, seconds=60, text=""):
        """Until the step's entry exists and its output contains `text`."""
        def there():
            entry = job.entry("step.kubernetes." + key)
            return entry is not None and text in entry.out
        self.frontend.wait(there, seconds, f"{key} of job {job.id}")

    def run(self, *runs, **options):
        """One job from offer to mark, with an executor of its own."""
        job = self.offer(*runs, **options)
        self.executor()
        self.wait_marked(job)
        return job

    def check_clean(self, seconds=120):
        """Nothing of any job is left in the namespace, and nobody misbehaved."""
        deadline = time.monotonic() + seconds
        left = self.namespace.leftovers()
        while left and time.monotonic() < deadline:
            time.sleep(0.2)
            left = self.namespace.leftovers()
        equal(left, [], f"left after {seconds} s")
        equal(self.frontend.problems, [], "what the frontend objected to")

    def provokes(self, verb, resource):
        """The test takes this right away, and the API server has to refuse it."""
        self.provoked.add((verb, resource))

    def check_rights(self):
        """No account asked for what it may not do, but for what is optional or the test provokes."""
        self.stop()
        refused = self.record.refused()
        equal(refused - self.provoked - self.may_lack, set(), "refused")
        equal(self.provoked - refused, set(), "not refused")

    def stop(self):
        for executor in self.executors:
            executor.stop()

    def close(self):
        self.stop()
        self.frontend.server.stop()
        self.namespace.remove()

    def describe(self):
        """Notes what helps to understand a failure."""
        for problem in self.frontend.problems:
            self.note(f"frontend: {problem}")
        for job in self.frontend.jobs.values():
            self.note(f"job {job.id}: {job.state} {job.message or ''}")
            for entry in job.entries:
                self.note(f"  {entry.key}: exit {entry.exit_code}, {len(entry.out)} bytes")
                for line in entry.lines()[-4:]:
                    self.note(f"    {line[:200]}")
        for executor in self.executors[-1:]:
            for line in executor.log.read_text(errors="replace").splitlines()[-25:]:
                self.note(f"executor: {line[:300]}")


def check_completed(job, count):
    equal(job.state, "completed", f"job {job.id} ({job.message})")
    equal([e.key for e in job.entries], jobs.entry_keys(count), "entries")
    for entry in job.entries:
        equal(entry.exit_code, 0, f"exit code of {entry.key}")
        if not entry.key.startswith("teardown."):
            for line in entry.lines():
                holds(line.startswith("stdout: "), f"{entry.key}: line {line!r}")
    commands = {e.key: e.command for e in job.entries}
    holds(commands["setup.workspace"] is None and commands["main"] is None, "commands of setup, main")
    equal(commands["step.kubernetes.step.0.run"][0], "/bin/sh", "command of a step")
    results = job.step_results()
    equal(len(results), count, "step results")


TWO_STEPS = ("cat ../workspace-files/greeting.txt; echo one >> README.md",
             "echo two >> README.md; cat README.md")


@test
def two_steps_v2(scene):
    """A job of two steps completes; its entries, in order, are those of the contract."""
    job = scene.run(*TWO_STEPS)
    check_completed(job, 2)
    first, second = (job.entry(f"step.kubernetes.step.{i}.run").lines() for i in (0, 1))
    holds("stdout: Hello from a workspace file" in first, "the workspace file in step 0")
    equal(second[-3:], ["stdout: # Widgets", "stdout: one", "stdout: two"], "output of step 1")
    holds("s3cr3t-value" not in json.dumps([e.out for e in job.entries]), "a secret in the log")
    scene.check_clean()


@test
def two_steps_v1(scene):
    """The same job as an older server describes it."""
    job = scene.run(*TWO_STEPS, version=1)
    check_completed(job, 2)
    scene.check_clean()


@test
def live_log(scene):
    """A line a second for 20 s reaches the frontend while the step runs, 3 s late at most."""
    job = scene.run("for i in 1 2 3 4 5 6 7 8 9 10 11 12 13 14 15 16 17 18 19 20; do "
                    "read up rest < /proc/uptime; echo tick $i $up; sleep 1; done")
    check_completed(job, 1)
    history = job.entry("step.kubernetes.step.0.run").history
    lag = []
    for i in range(1, 21):
        arrived, out = next((a, o) for a, o in history if f"stdout: tick {i} " in o)
        printed = float(out.split(f"stdout: tick {i} ")[1].split()[0])
        lag.append(arrived - printed)
    scene.note(f"lag of 20 lines: at most {max(lag):.2f} s, {len(history)} updates")
    holds(max(lag) <= 3, f"a line was {max(lag):.2f} s late")
    scene.check_clean()


@test
def failing_step(scene):
    """Exit code 7 shows in the entry, and the mark's message names the step."""
    job = scene.run("echo fine", "echo about to fail; exit 7", "echo never")
    holds(job.state in ("failed", "errored"), f"state {job.state}")
    equal(job.entry("step.kubernetes.step.1.run").exit_code, 7, "exit code of step 1")
    equal(job.entry("step.kubernetes.step.1.post"), None, "entry of a step that never started")
    holds("step.1.run" in job.message.replace("-", "."), f"message {job.message!r}")
    keys = [e.key for e in job.entries]
    equal(keys[-2:], ["teardown.kubernetes.job", "teardown.fs"], "last entries")
    scene.check_clean()


@test
def cancelled(scene):
    """A job that is cancelled by a heartbeat's answer ends soon, as failed, cleaned up."""
    job = scene.offer("echo started; sleep 300")
    scene.executor()
    scene.wait_running(job, "step.0.run")
    asked = time.monotonic()
    scene.frontend.cancel(job)
    scene.wait_marked(job, 20)
    scene.note(f"marked {time.monotonic() - asked:.1f} s after the wish")
    equal(job.state, "failed", f"state ({job.message})")
    keys = [e.key for e in job.entries]
    equal(keys[-2:], ["teardown.kubernetes.job", "teardown.fs"], "last entries")
    scene.check_clean()


@test
def missing_image(scene):
    """An image that will never be there ends the job soon, and the message says which."""
    image = "docker.io/lunexec/absent:1"
    job = scene.run("echo never", image=image)
    holds(job.state in ("failed", "errored"), f"state {job.state}")
    holds("absent" in job.message or "ErrImageNeverPull" in job.message, f"message {job.message!r}")
    scene.check_clean()


@test
def unschedulable(scene):
    """A pod that fits no node ends with the job's own deadline, and the message says why."""
    job = scene.offer("echo never")
    scene.executor(EXECUTOR_KUBERNETES_RESOURCE_REQUEST_MEMORY="900Gi",
                   EXECUTOR_KUBERNETES_RESOURCE_LIMIT_MEMORY="900Gi",
                   EXECUTOR_MAXIMUM_RUNTIME_PER_JOB="15s")
    scene.wait_marked(job, 40)
    holds(job.state in ("failed", "errored"), f"state {job.state}")
    words = ("nschedulable", "Insufficient memory", "maximum execution time")
    holds(any(word in job.message for word in words), f"message {job.message!r}")
    scene.check_clean()


@test
def drain(scene):
    """SIGTERM: the running job finishes, the waiting one stays queued, exit status 0."""
    running = scene.offer("echo started; sleep 5; echo done")
    executor = scene.executor(EXECUTOR_MAXIMUM_NUM_JOBS="1")
    scene.wait_running(running, "step.0.run")
    waiting = scene.offer("echo never")
    executor.signal(signal.SIGTERM)
    scene.wait_marked(running)
    check_completed(running, 1)
    equal(executor.wait(10), 0, "exit status")
    equal(waiting.state, "queued", "state of the job that was waiting")
    scene.check_clean()


@test
def second_signal(scene):
    """A second SIGTERM ends the executor at once, and the cluster is left clean."""
    job = scene.offer("echo started; sleep 300")
    executor = scene.executor()
    scene.wait_running(job, "step.0.run")
    executor.signal_twice(signal.SIGTERM)
    equal(executor.wait(20), 0, "exit status")
    scene.check_clean()


@test
def idle_exit(scene):
    """With nothing to do, SIGTERM ends the executor within a second."""
    executor = scene.executor()
    scene.frontend.wait(lambda: any(c[2].endswith("/dequeue") for c in scene.frontend.calls), 20, "a poll")
    executor.signal(signal.SIGTERM)
    equal(executor.wait(1), 0, "exit status")
    equal(scene.frontend.problems, [], "what the frontend objected to")


@test
def idle_cost(scene):
    """With nothing to do: little memory, and few wake-ups beyond poll and heartbeat."""
    executor = scene.executor()
    scene.frontend.wait(lambda: any(c[2].endswith("/dequeue") for c in scene.frontend.calls), 20, "a poll")
    pids = executor.pids()
    before, calls = sum(map(switches, pids)), len(scene.frontend.calls)
    time.sleep(10)  # the time over which it is measured
    woken, called = sum(map(switches, pids)) - before, len(scene.frontend.calls) - calls
    memory = sum(status_number(pid, "VmRSS") for pid in pids)
    scene.note(f"{memory / 1024:.1f} MiB in {len(pids)} processes; {woken} wake-ups for {called} requests")
    if not executor.instrumented():
        holds(memory <= 16 * 1024, f"{memory} KiB")
    holds(woken <= 8 * called, f"{woken} wake-ups for {called} requests")
    equal(scene.frontend.problems, [], "what the frontend objected to")


def switches(pid):
    return sum(status_number(f"{pid}/task/{thread}", "voluntary_ctxt_switches")
               for thread in os.listdir(f"/proc/{pid}/task"))


@test
def strict_manifests(scene):
    """What the executor creates passes the API server's strict validation."""
    with contextlib.closing(api.Proxy(scene.directory)) as proxy:
        job = scene.offer("echo hello")
        executor = scene.executor(proxy=proxy)
        scene.wait_marked(job)
        executor.stop()
    check_completed(job, 1)
    holds(scene.record.asked() > 5, "the record of the API server")
    created = [(path, json.loads(body)) for method, path, body, _ in proxy.requests if method == "POST"]
    equal(sorted(manifest["kind"] for _, manifest in created), ["Job", "Secret"], "created")
    for path, manifest in created:
        manifest["metadata"]["name"] += "-strict"
        api.call("POST", path.split("?")[0] + "?dryRun=All&fieldValidation=Strict", manifest)
    scene.check_clean()


@test
def killed_and_offered_again(scene):
    """After kill -9 the server offers the job again; a new executor copes with what is left."""
    job = scene.offer("echo started; sleep 6; echo two >> README.md")
    executor = scene.executor()
    scene.wait_running(job, "step.0.run")
    executor.signal(signal.SIGKILL)
    executor.wait(5)
    scene.frontend.requeue(job)
    scene.executor()
    scene.wait_marked(job, 120)
    check_completed(job, 1)
    scene.check_clean()


@test
def deploy_files(scene):
    """The manifests in deploy/ pass strict validation."""
    for kind, file in (("Deployment", "deployment.yaml"), ("Role", "role.yaml"),
                       ("RoleBinding", "rolebinding.yaml"), ("ServiceAccount", "serviceaccount.yaml")):
        text = scene.namespace.deploy_file(file).replace(b"name: lunexec\n", b"name: strict\n", 1)
        api.call("POST", scene.namespace.collection(kind) + "?dryRun=All&fieldValidation=Strict",
                 text, "application/yaml")


def run_one(function):
    """Runs a test in a scene of its own; True when it passed."""
    started, passed, scene = time.monotonic(), False, None
    with tempfile.TemporaryDirectory(prefix="lunexec-test-") as directory:
        try:
            scene = Scene(function.__name__, directory)
            function(scene)
            scene.check_rights()
            passed = True
            lines = scene.notes
        except Exception:  # a test may fail in any way; the others have their turn
            lines = ["# " + line for line in traceback.format_exc().splitlines()]
            if scene:
                scene.describe()
                lines += scene.notes
        finally:
            if scene:
                scene.close()
    word = "ok" if passed else "not ok"
    print("\n".join([*lines, f"{word} - {function.__name__} ({time.monotonic() - started:.1f} s)"]),
          flush=True)
    return passed


def main(words):
    chosen = [t for t in logtests.TESTS + layouttests.TESTS + contracttests.TESTS
              + failuretests.TESTS + policytests.TESTS
              + deploytests.TESTS + TESTS
              if not words or any(word in t.__name__ for word in words)]
    alone = [t for t in chosen if getattr(t, "alone", False)]
    with tempfile.TemporaryDirectory(prefix="lunexec-git-") as git_root:
        Scene.git_root, Scene.commit = git_root, jobs.make_repository(git_root)
        # Most of a test's time is spent waiting for the kubelet.
        with concurrent.futures.ThreadPoolExecutor(max_workers=4) as pool:
            results = list(pool.map(run_one, [t for t in chosen if t not in alone]))
        results += map(run_one, alone)
    print(f"{sum(results)} passed, {len(results) - sum(results)} failed")
    return 0 if results and all(results) else 1


sys.exit(main(sys.argv[1:]))
