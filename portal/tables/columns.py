"""What each column of a list is: recognised by the names that people give it, else by what stands in it."""

import re
import unicodedata
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Literal, cast, get_args

from portal import phone

RoleKind = Literal["phone", "name", "tags", "attribute", "ignore"]
LONGEST_FIELD = 60

_PHONE_WORDS = frozenset(
    ("telefone", "telefones", "celular", "whatsapp", "whats", "wpp", "zap", "fone", "tel", "phone", "telephone")
) | {"mobile", "cell", "cellphone", "msisdn"}
_PHONE_NAMES = frozenset(("numero", "number", "contato", "contact"))
_NAME_NAMES = frozenset(
    ("nome", "nome completo", "nome do cliente", "nome do contato", "nome cliente", "nome contato", "primeiro nome")
) | frozenset(("cliente", "name", "full name", "fullname", "first name", "customer", "customer name", "contact name"))
_TAGS_NAMES = frozenset(
    ("tag", "tags", "etiqueta", "etiquetas", "grupo", "grupos", "label", "labels", "group", "groups")
)
# The column that a download of wrong rows adds at its end.
PROBLEM_NAMES = frozenset(("problem", "problema"))
_SHORTENED = re.compile(r"\s*'?\+?\d+(?:[.,]\d+)?[eE]\+?\d+\s*")
# A CPF, as it is written: read as digits alone it could be somebody's number in another country.
TAX_NUMBER = re.compile(r"\s*\d{3}\.\d{3}\.\d{3}-\d{2}\s*")
_NUMBER = re.compile(r"\s*'?[+\d(][\d\s().\-/]{6,30}")


@dataclass(frozen=True)
class ColumnRole:
    """What a column is; `field` is the name of a company's own field."""

    kind: RoleKind
    field: str = ""

    def to_dict(self) -> dict[str, str]:
        return {"kind": self.kind, "field": self.field}

    @classmethod
    def from_dict(cls, stored: Mapping[str, str]) -> "ColumnRole":
        """Raises ValueError for a kind that there is not."""
        if stored["kind"] not in get_args(RoleKind):
            raise ValueError(stored["kind"])
        return cls(cast(RoleKind, stored["kind"]), stored.get("field", ""))


IGNORED = ColumnRole("ignore")


def suggest(names: Sequence[str], rows: Sequence[Sequence[str]], *, has_header: bool) -> list[ColumnRole]:
    """What each column probably is, from its name and some rows; at most one is the number and one the name."""
    plain = [_plain(name) for name in names] if has_header else [""] * len(names)
    shares = [_share_of_numbers(rows, index) for index in range(len(names))]
    number = _phone_column(plain, shares)
    name = _name_column(plain, rows, number, has_header=has_header)
    roles = []
    for index, title in enumerate(names):
        if index == number:
            roles.append(ColumnRole("phone"))
        elif index == name:
            roles.append(ColumnRole("name"))
        elif plain[index] in _TAGS_NAMES:
            roles.append(ColumnRole("tags"))
        elif not has_header or plain[index] in PROBLEM_NAMES:
            roles.append(IGNORED)
        else:
            roles.append(ColumnRole("attribute", title[:LONGEST_FIELD].strip()))
    return roles


def looks_like_number(cell: str) -> bool:
    """Whether the cell holds a telephone number and nothing else, be it one that a spreadsheet shortened."""
    if _SHORTENED.fullmatch(cell):
        return True
    if not _NUMBER.fullmatch(cell) or TAX_NUMBER.fullmatch(cell):
        return False
    try:
        phone.read(cell)
    except phone.NotAPhone:
        return False
    return True


def letters(index: int) -> str:
    """A column without a name is called as spreadsheets call it: A, B, …, Z, AA."""
    name = ""
    index += 1
    while index:
        index, rest = divmod(index - 1, 26)
        name = chr(ord("A") + rest) + name
    return name


def _plain(name: str) -> str:
    without_accents = "".join(c for c in unicodedata.normalize("NFKD", name) if not unicodedata.combining(c))
    return " ".join(re.findall(r"[a-z0-9]+", without_accents.casefold()))


def _share_of_numbers(rows: Sequence[Sequence[str]], index: int) -> float:
    filled = [row[index] for row in rows if index < len(row) and row[index].strip()]
    return sum(map(looks_like_number, filled)) / len(filled) if filled else 0.0


def _phone_column(plain: Sequence[str], shares: Sequence[float]) -> int | None:
    named = [index for index, name in enumerate(plain) if name in _PHONE_NAMES or _PHONE_WORDS & set(name.split())]
    with_numbers = [index for index in named if shares[index] > 0]
    if with_numbers:
        return max(with_numbers, key=lambda index: shares[index])
    mostly = [index for index, share in enumerate(shares) if share >= 0.5]
    if mostly:
        return max(mostly, key=lambda index: shares[index])
    return named[0] if named else None


def _name_column(
    plain: Sequence[str], rows: Sequence[Sequence[str]], number: int | None, *, has_header: bool
) -> int | None:
    if has_header:
        return next((index for index, name in enumerate(plain) if name in _NAME_NAMES and index != number), None)
    with_words = (
        index
        for index in range(len(plain))
        if index != number and any(index < len(row) and row[index][:1].isalpha() for row in rows)
    )
    return next(with_words, None)
