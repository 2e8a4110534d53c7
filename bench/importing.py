"""Lists of people: how long the check and the import of one take, in how much memory, and against a bare COPY."""

import argparse
import gc
import io
import json
import statistics
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from uuid import UUID, uuid4

import psycopg
from uuid_utils import uuid7

from bench.people import list_rows, make_list
from bench.stage import Stage, open_stage
from portal.background import imports as worker
from portal.models import Import, ImportState
from portal.phone import NotAPhone, canonical
from portal.queries import imports as queries
from portal.services import imports, tenants
from portal.services.audit import Actor
from portal.tables.columns import ColumnRole
from portal.tenancy import TenantScope, acting_for

SAMPLE_S = 0.05


@dataclass(frozen=True)
class Figure:
    """What one stage took: seconds, those of this process's CPU (the database has its own), and its memory's rise."""

    seconds: float
    cpu_s: float
    growth_mb: float


def main() -> None:
    options = argparse.ArgumentParser(description=__doc__)
    options.add_argument("--rows", type=int, default=100_000)
    options.add_argument("--runs", type=int, default=3)
    options.add_argument("--xlsx", action="store_true", help="the same list as a spreadsheet")
    chosen = options.parse_args()
    with open_stage() as (stage, folder), stage.app.app_context():
        content = make_list(chosen.rows, folder, is_spreadsheet=chosen.xlsx)
        print(f"{chosen.rows} rows, {len(content) / 1e6:.1f} MB")
        warm_up(folder, is_spreadsheet=chosen.xlsx)
        runs = [run(content, f"run-{number}") for number in range(chosen.runs)]
        copies = [copy(stage, chosen.rows, f"copy-{number}") for number in range(chosen.runs)]
    for name in runs[0]:
        seconds = statistics.median(figures[name].seconds for figures in runs)
        growth_mb = max(figures[name].growth_mb for figures in runs)
        cpu_s = statistics.median(figures[name].cpu_s for figures in runs)
        print(f"  {name}: {seconds:.2f} s, {cpu_s:.2f} s of CPU here, memory +{growth_mb:.1f} MB at most")
    print(f"  COPY of the same people: {statistics.median(copies):.2f} s")


def warm_up(folder: Path, *, is_spreadsheet: bool = False) -> None:
    """Load what the process needs for good, which the worker also keeps from the garbage collector."""
    run(make_list(1_000, folder, is_spreadsheet=is_spreadsheet), "warm-up")
    gc.collect()
    gc.freeze()


def run(content: bytes, name: str) -> dict[str, Figure]:
    """Stage -> figure, for a new tenant; the same list once more, and the undoing, among them."""
    scope = TenantScope(tenants.create_tenant(name=name, slug=name, by=Actor(None)).id)
    figures = {}
    listed = _begin(scope, content, f"{name}.csv")
    figures["read"] = measured(work)
    figures["check"] = _check(scope, listed.id)
    figures["import"] = _import(scope, listed.id)
    first = _look(scope, listed.id)
    print(f"  {name}: {json.dumps(first.counts)}")
    # One byte more, or it would be known as the same file; a package may have some behind its end.
    again = _begin(scope, content + b"\n", f"{name}.csv")
    work()
    figures["check again"] = _check(scope, again.id)
    figures["import again"] = _import(scope, again.id)
    counts = _look(scope, again.id).counts or {}
    if counts["added"] or counts["updated"] or counts["tagged"]:
        raise RuntimeError(f"the second time changed something: {counts}")
    with acting_for(scope):
        imports.undo(scope, listed.id)
    figures["undo"] = measured(work)
    _look(scope, listed.id)
    return figures


def work() -> None:
    while worker.work(uuid4(), lambda: False):
        pass


def measured(act: Callable[[], None]) -> Figure:
    with _memory() as growth_mb:
        began_at, cpu_before_s = time.monotonic(), time.process_time()
        act()
        seconds, cpu_s = time.monotonic() - began_at, time.process_time() - cpu_before_s
    return Figure(seconds, cpu_s, growth_mb())


def copy(stage: Stage, rows: int, slug: str) -> float:
    """Seconds to COPY the people of the list into `contacts`, without looking at them: the floor."""
    tenant_id = tenants.create_tenant(name=slug, slug=slug, by=Actor(None)).id
    people: dict[str, tuple[str, str]] = {}
    for number, name, city, _tags in list_rows(rows):
        try:
            people.setdefault(canonical(number), (name, city))
        except NotAPhone:
            continue
    with psycopg.connect(stage.env["DATABASE_URL"]) as connection:
        began_at = time.monotonic()
        columns = "COPY contacts (id, tenant_id, kind, phone, name, attributes, created_at) FROM STDIN"
        with connection.cursor().copy(columns) as to:
            for phone, (name, city) in people.items():
                to.write_row((str(uuid7()), tenant_id, "person", phone, name, json.dumps({"Cidade": city}), "now"))
        connection.commit()
        return time.monotonic() - began_at


def _begin(scope: TenantScope, content: bytes, name: str) -> Import:
    with acting_for(scope):
        return imports.begin(scope, file_name=name, content=io.BytesIO(content))


def _check(scope: TenantScope, import_id: UUID) -> Figure:
    with acting_for(scope):
        layout = queries.get_import(scope, import_id).layout or {}
        roles = [ColumnRole.from_dict(role) for role in layout["suggested"]]
        imports.map_columns(scope, import_id, roles=roles, tag_names=[])
    return measured(work)


def _import(scope: TenantScope, import_id: UUID) -> Figure:
    with acting_for(scope):
        imports.confirm(scope, import_id)
    return measured(work)


def _look(scope: TenantScope, import_id: UUID) -> Import:
    with acting_for(scope):
        listed = queries.get_import(scope, import_id)
    if listed.state not in (ImportState.DONE, ImportState.UNDONE):
        raise RuntimeError(f"{listed.state}: {listed.problem}")
    return listed


@contextmanager
def _memory() -> Iterator[Callable[[], float]]:
    """How far this process's resident memory rises above where it is now, looked at every 50 ms."""
    before, peak, is_over = _resident_mb(), 0.0, threading.Event()

    def look() -> None:
        nonlocal peak
        while not is_over.wait(SAMPLE_S):
            peak = max(peak, _resident_mb())

    watcher = threading.Thread(target=look)
    watcher.start()
    try:
        yield lambda: max(0.0, peak - before)
    finally:
        is_over.set()
        watcher.join()


def _resident_mb() -> float:
    pages = int(Path("/proc/self/statm").read_text().split()[1])
    return pages * 4096 / 1e6


if __name__ == "__main__":
    main()
