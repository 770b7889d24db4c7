"""What is in the cluster already: objects under a job's own names, and what jobs left behind."""
import pathlib
import re
import tempfile
import threading

from executor import Executor
from frontend import Frontend, payload, step
from httpd import Drop
from kube import Kube, Script, status
from metrics import free_port, get
from outcomes import AGAIN
from suite import equal, has, row, scenario

NAME = "sg-executor-job-batches-42"
SECRET = NAME + "-secrets"
SECOND = NAME + "-attempt-2"
ONE = [step("step.0.run")]
EVERY = "200ms"


def label(name):
    """lx_executor_label: FNV-1a."""
    value = 0xcbf29ce484222325
    for byte in name.encode():
        value = (value ^ byte) * 0x100000001b3 % 2**64
    return f"{value:016x}"


def metadata(name, executor, frontend, id=42, uid=None):
    return {"name": name, "uid": uid or "uid-of-" + name,
            "labels": {"app.kubernetes.io/managed-by": "lunexec", "lunexec.dev/queue": "batches",
                       "lunexec.dev/job-id": str(id), "lunexec.dev/executor": label(executor)},
            "annotations": {"lunexec.dev/executor-name": executor,
                            "lunexec.dev/frontend": frontend, "lunexec.dev/run": "0" * 16}}


def put(kube, kind, meta):
    kube.made[kind][meta["name"]] = {"metadata": meta}


def deletes(w, kind, name):
    """The options of every delete that was meant."""
    return [c.json for c in w.kube.calls if c.method == "DELETE" and c.name == name
            and f"/{kind}/" in c.path and not c.json.get("dryRun")]


# --- objects of the same name


def met(name, **settings):
    """Registers a scenario: one job, and objects of its names made by `function(w)` before."""
    def register(function):
        def play(w):
            w.frontend, w.kube = Frontend(), Kube(settings.get("script"))
            function(w)
            w.start(payload(dockerSteps=ONE), HOSTNAME="ex").marked().stopped()
        play.__name__ = name
        return scenario(play)
    return register


@met("leftover")
def leftover(w):
    """Made by an executor that has lost the job since."""
    for kind, name in (("secrets", SECRET), ("jobs", NAME)):
        put(w.kube, kind, metadata(name, "ex-before", w.frontend.url))


@met("leftover_slow")
def leftover_slow(w):
    """The pod of such a Job takes its time to end: the Job stays after its delete."""
    put(w.kube, "jobs", metadata(NAME, "ex-before", w.frontend.url))
    w.kube.stubborn = True

    def watch():
        w.kube.wait(lambda: len(deletes(w, "jobs", NAME)) >= 2, "second delete")
        w.facts["made"] = len(w.kube.created["jobs"])
        with w.kube.lock:
            w.kube.stubborn = False
            del w.kube.made["jobs"][NAME]
    w.watcher = threading.Thread(target=watch)
    w.watcher.start()


@met("leftover_foreign")
def leftover_foreign(w):
    """Made by nobody we know."""
    w.kube.made["secrets"][SECRET] = {"metadata": {
        "name": SECRET, "uid": "theirs", "labels": {"app.kubernetes.io/managed-by": "Helm"}}}


@met("leftover_original")
def leftover_original(w):
    """Made by Sourcegraph's own executor, which labels nothing."""
    for kind, name in (("secrets", SECRET), ("jobs", NAME)):
        put(w.kube, kind, {"name": name, "uid": "uid-of-" + name})


@met("leftover_instance")
def leftover_instance(w):
    """Made for the job 42 of another Sourcegraph instance."""
    put(w.kube, "jobs", metadata(NAME, "ex-theirs", "https://other.example.com"))


@met("create_unknown")
def create_unknown(w):
    """Whether the Job was made cannot be known, and its name is another's."""
    put(w.kube, "jobs", metadata(NAME, "ex-theirs", "https://other.example.com"))
    w.kube.refusals[("create", "jobs")] = [status(400, "", "half done")]


@met("create_unknown_again")
def create_unknown_again(w):
    """The same, and the job is tried again."""
    put(w.kube, "jobs", metadata(NAME, "ex-theirs", "https://other.example.com"))
    w.kube.refusals[("create", "jobs")] = [status(501, "", "half done")]


@scenario
def leftover_attempts(w):
    """Of both attempts; what is in the first one's way cannot be looked at."""
    w.frontend, w.kube = Frontend(), Kube()
    for base in (NAME, SECOND):
        put(w.kube, "secrets", metadata(base + "-secrets", "ex-before", w.frontend.url))
    put(w.kube, "jobs", metadata(SECOND, "ex-before", w.frontend.url))
    w.kube.refusals[("delete", "secrets")] = [status(501, "", "half done")]
    w.start(payload(dockerSteps=ONE), **AGAIN).marked().stopped()


class Forgetful(Kube):
    """Makes the first Job, and never says so."""

    lost = False

    def create(self, kind, body):
        answer = super().create(kind, body)
        if kind == "jobs" and not self.lost:
            self.lost = True
            raise Drop
        return answer


@scenario
def create_answer_lost(w):
    w.kube = Forgetful()
    w.start(payload(dockerSteps=ONE)).marked().stopped()


@scenario
def create_answer_lost_unseen(w):
    """Nor can it be seen then whose that Job is. The job is tried again."""
    w.kube = Forgetful(Script(hold=True, then=Script()))
    w.kube.refusals[("delete", "jobs")] = [status(501, "", "half done")]
    w.start(payload(dockerSteps=ONE), **AGAIN).marked().stopped()


row("11.2", "leftovers of the same name are deleted, then made anew", "leftover",
    lambda w: equal([m.name for m in w.frontend.marks()], ["markComplete"]))
row("11.2", "leftovers are deleted by their UID, and a Job with its pods", "leftover",
    lambda w: equal([(d["preconditions"], d["propagationPolicy"]) for kind, name in
                     (("secrets", SECRET), ("jobs", NAME)) for d in deletes(w, kind, name)[:1]],
                    [({"uid": "uid-of-" + SECRET}, "Foreground"),
                     ({"uid": "uid-of-" + NAME}, "Foreground")]))
row("11.2", "a leftover Job goes before what its pod uses", "leftover",
    lambda w: equal([c.name for c in w.kube.calls if c.method == "DELETE" and
                     not c.json.get("dryRun")][:2], [NAME, SECRET]))
row("11.2", "so it is with each attempt", "leftover_attempts",
    lambda w: equal([c.name for c in w.kube.calls if c.method == "DELETE" and
                     c.name.startswith(SECOND) and not c.json.get("dryRun")][:2],
                    [SECOND, SECOND + "-secrets"]) or
    equal([m.name for m in w.frontend.marks()], ["markComplete"]))
row("11.2", "a leftover that takes its time is waited for", "leftover_slow",
    lambda w: equal((w.facts["made"], [m.name for m in w.frontend.marks()]), (0, ["markComplete"])))
row("11.2", "leftovers of the original are deleted by their UID, then made anew", "leftover_original",
    lambda w: equal(([m.name for m in w.frontend.marks()],
                     [deletes(w, "jobs", NAME)[0]["preconditions"]["uid"],
                      deletes(w, "secrets", SECRET)[0]["preconditions"]["uid"]]),
                    (["markComplete"], ["uid-of-" + NAME, "uid-of-" + SECRET])))
row("11.2", "an object of the same name that is not ours stays", "leftover_foreign",
    lambda w: equal((w.kube.made["secrets"][SECRET]["metadata"]["uid"], w.kube.deleted["secrets"]),
                    ("theirs", [])))
row("11.2", "an object of the same name that is not ours: the job says so", "leftover_foreign",
    lambda w: has(w.frontend.marks()[0].json["errorMessage"] + "$", f"job secret {SECRET}",
                  "it was not made by Lunexec", "namespaces of their own$"))
row("11.2", "the Job of another instance stays, what was made is removed", "leftover_instance",
    lambda w: equal((list(w.kube.made["jobs"]), w.kube.made["secrets"], w.kube.deleted["jobs"]),
                    ([NAME], {}, [])))
row("11.2", "the Job of another instance: the job says whose it is", "leftover_instance",
    lambda w: has(w.frontend.marks()[0].json["errorMessage"], f"creating job {NAME}",
                  "executor ex-theirs's, for job 42 of queue batches at https://other.example.com"))
row("7.5", "clean-up leaves a Job alone of which it is not sure that we made it", "create_unknown",
    lambda w: equal((list(w.kube.made["jobs"]), w.kube.made["secrets"],
                     [m.name for m in w.frontend.marks()]), ([NAME], {}, ["markErrored"])))
row("7.5", "so does another attempt", "create_unknown_again",
    lambda w: equal((list(w.kube.made["jobs"]), w.kube.made["secrets"],
                     [m.name for m in w.frontend.marks()]), ([NAME], {}, ["markComplete"])))
row("11.2", "a Job whose create was not answered is taken as made", "create_answer_lost",
    lambda w: equal((w.kube.names, [m.name for m in w.frontend.marks()], w.kube.deleted["jobs"]),
                    ([NAME], ["markComplete"], [NAME])))
row("11.2", "nor is it left to run when that cannot be seen", "create_answer_lost_unseen",
    lambda w: equal(([m.name for m in w.frontend.marks()], w.kube.most, w.kube.made["jobs"]),
                    (["markComplete"], 1, {})))

# --- the sweep


def state_dir(w, name):
    """A state directory whose executor has this name."""
    folder = tempfile.TemporaryDirectory()
    w.facts.setdefault("folders", []).append(folder)
    pathlib.Path(folder.name, "executor-name").write_text(name)
    return folder.name


def litter(w, executor, id):
    """A Job with its pod and Secrets; the Job's name."""
    name = f"sg-executor-job-batches-{id}"
    put(w.kube, "jobs", metadata(name, executor, w.frontend.url, id))
    put(w.kube, "secrets", metadata(name + "-secrets", executor, w.frontend.url, id))
    put(w.kube, "secrets", metadata(name + "-pull", executor, w.frontend.url, id))
    pod = metadata(name, executor, w.frontend.url, id, uid=f"pod-{id}")
    pod["ownerReferences"] = [{"kind": "Job", "name": name, "uid": "uid-of-" + name,
                               "controller": True}]
    put(w.kube, "pods", pod)
    return name


def rounds(w, n):
    """`n` further lists of a sweep have begun."""
    def lists():
        return len([c for c in list(w.kube.calls) if c.method == "GET" and "limit=200" in c.query
                    and "executor%3D" in c.query])
    before = lists()
    w.kube.wait(lambda: lists() >= before + n, f"{n} rounds of the sweep")


def gone(w, *names):
    w.kube.wait(lambda: not [n for n in names for kind in ("jobs", "secrets")
                             for made in w.kube.made[kind] if made.startswith(n)],
                "removal of " + " ".join(names))


def swept(w, forbidden=()):
    """Litter of our own name and of others, while a job runs."""
    w.frontend, w.kube = Frontend(), Kube(Script(hold=True))
    w.kube.forbidden |= set(forbidden)
    w.names = [litter(w, "ex-ours", 7), litter(w, "ex-theirs", 8)]
    w.kube.made["jobs"]["plain"] = {"metadata": {"name": "plain", "uid": "plain"}}
    address = free_port()
    w.start(payload(dockerSteps=ONE), LUNEXEC_STATE_DIR=state_dir(w, "ex-ours"),
            LUNEXEC_SWEEP_INTERVAL=EVERY, LUNEXEC_LISTEN=f"127.0.0.1:{address}")
    gone(w, w.names[0])
    w.kube.wait(lambda: NAME in w.kube.made["pods"], "the job's pod")
    rounds(w, 4)
    w.page = get(address, "/metrics")[1]
    w.facts["left"] = {kind: sorted(w.kube.made[kind]) for kind in ("jobs", "secrets")}
    w.kube.release()
    w.marked().stopped()


@scenario
def sweep_jobs(w):
    swept(w)


@scenario
def sweep_pods(w):
    """Jobs may not be listed, as with the usual Role."""
    swept(w, [("list", "jobs")])


@scenario
def sweep_off(w):
    w.frontend, w.kube = Frontend(), Kube()
    litter(w, "ex-ours", 7)
    w.start(payload(dockerSteps=ONE), LUNEXEC_STATE_DIR=state_dir(w, "ex-ours"),
            LUNEXEC_SWEEP_INTERVAL="0").marked().stopped()


@scenario
def sweep_keep(w):
    w.frontend, w.kube = Frontend(), Kube()
    litter(w, "ex-ours", 7)
    w.start(payload(dockerSteps=ONE), LUNEXEC_STATE_DIR=state_dir(w, "ex-ours"),
            LUNEXEC_SWEEP_INTERVAL=EVERY, KUBERNETES_KEEP_JOBS="true").marked().stopped()


@scenario
def sweep_margin(w):
    """The usual interval: nothing is removed at once."""
    w.frontend, w.kube = Frontend(), Kube()
    litter(w, "ex-ours", 7)
    w.start(payload(dockerSteps=ONE), LUNEXEC_STATE_DIR=state_dir(w, "ex-ours")).marked()
    rounds(w, 0)
    w.stopped()


@scenario
def sweep_reused(w):
    """A Job that was seen is replaced by one of the same name, and its job comes back."""
    w.frontend, w.kube = Frontend(), Kube()
    w.kube.forbidden.add(("list", "jobs"))
    put(w.kube, "secrets", metadata(SECRET, "ex-other", w.frontend.url))
    pod = metadata(NAME, "ex-ours", w.frontend.url)
    pod["ownerReferences"] = [{"kind": "Job", "name": NAME, "uid": "uid-before",
                               "controller": True}]
    put(w.kube, "pods", pod)
    put(w.kube, "jobs", metadata(NAME, "ex-other", w.frontend.url, uid="uid-since"))
    w.start(LUNEXEC_STATE_DIR=state_dir(w, "ex-ours"), LUNEXEC_SWEEP_INTERVAL=EVERY)
    w.kube.wait(lambda: deletes(w, "jobs", NAME), "an attempt to remove it")
    rounds(w, 3)
    w.stopped()


def two(w, ids):
    """Two executors; one is killed with its job, the other sweeps, then the first comes back."""
    w.frontend, w.kube = Frontend(), Kube(Script(hold=True))
    w.kube.forbidden.add(("list", "jobs"))
    names = [litter(w, "ex-first", 7), litter(w, "ex-second", 8), litter(w, "ex-gone", 9)]
    w.start(payload(ids[0], dockerSteps=ONE), LUNEXEC_STATE_DIR=state_dir(w, "ex-first"),
            LUNEXEC_SWEEP_INTERVAL=EVERY)
    w.kube.wait(lambda: len(w.kube.names) == 1, "the first's Job")
    w.frontend.offer(payload(ids[1], dockerSteps=ONE))
    second = Executor(w.frontend, w.kube, LUNEXEC_STATE_DIR=state_dir(w, "ex-second"),
                      LUNEXEC_SWEEP_INTERVAL=EVERY)
    try:
        w.kube.wait(lambda: len(w.kube.names) == 2, "the second's Job")
        gone(w, *names[:2])
        w.executor.kill()
        rounds(w, 4)
        w.facts["left"] = sorted(w.kube.made["jobs"])
        w.executor.start()
        rounds(w, 4)
        w.facts["left again"] = sorted(w.kube.made["jobs"])
        w.kube.release()
        w.marked(2).stopped()
        second.signal()
        w.others = [w.status, second.wait()]
    finally:
        second.close()


@scenario
def sweep_two(w):
    """In one namespace, with one queue."""
    two(w, (42, 43))


@scenario
def sweep_failed_delete(w):
    """A Job and a Secret that could not be deleted when the job ended, by the process before."""
    w.frontend, w.kube = Frontend(), Kube()
    w.kube.forbidden |= {("delete", "jobs"), ("delete", "secrets"), ("list", "jobs")}
    settings = {"LUNEXEC_STATE_DIR": state_dir(w, "ex-ours"), "LUNEXEC_SWEEP_INTERVAL": EVERY}
    w.start(payload(dockerSteps=ONE), **settings).marked()
    w.executor.kill()
    w.kube.made["pods"].clear()
    w.kube.forbidden.clear()
    w.kube.forbidden.add(("list", "jobs"))
    w.facts["left"] = [list(w.kube.made[kind]) for kind in ("jobs", "secrets")]
    w.executor.start()
    gone(w, NAME)
    journal = pathlib.Path(settings["LUNEXEC_STATE_DIR"], "journal")
    w.frontend.wait(lambda: journal.stat().st_size == 0, "empty journal")
    w.stopped()


def removed(w):
    return sorted(set(re.findall(r'name=("?)([\w-]+)\1', "\n".join(
        line for line in w.log.splitlines() if "had left behind" in line and "removed" in line))))


for name, how in (("sweep_jobs", "listed"), ("sweep_pods", "seen through their pods")):
    row("7.5", f"the sweep: what we left behind is removed, {how}; nothing else is", name,
        lambda w: equal(w.facts["left"], {"jobs": sorted(["plain", NAME, w.names[1]]),
                                          "secrets": sorted([SECRET, w.names[1] + "-pull",
                                                             w.names[1] + "-secrets"])}))
    row("7.5", f"the sweep: deletes are by UID, {how}", name,
        lambda w: equal([d["preconditions"]["uid"] for kind, suffix in
                         (("jobs", ""), ("secrets", "-secrets"), ("secrets", "-pull"))
                         for d in deletes(w, kind, w.names[0] + suffix)],
                        ["uid-of-" + w.names[0] + s for s in ("", "-secrets", "-pull")]))
    row("7.5", f"the sweep: the log and a metric tell, {how}", name,
        lambda w: equal([n for _, n in removed(w)],
                        sorted(w.names[0] + s for s in ("", "-pull", "-secrets"))) or
        has(w.page, 'lunexec_leftovers_removed_total{kind="job"} 1',
            'lunexec_leftovers_removed_total{kind="job secret"} 1',
            'lunexec_leftovers_removed_total{kind="image pull secret"} 1'))
    row("7.5", f"the sweep: the job that ran meanwhile is complete, {how}", name,
        lambda w: equal([m.name for m in w.frontend.marks()], ["markComplete"]))
row("3.5", "LUNEXEC_SWEEP_INTERVAL=0: no sweep", "sweep_off",
    lambda w: equal(list(w.kube.made["jobs"]), ["sg-executor-job-batches-7"]) or
    equal([c for c in w.kube.calls if c.method == "GET" and "/jobs" in c.path], []))
row("3.3", "KUBERNETES_KEEP_JOBS: no sweep", "sweep_keep",
    lambda w: equal(sorted(w.kube.made["jobs"]), sorted(["sg-executor-job-batches-7", NAME])) or
    equal([c for c in w.kube.calls if c.method == "GET" and "/jobs" in c.path], []))
row("7.5", "the sweep: what was seen just now stays", "sweep_margin",
    lambda w: equal(list(w.kube.made["jobs"]), ["sg-executor-job-batches-7"]))
row("7.5", "the sweep: what has the name of a leftover stays", "sweep_reused",
    lambda w: equal([w.kube.made["jobs"][NAME]["metadata"]["uid"], list(w.kube.made["secrets"])],
                    ["uid-since", [SECRET]]))
row("7.5", "two executors with one queue: a killed one's job is not touched", "sweep_two",
    lambda w: equal(w.facts["left"], sorted([NAME, "sg-executor-job-batches-43",
                                             "sg-executor-job-batches-9"])))
row("7.5", "two executors with one queue: it is taken up again, and both complete", "sweep_two",
    lambda w: equal((w.facts["left again"], [m.name for m in w.frontend.marks()], w.others,
                     len(w.kube.names)),
                    (sorted([NAME, "sg-executor-job-batches-43", "sg-executor-job-batches-9"]),
                     ["markComplete"] * 2, [0, 0], 2)))
row("7.5", "two executors with one queue: a third's leftovers are its own", "sweep_two",
    lambda w: equal(sorted(w.kube.made["secrets"]),
                    ["sg-executor-job-batches-9-pull", "sg-executor-job-batches-9-secrets"]))
row("7.5", "what could not be deleted is deleted later, by another process too",
    "sweep_failed_delete",
    lambda w: equal((w.facts["left"], w.kube.made["jobs"], w.kube.made["secrets"]),
                    ([[NAME], [SECRET]], {}, {})))
