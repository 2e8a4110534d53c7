"""Who answers a campaign: what people write after its message reached them, once, whatever comes late."""

from collections.abc import Callable
from datetime import datetime, timedelta
from typing import Any

import pytest

from portal.clock import now
from portal.db import atomic, db
from portal.models import CampaignRecipient, Contact, Message, MessageStatus, Unit
from portal.services import conversations
from portal.tenancy import TenantScope, acting_for
from tests.inbox.conftest import Evolution
from tests.inbox.payloads import MARIA, message
from tests.outbox.runs import Run

Rows = Callable[..., list[Any]]
# As WhatsApp counts, without parts of a second.
HANDED_AT = now().replace(microsecond=0) - timedelta(minutes=10)


@pytest.fixture
def run(scope: TenantScope, unit: Unit) -> Run:
    """A campaign to Maria."""
    run = Run(scope, unit, 1, prefix="55119999")
    with acting_for(scope), atomic():
        maria_id = conversations.find_or_add_contact(scope, phone=MARIA.split("@")[0])
    run.contact_ids = [maria_id]
    run.change_recipient(1, contact_id=maria_id)
    run.start()
    return run


def writes(at: datetime, *, id_: str = "3A1", **more: Any) -> tuple[str, dict[str, Any]]:
    return "messages.upsert", message(id_, "Quero!", messageTimestamp=int(at.timestamp()), **more)


def replied_at(rows: Rows) -> datetime | None:
    found: datetime | None = rows(CampaignRecipient)[0].replied_at
    return found


def test_first_answer_is_noted(run: Run, evolution: Evolution, rows: Rows) -> None:
    run.hand([MessageStatus.DELIVERED], at=HANDED_AT + timedelta(milliseconds=900))

    # In the same second, by WhatsApp's clock.
    evolution.tell(writes(HANDED_AT))
    evolution.tell(writes(HANDED_AT + timedelta(minutes=1), id_="3A2"))
    evolution.replay()

    assert replied_at(rows) == HANDED_AT


@pytest.mark.parametrize(
    ("after", "is_reply"),
    [
        (-timedelta(seconds=1), False),
        (timedelta(days=7), True),
        (timedelta(days=7, seconds=1), False),
    ],
    ids=["before it", "a week later", "longer after it"],
)
def test_what_is_written_within_a_week_is_an_answer(
    run: Run, evolution: Evolution, rows: Rows, after: timedelta, is_reply: bool
) -> None:
    handed_at = now().replace(microsecond=0) - timedelta(days=8)
    run.hand([MessageStatus.DELIVERED], at=handed_at)

    evolution.tell(writes(handed_at + after))

    assert (replied_at(rows) is not None) == is_reply


@pytest.mark.parametrize("status", [MessageStatus.FAILED, MessageStatus.QUEUED, MessageStatus.CANCELLED])
def test_nobody_answers_what_never_left(run: Run, evolution: Evolution, rows: Rows, status: MessageStatus) -> None:
    run.hand([status], at=HANDED_AT)

    evolution.tell(writes(now()))

    assert replied_at(rows) is None


@pytest.mark.parametrize("status", [MessageStatus.SENDING, MessageStatus.UNCONFIRMED])
def test_an_answer_may_be_faster_than_what_is_known_of_the_send(
    run: Run, evolution: Evolution, rows: Rows, status: MessageStatus
) -> None:
    run.hand([status], at=HANDED_AT)

    evolution.tell(writes(now()))

    assert replied_at(rows) is not None


def test_nobody_answers_a_test(scope: TenantScope, run: Run, evolution: Evolution, rows: Rows) -> None:
    (message_id,) = run.hand([MessageStatus.DELIVERED], at=HANDED_AT)
    with acting_for(scope), atomic():
        db.session.execute(scope.update(Message).where(Message.id == message_id).values(is_test=True))

    evolution.tell(writes(now()))

    assert replied_at(rows) is None


def test_reaction_is_no_answer(run: Run, evolution: Evolution, rows: Rows) -> None:
    run.hand([MessageStatus.DELIVERED], at=HANDED_AT)
    reaction = {"reactionMessage": {"key": {"id": "3EB0", "fromMe": True, "remoteJid": MARIA}, "text": "👍"}}

    evolution.tell(writes(now(), message=reaction, messageType="reactionMessage"))

    assert replied_at(rows) is None


def test_what_the_owner_writes_on_the_phone_is_no_answer(run: Run, evolution: Evolution, rows: Rows) -> None:
    run.hand([MessageStatus.DELIVERED], at=HANDED_AT)

    evolution.tell(writes(now(), from_me=True))

    assert replied_at(rows) is None


def test_only_the_one_who_writes_has_answered(scope: TenantScope, unit: Unit, evolution: Evolution, rows: Rows) -> None:
    run = Run(scope, unit, 2)
    run.start()
    run.hand([MessageStatus.DELIVERED] * 2, at=HANDED_AT)

    evolution.tell(writes(now(), chat="5511988800001@s.whatsapp.net"))

    assert [one.replied_at is not None for one in run.recipients()] == [False, True]


def test_whoever_writes_is_on_whatsapp_after_all(run: Run, evolution: Evolution, rows: Rows) -> None:
    with acting_for(run.scope), atomic():
        db.session.execute(run.scope.update(Contact).values(is_on_whatsapp=False))

    evolution.tell(writes(now()))

    assert [one.is_on_whatsapp for one in rows(Contact) if one.id == run.contact_ids[0]] == [True]
