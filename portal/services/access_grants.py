"""Leave for the portal's operators to read a company's messages and numbers: for hours, and every use is noted."""

from datetime import timedelta

from flask_babel import gettext as _

from portal.clock import now
from portal.db import atomic, db
from portal.errors import Conflict, Invalid
from portal.models import AccessGrant
from portal.queries import access_grants as queries
from portal.services import audit
from portal.tenancy import TenantScope

HOURS = (1, 8, 24, 72)
LONGEST_REASON = 200


def give(scope: TenantScope, *, reason: str, hours: int | None) -> AccessGrant:
    """Let operators read from now on, for so many hours. Raises Invalid by field, and Conflict while a grant runs."""
    reason = reason.strip()
    _check(reason, hours)
    with atomic():
        if queries.find_running(scope) is not None:
            raise Conflict(_("Operators may read already. End that first if you want to change the time."))
        expires_at = now() + timedelta(hours=hours or 0)
        grant = scope.add(AccessGrant(granted_by_id=scope.user_id, reason=reason, expires_at=expires_at))
        db.session.flush()
        told = {"hours": hours, "expiresAt": expires_at.isoformat(), "reason": reason}
        audit.record(scope, "access_grant.given", ("access_grant", grant.id), after=told)
    return grant


def end(scope: TenantScope) -> int:
    """End all that runs, at once; how many grants they were."""
    with atomic():
        grants = list(db.session.scalars(queries.running(scope).with_for_update()))
        for grant in grants:
            grant.revoked_at = now()
            before = {"expiresAt": grant.expires_at.isoformat()}
            audit.record(scope, "access_grant.ended", ("access_grant", grant.id), before=before)
    return len(grants)


def note_use(scope: TenantScope, *, operator: str, page: str) -> None:
    """Tell the company that this operator looks at this kind of page: once an hour, not each time it is drawn anew."""
    grant = queries.find_running(scope)
    if grant is None or queries.is_use_noted(scope, grant.id, page):
        return
    with atomic():
        told = {"operator": operator, "page": page}
        audit.record(scope, queries.USED, ("access_grant", grant.id), after=told)


def _check(reason: str, hours: int | None) -> None:
    problems = {}
    if not reason or len(reason) > LONGEST_REASON or "\x00" in reason:
        problems["reason"] = _("Say in at most %(longest)s characters what for.", longest=LONGEST_REASON)
    if hours not in HOURS:
        problems["hours"] = _("Choose for how long.")
    if problems:
        raise Invalid(problems)
