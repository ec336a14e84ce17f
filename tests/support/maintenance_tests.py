"""Tests of maintenance on real Delta tables, for modules with the fixtures ``lake`` and ``paths``."""

from __future__ import annotations

import os
from datetime import UTC, datetime, timedelta

import pyarrow as pa
from deltalake import DeltaTable, write_deltalake

from midnight.bronze.batch_id import make_batch_id
from midnight.configuration.columns import Column
from midnight.configuration.files import Configuration
from midnight.configuration.pipeline import Pipeline
from midnight.configuration.source import Source
from midnight.configuration.tables import Table
from midnight.lake.delta_protocol import FILE_BYTES
from midnight.lake.files import LakeFiles
from midnight.lake.paths import LakePaths, relative_gold_model
from midnight.maintenance import (
    KEEP_GOLD_BUILDS,
    optimize_tables,
    remove_expired_changes,
    remove_expired_gold,
    remove_rebuild_scratch,
)
from midnight.silver_to_gold.builds import BuiltColumn, BuiltModel, GoldBuild, make_build_id

NOW = datetime(2026, 3, 1, 12, 0, tzinfo=UTC)


def record_build(lake: LakeFiles, paths: LakePaths, at: datetime, folders: dict[str, str]) -> None:
    """Record a build whose models are in the given folders (relative to gold)."""
    models = {
        name: BuiltModel(
            path=path, rows=1, built_in="", definition="", inputs={}, columns=(BuiltColumn(name="a", type="int"),)
        )
        for name, path in folders.items()
    }
    build = GoldBuild(build_id=f"b{at:%d}", batch_id="b", run_id="r", completed_at=at, models=models)
    row = {"build_id": build.build_id, "batch_id": "b", "run_id": "r", "models": build.models_json()}
    table = pa.table({**{k: [v] for k, v in row.items()}, "completed_at": pa.array([at], pa.timestamp("us", "UTC"))})
    write_deltalake(paths.gold_builds, table, mode="append", storage_options=lake.storage_options)


def make_model(lake: LakeFiles, paths: LakePaths, name: str, at: datetime) -> str:
    folder = relative_gold_model(name, make_build_id("b", at))
    lake.write_text(f"{paths.gold}/{folder}/file.parquet", "")
    lake.write_text(f"{paths.gold}/{folder}/_delta_log/0.json", "")
    return folder


def test_gold_folders_without_a_kept_build_are_deleted(lake, paths):
    days = [NOW - timedelta(days=number) for number in range(KEEP_GOLD_BUILDS + 2, 0, -1)]
    dimension = make_model(lake, paths, "dim", days[0])  # unchanged: every build references the oldest folder
    facts = [make_model(lake, paths, "fact", day) for day in days]
    for day, fact in zip(days, facts, strict=True):
        record_build(lake, paths, day, {"dim": dimension, "fact": fact})
    abandoned = make_model(lake, paths, "fact", NOW - timedelta(days=2, hours=1))
    unfinished = make_model(lake, paths, "fact", NOW - timedelta(hours=1))

    removed = remove_expired_gold(lake, paths, NOW)

    assert removed == tuple(sorted([*facts[:2], abandoned]))
    left = {f"{model}/{build}" for model in ("dim", "fact") for build in lake.list_names(f"{paths.gold}/{model}")}
    assert left == {dimension, *facts[2:], unfinished}
    assert lake.list_names(paths.gold) == ["_midnight", "dim", "fact"]


def test_nothing_is_deleted_without_a_build(lake, paths):
    make_model(lake, paths, "fact", NOW - timedelta(days=30))
    assert remove_expired_gold(lake, paths, NOW) == ()


def test_small_files_are_compacted_without_changing_rows(lake, paths):
    for number in range(5):
        rows, options = pa.table({"id": [number]}), lake.storage_options
        write_deltalake(paths.silver_table("orders"), rows, mode="append", storage_options=options)
    table = Table(schema="public", table="orders", silver="orders", columns=(Column(name="id", type="bigint"),))
    configuration = Configuration(Pipeline(source=Source(name="shop")), (table,))

    (done,) = optimize_tables(lake, paths, configuration, compact=True)

    assert (done.compacted, done.removed) == (5, 0), "files of the last week are kept"
    rows = (
        DeltaTable(paths.silver_table("orders"), storage_options=lake.storage_options)
        .to_pyarrow_table()["id"]
        .to_pylist()
    )
    assert sorted(rows) == list(range(5))


def test_scratch_folders_of_old_rebuilds_are_deleted(lake, paths):
    names = [f"{make_batch_id(NOW - timedelta(days=days), 'r')}-abcd" for days in (30, 8, 6, 0)]
    for name in names:
        lake.write_text(f"{paths.of_rebuild(name).ledger}/part.parquet", "")

    removed = remove_rebuild_scratch(lake, paths, NOW)

    assert removed == tuple(paths.of_rebuild(name).silver for name in names[:2])
    assert lake.list_names(paths.rebuilds) == sorted(names[2:])


def test_change_sets_of_old_batches_are_deleted(lake, paths):
    batches = [make_batch_id(NOW - timedelta(days=days), "r") for days in (30, 8, 6, 0)]
    for table in ("orders", "lines"):
        for batch in batches:
            lake.write_text(f"{paths.silver_changes(table, batch)}/part.parquet", "")

    removed = remove_expired_changes(lake, paths, NOW)

    assert set(removed) == {
        paths.silver_changes(table, batch) for table in ("orders", "lines") for batch in batches[:2]
    }
    assert lake.list_names(paths.table_changes("orders")) == sorted(batches[2:])


def test_files_of_silver_that_are_not_small_are_not_merged(lake, paths):
    """A run rewrites whole files: merged ones would make each run more expensive."""
    path, options = paths.silver_table("orders"), lake.storage_options
    for number in range(2):
        rows = pa.table({"id": [number], "blob": [os.urandom(FILE_BYTES // 2 + 1)]})
        write_deltalake(path, rows, mode="append", storage_options=options)
    columns = (Column(name="id", type="bigint"), Column(name="blob", type="bytea"))
    table = Table(schema="public", table="orders", silver="orders", columns=columns)

    (done,) = optimize_tables(lake, paths, Configuration(Pipeline(source=Source(name="shop")), (table,)), compact=True)

    assert done.compacted == 0
