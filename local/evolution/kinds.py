"""Everything that can be written on a phone, by its kind, in the encoding of 2.3.6."""

import time
from collections.abc import Callable
from typing import Any

from local.evolution.incoming_files import FILE_KINDS, file_content
from local.evolution.payloads import index_map, long
from local.evolution.pieces import Piece, Request, beside, now_ms

CARD = "BEGIN:VCARD\nVERSION:3.0\nN:{last};{first};;;\nFN:{name}\nitem1.TEL;waid={digits}:+{digits}\nEND:VCARD"


def piece_of(request: Request) -> Piece:
    """Write the content of the kind asked for; raises ValueError where that cannot be."""
    kind = request.text("kind", "text")
    if kind in FILE_KINDS:
        content, file = file_content(kind, request.body, request.context)
        return Piece(content, file)
    if kind not in KINDS:
        raise ValueError(f"there is no kind called {kind}; there are {', '.join((*KINDS, *FILE_KINDS))}")
    if kind == "pollVote":
        return poll_vote(request)
    return Piece(KINDS[kind](request))


def plain_text(request: Request) -> dict[str, Any]:
    """Write a text."""
    text = request.body.get("text")
    if not isinstance(text, str) or not text.strip():
        raise ValueError("text is required")
    return {"conversation": text}


def location(request: Request) -> dict[str, Any]:
    """Write a place."""
    return {
        "locationMessage": {
            "degreesLatitude": request.number("latitude", -23.5613),
            "degreesLongitude": request.number("longitude", -46.6565),
            "name": request.text("placeName", "Loja Exemplo"),
            "address": request.text("address", "Av. Paulista, 1000"),
            "jpegThumbnail": index_map(24),
            **beside(request),
        }
    }


def live_location(request: Request) -> dict[str, Any]:
    """Write a place that goes on changing."""
    return {
        "liveLocationMessage": {
            "degreesLatitude": request.number("latitude", -23.5613),
            "degreesLongitude": request.number("longitude", -46.6565),
            "accuracyInMeters": 12,
            "sequenceNumber": long(int(time.time() * 1000), unsigned=False),
            "jpegThumbnail": index_map(24),
            **beside(request),
        }
    }


def card(name: str, digits: str) -> dict[str, str]:
    """Write the card of one contact."""
    first, _, last = name.partition(" ")
    return {"displayName": name, "vcard": CARD.format(first=first, last=last, name=name, digits=digits)}


def contact(request: Request) -> dict[str, Any]:
    """Write one contact card."""
    shown = card(request.text("contactName", "Carlos Modelo"), request.text("contactNumber", "5511999990009"))
    # A card can be given as it is, for those that no phone would make.
    given = {"vcard": str(request.body["vcard"])} if "vcard" in request.body else {}
    return {"contactMessage": {**shown, **given, **beside(request)}}


def contacts(request: Request) -> dict[str, Any]:
    """Write several contact cards."""
    names = request.texts("contactNames", ("Carlos Modelo", "Lia Modelo"))
    cards = [card(name, f"551199999{index:04d}") for index, name in enumerate(names, 9)]
    shown = {"displayName": f"{len(cards)} contatos", "contacts": cards}
    return {"contactsArrayMessage": {**shown, **beside(request)}}


def reaction(request: Request) -> dict[str, Any]:
    """React to a message, or take the reaction back."""
    if not request.body.get("target"):
        raise ValueError("target is required: the id of a message")
    emoji = str(request.body.get("emoji", "❤️"))
    return {"reactionMessage": {"key": request.target_key(), "text": emoji, "senderTimestampMs": now_ms()}}


def poll(request: Request) -> dict[str, Any]:
    """Ask a question with options."""
    options = request.texts("options", ("Retirar na loja", "Receber em casa"))
    return {
        "pollCreationMessageV3": {
            "options": [{"optionName": option} for option in options],
            "name": request.text("question", "Como prefere?"),
            "selectableOptionsCount": int(request.number("selectable", 1)),
            **beside(request),
        }
    }


def poll_vote(request: Request) -> Piece:
    """Vote; the names are known where the poll is, and versions before 2.3.7 never hear of it."""
    poll_message = request.target.message.get("pollCreationMessageV3") if request.target else None
    if not poll_message:
        raise ValueError("target must be the id of a poll")
    known = [option["optionName"] for option in poll_message["options"]]
    chosen = request.texts("options", (known[0],))
    update = {
        "pollCreationMessageKey": request.target_key(),
        "vote": {"selectedOptions": chosen},
        "senderTimestampMs": now_ms(),
    }
    updates = [{"name": name, "voters": [request.author] if name in chosen else []} for name in known]
    return Piece({"pollUpdateMessage": update}, extras={"pollUpdates": updates})


def list_answer(request: Request) -> dict[str, Any]:
    """Choose from a list."""
    row = {"selectedRowId": request.text("choiceId", "opcao-1")}
    answer = {"title": request.text("choice", "Opção 1"), "listType": 1, "singleSelectReply": row}
    return {"listResponseMessage": {**answer, **beside(request)}}


def button_answer(request: Request) -> dict[str, Any]:
    """Press a button."""
    answer = {
        "selectedButtonId": request.text("choiceId", "confirmar"),
        "selectedDisplayText": request.text("choice", "Confirmar"),
    }
    return {"buttonsResponseMessage": {**answer, **beside(request), "type": 1}}


def template_answer(request: Request) -> dict[str, Any]:
    """Press a button of a template."""
    answer = {
        "selectedId": request.text("choiceId", "confirmar"),
        "selectedDisplayText": request.text("choice", "Confirmar"),
        "selectedIndex": 0,
    }
    return {"templateButtonReplyMessage": {**answer, **beside(request)}}


def interactive_answer(request: Request) -> dict[str, Any]:
    """Fill in a form."""
    flow = {"name": "galaxy_message", "paramsJson": request.text("params", '{"confirmed":true}'), "version": 3}
    body = {"text": request.text("choice", "Confirmar"), "format": 0}
    return {"interactiveResponseMessage": {"body": body, "nativeFlowResponseMessage": flow, **beside(request)}}


def unknown(request: Request) -> dict[str, Any]:
    """Write what nobody has heard of."""
    return {request.text("type", "eventMessage"): {"name": "Exemplo"}}


def empty(_request: Request) -> dict[str, Any]:
    """Write nothing that can be read."""
    return {}


KINDS: dict[str, Callable[[Request], dict[str, Any]]] = {
    "text": plain_text,
    "location": location,
    "liveLocation": live_location,
    "contact": contact,
    "contacts": contacts,
    "reaction": reaction,
    "poll": poll,
    "pollVote": lambda request: poll_vote(request).content,
    "listAnswer": list_answer,
    "buttonAnswer": button_answer,
    "templateAnswer": template_answer,
    "interactiveAnswer": interactive_answer,
    "adClick": plain_text,
    "unknown": unknown,
    "empty": empty,
}
