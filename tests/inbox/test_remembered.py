"""Somebody who was erased: what is old stays away, and when they write again, they stay opted out if they were."""

from collections.abc import Callable
from typing import Any

import pytest

from portal.clock import now
from portal.db import atomic
from portal.models import ConsentEvent, ConsentSource, Contact, Message, SuppressionReason
from portal.services import conversations, suppression
from portal.tenancy import TenantScope, acting_for
from tests.factories import make_tenant
from tests.inbox.conftest import Evolution
from tests.inbox.payloads import MARIA, MARIA_LID, SENT_AT, message

Rows = Callable[..., list[Any]]
PHONE = MARIA.split("@")[0]

pytestmark = pytest.mark.usefixtures("unit")


def suppress(scope: TenantScope, address: str, reason: SuppressionReason = SuppressionReason.OPTED_OUT) -> None:
    with acting_for(scope), atomic():
        suppression.add(scope, [address], reason)


@pytest.mark.parametrize(
    ("address", "chat"), [(PHONE, MARIA), (MARIA_LID, MARIA_LID)], ids=["by their number", "by their LID"]
)
def test_whoever_opted_out_before_they_were_erased_is_opted_out(
    scope: TenantScope, evolution: Evolution, rows: Rows, address: str, chat: str
) -> None:
    suppress(scope, address)

    evolution.tell(("messages.upsert", message("3A01", "oi", chat=chat)))

    assert [contact.opted_out_at is not None for contact in rows(Contact)] == [True]
    assert [event.source for event in rows(ConsentEvent)] == [ConsentSource.REMEMBERED]


def test_whoever_was_erased_without_opting_out_is_a_contact_like_any_other(
    scope: TenantScope, evolution: Evolution, rows: Rows
) -> None:
    suppress(scope, PHONE, SuppressionReason.ERASED)

    evolution.tell(("messages.upsert", message("3A01", "oi", chat=MARIA)))

    assert [(contact.phone, contact.opted_out_at) for contact in rows(Contact)] == [(PHONE, None)]


def test_what_another_company_remembers_counts_for_nobody_else(evolution: Evolution, rows: Rows) -> None:
    suppress(make_tenant("rival"), PHONE)

    evolution.tell(("messages.upsert", message("3A01", "oi", chat=MARIA)))

    assert [contact.opted_out_at for contact in rows(Contact)] == [None]


def test_second_message_remembers_nothing_twice(scope: TenantScope, evolution: Evolution, rows: Rows) -> None:
    suppress(scope, PHONE)

    for id_ in ("3A01", "3A02"):
        evolution.tell(("messages.upsert", message(id_, "oi", chat=MARIA)))

    assert len(rows(ConsentEvent)) == 1


def test_number_that_staff_writes_to_is_opted_out_too(scope: TenantScope, rows: Rows) -> None:
    suppress(scope, PHONE)

    with acting_for(scope), atomic():
        conversations.find_or_add_contact(scope, phone=PHONE)

    assert [contact.opted_out_at is not None for contact in rows(Contact)] == [True]


@pytest.mark.parametrize(
    ("address", "chat"), [(PHONE, MARIA), (MARIA_LID, MARIA_LID)], ids=["by their number", "by their LID"]
)
def test_history_of_a_phone_brings_back_nothing_that_was_erased(
    scope: TenantScope, evolution: Evolution, rows: Rows, address: str, chat: str
) -> None:
    suppress(scope, address, SuppressionReason.ERASED)

    evolution.tell(("messages.set", [message("3A01", "segredo", chat=chat)]))

    assert (rows(Contact), rows(Message)) == ([], [])


def test_history_of_everybody_else_comes(scope: TenantScope, evolution: Evolution, rows: Rows) -> None:
    suppress(scope, PHONE, SuppressionReason.ERASED)

    evolution.tell(("messages.set", [message("3A01", "oi", chat="5511999990003@s.whatsapp.net")]))

    assert [told.body for told in rows(Message)] == ["oi"]


def test_what_is_delivered_now_comes_though_its_clock_is_behind(
    scope: TenantScope, evolution: Evolution, rows: Rows
) -> None:
    suppress(scope, PHONE, SuppressionReason.ERASED)

    evolution.tell(("messages.upsert", message("3A01", "oi", chat=MARIA, messageTimestamp=SENT_AT)))

    assert [told.body for told in rows(Message)] == ["oi"]


def test_history_of_what_was_written_after_the_erasure_comes(
    scope: TenantScope, evolution: Evolution, rows: Rows
) -> None:
    suppress(scope, PHONE, SuppressionReason.ERASED)
    tomorrow = int(now().timestamp()) + 86_400

    evolution.tell(("messages.set", [message("3A01", "oi", chat=MARIA, messageTimestamp=tomorrow)]))

    assert [told.body for told in rows(Message)] == ["oi"]
