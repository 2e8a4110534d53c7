"""The parts of the smoke test that need no portal: its HTTP, its drawing, and that its three forms say the same."""

import os
import re
import subprocess
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import pytest
import segno
from click.testing import CliRunner

from local.programs import ROOT
from portal.cli.smoke import smoke
from portal.monitor.smoke import scans
from portal.monitor.smoke.answers import Answer
from portal.monitor.smoke.client import Client, checked_url, is_of_this_machine
from portal.monitor.smoke.drawing import in_terminal, modules_of
from portal.monitor.smoke.failures import STEPS, Failed
from portal.monitor.smoke.scans import Code, wait_until_connected
from portal.monitor.smoke.units import Unit
from portal.web.api.qr import png_address

BASH, POWERSHELL = ((ROOT / "scripts" / f"smoke.{ending}").read_text("utf-8") for ending in ("sh", "ps1"))
LETTERS = {" ": (False, False), "▀": (True, False), "▄": (False, True), "█": (True, True)}
COLOURS = re.compile(r"\x1b\[[\d;]*m")
MARGIN = 2
UNIT = Unit("11111111-1111-4111-8111-111111111111", "centro", "loja-exemplo")


class Server:
    """Answers with these statuses and headers in turn, the last one for ever; `interim` goes before each."""

    def __init__(self, *answers: tuple[int, dict[str, str]], interim: tuple[int, ...] = ()) -> None:
        self.answers = list(answers)
        self.asked: list[tuple[str, str | None]] = []
        server = self

        class Handler(BaseHTTPRequestHandler):
            def do_GET(self) -> None:
                server.asked.append((self.path, self.headers.get("Authorization")))
                status, headers = server.answers.pop(0) if len(server.answers) > 1 else server.answers[0]
                for early in interim:
                    self.send_response_only(early)
                    self.end_headers()
                self.send_response(status)
                for name, value in {"Content-Type": "application/json", "Content-Length": "2", **headers}.items():
                    self.send_header(name, value)
                self.end_headers()
                self.wfile.write(b"{}")

            def log_message(self, *_: object) -> None:
                """Say nothing."""

        self.http = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.url = f"http://127.0.0.1:{self.http.server_port}"
        threading.Thread(target=lambda: self.http.serve_forever(poll_interval=0.02), daemon=True).start()


@pytest.fixture
def serving() -> Iterator[list[Server]]:
    started: list[Server] = []
    yield started
    for server in started:
        server.http.shutdown()
        server.http.server_close()


def test_redirect_is_not_followed_with_the_token(serving: list[Server]) -> None:
    elsewhere = Server((200, {}))
    portal = Server((302, {"Location": f"{elsewhere.url}/login"}))
    serving += [elsewhere, portal]
    client = Client(portal.url)
    client.sign_in_with("a-token")

    with pytest.raises(Failed, match=f"leads on to {elsewhere.url}"):
        client.ask("GET", "/health")

    assert (portal.asked, elsewhere.asked) == ([("/health", "Bearer a-token")], [])


def test_too_many_calls_wait_as_long_as_they_are_told(serving: list[Server]) -> None:
    serving += [Server((429, {"Retry-After": "7"}), (429, {"Retry-After": "3"}), (200, {}))]
    slept: list[float] = []

    answer = Client(serving[0].url, sleep=slept.append).ask("GET", "/health")

    assert (answer.status, slept) == (200, [7, 3])


@pytest.mark.parametrize(("after", "slept_s"), [("1", [1, 1]), ("3600", [])])
def test_too_many_calls_for_too_long_are_a_failure(serving: list[Server], after: str, slept_s: list[float]) -> None:
    serving += [Server((429, {"Retry-After": after}))]
    slept: list[float] = []

    with pytest.raises(Failed, match="called too often"):
        Client(serving[0].url, sleep=slept.append).ask("GET", "/health")

    assert slept == slept_s


def test_nobody_at_the_address_is_said_with_what_to_do() -> None:
    with pytest.raises(Failed, match="What to do: See that the web process runs"):
        Client("http://127.0.0.1:1").ask("GET", "/health")


@pytest.mark.parametrize(
    "url", ["https://portal.example.com/", "http://127.0.0.1:8000", "http://localhost", "http://[::1]:8000"]
)
def test_address_that_keeps_the_password_is_taken(url: str) -> None:
    assert checked_url(url) == url.rstrip("/")


@pytest.mark.parametrize(
    "url",
    [
        "http://portal.example.com",
        "http://127.0.0.1.example.com",
        "http://10.0.0.1",
        "ftp://portal.example.com",
        "https://me:secret@portal.example.com",
        "https://portal.example.com?x=1",
        "portal.example.com",
        "",
    ],
)
def test_address_that_would_tell_the_password_is_not(url: str) -> None:
    with pytest.raises(ValueError, match="must"):
        checked_url(url)


@pytest.mark.parametrize(
    ("url", "is_here"),
    [("http://localhost:8000", True), ("https://[::1]/", True), ("https://127.0.0.1.example.test", False), ("", False)],
)
def test_address_of_this_machine_is_known(url: str, is_here: bool) -> None:
    assert is_of_this_machine(url) == is_here


ELSEWHERE = "https://portal.example.test"


def command(*options: str) -> tuple[int, str, str]:
    words = ["--email", "admin@example.test", *options]
    done = CliRunner().invoke(smoke, words, env={"PORTAL_SMOKE_PASSWORD": "a-password"})
    return done.exit_code, done.stdout, done.stderr


def script(*options: str, **settings: str) -> tuple[int, str, str]:
    line = ["bash", str(ROOT / "scripts" / "smoke.sh"), "--email", "admin@example.test", *options]
    env = {"PATH": os.environ["PATH"], "PORTAL_SMOKE_PASSWORD": "a-password", **settings}
    done = subprocess.run(line, env=env, capture_output=True, text=True, timeout=20)
    return done.returncode, done.stdout, done.stderr


def by_simulator(url: str) -> dict[str, str]:
    return {"SMOKE_SCAN_WITH": "simulator", "SIMULATOR_URL": url}


def test_simulated_receiver_is_not_taken_for_a_portal_elsewhere() -> None:
    by_command = command("--url", ELSEWHERE, "--scan-with", "simulator")
    by_script = script("--url", ELSEWHERE, **by_simulator("http://127.0.0.1:1"))

    for code, out, problem in (by_command, by_script):
        assert (code, out) == (2, "")
        assert "Say with --phone who gets the message" in problem


def test_script_calls_no_portal_when_no_simulator_answers(serving: list[Server]) -> None:
    portal, other = Server((200, {})), Server((200, {}))
    serving += [portal, other]

    for url in ("http://127.0.0.1:1", other.url):
        code, out, problem = script("--url", portal.url, **by_simulator(url))

        assert (code, out) == (1, "")
        assert "Start the simulator, or correct SIMULATOR_URL." in problem
    assert (portal.asked, other.asked) == ([], [("/simulator/instances", None)])


@pytest.mark.parametrize("limit", ["2m", "inf", "-1", "99999999999999999999"])
def test_limit_that_would_never_come_is_refused(limit: str) -> None:
    words = ("--url", "http://127.0.0.1:1", "--phone", "+5511988880001")

    codes = [
        command(*words, "--scan-limit", limit)[0],
        command(*words, "--delivery-limit", limit)[0],
        script(*words, SMOKE_SCAN_LIMIT_S=limit)[0],
        script(*words, SMOKE_DELIVERY_LIMIT_S=limit)[0],
    ]

    assert codes == [2, 2, 2, 2]


def test_script_reads_the_headers_of_the_final_answer(serving: list[Server]) -> None:
    """Whatever else says 100: a header that is lost would take its Retry-After along, and the script asks again."""
    portal = Server((429, {"X-RateLimit-Limit": "100, 100;w=60", "Retry-After": "3600"}), interim=(100, 103))
    serving.append(portal)

    code, out, _ = script("--url", portal.url, "--phone", "+5511988880001")

    assert (code, portal.asked) == (1, [("/health", None)])
    assert re.match(r"1/8 health +FAILED 429 .+called too often", out)


class Scripted(Client):
    """A portal that answers what is listed, in turn."""

    def __init__(self, *answers: tuple[int, dict[str, object]]) -> None:
        super().__init__("http://127.0.0.1:1")
        self.answers = [Answer(status, body) for status, body in answers]

    def ask(self, method: str, path: str, *_: object, **__: object) -> Answer:
        return self.answers.pop(0)


class Camera:
    """Notes what it is shown."""

    def __init__(self) -> None:
        self.shown: list[Code] = []

    def show(self, unit: Unit, code: Code) -> None:
        self.shown.append(code)

    def wait(self, waited_s: float, at_most_s: float) -> None:
        """Waits."""


def shown_code(number: int) -> tuple[int, dict[str, object]]:
    times = {"qrUpdatedAt": f"2026-05-17T10:0{number}:00+00:00", "status": "qr", "reason": "waiting_scan"}
    return 200, {"qrCode": f"picture {number}", "pairingCode": None, **times}


@pytest.fixture
def without_pauses(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(scans, "LOOK_EVERY_S", 0)


def test_each_new_code_is_shown_once_until_the_phone_is_linked(without_pauses: None) -> None:
    linking = (202, {"qrCode": None, "status": "connecting"})
    portal = Scripted(shown_code(1), shown_code(1), shown_code(2), linking, (409, {}), (200, {"status": "connected"}))
    camera = Camera()

    wait_until_connected(portal, UNIT, camera, at_most_s=60)

    assert (portal.answers, camera.shown) == ([], [Code("picture 1", ""), Code("picture 2", "")])


def test_attempt_that_somebody_ended_is_not_waited_for(without_pauses: None) -> None:
    ended = (200, {"status": "disconnected", "reason": "wrong_number"})
    portal = Scripted(shown_code(1), (404, {}), ended)

    with pytest.raises(Failed, match=r"the unit is disconnected \(wrong_number\)"):
        wait_until_connected(portal, UNIT, Camera(), at_most_s=60)


@pytest.mark.parametrize("code", ["2@short", "2@" + "k" * 230, "A" * 600])
def test_drawing_is_the_code_of_the_picture_with_a_margin(code: str) -> None:
    wanted = [[bool(module) for module in row] for row in segno.make_qr(code, error="m").matrix]

    drawn = [COLOURS.sub("", line) for line in in_terminal(png_address(code)).splitlines()]

    halves = [[LETTERS[letter] for letter in line] for line in drawn]
    rows = [[half[part] for half in line] for line in halves for part in (0, 1)]
    inside = [row[MARGIN:-MARGIN] for row in rows[MARGIN : MARGIN + len(wanted)]]
    assert inside == wanted
    assert not any(any(row) for row in (*rows[:MARGIN], *rows[MARGIN + len(wanted) :]))


@pytest.mark.parametrize(
    "picture", ["", "data:image/png;base64,", "data:image/png;base64,AAAA", "data:text/html,hello"]
)
def test_what_is_no_picture_of_a_code_is_refused(picture: str) -> None:
    with pytest.raises(ValueError, match="the picture"):
        modules_of(picture)


@pytest.mark.parametrize("script", [BASH, POWERSHELL], ids=["bash", "powershell"])
def test_scripts_make_the_calls_of_the_command_and_know_its_refusals(script: str) -> None:
    paths = (
        "/health",
        "/admin/login",
        "/admin/units",
        "/connect",
        "/status",
        "/qrcode",
        "/messages",
        "/simulator/instances",
        "/simulator/scan",
    )

    assert [path for path in paths if path not in script] == []
    assert [code for code in STEPS if not re.search(rf"\b{code}\b", script)] == []
    assert [
        name
        for name in ("health", "login", "units", "connect", "status before", "status after", "message status")
        if not re.search(rf"""["']{name}["']""", script)
    ] == []
    assert "calls passed" in script


def test_powershell_script_is_read_alike_by_both_powershells() -> None:
    """Windows PowerShell 5.1 takes a file without a mark for one of the machine's own encoding, and knows less."""
    assert POWERSHELL.isascii()
    newer = r"\?\?|&&|\|\||\?\.|\s\?\s.+\s:\s|-SkipHttpErrorCheck|-AsHashtable|Invoke-RestMethod|Invoke-WebRequest"
    assert re.findall(newer, POWERSHELL) == []


def test_powershell_script_refuses_what_the_other_two_refuse() -> None:
    """It is only read here, for not every machine has a PowerShell to run it."""
    before_the_calls = POWERSHELL.partition("$script:Name = 'health'")[0]

    assert "([Uri] $Url).IsLoopback) { $Phone = '+5511988880001' }" in before_the_calls
    assert "-not (Test-Simulator)" in before_the_calls
    assert re.findall(r"Limit\w* = (\S+) 'SMOKE_", before_the_calls) == ["Get-Seconds", "Get-Seconds"]
    assert "(Get-LastEight $Phone) -eq (Get-LastEight $own)" in POWERSHELL
