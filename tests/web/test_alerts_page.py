"""The operator's page of alerts: what is open, who took it on, who was told."""

from datetime import timedelta
from uuid import UUID, uuid4

import pytest
from flask import Flask
from flask.testing import FlaskClient
from sqlalchemy import select

from portal.clock import now
from portal.config import Config
from portal.db import db
from portal.extensions import parts
from portal.models import Alert, Level, NoticeChannel, NoticeKind
from portal.tenancy import across_tenants
from tests.web.htmx import poll
from tests.web.releases import find_alert, make_alert, make_notice

PAGE = "/operator/alerts"


@pytest.fixture
def webhook_is_set(monkeypatch: pytest.MonkeyPatch) -> None:
    changed = Config(**{**vars(parts.config), "alert_webhook_url": "https://alerts.example.test/hook-of-tests"})
    monkeypatch.setattr(parts, "config", changed)


def test_page_without_alerts_says_that_nothing_is_wrong(operator: FlaskClient) -> None:
    assert "Nothing is wrong" in operator.get(PAGE).text


def test_open_alerts_come_before_those_that_are_over(operator: FlaskClient) -> None:
    make_alert("retries", level=Level.WARNING, value="12", recovered_at=now())
    make_alert("http_5xx", value="17")

    page = operator.get(PAGE).text

    assert page.index("Server errors: 17") < page.index("Sends tried again: 12")
    assert "Critical" in page
    assert "1 open alert" in page


@pytest.mark.usefixtures("webhook_is_set")
def test_page_names_the_channels_and_never_the_address(operator: FlaskClient) -> None:
    page = operator.get(PAGE).text

    assert "Told over: Webhook." in page
    assert "hook-of-tests" not in page


def test_page_says_that_nobody_is_told_when_no_channel_is_set(operator: FlaskClient) -> None:
    page = operator.get(PAGE).text

    assert "Nobody is told" in page
    assert "ALERT_WEBHOOK_URL" in page


NOTICES = {
    "told": ({"told_at": now()}, "Webhook (raised): told"),
    "new": ({}, "Webhook (raised): about to be told."),
    "tried": ({"attempts": 2, "error": "timed_out"}, "Webhook (raised): not told yet: timed out. Tried again"),
    "given up": (
        {"attempts": 8, "error": "unreachable"},
        "Webhook (raised): not told, after 8 attempts: not reached.",
    ),
    "mail": (
        {"attempts": 8, "error": "login_refused", "channel": NoticeChannel.MAIL},
        "E-mail (raised): not told, after 8 attempts: the mail server refuses",
    ),
    "over": ({"kind": NoticeKind.RECOVERED}, "Webhook (over): about to be told."),
}


@pytest.mark.parametrize(("columns", "words"), NOTICES.values(), ids=NOTICES.keys())
def test_notice_says_what_became_of_it(operator: FlaskClient, columns: dict[str, object], words: str) -> None:
    make_notice(make_alert(), **columns)  # type: ignore[arg-type]

    assert words in operator.get(PAGE).text


def test_operator_acknowledges_an_alert(operator: FlaskClient) -> None:
    alert_id = make_alert()

    answer = operator.post(f"{PAGE}/{alert_id}/acknowledge")
    page = operator.get(PAGE).text

    assert answer.status_code == 303
    assert find_alert(alert_id).acknowledged_at is not None
    assert "by operator@portal.test" in page
    assert "Acknowledge<" not in page


def test_alert_that_is_not_there_cannot_be_acknowledged(operator: FlaskClient) -> None:
    assert operator.post(f"{PAGE}/{uuid4()}/acknowledge").status_code == 404


@pytest.mark.usefixtures("webhook_is_set")
def test_operator_sends_a_test_alert_and_it_is_over_when_acknowledged(operator: FlaskClient) -> None:
    operator.post(f"{PAGE}/test")
    raised = operator.get(PAGE).text
    with across_tenants("a test looks for its alert"):
        alert = db.session.scalars(select(Alert)).one()
    operator.post(f"{PAGE}/{alert.id}/acknowledge")

    over = operator.get(PAGE).text

    assert "The test alert is raised." in raised
    assert "Webhook (raised): about to be told." in raised
    assert "An operator raised it" in raised
    assert "Nothing is wrong" in over


def test_second_test_alert_is_refused_while_one_is_open(operator: FlaskClient) -> None:
    operator.post(f"{PAGE}/test")
    operator.get(PAGE)

    page = operator.post(f"{PAGE}/test", follow_redirects=True).text

    assert "A test alert is open already." in page


def test_poll_is_empty_until_there_is_news(operator: FlaskClient) -> None:
    make_alert("retries", opened_at=now() - timedelta(hours=1))
    page = operator.get(PAGE).text

    before = poll(operator, page, "alerts")
    make_alert("http_5xx")
    after = poll(operator, page, "alerts")

    assert before.status_code == 204
    assert "2 open alerts" in after.text
    assert "<html" not in after.text


@pytest.mark.parametrize("path", ["", "/test", f"/{UUID(int=1)}/acknowledge"])
def test_alerts_are_the_operators_alone(app: Flask, admin: FlaskClient, path: str) -> None:
    method = "POST" if path else "GET"

    assert admin.open(f"{PAGE}{path}", method=method).status_code in (403, 404)
