"""Planning a pasted list: every line is in the ledger, whoever it stands for."""

import pytest

from portal.db import atomic
from portal.models import (
    SuppressionReason,
    Unit,
)
from portal.services import planning, suppression
from portal.services.audience import Audience
from portal.tenancy import TenantScope, acting_for
from tests.factories import make_unit
from tests.services.planned import add_people, bodies, ledger, phones, plan, recipients, tag

EVERYBODY = Audience(everybody=True)


@pytest.fixture
def unit(scope: TenantScope) -> Unit:
    return make_unit(scope)


@pytest.fixture(autouse=True)
def small_batches(monkeypatch: pytest.MonkeyPatch) -> None:
    """Two lines at a time, so that what spans batches is met."""
    monkeypatch.setattr(planning, "BATCH", 2)


def test_pasted_lines_are_kept_in_their_order_and_blank_ones_are_none(scope: TenantScope, unit: Unit) -> None:
    add_people(scope, "Ana")
    pasted = "11 98888-0007\n\n  \nnot a number\r\n+55 (11) 99999-0001\n11988880007\nnot a number"

    campaign = plan(scope, unit, Audience(pasted=pasted))

    assert ledger(scope, campaign) == [
        ("pending", "11 98888-0007", None),
        ("invalid", "not a number", None),
        ("pending", "+55 (11) 99999-0001", "Ana"),
        ("duplicate", "11988880007", None),
        ("invalid", "not a number", None),
    ]
    assert [line.line for line in recipients(scope, campaign)] == [1, 4, 5, 6, 7]


def test_pasted_number_that_nobody_has_becomes_a_contact(scope: TenantScope, unit: Unit) -> None:
    campaign = plan(scope, unit, Audience(pasted="11 98888-0007\n+351 912 345 678"), ["Oi ((telefone))"])

    assert set(phones(scope)) == {"351912345678", "5511988880007"}
    assert bodies(scope, campaign) == ["Oi +55 11 98888-0007", "Oi +351 912 345 678"]


@pytest.mark.parametrize(
    ("typed", "is_renumbered"),
    [("+55 (11) 98888-0007", False), ("11 98888-0007", True), ("+55 11 8888-0007", True)],
    ids=["only digits are left", "country code", "ninth digit"],
)
def test_number_that_is_written_differently_is_marked(
    scope: TenantScope, unit: Unit, typed: str, is_renumbered: bool
) -> None:
    campaign = plan(scope, unit, Audience(pasted=typed))

    assert [line.is_renumbered for line in recipients(scope, campaign)] == [is_renumbered]
    assert phones(scope) == ["5511988880007"]


def test_pasted_person_who_is_chosen_already_has_one_line_that_keeps_what_was_typed(
    scope: TenantScope, unit: Unit
) -> None:
    ana, _bia, _caio = add_people(scope, "Ana", "Bia", "Caio")
    vip = tag(scope, "vip", [ana])

    campaign = plan(scope, unit, Audience(tag_ids=(vip,), pasted="x\n11 99999-0001\n11 99999-0003\n11 99999-0001"))

    assert ledger(scope, campaign) == [
        ("pending", "11 99999-0001", "Ana"),
        ("invalid", "x", None),
        ("pending", "11 99999-0003", "Caio"),
        ("duplicate", "11 99999-0001", None),
    ]
    assert [(line.line, line.is_renumbered) for line in recipients(scope, campaign)] == [
        (2, True),
        (1, False),
        (3, True),
        (4, True),
    ]


@pytest.mark.parametrize("reason", list(SuppressionReason))
def test_number_of_an_erased_person_is_skipped_and_no_contact_is_made(
    scope: TenantScope, unit: Unit, reason: SuppressionReason
) -> None:
    with acting_for(scope), atomic():
        suppression.add(scope, ["5511988880007"], reason)

    campaign = plan(scope, unit, Audience(pasted="11 98888-0007\n11 98888-0008"))

    assert ledger(scope, campaign) == [("erased", "11 98888-0007", None), ("pending", "11 98888-0008", None)]
    assert phones(scope) == ["5511988880008"]


def test_erased_person_who_wrote_again_is_a_contact_like_others(scope: TenantScope, unit: Unit) -> None:
    add_people(scope, "Ana")
    with acting_for(scope), atomic():
        suppression.add(scope, ["5511999990001"], SuppressionReason.ERASED)

    campaign = plan(scope, unit, Audience(pasted="11 99999-0001"))

    assert ledger(scope, campaign) == [("pending", "11 99999-0001", "Ana")]
