"""A list of 100,000 people: all of its import, against a bare COPY and against rows of an ORM."""

import itertools
from collections.abc import Iterator

from bench import importing, people, usual_build
from bench.rounds import Figures, Measured, compare, ratios
from bench.stage import Stage, open_stage

AREA = "import"
SECONDS, PER_S = "s", "rows/s"
PORTAL, FLOOR, USUAL = "portal", "COPY", "usual build"
STEPS = ("read", "check", "import")


def measure(*, is_quick: bool) -> Figures:
    rounds, rows, usual_rows = (1, 2_000, 500) if is_quick else (3, 100_000, 5_000)
    with open_stage() as (stage, folder), stage.app.app_context():
        content, numbers = people.make_list(rows, folder), itertools.count()
        importing.warm_up(folder)
        acts = {
            PORTAL: lambda: by_portal(content, rows, numbers),
            FLOOR: lambda: by_copy(stage, rows, numbers),
            USUAL: lambda: usual_build.in_own_process(stage.env, "--rows", str(usual_rows)),
        }
        found = compare(AREA, rounds, acts)
    return found | ratios(found, AREA, PER_S, [(PORTAL, FLOOR), (PORTAL, USUAL)])


def by_portal(content: bytes, rows: int, numbers: Iterator[int]) -> Measured:
    """The import checks each row anew; before it, a check shows what would come of it."""
    figures = importing.run(content, f"run-{next(numbers)}")
    return {
        PER_S: rows / figures["import"].seconds,
        SECONDS: figures["import"].seconds,
        "s with reading and showing the check": sum(figures[step].seconds for step in STEPS),
        "MB of memory more": max(figures[step].growth_mb for step in STEPS),
    }


def by_copy(stage: Stage, rows: int, numbers: Iterator[int]) -> Measured:
    seconds = importing.copy(stage, rows, f"copy-{next(numbers)}")
    return {PER_S: rows / seconds, SECONDS: seconds}
