"""Each image on a network without egress, where only its database can be reached: it starts and does its work."""

from __future__ import annotations

import secrets
from collections.abc import Mapping
from contextlib import ExitStack, suppress
from dataclasses import dataclass, field
from typing import Any

import pytest
from psycopg import Connection, sql

from acceptance.checks.component_view import ComponentView
from acceptance.checks.finding import Finding, Untested, of_derived_part, report_findings
from acceptance.checks.health import find_health_path, unknown_path
from acceptance.checks.snapshot import Snapshot
from acceptance.client.accounts import random_account, sign_in_body, sign_up_body
from acceptance.client.answers import cookies_in, json_in
from acceptance.client.rows import exists, rows
from acceptance.client.sessions import Credentials, is_complete, opened_by, text_in, user_of
from acceptance.client.tokens import authorization, cookie_header, kept_cookies
from acceptance.core.redaction import redactor
from acceptance.core.target import COMPONENTS, ComponentName, Target
from acceptance.core.wait import WaitError
from acceptance.kube.pod_templates import Container
from acceptance.provision.container_provisioner import render
from acceptance.provision.database import PORT
from acceptance.provision.gateway import service_url
from acceptance.provision.images import BuiltImage
from acceptance.provision.provisioner import Provisioner
from acceptance.provision.recipes import recipe
from acceptance.provision.release import ReleaseInputs, run_credentials, run_secrets, run_values
from acceptance.snapshots.standalone import FORM, Answer, IsolatedNetwork

CLOSED_PORT = PORT + 1
NO_MODEL = "http://model.invalid/v1"
"""A model that can't be reached; `.invalid` resolves nowhere (RFC 6761)."""
VERSIONS, NEWER = "alembic_version", "ffffffffffff"
"""Alembic's table, and a version that no release has."""


@dataclass(frozen=True)
class HealthAnswer:
    """The health path, which is empty where none is known, and the status of the response; None if there was none."""

    path: str
    status: int | None

    @property
    def ok(self) -> bool:
        """Whether the image answers: with 2xx, if its health path is known."""
        return self.status is not None and (not self.path or 200 <= self.status < 300)


@dataclass
class Alone:
    """What each image did: exit codes of its init containers by name, health status, and the end of its log.

    The exit code of a container that does not end is None.
    """

    init_codes: dict[ComponentName, dict[str, int | None]] = field(default_factory=dict)
    health: dict[ComponentName, HealthAnswer] = field(default_factory=dict)
    logs: dict[ComponentName, str] = field(default_factory=dict)
    signed_in: Answer | None = None
    """The response to sign-up, or to sign-in where sign-up set no session; None if an image does not start."""
    written: Answer | None = None
    """A user's task at the backend; None if nobody could sign up."""
    listed: Answer | None = None
    lost_database: dict[str, int | None] = field(default_factory=dict)
    """The exit codes of the backend's init containers without a database; None for one that still tries."""
    newer_database: dict[str, int | None] | None = None
    """The same with a database that a newer release has migrated; None where it has no version that is known."""
    newer_version: str = ""
    """The database's version afterwards."""


def init_containers(view: ComponentView) -> list[Container]:
    """Return the init containers of the component's image, which run to their end before the image serves."""
    return [each for each in view.own_images(view.pods[0]) if each.init and not each.sidecar]


def set_version(postgres: Connection[Any]) -> bool:
    """Set a newer version of the database, as migrations that only add leave it; False without Alembic's table."""
    if not exists(postgres, VERSIONS):
        return False
    postgres.execute(sql.SQL("UPDATE {} SET version_num = %s").format(sql.Identifier(VERSIONS)), [NEWER])
    return True


def version(postgres: Connection[Any]) -> str:
    """Return the database's version by Alembic's table."""
    return ", ".join(str(row["version_num"]) for row in rows(postgres, VERSIONS, {}))


@dataclass(frozen=True)
class Place:
    """Where containers are started, and what removes them at the end."""

    alone: IsolatedNetwork
    stack: ExitStack


def start(place: Place, container: Container, view: ComponentView, image: str, suffix: str = "") -> str:
    """Start a container of the component's pods on the network, and return its name, which ends with the suffix."""
    name = f"{place.alone.network}-{view.component.container}-{container.name}{suffix}"
    place.stack.callback(place.alone.engine.docker, "rm", "--force", "--volumes", name)
    place.alone.start(recipe(view, container, name, image))
    return name


def exit_code(alone: IsolatedNetwork, container: str) -> int | None:
    """Return the exit code of a container that is to end; None for one that still runs at the deadline."""
    with suppress(WaitError):
        return alone.wait_ended(container)
    return None


def shown(code: int | None) -> str:
    """Return an exit code in a finding."""
    return "still running" if code is None else f"exit code {code}"


def serve(place: Place, view: ComponentView, name: ComponentName, image: str, observed: Alone) -> str:
    """Run the init containers to their end, then the image, and return its container's name."""
    codes = observed.init_codes.setdefault(name, {})
    for each in init_containers(view):
        codes[each.name] = exit_code(place.alone, start(place, each, view, image))
    main = view.main_container(view.pods[0])
    container = start(place, main, view, image)
    path = find_health_path(view.component, main.body)
    observed.health[name] = HealthAnswer(path, place.alone.health(container, view.component.port, path or "/"))
    observed.logs[name] = place.alone.log(container)
    return container


def use(alone: IsolatedNetwork, target: Target, addresses: Mapping[ComponentName, str], observed: Alone) -> None:
    """Sign up, and write and list a task at the backend."""
    api, auth = target.api, target.auth
    account, title = random_account(), f"task {secrets.token_hex(6)}"
    redactor.add(account["password"])
    browser, server = {"Origin": service_url(target, "frontend")}, addresses[auth.service]
    as_form = {"Content-Type": FORM} if auth.sign_in_format == "form" else {}
    cookies: dict[str, str] = {}
    bodies: list[Any] = []
    for path, body, headers in (
        (auth.sign_up, sign_up_body(auth, account), browser),
        (auth.sign_in, sign_in_body(auth, account), browser | as_form),
    ):
        observed.signed_in = alone.send("POST", server + path, body, headers)
        cookies = kept_cookies(cookies, cookies_in(observed.signed_in.cookies))
        bodies.append(json_in(observed.signed_in.text))
        if not observed.signed_in.ok or is_complete(auth, cookies, bodies[-1]):
            break
    token = next((found for body in bodies if (found := opened_by(auth, cookies, body))), None)
    if token is not None and auth.kind == "exchange":
        observed.signed_in = alone.send("GET", server + auth.token, None, browser | cookie_header(cookies))
        token = text_in(json_in(observed.signed_in.text), auth.token_field)
    for secret in Credentials(cookies, token or "").secrets():
        redactor.add(secret)
    if token is None:
        return
    headers = authorization(auth, cookies, token)
    if auth.user is not None:
        bodies = [json_in(alone.send("GET", server + auth.user, None, headers).text)]
    try:
        tasks = addresses["backend"] + api.tasks.format(user_id=user_of(auth, bodies, token))
    except AssertionError as error:
        observed.signed_in = Answer(0, [], str(error))
        return
    observed.written = alone.send("POST", tasks, {api.title_field: title}, headers)
    observed.listed = alone.send("GET", tasks, None, headers)
    if observed.listed.ok and title not in observed.listed.text:
        observed.listed = Answer(0, [], f"{observed.listed.status} without the task: {observed.listed.text}")


@pytest.fixture(scope="module")
def images_alone(images: Mapping[str, BuiltImage], provisioner: Provisioner, target: Target) -> Alone:
    """The images side by side on one network, with an empty database of their own."""
    database = provisioner.engine_database()
    if missing := [name for name in COMPONENTS if name not in images]:
        raise Untested(f"the target names no {missing[0]}")
    observed, addresses = Alone(), {}
    toolchain, client = provisioner.toolchain, provisioner.tools().reference
    with database.empty(f"alone_{secrets.token_hex(4)}", redactor.add) as empty, ExitStack() as stack:
        credentials = run_secrets(target, None)
        for secret in credentials.values():
            redactor.add(secret)

        def render_with(url: str) -> Snapshot:
            inputs = ReleaseInputs(images, url, database.ca, NO_MODEL)
            return render(target, run_values(target, inputs, credentials), run_credentials(inputs, credentials))

        rendered = render_with(empty.url)
        alone = stack.enter_context(IsolatedNetwork(toolchain, provisioner.run, database.server.host, client))
        place = Place(alone, stack)
        lost = ComponentView(render_with(empty.url.replace(f":{PORT}/", f":{CLOSED_PORT}/")), target, "backend")
        image = images["backend"].reference
        without = {each.name: start(place, each, lost, image, "-lost") for each in init_containers(lost)}
        for name in COMPONENTS:
            view = ComponentView(rendered, target, name)
            container = serve(place, view, name, images[name].reference, observed)
            addresses[name] = f"http://{container}:{view.component.port}"
        if all(each.status for each in observed.health.values()):
            use(alone, target, addresses, observed)
        with empty.admin() as postgres:
            is_newer = set_version(postgres)
        if is_newer:
            view = ComponentView(rendered, target, "backend")
            again = {each.name: start(place, each, view, image, "-newer") for each in init_containers(view)}
            observed.newer_database = {each: exit_code(alone, container) for each, container in again.items()}
            with empty.admin() as postgres:
                observed.newer_version = version(postgres)
        observed.lost_database = {each: alone.exit_code(container) for each, container in without.items()}
    return observed


@pytest.mark.rule("IMG-09")
@pytest.mark.parametrize("component", COMPONENTS)
def test_image_starts_without_egress(
    images_alone: Alone, images: Mapping[str, BuiltImage], target: Target, component: ComponentName
) -> None:
    """Its init containers succeed, and it answers its health path."""
    object_, answer = images[component].reference, images_alone.health[component]
    findings = [
        Finding("IMG-09", object_, f"init container {name} without egress", "exit code 0", shown(code))
        for name, code in images_alone.init_codes[component].items()
        if code != 0
    ]
    if not answer.ok:
        what, expected = f"GET {answer.path or '/'} without egress", "2xx" if answer.path else "a response"
        actual = f"{answer.status or 'no response'}; last lines: {images_alone.logs[component][-300:]}"
        findings.append(Finding("IMG-09", object_, what, expected, actual))
    report_findings(findings, target)
    if not answer.path:
        raise unknown_path(target.component(component))


@pytest.mark.rule("REL-03")
def test_migration_without_its_database_does_not_succeed(
    images_alone: Alone, images: Mapping[str, BuiltImage], target: Target
) -> None:
    """A migration that gives up quietly lets a backend serve without tables. One that still tries is correct."""
    name = target.component("backend").init_container
    if name is None or name not in images_alone.lost_database:
        raise Untested("the target names no init container of the backend, of the backend's own image")
    findings = []
    if images_alone.lost_database[name] == 0:
        what, expected = f"init container {name} without a database", "another exit code than 0, or none yet"
        findings.append(Finding("REL-03", images["backend"].reference, what, expected, "exit code 0"))
    report_findings(findings, target)


@pytest.mark.rule("DEP-08")
def test_migration_accepts_the_database_of_a_newer_release(
    images_alone: Alone, images: Mapping[str, BuiltImage], target: Target
) -> None:
    """After a rollback it leaves the version as it is, since the newer release will come again. A derived part."""
    name = target.component("backend").init_container
    if images_alone.newer_database is None or name not in images_alone.newer_database:
        raise Untested(f"the database has no table {VERSIONS}, or the target names no init container of the backend")
    object_, what, findings = images["backend"].reference, f"init container {name} after a rollback", []
    if (code := images_alone.newer_database[name]) != 0:
        findings.append(Finding("DEP-08", object_, what, "exit code 0", shown(code)))
    if images_alone.newer_version != NEWER:
        expected = f"the database's version unchanged, {NEWER}"
        findings.append(Finding("DEP-08", object_, what, expected, images_alone.newer_version or "none"))
    report_findings(of_derived_part(findings, target), target)


@pytest.mark.rule("IMG-09")
def test_images_serve_users_without_egress(
    images_alone: Alone, images: Mapping[str, BuiltImage], target: Target
) -> None:
    """A user signs up, and writes and lists a task at the backend."""
    if target.component("backend").init_container is None:
        raise Untested("the target names no init container of the backend, so its database stays empty here")
    service = target.auth.service
    if service == "frontend" and target.secret.database_url not in target.component("frontend").secret_keys:
        raise Untested(
            "the frontend has no database: it signs users up through the backend's Service, which is not here"
        )
    if images_alone.signed_in is None:
        raise Untested("an image does not start without egress, which another test reports")
    requests = {
        (service, "sign-up and sign-in"): images_alone.signed_in,
        ("backend", "new task"): images_alone.written,
        ("backend", "list of tasks"): images_alone.listed,
    }
    findings = [
        Finding(
            "IMG-09", images[name].reference, f"{what} without egress", "2xx", f"{answer.status}: {answer.text[:300]}"
        )
        for (name, what), answer in requests.items()
        if answer is not None and not answer.ok
    ]
    if images_alone.signed_in.ok and images_alone.written is None:
        what, expected = "sign-up and sign-in", "a session"
        findings.append(Finding("IMG-09", images[service].reference, what, expected, "none"))
    report_findings(findings, target)
