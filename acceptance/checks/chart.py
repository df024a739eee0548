"""Rules of the Helm chart: its files, and what rendering it gives."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterator
from dataclasses import replace

from jsonschema import Draft202012Validator
from jsonschema.exceptions import SchemaError

from acceptance.checks.clauses import misplaced
from acceptance.checks.component_view import ComponentView
from acceptance.checks.finding import Untested
from acceptance.checks.registry import Violation, check
from acceptance.checks.snapshot import ELSEWHERE, ChartState, Rendering
from acceptance.core.fields import Object, at, format_value, mapping_at, name_of, object_ref
from acceptance.core.secret_scan import strings
from acceptance.kube import schema as openapi

FILE = "Chart.yaml"
NAME = re.compile(r"[a-zA-Z0-9]+(-[a-zA-Z0-9]+)*")
# semver.org's own expression.
SEMVER = re.compile(
    r"(0|[1-9]\d*)\.(0|[1-9]\d*)\.(0|[1-9]\d*)"
    r"(-(0|[1-9]\d*|\d*[a-zA-Z-][0-9a-zA-Z-]*)(\.(0|[1-9]\d*|\d*[a-zA-Z-][0-9a-zA-Z-]*))*)?"
    r"(\+[0-9a-zA-Z-]+(\.[0-9a-zA-Z-]+)*)?"
)
MAX_TEMPLATES = 50
MISPRINT = re.compile(r"%!\w?\([^)]*\)?|<no value>|<nil>|\bmap\[\w*:")
"""What Go's templates print for a wrong verb, a missing value or a mapping."""


def expected(subject: ComponentView, field: str, wanted: str | None) -> Iterator[Violation]:
    """The field is what the target states, where it states it."""
    found = at(subject.chart.metadata, field)
    if wanted is not None and str(found) != wanted:
        yield Violation(FILE, field, wanted, format_value(found))


@check("CHT-01")
def name(subject: ComponentView) -> Iterator[Violation]:
    found = at(subject.chart.metadata, "name")
    if not (isinstance(found, str) and NAME.fullmatch(found)):
        yield Violation(FILE, "name", "alphanumeric with dashes", format_value(found))
    else:
        yield from expected(subject, "name", subject.target.chart.name)


@check("CHT-02")
def version(subject: ComponentView) -> Iterator[Violation]:
    found = at(subject.chart.metadata, "version")
    if not (isinstance(found, str) and SEMVER.fullmatch(found)):
        yield Violation(FILE, "version", "SemVer (MAJOR.MINOR.PATCH)", format_value(found))
    else:
        yield from expected(subject, "version", subject.target.chart.version)


@check("CHT-03")
def app_version(subject: ComponentView) -> Iterator[Violation]:
    found = at(subject.chart.metadata, "appVersion")
    if found is None or not str(found).strip():
        yield Violation(FILE, "appVersion", "present", format_value(found))
    else:
        yield from expected(subject, "appVersion", subject.target.chart.app_version)


@check("CHT-04")
def description(subject: ComponentView) -> Iterator[Violation]:
    found = at(subject.chart.metadata, "description")
    if not isinstance(found, str) or not 1 <= len(found.strip()) <= 200:
        length = len(found) if isinstance(found, str) else "none"
        yield Violation(FILE, "description", "1-200 characters", str(length))


@check("CHT-05")
def api_version(subject: ComponentView) -> Iterator[Violation]:
    if (found := at(subject.chart.metadata, "apiVersion")) != "v2":
        yield Violation(FILE, "apiVersion", "v2", format_value(found))


@check("CHT-06")
def chart_type(subject: ComponentView) -> Iterator[Violation]:
    # Helm reads an absent type as application.
    if (found := at(subject.chart.metadata, "type")) not in (None, "application"):
        yield Violation(FILE, "type", "application", format_value(found))


@check("CHT-07")
def dependencies_resolve(subject: ComponentView) -> Iterator[Violation]:
    for dependency in subject.chart.dependencies:
        if dependency.status not in ("ok", "unpacked"):
            field = f"dependencies[{dependency.name}]"
            yield Violation(FILE, field, f"version {dependency.version} in charts/", dependency.status)


@check("CHT-08")
def templates_give_every_entity(subject: ComponentView) -> Iterator[Violation]:
    chart, target = subject.chart, subject.target
    subject.require_rendered()
    if not 1 <= len(chart.templates) <= MAX_TEMPLATES:
        yield Violation("templates/", "files", f"1-{MAX_TEMPLATES}", str(len(chart.templates)))
    files = [path.rpartition("/")[2] for path in chart.templates]
    given: list[tuple[str, bool]] = [
        ("helpers (a template file whose name starts with _)", any(f.startswith("_") for f in files)),
        ("NOTES.txt", "NOTES.txt" in files),
        (f"ConfigMap/{target.config_map.name}", subject.find_config_map() is not None),
        (f"Secret/{target.secret.name}", subject.find_secret() is not None),
        ("a Namespace, at least when asked for", makes_namespace(subject)),
    ]
    for component in ("backend", "frontend"):
        view = subject.for_component(component)
        there = component in target.components
        names = target.components.get(component)
        given += [
            (
                f"the {component}'s Deployment{f'/{names.deployment}' if names else ''}",
                there and view.find_deployment() is not None,
            ),
            (
                f"the {component}'s Service{f'/{names.service}' if names else ''}",
                there and view.find_service() is not None,
            ),
        ]
    for wanted, found in given:
        if not found:
            yield Violation("templates/", "objects", wanted, "none")


def makes_namespace(subject: ComponentView) -> bool:
    on = subject.chart.namespace_on
    if on is not None:
        return any(at(item, "kind") == "Namespace" for item in on.objects)
    if subject.snapshot.of_kind("Namespace"):
        return True
    return any(re.search(r"^kind:\s*[\"']?Namespace\b", text, re.M) for text in subject.chart.templates.values())


@check("CHT-09", "static")
def renders_to_valid_objects(subject: ComponentView) -> Iterator[Violation]:
    chart, snapshot = subject.chart, subject.snapshot
    owner = f"rendering of {snapshot.variant}"
    if chart.rendering.error is not None:
        yield Violation(owner, "helm template", "objects", chart.rendering.error)
        return
    if chart.rerendering != chart.rendering:
        changed = ", ".join(difference(chart.rendering, chart.rerendering)) or "the notes"
        yield Violation(owner, "helm template", "the same each time", f"another {changed} the second time")
    identities = Counter(
        (openapi.kind_of(item), snapshot.namespace_of(item), name_of(item)) for item in snapshot.objects
    )
    for (kind, _, named), count in identities.items():
        if count > 1:
            yield Violation(
                f"{kind.rpartition('/')[2]}/{named}", "metadata.name", "one object", f"{count} of that name"
            )
    for item in snapshot.objects:
        for field, words in openapi.errors(item) or []:
            yield Violation(object_ref(item), field, f"the schema of Kubernetes {openapi.KUBERNETES_VERSION}", words)
        for field, text in strings(item):
            if found := MISPRINT.search(text):
                yield Violation(
                    object_ref(item), field, "a value", f"what Go prints in its place: {format_value(found.group())}"
                )
    yield from refuses_without_secrets(subject)


def difference(first: Rendering, again: Rendering) -> list[str]:
    pairs = zip(first.objects, again.objects, strict=False)
    changed = [object_ref(one) for one, other in pairs if one != other]
    return changed or (["number of objects"] if len(first.objects) != len(again.objects) else [])


def refuses_without_secrets(subject: ComponentView) -> Iterator[Violation]:
    bare = subject.chart.without_secrets
    if bare is None:
        return
    owner = "rendering without the secrets"
    if bare.error is None:
        wanted = "refused in one message that names every missing secret"
        yield Violation(owner, "helm template", wanted, "rendered", derived=True)
        return
    values, keys = subject.target.values, subject.target.secret
    for path, key in (
        (values.database_url, keys.database_url),
        (values.auth_secret, keys.auth_secret),
        (values.model_key, keys.model_key),
    ):
        if path is not None and not any(word in bare.error for word in (path, path.rpartition(".")[2], key)):
            yield Violation(owner, "helm template", f"a message that names {path}", bare.error, derived=True)


@check("CHT-09", "live")
def api_server_accepts_each(subject: ComponentView) -> Iterator[Violation]:
    for owner, words in subject.cluster.refused.items():
        yield Violation(owner, "dryRun=All", "accepted by the API server", words)


@check("CHT-10")
def values_fit_the_schema(subject: ComponentView) -> Iterator[Violation]:
    chart = subject.chart
    schema = chart.schema
    if schema is None:
        yield Violation("values.schema.json", "file", "present", "none", derived=True)
        return
    try:
        Draft202012Validator.check_schema(schema)
    except SchemaError as error:
        yield Violation("values.schema.json", "file", "a JSON Schema", error.message)
        return
    for mistake in Draft202012Validator(schema).iter_errors(chart.values):
        path = ".".join(map(str, mistake.absolute_path)) or "values"
        # A value may be a secret: the keyword says what it does not fit.
        wanted = f"to fit the schema's {mistake.validator} ({format_value(mistake.validator_value, 60)})"
        yield Violation(f"values of {subject.snapshot.variant}", path, wanted, "a value that does not")
    for path in unknown_keys(chart.values, schema, schema):
        yield Violation("values.schema.json", path, "known, in a closed mapping", "not so", derived=True)


def resolve(schema: object, root: Object) -> Object:
    """A schema with its local `$ref` followed."""
    for _ in range(8):
        ref = at(schema, "$ref")
        if not isinstance(ref, str) or not ref.startswith("#/"):
            break
        schema = at(root, ref[2:].replace("/", "."))
    return schema if isinstance(schema, dict) else {}


def is_free(schema: Object) -> bool:
    """Whether a mapping takes any key: its schema lists none."""
    return "properties" not in schema and schema.get("additionalProperties") is not False


def unknown_keys(values: object, schema: object, root: Object, path: str = "") -> Iterator[str]:
    """Paths of mappings in the values that list their keys but are open, and of keys that they do not list."""
    body = resolve(schema, root)
    if not isinstance(values, dict) or (path and is_free(body)):
        return
    if body.get("additionalProperties") is not False:
        yield path or "(top)"
        return
    for key, value in values.items():
        where = f"{path}.{key}" if path else str(key)
        if key == "global" and not path:
            continue  # Helm's own
        if key not in mapping_at(body, "properties"):
            yield where
        else:
            yield from unknown_keys(value, mapping_at(body, "properties")[key], root, where)


def closed_mappings(chart: ChartState) -> Iterator[str]:
    """Paths of the mappings in the chart's values, the top as an empty one, but free ones and those under them."""
    root = chart.schema or {}

    def walk(values: object, schema: object, path: str) -> Iterator[str]:
        body = resolve(schema, root)
        if not isinstance(values, dict) or (path and is_free(body)):
            return
        yield path
        for key, value in values.items():
            yield from walk(value, mapping_at(body, "properties").get(key), f"{path}.{key}" if path else str(key))

    yield from walk(chart.values, root, "")


@check("CHT-15")
def lint_is_clean(subject: ComponentView) -> Iterator[Violation]:
    subject.require_rendered()
    for complaint in subject.chart.lint:
        yield Violation("chart", "helm lint --strict", "no complaint", complaint)


@check("CHT-16")
def namespace_is_the_one(subject: ComponentView) -> Iterator[Violation]:
    subject.require_rendered()
    objects = subject.snapshot.objects
    on = subject.snapshot.chart.namespace_on if subject.snapshot.chart else None
    if on is not None:
        if on.error is not None:
            yield Violation("rendering with the Namespace", "helm template", "objects", on.error)
            return
        objects = on.objects
    made = [item for item in objects if at(item, "kind") == "Namespace"]
    if not made:
        raise Untested("the release has no Namespace of its own, and the target names no values.namespace_create")
    wanted = subject.target.chart.namespace
    named = (
        ComponentView(replace(subject.snapshot, release_namespace=ELSEWHERE), subject.target, None) if on else subject
    )
    if len(made) != 1:
        yield Violation("Namespace", "metadata.name", f"one, {wanted}", f"{len(made)}")
    for item in made:
        if name_of(item) != wanted:
            yield Violation(object_ref(item), "metadata.name", wanted, format_value(name_of(item)))
    for item in objects:
        if openapi.is_namespaced(item, objects):
            yield from misplaced(named, item)
