"""How each kind of content is read: the text in it, and the details that are its own (their keys: contents.py)."""

from collections.abc import Callable, Mapping
from types import MappingProxyType
from typing import Any

from portal.inbox import answers, cards
from portal.inbox.decoding import Fields, fields, is_true, items, line, number, text
from portal.models import MessageKind
from portal.phone import without_device

MOST_OPTIONS = 50
LONGEST_OPTION = 200
LONGEST_ADDRESS = 500
VOTE = "pollUpdateMessage"

Details = dict[str, Any]
Said = tuple[str, Details]


def _text(content: Fields) -> Said:
    return text(content.get("text")), {}


def _caption(content: Fields) -> Said:
    return text(content.get("caption")), {}


def _video(content: Fields) -> Said:
    is_animated = is_true(content.get("gifPlayback"))
    return text(content.get("caption")), {"isAnimated": is_animated, "duration": _seconds(content)}


def _video_note(content: Fields) -> Said:
    return text(content.get("caption")), {"isVideoNote": True, "duration": _seconds(content)}


def _audio(content: Fields) -> Said:
    return "", {"isVoiceNote": is_true(content.get("ptt")), "duration": _seconds(content)}


def _seconds(content: Fields) -> int | None:
    seconds = number(content.get("seconds"))
    return seconds if seconds is not None and seconds >= 0 else None


def _sticker(content: Fields) -> Said:
    return "", {"isAnimated": is_true(content.get("isAnimated")) or is_true(content.get("isLottie"))}


def _location(content: Fields) -> Said:
    lines = [line(content.get(name), LONGEST_ADDRESS) for name in ("name", "address")]
    return "\n".join(dict.fromkeys(filter(None, lines))), _coordinates(content)


def _live_location(content: Fields) -> Said:
    return text(content.get("caption")), {**_coordinates(content), "isLive": True}


def _coordinates(content: Fields) -> Details:
    latitude, longitude = content.get("degreesLatitude"), content.get("degreesLongitude")
    are_there = _is_within(latitude, 90) and _is_within(longitude, 180)
    return {"latitude": latitude, "longitude": longitude} if are_there else {}


def _is_within(value: object, limit: int) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool) and abs(value) <= limit


def _cards(content: Fields) -> Said:
    body, found = cards.of(content)
    return body, {"cards": found or None}


def _poll(content: Fields) -> Said:
    options = [
        line(fields(option).get("optionName"), LONGEST_OPTION)
        for option in items(content.get("options"))[:MOST_OPTIONS]
    ]
    question = text(content.get("name"))
    body = "\n".join([question, *(f"• {option}" for option in options)])
    return body, {"options": options, "selectable": number(content.get("selectableOptionsCount"))}


def vote(content: Fields, data: Fields) -> Said:
    """The options chosen; `data` is the whole message's, which may have them counted."""
    chosen = fields(content.get("vote")).get("selectedOptions")
    if not isinstance(chosen, list) or not all(isinstance(name, str) for name in chosen):
        chosen = _counted(data)
    votes = None if chosen is None else [line(name, LONGEST_OPTION) for name in chosen[:MOST_OPTIONS]]
    return ", ".join(votes or ()), {"isVote": True, "votes": votes}


def _counted(data: Fields) -> list[str] | None:
    """The options that the voter stands under, where Evolution counted the votes but did not open this one."""
    counted = [fields(update) for update in items(data.get("pollUpdates"))]
    voter = {without_device(jid) for jid in fields(data.get("key")).values() if isinstance(jid, str)}
    found = [
        text(update.get("name"))
        for update in counted
        if any(isinstance(jid, str) and without_device(jid) in voter for jid in items(update.get("voters")))
    ]
    return found or None


def _answer(of: Callable[[Fields], tuple[str, str]]) -> Callable[[Fields], Said]:
    def read_answer(content: Fields) -> Said:
        body, choice = of(content)
        return body, {"isAnswer": True, "choice": choice}

    return read_answer


READERS: Mapping[str, tuple[MessageKind, Callable[[Fields], Said]]] = MappingProxyType(
    {
        "conversation": (MessageKind.TEXT, _text),
        "extendedTextMessage": (MessageKind.TEXT, _text),
        "imageMessage": (MessageKind.IMAGE, _caption),
        "videoMessage": (MessageKind.VIDEO, _video),
        "ptvMessage": (MessageKind.VIDEO, _video_note),
        "audioMessage": (MessageKind.AUDIO, _audio),
        "documentMessage": (MessageKind.DOCUMENT, _caption),
        "stickerMessage": (MessageKind.STICKER, _sticker),
        "locationMessage": (MessageKind.LOCATION, _location),
        "liveLocationMessage": (MessageKind.LOCATION, _live_location),
        "contactMessage": (MessageKind.CONTACT_CARD, _cards),
        "contactsArrayMessage": (MessageKind.CONTACT_CARD, _cards),
        "reactionMessage": (MessageKind.REACTION, _text),
        "pollCreationMessage": (MessageKind.POLL, _poll),
        "pollCreationMessageV2": (MessageKind.POLL, _poll),
        "pollCreationMessageV3": (MessageKind.POLL, _poll),
        # Its text comes from `vote`, which needs more than the content.
        VOTE: (MessageKind.POLL, _text),
        "buttonsResponseMessage": (MessageKind.TEXT, _answer(answers.of_button)),
        "templateButtonReplyMessage": (MessageKind.TEXT, _answer(answers.of_button)),
        "listResponseMessage": (MessageKind.TEXT, _answer(answers.of_list)),
        "interactiveResponseMessage": (MessageKind.TEXT, _answer(answers.of_form)),
    }
)
