"""Operators' commands for companies: `flask --app wsgi tenants …`."""

from typing import IO

import click
from flask.cli import AppGroup

from portal.cli.words import in_words
from portal.services import accounts, tenant_export, tenants
from portal.services.audit import Actor
from portal.tenancy import acting_for

tenants_group = AppGroup("tenants", help="Companies on this portal.")


@tenants_group.command("create")
@click.option("--name", required=True)
@click.option("--slug", required=True, help="Stands in addresses: /t/SLUG/")
@in_words
def create_tenant(name: str, slug: str) -> None:
    """Open a tenant."""
    click.echo(tenants.create_tenant(name=name, slug=slug, by=Actor(None)).id)


@tenants_group.command("suspend")
@click.option("--tenant", required=True, help="The tenant's slug.")
@in_words
def suspend_tenant(tenant: str) -> None:
    """Let nobody of a tenant in and nothing leave, until it is resumed."""
    tenants.suspend(accounts.system_scope(tenant).tenant_id, by=Actor(None))
    click.echo(f"{tenant} is suspended")


@tenants_group.command("resume")
@click.option("--tenant", required=True, help="The tenant's slug.")
@in_words
def resume_tenant(tenant: str) -> None:
    """Let a suspended tenant go on."""
    tenants.resume(accounts.system_scope(tenant).tenant_id, by=Actor(None))
    click.echo(f"{tenant} goes on")


@tenants_group.command("close")
@click.option("--tenant", required=True, help="The tenant's slug.")
@click.option("--days", default=tenants.USUAL_DAYS, show_default=True, help="Erase all it has after so many days.")
@in_words
def close_tenant(tenant: str, days: int) -> None:
    """Suspend a tenant for good, cancel its campaigns, unlink its numbers; its data is ERASED after some days."""
    tenant_id = accounts.system_scope(tenant).tenant_id
    tenants.close(tenant_id, days=days, by=Actor(None))
    click.echo(f"{tenant} is closed, and erased at {tenants.get_tenant(tenant_id).erase_at:%Y-%m-%dT%H:%M:%SZ}")


@tenants_group.command("export")
@click.option("--tenant", required=True, help="The tenant's slug.")
@click.option("--output", required=True, type=click.File("wb", lazy=False), help="The ZIP file to write.")
@in_words
def export_tenant(tenant: str, output: IO[bytes]) -> None:
    """Write all that is kept of a tenant into a ZIP file."""
    with acting_for(accounts.system_scope(tenant)) as scope:
        for piece in tenant_export.export(scope):
            output.write(piece)
