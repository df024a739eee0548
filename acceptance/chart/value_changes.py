"""What one changed value does to a release: pods follow their settings, and a missing section is refused in words."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from itertools import islice, pairwise
from typing import Any

from acceptance.chart.renderer import WORKERS, Renderer, new_credentials
from acceptance.chart.unused import alternatives
from acceptance.chart.variations import CERTIFICATE, TEMPLATE_ERROR
from acceptance.checks.clauses import has_hash
from acceptance.checks.finding import Finding
from acceptance.checks.snapshot import Rendering
from acceptance.core.fields import Object, at, mapping_at, mappings_at, name_of, object_ref, text_at
from acceptance.core.values import leaves, merge_values, nested
from acceptance.kube.pod_templates import WORKLOADS, Pod, environment, pod_of

RULES = {"ConfigMap": "CFG-10", "Secret": "SEC-11"}
IMMUTABLE = {"ConfigMap": "CFG-09", "Secret": "SEC-10"}
FILES_READ_AT_START = ("NODE_EXTRA_CA_CERTS",)
"""Variables that name a file which the process reads once, when it starts; Node.js's documentation says so of this."""
Keys = dict[tuple[str, str], dict[str, Any]]


def unnoticed_changes(renderer: Renderer, kind: str) -> list[Finding]:
    """Return a finding for each workload whose pods keep an old value of a ConfigMap or Secret when one is changed.

    Args:
        renderer: Renders the target's chart.
        kind: `ConfigMap` or `Secret`.
    """
    found: dict[tuple[str, str], Finding] = {}
    for path, before, after in changed_values(renderer):
        for workload, reference in _unnoticed(before, after, kind):
            expected = f"a template that changes with {path}, such as by a checksum of {reference}"
            actual = "the same template, so that running pods keep the old value"
            finding = Finding(RULES[kind], workload, "spec.template", expected, actual, not renderer.target.strict)
            found.setdefault((workload, reference), finding)
    return list(found.values())


def refused_changes(renderer: Renderer) -> list[Finding]:
    """Return a finding for each immutable object that keeps its name, so that a changed value is refused.

    One with the target's name is CFG-09's and SEC-10's finding whatever changes.
    """
    stated = {renderer.target.config_map.name, renderer.target.secret.name}
    found: dict[str, Finding] = {}
    for path, before, after in changed_values(renderer):
        old = _immutable(before)
        for key, item in _immutable(after).items():
            if key not in old or old[key] == item or (name_of(item) in stated and not has_hash(name_of(item))):
                continue
            rule = IMMUTABLE[text_at(item, "kind")]
            expected = f"false or absent, as the name stays the same when {path} changes: the API server refuses that"
            found.setdefault(object_ref(item), Finding(rule, object_ref(item), "immutable", expected, "true"))
    return list(found.values())


def _immutable(rendering: Rendering) -> dict[tuple[str, str], Object]:
    """Return the immutable ConfigMaps and Secrets by reference and namespace, reduced to what can't be changed."""
    return {
        (object_ref(item), text_at(item, "metadata.namespace")): {
            "kind": item["kind"],
            "metadata": {"name": name_of(item)},
            **{part: mapping_at(item, part) for part in ("data", "stringData", "binaryData")},
        }
        for item in rendering.objects
        if text_at(item, "kind") in IMMUTABLE and at(item, "immutable") is True
    }


def mere_switches(renderer: Renderer) -> list[Finding]:
    """Return a finding for each text that ships empty of which only whether it is set has an effect, not the text."""
    found = []
    set_first = {}
    for path, before, after in changed_values(renderer):
        changed = before.objects != after.objects
        if path not in set_first:
            set_first[path] = changed
        elif set_first[path] and not changed:
            expected, actual = "a text that arrives somewhere", "no effect but that something is set"
            found.append(Finding("CHT-10", "chart", path, expected, actual, advice=not renderer.target.strict))
    return found


def changed_values(renderer: Renderer) -> list[tuple[str, Rendering, Rendering]]:
    """Return the path of each value that has an accepted change, and the chart as rendered before and after it alone.

    What ships empty is set, and then changed.
    """
    defaults = renderer.render(renderer.required())
    with ThreadPoolExecutor(WORKERS) as pool:
        accepted = pool.map(lambda change: (change[0], _accepted(renderer, *change)), _changes(renderer))
        return [
            (path, before, after)
            for path, renderings in accepted
            for before, after in pairwise((defaults, *renderings))
        ]


def _changes(renderer: Renderer) -> list[tuple[str, list[Any]]]:
    """Return the path of each value, and other values to try; those of the credentials are valid."""
    target, fresh = renderer.target, new_credentials(renderer.target)
    given = {path: [target.secret.as_given(fresh[key])] for key, path in target.secret_paths.items() if path}
    if authority := target.values.ca_certificate:
        given[authority] = [CERTIFICATE, CERTIFICATE * 2]  # a bundle of two
    return [
        *given.items(),
        *(
            (".".join(keys), alternatives(renderer, keys, value))
            for keys, value in leaves(renderer.shipped)
            if ".".join(keys) not in given
        ),
    ]


def _accepted(renderer: Renderer, path: str, values: list[Any]) -> list[Rendering]:
    """The chart with the first value that it accepts; where the shipped one is an empty text, with the first two."""
    wanted = 2 if at(renderer.shipped, path) in ("", None) else 1
    renderings = (renderer.render(merge_values(renderer.required(), nested(path, value))) for value in values)
    return list(islice((each for each in renderings if each.error is None), wanted))


def _unnoticed(before: Rendering, after: Rendering, kind: str) -> Iterator[tuple[str, str]]:
    """Yield (workload, `Kind/name`) for each template that stays as it was though a value that it uses changed."""
    old, new = _data(before, kind), _data(after, kind)
    changed = {
        (key, entry)
        for key in old.keys() & new.keys()
        for entry in old[key].keys() | new[key].keys()
        if old[key].get(entry) != new[key].get(entry)
    }
    if not changed:
        return
    templates = {
        (pod.object, text_at(item, "metadata.namespace")): pod
        for item in after.objects
        if (pod := pod_of(item)) is not None
    }
    for item in before.objects:
        pod = pod_of(item)
        if pod is None or text_at(item, "kind") not in WORKLOADS or _has_reloader(item):
            continue
        same = templates.get((pod.object, text_at(item, "metadata.namespace")))
        if same is None or same.body != pod.body:
            continue
        for used in sorted(_used(pod, {**old, **new}, kind) & changed):
            yield pod.object, f"{kind}/{used[0][1]}"


def _data(rendering: Rendering, kind: str) -> Keys:
    return {
        (kind, text_at(item, "metadata.name")): {
            **mapping_at(item, "data"),
            **mapping_at(item, "binaryData"),
            **mapping_at(item, "stringData"),
        }
        for item in rendering.objects
        if text_at(item, "kind") == kind
    }


def _has_reloader(item: Object) -> bool:
    """Whether an annotation asks a controller to restart the pods, as Stakater's Reloader does."""
    annotations = (*mapping_at(item, "metadata.annotations"), *mapping_at(item, "spec.template.metadata.annotations"))
    return any("reloader" in str(each) for each in annotations)


def _used(pod: Pod, data: Keys, kind: str) -> set[tuple[tuple[str, str], str]]:
    """Return the keys that the pod's containers read at their start alone: by environment, or from a file.

    A file that is mounted with `subPath` is never updated; others are, but some are read only once.
    """
    keys = {name: list(entries) for name, entries in data.items()}
    used: set[tuple[tuple[str, str], str]] = set()
    for container in pod.containers():
        variables = list(environment(container, keys))
        used |= {((kind, each.source_name), each.key) for each in variables if each.source == kind}
        read_once = {str(each.value) for each in variables if each.name in FILES_READ_AT_START}
        for mount in mappings_at(container.body, "volumeMounts"):
            for path, source in _files(pod, mount, keys, kind):
                if at(mount, "subPath") or path in read_once:
                    used.add(source)
    return used


def _files(
    pod: Pod, mount: Object, keys: Mapping[tuple[str, str], list[str]], kind: str
) -> Iterator[tuple[str, tuple[tuple[str, str], str]]]:
    """Yield the path of each file that a mount of a ConfigMap or Secret puts there, and the key that it holds."""
    field, name_field = ("configMap", "name") if kind == "ConfigMap" else ("secret", "secretName")
    folder, sub_path = text_at(mount, "mountPath"), text_at(mount, "subPath")
    for volume in mappings_at(pod.spec, "volumes"):
        if at(volume, "name") != at(mount, "name") or not (name := text_at(volume, f"{field}.{name_field}")):
            continue
        items = [(text_at(each, "path"), text_at(each, "key")) for each in mappings_at(volume, f"{field}.items")]
        for file, key in items or [(key, key) for key in keys.get((kind, name), [])]:
            if not sub_path or file == sub_path:
                yield folder if sub_path else f"{folder.rstrip('/')}/{file}", ((kind, name), key)


def missing_sections(renderer: Renderer) -> list[Finding]:
    """Return a finding for the sections of the values without which a template fails in Go's words.

    `helm upgrade --reuse-values` renders with an older release's values, which lack every section added since.
    """
    sections = [key for key, value in renderer.shipped.items() if isinstance(value, Mapping) and value]
    values = [merge_values(renderer.required(), {key: None}) | {key: None} for key in sections]
    failed = {
        section: rendering.error
        for section, rendering in zip(sections, renderer.render_all(values), strict=True)
        if rendering.error is not None and TEMPLATE_ERROR.search(rendering.error)
    }
    if not failed:
        return []
    expected = "rendered, or refused in words that name it, when an older release's values lack it"
    first, *others = failed
    actual = failed[first] + "".join(f"; without {section}: {_cause(failed[section])}" for section in others)
    return [Finding("CHT-18", "values", ", ".join(failed), expected, actual, not renderer.target.strict)]


def _cause(error: str) -> str:
    """Return where a template fails, and why, of Helm's whole message."""
    where = re.search(r"[\w.-]+/templates/[\w./-]+:\d+", error)
    return f"{where.group() if where else ''} {error.rpartition('>: ')[2]}".strip()
