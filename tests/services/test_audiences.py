"""Whom a campaign would reach."""

from portal.clock import now
from portal.db import atomic, db
from portal.models import Contact, ContactKind
from portal.queries import audiences
from portal.queries.audiences import Reach
from portal.tenancy import TenantScope, acting_for


def test_reach_tells_who_is_left_out_and_why(scope: TenantScope) -> None:
    with acting_for(scope), atomic():
        scope.add(Contact(phone="5511999990001"))
        scope.add(Contact(phone="5511999990002", name="Maria"))
        scope.add(Contact(lid="123"))
        scope.add(Contact(phone="5511999990003", opted_out_at=now()))
        scope.add(Contact(lid="456", opted_out_at=now()))

    with acting_for(scope):
        everybody = audiences.count_reach(scope.select(Contact))
        named = audiences.count_reach(scope.select(Contact).where(Contact.name.is_not(None)))

    assert everybody == Reach(total=5, reachable=2, opted_out=2, without_number=1)
    assert named == Reach(total=1, reachable=1, opted_out=0, without_number=0)


def test_reach_of_some_respects_their_limit(scope: TenantScope) -> None:
    with acting_for(scope), atomic():
        for number in range(3):
            scope.add(Contact(phone=f"551199999000{number}"))

    with acting_for(scope):
        assert audiences.count_reach(scope.select(Contact).limit(2)).total == 2


def test_groups_and_merged_contacts_are_nobody_to_plan_for(scope: TenantScope) -> None:
    with acting_for(scope), atomic():
        kept = scope.add(Contact(phone="5511999990001"))
        db.session.flush()
        scope.add(Contact(chat_jid="1@g.us", kind=ContactKind.GROUP))
        scope.add(Contact(phone="5511999990002", merged_into_id=kept.id))

    with acting_for(scope):
        assert [contact.id for contact in db.session.scalars(audiences.reachable(scope))] == [kept.id]
