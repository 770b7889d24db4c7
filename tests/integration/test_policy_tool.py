"""`lunexec policy`: what it prints, what it refuses, its exit status."""

import contextlib
import json
import os
import pathlib
import re
import shutil
import subprocess
import tempfile
import unittest

from harness import LUNEXEC, Bench, batch_job, main

SOURCE = pathlib.Path(__file__).resolve().parents[2]

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

    def policy(self, *args, status=0, env=None, stdin=""):
        """Standard output of a command that ends with `status`; errors with it if that is not 0."""
        clean = {"PATH": os.environ["PATH"], **(env or {})}
        done = subprocess.run([LUNEXEC, "policy", *map(str, args)], cwd=self.dir, env=clean,
                              input=stdin, capture_output=True, text=True, check=False, timeout=60)
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
        self.new_again("return default.job(task, settings)")
        (self.dir / "mine/extra.lua").write_text(
            "local M = {}\nfunction M.never() return os.time() end\nreturn M\n")
        first = self.policy("check", "mine", status=1).splitlines()[0]
        self.assertIn("extra.lua:2: undefined global os", first)
        (self.dir / "mine/extra.lua").unlink()
        self.new_again("if then")
        self.assertIn("policy.lua:3:", self.policy("check", "mine", status=1).splitlines()[0])

    def new_again(self, job):
        (self.dir / "mine/policy.lua").write_text(REFUSED % job)

    def test_check_names_the_rule(self):
        self.new("local job = default.job(task, settings)\n  job.spec.backoffLimit = 3\n  return job")
        self.assertIn("backoff-limit:", self.policy("check", "mine", status=1).splitlines()[0])

    def test_check_tries_retry(self):
        self.new()
        (self.dir / "mine/policy.lua").write_text(
            'local d = require "default"\nfunction d.retry() return 5 end\nreturn d\n')
        self.assertIn("retry() must return", self.policy("check", "mine", status=1))

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

    def test_diff_leads_from_one_to_the_other(self):
        """Applied to what the old policy renders it makes what the new one renders."""
        self.policy("new", "other")
        self.new("local job = default.job(task, settings)\n"
                 "  job.metadata.labels = { first = 'one' }\n  job.spec.ttlSecondsAfterFinished = nil\n"
                 "  local pod = job.spec.template.spec\n  pod.priorityClassName = 'low'\n"
                 "  for _, c in ipairs(pod.initContainers) do c.imagePullPolicy = 'Always' end\n"
                 "  return job")
        before, after = (re.sub("(lunexec.dev/policy: ).*", r"\1(hash)", self.policy(
            "render", "--policy", name, "--job", "jobs/one.json")).splitlines()
                         for name in ("other", "mine"))
        head, *hunks = re.split(r"^@@ -(\d+),(\d+) \+(\d+),(\d+) @@\n", self.policy(
            "diff", "other", "mine", "--jobs", "jobs", status=1), flags=re.MULTILINE)
        self.assertEqual([line[:4] for line in head.splitlines()], ["--- ", "+++ "])
        self.assertGreaterEqual(len(hunks), 3 * 5)
        made, at = [], 0
        for i in range(0, len(hunks), 5):
            old_at, old_n, new_at, new_n = map(int, hunks[i:i + 4])
            lines = hunks[i + 4].splitlines()
            made += before[at:old_at - 1]
            self.assertEqual(len(made), new_at - 1)
            old = [line[1:] for line in lines if line[0] in " -"]
            new = [line[1:] for line in lines if line[0] in " +"]
            self.assertEqual((old, len(new)), (before[old_at - 1:old_at - 1 + old_n], new_n))
            made, at = made + new, old_at - 1 + old_n
        self.assertEqual(made + before[at:], after)

    def test_new_can_be_tested_and_is_not_overwritten(self):
        self.policy("new", "mine")
        self.policy("check", "mine")
        self.policy("new", "mine", status=2)
        if not shutil.which("busted"):
            self.skipTest("no busted here")
        self.assertIn("ok 1 ", self.policy("test", "mine"))

    def test_new_brings_jobs_to_compare_by(self):
        self.policy("new", "mine")
        self.assertEqual(self.policy("diff", "mine", "--jobs", "mine/jobs"), "")
        for job in sorted((self.dir / "mine/jobs").iterdir()):
            self.assertIn("kind: Job", self.policy("render", "--policy", "mine", "--job", job))

    def test_a_policy_is_what_it_changes(self):
        """Files that a policy does not have are the bundled ones."""
        (self.dir / "small").mkdir()
        (self.dir / "small/policy.lua").write_text('return require "default"\n')
        (self.dir / "small/retry.lua").write_text(
            'return { decide = function() return { delay = 7 } end }\n')
        self.assertIn("small: fine", self.policy("check", "--policy", "small"))
        call = self.policy("call", "retry", "--policy", "small", stdin='[{},{},{}]')
        self.assertEqual(json.loads(call), [{"delay": 7}])

    def spec(self, body, name="mine/policy_spec.lua"):
        path = self.dir / name
        path.parent.mkdir(exist_ok=True)
        path.write_text('local testing = require "lunexec.testing"\n'
                        'describe("it", function() it("works", function()\n'
                        f'  {body}\nend) end)\n')

    @unittest.skipUnless(shutil.which("busted"), "no busted here")
    def test_specs_run_the_policy_in_its_sandbox(self):
        self.policy("new", "mine")
        (self.dir / "mine/policy.lua").write_text(
            'return { api = 1, job = function() while true do end end,\n'
            '  admit = function(job) return false, "no " .. job.repository, job.none end }\n')
        self.spec('local policy = testing.load(testing.here())\n'
                  '  local ok, limit = pcall(policy.job, {}, {})\n'
                  '  assert.is_false(ok)\n'
                  # the child's own limit on CPU time, or on a busy machine the executor's on time
                  '  assert.is_truthy(limit:find("time limit is used up") or limit:find("job%(%)"))\n'
                  '  local yes, why = testing.call(policy, "admit", testing.task(), {})\n'
                  '  assert.is_false(yes)\n  assert.equal("no github.com/acme/widgets", why)\n'
                  '  local firewall = testing.load(testing.here(), "firewall")\n'
                  '  assert.equal("hardened", '
                  'firewall.profile({}, { firewall_profile = "hardened" }))')
        self.assertIn("ok 1 ", self.policy("test", "mine"))
        (self.dir / "mine/policy.lua").write_text("return { api = 1, job = \n")
        self.assertIn("policy.lua:2:", self.policy("test", "mine", status=1))

    @unittest.skipUnless(shutil.which("busted"), "no busted here")
    def test_specs_report_as_asked(self):
        self.policy("new", "mine")
        self.assertIn("<testcase ", self.policy("test", "--policy", "mine", "--output", "junit"))
        (self.dir / "mine/.busted").write_text(
            'return { default = { ROOT = { "tests" }, pattern = "^only", output = "junit" } }\n')
        self.spec("assert.equal(1, 1)", "mine/tests/only.lua")
        out = self.policy("test", "mine")
        self.assertIn('name="it works"', out.replace("'", '"'))
        self.assertNotIn("policy_spec", out)
        self.assertIn("ok 1 - it works", self.policy("test", "mine", "--output", "TAP"))
        self.spec("assert.equal(1, 2)", "mine/tests/only.lua")
        self.policy("test", "mine", status=1)

    def test_without_specs_there_is_nothing_to_test(self):
        (self.dir / "empty").mkdir()
        self.assertIn("empty has no specs", self.policy("test", "empty", status=2))
        self.assertIn("has no specs", self.policy("test", status=2))

    def test_call(self):
        self.assertEqual(set(json.loads(self.policy("call"))), {"job", "admit", "retry", "network"})
        pod = self.policy("call", "pod", "--module", "firewall",
                          stdin='[{}, {"fs_group": 9007199254740993, "x": [], "y": null}]')
        self.assertEqual(json.loads(pod)[0]["fsGroup"], 9007199254740993)
        self.assertIn("no function nosuch", self.policy("call", "nosuch", status=1, stdin="[]"))
        self.policy("call", "pod", "--module", "fire\"wall", status=2, stdin="[]")
        for text in ("", "{}", "[1"):
            self.policy("call", "job", status=2, stdin=text)

    def test_network_and_bench(self):
        self.assertIn("kind: NetworkPolicy", self.policy("network"))
        self.assertIn("20 calls, median", self.policy("bench", "--calls", "20"))

    def test_cookbook(self):
        """Each recipe passes check; its specs pass in the sandbox."""
        recipes = sorted(path for path in (SOURCE / "spec/cookbook").iterdir())
        self.assertGreaterEqual(len(recipes), 12)
        for recipe in recipes:
            with self.subTest(recipe.name):
                self.assertIn(": fine", self.policy("check", recipe))
                if shutil.which("busted"):
                    self.assertIn("ok 1 ", self.policy("test", recipe))

    @unittest.skipUnless(shutil.which("busted"), "no busted here")
    def test_newcomers_path(self):
        """docs/policy.md: its commands, in order, print what they print there. Those that need a
        cluster are in tests/cluster/policytests.py."""
        page = (SOURCE / "docs/policy.md").read_text()
        section = page.split("## From nothing to a shipped change\n")[1].split("\n## ")[0]
        commands = re.findall(r"^\$ (.+)\n((?:(?!\$ |```).*\n)*)", section, re.MULTILINE)
        self.assertLessEqual(len(commands), 10)
        for command, shown in commands:
            words = command.split()
            if words[0] == "cat":
                text = page.split(f"`{words[2]}`:\n\n```lua\n")[1].split("```\n")[0]
                (self.dir / words[2]).write_text(text)
            elif words[0] == "lunexec" and "--cluster" not in words:
                out = self.policy(*words[2:], status=1 if words[2] == "diff" else 0)
                out = re.sub(r"^--- .*/scripts:", "--- /usr/local/share/lunexec/scripts:", out)
                self.assertTrue(out.startswith(shown.removesuffix("...\n")), f"{command}: {out}")

    # --- what the cluster says

    @contextlib.contextmanager
    def cluster(self):
        """The stand-in, and the environment that leads to it."""
        with Bench("policy-tool") as bench:
            bench.start_cluster()
            yield bench.cluster, {"EXECUTOR_KUBERNETES_CONFIG_PATH": str(bench.kubeconfig())}

    def test_the_cluster_is_asked_in_dry_runs(self):
        with self.cluster() as (cluster, env):
            out = self.policy("check", "--cluster", env=env)
            self.assertIn("ok batches, 3 steps: 2 objects, accepted by the cluster", out)
            self.policy("render", "--job", "jobs/one.json", "--cluster",
                        env={**env, "KUBERNETES_JOB_VOLUME_TYPE": "pvc"})
            calls = cluster.calls("")
        self.assertEqual({call["body"]["kind"] for call in calls},
                         {"Job", "Secret", "PersistentVolumeClaim"})
        self.assertEqual({(call["method"], call["query"], call["status"]) for call in calls},
                         {("POST", "dryRun=All&fieldValidation=Strict", 201)})

    def test_what_the_cluster_refuses_is_named(self):
        """Objects it will not have are no fault of the command's; that it cannot be asked is."""
        with self.cluster() as (cluster, env):
            for status, result in ((403, 1), (422, 1), (404, 2)):
                cluster.faults({"match": "/secrets", "status": status, "times": 1})
                self.assertRegex(self.policy("check", "--cluster", env=env, status=result),
                                 r"sample job \(batches, 1 step\): dry run of Secret \S+: ")

    def test_an_object_that_is_there_is_no_refusal(self):
        """The server compares names after everything else."""
        with self.cluster() as (cluster, env):
            objects = json.loads(self.policy("render", "--job", "jobs/one.json", "--json"))
            secret = next(o for o in objects if o["kind"] == "Secret")
            self.assertEqual(cluster.create("/api/v1/namespaces/default/secrets", secret), 201)
            self.policy("render", "--job", "jobs/one.json", "--cluster", env=env)
            self.assertEqual([call["status"] for call in cluster.calls("POST ")], [201, 409, 201])

    def test_ones_own_kubeconfig(self):
        """Where no path is set; and it has to be one."""
        with self.cluster() as (_, env):
            home = self.dir / "home"
            (home / ".kube").mkdir(parents=True)
            config = home / ".kube/config"
            shutil.copy(env["EXECUTOR_KUBERNETES_CONFIG_PATH"], config)
            self.assertIn("accepted by the cluster",
                          self.policy("check", "--cluster", env={"HOME": str(home)}))
            config.write_text("clusters: [")
            self.assertIn(f"invalid {config}: ",
                          self.policy("check", "--cluster", env={"HOME": str(home)}, status=2))
            self.policy("check", "--cluster", status=2,
                        env={"EXECUTOR_KUBERNETES_CONFIG_PATH": "/nonexistent/config"})

    def test_settings_that_are_wrong(self):
        for name, value in (("LUNEXEC_GUARDRAILS", "nonsense"), ("LUNEXEC_SPOOL_LIMIT", "much"),
                            ("KUBERNETES_JOB_DEADLINE", "soon")):
            self.assertIn(name, self.policy("check", env={name: value}, status=2))

    def test_without_a_cluster_it_says_what_is_missing(self):
        self.assertIn("EXECUTOR_KUBERNETES_CONFIG_PATH is not set",
                      self.policy("check", "--cluster", status=2))

    # --- what is wrong with what it is given

    def test_a_job_that_cannot_be_read_is_named(self):
        (self.dir / "broken.json").write_text("{")
        (self.dir / "list.json").write_text("[]")
        for name in ("nowhere.json", "broken.json", "list.json"):
            self.assertIn(name, self.policy("render", "--job", name, status=2))
        os.rename(self.dir / "broken.json", self.dir / "jobs/broken.json")
        self.policy("new", "mine")
        self.assertIn("broken.json", self.policy("diff", "mine", "--jobs", "jobs", status=2))
        self.assertIn("nowhere", self.policy("diff", "mine", "--jobs", "nowhere", status=2))

    def test_diff_goes_on_after_a_job_that_is_refused(self):
        shutil.copy(self.dir / "jobs/one.json", self.dir / "jobs/two.json")
        self.new("error 'not this one'")
        out = self.policy("diff", "mine", "--jobs", "jobs", status=1)
        self.assertEqual(out.count("+refused: "), 2)

    def test_a_policy_that_lacks_a_function(self):
        self.new()
        (self.dir / "mine/policy.lua").write_text("return { api = 1, admit = function() end }\n")
        self.assertIn("no function job", self.policy("check", "mine", status=1))
        self.assertIn("no function job", self.policy("bench", "--policy", "mine", status=1))
        self.assertIn("no function network", self.policy("network", "--policy", "mine", status=1))

    def test_network_must_be_a_list(self):
        self.new()
        (self.dir / "mine/policy.lua").write_text(
            'local d = require "default"\nfunction d.network() return 5 end\nreturn d\n')
        for args in (["check", "mine"], ["network", "--policy", "mine"]):
            self.assertIn("network() must return a list", self.policy(*args, status=1))

    def test_a_file_that_is_no_text_is_refused(self):
        self.new()
        (self.dir / "mine/extra.lua").write_bytes(b"-- \xff\nreturn {}\n")
        self.assertIn("extra.lua: not UTF-8", self.policy("check", "mine", status=1))

    def test_help(self):
        self.assertIn("render --job FILE", self.policy("--help"))
        self.assertIn("render --job FILE", self.policy("check", "-h"))

    def test_wrong_usage(self):
        for args in ([], ["frob"], ["render"], ["diff", "a"], ["bench", "--calls", "no"],
                     ["network", "more"], ["--frob"]):
            self.policy(*args, status=2)


if __name__ == "__main__":
    main()
