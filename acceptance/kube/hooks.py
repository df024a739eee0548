"""Helm's hooks: what exists when an object of a release is created."""

from __future__ import annotations

from acceptance.core.fields import Object, mapping_at, name_of, text_at

HOOK = "helm.sh/hook"
WEIGHT = "helm.sh/hook-weight"
DELETE_POLICY = "helm.sh/hook-delete-policy"
BEFORE = {
    "pre-install": (),
    "post-install": ("pre-install",),
    "pre-upgrade": ("pre-install", "post-install"),
    "post-upgrade": ("pre-install", "post-install", "pre-upgrade"),
}
"""The events whose hooks precede those of an event; those of all other events follow an installation."""
EVENTS = frozenset({*BEFORE, "pre-delete", "post-delete", "pre-rollback", "post-rollback", "test", "test-success"})
POLICIES = frozenset({"before-hook-creation", "hook-succeeded", "hook-failed"})
"""When Helm deletes a hook."""
RUNNING = ("Job", "Pod", "Deployment", "StatefulSet", "DaemonSet")
"""Kinds that Helm creates after those that they use, of one event and weight."""


def events(item: Object) -> frozenset[str]:
    """Return the events of a hook, such as `pre-install`; empty for an object that is not a hook."""
    named = mapping_at(item, "metadata.annotations").get(HOOK)
    words = {word.strip() for word in named.split(",")} if isinstance(named, str) else set()
    return frozenset("test" if word == "test-success" else word for word in words if word)


def is_test(item: Object) -> bool:
    """Return whether an object is created by `helm test` only."""
    return events(item) == {"test"}


def weight(item: Object) -> int:
    """Return the weight of a hook; 0 where it has none."""
    try:
        return int(mapping_at(item, "metadata.annotations").get(WEIGHT, 0))
    except (TypeError, ValueError):
        return 0


def order(item: Object) -> str:
    """Return when Helm creates an object and, if it does so by itself, deletes it, in words."""
    named = events(item)
    if not named:
        return "it is not a hook, so Helm creates it after those of pre-install"
    deleted = f", and deleted then ({DELETE_POLICY} hook-succeeded)" if _is_deleted(item) else ""
    return f"it is a hook of {', '.join(sorted(named))}, of weight {weight(item)}{deleted}"


def _order(item: Object) -> tuple[int, bool, str]:
    return weight(item), text_at(item, "kind") in RUNNING, name_of(item)


def exists_before(used: Object, user: Object) -> bool:
    """Return whether an object of a release exists at each moment at which Helm creates another one that uses it."""
    if used is user:
        return True
    own, others = events(user), events(used)
    if not own:  # created by an installation, after the hooks `pre-install`
        return not others or ("pre-install" in others and not _is_deleted(used))
    if not others:
        return "pre-install" not in own
    return all(
        (event in others and _order(used) < _order(user))
        or (not _is_deleted(used) and bool(others & set(BEFORE.get(event, ("pre-install", "post-install")))))
        for event in own
    )


def _is_deleted(item: Object) -> bool:
    """Return whether Helm deletes a hook as soon as it has succeeded: a Secret or ConfigMap when it exists."""
    policy = mapping_at(item, "metadata.annotations").get(DELETE_POLICY)
    return isinstance(policy, str) and "hook-succeeded" in policy
