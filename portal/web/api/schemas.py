"""What the calls take and what they answer. The OpenAPI description is made from these."""

from flask_babel import lazy_gettext
from marshmallow import fields, validate

from portal import phone
from portal.models import ConnectionStatus, StatusReason
from portal.permissions import Role
from portal.queries.conversations import PAGE
from portal.services.operators import VisibleUnit
from portal.web.access import current_account
from portal.web.api.fields import NO_OBJECT, TEST, Answer, CamelSchema, Cursor, Instant, PlainText, Query, one_of

LARGEST_PAGE = 100
PROVIDERS = ("evolution",)
PHONE = {
    "format": "phone",
    "description": "In any common way of writing it; without a country code it counts as Brazilian.",
    "example": "+55 11 98888-0001",
}
SENDING_UNIT = {"description": "Id or short name; may be left out by those who see exactly one unit."}
UNIT = {"description": "Only of this unit: its id or its short name.", "example": "centro"}
REASON = one_of(StatusReason, None)
PNG = {"description": "A PNG as `data:` address."}


class ErrorBody(CamelSchema):
    code = fields.String(required=True)
    message = fields.String(required=True)
    details = fields.Dict(keys=fields.String(), values=fields.String())


class ErrorAnswer(CamelSchema):
    error = fields.Nested(ErrorBody, required=True)


class LoginBody(CamelSchema):
    email = PlainText(required=True, metadata={"example": "me@company.com"})
    password = PlainText(required=True, metadata={"format": "password", "example": "a long password"})
    code = PlainText(metadata={"description": "Of whoever has a second factor: from the app, or a recovery code."})


class RefreshBody(CamelSchema):
    refresh_token = PlainText(required=True, metadata={"example": "the refreshToken of the last answer"})


class UserAnswer(Answer):
    id = fields.UUID()
    email = fields.String()
    role = fields.String(metadata=one_of(Role))
    tenant = fields.String(attribute="tenant_slug", allow_none=True)


class TokensAnswer(Answer):
    access_token = fields.String(attribute="tokens.access")
    refresh_token = fields.String(attribute="tokens.refresh")
    expires_in = fields.Integer(attribute="tokens.expires_in_s", metadata={"description": "Seconds."})
    user = fields.Nested(UserAnswer)


class UnitAnswer(Answer):
    id = fields.UUID(attribute="unit.id")
    name = fields.String(attribute="unit.name")
    slug = fields.String(attribute="unit.slug")
    tenant = fields.String(attribute="tenant_slug")
    status = fields.String(attribute="connection.status", metadata=one_of(ConnectionStatus))
    reason = fields.String(attribute="connection.status_reason", allow_none=True, metadata=REASON)
    phone = fields.Function(lambda visible: _shown_phone(visible), metadata={"type": "string", "nullable": True})
    profile_name = fields.String(attribute="connection.profile_name", allow_none=True)
    connected_at = Instant(attribute="connection.connected_at", allow_none=True)
    time_zone = fields.String(attribute="unit.time_zone")


class ConnectBody(CamelSchema):
    provider = PlainText(
        load_default="evolution",
        validate=validate.OneOf(PROVIDERS, error=lazy_gettext("Use evolution.")),
        metadata={"example": "evolution"},
    )
    credentials = fields.Dict(
        error_messages={"null": NO_OBJECT, "invalid": NO_OBJECT},
        metadata={"description": "Evolution needs none.", "example": {}},
    )
    pairing_number = PlainText(
        load_default="",
        metadata={"format": "phone", "description": "The phone's number, for a pairing code beside the QR code."},
    )


class ConnectionState(Answer):
    id = fields.UUID()
    status = fields.String(metadata=one_of(ConnectionStatus))
    reason = fields.String(allow_none=True, metadata=REASON)
    qr_code = fields.String(allow_none=True, metadata=PNG)
    pairing_code = fields.String(allow_none=True)


class ConnectAnswer(Answer):
    success = fields.Boolean(dump_default=True)
    connection = fields.Nested(ConnectionState)
    test = fields.Boolean(metadata=TEST)


class WarningAnswer(Answer):
    code = fields.String(metadata={"description": "silent, unstable, not_checked or webhook_repaired."})
    message = fields.Function(
        lambda warning: f"{warning.title}. {warning.sentence} {warning.step}", metadata={"type": "string"}
    )


class StatusAnswer(Answer):
    id = fields.UUID()
    status = fields.String(metadata=one_of(ConnectionStatus))
    reason = fields.String(allow_none=True, metadata=REASON)
    phone = fields.String(allow_none=True)
    qr_code = fields.String(allow_none=True, metadata=PNG)
    provider = fields.String()
    connected_at = Instant(allow_none=True)
    disconnected_at = Instant(allow_none=True)
    qr_updated_at = Instant(allow_none=True)
    last_update = Instant()
    checked_at = Instant(allow_none=True, metadata={"description": "When Evolution last told the state."})
    last_event_at = Instant(allow_none=True)
    last_receipt_at = Instant(allow_none=True)
    silent_for_seconds = fields.Integer(
        allow_none=True, metadata={"description": "Connected, and unusually long without any event."}
    )
    warnings = fields.List(fields.Nested(WarningAnswer))
    test = fields.Boolean(metadata={"description": "Asked with a test token, which is told the truth."})


class QrCodeAnswer(Answer):
    qr_code = fields.String(allow_none=True, metadata=PNG)
    pairing_code = fields.String(allow_none=True)
    qr_updated_at = Instant(allow_none=True)
    status = fields.String(metadata=one_of(ConnectionStatus))
    reason = fields.String(allow_none=True, metadata=REASON)
    test = fields.Boolean(metadata=TEST)


class DoneAnswer(CamelSchema):
    success = fields.Boolean(required=True)
    test = fields.Boolean(metadata={"description": "True for a test token, which changes nothing; else left out."})


class LimitQuery(Query):
    limit = fields.Integer(
        load_default=PAGE,
        validate=validate.Range(1, LARGEST_PAGE, error=lazy_gettext("Give a number from 1 to 100.")),
        error_messages={"invalid": lazy_gettext("Give a number from 1 to 100.")},
        metadata={"description": "How many at most.", "example": 20},
    )


class PageQuery(LimitQuery):
    cursor = Cursor(load_default=None, metadata={"description": "The `next` of the page before: what is older."})


def _shown_phone(visible: VisibleUnit) -> str | None:
    """An operator runs the unit without learning its number."""
    return shown_phone(visible.connection.phone)


def shown_phone(number: str | None) -> str | None:
    is_operator = current_account().role is Role.SUPER_ADMIN
    return phone.masked(number) if number and is_operator else number
