"""Rules of the Helm chart: its files and its renderings."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterator, Mapping
from dataclasses import replace

from jsonschema import Draft202012Validator
from jsonschema.exceptions import SchemaError
from jsonschema.validators import validator_for
from referencing.exceptions import Unresolvable

from acceptance.checks.clauses import wrong_namespace
from acceptance.checks.component_view import ComponentView
from acceptance.checks.finding import Untested
from acceptance.checks.registry import Violation, check
from acceptance.checks.snapshot import ELSEWHERE, Rendering
from acceptance.checks.values_schema import unknown_keys
from acceptance.core.fields import Object, at, format_value, name_of, object_ref
from acceptance.core.secret_scan import strings
from acceptance.kube import schema as openapi
from acceptance.kube.manifests import duplicate_keys

FILE = "Chart.yaml"
NAME = re.compile(r"[a-zA-Z0-9]+(-[a-zA-Z0-9]+)*")
# semver.org's regular expression.
SEMVER = re.compile(
    r"(0|[1-9]\d*)\.(0|[1-9]\d*)\.(0|[1-9]\d*)"
    r"(-(0|[1-9]\d*|\d*[a-zA-Z-][0-9a-zA-Z-]*)(\.(0|[1-9]\d*|\d*[a-zA-Z-][0-9a-zA-Z-]*))*)?"
    r"(\+[0-9a-zA-Z-]+(\.[0-9a-zA-Z-]+)*)?"
)
EXPONENT = re.compile(r"(?<![\w.])\d(?:\.\d+)?e\+\d\d(?!\w)")
MAX_TEMPLATES = 50
UNFILLED = re.compile(r"{{-?\s*(?:\$?\.(?:Values|Release|Chart|Files|Capabilities|Template)\b|(?:include|tpl)\s).*?}}")
"""An action of Helm's templates, in a text that no template has filled in."""
MISPRINT = re.compile(r"%!\w?\([^)]*\)?|<no value>|<nil>|\bmap\[\w*:")
"""What Go templates print for a wrong format verb, a missing value or a mapping."""


def compare_with_target(view: ComponentView, field: str, expected: str | None) -> Iterator[Violation]:
    """Yield a violation if the target states the field's value and it is another."""
    actual = at(view.chart.metadata, field)
    if expected is not None and str(actual) != expected:
        yield Violation(FILE, field, expected, format_value(actual))


@check("CHT-01")
def name(view: ComponentView) -> Iterator[Violation]:
    """CHT-01: name is alphanumeric with dashes."""
    actual = at(view.chart.metadata, "name")
    if not (isinstance(actual, str) and NAME.fullmatch(actual)):
        yield Violation(FILE, "name", "alphanumeric with dashes", format_value(actual))
    else:
        yield from compare_with_target(view, "name", view.target.chart.name)


@check("CHT-02")
def version(view: ComponentView) -> Iterator[Violation]:
    """CHT-02: version is SemVer."""
    actual = at(view.chart.metadata, "version")
    if not (isinstance(actual, str) and SEMVER.fullmatch(actual)):
        yield Violation(FILE, "version", "SemVer (MAJOR.MINOR.PATCH)", format_value(actual))
    else:
        yield from compare_with_target(view, "version", view.target.chart.version)


@check("CHT-03")
def app_version(view: ComponentView) -> Iterator[Violation]:
    """CHT-03: appVersion is present."""
    actual = at(view.chart.metadata, "appVersion")
    if actual is None or not str(actual).strip():
        yield Violation(FILE, "appVersion", "present", format_value(actual))
        return
    written = re.search(r"^appVersion:[ \t]*(\d+\.\d+)[ \t]*(?:#.*)?$", view.chart.chart_yaml, re.MULTILINE)
    if isinstance(actual, float) and written and written[1] != str(actual):
        yield Violation(FILE, "appVersion", f'"{written[1]}", quoted', f"the number {actual}", derived=True)
    yield from compare_with_target(view, "appVersion", view.target.chart.app_version)


@check("CHT-04")
def description(view: ComponentView) -> Iterator[Violation]:
    """CHT-04: description has 1-200 characters."""
    actual = at(view.chart.metadata, "description")
    if not isinstance(actual, str) or not 1 <= len(actual.strip()) <= 200:
        length = f"{len(actual.strip())} characters" if isinstance(actual, str) else format_value(actual)
        yield Violation(FILE, "description", "1-200 characters", length)


@check("CHT-05")
def api_version(view: ComponentView) -> Iterator[Violation]:
    """CHT-05: apiVersion is v2."""
    if (actual := at(view.chart.metadata, "apiVersion")) != "v2":
        yield Violation(FILE, "apiVersion", "v2", format_value(actual))


@check("CHT-06")
def chart_type(view: ComponentView) -> Iterator[Violation]:
    """CHT-06: type is application."""
    # Helm reads an absent type as application.
    if (actual := at(view.chart.metadata, "type")) not in (None, "application"):
        yield Violation(FILE, "type", "application", format_value(actual))


@check("CHT-07")
def dependencies_resolve(view: ComponentView) -> Iterator[Violation]:
    """CHT-07: every listed dependency is in charts/ with a fitting version."""
    for dependency in view.chart.dependencies:
        if dependency.status not in ("ok", "unpacked"):
            field = f"dependencies[{dependency.name}]"
            yield Violation(FILE, field, f"version {dependency.version} in charts/", dependency.status)


@check("CHT-08")
def templates_define_every_entity(view: ComponentView) -> Iterator[Violation]:
    """CHT-08: 1-50 template files define helpers, notes and every required object."""
    chart, target = view.chart, view.target
    view.require_rendered()
    if not 1 <= len(chart.templates) <= MAX_TEMPLATES:
        yield Violation("templates/", "files", f"1-{MAX_TEMPLATES}", str(len(chart.templates)))
    files = [path.rpartition("/")[2] for path in chart.templates]
    required: list[tuple[str, bool]] = [
        ("helpers (a template file whose name starts with _)", any(f.startswith("_") for f in files)),
        ("NOTES.txt", "NOTES.txt" in files),
        # A values file may name existing ones.
        (f"ConfigMap/{target.config_map.name}", not view.shipped or view.find_config_map() is not None),
        (
            f"Secret/{target.secret.name}",
            not view.shipped or target.secret_exists or view.find_secret() is not None,
        ),
        ("a Namespace, at least when its value is set", renders_namespace(view)),
    ]
    for component in ("backend", "frontend"):
        component_view = view.for_component(component)
        known = component in target.components
        names = target.components.get(component)
        required += [
            (
                f"the {component}'s Deployment{f'/{names.deployment}' if names else ''}",
                known and component_view.find_deployment() is not None,
            ),
            (
                f"the {component}'s Service{f'/{names.service}' if names else ''}",
                known and component_view.find_service() is not None,
            ),
        ]
    for expected, present in required:
        if not present:
            yield Violation("templates/", "objects", expected, "none")


def renders_namespace(view: ComponentView) -> bool:
    """Whether the chart renders a Namespace, by default or when its value is set."""
    on = view.chart.namespace_on
    if on is not None:
        return any(at(item, "kind") == "Namespace" for item in on.objects)
    if view.snapshot.of_kind("Namespace"):
        return True
    return any(re.search(r"^kind:\s*[\"']?Namespace\b", text, re.M) for text in view.chart.templates.values())


@check("CHT-09", "static")
def renders_to_valid_objects(view: ComponentView) -> Iterator[Violation]:
    """CHT-09: the chart renders deterministically to unique objects, without what templates print by mistake."""
    chart, snapshot = view.chart, view.snapshot
    owner = "chart"
    for file, text in chart.values_files.items():
        for _, path in duplicate_keys(text) if file in ("values.yaml", snapshot.variant) else ():
            yield Violation(file, path, "the key once", "twice: the last one counts")
    if chart.rendering.error is not None:
        refused = wants_the_cluster(chart.rendering.error, chart.templates)
        yield Violation(owner, "helm template", "objects", chart.rendering.error, derived=refused)
        return
    numbers, lists, given = printed_values(chart.values)
    twice: dict[str, list[str]] = {}
    for ref, path in duplicate_keys(chart.rendering.manifest):
        twice.setdefault(path, []).append(ref or owner)
    for path, refs in twice.items():  # which one helper may write into many objects
        objects = list(dict.fromkeys(refs))
        where = f" in {', '.join(objects)}" if len(objects) > 1 else ""
        subject = owner if len(objects) > 1 else objects[0]
        yield Violation(subject, path, "the key once", f"twice{where}: the last one counts")
    if chart.rerendering != chart.rendering:
        changed = ", ".join(difference(chart.rendering, chart.rerendering)) or "the notes"
        yield Violation(owner, "helm template", "the same each time", f"{changed} differ the second time")
    identities = Counter(
        (openapi.kind_of(item), snapshot.namespace_of(item), name_of(item)) for item in snapshot.objects
    )
    for (kind, _, named), count in identities.items():
        if count > 1:
            yield Violation(
                f"{kind.rpartition('/')[2]}/{named}", "metadata.name", "one object", f"{count} of that name"
            )
    for item in snapshot.objects:
        for field, text in strings(item):
            if text in lists:
                yield Violation(object_ref(item), field, "the list's entries", f"Go's output for a list: {text}")
            for token in EXPONENT.findall(text):
                alone = re.search(rf"(?:^|[=\s]){re.escape(token)}(?:$|[\s,;])", text) is not None
                written = token in given or any(token in each for each in chart.templates.values())
                if not written and (float(token) in numbers or (alone and float(token).is_integer())):
                    shown = f"{token}, which is Go's output for {int(float(token))}"
                    yield Violation(object_ref(item), field, "the number as it is given", shown)
            if actual := MISPRINT.search(text):
                yield Violation(
                    object_ref(item),
                    field,
                    "a value",
                    f"Go's output for a wrong template: {format_value(actual.group())}",
                )
            if "\n" not in text and (unfilled := UNFILLED.search(text)):
                expected, actual_text = "what Helm fills in, as by tpl", format_value(unfilled.group())
                yield Violation(object_ref(item), field, expected, actual_text, derived=True)
    yield from refuses_without_secrets(view)


def wants_the_cluster(error: str, templates: Mapping[str, str]) -> bool:
    """Whether a template refuses that looks something up in the cluster, as it does wherever none is asked."""
    found = re.search(r"execution error at \([^/()]+/(templates/[^():]+):\d+:\d+\)", error)
    return found is not None and re.search(r"\(\s*lookup\s", templates.get(found[1], "")) is not None


def printed_values(values: Object) -> tuple[set[float], set[str], str]:
    """Return what templates may misprint: whole numbers, lists as Go prints them; and all given strings in one."""
    numbers: set[float] = set()
    lists: set[str] = set()
    given: list[str] = []

    def walk(value: object) -> None:
        if isinstance(value, dict):
            for entry in value.values():
                walk(entry)
        elif isinstance(value, list):
            if value and all(isinstance(entry, str) and entry for entry in value):
                lists.add(f"[{' '.join(value)}]")
            for entry in value:
                walk(entry)
        elif isinstance(value, str):
            given.append(value)
        elif isinstance(value, (int, float)) and not isinstance(value, bool) and value == int(value):
            numbers.add(float(value))

    walk(values)
    return numbers, lists, "\n".join(given)


def difference(first: Rendering, again: Rendering) -> list[str]:
    """Return what differs between two renderings: the changed objects, or their number."""
    pairs = zip(first.objects, again.objects, strict=False)
    changed = [object_ref(one) for one, other in pairs if one != other]
    return changed or (["number of objects"] if len(first.objects) != len(again.objects) else [])


def refuses_without_secrets(view: ComponentView) -> Iterator[Violation]:
    """CHT-09: without the secrets rendering fails with one message that names each of them."""
    bare = view.chart.without_secrets
    if bare is None:
        return
    owner = "rendering without the secrets"
    if bare.error is None:
        expected = "refused in one message that names every missing secret"
        yield Violation(owner, "helm template", expected, "rendered", derived=True)
        return
    for key, path in view.target.secret_paths.items():
        if path is not None and not any(word in bare.error for word in (path, path.rpartition(".")[2], key)):
            yield Violation(owner, "helm template", f"a message that names {path}", bare.error, derived=True)


NO_RIGHT = re.compile(r'is forbidden: User "[^"]*" cannot ')
"""What the API server says where the user of the context lacks a right, which says nothing about the object."""


@check("CHT-09", "live")
def api_server_accepts_each(view: ComponentView) -> Iterator[Violation]:
    """CHT-09: the API server accepts each object with dryRun=All."""
    denied = ""
    for owner, message in view.cluster.refused.items():
        if NO_RIGHT.search(message):
            denied = message
        else:
            yield Violation(owner, "dryRun=All", "accepted by the API server", message)
    if denied:
        raise Untested(f"the user may not apply each object, so the API server did not judge it: {denied}")


@check("CHT-10")
def values_fit_the_schema(view: ComponentView) -> Iterator[Violation]:
    """CHT-10: there is a values.schema.json that the values fit and that knows every key."""
    chart = view.chart
    schema = chart.schema
    if schema is None:
        yield Violation("values.schema.json", "file", "present", "none", derived=True)
        return
    dialect = validator_for(schema, default=Draft202012Validator)
    try:
        dialect.check_schema(dict(schema))
    except SchemaError as error:
        yield Violation("values.schema.json", "file", "a valid JSON Schema", error.message)
        return
    try:
        mistakes = list(dialect(schema).iter_errors(chart.values))
    except Unresolvable as error:
        raise Untested(f"values.schema.json refers to another schema that can't be read: {error}") from error
    for mistake in mistakes:
        path = ".".join(map(str, mistake.absolute_path)) or "values"
        # The value may be a secret, so only the violated keyword is quoted.
        expected = f"valid under the schema's {mistake.validator} ({format_value(mistake.validator_value, 60)})"
        yield Violation("values", path, expected, "an invalid value")
    for path in unknown_keys(chart.values, schema, schema, view.target.values.extra_config):
        yield Violation("values.schema.json", path, "declared, with additionalProperties false", "not so", derived=True)


@check("CHT-15")
def lint_is_clean(view: ComponentView) -> Iterator[Violation]:
    """CHT-15: `helm lint --strict` reports nothing."""
    view.require_rendered()
    for message in view.chart.lint:
        yield Violation("chart", "helm lint --strict", "no message", message)


@check("CHT-16")
def one_namespace(view: ComponentView) -> Iterator[Violation]:
    """CHT-16: the chart renders at most one Namespace, which every object is in."""
    view.require_rendered()
    objects = view.snapshot.objects
    on = view.snapshot.chart.namespace_on if view.snapshot.chart else None
    if on is not None:
        if on.error is not None:
            yield Violation("rendering with the Namespace", "helm template", "objects", on.error)
            return
        objects = on.objects
    namespaces = [item for item in objects if at(item, "kind") == "Namespace"]
    if not namespaces:
        raise Untested("the release has no Namespace, and the target names no values.namespace_create")
    expected = view.target.chart.namespace
    namespaced_view = (
        ComponentView(replace(view.snapshot, release_namespace=ELSEWHERE), view.target, None) if on else view
    )
    if len(namespaces) != 1:
        yield Violation("Namespace", "metadata.name", f"one, {expected}", f"{len(namespaces)}")
    for item in namespaces:
        if name_of(item) != expected:
            yield Violation(object_ref(item), "metadata.name", expected, format_value(name_of(item)))
    for item in objects:
        if openapi.is_namespaced(item, objects):
            yield from wrong_namespace(namespaced_view, item)
