"""The fixture chain: target - cluster - images - database and model - installed - ready - gateway."""

from __future__ import annotations

from collections.abc import Callable, Iterator

import pytest

import toolchain as tools
from acceptance.client.user import User, sign_up, wait_answered
from acceptance.core import signals
from acceptance.core.deadlines import RELEASE_READY
from acceptance.core.redaction import redactor
from acceptance.core.target import Target
from acceptance.core.values import set_paths
from acceptance.kube import diagnostics, manifests
from acceptance.provision import lifecycle, user_context
from acceptance.provision.cluster import Cluster
from acceptance.provision.database import Database
from acceptance.provision.existing_release import adopt_release, assert_values_unchanged
from acceptance.provision.gateway import Gateway
from acceptance.provision.images import BuiltImage
from acceptance.provision.model_stub import ModelStub
from acceptance.provision.provisioner import Provisioner, environment
from acceptance.provision.release import Release
from acceptance.provision.run import Context, Run
from acceptance.report.results import OnFailure, RecordMeasurement, RunMetadata
from toolchain import Toolchain
from toolchain.console import ToolchainError

pytest_plugins = ["acceptance.plugin"]


TOOLCHAIN = pytest.StashKey[Toolchain]()
CONTEXT = pytest.StashKey[Context]()


def pytest_collection_finish(session: pytest.Session) -> None:
    """Where a tool that the tests need is missing, or the cluster that the user names, nothing is begun."""
    needed = any("toolchain" in getattr(item, "fixturenames", ()) for item in session.items)
    if needed and not session.config.option.collectonly:
        stash = session.config.stash
        try:
            stash[TOOLCHAIN] = tools.find()
            if name := session.config.option.context:
                stash[CONTEXT] = user_context.read_context(stash[TOOLCHAIN], name, redactor.add)
        except ToolchainError as error:
            raise pytest.UsageError(str(error)) from error


@pytest.fixture(scope="session")
def toolchain(pytestconfig: pytest.Config) -> Toolchain:
    """The tools, found and never built here: `make toolchain` has them."""
    return pytestconfig.stash[TOOLCHAIN]


@pytest.fixture(scope="session")
def run(toolchain: Toolchain, pytestconfig: pytest.Config) -> Iterator[Run]:
    """This run's identity; what it made is removed at the end, unless --keep-cluster."""
    named = pytestconfig.stash.get(CONTEXT, None)
    with lifecycle.acquire_run(toolchain, keep=pytestconfig.option.keep_cluster, context=named) as current:
        yield current


@pytest.fixture(scope="session")
def provisioner(
    toolchain: Toolchain, run: Run, target: Target, request: pytest.FixtureRequest
) -> Iterator[Provisioner]:
    """Everything that the collected tests need, begun side by side."""
    with pytest.MonkeyPatch.context() as patch:
        for name, value in environment(toolchain, run).items():
            patch.setenv(name, value)
        made = Provisioner(toolchain, run, target, redactor.add)
        fixtures = {name for item in request.session.items for name in getattr(item, "fixturenames", ())}
        try:
            made.prepare(fixtures)
            yield made
        finally:
            with signals.uninterrupted():
                made.close()


@pytest.fixture(scope="session", autouse=True)
def start_provisioning(request: pytest.FixtureRequest) -> None:
    """What any test will need is begun before the first, which may need nothing."""
    if any("provisioner" in getattr(item, "fixturenames", ()) for item in request.session.items):
        request.getfixturevalue("provisioner")


@pytest.fixture(scope="session")
def cluster(
    provisioner: Provisioner,
    run: Run,
    run_metadata: RunMetadata,
    on_failure: OnFailure,
) -> Iterator[Cluster]:
    """A running cluster: of this run's own, or the one that --context names."""
    made = provisioner.cluster()
    run_metadata.fresh_cluster = made.provider.creates_cluster and not run.reused
    run_metadata.environment |= made.versions()
    with on_failure(lambda: diagnostics.collect(made.api, made.run.namespace)):
        yield made


@pytest.fixture(scope="session")
def images(provisioner: Provisioner, run_metadata: RunMetadata) -> dict[str, BuiltImage]:
    """The image of each component by its name, built from the target's Dockerfiles."""
    made = provisioner.images()
    run_metadata.subject["images"] = {
        name: {"reference": it.reference, "id": it.config_digest} for name, it in made.items()
    }
    return made


@pytest.fixture(scope="session")
def database(provisioner: Provisioner) -> Database:
    """The external PostgreSQL."""
    return provisioner.database()


@pytest.fixture(scope="session")
def model(provisioner: Provisioner) -> ModelStub:
    """The stub of the language model."""
    return provisioner.model()


@pytest.fixture(scope="session")
def gateway(provisioner: Provisioner) -> Gateway:
    """The way to Services and pods from here."""
    return provisioner.gateway()


@pytest.fixture(scope="session")
def release(
    provisioner: Provisioner,
    cluster: Cluster,
    target: Target,
    run_metadata: RunMetadata,
    request: pytest.FixtureRequest,
    on_failure: OnFailure,
) -> Iterator[Release]:
    """The release, as helm left it: its pods need not be Ready. One that the user installed is as it was at the end."""
    with on_failure(lambda: diagnostics.collect(cluster.api, target.chart.namespace)):
        shipped = manifests.shipped(target.chart_path)
        if not provisioner.installs_release:
            made = adopt_release(cluster, target, redactor.add)
            run_metadata.override(shipped, made.values, "the release's own")
            yield made
            assert_values_unchanged(made)
            return
        request.getfixturevalue("images")  # the report names them
        made = provisioner.release()
        run_metadata.override(shipped, set_paths({}, target.overrides), "fits a small cluster")
        run_metadata.override(set_paths(shipped, target.overrides), made.values, "only the run knows it")
        yield made


@pytest.fixture(scope="session")
def ready_release(release: Release, provisioner: Provisioner, record_measurement: RecordMeasurement) -> Release:
    """The release with every pod Ready and behind its Service."""
    if not provisioner.installs_release:
        release.wait_ready()
        return release
    since = provisioner.ready()
    if release.installed_at is not None:
        seconds = since - release.installed_at
        record_measurement("helm install to every pod Ready", seconds, "s", RELEASE_READY.source)
    return release


@pytest.fixture(scope="session")
def users(ready_release: Release, gateway: Gateway) -> Callable[[], User]:
    """Sign up one more user through the frontend, as a person would; each call is another."""
    wait_answered(gateway, "frontend")
    return lambda: sign_up(ready_release.target, gateway, ready_release.origin, redactor.add)


@pytest.fixture(scope="session")
def user(users: Callable[[], User]) -> User:
    """A user that the whole run shares."""
    return users()
