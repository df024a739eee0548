"""Isolation of containers: what the node prints is parsed, and each kind of defect is a finding."""

from __future__ import annotations

from dataclasses import replace
from types import SimpleNamespace
from typing import Any

import pytest

from acceptance.checks import isolation
from acceptance.checks.finding import Finding
from acceptance.checks.isolation import Mount, Process, RunningContainer
from acceptance.snapshots.isolation import READ, WRITE, parse_mounts, parse_processes, read_containers
from toolchain.console import CommandError, ToolchainError

NODE = {kind: f"{kind}:[1]" for kind in isolation.SHARED_BY_PODS}
OWN = {kind: f"{kind}:[2]" for kind in isolation.SHARED_BY_PODS}
NO_CAPABILITIES = {"CapInh": 0, "CapPrm": 0, "CapEff": 0, "CapBnd": 0, "CapAmb": 0}
PROCESS = Process(7, "python3", (1000, 1000, 1000, 1000), NO_CAPABILITIES, True, 2, OWN)
POD: dict[str, Any] = {
    "metadata": {"name": "shop-api-1"},
    "spec": {
        "containers": [
            {
                "name": "api",
                "ports": [{"containerPort": 8000}],
                "volumeMounts": [{"name": "tmp", "mountPath": "/scratch/"}, {"name": "disk", "mountPath": "/data"}],
            }
        ],
        "volumes": [{"name": "tmp", "emptyDir": {}}, {"name": "disk", "hostPath": {"path": "/srv"}}],
    },
}
CONTAINER = RunningContainer(
    POD, "api", (PROCESS,), (Mount("/", False), Mount("/scratch", True)), ("/scratch",), frozenset({8000, 9000})
)
PRINTED = """node net:[1] pid:[1] ipc:[1] mnt:[1] uts:[1]
process abc 41 net:[2] pid:[2] ipc:[2] mnt:[2] uts:[2]
Name:\tpython3
Uid:\t1000\t1000\t1000\t1000
CapInh:\t0000000000000000
CapPrm:\t0000000000000000
CapEff:\t0000000000000000
CapBnd:\t0000000000000400
CapAmb:\t0000000000000000
NoNewPrivs:\t1
Seccomp:\t2
process abc 42 net:[2] pid:[2] ipc:[2] mnt:[2] uts:[2]
Name:\tworker of it
Uid:\t1000\t0\t0\t0
CapInh:\t0000000000000000
CapPrm:\t0000000000000001
CapEff:\t0000000000000001
CapBnd:\t0000000000000001
CapAmb:\t0000000000000000
NoNewPrivs:\t0
Seccomp:\t0
"""


def users(**changes: Any) -> list[Finding]:
    return [*isolation.user_findings([replace(CONTAINER, processes=(PROCESS, replace(PROCESS, **changes)))])]


def confined(**changes: Any) -> list[Finding]:
    container = replace(CONTAINER, processes=(replace(PROCESS, **changes),))
    return [*isolation.confinement_findings([container], {"": NODE}, strict=True)]


def written(**changes: Any) -> list[str]:
    return [finding.field for finding in isolation.write_findings([replace(CONTAINER, **changes)])]


def test_every_process_of_a_container_is_parsed() -> None:
    node, found = parse_processes(PRINTED)
    assert node == NODE
    first, second = found["abc"]
    assert (first.pid, first.name, first.uids, first.no_new_privileges, first.seccomp) == (
        41,
        "python3",
        (1000,) * 4,
        True,
        2,
    )
    assert first.capabilities["CapBnd"] == 0x400
    assert first.namespaces == OWN
    assert (second.name, second.uids, second.capabilities["CapEff"]) == ("worker of it", (1000, 0, 0, 0), 1)


@pytest.mark.parametrize("cut", ["Name:\tworker", "NoNewPrivs:\t0\n", "Seccomp:\t"])
def test_process_that_ended_while_it_was_read_is_left_out(cut: str) -> None:
    start, _, end = PRINTED.partition("process abc 42")
    whole = f"{start}process abc 42{end}"
    _, found = parse_processes(whole[: whole.rindex(cut) + len(cut)])
    assert [process.pid for process in found["abc"]] == [41]


def test_process_of_which_a_line_was_not_read_is_left_out() -> None:
    start, _, end = PRINTED.partition("process abc 42")
    _, found = parse_processes(f"{start}process abc 42{end.replace('CapEff', 'CapEf')}")
    assert [process.pid for process in found["abc"]] == [41]


class FakeNode:
    """A node whose PIDs began again at 1: a probe's command, since ended, has a lower one than the container."""

    name = "node-1"

    def main_processes(self) -> dict[str, int]:
        return {"abc": 42}

    def exec(self, *argv: str) -> str:
        command = " ".join(argv)
        if READ in argv:
            return PRINTED
        if "/proc/42" not in command and "42" not in argv:
            raise ToolchainError("No such file or directory")
        if "mountinfo" in command:
            return "1 2 0:1 / /scratch rw - tmpfs tmpfs rw"
        if argv[0] == "grep":
            return "Uid:\t1000\t1001\t1001\t1001\nGid:\t1000\t1002\t1002\t1002\nGroups:\t7 8"
        if WRITE in argv:
            assert argv[4:8] == ("1001", "1002", "7,8", "42")
            return "/scratch"
        return "00000000:1F40\n/app"


def test_container_is_read_through_its_main_process() -> None:
    """Of a container that runs a probe's command, the oldest process is read, not that of the lowest PID."""
    status = {"name": "api", "containerID": "containerd://abc", "state": {"running": {}}}
    pod = {**POD, "status": {"containerStatuses": [status]}}
    cluster: Any = SimpleNamespace(nodes=lambda: (FakeNode(),))
    (container,) = read_containers(cluster, [pod]).containers
    assert [process.pid for process in container.processes] == [41, 42]
    assert (container.mounts, container.written) == ((Mount("/scratch", True),), ("/scratch",))
    assert container.listening == {8000}


class EndingNode(FakeNode):
    """A node on which the container's process ends between two readings; then it is gone, or another one is found."""

    def __init__(self, *later: int) -> None:
        self.found = [{"abc": 41}, *({"abc": pid} for pid in later), {}]

    def main_processes(self) -> dict[str, int]:
        return self.found.pop(0)

    def exec(self, *argv: str) -> str:
        if any("41" in word for word in argv) and READ not in argv:
            raise CommandError(argv, 1, "", "No such file or directory")
        return super().exec(*argv)


@pytest.mark.parametrize(("later", "read"), [((), 0), ((42,), 1)], ids=["container ended", "another process"])
def test_process_that_ends_between_two_readings(later: tuple[int, ...], read: int) -> None:
    status = {"name": "api", "containerID": "containerd://abc", "state": {"running": {}}}
    pod = {**POD, "status": {"containerStatuses": [status]}}
    cluster: Any = SimpleNamespace(nodes=lambda: (EndingNode(*later),))
    assert len(read_containers(cluster, [pod]).containers) == read


def test_user_of_each_process_is_judged() -> None:
    assert users() == []
    assert "1000, 0, 0, 0" in users(uids=(1000, 0, 0, 0))[0].actual
    assert users(capabilities={**NO_CAPABILITIES, "CapEff": 0x400})[0].rule == "SCY-01"


def test_confinement_of_each_process_is_judged() -> None:
    assert confined() == []
    assert "net" in confined(namespaces={**OWN, "net": NODE["net"]})[0].actual
    assert confined(capabilities={**NO_CAPABILITIES, "CapBnd": 0x400})[0].actual == "400"
    assert confined(no_new_privileges=False)[0].expected == "no_new_privs"
    assert confined(seccomp=0)[0].actual == "none"
    advice = isolation.confinement_findings(
        [replace(CONTAINER, processes=(replace(PROCESS, seccomp=0),))], {"": NODE}, strict=False
    )
    assert [each.advice for each in advice] == [True]


def test_writable_places_are_empty_dirs() -> None:
    assert written() == []
    assert written(mounts=(Mount("/", True),)) == ["api: /"]
    assert written(mounts=(Mount("/data", True),)) == ["api: /data"]
    assert written(mounts=(Mount("/var/lib/data", True),)) == ["api: /var/lib/data"]
    assert written(written=("/app",)) == ["api: /app"]
    given = ("/dev", "/dev/termination-log", "/etc/hosts", "/proc/interrupts", "/sys/fs/cgroup")
    assert written(mounts=tuple(Mount(point, True) for point in given)) == []


def test_mount_is_writable_if_its_file_system_is() -> None:
    mounts = parse_mounts(
        "1 0 0:1 / / ro,relatime master:8 - overlay overlay rw,lowerdir=/a\n"
        "2 1 0:2 / /scratch/with\\040space rw,relatime - ext4 /dev/vda rw\n"
        "3 1 0:3 / /data rw,relatime - ext4 /dev/vda ro\n"
        "4 1 0:4 / /again rw - tmpfs tmpfs rw\n5 1 0:5 / /again ro - tmpfs tmpfs rw\n"
    )
    assert {each.point: each.writable for each in mounts} == {
        "/": False,
        "/scratch/with space": True,
        "/data": False,
        "/again": False,
    }


def test_ports_are_those_of_services_containers_and_listeners() -> None:
    service = {
        "metadata": {"name": "shop-web"},
        "spec": {"ports": [{"port": 80, "nodePort": 30080}], "healthCheckNodePort": 30090},
    }
    assert set(isolation.service_ports([service])) == {80, 30080, 30090}
    assert set(isolation.pod_ports([CONTAINER])) == {8000, 9000}
