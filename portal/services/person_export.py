"""Handing out all that is kept of one person, which is written down: who asked for it, and when."""

import tempfile
from typing import IO
from uuid import UUID

from flask_babel import gettext as _

from portal.db import atomic
from portal.queries import person_data
from portal.queries.contacts import get_contact
from portal.services import audit
from portal.tenancy import TenantScope

# Most archives are smaller, and need no disk.
IN_MEMORY = 1024 * 1024


def export(scope: TenantScope, contact_id: UUID) -> IO[bytes]:
    """The archive of that person, in a file that is gone once it is closed. Raises NotFound."""
    contact_id = get_contact(scope, contact_id).id
    # Whoever sends it closes it.
    file = tempfile.SpooledTemporaryFile(IN_MEMORY)  # noqa: SIM115
    try:
        person_data.write_archive(scope, contact_id, file, readme=_readme())
    except BaseException:
        file.close()
        raise
    with atomic():
        audit.record(scope, "contact.exported", ("contact", contact_id))
    file.seek(0)
    return file


def _readme() -> str:
    lines = (
        _("This archive holds all that this portal keeps about one person."),
        "",
        _("person.json – readable with any text editor. In it:"),
        "  contact – " + _("numbers, name, tags and own fields"),
        "  merged_contacts, merges – " + _("entries that were found to be the same person"),
        "  consent – " + _("when messages were refused or wanted, with the words that said so"),
        "  imports – " + _("what lists that were imported changed"),
        "  campaigns – " + _("the campaigns they were chosen for, and what became of it"),
        "  conversations – "
        + _("every message with its times, its changes and its file, and what was noted; staff by role only"),
        _("files/ – the pictures, recordings and documents of the messages, as far as they are stored here."),
        "",
        _("All times are UTC. What WhatsApp itself keeps, on phones and on its servers, is not part of this."),
    )
    return "\r\n".join(lines) + "\r\n"
