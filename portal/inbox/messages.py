"""Messages as WhatsApp shows them, written to their conversations: each once, whatever repeats or comes late."""

from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass
from datetime import timedelta
from functools import partial
from uuid import UUID

from sqlalchemy import ColumnElement, and_, case, extract, func
from uuid_utils.compat import uuid7

from portal import counters
from portal.clock import now
from portal.counters import Counted
from portal.db import among_told, db, on_commit
from portal.inbox.events import UNSAFE_IN_COLUMNS
from portal.inbox.facts import MessageSeen
from portal.inbox.people import People
from portal.models import (
    ABOUT_ANOTHER,
    ContactKind,
    Conversation,
    Direction,
    Media,
    Message,
    MessageSource,
    MessageStatus,
    Repair,
)
from portal.services import changes, conversation_work, conversations, delivery, lanes, ledgers, media, wishes
from portal.services.delivery import Named
from portal.services.wishes import Heard
from portal.tenancy import Form, TenantScope

# An echo names no send: the same text to the same person within this time of it is taken for it. Evolution may
# hold a send for 90 s (contract §5.5).
ECHO_WINDOW = timedelta(minutes=3)
UNCLEAR = (MessageStatus.SENDING, MessageStatus.UNCONFIRMED)


@dataclass(frozen=True)
class Arrival:
    """A unit's message that was told of, and the hole it was found in when it was not delivered."""

    unit_id: UUID
    seen: MessageSeen
    repair_id: UUID | None = None

    @property
    def name(self) -> Named:
        return self.unit_id, self.seen.external_id


@dataclass(frozen=True)
class _Place:
    conversation: Conversation
    arrival: Arrival


def apply(scope: TenantScope, arrivals: Sequence[Arrival], people: People) -> None:
    """Write what is not there yet and confirm what is. The units must be locked."""
    first = _each_once(arrivals)
    chats = {name: (arrival.unit_id, people.id_of(arrival.seen.chat)) for name, arrival in first.items()}
    opened = conversations.open_conversations(scope, set(chats.values()))
    closed = [conversation for conversation in opened.values() if conversation.status == "closed"]
    places = {name: _Place(opened[chats[name]], arrival) for name, arrival in first.items()}
    known = delivery.find_messages(scope, places.keys())
    for name, message in known.items():
        _confirm(scope, message, places[name])
    new = [place for name, place in places.items() if name not in known]
    _close_past(new)
    _add(scope, _without_echoes(scope, new), people)
    conversation_work.note_reopened(scope, [one for one in closed if one.status == "open"])


def _each_once(arrivals: Sequence[Arrival]) -> dict[Named, Arrival]:
    """In the order in which they were written; delivered ones before those that were looked up."""
    in_order = sorted(arrivals, key=lambda a: (a.seen.at, a.seen.is_history, a.repair_id is not None))
    first: dict[Named, Arrival] = {}
    for arrival in in_order:
        first.setdefault(arrival.name, arrival)
    return first


def _confirm(scope: TenantScope, message: Message, place: _Place) -> None:
    """One that is known: of ours, it surely left, and maybe more is known of it now."""
    seen = place.arrival.seen
    if not seen.from_me:
        _tell_live(message, place)
    elif message.direction == Direction.OUTBOUND:
        if delivery.RANK[MessageStatus(message.status)] < delivery.RANK[MessageStatus.SENT]:
            delivery.confirm_sent(scope, message, external_id=seen.external_id, at=seen.at)
        if seen.receipt in delivery.RUNGS:
            delivery.climb(scope, message, seen.receipt, now())


def _tell_live(message: Message, place: _Place) -> None:
    """A customer's message that only a history sync had brought is news after all."""
    if is_news(place.arrival.seen) and message.read_at == message.occurred_at:
        message.read_at, message.is_history = None, False
        place.conversation.unread += 1
        place.conversation.status = "open"


def _close_past(places: Sequence[_Place]) -> None:
    """What the phone brings of chats that were new here is over: nobody waits there until the person writes again."""
    told_live = {place.conversation.id for place in places if not place.arrival.seen.is_history}
    for place in places:
        if place.conversation.last_message_at is None and place.conversation.id not in told_live:
            place.conversation.status = "closed"


def _without_echoes(scope: TenantScope, places: Sequence[_Place]) -> list[_Place]:
    """Those that are new; the others are the sends that were in doubt, which are settled with this."""
    own = [place for place in places if place.arrival.seen.from_me]
    unclear = _with_unclear_sends(scope, {place.arrival.unit_id for place in own})
    maybe = [place for place in own if place.arrival.unit_id in unclear]
    echoes = {place.arrival.name for place in maybe if _is_echo(scope, place)}
    return [place for place in places if place.arrival.name not in echoes]


def _with_unclear_sends(scope: TenantScope, unit_ids: Collection[UUID]) -> set[UUID]:
    return set(scope.execute(_UNCLEAR_SENDS, units=list(unit_ids)).scalars()) if unit_ids else set()


def _is_unclear() -> ColumnElement[bool]:
    """In doubt, or noted as arrived by a person: a send whose id at WhatsApp nobody knows. A test never has an echo."""
    noted = (Message.status == MessageStatus.SENT) & Message.accepted_at.is_(None)
    return and_(Message.external_id.is_(None), ~Message.is_test, Message.status.in_(UNCLEAR) | noted)


def _is_echo(scope: TenantScope, place: _Place) -> bool:
    seen = place.arrival.seen
    message = _find_echoed(scope, place.arrival.unit_id, place.conversation.id, seen)
    if message is None:
        return False
    delivery.confirm_sent(scope, message, external_id=seen.external_id, at=seen.at)
    if seen.receipt in delivery.RUNGS:
        delivery.climb(scope, message, seen.receipt, now())
    return True


def _find_echoed(scope: TenantScope, unit_id: UUID, conversation_id: UUID, seen: MessageSeen) -> Message | None:
    """The send in doubt that this is the echo of: by our own id where Evolution keeps it, else by content and time.

    Of several equal ones that which answers the same message, then the nearest in time. A person may have settled the
    doubt before (`handled_at`).
    """
    since, until = seen.at - ECHO_WINDOW, seen.at + ECHO_WINDOW
    same_body = func.translate(Message.body, UNSAFE_IN_COLUMNS, "") == seen.body
    same_text = (
        ~Message.is_id_kept
        & (Message.conversation_id == conversation_id)
        & (Message.kind == seen.kind)
        & (same_body | (Message.media_id.is_not(None) & (Message.body == "")))
        & Message.sending_at.between(since, until)
    )
    # A quote may have been dropped on the way; a reaction is nothing without the message that it was given to.
    is_same_target = Message.refers_to.is_not_distinct_from(seen.refers_to)
    if seen.kind in ABOUT_ANOTHER:
        same_text &= is_same_target
    own_id = Message.proposed_id == seen.external_id
    # What a person noted as arrived is looked for by its time as well.
    is_recent = Message.status.in_(UNCLEAR) | Message.sent_at.between(since, until)
    statement = (
        scope.select(Message)
        .where(Message.unit_id == unit_id, _is_unclear(), is_recent, own_id | same_text)
        .order_by(
            case((own_id, 0), (is_same_target, 1), else_=2),
            func.abs(extract("epoch", Message.sending_at - seen.at)),
            Message.sending_at,
        )
        .limit(1)
        .with_for_update()
    )
    message: Message | None = db.session.scalar(statement)
    return message


def _add(scope: TenantScope, places: Sequence[_Place], people: People) -> None:
    if not places:
        return
    media_ids = _add_media(scope, places)
    added = {place.arrival.name: scope.add(_row(place, media_ids.get(place.arrival.name))) for place in places}
    for place in places:
        _carry(place)
        seen = place.arrival.seen
        if seen.from_me and seen.receipt in delivery.RUNGS:
            delivery.climb(scope, added[place.arrival.name], seen.receipt, now())
    db.session.flush()
    _count_found(scope, places)
    inbound = [place for place in places if not (place.arrival.seen.from_me or place.arrival.seen.is_history)]
    on_commit(partial(counters.count, Counted.INBOUND, len(inbound)))
    delivery.hand_over_early_receipts(scope, added)
    changes.hand_over(scope, added)
    heard = list(_of_people(places, added))
    wishes.note_messages(scope, heard)
    ledgers.note_replies(scope, heard)
    people.note_presence({one.conversation.contact_id for one in heard})
    heard_in = {place.conversation.id: place.conversation for place in places if not place.arrival.seen.from_me}
    lanes.warm_up(scope, heard_in.values())


def _of_people(places: Sequence[_Place], added: Mapping[Named, Message]) -> Iterator[Heard]:
    """What people wrote in chats of their own: in a group nobody speaks to the company alone."""
    for place in places:
        seen = place.arrival.seen
        if not seen.from_me and seen.chat.kind == ContactKind.PERSON:
            yield Heard(added[place.arrival.name], place.conversation, seen.is_history)


def _add_media(scope: TenantScope, places: Sequence[_Place]) -> dict[Named, UUID]:
    """The rows of the files that are still at WhatsApp."""
    ids: dict[Named, UUID] = {}
    for place in places:
        seen = place.arrival.seen
        if seen.media is None:
            continue
        row = media.remote_row(seen.kind, **asdict(seen.media))
        ids[place.arrival.name] = scope.add(Media(**row)).id
    db.session.flush()
    return ids


def _row(place: _Place, media_id: UUID | None) -> Message:
    seen = place.arrival.seen
    return Message(
        id=uuid7(),
        unit_id=place.arrival.unit_id,
        conversation_id=place.conversation.id,
        external_id=seen.external_id,
        direction=Direction.OUTBOUND if seen.from_me else Direction.INBOUND,
        kind=seen.kind,
        body=seen.body,
        details=seen.details,
        refers_to=seen.refers_to,
        media_id=media_id,
        status=MessageStatus.SENT if seen.from_me else MessageStatus.RECEIVED,
        source=MessageSource.PHONE if seen.from_me else None,
        occurred_at=seen.at,
        sent_at=seen.at if seen.from_me else None,
        # A history sync brings what was read on the phone long ago: as soon as it was written, for all we know.
        read_at=seen.at if seen.is_history and not seen.from_me else None,
        is_history=seen.is_history,
        repair_id=place.arrival.repair_id,
    )


def _carry(place: _Place) -> None:
    seen = place.arrival.seen
    conversations.carry(
        place.conversation,
        kind=seen.kind,
        body=seen.body,
        at=seen.at,
        direction=Direction.OUTBOUND if seen.from_me else Direction.INBOUND,
        is_unread=is_news(seen),
    )


def is_news(seen: MessageSeen) -> bool:
    """Whether somebody here should look at it: a reaction or a vote asks for nothing, and history was seen."""
    is_vote = bool((seen.details or {}).get("isVote"))
    return not (seen.from_me or seen.is_history or seen.kind in ABOUT_ANOTHER or is_vote)


def _count_found(scope: TenantScope, places: Collection[_Place]) -> None:
    found: dict[UUID, int] = {}
    for place in places:
        if place.arrival.repair_id is not None:
            found[place.arrival.repair_id] = found.get(place.arrival.repair_id, 0) + 1
    for repair_id, number in found.items():
        this = scope.update(Repair).where(Repair.id == repair_id)
        counted = this.values(found=Repair.found + number)
        db.session.execute(counted.execution_options(synchronize_session=False))


_UNCLEAR_SENDS = Form(
    lambda scope: (
        scope.select(Message, Message.unit_id).where(among_told(Message.unit_id, "units"), _is_unclear()).distinct()
    )
)
