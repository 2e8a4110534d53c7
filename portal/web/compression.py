"""Answers on the way to a browser, made smaller: files once in each process, pages and JSON each time.

What goes out piece by piece (tables, archives) is left as it is, and so are files of messages, which are packed
already.
"""

import gzip
import secrets
from functools import lru_cache

import brotli
from flask import Flask, Response, request

from portal.web.headers import FILES

# In the order in which we like them, of those that a browser likes as much.
ENCODINGS = ("br", "gzip")
TEXT = ("text/html", "text/css", "text/javascript", "text/plain", "application/json", "image/svg+xml")
SMALLEST = 500
# And a part of a file, which is counted in bytes of the whole.
WITHOUT_CONTENT = (204, 206, 304)
# Where brotli gets the better of gzip, in no more time.
LEVELS_EACH_TIME = {"br": 5, "gzip": 6}
# Slow, but done once. One more would take twice as long and save a thirtieth.
LEVELS_ONCE = {"br": 10, "gzip": 9}
FILES_KEPT = 64
# Whoever has a cookie came from a page of ours, or by an address that they typed or kept.
OWN_SITES = ("same-origin", "none")
MOST_PADDING = 100


def register(app: Flask) -> None:
    app.after_request(_make_smaller)


def _make_smaller(response: Response) -> Response:
    if response.status_code in WITHOUT_CONTENT or response.mimetype not in TEXT:
        return response
    response.vary.add("Accept-Encoding")
    encoding = request.accept_encodings.best_match(ENCODINGS)
    if encoding is None:
        return response
    if request.endpoint in FILES and response.status_code == 200:
        return _packed_file(response, encoding)
    is_piecemeal = response.is_streamed or response.direct_passthrough
    return response if is_piecemeal or not _is_asked_by_ourselves() else _packed_page(response, encoding)


def _is_asked_by_ourselves() -> bool:
    """Whether no other site can have made this request in somebody's name.

    The length of a packed page tells whether what the address brings into it stands there a second time (BREACH). To
    find out that way what a page says, many requests must go out with the cookie of who may see it.
    """
    return not request.cookies or request.headers.get("Sec-Fetch-Site") in OWN_SITES


def _packed_page(response: Response, encoding: str) -> Response:
    content = response.get_data()
    if len(content) < SMALLEST:
        return response
    _set_packed(response, _packed(content, encoding, LEVELS_EACH_TIME[encoding]), encoding)
    if request.cookies:
        # One page twice is not of the same length: what customers write stands in pages too, beside what others do.
        response.headers["X-Padding"] = "." * (1 + secrets.randbelow(MOST_PADDING))
    return response


def _packed_file(response: Response, encoding: str) -> Response:
    # They come as open files.
    response.direct_passthrough = False
    _set_packed(response, _packed_once(response.get_data(), encoding), encoding)
    response.make_conditional(request)
    return response


def _set_packed(response: Response, content: bytes, encoding: str) -> None:
    response.set_data(content)
    response.content_encoding = encoding
    tag, is_weak = response.get_etag()
    if tag:
        # Other bytes, another tag.
        response.set_etag(f"{tag}:{encoding}", weak=bool(is_weak))


@lru_cache(maxsize=FILES_KEPT)
def _packed_once(content: bytes, encoding: str) -> bytes:
    return _packed(content, encoding, LEVELS_ONCE[encoding])


def _packed(content: bytes, encoding: str, level: int) -> bytes:
    if encoding == "br":
        return bytes(brotli.compress(content, quality=level))
    return gzip.compress(content, level, mtime=0)
