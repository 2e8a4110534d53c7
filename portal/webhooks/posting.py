"""One attempt to tell a program something: to addresses of the internet only, and never for long.

The address was given by a customer and may lead anywhere, into our own network too. So it is looked up once, checked,
and used as it was checked; nothing of the environment is used, and no answer leads to another address.
"""

import time
from collections.abc import Mapping
from dataclasses import dataclass, replace
from email.utils import parsedate_to_datetime
from enum import StrEnum
from http import HTTPStatus
from urllib.parse import urlsplit

import requests
import urllib3
from requests_hardened import Config, HTTPSession, Manager
from requests_hardened.ip_filter import InvalidIPAddress

from portal import __version__
from portal.clock import now
from portal.extensions import parts
from portal.webhooks.watch import POOLS, Watch

USER_AGENT = f"evolution-portal/{__version__}"
CONNECT_S, READ_S, TOTAL_S = 5.0, 10.0, 20.0
LONGEST_WAIT_S = 3600.0


class Failure(StrEnum):
    """Why an attempt did not succeed."""

    TIMED_OUT = "timed_out"
    UNREACHABLE = "unreachable"
    REFUSED_ADDRESS = "refused_address"
    TLS_FAILED = "tls_failed"
    REDIRECTED = "redirected"
    BAD_STATUS = "bad_status"
    GONE = "gone"
    UNREADABLE_SECRET = "unreadable_secret"


@dataclass(frozen=True)
class Attempt:
    """What came of one attempt. `retry_after_s` is for how long the receiver wants to be left alone."""

    failure: Failure | None = None
    status: int | None = None
    retry_after_s: float = 0.0
    took_ms: int = 0


def post(url: str, body: bytes, headers: Mapping[str, str], *, is_own: bool = False) -> Attempt:
    """Post it once. Whatever happens is an attempt, not an exception.

    `is_own`: the address stands in the portal's own settings, and may well be within its own network.
    """
    began_at = time.monotonic()
    attempt = _exchange(url, body, headers, is_own=is_own)
    return replace(attempt, took_ms=round((time.monotonic() - began_at) * 1000))


def _exchange(url: str, body: bytes, headers: Mapping[str, str], *, is_own: bool) -> Attempt:
    if not is_own and _is_refused(url):
        return Attempt(Failure.REFUSED_ADDRESS)
    with Watch(TOTAL_S) as watch, _session(is_own=is_own) as session:
        try:
            answer = session.post(url, data=body, headers=_all(headers), stream=True)
        except Exception as e:
            # Not only what requests raises: names that cannot be looked up and answers that are none end in others.
            return Attempt(Failure.TIMED_OUT if watch.is_over else _failure(e))
        with answer:
            if watch.is_over:
                # Cut off within its head: what there is of it may look like an answer.
                return Attempt(Failure.TIMED_OUT)
            # What else it says is of no use: it is left unread, however long it is.
            retry_after_s = _retry_after_s(answer.headers.get("Retry-After"))
            return Attempt(_judged(answer.status_code), answer.status_code, retry_after_s)


def _is_refused(url: str) -> bool:
    """What no look-up could make good. The page refuses these too, by the settings of its time."""
    try:
        parsed = urlsplit(url)
    except ValueError:
        return True
    schemes = ("https",) if parts.config.is_production else ("https", "http")
    return parsed.scheme not in schemes or "@" in parsed.netloc or not parsed.hostname


def _session(*, is_own: bool) -> HTTPSession:
    """A session of its own for each attempt: no cookies, and no connection, is left from another one."""
    session = Manager(
        Config(
            ip_filter_enable=not is_own,
            ip_filter_allow_loopback_ips=not parts.config.is_production,
            never_redirect=True,
            default_timeout=(CONNECT_S, READ_S),
            user_agent_override=USER_AGENT,
        )
    ).get_session()
    # No proxies, certificates or passwords that the environment names.
    session.trust_env = False
    # Even where no redirect is followed, requests would read all of the answer to see where it leads.
    session.get_redirect_target = lambda answer: None
    for adapter in session.adapters.values():
        adapter.poolmanager.pool_classes_by_scheme = POOLS
    return session


def _all(headers: Mapping[str, str]) -> dict[str, str]:
    return {**headers, "Content-Type": "application/json", "Accept-Encoding": "identity", "Connection": "close"}


def _judged(status: int) -> Failure | None:
    if 200 <= status < 300:
        return None
    if 300 <= status < 400:
        return Failure.REDIRECTED
    return Failure.GONE if status == HTTPStatus.GONE else Failure.BAD_STATUS


def _failure(error: Exception) -> Failure:
    match error:
        case InvalidIPAddress() | requests.exceptions.InvalidURL() | requests.exceptions.InvalidSchema():
            return Failure.REFUSED_ADDRESS
        case requests.exceptions.SSLError() | urllib3.exceptions.SSLError():
            return Failure.TLS_FAILED
        case requests.Timeout() | urllib3.exceptions.TimeoutError() | TimeoutError():
            return Failure.TIMED_OUT
    return Failure.UNREACHABLE


def _retry_after_s(told: str | None) -> float:
    """Seconds, from a number or a date, up to an hour."""
    if not told:
        return 0.0
    try:
        seconds = float(told) if told.isdigit() else (parsedate_to_datetime(told) - now()).total_seconds()
    except (ValueError, TypeError, OverflowError):
        return 0.0
    return min(max(0.0, seconds), LONGEST_WAIT_S)
