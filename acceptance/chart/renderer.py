"""Renders a chart with Helm, without a cluster, and takes the static snapshots."""

from __future__ import annotations

import json
import os
import secrets
from collections.abc import Iterable, Mapping
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from functools import cached_property
from pathlib import Path
from threading import Lock
from typing import Any

import yaml

from acceptance.chart.files import schema, templates
from acceptance.checks.snapshot import DEFAULTS, ELSEWHERE, ChartState, Dependency, Rendering, Snapshot
from acceptance.core.target import Target
from acceptance.core.values import merge_values, nested
from acceptance.kube.helm import Helm
from acceptance.kube.manifests import documents, parse_mapping, read_text_or_empty, shipped
from acceptance.kube.schema import KUBERNETES_VERSION
from toolchain.console import CommandError

WORKERS = max(2, os.cpu_count() or 2)


def new_credentials(target: Target) -> dict[str, str]:
    """Return random credentials in the specification's formats, by Secret key."""
    names = target.secret
    return {
        names.database_url: (
            f"postgresql://todo:{secrets.token_hex(12)}@db.example.com:5432/todo?sslmode=require&channel_binding=require"
        ),
        names.auth_secret: secrets.token_urlsafe(36),
        names.model_key: f"sk-proj-{secrets.token_urlsafe(36)}",
    }


class Renderer:
    """Renders one chart of a target; each set of values is rendered once and cached.

    Attributes:
        credentials: The Secret's values by key, used in every rendering.
    """

    def __init__(self, helm: Helm, target: Target, chart: Path | None = None) -> None:
        self.helm = helm
        self.target = target
        self.chart = chart or target.chart_path
        self.credentials = new_credentials(target)
        self._cache: dict[str, Rendering] = {}
        self._lock = Lock()

    # --- values

    def required(self) -> dict[str, Any]:
        """Return the values without which the chart does not render: the target's values and the credentials."""
        values, names = self.target.values, self.target.secret
        paths = {
            values.database_url: names.database_url,
            values.auth_secret: names.auth_secret,
            values.model_key: names.model_key,
        }
        parts = [nested(path, names.as_given(self.credentials[key])) for path, key in paths.items() if path is not None]
        return merge_values(self.target.chart.values, *parts)

    @cached_property
    def shipped(self) -> dict[str, Any]:
        """The chart's values.yaml; empty if it is missing or not a mapping."""
        return shipped(self.chart)

    @cached_property
    def metadata(self) -> dict[str, Any]:
        """Chart.yaml; empty if it is missing or not a mapping."""
        return parse_mapping(read_text_or_empty(self.chart / "Chart.yaml"))

    def values_file(self, path: Path) -> dict[str, Any]:
        """Read a values file; empty if it is missing or not a mapping.

        Args:
            path: Relative to the target's root.
        """
        return parse_mapping(read_text_or_empty(self.target.root / path))

    # --- rendering

    def render(
        self,
        values: Mapping[str, Any],
        *,
        namespace: str | None = None,
        release: str | None = None,
        kubernetes: str = KUBERNETES_VERSION,
        upgrade: bool = False,
        notes: bool = False,
        use_cache: bool = True,
    ) -> Rendering:
        """Render the chart with `values`; an error is part of the result.

        Args:
            values: Merged over the chart's values.yaml.
            namespace: The release namespace; the target's by default.
            release: The release's name; the target's by default.
            kubernetes: The version of Kubernetes that templates see.
            upgrade: Whether to render as in an upgrade; otherwise as in an installation.
            notes: Whether to render NOTES.txt too.
            use_cache: Whether an earlier rendering of the same values may be returned.
        """
        namespace = namespace or self.target.chart.namespace
        options = [release or self.target.chart.release, "--namespace", namespace, "--kube-version", kubernetes]
        options += ["--is-upgrade"] if upgrade else []
        key = json.dumps([options, notes, values], sort_keys=True)
        with self._lock:
            if use_cache and key in self._cache:
                return self._cache[key]
        rendering = self._render(values, options, namespace, notes)
        if use_cache:
            with self._lock:
                self._cache[key] = rendering
        return rendering

    def render_all(self, sets: Iterable[Mapping[str, Any]]) -> list[Rendering]:
        """Render several sets of values in parallel."""
        with ThreadPoolExecutor(WORKERS) as pool:
            return list(pool.map(self.render, sets))

    def _render(self, values: Mapping[str, Any], options: list[str], namespace: str, notes: bool) -> Rendering:
        release, *others = options
        template: list[str | Path] = ["template", release, self.chart, "--include-crds", *others]
        try:
            manifest = self.helm(*template, "--values", "-", values=values)
            objects = tuple(documents(manifest))
        except CommandError as error:
            return Rendering(error=_helm_error(error))
        except yaml.YAMLError as error:
            return Rendering(error=f"not valid YAML: {' '.join(str(error).split())}")
        return Rendering(objects, notes=self._notes(values, namespace) if notes else "", manifest=manifest)

    def _notes(self, values: Mapping[str, Any], namespace: str) -> str:
        if not (self.chart / "templates" / "NOTES.txt").is_file():
            return ""
        install: list[str | Path] = [
            "install",
            self.target.chart.release,
            self.chart,
            "--dry-run=client",
            "--output",
            "json",
        ]
        try:
            out = self.helm(*install, "--namespace", namespace, "--values", "-", values=values)
        except CommandError:
            return ""
        return str(json.loads(out)["info"].get("notes", ""))

    # --- the snapshot

    def snapshot(self, values_file: Path | None = None) -> Snapshot:
        """Return a snapshot of the chart's defaults, or of a shipped values file, with the required values."""
        target = self.target
        file_values = self.values_file(values_file) if values_file else {}
        values = merge_values(file_values, self.required())
        without_secrets = merge_values(file_values, target.chart.values)

        def render_with(path: str | None, value: Any, **options: Any) -> Rendering | None:
            return self.render(merge_values(values, nested(path, value)), **options) if path else None

        with ThreadPoolExecutor(WORKERS) as pool:
            rendering = pool.submit(self.render, values, notes=True)
            rerendering = pool.submit(self.render, values, notes=True, use_cache=False)
            incomplete = pool.submit(self.render, without_secrets) if without_secrets != values else None
            hpa_off = pool.submit(render_with, target.values.hpa_enabled, False)
            namespace_on = pool.submit(render_with, target.values.namespace_create, True, namespace=ELSEWHERE)
            lint = pool.submit(self.lint, values)
            dependencies = pool.submit(self.dependencies)
            return Snapshot(
                source="static",
                objects=rendering.result().objects,
                release_namespace=target.chart.namespace,
                variant=values_file.name if values_file else DEFAULTS,
                injected_values=self.credentials,
                chart=ChartState(
                    metadata=self.metadata,
                    values=merge_values(self.shipped, values),
                    templates=dict(templates(self.chart)),
                    schema=schema(self.chart),
                    values_files=self._values_files(),
                    dockerfiles=self._dockerfiles(),
                    rendering=rendering.result(),
                    rerendering=rerendering.result(),
                    without_secrets=incomplete.result() if incomplete else None,
                    autoscaler_off=hpa_off.result(),
                    namespace_on=namespace_on.result(),
                    lint=lint.result(),
                    dependencies=dependencies.result(),
                    chart_yaml=read_text_or_empty(self.chart / "Chart.yaml"),
                ),
            )

    def snapshots(self) -> list[Snapshot]:
        """Return a snapshot of the defaults, then of each shipped values file."""
        return [self.snapshot(), *(self.snapshot(path) for path in self.target.chart.values_files)]

    def with_values(self, base: Snapshot, overrides: Mapping[str, Any], **options: Any) -> Snapshot:
        """Return a snapshot of the defaults with `overrides`; rules on the shipped figures do not apply to it.

        Args:
            base: The defaults.
            overrides: Values over the required ones.
            options: Further options of `render`.
        """
        values = merge_values(self.required(), overrides)
        rendering = self.render(values, **options)
        assert base.chart is not None
        chart = replace(
            base.chart,
            values=merge_values(self.shipped, values),
            rendering=rendering,
            rerendering=rendering,
            without_secrets=None,
            autoscaler_off=rendering,
            namespace_on=None,
            lint=(),
        )
        return replace(base, objects=rendering.objects, variant="other values", chosen=True, chart=chart)

    def lint(self, values: Mapping[str, Any]) -> tuple[str, ...]:
        """Return the errors and warnings of `helm lint --strict`."""
        options = ["--namespace", self.target.chart.namespace, "--kube-version", KUBERNETES_VERSION]
        failure: tuple[str, ...] = ()
        try:
            out = self.helm("lint", "--strict", self.chart, *options, "--values", "-", values=values)
        except CommandError as error:
            out, failure = error.stdout + error.stderr, (_helm_error(error),)
        lines = [line.strip() for line in out.splitlines()]
        return tuple(line for line in lines if line.startswith(("[ERROR]", "[WARNING]"))) or failure

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


def _helm_error(error: CommandError) -> str:
    """Return Helm's error in one line, without its hint on --debug."""
    lines = [line.strip() for line in error.stderr.splitlines() if line.strip()]
    lines.sort(key=lambda line: line if line.startswith("- at ") else "")  # in no order of Helm's
    return " ".join(line for line in lines if not line.startswith("Use --debug")).removeprefix("Error: ")
