"""Clauses that several entities share: names, namespaces, keys, sizes, probes."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Callable, Iterator
from datetime import datetime

from acceptance.checks.component_view import ComponentView
from acceptance.checks.registry import Violation, check
from acceptance.checks.snapshot import Snapshot
from acceptance.core.fields import Object, at, format_value, mapping_at, mappings_at, name_of, object_ref, text_at
from acceptance.kube.env_files import variables_of_files

LABEL = re.compile(r"[a-z0-9]([-a-z0-9]{0,61}[a-z0-9])?")
HASHED = re.compile(r"(.+)-(?:[0-9a-f]{5,64}|[2456789bcdfghkmt]{10})")
KEY = re.compile(r"[-._a-zA-Z0-9]+")
MAX_BYTES = 1_048_576
"""Total size of a ConfigMap's or Secret's values (API server)."""
MAX_VARIABLE_BYTES = 131_072
"""Size of one environment string, `NAME=value` with its NUL (Linux: MAX_ARG_STRLEN, 32 pages)."""

NAMED_BY_RULES = ("Deployment", "Service", "ConfigMap", "Secret", "HorizontalPodAutoscaler")
"""Kinds whose names must be RFC 1123 labels; Kubernetes lets most others have longer ones."""

Role = Callable[[ComponentView], Object]
"""Returns the object that a rule is about, such as the ConfigMap."""


def check_name(rule: str, role: Role, target_name: Callable[[ComponentView], str | None]) -> None:
    """Register a check: the object's name is an RFC 1123 label, and the target's but for a hash of its content."""

    @check(rule)
    def name_is_a_label(view: ComponentView) -> Iterator[Violation]:
        item = role(view)
        yield from invalid_name(item)
        expected = target_name(view)
        if expected and name_of(item) != expected and not hashed_alike(name_of(item), expected):
            yield Violation(object_ref(item), "metadata.name", expected, format_value(name_of(item)))


def hashed_alike(name: str, other: str) -> bool:
    """Tell whether two names differ only in a hash at their end, which follows the content (as Kustomize's do)."""
    stems = [found[1] for each in (name, other) if (found := HASHED.fullmatch(each))]
    return len(stems) == 2 and stems[0] == stems[1] and any(map(str.isdigit, name + other))


def has_hash(name: str) -> bool:
    """Tell whether a name ends in a hash, which follows the content (as Kustomize's do)."""
    return hashed_alike(name, name)


def invalid_name(item: Object) -> Iterator[Violation]:
    """Yield a violation if the object's name is not an RFC 1123 label."""
    name = name_of(item)
    if not LABEL.fullmatch(name):
        expected = "an RFC 1123 label (lowercase letters, digits and dashes, at most 63)"
        yield Violation(object_ref(item), "metadata.name", expected, format_value(name))


def unusable_names(snapshot: Snapshot) -> list[str]:
    """Return what is wrong with the names of a snapshot's objects: those that are no label, and those given twice."""
    objects = snapshot.objects
    invalid = [each for item in objects if text_at(item, "kind") in NAMED_BY_RULES for each in invalid_name(item)]
    identities = Counter((text_at(item, "kind"), snapshot.namespace_of(item), name_of(item)) for item in objects)
    return [
        *(f"{each.object} {each.field}" for each in invalid),
        *(f"{count} objects of one name, {kind}/{name}" for (kind, _, name), count in identities.items() if count > 1),
    ]


def check_namespace(rule: str, role: Role) -> None:
    """Register a check: the object is in the target's namespace."""

    @check(rule)
    def namespace_as_configured(view: ComponentView) -> Iterator[Violation]:
        item = role(view)
        yield from wrong_namespace(view, item)


def wrong_namespace(view: ComponentView, item: Object) -> Iterator[Violation]:
    """Yield a violation if the object is not in the target's namespace."""
    expected, actual = view.target.chart.namespace, view.namespaced(item)
    if actual != expected:
        yield Violation(object_ref(item), "metadata.namespace", expected, format_value(actual))


def check_keys(rule: str, role: Role) -> None:
    """Register a check: keys consist of alphanumerics, dots, dashes and underscores."""

    @check(rule)
    def keys_are_plain(view: ComponentView) -> Iterator[Violation]:
        item = role(view)
        for field in ("data", "stringData", "binaryData"):
            for key in mapping_at(item, field):
                if not (isinstance(key, str) and KEY.fullmatch(key)):
                    expected = "a key of letters, digits, dots, dashes and underscores"
                    yield Violation(object_ref(item), field, expected, format_value(key))


def check_mutable(rule: str, role: Role) -> None:
    """Register a check: the object is not immutable, unless its name follows its content."""

    @check(rule)
    def not_immutable(view: ComponentView) -> Iterator[Violation]:
        item = role(view)
        if at(item, "immutable") not in (None, False) and not has_hash(name_of(item)):
            yield Violation(object_ref(item), "immutable", "false or absent", format_value(at(item, "immutable")))


def check_keys_present(rule: str, role: Role, expected: Callable[[ComponentView], list[str]]) -> None:
    """Register a check: the keys that the target names are present, as keys rather than as lines of a file."""

    @check(rule)
    def keys_are_present(view: ComponentView) -> Iterator[Violation]:
        item = role(view)
        present = view.keys_of(item)
        files = variables_of_files(item)
        for key in expected(view):
            if key not in present:
                actual = f"a line of {files[key]}" if key in files else f"only {', '.join(sorted(present)) or 'none'}"
                yield Violation(object_ref(item), "data", f"the key {key}", actual, derived=key in files)


def check_size(rule: str, role: Role, values: Callable[[Object], dict[str, int]]) -> None:
    """Register a check: values fit the object, and those used as environment variables fit the environment.

    Args:
        rule: The rule's identifier.
        role: Returns the object.
        values: Returns the size of each key's value in bytes.
    """

    @check(rule)
    def values_fit(view: ComponentView) -> Iterator[Violation]:
        item = role(view)
        sizes = values(item)
        total = sum(sizes.values())
        if total > MAX_BYTES:
            largest = max(sizes, key=lambda key: sizes[key])
            actual = f"{total:,} bytes, {sizes[largest]:,} of them in {largest}"
            yield Violation(object_ref(item), "data", f"at most {MAX_BYTES:,} bytes of values", actual)
        kind = text_at(item, "kind")
        for pod in view.workloads():
            for container in pod.containers():
                for variable in view.environment(container):
                    if (variable.source, variable.source_name) != (kind, name_of(item)):
                        continue
                    size = len(variable.name.encode()) + 2 + sizes.get(variable.key, 0)
                    if size > MAX_VARIABLE_BYTES:
                        expected = f"at most {MAX_VARIABLE_BYTES:,} bytes as {variable.name}=value and NUL"
                        actual = f"{size:,} bytes in {pod.object}, container {container.name}"
                        yield Violation(object_ref(item), f"data.{variable.key}", expected, actual)


def ports_of_service(service: Object) -> list[tuple[str, Object]]:
    """Return each port of a Service with its field: by its name or its place, which stay where its number changes."""
    entries = mappings_at(service, "spec.ports")
    return [(f"spec.ports[{text_at(entry, 'name') or index}]", entry) for index, entry in enumerate(entries)]


def timestamp(value: object) -> datetime | None:
    """Parse an ISO 8601 date and time with a time zone; None if it is not one."""
    if not isinstance(value, str) or "T" not in value:
        return None
    # Python parses at most microseconds; images have nanoseconds.
    try:
        moment = datetime.fromisoformat(re.sub(r"(\.\d{6})\d+", r"\1", value))
    except ValueError:
        return None
    return moment if moment.tzinfo is not None else None
