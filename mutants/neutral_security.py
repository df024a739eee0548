"""Neutral variants of security: settings, rights, credentials and routes that break no rule."""

from __future__ import annotations

from collections.abc import Mapping

from mutants.draft import Body, put
from mutants.neutral import Objects, containers, one, specs, variant


@variant("objects that name Services without exposing them")
def _internal(objects: Objects) -> None:
    service, namespace = "todo-frontend-service", objects[-1]["metadata"].get("namespace")
    host = f"{service}.{namespace}.svc.cluster.local"
    items: Mapping[str, Body] = {
        "monitoring.coreos.com/v1 ServiceMonitor": {"selector": {"matchLabels": {"app": "todo-chatbot"}}},
        "monitoring.coreos.com/v1 Probe": {"targets": {"staticConfig": {"static": [f"http://{host}:3000/health"]}}},
        "networking.istio.io/v1 VirtualService": {
            "hosts": [service],
            "http": [{"route": [{"destination": {"host": host}}]}],
        },
        "networking.istio.io/v1 DestinationRule": {"host": host},
        "networking.istio.io/v1 ServiceEntry": {"hosts": ["api.openai.com"], "location": "MESH_EXTERNAL"},
        "gateway.networking.k8s.io/v1 HTTPRoute": {
            "parentRefs": [{"group": "", "kind": "Service", "name": service}],
            "rules": [{"backendRefs": [{"name": service, "port": 3000}]}],
        },
        "cert-manager.io/v1 Certificate": {"dnsNames": [host], "secretName": "tls"},
        "linkerd.io/v1alpha2 ServiceProfile": {"routes": [{"name": service}]},
        "split.smi-spec.io/v1alpha4 TrafficSplit": {"service": service, "backends": [{"service": service}]},
        "batch.example.com/v1 Warmer": {"target": {"kind": "Deployment", "name": service}},
    }
    for title, spec in items.items():
        version, kind = title.split(" ")
        metadata = {"name": kind.lower(), "namespace": namespace}
        objects.append({"apiVersion": version, "kind": kind, "metadata": metadata, "spec": spec})


@variant("rights and a token that are used")
def _rights(objects: Objects) -> None:
    namespace = objects[-1]["metadata"].get("namespace")
    metadata = {"name": "leader", "namespace": namespace}
    group = "rbac.authorization.k8s.io"
    rule = {"apiGroups": ["coordination.k8s.io"], "resources": ["leases"], "verbs": ["get", "create", "update"]}
    subject = {"kind": "ServiceAccount", "name": "leader", "namespace": namespace}
    role_ref = {"apiGroup": group, "kind": "Role", "name": "leader"}
    objects += [
        {"apiVersion": "v1", "kind": "ServiceAccount", "metadata": metadata},
        {"apiVersion": f"{group}/v1", "kind": "Role", "metadata": metadata, "rules": [rule]},
        {
            "apiVersion": f"{group}/v1",
            "kind": "RoleBinding",
            "metadata": metadata,
            "roleRef": role_ref,
            "subjects": [subject],
        },
    ]
    for spec in specs(objects):
        spec["serviceAccountName"] = "leader"
        spec["automountServiceAccountToken"] = True


@variant("safe settings of every kind")
def _safe(objects: Objects) -> None:
    for spec in specs(objects):
        spec.setdefault("securityContext", {}).update(
            {
                "sysctls": [{"name": "net.ipv4.ip_unprivileged_port_start", "value": "0"}],
                "appArmorProfile": {"type": "RuntimeDefault"},
                "seLinuxOptions": {"level": "s0:c123,c456"},
                "fsGroup": 1000,
            }
        )
        token = {"serviceAccountToken": {"path": "token", "audience": "vault"}}
        spec.setdefault("volumes", []).append({"name": "identity", "projected": {"sources": [token]}})
    for body in containers(objects):
        put(body, "securityContext.capabilities.add", ["NET_BIND_SERVICE"])
        put(body, "securityContext.procMount", "Default")


@variant("entries of a Secret that are no credentials")
def _plain_entries(objects: Objects) -> None:
    entries = {
        "DB_USER": "todo",
        "DB_HOST": "db.example.com",
        "DB_PORT": "5432",
        "DB_SSL": "true",
        "SMTP_PASSWORD": "",
        "SENTRY_URL": "https://sentry.example.com/1",
        "VAPID_PUBLIC_KEY": "BNcRdreALRFXTkOOUHK1EtK2wtaz5Ry4YfYCA",
        "SECRET_NAME": "todo-chatbot-secrets",
    }
    for item in one(objects, "Secret"):
        item["stringData"] = entries


@variant("settings whose names resemble credentials")
def _resembling(objects: Objects) -> None:
    for item in one(objects, "ConfigMap"):
        item["data"] |= {
            "TOKEN_LIFETIME": "3600",
            "MAX_TOKENS": "4096",
            "PASSWORD_MIN_LENGTH": "12",
            "SECRET_NAME": "todo-chatbot-secrets",
            "DB_PASSWORD_FILE": "/run/secrets/password",
            "SMTP_PASSWORD": "",
            "REQUIRE_PASSWORD": "true",
            "EXAMPLE_URL": "postgresql://user:password@host:5432/todo",
            "TEMPLATE": "postgresql://$(DB_USER):$(DB_PASSWORD)@db/todo",
            "MODEL_KEY_FORMAT": "sk-proj-xxxxxxxxxxxxxxxxxxxxxxxx",
            "NEXT_PUBLIC_STRIPE_KEY": "pk_live_Qx7Lw2Zr9Tn4Vb6Ym1Kc",
        }
    for body in containers(objects, init=False):
        body["command"] = ["todo-server"]
        body["args"] = ["--token-file=/run/secrets/token", "--password=$(DB_PASSWORD)", "--secret-name", "todo"]


@variant("a database's URL of parts of the Secret")
def _composed(objects: Objects) -> None:
    for item in one(objects, "Secret"):
        name = item["metadata"]["name"]
    for body in containers(objects):
        for index, each in reversed(list(enumerate(body.get("env") or []))):
            if each["name"] == "DATABASE_URL":
                reference = {"secretKeyRef": {"name": name, "key": "DATABASE_URL"}}
                body["env"][index : index + 1] = [
                    {"name": "PLAIN_URL", "valueFrom": reference},
                    {"name": "DATABASE_URL", "value": "$(PLAIN_URL)"},
                ]
