"""What the database takes for a unit in trouble is what the words say of that unit, whatever its connection is like."""

from datetime import timedelta
from typing import Any

import pytest

from portal.clock import now
from portal.models import ColdReason, ConnectionAction, ConnectionStatus, Lane, StatusReason, Unit
from portal.queries import checked_states, unit_troubles, units
from portal.queries.sending import get_own_gates
from portal.queries.unit_troubles import REFUSALS, Trouble
from portal.tenancy import TenantScope, acting_for
from portal.web.state_warnings import doubted_state, list_warnings
from portal.web.words import BY_REASON, Tone, connection_state
from tests.factories import make_connected_unit, make_unit
from tests.web.homes import note, note_connection

Columns = dict[str, Any]
CONNECTED = ConnectionStatus.CONNECTED


def cases() -> list[Columns]:
    """What a connection may be like, where it is not as one that is linked and well."""
    moment, day = now() - timedelta(seconds=5), now() - timedelta(days=1)
    return [
        {},
        {"status": ConnectionStatus.NOT_CONFIGURED, "connected_at": None},
        {"status": ConnectionStatus.NOT_CONFIGURED, "connected_at": day},
        *({"status": ConnectionStatus.DISCONNECTED, "status_reason": r, "connected_at": None} for r in StatusReason),
        *({"status": ConnectionStatus.CONNECTING, "status_reason": r, "connected_at": None} for r in StatusReason),
        {"status": ConnectionStatus.QR, "status_reason": StatusReason.WAITING_SCAN, "connected_at": None},
        {"status": ConnectionStatus.QR, "status_reason": StatusReason.WAITING_SCAN, "connected_at": day},
        {"status": ConnectionStatus.DISCONNECTED, "status_reason": None, "connected_at": day},
        *(
            {
                "status": ConnectionStatus.DISCONNECTED,
                "status_reason": StatusReason.NUMBER_BANNED,
                "connected_at": None,
                "action": action,
            }
            for action in ConnectionAction
        ),
        *({"losses": losses, "losses_since": moment} for losses in (3, 4)),
        {"losses": 9, "losses_since": day},
        *({"losses": 9, "losses_since": moment, "action": action} for action in ConnectionAction),
        {"check_at": moment, "instance_made_at": day, "checked_at": None},
        {"check_at": moment, "instance_made_at": day, "checked_at": day},
        {"check_at": moment, "instance_made_at": day, "checked_at": moment},
        {"check_at": moment, "instance_made_at": moment, "checked_at": day},
        {"check_at": None, "instance_made_at": day, "checked_at": day},
        {"last_event_at": day, "connected_at": day},
        {"last_event_at": day, "connected_at": moment},
        {"last_event_at": None, "connected_at": day},
        {"last_event_at": day, "connected_at": None},
        {"last_event_at": None, "connected_at": None},
        {"last_event_at": day, "connected_at": day, "usual_gap_s": 60.0},
        {"last_event_at": day, "connected_at": day, "usual_gap_s": 86_400.0},
    ]


def found(scope: TenantScope, unit: Unit) -> set[Trouble]:
    troubles = unit_troubles.find_troubles(scope, limit=10)
    rows = {trouble for trouble, rows in troubles.rows.items() if unit.id in {row.unit.id for row in rows}}
    assert {trouble for trouble, number in troubles.counts.by_trouble.items() if number} == rows
    assert troubles.counts.troubled == bool(rows)
    return rows


def told(scope: TenantScope, unit: Unit) -> set[Trouble]:
    """By the words that the unit's own page has for it."""
    connection = units.get_connection(scope, unit.id)
    checked = checked_states.find(scope, unit.id)
    is_connected = connection.status == CONNECTED
    is_unlinked = not is_connected and connection.status != ConnectionStatus.NOT_CONFIGURED
    is_bad = connection_state(connection).tone == Tone.BAD
    is_doubted = doubted_state(connection, list_warnings(checked, unit.time_zone)).tone == Tone.WARNING
    is_limited = get_own_gates(scope, unit.id).new_chats_hold() is not None
    said = {
        Trouble.DOWN: is_unlinked and (connection.connected_at is not None or is_bad),
        Trouble.DOUBTED: is_connected and is_doubted,
        Trouble.LIMITED: is_connected and is_limited,
    }
    return {trouble for trouble, is_so in said.items() if is_so}


@pytest.mark.parametrize("others_hear", [True, False], ids=["others hear", "nobody hears"])
def test_trouble_is_what_the_words_say(
    acme: TenantScope, rival: TenantScope, connected_unit: Unit, others_hear: bool
) -> None:
    heard_at = now() if others_hear else None
    note_connection(rival, make_unit(rival), last_event_at=heard_at)
    seen: set[Trouble] = set()
    with acting_for(acme):
        before = units.get_connection(acme, connected_unit.id)
        usual = {name: getattr(before, name) for columns in cases() for name in columns}
    for columns in cases():
        note_connection(acme, connected_unit, **{**usual, **columns})
        with acting_for(acme):
            assert found(acme, connected_unit) == told(acme, connected_unit), columns
            seen |= found(acme, connected_unit)

    assert seen == {Trouble.DOWN, Trouble.DOUBTED}


@pytest.mark.parametrize("column", ["cold_paused_until", "next_cold_at"])
@pytest.mark.parametrize("until", [timedelta(hours=1), -timedelta(hours=1)], ids=["still", "over"])
@pytest.mark.parametrize("status", [CONNECTED, ConnectionStatus.CONNECTING])
def test_limited_number_is_what_the_words_say(
    acme: TenantScope, column: str, until: timedelta, status: ConnectionStatus
) -> None:
    unit = make_connected_unit(acme)
    limit = {"cold_reason": ColdReason.NEW_CHATS_REFUSED, column: now() + until}
    note(acme, Lane, Lane.unit_id == unit.id, **limit)
    note_connection(acme, unit, status=status)

    with acting_for(acme):
        assert found(acme, unit) == told(acme, unit)
        assert (Trouble.LIMITED in found(acme, unit)) == (until > timedelta() and status == CONNECTED)


def test_refusals_are_the_reasons_that_the_words_call_bad() -> None:
    assert set(REFUSALS) == {reason for reason, state in BY_REASON.items() if state.tone == Tone.BAD}
