"""What an operator of the original brings along: every setting, many jobs at once, skipped steps,
volumes of their own, a namespace that is strict about its pods."""
import contextlib
import json
import signal
import time

import api
from checks import equal, holds
from layouttests import finish, offer, output, shared_settings, shared_volume, step

TESTS = []
AT_ONCE = 8
EVERY_SETTING = {
    "EXECUTOR_KUBERNETES_NODE_SELECTOR": "disk=ssd,zone=a",
    "EXECUTOR_KUBERNETES_NODE_REQUIRED_AFFINITY_MATCH_EXPRESSIONS":
        '[{"key":"kind","operator":"In","values":["build"]}]',
    "EXECUTOR_KUBERNETES_NODE_REQUIRED_AFFINITY_MATCH_FIELDS":
        '[{"key":"metadata.name","operator":"In","values":["node1"]}]',
    "EXECUTOR_KUBERNETES_POD_AFFINITY":
        '[{"labelSelector":{"matchLabels":{"app":"cache"}},"topologyKey":"kubernetes.io/hostname"}]',
    "EXECUTOR_KUBERNETES_POD_ANTI_AFFINITY":
        '[{"labelSelector":{"matchLabels":{"app":"db"}},"topologyKey":"kubernetes.io/hostname"}]',
    "EXECUTOR_KUBERNETES_NODE_TOLERATIONS":
        '[{"key":"build","operator":"Equal","value":"yes","effect":"NoSchedule"}]',
    "EXECUTOR_KUBERNETES_RESOURCE_LIMIT_CPU": "2",
    "EXECUTOR_KUBERNETES_RESOURCE_REQUEST_CPU": "100m",
    "KUBERNETES_JOB_DEADLINE": "600", "KUBERNETES_RUN_AS_USER": "0", "KUBERNETES_RUN_AS_GROUP": "0",
    "KUBERNETES_FS_GROUP": "2000", "KUBERNETES_JOB_VOLUME_SIZE": "1Gi",
    "KUBERNETES_JOB_ANNOTATIONS": '{"team":"widgets"}',
    "KUBERNETES_JOB_POD_ANNOTATIONS": '{"sidecar.istio.io/inject":"false"}',
    "KUBERNETES_IMAGE_PULL_SECRETS": "one,two", "KUBERNETES_JOB_HOST_NETWORK": "true",
    "KUBERNETES_EXECUTOR_CONTAINER_SECURITY_CONTEXT": '{"allowPrivilegeEscalation":false}',
    "KUBERNETES_ADDITIONAL_JOB_VOLUMES": '[{"name":"extra","emptyDir":{}}]',
    "KUBERNETES_ADDITIONAL_JOB_VOLUME_MOUNTS": '[{"name":"extra","mountPath":"/extra"}]',
    "KUBERNETES_GIT_CA_CERT": "/extra/ca.pem", "LUNEXEC_JOB_TTL": "1h",
}


def test(function):
    TESTS.append(function)
    return function


def strict(scene, settings):
    """What is created with these settings passes strict validation; the job is not run."""
    with contextlib.closing(api.Proxy(scene.directory)) as proxy:
        offer(scene, step("look", "true"))
        executor = scene.executor(proxy=proxy, **settings)

        def created():
            return [(path, json.loads(body)) for method, path, body, _ in proxy.requests
                    if method == "POST" and body]

        scene.frontend.wait(lambda: any(m["kind"] == "Job" for _, m in created()), 60, "the Job")
        executor.signal_twice(signal.SIGTERM)
        equal(executor.wait(90), 0, "exit status")
    for path, manifest in created():
        manifest["metadata"]["name"] += "-strict"
        api.call("POST", path.split("?")[0] + "?dryRun=All&fieldValidation=Strict", manifest)
    return next(manifest for _, manifest in created() if manifest["kind"] == "Job")


@test
def every_setting(scene):
    """With every setting given, the API server takes the Job of a single pod as it is."""
    pod = strict(scene, EVERY_SETTING)["spec"]["template"]["spec"]
    equal(pod["securityContext"]["runAsUser"], 0, "runAsUser")
    equal(pod["nodeSelector"], {"disk": "ssd", "zone": "a"}, "nodeSelector")


@test
def every_setting_shared(scene):
    """And that of a step on a shared volume."""
    with shared_volume(scene) as folder:
        pod = strict(scene, shared_settings(folder, **EVERY_SETTING))["spec"]["template"]["spec"]
        equal(pod["tolerations"][0]["key"], "build", "toleration")


@test
def additional_volume(scene):
    """A volume of the operator's is there in every container."""
    job = offer(scene, step("write", "echo kept > /extra/file"), step("read", "cat /extra/file"))
    scene.executor(**{name: EVERY_SETTING[name] for name in (
        "KUBERNETES_ADDITIONAL_JOB_VOLUMES", "KUBERNETES_ADDITIONAL_JOB_VOLUME_MOUNTS")})
    finish(scene, job)
    holds("kept" in output(job, "read"), "what the second step reads")


@test
def restricted_namespace(scene):
    """Pod Security `restricted` accepts the pods when a user is given."""
    api.call("PATCH", f"{api.COLLECTIONS['Namespace']}/{scene.namespace.name}",
             {"metadata": {"labels": {"pod-security.kubernetes.io/enforce": "restricted"}}},
             "application/merge-patch+json")
    job = offer(scene, step("who", "id -u", "cat README.md", "echo mine > mine.txt"))
    scene.executor(KUBERNETES_RUN_AS_USER="1000", KUBERNETES_RUN_AS_GROUP="1000")
    finish(scene, job)
    holds("1000" in output(job, "who"), "the step's user")


def skipping(scene, settings):
    """A step that names the next one to run; what lies between does nothing."""
    skip = "echo '{\"nextStep\":\"step.1.pre\"}' > /job/skip.json"
    job = offer(scene, step("step.0.pre", skip, directory="."),
                step("step.0.run", "echo never"), step("step.0.post", "echo never"),
                step("step.1.pre", "rm -f /job/skip.json", directory="."),
                step("step.1.run", "echo ran"))
    scene.executor(**settings)
    finish(scene, job)
    holds("ran" in output(job, "step.1.run"), "the step after the skipped ones")
    return [entry for entry in job.entries if entry.key.endswith(("0.run", "0.post"))]


@test
def skipped_steps(scene):
    """Skipped containers of a pod start, do nothing, and end well."""
    for entry in skipping(scene, {}):
        equal((entry.exit_code, entry.out), (0, ""), entry.key)


@test
def skipped_steps_shared(scene):
    """On a shared volume a skipped step has no Job and no entry."""
    with shared_volume(scene) as folder:
        equal(skipping(scene, shared_settings(folder)), [], "entries of skipped steps")


@test
def thirty_jobs(scene):
    """Never more jobs at once than allowed; all complete, and nothing is left."""
    offered = [offer(scene, step("work", "sleep 1")) for _ in range(30)]
    scene.executor(EXECUTOR_MAXIMUM_NUM_JOBS=str(AT_ONCE))
    most, deadline = 0, time.monotonic() + 240
    while not all(job.marked_at for job in offered):
        holds(time.monotonic() < deadline, f"{sum(bool(j.marked_at) for j in offered)} of 30 done")
        most = max(most, len(api.call("GET", scene.namespace.collection("Job"))["items"]))
        time.sleep(0.1)
    equal({job.state for job in offered}, {"completed"}, "states")
    holds(AT_ONCE - 2 <= most <= AT_ONCE, f"{most} jobs at once")
    scene.note(f"at most {most} Jobs at once")
    scene.check_clean(60)


thirty_jobs.alone = True
