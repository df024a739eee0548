"""Rollouts that can't succeed: old pods go on serving, the cause is diagnosed, and a rollback restores the release."""

from __future__ import annotations

import secrets
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any

import pytest
from psycopg import sql

from acceptance.checks.finding import Finding, Untested, report_findings
from acceptance.checks.isolation import container_spec
from acceptance.client.user import User
from acceptance.core.deadlines import CAUSE_REPORTED
from acceptance.core.fields import Object, name_of
from acceptance.core.redaction import redactor
from acceptance.core.target import COMPONENTS
from acceptance.core.wait import NotYet, dwell, eventually
from acceptance.experiments.experiment import SKIPPED, Experiment, WaitResult
from acceptance.experiments.repeat import repeat_if_inconclusive
from acceptance.experiments.rollout import image_tag_path
from acceptance.experiments.runner import ExperimentRunner
from acceptance.experiments.steps import rollout_step, run_step
from acceptance.kube import diagnosis
from acceptance.kube.helm import RefusedReleaseError
from acceptance.kube.status import endpoint_readiness, is_ready
from acceptance.provision.cluster import Cluster
from acceptance.provision.database import Database
from acceptance.provision.provisioner import Provisioner
from acceptance.traffic.availability import failed_request_findings
from acceptance.traffic.plans import page_views, task_writes

STUCK_SECONDS = 15.0
"""How long the rollout stays stuck once its cause is known: several readiness periods."""
MISSING_TAG = "no-such-image"
UNAVAILABLE_IMAGE = ("can't be pulled", "is not on the node")
"""What a cause says of an image that can't be pulled; the second one where the pull policy is Never."""
EXITED = ("exit code",)


@dataclass
class StuckRollout:
    """A rollout that did not succeed; pods by component."""

    experiment: Experiment
    old_pods: dict[str, set[str]]
    causes: dict[str, WaitResult[str]] = field(default_factory=dict)
    """Why the new pods can't run."""
    serving: dict[str, set[str]] = field(default_factory=dict)
    """The ready endpoints while it was stuck."""
    created: dict[str, set[str]] = field(default_factory=dict)
    """The new pods, of which `new_ready` are Ready."""
    new_ready: dict[str, set[str]] = field(default_factory=dict)
    rollback: WaitResult[None] = SKIPPED
    refused: str = ""
    """Why Helm ended the upgrade before any new pod: a hook that uses what can't work failed."""


def pods(experiments: ExperimentRunner, component: str) -> list[Object]:
    return experiments.pods(experiments.target.component(component))


def names(found: Iterable[Object]) -> set[str]:
    return {name_of(pod) for pod in found}


def wait_cause(experiments: ExperimentRunner, component: str, old_pods: set[str]) -> str:
    """Wait until a new pod of the component has a cause why it can't run; the cause in one sentence."""

    def probe() -> str:
        for pod in pods(experiments, component):
            if name_of(pod) not in old_pods and (cause := diagnosis.pod_cause(pod)):
                return cause
        raise NotYet("no new pod has a cause")

    return eventually(f"a cause at the {component}", probe, CAUSE_REPORTED)


def observe(experiments: ExperimentRunner, stuck: StuckRollout) -> None:
    """Record which pods serve, and which new pods are Ready."""
    slices = experiments.objects.list("EndpointSlice").objects
    for component in COMPONENTS:
        service = experiments.target.component(component).service
        stuck.serving[component] = {pod for pod, ready in endpoint_readiness(slices, service).items() if ready}
        new = [pod for pod in pods(experiments, component) if name_of(pod) not in stuck.old_pods[component]]
        stuck.created[component] = names(new)
        stuck.new_ready[component] = names(pod for pod in new if is_ready(pod))


@repeat_if_inconclusive
def roll_out_and_back(
    experiments: ExperimentRunner,
    users: tuple[User, User],
    name: str,
    changes: dict[str, Any],
    affected: tuple[str, ...] = COMPONENTS,
    credentials: Mapping[str, str] | None = None,
) -> StuckRollout:
    """Upgrade to what can't work, wait for the cause in the affected components, observe, and roll back."""
    writer, reader = users
    old_pods: dict[str, set[str]] = {component: names(pods(experiments, component)) for component in COMPONENTS}
    with experiments.experiment(name, backend=task_writes(writer), frontend=page_views(reader)) as experiment:
        stuck = StuckRollout(experiment, old_pods)
        revision = experiments.release.helm.revision()
        with experiment.disturbance():
            experiment.annotate("bad upgrade")
            try:
                experiments.upgrade(changes, credentials)
            except RefusedReleaseError as error:
                if "hook" not in str(error):
                    raise
                stuck.refused = str(error)
                experiment.annotate("a hook failed")
            for component in affected:
                stuck.causes[component] = wait_for_cause(experiments, stuck, component)
            dwell(STUCK_SECONDS, "the rollout stays stuck")
            observe(experiments, stuck)
            step = rollout_step(experiments, "rollback", lambda: experiments.rollback(revision))
            stuck.rollback = run_step(experiment, step).recovery
    return stuck


def wait_for_cause(experiments: ExperimentRunner, stuck: StuckRollout, component: str) -> WaitResult[str]:
    """Wait for the cause at a component; where a hook failed, that is the cause."""
    if stuck.refused:
        return WaitResult(0.0, stuck.refused)
    old_pods = stuck.old_pods[component]
    return stuck.experiment.wait_for(f"cause at the {component}", lambda: wait_cause(experiments, component, old_pods))


@pytest.fixture(scope="module")
def unpullable_rollout(experiments: ExperimentRunner, writer: User, reader: User) -> StuckRollout:
    """A rollout of both components to an image that can't be pulled."""
    changes = {image_tag_path(experiments.target, name): MISSING_TAG for name in COMPONENTS}
    return roll_out_and_back(experiments, (writer, reader), "image that can't be pulled", changes)


@pytest.fixture(scope="module")
def crashing_rollout(
    experiments: ExperimentRunner, writer: User, reader: User, provisioner: Provisioner, cluster: Cluster
) -> StuckRollout:
    """A rollout of both components to an image whose main process exits at once, whatever its arguments."""
    for name in COMPONENTS:
        part = experiments.target.component(name)
        for pod in experiments.pods(part)[:1]:
            if container_spec(pod, part.container).get("command"):
                raise Untested(f"the chart states the {name}'s command, so that no image makes it exit")
    images = provisioner.derived_images("crashing_rollout")
    cluster.load_image(*(image.reference for image in images.values()))
    changes = {image_tag_path(experiments.target, name): image.tag for name, image in images.items()}
    return roll_out_and_back(experiments, (writer, reader), "image that crashes", changes)


@pytest.fixture(scope="module")
def failing_migration_rollout(
    experiments: ExperimentRunner, writer: User, reader: User, database: Database
) -> StuckRollout:
    """A rollout of the backend with a database role without privileges, so that its migration fails."""
    if not experiments.target.can_give("database_url"):
        raise Untested("the target names no value for the database's URL")
    role, password = f"nobody_{secrets.token_hex(4)}", secrets.token_urlsafe(24)
    redactor.add(password)
    with database.admin() as admin:
        admin.execute(sql.SQL("CREATE ROLE {} LOGIN PASSWORD {}").format(sql.Identifier(role), sql.Literal(password)))
        try:
            bad = {"database_url": database.role_url(role, password)}
            return roll_out_and_back(experiments, (writer, reader), "migration that fails", {}, ("backend",), bad)
        finally:
            admin.execute(sql.SQL("DROP ROLE {}").format(sql.Identifier(role)))


def serving_findings(rule: str, stuck: StuckRollout, component: str, experiments: ExperimentRunner) -> list[Finding]:
    """Return findings if other pods than the old ones served, or if a request failed."""
    object_ = f"Service/{experiments.target.component(component).service}"
    findings = failed_request_findings(rule, object_, stuck.experiment.traffic[component].availability)
    if stuck.serving[component] != stuck.old_pods[component]:
        expected, actual = f"the old pods {sorted(stuck.old_pods[component])}", f"{sorted(stuck.serving[component])}"
        findings.append(Finding(rule, object_, "ready endpoints", expected, actual))
    return findings


@pytest.mark.rule("DEP-11")
@pytest.mark.parametrize("component", COMPONENTS)
def test_old_pods_serve_while_the_image_cannot_be_pulled(
    unpullable_rollout: StuckRollout, component: str, experiments: ExperimentRunner
) -> None:
    unpullable_rollout.causes[component].raise_if_failed()
    report_findings(serving_findings("DEP-11", unpullable_rollout, component, experiments), experiments.target)


@pytest.mark.rule("DEP-11")
@pytest.mark.parametrize("component", COMPONENTS)
def test_old_pods_serve_while_the_image_crashes(
    crashing_rollout: StuckRollout, component: str, experiments: ExperimentRunner
) -> None:
    crashing_rollout.causes[component].raise_if_failed()
    report_findings(serving_findings("DEP-11", crashing_rollout, component, experiments), experiments.target)


@pytest.mark.rule("POD-03")
@pytest.mark.parametrize("component", COMPONENTS)
@pytest.mark.parametrize(
    ("rollout", "words"), [("unpullable_rollout", UNAVAILABLE_IMAGE), ("crashing_rollout", EXITED)]
)
def test_stuck_rollout_is_diagnosed(
    rollout: str,
    words: tuple[str, ...],
    component: str,
    experiments: ExperimentRunner,
    request: pytest.FixtureRequest,
) -> None:
    stuck: StuckRollout = request.getfixturevalue(rollout)
    if stuck.refused:
        raise Untested(f"a hook failed before any new pod was created: {stuck.refused}")
    object_ = f"Deployment/{experiments.target.component(component).deployment}"
    cause, findings = stuck.causes[component].value, []
    if not any(each in cause for each in words):
        findings.append(Finding("POD-03", object_, "cause", f"a sentence with {' or '.join(map(repr, words))}", cause))
    report_findings(findings, experiments.target)


@pytest.mark.rule("REL-03")
def test_failing_migration_keeps_new_pods_from_serving(
    failing_migration_rollout: StuckRollout, experiments: ExperimentRunner
) -> None:
    stuck = failing_migration_rollout
    if not stuck.causes["backend"].ok and not stuck.created["backend"]:
        raise Untested("the changed database URL replaced no pod (DEP-08), so that no migration ran")
    if not stuck.causes["backend"].ok and experiments.target.component("backend").init_container is None:
        raise Untested("the target names no init container of the backend, and nothing failed that migrates otherwise")
    findings = serving_findings("REL-03", stuck, "backend", experiments)
    if new_ready := stuck.new_ready["backend"]:
        object_ = f"Deployment/{experiments.target.component('backend').deployment}"
        findings.append(Finding("REL-03", object_, "new pods", "none Ready", f"{sorted(new_ready)}"))
    report_findings(findings, experiments.target)


@pytest.mark.rule("CHT-13")
@pytest.mark.usefixtures("experiments")
@pytest.mark.parametrize("rollout", ["unpullable_rollout", "crashing_rollout", "failing_migration_rollout"])
def test_rollback_restores_the_release(rollout: str, request: pytest.FixtureRequest) -> None:
    stuck: StuckRollout = request.getfixturevalue(rollout)
    stuck.rollback.raise_if_failed()
