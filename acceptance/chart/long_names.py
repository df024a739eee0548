"""A name override beyond the limit: the longest name of an object, rather than the prefix, has 64 characters."""

from __future__ import annotations

from acceptance.chart.bounds import Case, value_path
from acceptance.chart.renderer import Renderer
from acceptance.checks.clauses import NAMED_BY_RULES
from acceptance.checks.finding import Untested
from acceptance.checks.snapshot import Snapshot
from acceptance.core.fields import name_of
from acceptance.core.values import nested

MAX_LABEL = 63
"""Of a name that is an RFC 1123 label."""


def too_long_name(renderer: Renderer, base: Snapshot) -> Case:
    """Return a case whose name override makes the longest name of an object one character too long.

    Raises:
        Untested: The target has no path for the override, or no name begins with what is overridden.
    """
    trial = "acceptance"
    path = value_path(renderer.target, None, "name_override")
    snapshot = renderer.with_values(base, nested(path, trial))
    names = [name_of(item) for kind in NAMED_BY_RULES for item in snapshot.of_kind(kind)]
    lengths = [len(name) for name in names if name.startswith(trial)]
    if not lengths:
        raise Untested(f"no name of an object begins with {path}")
    value = "a" * (MAX_LABEL + 1 - max(lengths) + len(trial))
    return Case("DEP-01", f"names of {MAX_LABEL + 1} characters", "name_override", value, refused=True)
