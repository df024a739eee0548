"""A user of the pages in a real browser: uses only what is visible, by clicking and typing."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from pathlib import Path
from urllib.parse import urlsplit

from playwright.sync_api import BrowserContext, Error, Locator, Page, Response, WebSocket, expect
from playwright.sync_api import Request as BrowserRequest

from acceptance.checks.finding import Untested
from acceptance.client.accounts import sign_in_entries, sign_up_entries
from acceptance.client.user import TOO_MANY
from acceptance.core.deadlines import RATE_LIMIT, SHOWN
from acceptance.core.target import Screens, Target
from acceptance.core.wait import NotYet, eventually

MILLISECONDS = 1000
FILES = ("script", "stylesheet", "font", "image")
"""What a page consists of besides its HTML, as Playwright names it."""
READING = ("GET", "HEAD", "OPTIONS")
"""Methods of requests that change nothing."""
FOCUSABLE = "[...document.querySelectorAll('*')].filter(element => element.tabIndex >= 0).length"
"""Counts the elements of a page that Tab leads to."""
SELECTOR = "css="
"""How the name of an author begins that is a selector of the author's messages."""
BROKEN = ("ERR_PROXY_CONNECTION_FAILED", "crashed")
"""How Playwright names a gateway that does not answer, and a browser's page that ended."""


@dataclass
class BrowserUser:
    """A user with one page of a browser.

    Attributes:
        keep: Saves a screenshot as evidence.
        requests: The URLs of all requests and WebSockets of the page.
        page_errors: Uncaught errors of the page's scripts.
        missing_files: The scripts, styles, fonts and images of the page that were answered with an error.
    """

    target: Target
    screens: Screens
    origin: str
    page: Page
    keep: Callable[[str, bytes], Path]
    requests: list[str] = field(default_factory=list)
    page_errors: list[str] = field(default_factory=list)
    missing_files: list[str] = field(default_factory=list)
    _screenshots: int = 0

    def __post_init__(self) -> None:
        def record_request(request: BrowserRequest) -> None:
            self.requests.append(request.url)

        def record_socket(socket: WebSocket) -> None:
            self.requests.append(socket.url)

        def record_file(answer: Response) -> None:
            if answer.request.resource_type in FILES and answer.status >= 400:
                self.missing_files.append(f"{answer.status} {answer.url}")

        self.page.set_default_timeout(SHOWN.seconds * MILLISECONDS)
        self.page.context.on("request", record_request)
        self.page.context.on("response", record_file)
        self.page.on("websocket", record_socket)
        self.page.on("pageerror", lambda error: self.page_errors.append(str(error)))

    @property
    def context(self) -> BrowserContext:
        """The page's browser context."""
        return self.page.context

    @property
    def has_session(self) -> bool:
        """Whether the browser has the session's cookie; never where sessions have none."""
        auth = self.target.auth
        return auth.has_cookie and any(each.get("name", "").endswith(auth.cookie) for each in self.context.cookies())

    def open(self, path: str) -> None:
        """Enter the address of a path of the release; `AssertionError` if no page loads."""
        with self._using(f"opening {path}"):
            self.page.goto(self.origin + path)

    def reload(self) -> None:
        """Load the page again; `AssertionError` if it does not."""
        with self._using("reloading"):
            self.page.reload()

    @contextmanager
    def _using(self, what: str) -> Iterator[None]:
        """Turn an error of Playwright into an `AssertionError`, unless the browser or the gateway is broken."""
        try:
            yield
        except Error as error:
            if self.page.is_closed() or any(each in error.message for each in BROKEN):
                raise
            raise AssertionError(f"{what} at {self.page.url}: {error.message}") from error

    def button(self, name: str) -> Locator:
        """Locate a button by its accessible name."""
        return self.page.get_by_role("button", name=name, exact=True)

    def link(self, name: str) -> Locator:
        """Locate a link by its accessible name."""
        return self.page.get_by_role("link", name=name, exact=True)

    def text_field(self, name: str) -> Locator:
        """Locate a field by its label or, without one, by what else gives it its accessible name, as a placeholder."""
        field = self.page.get_by_label(name, exact=True)
        return field.or_(self.page.get_by_role("textbox", name=name, exact=True))

    def task(self, title: str) -> Locator:
        """Locate a task: its checkbox, its row where the target has a selector, or the list item with its buttons."""
        if self.screens.task_row is not None:
            return self.page.locator(self.screens.task_row).filter(has_text=title)
        if self.screens.complete_button is None:
            return self.page.get_by_role("checkbox", name=title, exact=True)
        return self.page.get_by_role("listitem").filter(has_text=title)

    def completion(self, title: str, *, completed: bool) -> Locator:
        """Locate what completes a task, or opens it again.

        Raises:
            Untested: The target names no button that opens a task again.
        """
        if self.screens.complete_button is None:
            return self._checkbox(title)
        name = self.screens.completion(title, completed=completed)
        if name is None:
            raise Untested("the target names no button that opens a task again")
        return self.button(name)

    def _checkbox(self, title: str) -> Locator:
        task = self.task(title)
        return task if self.screens.task_row is None else task.get_by_role("checkbox")

    def is_checkbox_named(self, title: str) -> bool:
        """Whether the checkbox of a task has the title in its accessible name, where buttons complete no task."""
        if self.screens.complete_button is not None or self.screens.task_row is None:
            return True
        return self.task(title).get_by_role("checkbox", name=title).count() > 0

    def add_task(self, title: str) -> Response:
        """Add a task, in the form that a button opens if there is one, and return the response."""
        self.open_new_task()
        self.type_into(self.screens.new_task, title)
        return self.submit(lambda: self.click(self.button(self.screens.add_button)))

    def open_new_task(self) -> None:
        """Open the form of a new task, if a button has to."""
        if self.screens.new_task_button is not None:
            self.click(self.button(self.screens.new_task_button))

    def expect_completed(self, title: str, *, completed: bool) -> None:
        """Assert that a task is shown as completed, or as open.

        A button that also opens the task again stays, and is pressed (`aria-pressed`) while the task is completed.
        """
        if self.screens.complete_button is None:
            expect(self._checkbox(title)).to_be_checked(checked=completed)
        else:
            expect(self.task(title)).to_have_count(1)
            name = self.screens.completion(title, completed=True)
            completing = self.page.get_by_role("button", name=name, exact=True, pressed=False)
            expect(completing).to_have_count(0 if completed else 1)

    def messages_by(self, author: str) -> Locator:
        """Locate the chat messages by an author, oldest first: by role and name, or by a selector."""
        if author.startswith(SELECTOR):
            return self.page.locator(author)
        return self.page.get_by_role("log").get_by_role("article", name=author, exact=True)

    def click(self, element: Locator) -> None:
        """Click an element once it is visible; `AssertionError` if it can't be clicked."""
        expect(element).to_be_visible()
        with self._using(f"clicking {element}"):
            element.click()

    def double_click(self, element: Locator) -> None:
        """Click an element twice in quick succession; `AssertionError` if it can't be clicked."""
        expect(element).to_be_visible()
        with self._using(f"clicking {element} twice"):
            element.dblclick()

    @contextmanager
    def offline(self) -> Iterator[None]:
        """Cut the browser off from the network until exit."""
        self.context.set_offline(True)
        try:
            yield
        finally:
            self.context.set_offline(False)

    def type_into(self, name: str, text: str) -> None:
        """Click a field and replace its text, key by key; `AssertionError` if it can't be clicked."""
        self.click(self.text_field(name))
        with self._using(f"typing into {name}"):
            self.page.keyboard.press("ControlOrMeta+a")
            self.page.keyboard.type(text)

    def submit(self, press: Callable[[], None]) -> Response:
        """Call `press`, and return the response to the request that changes something; `AssertionError` without one."""
        with (
            self._using("waiting for the response to a change"),
            self.page.expect_response(lambda answer: answer.request.method not in READING) as response,
        ):
            press()
        return response.value

    def sign_up(self, account: Mapping[str, str]) -> None:
        """Sign up on the sign-up page, sign in if that has not, and wait until the user is signed in."""
        screens = self.screens
        self._enter(screens.sign_up, sign_up_entries(screens, account), screens.sign_up_button)
        try:
            self.expect_signed_in()
        except AssertionError:
            if self.has_session:
                raise
            self.sign_in(account)

    def sign_in(self, account: Mapping[str, str]) -> None:
        """Sign in on the sign-in page, and wait until the user is signed in."""
        screens = self.screens
        self._enter(screens.sign_in, sign_in_entries(screens, self.target.auth, account), screens.sign_in_button)
        self.expect_signed_in()

    def _enter(self, path: str, fields: dict[str, str], button: str) -> None:
        def fill_in() -> None:
            self.open(path)
            for name, text in fields.items():
                self.type_into(name, text)
            self.click(self.button(button))

        self.submit_with_retry(fill_in)

    def submit_with_retry(self, enter: Callable[[], None]) -> None:
        """Submit a sign-up or sign-in form, again while the application's rate limit answers 429."""

        def probe() -> None:
            if self.submit(enter).status == TOO_MANY:
                raise NotYet(f"the form was answered {TOO_MANY}, the application's rate limit")

        eventually("to be accepted within the rate limit", probe, RATE_LIMIT)

    def expect_signed_in(self) -> None:
        """Assert that the page shows the sign-out button."""
        expect(self.button(self.screens.sign_out_button)).to_be_visible()

    def send_message(self, message: str) -> Locator:
        """Send a message to the assistant, and return the locator of its answer once it appears."""
        answers = self.messages_by(self.screens.assistant)
        before = answers.count()
        self.type_into(self.screens.message, message)
        self.click(self.button(self.screens.send_button))
        expect(answers).to_have_count(before + 1)
        expect(self.messages_by(self.screens.you).last).to_have_text(message)
        return answers.last

    def tab_to(self, element: Locator) -> None:
        """Press Tab until the element has the focus; `AssertionError` if it never has."""
        expect(element).to_be_visible()
        with self._using(f"pressing Tab up to {element}"):
            presses = int(self.page.evaluate(FOCUSABLE)) + 1  # the page itself is one more
            for _ in range(presses):
                self.page.keyboard.press("Tab")
                if element.evaluate("element => element === document.activeElement"):
                    return
        raise AssertionError(f"{element}: expected the focus within {presses} presses of Tab, got none")

    def screenshot(self, name: str) -> None:
        """Save a screenshot of the whole page as evidence, if the page can still be rendered."""
        self._screenshots += 1
        with suppress(Error):
            self.keep(f"{self._screenshots:02} {name}.png", self.page.screenshot(full_page=True))

    def hosts(self) -> set[str]:
        """Return the hosts and ports of all requests of the page."""
        return {
            parts.netloc for parts in map(urlsplit, self.requests) if parts.scheme in ("http", "https", "ws", "wss")
        }
