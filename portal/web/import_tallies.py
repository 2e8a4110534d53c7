"""The numbers of an import in words: what its check found, what it did, and what became of it when it was undone."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from flask_babel import gettext as _
from flask_babel import ngettext

from portal.web.import_words import shown

Counts = Mapping[str, Any]


@dataclass(frozen=True)
class Tally:
    """A number with its words; `list_id` is where its rows stand on the page."""

    number: int
    label: str
    list_id: str = ""
    is_bad: bool = False


def found(counts: Counts) -> list[Tally]:
    """What the check found, in the order in which it matters; what there is none of is left out."""
    tallies = (
        Tally(counts["new"], ngettext("new person", "new people", counts["new"])),
        Tally(counts["changed"], ngettext("person gets other data", "people get other data", counts["changed"])),
        Tally(counts["unchanged"], ngettext("person stays the same", "people stay the same", counts["unchanged"])),
        _wrong(counts),
        Tally(counts["repeated"], ngettext("repeated row", "repeated rows", counts["repeated"]), "repeated"),
        Tally(
            counts["renumbered"],
            ngettext("number written differently", "numbers written differently", counts["renumbered"]),
            "renumbered",
        ),
        Tally(
            counts["opted_out"],
            ngettext("person wants no campaigns", "people want no campaigns", counts["opted_out"]),
            "opted_out",
        ),
        Tally(
            counts["erased"],
            ngettext("person asked to be erased", "people asked to be erased", counts["erased"]),
            "erased",
        ),
    )
    return [tally for tally in tallies if tally.number]


def done(counts: Counts) -> list[Tally]:
    """What the import did."""
    tallies = (
        Tally(counts["added"], ngettext("person added", "people added", counts["added"])),
        Tally(counts["updated"], ngettext("person got other data", "people got other data", counts["updated"])),
        Tally(counts["unchanged"], ngettext("person stayed the same", "people stayed the same", counts["unchanged"])),
        Tally(counts["tagged"], ngettext("person tagged", "people tagged", counts["tagged"])),
        _wrong(counts),
    )
    return [tally for tally in tallies if tally.number]


def nothing_words(counts: Counts) -> str:
    """Why there is nothing to import."""
    if counts["wrong"] and counts["wrong"] == counts["rows"]:
        return str(
            _("No row can be imported: something is wrong in every one. Perhaps another column has the numbers.")
        )
    return str(_("No row can be imported. Below is why."))


def number_notes(counts: Counts) -> list[str]:
    """How many numbers will be written in which other way, and how many belong to a landline."""
    changes = counts["by_change"] or {}
    notes = [str(_SENTENCES[change](number)) for change, number in changes.items() if number]
    if counts["landlines"]:
        notes.append(_landlines(counts["landlines"]))
    return notes


def done_words(counts: Counts) -> str:
    """What came of the import, in one sentence."""
    if not counts["added"] and not counts["updated"]:
        return str(_("Everybody in this list was there already, with the same data."))
    return str(_("The people of this list are among your contacts."))


def undone_words(counts: Counts) -> str:
    """What undoing took back."""
    removed, restored = counts["removed"], counts["restored"]
    told = []
    if removed:
        told.append(
            ngettext(
                "%(shown)s contact was removed.", "%(shown)s contacts were removed.", removed, shown=shown(removed)
            )
        )
    if restored:
        told.append(
            ngettext(
                "%(shown)s contact is as it was before.",
                "%(shown)s contacts are as they were before.",
                restored,
                shown=shown(restored),
            )
        )
    return " ".join(told) or str(_("There was nothing to take back."))


def undo_consequences(counts: Counts) -> list[str]:
    """What undoing will do."""
    added, updated = counts["added"], counts["updated"]
    told = []
    if added:
        told.append(
            ngettext(
                "The %(shown)s contact that this import added is removed.",
                "The %(shown)s contacts that this import added are removed.",
                added,
                shown=shown(added),
            )
        )
        told.append(
            _("Left as they are: those with whom somebody wrote since, and those who said whether they want messages.")
        )
    if updated:
        told.append(
            ngettext(
                "The %(shown)s contact that it changed gets back the name and the fields of before.",
                "The %(shown)s contacts that it changed get back the names and the fields of before.",
                updated,
                shown=shown(updated),
            )
        )
    told.append(_("The tags that it gave are taken away again."))
    told.append(_("What was changed by hand, merged, or changed by a later import stays."))
    return [str(sentence) for sentence in told]


def _wrong(counts: Counts) -> Tally:
    return Tally(counts["wrong"], ngettext("wrong row", "wrong rows", counts["wrong"]), "wrong", is_bad=True)


def _country_codes(number: int) -> str:
    return str(
        ngettext(
            "%(shown)s without country code: 55 (Brazil) is put before it.",
            "%(shown)s without country code: 55 (Brazil) is put before them.",
            number,
            shown=shown(number),
        )
    )


def _ninth_digits(number: int) -> str:
    return str(
        ngettext(
            "%(shown)s mobile number of the old kind: the ninth digit is added.",
            "%(shown)s mobile numbers of the old kind: the ninth digit is added.",
            number,
            shown=shown(number),
        )
    )


def _extra_digits(number: int) -> str:
    return str(
        ngettext(
            "%(shown)s from Mexico or Argentina with a digit that WhatsApp leaves out.",
            "%(shown)s from Mexico or Argentina with a digit that WhatsApp leaves out.",
            number,
            shown=shown(number),
        )
    )


def _landlines(number: int) -> str:
    return str(
        ngettext(
            "%(shown)s is a landline: it stays as it is, and may not be on WhatsApp.",
            "%(shown)s are landlines: they stay as they are, and may not be on WhatsApp.",
            number,
            shown=shown(number),
        )
    )


_SENTENCES = {"country_code": _country_codes, "ninth_digit": _ninth_digits, "extra_digit": _extra_digits}
