"""CI: the workflows are valid, and run what a developer runs: targets of the Makefile."""

from __future__ import annotations

import json
import os
import re
import shlex
import shutil
import subprocess
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import yaml

from acceptance.core.rules import ROOT
from toolchain import binaries
from toolchain.console import CommandError, run

WORKFLOWS = sorted((ROOT / ".github" / "workflows").glob("*.yml"))
ACTIONS = [ROOT / "action.yml", *sorted((ROOT / ".github" / "actions").glob("*/action.yml"))]
GITLAB = ROOT / "ci" / "gitlab.yml"
TARGETS = set(re.findall(r"^([a-z0-9-]+):", (ROOT / "Makefile").read_text(encoding="utf-8"), re.MULTILINE))
MAKE = re.compile(r"\bmake (?:-C \S+ )?(\S+)")


def commands(document: object) -> Iterator[str]:
    """The shell scripts of a workflow, an action or a template."""
    if isinstance(document, dict):
        for key, value in document.items():
            if key in ("run", "script"):
                yield from [value] if isinstance(value, str) else value
            else:
                yield from commands(value)
    elif isinstance(document, list):
        for value in document:
            yield from commands(value)


def parsed(path: Path) -> Any:
    return yaml.safe_load(path.read_text(encoding="utf-8"))


def script_with(text: str, path: Path, *keys: str) -> str:
    """The only script of a file that contains a text; `keys` lead to the part of the document that is searched."""
    document = parsed(path)
    for key in keys:
        document = document[key]
    (script,) = (each for each in commands(document) if text in each)
    return script


def bash(script: str, folder: Path, *, code: int = 0, **variables: str) -> int:
    """Run a step's script as a runner does, with a `make` that logs its arguments and ends with `code`."""
    make = folder / "bin" / "make"
    make.parent.mkdir(exist_ok=True)
    make.write_text(f'#!/bin/sh\nprintf "<%s>" "$@" >> {folder}/log\nexit {code}\n', encoding="utf-8")
    make.chmod(0o755)
    environment = {"PATH": f"{make.parent}:{os.environ['PATH']}", **variables}
    shell = ["bash", "--noprofile", "--norc", "-e", "-o", "pipefail", "-c", script]
    return subprocess.run(shell, cwd=folder, env=environment, capture_output=True, check=False).returncode


def test_actionlint_finds_nothing(tmp_path: Path) -> None:
    actionlint = binaries.build("actionlint", ROOT / "ci" / "actionlint", ["tool"]) / "actionlint"
    assert WORKFLOWS
    assert run([actionlint, "-no-color", *WORKFLOWS], cwd=ROOT) == ""
    wrong = tmp_path / "wrong.yml"
    text = (ROOT / ".github" / "workflows" / "shards.yml").read_text(encoding="utf-8")
    wrong.write_text(text.replace("runs-on:", "run-on:"), encoding="utf-8")
    with pytest.raises(CommandError, match='unexpected key "run-on"'):
        run([actionlint, "-no-color", wrong], cwd=ROOT)


@pytest.mark.parametrize("path", [*WORKFLOWS, *ACTIONS, GITLAB], ids=lambda path: str(path.relative_to(ROOT)))
def test_every_job_runs_targets_of_the_makefile(path: Path) -> None:
    document = parsed(path)
    matrix = [str(word) for word in re.findall(r"target: \[(.*)\]", path.read_text(encoding="utf-8"))]
    named = [word for words in matrix for word in words.split(", ")]
    for script in commands(document):
        named += [target for target in MAKE.findall(script) if not target.startswith(("${{", '"$'))]
    assert set(named) <= TARGETS
    assert not any("pytest" in shlex.split(script, comments=True) for script in commands(document))


def test_shards_of_the_matrix_are_all_merged() -> None:
    jobs = parsed(ROOT / ".github" / "workflows" / "shards.yml")["jobs"]
    numbers = jobs["shard"]["strategy"]["matrix"]["shard"]
    scripts = "\n".join(commands(jobs))
    assert numbers == list(range(1, len(numbers) + 1))
    assert len(numbers) > 1
    shares = [step["env"]["SHARD"] for step in jobs["shard"]["steps"] if "SHARD" in step.get("env", {})]
    assert shares == [f"${{{{ matrix.shard }}}}/{len(numbers)}"]
    assert all(f"shards/shard-$CLUSTER.{number}" in scripts for number in numbers)


def test_caches_are_keyed_by_the_locks() -> None:
    for path in ACTIONS:
        steps = parsed(path)["runs"]["steps"]
        assert any(step.get("uses", "").startswith("actions/cache@") for step in steps)
        assert all(lock in json.dumps(steps) for lock in ("uv.lock", "requirements-uv.txt", "toolchain/", "support/"))


def test_inputs_reach_no_script_as_text() -> None:
    """An input in a script's text would be run as a command."""
    scripts = [script for path in (*ACTIONS, *WORKFLOWS) for script in commands(parsed(path))]
    assert scripts
    assert not [script for script in scripts if "${{ inputs" in script]


@pytest.mark.parametrize(
    ("code", "signoff", "reported", "passes"),
    [
        (0, "false", True, True),
        (1, "false", True, False),
        (2, "false", True, True),
        (2, "false", False, False),
        (0, "true", True, True),
        (1, "true", True, False),
        (2, "true", True, False),
    ],
)
def test_findings_fail_the_merge(tmp_path: Path, code: int, signoff: str, reported: bool, passes: bool) -> None:
    workflow = ROOT / ".github" / "workflows" / "shards.yml"
    merging = script_with("make merge", workflow, "jobs", "merge")
    judging = script_with("$VERDICT", workflow, "jobs", "merge")
    if reported:
        (tmp_path / "reports" / "latest").mkdir(parents=True)
        (tmp_path / "reports" / "latest" / "signoff.json").touch()
    output = tmp_path / "output"
    merged = bash(merging, tmp_path, code=code, CLUSTER="kind", GITHUB_OUTPUT=str(output))
    assert (merged == 0) is reported
    (name, _, verdict) = output.read_text(encoding="utf-8").strip().partition("=")
    assert name == "code"
    assert (merged == 0 and bash(judging, tmp_path, VERDICT=verdict, SIGNOFF=signoff) == 0) is passes


def test_history_of_a_failed_run_is_kept() -> None:
    steps = parsed(ROOT / ".github" / "workflows" / "shards.yml")["jobs"]["merge"]["steps"]
    used = {step["uses"].partition("@")[0]: step for step in steps if "uses" in step}
    assert used["actions/cache/save"]["if"] == "always()"
    assert used["actions/cache/save"]["with"]["key"] == used["actions/cache/restore"]["with"]["key"]
    assert "actions/cache" not in used


def test_clusters_of_a_night_share_no_artifact_and_no_history() -> None:
    names = [
        each["cluster"]
        for each in parsed(ROOT / ".github" / "workflows" / "nightly.yml")["jobs"]["acceptance"]["strategy"]["matrix"][
            "include"
        ]
    ]
    assert len(set(names)) == len(names) > 3
    assert not [(one, other) for one in names for other in names if one != other and other.startswith(f"{one}.")]


def test_release_is_of_a_full_version_and_attests_what_it_publishes() -> None:
    document = parsed(ROOT / ".github" / "workflows" / "release.yml")
    (pattern,) = document[True]["push"]["tags"]  # YAML 1.1 reads `on` so
    expression = re.compile(pattern.replace(".", "\\."))
    assert [bool(expression.fullmatch(tag)) for tag in ("v1", "v1.2", "v1.2.3", "v10.0.12")] == [0, 0, 1, 1]
    publish = document["jobs"]["publish"]
    assert publish["permissions"] == {"contents": "write", "id-token": "write", "attestations": "write"}
    (attested,) = (
        step["with"]["subject-path"].split()
        for step in publish["steps"]
        if step.get("uses", "").startswith("actions/attest-build-provenance@")
    )
    published = script_with("gh release create", ROOT / ".github" / "workflows" / "release.yml").split()
    assert all(Path(path).name in {Path(word).name for word in published} for path in attested)
    assert len(attested) == 4


@pytest.mark.parametrize(
    ("tests", "shard", "expected"),
    [
        ("static", "1/1", "<static><TARGET=/w/t.toml><ARGS=--reports /w/acceptance-reports -k x>"),
        ("e2e", "1/1", "<e2e><TARGET=/w/t.toml><ARGS=--reports /w/acceptance-reports -k x>"),
        (
            "e2e",
            "2/3",
            "<e2e><TARGET=/w/t.toml><SHARD=2/3><IMAGES={temp}/images.tar><ARGS=--reports /w/acceptance-reports -k x>",
        ),
        ("images", "1/1", "<images><TARGET=/w/t.toml><IMAGES={temp}/images.tar>"),
        (
            "merge",
            "1/1",
            "<merge><DIRS={temp}/acceptance-shards/a {temp}/acceptance-shards/b><ARGS=--reports /w/acceptance-reports>",
        ),
        ("static", "2/3", None),
        ("merge", "2/3", None),
        ("all", "1/1", None),
    ],
)
def test_action_calls_make(tmp_path: Path, tests: str, shard: str, expected: str | None) -> None:
    for name in "ab":
        (tmp_path / "acceptance-shards" / name).mkdir(parents=True)
    code = bash(
        script_with("case", ROOT / "action.yml"),
        tmp_path,
        SUITE="/suite",
        TARGET="t.toml",
        TESTS=tests,
        SHARD=shard,
        ARGUMENTS="-k x",
        GITHUB_WORKSPACE="/w",
        RUNNER_TEMP=str(tmp_path),
    )
    assert code == (0 if expected else 2)
    log = tmp_path / "log"
    called = log.read_text(encoding="utf-8") if log.exists() else None
    assert called == (expected and "<-C></suite>" + expected.format(temp=tmp_path))


def test_key_of_the_actions_cache_follows_every_lock(tmp_path: Path) -> None:
    script = script_with("ACCEPTANCE_LOCKS", ROOT / "action.yml")
    for name in ("uv.lock", "requirements-uv.txt"):
        shutil.copyfile(ROOT / name, tmp_path / name)
    for name in ("toolchain", "support"):
        shutil.copytree(ROOT / name, tmp_path / name)
    keys = []
    for changed in ("", "toolchain/go/go.sum", "toolchain/node/Dockerfile", "support/new", "uv.lock"):
        if changed:
            with (tmp_path / changed).open("a", encoding="utf-8") as file:
                file.write("#\n")
        environment = tmp_path / "environment"
        environment.unlink(missing_ok=True)
        assert bash(script, tmp_path, SUITE=str(tmp_path), GITHUB_ENV=str(environment)) == 0
        keys.append(environment.read_text(encoding="utf-8"))
    assert len(set(keys)) == len(keys)


def test_cache_in_gitlab_is_no_change_of_the_checkout(tmp_path: Path) -> None:
    script = script_with(".gitignore", GITLAB)
    subprocess.run(["git", "init", "--quiet", tmp_path], check=True)
    cache = tmp_path / ".acceptance-cache"
    assert bash(script, tmp_path, XDG_CACHE_HOME=str(cache)) == 0
    (cache / "built").touch()
    status = ["git", "status", "--porcelain", "--", ".acceptance-cache"]
    assert subprocess.run(status, cwd=tmp_path, capture_output=True, text=True, check=True).stdout == ""
