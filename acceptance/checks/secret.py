"""Rules of the Secret. No finding quotes a value."""

from __future__ import annotations

from collections.abc import Iterator

from acceptance.checks.clauses import in_namespace, keys, mutable, named, present, sized
from acceptance.checks.component_view import ComponentView
from acceptance.checks.finding import Untested
from acceptance.checks.registry import Violation, check
from acceptance.core.fields import Object, at, format_value, list_at, mapping_at, object_ref
from acceptance.core.urls import database_url_error
from acceptance.kube.secrets import decode, decoded

MODEL_KEY_START = "sk-proj-"
AUTH_SECRET_CHARACTERS = 32


def stated_keys(subject: ComponentView) -> list[str]:
    names = subject.target.secret
    return [names.database_url, names.auth_secret, names.model_key]


def value_bytes(item: Object) -> dict[str, int]:
    sizes = {str(key): len(str(found)) * 3 // 4 for key, found in mapping_at(item, "data").items()}
    return sizes | {key: len(found.encode()) for key, found in decoded(item).items()}


named("SEC-01", lambda s: s.secret, lambda s: s.target.secret.name)
in_namespace("SEC-02", lambda s: s.secret)
keys("SEC-08", lambda s: s.secret)
sized("SEC-09", lambda s: s.secret, value_bytes)
mutable("SEC-10", lambda s: s.secret)
present("SEC-12", lambda s: s.secret, stated_keys)


@check("SEC-03")
def opaque(subject: ComponentView) -> Iterator[Violation]:
    found = at(subject.secret, "type")
    if found not in (None, "", "Opaque"):
        yield Violation(object_ref(subject.secret), "type", "Opaque", format_value(found))


def value(subject: ComponentView, key: str) -> str:
    """The decoded value of a key; `Untested` where it is absent or not text."""
    if key not in subject.keys_of(subject.secret):
        raise Untested(f"the Secret has no {key} (SEC-12)")
    found = decoded(subject.secret).get(key)
    if found is None:
        raise Untested(f"the Secret's {key} is not base64 of text (SEC-07)")
    return found


@check("SEC-04")
def database_url(subject: ComponentView) -> Iterator[Violation]:
    key = subject.target.secret.database_url
    if wrong := database_url_error(value(subject, key)):
        wanted = "a PostgreSQL URL with user, password and host"
        yield Violation(object_ref(subject.secret), f"data.{key}", wanted, f"one {wrong}")


@check("SEC-05")
def auth_secret(subject: ComponentView) -> Iterator[Violation]:
    key = subject.target.secret.auth_secret
    length = len(value(subject, key))
    if length < AUTH_SECRET_CHARACTERS:
        wanted = f"{AUTH_SECRET_CHARACTERS} or more characters"
        yield Violation(object_ref(subject.secret), f"data.{key}", wanted, str(length))


@check("SEC-06")
def model_key(subject: ComponentView) -> Iterator[Violation]:
    key = subject.target.secret.model_key
    if not value(subject, key).startswith(MODEL_KEY_START):
        yield Violation(object_ref(subject.secret), f"data.{key}", f"a start of {MODEL_KEY_START}", "another")


@check("SEC-07")
def encoded_once(subject: ComponentView) -> Iterator[Violation]:
    item = subject.secret
    for key, raw in mapping_at(item, "data").items():
        text = decode(raw)
        if text is None:
            yield Violation(object_ref(item), f"data.{key}", "base64 of UTF-8", "something else")
        elif twice(subject, str(key), text):
            yield Violation(object_ref(item), f"data.{key}", "base64, once", "base64 of base64")
    for key, raw in mapping_at(item, "stringData").items():
        if not isinstance(raw, str):
            yield Violation(object_ref(item), f"stringData.{key}", "a string", type(raw).__name__)


def twice(subject: ComponentView, key: str, text: str) -> bool:
    """Whether a decoded value is base64 of what was given, or of what the key's format wants."""
    inner = decode(text)
    if inner is None:
        return False
    if key in subject.snapshot.injected_values:
        return inner.strip() == subject.snapshot.injected_values[key]
    names = subject.target.secret
    return (key == names.database_url and database_url_error(inner.strip()) is None) or (
        key == names.model_key and inner.startswith(MODEL_KEY_START)
    )


@check("SEC-11")
def injected_by_reference(subject: ComponentView) -> Iterator[Violation]:
    names = set(stated_keys(subject))
    secrets = {text for key, text in subject.snapshot.injected_values.items() if key in names}
    needed = set(subject.component.secret_keys)
    for pod in subject.pods:
        main = subject.main_container(pod)
        for container in pod.containers():
            given = subject.environment(container)
            for variable in given:
                if variable.source == "Secret":
                    continue
                sensitive = variable.name in names or variable.key in names
                if sensitive or (isinstance(variable.value, str) and variable.value in secrets):
                    found = "a literal" if variable.source == "literal" else f"from a {variable.source}"
                    field = f"{container.field}.env[{variable.name}]"
                    yield Violation(pod.object, field, "secretKeyRef or secretRef", found)
            for part in ("command", "args"):
                if any(secret in str(word) for word in list_at(container.body, part) for secret in secrets):
                    yield Violation(pod.object, f"{container.field}.{part}", "no secret", "one, as a literal")
            if container.field == main.field:
                held = {variable.key for variable in given if variable.source == "Secret"}
                for key in sorted(needed - held):
                    yield Violation(pod.object, f"{container.field}.env", f"{key} by secretKeyRef or secretRef", "none")
