"""Writing to a number, in a page of its own: the conversation opens with what is sent."""

from flask import g, redirect, render_template, request, url_for
from flask.typing import ResponseReturnValue

from portal.errors import Conflict, Invalid
from portal.permissions import Permission
from portal.queries import message_templates, units
from portal.services import conversations
from portal.web import beginnings
from portal.web.access import requires
from portal.web.forms import new_form_id, show_problems
from portal.web.message_forms import SendForm, ask_for_file_again, id_of
from portal.web.uploads import upload_of


@requires(Permission.SEND)
def write(unit_slug: str) -> ResponseReturnValue:
    begun = beginnings.find_beginning(g.scope, request.args)
    text = begun.rendered.text if begun else None
    return _page(unit_slug, SendForm(formdata=None, phone=request.args.get("phone"), text=text))


@requires(Permission.SEND)
def send(unit_slug: str) -> ResponseReturnValue:
    unit, form = units.get_unit(g.scope, unit_slug), SendForm()
    try:
        beginnings.check_filled_in(beginnings.find_beginning(g.scope, request.args), form.text.data or "")
        upload = upload_of(form.file) or beginnings.find_file(g.scope, form.template_file.data)
        queued = conversations.send_to_phone(
            g.scope,
            unit.id,
            phone=form.phone.data or "",
            text=form.text.data or "",
            upload=upload,
            client_message_id=id_of(form, upload),
        )
    except Invalid as e:
        show_problems(form, e)
        return _page(unit_slug, form, status=422)
    except Conflict as e:
        form.form_errors.append(e.message)
        return _page(unit_slug, form, status=409)
    return redirect(url_for(".show", conversation_id=queued.message.conversation_id), code=303)


def _page(unit_slug: str, form: SendForm, *, status: int = 200) -> ResponseReturnValue:
    ask_for_file_again(form)
    unit = units.get_unit(g.scope, unit_slug)
    page = render_template(
        "conversations/send.html",
        unit=unit,
        connection=units.get_connection(g.scope, unit.id),
        form=form,
        form_id=new_form_id(),
        begun=beginnings.find_beginning(g.scope, request.args),
        templates=message_templates.list_names(g.scope),
        sends_file=request.method == "GET" or bool(form.template_file.data),
    )
    return page, status
