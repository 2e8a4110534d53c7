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
from portal.services import accounts, units
from portal.tenancy import acting_for

P = ParamSpec("P")

tenants_group = AppGroup("tenants", help="Companies on this portal.")
units_group = AppGroup("units", help="Branches of a company.")
users_group = AppGroup("users", help="People who sign in.")


def register(app: Flask) -> None:
    for group in (tenants_group, units_group, users_group):
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
