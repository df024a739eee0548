"""A trend line: a small inline SVG of a figure over the last runs."""

from __future__ import annotations

from collections.abc import Sequence

from markupsafe import Markup

WIDTH, HEIGHT, MARGIN = 120, 28, 4
LEAST_SPAN = 0.2
"""The height shows at least this share of the greatest value: a few seconds of half an hour look like what they are."""


def trend_line(values: Sequence[float], text: str) -> Markup:
    """Return the line of `values`, the last one as a dot; `text` says for those who can't see it what it shows."""
    low, high = min(values), max(values)
    middle = (low + high) / 2
    span = max(high - low, LEAST_SPAN * max(abs(low), abs(high))) or 1
    step = (WIDTH - 2 * MARGIN) / max(len(values) - 1, 1)
    points = [
        (MARGIN + step * place, HEIGHT / 2 - (HEIGHT - 2 * MARGIN) * (value - middle) / span)
        for place, value in enumerate(values)
    ]
    line = " ".join(f"{x:.1f},{y:.1f}" for x, y in points)
    x, y = points[-1]
    return Markup(
        '<svg class="trend" role="img" aria-label="{}" viewBox="0 0 {} {}" width="{}" height="{}">'
        '<polyline points="{}" fill="none" stroke="currentColor" stroke-width="1.5"></polyline>'
        '<circle cx="{}" cy="{}" r="2.5" fill="currentColor"></circle></svg>'
    ).format(text, WIDTH, HEIGHT, WIDTH, HEIGHT, line, f"{x:.1f}", f"{y:.1f}")
