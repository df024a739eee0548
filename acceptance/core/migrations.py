"""Commands that bring a database to the version of the program, as charts and scripts have them."""

from __future__ import annotations

import re
from collections.abc import Iterable

MIGRATION = re.compile(
    r"\balembic\b[^;&|\n]*\bupgrade\b|\bprisma\b[^;&|\n]*\bdeploy\b|\bdb[: ](?:push|deploy|upgrade|migrate)\b"
    r"|\baerich upgrade\b|\bdrizzle-kit (?:push|migrate)\b|\bknex migrate:latest\b|\btypeorm migration:run\b"
    r"|\bmanage\.py migrate\b(?! --(?:check|plan)\b)"
    r"|\b(?:python[\d.]*|node|npm|npx|pnpm|yarn)\b[^;&|\n]*?(?<!make)(?<!show)migrat"
    r"(?![\w:.-]*[ :](?:status|diff|--check|--plan)\b)[\w:.-]*"
)
"""Within a shell's text: the command of a known tool, or a program of the application's own that is named so."""


def migrates(words: Iterable[str]) -> bool:
    """Return whether a container's command is known to migrate a database, or a word of it says so."""
    text = " ".join(words)
    return MIGRATION.search(text) is not None or "migrat" in text.lower()
