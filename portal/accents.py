"""Accents that stand apart from their letters, as some keyboards and files have them: put where all others are."""

import re
import unicodedata

# A letter with the marks that follow it. Unicode's own way with a whole text takes the square of the number of marks in
# a row: eleven seconds for a message of nothing else. So many of them are no word, and stay as they are.
_APART = re.compile(r"[^\W\d_][\u0300-\u036f\u3099\u309a]{1,30}(?![\u0300-\u036f\u3099\u309a])")


def joined(text: str) -> str:
    """The text with each accent in its letter (NFC), as it is compared and looked for. Once more changes nothing."""
    return _APART.sub(lambda apart: unicodedata.normalize("NFC", apart[0]), text)
