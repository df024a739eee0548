"""The API server's own rules, without a cluster.

A program made of Kubernetes' own code (`toolchain/apivalidator`) decodes an object as the server does, fills in
defaults and runs the rules of its kind. What depends on other objects or on a cluster is not judged.
"""

from __future__ import annotations

import atexit
import hashlib
import json
import os
import subprocess
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from threading import Lock, Thread
from typing import Any, Literal

from acceptance.core.fields import Object, at, mapping_at, name_of, text_at
from acceptance.kube.hooks import HOOK
from acceptance.kube.schema import kind_of
from toolchain import api_validator
from toolchain.console import ToolchainError

Stage = Literal["served", "type", "field", "key", "rule"]
"""Where the server refuses an object: its kind, a value's type, an unknown field, a list's keys, or a rule."""
STOP_SECONDS = 5
"""Seconds for the program to end once its input has; then it is killed."""


@dataclass(frozen=True)
class Refusal:
    """A reason for which the API server refuses an object; it never quotes a Secret's value."""

    stage: Stage
    field: str
    message: str


@dataclass(frozen=True)
class Judgement:
    """What the server refuses in an object. Not `known`: a custom kind, on which only its cluster can decide."""

    refusals: tuple[Refusal, ...]
    known: bool = True


class ApiRules:
    """One process of the program; objects are judged once, by their content.

    Threads may share it. A process that was forked starts a program of its own: answers in a shared pipe get mixed up.
    """

    def __init__(self, program: Path) -> None:
        self._program = program
        self._process: subprocess.Popen[bytes] | None = None
        self._owner = os.getpid()
        self._judged: dict[bytes, Judgement] = {}
        self._lock = Lock()

    def judge(self, objects: Sequence[Object], namespace: str) -> list[Judgement]:
        """Return what the server refuses in each object that it is to create.

        Args:
            objects: Objects as rendered.
            namespace: The namespace of those that name none.
        """
        return self._judge([(namespace, item, None) for item in objects])

    def update_refusals(
        self, old: Iterable[Object], new: Iterable[Object], namespace: str
    ) -> Iterator[tuple[Object, Refusal]]:
        """Yield what the server refuses when `new` is applied over `old`, each with the new object.

        These are changes of what can't be changed (selectors, a Job's template, a Role's reference), and whatever is
        wrong in the new object itself. Hooks are left out: Helm replaces them.

        Args:
            old: The objects of the installed release.
            new: The objects of the upgrade.
            namespace: The namespace of those that name none.
        """
        before = {_identity(item, namespace): item for item in old}
        changed = [
            (item, previous)
            for item in new
            if (previous := before.get(_identity(item, namespace))) is not None and previous != item
            if HOOK not in mapping_at(item, "metadata.annotations")
        ]
        judged = self._judge([(namespace, item, previous) for item, previous in changed])
        for (item, _), judgement in zip(changed, judged, strict=True):
            yield from ((item, refusal) for refusal in judgement.refusals)

    def close(self) -> None:
        """End the process."""
        with self._lock:
            process, self._process = self._process, None
        if process is not None:
            assert process.stdin is not None
            process.stdin.close()
            try:
                process.wait(STOP_SECONDS)
            except subprocess.TimeoutExpired:
                process.kill()
                process.wait()
            assert process.stdout is not None
            process.stdout.close()

    def _judge(self, cases: Sequence[tuple[str, Object, Object | None]]) -> list[Judgement]:
        texts = [json.dumps(case, default=str) for case in cases]
        keys = [hashlib.blake2b(text.encode(), digest_size=16).digest() for text in texts]
        with self._lock:
            for key, (namespace, item, old) in zip(keys, cases, strict=True):
                if key not in self._judged:
                    self._judged[key] = self._ask(namespace, item, old)
            return [self._judged[key] for key in keys]

    def _ask(self, namespace: str, item: Object, old: Object | None) -> Judgement:
        request: dict[str, Any] = {"namespace": namespace, "objects": [item]}
        if old is not None:
            request["old"] = [old]
        try:
            answer = self._exchange(json.dumps(request, default=str))
        except (OSError, ValueError) as error:
            raise ToolchainError(f"{self._program} can't be run, or ended unexpectedly") from error
        if mistake := answer.get("error"):
            raise ToolchainError(f"the API server's rules can't judge {kind_of(item)} {name_of(item)}: {mistake}")
        found = answer["refusals"][0]
        return Judgement(tuple(Refusal(**each) for each in found or ()), known=found is not None)

    def _exchange(self, request: str) -> dict[str, Any]:
        if self._process is None or self._owner != os.getpid():
            self._owner = os.getpid()
            self._process = subprocess.Popen(
                [self._program], stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL
            )
        assert self._process.stdin is not None
        assert self._process.stdout is not None
        self._process.stdin.write(request.encode() + b"\n")
        self._process.stdin.flush()
        answer: dict[str, Any] = json.loads(self._process.stdout.readline())
        return answer


def _identity(item: Object, namespace: str) -> tuple[str, str, str]:
    return kind_of(item), text_at(item, "metadata.namespace") or namespace, name_of(item)


_lock = Lock()
_outcome: list[ApiRules | ToolchainError] = []


def shared() -> ApiRules:
    """Return this process's rules; the first call builds the program if it is missing.

    Raises:
        ToolchainError: It can't be built; the first call's reason.
    """
    with _lock:
        if not _outcome:
            try:
                rules = ApiRules(api_validator.ensure())
            except ToolchainError as error:
                _outcome.append(error)
            else:
                atexit.register(rules.close)
                _outcome.append(rules)
    outcome = _outcome[0]
    if isinstance(outcome, ToolchainError):
        raise outcome
    return outcome


def prepare() -> None:
    """Start to build the program in the background if it is missing; `shared` waits for it."""
    if api_validator.find() is None:
        Thread(target=_build, name="build the API server's rules", daemon=True).start()


def _build() -> None:
    try:
        shared()
    except ToolchainError:
        return  # who needs it gets the reason


def flattened(objects: Iterable[Object]) -> Iterator[Object]:
    """Yield the objects; in place of a list such as `v1 List`, its items, as Helm creates them."""
    for item in objects:
        items = at(item, "items")
        if text_at(item, "kind").endswith("List") and isinstance(items, list):
            yield from flattened(each for each in items if isinstance(each, Mapping))
        else:
            yield item
