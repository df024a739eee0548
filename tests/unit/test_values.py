"""Values by dotted path: given values are set, others are kept, and arguments are not modified."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given as for_all
from hypothesis import strategies

from acceptance.core.fields import at
from acceptance.core.target import Target, load
from acceptance.core.values import set_paths, values_by_path

KEYS = strategies.text("abc", min_size=1, max_size=2)
PATHS = strategies.lists(KEYS, min_size=1, max_size=3).map(".".join)
VALUES = strategies.recursive(
    strategies.none() | strategies.integers() | strategies.text(),
    lambda inner: strategies.dictionaries(KEYS, inner, max_size=3),
)


@pytest.mark.parametrize(
    ("values", "changes", "result"),
    [
        ({}, {"a.b.c": 1}, {"a": {"b": {"c": 1}}}),
        ({"a": {"b": 1, "c": 2}}, {"a.b": 3}, {"a": {"b": 3, "c": 2}}),
        ({"a": None}, {"a.b": 1}, {"a": {"b": 1}}),
        ({"a": "text"}, {"a.b": 1}, {"a": {"b": 1}}),
        ({"a": {"b": 1}}, {"a": None}, {"a": None}),
        ({"a": 1}, {}, {"a": 1}),
        ({}, {"a": {"x": 1}, "a.y": 2}, {"a": {"x": 1, "y": 2}}),
    ],
)
def test_set_paths(values: dict[str, Any], changes: dict[str, Any], result: dict[str, Any]) -> None:
    assert set_paths(values, changes) == result


@for_all(strategies.dictionaries(KEYS, VALUES, max_size=3), PATHS, VALUES)
def test_set_path_can_be_read_back(values: dict[str, Any], path: str, value: object) -> None:
    assert at(set_paths(values, {path: value}), path) == value


def test_set_paths_does_not_modify_its_arguments() -> None:
    values, changes = {"a": {"b": 1}}, {"c": {"d": [1]}, "a.x": 1}
    result = set_paths(values, changes)
    result["a"]["b"], result["c"]["d"][0] = 2, 2
    assert (values, changes) == ({"a": {"b": 1}}, {"c": {"d": [1]}, "a.x": 1})


@pytest.fixture(scope="module")
def target() -> Target:
    return load()


def test_values_with_a_path_are_set(target: Target) -> None:
    assert values_by_path(target, {"database_url": "postgresql://x", "debug": False}) == {
        "secrets.databaseUrl": "postgresql://x",
        "config.debug": False,
    }


def test_values_without_a_path_are_omitted(target: Target) -> None:
    paths = target.values.model_copy(update={"ca_certificate": None})
    assert values_by_path(target.model_copy(update={"values": paths}), {"ca_certificate": "x"}) == {}
    with pytest.raises(KeyError):
        values_by_path(target, {"databse_url": "a typo"})
