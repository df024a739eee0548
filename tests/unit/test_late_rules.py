"""Late rules of kube-proxy: its histogram is parsed, and explains connections that failed."""

from __future__ import annotations

from collections import Counter
from math import inf
from typing import Any

import pytest

from acceptance.provision.kube_proxy import longest_delay, parse_histogram, read_delays
from acceptance.traffic.availability import Availability, Failure
from acceptance.traffic.late_rules import MAX_RULE_DELAY, LateRulesError, raise_if_rules_were_late
from acceptance.traffic.records import Record
from toolchain.console import CommandError

PRINTED = """\
kubeproxy_network_programming_duration_seconds_bucket{ip_family="IPv4",le="1"} 2
kubeproxy_network_programming_duration_seconds_bucket{ip_family="IPv4",le="7"} 4
kubeproxy_network_programming_duration_seconds_bucket{ip_family="IPv4",le="+Inf"} 4
kubeproxy_network_programming_duration_seconds_bucket{ip_family="IPv6",le="1"} 1
kubeproxy_network_programming_duration_seconds_bucket{ip_family="IPv6",le="7"} 1
kubeproxy_network_programming_duration_seconds_bucket{ip_family="IPv6",le="+Inf"} 1
"""


class FakeNode:
    """A node whose kube-proxy prints its metrics, or where no command can be run."""

    def __init__(self, printed: str | CommandError) -> None:
        self.printed = printed

    def exec(self, *_: str) -> str:
        if isinstance(self.printed, CommandError):
            raise self.printed
        return self.printed


def delays(printed: str | CommandError) -> Counter[float]:
    node: Any = FakeNode(printed)
    return read_delays(node)


def traffic(*errors: str) -> list[Availability]:
    records = [Record(number, 0, 0, 0, 0, 0, 0, 0, error, False, False, "") for number, error in enumerate(errors)]
    return [Availability(tuple(records), tuple(Failure(record, record.error) for record in records if record.error))]


def test_delays_of_all_address_families_are_counted() -> None:
    assert delays(PRINTED) == {1.0: 3, 7.0: 5, inf: 5}
    assert delays("") == {}
    assert delays(CommandError(("bash",), 127, "", "not found")) == {}


@pytest.mark.parametrize(
    ("before", "after", "longest"),
    [
        ({}, {1.0: 3, 7.0: 5, inf: 5}, 7.0),
        ({1.0: 3, 7.0: 5, inf: 5}, {1.0: 3, 7.0: 5, inf: 5}, 0.0),
        ({1.0: 3, 7.0: 5, inf: 5}, {1.0: 4, 7.0: 6, inf: 6}, 1.0),
        ({1.0: 3, 7.0: 5, inf: 5}, {1.0: 3, 7.0: 5, inf: 6}, inf),
        ({1.0: 3, 7.0: 5, inf: 5}, {1.0: 0, 7.0: 1, inf: 1}, 7.0),  # kube-proxy was started again
        ({1.0: 3, 7.0: 5, inf: 5}, {}, 0.0),
    ],
)
def test_longest_delay_between_two_readings(before: dict[float, int], after: dict[float, int], longest: float) -> None:
    assert longest_delay(Counter(before), Counter(after)) == longest


def test_late_rules_explain_failed_connections_only() -> None:
    late = MAX_RULE_DELAY + 1
    with pytest.raises(LateRulesError, match="2 requests could not connect, while kube-proxy took up to 6 s"):
        raise_if_rules_were_late(late, traffic("", "connect", "connect"))
    raise_if_rules_were_late(late, traffic("", "connect", "reset"))
    raise_if_rules_were_late(late, traffic(""))
    raise_if_rules_were_late(MAX_RULE_DELAY, traffic("connect"))


def test_histogram_of_another_metric_is_not_counted() -> None:
    assert parse_histogram('kubeproxy_sync_proxy_rules_duration_seconds_bucket{le="1"} 2') == {}
