"""Jobs by a seed, executors that are killed, and what must hold whatever happens (the invariants)."""
import asyncio
import json
import os
import pathlib
import random
import re
import signal
import time

from chaos import Chaos
from kubernetes import Kubernetes
from sourcegraph import PASSWORD, Sourcegraph, payload, tool

BINARY = os.environ.get("LUNEXEC", "build/asan/lunexec")
SECRET = "s3cr3t-value-of-job-{}"
KUBECONFIG = """apiVersion: v1
kind: Config
current-context: c
clusters: [{name: c, cluster: {server: "http://127.0.0.1:%d"}}]
users: [{name: u, user: {token: %s}}]
contexts: [{name: c, context: {cluster: c, user: u}}]
"""
TROUBLES = ("oom", "evicted", "evicted without statuses", "preempted", "vanished", "start error",
            "late eviction")
OWN_LINE = re.compile(r"^stdout: \[lunexec.*\n?", re.M)
# All of an entry that does nothing but end the one before it of the same key.
UNREAD = re.compile(r"stdout: \[lunexec] this log goes on [^\n]* can no longer be read\n?")
VIOLATIONS_MAX = 50  # it is given up then
GAP = ("missing", "incomplete")


class Plan:
    """How one pod of a job goes."""

    def __init__(self, job, dice, faults):
        self.job = job
        self.start_s = 0 if job.short else dice.uniform(0, 0.1)
        self.step_s = 0 if job.short else dice.choice((0.002, 0.01, 0.03, 0.1))
        self.burst = dice.choice((1, 3, 20))
        self.pull = self.trouble = None
        self.talk = faults and dice.random() < 0.5
        self.rotates = faults and dice.random() < 0.25
        if self.rotates:
            self.step_s, self.burst = 0.4, 1
        if faults and dice.random() < 0.04:
            self.pull = dice.choice(("never", "slow", "slow"))
        elif faults and dice.random() < 0.12:
            self.trouble = (dice.choice(TROUBLES), dice.randrange(2 + 3 * job.steps))

    def text(self, name):
        return self.job.text(name)

    def exit_code(self, name):
        return 7 if self.job.fails == name else 0


class Job:
    """What a job is, for all of its attempts."""

    def __init__(self, id, chaos, faults, short):
        dice = chaos.dice("job", id)
        self.id, self.chaos, self.faults, self.short = id, chaos, faults, short
        self.steps = 1 if short else dice.choice((1, 1, 1, 2, 3))
        self.secret = SECRET.format(id)
        self.fails = self.cancelled = self.forgotten = None
        if dice.random() < 0.12:
            self.fails = f"step-kubernetes-step-{dice.randrange(self.steps)}-run"
        if faults and dice.random() < 0.05:
            self.cancelled = dice.uniform(0, 1)
        elif faults and dice.random() < 0.02:
            self.forgotten = dice.uniform(0, 1)

    @property
    def payload(self):
        return payload(self.id, self.steps, self.secret)

    def text(self, name):
        """The output of a container."""
        dice = self.chaos.dice("text", self.id, name)
        lines = [f"{name} line {i} {'x' * dice.choice((0, 5, 80, 300))}" for i in
                 range(dice.choice((0, 1, 4, 12)))]
        if lines and dice.random() < 0.3:
            lines.insert(len(lines) // 2, f"a secret: {self.secret}.")
        if name.endswith("-post"):
            lines.append(json.dumps({"operation": "CACHE_AFTER_STEP_RESULT", "timestamp": 1,
                                     "status": "SUCCESS", "metadata": {"value": {"diff": "ZA=="}}}))
        return "\n".join(lines) + ("\n" if lines and dice.random() < 0.8 else "")

    def entry(self, name):
        """The output as it must arrive: masked, prefixed, every line ended."""
        text = self.text(name).replace(self.secret, "${{ secrets.TOKEN }}")
        return "".join(f"stdout: {line}\n" for line in text.split("\n")[:-1]) + \
            (f"stdout: {text.split(chr(10))[-1]}\n" if text and not text.endswith("\n") else "")


class Executor:
    """One executor identity: killed and started again, it keeps its folder."""

    def __init__(self, world, name, slots):
        self.world, self.name, self.slots = world, name, slots
        self.home = world.folder / name
        for folder in ("state", "spool"):
            (self.home / folder).mkdir(parents=True)
        self.log_path = self.home / "log"
        self.process = None
        self.argv = [BINARY, "run"]
        self.wanted = False  # it is to run

    async def start(self):
        world = self.world
        config = self.home / "kubeconfig"
        config.write_text(KUBECONFIG % (world.kube.port, self.name))
        env = {
            "PATH": os.environ["PATH"], "HOME": str(self.home), "HOSTNAME": self.name,
            "EXECUTOR_FRONTEND_URL": f"http://127.0.0.1:{world.frontend.port}",
            "EXECUTOR_FRONTEND_PASSWORD": PASSWORD, "EXECUTOR_QUEUE_NAME": "batches",
            "EXECUTOR_QUEUE_POLL_INTERVAL": "100ms", "KUBERNETES_SINGLE_JOB_POD": "true",
            "EXECUTOR_KUBERNETES_CONFIG_PATH": str(config),
            "EXECUTOR_MAXIMUM_NUM_JOBS": str(self.slots), "LUNEXEC_LISTEN": "off",
            "LUNEXEC_LOG_UPDATE_INTERVAL": "200ms", "LUNEXEC_SWEEP_INTERVAL": "500ms",
            "SRC_LOG_LEVEL": world.log_level,
            "SRC_HTTP_CLI_INTERNAL_TIMEOUT": "2s", "SRC_HTTP_CLI_INTERNAL_RETRY_DELAY_BASE": "5ms",
            "SRC_HTTP_CLI_INTERNAL_RETRY_DELAY_MAX": "200ms",
            "LUNEXEC_POLICY_DIR": os.path.abspath("tests/fixtures/hasty"),
            "LUNEXEC_SPOOL_DIR": str(self.home / "spool"),
            "LUNEXEC_STATE_DIR": str(self.home / "state") if world.state else "",
        }
        env.update({k: v for k, v in os.environ.items() if k.endswith("SAN_OPTIONS")})
        with open(self.log_path, "ab") as log:
            self.begins_at = log.tell()
            self.process = await asyncio.create_subprocess_exec(
                *self.argv, env=env, stdin=asyncio.subprocess.DEVNULL, stdout=log, stderr=log)
        self.wanted = True

    async def ready(self):
        """Waits until it takes signals: before that they end it."""
        while self.process.returncode is None:
            if b"msg=ready" in self.log_path.read_bytes()[self.begins_at:]:
                return
            await asyncio.sleep(0.05)

    async def kill(self, number=signal.SIGKILL):
        self.wanted = False
        if self.process is None:
            return None
        if self.process.returncode is None:
            self.process.send_signal(number)
        return await self.process.wait()

    def log(self):
        return self.log_path.read_text(errors="replace")


class World:
    def __init__(self, seed, folder, jobs, rate=0.05, kill_every=20, slots=8, state=True, executors=2,
                 faults=True, log_level="info", short=False):
        self.seed, self.folder, self.state = seed, pathlib.Path(folder), state
        self.kill_every, self.faults, self.log_level = kill_every, faults, log_level
        self.short = short  # the jobs do little, and are forgotten when they are marked
        self.chaos = Chaos(seed, rate if faults else 0)
        self.dice = random.Random(f"{seed}/world")
        self.violations, self.traces = [], {}
        self.frontend = Sourcegraph(self.chaos, self)
        names = ["ex-a", "ex-b", "ex-c"][:executors]
        self.kube = Kubernetes(self.chaos, self, full_rbac=names[1:])
        self.executors = [Executor(self, name, slots) for name in names]
        self.jobs = {id: Job(id, self.chaos, faults, short) for id in range(1, jobs + 1)}
        self.marked = self.kills = self.pauses = self.pods = self.hand_overs = 0
        self.outcomes, self.messages, self.most = {}, {}, {}
        self.finished = asyncio.Event()
        self.strikes = []

    # --- what the models ask and tell

    def trace(self, id, text):
        self.traces.setdefault(id, []).append(f"{time.time():.3f} {text}")

    def wrong(self, text, id=None):
        self.violations.append(text)
        found = re.search(r"job (\d+)", text)
        id = id or (int(found[1]) if found else None)
        print(f"VIOLATION {text}", flush=True)
        for line in self.traces.get(id, [])[-25:]:
            print(f"    {line}", flush=True)
        if len(self.violations) >= VIOLATIONS_MAX:
            self.finished.set()

    def plan(self, id, attempt):
        """The later attempts of a job suffer less, so that it ends."""
        job = self.jobs[id]
        return Plan(job, self.chaos.dice("pod", id, attempt), self.faults and attempt < 2)

    def on_pod(self, id, attempts):
        """A Job was made. Never two that run for one job, never one twice, never more than there
        are slots."""
        record = self.frontend.records[id]
        if tool(id) not in json.dumps(attempts[-1].job["spec"]["template"]["spec"]):
            self.wrong(f"job {id}: a pod without the job's file")
        self.check_alive(id, attempts)
        token = attempts[-1].owner
        attempts[-1].epoch = record.epoch
        self.check_first(id, record, attempts)
        self.pods += 1
        alive = sum(1 for pod in self.kube.pods.values() if pod.owner == token and pod.alive())
        self.most[token] = max(self.most.get(token, 0), alive)
        slots = next(e.slots for e in self.executors if e.name == token)
        if alive > slots and self.state:
            self.wrong(f"{token} runs {alive} pods with {slots} slots (job {id})")
        if record.state == "processing":
            job = self.jobs[id]
            loop = asyncio.get_running_loop()
            if job.cancelled is not None:
                loop.call_later(job.cancelled, setattr, record, "cancel", True)
            if job.forgotten is not None:
                loop.call_later(job.forgotten, self.forget, record)
                job.forgotten = None

    def check_alive(self, id, attempts):
        alive = [pod for pod in attempts if pod.alive()]
        if len(alive) > 1 and self.frontend.records[id].lost == 0:
            self.wrong(f"job {id}: {len(alive)} attempts alive at once")

    def check_first(self, id, record, attempts):
        """An executor that was killed takes over what it had made: no step begins twice."""
        name = attempts[-1].job["metadata"]["name"]
        earlier = [pod for pod in attempts[:-1]
                   if pod.epoch == record.epoch and pod.job["metadata"]["name"] == name]
        if earlier and self.state and record.lost == 0:
            self.wrong(f"job {id}: {name} is made a second time")

    def forget(self, record):
        """Somebody else takes the job away: it goes back to the queue while the executor has it."""
        if record.state == "processing":
            self.frontend.requeue(record, "taken back")

    def on_delete(self, id, kind, found, maker, token):
        if maker == token or id not in self.jobs:
            return
        record = self.frontend.records[id]
        if record.state == "processing" and not (record.executor or "").startswith(token):
            self.wrong(f"{token} deleted {kind} of {maker}, which the server gave job {id}")

    def on_mark(self, record, mark, message):
        id = record.id
        job = self.jobs[id]
        self.marked += 1
        self.outcomes[mark] = self.outcomes.get(mark, 0) + 1
        if len(record.marks) > 1:
            self.wrong(f"job {id} was marked twice: {record.marks}")
        pods = [p for p in self.kube.truth.get(id, []) if p.epoch == record.epoch]
        good = [p for p in pods if all(p.exits.get(n) == 0 for n in p.names)]
        if mark == "markComplete" and not good:
            self.wrong(f"job {id} is complete; exit codes were {[p.exits for p in pods]}")
        if mark != "markComplete":
            kind = re.sub(r"[0-9a-f]{4,}|\d+", "N", message)[:70]
            self.messages[kind] = self.messages.get(kind, 0) + 1
            innocent = not job.fails and not record.cancel and \
                not any(p.faulty or p.rotated() and "incomplete" in message for p in pods)
            if innocent:
                self.wrong(f"job {id} failed without a reason: {message}")
        self.check_logs(record, job, pods, mark)
        if self.short:
            record.entries = []
            self.kube.truth.pop(id, None)
            self.traces.pop(id, None)
        if self.marked == len(self.jobs):
            self.finished.set()

    def check_logs(self, record, job, pods, mark):
        """Every log of the last pod is whole, or says what is missing."""
        entries, times = {}, {}
        for entry in record.entries:
            key = entry["key"]
            entries[key] = entry
            times[key] = times.get(key, 0) + (not UNREAD.fullmatch(entry.get("out", "")))
        for key, count in times.items():
            # A failure without a pod of its own is told in an entry of its own.
            alone = key == "setup.workspace" and mark != "markComplete"
            if count > max(len(pods), 1) + alone and not any(p.rotated() for p in pods):
                self.wrong(f"job {record.id}: {count} entries {key} of {len(pods)} pods")
        if job.secret in json.dumps(record.entries):
            self.wrong(f"job {record.id}: a secret in the log")
        if record.cancel or not pods or mark != "markComplete":
            return self.check_failed(record, job, pods, entries)
        for name in pods[-1].names:
            key = self.key(name)
            entry = entries.get(key)
            if entry is None:
                self.wrong(f"job {record.id} is complete without an entry {key}")
                continue
            rotated = pods[-1].logs[name].dropped
            if rotated:
                self.check_rotated(record, job, name, key)
            elif OWN_LINE.sub("", entry.get("out", "")) != job.entry(name):
                self.wrong_text(record, key, entry.get("out", ""), job.entry(name))
            end = "".join(e.get("out", "") for e in record.entries if e["key"] == "teardown.fs")
            left = rotated and f"log entry {key} is incomplete" in end
            if entry.get("exitCode") != 0 and not left:
                self.wrong(f"job {record.id} is complete, {key} ends with {entry.get('exitCode')}")

    def check_rotated(self, record, job, name, key):
        """Each line is in some entry, or something is said to be missing."""
        of = [e for e in record.entries if e["key"] == key]
        text = "\n".join(e.get("out", "") for e in of)
        end = "".join(e.get("out", "") for e in record.entries if e["key"] == "teardown.fs")
        lacks = [line for line in job.entry(name).splitlines(True) if line not in text]
        whole = OWN_LINE.sub("", of[-1].get("out", "")) == job.entry(name)
        told = any(w in "".join(OWN_LINE.findall(text)) for w in GAP + ("rotated",)) or \
            f"log entry {key} is incomplete" in end
        if lacks and not told:
            self.wrong(f"job {record.id} {key}: {len(lacks)} lines missing, and nothing says so: {text}")
        if name.endswith("-post") and not whole:
            self.wrong(f"job {record.id} is complete, its results are not whole: {text}")

    def check_failed(self, record, job, pods, entries):
        if record.cancel or not pods or pods[-1].faulty or not job.fails:
            return
        name = job.fails
        if not pods[-1].exits.get(name):
            return
        entry = entries.get(self.key(name), {})
        out, wanted = entry.get("out", ""), job.entry(name)
        end = entries.get("teardown.fs", {}).get("out", "")
        told = "".join(OWN_LINE.findall(out))
        if f"log entry {self.key(name)} is incomplete" in end or any(w in told for w in GAP):
            return
        if OWN_LINE.sub("", out) != wanted and not pods[-1].logs[name].dropped:
            self.wrong_text(record, self.key(name), out, wanted)
        if entry.get("exitCode") != 7:
            self.wrong(f"job {record.id}: {name} ended with 7, its entry with "
                       f"{entry.get('exitCode')}")

    def wrong_text(self, record, key, out, wanted):
        self.wrong(f"job {record.id}: {key} is\n{out!r}\ninstead of\n{wanted!r}")

    @staticmethod
    def key(name):
        if name == "setup-workspace":
            return "setup.workspace"
        found = re.fullmatch(r"step-kubernetes-step-(\d+)-(\w+)", name)
        return f"step.kubernetes.step.{found[1]}.{found[2]}" if found else name

    # --- what happens

    async def run(self, seconds):
        await self.frontend.open()
        await self.kube.open()
        for job in self.jobs.values():
            self.frontend.add(job)
        for executor in self.executors:
            await executor.start()
        tasks = [asyncio.ensure_future(t) for t in (self.server(), self.killer(), self.weather(),
                                                       self.supervise(), self.tell())]
        try:
            await asyncio.wait_for(self.finished.wait(), seconds)
        except asyncio.TimeoutError:
            left = self.frontend.open_jobs()
            self.wrong(f"after {seconds} s {len(left)} jobs are not marked: {left[:10]}", left[0])
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
        await asyncio.gather(*self.strikes)
        self.chaos.calm = True
        await self.end()

    async def server(self):
        while True:
            self.frontend.tick()
            await asyncio.sleep(0.5)

    async def killer(self):
        """Kills after about every so many marks, at a random moment."""
        if not self.kill_every:
            return
        at = 0
        while True:
            at += self.dice.randint(self.kill_every // 2, self.kill_every * 3 // 2)
            while self.marked < at or not any(e.wanted for e in self.executors):
                await asyncio.sleep(0.01)
            victim = self.dice.choice([e for e in self.executors if e.wanted])
            self.strikes.append(asyncio.ensure_future(self.strike(victim)))

    async def strike(self, victim):
        await asyncio.sleep(self.dice.uniform(0, 0.5))
        if not victim.wanted or self.finished.is_set():
            return
        if self.dice.random() < 0.1:
            victim.process.send_signal(signal.SIGSTOP)
            await asyncio.sleep(self.dice.uniform(0.5, 4))
            if victim.process.returncode is None:
                victim.process.send_signal(signal.SIGCONT)
            self.pauses += 1
            return
        if self.state and self.dice.random() < 0.1:
            await self.hand_over(victim)
        else:
            await victim.kill()
            self.kills += 1
        await asyncio.sleep(self.dice.choice((0, 0, 0.2, 2)))
        await victim.start()

    async def hand_over(self, executor):
        """It ends by itself, and another process goes on with what runs."""
        self.hand_overs += 1
        executor.wanted = False
        try:
            await asyncio.wait_for(executor.ready(), 20)
            status = await asyncio.wait_for(executor.kill(signal.SIGUSR2), 20)
        except asyncio.TimeoutError:
            await executor.kill()
            status = "not ready or no end within 20 s"
        if status != 0:
            self.wrong(f"{executor.name}: {status} after SIGUSR2: {executor.log()[-1500:]}")

    async def tell(self):
        """How far it is, now and then."""
        for n in range(1, 1000):
            await asyncio.sleep(30)
            print(f"{30 * n} s: {self.marked} jobs marked, {self.kills} kills", flush=True)

    async def supervise(self):
        """An executor that ends by itself is started again, as a kubelet does, and told of."""
        while True:
            await asyncio.sleep(0.1)
            for executor in self.executors:
                status = executor.process.returncode
                if executor.wanted and status is not None:
                    self.wrong(f"{executor.name} has ended with {status}: {executor.log()[-1500:]}")
                    await executor.start()

    async def weather(self):
        """What befalls whole servers."""
        if not self.faults or not self.chaos.rate:
            return
        while True:
            await asyncio.sleep(self.dice.uniform(3, 12))
            peer = self.dice.choice((self.kube, self.kube, self.frontend))
            kind = self.dice.choice(("outage", "pause"))
            self.chaos.note(f"{peer.name} {kind}")
            await getattr(peer, kind)(self.dice.uniform(0.3, 3))

    async def end(self):
        """Nothing is left in the cluster, and executors end as they should."""
        for _ in range(300):
            left = [f"{k} {n}" for k, objects in self.kube.made.items() for n in objects]
            if not left:
                break
            await asyncio.sleep(0.1)
        # Without a state directory nobody knows what a killed executor had made.
        for name in left if self.state else ():
            id = re.search(r"batches-(\d+)", name)
            self.wrong(f"left in the cluster: {name}", int(id[1]) if id else None)
        for executor in self.executors:
            try:
                if self.kill_every:
                    await asyncio.wait_for(executor.ready(), 30)
                status = await asyncio.wait_for(executor.kill(signal.SIGTERM), 30)
            except asyncio.TimeoutError:
                await executor.kill()
                status = "not ready or no end within 30 s"
            if status != 0:
                self.wrong(f"{executor.name}: {status} after SIGTERM: {executor.log()[-1500:]}")
            log = executor.log()
            for sign in ("Sanitizer", "runtime error: ", "assertion"):
                if sign in log:
                    self.wrong(f"{executor.name}: {log[max(0, log.index(sign) - 40):][:3000]}")
            if self.jobs and any(job.secret in log for job in list(self.jobs.values())[:50]):
                self.wrong(f"{executor.name}: a secret in its log")
        self.frontend.close()
        self.kube.close()
