"""How a migration runs: one transaction each, one at a time, and never waiting long for a lock."""

from alembic import context
from flask import current_app
from sqlalchemy import Connection, text

from portal import models  # noqa: F401  (fills the metadata)
from portal.db import Base

# Any fixed number: two releases at the same time take turns.
LOCK = 7_106_113


def run() -> None:
    with current_app.extensions["migrate"].db.engine.connect() as connection:
        connection.execute(text("SELECT pg_advisory_lock(:key)"), {"key": LOCK})
        connection.commit()
        try:
            _migrate(connection)
        finally:
            connection.rollback()
            connection.execute(text("SELECT pg_advisory_unlock(:key)"), {"key": LOCK})
            connection.commit()


def _migrate(connection: Connection) -> None:
    context.configure(
        connection=connection,
        target_metadata=Base.metadata,
        transaction_per_migration=True,
        compare_type=True,
        compare_server_default=True,
    )
    with context.begin_transaction():
        # A migration that waits for a lock stops every query behind it: better it fails and is tried again.
        connection.execute(text("SET lock_timeout = '4s'"))
        context.run_migrations()


run()
