"""Shards at once on one machine: their lines and exit codes, one interruption each, no results of earlier runs."""

from __future__ import annotations

import io
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

import pytest

from acceptance.cli import parallel
from acceptance.core.rules import ROOT
from acceptance.provision import images
from acceptance.report.recorded import RecordError
from acceptance.report.verdict import Exit
from toolchain.console import ToolchainError


def test_lines_start_with_the_name_of_the_command() -> None:
    output = io.StringIO()
    script = "import sys; print(sys.argv[1]); print('last', file=sys.stderr); sys.exit(int(sys.argv[2]))"
    commands = {"1/2": [sys.executable, "-c", script, "a", "0"], "2/2": [sys.executable, "-c", script, "b", "2"]}
    assert parallel.run_at_once(commands, output) == {"1/2": 0, "2/2": 2}
    lines = output.getvalue().splitlines()
    assert sorted(lines) == ["1/2 | a", "1/2 | last", "2/2 | b", "2/2 | last"]


@pytest.mark.parametrize("signal_number", [signal.SIGINT, signal.SIGTERM])
def test_interruption_reaches_each_command_once(tmp_path: Path, signal_number: signal.Signals) -> None:
    shard = tmp_path / "shard.py"
    shard.write_text(
        "import signal, sys, time\n"
        "signal.signal(signal.SIGTERM, signal.default_int_handler)\n"
        "try:\n"
        "    print('started', flush=True)\n"
        "    time.sleep(60)\n"
        "except KeyboardInterrupt:\n"
        "    signal.signal(signal.SIGTERM, lambda *_: print('again', flush=True))\n"
        "    time.sleep(0.5)\n"
        "    print('cleaned up', flush=True)\n"
        "    sys.exit(2)\n",
        encoding="utf-8",
    )
    script = (
        "import signal, sys; from acceptance.cli.parallel import run_at_once\n"
        "signal.signal(signal.SIGINT, signal.default_int_handler)\n"
        f"try: run_at_once({{name: [sys.executable, {str(shard)!r}] for name in 'ab'}})\n"
        "except KeyboardInterrupt: print('all ended')\n"
    )
    with subprocess.Popen([sys.executable, "-c", script], stdout=subprocess.PIPE, text=True, cwd=ROOT) as process:
        assert process.stdout is not None
        assert {process.stdout.readline(), process.stdout.readline()} == {"a | started\n", "b | started\n"}
        process.send_signal(signal_number)
        lines = process.stdout.read().splitlines()
    assert sorted(lines[:-1]) == ["a | cleaned up", "b | cleaned up"]
    assert lines[-1] == "all ended"


def test_results_of_an_earlier_run_are_not_merged(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    for number in (1, 2):
        earlier = tmp_path / f"shard-{number}" / "earlier"
        earlier.mkdir(parents=True)
        (earlier.parent / "latest").symlink_to("earlier")
    monkeypatch.setattr(parallel, "run_at_once", lambda commands, **_: dict.fromkeys(commands, 2))
    with pytest.raises(RecordError, match="shard 1 of 2 and shard 2 of 2 left no results"):
        parallel.run(["static", "--parallel", "2", f"--reports={tmp_path}"])


def test_more_clusters_than_cpus_are_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("os.cpu_count", lambda: 2)
    with pytest.raises(ToolchainError, match=r"--parallel 3: each shard loads a CPU, and this machine has 2"):
        parallel.run(["e2e", "--parallel", "3"])


@pytest.mark.parametrize(
    ("codes", "exit_"),
    [
        ([0, 0], Exit.OK),
        ([0, 2], Exit.INCONCLUSIVE),
        ([2, 1, 0], Exit.REJECTED),
        ([0, -signal.SIGKILL], Exit.INCONCLUSIVE),
        ([1, -signal.SIGKILL], Exit.REJECTED),
    ],
)
def test_exit_code_is_that_of_the_worst_shard(codes: list[int], exit_: Exit) -> None:
    assert parallel.worst(codes) == exit_


def test_unexpected_error_is_inconclusive(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    def fail(_: object) -> int:
        raise KeyError("unexpected")

    monkeypatch.setattr(parallel, "run", fail)
    assert parallel.main() == Exit.INCONCLUSIVE
    assert "the suite itself failed: KeyError: 'unexpected'" in capsys.readouterr().err


def test_failure_of_one_command_ends_the_others() -> None:
    def fail(name: str, code: int) -> None:
        raise ToolchainError(f"{name} ended with {code}")

    commands = {
        "images": [sys.executable, "-c", "exit(3)"],
        "1/2": [sys.executable, "-c", "import time; time.sleep(60)"],
    }
    start = time.monotonic()
    with pytest.raises(ToolchainError, match="images ended with 3"):
        parallel.run_at_once(commands, io.StringIO(), fail)
    assert time.monotonic() - start < 30


@pytest.mark.parametrize("code", [0, 2])
def test_shards_wait_for_images_that_are_built_once(monkeypatch: pytest.MonkeyPatch, tmp_path: Path, code: int) -> None:
    """All commands start at once; without images the run ends, whatever the shards have done."""

    def end(commands: dict[str, list[str]], ended: Callable[[str, int], None]) -> dict[str, int]:
        name, build = next(iter(commands.items()))
        assert (name, build[1:4], build[-1]) == ("images", ["-m", "acceptance", "images"], "--target=mine.toml")
        archive = Path(build[4].removeprefix("--output="))
        assert all(f"--images={archive}" in commands[shard] for shard in ("1/2", "2/2"))
        assert archive.is_file()
        assert not images.is_written(archive)
        try:
            ended(name, code)
        finally:
            assert images.is_written(archive)
        return dict.fromkeys(commands, 0)

    monkeypatch.setattr(parallel, "run_at_once", end)
    expected = RecordError if code == 0 else ToolchainError
    with pytest.raises(expected, match="left no results" if code == 0 else "the images are not built"):
        parallel.run(["e2e", "--parallel", "2", "--target=mine.toml", f"--reports={tmp_path}"])


@pytest.mark.parametrize("option", ["--shard=1/2", "--keep-cluster", "--context=mine"])
def test_option_of_one_cluster_is_refused(option: str) -> None:
    with pytest.raises(ToolchainError, match=f"or {option}"):
        parallel.run(["static", "--parallel", "2", option])


def test_shards_are_merged_into_one_verdict(tmp_path: Path) -> None:
    arguments = [
        "static",
        "--parallel",
        "2",
        f"--reports={tmp_path}",
        "-k",
        "test_rule and CHT-02 or test_bound and CFG-07",
    ]
    command = [sys.executable, "-m", "acceptance.cli.parallel", *arguments]
    result = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False)
    assert result.returncode == 0, result.stdout + result.stderr
    assert "\nmerged 2 shards, " in result.stdout
    assert "\nrelease incomplete\n" in result.stdout
    assert (tmp_path / "latest" / "index.html").is_file()
    signed = subprocess.run([*command, "--signoff"], cwd=ROOT, capture_output=True, text=True, check=False)
    assert signed.returncode == 2, signed.stdout + signed.stderr
