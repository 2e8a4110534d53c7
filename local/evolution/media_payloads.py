"""The content of a message with a file, written as Evolution 2.3.6 writes it."""

import time
from typing import Any

from local.evolution.media import Media
from local.evolution.payloads import byte_map, index_map, long
from local.evolution.pictures import jpeg

# The content itself is never read: pictures of any size look alike to who receives only this description.
SIZES: dict[str, dict[str, object]] = {
    "image": {"height": 800, "width": 600},
    "video": {"seconds": 12, "height": 848, "width": 480},
    "audio": {"seconds": 6, "ptt": False},
    "document": {"contactVcard": False},
    "ptv": {"seconds": 3, "height": 480, "width": 480},
    "sticker": {"height": 64, "width": 64, "isAnimated": False, "isAvatar": False, "isLottie": False},
}
LISTS: dict[str, tuple[str, ...]] = {
    "image": ("interactiveAnnotations", "scanLengths", "annotations"),
    "video": ("interactiveAnnotations", "annotations", "processedVideos"),
    "audio": (),
    "document": (),
    "ptv": ("interactiveAnnotations", "annotations", "processedVideos"),
    "sticker": (),
}
WITH_THUMBNAIL = ("image", "video", "ptv")
THUMBNAIL = jpeg(3, 4)


def media_content(media: Media, context: dict[str, Any]) -> dict[str, Any]:
    """Write the one content of a message with a file; a document with a caption is no different."""
    described: dict[str, Any] = {
        **{name: [] for name in LISTS[media.kind]},
        "url": "https://mmg.whatsapp.example.test/o1/v/t62/out.enc",
        "mimetype": media.mime_type,
        "caption": media.caption,
        "title": media.file_name if media.kind == "document" else None,
        "fileSha256": byte_map(media.digest),
        "fileLength": long(len(media.content), unsigned=True),
        **SIZES[media.kind],
        "mediaKey": index_map(32),
        "fileEncSha256": index_map(32),
        "directPath": "/o1/v/t62/out.enc",
        "mediaKeyTimestamp": long(int(time.time()), unsigned=False),
        "jpegThumbnail": byte_map(THUMBNAIL) if media.kind in WITH_THUMBNAIL else None,
        "fileName": media.file_name,
        "contextInfo": context,
    }
    return {f"{media.kind}Message": {name: value for name, value in described.items() if value is not None}}
