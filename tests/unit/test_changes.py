"""Updates, deletions and forms are noted as acknowledged or not, and each that is lost is found."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any

import pytest

from acceptance.client import forms
from acceptance.client.forms import Form, form_with_button, text_form
from acceptance.core.target import DEFAULT_TARGET, load
from acceptance.traffic import changes
from acceptance.traffic.changes import Changer, Changes, settle_changes
from acceptance.traffic.write_ledger import Write

TARGET = load(DEFAULT_TARGET)
PAGE = """
<form role="search"><input type="search" name="q"></form>
<form method="post" action="/remove"><input type="hidden" name="id" value="7"><button>Delete</button></form>
<form method="POST" action="/add" enctype="multipart/form-data">
  <input type="hidden" name="$ACTION" value="x"><input name="title"><input type="checkbox" name="urgent"></form>
<input name="outside">
"""


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
    cookie: dict[str, str] = field(default_factory=dict)
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


def test_form_that_adds_something_is_recognised() -> None:
    assert text_form(PAGE) == Form("/add", "post", multipart=True, hidden={"$ACTION": "x"}, texts=["title"])
    assert text_form("<p>rendered by scripts</p>") is None


@pytest.mark.parametrize(("multipart", "kind"), [(True, "files"), (False, "data")])
def test_form_is_submitted_as_a_browser_does(multipart: bool, kind: str, monkeypatch: pytest.MonkeyPatch) -> None:
    sent: list[tuple[str, dict[str, Any]]] = []
    monkeypatch.setattr(forms, "send", lambda _gateway, _method, url, **kwargs: sent.append((url, kwargs)))
    form = Form("/add", "post", multipart, {"$ACTION": "x"}, ["title"])
    forms.submit(FakeUser(), form, "http://shop:3000/tasks?q=x", "milk", "http://origin")  # type: ignore[arg-type]
    ((url, kwargs),) = sent
    assert url == "http://shop:3000/add"
    assert set(kwargs[kind]) == {"$ACTION", "title"}
    assert kwargs["headers"]["Origin"] == "http://origin"


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
    ("status", "location", "acknowledged"),
    [(303, "/tasks", True), (303, "/tasks?error=too-long", False), (200, "", False), (503, "", False)],
)
def test_only_a_redirect_acknowledges_a_form(
    status: int, location: str, acknowledged: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    class Gateway:
        def url(self, _component: str, path: str) -> str:
            return f"http://shop:3000{path}"

    monkeypatch.setattr(changes, "send", lambda *_args, **_kwargs: Answer(200))
    monkeypatch.setattr(changes, "submit", lambda *_: Answer(status, headers={"Location": location}))
    one = changer(FakeUser(gateway=Gateway()))
    one.add()
    assert [write.acknowledged for write in one.changes["submitted"].writes] == [acknowledged]


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
    ledgers = settle_changes([each], TARGET.tables, FakeDatabase(*texts))  # type: ignore[arg-type]
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


def test_changes_of_which_none_was_acknowledged_prove_nothing() -> None:
    none = Changes("submitted tasks", token="m", writes=[Write("m-0", False)])  # noqa: S106 - a marker
    assert settle_changes([none], TARGET.tables, FakeDatabase()) == {}  # type: ignore[arg-type]


LABELLED = """<form method="post" action="/in"><label>Name <input name="n"></label>
<label for="p">Password</label><input id="p" type="password" name="secret"><input aria-label="Code" name="c">
<input type="hidden" name="h" value="1"><input type="checkbox" name="agree"><button>Sign <b>in</b></button></form>
<form method="post" action="/out"><button aria-label="Leave">x</button></form>"""


def test_forms_are_found_by_buttons_and_filled_in_by_labels() -> None:
    sign_in, leave = form_with_button(LABELLED, "Sign in"), form_with_button(LABELLED, "Leave")
    assert sign_in is not None
    assert leave is not None
    assert sign_in.labels == {"Name": "n", "Password": "secret", "Code": "c"}
    assert (sign_in.hidden, leave.action) == ({"h": "1"}, "/out")
    assert form_with_button(LABELLED, "Sign up") is None
