"""What a file is, by its bytes: its name and what a browser says of it are not to be believed."""

import codecs
import csv
import re
from collections import Counter
from collections.abc import Iterable, Sequence
from enum import StrEnum

import filetype

from portal.tables.columns import looks_like_number
from portal.tables.problems import BrokenTable, FileProblem

# So much of the file's beginning is looked at.
HEAD = 64 * 1024
DELIMITERS = (";", ",", "\t", "|")
LINES_COMPARED = 50
# More of these than one in twenty, and it is no text.
_CONTROLS = bytes(set(range(32)) - set(b"\t\n\v\f\r\x1a\x1b")) + b"\x7f"
_UNDEFINED_IN_CP1252 = re.compile(rb"[\x81\x8d\x8f\x90\x9d]")
_ZIP, _OLE = b"PK\x03\x04", b"\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1"
# The stream in which Office keeps a file that needs a password, as its directory names it.
_ENCRYPTED = "EncryptedPackage".encode("utf-16-le")
_PAGE = re.compile(rb"\s*<(?:!doctype\s+html|html|head|body|table|meta)[\s>]", re.IGNORECASE)
_XML = re.compile(rb"\s*<\?xml")
# What is text and still no list, however harmless its bytes are.
_TEXT_FORMATS = ((b"%PDF", "PDF"), (b"{\\rtf", "RTF"), (b"%!PS", "PostScript"))


class FileKind(StrEnum):
    TEXT = "text"
    SPREADSHEET = "spreadsheet"


def recognise(head: bytes) -> FileKind:
    """Whether it is text or perhaps a spreadsheet. Raises BrokenTable with the name of what it is instead."""
    if head.startswith(_ZIP):
        return FileKind.SPREADSHEET
    if head.startswith(_OLE):
        raise BrokenTable(FileProblem.ENCRYPTED if _ENCRYPTED in head else FileProblem.OLD_EXCEL)
    if named := _name_of_text_format(head):
        raise BrokenTable(FileProblem.NOT_A_TABLE, found=named)
    if _is_binary(head):
        guess = filetype.guess(head)
        raise BrokenTable(FileProblem.NOT_A_TABLE, found=guess.extension.upper() if guess else "")
    return FileKind.TEXT


def find_encoding(chunks: Iterable[bytes]) -> str:
    """UTF-16 by its mark, UTF-8 where all of it is, else what Windows wrote in the Americas and Western Europe."""
    decoder = codecs.getincrementaldecoder("utf-8")()
    is_utf8, is_cp1252, is_first = True, True, True
    for chunk in chunks:
        if is_first and (wide := _wide_encoding(chunk)):
            return wide
        is_first = False
        is_cp1252 = is_cp1252 and not _UNDEFINED_IN_CP1252.search(chunk)
        is_utf8 = is_utf8 and _decodes(decoder, chunk)
    if is_utf8 and _decodes(decoder, b"", final=True):
        return "utf-8"
    return "cp1252" if is_cp1252 else "latin-1"


def find_delimiter(text: str) -> str:
    """The separator by which most lines have the same number of columns; the comma where there is only one column."""
    lines = [line for line in text.split("\n") if line.strip()][:LINES_COMPARED]
    best, best_score = ",", (0.0, 0)
    for delimiter in DELIMITERS:
        score = _consistency(lines, delimiter)
        if score > best_score:
            best, best_score = delimiter, score
    return best


def has_header(first: Sequence[str]) -> bool:
    """Whether the first row names the columns: one that holds a telephone number is somebody already."""
    return not any(looks_like_number(cell) for cell in first)


def _name_of_text_format(head: bytes) -> str:
    for start, name in _TEXT_FORMATS:
        if head.startswith(start):
            return name
    if _PAGE.match(head):
        return "HTML"
    return "XML" if _XML.match(head) else ""


def _is_binary(head: bytes) -> bool:
    if _wide_encoding(head):
        return False
    controls = len(head) - len(head.translate(None, _CONTROLS))
    return controls * 20 > len(head)


def _wide_encoding(head: bytes) -> str | None:
    """UTF-16, with its mark or without: every other byte of Western text is then zero."""
    if head.startswith((codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE)):
        return "utf-16"
    sample = head[:4096]
    half = len(sample) // 2
    if half and sample[1::2].count(0) > 0.8 * half and sample[::2].count(0) < 0.1 * half:
        return "utf-16-le"
    if half and sample[::2].count(0) > 0.8 * half and sample[1::2].count(0) < 0.1 * half:
        return "utf-16-be"
    return None


def _decodes(decoder: codecs.IncrementalDecoder, chunk: bytes, *, final: bool = False) -> bool:
    try:
        decoder.decode(chunk, final)
    except UnicodeDecodeError:
        return False
    return True


def _consistency(lines: Sequence[str], delimiter: str) -> tuple[float, int]:
    """The share of lines with the commonest number of columns above one, and that number."""
    try:
        widths = Counter(len(cells) for cells in csv.reader(lines, delimiter=delimiter, skipinitialspace=True))
    except csv.Error:
        return 0.0, 0
    several = {width: count for width, count in widths.items() if width > 1}
    if not several:
        return 0.0, 0
    width, count = max(several.items(), key=lambda pair: (pair[1], pair[0]))
    return count / widths.total(), width
