"""Logs on their way to the frontend, and what a job says while it waits, over the stand-ins."""

import json
import os
import pathlib
import subprocess
import sys
import time
import unittest

from harness import UNTIL_GO, Bench, batch_job, main, until, wait_for

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parent.parent / "faults"))
import faults  # noqa: E402  pylint: disable=wrong-import-position

RUN = "step.kubernetes.step.0.run"
TROUBLE_SECONDS = 60 if os.environ.get("LUNEXEC_LONG") == "1" else 8
TICKS = 12
TICKING = f"i=0; while [ $i -lt {TICKS} ]; do echo tick $i; i=$((i + 1)); sleep 0.5; done"
GITHUB_TOKEN = "ghp_" + "a1B2c3D4e5F6" * 3


def outs(entry):
    return [line.removeprefix("stdout: ") for line in entry.get("out", "").splitlines()]


def flood(kilobytes):
    """A step that prints so much, in lines of 64 bytes."""
    return (f"awk 'BEGIN {{ for (i = 0; i < {kilobytes * 16}; i++) "
            f"printf \"%010d {'x' * 52}\\n\", i }}'")


def only_run(text):
    """A job of one bare step, whose output is in no result."""
    return {"key": "step.0.run", "image": "alpine:3", "commands": [text], "dir": ".", "env": None}


class Logs(unittest.TestCase):
    def check_ticks(self, bench):
        mark = bench.frontend.marked(TROUBLE_SECONDS + 60)
        self.assertEqual(mark["state"], "completed", mark["message"])
        self.assertEqual(bench.frontend.violations(), [])
        ticks = [line for line in outs(bench.frontend.entry(RUN)) if line.startswith("tick")]
        self.assertEqual(ticks, [f"tick {i}" for i in range(TICKS)])

    def test_frontend_unavailable_for_long(self):
        with Bench("unavailable") as bench:
            bench.start(batch_job([TICKING]), frontend_options=["--stall-ms", "120000"])
            bench.start_executor()
            wait_for("the step to print", lambda: "tick 1" in bench.frontend.entry(RUN).get("out", ""))
            bench.frontend.faults({"match": "/queue/", "times": 1000000, "status": 503})
            time.sleep(TROUBLE_SECONDS)  # how long the trouble lasts
            bench.frontend.control("faults", {"clear": True})
            self.check_ticks(bench)

    def test_frontend_refuses_connections_for_long(self):
        with Bench("refuses") as bench:
            bench.start(batch_job([TICKING]), frontend_options=["--stall-ms", "120000"])
            proxy = faults.Proxy("127.0.0.1", ("127.0.0.1", bench.frontend.port))
            bench.extra.callback(proxy.close)
            bench.start_executor(frontend_port=proxy.port)
            wait_for("the step to print", lambda: "tick 1" in bench.frontend.entry(RUN).get("out", ""))
            proxy.refuse()
            time.sleep(TROUBLE_SECONDS)  # how long the trouble lasts
            proxy.calm()
            self.check_ticks(bench)

    def test_frontend_connections_cut(self):
        with Bench("cutfrontend") as bench:
            bench.start(batch_job([f"{TICKING}; {UNTIL_GO}"]), frontend_options=["--stall-ms", "120000"])
            proxy = faults.Proxy("127.0.0.1", ("127.0.0.1", bench.frontend.port))
            bench.extra.callback(proxy.close)
            bench.start_executor(frontend_port=proxy.port)
            wait_for("the step to print", lambda: "tick 1" in bench.frontend.entry(RUN).get("out", ""))
            proxy.cut_every(0.1, 1)
            wait_for("connections to be cut", lambda: proxy.cuts >= 3)
            bench.go()
            self.check_ticks(bench)

    def test_undeliverable_log_is_an_error(self):
        with Bench("undeliverable") as bench:
            bench.start(batch_job(["echo fine"]))
            bench.frontend.faults({"match": "updateExecutionLogEntry", "times": 1000000, "status": 400})
            bench.start_executor()
            mark = bench.frontend.marked()
            self.assertEqual(mark["mark"], "errored")
            self.assertIn("log entry", mark["message"])

    def test_slow_frontend_gets_fewer_updates(self):
        with Bench("slow") as bench:
            bench.start(batch_job(["i=0; while [ $i -lt 100 ]; do echo tick $i; i=$((i + 1)); "
                                   f"sleep 0.05; done; {UNTIL_GO}"]))
            bench.frontend.faults({"match": "updateExecutionLogEntry", "times": 1000000,
                                   "delay_ms": 1500})
            bench.start_executor(LUNEXEC_LOG_UPDATE_INTERVAL="200ms")

            def updates():
                return [c for c in bench.frontend.calls("updateExecutionLogEntry")
                        if c["body"]["key"] == RUN]
            wait_for("updates", lambda: len(updates()) >= 3)
            bench.go()
            mark = bench.frontend.marked()
            self.assertEqual(mark["state"], "completed", mark["message"])
            # An update that takes 1.5 s is not overtaken by another.
            answered = [c["t_ms"] for c in updates()]
            self.assertGreaterEqual(min(b - a for a, b in zip(answered, answered[1:])), 1490)
            last = updates()[-1]["body"]
            self.assertEqual(last["exitCode"], 0)
            self.assertIn("tick 99", last["out"])

    def test_spool_limit(self):
        with Bench("spool") as bench:
            bench.start(batch_job([], keys=[only_run(flood(8192))]))
            bench.start_executor(LUNEXEC_SPOOL_LIMIT="3Mi")
            mark = bench.frontend.marked()
            self.assertEqual(mark["mark"], "errored")
            self.assertIn("LUNEXEC_SPOOL_LIMIT", mark["message"])
            lines = outs(bench.frontend.entry(RUN))
            self.assertTrue(lines[-1].startswith("[lunexec] the rest of this log is missing: "), lines[-1])
            numbers = [int(line[:10]) for line in lines if line.endswith("xxx") and line[:10].isdigit()]
            self.assertEqual(numbers, list(range(len(numbers))))
            self.assertGreater(len(numbers), 10000)

    def check_cut_short(self, bench, *words):
        """The job is errored, the message says why, and the log tells it after what was kept."""
        mark = bench.frontend.marked()
        self.assertEqual(mark["mark"], "errored")
        lines = outs(bench.frontend.entry(RUN))
        self.assertTrue(lines[-1].startswith("[lunexec] the rest of this log is missing: "), lines[-1])
        for word in ("LUNEXEC_SPOOL_DIR", *words):
            self.assertIn(word, mark["message"])
            self.assertIn(word, lines[-1])
        numbers = [int(line[:10]) for line in lines if line.endswith("xxx") and line[:10].isdigit()]
        self.assertEqual(numbers, list(range(len(numbers))))
        self.assertGreater(len(numbers), 10000)

    def test_spool_directory_missing(self):
        with Bench("nospool") as bench:
            bench.start(batch_job([], keys=[only_run(flood(4096))]))
            missing = str(bench.dir / "not-there")
            bench.start_executor(LUNEXEC_SPOOL_DIR=missing)
            self.check_cut_short(bench, missing, "No such file or directory")

    def test_spool_file_system_full(self):
        with Bench("fullspool") as bench:
            small = bench.dir / "small"
            small.mkdir()
            mount = ["mount", "-t", "tmpfs", "-o", "size=2m", "none", str(small)]
            if subprocess.run(mount, capture_output=True, check=False).returncode != 0:
                self.skipTest("may not mount a file system")
            bench.extra.callback(subprocess.run, ["umount", "-l", str(small)], check=True)
            bench.start(batch_job([], keys=[only_run(flood(8192))]))
            bench.start_executor(LUNEXEC_SPOOL_DIR=str(small))
            self.check_cut_short(bench, str(small), "No space left on device")

    def test_hostile_output(self):
        """What looks like timestamps, ends nowhere or is no text arrives as it is; secrets do not."""
        secret = "hunter2-in-the-middle"
        stamp = "2026-11-23T10:00:00.123456789Z"
        step = (f"set +x; echo '{stamp} at the start of a line'; echo '{stamp}'; "
                f"printf '{stamp} '; printf '{stamp} \\n'; "
                "printf '10%%\\r20%%\\r\\n'; printf 'nul\\0 \\377\\376 end\\n'; "
                f"awk 'BEGIN {{ for (i = 0; i < 1000000; i++) printf \"%07d,\", i; printf \"{secret}\" }}'; "
                f"awk 'BEGIN {{ for (i = 0; i < 3000; i++) printf \"%s\", \"{secret}\" }}'; printf .")
        with Bench("hostile") as bench:
            bench.start(batch_job([], keys=[only_run(step)], secrets={secret: "X"}))
            bench.start_executor()
            mark = bench.frontend.marked(90)
            self.assertEqual(mark["mark"], "complete", mark["message"])
            text = bench.frontend.entry(RUN)["out"]
            self.assertNotIn(secret, text)
            endless = "".join(f"{i:07d}," for i in range(1000000)) + "${{ secrets.X }}" * 3001 + "."
            lines = outs({"out": text.replace("\r", "<CR>")})
            self.assertEqual(lines[1:-1], [
                f"{stamp} at the start of a line", stamp, f"{stamp} {stamp} ", "10%<CR>20%",
                "nul\0 \ufffd\ufffd end"])
            self.assertTrue(lines[-1] == endless, "the line without an end")

    def test_limit_of_a_job(self):
        with Bench("joblimit") as bench:
            # A step's limit is what those before it had left when it began.
            bench.start(batch_job([f"seq 1 40000; {until(f'go{i}')}" for i in range(3)]))
            bench.start_executor(LUNEXEC_LOG_LIMIT_JOB="600Ki")
            for i in range(3):
                wait_for("the whole output", lambda: "stdout: 40000\n" in bench.frontend.entry(
                    f"step.kubernetes.step.{i}.run").get("out", ""))
                bench.go(f"go{i}")
            mark = bench.frontend.marked()
            self.assertEqual(mark["state"], "completed", mark["message"])
            self.assertEqual(mark["results"], 3)
            sizes = [len(json.dumps(bench.frontend.entry(f"step.kubernetes.step.{i}.run")["out"]))
                     for i in range(3)]
            self.assertLess(sum(sizes), 800 * 1024)
            self.assertLess(sizes[2], 70 * 1024)
            last = bench.frontend.entry("step.kubernetes.step.2.run")["out"]
            self.assertIn("are left out here", last)
            self.assertIn("stdout: 40000\n", last)

    def test_tokens_are_masked(self):
        with Bench("tokens") as bench:
            step = f"echo clone https://me:{GITHUB_TOKEN}@example.com corp-0123456789; echo ok >> README.md"
            bench.start(batch_job([step]))
            bench.start_executor(LUNEXEC_MASK_PATTERNS="default,corp-{8}")
            mark = bench.frontend.marked()
            self.assertEqual(mark["state"], "completed", mark["message"])
            entry = bench.frontend.entry(RUN)
            self.assertIn("clone https://me:****@example.com ****", outs(entry))
            for call in bench.frontend.calls("ExecutionLogEntry"):
                if not call["body"]["key"].endswith(".post"):
                    self.assertNotIn(GITHUB_TOKEN, json.dumps(call["body"]))

    def wait_slowly(self, bench, **settings):
        bench.start(batch_job(["echo hello"]))
        bench.cluster.control("set", settings)
        bench.start_executor()
        mark = bench.frontend.marked()
        self.assertEqual(mark["state"], "completed", mark["message"])
        lines = outs(bench.frontend.entry("setup.workspace"))
        told = [line for line in lines if line.startswith("[lunexec] ")]
        self.assertEqual(len(told), len(set(told)), told)
        return told

    def test_a_pod_without_a_node_says_so(self):
        with Bench("nonode") as bench:
            told = self.wait_slowly(bench, schedule_delay_ms=9000)
            self.assertTrue(any(line.startswith("[lunexec] started after ") for line in told), told)
            events = bench.cluster.calls("GET /api/v1/namespaces/default/events")
            self.assertEqual(len(events), 1)

    def test_a_slow_start_says_so(self):
        with Bench("slowstart") as bench:
            told = self.wait_slowly(bench, pull_delay_ms=9000)
            self.assertTrue(any("images and volumes" in line for line in told), told)
            self.assertTrue(any(line.startswith("[lunexec] started after ") for line in told), told)

    def test_a_quick_start_asks_for_no_events(self):
        with Bench("quick") as bench:
            self.assertEqual(self.wait_slowly(bench), [])
            self.assertEqual(bench.cluster.calls("/events"), [])


if __name__ == "__main__":
    main()
