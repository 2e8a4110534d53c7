"""The operator's pages of people: finding them, and shutting out, letting in and helping whoever it is."""

import re
from datetime import timedelta
from typing import Any

import pytest
from flask.testing import FlaskClient
from sqlalchemy import select, update

from portal.clock import now
from portal.db import atomic, db
from portal.errors import Conflict
from portal.models import AccountLink, AuditEvent, LinkKind, RecoveryCode, Tenant, User, UserSession
from portal.permissions import Role
from portal.queries.people import PAGE as MOST
from portal.services import accounts, people
from portal.services.audit import Actor
from portal.tenancy import TenantScope, across_tenants
from tests.factories import PASSWORD, make_user
from tests.web.conftest import OpenBrowser

PEOPLE = "/operator/people"
LINK = re.compile(r"http://portal\.test/(invitation|password-reset)/[\w-]{40,}")


@pytest.fixture
def ana(acme: TenantScope) -> User:
    return make_user("ana@acme.test")


@pytest.fixture
def otto(operator: FlaskClient) -> User:
    """The second operator."""
    return make_user("otto@portal.test", role=Role.SUPER_ADMIN, tenant=None)


@pytest.fixture
def boss(acme: TenantScope) -> User:
    """Another administrator of the company, who decides when an operator may not."""
    return make_user("boss@acme.test")


def page_of(user: User, act: str = "") -> str:
    return f"{PEOPLE}/{user.id}{act and '/' + act}"


def read(user: User) -> User:
    with across_tenants("a test looks"):
        return db.session.scalars(
            select(User).where(User.id == user.id).execution_options(populate_existing=True)
        ).one()


def me() -> User:
    with across_tenants("a test looks"):
        return db.session.scalars(select(User).where(User.email == "operator@portal.test")).one()


def set_columns(user: User, **columns: Any) -> None:
    with across_tenants("a test prepares"), atomic():
        db.session.execute(update(User).where(User.id == user.id).values(columns))


def log_of(user: User, action: str) -> list[AuditEvent]:
    with across_tenants("a test looks"):
        told = select(AuditEvent).where(AuditEvent.subject_id == user.id, AuditEvent.action == action)
        return list(db.session.scalars(told))


def listed(page: str) -> list[str]:
    return re.findall(r"<strong>([^<]+@[^<]+)</strong>", page)


def test_list_has_everybody_and_finds_them_by_address_and_company(
    operator: FlaskClient, acme: TenantScope, rival: TenantScope, ana: User
) -> None:
    make_user("ana_maria@rival.test", tenant="rival")
    everybody = ["ana@acme.test", "ana_maria@rival.test", "operator@portal.test"]
    wanted = {
        "": everybody,
        "?email=ANA": everybody[:2],
        "?email=ana_": everybody[1:2],
        "?email=%25": [],
        "?email=%00ana@": everybody[:1],
        "?tenant=acme": everybody[:1],
        "?tenant=-": everybody[2:],
        "?tenant=nowhere": [],
        "?email=ana&tenant=rival": everybody[1:2],
    }

    found = {asked: listed(operator.get(PEOPLE + asked).text) for asked in wanted}

    assert found == wanted
    assert f'href="{PEOPLE}"' in operator.get("/operator/").text


def test_long_list_is_told_in_pages_each_person_once(operator: FlaskClient, acme: TenantScope) -> None:
    emails = [f"p{number:03}@acme.test" for number in range(MOST + 2)]
    with across_tenants("a test prepares"), atomic():
        db.session.add_all(User(email=email, tenant_id=acme.tenant_id, role=Role.TENANT_ADMIN) for email in emails)

    first = operator.get(f"{PEOPLE}?tenant=acme").text
    (older,) = re.findall(r'href="([^"]*after=[^"]*)"', first)
    second = operator.get(older.replace("&amp;", "&")).text

    assert listed(first) + listed(second) == emails
    assert "Next people" not in second


def test_page_tells_of_a_person_what_is_known_and_no_secret(
    operator: FlaskClient, acme: TenantScope, ana: User, browser: OpenBrowser
) -> None:
    browser(ana)
    browser(ana)
    account = accounts.find_account(ana.id)
    assert account is not None
    accounts.issue_tokens(account)
    with across_tenants("a test lets time pass"), atomic():
        one = select(UserSession.id).where(UserSession.user_id == ana.id).limit(1).scalar_subquery()
        db.session.execute(update(UserSession).where(UserSession.id == one).values(used_at=now() - timedelta(days=8)))
    set_columns(ana, totp_since=now(), totp_secret_encrypted="a-kept-secret")

    page = operator.get(page_of(ana)).text

    for words in ("ana@acme.test", "Administrator", "Acme", "1 browser, 1 program", "Last sign-in", "Active"):
        assert words in page
    assert re.search(r"Second factor</dt><dd>Yes", page)
    assert "a-kept-secret" not in page
    assert str(read(ana).password_hash) not in page


def test_agents_units_stand_on_their_page(operator: FlaskClient, acme: TenantScope, unit: object) -> None:
    agent = make_user("agent@acme.test", role=Role.AGENT, unit_slugs=("centro",))

    page = operator.get(page_of(agent)).text

    assert re.search(r"Units</dt><dd>Centro", page)
    assert "Never" in page


def test_whoever_is_shut_out_is_nowhere_signed_in_and_comes_back_with_their_password(
    operator: FlaskClient, ana: User, boss: User, browser: OpenBrowser
) -> None:
    hers = browser(ana)
    question = operator.get(page_of(ana, "disable")).text
    answer = operator.post(page_of(ana, "disable"), follow_redirects=True)
    shut_out = (hers.get("/t/acme/").status_code, accounts.sign_in(ana.email, PASSWORD))
    browser(boss).post(f"/t/acme/members/{ana.id}/enable")

    assert "Shut this person out?" in question
    assert "The person is shut out" in answer.text
    assert shut_out == (302, None)
    assert accounts.sign_in(ana.email, PASSWORD) is not None
    assert hers.get("/t/acme/").status_code == 302


def test_what_is_done_to_a_companys_person_stands_in_both_logs(
    operator: FlaskClient, acme: TenantScope, ana: User, boss: User
) -> None:
    operator.post(page_of(ana, "disable"))

    events = log_of(ana, "member.disabled")

    assert {event.tenant_id for event in events} == {acme.tenant_id, None}
    assert {event.user_id for event in events} == {me().id}


def test_link_to_a_new_password_is_shown_once_and_works(operator: FlaskClient, visitor: FlaskClient, ana: User) -> None:
    answer = operator.post(page_of(ana, "link"), data={"by": "hand"})
    (found,) = {match[0] for match in LINK.finditer(answer.text)}

    assert (answer.status_code, answer.headers["Cache-Control"]) == (201, "no-store")
    assert found.startswith("http://portal.test/password-reset/")
    assert visitor.get(found.removeprefix("http://portal.test")).status_code == 200
    assert LINK.search(operator.get(page_of(ana)).text) is None
    assert found.rpartition("/")[2] not in str([event.after for event in log_of(ana, "member.link_made")])


def test_link_does_not_go_by_mail_without_a_mail_server(operator: FlaskClient, ana: User) -> None:
    answer = operator.post(page_of(ana, "link"), data={"by": "mail"})

    assert answer.status_code == 409
    assert "Send a link by e-mail" not in operator.get(page_of(ana)).text


def test_another_operator_is_invited_and_chooses_a_password(operator: FlaskClient, visitor: FlaskClient) -> None:
    answer = operator.post(PEOPLE, data={"email": " New@Portal.test"})
    match = LINK.search(answer.text)
    assert match is not None
    password = "four words that nobody says"
    chosen = visitor.post(match[0].removeprefix("http://portal.test"), data={"password": password, "again": password})
    account = accounts.sign_in("new@portal.test", password)

    assert (answer.status_code, match[1]) == (201, "invitation")
    assert chosen.status_code == 303
    assert account is not None
    assert (account.role, account.tenant_id) == (Role.SUPER_ADMIN, None)


@pytest.mark.parametrize("email", ["", "nonsense", "x" * 250 + "@a.test", "a\x00@b.test", "ana@acme.test"])
def test_address_that_is_none_or_taken_is_not_invited(operator: FlaskClient, ana: User, email: str) -> None:
    answer = operator.post(PEOPLE, data={"email": email})

    assert answer.status_code == 422
    assert 'id="email-error"' in answer.text
    with across_tenants("a test looks"):
        assert len(db.session.scalars(select(User)).all()) == 2


def test_second_factor_is_removed_with_a_reason_and_all_sign_ins_end(
    operator: FlaskClient, ana: User, browser: OpenBrowser
) -> None:
    hers = browser(ana)
    set_columns(ana, totp_since=now(), totp_secret_encrypted="kept", totp_last_step=1)
    with across_tenants("a test prepares"), atomic():
        db.session.add(RecoveryCode(tenant_id=ana.tenant_id, user_id=ana.id, code_hash="0" * 64))

    without = operator.post(page_of(ana, "second-factor"), data={"reason": " "})
    still_on = read(ana).totp_since is not None
    done = operator.post(page_of(ana, "second-factor"), data={"reason": "Called back"})

    assert (without.status_code, 'id="reason-error"' in without.text, still_on) == (422, True, True)
    assert done.status_code == 303
    user = read(ana)
    assert (user.totp_since, user.totp_secret_encrypted, user.totp_last_step) == (None, None, None)
    with across_tenants("a test looks"):
        assert db.session.scalars(select(RecoveryCode)).all() == []
    assert hers.get("/t/acme/").status_code == 302
    assert [event.after for event in log_of(ana, "member.second_factor_removed")] == [{"reason": "Called back"}] * 2
    assert operator.post(page_of(ana, "second-factor"), data={"reason": "Again"}).status_code == 409


def test_all_that_somebody_is_signed_in_with_ends(operator: FlaskClient, ana: User, browser: OpenBrowser) -> None:
    hers = browser(ana)
    account = accounts.find_account(ana.id)
    assert account is not None
    token = accounts.issue_tokens(account).access

    answer = operator.post(page_of(ana, "sign-out"), follow_redirects=True)

    assert "3 sign-ins were ended." in answer.text
    assert hers.get("/t/acme/").status_code == 302
    assert accounts.account_of_token(token) is None


@pytest.mark.parametrize("act", ["disable", "enable", "sign-out", "link", "second-factor"])
def test_nobody_does_it_to_themselves(operator: FlaskClient, otto: User, act: str) -> None:
    answer = operator.post(page_of(me(), act), data={"reason": "I lost it"})

    assert answer.status_code == 409
    assert operator.get(PEOPLE).status_code == 200
    assert "This is you." in operator.get(page_of(me())).text


def test_last_operator_who_can_sign_in_is_not_shut_out(operator: FlaskClient, otto: User) -> None:
    # Whoever was invited, and whoever is shut out, could let nobody in.
    set_columns(otto, password_hash=None)

    with pytest.raises(Conflict):
        people.disable(me().id, by=Actor(otto.id))
    set_columns(otto, password_hash="kept", disabled_at=now())
    with pytest.raises(Conflict):
        people.disable(me().id, by=Actor(otto.id))

    assert me().disabled_at is None


def test_one_of_two_operators_may_be_shut_out(operator: FlaskClient, otto: User) -> None:
    assert operator.post(page_of(otto, "disable")).status_code == 303
    assert read(otto).disabled_at is not None
    assert {event.tenant_id for event in log_of(otto, "member.disabled")} == {None}


def test_links_of_whoever_is_shut_out_work_no_more(operator: FlaskClient, ana: User, boss: User) -> None:
    operator.post(page_of(ana, "link"), data={"by": "hand"})
    operator.post(page_of(ana, "disable"))

    with across_tenants("a test looks"):
        (link,) = db.session.scalars(select(AccountLink).where(AccountLink.user_id == ana.id)).all()
    assert (link.kind, link.revoked_at is not None) == (LinkKind.PASSWORD_RESET, True)
    assert operator.post(page_of(ana, "link"), data={"by": "hand"}).status_code == 409


def test_last_administrator_of_a_company_is_not_shut_out(operator: FlaskClient, ana: User) -> None:
    # Neither can let anybody in: one has no password yet, the other is shut out.
    set_columns(make_user("invited@acme.test"), password_hash=None)
    set_columns(make_user("gone@acme.test"), disabled_at=now())

    answer = operator.post(page_of(ana, "disable"))

    assert (answer.status_code, "last administrator" in answer.text) == (409, True)
    assert read(ana).disabled_at is None


def test_companys_administrators_decide_who_comes_back(operator: FlaskClient, ana: User, boss: User) -> None:
    operator.post(page_of(ana, "disable"))

    shown, answer = operator.get(page_of(ana)).text, operator.post(page_of(ana, "enable"))

    assert (answer.status_code, "Only an administrator of their company" in answer.text) == (409, True)
    assert "Only an administrator of their company" in shown
    assert "/enable" not in shown
    assert read(ana).disabled_at is not None


def test_operator_lets_in_again_where_no_administrator_can(operator: FlaskClient, ana: User) -> None:
    set_columns(ana, disabled_at=now())

    shown, answer = operator.get(page_of(ana)).text, operator.post(page_of(ana, "enable"))

    assert "/enable" in shown
    assert answer.status_code == 303
    assert read(ana).disabled_at is None


@pytest.mark.parametrize("column", ["erased_at", "erase_at"])
def test_nobody_comes_back_into_an_erased_company(
    operator: FlaskClient, acme: TenantScope, ana: User, column: str
) -> None:
    set_columns(ana, disabled_at=now(), password_hash=None)
    with across_tenants("a test lets time pass"), atomic():
        gone = {"suspended_at": now(), "closed_at": now(), column: now() - timedelta(seconds=1)}
        db.session.execute(update(Tenant).where(Tenant.id == acme.tenant_id).values(gone))
    pages = (page_of(ana, "enable"), page_of(ana, "link"))
    pages += (f"/t/acme/members/{ana.id}/enable", f"/t/acme/members/{ana.id}/link", "/t/acme/members")

    answers = [operator.post(page, data={"email": "new@acme.test", "role": "tenant_admin"}) for page in pages]

    assert [(answer.status_code, "was erased" in answer.text) for answer in answers] == [(409, True)] * 5
    assert read(ana).disabled_at is not None


def test_links_that_an_operator_made_end_with_the_operator(operator: FlaskClient, otto: User, ana: User) -> None:
    people.make_link(ana.id, by_mail=False, by=Actor(otto.id))
    people.make_link(make_user("bea@acme.test").id, by_mail=False, by=Actor(me().id))

    operator.post(page_of(otto, "disable"))

    with across_tenants("a test looks"):
        links = db.session.scalars(select(AccountLink).execution_options(populate_existing=True)).all()
    assert {link.created_by_id: link.revoked_at is not None for link in links} == {otto.id: True, me().id: False}


def test_whoever_did_not_give_the_password_lately_is_asked_for_it_first(operator: FlaskClient, ana: User) -> None:
    with across_tenants("a test lets time pass"), atomic():
        db.session.execute(update(UserSession).values(confirmed_at=now() - timedelta(hours=1)))
    acts = ("disable", "enable", "sign-out", "link", "second-factor")

    answers = [operator.post(page_of(ana, act), data={"reason": "x"}) for act in acts]
    answers += [operator.get(f"{PEOPLE}/new"), operator.post(PEOPLE, data={"email": "new@portal.test"})]

    assert {answer.location.partition("?")[0] for answer in answers} == {"/confirm"}
    assert read(ana).disabled_at is None


def test_person_who_is_none_is_not_found(operator: FlaskClient, ana: User) -> None:
    nobody = f"{PEOPLE}/01900000-0000-7000-8000-000000000000"

    assert operator.get(nobody).status_code == 404
    assert operator.post(f"{nobody}/disable").status_code == 404


def test_people_of_a_company_do_not_see_these_pages(admin: FlaskClient, ana: User) -> None:
    assert admin.get(PEOPLE).status_code == 403
    assert admin.get(page_of(ana)).status_code == 403
    assert admin.post(page_of(ana, "disable")).status_code == 403
