"""`python -m acceptance COMMAND`: the commands besides testing."""

from __future__ import annotations

import argparse
import os
import sys
from pathlib import Path
from typing import TypeAlias

import toolchain
from acceptance.chart import propose_target
from acceptance.cli import bench, reference, testing
from acceptance.cli import merge as merging
from acceptance.cli import verify as verifying
from acceptance.core.crash import crash_sentence
from acceptance.core.target import DEFAULT_TARGET, Target, TargetError, load
from acceptance.kube.helm import find_helm
from acceptance.provision import images, lifecycle
from acceptance.report import job_summary, overview, recorded_durations, signoff
from acceptance.report.history import HistoryError
from acceptance.report.recorded import RecordError
from toolchain.console import ToolchainError

COMMAND = "todo-chatbot-acceptance"
"""The name of the command in an installed wheel."""
Commands: TypeAlias = "argparse._SubParsersAction[argparse.ArgumentParser]"


def program() -> str:
    """Return how this program was called: as the command of the wheel, or as a module."""
    name = Path(sys.argv[0]).name
    return name if name == COMMAND else "python -m acceptance"


def parser() -> argparse.ArgumentParser:
    """Return the parser of the command line; `run` of its result runs the command, and may return an exit code."""
    result = argparse.ArgumentParser(prog=program(), description=__doc__)
    commands = result.add_subparsers(dest="command", required=True)
    _add_init(commands)
    _add_fields(commands)
    _add_bench(commands)
    _add_merge(commands)
    _add_tests(commands)
    _add_images(commands)
    _add_summary(commands)
    _add_verify(commands)
    _add_report(commands)
    _add_durations(commands)
    _add_clean(commands)
    return result


def _add_init(commands: Commands) -> None:
    command = commands.add_parser("init", help="propose the target file of a chart", description=propose_target.__doc__)
    command.add_argument("chart", help="the chart's folder or .tgz")
    command.add_argument("--values", type=Path, metavar="FILE", help="values that rendering requires")
    command.add_argument("--release", metavar="NAME", help="the release's name (default: the chart's)")
    command.add_argument("--namespace", metavar="NAME", help="the release's namespace (default: what the chart says)")
    command.add_argument("--output", type=Path, metavar="FILE", help="output file (default: standard output)")
    command.set_defaults(run=propose)


def _add_fields(commands: Commands) -> None:
    words = "print the reference of the target file, as Markdown"
    command = commands.add_parser("fields", help=words, description=reference.__doc__)
    command.set_defaults(run=lambda _: print(reference.reference(), end=""))  # noqa: T201


def _add_bench(commands: Commands) -> None:
    words = "compare the time of the setup with that of the raw commands"
    command = commands.add_parser("bench", help=words, description=bench.__doc__)
    command.set_defaults(run=lambda _: bench.bench())


def _add_merge(commands: Commands) -> None:
    command = commands.add_parser("merge", help="join the shards of one run", description=merging.__doc__)
    command.add_argument(
        "folders", nargs="+", type=Path, metavar="DIR", help="a shard's folder for reports, or its run's"
    )
    command.add_argument(
        "--reports", type=Path, default=Path("reports"), metavar="DIR", help="folder for reports (default: reports)"
    )
    command.set_defaults(run=lambda options: merging.merge(options.folders, options.reports))


def _add_tests(commands: Commands) -> None:
    for name, words in (
        ("static", "test the rendered chart; needs Helm alone"),
        ("e2e", "test a release on a cluster of its own"),
    ):
        command = commands.add_parser(name, help=words, add_help=False, prefix_chars="\0")
        command.add_argument("arguments", nargs="*", metavar="ARGUMENT", help="of pytest, such as --target FILE")
        command.set_defaults(run=lambda options: testing.run(options.command, options.arguments))


def _add_images(commands: Commands) -> None:
    command = commands.add_parser("images", help="build the images once, for runs on several machines")
    command.add_argument("--target", type=Path, default=DEFAULT_TARGET, metavar="FILE", help="default: target.toml")
    command.add_argument("--output", type=Path, required=True, metavar="FILE", help="the archive, for pytest --images")
    command.set_defaults(run=lambda options: save_images(options.target, options.output))


def _add_summary(commands: Commands) -> None:
    command = commands.add_parser("summary", help="sum a run up for CI: Markdown, and annotations of GitHub Actions")
    _add_run(command)
    command.add_argument(
        "--folder", default="", metavar="DIR", help="the target file's folder in the repository, for annotations"
    )
    command.set_defaults(run=lambda options: summarize(options.folder_of_run, options.folder))


def _add_verify(commands: Commands) -> None:
    words = "compare a report and what it is about with its signoff.json"
    command = commands.add_parser("verify", help=words, description=verifying.__doc__)
    _add_run(command)
    command.add_argument("--target", type=Path, metavar="FILE", help="default: the one that signoff.json names")
    command.add_argument("--chart", type=Path, metavar="PATH", help="folder or .tgz (default: the target's)")
    command.add_argument("--images", type=Path, metavar="FILE", help="an archive of the images")
    command.add_argument(
        "--strict", action="store_true", help="fail also unless the run is accepted and everything could be compared"
    )
    command.set_defaults(
        run=lambda options: verifying.verify(
            options.folder_of_run, options.target, options.chart, options.images, strict=options.strict
        )
    )


def _add_report(commands: Commands) -> None:
    command = commands.add_parser("report", help="make the overview of many runs", description=report.__doc__)
    command.add_argument(
        "--history",
        type=Path,
        default=Path("reports"),
        metavar="DIR",
        help="folder for reports, in which the histories are (default: reports)",
    )
    command.set_defaults(run=lambda options: report(options.history))


def _add_durations(commands: Commands) -> None:
    words = "record how long a run's test modules took, by which --shard divides them"
    command = commands.add_parser("durations", help=words, description=recorded_durations.__doc__)
    _add_run(command)
    command.set_defaults(run=lambda options: record_durations(options.folder_of_run))


def _add_clean(commands: Commands) -> None:
    words = "remove the leftovers of runs, kept clusters too"
    command = commands.add_parser("clean", help=words, description=clean.__doc__)
    command.set_defaults(run=lambda _: clean())


def _add_run(command: argparse.ArgumentParser) -> None:
    """Add the folder of a run's report as a positional argument."""
    command.add_argument(
        "folder_of_run",
        nargs="?",
        type=Path,
        default=Path("reports/latest"),
        metavar="DIR",
        help="default: reports/latest",
    )


def clean() -> None:
    """Remove every container, network, image tag and file of finished runs; images and tools stay cached."""
    lifecycle.sweep(toolchain.find(), kept=True)


def save_images(target: Path, output: Path) -> None:
    """Build the images that a target names, and write them into an archive. Raises `TargetError`, `ToolchainError`."""
    tested = load(target)
    toolchain_ = toolchain.find()
    with bench.open_provisioner(toolchain_, tested) as provisioner:
        built = {**provisioner.images(), **provisioner.further_images()}
        images.save(toolchain_, built.values(), output)


def summarize(run: Path, folder: str) -> None:
    """Write the summary of a run to the job's summary where GitHub Actions names one, else to standard output.

    Raises:
        RecordError: The folder has no signoff.json.
    """
    data = signoff.read(run)
    text = job_summary.markdown(data)
    if file := os.environ.get("GITHUB_STEP_SUMMARY"):
        with Path(file).open("a", encoding="utf-8") as output:
            output.write(text)
        for annotation in job_summary.github_annotations(data, folder):
            print(annotation)  # noqa: T201
    else:
        sys.stdout.write(text)


def report(reports: Path) -> None:
    """Write the overview of the runs in a folder for reports, `history.html` in it, from their histories."""
    print(overview.write(reports))  # noqa: T201


def record_durations(run: Path) -> None:
    """Record the durations of a run's modules, as its signoff.json has them. Raises `RecordError`."""
    durations = recorded_durations.record(signoff.read(run))
    print(f"{len(durations)} modules, {sum(durations.values()):.0f} s")  # noqa: T201


def propose(options: argparse.Namespace) -> None:
    """Write the proposed target file, and what is being done to standard error.

    Raises:
        InitError: No target can be proposed, or the output file exists.
        ToolchainError: Helm is unavailable.
    """
    output: Path | None = options.output
    if output is not None and output.exists():
        raise propose_target.InitError(f"{output} already exists; name another file, or remove it")
    if output is not None and not output.parent.is_dir():
        raise propose_target.InitError(f"{output} can't be written: {output.parent} is not a folder")
    values = propose_target.given_values(options.values) if options.values else {}
    folder = output.parent if output else Path.cwd()
    draft = propose_target.propose(
        options.chart,
        find_helm(),
        values,
        folder,
        release=options.release,
        namespace=options.namespace,
        progress=lambda text: print(f"init: {text}", file=sys.stderr, flush=True),  # noqa: T201
    )
    Target.model_validate({**draft.document, "root": folder})
    text = propose_target.toml(draft.document, draft.comments, draft.notes)
    if output is None:
        sys.stdout.write(text)
    else:
        output.write_text(text, encoding="utf-8")


def main() -> int:
    """Run a command; return its exit code: 2 after an error, which is printed as one line."""
    options = parser().parse_args()
    try:
        return options.run(options) or 0
    except (propose_target.InitError, HistoryError, RecordError, TargetError, ToolchainError, OSError) as error:
        sys.stderr.write(f"ERROR: {error}\n")
        return 2
    except Exception as error:  # noqa: BLE001 - Python's own exit code, 1, would mean a rejected release
        sys.stderr.write(f"ERROR: {crash_sentence(error)}\n")
        return 2
    except KeyboardInterrupt:
        sys.stderr.write("ERROR: interrupted\n")
        return 2
