"""Secrets that exist before a release is installed: what the run puts into them, and what is read of them."""

from __future__ import annotations

from base64 import b64encode
from collections.abc import Iterable, Mapping

from acceptance.core.fields import Object, mapping_at, name_of
from acceptance.core.target import PLACEHOLDER, Target
from acceptance.kube.secrets import decoded


def existing_secrets(target: Target, known: Mapping[str, str]) -> tuple[Object, ...]:
    """Return the Secrets that the target says exist before the release, without a namespace.

    Args:
        target: What is under test.
        known: The run's texts by placeholder; one that it lacks is empty.
    """
    return tuple(
        {
            "apiVersion": "v1",
            "kind": "Secret",
            "metadata": {"name": name},
            "type": "Opaque",
            "data": {key: _encoded(text, known) for key, text in data.items()},
        }
        for name, data in target.existing_data.items()
    )


def _encoded(template: str, known: Mapping[str, str]) -> str:
    text = PLACEHOLDER.sub(lambda match: known.get(match[1], ""), template)
    return b64encode(text.encode()).decode("ascii")


def credentials_in(target: Target, secrets: Iterable[Object]) -> dict[str, str]:
    """Return the run's texts by placeholder, as existing Secrets hold them under keys that hold nothing else."""
    found: dict[str, str] = {}
    for item in secrets:
        texts = decoded(item)
        for key, template in target.existing_data.get(name_of(item), {}).items():
            if (whole := PLACEHOLDER.fullmatch(template)) and key in texts:
                found.setdefault(whole[1], texts[key])
    return found


def differs(wanted: Object, actual: Object) -> bool:
    """Whether a Secret of the cluster lacks a wanted value."""
    return not mapping_at(wanted, "data").items() <= mapping_at(actual, "data").items()
