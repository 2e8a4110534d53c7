from datetime import timedelta

import pytest
from flask.testing import FlaskClient
from sqlalchemy import update

from portal.clock import now
from portal.db import atomic, db
from portal.evolution import errors
from portal.models import (
    CampaignRecipient,
    ColdReason,
    ConnectionStatus,
    Conversation,
    Direction,
    EvolutionServer,
    Lane,
    Message,
    MessageSource,
    MessageStatus,
    RecipientState,
    StatusReason,
    Unit,
)
from portal.outbox import gates, lanes, owners
from portal.permissions import Role
from portal.services import campaign_states, delivery
from portal.services.connections import lock_connection, set_status
from portal.tenancy import TenantScope, across_tenants, acting_for
from portal.web.reasons import CANCELLATIONS, DOUBTS, FAILURES, SERVER_AWAY
from tests.factories import make_campaign, make_conversation, make_message, make_unit, make_user
from tests.web.conftest import OpenBrowser
from tests.web.htmx import poll

# Codes that say why a lane or a server waits, or that no message ever carries.
NOT_OF_MESSAGES = {errors.NAME_IN_USE, errors.MEDIA_GONE, errors.MEDIA_TOO_LARGE}


def make_ours(scope: TenantScope, conversation: Conversation, **columns: object) -> Message:
    return make_message(scope, conversation, direction=Direction.OUTBOUND, **columns)  # type: ignore[arg-type]


def story_of(client: FlaskClient, message: Message) -> str:
    return client.get(f"/t/acme/messages/{message.id}").text


def change_lane(scope: TenantScope, unit: Unit, **columns: object) -> None:
    with acting_for(scope), atomic():
        this = scope.update(Lane).where(Lane.unit_id == unit.id)
        db.session.execute(this.values(columns).execution_options(synchronize_session=False))


def test_every_error_code_has_words() -> None:
    codes = {
        value
        for name, value in vars(errors).items()
        if name.isupper() and isinstance(value, str) and not name.startswith("_")
    }

    wordless = codes - NOT_OF_MESSAGES - set(FAILURES) - set(DOUBTS)

    assert wordless == set()
    assert {lanes.EXPIRED, delivery.REFUSED, delivery.NEW_CHAT_REFUSED} <= set(FAILURES)
    assert owners.LOST in DOUBTS
    assert set(SERVER_AWAY) == gates.SERVER_AWAY


@pytest.mark.parametrize("code", [campaign_states.CAMPAIGN_PAUSED, campaign_states.CAMPAIGN_CANCELLED])
def test_message_that_was_taken_back_with_its_campaign_says_so(
    admin: FlaskClient, acme: TenantScope, conversation: Conversation, code: str
) -> None:
    message = make_ours(acme, conversation, status=MessageStatus.CANCELLED, error_code=code)

    assert str(CANCELLATIONS[code]) in story_of(admin, message)


def test_message_of_a_campaign_leads_to_it_and_so_does_one_in_its_place(
    admin: FlaskClient, acme: TenantScope, connected_unit: Unit, conversation: Conversation
) -> None:
    campaign = make_campaign(acme, connected_unit, [conversation.contact_id], name="Black Friday")
    first = make_ours(acme, conversation, source=MessageSource.CAMPAIGN)
    second = make_ours(acme, conversation, source=MessageSource.PERSON, resend_of_id=first.id)
    with acting_for(acme), atomic():
        handed = {"state": RecipientState.HANDED, "message_id": second.id}
        db.session.execute(acme.update(CampaignRecipient).values(handed))

    for message in (first, second):
        assert f'<a href="/t/acme/campaigns/{campaign.id}">Campaign “Black Friday”</a>' in story_of(admin, message)
    assert "Black Friday" not in story_of(admin, make_ours(acme, conversation))


def test_ladder_is_told_with_all_its_times(admin: FlaskClient, acme: TenantScope, conversation: Conversation) -> None:
    told = {f"{rung}_at": now() for rung in ("sending", "sent", "accepted", "delivered", "read")}
    message = make_ours(acme, conversation, status=MessageStatus.READ, **told)

    page = story_of(admin, message)

    words = (
        "Written",
        "Handing over to the WhatsApp server",
        "Handed over",
        "Accepted by WhatsApp",
        "Delivered",
        "Read",
    )
    assert [word for word in words if f'story__label">{word}' not in page] == []
    assert page.count("<time") == 6


def test_story_says_who_wrote_it(admin: FlaskClient, acme: TenantScope, conversation: Conversation) -> None:
    ana = make_user("ana@acme.test")
    by_ana = make_ours(acme, conversation, source=MessageSource.PERSON, sent_by_id=ana.id)
    by_api = make_ours(acme, conversation, source=MessageSource.API, sent_by_id=ana.id)
    on_phone = make_ours(acme, conversation, source=MessageSource.PHONE)

    assert "Written by ana@acme.test" in story_of(admin, by_ana)
    assert "Came by API, as ana@acme.test" in story_of(admin, by_api)
    assert "Written on the phone" in story_of(admin, on_phone)


def test_failed_message_tells_its_tries_and_its_reason(
    admin: FlaskClient, acme: TenantScope, conversation: Conversation
) -> None:
    failed = {"status": MessageStatus.FAILED, "error_code": "timed_out", "retry_count": 3, "failed_at": now()}
    message = make_ours(acme, conversation, **failed, error_details="Timed Out")

    page = story_of(admin, message)

    assert "Tried 3 times without success" in page
    assert "WhatsApp did not answer in time, several times over." in page
    assert "Evolution said: Timed Out" in page


def test_evolutions_own_words_are_not_for_agents(
    acme: TenantScope, conversation: Conversation, browser: OpenBrowser
) -> None:
    message = make_ours(acme, conversation, status=MessageStatus.FAILED, error_details="Timed Out")
    agent = browser(make_user("leo@acme.test", role=Role.AGENT, unit_slugs=("jardins",)))

    assert "Timed Out" not in story_of(agent, message)


def test_waiting_message_says_that_its_unit_is_away(
    admin: FlaskClient, acme: TenantScope, connected_unit: Unit, conversation: Conversation
) -> None:
    message = make_ours(acme, conversation, status=MessageStatus.QUEUED, expires_at=now() + timedelta(hours=20))
    with acting_for(acme), atomic():
        set_status(lock_connection(acme, connected_unit.id), ConnectionStatus.DISCONNECTED, StatusReason.LOGGED_OUT)

    page = story_of(admin, message)

    assert "The unit is not connected since" in page
    assert "It is sent by itself once the unit is connected." in page
    assert "If it cannot leave until" in page
    assert "/t/acme/units/jardins/connect" in page


def test_waiting_message_says_that_its_server_is_away(
    admin: FlaskClient, acme: TenantScope, connected_unit: Unit, conversation: Conversation
) -> None:
    message = make_ours(acme, conversation, status=MessageStatus.QUEUED)
    with across_tenants("a test pauses a server"), atomic():
        pause = {"pause_reason": errors.UNREACHABLE, "paused_at": now(), "paused_until": now()}
        db.session.execute(update(EvolutionServer).values(**pause))

    assert "The WhatsApp server of this unit does not answer since" in story_of(admin, message)
    assert "does not answer since" in admin.get("/t/acme/units/jardins").text


@pytest.mark.parametrize(
    ("columns", "words"),
    [
        ({"away_reason": errors.UNIT_AWAY}, "WhatsApp cannot be reached through this unit"),
        ({"away_reason": None}, "The last try did not go well."),
    ],
)
def test_waiting_message_says_what_holds_its_lane(
    admin: FlaskClient,
    acme: TenantScope,
    connected_unit: Unit,
    conversation: Conversation,
    columns: dict[str, object],
    words: str,
) -> None:
    message = make_ours(acme, conversation, status=MessageStatus.QUEUED)
    change_lane(acme, connected_unit, held_until=now() + timedelta(minutes=1), **columns)

    assert words in story_of(admin, message)


def test_pause_for_new_chats_holds_cold_messages_only(
    admin: FlaskClient, acme: TenantScope, connected_unit: Unit, conversation: Conversation
) -> None:
    cold = make_ours(acme, conversation, status=MessageStatus.QUEUED, is_cold=True)
    warm = make_ours(acme, conversation, status=MessageStatus.QUEUED)
    until = now() + timedelta(hours=1)
    change_lane(acme, connected_unit, cold_reason=ColdReason.NEW_CHATS_REFUSED, cold_paused_until=until)

    assert "no new chats until" in story_of(admin, cold)
    assert "no new chats until" not in story_of(admin, warm)
    assert "One message of this unit goes before it." in story_of(admin, warm)


def test_thread_with_somebody_who_never_wrote_tells_of_the_pause(
    admin: FlaskClient, acme: TenantScope, connected_unit: Unit, conversation: Conversation
) -> None:
    thread = f"/t/acme/conversations/{conversation.id}"
    make_ours(acme, conversation)
    change_lane(acme, connected_unit, cold_paused_until=now() + timedelta(hours=1))

    cold = admin.get(thread).text
    make_message(acme, conversation)

    assert "no new chats until" in cold
    assert "no new chats until" not in admin.get(thread).text


def test_message_that_nothing_holds_is_the_next(
    admin: FlaskClient, acme: TenantScope, conversation: Conversation
) -> None:
    message = make_ours(acme, conversation, status=MessageStatus.QUEUED)

    assert "It is the next to go." in story_of(admin, message)


def test_story_goes_on_by_itself(admin: FlaskClient, acme: TenantScope, conversation: Conversation) -> None:
    message = make_ours(acme, conversation, status=MessageStatus.QUEUED)
    page = story_of(admin, message)
    quiet = poll(admin, page, "story")
    with acting_for(acme), atomic():
        sent = acme.update(Message).values(status=MessageStatus.SENT, sent_at=now())
        db.session.execute(sent.execution_options(synchronize_session=False))

    news = poll(admin, page, "story")

    assert quiet.status_code == 204
    assert "Handed over" in news.text


def test_customers_message_has_a_short_story(admin: FlaskClient, acme: TenantScope, conversation: Conversation) -> None:
    assert "Received" in story_of(admin, make_message(acme, conversation))


def test_agent_finds_no_story_of_another_unit(
    acme: TenantScope, conversation: Conversation, browser: OpenBrowser
) -> None:
    make_unit(acme, "centro")
    message = make_ours(acme, conversation)
    agent = browser(make_user("leo@acme.test", role=Role.AGENT, unit_slugs=("centro",)))

    assert agent.get(f"/t/acme/messages/{message.id}").status_code == 404


def test_rivals_story_does_not_exist(admin: FlaskClient, rival: TenantScope) -> None:
    theirs = make_ours(rival, make_conversation(rival, make_unit(rival, "centro")))

    assert admin.get(f"/t/acme/messages/{theirs.id}").status_code == 404
