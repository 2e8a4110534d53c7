"""What the running portal wrote, and whether the search for secrets in it finds any."""

import jwt
import pytest

from tests.running.leaks import kinds_in, outputs_of, secrets_of
from tests.running.stack import Stack
from tests.running.waiting import until

KINDS = (
    "secret key",
    "Evolution key",
    "password",
    "Redis password",
    "bearer token",
    "phone number",
    "message text",
    "instance token",
    "webhook secret",
    "webhook JWT key",
)
TEXT = "hello, is it open today?"


@pytest.fixture
def secrets(stack: Stack) -> dict[str, set[str]]:
    instance = stack.rows.instance_of("centro")
    stack.simulator.customer_writes(instance, number="5511944441001", name="Ana", text=TEXT)
    until(lambda: stack.rows.received([TEXT]), "message")
    return secrets_of(stack)


@pytest.mark.parametrize("kind", KINDS)
def test_search_knows_secrets_of_each_kind_and_finds_them(secrets: dict[str, set[str]], kind: str) -> None:
    lines = [f'{{"event": "sent", "detail": "{value}"}}' for value in secrets[kind]]

    assert {kind in kinds_in(line, secrets) for line in lines} == {True}


def test_search_finds_any_signed_token(secrets: dict[str, set[str]]) -> None:
    assert "JWT" in kinds_in("Authorization " + jwt.encode({"app": "evolution"}, "k" * 32), secrets)


def test_every_program_was_heard(stack: Stack) -> None:
    assert {name for name, said in outputs_of(stack) if said} >= {"web", "worker", "evolution"}
