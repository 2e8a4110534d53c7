"""Does to a running portal what the plan of a scenario says."""

import os
import signal
import time
from collections import Counter
from collections.abc import Callable, Sequence
from contextlib import suppress

import psutil
import redis

from bench.disturbance import Timetable
from local.processes import read_pid
from local.services import DATABASE
from tests.chaos.scenarios import Fault, Strike
from tests.chaos.site import Site
from tests.running.program import Program

LOOK_S = 0.02
JUMPS_S = (-600, 600)
SLOW = {"latency": {"rate": 0.7, "seconds": [0.5, 3.0]}}
Heal = Callable[[], None]


class Injector:
    """`done`: how often each fault was done."""

    def __init__(self, site: Site) -> None:
        self._site = site
        self._timetable = Timetable()
        self.done: Counter[Fault] = Counter()

    def go_through(self, strikes: Sequence[Strike]) -> None:
        """Do them all, each at its time, and heal what heals; what cannot be done here is left out."""
        for strike in strikes:
            if strike.fault not in self._site.impossible:
                self._timetable.add(strike.at_s, lambda strike=strike: self._do(strike))
        while self._timetable.entries:
            # From this thread: a program ends with the thread that started it.
            self._timetable.do_due()
            time.sleep(LOOK_S)

    def _do(self, strike: Strike) -> None:
        heal = DEEDS[strike.fault](self._site, strike)
        self.done[strike.fault] += 1
        if heal is not None:
            self._timetable.add(time.monotonic() - self._timetable.began_at + strike.length_s, heal)


def kill_web(site: Site, strike: Strike) -> None:
    kill(site.stack.web)


def kill_worker(site: Site, strike: Strike) -> None:
    kill(strike.pick(site.stack.workers))


def kill(program: Program) -> None:
    program.kill()
    program.begin()


def kill_child(site: Site, strike: Strike) -> None:
    """As the system does when memory is short: the supervisor is left."""
    processes = [psutil.Process(worker.pid) for worker in site.stack.workers]
    if children := [child for process in processes for child in process.children()]:
        strike.pick(children).kill()


def kill_backend(site: Site, strike: Strike) -> None:
    """PostgreSQL ends all others with it, and goes through its log."""
    if backends := backends_of(site):
        strike.pick(backends).kill()


def backends_of(site: Site) -> list[psutil.Process]:
    """Found past the database itself, which may not answer."""
    pid = read_pid(site.services.database_folder / "data" / "postmaster.pid")
    if pid is None or not psutil.pid_exists(pid):
        return []
    found = []
    for process in psutil.Process(pid).children():
        with suppress(psutil.NoSuchProcess):
            if f" {DATABASE} " in " ".join(process.cmdline()):
                found.append(process)
    return found


def freeze_web(site: Site, strike: Strike) -> Heal:
    return freeze(site.stack.web)


def freeze_worker(site: Site, strike: Strike) -> Heal:
    return freeze(strike.pick(site.stack.workers))


def freeze(program: Program) -> Heal:
    group = program.pid
    os.killpg(group, signal.SIGSTOP)

    def heal() -> None:
        # It may have been killed meanwhile.
        with suppress(ProcessLookupError):
            os.killpg(group, signal.SIGCONT)

    return heal


def cut(site: Site, strike: Strike) -> Heal:
    proxy = site.proxies[strike.fault]
    proxy.cut()
    return proxy.mend


def restart_database(site: Site, strike: Strike) -> None:
    # Whoever starts it again makes room for it first.
    if site.disk is not None:
        site.disk.clear()
    site.services.postgres.stop()
    site.services.postgres.start()


def empty_redis(site: Site, strike: Strike) -> None:
    with redis.Redis.from_url(site.stack.env["REDIS_URL"]) as client:
        client.flushall()


def fill_disk(site: Site, strike: Strike) -> Heal:
    disk = site.disk
    assert disk is not None
    disk.fill()

    def heal() -> None:
        disk.clear()
        # It ends when it can write its log no more.
        if not site.services.postgres.is_running:
            restart_database(site, strike)

    return heal


def jump(site: Site, strike: Strike) -> Heal:
    clock = site.clock
    assert clock is not None
    clock.jump(strike.pick(JUMPS_S))
    return lambda: clock.jump(0)


def slow_evolution(site: Site, strike: Strike) -> Heal:
    site.stack.simulator.change(faults=SLOW)
    return lambda: site.stack.simulator.change(faults=None)


DEEDS: dict[Fault, Callable[[Site, Strike], Heal | None]] = {
    Fault.WEB_KILLED: kill_web,
    Fault.WORKER_KILLED: kill_worker,
    Fault.CHILD_KILLED: kill_child,
    Fault.BACKEND_KILLED: kill_backend,
    Fault.WEB_FROZEN: freeze_web,
    Fault.WORKER_FROZEN: freeze_worker,
    Fault.DATABASE_CUT: cut,
    Fault.REDIS_CUT: cut,
    Fault.EVOLUTION_CUT: cut,
    Fault.DATABASE_RESTARTED: restart_database,
    Fault.REDIS_EMPTIED: empty_redis,
    Fault.DISK_FULL: fill_disk,
    Fault.CLOCK_JUMPED: jump,
    Fault.EVOLUTION_SLOW: slow_evolution,
}
