"""Templates: every change is a version, nobody overwrites another's unseen, what is wrong stands beside its field."""

from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from uuid import uuid4

import pytest
from flask import Flask

from portal.db import atomic, db
from portal.errors import Conflict, Invalid, NotFound
from portal.models import AuditEvent, Media, MessageKind
from portal.queries import message_templates as queries
from portal.queries.message_templates import TemplateRow
from portal.services.drafts import LONGEST_CAPTION, LONGEST_TEXT
from portal.services.media import Upload
from portal.services.message_templates import archive_template, create_template, restore_version, save_template
from portal.services.template_checks import Content
from portal.tenancy import TenantScope, acting_for
from tests.factories import make_template, make_tenant, make_user
from tests.files import JPEG, MP3, PDF

BOLETO, PHOTO, SOUND = Upload("boleto.pdf", PDF), Upload("foto.jpg", JPEG), Upload("som.mp3", MP3)


def create(scope: TenantScope, *texts: str, name: str = "Oferta", upload: Upload | None = None) -> TemplateRow:
    with acting_for(scope):
        return queries.get_template(scope, create_template(scope, Content(name, texts or ("Oi",), upload)))


def save(scope: TenantScope, row: TemplateRow, *texts: str, based_on: int = 1, **content: object) -> TemplateRow:
    wanted = Content(**{"name": row.template.name, "variants": texts, **content})
    with acting_for(scope):
        save_template(scope, row.template.id, wanted, based_on=based_on)
        return queries.get_template(scope, row.template.id)


def refused(scope: TenantScope, content: Content) -> dict[str, str]:
    with acting_for(scope), pytest.raises(Invalid) as error:
        create_template(scope, content)
    return error.value.fields


def count_files(scope: TenantScope) -> int:
    with acting_for(scope):
        return len(db.session.scalars(scope.select(Media, Media.id)).all())


def test_template_begins_with_its_first_version(scope: TenantScope) -> None:
    ana = make_user()

    row = create(
        TenantScope(scope.tenant_id, ana.id), " Oi, ((nome))!\r\nTudo bem? ", "", "Olá!", name=" Boas  vindas "
    )

    assert row.template.name == "Boas vindas"
    assert (row.version.number, row.version.variants) == (1, ["Oi, ((nome))!\nTudo bem?", "Olá!"])
    assert (row.version.created_by_id, row.file, row.is_current) == (ana.id, None, True)


def test_what_is_written_later_is_the_next_version_and_the_old_one_stays(scope: TenantScope) -> None:
    first = create(scope, "Oi", upload=BOLETO)

    second = save(scope, first, "Olá")

    with acting_for(scope):
        old = queries.get_template(scope, first.template.id, 1)
    assert (second.version.number, second.version.variants, old.version.variants) == (2, ["Olá"], ["Oi"])
    assert (old.is_current, old.newest) == (False, 2)


def test_version_that_says_the_same_is_none(scope: TenantScope) -> None:
    first = create(scope, "Oi", upload=BOLETO)

    again = save(scope, first, "Oi ", upload=BOLETO)

    assert (again.version.number, count_files(scope)) == (1, 1)


def test_nobody_is_kept_waiting_while_a_picture_is_written_anew(scope: TenantScope, pictures: list[bool]) -> None:
    save(scope, create(scope, "Oi", upload=PHOTO), "Oi", upload=PHOTO)

    assert pictures == [False, False]


def test_file_stays_unless_it_is_taken_away_or_another_comes(scope: TenantScope) -> None:
    first = create(scope, "Oi", upload=BOLETO)

    kept = save(scope, first, "Olá")
    changed = save(scope, first, "Olá", based_on=2, upload=PHOTO)
    bare = save(scope, first, "Olá", based_on=3, keeps_file=False)

    assert kept.version.media_id == first.version.media_id
    assert (changed.file and changed.file.kind, changed.version.number) == (MessageKind.IMAGE, 3)
    assert (bare.file, bare.version.number) == (None, 4)


def test_new_name_alone_makes_no_version(scope: TenantScope) -> None:
    renamed = save(scope, create(scope, "Oi"), "Oi", name="Promoção")

    assert (renamed.template.name, renamed.version.number) == ("Promoção", 1)


def test_whoever_looked_at_an_older_version_saves_nothing(scope: TenantScope) -> None:
    first = create(scope, "Oi")
    save(scope, first, "Olá")

    with acting_for(scope), pytest.raises(Conflict):
        save_template(scope, first.template.id, Content("Outro", ["Bom dia"]), based_on=1)

    with acting_for(scope):
        now = queries.get_template(scope, first.template.id)
    assert (now.template.name, now.version.variants) == ("Oferta", ["Olá"])


def test_restored_version_is_a_new_one_with_the_same_file(scope: TenantScope) -> None:
    first = create(scope, "Oi", "Olá", upload=BOLETO)
    save(scope, first, "Outro", keeps_file=False)

    with acting_for(scope):
        number = restore_version(scope, first.template.id, 1, based_on=2)
        now = queries.get_template(scope, first.template.id)

    assert (number, now.version.variants, now.version.media_id) == (3, ["Oi", "Olá"], first.version.media_id)


def test_restoring_what_counts_already_makes_no_version(scope: TenantScope) -> None:
    first = create(scope, "Oi")

    with acting_for(scope):
        assert restore_version(scope, first.template.id, 1, based_on=1) == 1


def test_version_that_never_was_cannot_be_restored(scope: TenantScope) -> None:
    first = create(scope, "Oi")

    with acting_for(scope), pytest.raises(NotFound):
        restore_version(scope, first.template.id, 2, based_on=1)


def test_versions_are_listed_the_newest_first(scope: TenantScope) -> None:
    first = create(scope, "Oi")
    save(scope, first, "Olá")

    with acting_for(scope):
        assert [version.number for version in queries.list_versions(scope, first.template.id)] == [2, 1]


def test_archived_template_is_gone_and_gives_its_name_free(scope: TenantScope) -> None:
    first = create(scope, "Oi")

    with acting_for(scope):
        archive_template(scope, first.template.id)
    second = create(scope, "Olá")

    with acting_for(scope):
        assert [row.template.id for row in queries.list_templates(scope)] == [second.template.id]
        assert [template.id for template in queries.list_names(scope)] == [second.template.id]
        with pytest.raises(NotFound):
            queries.get_template(scope, first.template.id)


def test_list_is_in_the_order_of_names_with_the_newest_versions(scope: TenantScope) -> None:
    save(scope, create(scope, "a", name="b"), "a2")
    create(scope, "c", name="A")

    with acting_for(scope):
        rows = queries.list_templates(scope)

    assert [(row.template.name, row.version.variants, row.newest) for row in rows] == [
        ("A", ["c"], 1),
        ("b", ["a2"], 2),
    ]


@pytest.mark.parametrize("name", ["Oferta", "OFERTA", " oferta "])
def test_name_is_one_templates_only(scope: TenantScope, name: str) -> None:
    create(scope, "Oi")

    assert set(refused(scope, Content(name, ["Olá"]))) == {"name"}


def test_name_of_another_template_cannot_be_taken_over(scope: TenantScope) -> None:
    create(scope, "Oi")
    other = create(scope, "Oi", name="Outro")

    with pytest.raises(Invalid) as error:
        save(scope, other, "Novo", name="oferta")

    with acting_for(scope):
        assert queries.get_template(scope, other.template.id).version.variants == ["Oi"]
    assert set(error.value.fields) == {"name"}


@pytest.mark.parametrize(
    ("content", "fields"),
    [
        (Content("", ["Oi"]), {"name"}),
        (Content("x" * 61, ["Oi"]), {"name"}),
        (Content("x", []), {"variant_1"}),
        (Content("x", [" ", "\n"]), {"variant_1"}),
        (Content("x", ["1", "2", "3", "4", "5", "6"]), {"variant_1"}),
        (Content("x", ["Oi", "", "Oi "]), {"variant_3"}),
        (Content("x", ["Oi ((nome", "", "((a ((b))))"]), {"variant_1", "variant_3"}),
        (Content("x", ["x" * (LONGEST_TEXT + 1)]), {"variant_1"}),
        (Content("x", ["Oi", "x" * (LONGEST_CAPTION + 1)], BOLETO), {"variant_2"}),
        (Content("", ["((", "Oi"], Upload("x.exe", b"MZ")), {"name", "variant_1", "file"}),
        (Content("x", ["Oi"], SOUND), {"file"}),
    ],
    ids=["no_name", "name", "none", "blank", "six", "twice", "brackets", "text", "caption", "all", "sound"],
)
def test_what_is_wrong_is_said_beside_its_field(scope: TenantScope, content: Content, fields: set[str]) -> None:
    assert set(refused(scope, content)) == fields
    assert count_files(scope) == 0


def test_longest_texts_and_five_variants_are_kept(scope: TenantScope) -> None:
    long = create(scope, "x" * LONGEST_TEXT, "2", "3", "4", "5")
    captioned = create(scope, "x" * LONGEST_CAPTION, name="Outro", upload=BOLETO)

    assert (len(long.version.variants), len(captioned.version.variants[0])) == (5, LONGEST_CAPTION)


def test_text_that_only_fits_without_the_kept_file_is_refused(scope: TenantScope) -> None:
    first, long = create(scope, "Oi", upload=BOLETO), "x" * (LONGEST_CAPTION + 1)

    with pytest.raises(Invalid):
        save(scope, first, long)

    assert save(scope, first, long, keeps_file=False).version.number == 2


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("Bom dia, ((nome", "“((nome” is not closed"),
        ("Oi (()) e mais uma porção de texto", "“(()) e mais uma porção d…” names no variable"),
        ("((a??((b))))", "no variable can stand inside another one"),
        (f"(({'n' * 61}))", "has at most 60 characters"),
    ],
)
def test_refused_brackets_are_told_with_their_place(scope: TenantScope, text: str, words: str) -> None:
    assert words in refused(scope, Content("x", [text]))["variant_1"]


def test_changes_are_in_the_audit_log_without_what_was_written(scope: TenantScope) -> None:
    first = create(scope, "Segredo")
    save(scope, first, "Segredo dois", name="Oferta três")
    with acting_for(scope):
        restore_version(scope, first.template.id, 1, based_on=2)
        archive_template(scope, first.template.id)

        logged = list(db.session.scalars(scope.select(AuditEvent).order_by(AuditEvent.created_at, AuditEvent.id)))

    told = [(one.action, one.after) for one in logged if one.subject_id == first.template.id]
    assert sorted(told, key=str) == [
        ("message_template.archived", None),
        ("message_template.created", {"name": "Oferta"}),
        ("message_template.renamed", {"name": "Oferta três"}),
        ("message_template.restored", {"version": 3}),
        ("message_template.saved", {"version": 2}),
    ]


def test_only_files_of_templates_are_reached_by_their_id(scope: TenantScope) -> None:
    carried = create(scope, "Oi", upload=BOLETO).version.media_id
    make_template(rival := make_tenant("rival"))
    with acting_for(rival):
        of_rival = queries.list_templates(rival)[0].version.media_id

    with acting_for(scope):
        assert carried is not None
        assert queries.get_file(scope, carried).file_name == "boleto.pdf"
        for other in (uuid4(), of_rival):
            with pytest.raises(NotFound):
                queries.get_file(scope, other or uuid4())


def test_template_of_another_company_does_not_exist(scope: TenantScope) -> None:
    theirs = make_template(make_tenant("rival"))

    with acting_for(scope), atomic(), pytest.raises(NotFound):
        queries.get_template(scope, theirs.id)


def apart(app: Flask, act: Callable[[], object]) -> None:
    """Do it as another process would: with a session of its own."""
    with app.app_context():
        try:
            act()
        finally:
            db.session.remove()


@pytest.mark.commits
def test_of_two_who_save_at_once_the_second_waits_and_is_told(app: Flask, scope: TenantScope) -> None:
    first = create(scope, "Oi")
    with ThreadPoolExecutor(1) as others, acting_for(scope), atomic():
        save_template(scope, first.template.id, Content("Oferta", ["Um"]), based_on=1)
        second = others.submit(apart, app, lambda: save(scope, first, "Dois"))
        with pytest.raises(TimeoutError):
            second.result(timeout=0.5)
        db.session.commit()
        refused = second.exception(timeout=10)

    with acting_for(scope):
        assert queries.get_template(scope, first.template.id).version.variants == ["Um"]
    assert isinstance(refused, Conflict)


@pytest.mark.commits
def test_of_two_who_give_one_name_at_once_the_second_is_told(app: Flask, scope: TenantScope) -> None:
    with ThreadPoolExecutor(1) as others, acting_for(scope), atomic():
        create_template(scope, Content("Oferta", ["Um"]))
        db.session.flush()
        second = others.submit(apart, app, lambda: create(scope, "Dois", name="OFERTA"))
        with pytest.raises(TimeoutError):
            second.result(timeout=0.5)
        db.session.commit()
        refused = second.exception(timeout=10)

    with acting_for(scope):
        assert [row.version.variants for row in queries.list_templates(scope)] == [["Um"]]
    assert isinstance(refused, Invalid)
    assert set(refused.fields) == {"name"}
