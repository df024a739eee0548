"""Forms of the frontend's pages, submitted as a browser without scripts does."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field, replace
from urllib.parse import urljoin, urlsplit

from lxml.html import HtmlElement
from requests import Response

from acceptance.checks.finding import Untested
from acceptance.client.documents import BUTTONS, CHECKED, Control, Document
from acceptance.client.user import User, send
from acceptance.core.deadlines import REQUEST
from acceptance.provision.gateway import Gateway

TEXT = ("text", "textarea")
"""Kinds of controls for free text."""
CHOSEN = (*BUTTONS, *CHECKED, "select", "hidden", "file")
"""Kinds of controls into which nothing is written."""
MULTIPART = "multipart/form-data"


@dataclass(frozen=True)
class Form:
    """A form: where and how it is sent, and with what.

    Attributes:
        entries: The names and values that it sends as long as nothing is entered.
        texts: The names of the fields for free text.
        labels: The names of the fields that can be written into, by their accessible names.
        buttons: The form as each of its buttons sends it, by the buttons' accessible names, in their order.
    """

    action: str
    method: str
    multipart: bool
    entries: tuple[tuple[str, str], ...] = ()
    texts: tuple[str, ...] = ()
    labels: Mapping[str, str] = field(default_factory=dict, compare=False)
    buttons: Mapping[str, Form] = field(default_factory=dict, compare=False)

    def labelled(self, values: Mapping[str, str]) -> dict[str, str]:
        """Return what is entered by the fields' names, given by their labels; raises `Untested` if one has no field."""
        if missing := values.keys() - self.labels.keys():
            raise Untested(f"the form in the first HTML has no field with the label {sorted(missing)[0]}")
        return {self.labels[label]: text for label, text in values.items()}


def read_forms(html: str) -> list[Form]:
    """Return the forms of a page."""
    document = Document(html)
    controls = document.controls()
    return [_form(element, controls) for element in document.forms()]


def _form(element: HtmlElement, controls: Iterable[Control]) -> Form:
    """Return a form with those of a page's controls that belong to it; disabled ones are never sent."""
    enabled = [each for each in controls if each.form is element and each.enabled]
    named = [(name, each) for each in enabled if (name := each.attributes.get("name"))]
    labels: dict[str, str] = {}
    for name, control in named:
        if control.kind not in CHOSEN:
            labels.setdefault(control.name, name)
    given = element.attrib
    form = Form(
        given.get("action", ""),
        given.get("method", "get").lower(),
        given.get("enctype") == MULTIPART,
        tuple((name, value) for name, control in named for value in control.values),
        tuple(name for name, control in named if control.kind in TEXT),
        labels,
    )
    buttons: dict[str, Form] = {}
    for button in enabled:
        if button.kind == "submit":
            buttons.setdefault(button.name, _pressed(form, button.attributes))
    return replace(form, buttons=buttons)


def _pressed(form: Form, button: Mapping[str, str]) -> Form:
    """Return the form as a button with these attributes sends it."""
    added = ((button["name"], button.get("value", "")),) if button.get("name") else ()
    return replace(
        form,
        action=button.get("formaction", form.action),
        method=button.get("formmethod", form.method).lower(),
        multipart=button["formenctype"] == MULTIPART if "formenctype" in button else form.multipart,
        entries=(*form.entries, *added),
    )


def text_form(html: str) -> Form | None:
    """Return the page's first posted form with one field for free text, which adds something; None if there is none.

    It is as Enter in the field sends it: by its first button.
    """
    sent = [next(iter(form.buttons.values()), form) for form in read_forms(html)]
    return next((form for form in sent if form.method == "post" and len(form.texts) == 1), None)


def form_with_button(html: str, button: str) -> Form | None:
    """Return the page's first form that is posted by a button of this name, as it sends it; else None."""
    sent = [form.buttons[button] for form in read_forms(html) if button in form.buttons]
    return next((form for form in sent if form.method == "post"), None)


def has_control(html: str, name: str) -> bool:
    """Return whether a page has a control of this accessible name, in a form or not."""
    return any(control.name == name for control in Document(html).controls())


def from_browser(origin: str) -> dict[str, str]:
    """Return the headers of a request from a page of the release, also where it is sent to one pod."""
    return {"Host": urlsplit(origin).netloc, "Origin": origin}


def submit(user: User, form: Form, page: str, text: str, origin: str) -> Response:
    """Submit the form as the user, and return the response without following redirects.

    Args:
        user: The user, by the session cookie.
        form: The form.
        page: The URL of the form's page, at the frontend's Service or at a pod.
        text: What is entered in its only field for free text.
        origin: The release's origin, which a browser sends.
    """
    return post(user.gateway, form, page, {form.texts[0]: text}, {**user.browser_headers, **from_browser(origin)})


def post(
    gateway: Gateway,
    form: Form,
    page: str,
    values: Mapping[str, str],
    headers: Mapping[str, str],
    timeout: float = REQUEST.seconds,
) -> Response:
    """Send a form, and return the response without following redirects.

    Args:
        gateway: The way to the release.
        form: The form.
        page: The URL of the form's page.
        values: What is entered, by the fields' names.
        headers: Those of the request.
        timeout: In seconds.
    """
    given = [(name, values.get(name, value)) for name, value in form.entries]
    url = urljoin(page, form.action)
    if form.multipart:
        files = [(name, (None, value)) for name, value in given]
        return send(gateway, "POST", url, files=files, headers=dict(headers), allow_redirects=False, timeout=timeout)
    typed = {**headers, "Content-Type": "application/x-www-form-urlencoded"}  # without a field too
    return send(gateway, "POST", url, data=given, headers=typed, allow_redirects=False, timeout=timeout)
