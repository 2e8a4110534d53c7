"""Searching in what was written: functions of the database, made by 0011, the search anew by 0012."""

from migrations.row_security import CURRENT_TENANT

ACCENTED = "áàâãäåéèêëíìîïóòôõöúùûüçñýÿ"
PLAIN = "aaaaaaeeeeiiiiooooouuuucnyy"
MONTH_OF = "(extract(year FROM {0} AT TIME ZONE 'UTC') * 12 + extract(month FROM {0} AT TIME ZONE 'UTC'))::integer"
MONTH = f"""
CREATE OR REPLACE FUNCTION message_month(at timestamptz) RETURNS integer LANGUAGE sql IMMUTABLE PARALLEL SAFE AS $$
    SELECT {MONTH_OF.format("at")}
$$
"""
# From PostgreSQL 17 on an index is built without the functions of this schema, so this one calls none of them.
# A word as it stands and without its accents: stems of plurals need them, and people often leave them out. The company
# and the month are words of the document too, so that the index alone finds a company's newest.
DOCUMENT = f"""
CREATE OR REPLACE FUNCTION message_document(tenant uuid, written_at timestamptz, body text) RETURNS tsvector
LANGUAGE sql IMMUTABLE PARALLEL SAFE AS $$
    SELECT to_tsvector('pg_catalog.portuguese', left(body, 20000))
        || to_tsvector('pg_catalog.portuguese', translate(lower(left(body, 20000)), '{ACCENTED}', '{PLAIN}'))
        || array_to_tsvector(ARRAY['tenant ' || tenant::text, 'month ' || {MONTH_OF.format("written_at")}::text])
$$
"""
# Row security lets no index search for words: the function passes it, and looks at the company itself. From now back,
# in ever longer spans, so that a frequent word reads no more than what is shown.
_SEARCH = f"""
CREATE OR REPLACE FUNCTION search_messages(words tsquery, unit_ids uuid[], most integer)
RETURNS TABLE (message_id uuid) LANGUAGE plpgsql STABLE SECURITY DEFINER SET search_path FROM CURRENT AS $$
DECLARE
    company uuid := {CURRENT_TENANT};
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
                AND {{whose}}
            ORDER BY m.occurred_at DESC, m.id DESC LIMIT left_over;
        GET DIAGNOSTICS found_here = ROW_COUNT;
        left_over := left_over - found_here;
        newest := newest - span;
        EXIT WHEN span > 240;
        span := span * 4;
    END LOOP;
END $$
"""
_WHOSE = ("m.tenant_id = company", "(unit_ids IS NULL OR m.unit_id = ANY (unit_ids))")
SEARCH = _SEARCH.format(whose=" AND ".join(_WHOSE))
# No index but that of the words is asked: of a company, or a unit, of which the database knows no rows yet it would
# read all messages instead.
SEARCH_BY_WORDS = _SEARCH.format(whose=" AND ".join(f"({one}) IS TRUE" for one in _WHOSE))
