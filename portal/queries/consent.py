"""Who asked for no more messages, with the evidence, and in which conversations that is still in doubt."""

from collections.abc import Collection
from dataclasses import dataclass, replace
from datetime import datetime
from typing import Any
from uuid import UUID

from sqlalchemy import ColumnElement, Select, func

from portal.db import among, db
from portal.models import ConsentEvent, ConsentKind, Contact, Conversation, Message, Unit, User
from portal.owners import owned_by
from portal.tenancy import TenantScope


@dataclass(frozen=True)
class Evidence:
    """What shows that somebody opted out or in: their words, at which unit, noted by whom (an e-mail address).

    Unit and words are None where the scope does not see the unit.
    """

    event: ConsentEvent
    unit: Unit | None
    words: str | None
    author: str | None


def whole_tenant(scope: TenantScope) -> TenantScope:
    """Consent holds for the whole company, whichever of its units a person sees."""
    return replace(scope, unit_ids=None)


def list_events(scope: TenantScope, contact_id: UUID) -> list[Evidence]:
    """All that is known of what the contact wants, the newest first. Who may see the contact is not asked here."""
    statement = (
        whole_tenant(scope)
        .select(ConsentEvent, ConsentEvent, Unit, User.email)
        .outerjoin(Unit, (Unit.tenant_id == ConsentEvent.tenant_id) & (Unit.id == ConsentEvent.unit_id))
        .outerjoin(User, (User.tenant_id == ConsentEvent.tenant_id) & (User.id == ConsentEvent.noted_by_id))
        .where(ConsentEvent.contact_id == contact_id)
        .order_by(*newest_first())
    )
    return [_evidence(scope, *row) for row in db.session.execute(statement)]


def list_contact_events(scope: TenantScope, contact_ids: Collection[UUID]) -> dict[UUID, list[ConsentEvent]]:
    """Contact id -> the events that decide what they want, the newest first, whichever unit they came by."""
    statement = whole_tenant(scope).select(ConsentEvent).where(among(ConsentEvent.contact_id, contact_ids))
    found: dict[UUID, list[ConsentEvent]] = {contact_id: [] for contact_id in contact_ids}
    for event in db.session.scalars(statement.order_by(*newest_first())):
        found[event.contact_id].append(event)
    return found


def list_opt_ins(scope: TenantScope, contact_ids: Collection[UUID]) -> dict[UUID, datetime]:
    """Contact id -> when they last opted in; without those who never did."""
    newest = func.max(ConsentEvent.happened_at)
    statement = (
        whole_tenant(scope)
        .select(ConsentEvent, ConsentEvent.contact_id, newest)
        .where(ConsentEvent.kind == ConsentKind.OPTED_IN, among(ConsentEvent.contact_id, contact_ids))
        .group_by(ConsentEvent.contact_id)
    )
    return dict(db.session.execute(statement).all())


def last_opt_in(scope: TenantScope, contact_id: Any) -> Select[Any]:
    """When a contact opted in last, for statements that ask for more."""
    newest = whole_tenant(scope).select(ConsentEvent, func.max(ConsentEvent.happened_at))
    return newest.where(ConsentEvent.kind == ConsentKind.OPTED_IN, ConsentEvent.contact_id == contact_id)


def newest_first() -> tuple[Any, ...]:
    """The order in which events decide: the newest, and of two at one instant the opt-out."""
    return ConsentEvent.happened_at.desc(), (ConsentEvent.kind == ConsentKind.OPTED_OUT).desc()


def find_doubted_message(scope: TenantScope, conversation: Conversation) -> Message | None:
    """The message in which the contact may have asked for no more; None where it was deleted since."""
    this = scope.select(Message).where(Message.id == conversation.doubted_message_id)
    message: Message | None = db.session.scalar(this)
    return message


def is_doubted() -> ColumnElement[bool]:
    """For statements that join conversations and their contacts. Whoever opted out since leaves no doubt."""
    return Conversation.doubted_at.is_not(None) & Contact.opted_out_at.is_(None)


def count_doubted(scope: TenantScope, *, unit_id: UUID | None = None) -> int:
    """In how many conversations a person should decide."""
    return int(db.session.scalar(number_doubted(scope, unit_id)) or 0)


def number_doubted(scope: TenantScope, unit_id: UUID | None) -> Select[Any]:
    """As `count_doubted`, for statements that ask for more."""
    statement: Select[Any] = (
        scope.select(Conversation, func.count())
        .select_from(Conversation)
        .join(Contact, (Contact.tenant_id == Conversation.tenant_id) & (Contact.id == Conversation.contact_id))
        .where(is_doubted())
    )
    return statement if unit_id is None else statement.where(owned_by(Conversation.unit_id, unit_id))


def _evidence(scope: TenantScope, event: ConsentEvent, unit: Unit | None, author: str | None) -> Evidence:
    is_seen = scope.unit_ids is None or event.unit_id is None or event.unit_id in scope.unit_ids
    return Evidence(event, unit if is_seen else None, event.words if is_seen else None, author)
