"""`Prefer: wait`: what ends it, how long it lasts, how many may wait, and what it must not hold."""

import threading
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from uuid import UUID

import pytest
from flask import Flask
from flask.testing import FlaskClient

from portal.clock import now
from portal.db import db
from portal.models import Message
from portal.web.api import messages, waiting
from tests.web_api.seed import Company, call, settle_message

BODY = {"phone": "(11) 8888-0001", "message": "Hello"}


@pytest.mark.parametrize(
    ("state", "http_status", "success", "attempts"),
    [
        ({"status": "sent", "external_id": "3EB0A", "sending_at": now()}, 200, True, 1),
        ({"status": "read", "external_id": "3EB0A", "sending_at": now(), "retry_count": 2}, 200, True, 3),
        ({"status": "failed", "error_code": "not_on_whatsapp", "sending_at": now(), "retry_count": 1}, 200, False, 1),
        ({"status": "failed", "error_code": "463", "sending_at": now(), "sent_at": now()}, 200, False, 1),
        ({"status": "failed", "error_code": "expired"}, 200, False, 0),
        ({"status": "unconfirmed", "sending_at": now()}, 202, True, 1),
        ({"status": "queued", "retry_count": 1}, 202, True, 1),
    ],
    ids=lambda value: value["status"] if isinstance(value, dict) else None,
)
def test_waiting_answers_200_once_the_sending_is_settled(
    client: FlaskClient,
    acme: Company,
    meanwhile: Callable[..., None],
    state: dict[str, object],
    http_status: int,
    success: bool,
    attempts: int,
) -> None:
    meanwhile(Message, state)

    response = call(client, "POST", "/messages", acme.admin, json=BODY, headers={"Prefer": "respond-async, wait=1"})

    assert response.status_code == http_status
    assert (response.json["success"], response.json["status"]) == (success, state["status"])
    assert response.json["attempts"] == attempts
    assert response.json["externalId"] == state.get("external_id")
    assert (response.json["lastError"] or {}).get("code") == state.get("error_code")


@pytest.mark.parametrize(
    ("prefer", "wait_s"),
    [
        ("", 0),
        ("wait=3", 3),
        ("respond-async; wait=2", 2),
        ('wait="4"', 4),
        ("Wait = 5", 5),
        ("wait=600", 10),
        ("wait=-1", 0),
        ("await=7", 0),
    ],
)
def test_preferred_wait_is_understood_and_bounded(app: Flask, prefer: str, wait_s: float) -> None:
    with app.test_request_context(headers={"Prefer": prefer}):
        assert messages._preferred_wait_s() == wait_s


def test_fourth_waiting_request_gets_its_202_at_once(
    client: FlaskClient, acme: Company, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(messages, "waiting_for_sending", waiting.WaitingRoom(seats=0))
    monkeypatch.setattr(waiting, "sleep", lambda _: pytest.fail("it waited"))

    response = call(client, "POST", "/messages", acme.admin, json=BODY, headers={"Prefer": "wait=10"})

    assert response.status_code == 202


def test_waiting_room_seats_so_many(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(waiting, "end_read", lambda: None)
    room, seated, told = waiting.WaitingRoom(seats=1), threading.Event(), threading.Event()
    looks: list[str] = []

    def look_until_told() -> bool:
        seated.set()
        return told.is_set()

    with ThreadPoolExecutor() as pool:
        first = pool.submit(lambda: room.wait(look_until_told, bool, at_most_s=5))
        seated.wait(5)
        second = room.wait(lambda: looks.append("looked") or False, bool, at_most_s=5)
        told.set()

    assert (first.result(), second, looks) == (True, False, ["looked"])


@pytest.mark.commits
def test_waiting_holds_no_transaction_and_ends_when_the_message_is_sent(
    app: Flask, acme: Company, monkeypatch: pytest.MonkeyPatch
) -> None:
    body = {**BODY, "clientMessageId": "order-1"}
    first = call(app.test_client(), "POST", "/messages", acme.admin, json=body).json
    state = {"status": "sent", "external_id": "3EB0B", "sending_at": now(), "sent_at": now()}
    held: list[int] = []

    def deliver() -> None:
        with app.app_context():
            settle_message(acme, UUID(first["messageId"]), **state)

    def deliver_meanwhile(_: float) -> None:
        held.append(count_checked_out())
        worker = threading.Thread(target=deliver)
        worker.start()
        worker.join()

    monkeypatch.setattr(waiting, "sleep", deliver_meanwhile)

    response = call(app.test_client(), "POST", "/messages", acme.admin, json=body, headers={"Prefer": "wait=5"})

    assert response.status_code == 200
    assert (response.json["status"], response.json["externalId"], response.json["attempts"]) == ("sent", "3EB0B", 1)
    assert held == [0]


def count_checked_out() -> int:
    """Connections that somebody holds."""
    return db.engine.pool.checkedout()  # type: ignore[attr-defined]
