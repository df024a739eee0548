"""Rules of NOTES.txt as rendered: what its commands and cluster URLs name is part of the release.

Only commands that are understood in full are judged: a shell variable leaves one out.
"""

from __future__ import annotations

import re
import shlex
from collections.abc import Iterator
from dataclasses import dataclass

from acceptance.checks.component_view import ComponentView
from acceptance.checks.finding import Untested
from acceptance.checks.registry import Violation, check
from acceptance.core.fields import Object, at, mappings_at, object_ref

KINDS = {
    "svc": "Service", "service": "Service", "services": "Service",
    "deploy": "Deployment", "deployment": "Deployment", "deployments": "Deployment", "deployment.apps": "Deployment",
    "sts": "StatefulSet", "statefulset": "StatefulSet", "hpa": "HorizontalPodAutoscaler",
    "ds": "DaemonSet", "daemonset": "DaemonSet",
}  # fmt: skip
UNCLEAR = re.compile(r"[$`<(){}*]")
"""What a shell, or a reader, fills in."""
END = re.compile(r"\s*(?:[|;&>]|\s#).*$")
"""Where a command ends."""
SELECTOR = re.compile(
    r"\bkubectl\s([^|;&#`\n]*?)(?:\s-l|\s--selector)[ =]\s*(\"[^\"]*\"|'[^']*'|[^\s)]+)([^|;&#`)\n]*)",
)
"""A command with a label selector, and the words before and after that."""
EQUALITIES = re.compile(r"[\w./-]+==?[\w.-]*(,[\w./-]+==?[\w.-]*)*")
"""A selector without sets and negations."""
PODS = re.compile(r"(?:^|\s)(?:(?:get|describe|delete|wait|top)\s(?:.*\s)?(?:po|pods?)|logs?)(?:\s|$)")
"""The words of a command on pods that are selected."""
PORTS = re.compile(r"(?:(\d*):)?([\w-]+)")


@dataclass(frozen=True)
class Command:
    """A command of the notes: the object that it names, its namespace if given, and the object's ports."""

    text: str
    kind: str
    name: str
    namespace: str
    ports: tuple[str, ...]


@check("CHT-12", "static")
def notes_name_what_is_rendered(view: ComponentView) -> Iterator[Violation]:
    """CHT-12: Services, namespaces and ports in the commands of NOTES.txt are the release's."""
    view.require_rendered()
    notes = view.chart.rendering.notes
    if not notes:
        raise Untested("NOTES.txt is empty or absent (CHT-08)")
    for command in commands(notes):
        yield from _misnamed(view, command)
    for url in re.findall(r"https?://[\w.-]+\.svc\b[\w.:-]*", notes):
        yield from _unknown_host(view, url)


@check("CHT-12", "static")
def notes_select_pods(view: ComponentView) -> Iterator[Violation]:
    """CHT-12: each label selector in the commands of NOTES.txt that selects pods matches some of the release."""
    view.require_rendered()
    for before, written, after in SELECTOR.findall(view.chart.rendering.notes.replace("\\\n", " ")):
        selector = written.strip("\"'")
        if not EQUALITIES.fullmatch(selector) or not PODS.search(f"{before} {after}"):
            continue
        wanted = dict(re.split("==?", each, maxsplit=1) for each in selector.split(","))
        if not any(wanted.items() <= dict(pod.labels).items() for pod in view.workloads()):
            expected = "the labels of some pod of the release"
            yield Violation("NOTES.txt", f"kubectl {before.strip()}", expected, selector, derived=True)


def commands(notes: str) -> Iterator[Command]:
    """Yield the commands that are understood: `kubectl ... KIND/NAME`, and `minikube service NAME`."""
    for line in notes.splitlines():
        start = re.search(r"\b(kubectl|minikube)\s", line)
        if start is None:
            continue
        text = END.sub("", line[start.start() :]).rstrip("`'\" ")
        if UNCLEAR.search(text):
            continue
        try:
            words = shlex.split(text)
        except ValueError:
            continue
        command = _command(line.strip(), words)
        if command is not None:
            yield command


def _command(text: str, words: list[str]) -> Command | None:
    namespace, rest = "", []
    queue = iter(words[1:])
    for word in queue:
        option, _, value = word.partition("=")
        if option in ("-n", "--namespace"):
            namespace = value or next(queue, "")
        elif option in ("-o", "--output", "-l", "--selector", "-c", "--container") and not value:
            next(queue, "")
        elif not word.startswith("-"):
            rest.append(word)
    if words[0] == "minikube":
        named = len(rest) == 2 and rest[0] == "service" and rest[1] != "list"
        return Command(text, "Service", rest[1], namespace, ()) if named else None
    if len(rest) < 2 or rest[0] not in ("port-forward", "get", "describe", "rollout", "logs", "scale", "exec"):
        return None
    if rest[0] in ("get", "describe") and len(rest) == 3 and rest[1].lower() in KINDS:
        return Command(text, KINDS[rest[1].lower()], rest[2], namespace, ())
    for index, word in enumerate(rest[1:], 1):
        kind, slash, name = word.partition("/")
        if slash and kind.lower() in KINDS:
            ports = tuple(rest[index + 1 :]) if rest[0] == "port-forward" else ()
            return Command(text, KINDS[kind.lower()], name, namespace, ports)
    return None


def _misnamed(view: ComponentView, command: Command) -> Iterator[Violation]:
    def violation(expected: str, actual: str) -> Violation:
        return Violation("NOTES.txt", command.text, expected, actual, derived=True)

    named = [item for item in view.snapshot.of_kind(command.kind) if at(item, "metadata.name") == command.name]
    if not named:
        known = ", ".join(object_ref(item) for item in view.snapshot.of_kind(command.kind)) or "none"
        yield violation(f"a {command.kind} of the release ({known})", f"{command.kind}/{command.name}")
        return
    if command.namespace and command.namespace not in [view.namespaced(item) for item in named]:
        yield violation(f"namespace {view.namespaced(named[0])}", command.namespace)
    if command.kind == "Service":
        for port in command.ports:
            matched = PORTS.fullmatch(port)
            if matched and matched[2] not in _ports(named[0]):
                yield violation(f"a port of {object_ref(named[0])}: {', '.join(_ports(named[0]))}", matched[2])


def _unknown_host(view: ComponentView, url: str) -> Iterator[Violation]:
    """Yield a violation unless a URL below `.svc` is of a Service of the release, where its namespace is."""
    host, _, port = url.partition("://")[2].rstrip(".:").partition(":")
    name, namespace = [*host.split("."), ""][:2]
    own = [item for item in view.snapshot.of_kind("Service") if view.namespaced(item) == namespace]
    found = next((item for item in own if at(item, "metadata.name") == name), None)
    if own and found is None:
        known = ", ".join(object_ref(item) for item in own)
        yield Violation("NOTES.txt", url, f"a Service of the release ({known})", name, derived=True)
    elif found is not None and port and port not in _ports(found):
        expected = f"a port of {object_ref(found)}: {', '.join(_ports(found))}"
        yield Violation("NOTES.txt", url, expected, port, derived=True)


def _ports(service: Object) -> list[str]:
    ports = mappings_at(service, "spec.ports")
    return [str(port[key]) for port in ports for key in ("port", "name") if key in port]
