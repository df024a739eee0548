"""The verdict's reasons as links to the sections and rules that they are about."""

from __future__ import annotations

import re
from collections.abc import Container, Mapping
from typing import Any

from markupsafe import Markup, escape

PLACES = {
    r"rules? (is|are) broken": "findings",
    r"rules? could not be judged|^the unit test ": "errors",
    r"levels are untested|not selected": "not-tested",
    r"cluster was not created|git checkout|uncommitted changes|^this is shard": "subject",
    r"^figures exceed": "measurements",
}
"""The page's section about a reason, by its words, which are all that signoff.json has of it."""


def rule_anchor(rule: str, signoff: Mapping[str, Any]) -> str:
    """Return the identifier of a rule's blocking findings on the page, or of the rule itself if it has none."""
    found = any(each["rule"] == rule and each["severity"] == "blocking" for each in signoff["findings"])
    return f"findings-{rule}" if found else rule


def linked(reason: str, signoff: Mapping[str, Any], sections: Container[str]) -> Markup:
    """Return a reason of the verdict with links to its section, if the page has that, and to each rule it names."""
    place = next((anchor for pattern, anchor in PLACES.items() if re.search(pattern, reason)), "")
    head, colon, rest = reason.partition(": ")
    names = rest.split(", ")
    if not colon or any(name not in signoff["rules"] for name in names):
        return _link(reason, place if place in sections else "")
    rules = Markup(", ").join(
        Markup('<span class="nowrap">{}</span>').format(_link(name, rule_anchor(name, signoff))) for name in names
    )
    return _link(head, place if place in sections else "") + ": " + rules


def _link(text: str, anchor: str) -> Markup:
    return Markup('<a href="#{}">{}</a>').format(anchor, text) if anchor else escape(text)
