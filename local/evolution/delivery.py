"""Post one webhook the way axios does, and decide whether and when to try again."""

import random
import re
from dataclasses import dataclass
from urllib.parse import urljoin, urlsplit

import urllib3

from local.evolution.settings import SimulatorSettings

NEVER_RETRIED = {400, 401, 403, 404, 422}
REDIRECTS = {301, 302, 303, 307, 308}
MAX_REDIRECTS = 21
JITTER = 0.2


@dataclass(frozen=True)
class Delivery:
    """Hold one event as it goes out, the same bytes and headers at every attempt."""

    instance: str
    event: str
    url: str
    headers: dict[str, str]
    body: bytes


class Poster:
    """Make single attempts over HTTP."""

    def __init__(self, timeout_s: float) -> None:
        self._timeout_s = timeout_s
        self._pool = urllib3.PoolManager(num_pools=10, maxsize=16)

    def post(self, delivery: Delivery) -> int | str:
        """Try once; give the last status, or in a word what went wrong."""
        try:
            return self._follow(delivery)
        # A refused connection counts as a timeout in the library's tree of errors.
        except urllib3.exceptions.NewConnectionError:
            return "unreachable"
        except urllib3.exceptions.TimeoutError:
            return "timeout"
        except urllib3.exceptions.HTTPError:
            return "unreachable"

    def _follow(self, delivery: Delivery) -> int | str:
        method, url, headers, body = "POST", delivery.url, delivery.headers, delivery.body
        for _ in range(MAX_REDIRECTS + 1):
            status, location = self._ask(method, url, headers, body)
            if status not in REDIRECTS or not location:
                return status
            target = urljoin(url, location)
            if status <= 303:
                # The event is lost here: the redirect is followed by a GET that carries nothing.
                method, body, headers = "GET", b"", without_content(headers)
            headers, url = for_host(headers, url, target), target
        return "redirects"

    def _ask(self, method: str, url: str, headers: dict[str, str], body: bytes) -> tuple[int, str | None]:
        answer = self._pool.request(
            method,
            url,
            headers=headers,
            body=body or None,
            redirect=False,
            retries=False,
            timeout=urllib3.Timeout(total=self._timeout_s),
            decode_content=False,
        )
        return answer.status, answer.headers.get("Location")


def without_content(headers: dict[str, str]) -> dict[str, str]:
    """Drop the headers that describe a body."""
    return {name: value for name, value in headers.items() if not re.match("content-", name, re.IGNORECASE)}


def for_host(headers: dict[str, str], old_url: str, new_url: str) -> dict[str, str]:
    """Drop the credentials when a redirect leads to another host."""
    if urlsplit(old_url).netloc == urlsplit(new_url).netloc:
        return headers
    return {name: value for name, value in headers.items() if name.lower() not in ("authorization", "cookie")}


def is_over(status: int | str, attempt: int, settings: SimulatorSettings) -> bool:
    """Tell whether no further attempt follows: accepted, refused for good, or tried often enough."""
    is_accepted = isinstance(status, int) and 200 <= status < 300
    return is_accepted or status in NEVER_RETRIED or attempt >= settings.retry_attempts


def wait_before(attempt: int, settings: SimulatorSettings) -> float:
    """Give the seconds before an attempt (2 is the first retry): doubling, capped, with jitter."""
    steady: float = min(settings.retry_initial_s * 2 ** (attempt - 2), settings.retry_max_s)
    return max(steady * random.uniform(1 - JITTER, 1 + JITTER), settings.retry_initial_s)
