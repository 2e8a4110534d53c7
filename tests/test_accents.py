"""Accents that stand apart from their letters."""

import time
import unicodedata

import pytest

from portal.accents import joined

# To sort so many of them takes Unicode's own way many seconds.
ENDLESS = 30_000


@pytest.mark.parametrize(
    "text",
    ["Não, amanhã às três. ÀÉÎÕÜ ç Ñ", "Việt Nam", "ガパオ", "😀 👩\u200d👧 ❤️ 1️⃣", "", "Bom dia"],
    ids=["portuguese", "two_marks", "kana", "emoji", "nothing", "none"],
)
def test_text_is_the_same_however_its_accents_came(text: str) -> None:
    apart = unicodedata.normalize("NFD", text)

    assert joined(apart) == joined(text) == unicodedata.normalize("NFC", text)


def test_endless_accents_stay_as_they_are_and_cost_nothing() -> None:
    text = "a" + "\u0301" * ENDLESS + "\u0323" * ENDLESS + " e\u0301"
    began_at = time.monotonic()

    once = joined(text)

    assert once == text[:-2] + "é"
    assert joined(once) == once
    assert time.monotonic() - began_at < 3
