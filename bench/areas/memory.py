"""What each process takes at rest and after work, shared memory shared out (PSS), against a bare view's server."""

import time
from contextlib import ExitStack

from bench.door import Door
from bench.load import press
from bench.rounds import Figure, Figures
from bench.serving import PRODUCTION, start_gunicorn
from bench.stage import Stage, memory_mb, open_stage
from portal import queue

AREA = "memory"
REST_S = 5
APPLIED_S = 120
WAITING = "SELECT count(*) FROM webhook_events WHERE state = 'new'"


def measure(*, is_quick: bool) -> Figures:
    seconds = 2.0 if is_quick else 15.0
    with open_stage() as (stage, folder), ExitStack() as ending:
        stage.fill(units=1, messages=0)
        door = Door(stage)
        portal = start_gunicorn(ending, stage, "wsgi:app", env=PRODUCTION)
        bare = start_gunicorn(ending, stage, "bench.bare_view:app")
        worker = stage.start_worker(folder)
        ending.callback(worker.wait)
        ending.callback(worker.terminate)
        pids = {"web": portal.pid, "bare view": bare.pid, "worker": worker.pid}
        stage.wait_for_worker()
        time.sleep(REST_S)
        found = look(pids, "at rest")
        for server in (portal, bare):
            press(server.port, door.requests(), seconds=seconds)
        wait_until_applied(stage)
        time.sleep(REST_S)
        return found | look(pids, "after work")


def look(pids: dict[str, int], when: str) -> Figures:
    found = Figures()
    for program, pid in pids.items():
        each = memory_mb(pid)
        for name, used_mb in zip(names(program), each.values(), strict=True):
            found[f"{AREA}: {program}, {name}, MB {when}"] = Figure((used_mb,))
        found[f"{AREA}: {program}, all, MB {when}"] = Figure((sum(each.values()),))
    return found


def names(program: str) -> tuple[str, ...]:
    """Of the parent, and of its children in the order in which it started them."""
    return ("supervisor", *queue.QUEUES) if program == "worker" else ("parent", "first", "second")


def wait_until_applied(stage: Stage) -> None:
    until = time.monotonic() + APPLIED_S
    while stage.count(WAITING):
        if time.monotonic() > until:
            raise RuntimeError("the worker does not keep up")
        time.sleep(0.5)
