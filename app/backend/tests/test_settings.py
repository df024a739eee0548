"""Settings: every problem in one sentence, without secrets."""

import pytest

from todo_backend.settings import Settings, SettingsError, read

VALID = {
    "DATABASE_URL": "postgresql://u:hidden@h/d",
    "BETTER_AUTH_SECRET": "0123456789abcdef0123456789abcdef",
    "OPENAI_API_KEY": "sk-proj-hidden",
}


@pytest.fixture(autouse=True)
def environment(monkeypatch: pytest.MonkeyPatch) -> None:
    for field in Settings.model_fields.values():
        monkeypatch.delenv(str(field.alias), raising=False)
    for name, value in VALID.items():
        monkeypatch.setenv(name, value)


def test_the_required_variables_are_enough(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("CORS_ORIGINS", "http://a:3000, https://b")
    settings = read()
    assert settings.cors_origins == ("http://a:3000", "https://b")
    assert settings.signing_key == VALID["BETTER_AUTH_SECRET"].encode()
    assert (settings.port, settings.debug, settings.model_retries) == (8000, False, 0)


def test_every_variable_is_read_by_its_name(monkeypatch: pytest.MonkeyPatch) -> None:
    given = {"OPENAI_BASE_URL": "http://m/v1", "OPENAI_MODEL": "m", "DEBUG": "true", "PORT": "81", "DRAIN_SECONDS": "9"}
    for name, value in given.items():
        monkeypatch.setenv(name, value)
    settings = read()
    assert (settings.openai_base_url, settings.openai_model) == ("http://m/v1", "m")
    assert (settings.debug, settings.port, settings.drain_seconds) == (True, 81, 9)


def test_an_empty_variable_is_an_absent_one(monkeypatch: pytest.MonkeyPatch) -> None:
    for field in Settings.model_fields.values():
        if field.alias not in VALID:
            monkeypatch.setenv(str(field.alias), "")
    assert read().environment == "development"
    monkeypatch.setenv("OPENAI_API_KEY", "")
    with pytest.raises(SettingsError, match="OPENAI_API_KEY is missing"):
        read()


def test_all_missing_and_invalid_variables_are_named_at_once(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in VALID:
        monkeypatch.delenv(name)
    monkeypatch.setenv("PORT", "many")
    with pytest.raises(SettingsError) as refusal:
        read()
    for name in VALID:
        assert f"{name} is missing" in str(refusal.value)
    assert "PORT must be a valid integer" in str(refusal.value)


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("DATABASE_URL", "mysql://u:hidden@h/d"),
        ("BETTER_AUTH_SECRET", "hidden"),
        ("ENVIRONMENT", "prod"),
        ("DEBUG", "yes"),
        ("CORS_ORIGINS", "http://a/path"),
        ("CORS_ORIGINS", "*"),
        ("PORT", "0"),
        ("PORT", "65536"),
        ("PORT", "tcp://10.0.0.1:80"),
        ("DATABASE_POOL_SIZE", "0"),
        ("DRAIN_SECONDS", "-1"),
        ("DRAIN_SECONDS", "0.5"),
        ("MODEL_RETRIES", "6"),
    ],
)
def test_an_invalid_value_is_refused_by_name(monkeypatch: pytest.MonkeyPatch, name: str, value: str) -> None:
    monkeypatch.setenv(name, value)
    with pytest.raises(SettingsError, match=f"bad environment: {name} ") as refusal:
        read()
    assert "hidden" not in str(refusal.value)


def test_the_representation_contains_no_secret() -> None:
    assert "hidden" not in repr(read())
    assert VALID["BETTER_AUTH_SECRET"] not in repr(read())
