"""Notes on the value paths that were not found, and why."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from acceptance.chart.proposal.draft import Draft
from acceptance.chart.proposal.effects import Effect
from acceptance.chart.proposal.roles import Workload, value_of
from acceptance.chart.proposal.vocabulary import rank
from acceptance.checks.snapshot import Rendering
from acceptance.core.target import CREDENTIALS

WANTED = {
    "database_url": "backend",
    "auth_secret": "backend",
    "model_key": "backend",
    "model_base_url": "backend",
    "public_url": "frontend",
    "environment": "backend",
    "debug": "backend",
    "cors_origins": "backend",
}
"""Value paths that follow a variable, and the component whose variable it is."""


def note_missing_values(
    draft: Draft, found: Sequence[Effect], components: Mapping[Any, Workload], rendering: Rendering
) -> None:
    """Add a note for each value path that was not found."""
    have = draft.document.get("values", {})
    secrets = draft.document.get("existing_secrets", [])
    held = [text for each in secrets for text in each.get("data", {}).values()]
    if any("data" not in each for each in secrets):
        held += [f"{{{name}}}" for name in CREDENTIALS]
    for name, role in WANTED.items():
        if name not in have and f"{{{name}}}" not in held:
            draft.note(f"Not found: values.{name}, because {_why(name, role, components, rendering)}.")
    if "namespace" not in have:
        draft.note("Not found: values.namespace, because no value sets the objects' namespace; the release's counts.")
    if "backend" in components and "hpa_enabled" not in have:
        draft.note("Not found: values.hpa_enabled, because no value switches an HPA of the backend on or off.")
    for role, part in draft.document["components"].items():
        paths = part.get("values", {})
        missing = [name for name in ("image_repository", "image_tag", "replicas", "resources") if name not in paths]
        if missing:
            draft.note(
                f"Not found: components.{role}.values {', '.join(missing)}, because no value sets the field of "
                f"Deployment/{part['deployment']}."
            )
    for name in CREDENTIALS:
        setting = [each for each in found if each.component is None and each.name == name]
        best = max((each.certainty for each in setting), default=0)
        equal = dict.fromkeys(each.path for each in setting if each.certainty == best and each.path != have[name])
        if equal:
            draft.note(f"values.{name}: {', '.join(equal)} sets it too.")


def _why(name: str, role: str, components: Mapping[Any, Workload], rendering: Rendering) -> str:
    """Return why no value path was found."""
    workload = components.get(role)
    if workload is None:
        return f"the chart has no {role}"
    variables = {each.name: each for each in workload.all_variables if rank(each.name, name)}
    if not variables:
        return f"the {role} has no variable that reads like it"
    variable = max(variables, key=lambda each: rank(each, name))
    entry = variables[variable]
    if entry.source == "Secret" and value_of(entry, rendering.objects) is None:
        return f"{variable} comes from Secret/{entry.source_name}, which the chart does not create"
    return f"no value of the chart by itself sets {variable} of the {role}"
