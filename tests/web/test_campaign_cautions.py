"""What the check page warns of before a campaign is sent, each with a way out."""

from datetime import time, timedelta
from zoneinfo import ZoneInfo

import pytest
from flask.testing import FlaskClient

from portal.clock import now
from portal.db import atomic, db
from portal.models import (
    CampaignRecipient,
    ColdReason,
    Conversation,
    RecipientState,
    Unit,
)
from portal.services import lanes
from portal.tenancy import TenantScope, acting_for
from tests.factories import make_campaign, make_conversation
from tests.web.drafts import change, make_people, prepare

MANY = 51
SAO_PAULO = ZoneInfo("America/Sao_Paulo")


@pytest.fixture
def address(admin: FlaskClient, acme: TenantScope, conversation: Conversation) -> str:
    """A planned draft to one person."""
    return prepare(admin, acme)


def test_quiet_campaign_to_those_who_know_the_unit_has_nothing_to_say(
    admin: FlaskClient, acme: TenantScope, address: str, conversation: Conversation
) -> None:
    change(acme, Unit, window_from=time(8), window_to=time(20))

    assert "Before you send" not in admin.get(f"{address}/check").text


def test_many_strangers_with_the_same_words_and_a_new_number_are_told_of(
    admin: FlaskClient, acme: TenantScope, connected_unit: Unit
) -> None:
    campaign = make_campaign(acme, connected_unit, make_people(acme, MANY))

    page = admin.get(f"/t/acme/campaigns/{campaign.id}/check").text

    assert "51 people would get exactly the same words" in page
    assert "This number is new here" in page
    assert "100% of these people never wrote to this unit (51 of 51)" in page
    assert 'href="/t/acme/units/jardins/pace">Change the pace</a>' in page
    assert f'href="/t/acme/campaigns/{campaign.id}/message">Change the message</a>' in page


def test_fifty_people_are_no_crowd(admin: FlaskClient, acme: TenantScope, connected_unit: Unit) -> None:
    campaign = make_campaign(acme, connected_unit, make_people(acme, MANY - 1))

    page = admin.get(f"/t/acme/campaigns/{campaign.id}/check").text

    assert "the same words" not in page
    assert "new here" not in page
    assert "never wrote" not in page


def test_number_that_is_warmed_up_or_known_for_long_is_not_called_new(
    admin: FlaskClient, acme: TenantScope, connected_unit: Unit
) -> None:
    campaign = make_campaign(acme, connected_unit, make_people(acme, MANY))
    address = f"/t/acme/campaigns/{campaign.id}/check"
    change(acme, Unit, warm_up_from=now().date())
    warmed = admin.get(address).text
    change(acme, Unit, warm_up_from=None)
    known = make_conversation(acme, connected_unit)
    with acting_for(acme), atomic():
        acme.get(Conversation, known.id).created_at = now() - timedelta(days=15)

    assert "This number is new here" not in warmed
    assert "This number is new here" not in admin.get(address).text


def test_more_than_leaves_today_is_told_with_its_days(
    admin: FlaskClient, acme: TenantScope, connected_unit: Unit
) -> None:
    campaign = make_campaign(acme, connected_unit, make_people(acme, 5))
    change(acme, Unit, daily_cap=2)

    page = admin.get(f"/t/acme/campaigns/{campaign.id}/check").text

    assert "it goes on over 3 days" in page
    assert "Today at most 2 messages." in page


def test_pace_that_never_opens_has_no_end_and_no_button(admin: FlaskClient, acme: TenantScope, address: str) -> None:
    change(acme, Unit, window_days=[])

    page = admin.get(f"{address}/check").text

    assert "the campaign would never end" in page
    assert "Send 1 message<" not in page


def test_limit_of_whatsapp_is_told_where_it_holds_somebody(
    admin: FlaskClient, acme: TenantScope, address: str, connected_unit: Unit
) -> None:
    with acting_for(acme), atomic():
        lanes.limit_new_chats(acme, connected_unit.id, ColdReason.NUMBER_BANNED)

    assert "WhatsApp limits this number" in admin.get(f"{address}/check").text


def test_people_who_got_another_campaign_today_are_told_of(
    admin: FlaskClient, acme: TenantScope, conversation: Conversation, connected_unit: Unit
) -> None:
    other = make_campaign(acme, connected_unit, [conversation.contact_id], name="Natal")
    change(acme, CampaignRecipient, state=RecipientState.HANDED, handed_at=now(), campaign_id=other.id)
    today = admin.get(f"{prepare(admin, acme)}/check").text
    with acting_for(acme), atomic():
        earlier = acme.update(CampaignRecipient).where(CampaignRecipient.campaign_id == other.id)
        db.session.execute(earlier.values(handed_at=now() - timedelta(days=1)))
    later = admin.get(f"{prepare(admin, acme)}/check").text

    assert "1 of these people already got “Natal” today." in today
    assert "already got" not in later


def test_missing_values_are_told_with_a_way_out(
    admin: FlaskClient, acme: TenantScope, conversation: Conversation
) -> None:
    page = admin.get(f"{prepare(admin, acme, 'Oi, ((cidade))')}/check").text

    assert "For 1 person a variable has no value" in page
    assert "A variable has no value for this person." in page
