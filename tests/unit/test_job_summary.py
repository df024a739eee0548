"""What CI shows of a run: a summary in Markdown, and annotations at the lines of the chart."""

from __future__ import annotations

import json
import sys
from pathlib import Path
from typing import Any

import pytest

from acceptance.cli import commands
from acceptance.report import job_summary
from tests.unit.test_html import finished


@pytest.fixture
def rejected() -> dict[str, Any]:
    signoff = finished(broken=True)
    (finding,) = (each for each in signoff["findings"] if each["rule"] == "SVC-05")
    finding["fields"][0] |= {"place": "chart/templates/backend-service.yaml:10", "actual": "11,\n100 %"}
    return signoff


def test_summary_states_verdict_reasons_and_findings(rejected: dict[str, Any]) -> None:
    text = job_summary.markdown(rejected)
    assert text.startswith("## todo-chatbot 1.0.0: rejected\n")
    assert "- 1 rule is broken: SVC-05\n" in text
    assert "- SVC-05: Service/&lt;b>x&lt;/b>: spec.ports: expected 1-10, actual 11, 100 %\n" in text
    assert "POD-18" not in text.partition("### Findings")[2]  # advice


def test_summary_says_what_was_not_tested_and_stays_short(rejected: dict[str, Any]) -> None:
    text = job_summary.markdown(rejected)
    assert "1 blocking, 1 advice.\n" in text
    assert "### Not tested\n\n- 1 level: no test yet\n" in text
    (finding,) = (each for each in rejected["findings"] if each["severity"] == "blocking")
    finding["fields"][0]["actual"] = "x" * 5_000
    rejected["findings"] = [finding] * 500
    same = {"rule": "SVC-05", "object": "Service/x", "severity": "blocking"}
    rejected["changes"] = {
        "runs": 1,
        "since": None,
        "findings": {"new": [same] * 500, "fixed": []},
        **{name: [] for name in ("figures", "images", "levels", "flaky")},
    }
    text = job_summary.markdown(rejected)
    assert len(text) < 100_000
    assert "- and 450 more, on the page\n" in text
    assert "Every rule is tested" in job_summary.markdown(finished(broken=False))


def test_annotation_is_at_the_line_of_the_chart(rejected: dict[str, Any]) -> None:
    assert list(job_summary.github_annotations(rejected, "deploy")) == [
        "::error file=deploy/chart/templates/backend-service.yaml,line=10,title=SVC-05::"
        "Service/<b>x</b>: spec.ports: expected 1-10, actual 11,%0A100 %25"
    ]


def test_annotation_of_a_chart_beside_the_targets_folder(rejected: dict[str, Any]) -> None:
    (finding,) = (each for each in rejected["findings"] if each["rule"] == "SVC-05")
    finding["fields"][0]["place"] = "../chart/templates/backend-service.yaml:10"
    (annotation,) = job_summary.github_annotations(rejected, "deploy")
    assert annotation.startswith("::error file=chart/templates/backend-service.yaml,line=10,")


def test_texts_of_a_run_are_no_markup(rejected: dict[str, Any]) -> None:
    rejected["subject"]["chart"]["name"] = "todo_chat [x](http://x)"
    rejected["reasons"] = ["![x](http://x) `code` *all* __main__ C:\\x a_b"]
    text = job_summary.markdown(rejected)
    assert text.startswith("## todo_chat \\[x\\](http://x) 1.0.0: rejected\n")
    assert "- !\\[x\\](http://x) \\`code\\` \\*all\\* \\_\\_main\\_\\_ C:\\\\x a_b\n" in text


def test_summary_goes_to_the_job(
    rejected: dict[str, Any], tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(sys, "argv", ["acceptance", "summary", str(tmp_path)])
    monkeypatch.delenv("GITHUB_STEP_SUMMARY", raising=False)
    assert commands.main() == 2
    assert "has no results of a run: signoff.json can't be read" in capsys.readouterr().err
    (tmp_path / "signoff.json").write_text(json.dumps(rejected), encoding="utf-8")
    assert commands.main() == 0
    assert capsys.readouterr().out == job_summary.markdown(rejected)
    monkeypatch.setenv("GITHUB_STEP_SUMMARY", str(tmp_path / "summary.md"))
    assert commands.main() == 0
    assert (tmp_path / "summary.md").read_text(encoding="utf-8") == job_summary.markdown(rejected)
    assert capsys.readouterr().out.startswith("::error file=chart/templates/backend-service.yaml,line=10")
