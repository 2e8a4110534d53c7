"""Two companies with people and units, and short ways to put rows into a state."""

from dataclasses import dataclass
from datetime import timedelta
from typing import Any
from uuid import UUID

from flask.testing import FlaskClient
from werkzeug.test import TestResponse

from portal import tenancy
from portal.clock import now
from portal.db import atomic, db
from portal.models import Connection, Lane, Message, MessageSource, Relay
from portal.permissions import Role
from portal.services import accounts, conversations, units
from portal.tenancy import TenantScope, across_tenants
from tests.factories import make_tenant

PASSWORD = "correct horse battery"
PHONE = "+55 11 98888-0001"
CODE = "2@abc,def,ghi,jkl"


@dataclass(frozen=True)
class Company:
    """A tenant with one connected unit, and the tokens of its people."""

    scope: TenantScope
    unit_id: UUID
    unit_slug: str
    admin: str
    agent: str


def make_company(slug: str) -> Company:
    scope = make_tenant(slug)
    unit_id = make_unit(scope, "centro")
    return Company(
        scope=scope,
        unit_id=unit_id,
        unit_slug="centro",
        admin=make_token(f"admin@{slug}.test", Role.TENANT_ADMIN, tenant_slug=slug),
        agent=make_token(f"agent@{slug}.test", Role.AGENT, tenant_slug=slug, unit_slugs=("centro",)),
    )


def make_unit(scope: TenantScope, slug: str, *, is_connected: bool = True) -> UUID:
    with tenancy.acting_for(scope):
        unit = units.create_unit(scope, name=slug.title(), slug=slug)
    if is_connected:
        change_connection(scope, unit.id, status="connected", connected_at=now(), phone="5511977770001")
        with tenancy.acting_for(scope), atomic():
            db.session.execute(scope.update(Lane).where(Lane.unit_id == unit.id).values(is_open=True))
    return unit.id


def make_token(email: str, role: Role, **options: Any) -> str:
    user = accounts.create_user(email=email, role=role, password=PASSWORD, **options)
    account = accounts.find_account(user.id)
    assert account is not None
    return accounts.issue_tokens(account).access


def change_connection(scope: TenantScope, unit_id: UUID, **changes: object) -> None:
    with tenancy.acting_for(scope), atomic():
        db.session.execute(scope.update(Connection).where(Connection.unit_id == unit_id).values(changes))


def beat(queue: str, *, age_s: int = 0) -> None:
    """A worker of that queue was heard from so many seconds ago."""
    with across_tenants("a worker serves every tenant"), atomic():
        db.session.add(Relay(queue=queue, heartbeat_at=now() - timedelta(seconds=age_s)))


def close_lane(scope: TenantScope, unit_id: UUID) -> None:
    with tenancy.acting_for(scope), atomic():
        db.session.execute(scope.update(Lane).where(Lane.unit_id == unit_id).values(is_open=False))


def make_message(company: Company, *, phone: str = PHONE, text: str = "Good morning", **changes: object) -> Message:
    with tenancy.acting_for(company.scope), atomic():
        queued = conversations.send_to_phone(
            company.scope, company.unit_id, phone=phone, text=text, source=MessageSource.API
        )
        for name, value in changes.items():
            setattr(queued.message, name, value)
        db.session.flush()
        db.session.expunge(queued.message)
    return queued.message


def settle_message(company: Company, message_id: UUID, **changes: object) -> None:
    with tenancy.acting_for(company.scope), atomic():
        db.session.execute(company.scope.update(Message).where(Message.id == message_id).values(changes))


def count_messages(scope: TenantScope) -> int:
    with tenancy.acting_for(scope):
        return len(db.session.scalars(scope.select(Message)).all())


def call(client: FlaskClient, method: str, path: str, token: str = "", **options: Any) -> TestResponse:
    headers = {"Accept-Language": "en", **options.pop("headers", {})}
    if token:
        headers["Authorization"] = f"Bearer {token}"
    return client.open(path, method=method, headers=headers, **options)
