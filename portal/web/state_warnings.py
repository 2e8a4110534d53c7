"""Why a state that is shown deserves a second look, in words with one next step."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import timedelta
from uuid import UUID

from flask_babel import gettext as _
from flask_babel import lazy_gettext

from portal.clock import now
from portal.models import Connection, Repair
from portal.queries import repairs
from portal.queries.checked_states import CheckedState
from portal.tenancy import TenantScope
from portal.web.moments import moment, span
from portal.web.words import State, Tone, connection_state

REPAIR_IS_NEWS_FOR = timedelta(hours=1)
# Why a check got no answer; for all other codes that Evolution was not understood is enough.
UNANSWERED = {
    "evolution_unreachable": lazy_gettext("Evolution does not answer, so the state shown here may be old."),
    "timed_out": lazy_gettext("Evolution does not answer, so the state shown here may be old."),
    "instance_not_loaded": lazy_gettext(
        "Evolution has not loaded this connection, so the state shown here may be old."
    ),
    "evolution_key_refused": lazy_gettext("Evolution does not accept the portal's key, so the state may be old."),
    "evolution_not_licensed": lazy_gettext("Evolution says that it has no licence, so the state may be old."),
}
NOT_UNDERSTOOD = lazy_gettext("Evolution did not say how the connection is, so the state shown here may be old.")


@dataclass(frozen=True)
class StateWarning:
    """A code for programs; for people what is the matter, what it means, and what to do."""

    code: str
    title: str
    sentence: str
    step: str


def find_warnings(scope: TenantScope, unit_id: UUID, checked: CheckedState, zone: str) -> list[StateWarning]:
    """All warnings about one unit, with the last repair of its webhook while that is news."""
    repair = repairs.find_webhook_repair(scope, unit_id, since=now() - REPAIR_IS_NEWS_FOR)
    return [*list_warnings(checked, zone), *([_webhook_repaired(repair, zone)] if repair else [])]


def list_warnings(checked: CheckedState, zone: str) -> list[StateWarning]:
    """What the checked state of a unit warns of, the gravest first."""
    found = []
    if checked.is_stale:
        found.append(_not_checked(checked, zone))
    if checked.silent_for_s is not None:
        found.append(_silent(checked.silent_for_s, checked.usual_gap_s))
    if checked.is_flapping:
        found.append(_unstable(checked, zone))
    return found


def doubted_state(connection: Connection, warnings: Sequence[StateWarning]) -> State:
    """The connection's state; one that is shown as connected and is in doubt says that instead of "all is well"."""
    state = connection_state(connection)
    if state.tone != Tone.GOOD or not warnings:
        return state
    doubt = warnings[0]
    return State(doubt.title, doubt.sentence, doubt.step, Tone.WARNING)


def _silent(silent_for_s: float, usual_gap_s: float | None) -> StateWarning:
    title = _("Connected, but nothing heard for %(silence)s", silence=span(silent_for_s))
    if usual_gap_s is not None:
        usual = span(usual_gap_s)
        title = _(
            "Connected, but nothing heard for %(silence)s (usually %(usual)s)", silence=span(silent_for_s), usual=usual
        )
    return StateWarning(
        "silent",
        title,
        _("Meanwhile other numbers hear messages."),
        _("Write to this number from another phone. If nothing appears here, restart the connection."),
    )


def _unstable(checked: CheckedState, zone: str) -> StateWarning:
    since = moment(checked.losses_since or now(), zone)
    return StateWarning(
        "unstable",
        _("Unstable: lost %(number)s times since %(time)s", number=checked.losses, time=since),
        _("The number loses its connection to WhatsApp again and again."),
        _("See that the phone has power and a good internet connection. If this stays, link it anew."),
    )


def _not_checked(checked: CheckedState, zone: str) -> StateWarning:
    since = _("Not checked yet")
    if checked.checked_at is not None:
        since = _("Not checked since %(time)s", time=moment(checked.checked_at, zone))
    return StateWarning(
        "not_checked",
        since,
        str(UNANSWERED.get(checked.check_error or "", NOT_UNDERSTOOD)),
        _("The portal goes on asking. If this stays, tell whoever runs it."),
    )


def _webhook_repaired(repair: Repair, zone: str) -> StateWarning:
    return StateWarning(
        "webhook_repaired",
        _("Webhook repaired at %(time)s", time=moment(repair.created_at, zone)),
        _("Somebody changed at Evolution where it reports to; the portal put that right and fetches what it missed."),
        _("Nothing needs to be done. If it happens again, ask who else manages Evolution."),
    )
