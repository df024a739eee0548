"""Changes of one value at a time, and which of them the components' objects show."""

from __future__ import annotations

import json
import re
import secrets
from collections.abc import Callable, Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from typing import Any

from acceptance.chart.proposal.completion import new_credential
from acceptance.chart.proposal.vocabulary import credential_of, normalized, path_rank
from acceptance.chart.renderer import WORKERS, How, Renderer
from acceptance.checks.snapshot import ELSEWHERE, Rendering
from acceptance.core.target import CREDENTIALS
from acceptance.core.values import leaves, merge_values, nested

FEW = 4
"""Values that are changed one by one without first changing them together."""
ENVIRONMENTS = ("staging", "production", "development")
ORIGINS = re.compile(r"https?://")
ORIGIN = "https://acceptance-probe.example.com"
CERTIFICATE = """-----BEGIN CERTIFICATE-----
MIIBdDCCARqgAwIBAgIUbJ0yY2NlcHRhbmNlLXByb2JlAAAwCgYIKoZIzj0EAwIw
EDEOMAwGA1UEAwwFcHJvYmUwHhcNMjYwMTAxMDAwMDAwWhcNMzYwMTAxMDAwMDAw
-----END CERTIFICATE-----
"""


@dataclass(frozen=True)
class Trial:
    """A value path and the value that is tried at it."""

    path: str
    value: Any


def settable(values: Mapping[str, Any]) -> dict[str, Any]:
    """Return the leaves of the values by dotted path, without keys that contain dots or spaces."""
    return {
        ".".join(keys): value
        for keys, value in leaves(values)
        if all(key and not any(c in key for c in ". ") for key in keys)
    }


def mappings(values: Mapping[str, Any], parents: tuple[str, ...] = ()) -> Iterator[str]:
    """Yield the dotted path of every mapping in the values."""
    for key, value in values.items():
        if isinstance(value, Mapping) and not any(c in str(key) for c in ". "):
            yield ".".join((*parents, str(key)))
            yield from mappings(value, (*parents, str(key)))


def trials_of(path: str, value: Any) -> list[Trial]:
    """Return the values to try at a path, each only if the chart refuses those before it."""
    name = normalized(path.rpartition(".")[2])
    if isinstance(value, bool):
        return [Trial(path, not value)]
    if isinstance(value, (int, float)):
        return [Trial(path, value + 1), Trial(path, value - 1)]
    if isinstance(value, list):
        if value and all(isinstance(each, str) and ORIGINS.match(each) for each in value):
            return [Trial(path, [ORIGIN])]
        return [Trial(path, _metrics())] if "metric" in name else []
    if isinstance(value, Mapping):
        return _of_mapping(path, name)
    if value is not None and not isinstance(value, str):
        return []
    return [Trial(path, text) for text in dict.fromkeys(_texts(path, name, value or ""))]


def _texts(path: str, name: str, value: str) -> Iterator[Any]:
    """Yield texts of the kind that the value is, or that its name asks for."""
    if (credential := credential_of(path)) is not None:
        yield new_credential(credential)
    if re.search(
        r"(^|[._])(ca|rootca|sslca|tlsca|database-?ca|db-?ca)([._-]?(cert|certificate|crt|bundle|pem))?s?$", path, re.I
    ) or re.search(r"(ca|root)(cert|certificate|crt|bundle|pem)$", name):
        yield CERTIFICATE
    if value.lower() in ("true", "false"):
        yield "false" if value.lower() == "true" else "true"
    if match := re.fullmatch(r"(\d+)(m|Ki|Mi|Gi|k|M|G|%)?", value):
        yield f"{int(match[1]) + 1}{match[2] or ''}"
        yield f"{int(match[1]) - 1}{match[2] or ''}"
    if value in ENVIRONMENTS or path_rank(path, "environment"):
        yield from (each for each in ENVIRONMENTS if each != value)
    if re.match(r"[a-z][a-z0-9+.-]*://", value) or re.search(r"(ur[li]|origins?|endpoint)$", name):
        yield ORIGIN
    if re.search(r"(cpu)$", name):
        yield "123m"
    if re.search(r"(memory)$", name):
        yield "123Mi"
    yield f"acceptance-{secrets.token_hex(4)}"
    yield ORIGIN
    yield secrets.token_hex(24)
    yield from (new_credential(name) for name in CREDENTIALS)
    if not value:
        yield 31


def _of_mapping(path: str, name: str) -> list[Trial]:
    """Return what is added to a mapping: resources, a scaling behaviour, or a key of its own."""
    if name.endswith("resources"):
        part = {"cpu": "123m", "memory": "123Mi"}
        return [Trial(path, {"requests": part, "limits": part})]
    if name.startswith("behav"):
        return [Trial(path, {"scaleDown": {"stabilizationWindowSeconds": 31}})]
    return [Trial(path, {"ACCEPTANCE_PROBE": f"acceptance-{secrets.token_hex(4)}"})]


def _metrics() -> list[dict[str, Any]]:
    target = {"type": "Utilization", "averageUtilization": 71}
    return [{"type": "Resource", "resource": {"name": "cpu", "target": target}}]


class Explorer:
    """Renders trials, and skips whole sections of the values that no component uses."""

    def __init__(
        self,
        renderer: Renderer,
        values: Mapping[str, Any],
        relevant: Callable[[Rendering], Any],
        progress: Callable[[str], None],
    ) -> None:
        self.renderer, self.values, self.relevant, self.progress = renderer, values, relevant, progress
        self.unaltered = self.render({})
        self.elsewhere = self.render({}, ELSEWHERE)
        self._prints = {None: self._fingerprint(self.unaltered), ELSEWHERE: self._fingerprint(self.elsewhere)}

    def render(self, changes: Mapping[str, Any], namespace: str | None = None) -> Rendering:
        """Render the chart with some changes."""
        return self.renderer.render(merge_values(self.values, changes), How(namespace=namespace))

    def explore(self, alternatives: Sequence[Sequence[Trial]]) -> list[tuple[Trial, Rendering]]:
        """Return each trial that changes a component's objects, with its rendering.

        Args:
            alternatives: For each path, the values to try until one renders.
        """
        pending = [list(each) for each in alternatives if each]
        single: list[list[Trial]] = []
        for section in _sections(pending):
            single += section if len(section) <= FEW else self._used_part(section)
        self.progress(f"changing {len(single)} of {len(pending)} values, one at a time")
        with ThreadPoolExecutor(WORKERS) as pool:
            results = list(pool.map(self._first_rendered, single))
        return [result for result in results if result is not None]

    def _used_part(self, section: list[list[Trial]], depth: int = 1) -> list[list[Trial]]:
        """Return the paths of a section that may matter: none if changing them all at once changes nothing."""
        parts = _sections(section, depth)
        if len(section) <= FEW or (len(parts) == 1 and depth > 6):
            return section
        together = self.render(merge_values({}, *(nested(each[0].path, each[0].value) for each in section)))
        if together.error is None and self._fingerprint(together) == self._prints[None]:
            return []
        return [trial for part in parts for trial in self._used_part(part, depth + 1)]

    def _first_rendered(self, trials: list[Trial]) -> tuple[Trial, Rendering] | None:
        """Return the first trial that renders, if it changes anything."""
        for trial in trials:
            # The chart can only create a Namespace other than the release namespace.
            namespace = ELSEWHERE if isinstance(trial.value, bool) else None
            rendering = self.render(nested(trial.path, trial.value), namespace)
            if rendering.error is None:
                changed = self._fingerprint(rendering) != self._prints[namespace]
                return (trial, rendering) if changed else None
        return None

    def before(self, trial: Trial) -> Rendering:
        """Return the rendering without the trial, in the same namespace."""
        return self.elsewhere if isinstance(trial.value, bool) else self.unaltered

    def _fingerprint(self, rendering: Rendering) -> str:
        return json.dumps(self.relevant(rendering), sort_keys=True, default=str)


def _sections(trials: Sequence[list[Trial]], depth: int = 0) -> list[list[list[Trial]]]:
    """Return the trials by the key of their path at a depth."""
    found: dict[str, list[list[Trial]]] = {}
    for each in trials:
        keys = each[0].path.split(".")
        found.setdefault(".".join(keys[: depth + 1]), []).append(each)
    return list(found.values())
