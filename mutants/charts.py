"""Mutants of the chart: edits of a copy, for clauses that only rendering shows."""

from __future__ import annotations

import shutil
import tempfile
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from functools import partial
from pathlib import Path

from acceptance import checks
from acceptance.chart.assessment import RenderedChart, assertions, renders
from acceptance.chart.renderer import Renderer
from acceptance.checks.finding import Finding, Untested
from acceptance.core.target import Target
from acceptance.kube.helm import Helm
from mutants.draft import REMOVE
from mutants.edits import Edit, append, data, remove, replace

SECOND_OBJECT = """apiVersion: v1
kind: Secret
metadata: {name: other, namespace: {{ .Values.namespace.name }}}
stringData: {JWT_SECRET: {{ .Values.jwtSecret | default "changeme" | quote }}}
"""
CLUSTER_ADMIN = """apiVersion: rbac.authorization.k8s.io/v1
kind: ClusterRoleBinding
metadata: {name: todo}
roleRef: {apiGroup: rbac.authorization.k8s.io, kind: ClusterRole, name: cluster-admin}
subjects: [{kind: ServiceAccount, name: default, namespace: {{ .Values.namespace.name }}}]
"""
MORE_SETTINGS = """apiVersion: v1
kind: ConfigMap
metadata: {name: {{ .Values.moreName }}, namespace: {{ .Values.namespace.name }}}
data: {MORE: "1"}
"""
OWN_ENV = '            {{- include "todo-chatbot.env" $backend | nindent 12 }}\n'
MORE_KEY = "{name: more, key: MORE}"
BACKEND, FRONTEND = "templates/backend-deployment.yaml", "templates/frontend-deployment.yaml"
HELPERS, VALIDATION = "templates/_helpers.tpl", "templates/_validation.tpl"
SCHEMA, VALUES, CHART = "values.schema.json", "values.yaml", "Chart.yaml"


@dataclass(frozen=True)
class Mutant:
    """Edits of the chart that break one clause of a rule."""

    rule: str
    clause: str
    edits: tuple[Edit, ...]

    @property
    def id(self) -> str:
        """Name in the output."""
        return f"{self.rule}-chart-{self.clause}"

    @contextmanager
    def applied(self, chart: Path) -> Iterator[Path]:
        """Yield an edited copy of the chart; raise `ValueError` if an edit does not apply."""
        with tempfile.TemporaryDirectory(prefix="mutant-") as folder:
            copy = Path(folder) / chart.name
            shutil.copytree(chart, copy)
            for edit in self.edits:
                edit(copy)
            yield copy

    def killed_by(self, helm: Helm, target: Target) -> str | None:
        """Return the first finding of the mutant's own rule, or None if it survives."""
        with self.applied(target.chart_path) as copy:
            found = findings(self.rule, Renderer(helm, target, copy))
        return str(found[0]) if found else None

    def found_by_other_rules(self, helm: Helm, target: Target) -> str:
        """Return the other rules that find a survivor, joined."""
        with self.applied(target.chart_path) as copy:
            found = checks.run_checks(Renderer(helm, target, copy).snapshot(), target).findings
        return ", ".join(sorted({each.rule for each in found})) or "nothing"


def findings(rule: str, renderer: Renderer) -> list[Finding]:
    """Return the first findings of the rule at the static level, of what takes the fewest renderings first."""
    renderer.probes_secrets = rule.startswith(("SCY", "SEC"))
    for ask in _assertions(rule, renderer):
        with suppress(Untested):
            if found := [each for each in ask() if each.rule == rule]:
                return found
    return []


def _assertions(rule: str, renderer: Renderer) -> Iterator[Callable[[], list[Finding]]]:
    """Yield what is asserted of a rule: its checks on the defaults, its bounds, then everything."""
    chart = RenderedChart(renderer)
    if renders(chart.defaults):
        yield from (
            partial(each, chart.defaults, renderer.target) for each in checks.for_level("static") if each.rule == rule
        )
    chosen = [each for each in assertions() if rule in each.rules]
    yield from (partial(each.findings, chart) for each in sorted(chosen, key=lambda each: each.group != "bounds"))


_mutants: list[Mutant] = []


def mutant(rule: str, clause: str, *edits: Edit) -> None:
    """Register a mutant."""
    _mutants.append(Mutant(rule, clause, edits))


def every() -> list[Mutant]:
    """Return all registered mutants."""
    return list(_mutants)


REPLICAS, PORT = "definitions.replicas", "definitions.port"
NAMESPACE = "  namespace: {{ .Values.namespace.name | quote }}\n"
FOR_BACKEND = '{{- if eq .component "backend" }}{{ $keys = append $keys "OPENAI_API_KEY" }}{{ end -}}'

# --- bounds and formats
for bound_rule in ("DEP-03", "HPA-04"):
    mutant(bound_rule, "0 let through", data(SCHEMA, f"{REPLICAS}.minimum", 0))
    mutant(bound_rule, "11 let through", data(SCHEMA, f"{REPLICAS}.maximum", 20))
mutant("DEP-03", "6 let through on a local cluster", replace(VALIDATION, "gt (int $count) 5", "gt (int $count) 50"))
mutant("DEP-03", "10 refused", data(SCHEMA, f"{REPLICAS}.maximum", 9))
mutant("DEP-07", "0 and 0 let through", replace(VALIDATION, "(eq (int $unavailablePods) 0)", "false"))
for bound_rule in ("SVC-05", "POD-16"):
    mutant(bound_rule, "port 0 let through", data(SCHEMA, f"{PORT}.minimum", 0))
    mutant(bound_rule, "port 65536 let through", data(SCHEMA, f"{PORT}.maximum", 70000))
    mutant(bound_rule, "port 65535 refused", data(SCHEMA, f"{PORT}.maximum", 65534))
COMPARED = (
    '{{- if gt (include "todo-chatbot.number" $request | float64) (include "todo-chatbot.number" $limit | float64) -}}'
)
mutant("POD-07", "requests over limits let through", replace(VALIDATION, COMPARED, "{{- if false -}}"))
# Factors with which the shipped amounts stay within the bounds of the chart.
mutant("POD-07", "500m taken for 50", replace(VALIDATION, '"m" 1e-3', '"m" 1e-1'))
mutant("POD-07", "512Mi taken for 512Gi", replace(VALIDATION, '"Mi" 1048576', '"Mi" 1073741824'))
mutant("DEP-01", "64 characters let through", data(SCHEMA, "definitions.namePrefix.maxLength", 80))
mutant("DEP-01", "capitals let through", data(SCHEMA, "definitions.namePrefix.pattern", REMOVE))
mutant("CFG-03", "any environment", data(SCHEMA, "properties.config.properties.environment", {"type": "string"}))
mutant("CFG-04", "any word for DEBUG", data(SCHEMA, "properties.config.properties.debug", {}))
mutant("CFG-04", "a boolean rendered", replace("templates/configmap.yaml", "{{ quote $value }}", "{{ $value }}"))
mutant(
    "CFG-05",
    "any origin",
    data(SCHEMA, "properties.config.properties.corsOrigins", {"type": "string"}),
    replace(VALIDATION, '  (include "todo-chatbot.validate.origins" . | fromJsonArray)\n', ""),
)
mutant("CFG-06", "any key", data(SCHEMA, "properties.config.properties.extra", {"type": "object"}))
mutant("CFG-07", "quotes not escaped", replace("templates/configmap.yaml", "{{ quote $value }}", '"{{ $value }}"'))
mutant("CFG-08", "a longer variable let through", replace(VALIDATION, "gt $bytes 131072", "gt $bytes 1310720"))
mutant("CFG-08", "the longest variable refused", replace(VALIDATION, "gt $bytes 131072", "gt $bytes 131071"))
mutant("CFG-08", "more values let through", replace(VALIDATION, "gt $total 1048576", "gt $total 10485760"))
mutant("CFG-08", "the most values refused", replace(VALIDATION, "gt $total 1048576", "gt $total 1048575"))
mutant("SEC-09", "a longer variable let through", replace(VALIDATION, "gt $bytes 131072", "gt $bytes 1310720"))
mutant("SEC-04", "any URL", replace(VALIDATION, "{{- if not (regexMatch $postgres .) -}}", "{{- if false -}}"))
mutant("SEC-04", "no driver suffix", replace(VALIDATION, r"(\+[a-z0-9_]+)?://", "://"))
mutant("SEC-05", "31 characters", replace(VALIDATION, r"`^[^\x00]{32,}$`", r"`^[^\x00]{31,}$`"))
mutant("SEC-06", "no anchor", replace(VALIDATION, r"`^sk-proj-\S+$`", r"`sk-proj-\S+`"))
mutant("SEC-06", "any start", replace(VALIDATION, r"`^sk-proj-\S+$`", r"`^sk-\S+$`"))
mutant("HPA-05", "more than the maximum", replace(VALIDATION, "if gt (int $scaling.minReplicas)", "if gt 0"))
METRICS = "definitions.autoscaling.properties.metrics"
mutant(
    "HPA-06",
    "no metric",
    data(SCHEMA, f"{METRICS}.minItems", REMOVE),
    data(SCHEMA, f"{METRICS}.contains", REMOVE),
)
mutant("HPA-06", "11 metrics", data(SCHEMA, f"{METRICS}.maxItems", 20))
UTILISATION = "definitions.resourceMetric.properties.target.properties.averageUtilization"
mutant("HPA-07", "0 %", data(SCHEMA, f"{UTILISATION}.minimum", 0))
mutant("HPA-07", "101 %", data(SCHEMA, f"{UTILISATION}.maximum", 200))
mutant("IMG-01", "any repository", data(SCHEMA, "definitions.image.properties.repository", {"type": "string"}))
mutant("IMG-02", "any tag", data(SCHEMA, "definitions.image.properties.tag", {"type": "string"}))

# --- the chart itself
REDIS = {"name": "redis", "version": "1.0.0", "repository": "https://charts.example.com"}
mutant("CHT-01", "an underscore", data(CHART, "name", "todo_chatbot"))
mutant("CHT-02", "no SemVer", data(CHART, "version", "1.0"))
mutant("CHT-07", "a missing dependency", data(CHART, "dependencies", [REDIS]))
for gone in ("namespace.yaml", "NOTES.txt", "frontend-service.yaml"):
    mutant("CHT-08", f"no {gone}", remove(f"templates/{gone}"))
mutant(
    "CHT-09",
    "a random secret",
    replace("templates/secrets.yaml", "b64enc $value", "b64enc (print $value (randAlphaNum 4))"),
)
mutant("CHT-09", "renders without the secrets", replace(VALIDATION, "{{- with $missing -}}", "{{- with list -}}"))
mutant(
    "CHT-09",
    "names the first missing secret alone",
    replace(VALIDATION, '(join ", " .)) -}}\n{{- end -}}\n{{- $host', "(first .)) -}}\n{{- end -}}\n{{- $host"),
)
mutant(
    "CHT-09",
    "an object twice",
    append(
        "templates/again.yaml",
        "apiVersion: v1\nkind: Service\nmetadata: {name: todo-backend-service, namespace: todo-chatbot}\n"
        "spec: {ports: [{port: 8000}]}\n",
    ),
)
mutant("CHT-09", "an unknown field", replace(HELPERS, "revisionHistoryLimit: {{", "revisionHistory: {{"))
mutant(
    "CHT-09",
    "a port as a string",
    replace(
        HELPERS,
        "containerPort: {{ int $values.containerPort }}",
        "containerPort: {{ $values.containerPort | toString | quote }}",
    ),
)
mutant(
    "CHT-09",
    "a key twice",
    replace(
        HELPERS,
        "automountServiceAccountToken: false\n",
        "enableServiceLinks: false\nautomountServiceAccountToken: false\n",
    ),
)
mutant(
    "CHT-09",
    "a nil map",
    replace(BACKEND, "int .Values.backend.replicas", "int .Values.backend.pods.replicas"),
    replace(BACKEND, "if not .Values.backend.autoscaling.enabled", "if true"),
)
mutant(
    "CHT-09",
    "a wrong format verb",
    replace(
        HELPERS,
        '"http://%s:%d" (include "todo-chatbot.serviceName" $backend) (int $values.backend.service.port)',
        '"http://%s:%d" (include "todo-chatbot.serviceName" $backend) (float64 $values.backend.service.port)',
    ),
)
mutant("CHT-10", "no schema", remove(SCHEMA))
for where in (
    "",
    "properties.namespace.",
    "properties.config.",
    "definitions.service.",
    "definitions.probe.",
    "definitions.image.",
):
    mutant("CHT-10", f"open at {where or 'the top'}", data(SCHEMA, f"{where}additionalProperties", True))
mutant("CHT-10", "a default that does not fit", data(VALUES, "backend.replicas", "two"))
mutant("CHT-10", "an unknown key", data(VALUES, "backend.nodes", 1))
mutant(
    "CHT-15",
    "a deprecated object",
    append("templates/old.yaml", "apiVersion: policy/v1beta1\nkind: PodDisruptionBudget\nmetadata:\n  name: x\n"),
)
mutant(
    "CHT-16", "a name of its own", replace("templates/namespace.yaml", "{{ .Values.namespace.name | quote }}", "other")
)
mutant("CHT-16", "a Service that names no namespace", replace("templates/backend-service.yaml", NAMESPACE, ""))

# --- rendered objects
mutant(
    "HPA-01", "never rendered", replace("templates/hpa.yaml", ".Values.backend.autoscaling", ".Values.backend.scaling")
)
mutant(
    "HPA-01", "rendered only when off", replace("templates/hpa.yaml", "{{- if .enabled }}", "{{- if not .enabled }}")
)
mutant("DEP-03", "rendered although off", replace("templates/hpa.yaml", "{{- if .enabled }}", "{{- if true }}"))
mutant(
    "HPA-03",
    "another target",
    replace(
        "templates/hpa.yaml", '    name: {{ include "todo-chatbot.componentName" $backend }}\n', "    name: backend\n"
    ),
)
mutant(
    "HPA-11",
    "replicas beside it",
    replace(BACKEND, "{{- if not .Values.backend.autoscaling.enabled }}", "{{- if true }}"),
)
mutant(
    "POD-02", "a Secret elsewhere", replace("templates/secrets.yaml", "{{ .Values.namespace.name | quote }}", "default")
)
mutant(
    "POD-05",
    "never restarted",
    replace(BACKEND, "      initContainers:\n", "      restartPolicy: Never\n      initContainers:\n"),
)
mutant("POD-06", "no limits", replace(HELPERS, 'list "requests" "limits"', 'list "requests"'))
mutant("POD-08", "on another port", replace(HELPERS, "    port: http\n", "    port: 9000\n"))
mutant(
    "POD-08",
    "no liveness probe",
    replace(HELPERS, 'list "startup" "readiness" "liveness"', 'list "startup" "readiness"'),
)
mutant(
    "POD-09",
    "no startup probe",
    replace(HELPERS, 'list "startup" "readiness" "liveness"', 'list "readiness" "liveness"'),
)
mutant(
    "POD-16",
    "no port",
    replace(
        HELPERS, "ports:\n  - name: http\n    containerPort: {{ int $values.containerPort }}\n    protocol: TCP\n", ""
    ),
)
mutant("POD-18", "requests below limits", data(VALUES, "backend.resources.requests.cpu", "100m"))
mutant(
    "DEP-04",
    "the same selector for both",
    replace(
        HELPERS,
        "app: todo-chatbot\ncomponent: {{ .component }}\napp.kubernetes.io/instance",
        "app: todo-chatbot\napp.kubernetes.io/instance",
    ),
)
mutant("DEP-06", "a pod unavailable", data(VALUES, "backend.strategy.maxUnavailable", 1))
mutant("DEP-08", "no history", replace(HELPERS, "{{ int $values.revisionHistoryLimit }}", "0"))
mutant("SVC-06", "another port", replace("templates/backend-service.yaml", "targetPort: http", "targetPort: 9000"))
mutant(
    "SVC-08", "sticky", replace("templates/backend-service.yaml", "sessionAffinity: None", "sessionAffinity: ClientIP")
)
mutant(
    "CFG-02",
    "a fixed namespace",
    replace("templates/configmap.yaml", NAMESPACE, "  namespace: todo-chatbot\n"),
)
mutant(
    "HPA-01",
    "a fixed name",
    replace(
        "templates/hpa.yaml",
        '  name: {{ include "todo-chatbot.componentName" $backend }}-hpa\n',
        "  name: todo-backend-hpa\n",
    ),
)
mutant(
    "CHT-09",
    "an upgrade that does not render",
    append("templates/configmap.yaml", "{{- if .Release.IsUpgrade }}{{ .Values.nothing.here }}{{ end }}\n"),
)
mutant(
    "CHT-09",
    "an older Kubernetes that does not render",
    append(
        "templates/configmap.yaml",
        '{{- if semverCompare "<1.36-0" .Capabilities.KubeVersion.Version }}{{ .Values.no.one }}{{ end }}\n',
    ),
)
mutant(
    "SVC-08",
    "sticky in staging",
    replace(
        "templates/backend-service.yaml",
        "sessionAffinity: None",
        'sessionAffinity: {{ eq .Values.config.environment "staging" | ternary "ClientIP" "None" }}',
    ),
)
SELECTOR = "app: todo-chatbot\ncomponent: {{ .component }}\napp.kubernetes.io/instance"
for name, source in (("chart", "Chart.Version"), ("app", "Chart.AppVersion"), ("image", "Values.backend.image.tag")):
    mutant(
        "DEP-04",
        f"a selector with the {name}'s version",
        replace(HELPERS, SELECTOR, f"version: {{{{ .root.{source} | quote }}}}\n{SELECTOR}"),
    )
mutant(
    "DEP-04",
    "a selector with the release's revision",
    replace(HELPERS, SELECTOR, f"revision: {{{{ .root.Release.Revision | quote }}}}\n{SELECTOR}"),
)
mutant(
    "DEP-04",
    "a selector with a setting",
    replace(HELPERS, SELECTOR, f"environment: {{{{ .root.Values.config.environment }}}}\n{SELECTOR}"),
)
mutant(
    "DEP-03",
    "no more replicas than five",
    replace(BACKEND, "int .Values.backend.replicas", "min 5 (int .Values.backend.replicas)"),
)
mutant(
    "IMG-01",
    "a digest after a colon",
    replace(
        HELPERS,
        '{{ if .digest }}@{{ .digest }}{{ else }}:{{ include "todo-chatbot.imageTag" $ }}{{ end }}',
        ':{{ if .digest }}{{ .digest }}{{ else }}{{ include "todo-chatbot.imageTag" $ }}{{ end }}',
    ),
)
mutant(
    "CHT-09",
    "annotations without quotes",
    replace(
        HELPERS,
        "{{- with (get .root.Values .component).podAnnotations }}\n{{ toYaml . }}\n",
        "{{- range $key, $value := (get .root.Values .component).podAnnotations }}\n{{ $key }}: {{ $value }}\n",
    ),
)
mutant(
    "CHT-12",
    "local and remote port exchanged",
    replace(
        "templates/NOTES.txt",
        "{{ $service }} {{ $port }}:{{ $servicePort }}",
        "{{ $service }} {{ $servicePort }}:{{ $port }}",
    ),
)
SETTINGS = 'include "todo-chatbot.configKeys" . | fromJsonArray'
mutant(
    "CFG-10",
    "a checksum without the model's URL",
    replace(
        HELPERS,
        f"range {SETTINGS} }}}}{{{{ $_ := set $used",
        f'range without ({SETTINGS}) "OPENAI_BASE_URL" }}}}{{{{ $_ := set $used',
    ),
)
mutant(
    "SEC-11",
    "a setting that replaces a credential",
    replace(VALIDATION, '"BETTER_AUTH_SECRET" "OPENAI_API_KEY"\n  "POD_NAME"', '"BETTER_AUTH_SECRET"\n  "POD_NAME"'),
)
mutant("POD-25", "a CA in a file of another name", replace(HELPERS, "path: ca.crt", "path: ca.pem"))
mutant(
    "CHT-17",
    "a Deployment named by the version",
    replace(
        BACKEND, '  name: {{ include "todo-chatbot.componentName" $backend }}\n', "  name: todo-{{ .Chart.Version }}\n"
    ),
)
mutant(
    "CHT-18",
    "a new section read as it is",
    append("templates/configmap.yaml", "{{- if .Values.metrics.enabled }}\n  METRICS: 'on'\n{{- end }}\n"),
    append(VALUES, "metrics:\n  enabled: false\n"),
    remove(SCHEMA),
)
for service, part in (("templates/backend-service.yaml", "backend"), ("templates/frontend-service.yaml", "frontend")):
    mutant(
        "SVC-07",
        f"the {part}'s pods of every release",
        replace(
            service,
            f'    {{{{- include "todo-chatbot.selectorLabels" ${part} | nindent 4 }}}}\n',
            f"    app: todo-chatbot\n    component: {part}\n",
        ),
    )
mutant(
    "CFG-10",
    "a checksum without the certificate that Node.js reads once",
    replace(HELPERS, '{{- $used := pick $config "ca.crt" -}}', "{{- $used := dict -}}"),
)
mutant(
    "CFG-10",
    "a checksum of nothing",
    replace(HELPERS, "{{ $used | toJson | sha256sum }}", "{{ sha256sum .component }}"),
)
mutant(
    "SEC-11",
    "a checksum of some keys",
    replace(
        HELPERS, "{{ $usedSecrets | toJson | sha256sum }}", "{{ keys $usedSecrets | sortAlpha | toJson | sha256sum }}"
    ),
)
TRIMMED = "b64enc $value"
for secret_rule, change in (
    ("SEC-04", 'b64enc (first (splitList "?" $value))'),
    ("SEC-05", "b64enc (trim $value)"),
    ("SEC-06", "b64enc (trunc 40 $value)"),
):
    mutant(secret_rule, "changed on its way", replace("templates/secrets.yaml", TRIMMED, change))
mutant(
    "CFG-03",
    "another environment",
    replace(HELPERS, '"ENVIRONMENT" $values.config.environment', '"ENVIRONMENT" "development"'),
)
mutant("CFG-09", "immutable", append("templates/configmap.yaml", "immutable: true\n"))
for immutable_rule, helper, file in (
    ("CFG-09", "configMapName", "templates/configmap.yaml"),
    ("SEC-10", "secretName", "templates/secrets.yaml"),
):
    mutant(
        immutable_rule,
        "immutable under the hash of something else",
        replace(file, f'name: {{{{ include "todo-chatbot.{helper}" . }}}}', "name: settings-2c26b46b"),
        append(file, "immutable: true\n"),
    )
mutant("CFG-11", "no CORS_ORIGINS", replace(HELPERS, '  "CORS_ORIGINS" $values.config.corsOrigins\n', ""))
mutant("SEC-03", "another type", replace("templates/secrets.yaml", "type: Opaque", "type: kubernetes.io/basic-auth"))
mutant("SEC-07", "encoded twice", replace("templates/secrets.yaml", "b64enc $value", "b64enc $value | b64enc"))
mutant(
    "SEC-11",
    "a literal",
    replace(
        HELPERS,
        "  valueFrom:\n    secretKeyRef:\n"
        '      name: {{ include "todo-chatbot.secretName" .root }}\n      key: {{ .key }}\n',
        '  value: {{ get (include "todo-chatbot.secrets" .root | fromJson) .key | quote }}\n',
    ),
)
mutant("SEC-12", "no API key", replace(HELPERS, '  "OPENAI_API_KEY" ($secrets.openaiApiKey | default "")\n', ""))
mutant(
    "REL-01",
    "no migration",
    replace(
        BACKEND, "      initContainers:\n        - name: migrate\n", "      containers:\n        - name: migrate\n"
    ),
    replace(BACKEND, "      containers:\n        - name: backend\n", "        - name: backend\n"),
)
mutant(
    "REL-05",
    "a name that a value changes and the pods do not follow",
    append("templates/more.yaml", MORE_SETTINGS),
    replace(BACKEND, OWN_ENV, f"{OWN_ENV}            - {{name: MORE, valueFrom: {{configMapKeyRef: {MORE_KEY}}}}}\n"),
    data(VALUES, "moreName", "more"),
    data(SCHEMA, "properties.moreName", {"type": "string"}),
)
mutant(
    "REL-05",
    "a missing key",
    replace(
        HELPERS,
        '      name: {{ include "todo-chatbot.configMapName" $root }}\n      key: {{ . }}\n',
        '      name: {{ include "todo-chatbot.configMapName" $root }}\n      key: {{ lower . }}\n',
    ),
)
mutant(
    "REL-05",
    "a URL of no Service",
    replace(HELPERS, '(include "todo-chatbot.serviceName" $backend) (int', '"backend" (int'),
)
mutant(
    "REL-05",
    "arguments without a program",
    replace(BACKEND, 'command: ["python3", "-m", "todo_backend.migrate"]', 'args: ["-m", "todo_backend.migrate"]'),
)
mutant(
    "REL-05",
    "a URL of another port",
    replace(HELPERS, "(int $values.backend.service.port)", "(int $values.frontend.service.port)"),
)
mutant(
    "PER-02", "the host's disk", replace(HELPERS, "  emptyDir:\n    sizeLimit: 64Mi\n", "  hostPath:\n    path: /tmp\n")
)
mutant(
    "POD-13", "the host's disk", replace(HELPERS, "  emptyDir:\n    sizeLimit: 64Mi\n", "  hostPath:\n    path: /tmp\n")
)
mutant(
    "POD-06",
    "no room for the log",
    replace(
        HELPERS,
        '    {{ $resource }}: {{ include "todo-chatbot.quantity" $quantity | quote }}\n    {{- end }}\n',
        '    {{ $resource }}: {{ include "todo-chatbot.quantity" $quantity | quote }}\n    {{- end }}\n'
        '    ephemeral-storage: {{ ternary "1Mi" "4Mi" (eq $kind "requests") }}\n',
    ),
)
mutant(
    "CHT-14",
    "a Secret that a hook makes",
    replace(
        "templates/secrets.yaml",
        '    {{- include "todo-chatbot.labels" . | nindent 4 }}\n',
        '    {{- include "todo-chatbot.labels" . | nindent 4 }}\n'
        "  annotations:\n    helm.sh/hook: pre-install,pre-upgrade\n"
        "    helm.sh/hook-delete-policy: before-hook-creation\n",
    ),
)
mutant(
    "CHT-14",
    "a ConfigMap that is kept",
    replace(
        "templates/configmap.yaml", "  labels:\n", "  annotations:\n    helm.sh/resource-policy: keep\n  labels:\n"
    ),
)
mutant(
    "REL-05",
    "a feature that is off and scales what is not there",
    data(VALUES, "cache", {"enabled": False}),
    append(
        "templates/cache.yaml",
        "{{- if .Values.cache.enabled }}\napiVersion: autoscaling/v2\nkind: HorizontalPodAutoscaler\n"
        "metadata: {name: todo-cache-hpa, namespace: {{ .Values.namespace.name }}}\n"
        "spec:\n  scaleTargetRef: {apiVersion: apps/v1, kind: Deployment, name: todo-cache}\n  maxReplicas: 2\n"
        "{{- end }}\n",
    ),
    data(SCHEMA, "properties.cache", {"type": "object"}),
)
mutant("SCY-01", "root", replace(HELPERS, "  runAsUser: 1000\n", "  runAsUser: 0\n"))
mutant("SCY-02", "a writable root", replace(HELPERS, "readOnlyRootFilesystem: true", "readOnlyRootFilesystem: false"))
mutant("SCY-03", "privileged", replace(HELPERS, "privileged: false", "privileged: true"))
mutant("SCY-03", "capabilities kept", replace(HELPERS, "  capabilities:\n    drop: [ALL]\n", ""))
mutant("SCY-05", "a node's port", replace("templates/frontend-service.yaml", "type: ClusterIP", "type: NodePort"))
mutant(
    "SCY-06",
    "not by its Service",
    replace(HELPERS, '(include "todo-chatbot.serviceName" $backend) (int', '"localhost" (int'),
)
mutant("SCY-08", "a default key", data(VALUES, "secrets.openaiApiKey", "sk-proj-" + "x1Y" * 12))
mutant("SCY-08", "a key in a template", append("templates/configmap.yaml", f"  KEY: sk-proj-{'x1Y' * 12}\n"))
mutant(
    "SCY-09",
    "the model's key in the frontend",
    replace(HELPERS, FOR_BACKEND, '{{- $keys = append $keys "OPENAI_API_KEY" -}}'),
)
mutant(
    "SCY-09", "a token", replace(HELPERS, "automountServiceAccountToken: false", "automountServiceAccountToken: true")
)
mutant("SCY-08", "a key in the notes", append("templates/NOTES.txt", "Key: {{ .Values.secrets.openaiApiKey }}\n"))
mutant(
    "SCY-08",
    "a refusal by the schema, which quotes the value",
    data(SCHEMA, "properties.secrets.properties.openaiApiKey.pattern", "^sk-proj-"),
)
mutant(
    "SCY-08",
    "a default in a template",
    replace(HELPERS, '$secrets.betterAuthSecret | default ""', f'$secrets.betterAuthSecret | default "{"x" * 40}"'),
    replace(VALIDATION, "{{- with $missing -}}", "{{- with list -}}"),
    replace(VALIDATION, "`^[^\\x00]{32,}$`", "`^[^\\x00]*$`"),
)
mutant("SCY-08", "another credential of the values", append("templates/secrets.yaml", "---\n" + SECOND_OBJECT))
mutant("SCY-09", "an administrator's rights", append("templates/rbac.yaml", CLUSTER_ADMIN))
BACKEND_NAME = 'name: {{ include "todo-chatbot.componentName" $backend }}\n'
mutant(
    "REL-05",
    "a URL of the container's port",
    replace(HELPERS, "(int $values.backend.service.port)", "(int $values.backend.containerPort)"),
)
mutant(
    "REL-05",
    "a URL of a fixed name",
    replace(HELPERS, '(include "todo-chatbot.serviceName" $backend)', '"todo-backend-service"'),
)
for where, condition in (
    ("an upgrade", ".Release.IsUpgrade"),
    ("a supported Kubernetes", 'semverCompare "<1.36-0" .Capabilities.KubeVersion.Version'),
):
    mutant(
        "CHT-09",
        f"an absent section read in {where}",
        replace(
            BACKEND,
            BACKEND_NAME,
            f"{BACKEND_NAME}  {{{{- if {condition} }}}}{{{{ .Values.absent.name }}}}{{{{ end }}}}\n",
        ),
    )
