"""The list at the end of a proposed target: what is ready, and what only the user can say."""

from __future__ import annotations

from acceptance.chart.proposal.draft import Draft

READY = "Ready: `make static`, once the lines above are checked."
REMAINING = "Still to write for `make e2e`, see docs/your-application.md:"
OF_THE_APPLICATION = (
    "  [secret]: database_scheme and database_query, unless the application takes",
    "    postgresql://…?sslmode=require&channel_binding=require",
    "  [api]: paths, methods, statuses and fields, where they differ from the defaults; false: not offered",
    "  [auth]: how users sign up and in, and where the token is",
    "  [tables]: the tables and columns in PostgreSQL",
    "  [pages] and [screens]: the frontend's pages, and the names of their fields and buttons",
    "Each field and its default: docs/target-file.md.",
)


def note_remaining(draft: Draft, *, further: bool) -> None:
    """Add the list. `further` says whether the chart has workloads beside the components."""
    components = draft.document["components"]
    lines = [READY, REMAINING]
    lines += [f"  [components.{role}]: all of it" for role in ("backend", "frontend") if role not in components]
    lines += [
        f"  [components.{role}.image]: dockerfile and context"
        for role, part in components.items()
        if "dockerfile" not in part["image"]
    ]
    lines += ["  [[images]] or [overrides]: for the further workloads that are named above"] * further
    draft.note("\n".join([*lines, *OF_THE_APPLICATION]))
