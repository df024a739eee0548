"""Command-line options, and how bad ones end: one sentence and exit code 2."""

from __future__ import annotations

import sys
from collections.abc import Generator
from pathlib import Path
from typing import NoReturn

import pytest

from acceptance.core.redaction import redactor
from acceptance.core.target import DEFAULT_TARGET
from acceptance.report.verdict import Exit


def pytest_addoption(parser: pytest.Parser) -> None:
    """Add the suite's options."""
    group = parser.getgroup("acceptance", "acceptance of a release")
    group.addoption(
        "--target",
        metavar="FILE",
        type=Path,
        default=DEFAULT_TARGET,
        help="what is under test (default: target.toml)",
    )
    group.addoption(
        "--reports",
        metavar="DIR",
        type=Path,
        help="where each run leaves a folder, and `latest` points to the newest (default: reports)",
    )
    group.addoption(
        "--signoff",
        action="store_true",
        help="exit with the release's verdict: 0 accepted, 1 rejected, 2 incomplete",
    )
    group.addoption("--keep-cluster", action="store_true", help="keep cluster and release for the next run to reuse")
    group.addoption(
        "--cluster-provider",
        choices=("kind", "minikube", "existing"),
        default="kind",
        help="cluster provider (default: kind)",
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
        "--rollouts",
        metavar="N",
        type=int,
        default=0,
        help="roll each component out at least N times in the rollout experiment "
        "(default: until enough requests were sampled)",
    )
    # pytest parses options before a conftest's plugin could wrap it; its own error is the whole usage, exit code 4.
    parser.optparser.error = exit_with_usage_error  # type: ignore[method-assign]


def exit_with_usage_error(message: str) -> NoReturn:
    """Exit with one sentence instead of the whole usage."""
    sys.stderr.write(f"ERROR: {message}; see pytest --help\n")
    raise SystemExit(Exit.INCONCLUSIVE)


@pytest.hookimpl(wrapper=True)
def pytest_cmdline_main() -> Generator[None, int | None, int | None]:
    """End every run that could not judge with one sentence and the same exit code."""
    try:
        code = yield
    except pytest.UsageError as error:
        sys.stderr.write(redactor.text("".join(f"ERROR: {sentence}\n" for sentence in error.args)))
        return Exit.INCONCLUSIVE
    return code if code in (None, *Exit) else Exit.INCONCLUSIVE


def check_options(config: pytest.Config) -> None:
    """Raise `pytest.UsageError` for options that don't go together."""
    option = config.option
    if option.cluster_provider != "kind":
        raise pytest.UsageError(
            f"--cluster-provider {option.cluster_provider} is not supported yet; "
            "omit the option, and the run creates a kind cluster"
        )
    if option.context and option.keep_cluster:
        raise pytest.UsageError(
            f"--keep-cluster applies only to a cluster the run creates, and context {option.context} is an existing "
            "one: omit one of the two"
        )
    if option.capture == "tee-sys":
        raise pytest.UsageError("--capture=tee-sys would show secrets; use -s, which is redacted")
