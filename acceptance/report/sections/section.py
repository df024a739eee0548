"""What a section of the report is."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from acceptance.core.git import Checkout
from acceptance.core.rules import Level, Rule
from acceptance.report.results import Picture, Results
from acceptance.report.verdict import LevelResult, Verdict


@dataclass(frozen=True)
class Evaluation:
    """What the results of a run mean for the rules, and for the release."""

    rules: Mapping[str, Rule]
    levels: Mapping[str, Mapping[Level, LevelResult]]
    """By rule."""
    verdict: Verdict
    reasons: Sequence[str]
    checkout: Checkout
    ended: datetime


def no_data(_results: Results, _evaluation: Evaluation) -> dict[str, Any]:
    """Return nothing: the section shows what other sections state."""
    return {}


def always(_signoff: Mapping[str, Any]) -> bool:
    """Return True: the page has the section whatever the results are."""
    return True


def no_context(_signoff: Mapping[str, Any], _pictures: Sequence[Picture]) -> dict[str, Any]:
    """Return nothing: the section's template needs signoff.json's data only."""
    return {}


@dataclass(frozen=True)
class Section:
    """One section of the report, in the order of the page.

    `anchor` is its identifier on the page and names its template, `sections/<anchor>.html`; `title` stands in the
    page's navigation. `data` returns its keys of signoff.json; `context` what its template needs beyond them;
    `is_shown` whether the page has it.
    """

    anchor: str
    title: str
    data: Callable[[Results, Evaluation], dict[str, Any]] = no_data
    context: Callable[[Mapping[str, Any], Sequence[Picture]], dict[str, Any]] = no_context
    is_shown: Callable[[Mapping[str, Any]], bool] = always
