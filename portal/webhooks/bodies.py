"""What a program is told of a message, as the message stands when it is told; made for many at once."""

import json
from collections.abc import Sequence
from datetime import UTC, datetime
from uuid import UUID

from sqlalchemy import Select, select

from portal.db import among, db
from portal.models import CampaignRecipient, Contact, ContactKind, Conversation, Media, Message
from portal.tenancy import across_tenants
from portal.webhooks.claims import Claimed


def build(deliveries: Sequence[Claimed]) -> dict[UUID, bytes]:
    """Delivery -> its body in JSON; without those whose message was deleted meanwhile."""
    with across_tenants("programs of every tenant are told what happened"):
        rows = db.session.execute(_read_messages({one.message_id for one in deliveries})).all()
    found = {row.Message.id: row for row in rows}
    return {one.id: _body(one, *found[one.message_id]) for one in deliveries if one.message_id in found}


def _read_messages(ids: set[UUID]) -> Select[Message, Contact, Media, UUID]:
    return (
        select(Message, Contact, Media, CampaignRecipient.campaign_id)
        .join(Conversation, Conversation.id == Message.conversation_id)
        .join(Contact, Contact.id == Conversation.contact_id)
        .outerjoin(Media, Media.id == Message.media_id)
        .outerjoin(CampaignRecipient, CampaignRecipient.message_id == Message.id)
        .where(among(Message.id, ids))
        .execution_options(populate_existing=True)
    )


def _body(
    delivery: Claimed, message: Message, contact: Contact, media: Media | None, campaign_id: UUID | None
) -> bytes:
    told = {
        "type": delivery.topic,
        "timestamp": _instant(delivery.happened_at),
        "data": {
            "messageId": str(message.id),
            "unitId": str(message.unit_id),
            "conversationId": str(message.conversation_id),
            "campaignId": str(campaign_id) if campaign_id else None,
            "clientMessageId": message.client_message_id,
            "externalId": message.external_id,
            "direction": message.direction,
            "kind": message.kind,
            "chatKind": contact.kind,
            "phone": contact.phone if contact.kind == ContactKind.PERSON else None,
            "name": contact.name,
            "body": message.body,
            "refersTo": message.refers_to,
            "media": _media(media),
            "status": delivery.status,
            # The reason belongs to how the message stands now, which may not be what is told here any more.
            "errorCode": message.error_code if message.status == delivery.status else None,
            "occurredAt": _instant(message.occurred_at),
            "test": message.is_test,
            "late": message.repair_id is not None,
        },
    }
    return json.dumps(told, ensure_ascii=False, separators=(",", ":")).encode()


def _media(media: Media | None) -> dict[str, object] | None:
    if media is None:
        return None
    return {"fileName": media.file_name, "mimeType": media.mime_type, "size": media.size}


def _instant(at: datetime) -> str:
    return at.astimezone(UTC).isoformat()
