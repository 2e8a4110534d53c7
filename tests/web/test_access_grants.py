"""A company lets operators read: the page, what they see then, what they still may not, and the end of it."""

from datetime import timedelta

import pytest
from flask import Flask
from flask.testing import FlaskClient
from sqlalchemy import select, update
from werkzeug.test import TestResponse

from portal.clock import now
from portal.db import atomic, db
from portal.models import AccessGrant, AuditEvent, Conversation, Media, MessageKind, UserSession
from portal.permissions import ALLOWED, ALLOWED_BY_GRANT, Role
from portal.tenancy import TenantScope, across_tenants
from tests.architecture.walk import access_of, address, apart, everything, methods
from tests.companies import Company, make_company, make_token
from tests.factories import make_message, make_remote_media, make_user
from tests.web.conftest import OpenBrowser

PAGE = "/t/acme/access"
TYPED = {"reason": "A fault in <Recife>", "hours": "8"}


@pytest.fixture
def company(database: None) -> Company:
    return apart(make_company("acme"))


@pytest.fixture
def boss(company: Company, browser: OpenBrowser) -> FlaskClient:
    return browser(company.admin)


def give(client: FlaskClient, **changes: str) -> TestResponse:
    return client.post(PAGE, data={**TYPED, **changes})


def grants() -> list[AccessGrant]:
    with across_tenants("a test looks"):
        return list(db.session.scalars(select(AccessGrant).order_by(AccessGrant.id)))


def uses() -> list[AuditEvent]:
    with across_tenants("a test looks"):
        used = select(AuditEvent).where(AuditEvent.action == "access_grant.used").order_by(AuditEvent.id)
        return list(db.session.scalars(used))


def let_pass(hours: int) -> None:
    with across_tenants("a test lets time pass"), atomic():
        db.session.execute(update(AccessGrant).values(expires_at=AccessGrant.expires_at - timedelta(hours=hours)))


def test_company_lets_operators_read_and_ends_it_again(acme: TenantScope, admin: FlaskClient) -> None:
    before, question = admin.get(PAGE).text, admin.get(f"{PAGE}/new")
    answer = give(admin)
    during = admin.get(PAGE).text
    ending = admin.post(f"{PAGE}/end", follow_redirects=True)

    assert "At the moment they may not." in before
    assert 'value="1" checked' in question.text
    assert (answer.status_code, answer.location) == (303, PAGE)
    assert "Operators may read until" in during
    assert "A fault in &lt;Recife&gt;" in during
    assert "Given by admin@acme.test" in during
    assert "From now on operators read nothing any more." in ending.text
    assert "At the moment they may not." in ending.text
    assert grants()[0].revoked_at is not None


def test_everything_wrong_is_said_at_its_field_and_what_was_typed_is_kept(
    acme: TenantScope, admin: FlaskClient
) -> None:
    answer = give(admin, reason="x" * 201, hours="2")

    assert answer.status_code == 422
    assert 'id="reason-error"' in answer.text
    assert 'id="hours-error"' in answer.text
    assert "x" * 201 in answer.text
    assert grants() == []


def test_second_grant_is_refused_while_one_runs(acme: TenantScope, admin: FlaskClient) -> None:
    give(admin)

    again = give(admin, hours="72")

    assert again.status_code == 409
    assert "Operators may read already." in again.text
    assert len(grants()) == 1


def test_whoever_did_not_give_the_password_lately_is_asked_for_it_first(acme: TenantScope, admin: FlaskClient) -> None:
    with across_tenants("a test lets time pass"), atomic():
        db.session.execute(update(UserSession).values(confirmed_at=now() - timedelta(hours=1)))

    answers = [admin.get(f"{PAGE}/new"), give(admin)]

    assert [(answer.status_code, answer.location.partition("?")[0]) for answer in answers] == [(303, "/confirm")] * 2
    assert grants() == []
    assert admin.post(f"{PAGE}/end").location == PAGE


@pytest.mark.parametrize("role", [Role.AGENT, Role.SUPER_ADMIN])
def test_only_the_company_itself_gives_leave(company: Company, browser: OpenBrowser, role: Role) -> None:
    tenant = "acme" if role is Role.AGENT else None
    somebody = browser(make_user("somebody@portal.test", role=role, tenant=tenant))

    answers = [somebody.get(PAGE), somebody.get(f"{PAGE}/new"), give(somebody), somebody.post(f"{PAGE}/end")]

    assert {answer.status_code for answer in answers} == {403}
    assert len(grants()) == 1


def test_every_page_tells_the_companys_administrators_that_operators_may_read(
    company: Company, boss: FlaskClient, browser: OpenBrowser
) -> None:
    told = "the portal's operators may read your messages and numbers"
    agent = browser(company.agent)
    before = boss.get("/t/acme/").text
    give(boss)

    assert told not in before
    assert told in boss.get("/t/acme/").text
    assert told in boss.get("/t/acme/conversations").text
    assert told not in agent.get("/t/acme/").text


def test_operator_reads_what_the_company_lets_them_until_it_ends(
    company: Company, boss: FlaskClient, operator: FlaskClient
) -> None:
    thread = f"/t/acme/conversations/{company.conversation.id}"
    before = operator.get(thread)
    give(boss)
    page = operator.get(thread)
    boss.post(f"{PAGE}/end")
    ended = operator.get(thread)
    give(boss)
    let_pass(hours=8)
    over = operator.get(thread)

    assert "Bom dia" in page.text
    assert "+55 11 99999-0002" in page.text
    assert "This company lets you read until" in page.text
    assert [answer.status_code for answer in (before, page, ended, over)] == [403, 200, 403, 403]


def test_operator_sees_every_page_of_messages_and_campaigns_and_of_no_other_company(
    app: Flask, company: Company, boss: FlaskClient, operator: FlaskClient
) -> None:
    rival = apart(make_company("rival", unit_slug="norte"))
    give(boss)
    rules = [
        rule
        for rule in app.url_map.iter_rules()
        if "tenant_slug" in rule.arguments and access_of(app, rule) in ALLOWED_BY_GRANT and "GET" in methods(rule)
    ]

    own = {rule.endpoint: operator.get(address(app, rule, company)).status_code for rule in rules}
    foreign = {rule.endpoint: operator.get(address(app, rule, rival)).status_code for rule in rules}

    # The newest campaign is a draft, whose pages are for those who may change it.
    assert own == {rule.endpoint: 200 for rule in rules} | {"tenant.campaigns.show": 303}
    assert set(foreign.values()) == {403}


def test_leave_to_read_changes_nothing(app: Flask, company: Company, boss: FlaskClient, operator: FlaskClient) -> None:
    give(boss)
    operator.get("/t/acme/")
    changing = [
        (rule, method)
        for rule in app.url_map.iter_rules()
        for method in methods(rule) - {"GET", "HEAD"}
        if "tenant_slug" in rule.arguments and access_of(app, rule) not in ALLOWED[Role.SUPER_ADMIN]
    ]
    before = everything()

    answers = {rule.endpoint: operator.open(address(app, rule, company), method=method) for rule, method in changing}

    assert {endpoint for endpoint, answer in answers.items() if answer.status_code != 403} == set()
    assert "tenant.media.fetch" in answers
    assert everything() == before


def test_conversation_that_only_an_operator_read_stays_unread(
    company: Company, boss: FlaskClient, operator: FlaskClient
) -> None:
    give(boss)

    page = operator.get(f"/t/acme/conversations/{company.conversation.id}").text
    with across_tenants("a test looks"):
        unread = db.session.scalar(select(Conversation.unread).where(Conversation.id == company.conversation.id))

    assert unread == 1
    assert 'id="composer-text"' not in page


def test_file_that_is_still_at_whatsapp_is_not_offered_to_be_fetched(
    company: Company, boss: FlaskClient, operator: FlaskClient
) -> None:
    media_id = make_remote_media(company.scope)
    message = make_message(company.scope, company.conversation, kind=MessageKind.IMAGE, media_id=media_id)
    thread, load = f"/t/acme/conversations/{company.conversation.id}", f'id="load-{message.id}"'
    give(boss)

    assert load not in operator.get(thread).text
    assert operator.post(f"/t/acme/media/{message.id}/fetch").status_code == 403
    with across_tenants("a test looks"):
        assert db.session.scalar(select(Media.fetch_at).where(Media.id == media_id)) is None
    assert load in boss.get(thread).text


def test_api_knows_no_leave_to_read(app: Flask, company: Company, boss: FlaskClient) -> None:
    give(boss)
    token = make_token(make_user("op@portal.test", role=Role.SUPER_ADMIN, tenant=None))
    rules = [
        rule
        for rule in app.url_map.iter_rules()
        if "tenant_slug" not in rule.arguments and access_of(app, rule) in ALLOWED_BY_GRANT
    ]
    client, headers = app.test_client(), {"Authorization": f"Bearer {token}"}

    answers = {rule.endpoint: client.get(address(app, rule, company), headers=headers) for rule in rules}
    status = client.get(f"/units/{company.unit.id}/whatsapp/status", headers=headers)

    assert {answer.status_code for answer in answers.values()} == {403}
    assert len(answers) > 5
    assert status.json["phone"] == "****0001"


def test_what_an_operator_looks_at_stands_in_the_companys_log_and_on_its_page(
    company: Company, boss: FlaskClient, operator: FlaskClient
) -> None:
    operator.get("/t/acme/")
    give(boss)
    for _ in range(3):
        operator.get("/t/acme/")
    operator.get("/t/acme/contacts")
    operator.get("/t/acme/api-tokens")
    operator.post(f"/t/acme/conversations/{company.conversation.id}/messages", data={"text": "x"})

    page = boss.get(PAGE).text

    assert [event.after["page"] for event in uses()] == ["tenant.units.index", "tenant.contacts.index"]
    assert {event.tenant_id for event in uses()} == {company.scope.tenant_id}
    assert "operator@portal.test · Units" in page
    assert "operator@portal.test · Contacts" in page


def test_company_of_whom_nobody_read_anything_is_told_so(acme: TenantScope, admin: FlaskClient) -> None:
    empty = admin.get(PAGE).text
    give(admin)

    assert "Operators never read anything here." in empty
    assert "No operator read anything." in admin.get(PAGE).text
