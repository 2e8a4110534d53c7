"""What the process says of itself, and of the parts it stands on."""

from datetime import timedelta

import pytest
import redis
from flask import Flask
from flask.testing import FlaskClient
from sqlalchemy.exc import OperationalError

from portal import __version__
from portal.clock import now
from portal.db import atomic, db
from portal.extensions import parts
from portal.models import Lane
from portal.queue import BACKGROUND, INBOX, OUTBOX, QUEUES
from portal.tenancy import acting_for
from tests.web_api.seed import Company, beat, call, change_connection


def checks(client: FlaskClient) -> dict[str, bool]:
    return {check["name"]: check["ok"] for check in call(client, "GET", "/ready").json["checks"]}


def test_health_touches_nothing_else(client: FlaskClient, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(db, "session", None)
    monkeypatch.setattr("portal.web.headers.tenancy.unbind", lambda: None)

    response = call(client, "GET", "/health")

    assert response.status_code == 200
    assert (response.json["status"], response.json["version"]) == ("ok", __version__)
    assert response.json["uptime"] >= 0


def test_ready_when_every_part_answers(client: FlaskClient, acme: Company) -> None:
    for queue in QUEUES:
        beat(queue)

    response = call(client, "GET", "/ready")

    assert response.status_code == 200
    assert response.json["status"] == "ready"
    assert [check["name"] for check in response.json["checks"]] == ["database", "redis", "worker", "evolution"]
    assert all(check["ok"] and check["detail"] for check in response.json["checks"])


@pytest.mark.parametrize(
    "ages", [{}, {INBOX: 0, BACKGROUND: 0}, {INBOX: 0, BACKGROUND: 0, OUTBOX: 20}], ids=["none", "some", "old"]
)
def test_not_ready_without_a_fresh_heartbeat_of_every_queue(client: FlaskClient, ages: dict[str, int]) -> None:
    for queue, age_s in ages.items():
        beat(queue, age_s=age_s)

    assert call(client, "GET", "/ready").status_code == 503
    assert checks(client) == {"database": True, "redis": True, "worker": False, "evolution": True}


@pytest.mark.parametrize("reason", ["evolution_unreachable", "evolution_key_refused", "evolution_not_licensed"])
@pytest.mark.parametrize(("age_minutes", "is_ok"), [(1, False), (20, True)], ids=["now", "long-ago"])
def test_evolution_is_what_a_unit_last_learned_of_it(
    client: FlaskClient, acme: Company, reason: str, age_minutes: int, is_ok: bool
) -> None:
    tried_at = now() - timedelta(minutes=age_minutes)
    change_connection(acme.scope, acme.unit_id, status="disconnected", status_reason=reason, instance_made_at=tried_at)

    assert checks(client)["evolution"] is is_ok


def test_lane_that_cannot_reach_evolution_says_so(client: FlaskClient, acme: Company) -> None:
    with acting_for(acme.scope), atomic():
        lane = acme.scope.update(Lane).where(Lane.unit_id == acme.unit_id)
        db.session.execute(lane.values(away_reason="evolution_unreachable", next_send_at=now()))

    detail = next(c["detail"] for c in call(client, "GET", "/ready").json["checks"] if c["name"] == "evolution")

    assert detail == "evolution_unreachable: 1 unit(s)"


def test_not_ready_when_redis_is_away(app: Flask, client: FlaskClient, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(parts, "redis", redis.Redis.from_url("redis://127.0.0.1:1/0", socket_connect_timeout=0.2))

    assert call(client, "GET", "/ready").status_code == 503
    assert checks(client)["redis"] is False


def test_not_ready_when_the_database_is_away(client: FlaskClient, monkeypatch: pytest.MonkeyPatch) -> None:
    def away(*_: object) -> None:
        raise OperationalError("SELECT", {}, Exception("secret host name"))

    monkeypatch.setattr(db.session, "scalar", away)
    monkeypatch.setattr(db.session, "execute", away)

    response = call(client, "GET", "/ready")

    assert response.status_code == 503
    assert checks(client) == {"database": False, "redis": True, "worker": False, "evolution": False}
    assert "secret" not in response.text
