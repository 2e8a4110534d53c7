"""Units as they live: each with its own secret, known to its Evolution server, checked and compared in its turn."""

import json
import random
import time
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any
from uuid import UUID

import jwt

from bench.drain import OWN, news
from bench.serving import PRODUCTION
from bench.stage import API_KEY, Stage
from portal.evolution.client import EvolutionClient
from portal.evolution.types import ONLY_PERSONS, Webhook, events_of
from portal.evolution_versions import numbers
from portal.extensions import parts
from portal.permissions import ApiScope
from portal.secrets import fingerprint, new_secret, webhook_jwt_purpose
from portal.services import api_tokens
from portal.tenancy import TenantScope, acting_for

# Without receipts: those are of what the portal sent.
NEWS = {"text": 40, "picture": 10, "own": 15, "reaction": 5, "edit": 5}
KINDS = {"conversation": "text", "imageMessage": "picture", "reactionMessage": "reaction"}
TOKEN_GOOD_FOR_S = 36_000
UNITS = (
    "SELECT c.unit_id, c.instance_name, s.url, s.version, p.phone FROM unit_whatsapp_connections c"
    " JOIN evolution_servers s ON s.id = c.evolution_server_id JOIN conversations v ON v.unit_id = c.unit_id"
    " JOIN contacts p ON p.id = v.contact_id ORDER BY c.unit_id"
)
# As if each had been checked and compared before: their turns come as theirs do who were linked at different times.
IN_TURN = (
    "UPDATE unit_whatsapp_connections SET check_at = now() + random() * interval '30 seconds',"
    " webhook_checked_at = now() - random() * interval '2 minutes', checked_at = now(), compared_until = now(),"
    " compare_at = now() + random() * interval '330 seconds', last_event_at = now(), status_at = now()"
)
KEEP_SECRET = (
    "UPDATE unit_whatsapp_connections SET webhook_secret_hash = %s, webhook_secret_encrypted = %s WHERE unit_id = %s"
)
OPEN = "UPDATE lanes SET is_open = true, has_work = false"


@dataclass(frozen=True)
class Post:
    """One thing that Evolution posts: its kind, and the request as it goes over the wire."""

    kind: str
    request: bytes


class LivingUnit:
    """One unit and the person who is written to: what Evolution posts of it, and what a program asks of it."""

    def __init__(self, place: int, row: tuple[Any, ...], secret: str, bearer: str) -> None:
        self.unit_id, self.instance, _url, _version, self.phone = row
        self._head = (
            f"POST /webhooks/whatsapp/evolution/{secret} HTTP/1.1\r\nHost: portal.test\r\n"
            f"Content-Type: application/json\r\nAuthorization: Bearer {bearer}\r\n"
        )
        self._news = news(place, random.Random(place), NEWS, since=int(time.time()))

    def next_post(self) -> Post:
        event, data = next(self._news)
        kind = "edit" if event == "messages.edited" else KINDS[next(iter(data["message"]))]
        own = event == "messages.upsert" and data["key"]["fromMe"]
        return Post("own" if own else kind, self._request(event, data))

    def receipt(self, external_id: str, status: str) -> Post:
        """DELIVERY_ACK or READ, of a message that the portal sent."""
        data = {
            "keyId": external_id,
            "remoteJid": f"{self.phone}@s.whatsapp.net",
            "fromMe": True,
            "status": status,
            "messageId": f"cm{external_id}{status}",
        }
        return Post(status, self._request("messages.update", data))

    def send(self, number: int, token: str) -> bytes:
        """The call of the API that queues the message of that number."""
        body = {"phone": self.phone, "message": f"Pedido {number} saiu para entrega.", "clientMessageId": str(number)}
        path, headers = f"/units/{self.unit_id}/whatsapp/send", f"Authorization: Bearer {token}\r\n"
        head = f"POST {path} HTTP/1.1\r\nHost: portal.test\r\nContent-Type: application/json\r\n{headers}"
        return _with_body(head, body)

    def _request(self, event: str, data: Any) -> bytes:
        return _with_body(self._head, {"event": event, "instance": self.instance, "data": data, "sender": OWN})


def number_in(text: str) -> int:
    """Of the message that `LivingUnit.send` wrote."""
    return int(text.split(" ", 2)[1])


def bring_to_life(stage: Stage) -> list[LivingUnit]:
    """Let every unit of the stage live; Evolution has their webhooks and settings as the portal wants them."""
    with stage.connect() as connection:
        rows = connection.execute(UNITS).fetchall()
    told, units = [], []
    with stage.app.app_context():
        for place, row in enumerate(rows):
            secret, key = new_secret(), parts.vault.derived(webhook_jwt_purpose(str(row[1])))[0]
            told.append((fingerprint(secret), parts.vault.encrypt(secret), row[0]))
            _tell_evolution(row, secret, key)
            units.append(LivingUnit(place, row, secret, bearer(key)))
    with stage.connect() as connection:
        connection.cursor().executemany(KEEP_SECRET, told)
        for statement in (IN_TURN, OPEN, "VACUUM ANALYZE"):
            connection.execute(statement)
    return units


def make_tokens(
    stage: Stage, number: int, *, company: str = "bench", scopes: Sequence[ApiScope] = (ApiScope.SEND,)
) -> list[str]:
    """Tokens of so many programs of the company."""
    with stage.connect() as connection:
        row = connection.execute("SELECT id FROM tenants WHERE slug = %s", (company,)).fetchone()
    assert row is not None
    scope = TenantScope(UUID(str(row[0])))
    with stage.app.app_context(), acting_for(scope):
        made = [
            api_tokens.create(scope, name=f"Program {place}", kind="live", scopes=scopes) for place in range(number)
        ]
    return [secret for _token, secret in made]


_clients: dict[str, EvolutionClient] = {}


def _tell_evolution(row: tuple[Any, ...], secret: str, key: str) -> None:
    _unit_id, instance, url, version, _phone = row
    client = _clients.setdefault(url, EvolutionClient(url, API_KEY))
    address = f"{PRODUCTION['BASE_URL']}/webhooks/whatsapp/evolution/{secret}"
    client.set_webhook(instance, Webhook(url=address, jwt_key=key, events=events_of(numbers(version))))
    client.set_settings(instance, found=None, chats=ONLY_PERSONS)


def bearer(key: str) -> str:
    made_at = int(time.time())
    claims = {"iat": made_at, "exp": made_at + TOKEN_GOOD_FOR_S, "app": "evolution", "action": "webhook"}
    return jwt.encode(claims, key, algorithm="HS256")


def _with_body(head: str, told: Any) -> bytes:
    body = json.dumps(told).encode()
    return f"{head}Content-Length: {len(body)}\r\n\r\n".encode() + body
