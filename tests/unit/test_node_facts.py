"""Parser: facts of containers from the node's output."""

from __future__ import annotations

import base64

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
