"""Collects the problems of a namespace for the report of a failed test."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

from kubernetes import client
from kubernetes.client.exceptions import ApiException
from urllib3.exceptions import HTTPError

from acceptance.core.fields import Object, at, mapping_at, mappings_at, name_of, text_at
from acceptance.kube import diagnosis
from acceptance.kube.client import TIMEOUT, Objects
from acceptance.kube.status import has_condition, statuses

RECENT = timedelta(minutes=10)
"""The time limit of a test: an older restart did not happen during the failed test."""
LOG_LINES = 40
REMOVED = "unable to retrieve container logs"
"""The kubelet's answer, with status 200, for the log of a container that is already removed."""
EVENTS = 25


def is_unhealthy(pod: Object) -> bool:
    """Return whether a pod is not Ready or restarted recently."""
    if at(pod, "status.phase") == "Succeeded":
        return False
    return not has_condition(pod, "Ready") or any(map(restarted, statuses(pod)))


def restarted(status: Object) -> bool:
    """Return whether the container's previous instance terminated within `RECENT`."""
    try:
        ended = datetime.fromisoformat(text_at(status, "lastState.terminated.finishedAt"))
    except ValueError:
        return False
    return datetime.now(UTC) - ended < RECENT


def describe(pod: Object) -> str:
    """Describe a pod: its phase, its conditions that are not True, and the state of each container."""
    lines = [f"Pod/{name_of(pod)}: {text_at(pod, 'status.phase')} on {text_at(pod, 'spec.nodeName') or 'no node'}"]
    lines += [
        f"  {entry['type']} is {entry.get('status')}: {entry.get('reason', '')} {entry.get('message', '')}".rstrip()
        for entry in mappings_at(pod, "status.conditions")
        if entry.get("status") != "True"
    ]
    for status in statuses(pod):
        states = mapping_at(status, "state")
        descriptions = [
            f"{state} {text_at(states, f'{state}.reason')}: {text_at(states, f'{state}.message')}" for state in states
        ]
        state = ", ".join(text.rstrip(": ") for text in descriptions)
        lines.append(f"  container {text_at(status, 'name')}: {state}, restarts {status.get('restartCount')}")
    return "\n".join(lines)


def logs(api: client.CoreV1Api, pod: Object) -> dict[str, str]:
    """Return the last log lines of each started container of a pod, and of its previous instance if it restarted."""
    found = {}
    for status in statuses(pod):
        if not status.get("containerID"):
            continue
        for previous in (True, False) if status.get("restartCount") else (False,):
            title = f"log of {name_of(pod)} {text_at(status, 'name')}" + (", previous" if previous else "")
            try:
                found[title] = api.read_namespaced_pod_log(
                    name_of(pod),
                    at(pod, "metadata.namespace"),
                    container=text_at(status, "name"),
                    previous=previous,
                    tail_lines=LOG_LINES,
                    _request_timeout=TIMEOUT,
                )
            except ApiException as error:
                found[title] = f"no log: {error.reason}"
    return {title: text for title, text in found.items() if text and not text.startswith(REMOVED)}


def collect(api: client.ApiClient, namespace: str) -> dict[str, str]:
    """Return texts by title: the cause, the unhealthy pods, warning events, and the unhealthy pods' logs."""
    objects = Objects(api, namespace)
    try:
        every_pod = objects.list("Pod").objects
        pods = [pod for pod in every_pod if is_unhealthy(pod)]
        healthy = {at(pod, "metadata.uid") for pod in every_pod if not is_unhealthy(pod)}
        events = [
            event
            for event in objects.list("Event").objects
            if event.get("type") == "Warning" and at(event, "involvedObject.uid") not in healthy
        ]
        cause = diagnosis.first_cause(pods, objects.list("ReplicaSet").objects, events)
        log = {title: text for pod in pods for title, text in logs(client.CoreV1Api(api), pod).items()}
    except (ApiException, HTTPError) as error:
        return {f"namespace {namespace}": f"could not be read: {type(error).__name__}: {error}"}
    if not pods and not events and cause is None:
        return {f"namespace {namespace}": "no problems found"}
    lines = [cause or "no blocking cause found", *map(describe, pods)]
    events.sort(key=lambda event: text_at(event, "lastTimestamp") or text_at(event, "metadata.creationTimestamp"))
    lines += [
        f"{text_at(event, 'involvedObject.kind')}/{text_at(event, 'involvedObject.name')}: "
        f"{text_at(event, 'reason')}: {text_at(event, 'message')}"
        for event in events[-EVENTS:]
    ]
    return {f"namespace {namespace}": "\n".join(lines), **log}
