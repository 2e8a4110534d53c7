"""`python -m local.demo FOLDER`: bring the schema up to date and make what the demo lacks.

With `--examples` also some hundreds of people and a campaign to them.
"""

import argparse
import os
import sys
from pathlib import Path

from flask import Flask
from sqlalchemy import select

from local.examples import add_examples
from local.instance import Instance
from local.people import PEOPLE, TENANT, TENANT_NAME, UNITS, Person
from local.processes import LocalError
from portal.app import create_app
from portal.config import Config
from portal.db import db
from portal.models import Tenant, Unit, User
from portal.tenancy import TenantScope, across_tenants, acting_for


def main() -> int:
    """Prepare the database that the environment names; a second run changes nothing."""
    arguments = _arguments()
    instance = Instance(arguments.folder)
    app = create_app(Config.load(os.environ))
    try:
        _command(app, "db", "upgrade")
        _fill(app, instance)
        if arguments.examples:
            _add_examples(app)
    except LocalError as error:
        print(error, file=sys.stderr)
        return 1
    return 0


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m local.demo", description=__doc__)
    parser.add_argument("folder", type=Path, help="where the demo's sign-ins are kept")
    parser.add_argument("--examples", action="store_true", help="also people who do not exist, and a campaign to them")
    return parser.parse_args()


def _fill(app: Flask, instance: Instance) -> None:
    existing = _existing(app)
    if TENANT not in existing:
        _command(app, "tenants", "create", "--name", TENANT_NAME, "--slug", TENANT)
    for slug, name in UNITS.items():
        if f"{TENANT}/{slug}" not in existing:
            _command(app, "units", "create", "--tenant", TENANT, "--name", name, "--slug", slug)
    for person in PEOPLE:
        if person.email not in existing:
            _create_user(app, person, password=instance.password(person.email))


def _existing(app: Flask) -> set[str]:
    """The slugs of tenants, tenant/unit pairs and the emails that the database knows."""
    with app.app_context(), across_tenants("the demo looks for what an earlier run made"):
        units = db.session.execute(select(Tenant.slug, Unit.slug).join(Unit, Unit.tenant_id == Tenant.id))
        tenants = db.session.scalars(select(Tenant.slug))
        emails = db.session.scalars(select(User.email))
        return {f"{tenant}/{unit}" for tenant, unit in units} | set(tenants) | set(emails)


def _create_user(app: Flask, person: Person, *, password: str) -> None:
    words = ["users", "create", "--email", person.email, "--role", person.role, "--password-stdin"]
    if person.tenant is not None:
        words += ["--tenant", person.tenant]
    for unit in person.units:
        words += ["--unit", unit]
    _command(app, *words, typed=f"{password}\n")


def _add_examples(app: Flask) -> None:
    with app.app_context():
        with across_tenants("the demo looks for its tenant"):
            tenant_id = db.session.scalars(select(Tenant.id).where(Tenant.slug == TENANT)).one()
        with acting_for(TenantScope(tenant_id)) as scope:
            add_examples(scope, next(iter(UNITS)))


def _command(app: Flask, *words: str, typed: str | None = None) -> None:
    """Run a command of `flask --app wsgi` in this process: starting one process for each would take seconds."""
    result = app.test_cli_runner().invoke(args=list(words), input=typed, catch_exceptions=False)
    if result.exit_code != 0:
        raise LocalError(f"flask {' '.join(words)} failed:\n{result.output.strip()}")


if __name__ == "__main__":
    sys.exit(main())
