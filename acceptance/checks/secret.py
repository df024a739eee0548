"""Rules of the Secret. No finding quotes a value."""

from __future__ import annotations

import re
from collections.abc import Iterator

from acceptance.checks.clauses import (
    check_keys,
    check_keys_present,
    check_mutable,
    check_name,
    check_namespace,
    check_size,
)
from acceptance.checks.component_view import ComponentView
from acceptance.checks.finding import Untested
from acceptance.checks.registry import Violation, check
from acceptance.core.fields import (
    Object,
    at,
    format_value,
    list_at,
    mapping_at,
    mappings_at,
    name_of,
    object_ref,
    text_at,
)
from acceptance.core.target import Target
from acceptance.core.urls import database_url_error
from acceptance.kube.pod_templates import Container, EnvVar, Pod
from acceptance.kube.secrets import decode, decoded

MODEL_KEY_START = "sk-proj-"
AUTH_SECRET_CHARACTERS = 32
LOOKUP = re.compile(r"\{\{[^}]*\blookup\b")


def stated_keys(view: ComponentView) -> list[str]:
    """Return the keys of the Secret that the target names."""
    return list(view.target.secret_paths)


def value_bytes(item: Object) -> dict[str, int]:
    """Return the decoded size of each value in bytes."""
    sizes = {str(key): len(str(actual)) * 3 // 4 for key, actual in mapping_at(item, "data").items()}
    return sizes | {key: len(actual.encode()) for key, actual in decoded(item).items()}


check_name("SEC-01", lambda view: view.secret, lambda view: view.target.secret.name)
check_namespace("SEC-02", lambda view: view.secret)
check_keys("SEC-08", lambda view: view.secret)
check_size("SEC-09", lambda view: view.secret, value_bytes)
check_mutable("SEC-10", lambda view: view.secret)
check_keys_present("SEC-12", lambda view: view.secret, stated_keys)


@check("SEC-03")
def opaque(view: ComponentView) -> Iterator[Violation]:
    """SEC-03: the Secret's type is Opaque."""
    actual = at(view.secret, "type")
    if actual not in (None, "", "Opaque"):
        yield Violation(object_ref(view.secret), "type", "Opaque", format_value(actual))


def value(view: ComponentView, key: str) -> str:
    """Return the decoded value of a key; raise `Untested` if it is absent, not text, or encoded twice."""
    if key not in view.keys_of(view.secret):
        raise Untested(f"the Secret has no {key} (SEC-12)")
    actual = decoded(view.secret).get(key)
    if actual is None:
        raise Untested(f"the Secret's {key} is not base64 of text (SEC-07)")
    if encoded_twice(view, key, actual):
        raise Untested(f"the Secret's {key} is encoded twice (SEC-07)")
    return actual


def arrival(view: ComponentView, key: str, expected: str) -> Iterator[Violation]:
    """Yield a violation if the Secret has another value than was given: trimmed, cut, or with a newline added."""
    path = view.target.secret_paths[key]
    given, actual = view.snapshot.injected_values.get(key), value(view, key)
    if path is None or given is None or actual == given:
        return
    if actual.strip() == given.strip():
        difference = "one with other white space at its ends"
    elif actual in given or given in actual:
        difference = "one that is cut or extended"
    else:
        others = [other for other, text in view.snapshot.injected_values.items() if text == actual]
        difference = f"that of {others[0]}" if others else "another one"
    yield Violation(object_ref(view.secret), f"data.{key}", expected, difference)


@check("SEC-04")
def database_url(view: ComponentView) -> Iterator[Violation]:
    """SEC-04: the database URL is a PostgreSQL URL with user, password and host."""
    key = view.target.secret.database_url
    text = value(view, key)
    if error := database_url_error(text):
        expected = "a PostgreSQL URL with user, password and host"
        yield Violation(object_ref(view.secret), f"data.{key}", expected, f"one {error}" if text else "empty")
    else:
        yield from arrival(view, key, "the URL that was given")


@check("SEC-05")
def auth_secret(view: ComponentView) -> Iterator[Violation]:
    """SEC-05: the authentication secret has 32 or more characters."""
    key = view.target.secret.auth_secret
    length = len(value(view, key))
    if length < AUTH_SECRET_CHARACTERS:
        expected = f"{AUTH_SECRET_CHARACTERS} or more characters"
        yield Violation(object_ref(view.secret), f"data.{key}", expected, str(length))
    else:
        yield from arrival(view, key, "the value that was given")


@check("SEC-06")
def model_key(view: ComponentView) -> Iterator[Violation]:
    """SEC-06: the model's key starts with sk-proj-, if it is OpenAI's."""
    key = view.target.secret.model_key
    text = value(view, key)
    if not text.startswith(MODEL_KEY_START):
        require_openai(view.target)
        actual = "another prefix" if text else "empty"
        yield Violation(object_ref(view.secret), f"data.{key}", f"prefix {MODEL_KEY_START}", actual)
    else:
        yield from arrival(view, key, "the key that was given")


def require_openai(target: Target) -> None:
    """Raise `Untested` if the model's key is another provider's."""
    if target.secret.of_another_provider:
        raise Untested(
            f"{target.secret.model_key} is another provider's key, whose form the specification does not state"
        )


@check("SEC-07")
def encoded_once(view: ComponentView) -> Iterator[Violation]:
    """SEC-07: every value is UTF-8 text in base64, encoded exactly once."""
    item = view.secret
    for key, raw in mapping_at(item, "data").items():
        text = decode(raw)
        if text is None:
            yield Violation(object_ref(item), f"data.{key}", "base64 of UTF-8", "something else")
        elif encoded_twice(view, str(key), text):
            yield Violation(object_ref(item), f"data.{key}", "base64 encoded once", "base64 of base64")
    for key, raw in mapping_at(item, "stringData").items():
        if not isinstance(raw, str):
            yield Violation(object_ref(item), f"stringData.{key}", "a string", type(raw).__name__)
        elif encoded_twice(view, str(key), raw):
            yield Violation(object_ref(item), f"stringData.{key}", "text, which the API server encodes", "base64")


def encoded_twice(view: ComponentView, key: str, text: str) -> bool:
    """Whether a decoded value is itself base64 of the injected value or of one in the key's format."""
    inner = decode(text)
    if inner is None:
        return False
    if key in view.snapshot.injected_values:
        return inner.strip() == view.snapshot.injected_values[key]
    names = view.target.secret
    return (key == names.database_url and database_url_error(inner.strip()) is None) or (
        key == names.model_key and inner.startswith(MODEL_KEY_START)
    )


def roles(view: ComponentView) -> dict[str, str]:
    """Return the Secret's key by each usual name of its variable, in lower case without separators."""
    usual = ("DATABASE_URL", "BETTER_AUTH_SECRET", "OPENAI_API_KEY")
    return {plain(name): key for key, default in zip(stated_keys(view), usual, strict=True) for name in (default, key)}


def plain(name: str) -> str:
    """Return a name in lower case, letters and digits only."""
    return "".join(filter(str.isalnum, name)).lower()


def is_altered(view: ComponentView, variable: EnvVar, role: str) -> bool:
    """Whether a credential comes from a Secret beside the target's, which has another value than was given."""
    given = view.snapshot.injected_values.get(role)
    if not given or variable.source != "Secret" or variable.source_name == view.target.secret.name:
        return False
    actual = view.value_of(variable)
    return actual is not None and actual != given


@check("SEC-11")
def injected_by_reference(view: ComponentView) -> Iterator[Violation]:
    """SEC-11: containers get the secrets by reference, each from its own key, never as a literal."""
    by_name = roles(view)
    secrets = {text for key, text in view.snapshot.injected_values.items() if key in stated_keys(view) and text}
    for pod in view.pods:
        main = view.main_container(pod)
        for container in pod.containers():
            variables = view.environment(container)
            for variable in variables:
                field = f"{container.field}.env[{variable.name}]"
                role = by_name.get(plain(variable.name))
                origins = [each for each in variable.origins() if each.source == "Secret"]
                if not origins and (role or variable.key in stated_keys(view)):
                    actual = "a literal" if variable.source == "literal" else f"from a {variable.source}"
                    yield Violation(pod.object, field, "secretKeyRef or secretRef", actual)
                elif variable.source == "Secret" and role and by_name.get(plain(variable.key), role) != role:
                    yield Violation(pod.object, field, f"the key {role}", f"the key {variable.key}")
                elif role and is_altered(view, variable, role):
                    expected = f"the value given for {role}"
                    yield Violation(pod.object, field, expected, f"another one, of Secret/{variable.source_name}")
            yield from literals(view, pod, container, secrets)
            if container.field == main.field:
                referenced = {each.key for variable in variables for each in variable.origins()}
                elsewhere = {
                    plain(each.name) for each in variables if not any(o.source == "Secret" for o in each.origins())
                }
                given = {key for key in view.component.secret_keys if plain(key) in elsewhere & by_name.keys()}
                if any(unknown_secrets(view, container)):
                    continue
                # Of a variable that has the key's name, where it comes from is said above.
                for key in sorted(set(view.component.secret_keys) - referenced - given):
                    yield Violation(pod.object, f"{container.field}.env", f"{key} by secretKeyRef or secretRef", "none")


@check("SEC-11")
def keys_are_known(view: ComponentView) -> Iterator[Violation]:
    """SEC-11: what a container gets of a Secret as a whole is known if the chart or the target says what it holds."""
    for pod in view.pods:
        for name in unknown_secrets(view, view.main_container(pod)) if view.component.secret_keys else ():
            raise Untested(
                f"{pod.object} takes all keys of Secret/{name}, which the chart does not create, so that they are not "
                "known; name it in [[existing_secrets]] of the target"
            )
    yield from ()


def unknown_secrets(view: ComponentView, container: Container) -> Iterator[str]:
    """Yield the name of each Secret that a container takes as a whole and whose keys are not known."""
    for entry in mappings_at(container.body, "envFrom"):
        name = text_at(entry, "secretRef.name")
        if name and view.held("Secret", name) is None:
            yield name


def literals(view: ComponentView, pod: Pod, container: Container, secrets: set[str]) -> Iterator[Violation]:
    """Yield a violation for each secret in the text of a variable or of the command line."""
    for variable in view.declared_environment(container):
        if isinstance(variable.value, str) and any(secret in variable.value for secret in secrets):
            field = f"{container.field}.env[{variable.name}]"
            yield Violation(pod.object, field, "secretKeyRef or secretRef", "a literal")
    for part in ("command", "args"):
        if any(secret in str(word) for word in list_at(container.body, part) for secret in secrets):
            yield Violation(pod.object, f"{container.field}.{part}", "no secret", "one, as a literal")


@check("SEC-11", "static", "live")
def kept_apart_from_settings(view: ComponentView) -> Iterator[Violation]:
    """SEC-11: no ConfigMap has the key of a credential that the pods get from the Secret, unless a user adds it."""
    if view.snapshot.chosen:
        return
    secret = view.target.secret.name
    keys = set(stated_keys(view)) & set(view.keyed().get(("Secret", secret), ()))
    for pod in view.pods:
        sources = {
            origin.source_name
            for variable in view.declared_environment(view.main_container(pod))
            for origin in variable.origins()
            if origin.source == "ConfigMap"
        }
        for item in view.snapshot.of_kind("ConfigMap"):
            for key in sorted(keys & mapping_at(item, "data").keys()) if name_of(item) in sources else ():
                expected = f"{key} in Secret/{secret} alone"
                yield Violation(object_ref(item), f"data.{key}", expected, "also among the settings", derived=True)


@check("SEC-13")
def not_generated_anew(view: ComponentView) -> Iterator[Violation]:
    """SEC-13: the same values render the same Secrets, so that an upgrade changes none."""
    view.require_rendered()
    chart = view.chart
    pairs = [(chart.rendering, chart.rerendering)]
    pairs += list(chart.secret_probes.without.values()) if chart.secret_probes else []
    changed = {
        (object_ref(item), str(key))
        for first, again in pairs
        if first.error is None and again.error is None
        for item in first.objects
        if at(item, "kind") == "Secret"
        for other in again.objects
        if object_ref(other) == object_ref(item)
        for field in ("data", "stringData")
        for key, text in mapping_at(item, field).items()
        if mapping_at(other, field).get(key) != text
    }
    if changed and any(LOOKUP.search(text) for text in chart.templates.values()):
        raise Untested("a template looks up what the cluster has, which a rendering without a cluster can't show")
    for owner, key in sorted(changed):
        expected = "the same at each upgrade with the same values (kept by lookup, or given)"
        yield Violation(owner, f"data.{key}", expected, "generated anew by each one")
