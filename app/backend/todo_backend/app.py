"""The FastAPI application: routes and the responses to errors."""

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
from todo_backend.agent import Agent, ModelFailedError, ModelUnavailableError
from todo_backend.database import Database, DatabaseUnavailableError
from todo_backend.settings import Settings

log = logging.getLogger(__name__)


def create_app(settings: Settings) -> FastAPI:
    @asynccontextmanager
    async def lifespan(app: FastAPI) -> AsyncIterator[None]:
        database = Database(settings.conninfo, application_name=settings.pod_name, pool_size=settings.pool_size)
        app.state.settings, app.state.database, app.state.agent = settings, database, Agent(settings)
        # Before the first request: on a busy node it would wait for the connection, and the requests behind it too.
        await database.warm_up()
        yield
        await database.close()

    app = FastAPI(
        title="Todo Chatbot",
        version=settings.version,
        lifespan=lifespan,
        # The documentation pages load scripts from other hosts.
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
        """Reports this process only: a restart would not help if the database is unavailable."""
        return {"status": "ok"}

    @app.exception_handler(RequestValidationError)
    async def unprocessable(_: Request, error: RequestValidationError) -> JSONResponse:
        # The default response of FastAPI repeats the input, which may be large or not encodable.
        kept = [{key: item[key] for key in ("loc", "msg", "type")} for item in error.errors()]
        return JSONResponse({"detail": kept}, 422)

    @app.exception_handler(DatabaseUnavailableError)
    async def database_unavailable(_: Request, error: DatabaseUnavailableError) -> JSONResponse:
        log.warning("database unavailable: %s", error)
        return JSONResponse({"detail": "the database is unavailable, try again later"}, 503)

    @app.exception_handler(ModelUnavailableError)
    async def model_unavailable(_: Request, error: ModelUnavailableError) -> JSONResponse:
        log.warning("model unavailable: %s", error)
        return JSONResponse({"detail": "the model is unavailable, try again later; nothing was stored"}, 503)

    @app.exception_handler(ModelFailedError)
    async def model_failed(_: Request, error: ModelFailedError) -> JSONResponse:
        log.warning("model failed: %s", error, exc_info=error.__cause__)
        return JSONResponse({"detail": "the model returned no usable response; nothing was stored"}, 502)

    @app.exception_handler(StaleDataError)
    async def concurrent_change(_: Request, __: StaleDataError) -> JSONResponse:
        return JSONResponse({"detail": "this was changed by another request at the same time; nothing was stored"}, 409)

    @app.exception_handler(IntegrityError)
    async def unknown_user(_: Request, error: IntegrityError) -> JSONResponse:
        # The only foreign key that a request can violate: a valid token may outlive its user.
        if not isinstance(error.orig, ForeignKeyViolation):
            raise error
        return JSONResponse({"detail": "the account no longer exists"}, 401)

    return app
