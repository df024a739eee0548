"""A shard: one of several runs on which tests or mutants are divided, such as 1/3."""

from __future__ import annotations

import argparse
import heapq
from collections.abc import Mapping, Sequence
from typing import NamedTuple


class Shard(NamedTuple):
    """The shard `number`, from 1, `of` so many."""

    number: int
    of: int

    def __str__(self) -> str:
        return f"shard {self.number} of {self.of}"


def parse_shard(text: str) -> Shard:
    """Return the shard `1/4`; raises `ArgumentTypeError` for anything else."""
    number, _, shards = text.partition("/")
    if not (number.isdecimal() and shards.isdecimal() and 1 <= int(number) <= int(shards)):
        raise argparse.ArgumentTypeError(f"{text} is not a shard such as 1/4")
    return Shard(int(number), int(shards))


def divide(groups: Sequence[str], shards: int, durations: Mapping[str, float]) -> list[set[str]]:
    """Divide groups of tests so that the shards take about equally long; the same division on every machine.

    The longest group goes to the shard that has the least to do so far, as pytest-split's `least_duration` has it. A
    group without a recorded duration counts as the average of the others.

    Args:
        groups: The groups' names, in the order in which they run.
        shards: How many shards.
        durations: Recorded seconds by group.
    """
    known = [durations[group] for group in groups if group in durations]
    average = sum(known) / len(known) if known else 1.0
    seconds = {group: durations.get(group, average) for group in groups}
    divided: list[set[str]] = [set() for _ in range(shards)]
    loads = [(0.0, 0, place) for place in range(shards)]
    for group in sorted(seconds, key=lambda name: -seconds[name]):
        load, count, place = heapq.heappop(loads)
        divided[place].add(group)
        heapq.heappush(loads, (load + seconds[group], count + 1, place))
    return divided
