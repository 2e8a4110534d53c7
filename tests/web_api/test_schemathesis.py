"""A running portal does what its description says, with data that fits it and with data that does not."""

import json
import os
import subprocess
import sys
import threading
from collections.abc import Iterator
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
from flask import Flask, Response, request
from flask.testing import FlaskClient
from werkzeug.serving import make_server

from portal.clock import now
from portal.queue import QUEUES
from portal.web.api import BLUEPRINTS, limits, waiting
from tests.web_api.seed import CODE, Company, beat, call, change_connection, make_message, make_unit

HERE = Path(__file__).parent
# Of each call, beside what follows from the description by itself. `make fuzz` asks for many more.
EXAMPLES = os.environ.get("PORTAL_FUZZ_EXAMPLES") or "3"
SEED = os.environ.get("PORTAL_FUZZ_SEED") or "1"
LIMITS = ("PER_TOKEN", "PER_ADDRESS", "REFUSED_PER_ADDRESS", "REFUSED_PER_ACCOUNT")
# Nobody signs in with a password or a token that was made up.
NEVER_SUCCEED = {"api_sessions.login", "api_sessions.refresh"}


@pytest.fixture
def statuses(app: Flask) -> Iterator[dict[str, set[int]]]:
    """Endpoint -> with which statuses it answered."""
    seen: dict[str, set[int]] = {}

    def note(response: Response) -> Response:
        # Flask answers OPTIONS by itself.
        if request.method != "OPTIONS":
            seen.setdefault(request.endpoint or "", set()).add(response.status_code)
        return response

    app.after_request_funcs.setdefault(None, []).append(note)
    yield seen
    app.after_request_funcs[None].remove(note)


@pytest.fixture
def address(app: Flask, monkeypatch: pytest.MonkeyPatch) -> Iterator[str]:
    """Where the portal listens, with limits that nothing here comes near to."""
    for limit in LIMITS:
        monkeypatch.setattr(limits, limit, "1000000/minute")
    # No worker runs: whoever waits, waits in vain.
    monkeypatch.setattr(waiting, "LONGEST_WAIT_S", 0.0)
    server = make_server("127.0.0.1", 0, app, threaded=True)
    thread = threading.Thread(target=server.serve_forever)
    thread.start()
    yield f"http://127.0.0.1:{server.server_port}"
    server.shutdown()
    thread.join()
    server.server_close()


@pytest.mark.commits
@pytest.mark.timeout(3600)
def test_every_call_does_what_the_description_says(
    app: Flask, address: str, client: FlaskClient, acme: Company, statuses: dict[str, set[int]], tmp_path: Path
) -> None:
    rows = rows_of(client, acme)
    for queue in QUEUES:
        # To come: none is taken for dead meanwhile.
        beat(queue, age_s=-3600)
    statuses.clear()

    done = look_at(address, token=acme.admin, rows=rows, folder=tmp_path)

    assert done.returncode == 0, f"{done.stdout}\n{done.stderr}"
    failed = {call for call in calls_of(app) if min(statuses.get(call, {599})) >= 300}
    assert failed == NEVER_SUCCEED, "what never succeeds is hardly tested"


def calls_of(app: Flask) -> set[str]:
    names = {blueprint.name for blueprint in BLUEPRINTS}
    return {rule.endpoint for rule in app.url_map.iter_rules() if rule.endpoint.split(".")[0] in names}


def look_at(address: str, *, token: str, rows: dict[str, str], folder: Path) -> "subprocess.CompletedProcess[str]":
    """Let schemathesis call everything; what it writes goes into the folder."""
    config = ["--config-file", str(HERE / "schemathesis.toml")]
    # One: before 3.11.8, Python's parser takes two threads' depths for each other's (python/cpython#106905).
    amount = ["--max-examples", EXAMPLES, "--seed", SEED, "--workers", "1", "--checks", "all"]
    return subprocess.run(
        [sys.executable, "-m", "schemathesis.cli", *config, "run", f"{address}/openapi.json", *amount, "--no-color"],
        env={**os.environ, "API_TOKEN": token, "FUZZED_ROWS": json.dumps(rows), "PYTHONPATH": str(HERE.parents[1])},
        cwd=folder,
        capture_output=True,
        text=True,
    )


def rows_of(client: FlaskClient, acme: Company) -> dict[str, str]:
    """What may be named in an address or a body: a row for all calls, or for the one that needs another."""
    message = make_message(acme)
    connecting = make_unit(acme.scope, "praia", is_connected=False)
    # To come: it does not run out meanwhile.
    qr_code = {"qr_code": CODE, "qr_updated_at": now() + timedelta(days=1)}
    change_connection(acme.scope, connecting, status="qr", status_reason="waiting_scan", **qr_code)
    contact = call(client, "GET", "/contacts", acme.admin).json["items"][0]
    return {
        "unit_id": str(acme.unit_id),
        "message_id": str(message.id),
        "conversation_id": str(message.conversation_id),
        "contact_id": contact["id"],
        "campaign_id": make_campaign(client, acme),
        "sendMessage.unitId": str(acme.unit_id),
        "createCampaign.unitId": str(acme.unit_id),
        "connectUnit.unit_id": str(connecting),
        "getQrCode.unit_id": str(connecting),
        "pauseCampaign.campaign_id": make_campaign(client, acme, "dispatch"),
        "resumeCampaign.campaign_id": make_campaign(client, acme, "dispatch", "pause"),
        "cancelCampaign.campaign_id": make_campaign(client, acme, "dispatch"),
    }


def make_campaign(client: FlaskClient, acme: Company, *acts: str) -> str:
    body: dict[str, Any] = {"unitId": "centro", "name": "Easter", "content": "Hello", "phones": ["11988880009"]}
    campaign_id = str(call(client, "POST", "/api/campaigns", acme.admin, json=body).json["id"])
    for act in acts:
        assert call(client, "POST", f"/api/campaigns/{campaign_id}/{act}", acme.admin).status_code == 200
    return campaign_id
