"""Charts of other teams: `init` as it is, then exactly the expected findings of every static rule.

Each folder of `other_teams` has a chart in one style and `expected.toml`, written by reading the chart against the
rules: `finding` blocks, `advised` must be advice, `also` follows from the same defect and may be said or not, `advice`
names the rules whose advice is true. `values` and `corrections` are what has to be corrected by hand.
"""

from __future__ import annotations

import subprocess
import tomllib
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import date
from pathlib import Path
from typing import Any

import pytest

from acceptance import checks
from acceptance.chart import propose_target
from acceptance.chart.assessment import RenderedChart
from acceptance.chart.proposal import application
from acceptance.chart.renderer import Renderer
from acceptance.checks.finding import ClassifiedFinding, classify
from acceptance.checks.snapshot import DEFAULTS
from acceptance.core.target import Target, load
from acceptance.core.values import set_paths
from acceptance.kube.helm import Helm, find_helm

TEAMS = Path(__file__).parent / "other_teams"
NAMES = sorted(each.parent.name for each in TEAMS.glob("*/expected.toml"))
CORRECTIONS = 1
"""What a proposed target may need by hand."""


@dataclass(frozen=True)
class Judged:
    """A chart's expectations, its proposed target and every finding, each with the snapshot's name in its text."""

    expected: Mapping[str, Any]
    target: Target
    findings: tuple[tuple[ClassifiedFinding, str], ...]


@pytest.fixture(autouse=True)
def no_project(monkeypatch: pytest.MonkeyPatch) -> None:
    """This repository's Dockerfiles are not those of the charts."""
    monkeypatch.setattr(application, "project_of", lambda chart, _: chart)


@pytest.fixture(scope="module")
def helm() -> Helm:
    return find_helm()


def propose(chart: Path, expected: Mapping[str, Any], helm: Helm, folder: Path) -> Target:
    """Return the proposed target as a user has it: written, corrected by hand, and read again."""
    draft = propose_target.propose(chart, helm, expected.get("values", {}), folder)
    document = set_paths(draft.document, expected.get("corrections", {}))
    file = folder / "target.toml"
    file.write_text(propose_target.toml(document, draft.comments, draft.notes), encoding="utf-8")
    return load(file)


def expectations(name: str) -> dict[str, Any]:
    return tomllib.loads((TEAMS / name / "expected.toml").read_text(encoding="utf-8"))


def judge(chart: Path, expected: Mapping[str, Any], helm: Helm, folder: Path) -> Judged:
    target = propose(chart, expected, helm, folder)
    found: list[tuple[ClassifiedFinding, str]] = []
    for snapshot in RenderedChart(Renderer(helm, target)).snapshots:
        variant = "" if snapshot.variant == DEFAULTS else f" ({snapshot.variant})"
        found += [
            (classify(each, target, date.today()), f"{each}{variant}")
            for each in checks.run_checks(snapshot, target).findings
        ]
    return Judged(expected, target, tuple(found))


def differences(judged: Judged) -> list[str]:
    """Return what is missing, false or unexpected advice, one line each."""
    stated = {kind: judged.expected.get(kind, []) for kind in ("finding", "advised", "also")}
    found: list[str] = []
    for kind, severity in (("finding", "blocking"), ("advised", "advice")):
        found += [
            f"missing: {each}"
            for each in stated[kind]
            if not any(
                (it.finding.rule, it.finding.object, it.severity) == (each["rule"], each["object"], severity)
                and each.get("says", "") in text
                for it, text in judged.findings
            )
        ]
    known = {(each["rule"], each["object"]) for kind in ("finding", "also") for each in stated[kind]}
    for it, text in judged.findings:
        if it.severity == "advice" and it.finding.rule not in judged.expected["advice"]:
            found.append(f"advice: {text}")
        elif it.severity != "advice" and (it.finding.rule, it.finding.object) not in known:
            found.append(f"false: {text}")
    return list(dict.fromkeys(found))


@pytest.mark.parametrize("name", NAMES)
def test_findings_as_expected(name: str, helm: Helm, tmp_path: Path) -> None:
    found = differences(judge(TEAMS / name / "chart", expectations(name), helm, tmp_path))
    assert not found, "\n".join(found)


@pytest.mark.parametrize("name", NAMES)
def test_corrections_by_hand(name: str) -> None:
    expected = expectations(name)
    by_hand = [*expected.get("corrections", {}), *(["--values"] if expected.get("values") else [])]
    assert len(by_hand) <= CORRECTIONS


def test_packaged_chart(helm: Helm, tmp_path: Path) -> None:
    subprocess.run([helm.binary, "package", TEAMS / "nginx" / "chart", "-d", tmp_path], check=True, capture_output=True)
    (archive,) = tmp_path.glob("*.tgz")
    found = differences(judge(archive, expectations("nginx"), helm, tmp_path))
    assert not found, "\n".join(found)
