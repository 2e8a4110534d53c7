"""The forms in which a message is written: the composer of a thread, and the one to a number."""

from flask_babel import lazy_gettext as _
from flask_wtf import FlaskForm
from flask_wtf.file import FileField
from wtforms import StringField, TelField, TextAreaField

from portal.services.media import Upload
from portal.web.forms import message_id_of
from portal.web.render import wants_part


class ReplyForm(FlaskForm):  # type: ignore[misc]
    text = TextAreaField(_("Message"))
    file = FileField(_("File"))
    # The template with which the message began, and the id of its file where that goes along.
    template = StringField()
    template_file = StringField()
    # The id of the message that is quoted.
    answers_to = StringField()
    since = StringField()
    form_id = StringField()


class SendForm(FlaskForm):  # type: ignore[misc]
    phone = TelField(_("Phone number"), description=_("With country and area code, such as +55 11 99999-0001."))
    text = TextAreaField(_("Message"))
    file = FileField(
        _("File (optional)"),
        description=_("A photo, video, audio file or document of at most 16 MB. The message then stands below it."),
    )
    # The id of the file of the template with which the message began.
    template_file = StringField()
    form_id = StringField()


def id_of(form: ReplyForm | SendForm, upload: Upload | None) -> str | None:
    """What tells the message that stands in this showing of the form from others."""
    return message_id_of(form.form_id.data, form.text.data or "", upload)


def ask_for_file_again(form: ReplyForm | SendForm) -> None:
    """A page that is loaded anew has lost the file; htmx keeps the field that holds it."""
    if form.file.data and not wants_part():
        form.file.errors = [*form.file.errors, _("Choose the file again.")]
