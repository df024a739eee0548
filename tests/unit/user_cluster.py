"""Fake tools that log their arguments, for tests of an existing cluster."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from acceptance.provision.run import Context, Run
from toolchain import Toolchain
from toolchain.engine import Engine

TOOLS = ("docker", "kind", "kubectl", "helm")
MACHINE = "a1b2c3"
KUBECONFIG = """
apiVersion: v1
kind: Config
clusters: [{name: kind-mine, cluster: {server: "https://127.0.0.1:1"}}]
users: [{name: kind-mine, user: {token: "tok-12345678", client-key-data: "S0VZIEtFWQ=="}}]
contexts: [{name: kind-mine, context: {cluster: kind-mine, user: kind-mine}}]
"""
NODE = "c0ffee" * 10


class Machine:
    """A machine with fake tools, which print nothing unless a test sets an answer."""

    def __init__(self, home: Path) -> None:
        self.home = home
        self.log = home / "log"
        self.bin = home / "tools"
        for folder in (self.bin, home / "answers"):
            folder.mkdir()
        self._cases: dict[str, list[str]] = {}
        for tool in TOOLS:
            self._write(tool)
        engine = Engine("unix:///nonexistent", self.bin / "docker", buildx=True)
        kind, kubectl, helm = (self.bin / name for name in TOOLS[1:])
        self.toolchain = Toolchain(engine, kind, kubectl, helm, "", "", "", "", "", Path("/nonexistent"))

    def answer(self, tool: str, arguments: str, text: object, code: int = 0, *, stderr: bool = True) -> None:
        """Set what a tool prints and its exit code where its arguments contain `arguments`; the latest call wins.

        A tool that fails prints to stderr, unless that is said not to be so.
        """
        name = f"{tool}-{len(self._cases.get(tool, []))}"
        (self.home / "answers" / name).write_text(text if isinstance(text, str) else json.dumps(text), "utf-8")
        out = " 1>&2" if code and stderr else ""
        case = f"""case "$argv" in *"{arguments}"*) cat "{self.home}/answers/{name}"{out}; exit {code} ;; esac"""
        self._cases.setdefault(tool, []).insert(0, case)
        self._write(tool)

    def commands(self, tool: str = "") -> list[str]:
        """Return the commands so far, in order."""
        lines = self.log.read_text("utf-8").splitlines() if self.log.exists() else []
        return [line for line in lines if line.startswith(tool)]

    def _write(self, tool: str) -> None:
        script = self.bin / tool
        cases = "\n".join(self._cases.get(tool, []))
        script.write_text(f'#!/bin/sh\necho "{tool} $*" >> {self.log}\nargv="$*"\n{cases}\nexit 0\n', "utf-8")
        script.chmod(0o755)


def machine_of_kind_cluster(home: Path) -> Machine:
    """Return a machine whose engine runs the one node of the kind cluster `mine`, and whose kubeconfig names that."""
    made = Machine(home)
    made.answer("kubectl", "config view", KUBECONFIG)
    made.answer("kubectl", "get nodes", nodes())
    made.answer("docker", "label=io.x-k8s.kind.cluster=mine", NODE)
    made.answer("docker", f"exec {NODE} cat /etc/machine-id", MACHINE)
    return made


def nodes(machine_id: str = MACHINE, count: int = 1) -> dict[str, Any]:
    """Return the API server's list of the cluster's nodes."""
    addresses = [{"type": "Hostname", "address": "node"}, {"type": "InternalIP", "address": "172.18.0.9"}]
    status = {"nodeInfo": {"machineID": machine_id}, "addresses": addresses}
    return {"items": [{"status": status}] * count}


def context(*nodes: str, **fields: Any) -> Context:
    """Return the context of the existing cluster `mine`, whose nodes are these containers."""
    return Context("kind-mine", KUBECONFIG, nodes, **fields)


def run_on(home: Path, described: Context | None = None) -> Run:
    """Return a run on the existing cluster `mine`: one node on this engine, which the user lets the suite reach."""
    folder = home / "run"
    folder.mkdir(exist_ok=True)
    run = Run("0badc0de", folder, kept=False, context=described or context(NODE, node_access=True))
    run.kubeconfig.write_text(KUBECONFIG, encoding="utf-8")
    return run
