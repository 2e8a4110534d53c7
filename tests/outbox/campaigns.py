"""A unit with a campaign, and its turns one call at a time."""

from datetime import timedelta
from uuid import UUID

from portal.clock import now
from portal.db import atomic, db
from portal.models import Lane, Message, MessageStatus, RecipientState, Unit
from portal.outbox import feeding, servers
from portal.services import campaign_states
from portal.tenancy import acting_for
from tests.outbox import runs
from tests.outbox.conftest import Shop, rows_of
from tests.outbox.sending import claim_one, record, sent_of


class Run(runs.Run):
    """A campaign at a shop, with what a person decides about it; each area has people of its own."""

    def __init__(self, shop: Shop, people: int = 3, *, area: int = 11, **columns: object) -> None:
        super().__init__(shop.scope, shop.unit, people, prefix=f"55{area}9888", **columns)
        self.shop = shop

    def pause(self) -> None:
        with acting_for(self.scope):
            campaign_states.pause(self.scope, self.campaign_id)

    def resume(self) -> None:
        with acting_for(self.scope):
            campaign_states.resume(self.scope, self.campaign_id)

    def cancel(self) -> None:
        with acting_for(self.scope):
            campaign_states.cancel(self.scope, self.campaign_id)

    def retry_failed(self) -> int:
        with acting_for(self.scope):
            return campaign_states.retry_failed(self.scope, self.campaign_id)

    def states(self) -> list[RecipientState]:
        return [one.state for one in self.recipients()]

    def have_turn(self) -> UUID:
        """Let the next recipient have their turn and their message leave; its id."""
        let_pass(self.shop)
        assert feed() == 1
        claimed = claim_one()
        record(claimed, sent_of(claimed))
        return claimed.id


def feed() -> int:
    return feeding.feed([server.id for server in servers.list_servers()])


def let_pass(shop: Shop) -> None:
    """The gap after the last campaign message is over."""
    shop.change(Lane, campaign_at=now() - timedelta(seconds=1))


def set_pace(shop: Shop, **columns: object) -> None:
    with acting_for(shop.scope), atomic():
        db.session.execute(shop.scope.update(Unit).where(Unit.id == shop.unit.id).values(columns))


def queued() -> list[Message]:
    return [message for message in rows_of(Message) if message.status == MessageStatus.QUEUED]
