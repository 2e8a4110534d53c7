"""Units with something to send, on a database where things really commit."""

from collections.abc import Callable
from typing import Any
from uuid import UUID

import pytest
from sqlalchemy import inspect, select

from portal.db import atomic, db
from portal.models import Conversation, Lane, Message, Unit
from portal.services import conversations
from portal.tenancy import TenantScope, across_tenants, acting_for
from tests.factories import make_connected_unit, make_conversation, make_tenant


class Shop:
    """A unit, one of its conversations, and what happens in them."""

    def __init__(self, scope: TenantScope, slug: str = "centro", *, phone: str = "5511999990002") -> None:
        self.scope = scope
        self.unit: Unit = make_connected_unit(scope, slug)
        self.conversation: Conversation = make_conversation(scope, self.unit, phone=phone)

    def reply(self, text: str = "Olá") -> UUID:
        with acting_for(self.scope):
            return conversations.reply(self.scope, self.conversation.id, text=text).message.id

    def change(self, model: Any, **columns: object) -> None:
        with acting_for(self.scope), atomic():
            this = self.scope.update(model).where(model.unit_id == self.unit.id)
            db.session.execute(this.values(columns).execution_options(synchronize_session=False))

    def change_message(self, message_id: UUID, **columns: object) -> None:
        with acting_for(self.scope), atomic():
            this = self.scope.update(Message).where(Message.id == message_id)
            db.session.execute(this.values(columns).execution_options(synchronize_session=False))

    def message(self, message_id: UUID) -> Message:
        return next(m for m in rows_of(Message) if m.id == message_id)

    def lane(self) -> Lane:
        return next(lane for lane in rows_of(Lane) if lane.unit_id == self.unit.id)


def rows_of(model: Any) -> list[Any]:
    keys = inspect(model).primary_key
    with across_tenants("a test looks at the rows"):
        return list(db.session.scalars(select(model).order_by(*keys).execution_options(populate_existing=True)))


@pytest.fixture
def scope(database: None) -> TenantScope:
    return make_tenant()


@pytest.fixture
def shop(scope: TenantScope) -> Shop:
    return Shop(scope)


@pytest.fixture
def rows(database: None) -> Callable[[Any], list[Any]]:
    """All rows of a model, as they now stand in the database."""
    return rows_of
