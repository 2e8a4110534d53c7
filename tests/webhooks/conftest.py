"""A unit with a customer, and endpoints that are told of what happens there."""

from collections.abc import Iterator

import pytest
from flask import Flask

from portal.models import Conversation, Unit
from portal.tenancy import TenantScope
from portal.webhooks.relay import WebhookRelay
from tests.factories import make_connected_unit, make_conversation, make_tenant
from tests.inbox.conftest import NAME, Evolution
from tests.webhooks.receiver import Receiver

FINISH_S = 25.0


@pytest.fixture
def scope(database: None) -> TenantScope:
    return make_tenant()


@pytest.fixture
def unit(scope: TenantScope) -> Unit:
    return make_connected_unit(scope, instance_name=NAME)


@pytest.fixture
def conversation(scope: TenantScope, unit: Unit) -> Conversation:
    return make_conversation(scope, unit)


@pytest.fixture
def evolution(unit: Unit) -> Evolution:
    return Evolution()


@pytest.fixture
def receiver() -> Iterator[Receiver]:
    receiver = Receiver()
    yield receiver
    receiver.stop()


@pytest.fixture
def relay(app: Flask, database: None) -> Iterator[WebhookRelay]:
    relay = WebhookRelay(app.app_context)
    yield relay
    assert relay.finish(FINISH_S)
