"""Operators' commands for people: `flask --app wsgi users …`."""

import sys

import click
from flask.cli import AppGroup

from portal.cli.words import in_words
from portal.permissions import Role
from portal.queries.units import get_unit
from portal.services import accounts, members
from portal.tenancy import acting_for

users_group = AppGroup("users", help="People who sign in.")


@users_group.command("create")
@click.option("--email", required=True)
@click.option("--role", required=True, type=click.Choice([role.value for role in Role]))
@click.option("--tenant", help="The tenant's slug; a super admin has none.")
@click.option("--unit", "unit_slugs", multiple=True, help="Limit an agent to this unit; may be repeated.")
@click.option("--password-stdin", is_flag=True, required=True, help="Read the password from standard input.")
@in_words
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
@in_words
def invite_user(email: str, role: str, tenant: str, unit_slugs: tuple[str, ...]) -> None:
    """Make an account without a password, and print the link to choose one: it works once, for seven days."""
    with acting_for(accounts.system_scope(tenant)) as scope:
        unit_ids = [get_unit(scope, slug).id for slug in unit_slugs]
        click.echo(members.invite(scope, email=email, role=role, unit_ids=unit_ids)[1])
