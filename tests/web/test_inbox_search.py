"""The search in the inbox: people by name and number, messages by their words, and the way into the thread."""

import re
from datetime import timedelta

import pytest
from flask.testing import FlaskClient

from portal.clock import now
from portal.models import Conversation, Direction, Message, Unit
from portal.permissions import Role
from portal.queries import conversations
from portal.queries.message_search import Stem
from portal.services import access_grants
from portal.tenancy import TenantScope, acting_for
from portal.web.inbox_search import MOST_PEOPLE, SNIPPET, snippet
from tests.factories import make_conversation, make_message, make_unit, make_user
from tests.web.conftest import OpenBrowser
from tests.web.htmx import PART
from tests.web.work import change

LIST = "/t/acme/conversations"
BOLETO = frozenset([Stem("bolet", is_beginning=False)])


def people(page: str) -> list[str]:
    return re.findall(r'class="chat__name" dir="auto">([^<]+)<', page)


def hits(page: str) -> list[str]:
    """What is shown of the messages that were found, with the marks in it."""
    texts = re.findall(r'class="hit__text" dir="auto">(.*?)</span>\s*(?:<span class="hit__unit|</a>)', page, re.S)
    return [re.sub(r"</?span[^>]*>", "", found).strip() for found in texts]


@pytest.mark.parametrize("typed", ["maria", "MÁRIA", "99999-0002", "+55 11 99999 0002"])
def test_people_are_found_by_name_and_number(
    admin: FlaskClient, acme: TenantScope, conversation: Conversation, connected_unit: Unit, typed: str
) -> None:
    make_message(acme, conversation)
    make_message(acme, make_conversation(acme, connected_unit, phone="5511999995555", name="Bruno"))

    assert people(admin.get(LIST, query_string={"q": typed}).text) == ["Maria"]


def test_no_more_people_are_shown_than_fit(admin: FlaskClient, acme: TenantScope, unit: Unit) -> None:
    for number in range(MOST_PEOPLE + 1):
        make_message(acme, make_conversation(acme, unit, phone=f"55119999933{number:02d}", name=f"Maria {number}"))

    assert len(people(admin.get(f"{LIST}?q=maria").text)) == MOST_PEOPLE


def test_messages_are_found_by_words_which_are_marked(
    admin: FlaskClient, acme: TenantScope, conversation: Conversation
) -> None:
    make_message(acme, conversation, body="Já paguei o boleto <b>ontem</b>")
    make_message(acme, conversation, body="Boletos enviados", direction=Direction.OUTBOUND)

    page = admin.get(f"{LIST}?q=boleto").text

    assert hits(page) == [
        "You: <mark>Boletos</mark> enviados",
        "Maria: Já paguei o <mark>boleto</mark> &lt;b&gt;ontem&lt;/b&gt;",
    ]


def test_resolved_conversations_are_searched_too(
    admin: FlaskClient, acme: TenantScope, conversation: Conversation
) -> None:
    make_message(acme, conversation, body="O boleto")
    change(acme, conversation, status="closed")

    page = admin.get(f"{LIST}?q=boleto&work=waiting").text

    assert len(hits(page)) == 1
    assert f'id="leave-search" href="{LIST}?work=waiting"' in page


def test_unit_narrows_the_search_and_stays_in_the_links(
    admin: FlaskClient, acme: TenantScope, conversation: Conversation
) -> None:
    there = make_conversation(acme, make_unit(acme, "moema"), phone="5511999995555", name="Bruno")
    make_message(acme, conversation, body="boleto de jardins")
    make_message(acme, there, body="boleto de moema")

    page = admin.get(f"{LIST}?q=boleto&unit=moema").text

    assert hits(page) == ["Bruno: <mark>boleto</mark> de moema"]
    assert "unit=jardins&amp;q=boleto" in page


def test_agent_finds_only_in_their_units(
    browser: OpenBrowser, acme: TenantScope, conversation: Conversation, unit: Unit
) -> None:
    make_message(acme, conversation, body="boleto")
    agent = browser(make_user("caio@acme.test", role=Role.AGENT, unit_slugs=(unit.slug,)))

    page = agent.get(f"{LIST}?q=boleto").text

    assert (people(page), hits(page)) == ([], [])
    assert people(agent.get(f"{LIST}?q=maria").text) == []


def test_company_finds_nothing_of_another(admin: FlaskClient, acme: TenantScope, rival: TenantScope) -> None:
    make_message(rival, make_conversation(rival, make_unit(rival)), body="boleto")

    page = admin.get(f"{LIST}?q=boleto").text

    assert "Nothing found" in page
    assert "Nothing found" in admin.get(f"{LIST}?q=maria").text


def test_operator_searches_as_far_as_they_may_read(
    admin: FlaskClient, operator: FlaskClient, acme: TenantScope, conversation: Conversation
) -> None:
    make_message(acme, conversation, body="boleto")
    refused = operator.get(f"{LIST}?q=boleto")
    with acting_for(acme):
        access_grants.give(acme, reason="Look why", hours=24)

    assert refused.status_code == 403
    assert len(hits(operator.get(f"{LIST}?q=boleto").text)) == 1


@pytest.mark.parametrize(
    ("typed", "words"), [("de para", "write a word that says more"), ("hipopótamo", "no message with all of these")]
)
def test_search_without_a_result_says_why(admin: FlaskClient, typed: str, words: str) -> None:
    page = admin.get(LIST, query_string={"q": typed}).text

    assert "Nothing found" in page
    assert words in page


def test_search_is_a_part_that_does_not_poll(admin: FlaskClient, acme: TenantScope, conversation: Conversation) -> None:
    make_message(acme, conversation, body="boleto")

    part = admin.get(f"{LIST}?q=boleto", headers=PART).text
    ended = admin.get(f"{LIST}?q=", headers=PART).text

    assert part.lstrip().startswith('<div class="chats" id="conversation-list"')
    assert "hx-trigger" not in part
    assert 'data-announce="0 people found, 1 message found"' in part
    assert 'hx-trigger="every 2s"' in ended


def test_hit_leads_to_its_message_in_the_thread(
    admin: FlaskClient, acme: TenantScope, conversation: Conversation, thread: str
) -> None:
    messages = _write(acme, conversation, 200)
    page = admin.get(f"{LIST}?q=boleto", headers=PART).text
    link = re.search(r'class="hit" [^>]*href="([^"]+)"', page)
    assert link

    answer = admin.get(link[1].replace("&amp;", "&"))
    opened = admin.get(answer.location).text

    assert link[1] == f"{thread}?message={messages[0].id}&amp;q=boleto#message-{messages[0].id}"
    assert answer.status_code == 303
    assert answer.location.endswith(f"&q=boleto#message-{messages[0].id}")
    assert f'id="message-{messages[0].id}"' in opened
    assert f'id="message-{messages[-1].id}"' in opened
    assert 'hx-trigger="every 2s' in opened


def test_hit_in_the_middle_has_a_little_before_it(
    admin: FlaskClient, acme: TenantScope, conversation: Conversation, thread: str
) -> None:
    messages = _write(acme, conversation, 100)

    opened = admin.get(f"{thread}?message={messages[20].id}", follow_redirects=True).text

    assert f'id="message-{messages[20 - conversations.SHOWN_BEFORE].id}"' in opened
    assert f'id="message-{messages[19 - conversations.SHOWN_BEFORE].id}"' not in opened


def test_hit_too_far_back_opens_the_page_of_older_ones_around_it(
    admin: FlaskClient,
    acme: TenantScope,
    conversation: Conversation,
    thread: str,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(conversations, "LONGEST_OPEN_THREAD", 60)
    messages = _write(acme, conversation, 100)
    far, near = messages[20], messages[60]

    old = admin.get(f"{thread}?message={far.id}", follow_redirects=True).text
    live = admin.get(f"{thread}?message={near.id}", follow_redirects=True).text

    assert f'id="message-{far.id}"' in old
    assert f'id="message-{messages[10].id}"' in old
    assert f'id="message-{messages[59].id}"' in old
    assert f'id="message-{messages[60].id}"' not in old
    assert "Newest messages" in old
    assert f'id="message-{near.id}"' in live
    assert 'id="composer"' in live


def test_message_that_is_not_there_opens_the_thread_as_it_is(
    admin: FlaskClient, acme: TenantScope, conversation: Conversation, unit: Unit, thread: str
) -> None:
    elsewhere = make_message(acme, make_conversation(acme, unit, phone="5511999993333"), body="anderswo")
    make_message(acme, conversation, body="hier")

    page = admin.get(f"{thread}?message={elsewhere.id}", follow_redirects=True)

    assert page.status_code == 200
    assert "hier" in page.text
    assert f'id="message-{elsewhere.id}"' not in page.text


def test_crooked_message_is_refused(admin: FlaskClient, thread: str) -> None:
    assert admin.get(f"{thread}?message=nonsense").status_code == 400


def test_search_beside_a_thread_marks_the_one_that_is_open(
    admin: FlaskClient, acme: TenantScope, conversation: Conversation, thread: str
) -> None:
    make_message(acme, conversation, body="boleto")

    page = admin.get(f"{thread}?q=maria").text

    assert re.search(rf'id="chat-{conversation.id}"[^>]*aria-current="true"', page)
    assert 'hx-push-url="true"' not in page


def test_snippet_stands_around_the_first_word() -> None:
    pieces = snippet("nada " * 100 + "o boleto\n\nvence " + "amanhã " * 100, BOLETO)
    shown = "".join(piece.text for piece in pieces)

    assert [piece.text for piece in pieces if piece.is_hit] == ["boleto"]
    assert shown.startswith("… nada")
    assert shown.endswith(" …")
    assert "o boleto vence amanhã" in shown
    assert len(shown) <= SNIPPET + 4


@pytest.mark.parametrize(
    ("stem", "is_beginning", "marked"),
    [
        ("bolet", False, ["boleto", "BOLETOS", "bóleto"]),
        ("50", False, ["50"]),
        ("50", True, ["50", "500"]),
        ("guarda-chuv", False, ["guarda", "chuva"]),
        ("pi", False, []),
    ],
)
def test_words_of_a_stem_are_marked(stem: str, is_beginning: bool, marked: list[str]) -> None:
    pieces = snippet("boleto BOLETOS bóleto 50 500 guarda-chuva pizza", frozenset([Stem(stem, is_beginning)]))

    assert [piece.text for piece in pieces if piece.is_hit] == marked


def _write(scope: TenantScope, conversation: Conversation, count: int) -> list[Message]:
    """So many messages, a minute apart, the oldest first, which has the word that is looked for."""
    begin = now() - timedelta(minutes=count)
    words = ["boleto", *(f"linha {number}." for number in range(1, count))]
    return [
        make_message(scope, conversation, body=body, at=begin + timedelta(minutes=number))
        for number, body in enumerate(words)
    ]
