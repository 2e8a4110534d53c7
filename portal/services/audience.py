"""Whom a campaign is for, as somebody chose it and as its row keeps it."""

from dataclasses import dataclass
from typing import Any, Self
from uuid import UUID


@dataclass(frozen=True)
class Audience:
    """People chosen in any of these ways, without those who are left out in any of these."""

    everybody: bool = False
    tag_ids: tuple[UUID, ...] = ()
    # Whom these imports added or changed.
    import_ids: tuple[UUID, ...] = ()
    contact_ids: tuple[UUID, ...] = ()
    # A pasted list as it came: one telephone number in each line.
    pasted: str = ""
    without_tag_ids: tuple[UUID, ...] = ()
    # Whoever one of these campaigns wrote to.
    without_campaign_ids: tuple[UUID, ...] = ()

    @property
    def is_empty(self) -> bool:
        return not (self.everybody or self.tag_ids or self.import_ids or self.contact_ids or self.pasted.strip())

    @classmethod
    def from_row(cls, row: dict[str, Any]) -> Self:
        ids = {name: tuple(UUID(text) for text in row.get(name, ())) for name in _LISTS}
        return cls(everybody=bool(row.get("everybody")), pasted=row.get("pasted", ""), **ids)

    def as_row(self) -> dict[str, Any]:
        """For `Campaign.audience`: what is empty is left out."""
        ids = {name: [str(id_) for id_ in getattr(self, name)] for name in _LISTS}
        row = {"everybody": self.everybody, "pasted": self.pasted, **ids}
        return {name: value for name, value in row.items() if value}


_LISTS = ("tag_ids", "import_ids", "contact_ids", "without_tag_ids", "without_campaign_ids")
