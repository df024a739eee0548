"""Figures and times as people write them."""

from __future__ import annotations


def format_duration(seconds: float) -> str:
    """Format seconds as `12.3 s`, as `4 min 05 s` from a minute on, or as `2 h 04 min 05 s` from an hour on."""
    if round(seconds, 1) < 60:
        return f"{seconds:.1f} s"
    minutes, rest = divmod(round(seconds), 60)
    hours, minutes = divmod(minutes, 60)
    return f"{hours} h {minutes:02d} min {rest:02d} s" if hours else f"{minutes} min {rest:02d} s"


def format_figure(value: float) -> str:
    """Format a figure with four significant digits, thousands separated."""
    if value == int(value) or abs(value) >= 1000:
        return f"{value:,.0f}"
    return f"{value:.4g}"


def format_time(seconds: float) -> str:
    """Format a short time with three significant digits at most: `12.3 ms`, or `1.23 s` from a second on."""
    if not seconds:
        return "0 s"
    value, unit = (seconds, "s") if abs(seconds) >= 0.9995 else (1000 * seconds, "ms")
    return f"{value:,.0f} {unit}" if value >= 999.5 else f"{value:.3g} {unit}"


def format_amount(value: float, unit: str) -> str:
    """Format a figure with its unit; times as `12.3 ms`, `1.23 s` or `4 min 05 s`."""
    if unit not in ("s", "seconds"):
        return f"{format_figure(value)} {unit}".strip()
    return format_time(value) if abs(value) < 59.5 else format_duration(value)
