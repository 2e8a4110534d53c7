"""Pages of a list: whoever reads one asks for one row more than it shows, which says whether there is a next page."""

from collections.abc import Sequence
from typing import TypeVar

Row = TypeVar("Row")


def cut(rows: Sequence[Row], limit: int) -> tuple[Sequence[Row], Row | None]:
    """The rows of the page, and the one after which the next page begins, if there is a next page."""
    return rows[:limit], rows[limit - 1] if len(rows) > limit else None
