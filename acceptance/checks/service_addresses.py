"""Addresses of Services in settings: URLs, host and port pairs and proxy targets, resolved as the cluster's DNS would.

A host name is a Service's if it is below `.svc`, names a namespace of the release, or has one label. A name of one
label may also be known outside the cluster, so it is dead only where the setting is for a component of the release.
A name below the cluster's domain that has not the form of a Service's or a pod's is dead.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from difflib import SequenceMatcher
from itertools import chain
from typing import Literal

from acceptance.checks.component_view import ComponentView
from acceptance.core.fields import Object, at, mapping_at, mappings_at, name_of, object_ref, text_at
from acceptance.core.urls import DEFAULT_PORTS, URL, split
from acceptance.kube.pod_templates import Container, Pod, pod_of
from acceptance.kube.secrets import decoded

HOST = re.compile(r"(?=.*[a-z])[a-z0-9_]([-a-z0-9_]*[a-z0-9_])?(\.[a-z0-9_]([-a-z0-9_]*[a-z0-9_])?)*\.?")
HOST_AND_PORT = re.compile(r"([A-Za-z0-9._-]+):(\d{1,5})(/\S*)?")
WITH_PORT = re.compile(r"(?<![\w./:@-])([A-Za-z][A-Za-z0-9._-]*):(\d{1,5})(?![\w.:@-])")
"""Host and port without a scheme, among the words of a command."""
UPSTREAM = re.compile(r"\bupstream\s+([\w.-]+)\s*\{([^}]*)\}")
UPSTREAM_SERVER = re.compile(r"\bserver\s+([\w.-]+)(?::(\d+))?")
PROXY = re.compile(r"\b(?:proxy_pass|upstream|reverse_proxy)\b")
"""A directive of nginx or Caddy that passes requests on."""
COMMENT = re.compile(r"^\s*(#|//|;|--|/?\*|<!--).*$|\s#\s.*$", re.MULTILINE)
REFERENCE = re.compile(r"\$(\$?)\(([A-Za-z_][A-Za-z0-9_.-]*)\)")
STORES = {"amqp": 5672, "amqps": 5671, "postgres": 5432, "postgresql": 5432, "redis": 6379, "rediss": 6379}
PORTS = {**DEFAULT_PORTS, **STORES}
ANY_URL = re.compile(rf"{URL.pattern}|\b(?:{'|'.join(STORES)})(?:\+\w+)?://[^\s\"'<>,]+")
"""A URL of the web, of a database or of a queue."""
HOST_NAME = re.compile(r"(?i)(.*?)_?(?:HOST|HOSTNAME|ADDR|ADDRESS)")
ADDRESS_NAME = re.compile(r"(?i).*(?:HOST|ADDR|ADDRESS|ENDPOINT|URL|URI|UPSTREAM|SERVER|TARGET|PROXY|BACKEND|API)")
WORD = re.compile(r"[A-Z]?[a-z]+|[A-Z]+(?![a-z])|\d+")

CLUSTER_DOMAIN = "cluster.local"
LOCAL_HOSTS = ("localhost", "host", "kubernetes")
DOMAINS = {
    *("local", "localhost", "localdomain", "test", "internal", "lan", "home", "example", "invalid"),
    *("app", "dev", "com", "org", "net", "io", "ai", "cloud", "run", "site", "page", "tech", "co"),
}
"""Last labels of two that are more likely a domain's than a namespace's."""
DOCUMENTS = (".md", ".txt", ".rst", ".html", ".htm")
ORIGINS = {"cors", "origin", "origins", "allowed", "trusted", "redirect", "public", "vite", "react"}
"""Words in the name of a setting that is for browsers."""
PLAIN = {
    *("api", "backend", "frontend", "server", "service", "internal", "base", "root", "url", "uri", "host", "hostname"),
    *("endpoint", "address", "addr", "upstream", "proxy", "target", "todo", "chat", "chatbot", "task", "tasks", "http"),
    *("rest", "fastapi", "ssr", "app", "web", "ui", "next", "port", "name", "domain"),
}
"""Words in the name of a setting that is for a component of the release and nothing else."""


@dataclass(frozen=True)
class Setting:
    """A text that may contain addresses; `name` is its variable or key, empty for a command."""

    object: str
    field: str
    name: str
    text: str
    namespace: str


@dataclass(frozen=True)
class Address:
    """A host and a port in a setting; `port` is None where only the host is stated."""

    setting: Setting
    host: str
    port: int | None


Verdict = Literal["service", "outside", "elsewhere", "dead", "other namespace"]


@dataclass(frozen=True)
class Resolved:
    """What an address leads to.

    `service` is a Service of the release; `outside` a name that the cluster does not resolve; `elsewhere` a Service of
    another namespace; `dead` no Service; `other namespace` the name of a Service in a namespace where it is not.
    """

    verdict: Verdict
    name: str = ""
    service: Object | None = None


def hosts(text: str, url: re.Pattern[str] = URL) -> Iterator[tuple[str, int | None]]:
    """Yield host and port of each URL, by default of the web, and upstream server in a text, outside comments."""
    if "\n" in text:
        text = COMMENT.sub("", text)
    upstreams = dict(UPSTREAM.findall(text))
    for match in url.finditer(text.replace("\\", " ")):
        parts = split(re.split(r"[;)\]}`|]", match.group())[0].rstrip("."))
        if parts and parts.hostname and parts.hostname not in upstreams:
            yield parts.hostname, parts.port or PORTS[parts.scheme.partition("+")[0]]
    for body in upstreams.values():
        for host, port in UPSTREAM_SERVER.findall(body):
            yield host.lower(), int(port or 80)


def is_name(host: str) -> bool:
    """Whether a host is a DNS name other than the pod's own."""
    return HOST.fullmatch(host) is not None and host not in LOCAL_HOSTS


def environment(view: ComponentView, container: Container) -> dict[str, str]:
    """Return the known values of the environment that a container's process gets."""
    values = {variable.name: view.value_of(variable) for variable in view.environment(container)}
    return {name: value for name, value in values.items() if value is not None}


def unknown_variables(view: ComponentView) -> Iterator[tuple[Setting, str]]:
    """Yield URLs in variables that refer by `$(NAME)` to no variable: the kubelet leaves the reference as it is."""
    for item in view.snapshot.objects:
        if (pod := pod_of(item)) is None:
            continue
        linked = at(pod.spec, "enableServiceLinks") is not False
        services = set(view.service_variables(view.namespaced(item))) if linked else set()
        for container in pod.containers():
            known = {entry.name for entry in view.declared_environment(container)}
            known -= {text_at(variable, "name") for variable in mappings_at(container.body, "env")}
            for variable in mappings_at(container.body, "env"):
                name, text = text_at(variable, "name"), text_at(variable, "value")
                for escaped, used in REFERENCE.findall(text):
                    if "://" in text and not escaped and used not in known | services:
                        yield Setting(pod.object, f"{container.field}.env[{name}]", name, text, ""), used
                known.add(name)


def settings(view: ComponentView) -> Iterator[Setting]:
    """Yield the texts of ConfigMaps, Secrets, literal variables and commands.

    Documents are left out, and so is what the run injected: a Secret's texts are those that the chart composes.
    """
    injected = set(view.snapshot.injected_values.values())
    for item in view.snapshot.of_kind("ConfigMap", "Secret"):
        texts = decoded(item) if text_at(item, "kind") == "Secret" else mapping_at(item, "data")
        for key, value in texts.items():
            if isinstance(value, str) and value not in injected and not str(key).endswith(DOCUMENTS):
                yield Setting(object_ref(item), f"data.{key}", str(key), value, view.namespaced(item))
    for item in view.snapshot.objects:
        if (pod := pod_of(item)) is not None:
            for container in pod.containers():
                yield from _of_container(view, pod, container, injected)


def _of_container(view: ComponentView, pod: Pod, container: Container, injected: set[str]) -> Iterator[Setting]:
    namespace = view.namespaced(pod.owner)
    values = environment(view, container)
    for variable in mappings_at(container.body, "env"):
        name, literal = text_at(variable, "name"), text_at(variable, "value")
        if literal and literal not in injected:
            yield Setting(pod.object, f"{container.field}.env[{name}]", name, values.get(name, literal), namespace)
    for field in ("command", "args"):
        for text in at(container.body, field) or []:
            if isinstance(text, str):
                yield Setting(pod.object, f"{container.field}.{field}", "", text, namespace)


def pairs(values: Mapping[str, str]) -> Iterator[tuple[str, str, int | None]]:
    """Yield name, host and port of variables without a scheme: `A_HOST` with `A_PORT`, or `host:port`."""
    for name, value in values.items():
        joined = HOST_AND_PORT.fullmatch(value)
        if joined and ADDRESS_NAME.fullmatch(name):
            yield name, joined.group(1).lower(), int(joined.group(2))
        elif (stem := HOST_NAME.fullmatch(name)) and HOST.fullmatch(value.lower()):
            port = values.get(f"{stem.group(1)}_PORT".lstrip("_"), values.get(f"{stem.group(1)}_SERVICE_PORT", ""))
            yield name, value.lower(), int(port) if port.isdecimal() else None


def addresses(view: ComponentView) -> Iterator[Address]:
    """Yield every address of the release's settings, each place once."""
    for setting in settings(view):
        for host, port in hosts(setting.text, ANY_URL):
            if is_name(host):
                yield Address(setting, host, port)
        for host, port in WITH_PORT.findall(setting.text) if not setting.name else ():
            # Other words have this form too, such as images and users.
            address = Address(setting, host.lower(), int(port))
            if is_name(address.host) and (".svc" in address.host or resolve(view, address).verdict == "service"):
                yield address
    for item in view.snapshot.objects:
        if (pod := pod_of(item)) is not None:
            for container in pod.containers():
                for name, host, port in pairs(environment(view, container)):
                    if is_name(host):
                        field = f"{container.field}.env[{name}]"
                        yield Address(Setting(pod.object, field, name, "", view.namespaced(item)), host, port)
    for item in view.snapshot.custom_objects:
        for name, host, port in pairs(options(item)):
            if is_name(host):
                setting = Setting(object_ref(item), f"spec.metadata[{name}]", name, "", view.namespaced(item))
                yield Address(setting, host, port)


def options(item: Object) -> dict[str, str]:
    """Return the options of a component of Dapr's, which are a list of names and values."""
    entries = mappings_at(item, "spec.metadata")
    return {text_at(each, "name"): text for each in entries if (text := text_at(each, "value"))}


def resolve(view: ComponentView, address: Address) -> Resolved:
    """Return what an address of a setting leads to."""
    services = {(name_of(item), view.namespaced(item)): item for item in view.snapshot.of_kind("Service")}
    namespaces = {view.target.chart.namespace, *(view.namespaced(item) for item in view.snapshot.objects)}
    labels = address.host.lower().rstrip(".").split(".")
    if is_malformed(labels):
        return Resolved("dead", labels[0])
    qualified = "svc" in labels[2:]
    if qualified:
        end = labels.index("svc", 2)
        name, namespace = labels[end - 2], labels[end - 1]
    elif len(labels) == 1:
        name, namespace = labels[0], address.setting.namespace
    elif len(labels) == 2:
        name, namespace = labels
    else:
        return Resolved("outside")
    if (found := services.get((name, namespace))) is not None:
        return Resolved("service", name, found)
    if namespace not in namespaces:
        known = any(each == name and address.port in ports_of(view, item) for (each, _), item in services.items())
        if qualified:
            return Resolved("other namespace" if known else "elsewhere", name)
        typed = known and address.port not in (80, 443) and namespace not in DOMAINS
        return Resolved("other namespace" if typed else "outside", name)
    domain = len(labels) == 2 and namespace in DOMAINS
    if (len(labels) > 1 and not domain) or (len(labels) == 1 and is_for_component(view, address, name)):
        return Resolved("dead", name)
    return Resolved("outside", name)


def is_malformed(labels: list[str]) -> bool:
    """Whether a host name is below the cluster's domain or a part of that, and names neither Service nor pod there."""
    if "svc" in labels[2:]:
        # The resolver completes what ends with `svc` alone; a cluster may have a domain of another name.
        domain = ".".join(labels[labels.index("svc", 2) + 1 :])
        return domain in CLUSTER_DOMAIN.split(".") or (domain != CLUSTER_DOMAIN and is_misspelt(domain, CLUSTER_DOMAIN))
    return ".".join(labels[-2:]) == CLUSTER_DOMAIN and "pod" not in labels


def ports_of(view: ComponentView, service: Object) -> list[int]:
    """Return the ports under which a Service's name answers; without an address of its own, those of its pods."""
    found: list[int] = []
    pods = [pod_of(item) for item in view.snapshot.objects] if at(service, "spec.clusterIP") == "None" else []
    selector = mapping_at(service, "spec.selector")
    selected = [pod for pod in pods if pod and selector and selector.items() <= dict(pod.labels).items()]
    for entry in mappings_at(service, "spec.ports"):
        port = at(entry, "port")
        target = at(entry, "targetPort")
        if selected and target is not None:
            port = next((each for pod in selected if (each := pod.ports().get(target)) is not None), target)
        if isinstance(port, int):
            found.append(port)
    return found


def words(name: str) -> set[str]:
    """Return the words of a variable's or key's name, in lower case."""
    return {word.lower() for word in WORD.findall(name)}


def is_for_component(view: ComponentView, address: Address, name: str) -> bool:
    """Whether a host name of one label can only be meant for a component: by the setting's name or its own."""
    said = words(address.setting.name)
    if said & ORIGINS:
        return False
    if said <= PLAIN and "backend" in said:
        return True
    services = view.snapshot.of_kind("Service")
    own = {name_of(item) for item in services}
    known = {port for item in services for port in ports_of(view, item)} | {None}
    if said <= PLAIN and said & {"api", "frontend"} and address.port in known:
        return True
    if PROXY.search(address.setting.text) and address.port in known - {None, 80, 443}:
        return True
    named = {component.deployment for component in view.target.components.values()}
    named |= {component.container for component in view.target.components.values()}
    named |= {component.service for component in view.target.components.values()}
    return name in named or any(is_misspelt(name, other) for other in chain(own, named))


def is_misspelt(name: str, other: str) -> bool:
    """Whether a name is another one with a slip, or with another ending for a Service."""

    def stem(text: str) -> str:
        return re.sub(r"[-_]?(service|svc)$", "", text).replace("_", "-")

    if stem(name) == stem(other) and stem(name):
        return True
    if re.sub(r"\d", "", name) == re.sub(r"\d", "", other) or len(name) < 6:
        return False
    return SequenceMatcher(None, name, other, autojunk=False).ratio() >= 0.92 and not re.search(r"\d$", name)
