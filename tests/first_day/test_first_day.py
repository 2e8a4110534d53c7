"""The nine stories of a first day, each to be run by its name: `pytest tests/first_day -k test_scan`."""

import json
from collections import Counter
from collections.abc import Callable, Iterator
from typing import Any

import pytest

from local.people import TENANT
from tests.first_day.people import Caller, signed_in
from tests.inbox.payloads import message
from tests.running.door import Door
from tests.running.stack import Stack
from tests.running.waiting import until

# The first one waits for the whole portal to start.
pytestmark = pytest.mark.timeout(300)

PROVIDER = {"provider": "evolution", "credentials": {}}
PNG = "data:image/png;base64,"
# What Evolution answers when it could not prepare a message: surely not sent, and worth another try.
NOT_PREPARED = {"message": ["Error: Media upload failed on all hosts"]}
SENDING_FAILED = {"status": 500, "body": {"status": 500, "error": "Internal Server Error", "response": NOT_PREPARED}}
QUICK_PACE = ("UPDATE units SET pace_min_s = 0.1, pace_max_s = 0.2 WHERE slug = 'centro'",)
USUAL_PACE = ("UPDATE units SET pace_min_s = 2, pace_max_s = 5 WHERE slug = 'centro'",)


@pytest.fixture
def quick_pace(stack: Stack) -> Iterator[None]:
    stack.rows.change(*QUICK_PACE)
    yield
    stack.rows.change(*USUAL_PACE)


def test_connect(stack: Stack, admin: Caller, new_unit: str) -> None:
    """An administrator asks for a code, twice: one instance is made, whose webhook leads to the portal."""
    path = f"/units/{new_unit}/whatsapp"
    assert admin.get(f"{path}/status")["status"] == "not_configured"

    answers = [admin.post(f"{path}/connect", PROVIDER, status=201) for _ in range(2)]

    assert [answer["connection"]["status"] for answer in answers] == ["qr", "qr"]
    assert answers[0]["connection"]["qrCode"].startswith(PNG)
    instance = stack.rows.instance_of(new_unit)
    assert [one["name"] for one in stack.simulator.instances()].count(instance) == 1
    until(lambda: webhooks_of(stack, instance), "instance in the simulator's file")
    (webhook,) = webhooks_of(stack, instance)
    assert webhook["url"].startswith(f"{stack.api.url}/webhooks/whatsapp/evolution/")
    assert webhook["headers"]["jwt_key"]
    until(lambda: admin.get(f"{path}/status")["reason"] == "waiting_scan", "code that waits to be scanned")


def test_scan(stack: Stack, admin: Caller, new_unit: str) -> None:
    """A phone scans the picture that the portal shows; the unit is connected, and shows no code any more."""
    path = f"/units/{new_unit}/whatsapp"
    shown = admin.post(f"{path}/connect", PROVIDER, status=201)["connection"]

    stack.simulator.scan_picture(shown["qrCode"])
    until(lambda: admin.get(f"{path}/status")["status"] == "connected", "connection")

    status = admin.get(f"{path}/status")
    number = next(
        one["number"] for one in stack.simulator.instances() if one["name"] == stack.rows.instance_of(new_unit)
    )
    assert (status["phone"], status["qrCode"], status["warnings"]) == (number, None, [])
    assert status["connectedAt"] is not None
    assert admin.get(f"{path}/qrcode", status=409)["error"]["code"] == "conflict"
    assert admin.post(f"{path}/connect", PROVIDER, status=409)["error"]["code"] == "conflict"


def test_inbound(stack: Stack, admin: Caller, linked: str) -> None:
    """A customer writes; their message stands in a conversation of this unit, unread."""
    text = "a first question of a new customer"

    stack.simulator.customer_writes(linked, number="5511955550001", name="Maria", text=text)
    until(lambda: text in bodies(admin, "inbound"), "customer's message")

    heard = admin.get("/messages?direction=inbound&limit=1")["items"][0]
    assert (heard["body"], heard["status"], heard["kind"]) == (text, "received", "text")
    conversation = admin.get(f"/conversations/{heard['conversationId']}")
    assert (conversation["phone"], conversation["unread"]) == ("5511955550001", 1)
    assert conversation["lastMessagePreview"] == text
    assert conversation["id"] in [one["id"] for one in admin.get("/units/centro/conversations")["items"]]
    assert [one["phone"] for one in admin.get("/contacts?phone=5511955550001")["items"]] == ["5511955550001"]


def test_duplicate(stack: Stack, admin: Caller, linked: str) -> None:
    """Evolution tells of one message three times; each is answered with success, and it is there once."""
    told = message("3A00000000000000F1D0", "told three times", chat="5511955550002@s.whatsapp.net")
    door = Door(stack, linked)

    answers = [door.knock("messages.upsert", told).status_code for _ in range(3)]
    until(lambda: "told three times" in bodies(admin, "inbound"), "message")
    door.knock("messages.upsert", told)
    until(lambda: stack.rows.count("webhook_events WHERE state = 'new'") == 0, "end of the inbox")

    assert answers == [200, 200, 200]
    assert bodies(admin, "inbound").count("told three times") == 1
    heard = next(one for one in admin.get("/messages?direction=inbound")["items"] if one["body"] == told_text(told))
    assert admin.get(f"/conversations/{heard['conversationId']}")["unread"] == 1


def test_outbound_with_retry_and_repeat(stack: Stack, admin: Caller, linked: str) -> None:
    """The first try fails before anything left, the second arrives; asked again, nothing is sent again."""
    order = {
        "unitId": "centro",
        "phone": "+55 11 95555-0003",
        "message": "a reply that needs a second try",
        "clientMessageId": "first-day-1",
    }
    stack.simulator.change(failNextSends=[SENDING_FAILED])

    sent = admin.post("/messages", order, status=202)
    until(lambda: status_of(admin, sent) in ("delivered", "read"), "receipt")
    again = admin.post("/messages", order, status=200)

    shown = admin.get(f"/messages/{sent['messageId']}")
    assert (shown["attempts"], shown["lastRetryAt"] is not None) == (2, True)
    assert (again["messageId"], again["deduplicated"]) == (sent["messageId"], True)
    assert stack.simulator.sent_texts().count(order["message"]) == 1
    assert stack.rows.statuses([order["message"]]).keys() == {order["message"]}


def test_campaign(stack: Stack, admin: Caller, linked: str, quick_pace: None) -> None:
    """Five lines, one of them twice and one no number: three people get one message each, and the sum is right."""
    phones = ["+5511955550011", "+5511955550012", "+5511955550013", "11 95555-0011", "12"]
    body = {"unitId": "centro", "name": "First offer", "content": "We are open, ((telefone))", "phones": phones}

    draft = admin.post("/api/campaigns", body, status=201)
    assert (draft["status"], draft["total"]) == ("draft", 5)
    assert sorted(line["reason"] for line in draft["skipped"]) == ["duplicate", "invalid"]
    admin.post(f"/api/campaigns/{draft['id']}/dispatch", {})
    path = f"/api/campaigns/{draft['id']}"
    until(lambda: admin.get(path)["status"] == "completed", "end of the campaign")
    until(lambda: arrived(admin.get(path)["counts"]) == 3, "three receipts")

    ended = admin.get(path)
    assert (ended["counts"]["skipped"], sum(ended["counts"].values())) == (2, 5)
    left = Counter(send["number"] for send in stack.simulator.sends() if send["text"].startswith("We are open"))
    assert left == Counter(["5511955550011", "5511955550012", "5511955550013"])


def test_wrong_provider(stack: Stack, admin: Caller, linked: str) -> None:
    """A webhook of another provider is refused for good, though its secret is right; and none can be connected."""
    kept = stack.rows.count("webhook_events")
    told = message("3A00000000000000F1D7", "through the wrong door")

    answer = Door(stack, linked).knock("messages.upsert", told, provider="meta")
    refused = admin.post("/units/centro/whatsapp/connect", {"provider": "meta"}, status=422)

    assert (answer.status_code, answer.json()["error"]["code"]) == (400, "unknown_provider")
    assert stack.rows.count("webhook_events") == kept
    assert "provider" in refused["error"]["details"]
    assert "through the wrong door" not in bodies(admin, "inbound")


def test_unknown_instance(stack: Stack, admin: Caller, linked: str) -> None:
    """A webhook of an instance that no unit has is answered with success, kept for operators, and read by nobody."""
    told = message("3A00000000000000F1D8", "from nowhere")

    answer = Door(stack, linked).knock("messages.upsert", told, instance="unit_of_nobody")

    assert (answer.status_code, answer.json()) == (200, {"warning": "unknown_instance"})
    parked = stack.rows.fetch(
        "SELECT tenant_id, unit_id, state FROM webhook_events WHERE instance_name = %s", "unit_of_nobody"
    )
    assert [tuple(row.values()) for row in parked] == [(None, None, "parked")]
    assert "from nowhere" not in bodies(admin, "inbound")


def test_isolation(stack: Stack, admin: Caller, linked: str, command: Callable[..., str]) -> None:
    """Another company sees nothing of the first one, and can do nothing there; what is not theirs does not exist."""
    text = "for the eyes of one company"
    stack.simulator.customer_writes(linked, number="5511955550004", name="Ana", text=text)
    until(lambda: text in bodies(admin, "inbound"), "customer's message")
    heard = admin.get("/messages?direction=inbound&limit=1")["items"][0]
    unit = next(one for one in admin.get("/admin/units") if one["slug"] == "centro")

    rival = open_company(stack, command)

    assert [(one["slug"], one["tenant"]) for one in rival.get("/admin/units")] == [("matriz", "rival")]
    assert [rival.get(path)["items"] for path in ("/messages", "/contacts", "/api/campaigns")] == [[], [], []]
    for path in (f"/messages/{heard['id']}", f"/conversations/{heard['conversationId']}"):
        assert rival.get(path, status=404)["error"]["code"] == "not_found"
    for name in (unit["id"], "centro"):
        rival.get(f"/units/{name}/whatsapp/status", status=404)
        rival.post(f"/units/{name}/whatsapp/connect", PROVIDER, status=404)
        rival.post(f"/units/{name}/whatsapp/send", {"phone": "5511955550004", "message": "not mine"}, status=404)
        rival.ask("DELETE", f"/units/{name}/whatsapp/disconnect", status=404)
    assert "not mine" not in stack.simulator.sent_texts()
    assert stack.api.status("centro") == "connected"
    assert {one["tenant"] for one in admin.get("/admin/units")} == {TENANT}


def open_company(stack: Stack, command: Callable[..., str]) -> Caller:
    """Another company with one unit, and its administrator."""
    email, password = "admin@rival.test", "a password of the rival"
    command("tenants", "create", "--name", "Rival", "--slug", "rival")
    command("units", "create", "--tenant", "rival", "--name", "Matriz", "--slug", "matriz")
    account = ("--email", email, "--role", "tenant_admin", "--tenant", "rival")
    command("users", "create", *account, "--password-stdin", typed=f"{password}\n")
    stack.note_secret("password", password)
    return signed_in(stack.api.url, email, password)


def webhooks_of(stack: Stack, instance: str) -> list[dict[str, Any]]:
    """As the simulator's file tells them, which is written a moment after the change."""
    file = stack.folder / "evolution.json"
    known = json.loads(file.read_text())["instances"] if file.exists() else []
    return [one["webhook"] for one in known if one["name"] == instance and one["webhook"]]


def bodies(caller: Caller, direction: str) -> list[str]:
    return [one["body"] for one in caller.get(f"/messages?direction={direction}&limit=100")["items"]]


def status_of(caller: Caller, sent: dict[str, str]) -> str:
    return str(caller.get(f"/messages/{sent['messageId']}")["status"])


def told_text(told: dict[str, dict[str, str]]) -> str:
    return told["message"]["conversation"]


def arrived(counts: dict[str, int]) -> int:
    return counts["delivered"] + counts["read"] + counts["replied"]
