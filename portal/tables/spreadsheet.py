"""Spreadsheets (XLSX), read by a process of their own that may use only so much memory and time.

The library holds a whole sheet in memory, and a file of a few kilobytes can unpack to gigabytes: what goes wrong there
ends that process and nothing else. It writes the sheet as CSV in UTF-8, one line for each row, so that the number of a
line is the number of the row in the spreadsheet.
"""

import csv
import json
import resource
import select
import subprocess
import sys
import time
import zipfile
from collections.abc import Callable, Iterator, Mapping, Sequence
from datetime import date, datetime
from datetime import time as time_of_day
from pathlib import Path
from typing import TextIO

from portal.tables.problems import BrokenTable, FileProblem

MIB = 1024 * 1024
MOST_MEMORY = 1024 * MIB
MOST_CPU_S = 120
MOST_TIME_S = 300.0
LARGEST_UNPACKED = 1024 * MIB
LARGEST_OUTPUT = 512 * MIB
MOST_PARTS = 10_000
TICK_S = 0.5
ROOT = Path(__file__).parents[2]
# Beyond it a float is no whole number any more.
LARGEST_WHOLE = 2.0**53
_REFUSED = 3
_SHEETS = "xl/workbook.xml"
# A part by which other packages are known, and what people call them.
_OTHERS: Mapping[str, str] = {
    "xl/workbook.bin": "XLSB",
    "word/document.xml": "Word",
    "ppt/presentation.xml": "PowerPoint",
    "content.xml": "OpenDocument",
}


def to_csv(path: Path, write: Callable[[bytes], None]) -> str:
    """Write the first sheet that holds something, as CSV in UTF-8, and give its name. Raises BrokenTable.

    `write` gets an empty piece now and then while there is nothing to write: if it raises, all ends.
    """
    command = [sys.executable, "-m", "portal.tables.spreadsheet", str(path)]
    with subprocess.Popen(command, cwd=ROOT, stdout=subprocess.PIPE, stderr=subprocess.PIPE) as child:
        try:
            told = _pass_on(child, write)
        except BaseException:
            child.kill()
            raise
    if child.returncode == 0:
        return str(json.loads(told)["sheet"])
    raise _problem(child.returncode, told)


def main(path: str) -> int:
    """The life of the process that reads the spreadsheet."""
    resource.setrlimit(resource.RLIMIT_AS, (MOST_MEMORY, MOST_MEMORY))
    resource.setrlimit(resource.RLIMIT_CPU, (MOST_CPU_S, MOST_CPU_S))
    try:
        check_package(path)
        told: dict[str, object] = {"sheet": _write_sheet(path, sys.stdout)}
        status = 0
    except BrokenTable as e:
        told, status = {"problem": e.problem, "details": e.details}, _REFUSED
    except MemoryError:
        told, status = {"problem": FileProblem.UNPACKS_TOO_LARGE, "details": {}}, _REFUSED
    sys.stderr.write(json.dumps(told))
    return status


def check_package(path: str) -> None:
    """Look at the table of contents before anything is unpacked. Raises BrokenTable."""
    try:
        with zipfile.ZipFile(path) as package:
            parts = package.infolist()
    except (zipfile.BadZipFile, ValueError, NotImplementedError) as e:
        raise BrokenTable(FileProblem.BROKEN_SPREADSHEET) from e
    names = {part.filename for part in parts}
    if _SHEETS not in names:
        found = next((called for part, called in _OTHERS.items() if part in names), "ZIP")
        raise BrokenTable(FileProblem.NOT_A_TABLE, found=found)
    if len(parts) > MOST_PARTS or sum(part.file_size for part in parts) > LARGEST_UNPACKED:
        raise BrokenTable(FileProblem.UNPACKS_TOO_LARGE)


def cell_text(value: object) -> str:
    """A cell as a person would have typed it into a list."""
    if isinstance(value, str):
        return " ".join(value.splitlines())
    if isinstance(value, float):
        # Spreadsheets know no whole numbers: 5511999990001 is kept as 5511999990001.0.
        return str(int(value)) if value.is_integer() and abs(value) < LARGEST_WHOLE else repr(value)
    if isinstance(value, datetime) and value.time() == time_of_day():
        return value.date().isoformat()
    return value.isoformat() if isinstance(value, date | time_of_day) else str(value)


def _pass_on(child: "subprocess.Popen[bytes]", write: Callable[[bytes], None]) -> bytes:
    assert child.stdout is not None
    assert child.stderr is not None
    size, until = 0, time.monotonic() + MOST_TIME_S
    while time.monotonic() < until:
        is_ready, _, _ = select.select([child.stdout], [], [], TICK_S)
        piece = child.stdout.read1(MIB) if is_ready else b""  # type: ignore[attr-defined]
        if is_ready and not piece:
            return child.stderr.read()
        size += len(piece)
        if size > LARGEST_OUTPUT:
            raise BrokenTable(FileProblem.UNPACKS_TOO_LARGE)
        write(piece)
    raise BrokenTable(FileProblem.UNPACKS_TOO_LARGE)


def _problem(status: int, told: bytes) -> BrokenTable:
    if status == _REFUSED:
        reason = json.loads(told)
        return BrokenTable(FileProblem(reason["problem"]), **reason["details"])
    # Ended by a signal: it wanted more memory or time than it may use.
    return BrokenTable(FileProblem.UNPACKS_TOO_LARGE if status < 0 else FileProblem.BROKEN_SPREADSHEET)


def _write_sheet(path: str, output: TextIO) -> str:
    for name, rows in _sheets(path):
        writer = csv.writer(output, lineterminator="\n")
        writer.writerows([cell_text(cell) for cell in row] for row in rows)
        return name
    raise BrokenTable(FileProblem.NO_SHEET)


def _sheets(path: str) -> Iterator[tuple[str, Iterator[Sequence[object]]]]:
    """The sheets that hold something, those in sight first."""
    # Here, since only the process of its own may load it.
    from python_calamine import CalamineError, CalamineWorkbook, PasswordError, SheetTypeEnum, SheetVisibleEnum

    try:
        book = CalamineWorkbook.from_path(path)
        tables = [sheet for sheet in book.sheets_metadata if sheet.typ == SheetTypeEnum.WorkSheet]
        for table in sorted(tables, key=lambda sheet: sheet.visible != SheetVisibleEnum.Visible):
            sheet = book.get_sheet_by_name(table.name)
            if sheet.height:
                yield table.name, sheet.iter_rows()
    except PasswordError as e:
        raise BrokenTable(FileProblem.ENCRYPTED) from e
    except CalamineError as e:
        raise BrokenTable(FileProblem.BROKEN_SPREADSHEET) from e


if __name__ == "__main__":
    sys.exit(main(sys.argv[1]))
