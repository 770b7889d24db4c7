"""The batcheshelper stand-in, with the shell and tools of Debian and with those of busybox."""

import base64
import json
import os
import pathlib
import shutil
import subprocess
import tempfile
import unittest

from harness import FIXTURES, main

HELPER = FIXTURES / "batcheshelper"
APPLETS = ("awk", "base64", "cat", "chmod", "cp", "date", "dirname", "mkdir", "rm", "sed", "sh",
           "touch", "tr")


class Helper(unittest.TestCase):
    def setUp(self):
        self.dir = pathlib.Path(tempfile.mkdtemp(prefix="lunexec-helper-"))
        self.addCleanup(shutil.rmtree, self.dir)
        self.env = {"PATH": "/usr/bin:/bin", "HOME": str(self.dir), "EXECUTOR_ADD_SAFE": "false",
                    "GIT_CONFIG_NOSYSTEM": "1", "LC_ALL": "C"}
        repo = self.dir / "repository"
        repo.mkdir()
        (repo / "kept.txt").write_text("kept\n")
        (repo / "gone.txt").write_text("gone\n")
        for args in (["init", "-q"], ["add", "."],
                     ["-c", "user.name=t", "-c", "user.email=t@example.com", "commit", "-qm", "x"]):
            subprocess.run(["git", "-C", str(repo), *args], check=True, env=self.env)

    def use_busybox(self):
        busybox = shutil.which("busybox")
        if not busybox:
            self.skipTest("no busybox here")
        tools = self.dir / "tools"
        tools.mkdir()
        for name in APPLETS:
            (tools / name).symlink_to(busybox)
        (tools / "git").symlink_to(shutil.which("git"))
        self.env["PATH"] = str(tools)

    def helper(self, *args, ok=True):
        shell = shutil.which("sh", path=self.env["PATH"])
        done = subprocess.run([shell, str(HELPER), "-workspaceFiles", str(self.dir / "extra"), *args],
                              cwd=self.dir, env=self.env, capture_output=True, check=False)
        if ok:
            self.assertEqual(done.returncode, 0, done.stderr.decode())
        return done

    def spec(self, *steps):
        (self.dir / "input.json").write_text(json.dumps({"steps": list(steps), "x": {"run": "no"}}))

    def run_step(self, i):
        shell = shutil.which("sh", path=self.env["PATH"])
        done = subprocess.run([shell, f"../step{i}.sh"], cwd=self.dir / "repository", env=self.env,
                              capture_output=True, check=True)
        (self.dir / f"stdout{i}.log").write_bytes(done.stdout)
        (self.dir / f"stderr{i}.log").write_bytes(done.stderr)
        return done.stdout.decode()

    def result(self, out):
        events = [json.loads(line) for line in out.decode().splitlines()]
        self.assertEqual([e["operation"] for e in events], ["TASK_STEP", "CACHE_AFTER_STEP_RESULT"])
        return events[1]["metadata"]["value"]

    def whole_step(self):
        text = "echo \"it's $NAME\tend\" \\\\ é€😀\nrm gone.txt; echo new > new.txt; cat conf/a.txt"
        self.spec({"run": text, "env": {"NAME": "a 'quoted' \"b\""},
                   "files": {"conf/a.txt": "line 1\nline 2"}})
        (self.dir / "extra").mkdir()
        self.helper("pre", "0")
        self.assertTrue(os.access(self.dir / "step0.sh", os.X_OK))
        out = self.run_step(0)
        self.assertEqual(out, "it's a 'quoted' \"b\"\tend \\ é€😀\nline 1\nline 2")
        value = self.result(self.helper("post", "0").stdout)
        self.assertEqual((value["version"], value["stepIndex"], value["stdout"]), (2, 0, out + "\n"))
        self.assertEqual(value["changedFiles"], {"modified": None, "added": ["conf/a.txt", "new.txt"],
                                                 "deleted": ["gone.txt"], "renamed": None})
        diff = base64.b64decode(value["diff"]).decode()
        self.assertIn("diff --git new.txt new.txt", diff)
        self.assertEqual(json.loads((self.dir / "step0.json").read_text()), value)
        self.assertFalse((self.dir / "extra").exists())

    def test_whole_step(self):
        self.whole_step()

    def test_whole_step_with_busybox(self):
        self.use_busybox()
        self.whole_step()

    def hostile_output(self):
        self.spec({"run": "true"})
        self.helper("pre", "0")
        self.run_step(0)
        (self.dir / "stdout0.log").write_bytes(b"\xff\x00bad \"q\" \\ \x01\x1b[31m\r\nfine \xc3\xa9\n")
        value = self.result(self.helper("post", "0").stdout)
        self.assertEqual(value["stdout"], "?bad \"q\" \\ \x01\x1b[31m\r\nfine é\n")

    def test_hostile_output(self):
        self.hostile_output()

    def test_hostile_output_with_busybox(self):
        self.use_busybox()
        self.hostile_output()

    def test_escapes(self):
        (self.dir / "input.json").write_text(
            '{"steps":[{"run":"printf %s \\u0022\\u00e9\\ud83d\\ude00\\/\\u0022"}]}')
        self.helper("pre", "0")
        self.assertEqual(self.run_step(0), "é😀/")

    def test_long_script(self):
        lines = [f"echo {i} {'x' * 200}" for i in range(600)]
        self.spec({"run": "true"}, {"run": "\n".join(lines)})
        self.helper("pre", "1")
        self.assertEqual(self.run_step(1).count("\n"), 600)

    def test_skipped_step(self):
        self.spec({"run": "true", "if": False}, {"run": "true"})
        out = self.helper("pre", "0").stdout
        self.assertEqual(json.loads(out)["operation"], "TASK_STEP_SKIPPED")
        self.assertEqual(json.loads((self.dir / "skip.json").read_text()), {"nextStep": "step.1.pre"})
        self.assertTrue(json.loads((self.dir / "step0.json").read_text())["skipped"])
        self.helper("pre", "1")
        self.assertFalse((self.dir / "skip.json").exists())

    def test_mistakes(self):
        self.spec({"run": "true"})
        for args in (("pre", "7"), ("pre", "x"), ("pre",), ("other", "0"), ("-bad", "pre", "0")):
            done = self.helper(*args, ok=False)
            self.assertEqual(done.returncode, 1, args)
            self.assertTrue(done.stderr.startswith(b"batcheshelper: "), args)
        (self.dir / "input.json").write_text('{"steps":[{"run":"tr')
        self.assertEqual(self.helper("pre", "0", ok=False).returncode, 1)


if __name__ == "__main__":
    main()
