"""Columns and constraints that several tables share."""

from enum import StrEnum

from sqlalchemy import CheckConstraint, ForeignKeyConstraint, String


def enum_text() -> String:
    """Statuses are stored as text: adding one is a new check, not a new database type."""
    return String(32)


def one_of(column: str, values: type[StrEnum]) -> CheckConstraint:
    listed = ", ".join(f"'{value}'" for value in values)
    return CheckConstraint(f"{column} IN ({listed})", name=column)


def same_tenant(column: str, target: str, *, on_delete: str | None = None) -> ForeignKeyConstraint:
    """`(tenant_id, column) -> (tenant_id, id)`: the database refuses a row that mixes tenants."""
    return ForeignKeyConstraint(["tenant_id", column], [f"{target}.tenant_id", f"{target}.id"], ondelete=on_delete)
