"""The list of people that is imported."""

import random
from collections.abc import Iterator
from pathlib import Path

HEADER = ("Telefone", "Nome", "Cidade", "Etiquetas")
CITIES = ("Campinas", "São Paulo", "Recife", "Porto Alegre", "Belém")
WRONG = ("", "99999-0001", "5,51199E+12", "11 99999-0001 / 11 98888-0002", "não tem")


def make_list(rows: int, folder: Path, *, is_spreadsheet: bool = False) -> bytes:
    if not is_spreadsheet:
        lines = (";".join(cells) for cells in (HEADER, *list_rows(rows)))
        return "\r\n".join(lines).encode()
    import xlsxwriter

    path = folder / "list.xlsx"
    with xlsxwriter.Workbook(path, {"constant_memory": True}) as book:
        sheet = book.add_worksheet()
        for line, cells in enumerate((HEADER, *list_rows(rows))):
            sheet.write_row(line, 0, cells)
    return path.read_bytes()


def list_rows(rows: int) -> Iterator[tuple[str, str, str, str]]:
    """3 % wrong, 2 % repeated, half without country code, one in ten an old mobile of eight digits."""
    chance = random.Random(1)
    for place in range(rows):
        kind = chance.random()
        person = chance.randrange(max(1, place)) if kind < 0.02 else place
        number = f"{11 + person % 9}9{60_000_000 + person * 3:08d}"
        if person % 10 == 0:
            number = number[:2] + number[3:]
        number = f"({number[:2]}) {number[2:-4]}-{number[-4:]}" if person % 2 else f"55{number}"
        if 0.02 <= kind < 0.05:
            number = chance.choice(WRONG)
        yield number, f"Maria de Souza {place}", CITIES[place % 5], f"grupo {place % 7}" if place % 3 else ""
