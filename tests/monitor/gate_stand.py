"""A portal as in production on a database that is put back, everything it stands on, and ways to break each of it."""

import json
import shutil
from collections import deque
from collections.abc import Callable
from dataclasses import dataclass, field, replace
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
import redis
import requests
from flask import Flask
from jinja2 import ChoiceLoader, DictLoader
from sqlalchemy import text

from portal import logs, queue
from portal.cli.gate import application_of
from portal.clock import now
from portal.config import KNOWN_API_KEYS
from portal.db import db
from portal.extensions import parts
from portal.monitor import gate
from portal.monitor.gate import Application, CheckResult, Stage
from portal.monitor.gate import parts as looks_at_parts
from portal.monitor.gate.checks import LIMIT_S
from portal.secrets import Vault
from tests.evolution.little_servers import Scripted

ROOT = Path(__file__).resolve().parents[2]
PRODUCTION = {
    "PORTAL_ENV": "production",
    "SECRET_KEY": "a-secret-for-tests-only-of-32-characters-and-more",
    "BASE_URL": "https://portal.test",
    "TRUSTED_PROXIES": "1",
}
GUESSED = "k" * 40
NOBODY = {"response": {"message": ['The "portal-probe" instance does not exist']}}


class Evolution(Scripted):
    """Tells its version to everybody, and of instances only who has the key."""

    def __init__(self) -> None:
        super().__init__()
        self.version, self.key_status = "2.3.6", 404

    def next_answer(self) -> tuple[int, object]:
        if self.asked[-1].path.startswith("/instance/"):
            return self.key_status, NOBODY
        return 200, {"status": 200, "version": self.version}


@dataclass
class Web:
    """Stands in for what answers at BASE_URL."""

    health: int = 200
    is_door_there: bool = True
    asked: deque[tuple[str, str]] = field(default_factory=deque)

    def __call__(self, method: str, url: str, **how: Any) -> requests.Response:
        path = url.removeprefix(parts.config.base_url)
        self.asked.append((method, path))
        answer = requests.Response()
        answer.status_code, body = self._answer(path, how["data"])
        answer._content = json.dumps(body).encode()
        return answer

    def _answer(self, path: str, body: str | None) -> tuple[int, object]:
        if path == "/health":
            return self.health, {"status": "ok"}
        if not self.is_door_there:
            return 404, {"error": {"code": "not_found"}}
        if "/evolution/" in path:
            return (400, {"error": {"code": "malformed"}}) if body == "[]" else (401, {"error": {}})
        return 400, {"error": {"code": "unknown_provider"}}


@dataclass
class Stand:
    portal: Flask
    evolution: Evolution
    web: Web
    patch: pytest.MonkeyPatch
    folder: Path
    application: Application

    @classmethod
    def of(cls, portal: Flask, evolution: Evolution, patch: pytest.MonkeyPatch, folder: Path) -> "Stand":
        """Its files are few, so that looking through them takes no time."""
        for name in ("migrations", "templates"):
            (folder / name).symlink_to(ROOT / name)
        shutil.copy(ROOT / "requirements.txt", folder)
        application = replace(application_of(portal), root=folder)
        return cls(portal, evolution, Web(), patch, folder, application)

    def failing(self, stage: Stage = Stage.FULL) -> dict[str, str]:
        """The checks that fail, and what they say."""
        return {one.name: one.detail for one in self.run(stage) if not one.is_ok}

    def run(self, stage: Stage = Stage.FULL) -> list[CheckResult]:
        return gate.run(stage, self.application)

    def without_slow_checks(self, but_of: str) -> None:
        """Leave out those that take long, but for those of one group."""
        left = {
            group: tuple(one for one in checks if group == but_of or one.limit_s <= LIMIT_S)
            for group, checks in gate.GROUPS.items()
        }
        self.patch.setattr(gate, "GROUPS", left)

    def sql(self, statement: str) -> None:
        connection: Any = db.engine
        # What was committed here before left its role behind, as all is one transaction.
        connection.execute(text("SET LOCAL role none"))
        connection.execute(text(statement))

    def config(self, **changes: object) -> None:
        self.patch.setattr(parts, "config", replace(parts.config, **changes))  # type: ignore[arg-type]

    def setting(self, name: str, value: object) -> None:
        self.patch.setitem(self.portal.config, name, value)

    def file(self, name: str, content: str) -> None:
        (self.folder / name).write_text(content)

    def redis_with_limit(self) -> None:
        asked = redis.Redis.info

        def info(self: Any, section: str) -> Any:
            told = asked(self, section)
            return {**told, "maxmemory_policy": "allkeys-lru"} if section == "memory" else told

        self.patch.setattr(redis.Redis, "info", info)

    def template(self, source: str) -> None:
        loaders = [DictLoader({"broken.html": source}), self.portal.jinja_env.loader]
        self.patch.setattr(self.portal.jinja_env, "loader", ChoiceLoader(loaders))  # type: ignore[arg-type]

    def translations(self, sentence: str) -> None:
        """Add a sentence to the source that nobody compiled."""
        folder = self.folder / "translations"
        shutil.copytree(self.portal.config["BABEL_TRANSLATION_DIRECTORIES"], folder)
        with (folder / "pt_BR" / "LC_MESSAGES" / "messages.po").open("a") as file:
            file.write(f'\nmsgid "{sentence}"\nmsgstr "{sentence}"\n')
        self.setting("BABEL_TRANSLATION_DIRECTORIES", str(folder))


Break = Callable[[Stand], object]


def echo(word: str) -> str:
    """A job that does not give back what it was given."""
    return ""


DROP = "ALTER TABLE release_checkpoints DROP CONSTRAINT"
# Each check, and how what it looks at is broken, so that nothing else is.
BREAKS: dict[str, Break] = {
    "migration head": lambda stand: stand.sql("UPDATE alembic_version SET version_num = '0001'"),
    "columns": lambda stand: stand.sql("ALTER TABLE messages DROP COLUMN error_details"),
    "indexes": lambda stand: stand.sql("DROP INDEX idx_messages_retry_failed"),
    "foreign keys": lambda stand: stand.sql(f"{DROP} fk_release_checkpoints_release_id_releases"),
    "unique keys": lambda stand: stand.sql(f"{DROP} uq_release_checkpoints_release_id_number"),
    "rules of columns": lambda stand: stand.sql(f"{DROP} ck_release_checkpoints_verdict"),
    "triggers": lambda stand: stand.sql("ALTER TABLE audit_events DISABLE TRIGGER only_added_to"),
    "schema as modelled": lambda stand: stand.sql("ALTER TABLE units ALTER COLUMN name TYPE text"),
    "row-level security": lambda stand: stand.sql("ALTER TABLE messages DISABLE ROW LEVEL SECURITY"),
    "older database": lambda stand: stand.sql("CREATE SCHEMA portal_older"),
    "SECRET_KEY": lambda stand: stand.config(secret_key=GUESSED),
    "ENCRYPTION_KEYS": lambda stand: stand.config(encryption_keys=(GUESSED,)),
    "EVOLUTION_API_KEY": lambda stand: stand.config(evolution_api_key=next(iter(KNOWN_API_KEYS))),
    "METRICS_TOKEN": lambda stand: stand.config(metrics_token=GUESSED),
    "secrets differ": lambda stand: stand.config(metrics_token=parts.config.secret_key),
    "BASE_URL": lambda stand: stand.config(base_url="http://portal.test"),
    "debug": lambda stand: stand.setting("DEBUG", True),
    "test switches": lambda stand: stand.setting("WTF_CSRF_ENABLED", False),
    "cookies": lambda stand: stand.setting("SESSION_COOKIE_SECURE", False),
    "TRUSTED_PROXIES": lambda stand: stand.config(trusted_proxies=0),
    "database": lambda stand: stand.patch.setattr(looks_at_parts, "OLDEST_DATABASE", 99),
    "clock": lambda stand: stand.patch.setattr(looks_at_parts, "now", lambda: now() + timedelta(minutes=1)),
    "redis": lambda stand: stand.patch.setattr(looks_at_parts, "OLDEST_REDIS", (99, 0)),
    "redis memory": lambda stand: stand.redis_with_limit(),
    "workers": lambda stand: stand.sql("UPDATE relays SET heartbeat_at = now() - interval '1 minute'"),
    "web": lambda stand: setattr(stand.web, "health", 502),
    "evolution": lambda stand: setattr(stand.evolution, "key_status", 401),
    "evolution version": lambda stand: setattr(stand.evolution, "version", "2.1.2"),
    "encryption": lambda stand: stand.patch.setattr(Vault, "encrypt", lambda vault, plain: plain),
    "stored secrets": lambda stand: stand.sql("UPDATE evolution_servers SET api_key_encrypted = 'gAAAAA'"),
    "masking": lambda stand: stand.patch.setattr(logs, "mask", lambda line: line),
    "webhook door": lambda stand: stand.patch.setitem(stand.portal.view_functions, "webhooks.take", _no_door),
    "webhook door from outside": lambda stand: setattr(stand.web, "is_door_there", False),
    "queue": lambda stand: stand.patch.setattr(queue, "echo", echo),
    "templates": lambda stand: stand.template("{% if %}"),
    "translations": lambda stand: stand.translations("Nobody compiled this"),
    "static files": lambda stand: stand.patch.setattr(stand.portal, "static_folder", str(stand.folder)),
    "secrets in files": lambda stand: stand.file(
        "backup.sql", "postgres://" + "portal:hunter2hunter2@db.example.com/x"
    ),
    "settings files": lambda stand: stand.file("secrets.json", "{}"),
    "packages": lambda stand: stand.file("requirements.txt", "flask==0.1\n"),
}


def _no_door(**what: str) -> tuple[str, int]:
    return "", 404
