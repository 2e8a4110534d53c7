"""A company with more units than a page shows: its pages stay small, and every unit is a search or some pages away."""

import re
from collections.abc import Iterator
from html import unescape

import pytest
from flask.testing import FlaskClient

from portal.models import ConnectionStatus, StatusReason, Unit
from portal.permissions import Role
from portal.queries.unit_lists import MOST_OFFERED, PAGE
from portal.tenancy import TenantScope
from portal.web.home import MOST_SHOWN, MOST_TROUBLED
from tests.factories import make_campaign, make_conversation, make_unit, make_user
from tests.statements import counted
from tests.web import homes
from tests.web.conftest import OpenBrowser
from tests.web.homes import link_of, move, needs_in, note
from tests.web.htmx import PART, poll
from tests.web.many_units import LOST, add_units
from tests.web.undelivered import make_ours

LIST = "/t/acme/"
MANY = 130
# Of HTML, without media: what a page may be.
MOST_BYTES = 100_000


@pytest.fixture
def slugs(acme: TenantScope) -> list[str]:
    return add_units(acme, MANY)


def units_in(page: str) -> list[str]:
    """The short names of the units in a list, in its order."""
    return re.findall(r'<article class="unit [^"]*" id="unit-([^"]+)">', page)


def pages_from(client: FlaskClient, address: str) -> Iterator[str]:
    """The page there, and all that follow it."""
    following: str | None = address
    while following:
        page = client.get(following).text
        yield page
        found = re.search(r'href="([^"]+)">Next units<', page)
        following = unescape(found[1]) if found else None


def test_every_unit_is_reached_page_by_page(admin: FlaskClient, slugs: list[str]) -> None:
    pages = list(pages_from(admin, LIST))

    assert [len(units_in(page)) for page in pages] == [PAGE, PAGE, MANY - 2 * PAGE]
    assert [slug for page in pages for slug in units_in(page)] == slugs
    assert max(len(page.encode()) for page in pages) < MOST_BYTES


def test_units_of_one_name_are_all_reached(admin: FlaskClient, acme: TenantScope, slugs: list[str]) -> None:
    note(acme, Unit, Unit.slug.in_(slugs[:120]), name="Loja")

    reached = [slug for page in pages_from(admin, LIST) for slug in units_in(page)]

    assert sorted(reached) == slugs


def test_few_units_are_shown_without_a_filter(admin: FlaskClient, acme: TenantScope) -> None:
    add_units(acme, PAGE - 1)

    page = admin.get(LIST).text

    assert len(units_in(page)) == PAGE - 1
    assert 'id="filter-q"' not in page
    assert "Next units" not in page


@pytest.mark.parametrize("words", ["sao jose", "JOSÉ", "São"])
def test_search_finds_a_unit_by_words_of_its_name(
    admin: FlaskClient, acme: TenantScope, slugs: list[str], words: str
) -> None:
    note(acme, Unit, Unit.slug == "loja-077", name="São José do Rio Preto")

    assert units_in(admin.get(LIST, query_string={"q": words}).text) == ["loja-077"]


def test_search_without_a_match_says_so_and_shows_the_way_back(admin: FlaskClient, slugs: list[str]) -> None:
    page = admin.get(LIST, query_string={"q": "(.*"}).text

    assert units_in(page) == []
    assert "No unit fits this filter." in page
    assert '<a class="btn btn-quiet" href="/t/acme/">Show all</a>' in page


def test_filter_shows_those_that_need_attention_page_by_page(admin: FlaskClient, acme: TenantScope) -> None:
    add_units(acme, 20)
    lost = add_units(acme, PAGE + 5, first=20, **LOST)

    pages = list(pages_from(admin, f"{LIST}?state=attention"))

    assert [slug for page in pages for slug in units_in(page)] == lost
    assert len(pages) == 2


@pytest.mark.parametrize("query", ["state=gone", "choose=gone"])
def test_filter_that_nobody_can_have_chosen_is_refused(admin: FlaskClient, acme: TenantScope, query: str) -> None:
    assert admin.get(f"{LIST}?{query}").status_code == 400


def test_poll_brings_the_page_that_is_shown_when_it_has_news(
    admin: FlaskClient, acme: TenantScope, slugs: list[str]
) -> None:
    page = admin.get(f"{LIST}?after={slugs[49]}&q=loja").text
    note(acme, Unit, Unit.slug == slugs[0], name="Loja Primeira")
    quiet = poll(admin, page, "unit-list")
    note(acme, Unit, Unit.slug == slugs[60], name="Loja-060 Nova")
    news = poll(admin, page, "unit-list")

    assert (quiet.status_code, quiet.text) == (204, "")
    assert units_in(news.text) == slugs[50:100]
    assert "Loja-060 Nova" in news.text
    assert "<html" not in news.text


def test_home_counts_all_and_names_some_of_those_that_need_somebody(admin: FlaskClient, acme: TenantScope) -> None:
    add_units(acme, MANY - 25)
    lost = add_units(acme, 25, first=MANY - 25, **LOST)

    page = admin.get(homes.PAGE).text
    needs = needs_in(page)

    assert [key for key in needs if key.startswith("down-")] == [f"down-{slug}" for slug in lost[:4]]
    assert needs["more-down"].startswith("21 more units are not connected.")
    assert link_of(page, "more-down") == "/t/acme/?state=attention"
    assert "105 of 130 units connected" in page
    assert re.findall(r'<a id="unit-([^"]+)"', page) == lost[:MOST_TROUBLED]
    assert '<a id="more-units" href="/t/acme/?state=attention">5 more units need attention</a>' in page
    assert len(page.encode()) < MOST_BYTES


def test_home_shows_each_of_few_units_and_of_one_more_none_that_is_well(admin: FlaskClient, acme: TenantScope) -> None:
    few = add_units(acme, MOST_SHOWN)
    with_few = admin.get(homes.PAGE).text
    add_units(acme, 1, first=MOST_SHOWN)
    with_more = admin.get(homes.PAGE).text

    assert re.findall(r'<a id="unit-([^"]+)"', with_few) == few
    assert 'id="all-units"' not in with_few
    assert re.findall(r'<a id="unit-([^"]+)"', with_more) == []
    assert 'id="all-units" href="/t/acme/"' in with_more
    assert "31 of 31 units connected" in with_more


def test_poll_of_home_is_quiet_until_a_unit_is_lost(admin: FlaskClient, acme: TenantScope, slugs: list[str]) -> None:
    unit = make_unit(acme, "zona-norte")
    page = admin.get(homes.PAGE).text
    quiet = poll(admin, page, "home")
    move(acme, unit, ConnectionStatus.DISCONNECTED, StatusReason.NUMBER_BANNED)

    news = poll(admin, page, "home")

    assert (quiet.status_code, quiet.text) == (204, "")
    assert "WhatsApp blocked this number" in needs_in(news.text)["down-zona-norte"]


@pytest.mark.parametrize("headers", [{}, PART], ids=["page", "poll"])
@pytest.mark.parametrize("address", [homes.PAGE, LIST, f"{LIST}?state=attention", "/t/acme/conversations"])
def test_page_asks_as_often_for_very_many_units_as_for_many(
    admin: FlaskClient, acme: TenantScope, address: str, headers: dict[str, str]
) -> None:
    add_units(acme, 60)
    add_units(acme, 30, first=60, **LOST)
    # The first look of a process asks more.
    admin.get(address, headers=headers)
    with counted() as many:
        admin.get(address, headers=headers)
    add_units(acme, 60, first=90)
    add_units(acme, 30, first=150, **LOST)

    with counted() as very_many:
        assert admin.get(address, headers=headers).status_code == 200

    assert len(very_many) == len(many)


def test_units_of_another_company_are_neither_listed_nor_counted(
    admin: FlaskClient, acme: TenantScope, rival: TenantScope
) -> None:
    add_units(acme, 40)
    theirs = add_units(rival, 60, first=100, **LOST)

    home = admin.get(homes.PAGE).text

    assert "40 of 40 units connected" in home
    assert needs_in(home) == {}
    assert units_in(admin.get(f"{LIST}?state=attention").text) == []
    assert units_in(admin.get(LIST, query_string={"q": theirs[0]}).text) == []
    # Nobody learns by a place in the list whether another company has such a unit.
    assert units_in(admin.get(LIST, query_string={"after": theirs[0]}).text) == []


def test_agent_finds_and_counts_their_units_only(acme: TenantScope, browser: OpenBrowser) -> None:
    add_units(acme, 80)
    lost = add_units(acme, 20, first=80, **LOST)
    own = (*(f"loja-{number:03}" for number in range(35)), lost[0])
    agent = browser(make_user("bia@acme.test", role=Role.AGENT, unit_slugs=own))

    home = agent.get(homes.PAGE).text

    assert units_in(agent.get(LIST).text) == list(own)
    assert units_in(agent.get(f"{LIST}?state=attention").text) == [lost[0]]
    assert units_in(agent.get(LIST, query_string={"q": lost[1]}).text) == []
    assert "35 of 36 units connected" in home
    assert list(needs_in(home)) == [f"down-{lost[0]}"]


def test_unit_of_conversations_is_picked_from_a_list_while_there_are_few(admin: FlaskClient, acme: TenantScope) -> None:
    add_units(acme, MOST_OFFERED)
    few = admin.get("/t/acme/conversations").text
    add_units(acme, 1, first=MOST_OFFERED)
    many = admin.get("/t/acme/conversations").text

    assert few.count("<option") == MOST_OFFERED + 1
    assert 'id="choose-unit"' not in few
    assert "<option" not in many
    assert 'id="choose-unit" href="/t/acme/?choose=conversations"' in many


def test_chosen_unit_stays_while_its_conversations_are_searched(admin: FlaskClient, slugs: list[str]) -> None:
    page = admin.get(f"/t/acme/conversations?unit={slugs[99]}").text

    assert '<input type="hidden" name="unit" value="loja-099">' in page
    assert 'id="unit-all" href="/t/acme/conversations"' in page
    assert ">Write to a number</a>" in page


@pytest.mark.parametrize(
    ("what", "link"),
    [
        ("conversations", "/t/acme/conversations?unit=loja-129"),
        ("undelivered", "/t/acme/undelivered?unit=loja-129"),
        ("campaigns", "/t/acme/campaigns?unit=loja-129"),
        ("campaign", "/t/acme/campaigns/new?unit=loja-129"),
        ("write&phone=11999990002", "/t/acme/units/loja-129/send?phone=11999990002"),
    ],
)
def test_chosen_unit_leads_back_to_what_it_was_chosen_for(
    admin: FlaskClient, slugs: list[str], what: str, link: str
) -> None:
    # Also on a later page, and after a search.
    for page in (list(pages_from(admin, f"{LIST}?choose={what}"))[-1], admin.get(f"{LIST}?choose={what}&q=129").text):
        assert f'<a id="link-loja-129" href="{link}">' in page
    assert admin.get(link).status_code == 200


def test_other_choices_of_a_unit_are_looked_for_as_well(
    admin: FlaskClient, acme: TenantScope, connected_unit: Unit, slugs: list[str]
) -> None:
    conversation = make_conversation(acme, connected_unit)
    make_ours(acme, conversation, status="failed")
    make_campaign(acme, connected_unit, [conversation.contact_id])

    for address, what in (
        ("/t/acme/undelivered?unit=jardins", "undelivered"),
        ("/t/acme/campaigns?unit=jardins", "campaigns"),
        ("/t/acme/campaigns/new?unit=jardins", "campaign"),
    ):
        page = admin.get(address).text
        assert f'id="choose-unit" href="/t/acme/?choose={what}"' in page
        assert '<input type="hidden" name="unit" value="jardins">' in page
        assert len(page.encode()) < MOST_BYTES
    person = admin.get(f"/t/acme/contacts/{conversation.contact_id}").text
    assert 'id="choose-unit" href="/t/acme/?choose=write&amp;phone=' in person
    assert len(person.encode()) < MOST_BYTES


def test_campaign_is_begun_for_the_unit_that_was_chosen(admin: FlaskClient, slugs: list[str]) -> None:
    without = admin.post("/t/acme/campaigns/new", data={"name": "Promoção"})
    chosen = admin.post("/t/acme/campaigns/new", data={"name": "Promoção", "unit": slugs[120]})

    assert without.status_code == 422
    assert "Choose the unit that sends it." in without.text
    assert chosen.status_code == 303
