"""Pages of a company that PostgreSQL knows, and of one that came since it last counted its rows."""

import argparse
import statistics
from collections.abc import Callable

from bench import inbox, inbox_rows
from bench.looks import look_often
from bench.stage import Stage, open_stage

TIMES, WARM_UP = 10, 3
# The same counts, of other companies and units: so they are when those that are looked at came after them.
OF_OTHERS = """
    UPDATE pg_statistic SET stavalues1 = array_in(
        ('{' || (SELECT string_agg(gen_random_uuid()::text, ',') FROM unnest(stanumbers1)) || '}')::cstring,
        'uuid'::regtype, -1)
    FROM pg_attribute AS a
    WHERE a.attrelid = starelid AND a.attnum = staattnum AND a.attname IN ('tenant_id', 'unit_id') AND stakind1 = 1
"""
SEARCH = "/t/bench/conversations?q="


def main() -> None:
    options = argparse.ArgumentParser(description=__doc__)
    options.add_argument("--messages", type=int, default=60_000)
    with open_stage(gateways=()) as (stage, _folder):
        inbox_rows.fill(stage, options.parse_args().messages)
        stay_as_counted(stage)
        admin, _agent = inbox.browsers(stage)
        looks = dict(inbox.pages(stage, admin))
        looks |= {f"search: {word}": inbox.looking(admin, SEARCH + word) for word in ("entrega", inbox_rows.RARE_WORD)}
        known = {page: median_ms(look) for page, look in looks.items()}
        forget(stage)
        for page, look in looks.items():
            new_ms = median_ms(look)
            print(f"{page:<40} {known[page]:8.1f} ms, new {new_ms:8.1f} ms, x {new_ms / known[page]:.2f}", flush=True)


def stay_as_counted(stage: Stage) -> None:
    with stage.connect() as connection:
        tables = connection.execute("SELECT relname FROM pg_stat_user_tables").fetchall()
        for (table,) in tables:
            connection.execute(f'ALTER TABLE "{table}" SET (autovacuum_enabled = false)')


def forget(stage: Stage) -> None:
    """Only a superuser may, as whom an embedded database is entered."""
    with stage.connect() as connection:
        connection.execute("SET allow_system_table_mods = on")
        connection.execute(OF_OTHERS)
    inbox.engine_of(stage).dispose()


def median_ms(look: Callable[[], object]) -> float:
    look_often(look, WARM_UP)
    return statistics.median(look_often(look, TIMES)[0])


if __name__ == "__main__":
    main()
