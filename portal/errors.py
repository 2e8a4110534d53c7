"""The four refusals that services raise; `web/errors.py` turns them into HTTP."""

from collections.abc import Mapping


class DomainError(Exception):
    """What stops this call, with a sentence for the person who made it."""

    code = "error"

    def __init__(self, message: str = "", *, code: str | None = None) -> None:
        super().__init__(message)
        self.message = message
        self.code = code or self.code


class NotFound(DomainError):
    """No such row for this tenant; another tenant's row counts as none."""

    code = "not_found"


class Forbidden(DomainError):
    """The row exists, but this person's role does not allow the act."""

    code = "forbidden"


class Conflict(DomainError):
    """The state of the row does not allow the act."""

    code = "conflict"


class Invalid(DomainError):
    """The input is wrong: `fields` maps a field's name to a sentence about it."""

    code = "invalid"

    def __init__(self, fields: Mapping[str, str]) -> None:
        super().__init__(" ".join(fields.values()))
        self.fields = dict(fields)
