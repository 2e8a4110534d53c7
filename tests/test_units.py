"""Units: make, change, archive."""

from datetime import timedelta

import pytest

from portal.clock import now
from portal.db import atomic, db
from portal.errors import Conflict, Invalid, NotFound
from portal.models import AuditEvent, Connection, ConnectionStatus, Lane, Unit
from portal.queries import unit_lists
from portal.queries import units as queries
from portal.services import units
from portal.tenancy import acting_for
from tests.companies import Company, make_company
from tests.factories import connection_of, make_connected_unit, make_unit

AS_BEFORE = {"message_lifetime_h": 24, "receipt_wait_min": 10}


@pytest.fixture
def acme(database: None) -> Company:
    return make_company("acme")


@pytest.fixture
def rival(database: None) -> Company:
    return make_company("rival", unit_slug="norte")


def test_new_unit_has_an_empty_connection_and_a_closed_lane(acme: Company) -> None:
    unit = make_unit(acme.scope, "praia")

    assert connection_of(acme.scope, unit.id).status == ConnectionStatus.NOT_CONFIGURED
    with acting_for(acme.scope):
        lane = db.session.scalars(acme.scope.select(Lane).where(Lane.unit_id == unit.id)).one()
    assert (lane.is_open, lane.has_work, lane.message_id) == (False, False, None)


def test_name_and_slug_are_tidied(acme: Company) -> None:
    with acting_for(acme.scope):
        unit = units.create_unit(acme.scope, name="  Praia\x00 Grande ", slug=" Praia-Grande ")

    assert (unit.name, unit.slug) == ("Praia Grande", "praia-grande")


@pytest.mark.parametrize(
    ("name", "slug", "field"),
    [
        ("", "praia", "name"),
        (" \x00", "praia", "name"),
        ("x" * 121, "praia", "name"),
        ("Praia", "", "slug"),
        ("Praia", "-praia", "slug"),
        ("Praia", "praia--grande", "slug"),
        ("Praia", "práia", "slug"),
        ("Praia", "praia/grande", "slug"),
        ("Praia", "x" * 61, "slug"),
        ("Praia", "centro", "slug"),
        ("Praia", "CENTRO", "slug"),
    ],
)
def test_wrong_name_or_slug_is_refused(acme: Company, name: str, slug: str, field: str) -> None:
    with acting_for(acme.scope), pytest.raises(Invalid) as refused:
        units.create_unit(acme.scope, name=name, slug=slug)

    assert list(refused.value.fields) == [field]


def test_refused_unit_leaves_no_rows_behind(acme: Company) -> None:
    with acting_for(acme.scope):
        with pytest.raises(Invalid):
            units.create_unit(acme.scope, name="Again", slug="centro")

        assert len(db.session.scalars(acme.scope.select(Unit)).all()) == 1
        assert len(db.session.scalars(acme.scope.select(Lane)).all()) == 1
        assert len(db.session.scalars(acme.scope.select(Connection)).all()) == 1


def test_two_tenants_may_use_one_slug(acme: Company, rival: Company) -> None:
    assert make_unit(rival.scope, "centro").slug == acme.unit.slug


def test_unit_gets_another_name_and_keeps_its_slug(acme: Company) -> None:
    with acting_for(acme.scope):
        units.change_unit(acme.scope, acme.unit.id, name=" Centro Novo ", **AS_BEFORE)
        unit = queries.get_unit(acme.scope, "centro")

    assert unit.name == "Centro Novo"


@pytest.mark.parametrize("name", ["", " ", "x" * 121])
def test_unit_keeps_its_name_when_the_new_one_is_none(acme: Company, name: str) -> None:
    with acting_for(acme.scope):
        with pytest.raises(Invalid):
            units.change_unit(acme.scope, acme.unit.id, name=name, **AS_BEFORE)

        assert queries.get_unit(acme.scope, "centro").name == "Centro"


def test_unit_gets_other_settings(acme: Company) -> None:
    with acting_for(acme.scope):
        units.change_unit(acme.scope, acme.unit.id, name="Centro", message_lifetime_h=168, receipt_wait_min=1440)
        unit = queries.get_unit(acme.scope, "centro")

    assert (unit.message_lifetime_h, unit.receipt_wait_min) == (168, 1440)


def test_expected_number_is_kept_in_its_canonical_form(acme: Company) -> None:
    with acting_for(acme.scope):
        unit = make_unit(acme.scope, "praia")
        for typed, kept in (("(11) 98888-0001", "5511988880001"), ("+351 912 345 678", "351912345678"), (" ", None)):
            units.change_unit(acme.scope, unit.id, name="Praia", **AS_BEFORE, expected_number=typed)

            assert queries.get_unit(acme.scope, "praia").expected_number == kept


def test_expected_number_that_is_none_changes_nothing(acme: Company) -> None:
    with acting_for(acme.scope):
        with pytest.raises(Invalid) as refused:
            units.change_unit(acme.scope, acme.unit.id, name="Novo", **AS_BEFORE, expected_number="12 34")

        assert list(refused.value.fields) == ["expected_number"]
        assert queries.get_unit(acme.scope, "centro").name == "Centro"


def test_number_that_is_linked_now_may_be_expected_and_no_other(acme: Company) -> None:
    linked = connection_of(acme.scope, acme.unit.id).phone
    assert linked
    with acting_for(acme.scope):
        units.change_unit(acme.scope, acme.unit.id, name="Centro", **AS_BEFORE, expected_number=linked)
        with pytest.raises(Invalid, match="another number"):
            units.change_unit(acme.scope, acme.unit.id, name="Centro", **AS_BEFORE, expected_number="11 98888-0001")

        assert queries.get_unit(acme.scope, "centro").expected_number == linked


def test_audit_log_tells_the_end_of_an_expected_number_only(acme: Company) -> None:
    with acting_for(acme.scope):
        unit = make_unit(acme.scope, "praia")
        chats = {"expected_number": "5511988880001", "kept_chats": ["keeps_groups"]}
        units.change_unit(acme.scope, unit.id, name="Praia", **AS_BEFORE, **chats)  # type: ignore[arg-type]
        noted = acme.scope.select(AuditEvent).where(AuditEvent.action == "unit.changed")
        event = db.session.scalars(noted).one()

    assert event.before == {"expected_number": None, "keeps_groups": False}
    assert event.after == {"expected_number": "****0001", "keeps_groups": True}


def test_what_is_not_said_of_chats_and_number_stays(acme: Company) -> None:
    with acting_for(acme.scope):
        unit = make_unit(acme.scope, "praia")
        chats = ("keeps_groups", "keeps_broadcasts")
        number = "5511988880001"
        units.change_unit(acme.scope, unit.id, name="Praia", **AS_BEFORE, expected_number=number, kept_chats=chats)
        units.change_unit(acme.scope, unit.id, name="Praia Nova", **AS_BEFORE)
        unit = queries.get_unit(acme.scope, "praia")

    assert (unit.expected_number, unit.keeps_groups, unit.keeps_stories, unit.keeps_broadcasts) == (
        number,
        True,
        False,
        True,
    )


def test_evolution_is_asked_soon_when_other_chats_are_wanted(acme: Company) -> None:
    later = now() + timedelta(hours=1)
    with acting_for(acme.scope), atomic():
        connection = connection_of(acme.scope, acme.unit.id)
        connection.check_at = connection.webhook_checked_at = later

    with acting_for(acme.scope):
        units.change_unit(acme.scope, acme.unit.id, name="Centro Novo", **AS_BEFORE, kept_chats=())
        before = connection_of(acme.scope, acme.unit.id).check_at
        units.change_unit(acme.scope, acme.unit.id, name="Centro", **AS_BEFORE, kept_chats=("keeps_groups",))

    connection = connection_of(acme.scope, acme.unit.id)
    assert before == later
    assert connection.check_at
    assert connection.check_at < later
    assert connection.webhook_checked_at is None


@pytest.mark.parametrize(
    ("changes", "field"),
    [
        ({"message_lifetime_h": 0}, "message_lifetime_h"),
        ({"message_lifetime_h": 169}, "message_lifetime_h"),
        ({"message_lifetime_h": None}, "message_lifetime_h"),
        ({"receipt_wait_min": 0}, "receipt_wait_min"),
        ({"receipt_wait_min": 1441}, "receipt_wait_min"),
        ({"receipt_wait_min": None}, "receipt_wait_min"),
    ],
)
def test_settings_out_of_bounds_change_nothing(acme: Company, changes: dict[str, int | None], field: str) -> None:
    settings: dict[str, int | None] = {**AS_BEFORE, **changes}
    with acting_for(acme.scope):
        with pytest.raises(Invalid) as refused:
            units.change_unit(acme.scope, acme.unit.id, name="Novo", **settings)
        unit = queries.get_unit(acme.scope, "centro")

    assert list(refused.value.fields) == [field]
    assert (unit.name, unit.message_lifetime_h, unit.receipt_wait_min) == ("Centro", 24, 10)


def test_connected_unit_is_not_archived(acme: Company) -> None:
    with acting_for(acme.scope), pytest.raises(Conflict, match="Centro"):
        units.archive_unit(acme.scope, acme.unit.id)

    with acting_for(acme.scope):
        assert acme.scope.get(Unit, acme.unit.id).archived_at is None


def test_archived_unit_leaves_the_list_and_keeps_its_rows(acme: Company) -> None:
    unit = make_unit(acme.scope, "praia")

    with acting_for(acme.scope):
        units.archive_unit(acme.scope, unit.id)

        assert [row.unit.slug for row in unit_lists.list_units(acme.scope)] == ["centro"]
        assert acme.scope.get(Unit, unit.id).archived_at is not None


@pytest.mark.parametrize("act", ["change", "archive"])
def test_unit_of_another_tenant_is_not_there(acme: Company, rival: Company, act: str) -> None:
    change = {
        "change": lambda: units.change_unit(acme.scope, rival.unit.id, name="Taken", **AS_BEFORE),
        "archive": lambda: units.archive_unit(acme.scope, rival.unit.id),
    }

    with acting_for(acme.scope), pytest.raises(NotFound):
        change[act]()


def test_list_shows_each_unit_with_its_own_connection(acme: Company) -> None:
    make_connected_unit(acme.scope, "praia", phone="5511999990009")
    make_unit(acme.scope, "norte")

    with acting_for(acme.scope):
        rows = {row.unit.slug: row.connection.phone for row in unit_lists.list_units(acme.scope)}

    assert rows == {"centro": "5511999990001", "praia": "5511999990009", "norte": None}
