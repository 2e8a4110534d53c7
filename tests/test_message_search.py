"""Searching in what was written: the function of the database, and the queries that it is given."""

from datetime import timedelta
from uuid import UUID

import pytest
from sqlalchemy import text
from sqlalchemy.exc import ProgrammingError

from portal.clock import now
from portal.models import Conversation, Unit
from portal.queries import message_search
from portal.queries.message_search import Stem, find_messages, read_words
from portal.tenancy import SYSTEM_ROLE, TENANT_ROLE, TenantScope, acting_for
from tests.factories import make_conversation, make_message, make_tenant, make_unit
from tests.test_row_level_security import acting_as

ASK = text(
    "SELECT m.body FROM search_messages(to_tsquery('portuguese', :words), cast(:units AS uuid[]), :most)"
    " WITH ORDINALITY AS found (id, place) JOIN messages m USING (id) ORDER BY place"
)


@pytest.fixture
def acme(database: None) -> TenantScope:
    return make_tenant("acme")


@pytest.fixture
def unit(acme: TenantScope) -> Unit:
    return make_unit(acme)


@pytest.fixture
def conversation(acme: TenantScope, unit: Unit) -> Conversation:
    return make_conversation(acme, unit)


def ask(
    tenant_id: UUID | None, words: str, *, units: list[UUID] | None = None, most: int = 30, role: str = TENANT_ROLE
) -> list[str]:
    """What the function finds, in its order, as a transaction of that tenant asks it."""
    with acting_as(role, tenant_id) as connection:
        return list(connection.scalars(ASK, {"words": words, "units": units, "most": most}))


def found(scope: TenantScope, typed: str, *, unit_id: UUID | None = None) -> list[str]:
    """What a person finds who types that."""
    with acting_for(scope):
        words = read_words(typed)
        return [hit.message.body for hit in find_messages(scope, words, unit_id=unit_id)] if words else []


@pytest.mark.parametrize(
    ("written", "typed"),
    [
        ("A promoção acabou", "promoção"),
        ("A promoção acabou", "PROMOCAO"),
        ("A promocao acabou", "promoção"),
        ("As promoções de hoje", "promocao"),
        ("Perdi o cartão", "cartões"),
        ("Dois cartões", "cartao"),
        ("Enviei os boletos", "boleto"),
        ("Enviei o boleto", "boletos"),
        ("Amanhã eu entrego", "entregamos"),
        ("O orçamento chegou", "orç"),
        ("O orçamento chegou", "orcam"),
        ("Compro um guarda-chuva", "guarda-chuva"),
        ("Compro um guarda-chuva", "chuva"),
        ("Escreva a maria@loja.test", "maria@loja.test"),
        ("São 1.500,00 reais", "1.500,00"),
        ("Segue o boleto.pdf aqui", "boleto.pdf"),
        ("O pedido #12345-6 saiu", "12345-6"),
        ("Copo d'água gelada", "d'água"),
        ("Nao quero mais", "não quero"),
        ("O café está pronto", "cafe\u0301"),
    ],
)
def test_message_is_found_however_its_words_are_written(
    acme: TenantScope, conversation: Conversation, written: str, typed: str
) -> None:
    make_message(acme, conversation, body=written)
    make_message(acme, conversation, body="Outra coisa")

    assert found(acme, typed) == [written]


@pytest.mark.parametrize("typed", ["promoção hoje", "en", "moção", "pagamento promoção"])
def test_message_without_all_of_the_words_is_not_found(
    acme: TenantScope, conversation: Conversation, typed: str
) -> None:
    make_message(acme, conversation, body="A promoção acabou: entrega só amanhã, sem pressa")

    assert found(acme, typed) == []


def test_words_may_stand_in_any_order(acme: TenantScope, conversation: Conversation) -> None:
    make_message(acme, conversation, body="A promoção: entregamos amanhã")

    assert found(acme, "amanhã promocao") == ["A promoção: entregamos amanhã"]


@pytest.mark.parametrize("typed", ["", "  ", "?!", "de", "de para", "'", "&|!():*", "\x00"])
def test_search_without_a_word_that_says_something_is_none(acme: TenantScope, typed: str) -> None:
    with acting_for(acme):
        assert read_words(typed) is None


@pytest.mark.parametrize("typed", ["'boleto", "boleto' | 'outra", "boleto & !outra", "boleto:*", "boleto\\", "bole%"])
def test_signs_are_no_part_of_the_query(acme: TenantScope, conversation: Conversation, typed: str) -> None:
    make_message(acme, conversation, body="outra mensagem")

    assert found(acme, typed) == []


@pytest.mark.parametrize(
    ("body", "typed"),
    [
        ("Liga no +55 11 98888-0002", "55"),
        ("Liga no +55 11 98888-0002", "0002"),
        ("Liga no +55 11 98888-0002", "+55 11 98888-0002"),
        ("Chega em 10-20 dias", "20"),
        ("Ficou em -3 graus", "3"),
        ("Veja https://loja.example/p/cadeira?id=55&cor=azul hoje", "https://loja.example/p/cadeira?id=55&cor=azul"),
    ],
)
def test_numbers_are_found_with_and_without_a_sign_and_links_as_they_are_pasted(
    acme: TenantScope, conversation: Conversation, body: str, typed: str
) -> None:
    make_message(acme, conversation, body=body)

    assert found(acme, typed) == [body]


def test_stems_say_what_is_marked(acme: TenantScope) -> None:
    with acting_for(acme):
        words = read_words("os boletos entreg")

    assert words
    assert words.stems == {Stem("bolet", is_beginning=False), Stem("entreg", is_beginning=True)}


def test_newest_come_first_over_any_number_of_years(acme: TenantScope, conversation: Conversation) -> None:
    for days in (0, 20, 45, 200, 800, 3_000, 9_000):
        make_message(acme, conversation, body=f"boleto {days}", at=now() - timedelta(days=days))

    bodies = ask(acme.tenant_id, "boleto")

    assert bodies == [f"boleto {days}" for days in (0, 20, 45, 200, 800, 3_000, 9_000)]


def test_no_more_are_found_than_were_asked_for_and_those_are_the_newest(
    acme: TenantScope, conversation: Conversation
) -> None:
    for days in (500, 0, 100, 40, 1):
        make_message(acme, conversation, body=f"boleto {days}", at=now() - timedelta(days=days))

    assert ask(acme.tenant_id, "boleto", most=3) == ["boleto 0", "boleto 1", "boleto 40"]
    assert ask(acme.tenant_id, "boleto", most=0) == []


@pytest.mark.parametrize("hour", [0, 2, 3, 23])
def test_message_at_the_edge_of_a_month_is_found_once(acme: TenantScope, conversation: Conversation, hour: int) -> None:
    first = now().replace(day=1, hour=hour, minute=0, second=0, microsecond=0)
    for at in (first, first - timedelta(hours=hour, seconds=1), first + timedelta(minutes=1)):
        make_message(acme, conversation, body="boleto", at=at)

    assert len(ask(acme.tenant_id, "boleto")) == 3


def test_units_narrow_what_is_found(acme: TenantScope, unit: Unit, conversation: Conversation) -> None:
    other = make_unit(acme, "moema")
    make_message(acme, conversation, body="boleto do centro")
    make_message(acme, make_conversation(acme, other), body="boleto de moema")

    assert ask(acme.tenant_id, "boleto", units=[unit.id]) == ["boleto do centro"]
    assert len(ask(acme.tenant_id, "boleto", units=[unit.id, other.id])) == 2
    assert ask(acme.tenant_id, "boleto", units=[]) == []


def test_person_limited_to_units_finds_nothing_elsewhere(
    acme: TenantScope, unit: Unit, conversation: Conversation
) -> None:
    other = make_unit(acme, "moema")
    make_message(acme, conversation, body="boleto do centro")
    limited = TenantScope(acme.tenant_id, unit_ids=frozenset([other.id]))

    assert found(limited, "boleto") == []
    assert found(limited, "boleto", unit_id=unit.id) == []
    assert found(TenantScope(acme.tenant_id, unit_ids=frozenset()), "boleto") == []
    assert found(acme, "boleto", unit_id=unit.id) == ["boleto do centro"]


def test_deleted_messages_are_not_found(acme: TenantScope, conversation: Conversation) -> None:
    make_message(acme, conversation, body="boleto errado", deleted_at=now())

    assert ask(acme.tenant_id, "boleto") == []


def test_other_companies_find_nothing_of_it(acme: TenantScope, unit: Unit, conversation: Conversation) -> None:
    rival = make_tenant("rival")
    make_message(acme, conversation, body="boleto da acme")

    assert found(acme, "boleto") == ["boleto da acme"]
    assert found(rival, "boleto") == []
    assert ask(rival.tenant_id, "boleto") == []
    assert ask(rival.tenant_id, "boleto", units=[unit.id]) == []
    assert ask(rival.tenant_id, f"boleto | 'tenant {acme.tenant_id}'") == []
    assert ask(None, "boleto") == []


def test_function_itself_tells_nobody_elses_ids(acme: TenantScope, conversation: Conversation) -> None:
    rival = make_tenant("rival")
    make_message(acme, conversation, body="boleto da acme")
    ids = text("SELECT count(*) FROM search_messages(to_tsquery('portuguese', 'boleto'), NULL, 30)")

    with acting_as(TENANT_ROLE, acme.tenant_id) as connection:
        own = connection.execute(ids).scalar_one()
    with acting_as(TENANT_ROLE, rival.tenant_id) as connection:
        foreign = connection.execute(ids).scalar_one()

    assert (own, foreign) == (1, 0)


def test_only_the_tenants_role_may_call_it(acme: TenantScope) -> None:
    with pytest.raises(ProgrammingError, match="permission denied"):
        ask(acme.tenant_id, "boleto", role=SYSTEM_ROLE)


def test_index_answers_alone(acme: TenantScope, conversation: Conversation) -> None:
    make_message(acme, conversation, body="boleto")
    plan = text(
        "EXPLAIN SELECT id FROM messages WHERE body <> '' AND message_document(tenant_id, occurred_at, body)"
        " @@ to_tsquery('portuguese', 'boleto')"
    )

    with acting_as("none") as connection:
        connection.execute(text("SET LOCAL enable_seqscan = off"))
        lines = "\n".join(connection.scalars(plan))

    assert "ix_messages_document" in lines


def test_short_last_word_is_taken_as_it_stands(acme: TenantScope, conversation: Conversation) -> None:
    make_message(acme, conversation, body="entrega")
    shortest = "entrega"[: message_search.SHORTEST_BEGINNING]

    assert found(acme, shortest) == ["entrega"]
    assert found(acme, shortest[:-1]) == []
