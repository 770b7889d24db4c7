"""A Kubernetes API, as scripted: Secrets, claims and Jobs can be made and deleted; the pod of a Job
runs as its script says, at once. There is no kubelet and no container."""
import json
import threading
import uuid
from urllib.parse import parse_qs

from httpd import Peer

ROUTES = {"jobs": "/apis/batch/v1/namespaces/{}/jobs", "pods": "/api/v1/namespaces/{}/pods",
          "secrets": "/api/v1/namespaces/{}/secrets",
          "persistentvolumeclaims": "/api/v1/namespaces/{}/persistentvolumeclaims"}


def selected(found, selector):
    labels = found["metadata"].get("labels", {})
    return all(labels.get(part.split("=")[0]) == part.split("=")[1]
               for part in selector.split(",") if part)


STAMP = "2024-06-03T10:20:30.{:09d}Z"


def status(code, reason, message):
    return code, {"kind": "Status", "apiVersion": "v1", "status": "Failure", "code": code,
                  "reason": reason, "message": message}


class Script:
    """How a pod runs: what each container prints and how it ends."""

    def __init__(self, logs=None, exits=None, hold=False, waiting=None, pod=None, act=None,
                 podless=False, then=None, late=None, meanwhile=None, reasons=None):
        self.logs, self.exits = logs or {}, exits or {}  # by container name
        self.reasons = reasons or {}  # and why it ended, if not Completed or Error
        self.hold = hold        # the first container runs until release() or the Job's deletion
        self.waiting = waiting  # (reason, message[, name]) of a container that cannot start: the first
        self.pod = pod or {}    # more of the pod's status
        self.act = act          # act(container name): what the container does
        self.late = late        # (container, threading.Event): it begins when that is set
        self.meanwhile = meanwhile or {}  # more of the pod's status until then
        self.podless = podless  # the Job gets no pod
        self.then = then        # how the pods of all Jobs after the first run


class Kube(Peer):
    def __init__(self, script=None, namespace="default"):
        self.script, self.namespace = script or Script(), namespace
        self.made = {kind: {} for kind in ROUTES}      # name: object, as long as it exists
        self.created = {kind: [] for kind in ROUTES}   # as they were sent
        self.deleted = {kind: [] for kind in ROUTES}
        self.forbidden = set()                         # (verb, kind)
        self.refusals = {}                             # (verb, kind): answers, one each
        self.version, self.events = 100, []
        self.lost_lines = 0                            # at the beginning of each log
        self.stubborn = False                          # deleted Jobs stay, as with a silent node
        self.closed = False
        self.names = []                                # every Job ever made
        self.most = 0                                  # Jobs at a time
        super().__init__()

    def close(self):
        self.closed = True
        with self.lock:
            self.lock.notify_all()
        super().close()

    def answer(self, call):
        for kind, route in ROUTES.items():
            path = route.format(self.namespace)
            if call.path == path or call.path.startswith(path + "/"):
                return self.resource(call, kind, call.path[len(path) + 1:])
        return status(404, "NotFound", f"no route {call.path}")

    def resource(self, call, kind, name):
        query = {k: v[0] for k, v in parse_qs(call.query).items()}
        verb = {"POST": "create", "DELETE": "delete"}.get(call.method)
        verb = verb or ("watch" if query.get("watch") else "get" if name else "list")
        with self.lock:
            if self.refusals.get((verb, kind)):
                return self.refusals[(verb, kind)].pop(0)
            if (verb, kind) in self.forbidden:
                return status(403, "Forbidden", f'cannot {verb} resource "{kind}"')
            if verb == "create":
                return (201, call.json) if query.get("dryRun") else self.create(kind, call.json)
            if verb == "delete":
                return self.delete(kind, name, call.json)
            if verb == "watch":
                return 200, self.watcher(int(query.get("resourceVersion") or 0),
                                         query.get("labelSelector", ""))
            if verb == "get":
                return self.get(kind, name, query)
            return 200, {"kind": "PodList", "apiVersion": "v1",
                         "metadata": {"resourceVersion": str(self.version)},
                         "items": [o for o in self.made[kind].values()
                                   if selected(o, query.get("labelSelector", ""))]}

    def create(self, kind, body):
        name = body.get("metadata", {}).get("name")
        if not name:
            return status(422, "Invalid", "metadata.name: Required value")
        if name in self.made[kind]:
            return status(409, "AlreadyExists", f'{kind} "{name}" already exists')
        self.created[kind].append(json.loads(json.dumps(body)))
        body["metadata"]["uid"] = str(uuid.uuid4())
        self.made[kind][name] = body
        if kind == "jobs":
            self.names.append(name)
            self.most = max(self.most, len(self.made[kind]))
            again = self.script.then and len(self.names) > 1
            threading.Thread(target=self.run, daemon=True, args=[
                body, self.script.then if again else self.script]).start()
        return 201, body

    def delete(self, kind, name, options):
        if name not in self.made[kind]:
            return status(404, "NotFound", f'{kind} "{name}" not found')
        found = self.made[kind][name]
        uid = options.get("preconditions", {}).get("uid")
        if uid and uid != found["metadata"]["uid"]:
            return status(409, "Conflict", "the UID in the precondition does not match")
        if options.get("dryRun"):
            if options["propagationPolicy"] != "Foreground":  # answered without the object
                return 200, {"kind": "Status", "status": "Success", "details": {"name": name}}
            return 200, found
        self.deleted[kind].append(name)
        if kind == "jobs" and self.stubborn:
            return 200, self.made[kind][name]
        gone = self.made[kind].pop(name)
        if kind == "jobs" and name in self.made["pods"]:
            self.event("DELETED", self.made["pods"].pop(name))
        self.lock.notify_all()
        return 200, gone

    def get(self, kind, name, query):
        pod, _, sub = name.partition("/")
        if pod not in self.made[kind]:
            return status(404, "NotFound", f'{kind} "{pod}" not found')
        if sub != "log":
            return 200, self.made[kind][pod]
        text = self.script.logs.get(query["container"], b"")
        text = text.encode() if isinstance(text, str) else text
        lines = text.split(b"\n")
        last = lines.pop()
        out = b"".join(STAMP.format(i).encode() + b" " + line + b"\n"
                       for i, line in enumerate(lines) if i >= self.lost_lines)
        return 200, out + (STAMP.format(len(lines)).encode() + b" " + last if last else b"")

    # --- pods

    def event(self, kind, pod):
        self.version += 1
        pod["metadata"]["resourceVersion"] = str(self.version)
        self.events.append((self.version, json.dumps({"type": kind, "object": pod}).encode(), pod))
        self.lock.notify_all()

    def watcher(self, since, selector):
        def stream(chunk):
            at = since
            while not self.closed:
                with self.lock:
                    todo = [event for event in self.events if event[0] > at]
                    if not todo:
                        self.lock.wait(0.2)
                        continue
                for at, line, pod in todo:
                    if selected(pod, selector):
                        chunk(line + b"\n")
        return stream

    def release(self):
        with self.lock:
            self.script.hold = False
            if self.script.then:
                self.script.then.hold = False
            self.lock.notify_all()

    def run(self, job, script):
        """The pod's life: every container in turn, until one ends badly."""
        if script.podless:
            return
        meta, spec = job["metadata"], job["spec"]["template"]["spec"]
        inits = [c["name"] for c in spec.get("initContainers", [])]
        names = inits + [c["name"] for c in spec["containers"]]
        labels = {**job["spec"]["template"]["metadata"].get("labels", {}),
                  "job-name": meta["name"], "batch.kubernetes.io/job-name": meta["name"]}
        states = {n: {"waiting": {"reason": "PodInitializing"}} for n in names}
        pod = {"metadata": {"name": meta["name"], "uid": str(uuid.uuid4()), "labels": labels,
                            "ownerReferences": [{"kind": "Job", "uid": meta["uid"],
                                                 "name": meta["name"], "controller": True}]},
               "spec": {"nodeName": "node-1"}, "status": {}}

        def show(phase, **more):
            def statuses(which):
                return [{"name": n, "state": states[n], "restartCount": 0} for n in which]
            with self.lock:
                if meta["name"] not in self.made["jobs"]:
                    return False
                pod["status"] = {"phase": phase, "initContainerStatuses": statuses(inits),
                                 "containerStatuses": statuses(names[len(inits):]), **more}
                first = meta["name"] not in self.made["pods"]
                self.made["pods"][meta["name"]] = pod
                self.event("ADDED" if first else "MODIFIED", json.loads(json.dumps(pod)))
            return True

        phase, stuck = "Succeeded", script.waiting and (*script.waiting, names[0])[2]
        for name in names:
            if name == stuck:
                reason, message = script.waiting[:2]
                states[name] = {"waiting": {"reason": reason, "message": message}}
                show("Pending")
                return
            if script.late and script.late[0] == name:
                show("Pending", **script.meanwhile)
                script.late[1].wait()
            states[name] = {"running": {"startedAt": "2024-06-03T10:20:30Z"}}
            if not show("Pending"):
                return
            if name == names[0] and not self.held(meta["name"], script):
                return
            if script.act:
                script.act(name)
            code = script.exits.get(name, 0)
            reason = script.reasons.get(name, "Completed" if code == 0 else "Error")
            states[name] = {"terminated": {"exitCode": code, "containerID": "containerd://1",
                                           "reason": reason}}
            if code:
                phase = "Failed"
                break
        if script.pod:
            phase = script.pod.get("phase", phase)
        show(phase, **{k: v for k, v in script.pod.items() if k != "phase"})

    def held(self, name, script):
        with self.lock:
            while script.hold and name in self.made["jobs"] and not self.closed:
                self.lock.wait(0.2)
            return name in self.made["jobs"]

    # --- what was recorded

    def job(self):
        return self.created["jobs"][0]
