"""The SQL of ``catalogue``. Works from PostgreSQL 10 on, for a role without special rights.

A catalogue column that an older server lacks is read by its name from ``to_jsonb``: attgenerated and
collisdeterministic exist since 12, indnkeyatts, conparentid, atthasmissing and attmissingval since 11, conenforced and
conperiod since 18.
"""

from __future__ import annotations

SERVER = """
SELECT current_setting('server_version') AS version,
       current_setting('server_version_num')::int AS version_number,
       pg_catalog.pg_is_in_recovery() AS in_recovery,
       pg_catalog.current_database()::text AS database,
       current_user::text AS user,
       pg_catalog.now() AS clock
"""
IDENTITY = "SELECT system_identifier::text FROM pg_catalog.pg_control_system()"
PRIMARY_LSN = "SELECT pg_catalog.pg_current_wal_lsn()::text"
STANDBY_LSN = "SELECT pg_catalog.pg_last_wal_replay_lsn()::text"
# Also after three times the delay an asynchronous commit is on disk (manual, "Asynchronous Commit").
LOG_END = """
SELECT pg_catalog.pg_current_wal_insert_lsn()
       || ' ' || extract(epoch FROM 4 * current_setting('wal_writer_delay')::interval)
"""
IS_FLUSHED = "SELECT pg_catalog.pg_current_wal_flush_lsn() >= $1::text::pg_lsn"
PRIMARY_TIMELINE = """
SELECT ('x' || pg_catalog.substr(pg_catalog.pg_walfile_name(pg_catalog.pg_current_wal_lsn()), 1, 8))::bit(32)::bigint
"""
STANDBY_TIMELINE = "SELECT timeline_id FROM pg_catalog.pg_control_checkpoint()"

# $1 every table, $2 $3 else these schemas and names, $4 only these schemas.
# Partitions are not in the list of every table (their root is), but can be read by name.
RELATIONS = """
SELECT c.oid::bigint AS oid, n.nspname::text AS schema_name, c.relname::text AS name, c.relkind::text AS kind,
       c.relispartition AS is_partition, c.relnatts::int AS last_attnum,
       CASE WHEN c.relkind IN ('r', 'm') THEN coalesce(pg_catalog.pg_relation_filenode(c.oid), 0) ELSE 0 END::bigint
           AS filenode,
       c.relkind = 'r' AND EXISTS (SELECT FROM pg_catalog.pg_inherits h WHERE h.inhparent = c.oid) AS has_heirs,
       coalesce(pg_catalog.obj_description(c.oid, 'pg_class'), '') AS comment,
       c.relrowsecurity AND NOT (r.rolsuper OR r.rolbypassrls)
           AND (c.relforcerowsecurity OR NOT pg_catalog.pg_has_role(c.relowner, 'USAGE')) AS row_security,
       pg_catalog.has_schema_privilege(n.oid, 'USAGE') AS usable
FROM pg_catalog.pg_class c
JOIN pg_catalog.pg_namespace n ON n.oid = c.relnamespace
JOIN pg_catalog.pg_roles r ON r.rolname = current_user
WHERE c.relkind IN ('r', 'p', 'f', 'v', 'm')
  AND c.relpersistence <> 't'
  AND CASE WHEN $1
      THEN n.nspname <> 'information_schema' AND n.nspname NOT LIKE 'pg\\_%'
           AND NOT c.relispartition
           AND NOT EXISTS (SELECT FROM pg_catalog.pg_depend d
                           WHERE d.classid = 'pg_catalog.pg_class'::regclass AND d.objid = c.oid AND d.deptype = 'e')
      ELSE (n.nspname::text, c.relname::text) IN (SELECT * FROM unnest($2::text[], $3::text[])) END
  AND ($4::text[] IS NULL OR n.nspname::text = ANY ($4))
ORDER BY 2, 3
"""

NAMES_BY_OID = """
SELECT c.oid::bigint AS oid, n.nspname::text AS schema_name, c.relname::text AS name
FROM pg_catalog.pg_class c JOIN pg_catalog.pg_namespace n ON n.oid = c.relnamespace
WHERE c.oid::bigint = ANY ($1::bigint[]) AND c.relkind IN ('r', 'p', 'f', 'v', 'm')
"""

# A domain may be over another domain; the modifier of the last step down is the one that counts. NOT NULL of a domain
# does not prevent every null (CREATE DOMAIN, "Notes"), nor does one of a column that is NOT VALID (PostgreSQL 18).
COLUMNS = """
WITH RECURSIVE base AS (
    SELECT a.attrelid, a.attnum, a.atttypid AS type_oid, a.atttypmod AS modifier
    FROM pg_catalog.pg_attribute a
    WHERE a.attrelid::bigint = ANY ($1::bigint[]) AND a.attnum > 0 AND NOT a.attisdropped
  UNION ALL
    SELECT b.attrelid, b.attnum, t.typbasetype, t.typtypmod
    FROM base b JOIN pg_catalog.pg_type t ON t.oid = b.type_oid AND t.typtype = 'd'
)
SELECT a.attrelid::bigint AS root, a.attname::text AS name, a.attnum::int AS position,
       pg_catalog.format_type(b.type_oid, b.modifier) AS type,
       pg_catalog.format_type(a.atttypid, a.atttypmod) AS declared_type,
       t.typcategory::text AS category,
       a.attnotnull AND NOT EXISTS (
           SELECT FROM pg_catalog.pg_constraint k
           WHERE k.conrelid = a.attrelid AND k.contype = 'n' AND k.conkey = ARRAY[a.attnum] AND NOT k.convalidated
       ) AS not_null,
       coalesce((pg_catalog.to_jsonb(l) ->> 'collisdeterministic')::boolean, true) AS deterministic,
       coalesce(pg_catalog.to_jsonb(a) ->> 'attgenerated', '') <> '' AS generated,
       a.attidentity <> '' AS identity,
       coalesce((pg_catalog.to_jsonb(a) ->> 'atthasmissing')::boolean, false) AS has_missing,
       pg_catalog.to_jsonb(a) -> 'attmissingval' ->> 0 AS missing,
       coalesce(pg_catalog.pg_get_expr(d.adbin, d.adrelid), '') AS default,
       coalesce(pg_catalog.col_description(a.attrelid, a.attnum), '') AS comment,
       pg_catalog.has_column_privilege(a.attrelid, a.attnum, 'SELECT') AS readable
FROM base b
JOIN pg_catalog.pg_type t ON t.oid = b.type_oid AND t.typtype <> 'd'
JOIN pg_catalog.pg_attribute a ON a.attrelid = b.attrelid AND a.attnum = b.attnum
LEFT JOIN pg_catalog.pg_collation l ON l.oid = a.attcollation
LEFT JOIN pg_catalog.pg_attrdef d ON d.adrelid = a.attrelid AND d.adnum = a.attnum
ORDER BY a.attrelid, a.attnum
"""

# The names that values of a type contain: of enum values, and of the attributes of composites (in JSON), also inside
# domains, arrays, ranges and other composites. They can be renamed without a change of any row.
LABELS = """
WITH RECURSIVE part AS (
    SELECT a.attrelid AS root, a.attnum AS position, a.atttypid AS type_oid
    FROM pg_catalog.pg_attribute a
    WHERE a.attrelid::bigint = ANY ($1::bigint[]) AND a.attnum > 0 AND NOT a.attisdropped
  UNION
    SELECT p.root, p.position, inner_type.oid
    FROM part p
    JOIN pg_catalog.pg_type t ON t.oid = p.type_oid
    CROSS JOIN LATERAL (
        SELECT t.typbasetype AS oid WHERE t.typtype = 'd'
      UNION ALL SELECT t.typelem WHERE t.typcategory = 'A'
      UNION ALL SELECT r.rngsubtype FROM pg_catalog.pg_range r
                WHERE r.rngtypid = t.oid OR pg_catalog.to_jsonb(r) ->> 'rngmultitypid' = t.oid::text
      UNION ALL SELECT c.atttypid FROM pg_catalog.pg_attribute c
                WHERE t.typtype = 'c' AND c.attrelid = t.typrelid AND c.attnum > 0 AND NOT c.attisdropped
    ) AS inner_type
    WHERE inner_type.oid <> 0
)
SELECT p.root::bigint AS root, p.position::int AS position, e.oid::text AS key, e.enumlabel::text AS label
FROM part p JOIN pg_catalog.pg_enum e ON e.enumtypid = p.type_oid
UNION ALL
SELECT p.root::bigint, p.position::int, c.attrelid || '.' || c.attnum, c.attname::text
FROM part p
JOIN pg_catalog.pg_type t ON t.oid = p.type_oid AND t.typtype = 'c'
JOIN pg_catalog.pg_attribute c ON c.attrelid = t.typrelid AND c.attnum > 0 AND NOT c.attisdropped
ORDER BY 1, 2, 3
"""

KEYS = """
SELECT i.indrelid::bigint AS root, i.indisprimary AS is_primary,
       (SELECT array_agg(a.attname::text ORDER BY k.position)
        FROM unnest(i.indkey::int2[]) WITH ORDINALITY AS k (attnum, position)
        JOIN pg_catalog.pg_attribute a ON a.attrelid = i.indrelid AND a.attnum = k.attnum
        WHERE k.position <= w.width) AS columns
FROM pg_catalog.pg_index i
JOIN pg_catalog.pg_class x ON x.oid = i.indexrelid
CROSS JOIN LATERAL (SELECT coalesce((pg_catalog.to_jsonb(i) ->> 'indnkeyatts')::int, i.indnatts) AS width) AS w
WHERE i.indrelid::bigint = ANY ($1::bigint[])
  AND i.indisunique AND i.indisvalid AND i.indpred IS NULL AND i.indexprs IS NULL
ORDER BY i.indrelid, i.indisprimary DESC, w.width, x.relname
"""

# The operators are those with which PostgreSQL finds the referenced row. Each foreign key to a partitioned table has
# one more constraint per partition, below its own. Without its triggers a foreign key has no effect.
FOREIGN_KEYS = """
SELECT k.conrelid::bigint AS root, k.conname::text AS name,
       (SELECT array_agg(a.attname::text ORDER BY c.position)
        FROM unnest(k.conkey) WITH ORDINALITY AS c (attnum, position)
        JOIN pg_catalog.pg_attribute a ON a.attrelid = k.conrelid AND a.attnum = c.attnum) AS columns,
       n.nspname::text AS referenced_schema, t.relname::text AS referenced_table,
       (SELECT array_agg(a.attname::text ORDER BY c.position)
        FROM unnest(k.confkey) WITH ORDINALITY AS c (attnum, position)
        JOIN pg_catalog.pg_attribute a ON a.attrelid = k.confrelid AND a.attnum = c.attnum) AS referenced_columns,
       (SELECT array_agg(CASE s.nspname WHEN 'pg_catalog' THEN '' ELSE s.nspname || '.' END || p.proname
                         ORDER BY c.position)
        FROM unnest(k.conpfeqop) WITH ORDINALITY AS c (operator, position)
        JOIN pg_catalog.pg_operator o ON o.oid = c.operator
        JOIN pg_catalog.pg_proc p ON p.oid = o.oprcode
        JOIN pg_catalog.pg_namespace s ON s.oid = p.pronamespace) AS equality,
       coalesce((pg_catalog.to_jsonb(k) ->> 'conperiod')::boolean, false) AS period,
       CASE WHEN NOT coalesce((pg_catalog.to_jsonb(k) ->> 'conenforced')::boolean, true) THEN 'NOT ENFORCED'
            WHEN NOT k.convalidated THEN 'NOT VALID'
            WHEN EXISTS (SELECT FROM pg_catalog.pg_trigger g
                         WHERE g.tgconstraint = k.oid AND g.tgenabled NOT IN ('O', 'A'))
                THEN 'switched off (its triggers)'
            ELSE '' END AS not_enforced
FROM pg_catalog.pg_constraint k
JOIN pg_catalog.pg_class t ON t.oid = k.confrelid
JOIN pg_catalog.pg_namespace n ON n.oid = t.relnamespace
WHERE k.contype = 'f' AND k.conrelid::bigint = ANY ($1::bigint[])
  AND coalesce(pg_catalog.to_jsonb(k) ->> 'conparentid', '0') IN (
      '0', (SELECT p.oid::text FROM pg_catalog.pg_constraint p
            WHERE p.oid::text = pg_catalog.to_jsonb(k) ->> 'conparentid' AND p.conrelid <> k.conrelid))
ORDER BY k.conrelid, k.conname
"""

# Where the rows are: the table itself, or the leaves of a partitioned one (and of those below it).
LEAVES = """
WITH RECURSIVE tree AS (
    SELECT c.oid AS root, c.oid FROM pg_catalog.pg_class c WHERE c.oid::bigint = ANY ($1::bigint[])
  UNION ALL
    SELECT t.root, i.inhrelid
    FROM tree t
    JOIN pg_catalog.pg_class p ON p.oid = t.oid AND p.relkind = 'p'
    JOIN pg_catalog.pg_inherits i ON i.inhparent = t.oid
)
SELECT t.root::bigint AS root, c.oid::bigint AS oid, n.nspname::text AS schema_name, c.relname::text AS name,
       c.relkind::text AS kind, c.reltuples::bigint AS rows,
       CASE WHEN c.relkind IN ('r', 'm')
           THEN pg_catalog.pg_relation_size(c.oid) / current_setting('block_size')::int ELSE 0 END AS pages,
       CASE WHEN c.relkind IN ('r', 'm') THEN pg_catalog.pg_table_size(c.oid) ELSE 0 END AS bytes,
       c.relkind IN ('r', 'm') AND coalesce(a.amname, 'heap') = 'heap' AS heap
FROM tree t
JOIN pg_catalog.pg_class c ON c.oid = t.oid AND c.relkind IN ('r', 'm', 'f')
JOIN pg_catalog.pg_namespace n ON n.oid = c.relnamespace
LEFT JOIN pg_catalog.pg_am a ON a.oid = c.relam
ORDER BY t.root, n.nspname, c.relname
"""
