"""Live mutants that show at certain moments only: two users at once, a model that fails once, an older tab, a start."""

from __future__ import annotations

from mutants.applications import APP, CHAT, FRONTEND_AUTH, FRONTEND_BACKEND, SCHEMAS, TAGS, TASKS, TASKS_PAGE
from mutants.databases import MIGRATE
from mutants.deployments import LOGS
from mutants.edits import replace
from mutants.frontends import ACCOUNT, COMPLETE_ACTION
from mutants.mutant import mutant
from mutants.users_data import AGENT

STOPPED = "behaviour/test_every_experiment.py::test_deleted_pods_stop_within_their_grace_period"
DRAIN = "behaviour/test_drain.py"

MUTANTS = (
    mutant(
        "instructions shared by all turns",
        "STA-05",
        "behaviour/test_users.py::test_simultaneous_turns_contain_nothing_of_other_users",
        replace(
            AGENT,
            '        messages.append({"role": "user", "content": message})\n',
            (
                '        messages.append({"role": "user", "content": message})\n'
                "        # The model knows the list without a call of list_tasks first.\n"
                "        titles = json.dumps([task.title for task in draft.tasks if not "
                "task.completed], ensure_ascii=False)\n"
                "        self._definition.instructions = f\"{INSTRUCTIONS}\\n\\nThe user's open tasks, "
                'newest first: {titles}"\n'
            ),
        ),
    ),
    mutant(
        "change that writes what it has read before",
        "STA-13",
        ("behaviour/test_concurrency.py::test_changes_of_different_fields_at_the_same_moment_are_both_kept"),
        replace(
            TASKS,
            (
                "    async with database.transaction() as session:\n"
                "        task = await _locked(session, owner, task_id)\n"
                '        for field in change.model_fields_set - {"tags"}:\n'
                "            setattr(task, field, getattr(change, field))\n"
                '        if "tags" in change.model_fields_set:\n'
                "            task.tags = await tags.named(session, owner, change.tags)\n"
                "            # They are rows of another table, so that of the task would keep its time of change.\n"
                "            task.updated_at = func.now()\n"
            ),
            (
                "    # Read before the row is locked, so that it is locked only while it is written.\n"
                "    before = await read_task(owner, task_id, database)\n"
                "    after = before.model_copy(update=change.model_dump(exclude_unset=True))\n"
                "    async with database.transaction() as session:\n"
                "        task = await _locked(session, owner, task_id)\n"
                "        task.title, task.description, task.completed = after.title, "
                "after.description, after.completed\n"
                "        task.tags = await tags.named(session, owner, after.tags)\n"
                "        task.updated_at = func.now()\n"
            ),
        ),
    ),
    mutant(
        "messages stored before their effect",
        "PER-04",
        "behaviour/test_chat.py::test_turn_about_a_task_that_is_deleted_meanwhile_is_whole",
        replace(
            CHAT,
            (
                "        session.add_all([conversation, *reversed(draft.tasks)])\n"
                "        await session.flush()\n"
                "        for task in draft.deleted:\n"
                "            if task.id is not None:\n"
                "                await session.delete(task)\n"
            ),
            "        session.add(conversation)\n",
        ),
        replace(
            CHAT,
            (
                '        session.add(Message(conversation=conversation, role="assistant", '
                "content=response, tool_calls=draft.calls))\n"
            ),
            (
                '        session.add(Message(conversation=conversation, role="assistant", '
                "content=response, tool_calls=draft.calls))\n"
                "    # Separately: other requests may hold locks on these tasks, and would wait for "
                "the conversation's too.\n"
                "    async with database.transaction() as session:\n"
                "        session.add_all(list(reversed(draft.tasks)))\n"
                "        await session.flush()\n"
                "        for task in draft.deleted:\n"
                "            if task.id is not None:\n"
                "                await session.delete(task)\n"
            ),
        ),
    ),
    mutant(
        "turn repeated with the same draft",
        "PER-04",
        "behaviour/test_chat.py::test_turn_whose_model_fails_for_a_moment_adds_its_task_once",
        replace(
            CHAT,
            "from todo_backend.agent import Agent, Draft\n",
            "from todo_backend.agent import Agent, Draft, ModelUnavailableError\n",
        ),
        replace(
            CHAT,
            "    response = await agent.answer(history, body.message, draft)\n",
            (
                "    try:\n"
                "        response = await agent.answer(history, body.message, draft)\n"
                "    except ModelUnavailableError:\n"
                "        # Overloaded for a moment. Nothing is stored yet, so it is safe to try again.\n"
                "        response = await agent.answer(history, body.message, draft)\n"
            ),
        ),
    ),
    mutant(
        "model that is not the configured one",
        "CFG-10",
        "behaviour/test_chat.py::test_model_is_the_configured_one",
        replace(
            AGENT,
            "            model=OpenAIResponsesModel(settings.openai_model, client),\n",
            (
                "            # The cheapest one is good enough for trying things out.\n"
                "            model=OpenAIResponsesModel(\n"
                '                settings.openai_model if settings.environment == "production" else '
                '"gpt-4.1-mini", client\n'
                "            ),\n"
            ),
        ),
    ),
    mutant(
        "origins taken as patterns",
        "SCY-07",
        "behaviour/test_cors.py::test_other_origins_are_not_allowed",
        replace(
            APP,
            "        allow_origins=settings.cors_origins,\n",
            (
                "        # An entry may have a wildcard for one label: https://*.preview.example.com\n"
                '        allow_origin_regex="|".join(origin.replace("*", "[^./:]+") for origin in '
                "settings.cors_origins),\n"
            ),
        ),
    ),
    mutant(
        "title in another Unicode form",
        "PER-09",
        "behaviour/test_texts.py::test_odd_titles_are_stored_found_and_shown",
        replace(SCHEMAS, "from datetime import datetime\n", ("import unicodedata\nfrom datetime import datetime\n")),
        replace(
            SCHEMAS,
            "def _distinct(names: list[str]) -> list[str]:\n",
            (
                "def _normal(text: str) -> str:\n"
                "    # The same letters may be typed in several ways, and must be found in each.\n"
                '    return unicodedata.normalize("NFKC", text)\n'
                "\n"
                "\n"
                "def _distinct(names: list[str]) -> list[str]:\n"
            ),
        ),
        replace(
            SCHEMAS,
            "Title = Annotated[str, _text(1, 200), Storable]\n",
            "Title = Annotated[str, _text(1, 200), AfterValidator(_normal), Storable]\n",
        ),
    ),
    mutant(
        "migration that gives up quietly",
        "REL-03",
        "behaviour/test_standalone.py::test_migration_without_its_database_does_not_succeed",
        replace(
            MIGRATE,
            "    except exc.DBAPIError as error:\n",
            (
                "    except exc.OperationalError as error:\n"
                "        # An outage must not keep pods from starting: the server recovers with the "
                "database by itself.\n"
                "        log(f\"skipped, the database is unavailable: {' '.join(str(error.orig).split())}\")\n"
                "    except exc.DBAPIError as error:\n"
            ),
        ),
    ),
    mutant(
        "tags rewritten at each start",
        "REL-02",
        "behaviour/test_five_backends.py::test_migrations_run_again_change_no_row",
        replace(
            MIGRATE,
            ("    log(f\"the database was at revision {before or 'none'} and is at {scripts.get_current_head()}\")\n"),
            (
                "    log(f\"the database was at revision {before or 'none'} and is at "
                '{scripts.get_current_head()}")\n'
                "    # Early releases stored tags as they were typed. One that exists in lower case "
                "too is left alone.\n"
                "    connection.execute(\n"
                "        text(\n"
                '            "UPDATE tag SET name = lower(name) WHERE name <> lower(name) AND NOT EXISTS"\n'
                '            " (SELECT FROM tag AS other WHERE other.user_id = tag.user_id AND '
                'other.name = lower(tag.name))"\n'
                "        )\n"
                "    )\n"
            ),
        ),
    ),
    mutant(
        "refused passwords in the log",
        "SCY-10",
        "behaviour/test_accounts.py::test_logs_contain_no_password_and_no_token",
        replace(
            ACCOUNT,
            'import { callAuth } from "./auth";\n',
            ('import { callAuth } from "./auth";\nimport { log } from "./log";\n'),
        ),
        replace(
            ACCOUNT,
            "    if (!response.ok) throw new Refusal(response.status, await reason(response));\n",
            (
                "    if (!response.ok) {\n"
                '      log("warning", `auth: ${path} refused with ${response.status}: '
                "${JSON.stringify(body)}`);\n"
                "      throw new Refusal(response.status, await reason(response));\n"
                "    }\n"
            ),
        ),
    ),
    mutant(
        "session that a shared cache may keep",
        "SCY-10",
        "behaviour/test_caching.py::test_no_shared_cache_keeps_a_signed_in_page",
        replace(
            FRONTEND_AUTH,
            "    if (response.status < 500) return response;\n",
            (
                "    // Every tab asks for the session whenever it is shown.\n"
                '    if (request.method === "GET" && response.ok) '
                'response.headers.set("Cache-Control", "max-age=30");\n'
                "    if (response.status < 500) return response;\n"
            ),
        ),
    ),
    mutant(
        "page that waits less long than a turn takes",
        "PER-04",
        "behaviour/test_in_flight.py::test_long_turn_that_the_page_shows_as_failed_is_not_stored",
        replace(
            FRONTEND_BACKEND,
            ("const CHAT_MILLISECONDS = 120_000; // a model response takes time; the backend has a shorter limit\n"),
            ("const CHAT_MILLISECONDS = 10_000; // a model response takes time, but nobody waits longer than this\n"),
        ),
    ),
    mutant(
        "task between two pages",
        "PER-01",
        "behaviour/test_lists.py::test_every_one_of_many_tasks_is_listed_and_found",
        replace(
            TASKS_PAGE,
            "  const query = { limit: String(PAGE), offset: String(offset), ...shown };\n",
            (
                "  // One more than is shown tells whether there is another page.\n"
                "  const query = { limit: String(PAGE + 1), offset: String(offset), ...shown };\n"
            ),
        ),
        replace(TASKS_PAGE, "        {tasks.map((task) => (\n", "        {tasks.slice(0, PAGE).map((task) => (\n"),
        replace(
            TASKS_PAGE,
            (
                "        {tasks.length === PAGE && <a href={`?${new URLSearchParams({ ...shown, "
                "from: String(offset + PAGE) })}`}>Older</a>}\n"
            ),
            (
                "        {tasks.length > PAGE && (\n"
                "          <a href={`?${new URLSearchParams({ ...shown, from: String(offset + "
                "tasks.length) })}`}>Older</a>\n"
                "        )}\n"
            ),
        ),
    ),
    mutant(
        "form that turns over what it finds",
        "PER-09",
        "behaviour/test_plain_forms.py::test_form_adds_completes_and_deletes_a_task",
        replace(
            COMPLETE_ACTION,
            'import { field, userAction } from "@/lib/action";\n',
            'import { userAction } from "@/lib/action";\n',
        ),
        replace(
            COMPLETE_ACTION,
            (
                "  return userAction(async (form, session) => {\n"
                '    const body = { completed: field(form, "completed") === "true" };\n'
                "    await callBackend(session, `/tasks/${encodeURIComponent(id)}/complete`, { "
                'method: "PATCH", body });\n'
            ),
            (
                "  return userAction(async (_form, session) => {\n"
                "    await callBackend(session, `/tasks/${encodeURIComponent(id)}/complete`, { "
                'method: "PATCH" });\n'
            ),
        ),
    ),
    mutant(
        "chat turn that writes back what it has read",
        "STA-13",
        "behaviour/test_concurrency.py::test_change_during_a_chat_turn_is_kept",
        replace(
            CHAT,
            "        session.add_all([conversation, *reversed(draft.tasks)])\n",
            (
                "        session.add(conversation)\n"
                "        # Merged, not added: they belong to the session of the first transaction.\n"
                "        for task in reversed(draft.tasks):\n"
                "            await session.merge(task)\n"
            ),
        ),
    ),
    mutant(
        "chat turns that take every connection",
        "STA-13",
        "behaviour/test_concurrency.py::test_slow_chat_turns_delay_no_other_request",
        replace(
            FRONTEND_BACKEND,
            "new http.Agent({ keepAlive: true, timeout: IDLE_MILLISECONDS })",
            "new http.Agent({ keepAlive: true, timeout: IDLE_MILLISECONDS, maxSockets: 8 })",
        ),
    ),
    mutant(
        "earlier messages cut",
        "PER-09",
        "behaviour/test_texts.py::test_longest_message_arrives_and_a_longer_one_is_refused",
        replace(
            AGENT,
            '            else {"role": "user", "content": past.content}\n',
            '            else {"role": "user", "content": past.content[:500]}\n',
        ),
    ),
    mutant(
        "tags that differ in case taken for one",
        "PER-09",
        "behaviour/test_texts.py::test_tags_that_differ_in_case_are_both_kept",
        replace(
            TAGS,
            '    rows = [{"user_id": owner, "name": name} for name in names]\n',
            (
                "    existing = await session.scalars(select(Tag).where(Tag.user_id == owner))\n"
                "    known = {tag.name.lower(): tag.name for tag in existing}\n"
                "    names = sorted({known.get(name.lower(), name) for name in names})\n"
                '    rows = [{"user_id": owner, "name": name} for name in names]\n'
            ),
        ),
    ),
    mutant(
        "signal that the server ignores",
        "POD-21",
        STOPPED,
        replace(
            "dockerfiles/backend.Dockerfile",
            'EXPOSE 8000\nCMD ["python3", "-m", "todo_backend"]\n',
            'EXPOSE 8000\nSTOPSIGNAL SIGQUIT\nCMD ["python3", "-m", "todo_backend"]\n',
        ),
        experiment=DRAIN,
    ),
    mutant(
        "responses to clients that went away",
        "POD-21",
        STOPPED,
        replace(
            "app/frontend/drain.js",
            '  response.once("close", () => unanswered.delete(response));\n',
            '  response.once("finish", () => unanswered.delete(response));\n',
        ),
        experiment=DRAIN,
    ),
    mutant(
        "newer database refused",
        "DEP-08",
        "behaviour/test_standalone.py::test_migration_accepts_the_database_of_a_newer_release",
        replace(
            MIGRATE,
            '        log(f"the database is at revision {before}, which is newer than this release: nothing to do")\n'
            "        return\n",
            '        raise MigrationError(f"the database is at revision {before}, which this release does not know")\n',
        ),
    ),
    mutant(
        "toggles that overlap count once",
        "STA-13",
        "behaviour/test_concurrency.py::test_toggles_at_the_same_moment_all_count",
        replace(TASKS, ".options(selectinload(Task.tags)).with_for_update()\n", ".options(selectinload(Task.tags))\n"),
    ),
    mutant(
        "moments without an offset from UTC",
        "PER-09",
        "behaviour/test_moments.py::test_moments_have_an_offset_from_utc",
        replace(
            TASKS,
            "        created_at=task.created_at,\n        updated_at=task.updated_at,\n",
            (
                "        created_at=task.created_at.replace(tzinfo=None),\n"
                "        updated_at=task.updated_at.replace(tzinfo=None),\n"
            ),
        ),
    ),
    mutant(
        "tracebacks between lines of JSON",
        "PER-06",
        "behaviour/test_logs.py::test_error_is_logged_as_json_and_without_the_users_text",
        replace(
            LOGS,
            (
                "        if record.exc_info:\n"
                '            line["exception"] = self.formatException(record.exc_info)\n'
                "        return json.dumps(line, ensure_ascii=False)\n"
            ),
            (
                "        text = json.dumps(line, ensure_ascii=False)\n"
                '        return f"{text}\\n{self.formatException(record.exc_info)}" if record.exc_info else text\n'
            ),
        ),
    ),
    mutant(
        "migration of another pod taken for done",
        "REL-01",
        "behaviour/test_five_backends.py::test_migrations_end_before_the_backend_starts",
        replace(
            MIGRATE,
            (
                "def _lock(connection: Connection) -> None:\n"
                '    if connection.scalar(text("SELECT pg_try_advisory_xact_lock(:key)"), {"key": LOCK}):\n'
                "        return\n"
            ),
            (
                "def _lock(connection: Connection) -> bool:\n"
                '    return bool(connection.scalar(text("SELECT pg_try_advisory_xact_lock(:key)"), {"key": LOCK}))\n'
            ),
        ),
        replace(
            MIGRATE,
            "            _lock(connection)\n",
            "            if not _lock(connection):\n                return\n",
        ),
    ),
    mutant(
        "session of five minutes",
        "SCY-10",
        "behaviour/test_accounts.py::test_session_lasts_as_long_as_the_target_states",
        replace(FRONTEND_AUTH, ', strategy: "jwt", maxAge: SESSION_SECONDS }', ', strategy: "jwt" }'),
    ),
)
