"""Conditions on whom a row belongs to, a company or a unit, that PostgreSQL plans for any of them.

A value that it sees in a statement it looks up in what it counted last (`ANALYZE`). Of an owner that came or grew since
it expects no rows at all; then any index is good enough, be it one by which it reads everything that is theirs, and
again for each row beside it. So the value stands in a select of its own, into which it does not see.
"""

from collections.abc import Iterable
from typing import Any
from uuid import UUID

from sqlalchemy import ARRAY, BindParameter, Boolean, ColumnElement, Uuid, and_, any_
from sqlalchemy.dialects.postgresql import array
from sqlalchemy.ext.compiler import compiles
from sqlalchemy.sql import operators
from sqlalchemy.sql.compiler import SQLCompiler
from sqlalchemy.sql.elements import BinaryExpression
from sqlalchemy.types import TypeEngine


class _Owner(BindParameter[Any]):
    """A parameter, and not a select: after an update SQLAlchemy compares the rows that it knows with it itself."""

    inherit_cache = True

    @classmethod
    def of(cls, told: object, type_: TypeEngine[Any]) -> "_Owner":
        if isinstance(told, BindParameter):
            return cls(told.key, type_=type_, required=True)
        return cls(None, told, type_=type_, unique=True)


class _IsAmong(BinaryExpression[bool]):
    """A column and the `_Owner`s of a list, as `IN`."""

    inherit_cache = True


def owned_by(column: Any, owner_id: UUID | BindParameter[Any]) -> ColumnElement[bool]:
    """`column = owner_id`, or what a form is told by that parameter."""
    condition: ColumnElement[bool] = column == _Owner.of(owner_id, Uuid())
    return condition


def owned_by_any(column: Any, owner_ids: Iterable[UUID] | BindParameter[Any]) -> ColumnElement[bool]:
    """Whether `column` is one of these; one text, and one plan, for any number of them."""
    told = owner_ids if isinstance(owner_ids, BindParameter) else list(owner_ids)
    return _IsAmong(column, _Owner.of(told, ARRAY(Uuid())), operators.in_op, type_=Boolean())


def owned_sparsely_by(column: Any, owner_id: UUID | BindParameter[Any]) -> ColumnElement[bool]:
    """Beside `owned_by`, for what goes along the ids of a table: planned for an owner of few rows among many.

    An owner is taken for a quarter of the table (migration 0013); then everybody's ids are good enough to find some
    rows by, and the few of a small owner lie behind a million of others. Each time that it is said again, in a form of
    which PostgreSQL does not know that it is the same, it expects a quarter of what it did.
    """
    return and_(*(column == any_(array([_Owner.of(owner_id, Uuid())])) for _time in range(2)))


@compiles(_Owner)
def _write_owner(owner: _Owner, compiler: SQLCompiler, **options: Any) -> str:
    written = compiler.visit_bindparam(owner, **options)  # type: ignore[no-untyped-call]
    return f"(SELECT {written})"


@compiles(_IsAmong)
def _write_among(condition: _IsAmong, compiler: SQLCompiler, **options: Any) -> str:
    column, owners = (compiler.process(side, **options) for side in (condition.left, condition.right))
    # Without the cast it would be one row of the select, an array, that the column is compared with.
    return f"{column} = ANY ({owners}::uuid[])"
