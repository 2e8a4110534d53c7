"""A proxy between the portal and one of its servers, which breaks as a network does: both ends see a reset."""

import asyncio
import contextlib
import socket
import struct
import threading
from collections.abc import Awaitable, Callable, Iterator

LINGER_NOT = struct.pack("ii", 1, 0)
PIECE = 65_536
Ends = tuple[asyncio.StreamReader, asyncio.StreamWriter]
Reach = Callable[[], Awaitable[Ends]]


class Proxy:
    """Listens on a port of 127.0.0.1. `reach` opens the way to the server, for each connection anew."""

    def __init__(self, loop: asyncio.AbstractEventLoop, reach: Reach) -> None:
        self._loop = loop
        self._reach = reach
        self._writers: set[asyncio.StreamWriter] = set()
        self._is_broken = False
        self._server = asyncio.run_coroutine_threadsafe(
            asyncio.start_server(self._carry, "127.0.0.1", 0), loop
        ).result()

    @property
    def port(self) -> int:
        return int(self._server.sockets[0].getsockname()[1])

    def cut(self) -> None:
        """Reset every connection, and each new one until it is mended."""
        self._is_broken = True
        asyncio.run_coroutine_threadsafe(self._reset_all(), self._loop).result()

    def mend(self) -> None:
        self._is_broken = False

    def close(self) -> None:
        self._loop.call_soon_threadsafe(self._server.close)
        self.cut()

    async def _reset_all(self) -> None:
        for writer in list(self._writers):
            reset(writer)

    async def _carry(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            far_reader, far_writer = await self._reach()
        except OSError:
            reset(writer)
            return
        both = {writer, far_writer}
        self._writers |= both
        if self._is_broken:
            await self._reset_all()
        pumps = [asyncio.create_task(pump(reader, far_writer)), asyncio.create_task(pump(far_reader, writer))]
        # Neither side of ours ends one direction only.
        await asyncio.wait(pumps, return_when=asyncio.FIRST_COMPLETED)
        for task in pumps:
            task.cancel()
        self._writers -= both
        for end in both:
            end.close()


@contextlib.contextmanager
def proxying() -> Iterator[Callable[[Reach], Proxy]]:
    """What makes proxies, all of them carried by one thread."""
    loop = asyncio.new_event_loop()
    thread = threading.Thread(target=loop.run_forever, name="proxies", daemon=True)
    thread.start()
    proxies: list[Proxy] = []

    def lay(reach: Reach) -> Proxy:
        proxies.append(Proxy(loop, reach))
        return proxies[-1]

    yield lay
    for proxy in proxies:
        proxy.close()
    asyncio.run_coroutine_threadsafe(no_more_tasks(), loop).result()
    loop.call_soon_threadsafe(loop.stop)
    thread.join()
    loop.close()


async def no_more_tasks() -> None:
    await asyncio.gather(*(asyncio.all_tasks() - {asyncio.current_task()}), return_exceptions=True)


async def pump(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    with contextlib.suppress(OSError):
        while piece := await reader.read(PIECE):
            writer.write(piece)
            await writer.drain()


def reset(writer: asyncio.StreamWriter) -> None:
    connection = writer.get_extra_info("socket")
    # One that just ended has no descriptor any more.
    with contextlib.suppress(OSError):
        if connection.family != socket.AF_UNIX:
            connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, LINGER_NOT)
    writer.transport.abort()
