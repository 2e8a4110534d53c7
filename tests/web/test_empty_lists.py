"""A list without anything says what will be there and why, and leads whoever may to the first step."""

import re
from dataclasses import dataclass
from html import unescape

import pytest
from flask.testing import FlaskClient

from portal.models import Unit
from portal.permissions import Role
from portal.tenancy import TenantScope
from tests.factories import make_user
from tests.web.conftest import OpenBrowser

EMPTY = re.compile(r'<div class="empty">(.*?)</div>', re.S)
# Enough for a reason, and not only for "nothing here".
A_SENTENCE = 40


@dataclass(frozen=True)
class Empty:
    """What stands where the list would be."""

    title: str
    sentence: str
    link: str | None


def empty_at(client: FlaskClient, path: str) -> Empty:
    answer = client.get(path)
    assert answer.status_code == 200, path
    found = EMPTY.search(answer.text)
    assert found, f"{path} says nothing about being empty"
    title = re.search(r"<h[23][^>]*>(.*?)</h[23]>", found[1], re.S)
    links = re.findall(r'<a class="btn[^"]*"[^>]* href="([^"]*)"|<a class="btn[^"]*" href="([^"]*)"', found[1])
    sentences = " ".join(re.findall(r"<p>(.*?)</p>", re.sub(r"<p><a .*?</a></p>", "", found[1]), re.S))
    return Empty(title[1] if title else "", unescape(sentences), next(("".join(link) for link in links), None))


@pytest.fixture
def agent(acme: TenantScope, unit: Unit, browser: OpenBrowser) -> FlaskClient:
    return browser(make_user("bia@acme.test", role=Role.AGENT, unit_slugs=("centro",)))


@pytest.mark.parametrize(
    ("path", "first_step"),
    [
        ("/t/acme/", "/t/acme/new-unit"),
        ("/t/acme/contacts", "/t/acme/contacts/import"),
        ("/t/acme/contacts/imports", "/t/acme/contacts/import"),
        ("/t/acme/templates", "/t/acme/templates/new"),
        ("/t/acme/campaigns", "/t/acme/campaigns/new"),
        ("/t/acme/api-tokens", "/t/acme/api-tokens/new"),
        ("/t/acme/webhooks", "/t/acme/webhooks/new"),
        ("/t/acme/undelivered", None),
    ],
)
def test_company_that_has_just_begun_is_led_to_its_first_step(
    admin: FlaskClient, path: str, first_step: str | None
) -> None:
    empty = empty_at(admin, path)

    assert empty.title
    assert len(empty.sentence) >= A_SENTENCE
    assert empty.link == first_step


@pytest.mark.parametrize("path", ["/t/acme/contacts", "/t/acme/templates", "/t/acme/campaigns", "/t/acme/undelivered"])
def test_agent_is_told_as_much_and_led_nowhere_they_may_not_go(agent: FlaskClient, path: str) -> None:
    empty = empty_at(agent, path)

    assert len(empty.sentence) >= A_SENTENCE
    assert empty.link is None or agent.get(empty.link).status_code == 200


@pytest.mark.parametrize(
    ("path", "first_step"),
    [
        ("/t/acme/members", "/t/acme/members/new"),
        ("/operator/servers", "/operator/servers/new"),
        ("/operator/events", None),
        ("/operator/events/unknown", None),
        ("/operator/events/counts", None),
        ("/operator/alerts", None),
        ("/operator/golive", None),
    ],
)
def test_operator_of_an_empty_portal_is_told_what_will_be_there(
    acme: TenantScope, operator: FlaskClient, path: str, first_step: str | None
) -> None:
    empty = empty_at(operator, path)

    assert empty.title
    assert len(empty.sentence) >= A_SENTENCE
    assert empty.link == first_step
