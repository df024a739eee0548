"""The application: routes, and what each failure says to the caller."""

import logging
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from fastapi import FastAPI, Request
from fastapi.exceptions import RequestValidationError
from fastapi.middleware.cors import CORSMiddleware
from fastapi.responses import JSONResponse
from psycopg.errors import ForeignKeyViolation
from sqlalchemy.exc import IntegrityError
from sqlalchemy.orm.exc import StaleDataError

from todo_backend import chat, tags, tasks
from todo_backend.agent import Agent, ModelAwayError, ModelFailedError
from todo_backend.database import Database, DatabaseAwayError
from todo_backend.settings import Settings

log = logging.getLogger(__name__)


def create_app(settings: Settings) -> FastAPI:
    @asynccontextmanager
    async def lifespan(app: FastAPI) -> AsyncIterator[None]:
        database = Database(settings.conninfo, application_name=settings.pod_name, pool_size=settings.pool_size)
        app.state.settings, app.state.database, app.state.agent = settings, database, Agent(settings)
        yield
        await database.close()

    app = FastAPI(
        title="Todo Chatbot",
        version=settings.version,
        lifespan=lifespan,
        # Its pages load their scripts from elsewhere.
        docs_url=None if settings.environment == "production" else "/docs",
        redoc_url=None,
    )
    app.add_middleware(
        CORSMiddleware,
        allow_origins=settings.cors_origins,
        allow_credentials=True,
        allow_methods=["GET", "POST", "PUT", "PATCH", "DELETE"],
        allow_headers=["Authorization", "Content-Type", "X-Request-ID"],
        expose_headers=["X-Request-ID"],
    )
    for router in (tasks.router, tags.router, chat.router):
        app.include_router(router)

    @app.get("/health", tags=["operation"])
    async def health() -> dict[str, str]:
        """Of this process alone: with the database away a restart would help nobody."""
        return {"status": "ok"}

    @app.exception_handler(RequestValidationError)
    async def unprocessable(_: Request, error: RequestValidationError) -> JSONResponse:
        # FastAPI's own answer repeats the input, which may be large or not even encodable.
        kept = [{key: item[key] for key in ("loc", "msg", "type")} for item in error.errors()]
        return JSONResponse({"detail": kept}, 422)

    @app.exception_handler(DatabaseAwayError)
    async def database_away(_: Request, error: DatabaseAwayError) -> JSONResponse:
        log.warning("database away: %s", error)
        return JSONResponse({"detail": "the database is not answering, try again later"}, 503)

    @app.exception_handler(ModelAwayError)
    async def model_away(_: Request, error: ModelAwayError) -> JSONResponse:
        log.warning("model away: %s", error)
        return JSONResponse({"detail": "the model is not answering, try again later; nothing was stored"}, 503)

    @app.exception_handler(ModelFailedError)
    async def model_failed(_: Request, error: ModelFailedError) -> JSONResponse:
        log.warning("model failed: %s", error, exc_info=error.__cause__)
        return JSONResponse({"detail": "the model gave no usable answer; nothing was stored"}, 502)

    @app.exception_handler(StaleDataError)
    async def changed_meanwhile(_: Request, __: StaleDataError) -> JSONResponse:
        return JSONResponse({"detail": "this was changed by another request meanwhile; nothing was stored"}, 409)

    @app.exception_handler(IntegrityError)
    async def no_such_user(_: Request, error: IntegrityError) -> JSONResponse:
        # The one foreign key that a request can break: a good token outlives its user.
        if not isinstance(error.orig, ForeignKeyViolation):
            raise error
        return JSONResponse({"detail": "the account no longer exists"}, 401)

    return app
