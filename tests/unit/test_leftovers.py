"""Debuggers that others reach, and variables that switch the verification of certificates off."""

from __future__ import annotations

import pytest

from acceptance.checks.leftovers import open_debugger, switches_verification_off


@pytest.mark.parametrize(
    "text",
    [
        "node --inspect=0.0.0.0:9229 server.js",
        "--inspect-brk=0.0.0.0",
        "node --inspect=[::]:9229 server.js",
        "python -m debugpy --listen 0.0.0.0:5678 -m uvicorn main:app",
        "-agentlib:jdwp=transport=dt_socket,server=y,suspend=n,address=*:5005",
    ],
)
def test_debugger_for_others_is_open(text: str) -> None:
    assert open_debugger(text)


@pytest.mark.parametrize(
    "text",
    [
        "node server.js",
        "node --inspect server.js",
        "node --inspect=9229 server.js",
        "node --inspect=127.0.0.1:9229 server.js",
        "node --inspect=[::1]:9229 server.js",
        "python -m debugpy --listen 5678 -m uvicorn main:app",
        "python -m inspect --listen 0.0.0.0:80",
    ],
)
def test_debugger_of_the_pod_itself_is_not_open(text: str) -> None:
    assert not open_debugger(text)


@pytest.mark.parametrize(
    ("name", "value", "off"),
    [
        ("NODE_TLS_REJECT_UNAUTHORIZED", "0", True),
        ("NODE_TLS_REJECT_UNAUTHORIZED", "1", False),
        ("PYTHONHTTPSVERIFY", "0", True),
        ("DB_SSL_VERIFY", "false", True),
        ("VERIFY_CERTS", "True", False),
        ("OPENAI_VERIFY_SSL", "False", True),
        ("GIT_SSL_NO_VERIFY", "true", True),
        ("SKIP_TLS_CHECKS", "yes", True),
        ("EMAIL_VERIFY", "false", False),
    ],
)
def test_variable_switches_verification_off(name: str, value: str, off: bool) -> None:
    assert switches_verification_off(name, value) is off
