"""The list of campaigns, and one as it runs."""

import re

import pytest
from flask.testing import FlaskClient

from portal.clock import now
from portal.models import (
    CampaignState,
    MessageStatus,
    PlanState,
    RecipientState,
    Unit,
)
from portal.permissions import Role
from portal.queries.campaigns import PAGE
from portal.tenancy import TenantScope
from tests.factories import make_campaign, make_connected_unit, make_user
from tests.web.campaigns import ADDRESS, change_campaign, change_recipient, hand, run_campaign, state_of
from tests.web.conftest import OpenBrowser
from tests.web.htmx import poll


def names_in(page: str) -> list[str]:
    return re.findall(r'<strong dir="auto">([^<]+)</strong>', page)


def test_list_says_state_unit_and_progress(admin: FlaskClient, acme: TenantScope, connected_unit: Unit) -> None:
    campaign = run_campaign(acme, connected_unit, name="Natal")
    hand(acme, campaign, 1)

    page = admin.get(ADDRESS).text

    assert names_in(page) == ["Natal"]
    assert "Jardins" in page
    assert "Being sent" in page
    assert "1 of 3 sent" in page
    assert "Ends today" in page or "Ends tomorrow" in page


def test_empty_list_teaches_what_it_is_for(admin: FlaskClient, acme: TenantScope) -> None:
    page = admin.get(ADDRESS).text

    assert "No campaigns yet" in page
    assert "/campaigns/new" in page


@pytest.mark.parametrize(
    ("query", "shown"),
    [
        ("", ["Lá", "Rascunho", "Aqui"]),
        ("state=draft", ["Rascunho"]),
        ("state=paused", []),
        ("unit=jardins", ["Rascunho", "Aqui"]),
        ("unit=moema&state=processing", ["Lá"]),
    ],
)
def test_list_is_filtered(
    admin: FlaskClient, acme: TenantScope, connected_unit: Unit, query: str, shown: list[str]
) -> None:
    run_campaign(acme, connected_unit, name="Aqui")
    make_campaign(acme, connected_unit, [], name="Rascunho")
    run_campaign(acme, make_connected_unit(acme, "moema", phone="5511999990009"), name="Lá")

    assert names_in(admin.get(f"{ADDRESS}?{query}").text) == shown


@pytest.mark.parametrize(("query", "status"), [("state=nonsense", 400), ("before=x", 400), ("unit=nowhere", 404)])
def test_crooked_filter_is_refused(admin: FlaskClient, acme: TenantScope, query: str, status: int) -> None:
    assert admin.get(f"{ADDRESS}?{query}").status_code == status


def test_earlier_campaigns_come_page_by_page(admin: FlaskClient, acme: TenantScope, connected_unit: Unit) -> None:
    for number in range(PAGE + 1):
        make_campaign(acme, connected_unit, [], name=f"Nº {number}.")
    page = admin.get(ADDRESS).text
    link = re.search(r'href="([^"]*before=[^"]*)"', page)
    assert link

    earlier = admin.get(link[1].replace("&amp;", "&")).text

    assert len(names_in(page)) == PAGE
    assert names_in(earlier) == ["Nº 0."]


def test_agent_sees_those_of_their_units_and_decides_nothing(
    acme: TenantScope, connected_unit: Unit, browser: OpenBrowser
) -> None:
    mine = run_campaign(acme, connected_unit, name="Minha")
    other = run_campaign(acme, make_connected_unit(acme, "moema", phone="5511999990009"), name="Alheia")
    agent = browser(make_user("agente@acme.test", role=Role.AGENT, unit_slugs=("jardins",)))

    page = agent.get(f"{ADDRESS}/{mine.id}").text

    assert names_in(agent.get(ADDRESS).text) == ["Minha"]
    assert agent.get(f"{ADDRESS}/{other.id}").status_code == 404
    assert agent.get(f"{ADDRESS}/{other.id}/recipients").status_code == 404
    assert "run-pause" not in page
    assert agent.post(f"{ADDRESS}/{mine.id}/pause").status_code == 403


@pytest.mark.parametrize(
    ("columns", "step"),
    [
        ({"plan_state": PlanState.DONE}, "check"),
        ({"plan_state": PlanState.WAITING}, "check"),
        ({"plan_state": PlanState.NONE, "audience": {"everybody": True}}, "message"),
        ({"plan_state": PlanState.NONE}, "audience"),
    ],
)
def test_draft_leads_to_its_preparation(
    admin: FlaskClient, acme: TenantScope, connected_unit: Unit, columns: dict[str, object], step: str
) -> None:
    campaign = make_campaign(acme, connected_unit, [], **columns)

    response = admin.get(f"{ADDRESS}/{campaign.id}")

    assert (response.status_code, response.location.rpartition("/")[2]) == (303, step)


def test_run_page_counts_every_rung_once_and_links_to_its_lines(
    admin: FlaskClient, acme: TenantScope, connected_unit: Unit
) -> None:
    campaign = run_campaign(acme, connected_unit, 7)
    for position, status in enumerate(
        (MessageStatus.SENDING, MessageStatus.DELIVERED, MessageStatus.READ, MessageStatus.FAILED), start=1
    ):
        hand(acme, campaign, position, status)
    hand(acme, campaign, 5)
    change_recipient(acme, campaign, 5, replied_at=now())
    change_recipient(acme, campaign, 6, state=RecipientState.SKIPPED, reason="opted_out")

    page = admin.get(f"{ADDRESS}/{campaign.id}").text

    found = re.findall(r'id="rung-(\w+)" href="[^"]*\?rung=(\w+)"><strong>(\d+)</strong>', page)
    assert {rung: number for rung, name, number in found if rung == name} == {
        "pending": "1",
        "queued": "1",
        "delivered": "1",
        "read": "1",
        "replied": "1",
        "failed": "1",
        "skipped": "1",
    }
    assert "4 of 6 sent" in page
    assert "recipients?reason=opted_out" in page
    assert "Retry failed (1)" in page


def test_page_follows_by_itself_until_the_end(admin: FlaskClient, acme: TenantScope, connected_unit: Unit) -> None:
    campaign = run_campaign(acme, connected_unit)
    page = admin.get(f"{ADDRESS}/{campaign.id}").text

    quiet = poll(admin, page, "run")
    hand(acme, campaign, 1)
    news = poll(admin, page, "run")
    change_campaign(acme, campaign.id, state=CampaignState.COMPLETED, finished_at=now())
    ended = poll(admin, news.text, "run")

    assert quiet.status_code == 204
    assert "1 of 3 sent" in news.text
    assert "<html" not in news.text
    assert "Completed" in ended.text
    assert 'hx-trigger="every' not in ended.text


def test_pause_and_resume_say_how_many_are_left(admin: FlaskClient, acme: TenantScope, connected_unit: Unit) -> None:
    campaign = run_campaign(acme, connected_unit)
    hand(acme, campaign, 1)

    paused = admin.post(f"{ADDRESS}/{campaign.id}/pause", follow_redirects=True)

    assert state_of(acme, campaign.id) == CampaignState.PAUSED
    assert "Resume (2)" in paused.text
    assert "admin@acme.test paused it" in paused.text
    assert ", if you resume it now" in paused.text

    admin.post(f"{ADDRESS}/{campaign.id}/resume")

    assert state_of(acme, campaign.id) == CampaignState.PROCESSING


def test_cancelling_asks_first(admin: FlaskClient, acme: TenantScope, connected_unit: Unit) -> None:
    campaign = run_campaign(acme, connected_unit)

    asked = admin.get(f"{ADDRESS}/{campaign.id}/cancel").text

    assert "3 people have not been written to and never will be." in asked
    assert state_of(acme, campaign.id) == CampaignState.PROCESSING

    admin.post(f"{ADDRESS}/{campaign.id}/cancel")

    assert state_of(acme, campaign.id) == CampaignState.CANCELLED


def test_decision_that_comes_too_late_shows_how_it_stands(
    admin: FlaskClient, acme: TenantScope, connected_unit: Unit
) -> None:
    campaign = run_campaign(acme, connected_unit, state=CampaignState.COMPLETED)

    response = admin.post(f"{ADDRESS}/{campaign.id}/pause")

    assert response.status_code == 409
    assert "does not allow this any more" in response.text
    assert "Completed" in response.text


def test_failed_ones_have_another_turn(admin: FlaskClient, acme: TenantScope, connected_unit: Unit) -> None:
    campaign = run_campaign(acme, connected_unit, state=CampaignState.COMPLETED)
    hand(acme, campaign, 1, MessageStatus.FAILED, external_id="3A1")

    response = admin.post(f"{ADDRESS}/{campaign.id}/retry", follow_redirects=True)

    assert "1 person has another turn." in response.text
    assert state_of(acme, campaign.id) == CampaignState.PROCESSING


def test_number_of_those_who_may_be_tried_again_leaves_out_whose_message_is_gone(
    admin: FlaskClient, acme: TenantScope, connected_unit: Unit
) -> None:
    campaign = run_campaign(acme, connected_unit, state=CampaignState.COMPLETED)
    hand(acme, campaign, 1, MessageStatus.FAILED)
    gone = {"state": RecipientState.HANDED, "handed_at": now(), "outcome": "failed"}
    change_recipient(acme, campaign, 2, **gone)

    page = admin.get(f"{ADDRESS}/{campaign.id}").text

    assert "Retry failed (1)" in page
    change_recipient(acme, campaign, 1, replied_at=now())
    assert "Retry failed" not in admin.get(f"{ADDRESS}/{campaign.id}").text


def test_copy_is_a_draft_to_be_finished(admin: FlaskClient, acme: TenantScope, connected_unit: Unit) -> None:
    campaign = run_campaign(acme, connected_unit, name="Natal")

    response = admin.post(f"{ADDRESS}/{campaign.id}/clone")

    assert response.status_code == 303
    assert response.location.endswith("/audience")
    assert names_in(admin.get(f"{ADDRESS}?state=draft").text) == ["Natal (copy)"]
