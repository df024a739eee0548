"""Mutants of the chart whose defect shows with other values, another release or an upgrade."""

from __future__ import annotations

from mutants.charts import BACKEND, HELPERS, NAMESPACE, SCHEMA, VALUES, append, data, mutant, replace

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
