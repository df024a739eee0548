"""The pytest plugin: markers, outcomes, exit codes, and the report of a run."""

from __future__ import annotations

import json
import os
import re
import signal
import subprocess
import sys
import textwrap
import xml.etree.ElementTree as ET
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import jsonschema
import pytest

from acceptance.core.redaction import PLACEHOLDER
from acceptance.core.rules import ROOT
from acceptance.plugin.durations import planned_steps, step_text
from acceptance.report import verification
from tests.unit.pytest_runs import PytestRuns, pytest_runs

pytest_plugins = ["pytester"]

LEFT_OUT = ("-p", "no:timeout", "-p", "no:hypothesispytest")
"""The outer test's limit is this process's alarm; hypothesis would be imported anew each time."""

Write = Callable[[str, str], None]

HEAD = """
import pytest
from acceptance.checks.finding import Finding, Untested, Waived, report_findings
"""
PASSING = '@pytest.mark.rule("POD-04")\ndef test_it(): pass\n'
FAILING = '@pytest.mark.rule("POD-04")\ndef test_it(): assert 1 + 1 == 3\n'
BROKEN = '@pytest.mark.rule("POD-04")\ndef test_it(): raise OSError("no engine")\n'


@pytest.fixture
def write(pytester: pytest.Pytester) -> Write:
    """`write("static", source)`: a test module in a folder of its level, beside the ones before it."""
    pytester.makeconftest('pytest_plugins = ["acceptance.plugin"]')

    def add(folder: str, source: str) -> None:
        path = pytester.path / "tests" / folder
        path.mkdir(parents=True, exist_ok=True)
        name = f"test_{folder}_{len(list(path.iterdir()))}.py"
        (path / name).write_text(HEAD + textwrap.dedent(source), encoding="utf-8")

    return add


@pytest.fixture(scope="module")
def runs(tmp_path_factory: pytest.TempPathFactory) -> Iterator[PytestRuns]:
    """`runs.run(folder, …)`: pytest in a process of its own, for what ends or interrupts the process."""
    with pytest_runs(tmp_path_factory.mktemp("runs")) as started:
        yield started


def run(pytester: pytest.Pytester, *argv: str) -> pytest.RunResult:
    return pytester.runpytest_inprocess(*LEFT_OUT, *argv)


def signoff(pytester: pytest.Pytester) -> dict[str, Any]:
    data: dict[str, Any] = json.loads((pytester.path / "reports" / "latest" / "signoff.json").read_text("utf-8"))
    return data


def entries(folder: Path) -> set[str]:
    return {path.name for path in folder.iterdir()} - {".gitignore"} if folder.exists() else set()


# -------------------------------------------------------------------------- setup


@pytest.mark.parametrize("kind", ["toolchain.console.ToolchainError", "acceptance.core.wait.WaitError"])
def test_setup_error_of_many_tests_is_shown_once(pytester: pytest.Pytester, write: Write, kind: str) -> None:
    module, _, name = kind.rpartition(".")
    write(
        "contract",
        f"""
        from {module} import {name}

        @pytest.fixture(scope="session")
        def cluster():
            raise {name}("the cause and the cure")

        @pytest.mark.rule("POD-04")
        @pytest.mark.parametrize("number", range(3))
        def test_it(cluster, number): pass
        """,
    )
    result = run(pytester)
    assert result.ret == 2
    text = result.stdout.str()
    assert text.count("\nthe cause and the cure\n") == 1
    # Where CI is set, pytest's summary repeats it.
    expected = (
        "setup failed with the same error as tests/contract/test_contract_0.py::test_it[0]: the cause and the cure"
    )
    assert text.splitlines().count(expected) == 2
    assert "def cluster" not in text


def test_finding_is_written_when_it_is_made(pytester: pytest.Pytester, write: Write) -> None:
    write("static", FAILING)
    write("static", PASSING)
    lines = run(pytester).stdout.str().splitlines()
    at_once = lines[: next(number for number, line in enumerate(lines) if " FAILURES " in line)]
    assert [line for line in at_once if line.startswith("test_it: ")] == ["test_it: assert (1 + 1) == 3"]


@pytest.mark.parametrize(("rule", "exit_code"), [("STA-13", 0), ("STA-01", 1)])
def test_assertion_of_a_derived_rule_is_advice_on_a_lenient_target(
    pytester: pytest.Pytester, write: Write, rule: str, exit_code: int
) -> None:
    text = (ROOT / "target.toml").read_text(encoding="utf-8")
    (pytester.path / "target.toml").write_text(text.replace("strict = true", "strict = false"), encoding="utf-8")
    for name in ("chart", "app", "dockerfiles"):
        (pytester.path / name).symlink_to(ROOT / name)
    write("behaviour", FAILING.replace("POD-04", rule))
    result = run(pytester, "tests", "--target", "target.toml")
    assert result.ret == exit_code
    advice = [each["rule"] for each in signoff(pytester)["findings"] if each["severity"] == "advice"]
    assert advice == ([] if exit_code else [rule])
    if not exit_code:
        result.stdout.fnmatch_lines([f"*advice: {rule}: Release/todo: assert (1 + 1) == 3"])


def test_refused_upgrade_is_a_finding_of_the_rule(pytester: pytest.Pytester, write: Write) -> None:
    write(
        "behaviour",
        """
        from acceptance.kube.helm import RefusedReleaseError

        @pytest.fixture
        def changed():
            words = 'Error: UPGRADE FAILED: cannot patch "api" with kind Deployment: field is immutable'
            raise RefusedReleaseError(["helm", "upgrade"], 1, "", words)

        @pytest.mark.rule("STA-08")
        def test_in_setup(changed): pass
        """,
    )
    result = run(pytester)
    assert result.ret == 1
    [found] = [each for each in signoff(pytester)["findings"] if each["rule"] == "STA-08"]
    assert (found["object"], found["field"], found["severity"]) == ("Release/todo", "helm upgrade", "blocking")
    assert found["actual"] == 'refused: UPGRADE FAILED: cannot patch "api" with kind Deployment: field is immutable'


def test_refused_upgrade_of_a_teardown_is_an_error(pytester: pytest.Pytester, write: Write) -> None:
    """It restores the release after many tests: the rules of the last one have nothing to do with it."""
    write(
        "behaviour",
        """
        from acceptance.kube.helm import RefusedReleaseError

        @pytest.fixture(scope="module")
        def restored():
            yield
            raise RefusedReleaseError(["helm", "upgrade"], 1, "", "Error: UPGRADE FAILED: field is immutable")

        @pytest.mark.rule("STA-08")
        def test_last(restored): pass
        """,
    )
    result = run(pytester)
    assert result.ret == 2
    signed = signoff(pytester)
    assert signed["findings"] == []
    assert "teardown: RefusedReleaseError" in json.dumps(signed)


# ---------------------------------------------------------------------- collection


def test_folder_sets_markers_and_rules_bind(pytester: pytest.Pytester, write: Write) -> None:
    write("static", '@pytest.mark.rule("POD-04")\ndef test_s(): pass\n')
    write("contract", '@pytest.mark.rule("POD-04")\ndef test_c(): pass\n')
    write("unit", "def test_h(): pass\n")
    for selected, count in (("e2e", 2), ("static", 1), ("contract", 1), ("unit", 1), ("journey", 0)):
        result = run(pytester, "--collect-only", "-q", "-m", selected)
        collected = [line for line in result.outlines if "::" in line]
        assert len(collected) == count, selected
    assert not (pytester.path / "reports").exists()


@pytest.mark.parametrize(
    ("folder", "source", "expected"),
    [
        ("static", "def test_it(): pass", "bind it to a rule"),
        ("static", "@pytest.mark.rule()\ndef test_it(): pass", "bind it to a rule"),
        ("static", '@pytest.mark.rule("POD-99")\ndef test_it(): pass', "'POD-99' is not in spec/rules.yaml"),
        (
            "image",
            '@pytest.mark.rule("POD-04")\ndef test_it(): pass',
            "POD-04 is asserted at static, live, not at image",
        ),
        ("unit", '@pytest.mark.rule("POD-04")\ndef test_it(): pass', "asserts no rule"),
        ("elsewhere", '@pytest.mark.rule("POD-04")\ndef test_it(): pass', "belongs in a folder of its level"),
        (
            "static",
            '@pytest.mark.rule("POD-08")\n@pytest.mark.parametrize("part", ["frontend"])\ndef test_it(part): pass',
            "POD-08 is a rule of the backend, not of the frontend",
        ),
    ],
)
def test_wrong_rule_binding_stops_the_run(
    pytester: pytest.Pytester, write: Write, folder: str, source: str, expected: str
) -> None:
    write(folder, source)
    result = run(pytester)
    assert result.ret == 2
    assert expected in result.stderr.str()
    assert "Traceback" not in result.stderr.str() + result.stdout.str()
    assert not entries(pytester.path / "reports")


@pytest.mark.parametrize(
    ("argv", "expected"),
    [
        (("--target", "nowhere.toml"), "cannot read the target file nowhere.toml"),
        (("tests/nowhere",), "file or directory not found: tests/nowhere"),
        (("-m", "nonsense"), "Unknown marker"),
        (("--reports", "/proc/nowhere"), "can't write to /proc/nowhere"),
        (("--context", "mine"), "pass --allow-disruption"),
    ],
)
def test_usage_error_is_one_sentence_and_leaves_nothing(
    pytester: pytest.Pytester, write: Write, argv: tuple[str, ...], expected: str
) -> None:
    write("behaviour", '@pytest.mark.rule("POD-10")\ndef test_it(): pass\n')
    (pytester.path / "pytest.ini").write_text("[pytest]\nstrict = true\n")
    result = run(pytester, *argv)
    errors = [line for line in result.stderr.lines if line]
    assert result.ret == 2
    assert len(errors) == 1
    assert expected in errors[0]
    assert not entries(pytester.path / "reports")


@pytest.mark.parametrize(
    ("option", "expected"),
    [
        ("--rollouts=many", "argument --rollouts: invalid int value: 'many'; see pytest --help"),
        ("--no-such-option", "unrecognized arguments: --no-such-option; see pytest --help"),
        ("--cluster-provider=minikube --context=mine", "and context mine is an existing one: omit one of the two"),
        ("--cluster-provider=existing", "--cluster-provider existing needs --context NAME"),
        ("--nodes=5", "--nodes 5 is not supported; name 1 to 4"),
        (
            "--node-image=kindest/node:v1.36.4 --cluster-provider=minikube",
            "--node-image applies only to a kind cluster that the run creates: omit it, or --cluster-provider minikube",
        ),
        ("--nodes=2 --context=mine", "--nodes applies only to a kind cluster that the run creates"),
        ("--allow-node-access", "--allow-node-access applies only to the cluster that --context names"),
        ("--own-release", "--own-release applies only to the cluster that --context names"),
        ("--registry=registry.example/team", "--registry applies only to the cluster that --context names"),
        (
            "--cluster-provider=none --keep-cluster",
            "--cluster-provider none has no cluster: omit it, or --keep-cluster",
        ),
        ("--capture=tee-sys", "would show secrets"),
        ("--context=mine --keep-cluster", "context mine is an existing one: omit one of the two"),
    ],
)
def test_wrong_option_is_one_sentence(
    pytester: pytest.Pytester, write: Write, runs: PytestRuns, option: str, expected: str
) -> None:
    write("static", PASSING)
    done = runs.run(pytester.path, *option.split())
    assert done.returncode == 2
    assert len(done.stderr.splitlines()) == 1
    assert expected in done.stderr
    assert not entries(pytester.path / "reports")


@pytest.mark.parametrize(
    ("option", "expected"),
    [
        ("--no-such-option", "unrecognized arguments: --no-such-option; see pytest --help"),
        ("--nodes=5", "--nodes 5 is not supported; name 1 to 4"),
    ],
)
def test_wrong_option_of_the_environment_is_one_sentence(
    pytester: pytest.Pytester, write: Write, option: str, expected: str
) -> None:
    write("static", PASSING)
    done = pytest_in(pytester.path, PYTEST_ADDOPTS=option)
    assert done.returncode == 2
    assert done.stderr == f"ERROR: {expected}\n"
    assert not entries(pytester.path / "reports")


def test_help_lists_the_options(pytester: pytest.Pytester, write: Write) -> None:
    write("static", PASSING)
    done = pytest_in(pytester.path, "--help")
    assert (done.returncode, done.stderr) == (0, "")
    assert "--allow-disruption" in done.stdout


def test_plugin_starts_without_the_client_of_kubernetes() -> None:
    script = "import sys, acceptance.plugin.session; sys.exit('kubernetes' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", script], cwd=ROOT, check=False).returncode == 0


def test_contract_tests_need_no_permission_to_disrupt(pytester: pytest.Pytester, write: Write) -> None:
    write("contract", PASSING)
    assert run(pytester, "--context", "mine").ret == 0


def test_allow_disruption_permits_experiments(pytester: pytest.Pytester, write: Write) -> None:
    write("behaviour", '@pytest.mark.rule("POD-10")\ndef test_it(): pass\n')
    assert run(pytester, "--context", "mine", "--allow-disruption").ret == 0
    assert run(pytester, "--context", "mine", "--own-release").ret == 0


# ---------------------------------------------------------------------- exit codes


@pytest.mark.parametrize(
    ("source", "code"),
    [
        (PASSING, 0),
        (FAILING, 1),
        (BROKEN, 2),
        ('@pytest.mark.rule("POD-04")\ndef test_it(): raise Untested("no cluster")\n', 0),
        ('@pytest.mark.rule("POD-04")\ndef test_it(): raise Waived("linux/arm64")\n', 0),
        ('@pytest.mark.rule("POD-04")\ndef test_it(): pytest.skip("why")\n', 2),
        ('@pytest.mark.rule("POD-04")\n@pytest.mark.skip(reason="why")\ndef test_it(): pass\n', 2),
        ('@pytest.mark.rule("POD-04")\n@pytest.mark.xfail\ndef test_it(): assert 0\n', 1),
        ("import nothing_of_that_name\n", 2),
        ("", 2),
    ],
    ids=["passed", "failed", "error", "untested", "waived", "skip", "skip mark", "xfail", "no import", "no test"],
)
def test_exit_code_distinguishes_findings_from_errors(
    pytester: pytest.Pytester, write: Write, source: str, code: int
) -> None:
    write("static", source)
    assert run(pytester).ret == code
    assert entries(pytester.path / "reports" / "latest") >= {"junit.xml", "index.html", "signoff.json"}


@pytest.mark.parametrize(("source", "code"), [(PASSING, 2), (FAILING, 1), (BROKEN, 2)])
def test_signoff_exit_code_is_the_verdict(pytester: pytest.Pytester, write: Write, source: str, code: int) -> None:
    write("static", source)
    assert run(pytester, "--signoff").ret == code


def test_unit_test_that_ends_untested_is_an_error(pytester: pytest.Pytester, write: Write) -> None:
    write("unit", "def test_it(): raise Untested('nothing to assert')\n")
    result = run(pytester)
    assert result.ret == 2
    result.stdout.fnmatch_lines(["*a unit test has nothing that it could lack: nothing to assert*"])


def test_failed_unit_test_is_no_finding(pytester: pytest.Pytester, write: Write) -> None:
    write("unit", "def test_it(): assert 0\n")
    assert run(pytester).ret == 1
    assert signoff(pytester)["verdict"] == "incomplete"
    assert signoff(pytester)["unit_tests"]["failed"][0]["result"] == "failed"


def pytest_in(folder: Path, *argv: str, **variables: str) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-m", "pytest", "-p", "no:acceptance-invocation", *argv]
    environment = {**os.environ, "PYTHONPATH": str(ROOT), **variables}
    return subprocess.run(command, cwd=folder, env=environment, capture_output=True, text=True, check=False)


def test_interrupt_and_timeout_are_reported_as_errors(
    pytester: pytest.Pytester, write: Write, runs: PytestRuns
) -> None:
    write(
        "static",
        """
        import os, signal, threading
        @pytest.mark.rule("POD-06")
        @pytest.mark.timeout(0.2, method="signal")
        def test_too_long(): threading.Event().wait(10)
        @pytest.mark.rule("POD-07")
        def test_interrupted():
            signal.signal(signal.SIGINT, signal.default_int_handler)  # a shell's background job ignores it
            os.kill(os.getpid(), signal.SIGINT)
        """,
    )
    assert runs.run(pytester.path).returncode == 2
    data = signoff(pytester)
    assert data["verdict"] == "incomplete"
    assert any("interrupted" in reason for reason in data["reasons"])
    assert {data["rules"][rule]["levels"]["static"]["result"] for rule in ("POD-06", "POD-07")} == {"error"}
    assert "pytest-timeout" in data["rules"]["POD-06"]["levels"]["static"]["tests"][0]["reason"]


@pytest.mark.parametrize("interrupt", ["SIGINT", "SIGTERM"])
def test_teardown_failure_after_interrupt_is_reported(
    pytester: pytest.Pytester, write: Write, runs: PytestRuns, interrupt: str
) -> None:
    write(
        "static",
        f"""
        import os, signal

        @pytest.fixture(scope="session")
        def release():
            yield
            raise OSError("it was not restored")

        @pytest.mark.rule("POD-06")
        def test_interrupted(release):
            signal.signal(signal.SIGINT, signal.default_int_handler)  # a shell's background job ignores it
            os.kill(os.getpid(), signal.{interrupt})
        """,
    )
    done = runs.run(pytester.path)
    assert done.returncode == 2
    assert "Traceback" not in done.stderr
    assert "the run's teardown: OSError: it was not restored" in done.stdout
    assert "the run's teardown: OSError: it was not restored" in signoff(pytester)["reasons"]


def test_error_of_a_cleanup_does_not_hide_an_interrupt(
    pytester: pytest.Pytester, write: Write, runs: PytestRuns
) -> None:
    write(
        "static",
        """
        import os, signal

        @pytest.mark.rule("POD-06")
        def test_interrupted():
            try:
                os.kill(os.getpid(), signal.SIGTERM)
            finally:
                raise OSError("it was not restored")

        @pytest.mark.rule("POD-07")
        def test_after_it():
            pass
        """,
    )
    assert runs.run(pytester.path).returncode == 2
    data = signoff(pytester)
    assert any("interrupted" in reason for reason in data["reasons"])
    (after,) = data["rules"]["POD-07"]["levels"]["static"]["tests"]
    assert after["reason"] == "not run: the session ended first"


# ------------------------------------------------------------------- an example run

SERVICE = "Service/todo-backend-service"
SECRET = "b9-Zt_4wQx77Kc"  # noqa: S105 - made up
EXAMPLE = {
    "static": f"""
        import base64, logging
        from acceptance.core.redaction import redactor
        SECRET = "{SECRET}"
        redactor.add(SECRET)

        @pytest.mark.rule("POD-04", "POD-06")
        @pytest.mark.parametrize("part", ["backend", "frontend"])
        def test_containers(part, target):
            found = [Finding("POD-04", f"Deployment/todo-{{part}}", "spec.containers", "1-5", SECRET)]
            report_findings(found if part == "backend" else [], target)

        @pytest.mark.rule("IMG-01", "IMG-02")
        def test_by_assertion():
            text = SECRET * 40
            print(base64.b64encode(b"x" + SECRET.encode()).decode())
            logging.getLogger("lib").warning("token %s", SECRET)
            assert text == "", text

        @pytest.mark.rule("CFG-05")
        def test_advice(target):
            report_findings([Finding("CFG-05", "ConfigMap/x", "data", "origins", "a path", advice=True)], target)

        @pytest.mark.rule("SVC-03")
        def test_waived_by_the_target(target):
            nodeport = Finding("SVC-03", "Service/todo-backend-service", "spec.type", "ClusterIP", "NodePort")
            report_findings([nodeport], target)

        @pytest.mark.rule("HPA-02")
        def test_untested(): raise Untested("HPA-01: there is no HPA")
    """,
    "contract": f"""
        import time
        from acceptance.report.results import Limit, Picture
        SECRET = "{SECRET}"

        @pytest.fixture(scope="session")
        def cluster(on_failure, run_metadata):
            run_metadata.environment["kubernetes"] = "v1.35.1"
            run_metadata.subject["images"] = {{"backend": {{"digest": "sha256:00"}}}}
            run_metadata.override({{"a": {{"b": 1, "c": 2}}}}, {{"a": {{"b": 1, "c": 3}}, "d": SECRET}}, "two cores")
            with on_failure(lambda: {{"pods": f"todo-backend-0: CrashLoopBackOff {{SECRET}}"}}):
                yield
                time.sleep(0.05)

        @pytest.fixture(scope="session")
        def release(cluster):
            raise RuntimeError(f"helm failed {{SECRET}}")

        @pytest.mark.rule("POD-04")
        def test_containers(release): pass

        @pytest.mark.rule("POD-06")
        def test_resources(release): pass

        @pytest.mark.rule("POD-07")
        def test_measured(cluster, record_measurement, record_picture, record_evidence):
            record_measurement("Ready", 31.5, "s", Limit(180, "CHT-11"))
            record_picture(Picture("Rollout", f"<svg><text>{{SECRET}}</text></svg>", "A line."))
            record_evidence("requests.jsonl", f'{{{{"key": "{{SECRET}}"}}}}')
    """,
    "unit": "def test_own(): pass\n",
}


@dataclass(frozen=True)
class ExampleRun:
    done: subprocess.CompletedProcess[str]
    folder: Path
    signoff: dict[str, Any]

    def level(self, rule: str, level: str) -> dict[str, Any]:
        found: dict[str, Any] = self.signoff["rules"][rule]["levels"][level]
        return found


@pytest.fixture(scope="module")
def example(tmp_path_factory: pytest.TempPathFactory, runs: PytestRuns) -> ExampleRun:
    root = tmp_path_factory.mktemp("example")
    (root / "conftest.py").write_text('pytest_plugins = ["acceptance.plugin"]\n', encoding="utf-8")
    for folder, source in EXAMPLE.items():
        path = root / "tests" / folder / f"test_{folder}.py"
        path.parent.mkdir(parents=True)
        path.write_text(HEAD + textwrap.dedent(source), encoding="utf-8")
    waivers = "".join(
        f'\n[[waivers]]\nrule = "{rule}"\nobject = "{SERVICE}"\nreason = "old client"\nuntil = {until}\n'
        for rule, until in (("SVC-03", "2999-01-01"), ("SVC-08", "2999-01-01"), ("SVC-05", "2001-01-01"))
    )
    (root / "target.toml").write_text((ROOT / "target.toml").read_text(encoding="utf-8") + waivers, encoding="utf-8")
    (root / "chart").mkdir()
    (root / "chart" / "Chart.yaml").write_text("name: todo-chatbot\n", encoding="utf-8")
    for environment in ("development", "production"):
        (root / "chart" / f"values-{environment}.yaml").touch()
    done = runs.run(root, "--target", "target.toml", "--showlocals", "-rA", "--junitxml", "mine.xml")
    latest = root / "reports" / "latest"
    return ExampleRun(done, latest, json.loads((latest / "signoff.json").read_text(encoding="utf-8")))


def test_no_secret_leaves_the_run(example: ExampleRun) -> None:
    files = [path for path in example.folder.resolve().rglob("*") if path.is_file()]
    texts = {path.name: path.read_text(encoding="utf-8") for path in [*files, example.folder.parents[1] / "mine.xml"]}
    texts |= {"stdout": example.done.stdout, "stderr": example.done.stderr}
    assert set(texts) >= {"junit.xml", "mine.xml", "index.html", "signoff.json", "pods.txt", "requests.jsonl"}
    for name, text in texts.items():
        for piece in (SECRET, SECRET[:8], SECRET[-8:], "OS1adF80d1F4Nz", "LVp0XzR3UXg3N0"):
            assert piece not in text, name
    assert PLACEHOLDER in texts["stdout"]
    assert PLACEHOLDER in texts["junit.xml"]
    assert PLACEHOLDER in texts["pods.txt"]


def test_signoff_fits_its_schema(example: ExampleRun) -> None:
    schema = json.loads((ROOT / "spec" / "signoff.schema.json").read_text(encoding="utf-8"))
    jsonschema.Draft202012Validator.check_schema(schema)
    jsonschema.Draft202012Validator(schema, format_checker=jsonschema.FormatChecker()).validate(example.signoff)


def test_report_is_what_its_results_make(example: ExampleRun) -> None:
    compared = [
        *verification.compare_folder(example.folder, example.signoff),
        *verification.compare_report(example.folder, example.signoff),
    ]
    assert [str(each) for each in compared if each.outcome != "same"] == []


def test_schema_rejects_invalid_data(example: ExampleRun) -> None:
    schema = json.loads((ROOT / "spec" / "signoff.schema.json").read_text(encoding="utf-8"))
    validator = jsonschema.Draft202012Validator(schema)
    changes: list[dict[str, object]] = [
        {"verdict": "fine"},
        {"more": 1},
        {"rules": {"POD-4": {}}},
        {"findings": [{"rule": "POD-04"}]},
    ]
    for change in changes:
        assert not validator.is_valid({**example.signoff, **change}), change


def test_findings_reject_the_run(example: ExampleRun) -> None:
    assert example.done.returncode == 1
    assert example.signoff["verdict"] == "rejected"
    assert "3 rules are broken: IMG-01, IMG-02, POD-04" in example.signoff["reasons"]
    assert "release rejected" in example.done.stdout


def test_terminal_ends_with_findings_verdict_and_next_command(example: ExampleRun) -> None:
    lines = example.done.stdout.splitlines()
    end = lines[next(place for place, line in enumerate(lines) if line.startswith("finding: ")) :]
    assert any(line.startswith("finding: POD-04: ") for line in end)
    assert end.index("release rejected") < next(place for place, line in enumerate(end) if line.startswith("report: "))
    assert any(line.startswith("repeat the first finding: ") and " -m pytest " in line for line in end)


def test_step_says_what_it_does(pytester: pytest.Pytester) -> None:
    pytester.makeconftest(
        '''
        import pytest

        @pytest.fixture(scope="session")
        def pod_kills():
            """Pods are deleted in turn, under traffic. Not shown."""

        @pytest.fixture(scope="session")
        def plain():
            pass
        '''
    )
    pytester.makepyfile("def test_it(pod_kills, plain): pass")
    (item,) = pytester.getitems("def test_it(pod_kills, plain): pass")
    assert isinstance(item, pytest.Function)
    texts = [step_text(item._fixtureinfo.name2fixturedefs[name][-1]) for name in ("pod_kills", "plain")]
    assert texts == ["pod kills: Pods are deleted in turn, under traffic", "plain"]


def test_rules_levels_and_parts_have_results(example: ExampleRun) -> None:
    static = example.level("POD-04", "static")
    assert static["result"] == "failed"
    assert {part: each["result"] for part, each in static["parts"].items()} == {
        "backend": "failed",
        "frontend": "passed",
    }
    assert example.level("POD-06", "static")["result"] == "passed"
    assert example.level("POD-04", "live")["result"] == "error"
    assert example.level("POD-07", "live")["result"] == "passed"
    assert example.level("HPA-02", "static")["result"] == "untested"
    assert example.level("HPA-02", "static")["parts"]["backend"]["reason"] == "HPA-01: there is no HPA"
    assert example.level("SVC-03", "static")["result"] == "waived"
    assert example.level("SVC-04", "live")["parts"]["backend"]["result"] == "untested"


def test_findings_have_a_severity(example: ExampleRun) -> None:
    severities = {(each["rule"], each["severity"]) for each in example.signoff["findings"]}
    assert severities == {
        ("POD-04", "blocking"),
        ("IMG-01", "blocking"),
        ("IMG-02", "blocking"),
        ("CFG-05", "advice"),
        ("SVC-03", "waived"),
    }
    assert "advice: CFG-05: ConfigMap/x: data: expected origins, actual a path" in example.done.stdout


def test_waivers_have_a_state(example: ExampleRun) -> None:
    assert [each["state"] for each in example.signoff["waivers"]] == ["used", "unused", "expired"]
    assert "waiver of SVC-05 for Service/todo-backend-service is expired" in example.done.stdout
    assert "waiver of SVC-08 for Service/todo-backend-service is unused" in example.done.stdout


def test_failed_setup_has_its_evidence_once(example: ExampleRun) -> None:
    first, second = (
        "tests/contract/test_contract.py::test_containers",
        "tests/contract/test_contract.py::test_resources",
    )
    assert "todo-backend-0: CrashLoopBackOff" in example.done.stdout
    assert f"same cause as {first} (evidence there)" in example.done.stdout
    assert second not in example.signoff["evidence"]
    files = example.signoff["evidence"][first]
    assert files
    assert [file for file in files if not (example.folder / file).is_file()] == []


def test_junit_has_rules_outcomes_and_evidence(example: ExampleRun) -> None:
    cases = {case.get("name"): case for case in ET.parse(example.folder / "junit.xml").iter("testcase")}  # noqa: S314
    properties = [(each.get("name"), each.get("value")) for each in cases["test_containers[backend]"].iter("property")]
    assert properties == [("rule", "POD-04"), ("rule", "POD-06"), ("part", "backend"), ("outcome", "failed")]
    assert "todo-backend-0: CrashLoopBackOff" in str(cases["test_containers"].findtext("error"))


def test_metadata_measurements_and_durations_are_recorded(example: ExampleRun) -> None:
    data = example.signoff
    assert data["environment"]["kubernetes"] == "v1.35.1"
    assert data["subject"]["images"]["backend"]["digest"] == "sha256:00"
    assert [(each["path"], each["shipped"], each["used"]) for each in data["overrides"]] == [
        ("a.c", 2, 3),
        ("d", None, PLACEHOLDER),
    ]
    assert data["measurements"] == [
        {
            "name": "Ready",
            "value": 31.5,
            "unit": "s",
            "limit": 180,
            "source": "CHT-11",
            "test": "tests/contract/test_contract.py::test_measured",
        }
    ]
    cluster = next(each for each in data["durations"]["fixtures"] if each["name"] == "cluster")
    assert cluster["teardown"] >= 0.05
    assert data["durations"]["total"] > cluster["teardown"]
    assert data["unit_tests"] == {"results": {"passed": 1}, "failed": []}


# ----------------------------------------------------------------- concurrent runs


def test_next_run_replaces_the_latest_report(pytester: pytest.Pytester, write: Write) -> None:
    write("static", PASSING)
    reports = pytester.path / "reports"
    assert run(pytester).ret == 0
    first = (reports / "latest").resolve()
    dead = reports / "20200101-000000-0000"
    dead.mkdir()
    (dead / ".lock").touch()
    assert run(pytester).ret == 0
    second = (reports / "latest").resolve()
    assert first != second
    assert entries(reports) == {"history", "latest", second.name}


def test_junit_names_file_and_line(pytester: pytest.Pytester, write: Write, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("MINE", str(pytester.path))
    write("static", PASSING)
    configuration = (ROOT / "pytest.ini").read_text(encoding="utf-8")
    (pytester.path / "pytest.ini").write_text(re.sub(r"(?m)^timeout.*\n", "", configuration), encoding="utf-8")
    assert run(pytester, "--junitxml=$MINE/mine.xml").ret == 0
    for path in (pytester.path / "mine.xml", pytester.path / "reports" / "latest" / "junit.xml"):
        (case,) = ET.parse(path).iter("testcase")  # noqa: S314
        assert (case.get("file"), case.get("line")) == ("tests/static/test_static_0.py", "3")


def test_concurrent_runs_do_not_interfere(pytester: pytest.Pytester, write: Write) -> None:
    write(
        "static",
        """
        import pathlib, threading
        @pytest.mark.rule("POD-04")
        def test_it():
            pathlib.Path("started").touch()
            while not pathlib.Path("go").exists():
                threading.Event().wait(0.02)
        """,
    )
    environment = {**os.environ, "PYTHONPATH": str(ROOT)}
    command = [sys.executable, "-m", "pytest", "-q"]
    printed = pytester.path.parent / "printed"
    with printed.open("w") as output:
        slow = subprocess.Popen(command, cwd=pytester.path, env=environment, stdout=output, stderr=subprocess.STDOUT)
    try:
        while not (pytester.path / "started").exists():
            assert slow.poll() is None, printed.read_text()
            signal.sigtimedwait([], 0.02)
        (during,) = entries(pytester.path / "reports")
        write("image", '@pytest.mark.rule("IMG-06")\ndef test_it(): pass\n')
        assert run(pytester, "tests/image").ret == 0
        assert during in entries(pytester.path / "reports")
    finally:
        (pytester.path / "go").touch()
        assert slow.wait(30) == 0, printed.read_text()
    assert (pytester.path / "reports" / "latest").resolve().name == during
    assert entries(pytester.path / "reports") == {"history", "latest", during}


def test_planned_steps_are_the_shared_fixtures_of_all_modules(pytester: pytest.Pytester, write: Write) -> None:
    source = """
    @pytest.fixture(scope="session")
    def cluster(request): pass
    @pytest.fixture(scope="module", params=["backend", "frontend"])
    def rollout(cluster): pass
    @pytest.fixture
    def own(): pass
    @pytest.mark.rule("POD-04")
    def test_one(rollout, own): pass
    @pytest.mark.rule("POD-04")
    def test_another(rollout): pass
    """
    write("contract", "def test_nothing(): pass")
    write("behaviour", source)
    write("behaviour", source)
    items, _ = pytester.inline_genitems(*LEFT_OUT)
    without, _ = pytester.inline_genitems(*LEFT_OUT, "tests/contract")
    assert planned_steps(items) - planned_steps(without) == 5  # `cluster` once, `rollout` twice in each of two modules
