"""Keys and tables that change, and two changes at once."""

from __future__ import annotations

from tests.support.schema_changes.case import Case

TABLES = (
    Case(
        "key_added",
        "primary key added",
        ("ALTER TABLE {t} ADD PRIMARY KEY (id)",),
        "increment",
        "unchanged; the warning about the key ends",
        "the primary key is ['id'], it was []",
        before=("ALTER TABLE {t} DROP CONSTRAINT {t}_pkey",),
    ),
    Case(
        "key_dropped",
        "primary key dropped, without another unique constraint on the file's key",
        ("ALTER TABLE {t} DROP CONSTRAINT {t}_pkey",),
        "stopped",
        "the source does not guarantee the key, of which silver would drop rows",
        "the source does not guarantee the key ['id']",
    ),
    Case(
        "key_moved",
        "primary key moved to another column",
        ("ALTER TABLE {t} DROP CONSTRAINT {t}_pkey", "ALTER TABLE {t} ADD PRIMARY KEY (pieces)"),
        "stopped",
        "as dropped, with the new key in the hint",
        "hint: use key: [pieces]",
        new_row="INSERT INTO {t} (id, pieces, moved) VALUES (4, 9, '2024-01-02Z')",
    ),
    Case(
        "key_moved_unique",
        "primary key moved, and the file's key still unique and not null",
        (
            "ALTER TABLE {t} DROP CONSTRAINT {t}_pkey",
            "ALTER TABLE {t} ADD PRIMARY KEY (pieces), ADD UNIQUE (id), ALTER id SET NOT NULL",
        ),
        "increment",
        "unchanged",
        "the primary key is ['pieces'], it was ['id']",
        new_row="INSERT INTO {t} (id, pieces, moved) VALUES (4, 9, '2024-01-02Z')",
    ),
    Case(
        "table_renamed",
        "table renamed",
        ("ALTER TABLE {t} RENAME TO {t}_old",),
        "stopped",
        "the source has no such table (it is … now)",
        "it is public.{t}_old now",
        new_row="",
    ),
    Case(
        "table_dropped",
        "table dropped",
        ("DROP TABLE {t}",),
        "stopped",
        "the source has no such table",
        "the source has no table or view public.{t};",
        new_row="",
    ),
    Case(
        "table_recreated",
        "table dropped and created again",
        (
            "CREATE TABLE {t}_new AS SELECT * FROM {t} WHERE id > 1",
            "DROP TABLE {t}",
            "ALTER TABLE {t}_new RENAME TO {t}",
            "ALTER TABLE {t} ADD PRIMARY KEY (id)",
        ),
        "full read",
        "the rows of the new table",
        "the table was dropped and created again",
    ),
    Case(
        "partitioned",
        "table turned into a partitioned table",
        (
            "ALTER TABLE {t} RENAME TO {t}_rows",
            "CREATE TABLE {t} (LIKE {t}_rows, PRIMARY KEY (id)) PARTITION BY RANGE (id)",
            "CREATE TABLE {t}_one PARTITION OF {t} FOR VALUES FROM (0) TO (100)",
            "INSERT INTO {t} SELECT * FROM {t}_rows",
        ),
        "full read",
        "the rows of the partitioned table",
        "the table was replaced by a partitioned table",
    ),
    Case(
        "view",
        "table turned into a view",
        ("ALTER TABLE {t} RENAME TO {t}_rows", "CREATE VIEW {t} AS SELECT * FROM {t}_rows"),
        "full read",
        "the rows of the view",
        "the table was replaced by a view",
    ),
    Case(
        "two_changes",
        "two changes in one run, both safe",
        (
            "ALTER TABLE {t} RENAME note TO remark",
            "ALTER TABLE {t} ALTER pieces TYPE bigint",
            "ALTER TABLE {t} ADD extra int DEFAULT 3",
        ),
        "increment",
        "as each of them",
        "column 'note' was renamed to 'remark'",
    ),
    Case(
        "two_changes_unsafe",
        "two changes in one run, one of them not safe",
        ("ALTER TABLE {t} ADD extra int DEFAULT 3", "ALTER TABLE {t} ALTER pieces TYPE text"),
        "stopped",
        "every problem is listed",
        "column 'pieces' is text in the source",
    ),
)
