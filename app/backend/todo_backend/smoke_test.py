"""``python -m todo_backend.smoke_test``: check an installed release through its Services. Run by ``helm test``.

Nothing is written: the session is signed for a user who does not exist and who therefore has no tasks. The tasks page
needs the whole chain, because the frontend requests the tasks from the backend, which reads them from the database.
"""

import os
import sys
import time
import urllib.error
import urllib.request

import jwt

from todo_backend.auth import COOKIE

USER = "smoke-test"
SESSION_SECONDS = 60
# The frontend waits up to 8 s for the backend.
TIMEOUT_SECONDS = 10


def session_header(secret: str, public_url: str) -> dict[str, str]:
    claims = {"user": {"id": USER}, "session": {"userId": USER}, "exp": int(time.time()) + SESSION_SECONDS}
    # Better Auth prefixes the cookie's name when browsers use https.
    prefix = "__Secure-" if public_url.startswith("https://") else ""
    return {"Cookie": f"{prefix}{COOKIE}={jwt.encode(claims, secret.encode(), algorithm='HS256')}"}


def problem(url: str, headers: dict[str, str]) -> str | None:
    """Why ``url`` failed, or None. A redirect, for example to the sign-in page, is a failure too."""
    try:
        with urllib.request.urlopen(urllib.request.Request(url, headers=headers), timeout=TIMEOUT_SECONDS) as response:  # noqa: S310
            return None if response.url == url else f"redirected to {response.url}"
    except urllib.error.HTTPError as error:
        return f"status {error.code}"
    except OSError as error:
        return str(error)


def main() -> None:
    frontend, backend = os.environ["FRONTEND_URL"], os.environ["BACKEND_URL"]
    session = session_header(os.environ["BETTER_AUTH_SECRET"], os.environ["BETTER_AUTH_URL"])
    requests = {f"{backend}/health": {}, f"{frontend}/health": {}, f"{frontend}/tasks": session}
    problems = {url: problem(url, headers) for url, headers in requests.items()}
    for url, found in problems.items():
        print(f"smoke test: {url}: {found or 'ok'}", flush=True)  # noqa: T201
    if any(problems.values()):
        sys.exit(1)


if __name__ == "__main__":
    main()
