"""What the portal calls of itself: who may, and that no address which somebody gave leads it anywhere else."""

import ast
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import pytest

from portal.evolution.client import EvolutionClient
from portal.evolution.errors import EvolutionError
from portal.webhooks import posting
from portal.webhooks.posting import Failure

ROOT = Path(__file__).resolve().parents[2]
# Whoever opens connections, and to where. A new one needs the checks of those that go to addresses that customers give.
MAY_CALL = {
    # Evolution servers, whose addresses only operators give; they may well stand in a private network.
    "portal/evolution/client.py",
    "portal/evolution/errors.py",
    "portal/evolution/lines.py",
    # Addresses that customers give.
    "portal/webhooks/posting.py",
    "portal/webhooks/watch.py",
    # Reads addresses as the system would, and opens none.
    "portal/services/webhook_addresses.py",
    # The mail server of the settings.
    "portal/background/smtp.py",
    # A portal, and the simulator beside it, whose addresses only operators give.
    "portal/monitor/smoke/client.py",
    # This portal itself, at its own address.
    "portal/monitor/gate/live.py",
    # Sentry, at the address of the settings.
    "portal/error_reports.py",
    # Reads that address, and opens none.
    "portal/config.py",
}
CALLERS = {
    "aiohttp",
    "asyncio",
    "ftplib",
    "http",
    "httpx",
    "imaplib",
    "poplib",
    "requests",
    "requests_hardened",
    "sentry_sdk",
    "smtplib",
    "socket",
    "telnetlib",
    "urllib3",
    "xmlrpc",
}
HARMLESS = {"http.HTTPStatus", "requests.exceptions"}
INSIDE = (
    "http://10.0.0.1/",
    "http://192.168.1.1/",
    "http://169.254.169.254/latest/meta-data/",
    "http://[fd00::1]/",
    "http://[::ffff:10.0.0.1]/",
    "http://0x0a000001/",
    "http://167772161/",
    "http://0.0.0.0/",
    "ftp://crm.example.com/",
    "file:///etc/passwd",
    "gopher://127.0.0.1:6379/_FLUSHALL",
    "http://user@10.0.0.1/",
)


def imported(path: Path) -> set[str]:
    names = set()
    for node in ast.walk(ast.parse(path.read_text())):
        if isinstance(node, ast.Import):
            names |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom) and node.level == 0:
            names |= {f"{node.module}.{alias.name}" for alias in node.names}
    return names - HARMLESS


def test_only_these_open_connections() -> None:
    callers = {
        str(path.relative_to(ROOT))
        for path in (ROOT / "portal").rglob("*.py")
        for name in imported(path)
        if name.split(".")[0] in CALLERS or name.startswith("urllib.request")
    }

    assert callers - MAY_CALL == set()
    assert "portal/webhooks/posting.py" in callers


class Site:
    """A little web server that notes what it was asked for, and leads elsewhere when it is told to."""

    def __init__(self) -> None:
        site = self
        self.asked: list[tuple[str, dict[str, str]]] = []
        self.leads_to = ""

        class Handler(BaseHTTPRequestHandler):
            def _answer(self) -> None:
                site.asked.append((self.path, dict(self.headers)))
                self.send_response(302 if site.leads_to else 200)
                if site.leads_to:
                    self.send_header("Location", site.leads_to)
                self.send_header("Content-Length", "2")
                self.end_headers()
                self.wfile.write(b"{}")

            do_GET = do_POST = _answer

            def log_message(self, *args: object) -> None:
                """Says nothing."""

        self.server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.address = f"http://127.0.0.1:{self.server.server_port}"
        threading.Thread(target=self.server.serve_forever, daemon=True).start()

    def close(self) -> None:
        self.server.shutdown()
        self.server.server_close()


@pytest.fixture
def sites() -> Iterator[tuple[Site, Site]]:
    """One that leads to the other one."""
    first, second = Site(), Site()
    first.leads_to = f"{second.address}/stolen"
    yield first, second
    first.close()
    second.close()


def test_evolution_server_that_leads_elsewhere_is_not_followed_with_its_key(sites: tuple[Site, Site]) -> None:
    first, second = sites

    with pytest.raises(EvolutionError):
        EvolutionClient(first.address, "the-key-of-that-server").version()

    assert len(first.asked) == 1
    assert second.asked == []


def test_customers_address_that_leads_elsewhere_is_not_followed(app: object, sites: tuple[Site, Site]) -> None:
    first, second = sites

    attempt = posting.post(first.address, b"{}", {"X-Signature": "s"})

    assert attempt.failure is Failure.REDIRECTED
    assert len(first.asked) == 1
    assert second.asked == []


@pytest.mark.parametrize("url", INSIDE)
def test_customers_address_that_leads_inside_is_not_called(app: object, url: str) -> None:
    assert posting.post(url, b"{}", {}).failure is Failure.REFUSED_ADDRESS
