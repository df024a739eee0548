"""Identifiers are compared as what they identify, whatever their type and case; tokens get another user's by claim."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime
from typing import Any
from uuid import UUID

import jwt
import pytest
from psycopg import errors

from acceptance.checks.finding import Untested
from acceptance.client.endpoints import tags_are_shared
from acceptance.client.forged_tokens import Forge, signed
from acceptance.client.identity import canonical, replaced, same, unknown_like
from acceptance.client.rows import exists, has_column, rows, tag_rows, tags_lack_owner, user_rows
from acceptance.client.sessions import Session
from acceptance.client.user import User
from acceptance.core.target import Tables, Target
from acceptance.provision.gateway import Gateway

KEY = "k" * 32
TEXT = "0b5d2c1e-7a3f-4c7e-9d0a-1f2e3d4c5b6a"
LATER = int(datetime(2100, 1, 1, tzinfo=UTC).timestamp())


@pytest.mark.parametrize(
    ("one", "other"),
    [(1, "1"), (12, 12), ("a", "a"), (UUID(TEXT), TEXT), (TEXT.upper(), TEXT), (TEXT.replace("-", ""), UUID(TEXT))],
)
def test_identifier_is_the_same_in_every_form(one: object, other: object) -> None:
    assert same(one, other)
    assert same(other, one)
    assert canonical(one) == canonical(other)


@pytest.mark.parametrize(("one", "other"), [(1, "11"), (True, 1), (None, "None"), ("A", "a"), (UUID(TEXT), TEXT[:-1])])
def test_other_identifiers_differ(one: object, other: object) -> None:
    assert not same(one, other)


@pytest.mark.parametrize(
    ("claims", "expected"),
    [
        ({"sub": "1", "exp": LATER}, {"sub": "7", "exp": LATER}),
        ({"sub": 1, "exp": 1, "iat": 1}, {"sub": 7, "exp": 1, "iat": 1}),
        ({"user_id": 1, "version": 1, "admin": True}, {"user_id": 7, "version": 1, "admin": True}),
        (
            {"user": {"id": "1", "name": "1 of 11"}, "session": {"userId": 1}},
            {"user": {"id": "7", "name": "1 of 11"}, "session": {"userId": 7}},
        ),
        ({"who": ["1", 2], "exp": LATER}, {"who": ["7", 2], "exp": LATER}),
        ({"sub": "2"}, {"sub": "2"}),
    ],
)
def test_claims_get_another_user(claims: dict[str, Any], expected: dict[str, Any]) -> None:
    assert replaced(claims, "1", "7") == expected


@pytest.mark.parametrize("identifier", ["1", "17", TEXT, TEXT.upper(), "u-42ab", "kQzVbHnTyWsXcDeRfGvBnMjKlPoIuYtR"])
def test_unknown_user_has_an_identifier_of_the_same_form(identifier: str) -> None:
    unknown = unknown_like(identifier)
    assert unknown != identifier
    assert unknown.isdecimal() == identifier.isdecimal()
    assert (canonical(unknown) == unknown) == (canonical(identifier) == identifier)


def person(target: Target, identifier: str, claims: object) -> User:
    cookies = {target.auth.cookie: signed(claims, KEY)}
    session = Session.of(target.auth, cookies)
    return User(target, Gateway(target, "127.0.0.1", 1), identifier, "a@example.com", "password", session)


@pytest.mark.parametrize("claims", [{"sub": "1"}, {"sub": 1}, {"user_id": 1, "role": 1}, {"user": {"id": 1}}])
def test_tokens_of_others_are_made_of_a_number_too(target: Target, claims: dict[str, Any]) -> None:
    user = person(target, "1", {**claims, "exp": LATER})
    other = person(target, "2", {"sub": 2, "exp": 2**40})
    forge = Forge(user, other, KEY)
    options: Any = {"verify_signature": False}
    read = jwt.decode(forge.of_unknown_user(), options=options)
    assert read == replaced(claims, "1", forge.unknown_user) | {"exp": read["exp"]}
    assert forge.unknown_user in str(read)
    assert jwt.decode(forge.with_swapped_subject(), options=options) == {"sub": 1, "exp": 2**40}
    with pytest.raises(Untested, match="does not contain"):
        Forge(replace(user, id="3"), other, KEY).of_unknown_user()


class Postgres:
    """Answers queries in place of PostgreSQL, from the rows of each table; a query has the columns that it names."""

    def __init__(self, **tables: list[dict[str, Any]]) -> None:
        self.tables = tables
        self.found: list[Any] = []
        self.query = ""

    def cursor(self, **_: object) -> Postgres:
        return self

    def execute(self, query: Any, values: tuple[str, ...] = ()) -> Postgres:
        self.query = text = query.as_string(None)
        if values:
            table = self.tables.get(values[0].strip('"'))
            self.found = [(table is not None and (len(values) == 1 or values[1] in table[0]),)]
            return self
        name = text.split('"')[1]
        if name not in self.tables:
            raise errors.UndefinedTable(f'relation "{name}" does not exist\nLINE 1: SELECT')
        wanted = text.partition("WHERE")[2].split('"')[1::2]
        if missing := [column for column in wanted if column not in self.tables[name][0]]:
            raise errors.UndefinedColumn(f'column "{missing[0]}" does not exist\nLINE 1: SELECT')
        self.found = self.tables[name]
        return self

    def fetchall(self) -> list[Any]:
        return self.found

    def fetchone(self) -> Any:
        return self.found[0]


TASK = {"id": 3, "user_id": 1, "title": "x"}
TABLES = Tables()


def test_tags_without_an_owner_are_nobodys() -> None:
    postgres: Any = Postgres(task=[TASK], tag=[{"id": 9, "name": "home"}])
    assert tags_lack_owner(postgres, TABLES)
    assert user_rows(postgres, TABLES, "1") == {"task": [TASK], "message": []}
    assert tag_rows(postgres, TABLES, "1", "home") == [{"id": 9, "name": "home"}]
    owned: Any = Postgres(task=[TASK], tag=[{"id": 9, "name": "home", "user_id": 1}])
    assert not tags_lack_owner(owned, TABLES)
    assert user_rows(owned, TABLES, "1").keys() == {"task", "tag", "message"}


def test_table_that_is_not_there_is_untested() -> None:
    postgres: Any = Postgres(task=[{"id": 3}], conversation=[{"id": 1}])
    none = TABLES.model_copy(update={"tag": None})
    assert not exists(postgres, None)
    assert not tags_lack_owner(postgres, none)
    assert has_column(postgres, "task", "id")
    with pytest.raises(Untested, match='does not fit the database: column "user_id" does not exist'):
        user_rows(postgres, TABLES, "1")
    with pytest.raises(Untested, match="there is no table task"):
        user_rows(Postgres(conversation=[{"id": 1}]), TABLES, "1")  # type: ignore[arg-type]
    with pytest.raises(Untested, match='relation "message" does not exist'):
        rows(postgres, "message", {})
    with pytest.raises(Untested, match="no table of tags"):
        tag_rows(postgres, none, "1")


def test_tables_of_a_target_may_lack_tags() -> None:
    assert Tables.model_validate({"tag": False}).tag is None


@pytest.mark.parametrize(("given", "columns"), [("a", ("a",)), (["a", "b"], ("a", "b")), (False, ())])
def test_tool_calls_may_be_in_several_columns(given: object, columns: tuple[str, ...]) -> None:
    assert Tables.model_validate({"message_tool_calls": given}).tool_call_columns == columns


def test_rows_of_a_uuid_are_found_in_either_case() -> None:
    postgres: Any = Postgres(task=[{"id": UUID(TEXT), "user_id": 1}])
    assert rows(postgres, "task", {"id": TEXT.upper(), "user_id": 1}) == [{"id": TEXT, "user_id": 1}]
    assert f"replace(lower(\"id\"::text), '-', '') = '{TEXT.replace('-', '')}'" in postgres.query
    assert "\"user_id\"::text = '1'" in postgres.query


@pytest.mark.parametrize(
    ("path", "listed", "shared"),
    [("/api/tags", '[{"name": "theirs"}]', True), ("/api/tags", "[]", False), (None, "theirs", False)],
)
def test_shared_tags_are_recognised(
    monkeypatch: pytest.MonkeyPatch, target: Target, path: str | None, listed: str, shared: bool
) -> None:
    class Answer:
        ok, text = True, listed

    stated = target.model_copy(update={"api": target.api.model_copy(update={"tags": path})})
    monkeypatch.setattr(User, "call", lambda *_, **__: Answer)
    assert tags_are_shared(person(stated, "1", {}), "theirs") is shared
