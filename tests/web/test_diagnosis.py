"""The page of a unit's diagnosis: it opens at once, says in words what was found, and offers what can be done."""

import re
from collections.abc import Iterator
from dataclasses import replace
from typing import Any

import pytest
from flask.testing import FlaskClient

from portal.clock import now
from portal.db import atomic, db
from portal.evolution import errors
from portal.extensions import parts
from portal.models import (
    CampaignState,
    Connection,
    ConnectionAction,
    ConnectionStatus,
    Direction,
    Lane,
    Message,
    MessageStatus,
    PauseReason,
    StatusReason,
    Unit,
    UserSession,
)
from portal.monitor.diagnose import Cause, Fix, Incident, asking, turns
from portal.monitor.diagnose.asking import Answer
from portal.outbox import owners, servers
from portal.permissions import Role
from portal.queue import QUEUES
from portal.tenancy import TenantScope, across_tenants, acting_for
from portal.web import diagnosis
from portal.web.diagnosis_words import CAUSES, FIXES, INCIDENTS
from tests.evolution.little_servers import Scripted
from tests.factories import connection_of, make_campaign, make_conversation, make_message, make_unit, make_user
from tests.web.conftest import OpenBrowser
from tests.web.htmx import PART, poll

PAGE = "/t/acme/units/jardins/diagnosis"
KEY_REFUSED = {"status": 401, "error": "Unauthorized", "response": {"message": "Unauthorized"}}


@pytest.fixture
def evolution(monkeypatch: pytest.MonkeyPatch, connected_unit: Unit) -> Iterator[Scripted]:
    """It refuses the portal's key."""
    scripted = Scripted()
    scripted.answer(401, KEY_REFUSED)
    monkeypatch.setattr(parts, "config", replace(parts.config, evolution_api_url=scripted.url))
    servers.sync_default()
    for queue in QUEUES:
        owners.beat(owners.new_owner(), queue)
    yield scripted
    scripted.stop()


def note(scope: TenantScope, unit: Unit, model: Any = Connection, **columns: object) -> None:
    with acting_for(scope), atomic():
        db.session.execute(scope.update(model).where(model.unit_id == unit.id).values(columns))


def queued(scope: TenantScope) -> int:
    with acting_for(scope):
        return len(list(db.session.scalars(scope.select(Message).where(Message.status == MessageStatus.QUEUED))))


def look(client: FlaskClient, **query: str) -> str:
    response = client.get(PAGE, query_string={"now": "1", **query})
    assert response.status_code == 200
    return response.text


def test_every_cause_and_every_fix_has_words() -> None:
    assert (set(CAUSES), set(FIXES), set(INCIDENTS)) == (set(Cause), set(Fix), set(Incident))


def test_page_opens_at_once_and_loads_what_it_finds(admin: FlaskClient, evolution: Scripted) -> None:
    page = admin.get(PAGE).text

    assert evolution.asked == []
    assert 'hx-trigger="load"' in page
    assert re.search(r"<noscript>.*Look now", page)
    part = poll(admin, page, "diagnosis")
    assert "<html" not in part.text
    assert "Evolution refused the key" in part.text
    assert len(evolution.asked) == 1


def test_each_incident_says_what_was_found_and_what_could_not_be_looked_at(
    admin: FlaskClient, evolution: Scripted
) -> None:
    page = look(admin)

    assert [page.count(f'id="{incident}"') for incident in Incident] == [1, 1, 1, 1]
    assert 'id="unconnected-evolution_key_refused"' in page
    assert "Could not be looked at: Evolution does not report to the portal as it should" in page
    assert "Campaigns go on as their pace allows." in page


def test_fix_is_done_and_then_looked_for(
    admin: FlaskClient, evolution: Scripted, acme: TenantScope, connected_unit: Unit
) -> None:
    note(acme, connected_unit, Lane, is_open=False)
    assert f'action="{PAGE}/check"' in look(admin)

    response = admin.post(f"{PAGE}/check")

    assert response.headers["Location"] == f"{PAGE}?fix=check&look=1"
    assert connection_of(acme, connected_unit.id).webhook_checked_at is None
    part = poll(admin, admin.get(response.headers["Location"]).text, "diagnosis").text
    assert "A worker is at it" in part
    assert "look=2" in part
    note(acme, connected_unit, Lane, is_open=True)
    ended = poll(admin, part, "diagnosis").text
    assert "is not found any more" in ended
    assert "hx-trigger" not in ended


def test_looking_after_a_fix_ends(
    admin: FlaskClient, evolution: Scripted, acme: TenantScope, connected_unit: Unit
) -> None:
    note(acme, connected_unit, Lane, is_open=False)

    page = look(admin, fix="check", look=str(diagnosis.MOST_LOOKS_AFTER_FIX))

    assert "the cause is still there" in page
    assert "hx-trigger" not in page


@pytest.mark.parametrize("query", ["fix=nonsense&look=1", "fix=check&look=x"])
def test_address_that_makes_no_sense_is_refused(admin: FlaskClient, evolution: Scripted, query: str) -> None:
    assert admin.get(f"{PAGE}?now=1&{query}").status_code == 400


def test_address_cannot_lead_elsewhere(admin: FlaskClient, evolution: Scripted) -> None:
    page = admin.get(f"{PAGE}?unit_slug=other&_external=1&_scheme=ftp").text

    assert f'hx-get="{PAGE}?now=1"' in page


def test_restart_is_asked_for_twice(
    admin: FlaskClient, evolution: Scripted, acme: TenantScope, connected_unit: Unit
) -> None:
    note(
        acme,
        connected_unit,
        status=ConnectionStatus.CONNECTING,
        status_reason=StatusReason.CONNECTION_LOST,
        status_at=now().replace(year=2020),
    )
    assert f'href="{PAGE}/restart"' in look(admin)
    assert "Restart the connection?" in admin.get(f"{PAGE}/restart").text
    assert connection_of(acme, connected_unit.id).action is None

    admin.post(f"{PAGE}/restart")

    assert connection_of(acme, connected_unit.id).action == ConnectionAction.RESTART


def test_new_secret_asks_for_the_password_again(
    admin: FlaskClient, evolution: Scripted, acme: TenantScope, connected_unit: Unit
) -> None:
    before = connection_of(acme, connected_unit.id).webhook_secret_hash
    note(acme, connected_unit, webhook_secret_hash="0" * 64)
    assert f'href="{PAGE}/rotate"' in look(admin)
    with across_tenants("a test lets time pass"), atomic():
        db.session.query(UserSession).update({"confirmed_at": now().replace(year=2020)})

    assert [admin.get(f"{PAGE}/rotate").status_code, admin.post(f"{PAGE}/rotate").status_code] == [303, 303]
    assert connection_of(acme, connected_unit.id).webhook_secret_hash == "0" * 64

    with across_tenants("a test gives the password"), atomic():
        db.session.query(UserSession).update({"confirmed_at": now()})
    admin.post(f"{PAGE}/rotate")
    assert connection_of(acme, connected_unit.id).webhook_secret_hash not in ("0" * 64, before)


@pytest.mark.parametrize("fix", [Fix.CHECK, Fix.REQUEUE, Fix.RESUME, Fix.RESTART])
def test_fix_that_is_not_offered_now_is_refused(admin: FlaskClient, evolution: Scripted, unit: Unit, fix: Fix) -> None:
    response = admin.post(f"/t/acme/units/centro/diagnosis/{fix}")

    assert response.status_code == 409
    assert "What this puts right is not found at the unit now." in response.text


def test_whoever_comes_while_somebody_looks_is_told_so(
    admin: FlaskClient, evolution: Scripted, acme: TenantScope, connected_unit: Unit
) -> None:
    note(acme, connected_unit, Lane, is_open=False)

    with turns.of(connected_unit.id):
        part = admin.get(f"{PAGE}?now=1", headers=PART)
        pressed = admin.post(f"{PAGE}/check", follow_redirects=True)

    for response in (part, pressed):
        assert (response.status_code, "looking at this unit just now" in response.text) == (200, True)
    assert evolution.asked == []
    assert admin.post(f"{PAGE}/check").headers["Location"] == f"{PAGE}?fix=check&look=1"


def test_fixes_of_a_unit_are_limited(
    admin: FlaskClient,
    evolution: Scripted,
    acme: TenantScope,
    connected_unit: Unit,
    unit: Unit,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(diagnosis, "FIXES_AT_MOST", "2 per minute")

    statuses = [admin.post(f"{PAGE}/{fix}").status_code for fix in (Fix.CHECK, Fix.RESUME, Fix.WAKE)]

    assert statuses == [409, 409, 429]
    assert admin.post("/t/acme/units/centro/diagnosis/check").status_code == 409


def test_failed_messages_go_back_to_the_queue_when_asked_twice(
    admin: FlaskClient, evolution: Scripted, acme: TenantScope, connected_unit: Unit, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(asking, "ask", lambda question: Answer(is_loaded=True, state="open"))
    failed = {"status": MessageStatus.FAILED, "error_code": errors.UNREACHABLE, "failed_at": now()}
    make_message(acme, make_conversation(acme, connected_unit), direction=Direction.OUTBOUND, **failed)

    assert f'href="{PAGE}/requeue"' in look(admin)
    assert "Send the failed messages again?" in admin.get(f"{PAGE}/requeue").text
    assert queued(acme) == 0
    admin.post(f"{PAGE}/requeue")
    assert queued(acme) == 1


def test_unit_is_not_looked_at_too_often(
    admin: FlaskClient, evolution: Scripted, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(diagnosis, "LOOKS", "2 per minute")
    for _ in range(2):
        look(admin)
    asked = len(evolution.asked)

    page, part = look(admin), admin.get(f"{PAGE}?now=1", headers=PART)

    assert "was looked at very often" in page
    assert (part.status_code, "was looked at very often" in part.text) == (200, True)
    assert len(evolution.asked) == asked
    assert "was looked at very often" not in admin.get(PAGE).text


def test_operator_learns_the_cause_and_nothing_of_what_is_sent(
    operator: FlaskClient, evolution: Scripted, acme: TenantScope, connected_unit: Unit
) -> None:
    paused = {"state": CampaignState.PAUSED, "pause_reason": PauseReason.NUMBER_LIMITED, "paused_at": now()}
    campaign = make_campaign(acme, connected_unit, [], name="Segredo da Acme", **paused)

    page = look(operator)

    assert "It paused itself" in page
    assert "Segredo da Acme" not in page
    assert str(campaign.id) not in page
    assert f"{PAGE}/resume" not in page
    assert 'href="/operator/servers"' in page
    assert operator.post(f"{PAGE}/resume").status_code == 403
    assert operator.post(f"{PAGE}/requeue").status_code == 403


def test_administrator_may_resume_what_is_safe(
    admin: FlaskClient, evolution: Scripted, acme: TenantScope, connected_unit: Unit
) -> None:
    paused = {"state": CampaignState.PAUSED, "pause_reason": PauseReason.NUMBER_LIMITED, "paused_at": now()}
    campaign = make_campaign(acme, connected_unit, [], name="Promoção", **paused)

    page = look(admin)

    assert "Promoção" in page
    assert f'href="/t/acme/campaigns/{campaign.id}"' in page
    assert f'action="{PAGE}/resume"' in page


def test_agent_may_not_diagnose(browser: OpenBrowser, evolution: Scripted) -> None:
    agent = browser(make_user("agent@acme.test", role=Role.AGENT, unit_slugs=("jardins",)))

    assert agent.get(PAGE).status_code == 403
    assert agent.get(f"{PAGE}?now=1", headers=PART).status_code == 403
    assert [agent.post(f"{PAGE}/{fix}").status_code for fix in Fix] == [403] * len(Fix)
    assert evolution.asked == []


def test_unit_page_and_campaign_page_lead_here(admin: FlaskClient, acme: TenantScope, connected_unit: Unit) -> None:
    paused = {"state": CampaignState.PAUSED, "pause_reason": PauseReason.BLOCKS, "paused_at": now()}
    campaign = make_campaign(acme, connected_unit, [], **paused)

    for address in ("/t/acme/units/jardins", f"/t/acme/campaigns/{campaign.id}"):
        assert f'href="{PAGE}"' in admin.get(address).text


def test_unit_of_another_company_is_not_there(admin: FlaskClient, rival: TenantScope, evolution: Scripted) -> None:
    make_unit(rival, "norte")

    assert admin.get("/t/acme/units/norte/diagnosis?now=1").status_code == 404
    assert admin.get("/t/rival/units/norte/diagnosis?now=1").status_code == 404
