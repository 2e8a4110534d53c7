"""Thousands of hostile webhook bodies against a whole running portal, with good ones in between that must all count."""

import argparse
import random
import sys
import tempfile
import threading
import time
from collections import Counter
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path

import jwt
import requests

from bench.hostile_bodies import Post, hostile
from bench.stage import usage
from local.people import UNITS
from local.services import Services
from tests.inbox.payloads import as_bytes, message, webhook
from tests.running.stack import Stack, open_stack
from tests.running.waiting import until

SEED = 20_261_129
POSTERS = 8
# When memory is looked at, in tenths of the way: the first time everything has been used once.
LOOKS = range(1, 11)
SETTLE_S = 180
# What the relay says of a body that lacks what its event always carries, and the door of whom it does not know.
UNDERSTOOD = {None, "NotUnderstood", "unknown instance"}
TIMEOUT_S = 60
CLOSED = 0


@dataclass(frozen=True)
class Memory:
    """Resident MB of all processes of web and of the worker."""

    web: float
    worker: float


@dataclass(frozen=True)
class Attack:
    """What came of it: `answers` by kind of post and status, 0 where the connection was closed instead."""

    answers: Counter[tuple[str, int]]
    texts: list[str]
    refused: list[int]
    times_applied: Counter[str]
    memory: list[Memory]
    unforeseen: dict[str, int]
    took_s: float

    @property
    def failed(self) -> dict[tuple[str, int], int]:
        """Answers that say that something broke, and connections closed though the body was of usual size."""
        return {
            (kind, status): number
            for (kind, status), number in self.answers.items()
            if status >= 500 or (status == CLOSED and "MB" not in kind)
        }

    @property
    def not_applied_once(self) -> list[str]:
        return [text for text in self.texts if self.times_applied[text] != 1]

    @property
    def lines(self) -> list[str]:
        statuses = Counter[int]()
        for (_, status), number in self.answers.items():
            statuses[status] += number
        told = ", ".join(f"{number} {status or 'closed'}" for status, number in sorted(statuses.items()))
        return [
            f"{statuses.total()} hostile webhooks of {len({kind for kind, _ in self.answers})} kinds in"
            f" {self.took_s:.0f} s (seed {SEED}): {told}",
            f"{len(self.texts)} good ones in between: {len(self.refused)} refused,"
            f" {len(self.not_applied_once)} not applied exactly once",
            f"errors that nobody foresaw: {self.unforeseen or 'none'}",
            f"memory of web on the way: {', '.join(f'{each.web:.0f}' for each in self.memory)} MB",
            f"memory of the worker: {', '.join(f'{each.worker:.0f}' for each in self.memory)} MB",
        ]


class Door:
    """The webhook of one unit, as its instance at Evolution knows it, and as others guess it."""

    def __init__(self, stack: Stack, instance: str) -> None:
        self._own = threading.local()
        key = {"apikey": stack.env["EVOLUTION_API_KEY"]}
        row = requests.get(f"{stack.simulator.url}/webhook/find/{instance}", headers=key, timeout=10).json()
        self._url, self._jwt_key = row["url"], row["headers"]["jwt_key"]

    def post(self, post: Post) -> int:
        """The status of the answer; 0 where the connection was closed instead, twice."""
        url = self._url if post.secret == "right" else f"{self._url.rpartition('/')[0]}/{post.secret}"
        headers = {"Content-Type": "application/json", **self._signature(post.signature), **post.headers}
        body = post.pieces() if post.is_chunked else post.body
        for _ in range(2):
            # A body that is refused before it was read ends its connection, which must be nobody else's.
            session = requests.Session() if "MB" in post.kind else self._session
            try:
                return session.post(url, data=body, headers=headers, timeout=TIMEOUT_S).status_code
            except requests.ConnectionError:
                # One that was kept open may have ended meanwhile: whoever posts tries again, as Evolution does.
                body = post.pieces() if post.is_chunked else post.body
        return CLOSED

    def _signature(self, kind: str) -> dict[str, str]:
        made_at = int(time.time())
        claims = {"iat": made_at, "exp": made_at + 600, "app": "evolution", "action": "webhook"}
        tokens = {
            "right": lambda: jwt.encode(claims, self._jwt_key, algorithm="HS256"),
            "of another key": lambda: jwt.encode(claims, "a-key-of-somebody-else-of-32-bytes!", algorithm="HS256"),
            "of no algorithm": lambda: jwt.encode(claims, None, algorithm="none"),
            "not a token": lambda: "a.b.c",
        }
        return {"Authorization": f"Bearer {tokens[kind]()}"} if kind in tokens else {}

    @property
    def _session(self) -> requests.Session:
        """A connection for each thread."""
        if not hasattr(self._own, "session"):
            self._own.session = requests.Session()
        return self._own.session


def attack(stack: Stack, unit: str, instance: str, *, bodies: int, good: int) -> Attack:
    """Post all this to a unit of its own, and wait until the good ones are applied."""
    chance, door, began_at = random.Random(SEED), Door(stack, instance), time.monotonic()
    texts = [f"good webhook {number} of {unit} among hostile ones" for number in range(good)]
    posts = list(_mixed(list(hostile(bodies, instance, chance)), texts, instance, chance))
    answers, memory = list[tuple[str, int]](), list[Memory]()
    for tenths in LOOKS:
        answers += _post_all(door, posts[len(answers) : len(posts) * tenths // 10])
        memory.append(_memory(stack))
    until(lambda: len(set(stack.rows.received(texts))) == good or _is_quiet(stack), "end", within_s=SETTLE_S)
    return Attack(
        answers=Counter(one for one in answers if one[0] != "good"),
        texts=texts,
        refused=[status for kind, status in answers if kind == "good" and status != 200],
        times_applied=Counter(stack.rows.received(texts)),
        memory=memory,
        unforeseen=_unforeseen(stack),
        took_s=time.monotonic() - began_at,
    )


def _mixed(posts: list[Post], texts: Sequence[str], instance: str, chance: random.Random) -> Iterator[Post]:
    """The good ones anywhere among the others."""
    news = [
        Post("good", as_bytes(webhook("messages.upsert", message(f"3AG00D{number:014d}", text), instance=instance)))
        for number, text in enumerate(texts)
    ]
    return iter(sorted([*posts, *news], key=lambda _: chance.random()))


def _post_all(door: Door, posts: Sequence[Post]) -> list[tuple[str, int]]:
    with ThreadPoolExecutor(POSTERS) as pool:
        return list(pool.map(lambda post: (post.kind, door.post(post)), posts))


def _is_quiet(stack: Stack) -> bool:
    return not stack.rows.count("webhook_events WHERE state = 'new' AND unit_id IS NOT NULL AND retry_at IS NULL")


def _unforeseen(stack: Stack) -> dict[str, int]:
    found = stack.rows.fetch("SELECT error, count(*) AS number FROM webhook_events GROUP BY 1")
    return {str(row["error"]): row["number"] for row in found if row["error"] not in UNDERSTOOD}


def _memory(stack: Stack) -> Memory:
    web, worker = (sum(each.memory_mb for each in usage(program.pid).values()) for program in (stack.web, stack.worker))
    return Memory(web, worker)


@contextmanager
def _running() -> Iterator[Stack]:
    with ExitStack() as ending:
        folder = Path(ending.enter_context(tempfile.TemporaryDirectory(prefix="portal-bench-")))
        folder.chmod(0o755)
        services = ending.enter_context(Services(folder / "servers"))
        database = f"portal_bench_{time.time_ns()}"
        ending.callback(services.drop_database, database)
        services.create_database(database)
        yield ending.enter_context(open_stack(services, database, folder / "instance"))


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--bodies", type=int, default=10_000)
    parser.add_argument("--good", type=int, default=500)
    told = parser.parse_args()
    with _running() as stack:
        unit = next(iter(UNITS))
        instance = stack.link(unit, number="5511988880001")
        done = attack(stack, unit, instance, bodies=told.bodies, good=told.good)
    for line in done.lines:
        print(line)
    for (kind, status), number in sorted(done.answers.items()):
        print(f"  {kind}: {number} times {status or 'closed'}")
    is_kept = not (done.failed or done.refused or done.not_applied_once or done.unforeseen)
    return 0 if is_kept else 1


if __name__ == "__main__":
    sys.exit(main())
