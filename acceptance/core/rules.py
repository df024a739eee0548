"""The rules of the specification, read from `spec/rules.yaml`."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Literal, get_args

import yaml

Level = Literal["static", "image", "live", "behaviour"]
Part = Literal["backend", "frontend", "both", "release"]
Source = Literal["spec", "derived"]

LEVELS: tuple[Level, ...] = get_args(Level)
CHECKOUT = Path(__file__).resolve().parents[2]
INSTALLED = not (CHECKOUT / "pytest.ini").is_file()
"""Whether the suite is installed from a wheel, which has its tests and data in `acceptance/_suite`."""
ROOT = CHECKOUT / "acceptance" / "_suite" if INSTALLED else CHECKOUT
RULES_FILE = ROOT / "spec" / "rules.yaml"


@dataclass(frozen=True)
class Rule:
    """One rule: `id` such as `POD-04`, the `entity` it belongs to, and the levels it is asserted at."""

    id: str
    entity: str
    levels: tuple[Level, ...]
    part: Part
    source: Source
    text: str
    api: bool = False

    @property
    def components(self) -> tuple[str, ...]:
        """The components that the rule applies to; empty for a rule of the release as a whole."""
        if self.part == "release":
            return ()
        return ("backend", "frontend") if self.part == "both" else (self.part,)


@cache
def load(path: Path = RULES_FILE) -> dict[str, Rule]:
    """Load all rules by identifier, in the order of the file."""
    document: dict[str, dict[str, dict[str, object]]] = yaml.safe_load(path.read_text(encoding="utf-8"))
    return {
        identifier: Rule(
            id=identifier,
            entity=entity,
            levels=tuple(entry["how"]),  # type: ignore[arg-type]
            part=entry["part"],  # type: ignore[arg-type]
            source=entry["source"],  # type: ignore[arg-type]
            text=str(entry["rule"]),
            api=bool(entry.get("api", False)),
        )
        for entity, entries in document.items()
        for identifier, entry in entries.items()
    }
