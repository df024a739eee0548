"""Which Deployment is the backend and which the frontend, by what each uses, runs, serves and is called."""

from __future__ import annotations

import itertools
import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Any

from acceptance.chart.proposal.vocabulary import rank, words
from acceptance.core.fields import Object, at, list_at, mapping_at, mappings_at, name_of, text_at
from acceptance.core.target import COMPONENTS, CREDENTIALS, ComponentName
from acceptance.kube.pod_templates import Container, EnvVar, Pod, environment, image_reference, pod_of
from acceptance.kube.secrets import decoded

NAMES = {
    "backend": {"backend", "api", "server", "fastapi", "be", "rest"},
    "frontend": {"frontend", "web", "ui", "client", "next", "nextjs", "fe", "webapp", "site"},
}
PROGRAMS = {
    "backend": {"uvicorn", "gunicorn", "hypercorn", "fastapi", "python", "alembic", "flask", "granian"},
    "frontend": {"next", "npm", "yarn", "pnpm", "node", "nextjs"},
}
ADD_ONS = frozenset(
    "postgres postgresql pgvector redis valkey memcached mysql mariadb mongo mongodb rabbitmq kafka zookeeper redpanda "
    "strimzi nats minio ollama prometheus grafana loki jaeger zipkin collector otel alertmanager exporter traefik "
    "ingress pgadmin adminer pgbouncer mailhog mailpit vault elasticsearch kibana dapr daprd keda certmanager "
    "metrics operator".split()
)
"""Words in the names of what an application needs and is not."""
SERVICES = frozenset(
    "mcp notification notifications notifier reminder reminders recurring scheduler worker workers celery beat audit "
    "consumer producer cron job jobs migrate migration migrations seed backup mailer email websocket realtime sync "
    "analytics docs proxy".split()
)
"""Words in the names of an application's further services."""
BACKEND_PORTS = {8000: 3, 8080: 1, 8001: 1, 5000: 1, 7860: 1, 4000: 1}
FRONTEND_PORTS = {3000: 3, 80: 1, 8080: 1, 3001: 1}
ENOUGH = 5
"""The least score with which a Deployment is taken for a component."""
URL_HOST = re.compile(r"[a-z][a-z0-9+.-]*://(?:[^@/\s]*@)?([A-Za-z0-9-]+)")


@dataclass(frozen=True)
class Workload:
    """A Deployment with what its containers are given."""

    pod: Pod
    objects: Sequence[Object]

    @property
    def name(self) -> str:
        """The Deployment's name."""
        return self.pod.name

    @cached_property
    def main(self) -> Container | None:
        """The container that serves: the one with the most variables among those with a port."""
        serving = [each for each in self.pod.containers() if not each.init]
        ported = [each for each in serving if each.ports()] or serving
        return max(ported, key=self._likeness, default=None)

    def _likeness(self, container: Container) -> tuple[int, int]:
        name = {*words(container.name), *words(image_reference(container.image)[0].rpartition("/")[2])}
        return -len(name & (ADD_ONS | SERVICES | {"sidecar", "nginx", "envoy"})), len(self.variables(container))

    def variables(self, container: Container) -> list[EnvVar]:
        """Return a container's variables, `envFrom` resolved."""
        keys = {
            (kind, name_of(item)): [str(key) for part in ("data", "stringData") for key in mapping_at(item, part)]
            for item in self.objects
            if (kind := text_at(item, "kind")) in ("ConfigMap", "Secret")
        }
        return list(environment(container, keys))

    @cached_property
    def main_variables(self) -> list[EnvVar]:
        """The variables of the main container."""
        return self.variables(self.main) if self.main else []

    @cached_property
    def all_variables(self) -> list[EnvVar]:
        """The variables of every container, the main container's first."""
        others = [each for each in self.pod.containers() if self.main is None or each.field != self.main.field]
        return [*self.main_variables, *(variable for each in others for variable in self.variables(each))]

    def mounted(self, kind: str) -> list[str]:
        """Return the names of the ConfigMaps or Secrets that the pod mounts."""
        field = "configMap.name" if kind == "ConfigMap" else "secret.secretName"
        volumes = mappings_at(self.pod.spec, "volumes")
        projected = [source for volume in volumes for source in mappings_at(volume, "projected.sources")]
        inner = "configMap.name" if kind == "ConfigMap" else "secret.name"
        found = [text_at(volume, field) for volume in volumes] + [text_at(source, inner) for source in projected]
        return [name for name in dict.fromkeys(found) if name]

    def used(self, kind: str) -> list[str]:
        """Return the names of the ConfigMaps or Secrets that the pod's containers use, the most used first."""
        names = [each.source_name for each in self.all_variables if each.source == kind and each.source_name]
        field = "configMapRef.name" if kind == "ConfigMap" else "secretRef.name"
        whole = [text_at(entry, field) for each in self.pod.containers() for entry in mappings_at(each.body, "envFrom")]
        counted = sorted(dict.fromkeys(names), key=lambda name: -names.count(name))
        return [name for name in dict.fromkeys([*counted, *whole, *self.mounted(kind)]) if name]

    @cached_property
    def services(self) -> list[Object]:
        """The Services that select the pod: those with an address of their own first, those for metrics last."""
        found = [
            item
            for item in self.objects
            if text_at(item, "kind") == "Service"
            and (selector := dict(mapping_at(item, "spec.selector")))
            and selector.items() <= dict(self.pod.labels).items()
        ]
        measures = {"metrics", "monitoring", "prometheus", "exporter"}
        return sorted(
            found, key=lambda item: (bool(measures & {*words(name_of(item))}), at(item, "spec.clusterIP") == "None")
        )

    @cached_property
    def texts(self) -> list[str]:
        """Every text that the main container is given: literals, and what it takes from ConfigMaps and Secrets."""
        return [text for variable in self.main_variables if (text := value_of(variable, self.objects))] + [
            str(text)
            for name in self.mounted("ConfigMap")
            for item in self.objects
            if text_at(item, "kind") == "ConfigMap" and name_of(item) == name
            for text in mapping_at(item, "data").values()
        ]

    def points_at(self, other: Workload) -> bool:
        """Whether a text of the main container has a URL of one of the other's Services."""
        names = {name_of(item) for item in other.services}
        return any(host in names for text in self.texts for host in URL_HOST.findall(text))


def value_of(variable: EnvVar, objects: Sequence[Object]) -> str | None:
    """Return a variable's value, or None if no object of the rendering defines it."""
    if variable.source == "literal":
        return None if variable.value is None else str(variable.value)
    for item in objects:
        if text_at(item, "kind") == variable.source and name_of(item) == variable.source_name:
            if variable.source == "Secret":
                return decoded(item).get(variable.key)
            value: Any = mapping_at(item, "data").get(variable.key)
            return None if value is None else str(value)
    return None


def workloads(objects: Sequence[Object]) -> list[Workload]:
    """Return the Deployments of a rendering."""
    return [
        Workload(pod, objects)
        for item in objects
        if text_at(item, "kind") == "Deployment" and (pod := pod_of(item)) is not None
    ]


def _evidence(role: ComponentName, workload: Workload) -> Iterator[int]:
    """Yield points for each sign that the Deployment has the role; negative points speak against it."""
    own = _own_words(workload)
    containers = [each for each in workload.pod.containers() if not each.init]
    named = {word for each in containers for word in (*words(each.name), *words(image_reference(each.image)[0]))}
    labels = {word for value in workload.pod.labels.values() for word in words(str(value))}
    yield 5 * bool(own & NAMES[role]) + 2 * bool(labels & NAMES[role]) + 2 * bool(named & NAMES[role])
    yield -4 * bool(own & SERVICES) - 20 * bool(own & ADD_ONS)
    if workload.main is not None:
        image = set(words(image_reference(workload.main.image)[0].rpartition("/")[2]))
        yield -20 * bool(image & ADD_ONS) - 4 * bool(image & SERVICES)
        program = {
            word
            for part in ("command", "args")
            for text in list_at(workload.main.body, part)
            for word in words(str(text))
        }
        yield 3 * bool((program | image) & PROGRAMS[role])
        ports = set(workload.main.ports().values()) | {
            port
            for item in workload.services
            for each in mappings_at(item, "spec.ports")
            if isinstance(port := at(each, "port"), int)
        }
        table = BACKEND_PORTS if role == "backend" else FRONTEND_PORTS
        yield max((table.get(port, 0) for port in ports), default=0)
    yield 1 if workload.services else -3
    names = [variable.name for variable in workload.main_variables]
    public = any(re.match(r"(NEXT_PUBLIC_|VITE_|REACT_APP_|NUXT_)", name) for name in names)
    if role == "backend":
        yield -6 * public
        yield from (
            points * any(rank(name, meaning) for name in names)
            for meaning, points in zip((*CREDENTIALS, "cors_origins"), (4, 3, 6, 3), strict=True)
        )
        yield 4 * any(migrates(each) for each in workload.pod.containers() if each.init)
        yield (
            4
            * any(
                at(item, "spec.scaleTargetRef.name") == workload.name
                for item in workload.objects
                if text_at(item, "kind") == "HorizontalPodAutoscaler"
            )
            * (not own & NAMES["frontend"])
        )
    else:
        yield 6 * public + 3 * any(rank(name, "public_url") for name in names)
        yield -4 * any(rank(name, "model_key") for name in names)
        yield -3 * any(migrates(each) for each in workload.pod.containers() if each.init)


def _own_words(workload: Workload) -> set[str]:
    """Return the words of the Deployment's name without those that every Deployment's name has."""
    others = [set(words(each.name)) for each in workloads(workload.objects)]
    shared = set.intersection(*others) if len(others) > 1 else set()
    return set(words(workload.name)) - shared


def migrates(container: Container) -> bool:
    """Whether a container's name or command speaks of migrating a database."""
    text = " ".join(
        [container.name, *(str(each) for key in ("command", "args") for each in list_at(container.body, key))]
    )
    return re.search(r"migrat|alembic|prisma|flyway|init-?db", text.lower()) is not None


def assign(candidates: Sequence[Workload]) -> dict[ComponentName, Workload]:
    """Return the Deployment of each role that one has: the pair with the best evidence together."""
    points = {role: {each.name: sum(_evidence(role, each)) for each in candidates} for role in COMPONENTS}
    options: list[Workload | None] = [*candidates, None]
    best: tuple[int, dict[ComponentName, Workload]] = (0, {})
    for backend, frontend in itertools.permutations(options, 2):
        chosen: dict[ComponentName, Workload] = {}
        if backend is not None:
            chosen["backend"] = backend
        if frontend is not None:
            chosen["frontend"] = frontend
        scores = [points[role][workload.name] for role, workload in chosen.items()]
        if backend is not None and frontend is not None:
            scores[1] += 4 * frontend.points_at(backend) - 3 * backend.points_at(frontend)
        if all(score >= ENOUGH for score in scores) and sum(scores) > best[0]:
            best = (sum(scores), chosen)
    return best[1]
