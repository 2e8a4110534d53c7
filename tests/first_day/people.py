"""Somebody's program on a first day."""

from typing import Any

import requests

TIMEOUT_S = 30


class Caller:
    """Calls the API as whoever the token belongs to."""

    def __init__(self, url: str, token: str) -> None:
        self._url, self._token = url, token

    def ask(self, method: str, path: str, body: object = None, *, status: int = 200, **headers: str) -> Any:
        """The answer's JSON; any other status fails the test."""
        answer = requests.request(
            method,
            self._url + path,
            json=body,
            headers={"Authorization": f"Bearer {self._token}", "Accept-Language": "en", **headers},
            timeout=TIMEOUT_S,
        )
        assert answer.status_code == status, f"{method} {path} answered {answer.status_code}: {answer.text[:500]}"
        return answer.json()

    def get(self, path: str, *, status: int = 200) -> Any:
        return self.ask("GET", path, status=status)

    def post(self, path: str, body: object, *, status: int = 200, **headers: str) -> Any:
        return self.ask("POST", path, body, status=status, **headers)


def signed_in(url: str, email: str, password: str) -> Caller:
    answer = Caller(url, "").post("/admin/login", {"email": email, "password": password})
    return Caller(url, answer["accessToken"])
