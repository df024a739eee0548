"""Options that the commands of mutants share."""

from __future__ import annotations

import argparse
import sys
from collections.abc import Collection
from typing import NoReturn

from acceptance.core.near_miss import suggestion


class Parser(argparse.ArgumentParser):
    """A parser that refuses a wrong option in one sentence, with exit code 2."""

    def error(self, message: str) -> NoReturn:
        """Print the mistake and exit."""
        sys.stderr.write(f"ERROR: {message}\n")
        sys.exit(2)


def rules(text: str, known: Collection[str]) -> list[str]:
    """Return the rules of a list separated by commas.

    Args:
        text: The list.
        known: The rules that have a mutant.

    Raises:
        argparse.ArgumentTypeError: No mutant is of one of them.
    """
    chosen = [each.strip().upper() for each in text.split(",") if each.strip()]
    if unknown := [each for each in chosen if each not in known]:
        raise argparse.ArgumentTypeError(f"no mutant is of {unknown[0]}{suggestion(unknown[0], known)}")
    return chosen
