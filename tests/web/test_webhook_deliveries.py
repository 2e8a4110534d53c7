"""The log of an address: what it was told, how it answered, and telling it once more."""

import re
from datetime import timedelta
from uuid import UUID

import pytest
from flask.testing import FlaskClient

from portal.clock import now
from portal.models import Message, WebhookEndpoint
from portal.tenancy import TenantScope
from tests.endpoints import delivery_of, make_delivery
from tests.statements import counted
from tests.web.htmx import poll

LIST = "/t/acme/webhooks"
BOTH = ["message.received", "message.status"]


def page_of(endpoint: WebhookEndpoint) -> str:
    return f"{LIST}/{endpoint.id}"


def rows_in(page: str) -> list[UUID]:
    return [UUID(id_) for id_ in re.findall(r'<li class="delivery" id="delivery-([\w-]+)"', page)]


def words_in(page: str) -> str:
    return " ".join(re.sub(r"<[^>]+>", " ", page).split())


WAITING = {"state": "waiting", "attempts": 2}
LATER = timedelta(hours=1)
OUTCOMES = {
    "delivered": ({"attempts": 1, "response_status": 200, "took_ms": 120}, "Delivered 200 in 120 ms"),
    "new": ({"state": "waiting"}, "Waiting"),
    "under way": ({**WAITING, "next_attempt_at": LATER}, "Being sent 2 attempts"),
    "refused": (
        {**WAITING, "error_code": "bad_status", "response_status": 500, "next_attempt_at": LATER},
        "Waiting answered 500 2 attempts next try",
    ),
    "late": ({**WAITING, "error_code": "timed_out", "next_attempt_at": LATER}, "Waiting timed out 2 attempts next try"),
    "given up": ({"state": "failed", "attempts": 12, "error_code": "unreachable"}, "Failed not reached 12 attempts"),
    "unknown": ({"state": "failed", "attempts": 1, "error_code": "whatever"}, "Failed not taken"),
}


@pytest.mark.parametrize(("columns", "words"), OUTCOMES.values(), ids=OUTCOMES)
def test_log_tells_what_became_of_each(
    admin: FlaskClient,
    acme: TenantScope,
    endpoint: WebhookEndpoint,
    message: Message,
    columns: dict[str, object],
    words: str,
) -> None:
    at = {name: now() + value if isinstance(value, timedelta) else value for name, value in columns.items()}
    make_delivery(acme, endpoint, message, **at)

    page = admin.get(page_of(endpoint)).text

    assert f"Read message.status Jardins Conversation {words}" in words_in(page)
    assert f'href="/t/acme/conversations/{message.conversation_id}"' in page


CODES = ("timed_out", "unreachable", "refused_address", "tls_failed", "redirected", "bad_status", "gone")


@pytest.mark.parametrize("code", [*CODES, "unreadable_secret"])
def test_delivery_says_what_went_wrong_and_what_to_do(
    admin: FlaskClient, acme: TenantScope, endpoint: WebhookEndpoint, message: Message, code: str
) -> None:
    delivery = make_delivery(acme, endpoint, message, state="failed", attempts=12, error_code=code)

    page = admin.get(f"{page_of(endpoint)}/deliveries/{delivery.id}").text

    notice = re.search(r'<p class="notice notice--bad">([^<]+)</p>', page)
    assert notice
    assert "It is not known why" not in notice[1]
    assert notice[1].count(". ") >= 1
    assert str(delivery.id) in words_in(page)
    assert code in words_in(page)


def test_log_has_pages_and_filters(
    admin: FlaskClient,
    acme: TenantScope,
    endpoint: WebhookEndpoint,
    message: Message,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    for module in ("portal.queries.webhook_deliveries", "portal.web.webhook_deliveries"):
        monkeypatch.setattr(f"{module}.PAGE", 3)
    made = [
        make_delivery(acme, endpoint, message, state=state, topic=topic).id
        for topic in BOTH
        for state in ("waiting", "failed")
    ]

    first = admin.get(page_of(endpoint)).text
    older = re.search(r'href="([^"]+before=[^"]+)"', first)
    assert older
    second = admin.get(older[1].replace("&amp;", "&")).text
    failed = admin.get(f"{page_of(endpoint)}?state=failed").text
    of_topic = admin.get(f"{page_of(endpoint)}?topic=message.received&state=waiting").text
    none = admin.get(f"{page_of(endpoint)}?state=delivered").text

    assert rows_in(first) == made[:0:-1]
    assert rows_in(second) == made[:1]
    assert "Earlier deliveries" not in second
    assert "hx-trigger" not in second
    assert rows_in(failed) == [made[3], made[1]]
    assert rows_in(of_topic) == [made[0]]
    assert "No delivery fits this filter." in none


@pytest.mark.parametrize("query", ["state=lost", "topic=message.deleted", "before=x", "before=-1", f"before={2**63}"])
def test_what_nobody_can_have_chosen_is_refused(admin: FlaskClient, endpoint: WebhookEndpoint, query: str) -> None:
    assert admin.get(f"{page_of(endpoint)}?{query}").status_code == 400


def test_log_asks_the_database_as_often_for_many_rows_as_for_one(
    admin: FlaskClient, acme: TenantScope, endpoint: WebhookEndpoint, message: Message
) -> None:
    make_delivery(acme, endpoint, message)
    admin.get(page_of(endpoint))
    with counted() as for_one:
        admin.get(page_of(endpoint))
    for _ in range(5):
        make_delivery(acme, endpoint, message)

    with counted() as for_many:
        admin.get(page_of(endpoint))

    assert len(for_many) == len(for_one)


def test_log_updates_itself_when_there_is_news(
    admin: FlaskClient, acme: TenantScope, endpoint: WebhookEndpoint, message: Message
) -> None:
    page = admin.get(page_of(endpoint)).text
    quiet = poll(admin, page, "webhook-log")
    delivery = make_delivery(acme, endpoint, message)
    news = poll(admin, page, "webhook-log")

    assert "Nothing was posted yet" in page
    assert quiet.status_code == 204
    assert rows_in(news.text) == [delivery.id]
    assert "<html" not in news.text


def test_delivery_is_sent_again_by_its_button_in_the_log(
    admin: FlaskClient, acme: TenantScope, endpoint: WebhookEndpoint, message: Message
) -> None:
    delivery = make_delivery(acme, endpoint, message, state="failed", attempts=12, error_code="bad_status")
    page = admin.get(f"{page_of(endpoint)}?state=failed").text
    address = re.search(r'action="([^"]+/replay[^"]*)"[^>]*>(?:(?!</form>).)*Send again', page)
    assert address

    answer = admin.post(address[1].replace("&amp;", "&"))

    again = delivery_of(acme, delivery.id)
    assert (answer.status_code, answer.location) == (303, f"{page_of(endpoint)}?state=failed")
    assert (again.state, again.attempts) == ("waiting", 0)
    assert "under the same id" in admin.get(answer.location).text


def test_delivery_under_way_offers_no_button_and_says_so_when_asked(
    admin: FlaskClient, acme: TenantScope, endpoint: WebhookEndpoint, message: Message
) -> None:
    delivery = make_delivery(acme, endpoint, message, **{**WAITING, "next_attempt_at": now() + LATER})

    page = admin.get(page_of(endpoint)).text
    answer = admin.post(f"{page_of(endpoint)}/deliveries/{delivery.id}/replay", follow_redirects=True)

    assert f"/deliveries/{delivery.id}/replay" not in page
    assert "It is being sent at this moment." in answer.text
    assert delivery_of(acme, delivery.id).attempts == 2


def test_all_that_failed_is_sent_again_after_a_question(
    admin: FlaskClient, acme: TenantScope, endpoint: WebhookEndpoint, message: Message
) -> None:
    failed = {"state": "failed", "attempts": 12, "error_code": "bad_status"}
    seen = [make_delivery(acme, endpoint, message, **failed) for _ in range(2)]
    page = admin.get(f"{page_of(endpoint)}?state=failed").text
    up_to = re.search(r'name="up_to" value="(\d+)"', page)
    assert up_to
    later = make_delivery(acme, endpoint, message, **failed)

    address, form = f"{page_of(endpoint)}/replay?state=failed", {"up_to": up_to[1]}
    asked = admin.post(address, data=form).text
    untouched = delivery_of(acme, seen[0].id).state
    answer = admin.post(address, data={**form, "confirmed": "1"}, follow_redirects=True).text

    assert "Send all 2 that failed again" in page
    assert "Send 2 failed deliveries again?" in asked
    assert untouched == "failed"
    assert "2 deliveries are sent once more." in answer
    assert [delivery_of(acme, row.id).state for row in (*seen, later)] == ["waiting", "waiting", "failed"]
