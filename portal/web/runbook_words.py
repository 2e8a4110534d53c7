"""What operators read when something is on fire, beside the words of the diagnosis and of the rollback."""

from collections.abc import Mapping
from dataclasses import dataclass

from flask_babel import lazy_gettext as _

from portal.monitor.diagnose import Incident


@dataclass(frozen=True)
class Call:
    """Whom to call, and when."""

    who: str
    when: str


@dataclass(frozen=True)
class Criterion:
    """What else to do when a release is taken back for that reason; the command to copy, where there is one."""

    besides: str
    command: str = ""


DIAGNOSE = "flask --app wsgi diagnose TENANT/UNIT"
DIAGNOSE_AND_FIX = f"{DIAGNOSE} --fix"

_OF_PHONE = _("The unit's people")
_OF_EVOLUTION = _("Whoever runs Evolution")
_OF_PLATFORM = _("Whoever runs the portal's processes")
_DEVELOPERS = _("The developers")

# In the order of `golive_words.CRITERIA`.
CRITERIA = (
    Criterion(
        _("Whatever stood in the log counts as known: renew it. Delete the lines where logs are kept."),
        "flask --app wsgi secrets rotate-webhooks",
    ),
    Criterion(
        _("Stop the web process until the version before runs. Find out who saw what in the log of both companies.")
    ),
    Criterion(
        _("Diagnose one of the units first: where Evolution or WhatsApp is the cause, the version before fails, too."),
        DIAGNOSE,
    ),
    Criterion(
        _("Look first whether database and Redis answer: where one of them is away, the version before fails as well."),
        "curl -sS $BASE_URL/ready",
    ),
)

CALLS: Mapping[Incident, tuple[Call, ...]] = {
    Incident.UNCONNECTED: (
        Call(_OF_PHONE, _("Whenever a code has to be scanned, the phone is off, or WhatsApp shows something on it.")),
        Call(
            _OF_EVOLUTION,
            _("The server does not answer, refuses the key, is not licensed, or cannot reach the portal."),
        ),
        Call(_OF_PLATFORM, _("No worker is heard for more than a minute.")),
        Call(_DEVELOPERS, _("The state differs again and again after it was corrected.")),
    ),
    Incident.INBOUND: (
        Call(_OF_EVOLUTION, _("The webhook is changed again and again, or nothing of it arrives.")),
        Call(_OF_PLATFORM, _("No worker is heard for more than a minute, or the waiting news does not get less.")),
        Call(_DEVELOPERS, _("The same news cannot be taken in after it was tried again.")),
    ),
    Incident.OUTBOUND: (
        Call(_OF_PHONE, _("WhatsApp limits or blocked the number, or nobody knows whether a message left.")),
        Call(_OF_EVOLUTION, _("The server is paused for more than five minutes.")),
        Call(_OF_PLATFORM, _("No worker is heard for more than a minute.")),
        Call(_DEVELOPERS, _("Messages wait although nothing holds them, and looking again changes nothing.")),
    ),
    Incident.CAMPAIGN: (
        Call(_("Whoever sent the campaign"), _("It is paused, missed its time, or its pace lets nothing leave.")),
        Call(_OF_PLATFORM, _("No worker is heard for more than a minute.")),
        Call(_DEVELOPERS, _("It could not be planned twice, or nobody has their turn after looking again.")),
    ),
}
