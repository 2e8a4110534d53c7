"""Why a whole file cannot be read."""

from enum import StrEnum
from typing import Any


class FileProblem(StrEnum):
    EMPTY = "empty"
    NOT_A_TABLE = "not_a_table"
    TOO_MANY_ROWS = "too_many_rows"
    TOO_MANY_COLUMNS = "too_many_columns"
    DOUBLED_COLUMN = "doubled_column"
    NO_PHONE_COLUMN = "no_phone_column"
    LINE_TOO_LONG = "line_too_long"
    UNCLOSED_QUOTE = "unclosed_quote"
    UNPACKS_TOO_LARGE = "unpacks_too_large"
    BROKEN_SPREADSHEET = "broken_spreadsheet"
    NO_SHEET = "no_sheet"
    OLD_EXCEL = "old_excel"
    ENCRYPTED = "encrypted"


class BrokenTable(Exception):
    """The file is refused as a whole; `details` is what a sentence about it needs."""

    def __init__(self, problem: FileProblem, **details: Any) -> None:
        super().__init__(problem)
        self.problem = problem
        self.details = details
