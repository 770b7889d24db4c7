"""Rows and scenarios. A row is one case: a section of the contract, a sentence, and a check of what
one scenario recorded. A scenario brings the executor into a situation once, for all its rows."""
import concurrent.futures
import json
import traceback

from executor import Executor
from frontend import Frontend
from httpd import PATIENCE_S
from kube import Kube, Script

scenarios, rows = {}, []


class World:
    """One executor, its two peers, and what rows look at."""

    def __init__(self):
        self.frontend = self.kube = self.executor = self.status = None
        self.facts = {}

    def start(self, *payloads, script=None, namespace="default", rules=(), **settings):
        self.frontend = self.frontend or Frontend()
        self.kube = self.kube or Kube(script or Script(), namespace)
        self.frontend.offer(*payloads)
        for name, *answers in rules:
            self.frontend.rule(name, *answers)
        self.executor = Executor(self.frontend, self.kube, **settings)
        return self

    def until(self, condition, what, seconds=PATIENCE_S):
        self.frontend.wait(condition, what, seconds)

    def marked(self, n=1):
        self.until(lambda: len(self.frontend.marks()) >= n, f"mark {n}")
        return self

    def called(self, name, n=1):
        self.until(lambda: len(self.frontend.of(name)) >= n, f"{name} call {n}")
        return self

    def ended(self, seconds=PATIENCE_S):
        self.status = self.executor.wait(seconds)
        return self

    def stopped(self):
        self.executor.signal()
        return self.ended()

    def finish(self):
        if self.executor:
            self.executor.stop()
        self.log = self.executor.log if self.executor else ""
        self.out = self.executor.out if self.executor else ""
        for part in (self.executor, self.frontend, self.kube):
            if part:
                part.close()


def scenario(function):
    """Registers `function(world)` under its name."""
    scenarios[function.__name__] = function
    return function


def row(section, sentence, on, check):
    """`check(world)` raises, or returns False, when the sentence does not hold."""
    rows.append((section, sentence, on, check))


def equal(got, wanted):
    if got != wanted:
        raise AssertionError(f"got {json.dumps(got, default=repr)}, "
                             f"wanted {json.dumps(wanted, default=repr)}")


def has(text, *parts):
    for part in parts:
        if part not in text:
            raise AssertionError(f"{part!r} is not in {text!r}")


def play(name):
    world = World()
    try:
        scenarios[name](world)
    except Exception as problem:
        log = world.executor.log[-1500:] if world.executor else ""
        return world, f"scenario {name}: {problem!r}\n{traceback.format_exc(limit=-2)}{log}"
    finally:
        world.finish()
    for sign in ("Sanitizer", "runtime error: "):
        if sign in world.log:
            return world, f"scenario {name}: {world.log[world.log.index(sign) - 40:][:3000]}"
    return world, None


def judge(result, check):
    world, problem = result
    if problem:
        return problem
    try:
        return "does not hold" if check(world) is False else None
    except Exception as problem:
        return repr(problem)


def run(words, parallel):
    """Plays what the chosen rows need, prints those that fail, returns (passed, failed)."""
    chosen = [r for r in rows if not words or any(w in " ".join(map(str, r[:3])) for w in words)]
    names = sorted({r[2] for r in chosen}, key=list(scenarios).index)
    with concurrent.futures.ThreadPoolExecutor(parallel) as pool:
        results = dict(zip(names, pool.map(play, names)))
    failed, told = 0, set()
    for section, sentence, on, check in chosen:
        problem = judge(results[on], check)
        if problem:
            failed += 1
            print(f"not ok  {section}  {sentence}  [{on}]")
            if problem not in told:
                print("        " + problem.strip().replace("\n", "\n        "))
            told.add(problem)
    return len(chosen) - failed, failed
