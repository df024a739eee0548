"""Updates, deletions and forms are noted as acknowledged or not, and each that is lost is found."""

from __future__ import annotations

import threading
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any

import pytest
from psycopg import errors

from acceptance.core.target import DEFAULT_TARGET, load
from acceptance.traffic import changes
from acceptance.traffic.changes import Changer, Changes, reconcile_changes
from acceptance.traffic.write_ledger import Write

TARGET = load(DEFAULT_TARGET)
PAGE = '<form method="post" action="/add"><input name="title"></form>'


@dataclass
class Answer:
    status_code: int
    text: str = PAGE
    headers: Mapping[str, str] = field(default_factory=dict)


@dataclass
class FakeUser:
    """Answers every change with one status, or not at all."""

    status: int = 200
    target: Any = TARGET
    gateway: Any = None
    browser_headers: dict[str, str] = field(default_factory=dict)
    calls: list[tuple[str, Any]] = field(default_factory=list)

    def path(self, template: str, **_: object) -> str:
        return template

    def add_task(self, title: str) -> dict[str, object]:
        self.calls.append(("add", title))
        return {"id": 7}

    def call(self, method: str, _path: str, json: object = None) -> Answer:
        self.calls.append((method, json))
        if not self.status:
            raise AssertionError("expected an answer")
        return Answer(self.status)


def changer(user: FakeUser) -> Changer:
    return Changer(user, "http://origin")  # type: ignore[arg-type]


@pytest.mark.parametrize(("status", "acknowledged"), [(200, True), (204, True), (503, False), (302, False)])
def test_only_a_2xx_acknowledges_an_update_or_a_deletion(status: int, acknowledged: bool) -> None:
    one = changer(FakeUser(status))
    one.update()
    one.delete()
    for name in ("updated", "deleted"):
        (write,) = one.changes[name].writes
        assert write == Write(f"{one.changes[name].token}-0", acknowledged)


def test_change_without_a_response_is_noted_as_not_acknowledged() -> None:
    one = changer(FakeUser(0))
    with pytest.raises(AssertionError):
        one.delete()
    assert [write.acknowledged for write in one.changes["deleted"].writes] == [False]


@pytest.mark.parametrize(
    ("status", "location", "text", "acknowledged"),
    [
        (303, "/tasks", "", True),
        (303, "/tasks?error=too-long", "", False),
        (200, "", '<form><button role="checkbox">{title}</button></form>', True),
        (200, "", '<label><input type="checkbox"> {title}</label>', True),
        (200, "", '<p role="alert">Could not add {title}.</p><input name="title" value="{title}">', False),
        (503, "", '<form><button role="checkbox">{title}</button></form>', False),
    ],
)
def test_redirect_or_the_task_on_the_page_acknowledges_a_form(
    status: int, location: str, text: str, acknowledged: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    class Gateway:
        def url(self, _component: str, path: str) -> str:
            return f"http://shop:3000{path}"

    def submit(_user: object, _form: object, _page: str, title: str, _origin: str) -> Answer:
        return Answer(status, text.format(title=title), {"Location": location})

    monkeypatch.setattr(changes, "send", lambda *_args, **_kwargs: Answer(200))
    monkeypatch.setattr(changes, "submit", submit)
    one = changer(FakeUser(gateway=Gateway()))
    one.add()
    assert [write.acknowledged for write in one.changes["submitted"].writes] == [acknowledged]


def test_page_without_named_screens_acknowledges_nothing() -> None:
    answer = Answer(200, "<button>milk</button>")
    assert not changes.shows_task(answer, None, "milk")  # type: ignore[arg-type]


class FakeDatabase:
    """Its tables have the given texts."""

    def __init__(self, *texts: str) -> None:
        self.texts = texts

    @contextmanager
    def admin(self) -> Iterator[FakeDatabase]:
        yield self

    def execute(self, _query: object) -> FakeDatabase:
        return self

    def fetchall(self) -> list[tuple[str]]:
        return [(text,) for text in self.texts]


def lost(each: Changes, *texts: str) -> list[str]:
    ledgers = reconcile_changes([each], TARGET.tables, FakeDatabase(*texts))  # type: ignore[arg-type]
    return [finding.actual for ledger in ledgers.values() for finding in ledger.findings("PER-05")]


def test_lost_update_and_deletion_that_was_not_made_are_found() -> None:
    writes = [Write("m-0", True), Write("m-1", True), Write("m-2", False)]
    updated = Changes("updated tasks", token="m", writes=writes)  # noqa: S106 - a marker
    assert lost(updated, "m-0", "m-1") == []
    assert lost(updated, "m-0", "m-2") == ["1 lost: m-1"]
    assert lost(updated, "m-0", "m-1", "m-1") == ["1 stored more than once: m-1"]
    deleted = Changes("deleted tasks", removed=True, token="m", writes=writes)  # noqa: S106 - a marker
    assert lost(deleted) == []
    assert lost(deleted, "m-2") == []
    assert lost(deleted, "m-0") == ["1 lost: m-0"]


def test_table_that_is_absent_costs_the_ledger_alone(monkeypatch: pytest.MonkeyPatch) -> None:
    def fail(_self: FakeDatabase, _query: object) -> FakeDatabase:
        raise errors.UndefinedTable('relation "task" does not exist')

    monkeypatch.setattr(FakeDatabase, "execute", fail)
    updated = Changes("updated tasks", token="m", writes=[Write("m-0", True)])  # noqa: S106 - a marker
    assert reconcile_changes([updated], TARGET.tables, FakeDatabase()) == {}  # type: ignore[arg-type]


def test_unexpected_error_of_a_change_is_raised_at_exit(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(changes, "PAUSE", 0.01)
    one, failed = changer(FakeUser()), threading.Event()

    def update() -> None:
        failed.set()
        raise KeyError("id")

    monkeypatch.setattr(one, "update", update)
    with pytest.raises(KeyError, match="id"), one.changing():
        assert failed.wait(60)


def test_changes_of_which_none_was_acknowledged_prove_nothing() -> None:
    none = Changes("submitted tasks", token="m", writes=[Write("m-0", False)])  # noqa: S106 - a marker
    assert reconcile_changes([none], TARGET.tables, FakeDatabase()) == {}  # type: ignore[arg-type]
