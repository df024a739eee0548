"""Timelines as SVG: requests, failures, pods, versions and events on one time axis."""

from __future__ import annotations

import io
import math
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

from matplotlib import rc_context
from matplotlib.axes import Axes
from matplotlib.backends.backend_svg import FigureCanvasSVG
from matplotlib.figure import Figure

from acceptance.core.fields import name_of, text_at
from acceptance.core.interval import Interval
from acceptance.core.target import Autoscaler, Component
from acceptance.experiments.experiment import Annotation, Experiment
from acceptance.experiments.scaling import cpu_utilisation, desired_replicas
from acceptance.kube.status import is_ready, is_terminating, pods_of, revision
from acceptance.traffic.availability import Availability
from acceptance.traffic.load_test import Load
from acceptance.traffic.records import Record, percentile

WIDTH = 10.0
GOOD, BAD, EXPECTED, QUIET = "#3a7d44", "#c1121f", "#e9c46a", "#8d99ae"
REVISIONS = ("#33658a", "#f6ae2d", "#86bbd8", "#758e4f", "#f26419", "#5d2e8c")
BUCKET_SECONDS = 1.0
WINDOW_SECONDS = 10.0
"""Enough requests for a percentile; Locust's own window."""
PHASES = {"starting": 0.25, "ready": 1.0, "leaving": 0.5}
"""A pod's phases and how strongly they are drawn."""


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


def availability(experiment: Experiment, components: Iterable[Component]) -> str:
    """Return an SVG: requests and failures per second for each kind of traffic, and below them the phases of pods."""
    traffic = {label: sampled.availability for label, sampled in experiment.traffic.items()}
    pods = [(component, pod_phases(experiment, component)) for component in components]
    heights = [1.0] * len(traffic) + [0.4 + 0.16 * len({s.pod for s in phases}) for _, phases in pods]
    figure, axes = _figure(heights)
    for place, (label, sampled) in zip(axes, traffic.items(), strict=False):
        _requests(place, label, sampled, experiment.start)
    for place, (component, phases) in zip(axes[len(traffic) :], pods, strict=True):
        _pods(place, component.deployment, phases, experiment.start)
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


def curves(
    annotations: Sequence[Annotation],
    start: float,
    end: float,
    rows: Mapping[str, Mapping[str, Sequence[tuple[float, float]]]],
) -> str:
    """Return an SVG of step curves: rows by label, each of curves by name as (seconds since the epoch, value)."""
    figure, axes = _figure([1.0] * len(rows))
    for place, (label, lines) in zip(axes, rows.items(), strict=True):
        for colour, (name, points) in zip(REVISIONS, lines.items(), strict=False):
            moments = [moment - start for moment, _ in points]
            values = [value for _, value in points]
            if points:
                moments.append(end - start)
                values.append(values[-1])
            place.step(moments, values, where="post", color=BAD if name == "failed" else colour, label=name)
        place.set_ylabel(label)
        place.margins(y=0.3)
        place.set_ylim(bottom=0)
        place.legend(loc="upper right", frameon=False, fontsize=8)
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


def _figure(heights: Sequence[float]) -> tuple[Figure, list[Axes]]:
    figure = Figure(figsize=(WIDTH, 0.8 + 1.3 * sum(heights)), layout="constrained")
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
    labels = {BAD: f"failed: {len(failed)} of {len(sampled.records)}", GOOD: "answered"}
    if refused:
        labels[EXPECTED] = f"refused as expected: {len(refused)}"
    moments = sorted({moment for layer in layers.values() for moment in layer})
    below = [0] * len(moments)
    for colour, layer in layers.items():
        heights = [layer[moment] for moment in moments]
        if colour in labels:
            axes.bar(moments, heights, BUCKET_SECONDS, bottom=below, align="edge", color=colour, label=labels[colour])
        below = [low + height for low, height in zip(below, heights, strict=True)]
    axes.set_ylabel(f"{label}\n1/s")
    axes.legend(loc="lower right", fontsize=8)


def _pods(axes: Axes, label: str, phases: Sequence[PodPhase], start: float) -> None:
    rows = list(dict.fromkeys(phase.pod for phase in sorted(phases, key=lambda s: s.start)))
    colours = dict(zip(dict.fromkeys(s.revision for s in phases), REVISIONS * 5, strict=False))
    for phase in phases:
        axes.barh(
            rows.index(phase.pod),
            phase.end - phase.start,
            left=phase.start - start,
            color=colours[phase.revision],
            alpha=PHASES[phase.phase],
        )
    axes.set_yticks(range(len(rows)), [row.rpartition("-")[2] for row in rows], fontsize=7)
    axes.invert_yaxis()
    axes.set_ylabel(label)


def _finish(axes: Sequence[Axes], annotations: Sequence[Annotation], start: float, end: float) -> None:
    for place in axes:
        place.spines[["top", "right"]].set_visible(False)
        for annotation in annotations:
            place.axvline(annotation.moment - start, color=QUIET, linewidth=0.8, linestyle=":")
    for annotation in annotations:
        axes[0].annotate(
            annotation.text,
            (annotation.moment - start, 1.02),
            xycoords=("data", "axes fraction"),
            rotation=30,
            fontsize=7,
            color=QUIET,
        )
    axes[-1].set_xlim(0, end - start)
    axes[-1].set_xlabel("seconds")


def _svg(figure: Figure) -> str:
    FigureCanvasSVG(figure)
    written = io.StringIO()
    with rc_context({"svg.hashsalt": "timeline", "svg.fonttype": "none"}):
        figure.savefig(written, format="svg", metadata={"Date": None}, transparent=True)
    return written.getvalue()
