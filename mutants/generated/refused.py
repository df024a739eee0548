"""Values that this repository's chart must refuse: at least one beyond each bound, by value path.

They are stated apart from `values.schema.json` and `_validation.tpl`, so that a constraint which one of these has lost
is noticed.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

from acceptance.chart.bounds import variable
from acceptance.core.values import nested

UNKNOWN = {"unknown": 1}
OTHER = "other"
"""A value of no enumeration."""
MISSING = None
"""Helm removes a key that is set to null."""
OPTIONAL = frozenset({"image.tag", "image.digest"})
"""Values of a component that may be absent."""


@dataclass(frozen=True)
class Case:
    """A value that the chart must refuse, and others that it needs beside it."""

    path: str
    value: Any
    others: tuple[tuple[str, Any], ...] = ()

    @property
    def overrides(self) -> list[dict[str, Any]]:
        """The values to merge over the required ones, in their order."""
        return [nested(path, value) for path, value in (*self.others, (self.path, self.value))]

    @property
    def name(self) -> str:
        """The value and what it needs, as text."""
        return repr((self.path, self.value, self.others))

    @property
    def finding(self) -> str:
        """What is reported if the chart renders the value."""
        return f"CHT-10: values: {self.path}: expected refused, actual rendered"


def text(*values: Any) -> tuple[Any, ...]:
    """Return values that are no text of the format, and one that is no text at all."""
    return (*values, 1)


def whole(low: int, high: int) -> tuple[Any, ...]:
    """Return values that are no whole number of the range."""
    return (low - 1, high + 1, low + 0.5, "1")


def long(valid: str, longest: int) -> str:
    """Return a valid text made too long by its last character."""
    return valid + valid[-1] * (longest + 1 - len(valid))


LABEL_VALUE = text("a b", "-a", "a-", long("a", 63))
KEYS = ("a b", "-a", "a-", long("a", 63), "A.b/a", "-a/b", "a-/b", f"{long('a', 253)}/b")
LABELS = text("x", *({key: "x"} for key in KEYS), *({"a": value} for value in LABEL_VALUE))
PREFIX = text("1a", "a-", "A", "a_b", long("a", 46))
ORIGIN = text("ftp://a", "xhttp://a", "http://a/", "http://a b", "http://", "http://A", "http://a:0", "http://a:65536")
SECONDS = whole(1, 3600)
COUNT_OR_SHARE = (-1, 11, "101%", "x1%", "1%x", "5", 0.5, True)
QUANTITY = (0, -1, "0", "x1", "1x", "1 Mi", True)
PROBE: dict[str, tuple[Any, ...]] = {
    "path": text("health", "/a b", "x/health", "/health?a", long("/a", 1024)),
    "periodSeconds": SECONDS,
    "timeoutSeconds": SECONDS,
    "failureThreshold": whole(1, 1000),
}
KEY = "-----BEGIN CERTIFICATE-----\nMA==\n-----END CERTIFICATE-----\n-----BEGIN PRIVATE KEY-----\n"
RESERVED = (
    *("ENVIRONMENT", "DEBUG", "CORS_ORIGINS", "OPENAI_MODEL", "OPENAI_BASE_URL", "BACKEND_URL", "BETTER_AUTH_URL"),
    *("DATABASE_URL", "BETTER_AUTH_SECRET", "OPENAI_API_KEY", "POD_NAME", "APP_VERSION", "PORT", "DRAIN_SECONDS"),
    *("DATABASE_POOL_SIZE", "PGSSLROOTCERT"),
)
"""Variables that the chart sets itself."""
METRIC: dict[str, Any] = {
    "type": "Resource",
    "resource": {"name": "cpu", "target": {"type": "Utilization", "averageUtilization": 70}},
}
CUSTOM: dict[str, Any] = {"metric": {"name": "requests"}, "target": {"type": "AverageValue", "averageValue": "1"}}
DNS_NAME = ("A", "-a", "a-", "a..b", long("a", 253))
TOLERATION = {"key": "a", "operator": "Equal", "value": "b", "effect": "NoExecute"}
SPREAD = {"maxSkew": 1, "topologyKey": "zone", "whenUnsatisfiable": "ScheduleAnyway"}


def without(item: dict[str, Any], key: str) -> dict[str, Any]:
    """Return the mapping without a key."""
    return {each: value for each, value in item.items() if each != key}


def resource_metric(target: Any = None, name: Any = "cpu", **others: Any) -> list[Any]:
    """Return the HPA's metrics with one resource metric beside a valid one, so that only its own mistake counts."""
    shipped = METRIC["resource"]["target"]
    target = shipped if target is None else target
    return [METRIC, {"type": "Resource", "resource": {"name": name, "target": target, **others}}]


def custom_metric(kind: str, key: str, value: Any) -> list[Any]:
    """Return the HPA's metrics with one custom metric that has another value at a key; None removes the key."""
    body = without(CUSTOM, key) if value is None else {**CUSTOM, key: value}
    return [METRIC, {"type": kind.capitalize(), kind: body}]


def _metrics() -> Iterator[Any]:
    """Yield lists of metrics that must be refused."""
    yield from ("cpu", [], [METRIC] * 11, [METRIC, "x"], [METRIC, {"type": OTHER}], [METRIC, without(METRIC, "type")])
    yield from ([{**METRIC, **UNKNOWN}], [{**METRIC, "pods": CUSTOM}])
    yield from ([METRIC, {"type": kind}] for kind in ("Resource", "Pods", "External"))
    yield [{"type": "Pods", "pods": CUSTOM}]
    yield resource_metric(name=OTHER)
    yield [{"type": "Resource", "resource": {"name": "memory", "target": METRIC["resource"]["target"]}}]
    yield resource_metric(**UNKNOWN)
    yield [METRIC, {"type": "Resource", "resource": {"name": "cpu"}}]
    yield [METRIC, {"type": "Resource", "resource": {"target": METRIC["resource"]["target"]}}]
    yield [METRIC, {"type": "Resource", "resource": "cpu"}]
    targets: tuple[Any, ...] = (
        "x",
        {"type": "Value", "averageUtilization": 70},
        {"averageUtilization": 70},
        {"type": "Utilization"},
        {"type": "Utilization", "averageUtilization": 70, **UNKNOWN},
        *({"type": "Utilization", "averageUtilization": each} for each in whole(1, 100)),
    )
    yield from map(resource_metric, targets)
    for kind in ("pods", "external"):
        for key in CUSTOM:
            yield from (custom_metric(kind, key, each) for each in (None, "x"))
        yield custom_metric(kind, "more", 1)
        yield [METRIC, {"type": kind.capitalize(), kind: "x"}]
        metrics: tuple[Any, ...] = (
            {},
            {"name": ""},
            {"name": 1},
            {"name": "a", **UNKNOWN},
            {"name": "a", "selector": "x"},
            {"name": "a", "selector": {}},
            {"name": "a", "selector": {"matchLabels": {}, **UNKNOWN}},
            {"name": "a", "selector": {"matchLabels": {"a b": "c"}}},
        )
        yield from (custom_metric(kind, "metric", each) for each in metrics)
        for target in (
            {"averageValue": "1"},
            {"type": "AverageValue"},
            {"type": "Value", "averageValue": "1"},
            {"type": "AverageValue", "averageValue": "1", **UNKNOWN},
            *({"type": "AverageValue", "averageValue": each} for each in (1, "x1", "1x")),
        ):
            yield custom_metric(kind, "target", target)


def _tolerations() -> Iterator[Any]:
    yield from ("x", [TOLERATION] * 101, ["x"], [{**TOLERATION, **UNKNOWN}])
    wrong: dict[str, tuple[Any, ...]] = {
        "key": (*KEYS, 1),
        "operator": (OTHER,),
        "value": LABEL_VALUE,
        "effect": (OTHER,),
    }
    wrong["tolerationSeconds"] = whole(0, 2147483647)
    yield from ([{**TOLERATION, key: value}] for key, values in wrong.items() for value in values)


def _spreads() -> Iterator[Any]:
    yield from ("x", [SPREAD] * 11, ["x"], [{**SPREAD, **UNKNOWN}])
    yield from ([without(SPREAD, key)] for key in SPREAD)
    wrong: dict[str, tuple[Any, ...]] = {
        "maxSkew": whole(1, 100),
        "topologyKey": (*KEYS, 1),
        "whenUnsatisfiable": (OTHER,),
        "labelSelector": ("x",),
        "matchLabelKeys": ("x", ["a"] * 11, ["a b"]),
        "minDomains": whole(1, 100),
        "nodeAffinityPolicy": (OTHER,),
        "nodeTaintsPolicy": (OTHER,),
    }
    yield from ([{**SPREAD, key: value}] for key, values in wrong.items() for value in values)


COMPONENT: dict[str, tuple[Any, ...]] = {
    "replicas": whole(1, 10),
    "revisionHistoryLimit": whole(1, 100),
    "progressDeadlineSeconds": SECONDS,
    "image.repository": text("A", "a b", "a_b", "-a", "a-", "a:b", "/a", long("a", 255)),
    "image.tag": text("", "a b", "-a", "a_b", long("a", 128)),
    "image.digest": text("latest", "sha256:0", f"xsha256:{'0' * 64}", f"sha256:{'0' * 65}"),
    "image.pullPolicy": (OTHER,),
    "strategy.maxSurge": COUNT_OR_SHARE,
    "strategy.maxUnavailable": COUNT_OR_SHARE,
    **{f"resources.{kind}.{name}": QUANTITY for kind in ("requests", "limits") for name in ("cpu", "memory")},
    "service.port": whole(1, 65535),
    "containerPort": whole(1, 65535),
    **{f"probes.{name}.{key}": each for name in ("startup", "readiness", "liveness") for key, each in PROBE.items()},
    "preStopSeconds": SECONDS,
    "drainSeconds": SECONDS,
    "terminationGracePeriodSeconds": SECONDS,
    "podAnnotations": text("x", *({key: "x"} for key in KEYS), {"a": 1}, {"checksum/config": "x"}),
    "podLabels": (*LABELS, {"app": "x"}, {"component": "x"}, {"app.kubernetes.io/name": "x"}),
    "nodeSelector": LABELS,
    "tolerations": tuple(_tolerations()),
    "affinity": ("x", UNKNOWN, *({f"{kind}Affinity": "x"} for kind in ("node", "pod")), {"podAntiAffinity": "x"}),
    "topologySpreadConstraints": tuple(_spreads()),
}
COMPONENT_MAPPINGS = (
    "",
    "image",
    "strategy",
    "resources",
    "resources.requests",
    "resources.limits",
    "service",
    "probes",
    "probes.startup",
    "probes.readiness",
    "probes.liveness",
)
VALUES: dict[str, tuple[Any, ...]] = {
    "nameOverride": LABEL_VALUE,
    "fullnameOverride": PREFIX,
    "namePrefix": PREFIX,
    "namespace.create": ("x",),
    "namespace.name": text("", "A", "-a", "a-", "a.b", long("a", 63)),
    "localCluster": ("x",),
    "publicUrl": text("", *ORIGIN[:-1], f"http://{'a' * 2042}", "http://a,http://b"),
    "imagePullSecrets": (
        *("x", [{"name": "a"}] * 11, ["x"], [{}], [{"name": "a", **UNKNOWN}]),
        *([{"name": each}] for each in text(*DNS_NAME)),
    ),
    "config.environment": ("", OTHER, "Production"),
    "config.debug": (OTHER, 1, ""),
    "config.corsOrigins": text("", *ORIGIN[:-1], "http://a,ftp://b", "http://a, http://b", "http://a,"),
    "config.openaiModel": text("", "a b", "-a", long("a", 256)),
    "config.openaiBaseUrl": text("a", "xhttp://a", "http://a?b", "http://a/b c", f"http://{'a' * 2042}"),
    "config.extra": (
        "x",
        {"BAD KEY": "x"},
        {"1A": "x"},
        {"A" * 254: "x"},
        {"A": 1},
        {"A": "x\0"},
        variable(1),
        {"": "x"},
        *({key: "x"} for key in RESERVED),
    ),
    "database.caCertificate": text("x", KEY),
    "database.poolSize": whole(1, 100),
    "secrets.existingSecret": text(*DNS_NAME),
    "secrets.databaseUrl": text("mysql://u:p4ss@h/d", "postgresql://u@h/d", "x postgresql://u:p4ss@h/d"),
    "secrets.betterAuthSecret": text("s" * 31),
    "secrets.openaiApiKey": text("sk-0123456789abcdef", "xsk-proj-0123456789", "sk-proj-a b", "sk-proj-"),
    "global": ("x",),
    "backend.autoscaling.enabled": ("x",),
    "backend.autoscaling.minReplicas": whole(1, 10),
    "backend.autoscaling.maxReplicas": whole(1, 10),
    "backend.autoscaling.metrics": tuple(_metrics()),
    "backend.autoscaling.behavior": ("x",),
}
MAPPINGS = ("", "namespace", "config", "secrets", "database", "backend.autoscaling")
NAME = "existing-secret"
NO_CREDENTIALS = tuple((f"secrets.{key}", "") for key in ("databaseUrl", "betterAuthSecret", "openaiApiKey"))


def _others(path: str) -> tuple[tuple[str, Any], ...]:
    """Return the values that a case needs so that nothing else is wrong with it."""
    if path == "secrets.existingSecret":
        return NO_CREDENTIALS
    if path.endswith(("replicas", "Replicas")):
        return (
            ("localCluster", False),
            ("backend.autoscaling.minReplicas", 1),
            ("backend.autoscaling.maxReplicas", 10),
        )
    return ()


def every() -> list[Case]:
    """Return every case."""
    found = [Case(path, value, _others(path)) for path, values in VALUES.items() for value in values]
    found += [Case(path, MISSING) for path in VALUES if not path.startswith(("secrets.", "global"))]
    found += [Case(f"{path}.unknown" if path else "unknown", 1) for path in MAPPINGS]
    found += [Case(path, MISSING) for path in ("namespace", "config", "database", "backend.autoscaling")]
    for component in ("backend", "frontend"):
        found += [
            Case(f"{component}.{key}", value, _others(key)) for key, values in COMPONENT.items() for value in values
        ]
        found += [Case(f"{component}.{key}", MISSING) for key in COMPONENT if key not in OPTIONAL]
        found += [Case(".".join(filter(None, (component, key, "unknown"))), 1) for key in COMPONENT_MAPPINGS]
        found += [Case(".".join(filter(None, (component, key))), MISSING) for key in COMPONENT_MAPPINGS]
    found += [*_no_mappings(), *_combinations()]
    return found


def _no_mappings() -> Iterator[Case]:
    """Yield text in place of each mapping."""
    mappings = [each for each in MAPPINGS if each]
    mappings += [
        ".".join(filter(None, (component, key))) for component in ("backend", "frontend") for key in COMPONENT_MAPPINGS
    ]
    yield from (Case(path, "x") for path in mappings)


def _combinations() -> Iterator[Case]:
    """Yield values that are refused because of others."""
    yield Case("namePrefix", "a", (("fullnameOverride", "b"),))
    yield Case("secrets.existingSecret", NAME)
    yield from (Case(path, "") for path, _ in NO_CREDENTIALS)
    yield Case("namespace.create", True)
    yield Case("frontend.replicas", 6)
    yield Case("backend.replicas", 6, (("backend.autoscaling.enabled", False),))
    yield Case("backend.autoscaling.maxReplicas", 6)
    yield Case("backend.autoscaling.minReplicas", 6, (("backend.autoscaling.maxReplicas", 5),))
    yield Case("backend.autoscaling.minReplicas", 5, (("backend.autoscaling.maxReplicas", 4),))
    yield Case("config.extra", {f"A{index}": "x" * 130_000 for index in range(9)})
    for component, unready_after in (("backend", 9), ("frontend", 15)):
        yield Case(f"{component}.terminationGracePeriodSeconds", 7)
        liveness = f"{component}.probes.liveness"
        yield Case(f"{liveness}.failureThreshold", 1, ((f"{liveness}.periodSeconds", unready_after),))
        yield Case(f"{component}.strategy.maxSurge", 0)
        yield Case(f"{component}.strategy.maxSurge", "0%", ((f"{component}.strategy.maxUnavailable", "10%"),))
        yield Case(f"{component}.resources.limits.cpu", 129)
        yield Case(f"{component}.resources.limits.memory", "2Ti")
        yield Case(f"{component}.resources.requests.memory", "3Mi")
        for resource, more in (("cpu", "0.6"), ("memory", "1Gi")):
            yield Case(f"{component}.resources.requests.{resource}", more)
