"""Each image on a network without egress, where only its database can be reached: it starts and does its work."""

from __future__ import annotations

import secrets
from collections.abc import Mapping
from contextlib import ExitStack
from dataclasses import dataclass, field
from http.cookies import SimpleCookie

import pytest

from acceptance.checks.component_view import ComponentView
from acceptance.checks.finding import Finding, Untested, report_findings
from acceptance.client.user import user_id
from acceptance.core.fields import at, list_at
from acceptance.core.redaction import redactor
from acceptance.core.target import COMPONENTS, ComponentName, Target
from acceptance.kube.manifests import shipped
from acceptance.kube.pod_templates import Container
from acceptance.provision.database import Database
from acceptance.provision.gateway import service_url
from acceptance.provision.images import BuiltImage
from acceptance.provision.provisioner import Provisioner
from acceptance.snapshots.standalone import Answer, IsolatedNetwork, container_environment, rendered_for


@dataclass
class Alone:
    """What each image did: exit codes of its init containers by name, health status, and the end of its log."""

    init_codes: dict[ComponentName, dict[str, int]] = field(default_factory=dict)
    health: dict[ComponentName, int | None] = field(default_factory=dict)
    logs: dict[ComponentName, str] = field(default_factory=dict)
    sign_up: Answer | None = None
    """None if the frontend does not answer at all."""
    written: Answer | None = None
    """A user's task at the backend; None if nobody could sign up."""
    listed: Answer | None = None


def init_containers(view: ComponentView) -> list[Container]:
    """The init containers of the component's image, which run to their end before the image serves."""
    return [each for each in view.own_images(view.pods[0]) if each.init and not each.sidecar]


def command(container: Container) -> list[str]:
    """The command that the chart gives a container; empty for the image's own."""
    given = list_at(container.body, "command")
    return [str(word) for word in (*given, *list_at(container.body, "args"))] if given else []


def start(
    alone: IsolatedNetwork, stack: ExitStack, view: ComponentView, name: ComponentName, image: str, observed: Alone
) -> str:
    """Run the init containers to their end, then the image; its container's name."""
    part = view.component
    codes = observed.init_codes.setdefault(name, {})
    for each in init_containers(view):
        environment = container_environment(view, each)
        with alone.running(f"{name}-{each.name}", image, environment, command(each)) as container:
            codes[each.name] = alone.wait_ended(container)
    serving = view.main_container(view.pods[0])
    container = stack.enter_context(alone.running(name, image, container_environment(view, serving), command(serving)))
    observed.health[name] = alone.health(container, part.port, part.probes.liveness)
    observed.logs[name] = alone.log(container)
    return container


def use(alone: IsolatedNetwork, target: Target, addresses: Mapping[ComponentName, str], observed: Alone) -> None:
    """Sign up at the frontend, and write and list a task at the backend."""
    api, auth = target.api, target.auth
    name, title = f"user-{secrets.token_hex(6)}", f"task {secrets.token_hex(6)}"
    account = {"name": name, "email": f"{name}@example.com", "password": secrets.token_urlsafe(18)}
    redactor.add(account["password"])
    observed.sign_up = alone.send("POST", f"{addresses['frontend']}{auth.sign_up}", account, {"Origin": origin(target)})
    user = signed_up(target, observed.sign_up)
    if user is None:
        return
    identifier, token = user
    bearer = {"Authorization": f"Bearer {token}"}
    tasks = addresses["backend"] + api.tasks.format(user_id=identifier)
    observed.written = alone.send("POST", tasks, {api.title_field: title}, bearer)
    observed.listed = alone.send("GET", tasks, None, bearer)
    if observed.listed.ok and title not in observed.listed.text:
        observed.listed = Answer(0, [], f"{observed.listed.status} without the task: {observed.listed.text}")


def origin(target: Target) -> str:
    """The origin that the chart's defaults name, at which browsers reach the frontend."""
    path = target.values.public_url
    return str((path and at(shipped(target.chart_path), path)) or service_url(target, "frontend"))


def signed_up(target: Target, answer: Answer) -> tuple[str, str] | None:
    """The new user's identifier and token; None if the sign-up failed."""
    for line in answer.cookies if answer.ok else ():
        for name, cookie in SimpleCookie(line).items():
            if name.endswith(target.auth.cookie):
                redactor.add(cookie.value)
                return user_id(cookie.value), cookie.value
    return None


@pytest.fixture(scope="module")
def images_alone(
    images: Mapping[str, BuiltImage], provisioner: Provisioner, database: Database, target: Target
) -> Alone:
    """The images side by side on one network, with an empty database of their own."""
    if missing := [name for name in COMPONENTS if name not in images]:
        raise Untested(f"the target names no {missing[0]}")
    observed, addresses = Alone(), {}
    engine, client = provisioner.toolchain.engine, provisioner.tools().reference
    with database.empty(f"alone_{secrets.token_hex(4)}", redactor.add) as empty, ExitStack() as stack:
        rendered = rendered_for(target, empty.url, redactor.add)
        alone = stack.enter_context(IsolatedNetwork(engine, provisioner.run, database.container, client))
        for name in COMPONENTS:
            view = ComponentView(rendered, target, name)
            container = start(alone, stack, view, name, images[name].reference, observed)
            addresses[name] = f"http://{container}:{view.component.port}"
        if all(observed.health.values()):
            use(alone, target, addresses, observed)
    return observed


@pytest.mark.rule("IMG-09")
@pytest.mark.parametrize("component", COMPONENTS)
def test_image_starts_without_egress(
    images_alone: Alone, images: Mapping[str, BuiltImage], target: Target, component: ComponentName
) -> None:
    """Its init containers end well, and it answers its health path."""
    object_, path = images[component].reference, target.component(component).probes.liveness
    findings = [
        Finding("IMG-09", object_, f"init container {name} without egress", "exit code 0", str(code))
        for name, code in images_alone.init_codes[component].items()
        if code
    ]
    status = images_alone.health[component]
    if status is None or not 200 <= status < 300:
        actual = f"{status or 'no response'}; last lines: {images_alone.logs[component][-300:]}"
        findings.append(Finding("IMG-09", object_, f"GET {path} without egress", "2xx", actual))
    report_findings(findings, target)


@pytest.mark.rule("IMG-09")
def test_images_serve_users_without_egress(
    images_alone: Alone, images: Mapping[str, BuiltImage], target: Target
) -> None:
    """A user signs up at the frontend, and writes and lists a task at the backend."""
    if target.component("backend").init_container is None:
        raise Untested("the target names no init container of the backend, so its database stays empty here")
    if images_alone.sign_up is None:
        raise Untested("an image does not start without egress, which another test reports")
    requests = {
        ("frontend", "sign-up"): images_alone.sign_up,
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
    if images_alone.sign_up.ok and images_alone.written is None:
        findings.append(Finding("IMG-09", images["frontend"].reference, "sign-up", "a session cookie", "none"))
    report_findings(findings, target)
