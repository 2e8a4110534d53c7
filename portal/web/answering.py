"""What stands above the composer while somebody answers one message, or chooses a reaction to it."""

from collections.abc import Mapping
from dataclasses import dataclass
from uuid import UUID

from flask_babel import lazy_gettext as _

from portal.errors import Invalid, NotFound
from portal.models import Message
from portal.queries import conversations, reactions
from portal.queries.conversations import ConversationRow
from portal.services import references
from portal.tenancy import TenantScope
from portal.web import composing, words
from portal.web.threads import author_of

# The usual ones, and what they are called.
SIGNS = {
    "👍": _("Thumbs up"),
    "❤️": _("Heart"),
    "😂": _("Laughing"),
    "😮": _("Surprised"),
    "😢": _("Sad"),
    "🙏": _("Thank you"),
}
REACTION = "react"
# As an address asks for it, and as the composer sends it.
QUOTES = ("answer", "answers_to")


@dataclass(frozen=True)
class Answering:
    """The message that is answered or reacted to; of a reaction, our sign that is there now and what went wrong.

    `typed`: what was refused, where it is none of the usual signs.
    """

    message_id: UUID
    author: str
    text: str
    is_reaction: bool = False
    sign: str = ""
    problem: str = ""
    typed: str = ""

    @property
    def signs(self) -> dict[str, str]:
        """The signs to choose from; ours among them, whichever it is."""
        usual = {sign: str(name) for sign, name in SIGNS.items()}
        return usual if not self.sign or self.sign in usual else {self.sign: str(_("Your reaction")), **usual}


def is_asked(values: Mapping[str, str]) -> bool:
    """Whether an address opens a quote or the choice of a reaction."""
    return REACTION in values or QUOTES[0] in values


def find(scope: TenantScope, row: ConversationRow, values: Mapping[str, str]) -> Answering | None:
    """What is asked for, if the message is one of the conversation and still can be pointed at."""
    name = next((name for name in (REACTION, *QUOTES) if values.get(name)), None)
    if name is None or composing.find_closed(row) is not None:
        return None
    message = _find_message(scope, row, values[name])
    return None if message is None else about(scope, row, message, is_reaction=name == REACTION)


def about(
    scope: TenantScope,
    row: ConversationRow,
    message: Message,
    *,
    is_reaction: bool,
    problem: str = "",
    refused: str = "",
) -> Answering:
    """The quote of that message, or the choice of a reaction to it, maybe again after a sign was refused."""
    given = reactions.find_given(reactions.list_ours(scope, message)) if is_reaction else None
    return Answering(
        message_id=message.id,
        author=author_of(message, row),
        text=words.excerpt(message),
        is_reaction=is_reaction,
        sign=given.body if given else "",
        problem=problem,
        typed="" if refused in SIGNS else refused,
    )


def checked_id(text: str | None) -> UUID | None:
    """The id of the quoted message that came with the composer. Raises Invalid for what is none."""
    if not text:
        return None
    try:
        return UUID(text)
    except ValueError as e:
        raise Invalid({"answers_to": references.not_quotable()}) from e


def _find_message(scope: TenantScope, row: ConversationRow, text: str) -> Message | None:
    try:
        message = conversations.get_message(scope, UUID(text))
    except (ValueError, NotFound):
        return None
    is_here = message.conversation_id == row.conversation.id
    return message if is_here and references.is_open(message) else None
