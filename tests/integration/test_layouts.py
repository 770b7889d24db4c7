"""What both layouts make of a job: files of any size and content, scripts, git, credentials."""

import base64
import hashlib
import http.client
import json
import random
import unittest

from harness import REPO, TOKEN, Bench, batch_job, main, wait_for


def content(data, modified="0001-01-01T00:00:00Z"):
    return {"content": base64.b64encode(data).decode(), "modifiedAt": modified}


def step(key, *commands, directory=".", env=None, image="alpine:3"):
    return {"key": key, "image": image, "commands": list(commands), "dir": directory, "env": env}


def lines(entry):
    return [line.removeprefix("stdout: ") for line in entry.get("out", "").splitlines()]


BUCKET_FILE = {"bucket": "batch-changes", "key": "spec1/file1",
               "modifiedAt": "2024-06-03T10:20:30.123456Z"}


def put_in_bucket(bench, data):
    """Options with which the frontend serves `data` as BUCKET_FILE."""
    folder = bench.dir / "bucket"
    path = folder / BUCKET_FILE["key"]
    path.parent.mkdir(parents=True)
    path.write_bytes(data)
    return ["--files", str(folder)]


def created(bench, kind):
    """Manifests of that kind which were created, in order."""
    return [call["body"] for call in bench.cluster.records()
            if call.get("method") == "POST" and call.get("status") == 201
            and call["body"].get("kind") == kind]


ODD = b"'quotes' \"$HOME\" `id` $$ \\n\r\nCRLF\0NUL\xff\xfe not UTF-8, no line end"


class Files(unittest.TestCase):
    def run_steps(self, bench, steps, frontend_options=(), **payload):
        job = batch_job([], keys=steps) | payload
        bench.start(job, frontend_options=frontend_options)
        executor = bench.start_executor()
        mark = bench.frontend.marked()
        self.assertEqual(executor.wait(), 0)
        self.assertEqual(bench.leftovers(), [])
        return mark

    def test_binary_file_is_identical(self):
        data = (ODD * 6000)[:300_000]
        with Bench("binary") as bench:
            steps = [step("look", "sha256sum data/odd.bin other", "stat -c %Y.%y data/odd.bin")]
            self.run_steps(bench, steps, put_in_bucket(bench, data), files={
                "data/odd.bin": BUCKET_FILE, "other": content(b"x")})
            out = lines(bench.frontend.entry("step.kubernetes.look"))
            self.assertIn(f"{hashlib.sha256(data).hexdigest()}  data/odd.bin", out)
            self.assertIn(f"{hashlib.sha256(b'x').hexdigest()}  other", out)
            self.assertTrue(any(line.startswith("1717410030.") and "30.123456" in line
                                for line in out), out)

    def test_files_travel_in_secrets_of_the_job(self):
        with Bench("secrets") as bench:
            self.run_steps(bench, [step("look", "wc -c < big")],
                           files={"big": content(b"\0" * 2_500_000)})
            self.assertIn("2500000", lines(bench.frontend.entry("step.kubernetes.look")))
            secrets = created(bench, "Secret")
            self.assertEqual([s["metadata"]["name"].rsplit("1-", 1)[1] for s in secrets],
                             ["secrets", "files-0", "files-1", "files-2"])
            for secret in secrets[1:]:
                size = sum(len(base64.b64decode(v)) for v in secret["data"].values())
                self.assertLessEqual(size, 1_000_000)
                owner = secret["metadata"]["ownerReferences"][0]
                self.assertEqual((owner["kind"], owner["name"]),
                                 ("Job", "sg-executor-job-batches-1"))
                self.assertTrue(owner["uid"])
            pod = created(bench, "Job")[0]["spec"]["template"]["spec"]
            mounted = [c["name"] for c in pod["initContainers"] + pod["containers"]
                       if any(m["name"].startswith("lunexec-files") for m in c["volumeMounts"])]
            self.assertEqual(mounted, ["setup-workspace"])

    def test_megabyte_script(self):
        with Bench("script") as bench:
            commands = [f": {'x' * 1000} {i}" for i in range(1000)] + ["echo did all"]
            mark = self.run_steps(bench, [step("long", "{ set +x; } 2>/dev/null", *commands)])
            self.assertEqual(mark["entries"][1]["exitCode"], 0)
            self.assertIn("did all", lines(bench.frontend.entry("step.kubernetes.long")))

    def test_impossible_size_is_refused(self):
        with Bench("toobig") as bench:
            bench.start_cluster()
            job = batch_job([], keys=[step("never", "echo never")])
            options = put_in_bucket(bench, b"\1" * 13_000_000)
            job["files"] = {f"f{i}": BUCKET_FILE for i in range(5)}
            bench.start_frontend(job, options=options)
            executor = bench.start_executor()
            mark = bench.frontend.marked()
            self.assertEqual(mark["state"], "failed")
            self.assertIn("the limit is 64000000", mark["message"])
            self.assertEqual(executor.wait(), 0)
            self.assertEqual(bench.cluster.calls("POST "), [])


class Codeintel(unittest.TestCase):
    def test_credentials_make_a_pull_secret(self):
        auth = {"auths": {"registry.example.com": {"auth": base64.b64encode(b"u:p").decode()}}}
        with Bench("pull") as bench:
            job = batch_job([], keys=[step("indexer", "echo hi", directory="")])
            bench.start(job | {"dockerAuthConfig": auth, "repositoryDirectory": ""})
            executor = bench.start_executor()
            bench.frontend.marked()
            self.assertEqual(executor.wait(), 0)
            secret = next(s for s in created(bench, "Secret")
                          if s["metadata"]["name"].endswith("-pull"))
            self.assertEqual(secret["type"], "kubernetes.io/dockerconfigjson")
            text = (secret.get("stringData") or {}).get(".dockerconfigjson")
            text = text or base64.b64decode(secret["data"][".dockerconfigjson"]).decode()
            self.assertEqual(json.loads(text), auth)
            pod = created(bench, "Job")[0]["spec"]["template"]["spec"]
            self.assertEqual(pod["imagePullSecrets"], [{"name": secret["metadata"]["name"]}])
            self.assertEqual(bench.leftovers(), [])


CLAIM = "executor-data"


def start_shared(bench, job, frontend_options=(), mounted=True, **settings):
    """Stand-ins with a claim that executor and pods share, and an executor."""
    bench.start(job, frontend_options=frontend_options)
    connection = http.client.HTTPConnection("127.0.0.1", bench.cluster.port, timeout=10)
    claim = {"apiVersion": "v1", "kind": "PersistentVolumeClaim", "metadata": {"name": CLAIM},
             "spec": {"accessModes": ["ReadWriteMany"],
                      "resources": {"requests": {"storage": "1Gi"}}}}
    connection.request("POST", "/api/v1/namespaces/default/persistentvolumeclaims",
                       json.dumps(claim), {"Authorization": f"Bearer {TOKEN}",
                                           "Content-Type": "application/json"})
    answer = connection.getresponse()
    assert answer.status == 201, answer.read()
    connection.close()
    folder = bench.dir / ("cluster" if mounted else "elsewhere") / "claims" / f"default-{CLAIM}"
    folder.mkdir(parents=True)
    settings = {"KUBERNETES_SINGLE_JOB_POD": None, "LUNEXEC_WORKSPACE_DIR": folder,
                "EXECUTOR_KUBERNETES_PERSISTENCE_VOLUME_NAME": CLAIM} | settings
    return folder, bench.start_executor(**settings)


def keys_of(mark):
    return [entry["key"] for entry in mark["entries"]]


GIT_KEYS = [f"setup.git.{word}" for word in
            ("init", "add-remote", "disable-gc", "fetch", "checkout", "set-remote")]


class SharedVolume(unittest.TestCase):
    def check_ended(self, bench, folder, executor):
        self.assertEqual(executor.wait(), 0)
        self.assertEqual(bench.frontend.violations(), [])
        self.assertEqual(list(folder.iterdir()), [])
        left = [name for name in bench.leftovers() if not name.endswith(CLAIM)]
        self.assertEqual(left, [])

    def test_shared_two_steps_complete(self):
        with Bench("shared") as bench:
            job = batch_job(["echo one >> README.md", "echo two > two.txt; cat README.md"])
            folder, executor = start_shared(bench, job)
            mark = bench.frontend.marked()
            self.assertEqual((mark["state"], mark["results"]), ("completed", 2), mark["message"])
            steps = [f"step.kubernetes.step.{i}.{part}" for i in range(2)
                     for part in ("pre", "run", "post")]
            self.assertEqual(keys_of(mark), [*GIT_KEYS, "setup.fs.extras", *steps,
                                             "teardown.kubernetes.job", "teardown.fs"])
            self.assertEqual({entry["exitCode"] for entry in mark["entries"]}, {0})
            self.assertIn("one", lines(bench.frontend.entry("step.kubernetes.step.1.run")))
            where = str(folder / "job-1")
            self.assertEqual(bench.frontend.entry("teardown.fs")["out"], f"Removing {where}\n")
            fetch = bench.frontend.entry("setup.git.fetch")
            self.assertEqual(fetch["command"][:5], ["git", "-C", f"{where}/repository", "-c",
                                                    "protocol.version=2"])
            self.assertIn("stderr: ", fetch["out"])
            jobs = created(bench, "Job")
            self.assertEqual([j["metadata"]["name"] for j in jobs],
                             [f"sg-executor-job-batches-1-{key}" for key in steps])
            pod = jobs[0]["spec"]["template"]["spec"]
            self.assertEqual(pod["containers"][0]["volumeMounts"][0]["subPath"], "job-1")
            self.assertEqual(created(bench, "Secret"), [])
            self.check_ended(bench, folder, executor)

    def test_shared_git_has_no_credentials(self):
        with Bench("creds") as bench:
            job = batch_job([], keys=[step("look", "cat .git/config", directory="repository")])
            folder, executor = start_shared(bench, job)
            mark = bench.frontend.marked()
            self.assertEqual(mark["entries"][7]["exitCode"], 0)
            text = json.dumps(mark["entries"])
            for word in ("Bearer", "Authorization", "extraHeader"):
                self.assertNotIn(word, text)
            out = lines(bench.frontend.entry("step.kubernetes.look"))
            self.assertIn(f"\turl = {REPO}", out)
            self.check_ended(bench, folder, executor)

    def test_shared_files_are_identical(self):
        data = (ODD * 6000)[:300_000]
        with Bench("sharedfile") as bench:
            steps = [step("look", "sha256sum data/odd.bin", "stat -c %y data/odd.bin")]
            job = batch_job([], keys=steps, files={"data/odd.bin": BUCKET_FILE})
            folder, executor = start_shared(bench, job, put_in_bucket(bench, data))
            bench.frontend.marked()
            out = lines(bench.frontend.entry("step.kubernetes.look"))
            self.assertIn(f"{hashlib.sha256(data).hexdigest()}  data/odd.bin", out)
            self.assertTrue(any("30.123456000" in line for line in out), out)
            wrote = bench.frontend.entry("setup.fs.extras")["out"].splitlines()
            self.assertRegex(wrote[0], r"^Wrote .*/job-1/\S+ in \S+$")
            self.assertEqual(len(wrote), 3)
            self.check_ended(bench, folder, executor)

    def test_shared_large_repository(self):
        """More than the executor holds of an answer that git takes slowly."""
        with Bench("large") as bench:
            data = random.Random(1).randbytes(24 << 20)
            (bench.repo / "large").write_bytes(data)
            bench.git("add", "--all")
            bench.git("commit", "-q", "-m", "large")
            bench.commit = bench.git("rev-parse", "HEAD")
            steps = [step("look", "sha256sum large", directory="repository")]
            folder, executor = start_shared(bench, batch_job([], keys=steps))
            bench.frontend.marked()
            self.assertIn(f"{hashlib.sha256(data).hexdigest()}  large",
                          lines(bench.frontend.entry("step.kubernetes.look")))
            self.check_ended(bench, folder, executor)

    def test_shared_skip_file(self):
        with Bench("skip") as bench:
            steps = [step("step.0.pre", "echo '{\"nextStep\":\"step.1.pre\"}' > skip.json"),
                     step("step.0.run", "echo never"), step("step.0.post", "echo never"),
                     step("step.1.pre", "ls skip.json || echo taken"), step("step.1.run", "true")]
            folder, executor = start_shared(bench, batch_job([], keys=steps))
            mark = bench.frontend.marked()
            ran = [key for key in keys_of(mark) if key.startswith("step.")]
            self.assertEqual(ran, [f"step.kubernetes.step.{key}"
                                   for key in ("0.pre", "1.pre", "1.run")])
            self.assertIn("taken", lines(bench.frontend.entry("step.kubernetes.step.1.pre")))
            self.check_ended(bench, folder, executor)

    def test_shared_failing_step_ends_it(self):
        with Bench("sharedfail") as bench:
            steps = [step("a", "exit 7"), step("b", "echo never")]
            folder, executor = start_shared(bench, batch_job([], keys=steps))
            mark = bench.frontend.marked()
            self.assertIn("exited with code 7", mark["message"])
            self.assertNotIn("step.kubernetes.b", keys_of(mark))
            self.check_ended(bench, folder, executor)

    def test_shared_clone_fails(self):
        with Bench("noclone") as bench:
            job = batch_job([], keys=[step("a", "true")], commit="0" * 40)
            folder, executor = start_shared(bench, job)
            mark = bench.frontend.marked()
            self.assertRegex(mark["message"],
                             "^failed setup.git.fetch: command failed with exit code [0-9]+$")
            self.assertNotEqual(bench.frontend.entry("setup.git.fetch")["exitCode"], 0)
            self.check_ended(bench, folder, executor)

    def test_shared_sparse_and_tags(self):
        with Bench("sparse") as bench:
            for name in ("web", "api"):
                (bench.repo / name).mkdir()
                (bench.repo / name / "file").write_text(name)
            bench.git("add", "--all")
            bench.git("commit", "-q", "-m", "more")
            bench.git("tag", "v1")
            bench.commit = bench.git("rev-parse", "HEAD")
            steps = [step("look", "ls", "cat web/file", directory="repository")]
            job = batch_job([], keys=steps)
            folder, executor = start_shared(
                bench, job | {"sparseCheckout": ["web/*"], "fetchTags": True},
                EXECUTOR_KEEP_WORKSPACES="true")
            mark = bench.frontend.marked()
            self.assertIn("setup.git.sparse-checkout-set", keys_of(mark))
            out = lines(bench.frontend.entry("step.kubernetes.look"))
            self.assertIn("web", out)
            self.assertNotIn("api", out)
            self.assertEqual(executor.wait(), 0)
            kept = folder / "job-1"
            self.assertEqual(bench.frontend.entry("teardown.fs")["out"],
                             f"Preserving workspace ({kept}) as per config")
            self.assertTrue((kept / "repository/web/file").exists())
            self.assertFalse((kept / "repository/api").exists())
            refs = kept / "repository/.git/refs/tags/v1"
            packed = kept / "repository/.git/packed-refs"
            self.assertTrue(refs.exists() or "v1" in packed.read_text())

    def test_shared_volume_is_not_shared(self):
        with Bench("unshared") as bench:
            job = batch_job([], keys=[step("look", "echo never")])
            folder, executor = start_shared(bench, job, mounted=False)
            mark = bench.frontend.marked()
            entry = bench.frontend.entry("step.kubernetes.look")
            self.assertEqual(entry["exitCode"], 113)
            self.assertIn("EXECUTOR_KUBERNETES_PERSISTENCE_VOLUME_NAME", entry["out"])
            self.assertIn("EXECUTOR_KUBERNETES_NODE_NAME", entry["out"])
            self.assertIn("113", mark["message"])
            self.check_ended(bench, folder, executor)

    def test_claim_is_named_and_not_mounted(self):
        with Bench("named") as bench:
            folder, executor = start_shared(bench, batch_job(["echo one"]),
                                            LUNEXEC_WORKSPACE_DIR=bench.dir / "absent")
            mark = bench.frontend.marked()
            self.assertEqual(mark["state"], "completed", mark["message"])
            self.assertIn("setup.workspace", keys_of(mark))  # of one pod
            self.assertIn("KUBERNETES_SINGLE_JOB_POD", executor.err())
            self.check_ended(bench, folder, executor)

    def test_shared_cancelled_while_running(self):
        with Bench("sharedstop") as bench:
            job = batch_job([], keys=[step("wait", "echo started; sleep 300")])
            folder, executor = start_shared(bench, job)
            wait_for("the step", lambda: "started" in
                     bench.frontend.entry("step.kubernetes.wait").get("out", ""))
            bench.frontend.control("cancel", {"id": 1})
            mark = bench.frontend.marked()
            self.assertEqual(keys_of(mark)[-1], "teardown.fs")
            self.check_ended(bench, folder, executor)


if __name__ == "__main__":
    main()
