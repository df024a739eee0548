"""Who wrote a message, in the words of applications: an enumeration's names are often in capitals."""

from __future__ import annotations

SPEAKERS = {
    "user": ("user", "human"),
    "assistant": ("assistant", "ai", "model", "bot", "chatbot", "agent"),
}
"""By the words of OpenAI's APIs: how else the user and the assistant are called."""
OTHERS = ("system", "developer", "tool", "function")
"""Authors of messages that no person has said or read."""


def speaker(word: object) -> str:
    """Return `user` or `assistant` for a word that says who wrote a message; empty for anyone else."""
    return next((name for name, words in SPEAKERS.items() if str(word).lower() in words), "")


def is_known(word: object) -> bool:
    """Return whether a word says who wrote a message."""
    return bool(speaker(word)) or str(word).lower() in OTHERS
