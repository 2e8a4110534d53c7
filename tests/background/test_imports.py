"""Imports as a worker carries them out: what is found in a file, and what becomes of its people."""

import io
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest
import xlsxwriter

from portal.background import import_merging, import_people
from portal.db import atomic, db
from portal.errors import NotFound
from portal.models import Contact, ImportState, RowKind, Suppression, SuppressionReason
from portal.queries import imports as queries
from portal.services import imports, suppression
from portal.tables.columns import ColumnRole
from portal.tenancy import TenantScope, acting_for
from tests.background.lists import (
    bring,
    check,
    contact,
    dump,
    import_list,
    look,
    map_as_suggested,
    phones,
    rows_of,
    tag_names,
    tags_of,
)
from tests.background.work import work_off
from tests.factories import make_tenant
from tests.files import PDF

LIST = """Telefone;Nome;Cidade;Tags
5511999990001;Ana Souza;Recife;vip
11 99999-0002;Bia;;
(11) 9999-0003;Caio;Belém;vip, novo
11 3456-7890;Loja;;
11 99999-0002;Bia de novo;;
xx;Dora;;
"""
ANA, BIA, CAIO, SHOP = "5511999990001", "5511999990002", "5511999990003", "551134567890"


@pytest.fixture
def scope(database: None) -> TenantScope:
    return make_tenant()


def add_contact(scope: TenantScope, phone: str = ANA, **columns: Any) -> Contact:
    with acting_for(scope), atomic():
        return scope.add(Contact(phone=phone, **columns))


def suppress(scope: TenantScope, phone: str, reason: SuppressionReason) -> None:
    with acting_for(scope), atomic():
        scope.add(Suppression(fingerprint=suppression.fingerprints(phone)[0], reason=reason))


def test_file_is_read_and_its_columns_are_suggested(scope: TenantScope) -> None:
    listed = bring(scope, LIST)

    assert listed.state == ImportState.MAPPING
    assert listed.layout is not None
    assert [column["name"] for column in listed.layout["columns"]] == ["Telefone", "Nome", "Cidade", "Tags"]
    assert [role["kind"] for role in listed.layout["suggested"]] == ["phone", "name", "attribute", "tags"]
    written = (
        listed.layout["encoding"],
        listed.layout["delimiter"],
        listed.layout["sheet"],
        listed.layout["has_header"],
    )
    assert written == ("utf-8", ";", None, True)
    assert (listed.done, listed.counts) == (listed.total, {"rows": 6})


@pytest.mark.parametrize("encoding", ["cp1252", "utf-16", "utf-8-sig"])
def test_names_are_right_in_every_encoding(scope: TenantScope, encoding: str) -> None:
    import_list(scope, "Telefone;Nome\n11 99999-0001;João Conceição\n".encode(encoding))

    assert contact(scope, ANA).name == "João Conceição"


@pytest.mark.parametrize(
    ("content", "problem", "details"),
    [
        (PDF, "not_a_table", {"found": "PDF"}),
        (b"Telefone;Nome\n", "empty", {}),
        (b"Telefone;Nome;nome\n11 99999-0001;a;b\n", "doubled_column", {"names": ["Nome", "nome"]}),
        (b'Telefone;Nome\n11 99999-0001;"Ana\n', "unclosed_quote", {"line": 2}),
    ],
    ids=["pdf", "only a header", "doubled", "quote"],
)
def test_file_that_cannot_be_used_is_refused_and_forgotten(
    scope: TenantScope, content: bytes, problem: str, details: dict[str, object]
) -> None:
    listed = bring(scope, content)

    assert (listed.state, listed.problem, listed.problem_details) == (ImportState.REFUSED, problem, details)
    assert (listed.content_until, dump(["import_chunks"])) == (None, {"import_chunks": []})


def test_check_counts_every_row_once(scope: TenantScope) -> None:
    add_contact(scope, ANA, name="Ana Souza", attributes={"Cidade": "Recife"})
    add_contact(scope, SHOP, name="Another name")

    counts = check(scope, LIST).counts or {}

    assert counts["rows"] == 6
    assert (counts["wrong"], counts["repeated"], counts["erased"], counts["good"]) == (1, 1, 0, 4)
    assert (counts["new"], counts["changed"], counts["unchanged"], counts["opted_out"]) == (2, 1, 1, 0)
    assert (counts["renumbered"], counts["landlines"]) == (4, 1)
    assert counts["by_change"] == {"country_code": 4, "ninth_digit": 1}


def test_check_keeps_the_rows_about_which_there_is_something_to_say(scope: TenantScope) -> None:
    listed = check(scope, LIST)

    (wrong,) = rows_of(scope, listed, RowKind.WRONG)
    assert (wrong.line, wrong.cells, wrong.notes) == (7, ["xx", "Dora", "", ""], {"0": {"code": "not_a_phone"}})
    (repeated,) = rows_of(scope, listed, RowKind.REPEATED)
    assert (repeated.line, repeated.notes) == (6, {"0": {"code": "repeated", "line": 3}})
    renumbered = rows_of(scope, listed, RowKind.RENUMBERED)
    assert [row.line for row in renumbered] == [3, 4, 5, 6]
    assert renumbered[1].notes["0"] == {
        "code": "renumbered",
        "number": CAIO,
        "changes": ["country_code", "ninth_digit"],
        "is_landline": False,
    }


def test_check_changes_nobody(scope: TenantScope) -> None:
    add_contact(scope, ANA, name="Old name")
    before = dump()

    check(scope, LIST)

    assert dump() == before


def test_people_are_added_with_name_fields_and_tags(scope: TenantScope) -> None:
    listed = import_list(scope, LIST, tag_names=["todos"])

    assert phones(scope) == [SHOP, ANA, BIA, CAIO]
    ana = contact(scope, ANA)
    assert (ana.name, ana.named_at, ana.attributes, ana.import_id) == (
        "Ana Souza",
        None,
        {"Cidade": "Recife"},
        listed.id,
    )
    assert contact(scope, BIA).attributes == {}
    assert [tags_of(scope, phone) for phone in (ANA, BIA, CAIO)] == [
        ["todos", "vip"],
        ["todos"],
        ["novo", "todos", "vip"],
    ]
    assert listed.counts is not None
    assert [listed.counts[name] for name in ("added", "updated", "unchanged", "tagged")] == [4, 0, 0, 4]
    assert (listed.state, listed.relay_id, listed.finished_at is not None) == (ImportState.DONE, None, True)


def test_second_time_changes_nothing(scope: TenantScope) -> None:
    import_list(scope, LIST, tag_names=["todos"])
    before = dump()

    again = import_list(scope, LIST + "\n", tag_names=["TODOS"])

    assert dump() == before
    assert again.counts is not None
    assert [again.counts[name] for name in ("added", "updated", "tagged", "unchanged")] == [0, 0, 0, 4]


def test_known_person_gets_what_the_file_says_and_loses_nothing(scope: TenantScope) -> None:
    told_at = datetime(2026, 1, 1, tzinfo=UTC)
    add_contact(scope, ANA, name="Ana", named_at=told_at, attributes={"Cidade": "Olinda", "Plano": "ouro"})
    add_contact(scope, BIA, name="Bia", named_at=told_at, attributes={"Cidade": "Natal"})

    listed = import_list(scope, LIST)

    ana, bia = contact(scope, ANA), contact(scope, BIA)
    assert (ana.name, ana.named_at, ana.attributes) == ("Ana Souza", None, {"Cidade": "Recife", "Plano": "ouro"})
    assert (bia.name, bia.named_at, bia.attributes) == ("Bia", told_at, {"Cidade": "Natal"})
    assert (ana.import_id, listed.counts and listed.counts["updated"]) == (None, 1)


def test_field_in_another_spelling_is_the_same_field(scope: TenantScope) -> None:
    add_contact(scope, ANA, name="Ana Souza", attributes={"CIDADE": "Olinda"})

    import_list(scope, LIST)

    assert contact(scope, ANA).attributes == {"Cidade": "Recife"}


def test_number_of_a_merged_contact_leads_to_the_one_that_stayed(scope: TenantScope) -> None:
    kept = add_contact(scope, "5511988880001", name="Ana")
    add_contact(scope, ANA, name="Ana antiga", merged_into_id=kept.id)

    import_list(scope, LIST)

    assert contact(scope, "5511988880001").name == "Ana Souza"
    assert contact(scope, ANA).name == "Ana antiga"
    assert tags_of(scope, "5511988880001") == ["vip"]


def test_two_numbers_of_one_person_are_one_row_and_a_repeated_one(scope: TenantScope) -> None:
    kept = add_contact(scope, BIA, name="Bia")
    add_contact(scope, ANA, merged_into_id=kept.id)

    listed = check(scope, LIST)

    assert [row.notes["0"]["line"] for row in rows_of(scope, listed, RowKind.REPEATED)] == [2, 2]


def test_person_who_opted_out_is_told_of_and_stays_opted_out(scope: TenantScope) -> None:
    kept = add_contact(scope, "5511988880001", opted_out_at=datetime(2026, 1, 1, tzinfo=UTC))
    add_contact(scope, ANA, merged_into_id=kept.id)
    listed = check(scope, LIST)

    assert [row.line for row in rows_of(scope, listed, RowKind.OPTED_OUT)] == [2]
    assert listed.counts is not None
    assert (listed.counts["opted_out"], listed.counts["good"]) == (1, 4)
    with acting_for(scope):
        imports.confirm(scope, listed.id)
    work_off()
    assert contact(scope, "5511988880001").opted_out_at is not None
    assert contact(scope, "5511988880001").name == "Ana Souza"


@pytest.mark.parametrize("reason", list(SuppressionReason))
def test_erased_person_is_not_brought_back(scope: TenantScope, reason: SuppressionReason) -> None:
    suppress(scope, CAIO, reason)

    listed = check(scope, LIST)
    with acting_for(scope):
        imports.confirm(scope, listed.id)
    work_off()

    assert [row.line for row in rows_of(scope, listed, RowKind.ERASED)] == [4]
    assert phones(scope) == [SHOP, ANA, BIA]
    # The tag that only this row has is not made either.
    assert tag_names(scope) == ["vip"]
    assert (listed.counts or {})["erased"] == 1


def test_other_tenants_people_and_erasures_are_none_of_this_ones(scope: TenantScope) -> None:
    rival = make_tenant("rival")
    add_contact(rival, ANA, name="Deles")
    suppress(rival, BIA, SuppressionReason.ERASED)

    listed = import_list(scope, LIST)

    assert (listed.counts or {})["added"] == 4
    assert contact(rival, ANA).name == "Deles"


def test_tag_in_another_spelling_is_the_same_tag(scope: TenantScope) -> None:
    import_list(scope, "Telefone;Tags\n11 99999-0001;VIP\n")

    import_list(scope, "Telefone;Tags\n11 99999-0002;vip\n")

    assert tag_names(scope) == ["VIP"]
    assert tags_of(scope, BIA) == ["VIP"]


def test_pasted_list_needs_no_header(scope: TenantScope) -> None:
    with acting_for(scope):
        listed = imports.begin_pasted(scope, text="11 99999-0001\tAna\n11 99999-0002\tBia\n")
    work_off()
    map_as_suggested(scope, look(scope, listed.id))
    work_off()
    with acting_for(scope):
        imports.confirm(scope, listed.id)
    work_off()

    assert [contact(scope, phone).name for phone in (ANA, BIA)] == ["Ana", "Bia"]


def test_spreadsheet_is_read_with_the_numbers_of_its_rows(scope: TenantScope, tmp_path: Path) -> None:
    content = io.BytesIO()
    with xlsxwriter.Workbook(content) as book:
        sheet = book.add_worksheet("Clientes")
        sheet.write_row(2, 0, ["Telefone", "Nome"])
        sheet.write_row(3, 0, [5511999990001, "Ana\nSouza"])
        sheet.write_row(5, 0, [12, "Bia"])
    listed = import_list(scope, content.getvalue())

    assert contact(scope, ANA).name == "Ana Souza"
    assert [row.line for row in rows_of(scope, listed, RowKind.WRONG)] == [6]
    assert (listed.layout or {})["sheet"] == "Clientes"
    assert listed.size == len(content.getvalue())


def test_person_says_what_the_columns_are(scope: TenantScope) -> None:
    roles = [ColumnRole("phone"), ColumnRole("ignore"), ColumnRole("name"), ColumnRole("attribute", "Grupo")]

    import_list(scope, LIST, roles=roles)

    ana = contact(scope, ANA)
    assert (ana.name, ana.attributes, tags_of(scope, ANA)) == ("Recife", {"Grupo": "vip"}, [])


def test_columns_may_be_changed_after_the_check(scope: TenantScope) -> None:
    listed = check(scope, LIST)
    map_as_suggested(scope, listed, [ColumnRole("ignore"), ColumnRole("phone"), *[ColumnRole("ignore")] * 2])
    work_off()

    again = look(scope, listed.id)

    assert (again.counts or {})["wrong"] == 6
    assert len(rows_of(scope, again, RowKind.WRONG)) == 6
    assert rows_of(scope, again, RowKind.REPEATED) == []


def test_only_the_first_rows_of_a_kind_are_kept_and_all_are_counted_and_read_again(
    scope: TenantScope, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(import_people, "MOST_KEPT", 2)
    listed = check(scope, "Telefone;Nome\n" + "11 99999-0001;Ana\n" + "xx;Bia\n" * 5)

    assert (listed.counts or {})["wrong"] == 5
    assert [row.line for row in rows_of(scope, listed, RowKind.WRONG)] == [3, 4]
    with acting_for(scope):
        assert [row.line for row in queries.read_wrong(scope, listed.id)] == [3, 4, 5, 6, 7]
        (renumbered,) = queries.read_renumbered(scope, listed.id)
    assert (renumbered.line, renumbered.typed, renumbered.reading.number) == (2, "11 99999-0001", ANA)


def test_of_a_row_that_is_far_too_wide_little_is_kept(scope: TenantScope) -> None:
    wide = [ANA, "Ana " * 500, *[""] * 5_000, *["x"] * 5_000]
    listed = check(scope, f"Telefone;Nome\n{';'.join(wide)}\n{BIA};Bia{';' * 5_000}\n")

    (kept,) = rows_of(scope, listed, RowKind.WRONG)
    assert kept.notes["2"] == {"code": "too_many_cells"}
    assert (kept.cells[0], len(kept.cells[1]), kept.cells[2:]) == (ANA, 500, ["x"] * 10)
    with acting_for(scope):
        assert [row.cells for row in queries.read_wrong(scope, listed.id)] == [wide]


def test_result_does_not_depend_on_how_much_is_taken_at_once(
    scope: TenantScope, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(import_people, "BATCH", 2)
    monkeypatch.setattr(import_merging, "SLICE", 2)

    listed = import_list(scope, LIST + "11 99999-0001;Ana outra;;\n")

    assert phones(scope) == [SHOP, ANA, BIA, CAIO]
    assert contact(scope, ANA).name == "Ana Souza"
    assert (listed.counts or {})["repeated"] == 2
    assert [row.notes["0"]["line"] for row in rows_of(scope, listed, RowKind.REPEATED)] == [3, 2]


def test_file_that_is_gone_cannot_be_read_again(scope: TenantScope) -> None:
    listed = check(scope, LIST)
    with acting_for(scope):
        imports.cancel(scope, listed.id)
        with pytest.raises(NotFound):
            queries.read_wrong(scope, listed.id)


def test_columns_that_nobody_named_yet_cannot_be_read_again(scope: TenantScope) -> None:
    listed = bring(scope, LIST)
    with acting_for(scope), pytest.raises(NotFound):
        queries.read_wrong(scope, listed.id)


def test_nothing_waits_when_everything_is_done(scope: TenantScope) -> None:
    import_list(scope, LIST)

    assert work_off() == 0


def test_log_names_nobody(scope: TenantScope, caplog: pytest.LogCaptureFixture) -> None:
    import_list(scope, LIST)
    db.session.remove()

    assert "import stage ended" in caplog.text
    assert not any(word in caplog.text for word in ("Ana", "99999", "Recife", "clientes.csv"))
