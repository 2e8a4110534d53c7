"""What people write about wanting messages: understood, noted with the evidence, answered once.

The end is the same in whatever order messages come: a word that opts in counts only after one that opted out, so when
the earlier one comes late, the later ones are read again.
"""

from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from uuid import UUID

import structlog

from portal import consent_words
from portal.clock import now
from portal.consent_words import Wish
from portal.db import among, db
from portal.models import ConsentEvent, ConsentKind, Contact, Conversation, Direction, Message, MessageKind
from portal.queries.consent import list_contact_events, whole_tenant
from portal.services import consent, conversations, tenant_settings
from portal.services.consent import Said, Turn
from portal.services.tenant_settings import Settings
from portal.tenancy import TenantScope

log = structlog.get_logger(__name__)

# Whoever wrote longer ago than this would wonder about an answer.
ANSWERED_WITHIN = timedelta(hours=24)
READ_KINDS = (MessageKind.TEXT, MessageKind.IMAGE, MessageKind.VIDEO, MessageKind.DOCUMENT)
MOST_READ_AGAIN = 500


@dataclass(frozen=True)
class Heard:
    """A person's message that was just added, in its held conversation. History was read on the phone long ago."""

    message: Message
    conversation: Conversation
    is_history: bool


def note_messages(scope: TenantScope, heard: Iterable[Heard]) -> None:
    """Do what these messages ask for. Their units must be locked."""
    readable = [one for one in heard if one.message.kind in READ_KINDS and one.message.body]
    if not readable:
        return
    settings = tenant_settings.get(scope)
    told = [(one, wish) for one in readable if (wish := _wish(settings, one.message))]
    said: dict[UUID, list[Said]] = defaultdict(list)
    for one, wish in told:
        if wish != Wish.DOUBT:
            said[one.message.unit_id].append(_said(one, wish))
    for unit_id, of_unit in said.items():
        turns = _note(scope, unit_id, settings, of_unit)
        _answer(scope, settings, turns, {one.message.id: one for one in readable})
    _doubt(scope, [one for one, wish in told if wish == Wish.DOUBT and not one.is_history])


def _wish(settings: Settings, message: Message) -> Wish | None:
    wish = consent_words.read(message.body, opt_out_words=settings.opt_out_words, opt_in_words=settings.opt_in_words)
    if wish is None or not (message.details or {}).get("isForwarded"):
        return wish
    # Somebody else's words: what they want is not known by them.
    return None if wish == Wish.OPT_IN else Wish.DOUBT


def _said(one: Heard, wish: Wish) -> Said:
    kind = ConsentKind.OPTED_OUT if wish == Wish.OPT_OUT else ConsentKind.OPTED_IN
    return Said(one.conversation.contact_id, kind, one.message)


def _note(scope: TenantScope, unit_id: UUID, settings: Settings, said: Sequence[Said]) -> list[Turn]:
    contacts = consent.lock_contacts(scope, {one.contact_id for one in said})
    opt_outs = [one for one in said if one.kind == ConsentKind.OPTED_OUT]
    consent.add_events(scope, opt_outs)
    opt_ins = [one for one in said if one.kind == ConsentKind.OPTED_IN]
    opt_ins += _opt_ins_after(scope, settings, opt_outs)
    consent.add_events(scope, _meant(scope, opt_ins))
    return consent.decide(scope, contacts, at_unit=unit_id)


def _opt_ins_after(scope: TenantScope, settings: Settings, opt_outs: Sequence[Said]) -> list[Said]:
    """What these people wrote later, at any unit, in words that opt in."""
    if not opt_outs:
        return []
    since = min(one.message.occurred_at for one in opt_outs)
    later = (
        whole_tenant(scope)
        .select(Message, Message, Conversation.contact_id)
        .join(
            Conversation,
            (Conversation.tenant_id == Message.tenant_id) & (Conversation.id == Message.conversation_id),
        )
        .where(
            among(Conversation.contact_id, {one.contact_id for one in opt_outs}),
            Message.direction == Direction.INBOUND,
            Message.kind.in_(READ_KINDS),
            Message.occurred_at > since,
        )
        .order_by(Message.occurred_at.desc())
        .limit(MOST_READ_AGAIN)
    )
    rows = db.session.execute(later).all()
    return [
        Said(contact_id, ConsentKind.OPTED_IN, message)
        for message, contact_id in rows
        if _wish(settings, message) == Wish.OPT_IN
    ]


def _meant(scope: TenantScope, opt_ins: Sequence[Said]) -> list[Said]:
    """Those that were written by somebody who was opted out then: "voltar" is a word like any other else."""
    events = list_contact_events(scope, {one.contact_id for one in opt_ins})
    return [one for one in opt_ins if _was_opted_out(events[one.contact_id], one.message.occurred_at)]


def _was_opted_out(newest_first: Sequence[ConsentEvent], at: datetime) -> bool:
    newest = next((event for event in newest_first if event.happened_at <= at), None)
    return newest is not None and newest.kind == ConsentKind.OPTED_OUT


def _answer(scope: TenantScope, settings: Settings, turns: Iterable[Turn], heard: Mapping[UUID | None, Heard]) -> None:
    """Tell whoever turned that it was understood: once, and only while they would expect it."""
    answers = {ConsentKind.OPTED_OUT: settings.opt_out_answer, ConsentKind.OPTED_IN: settings.opt_in_answer}
    for turn in turns:
        log.info("consent changed by message", contact_id=str(turn.contact.id), kind=turn.event.kind)
        one, text = heard.get(turn.event.message_id), answers[ConsentKind(turn.event.kind)]
        if one is not None and text and _expects_answer(one):
            conversations.queue_automatic(
                scope, one.conversation, text=text, client_message_id=f"consent-{one.message.id}"
            )


def _expects_answer(one: Heard) -> bool:
    return not one.is_history and one.message.occurred_at > now() - ANSWERED_WITHIN


def _doubt(scope: TenantScope, heard: Sequence[Heard]) -> None:
    """Let a person look at the newest of these in each conversation; whoever opted out leaves nothing to ask."""
    if not heard:
        return
    theirs = among(Contact.id, {one.conversation.contact_id for one in heard})
    opted_out = set(
        db.session.scalars(scope.select(Contact, Contact.id).where(theirs, Contact.opted_out_at.is_not(None)))
    )
    for one in sorted(heard, key=lambda one: one.message.occurred_at):
        conversation, at = one.conversation, one.message.occurred_at
        is_newest = conversation.doubted_at is None or conversation.doubted_at <= at
        if conversation.contact_id not in opted_out and is_newest:
            conversation.doubted_at, conversation.doubted_message_id = at, one.message.id
    db.session.flush()
