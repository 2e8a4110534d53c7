"""The statements of an import, as SQL: what the rows of a file are to a tenant's contacts, by the thousand.

The guard that reads statements does not see into these, so each of them names the tenant for every table that has one;
the row security of the database, under which they run, filters once more.
"""

from sqlalchemy import TextClause, text


def of_tenant(sql: str) -> TextClause:
    """A statement that is planned as if its tenant were any of them, for the reason of `portal.owners`."""
    return text(sql.replace(":tenant_id", "(SELECT CAST(:tenant_id AS uuid))"))


# People are looked up one by one (LATERAL … LIMIT 1): of a tenant that has just grown the planner knows nothing, and
# would rather read all its contacts, for every few thousand rows anew.

DROP_PEOPLE = text("DROP TABLE IF EXISTS pg_temp.import_people")
# One row for each person of the file: `who` is the contact, else the number, so that two numbers of one person meet.
MAKE_PEOPLE = text(
    """
    CREATE TEMPORARY TABLE import_people (
        who text COLLATE "C" PRIMARY KEY, line int NOT NULL, id uuid NOT NULL, contact_id uuid, phone text NOT NULL,
        name text, attributes jsonb NOT NULL, tags text[] NOT NULL,
        is_changed bool NOT NULL, is_opted_out bool NOT NULL, is_erased bool NOT NULL
    ) ON COMMIT DROP
    """
)
# What some rows say, on its way there.
DROP_INCOMING = text("DROP TABLE IF EXISTS pg_temp.import_incoming")
MAKE_INCOMING = text(
    """
    CREATE TEMPORARY TABLE import_incoming (
        line int NOT NULL, id uuid NOT NULL, phone text NOT NULL, name text, attributes jsonb NOT NULL,
        tags text[] NOT NULL, prints text[]
    ) ON COMMIT DROP
    """
)
MAKE_TABLES = (DROP_PEOPLE, MAKE_PEOPLE, DROP_INCOMING, MAKE_INCOMING)
COPY_INCOMING = "COPY import_incoming (line, id, phone, name, attributes, tags, prints) FROM STDIN"
EMPTY_INCOMING = text("TRUNCATE import_incoming")
# Adds the people of these rows, and gives the rows about which there is something to say. A person's first row counts.
ADD_PEOPLE = of_tenant(
    """
    WITH fresh AS MATERIALIZED (
        SELECT row.line, row.id, row.phone, row.name, row.attributes, row.tags, person.id AS contact_id,
            coalesce(CAST(person.id AS text), row.phone) COLLATE "C" AS who,
            person.id IS NOT NULL
                AND (row.name <> coalesce(person.name, '') OR NOT person.attributes @> row.attributes) AS is_changed,
            person.opted_out_at IS NOT NULL AS is_opted_out,
            row.prints IS NOT NULL AND EXISTS (
                SELECT FROM suppressions
                WHERE suppressions.tenant_id = :tenant_id AND suppressions.fingerprint = ANY(row.prints)) AS is_erased
        FROM import_incoming AS row
        LEFT JOIN LATERAL (
            SELECT coalesce(merged_into_id, id) AS person_id FROM contacts
            WHERE tenant_id = :tenant_id AND phone = row.phone
            LIMIT 1
        ) AS known ON true
        LEFT JOIN LATERAL (
            SELECT id, name, attributes, opted_out_at FROM contacts
            WHERE tenant_id = :tenant_id AND id = known.person_id
            LIMIT 1
        ) AS person ON true
    ), ranked AS (
        SELECT fresh.*, least(there.line, min(fresh.line) OVER (PARTITION BY fresh.who)) AS first_line
        FROM fresh
        LEFT JOIN LATERAL (
            SELECT people.line FROM import_people AS people WHERE people.who = fresh.who LIMIT 1
        ) AS there ON true
    ), added AS (
        INSERT INTO import_people
        SELECT who, line, id, contact_id, phone, name, attributes, tags,
            coalesce(is_changed, false), is_opted_out, is_erased
        FROM ranked WHERE line = first_line
    )
    SELECT line, first_line, is_opted_out, is_erased FROM ranked
    WHERE line > first_line OR is_opted_out OR is_erased
    ORDER BY line
    """
)
COUNT_PEOPLE = text(
    """
    SELECT count(*) FILTER (WHERE contact_id IS NULL AND NOT is_erased) AS new,
        count(*) FILTER (WHERE contact_id IS NOT NULL AND is_changed AND NOT is_erased) AS changed,
        count(*) FILTER (WHERE contact_id IS NOT NULL AND NOT is_changed AND NOT is_erased) AS unchanged,
        count(*) FILTER (WHERE is_opted_out AND NOT is_erased) AS opted_out,
        count(*) FILTER (WHERE is_erased) AS erased
    FROM import_people
    """
)
# The writing goes over the people in their order, some thousand at a time.
INDEX_PEOPLE = text("CREATE INDEX ON import_people (line)")
ANALYZE_PEOPLE = text("ANALYZE import_people")
LAST_LINE = text("SELECT coalesce(max(line), 0) FROM import_people")
# Whoever the inbox added since the check is left to it: MEET_OTHERS finds them.
ADD_CONTACTS = of_tenant(
    """
    WITH wanted AS MATERIALIZED (
        SELECT id, phone, name, attributes FROM import_people
        WHERE line > :after AND line <= :upto AND contact_id IS NULL AND NOT is_erased
        ORDER BY phone
    ), added AS (
        INSERT INTO contacts (id, tenant_id, kind, phone, name, attributes, import_id, created_at)
        SELECT id, :tenant_id, 'person', phone, name, attributes, CAST(:import_id AS uuid),
            CAST(:at AS timestamptz)
        FROM wanted
        ON CONFLICT (tenant_id, phone) DO NOTHING
        RETURNING 1
    )
    SELECT (SELECT count(*) FROM wanted) AS wanted, (SELECT count(*) FROM added) AS added
    """
)
MEET_OTHERS = of_tenant(
    """
    UPDATE import_people SET contact_id = coalesce(contacts.merged_into_id, contacts.id)
    FROM contacts
    WHERE import_people.line > :after AND import_people.line <= :upto AND import_people.contact_id IS NULL
        AND contacts.tenant_id = :tenant_id AND contacts.phone = import_people.phone AND contacts.id <> import_people.id
    """
)
# A name from a list was given by people: no name that WhatsApp tells replaces it. A field that the contact has in
# another spelling is the same field. In the order of the ids, as everybody locks contacts.
CHANGE_CONTACTS = of_tenant(
    """
    WITH known AS MATERIALIZED (
        SELECT contact_id, name, attributes FROM import_people
        WHERE line > :after AND line <= :upto AND contact_id IS NOT NULL AND NOT is_erased
        ORDER BY contact_id
    ), held AS MATERIALIZED (
        SELECT person.*, coalesce(known.name, person.name) AS new_name,
            CASE WHEN known.name <> coalesce(person.name, '') THEN NULL ELSE person.named_at END AS new_named_at,
            (SELECT coalesce(jsonb_object_agg(key, value), '{}') FROM jsonb_each(person.attributes)
             WHERE lower(key) <> ALL (SELECT lower(field) FROM jsonb_object_keys(known.attributes) AS field)
            ) || known.attributes AS new_attributes
        FROM known
        CROSS JOIN LATERAL (
            SELECT id, kind, phone, lid, chat_jid, name, named_at, attributes FROM contacts
            WHERE tenant_id = :tenant_id AND id = known.contact_id
                AND (known.name <> coalesce(name, '') OR NOT attributes @> known.attributes)
            LIMIT 1 FOR NO KEY UPDATE
        ) AS person
    ), changed AS (
        -- They are there: this is an update that finds each row by its key.
        INSERT INTO contacts (id, tenant_id, kind, phone, lid, chat_jid, name, named_at, attributes, created_at)
        SELECT id, :tenant_id, kind, phone, lid, chat_jid, new_name, new_named_at, new_attributes, now()
        FROM held
        ON CONFLICT (tenant_id, id) DO UPDATE
        SET name = excluded.name, named_at = excluded.named_at, attributes = excluded.attributes
    ), noted AS (
        INSERT INTO import_changes (tenant_id, import_id, contact_id, before, after)
        SELECT :tenant_id, CAST(:import_id AS uuid), id,
            jsonb_build_object('name', name, 'named_at', named_at, 'attributes', attributes),
            jsonb_build_object('name', new_name, 'named_at', new_named_at, 'attributes', new_attributes)
        FROM held
        ON CONFLICT DO NOTHING
        RETURNING 1
    )
    SELECT count(*) FROM noted
    """
)
# Of the people that were found when the work began.
FIND_MERGED = of_tenant(
    """
    SELECT 1 FROM contacts
    WHERE tenant_id = :tenant_id AND merged_into_id IS NOT NULL
        AND EXISTS (SELECT FROM import_people WHERE import_people.who = CAST(contacts.id AS text))
    LIMIT 1
    """
)
ADD_TAGS = of_tenant(
    """
    INSERT INTO tags (id, tenant_id, name, created_at)
    SELECT DISTINCT ON (lower(given.tag)) gen_random_uuid(), :tenant_id, given.tag,
        CAST(:at AS timestamptz)
    FROM import_people, unnest(tags || CAST(:tag_names AS text[])) AS given (tag)
    WHERE NOT is_erased
    ORDER BY lower(given.tag), line
    ON CONFLICT DO NOTHING
    """
)
TAG_CONTACTS = of_tenant(
    """
    WITH added AS (
        INSERT INTO contact_tags (tenant_id, contact_id, tag_id, import_id)
        SELECT DISTINCT :tenant_id, coalesce(people.contact_id, people.id), tags.id,
            CAST(:import_id AS uuid)
        FROM import_people AS people
        CROSS JOIN unnest(people.tags || CAST(:tag_names AS text[])) AS given (tag)
        JOIN tags ON tags.tenant_id = :tenant_id AND lower(tags.name) = lower(given.tag)
        WHERE people.line > :after AND people.line <= :upto AND NOT people.is_erased
        ORDER BY 2, 3
        ON CONFLICT (contact_id, tag_id) DO NOTHING
        RETURNING contact_id
    )
    SELECT count(DISTINCT contact_id) FROM added
    """
)
