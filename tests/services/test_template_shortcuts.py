"""Short cuts of templates: what may be one, and whose it is."""

import pytest

from portal.db import db
from portal.errors import Invalid
from portal.models import AuditEvent
from portal.queries import message_templates as queries
from portal.services.message_templates import archive_template, create_template, save_template
from portal.services.template_checks import Content
from portal.tenancy import TenantScope, acting_for
from tests.factories import make_tenant


def create(scope: TenantScope, name: str, shortcut: str = "") -> queries.TemplateRow:
    with acting_for(scope):
        return queries.get_template(scope, create_template(scope, Content(name, ["Oi"], shortcut=shortcut)))


def save(scope: TenantScope, row: queries.TemplateRow, shortcut: str) -> queries.TemplateRow:
    with acting_for(scope):
        save_template(scope, row.template.id, Content(row.template.name, ["Oi"], shortcut=shortcut), based_on=1)
        return queries.get_template(scope, row.template.id)


@pytest.mark.parametrize(
    ("typed", "kept"),
    [(" /preco_2 ", "preco_2"), ("preço-x", "preço-x"), ("x" * 30, "x" * 30), (" ", None), ("/", None)],
    ids=["slash", "accent", "longest", "blank", "only_slash"],
)
def test_short_cut_is_kept_without_its_slash(scope: TenantScope, typed: str, kept: str | None) -> None:
    assert create(scope, "Preço", typed).template.shortcut == kept


@pytest.mark.parametrize(
    "typed", ["dois nomes", "x" * 31, "a/b", "//a", "a\nb"], ids=["blank", "long", "in", "two", "line"]
)
def test_what_is_no_short_cut_is_said_beside_its_field(scope: TenantScope, typed: str) -> None:
    with pytest.raises(Invalid) as error:
        create(scope, "Preço", typed)

    assert set(error.value.fields) == {"shortcut"}


def test_new_short_cut_alone_makes_no_version(scope: TenantScope) -> None:
    changed = save(scope, create(scope, "Oferta"), "oferta")
    emptied = save(scope, changed, "")

    assert (changed.version.number, emptied.version.number, emptied.template.shortcut) == (1, 1, None)


def test_taken_short_cut_is_refused_whatever_its_capitals(scope: TenantScope) -> None:
    create(scope, "Oferta", "oferta")
    other = create(scope, "Outra")

    with pytest.raises(Invalid) as created:
        create(scope, "Nova", "Oferta")
    with pytest.raises(Invalid) as saved:
        save(scope, other, "OFERTA")

    assert set(created.value.fields) == set(saved.value.fields) == {"shortcut"}


def test_taken_name_is_still_told_of_the_name(scope: TenantScope) -> None:
    create(scope, "Oferta", "oferta")

    with pytest.raises(Invalid) as error:
        create(scope, "oferta", "outra")

    assert set(error.value.fields) == {"name"}


def test_archived_template_gives_its_short_cut_free(scope: TenantScope) -> None:
    first = create(scope, "Oferta", "oferta")
    with acting_for(scope):
        archive_template(scope, first.template.id)

    assert create(scope, "Outra", "oferta").template.shortcut == "oferta"


def test_another_company_may_use_the_same_short_cut(scope: TenantScope) -> None:
    create(scope, "Oferta", "oferta")

    assert create(make_tenant("rival"), "Oferta", "oferta").template.shortcut == "oferta"


def test_short_cut_and_its_changes_are_in_the_audit_log(scope: TenantScope) -> None:
    template_id = save(scope, create(scope, "Oferta", "um"), "dois").template.id
    with acting_for(scope):
        logged = list(db.session.scalars(scope.select(AuditEvent).where(AuditEvent.subject_id == template_id)))

    assert sorted((one.action, one.before, one.after) for one in logged) == [
        ("message_template.created", None, {"name": "Oferta", "shortcut": "um"}),
        ("message_template.shortcut_changed", {"shortcut": "um"}, {"shortcut": "dois"}),
    ]
