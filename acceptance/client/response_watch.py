"""Credentials of the release in its responses: a page, a script, an error or a health check that discloses them."""

from __future__ import annotations

from collections.abc import Mapping

import requests

from acceptance.checks.finding import Finding
from acceptance.core.leaks import confidential_parts, leaked_secrets
from acceptance.core.secret_scan import looks_random

MAX_FINDINGS = 10
"""How many requests are named whose responses have a credential."""


class ResponseWatch:
    """Searches every response that the gateway passes on.

    Only credentials that look random are searched for: another one, such as `postgres`, may be an ordinary word.
    """

    def __init__(self, credentials: Mapping[str, str]) -> None:
        self._secrets = {
            name: value
            for name, value in credentials.items()
            if any(looks_random(part) for part in confidential_parts(value))
        }
        self._found: dict[tuple[str, str], str] = {}

    @property
    def searched_for(self) -> list[str]:
        """The names of the credentials that are searched for."""
        return sorted(self._secrets)

    def search(self, answer: requests.Response) -> None:
        """Search a response's headers and body."""
        text = f"{answer.headers}\n{answer.text}"
        for name in leaked_secrets(text, self._secrets):
            request = f"{answer.request.method} {answer.request.path_url.partition('?')[0]}"
            self._found.setdefault((request, name), str(answer.status_code))

    def findings(self, rule: str) -> list[Finding]:
        """Return a finding for each request and credential."""
        return [
            Finding(rule, request, f"response {status}", "no credential of the release", name)
            for (request, name), status in list(self._found.items())[:MAX_FINDINGS]
        ]
