"""Neutral variants of commands: servers that say where they listen, migrations after a wait, a pull Secret."""

from __future__ import annotations

from mutants.neutral import Objects, containers, deployments, specs, variant


@variant("servers that are told their ports")
def _told(objects: Objects) -> None:
    for body in containers(deployments(objects), init=False):
        if body["name"] == "backend":
            body["env"] = [*body["env"], {"name": "LISTEN", "value": str(body["ports"][0]["containerPort"])}]
            body["command"] = ["sh", "-c", "alembic current; exec uvicorn app:app --host :: --port $LISTEN"]


@variant("servers that are told their ports by references")
def _by_references(objects: Objects) -> None:
    for body in containers(deployments(objects), init=False):
        if body["name"] == "backend":
            body["env"] = [*body["env"], {"name": "P", "value": str(body["ports"][0]["containerPort"])}]
            body["args"] = ["gunicorn", "-k", "uvicorn.workers.UvicornWorker", "--bind=0.0.0.0:$(P)", "app:app"]


@variant("a migration after a wait, with words around it")
def _waits(objects: Objects) -> None:
    text = "until nc -z db 5432; do echo waiting; sleep 1; done\n# all at once\nalembic upgrade head && echo done"
    for spec in specs(deployments(objects)):
        for body in spec.get("initContainers") or []:
            body["command"] = ["sh", "-ec", text]


@variant("a pull Secret of the release")
def _pull_secret(objects: Objects) -> None:
    namespace = deployments(objects)[0]["metadata"].get("namespace")
    data = {".dockerconfigjson": "e30="}
    metadata = {"name": "registry", "namespace": namespace}
    objects.append(
        {
            "apiVersion": "v1",
            "kind": "Secret",
            "metadata": metadata,
            "type": "kubernetes.io/dockerconfigjson",
            "data": data,
        }
    )
    for spec in specs(objects):
        spec["imagePullSecrets"] = [{"name": "registry"}]


@variant("a migration by a shell, with options of Python")
def _by_python(objects: Objects) -> None:
    for spec in specs(deployments(objects)):
        for body in spec.get("initContainers") or []:
            body["command"] = [
                "/bin/sh",
                "-ec",
                "python3 -uX dev -m todo_backend.migrate && exec python3 -m http.client",
            ]


@variant("an image that a variable tells what to run")
def _by_variable(objects: Objects) -> None:
    for body in containers([each for each in objects if each["kind"] == "Pod"], init=False):
        del body["command"]
        body["env"] = [*body["env"], {"name": "MODE", "value": "smoke-test"}]


@variant("settings that libraries read")
def _of_libraries(objects: Objects) -> None:
    more = {"PYTHONHASHSEED": "0", "WEB_CONCURRENCY": "1", "API_VERSION": "1", "UVICORN_LOG_LEVEL": "info"}
    for body in containers(deployments(objects), init=False):
        body["env"] = [*body["env"], *({"name": name, "value": value} for name, value in more.items())]
