"""Which fault comes when, by a seed.

A decision depends on the seed and on what it is about (which call for which job, for the how manieth
time), not on the order in which things happen to arrive: so the same seed brings the same faults,
as far as the executor asks the same.
"""
import random

from peer import Answer

ALL = ("refused", "silence", "lost", "cut", "delay", "busy", "server", "garbage", "conflict")


class Fault:
    __slots__ = ("delay", "before", "silence", "answer", "after", "garbage", "cut_at")

    def __init__(self):
        self.delay = self.silence = 0.0
        self.before = self.after = False
        self.answer = self.garbage = self.cut_at = None


NONE = Fault()
GARBAGE = (b"", b"{", b"null", b"[1,2", b"<html><body>502 Bad Gateway</body></html>", b"\x00\xff\xfe",
           b'{"kind":', b'"text"', b"{}{}")
ERRORS = ((500, '{"error":"pq: deadlock detected"}'), (502, "<html>bad gateway</html>"),
          (503, "upstream connect error"), (504, ""))


class Chaos:
    """`rate` is the share of exchanges that suffer something; 0: none do."""

    def __init__(self, seed, rate=0.05):
        self.seed, self.rate = seed, rate
        self.counts, self.done = {}, {}
        self.calm = False

    def dice(self, *about):
        """A generator of its own for every question."""
        return random.Random(f"{self.seed}/{'/'.join(map(str, about))}")

    def nth(self, *about):
        self.counts[about] = self.counts.get(about, 0) + 1
        return self.dice(*about, self.counts[about])

    def note(self, what):
        self.done[what] = self.done.get(what, 0) + 1

    def exchange(self, peer, call):
        """What happens to this exchange."""
        if self.calm or not self.rate:
            return NONE
        dice = self.nth(peer.name, call.method, peer.subject(call))
        if dice.random() >= self.rate:
            return NONE
        kind = dice.choice(ALL)
        fault = Fault()
        if kind == "refused":
            fault.before = True
        elif kind == "silence":
            fault.silence = dice.choice((0.5, 1, 3, 40))
        elif kind == "lost":
            fault.after = True
        elif kind == "cut":
            fault.cut_at = dice.random()
        elif kind == "delay":
            fault.delay = dice.uniform(0.01, 1.5)
        elif kind == "busy":
            fault.answer = Answer(429, "too many requests", {"Retry-After": dice.choice((0, 1, 2))})
        elif kind == "server":
            fault.answer = Answer(*dice.choice(ERRORS))
        elif kind == "garbage":
            if not peer.may_be_garbage(call):
                return NONE
            fault.garbage = dice.choice(GARBAGE)
        elif kind == "conflict":
            fault.answer = peer.conflict(call)
            if not fault.answer:
                return NONE
        self.note(f"{peer.name} {kind}")
        return fault
