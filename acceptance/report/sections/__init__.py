"""Sections of the report: a module takes a run's results and returns its part of signoff.json and of the page."""

from acceptance.report.sections.attempts import ATTEMPTS
from acceptance.report.sections.changes import CHANGES
from acceptance.report.sections.durations import DURATIONS
from acceptance.report.sections.errors import ERRORS, EVIDENCE
from acceptance.report.sections.findings import FINDINGS
from acceptance.report.sections.measurements import MEASUREMENTS
from acceptance.report.sections.not_tested import NOT_TESTED
from acceptance.report.sections.rules import GLANCE, RULES
from acceptance.report.sections.section import Evaluation, Section
from acceptance.report.sections.sign import SIGN
from acceptance.report.sections.subject import OVERRIDES, SUBJECT
from acceptance.report.sections.waivers import WAIVERS

SECTIONS = (
    FINDINGS,
    ERRORS,
    NOT_TESTED,
    CHANGES,
    WAIVERS,
    GLANCE,
    RULES,
    SUBJECT,
    OVERRIDES,
    ATTEMPTS,
    MEASUREMENTS,
    EVIDENCE,
    DURATIONS,
    SIGN,
)
"""In the order of the page."""

__all__ = ["SECTIONS", "Evaluation", "Section"]
