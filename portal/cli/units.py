"""Operators' commands for branches: `flask --app wsgi units …`."""

import click
from flask.cli import AppGroup

from portal.cli.words import in_words
from portal.services import accounts, units
from portal.tenancy import acting_for

units_group = AppGroup("units", help="Branches of a company.")


@units_group.command("create")
@click.option("--tenant", required=True, help="The tenant's slug.")
@click.option("--name", required=True)
@click.option("--slug", required=True)
@in_words
def create_unit(tenant: str, name: str, slug: str) -> None:
    """Open a unit of a tenant."""
    with acting_for(accounts.system_scope(tenant)) as scope:
        click.echo(units.create_unit(scope, name=name, slug=slug).id)
