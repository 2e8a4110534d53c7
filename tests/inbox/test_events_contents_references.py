"""What a content says of another message, of an ad or of a poll (contract §11.3, §11.4)."""

from typing import Any

import pytest

from portal.models import MessageKind
from tests.inbox.contents import seen
from tests.inbox.payloads import MARIA, MARIA_LID, message

QUOTED = {"stanzaId": "3EB001", "quotedMessage": {"conversation": "x"}, "isForwarded": True}
REFERENCES = {
    "quote at the top": ({"conversation": "Sim"}, {"contextInfo": QUOTED}),
    "quote in the content": ({"extendedTextMessage": {"text": "Sim", "contextInfo": QUOTED}}, {}),
    "quote in an image": ({"imageMessage": {"contextInfo": QUOTED}}, {"contextInfo": {"deviceListMetadata": {}}}),
    "reaction": ({"reactionMessage": {"text": "👍", "key": {"id": "3EB001"}}}, {}),
    "reaction removed": ({"reactionMessage": {"text": "", "key": {"id": "3EB001"}}}, {}),
    "vote": ({"pollUpdateMessage": {"pollCreationMessageKey": {"id": "3EB001"}}}, {}),
    "pin": ({"pinInChatMessage": {"key": {"id": "3EB001"}, "type": 1}}, {}),
}


@pytest.mark.parametrize(("content", "more"), REFERENCES.values(), ids=REFERENCES)
def test_what_a_message_refers_to(content: dict[str, Any], more: dict[str, Any]) -> None:
    assert seen(content, next(iter(content)), **more).refers_to == "3EB001"


@pytest.mark.parametrize("id_", [None, "", "3A\x00", {"id": "x"}, "x" * 81], ids=ascii)
def test_what_no_id_is_refers_to_nothing(id_: object) -> None:
    assert seen({"reactionMessage": {"text": "👍", "key": {"id": id_}}}, "reactionMessage").refers_to is None


def test_a_forwarded_message() -> None:
    assert seen({"conversation": "Oi"}, contextInfo={"isForwarded": True}).details == {"isForwarded": True}


@pytest.mark.parametrize(
    ("url", "kept"),
    [
        ("https://ads.example.test/x?a=1", "https://ads.example.test/x?a=1"),
        ("http://ads.example.test", "http://ads.example.test"),
        ("javascript:alert(1)", None),
        ("data:text/html,x", None),
        ("https://", None),
        ("https://[x", None),
        ("https://ads.example.test/ x", None),
        ("https://ads.example.test/\u202ex", None),
        ("https://ads.example.test/" + "x" * 2_000, None),
        (7, None),
    ],
    ids=range(10),
)
def test_the_ad_that_led_here(url: object, kept: str | None) -> None:
    ad = {"title": "Promo\u0000ção", "body": "Fale\ncom a loja", "sourceUrl": url, "thumbnail": {"0": 1}}

    found = seen({"conversation": "Oi"}, contextInfo={"externalAdReply": ad})

    shown = {"title": "Promoção", "body": "Fale com a loja", **({"url": kept} if kept else {})}
    assert found.details == {"ad": shown}


VOTES = {
    "names": ({"selectedOptions": ["Retirar", "Receber"]}, [], "Retirar, Receber", ["Retirar", "Receber"]),
    "taken back": ({"selectedOptions": []}, [], "", []),
    "closed": ({"encPayload": {"0": 1}}, [], "", None),
    "counted": (
        {"selectedOptions": [{"0": 1}]},
        [{"name": "Retirar", "voters": ["5511999990009@s.whatsapp.net"]}, {"name": "Receber", "voters": [MARIA]}],
        "Receber",
        ["Receber"],
    ),
    "counted under the lid": (
        {},
        [{"name": "Retirar", "voters": [f"{MARIA_LID.split('@')[0]}:7@lid", None]}],
        "Retirar",
        ["Retirar"],
    ),
}


@pytest.mark.parametrize(("vote", "counted", "body", "votes"), VOTES.values(), ids=VOTES)
def test_a_vote_in_a_poll(vote: object, counted: object, body: str, votes: list[str] | None) -> None:
    content = {"pollUpdateMessage": {"pollCreationMessageKey": {"id": "3A00"}, "vote": vote}}

    found = seen(
        content, "pollUpdateMessage", pollUpdates=counted, key=message("3A01", chat=MARIA, alt=MARIA_LID)["key"]
    )

    details = {"isVote": True} | ({} if votes is None else {"votes": votes})
    assert (found.kind, found.body, found.details, found.refers_to) == (MessageKind.POLL, body, details, "3A00")
