"""The rule of least privilege: keys of the Secret, tokens, and rights at the API."""

from __future__ import annotations

from collections.abc import Iterator

from acceptance.checks.component_view import ComponentView
from acceptance.checks.pod_security import judged_pods
from acceptance.checks.registry import Violation, check
from acceptance.core.fields import Object, format_value, mappings_at, name_of, object_ref, text_at
from acceptance.kube.pod_templates import Pod
from acceptance.kube.rights import account_of, bindings, tokens


@check("SCY-09")
def only_needed_keys(view: ComponentView) -> Iterator[Violation]:
    """SCY-09: the component's pods get only the keys of the Secret that they need."""
    needed = set(view.component.secret_keys) or None
    model_key = view.target.secret.model_key
    secret = name_of(view.find_secret() or {}) or view.target.secret.name
    expected = f"only the keys it needs ({', '.join(sorted(needed or ())) or f'not {model_key}'})"

    def too_many(key: str) -> bool:
        return key not in needed if needed else key == model_key and view.component_name == "frontend"

    for pod in view.pods:
        for container in pod.containers():
            used = {
                variable.key
                for variable in view.environment(container)
                if variable.source == "Secret" and variable.source_name == secret
            }
            for key in sorted(filter(too_many, used)):
                yield Violation(pod.object, f"{container.field}.env", expected, key)
        for volume in mappings_at(pod.spec, "volumes"):
            for source in secret_sources(volume, secret):
                keys = [text_at(item, "key") for item in mappings_at(source, "items")]
                for key in filter(too_many, keys or view.keyed().get(("Secret", secret), [])):
                    yield Violation(pod.object, pod.path(f"spec.volumes[{text_at(volume, 'name')}]"), expected, key)


def secret_sources(volume: Object, secret: str) -> Iterator[Object]:
    """Yield the sources of a volume, projected ones too, that contain the Secret."""
    sources = [(volume, "secretName"), *((source, "name") for source in mappings_at(volume, "projected.sources"))]
    for source, key in sources:
        if text_at(source, f"secret.{key}") == secret:
            yield source["secret"]


@check("SCY-09")
def only_needed_rights(view: ComponentView) -> Iterator[Violation]:
    """SCY-09: no pod has a token that it does not use, and none has an administrator's rights."""
    snapshot = view.snapshot
    bound = list(bindings(snapshot.objects, snapshot.release_namespace))
    token_secrets = [
        name_of(item)
        for item in snapshot.of_kind("Secret")
        if text_at(item, "type") == "kubernetes.io/service-account-token"
    ]
    found: set[Violation] = set()
    for pod in judged_pods(view):
        account = account_of(pod)
        own = [each for each in bound if each.binds(account, snapshot.namespace_of(pod.owner))]
        for binding in own:
            if excess := binding.excess():
                expected = "only the rights that the pods use"
                actual = f"{excess}, for {pod.object}'s account {account}"
                found.add(Violation(object_ref(binding.item), "roleRef", expected, actual))
        if not any(binding.grants() for binding in own):
            yield from unneeded_tokens(pod, snapshot.named("ServiceAccount", account), token_secrets)
    yield from sorted(found, key=str)


def unneeded_tokens(pod: Pod, account: Object | None, token_secrets: list[str]) -> Iterator[Violation]:
    """Yield a violation for each API token of a pod that has no rights at the API."""
    for field, expected, actual in tokens(pod, account, token_secrets):
        yield Violation(pod.object, field, expected, format_value(actual))
