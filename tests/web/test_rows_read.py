"""Pages read about what they show, whatever the database knows of the company, and whatever others have beside it."""

import pytest
from flask.testing import FlaskClient
from sqlalchemy import text

from portal.db import atomic, db
from portal.models import Contact, Conversation, Unit
from portal.permissions import Role
from portal.tenancy import TenantScope, across_tenants, acting_for
from tests.factories import make_api_token, make_connected_unit, make_user
from tests.web.conftest import OpenBrowser

PEOPLE, FEW_PEOPLE, MESSAGES_EACH = 600, 4, 10
# Ids begin with the time, as those of the portal do.
ID = "(lpad(to_hex((extract(epoch FROM at) * 1000)::bigint), 12, '0') || '7' || right(md5(random()::text), 19))::uuid"
FILL = (
    "CREATE TEMPORARY TABLE people ON COMMIT DROP AS SELECT n, gen_random_uuid() AS contact_id,"
    " gen_random_uuid() AS id, now() - n * interval '3 hours' AS at FROM generate_series(1, :people) n",
    "INSERT INTO contacts (id, tenant_id, kind, phone, name, created_at)"
    " SELECT contact_id, :tenant_id, 'person', 551170000000 + n, 'Ana ' || n, at FROM people",
    "INSERT INTO conversations (id, tenant_id, unit_id, contact_id, status, unread, last_message_at,"
    " last_message_preview, last_message_direction, last_message_kind, last_inbound_at, created_at)"
    " SELECT id, :tenant_id, :unit_id, contact_id, 'open', 0, at, 'Oi', 'outbound', 'text', at, at FROM people",
    "INSERT INTO messages (id, tenant_id, unit_id, conversation_id, direction, kind, body, status, source, external_id,"
    f" occurred_at, created_at, sent_at) SELECT {ID}, :tenant_id, :unit_id, id, 'outbound', 'text', 'Oi', 'read',"
    " 'person', '3EB0' || n || 'X' || k, at - k * interval '1 minute', at, at"
    " FROM people, generate_series(0, :each - 1) k",
    "DROP TABLE people",
)
# Less than all messages of the company once; a list without a good plan looks into all of them for each of its 30.
MOST_ROWS_READ = PEOPLE * MESSAGES_EACH
# Of a small company beside that one, which has as many people as that.
MOST_ROWS_READ_OF_FEW = PEOPLE


def fill(scope: TenantScope, unit: Unit, people: int = PEOPLE) -> None:
    values = {"tenant_id": scope.tenant_id, "unit_id": unit.id, "people": people, "each": MESSAGES_EACH}
    with across_tenants("a test is the owner of the tables"), atomic():
        db.session.execute(text("SET LOCAL ROLE NONE"))
        for statement in FILL:
            db.session.execute(text(statement), values)


def rows_read() -> int:
    """How many contacts, conversations and messages were read since the test began."""
    seen = text(
        "SELECT sum(idx_tup_fetch + seq_tup_read) FROM pg_stat_xact_user_tables"
        " WHERE relname IN ('contacts', 'conversations', 'messages')"
    )
    return int(db.session.execute(seen).scalar_one())


def count_rows() -> None:
    with across_tenants("a test is the owner of the tables"), atomic():
        db.session.execute(text("SET LOCAL ROLE NONE"))
        db.session.execute(text("ANALYZE contacts, conversations, messages"))


@pytest.fixture
def unknown_company(acme: TenantScope, rival: TenantScope) -> TenantScope:
    """As large as the rival, of which alone the database knows."""
    fill(rival, make_connected_unit(rival, "norte"))
    count_rows()
    fill(acme, make_connected_unit(acme, "centro"))
    return acme


@pytest.fixture
def small_company(acme: TenantScope, rival: TenantScope) -> TenantScope:
    """The database knows of both, and most is the rival's."""
    fill(acme, make_connected_unit(acme, "centro"), FEW_PEOPLE)
    fill(rival, make_connected_unit(rival, "norte"))
    count_rows()
    return acme


def oldest_thread(acme: TenantScope) -> str:
    with acting_for(acme):
        oldest = acme.select(Conversation, Conversation.id).order_by(Conversation.last_message_at).limit(1)
        return f"/conversations/{db.session.scalar(oldest)}"


@pytest.mark.parametrize("role", [Role.TENANT_ADMIN, Role.AGENT])
@pytest.mark.parametrize(
    "path",
    [
        "/",
        "/home",
        "/units/centro",
        "/contacts",
        "/contacts?q=Ana",
        "/conversations",
        "/conversations?work=waiting",
        "/conversations?unit=centro",
        "/conversations?q=segredo",
        "/conversations?q=Ana",
        "thread",
    ],
)
@pytest.mark.parametrize(
    ("company", "most"), [("unknown_company", MOST_ROWS_READ), ("small_company", MOST_ROWS_READ_OF_FEW)]
)
def test_page_reads_about_what_it_shows(
    request: pytest.FixtureRequest, browser: OpenBrowser, company: str, most: int, path: str, role: Role
) -> None:
    scope = request.getfixturevalue(company)
    client = browser(make_user(role=role, unit_slugs=("centro",) if role is Role.AGENT else ()))
    address = "/t/acme" + (oldest_thread(scope) if path == "thread" else path)
    before = rows_read()

    assert client.get(address).status_code == 200
    assert rows_read() - before < most


def test_messages_of_a_small_company_are_found_without_those_of_others(
    small_company: TenantScope, client: FlaskClient
) -> None:
    token = make_api_token(small_company)
    before = rows_read()
    found = client.get("/messages", headers={"Authorization": f"Bearer {token}"}).get_json()

    assert len(found["items"]) == FEW_PEOPLE * MESSAGES_EACH
    assert rows_read() - before < MOST_ROWS_READ_OF_FEW


def test_contact_that_is_changed_is_found_by_its_key(unknown_company: TenantScope) -> None:
    with acting_for(unknown_company), atomic():
        contact = db.session.scalars(unknown_company.select(Contact).where(Contact.phone == "551170000007")).one()
        before = rows_read()
        contact.name = "Bia"
        db.session.flush()

        assert rows_read() - before < PEOPLE
