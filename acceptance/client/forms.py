"""Forms of the frontend's pages, submitted as a browser without scripts does."""

from __future__ import annotations

from dataclasses import dataclass, field
from html.parser import HTMLParser
from urllib.parse import urljoin, urlsplit

from requests import Response

from acceptance.client.user import User, send

TEXT = ("text", "")
"""Types of an input for free text; without a type it is one."""


@dataclass
class Form:
    """A form: where it is sent, its hidden fields, and the names of those for free text."""

    action: str
    method: str
    multipart: bool
    hidden: dict[str, str] = field(default_factory=dict)
    texts: list[str] = field(default_factory=list)


class FormParser(HTMLParser):
    """Collects the forms of a page."""

    def __init__(self) -> None:
        super().__init__()
        self.forms: list[Form] = []
        self._open = False

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        """Open a form, or add a field to the open one."""
        given = {name: value or "" for name, value in attrs}
        if tag == "form":
            multipart = given.get("enctype") == "multipart/form-data"
            self.forms.append(Form(given.get("action", ""), given.get("method", "get").lower(), multipart))
            self._open = True
        elif self._open and tag in ("input", "textarea") and (name := given.get("name")):
            kind = given.get("type", "")
            if kind == "hidden":
                self.forms[-1].hidden[name] = given.get("value", "")
            elif kind in TEXT:
                self.forms[-1].texts.append(name)

    def handle_endtag(self, tag: str) -> None:
        """Close the form."""
        self._open = self._open and tag != "form"


def text_form(html: str) -> Form | None:
    """The page's first form that is posted and has one field for free text: the one that adds something; else None."""
    parser = FormParser()
    parser.feed(html)
    return next((form for form in parser.forms if form.method == "post" and len(form.texts) == 1), None)


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
    values = {**form.hidden, form.texts[0]: text}
    headers = {**user.cookie, **from_browser(origin)}
    url = urljoin(page, form.action)
    if form.multipart:
        files = {name: (None, value) for name, value in values.items()}
        return send(user.gateway, "POST", url, files=files, headers=headers, allow_redirects=False)
    return send(user.gateway, "POST", url, data=values, headers=headers, allow_redirects=False)
