"""Telephone numbers and times as people write them; what templates call."""

from datetime import date, datetime
from zoneinfo import ZoneInfo

from babel.dates import format_date, format_time
from babel.numbers import format_decimal
from flask import Flask, g
from flask_babel import get_locale
from flask_babel import gettext as _

from portal import phone as phones
from portal.clock import now
from portal.models import Contact
from portal.permissions import Permission
from portal.queries.undelivered import MOST_COUNTED
from portal.services.connections import is_reconnecting
from portal.services.media import MIB
from portal.web import contents, moments, reasons, repairs, words
from portal.web.addresses import page_here
from portal.web.language import choose_time_zone


def register(app: Flask) -> None:
    for function in (
        clock_time,
        contact_name,
        day_date,
        day_words,
        file_size,
        grouped,
        moments.ago,
        moments.moment,
        shown_phone,
        when,
    ):
        app.add_template_filter(function)
    app.add_template_global(words.connection_state)
    app.add_template_global(words.rung)
    app.add_template_global(counted)
    for words_for in (reasons.hold_words, reasons.new_chats_words, reasons.reason_in):
        app.add_template_global(words_for)
    for part in (contents.advert, contents.call_words, contents.cards, contents.map_address):
        app.add_template_global(part)
    for words_for_kind in (contents.question, contents.unknown_words, words.preview):
        app.add_template_global(words_for_kind)
    app.add_template_global(words.kind_words, "words_of_kind")
    app.add_template_global(words.text_of)
    app.add_template_global(words.kind_before)
    app.add_template_global(contents.marks, "marks_of")
    app.add_template_global(is_reconnecting)
    app.add_template_global(repairs.repair_words)
    app.add_template_global(lambda: str(get_locale()), "current_locale")
    app.add_template_global(choose_time_zone, "current_time_zone")
    app.add_template_global(page_here)


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


def counted(number: int, *, most: int = MOST_COUNTED) -> str:
    """A number that was not counted to its end."""
    return str(number) if number < most else f"{most - 1}+"


def grouped(number: int) -> str:
    """A number as people read it: 1,240."""
    return str(format_decimal(number, locale=get_locale()))


def file_size(size: int) -> str:
    """A number of bytes in KB, or in MB with one decimal."""
    if size < MIB:
        return f"{max(1, round(size / 1024))} KB"
    return f"{format_decimal(round(size / MIB, 1), locale=get_locale())} MB"


def clock_time(at: datetime, zone: str) -> str:
    return str(format_time(at, "short", tzinfo=ZoneInfo(zone), locale=get_locale()))


def day_date(day: date) -> str:
    return str(format_date(day, "long", locale=get_locale()))


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
