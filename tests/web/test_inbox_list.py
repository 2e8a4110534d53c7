"""The list of conversations as a list of work: whose they are, what waits, and what became of our newest message."""

import re
from dataclasses import replace
from datetime import timedelta
from zoneinfo import ZoneInfo

import pytest
from flask.testing import FlaskClient

from portal.clock import now
from portal.db import atomic, db
from portal.models import Contact, Conversation, Direction, MessageStatus, Unit, User
from portal.permissions import Role
from portal.queries import conversation_list_marks
from portal.queries.conversation_lists import LIST_PAGE, MOST_COUNTED, Filter, Work, count_work, list_conversations
from portal.tenancy import TenantScope, acting_for
from portal.web.inbox import initials
from tests.factories import make_conversation, make_message, make_unit, make_user
from tests.statements import counted
from tests.web.conftest import OpenBrowser
from tests.web.htmx import poll
from tests.web.work import change

LIST = "/t/acme/conversations"


@pytest.fixture
def ana(acme: TenantScope) -> User:
    return make_user("ana.souza@acme.test")


@pytest.fixture
def hers(ana: User, browser: OpenBrowser) -> FlaskClient:
    return browser(ana)


@pytest.fixture
def bia(acme: TenantScope) -> User:
    return make_user("bia@acme.test")


@pytest.fixture
def work(acme: TenantScope, unit: Unit, ana: User, bia: User) -> None:
    """One conversation that nobody answers, one of Ana's, one of Bia's, and one of Ana's that is done."""
    for name, answered_by, status in (
        ("Waldo", None, "open"),
        ("Olga", ana, "open"),
        ("Bruno", bia, "open"),
        ("Dora", ana, "closed"),
    ):
        conversation = make_conversation(acme, unit, phone=f"55119999910{len(name)}{ord(name[0])}", name=name)
        make_message(acme, conversation)
        change(acme, conversation, assigned_to_id=answered_by and answered_by.id, status=status)


def names(page: str) -> list[str]:
    return re.findall(r'class="chat__name" dir="auto">([^<]+)<', page)


@pytest.mark.parametrize(
    ("query", "shown"),
    [
        ("", ["Bruno", "Olga", "Waldo"]),
        ("?work=open", ["Bruno", "Olga", "Waldo"]),
        ("?work=waiting", ["Waldo"]),
        ("?work=mine", ["Olga"]),
        ("?work=resolved", ["Dora"]),
    ],
)
def test_each_tab_shows_its_conversations(work: None, hers: FlaskClient, query: str, shown: list[str]) -> None:
    assert names(hers.get(LIST + query).text) == shown


def test_tab_that_nobody_can_have_chosen_is_refused(hers: FlaskClient) -> None:
    assert hers.get(f"{LIST}?work=all").status_code == 400


def test_tabs_say_how_many_wait_and_how_many_are_mine(work: None, hers: FlaskClient) -> None:
    page = hers.get(LIST).text

    assert _tab(page, "waiting") == "Waiting 1"
    assert _tab(page, "mine") == "Mine 1"
    assert _tab(page, "open") == "All open"


def test_count_of_a_tab_ends_somewhere(acme: TenantScope, unit: Unit, hers: FlaskClient) -> None:
    for number in range(MOST_COUNTED):
        make_conversation(acme, unit, phone=f"55119999{number:05d}")

    assert _tab(hers.get(LIST).text, "waiting") == "Waiting 99+"


def test_count_of_a_tab_is_of_the_unit_that_is_shown(work: None, acme: TenantScope, hers: FlaskClient) -> None:
    make_message(acme, make_conversation(acme, make_unit(acme, "moema"), phone="5511999997777"))

    assert _tab(hers.get(f"{LIST}?unit=moema").text, "waiting") == "Waiting 1"
    assert _tab(hers.get(LIST).text, "waiting") == "Waiting 2"


def test_filters_stay_in_every_link_and_in_the_poll(work: None, acme: TenantScope, hers: FlaskClient) -> None:
    make_unit(acme, "moema")
    page = hers.get(f"{LIST}?unit=centro&work=waiting&unread=1").text

    assert "unit=centro&amp;work=mine&amp;unread=1" in page
    assert "unit=moema&amp;work=waiting&amp;unread=1" in page
    assert re.search(r'id="chat-[^>]*\?unit=centro&amp;work=waiting&amp;unread=1"', page)
    assert re.search(r'id="conversation-list"[^>]*unit=centro&amp;work=waiting&amp;unread=1"', page)
    assert re.search(r'id="only-unread"[^>]*\?unit=centro&amp;work=waiting"', page)


def test_thread_keeps_the_list_beside_it_and_the_way_back(work: None, hers: FlaskClient) -> None:
    link = re.search(r'class="chat [^>]*href="([^"]+)"', hers.get(f"{LIST}?work=mine").text)
    assert link

    page = hers.get(link[1]).text

    assert names(page) == ["Olga"]
    assert f'class="thread__back" href="{LIST}?work=mine"' in page


def test_only_unread_leaves_out_what_was_looked_at(work: None, acme: TenantScope, hers: FlaskClient) -> None:
    with acting_for(acme), atomic():
        db.session.execute(acme.update(Conversation).where(Conversation.assigned_to_id.is_not(None)).values(unread=0))

    assert names(hers.get(f"{LIST}?unread=1").text) == ["Waldo"]


def test_row_says_who_answers(work: None, hers: FlaskClient) -> None:
    page = hers.get(LIST).text

    assert "Answered by: bia@acme.test" in page
    assert ">B</span>" in page
    assert "Answered by: You" in page


@pytest.mark.parametrize(
    ("email", "short"),
    [("ana.souza@acme.test", "AS"), ("bia@acme.test", "B"), ("_x-y.z@acme.test", "XY"), ("_@acme.test", "_@")],
)
def test_initials_are_those_of_the_address(email: str, short: str) -> None:
    assert initials(email) == short


@pytest.mark.parametrize(
    ("status", "columns", "label"),
    [
        (MessageStatus.QUEUED, {}, "Waiting to be sent"),
        (MessageStatus.SENT, {"accepted_at": now()}, "Accepted by WhatsApp"),
        (MessageStatus.READ, {}, "Read"),
        (MessageStatus.FAILED, {"error_code": "not_on_whatsapp"}, "Not sent"),
    ],
    ids=["queued", "accepted", "read", "failed"],
)
def test_row_says_how_far_our_newest_message_came(
    acme: TenantScope,
    conversation: Conversation,
    hers: FlaskClient,
    status: MessageStatus,
    columns: dict[str, object],
    label: str,
) -> None:
    make_message(acme, conversation, direction=Direction.OUTBOUND, status=status, **columns)

    assert f'title="{label}"' in hers.get(LIST).text


def test_row_of_whoever_wrote_last_says_nothing_of_our_message(
    acme: TenantScope, conversation: Conversation, hers: FlaskClient
) -> None:
    make_message(acme, conversation, direction=Direction.OUTBOUND, status=MessageStatus.READ)
    make_message(acme, conversation, body="Obrigada")

    assert "chat__rung" not in hers.get(LIST).text


@pytest.mark.parametrize(
    "values", [{"status": "closed"}, {"assigned_to_id": None}, {"unread": 0}], ids=["closed", "given back", "read"]
)
def test_poll_brings_what_changed_in_the_work(
    work: None, acme: TenantScope, hers: FlaskClient, values: dict[str, object]
) -> None:
    page = hers.get(LIST).text
    quiet = poll(hers, page, "conversation-list")
    with acting_for(acme), atomic():
        of_bia = acme.update(Conversation).where(
            Conversation.status == "open", Conversation.assigned_to_id.is_not(None)
        )
        db.session.execute(of_bia.values(**values))

    assert quiet.status_code == 204
    assert poll(hers, page, "conversation-list").status_code == 200


def test_poll_brings_the_rung_of_the_newest_message(
    acme: TenantScope, conversation: Conversation, hers: FlaskClient
) -> None:
    message = make_message(acme, conversation, direction=Direction.OUTBOUND, status=MessageStatus.SENT)
    page = hers.get(LIST).text
    with acting_for(acme), atomic():
        db.session.execute(acme.update(type(message)).values(status=MessageStatus.READ))

    assert 'title="Read"' in poll(hers, page, "conversation-list").text


def test_poll_without_news_reads_no_conversation(work: None, hers: FlaskClient) -> None:
    page = hers.get(LIST).text

    with counted() as statements:
        quiet = poll(hers, page, "conversation-list")

    assert quiet.status_code == 204
    assert len([statement for statement in statements if "conversations" in statement]) == 1


def test_conversations_in_doubt_are_shown_in_whatever_state_of_work(
    work: None, acme: TenantScope, hers: FlaskClient
) -> None:
    with acting_for(acme), atomic():
        db.session.execute(acme.update(Conversation).where(Conversation.status == "closed").values(doubted_at=now()))

    page = hers.get(f"{LIST}?doubted=1").text

    assert names(page) == ["Dora"]
    assert 'class="tabs__tab"' not in page


@pytest.mark.parametrize(
    ("query", "title"),
    [
        ("", "No open conversations"),
        ("?work=waiting", "Nobody waits"),
        ("?work=mine", "You answer nobody yet"),
        ("?work=resolved", "Nothing resolved yet"),
        ("?unread=1", "Nothing unread"),
        ("?doubted=1", "Nothing to decide"),
    ],
)
def test_empty_list_says_what_would_be_there(acme: TenantScope, hers: FlaskClient, query: str, title: str) -> None:
    assert f"<h2>{title}</h2>" in hers.get(LIST + query).text


def test_agent_counts_and_sees_only_their_units(
    work: None, acme: TenantScope, browser: OpenBrowser, connected_unit: Unit
) -> None:
    agent = browser(make_user("caio@acme.test", role=Role.AGENT, unit_slugs=(connected_unit.slug,)))
    make_message(acme, make_conversation(acme, connected_unit, phone="5511999998888", name="Zeca"))

    page = agent.get(LIST).text

    assert names(page) == ["Zeca"]
    assert _tab(page, "waiting") == "Waiting 1"
    assert 'data-unread="1"' in page


def test_list_takes_as_many_statements_for_many_as_for_one(
    acme: TenantScope, unit: Unit, bia: User, hers: FlaskClient
) -> None:
    _answered_conversations(acme, unit, bia, numbers=range(1))
    hers.get(LIST)
    with counted() as of_one:
        hers.get(LIST)
    _answered_conversations(acme, unit, bia, numbers=range(1, 20))

    with counted() as of_many:
        hers.get(LIST)

    assert len(of_many) == len(of_one)


def test_conversations_of_nobody_are_never_taken_for_those_of_a_program(acme: TenantScope, unit: Unit) -> None:
    make_message(acme, make_conversation(acme, unit))
    program = replace(acme, user_id=None)

    with acting_for(program):
        assert list_conversations(program, Filter(work=Work.MINE)) == []
        assert (count_work(program).waiting, count_work(program).mine) == (1, 0)


def _answered_conversations(scope: TenantScope, unit: Unit, by: User, *, numbers: range) -> None:
    for number in numbers:
        conversation = make_conversation(scope, unit, phone=f"55119999955{number:02d}")
        make_message(scope, conversation, direction=Direction.OUTBOUND)
        change(scope, conversation, assigned_to_id=by.id)


def _tab(page: str, name: str) -> str:
    found = re.search(rf'id="tab-{name}"[^>]*>(.*?)</a>', page, re.S)
    assert found
    return re.sub(r"<[^>]+>", "", found[1])


def test_poll_brings_the_number_of_a_nameless_person_the_units_new_name_and_yesterday(
    admin: FlaskClient, acme: TenantScope, unit: Unit, monkeypatch: pytest.MonkeyPatch
) -> None:
    conversation = make_conversation(acme, unit, phone="5511999991111", name="")
    make_message(acme, conversation)
    page = admin.get(LIST).text
    changes = (
        (Contact, conversation.contact_id, {"phone": "5511999992222"}),
        (Unit, unit.id, {"name": "Moema"}),
    )
    quiet = poll(admin, page, "conversation-list").status_code
    told = []
    for model, id_, values in changes:
        with acting_for(acme), atomic():
            statement = acme.update(model).where(model.id == id_).values(values)
            db.session.execute(statement.execution_options(synchronize_session=False))
        answer = poll(admin, page, "conversation-list")
        told.append(answer.status_code)
        page = answer.text
    midnight = now().astimezone(ZoneInfo(unit.time_zone)).replace(hour=0, minute=0, second=0) + timedelta(days=1)
    for minutes in (-1, 1):
        monkeypatch.setattr(conversation_list_marks, "now", lambda at=midnight + timedelta(minutes=minutes): at)
        told.append(poll(admin, page, "conversation-list").status_code)

    assert (quiet, told) == (204, [200, 200, 204, 200])


@pytest.mark.parametrize("kept", ["", "work=waiting", "unit=centro", "unread=1", "work=waiting&unit=centro"])
def test_pages_of_the_list_hold_everybody_once_and_their_polls_find_no_news(
    acme: TenantScope, unit: Unit, hers: FlaskClient, kept: str
) -> None:
    for place in range(LIST_PAGE + 2):
        conversation = make_conversation(acme, unit, phone=f"5511999{920_000 + place}", name=f"P{place:02d}")
        make_message(acme, conversation)

    first = hers.get(f"{LIST}?{kept}").text
    older = re.search(r'href="([^"]*before=[^"]*)"', first)
    assert older is not None
    address = older[1].replace("&amp;", "&")
    second = hers.get(address).text

    assert sorted([*names(first), *names(second)]) == [f"P{place:02d}" for place in range(LIST_PAGE + 2)]
    assert len(names(second)) == 2
    assert poll(hers, second, "conversation-list").status_code == 204
