"""Acme with one unit, its rival, and browsers of the people who work there."""

from collections.abc import Callable
from typing import Any

import pytest
from flask import Flask
from flask.testing import FlaskClient
from redis import Redis
from werkzeug.test import TestResponse

from portal.models import Conversation, Direction, Message, MessageStatus, Unit, User, WebhookEndpoint
from portal.permissions import Role
from portal.tenancy import TenantScope
from tests.endpoints import make_endpoint
from tests.factories import (
    make_connected_unit,
    make_conversation,
    make_message,
    make_tenant,
    make_unit,
    make_user,
    sign_in,
)

OpenBrowser = Callable[[User], FlaskClient]


class Browser(FlaskClient):
    """Asks as a server is asked: with nothing left over in `g` from the request before."""

    def open(self, *args: Any, **kwargs: Any) -> TestResponse:
        with self.application.app_context():
            return super().open(*args, **{"buffered": True, **kwargs})


@pytest.fixture(autouse=True)
def _no_limits_left_over(redis_server: "Redis") -> None:
    """Limits are counted in Redis: one test's attempts must not throttle the next."""


@pytest.fixture
def acme(database: None) -> TenantScope:
    return make_tenant("acme")


@pytest.fixture
def rival(database: None) -> TenantScope:
    return make_tenant("rival")


@pytest.fixture
def unit(acme: TenantScope) -> Unit:
    return make_unit(acme, "centro")


@pytest.fixture
def connected_unit(acme: TenantScope) -> Unit:
    return make_connected_unit(acme, "jardins")


@pytest.fixture
def conversation(acme: TenantScope, connected_unit: Unit) -> Conversation:
    return make_conversation(acme, connected_unit)


@pytest.fixture
def message(acme: TenantScope, conversation: Conversation) -> Message:
    """One of which there is no news yet, so that no webhook's delivery is made but by a test."""
    return make_message(acme, conversation, direction=Direction.OUTBOUND, status=MessageStatus.QUEUED)


@pytest.fixture
def endpoint(acme: TenantScope) -> WebhookEndpoint:
    return make_endpoint(acme)


@pytest.fixture
def thread(conversation: Conversation) -> str:
    """The address of the thread of that conversation."""
    return f"/t/acme/conversations/{conversation.id}"


@pytest.fixture
def browser(app: Flask) -> OpenBrowser:
    """Opens a browser, in English, in which that person is signed in."""

    def open_for(user: User) -> FlaskClient:
        client = _english(app)
        sign_in(client, user)
        return client

    return open_for


@pytest.fixture
def admin(acme: TenantScope, browser: OpenBrowser) -> FlaskClient:
    return browser(make_user("admin@acme.test"))


@pytest.fixture
def operator(browser: OpenBrowser) -> FlaskClient:
    return browser(make_user("operator@portal.test", role=Role.SUPER_ADMIN, tenant=None))


@pytest.fixture
def visitor(app: Flask) -> FlaskClient:
    """A browser in which nobody is signed in."""
    return _english(app)


@pytest.fixture
def elsewhere(app: Flask) -> FlaskClient:
    """Another browser in which nobody is signed in."""
    return _english(app)


def _english(app: Flask) -> FlaskClient:
    client = Browser(app, app.response_class)
    client.environ_base["HTTP_ACCEPT_LANGUAGE"] = "en"
    return client
