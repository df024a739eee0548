"""Live mutants: defects that only a running release shows, each run against the test of the one rule that it breaks.

    python -m mutants.live [--rules STA-08,POD-10] [--shard 1/4] [--sample 6]

All of them use one cluster: the one that the checkout has kept, else a new one, which is removed at the end. An outcome
that is known for the same state of the checkout is read from the results folder instead of running the mutant again.
Exit code 1 if a mutant survives, 2 if one is inconclusive.
"""

from __future__ import annotations

import argparse
import hashlib
import json
import random
import shutil
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

from rich.console import Console
from rich.table import Table

import toolchain
from acceptance.core import signals
from acceptance.core.git import checkout
from acceptance.core.rules import ROOT
from acceptance.provision import lifecycle
from mutants import applications, databases, deployments, frontends, isolation, options, users_data
from mutants.mutant import Mutant
from toolchain.console import ToolchainError

MUTANTS = (
    *databases.MUTANTS,
    *deployments.MUTANTS,
    *applications.MUTANTS,
    *isolation.MUTANTS,
    *users_data.MUTANTS,
    *frontends.MUTANTS,
)
COPIED = ("chart", "app", "dockerfiles", "target.toml")
IGNORED = ("node_modules", ".next", ".venv", "__pycache__", ".mypy_cache", ".pytest_cache")
SUITE = ("acceptance", "support", "conftest.py", "tests/behaviour/conftest.py")
"""The code of every test of a release, besides the test's module."""
RESULTS = ROOT / "reports" / "mutants-live"


@contextmanager
def copied() -> Iterator[Path]:
    """A copy of what the target names; yields the folder, which contains the target file."""
    with tempfile.TemporaryDirectory(prefix="mutant-") as folder:
        root = Path(folder)
        for name in COPIED:
            if (ROOT / name).is_dir():
                shutil.copytree(ROOT / name, root / name, ignore=shutil.ignore_patterns(*IGNORED))
            else:
                shutil.copy2(ROOT / name, root / name)
        yield root


@contextmanager
def mutated(mutant: Mutant) -> Iterator[Path]:
    """The same with the mutant's edits."""
    with copied() as root:
        for edit in mutant.edits:
            edit(root)
        yield root


def run(argv: Sequence[str], log: Path) -> int:
    """The exit code of a pytest process, whose output goes to `log`.

    At Ctrl-C it is interrupted once and ends by itself, so that it restores the release and frees its run's lock.
    """
    with (
        log.open("w", encoding="utf-8") as output,
        subprocess.Popen(
            argv, cwd=ROOT, stdin=subprocess.DEVNULL, stdout=output, stderr=subprocess.STDOUT, process_group=0
        ) as process,
    ):
        try:
            return process.wait()
        except KeyboardInterrupt:
            with signals.uninterrupted():
                process.send_signal(signal.SIGINT)
                process.wait()
            raise


def outcome(mutant: Mutant, log: Path) -> str:
    """`killed`, `survived`, or why the mutant could not be judged: only a finding of its rule kills it.

    pytest's output goes to `log`.
    """
    with mutated(mutant) as root, tempfile.TemporaryDirectory(prefix="mutant-reports-") as reports:
        argv = [sys.executable, "-m", "pytest", "-q", "--keep-cluster", "-p", "no:cacheprovider"]
        argv += ["--target", str(root / "target.toml"), "--reports", reports]
        argv += [mutant.experiment, mutant.test] if mutant.experiment else [mutant.test]
        code = run(argv, log)
        signoff = Path(reports) / "latest" / "signoff.json"
        if not signoff.is_file():
            return f"not judged: exit code {code}: {log.read_text(encoding='utf-8').strip().splitlines()[-1:]}"
        rules = json.loads(signoff.read_text(encoding="utf-8"))["rules"]
    result = rules[mutant.rule]["levels"]["behaviour"]["result"]
    return {"failed": "killed", "passed": "survived"}.get(result, f"not judged: {result}")


def state(mutant: Mutant) -> str:
    """A digest of what the outcome depends on: the mutated files, the suite, and the mutant's test."""
    tests = [test for test in (mutant.experiment, mutant.test) if test]
    digest = hashlib.sha256(repr((mutant.name, mutant.rule, *tests)).encode())
    suite = (*SUITE, *(test.partition("::")[0] for test in tests))
    with mutated(mutant) as root:
        for base, folders in ((root, COPIED), (ROOT, suite)):
            for path in sorted(p for folder in folders for p in [base / folder, *(base / folder).rglob("*")]):
                if path.is_file() and "__pycache__" not in path.parts:
                    digest.update(str(path.relative_to(base)).encode() + path.read_bytes())
    return digest.hexdigest()


def evaluate(mutant: Mutant, results: Path) -> str:
    """The mutant's outcome, from an earlier run of the same state if there is one."""
    place = results / f"{state(mutant)[:32]}.txt"
    if place.is_file():
        return place.read_text(encoding="utf-8")
    results.mkdir(parents=True, exist_ok=True)
    result = outcome(mutant, place.with_suffix(".log"))
    if not result.startswith("not judged"):
        place.write_text(result, encoding="utf-8")
    return result


def select(rules: Sequence[str], shard: tuple[int, int]) -> list[Mutant]:
    """The mutants of `rules`, or all without any, that are in a shard: (its number from 1, the number of shards)."""
    number, shards = shard
    candidates = [mutant for mutant in MUTANTS if not rules or mutant.rule in rules]
    return [mutant for place, mutant in enumerate(candidates) if place % shards == number - 1]


def sample(mutants: Sequence[Mutant], count: int, commit: str) -> list[Mutant]:
    """`count` of the mutants, the same ones for the same commit."""
    return random.Random(commit).sample(list(mutants), min(count, len(mutants)))  # noqa: S311 - not for cryptography


def parse_shard(text: str) -> tuple[int, int]:
    """The shard `1/4` as (1, 4); raises `ArgumentTypeError` for anything else."""
    number, _, shards = text.partition("/")
    if not (number.isdecimal() and shards.isdecimal() and 1 <= int(number) <= int(shards)):
        raise argparse.ArgumentTypeError(f"{text} is not a shard such as 1/4")
    return int(number), int(shards)


def main(argv: Sequence[str] | None = None) -> int:
    """Run the selected mutants, print a table of their outcomes, and return the exit code."""
    parser = options.Parser(prog="python -m mutants.live", description=(__doc__ or "").splitlines()[0])
    parser.add_argument(
        "--rules",
        type=lambda text: options.rules(text, {mutant.rule for mutant in MUTANTS}),
        default=[],
        metavar="RULES",
        help="rules, separated by commas (default: all)",
    )
    parser.add_argument(
        "--shard", type=parse_shard, default=(1, 1), metavar="N/M", help="one of M shards (default: 1/1)"
    )
    parser.add_argument("--sample", type=int, metavar="N", help="N mutants, chosen by the commit (default: all)")
    chosen = parser.parse_args(argv)
    console = Console()
    table = Table("mutant", "rule", "outcome", "seconds")
    outcomes = []
    mutants = select(chosen.rules, chosen.shard)
    if chosen.sample is not None:
        mutants = sample(mutants, chosen.sample, checkout(ROOT).commit or "")
    try:
        with lifecycle.reuse_run(toolchain.find()):
            for mutant in mutants:
                start = time.monotonic()
                outcomes.append(evaluate(mutant, RESULTS))
                seconds = f"{time.monotonic() - start:.0f}"
                console.print(f"{mutant.name}: {outcomes[-1]} ({seconds} s)", soft_wrap=True)
                table.add_row(mutant.name, mutant.rule, outcomes[-1], seconds)
    except ToolchainError as error:
        sys.stderr.write(f"ERROR: {error}\n")
        return 2
    except KeyboardInterrupt:
        sys.stderr.write("ERROR: interrupted; the outcomes so far are kept\n")
        return 2
    console.print(table)
    if not outcomes:
        console.print("no mutant was selected")
        return 2
    if "survived" in outcomes:
        return 1
    return 0 if set(outcomes) == {"killed"} else 2


if __name__ == "__main__":
    sys.exit(main())
