"""Helm on a release: what it refuses is the release's fault, and an API server that fails is not."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest

from acceptance.kube.helm import INSTALLED, RefusedReleaseError
from acceptance.provision.cluster import Cluster
from acceptance.provision.helm import HelmRelease
from acceptance.provision.providers import provider_of
from tests.unit.user_cluster import Machine, run_on
from toolchain.console import CommandError

CHANGES: dict[str, Callable[[HelmRelease], None]] = {
    "upgrade": lambda helm: helm.upgrade(Path("chart"), {}),
    "rollback": lambda helm: helm.rollback(),
    "uninstall": lambda helm: helm.uninstall(),
}


@pytest.fixture(params=CHANGES)
def change(request: pytest.FixtureRequest) -> Callable[[HelmRelease], None]:
    return CHANGES[request.param]


@pytest.mark.parametrize(
    "words",
    [
        'Error: cannot patch "api" with kind Deployment: field is immutable',
        "Error: 1 error occurred: * timed out waiting for the condition",
        "Error: parse error at (todo/templates/hpa.yaml:3): unexpected EOF",
        "Error: etcdserver: request is too large",
    ],
)
def test_what_helm_refuses_is_a_fault_of_the_release(
    tmp_path: Path, change: Callable[[HelmRelease], None], words: str
) -> None:
    with pytest.raises(RefusedReleaseError) as raised:
        change(release_that_says(tmp_path, words))
    assert raised.value.summary == words.removeprefix("Error: ")


@pytest.mark.parametrize(
    "words",
    [
        "Error: Kubernetes cluster unreachable: the server has asked for the client to provide credentials",
        'Error: uninstall: Get "https://127.0.0.1:6443/api": dial tcp 127.0.0.1:6443: connect: connection refused',
        'Error: Get "https://127.0.0.1:6443/api": read tcp 127.0.0.1:1->127.0.0.1:6443: connection reset by peer',
        'Error: Get "https://127.0.0.1:6443/api": http2: client connection lost',
        'Error: Get "https://127.0.0.1:6443/api": EOF',
        "Error: etcdserver: request timed out",
    ],
)
def test_api_server_that_fails_is_no_fault_of_the_release(
    tmp_path: Path, change: Callable[[HelmRelease], None], words: str
) -> None:
    with pytest.raises(CommandError) as raised:
        change(release_that_says(tmp_path, words))
    assert not isinstance(raised.value, RefusedReleaseError)


@pytest.mark.parametrize(
    ("listed", "values"),
    [
        ([], None),
        ([{"name": "todo", "status": "deployed"}], {"a": 1}),
        ([{"name": "todo", "status": "pending-upgrade"}], {"a": 1}),
    ],
)
def test_release_with_a_killed_operation_is_installed(
    tmp_path: Path, listed: list[dict[str, str]], values: dict[str, int] | None
) -> None:
    machine = Machine(tmp_path)
    machine.answer("helm", f"list {' '.join(INSTALLED)} --filter", listed)
    machine.answer("helm", "get values", {"a": 1})
    assert HelmRelease(Cluster(provider_of(machine.toolchain, run_on(tmp_path))), "todo", "todo").values() == values


def release_that_says(home: Path, words: str) -> HelmRelease:
    """Return a release that Helm fails to change."""
    machine = Machine(home)
    machine.answer("helm", "--namespace todo", words, code=1)
    return HelmRelease(Cluster(provider_of(machine.toolchain, run_on(home))), "todo", "todo")
