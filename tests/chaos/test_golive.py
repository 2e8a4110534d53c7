"""The watched first hour of a release, in seconds: all well, then with faults; by the real programs."""

import json
import subprocess
import sys
import time
from collections.abc import Iterator
from typing import Any

import pytest
import requests

from local import programs
from local.people import UNITS
from local.services import Services
from portal.cli.releases import ENDS_WITH
from tests.chaos.conftest import FLAGS
from tests.inbox.payloads import webhook
from tests.running.stack import Stack, stack_on_own_database
from tests.running.waiting import until
from tests.webhooks.receiver import Receiver

# 5, 10, 15 and 20 seconds.
MINUTES = "0.083,0.166,0.25,0.333"
# What takes long on a machine that does much else at the same time. Nothing else may be wrong.
SLOW_HERE = {"database", "inbound_flow"}
UNIT = next(iter(UNITS))
# More than is critical of strangers at the webhook's door, and of people who are let in no more.
FEW, MANY = 6, 51
CUSTOMER = "+5511977770001"


@pytest.fixture(scope="module")
def receiver() -> Iterator[Receiver]:
    """Whoever is told about alerts."""
    receiver = Receiver()
    yield receiver
    receiver.stop()


@pytest.fixture(scope="module")
def stack(services: Services, schema: str, worker_name: str, receiver: Receiver) -> Iterator[Stack]:
    settings = {"GOLIVE_CHECKPOINT_MINUTES": MINUTES, "ALERT_WEBHOOK_URL": receiver.url}
    name = f"portal_test_{worker_name}_golive"
    with stack_on_own_database(services, schema, name, flags=FLAGS, settings=settings) as stack:
        stack.link(UNIT, number="551188887777")
        yield stack


def watched(stack: Stack, *options: str) -> tuple[int, list[dict[str, Any]]]:
    """What `golive watch` ended with, and its looks."""
    line = [sys.executable, "-m", "flask", "--app", "wsgi", "golive", "watch", "--json", *options]
    done = subprocess.run(line, env=stack.env, cwd=programs.ROOT, capture_output=True, text=True, timeout=180)
    return done.returncode, [json.loads(one) for one in done.stdout.splitlines()]


def reasons(look: dict[str, Any]) -> set[str]:
    """The metrics that any checkpoint named."""
    return {reason.split(":")[0] for one in look["checkpoints"] for reason in one["reasons"]}


def well_ones(look: dict[str, Any]) -> int:
    return sum(not one["reasons"] for one in look["checkpoints"])


def begin_for_an_hour(stack: Stack, version: str) -> None:
    """Register a release with one checkpoint, which is far away."""
    line = [sys.executable, "-m", "flask", "--app", "wsgi", "golive", "begin", "--version", version]
    env = {**stack.env, "GOLIVE_CHECKPOINT_MINUTES": "60"}
    subprocess.run(line, env=env, cwd=programs.ROOT, check=True, capture_output=True)


def send_until_delivered(stack: Stack) -> None:
    """As the smoke test does."""
    answer = requests.post(
        f"{stack.api.url}/units/{UNIT}/whatsapp/send",
        json={"phone": CUSTOMER, "message": "Teste", "clientMessageId": f"smoke-{time.time_ns()}"},
        headers={"Authorization": f"Bearer {stack.api.token}"},
        timeout=10,
    )
    assert answer.ok, answer.text
    delivered = "messages WHERE client_message_id LIKE 'smoke-%%' AND delivered_at IS NOT NULL"
    until(lambda: stack.rows.count(delivered) > 0, "receipt")


def break_things(stack: Stack) -> None:
    """What a release must not do: strangers at the webhook's door, people who are let in no more, a send in doubt."""
    stack.simulator.change(faults={"databaseErrorAfterSend": 1.0})
    stack.api.send(UNIT, phone=CUSTOMER, text="Mensagem que fica em dúvida")
    stranger = webhook("messages.upsert", {}, instance="nobody")
    for _call in range(FEW):
        requests.post(f"{stack.api.url}/webhooks/whatsapp/evolution/a-secret-of-nobody", json=stranger, timeout=10)
    for _call in range(MANY):
        requests.get(f"{stack.api.url}/admin/units", headers={"Authorization": "Bearer nonsense"}, timeout=10)
    for name, number in {"unknown_instances": FEW, "http_denied": MANY, "sends_unconfirmed": 1}.items():
        until(lambda name=name, number=number: counted(stack, name) >= number, f"count of {name}", within_s=90)


def counted(stack: Stack, name: str) -> int:
    """How often something was counted ever."""
    return sum(row["count"] for row in stack.rows.fetch("SELECT count FROM metric_totals WHERE name = %s", name))


def look_now(stack: Stack) -> None:
    """Let the hour of the release pass, and a worker look."""
    stack.rows.change("UPDATE release_checkpoints SET due_at = now() WHERE checked_at IS NULL")
    until(lambda: not stack.rows.count("release_checkpoints WHERE checked_at IS NULL"), "checkpoints", within_s=60)


@pytest.mark.timeout(600)
def test_release_is_watched_until_its_verdict(stack: Stack, receiver: Receiver) -> None:
    stack.flask("golive", "begin", "--version", "good")
    stack.worker.stop()
    stack.worker.start()
    send_until_delivered(stack)

    code, looks = watched(stack)

    last = looks[-1]
    assert [one["state"] for one in last["checkpoints"]] == ["done"] * 4
    assert reasons(last) <= SLOW_HERE
    assert [one["verdict"] for one in last["checkpoints"] if not one["reasons"]] == ["GO"] * well_ones(last)
    assert code == ENDS_WITH[last["release"]["verdict"]]
    assert {"worker", "webhook", "smoke"} <= {one["item"] for one in last["items"] if one["ok"]}
    assert told(receiver) <= SLOW_HERE

    begin_for_an_hour(stack, "bad")
    break_things(stack)
    look_now(stack)

    code, looks = watched(stack)

    last = looks[-1]
    assert (code, last["release"]["version"], last["release"]["verdict"]) == (1, "bad", "NO-GO")
    assert {"unknown_instances", "http_denied", "outbound_success"} <= reasons(last)
    assert {"unknown_instances", "http_denied"} <= {alert["metric"] for alert in last["alerts"]}
    until(lambda: {"unknown_instances", "http_denied"} <= told(receiver), "news of the alerts", within_s=20)


def told(receiver: Receiver) -> set[str]:
    """The metrics whose alerts were posted."""
    return {json.loads(one.body)["metric"] for one in receiver.told}
