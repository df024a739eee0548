"""What the report says of a cluster's network."""

from __future__ import annotations

import json

import pytest

from acceptance.provision import networking
from toolchain.console import CommandError

pytestmark = pytest.mark.unit


def daemon_set(name: str, *host_paths: str) -> dict[str, object]:
    volumes = [{"name": f"volume-{index}", "hostPath": {"path": path}} for index, path in enumerate(host_paths)]
    volumes.append({"name": "configuration", "configMap": {"name": name}})
    return {"metadata": {"name": name}, "spec": {"template": {"spec": {"volumes": volumes}}}}


def described(configuration: str, *daemon_sets: dict[str, object]) -> dict[str, str]:
    def kubectl(_: str, kind: str, *__: str) -> str:
        return configuration if kind == "configmap" else json.dumps({"items": daemon_sets})

    return networking.versions(kubectl)


def test_network_plugins_are_named() -> None:
    kindnet, calico = daemon_set("kindnet", "/etc/cni/net.d"), daemon_set("calico-node", "/lib/modules", "/opt/cni/bin")
    proxy = daemon_set("kube-proxy", "/lib/modules", "/run/xtables.lock")
    assert described("mode: nftables", kindnet, calico, proxy) == {
        "kube-proxy": "nftables",
        "network plugin": "calico-node, kindnet",
    }


def test_cluster_without_kube_proxy_and_plugins_is_described() -> None:
    assert described("") == {"kube-proxy": "not found", "network plugin": "files of the nodes"}


def test_mode_that_is_not_stated_is_the_default() -> None:
    assert described("mode: ''")["kube-proxy"] == "iptables"


def test_missing_rights_are_stated() -> None:
    def refuse(*_: str) -> str:
        raise CommandError(["kubectl"], 1, "", "forbidden")

    assert set(networking.versions(refuse).values()) == {"not readable"}
