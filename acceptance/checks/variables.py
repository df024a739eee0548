"""REL-05 of environment variables: each has a value, and the name under which the image's source reads it."""

from __future__ import annotations

import difflib
from collections.abc import Iterator

from acceptance.checks.component_view import ComponentView
from acceptance.checks.registry import Violation, check
from acceptance.checks.snapshot import SourceNames
from acceptance.core.fields import at, format_value, mappings_at, object_ref, text_at
from acceptance.kube.pod_templates import Container, image_reference

SIMILAR = 0.8
"""Of the similarity, from 0 to 1, above which a name that nothing mentions is taken for one that is missing."""
PORT = "PORT"
"""The variable by which servers are told their port."""


@check("REL-05", "static")
def variables_have_a_value(view: ComponentView) -> Iterator[Violation]:
    """REL-05: no variable lacks both a value and a reference; an empty text is a value."""
    for pod in view.workloads():
        for container in pod.containers():
            for variable in mappings_at(container.body, "env"):
                if "value" not in variable and not at(variable, "valueFrom"):
                    field = f"{container.field}.env[{text_at(variable, 'name')}]"
                    yield Violation(pod.object, field, "value or valueFrom", "neither", derived=True)


@check("REL-05", "static")
def variables_have_the_name_that_is_read(view: ComponentView) -> Iterator[Violation]:
    """REL-05: no variable has a name that the source does not mention while it reads another one that is missing."""
    for pod in view.workloads():
        for container in pod.containers():
            source = source_of(view, container)
            if source is None:
                continue
            variables = view.environment(container)
            missing = source.reads - {each.name for each in variables}
            for variable in variables:
                name = variable.name
                if name.upper() in source.names:
                    continue
                read = variable.key if variable.key in missing else _similar(name, missing)
                if read is not None:
                    field = f"{container.field}.env[{name}]"
                    yield Violation(pod.object, field, f"{read}, which the source reads", name, derived=True)


@check("REL-05", "static")
def keys_that_are_read_arrive(view: ComponentView) -> Iterator[Violation]:
    """REL-05: some container of an image gets each key of the ConfigMap and Secret that its source reads."""
    held = [item for item in (view.find_config_map(), view.find_secret()) if item is not None]
    keys = {key: object_ref(item) for item in held for key in view.keys_of(item)}
    for component in view.for_each_component():
        if component.find_deployment() is None:
            continue
        container = component.main_container(component.pods[0])
        source = source_of(view, container)
        if source is None:
            continue
        same = [each for pod in view.workloads() for each in pod.containers() if source_of(view, each) is source]
        given = {name for each in same for variable in view.environment(each) for name in (variable.name, variable.key)}
        for key in sorted((source.reads & keys.keys()) - given):
            expected = f"{key} of {keys[key]}, which the source reads"
            yield Violation(container.object, f"{container.field}.env", expected, "absent", derived=True)


@check("REL-05", "static")
def servers_are_told_their_port(view: ComponentView) -> Iterator[Violation]:
    """REL-05: the variable PORT of a component whose source reads it is a port that the container declares."""
    for component in view.for_each_component():
        if component.find_deployment() is None:
            continue
        for pod in component.pods:
            container = component.main_container(pod)
            source, ports = source_of(view, container), container.ports()
            for variable in component.environment(container):
                value = component.value_of(variable)
                told = source is not None and PORT in source.reads and variable.name == PORT
                if told and ports and value is not None and value not in map(str, ports.values()):
                    expected = " or ".join(sorted({str(port) for port in ports.values()})) + ", as containerPort"
                    yield Violation(
                        pod.object, f"{container.field}.env[{PORT}]", expected, format_value(value), derived=True
                    )


def source_of(view: ComponentView, container: Container) -> SourceNames | None:
    """Return the names in the source of a container's image; None if it is of no component or not at hand."""
    chart = view.snapshot.chart
    repository = image_reference(container.image)[0].rpartition("/")[2]
    for name, component in view.target.components.items() if chart else ():
        if chart and component.image.repository.rpartition("/")[2] == repository:
            return chart.sources.get(str(name))
    return None


def _similar(name: str, missing: frozenset[str]) -> str | None:
    return next(iter(difflib.get_close_matches(name, sorted(missing), n=1, cutoff=SIMILAR)), None)
