"""The smoke test by its command and by its script: how it ends well, and each way it fails."""

import json
import os
import re
import shutil
import subprocess
import sys
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from subprocess import PIPE

import pytest
from flask import Flask

from local import programs
from tests.first_day.conftest import FLAGS
from tests.running.stack import ADMIN, AGENT, Stack
from tests.running.waiting import until

# The first one waits for the whole portal to start.
pytestmark = pytest.mark.timeout(300)

SCRIPT = programs.ROOT / "scripts" / "smoke.sh"
GUIDE = programs.ROOT / "docs" / "golive" / "smoke.md"
CUSTOMER = "+55 11 98888-0001"
ABSENT = "+55 11 98888-0008"
# The number of `centro`, as its neighbours would type it.
OWN = "(11) 8888-7001"
NAMES = ["health", "login", "units", "connect", "status before", "status after", "message", "message status"]
QR_DRAWING = re.compile(r"[█▀▄ ]{30}")
# A token, and a code that can be scanned.
TOLD = re.compile(r"[\w-]{40,}|data:image", re.ASCII)
LONGEST_S = 90


@dataclass(frozen=True)
class Ran:
    """How a run ended, and what it said."""

    code: int
    out: str
    err: str

    @property
    def last_line(self) -> str:
        return self.out.splitlines()[-1]

    @property
    def failed_line(self) -> str:
        return next(line for line in self.out.splitlines() if "FAILED" in line)


Smoke = Callable[..., Ran]


@pytest.fixture
def told_no_secret(stack: Stack) -> Iterator[list[str]]:
    """Whatever is put in here names no secret and no whole number."""
    said: list[str] = []
    yield said
    numbers = {row["phone"] for row in stack.rows.fetch("SELECT phone FROM contacts WHERE phone IS NOT NULL")}
    numbers |= {str(one["number"]) for one in stack.simulator.instances() if one["number"]}
    codes = {one["code"] for one in stack.simulator.instances() if one["code"]}
    secrets = {*stack.passwords.values(), *numbers, *codes}
    assert [secret for secret in secrets if any(secret in text for text in said)] == []
    assert [text for text in said if TOLD.search(text)] == []


@pytest.fixture
def smoke(stack: Stack, inside: Flask, told_no_secret: list[str]) -> Smoke:
    """Run the command in this process, which is quicker."""

    def run(*options: str, email: str = ADMIN, password: str = "") -> Ran:
        words = ["smoke", "--url", stack.api.url, "--email", email, *options]
        env = {"PORTAL_SMOKE_PASSWORD": password or stack.passwords[email]}
        result = inside.test_cli_runner().invoke(args=words, env=env)
        told_no_secret.extend((result.stdout, result.stderr))
        return Ran(result.exit_code, result.stdout, result.stderr)

    return run


def test_simulator_scans_and_the_message_is_delivered(stack: Stack, new_unit: str, told_no_secret: list[str]) -> None:
    """In a process of its own, as an operator runs it, where there is neither database nor Redis."""
    words = ["smoke", "--url", stack.api.url, "--email", ADMIN, "--unit", new_unit, "--scan-with", "simulator"]
    nowhere = {"DATABASE_URL": "postgresql://127.0.0.1:1/none", "REDIS_URL": "redis://127.0.0.1:1/0"}
    env = {**stack.env, **nowhere, "PORTAL_SMOKE_PASSWORD": stack.passwords[ADMIN]}
    line = [sys.executable, "-m", "flask", "--app", "wsgi", *words]

    done = subprocess.run(line, env=env, cwd=programs.ROOT, capture_output=True, text=True, timeout=LONGEST_S)

    told_no_secret.extend((done.stdout, done.stderr))
    assert (done.returncode, done.stdout.splitlines()[-1]) == (0, "8/8 calls passed"), done.stdout + done.stderr
    assert re.findall(r"^\d/8 (.+?) +ok +\d{3} +\d+ ms", done.stdout, re.M) == NAMES
    assert (stack.api.status(new_unit), delivered(stack, new_unit)) == ("connected", 1)


def test_connected_unit_skips_the_scan_and_json_tells_all(stack: Stack, smoke: Smoke, linked: str) -> None:
    ran = smoke("--unit", "centro", "--phone", CUSTOMER, "--json")

    told = json.loads(ran.out)
    assert (ran.code, told["passed"], told["total"], ran.err) == (0, 8, 8, "")
    assert [call["name"] for call in told["calls"]] == NAMES
    assert {*told["calls"][0]} == {"name", "ok", "status", "took_ms", "detail"}
    assert [call["status"] for call in told["calls"][:6]] == [200, 200, 200, 409, 200, 200]
    assert "nothing has to be scanned" in told["calls"][4]["detail"]
    assert told["calls"][5]["detail"] == "connected as ****7001"
    assert told["calls"][7]["detail"].startswith(("delivered", "read"))


def test_scan_that_never_comes_ends_in_time_with_the_code_drawn_apart(smoke: Smoke, new_unit: str) -> None:
    ran = smoke("--unit", new_unit, "--phone", CUSTOMER, "--scan-limit", "2")

    assert (ran.code, ran.last_line) == (1, "5/8 calls passed")
    assert "No phone was linked within 2 s." in ran.failed_line
    assert QR_DRAWING.search(ran.err)
    assert f"/units/{new_unit}/connect" in ran.err
    assert not QR_DRAWING.search(ran.out)


def test_json_draws_no_code_and_still_says_where_one_is(smoke: Smoke, new_unit: str) -> None:
    ran = smoke("--unit", new_unit, "--phone", CUSTOMER, "--scan-limit", "1", "--json")

    told = json.loads(ran.out)
    assert (ran.code, told["passed"], told["calls"][-1]["ok"]) == (1, 5, False)
    assert "What to do: " in told["calls"][-1]["detail"]
    assert f"/units/{new_unit}/connect" in ran.err
    assert not QR_DRAWING.search(ran.err)


def test_wrong_password_is_said_with_what_to_do(smoke: Smoke) -> None:
    ran = smoke("--phone", CUSTOMER, password="not the password")

    assert (ran.code, ran.last_line) == (1, "1/8 calls passed")
    assert "2/8 login" in ran.failed_line
    assert "Correct --email, or PORTAL_SMOKE_PASSWORD." in ran.failed_line


def test_account_that_may_not_connect_is_refused_before_anything_is_done(smoke: Smoke) -> None:
    ran = smoke("--phone", CUSTOMER, email=AGENT)

    assert (ran.code, ran.last_line) == (1, "1/8 calls passed")
    assert "Sign in as an administrator of a company" in ran.failed_line


@pytest.mark.parametrize("options", [(), ("--unit", "nowhere")], ids=["none named", "unknown"])
def test_unit_that_is_not_clear_is_asked_for_with_the_choices(smoke: Smoke, options: tuple[str, ...]) -> None:
    ran = smoke("--phone", CUSTOMER, *options)

    assert (ran.code, ran.last_line) == (1, "2/8 calls passed")
    assert "--unit: centro, " in ran.failed_line


def test_message_that_is_refused_says_why(smoke: Smoke, linked: str) -> None:
    ran = smoke("--unit", "centro", "--phone", ABSENT)

    assert (ran.code, ran.last_line) == (1, "6/8 calls passed")
    assert "not_on_whatsapp" in ran.failed_line


def test_units_own_number_is_no_receiver(smoke: Smoke, linked: str) -> None:
    ran = smoke("--unit", "centro", "--phone", "5511988887001")

    assert (ran.code, ran.last_line) == (1, "6/8 calls passed")
    assert "This number is the unit's own." in ran.failed_line


def test_receipt_that_never_comes_ends_in_time(stack: Stack, smoke: Smoke, linked: str) -> None:
    stack.simulator.change(receiptDelayS=None, readDelayS=None)
    try:
        ran = smoke("--unit", "centro", "--phone", CUSTOMER, "--delivery-limit", "1")
    finally:
        stack.simulator.change(receiptDelayS=0.2, readDelayS=0.4)

    assert (ran.code, ran.last_line) == (1, "7/8 calls passed")
    assert "The message is still sent after" in ran.failed_line
    assert "webhooks of Evolution reach BASE_URL" in ran.failed_line


def test_evolution_that_is_down_is_named(stack: Stack, smoke: Smoke, new_unit: str) -> None:
    stack.evolution.stop()
    try:
        by_phone = smoke("--unit", new_unit, "--phone", CUSTOMER)
        by_simulator = smoke("--unit", new_unit, "--scan-with", "simulator")
    finally:
        stack.evolution.start(*FLAGS)

    assert (by_phone.code, by_phone.last_line) == (1, "3/8 calls passed")
    assert "See that the Evolution server is up" in by_phone.failed_line
    assert (by_simulator.code, by_simulator.out) == (1, "")
    assert "Start the simulator" in by_simulator.err


@pytest.mark.parametrize("options", [("--password", "here"), ("--phone", "12"), ("--url", "http://portal.example.com")])
def test_what_may_not_be_is_refused_before_the_first_call(smoke: Smoke, options: tuple[str, ...]) -> None:
    ran = smoke("--phone", CUSTOMER, *options)

    assert (ran.code, ran.out) == (2, "")


@pytest.fixture
def script(stack: Stack, told_no_secret: list[str], tmp_path: Path) -> Callable[..., Ran]:
    """Run the script, whose programs note what stood on their command lines."""
    lines = tmp_path / "command-lines"
    for name in ("curl", "jq"):
        real = shutil.which(name)
        assert real, f"{name} is not installed, and scripts/smoke.sh cannot be checked without it"
        noting = tmp_path / name
        noting.write_text(f'#!/bin/sh\nprintf "%s\\n" "$@" >>"{lines}"\nexec {real} "$@"\n')
        noting.chmod(0o755)

    def run(*options: str, password: str = "", **settings: str) -> Ran:
        env = {
            "PATH": f"{tmp_path}{os.pathsep}{os.environ['PATH']}",
            "PORTAL_SMOKE_PASSWORD": password or stack.passwords[ADMIN],
            **settings,
        }
        line = ["bash", str(SCRIPT), "--url", stack.api.url, "--email", ADMIN, *options]
        done = subprocess.run(line, env=env, capture_output=True, text=True, timeout=LONGEST_S)
        told_no_secret.extend((done.stdout, done.stderr, lines.read_text()))
        return Ran(done.returncode, done.stdout, done.stderr)

    return run


def test_script_makes_the_same_calls(stack: Stack, script: Callable[..., Ran], new_unit: str) -> None:
    ran = script("--unit", new_unit, **by_simulator(stack))

    assert (ran.code, ran.last_line, ran.err) == (0, "8/8 calls passed", "")
    assert re.findall(r"^\d/8 (.+?) +ok +\d{3} +\d+ ms", ran.out, re.M) == NAMES
    assert (stack.api.status(new_unit), delivered(stack, new_unit)) == ("connected", 1)


def test_script_waits_for_a_person_who_scans_what_the_page_shows(
    stack: Stack, script: Callable[..., Ran], new_unit: str
) -> None:
    ran = script("--unit", new_unit, "--phone", CUSTOMER, SMOKE_SCAN_LIMIT_S="1")

    assert (ran.code, ran.last_line) == (1, "5/8 calls passed")
    assert f"{stack.api.url}/t/loja-exemplo/units/{new_unit}/connect" in ran.err


@pytest.mark.parametrize(
    ("options", "password", "last_line", "step"),
    [
        (("--unit", "centro"), 'wr"o\\ng', "1/8 calls passed", "Correct --email, or PORTAL_SMOKE_PASSWORD."),
        (("--unit", "nowhere"), "", "2/8 calls passed", "Name one of these with --unit: centro, "),
        (("--unit", "centro", "--phone", ABSENT), "", "6/8 calls passed", "not_on_whatsapp"),
        (("--unit", "centro", "--phone", OWN), "", "6/8 calls passed", "This number is the unit's own."),
    ],
    ids=["wrong password", "unknown unit", "message refused", "own number"],
)
def test_script_says_what_went_wrong(
    script: Callable[..., Ran], linked: str, options: tuple[str, ...], password: str, last_line: str, step: str
) -> None:
    ran = script("--phone", CUSTOMER, *options, password=password)

    assert (ran.code, ran.last_line) == (1, last_line)
    assert step in ran.failed_line


def test_lines_of_the_guide_lead_to_a_delivered_message(stack: Stack, new_unit: str, tmp_path: Path) -> None:
    lines = "".join(re.findall(r"^```sh\n(.*?)^```$", GUIDE.read_text(), re.M | re.S))
    env = {"PATH": os.environ["PATH"], "BASE_URL": stack.api.url, "EMAIL": ADMIN, "PASSWORD": stack.passwords[ADMIN]}
    env |= {"UNIT": new_unit, "PHONE": CUSTOMER}
    shell = subprocess.Popen(["sh", "-eu", "-c", lines], cwd=tmp_path, env=env, text=True, stdout=PIPE, stderr=PIPE)
    try:
        until(lambda: stack.api.status(new_unit) == "qr", "code", within_s=LONGEST_S)
        stack.simulator.scan(stack.rows.instance_of(new_unit), number="5511988887002", name="Loja Exemplo")
        said, problems = shell.communicate(timeout=LONGEST_S)
    finally:
        shell.kill()

    assert (shell.returncode, problems) == (0, "")
    assert f"{new_unit} not_configured" in said
    assert "before: " in said
    assert "after: connected" in said
    assert re.search("message: (delivered|read)$", said)
    assert (tmp_path / "qrcode.png").read_bytes().startswith(b"\x89PNG")
    assert delivered(stack, new_unit) == 1


def by_simulator(stack: Stack) -> Mapping[str, str]:
    return {"SMOKE_SCAN_WITH": "simulator", "SIMULATOR_URL": stack.simulator.url}


def delivered(stack: Stack, unit: str) -> int:
    """How many messages of this unit the go-live board takes for those of a smoke test that went well."""
    mine = "messages JOIN units ON units.id = unit_id WHERE slug = %s AND client_message_id LIKE 'smoke-%%'"
    until(lambda: stack.rows.count(f"{mine} AND delivered_at IS NOT NULL", unit), "delivered message")
    return stack.rows.count(mine, unit)
