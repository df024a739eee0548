"""Run by Alembic, on the connection, transaction and lock of todo_backend.migrate."""

from alembic import context

context.configure(connection=context.config.attributes["connection"])
context.run_migrations()
