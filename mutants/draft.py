"""A copy of a snapshot and its target that a mutant alters, and where in it the parts of a component are."""

from __future__ import annotations

import copy
from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Any

from acceptance.checks.component_view import ComponentView
from acceptance.checks.finding import Untested
from acceptance.checks.registry import Check, run_checks
from acceptance.checks.registry import for_level as checks_at
from acceptance.checks.snapshot import ChartState, ClusterState, ContainerFacts, ImageState, Rendering, Snapshot
from acceptance.core.rules import Level, load
from acceptance.core.target import Component, Target
from acceptance.kube.pod_templates import Pod, pod_of

Body = dict[str, Any]
REMOVE = object()
"""Put in place of a field, takes it away."""


class Draft:
    """A deep copy: its objects are plain dictionaries, to be altered in place."""

    def __init__(self, snapshot: Snapshot, target: Target, part: str | None) -> None:
        self.snapshot = copy.deepcopy(snapshot)
        self.target = target
        self.part = part

    # --- what is there

    @property
    def live(self) -> bool:
        return self.snapshot.source == "live"

    @property
    def view(self) -> ComponentView:
        return ComponentView(self.snapshot, self.target, self.part)

    @property
    def component(self) -> Component:
        return self.view.component

    def objects(self) -> list[Body]:
        return [_body(item) for item in self.snapshot.objects]

    def deployment(self) -> list[Body]:
        return [_body(self.view.deployment)]

    def service(self) -> list[Body]:
        return [_body(self.view.service)]

    def config_map(self) -> list[Body]:
        return [_body(self.view.config_map)]

    def secret(self) -> list[Body]:
        return [_body(self.view.secret)]

    def autoscaler(self) -> list[Body]:
        return [_body(self.view.autoscaler)]

    def manifest_autoscalers(self) -> list[Body]:
        """The HPA as the manifest declares it."""
        return [_body(item) for item in self.snapshot.manifest_objects if item["kind"] == "HorizontalPodAutoscaler"]

    def pods(self) -> list[Pod]:
        """The component's pods and, live, the Deployment's template too."""
        template = pod_of(self.view.deployment)
        assert template is not None
        return [template, *self.view.pods] if self.live else self.view.pods

    def pod_bodies(self) -> list[Body]:
        return [_body(pod.body) for pod in self.pods()]

    def running_pods(self) -> list[Body]:
        return [_body(pod.owner) for pod in self.view.pods]

    def pod_specs(self) -> list[Body]:
        return [_body(pod.spec) for pod in self.pods()]

    def containers(self) -> list[Body]:
        return [_body(each.body) for pod in self.pods() for each in pod.containers()]

    def main_containers(self) -> list[Body]:
        return [_body(self.view.main_container(pod).body) for pod in self.pods()]

    def init_containers(self) -> list[Body]:
        return [_body(each.body) for pod in self.pods() for each in pod.containers() if each.init]

    def deployment_without_hpa(self) -> list[Body]:
        """The component's Deployment as rendered with the HPA off, or as it is where there is none."""
        chart = self.snapshot.chart
        name = self.component.deployment
        objects = chart.autoscaler_off.objects if chart and chart.autoscaler_off and self.part == "backend" else ()
        found = [_body(o) for o in objects if o["kind"] == "Deployment" and o["metadata"]["name"] == name]
        return found or self.deployment()

    def chart_file(self) -> list[Body]:
        assert self.snapshot.chart is not None
        return [_body(self.snapshot.chart.metadata)]

    def image_config(self) -> list[Body]:
        return [_body(self.view.image.config)]

    # --- what is replaced

    def change(self, **fields: Any) -> None:
        self.snapshot = replace(self.snapshot, **fields)

    def add_objects(self, *items: Body) -> None:
        self.change(objects=(*self.snapshot.objects, *items))

    def drop_objects(self, wanted: Callable[[Body], bool]) -> None:
        self.change(objects=tuple(item for item in self.snapshot.objects if not wanted(_body(item))))

    @property
    def chart(self) -> ChartState:
        assert self.snapshot.chart is not None
        return self.snapshot.chart

    def change_chart(self, **fields: Any) -> None:
        self.change(chart=replace(self.chart, **fields))

    def fail_rendering(self, error: str) -> None:
        """The chart does not render."""
        self.change(objects=())
        self.change_chart(rendering=Rendering(error=error), rerendering=Rendering(error=error))

    @property
    def cluster(self) -> ClusterState:
        assert self.snapshot.cluster is not None
        return self.snapshot.cluster

    def change_cluster(self, **fields: Any) -> None:
        self.change(cluster=replace(self.cluster, **fields))

    def change_facts(self, alter: Callable[[ContainerFacts], ContainerFacts]) -> None:
        """Facts of the component's containers."""
        names = {pod.name for pod in self.view.pods}
        facts = {key: alter(fact) if key[0] in names else fact for key, fact in (self.cluster.facts or {}).items()}
        self.change_cluster(facts=facts)

    def change_image(self, **fields: Any) -> None:
        image: ImageState = replace(self.view.image, **fields)
        self.change(images={**self.snapshot.images, str(self.part): image})

    def retarget(self, **fields: Any) -> None:
        """Alter what the target says of the component."""
        component = self.component.model_copy(update=fields)
        self.target = self.target.model_copy(
            update={"components": {**self.target.components, str(self.part): component}}
        )


def _body(value: Any) -> Body:
    assert isinstance(value, dict)
    return value


def put(body: Body, path: str, value: Any) -> None:
    """Set, replace by a function of the old value, or `REMOVE` what is under a dotted path."""
    *folders, last = path.split(".")
    for key in folders:
        body = body.setdefault(key, {})
    if value is REMOVE:
        body.pop(last, None)
    else:
        body[last] = value(body.get(last)) if callable(value) else copy.deepcopy(value)


Alter = Callable[[Draft], None]
Where = Callable[[Draft], list[Body]]


@dataclass(frozen=True)
class Mutant:
    """One broken clause of a rule, at one level and for one part. `refused`: only an altered copy can show it,
    since the API server refuses such an object."""

    rule: str
    clause: str
    level: Level
    component: str | None
    alter: Alter
    refused: bool = False

    @property
    def id(self) -> str:
        return "-".join(filter(None, (self.rule, self.component, self.level, self.clause)))

    def apply(self, snapshot: Snapshot, target: Target) -> tuple[Snapshot, Target]:
        """The altered copy; `ValueError` where nothing changed."""
        draft = Draft(snapshot, target, self.component)
        self.alter(draft)
        if draft.snapshot == snapshot and draft.target == target:
            raise ValueError(f"{self.id} changes nothing")
        return draft.snapshot, draft.target

    def check(self) -> Check:
        """The check of its own rule."""
        return next(
            each for each in checks_at(self.level) if (each.rule, each.component) == (self.rule, self.component)
        )

    def killed_by(self, snapshot: Snapshot, target: Target) -> str | None:
        """What its own rule's check says, or None. `ValueError` where the rule was broken before."""
        if before := self.check()(snapshot, target):
            raise ValueError(f"{self.id}: {before[0]} before anything was altered")
        altered, retargeted = self.apply(snapshot, target)
        try:
            found = self.check()(altered, retargeted)
        except Untested:
            return None
        return str(found[0]) if found else None

    def caught_elsewhere(self, snapshot: Snapshot, target: Target) -> str:
        """Rules whose checks saw a mutant that its own rule's did not."""
        rules = {each.rule for each in run_checks(*self.apply(snapshot, target)).findings}
        return ", ".join(sorted(rules)) or "nothing"


def levels_of(rule: str) -> tuple[Level, ...]:
    return tuple(level for level in load()[rule].levels if level != "behaviour")
