"""The Evolution servers as the operator keeps them, and the one that a unit comes to. Rows only: the outbox calls."""

from dataclasses import dataclass
from typing import Any
from uuid import UUID

from flask_babel import gettext as _
from sqlalchemy import ColumnElement, Select, func, select, update
from sqlalchemy.exc import IntegrityError

from portal import queue
from portal.db import atomic, db, on_commit
from portal.errors import Conflict, Invalid, NotFound
from portal.extensions import parts
from portal.models import Connection, EvolutionServer, Lane, Tenant, Unit
from portal.services import audit
from portal.services.audit import Actor
from portal.services.server_settings import Settings, checked
from portal.tenancy import across_tenants

WHY = "Evolution servers belong to the operator"


@dataclass(frozen=True)
class ServerRow:
    """A server, and how many units it serves: those assigned to it that are not archived."""

    server: EvolutionServer
    units: int

    @property
    def has_room(self) -> bool:
        return self.units < self.server.capacity


@dataclass(frozen=True)
class ServedUnit:
    """A unit, its connection, and the tenant's name and short name."""

    unit: Unit
    connection: Connection
    tenant: str
    tenant_slug: str


def list_servers() -> list[ServerRow]:
    """Every server: the default one, then by name."""
    with across_tenants(WHY):
        statement = _rows().order_by(EvolutionServer.is_default.desc(), EvolutionServer.name)
        return [ServerRow(server, units) for server, units in db.session.execute(statement)]


def get_server(server_id: UUID) -> ServerRow:
    """Raises NotFound."""
    with across_tenants(WHY):
        found = db.session.execute(_rows().where(EvolutionServer.id == server_id)).one_or_none()
    if found is None:
        raise NotFound("no such server")
    return ServerRow(*found)


def list_targets(server_id: UUID) -> list[ServerRow]:
    """The other servers that take one more unit."""
    others = (row for row in list_servers() if row.server.id != server_id)
    return [row for row in others if row.server.accepts_units and row.has_room]


def list_units(server_id: UUID) -> list[ServedUnit]:
    """The units on that server, by tenant and name."""
    statement = (
        select(Unit, Connection, Tenant.name, Tenant.slug)
        .join(Connection, (Connection.tenant_id == Unit.tenant_id) & (Connection.unit_id == Unit.id))
        .join(Tenant, Tenant.id == Unit.tenant_id)
        .where(Connection.evolution_server_id == server_id, Unit.archived_at.is_(None))
        .order_by(Tenant.name, Unit.name, Unit.id)
    )
    with across_tenants("an operator runs every tenant"):
        return [ServedUnit(*row) for row in db.session.execute(statement)]


def get_unit(server_id: UUID, unit_id: UUID) -> ServedUnit:
    """Raises NotFound when that server does not serve it."""
    found = next((served for served in list_units(server_id) if served.unit.id == unit_id), None)
    if found is None:
        raise NotFound("no such unit on this server")
    return found


def add_server(
    *, name: str, url: str, api_key: str, capacity: int | None, accepts_units: bool = True, by: Actor
) -> EvolutionServer:
    """Note a server and ask for a check of it. Raises Invalid."""
    wanted = checked(name, url, api_key, capacity, accepts_units, needs_key=True)
    server = EvolutionServer(check_requested_at=func.now())
    _apply(server, wanted)
    try:
        with across_tenants(WHY), atomic():
            _refuse_known_address(wanted.url, server.id)
            db.session.add(server)
            db.session.flush()
            audit.record_for_operator(by, "server.added", ("server", server.id), after=_told(server))
            on_commit(queue.wake_outbox)
    except IntegrityError as e:
        raise _name_taken() from e
    return server


def change_server(
    server_id: UUID, *, name: str, url: str, api_key: str, capacity: int | None, accepts_units: bool, by: Actor
) -> EvolutionServer:
    """A blank key keeps the old one. Raises Invalid, NotFound, and Conflict for another address of the default server.

    With another address the key is given anew: the old one is told to nobody but its own server. Either makes what is
    known of the server old: its version is forgotten, and it is checked.
    """
    try:
        with across_tenants(WHY), atomic():
            server = _lock(server_id)
            if server.is_default:
                _refuse_other_address(server, url, api_key)
                name, url = server.name, server.url
            is_elsewhere = url.strip().rstrip("/") != server.url
            wanted = checked(
                name, url, api_key, capacity, accepts_units, needs_key=is_elsewhere, is_default=server.is_default
            )
            _refuse_known_address(wanted.url, server.id)
            before = _told(server)
            _apply(server, wanted)
            if is_elsewhere or wanted.api_key:
                server.version = server.version_read_at = None
                _ask_for_check(server)
            _record_change(by, server, before, has_new_key=bool(wanted.api_key))
    except IntegrityError as e:
        raise _name_taken() from e
    return server


def remove_server(server_id: UUID, *, by: Actor) -> None:
    """Forget a server that nobody needs any more. Raises NotFound, and Conflict with what still needs it."""
    with across_tenants(WHY), atomic():
        server = _lock(server_id)
        if server.is_default:
            raise Conflict(_("The default server comes from the portal's settings and stays."))
        # Counted after the lock: a worker that was just placing a unit there has done so.
        if db.session.scalar(select(_units_on(server.id))):
            raise Conflict(_("Units are still on this server. Move them to another one first."))
        if db.session.scalar(
            select(Connection.id).where(Connection.previous_evolution_server_id == server.id).limit(1)
        ):
            raise Conflict(
                _("The old connections of units that were moved are still being removed there. Try again tomorrow.")
            )
        _let_go(server.id)
        audit.record_for_operator(by, "server.removed", ("server", server.id), before=_told(server))
        db.session.delete(server)


def request_check(server_id: UUID) -> None:
    """Ask the outbox whether the server answers and takes its key. Raises NotFound."""
    with across_tenants(WHY), atomic():
        _ask_for_check(_lock(server_id))


def place() -> UUID | None:
    """The server for a new unit: of those that take one the emptiest for its capacity; None when none does.

    One through which nothing can be sent at the moment comes last.

    It is held until the transaction ends, so that two workers do not give its last place away twice.
    """
    with across_tenants(WHY):
        accepting = select(EvolutionServer.id).where(EvolutionServer.accepts_units).order_by(EvolutionServer.id)
        held = list(db.session.scalars(accepting.with_for_update(key_share=True)))
        # A statement of its own: it sees what was committed while the first one waited.
        units = _units_on(EvolutionServer.id)
        emptiest = (
            select(EvolutionServer.id)
            .where(EvolutionServer.id.in_(held), units < EvolutionServer.capacity)
            .order_by(
                EvolutionServer.pause_reason.is_not(None), units * 1.0 / EvolutionServer.capacity, EvolutionServer.name
            )
            .limit(1)
        )
        return db.session.scalar(emptiest)


def take_room(server_id: UUID) -> EvolutionServer:
    """That server, held until the transaction ends. Raises Conflict when it takes no unit more."""
    try:
        server = _lock(server_id)
    except NotFound as e:
        raise Conflict(_("This server is not there any more. Choose another one.")) from e
    if not server.accepts_units:
        raise Conflict(_("%(server)s accepts no new units. Choose another server.", server=server.name))
    if (db.session.scalar(select(_units_on(server.id))) or 0) >= server.capacity:
        raise Conflict(_("%(server)s has no room. Choose another server, or raise its capacity.", server=server.name))
    return server


def find_name(server_id: UUID | None) -> str | None:
    with across_tenants(WHY):
        return db.session.scalar(select(EvolutionServer.name).where(EvolutionServer.id == server_id))


def _rows() -> Select[EvolutionServer, int]:
    return select(EvolutionServer, _units_on(EvolutionServer.id)).execution_options(populate_existing=True)


def _units_on(server_id: Any) -> ColumnElement[int]:
    return (
        select(func.count())
        .select_from(Connection)
        .join(Unit, (Unit.tenant_id == Connection.tenant_id) & (Unit.id == Connection.unit_id))
        .where(Connection.evolution_server_id == server_id, Unit.archived_at.is_(None))
        .correlate(EvolutionServer)
        .scalar_subquery()
    )


def _lock(server_id: UUID) -> EvolutionServer:
    statement = select(EvolutionServer).where(EvolutionServer.id == server_id).with_for_update()
    server = db.session.scalar(statement.execution_options(populate_existing=True))
    if server is None:
        raise NotFound("no such server")
    return server


def _apply(server: EvolutionServer, wanted: Settings) -> None:
    server.name, server.url = wanted.name, wanted.url
    server.capacity, server.accepts_units = wanted.capacity, wanted.accepts_units
    if wanted.api_key:
        server.api_key_encrypted = parts.vault.encrypt(wanted.api_key)


def _ask_for_check(server: EvolutionServer) -> None:
    server.check_requested_at = func.now()
    on_commit(queue.wake_outbox)


def _let_go(server_id: UUID) -> None:
    """Archived units were left on it; a closed lane gets its server when it opens."""
    theirs = update(Connection).where(Connection.evolution_server_id == server_id)
    db.session.execute(theirs.values(evolution_server_id=None).execution_options(synchronize_session=False))
    closed = update(Lane).where(Lane.evolution_server_id == server_id)
    db.session.execute(closed.values(evolution_server_id=None).execution_options(synchronize_session=False))


def _told(server: EvolutionServer) -> dict[str, object]:
    """What the audit log says about a server: all but its key."""
    return {
        "name": server.name,
        "url": server.url,
        "capacity": server.capacity,
        "accepts_units": server.accepts_units,
    }


def _record_change(by: Actor, server: EvolutionServer, before: dict[str, object], *, has_new_key: bool) -> None:
    after = {name: value for name, value in _told(server).items() if value != before[name]}
    if not after and not has_new_key:
        return
    audit.record_for_operator(
        by,
        "server.changed",
        ("server", server.id),
        before={name: before[name] for name in after},
        after=after | ({"key": "replaced"} if has_new_key else {}),
    )


def _refuse_known_address(url: str, server_id: UUID | None) -> None:
    """One server under two names would be filled twice."""
    same = select(EvolutionServer.name).where(
        EvolutionServer.url == url, EvolutionServer.id.is_distinct_from(server_id)
    )
    name = db.session.scalar(same.limit(1))
    if name is not None:
        raise Invalid({"url": _("%(server)s has this address already.", server=name)})


def _refuse_other_address(server: EvolutionServer, url: str, api_key: str) -> None:
    if url.strip().rstrip("/") not in ("", server.url) or api_key.strip():
        raise Conflict(
            _("The address and key of the default server are EVOLUTION_API_URL and EVOLUTION_API_KEY in the settings.")
        )


def _name_taken() -> Invalid:
    return Invalid({"name": _("Another server already has this name. Choose a different one.")})
