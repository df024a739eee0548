"""CORS: browsers let pages of the ConfigMap's origins read the backend's responses, and no others."""

from __future__ import annotations

import secrets

import pytest
import requests

from acceptance.checks.finding import Untested
from acceptance.client.endpoints import Endpoint, endpoints, require_resources
from acceptance.client.live_config import setting
from acceptance.client.other_origins import OTHER_ORIGINS, written_origins
from acceptance.client.user import User, send
from acceptance.provision.release import Release

ALLOWED = "Access-Control-Allow-Origin"


@pytest.fixture(scope="module")
def allowed_origins(ready_release: Release) -> list[str]:
    """The origins of the ConfigMap; raises `Untested` if there is none, or if any is allowed."""
    key = ready_release.target.config_map.cors_origins
    origins = written_origins(setting(ready_release, key))
    if "*" in origins:
        raise Untested(f"ConfigMap/{ready_release.target.config_map.name} allows every origin in {key} (CFG-05)")
    if not origins:
        raise Untested(f"ConfigMap/{ready_release.target.config_map.name} has no origin in {key} (CFG-05)")
    return origins


@pytest.fixture(scope="module")
def api_endpoints(user: User) -> list[Endpoint]:
    """Every endpoint of the API with resources that exist."""
    resources = require_resources(user, f"read by a page {secrets.token_hex(6)}")
    return endpoints(user.target.api, resources, "never")


def asked_headers(user: User) -> set[str]:
    """Return the headers for which a page's script asks, to send JSON with a token."""
    return {"content-type"} | ({"authorization"} if "bearer" in user.target.auth.carriers else set())


def preflight(user: User, origin: str, method: str, path: str) -> requests.Response:
    """Return the request that a browser sends before it sends JSON with a token by this method."""
    headers = {
        "Origin": origin,
        "Access-Control-Request-Method": method,
        "Access-Control-Request-Headers": ",".join(sorted(asked_headers(user))),
    }
    return send(user.gateway, "OPTIONS", user.gateway.url("backend", path), headers=headers)


def request(user: User, origin: str) -> requests.Response:
    """Return a request of a page of `origin`."""
    return user.call("GET", user.path(user.target.api.tasks), headers={"Origin": origin})


def listed(answer: requests.Response, header: str) -> set[str]:
    """Return the names in a header of a preflight's response."""
    return {name.strip() for name in answer.headers.get(header, "").split(",")}


@pytest.mark.rule("SCY-07")
def test_configured_origins_are_allowed(user: User, allowed_origins: list[str], api_endpoints: list[Endpoint]) -> None:
    """Pages of the configured origins may use every endpoint of the API."""
    routes = {(each.method, each.path): each.route for each in api_endpoints}
    for origin in allowed_origins:
        answers = [("request", request(user, origin))]
        for (method, path), route in routes.items():
            allowed = preflight(user, origin, method, path)
            what = f"preflight of {route}"
            answers.append((what, allowed))
            assert allowed.ok, f"{what} from {origin}: expected 2xx, got {allowed.status_code}: {allowed.text}"
            found = listed(allowed, "Access-Control-Allow-Methods")
            assert found & {method, "*"}, f"{what} from {origin}: expected it among the methods, got {found}"
            accepted = {name.lower() for name in listed(allowed, "Access-Control-Allow-Headers")}
            # The wildcard does not stand for it (Fetch standard), and a cookie needs no header of its own.
            missing = {"authorization"} & asked_headers(user) - accepted
            assert not missing, f"{what} from {origin}: expected Authorization among the headers, got {accepted}"
        for what, answer in answers:
            actual = answer.headers.get(ALLOWED)
            assert actual == origin, f"{what} from {origin}: expected {ALLOWED}: {origin}, got {actual}"


@pytest.mark.rule("SCY-07")
@pytest.mark.parametrize("kind", OTHER_ORIGINS)
def test_other_origins_are_not_allowed(user: User, allowed_origins: list[str], kind: str) -> None:
    made = {OTHER_ORIGINS[kind](known) for known in allowed_origins}
    others = sorted(made - set(allowed_origins))
    if not others:
        raise Untested(f"{kind}: there is none but configured origins")
    path = user.path(user.target.api.tasks)
    for origin in others:
        for what, answer in (
            ("preflight", preflight(user, origin, "POST", path)),
            ("request", request(user, origin)),
        ):
            actual = answer.headers.get(ALLOWED)
            assert actual not in (origin, "*"), f"{what} from {origin}: expected no {ALLOWED} for it, got {actual}"
