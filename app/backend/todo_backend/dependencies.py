"""Dependencies of the endpoints."""

from typing import Annotated, cast

from fastapi import Depends, Request

from todo_backend.database import Database


def _database(request: Request) -> Database:
    return cast(Database, request.app.state.database)


DatabaseDep = Annotated[Database, Depends(_database)]
