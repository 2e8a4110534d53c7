"""What a file is, by its bytes, however it is called."""

import io
import zipfile

import pytest

from portal.tables import detect
from portal.tables.detect import FileKind
from portal.tables.problems import BrokenTable
from tests.files import JPEG, PDF, PNG

OLE = b"\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1"


@pytest.mark.parametrize(
    "head",
    [
        b"telefone;nome\n11 99999-0001;Ana",
        "telefone;nome\n11 99999-0001;João".encode("cp1252"),
        "telefone;nome\n11 99999-0001;João".encode("utf-16"),
        "telefone;nome\n11 99999-0001;João".encode("utf-16-le"),
        b"BMW;MZ\n1;2\n",
        b"ID3;nome\n1;2\n",
        b"1;A\x00na\n" + b"2;Bia\n" * 10,
    ],
    ids=["utf-8", "cp1252", "utf-16", "utf-16 without mark", "as a bitmap", "as a song", "a NUL here and there"],
)
def test_text_is_text(head: bytes) -> None:
    assert detect.recognise(head) == FileKind.TEXT


def test_package_may_be_a_spreadsheet() -> None:
    package = io.BytesIO()
    with zipfile.ZipFile(package, "w") as written:
        written.writestr("a", "b")

    assert detect.recognise(package.getvalue()) == FileKind.SPREADSHEET


@pytest.mark.parametrize(
    ("head", "found"),
    [
        (PDF, "PDF"),
        (PNG, "PNG"),
        (JPEG, "JPG"),
        (b"MZ" + bytes(range(256)) * 8, "EXE"),
        (b"\x7fELF" + bytes(64), "ELF"),
        (b"{\\rtf1 Ana}", "RTF"),
        (b"  <html><table><tr><td>Ana", "HTML"),
        (b"<?xml version='1.0'?><a/>", "XML"),
        (bytes(range(1, 32)) * 20, ""),
    ],
    ids=["pdf", "png", "jpg", "exe", "elf", "rtf", "html", "xml", "noise"],
)
def test_what_is_no_list_is_named(head: bytes, found: str) -> None:
    with pytest.raises(BrokenTable) as refused:
        detect.recognise(head)

    assert (refused.value.problem, refused.value.details) == ("not_a_table", {"found": found})


@pytest.mark.parametrize(
    ("head", "problem"),
    [(OLE + bytes(600), "old_excel"), (OLE + bytes(600) + "EncryptedPackage".encode("utf-16-le"), "encrypted")],
    ids=["xls", "with a password"],
)
def test_old_and_locked_spreadsheets_are_told_apart(head: bytes, problem: str) -> None:
    with pytest.raises(BrokenTable, match=problem):
        detect.recognise(head)


@pytest.mark.parametrize(
    ("chunks", "encoding"),
    [
        ([b"Ana"], "utf-8"),
        (["João".encode()], "utf-8"),
        ([b"Jo\xc3", b"\xa3o"], "utf-8"),
        ([b"\xef\xbb\xbfAna"], "utf-8"),
        (["Ana\n".encode("utf-16")], "utf-16"),
        (["Ana Maria\n".encode("utf-16-be")], "utf-16-be"),
        (["João €".encode("cp1252")], "cp1252"),
        ([b"Ana\n" * 1000, "João".encode("cp1252")], "cp1252"),
        ([b"Jo\xc3"], "cp1252"),
        ([b"Jo\xe3o \x81"], "latin-1"),
    ],
    ids=[
        "ascii",
        "utf-8",
        "a letter cut in two",
        "with a mark",
        "utf-16",
        "utf-16 without mark",
        "cp1252",
        "only at the end",
        "a letter cut off",
        "latin-1",
    ],
)
def test_encoding_is_found_over_the_whole_file(chunks: list[bytes], encoding: str) -> None:
    assert detect.find_encoding(chunks) == encoding


@pytest.mark.parametrize(
    ("text", "delimiter"),
    [
        ("telefone;nome\n1;Souza, Ana\n2;Lima, Bia", ";"),
        ("phone,name\n1,Ana\n2,Bia", ","),
        ("phone\tname\n1\tSouza, Ana\n2\tBia", "\t"),
        ("phone|name\n1|Ana", "|"),
        ('phone,address\n1,"a;b;c"\n2,"d;e;f"', ","),
        ("telefone\n11999990001\n11999990002", ","),
        ("telefone;valor\n1;10,50\n2;11,50\n3;12", ";"),
    ],
    ids=["semicolon", "comma", "tab", "bar", "separators in quotes", "one column", "decimal commas"],
)
def test_delimiter_is_the_one_that_makes_columns(text: str, delimiter: str) -> None:
    assert detect.find_delimiter(text) == delimiter


@pytest.mark.parametrize(
    ("first", "is_header"),
    [
        (["Telefone", "Nome"], True),
        (["Telefone 1", "Nome"], True),
        (["11 99999-0001", "Ana"], False),
        (["Ana", "+55 (11) 99999-0001"], False),
        (["5,51199E+12", "Ana"], False),
        (["Nome", "2024"], True),
    ],
)
def test_first_row_with_a_number_is_somebody_already(first: list[str], is_header: bool) -> None:
    assert detect.has_header(first) is is_header
