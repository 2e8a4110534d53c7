"""A conversation that was joined to another while somebody had it open, and was writing in it."""

import pytest
from flask.testing import FlaskClient

from portal.db import atomic
from portal.errors import NotFound
from portal.inbox.facts import Address
from portal.inbox.people import Mention, People
from portal.models import Contact, Conversation, Direction, Unit
from portal.services import conversations, joining
from portal.tenancy import TenantScope, acting_for
from tests.factories import make_conversation, make_message

LID, PHONE = "123456789012345", "5511999990055"


@pytest.fixture
def joined(acme: TenantScope, connected_unit: Unit) -> tuple[Conversation, Conversation]:
    """The one that is gone and the one that it went into: the person was known by LID here and by number there."""
    with acting_for(acme), atomic():
        contact = acme.add(Contact(lid=LID, name="Maria"))
    with acting_for(acme), atomic():
        gone = conversations.open_conversation(acme, connected_unit.id, contact.id)
    kept = make_conversation(acme, connected_unit, phone=PHONE)
    make_message(acme, gone, body="escrito por LID", direction=Direction.INBOUND)
    with acting_for(acme), atomic():
        People(acme, [Mention(Address(number=PHONE, lid=LID))])
    return gone, kept


def test_its_address_shows_the_other_one(admin: FlaskClient, joined: tuple[Conversation, Conversation]) -> None:
    gone, kept = joined

    page = admin.get(f"/t/acme/conversations/{gone.id}")

    assert page.status_code == 200
    assert "escrito por LID" in page.text
    assert f"/conversations/{kept.id}/messages" in page.text
    assert f"/conversations/{gone.id}/messages" not in page.text


def test_what_was_being_written_in_it_is_sent_in_the_other_one(
    acme: TenantScope, admin: FlaskClient, joined: tuple[Conversation, Conversation]
) -> None:
    gone, kept = joined

    with acting_for(acme):
        queued = conversations.reply(acme, gone.id, text="Já vou ver", client_message_id="form-1")
        again = conversations.reply(acme, gone.id, text="Já vou ver", client_message_id="form-1")

    assert queued.message.conversation_id == kept.id
    assert (again.message.id, again.is_repeat) == (queued.message.id, True)
    assert "Já vou ver" in admin.get(f"/t/acme/conversations/{gone.id}").text


@pytest.mark.parametrize("who", ["another company", "another unit"])
def test_nobody_else_is_led_there(
    acme: TenantScope, rival: TenantScope, joined: tuple[Conversation, Conversation], who: str
) -> None:
    elsewhere = rival if who == "another company" else TenantScope(acme.tenant_id, unit_ids=frozenset())

    with acting_for(elsewhere), pytest.raises(NotFound):
        conversations.reply(elsewhere, joined[0].id, text="Olá")


def test_one_that_was_joined_twice_is_followed_to_the_end(
    acme: TenantScope, connected_unit: Unit, joined: tuple[Conversation, Conversation]
) -> None:
    gone, kept = joined
    with acting_for(acme), atomic():
        other = acme.add(Contact(phone="5511999990056"))
    with acting_for(acme), atomic():
        last = conversations.open_conversation(acme, connected_unit.id, other.id)
    with acting_for(acme), atomic():
        joining.make_one(acme, acme.get(Contact, other.id), acme.get(Contact, kept.contact_id))

    with acting_for(acme):
        queued = conversations.reply(acme, gone.id, text="Olá")

    assert queued.message.conversation_id == last.id
