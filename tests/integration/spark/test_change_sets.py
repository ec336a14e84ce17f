"""The change set of a batch turns silver before the batch into silver after it."""

from __future__ import annotations

import tempfile
from collections import Counter
from datetime import UTC, date, datetime, timedelta
from decimal import Decimal
from pathlib import Path
from typing import Any
from unittest import mock

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from deltalake import DeltaTable
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from midnight.configuration.tables import Table
from midnight.errors import LakeError
from midnight.lake.ledger import LedgerEntry
from midnight.lake.paths import LakePaths
from spark_jobs.runtime import file_plan, key_set
from spark_jobs.silver import key_ranges, outcome_staging, write_changes
from spark_jobs.silver.run import build_silver
from spark_jobs.transforms.columns import plan_columns
from spark_jobs.transforms.staging import outcome_rows
from tests.support.incremental_source import IncrementalSource
from tests.support.incremental_tables import ITEMS, item, run
from tests.support.masked_tables import CUSTOMERS, KEY, pseudonym
from tests.support.sealed_batches import batch_id, document, seal, table

KEYED = table("keyed", {"k": "text", "n": "bigint", "v": "double precision"}, key=["k", "n"])
KEYLESS = table("keyless", {"k": "text", "v": "integer"}, duplicates="keep")
WIDE = table("wide", {"k": "numeric(38,4)", "at": "timestamp with time zone", "v": "text"}, key=["k"])
ROWS = {
    "keyed": st.tuples(
        st.sampled_from(["", "'", '"', "a", "A", "ä" * 40]),
        st.sampled_from([-(2**63), 0, 1, 2**63 - 1]),
        st.none() | st.sampled_from([0.0, 1.5, float("inf")]),
    ),
    "keyless": st.tuples(st.none() | st.sampled_from(["a", "b"]), st.none() | st.integers(0, 1)),
}


def content(path: str) -> Counter[tuple[Any, ...]]:
    """The rows of silver, bit for bit, without the batch."""
    rows = DeltaTable(path).to_pyarrow_table().drop_columns(["_midnight_batch_id"]).to_pylist()
    return Counter(tuple(map(repr, row.values())) for row in rows)


def change_set(lake: LakePaths, name: str, number: int) -> dict[str, Counter[tuple[Any, ...]]]:
    found: dict[str, Counter[tuple[Any, ...]]] = {"before": Counter(), "after": Counter()}
    for file in Path(lake.silver_changes(name, batch_id(number))).glob("*.parquet"):
        for row in pq.read_table(file).to_pylist():
            found[row.pop("_midnight_change")][tuple(map(repr, row.values()))] += 1
    return found


def check_changes(
    lake: LakePaths, name: str, number: int, before: Counter[tuple[Any, ...]], entry: LedgerEntry
) -> None:
    after = content(lake.silver_table(name))
    if entry.changed == "nothing":
        assert after == before
        return
    assert entry.changed == "rows"
    found = change_set(lake, name, number)
    assert not found["before"] - before  # a row that silver did not have
    assert before - found["before"] + found["after"] == after
    assert found["before"].total() == entry.updated + entry.deleted
    assert found["after"].total() == entry.updated + entry.inserted


@pytest.mark.parametrize("rules", [KEYED, KEYLESS], ids=lambda rules: rules.silver)
@settings(max_examples=8, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(data=st.data())
def test_random_snapshots(sail_session, rules: Table, data):
    batches = st.lists(ROWS[rules.silver], min_size=1, max_size=8)
    names = [column.name for column in rules.columns]
    with (
        tempfile.TemporaryDirectory() as folder,
        mock.patch.multiple(file_plan, _FEWEST_ROWS=3, FILE_BYTES=1_000),
        mock.patch.object(key_ranges, "ROWS_AT_ONCE", 2),
    ):
        lake = LakePaths.below(folder)
        for number in range(1, 5):
            rows = [dict(zip(names, row, strict=True)) for row in data.draw(batches)]
            before = Counter() if number == 1 else content(lake.silver_table(rules.silver))
            (entry,) = build_silver(sail_session, document(lake, number, (rules, seal(lake, rules, number, rows))))
            if number == 1:
                assert entry.changed == "everything"
            else:
                check_changes(lake, rules.silver, number, before, entry)


@pytest.mark.parametrize("kind", ["bigint", "text", "date", "numeric(20,3)", "timestamp with time zone"])
def test_a_large_snapshot_is_compared_in_ranges_of_its_key(sail_session, lake, kind):
    values = {
        "bigint": lambda n: n - 30,
        "text": lambda n: f"'ä{n % 7}' {n}",
        "date": lambda n: date(2024, 1, 1) + timedelta(days=n),
        "numeric(20,3)": lambda n: Decimal(n * n) / 8 - 40,
        "timestamp with time zone": lambda n: datetime(2024, 1, 1, tzinfo=UTC) + timedelta(microseconds=n),
    }
    rules = table("ranges", {"k": kind, "v": "integer"}, key=["k"])
    rows = [{"k": values[kind](n), "v": n} for n in range(60)]
    changed = [{**row, "v": -1} if number % 9 == 0 else row for number, row in enumerate(rows[5:])]
    changed += [{"k": values[kind](n), "v": n} for n in range(60, 70)] + [{"k": None, "v": 0}, changed[3]]
    with mock.patch.multiple(file_plan, _FEWEST_ROWS=5, FILE_BYTES=1):
        for number, batch in enumerate(([{**row, "v": -2} for row in rows], rows), start=1):
            build_silver(sail_session, document(lake, number, (rules, seal(lake, rules, number, batch))))
        before = content(lake.silver_table("ranges"))
        with mock.patch.object(key_ranges, "ROWS_AT_ONCE", 7):
            columns = plan_columns(rules, seal(lake, rules, 3, changed))
            parts = key_ranges.key_ranges(sail_session, lake.silver_table("ranges"), rules, columns, 73)
            assert len(parts) > 3
            (entry,) = build_silver(sail_session, document(lake, 3, (rules, seal(lake, rules, 3, changed))))
    check_changes(lake, "ranges", 3, before, entry)
    assert (entry.inserted, entry.deleted, entry.duplicates, entry.quarantined) == (10, 5, 1, 1)
    assert entry.updated == sum(1 for row in changed[:55] if row["v"] == -1)


def test_a_large_increment_is_compared_in_ranges_of_its_key(sail_session, lake):
    source = IncrementalSource(lake, ITEMS)
    with mock.patch.multiple(file_plan, _FEWEST_ROWS=50, FILE_BYTES=1):
        for number in (1, 2):  # the second makes several files
            source.put(*[item(i, 1000 * number + i, str(number)) for i in range(1, 400)])
            source.ingest(number)
            run(sail_session, number, source)
        assert len(_files(lake)) > 5
        before = content(lake.silver_table("items"))
        rejected = {300, 399}  # silver loses them
        source.put(*[item(i, 3000, "99" if i in rejected else "3") for i in (7, *range(300, 450))])
        source.ingest(3)
        with (
            mock.patch.object(key_ranges, "ROWS_AT_ONCE", 60),
            mock.patch.object(write_changes, "MAX_CHANGED_ROWS", 9),
            mock.patch.object(outcome_staging, "outcome_rows", side_effect=outcome_rows) as parts,
        ):
            (entry,) = run(sail_session, 3, source)
    assert parts.call_count > 3
    assert (entry.updated, entry.inserted, entry.deleted) == (99, 50, 2)
    assert entry.rows_in < 200, "an increment"
    check_changes(lake, "items", 3, before, entry)


def test_a_very_large_table_has_larger_ranges_not_more_of_them(sail_session, lake):
    rules = table("ranges", {"k": "bigint"}, key=["k"])
    with mock.patch.multiple(file_plan, _FEWEST_ROWS=5, FILE_BYTES=1):
        for number, first in enumerate((0, 1), start=1):
            rows = [{"k": k} for k in range(first, 300)]
            build_silver(sail_session, document(lake, number, (rules, seal(lake, rules, number, rows))))
    columns = plan_columns(rules, seal(lake, rules, 3, []))
    path = lake.silver_table("ranges")
    for most, expected in ((40, 30), (10, 10)):
        with mock.patch.multiple(key_ranges, ROWS_AT_ONCE=10, MOST_RANGES=most):
            assert len(key_ranges.key_ranges(sail_session, path, rules, columns, 300)) == pytest.approx(expected, abs=2)


def test_files_that_are_left_out_are_noticed(sail_session, lake):
    """A search that overlooks the files of a key would leave the old row next to the new one."""
    first = [{"k": "a", "n": n, "v": 0.0} for n in range(20)]
    build_silver(sail_session, document(lake, 1, (KEYED, seal(lake, KEYED, 1, first))))
    before = content(lake.silver_table("keyed"))
    second = [{**row, "v": 1.0} for row in first]
    with (
        mock.patch.object(key_set.KeySet, "possible_in", return_value=pa.array([], pa.int64())),
        pytest.raises(LakeError, match="would have 40 rows, expected 20; nothing was committed"),
    ):
        build_silver(sail_session, document(lake, 2, (KEYED, seal(lake, KEYED, 2, second))))
    assert content(lake.silver_table("keyed")) == before


def test_increments_read_and_write_only_the_files_with_their_keys(sail_session, lake):
    source = IncrementalSource(lake, ITEMS)
    source.put(*[item(i, 100) for i in range(1, 400)])
    source.ingest(1, files=4)
    with mock.patch.multiple(file_plan, _FEWEST_ROWS=100, FILE_BYTES=2_000):
        run(sail_session, 1, source)
        for number in range(2, 6):
            before = content(lake.silver_table("items"))
            files = set(_files(lake))
            source.put(item(50 + number, 100 * number), item(1000 + number, 100 * number))
            source.ingest(number)
            (entry,) = run(sail_session, number, source)
            assert (entry.updated, entry.inserted) in ((0, 1), (1, 1))
            check_changes(lake, "items", number, before, entry)
            if number > 2:
                assert files & set(_files(lake))


def _files(lake: LakePaths) -> list[str]:
    return DeltaTable(lake.silver_table("items")).file_uris()


def test_what_has_no_complete_change_set_says_everything(sail_session, lake):
    def apply(number: int, rows: list[dict[str, Any]], rules: Table = WIDE, **options: Any) -> LedgerEntry:
        batch = seal(lake, rules, number, rows, **options)
        (entry,) = build_silver(sail_session, document(lake, number, (rules, batch)))
        return entry

    one, two, three = ({"k": number, "v": f"v{number}"} for number in (1, 2, 3))
    assert apply(1, [one]).changed == "everything"
    assert not Path(lake.table_changes("wide")).exists()
    assert apply(2, [one, two]).changed == "rows"
    assert apply(3, [one, two]).changed == "nothing"
    # The same batch with other rows, as after a task that was cleared: gold may not have read the first change set.
    first = change_set(lake, "wide", 2)
    assert apply(3, [one, two, three]).changed == "rows"
    assert apply(3, [one]).changed == "everything"
    assert change_set(lake, "wide", 2) == first
    other_key = WIDE.model_copy(update={"key": ("v",)})
    assert apply(4, [one, two], other_key).changed == "everything"
    more = table("wide", {"k": "numeric(38,4)", "v": "text", "more": "integer"}, key=["v"])
    assert apply(5, [one], more).changed == "everything"


def test_an_interrupted_attempt_leaves_no_complete_change_set(sail_session, lake):
    build_silver(sail_session, document(lake, 1, (WIDE, seal(lake, WIDE, 1, [{"k": 1}]))))
    plan = document(lake, 2, (WIDE, seal(lake, WIDE, 2, [{"k": 1}, {"k": 2}])))
    with (
        mock.patch("spark_jobs.silver.table.recount", side_effect=KeyboardInterrupt),
        pytest.raises(KeyboardInterrupt),
    ):
        build_silver(sail_session, plan)
    (entry,) = build_silver(sail_session, plan)
    assert (entry.inserted, entry.changed) == (0, "everything")


def test_masked_columns_are_pseudonyms_in_change_sets(sail_session, lake):
    rows = [{"email": f"{name}@example.org", "born": "1980-01-01", "country": "DE"} for name in ("ann", "bob")]
    for number, batch in enumerate((rows, [{**rows[0], "country": "FR"}]), 1):
        work = (CUSTOMERS, seal(lake, CUSTOMERS, number, batch))
        (entry,) = build_silver(sail_session, document(lake, number, work), KEY)
    assert entry.changed == "rows"
    found = change_set(lake, "customers", 2)
    emails = {row[0].strip("'") for rows in found.values() for row in rows}
    assert emails == {pseudonym("ann@example.org"), pseudonym("bob@example.org")}


@pytest.mark.spark
def test_apache_spark_writes_the_same_change_sets(spark_session, sail_session, tmp_path):
    batches: list[list[tuple[Any, ...]]] = [
        [("a", 1, 1.0), ("b", 1, 1.0), ("c", 1, 1.0)],
        [("a", 1, 2.0), ("c", 1, 1.0), ("d", 2**63 - 1, None)],
        [("a", 1, 2.0), ("c", 1, 1.0), ("d", 2**63 - 1, None)],
    ]
    found = []
    for name, session in (("sail", sail_session), ("spark", spark_session)):
        lake = LakePaths.below(str(tmp_path / name))
        for number, batch in enumerate(batches, 1):
            rows = [dict(zip("knv", row, strict=True)) for row in batch]
            (entry,) = build_silver(session, document(lake, number, (KEYED, seal(lake, KEYED, number, rows))))
            found.append((entry.changed, change_set(lake, "keyed", number)))
    assert [changed for changed, _ in found] == ["everything", "rows", "nothing"] * 2
    assert found[:3] == found[3:]
    assert found[1][1]["before"].total() == 2
