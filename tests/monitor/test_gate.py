"""The release gate: each of its checks can fail, alone, and what it says then is safe to show."""

import re
import threading
from collections.abc import Iterator
from pathlib import Path
from uuid import uuid4

import pytest
from flask import Flask

from local.services import Services
from portal import logs
from portal.app import create_app
from portal.db import db
from portal.extensions import init_parts, parts
from portal.monitor import flusher, gate
from portal.monitor.gate import Stage, live
from portal.monitor.gate.checks import Application, Check, Outcome
from portal.outbox import owners, servers
from portal.queue import QUEUES
from tests.conftest import make_config
from tests.factories import make_connected_unit, make_tenant
from tests.monitor.gate_stand import BREAKS, PRODUCTION, Evolution, Stand

GROUP_OF = {check.name: group for group, check in gate.checks_of(Stage.FULL)}
LIVE = {"workers", "web", "webhook door from outside"}
GUIDE = Path(__file__).resolve().parents[2] / "docs" / "golive" / "deployment.md"
SECRET = "s3cr3t-" + uuid4().hex
PHONE = "+5511987654321"


@pytest.fixture(scope="module")
def evolution() -> Iterator[Evolution]:
    server = Evolution()
    yield server
    server.stop()


@pytest.fixture(scope="module")
def production(app: Flask, services: Services, evolution: Evolution) -> Iterator[Flask]:
    """The portal with the settings of a real one, on the database of the tests."""
    of_tests = (app.config["SQLALCHEMY_DATABASE_URI"], services.redis_url)
    yield create_app(make_config(*of_tests, **PRODUCTION, EVOLUTION_API_URL=evolution.url))
    # The parts are one per process: give the other tests theirs back.
    init_parts(app, make_config(*of_tests))
    logs.configure(level="INFO", as_json=False)


@pytest.fixture
def stand(production: Flask, evolution: Evolution, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Iterator[Stand]:
    evolution.version, evolution.key_status = "2.3.6", 404
    # It would write down from a thread of its own, over the one connection that is put back.
    monkeypatch.setattr(flusher, "start", lambda app_context: None)
    with production.app_context():
        with db.engine.connect() as connection:
            outer, engine = connection.begin(), db.engines[None]
            db.engines[None] = connection  # type: ignore[assignment]
            db.session.configure(join_transaction_mode="create_savepoint")
            servers.sync_default()
            for queue in QUEUES:
                owners.beat(uuid4(), queue)
            stand = Stand.of(production, evolution, monkeypatch, tmp_path)
            monkeypatch.setattr(live.requests, "request", stand.web)
            yield stand
            db.session.remove()
            db.engines[None] = engine
            outer.rollback()
        db.engine.dispose()


def test_everything_passes_where_all_is_well(stand: Stand) -> None:
    results = stand.run()

    assert {one.name: one.detail for one in results if not one.is_ok} == {}
    assert len(results) >= 23
    assert all(one.detail and one.took_ms >= 0 for one in results)


@pytest.mark.parametrize("name", BREAKS)
def test_check_fails_alone_when_what_it_looks_at_is_broken(stand: Stand, name: str) -> None:
    stand.without_slow_checks(but_of=GROUP_OF[name])
    BREAKS[name](stand)

    assert list(stand.failing()) == [name]


def test_every_check_can_be_broken() -> None:
    names = [check.name for _, check in gate.checks_of(Stage.FULL)]

    assert sorted(names) == sorted(BREAKS)


def test_stage_of_a_release_leaves_out_what_needs_the_web_and_the_worker() -> None:
    of_release, of_all = ({check.name for _, check in gate.checks_of(stage)} for stage in (Stage.RELEASE, Stage.FULL))

    assert of_all - of_release == LIVE
    assert len(of_release) >= 23


def test_wrong_secret_is_tried_from_outside_where_there_is_a_unit(stand: Stand) -> None:
    make_connected_unit(make_tenant("acme"), "centro")

    detail = next(one.detail for one in stand.run() if one.name == "webhook door from outside")

    assert "a wrong secret is answered 401" in detail


def test_database_that_newer_code_migrated_passes(stand: Stand) -> None:
    stand.without_slow_checks(but_of="schema")
    stand.sql("UPDATE alembic_version SET version_num = '9999'")
    stand.sql("ALTER TABLE units ADD COLUMN colour text")

    assert stand.failing() == {}


def test_invalid_index_does_not_count(stand: Stand) -> None:
    stand.without_slow_checks(but_of="settings")
    stand.sql("UPDATE pg_index SET indisvalid = false WHERE indexrelid = 'idx_messages_retry_failed'::regclass")

    assert stand.failing() == {"indexes": "idx_messages_retry_failed is missing on messages"}


@pytest.mark.parametrize("change", ["TYPE varchar(39)", "SET DEFAULT 'x'"])
def test_drift_names_the_column(stand: Stand, change: str) -> None:
    stand.sql(f"ALTER TABLE units ALTER COLUMN name {change}")

    assert "units.name" in stand.failing()["schema as modelled"]


@pytest.mark.parametrize("policy", ["tenant", "system"])
def test_table_without_its_policies_is_open(stand: Stand, policy: str) -> None:
    stand.without_slow_checks(but_of="settings")
    stand.sql(f"DROP POLICY {policy} ON contacts")

    assert stand.failing()["row-level security"] == "contacts is open"


def test_development_relaxes_https_secrets_and_cookies_and_says_so(stand: Stand) -> None:
    stand.without_slow_checks(but_of="settings")
    stand.config(portal_env="development", base_url="http://127.0.0.1:8000", secret_key="short", trusted_proxies=0)
    stand.setting("SESSION_COOKIE_SECURE", False)

    details = {one.name: (one.is_ok, one.detail) for one in stand.run()}

    for name in ("SECRET_KEY", "BASE_URL", "cookies"):
        assert details[name][0]
        assert details[name][1].endswith("relaxed in development")


@pytest.mark.parametrize("name", ["DEBUG", "TESTING", "SESSION_COOKIE_HTTPONLY"])
def test_development_relaxes_nothing_else(stand: Stand, name: str) -> None:
    stand.without_slow_checks(but_of="settings")
    stand.config(portal_env="development")
    stand.setting(name, not stand.portal.config[name])

    assert len(stand.failing()) == 1


@pytest.mark.parametrize(("version", "is_good"), [("2.2.3", True), ("2.4.0-rc2", True), ("2.5.0", False), ("", False)])
def test_version_of_evolution_is_looked_up(stand: Stand, version: str, is_good: bool) -> None:
    stand.without_slow_checks(but_of="settings")
    stand.evolution.version = version

    assert ("evolution version" not in stand.failing()) is is_good


def only(patch: pytest.MonkeyPatch, *checks: Check) -> None:
    patch.setattr(gate, "GROUPS", {"made up": checks})


def hang(application: Application) -> Outcome:
    threading.Event().wait(5)
    return True, "at last"


def burst(application: Application) -> Outcome:
    raise RuntimeError(f"cannot sign in with {SECRET}")


def fine(application: Application) -> Outcome:
    return True, "fine"


def test_check_that_hangs_fails_in_its_time_and_the_others_go_on(stand: Stand, monkeypatch: pytest.MonkeyPatch) -> None:
    only(monkeypatch, Check("slow", hang, limit_s=0.1), Check("quick", fine))

    slow, quick = stand.run()

    assert (slow.is_ok, slow.detail) == (False, "nothing came of it within 0.1 s")
    assert slow.took_ms < 3000
    assert quick.is_ok


def test_check_that_raises_fails_with_the_class_only(stand: Stand, monkeypatch: pytest.MonkeyPatch) -> None:
    only(monkeypatch, Check("bad", burst))

    assert stand.failing() == {"bad": "raised RuntimeError"}


def test_details_hold_no_secret_and_no_number(stand: Stand, monkeypatch: pytest.MonkeyPatch) -> None:
    only(monkeypatch, Check("bad", lambda application: (False, f"token={SECRET} of {PHONE}")))

    assert stand.failing() == {"bad": "token=[MASKED] of ****4321"}


def test_no_detail_shows_a_secret_of_the_settings(stand: Stand) -> None:
    for name in ("evolution", "SECRET_KEY", "secrets differ", "masking", "web"):
        BREAKS[name](stand)

    said = " ".join(one.detail for one in stand.run())

    secrets = (parts.config.secret_key, parts.config.evolution_api_key, *parts.vault.derived("key-mark"))
    assert [secret for secret in secrets if secret in said] == []


def test_guide_says_of_each_check_what_to_do() -> None:
    table = re.findall(r"^\| (`.*?) \|", GUIDE.read_text(), re.MULTILINE)
    named = {name for row in table for name in re.findall(r"`([^`]+)`( \*)?", row)}

    checks = {(check.name, " *" if check.is_live else "") for _, check in gate.checks_of(Stage.FULL)}
    assert checks - named == set()
