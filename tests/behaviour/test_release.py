"""The installed release: every pod is Ready in time, and the data is outside of the cluster."""

from __future__ import annotations

import secrets

import pytest

from acceptance.checks.finding import Finding, Untested, report_findings
from acceptance.client.user import User
from acceptance.core.deadlines import RELEASE_READY
from acceptance.core.fields import integer_at
from acceptance.core.target import Target
from acceptance.kube.helm import RefusedReleaseError
from acceptance.provision.provisioner import Provisioner
from acceptance.provision.release import Release


@pytest.mark.rule("CHT-11")
def test_pods_are_ready_within_three_minutes(
    target: Target, provisioner: Provisioner, request: pytest.FixtureRequest
) -> None:
    if provisioner.installs_release:
        installation: Release | RefusedReleaseError = request.getfixturevalue("installation")
        if isinstance(installation, RefusedReleaseError):
            release = f"Release/{target.chart.release}"
            found = [Finding("CHT-11", release, "helm install", "accepted", f"refused: {installation.summary}")]
            report_findings(found, target)
    # Not as an argument: unready pods are a finding, not a setup error.
    ready: Release = request.getfixturevalue("ready_release")
    if ready.installed_at is None:
        raise Untested("the release was not installed by this run")
    seconds = provisioner.ready() - ready.installed_at
    assert seconds <= RELEASE_READY.seconds, (
        f"expected every pod Ready within {RELEASE_READY.seconds:g} s of helm install, got {seconds:.1f} s"
    )
    deployments = ready.objects.list("Deployment").by_name
    for part in ready.target.components.values():
        deployment = deployments[part.deployment]
        expected = integer_at(deployment, "spec.replicas", 1) or 0  # DEP-03 judges how many the chart asks for
        actual = integer_at(deployment, "status.readyReplicas", 0) or 0
        # The autoscaler may just have added one.
        assert actual >= min(expected, part.replicas), (
            f"{part.deployment}: expected {expected} Ready pods, got {actual}"
        )


@pytest.mark.rule("SCY-06")
def test_person_signs_up_through_the_frontend(first_user: User | AssertionError) -> None:
    """What a person does first; a frontend without the backend's or the database's address fails here."""
    if isinstance(first_user, AssertionError):
        raise first_user
    key = first_user.target.api.id_field
    task = first_user.add_task(f"first {secrets.token_hex(6)}")
    tasks = first_user.tasks()
    assert task[key] in [each[key] for each in tasks], f"expected {task} in the new user's tasks, got {tasks}"
    if first_user.target.auth.service != "frontend":
        raise Untested("users sign up at the backend's Service, so nothing has used the frontend's way to it")
