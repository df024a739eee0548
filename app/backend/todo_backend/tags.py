"""A user's tags."""

from collections.abc import Sequence

from fastapi import APIRouter, HTTPException
from sqlalchemy import delete, select
from sqlalchemy.dialects.postgresql import insert
from sqlalchemy.ext.asyncio import AsyncSession

from todo_backend.auth import Owner
from todo_backend.dependencies import DatabaseDep
from todo_backend.models import Tag
from todo_backend.schemas import Id, TagIn, TagOut

router = APIRouter(prefix="/api/{user_id}/tags", tags=["tags"])


async def named(session: AsyncSession, owner: str, names: Sequence[str]) -> list[Tag]:
    """The owner's tags with these sorted names; missing tags are created."""
    if not names:
        return []
    rows = [{"user_id": owner, "name": name} for name in names]
    await session.execute(insert(Tag).values(rows).on_conflict_do_nothing())
    found = await session.scalars(select(Tag).where(Tag.user_id == owner, Tag.name.in_(names)).order_by(Tag.name))
    return list(found)


@router.get("", response_model=list[TagOut])
async def list_tags(owner: Owner, database: DatabaseDep) -> Sequence[Tag]:
    async with database.transaction() as session:
        return (await session.scalars(select(Tag).where(Tag.user_id == owner).order_by(Tag.name))).all()


@router.post("", status_code=201, response_model=TagOut)
async def create_tag(owner: Owner, body: TagIn, database: DatabaseDep) -> Tag:
    statement = insert(Tag).values(user_id=owner, name=body.name).on_conflict_do_nothing().returning(Tag)
    async with database.transaction() as session:
        tag = (await session.scalars(statement)).one_or_none()
    if tag is None:
        raise HTTPException(409, "a tag with this name already exists")
    return tag


@router.delete("/{tag_id}", status_code=204)
async def delete_tag(owner: Owner, tag_id: Id, database: DatabaseDep) -> None:
    statement = delete(Tag).where(Tag.user_id == owner, Tag.id == tag_id).returning(Tag.id)
    async with database.transaction() as session:
        deleted = (await session.scalars(statement)).one_or_none()
    if deleted is None:
        raise HTTPException(404, "no such tag")
