"""A second release: its names are found in what Helm renders, and its values are other ones."""

from __future__ import annotations

from typing import Any

import pytest

from acceptance.checks.finding import Untested
from acceptance.core import target as targets
from acceptance.core.fields import Object
from acceptance.provision.second_release import distinct_values, second_target, with_rendered_names

TARGET = targets.load()


def rendered(prefix: str, instance: str, **metadata: str) -> list[Object]:
    def item(kind: str, name: str, **spec: Any) -> Object:
        return {"kind": kind, "metadata": {"name": f"{prefix}-{name}", **metadata}, "spec": spec}

    labels = {"app": "todo-chatbot", "instance": instance}
    return [
        *(item("Service", f"{name}-service") for name in ("backend", "frontend")),
        *(
            item("Deployment", name, template={"metadata": {"labels": {**labels, "component": name}}})
            for name in ("backend", "frontend")
        ),
    ]


def test_names_and_labels_are_those_rendered() -> None:
    found = with_rendered_names(second_target(TARGET, "other"), rendered("todo", "todo"), rendered("second", "second"))
    frontend = found.component("frontend")
    assert (frontend.deployment, frontend.service) == ("second-frontend", "second-frontend-service")
    assert frontend.labels == {"app": "todo-chatbot", "component": "frontend"}
    assert (found.chart.namespace, found.chart.release) == ("other", "second")
    assert frontend.service_port != TARGET.component("frontend").service_port


def test_chart_that_can_not_be_installed_elsewhere_is_untested() -> None:
    there = second_target(TARGET, "other")
    with pytest.raises(Untested, match="into the namespace todo-chatbot"):
        with_rendered_names(there, rendered("todo", "todo"), rendered("second", "second", namespace="todo-chatbot"))
    with pytest.raises(Untested, match="renders 1 objects of kind Service instead of 2"):
        with_rendered_names(there, rendered("todo", "todo"), rendered("second", "second")[1:])


def test_changed_values_are_those_with_a_path() -> None:
    changes = distinct_values(TARGET)
    assert changes["namePrefix"] == "second"
    assert changes["backend.autoscaling.enabled"] is False
    assert changes["backend.service.port"] != TARGET.component("backend").service_port
    bare = TARGET.model_copy(update={"values": targets.Values()})
    assert "namePrefix" not in distinct_values(bare)
