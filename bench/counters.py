"""What counting costs the webhook door: one gunicorn that counts and one that does not, in turn."""

import argparse
import http.client
import itertools
import json
import os
import statistics
import subprocess
import sys
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass

import jwt

from bench.stage import ROOT, Stage, open_stage, usage
from local.processes import free_port
from portal.extensions import parts
from portal.secrets import fingerprint, webhook_jwt_purpose
from tests.inbox.payloads import as_bytes, message, webhook

SECRET = "a-webhook-secret-for-measurements"
CASES = {"without": "no", "with": "yes"}
POSTERS = 4
WARM_UP = 400


@dataclass
class Round:
    """So many webhooks a second, and how much of a processor each took of the web process."""

    per_s: float
    cpu_ms: float


@dataclass
class Server:
    port: int
    pid: int

    def cpu_s(self) -> float:
        return sum(each.cpu_s for each in usage(self.pid).values())


class Door:
    """The webhook of the stage's only unit."""

    def __init__(self, stage: Stage) -> None:
        with stage.connect() as connection:
            row = connection.execute("SELECT instance_name FROM unit_whatsapp_connections").fetchone()
        assert row is not None
        self.instance = str(row[0])
        stage.run("UPDATE unit_whatsapp_connections SET webhook_secret_hash = %s", fingerprint(SECRET))
        made_at = int(time.time())
        claims = {"iat": made_at, "exp": made_at + 36_000, "app": "evolution", "action": "webhook"}
        with stage.app.app_context():
            key = parts.vault.derived(webhook_jwt_purpose(self.instance))[0]
        self._headers = {
            "Content-Type": "application/json",
            "Authorization": f"Bearer {jwt.encode(claims, key, algorithm='HS256')}",
        }
        self._numbers = itertools.count()

    def post(self, server: Server, webhooks: int) -> Round:
        bodies = [self._body() for _ in range(webhooks)]
        cpu_s, began_at = server.cpu_s(), time.perf_counter()
        with ThreadPoolExecutor(POSTERS) as pool:
            list(pool.map(self._post_all, itertools.repeat(server.port), (bodies[i::POSTERS] for i in range(POSTERS))))
        took_s = time.perf_counter() - began_at
        return Round(webhooks / took_s, (server.cpu_s() - cpu_s) * 1000 / webhooks)

    def _body(self) -> bytes:
        news = message(f"3A{next(self._numbers):018d}", "Bom dia, ainda tem o azul?")
        return as_bytes(webhook("messages.upsert", news, instance=self.instance))

    def _post_all(self, port: int, bodies: list[bytes]) -> None:
        connection = http.client.HTTPConnection("127.0.0.1", port, timeout=60)
        for body in bodies:
            connection.request("POST", f"/webhooks/whatsapp/evolution/{SECRET}", body, self._headers)
            answer = connection.getresponse()
            said = json.loads(answer.read())
            if said != {"status": "stored"}:
                raise RuntimeError(f"{answer.status} {said}")
        connection.close()


@contextmanager
def serving(stage: Stage) -> Iterator[dict[str, Server]]:
    """A web process for each case, side by side on the same database."""
    with ExitStack() as ending:
        servers = {name: _start(ending, stage, counts) for name, counts in CASES.items()}
        yield servers


def _start(ending: ExitStack, stage: Stage, counts: str) -> Server:
    port = free_port()
    line = [sys.executable, "-m", "gunicorn", "--worker-class", "gthread", "--workers", "1", "--threads", "8"]
    process = subprocess.Popen(
        [*line, "--bind", f"127.0.0.1:{port}", "bench.counted_web:app"],
        # With a line for each request, as in production: the last look at it is a part of what counting costs.
        env={**stage.env, "BENCH_COUNTS": counts, "LOG_LEVEL": "INFO", "WEB_CONCURRENCY": "1"},
        cwd=ROOT,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
    )
    ending.callback(process.wait)
    ending.callback(process.terminate)
    _wait_for(port)
    return Server(port, process.pid)


def _wait_for(port: int) -> None:
    until = time.monotonic() + 60
    while True:
        try:
            connection = http.client.HTTPConnection("127.0.0.1", port, timeout=5)
            connection.request("GET", "/health")
            connection.getresponse().read()
            return
        except OSError:
            if time.monotonic() > until:
                raise
            time.sleep(0.2)


def tell(rounds: dict[str, list[Round]]) -> None:
    middle = {name: statistics.median(one.per_s for one in done) for name, done in rounds.items()}
    cpu = {name: statistics.median(one.cpu_ms for one in done) for name, done in rounds.items()}
    for name in rounds:
        print(f"{name:>8} counters: {middle[name]:6.1f} webhooks/s, {cpu[name]:.2f} ms of a processor each")
    pairs = list(zip(rounds["with"], rounds["without"], strict=True))
    ratios = sorted(counted.per_s / plain.per_s for counted, plain in pairs)
    cpu_ratios = sorted(counted.cpu_ms / plain.cpu_ms for counted, plain in pairs)
    print(f"with / without, round by round: webhooks/s {_spread(ratios)}, processor {_spread(cpu_ratios)}")


def _spread(ratios: list[float]) -> str:
    return f"{statistics.median(ratios):.3f} ({ratios[0]:.3f} to {ratios[-1]:.3f})"


def main() -> None:
    options = argparse.ArgumentParser(description=__doc__)
    options.add_argument("--webhooks", type=int, default=200, help="of one round")
    options.add_argument("--rounds", type=int, default=80)
    told = options.parse_args()
    with open_stage() as (stage, _):
        stage.fill(units=1, messages=0)
        door = Door(stage)
        with serving(stage) as servers:
            for server in servers.values():
                door.post(server, WARM_UP)
            rounds: dict[str, list[Round]] = {name: [] for name in CASES}
            for number in range(told.rounds):
                # In turn, and each one as often the first.
                for name in list(CASES)[:: 1 if number % 2 else -1]:
                    rounds[name].append(door.post(servers[name], told.webhooks))
    print(f"{told.rounds} rounds of {told.webhooks} webhooks, {POSTERS} at a time; {os.cpu_count()} processors")
    tell(rounds)


if __name__ == "__main__":
    main()
