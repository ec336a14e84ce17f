"""The SQL of ``source_survey``, in addition to the catalogue queries of ingestion."""

from __future__ import annotations

# \x01 (chr(1)) separates schema and table.
RELATIONS = """
WITH RECURSIVE trees (oid, root) AS (
    SELECT c.oid, c.oid FROM pg_class c WHERE c.relkind = 'p' AND NOT c.relispartition
    UNION ALL
    SELECT i.inhrelid, t.root FROM trees t JOIN pg_inherits i ON i.inhparent = t.oid
)
SELECT c.oid::bigint AS oid, n.nspname::text AS schema, c.relname::text AS name, c.relispartition AS is_partition,
       c.relpersistence = 'u' AS unlogged, has_schema_privilege(n.oid, 'USAGE') AS may_enter_schema,
       (SELECT format('%s.%s', quote_ident(rn.nspname), quote_ident(r.relname)) FROM trees t
        JOIN pg_class r ON r.oid = t.root JOIN pg_namespace rn ON rn.oid = r.relnamespace WHERE t.oid = c.oid) AS root,
       CASE WHEN c.relispartition THEN '{}' ELSE ARRAY(
           SELECT pn.nspname::text || chr(1) || p.relname::text FROM pg_inherits i
           JOIN pg_class p ON p.oid = i.inhparent JOIN pg_namespace pn ON pn.oid = p.relnamespace
           WHERE i.inhrelid = c.oid ORDER BY i.inhseqno) END AS parents,
       NOT EXISTS (SELECT FROM pg_attribute a WHERE a.attrelid = c.oid AND a.attnum > 0 AND NOT a.attisdropped
                   AND a.attinhcount = 0) AS adds_no_column,
       (SELECT e.extname::text FROM pg_depend d JOIN pg_extension e ON e.oid = d.refobjid
        WHERE d.deptype = 'e' AND d.refclassid = 'pg_extension'::regclass
          AND ((d.classid = 'pg_class'::regclass AND d.objid = c.oid)
            OR (d.classid = 'pg_namespace'::regclass AND d.objid = n.oid)) LIMIT 1) AS extension
FROM pg_class c
JOIN pg_namespace n ON n.oid = c.relnamespace
WHERE c.relkind IN ('r', 'p', 'v', 'm', 'f') AND n.nspname <> 'information_schema' AND n.nspname NOT LIKE 'pg\\_%'
"""

COLUMN_HINTS = """
WITH RECURSIVE resolved (oid, attnum, name, type, modifier) AS (
    SELECT attrelid, attnum, attname::text, atttypid, atttypmod FROM pg_attribute
    WHERE attrelid::bigint = ANY($1::bigint[]) AND attnum > 0 AND NOT attisdropped
    UNION ALL
    SELECT r.oid, r.attnum, r.name, t.typbasetype, t.typtypmod FROM resolved r
    JOIN pg_type t ON t.oid = r.type AND t.typtype = 'd'
), columns AS (
    SELECT r.oid, r.name,
           CASE WHEN t.typtype = 'e' THEN (SELECT max(length(enumlabel::text)) FROM pg_enum WHERE enumtypid = t.oid)
                WHEN r.type = 'uuid'::regtype THEN 36
                WHEN r.type IN ('varchar'::regtype, 'bpchar'::regtype) AND r.modifier > 4 THEN r.modifier - 4
           END AS longest,
           EXISTS (SELECT FROM pg_index i JOIN pg_class x ON x.oid = i.indexrelid JOIN pg_am m ON m.oid = x.relam
                   WHERE i.indrelid = r.oid AND i.indisvalid AND i.indpred IS NULL AND m.amname = 'btree'
                     AND i.indkey[0] = r.attnum) AS leads_index
    FROM resolved r JOIN pg_type t ON t.oid = r.type AND t.typtype <> 'd'
)
SELECT oid::bigint AS oid, name, longest, leads_index FROM columns WHERE longest IS NOT NULL OR leads_index
"""
