"""Load: Locust in a pod of the suite's own, as one user, on the backend's Service. It judges nothing."""

from __future__ import annotations

import base64
from collections.abc import Iterator
from contextlib import contextmanager

from acceptance import cluster as clusters
from acceptance.client import User
from acceptance.cluster import Cluster

NAME = "load"
FOLDER = "/run/load"


@contextmanager
def loading(cluster: Cluster, image: str, user: User, clients: int) -> Iterator[None]:
    """`clients` write tasks as quickly as they are answered, 10 a second each at most, from entry to exit."""
    cluster.load_image(image)
    plan = {
        "path": user.path(user.target.api.tasks),
        "token": user.token,
        "title": user.target.api.title_field,
    }
    metadata = {"name": NAME, "namespace": cluster.run.namespace}
    secret = {
        "apiVersion": "v1",
        "kind": "Secret",
        "metadata": dict(metadata),
        "data": {name: base64.b64encode(value.encode()).decode() for name, value in plan.items()},
    }
    part = user.target.component("backend")
    host = f"http://{part.service}.{user.target.chart.namespace}.svc.cluster.local:{part.service_port}"
    argv = ["--headless", "--users", str(clients), "--spawn-rate", str(clients), "--host", host, "--only-summary"]
    pod = {
        "apiVersion": "v1",
        "kind": "Pod",
        "metadata": dict(metadata),
        "spec": {
            "automountServiceAccountToken": False,
            "terminationGracePeriodSeconds": 1,
            "restartPolicy": "Never",
            "volumes": [{"name": "plan", "secret": {"secretName": NAME}}],
            "containers": [
                {
                    "name": NAME,
                    "image": image,
                    "imagePullPolicy": "IfNotPresent",
                    "command": ["locust", "--locustfile", "/opt/tools/load.py", *argv],
                    "env": [{"name": "LOAD_PLAN", "value": FOLDER}],
                    "volumeMounts": [{"name": "plan", "mountPath": FOLDER, "readOnly": True}],
                    # It may take what is left over: what is loaded and what samples it come first.
                    "resources": {"requests": {"cpu": "50m", "memory": "64Mi"}},
                }
            ],
        },
    }
    clusters.apply(cluster, secret, pod)
    try:
        yield
    finally:
        cluster.kubectl("delete", "pod,secret", NAME, "--namespace", cluster.run.namespace, "--ignore-not-found")
