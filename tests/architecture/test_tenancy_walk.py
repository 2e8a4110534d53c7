"""That no address escapes the route walk: all that stands in one is known, and each row that it names is there."""

import pytest
from flask import Flask
from redis import Redis

from tests.architecture.callers import NAMES_A_UNIT_IN_THE_BODY
from tests.architecture.walk import OTHER_ARGUMENTS, SAMPLES, access_of, apart, caller, methods, walk, walked
from tests.companies import Company, make_company

# Calls of a tenant's people whose address names no row, beside those that name one in the body.
LISTS_OF_ONES_OWN = {"api_units.list_units", "api_campaigns.index", "api_messages.index", "api_contacts.index"}
# What people do with their own account: their session says whose it is.
OF_ONES_OWN_ACCOUNT = {
    *(f"auth.{name}" for name in ("confirm_page", "confirm")),
    *(f"account.{name}" for name in ("index", "password_page", "change_password", "end_other_sessions")),
    *(f"second_factor.{name}" for name in ("show", "begin", "turn_on", "ask_to_renew", "renew_codes")),
    *(f"second_factor.{name}" for name in ("ask_to_turn_off", "turn_off")),
}
OF_THE_OPERATOR = {
    "operator.index",
    *(f"operator.servers.{name}" for name in ("index", "new", "create")),
    *(f"operator.people.{name}" for name in ("index", "new", "create")),
    *(f"operator.tenants.{name}" for name in ("new", "create")),
    *(f"operator.audit.{name}" for name in ("index", "export")),
    *(f"operator.{noun}.index" for noun in ("golive", "metrics", "alerts", "runbook", "components")),
    "operator.alerts.raise_test",
    *(
        f"operator.events.{name}"
        for name in ("index", "replay", "unknown", "replay_unknown", "forget_unknown", "counts")
    ),
}


# A chapter of the operator's book: its argument names no row.
OF_A_BOOK = {"operator.runbook.show"}


@pytest.fixture(autouse=True)
def _no_limits_left_over(redis_server: "Redis") -> None:
    """Limits are counted in Redis: one test's calls must not throttle the next."""


@pytest.fixture
def acme(database: None) -> Company:
    return apart(make_company("acme"))


@pytest.fixture
def rival(database: None) -> Company:
    return apart(make_company("rival", unit_slug="norte"))


def test_every_argument_of_an_address_is_known_to_this_walk(app: Flask) -> None:
    named = {argument for rule in app.url_map.iter_rules() for argument in rule.arguments}

    unknown = named - set(SAMPLES) - set(OTHER_ARGUMENTS)

    assert unknown == set(), "say in SAMPLES what id it takes, or in OTHER_ARGUMENTS that it names no row"


def test_every_guarded_address_without_an_id_is_known_to_this_walk(app: Flask) -> None:
    guarded = {
        rule.endpoint
        for rule in app.url_map.iter_rules()
        if not rule.arguments & set(SAMPLES) and access_of(app, rule) != "public"
    }

    known = NAMES_A_UNIT_IN_THE_BODY | LISTS_OF_ONES_OWN | OF_ONES_OWN_ACCOUNT | OF_THE_OPERATOR | OF_A_BOOK
    assert guarded == known, "say which row it is about"


def test_arguments_that_name_no_row_stand_in_open_addresses_or_beside_an_id(app: Flask) -> None:
    alone = [rule for rule in app.url_map.iter_rules() if rule.arguments and not rule.arguments & set(SAMPLES)]

    assert {rule.endpoint for rule in alone if access_of(app, rule) != "public"} == OF_A_BOOK


def test_ones_own_list_holds_nothing_of_another_tenant(app: Flask, acme: Company, rival: Company) -> None:
    who = caller(app, acme.admin)
    paths = [rule.rule for rule in app.url_map.iter_rules() if rule.endpoint in LISTS_OF_ONES_OWN]

    answers = [who.call("GET", path, is_page=False, unit_id="").get_data(as_text=True) for path in paths]

    own, foreign = ([str(one.unit.id), str(one.conversation.contact_id)] for one in (acme, rival))
    assert [answer for answer in answers if not any(id_ in answer for id_ in own)] == []
    assert [answer for answer in answers if any(id_ in answer for id_ in foreign)] == []


def test_anonymous_visitor_of_a_page_is_led_to_the_sign_in(app: Flask, acme: Company) -> None:
    response = app.test_client().get("/t/acme/")

    assert response.headers["Location"].startswith("/login")


def test_walk_finds_the_rows_it_is_denied(app: Flask, acme: Company) -> None:
    # The 404s of the route walk are not for want of a row.
    who = caller(app, acme.admin)
    reading = [rule for rule in walked(app) if "GET" in methods(rule) and "qrcode" not in rule.rule]

    answers = {call: status for call, status in walk(app, who, reading, acme).items() if call.startswith("GET")}

    # A draft does not run: whoever looks for that is led to the pages on which it is planned.
    led_away = {call for call, status in answers.items() if status == 303}
    assert led_away == {
        "GET /t/<tenant_slug>/campaigns/<uuid:campaign_id>",
        "GET /t/<tenant_slug>/campaigns/<uuid:campaign_id>/cancel",
    }
    assert {status for call, status in answers.items() if call not in led_away} == {200}
