"""The release's lifecycle: it is reached as NOTES.txt says, upgraded without changes, and uninstalled."""

from __future__ import annotations

import secrets
from collections.abc import Callable, Mapping

import pytest
from requests import Response

from acceptance.client import notes_port_forward
from acceptance.client.rows import rows
from acceptance.client.user import User
from acceptance.core.deadlines import UNINSTALLED
from acceptance.core.fields import at, name_of
from acceptance.core.inconclusive import InconclusiveError
from acceptance.core.wait import NotYet, eventually
from acceptance.experiments.repeat import attempt_twice
from acceptance.kube.helm import RefusedReleaseError
from acceptance.kube.status import longest_grace_period, may_end
from acceptance.provision.cluster import Cluster
from acceptance.provision.database import Database
from acceptance.provision.release import Release
from acceptance.provision.tool_pod import namespace_objects

WATCHED = ("Deployment", "ReplicaSet", "Pod")
SERVER_ERROR = 500
"""The lowest status that is not a regular response of the application."""


def listed(cluster: Cluster, namespace: str) -> set[str]:
    """Return every object in a namespace as `kind/name`, without events and metrics."""
    resources = cluster.kubectl("api-resources", "--namespaced", "--verbs=list", "--output", "name").split()
    kinds = ",".join(name for name in resources if not name.startswith(("events", "pods.metrics")))
    return set(
        cluster.kubectl("get", kinds, "--namespace", namespace, "--output", "name", "--ignore-not-found").split()
    )


@pytest.mark.rule("CHT-12")
def test_notes_command_makes_the_frontend_answer(ready_release: Release) -> None:
    notes = ready_release.helm.notes()
    commands = notes_port_forward.frontend_port_forwards(notes, ready_release.target)
    assert commands, f"NOTES.txt prints no kubectl port-forward command to the frontend:\n{notes}"

    def is_page(answer: Response) -> bool:
        return answer.status_code < SERVER_ERROR and "text/html" in answer.headers.get("Content-Type", "")

    command, answer = notes_port_forward.first_answer(commands, "/", is_page, follow_redirects=True)
    actual = f"{answer.status_code} with {answer.headers.get('Content-Type', 'no Content-Type')}"
    assert is_page(answer), f"expected an HTML page through {command.command!r}, got {actual}"


def object_versions(release: Release) -> dict[str, tuple[object, object]]:
    """Return the UID and generation of each object of the release by `kind/name`, without pods that are to end."""
    return {
        f"{kind}/{name_of(item)}": (at(item, "metadata.uid"), at(item, "metadata.generation"))
        for kind in WATCHED
        for item in release.objects.list(kind).objects
        if not may_end(item)
    }


def scale_times(release: Release) -> dict[str, object]:
    """Return when each autoscaler last changed a number of replicas, by its name."""
    autoscalers = release.objects.list("HorizontalPodAutoscaler").objects
    return {name_of(item): at(item, "status.lastScaleTime") for item in autoscalers}


@pytest.mark.rule("CHT-13")
def test_upgrade_with_the_same_values_changes_nothing(ready_release: Release, progress: Callable[[str], None]) -> None:
    def upgrade() -> tuple[Mapping[str, object], Mapping[str, object]]:
        scaled = scale_times(ready_release)
        ready_release.wait_ready()
        before, revision = object_versions(ready_release), ready_release.helm.revision()
        ready_release.upgrade()
        ready_release.wait_ready()
        assert ready_release.helm.revision() == revision + 1
        after = object_versions(ready_release)
        if scale_times(ready_release) != scaled:
            raise InconclusiveError("an autoscaler changed the number of replicas during the upgrade")
        return before, after

    before, after = attempt_twice(upgrade, progress)
    assert any(key.startswith("Pod/") for key in before), "there is no pod"
    changed = sorted(key for key in before.keys() | after.keys() if before.get(key) != after.get(key))
    assert not changed, f"expected every object and pod as before the upgrade, got changes of {', '.join(changed)}"


@pytest.mark.rule("CHT-14")
def test_uninstall_removes_everything_but_the_data(
    ready_release: Release, cluster: Cluster, user: User, database: Database
) -> None:
    title = f"survives {secrets.token_hex(8)}"
    task = user.add_task(title)
    namespace, empty = ready_release.target.chart.namespace, f"{cluster.run.namespace}-empty"
    cluster.apply(*namespace_objects(cluster, empty))
    deadline = UNINSTALLED.for_grace_period(longest_grace_period(ready_release.objects.list("Pod").objects))
    try:
        try:
            ready_release.helm.uninstall()
        except RefusedReleaseError as error:
            raise AssertionError(f"helm uninstall failed: {error.summary}") from error

        def probe() -> None:
            own = {f"secret/{name}" for name in ready_release.target.existing_data}
            if remaining := listed(cluster, namespace) - listed(cluster, empty) - own:
                raise NotYet(f"remaining: {', '.join(sorted(remaining))}")

        eventually(f"namespace {namespace} to contain no more than an empty one", probe, deadline)
        tables = ready_release.target.tables
        with database.admin() as connection:
            count = len(rows(connection, tables.task, {tables.task_title: title}))
        assert count == 1, f"{tables.task}: expected one row {title!r} after helm uninstall, got {count}"
    finally:
        cluster.kubectl("delete", "namespace", empty, "--wait=false")
        ready_release.upgrade()
        ready_release.wait_ready()
    key = ready_release.target.api.id_field
    ids = [each[key] for each in user.tasks()]
    assert task[key] in ids, f"expected the task {title!r} after the release was installed again"
