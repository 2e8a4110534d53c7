"""Handing out all that is kept of a company: a ZIP file, written while it is fetched and never in memory as a whole."""

from collections.abc import Iterator
from io import RawIOBase
from typing import Any
from zipfile import ZIP_DEFLATED, ZIP_STORED, ZipFile

from flask_babel import gettext
from flask_babel import lazy_gettext as _

from portal.db import Base, atomic
from portal.queries import tenant_data
from portal.services import audit
from portal.tenancy import TenantScope, acting_for

# Handed on in pieces of about this size.
PIECE = 256 * 1024
ABOUT = {
    "tenants": _("the company itself"),
    "tenant_settings": _("keywords and answers about consent, and how long data is kept"),
    "units": _("the units, with their hours and limits"),
    "unit_whatsapp_connections": _("each unit's connection to WhatsApp"),
    "lanes": _("how far each unit's sending is"),
    "connection_losses": _("when a connection to WhatsApp was lost, and why"),
    "repairs": _("what was put right at a connection, and what was missed meanwhile"),
    "scan_links": _("links with which somebody could scan a code"),
    "users": _("the people who sign in"),
    "user_units": _("which agent answers in which unit"),
    "user_sessions": _("the browsers in which people are or were signed in"),
    "account_links": _("invitations, and links to a new password"),
    "recovery_codes": _("when a code for a lost second factor was made and used"),
    "access_grants": _("when the portal's operators were let read messages"),
    "api_tokens": _("tokens of the company's programs, and of people who signed in by API"),
    "api_token_units": _("the units that such a token is limited to"),
    "webhook_endpoints": _("the addresses of the company's programs"),
    "webhook_deliveries": _("what these programs were told"),
    "webhook_events": _("what the WhatsApp connection reported, word for word"),
    "early_receipts": _("receipts that came before their message"),
    "contacts": _("the contacts, with number, name and own fields"),
    "tags": _("the tags"),
    "contact_tags": _("which contact has which tag"),
    "contact_merges": _("contacts that somebody found to be the same person"),
    "merged_messages": _("the messages that came over with such a contact"),
    "consent_events": _("when messages were refused or wanted, with the words that said so"),
    "suppressions": _("that somebody is not to be written to any more; the number itself is not known"),
    "erasures": _("people's data that was erased on request"),
    "conversations": _("the conversations: which contact at which unit"),
    "conversation_aliases": _("conversations that were joined to another one"),
    "conversation_events": _("notes in conversations, who answered them, and when they were closed"),
    "messages": _("every message, with its text and times"),
    "message_changes": _("edits and deletions of messages"),
    "media": _("the files of the messages; each is in files/, under a name that begins with its “id”"),
    "message_templates": _("the templates"),
    "template_versions": _("their texts, each version"),
    "campaigns": _("the campaigns"),
    "campaign_recipients": _("whom each campaign was for, and what became of it"),
    "imports": _("the lists that were imported"),
    "import_chunks": _("the pieces in which a list came, without their content"),
    "import_rows": _("lines of such lists about which there was something to say"),
    "import_changes": _("what an import changed at a contact"),
    "audit_events": _("who changed what, and when"),
}


class _Pipe(RawIOBase):
    """Takes what the ZIP file writes, until it is handed on."""

    def __init__(self) -> None:
        self._written = bytearray()

    def writable(self) -> bool:
        return True

    def write(self, data: Any) -> int:
        self._written += data
        return len(data)

    def is_full(self) -> bool:
        return len(self._written) >= PIECE

    def take(self) -> bytes:
        taken = bytes(self._written)
        self._written.clear()
        return taken


def export(scope: TenantScope) -> Iterator[bytes]:
    """The pieces of the archive. That it was asked for is noted before the first of them is made."""
    with atomic():
        audit.record(scope, "tenant.exported", ("tenant", scope.tenant_id))
    return _pieces(scope, readme())


def list_contents() -> list[tuple[str, str]]:
    """The files of the archive that hold rows, each with what it is about."""
    return [(_file_name(model), str(ABOUT[model.__tablename__])) for model in tenant_data.models_of_tenants()]


def readme() -> str:
    lines = (
        gettext("This archive holds all that this portal keeps about one company."),
        "",
        gettext("Each file with the ending .jsonl is a table: one row a line, written as JSON (JSON Lines, UTF-8)."),
        *(f"  {name} – {words}" for name, words in list_contents()),
        "",
        gettext("files/ – the pictures, recordings and documents of the messages, as far as they are stored here."),
        "",
        gettext(
            "Rows name each other by their ids: “contact_id” is the “id” of a line in contacts.jsonl."
            " All times are UTC."
        ),
        gettext(
            "Passwords, keys, tokens and their fingerprints are left out. Each line is as it was when it was written,"
            " and the portal went on meanwhile."
        ),
    )
    return "\r\n".join(lines) + "\r\n"


def _pieces(scope: TenantScope, about: str) -> Iterator[bytes]:
    pipe = _Pipe()
    # Whoever fetches it may take an hour: by then the call that began it is long over.
    with acting_for(scope), ZipFile(pipe, "w", ZIP_DEFLATED) as archive:
        archive.writestr("README.txt", about)
        for model in tenant_data.models_of_tenants():
            with archive.open(_file_name(model), "w", force_zip64=True) as stream:
                for line in tenant_data.read_lines(scope, model):
                    stream.write(line)
                    if pipe.is_full():
                        yield pipe.take()
        for name, content in tenant_data.read_files(scope):
            # Pictures, films and PDFs do not get smaller.
            archive.writestr(name, content, ZIP_STORED)
            yield pipe.take()
    yield pipe.take()


def _file_name(model: type[Base]) -> str:
    return f"{model.__tablename__}.jsonl"
