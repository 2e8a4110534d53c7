"""Outcomes end in the same rows, whether they are recorded together, one by one, or the slow way."""

from collections import defaultdict
from collections.abc import Callable
from dataclasses import replace
from itertools import chain

import pytest

from portal.clock import now
from portal.db import atomic
from portal.evolution import errors
from portal.evolution.errors import EvolutionFailed, EvolutionRejected, EvolutionUnavailable, EvolutionUnknown
from portal.models import Connection, Contact, Direction, Lane, Message, MessageSource, MessageStatus
from portal.outbox import outcomes, owners
from portal.outbox.lanes import ClaimedMessage
from portal.outbox.outcomes import Outcome
from portal.services import delivery
from portal.tenancy import TenantScope, acting_for
from tests.factories import make_message, make_tenant
from tests.outbox.conftest import Shop, rows_of
from tests.outbox.sending import claim, outcome, sent_of

pytestmark = pytest.mark.commits

AWAY = EvolutionUnavailable(errors.UNIT_AWAY, "Connection Closed")
DOWN = EvolutionUnavailable(errors.UNREACHABLE)
UNCLEAR = EvolutionUnknown(errors.UNCLEAR)

ENDS: dict[str, Callable[[ClaimedMessage], Outcome]] = {
    "sent": lambda m: outcome(m, sent_of(m)),
    "sent_to_another_form": lambda m: outcome(m, replace(sent_of(m), jid=f"{m.number[:-1]}@s.whatsapp.net")),
    "sent_to_a_lid": lambda m: outcome(m, replace(sent_of(m), jid="123456789012345@lid")),
    "server_away": lambda m: outcome(m, DOWN, is_server_away=True),
    "key_refused": lambda m: outcome(m, EvolutionUnavailable(errors.KEY_REFUSED), is_server_away=True),
    "unit_away": lambda m: outcome(m, AWAY),
    "failed": lambda m: outcome(m, EvolutionFailed(errors.TIMED_OUT, "Timed Out")),
    "refused": lambda m: outcome(m, EvolutionRejected(errors.NOT_ON_WHATSAPP)),
    "not_known": lambda m: outcome(m, UNCLEAR),
    "limited": lambda m: outcome(m, EvolutionUnknown(errors.UNCLEAR, "rate-overlimit")),
}


def _echoed(shop: Shop, message: ClaimedMessage) -> None:
    shop.change_message(message.id, status=MessageStatus.SENT, sent_at=now(), external_id=sent_of(message).external_id)


def _echoed_elsewhere(shop: Shop, message: ClaimedMessage) -> None:
    make_message(
        shop.scope,
        shop.conversation,
        direction=Direction.OUTBOUND,
        status=MessageStatus.DELIVERED,
        external_id=sent_of(message).external_id,
        source=MessageSource.PHONE,
        delivered_at=now(),
    )


def _early(receipt: str) -> Callable[[Shop, ClaimedMessage], None]:
    def tell(shop: Shop, message: ClaimedMessage) -> None:
        with acting_for(shop.scope), atomic():
            heard = delivery.Receipt((shop.unit.id, sent_of(message).external_id), receipt, now())
            delivery.apply_receipts(shop.scope, [heard])

    return tell


def _buried(shop: Shop, message: ClaimedMessage) -> None:
    shop.change_message(message.id, status=MessageStatus.UNCONFIRMED, error_code=owners.LOST, relay_id=None)
    shop.change(Lane, message_id=None)


MEANWHILE: dict[str, Callable[[Shop, ClaimedMessage], None]] = {
    "nothing": lambda _shop, _message: None,
    "echo": _echoed,
    "echo_elsewhere": _echoed_elsewhere,
    "delivered": _early("DELIVERY_ACK"),
    "failed": _early("ERROR"),
    "buried": _buried,
    "limited": lambda shop, _message: shop.change(Lane, cold_gap_s=150.0),
    "more_waits": lambda shop, _message: [shop.reply("mais"), shop.change(Lane, away_count=3)][0],
}
CASES = [(end, before) for end in ENDS for before in MEANWHILE]


def stand(shops: list[Shop]) -> dict[tuple[str, str], tuple[object, ...]]:
    """How the rows of each unit stand, but for ids and exact times."""
    messages, lanes, connections, contacts = (rows_of(model) for model in (Message, Lane, Connection, Contact))
    lane_of, connection_of = ({row.unit_id: row for row in rows} for rows in (lanes, connections))
    contact_of, messages_of = {contact.id: contact for contact in contacts}, defaultdict(list)
    for message in messages:
        messages_of[message.unit_id].append(_stands(message))
    return {
        case: (
            messages_of[shop.unit.id],
            _rests(lane_of[shop.unit.id]),
            connection_of[shop.unit.id].action,
            contact_of[shop.conversation.contact_id].whatsapp_number or shop.phone,
        )
        for case, shop in zip(CASES, shops, strict=True)
    }


def _stands(message: Message) -> tuple[object, ...]:
    times = ("sending_at", "sent_at", "accepted_at", "delivered_at", "failed_at", "last_retry_at", "look_up_at")
    known = (message.external_id is None, message.relay_id is None, *(getattr(message, time) is None for time in times))
    return message.body, message.status, message.error_code, message.error_details, message.retry_count, known


def _rests(lane: Lane) -> tuple[object, ...]:
    until = (lane.held_until is None, lane.next_cold_at is None)
    looked_at = (lane.next_send_at == lane.held_until, lane.next_send_at == lane.next_cold_at)
    away = (lane.away_count, lane.away_reason)
    return lane.message_id, lane.has_work, away, lane.cold_reason, lane.cold_gap_s, until, looked_at


def open_shops(scope: TenantScope) -> list[Shop]:
    return [
        Shop(scope, f"{before}-{end}".replace("_", "-"), phone=f"551199{number:07d}")
        for number, (end, before) in enumerate(CASES)
    ]


def outcomes_of(worlds: list[list[Shop]]) -> list[list[Outcome]]:
    """Each unit's message is sent, something happens meanwhile, and the send ends in its own way."""
    for shop in chain(*worlds):
        shop.reply()
    claimed = {message.unit_id: message for message in claim(limit=len(worlds) * len(CASES))}
    for shops in worlds:
        for shop, (_end, before) in zip(shops, CASES, strict=True):
            MEANWHILE[before](shop, claimed[shop.unit.id])
    return [
        [ENDS[end](claimed[shop.unit.id]) for shop, (end, _before) in zip(shops, CASES, strict=True)]
        for shops in worlds
    ]


def test_outcomes_end_the_same_together_one_by_one_and_the_slow_way(
    scope: TenantScope, monkeypatch: pytest.MonkeyPatch
) -> None:
    worlds = [open_shops(tenant) for tenant in (scope, make_tenant("rival"), make_tenant("third"))]
    together, alone, slow = outcomes_of(worlds)

    left = outcomes.record(together) + [left for each in alone for left in outcomes.record([each])]
    monkeypatch.setattr(outcomes, "_record_together", lambda _outcomes: {})
    left += outcomes.record(slow)

    stood = [stand(shops) for shops in worlds]
    assert left == []
    assert stood[1] == stood[0]
    assert stood[2] == stood[0]
