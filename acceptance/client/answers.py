"""A response in words: its status, and which pod sent it."""

from __future__ import annotations

import requests

from acceptance.core.target import Target


def pod_of(target: Target, answer: requests.Response) -> str:
    """Return the name of the pod that a response names in the header of one of the target's components, or empty."""
    headers = (part.pod_header for part in target.components.values())
    return next((answer.headers[header] for header in headers if header and header in answer.headers), "")


def describe(target: Target, answer: requests.Response) -> str:
    """Return the status of a response, its pod and the start of its text, for findings."""
    pod = pod_of(target, answer)
    return f"{answer.status_code}{f' from Pod/{pod}' if pod else ''}: {answer.text[:300]}"
