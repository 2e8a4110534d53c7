"""What people write about wanting messages, as they write it: what opts out, what must not, what a person settles."""

import time

import pytest

from portal import consent_words
from portal.consent_words import OPT_IN_WORDS, OPT_OUT_WORDS, Wish
from tests.consent_phrases import OPTS_IN, OPTS_OUT
from tests.consent_phrases_else import IS_IN_DOUBT, SAYS_NOTHING

HOSTILE = {
    "negations": "não quero " * 7_000,
    "single letters": "n " * 32_768,
    "one letter": "a" * 65_536,
    "stops": "para de me " * 6_000,
    "nearly a wish": "não quero mais receber . " * 2_600,
    "marks": "!" * 65_536,
    "accents": "\u0301" * 65_536,
}


def read(text: str) -> Wish | None:
    return consent_words.read(text, opt_out_words=OPT_OUT_WORDS, opt_in_words=OPT_IN_WORDS)


@pytest.mark.parametrize("text", OPTS_OUT, ids=OPTS_OUT)
def test_keyword_alone_or_a_stop_of_the_messages_opts_out(text: str) -> None:
    assert read(text) == Wish.OPT_OUT


@pytest.mark.parametrize("text", IS_IN_DOUBT, ids=IS_IN_DOUBT)
def test_unclear_wish_is_left_to_a_person(text: str) -> None:
    assert read(text) == Wish.DOUBT


@pytest.mark.parametrize("text", OPTS_IN, ids=OPTS_IN)
def test_word_that_brings_messages_back_opts_in(text: str) -> None:
    assert read(text) == Wish.OPT_IN


@pytest.mark.parametrize("text", SAYS_NOTHING, ids=SAYS_NOTHING)
def test_stop_word_in_another_sense_says_nothing(text: str) -> None:
    assert read(text) is None


@pytest.mark.parametrize("text", ["", " ", "😀", "...", "\x00"], ids=["empty", "space", "emoji", "dots", "nul"])
def test_text_without_words_says_nothing(text: str) -> None:
    assert read(text) is None


def test_long_letter_decides_nothing_by_itself() -> None:
    letter = "Comprei com vocês em maio e gostei muito do atendimento da loja. " * 5

    assert read(f"{letter} Não quero mais receber mensagens.") == Wish.DOUBT
    assert read(f"{letter} Vou parar por aqui.") is None


def test_company_has_words_of_its_own() -> None:
    assert consent_words.read("Me esqueçam, por favor!", opt_out_words=["me esqueçam"], opt_in_words=[]) == Wish.OPT_OUT
    assert consent_words.read("quero participar", opt_out_words=[], opt_in_words=["participar"]) == Wish.OPT_IN
    assert consent_words.read("SAIR", opt_out_words=["me esqueçam"], opt_in_words=[]) is None


def test_word_in_both_senses_stops_messages() -> None:
    assert consent_words.read("volta", opt_out_words=["volta"], opt_in_words=["volta"]) == Wish.OPT_OUT


@pytest.mark.parametrize(
    ("one", "other", "is_same"),
    [("Não!", "nao", True), ("S A I R", "sair", True), ("sair", "sai", False)],
    ids=["accent and mark", "letters apart", "another word"],
)
def test_words_are_compared_as_people_write_them(one: str, other: str, is_same: bool) -> None:
    assert consent_words.is_same_phrase(one, other) is is_same


@pytest.mark.parametrize("name", HOSTILE)
def test_hostile_text_of_64_kb_is_read_at_once(name: str) -> None:
    began_at = time.perf_counter()

    read(HOSTILE[name])

    assert time.perf_counter() - began_at < 0.2
