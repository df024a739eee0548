"""The history of runs: what the page says of a regression, and the overview of many runs."""

from __future__ import annotations

import json
import math
import re
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
from acceptance.report import history, html, overview
from acceptance.report.changes import MIN_RUNS, baseline, changes, flaky, usual
from acceptance.report.history import History, entry
from acceptance.report.job_summary import markdown
from acceptance.report.judging import judge
from acceptance.report.results import FixtureTime, Limit, Measurement, Results
from acceptance.report.trend import trend_line
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
    """The run after 21: the rollout of another image fails requests. In the third one, a level could not be judged."""
    for number in range(MIN_RUNS + 1):
        outage = (0.31, 0.29, 0.33, 0.30, 0.32)[number % 5]
        signoff(number, tmp_path, outage=outage, error="HPA-08 live" if number == 2 else "")
    return signoff(MIN_RUNS + 1, tmp_path, outage=2.9, found=REGRESSION, image="sha256:2")


def test_regression_is_what_changed(regression: dict[str, Any]) -> None:
    found = regression["changes"]
    assert (found["runs"], found["since"]["run"], found["since"]["verdict"]) == (21, "run-20", "accepted")
    assert regression["verdict"] == "rejected"
    new = {"rule": "STA-08", "object": "Deployment/todo-backend", "severity": "blocking"}
    assert found["findings"] == {"new": [new], "fixed": []}
    assert found["levels"] == [{"rule": "STA-08", "level": "behaviour", "before": "passed", "now": "failed"}]
    assert found["images"] == [{"name": "backend", "before": "sha256:1", "now": "sha256:2"}]
    (figure,) = found["figures"]
    assert (figure["name"], figure["value"], figure["median"], figure["runs"]) == (LONGEST, 2.9, 0.31, 20)
    assert 0.32 < figure["limit"] <= 0.33
    assert found["baseline"]["runs"] == found["baseline"]["least"] == MIN_RUNS  # the third one was not accepted
    assert found["trends"][0]["values"] == [*[0] * 19, 1]
    assert found["flaky"] == []  # another image is another release


def test_page_says_what_changed(regression: dict[str, Any]) -> None:
    page = html.render(regression)
    words = " ".join(page.split())
    assert (
        'Since the last run of the same levels, which was accepted: <a href="#changes">1 new finding, '
        "1 changed result, 1 figure above its limit of history, 1 other image</a>"
    ) in words
    section = words[words.index('<section id="changes"') : words.index('aria-labelledby="glance"')]
    for text in ("New findings", "Deployment/todo-backend", LONGEST, "2.9 s", "sha256:1", "sha256:2", "<svg"):
        assert text in section, text
    assert "Findings that are gone" not in section


def test_job_summary_says_what_changed(regression: dict[str, Any]) -> None:
    since = markdown(regression).partition("### Since the last run of the same levels, which was accepted\n\n")[2]
    assert since == (
        "- new: STA-08 Deployment/todo-backend\n"
        f"- {LONGEST}: 2.9 s, above its limit of history 330 ms\n"
        "- image of the backend: sha256:2\n"
        "- 1 result changed, 0 levels are flaky\n"
    )


def test_first_run_has_nothing_to_compare_with(tmp_path: Path) -> None:
    data = signoff(0, tmp_path, outage=0.3)
    assert data["changes"]["since"] is None
    assert "No earlier run of this target is known" in html.render(data)


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


def test_limit_of_a_figure_is_a_percentile_of_its_history() -> None:
    assert usual([1.0] * (MIN_RUNS - 1)) is None
    known = usual([float(each) for each in range(101)])
    assert known is not None
    assert (known.median, known.limit) == (50, 95)
    constant = usual([0.0] * MIN_RUNS)
    assert constant is not None
    assert constant.limit == 0


def test_limits_are_of_accepted_runs_on_the_same_machines(tmp_path: Path) -> None:
    this = entry(signoff(0, tmp_path, outage=0.3))
    assert this.platform.endswith("CPUs, no cluster")
    same = [this.model_copy(update={"run": f"same-{number}"}) for number in range(60)]
    others = [
        this.model_copy(update=update)
        for update in ({"platform": "Linux x86_64, 64 CPUs, kind"}, {"shards": 2}, {"verdict": "rejected"})
    ]
    assert baseline(this, [*same, *others]) == same[-50:]


def test_kind_of_cluster_is_named_without_its_version(tmp_path: Path) -> None:
    data = signoff(0, tmp_path, outage=0.3)
    environment = {**data["environment"], "system": "Linux x86_64, 2 CPUs", "kubernetes": "v1.37.2"}
    for found, words in (({"kind": "0.33.0"}, "kind"), ({"minikube": "v1.38"}, "minikube"), ({}, "a given cluster")):
        made = entry({**data, "environment": {**environment, **found}})
        assert made.platform == f"Linux x86_64, 2 CPUs, {words}"


def test_too_few_runs_for_limits_are_told(tmp_path: Path) -> None:
    signoff(0, tmp_path, outage=0.3)
    words = " ".join(html.render(signoff(1, tmp_path, outage=2.9)).split())
    assert "Too few runs for limits of history: 1 of 20 accepted ones on the same kind of machine" in words


def test_results_of_another_suite_make_no_level_flaky(tmp_path: Path) -> None:
    runs = [entry(signoff(number, tmp_path, outage=0.3, error="HPA-08 live" if number else "")) for number in (0, 1)]
    assert [each["rule"] for each in flaky(runs)] == ["HPA-08"]
    assert flaky([runs[0].model_copy(update={"suite": "sha256:0"}), runs[1]]) == []


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
    assert "2 lines of the history are not runs and were left out." in html.render(second)
    assert [each.run for each in history.load(path).entries] == ["run-0", "run-1"]


@pytest.mark.parametrize(
    "damage",
    [
        {"ended": "2026-01-01T00:00:00"},
        {"levels": {"POD-04": "passed"}},
        {"figures": {"p95": {"value": math.nan, "unit": "s", "limit": 1}}},
        {"figures": {"p95": {"value": 1, "unit": "s", "limit": math.inf}}},
        {"seconds": math.inf},
    ],
)
def test_damaged_run_costs_neither_the_page_nor_the_overview(tmp_path: Path, damage: dict[str, Any]) -> None:
    path = path_of(tmp_path, signoff(0, tmp_path, outage=0.3))
    line = path.read_text(encoding="utf-8")
    path.write_text(f"{line}{json.dumps({**json.loads(line), 'run': 'x', **damage})}\n\n", encoding="utf-8")
    data = signoff(1, tmp_path, outage=0.3)
    assert (data["changes"]["runs"], data["changes"]["unreadable"]) == (1, 1)
    assert "1 line of the history is no run and was left out." in html.render(data)
    assert "1 line of the histories is no run and was left out." in overview.write(tmp_path).read_text()


def test_overview_links_the_reports_that_are_there_and_folds_what_never_changes(tmp_path: Path) -> None:
    data = [signoff(number, tmp_path, outage=0.3) for number in (1, 2)]
    (tmp_path / "run-2").mkdir()
    html.write(tmp_path / "run-2", data[-1], [])
    page = overview.write(tmp_path).read_text(encoding="utf-8")
    assert '<a href="run-2/index.html"><code>run-2</code></a>' in page
    assert "<code>run-1</code></td>" in page
    assert "<details><summary>Judged figures that are the same in every run (1)</summary>" in page
    assert "longest outage" in page


def test_overview_leaves_out_a_figure_that_is_judged_no_more(tmp_path: Path) -> None:
    before, now = (entry(signoff(number, tmp_path, outage=0.3)) for number in (1, 2))
    unjudged = {name: figure.model_copy(update={"limit": None}) for name, figure in now.figures.items()}
    assert "longest outage" in overview.render([History([before, now])])
    assert "longest outage" not in overview.render([History([before, now.model_copy(update={"figures": unjudged})])])


def test_trend_of_nearly_equal_values_is_nearly_flat() -> None:
    for values, most in (([900.0, 905.0], 2), ([0.3, 2.9], 20), ([0.0, 0.0], 0)):
        heights = [float(each) for each in re.findall(r"[\d.]+,([\d.]+)", str(trend_line(values, "x")))]
        assert max(heights) - min(heights) <= most
        assert max(heights) - min(heights) >= most - 1.5


def test_overview_of_several_targets_starts_with_the_newest_run(tmp_path: Path) -> None:
    runs = [entry(signoff(number, tmp_path, outage=0.3)) for number in (2, 1)]
    histories = [History([run.model_copy(update={"target": f"target-{place}"})]) for place, run in enumerate(runs)]
    page = overview.render(histories[::-1])
    assert page.index('<h2 id="target-1">todo-chatbot, target target-0') < page.index('<h2 id="target-2">')
    assert '<a href="#target-2">todo-chatbot, target-1</a>' in page


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
    assert words.count(">run-") == 22
    assert words.count(" UTC</td>") == 22
    assert words.index(">run-21<") < words.index(">run-0<")
    assert "new: STA-08 Deployment/todo-backend" in words
    assert "<b>2.9 s</b> (above)" in words
    assert "<script" not in words
    assert regression["changes"]["runs"] == 21


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
