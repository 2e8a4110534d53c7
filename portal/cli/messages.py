"""Operators' commands for messages: `flask --app wsgi messages …`."""

import click
from flask.cli import AppGroup

from portal.cli.words import in_words
from portal.services import resending

messages_group = AppGroup("messages", help="Messages that did not arrive.")


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
@in_words
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
