"""CI: the workflows are valid, and run what a developer runs: targets of the Makefile."""

from __future__ import annotations

import json
import re
import shlex
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
    assert f"SHARD=${{{{ matrix.shard }}}}/{len(numbers)}" in scripts
    assert all(f"shards/shard-{number}" in scripts for number in numbers)


def test_caches_are_keyed_by_the_locks() -> None:
    for path in ACTIONS:
        steps = parsed(path)["runs"]["steps"]
        assert any(step.get("uses", "").startswith("actions/cache@") for step in steps)
        assert all(lock in json.dumps(steps) for lock in ("uv.lock", "requirements-uv.txt", "/toolchain/"))


def test_inputs_reach_no_script_as_text() -> None:
    """An input in a script's text would be run as a command."""
    for path in ACTIONS:
        assert not [script for script in commands(parsed(path)) if "${{ inputs" in script]
