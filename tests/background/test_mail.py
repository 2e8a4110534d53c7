"""Links go by mail: with a token that stands nowhere else, encrypted, tried again, and never to the wrong people."""

import logging
import re
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from datetime import timedelta
from pathlib import Path
from uuid import uuid4

import pytest
from flask import Flask
from flask_babel import get_locale
from redis import Redis

from portal.background import mail_texts, smtp
from portal.background.mail import Mails
from portal.background.relay import BackgroundRelay
from portal.background.smtp import MailError
from portal.clock import now
from portal.db import atomic, db
from portal.extensions import parts
from portal.models import AccountLink, LinkKind, User
from portal.queries.account_mails import LinkState, MailTrouble, state_of
from portal.services import account_links, members
from portal.tenancy import TenantScope, acting_for
from tests.architecture.walk import everything
from tests.factories import make_tenant, make_user
from tests.mail_server import MAIL_FROM, MailServer, make_certificate, running

PERSON = "ana@acme.test"
LINK = re.compile(r"http://portal\.test/(invitation|password-reset)/([\w-]{43})")


@pytest.fixture
def server(monkeypatch: pytest.MonkeyPatch) -> Iterator[MailServer]:
    """The portal's mail server."""
    with running(MailServer()) as server:
        server.use(monkeypatch)
        yield server


@pytest.fixture
def acme(database: None, redis_server: "Redis") -> TenantScope:
    return make_tenant("acme")


@pytest.fixture
def invited(acme: TenantScope, server: MailServer) -> User:
    return invite(acme)


def invite(scope: TenantScope, email: str = PERSON) -> User:
    with acting_for(scope):
        return members.invite(scope, email=email, role="tenant_admin", by_mail=True)[0]


def links_of(scope: TenantScope) -> list[AccountLink]:
    with acting_for(scope):
        every = scope.select(AccountLink).order_by(AccountLink.id)
        return list(db.session.scalars(every.execution_options(populate_existing=True)))


def link_of(scope: TenantScope) -> AccountLink:
    return links_of(scope)[-1]


def age(scope: TenantScope, by: timedelta) -> None:
    """Let time have passed since the newest link was asked for."""
    link = link_of(scope)
    with acting_for(scope), atomic():
        this = scope.update(AccountLink).where(AccountLink.id == link.id)
        db.session.execute(this.values(created_at=link.created_at - by))


def try_once() -> bool:
    """What a worker that has just begun does."""
    return Mails().work()


def token_in(text: str) -> str:
    found = LINK.search(text)
    assert found, text
    return found[2]


def test_invitation_arrives_with_a_link_that_works(acme: TenantScope, server: MailServer, invited: User) -> None:
    assert try_once()

    (mail,) = server.mails
    assert (mail.sender, mail.recipients) == ("portal@portal.test", [PERSON])
    assert (mail.message["From"], mail.message["To"]) == (MAIL_FROM, PERSON)
    assert mail.message["Auto-Submitted"] == "auto-generated"
    assert mail.message.get_content_type() == "text/plain"
    assert "Acme" in mail.message["Subject"]
    found = account_links.find(token_in(mail.text), LinkKind.INVITATION)
    assert (found.user_id, found.email) == (invited.id, PERSON)
    assert state_of(link_of(acme)) == LinkState.SENT


def test_mail_is_sent_once(server: MailServer, invited: User) -> None:
    assert [try_once(), try_once()] == [True, False]
    assert len(server.mails) == 1


def test_background_relay_sends_what_waits(server: MailServer, invited: User) -> None:
    BackgroundRelay(uuid4(), lambda: False).drain()

    assert [mail.recipients for mail in server.mails] == [[PERSON]]


def test_link_to_a_new_password_is_one(acme: TenantScope, server: MailServer) -> None:
    make_user(PERSON)
    account_links.ask(PERSON)

    assert try_once()

    found = LINK.search(server.mails[0].text)
    assert found is not None
    assert found[1] == "password-reset"
    assert account_links.find(found[2], LinkKind.PASSWORD_RESET).email == PERSON


def test_token_stands_in_the_mail_and_nowhere_else(
    server: MailServer, invited: User, redis_server: "Redis", caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.DEBUG)
    try_once()
    token = token_in(server.mails[0].text)

    assert not any(token in row for rows in everything().values() for row in rows)
    assert not any(token in str(redis_server.dump(key)) for key in redis_server.scan_iter())
    assert token not in caplog.text
    assert PERSON not in caplog.text


def test_link_that_was_shown_is_not_sent(acme: TenantScope, server: MailServer) -> None:
    with acting_for(acme):
        members.invite(acme, email=PERSON, role="tenant_admin")

    assert not try_once()
    assert state_of(link_of(acme)) == LinkState.SHOWN


def test_without_a_mail_server_nothing_is_tried(
    acme: TenantScope, invited: User, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(parts, "config", replace(parts.config, smtp_url=""))

    assert not try_once()
    assert link_of(acme).mail_attempts == 0


def test_mail_waits_until_the_mail_server_is_back(acme: TenantScope, monkeypatch: pytest.MonkeyPatch) -> None:
    server = MailServer()
    with running(server):
        pass
    server.use(monkeypatch)
    invite(acme)
    states = []
    for minutes in (0, 3, 3):
        age(acme, timedelta(minutes=minutes))
        assert try_once()
        states.append((state_of(link_of(acme)), link_of(acme).mail_attempts, link_of(acme).mail_error))
    too_early = try_once()
    age(acme, timedelta(minutes=15))

    with running(server):
        assert try_once()

    assert states == [(LinkState.BEING_SENT, tries, "unreachable") for tries in (1, 2, 3)]
    assert not too_early
    assert account_links.find(token_in(server.mails[0].text), LinkKind.INVITATION).email == PERSON
    assert (state_of(link_of(acme)), link_of(acme).mail_error) == (LinkState.SENT, None)


def test_mail_server_that_does_not_answer_is_left_alone_for_a_while(
    acme: TenantScope, monkeypatch: pytest.MonkeyPatch
) -> None:
    server = MailServer()
    with running(server):
        pass
    server.use(monkeypatch)
    invite(acme)
    invite(acme, "bea@acme.test")
    mails = Mails()

    assert [mails.work(), mails.work()] == [True, False]
    assert [link.mail_attempts for link in links_of(acme)] == [1, 0]


def test_after_all_attempts_it_is_given_up(acme: TenantScope, server: MailServer, invited: User) -> None:
    server.answers["END"] = "451 not now"

    tried = 0
    while try_once():
        tried += 1
        age(acme, timedelta(hours=5))

    assert tried == 7
    assert (state_of(link_of(acme)), link_of(acme).mail_error) == (LinkState.NOT_SENT, "try_later")


def test_refused_address_is_not_tried_again(acme: TenantScope, server: MailServer, invited: User) -> None:
    server.answers["RCPT"] = "550 5.1.1 no such user, and this text stays out"
    assert try_once()
    age(acme, timedelta(hours=5))

    assert not try_once()
    assert (state_of(link_of(acme)), link_of(acme).mail_error) == (LinkState.NOT_SENT, "address_refused")
    assert not any("stays out" in row for rows in everything().values() for row in rows)


def test_attempt_whose_worker_died_is_made_again(
    acme: TenantScope, server: MailServer, invited: User, monkeypatch: pytest.MonkeyPatch
) -> None:
    with monkeypatch.context() as patch:
        patch.setattr(smtp, "send", lambda *_args, **_words: (_ for _ in ()).throw(KeyboardInterrupt()))
        with pytest.raises(KeyboardInterrupt):
            try_once()
    at_first = (state_of(link_of(acme)), link_of(acme).mail_error, try_once())
    age(acme, timedelta(minutes=3))

    assert at_first == (LinkState.BEING_SENT, "interrupted", False)
    assert try_once()
    assert state_of(link_of(acme)) == LinkState.SENT


@pytest.mark.parametrize("column", ["used_at", "revoked_at", "expires_at"])
def test_link_that_is_over_is_not_sent(acme: TenantScope, server: MailServer, invited: User, column: str) -> None:
    with acting_for(acme), atomic():
        db.session.execute(acme.update(AccountLink).values({column: now() - timedelta(seconds=1)}))

    assert not try_once()


def test_nobody_who_is_shut_out_gets_mail(acme: TenantScope, server: MailServer, invited: User) -> None:
    make_user("boss@acme.test")
    with acting_for(acme):
        members.disable(acme, invited.id)
        members.enable(acme, invited.id)

    assert not try_once()


@pytest.mark.parametrize(
    ("own", "of_inviter", "used"), [("en", "pt_BR", "en"), (None, "en", "en"), (None, None, "pt_BR")]
)
def test_mail_speaks_the_persons_language(
    acme: TenantScope,
    server: MailServer,
    monkeypatch: pytest.MonkeyPatch,
    own: str | None,
    of_inviter: str | None,
    used: str,
) -> None:
    boss = make_user("boss@acme.test")
    person = invite(replace(acme, user_id=boss.id))
    with acting_for(acme), atomic():
        for user, locale in ((boss, of_inviter), (person, own)):
            db.session.execute(acme.update(User).where(User.id == user.id).values(locale=locale))
    monkeypatch.setattr(mail_texts, "_", lambda _text, **_values: str(get_locale()))

    try_once()

    assert server.mails[0].message["Subject"] == used


def test_name_of_a_company_cannot_begin_a_header(acme: TenantScope) -> None:
    words = mail_texts.compose(
        LinkKind.INVITATION, "http://portal.test/invitation/x", company="Acme\r\nBcc: eva@evil.test", locale="en"
    )

    assert words.subject == "Your invitation to Acme Bcc: eva@evil.test"


@pytest.mark.parametrize(
    "to", ["ana@acme.test\r\nBcc: eva@evil.test", "ana@acme.test\nX: y", "ana@acme.test\r\n.\r\nMAIL FROM:<x@y.z>"]
)
def test_address_cannot_begin_a_header_or_a_command(server: MailServer, to: str) -> None:
    with pytest.raises(MailError) as refused:
        smtp.send(parts.config, to=to, subject="Hello", text="Hello")

    assert refused.value.code == MailTrouble.ADDRESS_REFUSED
    assert server.mails == []


@pytest.mark.parametrize(
    ("command", "answer", "code"),
    [
        ("HELLO", "554 go away", "unreachable"),
        ("MAIL", "550 not from you", "sender_refused"),
        ("RCPT", "550 nobody", "address_refused"),
        ("RCPT", "450 grey list", "try_later"),
        ("DATA", "554 no", "refused"),
        ("END", "554 spam", "refused"),
        ("END", "451 full", "try_later"),
        ("AUTH", "535 wrong", "login_refused"),
    ],
)
def test_what_the_mail_server_says_becomes_a_code(
    server: MailServer, monkeypatch: pytest.MonkeyPatch, command: str, answer: str, code: str
) -> None:
    server.use(monkeypatch, login="me:secret@")
    server.answers[command] = answer

    with pytest.raises(MailError) as refused:
        smtp.send(parts.config, to=PERSON, subject="Hello", text="Hello")

    assert refused.value.code == code
    assert str(refused.value) == code


def test_login_may_hold_any_character(server: MailServer, monkeypatch: pytest.MonkeyPatch) -> None:
    server.use(monkeypatch, login="me%40portal.test:p%2Fss%3Aword@")

    smtp.send(parts.config, to=PERSON, subject="Olá", text="Olá, até já")

    (mail,) = server.mails
    assert mail.signed_in_as == "me@portal.test p/ss:word"
    assert (mail.message["Subject"], mail.text.strip()) == ("Olá", "Olá, até já")


def test_production_sends_nothing_without_encryption(server: MailServer, monkeypatch: pytest.MonkeyPatch) -> None:
    server.use(monkeypatch, env="production", login="me:secret@")

    with pytest.raises(MailError) as refused:
        smtp.send(parts.config, to=PERSON, subject="Hello", text="Hello")

    assert refused.value.code == MailTrouble.NO_TLS


@pytest.mark.parametrize("scheme", ["smtp", "smtps"])
@pytest.mark.parametrize("is_trusted", [True, False])
def test_certificate_of_the_mail_server_is_checked(
    app: Flask, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, scheme: str, is_trusted: bool
) -> None:
    certificate = make_certificate(tmp_path)
    if is_trusted:
        monkeypatch.setenv("SSL_CERT_FILE", str(certificate))
    with running(MailServer(certificate=certificate, is_encrypted_from_the_start=scheme == "smtps")) as server:
        server.use(monkeypatch, scheme=scheme, env="production", login="me:secret@")
        try:
            smtp.send(parts.config, to=PERSON, subject="Hello", text="Hello")
            code = None
        except MailError as e:
            code = e.code

    assert code == (None if is_trusted else MailTrouble.BAD_CERTIFICATE)
    assert [(mail.was_encrypted, mail.signed_in_as) for mail in server.mails] == [(True, "me secret")] * is_trusted


def test_certificate_of_another_name_is_refused(app: Flask, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    certificate = make_certificate(tmp_path, "mail.evil.test")
    monkeypatch.setenv("SSL_CERT_FILE", str(certificate))
    with running(MailServer(certificate=certificate)) as server:
        server.use(monkeypatch, env="production")
        with pytest.raises(MailError) as refused:
            smtp.send(parts.config, to=PERSON, subject="Hello", text="Hello")

    assert refused.value.code == MailTrouble.BAD_CERTIFICATE


@pytest.mark.commits
def test_workers_share_the_mails_out(app: Flask, acme: TenantScope, server: MailServer) -> None:
    people = {f"person-{number}@acme.test" for number in range(12)}
    for email in sorted(people):
        invite(acme, email)

    def work_off() -> None:
        with app.app_context():
            mails = Mails()
            # Of those that are locked at this moment another look finds the rest.
            for _ in range(40):
                mails.work()

    with ThreadPoolExecutor(4) as pool:
        for done in [pool.submit(work_off) for _ in range(4)]:
            done.result(60)

    assert sorted(mail.recipients[0] for mail in server.mails) == sorted(people)
    assert {state_of(link) for link in links_of(acme)} == {LinkState.SENT}
