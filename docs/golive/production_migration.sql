-- Brings a PostgreSQL database to revision 0013 of the portal's schema: an empty one, one of any earlier revision, or
-- an older one from before the portal, whose rows become the company "legacy".
--
-- Paste the whole of it into the database's console, or run: psql -v ON_ERROR_STOP=1 -f production_migration.sql
-- Within psql, first: \set ON_ERROR_STOP on. Without it each block after an error refuses with an error of its own.
-- It may be stopped anywhere and run again. It is done when its last notice says ALL MIGRATIONS APPLIED SUCCESSFULLY;
-- the rows that it shows at the end say the same, check by check. Stop the portal before, and take a backup.
--
-- Made from the migrations, not by hand: flask --app wsgi golive sql --output docs/golive/production_migration.sql

-- Begin: what this database is. Older tables are moved aside
DO $golive$
DECLARE
    here text := current_schema();
    known text[] := ARRAY['0001', '0002', '0003', '0004', '0005', '0006', '0007', '0008', '0009', '0010', '0011', '0012', '0013'];
    portal_tables text[] := ARRAY['evolution_servers', 'golive_evidence', 'metric_minutes', 'metric_totals', 'relays', 'releases', 'tenants', 'webhook_counts', 'media', 'message_templates', 'release_checkpoints', 'suppressions', 'tags', 'tenant_settings', 'units', 'users', 'access_grants', 'account_links', 'alerts', 'api_tokens', 'campaigns', 'connection_losses', 'early_receipts', 'erasures', 'imports', 'lanes', 'message_changes', 'recovery_codes', 'repairs', 'scan_links', 'template_versions', 'unit_whatsapp_connections', 'user_sessions', 'user_units', 'webhook_endpoints', 'alert_notices', 'api_token_units', 'audit_events', 'contacts', 'import_chunks', 'import_rows', 'webhook_events', 'consent_events', 'contact_merges', 'contact_tags', 'conversations', 'import_changes', 'conversation_aliases', 'conversation_events', 'messages', 'campaign_recipients', 'merged_messages', 'webhook_deliveries'];
    older_tables text[] := ARRAY['units', 'unit_whatsapp_connections', 'users', 'contacts', 'conversations', 'messages'];
    older_campaigns text[] := ARRAY['campaigns', 'campaign_recipients'];
    versions text[];
    present text[];
    suspects text;
    one record;
    of text;
    counted bigint;
BEGIN
    PERFORM pg_advisory_xact_lock(7106113);
    PERFORM set_config('lock_timeout', '4s', true);
    IF to_regclass(format('%I.alembic_version', here)) IS NOT NULL THEN
        EXECUTE format('SELECT array_agg(version_num::text) FROM %I.alembic_version', here) INTO versions;
    END IF;
    IF versions IS NOT NULL THEN
        IF cardinality(versions) > 1 OR NOT versions[1] = ANY (known) THEN
            RAISE EXCEPTION 'alembic_version says %, which this script does not know', versions
                USING HINT = 'The database is newer than the script, or belongs to another program.';
        END IF;
        RAISE NOTICE 'begin: the database is at revision %', versions[1];
        RETURN;
    END IF;

    SELECT array_agg(relname::text ORDER BY array_position(portal_tables, relname::text) DESC) INTO present
    FROM pg_class
    WHERE relnamespace = to_regnamespace(quote_ident(here)) AND relkind IN ('r', 'p', 'v', 'm', 'f')
        AND relname = ANY (portal_tables);
    -- Whoever has these has the portal's own tables: to move them aside would lose what tells the tenants apart.
    SELECT string_agg(DISTINCT relname, ', ') INTO suspects
    FROM pg_class LEFT JOIN pg_attribute ON attrelid = pg_class.oid AND attname = 'tenant_id' AND NOT attisdropped
    WHERE relnamespace = to_regnamespace(quote_ident(here)) AND relname = ANY (present)
        AND (attname IS NOT NULL OR relname = 'tenants');
    IF suspects IS NOT NULL THEN
        RAISE EXCEPTION 'these tables look like the portal''s own, but no revision is noted: %', suspects
            USING HINT = 'Say which one it is with: flask --app wsgi db stamp REVISION';
    END IF;
    SELECT string_agg(relname, ', ') INTO suspects
    FROM pg_class
    WHERE relnamespace = to_regnamespace(quote_ident(here)) AND relname = ANY (present) AND relkind NOT IN ('r', 'p');
    IF suspects IS NOT NULL THEN
        RAISE EXCEPTION 'these are no tables, and their names are needed: %', suspects
            USING HINT = 'Rename or drop them, and run this script again. Nothing was changed.';
    END IF;

    SELECT string_agg(name, ', ' ORDER BY name) INTO suspects
    FROM unnest(present) AS name WHERE NOT name = ANY (older_tables || older_campaigns);
    IF suspects IS NOT NULL THEN
        RAISE EXCEPTION 'these tables are another program''s, and their names are needed: %', suspects
            USING HINT = 'Rename them or move them to another schema, and run this script again. Nothing was changed.';
    END IF;

    -- What hangs on the older tables by more than a reference would keep them from being dropped in the end.
    WITH named AS (
        SELECT oid FROM pg_class
        WHERE relnamespace = to_regnamespace(quote_ident(here)) AND relname = ANY (present)
            AND relname = ANY (older_tables)
    ), moved AS (
        -- The parts of one that is partitioned go with it.
        SELECT oid, reltype FROM pg_class
        WHERE oid IN (SELECT oid FROM named UNION SELECT relid FROM named, pg_partition_tree(named.oid))
    ), moved_types AS (
        SELECT unnest(ARRAY[pg_type.oid, typarray]) AS oid FROM pg_type JOIN moved ON pg_type.oid = reltype
    ), moved_sequences AS (
        SELECT objid AS oid FROM pg_depend JOIN pg_class ON pg_class.oid = objid AND relkind = 'S'
        WHERE classid = 'pg_class'::regclass AND refclassid = 'pg_class'::regclass
            AND refobjid IN (SELECT oid FROM moved) AND deptype IN ('a', 'i')
    ), depending AS (
        SELECT classid, objid, objsubid FROM pg_depend
        WHERE refclassid = 'pg_class'::regclass
            AND refobjid IN (SELECT oid FROM moved UNION ALL SELECT oid FROM moved_sequences)
            OR refclassid = 'pg_type'::regclass AND refobjid IN (SELECT oid FROM moved_types)
    ), hanging AS (
        SELECT 'view ' || rule.ev_class::regclass::text AS name
        FROM depending JOIN pg_rewrite AS rule ON classid = 'pg_rewrite'::regclass AND objid = rule.oid
        WHERE rule.ev_class NOT IN (SELECT oid FROM moved)
        UNION
        SELECT 'function ' || objid::regprocedure::text
        FROM depending WHERE classid = 'pg_proc'::regclass
        UNION
        SELECT format('policy %s on %s', polname, polrelid::regclass)
        FROM depending JOIN pg_policy AS policy ON classid = 'pg_policy'::regclass AND objid = policy.oid
        WHERE polrelid NOT IN (SELECT oid FROM moved)
        UNION
        SELECT pg_describe_object(classid, objid, objsubid)
        FROM depending JOIN pg_attrdef AS value ON classid = 'pg_attrdef'::regclass AND objid = value.oid
        WHERE adrelid NOT IN (SELECT oid FROM moved)
        UNION
        -- Columns of the type of a row, and types made of it.
        SELECT pg_describe_object(classid, objid, objsubid)
        FROM depending
        WHERE classid = 'pg_class'::regclass AND objsubid > 0
                AND objid NOT IN (SELECT oid FROM moved UNION ALL SELECT oid FROM moved_sequences)
            OR classid = 'pg_type'::regclass AND objid NOT IN (SELECT oid FROM moved_types)
        UNION
        SELECT format('table %s, which inherits from %s', inhrelid::regclass, inhparent::regclass)
        FROM pg_inherits
        WHERE inhparent IN (SELECT oid FROM moved) AND inhrelid NOT IN (SELECT oid FROM moved)
    )
    SELECT string_agg(name, ', ' ORDER BY name) INTO suspects FROM hanging;
    IF suspects IS NOT NULL THEN
        RAISE EXCEPTION 'these hang on tables that have to be moved: %', suspects
            USING HINT = 'Drop them, and run this script again. Nothing was changed.';
    END IF;

    IF present && older_tables THEN
        CREATE SCHEMA IF NOT EXISTS portal_older;
        RAISE NOTICE 'begin: this is an older database';
    END IF;
    FOREACH of IN ARRAY coalesce(present, '{}') LOOP
        FOR one IN
            SELECT 'trigger ' || tgname AS name FROM pg_trigger
            WHERE tgrelid = to_regclass(format('%I.%I', here, of)) AND NOT tgisinternal AND of = ANY (older_tables)
            UNION ALL
            SELECT 'policy ' || polname FROM pg_policy
            WHERE polrelid = to_regclass(format('%I.%I', here, of)) AND of = ANY (older_tables)
        LOOP
            RAISE WARNING 'older table %: its % is not made again', of, one.name;
        END LOOP;
        EXECUTE format('SELECT count(*) FROM %I.%I', here, of) INTO counted;
        IF of = ANY (older_tables) THEN
            EXECUTE format('ALTER TABLE %I.%I SET SCHEMA portal_older', here, of);
            EXECUTE format('ALTER TABLE portal_older.%I DISABLE ROW LEVEL SECURITY, NO FORCE ROW LEVEL SECURITY', of);
            EXECUTE format('SELECT count(*) FROM portal_older.%I', of) INTO counted;
            RAISE NOTICE 'older table %: moved aside, % rows', of, counted;
        ELSIF counted = 0 THEN
            -- Made in advance and never used.
            EXECUTE format('DROP TABLE %I.%I', here, of);
            RAISE NOTICE 'older table %: dropped, it had no rows', of;
        ELSE
            FOR one IN
                SELECT indexrelid::regclass AS index, relname FROM pg_index JOIN pg_class ON pg_class.oid = indexrelid
                WHERE indrelid = to_regclass(format('%I.%I', here, of))
            LOOP
                EXECUTE format('ALTER INDEX %s RENAME TO %I', one.index, left('legacy_' || one.relname, 63));
            END LOOP;
            EXECUTE format('ALTER TABLE %I.%I RENAME TO %I', here, of, 'legacy_' || of);
            -- For its owner only: hosts like Supabase give every table to whoever asks over their HTTP API.
            EXECUTE format('ALTER TABLE %I.%I ENABLE ROW LEVEL SECURITY', here, 'legacy_' || of);
            RAISE WARNING 'older table %: kept as legacy_%, % rows', of, of, counted;
        END IF;
    END LOOP;

    -- Last: without it no block below does anything, so that none goes on after this one was refused.
    EXECUTE format(
        'CREATE TABLE IF NOT EXISTS %I.alembic_version ('
        'version_num varchar(32) NOT NULL, CONSTRAINT alembic_version_pkc PRIMARY KEY (version_num))', here
    );
    RAISE NOTICE 'begin: no revision is noted yet, so all are applied';
END $golive$;

-- Ids that clients gave to messages, before they have to be unique
DO $golive$
DECLARE
    -- The older table, or the portal's.
    of regclass := coalesce(to_regclass('portal_older.messages'), to_regclass(format('%I.messages', current_schema())));
    one record;
    counted bigint;
BEGIN
    PERFORM set_config('lock_timeout', '4s', true);
    PERFORM set_config('portal.is_system', 'on', true);
    IF (
        SELECT count(*) < 2 FROM pg_attribute
        WHERE attrelid = of AND attname IN ('conversation_id', 'client_message_id') AND NOT attisdropped
    ) THEN
        RAISE NOTICE 'client_message_id: there is none yet, so none twice';
        RETURN;
    END IF;
    EXECUTE format(
        'SELECT count(*) FROM (SELECT FROM %s WHERE client_message_id IS NOT NULL'
        ' GROUP BY conversation_id, client_message_id HAVING count(*) > 1) AS twice', of
    ) INTO counted;
    IF counted = 0 THEN
        RAISE NOTICE 'client_message_id: none is there twice in a conversation';
    ELSE
        RAISE WARNING 'client_message_id: % are there more than once in a conversation; the first message keeps it', counted;
    END IF;
    FOR one IN EXECUTE format(
        'SELECT conversation_id, client_message_id, count(*) AS times FROM %s WHERE client_message_id IS NOT NULL'
        ' GROUP BY conversation_id, client_message_id HAVING count(*) > 1 ORDER BY 3 DESC, 1, 2 LIMIT 20', of
    ) LOOP
        RAISE WARNING 'client_message_id % is there % times in conversation %',
            one.client_message_id, one.times, one.conversation_id;
    END LOOP;
    PERFORM set_config('portal.is_system', '', true);
END $golive$;

-- 0001 The first tables: tenants, their people, units, connections, conversations, and what waits for a worker.
DO $golive$
DECLARE
    version text;
    stamped bigint;
BEGIN
    PERFORM pg_advisory_xact_lock(7106113);
    PERFORM set_config('lock_timeout', '4s', true);
    version := (SELECT version_num FROM alembic_version);
    IF version >= '0001' THEN
        RAISE NOTICE '0001: there already';
        RETURN;
    END IF;
    -- A console that goes on after an error must not leave a hole.
    IF version IS DISTINCT FROM NULL THEN
        RAISE EXCEPTION '0001: the one before it is not there, the database is at %', coalesce(version, 'none')
            USING HINT = 'Mend what the first error says, and run the whole script again.';
    END IF;
    EXECUTE $sql$ CREATE TABLE evolution_servers (
    id UUID NOT NULL,
    name VARCHAR(60) NOT NULL,
    url VARCHAR(500) NOT NULL,
    api_key_encrypted TEXT NOT NULL,
    capacity INTEGER DEFAULT '60' NOT NULL,
    version VARCHAR(30),
    version_read_at TIMESTAMP WITH TIME ZONE,
    is_default BOOLEAN DEFAULT false NOT NULL,
    created_at TIMESTAMP WITH TIME ZONE DEFAULT now() NOT NULL,
    CONSTRAINT pk_evolution_servers PRIMARY KEY (id),
    CONSTRAINT uq_evolution_servers_name UNIQUE (name)
); $sql$;
    EXECUTE $sql$ CREATE UNIQUE INDEX uq_evolution_servers_default ON evolution_servers (is_default) WHERE is_default; $sql$;
    EXECUTE $sql$ CREATE TABLE relays (
    id UUID NOT NULL,
    queue VARCHAR(20) NOT NULL,
    started_at TIMESTAMP WITH TIME ZONE DEFAULT now() NOT NULL,
    heartbeat_at TIMESTAMP WITH TIME ZONE DEFAULT now() NOT NULL,
    CONSTRAINT pk_relays PRIMARY KEY (id)
); $sql$;
    EXECUTE $sql$ CREATE INDEX ix_relays_heartbeat_at ON relays (heartbeat_at); $sql$;
    EXECUTE $sql$ CREATE TABLE tenants (
    id UUID NOT NULL,
    name VARCHAR(120) NOT NULL,
    slug VARCHAR(60) NOT NULL,
    created_at TIMESTAMP WITH TIME ZONE DEFAULT now() NOT NULL,
    CONSTRAINT pk_tenants PRIMARY KEY (id),
    CONSTRAINT uq_tenants_slug UNIQUE (slug)
); $sql$;
    EXECUTE $sql$ CREATE TABLE contacts (
    id UUID NOT NULL,
    tenant_id UUID NOT NULL,
    phone VARCHAR(20),
    whatsapp_number VARCHAR(20),
    lid VARCHAR(40),
    name VARCHAR(120),
    created_at TIMESTAMP WITH TIME ZONE DEFAULT now() NOT NULL,
    CONSTRAINT pk_contacts PRIMARY KEY (id),
    CONSTRAINT ck_contacts_reachable CHECK (phone IS NOT NULL OR lid IS NOT NULL),
    CONSTRAINT fk_contacts_tenant_id_tenants FOREIGN KEY(tenant_id) REFERENCES tenants (id),
    CONSTRAINT uq_contacts_tenant_id_id UNIQUE (tenant_id, id),
    CONSTRAINT uq_contacts_tenant_id_lid UNIQUE (tenant_id, lid),
    CONSTRAINT uq_contacts_tenant_id_phone UNIQUE (tenant_id, phone)
); $sql$;
    EXECUTE $sql$ CREATE TABLE units (
    id UUID NOT NULL,
    tenant_id UUID NOT NULL,
    name VARCHAR(120) NOT NULL,
    slug VARCHAR(60) NOT NULL,
    time_zone VARCHAR(60) DEFAULT 'America/Sao_Paulo' NOT NULL,
    archived_at TIMESTAMP WITH TIME ZONE,
    created_at TIMESTAMP WITH TIME ZONE DEFAULT now() NOT NULL,
    CONSTRAINT pk_units PRIMARY KEY (id),
    CONSTRAINT fk_units_tenant_id_tenants FOREIGN KEY(tenant_id) REFERENCES tenants (id),
    CONSTRAINT uq_units_tenant_id_id UNIQUE (tenant_id, id),
    CONSTRAINT uq_units_tenant_id_slug UNIQUE (tenant_id, slug)
); $sql$;
    EXECUTE $sql$ CREATE TABLE users (
    id UUID NOT NULL,
    tenant_id UUID,
    email VARCHAR(254) NOT NULL,
    password_hash VARCHAR(255) NOT NULL,
    role VARCHAR(32) NOT NULL,
    locale VARCHAR(10),
    created_at TIMESTAMP WITH TIME ZONE DEFAULT now() NOT NULL,
    disabled_at TIMESTAMP WITH TIME ZONE,
    CONSTRAINT pk_users PRIMARY KEY (id),
    CONSTRAINT ck_users_tenant_of_role CHECK ((role = 'super_admin') = (tenant_id IS NULL)),
    CONSTRAINT ck_users_role CHECK (role IN ('super_admin', 'tenant_admin', 'agent')),
    CONSTRAINT ck_users_email_lower CHECK (email = lower(email)),
    CONSTRAINT fk_users_tenant_id_tenants FOREIGN KEY(tenant_id) REFERENCES tenants (id),
    CONSTRAINT uq_users_email UNIQUE (email),
    CONSTRAINT uq_users_tenant_id_id UNIQUE (tenant_id, id)
); $sql$;
    EXECUTE $sql$ CREATE TABLE api_tokens (
    id UUID NOT NULL,
    tenant_id UUID,
    user_id UUID NOT NULL,
    kind VARCHAR(32) NOT NULL,
    token_hash VARCHAR(64) NOT NULL,
    family_id UUID NOT NULL,
    expires_at TIMESTAMP WITH TIME ZONE NOT NULL,
    used_at TIMESTAMP WITH TIME ZONE,
    revoked_at TIMESTAMP WITH TIME ZONE,
    created_at TIMESTAMP WITH TIME ZONE DEFAULT now() NOT NULL,
    CONSTRAINT pk_api_tokens PRIMARY KEY (id),
    CONSTRAINT ck_api_tokens_kind CHECK (kind IN ('access', 'refresh')),
    CONSTRAINT fk_api_tokens_tenant_id_tenants FOREIGN KEY(tenant_id) REFERENCES tenants (id),
    CONSTRAINT fk_api_tokens_user_id_users FOREIGN KEY(user_id) REFERENCES users (id),
    CONSTRAINT uq_api_tokens_token_hash UNIQUE (token_hash)
); $sql$;
    EXECUTE $sql$ CREATE INDEX ix_api_tokens_expires_at ON api_tokens (expires_at); $sql$;
    EXECUTE $sql$ CREATE INDEX ix_api_tokens_family_id ON api_tokens (family_id); $sql$;
    EXECUTE $sql$ CREATE TABLE audit_events (
    id UUID NOT NULL,
    tenant_id UUID,
    user_id UUID,
    action VARCHAR(60) NOT NULL,
    subject_type VARCHAR(60) NOT NULL,
    subject_id UUID,
    before JSONB,
    after JSONB,
    address VARCHAR(45),
    created_at TIMESTAMP WITH TIME ZONE DEFAULT now() NOT NULL,
    CONSTRAINT pk_audit_events PRIMARY KEY (id),
    CONSTRAINT fk_audit_events_tenant_id_tenants FOREIGN KEY(tenant_id) REFERENCES tenants (id),
    CONSTRAINT fk_audit_events_user_id_users FOREIGN KEY(user_id) REFERENCES users (id)
); $sql$;
    EXECUTE $sql$ CREATE INDEX ix_audit_events_tenant_id_id ON audit_events (tenant_id, id); $sql$;
    EXECUTE $sql$ CREATE TABLE conversations (
    id UUID NOT NULL,
    tenant_id UUID NOT NULL,
    unit_id UUID NOT NULL,
    contact_id UUID NOT NULL,
    status VARCHAR(10) DEFAULT 'open' NOT NULL,
    unread INTEGER DEFAULT '0' NOT NULL,
    last_message_at TIMESTAMP WITH TIME ZONE,
    last_message_preview VARCHAR(200),
    last_message_direction VARCHAR(32),
    created_at TIMESTAMP WITH TIME ZONE DEFAULT now() NOT NULL,
    CONSTRAINT pk_conversations PRIMARY KEY (id),
    CONSTRAINT ck_conversations_status CHECK (status IN ('open', 'closed')),
    CONSTRAINT fk_conversations_tenant_id_contact_id_contacts FOREIGN KEY(tenant_id, contact_id) REFERENCES contacts (tenant_id, id),
    CONSTRAINT fk_conversations_tenant_id_unit_id_units FOREIGN KEY(tenant_id, unit_id) REFERENCES units (tenant_id, id),
    CONSTRAINT fk_conversations_tenant_id_tenants FOREIGN KEY(tenant_id) REFERENCES tenants (id),
    CONSTRAINT uq_conversations_tenant_id_id UNIQUE (tenant_id, id),
    CONSTRAINT uq_conversations_unit_id_contact_id UNIQUE (unit_id, contact_id)
); $sql$;
    EXECUTE $sql$ CREATE INDEX ix_conversations_unit_id_last_message_at ON conversations (unit_id, last_message_at, id); $sql$;
    EXECUTE $sql$ CREATE TABLE early_receipts (
    tenant_id UUID NOT NULL,
    unit_id UUID NOT NULL,
    external_id VARCHAR(80) NOT NULL,
    receipt VARCHAR(20) NOT NULL,
    received_at TIMESTAMP WITH TIME ZONE NOT NULL,
    CONSTRAINT pk_early_receipts PRIMARY KEY (unit_id, external_id, receipt),
    CONSTRAINT fk_early_receipts_tenant_id_unit_id_units FOREIGN KEY(tenant_id, unit_id) REFERENCES units (tenant_id, id),
    CONSTRAINT fk_early_receipts_tenant_id_tenants FOREIGN KEY(tenant_id) REFERENCES tenants (id)
); $sql$;
    EXECUTE $sql$ CREATE TABLE lanes (
    unit_id UUID NOT NULL,
    tenant_id UUID NOT NULL,
    has_work BOOLEAN DEFAULT false NOT NULL,
    is_open BOOLEAN DEFAULT false NOT NULL,
    next_send_at TIMESTAMP WITH TIME ZONE DEFAULT now() NOT NULL,
    message_id UUID,
    away_count INTEGER DEFAULT '0' NOT NULL,
    away_reason VARCHAR(60),
    CONSTRAINT pk_lanes PRIMARY KEY (unit_id),
    CONSTRAINT fk_lanes_tenant_id_unit_id_units FOREIGN KEY(tenant_id, unit_id) REFERENCES units (tenant_id, id),
    CONSTRAINT fk_lanes_tenant_id_tenants FOREIGN KEY(tenant_id) REFERENCES tenants (id)
); $sql$;
    EXECUTE $sql$ CREATE INDEX ix_lanes_due ON lanes (next_send_at) WHERE has_work AND is_open AND message_id IS NULL; $sql$;
    EXECUTE $sql$ CREATE TABLE scan_links (
    id UUID NOT NULL,
    tenant_id UUID NOT NULL,
    unit_id UUID NOT NULL,
    expires_at TIMESTAMP WITH TIME ZONE NOT NULL,
    ended_at TIMESTAMP WITH TIME ZONE,
    ended_by_connecting BOOLEAN DEFAULT false NOT NULL,
    created_at TIMESTAMP WITH TIME ZONE DEFAULT now() NOT NULL,
    CONSTRAINT pk_scan_links PRIMARY KEY (id),
    CONSTRAINT fk_scan_links_tenant_id_unit_id_units FOREIGN KEY(tenant_id, unit_id) REFERENCES units (tenant_id, id),
    CONSTRAINT fk_scan_links_tenant_id_tenants FOREIGN KEY(tenant_id) REFERENCES tenants (id)
); $sql$;
    EXECUTE $sql$ CREATE INDEX ix_scan_links_unit_id ON scan_links (unit_id); $sql$;
    EXECUTE $sql$ CREATE TABLE unit_whatsapp_connections (
    id UUID NOT NULL,
    tenant_id UUID NOT NULL,
    unit_id UUID NOT NULL,
    provider VARCHAR(20) DEFAULT 'evolution' NOT NULL,
    evolution_server_id UUID,
    created_at TIMESTAMP WITH TIME ZONE DEFAULT now() NOT NULL,
    instance_name VARCHAR(60),
    instance_made_at TIMESTAMP WITH TIME ZONE,
    webhook_secret_hash VARCHAR(64),
    webhook_secret_encrypted TEXT,
    previous_instance_name VARCHAR(60),
    previous_webhook_secret_hash VARCHAR(64),
    previous_accepted_until TIMESTAMP WITH TIME ZONE,
    status VARCHAR(32) DEFAULT 'not_configured' NOT NULL,
    status_reason VARCHAR(32),
    state_told_at VARCHAR(40),
    last_event_at TIMESTAMP WITH TIME ZONE,
    phone VARCHAR(20),
    profile_name VARCHAR(120),
    connected_at TIMESTAMP WITH TIME ZONE,
    disconnected_at TIMESTAMP WITH TIME ZONE,
    synchronising_until TIMESTAMP WITH TIME ZONE,
    qr_code TEXT,
    qr_updated_at TIMESTAMP WITH TIME ZONE,
    qr_count INTEGER DEFAULT '0' NOT NULL,
    pairing_code VARCHAR(20),
    pairing_number VARCHAR(20),
    action VARCHAR(32),
    action_requested_at TIMESTAMP WITH TIME ZONE,
    action_relay_id UUID,
    action_attempts INTEGER DEFAULT '0' NOT NULL,
    CONSTRAINT pk_unit_whatsapp_connections PRIMARY KEY (id),
    CONSTRAINT ck_unit_whatsapp_connections_provider CHECK (provider = 'evolution'),
    CONSTRAINT ck_unit_whatsapp_connections_status CHECK (status IN ('not_configured', 'qr', 'connecting', 'connected', 'disconnected')),
    CONSTRAINT fk_unit_whatsapp_connections_evolution_server_id_evolut_7770 FOREIGN KEY(evolution_server_id) REFERENCES evolution_servers (id),
    CONSTRAINT fk_unit_whatsapp_connections_tenant_id_unit_id_units FOREIGN KEY(tenant_id, unit_id) REFERENCES units (tenant_id, id),
    CONSTRAINT fk_unit_whatsapp_connections_tenant_id_tenants FOREIGN KEY(tenant_id) REFERENCES tenants (id),
    CONSTRAINT uq_unit_whatsapp_connections_tenant_id_id UNIQUE (tenant_id, id),
    CONSTRAINT uq_unit_whatsapp_connections_unit_id UNIQUE (unit_id)
); $sql$;
    EXECUTE $sql$ CREATE UNIQUE INDEX idx_unit_whatsapp_instance_lookup ON unit_whatsapp_connections (instance_name); $sql$;
    EXECUTE $sql$ CREATE INDEX ix_unit_whatsapp_connections_action ON unit_whatsapp_connections (action_requested_at) WHERE action IS NOT NULL; $sql$;
    EXECUTE $sql$ CREATE INDEX ix_unit_whatsapp_connections_previous_instance_name ON unit_whatsapp_connections (previous_instance_name); $sql$;
    EXECUTE $sql$ CREATE TABLE user_units (
    tenant_id UUID NOT NULL,
    user_id UUID NOT NULL,
    unit_id UUID NOT NULL,
    CONSTRAINT pk_user_units PRIMARY KEY (user_id, unit_id),
    CONSTRAINT fk_user_units_tenant_id_unit_id_units FOREIGN KEY(tenant_id, unit_id) REFERENCES units (tenant_id, id),
    CONSTRAINT fk_user_units_tenant_id_user_id_users FOREIGN KEY(tenant_id, user_id) REFERENCES users (tenant_id, id)
); $sql$;
    EXECUTE $sql$ CREATE TABLE webhook_events (
    id BIGINT GENERATED ALWAYS AS IDENTITY,
    tenant_id UUID,
    unit_id UUID,
    instance_name VARCHAR(255) NOT NULL,
    event VARCHAR(60) NOT NULL,
    body_hash BYTEA NOT NULL,
    body TEXT NOT NULL,
    received_at TIMESTAMP WITH TIME ZONE DEFAULT now() NOT NULL,
    state VARCHAR(32) DEFAULT 'new' NOT NULL,
    attempts INTEGER DEFAULT '0' NOT NULL,
    retry_at TIMESTAMP WITH TIME ZONE,
    error TEXT,
    CONSTRAINT pk_webhook_events PRIMARY KEY (id),
    CONSTRAINT ck_webhook_events_state CHECK (state IN ('new', 'done', 'parked')),
    CONSTRAINT fk_webhook_events_tenant_id_unit_id_units FOREIGN KEY(tenant_id, unit_id) REFERENCES units (tenant_id, id),
    CONSTRAINT fk_webhook_events_tenant_id_tenants FOREIGN KEY(tenant_id) REFERENCES tenants (id)
); $sql$;
    EXECUTE $sql$ CREATE INDEX ix_webhook_events_new ON webhook_events (unit_id, id) WHERE state = 'new'; $sql$;
    EXECUTE $sql$ CREATE INDEX ix_webhook_events_parked ON webhook_events (id) WHERE state = 'parked'; $sql$;
    EXECUTE $sql$ CREATE INDEX ix_webhook_events_unknown ON webhook_events (id) WHERE unit_id IS NULL; $sql$;
    EXECUTE $sql$ CREATE UNIQUE INDEX uq_webhook_events_instance_name_body_hash ON webhook_events (instance_name, body_hash); $sql$;
    EXECUTE $sql$ CREATE TABLE messages (
    id UUID NOT NULL,
    tenant_id UUID NOT NULL,
    unit_id UUID NOT NULL,
    conversation_id UUID NOT NULL,
    direction VARCHAR(32) NOT NULL,
    kind VARCHAR(32) DEFAULT 'text' NOT NULL,
    body TEXT NOT NULL,
    status VARCHAR(32) NOT NULL,
    source VARCHAR(32),
    sent_by_id UUID,
    occurred_at TIMESTAMP WITH TIME ZONE NOT NULL,
    created_at TIMESTAMP WITH TIME ZONE DEFAULT now() NOT NULL,
    external_id VARCHAR(80),
    proposed_id VARCHAR(40),
    client_message_id VARCHAR(120),
    priority SMALLINT DEFAULT '0' NOT NULL,
    relay_id UUID,
    retry_count INTEGER DEFAULT '0' NOT NULL,
    last_retry_at TIMESTAMP WITH TIME ZONE,
    error_code VARCHAR(60),
    error_details TEXT,
    sending_at TIMESTAMP WITH TIME ZONE,
    sent_at TIMESTAMP WITH TIME ZONE,
    accepted_at TIMESTAMP WITH TIME ZONE,
    delivered_at TIMESTAMP WITH TIME ZONE,
    read_at TIMESTAMP WITH TIME ZONE,
    failed_at TIMESTAMP WITH TIME ZONE,
    CONSTRAINT pk_messages PRIMARY KEY (id),
    CONSTRAINT ck_messages_direction CHECK (direction IN ('inbound', 'outbound')),
    CONSTRAINT ck_messages_status CHECK (status IN ('queued', 'sending', 'sent', 'delivered', 'read', 'failed', 'unconfirmed', 'cancelled', 'received')),
    CONSTRAINT fk_messages_tenant_id_conversation_id_conversations FOREIGN KEY(tenant_id, conversation_id) REFERENCES conversations (tenant_id, id),
    CONSTRAINT fk_messages_tenant_id_unit_id_units FOREIGN KEY(tenant_id, unit_id) REFERENCES units (tenant_id, id),
    CONSTRAINT fk_messages_tenant_id_sent_by_id_users FOREIGN KEY(tenant_id, sent_by_id) REFERENCES users (tenant_id, id),
    CONSTRAINT fk_messages_tenant_id_tenants FOREIGN KEY(tenant_id) REFERENCES tenants (id),
    CONSTRAINT uq_messages_tenant_id_id UNIQUE (tenant_id, id)
); $sql$;
    EXECUTE $sql$ CREATE UNIQUE INDEX idx_messages_client_message_id_unit ON messages (conversation_id, client_message_id); $sql$;
    EXECUTE $sql$ CREATE INDEX idx_messages_retry_failed ON messages (unit_id, last_retry_at) WHERE status = 'failed'; $sql$;
    EXECUTE $sql$ CREATE INDEX ix_messages_conversation_id_occurred_at ON messages (conversation_id, occurred_at, id); $sql$;
    EXECUTE $sql$ CREATE INDEX ix_messages_in_doubt ON messages (unit_id, conversation_id) WHERE status IN ('sending', 'unconfirmed'); $sql$;
    EXECUTE $sql$ CREATE INDEX ix_messages_queued ON messages (unit_id, priority, id) WHERE status = 'queued'; $sql$;
    EXECUTE $sql$ CREATE UNIQUE INDEX uq_messages_unit_id_external_id ON messages (unit_id, external_id); $sql$;
    EXECUTE $sql$ INSERT INTO alembic_version (version_num) VALUES ('0001') RETURNING alembic_version.version_num; $sql$;
    GET DIAGNOSTICS stamped = ROW_COUNT;
    IF stamped <> 1 THEN
        RAISE EXCEPTION '0001: it cannot be noted in alembic_version';
    END IF;
    RAISE NOTICE '0001: applied. %', 'The first tables: tenants, their people, units, connections, conversations, and what waits for a worker.';
END $golive$;

-- 0002 Row-level security: the database shows a transaction only the rows of the tenant it is bound to.
DO $golive$
DECLARE
    version text;
    stamped bigint;
BEGIN
    PERFORM pg_advisory_xact_lock(7106113);
    PERFORM set_config('lock_timeout', '4s', true);
    version := (SELECT version_num FROM alembic_version);
    IF version >= '0002' THEN
        RAISE NOTICE '0002: there already';
        RETURN;
    END IF;
    -- A console that goes on after an error must not leave a hole.
    IF version IS DISTINCT FROM '0001' THEN
        RAISE EXCEPTION '0002: the one before it is not there, the database is at %', coalesce(version, 'none')
            USING HINT = 'Mend what the first error says, and run the whole script again.';
    END IF;
    EXECUTE $sql$ DO $$
        DECLARE role_name text;
        BEGIN
            FOREACH role_name IN ARRAY ARRAY['portal_tenant', 'portal_system'] LOOP
                BEGIN
                    EXECUTE format('CREATE ROLE %I NOLOGIN', role_name);
                EXCEPTION WHEN duplicate_object OR unique_violation THEN NULL;
                END;
                IF NOT pg_has_role(session_user, role_name, 'MEMBER') THEN
                    EXECUTE format('GRANT %I TO %I', role_name, session_user);
                END IF;
            END LOOP;
        EXCEPTION WHEN insufficient_privilege THEN
            RAISE NOTICE 'no right to create roles: the policies are forced on the owner of the tables';
        END $$; $sql$;
    EXECUTE $sql$ ALTER TABLE tenants ENABLE ROW LEVEL SECURITY; $sql$;
    EXECUTE $sql$ CREATE POLICY tenant ON tenants USING (id = nullif(current_setting('portal.tenant_id', true), '')::uuid); $sql$;
    EXECUTE $sql$ DO $$ BEGIN
IF (SELECT count(*) = 2 FROM pg_roles WHERE rolname IN ('portal_tenant', 'portal_system') AND pg_has_role(session_user, oid, 'MEMBER')) THEN
    CREATE POLICY system ON tenants TO portal_system USING (true);
ELSE
    ALTER TABLE tenants FORCE ROW LEVEL SECURITY;
    CREATE POLICY system ON tenants USING (current_setting('portal.is_system', true) = 'on');
END IF;
END $$; $sql$;
    EXECUTE $sql$ ALTER TABLE units ENABLE ROW LEVEL SECURITY; $sql$;
    EXECUTE $sql$ CREATE POLICY tenant ON units USING (tenant_id = nullif(current_setting('portal.tenant_id', true), '')::uuid); $sql$;
    EXECUTE $sql$ DO $$ BEGIN
IF (SELECT count(*) = 2 FROM pg_roles WHERE rolname IN ('portal_tenant', 'portal_system') AND pg_has_role(session_user, oid, 'MEMBER')) THEN
    CREATE POLICY system ON units TO portal_system USING (true);
ELSE
    ALTER TABLE units FORCE ROW LEVEL SECURITY;
    CREATE POLICY system ON units USING (current_setting('portal.is_system', true) = 'on');
END IF;
END $$; $sql$;
    EXECUTE $sql$ ALTER TABLE users ENABLE ROW LEVEL SECURITY; $sql$;
    EXECUTE $sql$ CREATE POLICY tenant ON users USING (tenant_id = nullif(current_setting('portal.tenant_id', true), '')::uuid); $sql$;
    EXECUTE $sql$ DO $$ BEGIN
IF (SELECT count(*) = 2 FROM pg_roles WHERE rolname IN ('portal_tenant', 'portal_system') AND pg_has_role(session_user, oid, 'MEMBER')) THEN
    CREATE POLICY system ON users TO portal_system USING (true);
ELSE
    ALTER TABLE users FORCE ROW LEVEL SECURITY;
    CREATE POLICY system ON users USING (current_setting('portal.is_system', true) = 'on');
END IF;
END $$; $sql$;
    EXECUTE $sql$ ALTER TABLE user_units ENABLE ROW LEVEL SECURITY; $sql$;
    EXECUTE $sql$ CREATE POLICY tenant ON user_units USING (tenant_id = nullif(current_setting('portal.tenant_id', true), '')::uuid); $sql$;
    EXECUTE $sql$ DO $$ BEGIN
IF (SELECT count(*) = 2 FROM pg_roles WHERE rolname IN ('portal_tenant', 'portal_system') AND pg_has_role(session_user, oid, 'MEMBER')) THEN
    CREATE POLICY system ON user_units TO portal_system USING (true);
ELSE
    ALTER TABLE user_units FORCE ROW LEVEL SECURITY;
    CREATE POLICY system ON user_units USING (current_setting('portal.is_system', true) = 'on');
END IF;
END $$; $sql$;
    EXECUTE $sql$ ALTER TABLE contacts ENABLE ROW LEVEL SECURITY; $sql$;
    EXECUTE $sql$ CREATE POLICY tenant ON contacts USING (tenant_id = nullif(current_setting('portal.tenant_id', true), '')::uuid); $sql$;
    EXECUTE $sql$ DO $$ BEGIN
IF (SELECT count(*) = 2 FROM pg_roles WHERE rolname IN ('portal_tenant', 'portal_system') AND pg_has_role(session_user, oid, 'MEMBER')) THEN
    CREATE POLICY system ON contacts TO portal_system USING (true);
ELSE
    ALTER TABLE contacts FORCE ROW LEVEL SECURITY;
    CREATE POLICY system ON contacts USING (current_setting('portal.is_system', true) = 'on');
END IF;
END $$; $sql$;
    EXECUTE $sql$ ALTER TABLE conversations ENABLE ROW LEVEL SECURITY; $sql$;
    EXECUTE $sql$ CREATE POLICY tenant ON conversations USING (tenant_id = nullif(current_setting('portal.tenant_id', true), '')::uuid); $sql$;
    EXECUTE $sql$ DO $$ BEGIN
IF (SELECT count(*) = 2 FROM pg_roles WHERE rolname IN ('portal_tenant', 'portal_system') AND pg_has_role(session_user, oid, 'MEMBER')) THEN
    CREATE POLICY system ON conversations TO portal_system USING (true);
ELSE
    ALTER TABLE conversations FORCE ROW LEVEL SECURITY;
    CREATE POLICY system ON conversations USING (current_setting('portal.is_system', true) = 'on');
END IF;
END $$; $sql$;
    EXECUTE $sql$ ALTER TABLE messages ENABLE ROW LEVEL SECURITY; $sql$;
    EXECUTE $sql$ CREATE POLICY tenant ON messages USING (tenant_id = nullif(current_setting('portal.tenant_id', true), '')::uuid); $sql$;
    EXECUTE $sql$ DO $$ BEGIN
IF (SELECT count(*) = 2 FROM pg_roles WHERE rolname IN ('portal_tenant', 'portal_system') AND pg_has_role(session_user, oid, 'MEMBER')) THEN
    CREATE POLICY system ON messages TO portal_system USING (true);
ELSE
    ALTER TABLE messages FORCE ROW LEVEL SECURITY;
    CREATE POLICY system ON messages USING (current_setting('portal.is_system', true) = 'on');
END IF;
END $$; $sql$;
    EXECUTE $sql$ ALTER TABLE early_receipts ENABLE ROW LEVEL SECURITY; $sql$;
    EXECUTE $sql$ CREATE POLICY tenant ON early_receipts USING (tenant_id = nullif(current_setting('portal.tenant_id', true), '')::uuid); $sql$;
    EXECUTE $sql$ DO $$ BEGIN
IF (SELECT count(*) = 2 FROM pg_roles WHERE rolname IN ('portal_tenant', 'portal_system') AND pg_has_role(session_user, oid, 'MEMBER')) THEN
    CREATE POLICY system ON early_receipts TO portal_system USING (true);
ELSE
    ALTER TABLE early_receipts FORCE ROW LEVEL SECURITY;
    CREATE POLICY system ON early_receipts USING (current_setting('portal.is_system', true) = 'on');
END IF;
END $$; $sql$;
    EXECUTE $sql$ ALTER TABLE unit_whatsapp_connections ENABLE ROW LEVEL SECURITY; $sql$;
    EXECUTE $sql$ CREATE POLICY tenant ON unit_whatsapp_connections USING (tenant_id = nullif(current_setting('portal.tenant_id', true), '')::uuid); $sql$;
    EXECUTE $sql$ DO $$ BEGIN
IF (SELECT count(*) = 2 FROM pg_roles WHERE rolname IN ('portal_tenant', 'portal_system') AND pg_has_role(session_user, oid, 'MEMBER')) THEN
    CREATE POLICY system ON unit_whatsapp_connections TO portal_system USING (true);
ELSE
    ALTER TABLE unit_whatsapp_connections FORCE ROW LEVEL SECURITY;
    CREATE POLICY system ON unit_whatsapp_connections USING (current_setting('portal.is_system', true) = 'on');
END IF;
END $$; $sql$;
    EXECUTE $sql$ ALTER TABLE scan_links ENABLE ROW LEVEL SECURITY; $sql$;
    EXECUTE $sql$ CREATE POLICY tenant ON scan_links USING (tenant_id = nullif(current_setting('portal.tenant_id', true), '')::uuid); $sql$;
    EXECUTE $sql$ DO $$ BEGIN
IF (SELECT count(*) = 2 FROM pg_roles WHERE rolname IN ('portal_tenant', 'portal_system') AND pg_has_role(session_user, oid, 'MEMBER')) THEN
    CREATE POLICY system ON scan_links TO portal_system USING (true);
ELSE
    ALTER TABLE scan_links FORCE ROW LEVEL SECURITY;
    CREATE POLICY system ON scan_links USING (current_setting('portal.is_system', true) = 'on');
END IF;
END $$; $sql$;
    EXECUTE $sql$ ALTER TABLE lanes ENABLE ROW LEVEL SECURITY; $sql$;
    EXECUTE $sql$ CREATE POLICY tenant ON lanes USING (tenant_id = nullif(current_setting('portal.tenant_id', true), '')::uuid); $sql$;
    EXECUTE $sql$ DO $$ BEGIN
IF (SELECT count(*) = 2 FROM pg_roles WHERE rolname IN ('portal_tenant', 'portal_system') AND pg_has_role(session_user, oid, 'MEMBER')) THEN
    CREATE POLICY system ON lanes TO portal_system USING (true);
ELSE
    ALTER TABLE lanes FORCE ROW LEVEL SECURITY;
    CREATE POLICY system ON lanes USING (current_setting('portal.is_system', true) = 'on');
END IF;
END $$; $sql$;
    EXECUTE $sql$ ALTER TABLE api_tokens ENABLE ROW LEVEL SECURITY; $sql$;
    EXECUTE $sql$ CREATE POLICY tenant ON api_tokens USING (tenant_id = nullif(current_setting('portal.tenant_id', true), '')::uuid); $sql$;
    EXECUTE $sql$ DO $$ BEGIN
IF (SELECT count(*) = 2 FROM pg_roles WHERE rolname IN ('portal_tenant', 'portal_system') AND pg_has_role(session_user, oid, 'MEMBER')) THEN
    CREATE POLICY system ON api_tokens TO portal_system USING (true);
ELSE
    ALTER TABLE api_tokens FORCE ROW LEVEL SECURITY;
    CREATE POLICY system ON api_tokens USING (current_setting('portal.is_system', true) = 'on');
END IF;
END $$; $sql$;
    EXECUTE $sql$ ALTER TABLE webhook_events ENABLE ROW LEVEL SECURITY; $sql$;
    EXECUTE $sql$ CREATE POLICY tenant ON webhook_events USING (tenant_id = nullif(current_setting('portal.tenant_id', true), '')::uuid); $sql$;
    EXECUTE $sql$ DO $$ BEGIN
IF (SELECT count(*) = 2 FROM pg_roles WHERE rolname IN ('portal_tenant', 'portal_system') AND pg_has_role(session_user, oid, 'MEMBER')) THEN
    CREATE POLICY system ON webhook_events TO portal_system USING (true);
ELSE
    ALTER TABLE webhook_events FORCE ROW LEVEL SECURITY;
    CREATE POLICY system ON webhook_events USING (current_setting('portal.is_system', true) = 'on');
END IF;
END $$; $sql$;
    EXECUTE $sql$ ALTER TABLE audit_events ENABLE ROW LEVEL SECURITY; $sql$;
    EXECUTE $sql$ CREATE POLICY tenant ON audit_events USING (tenant_id = nullif(current_setting('portal.tenant_id', true), '')::uuid); $sql$;
    EXECUTE $sql$ DO $$ BEGIN
IF (SELECT count(*) = 2 FROM pg_roles WHERE rolname IN ('portal_tenant', 'portal_system') AND pg_has_role(session_user, oid, 'MEMBER')) THEN
    CREATE POLICY system ON audit_events TO portal_system USING (true);
ELSE
    ALTER TABLE audit_events FORCE ROW LEVEL SECURITY;
    CREATE POLICY system ON audit_events USING (current_setting('portal.is_system', true) = 'on');
END IF;
END $$; $sql$;
    EXECUTE $sql$ DO $$ BEGIN
IF (SELECT count(*) = 2 FROM pg_roles WHERE rolname IN ('portal_tenant', 'portal_system') AND pg_has_role(session_user, oid, 'MEMBER')) THEN
    GRANT SELECT ON tenants TO portal_tenant;
    GRANT SELECT, INSERT, UPDATE, DELETE ON units TO portal_tenant;
    GRANT SELECT, INSERT, UPDATE, DELETE ON users TO portal_tenant;
    GRANT SELECT, INSERT, UPDATE, DELETE ON user_units TO portal_tenant;
    GRANT SELECT, INSERT, UPDATE, DELETE ON contacts TO portal_tenant;
    GRANT SELECT, INSERT, UPDATE, DELETE ON conversations TO portal_tenant;
    GRANT SELECT, INSERT, UPDATE, DELETE ON messages TO portal_tenant;
    GRANT SELECT, INSERT, UPDATE, DELETE ON early_receipts TO portal_tenant;
    GRANT SELECT, INSERT, UPDATE, DELETE ON unit_whatsapp_connections TO portal_tenant;
    GRANT SELECT, INSERT, UPDATE, DELETE ON scan_links TO portal_tenant;
    GRANT SELECT, INSERT, UPDATE, DELETE ON lanes TO portal_tenant;
    GRANT SELECT, INSERT, UPDATE, DELETE ON api_tokens TO portal_tenant;
    GRANT SELECT, UPDATE ON webhook_events TO portal_tenant;
    GRANT SELECT, INSERT ON audit_events TO portal_tenant;
    GRANT SELECT, INSERT, UPDATE, DELETE ON tenants TO portal_system;
    GRANT SELECT, INSERT, UPDATE, DELETE ON units TO portal_system;
    GRANT SELECT, INSERT, UPDATE, DELETE ON users TO portal_system;
    GRANT SELECT, INSERT, UPDATE, DELETE ON user_units TO portal_system;
    GRANT SELECT, INSERT, UPDATE, DELETE ON contacts TO portal_system;
    GRANT SELECT, INSERT, UPDATE, DELETE ON conversations TO portal_system;
    GRANT SELECT, INSERT, UPDATE, DELETE ON messages TO portal_system;
    GRANT SELECT, INSERT, UPDATE, DELETE ON early_receipts TO portal_system;
    GRANT SELECT, INSERT, UPDATE, DELETE ON unit_whatsapp_connections TO portal_system;
    GRANT SELECT, INSERT, UPDATE, DELETE ON scan_links TO portal_system;
    GRANT SELECT, INSERT, UPDATE, DELETE ON lanes TO portal_system;
    GRANT SELECT, INSERT, UPDATE, DELETE ON api_tokens TO portal_system;
    GRANT SELECT, INSERT, UPDATE, DELETE ON webhook_events TO portal_system;
    GRANT SELECT, INSERT ON audit_events TO portal_system;
    GRANT SELECT, INSERT, UPDATE, DELETE ON evolution_servers TO portal_system;
    GRANT SELECT, INSERT, UPDATE, DELETE ON relays TO portal_system;
ELSE
    CREATE POLICY never_updated ON audit_events AS RESTRICTIVE FOR UPDATE USING (false);
    CREATE POLICY never_deleted ON audit_events AS RESTRICTIVE FOR DELETE USING (false);
END IF;
END $$; $sql$;
    EXECUTE $sql$ UPDATE alembic_version SET version_num='0002' WHERE alembic_version.version_num = '0001'; $sql$;
    GET DIAGNOSTICS stamped = ROW_COUNT;
    IF stamped <> 1 THEN
        RAISE EXCEPTION '0002: it cannot be noted in alembic_version';
    END IF;
    RAISE NOTICE '0002: applied. %', 'Row-level security: the database shows a transaction only the rows of the tenant it is bound to.';
END $golive$;

-- 0003 Sending that survives everything: files, expiry, doubt, limits of WhatsApp, several Evolution servers.
DO $golive$
DECLARE
    version text;
    stamped bigint;
BEGIN
    PERFORM pg_advisory_xact_lock(7106113);
    PERFORM set_config('lock_timeout', '4s', true);
    version := (SELECT version_num FROM alembic_version);
    IF version >= '0003' THEN
        RAISE NOTICE '0003: there already';
        RETURN;
    END IF;
    -- A console that goes on after an error must not leave a hole.
    IF version IS DISTINCT FROM '0002' THEN
        RAISE EXCEPTION '0003: the one before it is not there, the database is at %', coalesce(version, 'none')
            USING HINT = 'Mend what the first error says, and run the whole script again.';
    END IF;
    EXECUTE $sql$ CREATE TABLE media (
    id UUID NOT NULL,
    tenant_id UUID NOT NULL,
    kind VARCHAR(32) NOT NULL,
    file_name VARCHAR(120) NOT NULL,
    mime_type VARCHAR(120) NOT NULL,
    size INTEGER NOT NULL,
    sha256 VARCHAR(64) NOT NULL,
    content BYTEA NOT NULL,
    created_at TIMESTAMP WITH TIME ZONE DEFAULT now() NOT NULL,
    CONSTRAINT pk_media PRIMARY KEY (id),
    CONSTRAINT fk_media_tenant_id_tenants FOREIGN KEY(tenant_id) REFERENCES tenants (id),
    CONSTRAINT uq_media_tenant_id_id UNIQUE (tenant_id, id)
); $sql$;
    EXECUTE $sql$ ALTER TABLE media ALTER COLUMN content SET STORAGE EXTERNAL; $sql$;
    EXECUTE $sql$ ALTER TABLE media ENABLE ROW LEVEL SECURITY; $sql$;
    EXECUTE $sql$ CREATE POLICY tenant ON media USING (tenant_id = (SELECT nullif(current_setting('portal.tenant_id', true), '')::uuid)); $sql$;
    EXECUTE $sql$ DO $$ BEGIN
IF (SELECT count(*) = 2 FROM pg_roles WHERE rolname IN ('portal_tenant', 'portal_system') AND pg_has_role(session_user, oid, 'MEMBER')) THEN
    CREATE POLICY system ON media TO portal_system USING (true);
    GRANT SELECT, INSERT, UPDATE, DELETE ON media TO portal_tenant, portal_system;
ELSE
    ALTER TABLE media FORCE ROW LEVEL SECURITY;
    CREATE POLICY system ON media USING (current_setting('portal.is_system', true) = 'on');
END IF;
END $$; $sql$;
    EXECUTE $sql$ ALTER TABLE conversations ADD COLUMN last_message_kind VARCHAR(32); $sql$;
    EXECUTE $sql$ ALTER TABLE conversations ADD COLUMN last_inbound_at TIMESTAMP WITH TIME ZONE; $sql$;
    EXECUTE $sql$ SELECT set_config('portal.is_system', 'on', true); $sql$;
    EXECUTE $sql$ UPDATE conversations SET last_message_kind = newest.kind, last_inbound_at = heard.at FROM conversations AS c CROSS JOIN LATERAL (SELECT kind FROM messages WHERE conversation_id = c.id ORDER BY occurred_at DESC, id DESC LIMIT 1) AS newest LEFT JOIN (SELECT conversation_id, max(occurred_at) AS at FROM messages WHERE direction = 'inbound' GROUP BY conversation_id) AS heard ON heard.conversation_id = c.id WHERE c.id = conversations.id; $sql$;
    EXECUTE $sql$ SELECT set_config('portal.is_system', '', true); $sql$;
    EXECUTE $sql$ ALTER TABLE messages ADD COLUMN media_id UUID; $sql$;
    EXECUTE $sql$ ALTER TABLE messages ADD COLUMN is_id_kept BOOLEAN DEFAULT false NOT NULL; $sql$;
    EXECUTE $sql$ ALTER TABLE messages ADD COLUMN is_cold BOOLEAN DEFAULT false NOT NULL; $sql$;
    EXECUTE $sql$ ALTER TABLE messages ADD COLUMN expires_at TIMESTAMP WITH TIME ZONE; $sql$;
    EXECUTE $sql$ ALTER TABLE messages ADD COLUMN look_up_at TIMESTAMP WITH TIME ZONE; $sql$;
    EXECUTE $sql$ ALTER TABLE messages ADD COLUMN look_ups SMALLINT DEFAULT '0' NOT NULL; $sql$;
    EXECUTE $sql$ ALTER TABLE messages ADD COLUMN handled_at TIMESTAMP WITH TIME ZONE; $sql$;
    EXECUTE $sql$ ALTER TABLE messages ADD COLUMN resend_of_id UUID; $sql$;
    EXECUTE $sql$ ALTER TABLE messages ADD CONSTRAINT fk_messages_tenant_id_media_id_media FOREIGN KEY(tenant_id, media_id) REFERENCES media (tenant_id, id); $sql$;
    EXECUTE $sql$ ALTER TABLE messages ADD CONSTRAINT fk_messages_tenant_id_resend_of_id_messages FOREIGN KEY(tenant_id, resend_of_id) REFERENCES messages (tenant_id, id); $sql$;
    EXECUTE $sql$ CREATE INDEX ix_messages_queued_warm ON messages (unit_id, priority, id) WHERE status = 'queued' AND NOT is_cold; $sql$;
    EXECUTE $sql$ CREATE INDEX ix_messages_queued_expires_at ON messages (expires_at) WHERE status = 'queued'; $sql$;
    EXECUTE $sql$ CREATE INDEX ix_messages_look_up_at ON messages (look_up_at) WHERE status = 'unconfirmed'; $sql$;
    EXECUTE $sql$ CREATE INDEX ix_messages_undelivered ON messages (tenant_id, unit_id, id) WHERE status IN ('failed', 'unconfirmed') AND handled_at IS NULL; $sql$;
    EXECUTE $sql$ CREATE INDEX ix_messages_without_receipt ON messages (tenant_id, sent_at) WHERE status = 'sent' AND accepted_at IS NULL; $sql$;
    EXECUTE $sql$ ALTER TABLE lanes ADD COLUMN evolution_server_id UUID; $sql$;
    EXECUTE $sql$ ALTER TABLE lanes ADD COLUMN held_until TIMESTAMP WITH TIME ZONE; $sql$;
    EXECUTE $sql$ ALTER TABLE lanes ADD COLUMN cold_reason VARCHAR(32); $sql$;
    EXECUTE $sql$ ALTER TABLE lanes ADD COLUMN cold_paused_until TIMESTAMP WITH TIME ZONE; $sql$;
    EXECUTE $sql$ ALTER TABLE lanes ADD COLUMN cold_pauses SMALLINT DEFAULT '0' NOT NULL; $sql$;
    EXECUTE $sql$ ALTER TABLE lanes ADD COLUMN cold_gap_s FLOAT DEFAULT '0' NOT NULL; $sql$;
    EXECUTE $sql$ ALTER TABLE lanes ADD COLUMN next_cold_at TIMESTAMP WITH TIME ZONE; $sql$;
    EXECUTE $sql$ ALTER TABLE lanes ADD CONSTRAINT fk_lanes_evolution_server_id_evolution_servers FOREIGN KEY(evolution_server_id) REFERENCES evolution_servers (id); $sql$;
    EXECUTE $sql$ SELECT set_config('portal.is_system', 'on', true); $sql$;
    EXECUTE $sql$ UPDATE lanes SET evolution_server_id = c.evolution_server_id FROM unit_whatsapp_connections AS c WHERE c.unit_id = lanes.unit_id; $sql$;
    EXECUTE $sql$ SELECT set_config('portal.is_system', '', true); $sql$;
    EXECUTE $sql$ DROP INDEX ix_lanes_due; $sql$;
    EXECUTE $sql$ ALTER TABLE lanes SET (fillfactor = 50); $sql$;
    EXECUTE $sql$ ALTER TABLE messages SET (autovacuum_vacuum_scale_factor = 0.02); $sql$;
    EXECUTE $sql$ ALTER TABLE evolution_servers ADD COLUMN accepts_units BOOLEAN DEFAULT true NOT NULL; $sql$;
    EXECUTE $sql$ ALTER TABLE evolution_servers ADD COLUMN pause_reason VARCHAR(60); $sql$;
    EXECUTE $sql$ ALTER TABLE evolution_servers ADD COLUMN paused_at TIMESTAMP WITH TIME ZONE; $sql$;
    EXECUTE $sql$ ALTER TABLE evolution_servers ADD COLUMN paused_until TIMESTAMP WITH TIME ZONE; $sql$;
    EXECUTE $sql$ ALTER TABLE evolution_servers ADD COLUMN pause_count INTEGER DEFAULT '0' NOT NULL; $sql$;
    EXECUTE $sql$ ALTER TABLE evolution_servers ADD COLUMN check_requested_at TIMESTAMP WITH TIME ZONE; $sql$;
    EXECUTE $sql$ ALTER TABLE evolution_servers ADD COLUMN checked_at TIMESTAMP WITH TIME ZONE; $sql$;
    EXECUTE $sql$ ALTER TABLE evolution_servers ADD COLUMN check_error VARCHAR(60); $sql$;
    EXECUTE $sql$ ALTER TABLE unit_whatsapp_connections ADD COLUMN previous_evolution_server_id UUID; $sql$;
    EXECUTE $sql$ ALTER TABLE unit_whatsapp_connections ADD CONSTRAINT fk_connections_previous_server FOREIGN KEY(previous_evolution_server_id) REFERENCES evolution_servers (id); $sql$;
    EXECUTE $sql$ ALTER TABLE units ADD COLUMN message_lifetime_h SMALLINT DEFAULT '24' NOT NULL; $sql$;
    EXECUTE $sql$ ALTER TABLE units ADD COLUMN receipt_wait_min SMALLINT DEFAULT '10' NOT NULL; $sql$;
    EXECUTE $sql$ UPDATE alembic_version SET version_num='0003' WHERE alembic_version.version_num = '0002'; $sql$;
    GET DIAGNOSTICS stamped = ROW_COUNT;
    IF stamped <> 1 THEN
        RAISE EXCEPTION '0003: it cannot be noted in alembic_version';
    END IF;
    RAISE NOTICE '0003: applied. %', 'Sending that survives everything: files, expiry, doubt, limits of WhatsApp, several Evolution servers.';
END $golive$;

-- 0004 Every event, every kind: chats that are no person's, files to fetch, edits and deletions, holes, checked state.
DO $golive$
DECLARE
    version text;
    stamped bigint;
BEGIN
    PERFORM pg_advisory_xact_lock(7106113);
    PERFORM set_config('lock_timeout', '4s', true);
    version := (SELECT version_num FROM alembic_version);
    IF version >= '0004' THEN
        RAISE NOTICE '0004: there already';
        RETURN;
    END IF;
    -- A console that goes on after an error must not leave a hole.
    IF version IS DISTINCT FROM '0003' THEN
        RAISE EXCEPTION '0004: the one before it is not there, the database is at %', coalesce(version, 'none')
            USING HINT = 'Mend what the first error says, and run the whole script again.';
    END IF;
    EXECUTE $sql$ CREATE TABLE repairs (
    id UUID NOT NULL,
    tenant_id UUID NOT NULL,
    unit_id UUID NOT NULL,
    kind VARCHAR(32) NOT NULL,
    before VARCHAR(120),
    after VARCHAR(120),
    began_at TIMESTAMP WITH TIME ZONE,
    ended_at TIMESTAMP WITH TIME ZONE,
    found INTEGER DEFAULT '0' NOT NULL,
    created_at TIMESTAMP WITH TIME ZONE DEFAULT now() NOT NULL,
    CONSTRAINT pk_repairs PRIMARY KEY (id),
    CONSTRAINT ck_repairs_kind CHECK (kind IN ('state', 'webhook', 'settings', 'hole')),
    CONSTRAINT fk_repairs_tenant_id_tenants FOREIGN KEY(tenant_id) REFERENCES tenants (id),
    CONSTRAINT fk_repairs_tenant_id_unit_id_units FOREIGN KEY(tenant_id, unit_id) REFERENCES units (tenant_id, id),
    CONSTRAINT uq_repairs_tenant_id_id UNIQUE (tenant_id, id)
); $sql$;
    EXECUTE $sql$ CREATE INDEX ix_repairs_unit_id_created_at ON repairs (unit_id, created_at); $sql$;
    EXECUTE $sql$ ALTER TABLE repairs ENABLE ROW LEVEL SECURITY; $sql$;
    EXECUTE $sql$ CREATE POLICY tenant ON repairs USING (tenant_id = (SELECT nullif(current_setting('portal.tenant_id', true), '')::uuid)); $sql$;
    EXECUTE $sql$ DO $$ BEGIN
IF (SELECT count(*) = 2 FROM pg_roles WHERE rolname IN ('portal_tenant', 'portal_system') AND pg_has_role(session_user, oid, 'MEMBER')) THEN
    CREATE POLICY system ON repairs TO portal_system USING (true);
    GRANT SELECT, INSERT, UPDATE, DELETE ON repairs TO portal_tenant, portal_system;
ELSE
    ALTER TABLE repairs FORCE ROW LEVEL SECURITY;
    CREATE POLICY system ON repairs USING (current_setting('portal.is_system', true) = 'on');
END IF;
END $$; $sql$;
    EXECUTE $sql$ CREATE TABLE message_changes (
    tenant_id UUID NOT NULL,
    unit_id UUID NOT NULL,
    external_id VARCHAR(80) NOT NULL,
    kind VARCHAR(32) NOT NULL,
    told_as VARCHAR(64) NOT NULL,
    body TEXT,
    changed_at TIMESTAMP WITH TIME ZONE,
    received_at TIMESTAMP WITH TIME ZONE NOT NULL,
    CONSTRAINT pk_message_changes PRIMARY KEY (unit_id, external_id, kind, told_as),
    CONSTRAINT ck_message_changes_kind CHECK (kind IN ('edit', 'deletion')),
    CONSTRAINT fk_message_changes_tenant_id_tenants FOREIGN KEY(tenant_id) REFERENCES tenants (id),
    CONSTRAINT fk_message_changes_tenant_id_unit_id_units FOREIGN KEY(tenant_id, unit_id) REFERENCES units (tenant_id, id)
); $sql$;
    EXECUTE $sql$ ALTER TABLE message_changes ENABLE ROW LEVEL SECURITY; $sql$;
    EXECUTE $sql$ CREATE POLICY tenant ON message_changes USING (tenant_id = (SELECT nullif(current_setting('portal.tenant_id', true), '')::uuid)); $sql$;
    EXECUTE $sql$ DO $$ BEGIN
IF (SELECT count(*) = 2 FROM pg_roles WHERE rolname IN ('portal_tenant', 'portal_system') AND pg_has_role(session_user, oid, 'MEMBER')) THEN
    CREATE POLICY system ON message_changes TO portal_system USING (true);
    GRANT SELECT, INSERT, UPDATE, DELETE ON message_changes TO portal_tenant, portal_system;
ELSE
    ALTER TABLE message_changes FORCE ROW LEVEL SECURITY;
    CREATE POLICY system ON message_changes USING (current_setting('portal.is_system', true) = 'on');
END IF;
END $$; $sql$;
    EXECUTE $sql$ CREATE TABLE conversation_aliases (
    id UUID NOT NULL,
    tenant_id UUID NOT NULL,
    unit_id UUID NOT NULL,
    conversation_id UUID NOT NULL,
    CONSTRAINT pk_conversation_aliases PRIMARY KEY (id),
    CONSTRAINT fk_conversation_aliases_tenant_id_tenants FOREIGN KEY(tenant_id) REFERENCES tenants (id),
    CONSTRAINT fk_conversation_aliases_tenant_id_unit_id_units FOREIGN KEY(tenant_id, unit_id) REFERENCES units (tenant_id, id),
    CONSTRAINT fk_conversation_aliases_tenant_id_conversation_id_conversations FOREIGN KEY(tenant_id, conversation_id) REFERENCES conversations (tenant_id, id)
); $sql$;
    EXECUTE $sql$ CREATE INDEX ix_conversation_aliases_conversation_id ON conversation_aliases (conversation_id); $sql$;
    EXECUTE $sql$ ALTER TABLE conversation_aliases ENABLE ROW LEVEL SECURITY; $sql$;
    EXECUTE $sql$ CREATE POLICY tenant ON conversation_aliases USING (tenant_id = (SELECT nullif(current_setting('portal.tenant_id', true), '')::uuid)); $sql$;
    EXECUTE $sql$ DO $$ BEGIN
IF (SELECT count(*) = 2 FROM pg_roles WHERE rolname IN ('portal_tenant', 'portal_system') AND pg_has_role(session_user, oid, 'MEMBER')) THEN
    CREATE POLICY system ON conversation_aliases TO portal_system USING (true);
    GRANT SELECT, INSERT, UPDATE, DELETE ON conversation_aliases TO portal_tenant, portal_system;
ELSE
    ALTER TABLE conversation_aliases FORCE ROW LEVEL SECURITY;
    CREATE POLICY system ON conversation_aliases USING (current_setting('portal.is_system', true) = 'on');
END IF;
END $$; $sql$;
    EXECUTE $sql$ CREATE TABLE webhook_counts (
    day DATE NOT NULL,
    outcome VARCHAR(32) NOT NULL,
    event VARCHAR(60) NOT NULL,
    count BIGINT NOT NULL,
    CONSTRAINT pk_webhook_counts PRIMARY KEY (day, outcome, event),
    CONSTRAINT ck_webhook_counts_outcome CHECK (outcome IN ('unknown_event', 'unknown_instance', 'refused'))
); $sql$;
    EXECUTE $sql$ DO $$ BEGIN
IF (SELECT count(*) = 2 FROM pg_roles WHERE rolname IN ('portal_tenant', 'portal_system') AND pg_has_role(session_user, oid, 'MEMBER')) THEN
    GRANT SELECT, INSERT, UPDATE, DELETE ON webhook_counts TO portal_tenant, portal_system;
ELSE
    NULL;
END IF;
END $$; $sql$;
    EXECUTE $sql$ ALTER TABLE units ADD COLUMN expected_number VARCHAR(20); $sql$;
    EXECUTE $sql$ ALTER TABLE units ADD COLUMN keeps_groups BOOLEAN DEFAULT false NOT NULL; $sql$;
    EXECUTE $sql$ ALTER TABLE units ADD COLUMN keeps_stories BOOLEAN DEFAULT false NOT NULL; $sql$;
    EXECUTE $sql$ ALTER TABLE units ADD COLUMN keeps_broadcasts BOOLEAN DEFAULT false NOT NULL; $sql$;
    EXECUTE $sql$ ALTER TABLE contacts ADD COLUMN kind VARCHAR(32) DEFAULT 'person' NOT NULL; $sql$;
    EXECUTE $sql$ ALTER TABLE contacts ADD COLUMN chat_jid VARCHAR(80); $sql$;
    EXECUTE $sql$ ALTER TABLE contacts ADD COLUMN named_at TIMESTAMP WITH TIME ZONE; $sql$;
    EXECUTE $sql$ ALTER TABLE contacts ADD CONSTRAINT uq_contacts_tenant_id_chat_jid UNIQUE (tenant_id, chat_jid); $sql$;
    EXECUTE $sql$ ALTER TABLE contacts DROP CONSTRAINT ck_contacts_reachable; $sql$;
    EXECUTE $sql$ ALTER TABLE contacts ADD CONSTRAINT ck_contacts_reachable CHECK (phone IS NOT NULL OR lid IS NOT NULL OR chat_jid IS NOT NULL); $sql$;
    EXECUTE $sql$ ALTER TABLE contacts ADD CONSTRAINT ck_contacts_kind CHECK (kind IN ('person', 'group', 'stories', 'broadcast')); $sql$;
    EXECUTE $sql$ ALTER TABLE contacts ADD CONSTRAINT ck_contacts_kind_of_chat CHECK ((kind = 'person') = (chat_jid IS NULL)); $sql$;
    EXECUTE $sql$ ALTER TABLE media ADD COLUMN state VARCHAR(32) DEFAULT 'stored' NOT NULL; $sql$;
    EXECUTE $sql$ ALTER TABLE media ADD COLUMN duration_s INTEGER; $sql$;
    EXECUTE $sql$ ALTER TABLE media ADD COLUMN thumbnail BYTEA; $sql$;
    EXECUTE $sql$ ALTER TABLE media ADD COLUMN fetch_at TIMESTAMP WITH TIME ZONE; $sql$;
    EXECUTE $sql$ ALTER TABLE media ADD COLUMN fetch_attempts SMALLINT DEFAULT '0' NOT NULL; $sql$;
    EXECUTE $sql$ ALTER TABLE media ADD COLUMN fetch_error VARCHAR(60); $sql$;
    EXECUTE $sql$ ALTER TABLE media ALTER COLUMN content DROP NOT NULL; $sql$;
    EXECUTE $sql$ ALTER TABLE media ALTER COLUMN sha256 DROP NOT NULL; $sql$;
    EXECUTE $sql$ ALTER TABLE media ALTER COLUMN size DROP NOT NULL; $sql$;
    EXECUTE $sql$ ALTER TABLE media ADD CONSTRAINT ck_media_state CHECK (state IN ('stored', 'remote', 'unavailable')); $sql$;
    EXECUTE $sql$ ALTER TABLE media ADD CONSTRAINT ck_media_stored CHECK ((state = 'stored') = (content IS NOT NULL AND sha256 IS NOT NULL)); $sql$;
    EXECUTE $sql$ CREATE INDEX ix_media_fetch_at ON media (fetch_at) WHERE fetch_at IS NOT NULL; $sql$;
    EXECUTE $sql$ ALTER TABLE messages ADD COLUMN details JSONB; $sql$;
    EXECUTE $sql$ ALTER TABLE messages ADD COLUMN refers_to VARCHAR(80); $sql$;
    EXECUTE $sql$ ALTER TABLE messages ADD COLUMN edited_at TIMESTAMP WITH TIME ZONE; $sql$;
    EXECUTE $sql$ ALTER TABLE messages ADD COLUMN original_body TEXT; $sql$;
    EXECUTE $sql$ ALTER TABLE messages ADD COLUMN deleted_at TIMESTAMP WITH TIME ZONE; $sql$;
    EXECUTE $sql$ ALTER TABLE messages ADD COLUMN repair_id UUID; $sql$;
    EXECUTE $sql$ ALTER TABLE messages ADD CONSTRAINT fk_messages_tenant_id_repair_id_repairs FOREIGN KEY(tenant_id, repair_id) REFERENCES repairs (tenant_id, id); $sql$;
    EXECUTE $sql$ CREATE INDEX ix_messages_refers_to ON messages (unit_id, refers_to) WHERE refers_to IS NOT NULL; $sql$;
    EXECUTE $sql$ CREATE INDEX ix_messages_unread ON messages (conversation_id) WHERE direction = 'inbound' AND read_at IS NULL; $sql$;
    EXECUTE $sql$ CREATE INDEX ix_messages_media_id ON messages (media_id) WHERE media_id IS NOT NULL; $sql$;
    EXECUTE $sql$ ALTER TABLE unit_whatsapp_connections ADD COLUMN status_at TIMESTAMP WITH TIME ZONE; $sql$;
    EXECUTE $sql$ ALTER TABLE unit_whatsapp_connections ADD COLUMN last_receipt_at TIMESTAMP WITH TIME ZONE; $sql$;
    EXECUTE $sql$ ALTER TABLE unit_whatsapp_connections ADD COLUMN usual_gap_s FLOAT; $sql$;
    EXECUTE $sql$ ALTER TABLE unit_whatsapp_connections ADD COLUMN losses INTEGER DEFAULT '0' NOT NULL; $sql$;
    EXECUTE $sql$ ALTER TABLE unit_whatsapp_connections ADD COLUMN losses_since TIMESTAMP WITH TIME ZONE; $sql$;
    EXECUTE $sql$ ALTER TABLE unit_whatsapp_connections ADD COLUMN check_at TIMESTAMP WITH TIME ZONE; $sql$;
    EXECUTE $sql$ ALTER TABLE unit_whatsapp_connections ADD COLUMN checked_at TIMESTAMP WITH TIME ZONE; $sql$;
    EXECUTE $sql$ ALTER TABLE unit_whatsapp_connections ADD COLUMN check_error VARCHAR(60); $sql$;
    EXECUTE $sql$ ALTER TABLE unit_whatsapp_connections ADD COLUMN webhook_checked_at TIMESTAMP WITH TIME ZONE; $sql$;
    EXECUTE $sql$ ALTER TABLE unit_whatsapp_connections ADD COLUMN compared_until TIMESTAMP WITH TIME ZONE; $sql$;
    EXECUTE $sql$ ALTER TABLE unit_whatsapp_connections ADD COLUMN compare_at TIMESTAMP WITH TIME ZONE; $sql$;
    EXECUTE $sql$ SELECT set_config('portal.is_system', 'on', true); $sql$;
    EXECUTE $sql$ UPDATE unit_whatsapp_connections SET check_at = now(), compared_until = now(), compare_at = now() WHERE instance_name IS NOT NULL; $sql$;
    EXECUTE $sql$ SELECT set_config('portal.is_system', '', true); $sql$;
    EXECUTE $sql$ CREATE INDEX ix_unit_whatsapp_connections_check_at ON unit_whatsapp_connections (check_at); $sql$;
    EXECUTE $sql$ CREATE INDEX ix_unit_whatsapp_connections_compare_at ON unit_whatsapp_connections (compare_at); $sql$;
    EXECUTE $sql$ CREATE INDEX ix_unit_whatsapp_connections_phone ON unit_whatsapp_connections (phone); $sql$;
    EXECUTE $sql$ ALTER TABLE webhook_events ADD COLUMN repair_id UUID; $sql$;
    EXECUTE $sql$ ALTER TABLE webhook_events ADD CONSTRAINT fk_webhook_events_tenant_id_repair_id_repairs FOREIGN KEY(tenant_id, repair_id) REFERENCES repairs (tenant_id, id); $sql$;
    EXECUTE $sql$ UPDATE alembic_version SET version_num='0004' WHERE alembic_version.version_num = '0003'; $sql$;
    GET DIAGNOSTICS stamped = ROW_COUNT;
    IF stamped <> 1 THEN
        RAISE EXCEPTION '0004: it cannot be noted in alembic_version';
    END IF;
    RAISE NOTICE '0004: applied. %', 'Every event, every kind: chats that are no person''s, files to fetch, edits and deletions, holes, checked state.';
END $golive$;

-- 0005 Contacts, import, consent: tags, attributes, imports that can be undone, who opted out, merges by hand, erasure.
DO $golive$
DECLARE
    version text;
    stamped bigint;
BEGIN
    PERFORM pg_advisory_xact_lock(7106113);
    PERFORM set_config('lock_timeout', '4s', true);
    version := (SELECT version_num FROM alembic_version);
    IF version >= '0005' THEN
        RAISE NOTICE '0005: there already';
        RETURN;
    END IF;
    -- A console that goes on after an error must not leave a hole.
    IF version IS DISTINCT FROM '0004' THEN
        RAISE EXCEPTION '0005: the one before it is not there, the database is at %', coalesce(version, 'none')
            USING HINT = 'Mend what the first error says, and run the whole script again.';
    END IF;
    EXECUTE $sql$ CREATE TABLE suppressions (
    tenant_id UUID NOT NULL,
    fingerprint VARCHAR(64) NOT NULL,
    reason VARCHAR(32) NOT NULL,
    created_at TIMESTAMP WITH TIME ZONE DEFAULT now() NOT NULL,
    CONSTRAINT pk_suppressions PRIMARY KEY (tenant_id, fingerprint),
    CONSTRAINT ck_suppressions_reason CHECK (reason IN ('opted_out', 'erased')),
    CONSTRAINT fk_suppressions_tenant_id_tenants FOREIGN KEY(tenant_id) REFERENCES tenants (id)
); $sql$;
    EXECUTE $sql$ CREATE TABLE tags (
    id UUID NOT NULL,
    tenant_id UUID NOT NULL,
    name VARCHAR(60) NOT NULL,
    created_at TIMESTAMP WITH TIME ZONE DEFAULT now() NOT NULL,
    CONSTRAINT pk_tags PRIMARY KEY (id),
    CONSTRAINT fk_tags_tenant_id_tenants FOREIGN KEY(tenant_id) REFERENCES tenants (id),
    CONSTRAINT uq_tags_tenant_id_id UNIQUE (tenant_id, id)
); $sql$;
    EXECUTE $sql$ CREATE UNIQUE INDEX uq_tags_tenant_id_name ON tags (tenant_id, lower(name)); $sql$;
    EXECUTE $sql$ CREATE TABLE tenant_settings (
    tenant_id UUID NOT NULL,
    opt_out_words JSONB,
    opt_in_words JSONB,
    opt_out_answer TEXT,
    opt_in_answer TEXT,
    keep_messages_days INTEGER,
    keep_events_days INTEGER DEFAULT '90' NOT NULL,
    updated_at TIMESTAMP WITH TIME ZONE,
    CONSTRAINT pk_tenant_settings PRIMARY KEY (tenant_id),
    CONSTRAINT fk_tenant_settings_tenant_id_tenants FOREIGN KEY(tenant_id) REFERENCES tenants (id)
); $sql$;
    EXECUTE $sql$ CREATE TABLE erasures (
    id UUID NOT NULL,
    tenant_id UUID NOT NULL,
    contact_id UUID NOT NULL,
    asked_by_id UUID,
    created_at TIMESTAMP WITH TIME ZONE DEFAULT now() NOT NULL,
    done_at TIMESTAMP WITH TIME ZONE,
    counts JSONB,
    CONSTRAINT pk_erasures PRIMARY KEY (id),
    CONSTRAINT fk_erasures_tenant_id_asked_by_id_users FOREIGN KEY(tenant_id, asked_by_id) REFERENCES users (tenant_id, id),
    CONSTRAINT fk_erasures_tenant_id_tenants FOREIGN KEY(tenant_id) REFERENCES tenants (id)
); $sql$;
    EXECUTE $sql$ CREATE INDEX ix_erasures_waiting ON erasures (id) WHERE done_at IS NULL; $sql$;
    EXECUTE $sql$ CREATE UNIQUE INDEX uq_erasures_contact_id ON erasures (contact_id); $sql$;
    EXECUTE $sql$ CREATE TABLE imports (
    id UUID NOT NULL,
    tenant_id UUID NOT NULL,
    created_by_id UUID,
    source VARCHAR(32) NOT NULL,
    file_name VARCHAR(120) NOT NULL,
    size BIGINT NOT NULL,
    sha256 VARCHAR(64) NOT NULL,
    content_until TIMESTAMP WITH TIME ZONE,
    created_at TIMESTAMP WITH TIME ZONE DEFAULT now() NOT NULL,
    state VARCHAR(32) DEFAULT 'reading' NOT NULL,
    problem VARCHAR(60),
    problem_details JSONB,
    layout JSONB,
    mapping JSONB,
    tag_names JSONB DEFAULT '[]'::jsonb NOT NULL,
    counts JSONB,
    done BIGINT DEFAULT '0' NOT NULL,
    total BIGINT DEFAULT '0' NOT NULL,
    cancel_asked_at TIMESTAMP WITH TIME ZONE,
    relay_id UUID,
    attempts SMALLINT DEFAULT '0' NOT NULL,
    finished_at TIMESTAMP WITH TIME ZONE,
    undone_at TIMESTAMP WITH TIME ZONE,
    CONSTRAINT pk_imports PRIMARY KEY (id),
    CONSTRAINT ck_imports_source CHECK (source IN ('file', 'pasted')),
    CONSTRAINT ck_imports_state CHECK (state IN ('reading', 'refused', 'mapping', 'checking', 'checked', 'importing', 'done', 'cancelled', 'undoing', 'undone', 'failed')),
    CONSTRAINT fk_imports_tenant_id_created_by_id_users FOREIGN KEY(tenant_id, created_by_id) REFERENCES users (tenant_id, id),
    CONSTRAINT fk_imports_tenant_id_tenants FOREIGN KEY(tenant_id) REFERENCES tenants (id),
    CONSTRAINT uq_imports_tenant_id_id UNIQUE (tenant_id, id)
); $sql$;
    EXECUTE $sql$ CREATE INDEX ix_imports_waiting ON imports (id) WHERE state IN ('reading', 'checking', 'importing', 'undoing'); $sql$;
    EXECUTE $sql$ CREATE INDEX ix_imports_content_until ON imports (content_until) WHERE content_until IS NOT NULL; $sql$;
    EXECUTE $sql$ CREATE INDEX ix_imports_tenant_id_sha256 ON imports (tenant_id, sha256); $sql$;
    EXECUTE $sql$ CREATE TABLE import_chunks (
    tenant_id UUID NOT NULL,
    import_id UUID NOT NULL,
    number INTEGER NOT NULL,
    content BYTEA NOT NULL,
    CONSTRAINT pk_import_chunks PRIMARY KEY (import_id, number),
    CONSTRAINT fk_import_chunks_tenant_id_import_id_imports FOREIGN KEY(tenant_id, import_id) REFERENCES imports (tenant_id, id) ON DELETE CASCADE,
    CONSTRAINT fk_import_chunks_tenant_id_tenants FOREIGN KEY(tenant_id) REFERENCES tenants (id)
); $sql$;
    EXECUTE $sql$ CREATE TABLE import_rows (
    tenant_id UUID NOT NULL,
    import_id UUID NOT NULL,
    kind VARCHAR(32) NOT NULL,
    line INTEGER NOT NULL,
    cells JSONB NOT NULL,
    notes JSONB NOT NULL,
    CONSTRAINT pk_import_rows PRIMARY KEY (import_id, kind, line),
    CONSTRAINT ck_import_rows_kind CHECK (kind IN ('wrong', 'repeated', 'renumbered', 'opted_out', 'erased')),
    CONSTRAINT fk_import_rows_tenant_id_import_id_imports FOREIGN KEY(tenant_id, import_id) REFERENCES imports (tenant_id, id) ON DELETE CASCADE,
    CONSTRAINT fk_import_rows_tenant_id_tenants FOREIGN KEY(tenant_id) REFERENCES tenants (id)
); $sql$;
    EXECUTE $sql$ ALTER TABLE contacts ADD COLUMN number_at TIMESTAMP WITH TIME ZONE; $sql$;
    EXECUTE $sql$ ALTER TABLE contacts ADD COLUMN attributes JSONB DEFAULT '{}'::jsonb NOT NULL; $sql$;
    EXECUTE $sql$ ALTER TABLE contacts ADD COLUMN opted_out_at TIMESTAMP WITH TIME ZONE; $sql$;
    EXECUTE $sql$ ALTER TABLE contacts ADD COLUMN merged_into_id UUID; $sql$;
    EXECUTE $sql$ ALTER TABLE contacts ADD COLUMN import_id UUID; $sql$;
    EXECUTE $sql$ ALTER TABLE contacts ADD COLUMN edited_at TIMESTAMP WITH TIME ZONE; $sql$;
    EXECUTE $sql$ ALTER TABLE contacts ADD CONSTRAINT ck_contacts_merged_into_another CHECK (merged_into_id <> id); $sql$;
    EXECUTE $sql$ ALTER TABLE contacts ADD CONSTRAINT fk_contacts_tenant_id_merged_into_id_contacts FOREIGN KEY(tenant_id, merged_into_id) REFERENCES contacts (tenant_id, id); $sql$;
    EXECUTE $sql$ ALTER TABLE contacts ADD CONSTRAINT fk_contacts_tenant_id_import_id_imports FOREIGN KEY(tenant_id, import_id) REFERENCES imports (tenant_id, id); $sql$;
    EXECUTE $sql$ CREATE INDEX ix_contacts_import_id ON contacts (import_id) WHERE import_id IS NOT NULL; $sql$;
    EXECUTE $sql$ CREATE INDEX ix_contacts_merged_into_id ON contacts (merged_into_id) WHERE merged_into_id IS NOT NULL; $sql$;
    EXECUTE $sql$ CREATE TABLE consent_events (
    id UUID NOT NULL,
    tenant_id UUID NOT NULL,
    contact_id UUID NOT NULL,
    kind VARCHAR(32) NOT NULL,
    source VARCHAR(32) NOT NULL,
    unit_id UUID,
    message_id UUID,
    words TEXT,
    noted_by_id UUID,
    note VARCHAR(500),
    happened_at TIMESTAMP WITH TIME ZONE NOT NULL,
    created_at TIMESTAMP WITH TIME ZONE DEFAULT now() NOT NULL,
    CONSTRAINT pk_consent_events PRIMARY KEY (id),
    CONSTRAINT ck_consent_events_kind CHECK (kind IN ('opted_out', 'opted_in')),
    CONSTRAINT ck_consent_events_source CHECK (source IN ('message', 'staff', 'remembered')),
    CONSTRAINT fk_consent_events_tenant_id_contact_id_contacts FOREIGN KEY(tenant_id, contact_id) REFERENCES contacts (tenant_id, id) ON DELETE CASCADE,
    CONSTRAINT fk_consent_events_tenant_id_unit_id_units FOREIGN KEY(tenant_id, unit_id) REFERENCES units (tenant_id, id),
    CONSTRAINT fk_consent_events_tenant_id_noted_by_id_users FOREIGN KEY(tenant_id, noted_by_id) REFERENCES users (tenant_id, id),
    CONSTRAINT fk_consent_events_tenant_id_tenants FOREIGN KEY(tenant_id) REFERENCES tenants (id)
); $sql$;
    EXECUTE $sql$ CREATE INDEX ix_consent_events_contact_id_happened_at ON consent_events (contact_id, happened_at); $sql$;
    EXECUTE $sql$ CREATE UNIQUE INDEX uq_consent_events_message_id_kind ON consent_events (message_id, kind) WHERE message_id IS NOT NULL; $sql$;
    EXECUTE $sql$ CREATE TABLE contact_merges (
    id UUID NOT NULL,
    tenant_id UUID NOT NULL,
    kept_id UUID NOT NULL,
    other_id UUID NOT NULL,
    merged_by_id UUID,
    before JSONB NOT NULL,
    created_at TIMESTAMP WITH TIME ZONE DEFAULT now() NOT NULL,
    undone_at TIMESTAMP WITH TIME ZONE,
    CONSTRAINT pk_contact_merges PRIMARY KEY (id),
    CONSTRAINT fk_contact_merges_tenant_id_kept_id_contacts FOREIGN KEY(tenant_id, kept_id) REFERENCES contacts (tenant_id, id) ON DELETE CASCADE,
    CONSTRAINT fk_contact_merges_tenant_id_other_id_contacts FOREIGN KEY(tenant_id, other_id) REFERENCES contacts (tenant_id, id) ON DELETE CASCADE,
    CONSTRAINT fk_contact_merges_tenant_id_merged_by_id_users FOREIGN KEY(tenant_id, merged_by_id) REFERENCES users (tenant_id, id),
    CONSTRAINT fk_contact_merges_tenant_id_tenants FOREIGN KEY(tenant_id) REFERENCES tenants (id),
    CONSTRAINT uq_contact_merges_tenant_id_id UNIQUE (tenant_id, id)
); $sql$;
    EXECUTE $sql$ CREATE INDEX ix_contact_merges_kept_id ON contact_merges (kept_id); $sql$;
    EXECUTE $sql$ CREATE INDEX ix_contact_merges_other_id ON contact_merges (other_id); $sql$;
    EXECUTE $sql$ CREATE TABLE contact_tags (
    tenant_id UUID NOT NULL,
    contact_id UUID NOT NULL,
    tag_id UUID NOT NULL,
    import_id UUID,
    CONSTRAINT pk_contact_tags PRIMARY KEY (contact_id, tag_id),
    CONSTRAINT fk_contact_tags_tenant_id_contact_id_contacts FOREIGN KEY(tenant_id, contact_id) REFERENCES contacts (tenant_id, id) ON DELETE CASCADE,
    CONSTRAINT fk_contact_tags_tenant_id_tag_id_tags FOREIGN KEY(tenant_id, tag_id) REFERENCES tags (tenant_id, id) ON DELETE CASCADE,
    CONSTRAINT fk_contact_tags_tenant_id_import_id_imports FOREIGN KEY(tenant_id, import_id) REFERENCES imports (tenant_id, id),
    CONSTRAINT fk_contact_tags_tenant_id_tenants FOREIGN KEY(tenant_id) REFERENCES tenants (id)
); $sql$;
    EXECUTE $sql$ CREATE INDEX ix_contact_tags_tag_id_contact_id ON contact_tags (tag_id, contact_id); $sql$;
    EXECUTE $sql$ CREATE INDEX ix_contact_tags_import_id ON contact_tags (import_id) WHERE import_id IS NOT NULL; $sql$;
    EXECUTE $sql$ CREATE TABLE import_changes (
    tenant_id UUID NOT NULL,
    import_id UUID NOT NULL,
    contact_id UUID NOT NULL,
    before JSONB NOT NULL,
    after JSONB NOT NULL,
    CONSTRAINT pk_import_changes PRIMARY KEY (import_id, contact_id),
    CONSTRAINT fk_import_changes_tenant_id_import_id_imports FOREIGN KEY(tenant_id, import_id) REFERENCES imports (tenant_id, id) ON DELETE CASCADE,
    CONSTRAINT fk_import_changes_tenant_id_contact_id_contacts FOREIGN KEY(tenant_id, contact_id) REFERENCES contacts (tenant_id, id) ON DELETE CASCADE,
    CONSTRAINT fk_import_changes_tenant_id_tenants FOREIGN KEY(tenant_id) REFERENCES tenants (id)
); $sql$;
    EXECUTE $sql$ CREATE INDEX ix_import_changes_contact_id ON import_changes (contact_id); $sql$;
    EXECUTE $sql$ CREATE TABLE merged_messages (
    tenant_id UUID NOT NULL,
    merge_id UUID NOT NULL,
    message_id UUID NOT NULL,
    conversation_id UUID NOT NULL,
    client_message_id VARCHAR(120),
    CONSTRAINT pk_merged_messages PRIMARY KEY (merge_id, message_id),
    CONSTRAINT fk_merged_messages_tenant_id_merge_id_contact_merges FOREIGN KEY(tenant_id, merge_id) REFERENCES contact_merges (tenant_id, id) ON DELETE CASCADE,
    CONSTRAINT fk_merged_messages_tenant_id_message_id_messages FOREIGN KEY(tenant_id, message_id) REFERENCES messages (tenant_id, id) ON DELETE CASCADE,
    CONSTRAINT fk_merged_messages_tenant_id_tenants FOREIGN KEY(tenant_id) REFERENCES tenants (id)
); $sql$;
    EXECUTE $sql$ CREATE INDEX ix_merged_messages_message_id ON merged_messages (message_id); $sql$;
    EXECUTE $sql$ ALTER TABLE conversations ADD COLUMN doubted_at TIMESTAMP WITH TIME ZONE; $sql$;
    EXECUTE $sql$ ALTER TABLE conversations ADD COLUMN doubted_message_id UUID; $sql$;
    EXECUTE $sql$ CREATE INDEX ix_conversations_contact_id ON conversations (contact_id); $sql$;
    EXECUTE $sql$ CREATE INDEX ix_conversations_doubted_at ON conversations (tenant_id, doubted_at) WHERE doubted_at IS NOT NULL; $sql$;
    EXECUTE $sql$ CREATE INDEX ix_messages_resend_of_id ON messages (resend_of_id) WHERE resend_of_id IS NOT NULL; $sql$;
    EXECUTE $sql$ CREATE INDEX ix_webhook_events_tenant_id_id ON webhook_events (tenant_id, id); $sql$;
    EXECUTE $sql$ DO $$ BEGIN
IF (SELECT count(*) = 2 FROM pg_roles WHERE rolname IN ('portal_tenant', 'portal_system') AND pg_has_role(session_user, oid, 'MEMBER')) THEN
    GRANT DELETE ON webhook_events TO portal_tenant;
ELSE
    NULL;
END IF;
END $$; $sql$;
    EXECUTE $sql$ ALTER TABLE suppressions ENABLE ROW LEVEL SECURITY; $sql$;
    EXECUTE $sql$ CREATE POLICY tenant ON suppressions USING (tenant_id = (SELECT nullif(current_setting('portal.tenant_id', true), '')::uuid)); $sql$;
    EXECUTE $sql$ DO $$ BEGIN
IF (SELECT count(*) = 2 FROM pg_roles WHERE rolname IN ('portal_tenant', 'portal_system') AND pg_has_role(session_user, oid, 'MEMBER')) THEN
    CREATE POLICY system ON suppressions TO portal_system USING (true);
    GRANT SELECT, INSERT, UPDATE, DELETE ON suppressions TO portal_tenant, portal_system;
ELSE
    ALTER TABLE suppressions FORCE ROW LEVEL SECURITY;
    CREATE POLICY system ON suppressions USING (current_setting('portal.is_system', true) = 'on');
END IF;
END $$; $sql$;
    EXECUTE $sql$ ALTER TABLE tags ENABLE ROW LEVEL SECURITY; $sql$;
    EXECUTE $sql$ CREATE POLICY tenant ON tags USING (tenant_id = (SELECT nullif(current_setting('portal.tenant_id', true), '')::uuid)); $sql$;
    EXECUTE $sql$ DO $$ BEGIN
IF (SELECT count(*) = 2 FROM pg_roles WHERE rolname IN ('portal_tenant', 'portal_system') AND pg_has_role(session_user, oid, 'MEMBER')) THEN
    CREATE POLICY system ON tags TO portal_system USING (true);
    GRANT SELECT, INSERT, UPDATE, DELETE ON tags TO portal_tenant, portal_system;
ELSE
    ALTER TABLE tags FORCE ROW LEVEL SECURITY;
    CREATE POLICY system ON tags USING (current_setting('portal.is_system', true) = 'on');
END IF;
END $$; $sql$;
    EXECUTE $sql$ ALTER TABLE tenant_settings ENABLE ROW LEVEL SECURITY; $sql$;
    EXECUTE $sql$ CREATE POLICY tenant ON tenant_settings USING (tenant_id = (SELECT nullif(current_setting('portal.tenant_id', true), '')::uuid)); $sql$;
    EXECUTE $sql$ DO $$ BEGIN
IF (SELECT count(*) = 2 FROM pg_roles WHERE rolname IN ('portal_tenant', 'portal_system') AND pg_has_role(session_user, oid, 'MEMBER')) THEN
    CREATE POLICY system ON tenant_settings TO portal_system USING (true);
    GRANT SELECT, INSERT, UPDATE, DELETE ON tenant_settings TO portal_tenant, portal_system;
ELSE
    ALTER TABLE tenant_settings FORCE ROW LEVEL SECURITY;
    CREATE POLICY system ON tenant_settings USING (current_setting('portal.is_system', true) = 'on');
END IF;
END $$; $sql$;
    EXECUTE $sql$ ALTER TABLE erasures ENABLE ROW LEVEL SECURITY; $sql$;
    EXECUTE $sql$ CREATE POLICY tenant ON erasures USING (tenant_id = (SELECT nullif(current_setting('portal.tenant_id', true), '')::uuid)); $sql$;
    EXECUTE $sql$ DO $$ BEGIN
IF (SELECT count(*) = 2 FROM pg_roles WHERE rolname IN ('portal_tenant', 'portal_system') AND pg_has_role(session_user, oid, 'MEMBER')) THEN
    CREATE POLICY system ON erasures TO portal_system USING (true);
    GRANT SELECT, INSERT, UPDATE, DELETE ON erasures TO portal_tenant, portal_system;
ELSE
    ALTER TABLE erasures FORCE ROW LEVEL SECURITY;
    CREATE POLICY system ON erasures USING (current_setting('portal.is_system', true) = 'on');
END IF;
END $$; $sql$;
    EXECUTE $sql$ ALTER TABLE imports ENABLE ROW LEVEL SECURITY; $sql$;
    EXECUTE $sql$ CREATE POLICY tenant ON imports USING (tenant_id = (SELECT nullif(current_setting('portal.tenant_id', true), '')::uuid)); $sql$;
    EXECUTE $sql$ DO $$ BEGIN
IF (SELECT count(*) = 2 FROM pg_roles WHERE rolname IN ('portal_tenant', 'portal_system') AND pg_has_role(session_user, oid, 'MEMBER')) THEN
    CREATE POLICY system ON imports TO portal_system USING (true);
    GRANT SELECT, INSERT, UPDATE, DELETE ON imports TO portal_tenant, portal_system;
ELSE
    ALTER TABLE imports FORCE ROW LEVEL SECURITY;
    CREATE POLICY system ON imports USING (current_setting('portal.is_system', true) = 'on');
END IF;
END $$; $sql$;
    EXECUTE $sql$ ALTER TABLE import_chunks ENABLE ROW LEVEL SECURITY; $sql$;
    EXECUTE $sql$ CREATE POLICY tenant ON import_chunks USING (tenant_id = (SELECT nullif(current_setting('portal.tenant_id', true), '')::uuid)); $sql$;
    EXECUTE $sql$ DO $$ BEGIN
IF (SELECT count(*) = 2 FROM pg_roles WHERE rolname IN ('portal_tenant', 'portal_system') AND pg_has_role(session_user, oid, 'MEMBER')) THEN
    CREATE POLICY system ON import_chunks TO portal_system USING (true);
    GRANT SELECT, INSERT, UPDATE, DELETE ON import_chunks TO portal_tenant, portal_system;
ELSE
    ALTER TABLE import_chunks FORCE ROW LEVEL SECURITY;
    CREATE POLICY system ON import_chunks USING (current_setting('portal.is_system', true) = 'on');
END IF;
END $$; $sql$;
    EXECUTE $sql$ ALTER TABLE import_rows ENABLE ROW LEVEL SECURITY; $sql$;
    EXECUTE $sql$ CREATE POLICY tenant ON import_rows USING (tenant_id = (SELECT nullif(current_setting('portal.tenant_id', true), '')::uuid)); $sql$;
    EXECUTE $sql$ DO $$ BEGIN
IF (SELECT count(*) = 2 FROM pg_roles WHERE rolname IN ('portal_tenant', 'portal_system') AND pg_has_role(session_user, oid, 'MEMBER')) THEN
    CREATE POLICY system ON import_rows TO portal_system USING (true);
    GRANT SELECT, INSERT, UPDATE, DELETE ON import_rows TO portal_tenant, portal_system;
ELSE
    ALTER TABLE import_rows FORCE ROW LEVEL SECURITY;
    CREATE POLICY system ON import_rows USING (current_setting('portal.is_system', true) = 'on');
END IF;
END $$; $sql$;
    EXECUTE $sql$ ALTER TABLE consent_events ENABLE ROW LEVEL SECURITY; $sql$;
    EXECUTE $sql$ CREATE POLICY tenant ON consent_events USING (tenant_id = (SELECT nullif(current_setting('portal.tenant_id', true), '')::uuid)); $sql$;
    EXECUTE $sql$ DO $$ BEGIN
IF (SELECT count(*) = 2 FROM pg_roles WHERE rolname IN ('portal_tenant', 'portal_system') AND pg_has_role(session_user, oid, 'MEMBER')) THEN
    CREATE POLICY system ON consent_events TO portal_system USING (true);
    GRANT SELECT, INSERT, UPDATE, DELETE ON consent_events TO portal_tenant, portal_system;
ELSE
    ALTER TABLE consent_events FORCE ROW LEVEL SECURITY;
    CREATE POLICY system ON consent_events USING (current_setting('portal.is_system', true) = 'on');
END IF;
END $$; $sql$;
    EXECUTE $sql$ ALTER TABLE contact_merges ENABLE ROW LEVEL SECURITY; $sql$;
    EXECUTE $sql$ CREATE POLICY tenant ON contact_merges USING (tenant_id = (SELECT nullif(current_setting('portal.tenant_id', true), '')::uuid)); $sql$;
    EXECUTE $sql$ DO $$ BEGIN
IF (SELECT count(*) = 2 FROM pg_roles WHERE rolname IN ('portal_tenant', 'portal_system') AND pg_has_role(session_user, oid, 'MEMBER')) THEN
    CREATE POLICY system ON contact_merges TO portal_system USING (true);
    GRANT SELECT, INSERT, UPDATE, DELETE ON contact_merges TO portal_tenant, portal_system;
ELSE
    ALTER TABLE contact_merges FORCE ROW LEVEL SECURITY;
    CREATE POLICY system ON contact_merges USING (current_setting('portal.is_system', true) = 'on');
END IF;
END $$; $sql$;
    EXECUTE $sql$ ALTER TABLE contact_tags ENABLE ROW LEVEL SECURITY; $sql$;
    EXECUTE $sql$ CREATE POLICY tenant ON contact_tags USING (tenant_id = (SELECT nullif(current_setting('portal.tenant_id', true), '')::uuid)); $sql$;
    EXECUTE $sql$ DO $$ BEGIN
IF (SELECT count(*) = 2 FROM pg_roles WHERE rolname IN ('portal_tenant', 'portal_system') AND pg_has_role(session_user, oid, 'MEMBER')) THEN
    CREATE POLICY system ON contact_tags TO portal_system USING (true);
    GRANT SELECT, INSERT, UPDATE, DELETE ON contact_tags TO portal_tenant, portal_system;
ELSE
    ALTER TABLE contact_tags FORCE ROW LEVEL SECURITY;
    CREATE POLICY system ON contact_tags USING (current_setting('portal.is_system', true) = 'on');
END IF;
END $$; $sql$;
    EXECUTE $sql$ ALTER TABLE import_changes ENABLE ROW LEVEL SECURITY; $sql$;
    EXECUTE $sql$ CREATE POLICY tenant ON import_changes USING (tenant_id = (SELECT nullif(current_setting('portal.tenant_id', true), '')::uuid)); $sql$;
    EXECUTE $sql$ DO $$ BEGIN
IF (SELECT count(*) = 2 FROM pg_roles WHERE rolname IN ('portal_tenant', 'portal_system') AND pg_has_role(session_user, oid, 'MEMBER')) THEN
    CREATE POLICY system ON import_changes TO portal_system USING (true);
    GRANT SELECT, INSERT, UPDATE, DELETE ON import_changes TO portal_tenant, portal_system;
ELSE
    ALTER TABLE import_changes FORCE ROW LEVEL SECURITY;
    CREATE POLICY system ON import_changes USING (current_setting('portal.is_system', true) = 'on');
END IF;
END $$; $sql$;
    EXECUTE $sql$ ALTER TABLE merged_messages ENABLE ROW LEVEL SECURITY; $sql$;
    EXECUTE $sql$ CREATE POLICY tenant ON merged_messages USING (tenant_id = (SELECT nullif(current_setting('portal.tenant_id', true), '')::uuid)); $sql$;
    EXECUTE $sql$ DO $$ BEGIN
IF (SELECT count(*) = 2 FROM pg_roles WHERE rolname IN ('portal_tenant', 'portal_system') AND pg_has_role(session_user, oid, 'MEMBER')) THEN
    CREATE POLICY system ON merged_messages TO portal_system USING (true);
    GRANT SELECT, INSERT, UPDATE, DELETE ON merged_messages TO portal_tenant, portal_system;
ELSE
    ALTER TABLE merged_messages FORCE ROW LEVEL SECURITY;
    CREATE POLICY system ON merged_messages USING (current_setting('portal.is_system', true) = 'on');
END IF;
END $$; $sql$;
    EXECUTE $sql$ UPDATE alembic_version SET version_num='0005' WHERE alembic_version.version_num = '0004'; $sql$;
    GET DIAGNOSTICS stamped = ROW_COUNT;
    IF stamped <> 1 THEN
        RAISE EXCEPTION '0005: it cannot be noted in alembic_version';
    END IF;
    RAISE NOTICE '0005: applied. %', 'Contacts, import, consent: tags, attributes, imports that can be undone, who opted out, merges by hand, erasure.';
END $golive$;

-- 0006 Message templates: what a company prepared to write, with every version of it.
DO $golive$
DECLARE
    version text;
    stamped bigint;
BEGIN
    PERFORM pg_advisory_xact_lock(7106113);
    PERFORM set_config('lock_timeout', '4s', true);
    version := (SELECT version_num FROM alembic_version);
    IF version >= '0006' THEN
        RAISE NOTICE '0006: there already';
        RETURN;
    END IF;
    -- A console that goes on after an error must not leave a hole.
    IF version IS DISTINCT FROM '0005' THEN
        RAISE EXCEPTION '0006: the one before it is not there, the database is at %', coalesce(version, 'none')
            USING HINT = 'Mend what the first error says, and run the whole script again.';
    END IF;
    EXECUTE $sql$ CREATE TABLE message_templates (
    id UUID NOT NULL,
    tenant_id UUID NOT NULL,
    name VARCHAR(60) NOT NULL,
    created_at TIMESTAMP WITH TIME ZONE DEFAULT now() NOT NULL,
    archived_at TIMESTAMP WITH TIME ZONE,
    CONSTRAINT pk_message_templates PRIMARY KEY (id),
    CONSTRAINT fk_message_templates_tenant_id_tenants FOREIGN KEY(tenant_id) REFERENCES tenants (id),
    CONSTRAINT uq_message_templates_tenant_id_id UNIQUE (tenant_id, id)
); $sql$;
    EXECUTE $sql$ CREATE UNIQUE INDEX uq_message_templates_tenant_id_name ON message_templates (tenant_id, lower(name)) WHERE archived_at IS NULL; $sql$;
    EXECUTE $sql$ CREATE TABLE template_versions (
    tenant_id UUID NOT NULL,
    template_id UUID NOT NULL,
    number INTEGER NOT NULL,
    variants JSONB NOT NULL,
    media_id UUID,
    created_by_id UUID,
    created_at TIMESTAMP WITH TIME ZONE DEFAULT now() NOT NULL,
    CONSTRAINT pk_template_versions PRIMARY KEY (template_id, number),
    CONSTRAINT fk_template_versions_tenant_id_template_id_message_templates FOREIGN KEY(tenant_id, template_id) REFERENCES message_templates (tenant_id, id),
    CONSTRAINT fk_template_versions_tenant_id_media_id_media FOREIGN KEY(tenant_id, media_id) REFERENCES media (tenant_id, id),
    CONSTRAINT fk_template_versions_tenant_id_created_by_id_users FOREIGN KEY(tenant_id, created_by_id) REFERENCES users (tenant_id, id),
    CONSTRAINT fk_template_versions_tenant_id_tenants FOREIGN KEY(tenant_id) REFERENCES tenants (id)
); $sql$;
    EXECUTE $sql$ CREATE INDEX ix_template_versions_media_id ON template_versions (media_id) WHERE media_id IS NOT NULL; $sql$;
    EXECUTE $sql$ ALTER TABLE message_templates ENABLE ROW LEVEL SECURITY; $sql$;
    EXECUTE $sql$ CREATE POLICY tenant ON message_templates USING (tenant_id = (SELECT nullif(current_setting('portal.tenant_id', true), '')::uuid)); $sql$;
    EXECUTE $sql$ DO $$ BEGIN
IF (SELECT count(*) = 2 FROM pg_roles WHERE rolname IN ('portal_tenant', 'portal_system') AND pg_has_role(session_user, oid, 'MEMBER')) THEN
    CREATE POLICY system ON message_templates TO portal_system USING (true);
    GRANT SELECT, INSERT, UPDATE, DELETE ON message_templates TO portal_tenant, portal_system;
ELSE
    ALTER TABLE message_templates FORCE ROW LEVEL SECURITY;
    CREATE POLICY system ON message_templates USING (current_setting('portal.is_system', true) = 'on');
END IF;
END $$; $sql$;
    EXECUTE $sql$ ALTER TABLE template_versions ENABLE ROW LEVEL SECURITY; $sql$;
    EXECUTE $sql$ CREATE POLICY tenant ON template_versions USING (tenant_id = (SELECT nullif(current_setting('portal.tenant_id', true), '')::uuid)); $sql$;
    EXECUTE $sql$ DO $$ BEGIN
IF (SELECT count(*) = 2 FROM pg_roles WHERE rolname IN ('portal_tenant', 'portal_system') AND pg_has_role(session_user, oid, 'MEMBER')) THEN
    CREATE POLICY system ON template_versions TO portal_system USING (true);
    GRANT SELECT, INSERT, UPDATE, DELETE ON template_versions TO portal_tenant, portal_system;
ELSE
    ALTER TABLE template_versions FORCE ROW LEVEL SECURITY;
    CREATE POLICY system ON template_versions USING (current_setting('portal.is_system', true) = 'on');
END IF;
END $$; $sql$;
    EXECUTE $sql$ UPDATE alembic_version SET version_num='0006' WHERE alembic_version.version_num = '0005'; $sql$;
    GET DIAGNOSTICS stamped = ROW_COUNT;
    IF stamped <> 1 THEN
        RAISE EXCEPTION '0006: it cannot be noted in alembic_version';
    END IF;
    RAISE NOTICE '0006: applied. %', 'Message templates: what a company prepared to write, with every version of it.';
END $golive$;

-- 0007 Campaigns: what is sent to many, the ledger of their recipients, and how fast a unit may send them.
DO $golive$
DECLARE
    version text;
    stamped bigint;
BEGIN
    PERFORM pg_advisory_xact_lock(7106113);
    PERFORM set_config('lock_timeout', '4s', true);
    version := (SELECT version_num FROM alembic_version);
    IF version >= '0007' THEN
        RAISE NOTICE '0007: there already';
        RETURN;
    END IF;
    -- A console that goes on after an error must not leave a hole.
    IF version IS DISTINCT FROM '0006' THEN
        RAISE EXCEPTION '0007: the one before it is not there, the database is at %', coalesce(version, 'none')
            USING HINT = 'Mend what the first error says, and run the whole script again.';
    END IF;
    EXECUTE $sql$ ALTER TABLE units ADD COLUMN pace_min_s FLOAT DEFAULT '2' NOT NULL; $sql$;
    EXECUTE $sql$ ALTER TABLE units ADD COLUMN pace_max_s FLOAT DEFAULT '5' NOT NULL; $sql$;
    EXECUTE $sql$ ALTER TABLE units ADD COLUMN daily_cap INTEGER; $sql$;
    EXECUTE $sql$ ALTER TABLE units ADD COLUMN window_from TIME WITHOUT TIME ZONE; $sql$;
    EXECUTE $sql$ ALTER TABLE units ADD COLUMN window_to TIME WITHOUT TIME ZONE; $sql$;
    EXECUTE $sql$ ALTER TABLE units ADD COLUMN window_days JSONB DEFAULT '[1, 2, 3, 4, 5, 6, 7]'::jsonb NOT NULL; $sql$;
    EXECUTE $sql$ ALTER TABLE units ADD COLUMN skips_holidays BOOLEAN DEFAULT false NOT NULL; $sql$;
    EXECUTE $sql$ ALTER TABLE units ADD COLUMN warm_up_from DATE; $sql$;
    EXECUTE $sql$ ALTER TABLE lanes ADD COLUMN campaign_at TIMESTAMP WITH TIME ZONE; $sql$;
    EXECUTE $sql$ ALTER TABLE lanes ADD COLUMN campaign_until TIMESTAMP WITH TIME ZONE; $sql$;
    EXECUTE $sql$ ALTER TABLE lanes ADD COLUMN campaign_day DATE; $sql$;
    EXECUTE $sql$ ALTER TABLE lanes ADD COLUMN campaign_count INTEGER DEFAULT '0' NOT NULL; $sql$;
    EXECUTE $sql$ ALTER TABLE contacts ADD COLUMN is_on_whatsapp BOOLEAN; $sql$;
    EXECUTE $sql$ ALTER TABLE contacts ADD COLUMN number_checked_at TIMESTAMP WITH TIME ZONE; $sql$;
    EXECUTE $sql$ CREATE TABLE campaigns (
    id UUID NOT NULL,
    tenant_id UUID NOT NULL,
    unit_id UUID NOT NULL,
    name VARCHAR(80) NOT NULL,
    created_by_id UUID,
    created_at TIMESTAMP WITH TIME ZONE DEFAULT now() NOT NULL,
    audience JSONB DEFAULT '{}'::jsonb NOT NULL,
    variants JSONB DEFAULT '[]'::jsonb NOT NULL,
    media_id UUID,
    kind VARCHAR(32) DEFAULT 'text' NOT NULL,
    plan_state VARCHAR(32) DEFAULT 'none' NOT NULL,
    planned_at TIMESTAMP WITH TIME ZONE,
    plan_done INTEGER DEFAULT '0' NOT NULL,
    plan_total INTEGER DEFAULT '0' NOT NULL,
    plan_attempts SMALLINT DEFAULT '0' NOT NULL,
    total INTEGER DEFAULT '0' NOT NULL,
    plan_problem VARCHAR(32),
    plan_problem_details JSONB,
    relay_id UUID,
    number_check_at TIMESTAMP WITH TIME ZONE,
    number_check_failures SMALLINT DEFAULT '0' NOT NULL,
    state VARCHAR(32) DEFAULT 'draft' NOT NULL,
    scheduled_at TIMESTAMP WITH TIME ZONE,
    if_missed VARCHAR(32) DEFAULT 'ask' NOT NULL,
    started_at TIMESTAMP WITH TIME ZONE,
    started_by_id UUID,
    paused_at TIMESTAMP WITH TIME ZONE,
    pause_reason VARCHAR(32),
    pause_details JSONB,
    resumed_at TIMESTAMP WITH TIME ZONE,
    fed_at TIMESTAMP WITH TIME ZONE,
    finished_at TIMESTAMP WITH TIME ZONE,
    recheck_at TIMESTAMP WITH TIME ZONE,
    rechecked_at TIMESTAMP WITH TIME ZONE,
    recheck_found INTEGER DEFAULT '0' NOT NULL,
    CONSTRAINT pk_campaigns PRIMARY KEY (id),
    CONSTRAINT ck_campaigns_state CHECK (state IN ('draft', 'scheduled', 'processing', 'paused', 'completed', 'failed', 'cancelled')),
    CONSTRAINT ck_campaigns_plan_state CHECK (plan_state IN ('none', 'waiting', 'done')),
    CONSTRAINT ck_campaigns_plan_problem CHECK (plan_problem IN ('too_many', 'too_long', 'gave_up')),
    CONSTRAINT ck_campaigns_pause_reason CHECK (pause_reason IN ('person', 'missed_start', 'failures', 'opt_outs', 'blocks', 'number_limited')),
    CONSTRAINT ck_campaigns_if_missed CHECK (if_missed IN ('start', 'ask')),
    CONSTRAINT fk_campaigns_tenant_id_unit_id_units FOREIGN KEY(tenant_id, unit_id) REFERENCES units (tenant_id, id),
    CONSTRAINT fk_campaigns_tenant_id_created_by_id_users FOREIGN KEY(tenant_id, created_by_id) REFERENCES users (tenant_id, id),
    CONSTRAINT fk_campaigns_tenant_id_started_by_id_users FOREIGN KEY(tenant_id, started_by_id) REFERENCES users (tenant_id, id),
    CONSTRAINT fk_campaigns_tenant_id_media_id_media FOREIGN KEY(tenant_id, media_id) REFERENCES media (tenant_id, id),
    CONSTRAINT fk_campaigns_tenant_id_tenants FOREIGN KEY(tenant_id) REFERENCES tenants (id),
    CONSTRAINT uq_campaigns_tenant_id_id UNIQUE (tenant_id, id)
); $sql$;
    EXECUTE $sql$ CREATE INDEX ix_campaigns_unit_id_fed_at ON campaigns (unit_id, fed_at) WHERE state = 'processing'; $sql$;
    EXECUTE $sql$ CREATE INDEX ix_campaigns_scheduled_at ON campaigns (scheduled_at) WHERE state = 'scheduled'; $sql$;
    EXECUTE $sql$ CREATE INDEX ix_campaigns_recheck_at ON campaigns (recheck_at) WHERE recheck_at IS NOT NULL; $sql$;
    EXECUTE $sql$ CREATE INDEX ix_campaigns_number_check_at ON campaigns (number_check_at) WHERE number_check_at IS NOT NULL; $sql$;
    EXECUTE $sql$ CREATE INDEX ix_campaigns_media_id ON campaigns (media_id) WHERE media_id IS NOT NULL; $sql$;
    EXECUTE $sql$ CREATE INDEX ix_campaigns_plan_waiting ON campaigns (id) WHERE plan_state = 'waiting'; $sql$;
    EXECUTE $sql$ CREATE INDEX ix_campaigns_tenant_id_id ON campaigns (tenant_id, id); $sql$;
    EXECUTE $sql$ CREATE TABLE campaign_recipients (
    tenant_id UUID NOT NULL,
    campaign_id UUID NOT NULL,
    position INTEGER NOT NULL,
    contact_id UUID,
    typed VARCHAR(60),
    line INTEGER,
    is_renumbered BOOLEAN DEFAULT false NOT NULL,
    state VARCHAR(32) DEFAULT 'pending' NOT NULL,
    reason VARCHAR(32),
    body TEXT,
    variant SMALLINT,
    has_gaps BOOLEAN DEFAULT false NOT NULL,
    message_id UUID,
    conversation_id UUID,
    handed_at TIMESTAMP WITH TIME ZONE,
    replied_at TIMESTAMP WITH TIME ZONE,
    outcome VARCHAR(32),
    CONSTRAINT pk_campaign_recipients PRIMARY KEY (campaign_id, position),
    CONSTRAINT ck_campaign_recipients_state CHECK (state IN ('pending', 'handed', 'skipped', 'cancelled')),
    CONSTRAINT ck_campaign_recipients_reason CHECK (reason IN ('invalid', 'duplicate', 'opted_out', 'without_number', 'not_on_whatsapp', 'excluded', 'erased')),
    CONSTRAINT fk_campaign_recipients_tenant_id_campaign_id_campaigns FOREIGN KEY(tenant_id, campaign_id) REFERENCES campaigns (tenant_id, id) ON DELETE CASCADE,
    CONSTRAINT fk_campaign_recipients_tenant_id_contact_id_contacts FOREIGN KEY(tenant_id, contact_id) REFERENCES contacts (tenant_id, id),
    CONSTRAINT fk_campaign_recipients_tenant_id_message_id_messages FOREIGN KEY(tenant_id, message_id) REFERENCES messages (tenant_id, id),
    CONSTRAINT fk_campaign_recipients_tenant_id_tenants FOREIGN KEY(tenant_id) REFERENCES tenants (id),
    CONSTRAINT uq_campaign_recipients_campaign_id_contact_id UNIQUE (campaign_id, contact_id)
); $sql$;
    EXECUTE $sql$ CREATE INDEX ix_campaign_recipients_pending ON campaign_recipients (campaign_id, position) WHERE state = 'pending'; $sql$;
    EXECUTE $sql$ CREATE INDEX ix_campaign_recipients_handed_at ON campaign_recipients (campaign_id, handed_at) WHERE handed_at IS NOT NULL; $sql$;
    EXECUTE $sql$ CREATE INDEX ix_campaign_recipients_message_id ON campaign_recipients (message_id) WHERE message_id IS NOT NULL; $sql$;
    EXECUTE $sql$ CREATE INDEX ix_campaign_recipients_contact_id ON campaign_recipients (contact_id) WHERE contact_id IS NOT NULL; $sql$;
    EXECUTE $sql$ CREATE INDEX ix_campaign_recipients_unanswered ON campaign_recipients (conversation_id) WHERE conversation_id IS NOT NULL AND replied_at IS NULL; $sql$;
    EXECUTE $sql$ ALTER TABLE campaigns ENABLE ROW LEVEL SECURITY; $sql$;
    EXECUTE $sql$ CREATE POLICY tenant ON campaigns USING (tenant_id = (SELECT nullif(current_setting('portal.tenant_id', true), '')::uuid)); $sql$;
    EXECUTE $sql$ DO $$ BEGIN
IF (SELECT count(*) = 2 FROM pg_roles WHERE rolname IN ('portal_tenant', 'portal_system') AND pg_has_role(session_user, oid, 'MEMBER')) THEN
    CREATE POLICY system ON campaigns TO portal_system USING (true);
    GRANT SELECT, INSERT, UPDATE, DELETE ON campaigns TO portal_tenant, portal_system;
ELSE
    ALTER TABLE campaigns FORCE ROW LEVEL SECURITY;
    CREATE POLICY system ON campaigns USING (current_setting('portal.is_system', true) = 'on');
END IF;
END $$; $sql$;
    EXECUTE $sql$ ALTER TABLE campaign_recipients ENABLE ROW LEVEL SECURITY; $sql$;
    EXECUTE $sql$ CREATE POLICY tenant ON campaign_recipients USING (tenant_id = (SELECT nullif(current_setting('portal.tenant_id', true), '')::uuid)); $sql$;
    EXECUTE $sql$ DO $$ BEGIN
IF (SELECT count(*) = 2 FROM pg_roles WHERE rolname IN ('portal_tenant', 'portal_system') AND pg_has_role(session_user, oid, 'MEMBER')) THEN
    CREATE POLICY system ON campaign_recipients TO portal_system USING (true);
    GRANT SELECT, INSERT, UPDATE, DELETE ON campaign_recipients TO portal_tenant, portal_system;
ELSE
    ALTER TABLE campaign_recipients FORCE ROW LEVEL SECURITY;
    CREATE POLICY system ON campaign_recipients USING (current_setting('portal.is_system', true) = 'on');
END IF;
END $$; $sql$;
    EXECUTE $sql$ UPDATE alembic_version SET version_num='0007' WHERE alembic_version.version_num = '0006'; $sql$;
    GET DIAGNOSTICS stamped = ROW_COUNT;
    IF stamped <> 1 THEN
        RAISE EXCEPTION '0007: it cannot be noted in alembic_version';
    END IF;
    RAISE NOTICE '0007: applied. %', 'Campaigns: what is sent to many, the ledger of their recipients, and how fast a unit may send them.';
END $golive$;

-- 0008 API tokens of companies, outgoing webhooks, messages that only rehearse, and by how much campaigns are late.
DO $golive$
DECLARE
    version text;
    stamped bigint;
BEGIN
    PERFORM pg_advisory_xact_lock(7106113);
    PERFORM set_config('lock_timeout', '4s', true);
    version := (SELECT version_num FROM alembic_version);
    IF version >= '0008' THEN
        RAISE NOTICE '0008: there already';
        RETURN;
    END IF;
    -- A console that goes on after an error must not leave a hole.
    IF version IS DISTINCT FROM '0007' THEN
        RAISE EXCEPTION '0008: the one before it is not there, the database is at %', coalesce(version, 'none')
            USING HINT = 'Mend what the first error says, and run the whole script again.';
    END IF;
    EXECUTE $sql$ DO $$ BEGIN
IF EXISTS (
    SELECT FROM pg_index WHERE indexrelid = to_regclass('ix_messages_client_message_id') AND NOT indisvalid
) THEN
    DROP INDEX ix_messages_client_message_id;
END IF;
END $$; $sql$;
    EXECUTE $sql$ CREATE INDEX IF NOT EXISTS ix_messages_client_message_id ON messages (tenant_id, client_message_id) WHERE client_message_id IS NOT NULL; $sql$;
    EXECUTE $sql$ LOCK TABLE lanes, campaigns, messages, audit_events, api_tokens IN ACCESS EXCLUSIVE MODE; $sql$;
    EXECUTE $sql$ ALTER TABLE api_tokens ALTER COLUMN user_id DROP NOT NULL; $sql$;
    EXECUTE $sql$ ALTER TABLE api_tokens ALTER COLUMN family_id DROP NOT NULL; $sql$;
    EXECUTE $sql$ ALTER TABLE api_tokens ALTER COLUMN expires_at DROP NOT NULL; $sql$;
    EXECUTE $sql$ ALTER TABLE api_tokens ADD COLUMN name VARCHAR(80); $sql$;
    EXECUTE $sql$ ALTER TABLE api_tokens ADD COLUMN hint VARCHAR(8); $sql$;
    EXECUTE $sql$ ALTER TABLE api_tokens ADD COLUMN scopes JSONB; $sql$;
    EXECUTE $sql$ ALTER TABLE api_tokens ADD COLUMN created_by_id UUID; $sql$;
    EXECUTE $sql$ ALTER TABLE api_tokens DROP CONSTRAINT ck_api_tokens_kind; $sql$;
    EXECUTE $sql$ ALTER TABLE api_tokens ADD CONSTRAINT ck_api_tokens_kind CHECK (kind IN ('access', 'refresh', 'live', 'test')); $sql$;
    EXECUTE $sql$ ALTER TABLE api_tokens ADD CONSTRAINT ck_api_tokens_whose CHECK ((kind IN ('access', 'refresh')) = (user_id IS NOT NULL)); $sql$;
    EXECUTE $sql$ ALTER TABLE api_tokens ADD CONSTRAINT ck_api_tokens_named CHECK ((kind IN ('live', 'test')) = (name IS NOT NULL) AND (name IS NULL OR tenant_id IS NOT NULL AND scopes IS NOT NULL) AND (name IS NOT NULL OR family_id IS NOT NULL AND expires_at IS NOT NULL)); $sql$;
    EXECUTE $sql$ ALTER TABLE api_tokens ADD CONSTRAINT uq_api_tokens_tenant_id_id UNIQUE (tenant_id, id); $sql$;
    EXECUTE $sql$ ALTER TABLE api_tokens ADD CONSTRAINT fk_api_tokens_tenant_id_created_by_id_users FOREIGN KEY(tenant_id, created_by_id) REFERENCES users (tenant_id, id); $sql$;
    EXECUTE $sql$ CREATE INDEX ix_api_tokens_tenant_id ON api_tokens (tenant_id, id) WHERE name IS NOT NULL; $sql$;
    EXECUTE $sql$ CREATE TABLE api_token_units (
    tenant_id UUID NOT NULL,
    token_id UUID NOT NULL,
    unit_id UUID NOT NULL,
    CONSTRAINT pk_api_token_units PRIMARY KEY (token_id, unit_id),
    CONSTRAINT fk_api_token_units_tenant_id_token_id_api_tokens FOREIGN KEY(tenant_id, token_id) REFERENCES api_tokens (tenant_id, id),
    CONSTRAINT fk_api_token_units_tenant_id_unit_id_units FOREIGN KEY(tenant_id, unit_id) REFERENCES units (tenant_id, id)
); $sql$;
    EXECUTE $sql$ ALTER TABLE audit_events ADD COLUMN api_token_id UUID; $sql$;
    EXECUTE $sql$ ALTER TABLE messages ADD COLUMN is_test BOOLEAN DEFAULT false NOT NULL; $sql$;
    EXECUTE $sql$ ALTER TABLE campaigns ADD COLUMN is_test BOOLEAN DEFAULT false NOT NULL; $sql$;
    EXECUTE $sql$ ALTER TABLE messages ADD COLUMN is_history BOOLEAN DEFAULT false NOT NULL; $sql$;
    EXECUTE $sql$ ALTER TABLE lanes ADD COLUMN campaign_behind_s FLOAT DEFAULT '0' NOT NULL; $sql$;
    EXECUTE $sql$ CREATE TABLE webhook_endpoints (
    id UUID NOT NULL,
    tenant_id UUID NOT NULL,
    url VARCHAR(2000) NOT NULL,
    topics JSONB NOT NULL,
    secret_encrypted TEXT NOT NULL,
    previous_secret_encrypted TEXT,
    previous_until TIMESTAMP WITH TIME ZONE,
    created_by_id UUID,
    created_at TIMESTAMP WITH TIME ZONE DEFAULT now() NOT NULL,
    disabled_at TIMESTAMP WITH TIME ZONE,
    is_gone BOOLEAN DEFAULT false NOT NULL,
    failures INTEGER DEFAULT '0' NOT NULL,
    paused_until TIMESTAMP WITH TIME ZONE,
    CONSTRAINT pk_webhook_endpoints PRIMARY KEY (id),
    CONSTRAINT fk_webhook_endpoints_tenant_id_created_by_id_users FOREIGN KEY(tenant_id, created_by_id) REFERENCES users (tenant_id, id),
    CONSTRAINT fk_webhook_endpoints_tenant_id_tenants FOREIGN KEY(tenant_id) REFERENCES tenants (id),
    CONSTRAINT uq_webhook_endpoints_tenant_id_id UNIQUE (tenant_id, id)
); $sql$;
    EXECUTE $sql$ CREATE TABLE webhook_deliveries (
    id UUID DEFAULT gen_random_uuid() NOT NULL,
    position BIGINT GENERATED ALWAYS AS IDENTITY,
    tenant_id UUID NOT NULL,
    endpoint_id UUID NOT NULL,
    unit_id UUID NOT NULL,
    message_id UUID NOT NULL,
    topic VARCHAR(32) NOT NULL,
    status VARCHAR(32) NOT NULL,
    created_at TIMESTAMP WITH TIME ZONE DEFAULT now() NOT NULL,
    state VARCHAR(32) DEFAULT 'waiting' NOT NULL,
    attempts SMALLINT DEFAULT '0' NOT NULL,
    next_attempt_at TIMESTAMP WITH TIME ZONE DEFAULT now() NOT NULL,
    last_attempt_at TIMESTAMP WITH TIME ZONE,
    delivered_at TIMESTAMP WITH TIME ZONE,
    response_status SMALLINT,
    error_code VARCHAR(60),
    took_ms INTEGER,
    CONSTRAINT pk_webhook_deliveries PRIMARY KEY (id),
    CONSTRAINT ck_webhook_deliveries_topic CHECK (topic IN ('message.received', 'message.status')),
    CONSTRAINT ck_webhook_deliveries_state CHECK (state IN ('waiting', 'delivered', 'failed')),
    CONSTRAINT fk_webhook_deliveries_tenant_id_endpoint_id_webhook_endpoints FOREIGN KEY(tenant_id, endpoint_id) REFERENCES webhook_endpoints (tenant_id, id) ON DELETE CASCADE,
    CONSTRAINT fk_webhook_deliveries_tenant_id_message_id_messages FOREIGN KEY(tenant_id, message_id) REFERENCES messages (tenant_id, id) ON DELETE CASCADE,
    CONSTRAINT fk_webhook_deliveries_tenant_id_tenants FOREIGN KEY(tenant_id) REFERENCES tenants (id)
); $sql$;
    EXECUTE $sql$ CREATE INDEX ix_webhook_deliveries_waiting ON webhook_deliveries (endpoint_id, next_attempt_at, position) WHERE state = 'waiting'; $sql$;
    EXECUTE $sql$ CREATE INDEX ix_webhook_deliveries_log ON webhook_deliveries (endpoint_id, position); $sql$;
    EXECUTE $sql$ CREATE INDEX ix_webhook_deliveries_message_id ON webhook_deliveries (message_id); $sql$;
    EXECUTE $sql$ ALTER TABLE api_token_units ENABLE ROW LEVEL SECURITY; $sql$;
    EXECUTE $sql$ CREATE POLICY tenant ON api_token_units USING (tenant_id = (SELECT nullif(current_setting('portal.tenant_id', true), '')::uuid)); $sql$;
    EXECUTE $sql$ DO $$ BEGIN
IF (SELECT count(*) = 2 FROM pg_roles WHERE rolname IN ('portal_tenant', 'portal_system') AND pg_has_role(session_user, oid, 'MEMBER')) THEN
    CREATE POLICY system ON api_token_units TO portal_system USING (true);
    GRANT SELECT, INSERT, UPDATE, DELETE ON api_token_units TO portal_tenant, portal_system;
ELSE
    ALTER TABLE api_token_units FORCE ROW LEVEL SECURITY;
    CREATE POLICY system ON api_token_units USING (current_setting('portal.is_system', true) = 'on');
END IF;
END $$; $sql$;
    EXECUTE $sql$ ALTER TABLE webhook_endpoints ENABLE ROW LEVEL SECURITY; $sql$;
    EXECUTE $sql$ CREATE POLICY tenant ON webhook_endpoints USING (tenant_id = (SELECT nullif(current_setting('portal.tenant_id', true), '')::uuid)); $sql$;
    EXECUTE $sql$ DO $$ BEGIN
IF (SELECT count(*) = 2 FROM pg_roles WHERE rolname IN ('portal_tenant', 'portal_system') AND pg_has_role(session_user, oid, 'MEMBER')) THEN
    CREATE POLICY system ON webhook_endpoints TO portal_system USING (true);
    GRANT SELECT, INSERT, UPDATE, DELETE ON webhook_endpoints TO portal_tenant, portal_system;
ELSE
    ALTER TABLE webhook_endpoints FORCE ROW LEVEL SECURITY;
    CREATE POLICY system ON webhook_endpoints USING (current_setting('portal.is_system', true) = 'on');
END IF;
END $$; $sql$;
    EXECUTE $sql$ ALTER TABLE webhook_deliveries ENABLE ROW LEVEL SECURITY; $sql$;
    EXECUTE $sql$ CREATE POLICY tenant ON webhook_deliveries USING (tenant_id = (SELECT nullif(current_setting('portal.tenant_id', true), '')::uuid)); $sql$;
    EXECUTE $sql$ DO $$ BEGIN
IF (SELECT count(*) = 2 FROM pg_roles WHERE rolname IN ('portal_tenant', 'portal_system') AND pg_has_role(session_user, oid, 'MEMBER')) THEN
    CREATE POLICY system ON webhook_deliveries TO portal_system USING (true);
    GRANT SELECT, INSERT, UPDATE, DELETE ON webhook_deliveries TO portal_tenant, portal_system;
ELSE
    ALTER TABLE webhook_deliveries FORCE ROW LEVEL SECURITY;
    CREATE POLICY system ON webhook_deliveries USING (current_setting('portal.is_system', true) = 'on');
END IF;
END $$; $sql$;
    EXECUTE $sql$ CREATE FUNCTION note_webhook_deliveries() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    INSERT INTO webhook_deliveries (tenant_id, endpoint_id, unit_id, message_id, topic, status)
    SELECT NEW.tenant_id, endpoint.id, NEW.unit_id, NEW.id, TG_ARGV[0], NEW.status
    FROM webhook_endpoints AS endpoint
    WHERE endpoint.tenant_id = NEW.tenant_id AND endpoint.disabled_at IS NULL AND endpoint.topics ? TG_ARGV[0]
    FOR KEY SHARE OF endpoint;
    RETURN NULL;
END $$; $sql$;
    EXECUTE $sql$ CREATE TRIGGER note_received AFTER INSERT ON messages FOR EACH ROW WHEN (NEW.direction = 'inbound' AND NOT NEW.is_history) EXECUTE FUNCTION note_webhook_deliveries('message.received'); $sql$;
    EXECUTE $sql$ CREATE TRIGGER note_received_late AFTER UPDATE OF read_at ON messages FOR EACH ROW WHEN (NEW.direction = 'inbound' AND OLD.read_at IS NOT NULL AND NEW.read_at IS NULL) EXECUTE FUNCTION note_webhook_deliveries('message.received'); $sql$;
    EXECUTE $sql$ CREATE TRIGGER note_status_made AFTER INSERT ON messages FOR EACH ROW WHEN (NEW.direction = 'outbound' AND NEW.status IN ('sent', 'delivered', 'read', 'failed', 'unconfirmed', 'cancelled') AND NOT NEW.is_history) EXECUTE FUNCTION note_webhook_deliveries('message.status'); $sql$;
    EXECUTE $sql$ CREATE TRIGGER note_status AFTER UPDATE OF status ON messages FOR EACH ROW WHEN (NEW.direction = 'outbound' AND NEW.status IN ('sent', 'delivered', 'read', 'failed', 'unconfirmed', 'cancelled') AND OLD.status IS DISTINCT FROM NEW.status) EXECUTE FUNCTION note_webhook_deliveries('message.status'); $sql$;
    EXECUTE $sql$ ALTER TABLE audit_events ADD CONSTRAINT fk_audit_events_tenant_id_api_token_id_api_tokens FOREIGN KEY(tenant_id, api_token_id) REFERENCES api_tokens (tenant_id, id); $sql$;
    EXECUTE $sql$ UPDATE alembic_version SET version_num='0008' WHERE alembic_version.version_num = '0007'; $sql$;
    GET DIAGNOSTICS stamped = ROW_COUNT;
    IF stamped <> 1 THEN
        RAISE EXCEPTION '0008: it cannot be noted in alembic_version';
    END IF;
    RAISE NOTICE '0008: applied. %', 'API tokens of companies, outgoing webhooks, messages that only rehearse, and by how much campaigns are late.';
END $golive$;

-- 0009 Sessions, invitations, second factors, leave for operators to read, suspended companies; an audit log only added to.
DO $golive$
DECLARE
    version text;
    stamped bigint;
BEGIN
    PERFORM pg_advisory_xact_lock(7106113);
    PERFORM set_config('lock_timeout', '4s', true);
    version := (SELECT version_num FROM alembic_version);
    IF version >= '0009' THEN
        RAISE NOTICE '0009: there already';
        RETURN;
    END IF;
    -- A console that goes on after an error must not leave a hole.
    IF version IS DISTINCT FROM '0008' THEN
        RAISE EXCEPTION '0009: the one before it is not there, the database is at %', coalesce(version, 'none')
            USING HINT = 'Mend what the first error says, and run the whole script again.';
    END IF;
    EXECUTE $sql$ DROP INDEX IF EXISTS ix_audit_events_subject_id; $sql$;
    EXECUTE $sql$ CREATE INDEX ix_audit_events_subject_id ON audit_events (subject_id, id); $sql$;
    EXECUTE $sql$ DROP INDEX IF EXISTS ix_audit_events_user_id; $sql$;
    EXECUTE $sql$ CREATE INDEX ix_audit_events_user_id ON audit_events (user_id, id); $sql$;
    EXECUTE $sql$ ALTER TABLE tenants ADD COLUMN suspended_at TIMESTAMP WITH TIME ZONE; $sql$;
    EXECUTE $sql$ ALTER TABLE tenants ADD COLUMN closed_at TIMESTAMP WITH TIME ZONE; $sql$;
    EXECUTE $sql$ ALTER TABLE tenants ADD COLUMN erase_at TIMESTAMP WITH TIME ZONE; $sql$;
    EXECUTE $sql$ ALTER TABLE tenants ADD COLUMN erased_at TIMESTAMP WITH TIME ZONE; $sql$;
    EXECUTE $sql$ ALTER TABLE users ALTER COLUMN password_hash DROP NOT NULL; $sql$;
    EXECUTE $sql$ ALTER TABLE users ADD COLUMN totp_secret_encrypted TEXT; $sql$;
    EXECUTE $sql$ ALTER TABLE users ADD COLUMN totp_since TIMESTAMP WITH TIME ZONE; $sql$;
    EXECUTE $sql$ ALTER TABLE users ADD COLUMN totp_last_step BIGINT; $sql$;
    EXECUTE $sql$ CREATE TABLE user_sessions (
    id UUID NOT NULL,
    tenant_id UUID,
    user_id UUID NOT NULL,
    token_hash VARCHAR(64) NOT NULL,
    address VARCHAR(45),
    user_agent VARCHAR(200),
    confirmed_at TIMESTAMP WITH TIME ZONE DEFAULT now() NOT NULL,
    used_at TIMESTAMP WITH TIME ZONE DEFAULT now() NOT NULL,
    expires_at TIMESTAMP WITH TIME ZONE NOT NULL,
    revoked_at TIMESTAMP WITH TIME ZONE,
    created_at TIMESTAMP WITH TIME ZONE DEFAULT now() NOT NULL,
    CONSTRAINT pk_user_sessions PRIMARY KEY (id),
    CONSTRAINT fk_user_sessions_tenant_id_tenants FOREIGN KEY(tenant_id) REFERENCES tenants (id),
    CONSTRAINT fk_user_sessions_user_id_users FOREIGN KEY(user_id) REFERENCES users (id),
    CONSTRAINT uq_user_sessions_token_hash UNIQUE (token_hash)
); $sql$;
    EXECUTE $sql$ CREATE INDEX ix_user_sessions_user_id ON user_sessions (user_id); $sql$;
    EXECUTE $sql$ CREATE INDEX ix_user_sessions_expires_at ON user_sessions (expires_at); $sql$;
    EXECUTE $sql$ CREATE TABLE account_links (
    id UUID NOT NULL,
    tenant_id UUID,
    user_id UUID NOT NULL,
    kind VARCHAR(32) NOT NULL,
    token_hash VARCHAR(64),
    created_by_id UUID,
    expires_at TIMESTAMP WITH TIME ZONE NOT NULL,
    used_at TIMESTAMP WITH TIME ZONE,
    revoked_at TIMESTAMP WITH TIME ZONE,
    mailed_at TIMESTAMP WITH TIME ZONE,
    mail_attempts SMALLINT DEFAULT '0' NOT NULL,
    mail_error VARCHAR(60),
    created_at TIMESTAMP WITH TIME ZONE DEFAULT now() NOT NULL,
    CONSTRAINT pk_account_links PRIMARY KEY (id),
    CONSTRAINT ck_account_links_kind CHECK (kind IN ('invitation', 'password_reset')),
    CONSTRAINT fk_account_links_tenant_id_tenants FOREIGN KEY(tenant_id) REFERENCES tenants (id),
    CONSTRAINT fk_account_links_user_id_users FOREIGN KEY(user_id) REFERENCES users (id),
    CONSTRAINT fk_account_links_created_by_id_users FOREIGN KEY(created_by_id) REFERENCES users (id),
    CONSTRAINT uq_account_links_token_hash UNIQUE (token_hash)
); $sql$;
    EXECUTE $sql$ CREATE INDEX ix_account_links_user_id ON account_links (user_id); $sql$;
    EXECUTE $sql$ CREATE INDEX ix_account_links_expires_at ON account_links (expires_at); $sql$;
    EXECUTE $sql$ CREATE TABLE recovery_codes (
    id UUID NOT NULL,
    tenant_id UUID,
    user_id UUID NOT NULL,
    code_hash VARCHAR(64) NOT NULL,
    used_at TIMESTAMP WITH TIME ZONE,
    created_at TIMESTAMP WITH TIME ZONE DEFAULT now() NOT NULL,
    CONSTRAINT pk_recovery_codes PRIMARY KEY (id),
    CONSTRAINT fk_recovery_codes_tenant_id_tenants FOREIGN KEY(tenant_id) REFERENCES tenants (id),
    CONSTRAINT fk_recovery_codes_user_id_users FOREIGN KEY(user_id) REFERENCES users (id)
); $sql$;
    EXECUTE $sql$ CREATE INDEX ix_recovery_codes_user_id ON recovery_codes (user_id); $sql$;
    EXECUTE $sql$ CREATE TABLE access_grants (
    id UUID NOT NULL,
    tenant_id UUID NOT NULL,
    granted_by_id UUID,
    reason VARCHAR(200) NOT NULL,
    expires_at TIMESTAMP WITH TIME ZONE NOT NULL,
    revoked_at TIMESTAMP WITH TIME ZONE,
    created_at TIMESTAMP WITH TIME ZONE DEFAULT now() NOT NULL,
    CONSTRAINT pk_access_grants PRIMARY KEY (id),
    CONSTRAINT fk_access_grants_tenant_id_tenants FOREIGN KEY(tenant_id) REFERENCES tenants (id),
    CONSTRAINT fk_access_grants_tenant_id_granted_by_id_users FOREIGN KEY(tenant_id, granted_by_id) REFERENCES users (tenant_id, id)
); $sql$;
    EXECUTE $sql$ CREATE INDEX ix_access_grants_tenant_id_expires_at ON access_grants (tenant_id, expires_at); $sql$;
    EXECUTE $sql$ ALTER TABLE user_sessions ENABLE ROW LEVEL SECURITY; $sql$;
    EXECUTE $sql$ CREATE POLICY tenant ON user_sessions USING (tenant_id = (SELECT nullif(current_setting('portal.tenant_id', true), '')::uuid)); $sql$;
    EXECUTE $sql$ DO $$ BEGIN
IF (SELECT count(*) = 2 FROM pg_roles WHERE rolname IN ('portal_tenant', 'portal_system') AND pg_has_role(session_user, oid, 'MEMBER')) THEN
    CREATE POLICY system ON user_sessions TO portal_system USING (true);
    GRANT SELECT, INSERT, UPDATE, DELETE ON user_sessions TO portal_tenant, portal_system;
ELSE
    ALTER TABLE user_sessions FORCE ROW LEVEL SECURITY;
    CREATE POLICY system ON user_sessions USING (current_setting('portal.is_system', true) = 'on');
END IF;
END $$; $sql$;
    EXECUTE $sql$ ALTER TABLE account_links ENABLE ROW LEVEL SECURITY; $sql$;
    EXECUTE $sql$ CREATE POLICY tenant ON account_links USING (tenant_id = (SELECT nullif(current_setting('portal.tenant_id', true), '')::uuid)); $sql$;
    EXECUTE $sql$ DO $$ BEGIN
IF (SELECT count(*) = 2 FROM pg_roles WHERE rolname IN ('portal_tenant', 'portal_system') AND pg_has_role(session_user, oid, 'MEMBER')) THEN
    CREATE POLICY system ON account_links TO portal_system USING (true);
    GRANT SELECT, INSERT, UPDATE, DELETE ON account_links TO portal_tenant, portal_system;
ELSE
    ALTER TABLE account_links FORCE ROW LEVEL SECURITY;
    CREATE POLICY system ON account_links USING (current_setting('portal.is_system', true) = 'on');
END IF;
END $$; $sql$;
    EXECUTE $sql$ ALTER TABLE recovery_codes ENABLE ROW LEVEL SECURITY; $sql$;
    EXECUTE $sql$ CREATE POLICY tenant ON recovery_codes USING (tenant_id = (SELECT nullif(current_setting('portal.tenant_id', true), '')::uuid)); $sql$;
    EXECUTE $sql$ DO $$ BEGIN
IF (SELECT count(*) = 2 FROM pg_roles WHERE rolname IN ('portal_tenant', 'portal_system') AND pg_has_role(session_user, oid, 'MEMBER')) THEN
    CREATE POLICY system ON recovery_codes TO portal_system USING (true);
    GRANT SELECT, INSERT, UPDATE, DELETE ON recovery_codes TO portal_tenant, portal_system;
ELSE
    ALTER TABLE recovery_codes FORCE ROW LEVEL SECURITY;
    CREATE POLICY system ON recovery_codes USING (current_setting('portal.is_system', true) = 'on');
END IF;
END $$; $sql$;
    EXECUTE $sql$ ALTER TABLE access_grants ENABLE ROW LEVEL SECURITY; $sql$;
    EXECUTE $sql$ CREATE POLICY tenant ON access_grants USING (tenant_id = (SELECT nullif(current_setting('portal.tenant_id', true), '')::uuid)); $sql$;
    EXECUTE $sql$ DO $$ BEGIN
IF (SELECT count(*) = 2 FROM pg_roles WHERE rolname IN ('portal_tenant', 'portal_system') AND pg_has_role(session_user, oid, 'MEMBER')) THEN
    CREATE POLICY system ON access_grants TO portal_system USING (true);
    GRANT SELECT, INSERT, UPDATE, DELETE ON access_grants TO portal_tenant, portal_system;
ELSE
    ALTER TABLE access_grants FORCE ROW LEVEL SECURITY;
    CREATE POLICY system ON access_grants USING (current_setting('portal.is_system', true) = 'on');
END IF;
END $$; $sql$;
    EXECUTE $sql$ CREATE FUNCTION refuse_change_of_audit_events() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    RAISE EXCEPTION 'audit_events is only added to' USING ERRCODE = 'insufficient_privilege';
END $$; $sql$;
    EXECUTE $sql$ CREATE TRIGGER only_added_to BEFORE UPDATE OR DELETE OR TRUNCATE ON audit_events FOR EACH STATEMENT EXECUTE FUNCTION refuse_change_of_audit_events(); $sql$;
    EXECUTE $sql$ UPDATE alembic_version SET version_num='0009' WHERE alembic_version.version_num = '0008'; $sql$;
    GET DIAGNOSTICS stamped = ROW_COUNT;
    IF stamped <> 1 THEN
        RAISE EXCEPTION '0009: it cannot be noted in alembic_version';
    END IF;
    RAISE NOTICE '0009: applied. %', 'Sessions, invitations, second factors, leave for operators to read, suspended companies; an audit log only added to.';
END $golive$;

-- 0010 Counts, releases with their checkpoints, evidence, alerts, and each loss of a connection.
DO $golive$
DECLARE
    version text;
    stamped bigint;
BEGIN
    PERFORM pg_advisory_xact_lock(7106113);
    PERFORM set_config('lock_timeout', '4s', true);
    version := (SELECT version_num FROM alembic_version);
    IF version >= '0010' THEN
        RAISE NOTICE '0010: there already';
        RETURN;
    END IF;
    -- A console that goes on after an error must not leave a hole.
    IF version IS DISTINCT FROM '0009' THEN
        RAISE EXCEPTION '0010: the one before it is not there, the database is at %', coalesce(version, 'none')
            USING HINT = 'Mend what the first error says, and run the whole script again.';
    END IF;
    EXECUTE $sql$ CREATE TABLE metric_minutes (
    minute TIMESTAMP WITH TIME ZONE NOT NULL,
    name VARCHAR(60) NOT NULL,
    count BIGINT NOT NULL,
    CONSTRAINT pk_metric_minutes PRIMARY KEY (minute, name)
); $sql$;
    EXECUTE $sql$ CREATE TABLE metric_totals (
    name VARCHAR(60) NOT NULL,
    count BIGINT NOT NULL,
    CONSTRAINT pk_metric_totals PRIMARY KEY (name)
); $sql$;
    EXECUTE $sql$ CREATE TABLE connection_losses (
    id UUID NOT NULL,
    tenant_id UUID NOT NULL,
    unit_id UUID NOT NULL,
    reason VARCHAR(60),
    created_at TIMESTAMP WITH TIME ZONE DEFAULT now() NOT NULL,
    CONSTRAINT pk_connection_losses PRIMARY KEY (id),
    CONSTRAINT fk_connection_losses_tenant_id_tenants FOREIGN KEY(tenant_id) REFERENCES tenants (id),
    CONSTRAINT fk_connection_losses_tenant_id_unit_id_units FOREIGN KEY(tenant_id, unit_id) REFERENCES units (tenant_id, id)
); $sql$;
    EXECUTE $sql$ CREATE INDEX ix_connection_losses_created_at ON connection_losses (created_at); $sql$;
    EXECUTE $sql$ ALTER TABLE connection_losses ENABLE ROW LEVEL SECURITY; $sql$;
    EXECUTE $sql$ CREATE POLICY tenant ON connection_losses USING (tenant_id = (SELECT nullif(current_setting('portal.tenant_id', true), '')::uuid)); $sql$;
    EXECUTE $sql$ DO $$ BEGIN
IF (SELECT count(*) = 2 FROM pg_roles WHERE rolname IN ('portal_tenant', 'portal_system') AND pg_has_role(session_user, oid, 'MEMBER')) THEN
    CREATE POLICY system ON connection_losses TO portal_system USING (true);
    GRANT SELECT, INSERT, UPDATE, DELETE ON connection_losses TO portal_tenant, portal_system;
ELSE
    ALTER TABLE connection_losses FORCE ROW LEVEL SECURITY;
    CREATE POLICY system ON connection_losses USING (current_setting('portal.is_system', true) = 'on');
END IF;
END $$; $sql$;
    EXECUTE $sql$ CREATE TABLE releases (
    id UUID NOT NULL,
    version VARCHAR(80) NOT NULL,
    registered_at TIMESTAMP WITH TIME ZONE DEFAULT now() NOT NULL,
    totals JSONB NOT NULL,
    verdict VARCHAR(32),
    CONSTRAINT pk_releases PRIMARY KEY (id),
    CONSTRAINT ck_releases_verdict CHECK (verdict IN ('GO', 'MONITOR', 'NO-GO'))
); $sql$;
    EXECUTE $sql$ CREATE INDEX ix_releases_registered_at ON releases (registered_at); $sql$;
    EXECUTE $sql$ CREATE TABLE release_checkpoints (
    id UUID NOT NULL,
    release_id UUID NOT NULL,
    number SMALLINT NOT NULL,
    due_at TIMESTAMP WITH TIME ZONE NOT NULL,
    checked_at TIMESTAMP WITH TIME ZONE,
    verdict VARCHAR(32),
    readings JSONB,
    totals JSONB,
    CONSTRAINT pk_release_checkpoints PRIMARY KEY (id),
    CONSTRAINT ck_release_checkpoints_verdict CHECK (verdict IN ('GO', 'MONITOR', 'NO-GO')),
    CONSTRAINT fk_release_checkpoints_release_id_releases FOREIGN KEY(release_id) REFERENCES releases (id),
    CONSTRAINT uq_release_checkpoints_release_id_number UNIQUE (release_id, number)
); $sql$;
    EXECUTE $sql$ CREATE INDEX ix_release_checkpoints_due ON release_checkpoints (due_at) WHERE checked_at IS NULL; $sql$;
    EXECUTE $sql$ CREATE TABLE golive_evidence (
    id UUID NOT NULL,
    item VARCHAR(32) NOT NULL,
    is_ok BOOLEAN NOT NULL,
    detail TEXT NOT NULL,
    record JSONB,
    created_at TIMESTAMP WITH TIME ZONE DEFAULT now() NOT NULL,
    CONSTRAINT pk_golive_evidence PRIMARY KEY (id),
    CONSTRAINT ck_golive_evidence_item CHECK (item IN ('gate', 'migration', 'restore', 'worker', 'webhook', 'smoke', 'alert'))
); $sql$;
    EXECUTE $sql$ CREATE INDEX ix_golive_evidence_created_at ON golive_evidence (created_at); $sql$;
    EXECUTE $sql$ CREATE TABLE alerts (
    id UUID NOT NULL,
    metric VARCHAR(40) NOT NULL,
    level VARCHAR(32) NOT NULL,
    value VARCHAR(200) NOT NULL,
    opened_at TIMESTAMP WITH TIME ZONE DEFAULT now() NOT NULL,
    good_looks SMALLINT DEFAULT '0' NOT NULL,
    recovered_at TIMESTAMP WITH TIME ZONE,
    acknowledged_at TIMESTAMP WITH TIME ZONE,
    acknowledged_by_id UUID,
    CONSTRAINT pk_alerts PRIMARY KEY (id),
    CONSTRAINT ck_alerts_level CHECK (level IN ('ok', 'warning', 'critical')),
    CONSTRAINT fk_alerts_acknowledged_by_id_users FOREIGN KEY(acknowledged_by_id) REFERENCES users (id)
); $sql$;
    EXECUTE $sql$ CREATE UNIQUE INDEX uq_alerts_metric_open ON alerts (metric) WHERE recovered_at IS NULL; $sql$;
    EXECUTE $sql$ CREATE INDEX ix_alerts_opened_at ON alerts (opened_at); $sql$;
    EXECUTE $sql$ CREATE TABLE alert_notices (
    id UUID NOT NULL,
    alert_id UUID NOT NULL,
    kind VARCHAR(32) NOT NULL,
    channel VARCHAR(32) NOT NULL,
    level VARCHAR(32) NOT NULL,
    value VARCHAR(200) NOT NULL,
    due_at TIMESTAMP WITH TIME ZONE DEFAULT now() NOT NULL,
    attempts SMALLINT DEFAULT '0' NOT NULL,
    told_at TIMESTAMP WITH TIME ZONE,
    error VARCHAR(60),
    created_at TIMESTAMP WITH TIME ZONE DEFAULT now() NOT NULL,
    CONSTRAINT pk_alert_notices PRIMARY KEY (id),
    CONSTRAINT ck_alert_notices_kind CHECK (kind IN ('opened', 'worsened', 'recovered')),
    CONSTRAINT ck_alert_notices_channel CHECK (channel IN ('webhook', 'mail')),
    CONSTRAINT ck_alert_notices_level CHECK (level IN ('ok', 'warning', 'critical')),
    CONSTRAINT fk_alert_notices_alert_id_alerts FOREIGN KEY(alert_id) REFERENCES alerts (id),
    CONSTRAINT uq_alert_notices_alert_id_kind_channel_level UNIQUE (alert_id, kind, channel, level)
); $sql$;
    EXECUTE $sql$ CREATE INDEX ix_alert_notices_due ON alert_notices (due_at) WHERE told_at IS NULL AND attempts < 8; $sql$;
    EXECUTE $sql$ DO $$ BEGIN
IF (SELECT count(*) = 2 FROM pg_roles WHERE rolname IN ('portal_tenant', 'portal_system') AND pg_has_role(session_user, oid, 'MEMBER')) THEN
    GRANT SELECT, INSERT, UPDATE, DELETE ON metric_minutes TO portal_system;
ELSE
    NULL;
END IF;
END $$; $sql$;
    EXECUTE $sql$ ALTER TABLE metric_minutes ENABLE ROW LEVEL SECURITY; $sql$;
    EXECUTE $sql$ DO $$ BEGIN
IF (SELECT count(*) = 2 FROM pg_roles WHERE rolname IN ('portal_tenant', 'portal_system') AND pg_has_role(session_user, oid, 'MEMBER')) THEN
    CREATE POLICY system ON metric_minutes TO portal_system USING (true);
ELSE
    NULL;
END IF;
END $$; $sql$;
    EXECUTE $sql$ DO $$ BEGIN
IF (SELECT count(*) = 2 FROM pg_roles WHERE rolname IN ('portal_tenant', 'portal_system') AND pg_has_role(session_user, oid, 'MEMBER')) THEN
    GRANT SELECT, INSERT, UPDATE, DELETE ON metric_totals TO portal_system;
ELSE
    NULL;
END IF;
END $$; $sql$;
    EXECUTE $sql$ ALTER TABLE metric_totals ENABLE ROW LEVEL SECURITY; $sql$;
    EXECUTE $sql$ DO $$ BEGIN
IF (SELECT count(*) = 2 FROM pg_roles WHERE rolname IN ('portal_tenant', 'portal_system') AND pg_has_role(session_user, oid, 'MEMBER')) THEN
    CREATE POLICY system ON metric_totals TO portal_system USING (true);
ELSE
    NULL;
END IF;
END $$; $sql$;
    EXECUTE $sql$ DO $$ BEGIN
IF (SELECT count(*) = 2 FROM pg_roles WHERE rolname IN ('portal_tenant', 'portal_system') AND pg_has_role(session_user, oid, 'MEMBER')) THEN
    GRANT SELECT, INSERT, UPDATE, DELETE ON releases TO portal_system;
ELSE
    NULL;
END IF;
END $$; $sql$;
    EXECUTE $sql$ ALTER TABLE releases ENABLE ROW LEVEL SECURITY; $sql$;
    EXECUTE $sql$ DO $$ BEGIN
IF (SELECT count(*) = 2 FROM pg_roles WHERE rolname IN ('portal_tenant', 'portal_system') AND pg_has_role(session_user, oid, 'MEMBER')) THEN
    CREATE POLICY system ON releases TO portal_system USING (true);
ELSE
    NULL;
END IF;
END $$; $sql$;
    EXECUTE $sql$ DO $$ BEGIN
IF (SELECT count(*) = 2 FROM pg_roles WHERE rolname IN ('portal_tenant', 'portal_system') AND pg_has_role(session_user, oid, 'MEMBER')) THEN
    GRANT SELECT, INSERT, UPDATE, DELETE ON release_checkpoints TO portal_system;
ELSE
    NULL;
END IF;
END $$; $sql$;
    EXECUTE $sql$ ALTER TABLE release_checkpoints ENABLE ROW LEVEL SECURITY; $sql$;
    EXECUTE $sql$ DO $$ BEGIN
IF (SELECT count(*) = 2 FROM pg_roles WHERE rolname IN ('portal_tenant', 'portal_system') AND pg_has_role(session_user, oid, 'MEMBER')) THEN
    CREATE POLICY system ON release_checkpoints TO portal_system USING (true);
ELSE
    NULL;
END IF;
END $$; $sql$;
    EXECUTE $sql$ DO $$ BEGIN
IF (SELECT count(*) = 2 FROM pg_roles WHERE rolname IN ('portal_tenant', 'portal_system') AND pg_has_role(session_user, oid, 'MEMBER')) THEN
    GRANT SELECT, INSERT, UPDATE, DELETE ON golive_evidence TO portal_system;
ELSE
    NULL;
END IF;
END $$; $sql$;
    EXECUTE $sql$ ALTER TABLE golive_evidence ENABLE ROW LEVEL SECURITY; $sql$;
    EXECUTE $sql$ DO $$ BEGIN
IF (SELECT count(*) = 2 FROM pg_roles WHERE rolname IN ('portal_tenant', 'portal_system') AND pg_has_role(session_user, oid, 'MEMBER')) THEN
    CREATE POLICY system ON golive_evidence TO portal_system USING (true);
ELSE
    NULL;
END IF;
END $$; $sql$;
    EXECUTE $sql$ DO $$ BEGIN
IF (SELECT count(*) = 2 FROM pg_roles WHERE rolname IN ('portal_tenant', 'portal_system') AND pg_has_role(session_user, oid, 'MEMBER')) THEN
    GRANT SELECT, INSERT, UPDATE, DELETE ON alerts TO portal_system;
ELSE
    NULL;
END IF;
END $$; $sql$;
    EXECUTE $sql$ ALTER TABLE alerts ENABLE ROW LEVEL SECURITY; $sql$;
    EXECUTE $sql$ DO $$ BEGIN
IF (SELECT count(*) = 2 FROM pg_roles WHERE rolname IN ('portal_tenant', 'portal_system') AND pg_has_role(session_user, oid, 'MEMBER')) THEN
    CREATE POLICY system ON alerts TO portal_system USING (true);
ELSE
    NULL;
END IF;
END $$; $sql$;
    EXECUTE $sql$ DO $$ BEGIN
IF (SELECT count(*) = 2 FROM pg_roles WHERE rolname IN ('portal_tenant', 'portal_system') AND pg_has_role(session_user, oid, 'MEMBER')) THEN
    GRANT SELECT, INSERT, UPDATE, DELETE ON alert_notices TO portal_system;
ELSE
    NULL;
END IF;
END $$; $sql$;
    EXECUTE $sql$ ALTER TABLE alert_notices ENABLE ROW LEVEL SECURITY; $sql$;
    EXECUTE $sql$ DO $$ BEGIN
IF (SELECT count(*) = 2 FROM pg_roles WHERE rolname IN ('portal_tenant', 'portal_system') AND pg_has_role(session_user, oid, 'MEMBER')) THEN
    CREATE POLICY system ON alert_notices TO portal_system USING (true);
ELSE
    NULL;
END IF;
END $$; $sql$;
    EXECUTE $sql$ ALTER TABLE evolution_servers ENABLE ROW LEVEL SECURITY; $sql$;
    EXECUTE $sql$ DO $$ BEGIN
IF (SELECT count(*) = 2 FROM pg_roles WHERE rolname IN ('portal_tenant', 'portal_system') AND pg_has_role(session_user, oid, 'MEMBER')) THEN
    CREATE POLICY system ON evolution_servers TO portal_system USING (true);
ELSE
    NULL;
END IF;
END $$; $sql$;
    EXECUTE $sql$ ALTER TABLE relays ENABLE ROW LEVEL SECURITY; $sql$;
    EXECUTE $sql$ DO $$ BEGIN
IF (SELECT count(*) = 2 FROM pg_roles WHERE rolname IN ('portal_tenant', 'portal_system') AND pg_has_role(session_user, oid, 'MEMBER')) THEN
    CREATE POLICY system ON relays TO portal_system USING (true);
ELSE
    NULL;
END IF;
END $$; $sql$;
    EXECUTE $sql$ ALTER TABLE webhook_counts ENABLE ROW LEVEL SECURITY; $sql$;
    EXECUTE $sql$ DO $$ BEGIN
IF (SELECT count(*) = 2 FROM pg_roles WHERE rolname IN ('portal_tenant', 'portal_system') AND pg_has_role(session_user, oid, 'MEMBER')) THEN
    CREATE POLICY system ON webhook_counts TO portal_tenant, portal_system USING (true);
ELSE
    NULL;
END IF;
END $$; $sql$;
    EXECUTE $sql$ ALTER TABLE alembic_version ENABLE ROW LEVEL SECURITY; $sql$;
    EXECUTE $sql$ COMMENT ON COLUMN unit_whatsapp_connections.instance_name IS 'The instance at Evolution API'; $sql$;
    EXECUTE $sql$ COMMENT ON COLUMN unit_whatsapp_connections.status_reason IS 'Why the connection is in its status'; $sql$;
    EXECUTE $sql$ COMMENT ON COLUMN unit_whatsapp_connections.connected_at IS 'Since when the number is linked'; $sql$;
    EXECUTE $sql$ COMMENT ON COLUMN unit_whatsapp_connections.disconnected_at IS 'When the link of the number ended last'; $sql$;
    EXECUTE $sql$ COMMENT ON COLUMN unit_whatsapp_connections.qr_updated_at IS 'When the QR code shown now came'; $sql$;
    EXECUTE $sql$ COMMENT ON COLUMN messages.status IS 'What became of the message; of one that came in: received'; $sql$;
    EXECUTE $sql$ COMMENT ON COLUMN messages.external_id IS 'Its id at WhatsApp, unique in its unit'; $sql$;
    EXECUTE $sql$ COMMENT ON COLUMN messages.client_message_id IS 'What the client calls it: the same one again in a conversation is no second message'; $sql$;
    EXECUTE $sql$ COMMENT ON COLUMN messages.retry_count IS 'How often it was tried again'; $sql$;
    EXECUTE $sql$ COMMENT ON COLUMN messages.last_retry_at IS 'When it was tried again last'; $sql$;
    EXECUTE $sql$ COMMENT ON COLUMN messages.error_details IS 'What the server said when it failed'; $sql$;
    EXECUTE $sql$ UPDATE alembic_version SET version_num='0010' WHERE alembic_version.version_num = '0009'; $sql$;
    GET DIAGNOSTICS stamped = ROW_COUNT;
    IF stamped <> 1 THEN
        RAISE EXCEPTION '0010: it cannot be noted in alembic_version';
    END IF;
    RAISE NOTICE '0010: applied. %', 'Counts, releases with their checkpoints, evidence, alerts, and each loss of a connection.';
END $golive$;

-- 0011 Who answers a conversation, what was noted and done in it, short cuts of templates, and a search in what was written.
DO $golive$
DECLARE
    version text;
    stamped bigint;
BEGIN
    PERFORM pg_advisory_xact_lock(7106113);
    PERFORM set_config('lock_timeout', '4s', true);
    version := (SELECT version_num FROM alembic_version);
    IF version >= '0011' THEN
        RAISE NOTICE '0011: there already';
        RETURN;
    END IF;
    -- A console that goes on after an error must not leave a hole.
    IF version IS DISTINCT FROM '0010' THEN
        RAISE EXCEPTION '0011: the one before it is not there, the database is at %', coalesce(version, 'none')
            USING HINT = 'Mend what the first error says, and run the whole script again.';
    END IF;
    EXECUTE $sql$ CREATE OR REPLACE FUNCTION message_month(at timestamptz) RETURNS integer LANGUAGE sql IMMUTABLE PARALLEL SAFE AS $$
    SELECT (extract(year FROM at AT TIME ZONE 'UTC') * 12 + extract(month FROM at AT TIME ZONE 'UTC'))::integer
$$; $sql$;
    EXECUTE $sql$ CREATE OR REPLACE FUNCTION message_document(tenant uuid, written_at timestamptz, body text) RETURNS tsvector
LANGUAGE sql IMMUTABLE PARALLEL SAFE AS $$
    SELECT to_tsvector('pg_catalog.portuguese', left(body, 20000))
        || to_tsvector('pg_catalog.portuguese', translate(lower(left(body, 20000)), 'áàâãäåéèêëíìîïóòôõöúùûüçñýÿ', 'aaaaaaeeeeiiiiooooouuuucnyy'))
        || array_to_tsvector(ARRAY['tenant ' || tenant::text, 'month ' || (extract(year FROM written_at AT TIME ZONE 'UTC') * 12 + extract(month FROM written_at AT TIME ZONE 'UTC'))::integer::text])
$$; $sql$;
    EXECUTE $sql$ DROP INDEX IF EXISTS ix_messages_document; $sql$;
    EXECUTE $sql$ CREATE INDEX ix_messages_document ON messages USING gin (message_document(tenant_id, occurred_at, body)) WHERE body <> ''; $sql$;
    EXECUTE $sql$ ALTER TABLE conversations ADD COLUMN assigned_to_id UUID; $sql$;
    EXECUTE $sql$ ALTER TABLE conversations ADD CONSTRAINT fk_conversations_tenant_id_assigned_to_id_users FOREIGN KEY(tenant_id, assigned_to_id) REFERENCES users (tenant_id, id); $sql$;
    EXECUTE $sql$ CREATE INDEX ix_conversations_tenant_id_last_message_at ON conversations (tenant_id, last_message_at, id); $sql$;
    EXECUTE $sql$ CREATE INDEX ix_conversations_open ON conversations (tenant_id, last_message_at, id) WHERE status = 'open'; $sql$;
    EXECUTE $sql$ CREATE INDEX ix_conversations_waiting ON conversations (tenant_id, last_message_at, id) WHERE status = 'open' AND assigned_to_id IS NULL; $sql$;
    EXECUTE $sql$ CREATE INDEX ix_conversations_assigned ON conversations (tenant_id, assigned_to_id, last_message_at, id) WHERE status = 'open'; $sql$;
    EXECUTE $sql$ CREATE INDEX ix_conversations_closed ON conversations (tenant_id, last_message_at, id) WHERE status = 'closed'; $sql$;
    EXECUTE $sql$ CREATE INDEX ix_conversations_unread ON conversations (tenant_id, unit_id) WHERE unread > 0; $sql$;
    EXECUTE $sql$ ALTER TABLE message_templates ADD COLUMN shortcut VARCHAR(30); $sql$;
    EXECUTE $sql$ CREATE UNIQUE INDEX uq_message_templates_tenant_id_shortcut ON message_templates (tenant_id, lower(shortcut)) WHERE archived_at IS NULL; $sql$;
    EXECUTE $sql$ CREATE TABLE conversation_events (
    id UUID NOT NULL,
    tenant_id UUID NOT NULL,
    unit_id UUID NOT NULL,
    conversation_id UUID NOT NULL,
    kind VARCHAR(32) NOT NULL,
    body TEXT,
    created_by_id UUID,
    assigned_to_id UUID,
    created_at TIMESTAMP WITH TIME ZONE DEFAULT now() NOT NULL,
    CONSTRAINT pk_conversation_events PRIMARY KEY (id),
    CONSTRAINT ck_conversation_events_kind CHECK (kind IN ('note', 'assigned', 'released', 'closed', 'reopened')),
    CONSTRAINT fk_conversation_events_tenant_id_tenants FOREIGN KEY(tenant_id) REFERENCES tenants (id),
    CONSTRAINT fk_conversation_events_tenant_id_unit_id_units FOREIGN KEY(tenant_id, unit_id) REFERENCES units (tenant_id, id),
    CONSTRAINT fk_conversation_events_tenant_id_conversation_id_conversations FOREIGN KEY(tenant_id, conversation_id) REFERENCES conversations (tenant_id, id) ON DELETE CASCADE,
    CONSTRAINT fk_conversation_events_tenant_id_created_by_id_users FOREIGN KEY(tenant_id, created_by_id) REFERENCES users (tenant_id, id),
    CONSTRAINT fk_conversation_events_tenant_id_assigned_to_id_users FOREIGN KEY(tenant_id, assigned_to_id) REFERENCES users (tenant_id, id)
); $sql$;
    EXECUTE $sql$ CREATE INDEX ix_conversation_events_conversation_id_created_at ON conversation_events (conversation_id, created_at, id); $sql$;
    EXECUTE $sql$ ALTER TABLE conversation_events ENABLE ROW LEVEL SECURITY; $sql$;
    EXECUTE $sql$ CREATE POLICY tenant ON conversation_events USING (tenant_id = (SELECT nullif(current_setting('portal.tenant_id', true), '')::uuid)); $sql$;
    EXECUTE $sql$ DO $$ BEGIN
IF (SELECT count(*) = 2 FROM pg_roles WHERE rolname IN ('portal_tenant', 'portal_system') AND pg_has_role(session_user, oid, 'MEMBER')) THEN
    CREATE POLICY system ON conversation_events TO portal_system USING (true);
    GRANT SELECT, INSERT, UPDATE, DELETE ON conversation_events TO portal_tenant, portal_system;
ELSE
    ALTER TABLE conversation_events FORCE ROW LEVEL SECURITY;
    CREATE POLICY system ON conversation_events USING (current_setting('portal.is_system', true) = 'on');
END IF;
END $$; $sql$;
    EXECUTE $sql$ CREATE OR REPLACE FUNCTION search_messages(words tsquery, unit_ids uuid[], most integer)
RETURNS TABLE (message_id uuid) LANGUAGE plpgsql STABLE SECURITY DEFINER SET search_path FROM CURRENT AS $$
DECLARE
    company uuid := nullif(current_setting('portal.tenant_id', true), '')::uuid;
    newest integer := message_month(now() + interval '1 day');
    span integer := 1;
    months tsquery;
    left_over integer := most;
    found_here integer;
BEGIN
    WHILE left_over > 0 AND newest > 0 LOOP
        SELECT string_agg(quote_literal('month ' || month), ' | ')::tsquery INTO months
            FROM generate_series(newest - span + 1, newest) AS month;
        RETURN QUERY SELECT m.id FROM messages AS m
            WHERE message_document(m.tenant_id, m.occurred_at, m.body)
                    @@ (words && quote_literal('tenant ' || company)::tsquery && months)
                AND m.body <> '' AND m.deleted_at IS NULL
                AND m.tenant_id = company AND (unit_ids IS NULL OR m.unit_id = ANY (unit_ids))
            ORDER BY m.occurred_at DESC, m.id DESC LIMIT left_over;
        GET DIAGNOSTICS found_here = ROW_COUNT;
        left_over := left_over - found_here;
        newest := newest - span;
        EXIT WHEN span > 240;
        span := span * 4;
    END LOOP;
END $$; $sql$;
    EXECUTE $sql$ REVOKE EXECUTE ON FUNCTION search_messages (tsquery, uuid[], integer) FROM PUBLIC; $sql$;
    EXECUTE $sql$ DO $$ BEGIN
IF (SELECT count(*) = 2 FROM pg_roles WHERE rolname IN ('portal_tenant', 'portal_system') AND pg_has_role(session_user, oid, 'MEMBER')) THEN
    GRANT EXECUTE ON FUNCTION search_messages (tsquery, uuid[], integer) TO portal_tenant;
ELSE
    NULL;
END IF;
END $$; $sql$;
    EXECUTE $sql$ UPDATE alembic_version SET version_num='0011' WHERE alembic_version.version_num = '0010'; $sql$;
    GET DIAGNOSTICS stamped = ROW_COUNT;
    IF stamped <> 1 THEN
        RAISE EXCEPTION '0011: it cannot be noted in alembic_version';
    END IF;
    RAISE NOTICE '0011: applied. %', 'Who answers a conversation, what was noted and done in it, short cuts of templates, and a search in what was written.';
END $golive$;

-- 0012 Row-level security asks for the company in a sub-select, so that PostgreSQL plans for any company.
DO $golive$
DECLARE
    version text;
    stamped bigint;
BEGIN
    PERFORM pg_advisory_xact_lock(7106113);
    PERFORM set_config('lock_timeout', '4s', true);
    version := (SELECT version_num FROM alembic_version);
    IF version >= '0012' THEN
        RAISE NOTICE '0012: there already';
        RETURN;
    END IF;
    -- A console that goes on after an error must not leave a hole.
    IF version IS DISTINCT FROM '0011' THEN
        RAISE EXCEPTION '0012: the one before it is not there, the database is at %', coalesce(version, 'none')
            USING HINT = 'Mend what the first error says, and run the whole script again.';
    END IF;
    EXECUTE $sql$ ALTER POLICY tenant ON access_grants USING (tenant_id = (SELECT nullif(current_setting('portal.tenant_id', true), '')::uuid)); $sql$;
    EXECUTE $sql$ ALTER POLICY tenant ON account_links USING (tenant_id = (SELECT nullif(current_setting('portal.tenant_id', true), '')::uuid)); $sql$;
    EXECUTE $sql$ ALTER POLICY tenant ON api_token_units USING (tenant_id = (SELECT nullif(current_setting('portal.tenant_id', true), '')::uuid)); $sql$;
    EXECUTE $sql$ ALTER POLICY tenant ON api_tokens USING (tenant_id = (SELECT nullif(current_setting('portal.tenant_id', true), '')::uuid)); $sql$;
    EXECUTE $sql$ ALTER POLICY tenant ON audit_events USING (tenant_id = (SELECT nullif(current_setting('portal.tenant_id', true), '')::uuid)); $sql$;
    EXECUTE $sql$ ALTER POLICY tenant ON campaign_recipients USING (tenant_id = (SELECT nullif(current_setting('portal.tenant_id', true), '')::uuid)); $sql$;
    EXECUTE $sql$ ALTER POLICY tenant ON campaigns USING (tenant_id = (SELECT nullif(current_setting('portal.tenant_id', true), '')::uuid)); $sql$;
    EXECUTE $sql$ ALTER POLICY tenant ON connection_losses USING (tenant_id = (SELECT nullif(current_setting('portal.tenant_id', true), '')::uuid)); $sql$;
    EXECUTE $sql$ ALTER POLICY tenant ON consent_events USING (tenant_id = (SELECT nullif(current_setting('portal.tenant_id', true), '')::uuid)); $sql$;
    EXECUTE $sql$ ALTER POLICY tenant ON contact_merges USING (tenant_id = (SELECT nullif(current_setting('portal.tenant_id', true), '')::uuid)); $sql$;
    EXECUTE $sql$ ALTER POLICY tenant ON contact_tags USING (tenant_id = (SELECT nullif(current_setting('portal.tenant_id', true), '')::uuid)); $sql$;
    EXECUTE $sql$ ALTER POLICY tenant ON contacts USING (tenant_id = (SELECT nullif(current_setting('portal.tenant_id', true), '')::uuid)); $sql$;
    EXECUTE $sql$ ALTER POLICY tenant ON conversation_aliases USING (tenant_id = (SELECT nullif(current_setting('portal.tenant_id', true), '')::uuid)); $sql$;
    EXECUTE $sql$ ALTER POLICY tenant ON conversation_events USING (tenant_id = (SELECT nullif(current_setting('portal.tenant_id', true), '')::uuid)); $sql$;
    EXECUTE $sql$ ALTER POLICY tenant ON conversations USING (tenant_id = (SELECT nullif(current_setting('portal.tenant_id', true), '')::uuid)); $sql$;
    EXECUTE $sql$ ALTER POLICY tenant ON early_receipts USING (tenant_id = (SELECT nullif(current_setting('portal.tenant_id', true), '')::uuid)); $sql$;
    EXECUTE $sql$ ALTER POLICY tenant ON erasures USING (tenant_id = (SELECT nullif(current_setting('portal.tenant_id', true), '')::uuid)); $sql$;
    EXECUTE $sql$ ALTER POLICY tenant ON import_changes USING (tenant_id = (SELECT nullif(current_setting('portal.tenant_id', true), '')::uuid)); $sql$;
    EXECUTE $sql$ ALTER POLICY tenant ON import_chunks USING (tenant_id = (SELECT nullif(current_setting('portal.tenant_id', true), '')::uuid)); $sql$;
    EXECUTE $sql$ ALTER POLICY tenant ON import_rows USING (tenant_id = (SELECT nullif(current_setting('portal.tenant_id', true), '')::uuid)); $sql$;
    EXECUTE $sql$ ALTER POLICY tenant ON imports USING (tenant_id = (SELECT nullif(current_setting('portal.tenant_id', true), '')::uuid)); $sql$;
    EXECUTE $sql$ ALTER POLICY tenant ON lanes USING (tenant_id = (SELECT nullif(current_setting('portal.tenant_id', true), '')::uuid)); $sql$;
    EXECUTE $sql$ ALTER POLICY tenant ON media USING (tenant_id = (SELECT nullif(current_setting('portal.tenant_id', true), '')::uuid)); $sql$;
    EXECUTE $sql$ ALTER POLICY tenant ON merged_messages USING (tenant_id = (SELECT nullif(current_setting('portal.tenant_id', true), '')::uuid)); $sql$;
    EXECUTE $sql$ ALTER POLICY tenant ON message_changes USING (tenant_id = (SELECT nullif(current_setting('portal.tenant_id', true), '')::uuid)); $sql$;
    EXECUTE $sql$ ALTER POLICY tenant ON message_templates USING (tenant_id = (SELECT nullif(current_setting('portal.tenant_id', true), '')::uuid)); $sql$;
    EXECUTE $sql$ ALTER POLICY tenant ON messages USING (tenant_id = (SELECT nullif(current_setting('portal.tenant_id', true), '')::uuid)); $sql$;
    EXECUTE $sql$ ALTER POLICY tenant ON recovery_codes USING (tenant_id = (SELECT nullif(current_setting('portal.tenant_id', true), '')::uuid)); $sql$;
    EXECUTE $sql$ ALTER POLICY tenant ON repairs USING (tenant_id = (SELECT nullif(current_setting('portal.tenant_id', true), '')::uuid)); $sql$;
    EXECUTE $sql$ ALTER POLICY tenant ON scan_links USING (tenant_id = (SELECT nullif(current_setting('portal.tenant_id', true), '')::uuid)); $sql$;
    EXECUTE $sql$ ALTER POLICY tenant ON suppressions USING (tenant_id = (SELECT nullif(current_setting('portal.tenant_id', true), '')::uuid)); $sql$;
    EXECUTE $sql$ ALTER POLICY tenant ON tags USING (tenant_id = (SELECT nullif(current_setting('portal.tenant_id', true), '')::uuid)); $sql$;
    EXECUTE $sql$ ALTER POLICY tenant ON template_versions USING (tenant_id = (SELECT nullif(current_setting('portal.tenant_id', true), '')::uuid)); $sql$;
    EXECUTE $sql$ ALTER POLICY tenant ON tenant_settings USING (tenant_id = (SELECT nullif(current_setting('portal.tenant_id', true), '')::uuid)); $sql$;
    EXECUTE $sql$ ALTER POLICY tenant ON tenants USING (id = (SELECT nullif(current_setting('portal.tenant_id', true), '')::uuid)); $sql$;
    EXECUTE $sql$ ALTER POLICY tenant ON unit_whatsapp_connections USING (tenant_id = (SELECT nullif(current_setting('portal.tenant_id', true), '')::uuid)); $sql$;
    EXECUTE $sql$ ALTER POLICY tenant ON units USING (tenant_id = (SELECT nullif(current_setting('portal.tenant_id', true), '')::uuid)); $sql$;
    EXECUTE $sql$ ALTER POLICY tenant ON user_sessions USING (tenant_id = (SELECT nullif(current_setting('portal.tenant_id', true), '')::uuid)); $sql$;
    EXECUTE $sql$ ALTER POLICY tenant ON user_units USING (tenant_id = (SELECT nullif(current_setting('portal.tenant_id', true), '')::uuid)); $sql$;
    EXECUTE $sql$ ALTER POLICY tenant ON users USING (tenant_id = (SELECT nullif(current_setting('portal.tenant_id', true), '')::uuid)); $sql$;
    EXECUTE $sql$ ALTER POLICY tenant ON webhook_deliveries USING (tenant_id = (SELECT nullif(current_setting('portal.tenant_id', true), '')::uuid)); $sql$;
    EXECUTE $sql$ ALTER POLICY tenant ON webhook_endpoints USING (tenant_id = (SELECT nullif(current_setting('portal.tenant_id', true), '')::uuid)); $sql$;
    EXECUTE $sql$ ALTER POLICY tenant ON webhook_events USING (tenant_id = (SELECT nullif(current_setting('portal.tenant_id', true), '')::uuid)); $sql$;
    EXECUTE $sql$ CREATE OR REPLACE FUNCTION search_messages(words tsquery, unit_ids uuid[], most integer)
RETURNS TABLE (message_id uuid) LANGUAGE plpgsql STABLE SECURITY DEFINER SET search_path FROM CURRENT AS $$
DECLARE
    company uuid := nullif(current_setting('portal.tenant_id', true), '')::uuid;
    newest integer := message_month(now() + interval '1 day');
    span integer := 1;
    months tsquery;
    left_over integer := most;
    found_here integer;
BEGIN
    WHILE left_over > 0 AND newest > 0 LOOP
        SELECT string_agg(quote_literal('month ' || month), ' | ')::tsquery INTO months
            FROM generate_series(newest - span + 1, newest) AS month;
        RETURN QUERY SELECT m.id FROM messages AS m
            WHERE message_document(m.tenant_id, m.occurred_at, m.body)
                    @@ (words && quote_literal('tenant ' || company)::tsquery && months)
                AND m.body <> '' AND m.deleted_at IS NULL
                AND (m.tenant_id = company) IS TRUE AND ((unit_ids IS NULL OR m.unit_id = ANY (unit_ids))) IS TRUE
            ORDER BY m.occurred_at DESC, m.id DESC LIMIT left_over;
        GET DIAGNOSTICS found_here = ROW_COUNT;
        left_over := left_over - found_here;
        newest := newest - span;
        EXIT WHEN span > 240;
        span := span * 4;
    END LOOP;
END $$; $sql$;
    EXECUTE $sql$ UPDATE alembic_version SET version_num='0012' WHERE alembic_version.version_num = '0011'; $sql$;
    GET DIAGNOSTICS stamped = ROW_COUNT;
    IF stamped <> 1 THEN
        RAISE EXCEPTION '0012: it cannot be noted in alembic_version';
    END IF;
    RAISE NOTICE '0012: applied. %', 'Row-level security asks for the company in a sub-select, so that PostgreSQL plans for any company.';
END $golive$;

-- 0013 A company or a unit that PostgreSQL plans for without seeing it is taken for a quarter of the table.
DO $golive$
DECLARE
    version text;
    stamped bigint;
BEGIN
    PERFORM pg_advisory_xact_lock(7106113);
    PERFORM set_config('lock_timeout', '4s', true);
    version := (SELECT version_num FROM alembic_version);
    IF version >= '0013' THEN
        RAISE NOTICE '0013: there already';
        RETURN;
    END IF;
    -- A console that goes on after an error must not leave a hole.
    IF version IS DISTINCT FROM '0012' THEN
        RAISE EXCEPTION '0013: the one before it is not there, the database is at %', coalesce(version, 'none')
            USING HINT = 'Mend what the first error says, and run the whole script again.';
    END IF;
    EXECUTE $sql$ DO $$ DECLARE a record; BEGIN FOR a IN SELECT polrelid::regclass AS owned, attname AS owner FROM pg_policy JOIN pg_attribute ON attrelid = polrelid WHERE polname = 'tenant' AND attname IN ('tenant_id', 'unit_id') LOOP EXECUTE format('ALTER TABLE %s ALTER COLUMN %I SET (n_distinct = 4)', a.owned, a.owner); END LOOP; END $$; $sql$;
    EXECUTE $sql$ DO $$ DECLARE a record; BEGIN
FOR a IN SELECT polrelid::regclass AS owned FROM pg_policy WHERE polname = 'tenant' LOOP
    EXECUTE format('ANALYZE %s', a.owned);
END LOOP; END $$; $sql$;
    EXECUTE $sql$ UPDATE alembic_version SET version_num='0013' WHERE alembic_version.version_num = '0012'; $sql$;
    GET DIAGNOSTICS stamped = ROW_COUNT;
    IF stamped <> 1 THEN
        RAISE EXCEPTION '0013: it cannot be noted in alembic_version';
    END IF;
    RAISE NOTICE '0013: applied. %', 'A company or a unit that PostgreSQL plans for without seeing it is taken for a quarter of the table.';
END $golive$;

-- Older database: its rows become the company legacy's
DO $golive$
DECLARE
    tenant uuid := md5('tenant legacy')::uuid;
    one record;
BEGIN
    PERFORM pg_advisory_xact_lock(7106113);
    PERFORM set_config('lock_timeout', '4s', true);
    IF (SELECT version_num FROM alembic_version) IS DISTINCT FROM '0013' THEN
        RAISE EXCEPTION 'older database: it is copied once the revision is 0013';
    END IF;
    IF to_regnamespace('portal_older') IS NULL THEN
        RAISE NOTICE 'older database: there is none to copy';
        RETURN;
    END IF;
    -- Where the policies are forced on the owner, nothing is seen or written without this.
    PERFORM set_config('portal.is_system', 'on', true);
    PERFORM set_config('timezone', 'UTC', true);
    IF EXISTS (SELECT FROM tenants WHERE slug = 'legacy') THEN
        RAISE EXCEPTION 'older database: there is a company with the short name legacy already'
            USING HINT = 'The older rows become that company''s. Give the other one another short name.';
    END IF;
    EXECUTE $sql$
CREATE FUNCTION portal_older.blank_to_null(value text) RETURNS text LANGUAGE sql IMMUTABLE AS $fn$
    SELECT nullif(btrim(value, E' \t\r\n'), '')
$fn$;

-- An id that is no uuid, say a number, becomes one that is always the same.
CREATE FUNCTION portal_older.as_id(of text, value text) RETURNS uuid LANGUAGE sql IMMUTABLE AS $fn$
    SELECT CASE
        WHEN value ~* '^[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}$' THEN value::uuid
        WHEN value IS NOT NULL THEN md5(of || ':' || value)::uuid
    END
$fn$;

CREATE FUNCTION portal_older.as_count(value text) RETURNS integer LANGUAGE sql IMMUTABLE AS $fn$
    SELECT CASE WHEN value ~ '^[0-9]{1,9}$' THEN value::integer ELSE 0 END
$fn$;

-- Nothing for what is no instant, or none that a calendar of four digits has. All that is told has happened, so that
-- nothing is later than now.
CREATE FUNCTION portal_older.as_instant(value text) RETURNS timestamptz LANGUAGE plpgsql STABLE AS $fn$
DECLARE
    at timestamptz;
BEGIN
    IF value IS NULL OR value ~* 'infinity' THEN
        RETURN NULL;
    END IF;
    at := CASE
        WHEN value ~ '^[0-9]{10}$' THEN to_timestamp(value::bigint)
        WHEN value ~ '^[0-9]{13}$' THEN to_timestamp(value::bigint / 1000.0)
        ELSE value::timestamptz
    END;
    RETURN CASE WHEN at BETWEEN '0001-01-02' AND '9999-12-30' THEN least(at, now()) END;
EXCEPTION WHEN data_exception THEN
    RETURN NULL;
END $fn$;

-- What portal/phone.py makes of a number that somebody typed or WhatsApp reported; nothing for what is none. How long
-- the numbers of each country are is not known here: eight digits at least, but for the two smallest countries.
CREATE FUNCTION portal_older.as_phone(typed text) RETURNS text LANGUAGE plpgsql IMMUTABLE AS $fn$
DECLARE
    digits text := regexp_replace(typed, '[^0-9]', '', 'g');
    has_country boolean := typed ~ '^([^[:alnum:]_+＋]*[+＋]|[^0-9]*[+＋][0-9])';
BEGIN
    IF typed LIKE '%@%' THEN
        digits := substring(typed FROM '^\s*([0-9]+)(?:\:[0-9]+)?@(?:s\.whatsapp\.net|c\.us)\s*$');
        has_country := true;
    END IF;
    IF NOT has_country AND digits ~ '^9[0-9]{8}$' THEN
        RETURN NULL;
    END IF;
    IF NOT has_country AND digits ~ '^[1-9][0-9](9[0-9]{8}|[2-9][0-9]{7})$' THEN
        digits := '55' || digits;
    END IF;
    RETURN CASE
        WHEN digits ~ '^55[1-9][0-9](9[1-9][0-9]{7}|[2-5][0-9]{7})$' THEN digits
        WHEN digits ~ '^55[1-9][0-9][6-9][0-9]{7}$' THEN left(digits, 4) || '9' || right(digits, 8)
        WHEN digits ~ '^(521|549)[0-9]{10}$' THEN left(digits, 2) || right(digits, 10)
        WHEN digits ~ '^55' THEN NULL
        -- Without a plus, what is shorter could more likely be dialled within a city only.
        WHEN digits ~ '^[1-9][0-9]{9,14}$' OR has_country AND digits ~ '^([1-9][0-9]{7,14}|6(83|90)[0-9]{4})$' THEN digits
    END;
END $fn$;

CREATE FUNCTION portal_older.as_slug(value text) RETURNS text LANGUAGE sql IMMUTABLE AS $fn$
    SELECT btrim(left(btrim(regexp_replace(lower(translate(
        value,
        'áàâãäéèêëíìîïóòôõöúùûüçñÁÀÂÃÄÉÈÊËÍÌÎÏÓÒÔÕÖÚÙÛÜÇÑ',
        'aaaaaeeeeiiiiooooouuuucnaaaaaeeeeiiiiooooouuuucn'
    )), '[^a-z0-9]+', '-', 'g'), '-'), 60), '-')
$fn$;
    $sql$;
    EXECUTE $sql$
-- Each older table as rows of JSON, so that it does not matter which columns it has, with the ids that they get here.
CREATE FUNCTION portal_older.stage(of text) RETURNS void LANGUAGE plpgsql AS $fn$
DECLARE
    in_order text := 'o.ctid';
BEGIN
    EXECUTE format(
        'CREATE TABLE portal_older.staged_%s (n bigint PRIMARY KEY, id uuid NOT NULL, old jsonb NOT NULL,'
        ' unit_id uuid, contact_id uuid, conversation_id uuid, is_made boolean NOT NULL DEFAULT false,'
        -- The row that this one became a part of, or why it has no place.
        ' became uuid, left_out text)', of
    );
    IF to_regclass(format('portal_older.%I', of)) IS NULL THEN
        RETURN;
    END IF;
    IF portal_older.has_column(of, 'created_at') THEN
        in_order := 'o.created_at NULLS LAST, o.ctid';
    END IF;
    EXECUTE format(
        $q$
        INSERT INTO portal_older.staged_%1$s (n, id, old, unit_id, contact_id, conversation_id)
        SELECT n, CASE WHEN known IS NOT NULL AND nth = 1 THEN known ELSE md5(concat(%1$L, n, old))::uuid END, old,
            portal_older.as_id('units', old->>'unit_id'), portal_older.as_id('contacts', old->>'contact_id'),
            portal_older.as_id('conversations', old->>'conversation_id')
        FROM (
            SELECT n, old, known, row_number() OVER (PARTITION BY known ORDER BY n) AS nth
            FROM (
                SELECT row_number() OVER (ORDER BY %2$s) AS n, to_jsonb(o) AS old,
                    portal_older.as_id(%1$L, to_jsonb(o)->>'id') AS known
                FROM portal_older.%1$I AS o
            ) AS numbered
        ) AS ranked
        $q$, of, in_order
    );
    EXECUTE format('CREATE UNIQUE INDEX ON portal_older.staged_%s (id)', of);
    EXECUTE format('ANALYZE portal_older.staged_%s', of);
END $fn$;

CREATE FUNCTION portal_older.has_column(of text, name text) RETURNS boolean LANGUAGE sql STABLE AS $fn$
    SELECT EXISTS (
        SELECT FROM pg_attribute
        WHERE attrelid = to_regclass(format('portal_older.%I', of)) AND attname = name AND NOT attisdropped
    )
$fn$;

CREATE FUNCTION portal_older.make_row(of text, made uuid, content jsonb) RETURNS void LANGUAGE plpgsql AS $fn$
BEGIN
    EXECUTE format(
        'INSERT INTO portal_older.staged_%1$s (n, id, old, is_made)'
        ' SELECT coalesce(max(n), 0) + 1, $1, $2, true FROM portal_older.staged_%1$s', of
    ) USING made, content;
END $fn$;

-- Whatever refers to a row that is not there gets one: nothing is left out, and nobody has to guess whose it is.
CREATE FUNCTION portal_older.make_missing_rows() RETURNS void LANGUAGE plpgsql AS $fn$
DECLARE
    without_place uuid := md5('conversations of no id')::uuid;
    unit uuid := md5('units of no id')::uuid;
    counted bigint;
BEGIN
    UPDATE portal_older.staged_messages SET conversation_id = without_place WHERE conversation_id IS NULL;
    PERFORM portal_older.make_row('conversations', missing.id, '{"status": "closed"}')
    FROM (SELECT DISTINCT conversation_id AS id FROM portal_older.staged_messages) AS missing
    WHERE NOT EXISTS (SELECT FROM portal_older.staged_conversations AS there WHERE there.id = missing.id);
    GET DIAGNOSTICS counted = ROW_COUNT;
    PERFORM portal_older.tell(counted, 'messages: % conversations were missing and are made');

    UPDATE portal_older.staged_conversations SET contact_id = md5('contact of ' || id)::uuid WHERE contact_id IS NULL;
    PERFORM portal_older.make_row('contacts', missing.id, '{}')
    FROM (SELECT DISTINCT contact_id AS id FROM portal_older.staged_conversations) AS missing
    WHERE NOT EXISTS (SELECT FROM portal_older.staged_contacts AS there WHERE there.id = missing.id);
    GET DIAGNOSTICS counted = ROW_COUNT;
    PERFORM portal_older.tell(counted, 'conversations: % contacts were missing and are made');

    UPDATE portal_older.staged_conversations AS conversation SET unit_id = unit
    WHERE NOT EXISTS (SELECT FROM portal_older.staged_units AS there WHERE there.id = conversation.unit_id);
    GET DIAGNOSTICS counted = ROW_COUNT;
    PERFORM portal_older.tell(counted, 'conversations: % are of no unit and go to one of their own, “Without a unit”');
    IF counted > 0 THEN
        PERFORM portal_older.make_row('units', unit, '{"name": "Without a unit", "slug": "without-a-unit"}');
    END IF;
END $fn$;

-- A warning about so many rows, unless there is none.
CREATE FUNCTION portal_older.tell(counted bigint, sentence text) RETURNS void LANGUAGE plpgsql AS $fn$
BEGIN
    IF counted > 0 THEN
        RAISE WARNING '%', replace(sentence, '%', counted::text);
    END IF;
END $fn$;
    $sql$;
    EXECUTE $sql$
-- What is not taken over stays beside what was, under a name that the portal leaves alone.
CREATE FUNCTION portal_older.add_legacy_column(of text, name text) RETURNS text LANGUAGE plpgsql AS $fn$
DECLARE
    legacy text := CASE WHEN name LIKE 'legacy\_%' THEN name ELSE 'legacy_' || name END;
    number text;
    type text;
BEGIN
    SELECT '_' || attnum, format_type(atttypid, atttypmod) INTO number, type
    FROM pg_attribute WHERE attrelid = to_regclass(format('portal_older.%I', of)) AND attname = name;
    -- Longer ones PostgreSQL would cut off, and two could become the same.
    IF octet_length(legacy) > 63 OR legacy <> name AND portal_older.has_column(of, legacy) THEN
        WHILE octet_length(legacy || number) > 63 LOOP
            legacy := left(legacy, -1);
        END LOOP;
        legacy := legacy || number;
    END IF;
    EXECUTE format('ALTER TABLE %I ADD COLUMN IF NOT EXISTS %I %s', of, legacy, type);
    RETURN legacy;
END $fn$;

-- Keep the values of a column that cannot be told from what became of them: `as_now` says in SQL what can be.
CREATE FUNCTION portal_older.keep(of text, name text, as_now text) RETURNS void LANGUAGE plpgsql AS $fn$
DECLARE
    differs text := format(
        's.id = t.id AND s.became IS NULL AND s.left_out IS NULL AND NOT s.is_made'
        ' AND s.old->>%1$L IS NOT NULL AND s.old->>%1$L IS DISTINCT FROM (%2$s)', name, as_now
    );
    counted bigint;
    legacy text;
BEGIN
    IF NOT portal_older.has_column(of, name) THEN
        RETURN;
    END IF;
    EXECUTE format('SELECT count(*) FROM %1$I AS t, portal_older.staged_%1$s AS s WHERE %2$s', of, differs) INTO counted;
    IF counted = 0 THEN
        RETURN;
    END IF;
    legacy := portal_older.add_legacy_column(of, name);
    EXECUTE format(
        'UPDATE %1$I AS t SET %2$I = o.%3$I FROM portal_older.staged_%1$s AS s,'
        ' jsonb_populate_record(NULL::portal_older.%1$I, s.old) AS o WHERE %4$s', of, legacy, name, differs
    );
    RAISE NOTICE '%: % rows keep what % was in %', of, counted, name, legacy;
END $fn$;

-- Keep every column but those that were taken over.
CREATE FUNCTION portal_older.keep_others(of text, taken text[]) RETURNS void LANGUAGE plpgsql AS $fn$
DECLARE
    name text;
    changes text[] := '{}';
    names text[] := '{}';
BEGIN
    FOR name IN
        SELECT attname FROM pg_attribute
        WHERE attrelid = to_regclass(format('portal_older.%I', of)) AND attnum > 0 AND NOT attisdropped
            AND NOT attname = ANY (taken)
        ORDER BY attnum
    LOOP
        changes := changes || format('%I = o.%I', portal_older.add_legacy_column(of, name), name);
        names := names || name;
    END LOOP;
    IF changes = '{}' THEN
        RETURN;
    END IF;
    EXECUTE format(
        'UPDATE %1$I AS t SET %2$s FROM portal_older.staged_%1$s AS s,'
        ' jsonb_populate_record(NULL::portal_older.%1$I, s.old) AS o'
        ' WHERE s.id = t.id AND s.became IS NULL AND s.left_out IS NULL AND NOT s.is_made',
        of, array_to_string(changes, ', ')
    );
    RAISE NOTICE '%: not used by the portal and kept with the prefix legacy_: %', of, array_to_string(names, ', ');
END $fn$;

-- Rows that became a part of another one, or have no place, are kept whole. The portal does not read them.
CREATE FUNCTION portal_older.keep_whole_rows(of text) RETURNS void LANGUAGE plpgsql AS $fn$
DECLARE
    counted bigint;
BEGIN
    EXECUTE format('SELECT count(*) FROM portal_older.staged_%s WHERE coalesce(became::text, left_out) IS NOT NULL', of)
    INTO counted;
    IF counted = 0 THEN
        RETURN;
    END IF;
    CREATE TABLE IF NOT EXISTS legacy_rows (
        table_name text NOT NULL,
        id uuid NOT NULL,
        became_id uuid,
        reason text NOT NULL,
        content jsonb NOT NULL,
        PRIMARY KEY (table_name, id)
    );
    ALTER TABLE legacy_rows ENABLE ROW LEVEL SECURITY;
    EXECUTE format(
        'INSERT INTO legacy_rows (table_name, id, became_id, reason, content)'
        ' SELECT %1$L, id, became, coalesce(left_out, ''is the same as another one''), old'
        ' FROM portal_older.staged_%1$s WHERE coalesce(became::text, left_out) IS NOT NULL', of
    );
    RAISE WARNING '%: % rows are kept in legacy_rows only', of, counted;
END $fn$;
    $sql$;
    EXECUTE $sql$
CREATE FUNCTION portal_older.free_slug(tenant uuid, wanted text) RETURNS text LANGUAGE plpgsql AS $fn$
DECLARE
    base text := coalesce(nullif(portal_older.as_slug(wanted), ''), 'unit');
    chosen text := base;
    n integer := 1;
BEGIN
    WHILE EXISTS (SELECT FROM units WHERE units.tenant_id = tenant AND units.slug = chosen) LOOP
        n := n + 1;
        chosen := left(base, 54) || '-' || n;
    END LOOP;
    RETURN chosen;
END $fn$;

CREATE FUNCTION portal_older.copy_units(tenant uuid) RETURNS void LANGUAGE plpgsql AS $fn$
DECLARE
    unit record;
BEGIN
    -- Those whose short name can stay get it first.
    FOR unit IN
        SELECT id, old, portal_older.blank_to_null(old->>'name') AS name, portal_older.blank_to_null(old->>'slug') AS slug
        FROM portal_older.staged_units
        ORDER BY is_made, (old->>'slug' = portal_older.as_slug(old->>'slug')) IS NOT TRUE, n
    LOOP
        INSERT INTO units (id, tenant_id, name, slug, created_at)
        VALUES (
            unit.id, tenant, left(coalesce(unit.name, unit.slug, 'Unit'), 120),
            portal_older.free_slug(tenant, coalesce(unit.slug, unit.name)),
            coalesce(portal_older.as_instant(unit.old->>'created_at'), now())
        );
        INSERT INTO lanes (unit_id, tenant_id) VALUES (unit.id, tenant);
    END LOOP;
    PERFORM portal_older.keep('units', 'id', 't.id::text');
    PERFORM portal_older.keep('units', 'name', 't.name');
    PERFORM portal_older.keep('units', 'slug', 't.slug');
    PERFORM portal_older.keep('units', 'created_at', portal_older.if_instant('created_at'));
    PERFORM portal_older.keep_others('units', '{id,name,slug,created_at}');
END $fn$;

-- In SQL: the older value where it was understood as an instant, and had come.
CREATE FUNCTION portal_older.if_instant(name text) RETURNS text LANGUAGE sql AS $fn$
    SELECT format('CASE WHEN portal_older.as_instant(s.old->>%1$L) < now() THEN s.old->>%1$L END', name)
$fn$;

-- Nothing is believed of their state, and SQL cannot make the secret of a webhook: a worker asks Evolution as soon as
-- there is one, gives the instance a new secret and sets its webhook. Whoever is linked there need not scan again.
CREATE FUNCTION portal_older.copy_connections(tenant uuid) RETURNS void LANGUAGE plpgsql AS $fn$
DECLARE
    counted bigint;
BEGIN
    ALTER TABLE portal_older.staged_unit_whatsapp_connections ADD instance text;
    UPDATE portal_older.staged_unit_whatsapp_connections AS s SET left_out = 'its unit is not there'
    WHERE NOT EXISTS (SELECT FROM portal_older.staged_units AS unit WHERE unit.id = s.unit_id) OR unit_id IS NULL;
    UPDATE portal_older.staged_unit_whatsapp_connections AS s SET left_out = 'its unit has another one'
    FROM portal_older.staged_unit_whatsapp_connections AS first
    WHERE s.left_out IS NULL AND first.left_out IS NULL AND first.unit_id = s.unit_id AND first.n < s.n;
    UPDATE portal_older.staged_unit_whatsapp_connections AS s SET instance = found.name
    FROM (
        SELECT n, name, row_number() OVER (PARTITION BY name ORDER BY n) AS nth
        FROM (
            SELECT n, portal_older.blank_to_null(coalesce(old->>'instance_id', old->>'instance_name')) AS name
            FROM portal_older.staged_unit_whatsapp_connections
            WHERE left_out IS NULL AND coalesce(lower(btrim(old->>'provider')), 'evolution') LIKE 'evolution%'
        ) AS named
    ) AS found
    WHERE found.n = s.n AND nth = 1 AND length(found.name) <= 60
        AND NOT EXISTS (SELECT FROM unit_whatsapp_connections WHERE instance_name = found.name);

    INSERT INTO unit_whatsapp_connections (
        id, tenant_id, unit_id, created_at, instance_name, instance_made_at, check_at, status, status_reason,
        connected_at, disconnected_at, qr_updated_at
    )
    SELECT s.id, tenant, s.unit_id, made_at, instance,
        CASE WHEN instance IS NOT NULL THEN made_at END, CASE WHEN instance IS NOT NULL THEN now() END,
        CASE WHEN instance IS NULL THEN 'not_configured' ELSE 'disconnected' END,
        CASE WHEN instance IS NOT NULL THEN 'connection_lost' END,
        portal_older.as_instant(old->>'connected_at'), portal_older.as_instant(old->>'disconnected_at'),
        portal_older.as_instant(old->>'qr_updated_at')
    FROM portal_older.staged_unit_whatsapp_connections AS s
    CROSS JOIN LATERAL (SELECT coalesce(portal_older.as_instant(old->>'created_at'), now()) AS made_at) AS made
    WHERE left_out IS NULL;
    INSERT INTO unit_whatsapp_connections (id, tenant_id, unit_id)
    SELECT md5('connection of ' || units.id)::uuid, tenant, units.id FROM units
    WHERE tenant_id = tenant AND NOT EXISTS (SELECT FROM unit_whatsapp_connections WHERE unit_id = units.id);

    SELECT count(*) INTO counted FROM portal_older.staged_unit_whatsapp_connections
    WHERE left_out IS NULL AND instance IS NULL AND old->>'instance_id' IS NOT NULL;
    PERFORM portal_older.tell(
        counted, 'unit_whatsapp_connections: the instance of % is another one''s too, of another provider, or has no name'
        ' that fits: connect those units anew'
    );
    PERFORM portal_older.keep('unit_whatsapp_connections', 'id', 't.id::text');
    PERFORM portal_older.keep('unit_whatsapp_connections', 'provider', 't.provider');
    PERFORM portal_older.keep('unit_whatsapp_connections', 'instance_id', 't.instance_name');
    PERFORM portal_older.keep('unit_whatsapp_connections', 'instance_name', 't.instance_name');
    PERFORM portal_older.keep('unit_whatsapp_connections', 'status', 't.status');
    PERFORM portal_older.keep('unit_whatsapp_connections', 'status_reason', 't.status_reason');
    PERFORM portal_older.keep('unit_whatsapp_connections', name, portal_older.if_instant(name))
    FROM unnest(ARRAY['created_at', 'connected_at', 'disconnected_at', 'qr_updated_at']) AS name;
    PERFORM portal_older.keep_others('unit_whatsapp_connections', ARRAY[
        'id', 'unit_id', 'provider', 'instance_id', 'instance_name', 'status', 'status_reason', 'created_at',
        'connected_at', 'disconnected_at', 'qr_updated_at'
    ]);
    PERFORM portal_older.keep_whole_rows('unit_whatsapp_connections');
END $fn$;
    $sql$;
    EXECUTE $sql$
-- The columns that say of somebody that they had been shut out.
CREATE FUNCTION portal_older.shut_out_by(old jsonb) RETURNS text[] LANGUAGE sql IMMUTABLE AS $fn$
    SELECT coalesce(array_agg(key ORDER BY key), '{}')
    FROM (SELECT key, lower(key) AS name, lower(btrim(value)) AS told FROM jsonb_each_text(old)) AS each
    WHERE CASE
        WHEN name IN ('active', 'is_active', 'enabled', 'is_enabled', 'status') THEN told IN (
            'false', 'f', '0', 'no', 'n', 'off', 'inactive', 'blocked', 'disabled', 'banned', 'suspended', 'deleted',
            'inativo', 'inativa', 'bloqueado', 'bloqueada', 'desativado', 'desativada'
        )
        WHEN name IN ('blocked', 'is_blocked', 'banned', 'is_banned', 'disabled', 'is_disabled') THEN
            told NOT IN ('', 'false', 'f', '0', 'no', 'n', 'off')
        WHEN name IN ('disabled_at', 'deleted_at', 'blocked_at', 'banned_at') THEN told <> ''
    END
$fn$;

-- Their passwords are of no use here, so everybody chooses a new one by the link for that.
CREATE FUNCTION portal_older.copy_users(tenant uuid) RETURNS void LANGUAGE plpgsql AS $fn$
DECLARE
    counted bigint;
    one record;
BEGIN
    ALTER TABLE portal_older.staged_users ADD email text;
    UPDATE portal_older.staged_users AS s SET email = found.email
    FROM (
        SELECT n, email, row_number() OVER (PARTITION BY email ORDER BY n) AS nth
        FROM (SELECT n, lower(portal_older.blank_to_null(old->>'email')) AS email FROM portal_older.staged_users) AS told
    ) AS found
    WHERE found.n = s.n AND nth = 1 AND length(found.email) <= 254 AND found.email LIKE '_%@_%'
        AND found.email !~ '\s' AND NOT EXISTS (SELECT FROM users WHERE users.email = found.email);

    INSERT INTO users (id, tenant_id, email, role, created_at, disabled_at)
    SELECT id, tenant, coalesce(email, format('legacy-%s@legacy.invalid', replace(id::text, '-', ''))),
        CASE WHEN lower(btrim(old->>'role')) IN ('admin', 'tenant_admin') THEN 'tenant_admin' ELSE 'agent' END,
        coalesce(portal_older.as_instant(old->>'created_at'), now()),
        -- Whoever had been shut out must not come back by a link to a new password.
        CASE WHEN email IS NULL OR portal_older.shut_out_by(old) <> '{}' THEN now() END
    FROM portal_older.staged_users;
    INSERT INTO user_units (tenant_id, user_id, unit_id)
    SELECT tenant, s.id, s.unit_id
    FROM portal_older.staged_users AS s JOIN users ON users.id = s.id AND users.role = 'agent'
    WHERE EXISTS (SELECT FROM units WHERE units.tenant_id = tenant AND units.id = s.unit_id);

    SELECT count(*) INTO counted FROM portal_older.staged_users WHERE email IS NULL;
    PERFORM portal_older.tell(
        counted, 'users: % have no e-mail address that is theirs alone, and are disabled under a made-up one'
    );
    FOR one IN
        SELECT name, count(*) AS times FROM portal_older.staged_users, unnest(portal_older.shut_out_by(old)) AS name
        GROUP BY name ORDER BY name
    LOOP
        RAISE WARNING 'users: % are disabled, because their % says so', one.times, one.name;
    END LOOP;
    SELECT count(*) INTO counted FROM portal_older.staged_users
    WHERE coalesce(lower(btrim(old->>'role')), '') NOT IN ('admin', 'tenant_admin', 'agent');
    PERFORM portal_older.tell(counted, 'users: % had a role that is unknown here, and become agents of their unit');
    SELECT count(*) INTO counted FROM users
    WHERE tenant_id = tenant AND role = 'agent' AND NOT EXISTS (SELECT FROM user_units WHERE user_id = users.id);
    PERFORM portal_older.tell(counted, 'users: % agents are of no unit, and see nothing until they are given one');
    SELECT count(*) INTO counted FROM users WHERE tenant_id = tenant AND role = 'tenant_admin' AND disabled_at IS NULL;
    IF counted = 0 THEN
        RAISE WARNING 'users: nobody is an administrator; make one with: flask --app wsgi users invite';
    END IF;
    PERFORM portal_older.keep('users', 'id', 't.id::text');
    PERFORM portal_older.keep('users', 'email', 't.email');
    PERFORM portal_older.keep('users', 'role', 'CASE t.role WHEN ''tenant_admin'' THEN ''admin'' ELSE t.role END');
    PERFORM portal_older.keep('users', 'unit_id', '(SELECT unit_id::text FROM user_units WHERE user_id = t.id)');
    PERFORM portal_older.keep('users', 'created_at', portal_older.if_instant('created_at'));
    PERFORM portal_older.keep_others('users', '{id,email,role,unit_id,created_at}');
END $fn$;

-- One person for each number, however it was written.
CREATE FUNCTION portal_older.copy_contacts(tenant uuid) RETURNS void LANGUAGE plpgsql AS $fn$
DECLARE
    counted bigint;
BEGIN
    ALTER TABLE portal_older.staged_contacts ADD phone text, ADD lid text, ADD chat_jid text, ADD name text;
    UPDATE portal_older.staged_contacts SET
        phone = portal_older.as_phone(old->>'phone'),
        lid = substring(old->>'phone' FROM '^\s*([0-9]{1,40})@lid\s*$'),
        chat_jid = substring(old->>'phone' FROM '^\s*([0-9][0-9-]{0,60}@g\.us)\s*$'),
        name = left(portal_older.blank_to_null(old->>'name'), 120);
    -- An address that nobody has: such a person can be read about, and made one with another by hand.
    UPDATE portal_older.staged_contacts SET lid = 'legacy-' || replace(id::text, '-', '')
    WHERE coalesce(phone, lid, chat_jid) IS NULL;
    SELECT count(*) INTO counted FROM portal_older.staged_contacts WHERE lid LIKE 'legacy-%' AND NOT is_made;
    PERFORM portal_older.tell(counted, 'contacts: % have no number that WhatsApp could know, and cannot be written to');
    UPDATE portal_older.staged_contacts AS s
    SET became = CASE WHEN kept <> s.id THEN kept END, name = coalesce(s.name, found.any_name)
    FROM (
        SELECT n, first_value(id) OVER one AS kept, first_value(name) OVER (one_by_name) AS any_name
        FROM portal_older.staged_contacts
        WINDOW one AS (PARTITION BY phone, lid, chat_jid ORDER BY is_made, n),
            one_by_name AS (PARTITION BY phone, lid, chat_jid ORDER BY name IS NULL, n)
    ) AS found
    WHERE found.n = s.n;
    SELECT count(*) INTO counted FROM portal_older.staged_contacts WHERE became IS NOT NULL;
    PERFORM portal_older.tell(counted, 'contacts: % are the same person as another one, by their number');

    INSERT INTO contacts (id, tenant_id, kind, phone, lid, chat_jid, name, created_at)
    SELECT id, tenant, CASE WHEN chat_jid IS NULL THEN 'person' ELSE 'group' END, phone, lid, chat_jid, name,
        coalesce(portal_older.as_instant(old->>'created_at'), now())
    FROM portal_older.staged_contacts WHERE became IS NULL;
    PERFORM portal_older.keep('contacts', 'id', 't.id::text');
    PERFORM portal_older.keep('contacts', 'phone', 't.phone');
    PERFORM portal_older.keep('contacts', 'name', 't.name');
    PERFORM portal_older.keep('contacts', 'created_at', portal_older.if_instant('created_at'));
    PERFORM portal_older.keep_others('contacts', '{id,phone,name,created_at}');
    PERFORM portal_older.keep_whole_rows('contacts');
END $fn$;
    $sql$;
    EXECUTE $sql$
-- One for each person at each unit, as the portal has them. The id of one that became a part of another leads there.
CREATE FUNCTION portal_older.copy_conversations(tenant uuid) RETURNS void LANGUAGE plpgsql AS $fn$
DECLARE
    counted bigint;
BEGIN
    ALTER TABLE portal_older.staged_conversations ADD is_closed boolean;
    UPDATE portal_older.staged_conversations SET is_closed = coalesce(lower(btrim(old->>'status')), '') IN (
        'closed', 'resolved', 'finished', 'done', 'archived', 'fechada', 'fechado', 'encerrada', 'encerrado'
    );
    UPDATE portal_older.staged_conversations AS s SET contact_id = contact.became
    FROM portal_older.staged_contacts AS contact WHERE contact.id = s.contact_id AND contact.became IS NOT NULL;
    UPDATE portal_older.staged_conversations AS s
    SET became = CASE WHEN kept <> s.id THEN kept END, is_closed = found.is_closed
    FROM (
        SELECT n, first_value(id) OVER one AS kept, bool_and(is_closed) OVER (PARTITION BY unit_id, contact_id) AS is_closed
        FROM portal_older.staged_conversations
        WINDOW one AS (PARTITION BY unit_id, contact_id ORDER BY is_made, n)
    ) AS found
    WHERE found.n = s.n;
    SELECT count(*) INTO counted FROM portal_older.staged_conversations WHERE became IS NOT NULL;
    PERFORM portal_older.tell(counted, 'conversations: % are with a person who has another one at the unit, and join it');

    INSERT INTO conversations (id, tenant_id, unit_id, contact_id, status, created_at)
    SELECT id, tenant, unit_id, contact_id, CASE WHEN is_closed THEN 'closed' ELSE 'open' END,
        coalesce(portal_older.as_instant(old->>'created_at'), now())
    FROM portal_older.staged_conversations WHERE became IS NULL;
    INSERT INTO conversation_aliases (id, tenant_id, unit_id, conversation_id)
    SELECT id, tenant, unit_id, became FROM portal_older.staged_conversations WHERE became IS NOT NULL;
    PERFORM portal_older.keep('conversations', 'id', 't.id::text');
    PERFORM portal_older.keep('conversations', 'unit_id', 't.unit_id::text');
    PERFORM portal_older.keep('conversations', 'contact_id', 't.contact_id::text');
    PERFORM portal_older.keep('conversations', 'status', 't.status');
    PERFORM portal_older.keep('conversations', 'created_at', portal_older.if_instant('created_at'));
    PERFORM portal_older.keep_others('conversations', '{id,unit_id,contact_id,status,created_at}');
    PERFORM portal_older.keep_whole_rows('conversations');
END $fn$;

-- Nothing of them is ever sent: what still waited is cancelled, and what may have left is in doubt and settled.
CREATE FUNCTION portal_older.as_status(is_inbound boolean, told text, external_id text) RETURNS text
LANGUAGE sql IMMUTABLE AS $fn$
    SELECT CASE
        WHEN is_inbound THEN 'received'
        WHEN told IN ('sent', 'delivered', 'read', 'failed', 'cancelled') THEN told
        WHEN told IN ('seen', 'played') THEN 'read'
        WHEN told IN ('error', 'undelivered', 'rejected') THEN 'failed'
        WHEN told = 'canceled' THEN 'cancelled'
        WHEN external_id IS NOT NULL THEN 'sent'
        WHEN told IN ('queued', 'pending', 'scheduled') THEN 'cancelled'
        ELSE 'unconfirmed'
    END
$fn$;

CREATE FUNCTION portal_older.is_customer(sender text) RETURNS boolean LANGUAGE sql IMMUTABLE AS $fn$
    SELECT coalesce(
        lower(btrim(sender)) IN ('customer', 'client', 'contact', 'cliente', 'contato', 'user', 'lead'), false
    )
$fn$;

CREATE FUNCTION portal_older.understand_messages() RETURNS void LANGUAGE plpgsql AS $fn$
BEGIN
    ALTER TABLE portal_older.staged_messages ADD is_inbound boolean, ADD status text, ADD at timestamptz,
        ADD external_id text, ADD client_message_id text, ADD body text;
    UPDATE portal_older.staged_messages AS s SET
        conversation_id = coalesce(conversation.became, conversation.id),
        unit_id = conversation.unit_id,
        is_inbound = coalesce(
            portal_older.is_customer(sender) OR sender IS DISTINCT FROM 'agent' AND told = 'received', false
        ),
        at = portal_older.as_instant(s.old->>'created_at'),
        body = coalesce(s.old->>'content', ''),
        external_id = CASE WHEN length(found.external_id) <= 80 THEN found.external_id END,
        client_message_id = CASE WHEN length(found.client_message_id) <= 120 THEN found.client_message_id END
    FROM portal_older.staged_conversations AS conversation, (
        SELECT n, lower(btrim(old->>'sender')) AS sender, lower(btrim(old->>'status')) AS told,
            portal_older.blank_to_null(old->>'external_id') AS external_id,
            portal_older.blank_to_null(old->>'client_message_id') AS client_message_id
        FROM portal_older.staged_messages
    ) AS found
    WHERE found.n = s.n AND conversation.id = s.conversation_id;
    UPDATE portal_older.staged_messages SET
        status = portal_older.as_status(
            is_inbound, lower(btrim(old->>'status')), portal_older.blank_to_null(old->>'external_id')
        ),
        -- Of no time: before all others, rather than as if they had just come.
        at = coalesce(at, (SELECT min(at) FROM portal_older.staged_messages), now());
END $fn$;

-- WhatsApp's id is one message's at a unit, and an id that a client gave one message's in a conversation.
CREATE FUNCTION portal_older.keep_first_ids() RETURNS void LANGUAGE plpgsql AS $fn$
DECLARE
    counted bigint;
BEGIN
    UPDATE portal_older.staged_messages AS s SET external_id = NULL
    FROM (
        SELECT n, row_number() OVER (PARTITION BY unit_id, external_id ORDER BY n) AS nth
        FROM portal_older.staged_messages WHERE external_id IS NOT NULL
    ) AS found
    WHERE found.n = s.n AND nth > 1;
    GET DIAGNOSTICS counted = ROW_COUNT;
    PERFORM portal_older.tell(counted, 'messages: % have an external_id that an earlier one of the unit has');
    UPDATE portal_older.staged_messages AS s SET client_message_id = NULL
    FROM (
        SELECT n, row_number() OVER (PARTITION BY conversation_id, client_message_id ORDER BY n) AS nth
        FROM portal_older.staged_messages WHERE client_message_id IS NOT NULL
    ) AS found
    WHERE found.n = s.n AND nth > 1;
    GET DIAGNOSTICS counted = ROW_COUNT;
    PERFORM portal_older.tell(counted, 'messages: % have a client_message_id that an earlier one of the conversation has');
END $fn$;

CREATE FUNCTION portal_older.copy_messages(tenant uuid) RETURNS void LANGUAGE plpgsql AS $fn$
DECLARE
    counted bigint;
BEGIN
    PERFORM portal_older.understand_messages();
    PERFORM portal_older.keep_first_ids();
    -- As history: no program is told of it, and nobody has to look at it.
    INSERT INTO messages (
        id, tenant_id, unit_id, conversation_id, direction, kind, body, status, source, occurred_at, created_at,
        external_id, client_message_id, retry_count, last_retry_at, error_details, is_history, handled_at,
        sent_at, accepted_at, delivered_at, read_at, failed_at
    )
    SELECT id, tenant, unit_id, conversation_id, CASE WHEN is_inbound THEN 'inbound' ELSE 'outbound' END,
        CASE WHEN btrim(body, E' \t\r\n') = '' THEN 'unknown' ELSE 'text' END, body, status,
        CASE WHEN lower(btrim(old->>'sender')) = 'agent' THEN 'person' END, at, at,
        external_id, client_message_id, portal_older.as_count(old->>'retry_count'),
        portal_older.as_instant(old->>'last_retry_at'), old->>'error_details', true,
        CASE WHEN status IN ('failed', 'unconfirmed') THEN now() END,
        CASE WHEN status IN ('sent', 'delivered', 'read') THEN coalesce(portal_older.as_instant(old->>'sent_at'), at) END,
        CASE WHEN status IN ('sent', 'delivered', 'read') THEN coalesce(portal_older.as_instant(old->>'sent_at'), at) END,
        CASE WHEN status IN ('delivered', 'read') THEN coalesce(portal_older.as_instant(old->>'delivered_at'), at) END,
        CASE WHEN status IN ('received', 'read') THEN coalesce(portal_older.as_instant(old->>'read_at'), at) END,
        CASE WHEN status = 'failed' THEN coalesce(portal_older.as_instant(old->>'failed_at'), at) END
    FROM portal_older.staged_messages;
    UPDATE conversations SET
        last_message_at = newest.occurred_at, last_message_preview = left(newest.body, 200),
        last_message_direction = newest.direction, last_message_kind = newest.kind, last_inbound_at = heard.at
    FROM (
        SELECT DISTINCT ON (conversation_id) conversation_id, occurred_at, body, direction, kind
        FROM messages WHERE tenant_id = tenant ORDER BY conversation_id, occurred_at DESC, id DESC
    ) AS newest
    LEFT JOIN (
        SELECT conversation_id, max(occurred_at) AS at FROM messages
        WHERE tenant_id = tenant AND direction = 'inbound' GROUP BY conversation_id
    ) AS heard USING (conversation_id)
    WHERE conversations.id = newest.conversation_id;

    SELECT count(*) INTO counted FROM portal_older.staged_messages
    WHERE NOT portal_older.is_customer(old->>'sender') AND lower(btrim(old->>'sender')) IS DISTINCT FROM 'agent';
    PERFORM portal_older.tell(counted, 'messages: % are of a sender that is unknown here; see messages.legacy_sender');
    SELECT count(*) INTO counted FROM portal_older.staged_messages
    WHERE NOT is_inbound AND lower(btrim(old->>'status')) IS DISTINCT FROM status;
    PERFORM portal_older.tell(counted, 'messages: % that were sent have another status now; see messages.legacy_status');
    SELECT count(*) INTO counted FROM portal_older.staged_messages
    WHERE portal_older.as_instant(old->>'created_at') IS NULL;
    PERFORM portal_older.tell(counted, 'messages: % have no time, and stand before all others');
    SELECT count(*) INTO counted FROM portal_older.staged_messages
    WHERE portal_older.as_instant(old->>'created_at') = now();
    PERFORM portal_older.tell(counted, 'messages: % have a time that is still to come, and get that of this move');
    PERFORM portal_older.keep_of_messages();
END $fn$;

CREATE FUNCTION portal_older.keep_of_messages() RETURNS void LANGUAGE plpgsql AS $fn$
BEGIN
    PERFORM portal_older.keep('messages', 'id', 't.id::text');
    PERFORM portal_older.keep('messages', 'conversation_id', 't.conversation_id::text');
    PERFORM portal_older.keep(
        'messages', 'sender', 'CASE WHEN t.direction = ''inbound'' THEN ''customer'' WHEN t.source = ''person'' THEN ''agent'' END'
    );
    PERFORM portal_older.keep('messages', 'content', 't.body');
    PERFORM portal_older.keep('messages', 'status', 't.status');
    PERFORM portal_older.keep('messages', 'external_id', 't.external_id');
    PERFORM portal_older.keep('messages', 'client_message_id', 't.client_message_id');
    PERFORM portal_older.keep('messages', 'retry_count', 't.retry_count::text');
    PERFORM portal_older.keep('messages', 'error_details', 't.error_details');
    PERFORM portal_older.keep('messages', name, portal_older.if_instant(name))
    FROM unnest(ARRAY['created_at', 'last_retry_at', 'sent_at', 'delivered_at', 'read_at', 'failed_at']) AS name;
    PERFORM portal_older.keep_others('messages', ARRAY[
        'id', 'conversation_id', 'sender', 'content', 'status', 'external_id', 'created_at', 'client_message_id',
        'retry_count', 'last_retry_at', 'error_details', 'sent_at', 'delivered_at', 'read_at', 'failed_at'
    ]);
END $fn$;
    $sql$;
    EXECUTE $sql$
-- References from tables that are not moved lead to the portal's rows from now on, and must not keep one from being
-- erased. Of the tables that are only kept no reference is made again.
CREATE FUNCTION portal_older.turn_references() RETURNS void LANGUAGE plpgsql AS $fn$
DECLARE
    one record;
BEGIN
    FOR one IN
        SELECT conname, conrelid::regclass AS source, target.relname AS target,
            replace(pg_get_constraintdef(pg_constraint.oid), 'portal_older.', '') AS definition,
            CASE WHEN cardinality(conkey) = 1 THEN attname END AS name,
            owner.relname LIKE 'legacy\_%' AS is_kept, confdeltype IN ('a', 'r') AS is_in_the_way,
            NOT EXISTS (
                SELECT FROM pg_attribute WHERE attrelid = conrelid AND attnum = ANY (conkey) AND attnotnull
            ) AS can_be_empty
        FROM pg_constraint
        JOIN pg_class AS target ON target.oid = confrelid
        JOIN pg_class AS owner ON owner.oid = conrelid
        JOIN pg_attribute ON attrelid = conrelid AND attnum = conkey[1]
        WHERE contype = 'f' AND conparentid = 0 AND target.relnamespace = 'portal_older'::regnamespace
            AND owner.relnamespace <> 'portal_older'::regnamespace
        ORDER BY 2, 1
    LOOP
        EXECUTE format('ALTER TABLE %s DROP CONSTRAINT %I', one.source, one.conname);
        BEGIN
            IF one.name IS NOT NULL THEN
                EXECUTE format(
                    'UPDATE %1$s AS t SET %2$I = s.became FROM portal_older.staged_%3$s AS s'
                    ' WHERE t.%2$I::text = s.id::text AND s.became IS NOT NULL', one.source, one.name, one.target
                );
            END IF;
            IF one.is_kept THEN
                RAISE NOTICE '%: its reference % is not made again', one.source, one.conname;
                CONTINUE;
            END IF;
            EXECUTE format('ALTER TABLE %s ADD CONSTRAINT %I %s', one.source, one.conname, CASE
                WHEN one.is_in_the_way AND one.can_be_empty THEN regexp_replace(
                    replace(one.definition, ' ON DELETE RESTRICT', ''),
                    '( REFERENCES [^(]*\([^)]*\)( MATCH FULL)?)', '\1 ON DELETE SET NULL'
                )
                ELSE one.definition
            END);
            RAISE NOTICE '%: its reference % leads to the portal''s % now', one.source, one.conname, one.target;
            IF one.is_in_the_way AND NOT one.can_be_empty THEN
                RAISE WARNING '%: its reference % will keep rows of % from being erased: %',
                    one.source, one.conname, one.target, one.definition
                    USING HINT = 'Let it be empty and make it ON DELETE SET NULL, make it ON DELETE CASCADE, or drop it.';
            END IF;
        EXCEPTION WHEN others THEN
            RAISE WARNING '%: its reference % cannot be made again and is gone: % (%)',
                one.source, one.conname, one.definition, SQLERRM;
        END;
    END LOOP;
END $fn$;

CREATE FUNCTION portal_older.check_counts(of text) RETURNS void LANGUAGE plpgsql AS $fn$
DECLARE
    older bigint := 0;
    copied bigint;
    kept bigint := 0;
    made bigint;
BEGIN
    IF to_regclass(format('portal_older.%I', of)) IS NOT NULL THEN
        EXECUTE format('SELECT count(*) FROM portal_older.%I', of) INTO older;
    END IF;
    EXECUTE format(
        'SELECT count(*) FILTER (WHERE NOT is_made), count(*) FILTER (WHERE is_made)'
        ' FROM portal_older.staged_%1$s AS s JOIN %1$I AS t USING (id) WHERE s.became IS NULL AND s.left_out IS NULL', of
    ) INTO copied, made;
    IF to_regclass('legacy_rows') IS NOT NULL THEN
        EXECUTE 'SELECT count(*) FROM legacy_rows WHERE table_name = $1' INTO kept USING of;
    END IF;
    IF older <> copied + kept THEN
        RAISE EXCEPTION '%: of % older rows only % were copied and % kept: nothing was changed', of, older, copied, kept;
    END IF;
    RAISE NOTICE '%: % older rows, % copied, % in legacy_rows, % made', of, older, copied, kept, made;
END $fn$;

CREATE FUNCTION portal_older.check_texts() RETURNS void LANGUAGE plpgsql AS $fn$
DECLARE
    counted bigint;
BEGIN
    SELECT count(*) INTO counted FROM portal_older.staged_messages AS s
    WHERE NOT EXISTS (SELECT FROM messages WHERE messages.id = s.id AND messages.body = coalesce(s.old->>'content', ''));
    IF counted > 0 THEN
        RAISE EXCEPTION 'messages: the text of % is not what it was: nothing was changed', counted;
    END IF;
END $fn$;
    $sql$;
    INSERT INTO tenants (id, name, slug) VALUES (tenant, 'Legacy', 'legacy');
    PERFORM portal_older.stage(name) FROM unnest(ARRAY['units', 'unit_whatsapp_connections', 'users', 'contacts', 'conversations', 'messages']) AS name;
    PERFORM portal_older.make_missing_rows();
    PERFORM portal_older.copy_units(tenant);
    PERFORM portal_older.copy_connections(tenant);
    PERFORM portal_older.copy_users(tenant);
    PERFORM portal_older.copy_contacts(tenant);
    PERFORM portal_older.copy_conversations(tenant);
    PERFORM portal_older.copy_messages(tenant);
    PERFORM portal_older.check_counts(name) FROM unnest(ARRAY['units', 'unit_whatsapp_connections', 'users', 'contacts', 'conversations', 'messages']) AS name;
    PERFORM portal_older.check_texts();
    PERFORM portal_older.turn_references();

    FOR one IN SELECT oid::regprocedure AS name FROM pg_proc WHERE pronamespace = 'portal_older'::regnamespace LOOP
        EXECUTE format('DROP FUNCTION %s', one.name);
    END LOOP;
    SELECT string_agg(format('portal_older.%I', relname), ', ') AS names INTO one
    FROM pg_class WHERE relnamespace = 'portal_older'::regnamespace AND relkind IN ('r', 'p') AND NOT relispartition;
    EXECUTE format('DROP TABLE %s', one.names);
    DROP SCHEMA portal_older;
    PERFORM set_config('portal.is_system', '', true);
    RAISE NOTICE 'older database: copied to the company legacy';
END $golive$;

-- Verification
DO $golive$
DECLARE
    missing text;
    counted bigint;
BEGIN
    SELECT string_agg(item, '; ') FILTER (WHERE is_there IS NOT TRUE), count(*) INTO missing, counted
    FROM (
        SELECT format('%s %s of %s', wanted.kind, wanted.name, wanted.of_table) AS item, CASE wanted.kind
            WHEN 'table' THEN to_regclass(format('%I.%I', current_schema(), wanted.name)) IS NOT NULL
            WHEN 'column' THEN EXISTS (
                SELECT FROM pg_attribute
                WHERE attrelid = to_regclass(format('%I.%I', current_schema(), wanted.of_table))
                    AND attname = wanted.name AND NOT attisdropped AND col_description(attrelid, attnum) IS NOT NULL
            )
            WHEN 'index' THEN EXISTS (
                SELECT FROM pg_index
                WHERE indexrelid = to_regclass(format('%I.%I', current_schema(), wanted.name)) AND indisvalid
                    AND indrelid = to_regclass(format('%I.%I', current_schema(), wanted.of_table))
                    AND pg_get_indexdef(indexrelid) LIKE wanted.shape
            )
            WHEN 'constraint' THEN EXISTS (
                SELECT FROM pg_constraint
                WHERE conrelid = to_regclass(format('%I.%I', current_schema(), wanted.of_table))
                    AND convalidated AND pg_get_constraintdef(oid) LIKE wanted.shape
            )
            WHEN 'revision' THEN (SELECT array_agg(version_num::text) FROM alembic_version) = ARRAY[wanted.name]
            WHEN 'no schema' THEN to_regnamespace(wanted.name) IS NULL
        END AS is_there
        FROM (VALUES
            ('table', 'evolution_servers', 'evolution_servers', '%'),
            ('table', 'golive_evidence', 'golive_evidence', '%'),
            ('table', 'metric_minutes', 'metric_minutes', '%'),
            ('table', 'metric_totals', 'metric_totals', '%'),
            ('table', 'relays', 'relays', '%'),
            ('table', 'releases', 'releases', '%'),
            ('table', 'tenants', 'tenants', '%'),
            ('table', 'webhook_counts', 'webhook_counts', '%'),
            ('table', 'media', 'media', '%'),
            ('table', 'message_templates', 'message_templates', '%'),
            ('table', 'release_checkpoints', 'release_checkpoints', '%'),
            ('table', 'suppressions', 'suppressions', '%'),
            ('table', 'tags', 'tags', '%'),
            ('table', 'tenant_settings', 'tenant_settings', '%'),
            ('table', 'units', 'units', '%'),
            ('table', 'users', 'users', '%'),
            ('table', 'access_grants', 'access_grants', '%'),
            ('table', 'account_links', 'account_links', '%'),
            ('table', 'alerts', 'alerts', '%'),
            ('table', 'api_tokens', 'api_tokens', '%'),
            ('table', 'campaigns', 'campaigns', '%'),
            ('table', 'connection_losses', 'connection_losses', '%'),
            ('table', 'early_receipts', 'early_receipts', '%'),
            ('table', 'erasures', 'erasures', '%'),
            ('table', 'imports', 'imports', '%'),
            ('table', 'lanes', 'lanes', '%'),
            ('table', 'message_changes', 'message_changes', '%'),
            ('table', 'recovery_codes', 'recovery_codes', '%'),
            ('table', 'repairs', 'repairs', '%'),
            ('table', 'scan_links', 'scan_links', '%'),
            ('table', 'template_versions', 'template_versions', '%'),
            ('table', 'unit_whatsapp_connections', 'unit_whatsapp_connections', '%'),
            ('table', 'user_sessions', 'user_sessions', '%'),
            ('table', 'user_units', 'user_units', '%'),
            ('table', 'webhook_endpoints', 'webhook_endpoints', '%'),
            ('table', 'alert_notices', 'alert_notices', '%'),
            ('table', 'api_token_units', 'api_token_units', '%'),
            ('table', 'audit_events', 'audit_events', '%'),
            ('table', 'contacts', 'contacts', '%'),
            ('table', 'import_chunks', 'import_chunks', '%'),
            ('table', 'import_rows', 'import_rows', '%'),
            ('table', 'webhook_events', 'webhook_events', '%'),
            ('table', 'consent_events', 'consent_events', '%'),
            ('table', 'contact_merges', 'contact_merges', '%'),
            ('table', 'contact_tags', 'contact_tags', '%'),
            ('table', 'conversations', 'conversations', '%'),
            ('table', 'import_changes', 'import_changes', '%'),
            ('table', 'conversation_aliases', 'conversation_aliases', '%'),
            ('table', 'conversation_events', 'conversation_events', '%'),
            ('table', 'messages', 'messages', '%'),
            ('table', 'campaign_recipients', 'campaign_recipients', '%'),
            ('table', 'merged_messages', 'merged_messages', '%'),
            ('table', 'webhook_deliveries', 'webhook_deliveries', '%'),
            ('column', 'unit_whatsapp_connections', 'instance_name', '%'),
            ('column', 'unit_whatsapp_connections', 'status_reason', '%'),
            ('column', 'unit_whatsapp_connections', 'connected_at', '%'),
            ('column', 'unit_whatsapp_connections', 'disconnected_at', '%'),
            ('column', 'unit_whatsapp_connections', 'qr_updated_at', '%'),
            ('column', 'messages', 'status', '%'),
            ('column', 'messages', 'external_id', '%'),
            ('column', 'messages', 'client_message_id', '%'),
            ('column', 'messages', 'retry_count', '%'),
            ('column', 'messages', 'last_retry_at', '%'),
            ('column', 'messages', 'error_details', '%'),
            ('index', 'evolution_servers', 'uq_evolution_servers_default', '%'),
            ('index', 'golive_evidence', 'ix_golive_evidence_created_at', '%'),
            ('index', 'relays', 'ix_relays_heartbeat_at', '%'),
            ('index', 'releases', 'ix_releases_registered_at', '%'),
            ('index', 'media', 'ix_media_fetch_at', '%'),
            ('index', 'message_templates', 'uq_message_templates_tenant_id_name', '%'),
            ('index', 'message_templates', 'uq_message_templates_tenant_id_shortcut', '%'),
            ('index', 'release_checkpoints', 'ix_release_checkpoints_due', '%'),
            ('index', 'tags', 'uq_tags_tenant_id_name', '%'),
            ('index', 'access_grants', 'ix_access_grants_tenant_id_expires_at', '%'),
            ('index', 'account_links', 'ix_account_links_expires_at', '%'),
            ('index', 'account_links', 'ix_account_links_user_id', '%'),
            ('index', 'alerts', 'ix_alerts_opened_at', '%'),
            ('index', 'alerts', 'uq_alerts_metric_open', '%'),
            ('index', 'api_tokens', 'ix_api_tokens_expires_at', '%'),
            ('index', 'api_tokens', 'ix_api_tokens_family_id', '%'),
            ('index', 'api_tokens', 'ix_api_tokens_tenant_id', '%'),
            ('index', 'campaigns', 'ix_campaigns_media_id', '%'),
            ('index', 'campaigns', 'ix_campaigns_number_check_at', '%'),
            ('index', 'campaigns', 'ix_campaigns_plan_waiting', '%'),
            ('index', 'campaigns', 'ix_campaigns_recheck_at', '%'),
            ('index', 'campaigns', 'ix_campaigns_scheduled_at', '%'),
            ('index', 'campaigns', 'ix_campaigns_tenant_id_id', '%'),
            ('index', 'campaigns', 'ix_campaigns_unit_id_fed_at', '%'),
            ('index', 'connection_losses', 'ix_connection_losses_created_at', '%'),
            ('index', 'erasures', 'ix_erasures_waiting', '%'),
            ('index', 'erasures', 'uq_erasures_contact_id', '%'),
            ('index', 'imports', 'ix_imports_content_until', '%'),
            ('index', 'imports', 'ix_imports_tenant_id_sha256', '%'),
            ('index', 'imports', 'ix_imports_waiting', '%'),
            ('index', 'recovery_codes', 'ix_recovery_codes_user_id', '%'),
            ('index', 'repairs', 'ix_repairs_unit_id_created_at', '%'),
            ('index', 'scan_links', 'ix_scan_links_unit_id', '%'),
            ('index', 'template_versions', 'ix_template_versions_media_id', '%'),
            ('index', 'unit_whatsapp_connections', 'idx_unit_whatsapp_instance_lookup', 'CREATE UNIQUE INDEX %(instance_name)'),
            ('index', 'unit_whatsapp_connections', 'ix_unit_whatsapp_connections_action', '%'),
            ('index', 'unit_whatsapp_connections', 'ix_unit_whatsapp_connections_check_at', '%'),
            ('index', 'unit_whatsapp_connections', 'ix_unit_whatsapp_connections_compare_at', '%'),
            ('index', 'unit_whatsapp_connections', 'ix_unit_whatsapp_connections_phone', '%'),
            ('index', 'unit_whatsapp_connections', 'ix_unit_whatsapp_connections_previous_instance_name', '%'),
            ('index', 'user_sessions', 'ix_user_sessions_expires_at', '%'),
            ('index', 'user_sessions', 'ix_user_sessions_user_id', '%'),
            ('index', 'alert_notices', 'ix_alert_notices_due', '%'),
            ('index', 'audit_events', 'ix_audit_events_subject_id', '%'),
            ('index', 'audit_events', 'ix_audit_events_tenant_id_id', '%'),
            ('index', 'audit_events', 'ix_audit_events_user_id', '%'),
            ('index', 'contacts', 'ix_contacts_import_id', '%'),
            ('index', 'contacts', 'ix_contacts_merged_into_id', '%'),
            ('index', 'webhook_events', 'ix_webhook_events_new', '%'),
            ('index', 'webhook_events', 'ix_webhook_events_parked', '%'),
            ('index', 'webhook_events', 'ix_webhook_events_tenant_id_id', '%'),
            ('index', 'webhook_events', 'ix_webhook_events_unknown', '%'),
            ('index', 'webhook_events', 'uq_webhook_events_instance_name_body_hash', '%'),
            ('index', 'consent_events', 'ix_consent_events_contact_id_happened_at', '%'),
            ('index', 'consent_events', 'uq_consent_events_message_id_kind', '%'),
            ('index', 'contact_merges', 'ix_contact_merges_kept_id', '%'),
            ('index', 'contact_merges', 'ix_contact_merges_other_id', '%'),
            ('index', 'contact_tags', 'ix_contact_tags_import_id', '%'),
            ('index', 'contact_tags', 'ix_contact_tags_tag_id_contact_id', '%'),
            ('index', 'conversations', 'ix_conversations_assigned', '%'),
            ('index', 'conversations', 'ix_conversations_closed', '%'),
            ('index', 'conversations', 'ix_conversations_contact_id', '%'),
            ('index', 'conversations', 'ix_conversations_doubted_at', '%'),
            ('index', 'conversations', 'ix_conversations_open', '%'),
            ('index', 'conversations', 'ix_conversations_tenant_id_last_message_at', '%'),
            ('index', 'conversations', 'ix_conversations_unit_id_last_message_at', '%'),
            ('index', 'conversations', 'ix_conversations_unread', '%'),
            ('index', 'conversations', 'ix_conversations_waiting', '%'),
            ('index', 'import_changes', 'ix_import_changes_contact_id', '%'),
            ('index', 'conversation_aliases', 'ix_conversation_aliases_conversation_id', '%'),
            ('index', 'conversation_events', 'ix_conversation_events_conversation_id_created_at', '%'),
            ('index', 'messages', 'idx_messages_client_message_id_unit', 'CREATE UNIQUE INDEX %(conversation_id, client_message_id)'),
            ('index', 'messages', 'idx_messages_retry_failed', 'CREATE INDEX %(unit_id, last_retry_at) WHERE %'),
            ('index', 'messages', 'ix_messages_client_message_id', '%'),
            ('index', 'messages', 'ix_messages_conversation_id_occurred_at', '%'),
            ('index', 'messages', 'ix_messages_document', '%'),
            ('index', 'messages', 'ix_messages_in_doubt', '%'),
            ('index', 'messages', 'ix_messages_look_up_at', '%'),
            ('index', 'messages', 'ix_messages_media_id', '%'),
            ('index', 'messages', 'ix_messages_queued', '%'),
            ('index', 'messages', 'ix_messages_queued_expires_at', '%'),
            ('index', 'messages', 'ix_messages_queued_warm', '%'),
            ('index', 'messages', 'ix_messages_refers_to', '%'),
            ('index', 'messages', 'ix_messages_resend_of_id', '%'),
            ('index', 'messages', 'ix_messages_undelivered', '%'),
            ('index', 'messages', 'ix_messages_unread', '%'),
            ('index', 'messages', 'ix_messages_without_receipt', '%'),
            ('index', 'messages', 'uq_messages_unit_id_external_id', '%'),
            ('index', 'campaign_recipients', 'ix_campaign_recipients_contact_id', '%'),
            ('index', 'campaign_recipients', 'ix_campaign_recipients_handed_at', '%'),
            ('index', 'campaign_recipients', 'ix_campaign_recipients_message_id', '%'),
            ('index', 'campaign_recipients', 'ix_campaign_recipients_pending', '%'),
            ('index', 'campaign_recipients', 'ix_campaign_recipients_unanswered', '%'),
            ('index', 'merged_messages', 'ix_merged_messages_message_id', '%'),
            ('index', 'webhook_deliveries', 'ix_webhook_deliveries_log', '%'),
            ('index', 'webhook_deliveries', 'ix_webhook_deliveries_message_id', '%'),
            ('index', 'webhook_deliveries', 'ix_webhook_deliveries_waiting', '%'),
            ('constraint', 'campaigns', 'FOREIGN KEY (tenant_id) REFERENCES tenants(id)', 'FOREIGN KEY (tenant_id) REFERENCES tenants(id)%'),
            ('constraint', 'campaigns', 'FOREIGN KEY (tenant_id, created_by_id) REFERENCES users(tenant_id, id)', 'FOREIGN KEY (tenant_id, created_by_id) REFERENCES users(tenant_id, id)%'),
            ('constraint', 'campaigns', 'FOREIGN KEY (tenant_id, media_id) REFERENCES media(tenant_id, id)', 'FOREIGN KEY (tenant_id, media_id) REFERENCES media(tenant_id, id)%'),
            ('constraint', 'campaigns', 'FOREIGN KEY (tenant_id, started_by_id) REFERENCES users(tenant_id, id)', 'FOREIGN KEY (tenant_id, started_by_id) REFERENCES users(tenant_id, id)%'),
            ('constraint', 'campaigns', 'FOREIGN KEY (tenant_id, unit_id) REFERENCES units(tenant_id, id)', 'FOREIGN KEY (tenant_id, unit_id) REFERENCES units(tenant_id, id)%'),
            ('constraint', 'campaigns', 'UNIQUE (tenant_id, id)', 'UNIQUE (tenant_id, id)'),
            ('constraint', 'campaign_recipients', 'FOREIGN KEY (tenant_id) REFERENCES tenants(id)', 'FOREIGN KEY (tenant_id) REFERENCES tenants(id)%'),
            ('constraint', 'campaign_recipients', 'FOREIGN KEY (tenant_id, campaign_id) REFERENCES campaigns(tenant_id, id)', 'FOREIGN KEY (tenant_id, campaign_id) REFERENCES campaigns(tenant_id, id)%'),
            ('constraint', 'campaign_recipients', 'FOREIGN KEY (tenant_id, contact_id) REFERENCES contacts(tenant_id, id)', 'FOREIGN KEY (tenant_id, contact_id) REFERENCES contacts(tenant_id, id)%'),
            ('constraint', 'campaign_recipients', 'FOREIGN KEY (tenant_id, message_id) REFERENCES messages(tenant_id, id)', 'FOREIGN KEY (tenant_id, message_id) REFERENCES messages(tenant_id, id)%'),
            ('constraint', 'campaign_recipients', 'UNIQUE (campaign_id, contact_id)', 'UNIQUE (campaign_id, contact_id)'),
            ('no schema', 'older tables', 'portal_older', ''),
            ('revision', 'alembic_version', '0013', '')
        ) AS wanted (kind, of_table, name, shape)
    ) AS checks;
    IF missing IS NOT NULL THEN
        RAISE EXCEPTION 'the database is not as it should be; missing: %', missing;
    END IF;
    RAISE NOTICE 'verified: % of % checks passed', counted, counted;
    RAISE NOTICE 'ALL MIGRATIONS APPLIED SUCCESSFULLY';
END $golive$;

-- The same, check by check
SELECT format('%s %s of %s', wanted.kind, wanted.name, wanted.of_table) AS item, CASE wanted.kind
    WHEN 'table' THEN to_regclass(format('%I.%I', current_schema(), wanted.name)) IS NOT NULL
    WHEN 'column' THEN EXISTS (
        SELECT FROM pg_attribute
        WHERE attrelid = to_regclass(format('%I.%I', current_schema(), wanted.of_table))
            AND attname = wanted.name AND NOT attisdropped AND col_description(attrelid, attnum) IS NOT NULL
    )
    WHEN 'index' THEN EXISTS (
        SELECT FROM pg_index
        WHERE indexrelid = to_regclass(format('%I.%I', current_schema(), wanted.name)) AND indisvalid
            AND indrelid = to_regclass(format('%I.%I', current_schema(), wanted.of_table))
            AND pg_get_indexdef(indexrelid) LIKE wanted.shape
    )
    WHEN 'constraint' THEN EXISTS (
        SELECT FROM pg_constraint
        WHERE conrelid = to_regclass(format('%I.%I', current_schema(), wanted.of_table))
            AND convalidated AND pg_get_constraintdef(oid) LIKE wanted.shape
    )
    WHEN 'revision' THEN (SELECT array_agg(version_num::text) FROM alembic_version) = ARRAY[wanted.name]
    WHEN 'no schema' THEN to_regnamespace(wanted.name) IS NULL
END AS is_there
FROM (VALUES
    ('table', 'evolution_servers', 'evolution_servers', '%'),
    ('table', 'golive_evidence', 'golive_evidence', '%'),
    ('table', 'metric_minutes', 'metric_minutes', '%'),
    ('table', 'metric_totals', 'metric_totals', '%'),
    ('table', 'relays', 'relays', '%'),
    ('table', 'releases', 'releases', '%'),
    ('table', 'tenants', 'tenants', '%'),
    ('table', 'webhook_counts', 'webhook_counts', '%'),
    ('table', 'media', 'media', '%'),
    ('table', 'message_templates', 'message_templates', '%'),
    ('table', 'release_checkpoints', 'release_checkpoints', '%'),
    ('table', 'suppressions', 'suppressions', '%'),
    ('table', 'tags', 'tags', '%'),
    ('table', 'tenant_settings', 'tenant_settings', '%'),
    ('table', 'units', 'units', '%'),
    ('table', 'users', 'users', '%'),
    ('table', 'access_grants', 'access_grants', '%'),
    ('table', 'account_links', 'account_links', '%'),
    ('table', 'alerts', 'alerts', '%'),
    ('table', 'api_tokens', 'api_tokens', '%'),
    ('table', 'campaigns', 'campaigns', '%'),
    ('table', 'connection_losses', 'connection_losses', '%'),
    ('table', 'early_receipts', 'early_receipts', '%'),
    ('table', 'erasures', 'erasures', '%'),
    ('table', 'imports', 'imports', '%'),
    ('table', 'lanes', 'lanes', '%'),
    ('table', 'message_changes', 'message_changes', '%'),
    ('table', 'recovery_codes', 'recovery_codes', '%'),
    ('table', 'repairs', 'repairs', '%'),
    ('table', 'scan_links', 'scan_links', '%'),
    ('table', 'template_versions', 'template_versions', '%'),
    ('table', 'unit_whatsapp_connections', 'unit_whatsapp_connections', '%'),
    ('table', 'user_sessions', 'user_sessions', '%'),
    ('table', 'user_units', 'user_units', '%'),
    ('table', 'webhook_endpoints', 'webhook_endpoints', '%'),
    ('table', 'alert_notices', 'alert_notices', '%'),
    ('table', 'api_token_units', 'api_token_units', '%'),
    ('table', 'audit_events', 'audit_events', '%'),
    ('table', 'contacts', 'contacts', '%'),
    ('table', 'import_chunks', 'import_chunks', '%'),
    ('table', 'import_rows', 'import_rows', '%'),
    ('table', 'webhook_events', 'webhook_events', '%'),
    ('table', 'consent_events', 'consent_events', '%'),
    ('table', 'contact_merges', 'contact_merges', '%'),
    ('table', 'contact_tags', 'contact_tags', '%'),
    ('table', 'conversations', 'conversations', '%'),
    ('table', 'import_changes', 'import_changes', '%'),
    ('table', 'conversation_aliases', 'conversation_aliases', '%'),
    ('table', 'conversation_events', 'conversation_events', '%'),
    ('table', 'messages', 'messages', '%'),
    ('table', 'campaign_recipients', 'campaign_recipients', '%'),
    ('table', 'merged_messages', 'merged_messages', '%'),
    ('table', 'webhook_deliveries', 'webhook_deliveries', '%'),
    ('column', 'unit_whatsapp_connections', 'instance_name', '%'),
    ('column', 'unit_whatsapp_connections', 'status_reason', '%'),
    ('column', 'unit_whatsapp_connections', 'connected_at', '%'),
    ('column', 'unit_whatsapp_connections', 'disconnected_at', '%'),
    ('column', 'unit_whatsapp_connections', 'qr_updated_at', '%'),
    ('column', 'messages', 'status', '%'),
    ('column', 'messages', 'external_id', '%'),
    ('column', 'messages', 'client_message_id', '%'),
    ('column', 'messages', 'retry_count', '%'),
    ('column', 'messages', 'last_retry_at', '%'),
    ('column', 'messages', 'error_details', '%'),
    ('index', 'evolution_servers', 'uq_evolution_servers_default', '%'),
    ('index', 'golive_evidence', 'ix_golive_evidence_created_at', '%'),
    ('index', 'relays', 'ix_relays_heartbeat_at', '%'),
    ('index', 'releases', 'ix_releases_registered_at', '%'),
    ('index', 'media', 'ix_media_fetch_at', '%'),
    ('index', 'message_templates', 'uq_message_templates_tenant_id_name', '%'),
    ('index', 'message_templates', 'uq_message_templates_tenant_id_shortcut', '%'),
    ('index', 'release_checkpoints', 'ix_release_checkpoints_due', '%'),
    ('index', 'tags', 'uq_tags_tenant_id_name', '%'),
    ('index', 'access_grants', 'ix_access_grants_tenant_id_expires_at', '%'),
    ('index', 'account_links', 'ix_account_links_expires_at', '%'),
    ('index', 'account_links', 'ix_account_links_user_id', '%'),
    ('index', 'alerts', 'ix_alerts_opened_at', '%'),
    ('index', 'alerts', 'uq_alerts_metric_open', '%'),
    ('index', 'api_tokens', 'ix_api_tokens_expires_at', '%'),
    ('index', 'api_tokens', 'ix_api_tokens_family_id', '%'),
    ('index', 'api_tokens', 'ix_api_tokens_tenant_id', '%'),
    ('index', 'campaigns', 'ix_campaigns_media_id', '%'),
    ('index', 'campaigns', 'ix_campaigns_number_check_at', '%'),
    ('index', 'campaigns', 'ix_campaigns_plan_waiting', '%'),
    ('index', 'campaigns', 'ix_campaigns_recheck_at', '%'),
    ('index', 'campaigns', 'ix_campaigns_scheduled_at', '%'),
    ('index', 'campaigns', 'ix_campaigns_tenant_id_id', '%'),
    ('index', 'campaigns', 'ix_campaigns_unit_id_fed_at', '%'),
    ('index', 'connection_losses', 'ix_connection_losses_created_at', '%'),
    ('index', 'erasures', 'ix_erasures_waiting', '%'),
    ('index', 'erasures', 'uq_erasures_contact_id', '%'),
    ('index', 'imports', 'ix_imports_content_until', '%'),
    ('index', 'imports', 'ix_imports_tenant_id_sha256', '%'),
    ('index', 'imports', 'ix_imports_waiting', '%'),
    ('index', 'recovery_codes', 'ix_recovery_codes_user_id', '%'),
    ('index', 'repairs', 'ix_repairs_unit_id_created_at', '%'),
    ('index', 'scan_links', 'ix_scan_links_unit_id', '%'),
    ('index', 'template_versions', 'ix_template_versions_media_id', '%'),
    ('index', 'unit_whatsapp_connections', 'idx_unit_whatsapp_instance_lookup', 'CREATE UNIQUE INDEX %(instance_name)'),
    ('index', 'unit_whatsapp_connections', 'ix_unit_whatsapp_connections_action', '%'),
    ('index', 'unit_whatsapp_connections', 'ix_unit_whatsapp_connections_check_at', '%'),
    ('index', 'unit_whatsapp_connections', 'ix_unit_whatsapp_connections_compare_at', '%'),
    ('index', 'unit_whatsapp_connections', 'ix_unit_whatsapp_connections_phone', '%'),
    ('index', 'unit_whatsapp_connections', 'ix_unit_whatsapp_connections_previous_instance_name', '%'),
    ('index', 'user_sessions', 'ix_user_sessions_expires_at', '%'),
    ('index', 'user_sessions', 'ix_user_sessions_user_id', '%'),
    ('index', 'alert_notices', 'ix_alert_notices_due', '%'),
    ('index', 'audit_events', 'ix_audit_events_subject_id', '%'),
    ('index', 'audit_events', 'ix_audit_events_tenant_id_id', '%'),
    ('index', 'audit_events', 'ix_audit_events_user_id', '%'),
    ('index', 'contacts', 'ix_contacts_import_id', '%'),
    ('index', 'contacts', 'ix_contacts_merged_into_id', '%'),
    ('index', 'webhook_events', 'ix_webhook_events_new', '%'),
    ('index', 'webhook_events', 'ix_webhook_events_parked', '%'),
    ('index', 'webhook_events', 'ix_webhook_events_tenant_id_id', '%'),
    ('index', 'webhook_events', 'ix_webhook_events_unknown', '%'),
    ('index', 'webhook_events', 'uq_webhook_events_instance_name_body_hash', '%'),
    ('index', 'consent_events', 'ix_consent_events_contact_id_happened_at', '%'),
    ('index', 'consent_events', 'uq_consent_events_message_id_kind', '%'),
    ('index', 'contact_merges', 'ix_contact_merges_kept_id', '%'),
    ('index', 'contact_merges', 'ix_contact_merges_other_id', '%'),
    ('index', 'contact_tags', 'ix_contact_tags_import_id', '%'),
    ('index', 'contact_tags', 'ix_contact_tags_tag_id_contact_id', '%'),
    ('index', 'conversations', 'ix_conversations_assigned', '%'),
    ('index', 'conversations', 'ix_conversations_closed', '%'),
    ('index', 'conversations', 'ix_conversations_contact_id', '%'),
    ('index', 'conversations', 'ix_conversations_doubted_at', '%'),
    ('index', 'conversations', 'ix_conversations_open', '%'),
    ('index', 'conversations', 'ix_conversations_tenant_id_last_message_at', '%'),
    ('index', 'conversations', 'ix_conversations_unit_id_last_message_at', '%'),
    ('index', 'conversations', 'ix_conversations_unread', '%'),
    ('index', 'conversations', 'ix_conversations_waiting', '%'),
    ('index', 'import_changes', 'ix_import_changes_contact_id', '%'),
    ('index', 'conversation_aliases', 'ix_conversation_aliases_conversation_id', '%'),
    ('index', 'conversation_events', 'ix_conversation_events_conversation_id_created_at', '%'),
    ('index', 'messages', 'idx_messages_client_message_id_unit', 'CREATE UNIQUE INDEX %(conversation_id, client_message_id)'),
    ('index', 'messages', 'idx_messages_retry_failed', 'CREATE INDEX %(unit_id, last_retry_at) WHERE %'),
    ('index', 'messages', 'ix_messages_client_message_id', '%'),
    ('index', 'messages', 'ix_messages_conversation_id_occurred_at', '%'),
    ('index', 'messages', 'ix_messages_document', '%'),
    ('index', 'messages', 'ix_messages_in_doubt', '%'),
    ('index', 'messages', 'ix_messages_look_up_at', '%'),
    ('index', 'messages', 'ix_messages_media_id', '%'),
    ('index', 'messages', 'ix_messages_queued', '%'),
    ('index', 'messages', 'ix_messages_queued_expires_at', '%'),
    ('index', 'messages', 'ix_messages_queued_warm', '%'),
    ('index', 'messages', 'ix_messages_refers_to', '%'),
    ('index', 'messages', 'ix_messages_resend_of_id', '%'),
    ('index', 'messages', 'ix_messages_undelivered', '%'),
    ('index', 'messages', 'ix_messages_unread', '%'),
    ('index', 'messages', 'ix_messages_without_receipt', '%'),
    ('index', 'messages', 'uq_messages_unit_id_external_id', '%'),
    ('index', 'campaign_recipients', 'ix_campaign_recipients_contact_id', '%'),
    ('index', 'campaign_recipients', 'ix_campaign_recipients_handed_at', '%'),
    ('index', 'campaign_recipients', 'ix_campaign_recipients_message_id', '%'),
    ('index', 'campaign_recipients', 'ix_campaign_recipients_pending', '%'),
    ('index', 'campaign_recipients', 'ix_campaign_recipients_unanswered', '%'),
    ('index', 'merged_messages', 'ix_merged_messages_message_id', '%'),
    ('index', 'webhook_deliveries', 'ix_webhook_deliveries_log', '%'),
    ('index', 'webhook_deliveries', 'ix_webhook_deliveries_message_id', '%'),
    ('index', 'webhook_deliveries', 'ix_webhook_deliveries_waiting', '%'),
    ('constraint', 'campaigns', 'FOREIGN KEY (tenant_id) REFERENCES tenants(id)', 'FOREIGN KEY (tenant_id) REFERENCES tenants(id)%'),
    ('constraint', 'campaigns', 'FOREIGN KEY (tenant_id, created_by_id) REFERENCES users(tenant_id, id)', 'FOREIGN KEY (tenant_id, created_by_id) REFERENCES users(tenant_id, id)%'),
    ('constraint', 'campaigns', 'FOREIGN KEY (tenant_id, media_id) REFERENCES media(tenant_id, id)', 'FOREIGN KEY (tenant_id, media_id) REFERENCES media(tenant_id, id)%'),
    ('constraint', 'campaigns', 'FOREIGN KEY (tenant_id, started_by_id) REFERENCES users(tenant_id, id)', 'FOREIGN KEY (tenant_id, started_by_id) REFERENCES users(tenant_id, id)%'),
    ('constraint', 'campaigns', 'FOREIGN KEY (tenant_id, unit_id) REFERENCES units(tenant_id, id)', 'FOREIGN KEY (tenant_id, unit_id) REFERENCES units(tenant_id, id)%'),
    ('constraint', 'campaigns', 'UNIQUE (tenant_id, id)', 'UNIQUE (tenant_id, id)'),
    ('constraint', 'campaign_recipients', 'FOREIGN KEY (tenant_id) REFERENCES tenants(id)', 'FOREIGN KEY (tenant_id) REFERENCES tenants(id)%'),
    ('constraint', 'campaign_recipients', 'FOREIGN KEY (tenant_id, campaign_id) REFERENCES campaigns(tenant_id, id)', 'FOREIGN KEY (tenant_id, campaign_id) REFERENCES campaigns(tenant_id, id)%'),
    ('constraint', 'campaign_recipients', 'FOREIGN KEY (tenant_id, contact_id) REFERENCES contacts(tenant_id, id)', 'FOREIGN KEY (tenant_id, contact_id) REFERENCES contacts(tenant_id, id)%'),
    ('constraint', 'campaign_recipients', 'FOREIGN KEY (tenant_id, message_id) REFERENCES messages(tenant_id, id)', 'FOREIGN KEY (tenant_id, message_id) REFERENCES messages(tenant_id, id)%'),
    ('constraint', 'campaign_recipients', 'UNIQUE (campaign_id, contact_id)', 'UNIQUE (campaign_id, contact_id)'),
    ('no schema', 'older tables', 'portal_older', ''),
    ('revision', 'alembic_version', '0013', '')
) AS wanted (kind, of_table, name, shape)
ORDER BY is_there, item;
