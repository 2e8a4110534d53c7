"""The operator's pages of the Evolution servers."""

from datetime import timedelta
from uuid import UUID

import pytest
from flask.testing import FlaskClient
from sqlalchemy import update

from portal.clock import now
from portal.db import atomic, db
from portal.models import EvolutionServer, Unit, UserSession
from portal.outbox.servers import default_server_id, sync_default
from portal.services import connections, servers
from portal.tenancy import TenantScope, across_tenants
from tests.factories import SERVER_KEY, connection_of, make_server
from tests.web.htmx import poll

LIST = "/operator/servers"
TYPED = {
    "name": "second",
    "url": "https://evolution.example.test",
    "api_key": SERVER_KEY,
    "capacity": "40",
    "accepts_units": "y",
}


@pytest.fixture
def second(database: None) -> EvolutionServer:
    sync_default()
    server = make_server()
    note(server.id, check_requested_at=None)
    return server


def note(server_id: UUID, **columns: object) -> None:
    with across_tenants("a test changes a server"), atomic():
        server = db.session.get_one(EvolutionServer, server_id)
        for name, value in columns.items():
            setattr(server, name, value)


def page_of(server: EvolutionServer) -> str:
    return f"{LIST}/{server.id}"


def test_operators_first_page_leads_to_the_servers(operator: FlaskClient) -> None:
    assert f'href="{LIST}"' in operator.get("/operator/").text


def test_list_shows_each_server_with_its_load(
    operator: FlaskClient, second: EvolutionServer, connected_unit: Unit
) -> None:
    note(second.id, version="2.3.6", accepts_units=False)

    page = operator.get(LIST).text

    assert "http://evolution.test" in page
    assert "1 of 60 units" in page
    assert "0 of 60 units" in page
    assert "Version 2.3.6" in page
    assert "Accepts no new units" in page
    assert "from the settings" in page


def test_list_without_a_server_says_where_the_first_comes_from(operator: FlaskClient) -> None:
    assert "No server yet" in operator.get(LIST).text


STATES = {
    "not checked": ({}, "Not checked", "Check it now."),
    "asked": ({"check_requested_at": timedelta(seconds=1)}, "Checking", "Wait a moment."),
    "asked in vain": ({"check_requested_at": timedelta(minutes=1)}, "Not checked", "See to the worker"),
    "good": ({"checked_at": timedelta(seconds=1)}, "Answers", "accepts the key"),
    "failed": (
        {"checked_at": timedelta(seconds=1), "check_error": "evolution_key_refused"},
        "The check failed",
        "Give it the key that stands there.",
    ),
    "odd": (
        {"checked_at": timedelta(seconds=1), "check_error": "unclear_answer"},
        "The check failed",
        "Evolution API of version 2",
    ),
    "paused": (
        {
            "paused_at": timedelta(minutes=3),
            "paused_until": timedelta(seconds=-30),
            "pause_reason": "evolution_unreachable",
        },
        "Paused",
        "It does not answer.",
    ),
}


@pytest.mark.parametrize(("columns", "title", "words"), STATES.values(), ids=STATES)
def test_state_is_told_in_words(
    operator: FlaskClient, second: EvolutionServer, columns: dict[str, object], title: str, words: str
) -> None:
    ago = {name: now() - value if isinstance(value, timedelta) else value for name, value in columns.items()}
    note(second.id, **ago)

    page = operator.get(page_of(second)).text

    assert title in page
    assert words in page


def test_page_follows_a_check_and_stops_when_it_is_done(operator: FlaskClient, second: EvolutionServer) -> None:
    asked = operator.post(f"{page_of(second)}/check", follow_redirects=True).text
    quiet = poll(operator, asked, "server-state")
    note(second.id, check_requested_at=None, checked_at=now())
    done = poll(operator, asked, "server-state")

    assert '<noscript><meta http-equiv="refresh" content="3"></noscript>' in asked
    assert quiet.status_code == 204
    assert "Answers" in done.text
    assert "hx-trigger" not in done.text
    assert "<html" not in done.text


def test_server_is_added(operator: FlaskClient, second: EvolutionServer) -> None:
    answer = operator.post(LIST, data={**TYPED, "name": "third"})

    (third,) = [row.server for row in servers.list_servers() if row.server.name == "third"]
    assert (answer.status_code, answer.location) == (303, page_of(third))
    assert (third.capacity, third.accepts_units) == (40, True)
    assert "Checking" in operator.get(answer.location).text


def test_what_is_wrong_stands_beside_its_field_and_the_rest_is_kept_but_not_the_key(
    operator: FlaskClient, second: EvolutionServer
) -> None:
    answer = operator.post(LIST, data={**TYPED, "name": "third", "url": "evolution", "capacity": "many"})

    assert answer.status_code == 422
    assert 'id="url-error"' in answer.text
    assert 'id="capacity-error"' in answer.text
    assert 'value="third"' in answer.text
    assert 'value="evolution"' in answer.text
    assert 'value="many"' in answer.text
    assert SERVER_KEY not in answer.text


def test_server_is_changed_without_its_key(operator: FlaskClient, second: EvolutionServer) -> None:
    form = operator.get(f"{page_of(second)}/edit").text
    answer = operator.post(f"{page_of(second)}/edit", data={"name": "new name", "url": second.url, "capacity": "5"})

    kept = servers.get_server(second.id).server
    assert SERVER_KEY not in form
    assert answer.status_code == 303
    assert (kept.name, kept.capacity, kept.accepts_units) == ("new name", 5, False)


def test_another_address_asks_for_the_key_beside_its_field(operator: FlaskClient, second: EvolutionServer) -> None:
    answer = operator.post(f"{page_of(second)}/edit", data={**TYPED, "api_key": ""})

    assert answer.status_code == 422
    assert 'id="api_key-error"' in answer.text
    assert servers.get_server(second.id).server.url == second.url


def test_whoever_did_not_give_the_password_lately_is_asked_for_it_first(
    operator: FlaskClient, second: EvolutionServer, connected_unit: Unit
) -> None:
    with across_tenants("a test lets time pass"), atomic():
        db.session.execute(update(UserSession).values(confirmed_at=now() - timedelta(minutes=20)))
    move = f"{LIST}/{default_server_id()}/units/{connected_unit.id}/move"
    pages = (f"{page_of(second)}/edit", f"{page_of(second)}/remove", move)

    asked = [operator.get(page) for page in (f"{LIST}/new", *pages)]
    asked += [operator.post(page, data={**TYPED, "target": second.id}) for page in (LIST, *pages)]

    assert {answer.location.partition("?")[0] for answer in asked} == {"/confirm"}
    assert [row.server.name for row in servers.list_servers()] == ["default", "second"]
    assert operator.get(LIST).status_code == 200


def test_wrong_change_is_explained(operator: FlaskClient, second: EvolutionServer) -> None:
    answer = operator.post(f"{page_of(second)}/edit", data={**TYPED, "capacity": "0"})

    assert answer.status_code == 422
    assert 'id="capacity-error"' in answer.text


def test_default_server_is_changed_in_the_settings_but_for_its_capacity(
    operator: FlaskClient, second: EvolutionServer
) -> None:
    address = f"{LIST}/{default_server_id()}/edit"
    form = operator.get(address).text
    operator.post(address, data={"capacity": "5", "accepts_units": "y"})

    assert "EVOLUTION_API_URL" in form
    assert 'name="url"' not in form
    assert servers.get_server(default_server_id()).server.capacity == 5


def test_unused_server_is_removed_after_a_question(operator: FlaskClient, second: EvolutionServer) -> None:
    question = operator.get(f"{page_of(second)}/remove").text
    answer = operator.post(f"{page_of(second)}/remove")

    assert "Remove second?" in question
    assert (answer.status_code, answer.location) == (303, LIST)
    assert operator.get(page_of(second)).status_code == 404


def test_used_server_is_not_removed(operator: FlaskClient, second: EvolutionServer, connected_unit: Unit) -> None:
    operator.post(f"{LIST}/{default_server_id()}/units/{connected_unit.id}/move", data={"target": second.id})

    assert "/remove" not in operator.get(page_of(second)).text
    assert operator.post(f"{page_of(second)}/remove").status_code == 409


def test_units_are_listed_without_their_numbers(
    operator: FlaskClient, second: EvolutionServer, connected_unit: Unit
) -> None:
    page = operator.get(f"{LIST}/{default_server_id()}").text

    assert "Jardins" in page
    assert "Acme" in page
    assert "Connected" in page
    assert "0001" not in page


def test_unit_is_moved_after_being_told_what_happens(
    operator: FlaskClient, acme: TenantScope, second: EvolutionServer, connected_unit: Unit
) -> None:
    address = f"{LIST}/{default_server_id()}/units/{connected_unit.id}/move"
    question = operator.get(address).text
    answer = operator.post(address, data={"target": second.id})

    assert "Move Jardins to another server" in question
    assert "Somebody there must scan it with the phone." in question
    assert "Messages that wait are kept" in question
    assert (answer.status_code, answer.location) == (303, "/t/acme/units/jardins")
    assert "Preparing the code" in operator.get(answer.location).text
    assert connection_of(acme, connected_unit.id).evolution_server_id == second.id


def test_move_of_a_unit_that_was_never_connected_frightens_nobody(
    operator: FlaskClient, acme: TenantScope, second: EvolutionServer, unit: Unit
) -> None:
    connections.request_move(acme, unit.id, second.id)

    question = operator.get(f"{page_of(second)}/units/{unit.id}/move").text

    assert "No phone was ever linked" in question
    assert "unlinked at once" not in question


@pytest.mark.parametrize("typed", ["", "nonsense"])
def test_move_to_nowhere_is_explained(
    operator: FlaskClient, second: EvolutionServer, connected_unit: Unit, typed: str
) -> None:
    answer = operator.post(f"{LIST}/{default_server_id()}/units/{connected_unit.id}/move", data={"target": typed})

    assert answer.status_code == 422
    assert 'id="target-error"' in answer.text


def test_move_that_is_refused_says_why_on_the_form(
    operator: FlaskClient, second: EvolutionServer, connected_unit: Unit
) -> None:
    note(second.id, accepts_units=False)

    answer = operator.post(f"{LIST}/{default_server_id()}/units/{connected_unit.id}/move", data={"target": second.id})

    assert answer.status_code == 409
    assert "second accepts no new units" in answer.text
    assert "No other server accepts new units and has room." in answer.text


def test_unit_of_another_server_is_not_there(
    operator: FlaskClient, second: EvolutionServer, connected_unit: Unit
) -> None:
    assert operator.get(f"{page_of(second)}/units/{connected_unit.id}/move").status_code == 404


@pytest.mark.parametrize("part", ["", "/new"])
def test_people_of_a_tenant_and_strangers_see_nothing_of_it(
    admin: FlaskClient, visitor: FlaskClient, part: str
) -> None:
    assert admin.get(f"{LIST}{part}").status_code == 403
    assert visitor.get(f"{LIST}{part}").status_code == 302


MEANINGS = {
    "2.1.2": ("does not work with this version", "Before you upgrade to 2.4"),
    "2.2.3": ("Its webhooks are not signed", "Before you upgrade to 2.4"),
    "2.3.7": ("The portal works with this version.", "have registered it on its page /manager"),
    "2.4.0-rc2": ("once its licence is active", "it does not tell which one"),
    "2.5.0": ("Nobody has tried the portal with this version.",) * 2,
}


@pytest.mark.parametrize("version", MEANINGS)
def test_page_says_what_the_version_means(operator: FlaskClient, second: EvolutionServer, version: str) -> None:
    note(second.id, version=version)

    page = operator.get(page_of(second)).text

    assert [words for words in MEANINGS[version] if words not in page] == []
    assert ("Before you upgrade to 2.4" in page) is (version < "2.4")


def test_page_says_nothing_of_a_version_that_is_not_known(operator: FlaskClient, second: EvolutionServer) -> None:
    assert "this version" not in operator.get(page_of(second)).text


@pytest.mark.parametrize(("version", "is_told"), [("2.1.2", True), ("2.2.3", True), ("2.3.6", False)])
def test_list_tells_of_versions_with_which_something_is_wrong(
    operator: FlaskClient, second: EvolutionServer, version: str, is_told: bool
) -> None:
    note(second.id, version=version)

    assert ("this version" in operator.get(LIST).text) is is_told


def test_missing_licence_comes_with_what_to_do(operator: FlaskClient, second: EvolutionServer) -> None:
    note(second.id, checked_at=now(), check_error="evolution_not_licensed")

    assert "Open its address with /manager at the end, and register it there." in operator.get(page_of(second)).text
