"""Load on the backend, made by Locust in a pod: each of its users writes tasks, 10 a second if answered.

Where and as whom is told by files in the folder of LOAD_PLAN, since arguments and environment can be read by others:
`path` of the tasks, `token`, `title` (the title's field).

Each second a line on stdout tells what Locust has counted: {"moment": seconds since the epoch, "requests": since the
beginning, "failures": among them, "p95": seconds, of the last 10 s}.
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
PATH, TOKEN, TITLE = ((PLAN / name).read_text(encoding="utf-8") for name in ("path", "token", "title"))
REQUESTS_PER_SECOND = 10
"""Of each user, if the backend is quick enough."""


@events.test_start.add_listener
def begin(environment: Environment, **_: object) -> None:
    gevent.spawn(tell, environment)


def tell(environment: Environment) -> None:
    """Print Locust's counts each second, for as long as the process lives."""
    while True:
        total = environment.stats.total
        counts = {"requests": total.num_requests, "failures": total.num_failures}
        p95 = (total.get_current_response_time_percentile(0.95) or 0) / 1000
        print(json.dumps({"moment": time.time(), **counts, "p95": p95}), flush=True)  # noqa: T201
        gevent.sleep(1)


class Writer(FastHttpUser):
    """Writes tasks; it is told apart from what is sampled by its titles, and judges nothing."""

    wait_time = constant_throughput(REQUESTS_PER_SECOND)

    @task
    def write(self) -> None:
        headers = {"Authorization": f"Bearer {TOKEN}"}
        self.client.post(PATH, json={TITLE: f"load {uuid.uuid4().hex}"}, headers=headers, name="write")
