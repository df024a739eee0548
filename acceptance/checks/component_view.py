"""What a check looks at: the objects that play the target's roles, found in a snapshot.

A role is found by the name that the target states, else by what makes it that role (its labels, keys or scale
target), so that a wrong name is one finding and not the end of every check. An object that is not there raises
`Untested`: its absence is a finding of its presence rule alone.
"""

from __future__ import annotations

from collections.abc import Iterator
from functools import cached_property

from acceptance.checks.finding import Untested
from acceptance.checks.snapshot import ChartState, ClusterState, ImageState, Snapshot
from acceptance.core.fields import Object, at, integer_at, mapping_at, mappings_at, name_of, text_at
from acceptance.core.target import Component, Target
from acceptance.kube.pod_templates import Container, EnvVar, Pod, environment, image_reference, pod_of
from acceptance.kube.secrets import decoded


class ComponentView:
    """A snapshot seen through the target, for one component or for the release as a whole."""

    def __init__(self, snapshot: Snapshot, target: Target, part: str | None) -> None:
        self.snapshot = snapshot
        self.target = target
        self.component_name = part

    # --- the target's side

    @property
    def component(self) -> Component:
        if self.component_name is None or self.component_name not in self.target.components:
            raise Untested(f"the target names no {self.component_name}")
        return self.target.component(self.component_name)

    def for_component(self, part: str) -> ComponentView:
        """The same snapshot seen for another component."""
        return ComponentView(self.snapshot, self.target, part)

    @property
    def shipped(self) -> bool:
        return self.snapshot.shipped

    @property
    def live(self) -> bool:
        return self.snapshot.source == "live"

    # --- parts of the snapshot

    @property
    def chart(self) -> ChartState:
        if self.snapshot.chart is None:
            raise Untested("the snapshot holds no chart")
        return self.snapshot.chart

    @property
    def cluster(self) -> ClusterState:
        if self.snapshot.cluster is None:
            raise Untested("the snapshot holds no cluster")
        return self.snapshot.cluster

    @property
    def image(self) -> ImageState:
        image = self.snapshot.images.get(self.component_name or "")
        if image is None:
            raise Untested(f"no image of the {self.component_name} was built")
        return image

    def require_rendered(self) -> None:
        """Raises `Untested` on a chart that does not render."""
        chart = self.snapshot.chart
        if chart is not None and chart.rendering.error is not None:
            raise Untested("the chart does not render (CHT-09)")

    # --- roles

    def _absent(self, kind: str, name: str, presence: str) -> Untested:
        self.require_rendered()
        return Untested(f"{kind}/{name} is absent ({presence})")

    def find_deployment(self) -> Object | None:
        component = self.component
        if (found := self.snapshot.named("Deployment", component.deployment)) is not None:
            return found
        labelled = [
            item
            for item in self.snapshot.of_kind("Deployment")
            if component.labels.items() <= dict(mapping_at(item, "spec.template.metadata.labels")).items()
        ]
        return labelled[0] if len(labelled) == 1 and component.labels else None

    @cached_property
    def deployment(self) -> Object:
        found = self.find_deployment()
        if found is None:
            raise self._absent("Deployment", self.component.deployment, "CHT-08")
        return found

    def find_service(self) -> Object | None:
        component = self.component
        if (found := self.snapshot.named("Service", component.service)) is not None:
            return found
        deployment = self.find_deployment()
        labels = dict(mapping_at(deployment, "spec.template.metadata.labels"))
        selecting = [
            item
            for item in self.snapshot.of_kind("Service")
            if (selector := dict(mapping_at(item, "spec.selector"))) and selector.items() <= labels.items()
        ]
        return selecting[0] if len(selecting) == 1 else None

    @cached_property
    def service(self) -> Object:
        found = self.find_service()
        if found is None:
            raise self._absent("Service", self.component.service, "CHT-08")
        return found

    def find_keyed(self, kind: str, name: str, keys: set[str]) -> Object | None:
        """The object of that name, else the one that holds most of the role's keys."""
        if (found := self.snapshot.named(kind, name)) is not None:
            return found
        ranked = [(len(keys & set(self.keys_of(item))), item) for item in self.snapshot.of_kind(kind)]
        best = max(ranked, key=lambda pair: pair[0], default=(0, None))
        return best[1] if best[0] else None

    def find_config_map(self) -> Object | None:
        names = self.target.config_map
        return self.find_keyed("ConfigMap", names.name, {names.environment, names.debug, names.cors_origins})

    @cached_property
    def config_map(self) -> Object:
        found = self.find_config_map()
        if found is None:
            raise self._absent("ConfigMap", self.target.config_map.name, "CHT-08")
        return found

    def find_secret(self) -> Object | None:
        names = self.target.secret
        return self.find_keyed("Secret", names.name, {names.database_url, names.auth_secret, names.model_key})

    @cached_property
    def secret(self) -> Object:
        found = self.find_secret()
        if found is None:
            raise self._absent("Secret", self.target.secret.name, "CHT-08")
        return found

    def find_autoscaler(self) -> Object | None:
        wanted = self.target.autoscaler
        scalers = self.snapshot.of_kind("HorizontalPodAutoscaler")
        if wanted and (found := self.snapshot.named("HorizontalPodAutoscaler", wanted.name)) is not None:
            return found
        if self.component_name in self.target.components and (deployment := self.find_deployment()) is not None:
            for item in scalers:
                if at(item, "spec.scaleTargetRef.name") == name_of(deployment):
                    return item
        return None

    @cached_property
    def autoscaler(self) -> Object:
        found = self.find_autoscaler()
        if found is None:
            wanted = self.target.autoscaler
            raise self._absent("HorizontalPodAutoscaler", wanted.name if wanted else "(any)", "HPA-01")
        return found

    # --- pods

    def workloads(self) -> list[Pod]:
        """The pods that every object of the release makes, hooks and jobs included."""
        self.require_rendered()
        return [pod for item in self.snapshot.objects if (pod := pod_of(item)) is not None]

    def extra_workloads(self) -> list[Pod]:
        """Those that belong to no component."""
        own = [
            deployment
            for name in self.target.components
            if (deployment := self.for_component(name).find_deployment()) is not None
        ]
        return [pod for pod in self.workloads() if not any(pod.owner is deployment for deployment in own)]

    @cached_property
    def pods(self) -> list[Pod]:
        """The component's pods: live those its ReplicaSets own and nobody deletes, else its template."""
        template = pod_of(self.deployment)
        assert template is not None
        if not self.live:
            return [template]
        running = [Pod(item, "", item) for item in self.owned_pods()]
        if not running:
            raise Untested(f"{template.object} has no pod")
        return running

    def owned_replica_sets(self) -> list[Object]:
        return [item for item in self.cluster.replica_sets if owned_by(item, self.deployment)]

    def owned_pods(self) -> list[Object]:
        """Pods of the component's ReplicaSets, without those being deleted."""
        sets = self.owned_replica_sets()
        return [
            item
            for item in self.cluster.pods
            if at(item, "metadata.deletionTimestamp") is None and any(owned_by(item, rs) for rs in sets)
        ]

    def containers(self) -> list[Container]:
        """Every container of the component's pods, init containers included."""
        return [container for pod in self.pods for container in pod.containers()]

    def main_container(self, pod: Pod) -> Container:
        """The container that serves: the one that the target names, else the only or first one."""
        served = [container for container in pod.containers() if not container.init]
        named = [container for container in served if container.name == self.component.container]
        if not served:
            raise Untested(f"{pod.object} has no container (POD-04)")
        return (named or served)[0]

    def own_images(self, pod: Pod) -> list[Container]:
        """The main container and every other that runs the same repository."""
        main = self.main_container(pod)
        repository = image_reference(main.image)[0]
        return [
            container
            for container in pod.containers()
            if container.field == main.field or image_reference(container.image)[0] == repository
        ]

    def replicas(self) -> int:
        """The configured number of pods: as rendered with the HPA off, else the HPA's minimum."""
        chart = self.snapshot.chart
        off = chart.autoscaler_off if chart else None
        for objects in ((self.deployment,), off.objects if off else (), self.snapshot.manifest_objects):
            for item in objects:
                same = text_at(item, "kind") == "Deployment" and name_of(item) == name_of(self.deployment)
                if same and isinstance(count := at(item, "spec.replicas"), int):
                    return count
        scaler = self.find_autoscaler() if self.component_name == "backend" else None
        return (integer_at(scaler, "spec.minReplicas", 1) or 1) if scaler is not None else 1

    # --- keys and environment

    def keys_of(self, item: Object) -> list[str]:
        return [str(key) for field in ("data", "stringData", "binaryData") for key in mapping_at(item, field)]

    def keyed(self) -> dict[tuple[str, str], list[str]]:
        """Keys of every ConfigMap and Secret of the release, by kind and name."""
        return {
            (kind, name_of(item)): self.keys_of(item)
            for kind in ("ConfigMap", "Secret")
            for item in self.snapshot.of_kind(kind)
        }

    def environment(self, container: Container) -> list[EnvVar]:
        return list(environment(container, self.keyed()))

    def value_of(self, given: EnvVar) -> str | None:
        """The text that a variable gets, or None where no object of the release tells."""
        if given.source == "literal":
            return given.value if isinstance(given.value, str) else None
        item = self.snapshot.named(given.source, given.source_name) if given.source_name else None
        if item is None:
            return None
        if given.source == "Secret":
            return decoded(item).get(given.key)
        value = mapping_at(item, "data").get(given.key)
        return value if isinstance(value, str) else None

    def namespaced(self, item: Object) -> str:
        return self.snapshot.namespace_of(item)

    def for_each_component(self) -> Iterator[ComponentView]:
        """This snapshot seen for each component that the target names."""
        for name in self.target.components:
            yield self.for_component(name)


def owned_by(item: Object, owner: Object) -> bool:
    """Whether an object's controller is the owner, by uid."""
    uid = at(owner, "metadata.uid")
    return uid is not None and any(
        at(entry, "uid") == uid and at(entry, "controller") is True
        for entry in mappings_at(item, "metadata.ownerReferences")
    )
