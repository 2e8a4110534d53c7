"""What stands around the messages of a thread: what they quote, who reacted, what was fetched late, which campaign."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any
from uuid import UUID

from sqlalchemy import Select, Uuid, bindparam, func, or_

from portal.db import among, among_told, db
from portal.models import (
    ABOUT_ANOTHER,
    CHANGES,
    Campaign,
    CampaignRecipient,
    Message,
    MessageKind,
    MessageSource,
    Repair,
)
from portal.tenancy import Form, TenantScope

# Beyond these nobody reads: a poll of a large group may have more votes.
MOST_REFERRING = 2_000


@dataclass(frozen=True)
class Gap:
    """A time in which messages were missed, and how many of them were fetched into this conversation afterwards."""

    began_at: datetime | None
    ended_at: datetime | None
    found: int


@dataclass(frozen=True)
class Surroundings:
    """`referred`: WhatsApp's id -> a message that others refer to; `referring`: what is about them, oldest first.

    Those are reactions, votes, and changes of ours. `campaigns`: message id -> the campaign that it is a part of.
    """

    referred: dict[str, Message]
    referring: list[Message]
    gaps: dict[UUID, Gap]
    campaigns: dict[UUID, Campaign]

    @property
    def changes(self) -> list[Message]:
        """Of `referring` what changes them."""
        return [message for message in self.referring if message.kind in CHANGES]


def find_surroundings(scope: TenantScope, messages: Sequence[Message]) -> Surroundings:
    """What belongs to these messages of one conversation, in as many statements whatever their number."""
    if not messages:
        return Surroundings({}, [], {}, {})
    return Surroundings(
        referred=_referred(scope, messages),
        referring=_referring(scope, messages),
        gaps=_gaps(scope, messages),
        campaigns=_campaigns(scope, messages),
    )


def _referred(scope: TenantScope, messages: Sequence[Message]) -> dict[str, Message]:
    """Only of the same conversation: whoever writes may name any id."""
    known = {message.external_id: message for message in messages if message.external_id is not None}
    wanted = {message.refers_to for message in messages if message.refers_to is not None}
    found = {external_id: known[external_id] for external_id in wanted & known.keys()}
    missing = wanted - known.keys()
    if missing:
        first = messages[0]
        there = (Message.unit_id == first.unit_id) & Message.external_id.in_(missing)
        elsewhere = scope.select(Message).where(there, Message.conversation_id == first.conversation_id)
        found |= {message.external_id: message for message in db.session.scalars(elsewhere)}
    return found


def _referring(scope: TenantScope, messages: Sequence[Message]) -> list[Message]:
    ids = [message.external_id for message in messages if message.external_id is not None]
    if not ids:
        return []
    first = messages[0]
    newest_first = scope.execute(_REFERRING, unit=first.unit_id, conversation=first.conversation_id, ids=ids)
    return list(newest_first.scalars())[::-1]


def _gaps(scope: TenantScope, messages: Sequence[Message]) -> dict[UUID, Gap]:
    ids = {message.repair_id for message in messages if message.repair_id is not None}
    if not ids:
        return {}
    columns = (Message.repair_id, Repair.began_at, Repair.ended_at, func.count())
    counted = (
        scope.select(Message, *columns)
        .join(Repair, (Repair.tenant_id == Message.tenant_id) & (Repair.id == Message.repair_id))
        .where(Message.conversation_id == messages[0].conversation_id, Message.repair_id.in_(ids))
        .group_by(Message.repair_id, Repair.began_at, Repair.ended_at)
    )
    return {row[0]: Gap(*row[1:]) for row in db.session.execute(counted)}


def _campaigns(scope: TenantScope, messages: Sequence[Message]) -> dict[UUID, Campaign]:
    """Of the newest message to each recipient; one that was tried again since is nobody's any more."""
    ids = [message.id for message in messages if message.source == MessageSource.CAMPAIGN]
    if not ids:
        return {}
    named = (
        scope.select(Campaign, CampaignRecipient.message_id, Campaign)
        .join(
            CampaignRecipient,
            (CampaignRecipient.tenant_id == Campaign.tenant_id) & (CampaignRecipient.campaign_id == Campaign.id),
        )
        .where(among(CampaignRecipient.message_id, ids))
    )
    return {row[0]: row[1] for row in db.session.execute(named)}


def _about_some(scope: TenantScope) -> Select[Any]:
    is_vote = (Message.kind == MessageKind.POLL) & Message.details["isVote"].as_boolean()
    statement = scope.select(Message).where(
        Message.unit_id == bindparam("unit", type_=Uuid()),
        among_told(Message.refers_to, "ids"),
        Message.conversation_id == bindparam("conversation", type_=Uuid()),
        or_(Message.kind.in_(ABOUT_ANOTHER), is_vote),
    )
    newest_first = statement.order_by(Message.occurred_at.desc(), Message.id.desc()).limit(MOST_REFERRING)
    return newest_first.execution_options(populate_existing=True)


_REFERRING = Form(_about_some)
