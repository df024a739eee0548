"""Current values of the release's ConfigMap and Secret, read from the API server."""

from __future__ import annotations

from kubernetes import client

from acceptance.kube.client import TIMEOUT
from acceptance.kube.secrets import decode
from acceptance.provision.release import Release


def setting(release: Release, key: str) -> str:
    """Return a value of the ConfigMap; `AssertionError` if the key is missing."""
    target = release.target
    found = client.CoreV1Api(release.cluster.api).read_namespaced_config_map(
        target.config_map.name, target.chart.namespace, _request_timeout=TIMEOUT
    )
    data = found.data or {}
    assert key in data, f"ConfigMap/{target.config_map.name} has no key {key}"
    return data[key]


def secret(release: Release, key: str) -> str:
    """Return a decoded value of the Secret; `AssertionError` if the key is missing or not base64 of UTF-8."""
    target = release.target
    found = client.CoreV1Api(release.cluster.api).read_namespaced_secret(
        target.secret.name, target.chart.namespace, _request_timeout=TIMEOUT
    )
    data = found.data or {}
    assert key in data, f"Secret/{target.secret.name} has no key {key}"
    value = decode(data[key])
    assert value is not None, f"Secret/{target.secret.name} has a key {key} that is not base64 of UTF-8"
    return value
