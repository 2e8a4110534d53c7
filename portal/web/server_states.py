"""What an Evolution server is doing, in the operator's words."""

from datetime import timedelta

from flask_babel import gettext
from flask_babel import lazy_gettext as _

from portal.clock import now
from portal.models import EvolutionServer
from portal.web.formats import clock_time, when
from portal.web.language import choose_time_zone
from portal.web.words import State, Tone

# A worker takes up a check within seconds.
LATE_AFTER = timedelta(seconds=20)
# Code of the trouble -> what it is, and what to do about it.
TROUBLE = {
    "evolution_unreachable": (
        _("It does not answer."),
        _("Check that it is running and that its address is right."),
    ),
    "evolution_key_refused": (_("It does not accept the key."), _("Give it the key that stands there.")),
    "evolution_not_licensed": (
        _("It says that its licence is not active, and answers nothing until it is."),
        _("Open its address with /manager at the end, and register it there."),
    ),
    "evolution_slow": (_("It keeps sends waiting and ends none."), _("Look at its load, or restart it.")),
    "evolution_key_unreadable": (
        _("Its key was stored under an encryption key that the portal no longer has."),
        _("Give its key once more."),
    ),
    "timed_out": (_("It takes longer to answer than the portal waits."), _("Look at its load, or restart it.")),
}
OTHER_TROUBLE = (
    _("It answers in a way that the portal does not understand."),
    _("Check that its address leads to an Evolution API of version 2."),
)


def server_state(server: EvolutionServer) -> State:
    """A check that is under way comes first, then a pause, then what the last check found."""
    if is_being_checked(server):
        return State(
            gettext("Checking"), gettext("The portal asks whether it answers."), gettext("Wait a moment."), Tone.BUSY
        )
    if server.check_requested_at is not None:
        sentence = gettext("Nobody has taken up the check: the portal's worker may be away.")
        return State(gettext("Not checked"), sentence, gettext("See to the worker, then check again."), Tone.WARNING)
    if server.pause_reason is not None:
        return _paused(server, *TROUBLE.get(server.pause_reason, OTHER_TROUBLE))
    if server.checked_at is None:
        sentence = gettext("It is not known whether it answers and accepts the key.")
        return State(gettext("Not checked"), sentence, gettext("Check it now."), Tone.CALM)
    if server.check_error is not None:
        reason, step = TROUBLE.get(server.check_error, OTHER_TROUBLE)
        return State(gettext("The check failed"), f"{reason} {_checked(server)}", step, Tone.BAD)
    sentence = gettext("It answers and accepts the key.")
    return State(gettext("Answers"), f"{sentence} {_checked(server)}", "", Tone.GOOD)


def is_being_checked(server: EvolutionServer) -> bool:
    """Whether looking again soon will show something else."""
    return server.check_requested_at is not None and now() - server.check_requested_at < LATE_AFTER


def _paused(server: EvolutionServer, reason: str, step: str) -> State:
    zone = choose_time_zone()
    since = gettext(
        "Nothing is sent through it (since %(time)s); what waits is kept.", time=when(server.paused_at, zone)
    )
    again = gettext("It is tried again at %(time)s.", time=clock_time(server.paused_until or now(), zone))
    return State(gettext("Paused"), f"{reason} {since} {again}", step, Tone.BAD)


def _checked(server: EvolutionServer) -> str:
    return str(gettext("Checked: %(time)s.", time=when(server.checked_at, choose_time_zone())))
