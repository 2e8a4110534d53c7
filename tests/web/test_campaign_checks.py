"""A planned campaign is looked at, tried on one's own phone, and sent."""

import re
from datetime import datetime, time, timedelta
from io import BytesIO
from zoneinfo import ZoneInfo

import pytest
from flask.testing import FlaskClient

from portal.clock import now
from portal.db import atomic, db
from portal.models import (
    CampaignRecipient,
    CampaignState,
    Contact,
    Conversation,
    Message,
    MessageSource,
    MissedStart,
    RecipientState,
    SkipReason,
    Unit,
)
from portal.tenancy import TenantScope, acting_for
from tests.factories import make_campaign, make_conversation
from tests.files import PDF
from tests.web.campaigns import change_campaign
from tests.web.drafts import begin, campaign_of, change, hidden, plan, prepare, start
from tests.web.htmx import PART, poll

MANY = 51
SAO_PAULO = ZoneInfo("America/Sao_Paulo")


@pytest.fixture
def address(admin: FlaskClient, acme: TenantScope, conversation: Conversation) -> str:
    """A planned draft to one person."""
    return prepare(admin, acme)


def messages_of(scope: TenantScope) -> list[Message]:
    with acting_for(scope):
        return list(db.session.scalars(scope.select(Message)))


def test_page_follows_the_planning(admin: FlaskClient, acme: TenantScope, conversation: Conversation) -> None:
    address = begin(admin)
    admin.post(f"{address}/audience", data={"everybody": "1"})
    admin.post(f"{address}/message", data={"variant_1": "Oi!"})
    waiting = admin.get(f"{address}/check").text
    quiet = poll(admin, waiting, "campaign-check")
    plan(acme, address)

    news = poll(admin, waiting, "campaign-check")

    assert "The recipients are being checked" in waiting
    assert '<noscript><meta http-equiv="refresh" content="2"></noscript>' in waiting
    assert quiet.status_code == 204
    assert "Send 1 message" in news.text
    assert "<html" not in news.text
    assert "http-equiv" not in admin.get(f"{address}/check").text


def test_every_count_leads_to_its_lines(admin: FlaskClient, acme: TenantScope, conversation: Conversation) -> None:
    pasted = "11 99999-0002\n11 99999-0002\n1199\n+55 11 97777-0001\n11 8777-0002"

    page = admin.get(f"{prepare(admin, acme, 'Oi, ((nome))!', pasted=pasted)}/check").text

    figures = {
        label: (number, link)
        for link, number, label in re.findall(r'<a href="([^"]+)"><strong>(\d+)</strong> ([^<]+)</a>', page)
    }
    assert {label: number for label, (number, _link) in figures.items()} == {
        "get the message": "3",
        "repeated line": "1",
        "line that is no number": "1",
        "numbers written differently": "3",
        "with a variable without a value": "2",
    }
    assert [link.partition("?")[2] for _number, link in figures.values()] == [
        "rung=pending",
        "reason=duplicate",
        "reason=invalid",
        "renumbered=1",
        "gaps=1",
    ]
    assert all(admin.get(link.replace("&amp;", "&")).status_code == 200 for _number, link in figures.values())


def test_message_is_shown_for_one_recipient_after_the_other(
    admin: FlaskClient, acme: TenantScope, conversation: Conversation, connected_unit: Unit
) -> None:
    make_conversation(acme, connected_unit, phone="5511999990077", name="Ana")
    address = prepare(admin, acme, "Oi, ((nome))!", "Olá, ((nome))!")

    first, second = admin.get(f"{address}/check").text, admin.get(f"{address}/check?recipient=2").text
    part = admin.get(f"{address}/check?recipient=2&part=shown", headers=PART).text
    beyond = admin.get(f"{address}/check?recipient=99").text

    assert "Recipient 1 of 2:" in first
    assert "Oi, Maria!</p>" in first
    assert "Recipient 2 of 2:" in second
    assert "Olá, Ana!</p>" in second
    assert 'rel="next"' in first
    assert 'rel="next"' not in second
    assert part.lstrip().startswith('<section class="card shown"')
    assert "Recipient 2 of 2:" in beyond


@pytest.mark.parametrize("number", ["0", "-1", "x", "9" * 12], ids=["none", "minus", "word", "huge"])
def test_recipient_that_is_none_is_the_first_one(admin: FlaskClient, address: str, number: str) -> None:
    assert "Recipient 1 of 1:" in admin.get(f"{address}/check?recipient={number}").text


def test_number_of_those_looked_up_goes_on_by_itself(
    admin: FlaskClient, acme: TenantScope, address: str, conversation: Conversation
) -> None:
    page = admin.get(f"{address}/check").text
    quiet = poll(admin, page, "campaign-counts")
    with acting_for(acme), atomic():
        acme.get(Contact, conversation.contact_id).number_checked_at = now()

    news = poll(admin, page, "campaign-counts")

    assert "0 of 1 looked up" in page
    assert quiet.status_code == 204
    assert "1 of 1 looked up" in news.text
    assert news.text.lstrip().startswith('<section class="card" id="campaign-counts"')


def test_part_that_is_gone_is_replaced_with_the_whole(admin: FlaskClient, address: str) -> None:
    page = admin.get(f"{address}/check").text
    admin.post(f"{address}/message", data={"variant_1": "Outra coisa"})

    news = poll(admin, page, "campaign-counts")

    assert news.headers["HX-Retarget"] == "#campaign-check"
    assert "The recipients are being checked" in news.text


def test_test_is_what_the_recipient_gets_with_the_file(
    admin: FlaskClient, acme: TenantScope, conversation: Conversation
) -> None:
    address = prepare(admin, acme)
    admin.post(f"{address}/message", data={"variant_1": "Oi, ((nome))!", "file": (BytesIO(PDF), "oferta.pdf")})
    plan(acme, address)
    form = {"phone": "11 97777-0001", "recipient": "1", "form_id": "a"}

    response = admin.post(f"{address}/test", data=form)
    admin.post(f"{address}/test", data=form)
    page = admin.get(response.headers["Location"]).text

    sent = messages_of(acme)
    assert [(one.body, one.source, one.media_id is not None) for one in sent] == [
        ("Oi, Maria!", MessageSource.PERSON, True)
    ]
    assert "On its way to +55 11 97777-0001" in page
    assert f'href="/t/acme/conversations/{sent[0].conversation_id}"' in page
    assert 'value="+55' not in response.headers["Location"]
    assert campaign_of(acme, address).state == CampaignState.DRAFT


def test_test_to_no_number_is_refused_beside_the_field(admin: FlaskClient, acme: TenantScope, address: str) -> None:
    response = admin.post(f"{address}/test", data={"phone": "1199", "recipient": "1"})

    assert response.status_code == 422
    assert re.search(r'id="phone-error">This is not a telephone number', response.text)
    assert 'value="1199"' in response.text
    assert messages_of(acme) == []


def test_campaign_starts_with_the_number_that_was_seen(admin: FlaskClient, acme: TenantScope, address: str) -> None:
    assert "Send 1 message<" in admin.get(f"{address}/check").text

    response = start(admin, address)

    assert response.headers["Location"] == address
    assert campaign_of(acme, address).state == CampaignState.PROCESSING


def test_campaign_that_changed_since_it_was_seen_is_shown_anew(
    admin: FlaskClient, acme: TenantScope, address: str, connected_unit: Unit
) -> None:
    seen = hidden(admin.get(f"{address}/check").text)
    make_conversation(acme, connected_unit, phone="5511999990077", name="Ana")
    admin.post(f"{address}/audience", data={"everybody": "1"})
    plan(acme, address)

    response = admin.post(f"{address}/start", data={**seen, "when": "now"})

    assert response.status_code == 409
    assert "The recipients have changed since you looked." in response.text
    assert "Send 2 messages<" in response.text
    assert campaign_of(acme, address).state == CampaignState.DRAFT


def test_message_that_changed_for_as_many_people_is_shown_anew(
    admin: FlaskClient, acme: TenantScope, address: str
) -> None:
    seen = hidden(admin.get(f"{address}/check").text)
    admin.post(f"{address}/message", data={"variant_1": "Outra coisa"})
    plan(acme, address)

    assert admin.post(f"{address}/start", data={**seen, "when": "now"}).status_code == 409


def test_numbers_that_are_found_not_to_be_on_whatsapp_stop_nobody(
    admin: FlaskClient, acme: TenantScope, conversation: Conversation, connected_unit: Unit
) -> None:
    make_conversation(acme, connected_unit, phone="5511999990077", name="Ana")
    address = prepare(admin, acme)
    seen = hidden(admin.get(f"{address}/check").text)
    with acting_for(acme), atomic():
        last = acme.update(CampaignRecipient).where(CampaignRecipient.position == 2)
        db.session.execute(last.values(state=RecipientState.SKIPPED, reason=SkipReason.NOT_ON_WHATSAPP))

    response = admin.post(f"{address}/start", data={**seen, "when": "now"})

    assert response.status_code == 303
    assert campaign_of(acme, address).state == CampaignState.PROCESSING


@pytest.mark.parametrize("recipients", ["", "x", "7"], ids=["none", "word", "others"])
def test_form_that_saw_something_else_starts_nothing(
    admin: FlaskClient, acme: TenantScope, address: str, recipients: str
) -> None:
    assert start(admin, address, recipients=recipients).status_code == 409
    assert campaign_of(acme, address).state == CampaignState.DRAFT


def test_campaign_is_scheduled_by_the_clock_of_its_unit(admin: FlaskClient, acme: TenantScope, address: str) -> None:
    change(acme, Unit, time_zone="America/Manaus")
    day = (now() + timedelta(days=3)).date()

    response = start(admin, address, when="later", at=day.isoformat(), at_time="09:30", if_missed="start")

    campaign = campaign_of(acme, address)
    assert response.status_code == 303
    assert campaign.scheduled_at == datetime.combine(day, time(9, 30), ZoneInfo("America/Manaus"))
    assert (campaign.state, campaign.if_missed) == (CampaignState.SCHEDULED, MissedStart.START)


@pytest.mark.parametrize(
    ("days", "at", "sentence"),
    [
        (None, "09:00", "Give a day"),
        (1, "", "Give a day"),
        (-1, "09:00", "in the past"),
        (366, "09:00", "within a year"),
    ],
    ids=["no day", "no time", "past", "too far"],
)
def test_time_that_is_none_is_refused_and_kept(
    admin: FlaskClient, acme: TenantScope, address: str, days: int | None, at: str, sentence: str
) -> None:
    day = "" if days is None else (now() + timedelta(days=days)).date().isoformat()

    response = start(admin, address, when="later", at=day, at_time=at)

    assert response.status_code == 422
    assert re.search(rf'id="at-error">[^<]*{sentence}', response.text)
    assert 'value="later" checked' in response.text
    assert campaign_of(acme, address).state == CampaignState.DRAFT


def test_end_is_worked_out_for_a_time_before_anything_is_scheduled(
    admin: FlaskClient, acme: TenantScope, address: str
) -> None:
    day = (now().astimezone(ZoneInfo("America/Sao_Paulo")) + timedelta(days=1)).date()

    shown = start(admin, address, when="later", at=day.isoformat(), at_time="09:30", preview="1").text

    assert "Ends tomorrow about 9:30" in shown
    assert campaign_of(acme, address).state == CampaignState.DRAFT


def test_unit_that_was_never_connected_sends_nothing(
    admin: FlaskClient, acme: TenantScope, conversation: Conversation, unit: Unit
) -> None:
    campaign = make_campaign(acme, unit, [conversation.contact_id])
    address = f"/t/acme/campaigns/{campaign.id}"
    page = admin.get(f"{address}/check").text

    plan_seen = campaign.planned_at.isoformat() if campaign.planned_at else ""
    refused = admin.post(f"{address}/start", data={"recipients": "1", "absent": "0", "plan": plan_seen})

    assert 'href="/t/acme/units/centro/connect"' in page
    assert "Send 1 message<" not in page
    assert (refused.status_code, "was never connected" in refused.text) == (409, True)
    assert campaign_of(acme, address).state == CampaignState.DRAFT


def test_nobody_left_leads_back_to_the_audience(
    admin: FlaskClient, acme: TenantScope, conversation: Conversation
) -> None:
    with acting_for(acme), atomic():
        acme.get(Contact, conversation.contact_id).opted_out_at = now()

    page = admin.get(f"{prepare(admin, acme)}/check").text

    assert "Nobody is left to send to" in page
    assert "<strong>1</strong> opted out" in page
    assert 'id="send"' not in page


def test_text_that_is_too_long_for_somebody_has_no_button(
    admin: FlaskClient, acme: TenantScope, conversation: Conversation
) -> None:
    with acting_for(acme), atomic():
        acme.get(Contact, conversation.contact_id).attributes = {"obs": "x" * 200}

    page = admin.get(f"{prepare(admin, acme, 'y' * 9_900 + '((obs))')}/check").text

    assert "the text is longer than WhatsApp takes" in page
    assert "Send 1 message<" not in page


def test_past_time_is_refused_before_the_end_is_worked_out(admin: FlaskClient, address: str) -> None:
    response = start(admin, address, when="later", at="2020-01-01", at_time="09:00", preview="1")

    assert response.status_code == 422
    assert "This is in the past" in response.text
    assert "if it starts now" in response.text


def test_time_that_a_program_asked_for_is_filled_in(admin: FlaskClient, acme: TenantScope, address: str) -> None:
    campaign, day = campaign_of(acme, address), (now() + timedelta(days=5)).astimezone(SAO_PAULO).date()
    change_campaign(acme, campaign.id, scheduled_at=datetime.combine(day, time(9, 30), SAO_PAULO))

    page = admin.get(f"{address}/check").text

    assert re.search(r'id="when-later"[^>]*checked', page)
    assert f'value="{day.isoformat()}"' in page
    assert 'value="09:30"' in page
    assert "if it starts now" not in page


@pytest.mark.parametrize("action", ["start", "test"])
def test_what_is_not_prepared_leads_to_its_next_step(admin: FlaskClient, connected_unit: Unit, action: str) -> None:
    address = begin(admin)

    response = admin.post(f"{address}/{action}", data={"when": "now", "phone": "11 98888-7777"})

    assert (response.status_code, response.headers["Location"]) == (303, f"{address}/audience")
