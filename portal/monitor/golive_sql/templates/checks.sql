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
{wanted}
) AS wanted (kind, of_table, name, shape)
