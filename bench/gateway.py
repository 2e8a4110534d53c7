"""A stand-in for Evolution that takes any number of texts, answers each after a set time, and notes when it came.

Much cheaper per call than the simulator, so that what is measured is the portal. `GET /report` empties its notes.
"""

import argparse
import asyncio
import json
import time
from itertools import count

ANSWER = (
    b"HTTP/1.1 201 Created\r\nContent-Type: application/json\r\nContent-Length: %d\r\nConnection: keep-alive\r\n\r\n%s"
)


class Gateway:
    """What came, by instance; `is_hanging` leaves every send without an answer."""

    def __init__(self, latency_s: float, *, is_hanging: bool) -> None:
        self.latency_s = latency_s
        self.is_hanging = is_hanging
        self.came: list[tuple[str, str, float]] = []
        self._numbers = count(1)

    async def talk(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            while True:
                head = (await reader.readuntil(b"\r\n\r\n")).decode("latin-1")
                path = head.split(" ", 2)[1]
                length = next(
                    (int(line[15:]) for line in head.split("\r\n") if line.lower().startswith("content-length:")), 0
                )
                body = await reader.readexactly(length)
                answer = await self._answer(path, body)
                writer.write(ANSWER % (len(answer), answer))
        except (asyncio.IncompleteReadError, ConnectionError):
            writer.close()

    async def _answer(self, path: str, body: bytes) -> bytes:
        if path == "/report":
            told, self.came = self.came, []
            return json.dumps(told).encode()
        if not path.startswith("/message/"):
            return b'{"status": 200, "version": "2.3.6"}'
        came_at = time.time()
        asked = json.loads(body)
        self.came.append((path.rsplit("/", 1)[1], asked["text"], came_at))
        if self.is_hanging:
            await asyncio.sleep(3600)
        await asyncio.sleep(self.latency_s)
        key = {"id": f"3EB0{next(self._numbers):018X}", "remoteJid": f"{asked['number']}@s.whatsapp.net"}
        return json.dumps({"key": key}).encode()


async def _serve(port: int, gateway: Gateway) -> None:
    server = await asyncio.start_server(gateway.talk, "127.0.0.1", port, backlog=1024)
    async with server:
        await server.serve_forever()


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--port", type=int, required=True)
    parser.add_argument("--latency-s", type=float, default=0.05)
    parser.add_argument("--hang", action="store_true")
    flags = parser.parse_args()
    asyncio.run(_serve(flags.port, Gateway(flags.latency_s, is_hanging=flags.hang)))


if __name__ == "__main__":
    main()
