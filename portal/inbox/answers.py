"""Texts that stand elsewhere than in a text: answers to buttons, lists and forms, and what is readable in the rest."""

import json
from collections.abc import Iterator
from typing import Any

from portal.inbox.decoding import Fields, fields, line, text

LONGEST_CHOICE = 200
LONGEST_PARAMETERS = 16_384
DEEPEST = 3
# Where other kinds have what a person would call them by, the best first.
_TELLING = (
    *("title", "name", "subject", "groupName", "orderTitle", "newsletterName", "displayName", "hydratedTitleText"),
    *("caption", "text", "contentText", "hydratedContentText", "display_text", "note", "description", "body"),
)
# What an answer refers to, or what only a program reads.
_ASIDE = frozenset({"contextInfo", "key", "messageContextInfo"})
_FOR_PROGRAMS = ("token", "id", "version", "params")


def of_button(content: Fields) -> tuple[str, str]:
    """What was pressed, as shown and by its id."""
    choice = line(content.get("selectedButtonId") or content.get("selectedId"), LONGEST_CHOICE)
    return text(content.get("selectedDisplayText")) or choice, choice


def of_list(content: Fields) -> tuple[str, str]:
    """The row that was chosen, as shown and by its id."""
    choice = line(fields(content.get("singleSelectReply")).get("selectedRowId"), LONGEST_CHOICE)
    return text(content.get("title")) or text(content.get("description")) or choice, choice


def of_form(content: Fields) -> tuple[str, str]:
    """What was filled in or chosen, as shown; where nothing is shown, what can be read of the answer."""
    given = _parameters(fields(content.get("nativeFlowResponseMessage")).get("paramsJson"))
    choice = line(given.get("id"), LONGEST_CHOICE)
    shown = text(fields(content.get("body")).get("text"))
    return shown or readable(given) or _first_value(given) or choice, choice


def _parameters(value: object) -> Fields:
    if not isinstance(value, str) or len(value) > LONGEST_PARAMETERS:
        return fields(None)
    try:
        return fields(json.loads(value))
    except (ValueError, RecursionError):
        return fields(None)


def _first_value(given: Fields) -> str:
    values = (text(value) for name, value in given.items() if not name.lower().endswith(_FOR_PROGRAMS))
    return next(filter(None, values), "")


def readable(content: Any) -> str:
    """The title, the name, the subject or the text in it, wherever it stands."""
    if isinstance(content, str):
        return text(content)
    parts = list(_parts(fields(content), DEEPEST))
    found = (text(part.get(name)).strip() for name in _TELLING for part in parts)
    return next(filter(None, found), "")


def _parts(content: Fields, depth: int) -> Iterator[Fields]:
    """The object and those in it, the outer ones first."""
    level = [content]
    for _ in range(depth):
        yield from level
        inner = [value for part in level for name, value in part.items() if name not in _ASIDE]
        level = [fields(value) for value in inner if isinstance(value, dict)]
