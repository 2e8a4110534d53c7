"""What the outbox counts: how each attempt to send ended, and whose failure it was."""

from collections.abc import Callable
from dataclasses import replace

import pytest

from portal.clock import now
from portal.db import atomic, db
from portal.evolution import errors
from portal.evolution.errors import (
    EvolutionError,
    EvolutionFailed,
    EvolutionRejected,
    EvolutionUnavailable,
    EvolutionUnknown,
)
from portal.evolution.types import SentMessage
from portal.models import Contact, Lane, MessageStatus
from portal.outbox import outcomes
from portal.tenancy import acting_for
from tests.outbox.campaigns import Run, feed
from tests.outbox.conftest import Shop
from tests.outbox.sending import claim, claim_one, outcome, record, sent_of

pytestmark = pytest.mark.commits

Take = Callable[[], dict[str, int]]
SENT = SentMessage(external_id="3EB00123456789ABCDEF01", jid="5511999990002@s.whatsapp.net")
# Of another number than was asked for: this one is not written together with others.
OTHER = SentMessage(external_id="3EB00123456789ABCDEF01", jid="551199990002@s.whatsapp.net")
FAILED = EvolutionFailed(errors.TIMED_OUT)


def sends(counted: Take) -> dict[str, int]:
    return {name: number for name, number in counted().items() if name.startswith("sends_")}


@pytest.mark.parametrize(
    ("ended", "expected"),
    [
        (SENT, "sends_ok"),
        (OTHER, "sends_ok"),
        (EvolutionUnavailable(errors.UNIT_AWAY), "sends_retried"),
        (FAILED, "sends_retried"),
        (EvolutionUnknown(errors.UNCLEAR), "sends_unconfirmed"),
        (EvolutionRejected("rejected"), "sends_failed"),
        (EvolutionRejected(errors.NOT_ON_WHATSAPP), "sends_not_possible"),
    ],
    ids=["sent", "to_another_number", "unit_away", "once_more", "in_doubt", "rejected", "not_on_whatsapp"],
)
def test_end_of_a_send_is_counted(
    shop: Shop, counted: Take, ended: SentMessage | EvolutionError, expected: str
) -> None:
    shop.reply()

    record(claim_one(), ended)

    assert sends(counted) == {expected: 1}


def test_server_away_is_counted_as_a_retry(shop: Shop, counted: Take) -> None:
    shop.reply()

    record(claim_one(), EvolutionUnavailable(errors.UNREACHABLE), is_server_away=True)

    assert sends(counted) == {"sends_retried": 1}


def test_third_failure_is_one(shop: Shop, counted: Take) -> None:
    shop.reply()
    for _ in range(outcomes.MOST_ATTEMPTS):
        shop.change(Lane, next_send_at=now(), held_until=None)
        record(claim_one(), FAILED)

    assert sends(counted) == {"sends_retried": 2, "sends_failed": 1}


def test_what_was_settled_meanwhile_is_not_counted_again(shop: Shop, counted: Take) -> None:
    message_id = shop.reply()
    claimed = claim_one()
    shop.change_message(message_id, status=MessageStatus.DELIVERED)

    record(claimed, EvolutionUnknown(errors.UNCLEAR))

    assert sends(counted) == {}


def test_test_messages_are_not_counted(shop: Shop, counted: Take) -> None:
    message_id = shop.reply()
    shop.change_message(message_id, is_test=True)
    claimed = replace(claim_one(), is_test=True)

    record(claimed, sent_of(claimed))

    assert sends(counted) == {}


def test_outcomes_that_are_not_recorded_are_not_counted(
    shop: Shop, counted: Take, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fail(*_: object) -> None:
        raise RuntimeError("the database hiccups")

    shop.reply()
    claimed = claim_one()
    monkeypatch.setattr(outcomes, "_release", fail)

    with pytest.raises(RuntimeError):
        outcomes.record([outcome(claimed, SENT)])

    assert sends(counted) == {}


def test_whoever_opted_out_before_their_turn_is_not_a_failure(shop: Shop, counted: Take) -> None:
    run = Run(shop, people=1).start()
    feed()
    with acting_for(shop.scope), atomic():
        person = shop.scope.update(Contact).where(Contact.id == run.contact_ids[0])
        db.session.execute(person.values(opted_out_at=now()))

    assert claim() == []

    assert sends(counted) == {"sends_not_possible": 1}
