"""Requests over many connections at once: as many as they answer, or so many a second."""

import asyncio
import time
from collections.abc import Iterator
from dataclasses import dataclass

CONNECTIONS = 64
CLOSING = b"connection: close"
LENGTH = b"content-length:"


@dataclass(frozen=True)
class Answered:
    """How many answers came each second, and the milliseconds that each took."""

    per_s: float
    took_ms: tuple[float, ...]


class Caller:
    """One connection, opened anew where the server closes it."""

    def __init__(self, port: int) -> None:
        self._port = port
        self._streams: tuple[asyncio.StreamReader, asyncio.StreamWriter] | None = None

    async def call(self, request: bytes) -> None:
        """Raises RuntimeError unless the answer is a 200."""
        status = await self.ask(request)
        if status != 200:
            raise RuntimeError(f"answered {status}")

    async def ask(self, request: bytes) -> int:
        """The status of the answer."""
        if self._streams is None:
            self._streams = await asyncio.open_connection("127.0.0.1", self._port)
        reader, writer = self._streams
        writer.write(request)
        head = await reader.readuntil(b"\r\n\r\n")
        fields = head.lower()
        await reader.readexactly(int(fields.partition(LENGTH)[2].partition(b"\r\n")[0]))
        if CLOSING in fields:
            await self.close()
        return int(head.split(b" ", 2)[1])

    async def close(self) -> None:
        if self._streams is not None:
            writer, self._streams = self._streams[1], None
            writer.close()
            await writer.wait_closed()


def press(port: int, requests: Iterator[bytes], *, seconds: float, connections: int = CONNECTIONS) -> Answered:
    """Each connection asks again as soon as it is answered, for so long or until nothing is left to ask."""

    async def ask(caller: Caller, until: float) -> list[float]:
        took_ms = []
        try:
            while (began_at := time.perf_counter()) < until and (request := next(requests, None)):
                await caller.call(request)
                took_ms.append((time.perf_counter() - began_at) * 1000)
        finally:
            await caller.close()
        return took_ms

    async def ask_all() -> Answered:
        began_at = time.perf_counter()
        took = await asyncio.gather(*(ask(Caller(port), began_at + seconds) for _ in range(connections)))
        took_ms = tuple(one for each in took for one in each)
        return Answered(len(took_ms) / (time.perf_counter() - began_at), took_ms)

    return asyncio.run(ask_all())


def pace(port: int, requests: Iterator[bytes], *, per_s: float, seconds: float) -> Answered:
    """So many a second, whether the ones before are answered or not: a time begins when its request was due."""

    async def ask(free: "asyncio.Queue[Caller]", due_at: float) -> float:
        await asyncio.sleep(due_at - time.perf_counter())
        caller = await free.get()
        await caller.call(next(requests))
        free.put_nowait(caller)
        return (time.perf_counter() - due_at) * 1000

    async def ask_all() -> Answered:
        all_callers, free = [Caller(port) for _ in range(CONNECTIONS)], asyncio.Queue[Caller]()
        for caller in all_callers:
            free.put_nowait(caller)
        began_at = time.perf_counter()
        try:
            took_ms = await asyncio.gather(*(ask(free, began_at + n / per_s) for n in range(int(per_s * seconds))))
        finally:
            for caller in all_callers:
                await caller.close()
        return Answered(len(took_ms) / (time.perf_counter() - began_at), tuple(took_ms))

    return asyncio.run(ask_all())
