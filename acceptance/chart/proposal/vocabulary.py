"""What a name says of a value: names of variables, keys and value paths, as charts commonly spell them."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator

SPECIFIED_KEYS = {"database_url": "DATABASE_URL", "auth_secret": "BETTER_AUTH_SECRET", "model_key": "OPENAI_API_KEY"}
PROVIDERS = "openai|azureopenai|gemini|google|googleai|genai|anthropic|claude|groq|openrouter|mistral|deepseek|cohere"
MEANINGS: dict[str, tuple[tuple[str, int], ...]] = {
    "database_url": (
        (r"databaseur[li]", 9),
        (r".*databaseur[li]", 7),
        (r".*(postgres|postgresql|pg|neon|db|sql)(connection|database)?(ur[li]|dsn)", 6),
        (r".*(database|db|postgres|postgresql|pg|neon).*(connectionstring|dsn)|databaseconnection|connectionstring", 5),
        (r"(credentials?|secrets?)(database|db|postgres|postgresql)", 4),
    ),
    "auth_secret": (
        (r"betterauthsecret(key)?", 9),
        (r".*betterauthsecret(key)?", 8),
        (r"(next|app)?authsecret(key)?", 7),
        (r".*jwt(signing|auth)?(secret|key|secretkey)", 6),
        (r".*(authsecret|authkey|sessionsecret|sessionkey|signingkey|signingsecret|tokensecret)(key)?", 5),
        (r"(app|application)?secretkey|appsecret|authtoken", 4),
    ),
    "model_key": (
        (r"openaiapikey", 9),
        (r".*openai(api)?(key|token)", 8),
        (rf".*({PROVIDERS}|llm|model|agent)(api)?(key|token)", 6),
        (r"aiapikey|aikey", 5),
        (rf"(credentials?|secrets?)({PROVIDERS}|llm|model)", 5),
    ),
    "environment": (
        (r"environment", 9),
        (r"(app|application|deployment|deploy|python|fastapi|api|backend|runtime)env(ironment)?", 7),
        (r"env", 5),
        (r"nodeenv", 2),
    ),
    "debug": ((r"debug", 9), (r"(app|api|backend|fastapi)?debug(mode|enabled)?", 7)),
    "cors_origins": (
        (r"corsorigins", 9),
        (r".*cors(allow|allowed)?origins?", 8),
        (r".*(allow|allowed|trusted)origins?", 6),
        (r"cors", 4),
    ),
    "model_base_url": (
        (r"openaibaseur[li]", 9),
        (rf".*({PROVIDERS}|llm|model|ai|agent)(api)?(base|baseur[li]|endpoint|apibase|apiur[li]|ur[li]|host)", 7),
    ),
    "model": (
        (r"openaimodel(name|id)?", 9),
        (rf".*({PROVIDERS}|llm|ai|agent|chat)model(name|id)?", 7),
        (r"model(name|id)?", 5),
    ),
    "public_url": (
        (r"betterauthur[li]|publicur[li]", 9),
        (r"nextauthur[li]", 8),
        (r"(nextpublic)?(app|site|web|frontend|public|external|betterauth|base)(base)?(ur[li]|origin)", 6),
    ),
}
"""For each meaning, regular expressions of the whole normalized name, the most certain first."""
SPECIFIED = 9
"""The rank of the specification's own names, however they are spelled."""
NO_VALUE = re.compile(r"existing|secretname|secretref|domainkey|keyname|secretkeyref|configmapname")
"""Names that look like a credential's and hold another object's name, or a public key."""


def normalized(name: str) -> str:
    """Return only letters and digits, in lower case."""
    return "".join(filter(str.isalnum, name)).lower()


def rank(name: str, meaning: str) -> int:
    """Return how certainly a name has a meaning: 0 if it has not."""
    word = normalized(name)
    if NO_VALUE.search(word):
        return 0
    return next((points for pattern, points in MEANINGS[meaning] if re.fullmatch(pattern, word)), 0)


def path_rank(path: str, meaning: str) -> int:
    """Return the rank of a value path: of its last key, or of its last keys together (`database.url`).

    What is below the name of another object is a key of it, as in `existingSecretKeys.databaseUrl`.
    """
    keys = path.split(".")
    if any(NO_VALUE.search(normalized(key)) for key in keys[:-1]):
        return 0
    return max(rank("".join(keys[-count:]), meaning) for count in (1, 2, 3))


def credential_of(path: str) -> str | None:
    """Return the credential that a value path's name suggests, or None."""
    ranks = {name: path_rank(path, name) for name in SPECIFIED_KEYS}
    best = max(ranks, key=lambda name: ranks[name])
    return best if ranks[best] else None


def best_named(names: Iterable[str], meaning: str) -> str | None:
    """Return the name that has the meaning most certainly, the first among equals; None if no name has it."""
    found = [(rank(name, meaning), name) for name in names]
    best = max(found, key=lambda pair: pair[0], default=(0, ""))
    return best[1] if best[0] else None


def words(text: str) -> Iterator[str]:
    """Yield the words of a name in lower case: `todo-backendApi` has `todo`, `backend` and `api`."""
    yield from (word.lower() for word in re.findall(r"[A-Z]?[a-z]+|[A-Z]+(?![a-z])", text))
