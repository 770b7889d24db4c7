"""Contract section 3: environment variables and the command line; operations 1a to 1c."""
import os
import pathlib
import re
import subprocess
import tempfile

from executor import BINARY, Executor, environment
from frontend import PASSWORD, Frontend
from kube import Kube
from suite import equal, has, row, scenario, scenarios

BASE = {"EXECUTOR_FRONTEND_URL": "http://127.0.0.1:9", "EXECUTOR_FRONTEND_PASSWORD": PASSWORD,
        "EXECUTOR_QUEUE_NAME": "batches", "KUBERNETES_SERVICE_HOST": "127.0.0.1",
        "KUBERNETES_SERVICE_PORT": "9"}


class Finished:
    """What a program that came to its end by itself said."""

    def __init__(self, settings, argv=("lunexec", "run")):
        with tempfile.TemporaryDirectory() as home:
            config = pathlib.Path(home) / "config"
            config.write_text("apiVersion: v1\nkind: Config\ncurrent-context: c\n"
                              "clusters: [{name: c, cluster: {server: 'http://127.0.0.1:9'}}]\n"
                              "users: [{name: u, user: {token: t}}]\n"
                              "contexts: [{name: c, context: {cluster: c, user: u}}]\n")
            env = environment(home, **{"EXECUTOR_KUBERNETES_CONFIG_PATH": str(config), **settings})
            done = subprocess.run(argv, executable=BINARY, env=env, capture_output=True, text=True,
                                  stdin=subprocess.DEVNULL, timeout=20)
        self.status, self.out = done.returncode, done.stdout
        self.lines = [line.removeprefix("lunexec: ") for line in done.stderr.splitlines()]


def refused(section, sentence, settings, *words):
    """A row: these settings lead to exit status 1 and one line, which contains the words."""
    name = "refused: " + ", ".join(f"{k}={v}" for k, v in settings.items())

    def play(world):
        world.finished = Finished({**BASE, **settings})

    def check(world):
        equal((world.finished.status, len(world.finished.lines)), (1, 1))
        has(world.finished.lines[0], *words)
    scenarios[name] = play
    row(section, sentence, name, check)


def invalid(section, name, value, *words):
    """A row: the line names variable and value."""
    refused(section, f"{name}={value}", {name: value}, f'invalid {name} "{value}"', *words)


# --- 3.1 parsing rules: one bad value of each kind, whether it has an effect here or not

for name in ("EXECUTOR_MAXIMUM_NUM_JOBS", "EXECUTOR_NUM_TOTAL_JOBS", "EXECUTOR_JOB_NUM_CPUS",
             "EXECUTOR_FIRECRACKER_NUM_CPUS", "EXECUTOR_FIRECRACKER_BANDWIDTH_INGRESS",
             "EXECUTOR_FIRECRACKER_BANDWIDTH_EGRESS", "KUBERNETES_JOB_DEADLINE",
             "KUBERNETES_RUN_AS_USER", "KUBERNETES_RUN_AS_GROUP", "KUBERNETES_FS_GROUP",
             "SRC_HTTP_CLI_INTERNAL_RETRY_MAX_ATTEMPTS"):
    invalid("3.1", name, "1.5", "must be a whole number")
for name in ("EXECUTOR_QUEUE_POLL_INTERVAL", "EXECUTOR_MAXIMUM_RUNTIME_PER_JOB",
             "EXECUTOR_MAX_ACTIVE_TIME", "EXECUTOR_CLEANUP_TASK_INTERVAL",
             "SRC_HTTP_CLI_INTERNAL_RETRY_DELAY_BASE"):
    invalid("3.1", name, "30", "must be a duration")
for name in ("EXECUTOR_KEEP_WORKSPACES", "EXECUTOR_DOCKER_ADD_HOST_GATEWAY", "KUBERNETES_KEEP_JOBS",
             "EXECUTOR_ENABLE_JOB_AUDIT_LOGGING", "KUBERNETES_SINGLE_JOB_POD",
             "KUBERNETES_JOB_HOST_NETWORK", "EXECUTOR_USE_FIRECRACKER"):
    invalid("3.1", name, "yes", "must be true or false")


@scenario
def nothing_set(w):
    w.finished = Finished({"EXECUTOR_KUBERNETES_CONFIG_PATH": None})


@scenario
def program_name(w):
    """Started under another name, with a variable of its own for that name."""
    w.finished = Finished({**BASE, "EXECUTOR_MAXIMUM_NUM_JOBS_my_executor": "many",
                           "EXECUTOR_MAXIMUM_NUM_JOBS": "3"}, ("/opt/my-executor", "run"))


@scenario
def empty_values(w):
    """What the chart renders for everything that its user left out."""
    empty = {name: "" for name in (
        "EXECUTOR_QUEUE_NAMES", "KUBERNETES_RUN_AS_USER", "KUBERNETES_RUN_AS_GROUP",
        "KUBERNETES_FS_GROUP", "EXECUTOR_KUBERNETES_NODE_NAME", "KUBERNETES_JOB_ANNOTATIONS",
        "EXECUTOR_MAXIMUM_RUNTIME_PER_JOB", "EXECUTOR_KUBERNETES_RESOURCE_LIMIT_MEMORY",
        "KUBERNETES_SINGLE_JOB_POD", "KUBERNETES_JOB_VOLUME_TYPE", "EXECUTOR_USE_FIRECRACKER")}
    validate(w, EXECUTOR_QUEUE_NAME="batches", **empty)


def validate(w, **settings):
    w.frontend = w.frontend or Frontend()
    w.kube = w.kube or Kube()
    w.executor = Executor(w.frontend, w.kube, "validate", **settings)
    w.status = w.executor.wait()


def lines(world):
    return [line.removeprefix("lunexec: ") for line in world.log.splitlines()]


row("3.1", "all problems are told together, one line each, status 1", "nothing_set",
    lambda w: equal((w.finished.status, [line.split(" is not ")[0].split(":")[0]
                                         for line in w.finished.lines]),
                    (1, ["EXECUTOR_FRONTEND_URL", "EXECUTOR_FRONTEND_PASSWORD",
                         "neither EXECUTOR_QUEUE_NAME nor EXECUTOR_QUEUE_NAMES is set",
                         "no Kubernetes credentials"])))
row("3.1", "<NAME>_<program> goes before <NAME>, with _ for -", "program_name",
    lambda w: equal(w.finished.lines,
                    ['invalid EXECUTOR_MAXIMUM_NUM_JOBS_my_executor "many": must be a whole number']))
row("3.1", "set but empty counts as unset (operations 12b.2)", "empty_values",
    lambda w: equal((w.status, w.out), (0, "All checks passed!\n")))

# --- 3.2 core variables

invalid("3.2", "EXECUTOR_FRONTEND_URL", "sourcegraph.example.com", "must be in the format scheme://host")
invalid("3.2", "EXECUTOR_FRONTEND_URL", "ftp://sourcegraph.example.com")
invalid("3.2", "EXECUTOR_FRONTEND_URL", "http://", "scheme://host")
refused("3.2", "user and password of a URL are not shown",
        {"EXECUTOR_FRONTEND_URL": "ftp://user:pass@word@host"},
        'invalid EXECUTOR_FRONTEND_URL "ftp://***@host"')
refused("3.2", "host.docker.internal needs the gateway flag",
        {"EXECUTOR_FRONTEND_URL": "http://host.docker.internal:3080"},
        "EXECUTOR_DOCKER_ADD_HOST_GATEWAY must be true")
refused("3.2", "the URL is required", {"EXECUTOR_FRONTEND_URL": ""}, "EXECUTOR_FRONTEND_URL is not set")
refused("3.2", "the password is required", {"EXECUTOR_FRONTEND_PASSWORD": ""},
        "EXECUTOR_FRONTEND_PASSWORD is not set")
refused("3.2", "one of the queue variables is required", {"EXECUTOR_QUEUE_NAME": ""},
        "neither EXECUTOR_QUEUE_NAME nor EXECUTOR_QUEUE_NAMES is set")
refused("3.2", "not both queue variables", {"EXECUTOR_QUEUE_NAMES": "batches,codeintel"},
        "both EXECUTOR_QUEUE_NAME and EXECUTOR_QUEUE_NAMES are set")
invalid("3.2", "EXECUTOR_QUEUE_NAME", "batch", "batches", "codeintel")
refused("3.2", "EXECUTOR_QUEUE_NAMES: an unknown name",
        {"EXECUTOR_QUEUE_NAME": "", "EXECUTOR_QUEUE_NAMES": "batches,index"},
        'invalid EXECUTOR_QUEUE_NAMES "batches,index"', '"index"', "separated by commas")
refused("3.2", "EXECUTOR_QUEUE_NAMES is not trimmed",
        {"EXECUTOR_QUEUE_NAME": "", "EXECUTOR_QUEUE_NAMES": "batches, codeintel"}, '" codeintel"')
refused("3.2", "Firecracker is refused", {"EXECUTOR_USE_FIRECRACKER": "true"},
        "EXECUTOR_USE_FIRECRACKER", "Kubernetes")
refused("3.2", "EXECUTOR_USE_KUBERNETES=false is refused", {"EXECUTOR_USE_KUBERNETES": "false"},
        "EXECUTOR_USE_KUBERNETES", "Docker")
refused("3.2", "EXECUTOR_DOCKER_AUTH_CONFIG is checked, and not shown",
        {"EXECUTOR_DOCKER_AUTH_CONFIG": '{"auths":{"r":{"auth":"c2VjcmV0"}}'},
        'invalid EXECUTOR_DOCKER_AUTH_CONFIG "***"', "failed to parse")
invalid("3.2", "EXECUTOR_DOCKER_ADDITIONAL_MOUNTS",
        "type=bind,source=/a,target=/b:type=bind,source=/c,target=/d",
        "failed to parse due to incorrect separator")
invalid("3.2", "EXECUTOR_DOCKER_ADDITIONAL_MOUNTS", "bind,/a,/b", "failed to parse mount spec")
invalid("3.2", "EXECUTOR_DOCKER_ADDITIONAL_MOUNTS", "type=bind,source=/a", "target is required")
invalid("3.2", "NODE_EXPORTER_URL", "localhost:9100", "scheme://host")
invalid("3.2", "SRC_LOG_LEVEL", "loud", "dbug, info, warn, error, crit")
invalid("3.2", "SRC_LOG_FORMAT", "xml", "logfmt, condensed, json")
invalid("3.2", "EXECUTOR_MAXIMUM_NUM_JOBS", "0", "must be from 1")
invalid("3.2", "EXECUTOR_MAXIMUM_NUM_JOBS", "-1", "must be from 1")

invalid("own", "LUNEXEC_MASK_PATTERNS", "ghp_{0}")
invalid("own", "LUNEXEC_GUARDRAILS", "{", "JSON")
invalid("own", "LUNEXEC_LOG_LIMIT_STEP", "64Q", "must be a number of bytes")
invalid("own", "LUNEXEC_JOB_TTL", "1s", "must be from 1m0s")
invalid("own", "LUNEXEC_FIREWALL_PROFILE", "open", "compatible|hardened")

# --- 3.3 Kubernetes variables

invalid("3.3", "EXECUTOR_KUBERNETES_NODE_SELECTOR", "disk", "comma separated list of key=value pairs")
invalid("3.3", "EXECUTOR_KUBERNETES_NODE_SELECTOR", "a=b=c", "key=value pairs")
invalid("3.3", "EXECUTOR_KUBERNETES_NODE_SELECTOR", "a=b,", "key=value pairs")
for name in ("EXECUTOR_KUBERNETES_NODE_REQUIRED_AFFINITY_MATCH_EXPRESSIONS",
             "EXECUTOR_KUBERNETES_NODE_REQUIRED_AFFINITY_MATCH_EXPRESSION",
             "EXECUTOR_KUBERNETES_NODE_REQUIRED_AFFINITY_MATCH_FIELDS",
             "EXECUTOR_KUBERNETES_POD_AFFINITY", "EXECUTOR_KUBERNETES_POD_ANTI_AFFINITY",
             "EXECUTOR_KUBERNETES_NODE_TOLERATIONS", "KUBERNETES_ADDITIONAL_JOB_VOLUMES",
             "KUBERNETES_ADDITIONAL_JOB_VOLUME_MOUNTS"):
    invalid("3.3", name, "[{]", "failed to parse")
    invalid("3.3", name, '{"key":"a"}', "must be a JSON array")
    invalid("3.3", name, '["a"]', "item 0 must be an object")
invalid("3.3", "EXECUTOR_KUBERNETES_NODE_REQUIRED_AFFINITY_MATCH_EXPRESSIONS",
        '[{"key":"a","operator":"Is"}]', "operator must be one of In|NotIn|")
invalid("3.3", "EXECUTOR_KUBERNETES_NODE_REQUIRED_AFFINITY_MATCH_FIELDS",
        '[{"operator":"In","values":["a"]}]', "must contain a key")
invalid("3.3", "EXECUTOR_KUBERNETES_POD_AFFINITY", '[{"labelSelector":{}}]', "must contain a topologyKey")
invalid("3.3", "EXECUTOR_KUBERNETES_POD_ANTI_AFFINITY", '[{"topologyKey":""}]',
        "must contain a topologyKey")
invalid("3.3", "EXECUTOR_KUBERNETES_NODE_TOLERATIONS", '[{"key":"a","tolerationSeconds":"60"}]',
        "tolerationSeconds must be a whole number")
invalid("3.3", "EXECUTOR_KUBERNETES_NODE_TOLERATIONS", '[{"effect":"NoRun"}]', "effect must be one of")
invalid("3.3", "KUBERNETES_ADDITIONAL_JOB_VOLUMES", '[{"emptyDir":{}}]', "must contain a name")
invalid("3.3", "KUBERNETES_ADDITIONAL_JOB_VOLUME_MOUNTS", '[{"name":"a"}]', "must contain a mountPath")
for name in ("EXECUTOR_KUBERNETES_RESOURCE_LIMIT_CPU", "EXECUTOR_KUBERNETES_RESOURCE_LIMIT_MEMORY",
             "EXECUTOR_KUBERNETES_RESOURCE_REQUEST_CPU",
             "EXECUTOR_KUBERNETES_RESOURCE_REQUEST_MEMORY", "KUBERNETES_JOB_VOLUME_SIZE"):
    invalid("3.3", name, "12GiB", "must be a Kubernetes quantity")
invalid("3.3", "KUBERNETES_JOB_VOLUME_TYPE", "hostPath", "emptyDir|pvc")
invalid("3.3", "KUBERNETES_IMAGE_PULL_POLICY", "Sometimes", "Always|Never|IfNotPresent")
for name in ("KUBERNETES_JOB_ANNOTATIONS", "KUBERNETES_JOB_POD_ANNOTATIONS"):
    invalid("3.3", name, "a=b", "failed to parse")
    invalid("3.3", name, '{"a":1}', '"a" must be a string')
invalid("3.3", "KUBERNETES_EXECUTOR_CONTAINER_SECURITY_CONTEXT", "[]", "must be a JSON object")
invalid("3.3", "KUBERNETES_RUN_AS_USER", "-2", "must be from -1 to 2147483647")
invalid("3.3", "KUBERNETES_RUN_AS_GROUP", "2147483648", "must be from -1 to 2147483647")
refused("3.3", "a kubeconfig that is not there",
        {"EXECUTOR_KUBERNETES_CONFIG_PATH": "/no/such/file"},
        'invalid EXECUTOR_KUBERNETES_CONFIG_PATH "/no/such/file"')

# --- what has no effect here is accepted

NO_EFFECT = {
    "EXECUTOR_DOCKER_AUTH_CONFIG": '{"auths":{}}', "EXECUTOR_VM_PREFIX": "vm",
    "EXECUTOR_DOCKER_ADDITIONAL_MOUNTS": "type=bind,source=/a,target=/b;type=tmpfs,target=/c",
    "EXECUTOR_FIRECRACKER_IMAGE": "i", "EXECUTOR_FIRECRACKER_KERNEL_IMAGE": "k",
    "EXECUTOR_FIRECRACKER_SANDBOX_IMAGE": "s", "EXECUTOR_FIRECRACKER_BANDWIDTH_INGRESS": "1",
    "EXECUTOR_VM_STARTUP_SCRIPT_PATH": "/s", "EXECUTOR_DOCKER_HOST_MOUNT_PATH": "/m",
    "EXECUTOR_DOCKER_REGISTRY_MIRROR_URL": "http://m", "EXECUTOR_CLEANUP_TASK_INTERVAL": "2m",
    "EXECUTOR_ENABLE_JOB_AUDIT_LOGGING": "true", "KUBERNETES_JOB_RETRY_BACKOFF_LIMIT": "6",
    "KUBERNETES_JOB_RETRY_BACKOFF_DURATION": "1s", "SRC_TRACE_LOG": "true",
    "SRC_PROF_HTTP": ":6061", "EXECUTOR_PORT": "tcp://10.0.0.1:6060",
    "EXECUTOR_SERVICE_HOST": "10.0.0.1", "EXECUTOR_BATCHES_PORT_6060_TCP_ADDR": "10.0.0.1",
    "EXECUTOR_SOMETHING_NEW_OF_A_LATER_RELEASE": "1", "KUBERNETES_PORT_443_TCP": "tcp://10.0.0.1",
}


@scenario
def no_effect(w):
    validate(w, **NO_EFFECT)


for name in NO_EFFECT:
    row("3.2", f"{name} is accepted in silence", "no_effect",
        lambda w, name=name: equal((w.status, name in w.log), (0, False)))


@scenario
def near_misses(w):
    validate(w, EXECUTOR_MAXIMUM_NUM_JOB="1", KUBERNETES_RUN_AS_USERS="1", EXECUTOR_QUEUE="batches",
             KUBERNETES_NAMESPACE="x", LUNEXEC_POLICY_DIRS="x")


for name, meant in (("EXECUTOR_MAXIMUM_NUM_JOB", "EXECUTOR_MAXIMUM_NUM_JOBS"),
                    ("KUBERNETES_RUN_AS_USERS", "KUBERNETES_RUN_AS_USER"),
                    ("KUBERNETES_NAMESPACE", "EXECUTOR_KUBERNETES_NAMESPACE"),
                    ("LUNEXEC_POLICY_DIRS", "LUNEXEC_POLICY_DIR")):
    row("3.2", f"{name} is ignored with a hint at {meant}", "near_misses",
        lambda w, name=name, meant=meant: equal(w.status, 0) or
        has(w.log, f"{name} is not a setting and is ignored: did you mean {meant}?"))

# --- 3.4 the command line


@scenario
def valid(w):
    validate(w)


@scenario
def bad_auth(w):
    w.frontend = Frontend()
    w.frontend.rule("auth", (401, ""))
    validate(w)


@scenario
def auth_500(w):
    w.frontend = Frontend()
    w.frontend.rule("auth", (500, "Executors are not configured on this instance"))
    validate(w)


@scenario
def no_frontend(w):
    validate(w, EXECUTOR_FRONTEND_URL="http://127.0.0.1:9")


@scenario
def old_git(w):
    with tempfile.TemporaryDirectory() as folder:
        git = pathlib.Path(folder) / "git"
        git.write_text("#!/bin/sh\necho git version 2.25.9\n")
        git.chmod(0o755)
        validate(w, PATH=f"{folder}:{os.environ['PATH']}")


@scenario
def no_git(w):
    validate(w, PATH="/no/such/folder")


@scenario
def bad_policy(w):
    with tempfile.TemporaryDirectory() as folder:
        (pathlib.Path(folder) / "policy.lua").write_text("return {\n  job = = 1\n}\n")
        validate(w, LUNEXEC_POLICY_DIR=folder)


@scenario
def no_policy(w):
    with tempfile.TemporaryDirectory() as folder:
        validate(w, LUNEXEC_POLICY_DIR=folder)


@scenario
def bad_folders(w):
    validate(w, KUBERNETES_SINGLE_JOB_POD="false", LUNEXEC_SPOOL_DIR="/no/spool",
             LUNEXEC_WORKSPACE_DIR="/no/data")


@scenario
def claim_by_name_only(w):
    validate(w, EXECUTOR_KUBERNETES_PERSISTENCE_VOLUME_NAME="pvc", LUNEXEC_WORKSPACE_DIR="/no/data")


@scenario
def forbidden(w):
    w.kube = Kube()
    w.kube.forbidden = {("create", "jobs"), ("delete", "secrets"), ("list", "pods")}
    validate(w)


@scenario
def forbidden_claims(w):
    w.kube = Kube()
    w.kube.forbidden = {("create", "persistentvolumeclaims"), ("delete", "persistentvolumeclaims")}
    validate(w, KUBERNETES_JOB_VOLUME_TYPE="pvc")


@scenario
def claims_not_needed(w):
    w.kube = Kube()
    w.kube.forbidden = {("create", "persistentvolumeclaims"), ("delete", "persistentvolumeclaims")}
    validate(w)


@scenario
def no_cluster(w):
    w.kube = Kube()
    w.kube.refusals[("list", "pods")] = [(401, {"kind": "Status", "message": "Unauthorized"})] * 9
    validate(w)


@scenario
def commands(w):
    with_path = {"PATH": os.environ["PATH"]}
    w.unknown = Finished(with_path, ("lunexec", "instal"))
    w.sanity = Finished({**with_path, "SANITY_CHECK": "true"}, ("lunexec",))
    w.default = Finished(with_path, ("lunexec",))
    w.help = Finished(with_path, ("lunexec", "run", "--help"))
    w.wrong = [Finished(with_path, ("lunexec", *argv)) for argv in
               (("run", "now"), ("validate", "now"), ("settings", "now"),
                ("settings", "--markdown", "now"))]
    w.told = [Finished(with_path, ("lunexec", word)).out for word in ("help", "-h", "version")]


row("3.4", "validate: All checks passed!, status 0", "valid",
    lambda w: equal((w.status, w.out, w.log), (0, "All checks passed!\n", "")))
row("3.4", "validate asks test/auth with token-executor", "valid",
    lambda w: equal([(c.method, c.path, c.headers["Authorization"]) for c in w.frontend.calls],
                    [("GET", "/.executors/test/auth", f"token-executor {PASSWORD}")]))
row("3.4", "validate makes nothing in the cluster", "valid",
    lambda w: equal([len(made) for made in w.kube.created.values()], [0] * 4))
row("3.4", "validate: 401", "bad_auth",
    lambda w: equal((w.status, lines(w)), (1, [
        "failed to authorize with frontend, is executors.accessToken set correctly in the "
        "site-config?"])))
row("3.4", "validate: another status", "auth_500",
    lambda w: equal((w.status, lines(w)), (1, [
        "failed to validate authorization token: unexpected status code 500"])))
row("3.4", "validate: no frontend there", "no_frontend",
    lambda w: equal((w.status, len(lines(w))), (1, 1)) or has(w.log, "EXECUTOR_FRONTEND_URL"))
row("3.4", "validate: git too old", "old_git",
    lambda w: equal((w.status, lines(w)), (1, [
        "git version is too old, install at least git 2.26, current version: 2.25.9"])))
row("3.4", "validate: no git", "no_git",
    lambda w: equal((w.status, lines(w)), (1, ["git cannot be run, install at least git 2.26"])))
row("3.4", "validate: a policy with a syntax error, with file and line", "bad_policy",
    lambda w: equal(w.status, 1) or has(w.log, "the policy cannot be used", "policy.lua:2"))
row("3.4", "validate: a policy directory without policy.lua", "no_policy",
    lambda w: equal((w.status, len(lines(w))), (1, 1)) or has(w.log, "LUNEXEC_POLICY_DIR"))
row("3.4", "validate: folders that cannot be written to", "bad_folders",
    lambda w: equal((w.status, len(lines(w))), (1, 2)) or
    has(w.log, 'LUNEXEC_SPOOL_DIR "/no/spool"', 'LUNEXEC_WORKSPACE_DIR "/no/data"'))
row("12a", "/data may be absent though the claim is named", "claim_by_name_only",
    lambda w: equal(w.status, 0) or has(w.log, "/no/data cannot be written to", "one pod"))
for verb, kind in (("create", "jobs"), ("delete", "secrets"), ("list", "pods")):
    row("3.4", f"validate: tells that the account may not {verb} {kind}", "forbidden",
        lambda w, verb=verb, kind=kind: equal((w.status, len(lines(w))), (1, 3)) or
        has(w.log, f'may not {verb} {kind} in namespace "default"'))
row("3.4", "validate: claims are asked about where they are made", "forbidden_claims",
    lambda w: equal((w.status, len(lines(w))), (1, 2)))
row("3.4", "validate: and only there", "claims_not_needed", lambda w: equal(w.status, 0))
row("3.4", "validate: credentials that the API server refuses", "no_cluster",
    lambda w: equal((w.status, len(lines(w))), (1, 1)) or has(w.log, "kubeconfig"))
row("3.4", "an unknown command: a message and status 1", "commands",
    lambda w: equal(w.unknown.status, 1) or has(w.unknown.lines[0], 'unknown command "instal"'))
row("3.4", "SANITY_CHECK=true: status 0 at once", "commands", lambda w: equal(w.sanity.status, 0))
row("3.4", "without a command: run", "commands",
    lambda w: equal(w.default.status, 1) or has(w.default.lines[0], "EXECUTOR_FRONTEND_URL"))
row("3.4", "run --help lists the settings", "commands",
    lambda w: equal(w.help.status, 0) or has(w.help.out, "EXECUTOR_FRONTEND_URL", "LUNEXEC_"))
row("3.4", "commands that take no arguments: status 2", "commands",
    lambda w: equal([done.status for done in w.wrong], [2] * 4) or
    [has(done.lines[0], 'no argument "now"') for done in w.wrong] != [])
row("3.4", "help and version", "commands",
    lambda w: equal(w.told[0], w.told[1]) or has(w.told[0], "usage: lunexec", "validate") or
    equal(re.fullmatch(r"lunexec \d+\.\d+\.\d+\n", w.told[2]) is not None, True))
