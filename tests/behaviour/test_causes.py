"""A pod that can't run is reported with its cause: soon, in one sentence, and with nothing of what runs well."""

from __future__ import annotations

import secrets
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

import pytest

from acceptance.core.deadlines import DIAGNOSIS, RELEASE_READY
from acceptance.core.fields import at, name_of, text_at
from acceptance.core.wait import NotYet, WaitError, eventually
from acceptance.kube import diagnosis, diagnostics
from acceptance.kube.client import Objects
from acceptance.provision.cluster import Cluster
from acceptance.provision.provisioner import Provisioner

LAST_WORDS = "these are its last words"
RESTRICTED = {
    "allowPrivilegeEscalation": False,
    "capabilities": {"drop": ["ALL"]},
    "runAsNonRoot": True,
    "runAsUser": 1000,
    "seccompProfile": {"type": "RuntimeDefault"},
}
NOWHERE = "localhost:1/nothing:1"
"""An image of a registry that is not there."""


@dataclass(frozen=True)
class Illness:
    """What is wrong with a container or its volumes, and a part of the sentence that must tell so."""

    sentence: str
    container: dict[str, Any]
    volumes: tuple[dict[str, Any], ...] = ()


ILLNESSES = {
    "image": Illness(f"container main: the image {NOWHERE} can't be pulled", {"image": NOWHERE}),
    "secret": Illness(
        "container main can't be created: couldn't find key URL in Secret",
        {"env": [{"name": "URL", "valueFrom": {"secretKeyRef": {"name": "settings", "key": "URL"}}}]},
    ),
    "request": Illness(
        "can't be scheduled: 0/1 nodes are available: 1 Insufficient cpu", {"resources": {"requests": {"cpu": "1000"}}}
    ),
    "security": Illness("can't create its pods: violates PodSecurity \"restricted", {"securityContext": {}}),
    "crash": Illness(
        "container main is crash-looping: Error, exit code 3",
        {"command": ["sh", "-c", f"echo {LAST_WORDS}; exit 3"]},
    ),
    "command": Illness("container main can't be started: unable to start container", {"command": ["/nonexistent"]}),
    "volume": Illness(
        'configmap "nothing" not found',
        {"volumeMounts": [{"name": "files", "mountPath": "/files"}]},
        ({"name": "files", "configMap": {"name": "nothing"}},),
    ),
}


@dataclass(frozen=True)
class Told:
    """What was said of an illness: after how many seconds of its being knowable, and the evidence."""

    sentence: str
    seconds: float
    evidence: dict[str, str]


def deployment(namespace: str, name: str, image: str, illness: Illness | None = None) -> dict[str, Any]:
    container = {
        "name": "main",
        "image": image,
        "imagePullPolicy": "IfNotPresent",
        "command": ["microsocks", "-p", "1080"],
        "securityContext": RESTRICTED,
        "resources": {"requests": {"cpu": "10m", "memory": "16Mi"}},
        **(illness.container if illness else {}),
    }
    labels = {"name": name}
    pod = {
        "automountServiceAccountToken": False,
        "terminationGracePeriodSeconds": 1,
        "containers": [container],
        "volumes": list(illness.volumes) if illness else [],
    }
    return {
        "apiVersion": "apps/v1",
        "kind": "Deployment",
        "metadata": {"name": name, "namespace": namespace},
        "spec": {
            "minReadySeconds": 5,  # one that crashes is Ready for a moment
            "selector": {"matchLabels": labels},
            "template": {"metadata": {"labels": labels}, "spec": pod},
        },
    }


def objects(namespace: str, image: str, illness: Illness) -> list[dict[str, Any]]:
    """A namespace with a Deployment that is ill, and one that is well."""
    enforced = {"pod-security.kubernetes.io/enforce": "restricted"}
    return [
        {"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": namespace, "labels": enforced}},
        {"apiVersion": "v1", "kind": "Secret", "metadata": {"name": "settings", "namespace": namespace}},
        deployment(namespace, "well", image),
        deployment(namespace, "ill", image, illness),
    ]


def wait_ready(cluster: Cluster, namespace: str) -> Told:
    """Wait for what can't come, as for a release."""
    seen = Objects(cluster.api, namespace)

    def probe() -> None:
        lacking = [
            name_of(each) for each in seen.list("Deployment").objects if not at(each, "status.availableReplicas")
        ]
        if lacking:
            raise NotYet(f"no pod of {', '.join(lacking)} is available")

    with pytest.raises(WaitError) as raised:
        eventually("every pod to be available", probe, RELEASE_READY, cause=lambda: diagnosis.current_cause(seen))
    told = time.time()
    return Told(str(raised.value), told - knowable(seen), diagnostics.collect(cluster.api, namespace))


def knowable(seen: Objects) -> float:
    """When the first warning came, in seconds since the epoch."""
    moments = [
        text_at(event, "firstTimestamp") or text_at(event, "eventTime") or text_at(event, "metadata.creationTimestamp")
        for event in seen.list("Event").objects
        if event.get("type") == "Warning"
    ]
    return min(datetime.fromisoformat(moment).astimezone(UTC).timestamp() for moment in moments)


@pytest.fixture(scope="module")
def diagnoses(cluster: Cluster, provisioner: Provisioner) -> Iterator[dict[str, Told]]:
    """All illnesses side by side, each in a namespace of its own."""
    cluster.require_capability("releases")
    image = provisioner.tools().reference
    cluster.load_image(image)
    mark = secrets.token_hex(2)
    namespaces = {name: f"{cluster.run.namespace}-{name}-{mark}" for name in ILLNESSES}
    try:
        made = [each for name, illness in ILLNESSES.items() for each in objects(namespaces[name], image, illness)]
        cluster.apply(*made)
        with ThreadPoolExecutor(len(namespaces)) as pool:
            waits = {name: pool.submit(wait_ready, cluster, namespace) for name, namespace in namespaces.items()}
            yield {name: wait.result() for name, wait in waits.items()}
    finally:
        cluster.kubectl("delete", "namespace", "--ignore-not-found", "--wait=false", *namespaces.values())


@pytest.mark.rule("POD-03")
@pytest.mark.parametrize("illness", ILLNESSES)
def test_why_a_pod_can_not_run_is_told_in_one_sentence(
    diagnoses: dict[str, Told], illness: str, record_measurement: Callable[[str, float, str, str], None]
) -> None:
    seen = diagnoses[illness]
    record_measurement(f"cause told: {illness}", seen.seconds, "s", DIAGNOSIS.source)
    assert ILLNESSES[illness].sentence in seen.sentence
    assert "\n" not in seen.sentence
    assert seen.seconds <= DIAGNOSIS.seconds


@pytest.mark.rule("POD-03")
@pytest.mark.parametrize("illness", ILLNESSES)
def test_evidence_is_of_what_is_ill_alone(diagnoses: dict[str, Told], illness: str) -> None:
    found = diagnoses[illness].evidence
    everything = "\n".join([*found, *found.values()])
    assert ILLNESSES[illness].sentence in everything.splitlines()[len(found)]
    assert "/ill-" in everything
    assert "well-" not in everything


@pytest.mark.rule("POD-03")
def test_the_log_of_the_last_life_is_evidence(diagnoses: dict[str, Told]) -> None:
    logs = {text.strip() for title, text in diagnoses["crash"].evidence.items() if title.startswith("log of ")}
    assert logs == {LAST_WORDS}
