"""API tokens of a company: made and revoked by a person, shown once, kept as a fingerprint."""

from collections.abc import Collection, Mapping
from datetime import date, datetime, time, timedelta
from typing import Any
from uuid import UUID
from zoneinfo import ZoneInfo

from flask_babel import gettext as _
from sqlalchemy import func, or_

from portal.clock import now
from portal.db import atomic, db
from portal.errors import Conflict, Invalid, NotFound
from portal.models import ApiToken, ApiTokenUnit, TokenKind, Unit
from portal.permissions import ApiScope
from portal.secrets import fingerprint, new_secret
from portal.services import audit
from portal.tenancy import TenantScope

KINDS = (TokenKind.LIVE, TokenKind.TEST)
LONGEST_NAME = 80
MOST_TOKENS = 50
HINT_LENGTH = 4
# For how long the secret of before may go on, while a program changes over.
GRACES = {"1h": timedelta(hours=1), "24h": timedelta(hours=24), "7d": timedelta(days=7)}
DEFAULT_TIME_ZONE = "America/Sao_Paulo"


def create(
    scope: TenantScope,
    *,
    name: str,
    kind: str,
    scopes: Collection[str],
    unit_ids: Collection[UUID] = (),
    expires_on: str = "",
    zone: str = DEFAULT_TIME_ZONE,
) -> tuple[ApiToken, str]:
    """Make a token and return it with its secret, which is shown only now. No units: all of the company's.

    `expires_on` is the last day that it works, by the clock of the zone; empty: it works until it is revoked.
    Raises Invalid by field, and NotFound for a unit that is not the company's.
    """
    name, expires_on = name.strip(), expires_on.strip()
    expires_at = _end_of_day(expires_on, ZoneInfo(zone))
    _check(name, kind, scopes, has_day=bool(expires_on), expires_at=expires_at)
    with atomic():
        _check_number(scope)
        _check_units(scope, unit_ids)
        token, secret = _add(scope, name, TokenKind(kind), scopes, unit_ids, expires_at)
        audit.record(scope, "api_token.created", ("api_token", token.id), after=_noted(token, unit_ids))
    return token, secret


def rotate(scope: TenantScope, token_id: UUID, *, grace: str) -> tuple[ApiToken, str]:
    """Give the program a token that may do the same, with its secret, which is shown only now.

    The one before goes on for the grace (one of GRACES) and then ends; the last day of both stays what it was. Raises
    NotFound, Invalid for a grace that is none, and Conflict for one that ends sooner than that: a second click, mostly.
    """
    if grace not in GRACES:
        raise Invalid({"grace": _("Choose how long the old secret goes on.")})
    with atomic():
        old = _lock(scope, token_id)
        end = now() + GRACES[grace]
        if old.revoked_at is not None or (old.expires_at is not None and old.expires_at <= end):
            raise Conflict(_("This token ends sooner than that already. Look for the one that took its place."))
        of_old = ApiTokenUnit.token_id == old.id
        units = list(db.session.scalars(scope.select(ApiTokenUnit, ApiTokenUnit.unit_id).where(of_old)))
        # Half of them may just be changing over.
        _check_number(scope, most=2 * MOST_TOKENS)
        new, secret = _add(scope, old.name or "", old.kind, old.scopes or (), units, old.expires_at)
        old.expires_at = end
        ends = {"name": old.name, "expiresAt": end.isoformat()}
        audit.record(scope, "api_token.rotated", ("api_token", old.id), after=ends)
        audit.record(scope, "api_token.created", ("api_token", new.id), after=_noted(new, units))
    return new, secret


def revoke(scope: TenantScope, token_id: UUID) -> ApiToken:
    """End a token at once, and for good. Raises NotFound."""
    with atomic():
        token = _lock(scope, token_id)
        if token.revoked_at is None:
            token.revoked_at = now()
            audit.record(scope, "api_token.revoked", ("api_token", token.id), before={"name": token.name})
    return token


def _lock(scope: TenantScope, token_id: UUID) -> ApiToken:
    named = scope.select(ApiToken).where(ApiToken.id == token_id, ApiToken.name.is_not(None))
    token: ApiToken | None = db.session.scalar(named.with_for_update().execution_options(populate_existing=True))
    if token is None:
        raise NotFound("no such API token")
    return token


def _add(
    scope: TenantScope,
    name: str,
    kind: TokenKind,
    scopes: Collection[str],
    unit_ids: Collection[UUID],
    expires_at: datetime | None,
) -> tuple[ApiToken, str]:
    # Recognisable, so that whoever finds one in a log or a repository knows what leaked.
    secret = f"evp_{kind}_{new_secret()}"
    token = scope.add(
        ApiToken(
            name=name,
            kind=kind,
            token_hash=fingerprint(secret),
            hint=secret[-HINT_LENGTH:],
            scopes=[one.value for one in ApiScope if one in scopes],
            created_by_id=scope.user_id,
            expires_at=expires_at,
        )
    )
    db.session.flush()
    for unit_id in dict.fromkeys(unit_ids):
        scope.add(ApiTokenUnit(token_id=token.id, unit_id=unit_id))
    return token, secret


def _end_of_day(text: str, zone: ZoneInfo) -> datetime | None:
    """The moment at which that day is over; None for what is no day."""
    try:
        return datetime.combine(date.fromisoformat(text) + timedelta(days=1), time(), zone)
    except (ValueError, OverflowError):
        return None


def _check(name: str, kind: str, scopes: Collection[str], *, has_day: bool, expires_at: datetime | None) -> None:
    problems = {}
    if not name or len(name) > LONGEST_NAME or "\x00" in name:
        problems["name"] = _("Give a name of at most %(longest)s characters.", longest=LONGEST_NAME)
    if kind not in KINDS:
        problems["kind"] = _("Choose whether the token is live or a test.")
    if not scopes or not set(scopes) <= set(ApiScope):
        problems["scopes"] = _("Choose at least one thing that the token may do.")
    if has_day and (expires_at is None or expires_at <= now()):
        problems["expires_on"] = _("Choose today or a day to come, or none.")
    if problems:
        raise Invalid(problems)


def _check_number(scope: TenantScope, *, most: int | None = None) -> None:
    is_active = ApiToken.revoked_at.is_(None) & or_(ApiToken.expires_at.is_(None), ApiToken.expires_at > now())
    named = scope.select(ApiToken, func.count()).where(ApiToken.name.is_not(None))
    count: int = db.session.scalars(named.where(is_active)).one()
    if count >= (most or MOST_TOKENS):
        raise Invalid({"name": _("You have %(most)s tokens. Revoke one that nobody uses first.", most=MOST_TOKENS)})


def _check_units(scope: TenantScope, unit_ids: Collection[UUID]) -> None:
    living = scope.select(Unit, Unit.id).where(Unit.archived_at.is_(None))
    found = set(db.session.scalars(living.where(Unit.id.in_(set(unit_ids)))))
    if found != set(unit_ids):
        raise NotFound("no such unit")


def _noted(token: ApiToken, unit_ids: Collection[UUID]) -> Mapping[str, Any]:
    return {
        "name": token.name,
        "kind": token.kind,
        "scopes": token.scopes,
        "units": sorted(str(unit_id) for unit_id in unit_ids),
        "expiresAt": token.expires_at.isoformat() if token.expires_at else None,
    }
