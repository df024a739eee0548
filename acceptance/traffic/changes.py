"""Updates, deletions and forms that are sent one after the other while an experiment runs, and their ledgers."""

from __future__ import annotations

import itertools
import threading
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field

from requests import Response, codes

from acceptance.checks.finding import Untested
from acceptance.client.answers import SEE_OTHER
from acceptance.client.forms import has_control, submit, text_form
from acceptance.client.user import User, send
from acceptance.core.target import Screens, Tables
from acceptance.provision.database import Database
from acceptance.traffic.plans import StoredIn, new_token
from acceptance.traffic.write_ledger import Ledger, Write, count, reconcile

PAUSE = 0.5
"""Seconds between two changes: each takes two or three requests."""
SUCCESS = range(200, 300)


@dataclass
class Changes:
    """Changes of one kind, each of another task, whose title has the change's marker, or had it if `removed`."""

    what: str
    removed: bool = False
    token: str = field(default_factory=new_token)
    writes: list[Write] = field(default_factory=list)
    numbers: Iterator[int] = field(default_factory=itertools.count)

    def marker(self) -> str:
        """Return a new marker."""
        return f"{self.token}-{next(self.numbers)}"


class Changer:
    """Sends changes of each kind in turn, as one user."""

    def __init__(self, user: User, origin: str) -> None:
        self._user = user
        self._origin = origin
        self.changes = {
            name: Changes(f"{name} tasks", removed=name == "deleted") for name in ("updated", "deleted", "submitted")
        }

    def update(self) -> None:
        """Create a task, and change its title to a marker."""
        user, api, changes = self._user, self._user.target.api, self.changes["updated"]
        path = user.path(api.task, id=user.add_task("to be updated")[api.id_field])
        marker = changes.marker()
        body = {api.title_field: marker}
        self._note(changes, marker, lambda: user.call(api.update_method, path, json=body).status_code in SUCCESS)

    def delete(self) -> None:
        """Create a task with a marker, and delete it."""
        user, api, changes = self._user, self._user.target.api, self.changes["deleted"]
        marker = changes.marker()
        path = user.path(api.task, id=user.add_task(marker)[api.id_field])
        self._note(changes, marker, lambda: user.call("DELETE", path).status_code in SUCCESS)

    def add(self) -> None:
        """Add a task by the form of the frontend's page, if the page shows the user a form that works without scripts.

        It is acknowledged by a page with the task, or by a redirect that does not lead to an error message.
        """
        user, changes = self._user, self.changes["submitted"]
        if not user.target.auth.has_cookie:
            return
        marker = changes.marker()
        url = user.gateway.url("frontend", user.target.pages.search.replace("{token}", marker))
        form = text_form(send(user.gateway, "GET", url, headers=user.browser_headers).text)
        if form is None:
            return

        def accepted() -> bool:
            answer = submit(user, form, url, marker, self._origin)
            return is_accepted(answer) or shows_task(answer, user.target.screens, marker)

        self._note(changes, marker, accepted)

    def _note(self, changes: Changes, marker: str, change: Callable[[], bool]) -> None:
        acknowledged = False
        try:
            acknowledged = change()
        finally:
            changes.writes.append(Write(marker, acknowledged))

    @contextmanager
    def changing(self) -> Iterator[list[Changes]]:
        """Send changes from entry to exit; a request without a response acknowledges nothing.

        Any other error ends the changes, and is raised at exit.
        """
        ended = threading.Event()
        errors: list[Exception] = []

        def work() -> None:
            for change in itertools.cycle((self.update, self.delete, self.add)):
                if ended.wait(PAUSE):
                    return
                try:
                    change()
                except (AssertionError, OSError, Untested):
                    continue  # not acknowledged: that is all that the ledger needs to know
                except Exception as error:  # noqa: BLE001 - raised at exit
                    errors.append(error)
                    return

        thread = threading.Thread(target=work, daemon=True)
        thread.start()
        try:
            yield list(self.changes.values())
        finally:
            ended.set()
            thread.join()
        if errors:
            raise errors[0]


def is_accepted(answer: Response) -> bool:
    """Return whether the response to a form leads to another page, and not to one with an error."""
    return answer.status_code in SEE_OTHER and "error" not in answer.headers.get("Location", "").lower()


def shows_task(answer: Response, screens: Screens | None, title: str) -> bool:
    """Return whether the response to a form is a page on which the task can be completed.

    Its title alone proves nothing: the message of an error may name it too.
    """
    name = screens.completion(title, completed=True) if screens else None
    return name is not None and answer.status_code == codes.ok and has_control(answer.text, name)


def reconcile_changes(changes: Iterable[Changes], tables: Tables, database: Database) -> dict[str, Ledger]:
    """Compare the changes with PostgreSQL; return the ledgers by `changes: kind`.

    A kind of change has no ledger if none was acknowledged, which proves nothing; nor has any if the database has no
    table or column of the target's name.
    """
    ledgers = {}
    with database.admin() as connection:
        for each in changes:
            if not any(write.acknowledged for write in each.writes):
                continue
            stored = StoredIn(each.what, tables.task, tables.task_title)
            try:
                counted = count(connection, stored.table, stored.column, each.token, deleted=tables.deleted)
            except Untested:
                continue
            if each.removed:
                counted = type(counted)(write.marker for write in each.writes if not counted[write.marker])
            ledgers[f"changes: {each.what}"] = Ledger(stored, reconcile(each.writes, counted))
    return ledgers
