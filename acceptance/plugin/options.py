"""Command-line options, and how bad ones end: one sentence and exit code 2."""

from __future__ import annotations

import argparse
import os
import shlex
import sys
from collections.abc import Generator, Iterator
from pathlib import Path
from typing import NoReturn

import pytest

from acceptance.core.crash import crash_sentence
from acceptance.core.near_miss import suggestion
from acceptance.core.redaction import redactor
from acceptance.core.shard import parse_shard
from acceptance.core.target import DEFAULT_TARGET
from acceptance.report.verdict import Exit

GROUP = "acceptance"
"""pytest's name of the group of the suite's options."""
MAX_NODES = 4
"""The most nodes of a cluster: more do not fit on a developer's machine."""


def pytest_addoption(parser: pytest.Parser, pluginmanager: pytest.PytestPluginManager) -> None:
    """Add the suite's options, and exit if the command line does not fit all options."""
    _add_options(parser)
    # pytest reports a bad command line with the whole usage and exit code 4, and calls no hook of a conftest's plugin
    # before that. A conftest is loaded last, so every option is known here.
    config = pluginmanager.get_plugin("pytestconfig")
    assert isinstance(config, pytest.Config)
    if config.known_args_namespace.help:
        return
    from_environment = shlex.split(os.environ.get("PYTEST_ADDOPTS", ""))
    try:
        parser.parse([*from_environment, *config.getini("addopts"), *config.invocation_params.args])
    except pytest.UsageError as error:
        exit_with_usage_error(argparse_message(error) + option_suggestion(parser, argparse_message(error)))


def _add_options(parser: pytest.Parser) -> None:
    group = parser.getgroup(GROUP, "acceptance of a release")
    _add_run_options(group)
    _add_cluster_options(group)
    _add_input_options(group)


def _add_run_options(group: pytest.OptionGroup) -> None:
    """Add what is tested, which part of it, and what is left of the run."""
    group.addoption(
        "--target",
        metavar="FILE",
        type=Path,
        default=DEFAULT_TARGET,
        help="the target to test (default: target.toml)",
    )
    group.addoption(
        "--reports",
        metavar="DIR",
        type=Path,
        help="folder for reports: `latest` points to the newest run's folder, and those of accepted runs are kept "
        "(default: reports)",
    )
    group.addoption(
        "--signoff",
        action="store_true",
        help="exit with the release's verdict: 0 accepted, 1 rejected, 2 incomplete",
    )
    group.addoption(
        "--shard",
        metavar="N/M",
        type=parse_shard,
        help="run one of M parts of the selected tests, which take about equally long; `python -m acceptance merge` "
        "joins the results",
    )


def _add_cluster_options(group: pytest.OptionGroup) -> None:
    """Add where the release is tested, and what the run may do there."""
    group.addoption("--keep-cluster", action="store_true", help="keep cluster and release for the next run to reuse")
    group.addoption(
        "--cluster-provider",
        choices=("kind", "none", "minikube", "existing"),
        default="kind",
        help="cluster provider (default: kind, or existing with --context); minikube: with its docker driver; none: "
        "the release's containers on a Docker network, for tests of the application alone",
    )
    group.addoption(
        "--context",
        metavar="NAME",
        help="test the release in this context of your kubeconfig; for experiments with --allow-disruption",
    )
    group.addoption(
        "--allow-disruption",
        action="store_true",
        help="permit experiments to disturb the release in the context that --context names",
    )
    group.addoption(
        "--own-release",
        action="store_true",
        help="install a release of the run's own beside others in the cluster that --context names, with a database "
        "and a model, test that one, and remove it at the end; it needs no --allow-disruption",
    )
    group.addoption(
        "--nodes",
        metavar="N",
        type=int,
        default=1,
        help="how many nodes the cluster has that the run creates, 1 to 4 (default: 1)",
    )
    group.addoption(
        "--node-image",
        metavar="IMAGE",
        help="the image of the nodes of a kind cluster, and with it the version of Kubernetes: one that kind's release "
        "notes name (default: that of the toolchain)",
    )
    group.addoption(
        "--allow-node-access",
        action="store_true",
        help="permit privileged pods of the suite on the nodes of the cluster that --context names, for tests that "
        "look into containers, pause or kill them; they are removed at the end",
    )
    group.addoption(
        "--registry",
        metavar="HOST/PREFIX",
        help="push the run's images there, for a cluster that --context names and that pulls from it "
        "(default: load it onto the nodes of a kind cluster on this engine)",
    )


def _add_input_options(group: pytest.OptionGroup) -> None:
    """Add what experiments are given."""
    group.addoption(
        "--images",
        metavar="FILE",
        type=Path,
        help="take the images from this archive, which `make images` wrote, so that several machines test the same "
        "ones (default: build them)",
    )
    group.addoption(
        "--upgrade-from",
        metavar="CHART",
        type=Path,
        help="the chart, a folder or an archive, from which the release is upgraded "
        "(default: that of the last git tag, else the same chart with another version)",
    )
    group.addoption(
        "--rollouts",
        metavar="N",
        type=int,
        default=0,
        help="roll each component out at least N times in the rollout experiment "
        "(default: until enough requests were sampled)",
    )


def argparse_message(error: pytest.UsageError) -> str:
    """Return argparse's message without the usage and the configuration that pytest puts around it."""
    return str(error).partition(": error: ")[2].partition("\n")[0] or str(error)


def option_suggestion(parser: pytest.Parser, message: str) -> str:
    """Return `, did you mean …?` for an unknown option that resembles one of the suite's; else nothing."""
    if not message.startswith("unrecognized arguments: "):
        return ""
    unknown = message.partition(": ")[2].split()[0].partition("=")[0]
    known = [name for option in parser.getgroup(GROUP).options for name in option.names()]
    return suggestion(unknown.replace("--kube-", "--"), known)


def exit_with_usage_error(message: str) -> NoReturn:
    """Exit with one sentence instead of the whole usage."""
    sys.stderr.write(f"ERROR: {message}; see pytest --help\n")
    raise SystemExit(Exit.INCONCLUSIVE)


@pytest.hookimpl(wrapper=True)
def pytest_cmdline_main() -> Generator[None, int | None, int | None]:
    """End every run that could not judge the release with one sentence and the same exit code."""
    try:
        code = yield
    except pytest.UsageError as error:
        sys.stderr.write(redactor.text("".join(f"ERROR: {sentence}\n" for sentence in error.args)))
        return Exit.INCONCLUSIVE
    except Exception as error:  # noqa: BLE001 - Python's own exit code, 1, would mean a finding
        sys.stderr.write(redactor.text(f"ERROR: {crash_sentence(error)}\n"))
        return Exit.INCONCLUSIVE
    return code if code in (None, *Exit) else Exit.INCONCLUSIVE


def check_options(config: pytest.Config) -> None:
    """Raise `pytest.UsageError` for options that conflict or are not supported."""
    for mistake in (*_cluster_mistakes(config.option), *_input_mistakes(config.option), *_pytest_mistakes(config)):
        raise pytest.UsageError(mistake)


def _cluster_mistakes(option: argparse.Namespace) -> Iterator[str]:
    """Yield a sentence for each mistake in where the release is tested."""
    provider, context = option.cluster_provider, option.context
    if provider == "existing" and not context:
        yield (
            "--cluster-provider existing needs --context NAME, a context of your kubeconfig; "
            "omit it, and the run creates a kind cluster"
        )
    if provider == "none" and (context or option.keep_cluster):
        given = "--context" if context else "--keep-cluster"
        yield f"--cluster-provider none has no cluster: omit it, or {given}"
    if provider == "minikube" and context:
        yield (
            f"--cluster-provider minikube makes a cluster, and context {context} is an existing one: "
            "omit one of the two"
        )
    if context and option.keep_cluster:
        yield (
            f"--keep-cluster applies only to a cluster the run creates, and context {context} is an existing one: "
            "omit one of the two"
        )
    if not 1 <= option.nodes <= MAX_NODES:
        yield f"--nodes {option.nodes} is not supported; name 1 to {MAX_NODES}"
    for name, changed in (("--nodes", option.nodes != 1), ("--node-image", option.node_image)):
        if changed and (context or provider != "kind"):
            given = "--context" if context else f"--cluster-provider {provider}"
            yield f"{name} applies only to a kind cluster that the run creates: omit it, or {given}"
    accessible = "the nodes of a cluster of the run's own are always accessible"
    for name, value, otherwise in (
        ("--own-release", option.own_release, "in a cluster of the run's own the release is always the run's"),
        ("--allow-node-access", option.allow_node_access, accessible),
        ("--registry", option.registry, accessible),
        ("--allow-disruption", option.allow_disruption, "a cluster of the run's own is always disturbed"),
    ):
        if value and not context:
            yield (
                f"{name} applies only to the cluster that --context names; {otherwise}: "
                "omit the option, or name the context"
            )


def _input_mistakes(option: argparse.Namespace) -> Iterator[str]:
    """Yield a sentence for each mistake in what experiments are given."""
    if option.upgrade_from and not is_chart(option.upgrade_from):
        yield f"--upgrade-from {option.upgrade_from} is not a chart; name a folder with a Chart.yaml or a .tgz archive"
    if option.images and not option.images.is_file():
        yield f"--images {option.images} is not a file; write it with `make images IMAGES=FILE`"
    if option.rollouts < 0:
        yield f"--rollouts {option.rollouts} is negative; name how often to roll out, or omit it"


def _pytest_mistakes(config: pytest.Config) -> Iterator[str]:
    """Yield a sentence for each option of pytest or of another plugin that the suite does not support."""
    option = config.option
    if getattr(option, "numprocesses", None) or getattr(option, "tx", None):
        yield "-n of pytest-xdist is not supported: tests share one release; use --shard"
    if option.signoff and getattr(option, "reruns", None):
        yield "--signoff judges the first run of each test: omit --reruns"
    if not config.pluginmanager.has_plugin("junitxml"):
        yield "the report has JUnit's file: omit -p no:junitxml"
    if option.capture == "tee-sys":
        yield "--capture=tee-sys would show secrets; use -s, which is redacted"


def is_chart(path: Path) -> bool:
    """Return whether Helm can take the path for a chart: a folder with a Chart.yaml, or an archive."""
    return (path / "Chart.yaml").is_file() or (path.is_file() and path.name.endswith((".tgz", ".tar.gz")))


def repeat_options(config: pytest.Config) -> list[str]:
    """Return the options that choose what is tested, for a command in the suite's folder; paths are relative."""
    option = config.option

    def relative(path: Path | None) -> str:
        return os.path.relpath(path, config.rootpath) if path else ""

    given: dict[str, str | bool] = {
        "--target": relative(option.target) if option.target.resolve() != DEFAULT_TARGET else "",
        "--cluster-provider": "minikube" if option.cluster_provider == "minikube" else "",
        "--context": option.context or "",
        "--nodes": str(option.nodes) if option.nodes != 1 else "",
        "--node-image": option.node_image or "",
        "--own-release": option.own_release,
        "--registry": option.registry or "",
        "--allow-node-access": option.allow_node_access,
        "--rollouts": str(option.rollouts or ""),
        "--upgrade-from": relative(option.upgrade_from),
        "--allow-disruption": option.allow_disruption,
    }
    words: list[str] = []
    for name, value in given.items():
        if value:
            words += [name] if value is True else [name, str(value)]
    return words


def repeat_python(config: pytest.Config) -> str:
    """Return the start of a shell command that runs this interpreter in the suite's folder."""
    executable, root = Path(sys.executable), config.rootpath
    python = executable.relative_to(root).as_posix() if executable.is_relative_to(root) else "python"
    folder = os.path.relpath(root, config.invocation_params.dir)
    return python if folder == "." else f"cd {shlex.quote(folder)} && {python}"
