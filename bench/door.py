"""The webhooks of a stage's only unit, as Evolution posts them: each another one, under its secret and signed."""

import itertools
import time
from collections.abc import Iterator

import jwt

from bench.stage import Stage
from portal.extensions import parts
from portal.secrets import fingerprint, webhook_jwt_purpose
from tests.inbox.payloads import as_bytes, message, webhook

SECRET = "a-webhook-secret-for-measurements"
PATH = f"/webhooks/whatsapp/evolution/{SECRET}"


class Door:
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
        self.headers = {
            "Content-Type": "application/json",
            "Authorization": f"Bearer {jwt.encode(claims, key, algorithm='HS256')}",
        }
        self._numbers = itertools.count()

    def body(self) -> bytes:
        news = message(f"3A{next(self._numbers):018d}", "Bom dia, ainda tem o azul?")
        return as_bytes(webhook("messages.upsert", news, instance=self.instance))

    def requests(self) -> Iterator[bytes]:
        """Without end, each as it goes over the wire."""
        headers = "".join(f"{name}: {value}\r\n" for name, value in self.headers.items())
        while True:
            body = self.body()
            head = f"POST {PATH} HTTP/1.1\r\nHost: portal.test\r\n{headers}Content-Length: {len(body)}\r\n\r\n"
            yield head.encode() + body
