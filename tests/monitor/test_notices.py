"""Telling about alerts: by webhook and mail, tried again while nobody takes it, never by the wrong road."""

import json
from collections.abc import Iterator
from datetime import timedelta

import pytest
from sqlalchemy import update

from portal.clock import now
from portal.db import atomic, db
from portal.models import AlertNotice, Level
from portal.monitor import alerts, notices
from portal.queries.alerts import NoticeState, list_alerts, state_of
from portal.services.alerts import acknowledge, raise_test
from portal.services.audit import Actor
from portal.services.releases import register
from portal.tenancy import across_tenants
from tests.mail_server import MailServer, running
from tests.monitor.watching import make_look, use_settings
from tests.webhooks.receiver import Receiver

TO = "watch@portal.test"
WARNING, CRITICAL = Level.WARNING, Level.CRITICAL


@pytest.fixture(autouse=True)
def _database(database: None, monkeypatch: pytest.MonkeyPatch) -> None:
    """Every test here has rows, and no channel but its own."""
    use_settings(monkeypatch, alert_webhook_url="", alert_mail_to="")


@pytest.fixture
def receiver(monkeypatch: pytest.MonkeyPatch) -> Iterator[Receiver]:
    receiver = Receiver()
    use_settings(monkeypatch, alert_webhook_url=receiver.url)
    yield receiver
    receiver.stop()


@pytest.fixture
def server(monkeypatch: pytest.MonkeyPatch) -> Iterator[MailServer]:
    with running(MailServer()) as server:
        server.use(monkeypatch)
        use_settings(monkeypatch, alert_mail_to=TO)
        yield server


def look(**levels: Level) -> None:
    with across_tenants("a test looks"), atomic():
        alerts.note(make_look(levels))


def look_well() -> None:
    """Until what was bad is over."""
    for _time in range(alerts.GOOD_LOOKS):
        look()


def pass_pause() -> None:
    """Let every notice be due once more."""
    with across_tenants("a test lets time pass"), atomic():
        db.session.execute(update(AlertNotice).values(due_at=now() - timedelta(seconds=1)))


def told(receiver: Receiver) -> list[dict[str, str]]:
    return [json.loads(one.body) for one in receiver.told]


def the_notices() -> list[AlertNotice]:
    return [notice for row in list_alerts(10) for notice in row.notices]


def test_alert_is_posted_with_all_that_a_program_needs(receiver: Receiver) -> None:
    register("v7")
    look(http_5xx=CRITICAL)

    notices.work()

    (row,) = list_alerts(10)
    (posted,) = told(receiver)
    text = posted.pop("text")
    assert posted == {
        "id": str(row.notices[0].id),
        "alert": str(row.alert.id),
        "kind": "opened",
        "level": "critical",
        "metric": "http_5xx",
        "value": "7",
        "opened_at": row.alert.opened_at.isoformat(),
        "release": "v7",
        "portal": "http://portal.test",
    }
    assert "http_5xx" in text
    assert receiver.told[0].id == posted["id"]
    assert state_of(row.notices[0]) == NoticeState.TOLD


def test_what_was_told_is_not_told_again(receiver: Receiver) -> None:
    look(http_5xx=CRITICAL)
    notices.work()
    pass_pause()

    notices.work()

    assert len(receiver.told) == 1


def test_receiver_that_is_down_is_told_once_it_is_back(receiver: Receiver) -> None:
    receiver.say(503, 503, 204)
    look(http_5xx=CRITICAL)
    for _try in range(3):
        notices.work()
        notices.work()
        states = [(state_of(notice), notice.error) for notice in the_notices()]
        pass_pause()

    assert [posted["id"] for posted in told(receiver)] == [str(the_notices()[0].id)] * 3
    assert states == [(NoticeState.TOLD, None)]


def test_receiver_that_is_away_is_noted_as_that(monkeypatch: pytest.MonkeyPatch, receiver: Receiver) -> None:
    receiver.stop()
    look(http_5xx=CRITICAL)

    notices.work()

    (notice,) = the_notices()
    assert (state_of(notice), notice.error, notice.attempts) == (NoticeState.WAITING, "unreachable", 1)
    # A mail server may take 15 seconds for each of its answers: nobody else may try meanwhile.
    assert notice.due_at > now() + timedelta(seconds=170)


def test_nobody_hears_of_an_end_before_its_beginning(receiver: Receiver) -> None:
    receiver.say(503, 204)
    look(retries=WARNING)
    notices.work()
    look_well()
    notices.work()
    only_tried = [posted["kind"] for posted in told(receiver)]
    pass_pause()

    notices.work()

    assert only_tried == ["opened"]
    assert [posted["kind"] for posted in told(receiver)] == ["opened", "opened", "recovered"]


def test_after_eight_attempts_it_is_given_up_and_shown_as_not_told(receiver: Receiver) -> None:
    receiver.say(500)
    look(retries=WARNING)
    for _try in range(12):
        notices.work()
        pass_pause()

    (notice,) = the_notices()
    assert len(receiver.told) == 8
    assert (state_of(notice), notice.error) == (NoticeState.NOT_TOLD, "bad_status")


def test_after_a_notice_that_was_given_up_the_next_is_told(receiver: Receiver) -> None:
    receiver.say(*[500] * 8, 204)
    look(retries=WARNING)
    for _try in range(8):
        notices.work()
        pass_pause()
    look_well()

    notices.work()

    assert told(receiver)[-1]["kind"] == "recovered"


def test_answer_that_leads_elsewhere_is_not_followed(receiver: Receiver) -> None:
    receiver.say((302, {"Location": receiver.url + "/elsewhere"}, b""))
    look(retries=WARNING)

    notices.work()

    assert len(receiver.told) == 1
    assert the_notices()[0].error == "redirected"


def test_operators_own_network_may_be_told_in_production(receiver: Receiver, monkeypatch: pytest.MonkeyPatch) -> None:
    use_settings(monkeypatch, portal_env="production")
    look(retries=WARNING)

    notices.work()

    assert len(receiver.told) == 1


def test_address_stands_in_no_log(receiver: Receiver, caplog: pytest.LogCaptureFixture) -> None:
    receiver.say(500, 204)
    look(retries=WARNING)

    with caplog.at_level("DEBUG"):
        notices.work()
        pass_pause()
        notices.work()

    assert "alert told" in caplog.text
    assert "/hook" not in caplog.text


def test_channel_that_was_taken_out_of_the_settings_is_said_so(
    receiver: Receiver, monkeypatch: pytest.MonkeyPatch
) -> None:
    look(retries=WARNING)
    use_settings(monkeypatch, alert_webhook_url="")

    notices.work()

    assert the_notices()[0].error == "not_configured"


def test_alert_goes_by_mail_in_the_portals_language(server: MailServer) -> None:
    register("v7")
    look(http_5xx=CRITICAL)

    notices.work()

    (mail,) = server.mails
    assert mail.recipients == [TO]
    assert "portal.test" in str(mail.message["Subject"])
    assert "http://portal.test/operator/alerts" in mail.text
    assert "v7" in mail.text
    assert state_of(the_notices()[0]) == NoticeState.TOLD


def test_mail_server_that_refuses_is_asked_again(server: MailServer) -> None:
    server.answers["END"] = "451 not now"
    look(http_5xx=CRITICAL)
    notices.work()
    error = the_notices()[0].error
    server.answers.clear()
    pass_pause()

    notices.work()

    assert error == "try_later"
    (mail,) = server.mails
    assert mail.message["Message-ID"] == f"<{the_notices()[0].id}@portal.test>"


def test_each_channel_is_tried_for_itself(
    receiver: Receiver, server: MailServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    receiver.say(500)
    look(http_5xx=CRITICAL)

    notices.work()

    assert len(server.mails) == 1
    assert {notice.channel: state_of(notice) for notice in the_notices()} == {
        "webhook": NoticeState.WAITING,
        "mail": NoticeState.TOLD,
    }


def test_mail_server_that_is_slow_keeps_no_webhook_waiting(
    receiver: Receiver, server: MailServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    look(http_5xx=CRITICAL)
    look(http_5xx=CRITICAL, retries=CRITICAL)
    order: list[str] = []

    def tell(claimed: notices.Claimed) -> None:
        order.append(claimed.channel)

    monkeypatch.setattr(notices, "TELL", dict.fromkeys(notices.TELL, tell))

    notices.work()

    assert order == ["webhook", "webhook", "mail", "mail"]


def test_each_kind_has_a_mail_of_its_own(server: MailServer) -> None:
    look(retries=WARNING)
    look(retries=CRITICAL)
    look_well()
    alert = raise_test(Actor(None))
    acknowledge(alert.id, Actor(None))

    notices.work()

    subjects = [str(mail.message["Subject"]) for mail in server.mails]
    assert len(set(subjects)) == len(subjects) == 5
