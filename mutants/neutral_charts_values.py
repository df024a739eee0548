"""Neutral variants of the chart that differ in what values they allow, and in what follows from one."""

from __future__ import annotations

from pathlib import Path

from mutants.charts import HELPERS, SCHEMA, VALUES
from mutants.draft import REMOVE
from mutants.edits import append, data, replace
from mutants.neutral_charts import ChartVariant

BACKEND_PORT = "int $values.backend.service.port"
SURGE = {"anyOf": [{"type": "integer", "minimum": 1}, {"type": "string", "pattern": "^[1-9][0-9]*%$"}]}
PREFIX = '.Values.namePrefix | default "todo"'
NORMALIZED = f'{PREFIX} | lower | replace "_" "-" | trunc 30'
PRODUCTION = """{{- if eq .Values.config.environment "production" }}
apiVersion: v1
kind: ConfigMap
metadata: {name: production, namespace: {{ .Values.namespace.name }}}
data: {A: "1"}
{{- end }}
"""
ROUTE = """{{- with .Values.route }}
{{- if .existing }}
{{- else if and (gt (len .hosts) 1) ($.Capabilities.APIVersions.Has "gateway.networking.k8s.io/v1") }}
apiVersion: gateway.networking.k8s.io/v1
kind: HTTPRoute
metadata: {name: todo, namespace: {{ $.Values.namespace.name }}}
spec: {parentRefs: [{name: {{ .gateway }}}], hostnames: {{ toJson .hosts }}}
{{- end }}
{{- if eq .notice "shown" }}
---
apiVersion: v1
kind: ConfigMap
metadata: {name: notice, namespace: {{ $.Values.namespace.name }}}
{{- end }}
{{- end }}
"""
TEXT = {"type": "string"}


def in_release_namespace(chart: Path) -> None:
    """Let the release's namespace be the default of the value that names the objects'."""
    for template in (chart / "templates").rglob("*.*"):
        text = template.read_text(encoding="utf-8")
        named = "(.Values.namespace.name | default .Release.Namespace)"
        template.write_text(text.replace(".Values.namespace.name", named), encoding="utf-8")


FEATURES = """{{- if .Values.agent.enabled }}
apiVersion: v1
kind: Service
metadata: {name: todo-agent, namespace: {{ .Values.namespace.name }}}
spec: {selector: {component: backend, app: todo-chatbot}, ports: [{port: 8080, targetPort: http}]}
---
apiVersion: v1
kind: ConfigMap
metadata: {name: agent, namespace: {{ .Values.namespace.name }}}
data: {AGENT_URL: "http://todo-agent:8080"}
{{- end }}
{{- if .Values.route.enabled }}
---
apiVersion: networking.k8s.io/v1
kind: Ingress
metadata: {name: todo, namespace: {{ .Values.namespace.name }}}
spec:
  {{- with .Values.route.className }}
  ingressClassName: {{ . }}
  {{- end }}
  defaultBackend: {service: {name: todo-frontend-service, port: {number: {{ .Values.frontend.service.port }}}}}
{{- end }}
{{- if eq .Values.source "external" }}
---
apiVersion: external-secrets.io/v1
kind: ExternalSecret
metadata: {name: more, namespace: {{ .Values.namespace.name }}}
spec: {target: {name: {{ .Values.sourceName }}}}
{{- else if eq .Values.source "values" }}
---
apiVersion: v1
kind: Secret
metadata: {name: {{ .Values.sourceName }}, namespace: {{ .Values.namespace.name }}}
{{- end }}
---
apiVersion: batch/v1
kind: Job
metadata: {name: once, namespace: {{ .Values.namespace.name }}}
spec:
  template:
    spec:
      restartPolicy: Never
      containers: [{name: once, image: "once:1", envFrom: [{secretRef: {name: {{ .Values.sourceName }}}}]}]
{{- range .Values.extraObjects }}
---
{{ tpl (toYaml .) $ }}
{{- end }}
"""
FEATURE_VALUES = """agent: {enabled: true}
route: {enabled: false, className: ""}
source: values
sourceName: more
extraObjects: []
commonLabels: {}
"""
WITH_LABELS = (
    '{{- define "todo-chatbot.podLabels" -}}\n{{- with .root.Values.commonLabels }}{{ toYaml . }}\n{{ end -}}\n'
)
VARIANTS = (
    ChartVariant(
        "features, modes and objects of users",
        ("REL-05", "DEP-03", "DEP-04", "CHT-09", "CHT-10", "CHT-12", "CHT-19", "SCY-06"),
        (
            append("templates/features.yaml", FEATURES),
            append(VALUES, FEATURE_VALUES),
            replace(HELPERS, '{{- define "todo-chatbot.podLabels" -}}\n', WITH_LABELS),
            *(data(SCHEMA, f"properties.{each}", {}) for each in ("extraObjects", "commonLabels", "sourceName")),
            data(SCHEMA, "properties.source", {"enum": ["values", "existing", "external"]}),
            *(data(SCHEMA, f"properties.{each}", {"type": "object"}) for each in ("agent", "route")),
        ),
        strict=False,
    ),
    ChartVariant(
        "a Service's port that follows the container's",
        ("SVC-05", "POD-16", "REL-05"),
        (
            data(VALUES, "backend.service.port", None),
            data(SCHEMA, "definitions.port.type", ["integer", "null"]),
            data(SCHEMA, "definitions.service.required", REMOVE),
            replace(
                "templates/backend-service.yaml",
                "int .Values.backend.service.port",
                "int (.Values.backend.service.port | default .Values.backend.containerPort)",
            ),
            replace(
                HELPERS, BACKEND_PORT, "int ($values.backend.service.port | default $values.backend.containerPort)"
            ),
        ),
    ),
    ChartVariant(
        "a surge of at least one pod", ("DEP-07",), (data(SCHEMA, "definitions.strategy.properties.maxSurge", SURGE),)
    ),
    ChartVariant(
        "a free map of settings that lists some",
        ("CHT-10",),
        (
            data(
                SCHEMA,
                "properties.config.properties.extra",
                {"type": "object", "properties": {"LOG_LEVEL": TEXT}, "additionalProperties": TEXT},
            ),
        ),
    ),
    ChartVariant(
        "names that are normalised",
        ("DEP-01",),
        (
            data(SCHEMA, "definitions.namePrefix", TEXT),
            replace(HELPERS, f"({PREFIX})", f"({NORMALIZED})"),
            replace(HELPERS, f".root{PREFIX}", f".root{NORMALIZED}"),
        ),
    ),
    ChartVariant("shorter names than fit", ("DEP-01",), (data(SCHEMA, "definitions.namePrefix.maxLength", 20),)),
    ChartVariant(
        "one notation of amounts",
        ("POD-07",),
        (data(SCHEMA, "definitions.quantity.pattern", "^[0-9]+(m|Mi|Gi)$"),),
    ),
    ChartVariant("a template for one environment", ("CHT-08",), (append("templates/production.yaml", PRODUCTION),)),
    ChartVariant(
        "values under conditions that nothing meets",
        ("CHT-08", "CHT-10"),
        (
            append("templates/route.yaml", ROUTE),
            append(VALUES, 'route: {existing: "", gateway: "", hosts: [], notice: hidden}\n'),
            data(
                SCHEMA,
                "properties.route",
                {
                    "type": "object",
                    "additionalProperties": False,
                    "properties": {
                        "existing": TEXT,
                        "gateway": TEXT,
                        "hosts": {"type": "array", "items": TEXT},
                        "notice": TEXT,
                    },
                },
            ),
        ),
    ),
    ChartVariant(
        "objects in the release's namespace by default",
        ("CHT-16",),
        (
            in_release_namespace,
            data(VALUES, "namespace.name", None),
            data(SCHEMA, "properties.namespace.properties.name.type", ["string", "null"]),
            data(SCHEMA, "properties.namespace.required", ["create"]),
        ),
    ),
    ChartVariant(
        "settings that are templates",
        ("CFG-07",),
        (replace("templates/configmap.yaml", "{{ quote $value }}", "{{ tpl (toString $value) $ | quote }}"),),
    ),
    ChartVariant(
        "images that ship by digest",
        ("IMG-02", "IMG-03"),
        tuple(data(VALUES, f"{name}.image.digest", f"sha256:{'7f8c9d0a' * 8}") for name in ("backend", "frontend")),
    ),
)
