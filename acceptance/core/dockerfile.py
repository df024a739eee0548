"""Reads Dockerfiles: instructions with continued lines joined, and what the last stage ends up with."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator, Mapping
from contextlib import suppress
from dataclasses import dataclass, field, replace

HEREDOC = re.compile(r"<<-?\s*([\"']?)(\w+)\1")
VARIABLE = re.compile(r"\$(?:(\w+)|\{(\w+)(?::?([-+])([^}]*))?\})")
ASSIGNMENT = re.compile(r"""([A-Za-z_]\w*)=("(?:[^"\\]|\\.)*"|'[^']*'|(?:[^\s\\]|\\.)*)""")


@dataclass(frozen=True)
class Instruction:
    """One instruction: its keyword in capitals, and its argument in one line."""

    keyword: str
    argument: str


@dataclass(frozen=True)
class Command:
    """What an image runs; the form with a shell is given as `/bin/sh -c`."""

    entrypoint: tuple[str, ...] = ()
    cmd: tuple[str, ...] = ()


@dataclass
class Stage:
    """A build stage: its base, its name, the variables known at its end, its user and command, inherited ones too."""

    base: str = ""
    name: str = ""
    variables: dict[str, str | None] = field(default_factory=dict)
    user: str | None = None
    command: Command = Command()


def instructions(text: str) -> Iterator[Instruction]:
    """Yield the instructions of a Dockerfile, without comments and without the content of here-documents."""
    lines = iter(text.splitlines())
    for line in lines:
        if not line.strip() or line.lstrip().startswith("#"):
            continue
        whole = line.strip()
        while whole.endswith("\\"):
            following = next(lines, "")
            if following.strip() and not following.lstrip().startswith("#"):
                whole = f"{whole[:-1].rstrip()} {following.strip()}"
            elif not following:
                break
        keyword, _, argument = whole.partition(" ")
        if keyword.upper() in ("RUN", "COPY", "ADD"):
            for match in HEREDOC.finditer(argument):
                _skip_to(match.group(2), lines)
        yield Instruction(keyword.upper(), argument.strip())


def _skip_to(end: str, lines: Iterator[str]) -> None:
    for line in lines:
        if line.strip() == end:
            return


def assignments(instruction: Instruction) -> dict[str, str]:
    """Return the variables that an ENV or ARG instruction sets, quotes removed; ENV also in its form `NAME value`."""
    first, _, rest = instruction.argument.partition(" ")
    if instruction.keyword == "ENV" and "=" not in first:
        return {first: rest.strip().strip("\"'")}
    if instruction.keyword in ("ENV", "ARG", "LABEL"):
        return {name: value.strip("\"'") for name, value in ASSIGNMENT.findall(instruction.argument)}
    return {}


def substituted(text: str, variables: Mapping[str, str | None]) -> str | None:
    """Return a text with its variables replaced, or None if the value of one is unknown."""
    unknown = False

    def replace(match: re.Match[str]) -> str:
        nonlocal unknown
        known = variables.get(match.group(1) or match.group(2))
        if match.group(3) == "-":
            return known or match.group(4)
        if match.group(3) == "+":
            return match.group(4) if known else ""
        unknown = unknown or known is None
        return known or ""

    result = VARIABLE.sub(replace, text)
    return None if unknown else result


def final_user(text: str) -> str | None:
    """Return the user of a Dockerfile's last stage, inherited from an earlier stage too; None if unknown or not set."""
    stage = final_stage(text)
    return stage.user if stage else None


def final_stage(text: str) -> Stage | None:
    """Return a Dockerfile's last stage with what it inherits from earlier ones; None without a stage."""
    arguments: dict[str, str | None] = {}
    stages: list[Stage] = []
    for instruction in instructions(text):
        if instruction.keyword == "FROM":
            stages.append(_stage(instruction.argument, arguments, stages))
        elif not stages:
            arguments |= assignments(instruction)
        elif instruction.keyword in ("ENV", "ARG"):
            known = stages[-1].variables
            for name in instruction.argument.split() if instruction.keyword == "ARG" else ():
                if "=" not in name:
                    known.setdefault(name, arguments.get(name))
            known |= {name: substituted(value, known) for name, value in assignments(instruction).items()}
        elif instruction.keyword == "USER":
            stages[-1].user = substituted(instruction.argument.strip("\"'"), stages[-1].variables)
        elif instruction.keyword == "ENTRYPOINT":
            stages[-1].command = Command(_argv(instruction.argument))
        elif instruction.keyword == "CMD":
            stages[-1].command = replace(stages[-1].command, cmd=_argv(instruction.argument))
    return stages[-1] if stages else None


def _argv(argument: str) -> tuple[str, ...]:
    if argument.startswith("["):
        with suppress(ValueError):
            return tuple(map(str, json.loads(argument)))
    return ("/bin/sh", "-c", argument)


def _stage(argument: str, arguments: Mapping[str, str | None], earlier: list[Stage]) -> Stage:
    words = [word for word in argument.split() if not word.startswith("--")]
    base = substituted(words[0], arguments) if words else None
    name = words[2] if len(words) > 2 and words[1].upper() == "AS" else ""
    for stage in reversed(earlier):
        if stage.name and base and stage.name.lower() == base.lower():
            return Stage(base, name, dict(stage.variables), stage.user, stage.command)
    return Stage(base or "", name)
