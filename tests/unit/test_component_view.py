"""Objects that a check reads: the application's own among others of the same kind, name or keys."""

from __future__ import annotations

from typing import Any

from acceptance.checks.component_view import ComponentView
from acceptance.checks.snapshot import Snapshot
from acceptance.core.fields import name_of
from acceptance.core.target import Target, load
from mutants.draft import Body

NAMESPACE = "todo-chatbot"
LABELS = {"app": "todo-chatbot", "component": "backend"}


def item(kind: str, name: str, namespace: str = NAMESPACE, **fields: Any) -> Body:
    return {"kind": kind, "metadata": {"name": name, "namespace": namespace}, **fields}


def backend(name: str, namespace: str = NAMESPACE) -> Body:
    """Return a Deployment whose container takes the ConfigMap `used` and the Secret `credentials`."""
    sources = [{"configMapRef": {"name": "used"}}, {"secretRef": {"name": "credentials"}}]
    spec = {"containers": [{"name": "backend", "envFrom": sources}]}
    return item("Deployment", name, namespace, spec={"template": {"metadata": {"labels": LABELS}, "spec": spec}})


def view_of(*objects: Body, target: Target | None = None) -> ComponentView:
    return ComponentView(Snapshot("static", objects, NAMESPACE), target or load(), "backend")


def test_deployment_in_the_own_namespace_counts() -> None:
    objects = (backend("todo-backend", "other"), backend("todo-backend"))
    assert view_of(*objects).namespaced(view_of(*objects).deployment) == NAMESPACE


def test_only_deployment_with_the_labels_here_counts() -> None:
    view = view_of(backend("api", "other"), backend("api"))
    assert view.namespaced(view.deployment) == NAMESPACE


def test_service_with_an_address_counts() -> None:
    direct = item("Service", "direct", spec={"selector": LABELS, "clusterIP": "None"})
    other = item("Service", "other", "other", spec={"selector": LABELS})
    view = view_of(direct, other, item("Service", "api", spec={"selector": LABELS}), backend("todo-backend"))
    assert name_of(view.service) == "api"


def test_config_map_and_secret_that_the_backend_uses_count() -> None:
    keys = {"ENVIRONMENT": "production", "DEBUG": "false", "CORS_ORIGINS": "http://a"}
    view = view_of(
        item("ConfigMap", "add-on", data=keys),
        item("ConfigMap", "used", data={"ENVIRONMENT": "staging"}),
        item("Secret", "add-on", stringData={"DATABASE_URL": "a", "OPENAI_API_KEY": "b"}),
        item("Secret", "credentials", stringData={"DATABASE_URL": "c"}),
        backend("todo-backend"),
    )
    assert (name_of(view.config_map), name_of(view.secret)) == ("used", "credentials")


def test_keys_count_where_nothing_is_used() -> None:
    few, many = {"DEBUG": "true"}, {"DEBUG": "true", "ENVIRONMENT": "staging"}
    view = view_of(item("ConfigMap", "a", data=few), item("ConfigMap", "b", data=many), backend("todo-backend"))
    assert name_of(view.config_map) == "b"


def test_autoscaler_of_the_backend_counts() -> None:
    def scaler(name: str, scaled: str, namespace: str = NAMESPACE) -> Body:
        ref = {"kind": "Deployment", "name": scaled}
        return item("HorizontalPodAutoscaler", name, namespace, spec={"scaleTargetRef": ref})

    scalers = (scaler("a", "worker"), scaler("b", "todo-backend", "other"), scaler("c", "todo-backend"))
    assert name_of(view_of(*scalers, backend("todo-backend")).autoscaler) == "c"


def test_value_comes_from_the_own_namespace() -> None:
    view = view_of(
        item("ConfigMap", "used", "other", data={"DEBUG": "true"}),
        item("ConfigMap", "used", data={"DEBUG": "false"}),
        backend("todo-backend"),
    )
    container = view.main_container(view.pods[0])
    assert [view.value_of(each) for each in view.environment(container)] == ["false"]
