"""What the API server refused an account, from the record that it keeps (tests/cluster/kubernetes)."""
import json
import os
import pathlib

import yaml

ROOT = pathlib.Path(__file__).resolve().parent.parent.parent
FORBIDDEN = ("authorization.k8s.io/decision", "forbid")  # by rights: not by a quota, say


def log():
    return pathlib.Path(os.environ["KUBECONFIG"]).parent / "log/audit"


def optional():
    """The rights that an executor uses where it may: (verb, resource)."""
    role = next(yaml.safe_load_all((ROOT / "deploy/role-optional.yaml").read_text()))
    return {(verb, resource) for rule in role["rules"] for resource in rule["resources"]
            for verb in rule["verbs"]}


class Record:
    """What is asked from now on by the accounts of a namespace, or about it by nobody in particular."""

    def __init__(self, namespace):
        self.accounts = f"system:serviceaccount:{namespace}:"
        self.about = f"/namespaces/{namespace}/"
        self.start = log().stat().st_size

    def events(self):
        with open(log(), encoding="utf-8") as file:
            file.seek(self.start)
            for line in file:
                if line.endswith("\n") and (self.accounts in line or self.about in line):
                    yield json.loads(line)

    def refused(self):
        """(verb, resource) of what was refused for want of a right or of a valid token."""
        found = set()
        for event in self.events():
            named = event.get("user", {}).get("username", "").startswith(self.accounts)
            decision = event.get("annotations", {}).get(FORBIDDEN[0])
            if named and decision == FORBIDDEN[1] or \
                    event.get("responseStatus", {}).get("code") == 401:
                target = event.get("objectRef", {})
                parts = (target.get("resource"), target.get("subresource"))
                found.add((event["verb"], "/".join(part for part in parts if part)))
        return found

    def asked(self):
        """How many requests the accounts made."""
        return sum(event.get("user", {}).get("username", "").startswith(self.accounts)
                   for event in self.events())
