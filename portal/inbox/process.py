"""What stored events of some units do to their rows: each fact may come twice, late or early, and the end is the same.

Facts are sorted by what they are about, not by when they came: messages first, then what is said about them.
"""

from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import TypeVar
from uuid import UUID

from portal.db import db
from portal.inbox import calls, changes, messages, states
from portal.inbox.erased import Erased
from portal.inbox.events import News, parse
from portal.inbox.facts import (
    Address,
    CallSeen,
    ChatNamed,
    ConnectionChanged,
    Fact,
    InstanceRemoved,
    MessageDeleted,
    MessageEdited,
    MessageSeen,
    QrCodeIssued,
    ReceiptSeen,
)
from portal.inbox.messages import Arrival
from portal.inbox.people import LONG_AGO, Mention, People
from portal.models import Connection, ContactKind, CountedOutcome, Unit, WebhookEvent
from portal.services import delivery, webhook_counts
from portal.services.delivery import Receipt
from portal.tenancy import TenantScope

Kind = TypeVar("Kind")


@dataclass(frozen=True)
class Held:
    """A unit and its connection, both held until the transaction ends."""

    unit: Unit
    connection: Connection


@dataclass(frozen=True)
class _Told:
    held: Held
    fact: Fact
    news: News
    event: WebhookEvent


OfUnits = Iterable[tuple[UUID, list[tuple[Kind, _Told]]]]


def apply(scope: TenantScope, held: Mapping[UUID, Held], events: Sequence[WebhookEvent]) -> None:
    """Understand stored events of these units of one company. Raises NotUnderstood."""
    told = _without_erased(scope, [one for one in _read(held, events) if _is_wanted(one.held.unit, one.fact)])
    people = People(scope, _mentions(told))
    arrivals = [Arrival(one.held.unit.id, fact, one.event.repair_id) for fact, one in _all(told, MessageSeen)]
    if arrivals:
        messages.apply(scope, arrivals, people)
    for unit_id, called in _of_units(told, CallSeen):
        calls.apply(scope, unit_id, [fact for fact, _ in called], people)
    _apply_receipts(scope, told)
    told_changes: OfUnits[changes.Change] = _of_units(told, MessageEdited, MessageDeleted)
    for unit_id, changed in told_changes:
        changes.apply(scope, unit_id, [(fact, one.event.received_at) for fact, one in changed])
    _apply_names(scope, [_name(fact, one.news) for fact, one in _all(told, ChatNamed)])
    _apply_states(told)
    db.session.flush()


def _read(held: Mapping[UUID, Held], events: Iterable[WebhookEvent]) -> Iterator[_Told]:
    for event in events:
        news = parse(event.event, event.body)
        if not news.is_known:
            webhook_counts.add(CountedOutcome.UNKNOWN_EVENT, event.event)
        if event.unit_id is not None:
            yield from (_Told(held[event.unit_id], fact, news, event) for fact in news.facts)


def _all(told: Sequence[_Told], *kinds: type[Kind]) -> list[tuple[Kind, _Told]]:
    return [(one.fact, one) for one in told if isinstance(one.fact, kinds)]


def _of_units(told: Sequence[_Told], *kinds: type[Kind]) -> OfUnits[Kind]:
    """Those facts unit by unit."""
    of_units = defaultdict[UUID, list[tuple[Kind, _Told]]](list)
    for fact, one in _all(told, *kinds):
        of_units[one.held.unit.id].append((fact, one))
    return of_units.items()


def _is_wanted(unit: Unit, fact: Fact) -> bool:
    """Chats that are no person's are kept where the unit wants them."""
    chat: Address | None = getattr(fact, "chat", None)
    wanted = {
        ContactKind.GROUP: unit.keeps_groups,
        ContactKind.STORIES: unit.keeps_stories,
        ContactKind.BROADCAST: unit.keeps_broadcasts,
    }
    return chat is None or wanted.get(chat.kind, True)


def _without_erased(scope: TenantScope, told: list[_Told]) -> list[_Told]:
    """What is told late, and was written before its people were erased, is not told."""
    erased = Erased(scope, (message for one in told if (message := _late(one))))
    return [one for one in told if not ((message := _late(one)) and erased.covers(message))]


def _late(one: _Told) -> MessageSeen | None:
    """A message that was not delivered as soon as it was written."""
    if isinstance(one.fact, MessageSeen) and (one.fact.is_history or one.event.repair_id is not None):
        return one.fact
    return None


def _mentions(told: Sequence[_Told]) -> list[Mention]:
    """Whom messages and calls are from or to; in a group the name is the writer's, not the group's."""
    mentions = []
    for seen, _ in _all(told, MessageSeen):
        is_person = seen.chat.kind == ContactKind.PERSON
        name = seen.sender_name if is_person else None
        mentions.append(Mention(seen.chat, name, seen.at, is_theirs=not seen.from_me))
    return mentions + [Mention(call.chat) for call, _ in _all(told, CallSeen)]


def _apply_names(scope: TenantScope, named: Sequence[Mention]) -> None:
    """A name alone makes nobody a contact; but a group is named once, before anybody writes in it."""
    People(scope, [mention for mention in named if mention.chat.jid])
    People(scope, [mention for mention in named if not mention.chat.jid], add=False)


def _name(fact: ChatNamed, news: News) -> Mention:
    """A group's newest name counts; a person's counts less than any that came with a message."""
    is_person = fact.chat.kind == ContactKind.PERSON
    return Mention(fact.chat, fact.name, LONG_AGO if is_person else _told_at(news))


def _told_at(news: News) -> datetime:
    """Evolution's own clock, which is good for comparing one group's names and for nothing else."""
    try:
        return datetime.fromisoformat(news.told_at or "").replace(tzinfo=UTC)
    except ValueError:
        return LONG_AGO


def _apply_receipts(scope: TenantScope, told: Sequence[_Told]) -> None:
    seen = _all(told, ReceiptSeen)
    if not seen:
        return
    heard = [Receipt((one.held.unit.id, fact.external_id), fact.receipt, one.event.received_at) for fact, one in seen]
    delivery.apply_receipts(scope, heard)
    for _, one in seen:
        connection, at = one.held.connection, one.event.received_at
        connection.last_receipt_at = max(connection.last_receipt_at or at, at)


def _apply_states(told: Sequence[_Told]) -> None:
    """In the order in which they came, for each may overtake the one before it."""
    for one in told:
        # News of an instance that was replaced says nothing about this one.
        is_current = one.event.instance_name == one.held.connection.instance_name
        if is_current and isinstance(one.fact, QrCodeIssued | ConnectionChanged | InstanceRemoved):
            states.apply(one.held.connection, one.fact, one.news.told_at)
