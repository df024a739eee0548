"""REL-05 of commands: they begin with a program, run modules of the source, and end where they must."""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence

from acceptance.checks.component_view import ComponentView
from acceptance.checks.registry import Violation, check
from acceptance.checks.snapshot import SourceNames
from acceptance.checks.variables import component_of, source_of
from acceptance.core.dockerfile import final_stage
from acceptance.core.fields import format_value, list_at, mappings_at, text_at
from acceptance.core.shell import option, program, simple_commands
from acceptance.kube import hooks
from acceptance.kube.pod_templates import Container, Pod, image_reference

PYTHON = re.compile(r"(?:python|pypy)(?:[23](?:\.\d+)?t?)?(?:-\w+)?")
ALONE = re.compile(r"-[bBdEiIOPqsSuvx]+|--check-hash-based-pycs=\w+")
"""Options of Python that are one word."""
WITH_VALUE = re.compile(r"-[bBdEiIOPqsSuvx]*([WXmc])(.*)", re.DOTALL)
"""Options of Python whose value is the rest of the word, or the next word; the last two end the options."""
WITHOUT_ENTRYPOINT = ("alpine", "debian", "python", "ubuntu")
"""Official base images that run their arguments as a command; that of Node.js takes options of its own."""
MODULE = re.compile(r"[A-Za-z_]\w*(?:\.[A-Za-z_]\w*)*")


@check("REL-05", "static")
def commands_begin_with_a_program(view: ComponentView) -> Iterator[Violation]:
    """REL-05: the first word of a command is a program, not an option of one."""
    for pod in view.workloads():
        for container in pod.containers():
            name = "command" if list_at(container.body, "command") else "args"
            words = list_at(container.body, name)
            if name == "args" and not _has_no_entrypoint(view, container):
                continue
            if words and (not isinstance(words[0], str) or not words[0] or words[0].startswith("-")):
                field, shown = f"{container.field}.{name}", format_value(words[0])
                yield Violation(pod.object, field, "a program before its options", shown, derived=True)


def _has_no_entrypoint(view: ComponentView, container: Container) -> bool:
    """Whether the Dockerfile of a container's image is known, and sets no ENTRYPOINT on a base that has none."""
    chart, component = view.snapshot.chart, component_of(view, container)
    stage = final_stage(chart.dockerfiles.get(component, "")) if chart and component else None
    return (
        stage is not None
        and not stage.command.entrypoint
        and image_reference(stage.base)[0].rpartition("/")[2] in WITHOUT_ENTRYPOINT
    )


@check("REL-05", "static")
def modules_exist(view: ComponentView) -> Iterator[Violation]:
    """REL-05: a module of the source that a command of Python runs is there, with the variables that it needs."""
    for pod in view.workloads():
        for container in pod.containers():
            source = source_of(view, container)
            argv = [str(word) for field in ("command", "args") for word in list_at(container.body, field)]
            if source is None or not source.modules or not list_at(container.body, "command"):
                continue
            try:
                commands = list(simple_commands(argv))
            except ValueError:
                continue
            for words in commands:
                if (problem := _problem(words, source)) is not None:
                    yield Violation(pod.object, f"{container.field}.command", *problem, derived=True)
                module = option(words, "-m") or ""
                given = {each.name for each in view.environment(container)}
                for name in sorted(source.required.get(module, frozenset()) - given - _of_images(view)):
                    expected = f"{name}, which {module} reads"
                    yield Violation(pod.object, f"{container.field}.env", expected, "absent", derived=True)


SERVERS = ("daphne", "granian", "gunicorn", "hypercorn", "uvicorn")
APPLICATION = re.compile(r"([A-Za-z_]\w*(?:\.[A-Za-z_]\w*)*):[A-Za-z_][\w.]*(?:\(\))?")
"""What a server of Python is told to load: a module, and the application in it."""
ELSEWHERE = ("--app-dir", "--chdir", "--working-dir")
"""Options of servers that name the folder of the module."""


@check("REL-05", "static")
def servers_load_what_the_image_loads(view: ComponentView) -> Iterator[Violation]:
    """REL-05: a server that a chart's command starts loads its application from where the image's own command does.

    From one folder a file is a module of one name alone: `main` or `app.main`.
    """
    for component in view.for_each_component():
        text = view.chart.dockerfiles.get(component.component_name or "", "")
        stage = final_stage(text)
        if component.find_deployment() is None or stage is None:
            continue
        container = component.main_container(component.pods[0])
        own = _application([*stage.command.entrypoint, *stage.command.cmd])
        told = _application([str(word) for field in ("command", "args") for word in list_at(container.body, field)])
        given = {each.name for each in view.environment(container)}
        if own is None or told is None or "workingDir" in container.body or "PYTHONPATH" in given or own == told:
            continue
        if f".{own}".endswith(f".{told}") or f".{told}".endswith(f".{own}"):
            field = f"{container.field}.{'command' if list_at(container.body, 'command') else 'args'}"
            yield Violation(container.object, field, f"{own}, as the image's own command loads it", told, derived=True)


def _application(argv: Sequence[str]) -> str | None:
    """Return the module from which a server of Python loads its application, or None if nothing says so."""
    try:
        commands = list(simple_commands(argv))
    except ValueError:
        return None
    for words in commands:
        if any(program([word]) in SERVERS for word in words) and not any(
            each.split("=")[0] in ELSEWHERE for each in words
        ):
            return next((match[1] for word in words if (match := APPLICATION.fullmatch(word))), None)
    return None


def _of_images(view: ComponentView) -> set[str]:
    """Return every word of the Dockerfiles: variables that an image has may be among them."""
    return {word for text in view.chart.dockerfiles.values() for word in re.findall(r"\w+", text)}


def _problem(words: Sequence[str], source: SourceNames) -> tuple[str, str] | None:
    """Return what a command should be and what it is, or None if nothing is known to be wrong."""
    shown = " ".join(words)
    if not PYTHON.fullmatch(program(words)):
        if len(words) > 2 and words[1] == "-m" and _is_own(words[2], source) and words[2] in source.modules:
            return "python3, which runs the module", shown
        return None
    rest = list(words[1:])
    while rest:
        word = rest.pop(0)
        if (found := WITH_VALUE.fullmatch(word)) is None:
            if ALONE.fullmatch(word):
                continue
            if word.startswith("-") and len(word) > 1 and not word.startswith("--"):
                return "an option of Python", word
            return (f"-m {word}", shown) if _is_own(word, source) and word in source.modules else None
        value = found[2] or (rest.pop(0) if rest else "")
        if found[1] == "c":
            return None
        if found[1] == "m":
            if not MODULE.fullmatch(value):
                return "a module after -m", shown
            return ("a module of the source", value) if _is_own(value, source) and value not in source.modules else None
    return None


def _is_own(module: str, source: SourceNames) -> bool:
    """Whether a module is of a package of the source, not of a library."""
    package, dot, _ = module.partition(".")
    return bool(dot) and f"{package}.__init__" in source.modules


@check("REL-05", "static")
def modules_are_of_the_image(view: ComponentView) -> Iterator[Violation]:
    """REL-05: what runs a module of a component's source is of that component's image."""
    sources = view.snapshot.chart.sources if view.snapshot.chart else {}
    for pod in view.workloads():
        for container in pod.containers():
            words = [str(word) for word in list_at(container.body, "command")]
            module = option(words, "-m") if PYTHON.fullmatch(program(words)) else None
            own = source_of(view, container)
            images = [each.image for each in pod.containers() if each.field != container.field]
            if own is None and container.image in images:
                continue  # the pod's own image, by another name than the target's
            for name, source in sources.items() if module else ():
                if module and own is not source and _is_own(module, source) and module in source.modules:
                    expected = f"the image of the {name}, which has {module}"
                    yield Violation(pod.object, f"{container.field}.image", expected, container.image, derived=True)


@check("REL-05", "static")
def what_must_end_is_no_server(view: ComponentView) -> Iterator[Violation]:
    """REL-05: an init container, job or hook of a component's image has a command: the image's own is the server."""
    served = {
        container.image: container
        for component in view.for_each_component()
        if component.find_deployment() is not None
        for pod in component.pods
        for container in [component.main_container(pod)]
        if not list_at(container.body, "command") and not list_at(container.body, "args")
    }
    for pod in view.workloads():
        for container in pod.containers():
            command = list_at(container.body, "command") or list_at(container.body, "args")
            if command or container.sidecar or container.image not in served or not _must_end(pod, container):
                continue
            if _literals(container) <= _literals(served[container.image]):
                expected = "a command: the image's own serves, and never ends"
                yield Violation(pod.object, f"{container.field}.command", expected, "absent", derived=True)


def _must_end(pod: Pod, container: Container) -> bool:
    kind = text_at(pod.owner, "kind")
    return container.init or kind in ("Job", "CronJob") or (kind == "Pod" and bool(hooks.events(pod.owner)))


def _literals(container: Container) -> set[tuple[str, str]]:
    """Return the variables with a literal value, which may decide what an image runs."""
    return {
        (text_at(variable, "name"), str(variable["value"]))
        for variable in mappings_at(container.body, "env")
        if "value" in variable
    }
