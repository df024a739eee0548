"""The database fails in six ways under traffic: errors instead of hanging, no restart, and recovery by itself."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from itertools import product

import pytest

from acceptance.checks.finding import Finding, Untested, report_findings
from acceptance.client.page_views import pages_with_data
from acceptance.client.signing_in import send_sign_in
from acceptance.client.user import User
from acceptance.core.deadlines import DATABASE_ERROR, DATABASE_RECOVERY, REQUEST
from acceptance.core.fields import Object, name_of
from acceptance.core.target import COMPONENTS
from acceptance.core.wait import NotYet, eventually
from acceptance.experiments import faults
from acceptance.experiments.database_faults import (
    connections_refused,
    database_crashed,
    database_read_only,
    packets_lost,
)
from acceptance.experiments.database_outages import (
    Fault,
    Outage,
    during,
    require_requests,
    run_outage,
    times_without_ready_pod,
    unanswered_findings,
)
from acceptance.experiments.experiment import SKIPPED, Experiment, WaitResult
from acceptance.experiments.probes import probe_times, require_probe
from acceptance.experiments.repeat import repeat_if_inconclusive
from acceptance.experiments.runner import ExperimentRunner
from acceptance.kube.status import restarts
from acceptance.provision.database import Database
from acceptance.report.results import Limit, RecordMeasurement
from acceptance.traffic.availability import failed_request_findings
from acceptance.traffic.plans import page_views, task_writes
from acceptance.traffic.records import InconclusiveSampleError

pytestmark = pytest.mark.timeout(600)
"""Six faults with a recovery of up to 30 s each, and the restored baseline."""
WRITES_PER_SECOND = 10.0
PAGES_PER_SECOND = 3.0
FAULT_SECONDS = 8.0
"""Longer than a request may take, so that requests end during the fault."""
CRASH_SECONDS = 1.0
LONGEST_OUTAGE = 90.0
"""The kubelet restarts a container whose liveness probe fails for as long as the probe's settings say, 35 s as
shipped; of a chart with other settings an outage of this length is enough."""
PROBE_LAG = 3.0
"""Seconds by which the kubelet may be late."""


@dataclass
class DatabaseFaults:
    """The experiment, its outages, and the pods before and after."""

    experiment: Experiment
    outages: list[Outage]
    before: list[Object]
    after: list[Object]
    sign_in: WaitResult[None] = SKIPPED

    @property
    def longest(self) -> float:
        """Seconds of the longest outage."""
        return max(outage.interval.seconds for outage in self.outages)


def planned_faults(experiments: ExperimentRunner, database: Database) -> list[Fault]:
    """The first one lasts until a liveness probe that needs the database has failed for long enough."""
    cluster, objects = experiments.release.cluster, experiments.objects
    parts = [experiments.target.component(name) for name in COMPONENTS]
    probes = [times for part in parts if (times := probe_times(objects, part, "livenessProbe"))]
    detection = max((probe.longest_detection for probe in probes), default=FAULT_SECONDS)
    planned = [
        Fault("stopped", lambda: faults.database_stopped(database), min(detection + PROBE_LAG, LONGEST_OUTAGE)),
        Fault("paused", lambda: faults.database_paused(database), FAULT_SECONDS),
        Fault("out of connections", lambda: connections_refused(database), FAULT_SECONDS),
        Fault("read-only", lambda: database_read_only(database), FAULT_SECONDS),
        Fault("crashed", lambda: database_crashed(database), CRASH_SECONDS),
    ]
    if "node" in cluster.capabilities:
        planned += [
            Fault("unreachable", lambda: packets_lost(cluster, database, 1.0), FAULT_SECONDS),
            # It is available, so a slow answer is not an error, as long as it comes.
            Fault("slow", lambda: packets_lost(cluster, database), FAULT_SECONDS, REQUEST.seconds),
        ]
    return planned


def wait_signed_in(user: User, origin: str) -> None:
    """Wait until the password signs in, which PostgreSQL has the hash of; whoever checks it has its own connections."""

    def probe() -> None:
        status = send_sign_in(user.gateway, user.account, origin).status_code
        if status >= 300:
            raise NotYet(f"sign-in was answered {status}")

    eventually("users to sign in after the database's return", probe, DATABASE_RECOVERY)


@pytest.fixture(scope="module")
@repeat_if_inconclusive
def database_faults(
    experiments: ExperimentRunner,
    writer: User,
    reader: User,
    users: Callable[[], User],
    database: Database,
) -> DatabaseFaults:
    """Each fault of the database in turn, under traffic."""
    if not experiments.target.can_give("database_url"):
        raise Untested("the target names no value for the database's URL: no fault of the run's reaches the release's")
    plans = {"backend": task_writes(writer, WRITES_PER_SECOND), "frontend": page_views(reader, PAGES_PER_SECOND)}
    with experiments.experiment("database faults", **plans) as experiment:
        before = [pod for name in COMPONENTS for pod in experiments.pods(experiments.target.component(name))]
        pages = pages_with_data(reader, users())
        outages = [
            run_outage(experiments, experiment, fault, reader, database, pages)
            for fault in planned_faults(experiments, database)
        ]
        signed_in = experiment.wait_for("sign-in", lambda: wait_signed_in(reader, experiments.release.origin))
        after = [pod for name in COMPONENTS for pod in experiments.pods(experiments.target.component(name))]
    for outage, run in product(outages, experiment.traffic.values()):
        require_requests(run.records, outage)
    return DatabaseFaults(experiment, outages, before, after, signed_in)


@pytest.mark.rule("PER-08")
def test_requests_get_an_error_instead_of_hanging(
    database_faults: DatabaseFaults, experiments: ExperimentRunner, record_measurement: RecordMeasurement
) -> None:
    """Requests on new and on reused connections are answered within 5 s while the database is unavailable."""
    backend = experiments.target.component("backend")
    history, records = database_faults.experiment.history, database_faults.experiment.traffic["backend"].records
    findings = []
    for outage in database_faults.outages:
        sampled = during(records, outage.interval)
        reused = sum(record.reused for record in sampled)
        counted = f"{len(sampled) - reused} new, {reused} reused connections; {DATABASE_ERROR.source}"
        slowest = max(record.duration for record in sampled)
        limit = Limit(outage.fault.limit, counted)
        record_measurement(f"database {outage.fault.name}: slowest answer", round(slowest, 2), "s", limit)
        refusing = times_without_ready_pod(history, backend, outage.interval)
        findings += unanswered_findings(
            "PER-08", f"Service/{backend.service}", outage, records, outage.fault.limit, refusing
        )
    report_findings(findings, experiments.target)


@pytest.mark.rule("PER-08")
def test_lost_packets_are_among_the_faults(database_faults: DatabaseFaults, experiments: ExperimentRunner) -> None:
    """The nodes lose the packets, so the two faults of the network are untested without access to the nodes."""
    experiments.release.cluster.require_capability("node")
    assert {"unreachable", "slow"} <= {outage.fault.name for outage in database_faults.outages}


@pytest.mark.rule("PER-08")
def test_pages_are_answered_without_the_database(
    database_faults: DatabaseFaults, experiments: ExperimentRunner
) -> None:
    """The answer is the page or an error page, as late as any request may be: it waits for the backend's error."""
    frontend = experiments.target.component("frontend")
    history, records = database_faults.experiment.history, database_faults.experiment.traffic["frontend"].records
    findings = []
    for outage in database_faults.outages:
        refusing = times_without_ready_pod(history, frontend, outage.interval)
        findings += unanswered_findings(
            "PER-08", f"Service/{frontend.service}", outage, records, REQUEST.seconds, refusing
        )
    report_findings(findings, experiments.target)


@pytest.mark.rule("PER-08")
def test_no_page_shows_missing_data_as_if_there_were_none(
    database_faults: DatabaseFaults, experiments: ExperimentRunner
) -> None:
    """A page that can't be filled has another status, or says so: a user would take the data for lost."""
    views = [(outage, view) for outage in database_faults.outages for view in outage.pages]
    if not views:
        raise Untested("no page was answered meanwhile whose first HTML otherwise shows the user's data")
    expected = "another status, or a word that says so"
    findings = [
        Finding(
            "PER-08", f"GET {view.page.path}", f"page, {outage.fault.name}", expected, "200, without the user's data"
        )
        for outage, view in views
        if view.hides_an_error
    ]
    report_findings(findings, experiments.target)


@pytest.mark.rule("PER-08")
def test_service_recovers_after_the_database(
    database_faults: DatabaseFaults, experiments: ExperimentRunner, record_measurement: RecordMeasurement
) -> None:
    """Each backend pod writes again within 30 s; from then on no request fails, and users can sign in."""
    findings = []
    for outage in database_faults.outages:
        seconds = outage.recovery.seconds
        record_measurement(f"database {outage.fault.name}: served again", seconds, "s", Limit.of(DATABASE_RECOVERY))
        for name in COMPONENTS:
            settled = database_faults.experiment.traffic[name].availability.between(outage.settled)
            if not settled.records:
                raise InconclusiveSampleError(f"no request was sent to the {name} after {outage.fault.name}")
            service = f"Service/{experiments.target.component(name).service}"
            findings += failed_request_findings("PER-08", service, settled)
    database_faults.sign_in.raise_if_failed()
    report_findings(findings, experiments.target)


@pytest.mark.rule("PER-08")
def test_acknowledged_writes_survive_database_faults(
    database_faults: DatabaseFaults, experiments: ExperimentRunner
) -> None:
    """Each acknowledged write is stored exactly once, each other one at most once."""
    ledgers = database_faults.experiment.ledgers.values()
    if not ledgers:
        raise Untested("no write was compared with PostgreSQL")
    report_findings([finding for ledger in ledgers for finding in ledger.findings("PER-08")], experiments.target)


@pytest.mark.rule("POD-20")
def test_no_container_is_restarted_without_database(
    database_faults: DatabaseFaults, experiments: ExperimentRunner
) -> None:
    """No pod is replaced either."""
    detection = require_probe(experiments.objects, experiments.target, "backend", "livenessProbe").longest_detection
    if detection > database_faults.longest:
        raise Untested(f"the backend's liveness probe takes {detection:g} s to act, longer than any outage of the run")
    labels = experiments.target.component("backend").labels.items()
    own = [pod for pod in database_faults.before if labels <= pod["metadata"]["labels"].items()]
    assert own, "the backend had no pod"
    after = restarts(database_faults.after)
    findings = [
        Finding("POD-20", f"Pod/{name_of(pod)}", "restartCount", f"{count}, as before", f"{after.get(name_of(pod))}")
        for pod in own
        if after.get(name_of(pod)) != (count := restarts([pod])[name_of(pod)])
    ]
    report_findings(findings, experiments.target)
