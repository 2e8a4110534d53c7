"""What the version of an Evolution server means for whoever runs it, in words."""

from dataclasses import dataclass

from flask_babel import lazy_gettext as _

from portal.evolution_versions import LICENSED_SINCE, Limit, Support, numbers, range_of
from portal.web.words import Tone

MEANINGS = {
    Support.FULL: (_("The portal works with this version."), Tone.GOOD),
    Support.LIMITED: (_("The portal works with this version, within limits."), Tone.WARNING),
    Support.LICENSED: (_("The portal works with this version once its licence is active."), Tone.CALM),
    Support.NONE: (_("The portal does not work with this version: upgrade Evolution API to 2.3."), Tone.BAD),
    Support.UNKNOWN: (_("Nobody has tried the portal with this version."), Tone.WARNING),
}
LIMITS = {
    Limit.NO_RETRIES: _("An event that the portal could not take at once is lost."),
    Limit.UNSIGNED: _("Its webhooks are not signed: only the secret in their address shows that they are genuine."),
    Limit.NO_NUMBERS: _("Some people come without their number, and nobody can write to them first."),
    Limit.NO_POLL_VOTES: _("It does not tell how people vote in polls."),
    Limit.NO_QUOTES: _("When somebody answers a message, it does not tell which one."),
}
BEFORE_UPGRADE = _(
    "Before you upgrade to 2.4: it answers nothing, and its units stand still, until you have registered it on its page"
    " /manager. Have the licence ready, and upgrade while nobody sends."
)


@dataclass(frozen=True)
class VersionMeaning:
    """One sentence on the version, what it cannot do, and what to know before the next one."""

    sentence: str
    tone: Tone
    limits: tuple[str, ...]
    warning: str


def version_meaning(version: str | None) -> VersionMeaning | None:
    """None while the version is not known."""
    if not version:
        return None
    known = range_of(version)
    sentence, tone = MEANINGS[known.support]
    is_before_licences = known.support is not Support.UNKNOWN and numbers(version) < LICENSED_SINCE
    limits = tuple(LIMITS[limit] for limit in known.limits)
    return VersionMeaning(sentence, tone, limits, BEFORE_UPGRADE if is_before_licences else "")
