"""Where a finding is to be corrected: the chart's file, the line, and the value that controls the field."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import replace

from acceptance.checks.finding import UNKNOWN, Finding, Place
from acceptance.checks.grouping import VALUES
from acceptance.checks.snapshot import ChartState, Snapshot
from acceptance.checks.source_lines import Templates, values_line
from acceptance.core.fields import at, format_value
from acceptance.core.target import Target

CHART_FILES = ("Chart.yaml", "values.yaml", "values.schema.json")
NAMED_FILE = re.compile(r"(?<![\w.-])((?:charts/[\w.-]+/)*(?:templates/[\w./-]+|Chart\.yaml|values\.yaml))(?::(\d+))?")
"""A file of the chart, with a line where there is one, in a message of Helm's."""
COMPONENT_FIELDS = {
    "image_tag": r"image",
    "resources": r"resources\b.*",
    "container_port": r"ports",
}
"""Fields of a component's main container by the target's name of the value."""
SERVICE_PORT = re.compile(r"spec\.ports(\[.*\]\.port)?")
DEPLOYMENT_FIELDS = {
    "replicas": r"spec\.replicas",
    "max_surge": r"spec\.strategy\.rollingUpdate\.maxSurge",
    "max_unavailable": r"spec\.strategy\.rollingUpdate\.maxUnavailable",
}
AUTOSCALER_FIELDS = {
    "hpa_min": r"spec\.minReplicas",
    "hpa_max": r"spec\.maxReplicas",
    "hpa_metrics": r"spec\.metrics\b.*",
    "hpa_behavior": r"spec\.behavior\b.*",
}


def with_places(findings: Iterable[Finding], snapshot: Snapshot, target: Target) -> list[Finding]:
    """Return the findings, each with the place that is known for certain.

    Args:
        findings: Findings of a rendered chart, or of the live objects that were made of it.
        snapshot: The rendered chart.
        target: What is under test.
    """
    chart = snapshot.chart
    if chart is None or snapshot.source != "static":
        return list(findings)
    listed = list(findings)
    if not listed:
        return []
    templates = Templates(chart.templates)

    def place(finding: Finding) -> Place:
        known = _values_place(finding, chart, target, snapshot.variant)
        return known or _template_place(finding, chart, target, templates)

    return [replace(each, place=place(each)) for each in listed]


def _values_place(finding: Finding, chart: ChartState, target: Target, variant: str) -> Place | None:
    """Return the place of a finding about the chart's own files or values, or None."""
    owner = finding.object
    if owner == "Chart.yaml":
        return Place(_file(target, owner), values_line(chart.chart_yaml, finding.field.partition("[")[0]))
    if owner in (VALUES, "chart", *chart.values_files):
        for file in dict.fromkeys((owner, variant, "values.yaml")):
            if line := values_line(chart.values_files.get(file, ""), finding.field, exact=True):
                return Place(_file(target, file), line, finding.field)
    for named in (owner, finding.field):
        if named in (*CHART_FILES, *chart.values_files, *chart.templates):
            return Place(_file(target, named))
    return None


def _template_place(finding: Finding, chart: ChartState, target: Target, templates: Templates) -> Place:
    source = next(iter(_sources(finding.object, chart)), "")
    if not source:
        named = NAMED_FILE.search(finding.actual)
        if named is None or named[1] not in (*CHART_FILES, *chart.templates):
            return UNKNOWN
        return Place(_file(target, named[1]), int(named[2]) if named[2] else None)
    found = templates.line_of(source, finding.object.partition("/")[0], finding.field)
    value = _stated(finding, target)
    if not value or not _agrees(finding, value, chart):
        value = "" if found is None or source.startswith("charts/") else found.value
    if found is None:
        return Place(_file(target, source), None, value)
    return Place(_file(target, found.file), found.number, value)


def _agrees(finding: Finding, path: str, chart: ChartState) -> bool:
    """Whether the value under `path` is what the finding shows: a template may ignore it."""
    value = at(chart.values, path)
    if isinstance(value, Mapping):
        rest = re.search(rf"\b{re.escape(path.rpartition('.')[2])}\.(.+)", finding.field)
        value = at(value, rest[1]) if rest else value
    if finding.object.startswith("Secret/") or isinstance(value, list):
        return True
    return re.search(rf"(?<![\w.]){re.escape(format_value(value))}(?![\w.])", finding.actual) is not None


def _sources(ref: str, chart: ChartState) -> Iterator[str]:
    """Yield the template of an object, relative to the chart, in each rendering that has the object."""
    for rendering in (chart.rendering, chart.namespace_on, chart.autoscaler_off):
        if rendering is not None and (source := rendering.sources.get(ref)):
            yield source.partition("/")[2]


def _file(target: Target, path: str) -> str:
    """Return a file of the chart as a path relative to the target file."""
    shipped = {each.name: each.as_posix() for each in target.chart.values_files}
    if path in shipped:
        return shipped[path]
    folder = target.chart.path
    return f"{folder.name if folder.is_absolute() else folder.as_posix()}/{path}"


def _stated(finding: Finding, target: Target) -> str:
    """Return the value path that the target states for a field, or an empty string."""
    kind, _, name = finding.object.partition("/")
    if kind == "HorizontalPodAutoscaler" and target.autoscaler and name == target.autoscaler.name:
        return _first(AUTOSCALER_FIELDS, finding.field, target.values)
    if finding.field == "metadata.namespace":
        return target.values.namespace or ""
    if finding.object in (f"ConfigMap/{target.config_map.name}", f"Secret/{target.secret.name}"):
        return _keys(target).get(finding.field.removeprefix("data.")) or ""
    for component in target.components.values():
        if (kind, name) == ("Service", component.service) and SERVICE_PORT.fullmatch(finding.field):
            return component.values.service_port or ""
        if (kind, name) == ("Deployment", component.deployment):
            main = f"spec.template.spec.containers[{component.container}]."
            own = finding.field.startswith(main)
            fields, field = (COMPONENT_FIELDS if own else DEPLOYMENT_FIELDS), finding.field.removeprefix(main)
            return _first(fields, field, component.values)
    return ""


def _keys(target: Target) -> dict[str, str | None]:
    names, values = target.config_map, target.values
    return {
        names.environment: values.environment,
        names.debug: values.debug,
        names.cors_origins: values.cors_origins,
        **target.secret_paths,
    }


def _first(fields: dict[str, str], field: str, paths: object) -> str:
    for name, pattern in fields.items():
        if re.fullmatch(pattern, field):
            return getattr(paths, name, None) or ""
    return ""
