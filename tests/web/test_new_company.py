"""Pages of a company that came, or grew, after the database last counted its rows: it reads no more for that."""

import pytest
from sqlalchemy import text

from portal.db import atomic, db
from portal.models import Contact, Conversation, Unit
from portal.permissions import Role
from portal.tenancy import TenantScope, across_tenants, acting_for
from tests.factories import make_connected_unit, make_user
from tests.web.conftest import OpenBrowser

PEOPLE, MESSAGES_EACH = 600, 10
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


def fill(scope: TenantScope, unit: Unit) -> None:
    values = {"tenant_id": scope.tenant_id, "unit_id": unit.id, "people": PEOPLE, "each": MESSAGES_EACH}
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


@pytest.fixture
def acme(acme: TenantScope, rival: TenantScope) -> TenantScope:
    """As large as the rival, of which alone the database knows."""
    fill(rival, make_connected_unit(rival, "norte"))
    with across_tenants("a test is the owner of the tables"), atomic():
        db.session.execute(text("SET LOCAL ROLE NONE"))
        db.session.execute(text("ANALYZE contacts, conversations, messages"))
    fill(acme, make_connected_unit(acme, "centro"))
    return acme


@pytest.fixture
def thread(acme: TenantScope) -> str:
    with acting_for(acme):
        oldest = acme.select(Conversation, Conversation.id).order_by(Conversation.last_message_at).limit(1)
        return f"/conversations/{db.session.scalar(oldest)}"


@pytest.mark.parametrize("role", [Role.TENANT_ADMIN, Role.AGENT])
@pytest.mark.parametrize(
    "path",
    [
        "/",
        "/units/centro",
        "/contacts",
        "/conversations",
        "/conversations?work=waiting",
        "/conversations?unit=centro",
        "/conversations?q=segredo",
        "thread",
    ],
)
def test_page_reads_about_what_it_shows(
    acme: TenantScope, browser: OpenBrowser, thread: str, path: str, role: Role
) -> None:
    client = browser(make_user(role=role, unit_slugs=("centro",) if role is Role.AGENT else ()))
    before = rows_read()

    page = client.get("/t/acme" + (thread if path == "thread" else path))

    assert page.status_code == 200
    assert rows_read() - before < MOST_ROWS_READ


def test_contact_that_is_changed_is_found_by_its_key(acme: TenantScope) -> None:
    with acting_for(acme), atomic():
        contact = db.session.scalars(acme.select(Contact).where(Contact.phone == "551170000007")).one()
        before = rows_read()
        contact.name = "Bia"
        db.session.flush()

        assert rows_read() - before < PEOPLE
