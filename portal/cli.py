"""Operators' commands: `flask --app wsgi …`."""

import sys
from collections.abc import Callable
from functools import wraps
from typing import IO, ParamSpec

import click
from flask import Flask
from flask.cli import AppGroup

from portal.errors import DomainError, Invalid, NotFound
from portal.permissions import Role
from portal.queries.parked_events import PAGE, count_unknown, list_parked
from portal.queries.units import get_unit
from portal.services import accounts, members, parked_events, resending, tenant_export, tenants, units
from portal.services.audit import Actor
from portal.tenancy import acting_for

P = ParamSpec("P")

tenants_group = AppGroup("tenants", help="Companies on this portal.")
units_group = AppGroup("units", help="Branches of a company.")
users_group = AppGroup("users", help="People who sign in.")
messages_group = AppGroup("messages", help="Messages that did not arrive.")
events_group = AppGroup("events", help="Webhook events that could not be applied.")


def register(app: Flask) -> None:
    for group in (tenants_group, units_group, users_group, messages_group, events_group):
        app.cli.add_command(group)


def _in_words(command: Callable[P, None]) -> Callable[P, None]:
    """Say what is wrong in one line per field, and end with status 1."""

    @wraps(command)
    def run(*args: P.args, **kwargs: P.kwargs) -> None:
        try:
            command(*args, **kwargs)
        except Invalid as e:
            raise click.ClickException("; ".join(f"{name}: {text}" for name, text in e.fields.items())) from e
        except DomainError as e:
            raise click.ClickException(e.message) from e

    return run


@tenants_group.command("create")
@click.option("--name", required=True)
@click.option("--slug", required=True, help="Stands in addresses: /t/SLUG/")
@_in_words
def create_tenant(name: str, slug: str) -> None:
    """Open a tenant."""
    click.echo(tenants.create_tenant(name=name, slug=slug, by=Actor(None)).id)


@tenants_group.command("suspend")
@click.option("--tenant", required=True, help="The tenant's slug.")
@_in_words
def suspend_tenant(tenant: str) -> None:
    """Let nobody of a tenant in and nothing leave, until it is resumed."""
    tenants.suspend(accounts.system_scope(tenant).tenant_id, by=Actor(None))
    click.echo(f"{tenant} is suspended")


@tenants_group.command("resume")
@click.option("--tenant", required=True, help="The tenant's slug.")
@_in_words
def resume_tenant(tenant: str) -> None:
    """Let a suspended tenant go on."""
    tenants.resume(accounts.system_scope(tenant).tenant_id, by=Actor(None))
    click.echo(f"{tenant} goes on")


@tenants_group.command("close")
@click.option("--tenant", required=True, help="The tenant's slug.")
@click.option("--days", default=tenants.USUAL_DAYS, show_default=True, help="Erase all it has after so many days.")
@_in_words
def close_tenant(tenant: str, days: int) -> None:
    """Suspend a tenant for good, cancel its campaigns, unlink its numbers; its data is ERASED after some days."""
    tenant_id = accounts.system_scope(tenant).tenant_id
    tenants.close(tenant_id, days=days, by=Actor(None))
    click.echo(f"{tenant} is closed, and erased at {tenants.get_tenant(tenant_id).erase_at:%Y-%m-%dT%H:%M:%SZ}")


@tenants_group.command("export")
@click.option("--tenant", required=True, help="The tenant's slug.")
@click.option("--output", required=True, type=click.File("wb", lazy=False), help="The ZIP file to write.")
@_in_words
def export_tenant(tenant: str, output: IO[bytes]) -> None:
    """Write all that is kept of a tenant into a ZIP file."""
    with acting_for(accounts.system_scope(tenant)) as scope:
        for piece in tenant_export.export(scope):
            output.write(piece)


@units_group.command("create")
@click.option("--tenant", required=True, help="The tenant's slug.")
@click.option("--name", required=True)
@click.option("--slug", required=True)
@_in_words
def create_unit(tenant: str, name: str, slug: str) -> None:
    """Open a unit of a tenant."""
    with acting_for(accounts.system_scope(tenant)) as scope:
        click.echo(units.create_unit(scope, name=name, slug=slug).id)


@users_group.command("create")
@click.option("--email", required=True)
@click.option("--role", required=True, type=click.Choice([role.value for role in Role]))
@click.option("--tenant", help="The tenant's slug; a super admin has none.")
@click.option("--unit", "unit_slugs", multiple=True, help="Limit an agent to this unit; may be repeated.")
@click.option("--password-stdin", is_flag=True, required=True, help="Read the password from standard input.")
@_in_words
def create_user(email: str, role: str, tenant: str | None, unit_slugs: tuple[str, ...], password_stdin: bool) -> None:
    """Make an account. There is no default password."""
    password = sys.stdin.readline().rstrip("\r\n")
    user = accounts.create_user(
        email=email, role=Role(role), password=password, tenant_slug=tenant, unit_slugs=unit_slugs
    )
    click.echo(user.id)


@users_group.command("invite")
@click.option("--email", required=True)
@click.option("--role", required=True, type=click.Choice([role.value for role in members.ROLES]))
@click.option("--tenant", required=True, help="The tenant's slug.")
@click.option("--unit", "unit_slugs", multiple=True, help="Limit an agent to this unit; may be repeated.")
@_in_words
def invite_user(email: str, role: str, tenant: str, unit_slugs: tuple[str, ...]) -> None:
    """Make an account without a password, and print the link to choose one: it works once, for seven days."""
    with acting_for(accounts.system_scope(tenant)) as scope:
        unit_ids = [get_unit(scope, slug).id for slug in unit_slugs]
        click.echo(members.invite(scope, email=email, role=role, unit_ids=unit_ids)[1])


@messages_group.command("resend")
@click.argument("message_ids", metavar="[ID]...", nargs=-1)
@click.option("--tenant", help="Only of this tenant, by its slug.")
@click.option("--unit", help="Only of this unit, by its slug; needs --tenant.")
@click.option("--reason", help="Only those with this error code, such as timed_out.")
@click.option("--since", help="Only those that went wrong since then: 2026-05-01T08:00-03:00.")
@click.option(
    "--include-unconfirmed",
    is_flag=True,
    help="Also those of which nobody knows whether they were sent: THE PERSON MAY GET THEM TWICE.",
)
@click.option("--dry-run", is_flag=True, help="Say what would be sent again, and change nothing.")
@_in_words
def resend_messages(
    message_ids: tuple[str, ...],
    tenant: str | None,
    unit: str | None,
    reason: str | None,
    since: str | None,
    include_unconfirmed: bool,
    dry_run: bool,
) -> None:
    """Put failed messages back into the queue of their unit: those named by ID, or all that the options leave."""
    order = resending.checked_order(
        message_ids, tenant=tenant, unit=unit, reason=reason, since=since, include_unconfirmed=include_unconfirmed
    )
    lines = list(resending.resend(order, is_dry_run=dry_run))
    for line in lines:
        click.echo(line.in_words(is_dry_run=dry_run))
    if not lines:
        click.echo("There is nothing to send again.")


@events_group.command("list")
@click.option("--unit", metavar="TENANT/UNIT", help="Only of this unit, by the short names.")
@click.option("--event", metavar="NAME", help="Only those of this name, such as messages.upsert.")
@click.option("--limit", default=PAGE, show_default=True, type=click.IntRange(1, 10_000), help="At most so many.")
@_in_words
def list_events(unit: str | None, event: str | None, limit: int) -> None:
    """Show the newest parked events: id, time, unit, name, error, attempts. Never what stands in them."""
    rows = list_parked(parked_events.checked_filter(unit=unit, event=event), limit=limit)
    for row in rows:
        told = (row.id, f"{row.received_at:%Y-%m-%dT%H:%M:%SZ}", row.unit_path, row.event, row.error, row.attempts)
        click.echo("  ".join(str(value) for value in told))
    if not rows:
        click.echo("No event is parked.")


@events_group.command("replay")
@click.option("--all", "every", is_flag=True, help="Every parked event of every unit.")
@click.option("--id", "ids", multiple=True, type=click.IntRange(1, 2**63 - 1), help="This event; may be repeated.")
@click.option("--unit", metavar="TENANT/UNIT", help="Those of this unit, by the short names.")
@click.option("--event", metavar="NAME", help="Those of this name, such as messages.upsert.")
@_in_words
def replay_events(every: bool, ids: tuple[int, ...], unit: str | None, event: str | None) -> None:
    """Let the inbox apply parked events again. What was applied already is not done twice."""
    wanted = parked_events.checked_choice(every=every, ids=ids, unit=unit, event=event)
    done = parked_events.replay(wanted, by=Actor(None))
    left = count_unknown(wanted)
    if not done:
        raise NotFound("No parked event was chosen." if not left else "No unit has the instance of these events.")
    click.echo(f"{done} went back to the inbox" + (f"; {left} are of an instance that no unit has" if left else ""))
