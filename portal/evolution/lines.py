"""The connections to one Evolution server: one for each thread, kept for as long as Evolution keeps it."""

import ssl
import threading
import time
from collections.abc import Iterator, Mapping
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
        self._local = threading.local()

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
        line = self._line()
        body = None if json is None else dump(json).encode()
        request = requests.PreparedRequest()
        # Put together by hand and given to the adapter: `Session.request` costs 2.5 times as much, nearly all of it for
        # cookies, redirects and hooks, which are not used here.
        request.method, request.body, request.hooks = method, body, {}
        request.url = f"{line.root}{path}?{urlencode(params)}" if params else line.root + path
        of_body = {} if body is None else {"Content-Type": "application/json", "Content-Length": str(len(body))}
        request.headers = CaseInsensitiveDict({**self._headers, **of_body})
        answer = line.adapter.send(request, timeout=timeout, **line.settings)
        # Read to its end here: an answer that is cut short is a failed exchange too.
        _read(answer, at_most, within_s=timeout[1] if at_most is None else LONGEST_FETCH_S)
        return answer

    def _line(self) -> "_Line":
        """This thread's connection, fresh when it has been idle for as long as Evolution keeps one."""
        line: _Line | None = getattr(self._local, "line", None)
        if line is not None and time.monotonic() - line.used_at > IDLE_S:
            line.adapter.close()
            line = None
        if line is None:
            line = self._local.line = _Line.to(self._base_url)
        line.used_at = time.monotonic()
        return line


@dataclass
class _Line:
    """One thread's connection to the server, and the proxies and certificates of the environment that go with it."""

    root: str
    adapter: HTTPAdapter
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
