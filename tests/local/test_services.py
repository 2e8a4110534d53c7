"""The embedded servers: the parts of the wheels, on whatever machine the tests run."""

import os
import signal
import stat
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path
from urllib.parse import parse_qs, urlsplit

import psutil
import psycopg
import pytest
import redis

from local.lock import FolderInUse
from local.processes import LocalError
from local.services import Services

ROOT = Path(__file__).resolve().parents[2]
# Starts both servers, says so, and waits to be ended from outside.
HOLDER = """
import sys, time
from pathlib import Path
from local.services import Services
with Services(Path(sys.argv[1]), prefer="wheels", durable=False) as services:
    print(services.database_url, services.redis_url, flush=True)
    time.sleep(60)
"""


@pytest.fixture
def folder() -> Iterator[Path]:
    """A folder that the user who stands in for root may enter, which pytest's own are not."""
    with tempfile.TemporaryDirectory(prefix="portal-test-") as name:
        Path(name).chmod(0o755)
        yield Path(name) / "instance"


@pytest.fixture
def holder(folder: Path) -> Iterator[subprocess.Popen[str]]:
    """A process of its own that holds the servers of the folder, once both answer."""
    process = subprocess.Popen(
        [sys.executable, "-c", HOLDER, str(folder)],
        cwd=ROOT,
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,
        text=True,
    )
    assert process.stdout is not None
    assert process.stdout.readline()
    yield process
    process.kill()
    process.wait()
    process.stdout.close()


def test_rows_and_keys_are_there_again_after_a_restart(folder: Path) -> None:
    with Services(folder, prefer="wheels") as first:
        with psycopg.connect(first.database_url) as connection:
            connection.execute("CREATE TABLE kept AS SELECT 'São João' AS word")
        redis_of(first).set("kept", "yes")

    with Services(folder, prefer="wheels") as second:
        with psycopg.connect(second.database_url) as connection:
            words = connection.execute("SELECT upper(word) FROM kept").fetchone()
        value = redis_of(second).get("kept")

    assert words == ("SÃO JOÃO",)
    assert value == b"yes"


def test_what_is_kept_is_on_disk_and_redis_evicts_nothing(folder: Path) -> None:
    with Services(folder, prefer="wheels") as services:
        with psycopg.connect(services.database_url) as connection:
            settings = connection.execute("SELECT current_setting('fsync'), current_setting('listen_addresses')")
            postgres = settings.fetchone()
        client = redis_of(services)
        found = {**client.config_get("appendonly"), **client.config_get("maxmemory-policy")}

    assert postgres == ("on", "")
    assert found == {"appendonly": "yes", "maxmemory-policy": "noeviction"}


def test_redis_refuses_who_does_not_know_the_password(folder: Path) -> None:
    with Services(folder, prefer="wheels", durable=False) as services:
        stranger = redis.Redis(port=urlsplit(services.redis_url).port or 0)

        with pytest.raises(redis.AuthenticationError):
            stranger.ping()


def test_databases_are_made_from_a_template_and_dropped(folder: Path) -> None:
    with Services(folder, prefer="wheels", durable=False) as services:
        with psycopg.connect(services.create_database("portal_model")) as connection:
            connection.execute("CREATE TABLE kept AS SELECT 1 AS number")
        copy = services.create_database("portal_copy", template="portal_model")
        with psycopg.connect(copy) as connection:
            numbers = connection.execute("SELECT number FROM kept").fetchall()
        services.drop_database("portal_copy")

        assert numbers == [(1,)]
        with pytest.raises(psycopg.OperationalError, match="portal_copy"):
            psycopg.connect(copy)


def test_named_servers_are_taken_as_they_are(folder: Path) -> None:
    named = {"DATABASE_URL": "postgresql://db.example.test/portal", "REDIS_URL": "redis://redis.example.test:6379/0"}

    with Services(folder, env=named) as services:
        found = services.environment

    assert found == named

    assert not (folder / "postgres").exists()


def test_a_path_too_long_for_a_socket_gets_a_short_one(folder: Path) -> None:
    with Services(folder / ("long" * 25), prefer="wheels", durable=False) as services:
        sockets = socket_folder(services)
        with psycopg.connect(services.database_url) as connection:
            answer = connection.execute("SELECT 1").fetchone()

    assert answer == (1,)
    assert len(str(sockets)) < 90
    assert not sockets.exists()


def test_only_its_owner_may_enter_the_folder_of_the_socket(folder: Path) -> None:
    with Services(folder, prefer="wheels", durable=False) as services:
        mode = stat.S_IMODE(socket_folder(services).stat().st_mode)

    assert mode == 0o700


def test_a_second_run_in_the_same_folder_is_refused(folder: Path, holder: subprocess.Popen[str]) -> None:
    with pytest.raises(FolderInUse, match=str(holder.pid)), Services(folder, prefer="wheels"):
        pass


@pytest.mark.parametrize("how", [signal.SIGTERM, signal.SIGKILL], ids=["terminated", "killed"])
@pytest.mark.skipif(sys.platform != "linux", reason="only Linux ends a child with its parent")
def test_no_server_outlives_its_run(holder: subprocess.Popen[str], how: signal.Signals) -> None:
    servers = psutil.Process(holder.pid).children(recursive=True)

    holder.send_signal(how)

    _, alive = psutil.wait_procs(servers, timeout=20)
    assert len(servers) > 2
    assert alive == []


def test_a_killed_run_leaves_a_folder_that_starts_again(folder: Path, holder: subprocess.Popen[str]) -> None:
    holder.kill()
    holder.wait()

    with Services(folder, prefer="wheels", durable=False) as services, psycopg.connect(services.database_url) as again:
        assert again.execute("SELECT 1").fetchone() == (1,)


def test_a_server_that_outlived_its_run_is_ended_first(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("local.processes._libc", None)
    before = psutil.Process().children()
    abandoned = Services(folder, prefer="wheels", durable=False).__enter__()
    started = [process for process in psutil.Process().children() if process not in before]
    children = [process for process in started if "postgres" in process.name()]
    abandoned._lock.release()

    with Services(folder, prefer="wheels", durable=False) as services, psycopg.connect(services.database_url) as again:
        assert again.execute("SELECT 1").fetchone() == (1,)

    assert all(process.status() == psutil.STATUS_ZOMBIE for process in children if process.is_running())
    abandoned.stop()


def test_a_stale_number_of_a_foreign_process_is_no_obstacle(folder: Path) -> None:
    with Services(folder, prefer="wheels", durable=False) as services:
        data = socket_folder(services)
    (data / "postmaster.pid").write_text(f"{os.getpid()}\n{data}\n{int(time.time())}\n5432\n{data}\n\n")

    with Services(folder, prefer="wheels", durable=False) as services, psycopg.connect(services.database_url) as again:
        assert again.execute("SELECT 1").fetchone() == (1,)


def test_data_of_a_version_that_is_gone_is_left_alone(folder: Path) -> None:
    data = folder / "postgres" / "data"
    data.mkdir(parents=True)
    (data / "PG_VERSION").write_text("9\n")

    with pytest.raises(LocalError, match="made by PostgreSQL 9"), Services(folder, prefer="wheels"):
        pass


def test_a_folder_closed_to_everybody_else_serves_too(
    folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("local.postgres.SHELTER", folder)
    tmp_path.chmod(0o700)

    with (
        Services(tmp_path, prefer="wheels", durable=False) as services,
        psycopg.connect(services.database_url) as alive,
    ):
        answer = alive.execute("SELECT 1").fetchone()

    assert answer == (1,)


def redis_of(services: Services) -> "redis.Redis":
    return redis.Redis.from_url(services.redis_url)


def socket_folder(services: Services) -> Path:
    return Path(parse_qs(urlsplit(services.database_url).query)["host"][0])
