"""The forms with which a campaign is made: its name, its message, a test of it, and its start."""

from datetime import date, datetime, time
from typing import Self
from zoneinfo import ZoneInfo

from flask import request
from flask_babel import gettext
from flask_babel import lazy_gettext as _
from flask_wtf import FlaskForm
from wtforms import StringField, TelField

from portal.clock import now
from portal.errors import Conflict, Invalid
from portal.models import Campaign, MissedStart
from portal.queries.message_templates import TemplateRow
from portal.services.campaign_states import check_time
from portal.web.template_forms import VARIANTS, TemplateForm


class CampaignForm(FlaskForm):  # type: ignore[misc]
    name = StringField(_("Name"), description=_("Only your company sees it."))
    unit = StringField(_("Unit"), description=_("The campaign is sent from its number."))


class MessageForm(TemplateForm):
    """The form of a template, without what only a template has; it may begin with one."""

    name = None
    based_on = None
    # The id of the file of the template with which the message began.
    template_file = StringField()

    @classmethod
    def of_campaign(cls, campaign: Campaign, begun: TemplateRow | None) -> "MessageForm":
        """As the template says it, else as the campaign does."""
        said = begun.version.variants if begun else campaign.variants
        return cls(formdata=None, **dict(zip(VARIANTS, said, strict=False)))

    @property
    def keeps_file(self) -> bool:
        return not self.removes_file.data

    def carries_file(self, campaign: Campaign) -> bool:
        """Whether the message would carry a file: htmx sends of a chosen file only that there is one."""
        is_chosen = bool(self.file.data) or bool(request.form.get("file")) or bool(self.template_file.data)
        return is_chosen or (campaign.media_id is not None and self.keeps_file)


class TestForm(FlaskForm):  # type: ignore[misc]
    phone = TelField(_("Your number"), description=_("With country and area code, such as +55 11 99999-0001."))
    form_id = StringField()


class StartForm(FlaskForm):  # type: ignore[misc]
    when = StringField(default="now")
    at = StringField(_("Day"))
    at_time = StringField(_("Time"))
    if_missed = StringField(default=MissedStart.ASK.value)
    # What was seen: how many get the message, how many are not on WhatsApp, and in which planning.
    recipients = StringField()
    absent = StringField()
    plan = StringField()

    @classmethod
    def of_campaign(cls, campaign: Campaign, zone: str) -> Self:
        """As the campaign asks for it, which a program may have given a time to come."""
        if campaign.scheduled_at is None or campaign.scheduled_at <= now():
            return cls(formdata=None)
        local = campaign.scheduled_at.astimezone(ZoneInfo(zone))
        return cls(formdata=None, when="later", at=local.date().isoformat(), at_time=f"{local:%H:%M}")

    @property
    def is_for_later(self) -> bool:
        return bool(self.when.data == "later")

    @property
    def rule(self) -> MissedStart:
        """What to do when the start is missed; to ask, where the form says nothing that is known."""
        return MissedStart.START if self.if_missed.data == MissedStart.START else MissedStart.ASK

    def starts_at(self, zone: str) -> datetime | None:
        """The time by the clock of that zone; None: now. Raises Invalid for `at`."""
        if not self.is_for_later:
            return None
        try:
            day, at = date.fromisoformat(self.at.data or ""), time.fromisoformat(self.at_time.data or "")
        except ValueError as e:
            raise Invalid({"at": gettext("Give a day and a time, or send now.")}) from e
        starts_at = datetime.combine(day, at.replace(tzinfo=None), ZoneInfo(zone))
        check_time(starts_at)
        return starts_at

    def check_plan(self, campaign: Campaign) -> None:
        """Raises Conflict when the campaign was planned anew since it was seen, even for as many people."""
        if campaign.planned_at is None or self.plan.data != campaign.planned_at.isoformat():
            message = gettext("The recipients have changed since you looked. Check the numbers again.")
            raise Conflict(message, code="recipients_changed")

    def expected(self, *, absent: int) -> int:
        """How many should be left of those who were seen: numbers that turned out not to be on WhatsApp are not."""
        return _number(self.recipients.data) - (absent - _number(self.absent.data))


def _number(text: str | None) -> int:
    """What a hidden field says: 0, which starts nothing, where it says nonsense."""
    return int(text) if text and text.isascii() and text.isdigit() and len(text) < 8 else 0
