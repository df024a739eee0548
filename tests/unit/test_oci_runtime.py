"""The runc wrapper removes what the host does not grant, and nothing else."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from toolchain import oci_runtime

STATUS = "Name:\tx\nCapInh:\t0000000000000000\nCapBnd:\t{mask:016x}\n"
EVERYTHING = (1 << len(oci_runtime.CAPABILITIES)) - 1


def process(score: int = -999) -> dict[str, Any]:
    sets = ("bounding", "effective", "permitted", "inheritable", "ambient")
    capabilities: dict[str, Any] = {name: ["CAP_CHOWN", "CAP_SYS_RESOURCE"] for name in sets}
    capabilities["ambient"] = None
    return {"args": ["/sbin/init"], "oomScoreAdj": score, "capabilities": capabilities}


def test_bounding_set_is_decoded() -> None:
    assert oci_runtime.bounding_set(STATUS.format(mask=0)) == set()
    assert oci_runtime.bounding_set(STATUS.format(mask=1 | 1 << 24)) == {"CAP_CHOWN", "CAP_SYS_RESOURCE"}
    assert len(oci_runtime.bounding_set(STATUS.format(mask=EVERYTHING))) == 41


def test_missing_capabilities_are_removed() -> None:
    restricted = process()
    oci_runtime.restrict(restricted, {"CAP_CHOWN", "CAP_KILL"})
    assert restricted["capabilities"]["bounding"] == restricted["capabilities"]["effective"] == ["CAP_CHOWN"]
    assert restricted["capabilities"]["ambient"] == []
    assert restricted["oomScoreAdj"] == 0
    assert restricted["args"] == ["/sbin/init"]


def test_available_capabilities_are_kept() -> None:
    restricted = process(score=500)
    oci_runtime.restrict(restricted, {"CAP_CHOWN", "CAP_SYS_RESOURCE"})
    assert restricted["capabilities"]["bounding"] == ["CAP_CHOWN", "CAP_SYS_RESOURCE"]
    assert restricted["oomScoreAdj"] == 500


@pytest.mark.parametrize(
    ("arguments", "file", "wrapped"),
    [
        (["--root", "/r", "create", "--bundle", "{}", "id"], "config.json", True),
        (["create", "--bundle={}", "--pid-file", "p", "id"], "config.json", True),
        (["run", "-b", "{}", "id"], "config.json", True),
        (["exec", "--process", "{}/process.json", "id"], "process.json", False),
        (["exec", "-p={}/process.json", "id"], "process.json", False),
    ],
)
def test_file_that_runc_reads_is_rewritten(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, arguments: list[str], file: str, wrapped: bool
) -> None:
    monkeypatch.setattr(oci_runtime, "bounding_set", lambda _: {"CAP_CHOWN"})
    path = tmp_path / file
    path.write_text(json.dumps({"ociVersion": "1.0", "process": process()} if wrapped else process()))
    oci_runtime.prepare([word.format(tmp_path) for word in arguments])
    document = json.loads(path.read_text())
    restricted = document["process"] if wrapped else document
    assert restricted["capabilities"]["bounding"] == ["CAP_CHOWN"]
    assert ("ociVersion" in document) == wrapped


@pytest.mark.parametrize(
    "arguments", [["delete", "id"], ["state", "id"], ["exec", "id", "ls"], ["kill", "id", "9"], []]
)
def test_other_commands_change_no_file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, arguments: list[str]) -> None:
    (tmp_path / "config.json").write_text("not JSON")
    monkeypatch.chdir(tmp_path)
    oci_runtime.prepare(arguments)
    assert (tmp_path / "config.json").read_text() == "not JSON"
