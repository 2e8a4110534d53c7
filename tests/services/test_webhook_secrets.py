"""A new webhook secret for a unit: what is accepted meanwhile, and when it has to wait."""

from datetime import timedelta
from uuid import UUID

import pytest
from click.testing import Result
from flask import Flask

from portal.clock import now
from portal.db import atomic, db
from portal.errors import Conflict, NotFound
from portal.extensions import parts
from portal.inbox import receive
from portal.models import AuditEvent, Connection, Unit
from portal.outbox import leftovers
from portal.outbox.servers import default_server_id
from portal.secrets import matches
from portal.services import webhook_secrets
from portal.tenancy import TenantScope, across_tenants, acting_for
from tests.factories import SECRET, connection_of, make_connected_unit, make_tenant, make_unit


def rotate(scope: TenantScope, unit_id: UUID) -> str:
    """The new secret."""
    with acting_for(scope):
        webhook_secrets.rotate(scope, unit_id)
    return parts.vault.decrypt(connection_of(scope, unit_id).webhook_secret_encrypted or "")


def change(scope: TenantScope, unit_id: UUID, **columns: object) -> None:
    with acting_for(scope), atomic():
        db.session.execute(scope.update(Connection).where(Connection.unit_id == unit_id).values(columns))


def is_known(scope: TenantScope, unit_id: UUID, secret: str) -> bool:
    """Whether the webhook door takes it for this unit."""
    name = connection_of(scope, unit_id).instance_name or ""
    with across_tenants("the instance's name decides the tenant"):
        return any(matches(secret, sender.secret_hash) for sender in receive._find_senders(name))


def run(app: Flask, *args: str) -> Result:
    return app.test_cli_runner().invoke(args=["secrets", "rotate-webhooks", *args])


def test_both_secrets_are_accepted_for_half_an_hour(scope: TenantScope, unit: Unit) -> None:
    secret = rotate(scope, unit.id)

    assert secret != SECRET
    assert [is_known(scope, unit.id, one) for one in (secret, SECRET)] == [True, True]
    change(scope, unit.id, previous_accepted_until=now() - timedelta(seconds=1))
    assert [is_known(scope, unit.id, one) for one in (secret, SECRET)] == [True, False]


def test_next_check_is_due_at_once_and_looks_at_the_webhook(scope: TenantScope, unit: Unit) -> None:
    change(scope, unit.id, check_at=now() + timedelta(hours=1), webhook_checked_at=now())

    rotate(scope, unit.id)

    connection = connection_of(scope, unit.id)
    assert connection.check_at is not None
    assert connection.check_at <= now()
    assert connection.webhook_checked_at is None


def test_instance_that_goes_on_is_no_leftover(scope: TenantScope, unit: Unit) -> None:
    rotate(scope, unit.id)

    change(scope, unit.id, previous_accepted_until=now() - timedelta(hours=1))
    assert leftovers.of(connection_of(scope, unit.id)) is None
    assert leftovers.due(limit=10, busy_servers=()) == []


def test_second_one_has_to_wait_until_the_first_is_over(scope: TenantScope, unit: Unit) -> None:
    rotate(scope, unit.id)

    with pytest.raises(Conflict):
        rotate(scope, unit.id)
    change(scope, unit.id, previous_accepted_until=now() - timedelta(seconds=1))
    rotate(scope, unit.id)


def test_old_instance_that_is_still_to_be_removed_is_not_forgotten(scope: TenantScope, unit: Unit) -> None:
    old = {"previous_instance_name": "unit_old", "previous_evolution_server_id": default_server_id()}
    change(scope, unit.id, previous_accepted_until=now() - timedelta(hours=1), **old)

    with pytest.raises(Conflict):
        rotate(scope, unit.id)

    assert connection_of(scope, unit.id).previous_instance_name == "unit_old"


def test_unit_without_a_connection_and_one_of_others_have_no_secret(scope: TenantScope) -> None:
    bare, foreign = make_unit(scope, "praia"), make_connected_unit(make_tenant("rival"), "norte", phone="5511999990003")

    with pytest.raises(Conflict):
        rotate(scope, bare.id)
    with pytest.raises(NotFound):
        rotate(scope, foreign.id)


def test_rotation_is_noted_without_the_secret(scope: TenantScope, unit: Unit) -> None:
    rotate(scope, unit.id)

    with acting_for(scope):
        noted = scope.select(AuditEvent).where(AuditEvent.action == "connection.webhook_secret_rotated")
        event = db.session.scalars(noted).one()
    assert (event.subject_type, event.subject_id, event.before, event.after) == ("unit", unit.id, None, None)


def test_command_renews_the_secrets_of_all_units(app: Flask, scope: TenantScope, unit: Unit) -> None:
    rival = make_tenant("rival")
    other = make_connected_unit(rival, "norte", phone="5511999990003")

    result = run(app)

    assert result.exit_code == 0, result.output
    assert set(result.output.splitlines()) == {"acme/centro: a new secret", "rival/norte: a new secret"}
    for owner, one in ((scope, unit), (rival, other)):
        assert not matches(SECRET, connection_of(owner, one.id).webhook_secret_hash)


def test_command_renews_one_unit_and_says_what_has_to_wait(app: Flask, scope: TenantScope, unit: Unit) -> None:
    make_connected_unit(scope, "praia", phone="5511999990003")

    first, second = (run(app, "--tenant", "acme", "--unit", "centro") for _ in range(2))

    assert first.output == "acme/centro: a new secret\n"
    assert "Wait half an hour" in second.output


@pytest.mark.parametrize(
    ("args", "status"),
    [(["--unit", "centro"], 2), (["--tenant", "nobody"], 1), (["--tenant", "acme", "--unit", "x"], 1)],
)
def test_command_for_nothing_fails(app: Flask, scope: TenantScope, unit: Unit, args: list[str], status: int) -> None:
    assert run(app, *args).exit_code == status
