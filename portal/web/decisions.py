"""What a person may decide about a message that did not arrive, in words: the button, what it does, what came of it."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from uuid import UUID

from flask_babel import lazy_gettext as _
from flask_babel import ngettext

from portal.models import CHANGES, Message, MessageKind, MessageStatus, Unit
from portal.permissions import Permission
from portal.queries.conversations import ConversationRow
from portal.queries.undelivered import Bucket, bucket_of
from portal.services.undelivered import FITTING, Decided, Decision
from portal.tenancy import TenantScope
from portal.web.moments import moment
from portal.web.reasons import NO_RECEIPT

TWICE = _("The person may get it twice: nobody knows whether the first one arrived.")


@dataclass(frozen=True)
class Choice:
    """A decision as a button; the warning stands before it is pressed."""

    decision: Decision
    label: str
    title: str
    warning: str = ""


CHOICES = {
    Decision.TRY_AGAIN: Choice(Decision.TRY_AGAIN, _("Try again"), _("Try %(count)s messages again?")),
    Decision.ARRIVED: Choice(Decision.ARRIVED, _("It arrived"), _("Did %(count)s messages arrive?")),
    Decision.SEND_AGAIN: Choice(
        Decision.SEND_AGAIN, _("Send again"), _("Send %(count)s messages a second time?"), TWICE
    ),
    Decision.SET_ASIDE: Choice(Decision.SET_ASIDE, _("Set aside"), _("Set %(count)s messages aside?")),
}


@dataclass(frozen=True)
class Aside:
    """What stands under a message in its thread: what is to be known, what may be decided, and its story."""

    note: str = ""
    choices: tuple[Choice, ...] = ()

    @property
    def warning(self) -> str:
        return next((choice.warning for choice in self.choices if choice.warning), "")


def choices_in(bucket: Bucket | None, scope: TenantScope, kind: MessageKind | None = None) -> tuple[Choice, ...]:
    """What this person may decide about the messages of a bucket, or about one of this kind."""
    if bucket is None or not scope.allows(Permission.SEND):
        return ()
    choices = tuple(CHOICES[decision] for decision in FITTING[bucket])
    # A change that is made twice is the same as one.
    return tuple(replace(choice, warning="") for choice in choices) if kind in CHANGES else choices


def asides(
    scope: TenantScope, row: ConversationRow, messages: Sequence[Message], resends: Mapping[UUID, Message]
) -> dict[UUID, Aside]:
    """Message id -> what stands under it; a message about which there is nothing to know or to decide has none."""
    return {
        message.id: aside
        for message in messages
        if (aside := _aside(scope, row, message, resends.get(message.id))) is not None
    }


def resent_words(second: Message, zone: str) -> str:
    """What is said of a message in whose place another one was sent."""
    at = moment(second.created_at, zone)
    return str(_("Sent again at %(time)s; the first may have arrived too.", time=at))


def second_words() -> str:
    """What is said of that other one."""
    return str(_("Sent again in the place of an earlier one, which may have arrived too."))


def consequence(decision: Decision, unit: Unit, number: int) -> str:
    """What will happen to that many messages of the unit."""
    told = {
        Decision.TRY_AGAIN: lambda: ngettext(
            "%(num)s message goes back to the queue of %(unit)s.",
            "%(num)s messages go back to the queue of %(unit)s.",
            number,
            unit=unit.name,
        ),
        Decision.SEND_AGAIN: lambda: ngettext(
            "%(num)s message of %(unit)s is sent a second time.",
            "%(num)s messages of %(unit)s are sent a second time.",
            number,
            unit=unit.name,
        ),
        Decision.ARRIVED: lambda: ngettext(
            "%(num)s message of %(unit)s is noted as sent.",
            "%(num)s messages of %(unit)s are noted as sent.",
            number,
            unit=unit.name,
        ),
        Decision.SET_ASIDE: lambda: ngettext(
            "%(num)s message of %(unit)s leaves this list; nothing is sent.",
            "%(num)s messages of %(unit)s leave this list; nothing is sent.",
            number,
            unit=unit.name,
        ),
    }
    return str(told[decision]())


def result_words(decision: Decision, decided: Decided) -> str:
    """What came of it: how many were done, and how many somebody else had handled before."""
    told = {
        Decision.TRY_AGAIN: lambda: ngettext("%(num)s queued again", "%(num)s queued again", decided.done),
        Decision.SEND_AGAIN: lambda: ngettext("%(num)s sent a second time", "%(num)s sent a second time", decided.done),
        Decision.ARRIVED: lambda: ngettext("%(num)s noted as sent", "%(num)s noted as sent", decided.done),
        Decision.SET_ASIDE: lambda: ngettext("%(num)s set aside", "%(num)s set aside", decided.done),
    }
    parts = [told[decision]()] if decided.done or not (decided.left or decided.stopped) else []
    if decided.left:
        parts.append(ngettext("%(num)s had been handled meanwhile", "%(num)s had been handled meanwhile", decided.left))
    return f"{', '.join((*parts, *stopped_words(decided.paused, decided.cancelled)))}."


def stopped_words(paused: int, cancelled: int) -> Iterator[str]:
    """What is said of messages that are not sent because their campaigns do not go on."""
    if paused:
        yield ngettext(
            "%(num)s left as it is until its campaign is resumed",
            "%(num)s left as they are until their campaigns are resumed",
            paused,
        )
    if cancelled:
        yield ngettext(
            "%(num)s not sent because its campaign was cancelled",
            "%(num)s not sent because their campaigns were cancelled",
            cancelled,
        )


def _aside(scope: TenantScope, row: ConversationRow, message: Message, second: Message | None) -> Aside | None:
    bucket = bucket_of(message, receipt_wait_min=row.unit.receipt_wait_min)
    notes = []
    if bucket == Bucket.NO_RECEIPT:
        notes.append(str(NO_RECEIPT))
    if second is not None:
        notes.append(resent_words(second, row.unit.time_zone))
    if message.resend_of_id is not None:
        notes.append(second_words())
    is_waiting = message.status == MessageStatus.QUEUED
    return Aside(" ".join(notes), choices_in(bucket, scope, message.kind)) if notes or bucket or is_waiting else None
