"""What the page of a campaign says while it runs: why it waits, how fast it goes, what came of it."""

import re
from datetime import timedelta
from zoneinfo import ZoneInfo

import pytest
from flask.testing import FlaskClient

from portal.clock import now
from portal.models import (
    CampaignState,
    Connection,
    Contact,
    Lane,
    MessageStatus,
    MissedStart,
    PauseReason,
    RecipientState,
    Unit,
)
from portal.tenancy import TenantScope
from tests.factories import make_campaign, make_conversation
from tests.web.campaigns import ADDRESS, change, change_recipient, hand, run_campaign
from tests.web.htmx import PART


@pytest.mark.parametrize(
    ("reason", "details", "words", "remedy"),
    [
        (PauseReason.PERSON, None, "Somebody paused it", "nobody is lost"),
        (PauseReason.MISSED_START, None, "was not running when it was to start", "Resume it to start now"),
        (
            PauseReason.FAILURES,
            {"failed": 12, "of": 50, "code": "not_on_whatsapp"},
            "12 of its last 50 messages failed. Most often: number not on WhatsApp.",
            "Put that right first",
        ),
        (PauseReason.OPT_OUTS, {"opted_out": 7, "of": 100}, "7 of the last 100 people asked", "may not expect it"),
        (PauseReason.BLOCKS, {"undelivered": 30, "of": 50}, "30 of its last 50 messages", "Wait a day"),
        (PauseReason.NUMBER_LIMITED, {"until": "2999-01-01T12:00:00+00:00"}, "begin new chats", "Resume it after"),
        (PauseReason.NUMBER_LIMITED, None, "begin new chats", "may begin chats again"),
    ],
)
def test_page_says_why_it_is_paused_and_what_to_do(
    admin: FlaskClient,
    acme: TenantScope,
    connected_unit: Unit,
    reason: PauseReason,
    details: dict[str, object] | None,
    words: str,
    remedy: str,
) -> None:
    why = {"pause_reason": reason, "pause_details": details, "paused_at": now()}
    campaign = run_campaign(acme, connected_unit, state=CampaignState.PAUSED, **why)

    page = admin.get(f"{ADDRESS}/{campaign.id}").text

    assert words in page
    assert remedy in page


def test_page_says_that_the_unit_is_away(admin: FlaskClient, acme: TenantScope, unit: Unit) -> None:
    campaign = run_campaign(acme, unit)

    page = admin.get(f"{ADDRESS}/{campaign.id}").text

    assert "The unit is not connected" in page
    assert "goes on by itself once it is" in page


def test_page_says_that_todays_share_is_used(admin: FlaskClient, acme: TenantScope, connected_unit: Unit) -> None:
    campaign = run_campaign(acme, connected_unit)
    change(acme, Unit, daily_cap=2)
    today = now().astimezone(ZoneInfo(connected_unit.time_zone)).date()
    change(acme, Lane, campaign_count=2, campaign_day=today)

    page = admin.get(f"{ADDRESS}/{campaign.id}").text

    assert "The 2 messages that may leave today have left." in page
    assert "It goes on by itself tomorrow at" in page


def test_page_says_that_no_day_is_open(admin: FlaskClient, acme: TenantScope, connected_unit: Unit) -> None:
    campaign = run_campaign(acme, connected_unit)
    change(acme, Unit, window_days=[])

    page = admin.get(f"{ADDRESS}/{campaign.id}").text

    assert "no message may ever leave" in page
    assert "At this pace it never ends." in page


def test_page_names_the_campaign_that_takes_turns_with_it(
    admin: FlaskClient, acme: TenantScope, connected_unit: Unit
) -> None:
    campaign = run_campaign(acme, connected_unit, name="Primeira")
    make_campaign(acme, connected_unit, [], name="Segunda", state=CampaignState.PROCESSING)

    page = admin.get(f"{ADDRESS}/{campaign.id}").text

    assert "they take turns: “Segunda”." in page


def test_scheduled_campaign_says_when_and_what_if_it_is_missed(
    admin: FlaskClient, acme: TenantScope, connected_unit: Unit
) -> None:
    planned = {"scheduled_at": now() + timedelta(days=2), "if_missed": MissedStart.START, "started_at": None}
    campaign = run_campaign(acme, connected_unit, state=CampaignState.SCHEDULED, **planned)

    page = admin.get(f"{ADDRESS}/{campaign.id}").text

    assert "Planned for" in page
    assert "it starts as soon as it is" in page
    assert "Ends " in page


def test_rate_is_measured_and_slows_the_forecast_down(
    admin: FlaskClient, acme: TenantScope, connected_unit: Unit
) -> None:
    change(acme, Connection, connected_at=now() - timedelta(days=1))
    campaign = run_campaign(acme, connected_unit, 60)
    at_its_pace = admin.get(f"{ADDRESS}/{campaign.id}").text
    for position in range(1, 6):
        hand(acme, campaign, position)

    page = admin.get(f"{ADDRESS}/{campaign.id}").text

    assert "0 a minute" in at_its_pace
    assert "1 a minute" in page
    # They take three minutes at the pace of the unit, and an hour at one a minute.
    assert _ends(page) != _ends(at_its_pace)


@pytest.mark.parametrize(
    ("found", "words"), [(0, "it is complete"), (3, "3 people had been missed")], ids=["complete", "found"]
)
def test_page_says_what_looking_again_found(
    admin: FlaskClient, acme: TenantScope, connected_unit: Unit, found: int, words: str
) -> None:
    done = {"state": CampaignState.COMPLETED, "finished_at": now(), "rechecked_at": now(), "recheck_found": found}
    campaign = run_campaign(acme, connected_unit, **done)

    assert words in admin.get(f"{ADDRESS}/{campaign.id}").text


def test_variants_are_compared(admin: FlaskClient, acme: TenantScope, connected_unit: Unit) -> None:
    campaign = run_campaign(acme, connected_unit, 4, variants=["Oi!", "Olá!"])
    for position in (1, 2, 3, 4):
        hand(acme, campaign, position, MessageStatus.READ if position < 3 else MessageStatus.DELIVERED)
        change_recipient(acme, campaign, position, variant=1 if position % 2 else 2)

    page = admin.get(f"{ADDRESS}/{campaign.id}").text

    assert "Too few to tell which one does better" in page
    assert re.search(r'data-label="Read">1 <span class="muted">50%</span>', page)


def test_opting_out_afterwards_is_counted(admin: FlaskClient, acme: TenantScope, connected_unit: Unit) -> None:
    campaign = run_campaign(acme, connected_unit)
    message = hand(acme, campaign, 1)
    conversation = make_conversation(acme, connected_unit, phone="5511988800000", name=None)
    assert conversation.id == message.conversation_id
    change(acme, Contact, opted_out_at=now())

    assert re.search(r"<strong>1</strong> opted out afterwards", admin.get(f"{ADDRESS}/{campaign.id}").text)


def test_message_in_a_thread_names_its_campaign(admin: FlaskClient, acme: TenantScope, connected_unit: Unit) -> None:
    campaign = run_campaign(acme, connected_unit, name="Natal")
    message = hand(acme, campaign, 1)

    page = admin.get(f"/t/acme/conversations/{message.conversation_id}").text

    assert re.search(rf'href="{ADDRESS}/{campaign.id}" dir="auto">Natal</a>', page)


def test_poll_of_a_large_campaign_is_less_frequent(
    admin: FlaskClient, acme: TenantScope, connected_unit: Unit, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("portal.web.campaign_run.MANY", 2)
    campaign = run_campaign(acme, connected_unit)

    assert "every 15s" in admin.get(f"{ADDRESS}/{campaign.id}", headers=PART).text


def _ends(page: str) -> str:
    found = re.search(r"<strong>(Ends [^<]+)</strong>", page)
    assert found
    return found[1]


def test_whoever_opted_out_while_their_message_waited_is_told_with_the_reason(
    admin: FlaskClient, acme: TenantScope, connected_unit: Unit
) -> None:
    campaign = run_campaign(acme, connected_unit, 3)
    hand(acme, campaign, 1, MessageStatus.CANCELLED, error_code="opted_out", sent_at=None)
    change_recipient(acme, campaign, 2, state=RecipientState.SKIPPED, reason="opted_out")

    page = admin.get(f"{ADDRESS}/{campaign.id}").text
    ledger = admin.get(f"{ADDRESS}/{campaign.id}/recipients?reason=opted_out").text

    assert re.search(r'\?reason=opted_out">[^<]*</a> <span class="muted">2</span>', page)
    assert re.findall(r'id="recipient-(\d+)"', ledger) == ["1", "2"]


def test_one_is_one_and_several_are_several(admin: FlaskClient, acme: TenantScope, connected_unit: Unit) -> None:
    campaign = run_campaign(acme, connected_unit, 3)
    hand(acme, campaign, 1, MessageStatus.DELIVERED)

    page = admin.get(f"{ADDRESS}/{campaign.id}").text

    assert "<strong>1</strong> was delivered" in page
    assert "<strong>2</strong> wait for their turn" in page


def test_campaign_of_an_archived_unit_leads_nowhere(
    admin: FlaskClient, acme: TenantScope, connected_unit: Unit
) -> None:
    campaign = run_campaign(acme, connected_unit, 1, state=CampaignState.COMPLETED, finished_at=now())
    hand(acme, campaign, 1, MessageStatus.FAILED)
    change(acme, Unit, archived_at=now())

    page = admin.get(f"{ADDRESS}/{campaign.id}").text

    assert "/units/" not in page
    assert "/clone" not in page
    assert "/retry" not in page
