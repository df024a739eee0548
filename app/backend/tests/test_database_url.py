"""Conversion of DATABASE_URL to a libpq URI."""

import pytest
from psycopg.conninfo import conninfo_to_dict

from todo_backend.database_url import conninfo


@pytest.mark.parametrize(
    "scheme", ["postgres", "postgresql", "postgresql+asyncpg", "postgresql+psycopg", "postgresql+psycopg2"]
)
def test_every_scheme_is_converted_for_libpq(scheme: str) -> None:
    uri = conninfo(f"{scheme}://u:p%40%25@db.example:6543/todo?sslmode=require&channel_binding=require")
    assert conninfo_to_dict(uri) == {
        "user": "u",
        "password": "p@%",
        "host": "db.example",
        "port": "6543",
        "dbname": "todo",
        "sslmode": "require",
        "channel_binding": "require",
    }


@pytest.mark.parametrize(
    ("url", "problem"),
    [
        ("", "is not a postgres"),
        ("mysql://u:hidden@h/d", "is not a postgres"),
        ("postgresql:u:hidden@h/d", "is not a postgres"),
        ("postgresql://u:hidden@h/d?ssl=require", "refused by libpq"),
        ("postgresql://u:hidden%zz@h/d", "refused by libpq"),
        ("postgresql://h/d", "has no user and no password"),
        ("postgresql://u:hidden@/d", "has no host"),
    ],
)
def test_an_invalid_url_is_rejected_without_quoting_it(url: str, problem: str) -> None:
    with pytest.raises(ValueError, match=problem) as refusal:
        conninfo(url)
    assert "hidden" not in str(refusal.value)
    assert refusal.value.__cause__ is None
