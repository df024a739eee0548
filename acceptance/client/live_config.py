"""Current values of the release's ConfigMap and Secret, read from the API server."""

from __future__ import annotations

from acceptance.checks.finding import Untested
from acceptance.kube.secrets import decode
from acceptance.provision.release import Release


def setting(release: Release, key: str) -> str:
    """Return a value of the ConfigMap; raises `Untested` if the key is missing, which CFG-11 reports."""
    target = release.target
    data = release.objects.data("ConfigMap", target.config_map.name)
    if key not in data:
        raise Untested(f"ConfigMap/{target.config_map.name} has no key {key} (CFG-11)")
    return data[key]


def secret(release: Release, key: str) -> str:
    """Return a decoded value of the Secret.

    Raises `Untested` if the key is missing (SEC-12 reports it) or its value is not base64 of UTF-8 (SEC-07).
    """
    target = release.target
    data = release.objects.data("Secret", target.secret.name)
    if key not in data:
        raise Untested(f"Secret/{target.secret.name} has no key {key} (SEC-12)")
    value = decode(data[key])
    if value is None:
        raise Untested(f"Secret/{target.secret.name} has a key {key} that is not base64 of UTF-8 (SEC-07)")
    return value
