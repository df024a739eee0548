"""The history of runs: what the page says of a regression, and the overview of many runs."""

from __future__ import annotations

import json
import sys
from collections.abc import Mapping
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import jsonschema
import pytest

from acceptance.checks.finding import ClassifiedFinding, Finding
from acceptance.cli import commands
from acceptance.core import rules
from acceptance.core.git import Checkout
from acceptance.core.rules import ROOT
from acceptance.core.shard import Shard
from acceptance.core.target import load
from acceptance.report import history, html
from acceptance.report.changes import changes, usual_range
from acceptance.report.job_summary import markdown
from acceptance.report.judging import judge
from acceptance.report.results import FixtureTime, Limit, Measurement, Results
from acceptance.report.verdict import FOLDERS, RuleBinding, TestResult

SCHEMA = json.loads((ROOT / "spec" / "signoff.schema.json").read_text(encoding="utf-8"))
START = datetime(2026, 7, 14, 2, 0, 0, tzinfo=UTC)
LONGEST = "rollout: backend: longest_outage"
FOLDER_OF = {level: folder for folder, level in reversed(list(FOLDERS.items())) if level}
REGRESSION = Finding("STA-08", "Deployment/todo-backend", "requests while it rolls out", "none failed", "14 failed")


def path_of(reports: Path, data: Mapping[str, Any]) -> Path:
    """The history of a run's target."""
    return history.path_of(reports, load(), data["subject"]["target"])


def signoff(
    number: int,
    reports: Path,
    *,
    outage: float,
    found: Finding | None = None,
    error: str = "",
    image: str = "sha256:1",
    commit: str = "a" * 40,
    chosen: str = "",
) -> dict[str, Any]:
    """Judge a run of every rule, or of those that start with `chosen`, and add it to the history as a run does."""
    results = Results(f"run-{number}", START + timedelta(days=number), load(), "target.toml")
    results.metadata.fresh_cluster = True
    results.metadata.subject["images"] = {"backend": {"reference": "backend:1", "id": image}}
    for rule in rules.load().values():
        for level in rule.levels if rule.id.startswith(chosen) else ():
            name = f"tests/{FOLDER_OF[level]}/test_{rule.id}.py::test_it"
            test = TestResult(RuleBinding(name, level, (rule.id,)), "passed", "", seconds={"call": 0.1})
            if found and (rule.id, level) == (found.rule, "behaviour"):
                test.outcome, test.reason = "failed", str(found)
                test.classified.append(ClassifiedFinding(found, "blocking"))
            if error == f"{rule.id} {level}":
                test.outcome, test.reason = "error", "setup: WaitError: no metrics"
            results.tests[name] = test
    results.measurements.append(Measurement.of(LONGEST, outage, "seconds", Limit(30, "STA-09")))
    results.fixtures["cluster", ""] = FixtureTime("cluster", "", setup=40.0 + number)
    results.fixtures["quick", "test_x.py"] = FixtureTime("quick", "test_x.py", setup=0.2)
    checkout = Checkout(commit, clean=True)
    data = judge(results, {}, checkout, results.started + timedelta(seconds=900 + number))
    path = path_of(reports, data)
    data["changes"] = changes(data, history.load(path))
    jsonschema.validate({**data, "files": {}}, SCHEMA, format_checker=jsonschema.FormatChecker())
    history.append(path, data)
    return data


@pytest.fixture
def regression(tmp_path: Path) -> dict[str, Any]:
    """The sixth run: the rollout of another image fails requests. In the third one, a level could not be judged."""
    for number, outage in enumerate((0.31, 0.29, 0.33, 0.30, 0.32)):
        signoff(number, tmp_path, outage=outage, error="HPA-08 live" if number == 2 else "")
    return signoff(5, tmp_path, outage=2.9, found=REGRESSION, image="sha256:2")


def test_regression_is_what_changed(regression: dict[str, Any]) -> None:
    found = regression["changes"]
    assert (found["runs"], found["since"]["run"], found["since"]["verdict"]) == (5, "run-4", "accepted")
    assert regression["verdict"] == "rejected"
    new = {"rule": "STA-08", "object": "Deployment/todo-backend", "severity": "blocking"}
    assert found["findings"] == {"new": [new], "fixed": []}
    assert found["levels"] == [{"rule": "STA-08", "level": "behaviour", "before": "passed", "now": "failed"}]
    assert found["images"] == [{"name": "backend", "before": "sha256:1", "now": "sha256:2"}]
    (figure,) = found["figures"]
    assert (figure["name"], figure["value"], figure["median"], figure["runs"]) == (LONGEST, 2.9, 0.31, 5)
    assert 0.2 < figure["low"] < figure["high"] < 0.4
    assert found["trends"][0]["values"] == [0, 0, 0, 0, 0, 1]
    assert found["flaky"] == []  # another image is another release


def test_page_says_what_changed(regression: dict[str, Any]) -> None:
    page = html.render(regression)
    words = " ".join(page.split())
    assert (
        'Since the last run of the same levels, which was accepted: <a href="#changes">1 new finding, 0 gone, '
        "1 changed result, 1 unusual figure</a>."
    ) in words
    section = words[words.index('<section id="changes"') : words.index('aria-labelledby="glance"')]
    for text in ("New findings", "Deployment/todo-backend", LONGEST, "2.9 seconds", "sha256:1", "sha256:2", "<svg"):
        assert text in section, text
    assert "Findings that are gone" not in section


def test_first_run_has_nothing_to_compare_with(tmp_path: Path) -> None:
    data = signoff(0, tmp_path, outage=0.3)
    assert data["changes"]["since"] is None
    assert "No earlier run of this target is known." in html.render(data)


def test_finding_is_gone_only_when_its_rule_was_tested_again(tmp_path: Path) -> None:
    signoff(0, tmp_path, outage=0.3, found=REGRESSION)
    assert signoff(1, tmp_path, outage=0.3, chosen="POD")["changes"]["findings"] == {"new": [], "fixed": []}
    gone = signoff(2, tmp_path, outage=0.3)["changes"]
    assert [each["rule"] for each in gone["findings"]["fixed"]] == ["STA-08"]
    assert gone["levels"] == [{"rule": "STA-08", "level": "behaviour", "before": "failed", "now": "passed"}]
    again = signoff(3, tmp_path, outage=0.3, found=REGRESSION)["changes"]
    assert [each["rule"] for each in again["findings"]["new"]] == ["STA-08"]


def test_flaky_levels_are_those_of_one_commit_by_count(tmp_path: Path) -> None:
    signoff(0, tmp_path, outage=0.3, error="SEC-01 static", commit="b" * 40)
    for number in range(1, 5):
        data = signoff(
            number,
            tmp_path,
            outage=0.3,
            error="HPA-08 live" if number == 2 else "",
            found=REGRESSION if number > 2 else None,
        )
    assert data["changes"]["flaky"] == [
        {"rule": "STA-08", "level": "behaviour", "results": {"passed": 2, "failed": 2}},
        {"rule": "HPA-08", "level": "live", "results": {"passed": 3, "error": 1}},
    ]


def test_usual_range_is_that_of_the_quartiles() -> None:
    assert usual_range([1.0, 2.0, 3.0, 4.0]) is None
    usual = usual_range([10.0, 11.0, 12.0, 13.0, 14.0])
    assert usual is not None
    assert (usual.low, usual.median, usual.high) == (5.0, 12.0, 19.0)
    constant = usual_range([0.0] * 5)
    assert constant is not None
    assert (constant.low, constant.high) == (0.0, 0.0)


def test_shards_and_runs_without_rules_are_no_history(tmp_path: Path) -> None:
    data = signoff(0, tmp_path, outage=0.3)
    path = path_of(tmp_path, data)
    history.append(path, {**data, "shard": Shard(1, 3)._asdict()})
    history.append(path, {**data, "rules": {}})
    assert [each.run for each in history.load(path).entries] == ["run-0"]


def test_line_that_is_no_run_is_skipped_and_reported(tmp_path: Path) -> None:
    data = signoff(0, tmp_path, outage=0.3)
    path = path_of(tmp_path, data)
    whole = path.read_bytes()
    path.write_bytes(whole + b"\xff\n" + whole[:100])
    second = signoff(1, tmp_path, outage=0.3)
    assert (second["changes"]["runs"], second["changes"]["unreadable"]) == (1, 2)
    assert "2 lines of the history are no runs and were left out." in html.render(second)
    assert [each.run for each in history.load(path).entries] == ["run-0", "run-1"]


def test_page_names_a_history_that_cannot_be_read(tmp_path: Path) -> None:
    data = signoff(0, tmp_path, outage=0.3)
    path = path_of(tmp_path, data)
    path.unlink()
    path.mkdir()
    with pytest.raises(history.HistoryError, match="can't be read: Is a directory"):
        history.load(path)
    page = html.render({key: value for key, value in data.items() if key != "changes"})
    assert "The history of this target could not be read" in page
    assert "No earlier run" not in page


def test_runs_are_compared_as_a_whole_with_those_of_the_same_levels(tmp_path: Path) -> None:
    signoff(0, tmp_path, outage=0.3, found=REGRESSION)
    part = signoff(1, tmp_path, outage=0.3, chosen="POD")
    assert (part["changes"]["runs"], part["changes"]["since"]) == (1, None)
    assert [len(trend["values"]) for trend in part["changes"]["trends"]] == [1, 1]
    assert "none of them tested about the same levels" in html.render(part)
    assert "### Since earlier runs\n" in markdown(part)
    whole = signoff(2, tmp_path, outage=0.3)
    assert (whole["changes"]["runs"], whole["changes"]["since"]["run"]) == (2, "run-0")
    assert whole["changes"]["trends"][0]["values"] == [1, 0]
    assert whole["changes"]["trends"][1]["values"] == [900, 902]
    assert [each["rule"] for each in whole["changes"]["findings"]["fixed"]] == ["STA-08"]


def test_runs_on_other_numbers_of_machines_are_not_comparable(tmp_path: Path) -> None:
    data = signoff(0, tmp_path, outage=0.3)
    alone, merged = history.entry(data), history.entry({**data, "merged": [{}, {}, {}]})
    assert merged.shards == 3
    assert alone.is_comparable(alone)
    assert not merged.is_comparable(alone)


def test_targets_have_histories_of_their_own(tmp_path: Path) -> None:
    target = load()

    def named(file: str, **chart: str) -> Path:
        return history.path_of(
            tmp_path, target.model_copy(update={"chart": target.chart.model_copy(update=chart)}), file
        )

    paths = {
        named("target.toml"),
        named("target.toml", release="other"),
        named("target.toml", namespace="other"),
        named("a-target.toml", name="todo"),
        named("target.toml", name="todo-a"),
    }
    assert len(paths) == 5


def test_overview_shows_every_run(
    regression: dict[str, Any], tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(sys, "argv", ["acceptance", "report", "--history", str(tmp_path)])
    assert commands.main() == 0
    page = Path(capsys.readouterr().out.strip())
    assert page == tmp_path / "history.html"
    words = page.read_text(encoding="utf-8")
    assert words.count(">run-") == 6
    assert words.count(" UTC</td>") == 6
    assert words.index(">run-5<") < words.index(">run-0<")
    assert "new: STA-08 Deployment/todo-backend" in words
    assert "<b>2.9 seconds</b> (unusual)" in words
    assert "<script" not in words
    assert regression["changes"]["runs"] == 5


def test_folder_without_history_is_refused_in_one_sentence(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(sys, "argv", ["acceptance", "report", "--history", str(tmp_path)])
    assert commands.main() == 2
    assert (
        capsys.readouterr().err
        == f"ERROR: {tmp_path} has no history of runs: name a folder for reports, such as reports\n"
    )
    (tmp_path / "history").mkdir()
    (tmp_path / "history" / "x.jsonl").write_text("{}\n", encoding="utf-8")
    assert commands.main() == 0


def test_usual_time_of_a_step_is_the_median_of_the_runs_that_had_it(tmp_path: Path) -> None:
    data = [signoff(number, tmp_path, outage=0.1, chosen="POD-0") for number in (1, 2, 6)][-1]
    path = path_of(tmp_path, data)
    lines = path.read_text(encoding="utf-8").splitlines()
    lines[0] = json.dumps({key: value for key, value in json.loads(lines[0]).items() if key != "steps"})
    path.write_text("\n".join(lines) + "\n", encoding="utf-8")
    assert history.usual_steps(history.load(path)) == {"cluster": 44.0}
