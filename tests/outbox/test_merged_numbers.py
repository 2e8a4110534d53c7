"""Which number a message goes to when several lead to one person."""

import pytest

from portal.clock import now
from portal.db import atomic
from portal.evolution.types import SentMessage
from portal.models import Contact
from portal.services.merging import merge_contacts
from portal.tenancy import acting_for
from tests.factories import make_conversation
from tests.outbox.conftest import Shop, rows_of
from tests.outbox.sending import claim_one, record

pytestmark = pytest.mark.commits
NEW = "5511977770001"


@pytest.fixture
def merged(shop: Shop) -> Shop:
    """The shop's customer, into whom somebody with another number was merged."""
    other = make_conversation(shop.scope, shop.unit, phone=NEW).contact_id
    with acting_for(shop.scope):
        merge_contacts(shop.scope, shop.conversation.contact_id, other)
    return shop


def use(shop: Shop, number: str) -> None:
    """They wrote from that number."""
    with acting_for(shop.scope), atomic():
        person = shop.scope.get(Contact, shop.conversation.contact_id)
        person.whatsapp_number, person.number_at = number, now()


def number_of(shop: Shop) -> str | None:
    return next(one.whatsapp_number for one in rows_of(Contact) if one.id == shop.conversation.contact_id)


def test_kept_number_is_written_to_until_they_write_from_the_other_one(merged: Shop) -> None:
    merged.reply()

    assert claim_one().number == merged.phone


def test_number_that_they_wrote_from_last_is_written_to(merged: Shop) -> None:
    use(merged, NEW)
    merged.reply()

    assert claim_one().number == NEW


def test_answer_to_the_old_number_does_not_take_the_new_one_back(merged: Shop) -> None:
    merged.reply()
    claimed = claim_one()
    use(merged, NEW)

    record(claimed, SentMessage("3EB0AA", f"{merged.phone}@s.whatsapp.net"))

    assert number_of(merged) == NEW


def test_form_of_the_number_in_use_is_learned(merged: Shop) -> None:
    merged.reply()

    record(claim_one(), SentMessage("3EB0AA", "551199990002@s.whatsapp.net"))

    assert number_of(merged) == "551199990002"
