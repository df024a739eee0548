"""Which pages of other origins a browser lets read the backend: those of the ConfigMap and no other."""

from __future__ import annotations

from collections.abc import Callable
from urllib.parse import urlsplit

import pytest
import requests

from acceptance.client.live_config import setting
from acceptance.client.user import User, send
from acceptance.provision.release import Release

ALLOWED = "Access-Control-Allow-Origin"


@pytest.fixture(scope="module")
def allowed_origins(ready_release: Release) -> list[str]:
    """The origins of the ConfigMap, at least one."""
    key = ready_release.target.config_map.cors_origins
    found = [origin.strip() for origin in setting(ready_release, key).split(",") if origin.strip()]
    assert found, f"ConfigMap/{ready_release.target.config_map.name}: wanted an origin in {key}, seen none"
    return found


def preflight(user: User, origin: str) -> requests.Response:
    """What a browser asks before it sends a task as JSON with a token."""
    headers = {
        "Origin": origin,
        "Access-Control-Request-Method": "POST",
        "Access-Control-Request-Headers": "authorization,content-type",
    }
    url = user.gateway.url("backend", user.path(user.target.api.tasks))
    return send(user.gateway, "OPTIONS", url, headers=headers)


def request(user: User, origin: str) -> requests.Response:
    return user.call("GET", user.path(user.target.api.tasks), headers={"Origin": origin})


@pytest.mark.rule("SCY-07")
def test_every_configured_origin_is_allowed(user: User, allowed_origins: list[str]) -> None:
    for origin in allowed_origins:
        asked = preflight(user, origin)
        assert asked.ok, f"preflight from {origin}: wanted 2xx, seen {asked.status_code}: {asked.text}"
        methods = {name.strip() for name in asked.headers.get("Access-Control-Allow-Methods", "").split(",")}
        assert methods & {"POST", "*"}, f"preflight from {origin}: wanted POST among the methods, seen {methods}"
        for what, answer in (("preflight", asked), ("request", request(user, origin))):
            seen = answer.headers.get(ALLOWED)
            assert seen == origin, f"{what} from {origin}: wanted {ALLOWED}: {origin}, seen {seen}"


STRANGERS: dict[str, Callable[[str], str]] = {
    "another site": lambda _: "https://attacker.example",
    "a longer name": lambda origin: f"{origin}.attacker.example",
    "another scheme": lambda origin: f"{'https' if origin.startswith('http:') else 'http'}://{urlsplit(origin).netloc}",
    "another port": lambda origin: f"{urlsplit(origin).scheme}://{urlsplit(origin).hostname}:4444",
    "a subdomain": lambda origin: origin.replace("://", "://attacker."),
    "a sandboxed page": lambda _: "null",
}


@pytest.mark.rule("SCY-07")
@pytest.mark.parametrize("kind", STRANGERS)
def test_another_origin_is_not_allowed(user: User, allowed_origins: list[str], kind: str) -> None:
    for known in allowed_origins:
        origin = STRANGERS[kind](known)
        assert origin not in allowed_origins, f"{origin} is configured itself"
        for what, answer in (("preflight", preflight(user, origin)), ("request", request(user, origin))):
            seen = answer.headers.get(ALLOWED)
            assert seen not in (origin, "*"), f"{what} from {origin}: wanted no {ALLOWED} for it, seen {seen}"
