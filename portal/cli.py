"""Operators' commands: `flask --app wsgi …`."""

import sys
from collections.abc import Callable
from functools import wraps
from typing import ParamSpec

import click
from flask import Flask
from flask.cli import AppGroup

from portal.errors import DomainError, Invalid
from portal.permissions import Role
from portal.services import accounts, resending, units
from portal.tenancy import acting_for

P = ParamSpec("P")

tenants_group = AppGroup("tenants", help="Companies on this portal.")
units_group = AppGroup("units", help="Branches of a company.")
users_group = AppGroup("users", help="People who sign in.")
messages_group = AppGroup("messages", help="Messages that did not arrive.")


def register(app: Flask) -> None:
    for group in (tenants_group, units_group, users_group, messages_group):
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
    click.echo(accounts.create_tenant(name=name, slug=slug).id)


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
