"""The rejected rows of a table by rule: how many, how many of them new, and examples."""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterable, Mapping
from dataclasses import dataclass
from datetime import datetime
from functools import reduce
from operator import and_
from typing import TYPE_CHECKING

from midnight.configuration.tables import Table
from midnight.errors import LakeError, first_line
from midnight.quarantine.rules import Rule, rule_of
from midnight.quarantine.values import OffendingValue, describe_key, offending_value

if TYPE_CHECKING:
    import pyarrow as pa

EXAMPLES = 3
COLUMNS = ("table", "batch_id", "rule", "reason", "key", "row")


@dataclass(frozen=True)
class Example:
    """A rejected row: its key in words, what the rule refused, and whether it was there after the run before."""

    key: str
    offending: OffendingValue
    is_new: bool


@dataclass(frozen=True)
class RejectedByRule:
    """The rows that a rule keeps out of a silver table.

    Args:
        table: as configured now.
        rule: in words.
        batch_id: the batch whose rejected rows these are, the table's newest.
        rows: their number; ``new_rows`` of them have a key that was not in quarantine after the run before.
        since: when a row of the rule was seen first, without an interruption since.
        examples: new ones first.
    """

    table: Table
    rule: Rule
    batch_id: str
    rows: int
    new_rows: int
    since: datetime | None
    examples: tuple[Example, ...]


def count_by_rule(
    table: Table,
    rows: pa.Table,
    batches: tuple[str, str],
    since: Callable[[str], datetime | None],
    examples: int = EXAMPLES,
) -> list[RejectedByRule]:
    """The rejected rows of a table by rule, sorted by its name.

    Args:
        table: as configured now.
        rows: of the table, at least those of the batches, with COLUMNS but ``table`` and ``reason``.
        batches: the newest, and the one before (may be empty): without a key a row is known by its content.
        since: of the name of a rule, when a row of it was seen first.
        examples: at most so many of each rule.
    """
    import pyarrow as pa
    import pyarrow.compute as pc

    current, before = batches
    identity = "key" if table.key else "row"
    now = rows.filter(pc.equal(rows["batch_id"], current))
    known = rows.filter(pc.equal(rows["batch_id"], before))[identity].combine_chunks()
    is_new = pc.invert(pc.is_in(now[identity], value_set=known))
    now = now.append_column("is_new", pa.chunked_array([is_new]) if isinstance(is_new, pa.Array) else is_new)
    found = []
    for name in sorted(now["rule"].unique().to_pylist()):
        own, rule = now.filter(pc.equal(now["rule"], name)), rule_of(table, name)
        order = [("is_new", "descending"), ("key", "ascending"), ("row", "ascending")]
        shown = own.take(pc.select_k_unstable(own, k=min(examples, own.num_rows), sort_keys=order)).to_pylist()
        found.append(
            RejectedByRule(
                table=table,
                rule=rule,
                batch_id=current,
                rows=own.num_rows,
                new_rows=pc.sum(own["is_new"]).as_py() or 0,
                since=since(name),
                examples=tuple(
                    Example(
                        describe_key(table, row["key"]), offending_value(rule, table, row["row"]), bool(row["is_new"])
                    )
                    for row in shown
                ),
            )
        )
    return found


def new_first(found: Iterable[RejectedByRule]) -> list[RejectedByRule]:
    """Rules with new rows first, then those with most rows."""
    return sorted(found, key=lambda one: (-one.new_rows, -one.rows, one.table.silver, one.rule.name))


def read_rejected(
    path: str,
    tables: Collection[str],
    batches: Collection[str],
    storage_options: Mapping[str, str] | None = None,
    columns: Collection[str] = COLUMNS,
) -> pa.Table:
    """The rejected rows of some tables in some batches.

    Args:
        path: ``LakePaths.quarantine``.
        tables: silver names.
        batches: ids.
        storage_options: ``LakeFiles.storage_options``.
        columns: of COLUMNS, as texts.

    Raises:
        LakeError: the quarantine exists but cannot be read.
    """
    import pyarrow as pa

    schema = pa.schema([(name, pa.string()) for name in columns])
    wanted = {"table": sorted(set(tables)), "batch_id": sorted(set(batches))}
    found = scan_quarantine(path, list(columns), wanted, storage_options) if all(wanted.values()) else None
    return schema.empty_table() if found is None else found.cast(schema)


def scan_quarantine(
    path: str, columns: list[str], wanted: Mapping[str, list[str]], storage_options: Mapping[str, str] | None = None
) -> pa.Table | None:
    """Columns of the rows that have one of some values in each of some columns; None if no row was ever rejected.

    Only the files of the wanted partitions are opened, whatever the age of the quarantine.

    Args:
        path: ``LakePaths.quarantine``.
        columns: to read.
        wanted: column -> its values.
        storage_options: ``LakeFiles.storage_options``.

    Raises:
        LakeError: the quarantine exists but cannot be read.
    """
    import pyarrow.dataset as ds
    from deltalake import DeltaTable
    from deltalake.exceptions import TableNotFoundError

    partitions = [(name, "in", values) for name, values in wanted.items()]
    condition = reduce(and_, (ds.field(name).isin(values) for name, values in wanted.items()))
    try:
        table = DeltaTable(path, storage_options=dict(storage_options or {}))
        dataset = table.to_pyarrow_dataset(file_pruning_predicate=partitions)
        return dataset.to_table(columns=columns, filter=condition)
    except TableNotFoundError:
        return None
    except Exception as error:  # deltalake does not document which classes it raises
        message = (
            f"the quarantine {path!r} cannot be read: {first_line(error)}; hint: check the permissions of the lake"
        )
        raise LakeError(message) from error
