"""Names of a Secret's keys in a values file are no credentials, and credentials are none of these."""

from __future__ import annotations

import pytest

from acceptance.checks.credentials import kinds_in_values
from acceptance.core.secret_scan import credential_kinds


@pytest.mark.parametrize(
    "text",
    [
        "redpanda: {secretName: x, keys: {username: sasl-username, password: sasl-password}}",
        "database: {existingSecretKeys: {password: postgres-password}}",
        "auth: {secretKeys: {password: admin-password}}",
    ],
)
def test_name_of_a_key_is_no_credential(text: str) -> None:
    assert not kinds_in_values(text, ())


@pytest.mark.parametrize(
    "text",
    [
        "database: {password: shop-admin1}",
        "keys: {password: Tr0ub4dor}",
        "monkeys: {password: shop-admin1}",
    ],
)
def test_password_is_a_credential(text: str) -> None:
    assert [kind for _, kind in kinds_in_values(text, ())] == ["a literal"]


def test_key_of_one_provider_is_told_once() -> None:
    for key, kind in (
        ("sk-ant-api03-Zk9wQm4Rt7uXvB2nLs8H", "an Anthropic key"),
        ("sk-Zk9wQm4Rt7uXvB2nLs8HdJ", "an OpenAI key"),
    ):
        assert credential_kinds(f"KEY={key}") == (kind,)
