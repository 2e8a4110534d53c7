"""A campaign's message, sent to whoever writes it before it is sent to all."""

from uuid import UUID

from flask_babel import gettext as _

from portal.errors import Invalid
from portal.queries import campaign_checks, campaigns, media
from portal.services import conversations
from portal.services.conversations import Queued
from portal.services.media import Upload
from portal.tenancy import TenantScope


def send_test(
    scope: TenantScope, campaign_id: UUID, *, number: int, phone: str, client_message_id: str | None = None
) -> Queued:
    """Send to that telephone what the recipient gets who is shown as `number`, from 1.

    It really arrives, unless the campaign reaches nobody either. Raises Invalid for `phone`, also when nobody gets the
    campaign's message; Conflict when the unit was never connected; and NotFound.
    """
    campaign = campaigns.get_campaign(scope, campaign_id)
    shown = campaign_checks.find_shown(scope, campaign_id, number)
    if shown is None:
        raise Invalid({"phone": _("Nobody gets this message yet, so there is nothing to try. Choose people first.")})
    file = campaign_checks.find_file(scope, campaign)
    return conversations.send_to_phone(
        scope,
        campaign.unit_id,
        phone=phone,
        text=shown.recipient.body or "",
        upload=Upload(file.file_name, media.read_content(scope, file)) if file else None,
        client_message_id=client_message_id,
        is_test=campaign.is_test,
    )
