"""What was tested, and on what; and the values that were not the shipped ones."""

from __future__ import annotations

import platform
from dataclasses import asdict
from importlib.metadata import version
from typing import Any

from acceptance.report.machine import machine
from acceptance.report.results import Results
from acceptance.report.sections.section import Evaluation, Section


def subject_data(results: Results, evaluation: Evaluation) -> dict[str, Any]:
    """Return `subject`, `environment`, and the `shard` or the `merged` ones."""
    return {
        "subject": {**_target(results), **asdict(evaluation.checkout), **results.metadata.subject},
        "environment": {
            "run": results.run,
            "started": results.started.isoformat(timespec="seconds"),
            "ended": evaluation.ended.isoformat(timespec="seconds"),
            "fresh_cluster": results.metadata.fresh_cluster,
            "system": machine(),
            "python": platform.python_version(),
            "pytest": version("pytest"),
            "suite": asdict(results.suite),
            **results.metadata.environment,
        },
        "shard": results.shard._asdict() if results.shard else None,
        "merged": [asdict(part) for part in results.merged],
    }


def _target(results: Results) -> dict[str, Any]:
    chart = results.target.chart
    return {
        "target": results.target_file,
        "strict": results.target.strict,
        "chart": {
            "name": chart.name,
            "version": chart.version,
            "app_version": chart.app_version,
            "path": chart.path.as_posix(),
            "release": chart.release,
            "namespace": chart.namespace,
        },
    }


def overrides_data(results: Results, _evaluation: Evaluation) -> dict[str, Any]:
    """Return `overrides`."""
    return {"overrides": [asdict(override) for override in results.metadata.overrides]}


SUBJECT = Section("subject", "Subject", subject_data)
OVERRIDES = Section("overrides", "Overrides", overrides_data)
