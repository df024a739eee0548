"""Mutants of an image: archives in `docker save` format with one fault each, read like a built image."""

from __future__ import annotations

import hashlib
import io
import json
import os
import tarfile
import tempfile
from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from acceptance import checks
from acceptance.checks.component_view import ComponentView
from acceptance.checks.finding import Finding
from acceptance.checks.secret import stated_keys
from acceptance.checks.snapshot import ImageState, Snapshot
from acceptance.core.target import Target
from acceptance.snapshots.image import read
from mutants.draft import put

COMPONENT = "backend"
NOW = datetime(2026, 1, 2, tzinfo=UTC)
LEAK = "sk-proj-" + "Ab3" * 12
SMALL = 100_000
"""The size limit in these tests, in bytes, so that an archive above it is small."""


@dataclass
class Draft:
    """The content of an image archive: the files of each layer, and the configuration."""

    layers: list[dict[str, bytes]] = field(
        default_factory=lambda: [
            {"etc/passwd": b"root:x:0:0::/:/bin/sh\nappuser:x:1000:1000::/app:/bin/false\n"},
            {
                "app/main.py": b"print('hello')\n",
                "usr/lib/python3/test/sample.pem": b"-----BEGIN PRIVATE KEY-----\nMII",
            },
        ]
    )
    config: dict[str, Any] = field(
        default_factory=lambda: {
            "os": "linux",
            "architecture": "amd64",
            "created": "2026-01-01T00:00:00.123456789Z",
            "config": {"User": "appuser", "Cmd": ["python3", "-m", "app"], "Env": ["PATH=/usr/bin"]},
            "history": [],
        }
    )
    corrupt: str | None = None
    """Which digest does not match its content: `config`, `layer` or none."""

    def write(self, path: Path) -> None:
        """Write the archive."""
        tars = [_tar(files) for files in self.layers]
        self.config["rootfs"] = {"type": "layers", "diff_ids": [_digest(each) for each in tars]}
        if self.corrupt == "layer":
            tars[-1] = _tar({"app/main.py": b"print('another')\n"})
        raw = json.dumps(self.config).encode()
        name = "0" * 64 if self.corrupt == "config" else hashlib.sha256(raw).hexdigest()
        members = {f"{index}/layer.tar": content for index, content in enumerate(tars)}
        manifest = [{"Config": f"{name}.json", "RepoTags": ["todo-backend:1"], "Layers": list(members)}]
        files = {**members, f"{name}.json": raw, "manifest.json": json.dumps(manifest).encode()}
        path.write_bytes(_tar(files))


def _tar(files: dict[str, bytes]) -> bytes:
    buffer = io.BytesIO()
    with tarfile.open(fileobj=buffer, mode="w") as archive:
        for name, content in files.items():
            entry = tarfile.TarInfo(name)
            entry.size = len(content)
            archive.addfile(entry, io.BytesIO(content))
    return buffer.getvalue()


def _digest(content: bytes) -> str:
    return f"sha256:{hashlib.sha256(content).hexdigest()}"


Alter = Callable[[Draft], None]


@dataclass(frozen=True)
class Mutant:
    """A fault of an image archive that breaks one clause of a rule."""

    rule: str
    clause: str
    alter: Alter

    @property
    def id(self) -> str:
        """Name in the output and in test IDs."""
        return f"{self.rule}-archive-{self.clause}"

    def killed_by(self, target: Target) -> str | None:
        """Return the first finding of the mutant's own rule, or None if it survives."""
        draft = Draft()
        self.alter(draft)
        found = findings(self.rule, draft, target)
        return str(found[0]) if found else None


def read_draft(draft: Draft, target: Target) -> ImageState:
    """Write a draft as an archive and read it like a built image."""
    names = tuple(stated_keys(ComponentView(Snapshot("image"), target, None)))
    with tempfile.TemporaryDirectory(prefix="mutant-") as folder:
        path = Path(folder) / "image.tar"
        draft.write(path)
        return read(path, f"{target.component(COMPONENT).image.repository}:1", names)


def findings(rule: str, draft: Draft, target: Target) -> list[Finding]:
    """Return the findings of a rule's checks on a draft."""
    snapshot = Snapshot("image", captured_at=NOW, images={COMPONENT: read_draft(draft, target)})
    image = target.component(COMPONENT).image.model_copy(update={"max_bytes": SMALL})
    component = target.component(COMPONENT).model_copy(update={"image": image})
    limited = target.model_copy(update={"components": {**target.components, COMPONENT: component}})
    chosen = [each for each in checks.for_level("image") if each.rule == rule and each.component in (None, COMPONENT)]
    return [*checks.run_checks(snapshot, limited, chosen).findings]


def config(path: str, value: Any) -> Alter:
    """Return an alteration that sets a field of the configuration."""
    return lambda draft: put(draft.config, path, value)


def file(name: str, content: bytes) -> Alter:
    """Return an alteration that adds a layer with one file."""
    return lambda draft: draft.layers.append({name: content})


def corrupt(what: str) -> Alter:
    """Return an alteration after which a digest does not match its content."""

    def alter(draft: Draft) -> None:
        draft.corrupt = what

    return alter


def layers(count: int) -> Alter:
    """Return an alteration that adds empty layers up to `count`."""

    def alter(draft: Draft) -> None:
        draft.layers += [{f"app/{index}": b""} for index in range(count - len(draft.layers))]

    return alter


def every() -> list[Mutant]:
    """Return all mutants."""
    return [Mutant(rule, clause, alter) for rule, clause, alter in MUTANTS]


MUTANTS: list[tuple[str, str, Alter]] = [
    ("IMG-03", "configuration of another digest", corrupt("config")),
    ("IMG-03", "layer of another content", corrupt("layer")),
    ("IMG-04", "too large", file("app/model.bin", os.urandom(SMALL))),
    ("IMG-06", "21 layers", layers(21)),
    ("IMG-07", "the epoch", config("created", "1970-01-01T00:00:00Z")),
    ("IMG-08", "arm64", config("architecture", "arm64")),
    ("IMG-10", "shell form", config("config.Cmd", ["/bin/sh", "-c", "python3 -m app"])),
    ("SCY-01", "root", config("config.User", "root")),
    ("SCY-01", "no user", config("config.User", "")),
    ("SCY-01", "a name of another UID", file("etc/passwd", b"appuser:x:999:999::/:\n")),
    ("SCY-08", "a key in .env", file("app/.env", f"OPENAI_API_KEY={LEAK}\n".encode())),
    ("SCY-08", "a secret in .env", file("app/.env.local", b"BETTER_AUTH_SECRET=8f2c91d07ab34e55\n")),
    ("SCY-08", "a key in the code", file("app/settings.py", f'KEY = "{LEAK}"\n'.encode())),
    ("SCY-08", "a private key", file("app/key.pem", b"-----BEGIN RSA PRIVATE KEY-----\nMIIEow\n")),
    ("SCY-08", "a key in the environment", config("config.Env", [f"KEY={LEAK}"])),
    ("SCY-08", "a key in the history", config("history", [{"created_by": f"ARG KEY={LEAK}"}])),
]
