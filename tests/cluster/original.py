"""The objects that the original's chart and its Kustomize component install, written from its
documentation, with nothing changed but the image."""
import json

import api
import deployed
import jobs
from executor import PASSWORD

CLAIM = "sg-executor-pvc"
RELEASE = "sg-executor"
NEAR_EXECUTOR = [{"topologyKey": "kubernetes.io/hostname", "labelSelector": {
    "matchExpressions": [{"key": "app", "operator": "In", "values": ["executor"]}]}}]
BLANK = (
    "EXECUTOR_QUEUE_NAMES", "EXECUTOR_KUBERNETES_CONFIG_PATH", "EXECUTOR_KUBERNETES_NODE_NAME",
    "EXECUTOR_KUBERNETES_NODE_SELECTOR", "EXECUTOR_KUBERNETES_NODE_TOLERATIONS",
    "EXECUTOR_KUBERNETES_NODE_REQUIRED_AFFINITY_MATCH_EXPRESSIONS",
    "EXECUTOR_KUBERNETES_NODE_REQUIRED_AFFINITY_MATCH_FIELDS", "EXECUTOR_KUBERNETES_POD_AFFINITY",
    "EXECUTOR_KUBERNETES_POD_ANTI_AFFINITY", "EXECUTOR_KUBERNETES_RESOURCE_LIMIT_CPU",
    "EXECUTOR_KUBERNETES_RESOURCE_REQUEST_CPU", "KUBERNETES_RUN_AS_USER", "KUBERNETES_RUN_AS_GROUP")
GIVEN = {
    "EXECUTOR_QUEUE_NAME": "batches", "EXECUTOR_MAXIMUM_NUM_JOBS": "10",
    "EXECUTOR_MAXIMUM_RUNTIME_PER_JOB": "30m", "EXECUTOR_USE_FIRECRACKER": "false",
    "EXECUTOR_DOCKER_ADD_HOST_GATEWAY": "false", "EXECUTOR_KEEP_WORKSPACES": "false",
    "EXECUTOR_KUBERNETES_RESOURCE_REQUEST_MEMORY": "64Mi",
    "EXECUTOR_KUBERNETES_RESOURCE_LIMIT_MEMORY": "512Mi", "KUBERNETES_FS_GROUP": "1000",
    "KUBERNETES_JOB_DEADLINE": "1200", "KUBERNETES_KEEP_JOBS": "false", "SRC_LOG_LEVEL": "warn",
    "SRC_LOG_FORMAT": "condensed", "SRC_TRACE_LOG": "false"}
RULES = [
    {"apiGroups": ["batch"], "resources": ["jobs"], "verbs": ["create", "delete"]},
    {"apiGroups": [""], "resources": ["pods", "pods/log"], "verbs": ["get", "list", "watch"]},
    {"apiGroups": [""], "resources": ["secrets"], "verbs": ["create", "delete", "get", "list"]},
    {"apiGroups": [""], "resources": ["persistentvolumeclaims"],
     "verbs": ["create", "delete", "get", "list"]}]
PROBE = {"exec": {"command": ["/usr/bin/pgrep", "-f", "/usr/local/bin/executor"]}}


def rights(account, role, rules):
    group = "rbac.authorization.k8s.io"
    return [
        {"apiVersion": "v1", "kind": "ServiceAccount", "metadata": {"name": account}},
        {"apiVersion": f"{group}/v1", "kind": "Role", "metadata": {"name": role}, "rules": rules},
        {"apiVersion": f"{group}/v1", "kind": "RoleBinding",
         "metadata": {"name": "sg-executor-role-binding"},
         "roleRef": {"apiGroup": group, "kind": "Role", "name": role},
         "subjects": [{"kind": "ServiceAccount", "name": account}]}]


def deployment(name, account, container, more_labels=None, **spec):
    labels = {"app": name, **(more_labels or {})}
    container = {"name": name, "image": deployed.IMAGE, "imagePullPolicy": "Never",
                 "livenessProbe": {**PROBE, "initialDelaySeconds": 15, "timeoutSeconds": 5},
                 "readinessProbe": {**PROBE, "periodSeconds": 5}, **container}
    return {
        "apiVersion": "apps/v1", "kind": "Deployment", "metadata": {"name": name},
        "spec": {"replicas": 1, "minReadySeconds": 10, "selector": {"matchLabels": labels},
                 "strategy": {"type": "RollingUpdate",
                              "rollingUpdate": {"maxSurge": 1, "maxUnavailable": 1}},
                 "template": {"metadata": {"labels": labels}, "spec": {
                     "serviceAccountName": account, "containers": [container], **spec}}}}


def helm(scene):
    """What `sourcegraph-executor-k8s` 7.6 installs for the queue `batches`."""
    name = "executor-batches"
    data = {**dict.fromkeys(BLANK, ""), **GIVEN, "EXECUTOR_FRONTEND_URL": scene.frontend.url,
            "EXECUTOR_KUBERNETES_NAMESPACE": scene.namespace.name}
    port = {"name": "http-debug", "containerPort": 6060}
    return [
        *rights("sg-executor", "sg-executor-role", RULES),
        {"apiVersion": "v1", "kind": "Secret", "metadata": {"name": name},
         "stringData": {"EXECUTOR_FRONTEND_PASSWORD": PASSWORD}},
        {"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": name}, "data": data},
        {"apiVersion": "v1", "kind": "Service", "metadata": {"name": name},
         "spec": {"selector": {"app": name}, "ports": [
             {"name": "http-debug", "port": 6060, "targetPort": "http-debug"}]}},
        deployment(name, "sg-executor", {
            "envFrom": [{"configMapRef": {"name": name}}, {"secretRef": {"name": name}}],
            "env": [{"name": "KUBERNETES_JOB_STEP_IMAGE", "value": jobs.HELPER},
                    {"name": "KUBERNETES_IMAGE_PULL_POLICY", "value": "Never"}],
            "ports": [port], "terminationMessagePolicy": "FallbackToLogsOnError",
            "resources": {"requests": {"cpu": "100m", "memory": "200Mi"},
                          "limits": {"cpu": "1", "memory": "1Gi"}},
            "securityContext": {"privileged": False}},
            more_labels={"app.kubernetes.io/name": "sourcegraph-executor-k8s",
                         "app.kubernetes.io/instance": RELEASE})]


def kustomize(scene):
    """What the component `executors/k8s` installs, with what its example leaves out."""
    env = [{"name": "EXECUTOR_FRONTEND_PASSWORD", "valueFrom": {
        "secretKeyRef": {"name": "executor-secret", "key": "password"}}}]
    data = {"EXECUTOR_FRONTEND_URL": scene.frontend.url, "EXECUTOR_MAXIMUM_NUM_JOBS": "8",
            "EXECUTOR_QUEUE_NAME": "batches", "EXECUTOR_QUEUE_NAMES": "",
            "EXECUTOR_USE_FIRECRACKER": "false",
            "EXECUTOR_KUBERNETES_PERSISTENCE_VOLUME_NAME": CLAIM,
            "EXECUTOR_KUBERNETES_POD_AFFINITY": json.dumps(NEAR_EXECUTOR),
            "EXECUTOR_KUBERNETES_NAMESPACE": scene.namespace.name,
            "EXECUTOR_KUBERNETES_RESOURCE_REQUEST_MEMORY": "64Mi",
            "KUBERNETES_JOB_STEP_IMAGE": jobs.HELPER, "KUBERNETES_IMAGE_PULL_POLICY": "Never"}
    rules = RULES[:2] + [{"apiGroups": [""], "resources": ["secrets"], "verbs": ["create", "delete"]}]
    return [
        *rights("executor", "executor", rules),
        {"apiVersion": "v1", "kind": "Secret", "metadata": {"name": "executor-secret"},
         "stringData": {"password": PASSWORD}},
        {"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": "executor-config"},
         "data": data},
        {"apiVersion": "v1", "kind": "Service", "metadata": {"name": "executor"},
         "spec": {"selector": {"app": "executor"}, "ports": [
             {"name": "debug", "port": 6060, "targetPort": "debug"}]}},
        deployment("executor", "executor", {
            "envFrom": [{"configMapRef": {"name": "executor-config"}}], "env": env,
            "volumeMounts": [{"name": "data", "mountPath": "/data"}]},
            volumes=[{"name": "data", "persistentVolumeClaim": {"claimName": CLAIM}}])]


def installed(scene, manifests):
    """Applies them; the executor's pod is ready when this returns."""
    found = deployed.Deployment(scene, manifests)
    try:
        found.wait_ready()
    except BaseException:
        found.describe()
        raise
    return found


def endpoints(scene, service):
    """Addresses behind the service."""
    path = f"/api/v1/namespaces/{scene.namespace.name}/endpoints/{service}"
    subsets = api.call("GET", path).get("subsets") or []
    return [address["ip"] for subset in subsets for address in subset.get("addresses", [])]
