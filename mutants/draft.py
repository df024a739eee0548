"""Mutants of snapshots, and the draft: the mutable copy of a snapshot that a mutant alters."""

from __future__ import annotations

import copy
import pickle
from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Any

from acceptance.checks.component_view import ComponentView
from acceptance.checks.finding import Untested
from acceptance.checks.registry import Check, for_level, run_checks
from acceptance.checks.snapshot import ChartState, ClusterState, ContainerFacts, ImageState, Rendering, Snapshot
from acceptance.core.rules import Level, load
from acceptance.core.target import Component, Target
from acceptance.kube.pod_templates import Pod, pod_of

Body = dict[str, Any]
REMOVE = object()
"""As a value of `put`: remove the field."""


class Draft:
    """A copy of a snapshot, altered in place; its accessors return the dictionaries of one component."""

    def __init__(self, snapshot: Snapshot, target: Target, component: str | None) -> None:
        self.snapshot = _copied(snapshot)
        self.target = target
        self.component_name = component

    # --- accessors

    @property
    def live(self) -> bool:
        """Whether the snapshot is of a running release."""
        return self.snapshot.source == "live"

    @property
    def view(self) -> ComponentView:
        """The snapshot as the component's checks see it."""
        return ComponentView(self.snapshot, self.target, self.component_name)

    @property
    def component(self) -> Component:
        """The target's description of the component."""
        return self.view.component

    def objects(self) -> list[Body]:
        """Return all objects of the release."""
        return [_body(item) for item in self.snapshot.objects]

    def deployment(self) -> list[Body]:
        """Return the component's Deployment."""
        return [_body(self.view.deployment)]

    def service(self) -> list[Body]:
        """Return the component's Service."""
        return [_body(self.view.service)]

    def config_map(self) -> list[Body]:
        """Return the ConfigMap."""
        return [_body(self.view.config_map)]

    def secret(self) -> list[Body]:
        """Return the Secret."""
        return [_body(self.view.secret)]

    def autoscaler(self) -> list[Body]:
        """Return the HPA."""
        return [_body(self.view.autoscaler)]

    def manifest_autoscalers(self) -> list[Body]:
        """Return the HPA as the manifest declares it."""
        return [_body(item) for item in self.snapshot.manifest_objects if item["kind"] == "HorizontalPodAutoscaler"]

    def pods(self) -> list[Pod]:
        """Return the component's pods and, live, the Deployment's template too."""
        template = pod_of(self.view.deployment)
        assert template is not None
        return [template, *self.view.pods] if self.live else self.view.pods

    def pod_bodies(self) -> list[Body]:
        """Return the component's pods (and template) as objects with metadata and spec."""
        return [_body(pod.body) for pod in self.pods()]

    def running_pods(self) -> list[Body]:
        """Return the component's running pods."""
        return [_body(pod.owner) for pod in self.view.pods]

    def pod_specs(self) -> list[Body]:
        """Return the component's pod specs."""
        return [_body(pod.spec) for pod in self.pods()]

    def containers(self) -> list[Body]:
        """Return the component's containers, init containers included."""
        return [_body(each.body) for pod in self.pods() for each in pod.containers()]

    def main_containers(self) -> list[Body]:
        """Return the component's main containers."""
        return [_body(self.view.main_container(pod).body) for pod in self.pods()]

    def init_containers(self) -> list[Body]:
        """Return the component's init containers."""
        return [_body(each.body) for pod in self.pods() for each in pod.containers() if each.init]

    def deployment_without_hpa(self) -> list[Body]:
        """Return the component's Deployment as rendered with the HPA off, or as it is if no HPA scales it."""
        chart = self.snapshot.chart
        name = self.component.deployment
        rendering = chart.autoscaler_off if chart and self.component_name == "backend" else None
        objects = rendering.objects if rendering else ()
        found = [_body(o) for o in objects if o["kind"] == "Deployment" and o["metadata"]["name"] == name]
        return found or self.deployment()

    def chart_file(self) -> list[Body]:
        """Return the content of Chart.yaml."""
        assert self.snapshot.chart is not None
        return [_body(self.snapshot.chart.metadata)]

    def image_config(self) -> list[Body]:
        """Return the configuration of the component's image."""
        return [_body(self.view.image.config)]

    # --- changes

    def change(self, **fields: Any) -> None:
        """Replace fields of the snapshot."""
        self.snapshot = replace(self.snapshot, **fields)

    def add_objects(self, *items: Body) -> None:
        """Add objects to the release."""
        self.change(objects=(*self.snapshot.objects, *items))

    def drop_objects(self, matches: Callable[[Body], bool]) -> None:
        """Remove the objects that `matches` selects."""
        self.change(objects=tuple(item for item in self.snapshot.objects if not matches(_body(item))))

    @property
    def chart(self) -> ChartState:
        """The snapshot's chart."""
        assert self.snapshot.chart is not None
        return self.snapshot.chart

    def change_chart(self, **fields: Any) -> None:
        """Replace fields of the chart."""
        self.change(chart=replace(self.chart, **fields))

    def fail_rendering(self, error: str) -> None:
        """Make rendering fail with this error."""
        self.change(objects=())
        self.change_chart(rendering=Rendering(error=error), rerendering=Rendering(error=error))

    @property
    def cluster(self) -> ClusterState:
        """The snapshot's cluster state."""
        assert self.snapshot.cluster is not None
        return self.snapshot.cluster

    def change_cluster(self, **fields: Any) -> None:
        """Replace fields of the cluster state."""
        self.change(cluster=replace(self.cluster, **fields))

    def change_facts(self, alter: Callable[[ContainerFacts], ContainerFacts]) -> None:
        """Alter the facts of the component's containers."""
        names = {pod.name for pod in self.view.pods}
        facts = {key: alter(fact) if key[0] in names else fact for key, fact in (self.cluster.facts or {}).items()}
        self.change_cluster(facts=facts)

    def change_image(self, **fields: Any) -> None:
        """Replace fields of the component's image."""
        image: ImageState = replace(self.view.image, **fields)
        self.change(images={**self.snapshot.images, str(self.component_name): image})

    def retarget(self, **fields: Any) -> None:
        """Alter the target's description of the component."""
        component = self.component.model_copy(update=fields)
        self.target = self.target.model_copy(
            update={"components": {**self.target.components, str(self.component_name): component}}
        )


def _body(value: Any) -> Body:
    assert isinstance(value, dict)
    return value


def put(body: Body, path: str, value: Any) -> None:
    """Set or remove the field at a dotted path.

    Args:
        body: The object, altered in place.
        path: The field; missing mappings on the way are created.
        value: The new value, a function of the old value, or `REMOVE`.
    """
    *parents, last = path.split(".")
    for key in parents:
        body = body.setdefault(key, {})
    if value is REMOVE:
        body.pop(last, None)
    else:
        body[last] = value(body.get(last)) if callable(value) else copy.deepcopy(value)


_pickled: dict[int, tuple[Snapshot, bytes]] = {}


def _copied(snapshot: Snapshot) -> Snapshot:
    """Return a deep copy, several times as fast as by `copy.deepcopy`: of the same few snapshots many are made."""
    original, content = _pickled.get(id(snapshot), (None, b""))
    if original is not snapshot:
        content = pickle.dumps(snapshot, pickle.HIGHEST_PROTOCOL)
        _pickled[id(snapshot)] = snapshot, content
    copied: Snapshot = pickle.loads(content)  # noqa: S301 - made above
    return copied


Alter = Callable[[Draft], None]
Where = Callable[[Draft], list[Body]]


@dataclass(frozen=True)
class Mutant:
    """One broken clause of a rule, at one level and for one component.

    `refused` marks a mutant that no live cluster can have, as the API server rejects the object.
    """

    rule: str
    clause: str
    level: Level
    component: str | None
    alter: Alter
    refused: bool = False

    @property
    def id(self) -> str:
        """Name in the output and in test IDs."""
        return "-".join(filter(None, (self.rule, self.component, self.level, self.clause)))

    def apply(self, snapshot: Snapshot, target: Target) -> tuple[Snapshot, Target]:
        """Return the altered copy; raise `ValueError` if nothing changed."""
        draft = Draft(snapshot, target, self.component)
        self.alter(draft)
        if draft.snapshot == snapshot and draft.target == target:
            raise ValueError(f"{self.id} changes nothing")
        return draft.snapshot, draft.target

    def check(self) -> Check:
        """Return the check of the mutant's rule."""
        return next(
            each for each in for_level(self.level) if (each.rule, each.component) == (self.rule, self.component)
        )

    def killed_by(self, snapshot: Snapshot, target: Target) -> str | None:
        """Return the first finding of the mutant's own rule, or None if it survives.

        Raises:
            ValueError: The rule was broken before, or the mutant changes nothing.
        """
        if before := self.check()(snapshot, target):
            raise ValueError(f"{self.id}: {before[0]} before the mutation")
        altered, retargeted = self.apply(snapshot, target)
        try:
            found = self.check()(altered, retargeted)
        except Untested:
            return None
        return str(found[0]) if found else None

    def found_by_other_rules(self, snapshot: Snapshot, target: Target) -> str:
        """Return the other rules that find a survivor, joined."""
        rules = {each.rule for each in run_checks(*self.apply(snapshot, target)).findings}
        return ", ".join(sorted(rules)) or "nothing"


def levels_of(rule: str) -> tuple[Level, ...]:
    """Return the levels at which a rule has checks of snapshots."""
    return tuple(level for level in load()[rule].levels if level != "behaviour")
