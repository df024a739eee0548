"""`python -m acceptance COMMAND`: the commands besides testing."""

from __future__ import annotations

import argparse
import sys
from pathlib import Path

import toolchain
from acceptance.chart import propose_target
from acceptance.cli import bench
from acceptance.core.target import Target
from acceptance.kube import manifests
from acceptance.kube.helm import find_helm
from acceptance.provision import lifecycle
from toolchain.console import ToolchainError


def parser() -> argparse.ArgumentParser:
    """Return the parser of the command line."""
    result = argparse.ArgumentParser(prog="python -m acceptance", description=__doc__)
    commands = result.add_subparsers(dest="command", required=True)
    propose = commands.add_parser("init", help="propose the target file of a chart", description=propose_target.__doc__)
    propose.add_argument("chart", type=Path, help="the chart's folder")
    propose.add_argument("--values", type=Path, metavar="FILE", help="values that rendering requires")
    propose.add_argument("--output", type=Path, metavar="FILE", help="output file (default: standard output)")
    commands.add_parser(
        "bench", help="compare the time of the setup with that of the raw commands", description=bench.__doc__
    )
    commands.add_parser("clean", help="remove the leftovers of runs, kept clusters too", description=clean.__doc__)
    return result


def clean() -> None:
    """Remove every container, network, image tag and file of finished runs; images and tools stay cached."""
    lifecycle.sweep(toolchain.find(), kept=True)


def propose(chart: Path, values: Path | None, output: Path | None) -> None:
    """Write the proposed target file.

    Args:
        chart: The chart's folder.
        values: A file of values that rendering requires.
        output: The file to write; standard output if None.

    Raises:
        InitError: No target can be proposed, or `output` exists.
        ToolchainError: Helm is unavailable.
    """
    if output is not None and output.exists():
        raise propose_target.InitError(f"{output} already exists; name another file, or remove it")
    required = manifests.values_of(values) if values else {}
    folder = output.parent if output else Path.cwd()
    document = propose_target.propose(chart, find_helm(), required, folder)
    text = propose_target.toml(document)
    Target.model_validate({**document, "root": folder})
    if output is None:
        sys.stdout.write(text)
    else:
        output.write_text(text, encoding="utf-8")


def main() -> int:
    """Run a command; return its exit code: 2 after an error, which is printed as one line."""
    options = parser().parse_args()
    try:
        if options.command == "bench":
            return bench.bench()
        if options.command == "clean":
            clean()
        else:
            propose(options.chart, options.values, options.output)
    except (propose_target.InitError, ToolchainError, OSError) as error:
        sys.stderr.write(f"ERROR: {error}\n")
        return 2
    except KeyboardInterrupt:
        sys.stderr.write("ERROR: interrupted\n")
        return 2
    return 0
