"""The same images as a second release, with other names, ports and namespace: its frontend uses its own backend."""

from __future__ import annotations

import secrets
from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from pathlib import Path
from urllib.parse import urlsplit

import pytest
from playwright.sync_api import expect

from acceptance.checks.finding import Finding, Untested, report_findings
from acceptance.client.accounts import random_account, sign_in_entries
from acceptance.client.answers import describe
from acceptance.client.browser import launch
from acceptance.client.browser_user import BrowserUser
from acceptance.client.signing_in import sign_up
from acceptance.client.user import User, send, wait_answered
from acceptance.client.visitor import Visitor
from acceptance.core.redaction import redactor
from acceptance.core.values import set_paths
from acceptance.core.wait import WaitError
from acceptance.experiments.recovery import without_room
from acceptance.provision.database import Database
from acceptance.provision.gateway import Gateway
from acceptance.provision.images import BuiltImage
from acceptance.provision.provisioner import Provisioner
from acceptance.provision.release import Release
from acceptance.provision.second_release import second_release
from toolchain import Toolchain


@dataclass(frozen=True)
class SecondRelease:
    """The second release and the gateway to it, or why its pods are not Ready."""

    release: Release
    gateway: Gateway
    unready: WaitError | Untested | None

    def require_ready(self) -> None:
        """Raise why its pods are not Ready: `Untested` if no node has room for them."""
        if self.unready:
            raise self.unready


@pytest.fixture(scope="module")
def second_installation(
    ready_release: Release,
    database: Database,
    images: dict[str, BuiltImage],
    gateway: Gateway,
    provisioner: Provisioner,
) -> Iterator[SecondRelease]:
    """The chart a second time beside the release, on an empty database; its pods need not have become Ready."""
    name = f"second_{secrets.token_hex(4)}"
    with database.empty(name, redactor.add) as empty:
        inputs = provisioner.inputs(images, empty.url)
        with second_release(ready_release, inputs, redactor.add) as release:
            unready: WaitError | Untested | None = None
            try:
                release.wait_ready()
            except WaitError as error:
                unready = without_room(release.objects, "a second release") or error
            yield SecondRelease(release, replace(gateway, target=release.target), unready)


def page_with_tasks(user: User) -> str:
    """Return the user's page of tasks, as the frontend's Service answers."""
    url = user.gateway.url("frontend", user.target.pages.tasks)
    answer = send(user.gateway, "GET", url, headers=user.cookie, allow_redirects=False)
    return f"{answer.status_code} {answer.text}"


@pytest.mark.rule("REL-04")
def test_second_release_shows_a_task_of_its_own_backend(second_installation: SecondRelease, user: User) -> None:
    """As a control, the first release's page must show a task in its HTML; otherwise the second one's is untested."""
    title = f"elsewhere {secrets.token_hex(6)}"
    user.add_task(title)
    if title not in page_with_tasks(user):
        raise Untested("the first release's page of tasks does not show a task in its HTML")
    second_installation.require_ready()
    release = second_installation.release
    wait_answered(second_installation.gateway, "frontend")
    person = sign_up(release.target, second_installation.gateway, release.origin, redactor.add)
    person.add_task(title)
    page = page_with_tasks(person)
    findings = []
    if title not in page:
        part = release.target.component("frontend")
        expected = f"a task of the backend Service {release.target.component('backend').service}"
        actual = f"a page without it, status {page.partition(' ')[0]}"
        findings.append(Finding("REL-04", f"Deployment/{part.deployment}", "page of tasks", expected, actual))
    report_findings(findings, release.target)


@pytest.mark.rule("REL-04")
def test_second_release_serves_a_person_in_the_browser(
    second_installation: SecondRelease, toolchain: Toolchain, record_evidence: Callable[[str, str | bytes], Path]
) -> None:
    target = second_installation.release.target
    if target.screens is None:
        raise Untested("the target names no screens")
    second_installation.require_ready()
    wait_answered(second_installation.gateway, "frontend")
    account = random_account()
    redactor.add(account["password"])
    title = f"typed elsewhere {secrets.token_hex(4)}"
    with launch(toolchain.browser, second_installation.gateway) as browser, browser.new_context() as context:
        person = BrowserUser(
            target, target.screens, second_installation.release.origin, context.new_page(), record_evidence
        )
        try:
            person.sign_up(account)
            person.click(person.link(target.screens.tasks_link))
            person.add_task(title)
            person.expect_completed(title, completed=False)
            person.reload()
            expect(person.task(title)).to_be_visible()
        finally:
            person.screenshot("end")


@pytest.mark.rule("STA-04")
def test_users_sign_in_behind_an_ingress_with_tls(second_installation: SecondRelease) -> None:
    """The session's cookie then has the attribute Secure, and often another name."""
    target = second_installation.release.target
    path = target.values.public_url
    if path is None:
        raise Untested("the target names no value for the public URL")
    second_installation.require_ready()
    url = second_installation.release.origin.replace("http://", "https://", 1)
    release = replace(second_installation.release, values=set_paths(second_installation.release.values, {path: url}))
    release.upgrade()
    release.wait_ready()
    forwarded = {"X-Forwarded-Proto": "https", "X-Forwarded-Host": urlsplit(url).netloc}
    gateway = replace(second_installation.gateway, headers=forwarded)
    wait_answered(gateway, "frontend")
    person = sign_up(target, gateway, release.origin, redactor.add)
    title = f"encrypted {secrets.token_hex(6)}"
    person.add_task(title)
    page = page_with_tasks(person)
    findings, object_ = [], f"Deployment/{target.component('frontend').deployment}"
    if title not in page:
        field, actual = f"page of tasks at {url}", f"a page without it, status {page.partition(' ')[0]}"
        findings.append(Finding("STA-04", object_, field, "the user's task", actual))
    visitor = Visitor(release, gateway, {}) if target.screens else None
    if target.screens and visitor and visitor.has_form(target.screens.sign_in, target.screens.sign_in_button):
        entered = sign_in_entries(target.screens, target.auth, person.account)
        answer = visitor.press_within_limit(target.screens.sign_in, target.screens.sign_in_button, entered)
        if visitor.session:
            redactor.add(visitor.session)
        if not visitor.session or not visitor.read(target.screens.tasks).ok:
            actual = f"{'a' if visitor.session else 'no'} session after {describe(target, answer)}"
            findings.append(Finding("STA-04", object_, f"form to sign in at {url}", "a session", actual))
    report_findings(findings, target)
