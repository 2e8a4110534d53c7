"""What keeps a planned campaign from being started, in words."""

from flask_babel import gettext as _
from flask_babel import ngettext

from portal.models import Campaign, PlanProblem

# Lines of one ledger.
LARGEST_PLAN = 1_000_000


def problem_words(campaign: Campaign) -> str:
    """What is wrong and what to do; empty when nothing is."""
    if campaign.plan_problem is None:
        return ""
    if campaign.plan_problem == PlanProblem.TOO_LONG:
        return _too_long_words(**(campaign.plan_problem_details or {}))
    sentences = {
        PlanProblem.TOO_MANY: _(
            "This campaign has more than %(most)s recipients. Choose fewer people, and send to the others in a"
            " campaign of their own.",
            most=LARGEST_PLAN,
        ),
        PlanProblem.GAVE_UP: _(
            "The recipients could not be prepared, for an error happened each time. Copy this campaign and try again."
        ),
    }
    return str(sentences[campaign.plan_problem])


def _too_long_words(*, recipients: int, longest: int, **_details: int) -> str:
    sentence = ngettext(
        "With the values of %(num)s recipient the text is longer than WhatsApp takes: at most %(longest)s characters."
        " Shorten the message, or that value.",
        "With the values of %(num)s recipients the text is longer than WhatsApp takes: at most %(longest)s characters."
        " Shorten the message, or those values.",
        recipients,
        longest=longest,
    )
    return str(sentence)
