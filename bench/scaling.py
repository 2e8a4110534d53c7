"""What a unit costs that does nothing, what a message and a webhook cost, and which pages bear many units.

Each size in a database of its own, with the real processes: gunicorn, one worker, and a gateway that stands in for as
many Evolution servers as so many units need. What costs the same with ten times the units has a ratio of 1.
"""

import argparse
import asyncio
import json
import math
import statistics
import time
import urllib.request
from collections.abc import Callable, Iterator, Mapping
from contextlib import ExitStack
from dataclasses import asdict
from pathlib import Path
from uuid import UUID

from bench.claim import RESET
from bench.inbox import browser, looking
from bench.living import IN_TURN, bring_to_life, make_tokens
from bench.looks import look_often
from bench.machine import describe, moment
from bench.serving import PRODUCTION, start_gunicorn, start_worker
from bench.soak import SENDS_PER_TOKEN_S, UNSETTLED
from bench.soak_load import Ask, Load, keep_pace
from bench.soak_looks import CpuClock
from bench.stage import FILL, Stage, memory_mb, open_stage
from portal.outbox import feeding, lanes, owners, servers
from portal.permissions import Role

UNITS_PER_SERVER = 70
SENDS_PER_S, WEBHOOKS_PER_S = 20.0, 50.0
LOOKS, WARM_UP_LOOKS = 5, 2
DUE, MOST_FREE = 50, 192
SETTLED_S, FIRST_ROUND_S = 120.0, 300.0
# Before the rest is measured.
PAUSE_S = 10.0
# A worker that finds that none was there compares all units at once.
OVERDUE = "SELECT count(*) FROM unit_whatsapp_connections WHERE compare_at < now() - interval '20 seconds'"
# The database tells what it counted about a second later.
COUNTED_S = 2.0
SIZE = (
    "SELECT sum(pg_total_relation_size(oid))::bigint FROM pg_class"
    " WHERE relkind = 'r' AND relnamespace = 'public'::regnamespace"
)
INSERTED = "SELECT sum(n_tup_ins - n_tup_del)::bigint FROM pg_stat_user_tables"
WRITTEN = "SELECT sum(n_tup_ins + n_tup_upd + n_tup_del)::bigint FROM pg_stat_user_tables"
# So long ago is the oldest check of any unit.
CHECKED_MS = "SELECT (extract(epoch FROM now() - min(checked_at)) * 1000)::bigint FROM unit_whatsapp_connections"
# For the operators' home: companies beside the one that has all units.
COMPANIES = (
    "INSERT INTO tenants (id, name, slug) SELECT gen_random_uuid(), 'Other ' || n, 'other-' || n"
    " FROM generate_series(1, {many}) n"
)
WITHOUT_WORK = "UPDATE lanes SET has_work = false, message_id = NULL"
WITH_WORK = (
    "UPDATE lanes SET has_work = true, next_send_at = now() WHERE unit_id IN (SELECT unit_id FROM lanes LIMIT {due})"
)
Costs = dict[str, float]


def main() -> None:
    options = argparse.ArgumentParser(description=__doc__)
    options.add_argument("--units", default="100,1000,10000", help="one size or several")
    options.add_argument("--rest-s", type=float, default=60.0)
    options.add_argument("--messages", type=int, default=500)
    options.add_argument("--webhooks", type=int, default=2000)
    options.add_argument("--out", type=Path, default=Path("bench/results/scaling.json"))
    given = options.parse_args()
    sizes = [int(size) for size in given.units.split(",")]
    if min(sizes) < DUE:
        options.error(f"a claim of {DUE} needs as many units")
    found: dict[int, Costs] = {}
    for units in sizes:
        with open_stage() as (stage, folder), ExitStack() as ending:
            began, machine = moment(), describe(stage.env["DATABASE_URL"], stage.env["REDIS_URL"])
            print(f"{units:,} units, load {began.load:.1f}", flush=True)
            found[units] = measure(ending, stage, folder, units, given)
        for what, cost in found[units].items():
            print(f"  {what}: {cost:,.2f}", flush=True)
    show(found)
    given.out.parent.mkdir(parents=True, exist_ok=True)
    given.out.write_text(json.dumps({"machine": machine, "last": asdict(began), "found": found}, indent=1))


def measure(ending: ExitStack, stage: Stage, folder: Path, units: int, given: argparse.Namespace) -> Costs:
    with ExitStack() as running:
        site = Site(running, stage, folder, units, sends=given.messages)
        costs = {**site.unit_costs(), **site.at_rest(given.rest_s)}
        costs |= site.work("message", given.messages, SENDS_PER_S, site.load.send)
        asyncio.run(site.load.read_report())
        costs |= site.work("webhook", given.webhooks, WEBHOOKS_PER_S, site.load.post)
        if site.load.refused:
            raise RuntimeError(f"refused: {site.load.refused}")
    return {**costs, **claims(stage), **pages(stage)}


class Site:
    """A portal at work with so many units: what its parts use at rest, and what each thing adds to that."""

    def __init__(self, ending: ExitStack, stage: Stage, folder: Path, units: int, *, sends: int) -> None:
        self._stage, self._number, self._gateway = stage, units, stage.gateways[0]
        size_before, rows_before = stage.count(SIZE), stage.count(INSERTED)
        # One process under as many addresses.
        many = math.ceil(units / UNITS_PER_SERVER)
        stage.gateways = [f"{self._gateway}/server-{number}" for number in range(many)]
        stage.fill(units=units, messages=0)
        living = bring_to_life(stage)
        time.sleep(COUNTED_S)
        self._size, self._rows = stage.count(SIZE) - size_before, stage.count(INSERTED) - rows_before
        stage.run(COMPANIES.format(many=units // 10))
        self._web = start_gunicorn(ending, stage, "wsgi:app", env=PRODUCTION, log=folder / "web.log")
        self._worker_pid = start_worker(ending, stage, env=PRODUCTION, log=folder / "worker.log")
        tokens = make_tokens(stage, math.ceil(SENDS_PER_S / SENDS_PER_TOKEN_S))
        self.load = Load(self._web.port, self._gateway, living, tokens, sends)
        connection = ending.enter_context(stage.connect())
        self._clock = CpuClock(connection, {"web": self._web.pid, "worker": self._worker_pid})
        self._rest: Costs = {}
        self._written_per_s = 0.0

    def unit_costs(self) -> Costs:
        return {"unit: KB": self._size / 1024 / self._number, "unit: rows": self._rows / self._number}

    def at_rest(self, seconds: float) -> Costs:
        # With so many units that they never all have their turn, it is the age of the oldest check that tells.
        self._has_ended(OVERDUE, FIRST_ROUND_S)
        self._stage.run(IN_TURN)
        time.sleep(PAUSE_S)
        self._calls()
        written = self._stage.count(WRITTEN)
        cpu_s = self._cpu_s(lambda: time.sleep(seconds))
        minute = 60 / seconds
        calls = {f"rest: {call} calls a minute": number * minute for call, number in self._calls().items()}
        self._rest = {program: used_s / seconds for program, used_s in cpu_s.items()}
        self._written_per_s = (self._stage.count(WRITTEN) - written) / seconds
        return {
            **{f"rest: {program}, CPU s a minute": used_s * minute for program, used_s in cpu_s.items()},
            "rest: rows written or changed a minute": self._written_per_s * 60,
            "rest: calls a minute": sum(calls.values()),
            **calls,
            "rest: oldest check, s": self._stage.count(CHECKED_MS) / 1000,
            "rest: web, MB": sum(memory_mb(self._web.pid).values()),
            "rest: worker, MB": sum(memory_mb(self._worker_pid).values()),
        }

    def work(self, what: str, number: int, per_s: float, ask: Ask) -> Costs:
        """What one of so many costs beyond the rest."""
        time.sleep(COUNTED_S)
        before = [self._stage.count(statement) for statement in (SIZE, INSERTED, WRITTEN)]
        began_at = time.perf_counter()

        def act() -> None:
            asyncio.run(keep_pace(self._web.port, per_s, time.perf_counter() + number / per_s, ask))
            if not self._has_ended(UNSETTLED, SETTLED_S):
                raise RuntimeError("the worker does not keep up")

        cpu_s = self._cpu_s(act)
        took_s = time.perf_counter() - began_at
        time.sleep(COUNTED_S)
        after = [self._stage.count(statement) for statement in (SIZE, INSERTED, WRITTEN)]
        size, rows, written = (later - earlier for earlier, later in zip(before, after, strict=True))
        return {
            **{
                f"{what}: {program}, CPU ms": (used_s - self._rest[program] * took_s) * 1000 / number
                for program, used_s in cpu_s.items()
            },
            f"{what}: KB": size / 1024 / number,
            f"{what}: rows": rows / number,
            f"{what}: rows written or changed": (written - self._written_per_s * (took_s + COUNTED_S)) / number,
        }

    def _has_ended(self, what: str, within_s: float) -> bool:
        """Whether there is none of it any more within that time."""
        until = time.monotonic() + within_s
        while self._stage.count(what):
            if time.monotonic() > until:
                return False
            time.sleep(0.2)
        return True

    def _cpu_s(self, act: Callable[[], None]) -> dict[str, float]:
        """Of web, worker and database, while that is done."""
        before = self._clock.read()
        act()
        after = self._clock.read()
        return {program: after[program] - before[program] for program in ("web", "worker", "database")}

    def _calls(self) -> dict[str, int]:
        """What was asked of Evolution since the last look."""
        with urllib.request.urlopen(f"{self._gateway}/calls", timeout=30) as answer:
            return dict(json.load(answer))


def claims(stage: Stage) -> Costs:
    """What the outbox looks at again and again: with no lane due, and with some."""
    stage.run(WITHOUT_WORK)
    owner_id = owners.new_owner()
    with stage.app.app_context():
        free = {server.id: MOST_FREE for server in servers.list_servers()}
        known = list(free)
        looks: dict[str, Callable[[], object]] = {
            "claim, none due": lambda: lanes.claim(owner_id, free=free, keeping_ids=[]),
            "turns of campaigns, none due": lambda: feeding.feed(known),
            "seconds to the next": lambda: lanes.seconds_to_next(known),
            "list of servers": servers.list_servers,
        }
        costs = {f"outbox: {name}, ms": _median_ms(look) for name, look in looks.items()}
        with stage.connect() as connection:
            connection.execute(FILL[-1], {"messages": 1, "gap_s": 0.0})
            connection.execute("VACUUM ANALYZE")
        stage.run(WITH_WORK.format(due=DUE))
        costs[f"outbox: claim of {DUE}, ms"] = statistics.median(_claims(stage, free))
    return costs


def _claims(stage: Stage, free: Mapping[UUID, int]) -> Iterator[float]:
    owner_id = owners.new_owner()
    for number in range(WARM_UP_LOOKS + LOOKS):
        began_at = time.perf_counter()
        claimed = lanes.claim(owner_id, free=free, keeping_ids=[])
        took_ms = (time.perf_counter() - began_at) * 1000
        if len(claimed) != DUE:
            raise RuntimeError(f"claimed {len(claimed)} instead of {DUE}")
        if number >= WARM_UP_LOOKS:
            yield took_ms
        for statement in RESET:
            stage.run(statement)


def _median_ms(look: Callable[[], object]) -> float:
    look_often(look, WARM_UP_LOOKS)
    took_ms, _cpu_ms = look_often(look, LOOKS)
    return statistics.median(took_ms)


def pages(stage: Stage) -> Costs:
    """What people open who have all those units, or run the portal."""
    admin = browser(stage, "admin@bench.test", Role.TENANT_ADMIN)
    operator = browser(stage, "operator@bench.test", Role.SUPER_ADMIN, tenant=None)
    looks = {
        "home": looking(admin, "/t/bench/home"),
        "units": looking(admin, "/t/bench/"),
        "a unit": looking(admin, "/t/bench/units/unit-7"),
        "conversations": looking(admin, "/t/bench/conversations"),
        "operators' home": looking(operator, "/operator/"),
        "operators' servers": looking(operator, "/operator/servers"),
    }
    costs = {}
    for page, look in looks.items():
        look_often(look, WARM_UP_LOOKS)
        took_ms, cpu_ms = look_often(look, LOOKS)
        costs[f"page: {page}, ms"] = statistics.median(took_ms)
        costs[f"page: {page}, CPU ms"] = statistics.median(cpu_ms)
        costs[f"page: {page}, KB"] = look()[1] / 1024
    return costs


def show(found: Mapping[int, Costs]) -> None:
    """Every cost at every size, and how many times the first one the last one is."""
    first, *_, last = found.values() if len(found) > 1 else (*found.values(), *found.values())
    print("cost", *(f"{units:,} units" for units in found), "ratio", sep=" | ")
    for what in last:
        ratio = f"{last[what] / first[what]:.2f}" if first.get(what) else ""
        print(what, *(f"{costs.get(what, 0.0):,.2f}" for costs in found.values()), ratio, sep=" | ")


if __name__ == "__main__":
    main()
