"""Bounds and formats: what a chart must refuse, or normalise, and what it must let through.

Each case is a value put where the target says that the chart holds it. A value beyond a bound is refused with the
key's path, or else never reaches the objects: the rule's own check then finds nothing in what was rendered.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from acceptance.chart.renderer import Renderer
from acceptance.checks.chart import closed_mappings
from acceptance.checks.clauses import MAX_BYTES, MAX_VARIABLE_BYTES
from acceptance.checks.finding import Finding, Untested
from acceptance.checks.registry import Check
from acceptance.checks.snapshot import Snapshot
from acceptance.core.fields import mapping_at
from acceptance.core.rules import load
from acceptance.core.target import Target
from acceptance.core.values import ROUND_TRIP, merge_values, nested

Values = Mapping[str, Any]


@dataclass(frozen=True)
class Case:
    """One set of values. `path` names the target's value path (`hpa_min`, or `replicas` of the component) that
    holds what is tested; `others` are further values by such names."""

    rule: str
    name: str
    path: str
    value: Any
    refused: bool
    component: str | None = None
    others: Values | None = None

    @property
    def id(self) -> str:
        part = f"-{self.component}" if self.component else ""
        return f"{self.rule}{part}-{self.name}-{'refused' if self.refused else 'accepted'}"


def value_path(target: Target, component: str | None, name: str) -> str:
    """The chart's path of a value; `Untested` where the target names none."""
    if component is not None and component not in target.components:
        raise Untested(f"the target names no {component}")
    owner = target.component(component).values if component else target.values
    path = getattr(owner, name, None)
    if path is None and component:
        path = getattr(target.values, name, None)
    if path is None:
        where = f"components.{component}.values" if component else "values"
        raise Untested(f"the target names no {where}.{name}")
    return str(path)


def overrides(case: Case, target: Target) -> tuple[str, dict[str, Any]]:
    """The tested path, and the values of a case as the chart nests them."""
    path = value_path(target, case.component, case.path)
    parts = [nested(value_path(target, case.component, name), v) for name, v in (case.others or {}).items()]
    return path, merge_values(*parts, nested(path, case.value))


def check_case(
    case: Case, renderer: Renderer, base: Snapshot, checks: Mapping[tuple[str, str | None], Check]
) -> list[Finding]:
    """Render a case and say what is wrong with how the chart took it."""
    target = renderer.target
    path, values = overrides(case, target)
    snapshot = renderer.with_values(base, values)
    assert snapshot.chart is not None
    error = snapshot.chart.rendering.error

    def finding(wanted: str, found: str) -> Finding:
        derived = not target.strict
        return Finding(case.rule, "values", path, wanted, found, advice=derived and case.refused)

    if not case.refused:
        return [] if error is None else [finding(f"{case.name} accepted", f"refused: {error}")]
    if error is None:
        reached = checks[case.rule, case.component](snapshot, target)
        return [finding(f"{case.name} refused", f"it reached {each.object} {each.field}") for each in reached[:1]]
    if not all(word in error for word in path.split(".")):
        return [finding(f"{case.name} refused with the key's path", error)]
    return []


def _both(rule: str, path: str, refused: Values, accepted: Values, others: Values | None = None) -> Iterator[Case]:
    """Cases of one path for each component that the rule names."""
    for component in load()[rule].components or (None,):
        for wanted, values in ((True, refused), (False, accepted)):
            for name, value in values.items():
                extra = {**(others or {}), **(value.get("others", {}) if isinstance(value, Other) else {})}
                plain = value["value"] if isinstance(value, Other) else value
                yield Case(rule, name, path, plain, wanted, component, extra or None)


class Other(dict[str, Any]):
    """A value that needs others beside it."""


def cpu(percent: int) -> list[dict[str, Any]]:
    target = {"type": "Utilization", "averageUtilization": percent}
    return [{"type": "Resource", "resource": {"name": "cpu", "target": target}}]


def resources(requests: Values, limits: Values) -> dict[str, Any]:
    return {"requests": dict(requests), "limits": dict(limits)}


LIMITS = {"cpu": "500m", "memory": "512Mi"}
OFF = {"hpa_enabled": False}
NOT_LOCAL = {"local_cluster": False}


def cases() -> list[Case]:
    """Every case that needs no look at the chart first."""
    found: list[Case] = []

    def add(rule: str, path: str, refused: Values, accepted: Values, others: Values | None = None) -> None:
        found.extend(_both(rule, path, refused, accepted, others))

    add(
        "IMG-01", "image_repository", {"Todo_Image": "Todo_Image"}, {"registry:5000/a/todo-1": "registry:5000/a/todo-1"}
    )
    add("IMG-02", "image_tag", {"a space": "1 0", "an underscore": "1_0"}, {"dots and dashes": "v1.0-rc.1"})
    add(
        "DEP-03",
        "replicas",
        {"0": 0, "6 on a local cluster": 6, "11": Other(value=11, others=NOT_LOCAL), "-1": -1},
        {"1": 1, "5": 5, "10 where not local": Other(value=10, others=NOT_LOCAL)},
        OFF,
    )
    add(
        "DEP-07",
        "max_surge",
        {
            "0 and 0": Other(value=0, others={"max_unavailable": 0}),
            "0% and 0": Other(value="0%", others={"max_unavailable": 0}),
            "0 and 0%": Other(value=0, others={"max_unavailable": "0%"}),
        },
        {"0 and 1": Other(value=0, others={"max_unavailable": 1}), "25% and 0": "25%"},
    )
    add("SVC-05", "service_port", {"0": 0, "65536": 65536}, {"1": 1, "65535": 65535})
    add("POD-16", "container_port", {"0": 0, "65536": 65536}, {"1024": 1024, "65535": 65535})
    add(
        "POD-07",
        "resources",
        {
            "CPU request over its limit": resources({**LIMITS, "cpu": "0.6"}, LIMITS),
            "memory request over its limit": resources({**LIMITS, "memory": "1Gi"}, LIMITS),
        },
        {
            "0.5 for 500m": resources({**LIMITS, "cpu": "0.5"}, LIMITS),
            "536870912 for 512Mi": resources({**LIMITS, "memory": "536870912"}, LIMITS),
            "limits in other units": resources(LIMITS, {"cpu": "0.5", "memory": "536870912"}),
        },
    )
    add("DEP-01", "name_override", {"64 characters": "a" * 64, "capitals": "Todo_X"}, {"20 characters": "a" * 20})
    add(
        "CFG-03",
        "environment",
        {"prod": "prod", "nothing": ""},
        {each: each for each in ("development", "staging", "production")},
    )
    add("CFG-04", "debug", {"yes": "yes", "1": 1}, {"true": True, "'true'": "true", "'false'": "false"})
    add(
        "CFG-05",
        "cors_origins",
        {"a path": "http://localhost:3000/app", "no scheme": "localhost:3000", "a slash": "http://localhost:3000/"},
        {"two": "http://localhost:3000,https://todo.example.com"},
    )
    add("CFG-06", "extra_config", {"a space in a key": {"BAD KEY": "x"}}, {"an ordinary key": {"GOOD_KEY": "x"}})
    add(
        "CFG-08",
        "extra_config",
        {"a variable of 131,073 bytes": variable(1)},
        {"a variable of 131,072 bytes": variable(0)},
    )
    add(
        "SEC-04",
        "database_url",
        {
            "MySQL": "mysql://u:p4ss@db.example.com/todo",
            "no password": "postgresql://user@db.example.com/todo",
            "no host": "postgresql://u:p4ss@/todo",
            "SQLite": "sqlite:///todo.db",
        },
        {
            "postgres": "postgres://u:p4ss@db.example.com/todo",
            "a driver suffix": "postgresql+asyncpg://u:p4ss@db.example.com:5432/todo?ssl=require",
        },
    )
    add("SEC-05", "auth_secret", {"31 characters": "s" * 31}, {"32 characters": "s" * 32, "not ASCII": "ß" * 32})
    add("SEC-06", "model_key", {"sk-": "sk-0123456789abcdef"}, {"sk-proj-": "sk-proj-0123456789abcdef"})
    add(
        "SEC-09",
        "database_url",
        {"over a variable's size": f"postgresql://u:p4ss@db.example.com/{'x' * MAX_VARIABLE_BYTES}"},
        {},
    )
    add("HPA-04", "hpa_min", {"0": 0, "11": Other(value=11, others={**NOT_LOCAL, "hpa_max": 11})}, {"1": 1})
    add("HPA-04", "hpa_min", {}, {"10": Other(value=10, others={**NOT_LOCAL, "hpa_max": 10})})
    add(
        "HPA-05",
        "hpa_min",
        {"5 of 4": Other(value=5, others={"hpa_max": 4})},
        {"3 of 3": Other(value=3, others={"hpa_max": 3})},
    )
    add("HPA-06", "hpa_metrics", {"none": [], "11": cpu(70) * 11}, {"1": cpu(70)})
    add("HPA-07", "hpa_metrics", {"CPU 0 %": cpu(0), "CPU 101 %": cpu(101)}, {"CPU 1 %": cpu(1), "CPU 100 %": cpu(100)})
    return found


VARIABLE = "ACCEPTANCE_SIZE"


def variable(excess: int) -> dict[str, str]:
    """One variable that as NAME=value and NUL is `excess` bytes larger than the limit."""
    return {VARIABLE: "x" * (MAX_VARIABLE_BYTES + excess - len(VARIABLE) - 2)}


def total_size(renderer: Renderer, base: Snapshot, excess: int) -> Case:
    """A ConfigMap whose values are `excess` bytes larger than the limit, filled up with variables that fit."""
    target = renderer.target
    value_path(target, None, "extra_config")
    config = base.named("ConfigMap", target.config_map.name)
    if config is None:
        raise Untested(f"ConfigMap/{target.config_map.name} is absent (CHT-08)")
    room = MAX_BYTES + excess - sum(len(str(value).encode()) for value in mapping_at(config, "data").values())
    size = 100_000
    fill = {f"ACCEPTANCE_FILL_{index}": "x" * min(size, room - index * size) for index in range(-(-room // size))}
    name = f"values of {MAX_BYTES + excess:,} bytes"
    return Case("CFG-08", name, "extra_config", fill, refused=excess > 0)


def round_trip(renderer: Renderer, base: Snapshot) -> list[Finding]:
    """Quotes and non-ASCII text arrive in the ConfigMap as they are."""
    target = renderer.target
    path = value_path(target, None, "extra_config")
    snapshot = renderer.with_values(base, nested(path, ROUND_TRIP))
    assert snapshot.chart is not None
    if snapshot.chart.rendering.error is not None:
        return [Finding("CFG-07", "values", path, "text accepted", snapshot.chart.rendering.error)]
    held = [mapping_at(item, "data") for item in snapshot.of_kind("ConfigMap")]
    return [
        Finding("CFG-07", "values", f"{path}.{key}", repr(text), repr([data.get(key) for data in held]))
        for key, text in ROUND_TRIP.items()
        if not any(data.get(key) == text for data in held)
    ]


UNKNOWN = "acceptanceUnknown"


def unknown_keys(renderer: Renderer, base: Snapshot) -> list[Finding]:
    """An unknown key in each mapping of the chart's values that is not free is refused by its path."""
    assert base.chart is not None
    if base.chart.schema is None:
        raise Untested("the chart has no values.schema.json (CHT-10)")
    if base.chart.rendering.error is not None:
        raise Untested("the chart does not render (CHT-09)")
    wheres = [f"{path}.{UNKNOWN}" if path else UNKNOWN for path in closed_mappings(base.chart)]
    values = [merge_values(renderer.required(), nested(where, True)) for where in wheres]
    return [
        Finding(
            "CHT-10", "values", where, "refused with its path", each.error or "accepted", not renderer.target.strict
        )
        for where, each in zip(wheres, renderer.render_all(values), strict=True)
        if each.error is None or not all(word in each.error for word in where.split("."))
    ]
