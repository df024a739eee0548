"""How a cluster routes traffic, as the report names it: kube-proxy's mode, and what configures the network of pods."""

from __future__ import annotations

import json
from collections.abc import Callable

import yaml

from acceptance.core.fields import mapping_at, mappings_at, name_of, text_at
from toolchain.console import CommandError

PLUGIN_FOLDERS = ("/etc/cni", "/opt/cni")
"""Where a network plugin installs its configuration and its programs, by the conventions of containerd."""
NOT_READABLE = "not readable"


def versions(kubectl: Callable[..., str]) -> dict[str, str]:
    """Return what the report names. `kubectl` runs a command against the cluster and may raise `CommandError`."""
    return {"kube-proxy": _proxy_mode(kubectl), "network plugin": _network_plugins(kubectl)}


def _proxy_mode(kubectl: Callable[..., str]) -> str:
    """kube-proxy's mode as kubeadm's ConfigMap states it; a cluster may have another proxy."""
    where = ("--namespace", "kube-system", "--ignore-not-found", "--output", r"jsonpath={.data.config\.conf}")
    try:
        text = kubectl("get", "configmap", "kube-proxy", *where)
    except CommandError:
        return NOT_READABLE
    configuration = yaml.safe_load(text) if text else None
    return str(configuration.get("mode") or "iptables") if isinstance(configuration, dict) else "not found"


def _network_plugins(kubectl: Callable[..., str]) -> str:
    """Return the DaemonSets that install a network plugin on the nodes; files of the nodes alone may do the same."""
    try:
        text = kubectl("get", "daemonsets", "--all-namespaces", "--output", "json")
    except CommandError:
        return NOT_READABLE
    found = {
        name_of(item)
        for item in mappings_at(json.loads(text), "items")
        for volume in mappings_at(item, "spec.template.spec.volumes")
        if text_at(mapping_at(volume, "hostPath"), "path").startswith(PLUGIN_FOLDERS)
    }
    return ", ".join(sorted(found)) or "files of the nodes"
