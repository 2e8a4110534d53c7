"""A tenant, one of its units with a linked number, and a conversation there."""

import pytest

from portal.models import Conversation, Unit
from portal.tenancy import TenantScope
from tests.factories import make_connected_unit, make_conversation, make_tenant


@pytest.fixture
def scope(database: None) -> TenantScope:
    return make_tenant()


@pytest.fixture
def unit(scope: TenantScope) -> Unit:
    return make_connected_unit(scope)


@pytest.fixture
def conversation(scope: TenantScope, unit: Unit) -> Conversation:
    return make_conversation(scope, unit)
