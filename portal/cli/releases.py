"""Operators' commands for watching a release: `flask --app wsgi golive begin`, `golive watch`, `golive alert-test`."""

import json
import sys
import time
from datetime import timedelta

import click
from flask.cli import with_appcontext

from portal.cli import watch_lines
from portal.cli.watch_lines import Seen
from portal.cli.words import in_words
from portal.errors import NotFound
from portal.extensions import parts
from portal.models import Verdict
from portal.monitor import live
from portal.monitor.board import make_board
from portal.queries.alerts import open_alerts
from portal.queries.releases import checkpoints_of, current
from portal.services import alerts, releases
from portal.services.audit import Actor

# What `watch` ends with. 2 is what every command ends with whose options are wrong.
ENDS_WITH = {Verdict.GO: 0, Verdict.NO_GO: 1, Verdict.MONITOR: 3}
REFRESH_S = 5.0
# Into a file it is written less often.
REFRESH_FILE_S = 60.0


@click.command("begin")
@click.option("--version", help="What the release is called; else RELEASE_VERSION, or the platform's commit.")
@with_appcontext
@in_words
def begin(version: str | None) -> None:
    """Register a release: from now on it is watched. The release process does it as its last step."""
    release = releases.register(version or parts.config.release_version)
    due = (checkpoint.due_at - release.registered_at for checkpoint in checkpoints_of(release.id))
    times = ", ".join(f"T+{watch_lines.in_minutes(after)}" for after in due)
    click.echo(f"release {release.version} is registered; it is looked at {times} min")


@click.command("watch")
@click.option("--once", is_flag=True, help="One look, whose verdict decides how the command ends.")
@click.option("--json", "as_json", is_flag=True, help="Each look as one line of JSON.")
@with_appcontext
@in_words
def watch(once: bool, as_json: bool) -> None:
    """Show a release until its last checkpoint. Ends with 0 for GO, 1 for NO-GO, 3 for MONITOR."""
    seen = _see()
    _show(seen, as_json=as_json)
    if once:
        sys.exit(ENDS_WITH[seen.look.verdict])
    while not seen.is_over:
        time.sleep(_refresh_s())
        seen = _see()
        _show(seen, as_json=as_json)
    sys.exit(ENDS_WITH[seen.verdict])


@click.command("alert-test")
@with_appcontext
@in_words
def alert_test() -> None:
    """Raise an alert that only shows whether alerts arrive. It is over when somebody acknowledges it."""
    alert = alerts.raise_test(Actor(None))
    named = " and ".join(alerts.channels())
    how = f"a worker tells it by {named}" if named else "no channel is set, so it is only shown on the page"
    click.echo(f"test alert {alert.id} is open: {how}. Acknowledge it at {parts.config.base_url}/operator/alerts")


def _see() -> Seen:
    release = current()
    if release is None:
        raise NotFound("No release is registered. Run: flask --app wsgi golive begin")
    return Seen(make_board(release), live.look_now(), tuple(row.alert for row in open_alerts()))


def _refresh_s() -> float:
    """Often enough for the next checkpoint, where those are close."""
    shortest = timedelta(minutes=parts.config.golive_checkpoint_minutes[0]).total_seconds()
    return min(REFRESH_S if sys.stdout.isatty() else REFRESH_FILE_S, shortest)


def _show(seen: Seen, *, as_json: bool) -> None:
    if as_json:
        click.echo(json.dumps(watch_lines.as_record(seen)))
        return
    click.clear()
    # Colours only reach a terminal: click takes them out of what goes elsewhere.
    click.echo("\n".join(watch_lines.lines(seen)))
