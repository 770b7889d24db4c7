"""The whole way of a job, and what can go wrong on it, over the stand-ins."""

import os
import signal
import time
import unittest

from harness import UNTIL_GO, Bench, Relay, batch_job, free_port, main, wait_for

OK_STEPS = ["echo one >> README.md; echo did one", "echo two > two.txt; cat README.md"]
LONG_MS = 60000
# Machines of many kinds run these, some with sanitizers; a heartbeat would be waited for up to 5 s.
IDLE_END_SECONDS = 1.0 if os.environ.get("LUNEXEC_TIMED") else 4.0


def outs(entry):
    return [line.removeprefix("stdout: ") for line in entry.get("out", "").splitlines()]


class FirstLight(unittest.TestCase):
    def check_complete(self, bench, mark, steps):
        self.assertEqual(mark["state"], "completed", mark["message"])
        self.assertEqual(mark["results"], steps)
        self.assertEqual(bench.frontend.violations(), [])
        self.assertEqual(bench.leftovers(), [])

    def test_two_steps_complete(self):
        with Bench("complete") as bench:
            bench.start(batch_job(OK_STEPS))
            executor = bench.start_executor()
            mark = bench.frontend.marked()
            self.check_complete(bench, mark, 2)
            self.assertEqual(executor.wait(), 0)
            keys = [entry["key"] for entry in mark["entries"]]
            steps = [f"step.kubernetes.step.{i}.{part}" for i in range(2)
                     for part in ("pre", "run", "post")]
            self.assertEqual(keys, ["setup.workspace", *steps, "main", "teardown.kubernetes.job",
                                    "teardown.fs"])
            self.assertEqual([entry["exitCode"] for entry in mark["entries"]], [0] * len(keys))
            self.assertIn("did one", outs(mark["entries"][2]))
            self.assertIn("stdout: one", mark["entries"][5]["out"])

    def test_v1_payload(self):
        with Bench("v1") as bench:
            bench.start(batch_job(["echo it\\'s '\"fine\"' > v1.txt; cat v1.txt"], version=1))
            executor = bench.start_executor()
            self.check_complete(bench, bench.frontend.marked(), 1)
            self.assertEqual(outs(bench.frontend.entry("step.kubernetes.step.0.run"))[-1],
                             "it's \"fine\"")
            self.assertEqual(executor.wait(), 0)

    def test_failing_step(self):
        with Bench("failing") as bench:
            bench.start(batch_job(["echo about to fail; exit 7", "echo never"]))
            bench.start_executor()
            mark = bench.frontend.marked()
            self.assertEqual(mark["state"], "failed")
            run = bench.frontend.entry("step.kubernetes.step.0.run")
            self.assertEqual(run["exitCode"], 7)
            self.assertIn("about to fail", outs(run))
            self.assertEqual(bench.frontend.entry("step.kubernetes.step.1.run"), {})
            self.assertEqual(bench.frontend.violations(), [])
            self.assertEqual(bench.leftovers(), [])

    def test_secrets_are_masked(self):
        with Bench("secrets") as bench:
            job = batch_job(["cat /proc/self/environ | tr '\\0' '\\n'; echo s3cr3tvalue"],
                            secrets={"s3cr3tvalue": "TOKEN_X"})
            bench.start(job)
            bench.start_executor()
            mark = bench.frontend.marked()
            self.check_complete(bench, mark, 1)
            for entry in mark["entries"]:
                self.assertNotIn("s3cr3tvalue", entry.get("out", ""), entry["key"])
            self.assertIn("${{ secrets.TOKEN_X }}",
                          outs(bench.frontend.entry("step.kubernetes.step.0.run")))

    def test_cancel(self):
        with Bench("cancel") as bench:
            bench.start(batch_job(["echo started; sleep 60"]))
            bench.start_executor()
            key = "step.kubernetes.step.0.run"
            wait_for("the step to start", lambda: bench.frontend.entry(key))
            bench.frontend.control("cancel", {"id": 1})
            mark = bench.frontend.marked()
            self.assertEqual(mark["state"], "canceled")
            self.assertEqual(bench.leftovers(), [])
            self.assertEqual(bench.frontend.violations(), [])

    def test_wrong_password(self):
        with Bench("password") as bench:
            bench.start(batch_job(OK_STEPS))
            executor = bench.start_executor(EXECUTOR_FRONTEND_PASSWORD="wrong")
            self.assertEqual(executor.wait(), 1)
            self.assertIn("EXECUTOR_FRONTEND_PASSWORD", executor.err() + executor.out())
            self.assertNotIn("wrong\"", executor.err())

    def test_garbage_kubeconfig(self):
        with Bench("kubeconfig") as bench:
            bench.start(batch_job(OK_STEPS))
            executor = bench.start_executor(kubeconfig=bench.kubeconfig("}{ not: [yaml"))
            self.assertEqual(executor.wait(), 1)
            self.assertIn("EXECUTOR_KUBERNETES_CONFIG_PATH", executor.err() + executor.out())
            self.assertEqual(bench.frontend.calls("dequeue"), [])

    def test_frontend_unreachable_then_there(self):
        with Bench("unreachable") as bench:
            bench.start_cluster()
            port = free_port()
            executor = bench.start_executor(frontend_port=port)
            wait_for("a log line", lambda: executor.err(), 5)
            self.assertIsNone(executor.popen.poll())
            bench.start_frontend(batch_job(OK_STEPS), port=port)
            self.check_complete(bench, bench.frontend.marked(), 2)
            self.assertEqual(executor.wait(), 0)

    def test_frontend_gone_in_between(self):
        with Bench("gone") as bench:
            bench.start(batch_job(["for i in 1 2 3 4 5 6; do echo tick $i; sleep 0.5; done"]))
            bench.start_executor()
            key = "step.kubernetes.step.0.run"
            wait_for("the step to start", lambda: bench.frontend.entry(key))
            bench.frontend.faults({"match": "/queue/", "times": 12, "status": 503})
            mark = bench.frontend.marked()
            self.check_complete(bench, mark, 1)
            ticks = [l for l in outs(bench.frontend.entry(key)) if l.startswith("tick")]
            self.assertEqual(ticks, [f"tick {i}" for i in range(1, 7)])

    def test_watch_cut_every_200_ms(self):
        with Bench("watchcut") as bench:
            text = "for i in 1 2 3 4; do echo $i; sleep 0.4; done; "
            bench.start(batch_job([text + UNTIL_GO] * 2))
            bench.cluster.control("set", {"watch_cut_ms": 200})
            bench.start_executor()
            wait_for("the watch to be cut again and again", lambda: len(
                bench.cluster.calls("GET /api/v1/namespaces/default/pods")) > 5)
            wait_for("a step", lambda: bench.frontend.entry("step.kubernetes.step.0.run"))
            bench.go()
            self.check_complete(bench, bench.frontend.marked(), 2)

    def test_watch_gone(self):
        with Bench("watchgone") as bench:
            bench.start(batch_job([f"echo started; {UNTIL_GO}; echo ended"]))
            bench.start_executor()
            wait_for("a step", lambda: bench.frontend.entry("step.kubernetes.step.0.run"))
            bench.cluster.control("set", {"watch_gone": True})
            bench.cluster.control("cut-watches", {})
            bench.go()
            self.check_complete(bench, bench.frontend.marked(), 1)

    def check_log_is_complete(self, bench, n):
        self.check_complete(bench, bench.frontend.marked(), 1)
        lines = [l for l in outs(bench.frontend.entry("step.kubernetes.step.0.run"))
                 if l.startswith("line ")]
        self.assertEqual(lines, [f"line {i}" for i in range(n)])

    def test_log_streams_cut_by_time(self):
        with Bench("logcut") as bench:
            text = "for i in $(seq 0 199); do echo line $i; sleep 0.01; done"
            bench.start(batch_job([text]))
            bench.cluster.control("set", {"log_cut_ms": 250})
            bench.start_executor()
            self.check_log_is_complete(bench, 200)

    def test_log_streams_cut_inside_lines(self):
        # sinceTime has whole seconds: what a stream repeats must be less than what it brings.
        with Bench("logbytes") as bench:
            text = ("for s in 0 1 2 3 4 5; do for i in $(seq 0 49); do echo line $((s * 50 + i));"
                    " done; sleep 1.1; done")
            bench.start(batch_job([text]))
            bench.cluster.control("set", {"log_cut_bytes": 5003})
            bench.start_executor()
            self.check_log_is_complete(bench, 300)
            reads = [c for c in bench.cluster.calls("/log")
                     if "container=step-kubernetes-step-0-run" in c["query"]]
            self.assertGreaterEqual(len(reads), 4)

    def test_output_is_seen_while_it_runs(self):
        with Bench("live") as bench:
            bench.start(batch_job([f"for i in $(seq 1 6); do echo tick $i; sleep 1; done; {UNTIL_GO}"]))
            bench.start_executor()
            wait_for("updates while it runs", lambda: len([
                c for c in bench.frontend.calls("updateExecutionLogEntry")
                if c["body"]["key"] == "step.kubernetes.step.0.run" and "exitCode" not in c["body"]
            ]) >= 2)
            bench.go()
            self.check_complete(bench, bench.frontend.marked(), 1)

    def test_sigterm_idle(self):
        with Bench("idle") as bench:
            bench.start()
            executor = bench.start_executor(EXECUTOR_NUM_TOTAL_JOBS=0)
            wait_for("a dequeue", lambda: bench.frontend.calls("dequeue"))
            executor.signal(signal.SIGTERM)
            started = time.monotonic()
            self.assertEqual(executor.wait(), 0)
            self.assertLess(time.monotonic() - started, IDLE_END_SECONDS)

    def test_sigterm_lets_the_job_finish(self):
        with Bench("drain") as bench:
            bench.start(batch_job([f"echo started; {UNTIL_GO}; echo ended"]),
                        batch_job(OK_STEPS, job_id=2))
            executor = bench.start_executor(EXECUTOR_NUM_TOTAL_JOBS=0)
            wait_for("the step", lambda: bench.frontend.entry("step.kubernetes.step.0.run"))
            executor.signal(signal.SIGTERM)
            wait_for("the signal to be seen", lambda: executor.said("draining", "signal"))
            bench.go()
            self.check_complete(bench, bench.frontend.marked(), 1)
            self.assertEqual(executor.wait(), 0)
            self.assertEqual(len(bench.frontend.events("dequeued")), 1)

    def test_second_signal_ends_at_once(self):
        with Bench("second") as bench:
            bench.start(batch_job(["echo started; sleep 600"]))
            executor = bench.start_executor()
            wait_for("the step", lambda: bench.frontend.entry("step.kubernetes.step.0.run"))
            executor.terminate_twice()
            self.assertEqual(executor.wait(20), 0)

    def lost_answer(self, name, request, stall_ms=LONG_MS):
        with Bench(name) as bench:
            bench.start(batch_job(OK_STEPS), frontend_options=["--stall-ms", str(stall_ms)])
            relay = Relay(bench.frontend.port)
            bench.extra.callback(relay.close)
            relay.lose.append(request)
            bench.start_executor(frontend_port=relay.port)
            if stall_ms != LONG_MS:
                wait_for("the job to be taken back", lambda: bench.frontend.events("stalled"))
                bench.frontend.control("stall", {"ms": LONG_MS})
            mark = bench.frontend.marked()
            self.check_complete(bench, mark, 2)
            wait_for("the answer to be lost", lambda: relay.lost == 1)
            return bench, mark

    def test_lost_answer_of_dequeue(self):
        self.lost_answer("lostdequeue", b"POST /.executors/queue/batches/dequeue", stall_ms=7000)

    def test_lost_answer_of_log_update(self):
        self.lost_answer("lostupdate", b"POST /.executors/queue/batches/updateExecutionLogEntry")

    def test_lost_answer_of_mark(self):
        self.lost_answer("lostmark", b"POST /.executors/queue/batches/markComplete")

    def test_lost_answer_of_create(self):
        with Bench("lostcreate") as bench:
            bench.start(batch_job(OK_STEPS))
            relay = Relay(bench.cluster.port)
            bench.extra.callback(relay.close)
            relay.lose.append(b"POST /apis/batch/v1/namespaces/default/jobs")
            text = bench.kubeconfig().read_text()
            bench.start_executor(kubeconfig=bench.kubeconfig(
                text.replace(f":{bench.cluster.port}'", f":{relay.port}'")))
            self.check_complete(bench, bench.frontend.marked(), 2)
            wait_for("the answer to be lost", lambda: relay.lost == 1)

    def test_pod_deadline(self):
        with Bench("deadline") as bench:
            bench.start(batch_job(["echo started; sleep 60"]))
            bench.start_executor(KUBERNETES_JOB_DEADLINE=2)
            mark = bench.frontend.marked()
            self.assertEqual(mark["state"], "failed")
            self.assertIn("deadline", mark["message"].lower())
            self.assertEqual(bench.leftovers(), [])


if __name__ == "__main__":
    main()
