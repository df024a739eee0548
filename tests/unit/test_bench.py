"""The benchmark of the setup: its limit, and the test that it runs."""

from __future__ import annotations

from acceptance.cli.bench import FACTOR, TRIVIAL_TEST, CommandTimes
from acceptance.core.rules import ROOT


def test_limit_is_the_longer_of_cluster_and_builds_with_overhead() -> None:
    assert CommandTimes(cluster=20, builds={"backend": 4, "frontend": 8}, load=3, install=10).bound == FACTOR * 20 + 13
    assert CommandTimes(cluster=10, builds={"backend": 4, "frontend": 8}, load=3, install=10).bound == FACTOR * 12 + 13


def test_the_trivial_test_exists() -> None:
    path, _, name = TRIVIAL_TEST.partition("::")
    assert f"def {name}(" in (ROOT / path).read_text(encoding="utf-8")
