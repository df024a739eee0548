"""Mutants of relationships between entities."""

from __future__ import annotations

from dataclasses import replace

from acceptance.checks.snapshot import BuildContext
from mutants.draft import Draft
from mutants.snapshots.registry import encoded, field, first_init_container, mutant, of_backend, variable, with_object

field("REL-01", "no init container", Draft.pod_specs, "initContainers", [], "static")
field("REL-01", "another name", first_init_container, "name", "other", "static")
field("REL-01", "a sidecar", first_init_container, "restartPolicy", "Always", "static")
for clause, argv in {
    "nothing but words": ["echo", "migrated"],
    "a wait": ["sh", "-c", "until pg_isready -h db; do sleep 1; done"],
    "a look at the state": ["alembic", "current"],
}.items():
    field("REL-01", f"{clause} for a migration", first_init_container, "command", argv, "static")
field("REL-01", "the frontend's image for a migration", first_init_container, "image", "todo-frontend:latest", "static")
for clause, line in {
    "whatever it ends with": "alembic upgrade head 2>/dev/null || true; uvicorn main:app",
    "with a word about it": "prisma migrate deploy || echo failed",
    "in the next command": "python -m alembic -x a=b upgrade head\nexec uvicorn main:app",
}.items():
    command = ["sh", "-c", line]
    field("REL-03", f"goes on {clause}", of_backend(Draft.main_containers), "command", command, "static")


@mutant("REL-03", "a script that goes on", "static", component="backend")
def _script_goes_on(draft: Draft) -> None:
    text = "#!/bin/sh\nalembic upgrade head\nexec uvicorn main:app\n"
    draft.change_chart(build_contexts={"backend": BuildContext(scripts={"start.sh": text})})
    for body in draft.main_containers():
        body["command"] = ["/app/start.sh"]


@mutant("REL-01", "by a hook of installations alone", "static")
def _never_again(draft: Draft) -> None:
    image = draft.main_containers()[0]["image"]
    command = ["sh", "-c", "cd /app && alembic upgrade head"]
    job = {
        "apiVersion": "batch/v1",
        "kind": "Job",
        "metadata": {"name": "migrate", "annotations": {"helm.sh/hook": "post-install"}},
        "spec": {"template": {"spec": {"containers": [{"name": "m", "image": image, "command": command}]}}},
    }
    with_object(job)(draft)


field("REL-01", "no database URL", first_init_container, "env", [], "static")
for clause, url in {
    "another Service": "http://other-service:8000",
    "another port": "http://todo-backend-service:9999",
    "localhost": "http://localhost:8000",
}.items():
    field("REL-04", clause, Draft.config_map, "data.BACKEND_URL", url, "live")
field("REL-04", "no URL", Draft.main_containers, "env", variable("BACKEND_URL"), "live")


@mutant("REL-04", "the image's own URL wins", "live")
def _baked(draft: Draft) -> None:
    other = {"BACKEND_URL": "http://backend:8000"}
    draft.change_facts(lambda fact: replace(fact, environment={**fact.environment, **other}))


main, spec = of_backend(Draft.main_containers), of_backend(Draft.pod_specs)
field("REL-05", "no such ConfigMap", main, "envFrom", [{"configMapRef": {"name": "absent"}}])
field(
    "REL-05",
    "no such Secret",
    main,
    "env",
    [{"name": "A", "valueFrom": {"secretKeyRef": {"name": "absent", "key": "A"}}}],
)
for kind, name in (("configMap", "todo-chatbot-config"), ("secret", "todo-chatbot-secrets")):
    reference = {f"{kind}KeyRef": {"name": name, "key": "ABSENT"}}
    field("REL-05", f"no such key of the {kind}", main, "env", [{"name": "A", "valueFrom": reference}])
field(
    "REL-05",
    "no such key in an init container",
    of_backend(first_init_container),
    "env",
    [{"name": "A", "valueFrom": {"secretKeyRef": {"name": "todo-chatbot-secrets", "key": "ABSENT"}}}],
)
CONFIGURED = {"name": "todo-chatbot-config"}
RENAMED = {"configMapKeyRef": {**CONFIGURED, "key": "CORS_ORIGINS"}}
for clause, change in {
    "a variable without a value": variable("APP_VERSION", valueFrom=None),
    "a key under another name": lambda old: [
        {"name": "ALLOWED_SITES", "valueFrom": RENAMED} if each["name"] == "CORS_ORIGINS" else each for each in old
    ],
    "a misspelt variable": lambda old: [
        {**each, "name": "APP_VERSON"} if each["name"] == "APP_VERSION" else each for each in old
    ],
    "a key that is read but not given": variable("CORS_ORIGINS"),
    "another PORT than the container's": variable("PORT", value="8001"),
    "a library's older name of a variable": variable("OPENAI_API_BASE", value="https://model.example.com/v1"),
}.items():
    field("REL-05", clause, main, "env", change, "static")
for clause, argv in {
    "an option for a program": ["-m", "todo_backend.migrate"],
    "a misspelt module": ["python3", "-m", "todo_backend.migrates"],
    "a module without -m": ["python3", "-u", "todo_backend.migrate"],
    "a misspelt program": ["pyhton3", "-m", "todo_backend.migrate"],
    "no command": [],
}.items():
    field("REL-05", f"{clause} in an init container", of_backend(first_init_container), "command", argv, "static")


@mutant("REL-05", "a module that the image's own command names otherwise", "static")
def _named_otherwise(draft: Draft) -> None:
    text = 'FROM python:3.13\nCMD ["uvicorn", "app.main:app", "--host", "0.0.0.0"]\n'
    draft.change_chart(dockerfiles={**draft.chart.dockerfiles, "backend": text})
    for body in of_backend(Draft.main_containers)(draft):
        body["command"] = ["uvicorn", "main:app", "--host", "0.0.0.0"]  # noqa: S104


@mutant("REL-05", "a database's host that no Service has, in a Secret")
def _no_database(draft: Draft) -> None:
    draft.secret()[0]["data"]["REPLICA_URL"] = encoded("postgresql+asyncpg://u:p@todo-backend-svc/todo")


@mutant("REL-05", "a host that no Service has, in a component of Dapr's")
def _no_store(draft: Draft) -> None:
    component = {"apiVersion": "dapr.io/v1alpha1", "kind": "Component", "metadata": {"name": "store"}}
    options = [{"name": "redisHost", "value": "todo-backend:8000"}]
    with_object({**component, "spec": {"type": "state.redis", "version": "v1", "metadata": options}})(draft)


@mutant("REL-05", "a test without a variable that it needs", "static")
def _test_without(draft: Draft) -> None:
    for item in draft.objects():
        if item["kind"] == "Pod":
            body = item["spec"]["containers"][0]
            body["env"] = [each for each in body["env"] if each["name"] != "FRONTEND_URL"]


field("REL-05", "another image's module", of_backend(first_init_container), "image", "todo-frontend:1.0.0", "static")
field("REL-05", "volume of no ConfigMap", spec, "volumes", [{"name": "v", "configMap": {"name": "absent"}}])
field("REL-05", "volume of no Secret", spec, "volumes", [{"name": "v", "secret": {"secretName": "absent"}}])
field(
    "REL-05",
    "volume of no such key",
    spec,
    "volumes",
    [{"name": "v", "secret": {"secretName": "todo-chatbot-secrets", "items": [{"key": "ABSENT", "path": "a"}]}}],
)
PROXY = "upstream api { server todo-api:8000; }\nserver { location / { proxy_pass http://api; } }\n"
field("REL-05", "an upstream of no Service", Draft.config_map, "data.CONF", PROXY)
field("REL-05", "URL of no Service", Draft.config_map, "data.BACKEND_URL", "http://absent:8000")
for clause, url in {
    "URL of a container": "http://backend:8000",
    "URL of a Deployment": "http://todo-backend:8000",
    "URL of the default namespace": "http://todo-backend-service.default.svc:8000",
    "URL with a slip": "http://todo-bakend-service:8000",
    "URL of half a domain": "http://todo-backend-service.todo-chatbot.svc.cluster:8000",
    "URL of a misspelt domain": "http://todo-backend-service.todo-chatbot.svc.cluster.locl:8000",
    "URL without the namespace": "http://todo-backend-service.svc.cluster.local:8000",
    "URL without svc": "http://todo-backend-service.todo-chatbot.cluster.local:8000",
}.items():
    field("REL-05", clause, Draft.config_map, "data.AGENT", url)
field(
    "REL-05",
    "URL of another port, from variables",
    main,
    "env",
    [{"name": "H", "value": "todo-backend-service"}, {"name": "A", "value": "http://$(H):8001"}],
)
field(
    "REL-05",
    "host and another port in two variables",
    main,
    "env",
    [{"name": "A_HOST", "value": "todo-backend-service"}, {"name": "A_PORT", "value": "8001"}],
)
field(
    "REL-05",
    "URL of a later variable",
    main,
    "env",
    [{"name": "A", "value": "http://$(H):8000"}, {"name": "H", "value": "todo-backend-service"}],
)
field(
    "REL-05",
    "URL of a variable that is switched off",
    main,
    "env",
    [{"name": "A", "value": "http://$(TODO_BACKEND_SERVICE_SERVICE_HOST):8000"}],
)
ASKS = ["wget", "-qO-", "todo-backend-service:80/health"]
field("REL-05", "another port in a command, without a scheme", of_backend(first_init_container), "args", ASKS)
ASKS_ELSEWHERE = ["sh", "-c", "wget -qO- todo-frontend-service:3000 && wget -qO- absent.todo-chatbot.svc:8000"]
field("REL-05", "no Service in a command, without a scheme", main, "args", ASKS_ELSEWHERE)
field("REL-05", "URL of another port in a command", main, "args", ["--agent=http://todo-backend-service:8001"])
field(
    "REL-05",
    "URL of a Service elsewhere",
    Draft.config_map,
    "data.BACKEND_URL",
    "http://todo-backend-service.other.svc:8000",
)
field("REL-05", "URL of another port", Draft.config_map, "data.BACKEND_URL", "http://todo-backend-service:80")
field("REL-05", "URL without its port", Draft.config_map, "data.BACKEND_URL", "http://todo-backend-service")
field(
    "REL-05",
    "literal URL of no Service",
    main,
    "env",
    [{"name": "A", "value": "http://absent.todo-chatbot.svc.cluster.local:8000"}],
)
field("REL-05", "no such service account", spec, "serviceAccountName", "absent")
field("REL-05", "no such probe port", main, "livenessProbe.httpGet.port", "absent")
field("REL-05", "no such scale target", of_backend(Draft.autoscaler), "spec.scaleTargetRef.name", "absent")
