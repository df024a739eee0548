"""Nodes: the suite's pods on them, the processes and control groups of containers, and a port-forward's life."""

from __future__ import annotations

import json
import socket
import subprocess
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest

from acceptance.checks.finding import Untested
from acceptance.core.deadlines import Deadline
from acceptance.core.wait import NotYet, eventually
from acceptance.provision import cgroups, node_agent
from acceptance.provision.cluster import Cluster
from acceptance.provision.node import Node, oldest_processes
from acceptance.provision.port_forward import forwarded_port
from acceptance.provision.providers import provider_of
from acceptance.provision.providers.kind import KindProvider, configuration
from acceptance.provision.run import OwnCluster, Run
from tests.unit.user_cluster import Machine, run_on

ONE, TWO = "a" * 64, "b" * 64
PROCESSES = f"""/proc/300/cgroup:{ONE}
/proc/20/cgroup:{ONE}
/proc/41/cgroup:{TWO}
/proc/99/cgroup:{TWO}
1 5
20 800
300 700
41 900
"""


def described(architecture: str, digest: str) -> dict[str, Any]:
    return {"digest": digest, "platform": {"os": "linux", "architecture": architecture}}


@pytest.mark.parametrize(
    ("manifests", "digest"),
    [
        ([described("arm64", "sha256:arm"), described("amd64", "sha256:amd")], "sha256:amd"),
        ([described("unknown", "sha256:provenance"), described("amd64", "sha256:amd")], "sha256:amd"),
        ([{"digest": "sha256:arm"}], "sha256:arm"),
    ],
    ids=["two platforms", "an attestation", "without a platform"],
)
def test_image_of_an_index_is_that_of_the_nodes_platform(
    monkeypatch: pytest.MonkeyPatch, manifests: list[dict[str, Any]], digest: str
) -> None:
    contents = {"sha256:index": {"manifests": manifests}, "sha256:config": {"rootfs": {}}}
    contents |= {each["digest"]: {"config": {"digest": "sha256:config"}, "of": each["digest"]} for each in manifests}
    read: list[str] = []

    def execute(_: Node, *argv: str) -> str:
        if argv[0] == "uname":
            return "x86_64\n"
        if argv[-2] == "get":
            read.append(argv[-1])
            return json.dumps(contents[argv[-1]])
        return "REF TYPE DIGEST SIZE\na index sha256:index 1\n"

    monkeypatch.setattr(Node, "exec", execute)
    assert Node("n", (), lambda: "").image_config("a") == ("sha256:config", {"rootfs": {}})
    assert read == ["sha256:index", digest, "sha256:config"]


@pytest.fixture
def machine(tmp_path: Path) -> Machine:
    return Machine(tmp_path)


def test_main_process_is_the_oldest_of_its_container() -> None:
    """Process identifiers are given again; a process that ended while it was read is left out."""
    assert oldest_processes(PROCESSES) == {ONE: 300, TWO: 41}
    assert oldest_processes("") == {}


def test_container_is_paused_through_its_freezer(tmp_path: Path) -> None:
    assert cgroups.freezer_of("7:freezer:/pods/c\n3:cpu,cpuacct:/pods/c\n") == (
        "/sys/fs/cgroup/freezer/pods/c/freezer.state"
    )
    assert cgroups.freezer_of("0::/pods/c\n") == "/sys/fs/cgroup/pods/c/cgroup.freeze"
    gone = tmp_path / "cgroup.freeze"
    subprocess.run(cgroups.resume_command(str(gone)), check=True)
    gone.touch()
    subprocess.run(cgroups.resume_command(str(gone)), check=True)
    assert gone.read_text() == "0\n"


def test_workers_follow_the_control_plane(machine: Machine, tmp_path: Path) -> None:
    run = Run("0badc0de", tmp_path, kept=False, own_cluster=OwnCluster(nodes=3))
    roles = [node["role"] for node in configuration(machine.toolchain, run)["nodes"]]
    assert roles == ["control-plane", "worker", "worker"]
    names = [name.removeprefix(run.cluster_name) for name in KindProvider(machine.toolchain, run).nodes]
    assert names == ["-control-plane", "-worker", "-worker2"]


def daemon_set(**status: int) -> dict[str, Any]:
    return {"metadata": {"generation": 1}, "status": {"observedGeneration": 1, **status}}


RUNNING = {"desiredNumberScheduled": 2, "updatedNumberScheduled": 2, "numberReady": 2}


def open_agents(machine: Machine, home: Path, found: Mapping[str, Any], events: list[Any]) -> None:
    machine.answer("kubectl", "get daemonset", found)
    machine.answer("kubectl", "get events", {"items": events})
    machine.answer("kubectl", "get nodes", {"items": [{"metadata": {"name": "n1"}}]})
    node_agent.open_agents(Cluster(provider_of(machine.toolchain, run_on(home))), "tools:1")


def test_refused_privileged_pod_is_untested_with_the_reason(machine: Machine, tmp_path: Path) -> None:
    refusal = {"reason": "FailedCreate", "message": 'violates PodSecurity "baseline:latest": host namespaces'}
    with pytest.raises(Untested, match="a privileged pod is refused in this cluster: violates PodSecurity"):
        open_agents(machine, tmp_path, daemon_set(desiredNumberScheduled=2), [refusal])


def test_pod_that_is_early_in_its_namespace_is_not_refused(
    machine: Machine, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    early = {"reason": "FailedCreate", "message": "forbidden: error looking up service account n/default: not found"}
    monkeypatch.setattr(node_agent, "NODE_AGENTS_UP", Deadline("agents", 0, "a test"))
    with pytest.raises(Untested, match="of 2 nodes, 0 have the pod and 0 run it"):
        open_agents(machine, tmp_path, daemon_set(desiredNumberScheduled=2), [early])


def test_missing_program_of_a_node_is_named(machine: Machine, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(Cluster, "_agent_on", lambda _, node: f"agent-on-{node}")
    machine.answer("kubectl", "exec agent-on-n1", "conntrack\n")
    with pytest.raises(Untested, match="node n1 lacks conntrack, with which"):
        open_agents(machine, tmp_path, daemon_set(**RUNNING), [])
    machine.answer("kubectl", "exec agent-on-n1", "")
    open_agents(machine, tmp_path, daemon_set(**RUNNING), [])


def test_agents_are_privileged_and_tolerate_every_taint(machine: Machine, tmp_path: Path) -> None:
    made = node_agent.daemon_set(Cluster(provider_of(machine.toolchain, run_on(tmp_path))), "tools:1")
    spec = made["spec"]["template"]["spec"]
    assert spec["hostPID"]
    assert spec["tolerations"] == [{"operator": "Exists"}]
    assert spec["containers"][0]["securityContext"]["privileged"]


def test_port_forward_ends_with_a_killed_run(tmp_path: Path) -> None:
    kubectl = tmp_path / "kubectl"
    kubectl.write_text(f"#!/bin/sh\necho $$ > {tmp_path}/pid\nexec sleep 60\n")
    kubectl.chmod(0o755)
    script = (
        "import sys, time\n"
        "from acceptance.provision.port_forward import forwarded_port\n"
        "with forwarded_port(sys.argv[1:], 'gateway', 1080): time.sleep(60)\n"
    )
    deadline = Deadline("test", 20, "a start of Python")

    def started() -> int:
        try:
            return int((tmp_path / "pid").read_text())
        except (OSError, ValueError) as error:
            raise NotYet(str(error)) from error

    with subprocess.Popen([sys.executable, "-c", script, kubectl]) as owner:
        forward = eventually("the port-forward to start", started, deadline)
        owner.kill()

    def ended() -> None:
        if Path(f"/proc/{forward}").exists():
            raise NotYet("it runs")

    eventually("the port-forward to end", ended, deadline)


def test_port_forward_is_started_again_when_it_ends(tmp_path: Path) -> None:
    """Each start is noted; the second one listens."""
    kubectl = tmp_path / "kubectl"
    kubectl.write_text(
        "#!/usr/bin/env python3\n"
        "import pathlib, socket, sys\n"
        f"note = pathlib.Path({str(tmp_path / 'starts')!r})\n"
        "note.open('a').write(' '.join(sys.argv[1:]) + '\\n')\n"
        "if len(note.read_text().splitlines()) < 2: sys.exit(1)\n"
        "server = socket.create_server(('127.0.0.1', int(sys.argv[3].split(':')[0])))\n"
        "while True: server.accept()\n"
    )
    kubectl.chmod(0o755)

    def connect(port: int) -> None:
        try:
            socket.create_connection(("127.0.0.1", port), 1).close()
        except OSError as error:
            raise NotYet(str(error)) from error

    with forwarded_port([kubectl], "gateway", 1080) as port:
        eventually("the second port-forward", lambda: connect(port), Deadline("test", 20, "a start of Python"))
    lines = (tmp_path / "starts").read_text().splitlines()
    assert lines == [f"port-forward pod/gateway {port}:1080 --address 127.0.0.1"] * 2
    with pytest.raises(NotYet):
        connect(port)
