"""What was given is what arrives: credentials, settings, tags and figures, compared with the rendered objects."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from typing import Any

from acceptance.chart.bounds import HPA_OFF, NOT_LOCAL, Values, further_values, value_path
from acceptance.chart.renderer import Renderer
from acceptance.checks.component_view import ComponentView
from acceptance.checks.finding import Finding, Untested
from acceptance.checks.snapshot import Snapshot
from acceptance.core.fields import at, format_value, mapping_at, mappings_at, object_ref
from acceptance.core.target import CREDENTIALS, Target
from acceptance.core.values import in_shipped_form, merge_values, nested
from acceptance.kube.secrets import decoded

Arrived = tuple[str, str, Any]
"""Where a value is to arrive, as `Kind/name` and field, and what is there."""
ENCODED = (
    "postgresql://todo:p%40ss%3A%2F%3F%23%25%26%2B%3D%27%22%20w0rd@db.example.com:5432/todo"
    "?sslmode=require&application_name=a%20b"
)
"""A URL whose password has every character that must be encoded."""
ODD = "a'\"$(HOME)${HOME}{{ .x }}`\\n#: %d & <&> 0123456789"


@dataclass(frozen=True)
class Given:
    """A value that is given, and how to find where it arrives.

    Attributes:
        path: The name of the value's path in the target.
        required: Whether the chart must accept it.
        others: Further values to set, by the same kind of name.
        written: What a value that is no text arrives as; by default as it is.
    """

    rule: str
    name: str
    path: str
    value: Any
    arrived: Callable[[ComponentView], Arrived]
    component: str | None = None
    required: bool = True
    others: Values | None = None
    written: str | None = None

    @property
    def expected(self) -> Any:
        """What is to arrive."""
        return self.value if self.written is None else self.written

    @property
    def id(self) -> str:
        """The test's parameter ID."""
        part = f"-{self.component}" if self.component else ""
        return f"{self.rule}{part}-{self.name}-arrives"


def check_given(given: Given, renderer: Renderer, base: Snapshot) -> list[Finding]:
    """Return a finding if a value does not arrive as it was given.

    Raises:
        Untested: The target has no path for the value, or the key that it sets is never there, as another rule says.
    """
    target = renderer.target
    path = value_path(target, given.component, given.path)
    if given.path == "database_url":
        given = replace(given, value=given.value.replace("postgresql", target.secret.database_scheme, 1))
    value = in_shipped_form(_as_given(given, target), at(renderer.shipped, path))
    further = further_values(target, given.component, given.others)
    snapshot = renderer.with_values(base, merge_values(further, nested(path, value)))
    assert snapshot.chart is not None
    if (error := snapshot.chart.rendering.error) is not None:
        # The message may quote a credential.
        shown = "refused" if given.rule.startswith("SEC") else f"refused: {error}"
        return [_finding(given, target, "values", path, "accepted", shown)] if given.required else []
    owner, field, actual = given.arrived(ComponentView(snapshot, target, given.component))
    if actual == given.expected and type(actual) is type(given.expected):
        return []
    if field.startswith("data.") and actual is given.arrived(ComponentView(base, target, given.component))[2] is None:
        presence = "SEC-12" if given.rule.startswith("SEC") else "CFG-11"
        raise Untested(f"{owner} has no {field.removeprefix('data.')} ({presence})")
    if given.rule.startswith("SEC"):
        return [
            _finding(given, target, owner, field, f"what {path} was given, unchanged", _difference(given.value, actual))
        ]
    expected = f"{format_value(given.expected)}, as {path} was given"
    return [_finding(given, target, owner, field, expected, format_value(actual))]


def _as_given(given: Given, target: Target) -> Any:
    return target.secret.as_given(given.value) if given.path in CREDENTIALS else given.value


def _finding(given: Given, target: Target, owner: str, field: str, expected: str, actual: str) -> Finding:
    return Finding(given.rule, owner, field, expected, actual, advice=not target.strict)


def _difference(given: str, actual: Any) -> str:
    """Say how a credential was changed, without quoting it."""
    if not isinstance(actual, str):
        return "none"
    if actual == given.strip():
        return "without the white space around it"
    if actual.strip() == given:
        return "with white space added"
    if actual.casefold() == given.casefold():
        return "in other letters: capitals and lower case are changed"
    if given.startswith(actual):
        return f"cut off after {len(actual)} of {len(given)} characters"
    return f"another value of {len(actual)} characters instead of {len(given)}"


def _secret(name: str) -> Callable[[ComponentView], Arrived]:
    def arrived(view: ComponentView) -> Arrived:
        key = getattr(view.target.secret, name)
        return object_ref(view.secret), f"data.{key}", decoded(view.secret).get(key)

    return arrived


def _setting(name: str) -> Callable[[ComponentView], Arrived]:
    def arrived(view: ComponentView) -> Arrived:
        key = getattr(view.target.config_map, name)
        return object_ref(view.config_map), f"data.{key}", mapping_at(view.config_map, "data").get(key)

    return arrived


def _extra(view: ComponentView) -> Arrived:
    data = mapping_at(view.config_map, "data")
    return object_ref(view.config_map), "data", {key: data.get(key) for key in TEXTS}


def _tag(view: ComponentView) -> Arrived:
    container = view.main_container(view.pods[0])
    named, at_sign, _ = container.image.partition("@")
    last = named.rpartition("/")[2]
    if at_sign and ":" not in last:
        raise Untested("the image is named by its digest, so its tag is not used")
    return container.object, f"{container.field}.image", last.rpartition(":")[2]


def _replicas(view: ComponentView) -> Arrived:
    return object_ref(view.deployment), "spec.replicas", at(view.deployment, "spec.replicas")


def _service_port(view: ComponentView) -> Arrived:
    ports = [at(port, "port") for port in mappings_at(view.service, "spec.ports")]
    return object_ref(view.service), "spec.ports", 8123 if 8123 in ports else ports[0] if ports else None


def _scaler(field: str) -> Callable[[ComponentView], Arrived]:
    return lambda view: (object_ref(view.autoscaler), f"spec.{field}", at(view.autoscaler, f"spec.{field}"))


TEXTS = {"ACCEPTANCE_DIGITS": "10485760", "ACCEPTANCE_ZEROS": "007", "ACCEPTANCE_WORD": "yes", "ACCEPTANCE_EXP": "1e5"}
"""Texts that YAML would read as another type."""


def cases() -> Iterator[Given]:
    """Yield every value that is given."""
    url, secret, key = (_secret(name) for name in CREDENTIALS)
    yield Given("SEC-04", "an encoded password", "database_url", ENCODED, url)
    yield Given("SEC-04", "a trailing newline", "database_url", f"{ENCODED}\n", url, required=False)
    yield Given("SEC-05", "digits alone", "auth_secret", "1234567890" * 4, secret)
    yield Given("SEC-05", "odd characters", "auth_secret", ODD, secret, required=False)
    yield Given("SEC-05", "a trailing newline", "auth_secret", f"{'s' * 40}\n", secret, required=False)
    yield Given("SEC-06", "an ordinary key", "model_key", f"sk-proj-{'aB3_-' * 12}", key)
    yield Given("SEC-06", "a trailing newline", "model_key", f"sk-proj-{'aB3_-' * 12}\n", key, required=False)
    origins = "https://a.example.com,https://b.example.com:8443,http://localhost:3000"
    yield Given("CFG-05", "three origins", "cors_origins", origins, _setting("cors_origins"))
    yield Given("CFG-04", "'true'", "debug", "true", _setting("debug"), required=False)
    yield Given("CFG-04", "'false'", "debug", "false", _setting("debug"), required=False)
    yield Given("CFG-04", "false", "debug", False, _setting("debug"), required=False, written="false")
    yield Given("CFG-03", "staging", "environment", "staging", _setting("environment"))
    yield Given("CFG-07", "numbers as text", "extra_config", TEXTS, _extra)
    for component in ("backend", "frontend"):
        for tag in ("1.10", "20260101", "1e5"):
            yield Given("IMG-02", f"tag {tag}", "image_tag", tag, _tag, component)
        yield Given("DEP-03", "3 replicas", "replicas", 3, _replicas, component, others=HPA_OFF)
        beyond = {**HPA_OFF, **NOT_LOCAL}
        yield Given("DEP-03", "8 replicas", "replicas", 8, _replicas, component, required=False, others=beyond)
        yield Given("SVC-05", "port 8123", "service_port", 8123, _service_port, component)
    yield Given("HPA-04", "a minimum of 3", "hpa_min", 3, _scaler("minReplicas"), "backend")
    yield Given("HPA-05", "a maximum of 4", "hpa_max", 4, _scaler("maxReplicas"), "backend")
    yield Given(
        "HPA-05", "a maximum of 12", "hpa_max", 12, _scaler("maxReplicas"), "backend", required=False, others=NOT_LOCAL
    )
