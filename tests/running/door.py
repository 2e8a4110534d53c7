"""The door for Evolution's webhooks, as one instance knows it."""

import time
from typing import Any

import jwt
import requests

from tests.inbox.payloads import at, webhook
from tests.running.stack import Stack

# As long as Evolution waits for an answer.
ANSWER_S = 30


class Door:
    """The webhook of one unit, as its instance at Evolution knows it."""

    def __init__(self, stack: Stack, instance: str) -> None:
        self._instance = instance
        key = {"apikey": stack.env["EVOLUTION_API_KEY"]}
        row = requests.get(f"{stack.simulator.url}/webhook/find/{instance}", headers=key, timeout=10).json()
        self._url, self._jwt_key = row["url"], row["headers"]["jwt_key"]

    def post(self, event: str, data: Any) -> bool:
        """Whether it was acknowledged."""
        try:
            return self.knock(event, data).status_code == 200
        except requests.RequestException:
            return False

    def knock(self, event: str, data: Any, *, provider: str = "evolution", instance: str = "") -> requests.Response:
        """Post it, as another provider's or as another instance's where that is named; gives the answer."""
        made_at = int(time.time())
        claims = {"iat": made_at, "exp": made_at + 600, "app": "evolution", "action": "webhook"}
        signed = {"Authorization": f"Bearer {jwt.encode(claims, self._jwt_key, algorithm='HS256')}"}
        body = webhook(event, data, instance=instance or self._instance, told_at=at(0))
        url = self._url.replace("/evolution/", f"/{provider}/")
        return requests.post(url, json=body, headers=signed, timeout=ANSWER_S)

    def post_until_taken(self, event: str, data: Any) -> int:
        """How many posts failed before it was taken."""
        failed = 0
        while not self.post(event, data):
            failed += 1
            time.sleep(0.2)
        return failed
