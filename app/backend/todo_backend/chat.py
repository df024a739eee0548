"""Conversations with the agent."""

from collections.abc import Sequence
from typing import Annotated, cast

from fastapi import APIRouter, Depends, HTTPException, Query, Request
from sqlalchemy import func, select
from sqlalchemy.ext.asyncio import AsyncSession

from todo_backend.agent import Agent, Draft
from todo_backend.auth import Owner
from todo_backend.dependencies import DatabaseDep
from todo_backend.models import Conversation, Message, Task
from todo_backend.schemas import ChatIn, ChatOut, ConversationOut, Id, MessageOut, Problem, ToolCall

# The model receives the newest messages of the conversation and the newest tasks, open tasks first.
HISTORY_MESSAGES = 100
DRAFT_TASKS = 200

router = APIRouter(prefix="/api/{user_id}", tags=["chat"])


def _agent(request: Request) -> Agent:
    return cast(Agent, request.app.state.agent)


async def _conversation(session: AsyncSession, owner: str, conversation_id: int) -> Conversation:
    found = await session.scalars(
        select(Conversation).where(Conversation.user_id == owner, Conversation.id == conversation_id)
    )
    conversation = found.one_or_none()
    if conversation is None:
        raise HTTPException(404, "no such conversation")
    return conversation


async def _messages(session: AsyncSession, conversation_id: int, limit: int) -> list[Message]:
    newest = await session.scalars(
        select(Message).where(Message.conversation_id == conversation_id).order_by(Message.id.desc()).limit(limit)
    )
    return list(newest)[::-1]


@router.post("/chat", responses={502: {"model": Problem}, 503: {"model": Problem}})
async def chat(owner: Owner, body: ChatIn, database: DatabaseDep, agent: Annotated[Agent, Depends(_agent)]) -> ChatOut:
    """One turn: read, call the model, then store both messages and the changes of the tools in one transaction."""
    async with database.transaction() as session:
        conversation, history = Conversation(user_id=owner, title=body.message[:80]), []
        if body.conversation_id is not None:
            conversation = await _conversation(session, owner, body.conversation_id)
            history = await _messages(session, conversation.id, HISTORY_MESSAGES)
        tasks = await session.scalars(
            select(Task).where(Task.user_id == owner).order_by(Task.completed, Task.id.desc()).limit(DRAFT_TASKS)
        )
        draft = Draft(owner, list(tasks))

    response = await agent.answer(history, body.message, draft)

    async with database.transaction() as session:
        # Written first to lock the conversation, so that concurrent turns are stored one after the other.
        conversation.updated_at = func.now()
        session.add_all([conversation, *reversed(draft.tasks)])
        await session.flush()
        for task in draft.deleted:
            if task.id is not None:
                await session.delete(task)
        session.add(Message(conversation=conversation, role="user", content=body.message, tool_calls=[]))
        await session.flush()
        session.add(Message(conversation=conversation, role="assistant", content=response, tool_calls=draft.calls))
    return ChatOut(
        conversation_id=conversation.id,
        response=response,
        tool_calls=[ToolCall.model_validate(call) for call in draft.calls],
    )


@router.get("/conversations", response_model=list[ConversationOut])
async def list_conversations(
    owner: Owner,
    database: DatabaseDep,
    limit: Annotated[int, Query(ge=1, le=500)] = 100,
    offset: Annotated[int, Query(ge=0, le=2**31)] = 0,
) -> Sequence[Conversation]:
    """Most recently used first."""
    async with database.transaction() as session:
        found = await session.scalars(
            select(Conversation)
            .where(Conversation.user_id == owner)
            .order_by(Conversation.updated_at.desc(), Conversation.id.desc())
            .limit(limit)
            .offset(offset)
        )
        return found.all()


@router.get("/conversations/{conversation_id}/messages", response_model=list[MessageOut])
async def list_messages(
    owner: Owner,
    conversation_id: Id,
    database: DatabaseDep,
    limit: Annotated[int, Query(ge=1, le=1000)] = 500,
) -> list[Message]:
    """The newest ``limit`` messages, oldest first."""
    async with database.transaction() as session:
        await _conversation(session, owner, conversation_id)
        return await _messages(session, conversation_id, limit)
