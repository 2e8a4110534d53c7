"""Where the host denies CREATE ROLE, the policies are forced on whoever runs the script: it works there, too."""

from collections.abc import Iterator
from urllib.parse import urlsplit

import pytest

from tests.golive.sql.bench import SUCCESS, Bench, blocks
from tests.golive.sql.older import DUPLICATES, PLAIN, TABLES

ROLE = "portal_golive_owner"


@pytest.fixture
def owner(bench: Bench) -> Iterator[str]:
    """The URL of an empty database as its owner, who may make no roles and has none of the portal's."""
    bench.begin()
    role = f"{ROLE}_{bench.name}"
    bench.run(
        f"DROP ROLE IF EXISTS {role}",
        f"CREATE ROLE {role} LOGIN NOSUPERUSER NOCREATEROLE NOCREATEDB",
        f"ALTER DATABASE {bench.name} OWNER TO {role}",
    )
    parts = urlsplit(bench.url)
    yield parts._replace(netloc=f"{role}@{parts.netloc.rpartition('@')[2]}").geturl()
    bench.begin(f"ALTER DATABASE {bench.name} OWNER TO CURRENT_USER", f"DROP ROLE {role}")


@pytest.mark.parametrize("way", ["all at once", "block by block"])
def test_older_database_is_moved_and_forced(bench: Bench, owner: str, text: str, way: str) -> None:
    statements = [text] if way == "all at once" else blocks(text)
    bench.run(TABLES, PLAIN, DUPLICATES, url=owner)

    first = bench.run(*statements, url=owner)
    rows = bench.rows()
    second = bench.run(*statements, url=owner)

    assert (first[-1], second[-1]) == (f"NOTICE: {SUCCESS}", f"NOTICE: {SUCCESS}")
    assert bench.rows() == rows
    assert len(rows["messages"]) == 7
    forced = "SELECT relforcerowsecurity FROM pg_class WHERE relname IN ('messages', 'contacts', 'tenants')"
    assert bench.values_of(forced) == [True] * 3
    bench.flask("db", "check")
