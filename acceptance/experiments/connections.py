"""Connections to the database, sampled over time: whether they stay within what the pods' pools promise."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence

from acceptance.checks.finding import Finding

Sample = tuple[float, Counter[str]]
"""The moment, and the connections by application_name."""


def peak_by_name(samples: Iterable[Sample]) -> Counter[str]:
    """Return the most connections of each application_name at any moment."""
    highest: Counter[str] = Counter()
    for _, counted in samples:
        highest |= counted
    return highest


def peak(samples: Iterable[Sample]) -> int:
    """Return the most connections in all at any moment; `ValueError` without a sample."""
    return max(counted.total() for _, counted in samples)


def excess_findings(
    rule: str, samples: Sequence[Sample], pools: Mapping[str, int], promised: int, connection_limit: int
) -> list[Finding]:
    """Return findings if a pod ever had more connections than its pool, or all pods more than promised or allowed.

    Args:
        rule: The rule.
        samples: What was sampled under load.
        pools: The size of each pod's pool, by the pod's name; it counts where that is its application_name.
        promised: The pools of all pods together.
        connection_limit: How many connections the server allows.
    """
    findings = [
        Finding(
            rule, f"Pod/{name}", "connections to the database", f"at most {pools[name]}, its pool's size", f"{count}"
        )
        for name, count in sorted(peak_by_name(samples).items())
        if name in pools and count > pools[name]
    ]
    highest = peak(samples)
    for limit, meaning in ((promised, "pool size x pods"), (connection_limit, "the server's limit")):
        if highest > limit:
            findings.append(
                Finding(rule, "Database", "connections at once", f"at most {limit}, {meaning}", f"{highest}")
            )
    return findings
