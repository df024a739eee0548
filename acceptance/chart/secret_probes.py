"""Renderings that show what a chart does with its secrets: each left out, or refused."""

from __future__ import annotations

import secrets
from collections.abc import Callable, Mapping
from concurrent.futures import ThreadPoolExecutor
from typing import Any

from acceptance.checks.snapshot import Refusal, Rendering, SecretProbes
from acceptance.core.target import Target
from acceptance.core.values import merge_values, nested, without

Render = Callable[..., Rendering]


def probe_secrets(
    render: Render, target: Target, values: Mapping[str, Any], pool: ThreadPoolExecutor
) -> Callable[[], SecretProbes]:
    """Render the chart without each secret, and with malformed ones.

    Args:
        render: Renders a set of values; it takes `use_cache`.
        target: The target, whose value paths are used.
        values: The values of a correct rendering.
        pool: Runs the renderings.

    Returns:
        A function that waits for the renderings.
    """
    paths = {key: path for key, path in target.secret_paths.items() if path is not None}
    left_out = {key: pool.submit(_twice, render, without(values, path)) for key, path in paths.items()}
    given = {key: malformed(key, target) for key in paths}
    refused = {
        key: pool.submit(render, merge_values(values, nested(path, target.secret.as_given(given[key]))))
        for key, path in paths.items()
    }
    return lambda: SecretProbes(
        without={key: renderings.result() for key, renderings in left_out.items()},
        malformed={key: Refusal(given[key], rendering.result()) for key, rendering in refused.items()},
    )


def _twice(render: Render, values: Mapping[str, Any]) -> tuple[Rendering, Rendering]:
    """Return two renderings of the same values; a refusal counts twice."""
    first = render(values)
    return first, first if first.error is not None else render(values, use_cache=False)


def malformed(key: str, target: Target) -> str:
    """Return a random value in a wrong format for a key of the Secret; a refusal must not repeat it."""
    word = secrets.token_hex(8)
    if key == target.secret.database_url:
        return f"mysql://todo:{word}@db.example.com/todo"
    return f"sk-{word}" if key == target.secret.model_key else word
