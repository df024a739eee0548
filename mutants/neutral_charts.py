"""Neutral variants of the chart's files: the same release from other templates and values, for rules of the files."""

from __future__ import annotations

import shutil
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from acceptance.chart.renderer import Renderer
from acceptance.checks.finding import Finding
from acceptance.core.target import Target
from acceptance.kube.helm import Helm
from mutants.charts import BACKEND, HELPERS, SCHEMA, VALUES, findings
from mutants.edits import Edit, append, data, replace

FREE = {"type": "object", "additionalProperties": True}
LIST = """apiVersion: v1
kind: List
items:
  - apiVersion: v1
    kind: ConfigMap
    metadata: {name: listed, namespace: {{ .Values.namespace.name }}}
    data: {A: "1"}
"""
EXTRAS = """{{- if .Values.extras.enabled }}
apiVersion: v1
kind: ConfigMap
metadata: {name: extras, namespace: {{ .Values.namespace.name }}}
data: {WORDS: {{ .Values.extras.words | default list | join "," | quote }}}
{{- end }}
"""
GUARDED = """apiVersion: v1
kind: ConfigMap
metadata: {name: guarded, namespace: {{ .Values.namespace.name }}}
data: {A: {{ (.Values.guarded | default dict).word | default "none" | quote }}}
"""
MONITOR = """{{- if .Capabilities.APIVersions.Has "monitoring.coreos.com/v1" }}
apiVersion: monitoring.coreos.com/v1
kind: ServiceMonitor
metadata: {name: todo, namespace: {{ .Values.namespace.name }}}
spec: {selector: {matchLabels: {app: todo-chatbot}}}
{{- end }}
"""
ADDED = """apiVersion: v1
kind: ConfigMap
metadata: {name: added, namespace: {{ .Values.namespace.name }}}
data: {{ (.Files.Glob "added/*").AsConfig | fromYaml | default dict | toJson }}
"""
ADDED_HASH = '{{ (.root.Files.Glob "added/*").AsConfig | sha256sum }}'
SELECTING = """
POD=$(kubectl get pods -l "component=frontend,app.kubernetes.io/instance={{ .Release.Name }}" -o name)
kubectl logs -l 'component in (backend, web)' && kubectl get secret -l owner=nobody
kubectl get pods -l app=todo-chatbot,component!=web -l name=$NAME; kubectl get pod $POD --selector <labels>
"""
LABELS = '      labels:\n        {{- include "todo-chatbot.podLabels" $backend | nindent 8 }}\n'


@dataclass(frozen=True)
class ChartVariant:
    """Edits of the chart after which none of the rules is broken."""

    name: str
    rules: tuple[str, ...]
    edits: tuple[Edit, ...]
    strict: bool = True
    """Whether the target is; if not, what values of the schema break is advice of CHT-10 alone."""

    @contextmanager
    def applied(self, chart: Path) -> Iterator[Path]:
        """Yield an edited copy of the chart."""
        with tempfile.TemporaryDirectory(prefix="variant-") as folder:
            copy = Path(folder) / chart.name
            shutil.copytree(chart, copy)
            for edit in self.edits:
                edit(copy)
            yield copy

    def findings(self, helm: Helm, target: Target) -> list[Finding]:
        """Return what is found of its rules."""
        with self.applied(target.chart_path) as copy:
            renderer = Renderer(helm, target.model_copy(update={"strict": self.strict}), copy)
            return [each for rule in self.rules for each in findings(rule, renderer)]


def into_folders(chart: Path) -> None:
    """Move the components' templates into a folder each, so that files of one name are in both."""
    for component in ("backend", "frontend"):
        folder = chart / "templates" / component
        folder.mkdir()
        for kind in ("deployment", "service"):
            (chart / "templates" / f"{component}-{kind}.yaml").rename(folder / f"{kind}.yaml")


VARIANTS = (
    ChartVariant(
        "a type of Service and amounts that the schema leaves open",
        ("SVC-03", "POD-06", "POD-18", "HPA-05"),
        (
            replace("templates/backend-service.yaml", "type: ClusterIP", "type: {{ .Values.backend.service.type }}"),
            data(VALUES, "backend.service.type", "ClusterIP"),
            data(SCHEMA, "definitions.service.properties.type", {"enum": ["ClusterIP", "NodePort", "LoadBalancer"]}),
            data(SCHEMA, "definitions.quantity", {"type": ["string", "number"]}),
        ),
        strict=False,
    ),
    ChartVariant("templates of one name in two folders", ("CHT-08", "CHT-17"), (into_folders,)),
    ChartVariant("objects in a List", ("CHT-15",), (append("templates/list.yaml", LIST),)),
    ChartVariant(
        "an empty list behind a switch that is off",
        ("CHT-08", "CHT-10"),
        (
            append("templates/extras.yaml", EXTRAS),
            append(VALUES, "extras: {enabled: false, words: []}\n"),
            data(
                SCHEMA,
                "properties.extras",
                {
                    "type": "object",
                    "additionalProperties": False,
                    "properties": {"enabled": {"type": "boolean"}, "words": {"type": "array"}},
                },
            ),
        ),
    ),
    ChartVariant(
        "a version in the pods' labels alone",
        ("CHT-17", "DEP-04"),
        (replace(BACKEND, LABELS, f"{LABELS}        release-version: {{{{ .Chart.Version | quote }}}}\n"),),
    ),
    ChartVariant(
        "objects of other APIs where the cluster has them, and files that users add",
        ("SCY-05", "REL-05", "CHT-09", "CFG-10"),
        (
            append("templates/monitor.yaml", MONITOR),
            append("templates/files.yaml", ADDED),
            replace(HELPERS, "checksum/config: {{", f"checksum/added: {ADDED_HASH}\nchecksum/config: {{{{"),
        ),
    ),
    ChartVariant(
        "commands that select pods",
        ("CHT-12",),
        (append("templates/NOTES.txt", SELECTING),),
    ),
    ChartVariant(
        "a section that an older release lacks",
        ("CHT-18",),
        (
            append("templates/guarded.yaml", GUARDED),
            append(VALUES, "guarded: {word: one}\n"),
            data(SCHEMA, "properties.guarded", FREE),
        ),
    ),
)
