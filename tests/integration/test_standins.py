"""The stand-ins by themselves: what they answer to a caller that does the right and the wrong thing."""

import base64
import http.client
import itertools
import json
import random
import subprocess
import unittest
import urllib.parse

from harness import (LUNEXEC, PASSWORD, REPO, TOKEN, UNTIL_GO, Bench, batch_job, main,
                     wait_for)

NS = "/api/v1/namespaces/default"
JOBS = "/apis/batch/v1/namespaces/default/jobs"


def call(port, method, path, body=None, headers=None):
    """(status, JSON or text)"""
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=20)
    text = None if body is None else json.dumps(body)
    connection.request(method, path, text, headers or {})
    answer = connection.getresponse()
    data = answer.read().decode()
    connection.close()
    try:
        return answer.status, json.loads(data)
    except ValueError:
        return answer.status, data


def kube(bench, method, path, body=None):
    headers = {"Authorization": f"Bearer {TOKEN}", "Content-Type": "application/json"}
    return call(bench.cluster.port, method, path, body, headers)


def is_there(command):
    return subprocess.run(["pgrep", "-f", f"^{command}$"], stdout=subprocess.DEVNULL,
                          check=False).returncode == 0


def job(name, *scripts, **spec):
    containers = [{"name": f"c{i}", "image": "any", "command": ["sh", "-c", text],
                   "workingDir": "/job", "volumeMounts": [{"name": "data", "mountPath": "/job"}]}
                  for i, text in enumerate(scripts)]
    return {"kind": "Job", "apiVersion": "batch/v1", "metadata": {"name": name},
            "spec": {"backoffLimit": 0, "template": {"spec": {
                "restartPolicy": "Never", "volumes": [{"name": "data", "emptyDir": {}}],
                "initContainers": containers[:-1], "containers": containers[-1:], **spec}}}}


def pods(bench, name):
    selector = urllib.parse.quote(f"job-name={name}")
    return kube(bench, "GET", f"{NS}/pods?labelSelector={selector}")[1]["items"]


def pod_when(bench, name, condition, what="the pod"):
    return wait_for(what, lambda: next((p for p in pods(bench, name) if condition(p)), None))


def ended(pod):
    return pod["status"]["phase"] in ("Succeeded", "Failed")


def watch(bench, query, seconds=1, enough=None):
    """Events of a watch that the server ends after `seconds`, or the first so many."""
    path = f"{NS}/pods?watch=true&timeoutSeconds={seconds}&{query}"
    connection = http.client.HTTPConnection("127.0.0.1", bench.cluster.port, timeout=20)
    connection.request("GET", path, headers={"Authorization": f"Bearer {TOKEN}"})
    answer = connection.getresponse()
    events = [json.loads(line) for line in itertools.islice(answer, enough)]
    connection.close()
    return events


class Cluster(unittest.TestCase):
    def setUp(self):
        self.bench = Bench("cluster")
        self.addCleanup(self.bench.__exit__, None, None, None)

    def start(self, rbac=False):
        self.bench.start_cluster(rbac=rbac)

    def test_token_is_asked_for(self):
        self.start()
        status, body = call(self.bench.cluster.port, "GET", f"{NS}/pods")
        self.assertEqual((status, body["reason"]), (401, "Unauthorized"))

    def test_existing_role_is_enough_and_all(self):
        self.start(rbac=True)
        for method, path in (("GET", JOBS), ("GET", f"{NS}/secrets/x"), ("GET", f"{NS}/events"),
                             ("DELETE", f"{NS}/pods/x")):
            status, body = kube(self.bench, method, path)
            self.assertEqual((status, body["reason"]), (403, "Forbidden"), path)
        self.assertEqual(kube(self.bench, "GET", f"{NS}/pods")[0], 200)

    def test_create_twice(self):
        self.start()
        secret = {"kind": "Secret", "apiVersion": "v1", "metadata": {"name": "s"},
                  "stringData": {"TOKEN": "t"}}
        status, body = kube(self.bench, "POST", f"{NS}/secrets", secret)
        self.assertEqual(status, 201)
        self.assertEqual(body["data"], {"TOKEN": base64.b64encode(b"t").decode()})
        self.assertNotIn("stringData", body)
        status, body = kube(self.bench, "POST", f"{NS}/secrets", secret)
        self.assertEqual((status, body["reason"]), (409, "AlreadyExists"))
        self.assertEqual(body["message"], 'secrets "s" already exists')

    def test_invalid_and_dry_run(self):
        self.start()
        bad = job("Bad", "true")
        status, body = kube(self.bench, "POST", JOBS, bad)
        self.assertEqual((status, body["reason"]), (422, "Invalid"))
        status, body = kube(self.bench, "POST", f"{JOBS}?dryRun=All", job("good", "true"))
        self.assertEqual(status, 201)
        self.assertEqual(kube(self.bench, "GET", f"{JOBS}/good")[0], 404)

    def test_containers_run_in_order_with_one_workspace(self):
        self.start()
        kube(self.bench, "POST", JOBS, job("order", "echo a > f", "cat f; echo b >> f", "cat f"))
        pod = pod_when(self.bench, "order", ended)
        self.assertEqual(pod["status"]["phase"], "Succeeded")
        self.assertEqual(pod["metadata"]["ownerReferences"][0]["name"], "order")
        name = pod["metadata"]["name"]
        logs = [kube(self.bench, "GET", f"{NS}/pods/{name}/log?container=c{i}")[1]
                for i in range(3)]
        self.assertEqual(logs, ["", "a\n", "a\nb\n"])
        done = wait_for("the job", lambda: kube(self.bench, "GET", f"{JOBS}/order")[1]["status"]
                        .get("conditions"))
        self.assertEqual(done[0]["type"], "Complete")

    def test_failing_init_container_ends_the_pod(self):
        self.start()
        kube(self.bench, "POST", JOBS, job("fails", "exit 7", "echo never"))
        pod = pod_when(self.bench, "fails", ended)
        self.assertEqual(pod["status"]["phase"], "Failed")
        state = pod["status"]["initContainerStatuses"][0]["state"]["terminated"]
        self.assertEqual((state["exitCode"], state["reason"]), (7, "Error"))
        self.assertIn("waiting", pod["status"]["containerStatuses"][0]["state"])
        status, body = kube(self.bench, "GET",
                            f"{NS}/pods/{pod['metadata']['name']}/log?container=c1")
        self.assertEqual((status, body["reason"]), (400, "BadRequest"))

    def test_secret_in_the_environment_and_missing(self):
        self.start()
        manifest = job("secret", "echo \"$TOKEN $EXPANDED\"")
        container = manifest["spec"]["template"]["spec"]["containers"][0]
        container["env"] = [
            {"name": "TOKEN", "valueFrom": {"secretKeyRef": {"name": "s", "key": "TOKEN"}}},
            {"name": "EXPANDED", "value": "<$(TOKEN)> $$(TOKEN)"}]
        kube(self.bench, "POST", JOBS, manifest)

        def waiting(pod):
            state = pod["status"].get("containerStatuses", [{"state": {}}])[0]["state"]
            return state.get("waiting", {}).get("reason") == "CreateContainerConfigError"
        pod_when(self.bench, "secret", waiting, "the missing Secret to show")
        kube(self.bench, "POST", f"{NS}/secrets", {"metadata": {"name": "s"},
                                                   "stringData": {"TOKEN": "s3cret"}})
        pod = pod_when(self.bench, "secret", ended)
        log = kube(self.bench, "GET", f"{NS}/pods/{pod['metadata']['name']}/log")[1]
        self.assertEqual(log, "s3cret <s3cret> $(TOKEN)\n")

    def test_environment_from_whole_secrets_and_the_pod(self):
        self.start()
        kube(self.bench, "POST", f"{NS}/secrets", {"metadata": {"name": "s"}, "stringData": {
            "ONE": "1", "TWO": "2"}})
        manifest = job("whole", "echo $ONE $TWO ${NONE-none} $WHERE")
        container = manifest["spec"]["template"]["spec"]["containers"][0]
        container["envFrom"] = [{"secretRef": {"name": "s"}},
                                {"secretRef": {"name": "absent", "optional": True}}]
        container["env"] = [
            {"name": "TWO", "value": "two"},
            {"name": "NONE", "valueFrom": {"secretKeyRef": {"name": "s", "key": "N",
                                                            "optional": True}}},
            {"name": "WHERE", "valueFrom": {"fieldRef": {"fieldPath": "metadata.namespace"}}}]
        kube(self.bench, "POST", JOBS, manifest)
        pod = pod_when(self.bench, "whole", ended)
        self.assertEqual(kube(self.bench, "GET", f"{NS}/pods/{pod['metadata']['name']}/log")[1],
                         "1 two none default\n")

    def test_environment_that_is_not_there(self):
        """The container waits, and says for what."""
        self.start()
        kube(self.bench, "POST", f"{NS}/secrets", {"metadata": {"name": "s"}})
        wrong = [
            ("key", {"env": [{"name": "A", "valueFrom": {"secretKeyRef": {"name": "s", "key": "K"}}}]},
             "couldn't find key K in Secret default/s"),
            ("whole", {"envFrom": [{"secretRef": {"name": "absent"}}]}, 'secret "absent" not found'),
            ("source", {"env": [{"name": "A", "valueFrom": {"configMapKeyRef": {}}}]},
             "environment variable A: this source is not served"),
        ]
        for name, more, says in wrong:
            manifest = job(name, "true")
            manifest["spec"]["template"]["spec"]["containers"][0].update(more)
            kube(self.bench, "POST", JOBS, manifest)
            pod = pod_when(self.bench, name, lambda pod: "message" in pod["status"].get(
                "containerStatuses", [{"state": {}}])[0]["state"].get("waiting", {}))
            self.assertIn(says, pod["status"]["containerStatuses"][0]["state"]["waiting"]["message"])

    def test_requests_that_are_none(self):
        self.start()
        good = job("good", "true")
        secret = {"metadata": {"name": "s"}}
        for method, path, body, status in (
                ("POST", JOBS, {**good, "kind": "Pod"}, 400),
                ("POST", JOBS, {**good, "apiVersion": "batch/v2"}, 400),
                ("POST", JOBS, {**good, "metadata": None}, 400),
                ("POST", JOBS, {**good, "metadata": {"name": "x", "namespace": "other"}}, 400),
                ("POST", f"{NS}/secrets", [], 400),
                ("DELETE", f"{JOBS}/none", None, 404),
                ("PATCH", JOBS, good, 405), ("DELETE", JOBS, None, 405),
                ("GET", f"{NS}/pods/none/log", None, 404), ("GET", f"{NS}/pods/none/exec", None, 404),
                ("GET", f"{NS}/gadgets", None, 404), ("GET", "/apis/apps/v1", None, 404),
                ("GET", f"{NS}/pods?labelSelector=%3D%3D", None, 400),
                ("GET", f"{NS}/pods?limit=many", None, 400),
                ("POST", f"{NS}/secrets", secret, 201),
                ("GET", "/version", None, 200), ("GET", "/healthz", None, 200)):
            got = kube(self.bench, method, path, body)
            self.assertEqual(got[0], status, f"{method} {path} {body}: {got[1]}")
            if status >= 400:
                self.assertEqual((got[1]["kind"], got[1]["code"]), ("Status", status))

    def test_lists_come_in_pages(self):
        self.start()
        for i in range(5):
            kube(self.bench, "POST", f"{NS}/secrets", {"metadata": {"name": f"s{i}"}})
        names, more = [], ""
        while more is not None:
            page = kube(self.bench, "GET", f"{NS}/secrets?limit=2&continue={more}")[1]
            self.assertLessEqual(len(page["items"]), 2)
            names += [item["metadata"]["name"] for item in page["items"]]
            more = page["metadata"].get("continue")
        self.assertEqual(names, [f"s{i}" for i in range(5)])

    def test_job_deadline_and_orphans(self):
        self.start()
        late = job("late", "sleep 60")
        late["spec"]["activeDeadlineSeconds"] = 1
        kube(self.bench, "POST", JOBS, late)
        kube(self.bench, "POST", JOBS, job("left", "sleep 60"))
        pod_when(self.bench, "left", lambda p: p["status"]["phase"] == "Running")
        found = wait_for("the deadline", lambda: kube(self.bench, "GET", f"{JOBS}/late")[1]
                         .get("status", {}).get("conditions"))
        self.assertEqual((found[0]["type"], found[0]["reason"]), ("Failed", "DeadlineExceeded"))
        wait_for("its pod to go", lambda: not pods(self.bench, "late"))
        kube(self.bench, "DELETE", f"{JOBS}/left", {"propagationPolicy": "Orphan"})
        self.assertEqual(kube(self.bench, "GET", f"{JOBS}/left")[0], 404)
        pod = pods(self.bench, "left")[0]
        self.assertEqual((pod["status"]["phase"], "ownerReferences" in pod["metadata"]),
                         ("Running", False))

    def test_claim_that_is_not_there(self):
        self.start()
        volumes = [{"name": "data", "persistentVolumeClaim": {"claimName": "c"}}]
        kube(self.bench, "POST", JOBS, job("claim", "true", volumes=volumes))

        def unscheduled(pod):
            return [c for c in pod["status"].get("conditions", []) if c["type"] == "PodScheduled"
                    and 'persistentvolumeclaim "c" not found' in c.get("message", "")]
        pod_when(self.bench, "claim", unscheduled, "a word about the claim")
        self.assertEqual(kube(self.bench, "POST", f"{NS}/persistentvolumeclaims", {
            "metadata": {"name": "c"}, "spec": {"accessModes": ["ReadWriteOnce"]}})[0], 201)
        pod_when(self.bench, "claim", lambda p: p["status"]["phase"] == "Succeeded")

    def test_image_that_cannot_be_pulled(self):
        self.start()
        self.bench.cluster.control("set", {"pull_fail": "any"})
        kube(self.bench, "POST", JOBS, job("pull", "true"))

        def backing_off(pod):
            state = pod["status"].get("containerStatuses", [{"state": {}}])[0]["state"]
            return state.get("waiting", {}).get("reason") == "ImagePullBackOff"
        pod_when(self.bench, "pull", backing_off, "ImagePullBackOff")

    def test_pod_deadline(self):
        self.start()
        kube(self.bench, "POST", JOBS, job("late", "sleep 60", activeDeadlineSeconds=1))
        pod = pod_when(self.bench, "late", ended)
        self.assertEqual(pod["status"]["reason"], "DeadlineExceeded")

    def test_delete_takes_the_pod_and_what_the_job_owns(self):
        self.start()
        created = kube(self.bench, "POST", JOBS, job("gone", "sleep 60"))[1]
        owner = {"apiVersion": "batch/v1", "kind": "Job", "name": "gone",
                 "uid": created["metadata"]["uid"]}
        kube(self.bench, "POST", f"{NS}/secrets",
             {"metadata": {"name": "owned", "ownerReferences": [owner]}})
        pod_when(self.bench, "gone", lambda p: p["status"]["phase"] == "Running")
        status, body = kube(self.bench, "DELETE", f"{JOBS}/gone",
                            {"preconditions": {"uid": "another"}})
        self.assertEqual((status, body["reason"]), (409, "Conflict"))
        status, body = kube(self.bench, "DELETE", f"{JOBS}/gone",
                            {"propagationPolicy": "Background"})
        self.assertEqual((status, body["status"]), (200, "Success"))
        self.assertEqual(kube(self.bench, "GET", f"{JOBS}/gone")[0], 404)
        wait_for("the pod to go", lambda: not pods(self.bench, "gone"))
        wait_for("the Secret to go", lambda: kube(self.bench, "GET", f"{NS}/secrets/owned")[0] == 404)

    def test_foreground_delete_waits_for_the_pod(self):
        self.start()
        kube(self.bench, "POST", JOBS, job("front", "sleep 60"))
        pod_when(self.bench, "front", lambda p: p["status"]["phase"] == "Running")
        status, body = kube(self.bench, "DELETE", f"{JOBS}/front",
                            {"propagationPolicy": "Foreground"})
        self.assertEqual(status, 200)
        self.assertIn("deletionTimestamp", body["metadata"])
        wait_for("the job to go", lambda: kube(self.bench, "GET", f"{JOBS}/front")[0] == 404)
        self.assertEqual(pods(self.bench, "front"), [])

    def test_watch_resumes_and_tells_what_is_too_old(self):
        self.start()
        kube(self.bench, "POST", JOBS, job("seen", "true"))
        pod = pod_when(self.bench, "seen", ended)
        version = kube(self.bench, "GET", f"{NS}/pods")[1]["metadata"]["resourceVersion"]
        first = watch(self.bench, "")
        self.assertEqual([e["type"] for e in first], ["ADDED"])
        self.assertEqual(watch(self.bench, f"resourceVersion={version}"), [])
        replay = watch(self.bench, "resourceVersion=1001")
        self.assertEqual([e["type"] for e in replay][:2], ["ADDED", "MODIFIED"])
        self.assertEqual(replay[-1]["object"], {"kind": "Pod", "apiVersion": "v1", **pod})
        old = watch(self.bench, "resourceVersion=5")
        self.assertEqual((old[0]["type"], old[0]["object"]["code"]), ("ERROR", 410))
        self.assertEqual(watch(self.bench, "labelSelector=job-name%3Dother"), [])

    def test_bookmarks(self):
        self.start()
        self.bench.cluster.control("set", {"bookmark_ms": 100})
        events = watch(self.bench, "allowWatchBookmarks=true", 60, enough=4)
        self.assertEqual(len(events), 4)
        self.assertEqual({e["type"] for e in events}, {"BOOKMARK"})
        self.assertTrue(events[0]["object"]["metadata"]["resourceVersion"])

    def test_log_with_timestamps_and_since(self):
        self.start()
        kube(self.bench, "POST", JOBS, job("logs", "echo one; sleep 2.1; printf 'two\\nrest'"))
        pod = pod_when(self.bench, "logs", ended)
        path = f"{NS}/pods/{pod['metadata']['name']}/log?timestamps=true"
        lines = kube(self.bench, "GET", path)[1].splitlines()
        self.assertEqual([l.split(" ", 1)[1] for l in lines], ["one", "two", "rest"])
        since = urllib.parse.quote(lines[1].split(" ")[0])
        later = kube(self.bench, "GET", f"{path}&sinceTime={since}")[1].splitlines()
        self.assertEqual(later, lines[1:])

    def test_log_follow_grows_and_ends(self):
        self.start()
        kube(self.bench, "POST", JOBS, job("follow", "mkdir repository; echo one; cd repository; "
                                           f"{UNTIL_GO}; echo two"))
        pod = pod_when(self.bench, "follow", lambda p: p["status"]["phase"] == "Running")
        connection = http.client.HTTPConnection("127.0.0.1", self.bench.cluster.port, timeout=60)
        self.addCleanup(connection.close)
        connection.request("GET", f"{NS}/pods/{pod['metadata']['name']}/log?follow=true",
                           headers={"Authorization": f"Bearer {TOKEN}"})
        answer = connection.getresponse()
        self.assertEqual((answer.status, answer.readline()), (200, b"one\n"))
        self.bench.go()
        self.assertEqual(answer.read(), b"two\n")

    def test_steps_cannot_write_outside_their_workspace(self):
        self.start()
        marker = self.bench.dir / "outside"
        text = f"touch {marker} /usr/x /etc/x 2>/dev/null; ls {self.bench.dir}; true"
        kube(self.bench, "POST", JOBS, job("jail", text))
        pod = pod_when(self.bench, "jail", ended)
        self.assertFalse(marker.exists())
        log = kube(self.bench, "GET", f"{NS}/pods/{pod['metadata']['name']}/log")[1]
        self.assertIn("No such file", log)

    def ends_with_standard_input(self, name):
        seconds = random.randrange(10**6, 10**9)  # by it its process is known on the machine
        kube(self.bench, "POST", JOBS, job(name, f"sleep {seconds}"))
        pod_when(self.bench, name, lambda p: p["status"]["phase"] == "Running")
        wait_for("the process to be there", lambda: is_there(f"sleep {seconds}"))
        self.bench.cluster.popen.stdin.close()
        self.assertEqual(self.bench.cluster.wait(), 0)
        wait_for("the container to die", lambda: not is_there(f"sleep {seconds}"))

    def test_ends_with_standard_input(self):
        self.start()
        self.ends_with_standard_input("ends")

    def test_nothing_outlives_it(self):
        sandbox = self.bench.dir / "sandbox"
        sandbox.write_text("#!/bin/sh\nfor last; do :; done\nsetsid sh -c \"$last\" &\nwait\n")
        sandbox.chmod(0o755)
        self.bench.start_cluster("--bwrap", str(sandbox))
        self.ends_with_standard_input("outlives")


class Frontend(unittest.TestCase):
    def setUp(self):
        self.bench = Bench("frontend")
        self.addCleanup(self.bench.__exit__, None, None, None)
        self.frontend = self.bench.start_frontend(batch_job(["true"]))

    def headers(self, authorization, **more):
        return {"Authorization": authorization, "Content-Type": "application/json",
                "X-Sourcegraph-Actor-UID": "none", **more}

    def queue(self, verb, body, headers=None):
        return call(self.frontend.port, "POST", f"/.executors/queue/batches/{verb}", body,
                    headers or self.headers(f"token-executor {PASSWORD}"))

    def beat(self, **more):
        texts = ("version", "os", "architecture", "dockerVersion", "executorVersion", "gitVersion",
                 "igniteVersion", "srcCliVersion", "prometheusMetrics")
        return self.queue("heartbeat", {"executorName": "ex", **{t: "" for t in texts}, **more})

    def take(self):
        status, taken = self.queue("dequeue", {"executorName": "ex", "version": "dev"})
        self.assertEqual(status, 200)
        return taken, self.headers(f"Bearer {taken['token']}",
                                   **{"X-Sourcegraph-Job-ID": "1",
                                      "X-Sourcegraph-Executor-Name": "ex"})

    def entry(self, **more):
        return {"executorName": "ex", "jobId": 1, "key": "k", "command": None,
                "startTime": "2020-04-20T15:29:17Z", **more}

    def test_password(self):
        for value, expected in ((f"token-executor {PASSWORD}", 204), ("token-executor no", 401),
                                (PASSWORD, 401), ("token-executor  x", 401)):
            status, _ = self.queue("dequeue", {"executorName": "ex", "version": "1.2.3"},
                                   self.headers(value))
            if expected == 204 and status == 200:
                continue  # the one job there is
            self.assertEqual(status, expected, value)
        self.assertEqual(len(self.frontend.violations()), 3)

    def test_no_heartbeat_no_job_calls(self):
        _, headers = self.take()
        self.assertEqual(self.queue("addExecutionLogEntry", self.entry(), headers)[0], 401)
        self.assertEqual(self.beat()[0], 200)
        self.assertEqual(self.queue("addExecutionLogEntry", self.entry(), headers), (200, 1))
        self.assertEqual(len(self.frontend.violations()), 1)

    def test_heartbeat_knows_its_jobs_and_cancels(self):
        self.take()
        beat = {"version": "V2", "jobIds": [1, 2]}
        self.assertEqual(self.beat(**beat)[1], {"knownIds": ["1"], "cancelIds": None})
        self.frontend.control("cancel", {"id": 1})
        self.assertEqual(self.beat(**beat)[1], {"knownIds": ["1"], "cancelIds": ["1"]})
        self.assertEqual(self.frontend.violations(), [])

    def test_nothing_after_the_mark(self):
        self.beat()
        _, headers = self.take()
        body = {"executorName": "ex", "jobId": 1}
        self.assertEqual(self.queue("markComplete", body, headers)[0], 204)
        self.assertEqual(self.frontend.marked()["state"], "failed")  # no step results
        self.assertEqual(self.queue("addExecutionLogEntry", self.entry(), headers)[0], 401)
        self.assertEqual(len(self.frontend.violations()), 1)

    def test_updates_must_grow(self):
        self.beat()
        _, headers = self.take()
        self.queue("addExecutionLogEntry", self.entry(), headers)
        for out, wrong in (("stdout: a\n", 0), ("stdout: a\nstdout: b\n", 0), ("stdout: b\n", 1)):
            status, _ = self.queue("updateExecutionLogEntry", self.entry(entryId=1, out=out), headers)
            self.assertEqual(status, 204)
            self.assertEqual(len(self.frontend.violations()), wrong)
        status, body = self.queue("updateExecutionLogEntry", self.entry(entryId=9), headers)
        self.assertEqual((status, body), (500, {"error": "unknown job"}))

    def test_what_an_executor_may_not_say_is_a_violation(self):
        """Each of these is one, whatever the answer is."""
        self.beat()
        _, headers = self.take()
        self.queue("addExecutionLogEntry", self.entry(), headers)
        self.queue("updateExecutionLogEntry", self.entry(entryId=1, exitCode=0), headers)
        shared = self.headers(f"token-executor {PASSWORD}")
        text = {**shared, "Content-Type": "text/plain"}
        other = {**headers, "X-Sourcegraph-Job-ID": "2"}
        mute = {key: value for key, value in headers.items() if "Executor-Name" not in key}
        one = {"executorName": "ex", "jobId": 1}
        calls = (
            ("dequeue", {"version": "dev"}, shared, 500),
            ("dequeue", {"executorName": "ex", "version": "1.2.x"}, shared, 500),
            ("dequeue", {"executorName": "ex", "version": "dev"}, text, 204),
            ("dequeue", {"executorName": "ex", "version": "dev"},
             {**shared, "X-Sourcegraph-Actor-UID": "internal"}, 204),
            ("dequeue", [], shared, 400), ("heartbeat", {}, shared, 500),
            ("addExecutionLogEntry", self.entry(key=""), headers, 200),
            ("addExecutionLogEntry", self.entry(command="ls"), headers, 200),
            ("addExecutionLogEntry", self.entry(startTime="yesterday"), headers, 200),
            ("addExecutionLogEntry", self.entry(exitCode="0"), headers, 200),
            ("addExecutionLogEntry", self.entry(out=1), headers, 200),
            ("addExecutionLogEntry", self.entry(), shared, 200),
            ("addExecutionLogEntry", self.entry(), other, 403),
            ("addExecutionLogEntry", self.entry(), mute, 400),
            ("addExecutionLogEntry", self.entry(), {**headers, "X-Sourcegraph-Job-ID": "x"}, 400),
            ("updateExecutionLogEntry", self.entry(entryId=1, key="j", exitCode=0), headers, 204),
            ("updateExecutionLogEntry", self.entry(entryId=1, key="j", exitCode=1), headers, 204),
            ("markFailed", one, headers, 204))
        for verb, body, fields, expected in calls:
            before = len(self.frontend.violations())
            status, answer = self.queue(verb, body, fields)
            said = self.frontend.violations()[before:]
            self.assertEqual((status, len(said)), (expected, 1), f"{verb} {body}: {answer} {said}")

    def test_a_folder_of_jobs_in_their_order(self):
        folder = self.bench.dir / "jobs"
        folder.mkdir()
        for number in (10, 9):
            (folder / f"job-{number}.json").write_text(json.dumps({"id": number}))
        (folder / "notes.txt").write_text("no job")
        self.frontend.stop()
        self.frontend = self.bench.start_frontend(name="folder", options=["--job", str(folder)])
        self.assertEqual([self.take()[0]["id"] for _ in range(2)], [9, 10])

    def test_jobs_that_are_none(self):
        for name, text, says in (("list", "[]", "must be a JSON object"), ("half", "{", "half.json"),
                                 ("long", json.dumps({"token": "x" * 41}), "40 characters")):
            path = self.bench.dir / f"{name}.json"
            path.write_text(text)
            done = subprocess.run([LUNEXEC, "frontend-stand-in", "--password", "p", "--job", path],
                                  capture_output=True, text=True, check=False, timeout=20)
            self.assertNotEqual(done.returncode, 0)
            self.assertIn(says, done.stderr)

    def test_silent_executor_loses_the_job(self):
        self.frontend.control("stall", {"ms": 100})
        self.take()
        wait_for("the reset", lambda: self.frontend.events("stalled"))
        self.assertEqual(self.take()[0]["id"], 1)

    def test_git_needs_the_job_token(self):
        self.beat()
        taken, headers = self.take()
        url = f"http://127.0.0.1:{self.frontend.port}/.executors/git/{REPO}"

        def ls_remote(fields):
            config = [part for key, value in fields.items()
                      for part in ("-c", f"http.extraHeader={key}: {value}")]
            return subprocess.run(["git", *config, "ls-remote", url], capture_output=True,
                                  text=True, check=False,
                                  env={"GIT_TERMINAL_PROMPT": "0", "PATH": "/usr/bin:/bin"})

        self.assertNotEqual(ls_remote({}).returncode, 0)
        headers["X-Sourcegraph-Actor-UID"] = "internal"
        good = ls_remote({k: v for k, v in headers.items() if k != "Content-Type"})
        self.assertEqual(good.returncode, 0, good.stderr)
        self.assertIn(taken["commit"], good.stdout)

    def test_faults(self):
        self.frontend.faults({"match": "dequeue", "times": 2, "status": 503})
        body = {"executorName": "ex", "version": "dev"}
        self.assertEqual([self.queue("dequeue", body)[0] for _ in range(3)], [503, 503, 200])


if __name__ == "__main__":
    main()
