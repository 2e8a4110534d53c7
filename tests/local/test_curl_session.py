"""The session of docs/curl-session.md, and examples of the reference page, run against a whole portal."""

import re
import shutil
import subprocess
import tempfile
from collections.abc import Iterator
from html import unescape
from pathlib import Path

import pytest
import requests

from local.services import Services
from tests.running.stack import ADMIN, Stack, stack_on_own_database
from tests.running.waiting import until

SESSION = Path(__file__).resolve().parents[2] / "docs" / "curl-session.md"
BLOCK = re.compile(r"^```sh\n(.*?)^```$", re.M | re.S)
FLAGS = ("--create-wait-s=0.2", "--connect-wait-s=0.2", "--first-qr-s=0.1", "--receipt-delay-s=0.3")
UNIT, PHONE = "centro", "+5511988880001"
PNG = b"\x89PNG\r\n\x1a\n"
LONGEST_S = 60


@pytest.fixture(scope="module")
def stack(services: Services, schema: str, worker_name: str) -> Iterator[Stack]:
    assert shutil.which("curl"), "curl is not installed, and docs/curl-session.md cannot be checked without it"
    name = f"portal_test_{worker_name}_curl"
    with stack_on_own_database(services, schema, name, flags=FLAGS) as stack:
        yield stack


@pytest.fixture
def folder() -> Iterator[Path]:
    with tempfile.TemporaryDirectory(prefix="portal-test-") as name:
        yield Path(name)


@pytest.fixture(scope="module")
def session(stack: Stack) -> Iterator[tuple[str, bytes]]:
    """What the lines of the page printed, and the picture they left; the phone scans as soon as there is a code."""
    script = "".join(BLOCK.findall(SESSION.read_text()))
    with tempfile.TemporaryDirectory(prefix="portal-test-") as folder:
        shell = start_shell(script, folder, stack, EMAIL=ADMIN, PASSWORD=stack.passwords[ADMIN])
        try:
            until(lambda: [one for one in stack.simulator.instances() if one["code"]], "QR code at the simulator")
            stack.simulator.scan(stack.rows.instance_of(UNIT), number="5511988887001", name="Loja Exemplo")
            said, problems = shell.communicate(timeout=LONGEST_S)
        finally:
            shell.kill()
        assert (shell.returncode, problems) == (0, ""), said
        yield said, (Path(folder) / "qrcode.png").read_bytes()


def test_session_leads_from_signing_in_to_a_delivered_message(session: tuple[str, bytes], stack: Stack) -> None:
    said, picture = session

    assert f"{UNIT} is connected" in said
    assert picture.startswith(PNG)
    assert '"deduplicated":false' in said
    assert '"deduplicated":true' in said
    assert re.search(r'"deliveredAt":"\d', said)
    assert said.count('"body":"Your order 1001 is ready."') == 2
    assert stack.simulator.sent_texts() == ["Your order 1001 is ready."]


def test_session_prints_neither_password_nor_token(session: tuple[str, bytes], stack: Stack) -> None:
    said, _ = session

    assert stack.passwords[ADMIN] not in said
    assert "accessToken" not in said


@pytest.mark.parametrize("anchor", ["get-health", "get-ready", "get-admin-units", "get-api-campaigns"])
@pytest.mark.parametrize("language", ["curl", "python"])
def test_example_of_the_reference_page_is_answered(stack: Stack, folder: Path, anchor: str, language: str) -> None:
    example = examples_of(stack)[f"{anchor}-{language}"]
    program = example if language == "curl" else f"exec python - <<'END'\n{example}\nEND\n"

    shell = start_shell(program, str(folder), stack, TOKEN=stack.api.token)
    said, problems = shell.communicate(timeout=LONGEST_S)

    assert (shell.returncode, problems) == (0, "")
    assert said.startswith(("{", "["))
    assert "error" not in said


def test_example_that_sends_does_send(stack: Stack, session: tuple[str, bytes], folder: Path) -> None:
    example = examples_of(stack)["post-units-unit-id-whatsapp-send-curl"]

    shell = start_shell(example, str(folder), stack, TOKEN=stack.api.token)
    said, problems = shell.communicate(timeout=LONGEST_S)

    assert (shell.returncode, problems) == (0, "")
    assert '"success":true' in said
    until(lambda: len(stack.simulator.sent_texts()) == 2, "text that left")


def examples_of(stack: Stack) -> dict[str, str]:
    """Id of the block -> what a reader copies out of it."""
    page = requests.get(f"{stack.api.url}/reference", timeout=LONGEST_S).text
    return {name: unescape(text) for name, text in re.findall(r'<code id="([^"]+)">(.*?)</code>', page, re.S)}


def start_shell(script: str, folder: str, stack: Stack, **variables: str) -> "subprocess.Popen[str]":
    env = {"PATH": stack.env["PATH"], "BASE_URL": stack.api.url, "UNIT": UNIT, "PHONE": PHONE, **variables}
    return subprocess.Popen(
        ["sh", "-eu", "-c", script],
        cwd=folder,
        env=env,
        text=True,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
    )
