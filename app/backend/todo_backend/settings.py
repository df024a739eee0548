"""Settings, read once from the environment at startup and validated as a whole."""

from typing import Annotated, Literal
from urllib.parse import urlsplit

from pydantic import AfterValidator, BeforeValidator, Field, ValidationError
from pydantic_settings import BaseSettings, NoDecode, SettingsConfigDict

from todo_backend import database_url

# Shorter keys can be found by a dictionary attack on a single token.
SECRET_CHARACTERS = 32


class SettingsError(Exception):
    """One sentence that names every missing or invalid variable, and never contains the value of a secret."""


def _signing_key(text: str) -> bytes:
    if len(text) < SECRET_CHARACTERS:
        raise ValueError(f"has {len(text)} characters, needs {SECRET_CHARACTERS} or more")
    return text.encode()


def _boolean(text: str) -> bool:
    if text not in ("true", "false"):
        raise ValueError(f"is {text!r}, not true or false")
    return text == "true"


def _origins(text: str) -> tuple[str, ...]:
    origins = tuple(part for part in (part.strip() for part in text.split(",")) if part)
    for origin in origins:
        parts = urlsplit(origin)
        if parts.scheme not in ("http", "https") or origin != f"{parts.scheme}://{parts.netloc}" or not parts.netloc:
            raise ValueError(f"contains {origin!r}, which is not an origin such as http://localhost:3000")
    return origins


Seconds = Annotated[int, Field(ge=0, le=600)]


class Settings(BaseSettings):
    """Settings of a server process; each field is read from the environment variable in its alias.

    ``conninfo`` is the connection URI for libpq, ``signing_key`` the raw bytes that Better Auth signs with.
    ``drain_seconds`` is how long a terminating process continues to listen, ``model_seconds`` the time limit for the
    model in one chat turn.
    """

    model_config = SettingsConfigDict(
        case_sensitive=True,
        env_ignore_empty=True,
        extra="ignore",
        frozen=True,
        hide_input_in_errors=True,
        validate_default=False,
    )

    # repr=False keeps secrets out of tracebacks and logs.
    conninfo: Annotated[str, AfterValidator(database_url.conninfo)] = Field(alias="DATABASE_URL", repr=False)
    signing_key: Annotated[bytes, BeforeValidator(_signing_key)] = Field(alias="BETTER_AUTH_SECRET", repr=False)
    openai_api_key: str = Field(alias="OPENAI_API_KEY", repr=False)
    openai_base_url: str | None = Field(None, alias="OPENAI_BASE_URL")
    openai_model: str = Field("gpt-4.1-mini", alias="OPENAI_MODEL")
    environment: Literal["development", "staging", "production"] = Field("development", alias="ENVIRONMENT")
    debug: Annotated[bool, BeforeValidator(_boolean)] = Field(False, alias="DEBUG")
    cors_origins: Annotated[tuple[str, ...], NoDecode, BeforeValidator(_origins)] = Field(
        ("http://localhost:3000",), alias="CORS_ORIGINS"
    )
    pod_name: str = Field("todo-backend", alias="POD_NAME")
    version: str = Field("unknown", alias="APP_VERSION")
    host: str = Field("0.0.0.0", alias="HOST")  # noqa: S104
    port: int = Field(8000, alias="PORT", ge=1, le=65535)
    pool_size: int = Field(5, alias="DATABASE_POOL_SIZE", ge=1, le=100)
    drain_seconds: Seconds = Field(4, alias="DRAIN_SECONDS")
    model_seconds: Seconds = Field(30, alias="MODEL_TIMEOUT_SECONDS")
    model_retries: int = Field(0, alias="MODEL_RETRIES", ge=0, le=5)


def read() -> Settings:
    """Settings from the environment.

    Raises:
        SettingsError: if any variable is missing or invalid.
    """
    try:
        return Settings()
    except ValidationError as error:
        problems = [f"{each['loc'][0]} {_sentence(each['type'], each['msg'])}" for each in error.errors()]
        # The cause would show the values in a traceback.
        raise SettingsError("bad environment: " + "; ".join(problems)) from None


def _sentence(kind: str, message: str) -> str:
    if kind == "missing":
        return "is missing"
    return message.removeprefix("Value error, ").replace("Input should be", "must be", 1)
