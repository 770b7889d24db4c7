"""An end while something is underway."""
import signal
import threading

from frontend import Frontend, payload
from httpd import PATIENCE_S, Drop
from kube import Kube
from leftovers import metadata, put
from outcomes import NAME, ONE
from restart import held, marked_once, restart_row
from suite import equal, has, row, scenario

SICK = [(500, "sick")] * 100000


def end_now(w):
    """Both signals, each taken before the next."""
    for word in ("draining", "stopping"):
        w.executor.signal()
        w.until(lambda: word in w.executor.log, f"the word {word}")


def nothing_left(w):
    equal([len(made) for made in w.kube.made.values()], [0] * 4)


def stopped_row(sentence, on, *words):
    """It has ended well, has marked nothing, and its log has these words."""
    row("4", sentence, on, lambda w: equal((w.status, w.frontend.marks()), (0, [])) or
        has(w.log, *words))


class Slow(Kube):
    """Makes the first Job at once, and says so after `go`."""

    def __init__(self, script=None):
        self.go = threading.Event()
        self.asked = False
        super().__init__(script)

    def answer(self, call):
        answer = super().answer(call)
        if call.method == "POST" and call.name == "jobs" and not self.asked:
            self.asked = True
            self.go.wait()
        return answer

    def close(self):
        self.go.set()
        super().close()


def creating(w, **settings):
    w.frontend, w.kube = Frontend(), Slow(held())
    w.start(payload(dockerSteps=ONE), **settings)
    w.until(lambda: w.kube.asked, "the Job to be asked for")


@scenario
def stopped_creating(w):
    creating(w)
    end_now(w)
    w.kube.go.set()
    w.ended()


@scenario
def stopped_creating_unanswered(w):
    creating(w)
    end_now(w)
    w.ended(30)


for name, how in (("stopped_creating", "is answered then"),
                  ("stopped_creating_unanswered", "is never answered")):
    stopped_row(f"a second signal while a Job is made, which {how}", name)
    row("4", f"and nothing is left of a Job whose create {how}", name, nothing_left)


class Undeleted(Kube):
    """Does not answer deletes."""

    def answer(self, call):
        if call.method == "DELETE":
            raise Drop
        return super().answer(call)


@scenario
def stopped_cleaning(w):
    w.kube = Undeleted()
    w.start(payload(dockerSteps=ONE))
    w.until(lambda: "state=CLEANING" in w.executor.log, "CLEANING")
    end_now(w)
    w.ended(30)


@scenario
def stopped_flushing(w):
    w.start(payload(dockerSteps=ONE), rules=[("updateExecutionLogEntry", *SICK)])
    w.until(lambda: "state=FLUSHING" in w.executor.log, "FLUSHING")
    end_now(w)
    w.ended(30)


row("4", "a second signal while objects cannot be deleted: it ends, and says what is left",
    "stopped_cleaning", lambda w: equal(w.status, 0) or has(w.log, "job secret", NAME))
row("4", "a second signal while logs cannot be delivered: it ends, and says so", "stopped_flushing",
    lambda w: equal(w.status, 0) or has(w.log, "the log of a stopped job is not delivered"))


@scenario
def hand_over_creating(w):
    creating(w, keep_state=True)
    first = w.executor.process
    first.send_signal(signal.SIGUSR2)
    w.until(lambda: "asked to hand over" in w.executor.log, "the word")
    w.facts["waits"] = first.poll() is None
    w.kube.go.set()
    w.facts["status"] = first.wait(PATIENCE_S)
    w.executor.start()
    w.until(lambda: w.frontend.of("heartbeat"), "a heartbeat")
    w.kube.release()
    w.marked().stopped()


restart_row("handed over while its Job is made: that is waited for, and the job goes on in it",
            "hand_over_creating", lambda w: equal((w.kube.names, w.facts, w.status),
                                                  ([NAME], {"waits": True, "status": 0}, 0)) or
            marked_once(w, "markComplete"))


@scenario
def stopped_conflict(w):
    """While a leftover does not go away."""
    w.frontend, w.kube = Frontend(), Kube()
    put(w.kube, "jobs", metadata(NAME, "ex-before", w.frontend.url))
    w.kube.stubborn = True
    w.start(payload(dockerSteps=ONE))
    w.until(lambda: w.kube.deleted["jobs"], "the leftover's deletion")
    end_now(w)
    w.ended()


stopped_row("a second signal while a leftover is waited for", "stopped_conflict", "removing a leftover")
row("4", "and what was made for the job is removed", "stopped_conflict",
    lambda w: equal((w.kube.made["secrets"], w.kube.created["jobs"]), ({}, [])))
