"""Clauses that several entities share: names, namespaces, keys, sizes, probes."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from datetime import datetime

from acceptance.checks.component_view import ComponentView
from acceptance.checks.registry import Violation, check
from acceptance.core.fields import Object, at, format_value, mapping_at, name_of, object_ref, text_at

LABEL = re.compile(r"[a-z0-9]([-a-z0-9]{0,61}[a-z0-9])?")
KEY = re.compile(r"[-._a-zA-Z0-9]+")
MAX_BYTES = 1_048_576
"""A ConfigMap's or Secret's values together (API server)."""
MAX_VARIABLE_BYTES = 131_072
"""One environment string, `NAME=value` and its NUL (Linux: MAX_ARG_STRLEN, 32 pages)."""

Role = Callable[[ComponentView], Object]


def named(rule: str, role: Role, stated: Callable[[ComponentView], str | None]) -> None:
    """Register: the role's name is an RFC 1123 label, and the one that the target states."""

    @check(rule)
    def name_is_a_label(subject: ComponentView) -> Iterator[Violation]:
        item = role(subject)
        yield from label(item)
        wanted = stated(subject)
        if wanted and name_of(item) != wanted:
            yield Violation(object_ref(item), "metadata.name", wanted, format_value(name_of(item)))


def label(item: Object) -> Iterator[Violation]:
    name = name_of(item)
    if not LABEL.fullmatch(name):
        wanted = "an RFC 1123 label (lowercase letters, digits and dashes, at most 63)"
        yield Violation(object_ref(item), "metadata.name", wanted, format_value(name))


def in_namespace(rule: str, role: Role) -> None:
    """Register: the role is in the namespace that the target states."""

    @check(rule)
    def namespace_as_configured(subject: ComponentView) -> Iterator[Violation]:
        item = role(subject)
        yield from misplaced(subject, item)


def misplaced(subject: ComponentView, item: Object) -> Iterator[Violation]:
    wanted, found = subject.target.chart.namespace, subject.namespaced(item)
    if found != wanted:
        yield Violation(object_ref(item), "metadata.namespace", wanted, format_value(found))


def keys(rule: str, role: Role) -> None:
    """Register: keys are alphanumeric with dots, dashes and underscores."""

    @check(rule)
    def keys_are_plain(subject: ComponentView) -> Iterator[Violation]:
        item = role(subject)
        for field in ("data", "stringData", "binaryData"):
            for key in mapping_at(item, field):
                if not (isinstance(key, str) and KEY.fullmatch(key)):
                    wanted = "a key of letters, digits, dots, dashes and underscores"
                    yield Violation(object_ref(item), field, wanted, format_value(key))


def mutable(rule: str, role: Role) -> None:
    """Register: the object can be updated."""

    @check(rule)
    def not_immutable(subject: ComponentView) -> Iterator[Violation]:
        item = role(subject)
        if at(item, "immutable") not in (None, False):
            yield Violation(object_ref(item), "immutable", "false or absent", format_value(at(item, "immutable")))


def present(rule: str, role: Role, wanted: Callable[[ComponentView], list[str]]) -> None:
    """Register: the keys that the target states are there."""

    @check(rule)
    def keys_are_present(subject: ComponentView) -> Iterator[Violation]:
        item = role(subject)
        held = subject.keys_of(item)
        for key in wanted(subject):
            if key not in held:
                yield Violation(object_ref(item), "data", f"the key {key}", f"only {', '.join(sorted(held)) or 'none'}")


def sized(rule: str, role: Role, values: Callable[[Object], dict[str, int]]) -> None:
    """Register: values fit the object, and each that becomes a variable fits the environment.

    `values` gives the bytes of each key's value.
    """

    @check(rule)
    def values_fit(subject: ComponentView) -> Iterator[Violation]:
        item = role(subject)
        sizes = values(item)
        total = sum(sizes.values())
        if total > MAX_BYTES:
            largest = max(sizes, key=lambda key: sizes[key])
            found = f"{total:,} bytes, {sizes[largest]:,} of them in {largest}"
            yield Violation(object_ref(item), "data", f"at most {MAX_BYTES:,} bytes of values", found)
        kind = text_at(item, "kind")
        for pod in subject.workloads():
            for container in pod.containers():
                for given in subject.environment(container):
                    if (given.source, given.source_name) != (kind, name_of(item)):
                        continue
                    size = len(given.name.encode()) + 2 + sizes.get(given.key, 0)
                    if size > MAX_VARIABLE_BYTES:
                        wanted = f"at most {MAX_VARIABLE_BYTES:,} bytes as {given.name}=value and NUL"
                        found = f"{size:,} bytes in {pod.object}, container {container.name}"
                        yield Violation(object_ref(item), f"data.{given.key}", wanted, found)


def timestamp(value: object) -> datetime | None:
    """An ISO 8601 date and time with its zone, or None."""
    if not isinstance(value, str) or "T" not in value:
        return None
    # Python reads at most microseconds; images carry nanoseconds.
    try:
        moment = datetime.fromisoformat(re.sub(r"(\.\d{6})\d+", r"\1", value))
    except ValueError:
        return None
    return moment if moment.tzinfo is not None else None
