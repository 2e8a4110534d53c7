"""The webhook door, against a bare view that stores the same row, the usual build, and another server."""

from contextlib import ExitStack
from functools import partial

from bench import usual_build
from bench.door import Door
from bench.load import pace, press
from bench.rounds import Figures, Measured, compare, percentile, ratios
from bench.serving import PRODUCTION, Server, start_granian, start_gunicorn, start_sync_gunicorn
from bench.stage import Stage, open_stage

AREA = "receive"
CALM_PER_S = 200
PER_S, CPU, CALM_P99 = "webhooks/s", "CPU ms each", "p99 ms at 200/s"
PORTAL, BARE, USUAL = "portal", "bare view", "usual build"
GRANIAN, TOGETHER = "portal under granian", "portal with commit_delay"
# PostgreSQL's own group commit: whoever commits while four others are at work waits half a millisecond for them.
COMMIT_DELAY = {"PGOPTIONS": "-c commit_delay=500 -c commit_siblings=4"}


def measure(*, is_quick: bool) -> Figures:
    rounds, seconds = (2, 1.0) if is_quick else (5, 3.0)
    with open_stage() as (stage, folder), ExitStack() as ending:
        stage.fill(units=1, messages=0)
        with usual_build.create_app(stage.env["DATABASE_URL"]).app_context():
            usual_build.db.create_all()
        door, servers = Door(stage), start_all(ending, stage)
        acts = {who: partial(hurried, server, door, seconds) for who, server in servers.items()}
        compare(AREA, 1, acts)
        found = compare(AREA, rounds, acts)
        stage.run("DELETE FROM webhook_events")
        worker = stage.start_worker(folder)
        ending.callback(worker.wait)
        ending.callback(worker.terminate)
        # Of the usual build nothing applies what comes.
        calm = {who: partial(calmly, servers[who], door, seconds) for who in (PORTAL, BARE)}
        compare(AREA, 1, calm)
        found |= compare(AREA, rounds, calm)
        # Of an instance that it does not know the door says 200 as well.
        if stage.count("SELECT count(*) FROM webhook_counts"):
            raise RuntimeError("the door did not take what was posted")
    peers = [(who, BARE) for who in servers if who != BARE]
    return {
        **found,
        **ratios(found, AREA, PER_S, [*peers, (GRANIAN, PORTAL), (TOGETHER, PORTAL), (PORTAL, USUAL)]),
        **ratios(found, AREA, CALM_P99, [(PORTAL, BARE)]),
    }


def start_all(ending: ExitStack, stage: Stage) -> dict[str, Server]:
    return {
        PORTAL: start_gunicorn(ending, stage, "wsgi:app", env=PRODUCTION),
        BARE: start_gunicorn(ending, stage, "bench.bare_view:app"),
        USUAL: start_sync_gunicorn(ending, stage, "bench.usual_build:serve()"),
        GRANIAN: start_granian(ending, stage, "wsgi:app", env=PRODUCTION),
        TOGETHER: start_gunicorn(ending, stage, "wsgi:app", env={**PRODUCTION, **COMMIT_DELAY}),
    }


def hurried(server: Server, door: Door, seconds: float) -> Measured:
    """64 connections, each of which posts as soon as it is answered."""
    cpu_before_s = server.cpu_s()
    answered = press(server.port, door.requests(), seconds=seconds)
    cpu_ms = (server.cpu_s() - cpu_before_s) * 1000
    return {PER_S: answered.per_s, CPU: cpu_ms / len(answered.took_ms), "p99 ms": percentile(answered.took_ms, 0.99)}


def calmly(server: Server, door: Door, seconds: float) -> Measured:
    """200 a second, while the worker applies what comes."""
    answered = pace(server.port, door.requests(), per_s=CALM_PER_S, seconds=seconds)
    return {"p50 ms at 200/s": percentile(answered.took_ms, 0.5), CALM_P99: percentile(answered.took_ms, 0.99)}
