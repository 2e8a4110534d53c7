"""Messages of ours that did not arrive, and the list of them."""

from datetime import timedelta

from portal.clock import now
from portal.db import atomic, db
from portal.models import Conversation, Direction, Message, MessageStatus
from portal.tenancy import TenantScope, acting_for
from tests.factories import make_message

LIST = "/t/acme/undelivered"
FAILED = {"status": MessageStatus.FAILED, "error_code": "not_on_whatsapp", "failed_at": now()}
IN_DOUBT = {"status": MessageStatus.UNCONFIRMED, "error_code": "timed_out", "sending_at": now()}
SILENT = {"status": MessageStatus.SENT, "sent_at": now() - timedelta(minutes=11)}


def make_ours(scope: TenantScope, conversation: Conversation, **columns: object) -> Message:
    message = make_message(scope, conversation, direction=Direction.OUTBOUND, **columns)  # type: ignore[arg-type]
    with acting_for(scope), atomic():
        this = scope.update(Message).where(Message.id == message.id)
        db.session.execute(this.values(external_id=None).execution_options(synchronize_session=False))
    return message
