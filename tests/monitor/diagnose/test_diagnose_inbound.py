"""Messages of customers that are missing: each cause is made, recognised, and put right where that can be done."""

import pytest
from sqlalchemy import insert

from portal import counters
from portal.clock import now
from portal.db import atomic, db
from portal.extensions import parts
from portal.inbox import receive
from portal.inbox.receive import Reception
from portal.models import EventState, MetricMinute, Relay, WebhookEvent
from portal.monitor.diagnose import Cause, Fix, Incident, asking
from portal.secrets import fingerprint, matches
from portal.tenancy import across_tenants
from tests.factories import make_parked_event
from tests.inbox.payloads import MARIA
from tests.monitor.diagnose.patient import Patient, ago
from tests.outbox.conftest import rows_of
from tests.outbox.rounds import bodies, keep, message

pytestmark = pytest.mark.commits

INBOUND = Incident.INBOUND


def test_nothing_is_found_at_a_unit_that_hears(linked: Patient) -> None:
    assert [finding.cause for finding in linked.look().of(INBOUND) if finding.is_found is not False] == []


def test_secret_that_differs_at_evolution_is_renewed_in_both_places(linked: Patient) -> None:
    webhook = linked.instance.webhook
    assert webhook is not None
    place = webhook.url.rpartition("/")[0]
    webhook.url = f"{place}/a-secret-of-somebody-else"
    assert linked.trouble(INBOUND) == {Cause.SECRET_MISMATCH}

    assert linked.fix(INBOUND, Cause.SECRET_MISMATCH).is_found is False

    secret = webhook.url.rpartition("/")[2]
    assert secret != "a-secret-of-somebody-else"
    assert matches(secret, linked.desk.connection.webhook_secret_hash)


@pytest.mark.parametrize(
    "harm",
    [
        {"webhook_secret_hash": fingerprint("another one")},
        {"webhook_secret_encrypted": "written with a key that is gone"},
    ],
    ids=["hash", "unreadable"],
)
def test_secret_that_differs_here_is_renewed_in_both_places(linked: Patient, harm: dict[str, str]) -> None:
    linked.change(**harm)
    assert Cause.SECRET_MISMATCH in linked.trouble(INBOUND)

    assert linked.fix(INBOUND, Cause.SECRET_MISMATCH).is_found is False

    webhook, connection = linked.instance.webhook, linked.desk.connection
    assert webhook is not None
    assert parts.vault.decrypt(connection.webhook_secret_encrypted or "") == webhook.url.rpartition("/")[2]
    assert linked.look().trouble == []


def test_secret_that_was_renewed_a_moment_ago_is_registered_anew_instead(linked: Patient) -> None:
    linked.apply(Fix.ROTATE)
    linked.work()
    webhook = linked.instance.webhook
    assert webhook is not None
    ours = webhook.url
    webhook.url = f"{ours.rpartition('/')[0]}/a-secret-of-somebody-else"

    assert linked.fix(INBOUND, Cause.SECRET_MISMATCH).is_found is False
    assert webhook.url == ours


def test_new_secret_that_is_not_registered_yet_is_no_trouble(linked: Patient) -> None:
    linked.apply(Fix.ROTATE)

    finding = linked.find(INBOUND, Cause.WEBHOOK_WRONG)

    assert (finding.is_found, finding.is_trouble) == (True, False)
    assert linked.find(INBOUND, Cause.SECRET_MISMATCH).is_found is False


def refuse(patient: Patient) -> None:
    """A delivery with a secret that is none, and what the counts of this process become in a minute."""
    counters.take()
    body = f'{{"event": "messages.upsert", "instance": "{patient.desk.name}", "data": {{}}}}'
    assert receive.receive("no-secret", None, body.encode()) is Reception.REFUSED
    counts = counters.take()
    minute = now().replace(second=0, microsecond=0)
    with across_tenants("a test writes counts"), atomic():
        rows = [{"minute": minute, "name": name, "count": number} for name, number in counts.items()]
        db.session.execute(insert(MetricMinute), rows)


def test_deliveries_that_were_refused_are_counted_by_unit(linked: Patient) -> None:
    other = linked.other_unit()
    webhook = linked.instance.webhook
    assert webhook is not None
    webhook.headers = {"jwt_key": "a key of somebody else"}

    refuse(linked)

    finding = linked.find(INBOUND, Cause.SECRET_MISMATCH)
    assert (finding.is_trouble, finding.count, finding.fix) == (True, 1, Fix.ROTATE)
    assert Patient(linked.scope, other, linked.evolution).find(INBOUND, Cause.SECRET_MISMATCH).count is None
    # What was refused before the secret was renewed tells nothing about the new one.
    assert linked.fix(INBOUND, Cause.SECRET_MISMATCH).is_found is False


def test_strangers_who_post_with_a_wrong_secret_change_nothing(linked: Patient) -> None:
    refuse(linked)

    found = linked.look()

    assert found.trouble == []
    assert found.offered == set()
    stranger = linked.find(INBOUND, Cause.STRANGER_POSTS)
    assert (stranger.is_found, stranger.passes, stranger.count) == (True, True, 1)


def test_who_was_refused_is_not_known_while_evolution_is_away(linked: Patient, monkeypatch: pytest.MonkeyPatch) -> None:
    refuse(linked)
    monkeypatch.setattr(asking, "LONGEST_S", 0.0)

    found = {finding.cause: finding for finding in linked.look().of(INBOUND)}

    assert [found[cause].is_found for cause in (Cause.SECRET_MISMATCH, Cause.STRANGER_POSTS)] == [None, None]
    assert found[Cause.SECRET_MISMATCH].fix is None


def test_settings_that_were_changed_are_set_again(linked: Patient) -> None:
    linked.set_unit(keeps_groups=True)
    assert linked.find(INBOUND, Cause.SETTINGS_WRONG).codes == ("groupsIgnore",)

    assert linked.fix(INBOUND, Cause.SETTINGS_WRONG).is_found is False
    assert linked.instance.settings["groupsIgnore"] is False


def store(patient: Patient, *, state: EventState, received_at: object) -> None:
    row = {"state": state, "received_at": received_at, "attempts": 0, "event": "presence.update"}
    make_parked_event(patient.scope, patient.unit, **row)


def test_events_that_nobody_applies_are_a_backlog_until_somebody_does(linked: Patient) -> None:
    store(linked, state=EventState.NEW, received_at=now())
    assert linked.find(INBOUND, Cause.EVENTS_WAIT).is_found is False
    store(linked, state=EventState.NEW, received_at=ago(minutes=3))
    with across_tenants("a test lets a worker die"), atomic():
        db.session.query(Relay).filter(Relay.queue == "inbox").update({"heartbeat_at": ago(minutes=2)})

    assert linked.trouble(INBOUND) == {Cause.WORKER_AWAY, Cause.EVENTS_WAIT}
    linked.work()
    assert linked.trouble(INBOUND) == {Cause.WORKER_AWAY}


def test_parked_events_are_applied_after_all(linked: Patient) -> None:
    other = linked.other_unit()
    foreign = make_parked_event(linked.scope, other, event="presence.update")
    store(linked, state=EventState.PARKED, received_at=ago(minutes=3))
    assert linked.trouble(INBOUND) == {Cause.EVENTS_PARKED}

    assert linked.fix(INBOUND, Cause.EVENTS_PARKED).is_found is False
    assert [event.id for event in rows_of(WebhookEvent) if event.state == EventState.PARKED] == [foreign]


def test_messages_that_only_evolution_has_are_fetched(linked: Patient) -> None:
    linked.change(compared_until=ago(minutes=30), compare_at=now() + (now() - ago(hours=1)))
    keep(
        linked.evolution, linked.instance, message("3A1", ago_s=600, text="Oi"), message("3A2", ago_s=500, text="Alô?")
    )
    assert (linked.trouble(INBOUND), linked.find(INBOUND, Cause.MESSAGES_MISSED).count) == (
        {Cause.MESSAGES_MISSED},
        2,
    )
    assert bodies() == []

    assert linked.fix(INBOUND, Cause.MESSAGES_MISSED).is_found is False
    assert bodies() == ["Oi", "Alô?"]


def test_only_chats_that_the_unit_leaves_out_are_no_trouble(linked: Patient) -> None:
    linked.change(compared_until=ago(minutes=30), compare_at=None)
    keep(linked.evolution, linked.instance, message("3A1", ago_s=600, chat="120363000000000000@g.us"))

    finding = linked.find(INBOUND, Cause.LEFT_OUT)

    assert (finding.is_found, finding.is_trouble, finding.count) == (True, False, 1)
    assert linked.trouble(INBOUND) == set()


def test_silence_while_others_hear_is_recognised(linked: Patient) -> None:
    other = linked.other_unit()
    Patient(linked.scope, other, linked.evolution).change(last_event_at=now())
    linked.change(last_event_at=ago(hours=2), connected_at=ago(hours=5), usual_gap_s=60.0)

    assert linked.trouble(INBOUND) == {Cause.UNUSUALLY_SILENT}


def test_what_is_missing_says_no_text_and_no_number(linked: Patient) -> None:
    linked.change(compared_until=ago(minutes=30), compare_at=None)
    keep(linked.evolution, linked.instance, message("3A1", ago_s=600, text="Segredo da Maria"))

    told = " ".join(finding.detail for finding in linked.look().findings)

    assert "Segredo" not in told
    assert MARIA.partition("@")[0] not in told
    assert (linked.desk.connection.phone or "5511999990001") not in told
