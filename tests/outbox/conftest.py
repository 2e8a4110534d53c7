"""Units with something to send and connections to tend, on a database where things really commit."""

from collections.abc import Callable, Iterator
from dataclasses import replace
from typing import Any
from uuid import UUID

import pytest
from flask import Flask
from sqlalchemy import inspect, select

from portal.clock import now
from portal.db import atomic, db
from portal.extensions import parts
from portal.models import Connection, Conversation, Direction, Lane, Message, MessageKind, Unit
from portal.outbox import owners, servers
from portal.outbox.relay import OutboxRelay
from portal.services import conversations
from portal.tenancy import TenantScope, across_tenants, acting_for
from tests.evolution.little_servers import Scripted, closed_port
from tests.factories import make_connected_unit, make_conversation, make_tenant, make_unit
from tests.outbox.desk import KEY, Desk, Evolution

FINISH_S = 10.0


class Shop:
    """A unit, one of its conversations, and what happens in them."""

    def __init__(
        self,
        scope: TenantScope,
        slug: str = "centro",
        *,
        phone: str = "5511999990002",
        server_id: UUID | None = None,
    ) -> None:
        self.scope, self.phone = scope, phone
        self.unit: Unit = make_connected_unit(scope, slug, server_id=server_id)
        self.conversation: Conversation = make_conversation(scope, self.unit, phone=phone)
        # Checks and comparisons would be among the calls that tests of sending count.
        self.change(Connection, check_at=None, compare_at=None)

    def reply(self, text: str = "Olá") -> UUID:
        with acting_for(self.scope):
            return conversations.reply(self.scope, self.conversation.id, text=text).message.id

    def reply_to(self, phone: str, text: str = "Olá") -> UUID:
        """A message to another person of this unit."""
        conversation = make_conversation(self.scope, self.unit, phone=phone, name=None)
        with acting_for(self.scope):
            return conversations.reply(self.scope, conversation.id, text=text).message.id

    def hear(self, text: str = "Oi") -> None:
        """The customer writes: the chat is a warm one from now on."""
        said = {"kind": MessageKind.TEXT, "body": text, "at": now(), "direction": Direction.INBOUND}
        with acting_for(self.scope), atomic():
            conversations.note_last_message(self.scope, self.conversation.id, **said)

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


@pytest.fixture
def point_to(monkeypatch: pytest.MonkeyPatch, database: None) -> Callable[..., None]:
    """Let the environment name this Evolution; its webhooks find nobody at home."""

    def point(url: str, key: str = KEY) -> None:
        base_url = f"http://127.0.0.1:{closed_port()}"
        changed = replace(parts.config, evolution_api_url=url, evolution_api_key=key, base_url=base_url)
        monkeypatch.setattr(parts, "config", changed)
        servers.sync_default()

    return point


@pytest.fixture(scope="module")
def running_evolution() -> Iterator[Evolution]:
    evolution = Evolution()
    yield evolution
    evolution.stop()


@pytest.fixture
def evolution(running_evolution: Evolution, point_to: Callable[..., None]) -> Evolution:
    """The simulated server, without the instances of the test before."""
    running_evolution.simulator.store.instances.clear()
    point_to(running_evolution.url)
    return running_evolution


@pytest.fixture
def unit(scope: TenantScope) -> Unit:
    return make_unit(scope)


@pytest.fixture
def desk(scope: TenantScope, unit: Unit) -> Desk:
    return Desk(scope, unit)


@pytest.fixture
def scripted(point_to: Callable[..., None]) -> Iterator[Scripted]:
    scripted = Scripted()
    point_to(scripted.url)
    yield scripted
    scripted.stop()


@pytest.fixture
def relay(app: Flask, database: None) -> Iterator[OutboxRelay]:
    relay = OutboxRelay(app.app_context, owners.new_owner())
    yield relay
    assert relay.finish(FINISH_S)
