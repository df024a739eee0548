"""How late kube-proxy was to route to pods that became Ready, by its own metrics."""

from __future__ import annotations

import math
import re
from collections import Counter
from contextlib import suppress

from acceptance.provision.node import Node
from toolchain.console import CommandError

METRIC = "kubeproxy_network_programming_duration_seconds_bucket"
READ = rf"""
{{ exec 3<> /dev/tcp/127.0.0.1/10249; }} 2> /dev/null || exit 0
printf 'GET /metrics HTTP/1.0\r\n\r\n' >&3
grep -a '^{METRIC}' <&3
true
"""
"""Prints a histogram: from a pod's condition Ready to the node's rules. Nothing where kube-proxy does not serve it."""
BUCKET = re.compile(rf'{METRIC}{{.*le="([^"]+)".*}} (\d+)')


def read_delays(node: Node) -> Counter[float]:
    """Return the delays that kube-proxy has counted, cumulative by upper bound in seconds; empty if unknown."""
    with suppress(CommandError):
        return parse_histogram(node.exec("bash", "-c", READ))
    return Counter()


def parse_histogram(text: str) -> Counter[float]:
    """Return the cumulative counts by upper bound, of all address families together."""
    counts: Counter[float] = Counter()
    for bound, count in BUCKET.findall(text):
        counts[float(bound)] += int(count)
    return counts


def longest_delay(before: Counter[float], after: Counter[float]) -> float:
    """Return the upper bound of the longest delay between two readings, in seconds; 0 if there was none."""
    if before[math.inf] > after[math.inf]:  # kube-proxy was started again
        before = Counter()
    added = {bound: count - before[bound] for bound, count in after.items()}
    total = added.get(math.inf, 0)
    return min((bound for bound, count in added.items() if count == total), default=0.0) if total else 0.0
