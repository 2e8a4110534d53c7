"""Two contacts that a person made one, and parted again."""

from typing import Any
from uuid import uuid4

import pytest

from portal.clock import now
from portal.db import atomic, db
from portal.errors import Conflict, NotFound
from portal.models import (
    AuditEvent,
    ConsentEvent,
    Contact,
    ContactTag,
    Conversation,
    ConversationAlias,
    Erasure,
    MergedMessage,
    Message,
    Tag,
    Unit,
)
from portal.queries.conversations import find_current
from portal.services import consent, conversations
from portal.tenancy import TenantScope, acting_for
from tests.architecture.walk import everything
from tests.factories import make_conversation, make_message, make_tenant
from tests.services.merging.conftest import ANA, MARIA, merge, undo

# What stays of a merge that was undone: that it was, and who did it.
TRACES = {"contact_merges", "audit_events"}


def test_whoever_is_looked_for_as_either_is_found_as_one(acme: TenantScope, both: Any, person: Any) -> None:
    merge(acme, *both)

    assert person(both[1]).id == both[0]
    with acting_for(acme), atomic():
        assert conversations.find_or_add_contact(acme, phone=MARIA) == both[0]


def test_kept_name_and_attributes_win_and_those_of_the_other_are_added(
    acme: TenantScope, both: Any, person: Any
) -> None:
    merge(acme, *both)

    kept = person(both[0])
    assert (kept.name, kept.attributes) == ("Ana", {"cidade": "Santos", "plano": "Ouro"})


def test_name_of_the_other_is_taken_where_the_kept_one_has_none(acme: TenantScope, both: Any, person: Any) -> None:
    with acting_for(acme), atomic():
        acme.get(Contact, both[0]).name = None

    merge(acme, *both)

    assert person(both[0]).name == "Ana Maria"


def test_tags_of_both_are_borne(acme: TenantScope, both: Any, rows: Any) -> None:
    merge(acme, *both)

    names = {tag.id: tag.name for tag in rows(Tag)}
    borne = sorted(names[one.tag_id] for one in rows(ContactTag) if one.contact_id == both[0])
    assert borne == ["praia", "vip"]


def test_newest_evidence_of_both_decides_about_consent(acme: TenantScope, both: Any, rows: Any, person: Any) -> None:
    merge(acme, *both)

    assert person(both[0]).opted_out_at is not None
    assert {event.contact_id for event in rows(ConsentEvent)} == {both[0]}


def test_conversations_at_one_unit_become_one_and_others_come_over_whole(
    acme: TenantScope, both: Any, rows: Any
) -> None:
    merge(acme, *both)

    assert [(one.contact_id, one.unread) for one in rows(Conversation)] == [(both[0], 3), (both[0], 1)]
    assert sorted(message.body for message in rows(Message)) == ["dois", "eco", "eco", "quatro", "três", "um"]
    assert len({message.conversation_id for message in rows(Message)}) == 2


def test_whoever_has_a_joined_conversation_open_is_led_to_the_one_that_stays(
    acme: TenantScope, both: Any, rows: Any
) -> None:
    gone = next(one.id for one in rows(Conversation) if one.contact_id == both[1] and one.unread == 1)

    merge(acme, *both)

    with acting_for(acme):
        assert find_current(acme, gone).contact_id == both[0]


def test_merge_that_is_undone_leaves_every_row_as_it_was(acme: TenantScope, both: Any) -> None:
    before = everything()

    undo(acme, merge(acme, *both).id)

    after = everything()
    assert {table: after[table] for table in after.keys() - TRACES if after[table] != before[table]} == {}


def test_merge_of_merged_ones_that_is_undone_leaves_every_row_as_it_was(
    acme: TenantScope, unit: Unit, both: Any
) -> None:
    third = make_conversation(acme, unit, phone="5511966660001", name="A. Maria")
    make_message(acme, third, body="cinco")
    merge(acme, *both)
    before = everything()

    undo(acme, merge(acme, third.contact_id, both[0]).id)

    after = everything()
    assert {table: after[table] for table in after.keys() - TRACES if after[table] != before[table]} == {}


def test_one_that_was_merged_before_leads_to_the_last_one(
    acme: TenantScope, unit: Unit, both: Any, person: Any
) -> None:
    third = make_conversation(acme, unit, phone="5511966660001", name="A. Maria")
    merge(acme, *both)

    merge(acme, third.contact_id, both[0])

    assert [person(one).id for one in both] == [third.contact_id] * 2


def test_messages_that_came_since_stay_with_the_kept_one(acme: TenantScope, both: Any, rows: Any) -> None:
    done = merge(acme, *both)
    for conversation in rows(Conversation):
        make_message(acme, conversation, body="depois")

    undo(acme, done.id)

    owner = {one.id: one.contact_id for one in rows(Conversation)}
    since = [owner[message.conversation_id] for message in rows(Message) if message.body == "depois"]
    assert since == [both[0], both[0]]
    assert sorted(one.unread for one in rows(Conversation) if one.contact_id == both[1]) == [1, 1]
    assert sorted(one.unread for one in rows(Conversation) if one.contact_id == both[0]) == [1, 3]
    previews = {one.last_message_preview for one in rows(Conversation) if one.contact_id == both[1]}
    assert previews == {"eco", "quatro"}


def test_what_was_changed_since_stays_changed(acme: TenantScope, both: Any, person: Any) -> None:
    done = merge(acme, *both)
    with acting_for(acme), atomic():
        kept = acme.get(Contact, both[0])
        kept.name, kept.attributes = "Ana M.", {**kept.attributes, "plano": "Prata"}

    undo(acme, done.id)

    kept = person(both[0])
    assert (kept.name, kept.attributes) == ("Ana M.", {"cidade": "Santos", "plano": "Prata"})


def test_doubt_that_was_settled_since_is_settled_for_both(acme: TenantScope, both: Any, rows: Any) -> None:
    doubtful = next(one for one in rows(Conversation) if one.contact_id == both[1] and one.unread == 1)
    with acting_for(acme), atomic():
        db.session.execute(acme.delete(ConsentEvent))
        row = acme.get(Conversation, doubtful.id)
        row.doubted_at, row.doubted_message_id = now(), uuid4()
        for contact_id in both:
            consent.recompute(acme, contact_id)
    done = merge(acme, *both)
    joined = next(one for one in rows(Conversation) if one.doubted_at)
    with acting_for(acme), atomic():
        row = acme.get(Conversation, joined.id)
        row.doubted_at = row.doubted_message_id = None

    undo(acme, done.id)

    assert [one.doubted_at for one in rows(Conversation)] == [None] * 3


def test_merge_is_undone_once(acme: TenantScope, both: Any) -> None:
    done = merge(acme, *both)
    undo(acme, done.id)

    with pytest.raises(Conflict, match="undone before"):
        undo(acme, done.id)


@pytest.mark.parametrize("is_kept_again", [True, False], ids=["another_into_it", "it_into_another"])
def test_earlier_merge_is_undone_after_the_later_one(
    acme: TenantScope, unit: Unit, both: Any, is_kept_again: bool
) -> None:
    third = make_conversation(acme, unit, phone="5511966660001").contact_id
    first = merge(acme, *both)
    pair = (both[0], third) if is_kept_again else (third, both[0])
    second = merge(acme, *pair)

    with pytest.raises(Conflict, match="merged again since"):
        undo(acme, first.id)
    undo(acme, second.id)
    undo(acme, first.id)


def test_two_that_are_one_already_are_not_merged_again(acme: TenantScope, both: Any) -> None:
    merge(acme, *both)

    with pytest.raises(Conflict, match="one contact already"):
        merge(acme, *both)


def test_one_without_a_number_does_not_swallow_one_with_a_number(acme: TenantScope, both: Any) -> None:
    with acting_for(acme), atomic():
        anonymous = acme.add(Contact(id=uuid4(), lid="99")).id

    with pytest.raises(Conflict, match="has a number"):
        merge(acme, anonymous, both[0])


@pytest.mark.parametrize("act", ["merge", "undo"])
def test_one_that_is_being_erased_is_left_alone(acme: TenantScope, both: Any, act: str) -> None:
    done = merge(acme, *both) if act == "undo" else None
    with acting_for(acme), atomic():
        acme.add(Erasure(contact_id=both[1]))

    with pytest.raises(Conflict, match="being erased"):
        undo(acme, done.id) if done else merge(acme, *both)


def test_contact_of_another_company_is_nobody(acme: TenantScope, both: Any) -> None:
    rival = make_tenant("rival")
    with acting_for(rival), atomic():
        stranger = rival.add(Contact(id=uuid4(), phone=ANA)).id

    with pytest.raises(NotFound):
        merge(acme, both[0], stranger)


def test_merge_and_its_undoing_are_logged_without_numbers(acme: TenantScope, both: Any, rows: Any) -> None:
    undo(acme, merge(acme, *both).id)

    logged = [(one.action, one.subject_id, one.after) for one in rows(AuditEvent) if "merge" in one.action]
    after = {"other_id": str(both[1])}
    assert logged == [("contact.merged", both[0], after), ("contact.merge_undone", both[0], after)]


def test_messages_are_noted_only_for_as_long_as_they_may_be_parted(acme: TenantScope, both: Any, rows: Any) -> None:
    done = merge(acme, *both)
    assert len(rows(MergedMessage)) == 2

    undo(acme, done.id)

    assert rows(MergedMessage) == rows(ConversationAlias) == []
