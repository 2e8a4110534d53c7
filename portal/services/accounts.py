"""Who a person is, which tenant they may act for, and the tokens they carry. Finding that out crosses tenants."""

from dataclasses import dataclass, field, replace
from datetime import timedelta
from typing import Any
from uuid import UUID

from flask_babel import gettext as _
from sqlalchemy import ColumnElement, DateTime, Row, Select, and_, bindparam, func, or_, select, update
from sqlalchemy.exc import IntegrityError
from uuid_utils.compat import uuid7
from werkzeug.security import check_password_hash, generate_password_hash

from portal.clock import now
from portal.db import atomic, db, first_id_at
from portal.errors import Forbidden, Invalid, NotFound
from portal.models import ApiToken, ApiTokenUnit, Tenant, TokenKind, Unit, User, UserUnit
from portal.permissions import Permission, Role, permissions_of
from portal.queries import access_grants
from portal.secrets import fingerprint, new_secret
from portal.services import standing
from portal.services.passwords import LONGEST as LONGEST_PASSWORD
from portal.services.passwords import checked_password
from portal.tenancy import TenantScope, TokenUse, across_tenants, may

SUSPENDED = "suspended"
ACCESS_FOR = timedelta(hours=1)
REFRESH_FOR = timedelta(days=30)
# However often it is renewed, a program gives the password again after this time.
RENEWED_FOR = timedelta(days=90)
USE_NOTED_EVERY = timedelta(minutes=1)
# Checked when the address is unknown, so that the answer takes as long as for a known one.
_NOBODYS_HASH = generate_password_hash("nobody")


@dataclass(frozen=True)
class Account:
    """A signed-in person, or a company's API token, which is nobody: it has no id. Detached from the database."""

    id: UUID | None
    email: str
    role: Role
    tenant_id: UUID | None
    tenant_slug: str | None
    unit_ids: frozenset[UUID] | None
    locale: str | None
    token: TokenUse | None = None
    # An operator suspended their company; closed: for good.
    is_suspended: bool = False
    is_closed: bool = False
    # Of the password and the second factor that they have: who is let in later is let in with these only.
    mark: str = field(default="", repr=False)

    def allows(self, permission: Permission) -> bool:
        return may(self.role, self.token, permission)


@dataclass(frozen=True)
class Tokens:
    access: str
    refresh: str
    expires_in_s: int


def sign_in(email: str, password: str) -> Account | None:
    """The account, or None: nobody learns whether the address or the password was wrong."""
    with across_tenants("the address decides the tenant"):
        user = db.session.scalar(select(User).where(User.email == as_typed(email), User.disabled_at.is_(None)))
        kept = user.password_hash if user else None
        is_right = check_password_hash(kept or _NOBODYS_HASH, password[:LONGEST_PASSWORD])
        return _account(user) if user and kept and is_right else None


def find_account(user_id: UUID) -> Account | None:
    with across_tenants("a session holds a user's id only"):
        found = db.session.execute(select_people().where(User.id == user_id)).one_or_none()
        return make_account(*found) if found else None


def select_people() -> Select[Any]:
    """Those who are not shut out, each with what `make_account` takes besides: one look tells all of a request."""
    units = select(func.array_agg(UserUnit.unit_id)).where(UserUnit.user_id == User.id).correlate(User)
    return (
        select(User, Tenant, units.scalar_subquery())
        .select_from(User)
        .outerjoin(Tenant, Tenant.id == User.tenant_id)
        .where(User.disabled_at.is_(None))
        .execution_options(populate_existing=True)
    )


def make_account(user: User, tenant: Tenant | None, unit_ids: list[UUID] | None) -> Account:
    role = Role(user.role)
    return Account(
        id=user.id,
        email=user.email,
        role=role,
        tenant_id=user.tenant_id,
        tenant_slug=tenant.slug if tenant else None,
        unit_ids=frozenset(unit_ids or ()) if role is Role.AGENT else None,
        locale=user.locale,
        is_suspended=tenant is not None and tenant.suspended_at is not None,
        is_closed=tenant is not None and tenant.closed_at is not None,
        mark=standing.mark_of(user),
    )


def scope_for(
    account: Account, tenant_slug: str, *, address: str | None = None, is_export: bool = False
) -> TenantScope:
    """What the account may see of that tenant. Raises NotFound for a stranger, just as for no such tenant.

    This is the way of the pages: only there an operator reads what the tenant lets them. Raises Forbidden when the
    tenant is suspended, but for an operator; of one that is closed there is nothing left but its export.
    """
    if account.tenant_slug == as_typed(tenant_slug):
        # Theirs, which was read together with the account; operators have none.
        return _scope(account, account.tenant_id, address, is_export=is_export)
    with across_tenants("the address names the tenant"):
        tenant_id = db.session.scalar(select(Tenant.id).where(Tenant.slug == as_typed(tenant_slug)))
        scope = _scope(account, tenant_id, address, is_export=is_export)
        is_granted = account.role is Role.SUPER_ADMIN and access_grants.find_running(scope) is not None
    return replace(scope, is_granted=is_granted)


def scope_for_unit(account: Account, unit_id: UUID, *, address: str | None = None) -> TenantScope:
    """The scope of the tenant that unit belongs to. Raises NotFound for a stranger, Forbidden while it is suspended."""
    with across_tenants("an id alone names the unit"):
        tenant_id = db.session.scalar(select(Unit.tenant_id).where(Unit.id == unit_id))
    return _scope(account, tenant_id, address)


def own_scope(account: Account, *, address: str | None = None) -> TenantScope:
    """The scope of the account's own tenant. Raises NotFound for a super admin, who has none.

    Raises Forbidden while the tenant is suspended.
    """
    return _scope(account, account.tenant_id, address)


def as_typed(text: str) -> str:
    """What somebody typed as an address or a short name; PostgreSQL's text refuses NUL."""
    return text.replace("\x00", "").strip().lower()


def system_scope(tenant_slug: str) -> TenantScope:
    """A scope for an operator's command. Raises NotFound."""
    with across_tenants("a command names the tenant"):
        tenant_id = db.session.scalar(select(Tenant.id).where(Tenant.slug == as_typed(tenant_slug)))
    if tenant_id is None:
        raise NotFound(_("There is no tenant %(slug)s.", slug=tenant_slug))
    return TenantScope(tenant_id)


def create_user(
    *, email: str, role: Role, password: str, tenant_slug: str | None = None, unit_slugs: tuple[str, ...] = ()
) -> User:
    """Make a person's account. Raises Invalid, and NotFound for an unknown tenant or unit."""
    email = email.strip().lower()
    _check_user(email, role, password, tenant_slug, unit_slugs)
    user = User(email=email, role=role, password_hash=generate_password_hash(password))
    try:
        with across_tenants("an operator makes accounts"), atomic():
            user.tenant_id = _tenant_id(tenant_slug) if tenant_slug else None
            db.session.add(user)
            db.session.flush()
            for slug in dict.fromkeys(unit_slugs):
                unit_id = _unit_id(user.tenant_id, slug)
                db.session.add(UserUnit(tenant_id=user.tenant_id, user_id=user.id, unit_id=unit_id))
    except IntegrityError as e:
        raise Invalid({"email": _("This e-mail address already has an account.")}) from e
    return user


def choose_locale(account: Account, locale: str) -> None:
    """Keep the language the person wants the portal to speak."""
    with across_tenants("a person's language is theirs, whatever the tenant"), atomic():
        db.session.execute(update(User).where(User.id == account.id).values(locale=locale))


def issue_tokens(account: Account, *, family_id: UUID | None = None) -> Tokens:
    """A short access token and the refresh token that renews it; both are shown only now.

    Raises Conflict when what the person showed counts no more.
    """
    tokens = Tokens(access=new_secret(), refresh=new_secret(), expires_in_s=int(ACCESS_FOR.total_seconds()))
    family_id = family_id or uuid7()
    kinds = ((TokenKind.ACCESS, tokens.access, ACCESS_FOR), (TokenKind.REFRESH, tokens.refresh, REFRESH_FOR))
    with across_tenants("a token finds its tenant"), atomic():
        standing.check(account.id, account.mark)
        for kind, secret, lifetime in kinds:
            db.session.add(
                ApiToken(
                    tenant_id=account.tenant_id,
                    user_id=account.id,
                    kind=kind,
                    token_hash=fingerprint(secret),
                    family_id=family_id,
                    expires_at=now() + lifetime,
                )
            )
    return tokens


def account_of_token(secret: str) -> Account | None:
    """Whoever may call with this bearer token: a person who signed in, or the token itself for its company."""
    with across_tenants("a token finds its tenant"):
        token = db.session.execute(_FOUND, {"token": fingerprint(secret), "now": now()}).one_or_none()
        if token is None:
            return None
        return find_account(token.user_id) if token.kind == TokenKind.ACCESS else _token_account(token)


def refresh(refresh_token: str) -> tuple[Account, Tokens] | None:
    """Exchange a refresh token, once. A second use means that it was stolen: the whole family ends.

    A family is named by when it began, and ends some time after that.
    """
    with across_tenants("a token finds its tenant"), atomic():
        token = db.session.scalar(_REFRESH, {"token": fingerprint(refresh_token), "now": now()})
        if token is None or token.family_id is None or token.family_id < first_id_at(now() - RENEWED_FOR):
            return None
        # Held alone: another token of the family that is used at the same moment leads to one that is seen here.
        user = standing.lock(token.user_id)
        unused = update(ApiToken).where(
            ApiToken.id == token.id, ApiToken.used_at.is_(None), ApiToken.revoked_at.is_(None)
        )
        if db.session.scalar(unused.values(used_at=now()).returning(ApiToken.id)) is None:
            family = update(ApiToken).where(ApiToken.family_id == token.family_id)
            db.session.execute(family.values(revoked_at=func.now()))
            return None
        account = _account(user) if user and user.disabled_at is None else None
        return (account, issue_tokens(account, family_id=token.family_id)) if account else None


def _account(user: User) -> Account:
    tenant = db.session.get(Tenant, user.tenant_id) if user.tenant_id else None
    units = db.session.scalars(select(UserUnit.unit_id).where(UserUnit.user_id == user.id))
    return make_account(user, tenant, list(units))


def _token_account(token: Row[Any]) -> Account:
    _note_use(token)
    return Account(
        id=None,
        email="",
        role=Role.TENANT_ADMIN,
        tenant_id=token.tenant_id,
        tenant_slug=token.slug,
        unit_ids=frozenset(token.unit_ids or ()) or None,
        locale=None,
        token=TokenUse(token.id, permissions_of(token.scopes or ()), is_test=token.kind == TokenKind.TEST),
        is_suspended=token.suspended_at is not None,
        is_closed=token.closed_at is not None,
    )


def _note_use(token: Row[Any]) -> None:
    """When it was used last, to the minute: not every call has to write."""
    if token.used_at is None or now() - token.used_at > USE_NOTED_EVERY:
        with atomic():
            db.session.execute(update(ApiToken).where(ApiToken.id == token.id).values(used_at=now()))


def _scope(account: Account, tenant_id: UUID | None, address: str | None, *, is_export: bool = False) -> TenantScope:
    is_member = account.tenant_id == tenant_id or account.role is Role.SUPER_ADMIN
    if tenant_id is None or not is_member:
        raise NotFound("no such tenant")
    if account.is_suspended and not (account.is_closed and is_export):
        raise Forbidden(_suspension_words(account), code=SUSPENDED)
    return TenantScope(
        tenant_id=tenant_id,
        user_id=account.id,
        role=account.role,
        unit_ids=account.unit_ids,
        address=address,
        token=account.token,
    )


def _suspension_words(account: Account) -> str:
    if account.is_closed:
        return str(_("Your company's account is closed. Its administrators can still fetch its data, for a while."))
    return str(
        _(
            "Your company's account is suspended: nothing is sent, and nothing can be changed. What customers write is"
            " kept. Ask whoever runs this portal."
        )
    )


def _check_user(email: str, role: Role, password: str, tenant_slug: str | None, unit_slugs: tuple[str, ...]) -> None:
    problems = {}
    if "@" not in email or "\x00" in email or len(email) > 254:
        problems["email"] = _("Give an e-mail address, such as name@company.com.")
    try:
        checked_password(password, email=email)
    except Invalid as e:
        problems |= e.fields
    if (role is Role.SUPER_ADMIN) == bool(tenant_slug):
        problems["tenant"] = _("A super admin belongs to no tenant; everybody else to exactly one.")
    if unit_slugs and role is not Role.AGENT:
        problems["unit"] = _("Only agents are limited to units.")
    if problems:
        raise Invalid(problems)


def _tenant_id(slug: str) -> UUID:
    tenant_id = db.session.scalar(select(Tenant.id).where(Tenant.slug == slug))
    if tenant_id is None:
        raise NotFound(_("There is no tenant %(slug)s.", slug=slug))
    return tenant_id


def _unit_id(tenant_id: UUID | None, slug: str) -> UUID:
    unit_id = db.session.scalar(select(Unit.id).where(Unit.tenant_id == tenant_id, Unit.slug == slug))
    if unit_id is None:
        raise NotFound(_("There is no unit %(slug)s.", slug=slug))
    return unit_id


def _is_good(*kinds: TokenKind) -> ColumnElement[bool]:
    """Whether it is the token that somebody shows, of one of these kinds, and counts now."""
    return and_(
        ApiToken.token_hash == bindparam("token"),
        ApiToken.kind.in_(kinds),
        or_(ApiToken.expires_at.is_(None), ApiToken.expires_at > bindparam("now", type_=DateTime(timezone=True))),
        ApiToken.revoked_at.is_(None),
    )


# Built once: every call begins with it, and it tells all that is asked of a company's token.
_FOUND = (
    select(
        ApiToken.id,
        ApiToken.kind,
        ApiToken.user_id,
        ApiToken.tenant_id,
        ApiToken.scopes,
        ApiToken.used_at,
        Tenant.slug,
        Tenant.suspended_at,
        Tenant.closed_at,
        select(func.array_agg(ApiTokenUnit.unit_id))
        .where(ApiTokenUnit.token_id == ApiToken.id)
        .correlate(ApiToken)
        .scalar_subquery()
        .label("unit_ids"),
    )
    .outerjoin(Tenant, Tenant.id == ApiToken.tenant_id)
    .where(_is_good(TokenKind.ACCESS, TokenKind.LIVE, TokenKind.TEST))
)
_REFRESH = select(ApiToken).where(_is_good(TokenKind.REFRESH))
