"""A person at a browser: sees what is on the screen, clicks and types, and does nothing else."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from urllib.parse import urlsplit

from playwright.sync_api import BrowserContext, Locator, Page, Response, WebSocket, expect
from playwright.sync_api import Request as BrowserRequest

from acceptance.core.deadlines import RATE_LIMIT, SHOWN
from acceptance.core.target import Screens, Target
from acceptance.core.wait import NotYet, eventually

TOO_MANY = 429
MILLISECONDS = 1000
TABS = 30
"""More presses of Tab than any page here has things to focus."""


@dataclass
class BrowserUser:
    """One tab of a browser of its own; `requests` are the URLs of all that it has asked for, `faults` its scripts'."""

    target: Target
    screens: Screens
    origin: str
    page: Page
    keep: Callable[[str, bytes], Path]
    requests: list[str] = field(default_factory=list)
    page_errors: list[str] = field(default_factory=list)
    _pictures: int = 0

    def __post_init__(self) -> None:
        def asked(request: BrowserRequest) -> None:
            self.requests.append(request.url)

        def connected(socket: WebSocket) -> None:
            self.requests.append(socket.url)

        self.page.set_default_timeout(SHOWN.seconds * MILLISECONDS)
        self.page.context.on("request", asked)
        self.page.on("websocket", connected)
        self.page.on("pageerror", lambda error: self.page_errors.append(str(error)))

    @property
    def context(self) -> BrowserContext:
        return self.page.context

    def open(self, path: str) -> None:
        """Enter an address, as at the very first visit."""
        self.page.goto(self.origin + path)

    def button(self, name: str) -> Locator:
        return self.page.get_by_role("button", name=name, exact=True)

    def link(self, name: str) -> Locator:
        return self.page.get_by_role("link", name=name, exact=True)

    def text_field(self, name: str) -> Locator:
        return self.page.get_by_label(name, exact=True)

    def task(self, title: str) -> Locator:
        return self.page.get_by_role("checkbox", name=title, exact=True)

    def messages_by(self, who: str) -> Locator:
        """The articles of the chat's log that `who` wrote, oldest first."""
        return self.page.get_by_role("log").get_by_role("article", name=who, exact=True)

    def click(self, what: Locator) -> None:
        expect(what).to_be_visible()
        what.click()

    def type_into(self, name: str, text: str) -> None:
        """Click a field and type over what is in it, key by key."""
        self.click(self.text_field(name))
        self.page.keyboard.press("ControlOrMeta+a")
        self.page.keyboard.type(text)

    def submit(self, press: Callable[[], None]) -> Response:
        """Press what sends a form, and return what the frontend answered to it."""
        with self.page.expect_response(lambda answer: answer.request.method == "POST") as answered:
            press()
        return answered.value

    def sign_up(self, name: str, email: str, password: str) -> None:
        screens = self.screens
        fields = {screens.name: name, screens.email: email, screens.password: password}
        self._enter(screens.sign_up, fields, screens.sign_up_button)

    def sign_in(self, email: str, password: str) -> None:
        screens = self.screens
        self._enter(screens.sign_in, {screens.email: email, screens.password: password}, screens.sign_in_button)

    def _enter(self, path: str, fields: dict[str, str], button: str) -> None:
        def fill_in() -> None:
            self.open(path)
            for name, text in fields.items():
                self.type_into(name, text)
            self.click(self.button(button))

        self.submit_with_retry(fill_in)

    def submit_with_retry(self, enter: Callable[[], None]) -> None:
        """Send a form of an account, again where the application's own rate limit asks for patience."""

        def probe() -> None:
            if self.submit(enter).status == TOO_MANY:
                raise NotYet(f"the form was answered {TOO_MANY}, the application's own rate limit")

        eventually("to be let in within the rate limit", probe, RATE_LIMIT)
        self.is_signed_in()

    def is_signed_in(self) -> None:
        expect(self.button(self.screens.sign_out_button)).to_be_visible()

    def send_message(self, message: str) -> Locator:
        """Write to the assistant, and return its answer once it is there."""
        answers = self.messages_by(self.screens.assistant)
        before = answers.count()
        self.type_into(self.screens.message, message)
        self.click(self.button(self.screens.send_button))
        expect(answers).to_have_count(before + 1)
        expect(self.messages_by(self.screens.you).last).to_have_text(message)
        return answers.last

    def tab_to(self, what: Locator) -> None:
        """Press Tab until it has the focus; `AssertionError` where it never gets it."""
        expect(what).to_be_visible()
        for _ in range(TABS):
            self.page.keyboard.press("Tab")
            if what.evaluate("element => element === document.activeElement"):
                return
        raise AssertionError(f"wanted {what} to get the focus within {TABS} presses of Tab, seen others only")

    def screenshot(self, name: str) -> None:
        """Keep what is on the screen as evidence."""
        self._pictures += 1
        self.keep(f"{self._pictures:02} {name}.png", self.page.screenshot(full_page=True))

    def hosts(self) -> set[str]:
        """The hosts and ports that the tab has asked for anything."""
        return {
            parts.netloc for parts in map(urlsplit, self.requests) if parts.scheme in ("http", "https", "ws", "wss")
        }
