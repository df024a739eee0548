"""Run by Alembic: the connection, with its transaction and lock, is todo_backend.migrate's."""

from alembic import context

context.configure(connection=context.config.attributes["connection"])
context.run_migrations()
