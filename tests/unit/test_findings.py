"""Findings as a reader sees them: grouped, with references, and with the place where the chart is to be corrected."""

from __future__ import annotations

from dataclasses import asdict, replace
from typing import Any

import pytest

from acceptance import checks
from acceptance.chart.renderer import Renderer
from acceptance.checks.finding import ClassifiedFinding, Finding, Place, Severity, Untested, merge_renderings
from acceptance.checks.grouping import format_renderings, group
from acceptance.checks.places import with_places
from acceptance.checks.registry import Check, Violation
from acceptance.checks.renderings import check_all
from acceptance.checks.snapshot import Snapshot
from acceptance.checks.source_lines import Templates, values_line
from acceptance.core.fields import format_value
from acceptance.core.target import Target
from acceptance.core.values import merge_values, nested
from acceptance.kube.helm import find_helm
from acceptance.kube.manifests import sources
from acceptance.report.finding_text import field_line, finding_line, format_findings, repeat_command


def finding(
    rule: str, object_: str, field: str, expected: str = "one", actual: str = "another", severity: Severity = "blocking"
) -> ClassifiedFinding:
    return ClassifiedFinding(Finding(rule, object_, field, expected, actual), severity)


@pytest.mark.parametrize(
    ("value", "expected"),
    [
        (None, "absent"),
        ("absent", '"absent"'),
        (True, "true"),
        ("true", "'true'"),
        ("1Gi", "1Gi"),
        (0.5, "0.5"),
        ("0.5", "'0.5'"),
        ("25%", "25%"),
        (8000, "8000"),
        ("", "''"),
        (["ALL"], "[ALL]"),
        ({"type": "RuntimeDefault", "path": None}, "{type: RuntimeDefault, path: null}"),
        ("two\nlines", r'"two\nlines"'),
        ("x" * 200, "x" * 119 + "…"),
    ],
)
def test_values_are_quoted_as_written(value: Any, expected: str) -> None:
    assert format_value(value) == expected


# --- grouping


def test_rule_and_object_are_one_finding() -> None:
    limits = [finding("POD-06", "Deployment/b", f"limits.{name}") for name in ("cpu", "memory")]
    other = finding("POD-06", "Deployment/f", "limits.cpu")
    found = group([*limits, other, *limits])
    assert [(each.object, [field.field for field in each.fields]) for each in found] == [
        ("Deployment/b", ["limits.cpu", "limits.memory"]),
        ("Deployment/f", ["limits.cpu"]),
    ]


def test_renderings_are_named_unless_all_show_it() -> None:
    inside = Finding("POD-06", "Deployment/b", "limits.cpu", "a limit", "absent")
    only = Finding("POD-06", "Deployment/b", "limits.memory", "a limit", "absent", rendering="values-a.yaml")
    every = [replace(inside, rendering=name) for name in ("defaults", "values-a.yaml")]
    merged = merge_renderings([*every, only], judged=2)
    assert merged == [inside, only]
    (grouped,) = group(ClassifiedFinding(each, "blocking") for each in merged)
    assert str(grouped) == (
        "POD-06: Deployment/b: limits.cpu: expected a limit, actual absent; "
        "limits.memory: expected a limit, actual absent (only in values-a.yaml)"
    )


@pytest.mark.parametrize(
    ("names", "expected"),
    [
        (["defaults"], "in the defaults"),
        (["values-a.yaml"], "only in values-a.yaml"),
        (["the HPA off"], "only with the HPA off"),
        (["defaults", "a.yaml", "b.yaml"], "in the defaults, a.yaml and b.yaml"),
        (["defaults", "a.yaml", "the HPA off"], "in the defaults, in a.yaml and with the HPA off"),
    ],
)
def test_renderings_in_words(names: list[str], expected: str) -> None:
    assert format_renderings(names) == expected


def test_one_defect_is_shown_at_full_length_once() -> None:
    found = group(finding(rule, "Service/b", "spec.type") for rule in ("SCY-05", "SCY-06", "SVC-03"))
    assert [str(each) for each in found] == [
        "SCY-05: Service/b: spec.type: see SVC-03",
        "SCY-06: Service/b: spec.type: see SVC-03",
        "SVC-03: Service/b: spec.type: expected one, actual another",
    ]


def test_no_finding_refers_to_a_milder_one() -> None:
    found = group([finding("POD-18", "Deployment/b", "x", severity="advice"), finding("SCY-01", "Deployment/b", "x")])
    assert [each.refers for each in found] == [True, False]


def test_partly_known_finding_shows_the_rest() -> None:
    first = finding("POD-06", "Deployment/b", "limits.cpu")
    (second,) = group([finding("POD-18", "Deployment/b", field) for field in ("limits.cpu", "requests.cpu")], [first])
    assert second.sentences == "requests.cpu: expected one, actual another; limits.cpu: see POD-06"


def test_field_that_another_rule_shows_is_named_once() -> None:
    ports = [finding("POD-16", "values", field, f"{number} refused", "rendered") for field in "ab" for number in (0, 9)]
    others = [replace(each, finding=replace(each.finding, rule="SVC-05")) for each in ports]
    (second,) = group(others, ports)
    assert str(second) == "SVC-05: values: a, b: see POD-16"
    data = {"rule": "SVC-05", "object": "values", "file": "", "fields": [asdict(each) for each in second.fields]}
    assert finding_line(data) == str(second)


def test_user_of_pod_and_container_is_one_defect() -> None:
    spec = "spec.template.spec"
    container = finding("SCY-01", "Deployment/b", f"{spec}.containers[b].securityContext")
    pod = finding("SCY-03", "Deployment/b", f"{spec}.securityContext.runAsUser")
    assert [each.refers for each in group([container, pod])] == [False, True]


def test_object_in_another_namespace_is_one_defect() -> None:
    elsewhere = finding("CFG-02", "ConfigMap/c", "metadata.namespace", "todo", "default")
    missing = finding("REL-05", "Deployment/b", "spec.envFrom", "an object of the release", "no ConfigMap/c")
    service = finding("SVC-02", "Service/s", "metadata.namespace", "todo", "default")
    dead = finding("REL-05", "ConfigMap/c", "data.URL", "the host of a Service of the release", "s")
    assert [each.refers for each in group([elsewhere, missing, service, dead])] == [False, True, False, True]


def test_what_the_api_server_says_of_a_selector_is_one_defect() -> None:
    accepted = "accepted by the API server of Kubernetes 1.37.2"
    selector = finding("DEP-04", "Deployment/b", "spec.selector.matchLabels", "labels of the template")
    refused = "Invalid value: `selector` does not match template `labels`"
    server = finding("CHT-09", "Deployment/b", "spec.template.metadata.labels", accepted, refused)
    request = finding("POD-07", "Deployment/b", "x.resources.requests.memory", "at most the limit, 512Mi", "1Gi")
    limit = finding(
        "CHT-09", "Deployment/b", "x.requests", accepted, "must be less than or equal to memory limit of 512Mi"
    )
    found = group([selector, server, request, limit])
    assert [(each.rule, each.refers) for each in found] == [("DEP-04", False), ("CHT-09", True), ("POD-07", False)]


def test_other_aspects_of_one_field_are_apart() -> None:
    """A checksum of one object is none of another, and another number of replicas is not none."""
    changes = "a template that changes with {}, such as by a checksum"
    replicas = [
        finding("DEP-03", "Deployment/b", "spec.replicas", "1"),
        finding("HPA-11", "Deployment/b", "spec.replicas", "absent while the HPA is on"),
    ]
    rolled = [finding(rule, "Deployment/b", "spec.template", changes.format(rule)) for rule in ("CFG-10", "SEC-11")]
    assert not [each for each in group([*replicas, *rolled]) if each.refers]


def test_assertions_with_other_messages_are_apart() -> None:
    found = group(finding(rule, "release", "", "", text) for rule, text in (("POD-10", "a"), ("POD-11", "b")))
    assert [str(each) for each in found] == ["POD-10: release: a", "POD-11: release: b"]


# --- defects that show in several objects


@pytest.fixture(scope="module")
def renderer(target: Target) -> Renderer:
    return Renderer(find_helm(), target)


@pytest.fixture(scope="module")
def snapshot(renderer: Renderer) -> Snapshot:
    return renderer.snapshot()


def reported(snapshot: Snapshot, target: Target) -> dict[str, str]:
    """Each broken rule with its findings in one line."""
    found = checks.run_checks(snapshot, target).findings
    grouped = group(ClassifiedFinding(each, "blocking") for each in found)
    return {each.rule: str(each) for each in grouped}


def test_missing_object_is_one_defect(snapshot: Snapshot, target: Target) -> None:
    objects = tuple(each for each in snapshot.objects if each["kind"] != "Secret")
    found = reported(replace(snapshot, objects=objects), target)
    assert found["REL-05"].endswith("see CHT-08")


def test_missing_key_is_one_defect(snapshot: Snapshot, target: Target) -> None:
    objects = [
        {**each, "data": {key: value for key, value in each["data"].items() if key != "DATABASE_URL"}}
        if each["kind"] == "Secret"
        else each
        for each in snapshot.objects
    ]
    found = reported(replace(snapshot, objects=tuple(objects)), target)
    assert "the key DATABASE_URL" in found["SEC-12"]
    assert found["REL-05"].endswith("see SEC-12")


def test_wrong_port_of_a_service_is_one_defect(snapshot: Snapshot, target: Target) -> None:
    name = target.components["backend"].service
    objects = [
        {**each, "spec": {**each["spec"], "ports": [{**each["spec"]["ports"][0], "port": 8001}]}}
        if (each["kind"], each["metadata"]["name"]) == ("Service", name)
        else each
        for each in snapshot.objects
    ]
    found = reported(replace(snapshot, objects=tuple(objects)), target)
    assert "actual 8001" in found["SVC-05"]
    assert found["REL-05"].endswith("see SVC-05")
    assert found["SCY-06"].endswith("see SVC-05")


# --- places

TEMPLATE = """
{{/*
kind: Deployment
*/}}
apiVersion: apps/v1
kind: Deployment
spec:
  {{- if .Values.fixed }}
  replicas: {{ .Values.backend.replicas }}
  {{- end }}
  template:
    spec:
      initContainers:
        - name: wait
          image: busybox
      containers:
      - name: {{ .Chart.Name }}
        image: "{{ .Values.image.repository }}:{{ .Values.image.tag }}"
        securityContext:
          runAsUser: 0
        resources:
          {{- toYaml .Values.backend.resources | nindent 10 }}
        {{- if .Values.debug }}
        workingDir: /tmp
        {{- else }}
        workingDir: /app
        {{- end }}
---
kind: Service
spec:
  type: NodePort
"""
CONTAINER = "spec.template.spec.containers[backend]"


HELPERS = """
{{- define "settings" -}}
{{- if .Values.security }}
securityContext:
  readOnlyRootFilesystem: false
{{- end }}
{{- include "probes" . | nindent 0 }}
{{- end }}
{{- define "probes" -}}
livenessProbe:
  httpGet: {path: /}
{{- end }}
{{- define "rules" }}
- port: {{ .Values.port }}
{{- end }}
"""


def line(kind: str, field: str, template: str = TEMPLATE) -> tuple[str, int, str] | None:
    templates = Templates({"templates/a.yaml": template, "templates/_helpers.tpl": HELPERS})
    found = templates.line_of("templates/a.yaml", kind, field)
    return (found.file.removeprefix("templates/"), found.number, found.value) if found else None


@pytest.mark.parametrize(
    ("kind", "field", "number", "value"),
    [
        ("Service", "spec.type", 31, ""),
        ("Deployment", "spec.replicas", 9, "backend.replicas"),
        ("Deployment", f"{CONTAINER}.securityContext.runAsUser", 20, ""),
        ("Deployment", f"{CONTAINER}.securityContext.privileged", 19, ""),
        ("Deployment", f"{CONTAINER}.resources.limits.cpu", 21, "backend.resources"),
        ("Deployment", f"{CONTAINER}.image", 18, ""),
        ("Deployment", f"{CONTAINER}.workingDir", 17, ""),  # two lines
        ("Deployment", "spec.template.spec.initContainers[wait].image", 15, ""),
        ("Deployment", "spec.template.spec.initContainers[other].image", 13, ""),
    ],
)
def test_line_of_a_template(kind: str, field: str, number: int, value: str) -> None:
    assert line(kind, field) == ("a.yaml", number, value)


@pytest.mark.parametrize(
    ("kind", "field"),
    [("Deployment", "spec.strategy.type"), ("Deployment", "metadata.namespace"), ("Secret", "data.KEY")],
)
def test_line_that_is_not_certain_is_absent(kind: str, field: str) -> None:
    assert line(kind, field) is None


def test_list_that_values_extend_has_no_certain_item() -> None:
    generated = "{{- toYaml .Values.sidecars | nindent 6 }}"
    template = TEMPLATE.replace("      containers:", f"      containers:\n      {generated}")
    assert line("Deployment", f"{CONTAINER}.image", template) == ("a.yaml", 16, "")


INCLUDING = """
kind: Deployment
spec:
  template:
    spec:
      containers:
        - name: backend
          {{- include "settings" . | nindent 10 }}
          env:
            {{- include "unknown" . | nindent 12 }}
---
kind: Service
spec:
  ports: {{- include "rules" . | nindent 4 }}
"""


@pytest.mark.parametrize(
    ("kind", "field", "expected"),
    [
        ("Deployment", f"{CONTAINER}.securityContext.readOnlyRootFilesystem", ("_helpers.tpl", 5, "")),
        ("Deployment", f"{CONTAINER}.livenessProbe.httpGet.path", ("_helpers.tpl", 11, "")),
        ("Deployment", f"{CONTAINER}.env[NAME]", ("a.yaml", 9, "")),
        ("Deployment", f"{CONTAINER}.image", ("a.yaml", 7, "")),
        ("Service", "spec.ports[http].port", ("_helpers.tpl", 14, "port")),
    ],
)
def test_line_of_an_included_template(kind: str, field: str, expected: tuple[str, int, str]) -> None:
    assert line(kind, field, INCLUDING) == expected


def test_line_of_a_values_file() -> None:
    text = "# comment\na:\n  b.c: 1\n  d: {e: 2}\n"
    assert [values_line(text, path) for path in ("a.b.c", "a.d.e", "a.d.f", "x")] == [3, 4, 4, None]
    assert values_line(text, "a.d.f", exact=True) is None
    assert values_line("a: [", "a") is None


def test_template_of_each_object_is_known() -> None:
    text = """---
# Source: todo/templates/one.yaml
kind: Service
metadata: {name: a}
---
kind: List
items: [{kind: Secret, metadata: {name: b}}]
---
# Source: todo/templates/two.yaml
kind: Service
metadata: {name: c}
---
# Source: todo/templates/three.yaml
kind: Service
metadata: {name: c}
"""
    assert sources(text) == {"Service/a": "todo/templates/one.yaml", "Secret/b": "todo/templates/one.yaml"}


def place(field: str, object_: str, snapshot: Snapshot, target: Target, actual: str = "absent") -> Place:
    (found,) = with_places([Finding("POD-06", object_, field, "", actual)], snapshot, target)
    return found.place


def test_places_of_the_suites_own_chart(renderer: Renderer, snapshot: Snapshot, target: Target) -> None:
    deployment = f"Deployment/{target.components['backend'].deployment}"
    cpu = "spec.template.spec.containers[backend].resources.limits.cpu"
    shipped = renderer.shipped["backend"]["resources"]["limits"]["cpu"]
    assert place(cpu, deployment, snapshot, target, format_value(shipped)).value == "backend.resources"
    # The value is set, so the template is what leaves the field out.
    assert place(cpu, deployment, snapshot, target).value == ""
    found = place("spec.type", "Service/todo-backend-service", snapshot, target)
    assert found.file == "chart/templates/backend-service.yaml"
    assert found.line is not None
    assert place("name", "Chart.yaml", snapshot, target) == Place("chart/Chart.yaml", 2)
    assert place("backend.replicas", "values", snapshot, target).value == "backend.replicas"
    assert place("spec", "Service/unknown", snapshot, target) == Place()


def test_place_of_a_failed_rendering(renderer: Renderer, target: Target) -> None:
    bad = merge_values(renderer.required(), nested("namePrefix", "Bad_Name"), nested("fullnameOverride", "other"))
    error = renderer.render(bad).error
    assert error is not None
    base = renderer.snapshot()
    found = place("helm template", "chart", base, target, "error at (todo-chatbot/templates/configmap.yaml:1:4): no")
    assert found == Place("chart/templates/configmap.yaml", 1)


# --- text


@pytest.mark.parametrize(
    ("field", "text"),
    [
        (
            {
                "field": "spec.type",
                "expected": "ClusterIP",
                "actual": "NodePort",
                "occurs": "only in a.yaml",
                "see": "",
            },
            "spec.type: expected ClusterIP, actual NodePort (only in a.yaml)",
        ),
        (
            {"field": "", "expected": "", "actual": "expected 200, got 500", "occurs": "", "see": ""},
            "expected 200, got 500",
        ),
        ({"field": "", "expected": "", "actual": "expected 200, got 500", "occurs": "", "see": "STA-08"}, "see STA-08"),
    ],
)
def test_line_of_an_assertion_is_what_it_says(field: dict[str, str], text: str) -> None:
    assert field_line(field) == text


def test_text_says_what_to_do() -> None:
    where = Place("chart/templates/b.yaml", 7, "backend.resources")
    fields = [Finding("POD-06", "Deployment/b", f"limits.{name}", "a limit", "absent", place=where) for name in "xy"]
    first = [ClassifiedFinding(each, "blocking") for each in fields]
    command = repeat_command("python", ["tests/a.py::test_rule[POD-06-backend]"], ["--target", "my chart.toml"])
    assert command == "python -m pytest 'tests/a.py::test_rule[POD-06-backend]' --target 'my chart.toml'"
    lines = format_findings(group(first), command).splitlines()
    assert lines[:3] == [
        "POD-06 Deployment/b (chart/templates/b.yaml:7)",
        "  limits.x: expected a limit, actual absent",
        "  limits.y: expected a limit, actual absent",
    ]
    assert lines[3] == "  Value: backend.resources"
    assert lines[4].startswith("  Rule: ")
    assert lines[5:] == [f"  Repeat: {command}"]
    again = [finding("POD-18", "Deployment/b", "limits.x")]
    assert format_findings(group(again, first), command).splitlines()[0] == "POD-18 Deployment/b: limits.x: see POD-06"


def test_advice_does_not_repeat_a_finding(target: Target) -> None:
    def anything(_: object) -> list[Violation]:
        return [Violation("Deployment/todo-backend", "spec.replicas", "1", "2")]

    check = Check("SVC-03", "static", None, (anything,))
    lenient = target.model_copy(update={"strict": False})
    shipped, other = Snapshot("static", (), "default"), Snapshot("static", (), "default", "another", advisory=True)
    assert [each.advice for each in check_all(check, [(shipped, lenient)], [(other, lenient)])] == [False]


def test_key_of_another_provider_has_another_form(target: Target, snapshot: Snapshot) -> None:
    check = next(each for each in checks.for_level("static") if each.rule == "SEC-06")
    secret = target.secret.model_copy(update={"model_key": "GROQ_API_KEY"})
    other = target.model_copy(update={"secret": secret})
    name = target.secret.name
    item = {"kind": "Secret", "metadata": {"name": name}, "stringData": {"GROQ_API_KEY": "gsk_x"}}
    with pytest.raises(Untested, match="GROQ_API_KEY is another provider's"):
        check(replace(snapshot, objects=(item,)), other)
