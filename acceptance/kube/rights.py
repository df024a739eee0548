"""The API rights of a pod: the roles that are bound to its service account, and its tokens."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from acceptance.core.fields import Object, at, list_at, mappings_at, name_of, text_at
from acceptance.kube.pod_templates import Pod

ADMIN_ROLES = ("cluster-admin", "admin", "edit")
"""Kubernetes' own ClusterRoles that may change workloads or read Secrets."""
EVERYONE = ("system:authenticated", "system:unauthenticated", "system:serviceaccounts")
READING = frozenset({"get", "list", "watch"})
ESCALATING = frozenset({"escalate", "bind", "impersonate"})
COMMANDS = ("pods/exec", "pods/attach", "nodes/proxy", "serviceaccounts/token")
"""Subresources that give control of other pods or accounts."""


@dataclass(frozen=True)
class Binding:
    """A RoleBinding or ClusterRoleBinding, and the role that it binds; the role is None if it is not of the release."""

    item: Object
    namespace: str
    role: Object | None

    @property
    def role_name(self) -> str:
        """The name of the bound role."""
        return text_at(self.item, "roleRef.name")

    def binds(self, account: str, namespace: str) -> bool:
        """Return whether a service account is a subject, by itself or as a member of a group."""
        for subject in mappings_at(self.item, "subjects"):
            kind, name = text_at(subject, "kind"), text_at(subject, "name")
            if kind == "Group" and name in (*EVERYONE, f"system:serviceaccounts:{namespace}"):
                return True
            own = text_at(subject, "namespace") or self.namespace
            if kind in ("ServiceAccount", "") and name == account and own == namespace:
                return True
            if kind == "User" and name == f"system:serviceaccount:{namespace}:{account}":
                return True
        return False

    def excess(self) -> str | None:
        """Return what is more than an application needs of the rights that it grants, or None."""
        built_in = text_at(self.item, "roleRef.kind", "ClusterRole") == "ClusterRole"
        if self.role is None:
            return f"the ClusterRole {self.role_name}" if built_in and self.role_name in ADMIN_ROLES else None
        return next(filter(None, map(excess_of, mappings_at(self.role, "rules"))), None)

    def grants(self) -> bool:
        """Return whether it grants any right; a role that is not of the release may."""
        return self.role is None or bool(mappings_at(self.role, "rules")) or "aggregationRule" in self.role


def excess_of(rule: Object) -> str | None:
    """Return what is more than an application needs in one rule of a role, or None."""
    verbs, resources = (set(map(str, list_at(rule, key))) for key in ("verbs", "resources"))
    if not resources:
        return None  # of URLs alone
    if "*" in verbs and "*" in resources:
        return "every verb on every resource"
    if "*" in resources:
        return "every resource"
    if escalating := sorted(verbs & ESCALATING):
        return f"the verb {escalating[0]}"
    if "secrets" in resources and ("*" in verbs or verbs & READING) and not list_at(rule, "resourceNames"):
        return "reading every Secret"
    if commands := sorted(resources & set(COMMANDS)):
        return f"the resource {commands[0]}"
    if "*" in verbs:
        return f"every verb on {', '.join(sorted(resources))}"
    return None


def bindings(objects: Sequence[Object], release_namespace: str) -> Iterator[Binding]:
    """Yield the bindings among the objects of a release."""
    for item in objects:
        if text_at(item, "kind") not in ("RoleBinding", "ClusterRoleBinding"):
            continue
        namespace = text_at(item, "metadata.namespace") or release_namespace
        kind, name = text_at(item, "roleRef.kind"), text_at(item, "roleRef.name")
        role = next(
            (
                each
                for each in objects
                if (text_at(each, "kind"), name_of(each)) == (kind, name)
                and (kind != "Role" or (text_at(each, "metadata.namespace") or release_namespace) == namespace)
            ),
            None,
        )
        yield Binding(item, namespace, role)


def account_of(pod: Pod) -> str:
    """Return the pod's service account."""
    return text_at(pod.spec, "serviceAccountName") or text_at(pod.spec, "serviceAccount") or "default"


def tokens(pod: Pod, account: Object | None, token_secrets: Sequence[str]) -> Iterator[tuple[str, str, object]]:
    """Yield field, expected and actual value of each API token that the pod's containers get.

    Args:
        pod: The pod.
        account: Its ServiceAccount, if it is of the release.
        token_secrets: The names of Secrets that hold a service account's token.
    """
    mounts = at(pod.spec, "automountServiceAccountToken")
    if mounts is None:
        mounts = at(account or {}, "automountServiceAccountToken")
    if mounts is not False:
        yield pod.path("spec.automountServiceAccountToken"), "false, as the pod does not use the API", mounts
    for volume in mappings_at(pod.spec, "volumes"):
        field = pod.path(f"spec.volumes[{text_at(volume, 'name')}]")
        for source in mappings_at(volume, "projected.sources"):
            token = at(source, "serviceAccountToken")
            # A token for another audience is of no use at the API.
            if token is not None and not text_at(token, "audience"):
                yield field, "no token, as the pod does not use the API", "projected"
        if text_at(volume, "secret.secretName") in token_secrets:
            yield field, "no token, as the pod does not use the API", "of a Secret"
