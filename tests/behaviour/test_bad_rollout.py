"""Rollouts that can't succeed: the old pods serve on, the cause is told, and a rollback heals."""

from __future__ import annotations

import secrets
from dataclasses import dataclass, field
from functools import partial
from typing import Any

import pytest
from psycopg import sql

from acceptance.checks.finding import Finding, Untested, report_findings
from acceptance.client.user import User
from acceptance.core.deadlines import CAUSE_TOLD, ROLLED_OUT
from acceptance.core.fields import Object, name_of
from acceptance.core.redaction import redactor
from acceptance.core.wait import NotYet, consistently, eventually
from acceptance.experiments.experiment import Experiment, ExperimentRunner
from acceptance.kube import diagnosis
from acceptance.kube.status import endpoint_readiness, is_ready
from acceptance.provision.cluster import Cluster
from acceptance.provision.database import Database
from acceptance.provision.provisioner import Provisioner
from acceptance.traffic.availability import failed_request_findings
from acceptance.traffic.plans import page_views, task_writes

COMPONENTS = ("backend", "frontend")
STUCK_SECONDS = 15.0
"""How long the rollout is left stuck once its cause is known: several readiness periods."""
MISSING_TAG = "no-such-image"


@dataclass
class Stuck:
    """A rollout that did not succeed: who served while it was stuck, and why it was stuck."""

    seen: Experiment
    old: dict[str, set[str]]
    serving: dict[str, set[str]] = field(default_factory=dict)
    new_ready: dict[str, set[str]] = field(default_factory=dict)


def stuck(
    experiments: ExperimentRunner,
    writer: User,
    reader: User,
    name: str,
    changes: dict[str, Any],
    waits_for: tuple[str, ...],
) -> Stuck:
    """Upgrade to values that can't work; look while it is stuck; roll back."""

    def pods(component: str) -> list[Object]:
        return experiments.pods(experiments.target.component(component))

    old = {component: {name_of(pod) for pod in pods(component)} for component in COMPONENTS}
    with experiments.experiment(name, backend=task_writes(writer), frontend=page_views(reader)) as seen:
        found = Stuck(seen, old)

        def cause_of(component: str) -> str:
            for pod in pods(component):
                if name_of(pod) not in old[component] and (cause := diagnosis.pod_cause(pod)):
                    return cause
            raise NotYet("no new pod tells of a cause")

        revision = experiments.release.helm.revision()
        seen.annotate("bad upgrade")
        experiments.upgrade(changes)
        for component in waits_for:
            why = partial(cause_of, component)
            seen.attempt(f"cause {component}", partial(eventually, f"a cause at the {component}", why, CAUSE_TOLD))
        consistently("a stuck rollout", lambda: None, STUCK_SECONDS)
        slices = experiments.objects.list("EndpointSlice").objects
        for component in COMPONENTS:
            service = experiments.target.component(component).service
            found.serving[component] = {
                pod for pod, is_ready in endpoint_readiness(slices, service).items() if is_ready
            }
            found.new_ready[component] = {
                name_of(pod) for pod in pods(component) if is_ready(pod) and name_of(pod) not in old[component]
            }
        seen.annotate("rollback")
        experiments.rollback(revision)
        seen.attempt("healed", experiments.rolled_out)
    return found


def tags(experiments: ExperimentRunner, tag: dict[str, str]) -> dict[str, Any]:
    changes = {}
    for component, value in tag.items():
        path = experiments.target.component(component).values.image_tag
        if path is None:
            raise Untested(f"the target names no value for the image tag of the {component}")
        changes[path] = value
    return changes


@pytest.fixture(scope="module")
def unpullable_rollout(experiments: ExperimentRunner, writer: User, reader: User) -> Stuck:
    """Both components to an image that can't be pulled."""
    changes = tags(experiments, dict.fromkeys(COMPONENTS, MISSING_TAG))
    return stuck(experiments, writer, reader, "image that can't be pulled", changes, COMPONENTS)


@pytest.fixture(scope="module")
def crashing_rollout(
    experiments: ExperimentRunner, writer: User, reader: User, provisioner: Provisioner, cluster: Cluster
) -> Stuck:
    """Both components to an image whose main process ends at once."""
    images = provisioner.derived_images("crashing_rollout")
    cluster.load_image(*(image.reference for image in images.values()))
    changes = tags(experiments, {name: image.tag for name, image in images.items()})
    return stuck(experiments, writer, reader, "image that crashes", changes, COMPONENTS)


@pytest.fixture(scope="module")
def failing_migration_rollout(experiments: ExperimentRunner, writer: User, reader: User, database: Database) -> Stuck:
    """The backend with a database role that may do nothing, so that its migration fails."""
    path = experiments.target.values.database_url
    if path is None:
        raise Untested("the target names no value for the database's URL")
    role, password = f"nobody_{secrets.token_hex(4)}", secrets.token_urlsafe(24)
    redactor.add(password)
    with database.admin() as admin:
        admin.execute(sql.SQL("CREATE ROLE {} LOGIN PASSWORD {}").format(sql.Identifier(role), sql.Literal(password)))
        try:
            changes = {path: database.role_url(role, password)}
            return stuck(experiments, writer, reader, "migration that fails", changes, ("backend",))
        finally:
            admin.execute(sql.SQL("DROP ROLE {}").format(sql.Identifier(role)))


def served_on(rule: str, found: Stuck, component: str, experiments: ExperimentRunner) -> list[Finding]:
    """Findings where old pods did not serve on alone, without a failed request."""
    part = experiments.target.component(component)
    findings = failed_request_findings(rule, f"Service/{part.service}", found.seen.traffic[component].availability)
    if found.serving[component] != found.old[component]:
        wanted, saw = f"the old pods {sorted(found.old[component])}", f"{sorted(found.serving[component])}"
        findings.append(Finding(rule, f"Service/{part.service}", "ready endpoints", wanted, saw))
    return findings


@pytest.mark.rule("DEP-11")
@pytest.mark.parametrize("component", COMPONENTS)
def test_old_pods_serve_on_where_the_image_cannot_be_pulled(
    unpullable_rollout: Stuck, component: str, experiments: ExperimentRunner
) -> None:
    unpullable_rollout.seen.took(f"cause {component}")
    report_findings(served_on("DEP-11", unpullable_rollout, component, experiments), experiments.target)


@pytest.mark.rule("DEP-11")
@pytest.mark.parametrize("component", COMPONENTS)
def test_old_pods_serve_on_where_the_image_crashes(
    crashing_rollout: Stuck, component: str, experiments: ExperimentRunner
) -> None:
    crashing_rollout.seen.took(f"cause {component}")
    report_findings(served_on("DEP-11", crashing_rollout, component, experiments), experiments.target)


@pytest.mark.rule("POD-03")
@pytest.mark.parametrize("component", COMPONENTS)
def test_the_cause_is_told(
    unpullable_rollout: Stuck, crashing_rollout: Stuck, component: str, experiments: ExperimentRunner
) -> None:
    object_ = f"Deployment/{experiments.target.component(component).deployment}"
    wanted = {"can't be pulled": unpullable_rollout, "exit code": crashing_rollout}
    report_findings(
        [
            Finding("POD-03", object_, "cause", f"a sentence with {words!r}", found.seen.value(f"cause {component}"))
            for words, found in wanted.items()
            if words not in found.seen.value(f"cause {component}")
        ],
        experiments.target,
    )


@pytest.mark.rule("REL-03")
def test_a_failing_migration_keeps_new_pods_from_serving(
    failing_migration_rollout: Stuck, experiments: ExperimentRunner
) -> None:
    failing_migration_rollout.seen.took("cause backend")
    part = experiments.target.component("backend")
    findings = served_on("REL-03", failing_migration_rollout, "backend", experiments)
    if failing_migration_rollout.new_ready["backend"]:
        names = sorted(failing_migration_rollout.new_ready["backend"])
        findings.append(Finding("REL-03", f"Deployment/{part.deployment}", "new pods", "none Ready", f"{names}"))
    report_findings(findings, experiments.target)


@pytest.mark.rule("CHT-13")
def test_a_rollback_heals(unpullable_rollout: Stuck, crashing_rollout: Stuck, failing_migration_rollout: Stuck) -> None:
    for found in (unpullable_rollout, crashing_rollout, failing_migration_rollout):
        assert found.seen.took("healed") < ROLLED_OUT.seconds
