"""The log that people can read: its lines, its filters, and as a table; of a company, and of all for an operator."""

import csv
import io
import re
from dataclasses import fields
from datetime import datetime, timedelta
from uuid import UUID
from zoneinfo import ZoneInfo

import pytest
from flask.testing import FlaskClient
from sqlalchemy import insert

from portal.clock import now
from portal.db import atomic, db, first_id_at
from portal.models import AuditEvent, MessageStatus, Unit, User
from portal.permissions import Role
from portal.queries import audit as queries
from portal.queries.audit import PAGE
from portal.services import api_tokens, audit, campaign_states, units
from portal.services.audience import Audience
from portal.services.audit import Actor
from portal.services.undelivered import Decision, decide
from portal.tenancy import TenantScope, TokenUse, across_tenants, acting_for
from portal.web import audit_changes
from tests.factories import make_conversation, make_message, make_unit, make_user
from tests.web.campaigns import run_campaign
from tests.web.conftest import OpenBrowser

LOG = "/t/acme/audit"
OPERATORS = "/operator/audit"
ZONE = ZoneInfo("America/Sao_Paulo")


@pytest.fixture
def ana(acme: TenantScope) -> User:
    return make_user("ana@acme.test")


@pytest.fixture
def by_ana(acme: TenantScope, ana: User) -> TenantScope:
    return TenantScope(acme.tenant_id, ana.id, address="192.0.2.1")


def note(scope: TenantScope, action: str, subject: tuple[str, UUID | None] = ("unit", None), **told: object) -> None:
    with acting_for(scope), atomic():
        audit.record(scope, action, subject, **told)  # type: ignore[arg-type]


def note_at(scope: TenantScope, at: datetime, action: str) -> None:
    row = {"id": first_id_at(at), "action": action, "subject_type": "unit", "created_at": at}
    with across_tenants("a test writes an entry of before"), atomic():
        db.session.execute(insert(AuditEvent).values(tenant_id=scope.tenant_id, **row))


def words_in(page: str) -> list[str]:
    found = re.findall(r'<p class="log__words"[^>]*>(.*?)</p>', page, re.S)
    return [re.sub(r"<[^>]+>", "", words).replace("&#34;", '"') for words in found]


def table(text: str, delimiter: str = ",") -> list[list[str]]:
    return list(csv.reader(io.StringIO(text.lstrip("\ufeff")), delimiter=delimiter))


def test_entry_says_who_did_what_and_from_where_and_leads_there(
    admin: FlaskClient, by_ana: TenantScope, connected_unit: Unit
) -> None:
    campaign = run_campaign(by_ana, connected_unit, 1, name="Natal")
    with acting_for(by_ana):
        campaign_states.pause(by_ana, campaign.id)

    page = admin.get(LOG).text

    assert words_in(page)[0] == "ana@acme.test paused the campaign “Natal”."
    assert f'<a href="/t/acme/campaigns/{campaign.id}">' in page
    assert "from 192.0.2.1" in page
    assert "Being sent" in page


def test_newest_entry_comes_first(admin: FlaskClient, by_ana: TenantScope) -> None:
    for action in ("unit.created", "unit.archived"):
        note(by_ana, action)

    assert [words.split(" ", 1)[1][:8] for words in words_in(admin.get(LOG).text)[:2]] == ["archived", "made the"]


def test_change_shows_what_was_and_what_is(admin: FlaskClient, by_ana: TenantScope, unit: Unit) -> None:
    with acting_for(by_ana):
        units.change_unit(by_ana, unit.id, name="Novo <b>", message_lifetime_h=24, receipt_wait_min=10)

    page = admin.get(LOG).text

    assert re.search(r"<dt>Name</dt><dd[^>]*><del>.*? Centro</del> <ins>.*?Novo &lt;b&gt;</ins>", page)
    assert "Hours a message may wait" not in page


def test_subject_that_is_gone_keeps_the_name_it_had_and_leads_nowhere(admin: FlaskClient, by_ana: TenantScope) -> None:
    gone = UUID("01890000-0000-7000-8000-0000deadbeef")
    note(by_ana, "campaign.deleted", ("campaign", gone), before={"name": "Natal"})
    note(by_ana, "contact.edited", ("contact", gone))

    page = admin.get(LOG).text

    assert words_in(page)[:2] == [
        "ana@acme.test edited the contact #deadbeef.",
        "ana@acme.test deleted the campaign “Natal”.",
    ]
    assert f"/contacts/{gone}" not in page
    assert f"/campaigns/{gone}" not in page


def test_contacts_are_told_without_their_names(admin: FlaskClient, by_ana: TenantScope, connected_unit: Unit) -> None:
    conversation = make_conversation(by_ana, connected_unit, name="Maria Souza")
    note(by_ana, "contact.edited", ("contact", conversation.contact_id))

    page = admin.get(LOG).text

    assert "Maria" not in page
    assert f'<a href="/t/acme/contacts/{conversation.contact_id}">' in page


def test_everybody_who_acts_has_a_name(admin: FlaskClient, acme: TenantScope, by_ana: TenantScope) -> None:
    operator = make_user("op@portal.test", role=Role.SUPER_ADMIN, tenant=None)
    with acting_for(acme):
        token, _secret = api_tokens.create(by_ana, name="CRM", kind="live", scopes=["read"])
    for scope in (
        TenantScope(acme.tenant_id, token=TokenUse(token.id, frozenset())),
        TenantScope(acme.tenant_id, operator.id, address="192.0.2.9"),
        TenantScope(acme.tenant_id, address="192.0.2.8"),
        acme,
    ):
        note(scope, "unit.archived")

    page = admin.get(LOG).text

    assert [words.split(" archived")[0] for words in words_in(page)[:4]] == [
        "The portal itself",
        "Somebody with a link",
        "An operator of the portal",
        "The token “CRM”",
    ]
    assert "op@portal.test" not in page


@pytest.mark.parametrize(
    ("who", "shown"),
    [("ana", ["archived"]), ("token", ["made"]), ("portal", ["changed"]), ("operator", []), ("link", [])],
)
def test_entries_are_filtered_by_who(
    admin: FlaskClient, acme: TenantScope, by_ana: TenantScope, who: str, shown: list[str]
) -> None:
    with acting_for(acme):
        token, _secret = api_tokens.create(acme, name="CRM", kind="live", scopes=["read"])
    note(by_ana, "unit.archived")
    note(TenantScope(acme.tenant_id, token=TokenUse(token.id, frozenset())), "unit.created")
    note(acme, "unit.changed")
    value = {"ana": str(by_ana.user_id), "token": str(token.id)}.get(who, who)

    page = admin.get(f"{LOG}?who={value}&about=units").text

    assert [word for words in words_in(page) for word in ("archived", "made", "changed") if word in words] == shown


def test_entries_are_filtered_by_what_they_are_about(admin: FlaskClient, by_ana: TenantScope, unit: Unit) -> None:
    note(by_ana, "connection.restart", ("unit", unit.id))
    note(by_ana, "contacts.exported", ("contacts", None))

    assert words_in(admin.get(f"{LOG}?about=contacts").text) == ["ana@acme.test exported a list of contacts."]
    assert len(words_in(admin.get(f"{LOG}?about=units").text)) == 2


def test_entries_of_one_thing_are_shown_alone(admin: FlaskClient, by_ana: TenantScope, unit: Unit) -> None:
    note(by_ana, "connection.restart", ("unit", unit.id))
    note(by_ana, "unit.archived", ("unit", make_unit(by_ana, "norte").id))

    page = admin.get(f"{LOG}?subject={unit.id}").text

    assert len(words_in(page)) == 2
    assert "norte" not in page.lower()
    assert "Only what happened to this one thing." in page


def test_days_are_those_of_the_companys_clock(admin: FlaskClient, acme: TenantScope, unit: Unit) -> None:
    # Half past eleven in the evening of the first, and half past midnight: in UTC both are on the second.
    note_at(acme, datetime(2026, 3, 1, 23, 30, tzinfo=ZONE), "unit.archived")
    note_at(acme, datetime(2026, 3, 2, 0, 30, tzinfo=ZONE), "unit.changed")

    first = words_in(admin.get(f"{LOG}?from=2026-03-01&to=2026-03-01").text)
    second = words_in(admin.get(f"{LOG}?from=2026-03-02&to=2026-03-02").text)

    assert [words.split(" ")[3] for words in first] == ["archived"]
    assert [words.split(" ")[3] for words in second] == ["changed"]


@pytest.mark.parametrize(
    "query",
    ["who=nobody", "about=nonsense", "subject=x", "from=yesterday", "to=9999-12-31", "before=x"],
)
def test_crooked_filter_is_refused(admin: FlaskClient, query: str) -> None:
    assert admin.get(f"{LOG}?{query}").status_code == 400


def test_entries_come_page_by_page(admin: FlaskClient, by_ana: TenantScope) -> None:
    for _ in range(PAGE + 1):
        note(by_ana, "campaign.renamed", ("campaign", None))
    page = admin.get(f"{LOG}?about=campaigns").text
    link = re.search(r'href="([^"]*before=[^"]*)"', page)
    assert link

    earlier = admin.get(link[1].replace("&amp;", "&")).text

    assert len(words_in(page)) == PAGE
    assert len(words_in(earlier)) == 1
    assert "about=campaigns" in link[1]


def test_everything_that_says_whom_a_campaign_is_for_has_words() -> None:
    asked_for = {field.name for field in fields(Audience)}

    assert asked_for <= set(audit_changes.FIELDS)


def test_empty_log_says_what_will_stand_there(admin: FlaskClient) -> None:
    assert "No entry fits this filter." in admin.get(f"{LOG}?about=imports").text


def test_many_messages_are_one_entry(admin: FlaskClient, by_ana: TenantScope, connected_unit: Unit) -> None:
    conversation = make_conversation(by_ana, connected_unit)
    failed = {"status": MessageStatus.FAILED, "failed_at": now()}
    ids = [make_message(by_ana, conversation, **failed).id for _ in range(2)]  # type: ignore[arg-type]
    with acting_for(by_ana):
        decide(by_ana, Decision.SET_ASIDE, ids)

    page = admin.get(f"{LOG}?about=messages").text

    assert words_in(page) == ["ana@acme.test set several messages aside."]
    assert re.search(r"<dt>How many</dt><dd[^>]*> <ins>2</ins>", page)
    assert str(ids[0]) not in page


def test_table_has_every_entry_and_runs_nothing(
    admin: FlaskClient, by_ana: TenantScope, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(queries, "BATCH", 2)
    for number in range(3):
        note(by_ana, "campaign.renamed", ("campaign", None), before={"name": f"=1+{number}"}, after={"name": "B"})

    response = admin.get(f"{LOG}/log.csv?about=campaigns")
    rows = table(response.text)

    assert rows[0][:3] == ["Time", "Who", "What happened"]
    assert [row[3] for row in rows[1:]] == ["Name: =1+2 → B", "Name: =1+1 → B", "Name: =1+0 → B"]
    assert [row[1] for row in rows[1:]] == ["ana@acme.test"] * 3
    assert datetime.strptime(rows[1][0], "%Y-%m-%d %H:%M:%S")
    assert response.headers["Content-Disposition"].endswith('filename="log-acme.csv"')
    assert [cell for row in rows for cell in row if cell.startswith("=")] == []


def test_taking_the_log_out_is_an_entry_itself(admin: FlaskClient, acme: TenantScope) -> None:
    admin.get(f"{LOG}/log.csv?about=units")

    page = admin.get(LOG).text

    assert words_in(page)[0] == "admin@acme.test exported this log."
    assert "about" in page


def test_agent_does_not_see_the_log(acme: TenantScope, unit: Unit, browser: OpenBrowser) -> None:
    agent = browser(make_user("leo@acme.test", role=Role.AGENT, unit_slugs=("centro",)))

    assert [agent.get(url).status_code for url in (LOG, f"{LOG}/log.csv", OPERATORS)] == [403, 403, 403]


def test_rivals_entries_do_not_exist(admin: FlaskClient, acme: TenantScope, rival: TenantScope) -> None:
    theirs = make_unit(rival, "norte")

    pages = [admin.get(url).text for url in (LOG, f"{LOG}?subject={theirs.id}", f"{LOG}/log.csv")]

    assert [page for page in pages if "Norte" in page] == []
    assert words_in(pages[1]) == []


def test_operator_reads_a_companys_log_without_what_the_company_named(
    operator: FlaskClient, by_ana: TenantScope, connected_unit: Unit
) -> None:
    campaign = run_campaign(by_ana, connected_unit, 1, name="Natal da Maria")
    note(by_ana, "campaign.renamed", ("campaign", campaign.id), before={"name": "Ana S."}, after={"name": "Bia"})

    for page in (operator.get(LOG).text, operator.get(OPERATORS).text, operator.get(f"{OPERATORS}/log.csv").text):
        assert f"renamed the campaign #{campaign.id.hex[-8:]}." in page
        assert [name for name in ("Maria", "Ana S.", "Bia") if name in page] == []
        assert f"/campaigns/{campaign.id}" not in page


def test_operators_log_holds_every_company_and_what_is_no_companys(
    operator: FlaskClient, by_ana: TenantScope, unit: Unit, rival: TenantScope
) -> None:
    note(by_ana, "unit.archived", ("unit", unit.id))
    note(rival, "unit.created", ("unit", make_unit(rival, "norte").id))
    with across_tenants("a test"), atomic():
        audit.record_for_operator(Actor(None), "server.removed", ("server", None), before={"name": "second"})

    page = operator.get(OPERATORS).text
    of_rival = operator.get(f"{OPERATORS}?tenant={rival.tenant_id}").text

    assert "The portal itself removed the Evolution server" in page
    assert "ana@acme.test archived the unit “Centro”." in page
    assert '<a href="/t/acme/units/centro">' in page
    assert "“Norte”" in page
    assert "“Norte”" in of_rival
    assert "“Centro”" not in of_rival


def test_operators_own_acts_are_found(operator: FlaskClient, acme: TenantScope, unit: Unit) -> None:
    with across_tenants("a test"):
        chosen = next(iter(queries.list_choices(None).people))
    note(TenantScope(acme.tenant_id, chosen, address="192.0.2.9"), "unit.archived", ("unit", unit.id))

    for query in (f"who={chosen}", "who=operator"):
        assert words_in(operator.get(f"{OPERATORS}?{query}&about=units").text) == [
            "operator@portal.test archived the unit “Centro”."
        ]


def test_taking_out_a_list_is_noted(acme: TenantScope, connected_unit: Unit, admin: FlaskClient) -> None:
    campaign = run_campaign(acme, connected_unit, 1, name="Natal")
    for address in ("undelivered.csv?bucket=failed", f"campaigns/{campaign.id}/recipients.csv"):
        assert admin.get(f"/t/acme/{address}").status_code == 200

    assert words_in(admin.get(LOG).text)[:2] == [
        "admin@acme.test exported the recipients of the campaign “Natal”.",
        "admin@acme.test exported a list of messages that did not arrive.",
    ]


def test_entry_of_today_shows_the_time_alone(admin: FlaskClient, acme: TenantScope) -> None:
    note_at(acme, now() - timedelta(days=400), "unit.archived")

    assert re.search(r"<time class=\"log__when\"[^>]*>\d+/\d+/\d+", admin.get(LOG).text)


def test_log_is_found_beside_the_team(admin: FlaskClient, acme: TenantScope) -> None:
    page = admin.get("/t/acme/members").text

    assert f'href="{LOG}"' in page
    assert 'href="/t/acme/members"' in admin.get(LOG).text
