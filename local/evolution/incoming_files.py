"""The content of a file that comes from a phone."""

import base64
import binascii
from collections.abc import Mapping
from dataclasses import replace
from typing import Any

from local.evolution.media import Media
from local.evolution.media_payloads import media_content
from local.evolution.payloads import index_map, long
from local.evolution.sample_files import SAMPLES

FILE_KINDS = tuple(SAMPLES)
WAVEFORM_BYTES = 64


def file_content(kind: str, body: Mapping[str, Any], context: dict[str, Any]) -> tuple[dict[str, Any], bytes]:
    """Write a file: the one given in base64 as `media`, or a small one of the kind; raises ValueError."""
    media = media_of(kind, body)
    content = media_content(media, context)
    described = content[f"{media.kind}Message"]
    described.update(details(kind, body))
    if "fileLength" in body:
        # What WhatsApp says of the size need not be true.
        described["fileLength"] = long(int(body["fileLength"]), unsigned=True)
    if not context:
        del described["contextInfo"]
    return content, media.content


def media_of(kind: str, body: Mapping[str, Any]) -> Media:
    """Take the sample of the kind, with what the body says instead."""
    sample = SAMPLES[kind]()
    named = {"mime_type": "mimetype", "file_name": "fileName", "caption": "caption"}
    told: dict[str, Any] = {name: str(body[given]) for name, given in named.items() if body.get(given)}
    if body.get("media"):
        try:
            return replace(sample, content=base64.b64decode(str(body["media"]), validate=True), **told)
        except binascii.Error as e:
            raise ValueError("media must be base64") from e
    return replace(sample, **told)


def details(kind: str, body: Mapping[str, Any]) -> dict[str, Any]:
    """Write what only files of one kind have."""
    if kind == "voiceNote":
        return {"ptt": True, "seconds": int(body.get("seconds") or 3), "waveform": index_map(WAVEFORM_BYTES)}
    return {"seconds": int(body["seconds"])} if body.get("seconds") else {}
