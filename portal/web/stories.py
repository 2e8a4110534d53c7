"""One message: its story on a page of its own, and what a person decides about it."""

from dataclasses import dataclass
from datetime import datetime
from uuid import UUID

from flask import Blueprint, flash, g, redirect, request, url_for
from flask.typing import ResponseReturnValue
from flask_babel import lazy_gettext as _

from portal.errors import Conflict
from portal.models import CHANGES, Direction, Message, MessageKind, MessageSource, MessageStatus
from portal.permissions import Permission, Role
from portal.queries import conversations as inbox
from portal.queries import stories as queries
from portal.queries.consent import Evidence
from portal.queries.pacing import pace_of
from portal.queries.sending import Cause
from portal.queries.stories import Story
from portal.services import undelivered
from portal.services.undelivered import Decision
from portal.web import audit_words, consent, decisions, reasons, words
from portal.web.access import current_account, requires
from portal.web.auth import safe_path
from portal.web.campaign_hindrances import Circumstances, list_hindrances_of_pace
from portal.web.moments import moment
from portal.web.render import render_news, wants_part

bp = Blueprint("stories", __name__, url_prefix="/messages/<uuid:message_id>")


@dataclass(frozen=True)
class Step:
    """One step of a message's way: an icon's name, the words, when, and more about it."""

    icon: str
    label: str
    at: datetime | None = None
    details: tuple[str, ...] = ()


@bp.get("")
@requires(Permission.READ_MESSAGES)
def show(message_id: UUID) -> ResponseReturnValue:
    story = queries.get_story(g.scope, message_id)
    g.time_zone = story.unit.time_zone
    steps = tell(story)
    return render_news(
        "messages/show.html",
        fragment="messages/_story.html",
        news=(steps, story.bucket),
        story=story,
        steps=steps,
        choices=decisions.choices_in(story.bucket, g.scope, story.message.kind),
        is_final=story.message.status not in (MessageStatus.QUEUED, MessageStatus.SENDING, MessageStatus.SENT),
    )


@bp.post("/<any(try_again, send_again, arrived, set_aside):decision>")
@requires(Permission.SEND)
def decide(message_id: UUID, decision: str) -> ResponseReturnValue:
    message = inbox.get_message(g.scope, message_id)
    decided = undelivered.decide(g.scope, Decision(decision), [message.id])
    told = decisions.result_words(Decision(decision), decided)
    # A part of a page shows what came of it by itself, but not why nothing did.
    if not wants_part():
        flash(told)
    elif decided.stopped:
        raise Conflict(told)
    story = url_for(".show", message_id=message_id)
    return redirect(safe_path(request.form.get("next")) or story, code=303)


def tell(story: Story) -> list[Step]:
    """The message's way, first things first; what is to come is left out."""
    if story.message.direction == Direction.INBOUND:
        return [Step("received", str(_("Received")), story.message.occurred_at)]
    return [*_written(story), *_handed_over(story), *_ended(story), *_sent_again(story)]


def _written(story: Story) -> list[Step]:
    message = story.message
    if message.source == MessageSource.PHONE:
        return [Step("queued", str(_("Written on the phone")), message.occurred_at)]
    notes = [decisions.second_words()] if story.first else []
    if message.is_test:
        notes.append(str(_("This is a test: it goes the whole way, but for the last step, and reaches nobody.")))
    written = Step("queued", _by_whom(message.source, story.author), message.created_at, tuple(notes))
    return [written, *_waiting(story), *_tries(message)]


def _by_whom(source: str | None, author: str | None) -> str:
    if source == MessageSource.AUTOMATIC:
        return str(_("Answered automatically"))
    if source == MessageSource.CAMPAIGN:
        return str(_("Written for a campaign"))
    if source == MessageSource.API:
        return str(_("Came by API, as %(author)s", author=author) if author else _("Came by API"))
    return str(_("Written by %(author)s", author=author) if author else _("Written"))


def _waiting(story: Story) -> list[Step]:
    if story.waiting is None:
        return []
    details = [*reasons.waiting_words(story.waiting, story.unit.time_zone), *_pace_words(story)]
    expires_at = story.message.expires_at
    if expires_at is not None:
        until = moment(expires_at, story.unit.time_zone)
        details.append(str(_("If it cannot leave until %(time)s, it is not sent any more.", time=until)))
    return [Step("clock", str(words.RUNGS[MessageStatus.QUEUED].label), None, tuple(details))]


def _pace_words(story: Story) -> list[str]:
    """Why a campaign's message has no turn now, where more than the gap between two holds it."""
    if story.waiting is None or story.waiting.hold is None or story.waiting.hold.cause != Cause.NEXT_TURN:
        return []
    found = Circumstances(story.unit, story.waiting.gates, pace_of(story.unit), others=(), waiting=1)
    return [f"{caution.sentence} {caution.remedy}" for caution in list_hindrances_of_pace(found)]


def _tries(message: Message) -> list[Step]:
    """What went wrong on the way: a message that failed or is in doubt says it at its end instead."""
    steps = []
    if message.retry_count:
        told = _("Tried %(number)s times without success", number=message.retry_count)
        error = reasons.error_words(message) if message.status == MessageStatus.QUEUED else None
        steps.append(Step("warning", str(told), message.last_retry_at, (error,) if error else ()))
    if message.sending_at is not None and message.status != MessageStatus.QUEUED:
        steps.append(Step("sending", str(_("Handing over to the WhatsApp server")), message.sending_at))
    return steps


def _handed_over(story: Story) -> list[Step]:
    message = story.message
    rungs = (
        ("sent", _("Handed over"), message.sent_at),
        ("accepted", words.ACCEPTED.label, message.accepted_at),
        ("delivered", words.RUNGS[MessageStatus.DELIVERED].label, message.delivered_at),
        ("read", words.RUNGS[MessageStatus.READ].label, message.read_at),
    )
    steps = [Step(icon, str(label), at) for icon, label, at in rungs if at is not None]
    if story.bucket == "no_receipt":
        steps.append(Step("unconfirmed", str(_("No receipt")), None, (str(reasons.NO_RECEIPT),)))
    return steps


def _ended(story: Story) -> list[Step]:
    message = story.message
    rung = words.rung(message)
    if message.status in (MessageStatus.FAILED, MessageStatus.UNCONFIRMED):
        at = message.failed_at if message.status == MessageStatus.FAILED else None
        return [Step(rung.name, str(rung.label), at, (str(reasons.reason_of(message)), *_said_by_evolution(message)))]
    if message.status == MessageStatus.CANCELLED:
        details = reasons.cancellation_words(message, story.contact.opted_out_at, story.unit.time_zone)
        at = story.decided.row.event.created_at if story.decided else None
        return [Step(rung.name, str(rung.label), at, (*details, *_by_whom_decided(story)))]
    return []


def _said_by_evolution(message: Message) -> tuple[str, ...]:
    """Evolution's own words, without its secrets: for those who run the unit."""
    if message.error_details is None or current_account().role is Role.AGENT:
        return ()
    return (str(_("Evolution said: %(words)s", words=message.error_details)),)


def _sent_again(story: Story) -> list[Step]:
    message = story.message
    if story.second is not None:
        return [Step("queued", decisions.resent_words(story.second, story.unit.time_zone))]
    if message.handled_at is None:
        return []
    if story.decided is not None:
        return [Step("calm", _act(story), message.handled_at)]
    if message.kind in CHANGES:
        return [Step("calm", str(_("Another change took its place")), message.handled_at)]
    if message.kind == MessageKind.REACTION:
        return [Step("calm", str(_("Another reaction took its place")), message.handled_at)]
    told = _("A person noted that it arrived") if message.status == MessageStatus.SENT else _("Set aside by a person")
    return [Step("calm", str(told), message.handled_at)]


def _by_whom_decided(story: Story) -> list[str]:
    """Who stopped the campaign, or how it is known that the person wants none."""
    told = [_act(story)] if story.decided else []
    if story.opt_out is not None:
        told.append(_shown_by(story.opt_out, story.unit.time_zone))
    return told


def _shown_by(evidence: Evidence, zone: str) -> str:
    """`03/05/2026 14:02: Wants no more messages, noted by ana@acme.com`"""
    words = f"{moment(evidence.event.happened_at, zone)}: {consent.said(evidence.event)}"
    return f"{words}, {_('noted by %(person)s', person=evidence.author)}" if evidence.author else words


def _act(story: Story) -> str:
    assert story.decided is not None, "only asked where somebody decided"
    sees_names = g.scope.allows(Permission.READ_MESSAGES)
    return audit_words.sentence(story.decided.row, sees_names=sees_names)
