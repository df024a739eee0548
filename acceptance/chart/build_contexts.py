"""What images are built from: files that a Dockerfile copies but its context lacks, and scripts that images run."""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from pathlib import Path

from acceptance.checks.snapshot import BuildContext
from acceptance.core.dockerfile import final_stage, instructions
from acceptance.core.target import Target
from acceptance.kube.manifests import read_text_or_empty

SOURCE_FOLDERS = ("public",)
"""Folders of a frontend that its build does not create: they are in its source, or nowhere."""
FROM_STAGE = re.compile(r"--from=(\S+)")
OWN_SOURCE = re.compile(r"[^$*?]+")
NGINX = re.compile(r"\s[\"']?/etc/nginx/\S*\s*\]?$")
LOCKS = {
    r"\bnpm (?:ci|clean-install)\b": ("package-lock.json", "npm-shrinkwrap.json"),
    r"\byarn (?:install )?--(?:frozen-lockfile|immutable)\b": ("yarn.lock",),
    r"\bpnpm (?:i|install)\b[^&|;]*--frozen-lockfile\b": ("pnpm-lock.yaml",),
    r"\buv sync\b[^&|;]*--(?:frozen|locked)\b": ("uv.lock",),
}
"""Commands that install what a lock file says, with its names."""


def of_components(target: Target) -> dict[str, BuildContext]:
    """Return the build context of each component whose Dockerfile and context the target names."""
    found = {}
    for name, component in target.components.items():
        image = component.image
        if image.dockerfile is None or image.context is None:
            continue
        text, context = read_text_or_empty(target.root / image.dockerfile), target.root / image.context
        if text and context.is_dir():
            ignored = ignore_file(target.root / image.dockerfile, context)
            missing = (*missing_copies(text, context, ignored), *missing_locks(text, context))
            found[str(name)] = BuildContext(missing, scripts(text, context), nginx_files(text, context))
    return found


def ignore_file(dockerfile: Path, context: Path) -> list[str]:
    """Return the patterns of the .dockerignore that applies: the Dockerfile's own one, else the context's."""
    own = dockerfile.with_name(f"{dockerfile.name}.dockerignore")
    lines = read_text_or_empty(own if own.is_file() else context / ".dockerignore").splitlines()
    return [line.strip() for line in lines if line.strip() and not line.startswith("#")]


def missing_copies(text: str, context: Path, ignored: Sequence[str]) -> Iterator[str]:
    """Yield each path that a Dockerfile copies from its context, or from a stage that has it, and that is absent."""
    for each in instructions(text):
        if each.keyword not in ("COPY", "ADD") or "<<" in each.argument:
            continue
        for source in _sources(each.argument):
            stage = FROM_STAGE.search(each.argument)
            if stage is None:
                if not (context / source).exists():
                    yield source
                elif is_ignored(source, ignored):
                    yield f"{source}, which .dockerignore leaves out"
            elif _is_absent_in(stage[1], source, text, context):
                yield f"{source.rpartition('/')[2]}, which the stage {stage[1]} copies from it"


def missing_locks(text: str, context: Path) -> Iterator[str]:
    """Yield each lock file without which an installation fails, if no folder from which the Dockerfile copies has it.

    A command that first asks whether the file is there is left out.
    """
    copies = [each.argument for each in instructions(text) if each.keyword in ("COPY", "ADD")]
    folders = {context / folder for argument in copies if "--from" not in argument for folder in _folders(argument)}
    runs = [each.argument for each in instructions(text) if each.keyword == "RUN" and "-f " not in each.argument]
    for command, names in LOCKS.items():
        wanted = any(re.search(command, run) for run in runs)
        if wanted and folders and not any((folder / name).is_file() for folder in folders for name in names):
            yield f"{names[0]}, which the installation needs"


def _folders(argument: str) -> Iterator[str]:
    """Yield the folders of the paths and patterns that an instruction copies; a path is one itself, if it is."""
    words = [word for word in re.findall(r'[^\s",\[\]]+', argument) if not word.startswith("--")][:-1]
    for word in words:
        # Docker takes what is above the context for the context.
        path = re.sub(r"^(?:\.{0,2}/)+", "", word)
        if "$" not in path and "<<" not in argument:
            yield from (path, path.rpartition("/")[0])


def nginx_files(text: str, context: Path) -> dict[str, str]:
    """Return the text of each file that the last stage copies from its context to where nginx reads it."""
    found: dict[str, str] = {}
    for each in instructions(text):
        if each.keyword == "FROM":
            found = {}
        elif each.keyword in ("COPY", "ADD") and "--from" not in each.argument and NGINX.search(each.argument):
            texts = {source: read_text_or_empty(context / source) for source in _sources(each.argument)}
            found |= {source: content for source, content in texts.items() if content}
    return found


def _is_absent_in(stage: str, path: str, text: str, context: Path) -> bool:
    """Whether a stage lacks a folder of the source that no build creates: it copies the source, which lacks it."""
    name = path.rpartition("/")[2]
    runs = " ".join(each.argument for each in instructions(text) if each.keyword == "RUN")
    made = re.search(rf"\b{re.escape(name)}\b", runs) is not None
    return name in SOURCE_FOLDERS and not made and not (context / name).exists() and _copies_all(text, stage)


def _sources(argument: str) -> list[str]:
    """Return the paths that an instruction copies, without patterns, which may match nothing, and variables."""
    words = re.findall(r'[^\s",\[\]]+', argument)
    paths = [word for word in words if not word.startswith("--")][:-1]
    plain = [path.removeprefix("./").strip("/") for path in paths if OWN_SOURCE.fullmatch(path) and ":" not in path]
    return [path for path in plain if path not in ("", ".") and ".." not in path]


def _copies_all(text: str, stage: str) -> bool:
    """Whether a stage copies the whole context."""
    current = ""
    for each in instructions(text):
        words = each.argument.split()
        if each.keyword == "FROM":
            current = words[2] if len(words) > 2 else ""
        elif current == stage and each.keyword == "COPY" and "--from" not in each.argument and "." in words[:-1]:
            return True
    return False


def is_ignored(path: str, patterns: Sequence[str]) -> bool:
    """Whether a .dockerignore excludes a path, or a folder above it, and `!` includes nothing of it again."""
    parts = path.split("/")
    above = ["/".join(parts[:count]) for count in range(1, len(parts) + 1)]
    ignored = False
    for pattern in patterns:
        own = pattern.removeprefix("!").strip("/").removeprefix("./")
        if pattern.startswith("!"):
            ignored = ignored and not (_matches(own, above) or own.startswith(f"{path}/") or "*" in own)
        elif _matches(own, above):
            ignored = True
    return ignored


def _matches(pattern: str, paths: Sequence[str]) -> bool:
    marked = (
        re.escape(pattern).replace(r"\*\*/", "\0").replace(r"\*\*", "\1").replace(r"\*", "[^/]*").replace(r"\?", "[^/]")
    )
    expression = marked.replace("\0", "(?:.*/)?").replace("\1", ".*")
    return any(re.fullmatch(expression, path) for path in paths)


def scripts(text: str, context: Path) -> dict[str, str]:
    """Return the text of each shell script of the image's ENTRYPOINT and CMD, by its name."""
    stage = final_stage(text)
    words = [*stage.command.entrypoint, *stage.command.cmd] if stage else []
    names = {name.rpartition("/")[2] for word in words for name in re.findall(r"[\w./-]+\.sh\b", word)}
    found = {}
    for name in sorted(names):
        paths = [context / name, context / "scripts" / name, context / "docker" / name]
        if text_of := next(filter(None, map(read_text_or_empty, paths)), ""):
            found[name] = text_of
    return found
