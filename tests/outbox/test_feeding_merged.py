"""Somebody who was chosen as several contacts, and merged since, gets a campaign's message once."""

import pytest

from portal.models import Message, RecipientState, SkipReason
from portal.services.merging import merge_contacts
from portal.tenancy import acting_for
from tests.outbox.campaigns import feed, let_pass
from tests.outbox.conftest import Shop, rows_of
from tests.outbox.runs import Run

pytestmark = pytest.mark.commits
HANDED, SKIPPED = RecipientState.HANDED, RecipientState.SKIPPED


def have_turns(shop: Shop, number: int) -> None:
    for _ in range(number):
        let_pass(shop)
        feed()


@pytest.mark.parametrize(
    ("kept", "part"),
    [(1, 2), (2, 1), (3, 2)],
    ids=["who had it is kept", "who had it became the other", "both became a third"],
)
def test_one_person_gets_it_once(shop: Shop, kept: int, part: int) -> None:
    run = Run(shop.scope, shop.unit, 3)
    run.change_recipient(3, state=RecipientState.CANCELLED, contact_id=None)
    run.start()
    have_turns(shop, 1)

    with acting_for(shop.scope):
        merge_contacts(shop.scope, run.contact_ids[kept - 1], run.contact_ids[part - 1])
        if kept == 3:
            merge_contacts(shop.scope, run.contact_ids[2], run.contact_ids[0])
    shop.change(Message, status="sent")
    have_turns(shop, 2)

    lines = run.recipients()
    assert [one.state for one in lines[:2]] == [HANDED, SKIPPED]
    assert lines[1].reason == SkipReason.DUPLICATE
    assert len(rows_of(Message)) == 1
