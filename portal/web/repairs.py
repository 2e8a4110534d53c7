"""What the portal put right at a unit, in words: what was wrong, and what was done."""

from dataclasses import dataclass

from flask_babel import gettext as _
from flask_babel import lazy_gettext, ngettext

from portal.models import ConnectionStatus, Repair, RepairKind
from portal.web.moments import moment

STATES = {
    ConnectionStatus.NOT_CONFIGURED: lazy_gettext("Not connected yet"),
    ConnectionStatus.QR: lazy_gettext("Waiting for the phone"),
    ConnectionStatus.CONNECTING: lazy_gettext("Connecting"),
    ConnectionStatus.CONNECTED: lazy_gettext("Connected"),
    ConnectionStatus.DISCONNECTED: lazy_gettext("Disconnected"),
}

# What was wrong with a webhook or with settings, by Evolution's own names of the fields; "missing": all of it.
FIELDS = {
    "missing": lazy_gettext("it was gone"),
    "url": lazy_gettext("another address"),
    "enabled": lazy_gettext("switched off"),
    "events": lazy_gettext("events left out"),
    "byEvents": lazy_gettext("one address for each event"),
    "base64": lazy_gettext("files inside the events"),
    "headers": lazy_gettext("no valid signature"),
    "groupsIgnore": lazy_gettext("groups"),
    "readStatus": lazy_gettext("stories"),
}
# The state of a number that reconnected for too long, after the portal closed and opened its connection.
RESTARTED = "restarted"


@dataclass(frozen=True)
class RepairWords:
    """One sentence on what was found, one on what was done about it."""

    found: str
    done: str


def repair_words(repair: Repair, zone: str) -> RepairWords:
    """The repair as the unit's people read it; times are by the clock of that zone."""
    if repair.kind == RepairKind.HOLE:
        return RepairWords(_silence(repair, zone), _fetched(repair.found))
    if repair.kind == RepairKind.WEBHOOK:
        found = _("Evolution's webhook was not as the portal had set it (%(fields)s).", fields=_fields(repair.before))
        return RepairWords(found, _("It was set again."))
    if repair.kind == RepairKind.SETTINGS:
        found = _("Evolution's settings were not those of the unit (%(fields)s).", fields=_fields(repair.before))
        return RepairWords(found, _("They were set again."))
    return _of_state(repair)


def _of_state(repair: Repair) -> RepairWords:
    if repair.after == RESTARTED:
        return RepairWords(_("The number had been reconnecting for minutes."), _("Its connection was restarted."))
    found = _("The state shown was “%(state)s”, and that was not true any more.", state=_state(repair.before))
    return RepairWords(found, _("Evolution was asked; the state is “%(state)s”.", state=_state(repair.after)))


def _silence(repair: Repair, zone: str) -> str:
    if repair.began_at is None or repair.ended_at is None:
        return str(_("Messages did not reach the portal."))
    began, ended = moment(repair.began_at, zone), moment(repair.ended_at, zone)
    return str(_("From %(began)s to %(ended)s messages did not reach the portal.", began=began, ended=ended))


def _fetched(found: int) -> str:
    if not found:
        return str(_("They are being fetched from Evolution."))
    return str(ngettext("%(num)s message was fetched.", "%(num)s messages were fetched.", found))


def _fields(codes: str | None) -> str:
    named = [code.strip() for code in (codes or "?").split(",")]
    return ", ".join(str(FIELDS.get(code, code)) for code in named)


def _state(code: str | None) -> str:
    known = {str(status): words for status, words in STATES.items()}
    return str(known.get(code or "", code or "?"))
