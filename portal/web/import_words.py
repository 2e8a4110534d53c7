"""What the pages of an import say: where it stands, why a file was refused, what is wrong with a row or done to it."""

from collections import defaultdict
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any
from uuid import UUID

from flask_babel import format_decimal, ngettext
from flask_babel import lazy_gettext as _

from portal.clock import now
from portal.models import Import, ImportSource, ImportState
from portal.services.imports import KEPT_FOR, LARGEST_FILE, LARGEST_PASTE, MIB, MOST_COLUMNS, MOST_ROWS
from portal.web.words import Tone

ONE_DAY = timedelta(days=1)


@dataclass(frozen=True)
class Standing:
    """Where an import stands: as a pill of two or three words, and as the heading of its page."""

    title: str
    heading: str
    tone: Tone


@dataclass(frozen=True)
class Problem:
    """Why nothing came of a file, and what to do about it."""

    sentence: str
    step: str


@dataclass(frozen=True)
class Earlier:
    """An import of the same content, and when it ended."""

    import_id: UUID
    at: datetime


STANDINGS = {
    ImportState.READING: Standing(_("Being read"), _("The file is being read"), Tone.BUSY),
    ImportState.REFUSED: Standing(_("Not accepted"), _("This file cannot be imported as it is"), Tone.BAD),
    ImportState.MAPPING: Standing(_("Waits for its columns"), _("Say what the columns are"), Tone.WARNING),
    ImportState.CHECKING: Standing(_("Being checked"), _("Every row is being checked"), Tone.BUSY),
    ImportState.CHECKED: Standing(_("Waits for your go-ahead"), _("Checked, and nothing changed yet"), Tone.WARNING),
    ImportState.IMPORTING: Standing(_("Being imported"), _("The people are being imported"), Tone.BUSY),
    ImportState.DONE: Standing(_("Imported"), _("The list was imported"), Tone.GOOD),
    ImportState.CANCELLED: Standing(_("Cancelled"), _("This import was cancelled"), Tone.CALM),
    ImportState.UNDOING: Standing(_("Being undone"), _("The import is being undone"), Tone.BUSY),
    ImportState.UNDONE: Standing(_("Undone"), _("This import was undone"), Tone.CALM),
    ImportState.FAILED: Standing(_("Did not work"), _("This import did not work"), Tone.BAD),
}

_SAVE_ANEW = _("Open it in your spreadsheet program, save it again as CSV or XLSX, and upload that file.")
PROBLEMS = {
    "empty": Problem(_("There is no row in it."), _("Choose the file that holds your list, and upload that one.")),
    "not_a_table": Problem(_("Its content is no table but something else: %(found)s."), _SAVE_ANEW),
    "too_many_rows": Problem(
        _("It has more than %(rows)s rows."), _("Split it into several files, and import one after the other.")
    ),
    "too_many_columns": Problem(
        _("It has more than %(columns)s columns."), _("Delete the columns that you do not need, and upload it again.")
    ),
    "doubled_column": Problem(
        _("Several columns have the same name: %(names)s."),
        _("Give each column a name of its own, and upload it again."),
    ),
    "no_phone_column": Problem(
        _("There is no telephone number in it."), _("Add a column with the numbers, and upload it again.")
    ),
    "line_too_long": Problem(_("Line %(line)s is far too long for a row of a table."), _SAVE_ANEW),
    "unclosed_quote": Problem(
        _("In line %(line)s a quotation mark is opened and never closed, so the rows cannot be told apart."), _SAVE_ANEW
    ),
    "unpacks_too_large": Problem(
        _("Unpacked it is too large to be read safely."), _("Save the list alone as CSV, and upload that file.")
    ),
    "broken_spreadsheet": Problem(_("The spreadsheet is damaged and cannot be opened."), _SAVE_ANEW),
    "no_sheet": Problem(_("All sheets of the spreadsheet are empty."), _("Put the list on a sheet, and upload it.")),
    "old_excel": Problem(_("It is in the old format of Excel (XLS)."), _("Save it as XLSX or CSV, and upload that.")),
    "encrypted": Problem(_("It is protected by a password."), _("Remove the password, and upload it again.")),
    "same_file_today": Problem(
        _("This very list was imported today already, so importing it again would change nothing."),
        _("If you meant another file, upload that one."),
    ),
    "gave_up": Problem(
        _("The portal tried several times and did not come to an end."),
        _("Upload the file again; if that does not help either, tell whoever runs the portal."),
    ),
}
_UNKNOWN_PROBLEM = Problem(_("It cannot be read."), _SAVE_ANEW)

ROW_PROBLEMS = {
    "phone_missing": _("No number"),
    "not_a_phone": _("Not a telephone number"),
    "several_phones": _("More than one number: keep one"),
    "shortened_by_excel": _("Shortened by Excel: format the column as text and write the whole number"),
    "name_too_long": _("Name is too long"),
    "value_too_long": _("Too long"),
    "tag_too_long": _("A tag is too long"),
    "too_many_tags": _("Too many tags"),
    "too_many_cells": _("More cells than there are columns"),
}
_UNKNOWN_ROW_PROBLEM = _("Cannot be imported")

CHANGES = {
    "country_code": _("country code added"),
    "ninth_digit": _("ninth digit added"),
    "extra_digit": _("surplus digit removed"),
}
KEPT_BECAUSE = {
    "conversation": _("somebody wrote with them since"),
    "campaign": _("a campaign has them since"),
    "consent": _("they said since whether they want messages"),
    "edited": _("they were changed since"),
    "merged": _("they were merged with another contact since"),
    "imported_again": _("a later import has them too"),
}
_KEPT_FOR_ANOTHER_REASON = _("something happened with them since")


def shown(number: int) -> str:
    """A number as it is written in the language of the page."""
    return str(format_decimal(number))


def list_name(listed: Import) -> str:
    """What the list is called: its file's name, unless it was pasted or the name is nothing that is seen."""
    if listed.source == ImportSource.PASTED:
        return str(_("Pasted list"))
    return listed.file_name or str(_("List without a name"))


def counts_of(listed: Import) -> Mapping[str, Any]:
    """What was counted so far; what was not counted is none."""
    return defaultdict(int, listed.counts or {})


def problem_of(listed: Import) -> Problem:
    """Why the file was refused, or the work given up."""
    problem = PROBLEMS.get(listed.problem or "", _UNKNOWN_PROBLEM)
    details = listed.problem_details or {}
    values = {
        "found": details.get("found") or _("data of an unknown kind"),
        "line": details.get("line", "?"),
        "names": ", ".join(f"“{name}”" for name in details.get("names", ())),
        "rows": shown(MOST_ROWS),
        "columns": shown(MOST_COLUMNS),
    }
    return Problem(str(problem.sentence) % values, str(problem.step))


def row_problem(note: Mapping[str, Any]) -> str:
    """What is wrong with a cell."""
    return str(ROW_PROBLEMS.get(note["code"], _UNKNOWN_ROW_PROBLEM))


def change_words(changes: Iterable[str]) -> str:
    """What becomes of a number on its way from the file to the contact."""
    return ", ".join(str(CHANGES[change]) for change in changes)


def kept_words(reason: str) -> str:
    """Why undoing an import leaves a contact alone."""
    return str(KEPT_BECAUSE.get(reason, _KEPT_FOR_ANOTHER_REASON))


def summary(listed: Import) -> str:
    """The numbers of an import in one line: what it did, else what it found."""
    counts = counts_of(listed)
    if listed.state in (ImportState.DONE, ImportState.UNDOING):
        parts = [
            _("%(shown)s added", shown=shown(counts["added"])),
            _("%(shown)s changed", shown=shown(counts["updated"])),
        ]
    elif counts["rows"]:
        parts = [ngettext("%(shown)s row", "%(shown)s rows", counts["rows"], shown=shown(counts["rows"]))]
    else:
        parts = []
    if counts["wrong"]:
        parts.append(ngettext("%(shown)s wrong", "%(shown)s wrong", counts["wrong"], shown=shown(counts["wrong"])))
    return ", ".join(str(part) for part in parts)


def limits() -> dict[str, str]:
    """The limits of a list, as numbers to be shown; sizes in MB."""
    numbers = {
        "size": LARGEST_FILE // MIB,
        "paste": LARGEST_PASTE // MIB,
        "rows": MOST_ROWS,
        "columns": MOST_COLUMNS,
        "days": KEPT_FOR.days,
    }
    return {name: shown(number) for name, number in numbers.items()}


def earlier_import(listed: Import) -> Earlier | None:
    """The import of today for whose sake this one was refused."""
    details = listed.problem_details or {}
    if listed.problem != "same_file_today":
        return None
    return Earlier(UUID(details["import_id"]), datetime.fromisoformat(details["at"]))


def days_left(listed: Import) -> int:
    """For how many days the content of the file is still kept, the day that began included; 0: it is gone."""
    if listed.content_until is None or listed.content_until <= now():
        return 0
    return -((now() - listed.content_until) // ONE_DAY)
