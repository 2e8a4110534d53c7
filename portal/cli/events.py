"""Operators' commands for webhook events: `flask --app wsgi events …`."""

import click
from flask.cli import AppGroup

from portal.cli.words import in_words
from portal.errors import NotFound
from portal.queries.parked_events import PAGE, count_unknown, list_parked
from portal.services import parked_events
from portal.services.audit import Actor

events_group = AppGroup("events", help="Webhook events that could not be applied.")


@events_group.command("list")
@click.option("--unit", metavar="TENANT/UNIT", help="Only of this unit, by the short names.")
@click.option("--event", metavar="NAME", help="Only those of this name, such as messages.upsert.")
@click.option("--limit", default=PAGE, show_default=True, type=click.IntRange(1, 10_000), help="At most so many.")
@in_words
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
@in_words
def replay_events(every: bool, ids: tuple[int, ...], unit: str | None, event: str | None) -> None:
    """Let the inbox apply parked events again. What was applied already is not done twice."""
    wanted = parked_events.checked_choice(every=every, ids=ids, unit=unit, event=event)
    done = parked_events.replay(wanted, by=Actor(None))
    left = count_unknown(wanted)
    if not done:
        raise NotFound("No parked event was chosen." if not left else "No unit has the instance of these events.")
    click.echo(f"{done} went back to the inbox" + (f"; {left} are of an instance that no unit has" if left else ""))
