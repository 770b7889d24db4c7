"""The chart and the kustomizations of deploy/; run by tests/deploy/run."""
import collections
import importlib.machinery
import importlib.util
import json
import sys
import tempfile
import traceback

import golden
from chart import (CHART, HERE, KUSTOMIZE, NAMESPACE, ROOT, built, container, environment, equal, overlay,
                   refused, rendered, run)

EXAMPLES = CHART.parent / "examples"
TOLERATION = {"key": "pool", "operator": "Equal", "value": "jobs", "effect": "NoSchedule"}


def lint():
    files = [*(HERE / "values").iterdir(), *EXAMPLES.iterdir()]
    for values in ([], *(["-f", file] for file in files)):
        done = run("helm", "lint", "--strict", CHART, *values)
        assert done.returncode == 0, done.stdout + done.stderr


def generated():
    """What is generated is up to date."""
    done = run(ROOT / "deploy/generate", "--check")
    assert done.returncode == 0, done.stdout + done.stderr


def rights_of_calls():
    """A call of the Kubernetes API without its right is an error, and so is a right without a call."""
    loader = importlib.machinery.SourceFileLoader("generate", str(ROOT / "deploy/generate"))
    spec = importlib.util.spec_from_loader("generate", loader)
    generate = importlib.util.module_from_spec(spec)
    loader.exec_module(generate)
    call = "  call = lx_kube_delete(kube, LX_KUBE_POD,\n    name);"
    good = f"a();\n  // rbac: pods delete: why\n{call}"
    equal(list(generate.rights_in("x.c", good.splitlines())),
          [(False, "", "pods", "delete", "why", "x.c")])
    equal(list(generate.rights_in("x.c", f"// rbac none: why\n{call}".splitlines())), [])
    for text, words in {
            call: "x.c:1: this call", f"// rbac: pods delete: why\nb();\n{call}": "x.c:3: this call",
            f"// rbac: pods create: why\n{call}": "does not create",
            f"// rbac pods delete\n{call}": "neither",
            f"{good}\n// rbac: pods get: why\nb();": "x.c:5: no call",
            f"// rbac: pods remove: why\n{call}": "remove is no verb",
            "if (x)\n  lx_kube_send(kube);": "x.c:2: this call"}.items():
        try:
            list(generate.rights_in("x.c", text.splitlines()))
        except SystemExit as error:
            assert words in str(error), f"{words!r} is not in {error}"
        else:
            raise AssertionError(f"accepted: {text}")


def defaults():
    objects = rendered()
    equal(sorted(objects), sorted([
        ("ServiceAccount", "sg-executor"), ("Role", "sg-executor-role"),
        ("RoleBinding", "sg-executor-role-binding"), ("ConfigMap", "executor-batches"),
        ("Secret", "executor-batches"), ("Service", "executor-batches"),
        ("Deployment", "executor-batches")]))
    env = objects["ConfigMap", "executor-batches"]["data"]
    equal(len(env), 29)
    equal(env["EXECUTOR_FRONTEND_URL"], "http://sourcegraph-frontend:30080")
    equal(env["KUBERNETES_RUN_AS_USER"], "")
    context = container(objects, "executor-batches")["securityContext"]
    equal(context, {"allowPrivilegeEscalation": False, "readOnlyRootFilesystem": True,
                    "capabilities": {"drop": ["ALL"]}, "privileged": False})


def original_values():
    objects = rendered("-f", HERE / "values/original.yaml")
    env = environment(objects, "executor-batches")
    equal(json.loads(env["EXECUTOR_KUBERNETES_NODE_TOLERATIONS"]), [TOLERATION])
    equal(env["KUBERNETES_IMAGE_PULL_SECRETS"], "regcred")
    equal(env["EXECUTOR_MAXIMUM_NUM_JOBS"], "7")
    equal(container(objects, "executor-batches")["image"], "registry.example.com/sg/executor-kubernetes:7")
    pod = objects["Deployment", "executor-batches"]["spec"]["template"]
    for key, value in {"c": "d", "g": "h"}.items():
        equal(pod["metadata"]["labels"][key], value)
    equal(pod["spec"]["priorityClassName"], "high")
    equal(pod["spec"]["imagePullSecrets"], [{"name": "regcred"}])
    equal(objects["Service", "executor-batches"]["metadata"]["annotations"], {"k": "l"})
    equal(objects["Role", "sg-executor-role"]["metadata"]["namespace"], "jobs")


def zero_is_no_blank():
    env = environment(rendered("--set", "executor.kubernetesJob.runAsUser=0"), "executor-batches")
    equal(env["KUBERNETES_RUN_AS_USER"], "0")


def forms_of_json():
    """YAML, JSON, and JSON with escaped quotes are the same."""
    name = "EXECUTOR_KUBERNETES_NODE_TOLERATIONS"
    text = json.dumps([TOLERATION])
    for value in ([TOLERATION], text, text.replace('"', '\\"')):
        values = json.dumps({"executor": {"kubernetesJob": {"node": {"tolerations": value}}}})
        with tempfile.NamedTemporaryFile("w", suffix=".json") as file:
            file.write(values)
            file.flush()
            env = environment(rendered("-f", file.name), "executor-batches")
        equal(json.loads(env[name]), [TOLERATION])
    objects = rendered("--set", "executor.kubernetesJob.node.selector.disk=ssd")
    equal(environment(objects, "executor-batches")["EXECUTOR_KUBERNETES_NODE_SELECTOR"], "disk=ssd")


def queues():
    env = environment(rendered("--set", "executor.queueNames={batches,codeintel}"),
                      "executor-batches-codeintel")
    equal((env["EXECUTOR_QUEUE_NAME"], env["EXECUTOR_QUEUE_NAMES"]), ("", "batches,codeintel"))
    env = environment(rendered("--set", "executor.queueName=codeintel"), "executor-codeintel")
    equal((env["EXECUTOR_QUEUE_NAME"], env["EXECUTOR_QUEUE_NAMES"]), ("codeintel", ""))
    objects = rendered("--set", "lunexec.queues[0].name=batches,lunexec.queues[1].name=codeintel,"
                       "lunexec.queues[1].maximumNumJobs=2")
    for queue, jobs in (("batches", "10"), ("codeintel", "2")):
        env = environment(objects, f"executor-{queue}")
        equal((env["EXECUTOR_QUEUE_NAME"], env["EXECUTOR_MAXIMUM_NUM_JOBS"]), (queue, jobs))


def layouts():
    env = environment(rendered(), "executor-batches")
    assert "EXECUTOR_KUBERNETES_PERSISTENCE_VOLUME_NAME" not in env
    objects = rendered("--set", "lunexec.sharedVolume.existingClaim=work")
    equal(environment(objects, "executor-batches")["EXECUTOR_KUBERNETES_PERSISTENCE_VOLUME_NAME"], "work")
    assert {"name": "data", "mountPath": "/data"} in container(objects, "executor-batches")["volumeMounts"]


def state():
    """A claim of its own for each executor's state, or one of the operator's; one pod at a time."""
    queues = "lunexec.queues[0].name=batches,lunexec.queues[1].name=codeintel"
    objects = rendered("--set", f"{queues},lunexec.state.enabled=true,lunexec.state.storageClass=fast")
    for name in ("executor-batches", "executor-codeintel"):
        claim = objects["PersistentVolumeClaim", f"{name}-state"]["spec"]
        equal((claim["storageClassName"], claim["resources"]["requests"]["storage"]), ("fast", "1Gi"))
        spec = objects["Deployment", name]["spec"]
        equal(spec["strategy"], {"type": "Recreate"})
        assert {"name": "state", "persistentVolumeClaim": {"claimName": f"{name}-state"}} in \
            spec["template"]["spec"]["volumes"]
        assert "lifecycle" not in container(objects, name)
        equal(environment(objects, name)["LUNEXEC_STATE_DIR"], "/var/lib/lunexec")
    objects = rendered("--set", "lunexec.state.enabled=true,lunexec.state.existingClaim=mine,"
                       "lunexec.state.handOver=true")
    assert not any(kind == "PersistentVolumeClaim" for kind, _ in objects)
    pod = objects["Deployment", "executor-batches"]["spec"]["template"]["spec"]
    assert {"name": "state", "persistentVolumeClaim": {"claimName": "mine"}} in pod["volumes"]
    assert "-USR2" in pod["containers"][0]["lifecycle"]["preStop"]["exec"]["command"]


def rules_of_jobs(policies):
    """Egress rules by the pods that they are for; several policies of the same pods add up."""
    found = collections.defaultdict(list)
    for policy in policies:
        spec = policy["spec"]
        found[json.dumps(spec["podSelector"], sort_keys=True)] += [
            json.dumps(rule, sort_keys=True) for rule in spec["egress"]]
    return {selector: sorted(rules) for selector, rules in found.items()}


def network_policies():
    """The chart's policies for jobs are those that the program prints with the chart's settings."""
    on = "lunexec.networkPolicies.enabled=true"
    ours = "lunexec.networkPolicies.frontend"
    for options in ("", f",{ours}.namespace=other,{ours}.ports={{3080,3090}}",
                    f",{ours}.cidrs={{10.0.0.7/32}},{ours}.ports={{443}}",
                    ",lunexec.networkPolicies.dns.cidrs={169.254.20.10/32},"
                    "lunexec.networkPolicies.dns.ports={53}",
                    ",lunexec.networkPolicies.dns.namespace=dns,lunexec.networkPolicies.dns.ports={5353},"
                    "lunexec.networkPolicies.dns.pod_labels.app=dns", f",{ours}=null"):
        objects = rendered("--set", on + options)
        env = environment(objects, "executor-batches")
        done = run(golden.program(), "policy", "network", "--json", env={"PATH": "", **env})
        equal(done.returncode, 0)
        equal(rules_of_jobs(item for (kind, name), item in objects.items()
                            if kind == "NetworkPolicy" and name != "lunexec-executor"),
              rules_of_jobs(json.loads(done.stdout)))
    assert "LUNEXEC_NETWORK_FRONTEND" not in env
    component = overlay("resources: [../../deploy/kustomize/base]\n"
                        "components: [../../deploy/kustomize/components/network-policies]\n")
    rule = component["NetworkPolicy", "lunexec-jobs-frontend"]["spec"]["egress"]
    chart = rendered("--set", on)["NetworkPolicy", "lunexec-jobs-frontend"]["spec"]["egress"]
    chart[0]["to"][0]["namespaceSelector"] = {}
    equal(rule, chart)


def openshift():
    """The example asks for no user or group that a project may not have, and for nothing but what the
    SCC restricted-v2 allows, of the executor and of its jobs."""
    objects = rendered("-f", EXAMPLES / "openshift.yaml")
    env = environment(objects, "executor-batches")
    pod = objects["Deployment", "executor-batches"]["spec"]["template"]["spec"]
    job = golden.plans(env, golden.queue_job(golden.read("openshift", "task.json")))[0]
    for spec in (pod, job["spec"]["template"]["spec"]):
        equal(set(spec["securityContext"]) - {"seccompProfile", "runAsNonRoot"}, set())
        for one in spec.get("initContainers", []) + spec["containers"]:
            context = one["securityContext"]
            equal(set(context) & {"runAsUser", "runAsGroup"}, set())
            equal((context["allowPrivilegeEscalation"], context["capabilities"]), (False, {"drop": ["ALL"]}))
        for volume in spec["volumes"]:
            assert set(volume) & {"configMap", "emptyDir", "persistentVolumeClaim", "secret"}, volume
    expected = golden.read("openshift", "plan.json")
    found = golden.take_host_fields(job, expected)
    for at in (found, expected):
        for one in golden.containers(at):
            del one["resources"]  # the chart's are other ones
    equal(found, expected)
    dns = objects["NetworkPolicy", "lunexec-jobs"]["spec"]["egress"][0]
    equal([port["port"] for port in dns["ports"]], [5353, 5353])


def arm64():
    """The example puts the executor on arm64 nodes, and jobs where Sourcegraph's images run."""
    objects = rendered("-f", EXAMPLES / "arm64.yaml")
    pod = objects["Deployment", "executor-batches"]["spec"]["template"]["spec"]
    equal(pod["nodeSelector"], {"kubernetes.io/arch": "arm64"})
    job = golden.plans(environment(objects, "executor-batches"),
                       golden.queue_job(golden.read("defaults", "task.json")))[0]
    equal(job["spec"]["template"]["spec"]["nodeSelector"], {"kubernetes.io/arch": "amd64"})


def everything():
    objects = rendered("-f", HERE / "values/everything.yaml")
    for name in ("executor-batches", "executor-codeintel"):
        assert ("Secret", name) not in objects
        secret = container(objects, name)["env"][0]["valueFrom"]["secretKeyRef"]
        equal(secret["name"], "sourcegraph-token")
        assert ("PodDisruptionBudget", name) in objects
    equal(objects["ServiceAccount", "sg-executor-job"]["automountServiceAccountToken"], False)
    scripts = objects["ConfigMap", "executor-default-policy"]["data"]
    equal(scripts, {file.name: file.read_text() for file in (ROOT / "scripts").glob("*.lua")})
    equal(objects["Role", "sg-executor-role"]["metadata"]["namespace"], NAMESPACE)


def restarts():
    """A setting that is read at the start restarts the pod, a changed policy does not."""
    def annotations(*options):
        deployment = rendered(*options)["Deployment", "executor-batches"]
        return deployment["spec"]["template"]["metadata"]["annotations"]
    own = "lunexec.policy.files.policy\\.lua"
    one, two = (annotations("--set", f"{own}={text}") for text in ("a", "b"))
    equal(one, two)
    assert annotations() != annotations("--set", "executor.maximumNumJobs=3")
    assert annotations() != annotations("--set", "executor.frontendPassword=other")


def bad_values():
    """What is mistyped, or belongs to another chart, is refused by its name."""
    for value, words in {
            "lunexec.jbos.ttl=1h": ["jbos"],
            "executor.maximumNumJob=3": ["executor", "maximumNumJob"],
            "executor.kubernetesJob.nodeSelector=a": ["kubernetesJob", "nodeSelector"],
            "executor.kubernetesJob.resources.request.cpu=1": ["resources", "request"],
            "executor.image.pullPolicy=Always": ["executor/image", "pullPolicy"],
            "executor.log.levels=info": ["log", "levels"],
            "executor.env.A=b": ["executor", "env"],
            "sourcegraph.image.tag=7": ["sourcegraph/image", "tag"],
            "sourcegraph.podAnotations.a=b": ["sourcegraph", "podAnotations"],
            "lunexec.queues[0].name=batches,lunexec.queues[0].namespace=jobs": ["queues", "namespace"],
            "lunexec.jobs.volumeType=disk": ["volumeType", "emptyDir"],
            "executor.queueName=batch": ["queueName"],
            "executor.frontendUrl=frontend": ["frontendUrl"],
            "executor.kubernetesJob.node.tolerations=nonsense": ["node.tolerations", "nonsense"],
            "executor.kubernetesJob.node.selector=a": ["node.selector", '"a"'],
            "executor.queueName=batches,executor.queueNames={codeintel}": ["queueNames", "only one"],
            "lunexec.queues[0].name=batches,lunexec.queues[1].name=batches": ["executor-batches"],
            "lunexec.policy.existingConfigMap=a,lunexec.proxy.jobs=true": ["existingConfigMap"]}.items():
        said = refused("--set", value)
        for word in words:
            assert word in said, f"{value}: {word} is not in {said}"
    schema = json.loads((CHART / "values.schema.json").read_text())["properties"]
    keys = schema["lunexec"]["properties"]["queues"]["items"]["properties"]
    equal(set(keys) - {"name", "names"}, set(schema["executor"]["properties"]) - {
        "queueName", "queueNames", "namespace", "configureRbac", "replicas", "storageSize"})


def golden_jobs():
    """Original-chart values with every key lead to the golden Jobs, in both layouts."""
    names = golden.cases()
    assert {"every-setting", "every-setting-shared-volume", "empty-settings"} <= set(names), names
    wrong = {}
    for case in names:
        try:
            golden.golden(case)
        except AssertionError as error:
            wrong[case] = str(error)
    assert not wrong, "\n".join(f"{case}: {text}" for case, text in wrong.items())


def generated_policy():
    """What the chart adds to the policy makes the Jobs that it should."""
    objects = rendered("--set", "lunexec.jobs.serviceAccount=true,lunexec.proxy.jobs=true,"
                       "lunexec.proxy.https=http://proxy:3128")
    job = golden.queue_job(golden.read("defaults", "task.json"))
    pod = golden.plans(environment(objects, "executor-batches"), job,
                       objects["ConfigMap", "executor-policy"]["data"])[0]["spec"]["template"]["spec"]
    equal((pod["serviceAccountName"], pod["automountServiceAccountToken"]), ("sg-executor-job", False))
    for one in pod["initContainers"] + pod["containers"]:
        assert {"name": "https_proxy", "value": "http://proxy:3128"} in one["env"], one


def kustomize_base():
    objects = built(KUSTOMIZE / "base")
    assert ("Deployment", "lunexec") in objects
    objects = overlay("namespace: elsewhere\nresources: [../../deploy/kustomize/base]\n")
    for item in objects.values():
        equal(item["metadata"]["namespace"], "elsewhere")
        for subject in item.get("subjects", []):
            equal(subject["namespace"], "elsewhere")


def kustomize_components():
    names = sorted(path.name for path in (KUSTOMIZE / "components").iterdir())
    names.remove("sourcegraph-executor")
    for name in names:
        objects = overlay("resources: [../../deploy/kustomize/base]\n"
                          f"components: [../../deploy/kustomize/components/{name}]\n")
        assert objects["Deployment", "lunexec"], name
    built(KUSTOMIZE / "examples/own-policy")


def kustomize_over_the_original():
    """The upstream component becomes this executor; its defects do not stay."""
    objects = overlay("namespace: executors\nresources: []\ncomponents:\n  - ../../tests/deploy/upstream\n"
                      "  - ../../deploy/kustomize/components/sourcegraph-executor\n")
    one = container(objects, "executor")
    equal(one["image"], "lunexec:latest")
    assert {"name": "EXECUTOR_KUBERNETES_NAMESPACE", "valueFrom": {"fieldRef": {
        "fieldPath": "metadata.namespace"}}} in one["env"]
    assert any(variable["name"] == "EXECUTOR_FRONTEND_PASSWORD" for variable in one["env"])
    data = objects["ConfigMap", "executor-config"]["data"]
    equal(data["EXECUTOR_FRONTEND_URL"], "http://sourcegraph-frontend:30080")
    equal(data["EXECUTOR_KUBERNETES_POD_AFFINITY"], "")
    equal(objects["Service", "executor"]["spec"]["ports"][0]["targetPort"], 6060)
    equal(objects["RoleBinding", "sg-executor-role-binding"]["subjects"][0]["namespace"], "executors")


TESTS = [lint, generated, rights_of_calls, defaults, original_values, zero_is_no_blank, forms_of_json,
         queues, layouts, state, network_policies, openshift, arm64, everything, restarts, bad_values,
         golden_jobs, generated_policy, kustomize_base, kustomize_components,
         kustomize_over_the_original]


def main(words):
    passed = failed = 0
    (ROOT / "build").mkdir(exist_ok=True)
    for test in TESTS:
        if words and not any(word in test.__name__ for word in words):
            continue
        try:
            test()
            passed += 1
            print(f"ok - {test.__name__}", flush=True)
        except Exception:  # a test may fail in any way; the others have their turn
            failed += 1
            print("".join(f"# {line}\n" for line in traceback.format_exc().splitlines())
                  + f"not ok - {test.__name__}", flush=True)
    print(f"{passed} passed, {failed} failed")
    return 1 if failed or not passed else 0


sys.exit(main(sys.argv[1:]))
