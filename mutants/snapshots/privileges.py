"""Mutants of least privilege."""

from __future__ import annotations

from mutants.draft import REMOVE, Body, Draft
from mutants.snapshots.registry import field, fields, mutant, volume


@mutant("SCY-09", "a key too many")
def _key_too_many(draft: Draft) -> None:
    draft.retarget(secret_keys=("DATABASE_URL",))


@mutant("SCY-09", "the model's key in the frontend", component="frontend")
def _model_key(draft: Draft) -> None:
    for body in draft.main_containers():
        body["env"].append(
            {"name": "K", "valueFrom": {"secretKeyRef": {"name": "todo-chatbot-secrets", "key": "OPENAI_API_KEY"}}}
        )


@mutant("SCY-09", "the whole Secret", component="frontend")
def _whole_secret(draft: Draft) -> None:
    for body in draft.main_containers():
        body["envFrom"] = [{"secretRef": {"name": "todo-chatbot-secrets"}}]


@mutant("SCY-09", "the Secret as a volume", component="frontend")
def _secret_volume(draft: Draft) -> None:
    for body in draft.pod_specs():
        body["volumes"] = [{"name": "s", "secret": {"secretName": "todo-chatbot-secrets"}}]


@mutant("SCY-09", "the Secret as a projected volume", component="frontend")
def _projected_secret(draft: Draft) -> None:
    for body in draft.pod_specs():
        body["volumes"] = [{"name": "s", "projected": {"sources": [{"secret": {"name": "todo-chatbot-secrets"}}]}}]


field(
    "SCY-09",
    "a projected token",
    Draft.pod_specs,
    "volumes",
    volume("token", {"projected": {"sources": [{"serviceAccountToken": {"path": "token"}}]}}),
)


@mutant("SCY-09", "a token of a Secret")
def _token_secret(draft: Draft) -> None:
    draft.add_objects({"kind": "Secret", "metadata": {"name": "token"}, "type": "kubernetes.io/service-account-token"})
    for body in draft.pod_specs():
        body["volumes"] = [*(body.get("volumes") or []), {"name": "t", "secret": {"secretName": "token"}}]


@mutant("SCY-09", "a job with a token", component="backend")
def _job_token(draft: Draft) -> None:
    template = {"spec": {"containers": [{"name": "j"}]}}
    draft.add_objects({"kind": "Job", "metadata": {"name": "j"}, "spec": {"template": template}})


RULES: dict[str, list[Body]] = {
    "everything": [{"apiGroups": ["*"], "resources": ["*"], "verbs": ["*"]}],
    "every verb": [{"apiGroups": ["apps"], "resources": ["deployments"], "verbs": ["*"]}],
    "Secrets": [{"apiGroups": [""], "resources": ["configmaps", "secrets"], "verbs": ["list"]}],
    "commands in pods": [{"apiGroups": [""], "resources": ["pods/exec"], "verbs": ["create"]}],
    "other roles": [{"apiGroups": ["rbac.authorization.k8s.io"], "resources": ["roles"], "verbs": ["escalate"]}],
}


def bind(draft: Draft, role: Body, subject: Body, kind: str = "RoleBinding") -> None:
    """Bind a role to a subject in the pods' namespace, for the account `todo`."""
    namespace = draft.snapshot.namespace_of(draft.view.deployment)
    metadata = {"name": "todo", "namespace": namespace}
    draft.add_objects(
        {"kind": kind, "metadata": metadata, "roleRef": role, "subjects": [{**subject, "namespace": namespace}]}
    )
    for body in draft.pod_specs():
        body["serviceAccountName"] = "todo"


ACCOUNT = {"kind": "ServiceAccount", "name": "todo"}
for role_name in ("cluster-admin", "admin", "edit"):
    for kind in ("ClusterRoleBinding", "RoleBinding"):

        @mutant("SCY-09", f"{role_name} by a {kind}")
        def _administrator(draft: Draft, role_name: str = role_name, kind: str = kind) -> None:
            bind(draft, {"kind": "ClusterRole", "name": role_name}, ACCOUNT, kind)


@mutant("SCY-09", "an administrator's rights for every account")
def _group(draft: Draft) -> None:
    bind(draft, {"kind": "ClusterRole", "name": "cluster-admin"}, {"kind": "Group", "name": "system:serviceaccounts"})


for clause, rules in RULES.items():

    @mutant("SCY-09", f"rights on {clause}")
    def _rights(draft: Draft, rules: list[Body] = rules) -> None:
        namespace = draft.snapshot.namespace_of(draft.view.deployment)
        draft.add_objects({"kind": "Role", "metadata": {"name": "todo", "namespace": namespace}, "rules": rules})
        bind(draft, {"kind": "Role", "name": "todo"}, ACCOUNT)


@mutant("SCY-09", "a token for a role without rights")
def _no_rights(draft: Draft) -> None:
    namespace = draft.snapshot.namespace_of(draft.view.deployment)
    draft.add_objects({"kind": "Role", "metadata": {"name": "todo", "namespace": namespace}, "rules": []})
    bind(draft, {"kind": "Role", "name": "todo"}, ACCOUNT)
    for body in draft.pod_specs():
        body["automountServiceAccountToken"] = True


fields("SCY-09", Draft.pod_specs, "automountServiceAccountToken", {"a token": True, "a token by default": REMOVE})
