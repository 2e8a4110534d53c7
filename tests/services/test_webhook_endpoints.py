"""Endpoints of a company's programs: made, changed, deleted, what became of their news, and telling them once more."""

from base64 import b64decode
from datetime import timedelta
from urllib.parse import urlsplit

import pytest

from portal.clock import now
from portal.db import db
from portal.errors import Conflict, Invalid, NotFound
from portal.extensions import parts
from portal.models import (
    AuditEvent,
    Conversation,
    DeliveryState,
    Direction,
    Message,
    MessageStatus,
    WebhookDelivery,
    WebhookEndpoint,
)
from portal.queries import webhook_deliveries as queries
from portal.queries.webhook_deliveries import LAST_POSITION, Filter
from portal.services import webhook_deliveries, webhook_endpoints
from portal.tenancy import TenantScope, acting_for
from tests.architecture.walk import everything
from tests.endpoints import SHOWN, URL, delivery_of, endpoint_of, make_delivery, make_endpoint
from tests.factories import make_message, make_tenant

TOPICS = ["message.received"]
# Of an address everything else may be a secret.
HOST = urlsplit(URL).hostname
PUBLIC = "https://crm.example.com/hook"


@pytest.fixture
def message(scope: TenantScope, conversation: Conversation) -> Message:
    """One of which there is no news yet, so that no delivery is made but by a test."""
    return make_message(scope, conversation, direction=Direction.OUTBOUND, status=MessageStatus.QUEUED)


@pytest.fixture
def endpoint(scope: TenantScope) -> WebhookEndpoint:
    return make_endpoint(scope)


def audited(scope: TenantScope, action: str) -> list[AuditEvent]:
    with acting_for(scope):
        noted = scope.select(AuditEvent).where(AuditEvent.action == action)
        return list(db.session.scalars(noted.order_by(AuditEvent.id)))


def test_secret_is_one_that_standard_webhooks_reads_and_lies_encrypted(scope: TenantScope) -> None:
    with acting_for(scope):
        endpoint, secret = webhook_endpoints.create(scope, url=PUBLIC, topics=TOPICS)

    assert secret.startswith("whsec_")
    assert len(b64decode(secret.removeprefix("whsec_"), validate=True)) == 32
    assert parts.vault.decrypt(endpoint.secret_encrypted) == secret
    assert secret not in "\n".join(row for rows in everything().values() for row in rows)


def test_making_and_changing_are_audited_without_secrets(scope: TenantScope) -> None:
    with acting_for(scope):
        endpoint, _ = webhook_endpoints.create(scope, url=URL, topics=["message.status", "message.received"])
        webhook_endpoints.change(scope, endpoint.id, url=f"{SHOWN}?key=another", topics=TOPICS)

    (made,), (changed,) = audited(scope, "webhook_endpoint.created"), audited(scope, "webhook_endpoint.changed")
    assert made.after == {"host": HOST, "topics": ["message.received", "message.status"]}
    assert changed.before == made.after
    assert changed.after == {"host": HOST, "topics": TOPICS, "address": "changed"}


def test_saving_without_a_change_notes_nothing(scope: TenantScope, endpoint: WebhookEndpoint) -> None:
    with acting_for(scope):
        webhook_endpoints.change(scope, endpoint.id, url=f" {URL} ", topics=endpoint.topics)

    assert audited(scope, "webhook_endpoint.changed") == []


@pytest.mark.parametrize(
    ("typed", "fields"),
    [
        ({"url": "crm", "topics": TOPICS}, {"url"}),
        ({"url": PUBLIC, "topics": []}, {"topics"}),
        ({"url": PUBLIC, "topics": ["message.read"]}, {"topics"}),
        ({"url": "", "topics": []}, {"url", "topics"}),
    ],
    ids=["address", "no topic", "unknown topic", "both"],
)
def test_each_problem_is_told_at_its_field(scope: TenantScope, typed: dict[str, object], fields: set[str]) -> None:
    with acting_for(scope), pytest.raises(Invalid) as made:
        webhook_endpoints.create(scope, **typed)

    assert set(made.value.fields) == fields


def test_eleventh_endpoint_is_refused_and_the_rivals_do_not_count(scope: TenantScope) -> None:
    rival = make_tenant("rival")
    for number in range(webhook_endpoints.MOST_ENDPOINTS):
        make_endpoint(scope, url=f"{PUBLIC}/{number}")

    make_endpoint(rival)

    with acting_for(scope), pytest.raises(Invalid) as refused:
        webhook_endpoints.create(scope, url=PUBLIC, topics=TOPICS)
    assert set(refused.value.fields) == {"url"}


def test_another_address_is_tried_at_once(scope: TenantScope) -> None:
    tired = make_endpoint(scope, failures=9, paused_until=now() + timedelta(minutes=5))

    with acting_for(scope):
        same = webhook_endpoints.change(scope, tired.id, url=URL, topics=TOPICS)
        standing = (same.failures, same.paused_until)
        other = webhook_endpoints.change(scope, tired.id, url=PUBLIC, topics=TOPICS)

    assert standing == (9, tired.paused_until)
    assert (other.failures, other.paused_until) == (0, None)


def test_old_secret_signs_beside_the_new_one_for_a_day(scope: TenantScope, endpoint: WebhookEndpoint) -> None:
    old = parts.vault.decrypt(endpoint.secret_encrypted)

    mark = webhook_endpoints.secret_mark(endpoint)
    with acting_for(scope):
        rotated, new = webhook_endpoints.rotate_secret(scope, endpoint.id, instead_of=mark)

    assert new != old
    assert parts.vault.decrypt(rotated.secret_encrypted) == new
    assert parts.vault.decrypt(rotated.previous_secret_encrypted or "") == old
    assert rotated.previous_until is not None
    assert timedelta(hours=23) < rotated.previous_until - now() <= timedelta(hours=24)
    assert len(audited(scope, "webhook_endpoint.secret_rotated")) == 1


def test_second_click_makes_no_second_secret(scope: TenantScope, endpoint: WebhookEndpoint) -> None:
    mark = webhook_endpoints.secret_mark(endpoint)
    with acting_for(scope):
        _, new = webhook_endpoints.rotate_secret(scope, endpoint.id, instead_of=mark)
        with pytest.raises(Conflict):
            webhook_endpoints.rotate_secret(scope, endpoint.id, instead_of=mark)

    kept = endpoint_of(scope, endpoint.id)
    assert kept is not None
    assert parts.vault.decrypt(kept.secret_encrypted) == new


def test_switching_off_and_on_is_audited_once_each(scope: TenantScope) -> None:
    endpoint = make_endpoint(scope, failures=3, paused_until=now() + timedelta(minutes=5))
    with acting_for(scope):
        for _ in range(2):
            webhook_endpoints.switch_off(scope, endpoint.id)
        off = endpoint_of(scope, endpoint.id)
        is_off = off is not None and off.disabled_at is not None

        for _ in range(2):
            webhook_endpoints.switch_on(scope, endpoint.id)
        on = endpoint_of(scope, endpoint.id)

    assert is_off
    assert on is not None
    assert (on.disabled_at, on.failures, on.paused_until) == (None, 0, None)
    assert len(audited(scope, "webhook_endpoint.switched_off")) == 1
    assert len(audited(scope, "webhook_endpoint.switched_on")) == 1


def test_deleted_endpoint_takes_its_log_with_it_in_batches_and_no_other(
    scope: TenantScope, endpoint: WebhookEndpoint, message: Message, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(webhook_endpoints, "BATCH", 2)
    other = make_endpoint(scope, url=PUBLIC)
    kept = make_delivery(scope, other, message)
    for _ in range(5):
        make_delivery(scope, endpoint, message)

    with acting_for(scope):
        webhook_endpoints.delete(scope, endpoint.id)

        left = db.session.scalars(scope.select(WebhookDelivery, WebhookDelivery.id)).all()
    assert endpoint_of(scope, endpoint.id) is None
    assert left == [kept.id]
    (noted,) = audited(scope, "webhook_endpoint.deleted")
    assert noted.before == {"host": HOST, "topics": ["message.received", "message.status"]}


def test_log_that_takes_too_long_is_deleted_in_several_goes(
    scope: TenantScope, endpoint: WebhookEndpoint, message: Message, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(webhook_endpoints, "BATCH", 2)
    monkeypatch.setattr(webhook_endpoints, "LONGEST_S", -1)
    for _ in range(3):
        make_delivery(scope, endpoint, message)

    with acting_for(scope):
        first = webhook_endpoints.delete(scope, endpoint.id)
        between = endpoint_of(scope, endpoint.id)
        second = webhook_endpoints.delete(scope, endpoint.id)

    assert (first, second) == (False, True)
    assert between is not None
    assert between.disabled_at is not None
    assert endpoint_of(scope, endpoint.id) is None


@pytest.mark.parametrize(
    "columns",
    [
        {"state": DeliveryState.DELIVERED, "attempts": 1, "delivered_at": now(), "response_status": 200},
        {"state": DeliveryState.FAILED, "attempts": 12, "error_code": "bad_status", "response_status": 500},
        {
            "state": DeliveryState.WAITING,
            "attempts": 3,
            "error_code": "timed_out",
            "next_attempt_at": now() + timedelta(hours=4),
        },
        {"state": DeliveryState.WAITING, "attempts": 1, "next_attempt_at": now() - timedelta(seconds=1)},
    ],
    ids=["delivered", "failed", "to be tried again", "forgotten by its worker"],
)
def test_replayed_delivery_is_as_new_under_the_same_id(
    scope: TenantScope, endpoint: WebhookEndpoint, message: Message, columns: dict[str, object]
) -> None:
    delivery = make_delivery(scope, endpoint, message, **columns)

    with acting_for(scope):
        webhook_deliveries.replay(scope, endpoint.id, delivery.id)

    again = delivery_of(scope, delivery.id)
    assert (again.state, again.attempts, again.error_code, again.response_status) == ("waiting", 0, None, None)
    assert again.delivered_at is None
    assert again.next_attempt_at <= now()
    (noted,) = audited(scope, "webhook_deliveries.replayed")
    assert (noted.subject_id, noted.after) == (endpoint.id, {"count": 1, "ids": [str(delivery.id)]})


def test_delivery_under_way_is_not_replayed(scope: TenantScope, endpoint: WebhookEndpoint, message: Message) -> None:
    leased = {"state": DeliveryState.WAITING, "attempts": 1, "next_attempt_at": now() + timedelta(seconds=60)}
    delivery = make_delivery(scope, endpoint, message, **leased)

    with acting_for(scope), pytest.raises(Conflict):
        webhook_deliveries.replay(scope, endpoint.id, delivery.id)

    assert delivery_of(scope, delivery.id).attempts == 1
    assert audited(scope, "webhook_deliveries.replayed") == []


def test_all_that_failed_is_replayed_up_to_what_was_seen(
    scope: TenantScope, endpoint: WebhookEndpoint, message: Message
) -> None:
    failed = {"state": DeliveryState.FAILED, "attempts": 12, "error_code": "bad_status"}
    elsewhere = make_delivery(scope, make_endpoint(scope, url=PUBLIC), message, **failed)
    delivered = make_delivery(scope, endpoint, message)
    of_other_topic = make_delivery(scope, endpoint, message, topic="message.received", **failed)
    seen = [make_delivery(scope, endpoint, message, **failed) for _ in range(3)]
    later = make_delivery(scope, endpoint, message, **failed)

    with acting_for(scope):
        number = webhook_deliveries.replay_failed(
            scope, endpoint.id, topic="message.status", up_to=delivery_of(scope, seen[-1].id).position
        )

    states = [delivery_of(scope, row.id).state for row in (elsewhere, delivered, of_other_topic, *seen, later)]
    assert number == 3
    assert states == ["failed", "delivered", "failed", "waiting", "waiting", "waiting", "failed"]
    (noted,) = audited(scope, "webhook_deliveries.replayed")
    assert noted.after is not None
    assert noted.after["count"] == 3
    assert set(noted.after["ids"]) == {str(row.id) for row in seen}


def test_only_the_oldest_of_very_many_are_replayed_at_once(
    scope: TenantScope, endpoint: WebhookEndpoint, message: Message, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(webhook_deliveries, "MOST_AT_ONCE", 2)
    failed = [make_delivery(scope, endpoint, message, state=DeliveryState.FAILED) for _ in range(3)]

    with acting_for(scope):
        number = webhook_deliveries.replay_failed(scope, endpoint.id, topic=None, up_to=LAST_POSITION)

    assert number == 2
    assert [delivery_of(scope, row.id).state for row in failed] == ["waiting", "waiting", "failed"]


def test_nothing_of_another_company_is_touched(scope: TenantScope, endpoint: WebhookEndpoint, message: Message) -> None:
    delivery, rival = make_delivery(scope, endpoint, message), make_tenant("rival")
    acts = [
        lambda: webhook_endpoints.change(rival, endpoint.id, url=PUBLIC, topics=TOPICS),
        lambda: webhook_endpoints.rotate_secret(rival, endpoint.id, instead_of=""),
        lambda: webhook_endpoints.switch_off(rival, endpoint.id),
        lambda: webhook_endpoints.switch_on(rival, endpoint.id),
        lambda: webhook_endpoints.delete(rival, endpoint.id),
        lambda: webhook_deliveries.replay(rival, endpoint.id, delivery.id),
        lambda: webhook_deliveries.replay_failed(rival, endpoint.id, topic=None, up_to=LAST_POSITION),
    ]
    before = everything()

    for act in acts:
        with acting_for(rival), pytest.raises(NotFound):
            act()

    assert everything() == before


def test_figures_count_what_waits_and_the_last_day(
    scope: TenantScope, endpoint: WebhookEndpoint, message: Message
) -> None:
    quiet, long_ago, reached_at = make_endpoint(scope, url=PUBLIC), now() - timedelta(hours=25), now()
    for state in DeliveryState:
        make_delivery(scope, endpoint, message, state=state, created_at=long_ago, delivered_at=long_ago)
    make_delivery(scope, endpoint, message, delivered_at=reached_at)
    make_delivery(scope, endpoint, message, delivered_at=reached_at - timedelta(hours=1))
    make_delivery(scope, endpoint, message, state=DeliveryState.FAILED)

    with acting_for(scope):
        rows = {row.endpoint.id: row for row in queries.list_endpoints(scope)}

    row = rows[endpoint.id]
    assert (row.waiting, row.delivered, row.failed, row.reached_at) == (1, 2, 1, reached_at)
    row = rows[quiet.id]
    assert (row.waiting, row.delivered, row.failed, row.reached_at) == (0, 0, 0, None)


def test_endpoint_that_was_gone_is_none_any_more_once_a_person_switches_it(scope: TenantScope) -> None:
    endpoint = make_endpoint(scope, disabled_at=now(), is_gone=True)

    with acting_for(scope):
        webhook_endpoints.switch_on(scope, endpoint.id)
        webhook_endpoints.switch_off(scope, endpoint.id)

    off = endpoint_of(scope, endpoint.id)
    assert off is not None
    assert (off.disabled_at is not None, off.is_gone) == (True, False)


def test_log_is_newest_first_and_filtered(scope: TenantScope, endpoint: WebhookEndpoint, message: Message) -> None:
    made = [
        make_delivery(scope, endpoint, message, state=state, topic=topic)
        for topic in ("message.received", "message.status")
        for state in ("waiting", "delivered", "failed")
    ]
    wanted = {
        "all": (Filter(), [5, 4, 3, 2, 1, 0]),
        "failed": (Filter(state=DeliveryState.FAILED), [5, 2]),
        "of a topic": (Filter(topic="message.received"), [2, 1, 0]),
        "up to": (Filter(up_to=delivery_of(scope, made[3].id).position), [3, 2, 1, 0]),
    }

    with acting_for(scope):
        found = {
            name: [row.delivery.id for row in queries.list_deliveries(scope, endpoint.id, filter_)]
            for name, (filter_, _) in wanted.items()
        }

    assert found == {name: [made[place].id for place in places] for name, (_, places) in wanted.items()}
