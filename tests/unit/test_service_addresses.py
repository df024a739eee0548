"""Addresses in settings: dead ones are findings, all others are left alone, as the cluster's DNS would resolve them."""

from __future__ import annotations

import copy
from typing import Any

import pytest

from acceptance.checks.component_view import ComponentView
from acceptance.checks.finding import Untested
from acceptance.checks.relationships import addresses_of_other_namespaces, dead_addresses, missing_backend_url
from acceptance.checks.snapshot import Snapshot
from acceptance.core.target import load
from mutants.draft import Body

NAMESPACE = "todo-chatbot"


def service(name: str, port: int, **spec: Any) -> Body:
    ports = [{"name": "http", "port": port, "targetPort": "http"}]
    metadata = {"name": name, "namespace": NAMESPACE}
    return {"kind": "Service", "metadata": metadata, "spec": {"ports": ports, "selector": {"component": name}, **spec}}


def deployment(part: str, port: int, env: list[Body]) -> Body:
    body = {"name": part, "env": env, "ports": [{"name": "http", "containerPort": port}]}
    labels = {"app": "todo-chatbot", "component": part}
    template = {"metadata": {"labels": labels}, "spec": {"containers": [body]}}
    return {
        "kind": "Deployment",
        "metadata": {"name": f"todo-{part}", "namespace": NAMESPACE},
        "spec": {"template": template},
    }


def view_of(data: dict[str, str] | None = None, env: list[Body] | None = None, *more: Body) -> ComponentView:
    """Return the frontend's view of a small release with these settings."""
    config = {"kind": "ConfigMap", "metadata": {"name": "settings", "namespace": NAMESPACE}, "data": data or {}}
    objects = (
        service("todo-backend-service", 8000),
        service("todo-frontend-service", 3000),
        service("direct", 80, clusterIP="None", selector={"component": "backend"}),
        service("mail", 25, type="ExternalName", externalName="smtp.example.com"),
        deployment("backend", 8000, []),
        deployment("frontend", 3000, copy.deepcopy(env or [])),
        config,
        *more,
    )
    return ComponentView(Snapshot("static", objects, NAMESPACE), load(), "frontend")


@pytest.mark.parametrize(
    ("key", "value"),
    [
        ("BACKEND_URL", "http://todo-backend-service:8000"),
        ("BACKEND_URL", f"http://todo-backend-service.{NAMESPACE}:8000/api"),
        ("BACKEND_URL", f"http://todo-backend-service.{NAMESPACE}.svc.cluster.local.:8000"),
        ("BACKEND_URL", "http://direct:8000"),
        ("BACKEND_URL", "https://api.example.com"),
        ("BACKEND_URL", "http://localhost:8000"),
        ("MAIL_URL", "http://mail:2525"),
        ("KUBERNETES_URL", "https://kubernetes.default.svc"),
        ("FRONTEND_URL", "http://ts"),
        ("PUBLIC_URL", "http://todo.local:8000"),
        ("REDIS_URL", "http://redis:6379"),
        ("RESULT_BACKEND_URL", "http://redis:6379"),
        ("API_BASE", "http://ollama:11434"),
        ("CORS_ORIGINS", "http://todo-frontend-service,http://frontend:3000"),
        ("TEMPLATE_URL", "http://{{ host }}:8000 http://${HOST}:8000 http://<service>:8000 http://%s:8000"),
        ("settings.ini", "# see http://todo-backend:8000\nkey = 1 # http://backend:8000\n"),
        ("README.md", "Open http://todo-backend:8000"),
        ("nginx.conf", "upstream api {\n  server todo-backend-service:8000;\n}\nproxy_pass http://api/;\n"),
        ("nginx.conf", "location / { proxy_pass http://todo-backend-service:8000; }\n"),
    ],
)
def test_sound_address_is_no_finding(key: str, value: str) -> None:
    assert list(dead_addresses(view_of({key: value}))) == []


@pytest.mark.parametrize(
    ("key", "value"),
    [
        ("BACKEND_URL", "http://absent:8000"),
        ("apiBaseUrl", "http://absent:8000"),
        ("BACKEND_URL", "http://todo-backend-service:80"),
        ("BACKEND_URL", "http://todo-backend-service"),
        ("BACKEND_URL", "http://direct"),
        ("FRONTEND_URL", "http://absent:3000"),
        ("OTHER", "http://todo-backend:8000"),
        ("OTHER", "http://backend:8000"),
        ("OTHER", "http://todo-backedn-service:8000"),
        ("OTHER", f"http://absent.{NAMESPACE}.svc:8000"),
        ("OTHER", f"http://absent.{NAMESPACE}:8000"),
        ("OTHER", "http://todo-backend-service.default.svc:8000"),
        ("OTHER", "http://todo-backend-service.staging:8000"),
        ("nginx.conf", "upstream api {\n  server todo-backend:8000;\n}\n"),
        ("nginx.conf", "location / {\n  proxy_pass http://todo-backend-service:3000;\n}\n"),
    ],
)
def test_dead_address_is_a_finding(key: str, value: str) -> None:
    assert len(list(dead_addresses(view_of({key: value})))) == 1


@pytest.mark.parametrize("host", ["collector.monitoring.svc", "collector.monitoring.svc.cluster.local"])
def test_other_namespace_is_untested(host: str) -> None:
    view = view_of({"OTEL_EXPORTER_OTLP_ENDPOINT": f"http://{host}:4317"})
    assert list(dead_addresses(view)) == []
    with pytest.raises(Untested, match="not part of this release"):
        list(addresses_of_other_namespaces(view))


@pytest.mark.parametrize(
    ("env", "dead"),
    [
        ({"HOST": "todo-backend-service", "URL": "http://$(HOST):8000"}, 0),
        ({"TO": "todo-backend-service", "URL": "http://$(TO):9000"}, 1),
        ({"URL": "http://$(TODO_BACKEND_SERVICE_SERVICE_HOST):$(TODO_BACKEND_SERVICE_SERVICE_PORT)"}, 0),
        ({"BACKEND_HOST": "todo-backend-service", "BACKEND_PORT": "8000"}, 0),
        ({"BACKEND_HOST": "todo-backend-service", "BACKEND_PORT": "8080"}, 1),
        ({"BACKEND_ADDRESS": "todo-backend-service:8000"}, 0),
        ({"BACKEND_ADDRESS": "todo-backend-service:8080"}, 1),
        ({"BACKEND_URL": "http://todo-backend-service.todo-chatbot:8000"}, 0),
    ],
)
def test_address_in_variables(env: dict[str, str], dead: int) -> None:
    view = view_of(None, [{"name": name, "value": value} for name, value in env.items()])
    assert len(list(dead_addresses(view))) == dead
    assert bool(list(missing_backend_url(view))) == bool(dead)


def test_proxy_in_a_mounted_file_reaches_the_backend() -> None:
    view = view_of({"nginx.conf": "proxy_pass http://todo-backend-service:8000;\n"})
    assert list(missing_backend_url(view))
    spec: Any = view.deployment["spec"]["template"]["spec"]
    spec["volumes"] = [{"name": "proxy", "configMap": {"name": "settings"}}]
    assert not list(missing_backend_url(view))


@pytest.mark.parametrize(
    ("url", "dead"),
    [
        ("postgresql://u:p@todo-backend-svc:5432/todo", 1),
        ("postgresql+asyncpg://u:p@todo-backend-service/todo", 1),  # on a port that it lacks
        ("postgresql://u:p@direct:8000/todo", 0),
        ("postgresql://u:p@db.example.com/todo", 0),
        ("postgresql://u:p@postgres:5432/todo", 0),
        ("rediss://cache:6379", 0),
    ],
)
def test_address_in_a_secret(url: str, dead: int) -> None:
    secret = {"kind": "Secret", "metadata": {"name": "s", "namespace": NAMESPACE}, "stringData": {"DATABASE_URL": url}}
    assert len(list(dead_addresses(view_of(None, None, secret)))) == dead


@pytest.mark.parametrize(("host", "dead"), [("todo-backend:8000", 1), ("direct:8000", 0), ("redis:6379", 0)])
def test_address_in_a_component_of_dapr(host: str, dead: int) -> None:
    options = [{"name": "redisHost", "value": host}, {"name": "ttl", "value": "5"}, {"name": "enabled", "value": True}]
    component = {"apiVersion": "dapr.io/v1alpha1", "kind": "Component", "metadata": {"name": "s"}}
    view = view_of(None, None, {**component, "spec": {"metadata": options}})
    assert len(list(dead_addresses(view))) == dead


def test_own_address_of_the_frontend_is_none_of_the_backend() -> None:
    own = view_of(None, [{"name": "BETTER_AUTH_URL", "value": "http://localhost:3000"}])
    other = view_of(None, [{"name": "API_URL", "value": "http://localhost:8000"}])
    actual = [next(missing_backend_url(view)).actual for view in (own, other)]
    assert actual == ["no URL of a Service", "API_URL -> localhost:8000"]
