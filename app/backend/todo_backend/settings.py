"""Settings, read once from the environment and refused at start when they are bad."""

import os
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import TypeVar
from urllib.parse import urlsplit

from todo_backend.database_url import conninfo

T = TypeVar("T")

# Shorter keys are within reach of a dictionary attack on any token seen once.
SECRET_CHARACTERS = 32


class SettingsError(Exception):
    """One sentence that names every variable that is missing or bad; never a secret's value."""


# No repr: it would put the secrets into a traceback or a log.
@dataclass(frozen=True, repr=False)
class Settings:
    """What a server process needs to know.

    ``conninfo`` is what libpq is given; ``signing_key`` the raw bytes that Better Auth signs with.
    ``drain_seconds`` is how long a stopping process goes on listening, ``model_seconds`` how long one chat
    turn may take in the model, both in seconds.
    """

    conninfo: str
    signing_key: bytes
    openai_api_key: str
    openai_base_url: str | None
    openai_model: str
    environment: str
    debug: bool
    cors_origins: tuple[str, ...]
    pod_name: str
    version: str
    host: str
    port: int
    pool_size: int
    drain_seconds: float
    model_seconds: float
    model_retries: int


def read(environ: Mapping[str, str] = os.environ) -> Settings:
    """Settings from ``environ``.

    Raises:
        SettingsError: when any variable is missing or bad.
    """
    problems: list[str] = []

    def take(name: str, parse: Callable[[str], T], default: str | None = None) -> T:
        text = environ.get(name, "") or default
        try:
            if text is None:
                raise ValueError("is missing")
            return parse(text)
        except ValueError as error:
            problems.append(f"{name} {error}")
            # Never used: a problem raises below.
            return None  # type: ignore[return-value]

    settings = Settings(
        conninfo=take("DATABASE_URL", conninfo),
        signing_key=take("BETTER_AUTH_SECRET", _signing_key),
        openai_api_key=take("OPENAI_API_KEY", str),
        openai_base_url=environ.get("OPENAI_BASE_URL") or None,
        openai_model=take("OPENAI_MODEL", str, "gpt-5-mini"),
        environment=take("ENVIRONMENT", _environment, "development"),
        debug=take("DEBUG", _boolean, "false"),
        cors_origins=take("CORS_ORIGINS", _origins, "http://localhost:3000"),
        pod_name=take("POD_NAME", str, "todo-backend"),
        version=take("APP_VERSION", str, "unknown"),
        host=take("HOST", str, "0.0.0.0"),  # noqa: S104
        port=take("PORT", _port, "8000"),
        pool_size=take("DATABASE_POOL_SIZE", _positive, "5"),
        drain_seconds=take("DRAIN_SECONDS", _seconds, "4"),
        model_seconds=take("MODEL_TIMEOUT_SECONDS", _seconds, "30"),
        model_retries=take("MODEL_RETRIES", _retries, "0"),
    )
    if problems:
        raise SettingsError("bad environment: " + "; ".join(problems))
    return settings


def _signing_key(text: str) -> bytes:
    if len(text) < SECRET_CHARACTERS:
        raise ValueError(f"has {len(text)} characters, needs {SECRET_CHARACTERS} or more")
    return text.encode()


def _environment(text: str) -> str:
    if text not in ("development", "staging", "production"):
        raise ValueError(f"is {text!r}, not development, staging or production")
    return text


def _boolean(text: str) -> bool:
    if text not in ("true", "false"):
        raise ValueError(f"is {text!r}, not true or false")
    return text == "true"


def _origins(text: str) -> tuple[str, ...]:
    origins = tuple(part for part in (part.strip() for part in text.split(",")) if part)
    for origin in origins:
        parts = urlsplit(origin)
        if parts.scheme not in ("http", "https") or origin != f"{parts.scheme}://{parts.netloc}" or not parts.netloc:
            raise ValueError(f"holds {origin!r}, which is not an origin such as http://localhost:3000")
    return origins


def _integer(text: str, low: int, high: int) -> int:
    if not text.isascii() or not text.isdigit() or not low <= int(text) <= high:
        raise ValueError(f"is {text!r}, not a whole number from {low} to {high}")
    return int(text)


def _port(text: str) -> int:
    return _integer(text, 1, 65535)


def _positive(text: str) -> int:
    return _integer(text, 1, 100)


def _seconds(text: str) -> float:
    return float(_integer(text, 0, 600))


def _retries(text: str) -> int:
    return _integer(text, 0, 5)
