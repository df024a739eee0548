"""Load on the backend by Locust in a pod: each of its users writes at most 10 tasks per second.

What they send is read from files in the folder LOAD_PLAN, since others can read arguments and environment: `path` of
the tasks, `headers` (a JSON object), `title` (the title's field).

Each second, and when it has stopped, a line on stdout has Locust's counts: {"moment": seconds since the epoch,
"requests": since the start, "failures": among them, "p95": seconds, of the last 10 s}.
"""

import json
import os
import time
import uuid
from pathlib import Path

import gevent
from locust import FastHttpUser, constant_throughput, events, task
from locust.env import Environment

PLAN = Path(os.environ["LOAD_PLAN"])
PATH, TITLE = ((PLAN / name).read_text(encoding="utf-8") for name in ("path", "title"))
HEADERS: dict[str, str] = json.loads((PLAN / "headers").read_text(encoding="utf-8"))
REQUESTS_PER_SECOND = 10
"""Of each user, if the backend is fast enough."""


@events.test_start.add_listener
def start_reporting(environment: Environment, **_: object) -> None:
    """Report from the start of the test."""
    gevent.spawn(report, environment)


def report(environment: Environment) -> None:
    """Print Locust's counts each second, until the process ends."""
    while True:
        print_counts(environment)
        gevent.sleep(1)


@events.quitting.add_listener
def print_counts(environment: Environment, **_: object) -> None:
    """Print Locust's counts; at the end they are complete, since the last requests have been answered."""
    total = environment.stats.total
    counts = {"requests": total.num_requests, "failures": total.num_failures}
    p95 = (total.get_current_response_time_percentile(0.95) or 0) / 1000
    print(json.dumps({"moment": time.time(), **counts, "p95": p95}), flush=True)  # noqa: T201


class Writer(FastHttpUser):
    """Writes tasks; their titles differ from those of the sampler."""

    wait_time = constant_throughput(REQUESTS_PER_SECOND)

    @task
    def write(self) -> None:
        """Write one task."""
        self.client.post(PATH, json={TITLE: f"load {uuid.uuid4().hex}"}, headers=HEADERS, name="write")
