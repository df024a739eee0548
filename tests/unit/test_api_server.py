"""Answers of the API server: an outage is an error, and neither an empty list, a missing object nor a refusal."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any

import pytest
from kubernetes import client
from kubernetes.client import ApiException

from acceptance import checks
from acceptance.checks.registry import CheckResults
from acceptance.checks.snapshot import ClusterState, Snapshot
from acceptance.core.target import load
from acceptance.kube.client import ApiServer, Objects

CONFIG_MAP = {"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": "settings"}}


class Answering(ApiServer):
    """Answers every request with one status and document."""

    def __init__(self, status: int, document: object) -> None:
        self._answer = status, document

    def call(self, *_: object, **__: object) -> tuple[int, Any]:
        return self._answer


@pytest.mark.parametrize("status", [429, 500, 503])
def test_unavailable_server_is_an_error(status: int) -> None:
    server = Answering(status, {"message": "try again"})
    with pytest.raises(ApiException, match=str(status)):
        server.items("/api/v1/nodes")
    with pytest.raises(ApiException, match=str(status)):
        server.get(CONFIG_MAP, "todo")


@pytest.mark.parametrize("status", [403, 404])
def test_list_that_can_not_be_read_is_empty(status: int) -> None:
    server = Answering(status, {"message": "no"})
    assert server.items("/api/v1/nodes") == ()
    assert server.get(CONFIG_MAP, "todo") is None


@pytest.mark.parametrize(
    ("status", "create", "refusal"),
    [(201, True, None), (409, True, None), (409, False, "no"), (422, True, "no"), (500, False, "no")],
)
def test_refusal_is_the_message_of_the_server(status: int, create: bool, refusal: str | None) -> None:
    assert Answering(status, {"message": "no"}).refusal(CONFIG_MAP, "todo", create=create) == refusal


@pytest.mark.parametrize("status", [429, 503, 504])
def test_unavailable_server_refuses_nothing(status: int) -> None:
    with pytest.raises(ApiException, match="try again"):
        Answering(status, {"message": "try again"}).refusal(CONFIG_MAP, "todo", create=True)


@pytest.mark.parametrize("status", [401, 410])
def test_only_what_is_absent_or_forbidden_is_missing(status: int) -> None:
    """A credential that has expired must not look like a cluster without objects."""
    server = Answering(status, {"message": "Unauthorized"})
    with pytest.raises(ApiException, match=str(status)):
        server.items("/api/v1/nodes")
    with pytest.raises(ApiException, match=str(status)):
        server.get(CONFIG_MAP, "todo")


def test_expired_credential_is_no_refusal() -> None:
    with pytest.raises(ApiException, match="Unauthorized"):
        Answering(401, {"message": "Unauthorized"}).refusal(CONFIG_MAP, "todo", create=False)


class Core:
    """The client's class for core objects, which answers every read with one status."""

    status = 404

    def __init__(self, _: object) -> None:
        pass

    def read_namespaced_config_map(self, *_: object, **__: object) -> object:
        if self.status != 200:
            raise ApiException(status=self.status)
        return SimpleNamespace(data={"A": "1"})

    read_namespaced_secret = read_namespaced_config_map


@pytest.mark.parametrize("kind", ["ConfigMap", "Secret"])
def test_absent_object_has_no_data(monkeypatch: pytest.MonkeyPatch, kind: str) -> None:
    """Its rule reports that it is absent; what reads a key of it is untested, and no error."""
    monkeypatch.setattr(client, "CoreV1Api", Core)
    objects = Objects(None, "todo")  # type: ignore[arg-type]
    for status, expected in ((404, {}), (200, {"A": "1"})):
        monkeypatch.setattr(Core, "status", status)
        assert objects.data(kind, "settings") == expected
    monkeypatch.setattr(Core, "status", 503)
    with pytest.raises(ApiException):
        objects.data(kind, "settings")


DENIED = 'deployments.apps "api" is forbidden: User "ada" cannot patch resource "deployments" in API group "apps"'


def test_object_that_the_user_may_not_apply_is_not_judged() -> None:
    def judged(**refused: str) -> CheckResults:
        (live,) = [each for each in checks.for_level("live") if each.id == "CHT-09"]
        cluster = ClusterState(refused={f"Deployment/{name}": message for name, message in refused.items()})
        return checks.run_checks(Snapshot("live", cluster=cluster), load(), [live])

    assert DENIED in judged(api=DENIED).untested["CHT-09"]
    violation = 'pods "web" is forbidden: violates PodSecurity "restricted:latest": privileged'
    [found] = judged(api=DENIED, web=violation).findings
    assert (found.object, found.actual) == ("Deployment/web", violation)
