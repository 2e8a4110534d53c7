"""A stand-in for Evolution that takes any number of texts, answers each after a set time, and notes when it came.

Much cheaper per call than the simulator, so that what is measured is the portal. `GET /report` empties its notes,
`GET /calls` its count of calls by what they ask. Every number is linked, no message is stored, and a webhook is found
as it was set. Addresses may begin with `/server-<number>`: so one process stands in for many servers.
"""

import argparse
import asyncio
import json
import time
from collections import Counter
from collections.abc import Mapping
from itertools import count
from typing import Any
from urllib.parse import parse_qs

SERVER = "/server-"

ANSWER = (
    b"HTTP/1.1 201 Created\r\nContent-Type: application/json\r\nContent-Length: %d\r\nConnection: keep-alive\r\n\r\n%s"
)


class Gateway:
    """What came, by instance; `is_hanging` leaves every send without an answer."""

    def __init__(self, latency_s: float, *, is_hanging: bool) -> None:
        self.latency_s = latency_s
        self.is_hanging = is_hanging
        self.came: list[tuple[str, str, float]] = []
        self.calls = Counter[str]()
        self._webhooks: dict[str, Mapping[str, Any]] = {}
        self._settings: dict[str, Mapping[str, Any]] = {}
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
        if path == "/calls":
            calls, self.calls = self.calls, Counter()
            return json.dumps(calls).encode()
        if path.startswith(SERVER):
            path = path[path.index("/", len(SERVER)) :]
        road, _, query = path.partition("?")
        call, _, name = road.strip("/").partition("/")[2].partition("/")
        self.calls[call] += 1
        if path.startswith("/message/"):
            return await self._take(name, json.loads(body))
        return json.dumps(self._tell(call, name or _asked_for(query), body)).encode()

    async def _take(self, name: str, asked: Mapping[str, Any]) -> bytes:
        """The message that came as the n-th gets the n-th id."""
        self.came.append((name, asked["text"], time.time()))
        key = {"id": external_id(next(self._numbers)), "remoteJid": f"{asked['number']}@s.whatsapp.net"}
        if self.is_hanging:
            await asyncio.sleep(3600)
        await asyncio.sleep(self.latency_s)
        return json.dumps({"key": key}).encode()

    def _tell(self, call: str, name: str, body: bytes) -> object:
        match call:
            case "connectionState":
                return {"instance": {"instanceName": name, "state": "open"}}
            case "fetchInstances":
                return [{"name": name, "connectionStatus": "open", "Setting": self._settings.get(name)}]
            case "find":
                return self._webhooks.get(name, {})
            case "findMessages":
                return {"messages": {"total": 0, "pages": 0, "records": []}}
        self._keep(name, json.loads(body) if body else {})
        return {"status": 200, "version": "2.3.6"}

    def _keep(self, name: str, told: Mapping[str, Any]) -> None:
        if "webhook" in told:
            self._webhooks[name] = told["webhook"]
        elif "readStatus" in told:
            self._settings[name] = told


def external_id(number: int) -> str:
    """WhatsApp's id of the message that came as the n-th, counted from 1."""
    return f"3EB0{number:018X}"


def _asked_for(query: str) -> str:
    return parse_qs(query).get("instanceName", [""])[0]


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
