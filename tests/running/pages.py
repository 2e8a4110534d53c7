"""Somebody at the portal's pages without a browser: signed in, filling in forms as they stand there."""

import re
from collections.abc import Mapping

import requests

TIMEOUT_S = 60
TOKEN = re.compile(r'name="csrf_token" value="([^"]+)"')


class PortalPages:
    """One person's session; every form is sent with the token of the page it stands on."""

    def __init__(self, url: str) -> None:
        self._url = url
        self._session = requests.Session()

    def sign_in(self, email: str, password: str) -> None:
        self.fill_in("/login", {"email": email, "password": password})

    def read(self, path: str) -> str:
        answer = self._session.get(self._url + path, timeout=TIMEOUT_S)
        assert answer.ok, f"GET {path} answered {answer.status_code}: {answer.text[:500]}"
        return answer.text

    def fill_in(
        self,
        path: str,
        fields: Mapping[str, str],
        *,
        files: Mapping[str, tuple[str, bytes]] | None = None,
        action: str | None = None,
    ) -> str:
        """Send the form that stands at that path, to its `action` if it has one; gives where that led."""
        token = TOKEN.search(self.read(path))
        assert token is not None, f"there is no form at {path}"
        data = {"csrf_token": token[1], **fields}
        answer = self._session.post(self._url + (action or path), data=data, files=files, timeout=TIMEOUT_S)
        assert answer.ok, f"POST {action or path} answered {answer.status_code}: {answer.text[:500]}"
        return answer.url.removeprefix(self._url)
