"""How a job and the executor end when something does not answer, or belongs to somebody else."""

import signal
import unittest

from harness import Bench, batch_job, main, wait_for

OK_STEPS = ["echo one >> README.md"]
LONG_STEP = ["echo started; sleep 30"]
FOR_EVER = 1000000


class Ends(unittest.TestCase):
    def running(self, bench):
        wait_for("the step", lambda: bench.frontend.entry("step.kubernetes.step.0.run"))

    def stop_twice(self, executor, seconds):
        """Two signals, after which it has so many seconds."""
        executor.terminate_twice()
        self.assertEqual(executor.wait(seconds), 0)
        self.assertNotIn("Sanitizer", executor.err())

    def test_log_that_cannot_be_read_is_no_success(self):
        with Bench("unread") as bench:
            bench.start(batch_job(OK_STEPS))
            bench.cluster.faults({"match": "/log", "status": 404, "times": FOR_EVER})
            executor = bench.start_executor()
            mark = bench.frontend.marked()
            self.assertEqual(executor.wait(), 0)
            self.assertEqual(mark["state"], "failed")
            self.assertIn("reading the log", mark["message"])
            self.assertIn("incomplete", bench.frontend.entry("setup.workspace")["out"])
            self.assertNotIn("Sanitizer", executor.err())
            self.assertEqual(bench.leftovers(), [])

    def test_objects_are_deleted_by_their_uid(self):
        with Bench("uid") as bench:
            bench.start(batch_job(OK_STEPS))
            bench.start_executor()
            bench.frontend.marked()
            deletes = bench.cluster.calls("DELETE ")
            self.assertGreaterEqual(len(deletes), 2)
            for call in deletes:
                self.assertTrue(call["body"]["preconditions"]["uid"], call["path"])

    def test_failing_dequeue_does_not_delay_the_end(self):
        with Bench("dequeue") as bench:
            bench.start()
            bench.frontend.faults({"match": "dequeue", "status": 500, "times": FOR_EVER})
            executor = bench.start_executor(EXECUTOR_NUM_TOTAL_JOBS=0)
            wait_for("a dequeue", lambda: bench.frontend.calls("dequeue"))
            executor.signal(signal.SIGTERM)
            self.assertEqual(executor.wait(10), 0)

    def test_second_signal_while_a_delete_hangs(self):
        with Bench("hang") as bench:
            bench.start(batch_job(LONG_STEP))
            executor = bench.start_executor(EXECUTOR_NUM_TOTAL_JOBS=0)
            self.running(bench)
            bench.cluster.faults({"match": "DELETE", "delay_ms": 120000, "times": FOR_EVER})
            self.stop_twice(executor, 25)

    def test_second_signal_while_a_mark_fails(self):
        with Bench("mark") as bench:
            bench.start(batch_job(OK_STEPS))
            bench.frontend.faults({"match": "markComplete", "status": 500, "times": FOR_EVER})
            executor = bench.start_executor(EXECUTOR_NUM_TOTAL_JOBS=0)
            wait_for("the mark", lambda: bench.frontend.calls("markComplete"))
            self.stop_twice(executor, 25)

    def test_steps_that_make_one_container_name(self):
        with Bench("names") as bench:
            job = batch_job(OK_STEPS + OK_STEPS)
            for step in job["dockerSteps"]:
                step["key"] = step["key"].replace(".1.", ".0.")
            bench.start(job)
            bench.start_executor()
            mark = bench.frontend.marked()
            self.assertEqual(mark["state"], "failed")
            self.assertIn("two steps make the container name", mark["message"])
            self.assertEqual(bench.cluster.calls("POST /apis/batch"), [])


if __name__ == "__main__":
    main()
