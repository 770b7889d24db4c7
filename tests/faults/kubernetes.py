"""A Kubernetes API with a job controller and kubelets as a model. Containers are scripts: what they
print, how long they take, how they end is known beforehand, so that what an executor reports can be
held against it. There are no sandboxes: thousands of jobs run in minutes."""
import asyncio
import json
import time
import uuid

from peer import Answer, Cut, Peer

KINDS = {"jobs": ("/apis/batch/v1/namespaces/default/jobs", "Job"),
         "pods": ("/api/v1/namespaces/default/pods", "Pod"),
         "secrets": ("/api/v1/namespaces/default/secrets", "Secret"),
         "events": ("/api/v1/namespaces/default/events", "Event"),
         "persistentvolumeclaims": ("/api/v1/namespaces/default/persistentvolumeclaims",
                                    "PersistentVolumeClaim")}
HISTORY = 1500
JOB_ID = "lunexec.dev/job-id"


def failure(code, reason, message):
    return Answer(code, {"kind": "Status", "apiVersion": "v1", "status": "Failure", "code": code,
                         "reason": reason, "message": message})


def stamp(ns):
    whole, rest = divmod(ns, 10**9)
    return time.strftime("%Y-%m-%dT%H:%M:%S", time.gmtime(whole)) + f".{rest:09d}Z"


def seconds_of(text):
    """As the kubelet reads sinceTime: whole seconds."""
    import calendar
    return calendar.timegm(time.strptime(text[:19], "%Y-%m-%dT%H:%M:%S"))


def selected(labels, selector):
    for part in filter(None, (selector or "").split(",")):
        name, _, value = part.partition("=")
        if name.startswith("!"):
            if name[1:] in labels:
                return False
        elif "=" not in part:
            if name not in labels:
                return False
        elif name.endswith("!"):
            if labels.get(name[:-1]) == value:
                return False
        elif labels.get(name) != value.lstrip("="):
            return False
    return True


# A file of 10 MiB is not filled and left in less.
ROTATED_AFTER_NS = 2 * 10**9


class Log:
    """What a container wrote, as (time in ns, text with or without its line feed)."""

    def __init__(self):
        self.lines, self.ended, self.dropped = [], False, 0
        self.more = asyncio.Event()

    def write(self, text):
        now = time.time_ns()
        self.lines += [(now, line) for line in text.splitlines(True)]
        self.wake()

    def end(self):
        self.ended = True
        self.wake()

    def rotate(self, n):
        """The first lines are gone for who reads from the beginning."""
        old = sum(ns < time.time_ns() - ROTATED_AFTER_NS for ns, _ in self.lines)
        self.dropped = max(self.dropped, min(n, old))

    def wake(self):
        self.more.set()
        self.more = asyncio.Event()

    def text(self):
        return "".join(line for _, line in self.lines)


class Pod:
    """A pod and what runs in it."""

    def __init__(self, kube, job, plan):
        self.kube, self.job, self.plan = kube, job, plan
        spec = job["spec"]["template"]["spec"]
        self.inits = [c["name"] for c in spec.get("initContainers", [])]
        self.names = self.inits + [c["name"] for c in spec["containers"]]
        self.states = {n: {"waiting": {"reason": "PodInitializing"}} for n in self.names}
        self.logs, self.exits = {}, {}
        self.name = f"{job['metadata']['name']}-{uuid.uuid4().hex[:5]}"
        self.over = self.gone = False
        self.faulty = False  # something happened to it that no container did
        self.object = {
            "metadata": {"name": self.name, "uid": str(uuid.uuid4()), "namespace": "default",
                         "labels": {**job["spec"]["template"]["metadata"].get("labels", {}),
                                    "job-name": job["metadata"]["name"],
                                    "batch.kubernetes.io/job-name": job["metadata"]["name"]},
                         "annotations": job["spec"]["template"]["metadata"].get("annotations", {}),
                         "ownerReferences": [{"kind": "Job", "apiVersion": "batch/v1",
                                              "uid": job["metadata"]["uid"], "controller": True,
                                              "name": job["metadata"]["name"]}]},
            "spec": {"containers": spec["containers"],
                     "initContainers": spec.get("initContainers", [])}, "status": {}}
        self.task = asyncio.ensure_future(self.run())

    def show(self, phase, **more):
        if self.gone:
            return
        def statuses(names):
            return [{"name": n, "state": self.states[n], "restartCount": 0, "image": "x",
                     **({"containerID": f"containerd://{n}"} if n in self.logs else {})}
                    for n in names]
        self.object["status"] = {"phase": phase, "initContainerStatuses": statuses(self.inits),
                                 "containerStatuses": statuses(self.names[len(self.inits):]), **more}
        self.kube.put("pods", self.object)

    async def run(self):
        plan = self.plan
        try:
            await asyncio.sleep(plan.start_s)
            self.show("Pending")
            if not await self.start(plan):
                return
            for i, name in enumerate(self.names):
                if plan.trouble and plan.trouble[1] == i:
                    if await self.trouble(plan.trouble[0], name):
                        return
                if not await self.container(name, plan):
                    self.over = True
                    self.show("Failed")
                    return
            self.over = True
            self.show("Succeeded")
            if plan.trouble and plan.trouble[0] == "late eviction":
                await asyncio.sleep(0.02)
                self.show("Failed", reason="Evicted", message="The node was low on resource: memory.")
        except asyncio.CancelledError:
            pass

    async def start(self, plan):
        """False: it never does."""
        if plan.pull == "never":
            self.faulty = True
            for reason in ("ErrImagePull", "ImagePullBackOff"):
                self.states[self.names[0]] = {"waiting": {
                    "reason": reason, "message": "failed to pull image: not found"}}
                self.show("Pending")
                await asyncio.sleep(0.05)
            await asyncio.sleep(3600)
        if plan.pull == "slow":
            self.states[self.names[0]] = {"waiting": {
                "reason": "ErrImagePull", "message": "failed to pull image: i/o timeout"}}
            self.show("Pending")
            await asyncio.sleep(0.3)
        self.object["spec"]["nodeName"] = "node-1"
        return True

    async def container(self, name, plan):
        log = self.logs[name] = Log()
        at = stamp(time.time_ns())[:19] + "Z"
        self.states[name] = {"running": {"startedAt": at}}
        self.show("Running" if name not in self.inits else "Pending")
        text = plan.text(name)
        lines = text.splitlines(True)
        dice = self.kube.chaos.nth("talk", self.name, name)
        for i in range(0, len(lines), plan.burst):
            log.write("".join(lines[i:i + plan.burst]))
            await asyncio.sleep(plan.step_s)
            if plan.talk and dice.random() < 0.5:
                self.talk(dice, name)
            if plan.rotates and self.is_shown(name) and dice.random() < 0.3:
                log.rotate(dice.randrange(len(log.lines) + 1))
                self.kube.chaos.note("log rotated")
        if plan.rotates and self.is_shown(name) and dice.random() < 0.3:
            log.rotate(len(log.lines))
        code = plan.exit_code(name)
        self.end(name, code, "Completed" if code == 0 else "Error")
        return code == 0

    def is_shown(self, name):
        """The frontend has had the beginning of the log, from the job's only pod: what is rotated
        away before that nobody can know of."""
        job, world = self.plan.job.id, self.kube.world
        return self.alive() and len(self.kube.truth[job]) == 1 and any(
            e["key"] == world.key(name) and " line 0 " in e.get("out", "")
            for e in world.frontend.records[job].entries)

    def rotated(self):
        return any(log.dropped for log in self.logs.values())

    def talk(self, dice, name):
        """News that change nothing: of containers that wait, of the pod."""
        later = self.names[self.names.index(name) + 1:]
        if later:
            self.states[dice.choice(later)] = {"waiting": {
                "reason": dice.choice(("Throttled", "Queued")),
                "message": f"turn {dice.randrange(1000)}"}}
        more = {}
        if dice.random() < 0.3:
            more["conditions"] = [{"type": "PodScheduled", "status": "False",
                                   "reason": "Unschedulable",
                                   "message": f"0/{dice.randrange(9)} nodes"}]
        self.show("Running" if name not in self.inits else "Pending", **more)

    def end(self, name, code, reason):
        if name in self.logs:
            self.logs[name].end()
        self.exits[name] = code
        at = stamp(time.time_ns())[:19] + "Z"
        self.states[name] = {"terminated": {
            "exitCode": code, "reason": reason, "startedAt": at, "finishedAt": at,
            "containerID": f"containerd://{name}"}}

    async def trouble(self, kind, name):
        """True: the pod is over."""
        if kind == "late eviction":
            return False
        self.faulty = True
        self.logs[name] = Log()
        self.states[name] = {"running": {"startedAt": stamp(time.time_ns())[:19] + "Z"}}
        self.show("Pending")
        self.logs[name].write("begun\n")
        await asyncio.sleep(self.plan.step_s)
        self.over = True
        if kind == "oom":
            self.end(name, 137, "OOMKilled")
            self.show("Failed")
        elif kind == "evicted":
            self.end(name, 137, "Error")
            self.show("Failed", reason="Evicted", message="The node was low on resource: memory.")
        elif kind == "evicted without statuses":
            self.logs[name].end()
            self.object["status"] = {"phase": "Failed", "reason": "Evicted",
                                     "message": "Pod was evicted."}
            self.kube.put("pods", self.object)
        elif kind == "preempted":
            self.end(name, 143, "Error")
            self.show("Failed", conditions=[{"type": "DisruptionTarget", "status": "True",
                                             "reason": "PreemptionByScheduler",
                                             "message": "preempted"}])
        elif kind == "vanished":
            self.logs[name].end()
            self.kube.remove_pod(self)
        elif kind == "start error":
            self.end(name, 128, "StartError")
            self.show("Failed")
        return True

    def alive(self):
        return not self.over and not self.gone


class Kubernetes(Peer):
    def __init__(self, chaos, world, full_rbac=()):
        super().__init__(chaos, "kubernetes")
        self.world, self.full_rbac = world, set(full_rbac)
        self.made = {kind: {} for kind in KINDS}
        self.by = {}          # uid of a Job or Secret: who made it (token)
        self.pods = {}        # by name, as long as they exist
        self.truth = {}       # job id: every Pod ever
        self.version, self.history, self.first = 1000, [], 1001
        self.news = asyncio.Event()
        self.watches = 0

    # --- faults

    def subject(self, call):
        kind = next((k for k, (path, _) in KINDS.items() if call.path.startswith(path)), "?")
        id = ""
        if call.method == "POST" and call.body:
            id = call.json.get("metadata", {}).get("labels", {}).get(JOB_ID, "")
        else:
            id = call.path.rsplit("-", 2)[0] if "/log" in call.path else call.path
        return f"{kind} {id} {call.query.get('container', '')} {'watch' in call.query}"

    def may_be_garbage(self, call):
        return "watch" not in call.query and not call.path.endswith("/log")

    def conflict(self, call):
        """What real API servers answer now and then when quotas are counted."""
        if call.method != "POST":
            return None
        return failure(409, "Conflict", 'Operation cannot be fulfilled on resourcequotas "quota": '
                       "the object has been modified; please apply your changes to the latest version")

    # --- calls

    def answer(self, call):
        for kind, (path, _) in KINDS.items():
            if call.path == path or call.path.startswith(path + "/"):
                return self.resource(call, kind, call.path[len(path) + 1:])
        return failure(404, "NotFound", f"no route {call.path}")

    def forbidden(self, call, verb, kind):
        if call.token in self.full_rbac:
            return False
        allowed = {"jobs": ("create", "delete"), "secrets": ("create", "delete"),
                   "pods": ("get", "list", "watch")}
        return verb not in allowed.get(kind, ())

    def resource(self, call, kind, name):
        verb = {"POST": "create", "DELETE": "delete", "PATCH": "patch"}.get(call.method)
        verb = verb or ("watch" if "watch" in call.query else "get" if name else "list")
        if self.forbidden(call, verb, kind):
            return failure(403, "Forbidden", f'{kind} is forbidden: cannot {verb} resource "{kind}"')
        if verb == "create":
            return self.create(call, kind)
        if verb == "delete":
            return self.delete(call, kind, name)
        if verb == "watch":
            return self.watch(call)
        if verb == "list":
            items = [o for o in self.made[kind].values()
                     if selected(o["metadata"].get("labels", {}), call.query.get("labelSelector"))]
            if "as=PartialObjectMetadataList" in call.headers.get("accept", ""):
                items = [{"metadata": o["metadata"]} for o in items]
            return Answer(200, {"kind": f"{KINDS[kind][1]}List", "apiVersion": "v1", "items": items,
                                "metadata": {"resourceVersion": str(self.version)}})
        pod, _, sub = name.partition("/")
        found = self.made[kind].get(pod)
        if found is None:
            return failure(404, "NotFound", f'{kind} "{pod}" not found')
        return self.log(call, self.pods[pod]) if sub == "log" else Answer(200, found)

    def create(self, call, kind):
        body = call.json
        meta = body.get("metadata", {})
        name = meta.get("name")
        if not name:
            return failure(422, "Invalid", "metadata.name: Required value")
        if call.query.get("dryRun"):
            return Answer(201, body)
        if name in self.made[kind]:
            return failure(409, "AlreadyExists", f'{kind} "{name}" already exists')
        meta.update(uid=str(uuid.uuid4()), namespace="default",
                    creationTimestamp=stamp(time.time_ns())[:19] + "Z")
        self.by[meta["uid"]] = call.token
        self.put(kind, body)
        id = int(meta.get("labels", {}).get(JOB_ID, 0))
        self.world.trace(id, f"{kind} {name} created by {call.token}")
        if kind == "jobs":
            attempts = self.truth.setdefault(id, [])
            plan = self.world.plan(id, len(attempts))
            pod = Pod(self, body, plan)
            pod.owner = call.token
            attempts.append(pod)
            self.pods[pod.name] = pod
            self.world.on_pod(id, attempts)
        return Answer(201, body)

    def put(self, kind, body):
        name = body["metadata"]["name"]
        known = name in self.made[kind]
        self.version += 1
        body["metadata"]["resourceVersion"] = str(self.version)
        self.made[kind][name] = body
        if kind == "pods":
            self.tell("MODIFIED" if known else "ADDED", body)

    def tell(self, kind, pod):
        line = json.dumps({"type": kind, "object": pod}).encode() + b"\n"
        self.history.append((self.version, pod["metadata"].get("labels", {}), line))
        if len(self.history) > HISTORY:
            self.first = self.history[HISTORY // 3][0]
            del self.history[:HISTORY // 3]
        self.news.set()
        self.news = asyncio.Event()

    def delete(self, call, kind, name):
        found = self.made[kind].get(name)
        if found is None:
            return failure(404, "NotFound", f'{kind} "{name}" not found')
        uid = call.json.get("preconditions", {}).get("uid")
        if uid and uid != found["metadata"]["uid"]:
            return failure(409, "Conflict", "the UID in the precondition does not match the UID in "
                           f"record: {uid} and {found['metadata']['uid']}")
        if call.json.get("dryRun"):  # in the foreground: the object is the answer
            return Answer(200, found)
        id = int(found["metadata"].get("labels", {}).get(JOB_ID, 0))
        self.world.on_delete(id, kind, found, self.by.get(found["metadata"]["uid"]), call.token)
        self.world.trace(id, f"{kind} {name} deleted by {call.token}")
        if kind == "jobs" and self.chaos.nth("slow delete", name).random() < 0.1:
            if "deletionTimestamp" not in found["metadata"]:
                found["metadata"]["deletionTimestamp"] = stamp(time.time_ns())[:19] + "Z"
                asyncio.get_running_loop().call_later(0.3, self.remove, kind, name,
                                                      found["metadata"]["uid"])
            return Answer(200, found)
        self.remove(kind, name, found["metadata"]["uid"])
        return Answer(200, found)

    def remove(self, kind, name, uid):
        found = self.made[kind].get(name)
        if found is None or found["metadata"]["uid"] != uid:
            return
        if kind == "pods":
            self.remove_pod(self.pods[name])
            return
        del self.made[kind][name]
        for other in ("secrets", "persistentvolumeclaims", "pods"):
            for dependent in list(self.made[other].values()):
                owners = dependent["metadata"].get("ownerReferences", [])
                if any(o["uid"] == uid for o in owners):
                    self.remove(other, dependent["metadata"]["name"], dependent["metadata"]["uid"])

    def remove_pod(self, pod):
        self.pods.pop(pod.name, None)
        pod.gone = True
        if pod.task is not asyncio.current_task():
            pod.task.cancel()
        for log in pod.logs.values():
            log.end()
        if self.made["pods"].pop(pod.name, None):
            self.version += 1
            pod.object["metadata"]["resourceVersion"] = str(self.version)
            self.tell("DELETED", pod.object)

    # --- streams

    def watch(self, call):
        since = int(call.query.get("resourceVersion") or 0)
        dice = self.chaos.nth("watch", call.token)
        trouble = None
        if self.chaos.rate and not self.chaos.calm:
            trouble = dice.choice((None, None, "end", "cut", "half line", "gone", "410", "500",
                                   "error", "silence", "garbage", "bookmarks"))
        if trouble:
            self.chaos.note(f"watch {trouble}")
        if trouble == "410" or since + 1 < self.first:
            return failure(410, "Expired", "too old resource version")
        return Answer(200, stream=self.feed(since, call.query.get("labelSelector"), trouble, dice))

    async def feed(self, since, selector, trouble, dice):
        loop = asyncio.get_running_loop()
        end = loop.time() + dice.uniform(0.5, 8)
        self.watches += 1
        while not self.closing:
            await self.running.wait()
            news = self.news
            for version, labels, line in [h for h in self.history if h[0] > since]:
                since = version
                if selected(labels, selector):
                    yield line
            if trouble and loop.time() >= end:
                await self.end_feed(trouble, since)
                if trouble == "bookmarks":
                    end = loop.time() + 0.5
                    yield json.dumps({"type": "BOOKMARK", "object": {
                        "kind": "Pod", "metadata": {"resourceVersion": str(since)}}}).encode() + b"\n"
                    continue
                if trouble == "half line":
                    yield b'{"type":"MODIFIED","object":{"metadata":{"name":"x'
                    raise Cut
                if trouble == "garbage":
                    yield b"\x00\xff}{\n"
                if trouble in ("gone", "error"):
                    code, reason = (410, "Expired") if trouble == "gone" else (500, "InternalError")
                    yield json.dumps({"type": "ERROR", "object": {
                        "kind": "Status", "code": code, "reason": reason,
                        "message": "as scripted"}}).encode() + b"\n"
                return
            try:
                await asyncio.wait_for(news.wait(), 0.5)
            except asyncio.TimeoutError:
                pass

    async def end_feed(self, trouble, since):
        if trouble == "silence":  # half open; a router notices after a while
            await asyncio.sleep(4)
        if trouble in ("cut", "silence"):
            raise Cut

    def log(self, call, pod):
        log = pod.logs.get(call.query.get("container"))
        if log is None:
            return failure(400, "BadRequest", f'container "{call.query.get("container")}" in pod '
                           f'"{pod.name}" is waiting to start: PodInitializing')
        since = seconds_of(call.query["sinceTime"]) * 10**9 if "sinceTime" in call.query else 0
        stamps = call.query.get("timestamps") == "true"
        follow = call.query.get("follow") == "true"
        dice = self.chaos.nth("log", pod.job["metadata"]["name"], call.query["container"])
        cut = None
        if self.chaos.rate and not self.chaos.calm and dice.random() < 0.15:
            # Only a stream that follows may end early as if it were whole.
            kinds = ("end", "reset", "silence") if follow else ("reset", "silence")
            cut = (dice.choice(kinds), dice.randrange(0, 2000))
            self.chaos.note(f"log {cut[0]}")
        return Answer(200, stream=self.log_lines(log, since, stamps, follow, cut))

    async def log_lines(self, log, since, stamps, follow, cut):
        at, sent, fresh = log.dropped, 0, True
        while True:
            more = log.more
            out = b""
            for ns, line in log.lines[at:]:
                at += 1
                if ns >= since:
                    head = f"{stamp(ns)} " if stamps and fresh else ""
                    fresh = line.endswith("\n")
                    out += head.encode() + line.encode()
            if cut and sent + len(out) >= cut[1]:
                if part := out[:max(0, cut[1] - sent)]:
                    yield part
                if cut[0] == "end":
                    return
                if cut[0] == "silence":
                    await asyncio.sleep(3)
                raise Cut
            if out:
                sent += len(out)
                yield out
            if log.ended and at == len(log.lines) or not follow:
                return
            await more.wait()
