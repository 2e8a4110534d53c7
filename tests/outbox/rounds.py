"""A linked unit at a simulated Evolution, what is done to it behind the portal's back, and the rounds that find out."""

from collections.abc import Callable
from datetime import datetime, timedelta
from typing import Any

from local.evolution.model import Instance, Message, State
from portal.clock import now
from portal.db import atomic, db
from portal.inbox import relay as inbox
from portal.models import Connection, Repair
from portal.models import Message as MessageRow
from portal.outbox import backfill, reconcile
from portal.outbox.backfill import Comparison
from portal.outbox.reconcile import Check
from portal.tenancy import acting_for
from tests.inbox.payloads import MARIA
from tests.outbox.conftest import rows_of
from tests.outbox.desk import Desk, Evolution, link

PAST = timedelta(hours=1)


def linked(desk: Desk, evolution: Evolution) -> Instance:
    """Connect and scan, and let the first round find that all is well."""
    name = link(desk, evolution)
    assert check(desk)
    assert rows_of(Repair) == []
    return instance_of(evolution, name)


def linked_a_while_ago(desk: Desk, evolution: Evolution) -> Instance:
    """Linked, and compared until half an hour ago."""
    instance = linked(desk, evolution)
    change(desk, compared_until=ago(1800))
    return instance


def instance_of(evolution: Evolution, name: str) -> Instance:
    instance = evolution.simulator.instances.find(name)
    assert instance is not None
    return instance


def force(instance: Instance, state: State) -> None:
    """The state changes and nobody is told."""
    instance.socket.state = state


def change(desk: Desk, **columns: object) -> None:
    with acting_for(desk.scope), atomic():
        this = desk.scope.update(Connection).where(Connection.unit_id == desk.unit_id)
        db.session.execute(this.values(columns).execution_options(synchronize_session=False))


def check(desk: Desk, *, whole: bool = False, before: Callable[[], object] = lambda: None) -> list[Check]:
    """One check of the unit; `whole`: the webhook's turn too. `before`: what happens after the check was claimed."""
    change(desk, check_at=now() - PAST, **({"webhook_checked_at": None} if whole else {}))
    checks = reconcile.claim()
    before()
    for one in checks:
        reconcile.carry_out(one)
    return checks


def compare(desk: Desk, *, since: datetime | None = None) -> list[Comparison]:
    """One comparison of the unit, and what the inbox makes of it."""
    change(desk, compare_at=now() - PAST, **({"compared_until": since} if since else {}))
    comparisons = backfill.claim()
    for comparison in comparisons:
        backfill.carry_out(comparison)
    while inbox.drain():
        pass
    return comparisons


def keep(evolution: Evolution, instance: Instance, *messages: Message) -> None:
    """Evolution stores them and tells nobody."""
    for message in messages:
        evolution.simulator.store.add_message(instance, message)


def message(id_: str, *, ago_s: float, text: str = "Oi", from_me: bool = False, **more: Any) -> Message:
    return Message(
        key={"id": id_, "fromMe": from_me, "remoteJid": more.pop("chat", MARIA)},
        chat=MARIA,
        push_name="Maria",
        message={"conversation": text},
        source="web" if from_me else "android",
        timestamp=int(ago(ago_s).timestamp()),
        **more,
    )


def ago(seconds: float) -> datetime:
    return now() - timedelta(seconds=seconds)


def close_to(at: datetime | None, seconds: float) -> bool:
    """Whether it was so many seconds ago."""
    return at is not None and abs((now() - at).total_seconds() - seconds) < 10


def bodies() -> list[str]:
    """The texts of all messages, in the order in which they went in."""
    return [row.body for row in sorted(rows_of(MessageRow), key=lambda row: row.id)]


def holes() -> list[Repair]:
    return [repair for repair in rows_of(Repair) if repair.kind == "hole"]


def repairs() -> list[tuple[str, str | None, str | None]]:
    return [(repair.kind, repair.before, repair.after) for repair in rows_of(Repair)]
