"""Every call of the API with every token that should not pass: the status, and the envelope around it."""

from collections.abc import Callable, Iterable
from datetime import timedelta
from typing import Any

import pytest
from flask import Flask
from sqlalchemy import update
from werkzeug.routing import Rule
from werkzeug.test import TestResponse

from portal.clock import now
from portal.db import atomic, db
from portal.models import ApiToken, TokenKind
from portal.permissions import ApiScope
from portal.secrets import fingerprint
from portal.services import accounts, api_tokens
from portal.tenancy import across_tenants, acting_for
from tests.architecture.test_tenancy_walk import LISTS_OF_ONES_OWN
from tests.architecture.walk import Caller, access_of, address, apart, everything, methods
from tests.companies import Company, make_company
from tests.factories import make_api_token, make_unit

# The scopes of which a token needs one. A new call needs a row, or the first test fails.
ANY = frozenset(ApiScope)
READ, SEND, CONNECT = frozenset({ApiScope.READ}), frozenset({ApiScope.SEND}), frozenset({ApiScope.CONNECT})
CAMPAIGNS = frozenset({ApiScope.CAMPAIGNS})
NEEDS = {
    "GET /admin/units": ANY,
    "POST /units/<unit_id>/whatsapp/connect": CONNECT,
    "GET /units/<unit_id>/whatsapp/status": ANY,
    "GET /units/<unit_id>/whatsapp/qrcode": CONNECT,
    "DELETE /units/<unit_id>/whatsapp/disconnect": CONNECT,
    "POST /units/<unit_id>/whatsapp/send": SEND,
    "POST /messages": SEND,
    "GET /messages": READ,
    "GET /messages/<uuid:message_id>": READ,
    "GET /units/<unit_id>/conversations": READ,
    "GET /conversations/<uuid:conversation_id>": READ,
    "GET /conversations/<uuid:conversation_id>/messages": READ,
    "GET /contacts": READ,
    "GET /contacts/<uuid:contact_id>": READ,
    "POST /api/campaigns": CAMPAIGNS,
    "GET /api/campaigns": READ | CAMPAIGNS,
    "GET /api/campaigns/<uuid:campaign_id>": READ | CAMPAIGNS,
    "POST /api/campaigns/<uuid:campaign_id>/dispatch": CAMPAIGNS,
    "POST /api/campaigns/<uuid:campaign_id>/pause": CAMPAIGNS,
    "POST /api/campaigns/<uuid:campaign_id>/resume": CAMPAIGNS,
    "POST /api/campaigns/<uuid:campaign_id>/cancel": CAMPAIGNS,
}
KINDS = pytest.mark.parametrize("kind", ["live", "test"])
Answers = dict[str, TestResponse]


@pytest.fixture
def acme(database: None) -> Company:  # type: ignore[override]
    return apart(make_company("acme"))


@pytest.fixture
def rival(database: None) -> Company:  # type: ignore[override]
    return apart(make_company("rival", unit_slug="norte"))


def operations(app: Flask) -> dict[str, Rule]:
    """`METHOD rule` -> the rule, of every call that needs a token."""
    rules = [rule for rule in app.url_map.iter_rules() if rule.endpoint.startswith("api_")]
    closed = [rule for rule in rules if access_of(app, rule) != "public"]
    return {f"{method} {rule.rule}": rule for rule in closed for method in methods(rule) - {"HEAD"}}


def call_all(app: Flask, token: str, company: Company, names: Iterable[str] = NEEDS) -> Answers:
    """Each of the calls with that token, and with the ids of that company."""
    who, rules = Caller(app.test_client(), token), operations(app)
    unit_id = str(company.unit.id)
    return {
        name: who.call(name.partition(" ")[0], address(app, rules[name], company), is_page=False, unit_id=unit_id)
        for name in names
    }


def others(answers: Answers, status: int) -> dict[str, Any]:
    """The calls that were not answered with that status, in the envelope."""
    return {
        name: (answer.status_code, answer.text)
        for name, answer in answers.items()
        if answer.status_code != status or not {"code", "message"} <= set((answer.json or {}).get("error", ()))
    }


def unchallenged(answers: Answers) -> list[str]:
    """The calls whose answer does not say that a bearer token is asked for."""
    return [name for name, answer in answers.items() if answer.www_authenticate.type != "bearer"]


def change_token(secret: str, **changes: object) -> None:
    with across_tenants("a test lets time pass"), atomic():
        db.session.execute(update(ApiToken).where(ApiToken.token_hash == fingerprint(secret)).values(changes))


def expired_access_token(acme: Company) -> str:
    change_token(acme.token, expires_at=now() - timedelta(seconds=1))
    return acme.token


def expired_named_token(acme: Company) -> str:
    token = make_api_token(acme.scope)
    change_token(token, expires_at=now() - timedelta(seconds=1))
    return token


def revoked_named_token(acme: Company) -> str:
    with acting_for(acme.scope):
        token, secret = api_tokens.create(acme.scope, name="Shop", kind="live", scopes=list(ApiScope))
        api_tokens.revoke(acme.scope, token.id)
    return secret


def refresh_token(acme: Company) -> str:
    account = accounts.find_account(acme.admin.id)
    assert account is not None
    return accounts.issue_tokens(account).refresh


def unknown_named_token(acme: Company) -> str:
    return make_api_token(acme.scope)[:-1] + "!"


def test_every_call_says_here_which_scope_it_needs(app: Flask) -> None:
    assert set(operations(app)) == set(NEEDS)


@pytest.mark.parametrize("token", ["", "a b", "evp_live_", "x" * 5000], ids=["none", "two", "no-secret", "long"])
def test_call_without_a_token_or_with_a_malformed_one_is_not_let_in(app: Flask, acme: Company, token: str) -> None:
    answers = call_all(app, token, acme)

    assert others(answers, 401) == {}
    assert unchallenged(answers) == []


@pytest.mark.parametrize(
    "make",
    [expired_access_token, expired_named_token, revoked_named_token, refresh_token, unknown_named_token],
    ids=lambda make: make.__name__,
)
def test_token_that_is_over_or_another_thing_is_not_let_in(
    app: Flask, acme: Company, make: Callable[[Company], str]
) -> None:
    token, before = make(acme), everything()

    answers = call_all(app, token, acme)

    assert others(answers, 401) == {}
    assert unchallenged(answers) == []
    assert everything() == before


@KINDS
@pytest.mark.parametrize("scope", ApiScope)
def test_token_is_refused_what_its_scope_does_not_allow(app: Flask, acme: Company, scope: ApiScope, kind: str) -> None:
    token, before = make_api_token(acme.scope, scope, kind=kind), without_use(everything())

    answers = call_all(app, token, acme, [name for name, needed in NEEDS.items() if scope not in needed])

    assert others(answers, 403) == {}
    assert {answer.json["error"]["code"] for answer in answers.values()} == {"forbidden"}
    assert without_use(everything()) == before


@KINDS
@pytest.mark.parametrize("scope", ApiScope)
def test_token_is_let_in_where_its_scope_allows_it(app: Flask, acme: Company, scope: ApiScope, kind: str) -> None:
    token = make_api_token(acme.scope, scope, kind=kind)

    answers = call_all(app, token, acme, [name for name, needed in NEEDS.items() if scope in needed])

    # A number that is linked already, and a campaign in another state, answer 409.
    assert {name: a.text for name, a in answers.items() if a.status_code not in (200, 201, 202, 409)} == {}


@KINDS
def test_another_companys_ids_are_nowhere(app: Flask, acme: Company, rival: Company, kind: str) -> None:
    token, before = make_api_token(acme.scope, kind=kind), without_use(everything())

    answers = call_all(app, token, rival, names_a_row(app))

    assert others(answers, 404) == {}
    assert {answer.json["error"]["code"] for answer in answers.values()} == {"not_found"}
    assert without_use(everything()) == before


@KINDS
def test_token_for_another_unit_finds_nothing(app: Flask, acme: Company, kind: str) -> None:
    beach = make_unit(acme.scope, "praia")
    token = make_api_token(acme.scope, kind=kind, unit_ids=[beach.id])
    apart(acme)
    before = without_use(everything())

    answers = call_all(app, token, acme, names_a_row(app))
    lists = call_all(app, token, acme, NEEDS.keys() - set(names_a_row(app)))

    assert others(answers, 404) == {}
    assert {name: a.text for name, a in lists.items() if a.status_code != 200 or str(acme.unit.id) in a.text} == {}
    assert without_use(everything()) == before


def test_kinds_of_a_named_token_are_the_two_that_are_tried_here() -> None:
    assert set(TokenKind) - {TokenKind.ACCESS, TokenKind.REFRESH} == {"live", "test"}


def names_a_row(app: Flask) -> list[str]:
    """The calls that name a row of a company, in the address or in the body."""
    return [name for name, rule in operations(app).items() if rule.endpoint not in LISTS_OF_ONES_OWN]


def without_use(rows: dict[str, list[str]]) -> dict[str, list[str]]:
    """All rows, without those that note when a token was used last."""
    return {table: found for table, found in rows.items() if table != "api_tokens"}
