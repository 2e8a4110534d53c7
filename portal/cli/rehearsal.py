"""The rehearsal of a restore as a command: `flask --app wsgi golive rehearse-restore`."""

import click

from portal.cli.words import in_words
from portal.db import STORAGE_DOWN
from portal.models import EvidenceItem
from portal.monitor import rehearsal
from portal.services.releases import record_evidence


@click.command("rehearse-restore")
@click.option("--into", required=True, metavar="URL", help="An EMPTY database to restore into; it keeps the copy.")
@in_words
def rehearse_restore(into: str) -> None:
    """Dump the database, restore it into an empty one, and compare them. Ends with status 1 where they differ."""
    done = rehearsal.rehearse(into)
    _record(done)
    for difference in done.differences:
        click.echo(f"FAIL  {difference}")
    keepers = ", ".join(f"{number} {name}" for name, number in done.held.keepers.items())
    click.echo(done.detail)
    click.echo(f"Compared: migration, rows of each table, {keepers}, secrets.")
    click.echo("The copy holds people's messages and numbers: drop that database now.")
    if not done.is_ok:
        raise click.ClickException("What was restored is not what was dumped.")


def _record(done: rehearsal.Rehearsal) -> None:
    differences = list(done.differences)
    record = {"size_bytes": done.size_bytes, "dump_s": done.dump_s, "restore_s": done.restore_s, "rows": done.held.rows}
    try:
        record_evidence(
            EvidenceItem.RESTORE, is_ok=done.is_ok, detail=done.detail, record={**record, "differences": differences}
        )
    except STORAGE_DOWN:
        click.echo("Not recorded as evidence: the database does not take it.", err=True)
