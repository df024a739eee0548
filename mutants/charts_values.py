"""Mutants of the chart whose defect shows with other values, another release or an upgrade."""

from __future__ import annotations

from mutants.charts import BACKEND, NAMESPACE, SCHEMA, VALUES, append, data, mutant, replace

BACKEND_TAG = """    repository: todo-backend
    # -- Image tag: letters, digits, dots and dashes. The pods receive it as `APP_VERSION`.
    tag: """
GENERATED = """apiVersion: v1
kind: Secret
metadata: {name: session, namespace: {{ .Values.namespace.name }}}
stringData: {SESSION_KEY: {{ randAlphaNum 40 }}}
"""
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
