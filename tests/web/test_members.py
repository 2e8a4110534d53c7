"""The team's pages: the list, an invitation up to the first sign-in, and what is done about a person."""

import re
from collections.abc import Iterator
from dataclasses import replace
from datetime import timedelta
from urllib.parse import urlsplit

import pytest
from flask.testing import FlaskClient
from werkzeug.test import TestResponse

from portal.background.mail import Mails
from portal.clock import now
from portal.db import atomic, db
from portal.extensions import parts
from portal.models import AccountLink, Unit, User, UserSession
from portal.permissions import Role
from portal.queries.members import MemberRow, list_members
from portal.services import accounts
from portal.tenancy import TenantScope, acting_for
from tests.factories import PASSWORD, make_unit, make_user
from tests.mail_server import MailServer, running
from tests.web.conftest import OpenBrowser
from tests.web.htmx import poll

TEAM = "/t/acme/members"
LINK = re.compile(r'value="(http://portal\.test/(?:invitation|password-reset)/[\w-]{43})"')
NEW = "four words nobody knows"


@pytest.fixture
def second_unit(acme: TenantScope, unit: Unit) -> Unit:
    return make_unit(acme, "praia")


@pytest.fixture
def agent(acme: TenantScope, unit: Unit) -> User:
    return make_user("agent@acme.test", role=Role.AGENT, unit_slugs=("centro",))


@pytest.fixture
def page(agent: User) -> str:
    return f"{TEAM}/{agent.id}"


@pytest.fixture
def mail_server(monkeypatch: pytest.MonkeyPatch) -> Iterator[MailServer]:
    with running(MailServer()) as server:
        server.use(monkeypatch)
        yield server


def invite(client: FlaskClient, **changes: object) -> TestResponse:
    return client.post(TEAM, data={"email": "ana@acme.test", "role": "tenant_admin", **changes})


def members_of(scope: TenantScope) -> dict[str, MemberRow]:
    with acting_for(scope):
        return {row.user.email: row for row in list_members(scope)}


def path_in(answer: TestResponse) -> str:
    """The address of the link that this page shows, without the portal's own name."""
    (address,) = LINK.findall(answer.text)
    return urlsplit(address).path


def errors_in(answer: TestResponse) -> set[str]:
    return set(re.findall(r'id="([a-z_]+)-error"', answer.text))


def checked_in(answer: TestResponse) -> set[str]:
    return set(re.findall(r'value="([^"]*)"[^>]*\schecked', answer.text))


def forget_who_asks(scope: TenantScope) -> None:
    """Let everybody's sign-in be a while ago."""
    with acting_for(scope), atomic():
        db.session.execute(scope.update(UserSession).values(confirmed_at=now() - timedelta(hours=1)))


def test_invited_agent_gets_in_and_sees_their_units_only(
    acme: TenantScope, admin: FlaskClient, second_unit: Unit, visitor: FlaskClient
) -> None:
    answer = invite(admin, role="agent", units=[str(second_unit.id)])
    link = path_in(answer)
    form = visitor.get(link)
    chosen = visitor.post(link, data={"password": NEW, "again": NEW}, follow_redirects=True)
    visitor.post("/login", data={"email": "ana@acme.test", "password": NEW})
    units = visitor.get("/t/acme/").text

    assert (answer.status_code, answer.headers["Cache-Control"]) == (201, "no-store")
    assert 'value="ana@acme.test"' in form.text
    assert chosen.request.path == "/login"
    assert "Your password is set" in chosen.text
    assert "Praia" in units
    assert "Centro" not in units
    assert visitor.get(TEAM).status_code == 403
    assert visitor.get(link).status_code == 410


def test_link_is_shown_once(admin: FlaskClient, caplog: pytest.LogCaptureFixture) -> None:
    token = path_in(invite(admin)).rpartition("/")[2]

    assert token not in admin.get(TEAM).text
    assert token not in caplog.text
    with admin.session_transaction() as session:
        assert token not in str(dict(session))


def test_list_says_who_is_there_and_how_they_stand(
    acme: TenantScope, admin: FlaskClient, agent: User, second_unit: Unit
) -> None:
    invite(admin, email="new@acme.test", role="agent", units=[str(second_unit.id)])
    make_user("idle@acme.test", role=Role.AGENT)

    page = admin.get(TEAM).text

    for words in ("Administrator", "Agent", "All units", "Centro", "Praia", "Active", "Invited", "Not lately"):
        assert words in page
    assert "None: sees nothing" in page
    assert page.index("admin@acme.test") < page.index("agent@acme.test") < page.index("new@acme.test")


def test_wrong_fields_are_named_and_what_was_typed_is_kept(admin: FlaskClient, second_unit: Unit) -> None:
    nothing = invite(admin, email="<ana>", role="agent")
    no_role = invite(admin, email="ana", role="super_admin", units=[str(second_unit.id)])

    assert (nothing.status_code, errors_in(nothing)) == (422, {"email", "units"})
    assert 'value="&lt;ana&gt;"' in nothing.text
    assert checked_in(nothing) == {"agent"}
    assert (no_role.status_code, errors_in(no_role)) == (422, {"email", "role"})
    assert checked_in(no_role) == {str(second_unit.id)}


def test_address_that_is_taken_elsewhere_says_no_more_than_that(admin: FlaskClient, rival: TenantScope) -> None:
    make_user("eva@rival.test", tenant="rival")

    answer = invite(admin, email="Eva@rival.test")

    assert (answer.status_code, errors_in(answer)) == (422, {"email"})
    assert "already has an account" in answer.text
    assert "Rival" not in answer.text


def test_units_that_an_administrator_was_given_mean_nothing(acme: TenantScope, admin: FlaskClient, unit: Unit) -> None:
    assert invite(admin, units=[str(unit.id)]).status_code == 201
    assert members_of(acme)["ana@acme.test"].units == []


@pytest.mark.parametrize("unit_id", ["nonsense", "00000000-0000-0000-0000-000000000000"])
def test_unit_that_is_none_is_nowhere(admin: FlaskClient, page: str, unit_id: str) -> None:
    assert invite(admin, role="agent", units=[unit_id]).status_code == 404
    assert admin.post(page, data={"role": "agent", "units": [unit_id]}).status_code == 404


def test_role_and_units_are_changed(acme: TenantScope, admin: FlaskClient, page: str, second_unit: Unit) -> None:
    before = admin.get(page)
    answer = admin.post(page, data={"role": "agent", "units": [str(second_unit.id)]}, follow_redirects=True)

    assert "Saved. It holds at once." in answer.text
    assert "agent" in checked_in(before)
    assert checked_in(answer) == {"agent", str(second_unit.id)}
    assert [unit.slug for unit in members_of(acme)["agent@acme.test"].units] == ["praia"]


def test_agent_without_a_unit_is_refused(acme: TenantScope, admin: FlaskClient, page: str) -> None:
    answer = admin.post(page, data={"role": "agent"})

    assert (answer.status_code, errors_in(answer)) == (422, {"units"})
    assert [unit.slug for unit in members_of(acme)["agent@acme.test"].units] == ["centro"]


def test_shutting_out_is_asked_first_and_holds_at_once(
    admin: FlaskClient, agent: User, page: str, browser: OpenBrowser
) -> None:
    theirs = browser(agent)
    was_in = theirs.get("/t/acme/").status_code
    question = admin.get(f"{page}/disable")
    answer = admin.post(f"{page}/disable", follow_redirects=True)
    is_out = theirs.get("/t/acme/").status_code
    again = admin.post(f"{page}/enable", follow_redirects=True)

    assert "Shut this person out?" in question.text
    assert "signed in nowhere any more" in answer.text
    assert (was_in, is_out, theirs.get("/t/acme/").status_code) == (200, 302, 302)
    assert "may sign in again" in again.text
    assert accounts.sign_in("agent@acme.test", PASSWORD) is not None


def test_signing_out_everywhere_says_how_much_ended(
    admin: FlaskClient, agent: User, page: str, browser: OpenBrowser
) -> None:
    theirs = browser(agent)

    answer = admin.post(f"{page}/sign-out", follow_redirects=True)

    assert "1 sign-in was ended." in answer.text
    assert theirs.get("/t/acme/").status_code == 302


def test_link_to_a_new_password_is_handed_over_by_hand(admin: FlaskClient, page: str, visitor: FlaskClient) -> None:
    link = path_in(admin.post(f"{page}/link", data={"by": "hand"}))
    still_works = accounts.sign_in("agent@acme.test", PASSWORD) is not None
    visitor.post(link, data={"password": NEW, "again": NEW})

    assert link.startswith("/password-reset/")
    assert still_works
    assert accounts.sign_in("agent@acme.test", NEW) is not None
    assert "Used" in admin.get(page).text


def test_last_administrator_is_kept(operator: FlaskClient, acme: TenantScope, unit: Unit) -> None:
    page = f"{TEAM}/{make_user('boss@acme.test').id}"

    answers = [
        operator.post(page, data={"role": "agent", "units": [str(unit.id)]}),
        operator.post(f"{page}/disable"),
    ]

    assert [answer.status_code for answer in answers] == [409, 409]
    assert "last administrator" in answers[1].text


def test_operator_lets_nobody_into_a_company_that_has_administrators(
    operator: FlaskClient, acme: TenantScope, agent: User
) -> None:
    make_user("boss@acme.test")
    before = members_of(acme).keys()

    answers = [invite(operator), operator.post(f"{TEAM}/{agent.id}", data={"role": "tenant_admin"})]

    assert [answer.status_code for answer in answers] == [409, 409]
    assert "administrators of its own" in answers[0].text
    assert members_of(acme).keys() == before
    assert members_of(acme)["agent@acme.test"].user.role == Role.AGENT


def test_nobody_changes_themselves(acme: TenantScope, admin: FlaskClient) -> None:
    make_user("other@acme.test")
    page = f"{TEAM}/{members_of(acme)['admin@acme.test'].user.id}"

    shown = admin.get(page).text
    answers = [admin.post(f"{page}{act}").status_code for act in ("/disable", "/enable", "/sign-out", "/link")]

    assert "This is you." in shown
    assert "<form" not in shown.split("<main")[1]
    assert answers == [409] * 4
    assert admin.post(page, data={"role": "tenant_admin"}).status_code == 409


def test_operator_invites_the_first_administrator(operator: FlaskClient, acme: TenantScope) -> None:
    empty = operator.get(TEAM).text
    answer = invite(operator)

    assert "Nobody yet" in empty
    assert answer.status_code == 201
    assert members_of(acme)["ana@acme.test"].user.role == Role.TENANT_ADMIN


def test_operator_brings_in_one_person_and_no_second_beside(operator: FlaskClient, acme: TenantScope) -> None:
    invite(operator)
    first = members_of(acme)["ana@acme.test"].user

    second = operator.post(TEAM, data={"email": "me@portal.test", "role": "tenant_admin"})
    again = operator.post(f"{TEAM}/{first.id}/link", data={"by": "hand"})
    operator.post(f"{TEAM}/{first.id}/disable")
    instead = operator.post(TEAM, data={"email": "ann@acme.test", "role": "tenant_admin"})

    assert (second.status_code, "invited already" in second.text) == (409, True)
    # The same one once more; or another one, once the address that was mistyped is of no use.
    assert (again.status_code, instead.status_code) == (201, 201)
    assert members_of(acme).keys() == {"ana@acme.test", "ann@acme.test"}


def test_administrators_who_are_shut_out_still_keep_operators_from_letting_anybody_in(
    operator: FlaskClient, acme: TenantScope
) -> None:
    make_user("boss@acme.test")
    with acting_for(acme), atomic():
        db.session.execute(acme.update(User).values(disabled_at=now()))

    assert invite(operator).status_code == 409
    assert members_of(acme).keys() == {"boss@acme.test"}


def test_agent_finds_no_team(agent: User, browser: OpenBrowser) -> None:
    client = browser(agent)

    assert client.get(TEAM).status_code == 403
    assert TEAM not in client.get("/t/acme/").text


def test_administrator_finds_the_team_in_the_navigation(admin: FlaskClient) -> None:
    assert f'href="{TEAM}"' in admin.get("/t/acme/").text


@pytest.mark.parametrize("act", ["", "/disable", "/enable", "/sign-out", "/link"])
def test_person_of_another_company_is_nowhere(admin: FlaskClient, rival: TenantScope, act: str) -> None:
    stranger = make_user("eva@rival.test", tenant="rival")

    assert admin.post(f"{TEAM}/{stranger.id}{act}", data={"role": "tenant_admin"}).status_code == 404
    assert admin.get(f"{TEAM}/{stranger.id}").status_code == 404


@pytest.mark.parametrize("act", ["", "/disable", "/enable", "/sign-out", "/link"])
def test_what_is_dangerous_asks_who_it_is(acme: TenantScope, admin: FlaskClient, agent: User, act: str) -> None:
    page = f"{TEAM}/{agent.id}"
    forget_who_asks(acme)

    answer = admin.post(f"{page}{act}", data={"role": "tenant_admin", "by": "hand"})

    assert answer.status_code == 303
    assert "/confirm" in answer.location
    row = members_of(acme)["agent@acme.test"]
    assert (row.user.role, row.user.disabled_at, row.link) == (Role.AGENT, None, None)


def test_inviting_asks_who_it_is(acme: TenantScope, admin: FlaskClient) -> None:
    forget_who_asks(acme)

    answers = [admin.get(f"{TEAM}/new"), invite(admin)]

    assert [answer.status_code for answer in answers] == [303, 303]
    assert list(members_of(acme)) == ["admin@acme.test"]


def test_invitation_goes_by_mail_and_the_page_says_how_far(admin: FlaskClient, mail_server: MailServer) -> None:
    answer = invite(admin, follow_redirects=True)
    page = admin.get(answer.location).text
    Mails().work()
    part = poll(admin, page, "member-link").text

    assert answer.status_code == 303
    assert "Being sent" in page
    assert "Sent by e-mail" in part
    assert "hx-get" not in part
    assert mail_server.mails[0].recipients == ["ana@acme.test"]


def test_page_says_why_a_mail_could_not_be_sent_and_shows_the_link_instead(
    admin: FlaskClient, mail_server: MailServer, visitor: FlaskClient
) -> None:
    mail_server.answers["RCPT"] = "550 who is that"
    answer = invite(admin)
    Mails().work()
    page = admin.get(answer.location).text
    link = path_in(admin.post(f"{answer.location}/link", data={"by": "hand"}))

    assert "The e-mail could not be sent" in page
    assert "The mail server refuses this e-mail address." in page
    assert "who is that" not in page
    assert "Show the link instead" in page
    assert visitor.get(link).status_code == 200


def test_invitation_is_sent_again(acme: TenantScope, admin: FlaskClient, mail_server: MailServer) -> None:
    answer = invite(admin)
    again = [admin.post(f"{answer.location}/link", data={"by": "mail"}).status_code for _ in range(3)]
    while Mails().work():
        pass

    assert again == [303, 303, 409]
    # Those before were replaced while they waited.
    assert len(mail_server.mails) == 1


def test_without_a_mail_server_nothing_can_be_sent(admin: FlaskClient, page: str) -> None:
    shown = admin.get(page).text
    answer = admin.post(f"{page}/link", data={"by": "mail"})

    assert "Send a link by e-mail" not in shown
    assert answer.status_code == 409
    assert "This portal sends no e-mail." in answer.text


def test_mail_that_waits_for_a_server_that_is_gone_can_still_be_shown(
    acme: TenantScope, admin: FlaskClient, mail_server: MailServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    answer = invite(admin)
    monkeypatch.setattr(parts, "config", replace(parts.config, smtp_url=""))

    shown = admin.post(f"{answer.location}/link", data={"by": "hand"})

    assert path_in(shown).startswith("/invitation/")
    with acting_for(acme):
        waiting = acme.select(AccountLink).where(AccountLink.revoked_at.is_(None), AccountLink.token_hash.is_(None))
        assert db.session.scalars(waiting).all() == []
