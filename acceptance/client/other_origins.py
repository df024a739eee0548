"""Origins that a setting lists, and others, each unlike one of the release in one way only."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from urllib.parse import urlsplit

from acceptance.client.answers import json_in

OTHER_ORIGINS: Mapping[str, Callable[[str], str]] = {
    "another site": lambda _: "https://attacker.example",
    "a longer name": lambda origin: f"{origin}.attacker.example",
    "another scheme": lambda origin: f"{'https' if origin.startswith('http:') else 'http'}://{urlsplit(origin).netloc}",
    "another port": lambda origin: f"{urlsplit(origin).scheme}://{urlsplit(origin).hostname}:4444",
    "a subdomain": lambda origin: origin.replace("://", "://attacker."),
    "a sandboxed page": lambda _: "null",
    "another character for a dot": lambda origin: origin.replace(".", "-", 1),
}
"""By what is different: each makes one from an origin of the release."""


def written_origins(text: str) -> list[str]:
    """Return the origins that a setting lists, with commas or as a list of JSON."""
    found = json_in(text)
    origins = found if isinstance(found, list) else text.split(",")
    return [origin for each in origins if (origin := str(each).strip())]
