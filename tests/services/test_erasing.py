"""Asking that a person be erased, and what is remembered of those who were."""

from datetime import timedelta
from uuid import UUID, uuid4

import pytest

from portal.clock import now
from portal.db import atomic, db
from portal.errors import Invalid, NotFound
from portal.extensions import parts
from portal.models import AuditEvent, Contact, ContactKind, Conversation, Erasure, Suppression, SuppressionReason
from portal.secrets import Vault
from portal.services import erasing, suppression
from portal.tenancy import TenantScope, acting_for
from tests.factories import make_tenant

NUMBER = "5511987650001"


@pytest.fixture
def contact_id(conversation: Conversation) -> UUID:
    return conversation.contact_id


def erasures(scope: TenantScope) -> list[tuple[UUID, object]]:
    with acting_for(scope):
        return [(row.contact_id, row.done_at) for row in db.session.scalars(scope.select(Erasure))]


def ask(scope: TenantScope, contact_id: UUID, *, is_understood: bool = True) -> None:
    with acting_for(scope):
        erasing.erase(scope, contact_id, is_understood=is_understood)


def add_suppression(scope: TenantScope, *reasons: SuppressionReason) -> None:
    for reason in reasons:
        with acting_for(scope), atomic():
            suppression.add(scope, [NUMBER], reason)


def reasons(scope: TenantScope) -> list[SuppressionReason]:
    with acting_for(scope):
        return list(db.session.scalars(scope.select(Suppression, Suppression.reason)))


def test_erasure_waits_for_a_worker(scope: TenantScope, contact_id: UUID) -> None:
    ask(scope, contact_id)

    assert erasures(scope) == [(contact_id, None)]


def test_asking_twice_asks_once(scope: TenantScope, contact_id: UUID) -> None:
    ask(scope, contact_id)
    ask(scope, contact_id)

    assert len(erasures(scope)) == 1


def test_nothing_is_erased_unless_it_is_understood(scope: TenantScope, contact_id: UUID) -> None:
    with pytest.raises(Invalid) as refusal:
        ask(scope, contact_id, is_understood=False)

    assert list(refusal.value.fields) == ["understood"]
    assert erasures(scope) == []


def test_whoever_was_merged_leads_to_the_person(scope: TenantScope, contact_id: UUID) -> None:
    with acting_for(scope), atomic():
        merged = scope.add(Contact(phone=NUMBER, merged_into_id=contact_id))

    ask(scope, merged.id)

    assert erasures(scope) == [(contact_id, None)]


def test_group_is_nobody_to_be_erased(scope: TenantScope) -> None:
    with acting_for(scope), atomic():
        group = scope.add(Contact(kind=ContactKind.GROUP, chat_jid="1203@g.us"))

    with pytest.raises(NotFound):
        ask(scope, group.id)


@pytest.mark.parametrize("is_known", [True, False], ids=["another company's", "nobody's"])
def test_person_of_nobody_here_is_not_found(contact_id: UUID, is_known: bool) -> None:
    rival = make_tenant("rival")

    with pytest.raises(NotFound):
        ask(rival, contact_id if is_known else uuid4())


def test_audit_log_names_the_row_and_nothing_of_the_person(scope: TenantScope, contact_id: UUID) -> None:
    ask(scope, contact_id)

    with acting_for(scope):
        asked = scope.select(AuditEvent).where(AuditEvent.action == "contact.erasure_asked")
        event = db.session.scalars(asked).one()
    assert (event.subject_id, event.before, event.after) == (contact_id, None, None)


def test_fingerprint_leads_back_to_no_number() -> None:
    marks = suppression.fingerprints(NUMBER)

    assert [mark for mark in marks if NUMBER in mark] == []
    assert {len(mark) for mark in marks} == {64}


def test_fingerprint_depends_on_the_key(monkeypatch: pytest.MonkeyPatch) -> None:
    before = suppression.fingerprints(NUMBER)

    monkeypatch.setattr(parts, "vault", Vault(("another-key-of-tests",)))

    assert suppression.fingerprints(NUMBER) != before


def test_number_that_was_suppressed_under_an_older_key_is_known(
    scope: TenantScope, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(parts, "vault", Vault(("old-key",)))
    add_suppression(scope, SuppressionReason.OPTED_OUT)
    monkeypatch.setattr(parts, "vault", Vault(("new-key", "old-key")))

    with acting_for(scope), atomic():
        again = scope.add(Contact(phone=NUMBER))
        suppression.remember(scope, [again])

    assert again.opted_out_at is not None


@pytest.mark.parametrize(
    ("first", "second"),
    [
        (SuppressionReason.ERASED, SuppressionReason.OPTED_OUT),
        (SuppressionReason.OPTED_OUT, SuppressionReason.ERASED),
    ],
    ids=["opted out the second time", "opted out the first time"],
)
def test_whoever_opted_out_once_stays_so_though_erased_twice(
    scope: TenantScope, first: SuppressionReason, second: SuppressionReason
) -> None:
    add_suppression(scope, first, second)

    assert reasons(scope) == [SuppressionReason.OPTED_OUT]


def test_whoever_opted_out_under_an_older_form_of_fingerprint_stays_so_though_erased_again(scope: TenantScope) -> None:
    long_ago = now() - timedelta(days=400)
    row = {
        "fingerprint": suppression.fingerprints(NUMBER)[-1],
        "reason": SuppressionReason.OPTED_OUT,
        "created_at": long_ago,
    }
    with acting_for(scope), atomic():
        db.session.execute(scope.insert(Suppression, [row]))
    add_suppression(scope, SuppressionReason.ERASED)

    with acting_for(scope), atomic():
        again = scope.add(Contact(phone=NUMBER))
        suppression.remember(scope, [again])
        erased_at = suppression.find_erased(scope, [NUMBER])[NUMBER]

    assert sorted(reasons(scope)) == ["erased", "opted_out"]
    assert again.opted_out_at is not None
    # What was written before the second time stays away too.
    assert erased_at > long_ago
