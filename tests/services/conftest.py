"""A tenant, one of its units with a linked number, and a conversation there."""

import pytest

from portal.db import db
from portal.models import Conversation, Unit
from portal.services import images
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


@pytest.fixture
def pictures(monkeypatch: pytest.MonkeyPatch) -> list[bool]:
    """Of each picture that is written anew whether it happens within a transaction, where rows may be held."""
    found, rewrite = [], images.rewrite

    def watched(content: bytes, mime_type: str) -> bytes:
        found.append(bool(db.session().info.get("in_atomic")))
        return rewrite(content, mime_type)

    monkeypatch.setattr(images, "rewrite", watched)
    return found
