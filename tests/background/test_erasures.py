"""Erasing a person: nothing is left of them, nobody else loses anything, and what is in flight is waited for."""

import re
from concurrent.futures import ThreadPoolExecutor
from threading import Barrier
from uuid import UUID

import pytest
from flask import Flask

from portal.background import erasures
from portal.background.erasures import Erasures
from portal.db import atomic, db
from portal.models import (
    AuditEvent,
    Campaign,
    CampaignRecipient,
    Contact,
    Conversation,
    Direction,
    Erasure,
    EventState,
    Import,
    ImportState,
    Message,
    MessageKind,
    MessageStatus,
    RecipientState,
    SkipReason,
    Suppression,
    SuppressionReason,
    WebhookEvent,
)
from portal.services import erasing
from portal.services.suppression import fingerprints
from portal.tenancy import TenantScope, acting_for
from tests.architecture.walk import everything
from tests.background.persons import (
    LID,
    NUMBER,
    TRACES,
    Filomena,
    Home,
    erase,
    make_event,
    make_filomena,
    make_group,
    make_home,
    work_off,
)
from tests.factories import make_connected_unit, make_conversation, make_media, make_message


@pytest.fixture
def home(database: None) -> Home:
    return make_home()


@pytest.fixture
def filomena(home: Home) -> Filomena:
    return make_filomena(home)


def traces() -> list[tuple[str, str]]:
    """Whatever in the whole database leads to her: table and trace."""
    dump = everything()
    return [(table, trace) for table, rows in dump.items() for row in rows for trace in TRACES if trace in row]


def erasure_of(filomena: Filomena) -> Erasure:
    with acting_for(filomena.scope):
        statement = filomena.scope.select(Erasure).where(Erasure.contact_id == filomena.contact_id)
        return db.session.scalars(statement.execution_options(populate_existing=True)).one()


def test_ledgers_of_campaigns_keep_a_line_that_says_nothing_of_an_erased_person(filomena: Filomena) -> None:
    erase(filomena)

    lines = lines_of(filomena)
    assert [(one.state, one.reason, one.outcome) for one in lines] == [
        (RecipientState.HANDED, None, "received"),
        (RecipientState.SKIPPED, SkipReason.DUPLICATE, None),
        (RecipientState.SKIPPED, SkipReason.ERASED, None),
    ]
    said = {(one.contact_id, one.typed, one.body, one.message_id, one.conversation_id) for one in lines}
    assert said == {(None,) * 5}


def test_pasted_list_keeps_the_others_and_the_places_of_its_lines(filomena: Filomena) -> None:
    erase(filomena)

    with acting_for(filomena.scope):
        audiences = db.session.scalars(filomena.scope.select(Campaign, Campaign.audience)).all()
    assert [audience["pasted"] for audience in audiences if "pasted" in audience] == ["(11) 90000-0000\n\n"]


def lines_of(filomena: Filomena) -> list[CampaignRecipient]:
    """Of the campaigns in which she was."""
    scope = filomena.scope
    hers = scope.select(Campaign, Campaign.id).where(Campaign.name == "Natal")
    statement = scope.select(CampaignRecipient).where(CampaignRecipient.campaign_id.in_(hers))
    in_order = statement.order_by(CampaignRecipient.campaign_id, CampaignRecipient.position)
    with acting_for(scope):
        return list(db.session.scalars(in_order.execution_options(populate_existing=True)))


def set_status(filomena: Filomena, before: MessageStatus, after: MessageStatus) -> None:
    with acting_for(filomena.scope), atomic():
        these = filomena.scope.update(Message).where(Message.status == before)
        db.session.execute(these.values(status=after))


def set_import_state(filomena: Filomena, state: ImportState) -> None:
    with acting_for(filomena.scope), atomic():
        db.session.execute(filomena.scope.update(Import).values(state=state))


def test_every_trace_is_there_before(filomena: Filomena) -> None:
    assert {trace for _, trace in traces()} == set(TRACES)


def test_nothing_in_the_whole_database_leads_to_an_erased_person(filomena: Filomena) -> None:
    erase(filomena)

    assert traces() == []
    assert erasure_of(filomena).done_at is not None


def test_nobody_else_loses_or_gains_a_byte(home: Home) -> None:
    before = everything()

    erase(make_filomena(home))

    after = everything()
    changed = {table for table in before if before[table] != after[table]}
    # Her company's lists lost their content, and the group was written in.
    assert changed == {
        "imports",
        "import_chunks",
        "import_rows",
        "erasures",
        "suppressions",
        "audit_events",
        "conversations",
        # Her lines stay, for the sums.
        "campaigns",
        "campaign_recipients",
    }
    assert _without(home.group, before["conversations"]) == _without(home.group, after["conversations"])


def test_another_company_that_knows_the_same_person_keeps_everything(filomena: Filomena) -> None:
    rival = make_filomena(make_home("rival"))
    before = _rows_of(rival)

    erase(filomena)

    assert _rows_of(rival) == before


def test_it_is_counted_what_was_deleted(filomena: Filomena) -> None:
    erase(filomena)

    assert erasure_of(filomena).counts == {"messages": 5, "files": 1, "events": 4, "lists": 1, "conversations": 1}


@pytest.mark.parametrize(
    ("is_opted_out", "reason"),
    [(True, SuppressionReason.OPTED_OUT), (False, SuppressionReason.ERASED)],
    ids=["opted out", "not opted out"],
)
def test_fingerprint_of_each_address_stays(home: Home, is_opted_out: bool, reason: SuppressionReason) -> None:
    filomena = make_filomena(home, is_opted_out=is_opted_out)

    erase(filomena)

    wanted = [fingerprints(address)[0] for address in (NUMBER, f"{LID}@lid")]
    with acting_for(filomena.scope):
        found = filomena.scope.select(Suppression, Suppression.reason).where(Suppression.fingerprint.in_(wanted))
        assert db.session.scalars(found).all() == [reason, reason]


def test_whoever_was_merged_into_the_person_goes_too(filomena: Filomena) -> None:
    company = filomena.company
    with acting_for(company.scope):
        erasing.erase(company.scope, company.conversation.contact_id, is_understood=True)

    work_off()

    with acting_for(company.scope):
        left = db.session.scalars(company.scope.select(Contact, Contact.phone).where(Contact.phone.is_not(None)))
        assert left.all() == [NUMBER]


def test_message_in_flight_is_waited_for(filomena: Filomena) -> None:
    set_status(filomena, MessageStatus.QUEUED, MessageStatus.SENDING)

    erase(filomena)

    with acting_for(filomena.scope):
        theirs = filomena.scope.select(Message, Message.status).where(
            Message.conversation_id == filomena.conversation.id
        )
        assert db.session.scalars(theirs).all() == [MessageStatus.SENDING]
    assert erasure_of(filomena).done_at is None


def test_erasure_goes_on_once_the_message_in_flight_was_sent(filomena: Filomena) -> None:
    set_status(filomena, MessageStatus.QUEUED, MessageStatus.SENDING)
    erase(filomena)
    set_status(filomena, MessageStatus.SENDING, MessageStatus.SENT)

    work_off()

    assert traces() == []


@pytest.mark.parametrize("state", [ImportState.IMPORTING, ImportState.CHECKED], ids=str)
def test_unfinished_import_is_waited_for(filomena: Filomena, state: ImportState) -> None:
    set_import_state(filomena, state)
    erase(filomena)
    was_done = erasure_of(filomena).done_at
    set_import_state(filomena, ImportState.CANCELLED)

    work_off()

    assert was_done is None
    assert traces() == []


def test_event_that_the_inbox_has_not_applied_is_waited_for(filomena: Filomena) -> None:
    event_id = make_event(filomena.scope, filomena.company.unit, f"{NUMBER}@s.whatsapp.net", state=EventState.NEW)

    erase(filomena)

    with acting_for(filomena.scope):
        waiting = filomena.scope.select(WebhookEvent, WebhookEvent.state).where(WebhookEvent.id == event_id)
        assert db.session.scalar(waiting) == EventState.NEW
    assert erasure_of(filomena).done_at is None


def test_what_waits_keeps_nobody_else_waiting(filomena: Filomena) -> None:
    rival = make_filomena(make_home("rival"))
    set_import_state(filomena, ImportState.CHECKED)
    erase(filomena)

    erase(rival)

    assert erasure_of(rival).done_at is not None


def test_longer_number_that_begins_alike_is_somebody_elses(filomena: Filomena) -> None:
    # The number without its ninth digit, and one digit more.
    event_id = make_event(filomena.scope, filomena.company.unit, "5511876500012@s.whatsapp.net")

    erase(filomena)

    with acting_for(filomena.scope):
        assert filomena.scope.get(WebhookEvent, event_id) is not None  # type: ignore[arg-type]


def test_file_that_somebody_else_got_too_stays(filomena: Filomena) -> None:
    company = filomena.company
    media_id = make_media(company.scope, name="aviso.pdf")
    make_message(company.scope, filomena.conversation, media_id=media_id)
    make_message(company.scope, company.conversation, media_id=media_id, external_id="3AKEPT")

    erase(filomena)

    with acting_for(company.scope):
        kept = company.scope.select(Message, Message.media_id).where(Message.external_id == "3AKEPT")
        assert db.session.scalar(kept) == media_id


def test_list_shows_nothing_of_what_the_person_wrote_last_in_a_group(home: Home) -> None:
    erase(make_filomena(home))

    with acting_for(home.company.scope):
        group = home.company.scope.get(Conversation, home.group.id)
        assert (group.last_message_preview, group.last_message_kind) == (None, MessageKind.DELETION)


def test_what_others_wrote_in_the_group_stays(filomena: Filomena) -> None:
    erase(filomena)

    with acting_for(filomena.scope):
        theirs = filomena.scope.select(Message, Message.body).where(Message.details["sender"].as_string().is_not(None))
        assert db.session.scalars(theirs).all() == ["Bom dia, gente"]


def test_another_worker_goes_on_where_the_first_was_killed(filomena: Filomena, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(erasures, "BATCH", 2)
    with acting_for(filomena.scope):
        erasing.erase(filomena.scope, filomena.contact_id, is_understood=True)
    Erasures().work()
    Erasures().work()
    between = erasure_of(filomena).counts

    work_off()

    assert between == {"messages": 4, "files": 1}
    assert erasure_of(filomena).counts == {"messages": 5, "files": 1, "events": 4, "lists": 1, "conversations": 1}
    assert traces() == []


def test_erasure_in_a_second_unit_goes_too(filomena: Filomena) -> None:
    unit = make_connected_unit(filomena.scope, "praia", phone="5511999990009")
    make_message(filomena.scope, make_conversation(filomena.scope, unit, phone=NUMBER), body=TRACES[4])

    erase(filomena)

    assert traces() == []


def test_erasure_that_fails_keeps_no_other_from_its_turn(filomena: Filomena, monkeypatch: pytest.MonkeyPatch) -> None:
    scope, another = filomena.scope, make_conversation(filomena.scope, filomena.company.unit, phone="5511900000077")
    with acting_for(scope):
        broken = erasing.erase(scope, filomena.contact_id, is_understood=True)
        erasing.erase(scope, another.contact_id, is_understood=True)
    take_step = erasures._take_step

    def fail_at_the_first(scope: TenantScope, erasure_id: UUID) -> bool:
        if erasure_id == broken:
            raise RuntimeError("broken")
        return take_step(scope, erasure_id)

    monkeypatch.setattr(erasures, "_take_step", fail_at_the_first)
    worker = Erasures()
    with pytest.raises(RuntimeError, match="broken"):
        worker.work()
    while worker.work():
        pass

    with acting_for(scope):
        undone = scope.select(Erasure, Erasure.contact_id).where(Erasure.done_at.is_(None))
        assert db.session.scalars(undone).all() == [filomena.contact_id]


def test_audit_log_says_who_asked_and_nothing_of_whom(filomena: Filomena) -> None:
    erase(filomena)

    with acting_for(filomena.scope):
        asked = filomena.scope.select(AuditEvent).where(AuditEvent.action == "contact.erasure_asked")
        event = db.session.scalars(asked).one()
    assert (event.before, event.after) == (None, None)


def test_group_stays_a_group_without_anybody_erased(filomena: Filomena) -> None:
    group = make_group(filomena.scope, filomena.company.unit, jid="1204@g.us")
    make_message(filomena.scope, group, body="Oi", direction=Direction.OUTBOUND)

    erase(filomena)

    with acting_for(filomena.scope):
        assert filomena.scope.get(Conversation, group.id).last_message_preview == "Oi"


def _without(conversation: Conversation, rows: list[str]) -> list[str]:
    return [row for row in rows if str(conversation.id) not in row]


def _rows_of(filomena: Filomena) -> dict[str, list[str]]:
    tenant_id = str(filomena.scope.tenant_id)
    return {table: [row for row in rows if re.search(tenant_id, row)] for table, rows in everything().items()}


@pytest.mark.commits
def test_two_workers_at_one_erasure_count_everything_once(app: Flask, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(erasures, "BATCH", 1)
    monkeypatch.setattr(erasures, "LOOK_AGAIN_S", 0.0)
    filomena = make_filomena(make_home())
    with acting_for(filomena.scope):
        erasing.erase(filomena.scope, filomena.contact_id, is_understood=True)
    ready = Barrier(2)

    with ThreadPoolExecutor(2) as workers:
        for done in [workers.submit(_work_until_done, app, filomena, ready) for _ in range(2)]:
            done.result(timeout=60)

    assert erasure_of(filomena).counts == {"messages": 5, "files": 1, "events": 4, "lists": 1, "conversations": 1}
    with acting_for(filomena.scope):
        assert db.session.scalar(filomena.scope.select(Contact, Contact.id).where(Contact.phone == NUMBER)) is None


def _work_until_done(app: Flask, filomena: Filomena, ready: Barrier) -> None:
    with app.app_context():
        worker = Erasures()
        ready.wait()
        while erasure_of(filomena).done_at is None:
            worker.work()
