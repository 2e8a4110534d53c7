"""The values of people for the variables of a text, and who has none: counted as texts are rendered."""

import pytest

from portal.db import atomic
from portal.models import Contact, ContactKind, Conversation, Unit
from portal.queries import variables
from portal.queries.variables import Survey, survey, values_of
from portal.tenancy import TenantScope, acting_for
from portal.wording import parse, render
from tests.factories import make_connected_unit, make_conversation, make_tenant


def add_people(scope: TenantScope, *people: Contact) -> None:
    with acting_for(scope), atomic():
        for number, person in enumerate(people):
            person.phone = None if person.chat_jid else f"55119777700{number:02}"
            scope.add(person)


def look(scope: TenantScope) -> Survey:
    with acting_for(scope):
        return survey(scope)


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        ("((nome)) ((Name))", "Maria da Silva Maria da Silva"),
        ("((primeiro nome)) ((First name))", "Maria Maria"),
        ("((telefone)) ((phone))", "+55 11 99999-0002 +55 11 99999-0002"),
        ("((Cidade))", "Recife"),
    ],
)
def test_person_has_fields_and_what_every_contact_has(text: str, shown: str) -> None:
    maria = Contact(name="Maria da Silva", phone="5511999990002", attributes={"cidade": "Recife", "NOME": "outra"})

    assert render(parse(text), values_of(maria)).text == shown


def test_field_counts_where_the_contact_has_nothing_better() -> None:
    nameless = Contact(whatsapp_number="551199990002", attributes={"Nome": "Maria"})

    assert render(parse("((nome)) ((telefone))"), values_of(nameless)).text == "Maria +55 11 9999-0002"


def test_blank_name_is_no_value() -> None:
    assert render(parse("((nome))"), values_of(Contact(name=" ", attributes={}))).missing == ("nome",)


def test_survey_counts_who_lacks_a_value_however_its_name_is_written(scope: TenantScope) -> None:
    add_people(
        scope,
        Contact(name="Ana", attributes={"Cidade": "Recife", "plano": "ouro"}),
        Contact(name="Bia", attributes={"cidade": "Olinda"}),
        # Two ways of one name are one value.
        Contact(name=" ", attributes={"cidáde": "Natal", "ci dade": "Natal"}),
        Contact(name=None, attributes={}),
    )

    found = look(scope)

    wanted = ("cidade", "plano", "nome", "First Name", "telefone", "bairro")
    assert found.count_missing(wanted) == {"cidade": 1, "plano": 3, "nome": 2, "First Name": 2, "bairro": 4}
    assert (found.looked_at, found.is_all) == (4, True)


def test_survey_agrees_with_what_is_rendered(scope: TenantScope) -> None:
    people = [
        Contact(name="Ana", attributes={"Última compra": "3 de maio"}),
        Contact(name=None, attributes={"nome": "Bia", "ULTIMA COMPRA": "ontem"}),
        Contact(name="", attributes={"Compra": "x"}),
    ]
    add_people(scope, *people)
    names = ("ultimacompra", "nome", "primeiro nome", "telefone", "COMPRA")

    rendered = [render(parse("".join(f"(({name}))" for name in names)), values_of(one)).missing for one in people]

    lacking = {name: sum(name in missing for missing in rendered) for name in names}
    assert look(scope).count_missing(names) == {name: number for name, number in lacking.items() if number}


def test_survey_looks_only_at_people_whom_a_campaign_would_reach(
    scope: TenantScope, conversation: Conversation
) -> None:
    add_people(
        scope,
        Contact(name="Ana", attributes={"cidade": "Recife"}),
        Contact(name="Grupo", kind=ContactKind.GROUP, chat_jid="1203@g.us", attributes={"grupo": "x"}),
        Contact(name="Bia", attributes={"saiu": "x"}, opted_out_at=conversation.created_at),
        Contact(name="Caio", attributes={"unido": "x"}, merged_into_id=conversation.contact_id),
    )

    found = look(scope)

    assert (found.looked_at, found.names) == (2, ("cidade",))


def test_survey_offers_each_name_as_most_people_have_it_the_most_frequent_first(scope: TenantScope) -> None:
    add_people(
        scope,
        Contact(attributes={"Cidade": "a", "plano": "b", "nome": "c"}),
        Contact(attributes={"Cidade": "a"}),
        Contact(attributes={"cidade": "a"}),
    )

    assert look(scope).names == ("Cidade", "plano")


def test_survey_of_many_people_says_that_it_saw_the_newest(scope: TenantScope, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(variables, "MOST_LOOKED_AT", 2)
    add_people(scope, *(Contact(attributes={field: "x"}) for field in ("alt", "neu", "neu")))

    found = look(scope)

    assert (found.looked_at, found.is_all, found.names) == (2, False, ("neu",))


def test_survey_of_an_agent_has_the_people_of_their_units(scope: TenantScope, unit: Unit) -> None:
    make_conversation(scope, make_connected_unit(scope, "praia", phone="5511999990009"), phone="5511977770001")
    make_conversation(scope, unit, phone="5511977770002")

    limited = TenantScope(scope.tenant_id, unit_ids=frozenset({unit.id}))

    assert (look(scope).looked_at, look(limited).looked_at) == (2, 1)


def test_survey_sees_one_company_only(scope: TenantScope) -> None:
    add_people(make_tenant("rival"), Contact(attributes={"segredo": "x"}))

    assert (look(scope).looked_at, look(scope).names) == (0, ())
