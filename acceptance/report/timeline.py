"""Timelines as SVG: requests, failures, pods, versions and events on one time axis."""

from __future__ import annotations

import io
import math
import re
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from matplotlib import rc_context
from matplotlib.axes import Axes
from matplotlib.backends.backend_svg import FigureCanvasSVG
from matplotlib.container import BarContainer
from matplotlib.figure import Figure
from matplotlib.patches import Patch

from acceptance.core.fields import name_of, text_at
from acceptance.core.interval import Interval
from acceptance.core.target import Autoscaler, Component
from acceptance.experiments.experiment import Annotation, Experiment
from acceptance.experiments.scaling import cpu_utilisation, desired_replicas
from acceptance.kube.status import is_ready, is_terminating, pods_of, revision
from acceptance.traffic.availability import Availability
from acceptance.traffic.load_test import Load
from acceptance.traffic.records import Record, percentile

WIDTH = 9.0
"""Inches at which the text has its size; the page shows a figure no smaller."""
ROW, LINE = 0.75, 0.17
"""Inches of a row of curves, and of a line of text."""
STYLE: dict[Any, Any] = {"font.size": 9, "axes.titlesize": 9, "legend.fontsize": 9, "hatch.linewidth": 0.8}
STYLE |= {"font.sans-serif": ["DejaVu Sans", "Verdana"]}
GOOD, BAD, EXPECTED, QUIET = "#3a7d44", "#c1121f", "#e9c46a", "#4a5568"
HATCHES = {GOOD: "", BAD: "////", EXPECTED: "...."}
NAMES = {GOOD: "answered", BAD: "failed", EXPECTED: "refused as expected"}
REVISIONS = ("#33658a", "#b45309", "#5d2e8c", "#3f6b2a", "#b03a5b", "#4a5568")
LINES = ("-", "--", ":")
BUCKET_SECONDS = 1.0
WINDOW_SECONDS = 10.0
"""Enough requests for a percentile; Locust's own window."""
CROWDED = 0.02
"""Events that are a smaller share of the time apart have their numbers one above the other."""
PHASES = {"starting": "starting", "ready": "Ready", "leaving": "terminating"}
"""A pod's phases and their names."""
TIP = "tip:"
"""Starts the identifier of what has a text that is shown for it."""


@dataclass(frozen=True)
class PodPhase:
    """One phase of one pod, in seconds since the epoch."""

    pod: str
    revision: str
    phase: str
    start: float
    end: float


def pod_phases(experiment: Experiment, component: Component) -> list[PodPhase]:
    """Return the phases of every pod of a component, in the order in which the phases ended."""
    phases: list[PodPhase] = []
    current: dict[str, PodPhase] = {}
    for state in experiment.history.states("Pod", experiment.start, experiment.end):
        observed = {}
        for pod in pods_of(state.objects, component):
            phase = "leaving" if is_terminating(pod) else "ready" if is_ready(pod) else "starting"
            observed[text_at(pod, "metadata.uid")] = name_of(pod), revision(pod), phase
        for uid, earlier in list(current.items()):
            if observed.get(uid) != (earlier.pod, earlier.revision, earlier.phase):
                phases.append(PodPhase(earlier.pod, earlier.revision, earlier.phase, earlier.start, state.moment))
                del current[uid]
        for uid, (name, of, phase) in observed.items():
            if uid not in current:
                current[uid] = PodPhase(name, of, phase, state.moment, state.moment)
    phases += [PodPhase(s.pod, s.revision, s.phase, s.start, experiment.end) for s in current.values()]
    return phases


@rc_context(STYLE)
def availability(experiment: Experiment, components: Iterable[Component]) -> str:
    """Return an SVG: requests and failures per second for each kind of traffic, and below them the phases of pods."""
    traffic = {label: sampled.availability for label, sampled in experiment.traffic.items()}
    pods = [(component, pod_phases(experiment, component)) for component in components]
    heights = [ROW] * len(traffic) + [0.1 + LINE * len({s.pod for s in phases}) for _, phases in pods]
    figure, axes = _figure(heights, len(experiment.annotations))
    for place, (label, sampled) in zip(axes, traffic.items(), strict=False):
        _requests(place, label, sampled, experiment.start)
    for place, (component, phases) in zip(axes[len(traffic) :], pods, strict=True):
        _pods(place, component.deployment, phases, experiment.start)
    shown = [GOOD, BAD, *([EXPECTED] if any(each.expected_refusals for each in traffic.values()) else [])]
    handles = [
        Patch(facecolor=colour, edgecolor="white", hatch=HATCHES[colour], label=NAMES[colour]) for colour in shown
    ]
    handles += [Patch(**_phase_style(phase, QUIET), label=f"pod {name}") for phase, name in PHASES.items()]
    figure.legend(handles=handles, loc="outside lower left", ncols=len(handles), frameon=False, handlelength=1.6)
    _finish(axes, experiment.annotations, experiment.start, experiment.end)
    return _svg(figure)


def rate(moments: Iterable[float], start: float, end: float) -> list[tuple[float, float]]:
    """Return the number of moments in each second from `start` to `end`, as points of a step curve."""
    counts = Counter((moment - start) // BUCKET_SECONDS for moment in moments)
    buckets = range(math.ceil((end - start) / BUCKET_SECONDS))
    return [(start + bucket * BUCKET_SECONDS, counts[bucket] / BUCKET_SECONDS) for bucket in buckets]


def slowest(records: Iterable[Record], start: float, end: float) -> list[tuple[float, float]]:
    """Return the 95th percentile of response times in each `WINDOW_SECONDS` from `start`, as points of a step curve."""
    windows: dict[float, list[float]] = {}
    for record in records:
        if start <= record.sent <= end:
            windows.setdefault((record.sent - start) // WINDOW_SECONDS, []).append(record.duration)
    return [
        (start + window * WINDOW_SECONDS, percentile(durations, 95)) for window, durations in sorted(windows.items())
    ]


@rc_context(STYLE)
def curves(
    annotations: Sequence[Annotation],
    start: float,
    end: float,
    rows: Mapping[str, Mapping[str, Sequence[tuple[float, float]]]],
) -> str:
    """Return an SVG of step curves: rows by label, each of curves by name as (seconds since the epoch, value)."""
    figure, axes = _figure([ROW] * len(rows), len(annotations))
    for place, (label, lines) in zip(axes, rows.items(), strict=True):
        for colour, dashes, (name, points) in zip(REVISIONS, LINES, lines.items(), strict=False):
            moments = [moment - start for moment, _ in points]
            values = [value for _, value in points]
            if points:
                moments.append(end - start)
                values.append(values[-1])
            shown = BAD if name == "failed" else colour
            place.step(moments, values, where="post", color=shown, linestyle=dashes, label=name)
        place.set_title(label, loc="left")
        place.margins(y=0.3)
        place.set_ylim(bottom=0)
        place.legend(loc="lower right", bbox_to_anchor=(1, 1), borderaxespad=0, ncols=len(lines), frameon=False)
    _finish(axes, annotations, start, end)
    return _svg(figure)


def autoscaling(experiment: Experiment, component: Component, autoscaler: Autoscaler, load: Load, since: float) -> str:
    """Return an SVG of a load test from `since`: replicas, CPU, rates and percentiles of the load and the sampler."""
    history, time = experiment.history, Interval(since, experiment.end)
    sampled = experiment.traffic["backend"].availability
    failed = {failure.record.number for failure in sampled.failures}
    succeeded = [record for record in sampled.records if record.number not in failed]
    load_answered, load_failed = load.rates()
    rows: dict[str, dict[str, Sequence[tuple[float, float]]]] = {
        "replicas": {
            "desired": desired_replicas(history, component.deployment, time),
            "Ready": [
                (state.moment, sum(is_ready(pod) for pod in pods_of(state.objects, component)))
                for state in history.states("Pod", time.start, time.end)
            ],
        },
        "CPU, % of request": {"average": cpu_utilisation(history, autoscaler.name, time)},
        "load, 1/s": {"answered": load_answered, "failed": load_failed},
        "sampler, 1/s": {
            "answered": rate((record.done for record in succeeded), time.start, time.end),
            "failed": rate((failure.record.done for failure in sampled.failures), time.start, time.end),
        },
        "p95, s": {"load": load.slowest(), "sampler": slowest(succeeded, time.start, time.end)},
    }
    annotations = [annotation for annotation in experiment.annotations if annotation.moment >= since]
    return curves(annotations, time.start, time.end, rows)


def _figure(heights: Sequence[float], events: int) -> tuple[Figure, list[Axes]]:
    height = 0.8 + sum(heights) + 2 * LINE * len(heights) + LINE * events
    figure = Figure(figsize=(WIDTH, height), layout="constrained")
    grid = figure.subplots(len(heights), 1, sharex=True, squeeze=False, height_ratios=list(heights))
    return figure, [row[0] for row in grid]


def _requests(axes: Axes, label: str, sampled: Availability, start: float) -> None:
    failed = {failure.record.number for failure in sampled.failures}
    refused = {record.number for record in sampled.expected_refusals}
    layers: dict[str, Counter[float]] = {colour: Counter() for colour in (GOOD, EXPECTED, BAD)}
    for record in sampled.records:
        bucket = (record.sent - start) // BUCKET_SECONDS * BUCKET_SECONDS
        colour = BAD if record.number in failed else EXPECTED if record.number in refused else GOOD
        layers[colour][bucket] += 1
    moments = sorted({moment for layer in layers.values() for moment in layer})
    below = [0] * len(moments)
    for colour, layer in layers.items():
        heights = [layer[moment] for moment in moments]
        bars = axes.bar(moments, heights, BUCKET_SECONDS, bottom=below, align="edge", color=colour, ec="white", lw=0)
        if colour != GOOD:
            _describe(bars, colour, moments, heights, label)
        below = [low + height for low, height in zip(below, heights, strict=True)]
    also = f", refused as expected: {len(refused)}" if refused else ""
    axes.set_title(f"{label}, requests per second; failed: {len(failed)} of {len(sampled.records)}{also}", loc="left")


def _describe(bars: BarContainer, colour: str, moments: Sequence[float], heights: Sequence[int], label: str) -> None:
    for bar, moment, height in zip(bars, moments, heights, strict=True):
        if height:
            bar.set_hatch(HATCHES[colour])
            bar.set_gid(f"{TIP}{label}, {moment:.0f} s: {height} {NAMES[colour]}")
        else:
            bar.remove()


def _pods(axes: Axes, label: str, phases: Sequence[PodPhase], start: float) -> None:
    rows = list(dict.fromkeys(phase.pod for phase in sorted(phases, key=lambda s: s.start)))
    versions = {name: number for number, name in enumerate(dict.fromkeys(s.revision for s in phases), 1)}
    names = {phase.pod: f"v{versions[phase.revision]} {phase.pod.rpartition('-')[2]}" for phase in phases}
    for phase in phases:
        colour = REVISIONS[(versions[phase.revision] - 1) % len(REVISIONS)]
        left, right = phase.start - start, phase.end - start
        (bar,) = axes.barh(rows.index(phase.pod), right - left, left=left, **_phase_style(phase.phase, colour))
        bar.set_gid(
            f"{TIP}{phase.pod}, version {versions[phase.revision]}: {PHASES[phase.phase]} {left:.1f}–{right:.1f} s"
        )
    axes.set_yticks(range(len(rows)), [names[row] for row in rows])
    axes.invert_yaxis()
    shown = ", ".join(f"v{each}" for each in versions.values())
    axes.set_title(f"{label}, pods of version{'s' if len(versions) > 1 else ''} {shown}", loc="left")


def _phase_style(phase: str, colour: str) -> dict[str, Any]:
    """How a phase is drawn: Ready is filled, starting is empty, terminating is hatched."""
    if phase == "ready":
        return {"facecolor": colour, "edgecolor": colour}
    return {"facecolor": "white", "edgecolor": colour, "hatch": "" if phase == "starting" else "/////"}


def _finish(axes: Sequence[Axes], annotations: Sequence[Annotation], start: float, end: float) -> None:
    """Number the events on the first row, and list them below the time axis."""
    ordered = sorted(annotations, key=lambda each: each.moment)
    for place in axes:
        place.spines[["top", "right"]].set_visible(False)
        for annotation in ordered:
            place.axvline(annotation.moment - start, color=QUIET, linewidth=0.8, linestyle=":")
    last, lift = -math.inf, 0
    for number, annotation in enumerate(ordered, 1):
        lift = 11 - lift if annotation.moment - last < CROWDED * (end - start) else 0
        at, last = (annotation.moment - start, 1.0), annotation.moment
        axes[0].annotate(
            str(number), at, (0, 16 + lift), xycoords=("data", "axes fraction"), textcoords="offset points", ha="center"
        )
    events = [f"{number}: {each.moment - start:.0f} s, {each.text}" for number, each in enumerate(ordered, 1)]
    axes[-1].set_xlim(0, end - start)
    axes[-1].set_xlabel("\n".join(["seconds", *events]), loc="left", multialignment="left")


def _svg(figure: Figure) -> str:
    """Return the figure as SVG, with the text of what has one as its title."""
    FigureCanvasSVG(figure)
    written = io.StringIO()
    with rc_context({"svg.hashsalt": "timeline", "svg.fonttype": "none"}):
        figure.savefig(written, format="svg", metadata={"Date": None}, transparent=True)
    return re.sub(rf'<g id="{TIP}([^"]*)">', r'<g class="tip"><title>\1</title>', written.getvalue())
