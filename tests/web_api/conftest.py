"""Acme, its rival, and an operator: what every test of the API starts with."""

from collections.abc import Callable

import pytest
from redis import Redis
from sqlalchemy import update

from portal.clock import now
from portal.db import atomic, db
from portal.models import Connection, Message, User
from portal.permissions import Role
from portal.tenancy import across_tenants
from portal.web.api import waiting
from tests.web_api.seed import Company, make_company, make_token, make_unit


@pytest.fixture(autouse=True)
def _no_limits_left_over(redis_server: "Redis") -> None:
    """Limits are counted in Redis: one test's attempts must not throttle the next."""


@pytest.fixture
def acme(database: None) -> Company:
    return make_company("acme")


@pytest.fixture
def rival(database: None) -> Company:
    return make_company("rival")


@pytest.fixture
def operator(database: None) -> str:
    return make_token("operator@portal.test", Role.SUPER_ADMIN)


@pytest.fixture
def other_unit(acme: Company) -> Callable[[], str]:
    """Acme opens a second unit, which its agent does not answer in."""
    return lambda: str(make_unit(acme.scope, "praia"))


@pytest.fixture
def disable() -> Callable[[str], None]:
    def disable_person(email: str) -> None:
        with across_tenants("a test disables somebody"), atomic():
            db.session.execute(update(User).where(User.email == email).values(disabled_at=now()))

    return disable_person


@pytest.fixture
def meanwhile(monkeypatch: pytest.MonkeyPatch) -> Callable[..., None]:
    """Instead of sleeping between two looks, put every row of a table into a state, as a worker would."""

    def put_into(model: type[Message | Connection], state: dict[str, object]) -> None:
        def change(_: float) -> None:
            with across_tenants("a test plays the worker"), atomic():
                db.session.execute(update(model).values(state))

        monkeypatch.setattr(waiting, "sleep", change)

    return put_into
