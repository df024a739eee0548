"""Mutants of the chart that only upgrades and other values than the shipped ones show."""

from __future__ import annotations

from mutants.charts import BACKEND, HELPERS, SCHEMA, mutant, replace
from mutants.charts import data as edit
from mutants.draft import REMOVE

SELECTOR = "component: {{ .component }}\napp.kubernetes.io/instance: {{ .root.Release.Name | quote }}\n"
SERVICE_PORT = "(int $values.backend.service.port)"
USED = "{{ $_ := set $used . (get $config .) }}"
USED_SECRETS = "{{ $_ := set $usedSecrets . (get $secrets .) }}"


def selecting(label: str) -> None:
    """Register a mutant whose selectors have a label that follows the release."""
    clause = f"a selector with {label.rpartition('.')[2].rstrip(' }')}"
    mutant("DEP-04", clause, replace(HELPERS, SELECTOR, f"{SELECTOR}version: {label}\n"))


for each in ("{{ .root.Chart.Version }}", "{{ .root.Chart.AppVersion }}", "{{ .root.Values.backend.image.tag }}"):
    selecting(each)

NAME = 'name: {{ include "todo-chatbot.componentName" $backend }}\n'
mutant(
    "CHT-17",
    "a Deployment named by the version",
    replace(BACKEND, NAME, NAME.replace(" }}\n", ' }}-{{ .Chart.AppVersion | replace "." "-" }}\n')),
)
mutant("CFG-10", "a checksum of some keys", replace(HELPERS, USED, f'{{{{ if ne . "DEBUG" }}}}{USED}{{{{ end }}}}'))
mutant(
    "SEC-11",
    "a checksum of some secrets",
    replace(HELPERS, USED_SECRETS, f'{{{{ if eq . "DATABASE_URL" }}}}{USED_SECRETS}{{{{ end }}}}'),
)
mutant("CHT-18", "a section read without a default", edit(SCHEMA, "required", REMOVE))
mutant("REL-05", "a URL of the container's port", replace(HELPERS, SERVICE_PORT, "(int $values.backend.containerPort)"))
mutant(
    "REL-05",
    "a URL of a fixed name",
    replace(HELPERS, '(include "todo-chatbot.serviceName" $backend)', '"todo-backend-service"'),
)
mutant(
    "CHT-09",
    "a template that fails in an upgrade",
    replace(BACKEND, NAME, f'{NAME}  {{{{ if .Release.IsUpgrade }}}}{{{{ fail "no upgrade" }}}}{{{{ end }}}}\n'),
)
mutant(
    "CHT-09",
    "a template that fails on a supported Kubernetes",
    replace(
        BACKEND,
        NAME,
        NAME + '  {{ if semverCompare "<1.36-0" .Capabilities.KubeVersion.Version }}{{ fail "no" }}{{ end }}\n',
    ),
)
