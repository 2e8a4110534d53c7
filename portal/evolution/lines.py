"""The connections to one Evolution server, each for one exchange at a time, kept for as long as Evolution keeps it."""

import ssl
import threading
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from functools import cache
from json import dumps as dump
from typing import Any
from urllib.parse import urlencode

import requests
from requests.adapters import HTTPAdapter
from requests.structures import CaseInsensitiveDict
from urllib3.exceptions import HTTPError
from urllib3.util.ssl_ import create_urllib3_context

from portal.evolution import errors
from portal.evolution.errors import EvolutionRejected, EvolutionUnknown

# Evolution closes an idle connection after 5 s: writing into one that is just closing leaves a send in doubt.
IDLE_S = 4.0
LONGEST_FETCH_S = 120.0
CHUNK = 64 * 1024


class Lines:
    """Requests to one server, put together by hand."""

    def __init__(self, base_url: str, headers: Mapping[str, str]) -> None:
        self._base_url = base_url.rstrip("/")
        self._headers = dict(headers)
        self._lock = threading.Lock()
        self._idle: list[_Line] = []

    def exchange(
        self,
        method: str,
        path: str,
        *,
        json: Mapping[str, Any] | None,
        params: Mapping[str, str] | None,
        timeout: tuple[float, float],
        at_most: int | None = None,
    ) -> requests.Response:
        """The answer, read to its end. Raises RequestException, and EvolutionError when it is longer than `at_most`.

        One that trickles is given up: reading it may take as long as waiting for it, and a file's LONGEST_FETCH_S.
        """
        body = None if json is None else dump(json).encode()
        request = requests.PreparedRequest()
        # Put together by hand and given to the adapter: `Session.request` costs 2.5 times as much, nearly all of it for
        # cookies, redirects and hooks, which are not used here.
        request.method, request.body, request.hooks = method, body, {}
        of_body = {} if body is None else {"Content-Type": "application/json", "Content-Length": str(len(body))}
        request.headers = CaseInsensitiveDict({**self._headers, **of_body})
        with self._line() as line:
            request.url = f"{line.root}{path}?{urlencode(params)}" if params else line.root + path
            answer = line.adapter.send(request, timeout=timeout, **line.settings)
            # Read to its end here: an answer that is cut short is a failed exchange too.
            _read(answer, at_most, within_s=timeout[1] if at_most is None else LONGEST_FETCH_S)
        return answer

    @contextmanager
    def _line(self) -> "Iterator[_Line]":
        """The connection that was used last, which is the most likely to be open still, or else a fresh one."""
        line = self._take() or _Line.to(self._base_url)
        try:
            yield line
        finally:
            line.used_at = time.monotonic()
            with self._lock:
                self._idle.append(line)

    def _take(self) -> "_Line | None":
        with self._lock:
            line = self._idle.pop() if self._idle else None
            if line is None or time.monotonic() - line.used_at <= IDLE_S:
                return line
            old, self._idle = [line, *self._idle], []
        for one in old:
            one.adapter.close()
        return None


@dataclass
class _Line:
    """A connection to the server, and the proxies and certificates of the environment that go with it."""

    root: str
    adapter: "_Adapter"
    settings: dict[str, Any]
    used_at: float = 0.0

    @classmethod
    def to(cls, base_url: str) -> "_Line":
        """Raises InvalidURL and its like for an address that is none."""
        checked = requests.PreparedRequest()
        checked.prepare_url(base_url, None)
        root = str(checked.url).rstrip("/")
        session = requests.Session()
        settings = session.merge_environment_settings(root, {}, False, None, None)
        return cls(root, _Adapter(), dict(settings))


class _Adapter(HTTPAdapter):
    """Reads the authorities' certificates once, not for each connection: that takes 24 ms of processor."""

    def build_connection_pool_key_attributes(
        self, request: requests.PreparedRequest, verify: bool | str, cert: str | tuple[str, str] | None = None
    ) -> Any:
        host, pool = super().build_connection_pool_key_attributes(request, verify, cert)
        where = (pool.pop("ca_certs", None), pool.pop("ca_cert_dir", None))
        if any(where):
            pool["ssl_context"] = _trust(*where)
        return host, pool


@cache
def _trust(ca_certs: str | None, ca_cert_dir: str | None) -> ssl.SSLContext:
    context = create_urllib3_context(cert_reqs=ssl.CERT_REQUIRED)
    context.load_verify_locations(ca_certs, ca_cert_dir)
    return context


def _read(answer: requests.Response, at_most: int | None, *, within_s: float) -> None:
    """Read the answer within that time; one that is larger or slower is left unread."""
    until, chunks, size = time.monotonic() + within_s, [], 0
    for chunk in _arriving(answer):
        size += len(chunk)
        chunks.append(chunk)
        is_too_large = at_most is not None and size > at_most
        if is_too_large or time.monotonic() > until:
            answer.close()
            raise EvolutionRejected(errors.MEDIA_TOO_LARGE) if is_too_large else EvolutionUnknown(errors.TIMED_OUT)
    answer._content = b"".join(chunks)


def _arriving(answer: requests.Response) -> Iterator[bytes]:
    """What arrives, as it does: `iter_content` waits until a chunk is full, while a byte comes now and then."""
    try:
        while chunk := answer.raw.read1(CHUNK, decode_content=True):
            yield chunk
    except HTTPError as e:
        raise requests.ConnectionError(e) from e
