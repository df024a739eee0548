"""What changed since a target's earlier runs: verdict, levels, findings, images, figures, and what is flaky.

Levels and findings are compared with the last run that tested them, so a run of a few tests neither fixes nor adds what
it did not look at. Verdicts, numbers of findings and durations are those of runs that tested about the same levels. A
figure's limit is a percentile of its history: of at least `MIN_RUNS` runs that were accepted, so that no fault sets a
limit, on the same kind of machine and cluster, since figures depend on it.
"""

from __future__ import annotations

import statistics
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from acceptance.report.history import WINDOW, Entry, History, entry, levels_of
from acceptance.traffic.records import percentile

PERCENT = 95
"""The percentile that is the limit: what one run in twenty exceeds if nothing changed."""
MIN_RUNS = 20
"""The least number of earlier runs for a limit: of fewer, not even one is above the 95th percentile."""
TREND_RUNS = 20
"""How many runs a trend line shows."""


@dataclass(frozen=True)
class Usual:
    """What is usual of a figure: its median, and the percentile above which it is a regression."""

    median: float
    limit: float


def usual(values: Sequence[float]) -> Usual | None:
    """Return what is usual of a figure; None for fewer than `MIN_RUNS` values."""
    if len(values) < MIN_RUNS:
        return None
    return Usual(statistics.median(values), percentile(values, PERCENT))


def baseline(this: Entry, earlier: Sequence[Entry]) -> list[Entry]:
    """Return the earlier runs whose figures set the limits of a run's figures."""
    same = [each for each in earlier if (each.platform, each.shards) == (this.platform, this.shards)]
    return [each for each in same if each.verdict == "accepted"][-WINDOW:]


def changes(signoff: Mapping[str, Any], history: History) -> dict[str, Any]:
    """Return `changes` of signoff.json.

    Args:
        signoff: The redacted data of this run's signoff.json.
        history: The target's earlier runs.
    """
    this = entry(signoff)
    recent = [each for each in history.entries if each.run != this.run][-WINDOW:]
    alike = [each for each in recent if each.is_comparable(this)]
    limiting = baseline(this, [each for each in history.entries if each.run != this.run])
    last = alike[-1] if alike else None
    new, fixed = findings_compared(this, recent)
    return {
        "runs": len(recent),
        "unreadable": history.unreadable,
        "since": last
        and {"run": last.run, "ended": last.ended.isoformat(), "commit": last.commit, "verdict": last.verdict},
        "levels": list(_levels(this, recent)),
        "findings": {"new": new, "fixed": fixed},
        "images": list(_images(this, recent)),
        "baseline": {"runs": len(limiting), "least": MIN_RUNS, "platform": this.platform},
        "figures": _figures(this, limiting),
        "flaky": flaky([*recent, this]),
        "trends": [
            _trend("blocking findings", "", [*(each.blocking for each in alike), this.blocking]),
            _trend("duration", "s", [each.seconds for each in (*alike, this) if each.platform == this.platform]),
        ],
    }


def _levels(this: Entry, earlier: Sequence[Entry]) -> Iterator[dict[str, str]]:
    before = levels_of(earlier)
    for name, result in this.levels.items():
        if name in before and before[name][1] != result:
            rule, level = name.split()
            yield {"rule": rule, "level": level, "before": before[name][1], "now": result}


def findings_compared(this: Entry, earlier: Sequence[Entry]) -> tuple[list[dict[str, str]], list[dict[str, str]]]:
    """Return the findings that are new in a run, and those that it no longer has."""
    before = levels_of(earlier)
    mine = {finding.key for finding in this.findings}
    new: dict[tuple[str, str, str], None] = {}
    fixed: dict[tuple[str, str, str], None] = {}
    for finding in this.findings:
        tested = [before[name][0] for level in finding.levels if (name := f"{finding.rule} {level}") in before]
        if tested and not any(finding.key in {each.key for each in past.findings} for past in tested):
            new[finding.key] = None
    for name in this.levels:
        rule, level = name.split()
        for past in before[name][0].findings if name in before else ():
            if past.rule == rule and level in past.levels and past.key not in mine:
                fixed[past.key] = None
    return [*map(_finding, new)], [*map(_finding, fixed)]


def _finding(key: tuple[str, str, str]) -> dict[str, str]:
    return dict(zip(("rule", "object", "severity"), key, strict=True))


def _images(this: Entry, earlier: Sequence[Entry]) -> Iterator[dict[str, str]]:
    for name, identifier in this.images.items():
        before = next((each.images[name] for each in reversed(earlier) if name in each.images), identifier)
        if before != identifier:
            yield {"name": name, "before": before, "now": identifier}


def _figures(this: Entry, earlier: Sequence[Entry]) -> list[dict[str, Any]]:
    """Return the figures above their limits, those first that are the furthest above."""
    found = []
    for name, figure in this.figures.items():
        values = [each.figures[name].value for each in earlier if name in each.figures]
        known = usual(values)
        if known and figure.value > known.limit:
            found.append(
                {
                    **_trend(name, figure.unit, [*values, figure.value]),
                    "value": figure.value,
                    "median": known.median,
                    "limit": known.limit,
                    "runs": len(values),
                }
            )
    return sorted(found, key=lambda each: (each["limit"] - each["value"]) / (abs(each["median"]) or 1))


def flaky(entries: Sequence[Entry]) -> list[dict[str, Any]]:
    """Return the levels whose results differ between runs of one commit, images and suite, by how often."""
    if not entries or entries[-1].commit is None or not entries[-1].clean:
        return []
    last = entries[-1]
    counts: dict[str, Counter[str]] = {}
    for each in entries:
        same = (each.clean, each.commit, each.suite) == (True, last.commit, last.suite)
        if same and (each.images == last.images or not each.images):
            for name, result in each.levels.items():
                counts.setdefault(name, Counter())[result] += 1
    found = [
        {"rule": name.split()[0], "level": name.split()[1], "results": dict(results)}
        for name, results in counts.items()
        if len(results) > 1
    ]
    return sorted(found, key=lambda each: -sum(n for result, n in each["results"].items() if result != "passed"))


def _trend(name: str, unit: str, values: Sequence[float]) -> dict[str, Any]:
    return {"name": name, "unit": unit, "values": list(values[-TREND_RUNS:])}
