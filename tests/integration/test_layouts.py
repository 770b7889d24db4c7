"""What both layouts make of a job: files of any size and content, scripts, git, credentials."""

import base64
import hashlib
import json
import unittest

from harness import Bench, batch_job, main


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
            mark = bench.frontend.marked(60)
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


if __name__ == "__main__":
    main()
