"""Figures, and pictures of what happened."""

from __future__ import annotations

import base64
from collections.abc import Mapping, Sequence
from dataclasses import asdict
from typing import Any

from acceptance.report.results import Picture, Results
from acceptance.report.sections.section import Evaluation, Section


def measurements_data(results: Results, _evaluation: Evaluation) -> dict[str, Any]:
    """Return `measurements`."""
    return {"measurements": [asdict(measurement) for measurement in results.measurements]}


def measurements_context(_signoff: Mapping[str, Any], pictures: Sequence[Picture]) -> dict[str, Any]:
    """Return `pictures`, each with its SVG as a data URI."""
    return {"pictures": [(picture, _data_uri(picture.svg)) for picture in pictures]}


def _data_uri(svg: str) -> str:
    # As an image it can neither run scripts nor share identifiers with another picture.
    return "data:image/svg+xml;base64," + base64.b64encode(svg.encode()).decode()


MEASUREMENTS = Section("measurements", "Measurements", measurements_data, measurements_context)
