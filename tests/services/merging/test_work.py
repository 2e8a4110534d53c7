"""Who answers, what is done and what was noted, when two contacts become one and are parted again."""

from typing import Any

import pytest

from portal.models import Conversation, ConversationEvent, User
from portal.services import members
from portal.tenancy import TenantScope, acting_for
from tests.architecture.walk import everything
from tests.conversation_work import current, events, make_note, set_work
from tests.factories import make_message, make_user
from tests.services.merging.conftest import merge, undo

# What stays of a merge that was undone: that it was, and who did it.
TRACES = {"contact_merges", "audit_events"}


@pytest.fixture
def ana(acme: TenantScope) -> User:
    return make_user("ana@acme.test")


@pytest.fixture
def bia(acme: TenantScope) -> User:
    return make_user("bia@acme.test")


@pytest.fixture
def kept(both: Any, rows: Any) -> Conversation:
    """The conversation that the other one of its unit is joined to."""
    (conversation,) = [one for one in rows(Conversation) if one.contact_id == both[0]]
    return conversation  # type: ignore[no-any-return]


@pytest.fixture
def joined(both: Any, kept: Conversation, rows: Any) -> Conversation:
    (conversation,) = [one for one in rows(Conversation) if one.unit_id == kept.unit_id and one.id != kept.id]
    return conversation  # type: ignore[no-any-return]


@pytest.fixture
def noted(acme: TenantScope, ana: User, bia: User, kept: Conversation, joined: Conversation) -> None:
    """Ana answers the one, which is closed; Bia answers the other. There is a note in each."""
    set_work(acme, kept.id, assigned_to_id=ana.id, status="closed")
    set_work(acme, joined.id, assigned_to_id=bia.id)
    for conversation, text in ((kept, "da Ana"), (joined, "da Bia")):
        make_note(acme, conversation, text)


@pytest.mark.usefixtures("noted")
def test_notes_of_both_stand_in_the_one_that_stays(acme: TenantScope, both: Any, kept: Conversation) -> None:
    merge(acme, *both)

    assert events(acme, "body", "conversation_id") == [("da Ana", kept.id), ("da Bia", kept.id)]


@pytest.mark.usefixtures("noted")
def test_who_answers_the_one_that_stays_goes_on(acme: TenantScope, both: Any, ana: User, kept: Conversation) -> None:
    merge(acme, *both)

    one = current(acme, kept.id)
    assert (one.assigned_to_id, one.status) == (ana.id, "open")


@pytest.mark.usefixtures("noted")
def test_who_answers_the_other_answers_where_nobody_does(
    acme: TenantScope, both: Any, bia: User, kept: Conversation
) -> None:
    set_work(acme, kept.id, assigned_to_id=None)

    merge(acme, *both)

    assert current(acme, kept.id).assigned_to_id == bia.id


@pytest.mark.usefixtures("noted")
def test_merge_that_is_undone_leaves_work_and_notes_as_they_were(acme: TenantScope, both: Any) -> None:
    before = everything()

    undo(acme, merge(acme, *both).id)

    after = everything()
    assert {table: after[table] for table in after.keys() - TRACES if after[table] != before[table]} == {}


@pytest.mark.usefixtures("noted")
def test_note_of_since_the_merge_stays_where_it_was_written(
    acme: TenantScope, both: Any, kept: Conversation, joined: Conversation, rows: Any
) -> None:
    done = merge(acme, *both)
    make_note(acme, kept, "depois")

    undo(acme, done.id)

    where = {event.body: event.conversation_id for event in rows(ConversationEvent)}
    assert where == {"da Ana": kept.id, "da Bia": joined.id, "depois": kept.id}


@pytest.mark.usefixtures("noted")
def test_one_in_which_somebody_wrote_since_stays_open(acme: TenantScope, both: Any, kept: Conversation) -> None:
    done = merge(acme, *both)
    make_message(acme, kept, body="depois")

    undo(acme, done.id)

    assert current(acme, kept.id).status == "open"


@pytest.mark.usefixtures("noted")
def test_undone_merge_gives_no_conversation_to_whoever_was_shut_out_since(
    acme: TenantScope, both: Any, kept: Conversation, joined: Conversation, ana: User, bia: User
) -> None:
    make_user("boss@acme.test")
    done = merge(acme, *both)
    with acting_for(acme):
        for user in (ana, bia):
            members.disable(acme, user.id)

    undo(acme, done.id)

    assert [current(acme, one.id).assigned_to_id for one in (kept, joined)] == [None, None]


@pytest.mark.usefixtures("noted")
def test_undone_merge_leaves_the_conversation_to_whoever_took_it_since(
    acme: TenantScope, both: Any, kept: Conversation, joined: Conversation, bia: User
) -> None:
    cleo = make_user("cleo@acme.test")
    done = merge(acme, *both)
    set_work(acme, kept.id, assigned_to_id=cleo.id)

    undo(acme, done.id)

    assert [current(acme, one.id).assigned_to_id for one in (kept, joined)] == [cleo.id, bia.id]


@pytest.mark.usefixtures("noted")
def test_undone_merge_leaves_what_was_resolved_since(acme: TenantScope, both: Any, kept: Conversation) -> None:
    set_work(acme, kept.id, status="open")
    done = merge(acme, *both)
    set_work(acme, kept.id, status="closed")

    undo(acme, done.id)

    assert current(acme, kept.id).status == "closed"
