"""All that is kept of a company, as one file for its administrators."""

import json
from collections.abc import Iterator
from datetime import timedelta
from io import BytesIO
from typing import Any
from uuid import uuid4
from zipfile import ZipFile

import pytest
from flask.testing import FlaskClient

from portal.clock import now
from portal.db import atomic, db
from portal.errors import Conflict
from portal.models import AuditEvent, Media, User, UserSession
from portal.queries import tenant_data
from portal.services import tenant_export, tenants
from portal.services.audit import Actor
from portal.tenancy import across_tenants, acting_for
from portal.web.company_export import DownloadRoom
from tests.companies import Company, make_company
from tests.factories import make_conversation, make_message
from tests.files import PDF
from tests.web.conftest import OpenBrowser


@pytest.fixture
def company(database: None) -> Company:
    return make_company("acme")


@pytest.fixture
def admin(company: Company, browser: OpenBrowser) -> FlaskClient:
    return browser(company.admin)


def exported(client: FlaskClient) -> ZipFile:
    return ZipFile(BytesIO(client.post("/t/acme/export").data))


def rows(archive: ZipFile, table: str) -> list[dict[str, Any]]:
    return [json.loads(line) for line in archive.read(f"{table}.jsonl").decode().splitlines()]


def test_every_table_of_a_company_has_words_in_the_readme() -> None:
    names = {model.__tablename__ for model in tenant_data.models_of_tenants()}

    assert names == set(tenant_export.ABOUT)


def test_archive_holds_every_table_with_the_companys_rows(admin: FlaskClient, company: Company) -> None:
    archive = exported(admin)

    assert archive.testzip() is None
    tables = {model.__tablename__ for model in tenant_data.models_of_tenants()}
    assert {name.removesuffix(".jsonl") for name in archive.namelist() if name.endswith(".jsonl")} == tables
    assert {table for table in tables if not rows(archive, table)} == set()
    owners = {row["id" if table == "tenants" else "tenant_id"] for table in tables for row in rows(archive, table)}
    assert owners == {str(company.scope.tenant_id)}


def test_archive_holds_nothing_of_another_company(admin: FlaskClient, company: Company) -> None:
    rival = make_company("rival", unit_slug="norte")

    archive = exported(admin)

    text = b"".join(archive.read(name) for name in archive.namelist()).decode(errors="replace")
    for foreign in (rival.scope.tenant_id, rival.unit.id, rival.conversation.id, rival.message.id, "rival"):
        assert str(foreign) not in text


def test_messages_and_files_are_whole(admin: FlaskClient, company: Company) -> None:
    make_message(company.scope, company.conversation, body="Olá, é a Maria ✓")

    archive = exported(admin)

    assert "Olá, é a Maria ✓" in [row["body"] for row in rows(archive, "messages")]
    for row in rows(archive, "media"):
        assert archive.read(f"files/{row['id']}-{row['file_name']}") == PDF


def test_nothing_that_lets_somebody_in_is_handed_out(admin: FlaskClient, company: Company) -> None:
    secrets = [value for _, value in secret_values()]
    assert len(secrets) > 10

    archive = exported(admin)

    text = b"".join(archive.read(name) for name in archive.namelist()).decode(errors="replace")
    assert [value for value in secrets if value in text] == []
    assert company.token not in text
    assert company.scan_token not in text


def secret_values() -> Iterator[tuple[str, str]]:
    """What stands in columns that are named like secrets, each with the name of its column."""
    marks = ("hash", "encrypted", "fingerprint", "secret", "sha256")
    with across_tenants("a test looks for secrets"):
        for model in tenant_data.models_of_tenants():
            for column in model.__table__.columns:
                if any(mark in column.name for mark in marks):
                    for value in db.session.scalars(model.__table__.select().with_only_columns(column)):
                        yield from [(column.name, value)] if isinstance(value, str) else []


def test_columns_that_sound_like_secrets_stay_here() -> None:
    marks = ("hash", "encrypted", "fingerprint", "secret", "sha", "password", "code", "hint")
    harmless = {"webhook_deliveries.error_code", "messages.error_code"}
    given = {
        f"{model.__tablename__}.{column.name}"
        for model in tenant_data.models_of_tenants()
        for column in tenant_data.columns_of(model)
    }

    assert {name for name in given if any(mark in name.split(".")[1] for mark in marks)} - harmless == set()


def test_readme_says_what_each_file_is(admin: FlaskClient) -> None:
    archive = exported(admin)

    readme = archive.read("README.txt").decode()
    for name in archive.namelist():
        if name.endswith(".jsonl"):
            assert f"  {name} – " in readme


def test_download_is_a_file_that_nobody_stores(admin: FlaskClient) -> None:
    answer = admin.post("/t/acme/export")

    assert answer.mimetype == "application/zip"
    assert answer.headers["Content-Disposition"] == f'attachment; filename="acme-{now():%Y-%m-%d}.zip"'
    assert answer.headers["Cache-Control"] == "no-store"


def test_download_is_in_the_log(admin: FlaskClient, company: Company) -> None:
    admin.get("/t/acme/export")
    assert exports(company) == []

    admin.post("/t/acme/export")

    assert exports(company) == [company.admin.id]


def exports(company: Company) -> list[object]:
    with acting_for(company.scope):
        own = company.scope.select(AuditEvent, AuditEvent.user_id).where(AuditEvent.action == "tenant.exported")
        return list(db.session.scalars(own))


@pytest.mark.parametrize("method", ["GET", "POST"])
def test_it_asks_again_who_it_is(admin: FlaskClient, company: Company, method: str) -> None:
    with across_tenants("a test lets time pass"), atomic():
        for session in db.session.query(UserSession):
            session.confirmed_at = now() - timedelta(hours=1)

    answer = admin.open("/t/acme/export", method=method)

    assert answer.status_code == 303
    assert answer.location.startswith("/confirm")
    assert exports(company) == []


def test_agents_and_operators_do_not_take_a_company_out(
    company: Company, browser: OpenBrowser, operator: FlaskClient
) -> None:
    for client in (browser(company.agent), operator):
        assert client.get("/t/acme/export").status_code == 403
        assert client.post("/t/acme/export").status_code == 403


def test_page_says_what_is_in_it(admin: FlaskClient, company: Company) -> None:
    page = admin.get("/t/acme/export").text

    assert "All data of Acme" in page
    assert "contacts.jsonl" in page
    assert "It holds 2 files" in page


def test_administrator_of_a_closed_company_fetches_it(admin: FlaskClient, company: Company) -> None:
    tenants.close(company.scope.tenant_id, days=30, by=Actor(None))

    assert rows(exported(admin), "tenants")[0]["closed_at"] is not None


def test_archive_comes_piece_by_piece(company: Company, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(tenant_export, "PIECE", 1_000)
    monkeypatch.setattr(tenant_data, "BATCH", 2)
    for number in range(30):
        conversation = make_conversation(company.scope, company.unit, phone=f"5511977770{number:03d}")
        make_message(company.scope, conversation, body=f"{number} {conversation.id}")

    with acting_for(company.scope):
        pieces = list(tenant_export.export(company.scope))

    assert len(pieces) > 5
    assert len(rows(ZipFile(BytesIO(b"".join(pieces))), "messages")) == 31


@pytest.mark.commits
def test_slow_reader_holds_no_connection(admin: FlaskClient, company: Company, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(tenant_export, "PIECE", 1_000)
    monkeypatch.setattr(tenant_data, "BATCH", 2)
    for number in range(30):
        make_message(company.scope, company.conversation, body=f"{number} {company.scope.tenant_id}")

    answer = admin.post("/t/acme/export", buffered=False)
    held = [db.engine.pool.checkedout() for _ in answer.iter_encoded()]  # type: ignore[attr-defined]
    answer.close()

    assert len(held) > 5
    assert set(held) == {0}


def test_one_row_a_batch_leaves_none_out_and_repeats_none(
    admin: FlaskClient, company: Company, monkeypatch: pytest.MonkeyPatch
) -> None:
    at_once = exported(admin)
    monkeypatch.setattr(tenant_data, "BATCH", 1)

    one_by_one = exported(admin)

    assert one_by_one.namelist() == at_once.namelist()
    # The first download itself is what the second has more.
    for name in set(at_once.namelist()) - {"audit_events.jsonl"}:
        assert one_by_one.read(name) == at_once.read(name)


def test_company_downloads_once_at_a_time(admin: FlaskClient, company: Company) -> None:
    first = admin.post("/t/acme/export", buffered=False)

    second = admin.post("/t/acme/export")

    assert (second.status_code, second.headers["Retry-After"]) == (429, "60")
    assert "Such a file is being downloaded already" in second.text
    assert len(exports(company)) == 1
    first.close()
    assert admin.post("/t/acme/export").status_code == 200


def test_only_so_many_companies_download_at_once() -> None:
    room, companies = DownloadRoom(seats=2), [uuid4() for _ in range(3)]
    inside = [room.let_in(company, lambda: iter([b"piece"])) for company in companies]

    assert [pieces and list(pieces) for pieces in inside] == [[b"piece"], [b"piece"], None]
    assert room.let_in(companies[2], lambda: iter([])) is not None


def test_download_that_nobody_began_to_read_gives_its_seat_back() -> None:
    room, company = DownloadRoom(seats=1), uuid4()
    room.let_in(company, lambda: iter([b"piece"]))

    assert room.let_in(company, lambda: iter([])) is not None


def test_download_that_could_not_begin_gives_its_seat_back() -> None:
    room, company = DownloadRoom(seats=1), uuid4()

    def fail() -> Iterator[bytes]:
        raise Conflict("no")

    with pytest.raises(Conflict):
        room.let_in(company, fail)
    assert room.let_in(company, lambda: iter([])) is not None


def test_models_of_a_company_are_all_there() -> None:
    # The order of foreign keys: each after what it refers to.
    models = tenant_data.models_of_tenants()

    assert {User, Media} < set(models)
    for place, model in enumerate(models):
        later = {other.__table__ for other in models[place + 1 :]}
        assert not {one.column.table for one in model.__table__.foreign_keys} & later
