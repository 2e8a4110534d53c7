"""A part that asks for its news again and again says what it shows, and is answered nothing while that is all."""

import ast
import re
from functools import cache
from pathlib import Path

import pytest
from flask.testing import FlaskClient
from werkzeug.test import TestResponse

from portal.models import Message, Unit
from tests.web.htmx import PART
from tests.web.releases import make_release

ROOT = Path(__file__).resolve().parents[2]
TEMPLATES, VIEWS = ROOT / "templates", ROOT / "portal" / "web"
POLL = re.compile(r'hx-get="([^"]+)" hx-trigger="every')
# Each look is a diagnosis anew, and after a minute there are no more.
ANEW_EACH_TIME = "diagnosis/_found.html"
POLLED = sorted(
    name
    for path in TEMPLATES.rglob("*.html")
    if 'hx-trigger="every' in path.read_text() and (name := path.relative_to(TEMPLATES).as_posix()) != ANEW_EACH_TIME
)


@pytest.mark.parametrize("name", POLLED)
def test_every_part_that_asks_again_says_what_it_shows_and_its_view_answers_by_that(name: str) -> None:
    text = (TEMPLATES / name).read_text()

    polls = POLL.findall(text)

    assert len(polls) == text.count('hx-trigger="every')
    assert [poll for poll in polls if not re.search(r"\bseen=", poll)] == []
    assert name in _parts_with_news()


def test_looks_that_are_taken_anew_come_to_an_end() -> None:
    assert "outcome.next_look" in (TEMPLATES / ANEW_EACH_TIME).read_text()
    assert "MOST_LOOKS_AFTER_FIX" in (VIEWS / "diagnosis.py").read_text()


@pytest.mark.parametrize(
    ("page", "count"),
    [
        ("/t/acme/", 1),
        ("/t/acme/home", 1),
        ("/t/acme/units/jardins", 2),
        ("/t/acme/conversations", 1),
        ("/t/acme/conversations/{message.conversation_id}", 2),
        ("/t/acme/undelivered", 1),
        ("/t/acme/messages/{message.id}", 1),
    ],
)
def test_nothing_is_sent_while_nothing_is_new(
    admin: FlaskClient, connected_unit: Unit, message: Message, page: str, count: int
) -> None:
    _assert_no_news(admin, page.format(message=message), count)


@pytest.mark.parametrize("page", ["/operator/golive", "/operator/alerts", "/operator/metrics"])
def test_nothing_is_sent_to_operators_while_nothing_is_new(operator: FlaskClient, page: str) -> None:
    make_release()

    _assert_no_news(operator, page, 1)


def _assert_no_news(client: FlaskClient, page: str, count: int) -> None:
    polls = [_look_again(client, address) for address in POLL.findall(client.get(page).text)]

    assert [(answer.status_code, answer.data) for answer in polls] == [(204, b"")] * count


def _look_again(client: FlaskClient, address: str) -> TestResponse:
    """What the poll brings; a part beside the one that a page is about may be drawn once more first."""
    answer = client.get(address.replace("&amp;", "&"), headers=PART)
    if answer.status_code == 200:
        (address,) = POLL.findall(answer.text)
        answer = client.get(address.replace("&amp;", "&"), headers=PART)
    return answer


@cache
def _parts_with_news() -> set[str]:
    """The templates that views name which answer by what has been seen."""
    modules = [ast.parse(path.read_text()) for path in VIEWS.glob("*.py")]
    with_news = [module for module in modules if any(_is_news(node) for node in ast.walk(module))]
    return {
        node.value
        for module in with_news
        for node in ast.walk(module)
        if isinstance(node, ast.Constant) and isinstance(node.value, str)
    }


def _is_news(node: ast.AST) -> bool:
    return isinstance(node, ast.Call) and isinstance(node.func, ast.Name) and node.func.id == "render_news"
