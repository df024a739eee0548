"""Live mutants of how the application uses the database, and of what else it needs: outages, migrations, egress."""

from __future__ import annotations

from mutants.applications import APP, DATABASE, TASKS
from mutants.deployments import BACKEND, BEGIN, MAIN
from mutants.edits import replace
from mutants.mutant import mutant

MIGRATE = "app/backend/todo_backend/migrate.py"
FAULTS = "behaviour/test_database_faults.py"
FIVE = "behaviour/test_five_backends.py"
IDLE = "behaviour/test_idle_connections.py"
ALONE = "behaviour/test_standalone.py"
AUTH = "app/frontend/lib/auth.ts"
RUN = "    server.run()\n"
NO_MIGRATION = replace(
    BACKEND, 'command: ["python3", "-m", "todo_backend.migrate"]', 'command: ["python3", "-c", "print(0)"]'
)
"""The init container does nothing."""

MUTANTS = (
    mutant(
        "liveness path that asks the database",
        "POD-20",
        f"{FAULTS}::test_no_container_is_restarted_without_database",
        replace(APP, "from fastapi.responses", "from sqlalchemy import text\nfrom fastapi.responses"),
        replace(
            APP,
            '        return {"status": "ok"}\n',
            "        async with app.state.database.transaction() as session:\n"
            '            await session.execute(text("select 1"))\n'
            '        return {"status": "ok"}\n',
        ),
    ),
    mutant(
        "liveness path that wants a transaction every minute",
        "STA-12",
        f"{IDLE}::test_release_that_nobody_uses_stays_ready",
        replace(DATABASE, "import asyncio\n", "import asyncio\nimport time\n"),
        replace(
            DATABASE,
            "        self._inactivity = InactivityTimeout()\n",
            "        self._inactivity = InactivityTimeout()\n        self.used = time.monotonic()\n",
        ),
        replace(
            DATABASE,
            "            self._inactivity.reset()\n",
            "            self._inactivity.reset()\n            self.used = time.monotonic()\n",
        ),
        replace(APP, "import logging\n", "import logging\nimport time\n"),
        replace(APP, "async def health() -> dict[str, str]:", "async def health() -> JSONResponse:"),
        replace(
            APP,
            '        return {"status": "ok"}\n',
            "        if time.monotonic() - app.state.database.used > 60:\n"
            '            return JSONResponse({"status": "stuck"}, 503)\n'
            '        return JSONResponse({"status": "ok"})\n',
        ),
    ),
    mutant(
        "no time limit for the database",
        "PER-08",
        f"{FAULTS}::test_requests_get_an_error_instead_of_hanging",
        replace(DATABASE, "INACTIVITY_SECONDS = 3.5", "INACTIVITY_SECONDS = 60.0"),
        replace(DATABASE, "TRANSACTION_SECONDS = 7.0", "TRANSACTION_SECONDS = 60.0"),
    ),
    mutant(
        "time limit that does not hold for the commit",
        "PER-08",
        f"{FAULTS}::test_requests_get_an_error_instead_of_hanging",
        replace(
            DATABASE,
            "                self._sessions() as session,\n",
            "                self._sessions.begin() as session,\n",
        ),
        replace(DATABASE, "                await session.commit()\n", ""),
    ),
    mutant(
        "requests refused for a minute after the database failed once",
        "PER-08",
        f"{FAULTS}::test_service_recovers_after_the_database",
        replace(DATABASE, "import asyncio\n", "import asyncio\nimport time\n"),
        replace(
            DATABASE,
            "        try:\n            async with (\n",
            '        if time.monotonic() < getattr(self, "_closed_until", 0.0):\n'
            '            raise DatabaseUnavailableError("it failed within the last minute")\n'
            "        try:\n            async with (\n",
        ),
        replace(
            DATABASE,
            '            cause = getattr(error, "orig", None) or error\n',
            "            self._closed_until = time.monotonic() + 60\n"
            '            cause = getattr(error, "orig", None) or error\n',
        ),
    ),
    mutant(
        "tasks that are acknowledged although the database is unavailable",
        "PER-08",
        f"{FAULTS}::test_acknowledged_writes_survive_database_faults",
        replace(TASKS, "from fastapi import", "from datetime import UTC, datetime\n\nfrom fastapi import"),
        replace(
            TASKS,
            "from todo_backend.dependencies",
            "from todo_backend.database import DatabaseUnavailableError\nfrom todo_backend.dependencies",
        ),
        replace(
            TASKS,
            "async def create_task(owner: Owner, body: TaskIn, database: DatabaseDep) -> TaskOut:\n",
            "async def create_task(owner: Owner, body: TaskIn, database: DatabaseDep) -> TaskOut:\n"
            "    try:\n"
            "        return await _store(owner, body, database)\n"
            "    except DatabaseUnavailableError:\n"
            "        now = datetime.now(UTC)\n"
            "        fields = {'title': body.title, 'description': '', 'completed': False, 'tags': []}\n"
            "        return TaskOut(id=0, created_at=now, updated_at=now, **fields)\n\n\n"
            "async def _store(owner: Owner, body: TaskIn, database: DatabaseDep) -> TaskOut:\n",
        ),
    ),
    mutant(
        "pool without a limit",
        "PER-03",
        f"{FIVE}::test_connections_stay_within_the_pools",
        replace(DATABASE, "pool_size=pool_size,", "pool_size=0,"),
    ),
    mutant(
        "migrations without a lock",
        "REL-02",
        f"{FIVE}::test_five_migrations_at_once_complete_the_schema",
        # The pods do not start in the same second on a busy machine.
        replace(
            MIGRATE,
            "            _lock(connection)\n            _upgrade(connection)\n",
            "            _upgrade(connection)\n            __import__('time').sleep(6)\n",
        ),
    ),
    mutant(
        "migration that adds a tag each time",
        "REL-02",
        f"{FIVE}::test_migrations_run_again_change_no_row",
        replace(
            MIGRATE,
            "            _upgrade(connection)\n",
            "            _upgrade(connection)\n"
            "            users = 'insert into tag (user_id, name) select id, md5(random()::text) from \"user\"'\n"
            "            connection.execute(text(users))\n",
        ),
    ),
    mutant(
        "migration by the server after its start",
        "REL-01",
        f"{FIVE}::test_migrations_end_before_the_backend_starts",
        NO_MIGRATION,
        replace(
            MAIN,
            RUN,
            "    import subprocess\n\n"
            '    subprocess.run([sys.executable, "-m", "todo_backend.migrate"], check=True)\n' + RUN,
        ),
    ),
    mutant(
        "backend that asks a server of the internet at its start",
        "IMG-09",
        f"{ALONE}::test_image_starts_without_egress",
        replace(
            MAIN,
            BEGIN,
            BEGIN
            + "    import urllib.request\n\n"
            + '    urllib.request.urlopen("https://example.com", timeout=5).close()\n',
        ),
    ),
    mutant(
        "sign-up that asks a server of the internet",
        "IMG-09",
        f"{ALONE}::test_images_serve_users_without_egress",
        replace(
            AUTH,
            "    const response = await auth().handler(request);\n",
            '    await fetch("https://example.com");\n    const response = await auth().handler(request);\n',
        ),
    ),
    mutant(
        "production values that pull an image of no registry",
        "CHT-11",
        "behaviour/test_shipped_values.py",
        replace(
            "chart/values-production.yaml",
            "    tag: 0.1.0\n  autoscaling:",
            "    tag: 0.1.0\n    pullPolicy: Always\n  autoscaling:",
        ),
    ),
)
