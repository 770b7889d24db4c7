"""`lunexec policy`: what it prints, what it refuses, its exit status."""

import json
import os
import pathlib
import shutil
import subprocess
import tempfile
import unittest

from harness import LUNEXEC, batch_job, main

REFUSED = """local default = require "default"
return { api = 1, job = function(task, settings)
  %s
end }
"""


class PolicyTool(unittest.TestCase):
    def setUp(self):
        self.dir = pathlib.Path(tempfile.mkdtemp(prefix="lunexec-policy-"))
        self.addCleanup(shutil.rmtree, self.dir)
        jobs = self.dir / "jobs"
        jobs.mkdir()
        payload = batch_job(["echo hello"], secrets={"correct-horse": "TOKEN"})
        (jobs / "one.json").write_text(json.dumps({"queue": "batches", **payload}))

    def policy(self, *args, status=0, env=None):
        """Standard output of a command that ends with `status`; errors with it if that is not 0."""
        clean = {"PATH": os.environ["PATH"], **(env or {})}
        done = subprocess.run([LUNEXEC, "policy", *map(str, args)], cwd=self.dir, env=clean,
                              capture_output=True, text=True, check=False, timeout=60)
        self.assertEqual(done.returncode, status, done.stdout + done.stderr)
        return done.stdout if status == 0 else done.stdout + done.stderr

    def new(self, job=None):
        self.policy("new", "mine")
        if job:
            (self.dir / "mine/policy.lua").write_text(REFUSED % job)

    def test_check_tries_every_kind_of_job(self):
        out = self.policy("check")
        for kind in ("batches, 1 step", "batches, 3 steps", "codeintel"):
            self.assertIn(f"ok {kind}", out)

    def test_check_names_file_and_line(self):
        self.new("return nosuch(task)")
        first = self.policy("check", "mine", status=1).splitlines()[0]
        self.assertIn("policy.lua:3: undefined global nosuch", first)
        self.new_again("if then")
        self.assertIn("policy.lua:3:", self.policy("check", "mine", status=1).splitlines()[0])

    def new_again(self, job):
        (self.dir / "mine/policy.lua").write_text(REFUSED % job)

    def test_check_names_the_rule(self):
        self.new("local job = default.job(task, settings)\n  job.spec.backoffLimit = 3\n  return job")
        self.assertIn("backoff-limit:", self.policy("check", "mine", status=1).splitlines()[0])

    def test_check_refuses_an_unknown_function(self):
        self.new()
        (self.dir / "mine/policy.lua").write_text(
            'local d = require "default"\nreturn { api = 1, job = d.job, admitt = d.admit }\n')
        self.assertIn("unknown function admitt", self.policy("check", "mine", status=1))

    def test_render_masks_secrets(self):
        out = self.policy("render", "--job", "jobs/one.json", "--json")
        kinds = {item["kind"]: item for item in json.loads(out)}
        self.assertEqual(set(kinds), {"Secret", "Job"})
        self.assertEqual(set(kinds["Secret"]["stringData"].values()), {"***"})
        self.assertNotIn("correct-horse", out)

    def test_render_follows_settings(self):
        env = {"EXECUTOR_KUBERNETES_NAMESPACE": "builds", "KUBERNETES_JOB_VOLUME_TYPE": "pvc"}
        out = self.policy("render", "--job", "jobs/one.json", env=env)
        self.assertEqual(out.count("namespace: builds"), 3)
        self.assertIn("kind: PersistentVolumeClaim", out)

    def test_diff_shows_what_changes(self):
        self.new("local job = default.job(task, settings)\n"
                 "  job.spec.template.spec.priorityClassName = 'low'\n  return job")
        self.policy("new", "other")
        self.assertEqual(self.policy("diff", "other", "other", "--jobs", "jobs"), "")
        out = self.policy("diff", "other", "mine", "--jobs", "jobs", status=1)
        changed = [line for line in out.splitlines() if line[:1] in "+-"][2:]
        self.assertEqual(changed, ["+      priorityClassName: low"])
        self.policy("diff", "other", "nowhere", "--jobs", "jobs", status=2)

    def test_new_can_be_tested_and_is_not_overwritten(self):
        self.policy("new", "mine")
        self.policy("check", "mine")
        self.policy("new", "mine", status=2)
        if not shutil.which("busted"):
            self.skipTest("no busted here")
        self.assertIn("ok 1 ", self.policy("test", "mine"))

    def test_network_and_bench(self):
        self.assertIn("kind: NetworkPolicy", self.policy("network"))
        self.assertIn("20 calls, median", self.policy("bench", "--calls", "20"))

    def test_wrong_usage(self):
        for args in ([], ["frob"], ["render"], ["diff", "a"], ["bench", "--calls", "no"]):
            self.policy(*args, status=2)


if __name__ == "__main__":
    main()
