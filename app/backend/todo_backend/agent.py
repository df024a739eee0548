"""The agent: a model with tools for one user's tasks.

The tools work on a draft, so no database connection or lock is held while the model thinks, and what they did
becomes real only together with the conversation's two messages.
"""

import asyncio
import json
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any, Literal

import openai
from agents import Agent as Definition
from agents import (
    ModelSettings,
    OpenAIResponsesModel,
    RunConfig,
    RunContextWrapper,
    Runner,
    TResponseInputItem,
    function_tool,
    set_tracing_disabled,
)

from todo_backend.models import Message, Task
from todo_backend.settings import Settings

INSTRUCTIONS = (
    "You look after the user's to-do list. Use the tools to add, list, complete and delete tasks, "
    "and say in a short sentence what you did. Never claim a change that no tool reported."
)
# Model calls in one turn: more than any sensible turn needs, few enough to end a model that goes round in circles.
MAX_CALLS = 8
# A model may think for long, but it is there at once or away.
CONNECT_SECONDS = 3.0

# It would post what people write to the vendor's dashboard.
set_tracing_disabled(True)


class ModelAwayError(Exception):
    """The model can't be reached, is overloaded or too slow."""


class ModelFailedError(Exception):
    """The model answered with an error or with something that is no answer."""


@dataclass
class Draft:
    """What a turn has done so far: ``tasks`` as the user would see them, and how they came to be so."""

    owner: str
    tasks: list[Task]
    deleted: list[Task] = field(default_factory=list)
    calls: list[dict[str, Any]] = field(default_factory=list)

    def record(self, name: str, arguments: dict[str, Any], result: str) -> str:
        self.calls.append({"name": name, "arguments": arguments, "result": result})
        return result

    def called(self, title: str) -> Task | None:
        """The task of this title, in whatever letters; an open one rather than a completed one."""
        wanted = title.strip().casefold()
        found = [task for task in self.tasks if task.title.casefold() == wanted]
        return min(found, key=lambda task: task.completed, default=None)


@function_tool(failure_error_function=None)
def add_task(context: RunContextWrapper[Draft], title: str, description: str = "") -> str:
    """Add a task to the user's list.

    Args:
        title: What is to be done, at most 200 characters.
        description: Details, if there are any.
    """
    draft, title, description = context.context, _clean(title, 200), _clean(description, 2000)
    arguments = {"title": title, "description": description} if description else {"title": title}
    if not title:
        return draft.record("add_task", arguments, "a task needs a title")
    draft.tasks.insert(0, Task(user_id=draft.owner, title=title, description=description, completed=False, tags=[]))
    return draft.record("add_task", arguments, f"added {title}")


@function_tool(failure_error_function=None)
def list_tasks(context: RunContextWrapper[Draft], status: Literal["all", "pending", "completed"] = "all") -> str:
    """List the user's tasks.

    Args:
        status: Which of them.
    """
    draft = context.context
    shown = [
        {"title": task.title, "completed": task.completed}
        for task in draft.tasks
        if status == "all" or task.completed == (status == "completed")
    ]
    return draft.record("list_tasks", {"status": status}, json.dumps(shown, ensure_ascii=False))


@function_tool(failure_error_function=None)
def complete_task(context: RunContextWrapper[Draft], title: str) -> str:
    """Mark a task as completed.

    Args:
        title: The task's title.
    """
    draft, task = context.context, context.context.called(title)
    if task is None:
        return draft.record("complete_task", {"title": title}, f"no task is called {title}")
    task.completed = True
    return draft.record("complete_task", {"title": title}, f"completed {task.title}")


@function_tool(failure_error_function=None)
def delete_task(context: RunContextWrapper[Draft], title: str) -> str:
    """Delete a task.

    Args:
        title: The task's title.
    """
    draft, task = context.context, context.context.called(title)
    if task is None:
        return draft.record("delete_task", {"title": title}, f"no task is called {title}")
    draft.tasks.remove(task)
    draft.deleted.append(task)
    return draft.record("delete_task", {"title": title}, f"deleted {task.title}")


def _clean(text: str, length: int) -> str:
    return text.replace("\x00", "").strip()[:length]


class Agent:
    """Asks the model; remembers nothing between turns."""

    def __init__(self, settings: Settings) -> None:
        self._seconds = settings.model_seconds
        client = openai.AsyncOpenAI(
            api_key=settings.openai_api_key,
            base_url=settings.openai_base_url,
            timeout=openai.Timeout(settings.model_seconds, connect=min(CONNECT_SECONDS, settings.model_seconds)),
            max_retries=settings.model_retries,
        )
        self._definition = Definition[Draft](
            name="todo",
            instructions=INSTRUCTIONS,
            tools=[add_task, list_tasks, complete_task, delete_task],
            model=OpenAIResponsesModel(settings.openai_model, client),
            # The conversation is kept in our database, not at the vendor.
            model_settings=ModelSettings(store=False, parallel_tool_calls=False),
        )

    async def answer(self, history: Sequence[Message], message: str, draft: Draft) -> str:
        """The assistant's words for ``message`` after ``history``; the tools change ``draft``.

        Raises:
            ModelAwayError, ModelFailedError: the draft is then worthless.
        """
        given: list[TResponseInputItem] = [
            {"role": "assistant", "content": past.content}
            if past.role == "assistant"
            else {"role": "user", "content": past.content}
            for past in history
        ]
        given.append({"role": "user", "content": message})
        try:
            async with asyncio.timeout(self._seconds):
                result = await Runner.run(
                    self._definition,
                    given,
                    context=draft,
                    max_turns=MAX_CALLS,
                    run_config=RunConfig(tracing_disabled=True),
                )
            words = _clean(str(result.final_output or ""), 100_000)
        except (TimeoutError, openai.APIConnectionError, openai.RateLimitError) as error:
            raise ModelAwayError(repr(error)) from error
        # Whatever else comes out of the SDK (a malformed answer is an AttributeError) is a turn that failed.
        except Exception as error:
            raise ModelFailedError(repr(error)) from error
        if not words:
            raise ModelFailedError("the model's answer is empty")
        return words
