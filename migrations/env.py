"""How a migration runs: one transaction each, one at a time, and never waiting long for a lock.

Offline, as for `flask golive sql`, its statements are only written out.
"""

from alembic import context
from alembic.runtime.migration import MigrationContext
from flask import current_app
from sqlalchemy import Connection, text

from portal import models  # noqa: F401  (fills the metadata)
from portal.db import Base, is_ahead, is_ours

# Any fixed number: two releases at the same time take turns.
LOCK = 7_106_113


def run() -> None:
    if context.is_offline_mode():
        _write()
    else:
        _run()


def _write() -> None:
    context.configure(
        dialect_name="postgresql",
        dialect_opts={"paramstyle": "named"},
        target_metadata=Base.metadata,
        literal_binds=True,
        transaction_per_migration=True,
    )
    with context.begin_transaction():
        context.run_migrations()


def _run() -> None:
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
    found, known = ", ".join(_heads(connection)), str(context.get_head_revision())
    if is_ahead(found, known):
        # The code was rolled back, and a platform runs its release process anew: what was migrated stays.
        current_app.logger.warning("nothing is migrated: the database is at %s, this code at %s", found, known)
        return
    context.configure(
        connection=connection,
        target_metadata=Base.metadata,
        transaction_per_migration=True,
        compare_type=True,
        compare_server_default=True,
        include_name=is_ours,
    )
    with context.begin_transaction():
        # A migration that waits for a lock stops every query behind it: better it fails and is tried again.
        connection.execute(text("SET lock_timeout = '4s'"))
        context.run_migrations()


def _heads(connection: Connection) -> tuple[str, ...]:
    heads = MigrationContext.configure(connection).get_current_heads()
    # The migrations begin transactions of their own.
    connection.rollback()
    return heads


run()
