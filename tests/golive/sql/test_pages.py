"""The portal on a database that the script has moved: its pages, its people, its worker's queries."""

from collections.abc import Iterator

import pytest
from flask.testing import FlaskClient
from sqlalchemy import select

from portal.db import db
from portal.models import User
from portal.outbox import reconcile, servers
from portal.services import accounts, passwords
from portal.tenancy import across_tenants
from tests.factories import PASSWORD, sign_in
from tests.golive.sql.bench import Bench
from tests.golive.sql.older import CONTACT, CONVERSATION, LOOSE_TABLES, MESSES, UNIT, USER, id_of

PAGES = (
    "",
    "units/loja-centro-2",
    "units/without-a-unit",
    "conversations",
    "contacts",
    "members",
    "campaigns",
    "undelivered",
    "audit",
    "settings/data",
    f"members/{id_of(USER, 3)}",
    f"contacts/{id_of(CONTACT, 4)}",
    f"contacts/{id_of(CONTACT, 7)}",
    f"conversations/{id_of(CONVERSATION, 1)}",
    f"conversations/{id_of(CONVERSATION, 3)}",
    f"conversations/{id_of(CONVERSATION, 99)}",
)


@pytest.fixture(scope="module")
def moved(bench: Bench, text: str) -> Bench:
    bench.begin(LOOSE_TABLES, MESSES, text)
    return bench


@pytest.fixture
def portal(moved: Bench) -> Iterator[Bench]:
    with moved.portal.app_context():
        yield moved
        db.session.remove()


@pytest.fixture
def admin(portal: Bench) -> FlaskClient:
    client = portal.portal.test_client()
    sign_in(client, user(1))
    return client


def user(number: int) -> User:
    with across_tenants("a test looks"):
        return db.session.scalars(select(User).where(User.id == id_of(USER, number))).one()


@pytest.mark.parametrize("page", PAGES)
def test_page_opens(admin: FlaskClient, page: str) -> None:
    answer = admin.get(f"/t/legacy/{page}", follow_redirects=True)

    assert answer.status_code == 200, answer.text[:500]


def test_thread_shows_what_was_written(admin: FlaskClient) -> None:
    thread = admin.get(f"/t/legacy/conversations/{id_of(CONVERSATION, 1)}").text

    assert "Maria" in thread
    assert all(body in thread for body in ("Oi", "Olá", "Menu"))


def test_conversation_that_joined_another_leads_there(admin: FlaskClient) -> None:
    led, there = (admin.get(f"/t/legacy/conversations/{id_of(CONVERSATION, number)}").text for number in (2, 1))

    assert led.count("Menu") == there.count("Menu") > 0


def test_nobody_gets_in_with_the_password_of_before_and_everybody_with_a_new_one(portal: Bench) -> None:
    assert accounts.sign_in("chefe@older.test", "$2b$12$a") is None

    passwords.set_password(id_of(USER, 1), PASSWORD)

    account = accounts.sign_in("Chefe@Older.Test", PASSWORD)
    assert account is not None
    assert account.tenant_slug == "legacy"


def test_agent_sees_their_unit_only(portal: Bench) -> None:
    account = accounts.find_account(id_of(USER, 3))

    assert account is not None
    assert account.unit_ids == frozenset()


def test_worker_takes_the_instance_and_gives_it_what_sql_could_not(portal: Bench) -> None:
    servers.sync_default()

    checks = reconcile.claim()

    assert [(check.unit_id, check.instance_name) for check in checks] == [(id_of(UNIT, 1), "loja")]
    assert checks[0].webhook_secret_encrypted
    assert checks[0].is_webhook_due
