"""`--parallel N`: the shards of one run at once on this machine, each with a cluster of its own, and one verdict.

Most experiments wait: for a probe, a grace period, a stabilization window. While one shard waits, others work.
"""

from __future__ import annotations

import argparse
import subprocess
import sys
import tempfile
import threading
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TextIO

from acceptance.cli.merge import merge
from acceptance.core.shard import Shard
from acceptance.core.signals import interrupted_by_sigterm, uninterrupted
from acceptance.plugin.invocation import suite_arguments
from acceptance.report.recorded import RecordError
from acceptance.report.run_folder import LATEST
from acceptance.report.verdict import Exit
from toolchain.console import ToolchainError

ONE_CLUSTER = ("--shard", "--keep-cluster", "--context")
"""Options of a run on one cluster, which several shards at once can't have."""


def is_chosen(arguments: Sequence[str]) -> bool:
    """Whether a command line has the option `--parallel`."""
    return any(word.partition("=")[0] == "--parallel" for word in arguments)


def count(text: str) -> int:
    """Return how many shards run at once; raises `ArgumentTypeError` unless it is a number from 1."""
    if not (text.isdecimal() and int(text) >= 1):
        raise argparse.ArgumentTypeError(f"{text} is not a number of shards such as 2")
    return int(text)


def parser() -> argparse.ArgumentParser:
    """Return the parser of the options that all shards together have; the others are each shard's own."""
    result = argparse.ArgumentParser(prog="python -m acceptance.cli.parallel", add_help=False, allow_abbrev=False)
    result.add_argument("level", choices=("static", "e2e"))
    result.add_argument("--parallel", type=count, default=1, metavar="N")
    result.add_argument("--signoff", action="store_true")
    result.add_argument("--reports", type=Path, default=Path("reports"), metavar="DIR")
    result.add_argument("--images", type=Path, metavar="FILE")
    result.add_argument("--target", metavar="FILE")
    return result


def run(arguments: Sequence[str]) -> int:
    """Run all shards at once and merge them; their lines start with the shard's number.

    Args:
        arguments: `static` or `e2e`, `--parallel N`, and pytest's options.

    Returns:
        With `--signoff` the exit code of the verdict, else 0 if no test failed, 1 if one did, 2 if one couldn't judge.

    Raises:
        ToolchainError: The options don't fit, or the images can't be built.
        RecordError: A shard left no results.
    """
    options, others = parser().parse_known_args(arguments)
    if unfit := [word for word in others if word.partition("=")[0] in ONE_CLUSTER]:
        raise ToolchainError(f"--parallel runs shards on clusters of their own: omit it, or {unfit[0]}")
    target = [f"--target={options.target}"] if options.target else []
    shards = [Shard(number, options.parallel) for number in range(1, options.parallel + 1)]
    reports = {shard: options.reports / f"shard-{shard.number}" for shard in shards}
    with tempfile.TemporaryDirectory(prefix="todo-chatbot-images-") as temporary:
        images: Path | None = options.images
        if images is None and options.level == "e2e":
            images = Path(temporary) / "images.tar"
            build = [sys.executable, "-m", "acceptance", "images", f"--output={images}", *target]
            if subprocess.run(build, check=False).returncode:
                return Exit.INCONCLUSIVE
        common = ["-m", options.level, *target, *([f"--images={images}"] if images else []), *others]
        earlier = {shard: (folder / LATEST).resolve() for shard, folder in reports.items()}
        codes = run_at_once(
            {
                f"{shard.number}/{shard.of}": [
                    *(sys.executable, "-m", "pytest"),
                    *suite_arguments([*common, f"--shard={shard.number}/{shard.of}", f"--reports={reports[shard]}"]),
                ]
                for shard in shards
            }
        )
    if without := [shard for shard, run in earlier.items() if (reports[shard] / LATEST).resolve() == run]:
        raise RecordError(f"{' and '.join(map(str, without))} left no results; see the lines above")
    verdict = merge(list(reports.values()), options.reports)
    return verdict if options.signoff else max(codes.values(), key=(Exit.OK, Exit.INCONCLUSIVE, Exit.REJECTED).index)


def run_at_once(commands: Mapping[str, Sequence[str]], output: TextIO | None = None) -> dict[str, int]:
    """Run commands at once, and print each line of theirs after the command's name.

    Ctrl-C and SIGTERM reach this process alone, which sends each command SIGTERM once and waits until it has cleaned
    up; SIGINT is ignored by what a shell has started in the background.

    Args:
        commands: Argument lists by name.
        output: Where the lines go (default: standard output).

    Returns:
        The exit code of each command, by name.

    Raises:
        KeyboardInterrupt: This process was interrupted; all commands have ended.
    """
    stream = output or sys.stdout
    processes: dict[str, subprocess.Popen[str]] = {}
    readers: list[threading.Thread] = []
    with interrupted_by_sigterm():
        try:
            for name, command in commands.items():
                processes[name] = process = subprocess.Popen(
                    command,
                    stdin=subprocess.DEVNULL,
                    stdout=subprocess.PIPE,
                    stderr=subprocess.STDOUT,
                    text=True,
                    errors="replace",
                    start_new_session=True,
                )
                readers.append(threading.Thread(target=_copy_lines, args=(name, process, stream), daemon=True))
                readers[-1].start()
            for process in processes.values():
                process.wait()
        except KeyboardInterrupt:
            with uninterrupted():
                for process in processes.values():
                    process.terminate()
                _end(processes, readers)
            raise
    _end(processes, readers)
    return {name: process.returncode for name, process in processes.items()}


def _copy_lines(name: str, process: subprocess.Popen[str], stream: TextIO) -> None:
    assert process.stdout is not None
    for line in process.stdout:
        stream.write(f"{name} | {line}")
        stream.flush()


def _end(processes: Mapping[str, subprocess.Popen[str]], readers: Sequence[threading.Thread]) -> None:
    for process in processes.values():
        process.wait()
    for reader in readers:
        reader.join()


def main() -> int:
    """Run the shards of the command line; return the exit code: 2 after an error, which is printed as one line."""
    try:
        return run(sys.argv[1:])
    except (RecordError, ToolchainError, OSError) as error:
        sys.stderr.write(f"ERROR: {error}\n")
    except KeyboardInterrupt:
        sys.stderr.write("ERROR: interrupted\n")
    return Exit.INCONCLUSIVE


if __name__ == "__main__":
    raise SystemExit(main())
