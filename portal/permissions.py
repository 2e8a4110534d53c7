"""What each role may do, as one table."""

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
    OPERATE = "operate"


ALLOWED: dict[Role, frozenset[Permission]] = {
    # An operator runs every tenant without reading its messages (R7).
    Role.SUPER_ADMIN: frozenset(
        {Permission.VIEW_UNITS, Permission.MANAGE_UNITS, Permission.CONNECT, Permission.OPERATE}
    ),
    Role.TENANT_ADMIN: frozenset(
        {Permission.VIEW_UNITS, Permission.MANAGE_UNITS, Permission.CONNECT, Permission.READ_MESSAGES, Permission.SEND}
    ),
    Role.AGENT: frozenset({Permission.VIEW_UNITS, Permission.READ_MESSAGES, Permission.SEND}),
}


def allows(role: Role, permission: Permission) -> bool:
    return permission in ALLOWED[role]
