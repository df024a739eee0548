"""`--parallel N`: the shards of one run at once on this machine, each with a cluster of its own, and one verdict.

Most experiments wait: for a probe, a grace period, a stabilization window. While one shard waits, others work.
"""

from __future__ import annotations

import argparse
import os
import subprocess
import sys
import tempfile
import threading
from collections.abc import Callable, Iterable, Mapping, Sequence
from contextlib import ExitStack
from pathlib import Path
from typing import TextIO

from acceptance.cli.merge import merge
from acceptance.core.crash import crash_sentence
from acceptance.core.shard import Shard
from acceptance.core.signals import interrupted_by_sigterm, uninterrupted
from acceptance.plugin.invocation import suite_arguments
from acceptance.provision import images
from acceptance.report.recorded import RecordError
from acceptance.report.run_folder import LATEST
from acceptance.report.verdict import Exit
from toolchain.console import ToolchainError

IMAGES = "images"
"""The name of the command that builds the images while the shards start their clusters."""
ONE_CLUSTER = ("--shard", "--keep-cluster", "--context")
"""Options of a run on a single cluster, which do not apply to several shards at once."""


def is_chosen(arguments: Sequence[str]) -> bool:
    """Return whether a command line has the option `--parallel`."""
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
    check_options(options, others)
    shards = [Shard(number, options.parallel) for number in range(1, options.parallel + 1)]
    reports = {shard: options.reports / f"shard-{shard.number}" for shard in shards}
    earlier = {shard: (folder / LATEST).resolve() for shard, folder in reports.items()}
    codes = run_shards(options, others, reports)
    if without := [shard for shard, run in earlier.items() if (reports[shard] / LATEST).resolve() == run]:
        raise RecordError(f"{' and '.join(map(str, without))} left no results; see the lines above")
    verdict = merge(list(reports.values()), options.reports)
    return verdict if options.signoff else worst(codes.values())


def check_options(options: argparse.Namespace, others: Sequence[str]) -> None:
    """Raise `ToolchainError` for more shards than CPUs, and for options of a run on a single cluster."""
    if options.level == "e2e" and options.parallel > (cpus := os.cpu_count() or 1):
        raise ToolchainError(
            f"--parallel {options.parallel}: each shard loads a CPU, and this machine has {cpus}, so requests would be "
            "late for want of CPU time; run fewer shards at once"
        )
    if unfit := [word for word in others if word.partition("=")[0] in ONE_CLUSTER]:
        raise ToolchainError(f"--parallel runs shards on clusters of their own: omit it, or {unfit[0]}")


def run_shards(options: argparse.Namespace, others: Sequence[str], reports: Mapping[Shard, Path]) -> dict[str, int]:
    """Run the shards, and build the images meanwhile unless an archive of them is given.

    Args:
        options: Those that all shards have.
        others: Further options of pytest.
        reports: The folder for the reports of each shard.

    Returns:
        The exit codes by shard, such as `1/2`, and that of the build.
    """
    target = [f"--target={options.target}"] if options.target else []
    with tempfile.TemporaryDirectory(prefix="todo-chatbot-images-") as temporary, ExitStack() as writing:
        archive: Path | None = options.images
        commands: dict[str, Sequence[str]] = {}
        if archive is None and options.level == "e2e":
            archive = Path(temporary) / "images.tar"
            commands[IMAGES] = [sys.executable, "-m", "acceptance", "images", f"--output={archive}", *target]
            writing.enter_context(images.being_written(archive))
        common = ["-m", options.level, *target, *([f"--images={archive}"] if archive else []), *others]
        for shard, folder in reports.items():
            own = [f"--shard={shard.number}/{shard.of}", f"--reports={folder}"]
            pytest = [sys.executable, "-m", "pytest", *suite_arguments([*common, *own])]
            commands[f"{shard.number}/{shard.of}"] = pytest

        def ended(name: str, code: int) -> None:
            if name == IMAGES:
                writing.close()
                if code:
                    raise ToolchainError("the images are not built, so nothing was tested; see the lines above")

        return run_at_once(commands, ended=ended)


def worst(codes: Iterable[int]) -> Exit:
    """Return the worst of the shards' exit codes; any other code, such as that of a killed shard, is inconclusive."""
    known = {exit_.value: exit_ for exit_ in Exit}
    found = {known.get(code, Exit.INCONCLUSIVE) for code in codes}
    return max(found, key=(Exit.OK, Exit.INCONCLUSIVE, Exit.REJECTED).index)


def run_at_once(
    commands: Mapping[str, Sequence[str]],
    output: TextIO | None = None,
    ended: Callable[[str, int], None] = lambda *_: None,
) -> dict[str, int]:
    """Run commands at once, and print each line of theirs after the command's name.

    Ctrl-C and SIGTERM reach this process alone, which sends each command SIGTERM once and waits until it has cleaned
    up; SIGINT is ignored by what a shell has started in the background.

    Args:
        commands: Argument lists by name.
        output: Where the lines go (default: standard output).
        ended: Called with the name and the exit code of each command that has ended, in the order of `commands`. What
            it raises ends the other commands as an interruption does.

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
            for name, process in processes.items():
                ended(name, process.wait())
        except BaseException:
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
    except Exception as error:  # noqa: BLE001 - Python's own exit code, 1, would mean a rejected release
        sys.stderr.write(f"ERROR: {crash_sentence(error)}\n")
    except KeyboardInterrupt:
        sys.stderr.write("ERROR: interrupted\n")
    return Exit.INCONCLUSIVE


if __name__ == "__main__":
    raise SystemExit(main())
