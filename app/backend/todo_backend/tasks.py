"""A user's tasks."""

from typing import Annotated, Literal

from fastapi import APIRouter, HTTPException, Query
from sqlalchemy import delete, func, or_, select
from sqlalchemy.ext.asyncio import AsyncSession
from sqlalchemy.orm import selectinload

from todo_backend import tags
from todo_backend.auth import Owner
from todo_backend.dependencies import DatabaseDep
from todo_backend.models import Tag, Task
from todo_backend.schemas import Completion, Id, Storable, TaskIn, TaskOut, TaskPatch

router = APIRouter(prefix="/api/{user_id}/tasks", tags=["tasks"])


def _out(task: Task) -> TaskOut:
    return TaskOut(
        id=task.id,
        title=task.title,
        description=task.description,
        completed=task.completed,
        tags=[tag.name for tag in task.tags],
        created_at=task.created_at,
        updated_at=task.updated_at,
    )


async def _locked(session: AsyncSession, owner: str, task_id: int) -> Task:
    """The task, locked until the transaction ends."""
    statement = (
        select(Task).where(Task.user_id == owner, Task.id == task_id).options(selectinload(Task.tags)).with_for_update()
    )
    task = (await session.scalars(statement)).one_or_none()
    if task is None:
        raise HTTPException(404, "no such task")
    return task


@router.post("", status_code=201)
async def create_task(owner: Owner, body: TaskIn, database: DatabaseDep) -> TaskOut:
    async with database.transaction() as session:
        task = Task(
            user_id=owner,
            title=body.title,
            description=body.description,
            completed=body.completed,
            tags=await tags.named(session, owner, body.tags),
        )
        session.add(task)
    return _out(task)


@router.get("")
async def list_tasks(
    owner: Owner,
    database: DatabaseDep,
    status: Literal["all", "pending", "completed"] = "all",
    tag: Annotated[str | None, Storable] = None,
    q: Annotated[str | None, Query(description="text in title or description"), Storable] = None,
    limit: Annotated[int, Query(ge=1, le=500)] = 100,
    offset: Annotated[int, Query(ge=0, le=2**31)] = 0,
) -> list[TaskOut]:
    """Newest first."""
    statement = select(Task).where(Task.user_id == owner).options(selectinload(Task.tags))
    if status != "all":
        statement = statement.where(Task.completed.is_(status == "completed"))
    if tag:
        statement = statement.where(Task.tags.any(Tag.name == tag))
    if q:
        statement = statement.where(
            or_(Task.title.icontains(q, autoescape=True), Task.description.icontains(q, autoescape=True))
        )
    async with database.transaction() as session:
        found = (await session.scalars(statement.order_by(Task.id.desc()).limit(limit).offset(offset))).all()
    return [_out(task) for task in found]


@router.get("/{task_id}")
async def read_task(owner: Owner, task_id: Id, database: DatabaseDep) -> TaskOut:
    statement = select(Task).where(Task.user_id == owner, Task.id == task_id).options(selectinload(Task.tags))
    async with database.transaction() as session:
        task = (await session.scalars(statement)).one_or_none()
    if task is None:
        raise HTTPException(404, "no such task")
    return _out(task)


@router.put("/{task_id}")
async def replace_task(owner: Owner, task_id: Id, body: TaskIn, database: DatabaseDep) -> TaskOut:
    return await _change(owner, task_id, TaskPatch(**body.model_dump()), database)


@router.patch("/{task_id}")
async def update_task(owner: Owner, task_id: Id, body: TaskPatch, database: DatabaseDep) -> TaskOut:
    return await _change(owner, task_id, body, database)


async def _change(owner: str, task_id: int, change: TaskPatch, database: DatabaseDep) -> TaskOut:
    async with database.transaction() as session:
        task = await _locked(session, owner, task_id)
        for field in change.model_fields_set - {"tags"}:
            setattr(task, field, getattr(change, field))
        if "tags" in change.model_fields_set:
            task.tags = await tags.named(session, owner, change.tags)
            # They are rows of another table, so that of the task would keep its time of change.
            task.updated_at = func.now()
    return _out(task)


@router.patch("/{task_id}/complete")
async def complete_task(owner: Owner, task_id: Id, database: DatabaseDep, body: Completion | None = None) -> TaskOut:
    """Set ``completed`` to the value in the body; without a body, toggle it."""
    async with database.transaction() as session:
        task = await _locked(session, owner, task_id)
        task.completed = body.completed if body else not task.completed
    return _out(task)


@router.delete("/{task_id}", status_code=204)
async def delete_task(owner: Owner, task_id: Id, database: DatabaseDep) -> None:
    statement = delete(Task).where(Task.user_id == owner, Task.id == task_id).returning(Task.id)
    async with database.transaction() as session:
        deleted = (await session.scalars(statement)).one_or_none()
    if deleted is None:
        raise HTTPException(404, "no such task")
