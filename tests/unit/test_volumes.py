"""Files that outlive a pod, and the processes of containers that have ended."""

from __future__ import annotations

from contextlib import nullcontext
from types import SimpleNamespace
from typing import Any

import pytest

from acceptance.experiments import volumes
from acceptance.experiments.faults import FaultError
from acceptance.experiments.volumes import Marker, Observed
from acceptance.provision.node import Node

POD: dict[str, Any] = {
    "metadata": {"name": "shop-api-1"},
    "spec": {
        "containers": [
            {
                "name": "api",
                "volumeMounts": [
                    {"name": "scratch", "mountPath": "/scratch"},
                    {"name": "disk", "mountPath": "/data"},
                    {"name": "settings", "mountPath": "/settings"},
                    {"name": "shared", "mountPath": "/shared", "readOnly": True},
                ],
            },
            {"name": "helper", "volumeMounts": [{"name": "scratch", "mountPath": "/also"}]},
        ],
        "volumes": [
            {"name": "scratch", "emptyDir": {}},
            {"name": "disk", "hostPath": {"path": "/srv"}},
            {"name": "settings", "configMap": {"name": "x"}},
            {"name": "shared", "emptyDir": {}},
        ],
    },
    "status": {
        "containerStatuses": [
            {"name": "api", "containerID": "containerd://abc"},
            {"name": "helper", "containerID": "containerd://def"},
        ]
    },
}


NODE, OTHER = (Node(f"node-{number}", (), str) for number in (1, 2))


class FakeNode:
    """A node that notes which files are written."""

    def __init__(self) -> None:
        self.touched: list[str] = []
        self.run = SimpleNamespace(id="0badc0de")

    def node_of(self, _: object) -> FakeNode:
        return self

    def main_processes(self) -> dict[str, int]:
        return {"abc": 41, "def": 42}

    def exec(self, *argv: str) -> str:
        assert argv[0] == "touch"
        self.touched.append(argv[1])
        return ""


def test_each_writable_volume_gets_one_file() -> None:
    node = FakeNode()
    markers = volumes.write_markers(node, POD)  # type: ignore[arg-type]
    assert [(marker.volume, marker.kind) for marker in markers] == [("scratch", "emptyDir"), ("disk", "hostPath")]
    assert [path.rpartition("/")[0] for path in node.touched] == ["/proc/41/root/scratch", "/proc/41/root/data"]
    assert len({marker.name for marker in markers}) == 2


def test_file_that_outlives_its_pod_is_a_finding() -> None:
    kept, gone = (Marker(POD, "scratch", "emptyDir", f"marker-{number}") for number in (1, 2))
    left = volumes.remaining([kept, gone], {NODE: ["/elsewhere/marker-3"], OTHER: ["/srv/marker-1"]})
    assert left == {kept: "/srv/marker-1"}
    (finding,) = volumes.volume_findings(left)
    assert (finding.rule, finding.actual) == ("PER-07", "a file at /srv/marker-1")
    assert not volumes.remaining([gone], {NODE: []})


@pytest.mark.parametrize(("paths", "hidden"), [(["/srv/marker-1", "/x/marker-2"], ""), (["/srv/marker-1"], "scratch")])
def test_file_that_is_not_found_at_first_is_no_proof(
    paths: list[str], hidden: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(volumes, "find_markers", lambda _: {NODE: paths})
    markers = [Marker(POD, name, "emptyDir", f"marker-{number}") for number, name in ((1, "disk"), (2, "scratch"))]
    with pytest.raises(FaultError, match=f"volume {hidden}") if hidden else nullcontext():
        volumes.require_found(FakeNode(), markers)  # type: ignore[arg-type]


def test_last_state_of_a_process_counts() -> None:
    def status(pid: int, name: str, uid: int, inner: int = 1) -> str:
        return (
            f"process abc {pid}\nName: {name}\nNSpid: {pid} {inner}\nUid: {uid} {uid} {uid} {uid}\n"
            "CapInh: 0\nCapPrm: 0\nCapEff: 0\nCapBnd: 0\nCapAmb: 0\nNoNewPrivs: 1\nSeccomp: 2\n"
        )

    text = status(7, "runc:[2:INIT]", 0) + status(9, "hook", 0, inner=12)
    text += status(7, "python3", 0) + status(7, "python3", 1000) + status(8, "sh", 5, inner=13)
    observed = Observed([[], text.splitlines(keepends=True)])
    assert [(each.name, each.uids[0]) for each in observed.processes("abc")] == [("python3", 1000), ("sh", 5)]
    assert observed.processes("other") == ()
