"""What each role and each scope of an API token may do, as two tables."""

from collections.abc import Iterable
from enum import StrEnum


class Role(StrEnum):
    SUPER_ADMIN = "super_admin"
    TENANT_ADMIN = "tenant_admin"
    AGENT = "agent"


class Permission(StrEnum):
    VIEW_UNITS = "view_units"
    MANAGE_UNITS = "manage_units"
    CONNECT = "connect"
    READ_MESSAGES = "read_messages"
    SEND = "send"
    # Names, tags, attributes and consent of the people one may write to.
    EDIT_CONTACTS = "edit_contacts"
    # All of a company's people at once: import, merge, export, erase; and its rules about them.
    MANAGE_CONTACTS = "manage_contacts"
    # What a company prepared to write.
    MANAGE_TEMPLATES = "manage_templates"
    READ_CAMPAIGNS = "read_campaigns"
    # Sending to many at once, and how fast a unit may.
    MANAGE_CAMPAIGNS = "manage_campaigns"
    # The tokens of a company's programs, and where these listen.
    MANAGE_INTEGRATIONS = "manage_integrations"
    # Who belongs to a company, in which role and units, and what they are signed in with.
    MANAGE_MEMBERS = "manage_members"
    READ_AUDIT = "read_audit"
    # What only the company itself decides: who of the portal may read its messages, and its whole export.
    MANAGE_COMPANY = "manage_company"
    OPERATE = "operate"


ALLOWED: dict[Role, frozenset[Permission]] = {
    # An operator runs every tenant without reading its messages (R7).
    Role.SUPER_ADMIN: frozenset(
        {
            Permission.VIEW_UNITS,
            Permission.MANAGE_UNITS,
            Permission.CONNECT,
            Permission.MANAGE_MEMBERS,
            Permission.READ_AUDIT,
            Permission.OPERATE,
        }
    ),
    Role.TENANT_ADMIN: frozenset(
        {
            Permission.VIEW_UNITS,
            Permission.MANAGE_UNITS,
            Permission.CONNECT,
            Permission.READ_MESSAGES,
            Permission.SEND,
            Permission.EDIT_CONTACTS,
            Permission.MANAGE_CONTACTS,
            Permission.MANAGE_TEMPLATES,
            Permission.READ_CAMPAIGNS,
            Permission.MANAGE_CAMPAIGNS,
            Permission.MANAGE_INTEGRATIONS,
            Permission.MANAGE_MEMBERS,
            Permission.READ_AUDIT,
            Permission.MANAGE_COMPANY,
        }
    ),
    Role.AGENT: frozenset(
        {
            Permission.VIEW_UNITS,
            Permission.READ_MESSAGES,
            Permission.SEND,
            Permission.EDIT_CONTACTS,
            Permission.READ_CAMPAIGNS,
        }
    ),
}

# What an operator may do besides while a company lets them read.
ALLOWED_BY_GRANT = frozenset({Permission.READ_MESSAGES, Permission.READ_CAMPAIGNS})


class ApiScope(StrEnum):
    """What a company's API token may be allowed."""

    READ = "read"
    SEND = "send"
    CAMPAIGNS = "campaigns"
    CONNECT = "connect"


# Whatever a token is for, it sees which units there are.
ALLOWED_BY_SCOPE: dict[ApiScope, frozenset[Permission]] = {
    ApiScope.READ: frozenset({Permission.VIEW_UNITS, Permission.READ_MESSAGES, Permission.READ_CAMPAIGNS}),
    ApiScope.SEND: frozenset({Permission.VIEW_UNITS, Permission.SEND}),
    ApiScope.CAMPAIGNS: frozenset({Permission.VIEW_UNITS, Permission.READ_CAMPAIGNS, Permission.MANAGE_CAMPAIGNS}),
    ApiScope.CONNECT: frozenset({Permission.VIEW_UNITS, Permission.CONNECT}),
}


def allows(role: Role, permission: Permission) -> bool:
    return permission in ALLOWED[role]


def permissions_of(scopes: Iterable[str]) -> frozenset[Permission]:
    """What a token with these scopes may do."""
    return frozenset().union(*(ALLOWED_BY_SCOPE[ApiScope(scope)] for scope in scopes))
