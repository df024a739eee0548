"""`--shard 1/3`: which part of the selected tests this run runs, divided by recorded durations."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Generator, Iterable

import pytest

from acceptance.core.shard import divide
from acceptance.plugin.state import RULE_BINDING, SessionState
from acceptance.report import recorded_durations


class ShardHooks:
    """Deselects the tests of other shards."""

    def __init__(self, config: pytest.Config, state: SessionState) -> None:
        self._config = config
        self._state = state

    @pytest.hookimpl(wrapper=True, tryfirst=True)
    def pytest_collection_modifyitems(self, items: list[pytest.Item]) -> Generator[None]:
        """Keep the tests of the chosen shard, after all other options have selected theirs.

        Tests of one module share their experiment, and stay together. A test that judges every experiment of its run
        runs in each shard that has one.

        Raises:
            pytest.UsageError: There are fewer groups of tests than shards.
        """
        yield
        shard = self._config.option.shard
        if shard is None or shard.of == 1:
            return
        groups = list(dict.fromkeys(map(group_of, items)))
        judging = {item for item in items if item.get_closest_marker("every_experiment")}
        if own := [group for group in groups if any(group_of(item) == group for item in set(items) - judging)]:
            groups = own
        else:
            judging = set()
        if len(groups) < shard.of:
            raise pytest.UsageError(
                f"--shard {shard.number}/{shard.of}: the selected tests are {len(groups)} groups, which are not "
                "divided further: choose fewer shards"
            )
        divided = divide(groups, shard.of, recorded_durations.load())
        chosen = divided[shard.number - 1]
        own_items = [item for item in items if item not in judging and group_of(item) in chosen]
        experiments = any(item.get_closest_marker("experiment") for item in own_items)
        kept = {*own_items, *(judging if experiments else ())}
        results = self._state.results
        results.shard = shard
        results.selection = _digest([*(item.nodeid for item in items), *(json.dumps(sorted(each)) for each in divided)])
        results.elsewhere = {
            (rule, level)
            for item in items
            if item not in kept and RULE_BINDING in item.stash and (level := item.stash[RULE_BINDING].level)
            for rule in item.stash[RULE_BINDING].rules
        }
        self._config.hook.pytest_deselected(items=[item for item in items if item not in kept])
        items[:] = [item for item in items if item in kept]


def group_of(item: pytest.Item) -> str:
    """Return the group of a test: its module."""
    return item.nodeid.partition("::")[0]


def _digest(words: Iterable[str]) -> str:
    return hashlib.sha256("\n".join(words).encode()).hexdigest()
