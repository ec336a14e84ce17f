"""The source's tables as its catalogue describes them: the one place that queries pg_class and related catalogues.

A few queries for any number of tables. Names come back as the catalogue holds them, unquoted.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from midnight.names import qualified_name
from midnight.postgres_to_bronze import catalogue_queries as queries

if TYPE_CHECKING:
    import asyncpg

KINDS = {
    "r": "table",
    "p": "partitioned table",
    "f": "foreign table",
    "v": "view",
    "m": "materialized view",
}
_WITH_XMIN = ("table", "partitioned table", "materialized view")
_PARTS = {
    "columns": queries.COLUMNS,
    "labels": queries.LABELS,
    "keys": queries.KEYS,
    "foreign_keys": queries.FOREIGN_KEYS,
    "leaves": queries.LEAVES,
}


@dataclass(frozen=True)
class CatalogueColumn:
    """One column.

    Args:
        type: as ``format_type`` prints it; for a domain the type below all its domains.
        declared_type: the same for other columns; the domain's name for a domain.
        category: ``pg_type.typcategory`` of ``type``: A array, C composite, E enum, N number, S string, …
        not_null: no row has a null in it.
        deterministic: the column's collation: only identical texts are equal; false for one that ignores case.
        position: its attnum, which identifies it whatever its name.
        generated: by an expression over other columns.
        identity: filled by a sequence, also in rows that were there before it.
        has_missing, missing: it was added with a constant default, which rows before it show, as text; PostgreSQL
            forgets both when it rewrites the table.
        labels: oid -> name of the enum values and composite attributes in its type.
        default: SQL of the default (or generation) expression; empty when there is none.
        readable: whether the role may SELECT it.
    """

    name: str
    position: int
    type: str
    declared_type: str
    category: str
    not_null: bool
    deterministic: bool = True
    generated: bool = False
    default: str = ""
    comment: str = ""
    readable: bool = True
    identity: bool = False
    has_missing: bool = False
    missing: str | None = None
    labels: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True)
class ForeignKeyConstraint:
    """``columns`` of the table reference ``referenced_columns`` of another.

    Args:
        equality: per column, the function that decides whether two values are equal (``texteq``, ``bpchareq``), with
            its schema where that is not ``pg_catalog``.
        period: the last column is a period that referenced rows must cover (PostgreSQL 18).
        not_enforced: why rows may violate it; empty when none can.
    """

    name: str
    columns: tuple[str, ...]
    referenced_schema: str
    referenced_table: str
    referenced_columns: tuple[str, ...]
    equality: tuple[str, ...] = ()
    period: bool = False
    not_enforced: str = ""


@dataclass(frozen=True)
class Leaf:
    """One heap that holds rows: the table itself, or a leaf of a partitioned table.

    Args:
        kind: as in ``CatalogueTable``.
        pages: of the server's block size, from the file's size now, not from the last VACUUM.
        heap: whether it is stored as a heap, so that ctid ranges are meaningful.
    """

    oid: int
    schema_name: str
    name: str
    kind: str
    pages: int
    heap: bool


@dataclass(frozen=True)
class CatalogueTable:
    """One relation.

    Args:
        kind: one of ``KINDS``' values.
        is_partition: it is part of a partitioned table, whose rows include its own.
        has_heirs: other tables inherit from it: its rows include theirs, to which its constraints do not apply.
        rows: estimate; None when the table was never analysed.
        bytes: on disk with TOAST, without indexes, partitions included.
        row_security: row policies apply to this role.
        readable: the role may use the schema and select at least one column.
        primary_key: column names in key order; empty when there is none.
        unique_keys: of every other unique, non-partial index without expressions.
        leaves: where the rows are; empty for views.
        filenode: of its file, another one after it was rewritten; 0 if it has none.
        last_attnum: the highest ``position`` that it has ever used.
    """

    oid: int
    schema_name: str
    name: str
    kind: str
    is_partition: bool
    rows: int | None
    bytes: int
    comment: str
    row_security: bool
    readable: bool
    columns: tuple[CatalogueColumn, ...]
    primary_key: tuple[str, ...] = ()
    unique_keys: tuple[tuple[str, ...], ...] = ()
    foreign_keys: tuple[ForeignKeyConstraint, ...] = ()
    leaves: tuple[Leaf, ...] = ()
    has_heirs: bool = False
    filenode: int = 0
    last_attnum: int = 0

    @property
    def qualified_name(self) -> str:
        return qualified_name(self.schema_name, self.name)

    @property
    def guaranteed_keys(self) -> tuple[tuple[str, ...], ...]:
        """Columns that are unique and not null in the source: the primary key first.

        Unique constraints that are checked at the end of a transaction count, since only committed rows are read.
        """
        if self.has_heirs:
            return ()
        not_null = {column.name for column in self.columns if column.not_null}
        return tuple(key for key in (self.primary_key, *self.unique_keys) if key and set(key) <= not_null)

    @property
    def has_xmin(self) -> bool:
        """Whether every row has the transaction that wrote it."""
        return self.kind in _WITH_XMIN and all(leaf.heap for leaf in self.leaves)

    def column(self, name: str) -> CatalogueColumn | None:
        return next((column for column in self.columns if column.name == name), None)


async def read_catalogue(
    connection: asyncpg.Connection,
    *,
    tables: Iterable[tuple[str, str]] | None = None,
    schemas: Iterable[str] | None = None,
) -> dict[tuple[str, str], CatalogueTable]:
    """Tables by (schema, name).

    Args:
        connection: from ``source_connection.connect``: its search path decides how types are printed.
        tables: only these (any kind of relation); None for every table and view outside the system schemas.
        schemas: only relations of these schemas; None for all.

    Raises:
        asyncpg.PostgresError: see ``source_errors.source_error``.
    """
    wanted = None if tables is None else list(tables)
    relations = await connection.fetch(
        queries.RELATIONS,
        wanted is None,
        [schema for schema, _ in wanted or []],
        [name for _, name in wanted or []],
        None if schemas is None else list(schemas),
    )
    oids = [row["oid"] for row in relations]
    parts = {name: _group(await connection.fetch(query, oids)) for name, query in _PARTS.items()}
    found = [_table(row, {name: groups[row["oid"]] for name, groups in parts.items()}) for row in relations]
    return {(table.schema_name, table.name): table for table in found}


def _group(rows: Iterable[Mapping[str, Any]]) -> defaultdict[int, list[Mapping[str, Any]]]:
    groups: defaultdict[int, list[Mapping[str, Any]]] = defaultdict(list)
    for row in rows:
        groups[row["root"]].append(row)
    return groups


def _table(row: Mapping[str, Any], parts: Mapping[str, list[Mapping[str, Any]]]) -> CatalogueTable:
    keys, leaves = parts["keys"], parts["leaves"]
    labels: defaultdict[int, dict[str, str]] = defaultdict(dict)
    for label in parts["labels"]:
        labels[label["position"]][label["key"]] = label["label"]
    read_columns = tuple(
        CatalogueColumn(**{n: v for n, v in column.items() if n != "root"}, labels=labels[column["position"]])
        for column in parts["columns"]
    )
    counts = [leaf["rows"] for leaf in leaves]
    return CatalogueTable(
        oid=row["oid"],
        schema_name=row["schema_name"],
        name=row["name"],
        kind=KINDS[row["kind"]],
        is_partition=row["is_partition"],
        has_heirs=row["has_heirs"],
        filenode=row["filenode"],
        last_attnum=row["last_attnum"],
        rows=None if any(count < 0 for count in counts) or not counts else sum(counts),
        bytes=sum(leaf["bytes"] for leaf in leaves),
        comment=row["comment"],
        row_security=row["row_security"],
        readable=row["usable"] and any(column.readable for column in read_columns),
        columns=read_columns,
        primary_key=next((tuple(key["columns"]) for key in keys if key["is_primary"]), ()),
        unique_keys=tuple(tuple(key["columns"]) for key in keys if not key["is_primary"]),
        foreign_keys=tuple(
            ForeignKeyConstraint(
                name=key["name"],
                columns=tuple(key["columns"]),
                referenced_schema=key["referenced_schema"],
                referenced_table=key["referenced_table"],
                referenced_columns=tuple(key["referenced_columns"]),
                equality=tuple(key["equality"] or ()),
                period=key["period"],
                not_enforced=key["not_enforced"],
            )
            for key in parts["foreign_keys"]
        ),
        leaves=tuple(
            Leaf(
                oid=leaf["oid"],
                schema_name=leaf["schema_name"],
                name=leaf["name"],
                kind=KINDS[leaf["kind"]],
                pages=leaf["pages"],
                heap=leaf["heap"],
            )
            for leaf in leaves
        ),
    )
