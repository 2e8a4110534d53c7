"""PostgreSQL and Redis for one machine: the ones that are named, else ones that we start and end.

Order: `DATABASE_URL` and `REDIS_URL`, then server programs of the machine, then those in the wheels of
requirements-local.txt.
"""

import os
from collections.abc import Mapping
from enum import StrEnum
from pathlib import Path
from types import TracebackType
from typing import Self
from urllib.parse import urlsplit

import psycopg
from psycopg import sql

from local.lock import FolderLock
from local.postgres import PostgresServer
from local.redis_server import RedisServer

DATABASE = "portal"


class Prefer(StrEnum):
    """Where servers come from."""

    ANY = "any"
    WHEELS = "wheels"


class Services:
    """The two servers, inside a `with` block; what was started there ends with it.

    `durable=False` trades safety on a power cut for speed: for tests, whose data nobody misses.
    """

    database_url: str
    redis_url: str

    def __init__(
        self,
        folder: Path,
        *,
        prefer: Prefer | str = Prefer.ANY,
        durable: bool = True,
        env: Mapping[str, str] = os.environ,
    ) -> None:
        self._lock = FolderLock(folder)
        self._is_durable = durable
        wheels_only = Prefer(prefer) is Prefer.WHEELS
        named = {} if wheels_only else env
        self._named = {name: named.get(name, "") for name in ("DATABASE_URL", "REDIS_URL")}
        self.postgres = PostgresServer(folder / "postgres", wheels_only=wheels_only, is_durable=durable)
        self._redis = RedisServer(folder, wheels_only=wheels_only, is_durable=durable)

    def __enter__(self) -> Self:
        self._lock.take()
        try:
            self.database_url = self._named["DATABASE_URL"] or self._start_postgres()
            self.redis_url = self._named["REDIS_URL"] or self._start_redis()
        except BaseException:
            self.stop()
            raise
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None) -> None:
        self.stop()

    def stop(self) -> None:
        self._redis.stop()
        self.postgres.stop()
        self._lock.release()

    @property
    def database_folder(self) -> Path:
        """Where our own PostgreSQL keeps its rows; not under the given folder where that is closed to its user."""
        return self.postgres.folder

    @property
    def environment(self) -> dict[str, str]:
        return {"DATABASE_URL": self.database_url, "REDIS_URL": self.redis_url}

    def create_database(self, name: str, *, template: str = "template1") -> str:
        """Make a database, a copy of the template, and give its URL."""
        self._execute(sql.SQL("CREATE DATABASE {} TEMPLATE {}"), name, template)
        if not self._is_durable:
            self._execute(sql.SQL("ALTER DATABASE {} SET synchronous_commit TO off"), name)
        return self.url_of(name)

    def drop_database(self, name: str) -> None:
        """Remove a database and whoever is still connected to it."""
        self._execute(sql.SQL("DROP DATABASE IF EXISTS {} WITH (FORCE)"), name)

    def url_of(self, database: str) -> str:
        return urlsplit(self.database_url)._replace(path=f"/{database}").geturl()

    def _start_postgres(self) -> str:
        self.postgres.start()
        self.database_url = self.postgres.url("postgres")
        if not self._has_database(DATABASE):
            self.create_database(DATABASE)
        return self.postgres.url(DATABASE)

    def _start_redis(self) -> str:
        self._redis.start()
        return self._redis.url

    def _has_database(self, name: str) -> bool:
        with psycopg.connect(self.database_url) as connection:
            found = connection.execute("SELECT FROM pg_database WHERE datname = %s", [name])
            return found.fetchone() is not None

    def _execute(self, statement: sql.SQL, *names: str) -> None:
        with psycopg.connect(self.database_url, autocommit=True) as connection:
            connection.execute(statement.format(*map(sql.Identifier, names)))
