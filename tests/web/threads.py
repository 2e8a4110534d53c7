"""Reading a thread as it is shown."""

import re

from portal.models import Message


def bubble(page: str, message: Message) -> str:
    """What the page shows of this message, without its tags."""
    found = re.search(rf'id="message-{message.id}">(.*?)(?:</ol>|<li class="(?:bubble|aside|gap))', page, re.S)
    assert found, "the message is not shown"
    return " ".join(re.sub(r"<[^>]+>", " ", found[1]).split())
