"""How people got in is forgotten thirty days after it is over, and not before."""

from datetime import timedelta
from typing import Any

import pytest

from portal.background.retention import Retention
from portal.clock import now
from portal.db import atomic, db
from portal.models import AccountLink, LinkKind, RecoveryCode, User, UserSession
from portal.permissions import Role
from portal.tenancy import across_tenants
from tests.architecture.walk import everything
from tests.factories import make_tenant, make_user

LONG_AGO, LATELY, LATER = timedelta(days=-31), timedelta(days=-29), timedelta(days=1)


@pytest.fixture(params=["tenant", "operator"])
def person(request: pytest.FixtureRequest, database: None) -> User:
    if request.param == "operator":
        return make_user("op@portal.test", role=Role.SUPER_ADMIN, tenant=None)
    make_tenant()
    return make_user()


def keep(person: User, row: Any) -> None:
    row.user_id, row.tenant_id = person.id, person.tenant_id
    with across_tenants("a test makes a row"), atomic():
        db.session.add(row)


def work_off() -> None:
    worker = Retention()
    while worker.work():
        pass


def test_sessions_go(person: User) -> None:
    for number, ends in enumerate((LONG_AGO, LATELY, LATER)):
        keep(person, UserSession(token_hash=f"{number:064}", expires_at=now() + ends))

    work_off()

    left = everything()["user_sessions"]
    assert len(left) == 2
    assert [row for row in left if f"{0:064}" in row] == []


def test_links_go(person: User) -> None:
    for ends in (LONG_AGO, LATELY, LATER):
        keep(person, AccountLink(kind=LinkKind.PASSWORD_RESET, expires_at=now() + ends))

    work_off()

    assert len(everything()["account_links"]) == 2


def test_used_recovery_codes_go_and_unused_ones_stay(person: User) -> None:
    for used_at in (now() + LONG_AGO, now() + LATELY, None):
        keep(person, RecoveryCode(code_hash="0" * 64, used_at=used_at))

    work_off()

    assert len(everything()["recovery_codes"]) == 2
