"""Deleting how people got in, a while after it is over: a part of retention."""

from collections.abc import Callable, Iterator
from datetime import timedelta
from functools import partial
from typing import Any

from sqlalchemy import ColumnElement, delete, select

from portal.clock import now
from portal.db import atomic, db
from portal.models import AccountLink, RecoveryCode, UserSession
from portal.services.deleting import BATCH
from portal.tenancy import across_tenants

DAYS = 30


def list_tasks() -> Iterator[Callable[[], bool]]:
    """What each deletes one batch, and says whether there may be more."""
    long_ago = now() - timedelta(days=DAYS)
    yield partial(_delete, UserSession, UserSession.expires_at < long_ago)
    yield partial(_delete, AccountLink, AccountLink.expires_at < long_ago)
    yield partial(_delete, RecoveryCode, RecoveryCode.used_at < long_ago)


def _delete(model: Any, is_over: ColumnElement[bool]) -> bool:
    some = select(model.id).where(is_over).limit(BATCH)
    with across_tenants("these are people's, of whom some belong to no tenant"), atomic():
        old = delete(model).where(model.id.in_(some)).returning(model.id)
        return len(db.session.scalars(old.execution_options(synchronize_session=False)).all()) >= BATCH
