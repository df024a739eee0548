"""Mutants with a live effect: what only a release that runs shows, each against the tests of the one rule it breaks.

    python -m mutants.live [--rules STA-08,POD-10] [--shard 1/4]

One kept cluster serves all of them. What is known of a mutant of this very checkout is not tried again: its
outcome is a file in the results' folder. Exit 1 where a mutant survives, 2 where one could not be judged.
"""

from __future__ import annotations

import argparse
import hashlib
import json
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from rich.console import Console
from rich.table import Table

from acceptance.rules import ROOT
from mutants.charts import Edit, replace

COPIED = ("chart", "app", "dockerfiles", "target.toml")
LEFT_OUT = ("node_modules", ".next", ".venv", "__pycache__", ".mypy_cache", ".pytest_cache")
RESULTS = ROOT / "reports" / "mutants-live"
HELPERS = "chart/templates/_helpers.tpl"
VALUES = "chart/values.yaml"
BACKEND = "chart/templates/backend-deployment.yaml"
BACKEND_SERVICE = "chart/templates/backend-service.yaml"
AUTOSCALER = "chart/templates/hpa.yaml"
EDGE = "app/backend/todo_backend/edge.py"
SERVER = "app/backend/todo_backend/server.py"
TASKS = "app/backend/todo_backend/tasks.py"
DRAIN = "app/frontend/drain.js"
ROLLOUT = "test_rollout.py::test_no_request_fails_in_a_rolling_update"


@dataclass(frozen=True)
class Mutant:
    """A copy of chart and application with `edits`, the rule that it breaks, and the tests that must see it."""

    name: str
    rule: str
    tests: tuple[str, ...]
    edits: tuple[Edit, ...]


def _m(name: str, rule: str, test: str, *edits: Edit) -> Mutant:
    return Mutant(name, rule, (f"tests/behaviour/{test}",), edits)


NO_PRE_STOP = replace(
    HELPERS, "lifecycle:\n  preStop:\n    sleep:\n      seconds: {{ int $values.preStopSeconds }}\n", ""
)
NO_DRAIN = replace(SERVER, "if self._edge.draining or self._loop is None:", "if True:")

MUTANTS = (
    _m("no preStop and no drain", "STA-08", ROLLOUT, NO_PRE_STOP, NO_DRAIN),
    _m("backend without a drain", "STA-08", "test_drain.py", NO_DRAIN),
    _m(
        "drain that closes idle connections at once",
        "STA-08",
        "test_drain.py",
        replace(
            SERVER,
            "        self._edge.draining = True\n",
            "        self._edge.draining = True\n"
            "        for each in list(self.server_state.connections):\n"
            "            self._loop.call_soon_threadsafe(each.shutdown)\n",
        ),
    ),
    _m("drain that does not say so", "STA-08", "test_drain.py", replace(EDGE, "if self.draining:", "if False:")),
    _m(
        "drain in the backend only",
        "STA-08",
        "test_drain.py",
        replace(DRAIN, 'process.on("SIGTERM", drain);', 'process.on("SIGTERM", () => process.exit(0));'),
    ),
    _m(
        "maxUnavailable 1",
        "STA-08",
        ROLLOUT,
        replace(HELPERS, "maxUnavailable: {{ toJson $values.strategy.maxUnavailable }}", "maxUnavailable: 1"),
    ),
    _m(
        "publishNotReadyAddresses",
        "STA-08",
        ROLLOUT,
        replace(BACKEND_SERVICE, "  sessionAffinity: None\n", "  publishNotReadyAddresses: true\n"),
    ),
    _m(
        "readiness that never fails",
        "POD-10",
        "test_freeze.py::test_a_frozen_pod_is_unready_not_restarted_and_comes_back",
        replace(
            HELPERS,
            "  httpGet:\n    path: {{ .path | quote }}\n    port: http\n",
            '  {{- if eq $kind "readiness" }}\n  tcpSocket:\n    port: http\n  {{- else }}\n'
            "  httpGet:\n    path: {{ .path | quote }}\n    port: http\n  {{- end }}\n",
        ),
    ),
    _m(
        "startup budget that counts for nothing",
        "POD-12",
        "test_freeze.py::test_a_slow_start_is_killed_only_beyond_its_budget",
        replace(HELPERS, "  failureThreshold: {{ int .failureThreshold }}\n", "  failureThreshold: 100\n"),
    ),
    _m(
        "settings that do not roll the pods",
        "CFG-10",
        "test_settings.py::test_a_changed_config_map_rolls_the_pods_and_arrives",
        replace(HELPERS, "checksum/config: {{ $used | toJson | sha256sum }}", "checksum/config: none"),
    ),
    _m(
        "secrets that do not roll the pods",
        "SEC-11",
        "test_settings.py::test_a_rotated_secret_rolls_the_pods_and_arrives",
        replace(HELPERS, "checksum/secret: {{ $usedSecrets | toJson | sha256sum }}", "checksum/secret: none"),
    ),
    _m(
        "migration whose failure is ignored",
        "REL-03",
        "test_bad_rollout.py::test_a_failing_migration_keeps_new_pods_from_serving",
        replace(
            BACKEND,
            'command: ["python3", "-m", "todo_backend.migrate"]',
            'command: ["sh", "-c", "python3 -m todo_backend.migrate || true"]',
        ),
    ),
    _m(
        "acknowledged before it is stored",
        "PER-05",
        "test_kills.py::test_every_acknowledged_write_is_there_once",
        replace(TASKS, "from fastapi import", "import asyncio\n\nfrom fastapi import"),
        replace(
            TASKS,
            "        session.add(task)\n    return _out(task)\n",
            "        session.add(task)\n        await session.flush()\n        answer = _out(task)\n"
            "        session.expunge(task)\n        await session.rollback()\n"
            "    keep = {'user_id': owner, 'title': body.title, 'description': body.description}\n"
            "    asyncio.get_running_loop().create_task(_later(database, keep))\n    return answer\n\n\n"
            "async def _later(database, fields):\n    await asyncio.sleep(1)\n"
            "    async with database.transaction() as session:\n"
            "        session.add(Task(completed=False, tags=[], **fields))\n",
        ),
    ),
    _m(
        "sessionAffinity ClientIP",
        "STA-07",
        "test_spread.py::test_load_is_spread_over_every_ready_pod",
        replace(BACKEND_SERVICE, "sessionAffinity: None", "sessionAffinity: ClientIP"),
    ),
    _m(
        "replicas templated under the autoscaler",
        "HPA-11",
        "test_autoscaling.py::test_an_upgrade_keeps_the_count",
        replace(BACKEND, "{{- if not .Values.backend.autoscaling.enabled }}", "{{- if true }}"),
    ),
    _m(
        "no CPU request",
        "HPA-09",
        "test_autoscaling.py::test_it_grows_to_the_most_and_not_beyond",
        replace(
            HELPERS,
            "range $resource, $quantity := get $values.resources $kind",
            'range $resource, $quantity := omit (get $values.resources $kind) "cpu"',
        ),
    ),
    _m(
        "autoscaler that can't scale down",
        "HPA-10",
        "test_autoscaling.py::test_it_returns_to_the_fewest_and_not_below",
        replace(
            AUTOSCALER,
            "  {{- with .behavior }}\n  behavior:\n    {{- toYaml . | nindent 4 }}\n  {{- end }}\n",
            "  behavior:\n    scaleDown:\n      selectPolicy: Disabled\n",
        ),
    ),
)


@contextmanager
def mutated(mutant: Mutant) -> Iterator[Path]:
    """A copy of what the target names, edited; the folder, which holds its target file."""
    with tempfile.TemporaryDirectory(prefix="mutant-") as folder:
        root = Path(folder)
        for name in COPIED:
            if (ROOT / name).is_dir():
                shutil.copytree(ROOT / name, root / name, ignore=shutil.ignore_patterns(*LEFT_OUT))
            else:
                shutil.copy2(ROOT / name, root / name)
        for edit in mutant.edits:
            edit(root)
        yield root


def outcome(mutant: Mutant) -> str:
    """`killed`, `survived`, or why it could not be judged: only a finding of the mutant's own rule kills it."""
    with mutated(mutant) as root, tempfile.TemporaryDirectory(prefix="mutant-reports-") as reports:
        argv = [sys.executable, "-m", "pytest", "-q", "--keep-cluster", "-p", "no:cacheprovider"]
        argv += ["--target", str(root / "target.toml"), "--reports", reports, *mutant.tests]
        ended = subprocess.run(argv, cwd=ROOT, capture_output=True, text=True, check=False)
        signoff = Path(reports) / "latest" / "signoff.json"
        if not signoff.is_file():
            return f"not judged: exit code {ended.returncode}: {ended.stdout.strip().splitlines()[-1:]}"
        rules = json.loads(signoff.read_text(encoding="utf-8"))["rules"]
    result = rules[mutant.rule]["levels"]["behaviour"]["result"]
    return {"failed": "killed", "passed": "survived"}.get(result, f"not judged: {result}")


def state(mutant: Mutant) -> str:
    """What the outcome depends on: the mutated tree, the suite, and the mutant's tests."""
    digest = hashlib.sha256(repr((mutant.name, mutant.rule, mutant.tests)).encode())
    with mutated(mutant) as root:
        for base, folders in ((root, COPIED), (ROOT, ("acceptance", "tests/behaviour", "support"))):
            for path in sorted(p for folder in folders for p in [base / folder, *(base / folder).rglob("*")]):
                if path.is_file() and "__pycache__" not in path.parts:
                    digest.update(str(path.relative_to(base)).encode() + path.read_bytes())
    return digest.hexdigest()


def judge(mutant: Mutant, results: Path) -> str:
    """The mutant's outcome, from an earlier run of the same state if there is one."""
    place = results / f"{state(mutant)[:32]}.txt"
    if place.is_file():
        return place.read_text(encoding="utf-8")
    found = outcome(mutant)
    if not found.startswith("not judged"):
        results.mkdir(parents=True, exist_ok=True)
        place.write_text(found, encoding="utf-8")
    return found


def chosen(rules: Sequence[str], shard: tuple[int, int]) -> list[Mutant]:
    """The mutants of `rules`, all if none is named, of one shard (`number` from 1, of how many)."""
    number, of = shard
    wanted = [mutant for mutant in MUTANTS if not rules or mutant.rule in rules]
    return [mutant for place, mutant in enumerate(wanted) if place % of == number - 1]


def shard_of(text: str) -> tuple[int, int]:
    number, _, of = text.partition("/")
    if not (number.isdecimal() and of.isdecimal() and 1 <= int(number) <= int(of)):
        raise argparse.ArgumentTypeError(f"{text} is not a shard such as 1/4")
    return int(number), int(of)


def main(argv: Sequence[str] | None = None) -> int:
    parser = argparse.ArgumentParser(prog="python -m mutants.live", description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--rules", default="", metavar="RULES", help="rules, separated by commas (default: all)")
    parser.add_argument("--shard", type=shard_of, default=(1, 1), metavar="N/M", help="one part of several (1/1)")
    options = parser.parse_args(argv)
    console = Console()
    table = Table("mutant", "rule", "outcome")
    outcomes = []
    for mutant in chosen([rule for rule in options.rules.split(",") if rule], options.shard):
        outcomes.append(judge(mutant, RESULTS))
        console.print(f"{mutant.name}: {outcomes[-1]}")
        table.add_row(mutant.name, mutant.rule, outcomes[-1])
    console.print(table)
    if not outcomes:
        console.print("no mutant was chosen")
        return 2
    if "survived" in outcomes:
        return 1
    return 0 if set(outcomes) == {"killed"} else 2


if __name__ == "__main__":
    sys.exit(main())
