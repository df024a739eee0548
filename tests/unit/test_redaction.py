"""No secret of the run leaves the process in any common encoding."""

from __future__ import annotations

import base64
import html
import io
import json
import logging
import re
import sys
from concurrent.futures import ThreadPoolExecutor
from urllib.parse import quote, quote_plus

import pytest
from hypothesis import given
from hypothesis import strategies as st

from acceptance.core.redaction import MINIMUM_LENGTH, PLACEHOLDER, Redactor, filtered_logging

SECRET = "p&w<\"é'/+ \\42 of-the-run"  # noqa: S105 - invented, with every character that some encoding escapes
URL = "postgresql://todo:Vq7%2Fk2mZ9x@db.example:5432/todo?sslmode=require&channel_binding=require"


def redactor_of(*secrets: str) -> Redactor:
    redactor = Redactor()
    for secret in secrets:
        redactor.add(secret)
    return redactor


def go_json(text: str) -> str:
    escaped = json.dumps(text, ensure_ascii=False)
    return escaped.replace("&", "\\u0026").replace("<", "\\u003c").replace(">", "\\u003e")


ENCODINGS = {
    "raw": SECRET,
    "python": repr(SECRET)[1:-1],
    "xml attribute": html.escape(SECRET),
    "xml text": html.escape(SECRET, quote=False),
    "url path": quote(SECRET),
    "url": quote(SECRET, safe=""),
    "url, lower case": re.sub("%..", lambda code: code[0].lower(), quote(SECRET, safe="")),
    "form": quote_plus(SECRET),
    "json": json.dumps(SECRET)[1:-1],
    "json, not only ASCII": json.dumps(SECRET, ensure_ascii=False)[1:-1],
    "json in json": json.dumps(json.dumps({"key": SECRET})),
    "json of Go": go_json(SECRET)[1:-1],
    "base64": base64.b64encode(SECRET.encode()).decode(),
    "base64 of a URL": base64.urlsafe_b64encode(SECRET.encode()).decode(),
}


@pytest.mark.parametrize("encoded", ENCODINGS.values(), ids=ENCODINGS)
def test_every_encoding_is_redacted(encoded: str) -> None:
    redacted = redactor_of(SECRET).text(f"before {encoded} after")
    assert encoded not in redacted
    assert PLACEHOLDER in redacted
    assert redacted.startswith("before ")
    assert redacted.endswith(" after")


@given(before=st.binary(max_size=7), after=st.binary(max_size=7))
def test_secret_inside_base64_is_redacted_at_any_offset(before: bytes, after: bytes) -> None:
    secret = b"Xk2-9_Zq8vR4tB"
    encoded = base64.b64encode(before + secret + after).decode()
    redacted = redactor_of(secret.decode()).text(encoded)
    assert PLACEHOLDER in redacted
    rest = redacted.replace(PLACEHOLDER, "")
    assert len(rest) <= len(base64.b64encode(before)) + len(base64.b64encode(after)) + 4


@given(st.text(max_size=40))
def test_text_without_the_secret_is_unchanged(text: str) -> None:
    assert redactor_of("Xk2-9_Zq8vR4tB").text(text) == text


def test_password_of_a_url_is_a_secret() -> None:
    redactor = redactor_of(URL)
    assert redactor.text(URL) == PLACEHOLDER
    assert redactor.text("password=Vq7/k2mZ9x") == f"password={PLACEHOLDER}"
    assert redactor.text("db.example:5432") == "db.example:5432"


def test_each_line_of_a_key_is_redacted() -> None:
    redactor = redactor_of("-----BEGIN PRIVATE KEY-----\nMIIEvQIBADANBg\nkqhkiG9w0BAQEF\n-----END PRIVATE KEY-----\n")
    output = redactor.text("  -----BEGIN PRIVATE KEY-----\n  MIIEvQIBADANBg\n  kqhkiG9w0BAQEF\n")
    assert output == f"  -----BEGIN PRIVATE KEY-----\n  {PLACEHOLDER}\n  {PLACEHOLDER}\n"


@pytest.mark.parametrize("secret", ["", "a" * (MINIMUM_LENGTH - 1), "postgresql://todo:short@db.example/todo"])
def test_too_short_secret_is_rejected(secret: str) -> None:
    with pytest.raises(ValueError, match=f"use at least {MINIMUM_LENGTH}"):
        Redactor().add(secret)


@pytest.mark.parametrize("dots", ["...", "…"])
def test_truncated_secret_is_redacted(dots: str) -> None:
    redactor = redactor_of("Xk2-9_Zq8vR4tB")
    assert redactor.text(f"{{'key': 'Xk2-9_{dots}R4tB'}}") == f"{{'key': '{PLACEHOLDER}{dots}{PLACEHOLDER}'}}"
    assert redactor.text(f"nothing of it {dots} here") == f"nothing of it {dots} here"


def test_secrets_that_are_added_at_once_are_all_redacted() -> None:
    """A run makes its parts side by side, each with secrets of its own."""
    one, secrets = Redactor(), [f"secret-{number:04}" for number in range(200)]
    before = sys.getswitchinterval()
    sys.setswitchinterval(1e-6)
    try:
        with ThreadPoolExecutor(16) as pool:
            list(pool.map(one.add, secrets))
    finally:
        sys.setswitchinterval(before)
    assert [secret for secret in secrets if one.text(secret) != PLACEHOLDER] == []


def test_data_keeps_its_structure() -> None:
    data = {"key Xk2-9_Zq8vR4tB": ["Xk2-9_Zq8vR4tB", ("a", 1, None, True, 2.5)]}
    assert redactor_of("Xk2-9_Zq8vR4tB").data(data) == {f"key {PLACEHOLDER}": [PLACEHOLDER, ("a", 1, None, True, 2.5)]}


def test_bytes_are_redacted() -> None:
    assert redactor_of(SECRET).content(b"\x00" + SECRET.encode() + b"\xff") == b"\x00[redacted]\xff"


def test_stream_redacts_writes() -> None:
    file = io.StringIO()
    stream = redactor_of("Xk2-9_Zq8vR4tB").stream(file)
    print("key:", "Xk2-9_Zq8vR4tB", file=stream)
    stream.writelines(["a Xk2-9_Zq8vR4tB", "\n"])
    assert file.getvalue() == f"key: {PLACEHOLDER}\na {PLACEHOLDER}\n"
    assert stream.isatty() is False


def test_log_records_are_redacted_for_every_handler() -> None:
    file = io.StringIO()
    logger = logging.Logger("a library")
    logger.addHandler(logging.StreamHandler(file))
    with filtered_logging(redactor_of("Xk2-9_Zq8vR4tB")):
        logger.warning("sent %s to %s", "Xk2-9_Zq8vR4tB", "db")
        logger.warning("one too few %s %s", "Xk2-9_Zq8vR4tB")
        try:
            raise ValueError("Xk2-9_Zq8vR4tB")
        except ValueError:
            logger.exception("failed", stack_info=True)
    output = file.getvalue()
    assert f"sent {PLACEHOLDER} to db" in output
    assert f"ValueError: {PLACEHOLDER}" in output
    assert "Xk2-9_Zq8vR4tB" not in output
    assert output.count(PLACEHOLDER) >= 3
