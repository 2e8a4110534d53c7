"""What a company's home says needs its people: each thing is there while it is so, and gone when it is settled."""

from datetime import timedelta

import pytest
from flask.testing import FlaskClient

from portal.clock import now
from portal.db import atomic, db
from portal.models import (
    Campaign,
    CampaignState,
    ColdReason,
    ConnectionStatus,
    Contact,
    ContactKind,
    Conversation,
    DeliveryState,
    Import,
    ImportSource,
    ImportState,
    Lane,
    Message,
    MessageStatus,
    PauseReason,
    StatusReason,
    Unit,
    WebhookDelivery,
    WebhookEndpoint,
)
from portal.permissions import Role
from portal.services import access_grants
from portal.tenancy import TenantScope, acting_for
from tests.endpoints import change, make_delivery, make_endpoint
from tests.factories import make_campaign, make_connected_unit, make_conversation, make_message, make_unit, make_user
from tests.web.conftest import OpenBrowser
from tests.web.homes import PAGE, link_of, move, needs_in, needs_of, note, note_connection, note_conversation
from tests.web.htmx import poll
from tests.web.undelivered import make_ours

CALM = "Nothing needs you now."
LOST = (ConnectionStatus.DISCONNECTED, StatusReason.CONNECTION_LOST)


def begin_import(scope: TenantScope, **columns: object) -> Import:
    row = {"source": ImportSource.FILE, "file_name": "lista.csv", "size": 10, "sha256": "0" * 64, **columns}
    with acting_for(scope), atomic():
        return scope.add(Import(**row))


def test_nothing_needs_anybody_where_all_is_well(admin: FlaskClient, connected_unit: Unit) -> None:
    page = admin.get(PAGE).text

    assert CALM in page
    assert needs_in(page) == {}


def test_unit_that_lost_its_connection_is_named_with_the_reason_until_it_is_back(
    admin: FlaskClient, acme: TenantScope, connected_unit: Unit
) -> None:
    move(acme, connected_unit, *LOST)
    page = admin.get(PAGE).text
    move(acme, connected_unit, ConnectionStatus.CONNECTED, StatusReason.SCAN_COMPLETED)

    assert "Jardins: Connection lost The unit is not connected since" in needs_in(page)["down-jardins"]
    assert link_of(page, "down-jardins") == "/t/acme/units/jardins/connect"
    assert CALM not in page
    assert CALM in admin.get(PAGE).text


def test_unit_that_never_was_connected_is_no_trouble(admin: FlaskClient, unit: Unit) -> None:
    assert needs_of(admin) == {}


def test_new_unit_whose_number_was_refused_is_trouble(admin: FlaskClient, acme: TenantScope, unit: Unit) -> None:
    move(acme, unit, ConnectionStatus.DISCONNECTED, StatusReason.WRONG_NUMBER)

    assert "Another number was scanned" in needs_of(admin)["down-centro"]


def test_of_many_units_that_are_down_some_are_named_and_the_others_counted(
    admin: FlaskClient, acme: TenantScope
) -> None:
    for number in range(7):
        move(acme, make_connected_unit(acme, f"loja-{number}", phone=f"551199999100{number}"), *LOST)

    needs = needs_of(admin)

    assert [key for key in needs if key.startswith("down-")] == [f"down-loja-{number}" for number in range(4)]
    assert needs["more-down"].startswith("3 more units are not connected.")


def test_unit_whose_state_is_in_doubt_says_so(admin: FlaskClient, acme: TenantScope, connected_unit: Unit) -> None:
    note_connection(acme, connected_unit, losses=6, losses_since=now() - timedelta(minutes=30))
    in_doubt = needs_of(admin)
    note_connection(acme, connected_unit, losses=0, losses_since=None)

    assert "Jardins: Unstable: lost 6 times since" in in_doubt["doubt-jardins"]
    assert needs_of(admin) == {}


@pytest.mark.parametrize(
    ("columns", "key", "words"),
    [
        (
            {"status": MessageStatus.UNCONFIRMED, "sending_at": now(), "error_code": "timed_out"},
            "messages-unconfirmed",
            "It is not known whether 1 message was sent. No answer came in time",
        ),
        (
            {"status": MessageStatus.FAILED, "failed_at": now(), "error_code": "not_on_whatsapp"},
            "messages-failed",
            "1 message was not sent. This number is not on WhatsApp.",
        ),
        (
            {"status": MessageStatus.SENT, "sent_at": now() - timedelta(hours=1)},
            "messages-no_receipt",
            "1 message was handed over and has no receipt.",
        ),
    ],
    ids=["not known", "not sent", "no receipt"],
)
def test_message_that_did_not_arrive_waits_for_a_decision(
    admin: FlaskClient,
    acme: TenantScope,
    conversation: Conversation,
    columns: dict[str, object],
    key: str,
    words: str,
) -> None:
    message = make_ours(acme, conversation, **columns)
    page = admin.get(PAGE).text
    note(acme, Message, Message.id == message.id, handled_at=now())

    assert needs_in(page)[key].startswith(words)
    assert admin.get(link_of(page, key)).status_code == 200
    assert needs_of(admin) == {}


def test_of_several_reasons_the_most_frequent_is_told(
    admin: FlaskClient, acme: TenantScope, conversation: Conversation
) -> None:
    for code in ("expired", "expired", "not_on_whatsapp"):
        make_ours(acme, conversation, status=MessageStatus.FAILED, failed_at=now(), error_code=code)

    assert needs_of(admin)["messages-failed"].startswith("3 messages were not sent. Most often: waited too long.")


def test_paused_campaign_says_why(
    admin: FlaskClient, acme: TenantScope, connected_unit: Unit, conversation: Conversation
) -> None:
    why = {"pause_reason": PauseReason.FAILURES, "pause_details": {"failed": 8, "of": 10, "code": "not_on_whatsapp"}}
    campaign = make_campaign(acme, connected_unit, [conversation.contact_id], state=CampaignState.PAUSED, **why)
    page = admin.get(PAGE).text
    key = f"campaign-{campaign.id}"
    note(acme, Campaign, Campaign.id == campaign.id, state=CampaignState.CANCELLED)

    assert needs_in(page)[key].startswith("The campaign “Promoção” is paused. It paused itself: 8 of its last 10")
    assert link_of(page, key) == f"/t/acme/campaigns/{campaign.id}"
    assert key not in needs_of(admin)


def test_customers_who_wait_are_counted_and_the_longest_waiting_one_is_a_click_away(
    admin: FlaskClient, acme: TenantScope, connected_unit: Unit, conversation: Conversation
) -> None:
    other = make_conversation(acme, connected_unit, phone="5511999990003", name="Joana")
    make_message(acme, other, at=now() - timedelta(hours=3))
    make_message(acme, conversation, at=now() - timedelta(minutes=2))

    page = admin.get(PAGE).text

    assert needs_in(page)["waiting"].startswith("2 conversations wait for an answer.")
    assert link_of(page, "waiting") == f"/t/acme/conversations/{other.id}"
    assert "need--warning" in page


@pytest.mark.parametrize("kind", [ContactKind.GROUP, ContactKind.STORIES])
def test_nobody_waits_where_nobody_here_can_write(
    admin: FlaskClient, acme: TenantScope, conversation: Conversation, kind: ContactKind
) -> None:
    make_message(acme, conversation)
    waits = needs_of(admin)
    with acting_for(acme), atomic():
        of_no_person = {"kind": kind, "chat_jid": "120363000000000001@g.us"}
        db.session.execute(acme.update(Contact).where(Contact.id == conversation.contact_id).values(of_no_person))

    assert "waiting" in waits
    assert needs_of(admin) == {}


@pytest.mark.parametrize("settled", ["answered", "taken", "closed"])
def test_conversation_waits_until_somebody_answers_takes_or_closes_it(
    admin: FlaskClient, acme: TenantScope, conversation: Conversation, settled: str
) -> None:
    make_message(acme, conversation)
    waits = needs_of(admin)
    if settled == "answered":
        make_ours(acme, conversation, status=MessageStatus.QUEUED)
    elif settled == "taken":
        note_conversation(acme, conversation, assigned_to_id=make_user("bia@acme.test").id)
    else:
        note_conversation(acme, conversation, status="closed")

    assert "waiting" in waits
    assert needs_of(admin) == {}


def test_doubt_about_consent_waits_for_a_person(
    admin: FlaskClient, acme: TenantScope, conversation: Conversation
) -> None:
    note_conversation(acme, conversation, doubted_at=now())
    page = admin.get(PAGE).text
    note_conversation(acme, conversation, doubted_at=None)

    assert needs_in(page)["doubts"].startswith("In 1 conversation somebody may have asked for no more messages.")
    assert link_of(page, "doubts") == "/t/acme/conversations?doubted=1"
    assert needs_of(admin) == {}


def test_number_that_may_begin_no_chats_is_told_until_that_is_over(
    admin: FlaskClient, acme: TenantScope, connected_unit: Unit
) -> None:
    of_unit = Lane.unit_id == connected_unit.id
    until = now() + timedelta(hours=1)
    note(acme, Lane, of_unit, cold_reason=ColdReason.NEW_CHATS_REFUSED, cold_paused_until=until)
    limited = needs_of(admin)
    note(acme, Lane, of_unit, cold_paused_until=now() - timedelta(seconds=1))

    assert "Jardins: new chats are limited WhatsApp limits this number" in limited["limited-jardins"]
    assert needs_of(admin) == {}


def test_import_that_did_not_work_is_told_until_the_list_is_brought_again(
    admin: FlaskClient, acme: TenantScope
) -> None:
    begin_import(acme, state=ImportState.FAILED, problem="gave_up")
    told = needs_of(admin)
    begin_import(acme, state=ImportState.DONE)

    assert told["import"].startswith("The import of “lista.csv” did not work. The portal tried several times")
    assert needs_of(admin) == {}


def test_program_that_takes_no_news_is_told_without_what_may_be_secret_in_its_address(
    admin: FlaskClient, acme: TenantScope
) -> None:
    endpoint = make_endpoint(acme, failures=4, paused_until=now() + timedelta(minutes=1))
    page = admin.get(PAGE).text
    change(endpoint, failures=0, paused_until=None)

    assert "https://crm.example.com/whatsapp?… does not take" in needs_in(page)[f"endpoint-{endpoint.id}"]
    assert "only-they-know" not in page
    assert admin.get(link_of(page, f"endpoint-{endpoint.id}")).status_code == 200
    assert needs_of(admin) == {}


def test_news_that_was_given_up_is_counted_until_it_is_sent_again(
    admin: FlaskClient, acme: TenantScope, endpoint: WebhookEndpoint, message: Message
) -> None:
    delivery = make_delivery(acme, endpoint, message, state=DeliveryState.FAILED)
    told = needs_of(admin)
    note(acme, WebhookDelivery, WebhookDelivery.id == delivery.id, state=DeliveryState.DELIVERED)

    assert "1 piece of news of the last 24 hours was given up" in told[f"endpoint-{endpoint.id}"]
    assert needs_of(admin) == {}


def test_address_that_is_gone_is_told_and_one_that_somebody_switched_off_is_not(
    admin: FlaskClient, acme: TenantScope
) -> None:
    gone = make_endpoint(acme, disabled_at=now(), is_gone=True)
    make_endpoint(acme, disabled_at=now(), paused_until=now())

    assert [*needs_of(admin)] == [f"endpoint-{gone.id}"]


def test_gravest_comes_first(
    admin: FlaskClient, acme: TenantScope, connected_unit: Unit, conversation: Conversation
) -> None:
    make_message(acme, conversation)
    make_ours(acme, make_conversation(acme, connected_unit, phone="5511999990003"), status=MessageStatus.FAILED)
    note(acme, Lane, Lane.unit_id == connected_unit.id, cold_paused_until=now() + timedelta(hours=1))
    move(acme, make_connected_unit(acme, "praia", phone="5511999990009"), *LOST)

    assert [*needs_of(admin)] == ["down-praia", "messages-failed", "limited-jardins", "waiting"]


def test_poll_is_quiet_until_there_is_news(
    admin: FlaskClient, acme: TenantScope, connected_unit: Unit, conversation: Conversation
) -> None:
    page = admin.get(PAGE).text
    quiet = poll(admin, page, "home")
    make_message(acme, conversation)

    news = poll(admin, page, "home")

    assert (quiet.status_code, quiet.text) == (204, "")
    assert "waiting" in needs_in(news.text)
    assert "<html" not in news.text


def test_agent_sees_their_units_only_and_nothing_of_what_they_may_not_see_to(
    acme: TenantScope, connected_unit: Unit, conversation: Conversation, browser: OpenBrowser
) -> None:
    praia = make_connected_unit(acme, "praia", phone="5511999990009")
    make_message(acme, make_conversation(acme, praia, phone="5511999990008"))
    move(acme, praia, *LOST)
    make_endpoint(acme, paused_until=now())
    begin_import(acme, state=ImportState.FAILED)
    agent = browser(make_user("bia@acme.test", role=Role.AGENT, unit_slugs=("jardins",)))

    page = agent.get(PAGE).text

    assert needs_in(page) == {}
    assert ">Jardins</a>" in page
    assert "Praia" not in page
    assert 'id="first-steps"' not in page


def test_agent_whose_unit_is_down_is_led_to_the_unit_and_not_to_its_code(
    acme: TenantScope, connected_unit: Unit, browser: OpenBrowser
) -> None:
    move(acme, connected_unit, *LOST)
    agent = browser(make_user("bia@acme.test", role=Role.AGENT, unit_slugs=("jardins",)))

    assert link_of(agent.get(PAGE).text, "down-jardins") == "/t/acme/units/jardins"


def test_operator_sees_units_and_no_numbers_of_messages_until_the_company_lets_them(
    operator: FlaskClient, acme: TenantScope, connected_unit: Unit, conversation: Conversation
) -> None:
    make_message(acme, conversation)
    make_ours(acme, conversation, status=MessageStatus.FAILED, failed_at=now())
    make_endpoint(acme, paused_until=now())
    without = operator.get(PAGE).text
    with acting_for(acme):
        access_grants.give(acme, reason="A fault", hours=1)

    with_grant = operator.get(PAGE).text

    assert needs_in(without) == {}
    assert 'id="number-received"' not in without
    assert ">Jardins</a>" in without
    assert [*needs_in(with_grant)] == ["messages-failed"]
    assert 'id="number-received"' in with_grant


def test_home_tells_nothing_of_another_company(admin: FlaskClient, rival: TenantScope, connected_unit: Unit) -> None:
    theirs = make_connected_unit(rival, "norte", phone="5511999990019")
    make_message(rival, make_conversation(rival, theirs))
    move(rival, theirs, *LOST)
    make_endpoint(rival, paused_until=now())

    page = admin.get(PAGE).text

    assert needs_in(page) == {}
    assert "Norte" not in page


def test_strangers_find_no_home(browser: OpenBrowser, acme: TenantScope, rival: TenantScope) -> None:
    stranger = browser(make_user("ana@rival.test", tenant="rival"))

    assert stranger.get(PAGE).status_code == 404


def test_home_is_the_first_entry_and_the_company_name_leads_there(admin: FlaskClient, acme: TenantScope) -> None:
    make_unit(acme)

    page = admin.get("/t/acme/").text

    assert page.count(f'href="{PAGE}"') == 2
    assert page.index(f'class="topbar__link topbar__link--home" href="{PAGE}"') < page.index(
        'class="topbar__link" href="/t/acme/"'
    )
