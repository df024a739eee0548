"""The data that checks read: a rendered chart, a live release, or built images.

All levels share one type, so that one check serves all of them. Snapshots are never modified; mutants alter copies.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from functools import cached_property
from typing import Literal

from acceptance.core.fields import Object, name_of, text_at
from acceptance.kube.manifests import sources

Origin = Literal["static", "image", "live"]
DEFAULTS = "defaults"
"""Name of the rendering of the chart's defaults with the required secrets."""
ELSEWHERE = "default"
"""The release's namespace if the chart creates the target's, which must be another one."""


@dataclass(frozen=True)
class Rendering:
    """What Helm rendered from one set of values: objects and notes, or its error message."""

    objects: tuple[Object, ...] = ()
    notes: str = ""
    error: str | None = None
    manifest: str = field(default="", compare=False, repr=False)
    """What Helm printed."""

    @cached_property
    def sources(self) -> Mapping[str, str]:
        """The template of each object by `Kind/name`, as Helm names it: `chart/templates/file.yaml`."""
        return sources(self.manifest)


@dataclass(frozen=True)
class Refusal:
    """A malformed value that was given for a secret, and what Helm said."""

    given: str
    rendering: Rendering


@dataclass(frozen=True)
class SecretProbes:
    """Renderings that show what the chart does with its secrets, by Secret key."""

    without: Mapping[str, tuple[Rendering, Rendering]]
    """Each secret alone left out, rendered twice: what differs is generated."""
    malformed: Mapping[str, Refusal]


@dataclass(frozen=True)
class Dependency:
    """A line of `helm dependency list`; `status` is `ok` or `unpacked` if it resolves."""

    name: str
    version: str
    status: str


@dataclass(frozen=True)
class SourceNames:
    """The names in the source of an image, in capital letters, and the environment variables that it reads."""

    names: frozenset[str]
    reads: frozenset[str]
    modules: frozenset[str] = frozenset()
    """The modules of Python, as `package.module`, from each folder that they may be run in."""
    required: Mapping[str, frozenset[str]] = field(default_factory=dict)
    """The variables that a module reads in one place, without a default."""


@dataclass(frozen=True)
class BuildContext:
    """What an image is built from: what its Dockerfile needs and the context lacks, and files that the image has."""

    missing: tuple[str, ...] = ()
    scripts: Mapping[str, str] = field(default_factory=dict)
    """The text of each shell script of the image's own command, by its name."""
    nginx: Mapping[str, str] = field(default_factory=dict)
    """The text of each file of nginx's that the last stage copies from the context, by its path there."""


@dataclass(frozen=True)
class ChartState:
    """The chart's files and several renderings of it.

    `values` are the chart's, merged with the overrides. `templates` maps paths to text, subcharts included. A
    rendering that the target has no value path for is None.
    """

    metadata: Object
    values: Object
    templates: Mapping[str, str]
    schema: Object | None
    values_files: Mapping[str, str]
    dockerfiles: Mapping[str, str]
    rendering: Rendering
    rerendering: Rendering
    """The same values rendered again: it must equal `rendering`."""
    without_secrets: Rendering | None = None
    """The defaults alone."""
    secret_probes: SecretProbes | None = None
    """None where the values are not those that ship."""
    files: Mapping[str, str] = field(default_factory=dict)
    """The text of the chart's other files, by path."""
    autoscaler_off: Rendering | None = None
    namespace_on: Rendering | None = None
    lint: tuple[str, ...] = ()
    """Messages of `helm lint --strict`, without the error of `rendering`."""
    dependencies: tuple[Dependency, ...] = ()
    chart_yaml: str = ""
    """The text of Chart.yaml."""
    sources: Mapping[str, SourceNames] = field(default_factory=dict)
    """The names in the source of each component's image, where the target names its context."""
    build_contexts: Mapping[str, BuildContext] = field(default_factory=dict)
    """What each component's image is built from, where the target names Dockerfile and context."""


@dataclass(frozen=True)
class ContainerFacts:
    """A running container's process, as the node shows it."""

    uid: int
    environment: Mapping[str, str]
    listening: frozenset[int]
    """TCP ports in state LISTEN in the pod's network namespace, on an address other than loopback."""
    read_only_root: bool
    config_digest: str
    diff_ids: tuple[str, ...]
    loopback: frozenset[int] = frozenset()
    """TCP ports in state LISTEN on a loopback address only."""


@dataclass(frozen=True)
class ClusterState:
    """Objects that the cluster created for the release, and facts read on the node.

    `facts` is keyed by pod and container name, and None if the node can't be read. `refused` has the API server's
    message for each object that it rejects with dryRun=All. `logs` is keyed by pod. `metrics` is whether the metrics of
    pods are served.
    """

    pods: tuple[Object, ...] = ()
    replica_sets: tuple[Object, ...] = ()
    endpoint_slices: tuple[Object, ...] = ()
    nodes: tuple[Object, ...] = ()
    namespaces: tuple[Object, ...] = ()
    service_cidrs: tuple[str, ...] = ()
    facts: Mapping[tuple[str, str], ContainerFacts] | None = None
    refused: Mapping[str, str] = field(default_factory=dict)
    logs: Mapping[str, str] = field(default_factory=dict)
    metrics: bool = True


@dataclass(frozen=True)
class Layer:
    """A layer: its compressed size, as in a registry, and the instruction that created it."""

    diff_id: str
    compressed_bytes: int
    created_by: str = ""


@dataclass(frozen=True)
class ImageRun:
    """The result of starting the image without egress: its health path's status, and how SIGTERM ended it.

    Attributes:
        health_status: The status of the last response; None if there was none.
        log_tail: The end of its log.
        term_seconds: Seconds from SIGTERM to its end; None if it had ended before.
        exit_code: Its exit code then.
        health_path: The path that was asked for; empty where none is known to be its health path.
    """

    health_status: int | None
    log_tail: str = ""
    term_seconds: float | None = None
    exit_code: int | None = None
    health_path: str = "/health"


@dataclass(frozen=True)
class ImageState:
    """A built image: its configuration, its layers, and what its files contain."""

    reference: str
    config: Object
    config_digest: str
    computed_digest: str
    """sha256 of the configuration's bytes."""
    layers: tuple[Layer, ...]
    computed_diff_ids: tuple[str, ...]
    """sha256 of each layer's content."""
    passwd: str = ""
    credentials: tuple[str, ...] = ()
    """Places in layers that contain what looks like a credential: `path: kind`."""
    run: ImageRun | None = None


DOTTED_GROUPS = ("rbac.authorization.k8s.io", "flowcontrol.apiserver.k8s.io", "internal.apiserver.k8s.io")
"""API groups of Kubernetes' own whose names have more than one word before k8s.io."""
MONITORING = "monitoring.coreos.com"
"""The group of the Prometheus operator, whose objects make no workload."""


def is_custom(group: str) -> bool:
    """Whether an API group is not Kubernetes' own."""
    return group not in DOTTED_GROUPS and "." in group.replace(".k8s.io", "")


@dataclass(frozen=True)
class Snapshot:
    """Everything that a check may read.

    `injected_values` are those that the run put into the values, by Secret key or, for others, by the target's name
    of the value.
    """

    source: Origin
    objects: tuple[Object, ...] = ()
    release_namespace: str = "default"
    variant: str = DEFAULTS
    advisory: bool = False
    """Whether findings only advise on a target that is not strict: of a use that the chart need not support."""
    chosen: bool = False
    """Static: whether the values are not those that ship, but chosen by the suite."""
    injected_values: Mapping[str, str] = field(default_factory=dict)
    existing: tuple[Object, ...] = ()
    """Secrets that exist before the release, as the target says, with what the run puts there."""
    captured_at: datetime | None = None
    chart: ChartState | None = None
    cluster: ClusterState | None = None
    manifest_objects: tuple[Object, ...] = ()
    """Live: the objects as declared in the release's manifest."""
    images: Mapping[str, ImageState] = field(default_factory=dict)

    @cached_property
    def _by_kind(self) -> dict[str, list[Object]]:
        kinds: dict[str, list[Object]] = {}
        for item in self.objects:
            kinds.setdefault(text_at(item, "kind"), []).append(item)
        return kinds

    def of_kind(self, *kinds: str) -> list[Object]:
        """Return the release's objects of these kinds, in their order."""
        return [item for kind in kinds for item in self._by_kind.get(kind, [])]

    def named(self, kind: str, name: str, namespace: str = "") -> Object | None:
        """Return the object of this kind and name, of several the one in `namespace`, or None."""
        found = [item for item in self.of_kind(kind) if name_of(item) == name]
        return next((item for item in found if self.namespace_of(item) == namespace), found[0] if found else None)

    def existing_named(self, kind: str, name: str) -> Object | None:
        """Return the object of this kind and name that exists before the release, or None."""
        found = (item for item in self.existing if (text_at(item, "kind"), name_of(item)) == (kind, name))
        return next(found, None)

    @cached_property
    def by_identity(self) -> dict[tuple[str, str, str], Object]:
        """The objects by kind, namespace and name."""
        return {(text_at(item, "kind"), self.namespace_of(item), name_of(item)): item for item in self.objects}

    @cached_property
    def custom_objects(self) -> list[Object]:
        """The objects of kinds that are not Kubernetes' own; a controller may make others for them."""
        groups = [(item, text_at(item, "apiVersion").partition("/")[0]) for item in self.objects]
        return [item for item, group in groups if is_custom(group) and group != MONITORING]

    def namespace_of(self, item: Object) -> str:
        """Return the object's namespace, or the release's if it names none."""
        return text_at(item, "metadata.namespace") or self.release_namespace

    @property
    def shipped(self) -> bool:
        """Whether the values are the chart's defaults, for which the target states figures."""
        return self.source == "static" and self.variant == DEFAULTS
