"""`python -m acceptance COMMAND`: the commands besides testing."""

from __future__ import annotations

import argparse
import os
import sys
from pathlib import Path

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


def program() -> str:
    """Return how this program was called: as the command of the wheel, or as a module."""
    name = Path(sys.argv[0]).name
    return name if name == COMMAND else "python -m acceptance"


def parser() -> argparse.ArgumentParser:
    """Return the parser of the command line."""
    result = argparse.ArgumentParser(prog=program(), description=__doc__)
    commands = result.add_subparsers(dest="command", required=True)
    propose = commands.add_parser("init", help="propose the target file of a chart", description=propose_target.__doc__)
    propose.add_argument("chart", help="the chart's folder or .tgz")
    propose.add_argument("--values", type=Path, metavar="FILE", help="values that rendering requires")
    propose.add_argument("--release", metavar="NAME", help="the release's name (default: the chart's)")
    propose.add_argument("--namespace", metavar="NAME", help="the release's namespace (default: what the chart says)")
    propose.add_argument("--output", type=Path, metavar="FILE", help="output file (default: standard output)")
    commands.add_parser(
        "fields", help="print the reference of the target file, as Markdown", description=reference.__doc__
    )
    commands.add_parser(
        "bench", help="compare the time of the setup with that of the raw commands", description=bench.__doc__
    )
    join = commands.add_parser("merge", help="join the shards of one run", description=merging.__doc__)
    join.add_argument("folders", nargs="+", type=Path, metavar="DIR", help="a shard's folder for reports, or its run's")
    join.add_argument(
        "--reports", type=Path, default=Path("reports"), metavar="DIR", help="folder for reports (default: reports)"
    )
    for name, words in (
        ("static", "test the rendered chart; needs Helm alone"),
        ("e2e", "test a release on a cluster of its own"),
    ):
        tests = commands.add_parser(name, help=words, add_help=False, prefix_chars="\0")
        tests.add_argument("arguments", nargs="*", metavar="ARGUMENT", help="of pytest, such as --target FILE")
    archive = commands.add_parser("images", help="build the images once, for runs on several machines")
    archive.add_argument("--target", type=Path, default=DEFAULT_TARGET, metavar="FILE", help="default: target.toml")
    archive.add_argument("--output", type=Path, required=True, metavar="FILE", help="the archive, for pytest --images")
    summary = commands.add_parser("summary", help="sum a run up for CI: Markdown, and annotations of GitHub Actions")
    _add_run(summary)
    summary.add_argument(
        "--folder", default="", metavar="DIR", help="the target file's folder in the repository, for annotations"
    )
    signed = commands.add_parser(
        "verify", help="compare a report and what it is about with its signoff.json", description=verifying.__doc__
    )
    _add_run(signed)
    signed.add_argument("--target", type=Path, metavar="FILE", help="default: the one that signoff.json names")
    signed.add_argument("--chart", type=Path, metavar="PATH", help="folder or .tgz (default: the target's)")
    signed.add_argument("--images", type=Path, metavar="FILE", help="an archive of the images")
    signed.add_argument(
        "--strict", action="store_true", help="fail also unless the run is accepted and everything could be compared"
    )
    of_runs = commands.add_parser("report", help="make the overview of many runs", description=report.__doc__)
    of_runs.add_argument(
        "--history",
        type=Path,
        default=Path("reports"),
        metavar="DIR",
        help="folder for reports, in which the histories are (default: reports)",
    )
    durations = commands.add_parser(
        "durations",
        help="record how long a run's test modules took, by which --shard divides them",
        description=recorded_durations.__doc__,
    )
    _add_run(durations)
    commands.add_parser("clean", help="remove the leftovers of runs, kept clusters too", description=clean.__doc__)
    return result


def _add_run(command: argparse.ArgumentParser) -> None:
    command.add_argument(
        "run", nargs="?", type=Path, default=Path("reports/latest"), metavar="DIR", help="default: reports/latest"
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
        if options.command == "bench":
            return bench.bench()
        if options.command == "merge":
            return merging.merge(options.folders, options.reports)
        if options.command == "verify":
            return verifying.verify(options.run, options.target, options.chart, options.images, strict=options.strict)
        if options.command in ("static", "e2e"):
            testing.run(options.command, options.arguments)
        elif options.command == "summary":
            summarize(options.run, options.folder)
        elif options.command == "images":
            save_images(options.target, options.output)
        elif options.command == "report":
            report(options.history)
        elif options.command == "durations":
            record_durations(options.run)
        elif options.command == "fields":
            sys.stdout.write(reference.reference())
        elif options.command == "clean":
            clean()
        else:
            propose(options)
    except (propose_target.InitError, HistoryError, RecordError, TargetError, ToolchainError, OSError) as error:
        sys.stderr.write(f"ERROR: {error}\n")
        return 2
    except Exception as error:  # noqa: BLE001 - Python's own exit code, 1, would mean a rejected release
        sys.stderr.write(f"ERROR: {crash_sentence(error)}\n")
        return 2
    except KeyboardInterrupt:
        sys.stderr.write("ERROR: interrupted\n")
        return 2
    return 0
