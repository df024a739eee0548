"""What waits for the database ends when nothing is heard of it, and not before."""

import asyncio

import pytest

from todo_backend import database
from todo_backend.database import Silence


async def limited(silence: Silence, waiting: asyncio.Event, seconds: float) -> bool:
    """Whether a wait of ``seconds`` was ended."""
    try:
        async with silence.limit():
            waiting.set()
            await asyncio.sleep(seconds)
    except TimeoutError:
        return True
    return False


def test_silence_ends_a_wait_and_an_answer_to_another_prolongs_it(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(database, "SILENCE_SECONDS", 0.5)

    async def both() -> list[bool]:
        alone, accompanied = Silence(), Silence()
        waiting = asyncio.Event()
        waits = asyncio.gather(limited(alone, asyncio.Event(), 0.8), limited(accompanied, waiting, 0.8))
        await waiting.wait()
        asyncio.get_running_loop().call_later(0.4, accompanied.heard)
        return list(await waits)

    assert asyncio.run(both()) == [True, False]


def test_a_wait_that_has_ended_is_not_prolonged(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(database, "SILENCE_SECONDS", 0)

    async def wait() -> None:
        silence = Silence()
        async with silence.limit():
            try:
                await asyncio.sleep(1)
            finally:
                silence.heard()

    with pytest.raises(TimeoutError):
        asyncio.run(wait())
