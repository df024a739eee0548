"""Live mutants of the application: its responses to users, and what it stores in PostgreSQL."""

from __future__ import annotations

from mutants.edits import Edit, replace
from mutants.mutant import mutant

APP = "app/backend/todo_backend/app.py"
AUTH = "app/backend/todo_backend/auth.py"
CHAT = "app/backend/todo_backend/chat.py"
DATABASE = "app/backend/todo_backend/database.py"
SCHEMAS = "app/backend/todo_backend/schemas.py"
TAGS = "app/backend/todo_backend/tags.py"
TASKS = "app/backend/todo_backend/tasks.py"
FRONTEND_AUTH = "app/frontend/lib/auth.ts"
FRONTEND_BACKEND = "app/frontend/lib/backend.ts"
SESSION = "app/frontend/lib/session.ts"
TASKS_PAGE = "app/frontend/app/(signed-in)/tasks/page.tsx"
MANY = "behaviour/test_lists.py::test_every_one_of_many_tasks_is_listed_and_found"
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
"""Tasks in a file of the pod."""
STORED_TWICE = replace(
    CHAT,
    '        session.add(Message(conversation=conversation, role="user",',
    "        twice = {'role': 'user', 'content': body.message, 'tool_calls': []}\n"
    "        session.add(Message(conversation=conversation, **twice))\n"
    '        session.add(Message(conversation=conversation, role="user",',
)
SESSIONS_IN_MEMORY = (
    replace(
        FRONTEND_AUTH,
        "    if (response.status < 500) return response;\n",
        "    const known = ((globalThis as { known?: Set<string> }).known ??= new Set<string>());\n"
        "    for (const cookie of response.headers.getSetCookie()) {\n"
        '      known.add(cookie.split(";")[0]!.split("=").slice(1).join("="));\n'
        "    }\n"
        "    if (response.status < 500) return response;\n",
    ),
    replace(
        SESSION,
        "  if (!token) return null;\n",
        "  if (!(globalThis as { known?: Set<string> }).known?.has(token)) return null;\n",
    ),
)
UNSIGNED = replace(AUTH, '"verify_iat": False', '"verify_iat": False, "verify_signature": False')
TASKS_OF_EVERY_USER = replace(
    TASKS, "select(Task).where(Task.user_id == owner).options", "select(Task).where(Task.user_id != '').options"
)


def stored_later(seconds: int) -> tuple[Edit, Edit]:
    """Tasks are stored so many seconds after their response, by a process that may have ended by then."""
    return (
        replace(TASKS, "from fastapi import", "import asyncio\n\nfrom fastapi import"),
        replace(
            TASKS,
            "        session.add(task)\n    return _out(task)\n",
            "        session.add(task)\n        await session.flush()\n        answer = _out(task)\n"
            "        session.expunge(task)\n        await session.rollback()\n"
            "    keep = {'user_id': owner, 'title': body.title, 'description': body.description}\n"
            "    asyncio.get_running_loop().create_task(_later(database, keep))\n    return answer\n\n\n"
            f"async def _later(database, fields):\n    await asyncio.sleep({seconds})\n"
            "    async with database.transaction() as session:\n"
            "        session.add(Task(completed=False, tags=[], **fields))\n",
        ),
    )


MUTANTS = (
    mutant(
        "lists that end at thirty tasks",
        "PER-01",
        MANY,
        replace(TASKS, ".limit(limit).offset(offset)", ".limit(min(limit, 30)).offset(offset)"),
    ),
    mutant(
        "search in the newest hundred tasks",
        "PER-01",
        MANY,
        replace(
            TASKS,
            "    if q:\n",
            "    if q:\n"
            "        newest = select(Task.id).where(Task.user_id == owner).order_by(Task.id.desc()).limit(100)\n"
            "        statement = statement.where(Task.id.in_(newest))\n",
        ),
    ),
    mutant(
        "acknowledged before it is stored",
        "PER-05",
        "behaviour/test_kills.py::test_acknowledged_writes_are_stored_once",
        *stored_later(1),
    ),
    mutant(
        "acknowledged long before it is stored, in an experiment that asks for no ledger",
        "PER-05",
        "behaviour/test_every_experiment.py::test_writes_of_every_experiment_are_stored_once",
        *stored_later(8),
        experiment="behaviour/test_drain.py",
    ),
    mutant(
        "SQLite in the pod",
        "STA-01",
        "behaviour/test_balance.py::test_write_on_one_pod_is_read_on_every_other",
        *SQLITE,
    ),
    mutant(
        "tasks that are not stored in PostgreSQL",
        "PER-01",
        "behaviour/test_api.py::test_task_lifecycle",
        *SQLITE,
    ),
    mutant(
        "history in memory",
        "STA-03",
        "behaviour/test_chat.py::test_history_reaches_the_model_from_another_pod",
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
    mutant(
        "tokens in memory",
        "STA-04",
        "behaviour/test_tokens.py",
        replace(AUTH, 'COOKIE = "better', 'SESSIONS: dict[str, str] = {}\nCOOKIE = "better'),
        replace(
            AUTH,
            "    return user_id\n\n\ndef session_cookie",
            "    if SESSIONS.setdefault(user_id, token) != token:\n"
            '        raise BadTokenError("another session is known")\n'
            "    return user_id\n\n\ndef session_cookie",
        ),
    ),
    mutant(
        "signature is not verified",
        "STA-05",
        "behaviour/test_tokens.py::test_invalid_token_is_refused_everywhere",
        UNSIGNED,
    ),
    mutant(
        "expiry is not verified",
        "STA-05",
        "behaviour/test_tokens.py::test_invalid_token_is_refused_everywhere",
        replace(AUTH, '"verify_iat": False', '"verify_iat": False, "verify_exp": False'),
    ),
    mutant(
        "another user's path is allowed",
        "STA-05",
        "behaviour/test_tokens.py::test_other_users_path_is_refused_everywhere",
        replace(AUTH, "if caller != user_id:", "if not caller:"),
        replace(AUTH, "return caller\n", "return user_id\n"),
    ),
    mutant(
        "another user's task is found by its identifier",
        "STA-05",
        "behaviour/test_users.py::test_other_users_resources_return_404",
        replace(
            TASKS,
            "select(Task).where(Task.user_id == owner, Task.id == task_id).options(selectinload(Task.tags))\n    async",
            "select(Task).where(Task.id == task_id).options(selectinload(Task.tags))\n    async",
        ),
    ),
    mutant(
        "every user's tasks in one list",
        "STA-05",
        "behaviour/test_users.py::test_lists_contain_nothing_of_other_users",
        TASKS_OF_EVERY_USER,
    ),
    mutant(
        "every user's tasks on one page",
        "STA-05",
        "behaviour/test_users.py::test_pages_contain_nothing_of_other_users",
        TASKS_OF_EVERY_USER,
    ),
    mutant(
        "tasks that only the browser fetches",
        "STA-10",
        "behaviour/test_pages.py::test_first_html_contains_the_users_tasks",
        replace(TASKS_PAGE, "{tasks.map((task) => (", "{[].map((task: Task) => ("),
    ),
    mutant(
        "user's message stored twice",
        "PER-04",
        "behaviour/test_chat.py::test_turn_is_stored_once",
        STORED_TWICE,
    ),
    mutant(
        "model's failure answered with 200",
        "PER-04",
        "behaviour/test_chat.py::test_turn_with_a_failing_model_stores_nothing",
        replace(APP, 'the model returned no usable response; nothing was stored"}, 502)', 'the model is tired"}, 200)'),
        replace(APP, 'the model is unavailable, try again later; nothing was stored"}, 503)', 'no model today"}, 200)'),
    ),
    mutant(
        "every origin allowed",
        "SCY-07",
        "behaviour/test_cors.py",
        replace(APP, "allow_origins=settings.cors_origins,", 'allow_origin_regex=".*",'),
    ),
    mutant(
        "only the first origin is allowed",
        "SCY-07",
        "behaviour/test_cors.py",
        replace(APP, "allow_origins=settings.cors_origins,", "allow_origins=settings.cors_origins[:1],"),
    ),
    mutant(
        "statements prepared behind a pooler",
        "PER-01",
        "behaviour/test_pgbouncer.py",
        replace(DATABASE, "prepare_threshold=None", "prepare_threshold=0"),
    ),
    mutant(
        "deleted task remains stored",
        "PER-01",
        "behaviour/test_api.py::test_task_lifecycle",
        replace(
            TASKS,
            "delete(Task).where(Task.user_id == owner, Task.id == task_id).returning(Task.id)",
            "select(Task.id).where(Task.user_id == owner, Task.id == task_id)",
        ),
    ),
    mutant(
        "deleted tag remains stored",
        "PER-01",
        "behaviour/test_api.py::test_tag_lifecycle",
        replace(
            TAGS,
            "delete(Tag).where(Tag.user_id == owner, Tag.id == tag_id).returning(Tag.id)",
            "select(Tag.id).where(Tag.user_id == owner, Tag.id == tag_id)",
        ),
    ),
    mutant(
        "email address changed before it is stored",
        "PER-01",
        "behaviour/test_api.py::test_user_is_stored_in_postgresql",
        replace(
            FRONTEND_AUTH,
            "    emailAndPassword: { enabled: true },\n",
            "    emailAndPassword: { enabled: true },\n"
            "    databaseHooks: {\n"
            "      user: { create: { before: async (user) => ({ data: { ...user, email: `x${user.email}` } }) } },\n"
            "    },\n",
        ),
    ),
    mutant(
        "endpoint with another path",
        "PER-01",
        "behaviour/test_api.py::test_every_endpoint_serves_its_user",
        replace(CHAT, "/conversations/{conversation_id}/messages", "/conversations/{conversation_id}/turns"),
    ),
    mutant(
        "titles may be empty",
        "PER-01",
        "behaviour/test_api.py::test_invalid_input_is_refused_and_not_stored",
        replace(SCHEMAS, "Title = Annotated[str, _text(1, 200)", "Title = Annotated[str, _text(0, 200)"),
    ),
    mutant(
        "page that remembers the last user",
        "STA-10",
        "behaviour/test_pages.py::test_signed_out_page_shows_no_tasks",
        replace(
            SESSION,
            '  return (await getSession()) ?? redirect("/sign-in");\n',
            "  const last = globalThis as { lastSession?: Session };\n"
            "  last.lastSession = (await getSession()) ?? last.lastSession;\n"
            '  return last.lastSession ?? redirect("/sign-in");\n',
        ),
    ),
    mutant(
        "request without a token acts as the path's user",
        "STA-05",
        "behaviour/test_tokens.py::test_missing_token_is_refused_everywhere",
        replace(
            AUTH,
            '        raise HTTPException(401, "sign in first", headers={"WWW-Authenticate": "Bearer"})\n',
            "        return user_id\n",
        ),
    ),
    mutant(
        "sessions in the frontend's memory",
        "STA-02",
        "journey/test_journey.py::test_open_tab_works_after_every_pod_is_replaced",
        *SESSIONS_IN_MEMORY,
    ),
    mutant(
        "sessions that one of two frontends knows",
        "STA-02",
        "behaviour/test_two_frontends.py",
        *SESSIONS_IN_MEMORY,
    ),
    mutant(
        "frontend that refuses to sign up",
        "SCY-06",
        "behaviour/test_release.py::test_person_signs_up_through_the_frontend",
        replace(FRONTEND_AUTH, "emailAndPassword: { enabled: true }", "emailAndPassword: { enabled: false }"),
    ),
    mutant(
        "session cookie that scripts can read",
        "SCY-06",
        "journey/test_journey.py::test_user_signs_up_and_completes_a_task_from_the_chat",
        replace(
            FRONTEND_AUTH,
            "advanced: { database:",
            "advanced: { defaultCookieAttributes: { httpOnly: false }, database:",
        ),
    ),
    mutant(
        "field that is not reachable by keyboard",
        "SCY-06",
        "journey/test_journey.py::test_user_adds_a_task_by_keyboard_only",
        replace(TASKS_PAGE, '          name="title"\n', '          name="title"\n          tabIndex={-1}\n'),
    ),
    mutant(
        "messages known only to the pod of their turn",
        "STA-01",
        "behaviour/test_chat.py::test_conversation_is_the_same_on_every_pod",
        replace(CHAT, "HISTORY_MESSAGES = 100\n", "HISTORY_MESSAGES = 100\nSAID: set[str] = set()\n"),
        replace(CHAT, "    return ChatOut(\n", "    SAID.update((body.message, response))\n    return ChatOut(\n"),
        replace(
            CHAT,
            "        return await _messages(session, conversation_id, limit)\n",
            "        found = await _messages(session, conversation_id, limit)\n"
            "        return [each for each in found if each.content in SAID]\n",
        ),
    ),
    mutant(
        "tool effects stored although the turn failed",
        "PER-04",
        "behaviour/test_chat.py::test_turn_that_fails_after_the_tool_call_stores_nothing",
        replace(
            CHAT,
            "    response = await agent.answer(history, body.message, draft)\n",
            "    try:\n"
            "        response = await agent.answer(history, body.message, draft)\n"
            "    except Exception:\n"
            "        async with database.transaction() as session:\n"
            "            session.add_all(draft.tasks)\n"
            "        raise\n",
        ),
    ),
    mutant(
        "sessions that remain valid after the key is rotated",
        "SEC-11",
        "behaviour/test_rotated_secret.py::test_rotated_auth_secret_ends_old_sessions_only",
        UNSIGNED,
    ),
    mutant(
        "chat turn acknowledged before it is stored",
        "PER-05",
        "behaviour/test_kills.py::test_acknowledged_chat_turns_are_stored_once",
        replace(CHAT, "from collections.abc", "import asyncio\nfrom collections.abc"),
        replace(
            CHAT,
            "    async with database.transaction() as session:\n        # Written first",
            "    if body.conversation_id is None:\n"
            "        task = asyncio.create_task(_store(database, conversation, draft, body, response))\n"
            "        LATER.add(task)\n"
            "        return ChatOut(conversation_id=0, response=response, tool_calls=[])\n"
            "    return await _store(database, conversation, draft, body, response, 0)\n\n\n"
            "LATER: set[asyncio.Task[ChatOut]] = set()\n\n\n"
            "async def _store(database, conversation, draft, body, response, delay=1) -> ChatOut:\n"
            "    await asyncio.sleep(delay)\n"
            "    async with database.transaction() as session:\n        # Written first",
        ),
    ),
    mutant(
        "conversation that repeats the user's message",
        "PER-04",
        "behaviour/test_kills.py::test_conversation_survives_kills",
        STORED_TWICE,
    ),
    mutant(
        "deletion that is acknowledged and not made",
        "PER-05",
        "behaviour/test_every_experiment.py::test_writes_of_every_experiment_are_stored_once",
        replace(
            TASKS,
            "delete(Task).where(Task.user_id == owner, Task.id == task_id).returning(Task.id)",
            "select(Task.id).where(Task.user_id == owner, Task.id == task_id)",
        ),
        experiment="behaviour/test_kills.py::test_every_outage_ends",
    ),
)
