"""Many short jobs, no faults: what the executor needs must not grow with the number of jobs."""
import asyncio
import os
import pathlib
import statistics

from world import World

EVERY_S = 0.5
FIFTHS = 5
SLACK = 0.05  # by which a figure may grow, beside these
SLACK_OF = {"resident KiB": 2048, "policy resident KiB": 512, "descriptors": 4, "journal KiB": 4096}


def resident(pid):
    for line in pathlib.Path(f"/proc/{pid}/status").read_text().splitlines():
        if line.startswith("VmRSS:"):
            return int(line.split()[1])
    return 0


def children(pid):
    return pathlib.Path(f"/proc/{pid}/task/{pid}/children").read_text().split()


class Soak(World):
    def __init__(self, seed, folder, jobs, slots):
        super().__init__(seed, folder, jobs, rate=0, kill_every=0, slots=slots, executors=1,
                         faults=False, log_level="warn", short=True)
        self.samples = []  # (marked, {what: figure})

    def sample(self):
        executor = self.executors[0]
        pid = executor.process.pid
        journal = executor.home / "state" / "journal"
        self.samples.append((self.marked, {
            "resident KiB": resident(pid),
            "policy resident KiB": sum(map(resident, children(pid))),
            "descriptors": len(os.listdir(f"/proc/{pid}/fd")),
            "journal KiB": journal.stat().st_size // 1024 if journal.exists() else 0}))

    async def supervise(self):
        while True:
            await asyncio.sleep(EVERY_S)
            if self.executors[0].process.returncode is not None:
                self.wrong(f"the executor has ended: {self.executors[0].log()[-1500:]}")
                self.finished.set()
                return
            self.sample()

    def judge(self):
        """By the medians of each fifth of the jobs; the first one is the warm-up."""
        n = len(self.jobs)
        fifths = [[s for marked, s in self.samples if i * n <= FIFTHS * marked < (i + 1) * n]
                  for i in range(FIFTHS)]
        if min(map(len, fifths)) < 3:
            self.wrong(f"samples a fifth: {[len(f) for f in fifths]}: more jobs are needed")
            return
        for what, slack in SLACK_OF.items():
            medians = [round(statistics.median(s[what] for s in fifth)) for fifth in fifths]
            most = max(s[what] for _, s in self.samples)
            print(f"{what}: {', '.join(map(str, medians))} in each fifth, {most} at most")
            if medians[-1] > medians[1] * (1 + SLACK) + slack:
                self.wrong(f"{what} grew from {medians[1]} to {medians[-1]}")
