"""Compares what a run left, and what it tested, with the digests in its signoff.json."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

from jsonschema import Draft202012Validator

from acceptance.core import digests
from acceptance.core.rules import ROOT
from acceptance.core.suite import suite
from acceptance.report import html, recorded, signoff
from acceptance.report.evidence import excerpts
from acceptance.report.judging import judge
from acceptance.report.recorded import RecordError

SCHEMA_FILE = ROOT / "spec" / "signoff.schema.json"
ON_PAGE = re.compile(r'<code id="results-digest">([^<]*)</code>')
Outcome = Literal["same", "different", "not compared"]


@dataclass(frozen=True)
class Comparison:
    """What was compared, and how it differs if it does."""

    what: str
    outcome: Outcome
    reason: str = ""

    def __str__(self) -> str:
        """The comparison as one line."""
        return f"{self.what}: {self.outcome}" + (f", {self.reason}" if self.reason else "")


def compare(what: str, expected: str | None, actual: str | None) -> Comparison:
    """Compare a digest that signoff.json states with the actual one; None is an absent one."""
    if expected == actual:
        return Comparison(what, "same")
    return Comparison(what, "different", f"expected {expected or 'absent'}, actual {actual or 'absent'}")


def read_valid(folder: Path) -> dict[str, Any]:
    """Return the data of a run's signoff.json. Raises `RecordError` if it is not as the schema describes it."""
    data = signoff.read(folder)
    schema = json.loads(SCHEMA_FILE.read_text(encoding="utf-8"))
    for error in Draft202012Validator(schema).iter_errors(data):
        raise RecordError(f"{folder / signoff.FILE} is not what {SCHEMA_FILE.name} describes: {error.message[:200]}")
    return data


def compare_folder(folder: Path, data: Mapping[str, Any]) -> Iterator[Comparison]:
    """Yield the comparison of each file of a run's folder, and of what the page was made from."""
    actual = signoff.files(folder)
    for path in sorted({**data["files"], **actual}):
        yield compare(path, data["files"].get(path), actual.get(path))
    page = folder / html.FILE
    found = ON_PAGE.search(page.read_text(encoding="utf-8", errors="replace")) if page.is_file() else None
    yield compare(f"results on {html.FILE}", signoff.results_digest(data), found[1] if found else None)


def compare_report(folder: Path, data: Mapping[str, Any]) -> Iterator[Comparison]:
    """Yield the comparison of the page, and of the verdict, with what they are made from."""
    page, results = f"{html.FILE} as made from {signoff.FILE}", f"{signoff.FILE} as judged from {recorded.FILE}"
    if data["environment"].get("suite", {}).get("digest") != suite().digest:
        for what in (page, results):
            yield Comparison(what, "not compared", "it is of another version of the suite")
        return
    try:
        record = recorded.read(folder)
    except RecordError as error:
        for what in (page, results):
            yield Comparison(what, "not compared", str(error))
        return
    shown = {key: value for key, value in data.items() if key != "files"}
    rendered = html.render(shown, record.pictures, excerpts(folder, shown)).encode()
    yield compare(page, digests.of_bytes(rendered), signoff.files(folder).get(html.FILE))
    missing = {(rule, level): reason for rule, level, reason in record.missing}
    again = judge(recorded.results_of(record), missing, record.checkout, record.ended)
    yield compare(results, digests.of_data(_judged(again)), digests.of_data(_judged(data)))


def _judged(data: Mapping[str, Any]) -> object:
    """Return the verdict, the result of each level, and what was found where.

    Messages are left out, since secrets are redacted in them.
    """
    levels = [
        (rule, level, result["result"])
        for rule, every in data["rules"].items()
        for level, result in every["levels"].items()
    ]
    findings = sorted([each["rule"], each["object"], each["severity"]] for each in data["findings"])
    return [data["verdict"], sorted(levels), findings]


def compare_subject(
    data: Mapping[str, Any], actual: Mapping[str, str | None], images: frozenset[str] | None
) -> Iterator[Comparison]:
    """Yield the comparison of each thing that was tested.

    Args:
        data: The data of signoff.json.
        actual: The digests of those things that are at hand, by their names in `subject.digests`.
        images: The identifiers of the images at hand; None if there are none to compare with.
    """
    for name, expected in data["subject"].get("digests", {}).items():
        if name in actual:
            yield compare(name, expected, actual[name])
        else:
            yield Comparison(name, "not compared", "it is not available")
    for name, image in data["subject"].get("images", {}).items():
        what = f"image of the {name}"
        if images is None:
            yield Comparison(what, "not compared", "name an archive of images with --images")
        else:
            yield compare(what, image["id"], image["id"] if image["id"] in images else None)
