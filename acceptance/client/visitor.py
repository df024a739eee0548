"""A browser without scripts: it keeps cookies, and sends the pages' own forms."""

from __future__ import annotations

from collections.abc import Mapping
from urllib.parse import urljoin, urlsplit, urlunsplit

from requests import Response

from acceptance.checks.finding import Untested
from acceptance.client.answers import SEE_OTHER, describe, set_cookies
from acceptance.client.documents import Document
from acceptance.client.forms import Form, form_with_button, from_browser, post
from acceptance.client.sessions import NO_COOKIE
from acceptance.client.tokens import cookie_header, kept_cookies, token_in
from acceptance.client.user import User, answer_within_rate_limit, send
from acceptance.core.deadlines import REQUEST
from acceptance.core.target import Screens
from acceptance.provision.gateway import Gateway
from acceptance.provision.release import Release


class Visitor:
    """One person's browser: its cookies, the pages that it reads, and the forms that it sends."""

    def __init__(self, release: Release, gateway: Gateway, cookies: Mapping[str, str]) -> None:
        """Begin with `cookies`, by name."""
        if release.target.screens is None:
            raise Untested("the target names no screens")
        self.screens: Screens = release.target.screens
        self.target = release.target
        self.gateway = gateway
        self.origin = release.origin
        self.cookies = dict(cookies)

    @classmethod
    def signed_in(cls, release: Release, user: User) -> Visitor:
        """Return the browser of a user, with the cookies of the session.

        Raises:
            Untested: No cookie tells the frontend who the user is.
        """
        if not release.target.auth.has_cookie:
            raise Untested(NO_COOKIE)
        return cls(release, user.gateway, user.cookies)

    def headers(self, origin: str = "") -> dict[str, str]:
        """Return what it sends with each request, from a page of this release or of another origin."""
        return from_browser(self.origin) | ({"Origin": origin} if origin else {}) | cookie_header(self.cookies)

    @property
    def session(self) -> str:
        """The value of the session's cookie; empty without one. Raises `Untested` if sessions have no cookie."""
        if not self.target.auth.has_cookie:
            raise Untested(NO_COOKIE)
        return token_in(self.target.auth, self.cookies) or ""

    def read(self, path: str) -> Response:
        """Open a page, without following redirects; the cookies of the response are kept."""
        url = self.gateway.url("frontend", path)
        return self._keep_cookies(send(self.gateway, "GET", url, headers=self.headers(), allow_redirects=False))

    def form(self, path: str, button: str) -> Form:
        """Find the form with a button on a page; raises `Untested` if the first HTML has none that is posted."""
        form = form_with_button(self.read(path).text, button)
        if form is None:
            raise Untested(f"the first HTML of {path} has no posted form with the button {button}")
        return form

    def has_form(self, path: str, button: str) -> bool:
        """Return whether the first HTML of a page has a posted form with a button."""
        return form_with_button(self.read(path).text, button) is not None

    def press(self, path: str, button: str, values: Mapping[str, str] | None = None) -> Response:
        """Fill in the form with a button, by its labels, and press it; the cookies of the response are kept."""
        return self.submit(self.form(path, button), path, values)

    def submit(
        self, form: Form, path: str, values: Mapping[str, str] | None = None, timeout: float = REQUEST.seconds
    ) -> Response:
        """Fill in a form of the page, by its labels, and send it; the cookies of the response are kept."""
        url = self.gateway.url("frontend", path)
        return self._keep_cookies(post(self.gateway, form, url, form.labelled(values or {}), self.headers(), timeout))

    def _keep_cookies(self, answer: Response) -> Response:
        self.cookies = kept_cookies(self.cookies, set_cookies(answer))
        return answer

    def press_within_limit(self, path: str, button: str, values: Mapping[str, str]) -> Response:
        """Press a button by `press`, again while the application's rate limit answers 429. Raises `WaitError`."""
        return answer_within_rate_limit(path, lambda: self.press(path, button, values))

    def follow(self, answer: Response) -> Response:
        """Return the page that a form's response redirects to, or the response itself.

        Raises:
            AssertionError: There is no such page in the release.
        """
        if answer.status_code in SEE_OTHER:
            given = answer.headers.get("Location")
            assert given, f"expected a Location, got {describe(self.target, answer)}"
            location = urlsplit(urljoin(answer.url, given))
            own = (urlsplit(answer.url).netloc, urlsplit(self.origin).netloc)
            assert location.netloc in own, f"expected a redirect to a page of {self.origin}, got {given}"
            answer = self.read(path_of(location.geturl()))
        assert answer.ok, f"expected a page after the form, got {describe(self.target, answer)}"
        return answer

    def shown(self, answer: Response) -> str:
        """Return the text of the page that a form's response leads to; `AssertionError` if it leads to none."""
        return Document(self.follow(answer).text).text


def path_of(url: str) -> str:
    """Return the path and query of a URL."""
    parts = urlsplit(url)
    return urlunsplit(("", "", parts.path or "/", parts.query, ""))
