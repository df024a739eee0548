"""What a check reads: the objects of a snapshot that the target names, for one component.

An object is looked up by the target's name for it, then by its labels, its users or its scale target, so that a wrong
name is one finding and does not break every other check. Of several objects of one name, the one in the target's
namespace counts. A missing object raises `Untested`: only the rule of its presence reports it.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from functools import cached_property

from acceptance.checks.finding import Untested, Waived
from acceptance.checks.snapshot import ChartState, ClusterState, ImageState, Snapshot
from acceptance.core.fields import Object, at, integer_at, mapping_at, mappings_at, name_of, text_at
from acceptance.core.target import Component, Target
from acceptance.kube.pod_templates import (
    Container,
    EnvVar,
    Pod,
    effective_environment,
    environment,
    image_reference,
    pod_of,
)
from acceptance.kube.secrets import decoded


class ComponentView:
    """A snapshot from the point of view of one component, or of the whole release."""

    def __init__(self, snapshot: Snapshot, target: Target, part: str | None) -> None:
        self.snapshot = snapshot
        self.target = target
        self.component_name = part

    # --- the target

    @property
    def component(self) -> Component:
        """The target's description of the component; raises `Untested` if there is none."""
        if self.component_name is None or self.component_name not in self.target.components:
            raise Untested(f"the target names no {self.component_name}")
        return self.target.component(self.component_name)

    def for_component(self, part: str) -> ComponentView:
        """Return the view of another component."""
        return ComponentView(self.snapshot, self.target, part)

    @property
    def shipped(self) -> bool:
        """Whether the values are the chart's defaults."""
        return self.snapshot.shipped

    @property
    def live(self) -> bool:
        """Whether the snapshot is of a running release."""
        return self.snapshot.source == "live"

    # --- the snapshot

    @property
    def chart(self) -> ChartState:
        """The chart's state; raises `Untested` if the snapshot has none."""
        if self.snapshot.chart is None:
            raise Untested("the snapshot has no chart")
        return self.snapshot.chart

    @property
    def cluster(self) -> ClusterState:
        """The cluster's state; raises `Untested` if the snapshot has none."""
        if self.snapshot.cluster is None:
            raise Untested("the snapshot has no cluster")
        return self.snapshot.cluster

    @property
    def image(self) -> ImageState:
        """The component's image; raises `Untested` if it was not built."""
        image = self.snapshot.images.get(self.component_name or "")
        if image is None:
            raise Untested(f"no image of the {self.component_name} was built")
        return image

    def require_rendered(self) -> None:
        """Raise `Untested` if the chart does not render."""
        chart = self.snapshot.chart
        if chart is not None and chart.rendering.error is not None:
            raise Untested("the chart does not render (CHT-09)")

    # --- objects

    def _absent(self, kind: str, name: str, presence: str) -> Untested:
        self.require_rendered()
        return Untested(f"{kind}/{name} is absent ({presence})")

    def named(self, kind: str, name: str) -> Object | None:
        """Return the object of this kind and name, of several the one in the target's namespace, or None."""
        return self.snapshot.named(kind, name, self.target.chart.namespace)

    def held(self, kind: str, name: str) -> Object | None:
        """Return the object of this kind and name that the release has or finds there, or None."""
        return self.named(kind, name) or self.snapshot.existing_named(kind, name)

    def find_deployment(self) -> Object | None:
        """Return the component's Deployment by name, or the only one with its labels."""
        component = self.component
        if (found := self.named("Deployment", component.deployment)) is not None:
            return found
        labelled = [
            item
            for item in self.snapshot.of_kind("Deployment")
            if component.labels.items() <= dict(mapping_at(item, "spec.template.metadata.labels")).items()
        ]
        return self.only(labelled) if component.labels else None

    def only(self, items: list[Object]) -> Object | None:
        """Return the only item, or the only one in the target's namespace."""
        near = [item for item in items if self.namespaced(item) == self.target.chart.namespace]
        return next((found[0] for found in (items, near) if len(found) == 1), None)

    def counterparts(self, objects: Iterable[Object]) -> list[Object]:
        """Return the component's Deployment among the objects of another rendering."""
        own = self.deployment
        return [
            item
            for item in objects
            if text_at(item, "kind") == "Deployment"
            and (name_of(item), self.namespaced(item)) == (name_of(own), self.namespaced(own))
        ]

    @cached_property
    def deployment(self) -> Object:
        """The component's Deployment; raises `Untested` if absent."""
        found = self.find_deployment()
        if found is None:
            raise self._absent("Deployment", self.component.deployment, "CHT-08")
        return found

    def find_service(self) -> Object | None:
        """Return the component's Service by name, or the only one that selects its pods."""
        component = self.component
        if (found := self.named("Service", component.service)) is not None:
            return found
        deployment = self.find_deployment()
        if deployment is None:
            return None
        labels = dict(mapping_at(deployment, "spec.template.metadata.labels"))
        selecting = [
            item
            for item in self.snapshot.of_kind("Service")
            if self.namespaced(item) == self.namespaced(deployment)
            and (selector := dict(mapping_at(item, "spec.selector")))
            and selector.items() <= labels.items()
        ]
        with_address = [item for item in selecting if at(item, "spec.clusterIP") != "None"]
        return next((found[0] for found in (selecting, with_address) if len(found) == 1), None)

    @cached_property
    def service(self) -> Object:
        """The component's Service; raises `Untested` if absent."""
        found = self.find_service()
        if found is None:
            raise self._absent("Service", self.component.service, "CHT-08")
        return found

    def find_keyed(self, kind: str, name: str, keys: set[str]) -> Object | None:
        """Return the object of that name, or the one with most of `keys`, of those that the backend uses if any."""
        if (found := self.named(kind, name)) is not None:
            return found
        used = self.for_component("backend").uses(kind)
        ranked = [
            (bool(shared), (name_of(item), self.namespaced(item)) in used, shared, item)
            for item in self.snapshot.of_kind(kind)
            for shared in [len(keys & set(self.keys_of(item)))]
        ]
        best = max(ranked, key=lambda entry: entry[:3], default=None)
        return best[3] if best and best[0] else None

    def uses(self, kind: str) -> set[tuple[str, str]]:
        """Return name and namespace of the ConfigMaps or Secrets in the environment of the component's pods."""
        deployment = self.find_deployment() if self.component_name in self.target.components else None
        pod = pod_of(deployment) if deployment is not None else None
        return {
            (variable.source_name, self.namespaced(pod.owner))
            for container in (pod.containers() if pod else ())
            for variable in self.environment(container)
            if pod and variable.source == kind
        }

    def find_config_map(self) -> Object | None:
        """Return the ConfigMap by name, or the one with most of its keys."""
        names = self.target.config_map
        return self.find_keyed("ConfigMap", names.name, {names.environment, names.debug, names.cors_origins})

    @cached_property
    def config_map(self) -> Object:
        """The ConfigMap; raises `Untested` if absent."""
        found = self.find_config_map()
        if found is None:
            raise self._absent("ConfigMap", self.target.config_map.name, "CHT-08")
        return found

    def find_secret(self) -> Object | None:
        """Return the Secret by name, or the one with most of its keys."""
        names = self.target.secret
        return self.find_keyed("Secret", names.name, {names.database_url, names.auth_secret, names.model_key})

    @cached_property
    def secret(self) -> Object:
        """The Secret; raises `Untested` if absent, or `Waived` if it exists before the release."""
        found = self.find_secret()
        if found is None and self.target.secret_exists:
            raise Waived(f"Secret/{self.target.secret.name} exists before the release, as the target says")
        if found is None:
            raise self._absent("Secret", self.target.secret.name, "CHT-08")
        return found

    def find_autoscaler(self) -> Object | None:
        """Return the HPA by name, or the one that scales the component's Deployment."""
        expected = self.target.autoscaler
        scalers = self.snapshot.of_kind("HorizontalPodAutoscaler")
        if expected and (found := self.named("HorizontalPodAutoscaler", expected.name)) is not None:
            return found
        if self.component_name in self.target.components and (deployment := self.find_deployment()) is not None:
            for item in scalers:
                ref = mapping_at(item, "spec.scaleTargetRef")
                scaled = (text_at(ref, "kind"), text_at(ref, "name"), self.namespaced(item))
                if scaled == ("Deployment", name_of(deployment), self.namespaced(deployment)):
                    return item
        return None

    @cached_property
    def autoscaler(self) -> Object:
        """The HPA; raises `Untested` if absent."""
        found = self.find_autoscaler()
        if found is None:
            expected = self.target.autoscaler
            raise self._absent("HorizontalPodAutoscaler", expected.name if expected else "(any)", "HPA-01")
        return found

    # --- pods

    def workloads(self) -> list[Pod]:
        """Return the pod templates of every object of the release, hooks and jobs included."""
        self.require_rendered()
        return [pod for item in self.snapshot.objects if (pod := pod_of(item)) is not None]

    def extra_workloads(self) -> list[Pod]:
        """Return the pod templates that belong to no component."""
        own = [
            deployment
            for name in self.target.components
            if (deployment := self.for_component(name).find_deployment()) is not None
        ]
        return [pod for pod in self.workloads() if not any(pod.owner is deployment for deployment in own)]

    @cached_property
    def pods(self) -> list[Pod]:
        """The component's pods that are not terminating; in a chart, its pod template."""
        template = pod_of(self.deployment)
        assert template is not None
        if not self.live:
            return [template]
        running = [Pod(item, "", item) for item in self.owned_pods()]
        if not running:
            raise Untested(f"{template.object} has no pod")
        return running

    def owned_replica_sets(self) -> list[Object]:
        """Return the ReplicaSets that the component's Deployment controls."""
        return [item for item in self.cluster.replica_sets if owned_by(item, self.deployment)]

    def owned_pods(self) -> list[Object]:
        """Return the pods of the component's ReplicaSets that are not terminating."""
        sets = self.owned_replica_sets()
        return [
            item
            for item in self.cluster.pods
            if at(item, "metadata.deletionTimestamp") is None and any(owned_by(item, rs) for rs in sets)
        ]

    def containers(self) -> list[Container]:
        """Return every container of the component's pods, init containers included."""
        return [container for pod in self.pods for container in pod.containers()]

    def main_container(self, pod: Pod) -> Container:
        """Return the container that serves requests: the one that the target names, or the first."""
        serving = [container for container in pod.containers() if not container.init]
        named = [container for container in serving if container.name == self.component.container]
        if not serving:
            raise Untested(f"{pod.object} has no container (POD-04)")
        return (named or serving)[0]

    def own_images(self, pod: Pod) -> list[Container]:
        """Return the main container and every other one of the same image repository."""
        main = self.main_container(pod)
        repository = image_reference(main.image)[0]
        return [
            container
            for container in pod.containers()
            if container.field == main.field or image_reference(container.image)[0] == repository
        ]

    def replicas(self) -> int:
        """Return the configured number of pods: as rendered with the HPA off, or the HPA's minimum."""
        chart = self.snapshot.chart
        off = chart.autoscaler_off if chart else None
        for objects in ((self.deployment,), off.objects if off else (), self.snapshot.manifest_objects):
            for item in self.counterparts(objects):
                if isinstance(count := at(item, "spec.replicas"), int):
                    return count
        scaler = self.find_autoscaler() if self.component_name == "backend" else None
        return (integer_at(scaler, "spec.minReplicas", 1) or 1) if scaler is not None else 1

    # --- keys and environment

    def keys_of(self, item: Object) -> list[str]:
        """Return the keys of a ConfigMap or Secret."""
        return [str(key) for field in ("data", "stringData", "binaryData") for key in mapping_at(item, field)]

    def keyed(self) -> dict[tuple[str, str], list[str]]:
        """Return the keys of each ConfigMap and Secret that the release has or finds there, by kind and name."""
        held = (*self.snapshot.existing, *self.snapshot.of_kind("ConfigMap", "Secret"))
        return {(text_at(item, "kind"), name_of(item)): self.keys_of(item) for item in held}

    def environment(self, container: Container) -> list[EnvVar]:
        """Return the environment variables that a container's process gets, `envFrom` and `$(VAR)` resolved."""
        services = self.service_variables(self.target.chart.namespace)
        return list(effective_environment(self.declared_environment(container), self.value_of, services).values())

    def declared_environment(self, container: Container) -> list[EnvVar]:
        """Return a container's environment variables as declared, those that a later one replaces too."""
        return list(environment(container, self.keyed()))

    def service_variables(self, namespace: str) -> dict[str, str]:
        """Return the variables that Kubernetes adds for Services of a namespace; a name stands for the address."""
        found: dict[str, str] = {}
        for item in self.snapshot.of_kind("Service"):
            prefix = name_of(item).upper().replace("-", "_")
            for index, port in enumerate(mappings_at(item, "spec.ports") if self.namespaced(item) == namespace else ()):
                number = str(at(port, "port"))
                if index == 0:
                    found |= {f"{prefix}_SERVICE_HOST": name_of(item), f"{prefix}_SERVICE_PORT": number}
                    found[f"{prefix}_PORT"] = f"tcp://{name_of(item)}:{number}"
                if label := text_at(port, "name").upper().replace("-", "_"):
                    found[f"{prefix}_SERVICE_PORT_{label}"] = number
        return found

    def value_of(self, variable: EnvVar) -> str | None:
        """Return the variable's value, or None if neither the release nor an existing Secret defines it."""
        if variable.source == "literal":
            return variable.value if isinstance(variable.value, str) else None
        item = self.held(variable.source, variable.source_name) if variable.source_name else None
        if item is None:
            return None
        if variable.source == "Secret":
            return decoded(item).get(variable.key)
        value = mapping_at(item, "data").get(variable.key)
        return value if isinstance(value, str) else None

    def namespaced(self, item: Object) -> str:
        """Return the object's namespace."""
        return self.snapshot.namespace_of(item)

    def for_each_component(self) -> Iterator[ComponentView]:
        """Yield the view of each component that the target names."""
        for name in self.target.components:
            yield self.for_component(name)


def owned_by(item: Object, owner: Object) -> bool:
    """Whether the owner, by uid, is the object's controller."""
    uid = at(owner, "metadata.uid")
    return uid is not None and any(
        at(entry, "uid") == uid and at(entry, "controller") is True
        for entry in mappings_at(item, "metadata.ownerReferences")
    )
