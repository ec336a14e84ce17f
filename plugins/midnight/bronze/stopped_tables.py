"""Tables that a run does not load because reading them is not safe, and those that reference them.

The ingest task of each load group writes one small document next to the run documents. Later tasks read the documents
of their batch: nothing is written for a stopped table, the other tables go on, and the last task fails with the list.
The document depends only on the newest attempt of the ingest task, so a retry or a cleared task replaces it.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import NamedTuple

from pydantic import BaseModel, ConfigDict, TypeAdapter

from midnight.bronze.batches import BronzeStore
from midnight.configuration.tables import Table, with_referencing
from midnight.errors import Diagnosis

_NAMED = 3  # uses downstream in a message; `midnight lineage` has all


class TableProblem(NamedTuple):
    """Why a table is not safe to read, and the columns in question; none if it is the table as a whole."""

    message: str
    columns: tuple[str, ...] = ()


class StoppedTable(BaseModel):
    """A table that a run does not load.

    Args:
        table: qualified name in PostgreSQL.
        silver: its name in silver.
        problems: what is wrong with the table itself, each with its hint; empty if only ``references`` are stopped.
        references: qualified names of the stopped tables that its ``foreign_key`` checks reference.
        breaks: what uses the changed columns downstream, for people: ``gold.fact_flight (dep_delay)``.
    """

    model_config = ConfigDict(extra="forbid", frozen=True)

    table: str
    silver: str
    problems: tuple[str, ...] = ()
    references: tuple[str, ...] = ()
    breaks: tuple[str, ...] = ()

    @property
    def message(self) -> str:
        """Why it is stopped, for people: one line, each problem with its hint.

        What is used downstream comes before the hint of a single problem, so that the hint is read last.
        """
        parts = list(self.problems)
        if self.references:
            verb = "is" if len(self.references) == 1 else "are"
            parts.append(f"{self.table} references {', '.join(self.references)}, which {verb} stopped")
        if not self.breaks:
            return "; ".join(parts)
        rest = len(self.breaks) - _NAMED
        more = f" and {rest} more (midnight lineage {self.table})" if rest > 0 else ""
        uses = f"used downstream by {', '.join(self.breaks[:_NAMED])}{more}"
        if len(parts) > 1:
            return "; ".join([*parts, uses])
        found, _, hint = parts[0].partition("; hint: ")
        return str(Diagnosis(f"{found}; {uses}", hint))


_DOCUMENT = TypeAdapter(tuple[StoppedTable, ...])


def write_stopped_tables(bronze: BronzeStore, group: str, batch_id: str, stopped: Sequence[StoppedTable]) -> None:
    """Replace the document of a load group; a group without stopped tables has none.

    Raises:
        LakeError: the document cannot be written.
    """
    path = bronze.paths.stopped_tables(bronze.source, group, batch_id)
    if stopped:
        bronze.lake.write_text(path, _DOCUMENT.dump_json(tuple(stopped), indent=1).decode())
    else:
        bronze.lake.delete_file(path)


def read_stopped_tables(bronze: BronzeStore, groups: Iterable[str], batch_id: str) -> tuple[StoppedTable, ...]:
    """The stopped tables of a run, as the ingest tasks of its load groups wrote them.

    Raises:
        LakeError: a document cannot be read.
    """
    found: list[StoppedTable] = []
    for group in groups:
        text = bronze.lake.read_text(bronze.paths.stopped_tables(bronze.source, group, batch_id))
        found += () if text is None else _DOCUMENT.validate_json(text)
    return tuple(found)


def with_referencing_tables(tables: Sequence[Table], stopped: Iterable[StoppedTable]) -> tuple[StoppedTable, ...]:
    """The stopped tables and every table that references one of them, directly or through others.

    Args:
        tables: the configuration; those of other load groups, too, where they are known.
        stopped: with problems of their own; their ``references`` are derived again.

    Returns:
        In the order of ``tables``; stopped tables that are not configured any more are left out.
    """
    own = {table.silver: table for table in stopped if table.problems}
    names = with_referencing([table.silver for table in tables if table.silver in own], tables)
    qualified = {table.silver: table.qualified_name for table in tables}
    return tuple(_stopped(table, own, names, qualified) for table in tables if table.silver in names)


def _stopped(
    table: Table, own: Mapping[str, StoppedTable], names: Iterable[str], qualified: Mapping[str, str]
) -> StoppedTable:
    before = own.get(table.silver, StoppedTable(table=table.qualified_name, silver=table.silver))
    referenced = [qualified[name] for name in table.referenced_tables if name in names and name != table.silver]
    return before.model_copy(update={"references": tuple(referenced)})
