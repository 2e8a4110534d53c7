"""The database of before the portal, with a few rows, and with everything that can be wrong with them."""

from uuid import UUID


def id_of(kind: int, number: int) -> UUID:
    return UUID(f"00000000-0000-4000-8{kind:03}-{number:012}")


UNIT, USER, CONTACT, CONVERSATION, MESSAGE, CONNECTION = 1, 2, 3, 4, 5, 6


def values(*rows: tuple[object, ...]) -> str:
    return ", ".join(f"({', '.join(map(_literal, row))})" for row in rows)


def _literal(value: object) -> str:
    if value is None:
        return "NULL"
    return str(value) if isinstance(value, int) else "'" + str(value).replace("'", "''") + "'"


TABLES = """
CREATE TABLE units (id uuid PRIMARY KEY, name text, slug text);
CREATE TABLE users (id uuid PRIMARY KEY, unit_id uuid REFERENCES units (id), email text, password text, role text);
CREATE TABLE contacts (id uuid PRIMARY KEY, phone text, name text);
CREATE TABLE conversations (
    id uuid PRIMARY KEY, unit_id uuid REFERENCES units (id), contact_id uuid REFERENCES contacts (id), status text
);
CREATE TABLE messages (
    id uuid PRIMARY KEY, conversation_id uuid REFERENCES conversations (id), sender text, content text, status text,
    external_id text, created_at timestamptz
);
CREATE TABLE unit_whatsapp_connections (
    id uuid PRIMARY KEY, unit_id uuid UNIQUE REFERENCES units (id), provider text, instance_id text, status text,
    webhook_secret text
);
"""
PLAIN = f"""
INSERT INTO units VALUES {
    values(
        (id_of(UNIT, 1), "Centro", "centro"),
        (id_of(UNIT, 2), "Zona Sul", "zona-sul"),
    )
};
INSERT INTO users VALUES {
    values(
        (id_of(USER, 1), None, "admin@older.test", "$2b$12$of-the-admin", "admin"),
        (id_of(USER, 2), id_of(UNIT, 1), "agent@older.test", "$2b$12$of-the-agent", "agent"),
    )
};
INSERT INTO contacts VALUES {
    values(
        (id_of(CONTACT, 1), "+55 11 99999-0001", "Maria"),
        (id_of(CONTACT, 2), "5511999990002", None),
    )
};
INSERT INTO conversations VALUES {
    values(
        (id_of(CONVERSATION, 1), id_of(UNIT, 1), id_of(CONTACT, 1), "open"),
        (id_of(CONVERSATION, 2), id_of(UNIT, 2), id_of(CONTACT, 2), "closed"),
    )
};
INSERT INTO messages VALUES {
    values(
        (id_of(MESSAGE, 1), id_of(CONVERSATION, 1), "customer", "Bom dia", "received", "3A01", "2024-03-01 12:00+00"),
        (id_of(MESSAGE, 2), id_of(CONVERSATION, 1), "agent", "Olá, Maria!", "read", "3A02", "2024-03-01 12:01+00"),
        (id_of(MESSAGE, 3), id_of(CONVERSATION, 2), "agent", "Seu pedido chegou", "sent", None, "2024-03-02 09:00+00"),
    )
};
INSERT INTO unit_whatsapp_connections VALUES {
    values(
        (id_of(CONNECTION, 1), id_of(UNIT, 1), "evolution", "loja-centro", "connected", "a-secret-of-before"),
    )
};
"""
# Somebody began to go live by hand.
GO_LIVE_COLUMNS = """
ALTER TABLE messages ADD client_message_id text, ADD retry_count integer DEFAULT 0, ADD last_retry_at timestamptz,
    ADD error_details jsonb;
ALTER TABLE unit_whatsapp_connections ADD status_reason text, ADD connected_at timestamptz;
CREATE INDEX idx_messages_retry_failed ON messages (status) WHERE status = 'failed';
CREATE INDEX idx_unit_whatsapp_instance_lookup ON unit_whatsapp_connections (instance_id);
CREATE TABLE campaigns (id uuid CONSTRAINT pk_campaigns PRIMARY KEY, unit_id uuid REFERENCES units (id), name text);
CREATE TABLE campaign_recipients (
    campaign_id uuid REFERENCES campaigns (id), contact_id uuid REFERENCES contacts (id),
    CONSTRAINT uq_campaign_recipients_campaign_id_contact_id UNIQUE (campaign_id, contact_id)
);
"""
DUPLICATES = f"""
{GO_LIVE_COLUMNS}
INSERT INTO messages (id, conversation_id, sender, content, status, created_at, client_message_id, retry_count)
VALUES {
    values(
        (id_of(MESSAGE, 11), id_of(CONVERSATION, 1), "agent", "um", "failed", "2024-03-03 09:00+00", "c-1", 3),
        (id_of(MESSAGE, 12), id_of(CONVERSATION, 1), "agent", "um de novo", "sent", "2024-03-03 09:01+00", "c-1", 0),
        (id_of(MESSAGE, 13), id_of(CONVERSATION, 1), "agent", "um outra vez", "sent", "2024-03-03 09:02+00", "c-1", 0),
        (
            id_of(MESSAGE, 14),
            id_of(CONVERSATION, 2),
            "agent",
            "outra conversa",
            "sent",
            "2024-03-03 09:03+00",
            "c-1",
            0,
        ),
    )
};
"""
LOOSE_TABLES = """
CREATE TYPE priority AS ENUM ('low', 'high');
CREATE TABLE units (id uuid, name text, slug text, address text);
CREATE TABLE users (id uuid, unit_id uuid, email text, password text, role text, is_active boolean DEFAULT true);
CREATE TABLE contacts (id uuid, phone text, name text, tags text[]);
CREATE TABLE conversations (id uuid, unit_id uuid, contact_id uuid, status text);
CREATE TABLE messages (
    id uuid, conversation_id uuid, sender text, content text, status text, external_id text, created_at timestamp,
    client_message_id text, retry_count integer, urgency priority
);
CREATE TABLE unit_whatsapp_connections (
    id uuid, unit_id uuid, provider text, instance_id text, status text, webhook_secret text
);
ALTER TABLE messages ENABLE ROW LEVEL SECURITY, FORCE ROW LEVEL SECURITY;
CREATE POLICY nobody ON messages USING (false);
"""
MESSES = f"""
INSERT INTO units VALUES {
    values(
        (id_of(UNIT, 1), "Loja Centro " + "x" * 130, "Loja Centro", "Rua A, 1"),
        (id_of(UNIT, 2), None, "loja-centro", None),
        (id_of(UNIT, 3), "São João", None, None),
        (None, "Sem número", "", None),
    )
};
INSERT INTO users VALUES {
    values(
        (id_of(USER, 1), id_of(UNIT, 1), "Chefe@Older.Test", "$2b$12$a", "admin", "true"),
        (id_of(USER, 2), id_of(UNIT, 2), "chefe@older.test", "$2b$12$b", "agent", "true"),
        (id_of(USER, 3), id_of(UNIT, 99), "lost@older.test", "$2b$12$c", "manager", "true"),
        (id_of(USER, 4), None, None, None, None, "true"),
        (id_of(USER, 5), id_of(UNIT, 1), "former@older.test", "$2b$12$d", "agent", "false"),
    )
};
INSERT INTO contacts VALUES {
    values(
        (id_of(CONTACT, 1), "+55 (11) 99999-0001", None, "{vip}"),
        (id_of(CONTACT, 2), "551199990001", "Maria", "{new,late}"),
        (id_of(CONTACT, 3), "5511999990001@s.whatsapp.net", "Maria S.", None),
        (id_of(CONTACT, 4), "ask her", "Nobody's number", None),
        (id_of(CONTACT, 5), None, None, None),
        (id_of(CONTACT, 6), "120363025246125486@g.us", "Equipe", None),
        (id_of(CONTACT, 7), "214130000000001@lid", "Bia", None),
        (id_of(CONTACT, 1), "+1 212 555 0100", "same id", None),
    )
};
INSERT INTO conversations VALUES {
    values(
        (id_of(CONVERSATION, 1), id_of(UNIT, 1), id_of(CONTACT, 1), "closed"),
        (id_of(CONVERSATION, 2), id_of(UNIT, 1), id_of(CONTACT, 2), "waiting"),
        (id_of(CONVERSATION, 3), id_of(UNIT, 99), id_of(CONTACT, 4), "open"),
        (id_of(CONVERSATION, 4), None, id_of(CONTACT, 99), None),
        (id_of(CONVERSATION, 5), id_of(UNIT, 2), None, "open"),
        (id_of(CONVERSATION, 6), id_of(UNIT, 2), id_of(CONTACT, 6), "resolved"),
    )
};
INSERT INTO messages VALUES {
    values(
        (
            id_of(MESSAGE, 1),
            id_of(CONVERSATION, 1),
            "customer",
            "Oi",
            "received",
            "X1",
            "2024-01-01 10:00",
            "c",
            0,
            "low",
        ),
        (id_of(MESSAGE, 2), id_of(CONVERSATION, 2), "agent", "Olá", "sent", "X1", "2024-01-01 10:01", "c", 2, None),
        (
            id_of(MESSAGE, 3),
            id_of(CONVERSATION, 2),
            "bot",
            "Menu",
            "weird",
            None,
            "2024-01-01 10:02",
            None,
            None,
            "high",
        ),
        (id_of(MESSAGE, 4), id_of(CONVERSATION, 2), "agent", None, "pending", None, None, None, None, None),
        (
            id_of(MESSAGE, 5),
            id_of(CONVERSATION, 99),
            "customer",
            "Alô?",
            None,
            "X5",
            "2024-01-02 10:00",
            None,
            None,
            None,
        ),
        (id_of(MESSAGE, 6), None, None, "?", None, "", "infinity", None, None, None),
        (None, id_of(CONVERSATION, 3), "Agent ", "ok", "READ", "Y" * 90, "2024-01-03 10:00", None, None, None),
        (
            id_of(MESSAGE, 1),
            id_of(CONVERSATION, 3),
            "agent",
            "twice",
            "queued",
            None,
            "2024-01-03 11:00",
            None,
            None,
            None,
        ),
    )
};
INSERT INTO unit_whatsapp_connections VALUES {
    values(
        (id_of(CONNECTION, 1), id_of(UNIT, 1), "evolution", "loja", "open", "s1"),
        (id_of(CONNECTION, 2), id_of(UNIT, 1), "evolution", "loja-2", "open", "s2"),
        (id_of(CONNECTION, 3), id_of(UNIT, 2), "evolution", "loja", "close", "s3"),
        (id_of(CONNECTION, 4), id_of(UNIT, 3), "zapi", "zapi-1", "connected", "s4"),
        (id_of(CONNECTION, 5), id_of(UNIT, 99), "evolution", "lost", None, None),
    )
};
"""
