"""Mutants of Deployments."""

from __future__ import annotations

from mutants.draft import REMOVE, Draft, put
from mutants.snapshots.registry import field, fields, mutant

fields(
    "DEP-03",
    Draft.deployment_without_hpa,
    "spec.replicas",
    {"0": 0, "6": 6, "11": 11, "-1": -1, "a word": "two"},
    "static",
)
field("DEP-03", "another number than stated", Draft.deployment_without_hpa, "spec.replicas", 4, "static")


@mutant("DEP-03", "the HPA rendered although it is off", "static", component="backend")
def _scaler_stays(draft: Draft) -> None:
    draft.change_chart(autoscaler_off=draft.chart.rendering)


@mutant("DEP-03", "6 beside an HPA that is always there", "static", component="backend")
def _always_scaled(draft: Draft) -> None:
    values = draft.target.values.model_copy(update={"hpa_enabled": None})
    draft.target = draft.target.model_copy(update={"values": values})
    draft.change_chart(autoscaler_off=None)
    put(draft.deployment()[0], "spec.replicas", 6)


@mutant("DEP-03", "11 where the cluster isn't local", "static")
def _eleven(draft: Draft) -> None:
    draft.change_chart(values={**draft.chart.values, "localCluster": False})
    for body in draft.deployment_without_hpa():
        body["spec"]["replicas"] = 11


fields("DEP-03", Draft.deployment, "spec.replicas", {"0": 0, "6": 6, "another number": 4}, "live")
field("DEP-04", "no labels", Draft.deployment, "spec.selector.matchLabels", {}, refused=True)
field("DEP-04", "no selector", Draft.deployment, "spec.selector", REMOVE, refused=True)
field("DEP-04", "not the template's", Draft.deployment, "spec.selector.matchLabels.tier", "web", refused=True)
field(
    "DEP-04",
    "expressions that do not match",
    Draft.deployment,
    "spec.selector.matchExpressions",
    [{"key": "tier", "operator": "Exists"}],
    refused=True,
)
field("DEP-04", "another workload's pods too", Draft.deployment, "spec.selector.matchLabels", {"app": "todo-chatbot"})


@mutant("DEP-05", "not on the selector")
def _selector_without(draft: Draft) -> None:
    draft.deployment()[0]["spec"]["selector"]["matchLabels"].pop("component")


@mutant("DEP-05", "not on the pods")
def _pods_without(draft: Draft) -> None:
    for body in draft.pod_bodies():
        body["metadata"]["labels"].pop("app")


field("DEP-05", "not on the workload", Draft.deployment, "metadata.labels.component", REMOVE)
field("DEP-05", "another value", Draft.deployment, "metadata.labels.component", "other")
field("DEP-06", "Recreate", Draft.deployment, "spec.strategy", {"type": "Recreate"})
ROLLING = "spec.strategy.rollingUpdate"
fields("DEP-06", Draft.deployment, f"{ROLLING}.maxUnavailable", {"unavailable 1": 1, "unavailable 100%": "100%"})
field("DEP-06", "surge 0", Draft.deployment, ROLLING, {"maxSurge": 0, "maxUnavailable": 1})
field("DEP-06", "surge 0 %", Draft.deployment, ROLLING, {"maxSurge": "0%", "maxUnavailable": "100%"})
for clause, surge, unavailable in (("0 and 0", 0, 0), ("0% and 0", "0%", 0), ("0 and 0%", 0, "0%")):
    field("DEP-07", clause, Draft.deployment, ROLLING, {"maxSurge": surge, "maxUnavailable": unavailable}, refused=True)
field("DEP-07", "0 and 25%, resolved", Draft.deployment, ROLLING, {"maxSurge": 0, "maxUnavailable": "25%"})
fields("DEP-08", Draft.deployment, "spec.revisionHistoryLimit", {"0": 0, "another than stated": 3})


@mutant("DEP-09", "a stray pod", "live")
def _stray_pod(draft: Draft) -> None:
    pod = {**draft.running_pods()[0]}
    pod["metadata"] = {**pod["metadata"], "name": "stray", "ownerReferences": []}
    draft.change_cluster(pods=(*draft.cluster.pods, pod))


@mutant("DEP-09", "a stray ReplicaSet", "live")
def _stray_set(draft: Draft) -> None:
    for item in draft.view.owned_replica_sets():
        metadata = {**item["metadata"], "name": "stray", "ownerReferences": []}
        draft.change_cluster(replica_sets=(*draft.cluster.replica_sets, {**item, "metadata": metadata}))


@mutant("DEP-09", "a pod missing", "live")
def _pod_missing(draft: Draft) -> None:
    gone = draft.running_pods()[0]
    draft.change_cluster(pods=tuple(pod for pod in draft.cluster.pods if pod is not gone))


field("DEP-09", "one more replica", Draft.deployment, "spec.replicas", lambda old: old + 1, "live")
