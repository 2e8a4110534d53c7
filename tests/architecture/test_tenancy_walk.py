"""Every address of the portal, tried with somebody else's ids: nothing is there, and nothing changes."""

import pytest
from flask import Flask
from redis import Redis

from portal.permissions import ALLOWED, Permission, Role
from tests.architecture.walk import (
    OTHER_ARGUMENTS,
    SAMPLES,
    Caller,
    access_of,
    apart,
    caller,
    everything,
    methods,
    of_the_operator,
    walk,
    walked,
)
from tests.companies import Company, make_company
from tests.factories import make_campaign, make_connected_unit, make_conversation, make_media, make_message, make_user

# Calls of a tenant's people whose address names no row: those that name one in the body, and lists of one's own.
NAMES_A_UNIT_IN_THE_BODY = {"api_messages.send", "api_campaigns.create"}
LISTS_OF_ONES_OWN = {"api_units.list_units", "api_campaigns.index", "api_messages.index", "api_contacts.index"}
OF_THE_OPERATOR = {
    "operator.index",
    *(f"operator.servers.{name}" for name in ("index", "new", "create")),
    *(
        f"operator.events.{name}"
        for name in ("index", "replay", "unknown", "replay_unknown", "forget_unknown", "counts")
    ),
}
# What is no unit's but the whole company's, for whoever may write in its name.
OF_THE_COMPANY = {"tenant_slug", "template_id", "number"}
ABOUT_MESSAGES = {Permission.READ_MESSAGES, Permission.SEND}


@pytest.fixture(autouse=True)
def _no_limits_left_over(redis_server: "Redis") -> None:
    """Limits are counted in Redis: one test's calls must not throttle the next."""


@pytest.fixture
def acme(database: None) -> Company:
    return apart(make_company("acme"))


@pytest.fixture
def rival(database: None) -> Company:
    return apart(make_company("rival", unit_slug="norte"))


@pytest.fixture
def other_unit(acme: Company) -> Company:
    """Acme again, with the rows of a second unit, which its agent does not answer in."""
    unit = make_connected_unit(acme.scope, "praia", phone="5511999990009")
    conversation = make_conversation(acme.scope, unit, phone="5511999990008")
    # The newest one, which is what an address names.
    make_campaign(acme.scope, unit, [conversation.contact_id])
    return Company(
        **{
            **vars(acme),
            "unit": unit,
            "conversation": conversation,
            "message": make_message(acme.scope, conversation, media_id=make_media(acme.scope)),
        }
    )


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

    assert guarded == NAMES_A_UNIT_IN_THE_BODY | LISTS_OF_ONES_OWN | OF_THE_OPERATOR, "say which row it is about"


def test_arguments_that_name_no_row_stand_in_open_addresses_or_beside_an_id(app: Flask) -> None:
    alone = [rule for rule in app.url_map.iter_rules() if rule.arguments and not rule.arguments & set(SAMPLES)]

    assert {rule.rule for rule in alone if access_of(app, rule) != "public"} == set()


def test_another_tenants_ids_are_nowhere(app: Flask, acme: Company, rival: Company) -> None:
    who, before = caller(app, acme.admin), everything()

    answers = walk(app, who, walked(app), rival)

    assert {call: status for call, status in answers.items() if status != 404} == {}
    assert len(answers) > 40
    assert everything() == before


def test_another_tenants_ids_under_ones_own_address_are_nowhere(app: Flask, acme: Company, rival: Company) -> None:
    who, before = caller(app, acme.admin), everything()
    mixed = [rule for rule in walked(app) if "tenant_slug" in rule.arguments and len(rule.arguments) > 1]

    answers = walk(app, who, mixed, rival, tenant_slug="acme")

    assert {call: status for call, status in answers.items() if status != 404} == {}
    assert len(answers) > 20
    assert everything() == before


def test_ones_own_ids_under_another_tenants_address_are_nowhere(app: Flask, acme: Company, rival: Company) -> None:
    who, before = caller(app, acme.admin), everything()
    pages = [rule for rule in walked(app) if "tenant_slug" in rule.arguments]

    answers = walk(app, who, pages, acme, tenant_slug="rival")

    assert {call: status for call, status in answers.items() if status != 404} == {}
    assert everything() == before


def test_another_tenants_unit_in_the_body_is_nowhere(app: Flask, acme: Company, rival: Company) -> None:
    who, before = caller(app, acme.admin), everything()
    rules = [rule for rule in app.url_map.iter_rules() if rule.endpoint in NAMES_A_UNIT_IN_THE_BODY]

    answers = walk(app, who, rules, rival)

    assert set(answers.values()) == {404}
    assert everything() == before


def test_ones_own_list_holds_nothing_of_another_tenant(app: Flask, acme: Company, rival: Company) -> None:
    who = caller(app, acme.admin)
    paths = [rule.rule for rule in app.url_map.iter_rules() if rule.endpoint in LISTS_OF_ONES_OWN]

    answers = [who.call("GET", path, is_page=False, unit_id="").get_data(as_text=True) for path in paths]

    own, foreign = ([str(one.unit.id), str(one.conversation.contact_id)] for one in (acme, rival))
    assert [answer for answer in answers if not any(id_ in answer for id_ in own)] == []
    assert [answer for answer in answers if any(id_ in answer for id_ in foreign)] == []


@pytest.mark.parametrize("role", ["admin", "agent"])
def test_operators_addresses_refuse_a_tenants_people(app: Flask, acme: Company, role: str) -> None:
    who, before = caller(app, getattr(acme, role)), everything()

    answers = walk(app, who, of_the_operator(app), acme)

    assert set(answers.values()) == {403}
    assert len(answers) > 15
    assert everything() == before


def test_operators_addresses_send_a_stranger_to_the_sign_in(app: Flask, acme: Company) -> None:
    nobody, before = Caller(app.test_client(), ""), everything()

    answers = walk(app, nobody, of_the_operator(app), acme)

    assert {call: status for call, status in answers.items() if status not in (302, 401)} == {}
    assert everything() == before


def test_agent_finds_nothing_of_a_unit_they_do_not_answer_in(app: Flask, acme: Company, other_unit: Company) -> None:
    who, before = caller(app, acme.agent), everything()
    allowed = [
        rule for rule in walked(app) if access_of(app, rule) in ALLOWED[Role.AGENT] and rule.arguments - OF_THE_COMPANY
    ]

    answers = walk(app, who, allowed, other_unit)

    assert {call: status for call, status in answers.items() if status != 404} == {}
    assert len(answers) > 10
    assert everything() == before


def test_agent_is_refused_what_is_not_their_role(app: Flask, acme: Company) -> None:
    who, before = caller(app, acme.agent), everything()
    denied = [rule for rule in walked(app) if access_of(app, rule) in set(Permission) - ALLOWED[Role.AGENT]]

    answers = walk(app, who, denied, acme)

    assert set(answers.values()) == {403}
    assert everything() == before


def test_anonymous_caller_is_asked_to_sign_in(app: Flask, acme: Company) -> None:
    nobody, before = Caller(app.test_client(), ""), everything()

    answers = walk(app, nobody, walked(app), acme)

    assert {call: status for call, status in answers.items() if status != (302 if "/t/" in call else 401)} == {}
    assert everything() == before


def test_anonymous_visitor_of_a_page_is_led_to_the_sign_in(app: Flask, acme: Company) -> None:
    response = app.test_client().get("/t/acme/")

    assert response.headers["Location"].startswith("/login")


def test_operator_neither_reads_nor_sends_messages(app: Flask, acme: Company) -> None:
    who, before = caller(app, make_user("op@portal.test", role=Role.SUPER_ADMIN, tenant=None)), everything()
    rules = [rule for rule in app.url_map.iter_rules() if access_of(app, rule) in ABOUT_MESSAGES]

    answers = walk(app, who, rules, acme)

    assert set(answers.values()) == {403}
    assert len(answers) > 10
    assert everything() == before


def test_walk_finds_the_rows_it_is_denied(app: Flask, acme: Company) -> None:
    # The 404s above are not for want of a row.
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
