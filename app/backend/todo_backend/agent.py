"""The agent: a model with tools for one user's tasks.

The tools change a draft in memory, so no database connection or lock is held during the model call, and their changes
are stored only together with the two messages of the conversation.
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
# Maximum number of model calls in one turn; ends a turn in which the model calls tools in a loop.
MAX_CALLS = 8
# A response may take long, but the connection must be established quickly.
CONNECT_SECONDS = 3.0

# Tracing would send the content of conversations to the vendor.
set_tracing_disabled(True)


class ModelUnavailableError(Exception):
    """The model is unreachable, overloaded or too slow."""


class ModelFailedError(Exception):
    """The model returned an error or an unusable response."""


@dataclass
class Draft:
    """The result of a turn so far: ``tasks`` as the user will see them, and the tool calls that changed them."""

    owner: str
    tasks: list[Task]
    deleted: list[Task] = field(default_factory=list)
    calls: list[dict[str, Any]] = field(default_factory=list)

    def record(self, name: str, arguments: dict[str, Any], result: str) -> str:
        self.calls.append({"name": name, "arguments": arguments, "result": result})
        return result

    def find_task(self, title: str) -> Task | None:
        """The task with this title, ignoring case; an open task takes precedence over a completed one."""
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
    draft, task = context.context, context.context.find_task(title)
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
    draft, task = context.context, context.context.find_task(title)
    if task is None:
        return draft.record("delete_task", {"title": title}, f"no task is called {title}")
    draft.tasks.remove(task)
    draft.deleted.append(task)
    return draft.record("delete_task", {"title": title}, f"deleted {task.title}")


def _clean(text: str, length: int) -> str:
    return text.replace("\x00", "").strip()[:length]


class Agent:
    """Calls the model. Keeps no state between turns."""

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
            # The conversation is stored in the application's database, not by the vendor.
            model_settings=ModelSettings(store=False, parallel_tool_calls=False),
        )

    async def answer(self, history: Sequence[Message], message: str, draft: Draft) -> str:
        """The assistant's response to ``message`` after ``history``; the tools change ``draft``.

        Raises:
            ModelUnavailableError, ModelFailedError: the draft must then be discarded.
        """
        messages: list[TResponseInputItem] = [
            {"role": "assistant", "content": past.content}
            if past.role == "assistant"
            else {"role": "user", "content": past.content}
            for past in history
        ]
        messages.append({"role": "user", "content": message})
        try:
            async with asyncio.timeout(self._seconds):
                result = await Runner.run(
                    self._definition,
                    messages,
                    context=draft,
                    max_turns=MAX_CALLS,
                    run_config=RunConfig(tracing_disabled=True),
                )
            response = _clean(str(result.final_output or ""), 100_000)
        except (TimeoutError, openai.APIConnectionError, openai.RateLimitError) as error:
            raise ModelUnavailableError(repr(error)) from error
        # Any other exception of the SDK means a failed turn; a malformed response, for example, is an AttributeError.
        except Exception as error:
            raise ModelFailedError(repr(error)) from error
        if not response:
            raise ModelFailedError("the model's response is empty")
        return response
