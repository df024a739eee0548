"""Reads an archive by `docker save`: the image's configuration, layers as in a registry, and files."""

from __future__ import annotations

import hashlib
import json
import re
import tarfile
import zlib
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from acceptance.checks.snapshot import ImageState, Layer
from acceptance.core.fields import list_at, mappings_at, text_at
from acceptance.core.secret_scan import credential_kinds
from toolchain import cache

GZIP_LEVEL = 6
"""The compression level that `docker push` uses by default."""
CHUNK = 1 << 20
MAX_TEXT = 512 * 1024
"""The size of the largest file that is scanned, in bytes: files that people write are smaller."""
# Files of packages contain sample keys; what a build copies in is elsewhere.
PACKAGES = re.compile(
    r"^(usr/(?!src/|app/)|lib|lib64|bin|sbin|boot|dev|proc|sys|var/lib|var/cache|etc/ssl)/|(^|/)(node_modules|(site|dist)-packages|lib/python3\.\d+)/"
)
PASSWD = "etc/passwd"  # noqa: S105 - a path
FACTS_VERSION = 2
"""The version of a layer's cached facts; increment it when other facts are read."""


@dataclass(frozen=True)
class LayerFacts:
    """Facts of a layer: its size at gzip level 6, credentials by place, and /etc/passwd if it has one."""

    diff_id: str
    compressed_bytes: int
    credentials: tuple[str, ...]
    passwd: str | None


def read(path: Path, reference: str, names: tuple[str, ...] = ()) -> ImageState:
    """Read an archive of one image.

    Args:
        path: The archive.
        reference: The image's reference.
        names: The Secret's keys; their values are credentials.

    Raises:
        KeyError: It is an archive, but not of an image.
        tarfile.TarError: It is not an archive.
    """
    with tarfile.open(path) as archive:
        manifest = json.loads(_content(archive, "manifest.json"))[0]
        raw = _content(archive, manifest["Config"])
        config: dict[str, Any] = json.loads(raw)
        members = [str(name) for name in manifest["Layers"]]
    diff_ids = [str(entry) for entry in list_at(config, "rootfs.diff_ids")]
    with ThreadPoolExecutor() as pool:
        facts = list(pool.map(lambda pair: _layer(path, pair[0], pair[1], names), zip(members, diff_ids, strict=False)))
    commands = [
        text_at(entry, "created_by") for entry in mappings_at(config, "history") if entry.get("empty_layer") is not True
    ]
    commands += [""] * (len(facts) - len(commands))
    return ImageState(
        reference=reference,
        config=config,
        config_digest="sha256:" + re.sub(r"\.json$", "", manifest["Config"].rpartition("/")[2]),
        computed_digest=f"sha256:{hashlib.sha256(raw).hexdigest()}",
        layers=tuple(
            Layer(diff_id, fact.compressed_bytes, command)
            for diff_id, fact, command in zip(diff_ids, facts, commands, strict=False)
        ),
        computed_diff_ids=tuple(fact.diff_id for fact in facts),
        passwd=next((fact.passwd for fact in reversed(facts) if fact.passwd is not None), ""),
        credentials=tuple(place for fact in facts for place in fact.credentials),
    )


def _content(archive: tarfile.TarFile, name: str) -> bytes:
    member = archive.extractfile(name)
    if member is None:
        raise KeyError(name)
    return member.read()


def _layer(path: Path, member: str, diff_id: str, names: tuple[str, ...]) -> LayerFacts:
    """Return the facts of a layer, cached by diff ID if the content has that digest."""
    key = cache.digest(str(FACTS_VERSION), *names)
    kept = cache.directory() / "layers" / key / f"{diff_id.removeprefix('sha256:')}.json"
    if kept.is_file():
        loaded = json.loads(kept.read_text(encoding="utf-8"))
        # The content is hashed each time, since IMG-03 asserts the hash.
        computed, _ = _measure(path, member, compress=False)
        if computed == diff_id:
            return LayerFacts(computed, loaded["compressed_bytes"], tuple(loaded["credentials"]), loaded["passwd"])
    computed, size = _measure(path, member, compress=True)
    found, passwd = _files(path, member, names)
    facts = LayerFacts(computed, size, tuple(found), passwd)
    if computed == diff_id:
        kept.parent.mkdir(parents=True, exist_ok=True)
        staging = kept.with_suffix(".unfinished")
        staging.write_text(json.dumps(asdict(facts)), encoding="utf-8")
        staging.rename(kept)
    return facts


def _chunks(path: Path, member: str) -> Iterator[tuple[bytes, int]]:
    """Yield the layer's tar in chunks, uncompressed, each with its number of bytes in the archive."""
    with tarfile.open(path) as archive:
        source = archive.extractfile(member)
        if source is None:
            raise KeyError(member)
        first = source.read(CHUNK)
        packed = first.startswith(b"\x1f\x8b")
        opener = zlib.decompressobj(wbits=31) if packed else None
        while first:
            yield (opener.decompress(first) if opener else first), len(first)
            first = source.read(CHUNK)
        if opener:
            yield opener.flush(), 0


def _measure(path: Path, member: str, *, compress: bool) -> tuple[str, int]:
    """Return the diff ID, and the compressed bytes: as in the archive, or else at gzip level 6."""
    total, digest = 0, hashlib.sha256()
    packer = zlib.compressobj(GZIP_LEVEL, wbits=31)
    as_stored = False
    for chunk, stored in _chunks(path, member):
        digest.update(chunk)
        as_stored = as_stored or stored != len(chunk)
        if compress:
            total += stored if as_stored else len(packer.compress(chunk))
    total += 0 if as_stored else len(packer.flush())
    return f"sha256:{digest.hexdigest()}", total


def _files(path: Path, member: str, names: tuple[str, ...]) -> tuple[list[str], str | None]:
    """Return places that contain what looks like a credential, and /etc/passwd."""
    found: list[tuple[str, str]] = []
    installed: set[str] = set()
    passwd = None
    with tarfile.open(path) as archive:
        source = archive.extractfile(member)
        if source is None:
            raise KeyError(member)
        with tarfile.open(fileobj=source, mode="r|*") as layer:
            for entry in layer:
                name = entry.name.removeprefix("./").removeprefix("/")
                chosen = name == PASSWD or not PACKAGES.search(name)
                if not (entry.isfile() and chosen and entry.size <= MAX_TEXT):
                    continue
                content = layer.extractfile(entry)
                raw = content.read() if content else b""
                if b"\0" in raw[:1024]:
                    continue
                text = raw.decode("utf-8", "replace")
                if name == PASSWD:
                    passwd = text
                if (folder := Path(name).parent).suffix == ".dist-info" and Path(name).name == "RECORD":
                    installed |= {str(folder.parent / line.partition(",")[0]) for line in text.splitlines()}
                # Code contains the keys' names; only settings files contain their values.
                settings = Path(name).name.startswith(".env") or name.endswith((".ini", ".conf", ".cfg"))
                found += [(name, kind) for kind in credential_kinds(text, names if settings else ())]
    # A package lists its files, wherever it is installed.
    return [f"{name}: {kind}" for name, kind in found if name not in installed], passwd
