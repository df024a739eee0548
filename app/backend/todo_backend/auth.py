"""Authentication by Better Auth's stateless session: an HS256 JWT in a bearer token or a cookie."""

from typing import Annotated, cast

import jwt
from fastapi import Depends, HTTPException, Request
from fastapi.security import HTTPAuthorizationCredentials, HTTPBearer

from todo_backend.settings import Settings

COOKIE = "better-auth.session_data"
_bearer = HTTPBearer(auto_error=False, description=f"Or the cookie `{COOKIE}`.")


class BadTokenError(Exception):
    """The token is not a valid, unexpired session token of Better Auth."""


def user_of(token: str, key: bytes) -> str:
    """The user ID in a session token, verified without the database.

    Better Auth signs other tokens (mail verification) with the same secret, so the token must have a session claim and
    a user claim for the same user.

    Raises:
        BadTokenError: for any other token.
    """
    try:
        # iat was set by the clock of another machine, so only exp is verified.
        claims = jwt.decode(token, key, algorithms=["HS256"], options={"require": ["exp"], "verify_iat": False})
    except (jwt.PyJWTError, ValueError) as error:
        raise BadTokenError(str(error)) from error
    user, session = claims.get("user"), claims.get("session")
    if not isinstance(user, dict) or not isinstance(session, dict):
        raise BadTokenError("not a session token")
    user_id = user.get("id")
    if not isinstance(user_id, str) or not user_id or session.get("userId") != user_id:
        raise BadTokenError("session and user do not agree")
    return user_id


def session_cookie(cookies: dict[str, str]) -> str | None:
    """The session token in ``cookies``; Better Auth prefixes the name with https and splits long values."""
    for name in (f"__Secure-{COOKIE}", COOKIE):
        if name in cookies:
            return cookies[name]
        pieces: list[str] = []
        while (piece := cookies.get(f"{name}.{len(pieces)}")) is not None:
            pieces.append(piece)
        if pieces:
            return "".join(pieces)
    return None


def _owner(
    user_id: str,
    request: Request,
    bearer: Annotated[HTTPAuthorizationCredentials | None, Depends(_bearer)],
) -> str:
    token = bearer.credentials if bearer else session_cookie(request.cookies)
    if not token:
        raise HTTPException(401, "sign in first", headers={"WWW-Authenticate": "Bearer"})
    try:
        caller = user_of(token, cast(Settings, request.app.state.settings).signing_key)
    except BadTokenError:
        raise HTTPException(
            401, "the session is not valid, sign in again", headers={"WWW-Authenticate": "Bearer"}
        ) from None
    if caller != user_id:
        raise HTTPException(403, "this belongs to another user")
    return caller


# The user in the request's path, who must be the authenticated user.
Owner = Annotated[str, Depends(_owner)]
