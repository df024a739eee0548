"""Live mutants: defects that only a running release shows, each judged by the test of the one rule that it breaks.

    python -m mutants.live [--rules STA-08,POD-10] [--shard 1/4] [--name TEXT] [--sample 6] [--separately] [--check]

All of them use one cluster: the one that the checkout has kept, else a new one, which is removed at the end. Mutants
whose faults can't meet share a release (`mutants/releases.py`). An outcome that is known for the same state of the
checkout is read from the results folder instead of running the mutant again; beside it are pytest's output and the
run's signoff.json. Exit code 1 if a mutant survives or only another rule finds it, 2 if one could not be judged.
"""

from __future__ import annotations

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
from dataclasses import replace
from pathlib import Path

from rich.console import Console
from rich.table import Table

import toolchain
from acceptance.core import signals
from acceptance.core.git import checkout
from acceptance.core.rules import ROOT
from acceptance.core.shard import parse_shard
from acceptance.kube.helm import find_helm
from acceptance.provision import lifecycle
from mutants import (
    applications,
    databases,
    deployments,
    frontends,
    isolation,
    lists,
    moments,
    options,
    serving,
    users_data,
)
from mutants.applying import problems
from mutants.copies import COPIED, mutated
from mutants.mutant import Mutant
from mutants.outcomes import LOG, SIGNOFF, Outcome, exit_code, judge, not_judged, read, summary, write
from mutants.releases import Release, plan
from toolchain.console import ToolchainError

MUTANTS = (
    *databases.MUTANTS,
    *deployments.MUTANTS,
    *applications.MUTANTS,
    *isolation.MUTANTS,
    *users_data.MUTANTS,
    *frontends.MUTANTS,
    *moments.MUTANTS,
    *serving.MUTANTS,
    *lists.MUTANTS,
)
SUITE = ("acceptance", "support", "conftest.py", "tests/behaviour/conftest.py")
"""The code of every test of a release, besides the test's module."""
RESULTS = ROOT / "reports" / "mutants-live"


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


def outcomes_of(release: Release, folder: Path) -> list[Outcome]:
    """Run the tests of a release's mutants in one pytest process; its output and signoff.json go into `folder`."""
    with mutated(*release) as root, tempfile.TemporaryDirectory(prefix="mutant-reports-") as reports:
        argv = [sys.executable, "-m", "pytest", "-q", "--keep-cluster", "-p", "no:cacheprovider"]
        argv += ["--target", str(root / "target.toml"), "--reports", reports]
        start = time.monotonic()
        code = run([*argv, *dict.fromkeys(test for mutant in release for test in node_ids(mutant))], folder / LOG)
        seconds = round(time.monotonic() - start, 1)
        signoff = Path(reports) / "latest" / SIGNOFF
        if not signoff.is_file():
            last = (folder / LOG).read_text(encoding="utf-8").strip().splitlines()[-1:]
            return [replace(not_judged(mutant, f"exit code {code}: {last}"), seconds=seconds) for mutant in release]
        rules = json.loads(signoff.read_text(encoding="utf-8"))["rules"]
        shutil.copy2(signoff, folder / SIGNOFF)
    names = [mutant.name for mutant in release]
    return [
        replace(judge(mutant, rules, [name for name in names if name != mutant.name]), seconds=seconds)
        for mutant in release
    ]


def node_ids(mutant: Mutant) -> list[str]:
    """The node IDs that a mutant's run needs, in their order."""
    return [test for test in (mutant.experiment, mutant.test) if test]


def state(mutant: Mutant) -> str:
    """A digest of what the outcome depends on: the mutated files, the suite, and the mutant's test."""
    digest = hashlib.sha256(repr((mutant.name, mutant.rule, *node_ids(mutant))).encode())
    suite = (*SUITE, *(test.partition("::")[0] for test in node_ids(mutant)))
    with mutated(mutant) as root:
        for base, folders in ((root, COPIED), (ROOT, suite)):
            for path in sorted(p for folder in folders for p in [base / folder, *(base / folder).rglob("*")]):
                if path.is_file() and "__pycache__" not in path.parts:
                    digest.update(str(path.relative_to(base)).encode() + path.read_bytes())
    return digest.hexdigest()


def folder_of(mutant: Mutant, results: Path) -> Path:
    """Where the outcome of a mutant is kept, with its log and signoff.json."""
    return results / state(mutant)[:32]


def evaluate(release: Release, results: Path) -> Iterator[Outcome]:
    """Yield the outcomes of a release's mutants; what is not killed beside others runs again by itself."""
    folders = [folder_of(mutant, results) for mutant in release]
    for folder in folders:
        folder.mkdir(parents=True, exist_ok=True)
    again = []
    for mutant, folder, outcome in zip(release, folders, outcomes_of(release, folders[0]), strict=True):
        if len(release) > 1 and outcome.result != "killed":
            again.append(mutant)
            continue
        for name in (LOG, SIGNOFF) if folder != folders[0] else ():
            shutil.copy2(folders[0] / name, folder / name)
        if outcome.result != "not judged":
            write(folder, outcome)
        yield outcome
    for mutant in again:
        yield from evaluate((mutant,), results)


def select(rules: Sequence[str], shard: tuple[int, int], names: Sequence[str] = ()) -> list[Mutant]:
    """The mutants of a shard: (its number from 1, the number of shards).

    With `rules` only theirs, and with `names` only those whose name contains one.
    """
    number, shards = shard
    candidates = [
        mutant
        for mutant in MUTANTS
        if (not rules or mutant.rule in rules) and (not names or any(name in mutant.name for name in names))
    ]
    return [mutant for place, mutant in enumerate(candidates) if place % shards == number - 1]


def sample(mutants: Sequence[Mutant], count: int, commit: str) -> list[Mutant]:
    """`count` of the mutants, the same ones for the same commit."""
    return random.Random(commit).sample(list(mutants), min(count, len(mutants)))  # noqa: S311 - not for cryptography


def report(outcomes: Sequence[Outcome], results: Path) -> Table:
    """Write summary.json, and return the table of the outcomes."""
    results.mkdir(parents=True, exist_ok=True)
    text = json.dumps(summary(outcomes, checkout(ROOT).commit), indent=1)
    (results / "summary.json").write_text(f"{text}\n", encoding="utf-8")
    table = Table("mutant", "rule", "outcome", "others in its release", "seconds")
    for each in outcomes:
        table.add_row(each.mutant, each.rule, str(each), str(len(each.beside)), f"{each.seconds:.0f}")
    return table


def check(releases: Sequence[Release], console: Console) -> int:
    """Print which edits don't apply, and return the exit code."""
    found = 0
    for problem in problems(releases, find_helm()):
        console.print(problem, soft_wrap=True)
        found += 1
    console.print(f"{sum(map(len, releases))} mutants in {len(releases)} releases, {found} problems")
    return 1 if found else 0


def run_all(mutants: Sequence[Mutant], console: Console, *, separately: bool) -> list[Outcome]:
    """Return the outcomes of the mutants, known or new; prints each as soon as it is known."""
    outcomes = [outcome for mutant in mutants if (outcome := read(folder_of(mutant, RESULTS))) is not None]
    known = {each.mutant for each in outcomes}
    new = [mutant for mutant in mutants if mutant.name not in known]
    releases = [(mutant,) for mutant in new] if separately else plan(new)
    console.print(f"{len(mutants)} mutants, {len(known)} of them known, the others in {len(releases)} releases")
    with lifecycle.reuse_run(toolchain.find()):
        for release in releases:
            for outcome in evaluate(release, RESULTS):
                outcomes.append(outcome)
                console.print(f"{outcome.mutant}: {outcome} ({outcome.seconds:.0f} s)", soft_wrap=True)
                report(outcomes, RESULTS)
    return outcomes


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
    parser.add_argument(
        "--name", action="append", default=[], metavar="TEXT", help="only mutants whose name contains it; several times"
    )
    parser.add_argument("--sample", type=int, metavar="N", help="N mutants, chosen by the commit (default: all)")
    parser.add_argument("--separately", action="store_true", help="a release of its own for each mutant")
    parser.add_argument("--check", action="store_true", help="only check that the edits apply; needs no cluster")
    chosen = parser.parse_args(argv)
    console = Console()
    mutants = select(chosen.rules, chosen.shard, chosen.name)
    if chosen.sample is not None:
        mutants = sample(mutants, chosen.sample, checkout(ROOT).commit or "")
    try:
        if chosen.check:
            return check([(mutant,) for mutant in mutants] if chosen.separately else plan(mutants), console)
        with signals.interrupted_by_sigterm():
            outcomes = run_all(mutants, console, separately=chosen.separately)
    except ToolchainError as error:
        sys.stderr.write(f"ERROR: {error}\n")
        return 2
    except KeyboardInterrupt:
        sys.stderr.write("ERROR: interrupted; the outcomes so far are kept\n")
        return 2
    console.print(report(outcomes, RESULTS))
    return exit_code(outcomes)


if __name__ == "__main__":
    sys.exit(main())
