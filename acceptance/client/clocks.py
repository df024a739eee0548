"""The clock of the release, which need not be that of the suite's machine: what a token's times are compared with."""

from __future__ import annotations

import time
from email.utils import parsedate_to_datetime

from acceptance.client.user import User, send

RESOLUTION = 1.0
"""Seconds: a response's Date is rounded down to a whole one."""


def clock_ahead(user: User) -> float:
    """Return by how many seconds the backend's clock is ahead of the suite's, by the Date of a response.

    A difference that its resolution explains counts as none, as does a response without a Date.
    """
    before = time.time()
    answer = send(user.gateway, "GET", user.gateway.url("backend", user.path(user.target.api.tasks)))
    after = time.time()
    try:
        stated = parsedate_to_datetime(answer.headers.get("Date", "")).timestamp()
    except ValueError:
        return 0.0
    least, most = stated - after, stated + RESOLUTION - before
    return 0.0 if least <= 0 <= most else (least + most) / 2
