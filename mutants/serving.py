"""Live mutants of how requests are answered: repeated ones, odd ones, in outages, beside others, and what is logged."""

from __future__ import annotations

from mutants.applications import APP, FRONTEND_BACKEND, TASKS
from mutants.edits import replace
from mutants.isolation import DOCKERFILE
from mutants.mutant import mutant
from mutants.users_data import AGENT, COMPLETED, HISTORY, MIDDLEWARE

FRONTEND_DOCKERFILE = "dockerfiles/frontend.Dockerfile"
CHAT_PAGE = "app/frontend/app/(signed-in)/chat/[[...conversation]]/page.tsx"
TASK_ITEM = "app/frontend/components/task-item.tsx"
CLIENTS = "behaviour/test_clients.py"
FORMS = "journey/test_forms.py"
IDENTIFIER = "behaviour/test_logs.py::test_identifier_of_a_request_is_returned_and_logged"

MUTANTS = (
    mutant(
        "reopening that toggles",
        "PER-09",
        COMPLETED,
        replace(
            TASKS,
            "task.completed = body.completed if body else not task.completed",
            "task.completed = (body and body.completed) or not task.completed",
        ),
    ),
    mutant(
        "wildcards in descriptions",
        "PER-09",
        "behaviour/test_texts.py::test_search_takes_wildcards_literally_in_every_field",
        replace(TASKS, "Task.description.icontains(q, autoescape=True)", "Task.description.icontains(q)"),
    ),
    mutant(
        "completed twin taken for the open task",
        "PER-09",
        "behaviour/test_fields.py::test_chat_completes_the_open_one_of_two_tasks_of_a_title",
        replace(
            AGENT,
            "return min(found, key=lambda task: task.completed, default=None)",
            "return max(found, key=lambda task: task.completed, default=None)",
        ),
    ),
    mutant(
        "answers after a tool call as the user's words",
        "STA-03",
        HISTORY,
        replace(
            AGENT,
            '            if past.role == "assistant"\n',
            '            if past.role == "assistant" and not past.tool_calls\n',
        ),
    ),
    mutant(
        "bad input sent back",
        "PER-01",
        "behaviour/test_api.py::test_invalid_input_is_refused_and_not_stored",
        replace(APP, '("loc", "msg", "type")', '("loc", "msg", "type", "input")'),
    ),
    mutant(
        "user's message in the log of an error",
        "SCY-10",
        "behaviour/test_logs.py::test_error_is_logged_as_json_and_without_the_users_text",
        replace(
            AGENT,
            "raise ModelUnavailableError(repr(error)) from error",
            'raise ModelUnavailableError(f"{error!r} at {message!r}") from error',
        ),
    ),
    mutant(
        "model waited for beyond its users",
        "PER-04",
        "behaviour/test_chat.py::test_turn_whose_model_never_answers_ends_in_time",
        replace(DOCKERFILE, "PYTHONDONTWRITEBYTECODE=1\n", "PYTHONDONTWRITEBYTECODE=1 MODEL_TIMEOUT_SECONDS=300\n"),
    ),
    mutant(
        "forms of another port accepted",
        "STA-05",
        "behaviour/test_plain_forms.py::test_form_of_another_site_has_no_effect",
        replace(
            "app/frontend/lib/action.ts",
            'new URL(origin).host !== request.headers.get("host")',
            'new URL(origin).hostname !== request.headers.get("host")?.split(":")[0]',
        ),
    ),
    mutant(
        "conversations that seem lost in an outage",
        "PER-08",
        "behaviour/test_database_faults.py::test_no_page_shows_missing_data_as_if_there_were_none",
        replace(
            CHAT_PAGE,
            'callBackend<Conversation[]>(session, "/conversations"),',
            'callBackend<Conversation[]>(session, "/conversations").catch(() => []),',
        ),
    ),
    mutant(
        "form that is sent twice by a double click",
        "PER-09",
        f"{FORMS}::test_double_click_adds_one_task",
        replace("app/frontend/components/use-submit.ts", "    if (pending) return;\n", ""),
    ),
    mutant(
        "checkbox that keeps what failed",
        "PER-09",
        f"{FORMS}::test_task_is_open_after_completing_it_has_failed",
        replace(TASK_ITEM, 'import { useOptimistic } from "react";', 'import { useState } from "react";'),
        replace(TASK_ITEM, "useOptimistic(task.completed)", "useState(task.completed)"),
    ),
    mutant(
        "few connections at a time",
        "SVC-12",
        f"{CLIENTS}::test_pod_answers_beside_many_idle_connections",
        replace(
            DOCKERFILE,
            'CMD ["python3", "-m", "todo_backend"]',
            'CMD ["sh", "-c", "ulimit -n 128; exec python3 -m todo_backend"]',
        ),
    ),
    mutant(
        "few bytes of headers",
        "SVC-12",
        f"{CLIENTS}::test_page_is_shown_whatever_else_the_browser_sends",
        replace(
            FRONTEND_DOCKERFILE,
            "    HOSTNAME=0.0.0.0 \\\n",
            "    NODE_OPTIONS=--max-http-header-size=4096 \\\n    HOSTNAME=0.0.0.0 \\\n",
        ),
    ),
    mutant(
        "replacement that keeps what it is not given",
        "PER-09",
        "behaviour/test_fields.py::test_fields_that_a_replacement_lacks_are_all_treated_alike",
        replace(TASKS, "TaskPatch(**body.model_dump())", "TaskPatch(**body.model_dump(exclude_unset=True))"),
    ),
    mutant(
        "sign-in that nothing limits",
        "SCY-10",
        "behaviour/test_accounts.py::test_sign_in_is_refused_after_many_wrong_passwords",
        replace("app/frontend/lib/auth.ts", "rateLimit: { storage", "rateLimit: { enabled: false, storage"),
    ),
    mutant(
        "turn without a limit of its own",
        "PER-04",
        "behaviour/test_chat.py::test_turn_whose_model_calls_tools_for_ever_ends_in_time",
        replace(AGENT, "asyncio.timeout(self._seconds)", "asyncio.timeout(None)"),
    ),
    mutant(
        "identifier of a page that the backend does not get",
        "PER-06",
        "behaviour/test_logs.py::test_page_is_logged_by_both_components_under_one_identifier",
        replace(
            FRONTEND_BACKEND,
            '...(requestId && { "X-Request-ID": requestId }),',
            '...(requestId && { "X-Correlation-ID": requestId }),',
        ),
    ),
    mutant(
        "identifier of a request that is always a new one",
        "PER-06",
        IDENTIFIER,
        replace(
            MIDDLEWARE,
            "request_id = given if _REQUEST_ID.fullmatch(given) else uuid.uuid4().hex",
            "request_id = uuid.uuid4().hex if _REQUEST_ID.fullmatch(given) else given",
        ),
    ),
    mutant(
        "identifier that is not logged",
        "PER-06",
        IDENTIFIER,
        replace(MIDDLEWARE, '                "request_id": request_id,\n', ""),
    ),
)
