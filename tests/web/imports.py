"""Bringing in a list through the pages, up to the state that a test is about."""

import csv
import io
import re

from flask.testing import FlaskClient
from werkzeug.test import TestResponse

from tests.background.work import work_off

START = "/t/acme/contacts/import"
LIST = "/t/acme/contacts/imports"
GOOD = "Telefone;Nome;Cidade\n+55 11 99999-0001;Ana;Recife\n+55 11 99999-0002;Bia;Olinda\n"
# Lines 3 to 6 are wrong, 7 repeats 2, and 8 is written differently.
MIXED = (
    "Telefone;Nome;Cidade\n"
    "+55 11 99999-0001;Ana;Recife\n"
    "1199;<script>alert(1)</script>;Natal\n"
    "5,51199E+12;Bia;Natal\n"
    ";Caio;Natal\n"
    "11 99999-0003 / 11 99999-0004;=HYPERLINK(1);Natal;mais\n"
    "5511999990001;Ana de novo;Recife\n"
    "11 8888-0005;Davi;Natal\n"
)


def upload(client: FlaskClient, content: str | bytes = GOOD, *, name: str = "clientes.csv") -> str:
    """The address of the import that this file began."""
    answer = send_file(client, content, name=name)
    assert answer.status_code == 303, answer.text
    return answer.headers["Location"]


def send_file(client: FlaskClient, content: str | bytes, *, name: str = "clientes.csv") -> TestResponse:
    file = (io.BytesIO(content.encode() if isinstance(content, str) else content), name)
    return client.post(START, data={"file": file}, content_type="multipart/form-data")


def read(client: FlaskClient, content: str | bytes = GOOD, *, name: str = "clientes.csv") -> str:
    """As `upload`, and a worker has read the file."""
    address = upload(client, content, name=name)
    work_off()
    return address


def check(client: FlaskClient, content: str | bytes = GOOD, *, tags: str = "", name: str = "clientes.csv") -> str:
    """As `read`, with the columns that the portal supposes, and a worker has checked every row."""
    address = read(client, content, name=name)
    answer = client.post(f"{address}/columns", data={**supposed(client.get(address).text), "tags": tags})
    assert answer.status_code == 303, answer.text
    work_off()
    return address


def carry_out(client: FlaskClient, content: str | bytes = GOOD, *, tags: str = "", name: str = "clientes.csv") -> str:
    """As `check`, and the people are there."""
    address = check(client, content, tags=tags, name=name)
    answer = client.post(f"{address}/confirm")
    assert answer.status_code == 303, answer.text
    work_off()
    return address


def supposed(page: str) -> dict[str, str]:
    """What the form of the columns holds before anybody touches it."""
    selects = re.findall(r'<select[^>]*name="(kind-\d+)".*?</select>', page, re.S)
    chosen = re.findall(r'<option value="(\w+)" selected>', page)
    fields = dict(re.findall(r'<input[^>]*name="(field-\d+)" value="([^"]*)"', page))
    return {**dict(zip(selects, chosen, strict=True)), **fields}


def table(answer: TestResponse) -> list[list[str]]:
    """The rows of an English CSV."""
    assert answer.status_code == 200
    return list(csv.reader(io.StringIO(answer.text.removeprefix("\ufeff"))))
