"""What a container's command says: where its process listens, and whether it does anything to the database.

Only programs and files that are understood are judged; anything else is taken to be right.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass

from acceptance.checks.component_view import ComponentView
from acceptance.checks.service_addresses import environment
from acceptance.core.dockerfile import Command, final_stage, substituted
from acceptance.core.fields import Object, list_at, mapping_at, mappings_at, object_ref, text_at
from acceptance.core.shell import option, program, simple_commands
from acceptance.kube.pod_templates import Container, Pod

LOOPBACK = re.compile(r"localhost|127\.\d+\.\d+\.\d+|\[?::1\]?")
REFERENCE = re.compile(r"\$\((\w+)\)")
LISTEN = re.compile(r"(?:^|[;{\s])listen\s+([^;{}]+);")
COMMENT = re.compile(r"#.*$", re.MULTILINE)
PYTHON = re.compile(r"python[\d.]*")
PORT_OPTIONS: Mapping[str, tuple[tuple[str, ...], tuple[str, ...]]] = {
    "uvicorn": (("--port",), ("--host",)),
    "fastapi": (("--port",), ("--host",)),
    "granian": (("--port",), ("--host",)),
    "flask": (("--port", "-p"), ("--host", "-h")),
    "daphne": (("--port", "-p"), ("--bind", "-b")),
    "next": (("--port", "-p"), ("--hostname", "-H")),
    "vite": (("--port",), ("--host",)),
}
"""The options of servers that state a port and an address."""
BIND_OPTIONS = {"gunicorn": ("--bind", "-b"), "hypercorn": ("--bind", "-b")}
DEFAULTS: Mapping[str, tuple[int, str]] = {
    "uvicorn": (8000, "127.0.0.1"),
    "fastapi": (8000, ""),
    "granian": (8000, "127.0.0.1"),
    "flask": (5000, "127.0.0.1"),
    "daphne": (8000, "127.0.0.1"),
    "next": (3000, ""),
}
"""The default port and address of each server; an empty address is every one."""
RUNNERS = ("poetry", "uv", "pdm", "pipenv", "npx", "run", "exec", "dumb-init", "tini", "--", "opentelemetry-instrument")
"""Words before a server's own name."""
WAITING = frozenset(
    (
        ": [ [[ basename break cat cd chmod chown continue cp curl date dig dirname echo env exit export false getent"
        " grep host id ls mkdir mv nc ncat netcat nslookup pg_isready ping printenv printf pwd read return rm set sleep"
        " tee test touch true uname umask unset wait wait-for wait-for-it wait-for-it.sh wait-for.sh wget whoami"
    ).split()
)
"""Programs that change nothing in a database."""
READING = {
    "alembic": re.compile(r"\balembic (?!.*\b(upgrade|downgrade|stamp|merge|revision)\b)"),
    "psql": re.compile(r"\s(-c|--command=?)\s*(select\b(?!.*\()|\\\w)", re.IGNORECASE),
    "prisma": re.compile(r"\bprisma (generate|validate|format|version|migrate (status|diff))\b"),
}
"""Commands of programs for databases that change nothing."""
SERVING = {"flask": ("run",), "fastapi": ("run", "dev"), "next": ("start", "dev")}
"""The words with which a program of several uses is a server."""


@dataclass(frozen=True)
class Listener:
    """Where a server is configured to listen; `port` or `host` is None where it is unknown."""

    object: str
    field: str
    text: str
    host: str | None
    port: int | None

    @property
    def loopback(self) -> bool:
        """Whether only the pod itself reaches it."""
        return self.host is not None and LOOPBACK.fullmatch(self.host) is not None


def listeners(view: ComponentView, pod: Pod) -> list[Listener]:
    """Return where the main container's process listens, by its command or by files of nginx.

    Of nginx's files mounted ones count, else those that the image has by its Dockerfile.
    """
    container = view.main_container(pod)
    found = [*_of_command(view, container), *_of_nginx(view, pod, container)]
    return found or list(_of_image(view, container))


def command_line(view: ComponentView, container: Container) -> tuple[str, list[str], dict[str, str]]:
    """Return field, argument vector and environment of a container; an empty vector if it is unknown.

    What the image itself runs is known where the target names the component's Dockerfile.
    """
    chart = view.snapshot.chart
    text = chart.dockerfiles.get(view.component_name or "", "") if chart else ""
    stage = final_stage(text) if text and not container.init else None
    values = {name: value for name, value in (stage.variables if stage else {}).items() if value is not None}
    values |= environment(view, container)
    own, given = _texts(container, "command"), _texts(container, "args")
    image = stage.command if stage else Command()
    argv = [*(own or image.entrypoint), *(given or ([] if own else image.cmd))]
    if not own and not image.entrypoint and stage is None:
        argv = given  # of the image's own program, which is unknown
    field = "command" if own else "args" if given else ""
    where = f"{container.field}.{field}" if field else "the image's command"
    return where, [REFERENCE.sub(lambda match: values.get(match[1], match[0]), word) for word in argv], values


def _texts(container: Container, field: str) -> list[str]:
    return [str(word) for word in list_at(container.body, field)]


def _of_command(view: ComponentView, container: Container) -> Iterator[Listener]:
    field, argv, values = command_line(view, container)
    for words in _commands(argv):
        expanded = [substituted(word, values) or word for word in words]
        for index, word in enumerate(expanded):
            name = word.rpartition("/")[2]
            if name in PORT_OPTIONS or name in BIND_OPTIONS:
                yield from _of_server(container.object, field, name, expanded[index + 1 :], values)
                return
            if not (word in RUNNERS or word.startswith("-") or PYTHON.fullmatch(name)):
                break


def _of_server(
    owner: str, field: str, name: str, words: Sequence[str], values: Mapping[str, str]
) -> Iterator[Listener]:
    shown = " ".join([name, *words])
    if any(word in ("--uds", "--fd", "--unix-socket", "--config", "-c") for word in words):
        return
    if name in SERVING and not set(SERVING[name]) & set(words):
        return
    if name in BIND_OPTIONS:
        bind = option(words, *BIND_OPTIONS[name])
        if bind and bind.rpartition(":")[2].isdecimal():
            yield Listener(owner, field, shown, bind.rpartition(":")[0], int(bind.rpartition(":")[2]))
        return
    default_port, default_host = DEFAULTS.get(name, (None, None))
    ports, hosts = PORT_OPTIONS[name]
    prefix = name.upper()
    variable = {"uvicorn": "UVICORN_PORT", "granian": "GRANIAN_PORT", "next": "PORT", "flask": "FLASK_RUN_PORT"}
    port = option(words, *ports) or values.get(variable.get(name, ""))
    host = option(words, *hosts) or values.get(f"{prefix}_HOST") or values.get("FLASK_RUN_HOST")
    number = int(port) if port and port.isdecimal() else None if port else default_port
    if name == "fastapi" and words[:1] == ["dev"]:
        default_host = "127.0.0.1"
    yield Listener(owner, field, shown, host or default_host, number)


def _of_nginx(view: ComponentView, pod: Pod, container: Container) -> Iterator[Listener]:
    """Yield the `listen` directives of the ConfigMaps that a container mounts below /etc/nginx."""
    values = environment(view, container)
    volumes = {text_at(volume, "name"): volume for volume in mappings_at(pod.spec, "volumes")}
    for mount in mappings_at(container.body, "volumeMounts"):
        if "nginx" not in text_at(mount, "mountPath"):
            continue
        for key, item in _files(view, volumes.get(text_at(mount, "name"), {})):
            text = mapping_at(item, "data").get(key)
            if not isinstance(text, str) or text_at(mount, "subPath") not in ("", key):
                continue
            for host, port, directive in _directives(text, values):
                yield Listener(object_ref(item), f"data.{key}", directive, host, port)


def _of_image(view: ComponentView, container: Container) -> Iterator[Listener]:
    """Yield the `listen` directives of the files that the image has of nginx, if that is what it runs."""
    chart = view.snapshot.chart
    context = chart.build_contexts.get(view.component_name or "") if chart else None
    _, argv, values = command_line(view, container)
    if context is None or (argv and not any(program(words) == "nginx" for words in _commands(argv))):
        return
    for file, text in context.nginx.items():
        for host, port, directive in _directives(text, values):
            yield Listener(f"{view.component_name}'s Dockerfile", file, directive, host, port)


def _commands(argv: Sequence[str]) -> list[list[str]]:
    try:
        return list(simple_commands(argv))
    except ValueError:
        return []


def _directives(text: str, values: Mapping[str, str]) -> Iterator[tuple[str, int | None, str]]:
    """Yield host, port, if it is known, and text of each `listen` directive."""
    for directive in LISTEN.findall(COMMENT.sub("", text)):
        address = re.sub(r"\$\{(\w+)\}", lambda match: values.get(match[1], match[0]), directive.split()[0])
        host, _, port = address.rpartition(":")
        if address.startswith("unix:"):
            continue
        known = int(port) if port.isdecimal() else None
        if known is None and "$" not in port:
            host, known = address, 80
        yield host or "", known, f"listen {directive.strip()}"


def _files(view: ComponentView, volume: Object) -> Iterator[tuple[str, Object]]:
    for source in (volume, *mappings_at(volume, "projected.sources")):
        item = view.named("ConfigMap", text_at(source, "configMap.name"))
        if item is not None:
            yield from ((str(key), item) for key in mapping_at(item, "data"))


def migrates_nothing(container: Container) -> str:
    """Return an init container's command if nothing in it can migrate a database, otherwise an empty string."""
    argv = [*_texts(container, "command"), *_texts(container, "args")]
    try:
        commands = list(simple_commands(argv)) if _texts(container, "command") else []
    except ValueError:
        return ""
    if commands and all(_only_reads(words) for words in commands):
        return " ".join(argv)
    return ""


def _only_reads(words: Sequence[str]) -> bool:
    reading = READING.get(program(words))
    return program(words) in WAITING or (reading is not None and reading.search(" ".join(words)) is not None)
