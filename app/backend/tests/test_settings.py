"""Settings: every problem in one sentence, no secret in it."""

import pytest

from todo_backend.settings import SettingsError, read

GOOD = {
    "DATABASE_URL": "postgresql://u:hidden@h/d",
    "BETTER_AUTH_SECRET": "0123456789abcdef0123456789abcdef",
    "OPENAI_API_KEY": "sk-proj-hidden",
}


def test_the_required_ones_are_enough() -> None:
    settings = read(GOOD | {"CORS_ORIGINS": "http://a:3000, https://b"})
    assert settings.cors_origins == ("http://a:3000", "https://b")
    assert (settings.port, settings.debug, settings.model_retries) == (8000, False, 0)


def test_all_that_is_missing_is_named_at_once() -> None:
    with pytest.raises(SettingsError) as refusal:
        read({})
    for name in GOOD:
        assert f"{name} is missing" in str(refusal.value)


@pytest.mark.parametrize(
    ("name", "value"),
    [
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
    ],
)
def test_a_bad_value_is_refused_by_name(name: str, value: str) -> None:
    with pytest.raises(SettingsError, match=name) as refusal:
        read(GOOD | {name: value})
    assert "hidden" not in str(refusal.value)
