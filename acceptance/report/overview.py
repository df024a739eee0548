"""The overview of many runs: a page made from the histories in a folder for reports."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

from acceptance.report import html
from acceptance.report.changes import TREND_RUNS, findings_compared, flaky, usual_range
from acceptance.report.history import FOLDER, WINDOW, Entry, HistoryError, load

PAGE = "history.html"


def write(reports: Path) -> Path:
    """Write the overview of the histories in a folder for reports, and return its path.

    Raises:
        HistoryError: The folder has no history, or one that can't be read.
    """
    files = sorted((reports / FOLDER).glob("*.jsonl"))
    if not files:
        raise HistoryError(f"{reports} has no history of runs: name a folder for reports, such as reports")
    page = reports / PAGE
    page.write_text(render([load(file).entries for file in files]), encoding="utf-8")
    return page


def render(histories: Sequence[Sequence[Entry]]) -> str:
    """Render the overview of targets, each with its runs in the order of time."""
    return html.template("overview.html").render(targets=[_target(runs) for runs in histories if runs])


def _target(runs: Sequence[Entry]) -> dict[str, Any]:
    """What the page shows of a target: its runs, the newest first, the trends of its judged figures, what is flaky."""
    rows = []
    for place, run in enumerate(runs):
        new, fixed = findings_compared(run, runs[:place])
        rows.append({"run": run, "new": new, "fixed": fixed})
    recent = runs[-WINDOW:]
    names = dict.fromkeys(name for run in recent for name, figure in run.figures.items() if figure.limit is not None)
    return {
        "last": runs[-1],
        "rows": rows[::-1],
        "figures": [_figure(name, recent) for name in names],
        "flaky": flaky(recent),
    }


def _figure(name: str, runs: Sequence[Entry]) -> dict[str, Any]:
    figures = [run.figures[name] for run in runs if name in run.figures]
    values = [figure.value for figure in figures]
    return {
        "name": name,
        "last": figures[-1],
        "values": values[-TREND_RUNS:],
        "usual": usual_range(values[:-1]),
    }
