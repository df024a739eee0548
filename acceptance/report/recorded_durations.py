"""Recorded durations of test modules, by which a run is divided into shards: `spec/durations.json`."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from acceptance.core.rules import ROOT

DURATIONS_FILE = ROOT / "spec" / "durations.json"


def load(path: Path = DURATIONS_FILE) -> dict[str, float]:
    """Return the seconds by module; none without the file."""
    if not path.is_file():
        return {}
    durations: dict[str, float] = json.loads(path.read_text(encoding="utf-8"))
    return durations


def of_modules(signoff: Mapping[str, Any]) -> dict[str, float]:
    """Return what each module of a run took, from its signoff.json: its fixtures and its tests' calls.

    What the whole session or a folder shares is left out: the first module that needs it would take it all.
    """
    seconds: Counter[str] = Counter()
    durations = signoff["durations"]
    for fixture in durations["fixtures"]:
        if "::" in fixture["where"] or fixture["where"].endswith(".py"):
            seconds[fixture["where"].partition("::")[0]] += fixture["setup"] + fixture["teardown"]
    for test, phases in durations["tests"].items():
        seconds[test.partition("::")[0]] += phases.get("call", 0)
    return {module: round(value, 1) for module, value in sorted(seconds.items())}


def record(signoff: Mapping[str, Any], path: Path = DURATIONS_FILE) -> dict[str, float]:
    """Add what the modules of a run took to the file, and return what it holds now; unit tests are left out."""
    measured = {name: value for name, value in of_modules(signoff).items() if not name.startswith("tests/unit/")}
    durations = dict(sorted({**load(path), **measured}.items()))
    path.write_text(json.dumps(durations, indent=2) + "\n", encoding="utf-8")
    return durations
