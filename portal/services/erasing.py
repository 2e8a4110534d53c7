"""Erasing one person's data: asked for here, done by a worker (`background/erasures.py`)."""

from uuid import UUID

from flask_babel import gettext as _
from uuid_utils.compat import uuid7

from portal import queue
from portal.db import atomic, db, on_commit
from portal.errors import Invalid
from portal.models import Erasure
from portal.services import audit
from portal.services.consent import lock_contact
from portal.tenancy import TenantScope


def erase(scope: TenantScope, contact_id: UUID, *, is_understood: bool) -> UUID:
    """Ask that everything about this person be deleted; gives the id of the erasure. Asking twice asks once.

    Raises NotFound, and Invalid for `understood` unless the person said that it cannot be undone.
    """
    if not is_understood:
        raise Invalid({"understood": _("Tick this box first: nobody can bring the data back.")})
    with atomic():
        # Held: nobody may merge this person into another one before it is known that they are to be erased.
        contact = lock_contact(scope, contact_id)
        row = {"id": uuid7(), "contact_id": contact.id, "asked_by_id": scope.user_id}
        asked = scope.insert(Erasure, [row]).on_conflict_do_nothing().returning(Erasure.id)
        if db.session.scalar(asked) is not None:
            # The person's id leads to nobody once this is done.
            audit.record(scope, "contact.erasure_asked", ("contact", contact.id))
        on_commit(queue.wake_background)
        return _erasure_of(scope, contact.id)


def _erasure_of(scope: TenantScope, contact_id: UUID) -> UUID:
    found: UUID = db.session.scalars(scope.select(Erasure, Erasure.id).where(Erasure.contact_id == contact_id)).one()
    return found
