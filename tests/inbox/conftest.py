"""A unit, and Evolution telling its news."""

import json
from collections.abc import Callable
from typing import Any

import jwt
import pytest
from sqlalchemy import inspect, select, update

from portal.clock import now
from portal.db import atomic, db
from portal.extensions import parts
from portal.inbox import relay
from portal.inbox.receive import Reception, receive
from portal.models import ConnectionStatus, EventState, StatusReason, Unit, WebhookEvent
from portal.secrets import webhook_jwt_purpose
from portal.services.connections import lock_connection, set_status
from portal.tenancy import TenantScope, across_tenants, acting_for
from tests.factories import SECRET, make_connected_unit, make_tenant
from tests.inbox.payloads import webhook

NAME = "unit_3f0c8c1e-0000-4000-8000-000000000001"


class Evolution:
    """Post webhooks as Evolution does, and let the relay apply them."""

    def post(self, event: str, data: object, **envelope: Any) -> Reception:
        payload = webhook(event, data, **{"instance": NAME, **envelope})
        return receive(SECRET, signature(payload["instance"]), json.dumps(payload).encode())

    def tell(self, *news: tuple[Any, ...]) -> None:
        """Post each of these (event, data, maybe the time), then let all be applied."""
        for event, data, *told_at in news:
            self.post(event, data, **({"told_at": told_at[0]} if told_at else {}))
        relay.drain()

    def replay(self) -> None:
        """Apply everything once more."""
        with across_tenants("a test replays events"), atomic():
            db.session.execute(update(WebhookEvent).values(state=EventState.NEW, retry_at=None))
        relay.drain()

    def events(self) -> list[WebhookEvent]:
        with across_tenants("a test looks at what was stored"):
            found = select(WebhookEvent).order_by(WebhookEvent.id).execution_options(populate_existing=True)
            return list(db.session.scalars(found))


def signature(instance: str) -> str:
    made_at = int(now().timestamp())
    claims = {"iat": made_at, "exp": made_at + 600, "app": "evolution", "action": "webhook"}
    return jwt.encode(claims, parts.vault.derived(webhook_jwt_purpose(instance))[0], algorithm="HS256")


@pytest.fixture
def scope(database: None) -> TenantScope:
    return make_tenant()


@pytest.fixture
def unit(scope: TenantScope) -> Unit:
    """A unit whose number is linked."""
    return make_connected_unit(scope, instance_name=NAME)


@pytest.fixture
def pairing_unit(scope: TenantScope) -> Unit:
    """A unit whose instance was just made: no code was shown yet."""
    unit = make_connected_unit(scope, instance_name=NAME)
    with acting_for(scope), atomic():
        connection = lock_connection(scope, unit.id)
        set_status(connection, ConnectionStatus.CONNECTING, StatusReason.INITIALIZING)
        connection.phone = connection.profile_name = None
        connection.connected_at = connection.disconnected_at = None
    return unit


@pytest.fixture
def evolution() -> Evolution:
    return Evolution()


@pytest.fixture
def rows(scope: TenantScope) -> Callable[..., list[Any]]:
    """All rows of a model, as they now stand in the database, oldest first."""

    def look(model: Any) -> list[Any]:
        keys = inspect(model).primary_key
        with across_tenants("a test looks at the rows"):
            return list(db.session.scalars(select(model).order_by(*keys).execution_options(populate_existing=True)))

    return look
