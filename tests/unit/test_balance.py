"""The load balance test, against tables of the distribution and on synthetic data."""

from __future__ import annotations

import random
from collections import Counter

import pytest

from acceptance.traffic.balance import balance_p, chi_square_p, imbalance_findings


@pytest.mark.parametrize(
    ("statistic", "freedom", "p"),
    [
        (3.841459, 1, 0.05),
        (6.634897, 1, 0.01),
        (5.991465, 2, 0.05),
        (7.814728, 3, 0.05),
        (9.487729, 4, 0.05),
        (11.070498, 5, 0.05),
        (20.515006, 5, 0.001),
        (0.0, 1, 1.0),
        (0.0, 4, 1.0),
    ],
)
def test_p_values_are_as_in_the_tables(statistic: float, freedom: int, p: float) -> None:
    assert chi_square_p(statistic, freedom) == pytest.approx(p, rel=1e-5)


@pytest.mark.parametrize("pods", [2, 3, 5])
def test_half_a_share_is_found_and_chance_is_not(pods: int) -> None:
    chance = random.Random(pods)  # noqa: S311 - no secret
    names = [f"pod-{n}" for n in range(pods)]
    for _ in range(50):
        even = Counter(chance.choices(names, k=300 * pods))
        assert imbalance_findings(even, "todo") == []
        halved = Counter(chance.choices(names, weights=[0.5, *[1.0] * (pods - 1)], k=300 * pods))
        (finding,) = imbalance_findings(halved, "todo")
        assert finding.rule == "STA-07"


def test_pod_without_requests_is_found() -> None:
    assert len(imbalance_findings({"a": 600, "b": 0}, "todo")) == 1
    assert balance_p({"a": 600, "b": 0}) < 1e-100


def test_too_few_connections_or_pods_are_an_error() -> None:
    for counts in ({"a": 600}, {"a": 299, "b": 299}):
        with pytest.raises(ValueError, match="too few for a verdict"):
            imbalance_findings(counts, "todo")
