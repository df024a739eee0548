"""A trend line: a small inline SVG of a figure over the last runs."""

from __future__ import annotations

from collections.abc import Sequence

from markupsafe import Markup

WIDTH, HEIGHT, MARGIN = 120, 28, 4


def trend_line(values: Sequence[float], text: str) -> Markup:
    """Return the line of `values`, the last one as a dot; `text` says for those who can't see it what it shows."""
    low, high = min(values), max(values)
    span = (high - low) or 1
    step = (WIDTH - 2 * MARGIN) / max(len(values) - 1, 1)
    points = [
        (MARGIN + step * place, HEIGHT - MARGIN - (HEIGHT - 2 * MARGIN) * ((value - low) / span if high > low else 0.5))
        for place, value in enumerate(values)
    ]
    line = " ".join(f"{x:.1f},{y:.1f}" for x, y in points)
    x, y = points[-1]
    return Markup(
        '<svg class="trend" role="img" aria-label="{}" viewBox="0 0 {} {}" width="{}" height="{}">'
        '<polyline points="{}" fill="none" stroke="currentColor" stroke-width="1.5"></polyline>'
        '<circle cx="{}" cy="{}" r="2.5" fill="currentColor"></circle></svg>'
    ).format(text, WIDTH, HEIGHT, WIDTH, HEIGHT, line, f"{x:.1f}", f"{y:.1f}")
