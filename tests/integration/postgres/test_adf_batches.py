"""Files of Data Factory become the same bronze as the operator's, compared over the same rows."""

from __future__ import annotations

import shutil
from datetime import datetime
from pathlib import Path

import pyarrow
import pyarrow.compute as pc
import pytest
from pyarrow import parquet

from midnight.bronze.batches import BronzeStore
from midnight.bronze.stopped_tables import StoppedTable, read_stopped_tables
from midnight.configuration.checks import ForeignKey
from midnight.data_factory.type_conversion import Conversion
from midnight.errors import BronzeError, MidnightError, StoppedTablesError
from tests.support.adf_batches import ORDERS, adf_batch, seal_or_stop
from tests.support.ingest_run import BronzeFolder, configure, run_sql


@pytest.fixture
def both(tmp_path):
    return BronzeFolder(tmp_path / "operator"), BronzeFolder(tmp_path / "adf")


def data_factory_copies(rows: pyarrow.Table, folder: Path, *, files: int = 1) -> None:
    """Write files as ADF does: INT96, dates as timestamps, decimal(38,18) for numbers without precision."""
    folder.mkdir(parents=True)
    columns = {}
    for field in rows.schema:
        values = rows[field.name]
        if pyarrow.types.is_date(field.type) or pyarrow.types.is_timestamp(field.type):
            values = pc.cast(pc.cast(values, pyarrow.timestamp("us")), pyarrow.timestamp("us"))
        columns[field.name] = values
    table = pyarrow.table(columns)
    size = -(-table.num_rows // files)
    for number in range(files):
        parquet.write_table(
            table.slice(number * size, size),
            folder / f"data_{number}_orders.parquet",
            use_deprecated_int96_timestamps=True,
            compression="snappy",
        )


def folder_of(bronze: BronzeFolder, table, batch_id="b1") -> Path:
    return Path(bronze.paths.batch("test", table.schema_name, table.table, batch_id))


def test_operator_and_data_factory_give_the_same_bronze(database, both):
    operator, adf = both
    run_sql(database, *ORDERS)
    table = configure(database, "orders", key=("id",))
    operator.ingest(database, table, batch_id="b1")
    data_factory_copies(operator.read(table), folder_of(adf, table), files=3)

    assert adf_batch(adf, table).seal() == {"public.orders": 100}

    assert adf.read(table).equals(operator.read(table))
    ours, theirs = operator.manifest(table), adf.manifest(table)
    shared = {"name", "source", "postgres_type", "stored_as", "key_position"}
    assert [c.model_dump(include=shared) for c in theirs.columns] == [
        c.model_dump(include=shared) for c in ours.columns
    ]
    assert (theirs.written_by, theirs.rows, len(theirs.files)) == ("adf", 100, 3)
    assert {Path(name).name for name in adf.files()} == {"_manifest.json", *(file.name for file in theirs.files)}


def test_files_that_follow_the_contract_stay_unchanged(database, both):
    operator, adf = both
    run_sql(database, "CREATE TABLE plain (a int, b text)", "INSERT INTO plain VALUES (1, 'x')")
    table = configure(database, "plain")
    operator.ingest(database, table)
    folder_of(adf, table).mkdir(parents=True)
    parquet.write_table(operator.read(table), folder_of(adf, table) / "data_1.parquet")
    content = (folder_of(adf, table) / "data_1.parquet").read_bytes()
    adf_batch(adf, table).seal()
    assert [file.name for file in adf.manifest(table).files] == ["data_1.parquet"]
    assert (folder_of(adf, table) / "data_1.parquet").read_bytes() == content


def test_sealing_again_keeps_the_batch_and_deletes_an_unfinished_try(database, both):
    operator, adf = both
    run_sql(database, *ORDERS)
    table = configure(database, "orders")
    operator.ingest(database, table)
    data_factory_copies(operator.read(table), folder_of(adf, table))
    (folder_of(adf, table) / "part-00000-0123abcd.parquet").write_bytes(b"half a file")
    adf_batch(adf, table).seal()
    first = adf.manifest(table)
    assert adf_batch(adf, table).seal() == {"public.orders": 100}
    assert adf.manifest(table) == first
    assert adf.read(table).num_rows == 100


def test_a_try_that_loses_leaves_nothing_in_the_batch_that_another_has_sealed(database, both, monkeypatch):
    operator, adf = both
    run_sql(database, *ORDERS)
    table = configure(database, "orders")
    operator.ingest(database, table)
    data_factory_copies(operator.read(table), folder_of(adf, table), files=2)
    rewrite = Conversion.rewrite
    interleaved: list[int] = []

    def after_another_try(*given):
        if not interleaved:
            interleaved.append(1)
            adf_batch(adf, table).seal()
        return rewrite(*given)

    monkeypatch.setattr(Conversion, "rewrite", after_another_try)
    with pytest.raises(MidnightError):
        adf_batch(adf, table).seal()
    sealed = adf.manifest(table)
    assert {Path(name).name for name in adf.files()} == {"_manifest.json", *(file.name for file in sealed.files)}
    assert adf.read(table).equals(operator.read(table))


def test_a_try_does_not_touch_what_another_seals_after_it_has_looked(database, both, monkeypatch):
    operator, adf = both
    run_sql(database, *ORDERS)
    table = configure(database, "orders")
    operator.ingest(database, table)
    data_factory_copies(operator.read(table), folder_of(adf, table))
    look = BronzeStore.intact_manifest
    interleaved: list[int] = []

    def then_another_try(*given):
        found = look(*given)
        if not interleaved:
            interleaved.append(1)
            adf_batch(adf, table).seal()
        return found

    monkeypatch.setattr(BronzeStore, "intact_manifest", then_another_try)
    with pytest.raises(MidnightError):
        adf_batch(adf, table).seal()
    assert adf.store.intact_manifest(table, "b1") is not None


def test_a_damaged_batch_is_copied_and_sealed_again(database, both):
    operator, adf = both
    run_sql(database, *ORDERS)
    table = configure(database, "orders")
    operator.ingest(database, table)
    data_factory_copies(operator.read(table), folder_of(adf, table))
    adf_batch(adf, table).seal()
    (folder_of(adf, table) / adf.manifest(table).files[0].name).write_bytes(b"damaged")
    shutil.move(folder_of(adf, table), folder_of(adf, table).with_name("kept"))
    data_factory_copies(operator.read(table), folder_of(adf, table))
    for file in folder_of(adf, table).with_name("kept").iterdir():
        shutil.move(file, folder_of(adf, table))
    adf_batch(adf, table).seal()
    assert adf.read(table).equals(operator.read(table))
    assert len(adf.files()) == 2


@pytest.mark.parametrize(
    "wrong",
    [
        ("amount", pyarrow.array(["1.005"]), StoppedTablesError, r"'amount'.*does not fit numeric\(10,2\)"),
        ("amount", pyarrow.array([1.5]), BronzeError, r"'amount' is numeric\(10,2\).*wrote double; hint: cast it"),
        ("many", pyarrow.array([40_000]), StoppedTablesError, r"'many'.*does not fit smallint"),
        ("day", pyarrow.array([datetime(2024, 1, 1, 12)]), StoppedTablesError, r"'day'.*does not fit date"),
        ("rate", pyarrow.array(["1e30"]), StoppedTablesError, r"'rate'.*does not fit numeric\(38,18\)"),
        ("stranger", pyarrow.array([1]), BronzeError, r"not configured \['stranger'\]"),
    ],
)
def test_what_does_not_fit_is_refused(database, both, wrong):
    column, values, error, message = wrong
    operator, adf = both
    run_sql(database, *ORDERS, "DELETE FROM orders WHERE id > 1")
    table = configure(database, "orders")
    operator.ingest(database, table)
    rows = operator.read(table)
    position = rows.schema.get_field_index(column)
    rows = rows.append_column(column, values) if position < 0 else rows.set_column(position, column, values)
    folder_of(adf, table).mkdir(parents=True)
    parquet.write_table(rows, folder_of(adf, table) / "data.parquet")
    with pytest.raises(error, match=message):
        seal_or_stop(adf_batch(adf, table))
    assert adf.manifest(table) is None


def test_a_value_that_does_not_fit_stops_its_table_and_those_that_reference_it(database, both, caplog):
    operator, adf = both
    run_sql(
        database,
        *ORDERS,
        "CREATE TABLE lines (id bigint PRIMARY KEY, order_id bigint)",
        "CREATE TABLE other (id bigint PRIMARY KEY)",
        "INSERT INTO other VALUES (1)",
    )
    orders, other = configure(database, "orders"), configure(database, "other")
    to_orders = ForeignKey(rule="foreign_key", columns=("order_id",), table="orders", references=("id",))
    lines = configure(database, "lines", checks=(to_orders,))
    tables = (orders, lines, other)
    operator.ingest(database, *tables)
    for table in tables:
        folder_of(adf, table).mkdir(parents=True)
        parquet.write_table(operator.read(table), folder_of(adf, table) / "data.parquet")
    rows = operator.read(orders)
    wrong = rows.set_column(rows.schema.get_field_index("many"), "many", pyarrow.array([40_000] * 100))
    parquet.write_table(wrong, folder_of(adf, orders) / "data.parquet")
    before = StoppedTable(table="public.gone", silver="gone", problems=("public.gone: no such table",))
    assert adf_batch(adf, *tables, stopped=(before,)).seal() == {"public.other": 1}
    stopped = {table.table: table for table in read_stopped_tables(adf.store, ["main"], "b1")}
    assert list(stopped) == ["public.gone", "public.orders", "public.lines"]
    assert "column 'many'" in stopped["public.orders"].message
    assert stopped["public.lines"].references == ("public.orders",)
    assert [adf.manifest(table) is None for table in tables] == [True, True, False]
    assert "not loaded by this run: public.lines references public.orders, which is stopped" in caplog.text
    for table in (orders, lines):
        folder_of(adf, table).mkdir(parents=True)
        parquet.write_table(operator.read(table), folder_of(adf, table) / "data.parquet")
    assert adf_batch(adf, *tables).seal() == {"public.orders": 100, "public.lines": 0, "public.other": 1}
    assert read_stopped_tables(adf.store, ["main"], "b1") == ()


def test_a_missing_or_incomplete_file_seals_no_table_of_the_group(database, both):
    operator, adf = both
    run_sql(database, *ORDERS, "CREATE TABLE lines (order_id bigint)")
    orders, lines = configure(database, "orders"), configure(database, "lines")
    operator.ingest(database, orders, lines)
    data_factory_copies(operator.read(orders), folder_of(adf, orders))
    with pytest.raises(BronzeError, match=r"public\.lines: Data Factory wrote no Parquet file"):
        adf_batch(adf, orders, lines).seal()
    assert adf.manifest(orders) is None
    folder_of(adf, lines).mkdir(parents=True)
    (folder_of(adf, lines) / "data.parquet").write_bytes(b"PAR1 half")
    with pytest.raises(BronzeError, match=r"data\.parquet is not a complete Parquet file"):
        adf_batch(adf, orders, lines).seal()
    assert adf.manifest(orders) is None
    parquet.write_table(operator.read(lines), folder_of(adf, lines) / "data.parquet")
    assert adf_batch(adf, orders, lines).seal() == {"public.orders": 100, "public.lines": 0}
