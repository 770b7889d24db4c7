"""The rules and the dashboard of deploy/monitoring; run by tests/monitoring/run."""
import json
import pathlib
import re
import subprocess
import sys
import tempfile
import traceback
import urllib.request

HERE = pathlib.Path(__file__).resolve().parent
MONITORING = HERE.parent.parent / "deploy" / "monitoring"
sys.path.insert(0, str(HERE.parent / "integration"))
import harness  # noqa: E402  pylint: disable=wrong-import-position

# What the server exports, and what the rules record themselves.
OF_OTHERS = {"src_workerutil_queue_depth"}
RECORDED = re.compile(r"lunexec:[a-z0-9_:]+")
METRIC = re.compile(r"\b(?:src|lunexec|process)_[a-z0-9_]+")


def promtool(*args):
    done = subprocess.run(["promtool", *args], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout + done.stderr


def panels():
    dashboard = json.loads((MONITORING / "dashboard.json").read_text())
    return [p for p in dashboard["panels"] if p["type"] != "row"]


def expressions():
    """(panel, expression) of the whole dashboard, Grafana's variables filled in."""
    for panel in panels():
        for target in panel["targets"]:
            text = target["expr"].replace("$__rate_interval", "5m")
            yield panel["title"], re.sub(r"\$[a-z]+", ".*", text)


def exported():
    """Names of the families on /metrics after one job that ended well and one that failed."""
    with harness.Bench("monitoring") as bench:
        bench.start_cluster()
        bench.start_frontend(harness.batch_job(["true"], job_id=1),
                             harness.batch_job(["exit 7"], job_id=2))
        port = harness.free_port()
        bench.start_executor(EXECUTOR_NUM_TOTAL_JOBS=None, LUNEXEC_LISTEN=f"127.0.0.1:{port}")
        harness.wait_for("both jobs to be marked", lambda: len(bench.frontend.events("marked")) == 2)

        def scrape():
            with urllib.request.urlopen(f"http://127.0.0.1:{port}/metrics", timeout=10) as answer:
                text = answer.read().decode()
            return text if "src_executor_processor_errors_total{" in text else None

        text = harness.wait_for("the metrics of both jobs", scrape)
        promtool_lint(text)
        return set(re.findall(r"^# TYPE ([a-z0-9_]+) ", text, re.M))


def promtool_lint(text):
    """promtool reads the text; its opinions about the original's names do not count here."""
    done = subprocess.run(["promtool", "check", "metrics"], input=text, capture_output=True, text=True,
                          check=False)
    assert done.returncode in (0, 3), done.stdout + done.stderr


def rules_are_valid():
    promtool("check", "rules", str(MONITORING / "rules.yaml"))


def rules_fire_when_they_should():
    promtool("test", "rules", str(MONITORING / "rules.test.yaml"))


def every_rule_has_a_test():
    alerts = re.findall(r"- alert: (\w+)", (MONITORING / "rules.yaml").read_text())
    tests = (MONITORING / "rules.test.yaml").read_text()
    firing = re.findall(r"alertname: (\w+)\n\s+eval_time: \w+\n\s+exp_alerts:\n", tests)
    assert alerts, "no alerts"
    assert set(alerts) == set(firing), f"not seen firing: {set(alerts) - set(firing)}"


def dashboard_is_sound():
    ids, places = set(), set()
    for panel in json.loads((MONITORING / "dashboard.json").read_text())["panels"]:
        place = (panel["gridPos"]["x"], panel["gridPos"]["y"])
        assert panel["id"] not in ids and place not in places, f"{panel['title']}: not its own"
        ids.add(panel["id"])
        places.add(place)
    for panel in panels():
        assert panel["targets"] and panel["description"], panel["title"]


def dashboard_expressions_are_promql():
    """promtool checks rules only: each expression becomes one."""
    rules = [{"record": f"panel:{i}", "expr": text} for i, (_, text) in enumerate(expressions())]
    with tempfile.NamedTemporaryFile("w", suffix=".yaml") as file:
        json.dump({"groups": [{"name": "dashboard", "rules": rules}]}, file)
        file.flush()
        promtool("check", "rules", file.name)


def every_metric_is_exported():
    """Neither the rules nor the dashboard wait for a metric that does not come."""
    rules = (MONITORING / "rules.yaml").read_text()
    recorded = set(re.findall(r"- record: (\S+)", rules))
    text = "\n".join([rules, *(e for _, e in expressions())])
    known = exported()
    known |= OF_OTHERS | {f"{name}{end}" for name in known for end in ("_bucket", "_sum", "_count")}
    asked = set(METRIC.findall(text))
    assert len(asked) > 8, f"only {asked}"
    assert asked <= known, f"not exported: {sorted(asked - known)}"
    used = set(RECORDED.findall(text))
    assert used <= recorded, f"not recorded: {sorted(used - recorded)}"


TESTS = [rules_are_valid, rules_fire_when_they_should, every_rule_has_a_test, dashboard_is_sound,
         dashboard_expressions_are_promql, every_metric_is_exported]


def main():
    passed = failed = 0
    for test in TESTS:
        try:
            test()
            print(f"ok - {test.__name__}")
            passed += 1
        except Exception:  # pylint: disable=broad-except
            print(f"not ok - {test.__name__}")
            traceback.print_exc(file=sys.stdout)
            failed += 1
    print(f"{passed} passed, {failed} failed")
    sys.exit(1 if failed else 0)


if __name__ == "__main__":
    main()
