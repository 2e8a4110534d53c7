"""What a person decides about a list: from the upload to its undoing."""

import io
from collections.abc import Callable, Sequence
from datetime import timedelta
from uuid import UUID, uuid4

import pytest
from sqlalchemy import select

from portal.clock import now
from portal.db import atomic, db
from portal.errors import Conflict, Invalid, NotFound
from portal.models import AuditEvent, Import, ImportChunk, ImportSource, ImportState
from portal.services import imports
from portal.tables.columns import ColumnRole
from portal.tenancy import TenantScope, across_tenants, acting_for
from tests.factories import make_tenant, make_user

PHONE, NAME, IGNORE = ColumnRole("phone"), ColumnRole("name"), ColumnRole("ignore")
NAMES = ("Telefone", "Nome", "Cidade")


def field(name: str) -> ColumnRole:
    return ColumnRole("attribute", name)


def begin(scope: TenantScope, content: bytes = b"telefone\n11 99999-0001", name: str = "clientes.csv") -> Import:
    with acting_for(scope):
        return imports.begin(scope, file_name=name, content=io.BytesIO(content))


def make_import(scope: TenantScope, state: ImportState = ImportState.MAPPING, **columns: object) -> UUID:
    layout = {"columns": [{"name": name, "samples": ["x"]} for name in NAMES]}
    row = {
        "source": ImportSource.FILE,
        "file_name": "a.csv",
        "size": 9,
        "total": 9,
        "sha256": "0" * 64,
        "tag_names": [],
    }
    import_id, counts = uuid4(), {"rows": 2, "good": 1}
    with acting_for(scope), atomic():
        scope.add(Import(**{**row, "id": import_id, "layout": layout, "counts": counts, "state": state, **columns}))
    return import_id


def stored(scope: TenantScope, import_id: UUID) -> Import:
    with acting_for(scope):
        return scope.get(Import, import_id)


def test_file_is_kept_in_pieces_with_its_fingerprint(scope: TenantScope) -> None:
    content = bytes(range(256)) * 6_000

    listed = begin(scope, content, name="a" * 200 + ".csv")

    assert (listed.state, listed.source, listed.size, listed.total) == ("reading", "file", len(content), len(content))
    assert (len(listed.sha256), len(listed.file_name), listed.file_name[-4:]) == (64, 120, ".csv")
    assert listed.content_until is not None
    assert abs(listed.content_until - now() - imports.KEPT_FOR) < timedelta(minutes=1)
    with acting_for(scope):
        pieces = list(db.session.scalars(scope.select(ImportChunk, ImportChunk.content).order_by(ImportChunk.number)))
    assert [len(piece) for piece in pieces] == [1024 * 1024, len(content) - 1024 * 1024]
    assert b"".join(pieces) == content


def test_empty_file_is_refused(scope: TenantScope) -> None:
    with pytest.raises(Invalid) as refused:
        begin(scope, b"")

    assert list(refused.value.fields) == ["file"]


def test_file_that_is_too_large_is_refused_and_nothing_of_it_is_kept(
    scope: TenantScope, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(imports, "LARGEST_FILE", 10)

    with pytest.raises(Invalid) as refused:
        begin(scope, b"x" * 11)

    assert list(refused.value.fields) == ["file"]
    with acting_for(scope):
        assert db.session.scalars(scope.select(Import)).all() == []


@pytest.mark.parametrize("text", ["", " \n ", "x" * (imports.LARGEST_PASTE + 1)], ids=["nothing", "blank", "too much"])
def test_pasted_list_has_its_own_limits(scope: TenantScope, text: str) -> None:
    with acting_for(scope), pytest.raises(Invalid) as refused:
        imports.begin_pasted(scope, text=text)

    assert list(refused.value.fields) == ["text"]


def test_file_that_was_imported_today_is_refused_and_names_the_earlier_import(scope: TenantScope) -> None:
    first = begin(scope)
    finish(scope, first.id, finished_at=now())

    again = begin(scope, name="other-name.csv")

    assert (again.state, again.problem) == (ImportState.REFUSED, "same_file_today")
    assert again.problem_details is not None
    assert again.problem_details["import_id"] == str(first.id)
    with acting_for(scope):
        kept = scope.select(ImportChunk).where(ImportChunk.import_id == again.id)
        assert (again.content_until, db.session.scalars(kept).all()) == (None, [])


@pytest.mark.parametrize(
    ("state", "age"),
    [
        (ImportState.DONE, timedelta(days=1, hours=1)),
        (ImportState.UNDONE, timedelta()),
        (ImportState.MAPPING, timedelta()),
    ],
    ids=["yesterday", "undone", "not imported"],
)
def test_file_may_come_again(scope: TenantScope, state: ImportState, age: timedelta) -> None:
    finish(scope, begin(scope).id, state=state, finished_at=now() - age)

    assert begin(scope).state == ImportState.READING


def test_file_of_another_tenant_is_none_of_ours(scope: TenantScope) -> None:
    rival = make_tenant("rival")
    finish(rival, begin(rival).id, finished_at=now())

    assert begin(scope).state == ImportState.READING


def finish(scope: TenantScope, import_id: UUID, **columns: object) -> None:
    with acting_for(scope), atomic():
        this = scope.update(Import).where(Import.id == import_id)
        db.session.execute(this.values({"state": ImportState.DONE, **columns}))


def test_columns_are_noted_and_the_check_begins(scope: TenantScope) -> None:
    import_id = make_import(scope)

    with acting_for(scope):
        imports.map_columns(
            scope, import_id, roles=[PHONE, NAME, field("  a  cidade ")], tag_names=[" VIP ", "vip", ""]
        )

    listed = stored(scope, import_id)
    assert (listed.state, listed.tag_names) == (ImportState.CHECKING, ["vip"])
    assert listed.mapping == [role.to_dict() for role in (PHONE, NAME, field("a cidade"))]


@pytest.mark.parametrize(
    "roles",
    [
        [NAME, IGNORE, IGNORE],
        [PHONE, PHONE, IGNORE],
        [PHONE, NAME, NAME],
        [PHONE, field("cidade"), field("Cidade")],
        [PHONE, field(" "), IGNORE],
        [PHONE, field("x" * 61), IGNORE],
        [PHONE, field("a\x00"), IGNORE],
        [PHONE, NAME],
        [],
    ],
    ids=[
        "no number",
        "two numbers",
        "two names",
        "one field twice",
        "no field",
        "long field",
        "nul",
        "too few",
        "none",
    ],
)
def test_columns_that_make_no_sense_are_refused(scope: TenantScope, roles: Sequence[ColumnRole]) -> None:
    import_id = make_import(scope)

    with acting_for(scope), pytest.raises(Invalid) as refused:
        imports.map_columns(scope, import_id, roles=roles, tag_names=[])

    assert list(refused.value.fields) == ["columns"]
    assert stored(scope, import_id).state == ImportState.MAPPING


@pytest.mark.parametrize("tags", [["x" * 61], [str(tag) for tag in range(21)]], ids=["long", "many"])
def test_tags_have_limits(scope: TenantScope, tags: list[str]) -> None:
    import_id = make_import(scope)

    with acting_for(scope), pytest.raises(Invalid) as refused:
        imports.map_columns(scope, import_id, roles=[PHONE, NAME, IGNORE], tag_names=tags)

    assert list(refused.value.fields) == ["tags"]


def map_columns(scope: TenantScope, import_id: UUID) -> Import:
    return imports.map_columns(scope, import_id, roles=[PHONE, NAME, IGNORE], tag_names=[])


S = ImportState
ALLOWED: list[tuple[Callable[[TenantScope, UUID], Import], set[ImportState], ImportState]] = [
    (map_columns, {S.MAPPING, S.CHECKED}, S.CHECKING),
    (imports.confirm, {S.CHECKED}, S.IMPORTING),
    (imports.cancel, {S.READING, S.MAPPING, S.CHECKING, S.CHECKED, S.IMPORTING}, S.CANCELLED),
    (imports.undo, {S.DONE}, S.UNDOING),
]


@pytest.mark.parametrize("state", list(ImportState))
@pytest.mark.parametrize(("act", "allowed", "to"), ALLOWED, ids=["map", "confirm", "cancel", "undo"])
def test_each_act_fits_some_states_and_names_the_others(
    scope: TenantScope,
    act: Callable[[TenantScope, UUID], Import],
    allowed: set[ImportState],
    to: ImportState,
    state: ImportState,
) -> None:
    import_id = make_import(scope, state)

    with acting_for(scope):
        if state in allowed:
            act(scope, import_id)
        else:
            with pytest.raises(Conflict, match=f"{state}.*{to}"):
                act(scope, import_id)

    assert stored(scope, import_id).state == (to if state in allowed else state)


def test_list_without_a_good_row_is_not_imported(scope: TenantScope) -> None:
    import_id = make_import(scope, S.CHECKED, counts={"rows": 2, "good": 0})

    with acting_for(scope), pytest.raises(Conflict):
        imports.confirm(scope, import_id)


def test_import_that_a_worker_is_at_is_asked_to_end(scope: TenantScope) -> None:
    import_id = make_import(scope, S.IMPORTING, relay_id=uuid4())

    with acting_for(scope):
        imports.cancel(scope, import_id)
        asked_at = imports.cancel(scope, import_id).cancel_asked_at

    listed = stored(scope, import_id)
    assert (listed.state, listed.cancel_asked_at) == (S.IMPORTING, asked_at)


@pytest.mark.parametrize("act", [map_columns, imports.confirm, imports.cancel, imports.undo])
def test_import_of_another_tenant_does_not_exist(
    scope: TenantScope, act: Callable[[TenantScope, UUID], Import]
) -> None:
    theirs = make_import(make_tenant("rival"), S.CHECKED)

    with acting_for(scope), pytest.raises(NotFound):
        act(scope, theirs)


def test_audit_says_who_did_what_and_names_nobody(scope: TenantScope) -> None:
    admin = make_user()
    by_admin = TenantScope(scope.tenant_id, user_id=admin.id)
    listed = begin(by_admin, b"telefone\n11 99999-0001\n", name="Ana Souza.csv")
    finish(scope, listed.id, state=S.MAPPING, layout={"columns": [{"name": "telefone", "samples": []}]})
    with acting_for(scope):
        imports.map_columns(by_admin, listed.id, roles=[PHONE], tag_names=["segredo"])
        finish(scope, listed.id, state=S.CHECKED, counts={"rows": 1, "good": 1})
        imports.confirm(by_admin, listed.id)
        imports.cancel(by_admin, listed.id)

    with across_tenants("a test looks at the rows"):
        events = list(db.session.scalars(select(AuditEvent).where(AuditEvent.subject_id == listed.id)))
    actions = [event.action for event in events]
    assert actions == ["import.begun", "import.mapped", "import.confirmed", "import.cancelled"]
    assert {event.user_id for event in events} == {admin.id}
    told = " ".join(str(event.after) for event in events)
    assert not any(word in told for word in ("Ana", "99999", "segredo", "telefone"))
