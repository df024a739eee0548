"""Rules of credentials in files, objects, logs and images. No finding quotes one."""

from __future__ import annotations

import re
from collections.abc import Iterator
from functools import lru_cache

import yaml

from acceptance.checks.component_view import ComponentView
from acceptance.checks.finding import Untested
from acceptance.checks.registry import Violation, check
from acceptance.checks.values_schema import refused_by_schema
from acceptance.core.dockerfile import assignments, instructions
from acceptance.core.fields import Object, at, list_at, mapping_at, mappings_at, object_ref, text_at
from acceptance.core.leaks import leaked_secrets
from acceptance.core.secret_scan import (
    credential_kinds,
    holds_credential,
    is_placeholder,
    looks_random,
    names_credential,
    strings,
)
from acceptance.core.values import leaves
from acceptance.kube.manifests import loader_of
from acceptance.kube.pod_templates import Container, pod_of
from acceptance.kube.secrets import decoded

COMMENT = re.compile(r"\{\{-?\s*/\*.*?\*/\s*-?\}\}|(?:^|(?<=\s))#[^\n]*", re.DOTALL | re.MULTILINE)
"""A comment of a template, of YAML or of a Dockerfile."""
PROSE = (".md", ".txt", ".rst", ".adoc", "NOTES.txt")
REFERENCE = re.compile(r"[a-z][a-z0-9]*([-.][a-z0-9]+)+|[A-Z][A-Z0-9_]*")
"""A name of an object or of a key, as a value of `secret: todo-secrets`."""
NAMES_OF_KEYS = re.compile(r"(?i:(?:.*secret)?keys?(?:names?|refs?)?)|\w*[a-z]Keys")
"""A key of the values below which are the names of a Secret's keys."""
APPLIED = "kubectl.kubernetes.io/last-applied-configuration"
"""kubectl's own copy of an object, which contains a Secret's data."""
VARIABLE_LINE = re.compile(r"^[ \t]*(?:export )?([A-Z][A-Z0-9_]*)=[\"']?([^\s\"']+)[\"']?[ \t]*$", re.MULTILINE)
"""A line of a file of variables."""
OPTION = re.compile(r"--?(?P<name>[A-Za-z][\w.-]*)(?:=(?P<value>.*))?", re.DOTALL)


@check("SCY-08", "static")
def files_hold_no_credential(view: ComponentView) -> Iterator[Violation]:
    """SCY-08: templates, values files, Dockerfiles and the chart's other files contain no credential."""
    chart, names = view.chart, tuple(view.target.secret_paths)
    for path, text in chart.templates.items():
        for kind in kinds_in_file(text, names, prose=path.endswith(PROSE)):
            yield Violation(path, "text", "no credential", kind)
    for path, text in chart.files.items():
        for kind in kinds_in_file(text, (), prose=True):
            yield Violation(path, "text", "no credential", kind)
    for path, text in chart.values_files.items():
        for field, kind in kinds_in_values(text, names):
            yield Violation(path, field, "no credential", kind)
    for part, text in chart.dockerfiles.items():
        for kind in kinds_in_dockerfile(text):
            yield Violation(f"{part}'s Dockerfile", "text", "no credential", kind)


@lru_cache(256)
def kinds_in_file(text: str, names: tuple[str, ...], *, prose: bool) -> tuple[str, ...]:
    """Return the kinds of credentials in a file; what comments and documentation show as an example is none."""
    comments = "\n".join(match.group() for match in COMMENT.finditer(text))
    found = [*credential_kinds(COMMENT.sub(" ", text), names, prose=prose), *credential_kinds(comments, prose=True)]
    return tuple(dict.fromkeys(found))


@lru_cache(256)
def kinds_in_values(text: str, names: tuple[str, ...]) -> tuple[tuple[str, str], ...]:
    """Return path and kind of each credential in a values file."""
    return tuple(_in_values(text, names))


def _in_values(text: str, names: tuple[str, ...]) -> Iterator[tuple[str, str]]:
    values = _loaded(text)
    if values is None:
        yield from (("text", kind) for kind in kinds_in_file(text, names, prose=False))
        return
    for keys, value in leaves(values):
        path = ".".join(keys)
        formats = [(field, kind) for field, entry in strings(value, path) for kind in credential_kinds(entry)]
        yield from formats
        named = "password" not in keys[-1].lower() or any(NAMES_OF_KEYS.fullmatch(key) for key in keys[:-1])
        reference = isinstance(value, str) and named and REFERENCE.fullmatch(value)
        if not formats and holds_credential(keys[-1], value) and not is_placeholder(value) and not reference:
            yield path, "a literal"
    yield from (("comments", kind) for kind in kinds_in_file(comments_of(text), (), prose=True))


def _loaded(text: str) -> Object | None:
    """Return the mapping in a values file, or None if it has none."""
    try:
        values = yaml.load(text, loader_of(text))  # noqa: S506 - a SafeLoader
    except yaml.YAMLError:
        return None
    return values if isinstance(values, dict) else None


def comments_of(text: str) -> str:
    """Return the comments of a text, one a line."""
    return "\n".join(match.group() for match in COMMENT.finditer(text))


def kinds_in_dockerfile(text: str) -> Iterator[str]:
    """Yield the kinds of credentials in a Dockerfile: by format anywhere, by name in ENV, ARG and LABEL."""
    yield from dict.fromkeys(kinds_in_file(text, (), prose=False))
    for instruction in instructions(text):
        for name, value in assignments(instruction).items():
            if holds_credential(name, value) and not is_placeholder(value):
                yield f"a value of {name}"


@check("SCY-08", "static")
def secrets_have_no_default(view: ComponentView) -> Iterator[Violation]:
    """SCY-08: every credential in a rendered Secret was given."""
    probes = view.chart.secret_probes
    if probes is None:
        return
    secret = view.find_secret()
    name = object_ref(secret) if secret is not None else f"Secret/{view.target.secret.name}"
    paths = view.target.secret_paths
    literals = values_literals(view)
    for key, (first, again) in probes.without.items():
        found, other = (secret_values(each.objects).get((name, key), "") for each in (first, again))
        others = [text for name, text in view.snapshot.injected_values.items() if name != key]
        crossed = found in others  # which the key's own rule reports
        if found.strip() and found == other and found not in literals and not crossed:
            expected = f"empty or refused unless {paths[key]} is given"
            yield Violation(name, f"data.{key}", expected, "a default that ships")
    generated = generated_keys(view)
    given = tuple(given_texts(view))
    for (owner, key), value in secret_values(view.snapshot.objects).items():
        if (owner, key) in generated or value in literals or (owner == name and key in probes.without):
            continue
        if is_credential(key, value) and not any(text == value or text in value or value in text for text in given):
            yield Violation(owner, f"data.{key}", "empty where no value is given", "a default that ships")


def values_literals(view: ComponentView) -> set[str]:
    """Return the texts of values.yaml that are credentials themselves, each of which is found there."""
    shipped = view.chart.values_files.get("values.yaml", "")
    values = _loaded(shipped)
    found = (at(values, field) for field, _ in kinds_in_values(shipped, tuple(view.target.secret_paths)))
    return {text for text in found if isinstance(text, str)}


def secret_values(objects: tuple[Object, ...]) -> dict[tuple[str, str], str]:
    """Return the text of each key of the Secrets among objects, by `Secret/name` and key."""
    return {
        (object_ref(item), key): value
        for item in objects
        if text_at(item, "kind") == "Secret"
        for key, value in decoded(item).items()
    }


def given_texts(view: ComponentView) -> Iterator[str]:
    """Yield the texts that were given to the chart, of three characters and more, and their encodings."""
    yield from filter(None, view.snapshot.injected_values.values())
    for _, value in strings(view.target.chart.values):
        if len(value) > 2:
            yield value


ADDRESS = re.compile(r"[a-z][a-z0-9+.-]*://[^@\s]*|[\w-]+(\.[\w-]+)+(:\d+)?")
"""A URL without a password, or the name of a host."""


def is_credential(key: str, value: str) -> bool:
    """Whether a Secret's entry is a credential: a user name, a host, a port or a switch is none."""
    if key == ".dockerconfigjson":
        return re.search(r'"(auth|password|identitytoken)"\s*:\s*"[^"]', value) is not None
    if holds_credential(key, value) or any(credential_kinds(value)):
        return True
    if re.search(r"(?i)public|publishable|checksum|hash|\.crt$|(url|uri|host|origins?|model|user(name)?|email)$", key):
        return False
    if ADDRESS.fullmatch(value):
        return False
    secretive = re.search(r"(?i)(key|salt|pepper|jwt|seed)$", key)
    return bool(secretive and holds_credential("secret", value)) or looks_random(value)


def generated_keys(view: ComponentView) -> set[tuple[str, str]]:
    """Return Secret and key of each value that rendering generates: another one each time."""
    first, again = (secret_values(each.objects) for each in (view.chart.rendering, view.chart.rerendering))
    found = {place for place, value in first.items() if again.get(place) != value}
    probes = view.chart.secret_probes
    for one, other in probes.without.values() if probes else ():
        values = secret_values(other.objects)
        found |= {place for place, value in secret_values(one.objects).items() if values.get(place) != value}
    return found


@check("SCY-08", "static")
def helm_repeats_no_credential(view: ComponentView) -> Iterator[Violation]:
    """SCY-08: neither the notes nor a refusal repeat a credential."""
    chart, secrets = view.chart, known_secrets(view)
    for name in leaked_secrets(chart.rendering.notes, secrets):
        yield Violation("NOTES.txt", "text", "no credential", f"the {name}")
    for kind in credential_kinds(chart.rendering.notes, prose=True):
        yield Violation("NOTES.txt", "text", "no credential", kind)
    renderings = [("rendering", chart.rendering), ("rendering without the secrets", chart.without_secrets)]
    if (probes := chart.secret_probes) is not None:
        renderings += [(f"rendering without {key}", first) for key, (first, _) in probes.without.items()]
        for key, refusal in probes.malformed.items():
            error = refusal.rendering.error or ""
            if any(leaked_secrets(error, {key: refusal.given})):
                place, expected = f"rendering with a malformed {key}", "a refusal that does not repeat the value"
                # The words are Helm's own, which has no others for a pattern of the schema.
                yield Violation(place, "helm template", expected, "the value", derived=refused_by_schema(error))
    for place, rendering in renderings:
        for name in leaked_secrets((rendering.error if rendering else None) or "", secrets):
            yield Violation(place, "helm template", "a refusal without credentials", f"the {name}")


def known_secrets(view: ComponentView) -> dict[str, str]:
    """Return the credentials by key: those that were given, and what looks like one in the release's Secrets."""
    keys = view.target.secret_paths.keys()
    found = {key: text for key, text in view.snapshot.injected_values.items() if key in keys}
    secret = view.find_secret()
    for item in view.snapshot.of_kind("Secret"):
        for key, text in decoded(item).items():
            stated = item is secret and key in keys
            if stated or (looks_random(text) and is_credential(key, text)):
                found.setdefault(key, text)
    return found


@check("SCY-08", "static", "live")
def objects_hold_no_credential(view: ComponentView) -> Iterator[Violation]:
    """SCY-08: nothing but the data of a Secret, and no log, contains a credential."""
    view.require_rendered()
    secrets = known_secrets(view)
    for item in view.snapshot.objects:
        found: set[str] = set()
        for field, text in strings(outside_data(item)):
            kinds = [*(f"the {name}" for name in leaked_secrets(text, secrets)), *credential_kinds(text)]
            if kinds:  # of one text, the first says what it is
                found.add(place := field.removesuffix(".value"))
                yield Violation(object_ref(item), place, "no credential", kinds[0])
        yield from (each for each in named_literals(item) if each.field not in found)
    if view.live:
        for pod, log in view.cluster.logs.items():
            for actual in (*(f"the {name}" for name in leaked_secrets(log, secrets)), *credential_kinds(log)):
                yield Violation(f"Pod/{pod}", "log", "no credential", actual)


def outside_data(item: Object) -> Object:
    """Return an object without what may hold credentials: a Secret's data."""
    if at(item, "kind") != "Secret":
        return item
    metadata = dict(mapping_at(item, "metadata"))
    annotations = {key: value for key, value in mapping_at(metadata, "annotations").items() if key != APPLIED}
    return {**item, "data": {}, "stringData": {}, "metadata": {**metadata, "annotations": annotations}}


def named_literals(item: Object) -> Iterator[Violation]:
    """Yield a violation for each literal under a credential's name: in a ConfigMap, a variable or an argument."""
    if at(item, "kind") == "ConfigMap":
        for key, value in mapping_at(item, "data").items():
            if holds_credential(str(key), value):
                yield Violation(object_ref(item), f"data.{key}", "no credential", "a literal")
            for name, literal in VARIABLE_LINE.findall(value if isinstance(value, str) else ""):
                if holds_credential(name, literal):
                    yield Violation(object_ref(item), f"data.{key}", "no credential", f"a literal of {name}")
    pod = pod_of(item)
    for container in pod.every_container() if pod else ():
        for variable in mappings_at(container.body, "env"):
            if holds_credential(text_at(variable, "name"), at(variable, "value")):
                field = f"{container.field}.env[{text_at(variable, 'name')}]"
                yield Violation(object_ref(item), field, "no credential", "a literal")
        for field, name in named_options(container):
            yield Violation(object_ref(item), field, "no credential", f"a literal of {name}")


def named_options(container: Container) -> Iterator[tuple[str, str]]:
    """Yield field and name of each command-line option such as `--password=...` with a literal."""
    words = [(part, str(word)) for part in ("command", "args") for word in list_at(container.body, part)]
    for (part, word), (_, following) in zip(words, [*words[1:], ("", "")], strict=False):
        option = OPTION.fullmatch(word)
        if option and names_credential(option["name"]):
            value = following if option["value"] is None else option["value"]
            if holds_credential(option["name"], value) and not value.startswith("-"):
                yield f"{container.field}.{part}", f"--{option['name']}"


@check("SCY-08", "image")
def image_holds_no_credential(view: ComponentView) -> Iterator[Violation]:
    """SCY-08: images' environment, history and layers contain no credential."""
    for part, image in view.snapshot.images.items():
        for word in map(str, list_at(image.config, "config.Env")):
            for kind in kinds_in_dockerfile(f"ENV {word}"):
                yield Violation(image.reference, "config.Env", "no credential", kind)
        for entry in mappings_at(image.config, "history"):
            for kind in dict.fromkeys(kinds_in_history(text_at(entry, "created_by"))):
                yield Violation(image.reference, "history", "no credential", kind)
        for field, text in strings(mapping_at(image.config, "config.Labels")):
            for kind in credential_kinds(text):
                yield Violation(image.reference, f"config.Labels.{field}", "no credential", kind)
        for place in image.credentials:
            yield Violation(image.reference, f"layers of the {part}", "no credential", place)
    if not view.snapshot.images:
        raise Untested("no image was built")


def kinds_in_history(command: str) -> Iterator[str]:
    """Yield the kinds of credentials in a line of an image's history, arguments of `RUN |2 KEY=value ...` included."""
    yield from kinds_in_dockerfile(command)
    for name, value in re.findall(r"(?:^|\s)([A-Za-z_]\w*)=(\S+)", command):
        if holds_credential(name, value) and not is_placeholder(value):
            yield f"a value of {name}"
