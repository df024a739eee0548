"""CORS: browsers let pages of the ConfigMap's origins read the backend's responses, and no others."""

from __future__ import annotations

from collections.abc import Callable
from urllib.parse import urlsplit

import pytest
import requests

from acceptance.checks.finding import Untested
from acceptance.client.live_config import setting
from acceptance.client.user import User, send
from acceptance.core.target import Api
from acceptance.provision.release import Release

ALLOWED = "Access-Control-Allow-Origin"


@pytest.fixture(scope="module")
def allowed_origins(ready_release: Release) -> list[str]:
    """The origins of the ConfigMap, at least one."""
    key = ready_release.target.config_map.cors_origins
    origins = [origin.strip() for origin in setting(ready_release, key).split(",") if origin.strip()]
    assert origins, f"ConfigMap/{ready_release.target.config_map.name}: expected an origin in {key}, got none"
    return origins


def preflight(user: User, origin: str, method: str = "POST") -> requests.Response:
    """The request that a browser sends before it sends JSON with a token by this method."""
    headers = {
        "Origin": origin,
        "Access-Control-Request-Method": method,
        "Access-Control-Request-Headers": "authorization,content-type",
    }
    url = user.gateway.url("backend", user.path(user.target.api.tasks))
    return send(user.gateway, "OPTIONS", url, headers=headers)


def request(user: User, origin: str) -> requests.Response:
    """A request of a page of `origin`."""
    return user.call("GET", user.path(user.target.api.tasks), headers={"Origin": origin})


def methods(api: Api) -> set[str]:
    """The methods of the API's endpoints."""
    found = {"GET", "POST", "DELETE", api.update_method, api.complete_method if api.complete else None}
    return {method for method in found | {api.partial_method} if method}


@pytest.mark.rule("SCY-07")
def test_configured_origins_are_allowed(user: User, allowed_origins: list[str]) -> None:
    """To use every method of the API."""
    for origin in allowed_origins:
        answers = [("request", request(user, origin))]
        for method in sorted(methods(user.target.api)):
            allowed = preflight(user, origin, method)
            what = f"preflight of {method}"
            answers.append((what, allowed))
            assert allowed.ok, f"{what} from {origin}: expected 2xx, got {allowed.status_code}: {allowed.text}"
            found = {name.strip() for name in allowed.headers.get("Access-Control-Allow-Methods", "").split(",")}
            assert found & {method, "*"}, f"{what} from {origin}: expected it among the methods, got {found}"
            asked = {
                name.strip().lower() for name in allowed.headers.get("Access-Control-Allow-Headers", "").split(",")
            }
            assert "authorization" in asked, (
                f"{what} from {origin}: expected Authorization among the headers, got {asked}"
            )
        for what, answer in answers:
            actual = answer.headers.get(ALLOWED)
            assert actual == origin, f"{what} from {origin}: expected {ALLOWED}: {origin}, got {actual}"


OTHER_ORIGINS: dict[str, Callable[[str], str]] = {
    "another site": lambda _: "https://attacker.example",
    "a longer name": lambda origin: f"{origin}.attacker.example",
    "another scheme": lambda origin: f"{'https' if origin.startswith('http:') else 'http'}://{urlsplit(origin).netloc}",
    "another port": lambda origin: f"{urlsplit(origin).scheme}://{urlsplit(origin).hostname}:4444",
    "a subdomain": lambda origin: origin.replace("://", "://attacker."),
    "a sandboxed page": lambda _: "null",
    "another character for a dot": lambda origin: origin.replace(".", "-", 1),
}


@pytest.mark.rule("SCY-07")
@pytest.mark.parametrize("kind", OTHER_ORIGINS)
def test_other_origins_are_not_allowed(user: User, allowed_origins: list[str], kind: str) -> None:
    others = {known: origin for known in allowed_origins if (origin := OTHER_ORIGINS[kind](known)) != known}
    if not others:
        raise Untested("no configured origin has a dot")
    for origin in others.values():
        assert origin not in allowed_origins, f"{origin} is a configured origin"
        for what, answer in (("preflight", preflight(user, origin)), ("request", request(user, origin))):
            actual = answer.headers.get(ALLOWED)
            assert actual not in (origin, "*"), f"{what} from {origin}: expected no {ALLOWED} for it, got {actual}"
