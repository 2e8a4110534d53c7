"""What every form shares: a refusal of the domain becomes a sentence beside its field."""

from hashlib import sha256
from typing import Any
from uuid import uuid4

from flask_wtf import FlaskForm

from portal.errors import Invalid
from portal.services.media import Upload


def show_problems(form: FlaskForm, error: Invalid) -> None:
    """Put each sentence beside the field it is about; the rest goes above the form."""
    for name, sentence in error.fields.items():
        field: Any = form._fields.get(name)
        if field is not None:
            field.errors = [*field.errors, sentence]
        else:
            form.form_errors.append(sentence)


def new_form_id() -> str:
    """What tells one showing of a form from the next."""
    return uuid4().hex


def message_id_of(form_id: str | None, text: str, upload: Upload | None = None) -> str | None:
    """An id for what stands in one showing of a form: a second click on it sends nothing, another text or file does."""
    if not form_id:
        return None
    written = text if upload is None else f"{upload.sha256} {text}"
    return f"{form_id[:32]}-{sha256(written.encode()).hexdigest()[:16]}"
