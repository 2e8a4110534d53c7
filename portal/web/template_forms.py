"""The form in which a template is written."""

from typing import Self

from flask import request
from flask_babel import lazy_gettext as _
from flask_wtf import FlaskForm
from flask_wtf.file import FileField
from wtforms import BooleanField, StringField, TextAreaField

from portal.errors import Conflict
from portal.queries.message_templates import TemplateRow
from portal.services.template_checks import Content
from portal.web.render import wants_part
from portal.web.uploads import upload_of

VARIANTS = tuple(f"variant_{number}" for number in range(1, 6))


class TemplateForm(FlaskForm):  # type: ignore[misc]
    name = StringField(_("Name"), description=_("Only your company sees it."))
    shortcut = StringField(
        _("Short cut (optional)"),
        description=_("Typed after “/” in a conversation, it begins a reply with this template: /price."),
    )
    variant_1 = TextAreaField(_("Message"))
    variant_2 = TextAreaField(_("Variant %(number)s", number=2))
    variant_3 = TextAreaField(_("Variant %(number)s", number=3))
    variant_4 = TextAreaField(_("Variant %(number)s", number=4))
    variant_5 = TextAreaField(_("Variant %(number)s", number=5))
    file = FileField(_("File (optional)"), description=_("At most 16 MB. The message then stands below it."))
    removes_file = BooleanField(_("Take the file away"))
    based_on = StringField()
    preview_for = StringField(_("Show it for"), description=_("A part of a name or number. Empty: the newest contact."))

    @classmethod
    def of(cls, row: TemplateRow) -> Self:
        """The form as it is filled in for a template."""
        texts = dict(zip(VARIANTS, row.version.variants, strict=False))
        named = {"name": row.template.name, "shortcut": row.template.shortcut}
        return cls(formdata=None, based_on=str(row.newest), **named, **texts)

    @property
    def wants_preview(self) -> bool:
        return "preview" in request.form

    @property
    def texts(self) -> list[str]:
        return [self[name].data or "" for name in VARIANTS]

    @property
    def content(self) -> Content:
        """What somebody wants the template to say."""
        return Content(
            self.name.data or "",
            self.texts,
            upload=upload_of(self.file),
            keeps_file=not self.removes_file.data,
            shortcut=self.shortcut.data or "",
        )

    @property
    def version_looked_at(self) -> int:
        """The version with which the form began: 0, which is none, where it says nonsense."""
        text = self.based_on.data or ""
        return int(text) if text.isascii() and text.isdigit() and len(text) < 8 else 0

    def has_file(self, row: TemplateRow | None) -> bool:
        """Whether the template would carry a file: htmx sends of a chosen file only that there is one."""
        is_chosen = bool(self.file.data) or bool(request.form.get("file"))
        return is_chosen or (row is not None and row.file is not None and not self.removes_file.data)

    def ask_for_file_again(self) -> None:
        """A page that is loaded anew has lost the file."""
        if self.file.data and not wants_part():
            self.file.errors = [*self.file.errors, _("Choose the file again.")]

    def after_conflict(self, row: TemplateRow, conflict: Conflict) -> Self:
        """The same form, which now knows of the version that somebody else saved."""
        self.form_errors.append(conflict.message)
        self.based_on.data = str(row.newest)
        return self
