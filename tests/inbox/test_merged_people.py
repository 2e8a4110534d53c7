"""Who a message is from when a person made one contact of two, and what WhatsApp's own merges keep."""

from collections.abc import Callable
from datetime import timedelta
from typing import Any
from uuid import UUID, uuid4

import pytest

from portal.clock import now
from portal.db import atomic, db
from portal.models import (
    ConsentEvent,
    ConsentKind,
    ConsentSource,
    Contact,
    ContactMerge,
    ContactTag,
    Conversation,
    Erasure,
    Message,
    Tag,
    Unit,
)
from portal.services import consent
from portal.services.merging import merge_contacts
from portal.services.parting import undo_merge
from portal.tenancy import TenantScope, acting_for
from tests.factories import make_conversation
from tests.inbox.conftest import Evolution
from tests.inbox.payloads import MARIA, MARIA_LID, message

Rows = Callable[..., list[Any]]
OLD, NEW = MARIA.split("@")[0], "5511977770001"
LID = MARIA_LID.split("@")[0]
NEW_CHAT = f"{NEW}@s.whatsapp.net"
MERGED_AT = now() - timedelta(hours=1)
LATER = int(MERGED_AT.timestamp()) + 60


@pytest.fixture
def maria(scope: TenantScope, unit: Unit) -> UUID:
    """Maria, whose second number was merged into her first, an hour ago."""
    kept, other = make_conversation(scope, unit, phone=OLD), make_conversation(scope, unit, phone=NEW, name="Maria 2")
    with acting_for(scope), atomic():
        merge = merge_contacts(scope, kept.contact_id, other.contact_id)
        for row in (scope.get(Contact, kept.contact_id), scope.get(Contact, other.contact_id)):
            row.number_at = MERGED_AT if row.number_at else None
            row.edited_at = MERGED_AT
        merge.created_at = MERGED_AT
    return kept.contact_id


@pytest.fixture
def contact(rows: Rows) -> Callable[[str], Contact]:
    """Finds the row of a number."""
    return lambda number: next(one for one in rows(Contact) if one.phone == number)


@pytest.mark.usefixtures("maria")
@pytest.mark.parametrize("chat", [MARIA, NEW_CHAT], ids=["kept", "merged"])
def test_message_from_either_number_is_the_kept_persons(evolution: Evolution, rows: Rows, chat: str) -> None:
    evolution.tell(("messages.upsert", message("3A01", "Oi", chat=chat)))

    assert [(one.last_message_preview, one.unread) for one in rows(Conversation)] == [("Oi", 1)]
    assert len(rows(Contact)) == 2


def test_message_by_the_merged_ones_lid_is_the_kept_persons(
    scope: TenantScope, unit: Unit, evolution: Evolution, rows: Rows
) -> None:
    kept = make_conversation(scope, unit, phone=OLD)
    with acting_for(scope), atomic():
        other = scope.add(Contact(id=uuid4(), lid=LID)).id
    with acting_for(scope):
        merge_contacts(scope, kept.contact_id, other)

    evolution.tell(("messages.upsert", message("3A01", "Oi", chat=MARIA_LID)))

    assert [one.last_message_preview for one in rows(Conversation)] == ["Oi"]


@pytest.mark.parametrize(
    ("told", "number"),
    [
        ({"chat": NEW_CHAT, "messageTimestamp": LATER}, NEW),
        ({"chat": NEW_CHAT, "messageTimestamp": LATER - 120}, None),
        ({"chat": NEW_CHAT, "messageTimestamp": LATER, "from_me": True}, None),
    ],
    ids=["theirs", "from_before_the_merge", "ours"],
)
@pytest.mark.usefixtures("maria")
def test_number_that_they_wrote_from_last_is_the_one_to_write_to(
    evolution: Evolution, contact: Any, told: dict[str, Any], number: str | None
) -> None:
    evolution.tell(("messages.upsert", message("3A01", "Oi", **told)))

    assert contact(OLD).whatsapp_number == number


@pytest.mark.usefixtures("maria")
@pytest.mark.parametrize("is_batch", [True, False], ids=["together", "one_by_one"])
@pytest.mark.parametrize("is_turned", [True, False], ids=["newest_first", "newest_last"])
def test_newest_message_decides_about_the_number_whatever_comes_first(
    evolution: Evolution, contact: Any, is_batch: bool, is_turned: bool
) -> None:
    news = [
        ("messages.upsert", message("3A01", "um", chat=NEW_CHAT, messageTimestamp=LATER)),
        ("messages.upsert", message("3A02", "dois", chat=MARIA, messageTimestamp=LATER + 9)),
    ]
    ordered = news[::-1] if is_turned else news

    for together in [ordered] if is_batch else [[one] for one in ordered]:
        evolution.tell(*together)

    assert contact(OLD).whatsapp_number == OLD


def test_number_of_the_merged_one_is_no_ones_to_write_to_once_they_are_parted(
    scope: TenantScope, maria: UUID, evolution: Evolution, rows: Rows, contact: Any
) -> None:
    evolution.tell(("messages.upsert", message("3A01", "Oi", chat=NEW_CHAT, messageTimestamp=LATER)))

    with acting_for(scope):
        undo_merge(scope, rows(ContactMerge)[0].id)

    assert (contact(OLD).whatsapp_number, contact(NEW).whatsapp_number) == (None, NEW)
    assert (contact(OLD).number_at, contact(OLD).merged_into_id) == (None, None)


@pytest.mark.usefixtures("maria")
def test_lid_of_the_merged_ones_number_is_noted_with_that_number(evolution: Evolution, contact: Any) -> None:
    evolution.tell(("messages.upsert", message("3A01", chat=MARIA_LID, alt=NEW_CHAT)))

    assert (contact(OLD).lid, contact(NEW).lid) == (None, LID)


def test_lid_that_the_kept_one_bears_stays_there(
    scope: TenantScope, maria: UUID, evolution: Evolution, contact: Any, rows: Rows
) -> None:
    with acting_for(scope), atomic():
        scope.get(Contact, maria).lid = LID

    evolution.tell(("messages.upsert", message("3A01", chat=MARIA_LID, alt=NEW_CHAT)))

    assert (contact(OLD).lid, contact(NEW).lid) == (LID, None)
    assert len(rows(Message)) == 1


@pytest.mark.usefixtures("maria")
def test_somebody_known_by_the_lid_only_becomes_the_kept_person_too(
    scope: TenantScope, unit: Unit, evolution: Evolution, rows: Rows, contact: Any
) -> None:
    evolution.tell(("messages.upsert", message("3A01", "um", chat=MARIA_LID)))
    assert len(rows(Contact)) == 3

    evolution.tell(("messages.upsert", message("3A02", "dois", chat=MARIA_LID, alt=NEW_CHAT)))

    assert (len(rows(Contact)), len(rows(Conversation))) == (2, 1)
    assert contact(NEW).lid == LID
    evolution.tell(("messages.upsert", message("3A03", "três", chat=MARIA_LID)))
    assert {one.conversation_id for one in rows(Message)} == {rows(Conversation)[0].id}


@pytest.mark.usefixtures("unit")
def test_number_of_somebody_who_was_never_merged_is_noted_without_a_time(evolution: Evolution, contact: Any) -> None:
    evolution.tell(("messages.upsert", message("3A01", chat=MARIA)))

    assert (contact(OLD).whatsapp_number, contact(OLD).number_at) == (OLD, None)


@pytest.fixture
def anonymous(scope: TenantScope, unit: Unit) -> UUID:
    """Known by a LID only, with all that may hang on a contact."""
    with acting_for(scope), atomic():
        found = scope.add(Contact(id=uuid4(), lid=LID, attributes={"plano": "Ouro", "Cidade": "Recife"}))
        tag, part = scope.add(Tag(name="vip")), scope.add(Contact(id=uuid4(), lid="77"))
        db.session.flush()
        scope.add(ContactTag(contact_id=found.id, tag_id=tag.id))
        wish = {"kind": ConsentKind.OPTED_OUT, "source": ConsentSource.STAFF, "happened_at": now()}
        scope.add(ConsentEvent(contact_id=found.id, **wish))
        scope.add(Erasure(contact_id=found.id))
        part.merged_into_id = found.id
        scope.add(ContactMerge(kept_id=found.id, other_id=part.id, before={}))
        db.session.flush()
        consent.recompute(scope, found.id)
    return found.id


def test_what_hangs_on_a_contact_survives_when_whatsapp_shows_that_two_are_one(
    scope: TenantScope, unit: Unit, anonymous: UUID, evolution: Evolution, rows: Rows, contact: Any
) -> None:
    known = make_conversation(scope, unit, phone=OLD).contact_id
    with acting_for(scope), atomic():
        scope.get(Contact, known).attributes = {"cidade": "Santos"}

    evolution.tell(("messages.upsert", message("3A01", chat=MARIA_LID, alt=MARIA)))

    kept = contact(OLD)
    assert (kept.id, kept.lid, kept.attributes) == (known, LID, {"cidade": "Santos", "plano": "Ouro"})
    assert kept.opted_out_at is not None
    for model in (ContactTag, ConsentEvent, Erasure):
        assert [row.contact_id for row in rows(model)] == [known]
    assert [row.kept_id for row in rows(ContactMerge)] == [known]
    assert [row.merged_into_id for row in rows(Contact) if row.lid == "77"] == [known]


def test_open_doubt_survives_when_two_conversations_become_one(
    scope: TenantScope, unit: Unit, evolution: Evolution, rows: Rows
) -> None:
    evolution.tell(("messages.upsert", message("3A01", chat=MARIA_LID)))
    make_conversation(scope, unit, phone=OLD)
    told = rows(Message)[0]
    with acting_for(scope), atomic():
        doubtful = scope.get(Conversation, told.conversation_id)
        doubtful.doubted_at, doubtful.doubted_message_id = now() - timedelta(hours=1), told.id

    evolution.tell(("messages.upsert", message("3A02", chat=MARIA_LID, alt=MARIA)))

    assert [one.doubted_message_id for one in rows(Conversation)] == [told.id]
