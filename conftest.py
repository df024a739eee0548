"""The fixture chain: target, cluster, images, database and model stub, release, ready release, gateway."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import suppress
from functools import partial

import pytest

import toolchain as tools
from acceptance.chart.packaging import package_digest
from acceptance.checks.finding import Untested
from acceptance.client.live_config import secret
from acceptance.client.response_watch import ResponseWatch
from acceptance.client.signing_in import further_user, sign_up
from acceptance.client.user import User, chat_obstacle, wait_answered
from acceptance.core import digests, signals
from acceptance.core.deadlines import RELEASE_READY
from acceptance.core.redaction import redactor
from acceptance.core.rules import RULES_FILE
from acceptance.core.target import COMPONENTS, CREDENTIALS
from acceptance.core.values import set_paths
from acceptance.kube import manifests
from acceptance.kube.helm import RefusedReleaseError, find_helm
from acceptance.plugin.state import SessionState
from acceptance.provision import lifecycle, user_context
from acceptance.provision.cluster import Cluster
from acceptance.provision.container_provisioner import ContainerProvisioner
from acceptance.provision.database import Database
from acceptance.provision.existing_release import adopt_release, assert_values_unchanged
from acceptance.provision.gateway import Gateway
from acceptance.provision.images import BuiltImage, base_images
from acceptance.provision.model_stub import ModelStub
from acceptance.provision.provisioner import Provisioner, environment
from acceptance.provision.release import Release
from acceptance.provision.run import Context, OwnCluster, Run
from acceptance.report.results import Limit, OnFailure, RecordMeasurement, RunMetadata
from toolchain import Toolchain, minikube_image
from toolchain.console import ToolchainError

pytest_plugins = ["acceptance.plugin"]


TOOLCHAIN = pytest.StashKey[Toolchain]()
CONTEXT = pytest.StashKey[Context]()


def pytest_collection_finish(session: pytest.Session) -> None:
    """Find the tools and read the context that the tests need. Raises `pytest.UsageError` if one is missing."""
    needed = {name for item in session.items for name in getattr(item, "fixturenames", ())}
    if session.config.option.collectonly:
        return
    stash = session.config.stash
    try:
        if "toolchain" in needed:
            stash[TOOLCHAIN] = tools.find()
            option = session.config.option
            if option.cluster_provider == "minikube" and "cluster" in needed:
                minikube_image.ensure(stash[TOOLCHAIN].engine, stash[TOOLCHAIN].node_image)
            if option.context:
                stash[CONTEXT] = user_context.read_context(
                    stash[TOOLCHAIN],
                    option.context,
                    redactor.add,
                    registry=option.registry or "",
                    node_access=option.allow_node_access,
                    own_release=option.own_release,
                )
        if "renderer" in needed:
            find_helm()
    except ToolchainError as error:
        raise pytest.UsageError(str(error)) from error


@pytest.fixture(scope="session")
def toolchain(pytestconfig: pytest.Config) -> Toolchain:
    """The tools; `make toolchain` installs them."""
    return pytestconfig.stash[TOOLCHAIN]


@pytest.fixture(scope="session")
def run(toolchain: Toolchain, pytestconfig: pytest.Config) -> Iterator[Run]:
    """This run's identity; what it created is removed at the end, unless --keep-cluster."""
    named = pytestconfig.stash.get(CONTEXT, None)
    option = pytestconfig.option
    with lifecycle.acquire_run(
        toolchain,
        keep=option.keep_cluster,
        context=named,
        own_cluster=OwnCluster(option.cluster_provider, option.nodes, option.node_image or ""),
    ) as current:
        yield current


@pytest.fixture(scope="session")
def provisioner(
    toolchain: Toolchain, run: Run, session_state: SessionState, request: pytest.FixtureRequest
) -> Iterator[Provisioner]:
    """Provisions in parallel everything that the collected tests need."""
    with pytest.MonkeyPatch.context() as patch:
        for name, value in environment(toolchain, run).items():
            patch.setenv(name, value)
        kind = Provisioner if run.clustered else ContainerProvisioner
        provisioner = kind(toolchain, run, session_state.results.target, redactor.add)
        provisioner.archive = request.config.option.images
        needed = {name for item in request.session.items for name in getattr(item, "fixturenames", ())}
        try:
            provisioner.prepare(needed)
            yield provisioner
        finally:
            with signals.uninterrupted():
                provisioner.close()


@pytest.fixture(scope="session", autouse=True)
def start_provisioning(request: pytest.FixtureRequest) -> None:
    """Start provisioning before the first test, which itself may need nothing."""
    if any("provisioner" in getattr(item, "fixturenames", ()) for item in request.session.items):
        request.getfixturevalue("provisioner")


@pytest.fixture(scope="session", autouse=True)
def artefact_digests(request: pytest.FixtureRequest, session_state: SessionState) -> None:
    """Record the digests of what a run of the release's tests is about: chart, target and specification."""
    if not all(item.get_closest_marker("unit") for item in request.session.items):
        session_state.results.metadata.subject["digests"] = {
            "chart": package_digest(find_helm(), session_state.results.target.chart_path),
            "target": digests.of_file(request.config.option.target),
            "specification": digests.of_file(RULES_FILE),
        }


@pytest.fixture(scope="session")
def cluster(
    provisioner: Provisioner,
    run: Run,
    run_metadata: RunMetadata,
    on_failure: OnFailure,
) -> Iterator[Cluster]:
    """A running cluster: one created by this run, or the existing one that --context names."""
    cluster = provisioner.cluster()
    run_metadata.used_cluster = True
    run_metadata.fresh_cluster = cluster.provider.creates_cluster and not run.reused
    run_metadata.environment |= cluster.versions()
    with on_failure(lambda: provisioner.evidence(run.namespace)):
        yield cluster


@pytest.fixture(scope="session")
def images(provisioner: Provisioner, run_metadata: RunMetadata) -> dict[str, BuiltImage]:
    """The image of each component by its name, built from the target's Dockerfiles."""
    images = provisioner.images()
    run_metadata.add_images(images)
    if provisioner.archive is None:
        run_metadata.subject["base_images"] = base_images(provisioner.toolchain, provisioner.target)
    return images


@pytest.fixture(scope="session")
def database(provisioner: Provisioner) -> Database:
    """The external PostgreSQL."""
    return provisioner.database()


@pytest.fixture(scope="session")
def model(provisioner: Provisioner) -> ModelStub:
    """The stub of the language model; raises `Untested` if a chat turn would not reach it."""
    if obstacle := chat_obstacle(provisioner.target, own_release=provisioner.installs_release):
        raise Untested(obstacle)
    return provisioner.model()


@pytest.fixture(scope="session")
def gateway(provisioner: Provisioner) -> Gateway:
    """Connects the suite to Services and pods."""
    return provisioner.gateway()


@pytest.fixture(scope="session")
def installation(provisioner: Provisioner) -> Release | RefusedReleaseError:
    """The release as the run installed it, or how that was refused: a finding of one test."""
    try:
        return provisioner.release()
    except RefusedReleaseError as error:
        return error


@pytest.fixture(scope="session")
def release(
    provisioner: Provisioner,
    cluster: Cluster,
    run_metadata: RunMetadata,
    request: pytest.FixtureRequest,
    on_failure: OnFailure,
) -> Iterator[Release]:
    """The installed release; its pods need not be Ready. The values of an existing release must not change."""
    target = provisioner.target
    with on_failure(lambda: provisioner.evidence(target.chart.namespace)):
        shipped = manifests.shipped(target.chart_path)
        if not provisioner.installs_release:
            existing = adopt_release(cluster, target, redactor.add)
            run_metadata.override(shipped, existing.values, "set in the existing release")
            yield existing
            assert_values_unchanged(existing)
            return
        request.getfixturevalue("images")  # the report names them
        release: Release | RefusedReleaseError = request.getfixturevalue("installation")
        if isinstance(release, RefusedReleaseError):
            raise Untested(f"the release could not be installed (CHT-11): {release.summary}")
        run_metadata.add_images(provisioner.further_images())
        run_metadata.override(shipped, set_paths({}, target.overrides), "fits a small cluster")
        run_metadata.override(set_paths(shipped, target.overrides), release.values, "set by this run")
        yield release


@pytest.fixture(scope="session")
def ready_release(release: Release, provisioner: Provisioner, record_measurement: RecordMeasurement) -> Release:
    """The release with every pod Ready and behind its Service."""
    if not provisioner.installs_release:
        release.wait_ready()
        return release
    since = provisioner.ready()
    if release.installed_at is not None:
        seconds = since - release.installed_at
        record_measurement("helm install to every pod Ready", seconds, "s", Limit.of(RELEASE_READY))
    return release


@pytest.fixture(scope="session")
def response_watch(ready_release: Release, gateway: Gateway) -> ResponseWatch:
    """Searches every response of the release for the credentials with which it was installed."""
    credentials = {}
    for key in (getattr(ready_release.target.secret, name) for name in CREDENTIALS):
        with suppress(Untested):
            credentials[key] = secret(ready_release, key)
    watch = ResponseWatch(credentials)
    gateway.observers.append(watch.search)
    return watch


@pytest.fixture(scope="session")
def new_user(
    ready_release: Release, gateway: Gateway, provisioner: Provisioner, response_watch: ResponseWatch
) -> Callable[[], User]:
    """`new_user()` signs up a user as the target says; `AssertionError` if that is refused."""
    assert response_watch, "from the first request on"
    if missing := [name for name in COMPONENTS if name not in ready_release.target.components]:
        raise Untested(f"the target names no {missing[0]}: users sign up at the frontend, and use the backend")
    for component in {"frontend", ready_release.target.auth.service}:
        wait_answered(gateway, component)
    own = provisioner.installs_release
    return lambda: sign_up(ready_release.target, gateway, ready_release.origin, redactor.add, own_release=own)


@pytest.fixture(scope="session")
def first_user(new_user: Callable[[], User]) -> User | AssertionError:
    """The run's first user, or why none could sign up: a finding of one test, for which others are untested."""
    try:
        return new_user()
    except AssertionError as error:
        return error


@pytest.fixture(scope="session")
def user(first_user: User | AssertionError) -> User:
    """A user that the whole run shares; raises `Untested` if nobody can sign up."""
    if isinstance(first_user, AssertionError):
        raise Untested(f"nobody can sign up (SCY-06): {str(first_user)[:300]}")
    return first_user


@pytest.fixture(scope="session")
def users(user: User, new_user: Callable[[], User]) -> Callable[[], User]:
    """`users()` signs up a further user; raises `Untested` where the application's rate limit permits no more."""
    assert user
    return partial(further_user, new_user)
