"""Reading a thread as it is shown."""

import re

from portal.models import Message


def bubble(page: str, message: Message) -> str:
    """What the page shows of this message, without its tags."""
    ends = r'(?:</ol>|<li class="(?:bubble|aside|gap|happening|note))'
    found = re.search(rf'id="message-{message.id}">(.*?){ends}', page, re.S)
    assert found, "the message is not shown"
    return " ".join(re.sub(r"<[^>]+>", " ", found[1]).split())
