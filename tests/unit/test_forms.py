"""Forms as a browser without scripts reads, fills in and sends them, and where their responses lead."""

from __future__ import annotations

from dataclasses import dataclass, field
from types import SimpleNamespace
from typing import Any

import pytest
from requests import Response

from acceptance.checks.finding import Untested
from acceptance.client import forms, visitor
from acceptance.client.forms import Form, form_with_button, has_control, read_forms, text_form
from acceptance.client.visitor import Visitor, path_of
from acceptance.core.target import Target

PAGE = """
<form role="search"><input type="search" name="q"></form>
<form method="post" action="/remove"><input type="hidden" name="id" value="7"><button>Delete</button></form>
<form method="POST" action="/add" enctype="multipart/form-data">
  <input type="hidden" name="$ACTION" value="x"><input name="title"><input type="checkbox" name="urgent"></form>
<input name="outside">
"""
LABELLED = """<form method="post" action="/in"><label>Name <input name="n"></label>
<label for="p">Password</label><input id="p" type="password" name="secret"><input aria-label="Code" name="c">
<input type="hidden" name="h" value="1"><input type="checkbox" name="agree"><button>Sign <b>in</b></button></form>
<form method="post" action="/out"><button aria-label="Leave">x</button></form>"""


def only_form(controls: str, attributes: str = "") -> Form:
    """The one form of a page with these controls."""
    (form,) = read_forms(f"<form method=post {attributes}>{controls}</form>")
    return form


def test_form_that_adds_something_is_recognised() -> None:
    entries = (("$ACTION", "x"), ("title", ""))
    assert text_form(PAGE) == Form("/add", "post", multipart=True, entries=entries, texts=("title",))
    assert text_form("<p>rendered by scripts</p>") is None


def test_enter_sends_what_the_first_button_adds() -> None:
    page = (
        "<form><input name=t><button formmethod=post name=do value=add>Add</button><button name=do>No</button></form>"
    )
    form = text_form(page)
    assert form is not None
    assert form.entries == (("t", ""), ("do", "add"))


@pytest.mark.parametrize(("multipart", "kind"), [(True, "files"), (False, "data")])
def test_form_is_submitted_as_a_browser_does(multipart: bool, kind: str, monkeypatch: pytest.MonkeyPatch) -> None:
    sent: list[tuple[str, dict[str, Any]]] = []
    monkeypatch.setattr(forms, "send", lambda _gateway, _method, url, **kwargs: sent.append((url, kwargs)))
    form = Form("/add", "post", multipart, (("$ACTION", "x"), ("title", "")), ("title",))
    user: Any = SimpleNamespace(gateway=None, browser_headers={})
    forms.submit(user, form, "http://shop:3000/tasks?q=x", "milk", "http://origin")
    ((url, kwargs),) = sent
    assert url == "http://shop:3000/add"
    values = [(name, value[1] if multipart else value) for name, value in kwargs[kind]]
    assert values == [("$ACTION", "x"), ("title", "milk")]
    assert kwargs["headers"]["Origin"] == "http://origin"


def test_forms_are_found_by_buttons_and_filled_in_by_labels() -> None:
    sign_in, leave = form_with_button(LABELLED, "Sign in"), form_with_button(LABELLED, "Leave")
    assert sign_in is not None
    assert leave is not None
    assert sign_in.labels == {"Name": "n", "Password": "secret", "Code": "c"}
    assert (dict(sign_in.entries)["h"], leave.action) == ("1", "/out")
    assert form_with_button(LABELLED, "Sign up") is None


@pytest.mark.parametrize(
    "control",
    [
        "<input id=t name=title placeholder=x><label for=t>New task</label>",
        "<label><input name=title> New\n task</label>",
        "<label>New task <textarea name=title>old</textarea></label>",
        "<label>New <select name=s><option>a<option>b</select> task <input name=title></label>",
        "<label for=t>New task</label><label><input id=t name=title> or another name</label>",
        "<input name=title placeholder='New task'>",
    ],
)
def test_labels_are_found_wherever_they_are(control: str) -> None:
    assert only_form(control).labels["New task"] == "title"


@pytest.mark.parametrize(
    ("control", "entries"),
    [
        ("<input name=a value=1><input type=HIDDEN name=a value=2>", [("a", "1"), ("a", "2")]),
        ("<input type=checkbox name=a checked><input type=checkbox name=b>", [("a", "on")]),
        ("<input type=radio name=a value=1><input type=radio name=a value=2 checked>", [("a", "2")]),
        ("<select name=a><option value=1>one<option value=2 selected>two</select>", [("a", "2")]),
        ("<select name=a><option disabled>none</option><option>first one</option></select>", [("a", "first one")]),
        ("<select name=a><option disabled selected>none</option><option>one</option></select>", []),
        ("<select name=a multiple><option selected>1<option selected>2<option>3</select>", [("a", "1"), ("a", "2")]),
        ("<textarea name=a>\na &amp; b</textarea>", [("a", "a & b")]),
        ("<input name=a disabled><input type=file name=b><button name=c>Send</button>", []),
    ],
)
def test_form_sends_what_its_controls_hold(control: str, entries: list[tuple[str, str]]) -> None:
    assert list(only_form(control).entries) == entries


@pytest.mark.parametrize(
    ("button", "expected"),
    [
        ("<button name=do value=add>Add</button>", Form("/all", "post", False, (("do", "add"),))),
        ("<button formaction=/one>Add</button>", Form("/one", "post", False)),
        ("<button formaction=''>Add</button>", Form("", "post", False)),
        ("<input type=submit value=Add name=do>", Form("/all", "post", False, (("do", "Add"),))),
        ("<button formenctype=multipart/form-data>Add</button>", Form("/all", "post", True)),
        ("<button formmethod=get>Add</button>", None),
        ("<button type=button>Add</button>", None),
        ("<button disabled>Add</button>", None),
    ],
)
def test_button_sends_its_form_its_own_way(button: str, expected: Form | None) -> None:
    assert form_with_button(f"<form method=post action=/all>{button}</form>", "Add") == expected


def test_controls_outside_of_their_form_belong_to_it() -> None:
    page = "<form id=f method=post></form><input form=f name=title aria-label=Title><button form=f>Add</button>"
    form = form_with_button(page, "Add")
    assert form is not None
    assert form.labelled({"Title": "milk"}) == {"title": "milk"}


def test_field_without_its_label_is_untested() -> None:
    with pytest.raises(Untested, match="no field with the label New task"):
        only_form("<input name=title>").labelled({"New task": "milk"})


def test_control_is_found_by_its_name_not_by_its_value() -> None:
    assert has_control("<ul><li><label><input type=checkbox> milk</label></ul>", "milk")
    assert not has_control("<p>Could not add milk.</p><label>Title <input value=milk></label>", "milk")


@dataclass
class FakeGateway:
    """The frontend's Service, with the pages that a test gives it by their paths, and the cookies that they set."""

    pages: dict[str, str]
    set_cookie: str = ""
    read: list[tuple[str, dict[str, str]]] = field(default_factory=list)

    def url(self, _component: str, path: str) -> str:
        return f"http://frontend.todo.svc:3000{path}"

    def send(self, _gateway: object, _method: str, url: str, headers: dict[str, str], **_: object) -> Response:
        self.read.append((url, headers))
        return response(url, 200, self.pages[path_of(url)], set_cookie=self.set_cookie)


def response(url: str, status: int, text: str = "", location: str = "", set_cookie: str = "") -> Response:
    answer = Response()
    answer.url, answer.status_code, answer._content = url, status, text.encode()
    answer.headers.update({"Location": location} if location else {})
    answer.raw = SimpleNamespace(headers=SimpleNamespace(getlist=lambda _: [set_cookie] if set_cookie else []))
    return answer


@pytest.fixture
def gateway(monkeypatch: pytest.MonkeyPatch) -> FakeGateway:
    fake = FakeGateway({"/tasks": "<p>tasks</p>", "/tasks?from=1": "<p>more</p>"})
    monkeypatch.setattr(visitor, "send", fake.send)
    return fake


@pytest.fixture
def person(target: Target, gateway: FakeGateway) -> Visitor:
    release: Any = SimpleNamespace(target=target, origin="http://todo.example")
    return Visitor(release, gateway, {})  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("location", "shown"),
    [
        ("/tasks", "tasks"),
        ("../tasks?from=1", "more"),
        ("http://todo.example/tasks", "tasks"),
        ("http://frontend.todo.svc:3000/tasks", "tasks"),
    ],
)
def test_redirect_after_a_form_is_followed(person: Visitor, gateway: FakeGateway, location: str, shown: str) -> None:
    answer = response(gateway.url("frontend", "/actions/add"), 303, location=location)
    assert person.shown(answer) == shown


def test_page_of_the_form_itself_is_what_is_shown(person: Visitor, gateway: FakeGateway) -> None:
    assert person.shown(response(gateway.url("frontend", "/add"), 200, "<p>added</p>")) == "added"
    assert not gateway.read


@pytest.mark.parametrize(
    ("location", "message"),
    [
        ("", "expected a Location"),
        ("http://0.0.0.0:3000/tasks", "a page of http://todo.example, got http://0.0.0.0:3000"),
    ],
)
def test_redirect_to_no_page_fails(person: Visitor, gateway: FakeGateway, location: str, message: str) -> None:
    with pytest.raises(AssertionError, match=message):
        person.follow(response(gateway.url("frontend", "/add"), 303, location=location))


def test_cookies_of_pages_are_kept_and_sent(person: Visitor, gateway: FakeGateway, target: Target) -> None:
    gateway.set_cookie = f"__Secure-{target.auth.cookie}=a.b.c"
    person.read("/tasks")
    assert person.session == "a.b.c"
    gateway.set_cookie = f"__Secure-{target.auth.cookie}=; Max-Age=0"
    person.read("/tasks")
    assert gateway.read[-1][1]["Cookie"] == f"__Secure-{target.auth.cookie}=a.b.c"
    assert person.session == ""
