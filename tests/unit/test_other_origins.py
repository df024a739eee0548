"""The origins of a setting in every form that charts write them in."""

from __future__ import annotations

import pytest

from acceptance.client.other_origins import written_origins
from acceptance.core.values import in_shipped_form

TWO = ["http://a.example", "https://b.example:8443"]


@pytest.mark.parametrize(
    "text",
    [
        "http://a.example,https://b.example:8443",
        " http://a.example , https://b.example:8443,",
        '["http://a.example", "https://b.example:8443"]',
    ],
)
def test_origins_are_read_with_commas_or_as_json(text: str) -> None:
    assert written_origins(text) == TWO


def test_no_origin_and_any_origin() -> None:
    assert [written_origins(text) for text in ("", " ", "[]", "*", '["*"]')] == [[], [], [], ["*"], ["*"]]


@pytest.mark.parametrize(
    ("shipped", "given"),
    [
        ("http://c.example", "http://a.example,https://b.example:8443"),
        (None, "http://a.example,https://b.example:8443"),
        (["http://c.example"], TWO),
        ('["http://c.example"]', '["http://a.example", "https://b.example:8443"]'),
    ],
)
def test_origins_are_given_in_the_form_that_the_chart_ships(shipped: object, given: object) -> None:
    """An application that reads JSON there does not start with anything else."""
    assert in_shipped_form(",".join(TWO), shipped) == given
