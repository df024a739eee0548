"""Reads objects from the API server as plain JSON: lists, watches, logs, and dry runs."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from http import HTTPStatus
from typing import Any

from kubernetes import client

from acceptance.core.fields import Object, mappings_at, name_of, text_at
from acceptance.kube.schema import document, kind_of

CONNECT_SECONDS = 5
LIST_SECONDS = 30
TIMEOUT = (CONNECT_SECONDS, LIST_SECONDS)
"""Connect and read timeout of one request to the API server, in seconds."""
SILENT_SECONDS = 7200
"""Read timeout of a followed log; longer than a run, since a container may print nothing."""
KINDS = {
    "Pod": ("CoreV1Api", "pod"),
    "Deployment": ("AppsV1Api", "deployment"),
    "ReplicaSet": ("AppsV1Api", "replica_set"),
    "EndpointSlice": ("DiscoveryV1Api", "endpoint_slice"),
    "Event": ("CoreV1Api", "event"),
    "HorizontalPodAutoscaler": ("AutoscalingV2Api", "horizontal_pod_autoscaler"),
}
"""The client's class for each kind, by name since importing it is slow, and the kind as its methods' names have it."""


@dataclass(frozen=True)
class Listing:
    """The objects of a kind, and the resource version of the list, from which a watch can start."""

    version: str
    objects: tuple[Object, ...]

    @property
    def by_name(self) -> dict[str, Object]:
        """The objects by their names."""
        return {name_of(item): item for item in self.objects}


class Objects:
    """Reads objects of one namespace, and logs of its containers."""

    def __init__(self, api: client.ApiClient, namespace: str) -> None:
        self._api = api
        self._namespace = namespace

    def list(self, kind: str) -> Listing:
        """List the objects of a kind."""
        answer = self._call(kind)(self._namespace, _preload_content=False, _request_timeout=TIMEOUT)
        document = json.loads(answer.data)
        return Listing(document["metadata"]["resourceVersion"], tuple(document["items"] or ()))

    def watch(self, kind: str, version: str, seconds: int, silence: float) -> Iterator[dict[str, Any]]:
        """Yield the watch events after `version` for `seconds`; the server then ends the stream.

        Raises:
            urllib3.exceptions.ReadTimeoutError: Nothing was received for `silence` seconds.
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

    def log(self, pod: str, container: str, *, previous: bool = False) -> Iterator[bytes]:
        """Yield the lines of a container's log, each after its moment, from its start until the container terminates.

        That is the instance that runs now or, with `previous`, the one before it.
        """
        read: Callable[..., Any] = client.CoreV1Api(self._api).read_namespaced_pod_log
        answer = read(
            pod,
            self._namespace,
            container=container,
            follow=not previous,
            previous=previous,
            timestamps=True,
            _preload_content=False,
            _request_timeout=(CONNECT_SECONDS, SILENT_SECONDS),
        )
        try:
            yield from answer
        finally:
            answer.close()

    def tail(self, pod: str, container: str, lines: int) -> str:
        """Return the last lines of a container's log."""
        core = client.CoreV1Api(self._api)
        return str(
            core.read_namespaced_pod_log(
                pod, self._namespace, container=container, tail_lines=lines, _request_timeout=TIMEOUT
            )
        )

    def data(self, kind: str, name: str) -> Mapping[str, str]:
        """Return the data of a ConfigMap, or of a Secret, whose values are base64; empty where it does not exist.

        Raises:
            ApiException: It must not be read, or the server could not answer.
        """
        core = client.CoreV1Api(self._api)
        read = core.read_namespaced_secret if kind == "Secret" else core.read_namespaced_config_map
        try:
            found = read(name, self._namespace, _request_timeout=TIMEOUT)
        except client.ApiException as error:
            if error.status != HTTPStatus.NOT_FOUND:
                raise
            return {}
        return {key: str(value) for key, value in (found.data or {}).items()}

    def _call(self, kind: str) -> Callable[..., Any]:
        api, name = KINDS[kind]
        call: Callable[..., Any] = getattr(getattr(client, api)(self._api), f"list_namespaced_{name}")
        return call


METRICS_API = "/apis/metrics.k8s.io/v1beta1"
"""Where a HorizontalPodAutoscaler reads the use of CPU and memory; metrics-server serves it."""
UNAVAILABLE = (HTTPStatus.TOO_MANY_REQUESTS, HTTPStatus.SERVICE_UNAVAILABLE, HTTPStatus.GATEWAY_TIMEOUT)
"""Statuses of a server that is overloaded or not ready, whatever was asked."""
MISSING = (HTTPStatus.FORBIDDEN, HTTPStatus.NOT_FOUND)
"""Statuses of what does not exist, or must not be read."""


class ApiServer:
    """Raw requests to the API server, so that objects keep the shape of their JSON."""

    def __init__(self, api: client.ApiClient) -> None:
        self._api = api

    def call(
        self,
        method: str,
        path: str,
        query: Mapping[str, str] | None = None,
        body: object = None,
        content_type: str = "application/json",
    ) -> tuple[int, Any]:
        """Send a request; return the status and the JSON document (or text) of the response."""
        request = self._api.param_serialize(
            method,
            path,
            query_params=list((query or {}).items()),
            header_params={"Accept": "application/json, */*", "Content-Type": content_type},
            body=body,
            auth_settings=["BearerToken"],
        )
        answer = self._api.call_api(*request, _request_timeout=TIMEOUT)
        content = answer.read() or b""
        try:
            return answer.status, json.loads(content)
        except ValueError:
            return answer.status, content.decode("utf-8", "replace")

    def serves_metrics(self) -> bool:
        """Return whether the cluster serves the metrics of its pods."""
        return self.call("GET", METRICS_API)[0] == HTTPStatus.OK

    def items(self, path: str) -> tuple[Object, ...]:
        """Return the items of a list; empty if the server does not know the list or does not permit to read it.

        Raises:
            ApiException: The server could not answer, which must not look like an empty list.
        """
        return tuple(mappings_at(self._read(path), "items"))

    def get(self, item: Object, namespace: str) -> Object | None:
        """Return the live object, or None if it does not exist or must not be read.

        Raises:
            ApiException: The server could not answer, which must not look like a missing object.
        """
        answer = self._read(object_path(item, namespace))
        return answer if isinstance(answer, dict) else None

    def _read(self, path: str) -> Any:
        status, answer = self.call("GET", path)
        if status in MISSING:
            return None
        if status != HTTPStatus.OK:
            raise client.ApiException(status=status, reason=f"no answer to GET {path}")
        return answer

    def refusal(self, item: Object, namespace: str, *, create: bool) -> str | None:
        """Return the server's message if it rejects the object with dryRun=All, else None.

        Args:
            item: The object.
            namespace: Its namespace if it names none.
            create: Whether to create the object; otherwise it is applied to the existing one.

        Raises:
            ApiException: The server was not available, so it judged nothing.
        """
        query = {"dryRun": "All", "fieldManager": "acceptance", "fieldValidation": "Strict"}
        if create:
            status, answer = self.call("POST", collection(item, namespace), query, item)
            if status == 409:  # it exists already; everything else was accepted
                return None
        else:
            kind = "application/apply-patch+yaml"
            status, answer = self.call("PATCH", object_path(item, namespace), query | {"force": "true"}, item, kind)
        if status < 300:
            return None
        message = text_at(answer, "message") or f"status {status}"
        # Not for 500: server-side apply answers it for duplicate keys of a list.
        if status in (HTTPStatus.UNAUTHORIZED, *UNAVAILABLE):
            raise client.ApiException(status=status, reason=message)
        return message


def collection(item: Object, namespace: str) -> str:
    """Return the API path of the object's kind; raises `KeyError` for a kind that is not built in."""
    path = str(document()["kinds"][kind_of(item)]["path"])
    return path.replace("{namespace}", text_at(item, "metadata.namespace") or namespace)


def object_path(item: Object, namespace: str) -> str:
    """Return the API path of the object; raises `KeyError` for a kind that is not built in."""
    return f"{collection(item, namespace)}/{name_of(item)}"
