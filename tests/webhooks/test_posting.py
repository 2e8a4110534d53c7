"""One post: where it may go, what its answer counts as, and that no receiver can hold it for long."""

import socket
import time
from collections.abc import Callable
from dataclasses import replace
from datetime import timedelta
from email.utils import format_datetime
from typing import Any

import pytest

from portal.clock import now
from portal.extensions import parts
from portal.webhooks import posting
from portal.webhooks.posting import Failure, post
from tests.evolution.little_servers import closed_port, full_backlog, read_request, reset, talking
from tests.webhooks.receiver import Receiver

pytestmark = pytest.mark.usefixtures("database")
TOTAL_S = 0.6
SLACK_S = 1.5
BODY = b'{"type":"message.received"}'


@pytest.fixture
def production(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(parts, "config", replace(parts.config, portal_env="production"))


@pytest.fixture
def impatient(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(posting, "TOTAL_S", TOTAL_S)
    monkeypatch.setattr(posting, "CONNECT_S", 0.3)
    monkeypatch.setattr(posting, "READ_S", 0.4)


@pytest.fixture
def looked_up(monkeypatch: pytest.MonkeyPatch) -> dict[str, list[str]]:
    """Name -> the addresses that it leads to, one after the other, the last one for ever; other names lead nowhere."""
    names: dict[str, list[str]] = {}
    real = socket.getaddrinfo

    def look_up(host: str, *args: Any, **kwargs: Any) -> Any:
        if host not in names:
            return real(host, *args, **{**kwargs, "flags": socket.AI_NUMERICHOST})
        ips = names[host]
        return real(ips.pop(0) if len(ips) > 1 else ips[0], *args, **kwargs)

    monkeypatch.setattr(socket, "getaddrinfo", look_up)
    return names


@pytest.mark.parametrize(
    "url",
    [
        "https://10.0.0.1/hook",
        "https://172.16.0.1/hook",
        "https://192.168.1.1/hook",
        "https://169.254.169.254/latest/meta-data",
        "https://100.64.0.1/hook",
        "https://224.0.0.1/hook",
        "https://255.255.255.255/hook",
        "https://0.0.0.0/hook",
        "https://127.0.0.1/hook",
        "https://127.1/hook",
        "https://2130706433/hook",
        "https://0x7f000001/hook",
        "https://0177.0.0.1/hook",
        "https://[::1]/hook",
        "https://[::]/hook",
        "https://[fd00::1]/hook",
        "https://[fe80::1]/hook",
        "https://[ff02::1]/hook",
        "https://[::ffff:127.0.0.1]/hook",
        "https://[::ffff:10.0.0.1]/hook",
        "https://[64:ff9b::a00:1]/hook",
        "https://[2002:a00:1::]/hook",
        "https://somebody:password@crm.test/hook",
        "https://somebody@crm.test/hook",
        "http://crm.test/hook",
        "ftp://crm.test/hook",
        "file:///etc/passwd",
        "https:///hook",
        "https://[::1/hook",
        "crm.test/hook",
        "",
    ],
)
def test_production_posts_to_no_such_address(production: None, url: str) -> None:
    attempt = post(url, BODY, {})

    assert (attempt.failure, attempt.status) == (Failure.REFUSED_ADDRESS, None)


def test_production_does_not_post_to_its_own_machine_by_name(production: None) -> None:
    assert post("https://localhost/hook", BODY, {}).failure == Failure.REFUSED_ADDRESS


@pytest.mark.parametrize("ip", ["10.0.0.5", "127.0.0.1", "169.254.169.254", "fd00::5", "::ffff:192.168.0.1"])
def test_name_that_leads_inside_is_refused(production: None, looked_up: dict[str, list[str]], ip: str) -> None:
    looked_up["crm.test"] = [ip]

    assert post("https://crm.test/hook", BODY, {}).failure == Failure.REFUSED_ADDRESS


def test_private_networks_are_refused_on_a_laptop_too(looked_up: dict[str, list[str]]) -> None:
    looked_up["crm.test"] = ["192.168.0.5"]

    assert post("http://crm.test/hook", BODY, {}).failure == Failure.REFUSED_ADDRESS


def test_name_is_looked_up_once_and_used_as_it_was_checked(looked_up: dict[str, list[str]], receiver: Receiver) -> None:
    """A name server may give another address each time it is asked."""
    port = receiver.server.server_port
    looked_up["crm.test"] = ["127.0.0.1", "10.0.0.5"]

    attempt = post(f"http://crm.test:{port}/hook", BODY, {})

    assert (attempt.failure, looked_up["crm.test"]) == (None, ["10.0.0.5"])
    assert receiver.told[0].headers["host"] == f"crm.test:{port}"


def test_name_that_nobody_knows_is_unreachable(looked_up: dict[str, list[str]]) -> None:
    assert post("http://nobody.test/hook", BODY, {}).failure == Failure.UNREACHABLE


@pytest.mark.parametrize("location", ["http://10.0.0.1/", "http://169.254.169.254/latest", "/elsewhere", "file:///etc"])
@pytest.mark.parametrize("status", [301, 302, 307])
def test_no_answer_leads_elsewhere(receiver: Receiver, status: int, location: str) -> None:
    receiver.say((status, {"Location": location}, b""))

    attempt = post(receiver.url, BODY, {})

    assert (attempt.failure, attempt.status, len(receiver.told)) == (Failure.REDIRECTED, status, 1)


@pytest.mark.parametrize(
    ("status", "failure"),
    [
        (200, None),
        (201, None),
        (204, None),
        (400, Failure.BAD_STATUS),
        (401, Failure.BAD_STATUS),
        (404, Failure.BAD_STATUS),
        (410, Failure.GONE),
        (429, Failure.BAD_STATUS),
        (500, Failure.BAD_STATUS),
        (503, Failure.BAD_STATUS),
    ],
)
def test_answer_counts_by_its_status(receiver: Receiver, status: int, failure: Failure | None) -> None:
    receiver.say(status)

    attempt = post(receiver.url, BODY, {"webhook-id": "1"})

    assert (attempt.failure, attempt.status) == (failure, status)
    assert (receiver.told[0].id, receiver.told[0].body) == ("1", BODY)


@pytest.mark.parametrize(
    ("told", "seconds"),
    [
        ("120", 120),
        ("0", 0),
        ("999999", 3_600),
        ("soon", 0),
        ("-5", 0),
        ("٣", 0),
        ("", 0),
        ("Mon, 01 Jan 99999999999 00:00:00 GMT", 0),
    ],
    ids=["seconds", "none", "too long", "a word", "negative", "other digits", "empty", "a year that is none"],
)
def test_receiver_may_say_when_to_come_again(receiver: Receiver, told: str, seconds: int) -> None:
    receiver.say((503, {"Retry-After": told.encode().decode("latin-1")}, b""))

    assert post(receiver.url, BODY, {}).retry_after_s == pytest.approx(seconds, abs=60)


@pytest.mark.parametrize(("ahead_s", "seconds"), [(600, 600), (-600, 0)])
def test_receiver_may_name_the_moment_to_come_again(receiver: Receiver, ahead_s: int, seconds: int) -> None:
    receiver.say((503, {"Retry-After": format_datetime(now() + timedelta(seconds=ahead_s))}, b""))

    assert post(receiver.url, BODY, {}).retry_after_s == pytest.approx(seconds, abs=30)


def test_environment_names_no_proxy(monkeypatch: pytest.MonkeyPatch, receiver: Receiver) -> None:
    for name in ("HTTP_PROXY", "http_proxy", "ALL_PROXY", "all_proxy"):
        monkeypatch.setenv(name, f"http://127.0.0.1:{closed_port()}")
    for name in ("NO_PROXY", "no_proxy"):
        monkeypatch.delenv(name, raising=False)

    assert post(receiver.url, BODY, {}).failure is None


def test_cookies_are_not_kept(receiver: Receiver) -> None:
    receiver.say((204, {"Set-Cookie": "a=b"}, b""))

    post(receiver.url, BODY, {})
    post(receiver.url, BODY, {})

    assert "cookie" not in receiver.told[1].headers


def test_receiver_that_does_not_listen_is_unreachable() -> None:
    assert post(f"http://127.0.0.1:{closed_port()}/hook", BODY, {}).failure == Failure.UNREACHABLE


@pytest.mark.parametrize(
    "talk",
    [
        reset,
        lambda connection: read_request(connection) and reset(connection),
        lambda connection: connection.sendall(b"SSH-2.0-OpenSSH_9.6\r\n" * 3),
        lambda connection: connection.sendall(b"\x00" * 100_000),
        lambda connection: connection.sendall(b"HTTP/1.1 200 OK\r\n" + b"A: b\r\n" * 1_000 + b"\r\n"),
    ],
    ids=["broken off at once", "broken off after the request", "no HTTP", "noise", "a thousand headers"],
)
def test_receiver_that_gives_no_answer_is_unreachable(talk: Callable[[socket.socket], None]) -> None:
    with talking(talk) as url:
        assert post(url, BODY, {}).failure == Failure.UNREACHABLE


def test_receiver_that_takes_no_connection_times_out(impatient: None) -> None:
    with full_backlog() as url:
        attempt = post(url, BODY, {})

    assert attempt.failure == Failure.TIMED_OUT
    assert 300 <= attempt.took_ms < 300 + SLACK_S * 1000


def test_receiver_that_never_answers_times_out(impatient: None, receiver: Receiver) -> None:
    receiver.answer = lambda told: (time.sleep(1), (204, {}, b""))[1]

    attempt = post(receiver.url, BODY, {})

    assert attempt.failure == Failure.TIMED_OUT


@pytest.mark.parametrize("beginning", [b"", b"HTTP/1.1 200 OK\r\n", b"HTTP/1.1 200 OK\r\nA: "])
def test_answer_that_drips_in_byte_by_byte_is_cut_off(impatient: None, beginning: bytes) -> None:
    """No single wait is ever longer than the timeout."""
    with talking(drip(beginning, b"HTTP" if not beginning else b"")) as url:
        attempt = post(url, BODY, {})

    assert attempt.failure == Failure.TIMED_OUT
    assert TOTAL_S * 1000 <= attempt.took_ms < (TOTAL_S + SLACK_S) * 1000


def test_answer_is_not_waited_for_longer_than_its_status(impatient: None) -> None:
    with talking(drip(b"HTTP/1.1 200 OK\r\nContent-Length: 1000000000\r\n\r\n")) as url:
        attempt = post(url, BODY, {})

    assert (attempt.failure, attempt.status) == (None, 200)
    assert attempt.took_ms < TOTAL_S * 1000


@pytest.mark.parametrize(
    ("head", "failure"),
    [(b"200 OK", None), (b"302 Found\r\nLocation: http://elsewhere.test/", Failure.REDIRECTED)],
)
def test_endless_answer_is_left_unread(impatient: None, head: bytes, failure: Failure | None) -> None:
    sent = [0]

    def flood(connection: socket.socket) -> None:
        read_request(connection)
        connection.sendall(b"HTTP/1.1 " + head + b"\r\n\r\n")
        try:
            while sent[0] < 1_000_000_000:
                sent[0] += connection.send(b"x" * 65_536)
        except OSError:
            return

    with talking(flood) as url:
        attempt = post(url, BODY, {})

    assert (attempt.failure, attempt.status) == (failure, int(head[:3]))
    # What fits into the buffers between the two.
    assert sent[0] < 20_000_000


def drip(beginning: bytes, again: bytes = b"") -> Callable[[socket.socket], None]:
    """Answer so, then go on with one byte after the other, for as long as the other side listens."""

    def talk(connection: socket.socket) -> None:
        read_request(connection)
        connection.sendall(beginning)
        rest = iter(again)
        try:
            for _ in range(100):
                connection.sendall(bytes([next(rest, ord("x"))]))
                time.sleep(0.05)
        except OSError:
            return

    return talk
