"""Forms of the frontend's pages, submitted as a browser without scripts does."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from html.parser import HTMLParser
from urllib.parse import urljoin, urlsplit

from requests import Response

from acceptance.client.user import User, send
from acceptance.core.deadlines import REQUEST
from acceptance.provision.gateway import Gateway

TEXT = ("text", "")
"""Types of an input for free text; without a type it is one."""
UNNAMED = ("submit", "button", "reset", "image", "checkbox", "radio", "file")
"""Types of an input into which nothing is written."""


@dataclass
class Form:
    """A form: where it is sent, its hidden fields, and the names of those for free text.

    Attributes:
        labels: The names of the fields that can be written into, by their labels.
        buttons: The names of its buttons, with what each adds to the fields: its own name and value, if it has any.
    """

    action: str
    method: str
    multipart: bool
    hidden: dict[str, str] = field(default_factory=dict)
    texts: list[str] = field(default_factory=list)
    labels: dict[str, str] = field(default_factory=dict, compare=False)
    buttons: dict[str, dict[str, str]] = field(default_factory=dict, compare=False)


class FormParser(HTMLParser):
    """Collects the forms of a page."""

    def __init__(self) -> None:
        super().__init__()
        self.forms: list[Form] = []
        self._open = False
        self._label = ""
        self._label_of = ""
        self._for: dict[str, str] = {}
        """Labels by the identifiers of the elements that they are for."""
        self._button: str | None = None
        self._sent: dict[str, str] = {}
        """What the open button adds to the fields."""

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        """Open a form, or add a field or button to the open one."""
        given = {name: value or "" for name, value in attrs}
        if tag == "form":
            multipart = given.get("enctype") == "multipart/form-data"
            self.forms.append(Form(given.get("action", ""), given.get("method", "get").lower(), multipart))
            self._open = True
        elif tag == "label":
            self._label, self._label_of = "", given.get("for", "")
        elif self._open and tag == "button":
            self._button = ""
            self._sent = {given["name"]: given.get("value", "")} if given.get("name") else {}
            if name := given.get("aria-label"):
                self.forms[-1].buttons[name] = self._sent
        elif self._open and tag in ("input", "textarea") and (name := given.get("name")):
            kind = given.get("type", "")
            if kind == "hidden":
                self.forms[-1].hidden[name] = given.get("value", "")
            elif kind in TEXT:
                self.forms[-1].texts.append(name)
            if kind != "hidden" and kind not in UNNAMED:
                label = given.get("aria-label") or self._for.get(given.get("id", "")) or self._label.strip()
                self.forms[-1].labels[label or given.get("placeholder", "")] = name

    def handle_data(self, data: str) -> None:
        """Collect the text of a label or button."""
        self._label += data
        if self._button is not None:
            self._button += data

    def handle_endtag(self, tag: str) -> None:
        """Close the form, label or button."""
        if tag == "label":
            if self._label_of:
                self._for[self._label_of] = self._label.strip()
            self._label = ""
        elif tag == "button" and self._button is not None:
            self.forms[-1].buttons.setdefault(self._button.strip(), self._sent)
            self._button = None
        self._open = self._open and tag != "form"


def posted_forms(html: str) -> list[Form]:
    """Return the page's forms that are posted."""
    parser = FormParser()
    parser.feed(html)
    return [form for form in parser.forms if form.method == "post"]


def text_form(html: str) -> Form | None:
    """The page's first form that is posted and has one field for free text: the one that adds something; else None."""
    return next((form for form in posted_forms(html) if len(form.texts) == 1), None)


def form_with_button(html: str, button: str) -> Form | None:
    """The page's first form that is posted and has a button of this name, as it sends it; else None."""
    form = next((form for form in posted_forms(html) if button in form.buttons), None)
    return form and replace(form, hidden=form.hidden | form.buttons[button])


def from_browser(origin: str) -> dict[str, str]:
    """The headers of a request from a page of the release, also where it is sent to one pod."""
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
    return post(user.gateway, form, page, {form.texts[0]: text}, {**user.cookie, **from_browser(origin)})


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
    given = {**form.hidden, **values}
    url = urljoin(page, form.action)
    if form.multipart:
        files = {name: (None, value) for name, value in given.items()}
        return send(gateway, "POST", url, files=files, headers=dict(headers), allow_redirects=False, timeout=timeout)
    typed = {**headers, "Content-Type": "application/x-www-form-urlencoded"}  # without a field too
    return send(gateway, "POST", url, data=given, headers=typed, allow_redirects=False, timeout=timeout)
