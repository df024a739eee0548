"""Mutants of the HorizontalPodAutoscaler."""

from __future__ import annotations

from typing import Any

from mutants.draft import REMOVE, Body, Draft
from mutants.snapshots.registry import field, fields, mutant


@mutant("HPA-01", "absent")
def _no_autoscaler(draft: Draft) -> None:
    draft.drop_objects(lambda item: item["kind"] == "HorizontalPodAutoscaler")


field("HPA-01", "autoscaling/v1", Draft.autoscaler, "apiVersion", "autoscaling/v1")
REF = "spec.scaleTargetRef"
for key, wrong in {"apiVersion": "extensions/v1", "kind": "StatefulSet", "name": "todo-frontend"}.items():
    field("HPA-03", f"another {key}", Draft.autoscaler, f"{REF}.{key}", wrong)
field("HPA-03", "no target", Draft.autoscaler, REF, {"kind": "Deployment"}, refused=True)
field("HPA-04", "0", Draft.autoscaler, "spec.minReplicas", 0)  # a cluster may allow it
field("HPA-04", "-1", Draft.autoscaler, "spec.minReplicas", -1, refused=True)
field("HPA-04", "11", Draft.autoscaler, "spec.minReplicas", 11)
field("HPA-04", "another than stated", Draft.autoscaler, "spec.minReplicas", 3, "static")
field("HPA-05", "maximum below", Draft.autoscaler, "spec.maxReplicas", 1, refused=True)
field("HPA-05", "no maximum", Draft.autoscaler, "spec.maxReplicas", REMOVE, refused=True)
field("HPA-05", "equal (advice)", Draft.autoscaler, "spec.maxReplicas", 2)
field("HPA-05", "another than stated", Draft.autoscaler, "spec.maxReplicas", 4, "static")
METRIC = {"type": "Resource", "resource": {"name": "cpu", "target": {"type": "Utilization", "averageUtilization": 70}}}
fields("HPA-06", Draft.autoscaler, "spec.metrics", {"none": [], "absent": REMOVE, "11": [METRIC] * 11})
fields(
    "HPA-06",
    Draft.manifest_autoscalers,
    "spec.metrics",
    {"none declared": [], "absent in the manifest": REMOVE},
    "live",
)


def cpu(**target: Any) -> list[Body]:
    """Return the metrics of an HPA: CPU alone, with this target."""
    return [{"type": "Resource", "resource": {"name": "cpu", "target": target}}]


MEMORY = {"type": "Utilization", "averageValue": "80"}
field(
    "HPA-06",
    "an amount for a percentage",
    Draft.autoscaler,
    "spec.metrics",
    [METRIC, {"type": "Resource", "resource": {"name": "memory", "target": MEMORY}}],
)
fields(
    "HPA-07",
    Draft.autoscaler,
    "spec.metrics",
    {
        "0 %": cpu(type="Utilization", averageUtilization=0),
        "101 %": cpu(type="Utilization", averageUtilization=101),
        "not utilisation": cpu(type="AverageValue", averageValue="100m"),
        "no figure": cpu(type="Utilization"),
        "memory alone": [
            {
                "type": "Resource",
                "resource": {"name": "memory", "target": {"type": "Utilization", "averageUtilization": 70}},
            }
        ],
    },
)
field(
    "HPA-07",
    "another than stated",
    Draft.autoscaler,
    "spec.metrics",
    cpu(type="Utilization", averageUtilization=50),
    "static",
)
field("HPA-07", "no CPU request", Draft.main_containers, "resources", {"limits": {"memory": "1Gi"}})
CONDITION = {"type": "ScalingActive", "status": "False", "message": "no metrics"}
fields("HPA-08", Draft.autoscaler, "status.conditions", {"not active": [CONDITION], "no condition": []})
fields(
    "HPA-08",
    Draft.autoscaler,
    "status.currentMetrics",
    {"no figure": [{"type": "Resource", "resource": {"name": "cpu", "current": {}}}], "none": REMOVE},
)
field("HPA-11", "replicas beside it", Draft.deployment, "spec.replicas", 2, "static")
POD_IN_HALF_AN_HOUR = {"policies": [{"type": "Pods", "value": 1, "periodSeconds": 1801}], "selectPolicy": "Min"}
for rule, way in (("HPA-09", "scaleUp"), ("HPA-10", "scaleDown")):
    field(rule, "disabled", Draft.autoscaler, f"spec.behavior.{way}", {"selectPolicy": "Disabled"}, "static")
SLOW = {"stabilizationWindowSeconds": 3600, **POD_IN_HALF_AN_HOUR}
field("HPA-09", "too slow", Draft.autoscaler, "spec.behavior.scaleUp", SLOW, "static")
field("HPA-10", "too slow", Draft.autoscaler, "spec.behavior.scaleDown", SLOW, "static")
