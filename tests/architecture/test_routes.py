"""Every address says who may call it, and the webhook door leads nowhere else."""

import pytest
from flask import Flask
from flask.testing import FlaskClient

from portal.permissions import ALLOWED, Permission

# A new entry here is a decision: anybody on the internet may call it.
PUBLIC = {
    "static",
    "bootstrap.static",
    "assets.htmx",
    "assets.styles",
    "auth.home",
    "auth.login_page",
    "auth.sign_in",
    "auth.code_page",
    "auth.give_code",
    "auth.sign_out",
    "auth.choose_language",
    "scan.show",
    "scan.start",
    *(f"account_links.{name}" for name in ("ask_page", "ask", "show", "choose")),
    "reference.show",
    "webhooks.take",
    "metrics.show",
    "api-docs.openapi_json",
    "api_health.alive",
    "api_health.ready",
    "api_sessions.login",
    "api_sessions.refresh",
}
# Without these nobody could come in or check on the portal.
PUBLIC_BY_NEED = {"auth.login_page", "auth.sign_in", "webhooks.take", "api_health.alive", "scan.show"}


def access_of(app: Flask, endpoint: str) -> object:
    return getattr(app.view_functions[endpoint], "access", None)


def test_every_view_says_who_may_call_it(app: Flask) -> None:
    known = {"public", "signed_in", *Permission}

    unsaid = {rule.rule for rule in app.url_map.iter_rules() if access_of(app, rule.endpoint) not in known}

    assert unsaid == set()


def test_only_these_views_are_open_to_everybody(app: Flask) -> None:
    public = {rule.endpoint for rule in app.url_map.iter_rules() if access_of(app, rule.endpoint) == "public"}

    assert public - PUBLIC == set()
    assert public >= PUBLIC_BY_NEED


def test_every_permission_that_a_view_asks_for_is_held_by_some_role(app: Flask) -> None:
    asked = {access_of(app, rule.endpoint) for rule in app.url_map.iter_rules()} & set(Permission)
    held = set().union(*ALLOWED.values())

    assert asked <= held
    assert held == set(Permission)


def test_every_view_is_reached_by_an_address_and_every_address_reaches_a_view(app: Flask) -> None:
    addressed = {rule.endpoint for rule in app.url_map.iter_rules()}

    assert addressed == set(app.view_functions)


def test_every_page_of_a_tenant_hangs_under_the_parent_that_opens_the_scope(app: Flask) -> None:
    of_tenant = {rule.endpoint: rule.rule for rule in app.url_map.iter_rules() if "tenant_slug" in rule.arguments}

    assert of_tenant != {}
    assert {rule for endpoint, rule in of_tenant.items() if not endpoint.startswith("tenant.")} == set()
    assert {rule for rule in of_tenant.values() if not rule.startswith("/t/<tenant_slug>/")} == set()


@pytest.mark.parametrize(
    "path",
    [
        "/webhooks/whatsapp/evolution/secret",
        "/webhooks/whatsapp/evolution/secret/",
        "/webhooks/whatsapp/evolution/secret/messages-upsert",
        "/webhooks/whatsapp/evolution/secret/messages-upsert/",
        "//webhooks/whatsapp/evolution/secret",
        "/webhooks//whatsapp/evolution/secret",
        "/webhooks/whatsapp//evolution/secret/messages-upsert",
        "/webhooks/whatsapp/evolution//secret",
        "/webhooks/whatsapp/evolution/secret//messages-upsert",
        "/webhooks/whatsapp/evolution/secret//",
        "/webhooks/whatsapp/evolution",
        "/webhooks/whatsapp/evolution/",
        "/webhooks/whatsapp",
        "/webhooks/",
        "/webhooks",
        "/webhooks/whatsapp/other/secret",
        "/Webhooks/whatsapp/evolution/secret",
    ],
)
@pytest.mark.parametrize("scheme", ["http", "https"])
@pytest.mark.parametrize("method", ["POST", "GET", "HEAD", "PUT"])
def test_webhook_door_never_redirects(client: FlaskClient, path: str, scheme: str, method: str) -> None:
    response = client.open(f"{scheme}://portal.test{path}", method=method, json={})

    assert response.status_code in {400, 401, 404, 405}
    assert "Location" not in response.headers
