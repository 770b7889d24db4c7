"""What becomes of jobs when the executor dies, and another process has its state directory."""

import signal
import unittest

from harness import UNTIL_GO, Bench, batch_job, main, wait_for

OK_STEPS = ["echo one >> README.md"]
FOR_EVER = 1000000


class Adoption(unittest.TestCase):
    """Each test kills the executor at some point and starts it again."""

    def executor(self, bench, **settings):
        self.starts = getattr(self, "starts", 0) + 1
        return bench.start_executor(name=f"executor-{self.starts}", EXECUTOR_NUM_TOTAL_JOBS=0,
                                    LUNEXEC_STATE_DIR=str(bench.dir / "state"), **settings)

    def kill(self, executor):
        executor.signal(signal.SIGKILL)
        executor.wait()

    def whole(self, bench, executor, jobs=1, state="completed", steps=1):
        """Every job is marked once, nothing is left, nobody complained."""
        wait_for("the marks", lambda: len(bench.frontend.events("marked")) >= jobs)
        wait_for("the journal to be empty",
                 lambda: (bench.dir / "state" / "journal").stat().st_size == 0)
        executor.signal(signal.SIGTERM)
        self.assertEqual(executor.wait(), 0)
        marks = bench.frontend.events("marked")
        self.assertEqual(sorted(m["id"] for m in marks), list(range(1, jobs + 1)))
        self.assertEqual({m["state"] for m in marks}, {state}, marks)
        self.assertEqual({m["results"] for m in marks}, {steps if state == "completed" else 0})
        self.assertEqual(bench.frontend.violations(), [])
        self.assertEqual(bench.leftovers(), [])
        self.assertNotIn("Sanitizer", executor.err())
        names = {e["executor"] for e in bench.frontend.events("dequeued")}
        self.assertEqual(len(names), 1, names)
        self.assertEqual(len(bench.frontend.events("dequeued")), jobs)
        return marks[0]

    def creates(self, bench):
        return len([c for c in bench.cluster.calls("POST /apis/batch") if c["status"] == 201])

    def test_killed_while_a_step_runs(self):
        with Bench("running") as bench:
            bench.start(batch_job([f"echo first; {UNTIL_GO}; echo second >> README.md"]))
            first = self.executor(bench)
            wait_for("the step's first line",
                     lambda: "first" in bench.frontend.entry("step.kubernetes.step.0.run")
                     .get("out", ""))
            self.kill(first)
            beats = len(bench.frontend.calls("heartbeat"))
            second = self.executor(bench)
            wait_for("a heartbeat of the second", lambda: [
                c for c in bench.frontend.calls("heartbeat")[beats:]
                if c["body"].get("jobIds") == [1]])
            bench.go()
            mark = self.whole(bench, second)
            out = bench.frontend.entry("step.kubernetes.step.0.run")["out"]
            self.assertEqual(out.count("first"), 1, out)
            self.assertIn("second", mark["diff"] and "second")
            self.assertEqual(self.creates(bench), 1)


if __name__ == "__main__":
    main()
