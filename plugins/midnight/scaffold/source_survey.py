"""Which relations of a PostgreSQL database can be loaded, and why the others cannot; only the catalogue is read.

The catalogue queries are those of ingestion (``postgres_to_bronze.catalogue``), so that ``make init`` and a run see the
same tables and types; this module adds what is needed to choose among all tables.
"""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from midnight.names import qualified_name
from midnight.postgres_to_bronze.catalogue import CatalogueColumn, CatalogueTable, ForeignKeyConstraint, read_catalogue
from midnight.postgres_to_bronze.server_facts import ServerFacts, read_server
from midnight.scaffold import survey_queries as queries
from midnight.sql_text import quote_identifier, quote_relation

if TYPE_CHECKING:
    import asyncpg


@dataclass(frozen=True)
class SourceTable:
    """One table that can be loaded.

    Args:
        catalogue: of the table; its ``columns`` include those that the role may not read.
        key: primary key, else the shortest unique key without nulls; empty when there is none.
        key_is_primary: the key is the primary key.
        longest: longest text in characters that a column's type allows (``varchar(n)``, an enum's labels).
        indexed: first columns of B-tree indexes, whose smallest and largest value is fast to read.
        notes: comments for the file and the summary.
    """

    catalogue: CatalogueTable
    key: tuple[str, ...] = ()
    key_is_primary: bool = False
    longest: Mapping[str, int] = field(default_factory=dict)
    indexed: frozenset[str] = frozenset()
    notes: tuple[str, ...] = ()

    @property
    def schema(self) -> str:
        return self.catalogue.schema_name

    @property
    def name(self) -> str:
        return self.catalogue.name

    @property
    def qualified_name(self) -> str:
        return self.catalogue.qualified_name

    @property
    def quoted_name(self) -> str:
        """The name for SQL, quoted."""
        return quote_relation(self.schema, self.name)

    @property
    def columns(self) -> tuple[CatalogueColumn, ...]:
        """Columns that can be loaded, in the source's order."""
        return tuple(column for column in self.catalogue.columns if column.readable)

    @property
    def unreadable(self) -> tuple[str, ...]:
        return tuple(column.name for column in self.catalogue.columns if not column.readable)

    @property
    def foreign_keys(self) -> tuple[ForeignKeyConstraint, ...]:
        return self.catalogue.foreign_keys


@dataclass(frozen=True)
class LeftOut:
    """A relation that is not loaded, with the reason and, where possible, how to change that."""

    name: str
    kind: str
    reason: str


@dataclass(frozen=True)
class SourceSurvey:
    """The loadable tables of a database, and the relations that are left out."""

    server: ServerFacts
    tables: tuple[SourceTable, ...] = ()
    left_out: tuple[LeftOut, ...] = ()


async def survey_source(connection: asyncpg.Connection) -> SourceSurvey:
    """Read the catalogue; no table is read or locked.

    Args:
        connection: from ``source_connection.connect``.

    Raises:
        asyncpg.PostgresError: the server refuses a catalogue query.
    """
    async with connection.transaction(isolation="repeatable_read", readonly=True):
        server = await read_server(connection)
        catalogue = await read_catalogue(connection)
        relations = {row["oid"]: row for row in await connection.fetch(queries.RELATIONS)}
        oids = [table.oid for table in catalogue.values()]
        hints: dict[int, list[Any]] = defaultdict(list)
        for row in await connection.fetch(queries.COLUMN_HINTS, oids):
            hints[row["oid"]].append(row)
    tables, left_out = [], _other_relations(relations, {table.oid for table in catalogue.values()})
    for found in catalogue.values():
        relation = relations[found.oid]
        reason = _refusal(found, relation, server)
        if reason:
            left_out.append(LeftOut(found.qualified_name, found.kind, reason))
        else:
            tables.append(_table(found, relation, hints[found.oid]))
    return SourceSurvey(server, tuple(tables), tuple(sorted(left_out, key=lambda item: (item.kind, item.name))))


def _other_relations(relations: Mapping[int, Any], listed: set[int]) -> list[LeftOut]:
    """Partitions (one entry per partitioned table) and relations of extensions."""
    result = []
    partitions: Counter[str] = Counter()
    for oid, row in relations.items():
        if row["is_partition"]:
            # Partitions of partitions are counted with the root.
            partitions[row["root"]] += 1
        elif oid not in listed:
            owner = f"belongs to the extension {row['extension']}" if row["extension"] else "belongs to the system"
            result.append(LeftOut(qualified_name(row["schema"], row["name"]), "extension", owner))
    return result + [
        LeftOut(root, "partitions", f"{count} partitions; their rows come with {root}")
        for root, count in partitions.items()
    ]


def _refusal(table: CatalogueTable, relation: Any, server: ServerFacts) -> str:
    """Why a relation is not loaded; empty when it is."""
    role, schema = quote_identifier(server.user), quote_identifier(table.schema_name)
    repeats = "its rows come from tables; write it as a gold model in include/sql/gold"
    by_kind = {
        "view": repeats,
        "materialized view": repeats,
        "foreign table": "its rows are on another server; configure that server as a source",
    }
    parents = relation["parents"]
    reasons = [
        (relation["extension"] is not None, f"belongs to the extension {relation['extension']}"),
        (table.kind in by_kind, by_kind.get(table.kind, "")),
        (not table.columns, "has no columns"),
        (
            not relation["may_enter_schema"],
            f"no permission on its schema; run: GRANT USAGE ON SCHEMA {schema} TO {role};",
        ),
        (
            not table.readable,
            f"no permission; run: GRANT SELECT ON {quote_relation(table.schema_name, table.name)} TO {role};",
        ),
        (table.row_security, f"row-level security would hide rows; run: ALTER ROLE {role} BYPASSRLS;"),
        (
            relation["unlogged"] and server.in_recovery,
            "is unlogged, which a standby does not have; read it from the primary",
        ),
        (
            # With two parents, each has the rows but not all columns.
            len(parents) == 1 and relation["adds_no_column"],
            f"inherits; its rows come with {_readable(parents[0]) if parents else ''}",
        ),
    ]
    return next((reason for applies, reason in reasons if applies), "")


def _table(catalogue: CatalogueTable, relation: Any, hints: list[Any]) -> SourceTable:
    readable = {column.name: column for column in catalogue.columns if column.readable}
    # Arrays that differ only in their lower bound become the same JSON text in the lake.
    keys = [
        key
        for key in catalogue.guaranteed_keys
        if all(name in readable and readable[name].category not in ("A", "C") for name in key)
    ]
    return SourceTable(
        catalogue=catalogue,
        key=keys[0] if keys else (),
        key_is_primary=bool(keys) and keys[0] == catalogue.primary_key,
        longest={hint["name"]: hint["longest"] for hint in hints if hint["longest"] is not None},
        indexed=frozenset(hint["name"] for hint in hints if hint["leads_index"]),
        notes=tuple(_notes(catalogue, relation, len(readable))),
    )


def _notes(catalogue: CatalogueTable, relation: Any, readable: int) -> list[str]:
    notes = []
    if readable < len(catalogue.columns):
        names = ", ".join(repr(column.name) for column in catalogue.columns if not column.readable)
        notes.append(f"The role may not read {names}, so it is left out.")
    if catalogue.has_heirs:
        notes.append("Other tables inherit from it: their rows come with it, and its key does not apply to them.")
    if relation["parents"]:
        parent = _readable(relation["parents"][0])
        notes.append(f"Inherits from {parent} and adds columns; its rows come with {parent}, too.")
    return notes


def _readable(pair: str) -> str:
    return qualified_name(*pair.split("\x01"))
