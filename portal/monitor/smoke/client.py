"""The HTTP of the smoke test: every call bounded, no redirect followed, no secret told."""

import ipaddress
import time
from collections.abc import Callable, Mapping
from http import HTTPStatus
from urllib.parse import urlsplit

import requests

from portal.monitor.smoke.answers import Answer
from portal.monitor.smoke.failures import Failed, refused

CONNECT_TIMEOUT_S = 5.0
# Connecting waits ten seconds for a code, and sending as long for the message to leave.
READ_TIMEOUT_S = 30.0
# What is counted by the minute is free again after one.
LONGEST_RETRY_AFTER_S = 60.0
MOST_RETRIES = 2
LOCAL_NAMES = ("localhost",)
SAYS_NOTHING = "See that the web process runs, and that --url is the portal's address."


class Client:
    """One caller of a portal, or of the simulator beside it.

    `last_status` is that of the newest answer, None where there was none, and `last_took_ms` how long it took.
    """

    def __init__(self, url: str, *, if_silent: str = SAYS_NOTHING, sleep: Callable[[float], None] = time.sleep) -> None:
        self.url = checked_url(url)
        self.last_status: int | None = None
        self.last_took_ms = 0.0
        self._if_silent = if_silent
        self._sleep = sleep
        self._session = requests.Session()
        self._session.headers.update({"Accept": "application/json", "Accept-Language": "en"})
        # Otherwise a password that the machine keeps for this host would go along.
        self._session.auth = _without_credentials

    def sign_in_with(self, token: str) -> None:
        self._session.headers["Authorization"] = f"Bearer {token}"

    def ask(
        self,
        method: str,
        path: str,
        body: Mapping[str, object] | None = None,
        *,
        takes: tuple[int, ...] = (200,),
        wait_s: int = 0,
    ) -> Answer:
        """Make one call; raises Failed for an answer with none of the statuses it takes."""
        headers = {"Prefer": f"wait={wait_s}"} if wait_s else {}
        response = self._patiently(method, path, body, headers)
        if response.is_redirect:
            raise _redirected(response)
        answer = self._read(response)
        if answer.status not in takes:
            raise refused(answer)
        return answer

    def _patiently(
        self, method: str, path: str, body: Mapping[str, object] | None, headers: Mapping[str, str]
    ) -> requests.Response:
        """The answer, once the portal has stopped saying that there were too many calls."""
        response = self._once(method, path, body, headers)
        for _ in range(MOST_RETRIES):
            pause_s = _retry_after_s(response)
            if response.status_code != HTTPStatus.TOO_MANY_REQUESTS or pause_s > LONGEST_RETRY_AFTER_S:
                break
            self._sleep(pause_s)
            response = self._once(method, path, body, headers)
        return response

    def _once(
        self, method: str, path: str, body: Mapping[str, object] | None, headers: Mapping[str, str]
    ) -> requests.Response:
        began_at, self.last_status = time.monotonic(), None
        try:
            response = self._session.request(
                method,
                self.url + path,
                json=body,
                headers=headers,
                timeout=(CONNECT_TIMEOUT_S, READ_TIMEOUT_S),
                allow_redirects=False,
            )
        except requests.exceptions.SSLError as e:
            raise Failed("The certificate is not valid for this address.", "Put the certificate right.") from e
        except requests.exceptions.ReadTimeout as e:
            step = "Look at the load of the web processes, and at /ready."
            raise Failed(f"No answer within {READ_TIMEOUT_S:.0f} s.", step) from e
        except requests.exceptions.RequestException as e:
            raise Failed("Nothing answers at this address.", self._if_silent) from e
        finally:
            self.last_took_ms = (time.monotonic() - began_at) * 1000
        self.last_status = response.status_code
        return response

    def _read(self, response: requests.Response) -> Answer:
        try:
            value = response.json()
        except ValueError as e:
            what = f"The answer ({response.status_code}) is no JSON, so it is not the portal's."
            raise Failed(what, self._if_silent) from e
        if isinstance(value, list):
            return Answer(response.status_code, {}, tuple(one for one in value if isinstance(one, dict)))
        return Answer(response.status_code, value if isinstance(value, dict) else {})


def checked_url(url: str) -> str:
    """The address without what it does not need. Raises ValueError in one sentence for one that may not be used."""
    parts = urlsplit(url.strip())
    if parts.scheme not in ("https", "http") or not parts.hostname:
        raise ValueError("must look like https://portal.example.com")
    if parts.username or parts.query or parts.fragment:
        raise ValueError("must be the address of the portal and nothing else")
    if parts.scheme == "http" and not is_of_this_machine(url):
        raise ValueError("must begin with https://, or the password could be read on the way")
    return f"{parts.scheme}://{parts.netloc}{parts.path}".rstrip("/")


def is_of_this_machine(url: str) -> bool:
    host = urlsplit(url.strip()).hostname or ""
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return host in LOCAL_NAMES


def _without_credentials(request: requests.PreparedRequest) -> requests.PreparedRequest:
    return request


def _redirected(response: requests.Response) -> Failed:
    to = urlsplit(response.headers.get("Location", ""))
    place = f"{to.scheme}://{to.netloc}" if to.netloc else "another page"
    return Failed(f"The address leads on to {place}.", "Give --url the address that the portal itself answers at.")


def _retry_after_s(response: requests.Response) -> float:
    told = response.headers.get("Retry-After", "")
    return float(told) if told.isdigit() else 1.0
