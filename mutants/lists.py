"""Live mutants of lists and of moments: filters, order, pages of a search, and times of creation and of change."""

from __future__ import annotations

from mutants.applications import TASKS, TASKS_PAGE
from mutants.edits import replace
from mutants.frontends import CHAT_PAGE
from mutants.mutant import mutant
from mutants.users_data import HISTORY

CHAT = "app/backend/todo_backend/chat.py"
MODELS = "app/backend/todo_backend/models.py"
JOINED = "behaviour/test_lists.py::test_filters_that_are_asked_for_together_all_hold"
MOVED = "behaviour/test_moments.py::test_change_moves_its_own_moment_and_not_that_of_the_creation"

MUTANTS = (
    mutant(
        "state that a search forgets",
        "PER-09",
        JOINED,
        replace(TASKS, '    if status != "all":\n', '    if status != "all" and not q:\n'),
    ),
    mutant(
        "state that is asked for after a part is taken",
        "PER-09",
        JOINED,
        replace(
            TASKS,
            '    if status != "all":\n        statement = statement.where(Task.completed.is_(status == "completed"))\n',
            "",
        ),
        replace(
            TASKS,
            "    return [_out(task) for task in found]\n",
            '    states = (False, True) if status == "all" else (status == "completed",)\n'
            "    return [_out(task) for task in found if task.completed in states]\n",
        ),
    ),
    mutant(
        "older page that forgets the search",
        "PER-01",
        "behaviour/test_lists.py::test_every_part_of_what_a_search_finds_is_on_its_pages",
        replace(TASKS_PAGE, "{ ...shown, from: String(offset + PAGE) }", "{ from: String(offset + PAGE) }"),
    ),
    mutant(
        "page that ends at fifty messages",
        "PER-09",
        HISTORY,
        replace(CHAT_PAGE, "{messages.map((message)", "{messages.slice(0, 50).map((message)"),
    ),
    mutant(
        "conversations in the order of their creation",
        "PER-01",
        "behaviour/test_lists.py::test_conversation_that_was_used_last_is_listed_first",
        replace(
            CHAT,
            ".order_by(Conversation.updated_at.desc(), Conversation.id.desc())",
            ".order_by(Conversation.id.desc())",
        ),
    ),
    mutant(
        "creation that a change moves",
        "PER-09",
        MOVED,
        replace(
            MODELS,
            "    created_at: Mapped[datetime] = mapped_column(server_default=func.now())\n"
            "    updated_at: Mapped[datetime] = mapped_column(server_default=func.now(), onupdate=func.now())\n",
            "    created_at: Mapped[datetime] = mapped_column(server_default=func.now(), onupdate=func.now())\n"
            "    updated_at: Mapped[datetime] = mapped_column(server_default=func.now(), onupdate=func.now())\n",
        ),
    ),
    mutant(
        "change of tags that has no moment",
        "PER-09",
        MOVED,
        replace(TASKS, "            task.updated_at = func.now()\n", ""),
    ),
    mutant(
        "local time given for UTC",
        "PER-09",
        "behaviour/test_moments.py::test_moment_of_a_creation_is_now",
        replace(
            TASKS,
            "        created_at=task.created_at,\n",
            "        created_at=task.created_at.replace(hour=(task.created_at.hour + 5) % 24),\n",
        ),
    ),
    mutant(
        "turn that leaves the moment of its conversation",
        "PER-09",
        "behaviour/test_moments.py::test_turn_moves_the_moment_of_its_conversation",
        replace(
            CHAT,
            "        conversation.updated_at = func.now()\n",
            "        conversation.title = func.coalesce(conversation.title)\n",
        ),
    ),
)
