"""What became of one recipient, in words."""

from dataclasses import dataclass
from datetime import datetime

from flask_babel import gettext as _

from portal.models import Message, SkipReason
from portal.queries.campaigns import RecipientRow, Rung
from portal.web.campaign_words import SKIP_STEPS, SKIPS
from portal.web.moments import moment
from portal.web.reasons import CANCELLATIONS, reason_of


@dataclass(frozen=True)
class Standing:
    """How far they came: the name of an icon, the words for it, when that was, why no further, and what to do."""

    icon: str
    label: str
    time: str = ""
    reason: str = ""
    step: str = ""


def standing(row: RecipientRow, zone: str, *, cancelled: str = "") -> Standing:
    """Where one line of the ledger stands, by the clock of that zone; `cancelled` says who cancelled the campaign."""
    at = _reached_at(row)
    return Standing(
        icon=_ICONS.get(row.rung, row.rung.value),
        label=str(_labels()[row.rung]),
        time=moment(at, zone) if at else "",
        reason=cancelled if row.rung == Rung.CANCELLED else _reason(row),
        step=_step(row),
    )


# Where no icon bears the name of the rung.
_ICONS = {Rung.PENDING: "calm", Rung.REPLIED: "chat", Rung.SKIPPED: "cancelled"}


def _step(row: RecipientRow) -> str:
    """Of whoever gets nothing; the reasons of messages say it themselves."""
    return str(SKIP_STEPS[SkipReason(row.recipient.reason)]) if row.recipient.reason is not None else ""


def _labels() -> dict[Rung, str]:
    return {
        Rung.PENDING: _("Waits for their turn"),
        Rung.QUEUED: _("About to leave"),
        Rung.SENT: _("Sent"),
        Rung.DELIVERED: _("Delivered"),
        Rung.READ: _("Read"),
        Rung.REPLIED: _("Answered"),
        Rung.FAILED: _("Failed"),
        Rung.UNCONFIRMED: _("Not known"),
        Rung.SKIPPED: _("Gets nothing"),
        Rung.CANCELLED: _("Cancelled"),
    }


def _reached_at(row: RecipientRow) -> datetime | None:
    if row.rung == Rung.REPLIED:
        return row.recipient.replied_at
    return _of_message(row.message, row.rung) if row.message else None


def _of_message(message: Message, rung: Rung) -> datetime | None:
    times = {
        Rung.SENT: message.sent_at,
        Rung.DELIVERED: message.delivered_at,
        Rung.READ: message.read_at,
        Rung.FAILED: message.failed_at,
        Rung.UNCONFIRMED: message.sending_at,
    }
    return times.get(rung)


def _reason(row: RecipientRow) -> str:
    if row.recipient.reason is not None:
        return str(SKIPS[SkipReason(row.recipient.reason)])
    if row.message is None:
        return ""
    reason = reason_of(row.message)
    if row.rung == Rung.SKIPPED:
        reason = CANCELLATIONS.get(row.message.error_code or "")
    return str(reason) if reason and row.rung in _EXPLAINED else ""


_EXPLAINED = (Rung.FAILED, Rung.UNCONFIRMED, Rung.SKIPPED)
