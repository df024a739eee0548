"""A release without a cluster: its containers on the run's Docker network, with what the chart renders for them.

Environment, files, commands and limits are those of the rendered pod templates, and each component is reached under its
Service's names. Everything that only Kubernetes does is missing.
"""

from __future__ import annotations

import json
import time
from base64 import b64encode
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any, NoReturn

from acceptance.chart.renderer import Renderer
from acceptance.checks.component_view import ComponentView
from acceptance.checks.finding import Untested
from acceptance.checks.snapshot import Snapshot
from acceptance.core.deadlines import RELEASE_READY, Deadline
from acceptance.core.fields import Object, mapping_at, text_at
from acceptance.core.target import Target
from acceptance.core.urls import authority
from acceptance.core.wait import NotYet, eventually
from acceptance.kube.client import Listing, Objects
from acceptance.kube.existing_secrets import existing_secrets
from acceptance.kube.helm import find_helm
from acceptance.kube.pod_templates import Container
from acceptance.provision import docker
from acceptance.provision.cluster import Cluster
from acceptance.provision.docker import LOOPBACK, host_port
from acceptance.provision.gateway import Gateway, service_host
from acceptance.provision.helm import HelmRelease
from acceptance.provision.images import BuiltImage
from acceptance.provision.providers import GATEWAY_PORT
from acceptance.provision.provisioner import Provisioner
from acceptance.provision.recipes import ContainerChanges, recipe, start_container, texts
from acceptance.provision.release import Release, run_credentials, run_secrets, run_values
from toolchain import Toolchain
from toolchain.console import ToolchainError

LOG_LINES = 40


class StoppedError(ToolchainError):
    """A container of the release ended; the message has the end of its log."""


@dataclass
class ContainerObjects(Objects):
    """The release's objects as rendered, and its containers as pods; all else needs Kubernetes."""

    snapshot: Snapshot
    toolchain: Toolchain
    pods: dict[str, Object] = field(default_factory=dict)
    """By the container's name."""

    def list(self, kind: str) -> Listing:
        """List the containers as pods; raises `Untested` for other kinds."""
        return Listing("0", tuple(self.pods.values())) if kind == "Pod" else super().list(kind)

    def data(self, kind: str, name: str) -> Mapping[str, str]:
        """Return the data of a ConfigMap or Secret, rendered or existing, the latter's values as base64."""
        found = texts(self.snapshot.named(kind, name) or self.snapshot.existing_named(kind, name) or {})
        return {key: b64encode(text.encode()).decode() if kind == "Secret" else text for key, text in found.items()}

    def tail(self, pod: str, container: str, lines: int) -> str:
        """Return the last lines of a container's log."""
        del container  # a pod has only one
        return docker.log(self.toolchain, pod, lines)

    def _call(self, kind: str) -> Callable[..., Any]:
        _needs_kubernetes(f"a request for {kind} objects")


def _needs_kubernetes(what: str) -> NoReturn:
    raise Untested(f"{what} needs a cluster, and the release's containers run without one")


class ContainerProvisioner(Provisioner):
    """Makes what a run needs where it has no cluster: images, database, model, gateway, and the release's containers.

    Attributes:
        replicas: How many containers each component has; as configured by default.
        cpus: Each container's limit, in place of its own.
    """

    replicas: int | None = None
    cpus: float | None = None

    def _create_cluster(self) -> Cluster:
        self.network()
        return Cluster(self.provider)

    def _load_images(self) -> dict[str, BuiltImage]:
        return self.images()

    def _load_tools(self) -> None:
        self.tools()

    def _open_gateway(self) -> Gateway:
        self.network()
        name = f"gateway-{self.run.id}"
        command = ["microsocks", "-p", str(GATEWAY_PORT)]
        docker.start(self.toolchain, self.run, name, self.tools().reference, entrypoint=command, ports=(GATEWAY_PORT,))
        # The proxy itself is the one server that no test stops.
        port = host_port(self.toolchain, name, GATEWAY_PORT)
        return Gateway(self.target, LOOPBACK, port, always_there=(name, GATEWAY_PORT))

    def _install_release(self) -> Release:
        """Run the init containers, then start the containers of every component."""
        cluster, images = self.cluster(), self.images()
        inputs = self.inputs(images, self.database().url)
        secrets = run_secrets(self.target, None)
        for secret in secrets.values():
            self.redact(secret)
        values = run_values(self.target, inputs, secrets)
        credentials = run_credentials(inputs, secrets)
        snapshot = render(self.target, values, credentials)
        objects = ContainerObjects(snapshot, self.toolchain)
        helm = HelmRelease(cluster, self.target.chart.release, self.target.chart.namespace)
        release = Release(self.target, cluster, helm, objects, values, credentials, time.monotonic())
        for name in self.target.components:
            view = ComponentView(snapshot, self.target, name)
            self._run_init_containers(view, images[name])
            for number in range(self.replicas or view.replicas()):
                self.start_component(release, name, number)
        return release

    def _run_init_containers(self, view: ComponentView, image: BuiltImage) -> None:
        for container in view.pods[0].containers():
            if container.init and not container.sidecar:
                name = f"{view.component.deployment}-{container.name}-{self.run.id}"
                self._start(view, container, name, image, ())
                wait_ended(self.toolchain, name)

    def start_component(
        self, release: Release, name: str, number: int = 0, changes: ContainerChanges | None = None
    ) -> str:
        """Start one container of a component, in place of the one of this number, and return its name.

        Args:
            release: The release of `_install_release`.
            name: The component's name.
            number: The container's number, from 0.
            changes: What differs from the chart and the image.
        """
        objects = release.objects
        assert isinstance(objects, ContainerObjects)
        view = ComponentView(objects.snapshot, self.target, name)
        component = view.component
        if component.port != component.service_port:
            raise Untested(f"Service/{component.service} translates its port, and containers run without a Service")
        container = f"{component.deployment}-{number}-{self.run.id}"
        if container in objects.pods:
            del objects.pods[container]
            self.toolchain.engine.docker("rm", "--force", "--volumes", container)
        template = view.pods[0]
        aliases = service_names(self.target, name)
        self._start(view, view.main_container(template), container, self.images()[name], aliases, changes)
        described = json.loads(self.toolchain.engine.docker("container", "inspect", container))[0]
        address = described["NetworkSettings"]["Networks"][self.run.network]["IPAddress"]
        objects.pods[container] = pod(container, self.target.chart.namespace, dict(template.labels), address)
        return container

    def _start(
        self,
        view: ComponentView,
        container: Container,
        name: str,
        image: BuiltImage,
        aliases: tuple[str, ...],
        changes: ContainerChanges | None = None,
    ) -> None:
        made = recipe(view, container, name, image.reference).changed(changes or ContainerChanges())
        cpus = self.cpus or made.cpus
        limits = {"nano_cpus": int(cpus * 10**9) if cpus else None, "mem_limit": made.memory}
        limits = {key: value for key, value in limits.items() if value}
        start_container(self.toolchain, self.run, made, aliases=aliases, limits=limits)

    def _wait_ready(self) -> float:
        """Return `time.monotonic` when every container answered. Raises `StoppedError` or `WaitError`."""
        release, gateway = self.release(), self.gateway()
        assert isinstance(release.objects, ContainerObjects)
        for container in release.objects.pods:
            wait_answered(self.toolchain, release, gateway, container, self.background.raise_if_closing)
        return time.monotonic()

    def further_images(self) -> dict[str, BuiltImage]:
        """Return none: only the components are run."""
        return {}

    def evidence(self, namespace: str) -> dict[str, str]:
        """Return the ends of the containers' logs."""
        del namespace
        objects = self.release().objects
        assert isinstance(objects, ContainerObjects)
        return {f"log of {name}": docker.log(self.toolchain, name, LOG_LINES) for name in objects.pods}


def service_names(target: Target, component: str) -> tuple[str, ...]:
    """Return the DNS names under which pods reach a component's Service, the shortest first."""
    parts = service_host(target, component).split(".")
    return tuple(".".join(parts[:count]) for count in (1, 2, 3, len(parts)))


def render(target: Target, values: Mapping[str, object], credentials: Mapping[str, str]) -> Snapshot:
    """Return the objects of the chart with values, and the existing Secrets with credentials.

    Raises:
        ToolchainError: The chart does not render; the message has Helm's words.
    """
    rendering = Renderer(find_helm(), target).render(values)
    if rendering.error is not None:
        raise ToolchainError(f"the chart does not render: {rendering.error}")
    return Snapshot(
        "static",
        objects=rendering.objects,
        release_namespace=target.chart.namespace,
        existing=existing_secrets(target, credentials),
    )


def pod(name: str, namespace: str, labels: Mapping[str, object], address: str) -> Object:
    """Return a running container as the Ready pod that it stands for."""
    return {
        "kind": "Pod",
        "metadata": {"name": name, "namespace": namespace, "labels": dict(labels)},
        "status": {"phase": "Running", "podIP": address, "conditions": [{"type": "Ready", "status": "True"}]},
    }


def wait_answered(
    toolchain: Toolchain,
    release: Release,
    gateway: Gateway,
    container: str,
    raise_if_closing: Callable[[], None] = lambda: None,
    deadline: Deadline = RELEASE_READY,
) -> None:
    """Wait until a container answers its readiness probe's path.

    Raises:
        StoppedError: The container ended.
        WaitError: It does not answer in time.
    """
    objects = release.objects
    assert isinstance(objects, ContainerObjects)
    item = objects.pods[container]
    labels = mapping_at(item, "metadata.labels")
    component = next(each for each in release.target.components.values() if each.labels.items() <= labels.items())
    url = f"http://{authority(text_at(item, 'status.podIP'), component.port)}{component.probes.readiness}"

    def probe() -> None:
        raise_if_closing()
        try:
            with gateway.session() as session:
                status = session.get(url, timeout=5).status_code
        except OSError as error:
            if docker.state(toolchain, container) != "running":
                raise StoppedError(f"{container} ended: {docker.log(toolchain, container, LOG_LINES)}") from error
            raise NotYet(str(error)) from error
        if status >= 300:
            raise NotYet(f"{component.probes.readiness} was answered {status}")

    eventually(f"{container} to answer", probe, deadline)


def wait_ended(toolchain: Toolchain, container: str) -> None:
    """Wait until a container that runs once has succeeded. Raises `StoppedError` if it failed, or `WaitError`."""

    def probe() -> None:
        code = docker.exit_code(toolchain, container)
        if code is None:
            raise NotYet("it still runs")
        if code:
            last_lines = docker.log(toolchain, container, LOG_LINES)
            raise StoppedError(f"{container} ended with exit code {code}: {last_lines}")

    eventually(f"{container} to end", probe, RELEASE_READY)
