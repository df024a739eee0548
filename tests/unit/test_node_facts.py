"""Parsers: facts of containers from the node's output, and the port-forward command from the notes."""

from __future__ import annotations

import base64

import pytest

from acceptance.client import port_forward
from acceptance.snapshots import live


def test_node_output_is_parsed() -> None:
    environment = base64.b64encode('A=1\0TEXT=Grüße = "x"\0'.encode()).decode()
    text = (
        f"pid 7\nuid 1000\nroot ro,relatime\nenv {environment}\nlisten 00000000:1F40 \n"
        "pid 8\nuid 0\nroot rw,relatime\nenv \nlisten \n"
    )
    facts = live.parse_facts(text)
    assert facts["7"].uid == 1000
    assert facts["7"].read_only_root
    assert facts["7"].environment == {"A": "1", "TEXT": 'Grüße = "x"'}
    assert facts["7"].listening == {8000}
    assert (facts["8"].uid, facts["8"].read_only_root, facts["8"].listening) == (0, False, frozenset())


def test_loopback_listeners_are_told_apart() -> None:
    addresses = [
        "0100007F:1F40",
        "00000000000000000000000001000000:1F41",
        "0000000000000000FFFF00000100007F:1F42",
        "0100007F:1F43",
        "00000000000000000000000000000000:1F43",
        "0A00F40A:1F44",
        "0000000000000000FFFF00000A00F40A:1F45",
    ]
    facts = live.parse_facts(f"pid 7\nuid 1000\nroot ro\nenv \nlisten {' '.join(addresses)}\n")["7"]
    assert facts.loopback == {8000, 8001, 8002}
    assert facts.listening == {8003, 8004, 8005}


def test_port_forward_command_is_found_in_the_notes() -> None:
    found = port_forward.find_port_forward(
        "1. Open:\n\n  export POD=$(kubectl get pods)\n  kubectl -n x port-forward svc/web 8080:80 &\n"
    )
    assert found is not None
    assert found.port == 8080
    assert found.command.startswith("export POD=")
    assert found.command.endswith("8080:80")
    assert port_forward.find_port_forward("Open http://localhost:3000") is None


@pytest.mark.parametrize(
    ("arguments", "command", "port"),
    [
        ("svc/web 3000:3000 -n todo", "svc/web 3000:3000 -n todo", 3000),
        ("svc/web 3000:http", "svc/web 3000:http", 3000),
        ("svc/web 8080:80 --address 127.0.0.1", "svc/web 8080:80 --address 127.0.0.1", 8080),
        ("$POD_NAME 8080:$CONTAINER_PORT", "$POD_NAME 8080:$CONTAINER_PORT", 8080),
        ("svc/web 3000   # then open the page", "svc/web 3000", 3000),
        ("svc/web 3000:3000 &", "svc/web 3000:3000", 3000),
        ("svc/web 3000:3000 > /dev/null 2>&1 &", "svc/web 3000:3000", 3000),
    ],
)
def test_options_names_and_comments_may_follow_the_ports(arguments: str, command: str, port: int) -> None:
    found = port_forward.find_port_forward(f"  kubectl port-forward {arguments}\n")
    assert found == port_forward.PortForward(f"exec kubectl port-forward {command}", port)
