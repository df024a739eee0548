"""Command lines as containers have them: the simple commands in a script, and options of a program."""

from __future__ import annotations

import re
import shlex
from collections.abc import Iterator, Sequence

SHELLS = ("sh", "bash", "ash", "dash", "busybox", "zsh")
SEPARATORS = frozenset(";&|()")
KEYWORDS = ("until", "while", "if", "do", "then", "else", "elif", "!", "{", "}", "exec", "nohup", "command", "time")
"""Words before a command."""
ENDS = ("done", "fi", "for", "case", "esac")
"""Words that begin no command."""
ASSIGNMENT = re.compile(r"[A-Za-z_]\w*=.*", re.DOTALL)


def program(words: Sequence[str]) -> str:
    """Return the name of a command's program, without its folder."""
    return words[0].rpartition("/")[2] if words else ""


def script(argv: Sequence[str]) -> str | None:
    """Return the script that a shell is given by `-c`, or None."""
    if program(argv) not in SHELLS:
        return None
    for index, word in enumerate(argv[1:], 1):
        if re.fullmatch(r"-[a-z]*c[a-z]*", word) and index + 1 < len(argv):
            return next((each for each in argv[index + 1 :] if not each.startswith("-")), None)
    return None


def simple_commands(argv: Sequence[str]) -> Iterator[list[str]]:
    """Yield the simple commands that a container's argument vector runs, those of a shell's script one by one.

    Raises:
        ValueError: A quote is not closed.
    """
    text = script(argv)
    if text is None:
        yield list(argv)
        return
    lines = [line for line in text.splitlines() if not line.lstrip().startswith("#")]
    lexer = shlex.shlex(" ; ".join(lines).replace("\\ ;", ""), posix=True, punctuation_chars=";&|()")
    lexer.whitespace_split = True
    lexer.commenters = ""
    words: list[str] = []
    for token in [*lexer, ";"]:
        if token and set(token) <= SEPARATORS:
            if found := _command(words):
                yield found
            words = []
        else:
            words.append(token)


def _command(words: list[str]) -> list[str]:
    while words and (words[0] in KEYWORDS or ASSIGNMENT.fullmatch(words[0]) or words[0] == "$"):
        words = words[1:]
    if not words or words[0] in ENDS:
        return []
    if words[0] == "timeout":
        rest = [word for word in words[1:] if not word.startswith("-")]
        return rest[1:]
    return words


def option(words: Sequence[str], *names: str) -> str | None:
    """Return the last value of an option, as `--port 80`, `--port=80` or `-p80`; None if it is not there."""
    found = None
    for index, word in enumerate(words):
        for name in names:
            if word == name and index + 1 < len(words):
                found = words[index + 1]
            elif word.startswith(f"{name}=") and name.startswith("--"):
                found = word.partition("=")[2]
            elif not name.startswith("--") and re.fullmatch(rf"{re.escape(name)}\d+", word):
                found = word[len(name) :]
    return found
