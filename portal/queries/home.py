"""What a company's home asks for: its units, who waits longest, its day, and how far a new company has come."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

from sqlalchemy import ColumnElement, Select, case, exists, extract, func, literal, select, true

from portal.clock import now
from portal.db import db, first_id_at
from portal.models import (
    ABOUT_ANOTHER,
    Campaign,
    Connection,
    Contact,
    ContactKind,
    Conversation,
    DeliveryState,
    Direction,
    Import,
    ImportState,
    Lane,
    Message,
    MessageSource,
    MessageStatus,
    Tenant,
    Unit,
    User,
    WebhookDelivery,
    WebhookEndpoint,
)
from portal.queries import units
from portal.queries.conversation_lists import MOST_COUNTED
from portal.tenancy import TenantScope

# Of what an endpoint was told, only so much is looked through for what was given up, and of one day.
NEWEST_DELIVERIES = 200
RECENT = timedelta(hours=24)
# A company that wrote to somebody has done so among these.
NEWEST_MESSAGES = 200
HANDED_OVER = (MessageStatus.SENT, MessageStatus.DELIVERED, MessageStatus.READ)
ARRIVED = (MessageStatus.DELIVERED, MessageStatus.READ)
IS_LIVING = Unit.archived_at.is_(None)
IN_TROUBLE = (MessageStatus.FAILED, MessageStatus.UNCONFIRMED)


@dataclass(frozen=True)
class UnitRow:
    """A unit with its connection and its lane."""

    unit: Unit
    connection: Connection
    lane: Lane


@dataclass(frozen=True)
class Clock:
    """A time zone in which there are units, and how many hours a message of theirs may wait at most."""

    time_zone: str
    message_lifetime_h: int


@dataclass(frozen=True)
class Waiting:
    """Open conversations in which the customer wrote last and that nobody answers, and the one that waits longest.

    They are counted up to MOST_COUNTED.
    """

    number: int
    longest: Conversation
    unit: Unit


@dataclass(frozen=True)
class Tally:
    """Messages by what became of them. Whatever was delivered was sent too, and whatever was read was delivered."""

    received: int = 0
    sent: int = 0
    delivered: int = 0
    read: int = 0
    failed: int = 0
    unconfirmed: int = 0


@dataclass(frozen=True)
class FailingEndpoint:
    """A program's address that does not take what it is told, and how much of the last day was given up."""

    endpoint: WebhookEndpoint
    given_up: int


@dataclass(frozen=True)
class Beginnings:
    """What a company has done already."""

    has_written: bool
    has_imported: bool
    people: int


def list_units(scope: TenantScope, *conditions: ColumnElement[bool], limit: int) -> list[UnitRow]:
    """The first units by name that are not archived and of which these conditions hold."""
    # Found by themselves: to put the whole rows of very many units in order takes several times as long.
    found = living(scope, Unit.id).where(*conditions) if conditions else scope.select(Unit, Unit.id).where(IS_LIVING)
    first = found.order_by(Unit.name, Unit.id).limit(limit)
    statement = living(scope, Unit, Connection, Lane).where(Unit.id.in_(first)).order_by(Unit.name, Unit.id)
    return [UnitRow(*row) for row in db.session.execute(statement.execution_options(populate_existing=True))]


def living(scope: TenantScope, *columns: Any) -> Select[Any]:
    """Of the units that are not archived, with their connections and lanes."""
    of_unit = (Lane.tenant_id == Unit.tenant_id) & (Lane.unit_id == Unit.id)
    return units.living(scope, *columns).join(Lane, of_unit)


def list_clocks(scope: TenantScope) -> list[Clock]:
    """The clocks of the units that are not archived."""
    longest = func.max(Unit.message_lifetime_h)
    statement = scope.select(Unit, Unit.time_zone, longest).where(IS_LIVING).group_by(Unit.time_zone)
    return [Clock(*row) for row in db.session.execute(statement)]


def find_waiting(scope: TenantScope) -> Waiting | None:
    """None where nobody waits for an answer."""
    # In the order of their index: for the first hundred in no order PostgreSQL may read the table.
    in_order = (Conversation.last_message_at, Conversation.id)
    counted = _unanswered(scope, Conversation.id).order_by(*in_order).limit(MOST_COUNTED).subquery()
    number = select(func.count()).select_from(counted).scalar_subquery()
    first = _unanswered(scope, number, Conversation, Unit).order_by(*in_order)
    found = db.session.execute(first.limit(1).execution_options(populate_existing=True)).one_or_none()
    return Waiting(*found) if found else None


def count_today(scope: TenantScope, clocks: Sequence[Clock]) -> dict[int, Tally]:
    """Hour of the day, by each unit's own clock -> what happened in it; hours in which nothing did are left out.

    A message counts when it came in, left, failed or fell in doubt; one that a person decided about is no trouble.
    """
    if not clocks:
        return {}
    hour = extract("hour", func.timezone(Unit.time_zone, _happened_at())).label("hour")
    statement = (
        scope.along_ids(Message, hour, *_tallied())
        .select_from(Message)
        .join(Unit, (Unit.tenant_id == Message.tenant_id) & (Unit.id == Message.unit_id))
        .where(
            Message.id >= units.first_id_of_today(clocks),
            _happened_at() >= units.midnight(),
            ~Message.is_test,
            ~Message.is_history,
            is_counted(),
            Unit.archived_at.is_(None),
        )
        .group_by(hour)
    )
    return {int(at): Tally(*counts) for at, *counts in db.session.execute(statement)}


def is_counted() -> ColumnElement[bool]:
    """Whether it is a message: what is only about another one is none, until it is in trouble and a person decides."""
    return Message.kind.not_in(ABOUT_ANOTHER) | Message.status.in_(IN_TROUBLE)


def count_new_conversations(scope: TenantScope, clocks: Sequence[Clock]) -> int:
    """How many began today; those that the phone brought when it was linked ended before."""
    if not clocks:
        return 0
    statement = (
        scope.along_ids(Conversation, func.count())
        .select_from(Conversation)
        .join(Unit, (Unit.tenant_id == Conversation.tenant_id) & (Unit.id == Conversation.unit_id))
        .where(
            Conversation.id >= first_id_at(min(map(units.midnight_of, clocks))),
            Conversation.created_at >= units.midnight(),
            Conversation.last_message_at >= units.midnight(),
            Unit.archived_at.is_(None),
        )
    )
    return int(db.session.scalar(statement) or 0)


def list_failing_endpoints(scope: TenantScope) -> list[FailingEndpoint]:
    """Those that are gone, that are left in peace for a while, or of whose news some was given up."""
    newest = (
        scope.select(WebhookDelivery, WebhookDelivery.state, WebhookDelivery.created_at)
        .where(WebhookDelivery.endpoint_id == WebhookEndpoint.id)
        .order_by(WebhookDelivery.position.desc())
        .limit(NEWEST_DELIVERIES)
        .correlate(WebhookEndpoint)
        .lateral()
    )
    is_given_up = (newest.c.state == DeliveryState.FAILED) & (newest.c.created_at > now() - RECENT)
    given_up = select(func.count().filter(is_given_up).label("number")).select_from(newest).lateral()
    statement = (
        scope.select(WebhookEndpoint, WebhookEndpoint, given_up.c.number)
        .select_from(WebhookEndpoint)
        .join(given_up, true())
        .where(
            WebhookEndpoint.disabled_at.is_(None) | WebhookEndpoint.is_gone,
            WebhookEndpoint.is_gone | WebhookEndpoint.paused_until.is_not(None) | (given_up.c.number > 0),
        )
        .order_by(WebhookEndpoint.id)
    )
    return [FailingEndpoint(*row) for row in db.session.execute(statement.execution_options(populate_existing=True))]


def find_beginnings(scope: TenantScope) -> Beginnings:
    """One statement, which costs the same however long a company has been here."""
    by_form = scope.select(Message, Message.id).where(
        Message.client_message_id.is_not(None), Message.sent_at.is_not(None), ~Message.is_test
    )
    newest = scope.along_ids(Message, Message.source, Message.sent_at, Message.is_test).order_by(Message.id.desc())
    latest = newest.limit(NEWEST_MESSAGES).subquery()
    is_ours = latest.c.source.is_not(None) & (latest.c.source != MessageSource.PHONE) & ~latest.c.is_test
    by_program = select(literal(1)).select_from(latest).where(is_ours, latest.c.sent_at.is_not(None))
    campaigns = scope.select(Campaign, Campaign.id).where(Campaign.started_at.is_not(None))
    imported = scope.select(Import, Import.id).where(Import.state == ImportState.DONE)
    people = scope.select(User, func.count()).where(User.disabled_at.is_(None)).scalar_subquery()
    asked = scope.select(Tenant, exists(by_form) | exists(campaigns) | exists(by_program), exists(imported), people)
    return Beginnings(*db.session.execute(asked).one())


def _unanswered(scope: TenantScope, *columns: Any) -> Select[Any]:
    """The state is written out: PostgreSQL takes a partial index only for what it can read in the statement."""
    return (
        scope.select(Conversation, *columns)
        .select_from(Conversation)
        .join(Unit, (Unit.tenant_id == Conversation.tenant_id) & (Unit.id == Conversation.unit_id))
        .join(Contact, (Contact.tenant_id == Conversation.tenant_id) & (Contact.id == Conversation.contact_id))
        .where(
            Conversation.status == literal("open", literal_execute=True),
            Conversation.assigned_to_id.is_(None),
            Conversation.last_message_direction == Direction.INBOUND,
            # In a group nobody waits for the company, and nobody here can write there.
            Contact.kind == ContactKind.PERSON,
            Unit.archived_at.is_(None),
        )
    )


def _happened_at() -> ColumnElement[datetime]:
    return case(
        (Message.direction == Direction.INBOUND, Message.occurred_at),
        (Message.status == MessageStatus.FAILED, func.coalesce(Message.failed_at, Message.created_at)),
        (Message.status == MessageStatus.UNCONFIRMED, func.coalesce(Message.sending_at, Message.created_at)),
        else_=Message.sent_at,
    )


def _tallied() -> tuple[ColumnElement[int], ...]:
    """In the order of Tally."""
    is_outbound = Message.direction == Direction.OUTBOUND
    waits = Message.handled_at.is_(None)
    return (
        func.count().filter(Message.direction == Direction.INBOUND),
        func.count().filter(is_outbound, Message.status.in_(HANDED_OVER)),
        func.count().filter(is_outbound, Message.status.in_(ARRIVED)),
        func.count().filter(is_outbound, Message.status == MessageStatus.READ),
        func.count().filter(is_outbound, Message.status == MessageStatus.FAILED, waits),
        func.count().filter(is_outbound, Message.status == MessageStatus.UNCONFIRMED, waits),
    )
