"""Texts with variables: what is read in them, what one person gets, and what cannot be read."""

import time
from contextlib import suppress

import pytest

from portal.wording import LONGEST_NAME, Problem, WordingError, fold, parse, render

ANA = {"nome": "Ana", "cidade": "Recife"}


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        ("Bom dia!", "Bom dia!"),
        ("Oi, ((nome))!", "Oi, Ana!"),
        ("((nome))((cidade))", "AnaRecife"),
        ("((Cidade)), ((CIDADE )), (( cidáde))", "Recife, Recife, Recife"),
        ("((ci dade))", "Recife"),
        ("(((nome)))", "(Ana)"),
        ("((nome)) :)) e (1) e ))", "Ana :)) e (1) e ))"),
        ("((nome\n))", "Ana"),
        ("Oi((cidade??, temos loja aí)).", "Oi, temos loja aí."),
        ("Oi((plano??, cliente ouro)).", "Oi."),
        ("((cidade??Venha (é perto)))", "Venha (é perto)"),
        ("((cidade??a??b))", "a??b"),
        ("((cidade??))fim", "fim"),
        ("Olá ((plano))", "Olá ((plano))"),
        ("", ""),
    ],
)
def test_person_gets_the_text_with_their_values(text: str, shown: str) -> None:
    assert render(parse(text), ANA).text == shown


def test_value_is_inserted_once_and_never_read_again() -> None:
    told = {"nome": "((cidade)) ((nome)) ((", "cidade": "Recife"}

    rendered = render(parse("Oi, ((nome))"), told)

    assert (rendered.text, rendered.missing) == ("Oi, ((cidade)) ((nome)) ((", ())


def test_names_of_values_are_matched_however_they_are_written() -> None:
    assert render(parse("((endereco de entrega))"), {"Endereço de Entrega": "Rua A"}).text == "Rua A"


def test_variables_are_named_once_as_they_were_written_first() -> None:
    read = parse("((Nome)) ((nome)) ((plano??x)) ((Última  compra))")

    assert read.variables == ("Nome", "plano", "Última compra")
    assert read.required == ("Nome", "Última compra")


def test_variable_that_is_required_once_is_required() -> None:
    assert parse("((plano??Seu plano: ))((plano))").required == ("plano",)


@pytest.mark.parametrize("values", [{}, {"plano": ""}, {"plano": " \n"}], ids=["absent", "empty", "blank"])
def test_variables_without_a_value_are_told_but_for_conditional_ones(values: dict[str, str]) -> None:
    assert render(parse("((plano)) ((Plano)) ((bairro??x))"), values).missing == ("plano",)


@pytest.mark.parametrize(
    ("text", "problem", "position"),
    [
        ("Oi, ((nome", Problem.UNCLOSED, 4),
        ("((a)) ((nome)", Problem.UNCLOSED, 6),
        ("Oi (())", Problem.NO_NAME, 3),
        ("(( \n))", Problem.NO_NAME, 0),
        ("((??x))", Problem.NO_NAME, 0),
        ("((plano??Oi ((nome))))", Problem.NESTED, 0),
        ("((nome ((cidade))", Problem.NESTED, 0),
        (f"(({'n' * (LONGEST_NAME + 1)}))", Problem.LONG_NAME, 0),
    ],
)
def test_text_without_a_meaning_is_refused_with_the_place(text: str, problem: Problem, position: int) -> None:
    with pytest.raises(WordingError) as refused:
        parse(text)

    assert (refused.value.problem, refused.value.position) == (problem, position)


def test_longest_name_is_read() -> None:
    assert parse(f"(({'n' * LONGEST_NAME}))").variables == ("n" * LONGEST_NAME,)


@pytest.mark.parametrize(
    "text",
    ["(" * 200_000, "((a))" * 40_000, "(( " * 70_000, "((a??" + "(" * 200_000, ")" * 200_000, "((a??(x)))" * 20_000],
    ids=["brackets", "variables", "openings", "inside", "closings", "own_brackets"],
)
def test_long_text_takes_linear_time(text: str) -> None:
    began = time.perf_counter()

    with suppress(WordingError):
        render(parse(text), {"a": "x"})

    # What grows with the square of these lengths takes minutes.
    assert time.perf_counter() - began < 5


@pytest.mark.parametrize("name", ["Última compra", "ULTIMA COMPRA", "última\u00a0Compra", "u\u0301ltimacompra"])
def test_one_name_has_many_ways(name: str) -> None:
    assert fold(name) == "ultimacompra"
