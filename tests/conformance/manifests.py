"""Contract section 6: Kubernetes objects; and what each setting of 3.3 does to them, set and unset."""
import json

from frontend import payload, step
from suite import equal, has, row, scenario

NAME = "sg-executor-job-batches-42"
TOLERATION = {"key": "pool", "operator": "Equal", "value": "jobs", "effect": "NoSchedule"}
REQUIREMENT = {"key": "disk", "operator": "In", "values": ["ssd"]}
FIELD = {"key": "metadata.name", "operator": "NotIn", "values": ["node-9"]}
TERM = {"labelSelector": {"matchLabels": {"a": "b"}}, "topologyKey": "kubernetes.io/hostname"}
ANTI = {"labelSelector": {"matchLabels": {"c": "d"}}, "topologyKey": "zone"}
VOLUME = {"name": "certs", "configMap": {"name": "ca"}}
MOUNT = {"name": "certs", "mountPath": "/certs", "readOnly": True}
POD = "spec.template.spec"

# setting, its value, path in the Job ("*" for every container), there when set, when unset
SETTINGS = [
    ("EXECUTOR_KUBERNETES_NODE_NAME", "node-1", f"{POD}.nodeName", "node-1", None),
    ("EXECUTOR_KUBERNETES_NODE_SELECTOR", "disk=ssd,zone=a", f"{POD}.nodeSelector",
     {"disk": "ssd", "zone": "a"}, None),
    ("EXECUTOR_KUBERNETES_NODE_REQUIRED_AFFINITY_MATCH_EXPRESSIONS", json.dumps([REQUIREMENT]),
     f"{POD}.affinity.nodeAffinity.requiredDuringSchedulingIgnoredDuringExecution"
     ".nodeSelectorTerms.0.matchExpressions", [REQUIREMENT], None),
    ("EXECUTOR_KUBERNETES_NODE_REQUIRED_AFFINITY_MATCH_FIELDS", json.dumps([FIELD]),
     f"{POD}.affinity.nodeAffinity.requiredDuringSchedulingIgnoredDuringExecution"
     ".nodeSelectorTerms.0.matchFields", [FIELD], None),
    ("EXECUTOR_KUBERNETES_POD_AFFINITY", json.dumps([TERM]),
     f"{POD}.affinity.podAffinity.requiredDuringSchedulingIgnoredDuringExecution", [TERM], None),
    ("EXECUTOR_KUBERNETES_POD_ANTI_AFFINITY", json.dumps([ANTI]),
     f"{POD}.affinity.podAntiAffinity.requiredDuringSchedulingIgnoredDuringExecution", [ANTI], None),
    ("EXECUTOR_KUBERNETES_NODE_TOLERATIONS", json.dumps([TOLERATION]), f"{POD}.tolerations",
     [TOLERATION], None),
    ("EXECUTOR_KUBERNETES_RESOURCE_LIMIT_CPU", "2", "*.resources.limits.cpu", "2", None),
    ("EXECUTOR_KUBERNETES_RESOURCE_LIMIT_MEMORY", "3Gi", "*.resources.limits.memory", "3Gi", "12Gi"),
    ("EXECUTOR_KUBERNETES_RESOURCE_REQUEST_CPU", "500m", "*.resources.requests.cpu", "500m", None),
    ("EXECUTOR_KUBERNETES_RESOURCE_REQUEST_MEMORY", "1Gi", "*.resources.requests.memory", "1Gi",
     "12Gi"),
    ("KUBERNETES_JOB_DEADLINE", "77", f"{POD}.activeDeadlineSeconds", 77, 1200),
    ("KUBERNETES_RUN_AS_USER", "0", f"{POD}.securityContext.runAsUser", 0, None),
    ("KUBERNETES_RUN_AS_GROUP", "1001", f"{POD}.securityContext.runAsGroup", 1001, None),
    ("KUBERNETES_FS_GROUP", "1002", f"{POD}.securityContext.fsGroup", 1002, 1000),
    ("KUBERNETES_ADDITIONAL_JOB_VOLUMES", json.dumps([VOLUME]), f"{POD}.volumes.1", VOLUME, None),
    ("KUBERNETES_ADDITIONAL_JOB_VOLUME_MOUNTS", json.dumps([MOUNT]), "*.volumeMounts.1", MOUNT, None),
    ("KUBERNETES_JOB_ANNOTATIONS", '{"team":"a"}', "metadata.annotations.team", "a", None),
    ("KUBERNETES_JOB_POD_ANNOTATIONS", '{"mesh":"off"}',
     "spec.template.metadata.annotations.mesh", "off", None),
    ("KUBERNETES_IMAGE_PULL_SECRETS", "one,two", f"{POD}.imagePullSecrets",
     [{"name": "one"}, {"name": "two"}], None),
    ("KUBERNETES_IMAGE_PULL_POLICY", "Always", "*.imagePullPolicy", "Always", "IfNotPresent"),
    ("KUBERNETES_JOB_HOST_NETWORK", "true", f"{POD}.hostNetwork", True, None),
    ("KUBERNETES_EXECUTOR_CONTAINER_SECURITY_CONTEXT", '{"runAsNonRoot":false}',
     "*.securityContext.runAsNonRoot", False, None),
    ("LUNEXEC_JOB_TTL", "1h", "spec.ttlSecondsAfterFinished", 3600, 86400),
]


@scenario
def single_pod_defaults(w):
    w.start(payload()).marked().stopped()


@scenario
def single_pod_all_set(w):
    w.start(payload(), namespace="jobs", **{name: value for name, value, *_ in SETTINGS},
            KUBERNETES_JOB_STEP_IMAGE="registry/helper:1", KUBERNETES_GIT_CA_CERT="/certs/ca.pem",
            KUBERNETES_SINGLE_JOB_STEP_IMAGE="registry/other:1",
            EXECUTOR_KUBERNETES_NAMESPACE="jobs").marked().stopped()


@scenario
def single_pod_claim(w):
    w.start(payload(), KUBERNETES_JOB_VOLUME_TYPE="pvc", KUBERNETES_JOB_VOLUME_SIZE="20Gi",
            LUNEXEC_JOB_STORAGE_CLASS="fast").marked().stopped()


@scenario
def single_pod_volume_size(w):
    w.start(payload(), KUBERNETES_JOB_VOLUME_SIZE="7Gi",
            KUBERNETES_SINGLE_JOB_STEP_IMAGE="registry/old:1").marked().stopped()


@scenario
def keep_jobs(w):
    w.start(payload(), KUBERNETES_KEEP_JOBS="true").marked().stopped()


@scenario
def single_pod_setting_wins(w):
    """KUBERNETES_SINGLE_JOB_POD=true and a shared volume's name (operations 12b.3)."""
    w.start(payload(), KUBERNETES_SINGLE_JOB_POD="true",
            EXECUTOR_KUBERNETES_PERSISTENCE_VOLUME_NAME="sg-executor-pvc").marked().stopped()


@scenario
def no_keys(w):
    """Steps without a key, in the workspace's root, with odd env entries."""
    w.start(payload(repositoryDirectory="", dockerSteps=[
        step("", dir=""), step("", dir="web/../web/", env=["A=b=c", "EMPTY="])])).marked().stopped()


@scenario
def queue_in_name(w):
    w.start(payload(queue="codeintel", dockerSteps=[step("indexer")]),
            EXECUTOR_QUEUE_NAMES="batches,codeintel").marked().stopped()


def job(world):
    return world.kube.job()


def containers(world):
    spec = job(world)["spec"]["template"]["spec"]
    return spec.get("initContainers", []) + spec["containers"]


def at(value, path):
    for part in path.split("."):
        if isinstance(value, list):
            value = value[int(part)] if int(part) < len(value) else None
        else:
            value = (value or {}).get(part)
    return value


def look(world, path, wanted):
    if not path.startswith("*."):
        return equal(at(job(world), path), wanted)
    for container in containers(world):
        equal(at(container, path[2:]), wanted)
    return len(containers(world)) > 0


for name, value, path, on, off in SETTINGS:
    row("3.3", f"{name}={value}", "single_pod_all_set",
        lambda w, path=path, on=on: look(w, path, on))
    row("3.3", f"{name} unset", "single_pod_defaults",
        lambda w, path=path, off=off: look(w, path, off))

# --- 6.2 single-pod objects

SETUP = "spec.template.spec.initContainers.0"


def setup(world):
    return at(job(world), SETUP + ".args.0")


def made(world):
    """Kind and name of everything created, in order."""
    return [(c.path.rsplit("/", 1)[1], c.json["metadata"]["name"]) for c in world.kube.calls
            if c.method == "POST"]


row("6", "Secret, then Job", "single_pod_defaults",
    lambda w: equal(made(w), [("secrets", NAME + "-secrets"), ("jobs", NAME)]))
row("6", "Secret, claim, Job", "single_pod_claim",
    lambda w: equal(made(w), [("secrets", NAME + "-secrets"),
                              ("persistentvolumeclaims", NAME + "-pvc"), ("jobs", NAME)]))
row("6", "everything in the configured namespace", "single_pod_all_set",
    lambda w: equal({c.path.split("/namespaces/")[1].split("/")[0] for c in w.kube.calls}, {"jobs"}))
row("6", "deletes are in the background", "single_pod_defaults",
    lambda w: equal({c.json.get("propagationPolicy") for c in w.kube.calls
                     if c.method == "DELETE" and c.name == NAME}, {"Background"}))
row("6", "never reads Jobs, Secrets, claims; lists at most the Jobs of its name", "single_pod_claim",
    lambda w: equal([c for c in w.kube.calls if c.method == "GET" and "/pods" not in c.path and
                     not (c.name == "jobs" and "executor%3D" in c.query)], []))
row("6", "pods are watched by label", "single_pod_defaults",
    lambda w: has(" ".join(c.query for c in w.kube.calls if "watch=true" in c.query),
                  "labelSelector="))
row("6.2", "the Secret holds the job token", "single_pod_defaults",
    lambda w: equal(w.kube.created["secrets"][0]["stringData"]["TOKEN"], payload()["token"]))
row("6.2", "kind, version, no namespace needed, no generateName", "single_pod_defaults",
    lambda w: equal([job(w)["apiVersion"], job(w)["kind"], job(w)["metadata"].get("generateName")],
                    ["batch/v1", "Job", None]))
row("6.2", "backoffLimit 0, restartPolicy Never", "single_pod_defaults",
    lambda w: equal([job(w)["spec"]["backoffLimit"], at(job(w), POD + ".restartPolicy")],
                    [0, "Never"]))
row("6.2", "containers: setup, one a step, main", "single_pod_defaults",
    lambda w: equal([c["name"] for c in containers(w)],
                    ["setup-workspace", "step-kubernetes-step-0-pre", "step-kubernetes-step-0-run",
                     "step-kubernetes-step-0-post", "main"]))
row("6.2", "only main is no init container", "single_pod_defaults",
    lambda w: equal([c["name"] for c in at(job(w), POD + ".containers")], ["main"]))
row("6.2", "images: helper, the step's, helper", "single_pod_all_set",
    lambda w: equal([c["image"] for c in containers(w)],
                    ["registry/helper:1", "sourcegraph/batcheshelper:5.6.185", "alpine:3",
                     "sourcegraph/batcheshelper:5.6.185", "registry/helper:1"]))
row("6.2", "the older name of the helper image", "single_pod_volume_size",
    lambda w: equal(containers(w)[0]["image"], "registry/old:1"))
row("6.2", "helper image by default", "single_pod_defaults",
    lambda w: equal(containers(w)[0]["image"], "sourcegraph/batcheshelper:insiders"))
row("6.2", "every container runs sh -c with one argument", "single_pod_defaults",
    lambda w: equal([(c["command"], len(c["args"])) for c in containers(w)],
                    [(["sh", "-c"], 1)] * 5))
row("6.2", "main says complete", "single_pod_defaults",
    lambda w: equal(containers(w)[4]["args"], ["echo 'complete'"]))
row("6.2", "working directories", "single_pod_defaults",
    lambda w: equal([c["workingDir"] for c in containers(w)],
                    ["/job", "/job", "/job/repository", "/job", "/job"]))
row("6.2", "working directories are cleaned", "no_keys",
    lambda w: equal([c["workingDir"] for c in containers(w)[1:3]], ["/job", "/job/web"]))
row("6", "a step without a key is called by its index", "no_keys",
    lambda w: equal([c["name"] for c in containers(w)[1:3]],
                    ["step-kubernetes-0", "step-kubernetes-1"]))
row("6.2", "env: split at the first =, EXECUTOR_ADD_SAFE last", "no_keys",
    lambda w: equal(containers(w)[2]["env"],
                    [{"name": "A", "value": "b=c"}, {"name": "EMPTY", "value": ""},
                     {"name": "EXECUTOR_ADD_SAFE", "value": "false"}]))
row("6.2", "TOKEN of the setup container comes from the Secret", "single_pod_defaults",
    lambda w: equal(containers(w)[0]["env"][0],
                    {"name": "TOKEN", "valueFrom": {
                        "secretKeyRef": {"name": NAME + "-secrets", "key": "TOKEN"}}}))
row("12f", "a redacted env value travels in the Secret, not in the Job", "single_pod_defaults",
    lambda w: "s3cr3tvalue" not in json.dumps(job(w))
    and "s3cr3tvalue" in json.dumps(w.kube.created["secrets"]))
row("12f", "the token is not in the Job", "single_pod_defaults",
    lambda w: payload()["token"] not in json.dumps(job(w)))
row("6.2", "workspace: job-data, an emptyDir of 5Gi", "single_pod_defaults",
    lambda w: equal(at(job(w), POD + ".volumes.0"),
                    {"name": "job-data", "emptyDir": {"sizeLimit": "5Gi"}}))
row("3.3", "KUBERNETES_JOB_VOLUME_SIZE=7Gi", "single_pod_volume_size",
    lambda w: equal(at(job(w), POD + ".volumes.0.emptyDir.sizeLimit"), "7Gi"))
row("3.3", "KUBERNETES_JOB_VOLUME_TYPE=pvc: the claim", "single_pod_claim",
    lambda w: equal(w.kube.created["persistentvolumeclaims"][0]["spec"]["accessModes"],
                    ["ReadWriteOnce"]) or
    equal(at(w.kube.created["persistentvolumeclaims"][0], "spec.resources.requests.storage"), "20Gi"))
row("3.3", "LUNEXEC_JOB_STORAGE_CLASS: the claim's class", "single_pod_claim",
    lambda w: equal(at(w.kube.created["persistentvolumeclaims"][0], "spec.storageClassName"), "fast"))
row("3.3", "KUBERNETES_JOB_VOLUME_TYPE=pvc: the pod's volume", "single_pod_claim",
    lambda w: equal(at(job(w), POD + ".volumes.0"),
                    {"name": "job-data", "persistentVolumeClaim": {"claimName": NAME + "-pvc"}}))
row("6.2", "the workspace is mounted at /job everywhere", "single_pod_defaults",
    lambda w: look(w, "*.volumeMounts", [{"name": "job-data", "mountPath": "/job"}]))
row("6.3", "no affinity at all when nothing asks for it", "single_pod_defaults",
    lambda w: equal(at(job(w), POD + ".affinity"), None))
row("6.3", "no empty affinity terms (contract 11.4)", "single_pod_all_set",
    lambda w: '"topologyKey": ""' not in json.dumps(job(w)) and "{}" not in
    json.dumps(at(job(w), POD + ".affinity")))
row("12f", "pods get no service account token", "single_pod_defaults",
    lambda w: equal(at(job(w), POD + ".automountServiceAccountToken"), False))

URL = "/.executors/git/github.com/acme/widgets"
COMMIT = payload()["commit"]
for n, fragment in enumerate((
        "set -e; ", "mkdir -p repository; ", "git -C repository init; ",
        "git -C repository config --local gc.auto 0; ", "protocol.version=2 fetch ",
        f" origin {COMMIT}; ", "mkdir -p .sourcegraph-executor; ", "chmod +x nextIndex.sh; "), 1):
    row("6.2", f"setup string, fragment {fragment.strip('; ')!r}", "single_pod_defaults",
        lambda w, fragment=fragment: has(setup(w), fragment))
row("6.2", "setup string: clone URL", "single_pod_defaults",
    lambda w: has(setup(w), f"git -C repository remote add origin {w.frontend.url}{URL}; "))
row("6.2", "setup string: git's CA, only when set", "single_pod_all_set",
    lambda w: has(setup(w), "git -C repository config --local http.sslCAInfo /certs/ca.pem; "))
row("6.2", "setup string: no CA otherwise", "single_pod_defaults",
    lambda w: "sslCAInfo" not in setup(w))
row("1.2", "git: the four headers", "single_pod_defaults",
    lambda w: has(setup(w), 'http.extraHeader="Authorization:Bearer $TOKEN"',
                  "http.extraHeader=X-Sourcegraph-Actor-UID:internal",
                  "http.extraHeader=X-Sourcegraph-Job-ID:42",
                  "http.extraHeader=X-Sourcegraph-Executor-Name:ex-"))
row("6.2", "setup string: shallow, no tags", "single_pod_defaults",
    lambda w: has(setup(w), "--no-tags", "--depth=1"))
row("5.3", "a path in the frontend URL is dropped in the clone URL", "path_in_url",
    lambda w: has(setup(w), w.frontend.url + URL) or "/sub/.executors/git" not in setup(w))
row("6.2", "repositoryDirectory \"\" is the workspace's root", "no_keys",
    lambda w: has(setup(w), "git -C . init; "))
row("6.2", "a step looks into skip.json first", "single_pod_defaults",
    lambda w: has(containers(w)[2]["args"][0],
                  "/job/nextIndex.sh /job/skip.json step.kubernetes.step.0.run",
                  "/job/.sourcegraph-executor/42.1_github.com_acme_widgets@" + COMMIT + ".sh"))

# --- 7.5 and names

row("7.5", "Job and Secret are deleted", "single_pod_defaults",
    lambda w: equal([w.kube.deleted[k] for k in ("jobs", "secrets")], [[NAME], [NAME + "-secrets"]]))
row("7.5", "the claim is deleted", "single_pod_claim",
    lambda w: equal(w.kube.deleted["persistentvolumeclaims"], [NAME + "-pvc"]))
row("3.3", "KUBERNETES_KEEP_JOBS: nothing is deleted", "keep_jobs",
    lambda w: equal([len(d) for d in w.kube.deleted.values()], [0] * 4))
row("3.3", "KUBERNETES_KEEP_JOBS: no time to live either", "keep_jobs",
    lambda w: equal(at(job(w), "spec.ttlSecondsAfterFinished"), None))
row("11.1", "several queues: the queue is in the name", "queue_in_name",
    lambda w: equal(job(w)["metadata"]["name"], "sg-executor-job-codeintel-42"))
row("3.3", "KUBERNETES_SINGLE_JOB_POD=true wins over the volume's name", "single_pod_setting_wins",
    lambda w: equal(made(w), [("secrets", NAME + "-secrets"), ("jobs", NAME)]))
