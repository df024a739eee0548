"""Objects of one namespace as the API server's JSON has them: listed, or watched from a version on."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any

from kubernetes import client

from acceptance.fields import Object

CONNECT_SECONDS = 5
LIST_SECONDS = 30
SILENT_SECONDS = 7200
"""For which a container may print nothing and yet be followed; longer than a run."""
KINDS = {
    "Pod": (client.CoreV1Api, "pod"),
    "Deployment": (client.AppsV1Api, "deployment"),
    "ReplicaSet": (client.AppsV1Api, "replica_set"),
    "EndpointSlice": (client.DiscoveryV1Api, "endpoint_slice"),
    "Event": (client.CoreV1Api, "event"),
    "HorizontalPodAutoscaler": (client.AutoscalingV2Api, "horizontal_pod_autoscaler"),
}


@dataclass(frozen=True)
class Listing:
    """The objects of a kind, and the version of the whole from which a watch can go on."""

    version: str
    objects: tuple[Object, ...]


class Objects:
    """Reads objects of one namespace."""

    def __init__(self, api: client.ApiClient, namespace: str) -> None:
        self._api = api
        self._namespace = namespace

    def list(self, kind: str) -> Listing:
        answer = self._call(kind)(
            self._namespace, _preload_content=False, _request_timeout=(CONNECT_SECONDS, LIST_SECONDS)
        )
        document = json.loads(answer.data)
        return Listing(document["metadata"]["resourceVersion"], tuple(document["items"] or ()))

    def watch(self, kind: str, version: str, seconds: int, silence: float) -> Iterator[dict[str, Any]]:
        """Watch events after `version` for `seconds`; the server then ends the stream.

        Raises urllib3's `ReadTimeoutError` where nothing, not even the end, was heard for `silence` seconds.
        """
        answer = self._call(kind)(
            self._namespace,
            watch=True,
            resource_version=version,
            allow_watch_bookmarks=True,
            timeout_seconds=seconds,
            _preload_content=False,
            _request_timeout=(CONNECT_SECONDS, silence),
        )
        try:
            for line in answer:
                yield json.loads(line)
        finally:
            answer.close()

    def log(self, pod: str, container: str) -> Iterator[bytes]:
        """The lines of a container's log from its start, as they are written, until the container ends."""
        read: Callable[..., Any] = client.CoreV1Api(self._api).read_namespaced_pod_log
        answer = read(
            pod,
            self._namespace,
            container=container,
            follow=True,
            _preload_content=False,
            _request_timeout=(CONNECT_SECONDS, SILENT_SECONDS),
        )
        try:
            yield from answer
        finally:
            answer.close()

    def _call(self, kind: str) -> Callable[..., Any]:
        api, name = KINDS[kind]
        call: Callable[..., Any] = getattr(api(self._api), f"list_namespaced_{name}")
        return call
