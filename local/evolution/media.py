"""Read the file of a send: from base64, from a part of a form, or from an address of this machine."""

import base64
import hashlib
import ipaddress
import mimetypes
import re
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property
from typing import Any
from urllib.parse import urlsplit

import urllib3

from local.evolution.errors import ApiError

KINDS = ("image", "document", "video", "audio")
DEFAULT_NAMES = {"image": "image.jpg", "video": "video.mp4"}
JPEG = "image/jpeg"
NO_NAME_IN_URL = "TypeError: Cannot read properties of null (reading '1')"
FETCH_TIMEOUT_S = 10.0
URL = re.compile(r"https?://([^/\s:@]+\.[A-Za-z]{2,}|\d{1,3}(\.\d{1,3}){3})(:\d+)?([/?#]\S*)?")
BASE64 = re.compile(r"[A-Za-z0-9+/]*={0,2}")


@dataclass(frozen=True)
class Media:
    """Hold a file as it goes to WhatsApp; only images, videos and documents keep their caption."""

    kind: str
    content: bytes
    mime_type: str
    file_name: str | None = None
    caption: str | None = None

    @cached_property
    def digest(self) -> bytes:
        """Give the SHA-256 of the content."""
        return hashlib.sha256(self.content).digest()


def read_media(body: Mapping[str, Any], upload: bytes | None) -> Media:
    """Read the file that a valid body names, or that came as a part of the form.

    Raises ApiError: 400 for what is neither an address nor base64, 500 for what cannot be fetched or prepared.
    Source: Evolution 2.3.6, sendMedia.
    """
    kind, given = body["mediatype"], body.get("media")
    if kind == "document" and not body.get("fileName") and given is not None and is_base64(given):
        raise ApiError(400, ["For base64 the file name must be informed."])
    content = content_of(given) if upload is None else upload
    if not content:
        raise ApiError(500, ["Error: (no content)"])
    name = body.get("fileName") or DEFAULT_NAMES.get(kind) or (document_name(given) if kind == "document" else None)
    told = None if body.get("fileName") else body.get("mimetype")
    return Media(kind, content, mime_of(kind, name, told), name, body.get("caption"))


def is_url(text: str) -> bool:
    """Tell whether a text counts as an address: a dotted host name or an IP, so never `localhost`."""
    return URL.fullmatch(text) is not None


def is_base64(text: str) -> bool:
    """Tell whether a text counts as bare base64; an empty one does."""
    return len(text) % 4 == 0 and BASE64.fullmatch(text) is not None


def content_of(given: str | None) -> bytes:
    """Give the bytes behind an address or a text in base64."""
    if given is not None and is_url(given):
        return fetch(given)
    if given is None or not is_base64(given):
        raise ApiError(400, ["Owned media must be a url or base64"])
    return base64.b64decode(given)


def fetch(url: str) -> bytes:
    """Fetch a file from this machine; every other host counts as unknown, for nothing may leave this machine."""
    host = urlsplit(url).hostname or ""
    if not is_loopback(host):
        raise ApiError(500, [f"AxiosError: getaddrinfo ENOTFOUND {host}"])
    try:
        answer = urllib3.request("GET", url, timeout=FETCH_TIMEOUT_S, retries=False)
    except urllib3.exceptions.HTTPError as e:
        raise ApiError(500, [f"AxiosError: connect ECONNREFUSED {urlsplit(url).netloc}"]) from e
    if answer.status >= 300:
        raise ApiError(500, [f"AxiosError: Request failed with status code {answer.status}"])
    return answer.data


def is_loopback(host: str) -> bool:
    """Tell whether a host is this machine, by its address."""
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return False


def document_name(given: str | None) -> str:
    """Name a document after its address, as far as the first dot of the last part: without the extension."""
    found = re.search(r".*/(.+?)\.", given or "")
    if found is None:
        raise ApiError(500, [NO_NAME_IN_URL])
    return found[1]


def mime_of(kind: str, name: str | None, told: str | None) -> str:
    """Give the type of a file: by its extension, or as told where it came without a name; images become JPEG."""
    if kind == "image":
        return JPEG
    # An unknown extension becomes the text "false": the library's answer, written out.
    return told or mimetypes.guess_type(name or "")[0] or "false"
