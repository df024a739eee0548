"""Fixed renderings of a chart with values that neither its defaults nor its values files set.

Each comes with the target as it fits the rendering. A variation that the chart refuses in words of its own is left
out; an error of a template is kept.
"""

from __future__ import annotations

import re
from collections.abc import Collection, Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, replace
from itertools import takewhile
from typing import Any

from acceptance.chart import bounds
from acceptance.chart.generated_values import SOUND
from acceptance.chart.optional_values import OPTIONAL_VALUES
from acceptance.chart.renderer import USUAL, WITH_NOTES, WORKERS, How, Renderer
from acceptance.chart.unused import API_VERSION
from acceptance.checks.config_map import ENVIRONMENTS
from acceptance.checks.finding import Untested
from acceptance.checks.renderings import Subject
from acceptance.checks.service_addresses import WORD
from acceptance.checks.snapshot import ELSEWHERE, Snapshot, is_custom
from acceptance.core.fields import at, mapping_at, name_of, object_ref, text_at
from acceptance.core.target import Component, ComponentName, Target
from acceptance.core.values import leaves, merge_values, nested, set_paths
from acceptance.kube.schema import KUBERNETES_VERSION

TEMPLATE_ERROR = re.compile(
    r"nil pointer|can't evaluate field|wrong type for|incompatible types|not defined|parse error|error converting YAML"
    r"|not valid YAML|error calling (?!include|fail)|wrong number of args"
)
"""What Helm says where a template, rather than the chart's own validation, fails."""
FILE_RULES = tuple(f"CHT-{number:02}" for number in (*range(1, 9), 10, 15))
"""Rules that depend on the chart's files, not on its values."""
HPA_RULES = tuple(f"HPA-{number:02}" for number in range(1, 13))
NAME_RULES = ("DEP-01", "DEP-05", "SVC-01", "CFG-01", "SEC-01", "HPA-01")
RELATION_RULES = ("CHT-09", "DEP-04", "HPA-03", "REL-05", "REL-07", "SVC-07", "SVC-11")
FEATURE_RULES = (*RELATION_RULES, "HPA-13", "POD-23", "REL-06", "SCY-01", "SCY-02", "SCY-03", "SCY-06")
POD_FIELDS = {
    *("privileged", "allowPrivilegeEscalation", "readOnlyRootFilesystem", "runAsNonRoot", "hostNetwork", "hostPID"),
    *("hostIPC", "hostUsers", "shareProcessNamespace", "automountServiceAccountToken", "enableServiceLinks"),
}
"""Fields of a pod or container that a value may have as they are: no features that are switched on."""
EXPOSURE_RULES = ("CHT-09", "REL-05", "SCY-05", "SCY-06")
OVERRIDES = ("nameOverride", "fullnameOverride")
"""Values that most charts have beside each other, of which a target states one."""
EXISTING = re.compile(r"(?i)existing\w*?(secret|config_?map)(?!.*keys?$)")
"""The key of a value that names an object which the chart then does not make, but not of one that names a key of it."""
NAMESPACE_RULES = ("POD-02", "DEP-02", "SVC-02", "CFG-02", "SEC-02", "HPA-02", "CHT-16")
OTHER_NAME, OTHER_RELEASE = "another name", "another release name"
OTHER_RELEASE_NAMESPACE = "another release namespace"
NAMESPACE, NAME = "acceptance-space", "acceptance"
CERTIFICATE = "-----BEGIN CERTIFICATE-----\nYWNjZXB0YW5jZQ==\n-----END CERTIFICATE-----\n"
OTHER_PORT = 8123
NODE_PORTS, OTHER_NODE_PORT = range(30_000, 32_768), 30_123
"""Ports of nodes, one of which may be a Service's too."""
REGISTRY = "registry.example.com:5000/team"
OTHER_TAG = "1.10.2"
SMALL_PERCENTAGE = "10%"
"""Of the replicas, which rounds to no pod for maxUnavailable and to one for maxSurge."""
MODEL_URL = "https://model.acceptance.example.com/v1"


@dataclass(frozen=True)
class Variation:
    """One rendering.

    Attributes:
        without: Rules that do not apply to it.
        only: The rules that apply; all if absent.
        advisory: Whether its findings only advise on a target that is not strict.
        adds: Whether it is judged only if it renders something else, and every object that the defaults have.
    """

    name: str
    values: dict[str, Any]
    target: Target
    how: How = USUAL
    without: tuple[str, ...] = ()
    only: Collection[str] | None = None
    advisory: bool = False
    adds: bool = False


@dataclass(frozen=True)
class Varied:
    """A variation as rendered."""

    variation: Variation
    snapshot: Snapshot

    def applies(self, rule: str) -> bool:
        """Whether a rule is asserted of it."""
        assert self.snapshot.chart is not None
        if self.snapshot.chart.rendering.error is not None:
            return rule == "CHT-09"
        only = self.variation.only
        return rule not in (*FILE_RULES, *self.variation.without) and (only is None or rule in only)

    @property
    def subject(self) -> Subject:
        """The rendering, with its target."""
        return self.snapshot, self.variation.target


def variations(renderer: Renderer, base: Snapshot) -> list[Varied]:
    """Return every variation that the chart does not refuse."""

    def render(variation: Variation) -> Varied:
        # Whether the HPA can be switched off is judged once, on what ships.
        snapshot = renderer.with_values(base, variation.values, variation.how, variation.name, hpa_off=False)
        namespace, advisory = variation.target.chart.namespace, variation.advisory
        if variation.name == OTHER_RELEASE_NAMESPACE:
            namespace = ELSEWHERE
        return Varied(variation, replace(snapshot, release_namespace=namespace, advisory=advisory))

    target = renderer.target
    every = [*_fixed(target), *_components(renderer), *_optional(renderer), *_versions(target), *_accepted(renderer)]
    every += [*_named(renderer), *_apis(base, target), *_switches(renderer)]
    with ThreadPoolExecutor(WORKERS) as pool:
        found = list(pool.map(render, every))
    judged = [each for each in found if not each.variation.adds or _adds(each.snapshot, base)]
    return [fitted for each in judged if (fitted := _fitted(each, base)) is not None]


def _adds(snapshot: Snapshot, base: Snapshot) -> bool:
    """Whether a snapshot differs from another one and lacks none of its objects."""
    objects, others = ({object_ref(item) for item in each.objects} for each in (snapshot, base))
    failed = snapshot.chart is not None and snapshot.chart.rendering.error is not None
    return failed or (snapshot.objects != base.objects and objects >= others)


def _fitted(varied: Varied, base: Snapshot) -> Varied | None:
    """Return a variation, of other names with the names as rendered, or None if it does not apply."""
    chart = varied.snapshot.chart
    assert chart is not None
    if chart.rendering.error is not None:
        return varied if TEMPLATE_ERROR.search(chart.rendering.error) else None
    if varied.variation.name == OTHER_RELEASE_NAMESPACE:
        return varied if _states_namespace(varied) else None
    if varied.variation.name not in (OTHER_NAME, OTHER_RELEASE, *OVERRIDES):
        return varied
    renamed = _renamed(varied, base)
    if renamed is None and varied.variation.name != OTHER_NAME:
        return varied  # its names do not follow the release, or the other override
    return None if renamed is None else replace(varied, variation=replace(varied.variation, target=renamed))


def _states_namespace(varied: Varied) -> bool:
    """Whether the Deployments' namespaces are the chart's own: they do not follow the release's."""
    target = varied.variation.target
    names = {each.deployment for each in target.components.values()}
    deployments = [item for item in varied.snapshot.of_kind("Deployment") if name_of(item) in names]
    stated = {text_at(item, "metadata.namespace") for item in deployments}
    return target.chart.namespace in stated


def _renamed(varied: Varied, base: Snapshot) -> Target | None:
    """Return the target with its names' common prefix replaced, or None if the chart's names are made otherwise."""
    target = varied.variation.target
    old = target.component("backend").deployment if "backend" in target.components else ""
    names = [
        *(name for each in target.components.values() for name in (each.deployment, each.service)),
        target.config_map.name,
        *([] if target.secret_exists else [target.secret.name]),
        *([target.autoscaler.name] if target.autoscaler else []),
    ]
    rendered = {name_of(item) for item in varied.snapshot.objects}
    # Names that are fixed stay, and those of objects that the chart does not make are the specification's.
    prefix = _prefix([name for name in names if name in {name_of(item) for item in base.objects} - rendered])
    deployments = [name_of(item) for item in varied.snapshot.of_kind("Deployment")]
    new = next((name for name in deployments if old and prefix and name.endswith(old[len(prefix) :])), "")
    new_prefix = new[: len(new) - len(old[len(prefix) :])]
    if not prefix or not new or not new_prefix:
        return None

    def mapped(name: str) -> str:
        other = f"{new_prefix}{name[len(prefix) :]}"
        return other if other in rendered or (target.strict and name.startswith(prefix)) else name

    def relabelled(each: Component) -> dict[str, str]:
        """The labels, of which those whose values begin with the prefix follow the names if they are rendered so."""
        named = mapped(each.deployment)
        deployment = next((item for item in varied.snapshot.of_kind("Deployment") if name_of(item) == named), {})
        rendered_labels = mapping_at(deployment, "spec.template.metadata.labels")
        others = {
            key: f"{new_prefix}{value[len(prefix) :]}"
            for key, value in each.labels.items()
            if value == prefix or value.startswith(f"{prefix}-")
        }
        return each.labels | {key: value for key, value in others.items() if rendered_labels.get(key) == value}

    components = {
        name: each.model_copy(
            update={
                "deployment": mapped(each.deployment),
                "service": mapped(each.service),
                "labels": relabelled(each),
            }
        )
        for name, each in target.components.items()
    }
    scaler = target.autoscaler
    return target.model_copy(
        update={
            "components": components,
            "config_map": target.config_map.model_copy(update={"name": mapped(target.config_map.name)}),
            "secret": target.secret
            if target.secret_exists
            else target.secret.model_copy(update={"name": mapped(target.secret.name)}),
            "autoscaler": scaler.model_copy(update={"name": mapped(scaler.name)}) if scaler else None,
        }
    )


def _prefix(names: list[str]) -> str:
    """Return what all names have in common, to the last dash."""
    parts = [name.split("-") for name in names]
    same = takewhile(lambda column: len(set(column)) == 1, zip(*parts, strict=False))
    return "-".join(column[0] for column in same)


def _fixed(target: Target) -> Iterator[Variation]:
    paths = target.values
    if paths.hpa_enabled:
        yield Variation("autoscaling off", nested(paths.hpa_enabled, False), target, without=HPA_RULES)
    if paths.namespace:
        chart = target.chart.model_copy(update={"namespace": NAMESPACE})
        elsewhere = target.model_copy(update={"chart": chart})
        values, how = nested(paths.namespace, NAMESPACE), How(namespace=NAMESPACE, notes=True)
        yield Variation(f"{paths.namespace} {NAMESPACE}", values, elsewhere, how, advisory=True)
    if paths.name_override:
        without = () if target.strict else NAME_RULES
        named = nested(paths.name_override, NAME)
        yield Variation(OTHER_NAME, named, target, WITH_NOTES, without=without, advisory=True)
    if paths.environment:
        for environment in ENVIRONMENTS:
            yield Variation(f"{paths.environment} {environment}", nested(paths.environment, environment), target)
    private = {paths.ca_certificate: CERTIFICATE, paths.model_base_url: MODEL_URL}
    given = [nested(path, value) for path, value in private.items() if path]
    if given:
        yield Variation("a private CA and another model", merge_values({}, *given), target)
    elsewhere_released = How(namespace=ELSEWHERE)
    yield Variation(OTHER_RELEASE_NAMESPACE, {}, target, elsewhere_released, only=NAMESPACE_RULES)
    yield Variation("an upgrade", {}, target, How(upgrade=True))
    # Two releases beside each other are no promise of the specification: what breaks is advice.
    yield Variation(OTHER_RELEASE, {}, target, How(release=NAME, notes=True), without=NAME_RULES, advisory=True)


def _optional(renderer: Renderer) -> Iterator[Variation]:
    """Yield renderings with the usual optional values that ship empty, by the names that most charts give them."""
    empty = [
        keys
        for keys, value in leaves(renderer.shipped)
        if keys[-1] in OPTIONAL_VALUES and not value and isinstance(value, type(OPTIONAL_VALUES[keys[-1]]))
    ]
    for name in dict.fromkeys(keys[-1] for keys in empty):
        paths = [".".join(keys) for keys in empty if keys[-1] == name]
        given = set_paths({}, dict.fromkeys(paths, OPTIONAL_VALUES[name]))
        named = f"{' and '.join(paths)} set"
        yield Variation(named, given, renderer.target, only=("CHT-09", "IMG-01", "IMG-02"), advisory=True)


def _components(renderer: Renderer) -> Iterator[Variation]:
    """Yield variations of each component: other ports, an image of a registry, and percentages in its strategy."""
    target = renderer.target
    for name, component in target.components.items():
        paths = component.values
        yield from _ports(renderer, name, component)
        if paths.image_repository and paths.image_tag:
            repository = f"{REGISTRY}/{component.image.repository.rpartition('/')[2]}"
            values = merge_values(nested(paths.image_repository, repository), nested(paths.image_tag, OTHER_TAG))
            yield Variation(f"the {name}'s image of a registry", values, target, advisory=True)
        if paths.max_surge and paths.max_unavailable:
            values = merge_values(
                nested(paths.max_surge, SMALL_PERCENTAGE), nested(paths.max_unavailable, SMALL_PERCENTAGE)
            )
            yield Variation(f"percentages in the {name}'s strategy", values, target, advisory=True)


def _ports(renderer: Renderer, name: ComponentName, component: Component) -> Iterator[Variation]:
    """Yield variations of one component with another port of its Service, and of its container."""
    paths = {"service_port": component.values.service_port, "port": component.values.container_port}
    number = OTHER_NODE_PORT if component.service_port in NODE_PORTS else OTHER_PORT

    def varied(what: str, values: dict[str, Any], port: str, without: tuple[str, ...] = ()) -> Variation:
        # One value may be the port of both.
        changed = component.model_copy(update={each: number for each, path in paths.items() if path == port})
        target = renderer.target
        stated = target.model_copy(update={"components": {**target.components, name: changed}})
        # Charts often state one port in several values, which a user may have to set together: what breaks is advice.
        return Variation(what, values, stated, WITH_NOTES, without, advisory=True)

    service, container = paths.values()
    if service:
        yield varied(f"{service} {number}", nested(service, number), service)
    if container and container != service:
        other = nested(container, number)
        follows = not service or at(merge_values(renderer.shipped, renderer.required()), service) is None
        # A port of the Service that no value states may follow the container's.
        yield varied(f"{container} {number}", other, container, ("SVC-05",) if follows else ())
        if follows and service:
            beside = merge_values(other, nested(service, component.service_port))
            yield varied(f"{container} {number} and {service} {component.service_port}", beside, container)


def _named(renderer: Renderer) -> Iterator[Variation]:
    """Yield renderings with the override of names that the target does not state, and with each existing object."""
    target = renderer.target
    for path in OVERRIDES:
        if renderer.shipped.get(path, NAME) in ("", None) and path != target.values.name_override:
            yield Variation(path, nested(path, NAME), target, only=RELATION_RULES)
    credentials = dict.fromkeys(filter(None, target.secret_paths.values()), "")
    for keys, value in leaves(renderer.shipped):
        named = keys[-2] if keys[-1] == "name" and len(keys) > 1 else keys[-1]
        if value in ("", None) and EXISTING.search(named):
            path = ".".join(keys)
            beside = nested(path, f"{NAME}-existing")
            alone = merge_values(set_paths({}, credentials), beside)
            # A chart may refuse credentials beside it, and it may need those that it does not have.
            accepted = renderer.render(merge_values(renderer.required(), alone)).error is None
            yield Variation(f"{path} set", alone if accepted else beside, target, only=("CHT-09", "REL-05"))


def _switches(renderer: Renderer) -> Iterator[Variation]:
    """Yield a rendering with each feature on that ships switched off.

    One that takes the place of the chart's own objects, such as a Secret that a controller makes, is not judged.
    """
    target = renderer.target
    known = {target.values.debug, target.values.namespace_create, target.values.local_cluster}
    for keys, value in leaves(renderer.shipped):
        path = ".".join(keys)
        if value is False and path not in known and keys[-1] not in POD_FIELDS:
            asked = {word.lower() for key in keys for word in WORD.findall(key)} & {"api", "backend"}
            only = [rule for rule in FEATURE_RULES if rule != "SCY-06" or not asked]  # a route to the backend, by name
            yield Variation(f"{path} true", nested(path, True), target, only=only, advisory=True, adds=True)


def _apis(base: Snapshot, target: Target) -> Iterator[Variation]:
    """Yield a rendering on a cluster with the other APIs that the templates ask for."""
    assert base.chart is not None
    asked = {api for text in base.chart.templates.values() for api in API_VERSION.findall(text)}
    if custom := tuple(sorted(api for api in asked if is_custom(api.partition("/")[0]))):
        yield Variation(f"the APIs {', '.join(custom)}", {}, target, How(api_versions=custom), only=EXPOSURE_RULES)


def _versions(target: Target) -> Iterator[Variation]:
    """Yield the two older minor versions that are supported beside the one that is used."""
    major, minor, _ = KUBERNETES_VERSION.split(".")
    for older in (int(minor) - 1, int(minor) - 2):
        yield Variation(f"Kubernetes {major}.{older}", {}, target, How(kube_version=f"{major}.{older}.0"))


def _accepted(renderer: Renderer) -> Iterator[Variation]:
    """Yield the bounds' accepted cases, but those whose values the target states, or that the chart has otherwise."""
    target = renderer.target
    for case in bounds.cases():
        if case.refused or case.path in bounds.STATED:
            continue
        try:
            path, values = bounds.overrides(case, target, renderer.shipped)
        except Untested:
            continue
        if bounds.is_of_another_type(case, target, at(renderer.shipped, path)):
            continue
        switched_off = (case.others or {}).get("hpa_enabled") is False
        without = HPA_RULES if switched_off else ("HPA-05",)  # which advises against equal bounds
        only = None if target.strict else SOUND
        yield Variation(case.id.removesuffix("-accepted"), values, target, without=without, only=only)
