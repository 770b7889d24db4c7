"""Policies of a running executor: changed, broken, watched by a shadow; between scripted peers."""

import json
import os
import pathlib
import re
import shutil
import sys
import tempfile
import threading
import time
import unittest
import urllib.request

ROOT = pathlib.Path(__file__).resolve().parents[2]
os.environ.setdefault("LUNEXEC", os.environ.get("LUNEXEC_BIN", str(ROOT / "build/asan/lunexec")))
sys.path[:0] = [str(ROOT / "tests/conformance")]

import shared  # noqa: E402
from frontend import Frontend, payload, step  # noqa: E402
from harness import PATIENCE_SECONDS, free_port, main, wait_for  # noqa: E402
from kube import Script  # noqa: E402
from suite import World  # noqa: E402

# Machines of many kinds run these, some with sanitizers; a person would call it slow at two seconds.
SWAP_SECONDS = 2.0 if os.environ.get("LUNEXEC_TIMED") else 8.0
QUIET_SECONDS = 0.25  # QUIET_MS of host/policy/bundle_watch.c

LABELLED = """
local policy = require "default"
local pod = require "lunexec.pod"
local job = policy.job
policy.job = function(task, settings)
  local made = job(task, settings)
  pod.set_label(made, "generation", "%s")
  %s
  return made
end
return policy
"""


class ConfigMap:
    """A mounted ConfigMap: files are links through ..data, which is swapped in one rename."""

    def __init__(self, folder):
        self.folder, self.version = pathlib.Path(folder), 0
        self.folder.mkdir()

    def write(self, policy, **others):
        self.version += 1
        data = self.folder / f"..version_{self.version}"
        data.mkdir()
        (data / "policy.lua").write_text(policy)
        for name, text in others.items():
            (data / f"{name}.lua").write_text(text)
        before = os.path.realpath(self.folder / "..data")
        (self.folder / "..data_tmp").symlink_to(data.name)
        os.rename(self.folder / "..data_tmp", self.folder / "..data")
        for file in data.iterdir():
            link = self.folder / file.name
            if not link.is_symlink():
                link.symlink_to(f"..data/{file.name}")
        if os.path.isdir(before) and before != str(self.folder / "..data"):
            shutil.rmtree(before)
        return self

    def generation(self, name, more=""):
        return self.write(LABELLED % (name, more))


def classes(text):
    """types.lua: class, then field, then whether it is optional."""
    found, fields = {}, {}
    for line in text.splitlines():
        if start := re.match(r"---@class lunexec\.(\w+)", line):
            fields = found[start[1]] = {}
        elif field := re.match(r"---@field (\w+)(\??) (\S+)", line):
            type_ = re.sub(r"\{.*?\}|\(.*?\)|<.*?>", "", line[len("---@field ") + len(field[1]):])
            fields[field[1]] = "?" in type_.split(" ")[0 if field[2] else 1]
    return found


def wait(condition, what, seconds=PATIENCE_SECONDS):
    return wait_for(what, condition, seconds)


class PolicyLive(unittest.TestCase):
    def setUp(self):
        self.folder = tempfile.TemporaryDirectory()
        self.addCleanup(self.folder.cleanup)
        self.map = ConfigMap(f"{self.folder.name}/policy")
        self.port = free_port()
        self.w = World()
        self.addCleanup(self.end)

    def end(self):
        try:
            self.w.finish()
        finally:
            for sign in ("Sanitizer", "runtime error: "):
                self.assertNotIn(sign, self.w.log)

    def start(self, *payloads, **settings):
        self.w.start(*payloads, **{
            "LUNEXEC_POLICY_DIR": str(self.map.folder), "SRC_LOG_FORMAT": "json",
            "LUNEXEC_LISTEN": f"127.0.0.1:{self.port}", **settings})
        try:
            wait(lambda: self.status_or_none(), "the status endpoint")
        except AssertionError as error:
            raise AssertionError(f"{error}\n{self.w.executor.log[-3000:]}") from None

    def get(self, path):
        with urllib.request.urlopen(f"http://127.0.0.1:{self.port}{path}", timeout=10) as answer:
            return answer.read().decode()

    def status_or_none(self):
        try:
            return json.loads(self.get("/policy"))
        except (OSError, ValueError):
            return None

    def status(self, use="active"):
        return json.loads(self.get("/policy"))[use]

    def metric(self, name, labels=""):
        found = re.search(rf"^{name}{re.escape(labels)} (\S+)$", self.get("/metrics"), re.M)
        return float(found[1]) if found else 0.0

    def lines(self, message):
        found = []
        *whole, _ = self.w.executor.log.split("\n")  # the last one may still be written
        for line in whole:
            if line.startswith("{") and f'"{message}"' in line:
                found.append(json.loads(line))
        return found

    def job(self, id, **changes):
        """Runs one job, gives the Job that was made for it."""
        changes.setdefault("dockerSteps", [step("step.0.run")])
        marks = len(self.w.frontend.marks()) + 1
        self.w.frontend.offer(payload(id, **changes))
        self.w.until(lambda: len(self.w.frontend.marks()) >= marks, f"mark of job {id}",
                     PATIENCE_SECONDS)
        return next(j for j in reversed(self.w.kube.created["jobs"])
                    if j["metadata"]["name"].endswith(f"-{id}"))

    def label(self, job):
        return job["metadata"]["labels"].get("generation")

    def swapped(self, before, seconds=PATIENCE_SECONDS):
        wait(lambda: self.status()["hash"] != before, "a new policy in use", seconds)
        return self.status()["hash"]

    # --- changes

    def test_a_changed_policy_is_used_without_a_restart(self):
        self.map.generation("one")
        self.start()
        first = self.job(1)
        before = self.status()
        self.map.generation("two")
        began = time.monotonic()
        after = self.swapped(before["hash"], SWAP_SECONDS)
        took = time.monotonic() - began
        second = self.job(2)
        self.assertEqual((self.label(first), self.label(second)), ("one", "two"))
        annotation = "lunexec.dev/policy"
        self.assertEqual(first["metadata"]["annotations"][annotation], before["hash"])
        self.assertEqual(second["metadata"]["annotations"][annotation], after)
        self.assertEqual(self.status()["generation"], before["generation"] + 1)
        self.assertEqual(self.metric("lunexec_policy_reloads_total",
                                     '{use="active",result="loaded"}'), 1)
        self.assertLess(took, SWAP_SECONDS)

    def test_a_job_keeps_the_policy_that_planned_it(self):
        self.map.generation("one")
        first = threading.Event()

        def act(container):
            if not first.is_set():
                first.set()
                before = self.status()["hash"]
                self.map.generation("two")
                self.swapped(before)
        with tempfile.TemporaryDirectory() as folder:
            self.w.frontend = Frontend()
            self.w.frontend.git_root = folder + "/git"
            os.mkdir(folder + "/data")
            commit = shared.repository(self.w.frontend.git_root)
            self.start(payload(1, commit=commit), script=Script(act=act),
                       EXECUTOR_KUBERNETES_PERSISTENCE_VOLUME_NAME="sg-pvc",
                       LUNEXEC_WORKSPACE_DIR=folder + "/data")
            self.w.marked()
            self.w.frontend.offer(payload(2, commit=commit))
            self.w.marked(2)
        labels = [self.label(job) for job in self.w.kube.created["jobs"]]
        self.assertEqual(labels, ["one"] * 3 + ["two"] * 3)

    def test_a_directory_that_is_written_file_by_file_is_not_taken_half(self):
        (self.map.folder / "policy.lua").write_text('return require "default"\n')
        self.start()
        before = self.status()["hash"]
        helper = self.map.folder / "shape.lua"
        whole = LABELLED % ("done", "")
        began, quiet = time.monotonic(), 0  # how often what was there stayed so for that long
        (self.map.folder / "policy.lua").write_text('return require "shape"\n')
        for text in [whole[:60 * size] for size in range(1, 6)] + [whole]:
            now = time.monotonic()
            helper.write_text(text)
            quiet += (time.monotonic() - began) // QUIET_SECONDS
            began = now
            time.sleep(0.1)  # less than the quiet time, unless this machine is slow
        self.swapped(before)
        self.assertEqual(self.label(self.job(1)), "done")
        self.assertLessEqual(len(self.lines("policy refused, the one before stays")), quiet)

    def test_many_swaps_end_with_the_last(self):
        self.map.generation("start")
        self.start()
        for number in range(30):
            self.map.generation(f"n{number}", "" if number % 3 else 'error "bad"')
            time.sleep(0.03 * (number % 4))
        self.map.generation("last")
        wait(lambda: not self.status()["trying"] and self.status()["refused"] is None and
             self.label(self.job(int(time.monotonic() * 1000))) == "last", "the last one in use")
        children = pathlib.Path(f"/proc/{self.w.executor.process.pid}/task")

        def pids():
            return " ".join(file.read_text() for file in children.glob("*/children")).split()
        wait(lambda: len(pids()) <= 2, "an active and a default policy, and no other")

    # --- what is refused

    def refused(self, *words):
        found = wait(lambda: self.status()["refused"], "a refusal")
        for word in words:
            self.assertRegex(found["reason"], word)
        self.assertEqual(self.metric("lunexec_policy_refused", '{use="active"}'), 1)
        self.assertIn(found["reason"], [
            line["error"] for line in self.lines("policy refused, the one before stays")])

    def test_a_bad_policy_is_refused_and_the_one_before_stays(self):
        self.map.generation("good")
        self.start()
        good = self.status()["hash"]
        host_path = ('made.spec.template.spec.volumes[1] = {name = "job-data", '
                     'hostPath = {path = "/etc"}}')
        bad = [
            (lambda: self.map.write("return {"), ["policy.lua:1", "expected"]),
            (lambda: self.map.generation("bad", "error 'no team'"),
             ["policy.lua:8: no team", "github.com/acme/widgets"]),
            (lambda: self.map.generation("bad", host_path), ["host-path: ", r"volumes\[0\].hostPath"]),
            (lambda: self.map.write("return {api = 2}"), ["api = 1"]),
            (lambda: self.map.write("while true do end"), ["time limit|took longer"]),
            (lambda: self.map.generation("bad", "while true do end"), ["time limit|took longer"]),
            (lambda: self.map.write('return require "nothing"'), ["nothing"]),
        ]
        for number, (write, words) in enumerate(bad):
            write()
            self.refused(*words)
            self.assertEqual(self.status()["hash"], good)
            self.assertEqual(self.label(self.job(100 + number)), "good")
            self.map.generation("good")  # the same as before
            wait(lambda: self.status()["refused"] is None, "the refusal to be over")
        self.assertEqual(self.metric("lunexec_policy_reloads_total",
                                     '{use="active",result="refused"}'), len(bad))

    def test_a_directory_that_goes_comes_back(self):
        self.map.generation("one")
        self.start()
        before = self.status()["hash"]
        shutil.rmtree(self.map.folder)  # file by file: what is half there is refused as well
        wait(lambda: "No such file" in (self.status()["refused"] or {}).get("reason", ""),
             "a missing directory to be refused")
        self.assertEqual(self.label(self.job(1)), "one")
        os.mkfifo(self.folder.name + "/pipe")
        self.map = ConfigMap(self.map.folder)
        os.rename(self.folder.name + "/pipe", self.map.folder / "policy.lua")
        wait(lambda: "regular file" in (self.status()["refused"] or {}).get("reason", ""),
             "a pipe to be refused")
        os.unlink(self.map.folder / "policy.lua")
        self.map.generation("two")
        self.swapped(before)
        self.assertEqual(self.label(self.job(2)), "two")

    def test_what_jobs_came_last_is_part_of_the_trial(self):
        self.map.generation("one")
        self.start()
        self.job(1, repositoryName="github.com/acme/special")
        self.map.generation("two", 'if task.repository:find "special" then error "oops" end')
        self.refused("oops", r"github.com/acme/special \(batches\)")

    def test_a_policy_without_job_is_refused(self):
        self.map.generation("good")
        self.start()
        self.map.write("return { api = 1, admit = function() end }")
        self.refused("no function job")

    def test_the_api_server_is_asked_about_a_new_policy(self):
        """What it refuses is refused; that it cannot be asked now is no reason."""
        self.map.generation("one")
        self.start(LUNEXEC_POLICY_DRY_RUN="true")
        one = self.status()["hash"]
        self.w.kube.refusals[("create", "jobs")] = [
            (422, {"kind": "Status", "code": 422, "reason": "Invalid", "message": "no such class"})]
        self.map.generation("two")
        self.refused("the API server refuses the Job in a dry run", "no such class")
        self.assertEqual(self.status()["hash"], one)
        self.w.kube.refusals[("create", "jobs")] = [
            (501, {"kind": "Status", "code": 501, "reason": "", "message": "half done"})]
        self.map.generation("three")
        three = self.swapped(one)
        self.assertTrue(self.lines("dry run of a new policy left out"))
        self.map.generation("four")
        self.swapped(three)
        self.assertEqual(self.w.kube.names, [])  # nothing was made
        self.assertEqual({call.json["metadata"]["name"] for call in self.w.kube.of("jobs")
                          if "dryRun=All" in call.query}, {"lunexec-policy-trial"})

    # --- the shadow, and the decision line

    def test_the_log_says_what_was_decided(self):
        self.map.generation("one")
        self.start()
        self.job(1)
        line = wait(lambda: self.lines("policy decided"), "the decision")[0]
        self.assertRegex(line["functions"], r"^job \d+ us, admit \d+ us$")
        self.assertEqual((line["job"], line["policy"]), ("1", self.status()["hash"]))
        self.assertEqual(line["changes"], 2)
        self.assertEqual(line["changed"],
                         'job: metadata.labels: added {"generation":"one"}; '
                         'spec.template.metadata.labels.generation: added "one"')
        self.assertGreaterEqual(self.metric("lunexec_policy_calls_total",
                                            '{function="job",result="ok"}'), 1)

    def test_a_shadow_is_compared_and_never_applied(self):
        self.map.generation("real")
        shadow = ConfigMap(f"{self.folder.name}/shadow").generation("shade")
        self.start(LUNEXEC_POLICY_SHADOW_DIR=str(shadow.folder))
        wait(lambda: self.status("shadow")["hash"], "the shadow")
        self.assertEqual(self.label(self.job(1)), "real")
        line = wait(lambda: self.lines("shadow policy"), "the comparison")[0]
        self.assertIn('metadata.labels.generation: "real" -> "shade"', line["changed"])
        self.assertEqual(line["shadow"], self.status("shadow")["hash"])
        before = line["shadow"]
        shadow.generation("loop", "while true do end")
        wait(lambda: self.status("shadow")["hash"] != before, "the other shadow")
        self.assertEqual(self.label(self.job(2)), "real")
        wait(lambda: any(re.search("time limit|took longer", found.get("changed", ""))
                         for found in self.lines("shadow policy")), "the loop in the log")
        shadow.write("return {")
        wait(lambda: self.status("shadow")["refused"], "a shadow that cannot be loaded")
        self.assertEqual(self.label(self.job(3)), "real")

    def test_a_job_waits_for_room(self):
        """And says so; the queue is not asked for more meanwhile."""
        self.map.write("return { api = 1, job = require('default').job, admit = function(job) "
                       "return { cost = { memory = '6Gi' } } end }")
        self.start(payload(1), script=Script(hold=True), EXECUTOR_MAXIMUM_NUM_JOBS="4",
                   LUNEXEC_MAXIMUM_MEMORY="10Gi")
        wait(lambda: self.w.kube.created["jobs"], "the first Job")
        self.w.frontend.offer(payload(2), payload(3))
        waiting = '{queue="batches"}'
        wait(lambda: self.metric("lunexec_jobs_waiting", waiting) == 1, "a job that waits")
        told = "[lunexec] waiting for its turn: 1 jobs run, which together may count for 10Gi of memory"
        self.w.until(lambda: any(told in call.json.get("out", "") for call in
                                 self.w.frontend.of("addExecutionLogEntry") +
                                 self.w.frontend.of("updateExecutionLogEntry")
                                 if call.json["jobId"] == 2), "a line that says so")
        self.assertEqual(len(self.w.kube.created["jobs"]), 1)
        self.assertEqual([line["job"] for line in self.lines("job waits")], ["2"])
        self.w.kube.release()
        self.w.marked(3)
        self.assertEqual(len(self.w.kube.created["jobs"]), 3)
        self.assertEqual(self.metric("lunexec_jobs_waiting", waiting), 0)

    def test_a_job_waits_for_its_key_alone(self):
        """Not those of other keys, which the queue has after it."""
        self.map.write("return { api = 1, job = require('default').job, admit = function(job) "
                       "return { cost = { memory = '1Gi' }, key = job.id % 2 == 1 and 'odd' or "
                       "'even', limit = 1 } end }")
        self.start(payload(1), script=Script(hold=True), EXECUTOR_MAXIMUM_NUM_JOBS="4",
                   LUNEXEC_MAXIMUM_MEMORY="10Gi")
        wait(lambda: self.w.kube.created["jobs"], "the first Job")
        self.w.frontend.offer(payload(3), payload(2))
        wait(lambda: len(self.w.kube.created["jobs"]) == 2, "the second Job")
        wait(lambda: self.lines("job waits"), "the third to wait")
        self.assertEqual([line["job"] for line in self.lines("job waits")], ["3"])
        self.w.kube.release()
        self.w.marked(3)

    def test_a_job_that_waited_too_long_says_so(self):
        self.map.write("return { api = 1, job = require('default').job, admit = function(job) "
                       "return { key = 'team-a', limit = 1 } end }")
        self.start(payload(1), script=Script(hold=True), EXECUTOR_MAXIMUM_NUM_JOBS="4",
                   EXECUTOR_MAXIMUM_RUNTIME_PER_JOB="3s")
        self.w.kube.refusals[("delete", "jobs")] = [(503, "sick")] * 100000
        wait(lambda: self.w.kube.created["jobs"], "the first Job")
        self.w.frontend.offer(payload(2))
        self.w.marked()
        self.w.kube.refusals.clear()
        mark = self.w.frontend.marks()[0]
        self.assertEqual((mark.name, mark.json["jobId"]), ("markErrored", 2))
        self.assertIn("exceeded maximum execution time of 3s: waiting: 1 of 1 jobs of team-a run",
                      mark.json["errorMessage"])

    def test_a_refused_job_keeps_nobody_from_beginning(self):
        """However long its log takes to be delivered."""
        self.map.write("return { api = 1, job = require('default').job, admit = function(job) "
                       "return job.id ~= 1, 'not this one' end }")
        self.start(rules=[("addExecutionLogEntry", *[(500, "sick")] * 100000)],
                   EXECUTOR_MAXIMUM_NUM_JOBS="4", LUNEXEC_MAXIMUM_MEMORY="10Gi")
        self.w.frontend.offer(payload(1), payload(2))
        wait(lambda: self.w.kube.created["jobs"], "the Job of the other")
        self.w.frontend.rules.clear()
        self.w.marked(2)

    def test_facts_tell_of_earlier_jobs(self):
        self.map.generation("one", """
          local past = task.facts.history[1]
          pod.set_label(made, "past", past and past.outcome or "none")
          pod.set_label(made, "memory", past and past.cost.memory or "none")
          pod.set_label(made, "running", tostring(task.facts.running.total))
          assert(math.type(task.facts.time) == "integer" and task.facts.time > 1700000000)
          assert(task.facts.max_jobs == 1)""")
        self.start(EXECUTOR_MAXIMUM_NUM_JOBS="1")
        names = ("past", "memory", "running")
        made = [self.job(i)["metadata"]["labels"] for i in (1, 2)]
        labels = [[job[name] for name in names] for job in made]
        self.assertEqual(labels, [["none", "none", "0"], ["succeeded", "12Gi", "0"]])

    def test_inputs_are_what_the_types_say(self):
        """Every field that is sent is in types.lua, and every one that is not optional is sent."""
        self.map.generation("one", """
          local cjson = require "cjson"
          pod.set_annotation(made, "task", cjson.encode(task))
          pod.set_annotation(made, "settings", cjson.encode(settings))""")
        self.start()
        self.job(1)
        sent = self.job(2)["spec"]["template"]["metadata"]["annotations"]
        task = json.loads(sent["task"])
        self.map.write('local policy = require "default" policy.admit = function(job) '
                       'if job.id == 3 then error(require "cjson".encode(job), 0) end end '
                       'return policy')
        self.swapped(self.status()["hash"])
        self.w.frontend.offer(payload(3, dockerSteps=[step("step.0.run")]))
        refused = wait(lambda: self.lines("policy refused"), "the refusal")[0]["reason"]
        job = json.loads(refused.removeprefix("policy admit(): "))
        values = {
            "Task": task, "Names": task["names"], "TaskContainer": task["containers"][1],
            "Workspace": task["workspace"], "Facts": task["facts"],
            "PastJob": task["facts"]["history"][0], "Job": job,
            "Settings": json.loads(sent["settings"])}
        types = classes((ROOT / "lua/lunexec/types.lua").read_text())
        for name, value in values.items():
            self.assertEqual(set(value) - set(types[name]), set(), name)
            needed = {field for field, optional in types[name].items() if not optional}
            self.assertEqual(needed - set(value), set(), name)
        self.assertEqual([k for k in types if k.startswith("Job")], ["Job", "JobOptions"])
        self.assertNotIn("s3cr3tvalue", json.dumps(values))


if __name__ == "__main__":
    main()
