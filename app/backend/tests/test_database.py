"""Waits for the database are cancelled after inactivity, and not before."""

import asyncio

import pytest

from todo_backend import database
from todo_backend.database import InactivityTimeout


async def limited(inactivity: InactivityTimeout, waiting: asyncio.Event, seconds: float) -> bool:
    """Whether a wait of ``seconds`` was cancelled."""
    try:
        async with inactivity.limit():
            waiting.set()
            await asyncio.sleep(seconds)
    except TimeoutError:
        return True
    return False


def test_inactivity_cancels_a_wait_and_a_reset_extends_it(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(database, "INACTIVITY_SECONDS", 0.5)

    async def both() -> list[bool]:
        alone, accompanied = InactivityTimeout(), InactivityTimeout()
        waiting = asyncio.Event()
        waits = asyncio.gather(limited(alone, asyncio.Event(), 0.8), limited(accompanied, waiting, 0.8))
        await waiting.wait()
        asyncio.get_running_loop().call_later(0.4, accompanied.reset)
        return list(await waits)

    assert asyncio.run(both()) == [True, False]


def test_an_expired_wait_is_not_extended(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(database, "INACTIVITY_SECONDS", 0)

    async def wait() -> None:
        inactivity = InactivityTimeout()
        async with inactivity.limit():
            try:
                await asyncio.sleep(1)
            finally:
                inactivity.reset()

    with pytest.raises(TimeoutError):
        asyncio.run(wait())
