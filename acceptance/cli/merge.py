"""Join the shards of one run into one page, one signoff.json and one verdict, which is also the exit code."""

from __future__ import annotations

import os
import sys
from collections.abc import Sequence
from pathlib import Path

from acceptance.report import history, html, merging, recorded, run_folder, signoff
from acceptance.report.changes import changes
from acceptance.report.closing import closing_lines
from acceptance.report.judging import judge
from acceptance.report.verdict import Exit, exit_code


def merge(folders: Sequence[Path], reports: Path) -> Exit:
    """Merge the shards whose reports are in `folders` into a new run in `reports`, and print its verdict.

    Returns:
        The exit code of the verdict: 0 accepted, 1 rejected, 2 incomplete.

    Raises:
        RecordError: They are not the shards of one run.
    """
    shards = merging.read_shards(folders)
    merged = merging.merge(shards.values())
    results = merged.results
    folder = reports.resolve() / results.run
    with run_folder.open_folder(folder):
        merging.copy_evidence(shards, folder)
        merging.merge_junit(shards, folder / merging.JUNIT)
        data = judge(results, merged.missing, merged.checkout, merged.ended)
        file = history.path_of(reports, results.target, results.target_file)
        try:
            data["changes"] = changes(data, history.load(file))
        except history.HistoryError as error:
            sys.stderr.write(f"WARNING: {error}\n")
        html.write(folder, data, results.pictures)
        recorded.write(folder, recorded.record(results, merged.missing, merged.checkout, merged.ended))
        signoff.write(folder, data)
        run_folder.publish(folder, keep=shards)
    try:
        history.append(file, data)
    except OSError as error:
        sys.stderr.write(f"WARNING: the run can't be added to {file}: {error.strerror}\n")
    print(f"merged {len(shards)} shards, {len(results.tests)} tests")  # noqa: T201
    page = reports / run_folder.LATEST / html.FILE
    for line in closing_lines(data, os.path.relpath(page)):
        print(line)  # noqa: T201
    if data["verdict"] == "accepted":
        print(f"verify it: python -m acceptance verify {os.path.relpath(page.parent)} --strict")  # noqa: T201
    return exit_code(data["verdict"], results.tests.values(), signoff=True, interrupted=False, suite_error=False)
