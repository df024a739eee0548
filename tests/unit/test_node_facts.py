"""A live snapshot: facts of containers from the node's output, and lists that are of one moment."""

from __future__ import annotations

import base64
import secrets
from typing import Any

import pytest

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


def test_process_that_ends_meanwhile_has_no_facts() -> None:
    text = (
        "pid 7\nroot ro\nenv \nlisten 00000000:1F40 \nuid \n"  # gone after its ports were read
        "pid 8\nroot \nenv \nlisten \nuid 0\n"  # a zombie
        "pid 9\nroot rw\nenv \nlisten \nuid 0\n"
    )
    assert live.parse_facts(text).keys() == {"9"}


def test_readings_end_with_a_proof_of_life() -> None:
    """A process that ended before its variables or ports were read would have none."""
    assert [line.split()[1] for line in live.READ_PROCESS.splitlines() if "printf" in line][-1] == "'uid"


def test_loopback_listeners_are_recognized() -> None:
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


def listed(name: str, *, ready: bool = True) -> dict[str, Any]:
    conditions = [{"type": "Ready", "status": str(ready)}]
    return {"metadata": {"uid": name, "resourceVersion": secrets.token_hex(4)}, "status": {"conditions": conditions}}


@pytest.mark.parametrize(
    ("pods", "taken"),
    [
        ([[listed("a")], [listed("a")]], 0),
        ([[listed("a", ready=False)], [listed("a")], [listed("a")]], 1),
        ([[listed("a")], [listed("a"), listed("b")], [listed("b")], [listed("b")]], 2),
        ([[listed(name)] for name in "abcde"], 4),
    ],
    ids=["at rest", "a pod becomes Ready", "a pod is replaced", "never at rest"],
)
def test_lists_are_read_again_while_pods_change(pods: list[list[dict[str, Any]]], taken: int) -> None:
    """Pods of one moment and endpoints of another one would be a finding of SVC-07."""
    readings = iter(enumerate(pods))
    number, found = live.of_one_moment(lambda: next(readings), lambda reading: live.readiness(reading[1]))
    assert (number, found) == (taken, pods[taken])
