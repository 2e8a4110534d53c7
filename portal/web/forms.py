"""What every form shares: a refusal of the domain becomes a sentence beside its field."""

from typing import Any

from flask_wtf import FlaskForm

from portal.errors import Invalid


def show_problems(form: FlaskForm, error: Invalid) -> None:
    """Put each sentence beside the field it is about; the rest goes above the form."""
    for name, sentence in error.fields.items():
        field: Any = form._fields.get(name)
        if field is not None:
            field.errors = [*field.errors, sentence]
        else:
            form.form_errors.append(sentence)
