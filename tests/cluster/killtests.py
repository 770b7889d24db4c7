"""The executor killed again and again while it runs jobs, each time started anew with the same state
directory: no job is lost, none runs twice, nothing is left.

LUNEXEC_LONG=1 makes it long: 40 kills over 100 jobs instead of 6 over 16.
"""
import base64
import os
import random
import signal
import time

import api
from checks import equal

TESTS = []
LONG = os.environ.get("LUNEXEC_LONG") == "1"
JOBS, KILLS = (100, 40) if LONG else (16, 6)
SEED = int(os.environ.get("LUNEXEC_SEED") or time.time())
LINES = 25
STEP = (f"echo half >> README.md; i=0; while [ $i -lt {LINES} ]; do echo line $i; i=$((i + 1)); "
        "sleep 0.1; done")


def test(function):
    TESTS.append(function)
    return function


def check_ran_once(job):
    """Completed, each entry once, and the step's output whole: of one run, nothing twice."""
    equal(job.state, "completed", f"job {job.id} ({job.message})")
    keys = [entry.key for entry in job.entries]
    equal(len(keys), len(set(keys)), f"entries of job {job.id}: {keys}")
    entry = job.entry("step.kubernetes.step.0.run")
    lines = [line for line in entry.lines() if line.startswith("stdout: line ")]
    equal(lines, [f"stdout: line {i}" for i in range(LINES)], f"output of job {job.id}")
    equal(len(job.step_results()), 1, f"step results of job {job.id}")
    diff = base64.b64decode(job.step_results()[0]["metadata"]["value"]["diff"]).decode()
    equal(diff.count("\n+half\n"), 1, f"added lines in the diff of job {job.id}: {diff}")


def started_pods(scene):
    """Of each Job that ever was in the namespace: its name and how many pods were made for it."""
    events = api.call("GET", f"/api/v1/namespaces/{scene.namespace.name}/events")["items"]
    made = {}
    for event in events:
        if event["reason"] == "SuccessfulCreate" and event["involvedObject"]["kind"] == "Job":
            name = event["involvedObject"]["name"]
            made[name] = made.get(name, 0) + event.get("count", 1)
    return made


@test
def killed_at_random(scene):
    """kill -9 at random moments, and a new start at once: every job ends, having run once."""
    chance = random.Random(SEED)
    scene.note(f"LUNEXEC_SEED={SEED}")
    jobs = [scene.offer(STEP) for _ in range(JOBS)]
    executor = scene.executor(EXECUTOR_MAXIMUM_NUM_JOBS="6", EXECUTOR_QUEUE_POLL_INTERVAL="250ms",
                              LUNEXEC_STATE_DIR=str(scene.directory) + "/state")

    def ended():
        return sum(1 for job in jobs if job.marked_at)

    done = 0
    for kill in range(KILLS):
        # Kills are spread over the jobs: the next one comes when some more have ended.
        share = JOBS * kill // KILLS - 4
        scene.frontend.wait(lambda least=share: ended() >= least, 120, f"the end of {share} jobs")
        time.sleep(chance.uniform(0, 3))  # the random moment
        if ended() == JOBS:
            break
        scene.frontend.kill()
        executor.signal(signal.SIGKILL)
        executor.wait(5)
        executor.start()
        done += 1
    for job in jobs:
        scene.wait_marked(job, 180)
    equal(done, KILLS, "kills before the last job ended")
    for job in jobs:
        check_ran_once(job)
    pods = started_pods(scene)
    equal(sorted(pods.values()), [1] * JOBS, f"pods of the Jobs {pods}")
    scene.note(f"{done} kills over {JOBS} jobs; {scene.frontend.requeued} offered again, unstarted")
    scene.check_clean()
