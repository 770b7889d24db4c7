"""`lunexec policy` against the API server, with the rights of deploy/role.yaml: dry runs, recipes,
NetworkPolicies, and a newcomer's first change from `policy new` to a job that shows it."""
import contextlib
import json
import pathlib
import re
import shutil
import subprocess

import api
from checks import equal, holds
from executor import ROOT, program
from layouttests import finish, offer, step

TESTS = []
CONFIG_MAPS = "/api/v1/namespaces/{}/configmaps"
NETWORK_POLICIES = "/apis/networking.k8s.io/v1/namespaces/{}/networkpolicies"


def test(function):
    TESTS.append(function)
    return function


class Tool:
    """The command line of somebody with the executor's kubeconfig, in a directory of his own."""

    def __init__(self, scene, proxy=None, **settings):
        executor = scene.executor_of(proxy=proxy, **settings)
        self.environment, self.directory = executor.environment, executor.directory

    def __call__(self, *args, status=0):
        """What it prints; its errors if it ends otherwise than well."""
        done = subprocess.run([program(), "policy", *map(str, args)], env=self.environment,
                              cwd=self.directory, capture_output=True, text=True, check=False,
                              timeout=60)
        equal(done.returncode, status, f"policy {args}: {done.stdout}{done.stderr}")
        return done.stdout if status == 0 else done.stderr


@test
def policy_dry_run(scene):
    """check and render --cluster send every object as a strict dry run, and nothing else."""
    with contextlib.closing(api.Proxy(scene.directory)) as proxy:
        tool = Tool(scene, proxy=proxy)
        tool("new", "mine")
        out = tool("check", "mine", "--cluster")
        holds("ok batches, 3 steps: 2 objects, accepted by the cluster" in out, out)
        tool("render", "--job", "mine/jobs/codeintel.json", "--policy", "mine", "--cluster")
    holds(len(proxy.requests) >= 8, f"{len(proxy.requests)} requests")
    for method, path, _, status in proxy.requests:
        holds(method == "POST" and "dryRun=All" in path and "fieldValidation=Strict" in path,
              f"{method} {path}")
        equal(status, 201, path)
    equal(scene.namespace.leftovers(), [], "what dry runs left")


@test
def policy_refused_by_cluster(scene):
    """What only the API server can know is wrong ends with status 1 and names the object."""
    tool = Tool(scene)
    tool("new", "mine")
    policy = pathlib.Path(tool.directory, "mine/policy.lua")
    policy.write_text('local policy = require "default"\nlocal job_of = policy.job\n'
                      'function policy.job(task, settings)\n'
                      '  local job = job_of(task, settings)\n'
                      '  job.spec.template.spec.tolerations = { { operator = "Never" } }\n'
                      '  return job\nend\nreturn policy\n', encoding="utf-8")
    tool("check", "mine")
    first = tool("check", "mine", "--cluster", status=1).splitlines()[0]
    for part in ("dry run of Job ", "tolerations[0].operator"):
        holds(part in first, first)


@test
def policy_dry_run_forbidden(scene):
    """Without the right to create a job's objects the answer says so."""
    scene.provokes("create", "secrets")
    tool = Tool(scene, EXECUTOR_KUBERNETES_NAMESPACE="default")
    first = tool("check", "--cluster", status=1).splitlines()[0]
    holds("forbidden" in first and "default" in first, first)


@test
def cookbook(scene):
    """The API server takes what every recipe makes, strictly; the last word on our fields."""
    tool = Tool(scene)
    recipes = sorted((ROOT / "spec/cookbook").iterdir())
    holds(len(recipes) >= 12, "recipes")
    for recipe in recipes:
        out = tool("check", recipe, "--cluster")
        equal(out.count("accepted by the cluster"), 3, f"{recipe.name}: {out}")
    scene.note(f"{len(recipes)} recipes, 3 jobs each")


@test
def cookbook_restricted(scene):
    """A namespace that enforces Pod Security `restricted` runs the recipe's jobs."""
    api.call("PATCH", f"{api.COLLECTIONS['Namespace']}/{scene.namespace.name}",
             {"metadata": {"labels": {"pod-security.kubernetes.io/enforce": "restricted"}}},
             "application/merge-patch+json")
    job = offer(scene, step("who", "id -u", "cat README.md", "echo mine > mine.txt"))
    scene.executor(LUNEXEC_POLICY_DIR=str(ROOT / "spec/cookbook/restricted"))
    finish(scene, job)
    holds("stdout: 1000" in job.entry("step.kubernetes.who").lines(), "the step's user")


@test
def network_policies(scene):
    """The API server takes the NetworkPolicies of every kind of setting, strictly."""
    listed = [{"cidrs": ["203.0.113.0/24", "2001:db8:5::/48"], "ports": [443]},
              {"namespace": "ci", "pod_labels": {"app": "registry"}, "ports": [5000]}]
    frontend = {"namespace": "sourcegraph", "pod_labels": {"app": "sourcegraph-frontend"},
                "ports": [3080]}
    tool = Tool(scene, LUNEXEC_NETWORK_FRONTEND=json.dumps(frontend),
                LUNEXEC_NETWORK_LISTED=json.dumps(listed),
                LUNEXEC_NETWORK_BLOCKED="34.118.10.4/32,2600:1900::44/128")
    policies = json.loads(tool("network", "--json"))
    equal(len(policies), 3, "policies")
    for policy in policies:
        equal(policy["metadata"]["namespace"], scene.namespace.name, "namespace")
        api.call("POST", NETWORK_POLICIES.format(scene.namespace.name)
                 + "?dryRun=All&fieldValidation=Strict", policy)


def newcomer_commands():
    """The commands of docs/policy.md's newcomer's path, each with what it prints there."""
    page = (ROOT / "docs/policy.md").read_text(encoding="utf-8")
    section = page.split("## From nothing to a shipped change\n")[1].split("\n## ")[0]
    return re.findall(r"^\$ (.+)\n((?:(?!\$ |```).*\n)*)", section, re.MULTILINE)


def mount(scene, name, directory):
    """A ConfigMap as the kubelet mounts it."""
    data = api.call("GET", f"{CONFIG_MAPS.format(scene.namespace.name)}/{name}")["data"]
    directory.mkdir()
    for file, text in data.items():
        (directory / file).write_text(text, encoding="utf-8")


class Kubectl:
    """The two commands of kubectl that the page has, for an administrator."""

    def __init__(self, scene, directory):
        self.namespace, self.directory, self.shipped = scene.namespace, directory, None

    def __call__(self, words):
        if words[:3] == ["kubectl", "create", "configmap"]:
            files = [word.split("=")[1] for word in words if word.startswith("--from-file=")]
            self.shipped = words[3]
            api.call("POST", CONFIG_MAPS.format(self.namespace.name), {
                "apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": self.shipped},
                "data": {pathlib.Path(file).name: (self.directory / file).read_text(encoding="utf-8")
                         for file in files}})
        elif words[:3] == ["kubectl", "patch", "deployment"]:
            text = self.namespace.deploy_file("deployment.yaml").replace(
                b"replicas: 1", b"replicas: 0")
            deployments = self.namespace.collection("Deployment")
            api.call("POST", deployments, text, "application/yaml")
            patch = next(word.split("=")[1] for word in words if word.startswith("--patch-file="))
            patched = api.call("PATCH", f"{deployments}/{words[3]}?fieldValidation=Strict",
                               (ROOT / patch).read_bytes(),
                               "application/strategic-merge-patch+json")
            pod = patched["spec"]["template"]["spec"]
            equal([v["name"] for v in pod["containers"][0]["volumeMounts"]], ["policy", "tmp"],
                  "mounts")
            equal(pod["volumes"][0]["configMap"]["name"], self.shipped, "the mounted ConfigMap")
        else:
            raise AssertionError(f"a command that this test does not know: {words}")


@test
def newcomer(scene):
    """The commands of docs/policy.md, as they stand there: a first change, tested, compared, tried
    on the cluster, shipped as a ConfigMap; the next job has it."""
    commands = newcomer_commands()
    holds(len(commands) <= 10, f"{len(commands)} commands")
    tool = Tool(scene)
    directory = pathlib.Path(tool.directory)
    kubectl = Kubectl(scene, directory)
    for command, shown in commands:
        words = command.split()
        if words[:2] == ["lunexec", "policy"]:
            if words[2] == "test" and not shutil.which("busted"):
                continue
            out = tool(*words[2:], status=1 if words[2] == "diff" else 0)
            if "--cluster" in words:
                equal(out, shown, command)
        elif words[0] == "cat":
            (directory / words[2]).write_text(page_file(words[2]), encoding="utf-8")
        else:
            kubectl(words)
    mount(scene, kubectl.shipped, directory / "mounted")
    with contextlib.closing(api.Proxy(scene.directory)) as proxy:
        job = offer(scene, step("look", "true"))
        scene.executor(proxy=proxy, LUNEXEC_POLICY_DIR=str(directory / "mounted"))
        finish(scene, job)
    made = [json.loads(body) for method, path, body, _ in proxy.requests
            if method == "POST" and path.split("?")[0].endswith("/jobs")]
    equal(made[0]["spec"]["template"]["spec"]["tolerations"][0]["key"], "dedicated", "toleration")


def page_file(name):
    """A file that docs/policy.md has the newcomer write."""
    page = (ROOT / "docs/policy.md").read_text(encoding="utf-8")
    text = page.split(f"`{name}`:\n\n```lua\n")[1].split("```\n")[0]
    return text
