from collections.abc import Iterator

import pytest
from flask import Flask

from local.services import Services
from portal.app import create_app
from portal.extensions import init_parts
from portal.monitor.golive_sql import script
from tests.conftest import make_config
from tests.golive.sql.bench import Bench, Schema


@pytest.fixture(scope="session")
def text() -> str:
    """The whole script."""
    return script.build()


@pytest.fixture(scope="session")
def bench(services: Services, app: Flask, worker_name: str) -> Iterator[Bench]:
    """Any database, under a portal."""
    name = f"portal_golive_{worker_name}"
    services.drop_database(name)
    portal = create_app(make_config(services.create_database(name), services.redis_url))
    portal.testing = True
    portal.config["WTF_CSRF_ENABLED"] = False
    # The parts are one per process: give the other tests theirs back.
    init_parts(app, make_config(services.database_url, services.redis_url))
    bench = Bench(services, portal, name)
    yield bench
    bench.end()


@pytest.fixture(scope="session")
def wanted(bench: Bench, schema: str) -> Schema:
    """What the catalogs say after `flask db upgrade`."""
    bench.begin_as(schema)
    return bench.schema()
