"""Request and response bodies of the API."""

from datetime import datetime
from typing import Annotated, Any, Literal

from pydantic import AfterValidator, BaseModel, ConfigDict, Field, StringConstraints


def _storable(text: str) -> str:
    if "\x00" in text:
        raise ValueError("must not contain a NUL character")
    return text


def _distinct(names: list[str]) -> list[str]:
    return sorted(set(names))


def _text(low: int, high: int) -> StringConstraints:
    return StringConstraints(strip_whitespace=True, min_length=low, max_length=high)


Storable = AfterValidator(_storable)
Title = Annotated[str, _text(1, 200), Storable]
Description = Annotated[str, _text(0, 2000), Storable]
TagName = Annotated[str, _text(1, 50), Storable]
TagNames = Annotated[list[TagName], Field(max_length=20), AfterValidator(_distinct)]
ChatMessage = Annotated[str, _text(1, 4000), Storable]
# A bigint key.
Id = Annotated[int, Field(ge=1, le=2**63 - 1)]


class _In(BaseModel):
    model_config = ConfigDict(extra="forbid")


class _Out(BaseModel):
    model_config = ConfigDict(from_attributes=True)


class TaskIn(_In):
    """A complete task, for POST and PUT."""

    title: Title
    description: Description = ""
    completed: bool = False
    tags: TagNames = []


class TaskPatch(_In):
    """Some fields of a task. Absent fields remain unchanged; null is not allowed."""

    title: Title = ""
    description: Description = ""
    completed: bool = False
    tags: TagNames = []


class Completion(_In):
    completed: bool


class TagIn(_In):
    name: TagName


class TagOut(_Out):
    id: int
    name: str


class TaskOut(_Out):
    id: int
    title: str
    description: str
    completed: bool
    tags: Annotated[list[str], Field(description="names")]
    created_at: datetime
    updated_at: datetime


class ChatIn(_In):
    conversation_id: Id | None = None
    message: ChatMessage


class ToolCall(BaseModel):
    name: str
    arguments: dict[str, Any]
    result: str


class ChatOut(BaseModel):
    conversation_id: int
    response: str
    tool_calls: list[ToolCall]


class ConversationOut(_Out):
    id: int
    title: str
    created_at: datetime
    updated_at: datetime


class MessageOut(_Out):
    id: int
    role: Literal["user", "assistant"]
    content: str
    tool_calls: list[ToolCall]
    created_at: datetime


class Problem(BaseModel):
    detail: str
