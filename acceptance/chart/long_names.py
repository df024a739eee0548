"""A name override at the limit: the longest name of an object, rather than the prefix, has 63 characters."""

from __future__ import annotations

from acceptance.chart.bounds import Case, overrides, value_path
from acceptance.chart.renderer import Renderer
from acceptance.checks.finding import Finding, Untested
from acceptance.checks.snapshot import Snapshot
from acceptance.core.fields import name_of, object_ref
from acceptance.core.values import merge_values, nested

MAX_LABEL = 63
"""Of a name that is an RFC 1123 label."""


def longest_name(renderer: Renderer, base: Snapshot, excess: int) -> Case:
    """Return a case whose name override makes the longest name of an object `excess` characters longer than 63.

    Raises:
        Untested: The target has no path for the override, or no name begins with what is overridden.
    """
    trial = "acceptance"
    path = value_path(renderer.target, None, "name_override")
    snapshot = renderer.with_values(base, nested(path, trial))
    names = [name_of(item) for item in snapshot.objects if name_of(item).startswith(trial)]
    if not names:
        raise Untested(f"no name of an object begins with {path}")
    value = "a" * (MAX_LABEL + excess - max(map(len, names)) + len(trial))
    return Case("DEP-01", f"names of {MAX_LABEL + excess} characters", "name_override", value, refused=excess > 0)


def check_names(case: Case, renderer: Renderer) -> list[Finding]:
    """Return a finding if a name override is not accepted or refused as the case says.

    An override that the chart cuts off is normalised, so that no name is too long.
    """
    path, values = overrides(case, renderer.target)
    rendering = renderer.render(merge_values(renderer.required(), values))
    long = [object_ref(item) for item in rendering.objects if len(name_of(item)) > MAX_LABEL]
    if case.refused and long:
        actual = f"rendered: {long[0]}"
    elif not case.refused and rendering.error is not None:
        actual = f"refused: {rendering.error}"
    else:
        return []
    expected = f"{case.name} {'refused' if case.refused else 'accepted'}"
    return [Finding(case.rule, "values", path, expected, actual, advice=not renderer.target.strict)]
