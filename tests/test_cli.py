"""Operators' commands: what they make, and what they say when they cannot."""

from collections.abc import Callable
from pathlib import Path
from uuid import UUID
from zipfile import ZipFile

import pytest
from click.testing import Result
from flask import Flask
from sqlalchemy import select

from portal.db import db
from portal.models import LinkKind, Tenant, Unit, User, UserUnit
from portal.services import account_links, accounts, tenants
from portal.tenancy import TenantScope, across_tenants
from tests.factories import make_parked_event, make_tenant, make_unit, make_user

PASSWORD = "a password with blanks"
Run = Callable[..., Result]


@pytest.fixture
def run(app: Flask) -> Run:
    def run_command(*args: str, typed: str | None = None) -> Result:
        return app.test_cli_runner().invoke(args=args, input=typed)

    return run_command


@pytest.fixture
def acme(database: None) -> TenantScope:
    return make_tenant("acme")


def create_user(run: Run, *options: str, typed: str = PASSWORD + "\n") -> Result:
    return run("users", "create", "--email", "Ana@Acme.test", *options, "--password-stdin", typed=typed)


def count_users() -> int:
    with across_tenants("a test counts"):
        return len(db.session.scalars(select(User)).all())


def test_tenant_is_created_and_its_id_said(run: Run) -> None:
    result = run("tenants", "create", "--name", "Acme Ltda", "--slug", "Acme")

    assert result.exit_code == 0, result.output
    with across_tenants("a test looks"):
        tenant = db.session.get(Tenant, UUID(result.output.strip()))
    assert tenant is not None
    assert (tenant.name, tenant.slug) == ("Acme Ltda", "acme")


def test_tenant_is_suspended_resumed_and_closed(run: Run, acme: TenantScope) -> None:
    assert run("tenants", "suspend", "--tenant", "acme").output == "acme is suspended\n"
    assert tenants.get_tenant(acme.tenant_id).suspended_at is not None

    assert run("tenants", "resume", "--tenant", "acme").output == "acme goes on\n"
    assert tenants.get_tenant(acme.tenant_id).suspended_at is None

    closed = run("tenants", "close", "--tenant", "acme", "--days", "7")
    assert closed.output.startswith("acme is closed, and erased at ")
    assert tenants.get_tenant(acme.tenant_id).closed_at is not None


def test_step_that_does_not_fit_is_refused_in_one_line(run: Run, acme: TenantScope) -> None:
    result = run("tenants", "resume", "--tenant", "acme")

    assert result.exit_code == 1
    assert result.output == "Error: This company is not suspended.\n"
    assert run("tenants", "close", "--tenant", "acme", "--days", "5").exit_code == 1
    assert run("tenants", "suspend", "--tenant", "nobody").exit_code == 1


def test_tenant_is_exported_into_a_file(run: Run, acme: TenantScope, tmp_path: Path) -> None:
    result = run("tenants", "export", "--tenant", "acme", "--output", str(tmp_path / "acme.zip"))

    assert result.exit_code == 0, result.output
    with ZipFile(tmp_path / "acme.zip") as archive:
        assert "messages.jsonl" in archive.namelist()
        assert '"slug": "acme"' in archive.read("tenants.jsonl").decode()


def test_unit_is_created_and_its_id_said(run: Run, acme: TenantScope) -> None:
    result = run("units", "create", "--tenant", "acme", "--name", "Centro", "--slug", "centro")

    assert result.exit_code == 0, result.output
    with across_tenants("a test looks"):
        unit = db.session.get(Unit, UUID(result.output.strip()))
    assert unit is not None
    assert (unit.tenant_id, unit.name, unit.slug) == (acme.tenant_id, "Centro", "centro")


@pytest.mark.parametrize("line_end", ["\n", "\r\n", ""])
def test_admin_signs_in_with_the_password_from_standard_input(run: Run, acme: TenantScope, line_end: str) -> None:
    result = create_user(run, "--role", "tenant_admin", "--tenant", "acme", typed=PASSWORD + line_end)

    account = accounts.sign_in("ana@acme.test", PASSWORD)

    assert result.exit_code == 0, result.output
    assert account is not None
    assert (str(account.id), account.tenant_id, account.unit_ids) == (result.output.strip(), acme.tenant_id, None)


def test_password_is_not_said_again(run: Run, acme: TenantScope) -> None:
    result = create_user(run, "--role", "tenant_admin", "--tenant", "acme")

    assert PASSWORD not in result.output


def test_invitation_is_printed_as_a_link_and_leads_in(run: Run, acme: TenantScope) -> None:
    make_unit(acme, "centro")
    email = ("--email", "Bea@Acme.test")

    result = run("users", "invite", *email, "--role", "agent", "--tenant", "acme", "--unit", "centro")

    address, _, token = result.output.strip().rpartition("/")
    assert (result.exit_code, address) == (0, "http://portal.test/invitation")
    account_links.choose_password(token, LinkKind.INVITATION, password=PASSWORD, again=PASSWORD)
    account = accounts.sign_in("bea@acme.test", PASSWORD)
    assert account is not None
    assert len(account.unit_ids or ()) == 1


@pytest.mark.parametrize(
    ("options", "said"),
    [
        (("--role", "agent", "--tenant", "acme"), "units: Choose at least one unit"),
        (("--role", "agent", "--tenant", "acme", "--unit", "nowhere"), "no such unit"),
        (("--role", "tenant_admin", "--tenant", "nowhere"), "There is no tenant nowhere."),
        (("--role", "super_admin", "--tenant", "acme"), "Invalid value for '--role'"),
    ],
)
def test_invitation_that_cannot_be_says_why(run: Run, acme: TenantScope, options: tuple[str, ...], said: str) -> None:
    result = run("users", "invite", "--email", "bea@acme.test", *options)

    assert result.exit_code != 0
    assert said in result.output
    assert count_users() == 0


def test_super_admin_belongs_to_no_tenant(run: Run) -> None:
    result = create_user(run, "--role", "super_admin")

    account = accounts.sign_in("ana@acme.test", PASSWORD)

    assert result.exit_code == 0, result.output
    assert account is not None
    assert (account.tenant_id, account.role) == (None, "super_admin")


def test_agent_is_limited_to_the_units_named_however_often(run: Run, acme: TenantScope) -> None:
    centro, praia, _ = (make_unit(acme, slug) for slug in ("centro", "praia", "norte"))
    named = ("--unit", "centro", "--unit", "praia", "--unit", "centro")

    result = create_user(run, "--role", "agent", "--tenant", "acme", *named)

    account = accounts.sign_in("ana@acme.test", PASSWORD)
    assert result.exit_code == 0, result.output
    assert account is not None
    assert account.unit_ids == {centro.id, praia.id}


@pytest.mark.parametrize(
    ("command", "field"),
    [
        (("tenants", "create", "--name", " ", "--slug", "new"), "name"),
        (("tenants", "create", "--name", "New", "--slug", "not a slug"), "slug"),
        (("tenants", "create", "--name", "New", "--slug", "acme"), "slug"),
        (("units", "create", "--tenant", "acme", "--name", "Centro", "--slug", "-"), "slug"),
        (("units", "create", "--tenant", "acme", "--name", "Centro", "--slug", "taken"), "slug"),
    ],
)
def test_wrong_input_is_said_by_field_and_ends_with_1(
    run: Run, acme: TenantScope, command: tuple[str, ...], field: str
) -> None:
    make_unit(acme, "taken")

    result = run(*command)

    assert result.exit_code == 1
    assert result.output.startswith(f"Error: {field}: ")
    assert result.exception is None or isinstance(result.exception, SystemExit)


@pytest.mark.parametrize(
    ("options", "typed", "word"),
    [
        (("--role", "tenant_admin"), PASSWORD, "tenant: "),
        (("--role", "super_admin", "--tenant", "acme"), PASSWORD, "tenant: "),
        (("--role", "tenant_admin", "--tenant", "acme", "--unit", "centro"), PASSWORD, "unit: "),
        (("--role", "tenant_admin", "--tenant", "acme"), "too short", "password: "),
        (("--role", "tenant_admin", "--tenant", "acme"), "", "password: "),
        (("--role", "tenant_admin", "--tenant", "acme"), "x" * 201, "password: "),
        (("--role", "tenant_admin", "--tenant", "nobody"), PASSWORD, "nobody"),
        (("--role", "agent", "--tenant", "acme", "--unit", "nowhere"), PASSWORD, "nowhere"),
    ],
)
def test_account_that_cannot_be_is_not_made(
    run: Run, acme: TenantScope, options: tuple[str, ...], typed: str, word: str
) -> None:
    result = create_user(run, *options, typed=typed)

    assert result.exit_code == 1
    assert result.output.startswith("Error: ")
    assert word in result.output
    assert count_users() == 0


def test_address_that_has_an_account_gets_no_second_one(run: Run, acme: TenantScope) -> None:
    make_user("ana@acme.test")

    result = create_user(run, "--role", "tenant_admin", "--tenant", "acme")

    assert result.exit_code == 1
    assert result.output.startswith("Error: email: ")
    assert count_users() == 1


def test_unit_of_another_tenant_is_nowhere(run: Run, acme: TenantScope) -> None:
    make_unit(make_tenant("rival"), "norte")

    result = create_user(run, "--role", "agent", "--tenant", "acme", "--unit", "norte")

    assert result.exit_code == 1
    with across_tenants("a test looks"):
        assert db.session.scalars(select(UserUnit)).all() == []


def test_unit_of_an_unknown_tenant_is_not_made(run: Run) -> None:
    result = run("units", "create", "--tenant", "nobody", "--name", "Centro", "--slug", "centro")

    assert result.exit_code == 1
    assert "nobody" in result.output


@pytest.mark.parametrize(
    "command",
    [
        ("users", "create", "--email", "a@b.test", "--role", "tenant_admin", "--tenant", "acme"),
        ("users", "create", "--email", "a@b.test", "--role", "king", "--password-stdin"),
        ("tenants", "create", "--name", "New"),
    ],
    ids=["no-password", "unknown-role", "no-slug"],
)
def test_command_without_what_it_needs_explains_itself(run: Run, command: tuple[str, ...]) -> None:
    result = run(*command)

    assert result.exit_code == 2
    assert "Usage: " in result.output


def parked(scope: TenantScope, unit: Unit, **columns: object) -> str:
    return str(make_parked_event(scope, unit, **columns))


def test_parked_events_are_listed_without_what_stands_in_them(run: Run, acme: TenantScope) -> None:
    centro, praia = make_unit(acme, "centro"), make_unit(acme, "praia")
    first, second = parked(acme, centro, event="call"), parked(acme, praia)

    everything, of_unit = run("events", "list"), run("events", "list", "--unit", "acme/centro", "--event", "call")

    assert [line.split()[0] for line in everything.output.splitlines()] == [second, first]
    assert of_unit.output.split()[0] == first
    assert of_unit.output.split()[2:] == ["acme/centro", "call", "KeyError", "5"]
    assert "Oi" not in everything.output


def test_empty_list_of_parked_events_says_so(run: Run, acme: TenantScope) -> None:
    result = run("events", "list")

    assert (result.exit_code, result.output) == (0, "No event is parked.\n")


@pytest.mark.parametrize(
    ("options", "number"),
    [(("--all",), 3), (("--unit", "acme/centro"), 2), (("--event", "call"), 1), (("--id", "{id}", "--id", "{id}"), 1)],
)
def test_replay_says_how_many_events_went_back(
    run: Run, acme: TenantScope, options: tuple[str, ...], number: int
) -> None:
    centro, praia = make_unit(acme, "centro"), make_unit(acme, "praia")
    id_, _, _ = parked(acme, centro), parked(acme, centro, event="call"), parked(acme, praia)

    result = run("events", "replay", *(option.format(id=id_) for option in options))

    assert (result.exit_code, result.output) == (0, f"{number} went back to the inbox\n")
    left = run("events", "list").output
    assert left.count("KeyError") == 3 - number


@pytest.mark.parametrize(
    ("options", "sentence"),
    [
        ((), "Error: choice: Say which: --all, --id, or --unit and --event (these two may stand together).\n"),
        (("--all", "--event", "call"), "Error: choice: Say which: "),
        (("--all",), "Error: No parked event was chosen.\n"),
        (("--id", "123456"), "Error: No parked event was chosen.\n"),
        (("--unit", "acme/nowhere"), "Error: There is no unit acme/nowhere."),
        (("--id", "{nobodys}"), "Error: No unit has the instance of these events.\n"),
    ],
)
def test_replay_of_nothing_says_why_and_ends_with_1(
    run: Run, acme: TenantScope, options: tuple[str, ...], sentence: str
) -> None:
    nobodys = make_parked_event(None, None)

    result = run("events", "replay", *(option.format(nobodys=nobodys) for option in options))

    assert result.exit_code == 1
    assert result.output.startswith(sentence)
