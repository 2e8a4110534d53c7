"""The operator's pages of the companies, and what a suspended or closed company's own people see."""

from datetime import timedelta
from uuid import uuid4

import pytest
from flask.testing import FlaskClient

from portal.clock import now
from portal.db import atomic, db
from portal.models import AccessGrant, Conversation, Direction, Message, MessageStatus, Tenant, Unit, UserSession
from portal.permissions import Role
from portal.services import tenants
from portal.services.audit import Actor
from portal.tenancy import TenantScope, across_tenants, acting_for
from tests.factories import make_api_token, make_message, make_user
from tests.web.conftest import OpenBrowser

NOBODY = Actor(None)


@pytest.fixture
def page(acme: TenantScope) -> str:
    return f"/operator/tenants/{acme.tenant_id}"


def current(scope: TenantScope) -> Tenant:
    return tenants.get_tenant(scope.tenant_id)


def let_confirmation_pass() -> None:
    with across_tenants("a test lets time pass"), atomic():
        for session in db.session.query(UserSession):
            session.confirmed_at = now() - timedelta(hours=1)


def test_operator_adds_a_tenant_and_is_led_to_it(operator: FlaskClient) -> None:
    answer = operator.post("/operator/tenants", data={"name": "Padaria do João", "slug": "padaria"})

    assert answer.status_code == 303
    shown = operator.get(answer.location).text
    assert "Padaria do João" in shown
    assert 'href="/t/padaria/members/new"' in shown
    assert "Padaria do João" in operator.get("/operator/").text


@pytest.mark.parametrize(("name", "slug"), [("", "nova"), ("Nova", "Nova Loja!"), ("Nova", "acme")])
def test_tenant_that_cannot_be_says_why_beside_the_field(
    operator: FlaskClient, acme: TenantScope, name: str, slug: str
) -> None:
    answer = operator.post("/operator/tenants", data={"name": name, "slug": slug})

    assert answer.status_code == 422
    assert answer.text.count('aria-invalid="true"') == 1


def test_page_shows_units_people_and_days_without_texts_and_numbers(
    operator: FlaskClient, acme: TenantScope, connected_unit: Unit, conversation: Conversation, page: str
) -> None:
    make_user("ana@acme.test")
    make_user("bia@acme.test", role=Role.AGENT, unit_slugs=("jardins",))
    make_message(acme, conversation, body="Segredo de Maria")
    make_message(acme, conversation, body="Resposta", direction=Direction.OUTBOUND)

    shown = operator.get(page).text

    assert "Jardins" in shown
    assert "Connected" in shown
    assert "<dt>Administrators</dt><dd>1</dd>" in shown
    assert "<dt>Agents</dt><dd>1</dd>" in shown
    assert "1 out, 1 in" in shown
    for hidden in (
        "Segredo de Maria",
        "Resposta",
        "Maria",
        "99999-0002",
        "5511999990002",
        "5511999990001",
        "99999-0001",
    ):
        assert hidden not in shown


def test_page_of_another_tenant_shows_nothing_of_this_one(
    operator: FlaskClient, rival: TenantScope, acme: TenantScope, connected_unit: Unit, message: Message
) -> None:
    shown = operator.get(f"/operator/tenants/{rival.tenant_id}").text

    assert "Jardins" not in shown
    assert "None." in shown


def test_operator_suspends_a_company_and_lets_it_go_on(operator: FlaskClient, acme: TenantScope, page: str) -> None:
    assert "Suspend Acme?" in operator.get(f"{page}/suspend").text

    assert operator.post(f"{page}/suspend").location == page

    assert "Suspended. Nothing of this company is sent any more." in operator.get(page).text
    assert "Suspended" in operator.get("/operator/").text
    assert current(acme).suspended_at is not None
    assert operator.post(f"{page}/resume").status_code == 303
    assert current(acme).suspended_at is None


def test_operator_closes_a_company_and_takes_it_back(operator: FlaskClient, acme: TenantScope, page: str) -> None:
    assert "Close Acme?" in operator.get(f"{page}/close").text

    assert operator.post(f"{page}/close", data={"days": "45"}).status_code == 303

    closed = current(acme)
    assert closed.closed_at is not None
    assert closed.erase_at == closed.closed_at + timedelta(days=45)
    assert "Take the closing back" in operator.get(page).text
    assert operator.post(f"{page}/reopen").status_code == 303
    assert current(acme).closed_at is None


@pytest.mark.parametrize("days", ["", "3", "91", "soon"])
def test_impossible_days_say_so_beside_the_field(
    operator: FlaskClient, acme: TenantScope, page: str, days: str
) -> None:
    answer = operator.post(f"{page}/close", data={"days": days})

    assert answer.status_code == 422
    assert "Give a number of days from 7 to 90." in answer.text
    assert current(acme).closed_at is None


def test_operator_types_the_short_name_to_erase_now(operator: FlaskClient, acme: TenantScope, page: str) -> None:
    operator.post(f"{page}/close", data={"days": "30"})

    wrong = operator.post(f"{page}/erase", data={"slug": "rival"})
    assert wrong.status_code == 422
    assert "This is not the company" in wrong.text
    assert current(acme).erase_at > now() + timedelta(days=29)  # type: ignore[operator]

    assert operator.post(f"{page}/erase", data={"slug": "acme"}).status_code == 303
    assert current(acme).erase_at <= now()  # type: ignore[operator]


def test_company_that_goes_on_is_not_erased(operator: FlaskClient, acme: TenantScope, page: str) -> None:
    assert operator.post(f"{page}/erase", data={"slug": "acme"}).status_code == 409

    assert current(acme).erase_at is None


@pytest.mark.parametrize("step", ["suspend", "resume", "close", "reopen", "erase"])
def test_each_step_asks_again_who_it_is(operator: FlaskClient, acme: TenantScope, page: str, step: str) -> None:
    let_confirmation_pass()
    before = current(acme)

    answer = operator.post(f"{page}/{step}", data={"days": "30", "slug": "acme"})

    assert answer.status_code == 303
    assert answer.location.startswith("/confirm")
    after = current(acme)
    assert (after.suspended_at, after.closed_at) == (before.suspended_at, before.closed_at)


def test_tenant_that_is_not_there_is_a_404(operator: FlaskClient) -> None:
    assert operator.get(f"/operator/tenants/{uuid4()}").status_code == 404


def test_suspended_companys_people_are_told_on_every_page_and_can_sign_out(
    admin: FlaskClient, acme: TenantScope, unit: Unit
) -> None:
    tenants.suspend(acme.tenant_id, by=NOBODY)

    for path in (
        "/t/acme/",
        "/t/acme/conversations",
        "/t/acme/units/centro",
        "/t/acme/settings/data",
        "/t/acme/export",
    ):
        answer = admin.get(path)
        assert (path, answer.status_code) == (path, 403)
        assert "account is suspended" in answer.text
    assert 'action="/logout"' in admin.get("/t/acme/").text
    assert admin.get("/account").status_code == 200
    assert admin.post("/logout").status_code == 303


def test_suspended_companys_people_change_nothing(admin: FlaskClient, acme: TenantScope) -> None:
    tenants.suspend(acme.tenant_id, by=NOBODY)

    assert admin.post("/t/acme/units", data={"name": "Nova", "slug": "nova"}).status_code == 403


def test_operators_still_get_in(operator: FlaskClient, acme: TenantScope, unit: Unit) -> None:
    tenants.suspend(acme.tenant_id, by=NOBODY)

    assert operator.get("/t/acme/").status_code == 200


def test_api_says_suspended_to_tokens_of_people_and_of_programs(
    visitor: FlaskClient, acme: TenantScope, unit: Unit
) -> None:
    make_user("ana@acme.test")
    signed_in = visitor.post("/admin/login", json={"email": "ana@acme.test", "password": "correct horse battery"})
    tokens = [signed_in.json["accessToken"], make_api_token(acme)]  # type: ignore[index]
    tenants.suspend(acme.tenant_id, by=NOBODY)

    for token in tokens:
        for path in ("/admin/units", f"/units/{unit.id}/whatsapp/status", "/messages"):
            answer = visitor.get(path, headers={"Authorization": f"Bearer {token}"})
            assert (path, answer.status_code) == (path, 403)
            assert answer.json["error"]["code"] == "suspended"  # type: ignore[index]


def test_api_token_sends_nothing_for_a_suspended_company(
    visitor: FlaskClient, acme: TenantScope, connected_unit: Unit
) -> None:
    token = make_api_token(acme)
    tenants.suspend(acme.tenant_id, by=NOBODY)

    body = {"phone": "11988880001", "message": "Oi", "unitId": str(connected_unit.id)}
    answer = visitor.post("/messages", json=body, headers={"Authorization": f"Bearer {token}"})

    assert answer.status_code == 403
    with across_tenants("a test looks at what was written"):
        assert db.session.query(Message).count() == 0


def test_closed_companys_administrator_is_led_to_the_export_from_every_page(
    admin: FlaskClient, acme: TenantScope
) -> None:
    tenants.close(acme.tenant_id, days=30, by=NOBODY)

    assert admin.get("/t/acme/").location == "/t/acme/export"
    assert admin.get("/t/acme/conversations").location == "/t/acme/export"
    shown = admin.get("/t/acme/export").text
    assert "account is closed" in shown
    assert 'href="/t/acme/conversations"' not in shown
    assert admin.post("/t/acme/units", data={"name": "Nova", "slug": "nova"}).status_code == 403


def test_closed_companys_agent_gets_nowhere(acme: TenantScope, unit: Unit, browser: OpenBrowser) -> None:
    agent = browser(make_user("bia@acme.test", role=Role.AGENT, unit_slugs=("centro",)))
    tenants.close(acme.tenant_id, days=30, by=NOBODY)

    assert agent.get("/t/acme/").status_code == 403
    assert agent.get("/t/acme/export").status_code == 403


def test_closed_company_is_no_door_to_another(admin: FlaskClient, acme: TenantScope, rival: TenantScope) -> None:
    tenants.close(acme.tenant_id, days=30, by=NOBODY)

    assert admin.get("/t/rival/").status_code == 404
    assert admin.get("/t/rival/export").status_code == 404


def test_story_of_a_waiting_message_says_that_the_company_is_suspended(
    operator: FlaskClient, acme: TenantScope, message: Message
) -> None:
    assert message.status == MessageStatus.QUEUED
    tenants.suspend(acme.tenant_id, by=NOBODY)
    with acting_for(acme), atomic():
        acme.add(AccessGrant(reason="Why does it wait?", expires_at=now() + timedelta(hours=1)))

    assert "The company is suspended since" in operator.get(f"/t/acme/messages/{message.id}").text

    tenants.resume(acme.tenant_id, by=NOBODY)
    assert "The company is suspended since" not in operator.get(f"/t/acme/messages/{message.id}").text
