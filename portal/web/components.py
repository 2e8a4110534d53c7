"""The page of components: every part of the look, drawn by what draws it elsewhere. Only while developing."""

import re
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any, Protocol
from uuid import UUID

from flask import Blueprint, current_app, flash, g, render_template, request
from flask_babel import lazy_gettext as _
from flask_wtf import FlaskForm
from wtforms import DateField, FileField, PasswordField, SelectField, StringField, TextAreaField

from portal.config import DEVELOPMENT
from portal.errors import NotFound
from portal.extensions import parts
from portal.permissions import Permission
from portal.tenancy import TenantScope
from portal.web import (
    campaign_words,
    component_examples,
    golive_words,
    import_words,
    member_words,
    metric_words,
    tenant,
    words,
)
from portal.web.access import requires
from portal.web.panels import make_panel
from portal.web.words import Tone

bp = Blueprint("components", __name__, url_prefix="/components")

SLUG = "example"
NOBODY = UUID(int=0)
LEAST_CONTRAST = 4.5
# What is written or drawn on what, and what for.
PAIRS = (
    ("ink", "paper", _("Text on the page")),
    ("ink", "surface", _("Text on a card")),
    ("ink-soft", "paper", _("What stands beside")),
    ("ink-soft", "surface", _("What stands beside, on a card")),
    ("ink-soft", "sunken", _("A calm state")),
    ("accent", "paper", _("Links")),
    ("accent", "surface", _("Links on a card")),
    ("on-accent", "accent", _("The main button")),
    ("on-accent-soft", "accent-soft", _("Another button, and where one is")),
    ("good", "good-soft", _("It is well")),
    ("busy", "busy-soft", _("It is under way")),
    ("warning", "warning-soft", _("Look at this")),
    ("bad", "bad-soft", _("It went wrong")),
    ("bad", "surface", _("A problem beside its field")),
    ("surface", "bad", _("The button that destroys")),
    ("ink", "ours", _("What we wrote")),
    ("ink", "theirs", _("What they wrote")),
)
SIZES = ("xs", "s", "m", "l", "xl")
GAPS = ("0.4", "0.6", "0.75", "1", "1.25", "1.5")
SETTINGS_OF_A_THEME = re.compile(r"--([a-z][a-z-]{0,30}): (#[0-9a-f]{6});")


class ExampleForm(FlaskForm):  # type: ignore[misc]
    plain = StringField(_("A field"))
    hinted = StringField(_("A field with a hint"), description=_("The hint says what is wanted, before it is typed."))
    wrong = StringField(_("A field with a problem"), description=_("The problem stands between hint and field."))
    secret = PasswordField(_("A password"))
    chosen = SelectField(_("A choice"), choices=["1", "2", "3"])
    long = TextAreaField(_("A longer text"))
    day = DateField(_("A day"))
    file = FileField(_("A file"))


@dataclass(frozen=True)
class Contrast:
    """Two colours that meet, and how far apart they are in each theme."""

    ink: str
    ground: str
    meaning: str
    light: float
    dark: float


@bp.get("")
@requires(Permission.OPERATE)
def index() -> str:
    if parts.config.portal_env != DEVELOPMENT:
        raise NotFound("only while developing")
    _pretend_to_be_in_a_company()
    example = component_examples.make_example(SLUG)
    shown = request.args.get("panel", "")
    connection = component_examples.make_connection(shown if shown in component_examples.CONNECTIONS else "code")
    flash(_("What was done is said once, above the page that comes next."))
    return render_template(
        "operator/components.html",
        contrasts=contrasts(),
        sizes=SIZES,
        gaps=GAPS,
        form=_form(),
        tones=list(Tone),
        states=states(),
        panels=list(component_examples.CONNECTIONS),
        panel=make_panel(example.unit, connection, url=""),
        panel_form=PanelForm(formdata=None),
        row=example.row,
        connection=example.connection,
        days=[component_examples.every_rung(example.row), component_examples.every_kind(example.row)],
        chart_drawn=component_examples.draw_chart(),
        **tenant.page_words(),
    )


class PanelForm(FlaskForm):  # type: ignore[misc]
    pairing_number = StringField(_("Number of the phone"))


class Pill(Protocol):
    """What a pill shows of a state."""

    @property
    def title(self) -> str: ...

    @property
    def tone(self) -> Tone: ...


def states() -> list[Pill]:
    """Every state that pills show, each once."""
    tables: tuple[Mapping[Any, Pill], ...] = (
        words.BY_ACTION,
        words.BY_REASON,
        words.BY_STATUS,
        campaign_words.STANDINGS,
        import_words.STANDINGS,
        member_words.STATES,
        member_words.LINK_STATES,
        golive_words.SHOWN,
        metric_words.LEVELS,
        metric_words.VERDICTS,
    )
    found = [state for table in tables for state in table.values()]
    return list({(str(state.title), state.tone): state for state in found}.values())


def contrasts() -> list[Contrast]:
    """The contrast of each pair of colours, by the formula of WCAG."""
    light, dark = _themes()
    return [
        Contrast(ink, ground, meaning, contrast(light[ink], light[ground]), contrast(dark[ink], dark[ground]))
        for ink, ground, meaning in PAIRS
    ]


def contrast(one: str, other: str) -> float:
    brighter, darker = sorted((_luminance(one), _luminance(other)), reverse=True)
    return round((brighter + 0.05) / (darker + 0.05), 1)


def _luminance(colour: str) -> float:
    shares = [int(colour[at : at + 2], 16) / 255 for at in (1, 3, 5)]
    red, green, blue = (share / 12.92 if share <= 0.04045 else ((share + 0.055) / 1.055) ** 2.4 for share in shares)
    return 0.2126 * red + 0.7152 * green + 0.0722 * blue


@cache
def _themes() -> tuple[dict[str, str], dict[str, str]]:
    """The colours by name, light and dark, from the sheet that gives them."""
    sheet = (Path(current_app.static_folder or "") / "css" / "tokens.css").read_text()
    light, _mark, dark = sheet.partition('[data-bs-theme="dark"]')
    named = dict(SETTINGS_OF_A_THEME.findall(light))
    return named, named | dict(SETTINGS_OF_A_THEME.findall(dark))


def _form() -> ExampleForm:
    form = ExampleForm(formdata=None)
    form.wrong.errors = [str(_("The problem says what to do about it."))]
    form.form_errors.append(str(_("What is wrong with the whole form stands above it.")))
    return form


def _pretend_to_be_in_a_company() -> None:
    """Some parts ask what the person may do and build addresses of a company: of one that there is not."""
    g.tenant_slug, g.scope = SLUG, TenantScope(NOBODY)
