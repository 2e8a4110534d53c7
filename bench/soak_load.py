"""The load of `bench.soak`: sends by the JSON API and webhooks at the door, so many a second, for as long as it takes.

What it remembers does not grow with the time, but for two bytes and an instant of each message.
"""

import asyncio
import itertools
import time
from array import array
from collections import Counter, deque
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass, field

from bench.gateway import external_id
from bench.living import LivingUnit, Post, number_in
from bench.load import Caller
from bench.stage import report

CONNECTIONS = 32
REPORT_S = 0.5
# Evolution tells both of each message.
RECEIPTS = ("DELIVERY_ACK", "READ")
# How long the end waits for something to move.
PATIENCE_S = 5.0
# No answer at all.
BROKEN = 0
Ask = Callable[[Caller, float], Awaitable[None]]


@dataclass
class Interval:
    """Milliseconds since the last look: of webhooks, of calls of the API, and from such a call to Evolution."""

    webhook_ms: list[float] = field(default_factory=list)
    api_ms: list[float] = field(default_factory=list)
    late_ms: list[float] = field(default_factory=list)


class Load:
    """`most_sends`: how many messages there will be at most."""

    def __init__(self, port: int, gateway: str, units: Sequence[LivingUnit], tokens: Sequence[str], most: int) -> None:
        self._port, self._gateway, self._units = port, gateway, units
        self._tokens = itertools.cycle(tokens)
        self._turns = itertools.cycle(units)
        self._by_instance = {unit.instance: unit for unit in units}
        self._receipts = deque[Post]()
        self._numbers, self._came_number = itertools.count(), itertools.count(1)
        self._asked_at = array("d", bytes(8 * most))
        self.is_accepted, self.came = bytearray(most), bytearray(most)
        self.posted = Counter[str]()
        # What was answered otherwise than it should be: "webhook 503", "send 429".
        self.refused = Counter[str]()
        self._interval = Interval()

    async def run(self, seconds: float, *, sends_per_s: float, webhooks_per_s: float) -> None:
        until = time.perf_counter() + seconds
        reporting = asyncio.create_task(self._keep_reading())
        try:
            await asyncio.gather(
                keep_pace(self._port, sends_per_s, until, self.send),
                keep_pace(self._port, webhooks_per_s, until, self.post),
            )
            await self._finish(webhooks_per_s)
        finally:
            reporting.cancel()

    def take_interval(self) -> Interval:
        told, self._interval = self._interval, Interval()
        return told

    async def _finish(self, webhooks_per_s: float) -> None:
        """Until every message that was accepted came to Evolution and its receipts were posted, or nothing moves."""
        moved = self._moved()
        while self._receipts or sum(self.came) < sum(self.is_accepted):
            await keep_pace(self._port, webhooks_per_s, time.perf_counter() + PATIENCE_S, self._post_receipt)
            moved, before = self._moved(), moved
            if moved == before:
                return

    def _moved(self) -> tuple[int, int]:
        return sum(self.came), self.posted.total()

    async def send(self, caller: Caller, due_at: float) -> None:
        number = next(self._numbers)
        request = self._units[number % len(self._units)].send(number, next(self._tokens))
        self._asked_at[number] = time.time()
        status = await _status(caller, request)
        self.is_accepted[number] = status == 202
        self._interval.api_ms.append((time.perf_counter() - due_at) * 1000)
        if status != 202:
            self.refused[f"send {status}"] += 1

    async def post(self, caller: Caller, due_at: float) -> None:
        post = self._receipts.popleft() if self._receipts else next(self._turns).next_post()
        await self._deliver(caller, due_at, post)

    async def _post_receipt(self, caller: Caller, due_at: float) -> None:
        if self._receipts:
            await self._deliver(caller, due_at, self._receipts.popleft())

    async def _deliver(self, caller: Caller, due_at: float, post: Post) -> None:
        status = await _status(caller, post.request)
        self._interval.webhook_ms.append((time.perf_counter() - due_at) * 1000)
        if status == 200:
            self.posted[post.kind] += 1
        else:
            self.refused[f"webhook {status}"] += 1

    async def read_report(self) -> None:
        """Note what came to Evolution since the last look: of each, receipts are to be posted."""
        for instance, text, came_at in await asyncio.to_thread(report, self._gateway):
            number, id_ = number_in(text), external_id(next(self._came_number))
            self.came[number] += 1
            self._interval.late_ms.append((came_at - self._asked_at[number]) * 1000)
            self._receipts.extend(self._by_instance[instance].receipt(id_, status) for status in RECEIPTS)

    async def _keep_reading(self) -> None:
        while True:
            await asyncio.sleep(REPORT_S)
            await self.read_report()


async def keep_pace(port: int, per_s: float, until: float, ask: Ask) -> None:
    """Ask so many times a second, whether the ones before are answered or not; with each, when it was due."""
    free, asking = asyncio.Queue[Caller](), set[asyncio.Task[None]]()
    callers = [Caller(port) for _ in range(CONNECTIONS)]
    for caller in callers:
        free.put_nowait(caller)

    async def ask_one(caller: Caller, due_at: float) -> None:
        try:
            await ask(caller, due_at)
        finally:
            free.put_nowait(caller)

    began_at = time.perf_counter()
    for number in itertools.count():
        due_at = began_at + number / per_s
        if due_at >= until:
            break
        await asyncio.sleep(max(0.0, due_at - time.perf_counter()))
        task = asyncio.create_task(ask_one(await free.get(), due_at))
        asking.add(task)
        task.add_done_callback(asking.discard)
    await asyncio.gather(*asking)
    for caller in callers:
        await caller.close()


async def _status(caller: Caller, request: bytes) -> int:
    try:
        return await caller.ask(request)
    except (OSError, asyncio.IncompleteReadError):
        await caller.close()
        return BROKEN
