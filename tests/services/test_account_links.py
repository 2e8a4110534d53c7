"""Links to a password: made, asked for, replaced, used once, and of use to nobody who should not have them."""

import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from datetime import timedelta
from threading import Barrier

import pytest
from flask import Flask
from sqlalchemy import select, update

from portal.clock import now
from portal.db import atomic, db
from portal.errors import Conflict, Invalid, NotFound
from portal.extensions import parts
from portal.models import AccountLink, AuditEvent, LinkKind, User
from portal.permissions import Role
from portal.services import account_links, accounts, sessions
from portal.services.account_links import MOST_MAILS_AN_HOUR
from portal.tenancy import TenantScope, across_tenants
from tests.factories import PASSWORD, make_tenant, make_user

NEW = "four words nobody knows"
RESET = LinkKind.PASSWORD_RESET
EMAIL = "ana@acme.test"


@pytest.fixture(autouse=True)
def mail(monkeypatch: pytest.MonkeyPatch) -> None:
    """There is a mail server, which nobody asks here."""
    settings = {"smtp_url": "smtp://mail.test", "mail_from": "portal@portal.test"}
    monkeypatch.setattr(parts, "config", replace(parts.config, **settings))
    monkeypatch.setattr(account_links, "ANSWERED_AFTER_S", 0.0)


@pytest.fixture
def acme(database: None) -> TenantScope:
    return make_tenant("acme")


@pytest.fixture
def ana(acme: TenantScope) -> User:
    return make_user(EMAIL)


def make(user: User, *, by_mail: bool = False) -> str:
    """The token of a new link; nothing for one that goes by mail."""
    with across_tenants("a test makes a link"), atomic():
        return (account_links.make(user, by_mail=by_mail) or "").rpartition("/")[2]


def use(token: str, *, password: str = NEW, again: str = NEW, kind: LinkKind = RESET) -> None:
    account_links.choose_password(token, kind, password=password, again=again, address="192.0.2.7")


def links() -> list[AccountLink]:
    with across_tenants("a test looks"):
        every = select(AccountLink).order_by(AccountLink.id)
        return list(db.session.scalars(every.execution_options(populate_existing=True)))


def alter(**values: object) -> None:
    with across_tenants("a test alters links"), atomic():
        db.session.execute(update(AccountLink).values(values))


def noted() -> list[AuditEvent]:
    with across_tenants("a test looks"):
        return list(db.session.scalars(select(AuditEvent).where(AuditEvent.action == "user.password_chosen")))


def test_link_gives_a_new_password_once_and_ends_what_was(acme: TenantScope, ana: User) -> None:
    account = accounts.sign_in(EMAIL, PASSWORD)
    assert account is not None
    browser = sessions.start(account, address=None, user_agent="")
    token = make(ana)

    use(token)

    assert accounts.sign_in(EMAIL, PASSWORD) is None
    assert accounts.sign_in(EMAIL, NEW) is not None
    assert sessions.find(browser) is None
    with pytest.raises(Conflict):
        use(token, password="another one of mine", again="another one of mine")
    (event,) = noted()
    assert (event.tenant_id, event.user_id, event.subject_id) == (acme.tenant_id, ana.id, ana.id)
    assert (event.address, event.after) == ("192.0.2.7", {"by": "password_reset"})


def test_operators_use_of_a_link_is_in_no_companys_log(acme: TenantScope) -> None:
    operator = make_user("operator@portal.test", tenant=None, role=Role.SUPER_ADMIN)

    use(make(operator))

    assert [event.tenant_id for event in noted()] == [None]
    assert accounts.sign_in("operator@portal.test", NEW) is not None


@pytest.mark.parametrize(
    ("password", "again", "field"),
    [("short", "short", "password"), (EMAIL, EMAIL, "password"), (NEW, f"{NEW} ", "again"), ("", "", "password")],
)
def test_link_survives_a_password_that_is_refused(ana: User, password: str, again: str, field: str) -> None:
    token = make(ana)

    with pytest.raises(Invalid) as refused:
        use(token, password=password, again=again)

    assert set(refused.value.fields) == {field}
    assert account_links.find(token, RESET).email == EMAIL


def test_new_link_replaces_the_one_before(ana: User) -> None:
    first, second = make(ana), make(ana)

    with pytest.raises(Conflict):
        account_links.find(first, RESET)
    assert account_links.find(second, RESET).user_id == ana.id


def test_link_of_another_person_is_left_alone(ana: User) -> None:
    token = make(ana)
    make(make_user("bea@acme.test"))

    assert account_links.find(token, RESET).user_id == ana.id


def test_choosing_a_password_ends_every_other_link(ana: User) -> None:
    with across_tenants("a test makes a link"), atomic():
        db.session.execute(update(User).where(User.id == ana.id).values(password_hash=None))
        invited = db.session.get_one(User, ana.id, populate_existing=True)
    invitation = make(invited)
    reset = make(ana)

    use(reset)

    with pytest.raises(Conflict):
        account_links.find(invitation, LinkKind.INVITATION)


@pytest.mark.parametrize("column", ["used_at", "revoked_at", "expires_at"])
def test_link_that_is_over_is_of_no_use(ana: User, column: str) -> None:
    token = make(ana)
    alter(**{column: now()})

    with pytest.raises(Conflict):
        account_links.find(token, RESET)
    with pytest.raises(Conflict):
        use(token)


def test_link_of_somebody_shut_out_is_of_no_use(ana: User) -> None:
    token = make(ana)
    with across_tenants("a test shuts somebody out"), atomic():
        db.session.execute(update(User).where(User.id == ana.id).values(disabled_at=now()))

    with pytest.raises(Conflict):
        use(token)


@pytest.mark.parametrize("token", ["", "forged", "\x00", "é" * 300])
def test_token_that_is_none_leads_nowhere(ana: User, token: str) -> None:
    make(ana)
    make(ana, by_mail=True)

    with pytest.raises(NotFound):
        account_links.find(token, RESET)


def test_link_of_one_kind_is_none_of_the_other(ana: User) -> None:
    token = make(ana)

    with pytest.raises(NotFound):
        use(token, kind=LinkKind.INVITATION)


@pytest.mark.parametrize(("is_invited", "lasts"), [(True, timedelta(days=7)), (False, timedelta(hours=1))])
def test_invitation_lasts_a_week_and_a_reset_an_hour(ana: User, is_invited: bool, lasts: timedelta) -> None:
    if is_invited:
        with across_tenants("a test takes a password away"), atomic():
            db.session.execute(update(User).where(User.id == ana.id).values(password_hash=None))
            ana = db.session.get_one(User, ana.id, populate_existing=True)
    make(ana)

    (link,) = links()
    assert abs(link.expires_at - now() - lasts) < timedelta(seconds=30)


def test_asking_makes_a_mail_that_waits(ana: User) -> None:
    account_links.ask(" Ana@ACME.test ")

    (link,) = links()
    assert (link.user_id, link.kind, link.token_hash, link.created_by_id) == (ana.id, RESET, None, None)


@pytest.mark.parametrize("email", ["nobody@acme.test", "", "\x00", "ana@acme.test' OR '1'='1"])
def test_asking_for_somebody_unknown_makes_nothing(ana: User, email: str) -> None:
    account_links.ask(email)

    assert links() == []


def test_asking_for_somebody_shut_out_makes_nothing(ana: User) -> None:
    with across_tenants("a test shuts somebody out"), atomic():
        db.session.execute(update(User).where(User.id == ana.id).values(disabled_at=now()))

    account_links.ask(EMAIL)

    assert links() == []


def test_asking_without_a_mail_server_makes_nothing(ana: User, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(parts, "config", replace(parts.config, smtp_url=""))

    account_links.ask(EMAIL)

    assert links() == []


def test_one_person_gets_a_few_mails_an_hour(ana: User) -> None:
    for _ in range(MOST_MAILS_AN_HOUR + 2):
        account_links.ask(EMAIL)
    at_once = len(links())
    with pytest.raises(Conflict, match="Show the link instead"):
        make(ana, by_mail=True)
    shown = make(ana)
    alter(created_at=now() - timedelta(minutes=61))
    account_links.ask(EMAIL)

    assert at_once == MOST_MAILS_AN_HOUR
    assert shown
    assert len(links()) == MOST_MAILS_AN_HOUR + 2


def test_links_that_were_shown_are_no_mails(ana: User) -> None:
    for _ in range(MOST_MAILS_AN_HOUR):
        make(ana)

    account_links.ask(EMAIL)

    assert links()[-1].token_hash is None


def test_answer_takes_as_long_for_nobody(ana: User, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(account_links, "ANSWERED_AFTER_S", 0.2)

    def took(act: Callable[[], None]) -> float:
        began_at = time.monotonic()
        act()
        return time.monotonic() - began_at

    times = [took(lambda email=email: account_links.ask(email)) for email in (EMAIL, "nobody@acme.test")]  # type: ignore[misc]

    assert min(times) >= 0.2
    assert len(links()) == 1


@pytest.mark.commits
def test_of_two_who_use_a_link_at_once_one_chooses_the_password(app: Flask, acme: TenantScope) -> None:
    token, together = make(make_user(EMAIL)), Barrier(2)

    def choose(password: str) -> str | None:
        with app.app_context():
            together.wait(10)
            try:
                use(token, password=password, again=password)
            except Conflict:
                return None
            return password

    with ThreadPoolExecutor(2) as pool:
        chosen = list(pool.map(choose, ("the first of two words", "the second of two words")))

    (winner,) = [password for password in chosen if password]
    assert accounts.sign_in(EMAIL, winner) is not None


@pytest.mark.commits
def test_asking_many_times_at_once_sends_no_more_mails(app: Flask, acme: TenantScope) -> None:
    make_user(EMAIL)

    def ask(_number: int) -> None:
        with app.app_context():
            account_links.ask(EMAIL)

    with ThreadPoolExecutor(6) as pool:
        list(pool.map(ask, range(12)))

    assert len(links()) == MOST_MAILS_AN_HOUR
