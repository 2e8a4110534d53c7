"""What goes out is packed where that is worth it, and where nobody learns anything from its length."""

import gzip
import time
from collections.abc import Callable

import brotli
import pytest
from flask.testing import FlaskClient

from portal.models import Conversation, Unit
from portal.tenancy import TenantScope
from portal.web import compression
from tests.factories import make_message
from tests.web.htmx import poll

FROM_OURSELVES = {"Accept-Encoding": "gzip, deflate, br, zstd", "Sec-Fetch-Site": "same-origin"}
UNPACK: dict[str, Callable[[bytes], bytes]] = {"br": brotli.decompress, "gzip": gzip.decompress}
SHEET = "/assets/portal.css"
FILES = (SHEET, "/assets/htmx.min.js", "/static/js/app.js", "/static/icon.svg")


@pytest.mark.parametrize(
    ("accepted", "encoding"),
    [
        ("gzip, deflate, br, zstd", "br"),
        ("gzip, deflate", "gzip"),
        ("br;q=0.5, gzip", "gzip"),
        ("br;q=0, gzip;q=0", None),
        ("zstd", None),
        ("identity", None),
        ("", None),
    ],
)
@pytest.mark.parametrize("path", ["/t/acme/conversations", SHEET])
def test_answer_is_packed_as_the_browser_likes_best(
    admin: FlaskClient, acme: TenantScope, path: str, accepted: str, encoding: str | None
) -> None:
    plain = admin.get(path)

    answer = admin.get(path, headers={**FROM_OURSELVES, "Accept-Encoding": accepted})

    assert answer.headers.get("Content-Encoding") == encoding
    assert "Accept-Encoding" in answer.headers["Vary"]
    assert int(answer.headers["Content-Length"]) == len(answer.data)
    if encoding is None:
        assert len(answer.data) == len(plain.data)
    else:
        assert len(answer.data) < len(plain.data) / 2
        assert UNPACK[encoding](answer.data)[:300] == plain.data[:300]


def test_packing_a_long_thread_costs_little_and_saves_most(
    admin: FlaskClient, acme: TenantScope, conversation: Conversation, thread: str, measured: Callable[[str], None]
) -> None:
    for number in range(100):
        make_message(
            acme, conversation, body=f"Mensagem {number}: o pedido {number * 7919} sai amanhã às {number % 24} h"
        )
    page = admin.get(thread)
    costs_s = []

    for _turn in range(10):
        began_at = time.process_time()
        packed = brotli.compress(page.data, quality=compression.LEVELS_EACH_TIME["br"])
        costs_s.append(time.process_time() - began_at)

    cost_ms = min(costs_s) * 1000
    measured(f"Thread of 100 messages: {len(page.data):,} bytes, packed {len(packed):,}, which takes {cost_ms:.1f} ms")
    assert len(packed) < len(page.data) / 5
    assert cost_ms < 20


@pytest.mark.parametrize("site", ["cross-site", "same-site", None])
def test_page_that_another_site_may_have_asked_for_tells_nothing_by_its_length(
    admin: FlaskClient, acme: TenantScope, site: str | None
) -> None:
    headers = {"Accept-Encoding": "br", **({"Sec-Fetch-Site": site} if site else {})}

    answer = admin.get("/t/acme/conversations?q=guess", headers=headers)

    assert (answer.status_code, answer.headers.get("Content-Encoding")) == (200, None)


def test_page_that_somebody_typed_the_address_of_is_packed(admin: FlaskClient, acme: TenantScope) -> None:
    answer = admin.get("/t/acme/conversations", headers={"Accept-Encoding": "br", "Sec-Fetch-Site": "none"})

    assert answer.headers["Content-Encoding"] == "br"


def test_same_page_is_not_of_the_same_length_twice(admin: FlaskClient, acme: TenantScope) -> None:
    pads = [admin.get("/t/acme/conversations", headers=FROM_OURSELVES).headers["X-Padding"] for _turn in range(20)]

    assert len({len(pad) for pad in pads}) > 3
    assert all(0 < len(pad) <= compression.MOST_PADDING for pad in pads)


def test_programs_which_bring_no_cookie_get_packed_answers(visitor: FlaskClient) -> None:
    answer = visitor.get("/openapi.json", headers={"Accept-Encoding": "gzip"})

    assert (answer.status_code, answer.headers["Content-Encoding"]) == (200, "gzip")
    assert b"openapi" in gzip.decompress(answer.data)
    assert "X-Padding" not in answer.headers


def test_poll_without_news_stays_without_content(admin: FlaskClient, acme: TenantScope, unit: Unit) -> None:
    admin.environ_base.update({"HTTP_ACCEPT_ENCODING": "br", "HTTP_SEC_FETCH_SITE": "same-origin"})

    page = brotli.decompress(admin.get("/t/acme/conversations").data).decode()
    answer = poll(admin, page, "conversation-list")

    assert (answer.status_code, answer.data) == (204, b"")
    assert "Content-Encoding" not in answer.headers


def test_table_still_goes_out_while_it_is_read(admin: FlaskClient, acme: TenantScope) -> None:
    answer = admin.get("/t/acme/undelivered.csv", headers=FROM_OURSELVES)

    assert (answer.status_code, answer.mimetype) == (200, "text/csv")
    assert "Content-Length" not in answer.headers
    assert "Content-Encoding" not in answer.headers


@pytest.mark.parametrize("path", FILES)
def test_file_is_packed_once_and_comes_again_from_memory(
    visitor: FlaskClient, monkeypatch: pytest.MonkeyPatch, path: str
) -> None:
    first = visitor.get(path, headers=FROM_OURSELVES)
    monkeypatch.delattr(compression, "brotli")

    again = visitor.get(path, headers=FROM_OURSELVES)

    assert first.headers["Content-Encoding"] == again.headers["Content-Encoding"] == "br"
    assert first.data == again.data
    assert brotli.decompress(again.data) == visitor.get(path).data


@pytest.mark.parametrize("path", FILES)
def test_packed_file_that_a_browser_has_does_not_come_again(visitor: FlaskClient, path: str) -> None:
    tag = visitor.get(path, headers=FROM_OURSELVES).headers["ETag"]

    answer = visitor.get(path, headers={**FROM_OURSELVES, "If-None-Match": tag})

    assert (answer.status_code, answer.data) == (304, b"")
    assert "Content-Encoding" not in answer.headers
    assert _tag_without_packing(visitor, path) != tag


@pytest.mark.parametrize("path", ["/static/nowhere.css", "/bootstrap/static/nowhere.css", "/nowhere"])
def test_page_that_says_what_is_wrong_is_packed_too(visitor: FlaskClient, path: str) -> None:
    answer = visitor.get(path, headers=FROM_OURSELVES)

    assert (answer.status_code, answer.headers.get("Content-Encoding")) == (404, "br")
    assert b"<!doctype html>" in brotli.decompress(answer.data)


def test_part_of_a_file_is_a_part_of_what_it_is(visitor: FlaskClient) -> None:
    answer = visitor.get("/static/js/app.js", headers={**FROM_OURSELVES, "Range": "bytes=0-9"})

    assert (answer.status_code, len(answer.data)) == (206, 10)
    assert "Content-Encoding" not in answer.headers


def _tag_without_packing(visitor: FlaskClient, path: str) -> str:
    return str(visitor.get(path).headers["ETag"])
