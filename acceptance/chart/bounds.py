"""Bounds and formats: the values that a chart must reject or normalise, and those that it must accept.

Each case sets one value at the chart path that the target gives. For a value outside a bound, either rendering must
fail with the key's path in the message, or the rule's check must find no violation in the rendered objects.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any

from acceptance.chart.renderer import Renderer
from acceptance.checks.clauses import MAX_BYTES, MAX_VARIABLE_BYTES, unusable_names
from acceptance.checks.component_view import ComponentView
from acceptance.checks.finding import Finding, Untested, Waived
from acceptance.checks.registry import Check
from acceptance.checks.secret import require_openai
from acceptance.checks.snapshot import Snapshot
from acceptance.checks.values_schema import closed_mappings, refused_by_schema
from acceptance.core.fields import at, format_value, mapping_at
from acceptance.core.rules import load
from acceptance.core.target import CREDENTIALS, Target
from acceptance.core.urls import DatabaseUrlForm
from acceptance.core.values import ROUND_TRIP, in_shipped_form, merge_values, nested, with_entry

Values = Mapping[str, Any]


@dataclass(frozen=True)
class Case:
    """One value to render the chart with.

    Attributes:
        path: The name of the value path in the target's `values`, such as `hpa_min`, or `replicas` of the component.
        refused: Whether the chart must refuse the value.
        others: Further values to set, by the same kind of name.
    """

    rule: str
    name: str
    path: str
    value: Any
    refused: bool
    component: str | None = None
    others: Values | None = None

    @property
    def id(self) -> str:
        """The test's parameter ID."""
        part = f"-{self.component}" if self.component else ""
        return f"{self.rule}{part}-{self.name}-{'refused' if self.refused else 'accepted'}"


def value_path(target: Target, component: str | None, name: str) -> str:
    """Return the chart's path of a value.

    Raises:
        Untested: The target has no path for the value, or no such component.
        Waived: The value is a credential of an existing Secret.
    """
    if component is not None and component not in target.components:
        raise Untested(f"the target names no {component}")
    owner = target.component(component).values if component else target.values
    path = getattr(owner, name, None)
    if path is None and component:
        path = getattr(target.values, name, None)
    if path is None and component is None and name in CREDENTIALS and target.exists_with(name):
        raise Waived(
            f"{getattr(target.secret, name)} is in a Secret that exists before the release, as the target says"
        )
    if path is None:
        where = f"components.{component}.values" if component and name in type(owner).model_fields else "values"
        raise Untested(f"the target names no {where}.{name}")
    return str(path)


def further_values(target: Target, component: str | None, others: Values | None) -> dict[str, Any]:
    """Return further values of a case, nested as in the chart.

    A chart whose HPA is always there, or which has none, has no value that switches it off: the case is tried as it is.
    """
    named = (others or {}).items()
    needed = [(name, value) for name, value in named if name not in HPA_OFF or target.values.hpa_enabled]
    return merge_values({}, *(nested(value_path(target, component, name), value) for name, value in needed))


def overrides(case: Case, target: Target, shipped: Values) -> tuple[str, dict[str, Any]]:
    """Return the path under test, and the case's values nested as in the chart, in the form that it ships."""
    path = value_path(target, case.component, case.path)
    further = further_values(target, case.component, case.others)
    credential = case.path in CREDENTIALS and isinstance(case.value, str)
    value = target.secret.as_given(case.value) if credential else in_shipped_form(case.value, at(shipped, path))
    return path, merge_values(further, nested(path, value))


def check_case(
    case: Case, renderer: Renderer, base: Snapshot, checks: Mapping[tuple[str, str | None], Check]
) -> list[Finding]:
    """Render the chart with a case's values.

    Args:
        case: The values.
        renderer: Renders the target's chart.
        base: A snapshot of the chart's defaults.
        checks: The static checks by rule and component.

    Returns:
        A finding if the chart refused an accepted value, rendered a refused one, or did not name its path.
    """
    target = renderer.target
    path, values = overrides(case, target, renderer.shipped)
    if case.rule == "SEC-06" and case.refused:
        require_openai(target)
    scheme = target.secret.database_scheme
    if case.path == "database_url" and not case.refused and scheme != DatabaseUrlForm.scheme:
        raise Untested(f"the target says that the URL begins with {scheme}; no rule says what else must be accepted")
    shipped = at(renderer.shipped, path)
    if is_of_another_type(case, target, shipped):
        raise Untested(f"{path} is {format_value(shipped)} in this chart; no rule says what else must be accepted")
    error = renderer.render(merge_values(renderer.required(), values)).error

    def finding(expected: str, actual: str) -> Finding:
        may_differ = case.refused or case.rule in LENIENT
        return Finding(case.rule, "values", path, expected, actual, advice=may_differ and not target.strict)

    if not case.refused:
        other_notation = case.rule in NOTATIONS and error is not None and refused_by_schema(error)
        accepted = error is None or other_notation
        return [] if accepted else [finding(f"{case.name} accepted", f"refused: {error}")]
    if error is None:
        rendered = renderer.with_values(base, values)
        if case.path == "name_override":
            broken = unusable_names(rendered)  # which are not those that the target states
        else:
            broken = [f"{each.object} {each.field}" for each in checks[case.rule, case.component](rendered, target)]
        return [finding(f"{case.name} refused", f"rendered in {each}") for each in broken[:1]]
    if not _names(error, case, path, target):
        return [finding(f"{case.name} refused with the key's path", error)]
    return []


def is_of_another_type(case: Case, target: Target, shipped: Any) -> bool:
    """Whether a case writes `debug` as a text where the chart has a boolean, or the reverse, which it may refuse."""
    lenient = case.path == "debug" and not (case.refused or target.strict)
    return lenient and type(shipped) is not type(case.value)


def _names(error: str, case: Case, path: str, target: Target) -> bool:
    """Whether a message names the value's path, the key that it sets, or one that it adds to a mapping."""
    keys = {path, *(map(str, case.value) if isinstance(case.value, Mapping) else ())}
    if case.path in CREDENTIALS:
        keys.add(getattr(target.secret, case.path))
    return all(word in error for word in path.split(".")) or any(key in error for key in keys if len(key) > 2)


@dataclass(frozen=True)
class WithValues:
    """A tested value, and the other values that it is set together with, by the names of their value paths."""

    value: Any
    others: Values


@dataclass(frozen=True)
class Bounds:
    """Values of one path that a chart must refuse, and values that it must accept, each by a name.

    Attributes:
        rule: The rule that states the bounds.
        path: As `Case.path`.
        refused: Values outside of the bounds.
        accepted: Values within them.
        others: Further values that are set in every case.
    """

    rule: str
    path: str
    refused: Values
    accepted: Values
    others: Values = field(default_factory=dict)

    def cases(self) -> Iterator[Case]:
        """Yield the cases for each component of the rule."""
        for component in load()[self.rule].components or (None,):
            for is_refused, values in ((True, self.refused), (False, self.accepted)):
                for name, value in values.items():
                    combined = value if isinstance(value, WithValues) else WithValues(value, {})
                    others = {**self.others, **combined.others}
                    yield Case(self.rule, name, self.path, combined.value, is_refused, component, others or None)


def cpu(percent: int) -> list[dict[str, Any]]:
    """Return an HPA's metrics: CPU utilization with a target of `percent`."""
    target = {"type": "Utilization", "averageUtilization": percent}
    return [{"type": "Resource", "resource": {"name": "cpu", "target": target}}]


def resources(requests: Values, limits: Values) -> dict[str, Any]:
    """Return a container's `resources`."""
    return {"requests": dict(requests), "limits": dict(limits)}


LIMITS = {"cpu": "500m", "memory": "512Mi"}
HPA_OFF = {"hpa_enabled": False}
NOT_LOCAL = {"local_cluster": False}
VARIABLE = "ACCEPTANCE_SIZE"


def variable(excess: int) -> dict[str, str]:
    """Return one variable whose `NAME=value` with its final NUL is `excess` bytes larger than the limit."""
    return {VARIABLE: "x" * (MAX_VARIABLE_BYTES + excess - len(VARIABLE) - 2)}


BOUNDS = (
    Bounds(
        "IMG-01", "image_repository", {"Todo_Image": "Todo_Image"}, {"registry:5000/a/todo-1": "registry:5000/a/todo-1"}
    ),
    Bounds(
        "IMG-02",
        "image_tag",
        {"a space": "1 0", "an underscore": "1_0", "a slash at the end": "1.0/", "a space before": " 1.0"},
        {"dots and dashes": "v1.0-rc.1"},
    ),
    Bounds(
        "DEP-03",
        "replicas",
        {"0": 0, "6 on a local cluster": 6, "11": WithValues(11, NOT_LOCAL), "-1": -1},
        {"1": 1, "5": 5, "10 on another cluster": WithValues(10, NOT_LOCAL)},
        HPA_OFF,
    ),
    Bounds(
        "DEP-07",
        "max_surge",
        {
            "0 and 0": WithValues(0, {"max_unavailable": 0}),
            "0% and 0": WithValues("0%", {"max_unavailable": 0}),
            "0 and 0%": WithValues(0, {"max_unavailable": "0%"}),
            "0 and 1%, which rounds to 0": WithValues(0, {"max_unavailable": "1%"}),
        },
        {"25% and 0": "25%"},  # 0 would be no use beside maxUnavailable 0 (DEP-06), so a chart may refuse it
    ),
    Bounds("SVC-05", "service_port", {"0": 0, "65536": 65536}, {"1": 1, "65535": 65535}),
    Bounds("POD-16", "container_port", {"0": 0, "65536": 65536}, {"1024": 1024, "65535": 65535}),
    Bounds(
        "POD-07",
        "resources",
        {
            "CPU request over its limit": resources({**LIMITS, "cpu": "0.6"}, LIMITS),
            "memory request over its limit": resources({**LIMITS, "memory": "1Gi"}, LIMITS),
            "memory request with an exponent": resources({**LIMITS, "memory": "6e8"}, LIMITS),
        },
        {
            "0.5 for 500m": resources({**LIMITS, "cpu": "0.5"}, LIMITS),
            "536870912 for 512Mi": resources({**LIMITS, "memory": "536870912"}, LIMITS),
            "limits in other units": resources(LIMITS, {"cpu": "0.5", "memory": "536870912"}),
        },
    ),
    Bounds("DEP-01", "name_override", {"64 characters": "a" * 64, "capitals": "Todo_X"}, {"20 characters": "a" * 20}),
    Bounds(
        "CFG-03",
        "environment",
        {"prod": "prod", "nothing": "", "a letter after": "productionx", "a letter before": "xproduction"},
        {each: each for each in ("development", "staging", "production")},
    ),
    Bounds(
        "CFG-04",
        "debug",
        {"yes": "yes", "1": 1, "a letter after": "truex", "a letter before": "xfalse"},
        {"true": True, "'true'": "true", "'false'": "false"},
    ),
    Bounds(
        "CFG-05",
        "cors_origins",
        {
            "a path": "http://localhost:3000/app",
            "no scheme": "localhost:3000",
            "a slash": "http://localhost:3000/",
            "a wrong second": "http://localhost:3000,localhost",
        },
        {"two": "http://localhost:3000,https://todo.example.com"},
    ),
    Bounds("CFG-06", "extra_config", {"a space in a key": {"BAD KEY": "x"}}, {"an ordinary key": {"GOOD_KEY": "x"}}),
    Bounds(
        "CFG-08",
        "extra_config",
        {"a variable of 131,073 bytes": variable(1)},
        {"a variable of 131,072 bytes": variable(0)},
    ),
    Bounds(
        "CFG-08",
        "extra_config",
        {"a variable of 131,073 bytes that is not ASCII": {VARIABLE: f"{'ß' * 65_520}{'x' * 16}"}},
        {},
    ),
    Bounds(
        "SEC-04",
        "database_url",
        {
            "MySQL": "mysql://u:p4ss@db.example.com/todo",
            "no password": "postgresql://user@db.example.com/todo",
            "no host": "postgresql://u:p4ss@/todo",
            "SQLite": "sqlite:///todo.db",
            "text before": "see postgresql://u:p4ss@db.example.com/todo",
        },
        {
            "postgres": "postgres://u:p4ss@db.example.com/todo",
            "a driver suffix": "postgresql+asyncpg://u:p4ss@db.example.com:5432/todo?ssl=require",
        },
    ),
    Bounds(
        "SEC-05",
        "auth_secret",
        {"31 characters": "s" * 31, "31 characters that are not ASCII": "ß" * 31},
        {"32 characters": "s" * 32, "not ASCII": "ß" * 32},
    ),
    Bounds(
        "SEC-06",
        "model_key",
        {"sk-": "sk-0123456789abcdef", "text before": "key sk-proj-0123456789abcdef"},
        {"sk-proj-": "sk-proj-0123456789abcdef"},
    ),
    Bounds(
        "SEC-09",
        "database_url",
        {"longer than a variable may be": f"postgresql://u:p4ss@db.example.com/{'x' * MAX_VARIABLE_BYTES}"},
        {},
    ),
    Bounds("HPA-04", "hpa_min", {"0": 0, "11": WithValues(11, {**NOT_LOCAL, "hpa_max": 11})}, {"1": 1}),
    Bounds("HPA-04", "hpa_min", {}, {"10": WithValues(10, {**NOT_LOCAL, "hpa_max": 10})}),
    Bounds(
        "HPA-05",
        "hpa_min",
        {"5 of 4": WithValues(5, {"hpa_max": 4})},
        {"3 of 3": WithValues(3, {"hpa_max": 3})},
    ),
    Bounds("HPA-06", "hpa_metrics", {"none": [], "11": cpu(70) * 11}, {"1": cpu(70)}),
    Bounds(
        "HPA-07", "hpa_metrics", {"CPU 0 %": cpu(0), "CPU 101 %": cpu(101)}, {"CPU 1 %": cpu(1), "CPU 100 %": cpu(100)}
    ),
)

LENIENT = ("CFG-08", "DEP-01", "IMG-01")
"""Rules of which a chart may accept less: sizes and names below what Kubernetes allows, images without a registry."""
NOTATIONS = ("POD-07",)
"""Rules whose accepted values are other notations of usual ones; a schema may allow one notation only."""
STATED = ("image_repository", "name_override", "service_port", "container_port", "max_surge")
"""Values that the target states too: with another value, other rules have findings."""


def cases() -> list[Case]:
    """Return every case that does not depend on the chart."""
    return [case for bounds in BOUNDS for case in bounds.cases()]


def total_size(renderer: Renderer, base: Snapshot, excess: int) -> Case:
    """Return a case in which the ConfigMap's values are `excess` bytes larger than the limit.

    Each added variable is itself within its limit.

    Raises:
        Untested: The ConfigMap is absent, or the target has no path for its values.
    """
    target = renderer.target
    value_path(target, None, "extra_config")
    config = base.named("ConfigMap", target.config_map.name)
    if config is None:
        raise Untested(f"ConfigMap/{target.config_map.name} is absent (CHT-08)")
    remaining = MAX_BYTES + excess - sum(len(str(value).encode()) for value in mapping_at(config, "data").values())
    size = 100_000
    fill = {
        f"ACCEPTANCE_FILL_{index}": "x" * min(size, remaining - index * size) for index in range(-(-remaining // size))
    }
    name = f"values of {MAX_BYTES + excess:,} bytes"
    return Case("CFG-08", name, "extra_config", fill, refused=excess > 0)


def shadowed_credential(target: Target, base: Snapshot, credential: str, component: str) -> Case:
    """Return a case in which a free key of the ConfigMap has the name of a credential's variable.

    Either it is refused, or the component's containers still get the credential from the Secret.
    """
    key = getattr(target.secret, credential)
    view = ComponentView(base, target, None)
    variables = (
        each for pod in view.workloads() for container in pod.containers() for each in view.environment(container)
    )
    name = next((each.name for each in variables if (each.source, each.key) == ("Secret", key)), key)
    value = {name: "a setting of that name"}
    return Case("SEC-11", f"{credential} among the settings", "extra_config", value, refused=True, component=component)


def round_trip(renderer: Renderer, base: Snapshot) -> list[Finding]:
    """Return a finding for each text with quotes and non-ASCII characters that the ConfigMap does not contain."""
    target = renderer.target
    path = value_path(target, None, "extra_config")
    snapshot = renderer.with_values(base, nested(path, ROUND_TRIP))
    assert snapshot.chart is not None
    if snapshot.chart.rendering.error is not None:
        return [Finding("CFG-07", "values", path, "text accepted", snapshot.chart.rendering.error)]
    contents = [mapping_at(item, "data") for item in snapshot.of_kind("ConfigMap")]
    return [
        Finding(
            "CFG-07", "values", f"{path}.{key}", format_value(text), format_value([data.get(key) for data in contents])
        )
        for key, text in ROUND_TRIP.items()
        if not any(data.get(key) == text for data in contents)
    ]


UNKNOWN = "acceptanceUnknown"


def unknown_keys(renderer: Renderer, base: Snapshot) -> list[Finding]:
    """Return a finding for each mapping of the values, except free-form ones, in which an unknown key is accepted.

    An error message without the key's path is a finding too.

    Raises:
        Untested: The chart has no schema, or does not render.
    """
    assert base.chart is not None
    if base.chart.schema is None:
        raise Untested("the chart has no values.schema.json (CHT-10)")
    if base.chart.rendering.error is not None:
        raise Untested("the chart does not render (CHT-09)")
    free = renderer.target.values.extra_config
    paths = [f"{path}.{UNKNOWN}" if path else UNKNOWN for path in closed_mappings(base.chart, free)]
    values = [merge_values(renderer.required(), with_entry(base.chart.values, path, True)) for path in paths]
    return [
        Finding("CHT-10", "values", path, "refused with its path", each.error or "accepted", not renderer.target.strict)
        for path, each in zip(paths, renderer.render_all(values), strict=True)
        if each.error is None or not all(word in each.error for word in path.split("."))
    ]
