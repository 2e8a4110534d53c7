"""How long a company keeps messages and what Evolution told."""

from dataclasses import asdict, dataclass

from flask_babel import gettext as _

from portal.errors import Invalid
from portal.services import tenant_settings
from portal.tenancy import TenantScope

LEAST_MESSAGES_DAYS, MOST_MESSAGES_DAYS = 30, 3_650
LEAST_EVENTS_DAYS, MOST_EVENTS_DAYS = 7, 365


@dataclass(frozen=True)
class Periods:
    """For how many days messages are kept (None: for ever), and what Evolution told."""

    keep_messages_days: int | None
    keep_events_days: int


def get(scope: TenantScope) -> Periods:
    """The company's periods, with the defaults filled in."""
    settings = tenant_settings.get(scope)
    return Periods(settings.keep_messages_days, settings.keep_events_days)


def check(*, messages: str, events: str) -> Periods:
    """Two numbers of days as they were typed; no text for messages keeps them for ever.

    Raises Invalid for `messages` and `events`.
    """
    problems = {}
    messages_days = _days(messages, LEAST_MESSAGES_DAYS, MOST_MESSAGES_DAYS)
    events_days = _days(events, LEAST_EVENTS_DAYS, MOST_EVENTS_DAYS)
    if messages.strip() and messages_days is None:
        problems["messages"] = _(
            "Write a number of days from %(least)s to %(most)s, or nothing to keep messages for ever.",
            least=LEAST_MESSAGES_DAYS,
            most=MOST_MESSAGES_DAYS,
        )
    if events_days is None:
        problems["events"] = _(
            "Write a number of days from %(least)s to %(most)s.", least=LEAST_EVENTS_DAYS, most=MOST_EVENTS_DAYS
        )
    if events_days is None or problems:
        raise Invalid(problems)
    return Periods(messages_days, events_days)


def change(scope: TenantScope, periods: Periods) -> None:
    """Keep things for that long from now on; a worker deletes what is older."""
    tenant_settings.change(scope, "tenant.periods_changed", asdict(periods))


def _days(text: str, least: int, most: int) -> int | None:
    """The number that was typed; None where it is none of these."""
    typed = text.strip()
    is_number = typed.isascii() and typed.isdigit() and len(typed) <= len(str(most))
    return int(typed) if is_number and least <= int(typed) <= most else None
