"""The database's URL in the form that the application wants, wherever the suite gives it one."""

from __future__ import annotations

from typing import Any

import pytest
from pydantic import ValidationError

from acceptance.chart import given
from acceptance.chart.bounds import Case, check_case
from acceptance.chart.given import check_given
from acceptance.chart.renderer import new_credentials
from acceptance.checks.finding import Untested
from acceptance.core.target import Secret, Target
from acceptance.core.urls import DatabaseUrlForm, database_url_error
from acceptance.provision import database, pgbouncer
from acceptance.provision.database import Database, url

PLACE = "todo:p%40ss@db.example.com:5432/todo"
USUAL = "sslmode=require&channel_binding=require"


@pytest.mark.parametrize(
    ("stated", "expected"),
    [
        ({}, f"postgresql://{PLACE}?{USUAL}"),
        ({"database_scheme": "postgres"}, f"postgres://{PLACE}?{USUAL}"),
        ({"database_scheme": "postgresql+psycopg"}, f"postgresql+psycopg://{PLACE}?{USUAL}"),
        (
            {"database_scheme": "postgresql+asyncpg", "database_query": "ssl=require"},
            f"postgresql+asyncpg://{PLACE}?ssl=require",
        ),
        ({"database_query": ""}, f"postgresql://{PLACE}"),
    ],
)
def test_url_is_written_as_stated(stated: dict[str, str], expected: str) -> None:
    form = Secret(name="s", **stated).database_form  # type: ignore[arg-type]
    assert form.written(f"postgresql://{PLACE}?sslmode=require") == expected
    assert form.written(expected) == expected
    assert database_url_error(expected) is None


def test_pooler_gets_no_channel_binding() -> None:
    assert DatabaseUrlForm().written(f"postgresql://{PLACE}", pooled=True) == f"postgresql://{PLACE}?sslmode=require"
    asyncpg = DatabaseUrlForm("postgresql+asyncpg", "ssl=require")
    assert asyncpg.written(f"postgresql://{PLACE}", pooled=True) == f"postgresql+asyncpg://{PLACE}?ssl=require"


@pytest.mark.parametrize(
    "wrong", [{"database_scheme": "mysql"}, {"database_scheme": "postgresql://"}, {"database_query": "?ssl=require"}]
)
def test_impossible_forms_are_refused(wrong: dict[str, str]) -> None:
    with pytest.raises(ValidationError, match="should match pattern"):
        Secret.model_validate({"name": "s", **wrong})


class Server:
    """A PostgreSQL whose files are known, as of a kept run."""

    host = "db"

    def read(self, path: str) -> str:
        return url("db", "todo", "p@ss") if path.endswith("url") else "text"


class Places:
    """Where dependencies are started: PostgreSQL is there already."""

    def kept(self, name: str) -> bool:
        return bool(name)

    def host(self, name: str) -> str:
        return name

    def start(self, *_: object, **__: object) -> Any:
        return Server()


def test_every_url_of_a_database_has_its_form(monkeypatch: pytest.MonkeyPatch) -> None:
    """Also that of a kept database, which was started with another target."""
    for name in ("wait", "hold_commits"):
        monkeypatch.setattr(Database, name, lambda *_, **__: None)
    monkeypatch.setattr(Database, "role_is_altered", lambda _: False)
    monkeypatch.setattr(pgbouncer, "eventually", lambda *_: None)
    places: Any = Places()
    redacted: list[str] = []
    started = database.start(places, "image", redacted.append, DatabaseUrlForm("postgresql+asyncpg", "ssl=require"))
    assert started.url == "postgresql+asyncpg://todo:p%40ss@db:5432/todo?ssl=require"
    assert started.role_url("other", "x") == "postgresql+asyncpg://other:x@db:5432/todo?ssl=require"
    assert {started.url, "p@ss", "p%40ss"} <= set(redacted)
    pooled = pgbouncer.start(places, "image", started, redacted.append).url
    assert pooled.startswith("postgresql+asyncpg://todo:p%40ss@")
    assert pooled.endswith("/todo?ssl=require")


def stated(target: Target, **fields: str) -> Target:
    return target.model_copy(update={"secret": target.secret.model_copy(update=fields)})


def test_rendered_url_has_its_form(target: Target) -> None:
    other = stated(target, database_scheme="postgresql+asyncpg", database_query="ssl=require")
    made = new_credentials(other)[other.secret.database_url]
    assert made.startswith("postgresql+asyncpg://todo:")
    assert made.endswith("@db.example.com:5432/todo?ssl=require")


class Chart:
    """A chart that refuses every URL but those of asyncpg."""

    def __init__(self, target: Target) -> None:
        self.target, self.shipped, self.given = target, dict[str, object](), ""

    def with_values(self, _: object, values: dict[str, Any]) -> Any:
        self.given = str(values)
        raise Untested("rendered")


def test_chart_is_given_urls_of_its_driver_only(target: Target) -> None:
    chart: Any = Chart(stated(target, database_scheme="postgresql+asyncpg"))
    encoded = next(each for each in given.cases() if each.name == "an encoded password")
    with pytest.raises(Untested, match="rendered"):
        check_given(encoded, chart, chart)
    assert "postgresql+asyncpg://todo:p%40ss" in chart.given
    accepted = Case("SEC-04", "postgres", "database_url", "postgres://u:p@db.example.com/todo", refused=False)
    with pytest.raises(Untested, match=r"the URL begins with postgresql\+asyncpg"):
        check_case(accepted, chart, chart, {})
