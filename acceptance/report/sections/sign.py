"""The lines that a release approver signs, on the page of an accepted run alone."""

from __future__ import annotations

from acceptance.report.sections.section import Section

SIGN = Section("sign", "Sign-off", is_shown=lambda signoff: signoff["verdict"] == "accepted")
