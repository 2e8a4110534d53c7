"""Whatever is posted to the webhook door: it answers, keeps what it said it keeps, and the relay copes with it."""

import json
from typing import Any

import pytest
from flask import Flask
from hypothesis import strategies as st
from sqlalchemy import select
from werkzeug.test import TestResponse

from portal.db import db
from portal.inbox import relay
from portal.inbox.events import NotUnderstood
from portal.inbox.receive import KEPT_EDITS
from portal.models import EventState, Unit, WebhookEvent
from portal.services import events
from portal.tenancy import across_tenants
from tests.factories import SECRET, make_connected_unit, make_tenant
from tests.fuzz.exploring import Say, explore
from tests.fuzz.trees import bodies, raw_bodies
from tests.inbox.conftest import signature

NAME = "unit_3f0c8c1e-0000-4000-8000-000000000001"
# What the relay says of a body that lacks what its event always carries. Everything else would be a mistake of ours.
PUT_OFF = {None, NotUnderstood.__name__}
SIGNATURES = st.sampled_from(["right", "right", "right", "none", "of another", "no token", "none at all"])
TYPES = st.sampled_from(
    ["application/json", "application/json; charset=utf-8", "text/plain", "", "application/xml", "a" * 300]
)
SECRETS = st.just(SECRET) | st.text(st.characters(exclude_characters="/?#", codec="utf-8"), min_size=1, max_size=40)
SUFFIXES = st.sampled_from(["", "/", "/messages-upsert", "//messages-upsert", "/%00", "/..%2f..", "?a=%ff"])


@pytest.fixture
def unit(database: None) -> Unit:
    return make_connected_unit(make_tenant(), instance_name=NAME)


@pytest.fixture
def door(app: Flask, unit: Unit) -> "Door":
    return Door(app, unit)


class Door:
    """Posts, and looks at what became of it; afterwards nothing of it is left."""

    def __init__(self, app: Flask, unit: Unit) -> None:
        self._client, self._unit = app.test_client(), unit

    def post(self, body: bytes, *, secret: str = SECRET, suffix: str = "", **headers: str) -> TestResponse:
        given = {"Content-Type": "application/json", "Authorization": f"Bearer {signature(NAME)}"} | headers
        return self._client.post(
            f"/webhooks/whatsapp/evolution/{secret}{suffix}", data=body, headers={k: v for k, v in given.items() if v}
        )

    def kept(self) -> list[WebhookEvent]:
        with across_tenants("a test looks at what was stored"):
            found = select(WebhookEvent).where(WebhookEvent.unit_id == self._unit.id).order_by(WebhookEvent.id)
            return list(db.session.scalars(found.execution_options(populate_existing=True)))

    def check(self, body: bytes, **how: str) -> TestResponse:
        savepoint = db.engine.begin_nested()  # type: ignore[attr-defined]
        try:
            response = self.post(body, **how)
            assert response.status_code in (200, 400, 401)
            if response.status_code == 200 and response.json == {"status": "stored"}:
                self._check_kept(json.loads(body))
            return response
        finally:
            db.session.remove()
            savepoint.rollback()

    def _check_kept(self, payload: dict[str, Any]) -> None:
        if is_left_out(payload):
            assert self.kept() == []
            return
        assert [event.body_hash for event in self.kept()] == [events.fingerprint(payload)]
        relay.drain()
        [event] = self.kept()
        assert event.error in PUT_OFF
        assert (event.state == EventState.DONE) == (event.error is None)


def is_left_out(payload: dict[str, Any]) -> bool:
    data = payload.get("data")
    kind = str(data.get("type") if isinstance(data, dict) else None)
    return payload["event"] == "messages.edited" and kind not in KEPT_EDITS


def test_whole_bodies_are_kept_and_applied_whatever_is_in_them(door: Door, measured: Say) -> None:
    def check(body: tuple[str, Any]) -> None:
        answer = door.check(json.dumps(body[1]).encode())
        assert answer.status_code == 200

    explore("webhook bodies that are JSON", check, measured, few=25, body=bodies(instance=NAME))


def test_anything_posted_is_answered(door: Door, measured: Say) -> None:
    explore("webhook bodies of any bytes", door.check, measured, few=40, body=raw_bodies(instance=NAME))


def test_headers_and_addresses_of_any_kind_are_answered(door: Door, measured: Say) -> None:
    def check(body: bytes, kind: str, bearer: str, secret: str, suffix: str) -> None:
        tokens = {"right": signature(NAME), "of another": signature("unit_other"), "no token": "a.b.c"}
        authorization = f"Bearer {tokens[bearer]}" if bearer in tokens else ""
        how = {"Content-Type": kind, "Authorization": authorization, "secret": secret, "suffix": suffix}
        answer = door.post(body, **how)
        # An address may be none of the door's: nothing is there.
        assert answer.status_code in (200, 400, 401, 404)
        is_known = secret == SECRET and bearer == "right"
        assert is_known or answer.json != {"status": "stored"}

    explore(
        "webhook headers and addresses",
        check,
        measured,
        few=25,
        body=bodies(instance=NAME).map(lambda body: json.dumps(body[1]).encode()) | raw_bodies(instance=NAME),
        kind=TYPES,
        bearer=SIGNATURES,
        secret=SECRETS,
        suffix=SUFFIXES,
    )
