"""Tags of many contacts at once."""

from concurrent.futures import ThreadPoolExecutor, TimeoutError
from uuid import UUID, uuid4

import pytest
from flask import Flask

from portal.db import atomic, db
from portal.models import Contact, ContactTag
from portal.queries.contacts import Filter
from portal.services.tagging import Choice, tag_contacts
from portal.tenancy import TenantScope, acting_for
from tests.factories import make_tenant


@pytest.mark.commits
def test_whoever_goes_at_this_moment_is_left_out(app: Flask) -> None:
    acme = make_tenant()
    with acting_for(acme), atomic():
        going, staying = (acme.add(Contact(id=uuid4(), phone=f"551199999000{number}")).id for number in (1, 2))
    with ThreadPoolExecutor(1) as others, acting_for(acme), atomic():
        db.session.execute(acme.delete(Contact).where(Contact.id == going))
        tagging = others.submit(_tag_apart, app, acme, [going, staying])
        with pytest.raises(TimeoutError):
            tagging.result(timeout=0.3)
        db.session.commit()

        assert tagging.result(timeout=10) == 1

    with acting_for(acme):
        assert db.session.scalars(acme.select(ContactTag, ContactTag.contact_id)).all() == [staying]


def test_whole_filter_is_tagged_in_one_go(app: Flask) -> None:
    acme = make_tenant()
    with acting_for(acme), atomic():
        for number in range(3):
            acme.add(Contact(phone=f"551199999000{number}", name="Ana" if number else "Bia"))

    with acting_for(acme):
        assert tag_contacts(acme, Choice(every_of=Filter(search="ana")), name="vip") == 2
        assert tag_contacts(acme, Choice(every_of=Filter()), name="VIP") == 1


def _tag_apart(app: Flask, scope: TenantScope, ids: list[UUID]) -> int:
    with app.app_context(), acting_for(scope):
        return tag_contacts(scope, Choice(ids=ids), name="vip")
