"""The form for a unit's pace: what it shows, what was typed into it, and what its blank fields mean."""

from datetime import time

from babel.dates import format_time, get_day_names
from babel.numbers import format_decimal
from flask_babel import get_locale, gettext
from flask_babel import lazy_gettext as _
from flask_wtf import FlaskForm
from wtforms import BooleanField, RadioField, SelectMultipleField, StringField
from wtforms.fields.choices import SelectChoice

from portal.models import Unit
from portal.pacing import Pace
from portal.services import paces
from portal.services.paces import EVERY_DAY, OWN, TypedPace
from portal.web.formats import grouped


class PaceForm(FlaskForm):  # type: ignore[misc]
    preset = RadioField(
        _("How fast"),
        choices=[
            SelectChoice("careful", _("Careful: 8 to 20 seconds between two messages")),
            SelectChoice("normal", _("Normal: 2 to 5 seconds between two messages")),
            SelectChoice(OWN, _("My own")),
        ],
    )
    min_s = StringField(_("Shortest gap in seconds"))
    max_s = StringField(_("Longest gap in seconds"))
    daily_cap = StringField(_("Messages a day"))
    window_from = StringField(_("Not before"))
    window_to = StringField(_("Not after"))
    window_days = SelectMultipleField(_("Days of the week"), choices=[str(day) for day in EVERY_DAY])
    skips_holidays = BooleanField(
        _("Rest on holidays"), description=_("No campaign message leaves on a national holiday of Brazil.")
    )
    is_new = BooleanField(
        _("This number is new"),
        description=_("It warms up: few messages a day from today on, then more, step by step."),
    )


def shown(unit: Unit) -> dict[str, object]:
    """What the fields of the form say about the unit's pace; those of a preset's gaps stay empty."""
    preset = paces.preset_of(unit)
    gaps = {"min_s": _decimal(unit.pace_min_s), "max_s": _decimal(unit.pace_max_s)} if preset == OWN else {}
    return gaps | {
        "preset": preset,
        "daily_cap": "" if unit.daily_cap is None else str(unit.daily_cap),
        "window_from": _field_hour(unit.window_from),
        "window_to": _field_hour(unit.window_to),
        "window_days": [str(day) for day in unit.window_days],
        "skips_holidays": unit.skips_holidays,
        "is_new": unit.warm_up_from is not None,
    }


def typed(form: PaceForm) -> TypedPace:
    texts = ("preset", "min_s", "max_s", "daily_cap", "window_from", "window_to")
    return TypedPace(
        **{name: form[name].data or "" for name in texts},
        window_days=form.window_days.data or (),
        skips_holidays=form.skips_holidays.data,
        is_new=form.is_new.data,
    )


def tell_values(form: PaceForm, pace: Pace) -> None:
    """Beside each field that may stay empty: what that means, and what holds now."""
    for field, usual, value in ((form.min_s, Pace.min_s, pace.min_s), (form.max_s, Pace.max_s, pace.max_s)):
        field.render_kw = {"placeholder": _decimal(usual)}
        field.description = gettext(
            "Empty: %(usual)s. In force now: %(value)s.", usual=_decimal(usual), value=_decimal(value)
        )
    none = gettext("no limit")
    form.daily_cap.render_kw = {"placeholder": none}
    cap = none if pace.daily_cap is None else grouped(pace.daily_cap)
    form.daily_cap.description = gettext("Empty: %(usual)s. In force now: %(value)s.", usual=none, value=cap)


def hours_hint(pace: Pace) -> str:
    whole = gettext("the whole day")
    hours = whole
    if pace.window_from and pace.window_to:
        hours = f"{_hour_words(pace.window_from)}–{_hour_words(pace.window_to)}"
    return str(gettext("Both empty: %(usual)s. In force now: %(value)s.", usual=whole, value=hours))


def day_names() -> list[tuple[int, str]]:
    """1 is Monday; babel counts from 0."""
    names = get_day_names("wide", locale=get_locale())
    return [(day, names[day - 1]) for day in EVERY_DAY]


def _decimal(number: float) -> str:
    return str(format_decimal(number, locale=get_locale()))


def _hour_words(hour: time) -> str:
    return str(format_time(hour, "short", locale=get_locale()))


def _field_hour(hour: time | None) -> str:
    """As a field for an hour takes it, in every language."""
    return "" if hour is None else hour.strftime("%H:%M")
