"""Every address, by every kind of caller, with rows of their own, of another unit and of another company.

What is right follows from what the view asks for and from the tables of permissions: no address is named here, so that
a new one is tried without being added anywhere.
"""

import json
import logging
import re
from collections.abc import Callable, Iterator

import pytest
from flask import Flask
from redis import Redis
from sqlalchemy import update
from werkzeug.routing import Rule

from portal.db import atomic, db
from portal.models import CampaignRecipient, Contact, EventState, Message, WebhookEvent
from portal.permissions import ApiScope
from portal.services import alerts, merging, releases
from portal.services.audit import Actor
from portal.tenancy import across_tenants, acting_for
from portal.web.api import waiting
from tests.architecture import callers
from tests.architecture.callers import Caller, Rows, expected, is_page, leaked, names_a_row, names_a_units_row
from tests.architecture.walk import access_of, apart, everything, methods
from tests.companies import Company, make_company
from tests.conversation_work import make_note
from tests.factories import make_campaign, make_connected_unit, make_conversation, make_media, make_message
from tests.files import JPEG

MakeCaller = Callable[[Flask, Company], Caller]
PERSONS = (
    callers.nobody,
    callers.disabled_person,
    callers.tenant_admin,
    callers.agent,
    callers.operator,
    callers.operator_with_a_grant,
)
TOKENS = (
    *(callers.token_of(scope, kind) for scope in ApiScope for kind in ("live", "test")),
    *(callers.token_of(scope, "live", is_of_one_unit=True) for scope in ApiScope),
)
# Where the walk's rows are not in the state that the address is about.
NOT_THERE = {"api_connections.qrcode"}
INSTANT = re.compile(r"\d{4}-\d\d-\d\d[T ]\d\d:\d\d")


@pytest.fixture
def acme(database: None) -> Company:
    company = make_company("acme")
    make_ready(company)
    releases.register("walked")
    alerts.raise_test(Actor(company.admin.id))
    return apart(company)


@pytest.fixture
def own(acme: Company) -> Rows:
    return Rows("own rows", acme, "acme")


@pytest.fixture
def other_unit(acme: Company, own: Rows) -> Company:
    """Acme again, with the rows of a unit in which its agent does not answer; the newest, which addresses name."""
    unit = make_connected_unit(acme.scope, "praia", phone="5511999990009")
    conversation = make_conversation(acme.scope, unit, phone="5511999990008", name="Joana da Praia")
    make_campaign(acme.scope, unit, [conversation.contact_id], name="Verão na praia")
    message = make_message(
        acme.scope, conversation, body="Tem vaga na praia?", media_id=make_media(acme.scope, thumbnail=JPEG)
    )
    make_note(acme.scope, conversation, "Só quer falar da praia", created_by_id=acme.agent.id)
    changed = {"unit": unit, "conversation": conversation, "message": message}
    return apart(Company(**{**vars(acme), **changed}))


@pytest.fixture
def rival(database: None) -> Company:
    """Another company, whose people, texts and numbers nobody could mistake for Acme's."""
    rival = make_company("rival", unit_slug="norte")
    with acting_for(rival.scope), atomic():
        db.session.execute(rival.scope.update(Contact).values(name="Rivalina da Silva"))
        db.session.execute(rival.scope.update(Message).values(body="Só a rival sabe disto"))
        db.session.execute(rival.scope.update(CampaignRecipient).values(body="Oferta só da rival"))
    make_ready(rival)
    return apart(rival)


def make_ready(company: Company) -> None:
    """What an operator may look at, and a merge that can be undone."""
    with across_tenants("a test puts events aside"), atomic():
        db.session.execute(update(WebhookEvent).values(state=EventState.PARKED))
    with acting_for(company.scope):
        twice = [company.scope.add(Contact(phone=f"551195555010{end}", name="Bia")) for end in (1, 2)]
        db.session.commit()
        merging.merge_contacts(company.scope, *(contact.id for contact in twice))


@pytest.fixture(autouse=True)
def _nobody_waits(monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture) -> None:
    monkeypatch.setattr(waiting, "LONGEST_WAIT_S", 0.0)
    # Thousands of requests would each be noted.
    caplog.set_level(logging.ERROR)


class Walk:
    """Calls what is to be called, and keeps what was wrong."""

    def __init__(self, app: Flask, redis_server: "Redis") -> None:
        self._app, self._redis = app, redis_server
        self.tried = 0
        self.wrong: list[str] = []

    def go(self, who: Caller, rules: list[Rule], rows: Rows, tales: set[str], *, keeps: bool) -> None:
        """Each method of each rule. What was changed is kept, or each call finds the rows as they were."""
        for rule in rules:
            for method in sorted(methods(rule) - {"HEAD"}):
                self._call(who, rule, method, rows, tales, keeps=keeps)

    def _call(self, who: Caller, rule: Rule, method: str, rows: Rows, tales: set[str], *, keeps: bool) -> None:
        url, right = rows.url(self._app, rule), expected(self._app, who, rule, rows)
        connection = db.engine
        savepoint = connection.begin_nested()  # type: ignore[attr-defined]
        response = who.call(self._app, method, url, unit_id=str(rows.company.unit.id))
        savepoint.commit() if keeps else savepoint.rollback()
        # Limits are counted in Redis: these calls must not throttle each other.
        self._redis.flushdb()
        self.tried += 1
        told = leaked(response, url, tales)
        if told or not right.allows(response.status_code):
            right_ones = sorted(right.only) or "let in"
            self.wrong.append(
                f"{who.name}, {rows.name}: {method} {rule.rule} {response.status_code} {right_ones} {told}"
            )


@pytest.fixture
def walk(app: Flask, redis_server: "Redis") -> Walk:
    return Walk(app, redis_server)


def guarded(app: Flask) -> list[Rule]:
    """Every rule that is not everybody's; API calls that find nothing to show are let in, but answer 404."""
    rules = [rule for rule in app.url_map.iter_rules() if access_of(app, rule) != "public"]
    return [rule for rule in rules if rule.endpoint not in NOT_THERE]


def tales_of(tenant_id: object, *, besides: object) -> set[str]:
    """Every id, name, number and text in that tenant's rows that stands in none of the other's."""
    rows = [json.loads(row) for found in everything().values() for row in found]
    theirs, known = ({*_texts([row for row in rows if _owner(row) == str(one)])} for one in (tenant_id, besides))
    return {text for text in theirs - known if len(text) > 5 and not INSTANT.match(text)}


def _owner(row: dict[str, object]) -> object:
    return row.get("tenant_id") or row["id"] if "id" in row else row.get("tenant_id")


def _texts(value: object) -> Iterator[str]:
    if isinstance(value, str):
        yield value
    elif isinstance(value, dict | list):
        for part in value.values() if isinstance(value, dict) else value:
            yield from _texts(part)


def tales_of_unit(company: Company) -> set[str]:
    ids = {str(one.id) for one in (company.unit, company.conversation, company.message)}
    return {*ids, str(company.conversation.contact_id), "Joana da Praia", "5511999990008", "Tem vaga na praia?"}


def by_outcome(app: Flask, who: Caller, rules: list[Rule], rows: Rows) -> tuple[list[Rule], list[Rule]]:
    """Those rules whose call is let in, and those whose call is refused or finds nothing."""
    let_in = [rule for rule in rules if expected(app, who, rule, rows).may_change]
    return let_in, [rule for rule in rules if rule not in let_in]


@pytest.mark.timeout(300)
@pytest.mark.parametrize("make", [*PERSONS, *TOKENS], ids=lambda make: make.__name__)
def test_every_address_answers_each_caller_as_the_tables_of_permissions_say(
    app: Flask,
    walk: Walk,
    acme: Company,
    own: Rows,
    other_unit: Company,
    rival: Company,
    make: MakeCaller,
    measured: Callable[[str], None],
) -> None:
    who, rules = make(app, acme), guarded(app)
    groups = [
        (own, rules),
        (Rows("another unit's rows", other_unit, "acme", is_of_other_unit=True), [*filter(names_a_units_row, rules)]),
        (Rows("another company's rows", rival, "rival"), [*filter(names_a_row, rules)]),
        (Rows("another company's ids in own pages", rival, "acme"), [*filter(is_page_about_a_row, rules)]),
        (Rows("own ids in another company's pages", acme, "rival"), [*filter(is_page_about_a_row, rules)]),
    ]
    # Whoever runs the portal sees every company; what they see of it is another test's.
    tales = set() if who.is_of_every_tenant else tales_of(rival.scope.tenant_id, besides=acme.scope.tenant_id)
    tales |= tales_of_unit(other_unit) if who.is_of_one_unit else set()
    assert who.is_of_every_tenant or len(tales) > 50

    refused = []
    for rows, its_rules in groups:
        # Without a session no page looks at what its address names: once is enough.
        worth = its_rules if who.by_page is not None or rows is own else [*filter(callers.is_api_rule, its_rules)]
        let_in, kept_out = by_outcome(app, who, worth, rows)
        walk.go(who, let_in, rows, tales, keeps=False)
        refused.append((rows, kept_out))
    before = everything()
    for rows, its_rules in refused:
        walk.go(who, its_rules, rows, tales, keeps=True)

    assert "\n".join(walk.wrong) == ""
    assert changes(before, everything()) == []
    measured(f"route walk, {who.name}: {walk.tried} (route, caller, rows) triples tried, {len(walk.wrong)} leaked")


def test_cookie_alone_opens_no_call_of_the_api(app: Flask, walk: Walk, acme: Company, own: Rows) -> None:
    who, before = callers.cookie_at_the_api(app, acme), everything()
    calls = [rule for rule in guarded(app) if callers.is_api_rule(rule)]

    walk.go(who, calls, own, set(), keeps=True)

    assert walk.wrong == []
    assert walk.tried >= 20
    assert everything() == before


def is_page_about_a_row(rule: Rule) -> bool:
    return is_page(rule) and len(rule.arguments) > 1


def changes(before: dict[str, list[str]], after: dict[str, list[str]]) -> list[str]:
    """Rows that are new, gone or other than they were, but for when a token, a session or a grant was used."""
    return [f"{table}: {row}" for table in before for row in _used(before[table]) ^ _used(after[table])]


def _used(rows: list[str]) -> set[str]:
    kept = [row for row in rows if '"action": "access_grant.used"' not in row]
    return {re.sub(r'"used_at": [^,}]+', "", row) for row in kept}


def test_every_kind_of_caller_is_let_in_somewhere_and_kept_out_elsewhere(app: Flask, acme: Company, own: Rows) -> None:
    # The walk above proves little if what it expects were everywhere the same.
    rules = guarded(app)

    for make in (callers.tenant_admin, callers.agent, callers.operator, *TOKENS):
        let_in, kept_out = by_outcome(app, make(app, acme), rules, own)
        assert let_in != []
        assert kept_out != []
