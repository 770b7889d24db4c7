"""Jobs whose policy means harm (tests/fixtures/hostile_policies.txt) among a hundred that do not: those
go on as if nothing were, heartbeats come on time, and the executor is as large as before.

LUNEXEC_HOSTILE=all plays every script; otherwise one in eight."""

import os
import pathlib
import re
import sys
import tempfile
import threading
import time
import unittest

ROOT = pathlib.Path(__file__).resolve().parents[2]
os.environ.setdefault("LUNEXEC", os.environ.get("LUNEXEC_BIN", str(ROOT / "build/asan/lunexec")))
sys.path[:0] = [str(ROOT / "tests/conformance")]

from frontend import payload, step  # noqa: E402
from harness import main, wait_for  # noqa: E402
from suite import World  # noqa: E402

ALL = os.environ.get("LUNEXEC_HOSTILE") == "all"
GOOD = 100
AT_ONCE = 24
BEAT_SECONDS = 5.0
MEBIBYTE = 1 << 20

POLICY = """
local policy = require "default"
local hostile = require "hostile"
local job = policy.job
policy.job = function(task, settings)
  local name = task.repository:match("^evil/(.*)$")
  if name then
    return hostile[tonumber(name)](task, settings)
  end
  return job(task, settings)
end
return policy
"""


def scripts():
    text = (ROOT / "tests/fixtures/hostile_policies.txt").read_text()
    found = re.findall(r"^--- (.+?) \| .*\n((?:(?!--).*\n)+)", text, re.M)
    return found if ALL else found[::8]


def resident(pid):
    return int(re.search(r"VmRSS:\s+(\d+) kB", pathlib.Path(f"/proc/{pid}/status").read_text())[1]) << 10


class Lateness(threading.Thread):
    """The longest that this process, which wants to run again after 50 ms, waited for its turn."""

    def __init__(self):
        super().__init__(daemon=True)
        self.seconds, self.over = 0.0, threading.Event()
        self.start()

    def run(self):
        before = time.monotonic()
        while not self.over.wait(0.05):
            now = time.monotonic()
            self.seconds, before = max(self.seconds, now - before - 0.05), now

    def end(self):
        self.over.set()
        self.join()
        return self.seconds


class PolicyHostile(unittest.TestCase):
    def setUp(self):
        self.w = World()
        self.folder = tempfile.TemporaryDirectory()
        self.addCleanup(self.folder.cleanup)
        self.addCleanup(self.w.finish)

    def play(self, jobs, seconds):
        before = len(self.w.frontend.marks())
        self.w.frontend.offer(*jobs)
        self.w.until(lambda: len(self.w.frontend.marks()) >= before + len(jobs), "all marks", seconds)

    def good(self, first, n):
        return [payload(first + i, repositoryName=f"good/{i}", dockerSteps=[step("step.0.run")])
                for i in range(n)]

    def test_a_hundred_jobs_go_on_among_hostile_ones(self):
        bad = scripts()
        folder = pathlib.Path(self.folder.name)
        (folder / "policy.lua").write_text(POLICY)
        (folder / "hostile.lua").write_text("return {\n" + "".join(
            f"function() {body.rstrip()}\nend,\n" for _, body in bad) + "}\n")
        self.w.start(LUNEXEC_POLICY_DIR=str(folder), EXECUTOR_MAXIMUM_NUM_JOBS=str(AT_ONCE),
                     SRC_LOG_LEVEL="info")
        pid = self.w.executor.process.pid
        for round_ in range(3):  # what is allocated once
            self.play(self.good(1000 * round_ + 1000, 60), 60)
        time.sleep(1.2)  # what is idle is given back after a second
        size = resident(pid)

        evil = [payload(10000 + i, repositoryName=f"evil/{i + 1}", dockerSteps=[step("step.0.run")])
                for i in range(len(bad))]
        jobs = self.good(20000, GOOD)
        mixed = [job for i in range(max(len(evil), GOOD)) for job in evil[i:i + 1] + jobs[i:i + 1]]
        lateness = Lateness()
        self.addCleanup(lateness.end)
        began = time.monotonic()
        self.play(mixed, 60 + 4 * len(bad))
        ended = time.monotonic()

        marks = {m.json["jobId"]: m.name for m in self.w.frontend.marks()}
        self.assertEqual([marks[20000 + i] for i in range(GOOD)], ["markComplete"] * GOOD)
        self.assertEqual([name for i, (name, _) in enumerate(bad)
                          if marks[10000 + i] == "markComplete"], [])
        beats = [c.at for c in self.w.frontend.of("heartbeat") if began < c.at < ended]
        beats = [began, *beats, ended]
        gaps = [b - a for a, b in zip(beats, beats[1:])]
        self.assertLess(max(gaps), BEAT_SECONDS + 1 + 2 * lateness.end())
        took = ended - began
        print(f"{len(bad)} hostile and {GOOD} other jobs in {took:.1f} s; longest time between two "
              f"heartbeats {max(gaps):.2f} s", file=sys.stderr)
        if "asan" not in os.environ["LUNEXEC"]:
            wait_for("memory to be given back", lambda: resident(pid) < size + 2 * MEBIBYTE)
            print(f"resident {size / MEBIBYTE:.2f} MiB before, "
                  f"{resident(pid) / MEBIBYTE:.2f} MiB after", file=sys.stderr)
        self.w.stopped()
        self.assertEqual(self.w.status, 0)


if __name__ == "__main__":
    main()
