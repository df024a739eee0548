"""Mutants of a release: edits of a copy of chart and application, for what only a release that runs shows."""

from __future__ import annotations

from dataclasses import dataclass

from mutants.charts import Edit, replace

HELPERS = "chart/templates/_helpers.tpl"
VALUES = "chart/values.yaml"
BACKEND = "chart/templates/backend-deployment.yaml"
BACKEND_SERVICE = "chart/templates/backend-service.yaml"
AUTOSCALER = "chart/templates/hpa.yaml"
EDGE = "app/backend/todo_backend/edge.py"
SERVER = "app/backend/todo_backend/server.py"
MAIN = "app/backend/todo_backend/__main__.py"
APP = "app/backend/todo_backend/app.py"
AUTH = "app/backend/todo_backend/auth.py"
CHAT = "app/backend/todo_backend/chat.py"
DATABASE = "app/backend/todo_backend/database.py"
TASKS = "app/backend/todo_backend/tasks.py"
DRAIN = "app/frontend/drain.js"
TASKS_PAGE = "app/frontend/app/(signed-in)/tasks/page.tsx"
ROLLOUT = "test_rollout.py::test_no_request_fails_in_a_rolling_update"


@dataclass(frozen=True)
class Mutant:
    """A copy of chart and application with `edits`, the rule that it breaks, and the tests that must see it."""

    name: str
    rule: str
    tests: tuple[str, ...]
    edits: tuple[Edit, ...]


def _m(name: str, rule: str, test: str, *edits: Edit) -> Mutant:
    return Mutant(name, rule, (f"tests/behaviour/{test}",), edits)


def port_alone(kind: str) -> Edit:
    """The probe of a kind only opens the port, which a process that stands still has open too."""
    asks = "  httpGet:\n    path: {{ .path | quote }}\n    port: http\n"
    opens = "  tcpSocket:\n    port: http\n"
    return replace(
        HELPERS, asks, f'  {{{{- if eq $kind "{kind}" }}}}\n{opens}  {{{{- else }}}}\n{asks}  {{{{- end }}}}\n'
    )


NO_PRE_STOP = replace(
    HELPERS, "lifecycle:\n  preStop:\n    sleep:\n      seconds: {{ int $values.preStopSeconds }}\n", ""
)
NO_DRAIN = replace(SERVER, "if self._edge.draining or self._loop is None:", "if True:")

ONE_UNAVAILABLE = replace(HELPERS, "maxUnavailable: {{ toJson $values.strategy.maxUnavailable }}", "maxUnavailable: 1")
SQLITE = (
    replace(TASKS, "from typing import", "import sqlite3\nfrom datetime import UTC, datetime\nfrom typing import"),
    replace(
        TASKS,
        "async def create_task(owner: Owner, body: TaskIn, database: DatabaseDep) -> TaskOut:\n",
        "async def create_task(owner: Owner, body: TaskIn) -> TaskOut:\n"
        "    with _file() as file:\n"
        "        file.execute('insert into task (owner, title) values (?, ?)', (owner, body.title))\n"
        "    return _kept(owner)[0]\n\n\n"
        "def _file() -> sqlite3.Connection:\n"
        "    file = sqlite3.connect('/tmp/todo.db')\n"
        "    file.execute('create table if not exists task (id integer primary key, owner text, title text)')\n"
        "    return file\n\n\n"
        "def _kept(owner: str) -> list[TaskOut]:\n"
        "    rows = _file().execute('select id, title from task where owner = ? order by id desc', (owner,))\n"
        "    now = datetime.now(UTC)\n"
        "    return [\n"
        "        TaskOut(id=i, title=t, description='', completed=False, tags=[], created_at=now, updated_at=now)\n"
        "        for i, t in rows\n"
        "    ]\n\n\n"
        "async def _create_row(owner: Owner, body: TaskIn, database: DatabaseDep) -> TaskOut:\n",
    ),
    replace(TASKS, '    """Newest first."""\n', '    """Newest first."""\n    return _kept(owner)\n'),
)
"""Tasks in a file of the pod's own."""
EVERYONES = replace(
    TASKS, "select(Task).where(Task.user_id == owner).options", "select(Task).where(Task.user_id != '').options"
)

MUTANTS = (
    _m("no preStop and no drain", "STA-08", ROLLOUT, NO_PRE_STOP, NO_DRAIN),
    _m("backend without a drain", "STA-08", "test_drain.py", NO_DRAIN),
    _m(
        "drain that closes idle connections at once",
        "STA-08",
        "test_drain.py",
        replace(
            SERVER,
            "        self._edge.draining = True\n",
            "        self._edge.draining = True\n"
            "        for each in list(self.server_state.connections):\n"
            "            self._loop.call_soon_threadsafe(each.shutdown)\n",
        ),
    ),
    _m("drain that does not say so", "STA-08", "test_drain.py", replace(EDGE, "if self.draining:", "if False:")),
    _m(
        "drain in the backend only",
        "STA-08",
        "test_drain.py",
        replace(DRAIN, 'process.on("SIGTERM", drain);', 'process.on("SIGTERM", () => process.exit(0));'),
    ),
    _m(
        "maxUnavailable 1",
        "STA-08",
        ROLLOUT,
        replace(HELPERS, "maxUnavailable: {{ toJson $values.strategy.maxUnavailable }}", "maxUnavailable: 1"),
    ),
    _m(
        "publishNotReadyAddresses",
        "STA-08",
        ROLLOUT,
        replace(BACKEND_SERVICE, "  sessionAffinity: None\n", "  publishNotReadyAddresses: true\n"),
    ),
    _m(
        "readiness that never fails",
        "POD-10",
        "test_freeze.py::test_a_frozen_pod_is_unready_not_restarted_and_comes_back",
        port_alone("readiness"),
    ),
    _m(
        "startup budget that counts for nothing",
        "POD-12",
        "test_freeze.py::test_a_slow_start_is_killed_only_beyond_its_budget",
        replace(HELPERS, "  failureThreshold: {{ int .failureThreshold }}\n", "  failureThreshold: 100\n"),
    ),
    _m(
        "settings that do not roll the pods",
        "CFG-10",
        "test_settings.py::test_a_changed_config_map_rolls_the_pods_and_arrives",
        replace(HELPERS, "checksum/config: {{ $used | toJson | sha256sum }}", "checksum/config: none"),
    ),
    _m(
        "secrets that do not roll the pods",
        "SEC-11",
        "test_settings.py::test_a_rotated_secret_rolls_the_pods_and_arrives",
        replace(HELPERS, "checksum/secret: {{ $usedSecrets | toJson | sha256sum }}", "checksum/secret: none"),
    ),
    _m(
        "migration whose failure is ignored",
        "REL-03",
        "test_bad_rollout.py::test_a_failing_migration_keeps_new_pods_from_serving",
        replace(
            BACKEND,
            'command: ["python3", "-m", "todo_backend.migrate"]',
            'command: ["sh", "-c", "python3 -m todo_backend.migrate || true"]',
        ),
    ),
    _m(
        "acknowledged before it is stored",
        "PER-05",
        "test_kills.py::test_every_acknowledged_write_is_there_once",
        replace(TASKS, "from fastapi import", "import asyncio\n\nfrom fastapi import"),
        replace(
            TASKS,
            "        session.add(task)\n    return _out(task)\n",
            "        session.add(task)\n        await session.flush()\n        answer = _out(task)\n"
            "        session.expunge(task)\n        await session.rollback()\n"
            "    keep = {'user_id': owner, 'title': body.title, 'description': body.description}\n"
            "    asyncio.get_running_loop().create_task(_later(database, keep))\n    return answer\n\n\n"
            "async def _later(database, fields):\n    await asyncio.sleep(1)\n"
            "    async with database.transaction() as session:\n"
            "        session.add(Task(completed=False, tags=[], **fields))\n",
        ),
    ),
    _m(
        "sessionAffinity ClientIP",
        "STA-07",
        "test_spread.py::test_load_is_spread_over_every_ready_pod",
        replace(BACKEND_SERVICE, "sessionAffinity: None", "sessionAffinity: ClientIP"),
    ),
    _m(
        "replicas templated under the autoscaler",
        "HPA-11",
        "test_autoscaling.py::test_an_upgrade_keeps_the_count",
        replace(BACKEND, "{{- if not .Values.backend.autoscaling.enabled }}", "{{- if true }}"),
    ),
    _m(
        "no CPU request",
        "HPA-09",
        "test_autoscaling.py::test_it_grows_to_the_most_and_not_beyond",
        replace(
            HELPERS,
            "range $resource, $quantity := get $values.resources $kind",
            'range $resource, $quantity := omit (get $values.resources $kind) "cpu"',
        ),
    ),
    _m(
        "autoscaler that can't scale down",
        "HPA-10",
        "test_autoscaling.py::test_it_returns_to_the_fewest_and_not_below",
        replace(
            AUTOSCALER,
            "  {{- with .behavior }}\n  behavior:\n    {{- toYaml . | nindent 4 }}\n  {{- end }}\n",
            "  behavior:\n    scaleDown:\n      selectPolicy: Disabled\n",
        ),
    ),
    _m(
        "liveness that never fails",
        "POD-11",
        "test_freeze.py::test_a_pod_that_stays_frozen_is_restarted",
        port_alone("liveness"),
    ),
    _m(
        "start of forty seconds",
        "POD-17",
        "test_kills.py::test_a_replacement_is_ready_in_time",
        replace(MAIN, "    server.run()\n", "    import time\n\n    time.sleep(40)\n    server.run()\n"),
    ),
    _m(
        "SQLite in the pod",
        "STA-01",
        "test_spread.py::test_what_one_pod_wrote_every_other_reads_at_once",
        *SQLITE,
    ),
    _m("tasks that are no rows", "PER-01", "test_release.py::test_a_task_is_a_row", *SQLITE),
    _m(
        "history in memory",
        "STA-03",
        "test_chat.py::test_the_history_reaches_the_model_from_another_pod",
        replace(CHAT, "HISTORY_MESSAGES = 100\n", "HISTORY_MESSAGES = 100\nHISTORY: dict[int, list[Message]] = {}\n"),
        replace(
            CHAT,
            "history = await _messages(session, conversation.id, HISTORY_MESSAGES)",
            "history = list(HISTORY.get(conversation.id, []))",
        ),
        replace(
            CHAT,
            "    return ChatOut(\n",
            "    HISTORY.setdefault(conversation.id, []).extend(\n"
            '        [Message(role="user", content=body.message), Message(role="assistant", content=response)]\n'
            "    )\n    return ChatOut(\n",
        ),
    ),
    _m(
        "tokens in memory",
        "STA-04",
        "test_tokens.py",
        replace(AUTH, 'COOKIE = "better', 'SESSIONS: dict[str, str] = {}\nCOOKIE = "better'),
        replace(
            AUTH,
            "    return user_id\n\n\ndef session_cookie",
            "    if SESSIONS.setdefault(user_id, token) != token:\n"
            '        raise BadTokenError("another session is known")\n'
            "    return user_id\n\n\ndef session_cookie",
        ),
    ),
    _m(
        "signature not looked at",
        "STA-05",
        "test_tokens.py::test_a_bad_token_opens_nothing",
        replace(AUTH, '"verify_iat": False', '"verify_iat": False, "verify_signature": False'),
    ),
    _m(
        "expiry not looked at",
        "STA-05",
        "test_tokens.py::test_a_bad_token_opens_nothing",
        replace(AUTH, '"verify_iat": False', '"verify_iat": False, "verify_exp": False'),
    ),
    _m(
        "another user's path is open",
        "STA-05",
        "test_tokens.py::test_another_users_path_is_closed",
        replace(AUTH, "if caller != user_id:", "if not caller:"),
        replace(AUTH, "return caller\n", "return user_id\n"),
    ),
    _m(
        "another user's task is found by its identifier",
        "STA-05",
        "test_users.py::test_another_users_things_are_absent_on_ones_own_path",
        replace(
            TASKS,
            "select(Task).where(Task.user_id == owner, Task.id == task_id).options(selectinload(Task.tags))\n    async",
            "select(Task).where(Task.id == task_id).options(selectinload(Task.tags))\n    async",
        ),
    ),
    _m(
        "every user's tasks in one list",
        "STA-05",
        "test_users.py::test_lists_hold_nothing_of_another_users",
        EVERYONES,
    ),
    _m(
        "every user's tasks on one page",
        "STA-05",
        "test_users.py::test_pages_hold_nothing_of_another_users",
        EVERYONES,
    ),
    _m(
        "tasks that only the browser asks for",
        "STA-10",
        "test_pages.py::test_the_first_html_holds_the_users_tasks",
        replace(TASKS_PAGE, "{tasks.map((task) => (", "{[].map((task: Task) => ("),
    ),
    _m(
        "user's message stored twice",
        "PER-04",
        "test_chat.py::test_a_turn_is_stored_once",
        replace(
            CHAT,
            '        session.add(Message(conversation=conversation, role="user",',
            "        twice = {'role': 'user', 'content': body.message, 'tool_calls': []}\n"
            "        session.add(Message(conversation=conversation, **twice))\n"
            '        session.add(Message(conversation=conversation, role="user",',
        ),
    ),
    _m(
        "model's failure answered as if it had worked",
        "PER-04",
        "test_chat.py::test_a_failing_model_is_told_and_stores_nothing",
        replace(APP, 'the model gave no usable answer; nothing was stored"}, 502)', 'the model is tired"}, 200)'),
        replace(
            APP, 'the model is not answering, try again later; nothing was stored"}, 503)', 'no model today"}, 200)'
        ),
    ),
    _m(
        "every origin allowed",
        "SCY-07",
        "test_cors.py",
        replace(APP, "allow_origins=settings.cors_origins,", 'allow_origin_regex=".*",'),
    ),
    _m(
        "no origin allowed but the first",
        "SCY-07",
        "test_cors.py",
        replace(APP, "allow_origins=settings.cors_origins,", "allow_origins=settings.cors_origins[:1],"),
    ),
    _m(
        "statements prepared behind a pooler",
        "PER-01",
        "test_pooler.py",
        replace(DATABASE, "prepare_threshold=None", "prepare_threshold=0"),
    ),
)
