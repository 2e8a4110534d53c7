"""A thousand units at one message a second each, against the ceiling of `requests` and one job per message."""

import subprocess
import sys
import time
from concurrent.futures import ThreadPoolExecutor
from uuid import uuid4

import redis
import requests
from rq import Queue

from bench import send, usual_build
from bench.rounds import Figures, Measured, compare, percentile, ratios
from bench.send import GAP_S
from bench.stage import API_KEY, ROOT, Stage, open_stage, report

AREA = "send"
PER_S = "messages/s"
RELAY, CEILING, USUAL = "relay", "requests in threads", "usual build"
# More than wait at once for a server of 50 ms at 1,000 a second.
THREADS = 64
NUMBER = "5511999990001"


def measure(*, is_quick: bool) -> Figures:
    rounds, units, seconds = (1, 50, 6) if is_quick else (3, 1_000, 20)
    with open_stage() as (stage, _folder):
        acts = {
            RELAY: lambda: by_relay(units, seconds),
            CEILING: lambda: in_threads(stage.gateways[0], seconds / 2),
            USUAL: lambda: by_jobs(stage, seconds // 2),
        }
        found = compare(AREA, rounds, acts)
    return found | ratios(found, AREA, PER_S, [(RELAY, CEILING), (RELAY, USUAL)])


def by_relay(units: int, seconds: int) -> Measured:
    with open_stage() as (stage, folder):
        pace = send.measure(stage, folder, units=units, seconds=seconds)
    return {
        PER_S: pace.per_s,
        "share of what was due": pace.sent / pace.wanted,
        "p95 ms late": percentile(pace.late_ms, 0.95),
        "p99 ms late": percentile(pace.late_ms, 0.99),
        "smallest gap s": pace.smallest_gap_s,
        "twice or in doubt": pace.twice + pace.in_doubt,
        "CPU of a core": sum(cpu for cpu, _ in pace.used.values()),
    }


def in_threads(url: str, seconds: float) -> Measured:
    """As fast as `requests` goes in one process, without a pace, a queue or a row that tells of it."""
    until = time.monotonic() + seconds

    def post() -> int:
        posted = 0
        with requests.Session() as session:
            session.headers["apikey"] = API_KEY
            while time.monotonic() < until:
                body = {"number": NUMBER, "text": f"Bom dia {posted}"}
                session.post(f"{url}/message/sendText/threads", json=body, timeout=90).raise_for_status()
                posted += 1
        return posted

    with ThreadPoolExecutor(THREADS) as pool:
        posted = sum(task.result() for task in [pool.submit(post) for _ in range(THREADS)])
    report(url)
    return {PER_S: posted / seconds}


def by_jobs(stage: Stage, messages: int) -> Measured:
    """One worker of RQ, of the kind that does not fork for each job and so is the faster one."""
    url, name = stage.gateways[0], f"usual-{uuid4()}"
    queue = Queue(name, connection=redis.Redis.from_url(stage.env["REDIS_URL"]))
    for number in range(messages):
        queue.enqueue(usual_build.send, f"{url}/message/sendText/usual", NUMBER, f"Bom dia {number}", GAP_S)
    flags = ("--quiet", "--burst", "--worker-class", "rq.worker.SimpleWorker", "--url", stage.env["REDIS_URL"])
    try:
        subprocess.run([sys.executable, "-m", "rq.cli", "worker", *flags, name], env=stage.env, cwd=ROOT, check=True)
    finally:
        queue.delete(delete_jobs=True)
    came_at = sorted(at for _, _, at in report(url))
    return {PER_S: (len(came_at) - 1) / (came_at[-1] - came_at[0])}
