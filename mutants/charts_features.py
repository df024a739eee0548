"""Mutants of the chart that show with a feature switched on or off, in another mode, or in another section's values."""

from __future__ import annotations

from mutants.charts import BACKEND, HELPERS, SCHEMA, VALUES, mutant
from mutants.edits import append, data, replace

FREE = {"type": "object", "additionalProperties": True}
AGENT = """{{- if .Values.agent.enabled }}
apiVersion: v1
kind: Service
metadata: {name: todo-agent, namespace: {{ .Values.namespace.name }}}
spec: {selector: {component: backend, app: todo-chatbot}, ports: [{port: 8080, targetPort: http}]}
{{- end }}
---
apiVersion: v1
kind: ConfigMap
metadata: {name: agent, namespace: {{ .Values.namespace.name }}}
data: {AGENT_URL: "http://todo-agent:8080"}
"""
ROUTE = """{{- if .Values.route.enabled }}
apiVersion: networking.k8s.io/v1
kind: Ingress
metadata: {name: todo, namespace: {{ .Values.namespace.name }}}
spec: {defaultBackend: {service: {name: todo-backend-service, port: {number: 8000}}}}
{{- end }}
"""
CLEANER = """{{- if .Values.cleaner.enabled }}
apiVersion: batch/v1
kind: CronJob
metadata: {name: cleaner, namespace: {{ .Values.namespace.name }}}
spec:
  schedule: "0 4 * * *"
  jobTemplate:
    spec:
      template:
        spec:
          restartPolicy: Never
          containers: [{name: cleaner, image: "cleaner:1", securityContext: {privileged: true}}]
{{- end }}
"""
SCALED = """{{- if eq .Values.scaling "keda" }}
apiVersion: keda.sh/v1alpha1
kind: ScaledObject
metadata: {name: todo, namespace: {{ .Values.namespace.name }}}
spec: {scaleTargetRef: {name: backend}, triggers: [{type: cpu, metadata: {value: "70"}}]}
{{- end }}
"""
OBJECTS = """{{- range .Values.extraObjects }}
{{ toYaml . }}
{{- end }}
"""
SWITCHED_HPA = '{{- if and .enabled (eq $.Values.scaling "hpa") }}'
ENV = '{{- include "todo-chatbot.env" $backend | nindent 12 }}'
EXTRA = "{{- with .Values.extraEnv }}{{ toYaml . | nindent 10 }}{{ end }}"
SELECTOR = '{{- define "todo-chatbot.selectorLabels" -}}\n'
SETTINGS = "{{- with get (get $.root.Values $.component) $key }}"


mutant(
    "REL-05",
    "a URL of a Service that a switch takes away",
    append("templates/agent.yaml", AGENT),
    append(VALUES, "agent: {enabled: true}\n"),
    data(SCHEMA, "properties.agent", FREE),
)
mutant(
    "SCY-06",
    "a route to the backend that is switched off",
    append("templates/route.yaml", ROUTE),
    append(VALUES, "route: {enabled: false}\n"),
    data(SCHEMA, "properties.route", FREE),
)
mutant(
    "SCY-03",
    "a privileged pod that is switched off",
    append("templates/cleaner.yaml", CLEANER),
    append(VALUES, "cleaner: {enabled: false}\n"),
    data(SCHEMA, "properties.cleaner", FREE),
)
for rule, clause, text in (
    ("REL-05", "a scale target that is not there in another mode", SCALED),
    ("DEP-03", "no replicas in a mode without an autoscaler", '{{- if eq .Values.scaling "none" }}{{ end }}\n'),
):
    mutant(
        rule,
        clause,
        append("templates/scaled.yaml", text),
        replace("templates/hpa.yaml", "{{- if .enabled }}", SWITCHED_HPA),
        append(VALUES, "scaling: hpa\n"),
        data(SCHEMA, "properties.scaling", {"enum": ["hpa", "keda", "none"]}),
    )
mutant(
    "CHT-09",
    "objects of users without a separator",
    append("templates/extra.yaml", OBJECTS),
    append(VALUES, "extraObjects: []\n"),
    data(SCHEMA, "properties.extraObjects", {"type": "array"}),
)
mutant(
    "CHT-12",
    "a Service of the usual names alone",
    append("templates/NOTES.txt", "kubectl get svc todo-backend-service\n"),
)
mutant(
    "CHT-19",
    "the backend's node selector for both",
    replace(HELPERS, SETTINGS, SETTINGS.replace("$.component", '"backend"')),
)
mutant(
    "CHT-19",
    "pull secrets of the backend alone",
    replace(
        HELPERS,
        "{{- with .root.Values.imagePullSecrets }}",
        '{{- with (eq .component "backend" | ternary .root.Values.imagePullSecrets list) }}',
    ),
)
mutant(
    "CHT-10",
    "a text of which only the presence counts",
    append("templates/configmap.yaml", '  RATIO: {{ if .Values.ratio }}"7"{{ else }}"0"{{ end }}\n'),
    append(VALUES, 'ratio: ""\n'),
    data(SCHEMA, "properties.ratio", {"type": "string"}),
)
mutant(
    "CHT-09",
    "an indentation that fits no entry of a list",
    replace(BACKEND, ENV, f"{ENV}\n          {EXTRA}"),
    append(VALUES, "extraEnv: []\n"),
    data(SCHEMA, "properties.extraEnv", {"type": "array"}),
)
mutant(
    "DEP-04",
    "further labels in the selectors",
    replace(
        HELPERS,
        SELECTOR,
        f"{SELECTOR}{{{{- with .root.Values.commonLabels }}}}{{{{ toYaml . }}}}\n{{{{ end -}}}}\n",
    ),
    append(VALUES, "commonLabels: {}\n"),
    data(SCHEMA, "properties.commonLabels", FREE),
)
