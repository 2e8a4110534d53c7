"""Operators' commands: `flask --app wsgi …`."""

from flask import Flask

from portal.cli.diagnose import diagnose_unit
from portal.cli.events import events_group
from portal.cli.gate import release_gate
from portal.cli.golive import golive_group
from portal.cli.keys import keys_group, secrets_group
from portal.cli.messages import messages_group
from portal.cli.smoke import smoke
from portal.cli.tenants import tenants_group
from portal.cli.units import units_group
from portal.cli.users import users_group

COMMANDS = (
    tenants_group,
    units_group,
    users_group,
    messages_group,
    events_group,
    keys_group,
    secrets_group,
    golive_group,
    release_gate,
    smoke,
    diagnose_unit,
)


def register(app: Flask) -> None:
    for command in COMMANDS:
        app.cli.add_command(command)
