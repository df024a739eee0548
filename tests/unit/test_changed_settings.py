"""Changed settings: the variable of a key is found under whichever name the container has it."""

from __future__ import annotations

from typing import Any

import pytest

from acceptance.experiments.settings import values_by_key

REFERENCE = {"name": "API_ORIGINS", "valueFrom": {"configMapKeyRef": {"name": "shop", "key": "ORIGINS"}}}
SECRET = {"name": "API_ORIGINS", "valueFrom": {"secretKeyRef": {"name": "shop", "key": "ORIGINS"}}}
PREFIXED = {"prefix": "API_", "configMapRef": {"name": "shop"}}


@pytest.mark.parametrize(
    ("container", "environment"),
    [
        ({"envFrom": [{"configMapRef": {"name": "shop"}}]}, {"ORIGINS": "*"}),
        ({"env": [REFERENCE]}, {"API_ORIGINS": "*", "ORIGINS": "another variable"}),
        ({"env": [SECRET]}, {"API_ORIGINS": "*"}),
        ({"envFrom": [PREFIXED]}, {"API_ORIGINS": "*"}),
    ],
)
def test_value_of_a_key_is_found(container: dict[str, Any], environment: dict[str, str]) -> None:
    assert values_by_key(container, environment, ["ORIGINS", "ABSENT"]) == {"ORIGINS": "*"}
