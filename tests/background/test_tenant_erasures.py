"""A company whose days are over is erased from every table, and nobody else's rows are touched."""

import json
from datetime import timedelta
from typing import Any

import pytest
from sqlalchemy import select, update

from portal.background import tenant_erasures
from portal.background.tenant_erasures import STAYS, TenantErasures, models_to_erase
from portal.clock import now
from portal.db import atomic, db
from portal.models import (
    AuditEvent,
    ConnectionAction,
    Direction,
    Message,
    MessageStatus,
    Tenant,
)
from portal.services import accounts, api_tokens, tenants
from portal.services.audit import Actor
from portal.services.connections import lock_connection
from portal.tenancy import across_tenants, acting_for
from tests.architecture.walk import everything
from tests.companies import Company, make_company
from tests.factories import PASSWORD, connection_of, make_campaign, make_conversation, make_message

NOBODY = Actor(None)


@pytest.fixture
def acme(database: None) -> Company:
    return make_company("acme")


@pytest.fixture
def rival(database: None) -> Company:
    return make_company("rival", unit_slug="norte")


def close(company: Company) -> None:
    tenants.close(company.scope.tenant_id, days=30, by=NOBODY)
    with across_tenants("a test lets the days pass"), atomic():
        this = update(Tenant).where(Tenant.id == company.scope.tenant_id)
        db.session.execute(this.values(erase_at=now() - timedelta(seconds=1)))


def forget_at_evolution(company: Company) -> None:
    """What the outbox does with the wish, once Evolution forgot the instance."""
    with acting_for(company.scope), atomic():
        connection = lock_connection(company.scope, company.unit.id)
        connection.instance_name = connection.action = connection.action_requested_at = None


def work_off() -> int:
    """How many batches it takes."""
    worker, batches = TenantErasures(), 0
    while worker.work():
        batches += 1
    return batches


def rows_of(company: Company) -> dict[str, list[dict[str, Any]]]:
    """The company's rows that are left, by table."""
    owner = str(company.scope.tenant_id)
    left = {}
    for name, rows in everything().items():
        column = "id" if name == "tenants" else "tenant_id"
        own = [row for row in map(json.loads, rows) if row.get(column) == owner]
        if own:
            left[name] = own
    return left


def others_rows(company: Company) -> dict[str, list[str]]:
    """All rows that are not the company's, but for the operators' own log."""
    owner = str(company.scope.tenant_id)
    return {
        name: [row for row in rows if owner not in row]
        for name, rows in everything().items()
        if name != "evolution_servers"
    }


def has_messages(company: Company) -> bool:
    with acting_for(company.scope):
        return db.session.scalar(company.scope.select(Message, Message.id).limit(1)) is not None


def current(company: Company) -> Tenant:
    return tenants.get_tenant(company.scope.tenant_id)


def test_nothing_is_left_but_the_log_and_what_it_names(acme: Company) -> None:
    close(acme)
    forget_at_evolution(acme)

    work_off()

    left = rows_of(acme)
    assert set(left) == {model.__tablename__ for model in STAYS}
    assert current(acme).erased_at is not None


def test_no_row_of_anybody_else_changes(acme: Company, rival: Company) -> None:
    close(acme)
    forget_at_evolution(acme)
    before = others_rows(acme)

    work_off()

    after = others_rows(acme)
    assert {name: rows for name, rows in after.items() if rows != before[name]} == {}
    assert len(rows_of(rival)) == len(models_to_erase()) + len(STAYS)


def test_every_table_of_a_company_was_filled_before(acme: Company) -> None:
    # Or the tests above would show nothing of an empty one.
    assert {model.__tablename__ for model in models_to_erase()} <= set(rows_of(acme))


def test_what_stays_says_nothing_of_who_they_were(acme: Company) -> None:
    with acting_for(acme.scope):
        api_tokens.create(acme.scope, name="Chave da Padaria", kind="live", scopes=["read"], unit_ids=[])
    close(acme)
    forget_at_evolution(acme)

    work_off()

    left = rows_of(acme)
    assert {row["name"] for row in left["tenants"]} == {"erased"}
    for row in left["users"]:
        assert row["email"] == f"erased-{row['id']}"
        assert (row["password_hash"], row["totp_secret_encrypted"]) == (None, None)
        assert row["disabled_at"] is not None
    for row in left["api_tokens"]:
        assert (row["name"], row["hint"], row["token_hash"]) == ("erased", None, f"erased-{row['id']}")
        assert row["user_id"] is None
        assert row["revoked_at"] is not None


def test_log_is_as_it_was_and_says_that_all_was_erased(acme: Company) -> None:
    close(acme)
    forget_at_evolution(acme)
    before = rows_of(acme)["audit_events"]

    work_off()

    after = rows_of(acme)["audit_events"]
    assert [row for row in after if row in before] == before
    assert [row["action"] for row in after if row not in before] == ["tenant.erased"]


def test_operators_log_outlives_the_company(acme: Company) -> None:
    close(acme)
    forget_at_evolution(acme)

    work_off()

    with across_tenants("a test reads the log"):
        own = select(AuditEvent.action).where(AuditEvent.tenant_id.is_(None)).order_by(AuditEvent.id)
        told = db.session.scalars(own.where(AuditEvent.subject_id == acme.scope.tenant_id)).all()
    assert told[-1] == "tenant.erased"


def test_nobody_signs_in_any_more(acme: Company) -> None:
    close(acme)
    forget_at_evolution(acme)

    work_off()

    assert accounts.sign_in("admin@acme.test", PASSWORD) is None
    assert accounts.find_account(acme.admin.id) is None
    assert accounts.account_of_token(acme.token) is None


def test_short_name_stays_taken(acme: Company) -> None:
    close(acme)
    forget_at_evolution(acme)

    work_off()

    assert current(acme).slug == "acme"


@pytest.mark.parametrize("step", ["suspended", "closed", "reopened"])
def test_nothing_is_erased_before_its_time(acme: Company, step: str) -> None:
    if step == "suspended":
        tenants.suspend(acme.scope.tenant_id, by=NOBODY)
    else:
        tenants.close(acme.scope.tenant_id, days=7, by=NOBODY)
    if step == "reopened":
        tenants.reopen(acme.scope.tenant_id, by=NOBODY)
    forget_at_evolution(acme)
    before = everything()

    assert work_off() == 0

    assert everything() == before


def test_evolution_is_asked_to_forget_the_numbers_first(acme: Company) -> None:
    close(acme)
    with acting_for(acme.scope), atomic():
        connection = lock_connection(acme.scope, acme.unit.id)
        connection.action = connection.action_requested_at = None

    assert work_off() == 0

    connection = connection_of(acme.scope, acme.unit.id)
    assert connection.action == ConnectionAction.DELETE
    assert "messages" in rows_of(acme)
    forget_at_evolution(acme)
    assert work_off() > 0


def test_wish_that_is_under_way_is_not_overtaken(acme: Company) -> None:
    close(acme)

    assert work_off() == 0

    assert connection_of(acme.scope, acme.unit.id).action == ConnectionAction.DISCONNECT


def test_evolution_that_stays_away_is_not_waited_for(acme: Company, monkeypatch: pytest.MonkeyPatch) -> None:
    close(acme)
    monkeypatch.setattr(tenant_erasures, "SERVERS_WAITED_FOR", timedelta(0))

    work_off()

    assert current(acme).erased_at is not None


def test_message_in_flight_is_waited_for(acme: Company) -> None:
    message = make_message(acme.scope, acme.conversation, direction=Direction.OUTBOUND, status=MessageStatus.SENDING)
    close(acme)
    forget_at_evolution(acme)

    assert work_off() == 0

    with acting_for(acme.scope), atomic():
        this = acme.scope.update(Message).where(Message.id == message.id)
        db.session.execute(this.values(status=MessageStatus.UNCONFIRMED))
    assert work_off() > 0
    assert current(acme).erased_at is not None


def test_it_goes_batch_by_batch(acme: Company, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(tenant_erasures, "BATCH", 3)
    conversations = [make_conversation(acme.scope, acme.unit, phone=f"5511977770{n:03d}") for n in range(8)]
    make_campaign(acme.scope, acme.unit, [one.contact_id for one in conversations])
    first = make_message(acme.scope, acme.conversation, direction=Direction.OUTBOUND)
    second = make_message(acme.scope, acme.conversation, direction=Direction.OUTBOUND, resend_of_id=first.id)
    make_message(acme.scope, acme.conversation, direction=Direction.OUTBOUND, resend_of_id=second.id)
    close(acme)
    forget_at_evolution(acme)

    batches = work_off()

    assert batches >= len(models_to_erase())
    assert set(rows_of(acme)) == {model.__tablename__ for model in STAYS}


def test_whoever_is_killed_is_followed_by_one_who_goes_on(acme: Company, rival: Company) -> None:
    close(acme)
    forget_at_evolution(acme)
    before = others_rows(acme)

    batches = 0
    while TenantErasures().work():
        # Each batch by a process of its own, which knows nothing of the one before.
        batches += 1

    assert batches >= len(models_to_erase())
    assert current(acme).erased_at is not None
    after = others_rows(acme)
    assert {name: rows for name, rows in after.items() if rows != before[name]} == {}


def test_what_comes_in_meanwhile_is_erased_too(acme: Company) -> None:
    close(acme)
    forget_at_evolution(acme)
    worker = TenantErasures()
    while has_messages(acme):
        assert worker.work()
    # The inbox applies what it had received before.
    make_message(acme.scope, make_conversation(acme.scope, acme.unit, phone="5511966660001"))

    while worker.work():
        pass
    work_off()

    assert set(rows_of(acme)) == {model.__tablename__ for model in STAYS}


def test_two_companies_are_erased_one_after_the_other(acme: Company, rival: Company) -> None:
    for company in (acme, rival):
        close(company)
        forget_at_evolution(company)

    work_off()

    assert None not in (current(acme).erased_at, current(rival).erased_at)


def test_company_that_waits_for_evolution_keeps_no_other_from_its_turn(acme: Company, rival: Company) -> None:
    close(acme)
    close(rival)
    forget_at_evolution(rival)

    work_off()

    assert current(acme).erased_at is None
    assert current(rival).erased_at is not None


def test_log_names_no_table_that_goes() -> None:
    # What the log refers to cannot go, since the log stays.
    kept = {model.__tablename__ for model in STAYS}
    named = {reference.column.table.name for model in STAYS for reference in model.__table__.foreign_keys}

    assert named <= kept


def test_erased_company_is_not_looked_at_again(acme: Company) -> None:
    close(acme)
    forget_at_evolution(acme)
    work_off()
    before = everything()

    assert work_off() == 0

    assert everything() == before
