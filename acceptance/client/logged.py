"""Requests that are recognised in a log: by a marker in the path, or by one more line with the path."""

from __future__ import annotations

import secrets
from dataclasses import dataclass
from urllib.parse import quote

from acceptance.core.target import Target


@dataclass(frozen=True)
class Logged:
    """A request: its path with a query, and a marker in them that no other request has."""

    path: str
    marker: str

    @classmethod
    def of_unknown_path(cls) -> Logged:
        """Return a request that no application has a route for."""
        marker = f"log-{secrets.token_hex(8)}"
        return cls(f"/{marker}", marker)

    @classmethod
    def of_route(cls, target: Target, component: str) -> Logged:
        """Return a request to a route that a component has: the list of tasks, or the page of tasks."""
        marker = f"log-{secrets.token_hex(8)}"
        path = target.api.tasks.format(user_id=marker) if component == "backend" else target.pages.tasks
        return cls(f"{path}{'&' if '?' in path else '?'}log={marker}", marker)

    def shown_in(self, log: str) -> int:
        """Return how many lines of a log have the marker or, since a query is often left out, the path."""
        path = self.path.partition("?")[0]
        return sum(self.marker in line or path in line or quote(path) in line for line in log.splitlines())
