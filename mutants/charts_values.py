"""Mutants of the chart whose defect shows with other values, another release or an upgrade."""

from __future__ import annotations

from mutants.charts import BACKEND, HELPERS, NAMESPACE, SCHEMA, VALUES, mutant
from mutants.edits import append, data, replace

BACKEND_TAG = """    repository: todo-backend
    # -- Image tag: letters, digits, dots and dashes. The pods receive it as `APP_VERSION`.
    tag: """
GENERATED = """apiVersion: v1
kind: Secret
metadata: {name: session, namespace: {{ .Values.namespace.name }}}
stringData: {SESSION_KEY: {{ randAlphaNum 40 }}}
"""
NEVER = """{{- if .Values.never }}
apiVersion: v1
kind: ConfigMap
metadata: {name: never, namespace: {{ .Values.namespace.name }}}
data: {SPARE: {{ .Values.spare | quote }}}
{{- end }}
"""
UNUSED = """{{- define "todo-chatbot.spare" -}}
{{- if .Values.localCluster }}{{ .Values.spare }}{{ end }}
{{- end }}
"""
SPARE = (append(VALUES, "spare: one\n"), data(SCHEMA, "properties.spare", {"type": "string"}))
ROUTE = """{{- if .Capabilities.APIVersions.Has "gateway.networking.k8s.io/v1" }}
apiVersion: gateway.networking.k8s.io/v1
kind: HTTPRoute
metadata: {name: todo, namespace: {{ .Values.namespace.name }}}
spec:
  parentRefs: [{name: web}]
  rules: [{backendRefs: [{name: todo-frontend-service, port: 3000}]}]
{{- end }}
"""
OF_CHART = "  selector:\n    app.kubernetes.io/name: {{ .Chart.Name }}\n"
DEBUG = '"DEBUG" (toString $values.config.debug)'
mutant("DEP-02", "a Deployment that names no namespace", replace(BACKEND, NAMESPACE, ""))
mutant("POD-02", "a ConfigMap that names no namespace", replace("templates/configmap.yaml", NAMESPACE, ""))
mutant("DEP-01", "names of 64 characters", data(SCHEMA, "definitions.namePrefix.maxLength", 47))
mutant(
    "IMG-02",
    "a tag that YAML reads as a number",
    data(SCHEMA, "definitions.image.properties.tag", {}),
    replace(VALUES, f"{BACKEND_TAG}latest", f"{BACKEND_TAG}1.10"),
)
mutant("SEC-13", "a key generated at each upgrade", append("templates/session.yaml", GENERATED))
mutant(
    "CHT-12", "a Service that is not there, before a pipe", append("templates/NOTES.txt", "kubectl get svc web | cat\n")
)
mutant(
    "CHT-09",
    "a computed number with an exponent",
    append("templates/configmap.yaml", "  MAX_BODY: {{ mulf 1024 10240 | quote }}\n"),
)
mutant(
    "DEP-01",
    "names that collide when they are cut off",
    data(SCHEMA, "definitions.namePrefix", {"type": "string"}),
    replace(
        HELPERS,
        '.root.Values.namePrefix | default "todo" }}-{{ .component }}',
        '(lower .root.Values.namePrefix) | default "todo" | printf "%s-%s" .component | trunc 40 }}',
    ),
)
for clause, file, text in (
    ("a template that never renders", "templates/never.yaml", NEVER),
    ("a template behind a constant", "templates/never.yaml", NEVER.replace(".Values.never", "false")),
    ("a helper that nothing includes", "templates/_spare.tpl", UNUSED),
):
    mutant("CHT-08", clause, append(file, text), *SPARE)
mutant("CHT-10", "a key that nothing reads", *SPARE)
mutant("CHT-10", "a key that is read nowhere but in what never renders", append("templates/never.yaml", NEVER), *SPARE)
mutant("CHT-10", "a key that an unused helper reads", append("templates/_spare.tpl", UNUSED), *SPARE)
mutant("SCY-05", "a route wherever the cluster has the API", append("templates/route.yaml", ROUTE))
mutant(
    "SVC-07",
    "a selector by the chart's name, whatever the override",
    replace("templates/backend-service.yaml", "  selector:\n", OF_CHART),
)
mutant(
    "REL-05",
    "the chart's own Secret beside an existing one",
    replace(
        HELPERS,
        'name: {{ include "todo-chatbot.secretName" .root }}\n      key: {{ .key }}',
        'name: {{ include "todo-chatbot.fullname" .root }}-secrets\n      key: {{ .key }}',
    ),
)
mutant(
    "CFG-10",
    "a checksum of files that are elsewhere",
    replace(
        HELPERS,
        "checksum/config: {{",
        'checksum/files: {{ (.root.Files.Glob "file/*").AsConfig | sha256sum }}\nchecksum/config: {{',
    ),
)
mutant(
    "CFG-04",
    "a false that a default replaces",
    replace(HELPERS, DEBUG, DEBUG.replace("$values.config.debug", '($values.config.debug | default "true")')),
)
