"""The released programs, and what can be seen of a running executor from outside."""

import contextlib
import functools
import json
import os
import pathlib
import re
import shutil
import stat
import subprocess
import unittest

import harness
import test_layouts
from harness import PASSWORD, Bench, batch_job, wait_for

BUILD = pathlib.Path(harness.LUNEXEC).resolve().parent
JOB_SECRET = "s3cr3t-s3cr3t-s3cr3t"
USER, GROUP = 100, 101
CALLS = "git-calls"  # what the git of these tests writes into the spool directory


def readelf(program, *options):
    done = subprocess.run(["readelf", "-W", *options, str(BUILD / program)], check=True,
                          capture_output=True, text=True)
    return done.stdout


def status(pid):
    text = pathlib.Path(f"/proc/{pid}/status").read_text()
    return dict(line.split(":\t", 1) for line in text.splitlines() if ":\t" in line)


class Programs(unittest.TestCase):
    """lunexec and lunexec-policy, as they are delivered."""

    PROGRAMS = ("lunexec", "lunexec-policy")

    def test_position_independent(self):
        for program in self.PROGRAMS:
            with self.subTest(program):
                self.assertRegex(readelf(program, "-h"), r"Type: +DYN")
                self.assertRegex(readelf(program, "-d"), r"FLAGS_1\).* PIE")

    def test_relocations_are_read_only_from_the_start(self):
        for program in self.PROGRAMS:
            with self.subTest(program):
                self.assertRegex(readelf(program, "-l"), r"GNU_RELRO")
                self.assertRegex(readelf(program, "-d"), r"\(FLAGS\) +BIND_NOW")

    def test_nothing_is_writable_and_executable(self):
        for program in self.PROGRAMS:
            with self.subTest(program):
                segments = re.findall(r"^ +(\w+) +0x\S+ 0x\S+ 0x\S+ 0x\S+ 0x\S+ ([RWE ]{3}) 0x",
                                      readelf(program, "-l"), re.MULTILINE)
                self.assertIn(("GNU_STACK", "RW "), segments)
                self.assertEqual([s for s in segments if "W" in s[1] and "E" in s[1]], [])

    def test_checked_functions_and_stack_protector_are_linked(self):
        for program in self.PROGRAMS:
            with self.subTest(program):
                symbols = readelf(program, "-s")
                for name in ("__stack_chk_fail", "__memcpy_chk", "__vsnprintf_chk"):
                    self.assertIn(name, symbols)

    def test_every_file_has_the_flags(self):
        commands = json.loads((BUILD / "compile_commands.json").read_text())
        files = [c for c in commands if " -o host/" in c["command"]]
        self.assertGreater(len(files), 150)
        for flag in ("-fstack-protector-strong", "-fstack-clash-protection", "-fPIE|-fPIC",
                     "-D_FORTIFY_SOURCE=3", "-ftrivial-auto-var-init=zero", "-O2"):
            without = [c["file"] for c in files
                       if not set(flag.split("|")) & set(c["command"].split())]
            self.assertEqual(without, [], flag)

    @unittest.skipUnless(os.uname().machine == "x86_64", "control-flow protection is x86-64's")
    def test_indirect_jumps_land_on_marks(self):
        for program in self.PROGRAMS:
            with self.subTest(program):
                marks = (BUILD / program).read_bytes().count(b"\xf3\x0f\x1e\xfa")  # endbr64
                self.assertGreater(marks, 100)


class Executor(unittest.TestCase):
    """An executor as user 100:101 that runs a job in the layout with a shared volume, in which it
    starts git, and tells in `calls` what git saw."""

    GIT = """#!/bin/sh
exec 3>>{calls}
echo "ARGS $*" >&3
tr '\\0' '\\n' </proc/self/environ | sed 's/^/ENV /' >&3
grep -E '^(Seccomp|NoNewPrivs):' /proc/self/status >&3
if (echo x >{outside}/new) 2>/dev/null; then echo "WROTE outside" >&3; fi
cp /bin/true {spool}/program && if {spool}/program 2>/dev/null; then echo "RAN program" >&3; fi
exec {git} "$@"
"""

    def bench(self, name):
        bench = self.enterContext(Bench(name))
        for folder in ("spool", "state", "bin", "outside"):
            (bench.dir / folder).mkdir()
        git = bench.dir / "bin" / "git"
        git.write_text(self.GIT.format(calls=bench.dir / "spool" / CALLS, git=shutil.which("git"),
                                       spool=bench.dir / "spool", outside=bench.dir / "outside"))
        git.chmod(0o755)
        (bench.dir / "outside").chmod(0o777)
        bench.dir.chmod(0o755)
        return bench

    def start(self, bench, start_executor, **settings):
        """The executor's process, its user changed."""
        kubeconfig = bench.kubeconfig()
        wrapper = bench.dir / "as-user"
        as_user = []
        if os.geteuid() == 0:
            as_user = ["setpriv", f"--reuid={USER}", f"--regid={GROUP}", "--clear-groups"]
            own = ["spool", "state", "kubeconfig"]
            for folder in (bench.dir / "cluster", *(bench.dir / "cluster").glob("claims")):
                folder.chmod(0o755)
            for path in (*own, settings.get("LUNEXEC_WORKSPACE_DIR", "spool")):
                os.chown(bench.dir / path, USER, GROUP)
        words = " ".join([*as_user, harness.LUNEXEC, "run"])
        wrapper.write_text(f"#!/bin/sh\nexec {words}\n")
        wrapper.chmod(0o755)
        self.addCleanup(setattr, harness, "EXECUTOR", harness.EXECUTOR)
        harness.EXECUTOR = str(wrapper)
        settings = {"LUNEXEC_SPOOL_DIR": bench.dir / "spool",
                    "LUNEXEC_STATE_DIR": bench.dir / "state",
                    "PATH": f"{bench.dir / 'bin'}:{os.environ['PATH']}",
                    "SRC_LOG_LEVEL": "dbug", "EXECUTOR_NUM_TOTAL_JOBS": 1, **settings}
        return start_executor(kubeconfig=kubeconfig, **settings)

    def running(self, bench, executor):
        """Waits until the job runs and has written more than is kept in memory."""
        def look():
            self.assertIsNone(executor.popen.poll(), executor.err())
            return "running now" in bench.frontend.entry("step.kubernetes.step.0.run").get("out", "")

        wait_for("the step to run", look, 40)
        return executor.popen.pid

    def job(self):
        step = ("head -c 3000000 /dev/zero | tr '\\0' x | fold -w 100; echo running now; "
                "until [ -e ../go ]; do sleep 0.05; done")
        return batch_job([step], secrets={JOB_SECRET: "TOKEN"})

    def release(self, bench, executor):
        for workspace in (bench.dir / "cluster").glob("**/repository"):
            (workspace.parent / "go").touch()
        mark = bench.frontend.marked(40)
        self.assertEqual(mark["state"], "completed", mark)
        self.assertEqual(executor.wait(), 0)

    def of_job(self, bench):
        """The job's token and its own secret, from the Secret that was made for it."""
        made = [data for call in bench.cluster.calls("POST /api/v1/namespaces/default/secrets")
                if "TOKEN" in (data := call["body"].get("stringData", {}))]
        return {JOB_SECRET, *(data["TOKEN"] for data in made)}

    def children(self, pid):
        return pathlib.Path(f"/proc/{pid}/task/{pid}/children").read_text().split()

    def test_a_running_executor(self):
        bench = self.bench("restricted")
        bench.start(self.job())
        executor = self.start(bench, bench.start_executor)
        pid = self.running(bench, executor)
        with self.subTest("it is restricted"):
            now = status(pid)
            self.assertEqual((now["Seccomp"], now["NoNewPrivs"]), ("2", "1"))
            self.assertIn("restricted in its system calls", executor.err())
            self.assertIn("restricted to its own directories", executor.err())
        with self.subTest("it leaves no core, and nobody of its user reads its memory"):
            limits = pathlib.Path(f"/proc/{pid}/limits").read_text()
            self.assertRegex(limits, r"Max core file size +0 +0 ")
            self.assertEqual(os.stat(f"/proc/{pid}/environ").st_uid, 0)
        with self.subTest("its environment has no secret any more"):
            environment = pathlib.Path(f"/proc/{pid}/environ").read_bytes()
            self.assertIn(b"EXECUTOR_QUEUE_NAME=batches", environment)
            secrets = self.of_job(bench)
            self.assertEqual(len(secrets), 2)
            for secret in {PASSWORD, *secrets}:
                self.assertNotIn(secret.encode(), environment)
        with self.subTest("its children know nothing"):
            children = self.children(pid)
            self.assertTrue(children)
            for child in children:
                self.assertEqual(pathlib.Path(f"/proc/{child}/environ").read_bytes(), b"")
                self.assertEqual(pathlib.Path(f"/proc/{child}/cmdline").read_bytes(),
                                 b"lunexec-policy\0policy-child\0")
                self.assertEqual(status(child)["Seccomp"], "2")
        with self.subTest("its files are its own"):
            self.check_modes(bench, pid)
        self.release(bench, executor)

    def check_modes(self, bench, pid):
        """Nothing in the state and spool directories, nor open elsewhere, is for others."""
        self.assertEqual(stat.S_IMODE((bench.dir / "state").stat().st_mode) & 0o022, 0)
        written = [p for folder in ("state", "spool") for p in (bench.dir / folder).iterdir()
                   if p.name not in (CALLS, "program")]
        self.assertIn("journal", {p.name for p in written})
        for path in written:
            with contextlib.suppress(FileNotFoundError):  # what runs may have removed it since
                self.assertEqual(path.stat().st_mode & 0o077, 0, path)
        spooled = 0
        for fd in pathlib.Path(f"/proc/{pid}/fd").iterdir():
            with contextlib.suppress(FileNotFoundError):  # or closed it
                file = os.stat(fd)
                if stat.S_ISREG(file.st_mode) and "deleted" in os.readlink(fd):
                    spooled += 1
                    self.assertEqual(file.st_mode & 0o077, 0, fd)
        self.assertGreater(spooled, 0)

    def in_memory(self, pid, words):
        """Those of the words that are anywhere in the process' own memory."""
        found = set()
        maps = pathlib.Path(f"/proc/{pid}/maps").read_text()
        with open(f"/proc/{pid}/mem", "rb", buffering=0) as memory:
            for begin, end in re.findall(r"^(\w+)-(\w+) rw", maps, re.MULTILINE):
                with contextlib.suppress(OSError):
                    memory.seek(int(begin, 16))
                    data = memory.read(int(end, 16) - int(begin, 16))
                    found |= {word for word in words if word.encode() in data}
        return found

    @unittest.skipIf(os.geteuid(), "root alone can look into the executor's memory")
    def test_nothing_of_a_job_stays_in_memory(self):
        bench = self.bench("memory")
        bench.start(self.job())
        executor = self.start(bench, bench.start_executor, EXECUTOR_NUM_TOTAL_JOBS=0)
        pid = self.running(bench, executor)
        secrets = self.of_job(bench)
        self.assertEqual(self.in_memory(pid, secrets), secrets)
        for workspace in (bench.dir / "cluster").glob("**/repository"):
            (workspace.parent / "go").touch()
        bench.frontend.marked(40)
        wait_for("them to be gone", lambda: not self.in_memory(pid, secrets))

    def test_git_on_a_shared_volume(self):
        bench = self.bench("git")
        bench.start_executor = functools.partial(self.start, bench, bench.start_executor)
        look = test_layouts.step("look", "cat README.md", directory="repository")
        job = batch_job([], keys=[look], secrets={JOB_SECRET: "TOKEN"})
        _, executor = test_layouts.start_shared(bench, job)
        mark = bench.frontend.marked(40)
        self.assertEqual(mark["mark"], "complete", mark)
        self.assertEqual(executor.wait(), 0)
        calls = (bench.dir / "spool" / CALLS).read_text()
        self.assertRegex(calls, r"ARGS version")
        self.assertRegex(calls, r"ARGS -C \S+ .*fetch")
        for secret in (PASSWORD, JOB_SECRET, "Authorization", "Bearer"):
            self.assertNotIn(secret, calls)
        names = set(re.findall(r"^ENV (\w+)=", calls, re.MULTILINE))
        self.assertLessEqual(names, {"PATH", "HOME", "USER", "DOCKER_HOST", "PWD", "SHLVL", "_",
                                     "OLDPWD", "GIT_TERMINAL_PROMPT", "GIT_LFS_SKIP_SMUDGE"})
        self.assertEqual(set(re.findall(r"Seccomp:\s+(\d)", calls)), {"2"})
        self.assertNotIn("WROTE outside", calls)
        self.assertNotIn("RAN program", calls)
        self.assertEqual(list((bench.dir / "outside").iterdir()), [])

    def test_it_can_be_switched_off(self):
        bench = self.bench("unrestricted")
        bench.start(self.job())
        executor = self.start(bench, bench.start_executor, LUNEXEC_SELF_RESTRICTION="false")
        pid = self.running(bench, executor)
        self.assertEqual((status(pid)["Seccomp"], status(pid)["NoNewPrivs"]), ("0", "0"))
        self.release(bench, executor)


if __name__ == "__main__":
    harness.main()
