"""What a message says (contract §11.4): its kind, the text that can be read of it, and its details.

The keys of `details`, which pages and the API read. Each stands there only where it says something:

| Key | Of | Value |
| --- | --- | --- |
| sender, senderName | groups, lists, stories | canonical digits, or a LID that ends in `@lid`; the name they chose |
| latitude, longitude | location | degrees |
| isLive | location | true: it went on being shared |
| cards | contact card | `[{"name": "Ana", "phones": ["5511…"]}]`, the numbers canonical |
| options, selectable | poll | the options; how many may be chosen (0: any number) |
| isVote, votes | vote in a poll | true; the options chosen (none: the vote was taken back), where they are known |
| isAnswer, choice | text: answer to buttons, a list or a form | true; the id of what was chosen |
| isVoiceNote | audio | true |
| isVideoNote | video | true: the round kind |
| duration | audio, video | seconds |
| isAnimated | sticker, video | true |
| isViewOnce, isForwarded | any | true |
| ad | any | `{"title", "body", "url"}` of the ad that led here; the url is http(s) |
| outcome, isVideo | call | ringing, missed, rejected or accepted; true |
| originalType | unknown | Evolution's name of the content, `orderMessage` for one; `viewOnce` where it was kept back |
"""

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from portal.inbox import answers, files, kinds
from portal.inbox.decoding import Fields, fields, identifier, is_true, line, web_address
from portal.inbox.facts import MediaSeen
from portal.inbox.kinds import Details, Said
from portal.models import MessageKind

DEEPEST_WRAPPING = 5
LONGEST_AD = 1_000
# They come beside a content and say nothing to a person.
_ASIDE = frozenset(
    {"messageContextInfo", "senderKeyDistributionMessage", "fastRatchetKeySenderKeyDistributionMessage"}
    | {"base64", "mediaUrl", "speechToText"}
)
_TYPE_NAME = re.compile(r"\w{1,60}", re.ASCII)


@dataclass(frozen=True)
class Content:
    """What one message says. `refers_to` is the message that it quotes, reacts to or votes in."""

    kind: MessageKind
    body: str
    details: Details
    refers_to: str | None
    media: MediaSeen | None


@dataclass(frozen=True)
class _Core:
    """The content out of its wrappers, and their names."""

    name: str
    value: Any
    wrappers: tuple[str, ...]


def read(data: Fields) -> Content | None:
    """The content of a message's data; None where there is nothing in it for a person."""
    message = fields(data.get("message"))
    if not message:
        return _withheld(data)
    core = _core(message, data.get("messageType"))
    return _content(core, data) if core.name or core.wrappers else None


def protocol_of(data: Fields) -> Fields:
    """The news about another message that this one carries in the place of a content; else nothing."""
    core = _core(fields(data.get("message")), None)
    return fields(core.value) if core.name == "protocolMessage" else fields(None)


def _withheld(data: Fields) -> Content:
    """A message without content: one to be seen once, which only the phone gets, or one that nobody could read."""
    is_once = is_true(fields(data.get("key")).get("isViewOnce"))
    details = {"originalType": "viewOnce", "isViewOnce": True} if is_once else {"originalType": "unknown"}
    return Content(MessageKind.UNKNOWN, "", details, None, None)


def _core(message: Fields, message_type: object) -> _Core:
    """Out of what wraps it: a content of one field, `message`, that Evolution leaves as it is."""
    wrappers: list[str] = []
    name = _content_key(message, message_type)
    while len(wrappers) < DEEPEST_WRAPPING and isinstance(fields(message.get(name)).get("message"), Mapping):
        wrappers.append(name)
        message = message[name]["message"]
        name = _content_key(message, message_type)
    return _Core(name, message.get(name), tuple(wrappers))


def _content_key(message: Fields, message_type: object) -> str:
    names = [name for name in message if name not in _ASIDE]
    if isinstance(message_type, str) and message_type in names:
        return message_type
    return next((name for name in names if name in kinds.READERS), next(iter(names), ""))


def _content(core: _Core, data: Fields) -> Content:
    kind = kinds.READERS[core.name][0] if core.name in kinds.READERS else MessageKind.UNKNOWN
    value = fields(core.value)
    contexts = [fields(value.get("contextInfo")), fields(data.get("contextInfo"))]
    body, own = _said(core, data)
    details = {**own, **_of_wrappers(core, data), **_of_contexts(contexts)}
    told = {name: value for name, value in details.items() if value is not None and value is not False and value != ""}
    return Content(kind, body, told, _refers_to(value, contexts), files.of(kind, value))


def _said(core: _Core, data: Fields) -> Said:
    if core.name not in kinds.READERS:
        return answers.readable(core.value), {"originalType": _type_name(core)}
    if core.name == kinds.VOTE:
        return kinds.vote(fields(core.value), data)
    value = {"text": core.value} if isinstance(core.value, str) else core.value
    return kinds.READERS[core.name][1](fields(value))


def _type_name(core: _Core) -> str:
    name = core.name or ("viewOnce" if _is_once(core.wrappers) else core.wrappers[-1])
    return name if _TYPE_NAME.fullmatch(name) else "unknown"


def _of_wrappers(core: _Core, data: Fields) -> Details:
    """What the wrappers say of what they wrap; the first kind of them has a flag in its content as well."""
    flags = (fields(core.value).get("viewOnce"), fields(data.get("key")).get("isViewOnce"))
    moving = {"isAnimated": True} if "lottieStickerMessage" in core.wrappers else {}
    return {"isViewOnce": _is_once(core.wrappers) or any(map(is_true, flags)), **moving}


def _is_once(wrappers: Sequence[str]) -> bool:
    return any(name.startswith("viewOnce") for name in wrappers)


def _of_contexts(contexts: list[Fields]) -> Details:
    ads = [ad for context in contexts if (ad := fields(context.get("externalAdReply")))]
    is_forwarded = any(is_true(context.get("isForwarded")) for context in contexts)
    return {"isForwarded": is_forwarded, "ad": _ad(ads[0]) if ads else None}


def _ad(ad: Fields) -> Details | None:
    url = web_address(ad.get("sourceUrl")) or web_address(ad.get("mediaUrl"))
    told = {"title": line(ad.get("title"), LONGEST_AD), "body": line(ad.get("body"), LONGEST_AD), "url": url}
    return {name: value for name, value in told.items() if value} or None


def _refers_to(value: Fields, contexts: list[Fields]) -> str | None:
    """The target of a reaction, a vote or a pin, else what is quoted."""
    targets = [fields(value.get(name)).get("id") for name in ("key", "pollCreationMessageKey")]
    told = map(identifier, [*targets, *(context.get("stanzaId") for context in contexts)])
    return next(filter(None, told), None)
