"""`python -m local.demo FOLDER`: bring the schema up to date and make what the demo lacks."""

import os
import sys
from pathlib import Path

from flask import Flask
from sqlalchemy import select

from local.instance import Instance
from local.people import PEOPLE, TENANT, TENANT_NAME, UNITS, Person
from local.processes import LocalError
from portal.app import create_app
from portal.config import Config
from portal.db import db
from portal.models import Tenant, Unit, User
from portal.tenancy import across_tenants


def main() -> int:
    """Prepare the database that the environment names; a second run changes nothing."""
    instance = Instance(Path(sys.argv[1]))
    app = create_app(Config.load(os.environ))
    try:
        _command(app, "db", "upgrade")
        _fill(app, instance)
    except LocalError as error:
        print(error, file=sys.stderr)
        return 1
    return 0


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


def _command(app: Flask, *words: str, typed: str | None = None) -> None:
    """Run a command of `flask --app wsgi` in this process: starting one process for each would take seconds."""
    result = app.test_cli_runner().invoke(args=list(words), input=typed, catch_exceptions=False)
    if result.exit_code != 0:
        raise LocalError(f"flask {' '.join(words)} failed:\n{result.output.strip()}")


if __name__ == "__main__":
    sys.exit(main())
