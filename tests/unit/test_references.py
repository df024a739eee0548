"""References by name: what hooks create in time, and what values give by an existing name."""

from __future__ import annotations

import pytest

from acceptance.checks.references import given_names
from acceptance.kube.hooks import exists_before, order
from mutants.draft import Body


def item(kind: str, events: str = "", weight: int = 0, policy: str = "before-hook-creation") -> Body:
    annotations = {"helm.sh/hook": events, "helm.sh/hook-weight": str(weight), "helm.sh/hook-delete-policy": policy}
    return {"kind": kind, "metadata": {"name": kind.lower(), "annotations": annotations if events else {}}}


@pytest.mark.parametrize(
    ("used", "user", "exists"),
    [
        (item("Secret"), item("Deployment"), True),
        (item("Secret"), item("Job", "post-install,post-upgrade"), True),
        (item("Secret"), item("Job", "pre-upgrade"), True),
        (item("Secret"), item("Pod", "test"), True),
        (item("Secret"), item("Job", "pre-delete"), True),
        (item("Secret"), item("Job", "pre-install"), False),
        (item("Secret"), item("Job", "pre-install,pre-upgrade"), False),
        (item("Secret", "pre-install"), item("Deployment"), True),
        (item("Secret", "pre-install", policy="hook-succeeded"), item("Deployment"), False),
        (item("Secret", "post-install"), item("Deployment"), False),
        (item("Secret", "test"), item("Deployment"), False),
        (item("Secret", "test"), item("Pod", "test"), True),
        (item("Secret", "pre-install", 1), item("Job", "pre-install", 0), False),
        (item("Secret", "pre-install", -1), item("Job", "pre-install", 0), True),
        (item("Secret", "pre-install", -1), item("Job", "pre-install,pre-upgrade", 0), True),
        (item("Secret", "pre-install,pre-upgrade", -5), item("Job", "pre-install,pre-upgrade", -1), True),
        (item("Secret", "pre-install", policy="hook-succeeded"), item("Job", "post-install"), False),
        (item("Secret", "pre-install", policy="hook-succeeded"), item("Job", "pre-install"), True),
    ],
)
def test_order_of_hooks(used: Body, user: Body, exists: bool) -> None:
    assert exists_before(used, user) is exists


def test_a_hook_that_helm_deletes_is_said_to_be_deleted() -> None:
    assert order(item("Secret", "pre-install", -1)) == "it is a hook of pre-install, of weight -1"
    words = order(item("Secret", "pre-install", policy="hook-succeeded"))
    assert (
        words
        == "it is a hook of pre-install, of weight 0, and deleted then (helm.sh/hook-delete-policy hook-succeeded)"
    )
    assert order(item("Secret")).startswith("it is not a hook")


def test_existing_objects_are_given_by_values() -> None:
    values = {
        "secrets": {"existingSecret": "mine", "name": "todo"},
        "existingConfigMap": {"name": "theirs"},
        "backend": {"envFrom": [{"existingSecretName": "third"}]},
        "other": {"existingSecret": ""},
        "serviceAccount": {"create": False, "name": "fourth"},
        "own": {"create": True, "name": "todo"},
    }
    assert given_names(values) == {"mine", "theirs", "third", "fourth"}
