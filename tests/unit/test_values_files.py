"""Keys of shipped values files: each that values.yaml lacks has an effect, or is a finding."""

from __future__ import annotations

from pathlib import Path

import pytest

from acceptance.chart.renderer import Renderer
from acceptance.chart.unused import unused_values
from acceptance.kube.helm import find_helm
from tests.unit.test_propose_target import ENV, SECRET, VALUES, deployment, proposed, write

FEATURE = """
{{- with .Values.agent }}
apiVersion: v1
kind: ConfigMap
metadata: {name: agent}
data: {MODE: {{ .mode | quote }}}
{{- end }}
"""


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("labels: {team: todo}\n", []),
        ("agent: {mode: fast}\n", []),
        ("db: {}\n", []),
        ("agents: {mode: fast, size: 1}\n", ["agents, which values-dev.yaml sets"]),
        ("db: {pool: 5}\n", ["db.pool, which values-dev.yaml sets"]),
    ],
)
def test_key_of_a_values_file_has_an_effect(tmp_path: Path, text: str, expected: list[str]) -> None:
    labels = "metadata: {name: web, labels: {{ .Values.labels | toJson }}}"
    files = {
        "values.yaml": f"{VALUES}labels: {{}}\n",
        "values-dev.yaml": text,
        "templates/all.yaml": deployment("api", "shop-backend", 8000, env=ENV)
        + deployment("web", "shop-frontend", 3000).replace("metadata: {name: web}", labels, 1)
        + SECRET,
        "templates/agent.yaml": FEATURE,
    }
    helm = find_helm()
    target, _ = proposed(write(tmp_path / "shop", files), helm)
    found = [each.field for each in unused_values(Renderer(helm, target))]
    assert [each for each in found if "values-dev" in each] == expected


@pytest.mark.parametrize(("read", "expected"), [(".Values.extra.mode", []), (".Values.extras.mode", ["extra"])])
def test_key_whose_entries_only_templates_name_is_used(tmp_path: Path, read: str, expected: list[str]) -> None:
    given = f"{{{{- if {read} }}}}\n{SECRET.replace('name: app', 'name: more')}{{{{- end }}}}\n"
    files = {
        "values.yaml": f"{VALUES}extra:\n  # mode: set by --set\nextras: {{}}\n",
        "templates/all.yaml": deployment("api", "shop-backend", 8000, env=ENV) + SECRET + given,
    }
    helm = find_helm()
    target, _ = proposed(write(tmp_path / "shop", files), helm)
    found = [each.field for each in unused_values(Renderer(helm, target))]
    assert [each for each in found if each == "extra"] == expected
