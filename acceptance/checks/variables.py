"""REL-05 of environment variables: each has a value, and the name under which the image's source reads it."""

from __future__ import annotations

import re
from collections.abc import Iterator
from difflib import SequenceMatcher

from acceptance.checks.component_view import ComponentView
from acceptance.checks.processes import listeners
from acceptance.checks.references import mounted
from acceptance.checks.registry import Violation, check
from acceptance.checks.snapshot import SourceNames
from acceptance.core.fields import at, format_value, mappings_at, name_of, object_ref, text_at
from acceptance.core.target import ComponentName
from acceptance.kube.pod_templates import Container, Pod, image_reference

LONG_WORD = 5
"""Of letters: a shorter word with another letter is another word rather than a misspelling (APP and API)."""
SIMILAR = 0.85
"""Of the similarity of two words, from 0 to 1, above which one is taken for a misspelling of the other."""
SYNONYMS = ({"OPENAI_BASE_URL", "OPENAI_API_BASE"},)
"""Names of one setting in different versions of a library."""
PORT = "PORT"
"""The variable from which servers take their port."""
OF_IMAGE = re.compile(r"\bPORT=\d")
"""A Dockerfile that sets it."""


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
                read = variable.key if variable.key in missing else _misspelt(name, missing)
                if read is not None:
                    field = f"{container.field}.env[{name}]"
                    yield Violation(pod.object, field, f"{read}, which the source reads", name, derived=True)


@check("REL-05", "static")
def keys_that_are_read_arrive(view: ComponentView) -> Iterator[Violation]:
    """REL-05: a key of the ConfigMap or Secret that a component's source reads arrives in some container or file."""
    held = [item for item in (view.find_config_map(), view.find_secret()) if item is not None]
    given = {name for pod in view.workloads() for name in _given(view, pod)}
    files = {(kind, text_at(body, "name")) for pod in view.workloads() for _, kind, body in mounted(pod)}
    keys = {
        key: object_ref(item)
        for item in held
        if (text_at(item, "kind"), name_of(item)) not in files
        for key in view.keys_of(item)
    }
    for component in view.for_each_component():
        if component.find_deployment() is None:
            continue
        container = component.main_container(component.pods[0])
        source = source_of(view, container)
        for key in sorted((source.reads & keys.keys()) - given) if source else ():
            expected = f"{key} of {keys[key]}, which the source reads"
            yield Violation(container.object, f"{container.field}.env", expected, "absent", derived=True)


def _given(view: ComponentView, pod: Pod) -> Iterator[str]:
    for container in pod.containers():
        for variable in view.environment(container):
            yield variable.name
            yield from (origin.key for origin in variable.origins())


@check("REL-05", "static")
def servers_are_told_their_port(view: ComponentView) -> Iterator[Violation]:
    """REL-05: the variable PORT of a component whose source or image knows it is a port that the container declares.

    Where neither is known, it is not the other component's.
    """
    every = {str(each.port) for each in view.target.components.values()}
    for component in view.for_each_component():
        if component.find_deployment() is None:
            continue
        for pod in component.pods:
            container = component.main_container(pod)
            source, ports = source_of(view, container), container.ports()
            dockerfile = view.chart.dockerfiles.get(component.component_name or "", "")
            read = source is not None and (PORT in source.reads or OF_IMAGE.search(dockerfile) is not None)
            unknown = source is None and not dockerfile
            if not (read or unknown) or component.component.port not in ports:
                continue
            proxied = any(each.ports() for each in pod.containers() if each.field != container.field)
            if proxied or listeners(component, pod):
                continue
            value = next((view.value_of(each) for each in view.environment(container) if each.name == PORT), None)
            if value is not None and value not in map(str, ports.values()) and (read or value in every):
                expected = " or ".join(sorted({str(port) for port in ports.values()})) + ", as containerPort"
                field = f"{container.field}.env[{PORT}]"
                yield Violation(pod.object, field, expected, format_value(value), derived=True)


def component_of(view: ComponentView, container: Container) -> ComponentName | None:
    """Return the component whose image a container runs; None if it is of none."""
    repository = image_reference(container.image)[0].rpartition("/")[2]
    components = view.target.components.items()
    return next((name for name, each in components if each.image.repository.rpartition("/")[2] == repository), None)


def source_of(view: ComponentView, container: Container) -> SourceNames | None:
    """Return the names in the source of a container's image; None if it belongs to no component or is not available."""
    chart, component = view.snapshot.chart, component_of(view, container)
    return chart.sources.get(component) if chart and component else None


def _misspelt(name: str, missing: frozenset[str]) -> str | None:
    """Return the missing name of which this one is a misspelling, or a synonym."""
    synonyms = {each for names in SYNONYMS if name in names for each in names}
    return next((each for each in sorted(missing) if each in synonyms or is_misspelt(name, each)), None)


def is_misspelt(name: str, meant: str) -> bool:
    """Whether two names consist of the same words but for underscores, or for one that is similar or abbreviated."""
    words, others = name.split("_"), meant.split("_")
    if len(words) != len(others):
        return name.replace("_", "") == meant.replace("_", "")
    different = [pair for pair in zip(words, others, strict=True) if pair[0] != pair[1]]
    return len(different) == 1 and all(
        (len(words) > 1 and _abbreviates(*sorted(pair, key=len)))
        or (min(map(len, pair)) >= LONG_WORD and SequenceMatcher(None, *pair).ratio() > SIMILAR)
        for pair in different
    )


def _abbreviates(short: str, word: str) -> bool:
    """Whether the letters of a short word are those of a long one in their order, from its first: DB of DATABASE."""
    letters = iter(word)
    return len(word) >= LONG_WORD and short[:1] == word[:1] and all(letter in letters for letter in short)
