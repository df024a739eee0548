"""Neutral variants of commands and settings: where servers listen, migrations after a wait, addresses and files."""

from __future__ import annotations

import base64

from mutants.neutral import Objects, containers, deployments, one, specs, variant


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


@variant("a migration whose failure ends the command")
def _migrations(objects: Objects) -> None:
    for spec in specs(deployments(objects)):
        for body in spec.get("initContainers") or []:
            body["command"] = ["sh", "-c", "set -e; alembic upgrade head 2>&1; alembic current || true"]


@variant("settings that libraries read")
def _of_libraries(objects: Objects) -> None:
    more = {"PYTHONHASHSEED": "0", "WEB_CONCURRENCY": "1", "API_VERSION": "1", "UVICORN_LOG_LEVEL": "info"}
    for body in containers(deployments(objects), init=False):
        body["env"] = [*body["env"], *({"name": name, "value": value} for name, value in more.items())]


@variant("a test that asks Services without a scheme")
def _without_scheme(objects: Objects) -> None:
    text = "chown app:1000 /tmp/x; wget -qO- todo-backend-service:8000 && nc -z db.example.com:5432 registry:5000/x:80"
    for body in containers([each for each in objects if each["kind"] == "Pod"], init=False):
        body["args"] = [text, "todo-frontend-service.todo-chatbot.svc.cluster.local:3000/", "todo-backend:1000"]


@variant("files in volumes below each other, and what another container has")
def _files(objects: Objects) -> None:
    settings = one(objects, "ConfigMap")[0]
    name = settings["metadata"]["name"]
    settings["data"] |= {"SCRIPT": "/etc/todo/run.sh", "CA": "/etc/todo/certs/DEBUG", "FOLDER": "/etc/todo/certs/"}
    items = [{"key": "DEBUG", "path": "run.sh"}]
    for spec in specs(deployments(objects)):
        first = spec["containers"][0]
        first["envFrom"] = [{"configMapRef": {"name": name}}]
        mounts = [{"name": "etc", "mountPath": "/etc/todo"}, {"name": "certs", "mountPath": "/etc/todo/certs"}]
        first["volumeMounts"] = [*first["volumeMounts"], *mounts]
        extra = {key: first[key] for key in ("resources", "securityContext") if key in first}
        mount = {"name": "scripts", "mountPath": "/etc/todo"}
        spec["containers"].append({"name": "agent", "image": "agent:1", "volumeMounts": [mount], **extra})
        spec["volumes"] = [
            *(spec.get("volumes") or []),
            {"name": "etc", "configMap": {"name": name}},
            {"name": "certs", "configMap": {"name": name}},
            {"name": "scripts", "configMap": {"name": name, "items": items}},
        ]


@variant("addresses as the cluster's DNS knows them")
def _known_names(objects: Objects) -> None:
    for item in one(objects, "ConfigMap"):
        item["data"] |= {
            "A": "http://todo-backend-service.todo-chatbot.svc.cluster.local.:8000",
            "B": "http://todo-backend-service.todo-chatbot.svc.k8s.example.com:8000",
            "C": "https://api.svc.example.com",
            "D": "http://10-0-0-1.todo-chatbot.pod.cluster.local:8000",
        }


@variant("long timeouts of probes that end in their order")
def _patient(objects: Objects) -> None:
    for body in containers(deployments(objects), init=False):
        body["readinessProbe"] |= {"periodSeconds": 5, "timeoutSeconds": 10, "failureThreshold": 2}
        body["livenessProbe"] |= {"periodSeconds": 10, "timeoutSeconds": 15, "failureThreshold": 4}


@variant("a proxy beside the frontend that passes requests on")
def _proxy(objects: Objects) -> None:
    conf = "server { listen 8080; location / { proxy_pass http://localhost:3000; } }"
    for item in deployments(objects):
        if item["metadata"]["name"] == "todo-frontend":
            spec = item["spec"]["template"]["spec"]
            own = spec["containers"][0]
            extra = {key: own[key] for key in ("resources", "securityContext") if key in own}
            proxy = {"name": "proxy", "image": "nginx:1", "ports": [{"name": "proxy", "containerPort": 8080}], **extra}
            spec["containers"].append({**proxy, "args": ["-g", conf]})
    for item in one(objects, "Service"):
        if item["metadata"]["name"] == "todo-frontend-service":
            item["spec"]["ports"][0]["targetPort"] = "proxy"


@variant("files of a ConfigMap and a Secret in one volume, and a spread of the own pods")
def _projected(objects: Objects) -> None:
    items = [{"key": "DATABASE_URL", "path": "url"}]
    sources = [
        {"configMap": {"name": "todo-chatbot-config"}},
        {"secret": {"name": "todo-chatbot-secrets", "items": items}},
    ]
    for item in deployments(objects):
        spec = item["spec"]["template"]["spec"]
        spec["volumes"] = [*(spec.get("volumes") or []), {"name": "files", "projected": {"sources": sources}}]
        constraint = {"maxSkew": 1, "topologyKey": "kubernetes.io/hostname", "whenUnsatisfiable": "ScheduleAnyway"}
        labels = {"matchLabels": item["spec"]["selector"]["matchLabels"]}
        spec["topologySpreadConstraints"] = [{**constraint, "labelSelector": labels}]


@variant("templates of other programs, and of Helm within a file")
def _templates(objects: Objects) -> None:
    for item in one(objects, "ConfigMap"):
        item["data"] |= {"ALERT": "{{ $labels.pod }} is {{ .Value }}", "chart.tpl": "a:\n  {{ .Values.a }}\n"}


@variant("a module by its name in another folder")
def _in_another_folder(objects: Objects) -> None:
    for body in containers(deployments(objects), init=False):
        if body["name"] == "backend":
            body["workingDir"] = "/app/todo_backend"
            body["command"] = ["uvicorn", "main:app", "--host", "::", "--port", str(body["ports"][0]["containerPort"])]


@variant("another database's URL in the Secret")
def _another_database(objects: Objects) -> None:
    for item in one(objects, "Secret"):
        item["data"]["REPLICA_URL"] = base64.b64encode(b"postgresql://u:p@replica:5432/todo").decode()
