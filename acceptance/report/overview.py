"""The overview of many runs: a page made from the histories in a folder for reports."""

from __future__ import annotations

from collections.abc import Container, Sequence
from pathlib import Path
from typing import Any

from acceptance.report import html
from acceptance.report.changes import TREND_RUNS, baseline, findings_compared, flaky, usual
from acceptance.report.history import FOLDER, WINDOW, Entry, History, HistoryError, load

PAGE = "history.html"


def write(reports: Path) -> Path:
    """Write the overview of the histories in a folder for reports, and return its path.

    Raises:
        HistoryError: The folder has no history of a run, or one that can't be read.
    """
    files = sorted((reports / FOLDER).glob("*.jsonl"))
    if not files:
        raise HistoryError(f"{reports} has no history of runs: name a folder for reports, such as reports")
    page = reports / PAGE
    kept = {path.parent.name for path in reports.glob(f"*/{html.FILE}")}
    page.write_text(render([load(file) for file in files], kept), encoding="utf-8")
    return page


def render(histories: Sequence[History], kept: Container[str] = ()) -> str:
    """Render the overview of targets, that of the newest run first; `kept` are the runs whose reports are there."""
    known = [history for history in histories if history.entries]
    known.sort(key=lambda history: history.entries[-1].ended, reverse=True)
    return html.template("overview.html").render(
        targets=[_target(history.entries) for history in known],
        kept=kept,
        unreadable=sum(history.unreadable for history in histories),
    )


def _target(runs: Sequence[Entry]) -> dict[str, Any]:
    """Return what the page shows of a target: its runs, newest first, trends of judged figures, and what is flaky."""
    rows = []
    for place, run in enumerate(runs):
        new, fixed = findings_compared(run, runs[:place])
        rows.append({"run": run, "new": new, "fixed": fixed})
    recent = runs[-WINDOW:]
    newest = {name: figure for run in recent for name, figure in run.figures.items()}
    figures = [_figure(name, runs) for name, figure in newest.items() if figure.limit is not None]
    return {
        "last": runs[-1],
        "rows": rows[::-1],
        "figures": {
            "Judged figures": [each for each in figures if len(set(each["values"])) > 1],
            "Judged figures that are the same in every run": [
                each for each in figures if len(set(each["values"])) == 1
            ],
        },
        "flaky": flaky(recent),
    }


def _figure(name: str, runs: Sequence[Entry]) -> dict[str, Any]:
    *earlier, last = measured = [run for run in runs if name in run.figures]
    return {
        "name": name,
        "last": last.figures[name],
        "values": [run.figures[name].value for run in measured][-TREND_RUNS:],
        "usual": usual([run.figures[name].value for run in baseline(last, earlier)]),
    }
