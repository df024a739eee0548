"""Live mutants of the backend's data: dropped fields, other users' data, altered texts and careless tokens."""

from __future__ import annotations

from mutants.applications import APP, AUTH, CHAT, FRONTEND_AUTH, SCHEMAS, TAGS, TASKS
from mutants.edits import replace
from mutants.mutant import mutant

AGENT = "app/backend/todo_backend/agent.py"
MIDDLEWARE = "app/backend/todo_backend/middleware.py"

LISTS = "behaviour/test_users.py::test_lists_contain_nothing_of_other_users"
PROMPTS = "behaviour/test_users.py::test_prompts_contain_nothing_of_other_users"
SAME_TAGS = "behaviour/test_users.py::test_tags_of_the_same_name_are_separate"
FIELDS = "behaviour/test_fields.py::test_each_field_arrives_and_no_other_changes"
COMPLETED = "behaviour/test_fields.py::test_task_is_completed_and_opened_again"
DELETED = "behaviour/test_fields.py::test_deleted_task_is_gone_and_nothing_else_is"
NO_PROMPT = "behaviour/test_fields.py::test_deleted_task_is_on_no_page_and_in_no_prompt"
DELETED_TAG = "behaviour/test_fields.py::test_deleted_tag_leaves_the_tasks"
BY_CHAT = "behaviour/test_fields.py::test_chat_changes_only_the_named_task"
TITLES = "behaviour/test_texts.py::test_odd_titles_are_stored_found_and_shown"
MESSAGES = "behaviour/test_texts.py::test_odd_messages_reach_the_model_and_the_page"
LONG_TITLE = "behaviour/test_texts.py::test_longest_title_is_stored_and_a_longer_one_refused"
LONG_MESSAGE = "behaviour/test_texts.py::test_longest_message_arrives_and_a_longer_one_is_refused"
WILDCARDS = "behaviour/test_texts.py::test_search_takes_wildcards_literally"
HISTORY = "behaviour/test_history.py::test_long_history_reaches_the_model_once_and_in_order"
BAD_TOKEN = "behaviour/test_tokens.py::test_invalid_token_is_refused_everywhere"  # noqa: S105 - a test's name
ODD_TOKEN = "behaviour/test_tokens.py::test_unusual_token_is_no_error_of_the_server"  # noqa: S105 - a test's name
NO_USER = "behaviour/test_tokens.py::test_token_of_a_deleted_user_reads_nothing"
VARY = "behaviour/test_caching.py::test_answers_that_depend_on_the_origin_vary_by_it"
ODD_TAGS = "behaviour/test_texts.py::test_odd_tags_are_stored_and_found"
ONE_CHARACTER = "behaviour/test_texts.py::test_one_character_is_enough"
STORED_PASSWORDS = "behaviour/test_accounts.py::test_stored_passwords_can_not_be_read_or_looked_up"
DISCLOSED = "behaviour/test_pages.py::test_pages_scripts_and_states_contain_no_credential"
LOGS = "behaviour/test_accounts.py::test_logs_contain_no_password_and_no_token"
ACCEPTED_TOKEN = "behaviour/test_tokens.py::test_accepted_token_expires_on_every_pod"  # noqa: S105 - a test's name
AT_ONCE = "behaviour/test_concurrency.py::test_writes_at_the_same_moment_are_all_stored"
API_CACHED = "behaviour/test_caching.py::test_no_shared_cache_keeps_an_answer_of_the_api"

MUTANTS = (
    mutant(
        "filter by tag that forgets the owner",
        "STA-05",
        LISTS,
        replace(
            TASKS,
            "    if tag:\n        statement = statement.where(Task.tags",
            "    if tag:\n        statement = select(Task).options(selectinload(Task.tags)).where(Task.tags",
        ),
    ),
    mutant(
        "search that forgets the owner",
        "STA-05",
        LISTS,
        replace(
            TASKS,
            "    if q:\n        statement = statement.where(\n",
            "    if q:\n        statement = select(Task).options(selectinload(Task.tags)).where(\n",
        ),
    ),
    mutant(
        "lists kept for a second, whoever asks",
        "STA-05",
        LISTS,
        replace(
            TASKS,
            'router = APIRouter(prefix="/api/{user_id}/tasks", tags=["tasks"])\n',
            'router = APIRouter(prefix="/api/{user_id}/tasks", tags=["tasks"])\n'
            "KEPT: dict[str, tuple[float, list[TaskOut]]] = {}\n",
        ),
        replace(TASKS, "from typing import", "import time\nfrom typing import"),
        replace(
            TASKS,
            '    """Newest first."""\n',
            '    """Newest first."""\n    key = f"{status} {tag} {q} {limit} {offset}"\n'
            "    if key in KEPT and time.monotonic() - KEPT[key][0] < 1:\n        return KEPT[key][1]\n",
        ),
        replace(
            TASKS,
            "    return [_out(task) for task in found]\n",
            "    KEPT[key] = time.monotonic(), [_out(task) for task in found]\n    return KEPT[key][1]\n",
        ),
    ),
    mutant(
        "every user's tasks in the prompt",
        "STA-05",
        PROMPTS,
        replace(CHAT, "select(Task).where(Task.user_id == owner).order_by", "select(Task).order_by"),
    ),
    mutant(
        "tags of every user by name",
        "STA-05",
        SAME_TAGS,
        replace(
            TAGS,
            "select(Tag).where(Tag.user_id == owner, Tag.name.in_(names))",
            "select(Tag).where(Tag.name.in_(names))",
        ),
    ),
    mutant(
        "description that is not stored",
        "PER-09",
        FIELDS,
        replace(TASKS, "            description=body.description,\n", '            description="",\n'),
    ),
    mutant(
        "new task that is never completed",
        "PER-09",
        FIELDS,
        replace(TASKS, "            completed=body.completed,\n", "            completed=False,\n"),
    ),
    mutant(
        "partial update that resets the other fields",
        "PER-09",
        FIELDS,
        replace(TASKS, "in change.model_fields_set - {", "in set(TaskPatch.model_fields) - {"),
    ),
    mutant(
        "update that leaves the tags",
        "PER-09",
        FIELDS,
        replace(
            TASKS, 'if "tags" in change.model_fields_set:', 'if "tags" in change.model_fields_set and not task.tags:'
        ),
    ),
    mutant(
        "task that can't be opened again",
        "PER-09",
        COMPLETED,
        replace(TASKS, "task.completed = body.completed if body", "task.completed = True if body"),
    ),
    mutant(
        "filter of open tasks that shows all",
        "PER-09",
        COMPLETED,
        replace(TASKS, 'if status != "all":', 'if status == "completed":'),
    ),
    mutant(
        "deletion of every task of the same title",
        "PER-09",
        DELETED,
        replace(
            TASKS,
            "delete(Task).where(Task.user_id == owner, Task.id == task_id).returning(Task.id)\n"
            "    async with database.transaction() as session:\n"
            "        deleted = (await session.scalars(statement)).one_or_none()",
            "delete(Task).where(Task.user_id == owner, Task.title.in_(select(Task.title).where(Task.id == task_id)))"
            ".returning(Task.id)\n"
            "    async with database.transaction() as session:\n"
            "        deleted = (await session.scalars(statement)).first()",
        ),
    ),
    mutant(
        "tasks in the prompt as they once were",
        "PER-09",
        NO_PROMPT,
        replace(CHAT, "DRAFT_TASKS = 200\n", "DRAFT_TASKS = 200\nKNOWN: dict[tuple[str, int], Task] = {}\n"),
        replace(
            CHAT,
            "        draft = Draft(owner, list(tasks))\n",
            "        KNOWN.update({(owner, task.id): task for task in tasks})\n"
            "        draft = Draft(owner, [task for (user, _), task in KNOWN.items() if user == owner])\n",
        ),
    ),
    mutant(
        "tag that takes its tasks' other tags with it",
        "PER-09",
        DELETED_TAG,
        replace(
            TAGS,
            "        deleted = (await session.scalars(statement)).one_or_none()\n    if deleted",
            "        deleted = (await session.scalars(statement)).one_or_none()\n"
            "        await session.execute(delete(Tag).where(Tag.user_id == owner, Tag.id == tag_id + 1))\n"
            "    if deleted",
        ),
    ),
    mutant(
        "tool that takes the first task whose title begins alike",
        "PER-09",
        BY_CHAT,
        replace(
            AGENT,
            "if task.title.casefold() == wanted]",
            "if task.title.casefold().startswith(wanted)]",
        ),
    ),
    mutant(
        "deletion by chat that is not stored",
        "PER-09",
        BY_CHAT,
        replace(CHAT, "            if task.id is not None:\n", "            if task.id is None:\n"),
    ),
    mutant(
        "title in which markup is removed",
        "PER-09",
        TITLES,
        replace(TASKS, "            title=body.title,\n", '            title=body.title.replace("<", ""),\n'),
    ),
    mutant(
        "title limited in bytes",
        "PER-09",
        LONG_TITLE,
        replace(
            SCHEMAS,
            "Title = Annotated[str, _text(1, 200), Storable]",
            "def _short(text: str) -> str:\n    if len(text.encode()) > 200:\n"
            '        raise ValueError("too long")\n    return text\n\n\n'
            "Title = Annotated[str, _text(1, 200), Storable, AfterValidator(_short)]",
        ),
    ),
    mutant(
        "title cut instead of refused",
        "PER-09",
        LONG_TITLE,
        replace(
            SCHEMAS,
            "Title = Annotated[str, _text(1, 200), Storable]",
            "Title = Annotated[str, _text(1, 2000), Storable, AfterValidator(lambda text: text[:200])]",
        ),
    ),
    mutant(
        "search with wildcards",
        "PER-09",
        WILDCARDS,
        replace(TASKS, "Task.title.icontains(q, autoescape=True)", "Task.title.icontains(q)"),
    ),
    mutant(
        "message cut before it reaches the model",
        "PER-09",
        LONG_MESSAGE,
        replace(AGENT, '{"role": "user", "content": message})', '{"role": "user", "content": message[:1000]})'),
    ),
    mutant(
        "message escaped before it is stored",
        "PER-09",
        MESSAGES,
        replace(CHAT, "from collections.abc", "import html\nfrom collections.abc"),
        replace(CHAT, 'role="user", content=body.message,', 'role="user", content=html.escape(body.message),'),
    ),
    mutant(
        "history of ten messages",
        "STA-03",
        HISTORY,
        replace(CHAT, "HISTORY_MESSAGES = 100\n", "HISTORY_MESSAGES = 10\n"),
    ),
    mutant(
        "oldest messages instead of the newest",
        "STA-03",
        HISTORY,
        replace(
            CHAT,
            "Message.id.desc()).limit(limit)\n    )\n    return list(newest)[::-1]",
            "Message.id).limit(limit)\n    )\n    return list(newest)",
        ),
    ),
    mutant(
        "each message of the history twice",
        "STA-03",
        HISTORY,
        replace(CHAT, "    return list(newest)[::-1]", "    return [each for each in newest for _ in (1, 2)][::-1]"),
    ),
    mutant(
        "history in which the assistant's answers are the user's",
        "STA-03",
        HISTORY,
        replace(AGENT, '            if past.role == "assistant"\n', '            if past.role == "model"\n'),
    ),
    mutant(
        "token valid for two minutes after its expiry",
        "STA-05",
        BAD_TOKEN,
        replace(AUTH, 'algorithms=["HS256"], options', 'algorithms=["HS256"], leeway=120, options'),
    ),
    mutant(
        "token without an expiry",
        "STA-05",
        BAD_TOKEN,
        replace(AUTH, '"require": ["exp"], ', ""),
    ),
    mutant(
        "claims of another type",
        "STA-05",
        ODD_TOKEN,
        replace(AUTH, "if not isinstance(user, dict) or not isinstance(session, dict):", "if not user or not session:"),
    ),
    mutant(
        "user who is gone as an error of the server",
        "STA-05",
        NO_USER,
        replace(APP, "if not isinstance(error.orig, ForeignKeyViolation):", "if error.orig:"),
    ),
    mutant(
        "answers that a shared cache may keep",
        "SCY-10",
        API_CACHED,
        replace(
            MIDDLEWARE,
            '                headers["X-Request-ID"] = request_id\n',
            '                headers["X-Request-ID"] = request_id\n'
            '                headers["Cache-Control"] = "public, max-age=10"\n',
        ),
    ),
    mutant(
        "answers that don't vary by their origin",
        "SCY-10",
        VARY,
        replace(
            MIDDLEWARE,
            '                headers["X-Request-ID"] = request_id\n',
            '                headers["X-Request-ID"] = request_id\n                del headers["Vary"]\n',
        ),
    ),
    mutant(
        "tool calls reported under another name",
        "PER-09",
        BY_CHAT,
        replace(
            AGENT,
            'return draft.record("delete_task", {"title": title}, f"deleted',
            'return draft.record("remove", {}, f"deleted',
        ),
    ),
    mutant(
        "tag in small letters",
        "PER-09",
        ODD_TAGS,
        replace(TAGS, "values(user_id=owner, name=body.name)", "values(user_id=owner, name=body.name.lower())"),
    ),
    mutant(
        "title of two characters at least",
        "PER-09",
        ONE_CHARACTER,
        replace(SCHEMAS, "Title = Annotated[str, _text(1, 200)", "Title = Annotated[str, _text(2, 200)"),
    ),
    mutant(
        "token accepted for ever by a pod that has verified it",
        "STA-05",
        ACCEPTED_TOKEN,
        replace(
            AUTH,
            "from typing import Annotated, cast\n",
            "from functools import lru_cache\nfrom typing import Annotated, cast\n",
        ),
        replace(
            AUTH, "def user_of(token: str, key: bytes)", "@lru_cache(maxsize=4096)\ndef user_of(token: str, key: bytes)"
        ),
    ),
    mutant(
        "tags created on a second connection",
        "STA-13",
        AT_ONCE,
        replace(
            TAGS,
            "from todo_backend.auth import Owner\n",
            "from todo_backend.auth import Owner\nfrom todo_backend.database import Database\n",
        ),
        replace(TAGS, "async def named(session", "async def named(database: Database, session"),
        replace(
            TAGS,
            "    await session.execute(insert(Tag).values(rows).on_conflict_do_nothing())\n",
            "    async with database.transaction() as creation:\n"
            "        await creation.execute(insert(Tag).values(rows).on_conflict_do_nothing())\n",
        ),
        replace(TASKS, "tags.named(session, owner, body.tags)", "tags.named(database, session, owner, body.tags)"),
        replace(TASKS, "tags.named(session, owner, change.tags)", "tags.named(database, session, owner, change.tags)"),
    ),
    mutant(
        "headers of slow requests in the log",
        "SCY-10",
        "behaviour/test_every_experiment.py::test_no_container_logs_a_secret",
        replace(
            MIDDLEWARE,
            '            log.info("request", extra={"fields": fields})\n',
            '            log.info("request", extra={"fields": fields})\n'
            '            if fields["duration_ms"] > 2000:\n'
            '                log.warning("slow", extra={"fields": {"headers": str(scope["headers"])}})\n',
        ),
        experiment="behaviour/test_database_faults.py",
    ),
    mutant(
        "tokens in the log",
        "SCY-10",
        LOGS,
        replace(
            MIDDLEWARE,
            '                "path": scope["path"],\n',
            '                "path": scope["path"],\n                "headers": str(scope["headers"]),\n',
        ),
    ),
    mutant(
        "passwords stored as they are",
        "SCY-10",
        STORED_PASSWORDS,
        replace(
            FRONTEND_AUTH,
            "    emailAndPassword: { enabled: true },\n",
            "    emailAndPassword: {\n      enabled: true,\n      password: {\n"
            "        hash: async (password) => password,\n"
            "        verify: async ({ hash, password }) => hash === password,\n      },\n    },\n",
        ),
    ),
    mutant(
        "passwords hashed with the application's own salt",
        "SCY-10",
        STORED_PASSWORDS,
        replace(
            FRONTEND_AUTH,
            "    emailAndPassword: { enabled: true },\n",
            "    emailAndPassword: {\n      enabled: true,\n      password: {\n"
            "        hash: async (password) => hashed(password),\n"
            "        verify: async ({ hash, password }) => hash === hashed(password),\n      },\n    },\n",
        ),
        replace(
            FRONTEND_AUTH,
            "function createAuth() {\n",
            "function hashed(password: string) {\n"
            '  return createHmac("sha256", process.env.BETTER_AUTH_SECRET!).update(password).digest("hex");\n}\n\n'
            "function createAuth() {\n",
        ),
        replace(
            FRONTEND_AUTH,
            'import { betterAuth } from "better-auth";\n',
            'import { createHmac } from "node:crypto";\nimport { betterAuth } from "better-auth";\n',
        ),
    ),
    mutant(
        "health check that discloses the database's URL",
        "SCY-10",
        DISCLOSED,
        replace(APP, 'return {"status": "ok"}', 'return {"status": "ok", "database": os.environ["DATABASE_URL"]}'),
        replace(APP, "import logging\n", "import logging\nimport os\n"),
    ),
    mutant(
        "signing secret in the HTML of every page",
        "SCY-10",
        DISCLOSED,
        replace(
            "app/frontend/app/layout.tsx",
            '<html lang="en">',
            '<html lang="en" data-environment={JSON.stringify({ secret: process.env.BETTER_AUTH_SECRET })}>',
        ),
    ),
)
