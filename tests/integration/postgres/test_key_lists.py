"""The list of keys of an increment: what is in it, by our operator and by Data Factory."""

from __future__ import annotations

from pathlib import Path

import pyarrow
import pytest
from pyarrow import parquet

from cli.postgres.embedded import Server
from midnight.configuration.tables import Table
from midnight.errors import BronzeError
from tests.support.incremental_ingest import (
    WAYS,
    Ingest,
    batch_of_day,
    by_data_factory,
    by_operator,
    seal_copies,
    start_copies,
)
from tests.support.ingest_run import BronzeFolder, configure, run_sql


def keys_of(bronze: BronzeFolder, table: Table) -> pyarrow.Table:
    """The list of keys of the newest batch."""
    manifest = bronze.manifest(table)
    assert manifest is not None
    assert manifest.keys is not None
    read = pyarrow.concat_tables([parquet.read_table(path) for path in manifest.key_paths(bronze.paths)])
    assert read.num_rows == manifest.keys.rows
    assert tuple(read.column_names) == manifest.keys.columns
    return read


@WAYS
def test_an_increment_has_the_keys_of_all_rows(
    database: Server, bronze: BronzeFolder, orders: Table, ingest: Ingest
) -> None:
    orders = orders.model_copy(update={"deletes": "keys"})
    ingest(database, bronze, orders, batch_id=batch_of_day(1))
    assert bronze.manifest(orders).keys is None, "a full snapshot has the keys of all rows anyway"
    run_sql(database, "DELETE FROM orders WHERE id > 190", "UPDATE orders SET moved = '2024-11-02Z' WHERE id < 4")
    ingest(database, bronze, orders, batch_id=batch_of_day(2))
    assert sorted(keys_of(bronze, orders)["id"].to_pylist()) == list(range(1, 191))
    assert bronze.manifest(orders).rows < 190
    run_sql(database, "DELETE FROM orders")
    ingest(database, bronze, orders, batch_id=batch_of_day(3))
    assert keys_of(bronze, orders).num_rows == 0


NASTY_KEYS = """
CREATE EXTENSION IF NOT EXISTS citext;
CREATE TABLE "Odd Keys" (
    "The Id" uuid, "ci" citext, "c" character(5), "t" text COLLATE "C", "n" numeric, "at" timestamptz, "moved" int,
    "note" text, PRIMARY KEY ("t", "The Id", "ci", "c", "n", "at"));
INSERT INTO "Odd Keys"
    SELECT md5(i::text)::uuid, 'Ab' || i, 'x ', v, i / 8.0, '2024-03-31 01:30Z'::timestamptz - i * '1 us'::interval,
           i, 'n'
    FROM unnest(ARRAY['', ' ', 'a ', 'a', 'é', E'e\\u0301', 'ß', E'\\t', '''"\\', '日本']) WITH ORDINALITY AS u(v, i);
"""


@WAYS
def test_keys_are_stored_as_in_the_rows(database: Server, bronze: BronzeFolder, ingest: Ingest) -> None:
    run_sql(database, NASTY_KEYS)
    key = ("t", "The_Id", "ci", "c", "n", "at")
    odd = configure(
        database,
        "Odd Keys",
        key=key,
        mode="incremental",
        cursor="moved",
        cursor_lag=0,
        deletes="keys",
        bronze_type={"n": "numeric(20,6)"},
    )
    ingest(database, bronze, odd, batch_id=batch_of_day(1))
    rows = bronze.read(odd).select(list(key))
    ingest(database, bronze, odd, batch_id=batch_of_day(2))
    assert bronze.manifest(odd).rows == 1
    listed = keys_of(bronze, odd)
    assert listed.schema.equals(rows.schema)
    assert sorted(map(repr, listed.to_pylist())) == sorted(map(repr, rows.to_pylist()))


@WAYS
def test_a_damaged_list_is_read_again(database: Server, bronze: BronzeFolder, orders: Table, ingest: Ingest) -> None:
    orders = orders.model_copy(update={"deletes": "soft"})
    for day in (1, 2):
        ingest(database, bronze, orders, batch_id=batch_of_day(day))
    (path,) = bronze.manifest(orders).key_paths(bronze.paths)
    Path(path).write_bytes(Path(path).read_bytes()[:-1])
    with pytest.raises(BronzeError, match=r"keys.*bytes instead of"):
        bronze.store.verify_batch(bronze.manifest(orders), content=False)
    assert bronze.store.intact_manifest(orders, batch_of_day(2)) is None
    if ingest is by_operator:
        ingest(database, bronze, orders, batch_id=batch_of_day(2))
        bronze.store.verify_batch(bronze.manifest(orders))


def test_a_copy_without_its_list_is_refused(database: Server, bronze: BronzeFolder, orders: Table) -> None:
    keys = orders.model_copy(update={"deletes": "keys"})
    by_data_factory(database, bronze, orders, batch_id=batch_of_day(1))
    start_copies(database, bronze, orders, batch_id=batch_of_day(2))
    with pytest.raises(BronzeError, match="wrote no Parquet file with keys into"):
        seal_copies(bronze, keys, batch_id=batch_of_day(2))
    start_copies(database, bronze, keys, batch_id=batch_of_day(2))
    with pytest.raises(BronzeError, match=r"has copied run-00000-keys.parquet for another range"):
        seal_copies(bronze, orders, batch_id=batch_of_day(2))
    with pytest.raises(BronzeError, match=r"reports 7 copied keys, but its files in .* hold 200"):
        seal_copies(bronze, keys, batch_id=batch_of_day(2), keys_copied={"public.orders": 7})
    seal_copies(bronze, keys, batch_id=batch_of_day(2), keys_copied={"public.orders": 200})
    assert keys_of(bronze, keys).num_rows == 200
