"""Shards: divided by duration, each test in one of them, and joined into one verdict."""

from __future__ import annotations

import argparse
import json
import os
import shutil
import subprocess
import sys
import xml.etree.ElementTree as ET
from collections.abc import Callable
from pathlib import Path
from typing import Any

import jsonschema
import pytest

from acceptance.cli import commands
from acceptance.core.rules import ROOT
from acceptance.core.shard import divide, parse_shard
from acceptance.core.suite import Suite
from acceptance.report import merging, recorded, recorded_durations
from acceptance.report.judging import unselected

LEFT_OUT = ("-p", "no:timeout", "-p", "no:hypothesispytest")
SCHEMA = json.loads((ROOT / "spec" / "signoff.schema.json").read_text(encoding="utf-8"))
HEAD = "import pytest\nfrom acceptance.checks.finding import Finding, Untested, report_findings\n"
CONFTEST = """
pytest_plugins = ["acceptance.plugin"]
import pytest

def pytest_collection_modifyitems(items):
    for item in items:
        if "experiments" in item.fixturenames:
            item.add_marker("experiment")
        if "judging" in item.name:
            item.add_marker("every_experiment")
    items.sort(key=lambda item: "judging" in item.name)

@pytest.fixture(scope="session")
def cluster(run_metadata):
    run_metadata.used_cluster = run_metadata.fresh_cluster = True
    run_metadata.subject["images"] = {"backend": {"reference": "b:1", "id": "sha256:1"}}
    run_metadata.environment["kubernetes"] = "v1.37.2"

@pytest.fixture(scope="session")
def experiments(cluster):
    return []
"""
MODULES = {
    "static/test_chart.py": '@pytest.mark.rule("POD-04")\n@pytest.mark.parametrize("n", range(3))\n'
    "def test_chart(n): pass\n",
    "behaviour/test_first.py": '@pytest.mark.rule("POD-10")\ndef test_one(experiments): experiments.append(1)\n'
    '@pytest.mark.rule("POD-10")\ndef test_two(experiments): pass\n',
    "behaviour/test_second.py": '@pytest.mark.rule("STA-08")\ndef test_it(experiments, record_measurement):\n'
    "    from acceptance.report.results import Limit\n"
    '    experiments.append(2)\n    record_measurement("failed", 1, "requests", Limit(0, "STA-08"))\n',
    "behaviour/test_every.py": '@pytest.mark.rule("POD-05")\n'
    "def test_judging(experiments, target, record_evidence):\n"
    '    record_evidence("experiments.txt", str(experiments))\n'
    '    found = [Finding("POD-05", f"Pod/{n}", "restarts", "0", str(n)) for n in experiments if n > 1]\n'
    "    report_findings(found, target)\n",
}


def run(suite: Path, *lines: str) -> str:
    """Run pytest once for each command line, all in one process; returns the standard error."""
    script = f"import pytest\nfor line in {lines}: print(pytest.main([*{LEFT_OUT}, *line.split()]))"
    done = subprocess.run(
        [sys.executable, "-c", script],
        cwd=suite,
        env={**os.environ, "PYTHONPATH": str(ROOT)},
        capture_output=True,
        text=True,
        check=True,
    )
    return done.stderr


@pytest.fixture(scope="module")
def suite(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A suite with one static module and two experiments, of which the second breaks POD-05."""
    folder = tmp_path_factory.mktemp("suite")
    (folder / "conftest.py").write_text(CONFTEST, encoding="utf-8")
    (folder / "pytest.ini").write_text("[pytest]\n", encoding="utf-8")
    for name, source in MODULES.items():
        path = folder / "tests" / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(HEAD + source, encoding="utf-8")
    return folder


@pytest.fixture(scope="module")
def runs(suite: Path) -> Path:
    """The reports of three shards and of a whole run, each in its folder."""
    run(suite, *(f"--shard {number}/3 --reports runs/shard-{number}" for number in (1, 2, 3)), "--reports runs/whole")
    return suite / "runs"


@pytest.fixture
def whole(runs: Path) -> dict[str, Any]:
    """The signoff.json of the suite's run in one process."""
    return signoff(runs / "whole")


@pytest.fixture
def shards(runs: Path, tmp_path: Path) -> list[Path]:
    """A copy of the reports of each shard."""
    names = ("shard-1", "shard-2", "shard-3")
    return [Path(shutil.copytree(runs / name, tmp_path / name, symlinks=True)) for name in names]


def signoff(reports: Path) -> dict[str, Any]:
    data: dict[str, Any] = json.loads((reports / "latest" / "signoff.json").read_text(encoding="utf-8"))
    jsonschema.validate(data, SCHEMA, format_checker=jsonschema.FormatChecker())
    return data


@pytest.fixture
def command(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Callable[..., int]:
    """`command("merge", …)` in an empty folder; returns the exit code."""
    monkeypatch.chdir(tmp_path)

    def call(*argv: object) -> int:
        monkeypatch.setattr(sys, "argv", ["acceptance", *map(str, argv)])
        return int(commands.main())

    return call


def test_shards_take_equally_long() -> None:
    durations = {"long": 100.0, "half": 55.0, "other": 45.0, "short": 5.0}
    assert divide(list(durations), 2, durations) == [{"long", "short"}, {"half", "other"}]
    assert divide(["a", "b", "c", "d"], 2, {}) == [{"a", "c"}, {"b", "d"}]
    assert divide(["new", "long", "half"], 2, durations) == [{"long"}, {"new", "half"}]


@pytest.mark.parametrize("text", ["0/4", "5/4", "x", "1", "1/2/3"])
def test_other_texts_are_no_shard(text: str) -> None:
    with pytest.raises(argparse.ArgumentTypeError, match="is not a shard such as 1/4"):
        parse_shard(text)


def test_every_test_is_in_one_shard(whole: dict[str, Any], shards: list[Path]) -> None:
    tests = [set(signoff(reports)["durations"]["tests"]) for reports in shards]
    assert set().union(*tests) == set(whole["durations"]["tests"])
    shared = {test for test in set().union(*tests) if sum(test in part for part in tests) > 1}
    assert shared == {"tests/behaviour/test_every.py::test_judging"}  # once for each shard with an experiment
    assert sum("test_judging" in test for part in tests for test in part) == 2
    together = {"tests/behaviour/test_first.py::test_one", "tests/behaviour/test_first.py::test_two"}
    assert sum(together <= part for part in tests) == 1


def test_shard_is_never_accepted(shards: list[Path]) -> None:
    data = signoff(shards[0])
    assert data["shard"] == {"number": 1, "of": 3}
    assert "this is shard 1 of 3, and its tests are a part of the run's: merge the shards" in data["reasons"]
    assert "shard 1 of 3" in (shards[0] / "latest" / "index.html").read_text(encoding="utf-8")
    reasons = {
        level["parts"]["backend"]["reason"]
        for rule in ("POD-10", "STA-08", "POD-05")
        for level in [data["rules"][rule]["levels"]["behaviour"]]
        if "backend" in level["parts"]
    }
    assert "in another shard of this run" in reasons


def test_merged_run_is_that_of_one_process(
    whole: dict[str, Any], shards: list[Path], command: Callable[..., int], capsys: pytest.CaptureFixture[str]
) -> None:
    assert command("merge", *shards, "--reports", "merged") == 1
    merged = signoff(Path("merged"))
    for key in ("verdict", "reasons", "subject", "rules", "findings", "measurements", "waivers", "unit_tests"):
        assert merged[key] == whole[key], key
    assert (merged["verdict"], merged["shard"]) == ("rejected", None)
    assert [part["shard"] for part in merged["merged"]] == ["shard 1 of 3", "shard 2 of 3", "shard 3 of 3"]
    assert merged["environment"]["kubernetes"] == "v1.37.2"
    assert merged["environment"]["fresh_cluster"]
    junit = ET.parse(Path("merged/latest/junit.xml")).getroot()  # noqa: S314
    assert len(list(junit.iter("testcase"))) == len(whole["durations"]["tests"]) + 1
    evidence = [path for paths in merged["evidence"].values() for path in paths]
    assert len(evidence) == 2  # of the test that ran in two shards
    assert all((Path("merged/latest") / path).is_file() for path in evidence)
    output = capsys.readouterr().out.splitlines()
    assert output[0] == "merged 3 shards, 7 tests"
    assert output[1].startswith("finding: ")
    assert output[output.index("release rejected") + 1].startswith("- 1 rule is broken: ")
    assert output[-2] == "report: merged/latest/index.html"
    assert output[-1].startswith("repeat the first finding: ")
    assert all((reports / "latest").exists() for reports in shards)
    assert not any((reports / "history").exists() for reports in shards)
    (file,) = Path("merged/history").iterdir()
    assert [json.loads(line)["verdict"] for line in file.read_text(encoding="utf-8").splitlines()] == ["rejected"]
    assert merged["changes"]["since"] is None


@pytest.mark.parametrize(
    ("path", "value", "message"),
    [
        (("checkout", "commit"), "0" * 40, "are of different commits: they can't be merged"),
        (("target", "chart", "release"), "other", "are of different targets: they can't be merged"),
        (
            ("metadata", "subject"),
            {"images": {"backend": {"id": "sha256:2"}}},
            "tested different images of the backend",
        ),
        (("selection",), "0", "are of different selections of tests"),
        (("rules",), "0", "are of different versions of the rules"),
        (("suite", "digest"), "sha256:0", "are of different versions of the suite"),
        (("options",), ["--nodes", "3"], "are of different options"),
        (("metadata", "environment"), {"kubernetes": "v1.36.4"}, "with different versions of Kubernetes"),
        (("suite_errors",), ["none"], "is not as its run left it: results.json: different"),
        (("shard",), [1, 3], "are both shard 1 of 3; name each shard once"),
        (("shard",), None, "is a whole run, no shard"),
        (("format",), "other", "has no results of a run, or of another version of the suite"),
    ],
)
def test_other_shards_are_refused(
    shards: list[Path],
    command: Callable[..., int],
    capsys: pytest.CaptureFixture[str],
    path: tuple[str, ...],
    value: object,
    message: str,
) -> None:
    number = next(
        number for number, reports in enumerate(shards) if signoff(reports)["subject"].get("images") and number > 0
    )
    file = shards[number] / "latest" / recorded.FILE
    contents = json.loads(file.read_text(encoding="utf-8"))
    place = contents
    for key in path[:-1]:
        place = place[key]
    place[path[-1]] = value
    file.write_text(json.dumps(contents), encoding="utf-8")
    assert command("merge", *shards) == 2
    error = capsys.readouterr().err
    assert error.startswith("ERROR: ")
    assert error.count("\n") == 1
    assert message in error
    assert not Path("reports").exists()


def test_damaged_history_costs_no_report(
    shards: list[Path], command: Callable[..., int], capsys: pytest.CaptureFixture[str]
) -> None:
    assert command("merge", *shards, "--reports", "merged") == 1
    (file,) = Path("merged/history").iterdir()
    file.write_bytes(file.read_bytes() + b'{"format": "todo-ch\xff')
    assert command("merge", *shards, "--reports", "merged") == 1
    assert (signoff(Path("merged"))["changes"]["runs"], signoff(Path("merged"))["changes"]["unreadable"]) == (1, 1)
    file.unlink()
    file.mkdir()
    capsys.readouterr()
    assert command("merge", *shards, "--reports", "merged") == 1
    output = capsys.readouterr()
    assert "WARNING: the history " in output.err
    assert f"WARNING: the run can't be added to {file}: Is a directory" in output.err
    assert "release rejected" in output.out
    assert "changes" not in signoff(Path("merged"))


def test_missing_and_doubled_shards_are_refused(
    shards: list[Path], command: Callable[..., int], capsys: pytest.CaptureFixture[str]
) -> None:
    assert command("merge", *shards[:2]) == 2
    assert "shard 3 of 3 missing" in capsys.readouterr().err
    assert command("merge", shards[0], shards[0]) == 2
    assert "one folder is named twice" in capsys.readouterr().err
    (shards[1] / "latest" / "junit.xml").unlink()
    assert command("merge", *shards) == 2
    assert "has no junit.xml" in capsys.readouterr().err
    assert command("merge", "nowhere") == 2
    assert "nowhere has no results of a run" in capsys.readouterr().err


def test_more_shards_than_modules_are_refused(suite: Path) -> None:
    assert "ERROR: --shard 1/9: the selected tests are 3 groups" in run(suite, "--shard 1/9 --reports none")
    assert not list((suite / "none").glob("*"))


def test_shards_of_another_suite_are_refused(
    shards: list[Path], command: Callable[..., int], capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(merging, "suite", lambda: Suite("2.0.0", None, clean=False, digest="sha256:0"))
    assert command("merge", *shards) == 2
    assert "was tested by another version of the suite than this one" in capsys.readouterr().err


def test_test_that_no_shard_has_is_missed(shards: list[Path]) -> None:
    records = [recorded.read(reports / "latest") for reports in shards]
    merged = merging.merge(records).results
    assert list(unselected(merged)) == []
    del merged.tests["tests/static/test_chart.py::test_chart[1]"]
    assert list(unselected(merged)) == ["1 test that asserts rules was not selected"]


def test_merged_run_has_the_images_of_every_shard(shards: list[Path]) -> None:
    records = [recorded.read(reports / "latest") for reports in shards]
    images = {"worker": {"reference": "w:1", "id": "sha256:3"}}
    records[-1].metadata.subject["images"] = images
    assert merging.merge(records).results.metadata.subject["images"].keys() == {"backend", "worker"}
    records[0].metadata.subject["images"] = {"backend": {"reference": "b:1", "id": "sha256:1"}}
    assert merging.merge(records).results.metadata.subject["images"].keys() == {"backend", "worker"}


def test_recorded_durations_are_those_of_the_modules_own_fixtures_and_calls(tmp_path: Path) -> None:
    fixtures = [
        {"name": "cluster", "where": "", "setup": 40.0, "teardown": 1.0},
        {"name": "experiments", "where": "tests/behaviour", "setup": 9.0, "teardown": 14.0},
        {"name": "rollouts", "where": "tests/behaviour/test_rollout.py", "setup": 120.0, "teardown": 2.0},
    ]
    tests = {
        "tests/behaviour/test_rollout.py::test_a": {"setup": 160.0, "call": 0.5, "teardown": 0.0},
        "tests/unit/test_x.py::test_b": {"setup": 0.0, "call": 7.0},
    }
    path = tmp_path / "durations.json"
    path.write_text('{"tests/static/test_rules.py": 20.0}', encoding="utf-8")
    recorded_durations.record({"durations": {"fixtures": fixtures, "tests": tests}}, path)
    assert recorded_durations.load(path) == {
        "tests/behaviour/test_rollout.py": 122.5,
        "tests/static/test_rules.py": 20.0,
    }


def test_recorded_modules_exist() -> None:
    assert [name for name in recorded_durations.load() if not (ROOT / name).is_file()] == []
