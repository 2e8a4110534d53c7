"""What one webhook is understood as: all its facts, or the one message that it tells of."""

import json
from datetime import UTC, datetime
from typing import Any

from portal.inbox.events import News, parse
from portal.inbox.facts import Fact, MessageSeen
from tests.inbox.payloads import SENT_AT, webhook

PHONE, LID = "5511999990002", "123456789012345"
AT = datetime.fromtimestamp(SENT_AT, tz=UTC)


def told(event: str, data: object, **envelope: Any) -> News:
    return parse(event, json.dumps({**webhook(event, data, instance="unit_1"), **envelope}))


def facts(event: str, data: object, **envelope: Any) -> list[Fact]:
    return told(event, data, **envelope).facts


def seen(data: object, **envelope: Any) -> MessageSeen:
    (fact,) = facts("messages.upsert", data, **envelope)
    assert isinstance(fact, MessageSeen)
    return fact
