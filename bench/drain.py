"""A backlog of webhooks, as after a long outage: how fast the inbox drains it, and in how much memory."""

import argparse
import hashlib
import json
import random
import time
from collections import deque
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from bench.stage import Stage, Usage, open_stage, usage

UNITS = 50
CUSTOMERS = 200
# Of a hundred webhooks: texts of customers, pictures, own texts from the phone, receipts for those, reactions, edits.
MIX = {"text": 40, "picture": 10, "own": 15, "receipt": 25, "reaction": 5, "edit": 5}
OWN = "5511999990001@s.whatsapp.net"
# About the size of a real one: half of it is this.
THUMBNAIL = "/9j/" + "A" * 2_000
FIRST_SECOND = 1_760_000_000
# Receipts and edits are of one of so many messages.
LATELY = 20
LOOK_S = 0.5
WAITING = "SELECT count(*) FROM webhook_events WHERE state = 'new'"


@dataclass(frozen=True)
class Drained:
    """Seconds, CPU seconds of all processes of the worker, the most memory of each in MB, and how it grew in all."""

    seconds: float
    cpu_s: float
    peak_mb: dict[str, float]
    growth_mb: float


def main() -> None:
    options = argparse.ArgumentParser(description=__doc__)
    options.add_argument("--events", type=int, default=100_000)
    events = options.parse_args().events
    with open_stage() as (stage, folder):
        stage.fill(units=UNITS, messages=0)
        size_mb = store(stage, events)
        print(f"{events} events of {UNITS} units stored, {size_mb:.0f} MB of bodies: {MIX}")
        drained = drain(stage, folder)
    per_s = events / drained.seconds
    print(
        f"drained in {drained.seconds:.1f} s: {per_s:.0f} events/s, CPU {drained.cpu_s:.1f} s in the worker's processes"
    )
    for name, memory_mb in drained.peak_mb.items():
        print(f"  {name}: at most {memory_mb:.0f} MB")
    print(f"  all together: {drained.growth_mb:.1f} MB more than when a tenth was drained")


def store(stage: Stage, number: int) -> float:
    """Put the events into the table as the webhook would; MB of their bodies."""
    with stage.connect() as connection:
        units = connection.execute("SELECT tenant_id, unit_id, instance_name FROM unit_whatsapp_connections").fetchall()
        size, chance = 0, random.Random(1)
        told = {unit_id: news(place, chance) for place, (_, unit_id, _) in enumerate(units)}
        copy = "COPY webhook_events (tenant_id, unit_id, instance_name, event, body_hash, body) FROM STDIN"
        with connection.cursor().copy(copy) as rows:
            for place in range(number):
                tenant_id, unit_id, instance = units[place % len(units)]
                event, data = next(told[unit_id])
                body = json.dumps({"event": event, "instance": instance, "data": data, "sender": OWN})
                size += len(body)
                rows.write_row((tenant_id, unit_id, instance, event, hashlib.sha256(body.encode()).digest(), body))
        connection.execute("ANALYZE webhook_events")
    return size / 1e6


def news(
    unit: int, chance: random.Random, mix: Mapping[str, int] = MIX, *, since: int = FIRST_SECOND
) -> Iterator[tuple[str, Any]]:
    """What one unit is told, without end: events with their data, a second of WhatsApp's clock between two."""
    kinds, weights = list(mix), list(mix.values())
    own, theirs, second = deque[str](maxlen=LATELY), deque(["3A"], maxlen=LATELY), since
    while True:
        second += 1
        kind = chance.choices(kinds, weights)[0]
        if kind == "receipt" and not own:
            kind = "own"
        number = f"551198{unit % 10}{chance.randrange(CUSTOMERS):06d}@s.whatsapp.net"
        id_ = f"{'3C' if kind == 'own' else '3A'}{unit:03d}{second}"
        if kind == "receipt":
            yield "messages.update", _receipt(chance.choice(own), second, chance)
            continue
        if kind == "edit":
            yield "messages.edited", _edit(chance.choice(theirs), second)
            continue
        yield "messages.upsert", _message(id_, number, kind, second, theirs[-1])
        if kind != "reaction":
            (own if kind == "own" else theirs).append(id_)


def _message(id_: str, number: str, kind: str, second: int, target: str) -> dict[str, Any]:
    contents: dict[str, tuple[str, Any]] = {
        "text": ("conversation", f"Bom dia, a que horas abre? {second}"),
        "own": ("conversation", f"Bom dia! Abrimos às 9. {second}"),
        "picture": ("imageMessage", {"caption": "veja", "mimetype": "image/jpeg", "jpegThumbnail": THUMBNAIL}),
        "reaction": ("reactionMessage", {"text": "👍", "key": {"id": target}}),
    }
    message_type, content = contents[kind]
    is_own = kind == "own"
    return {
        "key": {"remoteJid": number, "fromMe": is_own, "id": id_, "addressingMode": "pn"},
        "pushName": "Você" if is_own else f"Cliente {number[6:13]}",
        "status": "SERVER_ACK" if is_own else "DELIVERY_ACK",
        "message": {message_type: content, "messageContextInfo": {"deviceListMetadataVersion": 2}},
        "messageType": message_type,
        "messageTimestamp": second,
        "source": "android",
    }


def _receipt(id_: str, second: int, chance: random.Random) -> dict[str, Any]:
    status = chance.choice(["DELIVERY_ACK", "READ"])
    return {"keyId": id_, "remoteJid": OWN, "fromMe": True, "status": status, "messageId": f"cm{second}"}


def _edit(id_: str, second: int) -> dict[str, Any]:
    edited = {"conversation": f"Bom dia, a que horas abrem hoje? {second}"}
    key = {"id": id_, "fromMe": True}
    return {"key": key, "type": "MESSAGE_EDIT", "editedMessage": edited, "timestampMs": str(second * 1000)}


def drain(stage: Stage, folder: Path) -> Drained:
    worker = stage.start_worker(folder)
    looks: list[tuple[int, dict[str, Usage]]] = []
    began_at = None
    try:
        while not looks or looks[-1][0]:
            time.sleep(LOOK_S)
            looks.append((stage.count(WAITING), usage(worker.pid)))
            if began_at is None and stage.count("SELECT count(*) FROM webhook_events WHERE state = 'done'"):
                began_at = time.monotonic() - LOOK_S
        ended_at = time.monotonic()
    finally:
        worker.terminate()
        worker.wait()
    parked = stage.count("SELECT count(*) FROM webhook_events WHERE state <> 'done'")
    if parked or began_at is None:
        raise RuntimeError(f"{parked} events were not applied")
    used = [used for _, used in looks]
    peak_mb = {name: max(each[name].memory_mb for each in used if name in each) for name in used[-1]}
    return Drained(ended_at - began_at, sum(one.cpu_s for one in used[-1].values()), peak_mb, _growth_mb(looks))


def _growth_mb(looks: list[tuple[int, dict[str, Usage]]]) -> float:
    """By how much the memory of all exceeded, at the end or before, what it was with a tenth of the work done."""
    most = looks[0][0]
    sums = [sum(one.memory_mb for one in used.values()) for waiting, used in looks if waiting <= most * 0.9]
    return max(sums) - sums[0]


if __name__ == "__main__":
    main()
