"""Compares two lakes row by row, to the last digit, apart from what names a run or a batch."""

from __future__ import annotations

from collections import Counter
from pathlib import Path
from typing import Any

from deltalake import DeltaTable

from midnight.configuration.tables import Table
from midnight.lake.ledger import latest_entries, read_ledger
from midnight.lake.paths import LakePaths
from midnight.silver_to_gold.builds import GoldBuild

# Of silver: the batch that changed the row last, which a whole build cannot know.
BOOKKEEPING = ("_midnight_batch_id",)
MARK = "_midnight_deleted_batch_id"
_SHOWN = 4


class NotEqualError(AssertionError):
    """Names the table, the rows that differ, and the run."""


def contents(path: str) -> tuple[list[str], Counter[str]]:
    """Columns with types, and the rows as texts with each digit of a double or a decimal, and the sign of a zero."""
    if not Path(path, "_delta_log").exists():
        return [], Counter()
    table = DeltaTable(path).to_pyarrow_table()
    names = sorted(name for name in table.column_names if name not in BOOKKEEPING)
    schema = [f"{name} {table.schema.field(name).type}" for name in names]
    rows = table.select(names).to_pylist()
    return schema, Counter(repr(row) for row in rows)


def assert_same(what: str, found: Any, expected: Any) -> None:
    """
    Raises:
        NotEqualError: the contents differ.
    """
    if found == expected:
        return
    lines = [f"{what}: {sum(found[1].values())} rows, a whole build has {sum(expected[1].values())}"]
    if found[0] != expected[0]:
        lines.append(f"  columns {found[0]}, expected {expected[0]}")
    for title, rows in (("surplus", found[1] - expected[1]), ("missing", expected[1] - found[1])):
        lines += [f"  {title}: {row}" for row in sorted(rows.elements())[:_SHOWN]]
    raise NotEqualError("\n".join(lines))


def compare_silver(paths: LakePaths, fresh: LakePaths, tables: list[Table], *, deleted: bool = True) -> None:
    """Silver may have rows that are marked as deleted in addition: those that went before the last full snapshot.

    Args:
        paths: of the lake of the runs.
        fresh: of the lake of the whole build.
        tables: to compare.
        deleted: rows that are marked as deleted are compared, too.

    Raises:
        NotEqualError: a table of silver differs.
    """
    for table in tables:
        name = table.silver
        found, expected = contents(paths.silver_table(name)), contents(fresh.silver_table(name))
        if table.deletes == "soft":
            marked = Counter({row: n for row, n in found[1].items() if f"{MARK!r}: None" not in row})
            found = found[0], found[1] - (marked - expected[1] if deleted else marked)
            if not deleted:
                expected = expected[0], Counter({row: n for row, n in expected[1].items() if f"{MARK!r}: None" in row})
        assert_same(f"silver.{name}", found, expected)


def quarantined(paths: LakePaths, table: Table, batches: list[str]) -> Counter[tuple[str, ...]]:
    """Rule, reason, key and row of the rows of some batches."""
    if not Path(paths.quarantine, "_delta_log").exists():
        return Counter()
    rows = DeltaTable(paths.quarantine).to_pyarrow_table().to_pylist()
    return Counter(
        tuple(str(row[name]) for name in ("rule", "reason", "key", "row"))
        for row in rows
        if row["table"] == table.silver and row["batch_id"] in batches
    )


def compare_quarantine(paths: LakePaths, fresh: LakePaths, table: Table, chain: list[str]) -> None:
    """The quarantine of a batch after it was applied.

    An incremental table has the rejected rows of an increment with that batch, and those of earlier rows with theirs.

    Args:
        paths: of the lake of the runs.
        fresh: of the lake of the whole build.
        table: the table.
        chain: ids of the batches since the last full snapshot; the last is the one that was applied.

    Raises:
        NotEqualError: the rows differ.
    """
    expected = quarantined(fresh, table, chain[-1:])
    # A batch with the content of an earlier one adds nothing to the quarantine.
    entry = next(e for e in latest_entries(read_ledger(paths.ledger)) if e.table == table.silver)
    chain = [*chain[:-1], entry.quarantine_batch_id or chain[-1]]
    if table.mode == "snapshot":
        assert_same(f"quarantine of {table.silver}", ([], quarantined(paths, table, chain[-1:])), ([], expected))
        return
    newest, all_of_chain = quarantined(paths, table, chain[-1:]), quarantined(paths, table, chain)
    # A row may be in the quarantine with several batches, but never with one too few, nor without being wrong today.
    missing = Counter(dict.fromkeys(expected.keys() - all_of_chain.keys(), 1))
    surplus = newest - expected
    if missing or surplus:
        assert_same(f"quarantine of {table.silver}", ([], surplus), ([], missing))


def check_ledger(paths: LakePaths) -> None:
    """
    Raises:
        NotEqualError: an entry is not balanced, or the last count of a table is not the number of its rows.
    """
    entries = sorted(read_ledger(paths.ledger), key=lambda entry: entry.attempt_at)
    unbalanced = [entry.imbalance for entry in entries if entry.status == "applied" and entry.imbalance]
    last = {entry.table: entry for entry in entries if entry.status != "skipped"}
    for name, entry in last.items():
        rows = sum(contents(paths.silver_table(name))[1].values())
        if entry.status == "applied" and entry.silver_after != rows:
            unbalanced.append(f"{name}: the ledger says {entry.silver_after} rows, silver has {rows}")
    if unbalanced:
        raise NotEqualError(f"ledger: {'; '.join(unbalanced)}")


def compare_gold(paths: LakePaths, build: GoldBuild, fresh: LakePaths, whole: GoldBuild) -> None:
    """
    Raises:
        NotEqualError: a model differs: its rows, its recorded number of rows, or the results of its checks.
    """
    for name, expected in whole.models.items():
        found = build.models[name]
        assert_same(f"gold.{name}", contents(build.model_path(paths, name)), contents(whole.model_path(fresh, name)))
        for what in ("rows", "checks", "key", "columns"):
            if getattr(found, what) != getattr(expected, what):
                raise NotEqualError(
                    f"gold.{name}: recorded {what} {getattr(found, what)!r}, a whole build {getattr(expected, what)!r}"
                )
