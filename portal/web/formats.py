"""Telephone numbers and times as people write them; what templates call."""

from datetime import datetime
from zoneinfo import ZoneInfo

from babel.dates import format_date, format_time
from flask import Flask, g
from flask_babel import get_locale
from flask_babel import gettext as _

from portal import phone as phones
from portal.clock import now
from portal.models import Contact
from portal.permissions import Permission
from portal.web import words


def register(app: Flask) -> None:
    for function in (clock_time, contact_name, day_words, shown_phone, when):
        app.add_template_filter(function)
    app.add_template_global(words.connection_state)
    app.add_template_global(words.rung)
    app.add_template_global(lambda: str(get_locale()), "current_locale")


def shown_phone(phone: str | None) -> str:
    """The number; its last digits only for people who run the portal but may not read messages."""
    if not phone:
        return ""
    scope = g.get("scope")
    return phones.display(phone) if scope and scope.allows(Permission.READ_MESSAGES) else phones.masked(phone)


def contact_name(contact: Contact) -> str:
    """The name, else the number; somebody known by an anonymous id only has neither."""
    if contact.name:
        return contact.name
    return shown_phone(contact.phone) or _("Unknown number")


def clock_time(at: datetime, zone: str) -> str:
    return str(format_time(at, "short", tzinfo=ZoneInfo(zone), locale=get_locale()))


def day_words(at: datetime, zone: str) -> str:
    """The day as seen from today: Today, Yesterday, or the date."""
    day, today = at.astimezone(ZoneInfo(zone)).date(), now().astimezone(ZoneInfo(zone)).date()
    named = {0: _("Today"), 1: _("Yesterday")}
    return named.get((today - day).days) or str(format_date(day, "long", locale=get_locale()))


def when(at: datetime | None, zone: str) -> str:
    """The time for today, the day for whatever is older."""
    if at is None:
        return ""
    day, today = at.astimezone(ZoneInfo(zone)).date(), now().astimezone(ZoneInfo(zone)).date()
    if day == today:
        return clock_time(at, zone)
    return _("Yesterday") if (today - day).days == 1 else str(format_date(day, "short", locale=get_locale()))
