"""Failed connections that are explained by kube-proxy, which was late to route to pods that had become Ready."""

from __future__ import annotations

from collections.abc import Iterable

from acceptance.core.inconclusive import InconclusiveError
from acceptance.traffic.availability import Availability

MAX_RULE_DELAY = 5.0
"""Seconds from a pod's condition Ready to the rules that lead to it. kube-proxy writes them once a second; of 113
delays on two busy CPUs 84 % were at most 2 s, and none was longer than this."""


class LateRulesError(InconclusiveError):
    """Connections failed while a node's rules for Services were late."""


def raise_if_rules_were_late(delay: float, traffic: Iterable[Availability]) -> None:
    """Raise `LateRulesError` if requests failed only by connections that the longest `delay` explains.

    Args:
        delay: The longest time in the experiment, in seconds, until a node's rules led to a pod that had become Ready.
        traffic: The outcome of each kind of requests.
    """
    failures = [failure for availability in traffic for failure in availability.failures]
    if failures and delay > MAX_RULE_DELAY and all(failure.record.error == "connect" for failure in failures):
        raise LateRulesError(
            f"{len(failures)} requests could not connect, while kube-proxy took up to {delay:g} s to route to a pod "
            f"that had become Ready (at most {MAX_RULE_DELAY:g} s)"
        )
