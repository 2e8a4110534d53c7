"""Operators' commands for a release that goes live: `flask --app wsgi golive …`."""

from pathlib import Path

import click
from flask.cli import AppGroup

from portal.cli.rehearsal import rehearse_restore
from portal.cli.releases import alert_test, begin, watch
from portal.monitor.golive_sql import script

golive_group = AppGroup("golive", help="From the database script to the watched first hour.")
for command in (begin, watch, alert_test, rehearse_restore):
    golive_group.add_command(command)


@golive_group.command("sql")
@click.option("--output", type=click.Path(dir_okay=False, path_type=Path), help="The file to write; else it is shown.")
def sql(output: Path | None) -> None:
    """Write the script for a database console that brings any database to this release. It asks no database."""
    if output is None:
        click.echo(script.build(), nl=False)
        return
    output.write_text(script.build(), encoding="utf-8")
    click.echo(f"{output}: written")
