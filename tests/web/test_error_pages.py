"""Each refusal says what happened and what to do, on a page or within one for htmx; also without the database."""

import re
from collections.abc import Callable, Iterator
from html import unescape

import pytest
from flask import Flask
from flask.testing import FlaskClient
from sqlalchemy.exc import OperationalError, ProgrammingError
from werkzeug.test import TestResponse

from portal.errors import Conflict, Invalid
from portal.models import Unit
from portal.permissions import Role
from portal.queries import members
from portal.services import accounts, sessions
from portal.tenancy import TenantScope
from portal.web import throttling
from tests.factories import make_user
from tests.web.conftest import OpenBrowser
from tests.web.htmx import PART

AWAY = OperationalError("SELECT of the inside", {}, Exception("no route to 10.0.0.7"))
A_BUG = ProgrammingError("SELECT of the inside", {}, Exception("column of the inside"))
PORTUGUESE = {"Accept-Language": "pt-BR"}
TEAM = "/t/acme/members"
NAVIGATION = 'class="topbar__nav"'
LINK = re.compile(r'<a class="btn btn-primary" href="([^"]*)">')

Fail = Callable[[Exception], None]


@pytest.fixture
def fail(monkeypatch: pytest.MonkeyPatch) -> Fail:
    """Let the list of the team raise this."""

    def fail_with(error: Exception) -> None:
        def raise_it(*_: object, **__: object) -> None:
            raise error

        monkeypatch.setattr(members, "list_members", raise_it)

    return fail_with


@pytest.fixture
def away(monkeypatch: pytest.MonkeyPatch) -> None:
    """Nobody can be recognised, since that takes the database."""

    def raise_it(*_: object, **__: object) -> None:
        raise AWAY

    monkeypatch.setattr(sessions, "find", raise_it)


@pytest.fixture
def forgery_checked(app: Flask) -> Iterator[None]:
    app.config["WTF_CSRF_ENABLED"] = True
    yield
    app.config["WTF_CSRF_ENABLED"] = False


def make_one(client: FlaskClient, **headers: str) -> TestResponse:
    return client.post(
        "/t/acme/units",
        data={"name": "Sul", "slug": "sul"},
        headers={"Referer": f"http://localhost{TEAM}", **headers},
    )


def text_of(answer: TestResponse) -> str:
    """What is read on the page, in one line."""
    return unescape(re.sub(r"\s+", " ", re.sub(r"<[^>]+>", " ", answer.text)))


def link_of(answer: TestResponse) -> str:
    """The one that helps."""
    (address,) = LINK.findall(answer.text)
    return str(address)


def is_whole_page(answer: TestResponse) -> bool:
    return answer.text.lstrip().startswith("<!doctype html>") and 'id="main"' in answer.text


def test_nothing_there_says_so_with_the_navigation_for_whoever_is_signed_in(admin: FlaskClient) -> None:
    for path in ("/t/acme/units/none", "/no-such-page", "/t/rival/units/none", "/operator/no-such-page"):
        answer = admin.get(path)

        assert (answer.status_code, is_whole_page(answer)) == (404, True), path
        assert NAVIGATION in answer.text, path
        assert "<span>Acme</span>" in answer.text, path
        assert "There is nothing here, or not for you. Check the address." in text_of(answer)
        assert link_of(answer) == "/"


def test_nothing_there_is_a_whole_page_for_a_stranger_and_an_operator_too(
    visitor: FlaskClient, operator: FlaskClient
) -> None:
    for client in (visitor, operator):
        answer = client.get("/no-such-page")

        assert (answer.status_code, is_whole_page(answer), NAVIGATION in answer.text) == (404, True, False)


def test_navigation_of_a_company_is_not_shown_where_it_is_closed(
    acme: TenantScope, admin: FlaskClient, monkeypatch: pytest.MonkeyPatch
) -> None:
    def refuse(*_: object, **__: object) -> None:
        raise Conflict("closed")

    monkeypatch.setattr(accounts, "own_scope", refuse)

    answer = admin.get("/no-such-page")

    assert (answer.status_code, NAVIGATION in answer.text) == (404, False)


def test_what_a_role_does_not_allow_says_who_can_help(acme: TenantScope, browser: OpenBrowser) -> None:
    agent = browser(make_user("bia@acme.test", role=Role.AGENT))

    answer = agent.get(TEAM)

    assert (answer.status_code, NAVIGATION in answer.text, link_of(answer)) == (403, True, "/")
    assert "Ask an administrator of your company. Nothing was changed." in text_of(answer)


def test_address_of_a_form_alone_leads_back_to_its_page(admin: FlaskClient, unit: Unit) -> None:
    answer = admin.get("/logout")

    assert (answer.status_code, "POST" in answer.headers["Allow"]) == (405, True)
    assert "This address only takes what a form sends." in text_of(answer)


@pytest.mark.parametrize(
    ("error", "status", "words"),
    [
        (Conflict("It is locked."), 409, "It is locked. Nothing was changed. Open the page anew"),
        (Invalid({"x": "It is wrong."}), 422, "It is wrong. Nothing was saved. Go back with your browser"),
    ],
)
def test_refusal_that_no_page_caught_leads_back_to_where_it_came_from(
    admin: FlaskClient, fail: Fail, error: Exception, status: int, words: str
) -> None:
    fail(error)

    answer = admin.get(TEAM)

    assert (answer.status_code, is_whole_page(answer), NAVIGATION in answer.text) == (status, True, True)
    assert words in text_of(answer)


def test_too_much_says_that_what_was_written_is_still_there(admin: FlaskClient) -> None:
    answer = admin.post("/t/acme/units", data={"name": "x" * 2_000_000}, headers={"Referer": f"http://localhost{TEAM}"})

    assert (answer.status_code, is_whole_page(answer), link_of(answer)) == (413, True, TEAM)
    assert "what you wrote is still there. Send a smaller file" in text_of(answer)


@pytest.mark.usefixtures("forgery_checked")
def test_form_of_another_session_says_where_what_was_typed_still_is(admin: FlaskClient) -> None:
    answer = make_one(admin)

    assert (answer.status_code, is_whole_page(answer), link_of(answer)) == (400, True, TEAM)
    assert "This form is too old. You signed in or out since it was opened, and nothing was saved." in text_of(answer)
    assert "what you typed is still there. Copy it" in text_of(answer)


def test_page_before_on_another_host_is_no_way_back(admin: FlaskClient, fail: Fail) -> None:
    for referrer in (
        "https://evil.test/t/acme/",
        "http://localhost//evil.test/",
        "javascript:alert(1)",
        "http://[",
        "",
    ):
        answer = admin.post("/t/acme/units", data={"name": "x" * 2_000_000}, headers={"Referer": referrer})

        assert link_of(answer) == "/", referrer


def test_too_often_says_when_to_try_again(visitor: FlaskClient, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(throttling, "ATTEMPTS_OF_ALL", "1 per minute")
    credentials = {"email": "ana@acme.test", "password": "guessed"}
    for _ in range(11):
        answer = visitor.post("/login", data=credentials, headers={"Referer": "http://localhost/login"})

    assert (answer.status_code, answer.headers["Retry-After"], link_of(answer)) == (429, "60", "/login")
    assert re.search(r"Too many attempts. You can try again after \d{1,2}:\d\d", text_of(answer))


def test_fault_of_ours_names_the_request_and_nothing_of_the_inside(admin: FlaskClient, fail: Fail) -> None:
    fail(A_BUG)

    answer = admin.get(f"{TEAM}?unit=x")

    assert (answer.status_code, is_whole_page(answer), link_of(answer)) == (500, True, f"{TEAM}?unit=x")
    assert f"tell whoever runs the portal this number: {answer.headers['X-Request-Id']}" in text_of(answer)
    assert "inside" not in answer.text


@pytest.mark.parametrize(
    ("headers", "title"),
    [({}, "The portal cannot reach its data at the moment."), (PORTUGUESE, "Tentar de novo")],
    ids=["english", "portuguese"],
)
def test_database_away_in_a_page_is_told_in_the_persons_language(
    acme: TenantScope, browser: OpenBrowser, fail: Fail, headers: dict[str, str], title: str
) -> None:
    client = browser(make_user("admin@acme.test"))
    fail(AWAY)

    answer = client.get(TEAM, headers=headers)

    assert (answer.status_code, is_whole_page(answer), answer.headers["Retry-After"]) == (503, True, "30")
    assert title in text_of(answer)
    assert link_of(answer) == TEAM
    assert "inside" not in answer.text
    assert "10.0.0.7" not in answer.text


@pytest.mark.usefixtures("away")
@pytest.mark.parametrize("path", ["/t/acme/", "/account", "/operator/", "/no-such-page", "/"])
def test_database_away_before_the_person_is_known_is_a_page_as_well(admin: FlaskClient, path: str) -> None:
    answer = admin.get(path)

    assert (answer.status_code, is_whole_page(answer)) == (503, True)
    assert "The portal cannot reach its data at the moment." in text_of(answer)
    assert 'lang="en"' in answer.text


@pytest.mark.usefixtures("away")
def test_database_away_keeps_the_language_that_was_chosen_in_this_browser(admin: FlaskClient) -> None:
    with admin.session_transaction() as kept:
        kept["locale"] = "pt_BR"

    assert 'lang="pt-BR"' in admin.get(TEAM).text


def test_language_of_the_account_counts_where_it_was_read_before_the_database_went(
    acme: TenantScope, browser: OpenBrowser, fail: Fail
) -> None:
    client = browser(make_user("admin@acme.test"))
    client.post("/language", data={"locale": "pt_BR", "next": "/"})
    with client.session_transaction() as kept:
        del kept["locale"]
    fail(AWAY)

    assert 'lang="pt-BR"' in client.get(TEAM).text


@pytest.mark.parametrize(
    ("error", "status", "code", "wait"), [(A_BUG, 500, "internal_error", None), (AWAY, 503, "unavailable", "30")]
)
def test_programs_are_told_by_a_code_and_when_to_come_again(
    admin: FlaskClient, fail: Fail, error: Exception, status: int, code: str, wait: str | None
) -> None:
    fail(error)

    answer = admin.get(TEAM, headers={"Accept": "application/json"})

    told = answer.json["error"]
    assert (answer.status_code, told["code"], answer.headers.get("Retry-After")) == (status, code, wait)
    assert "inside" not in told["message"]


@pytest.mark.parametrize(
    ("error", "status", "words"),
    [
        (Conflict("It is locked."), 409, "It is locked."),
        (A_BUG, 500, "Something went wrong on our side."),
        (AWAY, 503, "What you just sent may not have been saved"),
    ],
)
def test_htmx_gets_the_few_lines_of_it_for_a_place_that_every_page_has(
    admin: FlaskClient, fail: Fail, error: Exception, status: int, words: str
) -> None:
    fail(error)

    answer = admin.get(TEAM, headers={**PART, "HX-Current-URL": "http://localhost/t/acme/?x=1"})

    assert (answer.status_code, answer.headers["HX-Retarget"], answer.headers["HX-Reswap"]) == (
        status,
        "#problem",
        "outerHTML",
    )
    assert answer.text.strip().startswith('<div class="problem" id="problem"')
    assert words in text_of(answer)
    assert '<a href="/t/acme/?x=1">' in answer.text


@pytest.mark.usefixtures("forgery_checked")
def test_action_that_htmx_sent_in_vain_is_told_at_once_and_a_poll_politely(app: Flask, admin: FlaskClient) -> None:
    acted, polled = make_one(admin, **PART), admin.get("/t/acme/units/none", headers=PART)

    assert (acted.status_code, 'role="alert"' in acted.text, "data-announce" in acted.text) == (400, True, False)
    assert (polled.status_code, 'role="alert"' in polled.text, "data-announce" in polled.text) == (404, False, True)


@pytest.mark.usefixtures("away")
def test_htmx_is_told_that_the_database_is_away_before_the_person_is_known(admin: FlaskClient) -> None:
    answer = admin.get("/t/acme/", headers=PART)

    assert (answer.status_code, answer.headers["HX-Retarget"]) == (503, "#problem")
    assert "The portal cannot reach its data" in text_of(answer)


def test_every_page_has_room_for_it_and_tells_htmx_to_put_it_there(admin: FlaskClient, visitor: FlaskClient) -> None:
    for page in (admin.get("/t/acme/").text, visitor.get("/login").text, visitor.get("/no-such-page").text):
        assert page.count('id="problem"') == 1
        assert '{"code":"[45]..","swap":true,"error":true,"target":"#problem"' in page


def test_history_of_htmx_gets_the_whole_page(admin: FlaskClient) -> None:
    answer = admin.get("/t/acme/units/none", headers={**PART, "HX-History-Restore-Request": "true"})

    assert (answer.status_code, is_whole_page(answer)) == (404, True)


def test_banner_for_no_connection_stands_ready_in_every_page(visitor: FlaskClient) -> None:
    page = visitor.get("/login", headers=PORTUGUESE).text

    assert re.search(r'<p class="banner" data-offline hidden role="alert">[^<]*portal[^<]*</p>', page)
    assert "The portal cannot be reached" not in page
