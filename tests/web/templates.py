"""Messages that begin with a template, as tests look at them."""

from portal.db import db
from portal.models import Direction, Media, Message
from portal.tenancy import TenantScope, acting_for


def sent(scope: TenantScope) -> list[tuple[str, str | None]]:
    """Of each message that went out its text and the name of its file."""
    with acting_for(scope):
        carried = (Media.tenant_id == Message.tenant_id) & (Media.id == Message.media_id)
        outbound = scope.select(Message, Message.body, Media.file_name).outerjoin(Media, carried)
        found = db.session.execute(outbound.where(Message.direction == Direction.OUTBOUND).order_by(Message.id))
        return [(body, name) for body, name in found]


def file_id_of(page: str) -> str:
    """Of the template's file that the form would send along."""
    return page.partition('name="template_file" value="')[2].partition('"')[0]
