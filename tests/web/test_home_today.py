"""Today in numbers: what counts, by whose day, and that each number leads somewhere."""

import re
from datetime import timedelta
from zoneinfo import ZoneInfo

import pytest
from flask.testing import FlaskClient

from portal.clock import now
from portal.models import Conversation, Direction, Message, MessageKind, MessageStatus, Unit
from portal.queries import home
from portal.tenancy import TenantScope, acting_for
from tests.factories import make_connected_unit, make_conversation, make_message
from tests.statements import counted
from tests.web.homes import PAGE, note, note_conversation, numbers_in
from tests.web.htmx import PART

YESTERDAY = timedelta(days=1)
ZONE = ZoneInfo("America/Sao_Paulo")
# So many statements a page costs, whatever the company has.
MOST_STATEMENTS = 40


def send(scope: TenantScope, conversation: Conversation, status: MessageStatus, **columns: object) -> Message:
    row = {"sent_at": now(), **columns}
    return make_message(scope, conversation, direction=Direction.OUTBOUND, status=status, **row)  # type: ignore[arg-type]


def test_each_message_counts_where_it_came_to_and_on_the_way_there(
    admin: FlaskClient, acme: TenantScope, conversation: Conversation
) -> None:
    make_message(acme, conversation)
    for status in (MessageStatus.SENT, MessageStatus.DELIVERED, MessageStatus.READ):
        send(acme, conversation, status)
    send(acme, conversation, MessageStatus.FAILED, sent_at=None, failed_at=now())
    send(acme, conversation, MessageStatus.UNCONFIRMED, sent_at=None, sending_at=now())
    send(acme, conversation, MessageStatus.QUEUED, sent_at=None)

    numbers = numbers_in(admin.get(PAGE).text)

    assert {key: int(number) for key, number in numbers.items()} == {
        "received": 1,
        "sent": 3,
        "delivered": 2,
        "read": 1,
        "failed": 1,
        "unconfirmed": 1,
        "new": 1,
        "waiting": 1,
    }


def test_what_is_of_another_day_rehearsed_or_history_counts_for_nothing(
    admin: FlaskClient, acme: TenantScope, conversation: Conversation
) -> None:
    make_message(acme, conversation, at=now() - YESTERDAY)
    make_message(acme, conversation, is_history=True)
    send(acme, conversation, MessageStatus.SENT, sent_at=now() - YESTERDAY)
    send(acme, conversation, MessageStatus.SENT, is_test=True)
    send(acme, conversation, MessageStatus.FAILED, failed_at=now(), handled_at=now())

    numbers = numbers_in(admin.get(PAGE).text)

    assert [numbers[key] for key in ("received", "sent", "failed")] == ["0", "0", "0"]


def test_reaction_is_no_message_unless_somebody_has_to_decide_about_it(
    admin: FlaskClient, acme: TenantScope, conversation: Conversation
) -> None:
    make_message(acme, conversation, body="❤️", kind=MessageKind.REACTION)
    send(acme, conversation, MessageStatus.READ, kind=MessageKind.REACTION)
    send(acme, conversation, MessageStatus.FAILED, kind=MessageKind.REACTION, sent_at=None, failed_at=now())

    numbers = numbers_in(admin.get(PAGE).text)

    counted_ones = ("received", "sent", "delivered", "read", "failed")
    assert [numbers[key] for key in counted_ones] == ["0", "0", "0", "0", "1"]


def test_what_was_written_yesterday_and_left_today_was_sent_today(
    admin: FlaskClient, acme: TenantScope, conversation: Conversation
) -> None:
    early = home.first_id_at(now() - timedelta(hours=20))
    send(acme, conversation, MessageStatus.SENT, id=early)

    assert numbers_in(admin.get(PAGE).text)["sent"] == "1"


def test_day_is_that_of_the_units_own_clock(admin: FlaskClient, acme: TenantScope, conversation: Conversation) -> None:
    midnight = now().astimezone(ZONE).replace(hour=0, minute=0, second=0, microsecond=0)
    make_message(acme, conversation, at=midnight - timedelta(seconds=1))
    make_message(acme, conversation, at=midnight)

    assert numbers_in(admin.get(PAGE).text)["received"] == "1"


def test_two_units_in_two_zones_each_have_their_own_day(acme: TenantScope, connected_unit: Unit) -> None:
    far = make_connected_unit(acme, "lisboa", phone="5511999990009")
    note(acme, Unit, Unit.id == far.id, time_zone="Pacific/Auckland")
    there = make_conversation(acme, far, phone="5511999990008")
    here = make_conversation(acme, connected_unit)
    at = now().astimezone(ZoneInfo("Pacific/Auckland")).replace(hour=0, minute=0, second=0, microsecond=0)
    for conversation in (here, there):
        make_message(acme, conversation, at=at)

    with acting_for(acme):
        hours = home.count_today(acme, home.list_clocks(acme))

    # At the other end of the world it is midnight; here that instant is of today's day, or of yesterday's.
    local = at.astimezone(ZONE)
    own = {local.hour: 1} if local.date() == now().astimezone(ZONE).date() else {}
    assert {hour: tally.received for hour, tally in hours.items()} == {**own, 0: 1}


def test_every_number_leads_to_a_page(admin: FlaskClient, connected_unit: Unit) -> None:
    page = admin.get(PAGE).text
    links = dict(re.findall(r'id="number-(\w+)" href="([^"]*)"', page))

    answers = {key: admin.get(link.replace("&amp;", "&")).status_code for key, link in links.items()}

    assert answers == dict.fromkeys(numbers_in(page), 200)
    assert links["waiting"] == "/t/acme/conversations?work=waiting"
    assert links["unconfirmed"].startswith("/t/acme/undelivered?bucket=unconfirmed&amp;since=")


def test_conversation_that_began_today_is_new_and_one_of_the_history_is_not(
    admin: FlaskClient, acme: TenantScope, connected_unit: Unit
) -> None:
    for number in range(2):
        make_message(acme, make_conversation(acme, connected_unit, phone=f"551199999000{number + 3}"))
    told = make_conversation(acme, connected_unit, phone="5511999990007")
    make_message(acme, told, at=now() - 3 * YESTERDAY, is_history=True)
    old = make_conversation(acme, connected_unit, phone="5511999990008")
    make_message(acme, old)
    note_conversation(acme, old, created_at=now() - 3 * YESTERDAY)

    assert numbers_in(admin.get(PAGE).text)["new"] == "2"


def test_charts_have_the_same_numbers_as_a_table(
    admin: FlaskClient, acme: TenantScope, conversation: Conversation
) -> None:
    for _number in range(3):
        make_message(acme, conversation)
    send(acme, conversation, MessageStatus.READ)

    chart = admin.get(PAGE).text.partition('id="chart-talk"')[2].partition("</figure>")[0]

    assert '<svg class="chart__drawing"' in chart
    assert "Messages received: 3 · Messages sent: 1" in chart
    assert re.findall(r"<td[^>]*>(\d+)</td>", chart) == ["3", "1"]


@pytest.mark.parametrize("headers", [{}, PART], ids=["page", "poll"])
def test_page_asks_as_often_for_many_units_as_for_one(
    admin: FlaskClient, acme: TenantScope, connected_unit: Unit, headers: dict[str, str]
) -> None:
    with counted() as few:
        assert admin.get(PAGE, headers=headers).status_code == 200
    for number in range(6):
        unit = make_connected_unit(acme, f"loja-{number}", phone=f"551199999100{number}")
        make_message(acme, make_conversation(acme, unit, phone=f"551199999200{number}"))

    with counted() as many:
        assert admin.get(PAGE, headers=headers).status_code == 200

    # One to count those who wait, which nobody did before.
    assert len(many) <= len(few) + 1
    assert len(many) < MOST_STATEMENTS
