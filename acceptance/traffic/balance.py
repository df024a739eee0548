"""Whether load is balanced over pods: Pearson's chi-square test."""

from __future__ import annotations

import math
from collections.abc import Mapping

from acceptance.checks.finding import Finding

MIN_P_VALUE = 1e-6
"""STA-07: an even balance fails this once in a million runs; a pod with half its share of 600 nearly always does."""
MIN_CONNECTIONS_PER_POD = 300
"""STA-07: new connections per pod."""


def chi_square_p(statistic: float, freedom: int) -> float:
    """Return the probability of a chi-square statistic this large or larger, for `freedom` degrees of freedom.

    By the finite series for integer degrees (Abramowitz and Stegun, 26.4.4 and 26.4.5).
    """
    if freedom < 1:
        raise ValueError("at least one degree of freedom")
    half = statistic / 2
    if freedom % 2 == 0:
        return math.exp(-half) * sum(half**i / math.factorial(i) for i in range(freedom // 2))
    terms: list[float] = [half ** (i - 0.5) / math.gamma(i + 0.5) for i in range(1, (freedom + 1) // 2)]
    return math.erfc(math.sqrt(half)) + math.exp(-half) * sum(terms)


def balance_p(counts: Mapping[str, int]) -> float:
    """Return the probability of counts this uneven or more if every pod is equally likely."""
    expected = sum(counts.values()) / len(counts)
    return chi_square_p(sum((n - expected) ** 2 / expected for n in counts.values()), len(counts) - 1)


def imbalance_findings(counts: Mapping[str, int], service: str) -> list[Finding]:
    """Return a finding if the connections are not balanced over the pods, all of them keys of `counts`.

    Raises `ValueError` for fewer than two pods or fewer than `MIN_CONNECTIONS_PER_POD` connections per pod.
    """
    if len(counts) < 2 or sum(counts.values()) < MIN_CONNECTIONS_PER_POD * len(counts):
        raise ValueError(f"{sum(counts.values())} connections over {len(counts)} pods are too few for a verdict")
    p = balance_p(counts)
    if p >= MIN_P_VALUE:
        return []
    actual = f"p = {p:.1e}: " + ", ".join(f"{pod} {count}" for pod, count in sorted(counts.items()))
    return [Finding("STA-07", f"Service/{service}", "share of each pod", f"chi-square p >= {MIN_P_VALUE:g}", actual)]
