"""Mutants that the API server refuses, of kinds that the chart does not have or that are no longer served."""

from __future__ import annotations

import copy
from typing import Any

from mutants.draft import Body
from mutants.snapshots.api_server import CASES, PAUSE, Case, register

POD = {"metadata": {"labels": {"app": "case"}}, "spec": {"containers": [PAUSE]}}
ONCE = {"spec": {"restartPolicy": "Never", "containers": [PAUSE]}}
SELECTED = {"selector": {"matchLabels": {"app": "case"}}, "template": POD}


def whole(clause: str, body: Body) -> None:
    """Add a case of a new object."""
    CASES.append(Case(clause, "", lambda item: item.update(copy.deepcopy(body))))


def named(api_version: str, kind: str, name: str = "acceptance-case", **fields: Any) -> Body:
    """Return an object."""
    return {"apiVersion": api_version, "kind": kind, "metadata": {"name": name}, **fields}


# --- kinds that are not served
for clause, api_version, kind in (
    ("an old Ingress", "extensions/v1beta1", "Ingress"),
    ("a beta Ingress", "networking.k8s.io/v1beta1", "Ingress"),
    ("an old Deployment", "apps/v1beta1", "Deployment"),
    ("a Deployment of extensions", "extensions/v1beta1", "Deployment"),
    ("an old budget", "policy/v1beta1", "PodDisruptionBudget"),
    ("a pod security policy", "policy/v1beta1", "PodSecurityPolicy"),
    ("an old HPA", "autoscaling/v2beta2", "HorizontalPodAutoscaler"),
    ("an old CronJob", "batch/v1beta1", "CronJob"),
    ("an old Role", "rbac.authorization.k8s.io/v1beta1", "Role"),
    ("an old definition", "apiextensions.k8s.io/v1beta1", "CustomResourceDefinition"),
    ("a kind of another group", "v1", "Deployment"),
    ("a misspelled kind", "apps/v1", "Deploymnet"),
):
    whole(clause, named(api_version, kind))

# --- other kinds
schedule = {"jobTemplate": {"spec": {"template": ONCE}}}
rule = {"host": "example.com", "http": {"paths": [{"path": "/", "backend": {"service": {"name": "a"}}}]}}
for clause, body in (
    ("a schedule of four fields", named("batch/v1", "CronJob", spec={"schedule": "0 3 * *", **schedule})),
    ("a schedule with a zone", named("batch/v1", "CronJob", spec={"schedule": "TZ=UTC 0 3 * * *", **schedule})),
    ("an unknown zone", named("batch/v1", "CronJob", spec={"schedule": "0 3 * * *", "timeZone": "Mars/A", **schedule})),
    ("a CronJob name of 53", named("batch/v1", "CronJob", "x" * 53, spec={"schedule": "0 3 * * *", **schedule})),
    ("a Job that always restarts", named("batch/v1", "Job", spec={"template": {"spec": {"containers": [PAUSE]}}})),
    ("a Job of negative tries", named("batch/v1", "Job", spec={"template": ONCE, "backoffLimit": -1})),
    ("a set without a selector", named("apps/v1", "StatefulSet", spec={"serviceName": "a", "template": POD})),
    ("a daemon of other labels", named("apps/v1", "DaemonSet", spec={**SELECTED, "selector": {}})),
    ("an Ingress without a rule", named("networking.k8s.io/v1", "Ingress", spec={})),
    ("an Ingress path without a type", named("networking.k8s.io/v1", "Ingress", spec={"rules": [rule]})),
    (
        "an Ingress host with a port",
        named("networking.k8s.io/v1", "Ingress", spec={"rules": [{"host": "example.com:80"}]}),
    ),
    (
        "a policy of a port range backwards",
        named(
            "networking.k8s.io/v1",
            "NetworkPolicy",
            spec={"podSelector": {}, "ingress": [{"ports": [{"port": 90, "endPort": 80}]}]},
        ),
    ),
    (
        "a policy of a broken range",
        named(
            "networking.k8s.io/v1",
            "NetworkPolicy",
            spec={"podSelector": {}, "egress": [{"to": [{"ipBlock": {"cidr": "10.0.0.0"}}]}]},
        ),
    ),
    (
        "a budget of two limits",
        named("policy/v1", "PodDisruptionBudget", spec={"minAvailable": 1, "maxUnavailable": 1, "selector": {}}),
    ),
    (
        "a claim without an amount",
        named("v1", "PersistentVolumeClaim", spec={"accessModes": ["ReadWriteOnce"], "resources": {}}),
    ),
    (
        "a claim of an unknown mode",
        named(
            "v1",
            "PersistentVolumeClaim",
            spec={"accessModes": ["ReadWrite"], "resources": {"requests": {"storage": "1Gi"}}},
        ),
    ),
    (
        "a Role without verbs",
        named("rbac.authorization.k8s.io/v1", "Role", rules=[{"apiGroups": [""], "resources": ["pods"], "verbs": []}]),
    ),
    (
        "a binding to a pod",
        named(
            "rbac.authorization.k8s.io/v1",
            "RoleBinding",
            roleRef={"apiGroup": "rbac.authorization.k8s.io", "kind": "Pod", "name": "a"},
        ),
    ),
    ("a priority of the system", named("scheduling.k8s.io/v1", "PriorityClass", "system-a", value=1)),
    ("a quota of an unknown resource", named("v1", "ResourceQuota", spec={"hard": {"a b": "1"}})),
):
    whole(clause, body)


register()
