"""A person's reply on an idle system: from the click to Evolution, and against the call alone."""

import time
from collections.abc import Iterator
from itertools import cycle

import requests
from flask.testing import FlaskClient

from bench.inbox import browser
from bench.rounds import Figures, Measured, compare, percentile
from bench.send import OPEN_LANES
from bench.stage import API_KEY, Stage, open_stage, report
from portal.permissions import Role

AREA = "reply"
UNITS = 40
# Longer than the gap between two messages to one chat.
PAUSE_S = 0.25
PATIENCE_S = 60
CONVERSATIONS = "SELECT id FROM conversations ORDER BY id"


def measure(*, is_quick: bool) -> Figures:
    rounds, clicks = (2, 5) if is_quick else (3, 40)
    with open_stage() as (stage, folder):
        stage.fill(units=UNITS, messages=0)
        # What the form's own token costs is not what is measured here.
        stage.app.config["WTF_CSRF_ENABLED"] = False
        admin = browser(stage, "admin@bench.test", Role.TENANT_ADMIN)
        with stage.connect() as connection:
            chats = cycle([str(row[0]) for row in connection.execute(CONVERSATIONS)])
        worker = stage.start_worker(folder)
        try:
            stage.wait_for_worker()
            stage.run(OPEN_LANES)
            # The first one waits for the lanes to be open.
            click(stage, admin, chats, 1)
            return compare(
                AREA,
                rounds,
                {"click": lambda: click(stage, admin, chats, clicks), "bare call": lambda: call(stage, clicks)},
            )
        finally:
            worker.terminate()
            worker.wait(60)


def click(stage: Stage, admin: FlaskClient, chats: Iterator[str], clicks: int) -> Measured:
    """Milliseconds until Evolution has what somebody sent from a thread, with the portal's own answer to the form."""
    report(stage.gateways[0])
    clicked_at = {}
    for number in range(clicks):
        text = f"reply {number}"
        clicked_at[text] = time.time()
        answer = admin.post(f"/t/bench/conversations/{next(chats)}/messages", data={"text": text})
        if answer.status_code != 303:
            raise RuntimeError(f"{answer.status_code} {answer.text}")
        time.sleep(PAUSE_S)
    return _late(stage, clicked_at)


def call(stage: Stage, clicks: int) -> Measured:
    report(stage.gateways[0])
    called_at = {}
    with requests.Session() as session:
        for number in range(clicks):
            text = f"reply {number}"
            called_at[text] = time.time()
            body = {"number": "5511999990001", "text": text}
            session.post(f"{stage.gateways[0]}/message/sendText/bare", json=body, headers={"apikey": API_KEY})
    return _late(stage, called_at)


def _late(stage: Stage, began_at: dict[str, float]) -> Measured:
    came, until = report(stage.gateways[0]), time.monotonic() + PATIENCE_S
    while len(came) < len(began_at):
        if time.monotonic() > until:
            raise RuntimeError(f"{len(came)} of {len(began_at)} came")
        time.sleep(PAUSE_S)
        came += report(stage.gateways[0])
    late_ms = [(at - began_at[text]) * 1000 for _, text, at in came]
    return {"p50 ms": percentile(late_ms, 0.5), "p95 ms": percentile(late_ms, 0.95)}
