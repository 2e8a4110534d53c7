"""What the calls about campaigns take and what they answer."""

import base64
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

from flask_babel import lazy_gettext
from marshmallow import ValidationError, fields

from portal.models import Campaign, CampaignState, PauseReason, SkipReason
from portal.queries.campaign_ledgers import LAST_POSITION
from portal.queries.campaigns import Counts, RecipientRow, Rung
from portal.services.campaign_drafts import LONGEST_NAME
from portal.services.template_checks import MOST_VARIANTS
from portal.web.api.fields import TEST, Answer, CamelSchema, Choice, Cursor, Instant, PlainText, Since, one_of
from portal.web.api.schemas import SENDING_UNIT, UNIT, LimitQuery, PageQuery

CONTENT = {
    "oneOf": [{"type": "string"}, {"type": "array", "items": {"type": "string"}, "minItems": 2, "maxItems": 5}],
    "description": "The text with its ((variables)), or 2 to 5 variants of it, between which the campaign compares.",
    "example": "Hello ((name)), we are open on Sunday.",
}
FINISHES_AT = {"description": "When the last message leaves at the unit's pace; null where nothing is to leave."}
PHONES = {
    "description": "Each is one line of the ledger, a number that is none too; together at most 1 MB.",
    "example": ["+55 11 98888-0001", "+55 11 98888-0002"],
}
NO_LIST = dict.fromkeys(("invalid", "null"), lazy_gettext("Give a list, or leave this out."))
NUMBERS = {"type": "object", "additionalProperties": {"type": "integer"}}
RUNGS = {**NUMBERS, "description": f"Each recipient once, on the highest rung: {', '.join(Rung)}."}


class Content(fields.Field[list[str]]):
    """One text, or several."""

    default_error_messages = {
        "required": lazy_gettext("This field is missing."),
        "null": lazy_gettext("This field is missing."),
        "content": lazy_gettext("Give one text, or a list of 2 to 5 texts."),
    }

    def _deserialize(self, value: Any, *args: Any, **kwargs: Any) -> list[str]:
        if isinstance(value, list) and not 2 <= len(value) <= MOST_VARIANTS:
            raise self.make_error("content")
        texts = value if isinstance(value, list) else [value]
        try:
            return [str(PlainText().deserialize(text)) for text in texts]
        except ValidationError as e:
            raise self.make_error("content") from e


class PlaceCursor(fields.Field[int]):
    """What `next` of the recipients said: opaque, the place of the last one."""

    default_error_messages = {"cursor": lazy_gettext("Give the value of next as it came.")}

    def _deserialize(self, value: Any, *args: Any, **kwargs: Any) -> int:
        try:
            place = int(base64.urlsafe_b64decode(str(value).encode("ascii")))
        except ValueError as e:
            raise self.make_error("cursor") from e
        if not 0 <= place <= LAST_POSITION:
            raise self.make_error("cursor")
        return place

    def _serialize(self, value: int | None, *args: Any, **kwargs: Any) -> str | None:
        return None if value is None else base64.urlsafe_b64encode(str(value).encode()).decode()


class CampaignBody(CamelSchema):
    unit_id = PlainText(load_default=None, allow_none=True, metadata=SENDING_UNIT)
    name = PlainText(required=True, metadata={"minLength": 1, "maxLength": LONGEST_NAME, "example": "Easter"})
    content = Content(required=True, metadata=CONTENT)
    scheduled_at = fields.AwareDateTime(
        load_default=None,
        allow_none=True,
        default_timezone=UTC,
        error_messages={"invalid": lazy_gettext("Give an instant in ISO 8601.")},
        metadata={"description": "When dispatch shall start it; left out, it starts at once."},
    )
    contact_ids = fields.List(
        fields.UUID(error_messages=dict.fromkeys(("invalid_uuid", "null"), lazy_gettext("Give ids of contacts."))),
        load_default=list,
        error_messages=NO_LIST,
    )
    tags = fields.List(
        PlainText(), load_default=list, error_messages=NO_LIST, metadata={"description": "Whoever bears one of these."}
    )
    phones = fields.List(PlainText(), load_default=list, error_messages=NO_LIST, metadata=PHONES)


class CampaignsQuery(PageQuery):
    status = Choice(
        CampaignState,
        error_messages={"unknown": lazy_gettext("Give a state that a campaign can have.")},
        metadata={"example": "processing"},
    )
    unit_id = PlainText(load_default=None, metadata=UNIT)
    since = Since(metadata={"description": "Only campaigns that were made then or later."})


class RecipientsQuery(LimitQuery):
    cursor = PlaceCursor(
        load_default=lambda: 0, metadata={"description": "The `next` of the page before: the recipients after it."}
    )


@dataclass(frozen=True)
class ShownCampaign:
    """A campaign with what is worked out about it."""

    campaign: Campaign
    counts: Counts
    finishes_at: datetime | None


@dataclass(frozen=True)
class SkippedLine:
    """Somebody who was chosen and gets nothing: the number as it was given, or theirs."""

    phone: str | None
    reason: str


@dataclass(frozen=True)
class CreatedCampaign(ShownCampaign):
    skipped: Sequence[SkippedLine]


@dataclass(frozen=True)
class CampaignWithRecipients(ShownCampaign):
    recipients: Mapping[str, Any]


class CampaignAnswer(Answer):
    id = fields.UUID(attribute="campaign.id")
    unit_id = fields.UUID(attribute="campaign.unit_id")
    name = fields.String(attribute="campaign.name")
    status = fields.String(attribute="campaign.state", metadata=one_of(CampaignState))
    total = fields.Integer(attribute="campaign.total", metadata={"description": "Lines of the ledger."})
    counts = fields.Function(lambda shown: counts_by_name(shown.counts), metadata=RUNGS)
    created_at = Instant(attribute="campaign.created_at")
    scheduled_at = Instant(attribute="campaign.scheduled_at", allow_none=True)
    started_at = Instant(attribute="campaign.started_at", allow_none=True)
    paused_at = Instant(attribute="campaign.paused_at", allow_none=True)
    pause_reason = fields.String(
        attribute="campaign.pause_reason",
        allow_none=True,
        metadata=one_of(PauseReason, None),
    )
    finished_at = Instant(attribute="campaign.finished_at", allow_none=True)
    finishes_at = Instant(allow_none=True, metadata=FINISHES_AT)
    test = fields.Boolean(attribute="campaign.is_test", metadata=TEST)


class SkippedAnswer(Answer):
    phone = fields.String(allow_none=True)
    reason = fields.String(metadata=one_of(SkipReason))


class CreatedCampaignAnswer(CampaignAnswer):
    skipped = fields.List(fields.Nested(SkippedAnswer))


class CampaignPage(Answer):
    items = fields.List(fields.Nested(CampaignAnswer))
    next = Cursor(allow_none=True)


class RecipientAnswer(Answer):
    position = fields.Integer(attribute="recipient.position")
    contact_id = fields.UUID(attribute="recipient.contact_id", allow_none=True)
    phone = fields.Function(lambda row: phone_of(row), metadata={"type": "string", "nullable": True})
    status = fields.String(attribute="rung", metadata=one_of(Rung))
    reason = fields.String(allow_none=True, metadata=one_of(SkipReason, None))
    error_code = fields.Function(
        lambda row: row.message.error_code if row.message else None, metadata={"type": "string", "nullable": True}
    )
    variant = fields.Integer(attribute="recipient.variant", allow_none=True)
    message_id = fields.UUID(attribute="recipient.message_id", allow_none=True)
    handed_at = Instant(attribute="recipient.handed_at", allow_none=True)
    replied_at = Instant(attribute="recipient.replied_at", allow_none=True)


class RecipientPage(Answer):
    items = fields.List(fields.Nested(RecipientAnswer))
    next = PlaceCursor(allow_none=True)


class CampaignWithRecipientsAnswer(CampaignAnswer):
    recipients = fields.Nested(RecipientPage)


def counts_by_name(counts: Counts) -> dict[str, int]:
    """All ten rungs, those on which nobody stands too."""
    return {rung.value: counts[rung] for rung in Rung}


def phone_of(row: RecipientRow) -> str | None:
    """The number in its canonical form, or what was given instead of one."""
    return row.contact.phone if row.contact and row.contact.phone else row.recipient.typed
