"""Renders a chart with Helm, without a cluster, and takes the static snapshots."""

from __future__ import annotations

import json
import os
import re
import secrets
from collections.abc import Iterable, Mapping
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, replace
from functools import cached_property, partial
from pathlib import Path
from threading import Lock
from typing import Any

import yaml

from acceptance.chart import build_contexts
from acceptance.chart.files import other_files, schema, templates
from acceptance.chart.secret_probes import probe_secrets
from acceptance.chart.sources import of_components
from acceptance.checks.snapshot import DEFAULTS, ELSEWHERE, ChartState, Dependency, Rendering, Snapshot
from acceptance.core.fields import Object, at
from acceptance.core.target import CREDENTIALS, Target
from acceptance.core.values import merge_values, nested
from acceptance.kube.existing_secrets import existing_secrets
from acceptance.kube.helm import Helm
from acceptance.kube.manifests import documents, parse_mapping, read_text_or_empty, shipped
from acceptance.kube.schema import KUBERNETES_VERSION
from toolchain.console import CommandError

LIST_WITHOUT_NAME = re.compile(r'\[WARNING\] (\S+): object name does not conform [^"]*"": ')
MODEL_BASE_URL = "http://model.example.com/v1"
"""What an existing Secret holds where no model is run."""
WORKERS = max(2, os.cpu_count() or 2)
"""The most renderings at once: they are bound by the CPU."""


def new_credentials(target: Target) -> dict[str, str]:
    """Return random credentials in the specification's formats, by Secret key."""
    names = target.secret
    return {
        names.database_url: names.database_form.written(
            f"postgresql://todo:{secrets.token_hex(12)}@db.example.com:5432/todo"
        ),
        names.auth_secret: secrets.token_urlsafe(36),
        names.model_key: f"sk-proj-{secrets.token_urlsafe(36)}",
    }


@dataclass(frozen=True)
class How:
    """Helm's options besides the values.

    Attributes:
        release: The release's name; the target's by default.
        namespace: The release namespace; the target's by default.
        files: Values files, which Helm reads itself, with less precedence than the values.
        notes: Whether to render NOTES.txt too.
        upgrade: Whether to render as an upgrade.
        kube_version: The version of Kubernetes.
        api_versions: APIs beyond those of Kubernetes, as `monitoring.coreos.com/v1`.
    """

    release: str | None = None
    namespace: str | None = None
    files: tuple[Path, ...] = ()
    notes: bool = False
    upgrade: bool = False
    kube_version: str = KUBERNETES_VERSION
    api_versions: tuple[str, ...] = ()

    def install_options(self, target: Target) -> list[str | Path]:
        """Return the options that `helm install` and `helm template` share."""
        options: list[str | Path] = ["--namespace", self.namespace or target.chart.namespace]
        for file in self.files:
            options += ["--values", file]
        return options

    def options(self, target: Target) -> list[str | Path]:
        """Return the options of `helm template`."""
        options = [*self.install_options(target), "--kube-version", self.kube_version]
        for version in self.api_versions:
            options += ["--api-versions", version]
        return [*options, "--is-upgrade"] if self.upgrade else options


USUAL = How()
WITH_NOTES = How(notes=True)


class Renderer:
    """Renders one chart of a target; each set of values is rendered once and cached.

    Attributes:
        credentials: The Secret's values by key, used in every rendering.
        probes_secrets: Whether snapshots contain the renderings that show how the chart treats its secrets.
    """

    probes_secrets = True

    def __init__(self, helm: Helm, target: Target, chart: Path | None = None) -> None:
        self.helm = helm
        self.target = target
        self.chart = chart or target.chart_path
        self.credentials = new_credentials(target)
        self._cache: dict[tuple[str, How], Rendering] = {}
        self._lock = Lock()

    def of_chart(self, chart: Path) -> Renderer:
        """Return a renderer of another copy of the chart, with the same credentials."""
        copy = Renderer(self.helm, self.target, chart)
        copy.credentials = self.credentials
        return copy

    # --- the chart's files and values

    @cached_property
    def schema(self) -> Object | None:
        """The values' JSON Schema."""
        return schema(self.chart)

    @cached_property
    def templates(self) -> dict[str, str]:
        """The text of every template file by its path, subcharts included."""
        return dict(templates(self.chart))

    def required(self) -> dict[str, Any]:
        """Return the values without which the chart does not render: the target's values and the credentials."""
        as_given = self.target.secret.as_given
        paths = self.target.secret_paths
        parts = [nested(path, as_given(self.credentials[key])) for key, path in paths.items() if path is not None]
        return merge_values(self.target.chart.values, *parts)

    def existing(self) -> tuple[Object, ...]:
        """Return the Secrets that exist before the release, with the credentials."""
        known = {name: self.credentials[getattr(self.target.secret, name)] for name in CREDENTIALS}
        return existing_secrets(self.target, {"model_base_url": MODEL_BASE_URL, **known})

    @cached_property
    def shipped(self) -> dict[str, Any]:
        """The chart's values.yaml; empty if it is missing or not a mapping."""
        return shipped(self.chart)

    @cached_property
    def readable(self) -> bool:
        """Whether the chart's values.yaml is a mapping, or empty."""
        text = read_text_or_empty(self.chart / "values.yaml")
        return bool(self.shipped) or not any(line.strip() and line[0] != "#" for line in text.splitlines())

    @cached_property
    def metadata(self) -> dict[str, Any]:
        """Chart.yaml; empty if it is missing or not a mapping."""
        return parse_mapping(read_text_or_empty(self.chart / "Chart.yaml"))

    # --- rendering

    def render(self, values: Mapping[str, Any], how: How = USUAL, *, use_cache: bool = True) -> Rendering:
        """Render the chart with `values`; an error is part of the result.

        Args:
            values: Merged over the chart's values.yaml and over the values files of `how`.
            how: Helm's other options.
            use_cache: Whether an earlier rendering of the same values may be returned.
        """
        key = (json.dumps(values, sort_keys=True), how)
        with self._lock:
            if use_cache and key in self._cache:
                return self._cache[key]
        rendering = self._render(values, how)
        if use_cache:
            with self._lock:
                self._cache[key] = rendering
        return rendering

    def render_all(self, sets: Iterable[Mapping[str, Any]]) -> list[Rendering]:
        """Render several sets of values in parallel."""
        with ThreadPoolExecutor(WORKERS) as pool:
            return list(pool.map(self.render, sets))

    def _render(self, values: Mapping[str, Any], how: How) -> Rendering:
        release = how.release or self.target.chart.release
        template: list[str | Path] = ["template", release, self.chart, "--include-crds"]
        try:
            manifest = self.helm(*template, *how.options(self.target), "--values", "-", values=values)
            objects = tuple(documents(manifest))
        except CommandError as error:
            return Rendering(error=_helm_error(error))
        except yaml.YAMLError as error:
            return Rendering(error=f"not valid YAML: {' '.join(str(error).split())}")
        return Rendering(objects, notes=self._notes(values, how) if how.notes else "", manifest=manifest)

    def _notes(self, values: Mapping[str, Any], how: How) -> str:
        if not (self.chart / "templates" / "NOTES.txt").is_file():
            return ""
        install: list[str | Path] = [
            "install",
            how.release or self.target.chart.release,
            self.chart,
            "--dry-run=client",
            "--output",
            "json",
        ]
        try:
            out = self.helm(*install, *how.install_options(self.target), "--values", "-", values=values)
        except CommandError:
            return ""
        return str(json.loads(out)["info"].get("notes", ""))

    # --- the snapshot

    def snapshot(self, values_file: Path | None = None) -> Snapshot:
        """Return a snapshot of the chart's defaults, or of a shipped values file, with the required values.

        Args:
            values_file: The shipped values file, relative to the target's root.
        """
        target = self.target
        files = () if values_file is None else (target.root / values_file,)
        usual, noted = How(files=files), How(files=files, notes=True)
        values, without_secrets = self.required(), target.chart.values
        file_values = parse_mapping(read_text_or_empty(files[0])) if files else {}

        def render_with(path: str | None, value: Any, how: How, others: Mapping[str, Any]) -> Rendering | None:
            return self.render(merge_values(values, others, nested(path, value)), how) if path else None

        with ThreadPoolExecutor(WORKERS) as pool:
            rendering = pool.submit(self.render, values, noted)
            rerendering = pool.submit(self.render, values, noted, use_cache=False)
            incomplete = pool.submit(self.render, without_secrets, usual) if without_secrets != values else None
            hpa_off = pool.submit(render_with, target.values.hpa_enabled, False, usual, {})
            elsewhere, named = replace(usual, namespace=ELSEWHERE), self._namespace_named(file_values)
            namespace_on = pool.submit(render_with, target.values.namespace_create, True, elsewhere, named)
            lint = pool.submit(self.lint, values, usual)
            dependencies = pool.submit(self.dependencies)
            secret_probes = (
                probe_secrets(partial(self.render, how=usual), target, values, pool) if self.probes_secrets else None
            )
            return Snapshot(
                source="static",
                objects=rendering.result().objects,
                release_namespace=target.chart.namespace,
                variant=values_file.name if values_file else DEFAULTS,
                injected_values=self.credentials,
                existing=self.existing(),
                chart=ChartState(
                    metadata=self.metadata,
                    values=merge_values(self.shipped, file_values, values),
                    templates=self.templates,
                    schema=self.schema,
                    values_files=self._values_files(),
                    dockerfiles=self._dockerfiles(),
                    sources=of_components(target),
                    build_contexts=build_contexts.of_components(target),
                    rendering=rendering.result(),
                    rerendering=rerendering.result(),
                    without_secrets=incomplete.result() if incomplete else None,
                    secret_probes=secret_probes() if secret_probes else None,
                    files=dict(other_files(self.chart)),
                    autoscaler_off=hpa_off.result(),
                    namespace_on=namespace_on.result(),
                    lint=lint.result(),
                    dependencies=dependencies.result(),
                    chart_yaml=read_text_or_empty(self.chart / "Chart.yaml"),
                ),
            )

    def _namespace_named(self, file_values: Mapping[str, Any]) -> dict[str, Any]:
        """Return the value that names the objects' namespace: what ships, else the target's; empty without a path."""
        target = self.target
        path = target.values.namespace
        if path is None:
            return {}
        shipped = at(merge_values(self.shipped, file_values, target.chart.values), path)
        return nested(path, shipped or target.chart.namespace)

    def with_values(
        self,
        base: Snapshot,
        overrides: Mapping[str, Any],
        how: How = USUAL,
        variant: str = "other values",
        *,
        hpa_off: bool = True,
    ) -> Snapshot:
        """Return a snapshot of the defaults with `overrides`; rules on the shipped figures do not apply to it.

        Args:
            base: A snapshot of the defaults.
            overrides: Values over the required ones.
            how: Helm's other options.
            variant: The rendering's name in findings.
            hpa_off: Whether the snapshot has the rendering without the HPA too.
        """
        values = merge_values(self.required(), overrides)
        rendering = self.render(values, how)
        path = self.target.values.hpa_enabled if hpa_off else None
        autoscaler_off: Rendering | None = rendering if hpa_off else None
        if _scales(rendering):
            autoscaler_off = self.render(merge_values(values, nested(path, False)), how) if path else None
        assert base.chart is not None
        chart = replace(
            base.chart,
            values=merge_values(self.shipped, values),
            rendering=rendering,
            rerendering=rendering,
            without_secrets=None,
            secret_probes=None,
            autoscaler_off=autoscaler_off,
            namespace_on=None,
            lint=(),
        )
        given = self._given(values)
        return replace(
            base, objects=rendering.objects, variant=variant, chosen=True, chart=chart, injected_values=given
        )

    def _given(self, values: Mapping[str, Any]) -> dict[str, str]:
        """Return the credentials by Secret key, as a set of values has them."""
        return self.credentials | {
            key: self.target.secret.from_given(value)
            for key, path in self.target.secret_paths.items()
            if path is not None and isinstance(value := at(values, path), str)
        }

    def lint(self, values: Mapping[str, Any], how: How = USUAL) -> tuple[str, ...]:
        """Return the errors and warnings of `helm lint --strict`."""
        failure: tuple[str, ...] = ()
        try:
            out = self.helm("lint", "--strict", self.chart, *how.options(self.target), "--values", "-", values=values)
        except CommandError as error:
            out, failure = error.stdout + error.stderr, (_helm_error(error),)
        lines = [line.strip() for line in out.splitlines()]
        said = [line for line in lines if line.startswith(("[ERROR]", "[WARNING]"))]
        return tuple(line for line in said if not self._names_a_list(line)) if said else failure

    def _names_a_list(self, message: str) -> bool:
        """Whether Helm misses the name of a List, which has none: its items are what it creates."""
        found = LIST_WITHOUT_NAME.match(message)
        text = read_text_or_empty(self.chart / found[1]) if found else ""
        return re.search(r"^kind:\s*[\"']?\w*List\b", text, re.MULTILINE) is not None

    def dependencies(self) -> tuple[Dependency, ...]:
        """Return the output of `helm dependency list`; nothing is downloaded."""
        listed = self.metadata.get("dependencies")
        if not listed:
            return ()
        try:
            out = self.helm("dependency", "list", self.chart)
        except CommandError as error:
            out = error.stdout
        rows = [[cell.strip() for cell in line.split("\t")] for line in out.splitlines()[1:]]
        return tuple(Dependency(row[0], row[1], row[3]) for row in rows if len(row) > 3)

    def _values_files(self) -> dict[str, str]:
        paths = [self.chart / "values.yaml", *(self.target.root / path for path in self.target.chart.values_files)]
        return {path.name: text for path in paths if (text := read_text_or_empty(path))}

    def _dockerfiles(self) -> dict[str, str]:
        found = {}
        for name, component in self.target.components.items():
            if component.image.dockerfile and (
                text := read_text_or_empty(self.target.root / component.image.dockerfile)
            ):
                found[str(name)] = text
        return found


def _scales(rendering: Rendering) -> bool:
    return any(item.get("kind") == "HorizontalPodAutoscaler" for item in rendering.objects)


def _helm_error(error: CommandError) -> str:
    """Return Helm's error in one line, without its hint on --debug."""
    lines = [line.strip() for line in error.stderr.splitlines() if line.strip()]
    lines.sort(key=lambda line: line if line.startswith("- at ") else "")  # in no order of Helm's
    return " ".join(line for line in lines if not line.startswith("Use --debug")).removeprefix("Error: ")
