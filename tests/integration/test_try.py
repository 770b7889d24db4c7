"""`lunexec try` as a person uses it."""

import json
import os
import pathlib
import re
import signal
import subprocess
import tempfile
import time
import unittest

from harness import LUNEXEC, Bench, batch_job, main, wait_for


def stat_of(pid):
    """(state, parent, when it began) of a process; None: there is none."""
    try:
        fields = pathlib.Path(f"/proc/{pid}/stat").read_text().rsplit(")", 1)[1].split()
    except OSError:
        return None
    return fields[0], int(fields[1]), fields[19]


def processes_of(pid):
    """Processes that descend from `pid`, and when each began."""
    table = {}
    for entry in pathlib.Path("/proc").iterdir():
        if entry.name.isdigit():
            stat = stat_of(entry.name)
            if stat and stat[0] != "Z":
                table[int(entry.name)] = stat[1:]
    found = {}
    grew = True
    while grew:
        grew = False
        for child, (parent, began) in table.items():
            if child not in found and (parent == pid or parent in found):
                found[child] = began
                grew = True
    return found


def alive(family):
    """Whether one of them is; a process that got its number later is another one."""
    stats = [(stat_of(pid), began) for pid, began in family.items()]
    return any(stat and stat[0] != "Z" and stat[2] == began for stat, began in stats)


def folder_of(family):
    """The folder of a run, as the command lines of its processes name it."""
    for pid in family:
        try:
            line = pathlib.Path(f"/proc/{pid}/cmdline").read_text(errors="replace")
        except OSError:
            continue
        if found := re.search(r"/tmp/lunexec-try-\w+", line):
            return pathlib.Path(found[0])
    raise AssertionError("no process names the folder")


class Try(unittest.TestCase):
    def run_try(self, *args, seconds=60):
        env = dict(os.environ)
        done = subprocess.run([LUNEXEC, "try", *args], capture_output=True, text=True, env=env,
                              stdin=subprocess.DEVNULL, timeout=seconds, check=False)
        if "bubblewrap" in done.stderr:
            self.skipTest(done.stderr.strip())
        return done

    def start(self, *args):
        # A folder of its own in TMPDIR would hide what it leaves behind, so /tmp is looked at.
        return subprocess.Popen([LUNEXEC, "try", *args], stdout=subprocess.PIPE, text=True,
                                stderr=subprocess.PIPE, stdin=subprocess.DEVNULL)

    def test_example_is_quick(self):
        started = time.monotonic()
        done = self.run_try()
        self.assertEqual(done.returncode, 0, done.stdout + done.stderr)
        self.assertLess(time.monotonic() - started, 10)
        self.assertIn("+Hello, world!", done.stdout)
        self.assertIn("step.1.run | README.md has 11 words", done.stdout)
        self.assertRegex(done.stdout.splitlines()[-1], r"^completed in \d+\.\d s$")
        self.assertNotIn("\033", done.stdout)

    def test_keep_says_where(self):
        done = self.run_try("--keep")
        self.assertEqual(done.returncode, 0, done.stderr)
        folder = pathlib.Path(done.stdout.splitlines()[-1].removeprefix("kept: "))
        try:
            self.assertTrue(list(folder.glob("cluster/pods/*/volumes/*/repository/words.txt")))
        finally:
            subprocess.run(["rm", "-rf", "--", str(folder)], check=True)

    def test_job_and_repo_of_the_user(self):
        with Bench("tryjob") as bench:
            job = batch_job(["echo mine > mine.txt"])
            del job["commit"]
            path = bench.dir / "job.json"
            path.write_text(json.dumps(job))
            done = self.run_try("--job", str(path), "--repo", str(bench.repo))
            self.assertEqual(done.returncode, 0, done.stdout + done.stderr)
            self.assertIn("+mine", done.stdout)
            self.assertEqual(bench.git("status", "--porcelain"), "")

    def test_spec_of_the_user_that_fails(self):
        with Bench("tryspec") as bench:
            path = bench.dir / "spec.yaml"
            path.write_text("name: x\nsteps:\n- run: echo before; exit 3\n  container: alpine:3\n")
            done = self.run_try("--spec", str(path), "--repo", str(bench.repo))
            self.assertEqual(done.returncode, 1)
            self.assertIn("step.0.run | before", done.stdout)
            self.assertIn("step.0.run: exit code 3", done.stdout)
            self.assertIn("try failed:", done.stderr)

    def test_policy_of_the_user_that_is_broken(self):
        with tempfile.TemporaryDirectory() as folder:
            (pathlib.Path(folder) / "policy.lua").write_text("return nonsense(")
            done = self.run_try("--policy", folder)
            self.assertEqual(done.returncode, 1)
            self.assertIn("policy.lua", done.stderr)

    def test_wrong_usage(self):
        for args in (("--no-such",), ("stray",), ("--job", "x"), ("--job", "x", "--spec", "y")):
            self.assertEqual(self.run_try(*args).returncode, 2, args)
        self.assertEqual(self.run_try("--help").returncode, 0)
        missing = self.run_try("--job", "/nonexistent.json", "--repo", "/tmp")
        self.assertEqual(missing.returncode, 1)
        self.assertIn("/nonexistent.json", missing.stderr)

    def slow(self, bench):
        path = bench.dir / "spec.yaml"
        path.write_text("steps:\n- run: echo running; sleep 300\n  container: alpine:3\n")
        process = self.start("--spec", str(path), "--repo", str(bench.repo), "--keep")
        self.addCleanup(process.wait)
        self.addCleanup(process.kill)
        for line in process.stdout:
            if "running" in line:
                break
        else:
            error = process.stderr.read()
            if "bubblewrap" in error:
                self.skipTest(error.strip())
            self.fail(error)
        family = processes_of(process.pid)
        self.assertGreater(len(family), 4)
        return process, family

    def test_interrupt_leaves_nothing(self):
        with Bench("tryint") as bench:
            process, family = self.slow(bench)
            process.send_signal(signal.SIGINT)
            out, err = process.communicate(timeout=60)
            self.assertEqual(process.returncode, 1)
            self.assertIn("interrupted", err)
            wait_for("what is killed to die", lambda: not alive(family))
            folder = out.splitlines()[-1].removeprefix("kept: ")
            subprocess.run(["rm", "-rf", "--", folder], check=True)

    def test_kill_leaves_no_process(self):
        with Bench("trykill") as bench:
            process, family = self.slow(bench)
            folder = folder_of(family)
            process.kill()
            process.wait()
            wait_for("the children to die", lambda: not alive(family))
            # Nobody was left to clean up.
            subprocess.run(["rm", "-rf", "--", str(folder)], check=True)


if __name__ == "__main__":
    main()
