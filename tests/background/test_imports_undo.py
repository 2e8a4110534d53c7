"""Undoing an import: the base is as it was before, but for what people built on the list since."""

from collections.abc import Callable
from datetime import UTC, datetime
from typing import Any

import pytest

from portal.background import import_undoing
from portal.db import atomic, db
from portal.errors import Conflict
from portal.models import (
    ConsentEvent,
    ConsentKind,
    ConsentSource,
    Contact,
    ContactMerge,
    ContactTag,
    Import,
    ImportState,
    Tag,
)
from portal.services import imports
from portal.tenancy import TenantScope, acting_for
from tests.background.lists import contact, dump, import_list, phones, tag_names, tags_of, undo
from tests.factories import make_campaign, make_connected_unit, make_conversation, make_tenant

LIST = """Telefone;Nome;Cidade;Tags
5511999990001;Ana Souza;Recife;vip
5511999990002;Bia;Natal;novo
"""
ANA, BIA = "5511999990001", "5511999990002"
TOLD_AT = datetime(2026, 1, 1, 10, 30, 0, 123456, tzinfo=UTC)


@pytest.fixture
def scope(database: None) -> TenantScope:
    return make_tenant()


def add(scope: TenantScope, row: Any) -> Any:
    with acting_for(scope), atomic():
        return scope.add(row)


def change(scope: TenantScope, phone: str, **columns: object) -> None:
    with acting_for(scope), atomic():
        db.session.execute(scope.update(Contact).where(Contact.phone == phone).values(columns))


def counts_of(listed: Import) -> dict[str, Any]:
    counts = listed.counts or {}
    return {name: counts[name] for name in ("removed", "restored", "kept", "kept_because")}


def test_base_is_as_it_was_before(scope: TenantScope) -> None:
    make_tenant("rival")
    add(scope, Contact(phone=ANA, name="Ana", named_at=TOLD_AT, attributes={"Plano": "ouro"}))
    add(scope, Contact(phone="5511977770001", name="Somebody else"))
    add(scope, Tag(name="VIP"))
    before = dump()
    listed = import_list(scope, LIST, tag_names=["todos"])
    assert dump() != before

    undone = undo(scope, listed)

    assert dump() == before
    assert (undone.state, undone.undone_at is not None) == (ImportState.UNDONE, True)
    assert counts_of(undone) == {"removed": 1, "restored": 1, "kept": 0, "kept_because": {}}


def test_base_is_as_it_was_before_however_much_is_taken_at_once(
    scope: TenantScope, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(import_undoing, "SLICE", 2)
    add(scope, Contact(phone=ANA, name="Ana"))
    before = dump()
    rows = "".join(f"551197777{number:04d};Pessoa;Recife;x\n" for number in range(9))

    undone = undo(scope, import_list(scope, LIST + rows))

    assert dump() == before
    assert counts_of(undone) == {"removed": 10, "restored": 1, "kept": 0, "kept_because": {}}


def talk(scope: TenantScope, person: Contact) -> None:
    make_conversation(scope, make_connected_unit(scope), phone=ANA)


def opt_out(scope: TenantScope, person: Contact) -> None:
    event = {"kind": ConsentKind.OPTED_OUT, "source": ConsentSource.STAFF, "happened_at": TOLD_AT}
    add(scope, ConsentEvent(contact_id=person.id, **event))


def edit(scope: TenantScope, person: Contact) -> None:
    change(scope, ANA, edited_at=TOLD_AT)


def tag_by_hand(scope: TenantScope, person: Contact) -> None:
    tag = add(scope, Tag(name="à mão"))
    add(scope, ContactTag(contact_id=person.id, tag_id=tag.id))


def merge_away(scope: TenantScope, person: Contact) -> None:
    other = add(scope, Contact(phone="5511977770001"))
    change(scope, ANA, merged_into_id=other.id)


def merge_into(scope: TenantScope, person: Contact) -> None:
    add(scope, Contact(phone="5511977770001", merged_into_id=person.id))


def have_been_merged(scope: TenantScope, person: Contact) -> None:
    other = add(scope, Contact(phone="5511977770001"))
    add(scope, ContactMerge(kept_id=person.id, other_id=other.id, before={}, undone_at=TOLD_AT))


def be_chosen(scope: TenantScope, person: Contact) -> None:
    make_campaign(scope, make_connected_unit(scope), [person.id])


def import_again(scope: TenantScope, person: Contact) -> None:
    import_list(scope, "Telefone;Nome\n5511999990001;Ana Maria\n")


@pytest.mark.parametrize(
    ("do", "reason"),
    [
        (talk, "conversation"),
        (opt_out, "consent"),
        (edit, "edited"),
        (tag_by_hand, "edited"),
        (merge_away, "merged"),
        (merge_into, "merged"),
        (have_been_merged, "merged"),
        (import_again, "imported_again"),
        (be_chosen, "campaign"),
    ],
)
def test_person_with_whom_somebody_has_to_do_since_stays(
    scope: TenantScope, do: Callable[[TenantScope, Contact], None], reason: str
) -> None:
    listed = import_list(scope, LIST)
    do(scope, contact(scope, ANA))

    undone = undo(scope, listed)

    assert counts_of(undone) == {"removed": 1, "restored": 0, "kept": 1, "kept_because": {reason: 1}}
    assert ANA in phones(scope)
    assert BIA not in phones(scope)
    # No second undoing could be asked for.
    assert contact(scope, ANA).import_id is None


@pytest.mark.parametrize(
    ("columns", "reason"),
    [({"name": "Ana por telefone"}, "edited"), ({"attributes": {"Cidade": "Belém"}}, "edited")],
    ids=["name", "field"],
)
def test_what_is_not_as_the_import_left_it_stays(scope: TenantScope, columns: dict[str, Any], reason: str) -> None:
    add(scope, Contact(phone=ANA, name="Ana"))
    listed = import_list(scope, LIST)
    change(scope, ANA, **columns)
    before = contact(scope, ANA)

    undone = undo(scope, listed)

    assert counts_of(undone) == {"removed": 1, "restored": 0, "kept": 1, "kept_because": {reason: 1}}
    after = contact(scope, ANA)
    assert (after.name, after.attributes) == (before.name, before.attributes)


def test_imports_are_undone_from_the_last_to_the_first(scope: TenantScope) -> None:
    add(scope, Contact(phone=ANA, name="Ana"))
    before = dump()
    first = import_list(scope, LIST)
    second = import_list(scope, "Telefone;Nome\n5511999990001;Ana Maria\n")

    undo(scope, second)
    undo(scope, first)

    assert dump() == before


def test_first_of_two_imports_leaves_what_the_second_changed(scope: TenantScope) -> None:
    add(scope, Contact(phone=ANA, name="Ana"))
    first = import_list(scope, LIST)
    import_list(scope, "Telefone;Nome\n5511999990001;Ana Maria\n")

    undone = undo(scope, first)

    assert counts_of(undone)["kept_because"] == {"imported_again": 1}
    assert contact(scope, ANA).name == "Ana Maria"


def test_tags_of_others_stay_and_made_ones_that_nobody_bears_go(scope: TenantScope) -> None:
    other = add(scope, Contact(phone="5511977770001"))
    listed = import_list(scope, LIST)
    with acting_for(scope):
        vip = db.session.scalars(scope.select(Tag, Tag.id).where(Tag.name == "vip")).one()
    add(scope, ContactTag(contact_id=other.id, tag_id=vip))

    undo(scope, listed)

    assert tag_names(scope) == ["vip"]
    assert tags_of(scope, "5511977770001") == ["vip"]


def test_tag_that_a_person_had_before_stays(scope: TenantScope) -> None:
    person, tag = add(scope, Contact(phone=ANA)), add(scope, Tag(name="vip"))
    add(scope, ContactTag(contact_id=person.id, tag_id=tag.id))

    undo(scope, import_list(scope, LIST))

    assert tags_of(scope, ANA) == ["vip"]


def test_undone_import_cannot_be_undone_again(scope: TenantScope) -> None:
    listed = import_list(scope, LIST)
    undo(scope, listed)

    with acting_for(scope), pytest.raises(Conflict, match="undone"):
        imports.undo(scope, listed.id)


def test_undone_list_may_be_imported_again_on_the_same_day(scope: TenantScope) -> None:
    undo(scope, import_list(scope, LIST))

    again = import_list(scope, LIST)

    assert (again.state, (again.counts or {})["added"]) == (ImportState.DONE, 2)
