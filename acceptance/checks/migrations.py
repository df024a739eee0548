"""REL-03, as far as a command shows it: no shell goes on as if a failed migration had succeeded."""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence

from acceptance.checks.component_view import ComponentView
from acceptance.checks.processes import command_line
from acceptance.checks.registry import Violation, check
from acceptance.core.fields import format_value
from acceptance.core.migrations import MIGRATION
from acceptance.core.shell import SHELLS, program, script

REDIRECTION = re.compile(r"&?\d*>{1,2}\s*(?:&\d|[^\s;&|]+)")
COMMENT = re.compile(r"(?m)^\s*#.*$")
NEXT = re.compile(r"[^;&|\n]*?\s*(\|\||&&|[;&|\n]|$)\s*")
"""The rest of a command, and what separates it from the next one."""
HARMLESS = re.compile(r"(?:/bin/)?true\b|:(?:\s|;|$)|echo\b|printf\b|exit 0\b|logger\b")
"""Commands after `||` that succeed, so that the migration counts as done."""
CONDITION = re.compile(r"(?:^|[;&|\n]|\b(?:do|then|else))\s*(?:if|while|until|!)\s[^;&|\n]*$")
ERREXIT = re.compile(r"\bset\s+(?:-\w*e|-o\s+errexit)|^#!\S+\s+-\w*e", re.MULTILINE)


@check("REL-03", "static")
def failed_migration_ends_the_container(view: ComponentView) -> Iterator[Violation]:
    """REL-03: a migration's exit code is the command's, or keeps what follows from being started."""
    for pod in view.pods:
        for container in pod.containers():
            field, argv, _ = command_line(view, container)
            if (shown := continues_after_failure(argv, _scripts(view))) is not None:
                expected = "a migration whose failure ends the command (&& or set -e)"
                yield Violation(pod.object, f"{field} after a migration", expected, format_value(shown))


def _scripts(view: ComponentView) -> dict[str, str]:
    chart = view.snapshot.chart
    sources = chart.build_contexts if chart else {}
    own = sources.get(view.component_name or "")
    return dict(own.scripts) if own else {}


def continues_after_failure(argv: Sequence[str], scripts: dict[str, str]) -> str | None:
    """Return the part of a command that continues after a failed migration; None if none is known to.

    Args:
        argv: The argument vector.
        scripts: The text of each script of the image, by its name.
    """
    text = script(argv)
    flags = [word for word in argv[1:3] if re.fullmatch(r"-\w*e\w*", word)] if program(argv) in SHELLS else []
    if text is None:
        named = next((each.rpartition("/")[2] for each in argv if each.endswith(".sh")), "")
        text = scripts.get(named)
    return _after_failure(text, errexit=bool(flags) or ERREXIT.search(text) is not None) if text else None


def _after_failure(text: str, *, errexit: bool) -> str | None:
    plain = REDIRECTION.sub(" ", COMMENT.sub("", text.replace("\\\n", " ")))
    for match in MIGRATION.finditer(plain):
        if CONDITION.search(plain[: match.start()]):
            continue
        rest = NEXT.match(plain, match.end())
        if rest is None:
            continue
        following = plain[rest.end() :]
        ignored = rest[1] == "||" and HARMLESS.match(following)
        if ignored or (rest[1] in (";", "\n") and not errexit and following.strip()):
            shown = f"{match.group()} {rest[1].strip()} {following.strip()}".replace("\n", "; ")
            return " ".join(shown.split())
    return None
