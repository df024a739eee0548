"""A page that lacks the user's data hides an error unless its status, or a word of it, says otherwise."""

from __future__ import annotations

import pytest

from acceptance.client.page_views import PageView, UserPage, words

PAGE = UserPage("/chat", "hello 1a2b", words("Todo Chat hello 1a2b Send No conversations yet"))


@pytest.mark.parametrize(
    ("status", "text", "hides"),
    [
        (200, "Todo Chat No conversations yet Send", True),
        (200, "Todo Chat hello 1a2b Send", False),
        (200, "Todo Chat Your conversations could not be loaded", False),
        (503, "Todo Chat", False),
    ],
    ids=["as if empty", "with the data", "explained", "an error"],
)
def test_page_without_the_data_hides_an_error(status: int, text: str, hides: bool) -> None:
    assert PageView(PAGE, status, text).hides_an_error is hides
