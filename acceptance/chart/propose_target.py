"""`python -m acceptance init CHART`: proposes a target file for a chart from what it renders.

Components are recognised by what they use, run and serve. Value paths are found by changing one value at a time.
"""

from __future__ import annotations

import itertools
import re
import tempfile
from collections.abc import Callable, Mapping, Sequence
from os.path import commonpath, relpath
from pathlib import Path
from typing import Any

from acceptance.chart.branches import VALUE
from acceptance.chart.files import templates
from acceptance.chart.proposal.application import describe_application, files_beside
from acceptance.chart.proposal.completion import REFERENCE, Completion, complete, new_credential
from acceptance.chart.proposal.defaults import defaults
from acceptance.chart.proposal.describe import (
    describe_autoscaler,
    describe_component,
    describe_config_map,
    describe_further_keys,
    describe_secret,
)
from acceptance.chart.proposal.draft import Draft, toml
from acceptance.chart.proposal.effects import HPA, Effect, Names, effects, find
from acceptance.chart.proposal.handmade import Keys, keys_of_secret
from acceptance.chart.proposal.missing import note_missing_values
from acceptance.chart.proposal.roles import Workload, assign, workloads
from acceptance.chart.proposal.source import ChartSource, InitError, default_release, given_values, open_chart
from acceptance.chart.proposal.trials import Explorer, Trial, mappings, settable, trials_of
from acceptance.chart.proposal.vocabulary import SPECIFIED_KEYS, credential_of, normalized
from acceptance.chart.renderer import Renderer
from acceptance.checks.snapshot import Rendering
from acceptance.core.fields import Object, at, name_of, text_at
from acceptance.core.target import CREDENTIALS, Target
from acceptance.core.values import leaves, merge_values, nested, set_paths
from acceptance.kube.helm import Helm
from acceptance.kube.secrets import decoded

__all__ = ["Draft", "InitError", "given_values", "propose", "toml"]
MANY = 7
"""Replicas: more than the specification allows on a local cluster, fewer than on another."""
GIVEN = "acceptance"
"""A text for a value that a chart wants to be given."""
SECRET = re.compile(r"^kind:\s*[\"']?Secret\b", re.MULTILINE)
NAMESPACE = "todo-chatbot"
"""The specification's namespace."""
Progress = Callable[[str], None]


def propose(
    chart: str | Path,
    helm: Helm,
    values: Mapping[str, Any],
    folder: Path,
    *,
    release: str | None = None,
    namespace: str | None = None,
    progress: Progress = lambda _: None,
) -> Draft:
    """Return the proposed target of a chart.

    Args:
        chart: The chart's folder or archive.
        helm: Renders the chart.
        values: Values that rendering needs beside the credentials.
        folder: The target file's folder, to which its paths are relative.
        release: The release's name; by default the chart's.
        namespace: The release's namespace; by default the one that the chart renders or states.
        progress: Called with what is being done.

    Raises:
        InitError: The user named no chart, or it does not render, or has no known component.
    """
    source = open_chart(chart)
    draft = Draft()
    draft.set(("chart", "path"), _relative(source.named, folder))
    for key, field in (("name", "name"), ("version", "version"), ("app_version", "appVersion")):
        if source.metadata.get(field) is not None:
            draft.set(("chart", key), str(source.metadata[field]))
    comment = None if release else "the chart's name, with which its usual helpers give short names"
    draft.set(("chart", "release"), release or default_release(source.metadata), comment)

    def renderer_of(path: Path) -> Renderer:
        stated = {"path": "chart", "release": draft.document["chart"]["release"], "namespace": namespace or NAMESPACE}
        names = {"config_map": {"name": "none"}, "secret": {"name": "none"}, "components": {}}
        return Renderer(helm, Target.model_validate({"chart": stated, **names, "root": folder}), path.resolve())

    with tempfile.TemporaryDirectory(prefix="acceptance-init-") as scratch:
        progress(f"rendering {source.name}")
        completion = complete(source, renderer_of, values, Path(scratch), progress)
        project, files = files_beside(source.named, folder)

        def said(secret: str) -> Keys:
            return keys_of_secret(secret, files, project, lambda path: _relative(path, folder))

        objects = _propose(draft, source, completion, namespace, progress, said)
        progress("looking for Dockerfiles and the backend's routes")
        known = merge_values(defaults(completion.renderer.chart), completion.values)
        describe_application(draft, source.named, folder, objects, known, lambda path: _relative(path, folder))
    return draft


def _relative(path: Path, folder: Path) -> str:
    """Return a path as the target file writes it: relative to its folder if they share more than the root."""
    absolute, base = path.resolve(), folder.resolve()
    return relpath(absolute, base) if len(Path(commonpath([absolute, base])).parts) > 1 else str(absolute)


def _propose(
    draft: Draft,
    source: ChartSource,
    completion: Completion,
    namespace: str | None,
    progress: Progress,
    said: Callable[[str], Keys],
) -> Sequence[Object]:
    """Complete the draft from the chart's renderings, and return the objects of the last one.

    Args:
        draft: The draft.
        source: The chart.
        completion: The values with which it renders.
        namespace: The release's namespace, if the user named one.
        progress: Called with what is being done.
        said: Returns the keys that the project names of a Secret which the chart does not create.
    """
    renderer = completion.renderer
    values = _with_credentials(completion)
    rendering = renderer.render(values)
    components = assign(workloads(rendering.objects))
    if not components:
        found = ", ".join(each.pod.object for each in workloads(rendering.objects)) or "no Deployment at all"
        raise InitError(
            "the chart renders no Deployment that looks like the todo application's backend or frontend "
            f"({found}); name the chart that has them, or write its target by hand"
        )
    progress(", ".join(f"{role}: Deployment/{each.name}" for role, each in components.items()))
    draft.set(("chart", "namespace"), *_namespace(components, rendering, completion, namespace))
    files = source.values_files()
    if files:
        base = Path(draft.document["chart"]["path"])
        values_files = [(base / path.relative_to(source.named)).as_posix() for path in files]
        draft.set(("chart", "values_files"), values_files)
    values = _with_secret_switch(completion, values, components)
    values = _with_whole_secret(completion, values, components)
    rendering = renderer.render(values)
    components = assign(workloads(rendering.objects)) or components
    _describe(draft, components, rendering, said)
    plain = assign(workloads(renderer.render(completion.values).objects))
    describe_further_keys(draft, {role: each for role, each in plain.items() if role in components})
    effects_found = _explore(draft, completion, values, progress)
    _write_paths(draft, effects_found)
    _write_chart_values(draft, completion)
    note_missing_values(draft, effects_found, components, rendering)
    _note_rest(draft, source, completion, components, rendering)
    return rendering.objects


def _with_credentials(completion: Completion) -> dict[str, Any]:
    """Return the values with a credential at every path whose name asks for one, as far as the chart then renders."""
    chart = completion.renderer.chart
    known = settable(merge_values(defaults(chart), completion.values)) | _missing_references(completion)
    suspects = {
        path: new_credential(name)
        for path, value in known.items()
        if (value is None or isinstance(value, str)) and (name := credential_of(path)) is not None
    }
    values = set_paths(completion.values, suspects)
    if completion.renderer.render(values).error is None:
        return values
    values = completion.values
    for path, value in suspects.items():
        more = set_paths(values, {path: value})
        if completion.renderer.render(more).error is None:
            values = more
    return values


def _missing_references(completion: Completion) -> dict[str, None]:
    """Return the value paths that the chart's own templates read and its values lack."""
    chart = completion.renderer.chart
    values = merge_values(defaults(chart), completion.values)
    known = set(mappings(values)) | {".".join(keys) for keys, _ in leaves(values)}
    found: dict[str, None] = {}
    for name, text in templates(chart):
        if name.startswith("charts/"):
            continue
        for path in REFERENCE.findall(text):
            parents = path.split(".")[:-1]
            above = [".".join(parents[:count]) for count in range(1, len(parents) + 1)]
            if path not in known and all(isinstance(at(values, each), (Mapping, type(None))) for each in above):
                found[path] = None
    paths = list(found)
    return {path: None for path in paths if not any(other.startswith(f"{path}.") for other in paths)}


def _namespace(
    components: Mapping[Any, Workload], rendering: Rendering, completion: Completion, given: str | None
) -> tuple[str, str | None]:
    """Return the namespace of the release, and the comment that says where it comes from."""
    first = components.get("backend") or components["frontend"]
    rendered = text_at(first.pod.owner, "metadata.namespace")
    if given is not None:
        return given, None
    if rendered and rendered != NAMESPACE:
        return rendered, "as rendered; the specification says todo-chatbot"
    if rendered:
        return rendered, None
    values = merge_values(defaults(completion.renderer.chart), completion.values)
    stated = [at(values, path) for path in ("namespace.name", "namespace", "global.namespace", "namespaceOverride")]
    created = [name_of(item) for item in rendering.objects if text_at(item, "kind") == "Namespace"]
    for name in (*created, *stated):
        if isinstance(name, str) and name:
            return name, "as the chart states it"
    return NAMESPACE, "the specification's: the chart leaves it to the release"


def _with_secret_switch(
    completion: Completion, values: dict[str, Any], components: Mapping[Any, Workload]
) -> dict[str, Any]:
    """Return the values with the switch on that creates the Secret which the backend uses, if it is off.

    One that has other keys than the backend reads, or only empty ones, is not the one that is meant.
    """
    backend = components.get("backend")
    used = backend.used("Secret") if backend else []
    rendering = completion.renderer.render(values)
    if backend is None or not used or any(find(rendering, "Secret", name) for name in used):
        return values
    read = {(each.source_name, each.key) for each in backend.all_variables if each.source == "Secret" and each.key}
    known = settable(merge_values(defaults(completion.renderer.chart), completion.values))
    for path, value in known.items():
        if isinstance(value, bool):
            changed = set_paths(values, {path: not value})
            switched = completion.renderer.render(changed)
            made = [item for name in used if (item := find(switched, "Secret", name))]
            keys = {(name_of(item), key) for item in made for key, text in decoded(item).items() if text}
            if keys and (keys & read or not read):  # of a Secret that is read as a whole, no key is known before
                completion.filled[path] = not value
                completion.values = set_paths(completion.values, {path: not value})
                return changed
    return values


def _with_whole_secret(
    completion: Completion, values: dict[str, Any], components: Mapping[Any, Workload]
) -> dict[str, Any]:
    """Return the values with which the chart makes a Secret that the backend then uses, if it uses none.

    Some charts make theirs only where each of its values is given, and render other texts in its place.
    """
    backend = components.get("backend")
    if backend is None or backend.used("Secret"):
        return values
    known = settable(merge_values(defaults(completion.renderer.chart), values))
    for _, text in templates(completion.renderer.chart):
        empty = [path for path in _named_values(text) if known.get(path) == ""] if SECRET.search(text) else []
        changed = set_paths(values, dict.fromkeys(empty, GIVEN))
        found = assign(workloads(completion.renderer.render(changed).objects)).get("backend") if empty else None
        if found is not None and found.used("Secret"):
            completion.filled.update(dict.fromkeys(empty, GIVEN))
            completion.values = set_paths(completion.values, dict.fromkeys(empty, GIVEN))
            return changed
    return values


def _named_values(text: str) -> list[str]:
    """Return the paths of the values that a template's text names."""
    return list(dict.fromkeys(path.removeprefix(".") for path in VALUE.findall(text)))


def _describe(
    draft: Draft, components: Mapping[Any, Workload], rendering: Rendering, said: Callable[[str], Keys]
) -> None:
    """Add what the rendering tells of the components' objects."""
    backend, frontend = components.get("backend"), components.get("frontend")
    describe_config_map(draft, backend, frontend, rendering.objects)
    describe_secret(draft, backend, frontend, rendering.objects, said)
    for role, workload in components.items():
        describe_component(draft, role, workload, rendering.objects)
    if backend is not None:
        scalers = [item for item in rendering.objects if text_at(item, "kind") == HPA]
        own = [item for item in scalers if _scaled(item) == backend.name]
        # One that scales nothing of the release is meant for the backend, where no other is.
        known = {each.name for each in workloads(rendering.objects)}
        lost = [item for item in scalers if _scaled(item) not in known]
        for item in own or (lost if len(lost) == 1 else []):
            describe_autoscaler(draft, item)


def _scaled(scaler: Object) -> str:
    return text_at(scaler, "spec.scaleTargetRef.name")


def _names(draft: Draft) -> Names:
    secret = draft.document["secret"]
    return Names(
        components=draft.document["components"],
        config_map=draft.document["config_map"]["name"],
        secret=secret["name"],
        autoscaler=(draft.document.get("autoscaler") or {}).get("name"),
        secret_keys={name: secret.get(name, SPECIFIED_KEYS[name]) for name in CREDENTIALS},
    )


def _explore(draft: Draft, completion: Completion, values: Mapping[str, Any], progress: Progress) -> list[Effect]:
    """Return the effects of each value that can be set; those that only show with the HPA switched last."""
    names = _names(draft)
    merged = merge_values(defaults(completion.renderer.chart), completion.values)
    known: dict[str, Any] = {**settable(merged), **_missing_references(completion)}
    alternatives = [trials_of(path, value) for path, value in known.items()]
    alternatives += [trials_of(path, {}) for path in mappings(merged) if path not in known]
    explorer = Explorer(completion.renderer, values, names.relevant, progress)
    found = _effects(explorer, alternatives, names)
    switch = next((each.path for each in found if each.name == "hpa_enabled"), None)
    if switch is None:
        return found + _local_cluster(explorer, known, found)
    progress(f"changing the values that matter with {switch} switched")
    switched = merge_values(values, nested(switch, not at(merged, switch)))
    rendering = completion.renderer.render(switched)
    backend = draft.document["components"]["backend"]["deployment"]
    scaler = next(
        (i for i in rendering.objects if at(i, "spec.scaleTargetRef.name") == backend and text_at(i, "kind") == HPA),
        None,
    )
    if scaler is not None:
        describe_autoscaler(draft, scaler)
        draft.note(f"The HPA exists only with {switch} = true, and the chart ships false.")
    names = _names(draft)
    explorer = Explorer(completion.renderer, switched, names.relevant, progress)
    words = ("replica", "min", "max", "count", "instances", "metric", "cpu", "utilization", "behav", "scal")
    related = [each for each in alternatives if each and any(word in normalized(each[0].path) for word in words)]
    then = [each for each in _effects(explorer, related, names) if each.name != "hpa_enabled"]
    if at(merged, switch):
        found = _of_hpa_off(found, then)
    found += then
    return found + _local_cluster(explorer, known, found)


def _of_hpa_off(found: list[Effect], off: list[Effect]) -> list[Effect]:
    """Return the effects without those on replicas, where another value sets them once the HPA is off."""
    replaced = {(each.component, each.name) for each in off if each.name == "replicas"}
    return [each for each in found if (each.component, each.name) not in replaced]


def _local_cluster(explorer: Explorer, known: Mapping[str, Any], found: list[Effect]) -> list[Effect]:
    """Return the switch without which more replicas are refused than a local cluster has room for."""
    replicas = next((each.path for each in found if each.name == "replicas" and each.component == "backend"), None)
    if replicas is None or explorer.render(nested(replicas, MANY)).error is None:
        return []
    switches = [path for path, value in known.items() if value is True]
    allowed = (each for each in switches if _allows(explorer, {replicas: MANY, each: False}))
    return [Effect(None, "local_cluster", path) for path in itertools.islice(allowed, 1)]


def _allows(explorer: Explorer, changes: Mapping[str, Any]) -> bool:
    return explorer.render(set_paths({}, changes)).error is None


def _effects(explorer: Explorer, alternatives: list[list[Trial]], names: Names) -> list[Effect]:
    return [
        effect
        for trial, rendering in explorer.explore(alternatives)
        for effect in effects(explorer.before(trial), rendering, trial, names)
    ]


def _write_paths(draft: Draft, found: list[Effect]) -> None:
    """Write the value path of each field: the most certain one, the first among equals."""
    best: dict[tuple[str | None, str], Effect] = {}
    for effect in found:
        key = (effect.component, effect.name)
        if key not in best or effect.certainty > best[key].certainty:
            best[key] = effect
    order = list(type(Target.model_fields["values"].default).model_fields)
    for (component, name), effect in sorted(
        best.items(), key=lambda e: order.index(e[0][1]) if e[0][1] in order else 99
    ):
        place = ("components", component, "values", name) if component else ("values", name)
        draft.set(place, effect.path)
    encoded = [best[key].encoded for key in best if key[1] in CREDENTIALS]
    if encoded and all(encoded):
        draft.set(("secret", "encoded"), True, "the chart wants these values base64-encoded already")


def _write_chart_values(draft: Draft, completion: Completion) -> None:
    """Write the values that rendering needs, without the credentials, which a run creates itself."""
    credentials = {path for name, path in draft.document.get("values", {}).items() if name in CREDENTIALS}
    needed = {path: value for path, value in settable(completion.values).items() if path not in credentials}
    if needed:
        draft.set(("chart", "values"), set_paths({}, needed))


def _note_rest(
    draft: Draft,
    source: ChartSource,
    completion: Completion,
    components: Mapping[Any, Workload],
    rendering: Rendering,
) -> None:
    """Add notes on the roles, on what had to be given or left out, and on files that are not proposed."""
    for role in ("backend", "frontend"):
        if role not in components:
            others = [
                each.pod.object
                for each in workloads(rendering.objects)
                if each.name not in {part.name for part in components.values()}
            ]
            draft.note(
                f"Not found: the {role}, because none of {', '.join(others) or 'the other Deployments'} looks like it."
            )
    for template, message in completion.left_out.items():
        draft.note(f"{template} was left out, because it does not render (CHT-09 will say so): {_one_line(message)}")
    credentials = {path for name, path in draft.document.get("values", {}).items() if name in CREDENTIALS}
    filled = [path for path in completion.filled if path not in credentials]
    if completion.first_error is not None and filled:
        draft.note(f"The defaults do not render (CHT-09 will say so): {_one_line(completion.first_error)}")
    if filled:
        draft.note(f"chart.values sets {', '.join(filled)}, without which the chart does not render all it needs.")
    if tests := source.test_values():
        draft.note(f"Not proposed as values files, because they are for tests of the chart: {', '.join(tests)}.")


def _one_line(message: str) -> str:
    text = " ".join(message.split())
    return text if len(text) <= 200 else f"{text[:199]}…"
