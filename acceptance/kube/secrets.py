"""Decodes the data of Secrets."""

from __future__ import annotations

import base64
import binascii

from acceptance.core.fields import Object, mapping_at


def decode(value: object) -> str | None:
    """Decode base64 of UTF-8 text; None if the value is not that."""
    if not isinstance(value, str):
        return None
    try:
        return base64.b64decode(value.replace("\n", ""), validate=True).decode("utf-8")
    except (binascii.Error, ValueError):
        return None


def decoded(secret: Object) -> dict[str, str]:
    """Return a Secret's text values by key; `stringData` overrides decoded `data`."""
    values = {str(key): decode(value) for key, value in mapping_at(secret, "data").items()}
    values |= {
        str(key): value if isinstance(value, str) else None for key, value in mapping_at(secret, "stringData").items()
    }
    return {key: value for key, value in values.items() if value is not None}
