"""Chart and kustomizations, rendered."""
import pathlib
import subprocess
import tempfile

import yaml

HERE = pathlib.Path(__file__).resolve().parent
ROOT = HERE.parent.parent
CHART = ROOT / "deploy/helm/lunexec"
KUSTOMIZE = ROOT / "deploy/kustomize"
NAMESPACE = "sourcegraph"


def run(*command, **more):
    return subprocess.run([str(word) for word in command], capture_output=True, text=True,
                          check=False, **more)


def template(*options):
    return run("helm", "template", "sg-executor", CHART, "--namespace", NAMESPACE, *options)


def rendered(*options):
    """The objects that the chart makes, by kind and name."""
    done = template(*options)
    assert done.returncode == 0, done.stderr
    objects = [item for item in yaml.safe_load_all(done.stdout) if item]
    result = {(item["kind"], item["metadata"]["name"]): item for item in objects}
    assert len(result) == len(objects), "two objects of one name"
    return result


def refused(*options):
    """What the chart says of values that it refuses."""
    done = template(*options)
    assert done.returncode != 0, "accepted"
    return done.stderr


def built(directory):
    done = run("kustomize", "build", directory)
    assert done.returncode == 0, done.stderr
    objects = [item for item in yaml.safe_load_all(done.stdout) if item]
    return {(item["kind"], item["metadata"]["name"]): item for item in objects}


def overlay(text):
    """What an overlay makes that is written beside the repository's kustomizations."""
    with tempfile.TemporaryDirectory(dir=ROOT / "build") as directory:
        pathlib.Path(directory, "kustomization.yaml").write_text(text)
        return built(directory)


def equal(found, expected):
    assert found == expected, f"{found!r} instead of {expected!r}"


def container(objects, name):
    return objects["Deployment", name]["spec"]["template"]["spec"]["containers"][0]


def environment(objects, name):
    """The variables that the executor's container gets, as Kubernetes would fill them in."""
    found = dict(objects["ConfigMap", name]["data"])
    for variable in container(objects, name).get("env", []):
        if "value" in variable:
            found[variable["name"]] = variable["value"]
    return found
