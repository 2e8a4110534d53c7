"""An instance whose webhook or settings were changed by hand is set up again, and that is noted."""

from collections.abc import Callable
from datetime import timedelta

import pytest

from local.evolution.model import Instance
from portal.clock import now
from portal.db import atomic, db
from portal.evolution.client import EvolutionClient
from portal.extensions import parts
from portal.models import EvolutionServer, Unit
from portal.outbox import reconcile
from portal.services import webhook_secrets
from portal.services.connections import COMPARE_SOON
from portal.tenancy import across_tenants, acting_for
from tests.outbox.desk import Desk, Evolution
from tests.outbox.rounds import change, check, linked, repairs

pytestmark = pytest.mark.commits


def remove(instance: Instance) -> None:
    instance.webhook = None


def alter(**changes: object) -> Callable[[Instance], None]:
    def do(instance: Instance) -> None:
        for name, value in changes.items():
            setattr(instance.webhook, name, value)

    return do


@pytest.mark.parametrize(
    ("harm", "faults"),
    [
        (remove, "missing"),
        (alter(url="https://elsewhere.test/hook"), "url"),
        (alter(enabled=False, events=[]), "enabled, events"),
        (alter(events=["QRCODE_UPDATED"]), "events"),
        (alter(by_events=True), "byEvents"),
        (alter(base64=True), "base64"),
        (alter(headers=None), "headers"),
        (alter(headers={"jwt_key": "another-key"}), "headers"),
    ],
    ids=["removed", "url", "off", "events", "by_events", "base64", "no_key", "other_key"],
)
def test_a_webhook_that_was_changed_is_set_again(
    desk: Desk, evolution: Evolution, harm: Callable[[Instance], None], faults: str
) -> None:
    instance = linked(desk, evolution)
    assert instance.webhook is not None
    before = instance.webhook.to_json("")
    change(desk, compare_at=now() + timedelta(minutes=4))
    harm(instance)

    check(desk, whole=True)
    check(desk, whole=True)

    after = instance.webhook.to_json("")
    same = ("url", "headers", "enabled", "events", "webhookByEvents", "webhookBase64")
    assert {name: after[name] for name in same} == {name: before[name] for name in same}
    assert repairs() == [("webhook", faults, None)]
    # What went elsewhere meanwhile is looked for as soon as the youngest of it may be.
    assert desk.connection.compare_at is not None
    assert desk.connection.compare_at <= now() + COMPARE_SOON


def test_an_event_too_many_is_left(desk: Desk, evolution: Evolution) -> None:
    instance = linked(desk, evolution)
    assert instance.webhook is not None
    instance.webhook.events = [*instance.webhook.events, "PRESENCE_UPDATE"]

    check(desk, whole=True)

    assert "PRESENCE_UPDATE" in instance.webhook.events
    assert repairs() == []


def test_the_webhook_is_looked_at_every_other_minute_only(
    desk: Desk, evolution: Evolution, monkeypatch: pytest.MonkeyPatch
) -> None:
    linked(desk, evolution)
    asked: list[str] = []
    find = EvolutionClient.find_webhook
    monkeypatch.setattr(EvolutionClient, "find_webhook", lambda client, name: asked.append(name) or find(client, name))

    check(desk)
    early = len(asked)
    change(desk, webhook_checked_at=now() - reconcile.WEBHOOK_GOOD_FOR - timedelta(seconds=1))
    check(desk)

    assert (early, len(asked)) == (0, 1)


def keep(desk: Desk, **kept: bool) -> None:
    with acting_for(desk.scope), atomic():
        db.session.execute(desk.scope.update(Unit).where(Unit.id == desk.unit_id).values(kept))


@pytest.mark.parametrize(
    ("kept", "faults", "settings"),
    [
        ({"keeps_groups": True}, "groupsIgnore", (False, False)),
        ({"keeps_stories": True}, "readStatus", (True, True)),
        ({"keeps_broadcasts": True}, "readStatus", (True, True)),
        ({"keeps_groups": True, "keeps_stories": True}, "groupsIgnore, readStatus", (False, True)),
    ],
)
def test_settings_follow_the_unit_and_leave_the_others(
    desk: Desk, evolution: Evolution, kept: dict[str, bool], faults: str, settings: tuple[bool, bool]
) -> None:
    instance = linked(desk, evolution)
    instance.settings |= {"rejectCall": True, "msgCall": "Escreva, por favor"}
    keep(desk, **kept)

    check(desk, whole=True)
    check(desk, whole=True)

    assert (instance.settings["groupsIgnore"], instance.settings["readStatus"]) == settings
    assert (instance.settings["rejectCall"], instance.settings["msgCall"]) == (True, "Escreva, por favor")
    assert repairs() == [("settings", faults, None)]


def test_a_new_instance_is_made_with_the_units_settings(desk: Desk, evolution: Evolution) -> None:
    keep(desk, keeps_groups=True, keeps_stories=True)

    instance = linked(desk, evolution)

    assert (instance.settings["groupsIgnore"], instance.settings["readStatus"]) == (False, True)


def test_an_older_server_is_asked_for_the_events_it_knows(desk: Desk, evolution: Evolution) -> None:
    instance = linked(desk, evolution)
    assert instance.webhook is not None
    with across_tenants("a test makes the server an older one"), atomic():
        db.session.query(EvolutionServer).update({"version": "2.2.3"})
    instance.webhook = None

    check(desk, whole=True)

    webhook = instance.webhook
    assert webhook is not None
    assert "MESSAGES_UPSERT" in webhook.events
    assert not {"STATUS_INSTANCE", "SEND_MESSAGE_UPDATE"} & set(webhook.events)


def test_a_renewed_secret_is_registered_and_is_no_repair(desk: Desk, evolution: Evolution) -> None:
    instance = linked(desk, evolution)
    assert instance.webhook is not None
    before = instance.webhook.url
    with acting_for(desk.scope):
        webhook_secrets.rotate(desk.scope, desk.unit_id)

    check(desk)

    secret = parts.vault.decrypt(desk.connection.webhook_secret_encrypted or "")
    assert before != instance.webhook.url
    assert instance.webhook.url.endswith(f"/{secret}")
    assert repairs() == []


def test_a_webhook_that_was_also_meddled_with_is_a_repair(desk: Desk, evolution: Evolution) -> None:
    instance = linked(desk, evolution)
    with acting_for(desk.scope):
        webhook_secrets.rotate(desk.scope, desk.unit_id)
    alter(url="https://elsewhere.test/hook")(instance)

    check(desk)

    assert repairs() == [("webhook", "url", None)]


def test_a_webhook_that_takes_the_secret_of_before_elsewhere_is_a_repair(desk: Desk, evolution: Evolution) -> None:
    instance = linked(desk, evolution)
    assert instance.webhook is not None
    before = instance.webhook.url.rpartition("/")[2]
    with acting_for(desk.scope):
        webhook_secrets.rotate(desk.scope, desk.unit_id)
    alter(url=f"https://elsewhere.test/hook/{before}")(instance)

    check(desk)

    assert repairs() == [("webhook", "url", None)]


def test_a_secret_of_before_that_is_no_longer_taken_is_a_repair(desk: Desk, evolution: Evolution) -> None:
    linked(desk, evolution)
    with acting_for(desk.scope):
        webhook_secrets.rotate(desk.scope, desk.unit_id)
    change(desk, previous_accepted_until=now() - timedelta(seconds=1))

    check(desk)

    assert repairs() == [("webhook", "url", None)]
