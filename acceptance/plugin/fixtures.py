"""Fixtures that every test may request: the target, and what goes into the report."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest

from acceptance.core.target import Target
from acceptance.plugin.state import STATE, SessionState
from acceptance.report.results import (
    Attempt,
    Limit,
    Measurement,
    NotJudged,
    OnFailure,
    Picture,
    RecordMeasurement,
    RunMetadata,
)


@pytest.fixture(scope="session")
def session_state(pytestconfig: pytest.Config) -> SessionState:
    """What the plugin's hook objects share."""
    return pytestconfig.stash[STATE]


@pytest.fixture(scope="session")
def target(session_state: SessionState) -> Target:
    """What is under test, as --target names it."""
    return session_state.results.target


@pytest.fixture(scope="session")
def run_metadata(session_state: SessionState) -> RunMetadata:
    """What fixtures know of subject, environment and overrides; the report shows it."""
    return session_state.results.metadata


@pytest.fixture(scope="session")
def progress(session_state: SessionState) -> Callable[[str], None]:
    """`progress("what is being done")`: the live line of a long setup."""
    return session_state.progress.note


@pytest.fixture(scope="session")
def record_measurement(session_state: SessionState) -> RecordMeasurement:
    """`record_measurement(name, value, unit, limit)`: a figure with its limit, or why it is not judged."""

    def record(name: str, value: float, unit: str, limit: Limit | NotJudged) -> None:
        test = session_state.current.binding.test if session_state.current else ""
        session_state.results.measurements.append(Measurement.of(name, value, unit, limit, test))

    return record


@pytest.fixture(scope="session")
def record_picture(session_state: SessionState) -> Callable[[Picture], None]:
    """Adds an SVG to the report: `record_picture(picture)`."""
    return session_state.results.pictures.append


@pytest.fixture(scope="session")
def attempts(session_state: SessionState) -> list[Attempt]:
    """The attempts at experiments so far; append one to add it to the report."""
    return session_state.results.attempts


@pytest.fixture(scope="session")
def record_evidence(session_state: SessionState) -> Callable[[str, str | bytes], Path]:
    """`record_evidence(name, content)`: a file of the running test, redacted, named in the report."""

    def record(name: str, content: str | bytes) -> Path:
        if session_state.current is None:
            raise RuntimeError(f"evidence {name} belongs to a test, and none is running")
        return session_state.keep(session_state.current, name, content)

    return record


@pytest.fixture(scope="session")
def on_failure(session_state: SessionState) -> OnFailure:
    """A context manager that registers a collector of evidence; in a fixture, failures of its setup have it too."""
    return session_state.collecting
