"""Accounts of the suite's users, and the requests by which they sign up and in, as the target describes them."""

from __future__ import annotations

import re
import secrets
from collections.abc import Mapping
from typing import Any

from acceptance.core.target import Auth, Screens

REQUIRED_CHARACTERS = "Aa1!"
"""One character of each class that password policies require: upper case, lower case, digit, special character."""

_PLACEHOLDER = re.compile(r"\{(name|email|password)\}")


def random_password() -> str:
    """Return a new password of 24 letters, digits and `!`, which satisfies common policies."""
    return f"{REQUIRED_CHARACTERS}{secrets.token_hex(10)}"


def random_account() -> dict[str, str]:
    """Return a new account: name, email and password. The name has letters and digits only, as user names do."""
    name = f"user{secrets.token_hex(6)}"
    return {"name": name, "email": f"{name}@example.com", "password": random_password()}


def sign_up_body(auth: Auth, account: Mapping[str, str]) -> dict[str, Any]:
    """Return the JSON with which an account signs up."""
    return {name: _filled(value, account) for name, value in auth.sign_up_fields.items()}


def sign_in_body(auth: Auth, account: Mapping[str, str]) -> dict[str, Any]:
    """Return the fields with which an account signs in."""
    return {name: _filled(value, account) for name, value in auth.sign_in_fields.items()}


def sign_in_content(auth: Auth, account: Mapping[str, str]) -> dict[str, Any]:
    """Return the arguments of a request of `requests` with which an account signs in: JSON, or a form."""
    body = sign_in_body(auth, account)
    return {"data": body} if auth.sign_in_format == "form" else {"json": body}


def sign_up_entries(screens: Screens, account: Mapping[str, str]) -> dict[str, str]:
    """Return what is entered on the page for signing up, by the labels of its fields."""
    named = {screens.name: account["name"]} if screens.name else {}
    again = {screens.password_again: account["password"]} if screens.password_again else {}
    return named | {screens.email: account["email"], screens.password: account["password"]} | again


def sign_in_entries(screens: Screens, auth: Auth, account: Mapping[str, str]) -> dict[str, str]:
    """Return what is entered on the page for signing in: the name, where the API asks for it too, else the email."""
    entries = sign_up_entries(screens.model_copy(update={"password_again": None}), account)
    if screens.name:
        entries.pop(screens.email if signs_in_by_name(auth) else screens.name)
    return entries


def signs_in_by_name(auth: Auth) -> bool:
    """Return whether an account's name, not its email, signs in."""
    return asks_for(auth.sign_in_fields, "name")


def asks_for(fields: Mapping[str, Any], what: str) -> bool:
    """Return whether the body of sign-up or sign-in has the account's `name`, `email` or `password`."""
    return f"{{{what}}}" in str(fields)


def _filled(value: Any, account: Mapping[str, str]) -> Any:
    if isinstance(value, Mapping):
        return {name: _filled(each, account) for name, each in value.items()}
    return _PLACEHOLDER.sub(lambda match: account[match[1]], value) if isinstance(value, str) else value
