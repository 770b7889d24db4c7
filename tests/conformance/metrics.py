"""Contract section 10: metrics, in heartbeats and at /metrics."""
import http.client
import pathlib
import re
import sys
import threading

from clock import elapsed
from frontend import payload
from httpd import Peer
from kube import Script
from suite import equal, has, row, scenario

sys.path.append(str(pathlib.Path(__file__).resolve().parent.parent))

from ports import free_port  # noqa: E402


class Exporter(Peer):
    """Answers /metrics and /proxy with a family or two; `hang` makes it answer nothing."""

    def __init__(self):
        self.hang, self.go = False, threading.Event()
        super().__init__()

    def answer(self, call):
        if self.hang:
            self.go.wait()
        text = "# HELP node_load1 Load.\n# TYPE node_load1 gauge\nnode_load1 %s\n"
        module = "1" if call.path == "/metrics" else "2" if "registry" in call.query else "3"
        return 200, text % module + "go_goroutines 9\nprocess_open_fds 9\npromhttp_x 9\n"


def get(address, path):
    connection = http.client.HTTPConnection("127.0.0.1", address, timeout=10)
    connection.request("GET", path)
    answer = connection.getresponse()
    return answer.status, answer.read().decode()


@scenario
def measured(w):
    """A job of each outcome, a mark tried twice; then heartbeats, then a look at /metrics."""
    w.exporter, address = Exporter(), free_port()
    script = Script(exits={"step-kubernetes-step-1-run": 1})
    bad = payload(43)
    bad["dockerSteps"][1]["key"] = "step.1.run"
    w.start(payload(42), bad, script=script, rules=[("markComplete", (503, "busy"))],
            LUNEXEC_LISTEN=f"127.0.0.1:{address}", NODE_EXPORTER_URL=w.exporter.url,
            DOCKER_REGISTRY_NODE_EXPORTER_URL=w.exporter.url + "/")
    w.until(lambda: w.executor.log.count("state=GONE") == 2, "the end of both")
    w.beat = len(w.frontend.of("heartbeat")) + 1  # the one that comes next may be on its way already
    w.called("heartbeat", w.beat + 1)
    w.page = get(address, "/metrics")
    w.health, w.ready, w.other = (get(address, p) for p in ("/healthz", "/ready", "/x"))
    w.stopped()
    w.exporter.close()


@scenario
def waiting(w):
    """A frontend that does not answer yet."""
    address = free_port()
    w.start(rules=[("heartbeat", *[(503, "")] * 99)], LUNEXEC_LISTEN=f"127.0.0.1:{address}")
    w.called("heartbeat", 1)
    w.health, w.ready = get(address, "/healthz"), get(address, "/ready")
    w.stopped()


@scenario
def exporter_hangs(w):
    w.exporter = Exporter()
    w.exporter.hang = True
    w.start(NODE_EXPORTER_URL=w.exporter.url + "/metrics")
    w.called("heartbeat", 3).stopped()
    w.exporter.close()


def text(world):
    return world.frontend.of("heartbeat")[world.beat].json["prometheusMetrics"]


def value(world, sample):
    found = re.search("^" + re.escape(sample) + r" (\S+)$", text(world), re.M)
    if not found:
        raise AssertionError(f"no {sample}")
    return float(found[1])


def metric(sample, wanted):
    row("10", f"{sample} is {wanted}", "measured", lambda w: equal(value(w, sample), wanted))


for op, n in (("Dequeue", None), ("AddExecutionLogEntry", None),
              ("UpdateExecutionLogEntry", None), ("MarkComplete", 1.0)):
    row("10", f"src_apiworker_apiclient_queue_total counts {op}", "measured",
        lambda w, op=op, n=n: equal(value(
            w, f'src_apiworker_apiclient_queue_total{{op="{op}"}}'), n) if n else
        value(w, f'src_apiworker_apiclient_queue_total{{op="{op}"}}') >= 0)
metric('src_executor_processor_total{queue="batches",op="Handle"}', 1.0)
metric('src_executor_processor_errors_total{queue="batches",op="Handle"}', 1.0)
metric('src_executor_processor_duration_seconds_count{queue="batches",op="Handle"}', 1.0)
metric('src_executor_processor_handlers{queue="batches"}', 0.0)
metric('src_apiworker_command_total{op="kubernetes.job.create"}', 2.0)
metric('src_apiworker_command_total{op="kubernetes.job.delete"}', 2.0)
metric('src_apiworker_command_total{op="kubernetes.pod.wait"}', 1.0)
metric('src_apiworker_command_errors_total{op="kubernetes.pod.wait"}', 1.0)
metric('lunexec_job_failures_total{class="exit-code"}', 1.0)
metric("src_executor_run_lock_wait_total", 0.0)
metric("src_executor_run_lock_held_total", 0.0)
metric("src_httpcli_retry_total", 1.0)
metric("node_load1", 1.0)
row("10", "processor durations have the original's buckets", "measured",
    lambda w: equal(re.findall(r'src_executor_processor_duration_seconds_bucket\{.*le="(\S+)"\}',
                               text(w)),
                    "30 60 150 300 450 600 900 1200 1800 2700 3600 +Inf".split()))
row("10", "registry metrics, both modules, have sg_instance", "measured",
    lambda w: has(text(w), 'node_load1{sg_instance="docker-registry"} 2\n',
                  'node_load1{sg_instance="docker-registry"} 3\n'))
row("10", "relayed: go_, process_ and promhttp_ are dropped", "measured",
    lambda w: not re.search(r"^(go_goroutines|promhttp_x|process_open_fds) 9?$", text(w), re.M)
    and "promhttp_x" not in text(w))
row("10", "a family stands once, with one TYPE line", "measured",
    lambda w: equal(len(re.findall("^# TYPE (\\S+)", text(w), re.M)),
                    len(set(re.findall("^# TYPE (\\S+)", text(w), re.M)))))
row("10", "exporters are asked for /metrics and /proxy?module=", "measured",
    lambda w: equal({c.path + ("?" + c.query if c.query else "") for c in w.exporter.calls},
                    {"/metrics", "/proxy?module=registry", "/proxy?module=node"}))
row("10", "process_* are our own", "measured", lambda w: has(text(w), "process_resident_memory_bytes "))
row("10", "/metrics shows the same families as the heartbeat", "measured",
    lambda w: equal(w.page[0], 200) or
    equal(set(re.findall("^# TYPE (\\S+)", text(w), re.M))
          - set(re.findall("^# TYPE (\\S+)", w.page[1], re.M)), set()))
row("10", "src_apiworker_apiclient_queue_total counts Heartbeat", "measured",
    lambda w: equal(value(w, 'src_apiworker_apiclient_queue_total{op="Heartbeat"}'), w.beat - 1))
row("10", "an exporter that hangs does not delay heartbeats", "exporter_hangs",
    lambda w: all(4.5 < b.at - a.at and elapsed(a.at, b.at) < 6.8 for a, b in zip(w.frontend.of("heartbeat"),
                                                        w.frontend.of("heartbeat")[1:])))
row("10", "an exporter that hangs: told in the log, once", "exporter_hangs",
    lambda w: equal(w.log.count("metrics of an exporter cannot be relayed"), 1))
row("10", "/metrics left in the exporter's URL is forgiven (operations 8)", "exporter_hangs",
    lambda w: equal({c.path for c in w.exporter.calls}, {"/metrics"}))
row("12c", "/healthz and /ready while running: 200", "measured",
    lambda w: equal([w.health[0], w.ready[0], w.other[0]], [200, 200, 404]))
row("12c", "/healthz is 200 and /ready 503 while the frontend does not answer", "waiting",
    lambda w: equal([w.health[0], w.ready[0]], [200, 503]))


@scenario
def two_queues_measured(w):
    w.beat = 1
    w.start(EXECUTOR_QUEUE_NAMES="codeintel,batches").called("heartbeat", 2).stopped()


row("10", "queue label of several queues: names, sorted, joined by _", "two_queues_measured",
    lambda w: equal(value(w, 'src_executor_processor_handlers{queue="batches_codeintel"}'), 0.0))
