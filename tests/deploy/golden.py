"""The Jobs that an original-chart values file leads to, compared with the golden manifests of
spec/golden: each case's settings become a file with every key of the original chart, blank where the
case says nothing; what the chart makes of it is the environment of `lunexec policy render`."""
import json
import os
import pathlib
import subprocess
import tempfile

import yaml

from chart import HERE, ROOT, environment, equal, rendered

CASES = ROOT / "spec/golden"
NOT_BY_VALUES = {"nothing-set"}  # a policy that is called without any settings
# Where the original chart has a setting, under executor.kubernetesJob; the rest is extraEnv there.
KEYS = {
    "run_as_user": "runAsUser", "run_as_group": "runAsGroup", "fs_group": "fsGroup",
    "resource_limit_cpu": "resources.limits.cpu", "resource_limit_memory": "resources.limits.memory",
    "resource_request_cpu": "resources.requests.cpu",
    "resource_request_memory": "resources.requests.memory",
    "node_name": "node.name", "node_selector": "node.selector", "tolerations": "node.tolerations",
    "node_required_affinity_match_expressions": "node.requiredAffinityMatchExpressions",
    "node_required_affinity_match_fields": "node.requiredAffinityMatchFields",
    "pod_affinity": "pod.affinity", "pod_anti_affinity": "pod.antiAffinity"}
VARIABLES = {
    "additional_volumes": "KUBERNETES_ADDITIONAL_JOB_VOLUMES",
    "additional_volume_mounts": "KUBERNETES_ADDITIONAL_JOB_VOLUME_MOUNTS",
    "container_security_context": "KUBERNETES_EXECUTOR_CONTAINER_SECURITY_CONTEXT",
    "firewall_profile": "LUNEXEC_FIREWALL_PROFILE", "host_network": "KUBERNETES_JOB_HOST_NETWORK",
    "image_pull_policy": "KUBERNETES_IMAGE_PULL_POLICY",
    "image_pull_secrets": "KUBERNETES_IMAGE_PULL_SECRETS",
    "job_annotations": "KUBERNETES_JOB_ANNOTATIONS",
    "job_pod_annotations": "KUBERNETES_JOB_POD_ANNOTATIONS"}
OWN_MARKS = {"lunexec.dev/executor-name", "lunexec.dev/policy", "lunexec.dev/executor",
             "lunexec.dev/job-id", "lunexec.dev/queue", "app.kubernetes.io/managed-by"}


def program():
    return os.environ["LUNEXEC"]


def read(case, file):
    return json.loads((CASES / case / file).read_text())


def cases():
    return sorted(path.name for path in CASES.iterdir() if path.name not in NOT_BY_VALUES)


def as_value(key, value):
    """A setting as the original chart wants it in its values: JSON with escaped quotes."""
    if key == "node_selector" and value:
        return ",".join(f"{name}={text}" for name, text in value.items())
    if isinstance(value, (list, dict)):
        return json.dumps(value).replace('"', '\\"') if value else ""
    return value


def as_variable(key, value):
    if key == "image_pull_secrets":
        return ",".join(value)
    return value if isinstance(value, str) else json.dumps(value)


def values(case):
    """The values file of a case: values/original.yaml, whose keys are all of the original chart's."""
    settings, task = read(case, "settings.json"), read(case, "task.json")
    file = yaml.safe_load((HERE / "values/original.yaml").read_text())
    executor = file["executor"]
    job = executor["kubernetesJob"]
    job["deadline"] = str(task["deadline_seconds"])
    for key, place in KEYS.items():
        *way, last = place.split(".")
        at = job
        for word in way:
            at = at[word]
        assert last in at, f"values/original.yaml has no {place}"
        at[last] = as_value(key, settings.pop(key, None if "." not in place else ""))
    if job["fsGroup"] is None:
        job["fsGroup"] = "-1"  # blank is 1000
    executor.update(namespace=settings.pop("namespace"), queueName=task["queue"])
    extra = {VARIABLES[key]: as_variable(key, settings.pop(key)) for key in list(settings)
             if key in VARIABLES}
    if "job_ttl_seconds" in settings:
        extra["LUNEXEC_JOB_TTL"] = f"{settings.pop('job_ttl_seconds')}s"
    assert not settings, f"{case}: no value is known for {settings}"
    workspace = task["workspace"]
    if workspace["type"] == "pvc":
        extra.update(KUBERNETES_JOB_VOLUME_TYPE="pvc", KUBERNETES_JOB_VOLUME_SIZE=workspace["size"])
    if task["layout"] == "shared-volume":
        extra["EXECUTOR_KUBERNETES_PERSISTENCE_VOLUME_NAME"] = workspace["claim"]
    executor["extraEnv"] = [{"name": name, "value": value} for name, value in extra.items()]
    return file


def queue_job(task):
    """The job of a task as the queue hands it out."""
    steps = [{"key": entry["key"], "image": entry["image"], "commands": ["true"],
              "dir": entry["working_dir"].removeprefix("/job").lstrip("/") or ".",
              "env": [f"{name}=x" for name in entry.get("env_names", [])]}
             for entry in task["containers"] if entry["purpose"] == "step"]
    return {"id": task["id"], "repositoryName": task["repository"],
            "repositoryDirectory": "repository" if task["queue"] == "batches" else "",
            "commit": task["commit"], "token": "t", "files": {}, "cliSteps": [], "redactedValues": {},
            "dockerSteps": steps}


def plans(env, job, policy=None):
    """The Jobs that the program makes of the job in this environment."""
    with tempfile.TemporaryDirectory() as directory:
        file = pathlib.Path(directory, "job.json")
        file.write_text(json.dumps(job))
        options = []
        if policy:
            for name, text in policy.items():
                pathlib.Path(directory, name).write_text(text)
            options = ["--policy", directory]
        env = {name: value for name, value in env.items() if name != "LUNEXEC_POLICY_DIR"}
        done = subprocess.run(
            [program(), "policy", "render", "--json", "--job", file, *options],
            env={"PATH": os.environ["PATH"], **env}, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    return [item for item in json.loads(done.stdout) if item["kind"] == "Job"]


def take_marks(metadata):
    """Takes the executor's own labels and annotations off; no others may be beside the policy's."""
    for kind in ("labels", "annotations"):
        left = {key: value for key, value in metadata.pop(kind, {}).items() if key not in OWN_MARKS}
        if left:
            metadata[kind] = left


def take_host_fields(found, golden):
    """Takes off what the host writes into every Job: its marks, the namespace, commands, and the
    variables of job and layout that come before or after the policy's."""
    take_marks(found["metadata"])
    template = found["spec"]["template"]
    take_marks(template["metadata"])
    del found["metadata"]["namespace"]
    pods = template["spec"], golden["spec"]["template"]["spec"]
    for kind in ("initContainers", "containers"):
        for one, other in zip(*(pod.get(kind, []) for pod in pods)):
            for field in ("command", "args"):
                del one[field]
            env = one.pop("env", [])
            wanted = other.get("env", [])
            equal([item for item in env if item in wanted], wanted)
            if wanted:
                one["env"] = wanted
    return found


def containers(job):
    pod = job["spec"]["template"]["spec"]
    return pod.get("initContainers", []) + pod["containers"]


def golden(case):
    with tempfile.NamedTemporaryFile("w", suffix=".json") as file:
        json.dump(values(case), file)
        file.flush()
        objects = rendered("-f", file.name)
    task, expected = read(case, "task.json"), read(case, "plan.json")
    env = environment(objects, f"executor-{task['queue']}")
    made = {item["metadata"]["name"]: item for item in plans(env, queue_job(task))}
    found = made[expected["metadata"]["name"]]
    equal(found["metadata"]["namespace"], read(case, "settings.json")["namespace"])
    equal(take_host_fields(found, expected), expected)
