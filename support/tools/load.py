"""Load on the backend, made by Locust in a pod: one user lists and writes tasks as fast as it is answered.

Where and as whom is told by files in the folder of LOAD_PLAN, since arguments and environment can be read by others:
`path` of the tasks, `token`, `title` (the title's field).
"""

import os
import uuid
from pathlib import Path

from locust import FastHttpUser, constant_throughput, task

PLAN = Path(os.environ["LOAD_PLAN"])
PATH, TOKEN, TITLE = ((PLAN / name).read_text(encoding="utf-8") for name in ("path", "token", "title"))
REQUESTS_PER_SECOND = 10
"""Of each user, if the backend is quick enough."""


class Writer(FastHttpUser):
    """Writes tasks; it is told apart from what is sampled by its titles, and judges nothing."""

    wait_time = constant_throughput(REQUESTS_PER_SECOND)

    @task
    def write(self) -> None:
        headers = {"Authorization": f"Bearer {TOKEN}"}
        self.client.post(PATH, json={TITLE: f"load {uuid.uuid4().hex}"}, headers=headers, name="write")
