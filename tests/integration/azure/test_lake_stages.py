"""The stages with a lake in Azure Storage: planning, sealing the files of Data Factory, maintenance."""

from __future__ import annotations

import dataclasses
import io

import pyarrow
import pyarrow.compute as pc
import pytest
from pyarrow import parquet

from midnight.bronze.batches import BronzeStore
from midnight.configuration.files import Configuration
from midnight.configuration.pipeline import Pipeline
from midnight.configuration.source import Source
from midnight.errors import BronzeError
from midnight.names import TableName
from midnight.run.document import RunDocument
from midnight.run.plan import RunRequest, plan_run
from midnight.run.run_configuration import RunConfiguration
from tests.fakes.azure_lake import AzureLake
from tests.fakes.fault_proxy import Fault
from tests.support.adf_batches import ORDERS, adf_batch
from tests.support.ingest_run import BronzeFolder, configure, run_sql
from tests.support.maintenance_tests import (  # with the fixtures below  # noqa: F401
    test_change_sets_of_old_batches_are_deleted,
    test_files_of_silver_that_are_not_small_are_not_merged,
    test_gold_folders_without_a_kept_build_are_deleted,
    test_nothing_is_deleted_without_a_build,
    test_scratch_folders_of_old_rebuilds_are_deleted,
    test_small_files_are_compacted_without_changing_rows,
)


@pytest.fixture
def lake(azure_lake):
    return azure_lake.lake


@pytest.fixture
def paths(azure_lake):
    return azure_lake.paths


def batches(lake: AzureLake) -> list[str]:
    return [manifest.batch_id for manifest in lake.store.sealed_batches(TableName("public", "orders"))]


def test_planning(database, azure_lake):
    run_sql(database, "CREATE TABLE orders (id int)", "INSERT INTO orders VALUES (1), (2)")
    table = configure(database, "orders")
    for number, batch_id in enumerate(("b1", "b2", "b4")):
        run_sql(database, f"INSERT INTO orders VALUES ({number})")  # an unchanged table would get no new batch
        azure_lake.ingest(database, table, batch_id=batch_id)
    lake, paths = azure_lake.lake, azure_lake.paths
    lake.write_text(f"{paths.batch('test', 'public', 'orders', 'b3')}/part-00000-0.parquet", "never sealed")
    assert batches(azure_lake) == ["b1", "b2", "b4"]
    assert azure_lake.store.newest_sealed_batch(table, not_after="b3").batch_id == "b2"
    assert azure_lake.store.newest_sealed_batch(table, not_after="b0") is None

    configuration = RunConfiguration(Configuration(Pipeline(source=Source(name="test")), (table,)), ())
    request = RunRequest("b5", "run")
    document = plan_run(request, configuration, azure_lake.store)
    assert [batch.batch_id for batch in document.tables[0].batches] == ["b4"]
    assert RunDocument.model_validate_json(lake.read_text(paths.run_document("b5"))) == document

    part = document.tables[0].batches[0].file_paths(paths)[0]
    lake.write_text(part, "cut")
    with pytest.raises(BronzeError, match=r"of batch b4 has 3 bytes instead of \d+; hint: clear the ingest task"):
        plan_run(request, configuration, azure_lake.store)
    azure_lake.store.delete_batch(table, "b4")
    assert batches(azure_lake) == ["b1", "b2"]


def data_factory_copies(rows: pyarrow.Table, lake: AzureLake, folder: str, *, files: int) -> None:
    """Write rows as Data Factory does, as blobs: INT96, dates as timestamps."""
    container = lake.service.get_container_client("bronze")
    for field in rows.schema:
        if pyarrow.types.is_date(field.type) or pyarrow.types.is_timestamp(field.type):
            moments = pc.cast(rows[field.name], pyarrow.timestamp("us"))
            rows = rows.set_column(rows.schema.get_field_index(field.name), field.name, moments)
    size = -(-rows.num_rows // files)
    for number in range(files):
        content = io.BytesIO()
        parquet.write_table(rows.slice(number * size, size), content, use_deprecated_int96_timestamps=True)
        container.upload_blob(f"{folder}/data_{number}_orders.parquet", content.getvalue())


def test_a_copy_of_data_factory_is_sealed(database, tmp_path, faulty_lake, fault_proxy):
    operator = BronzeFolder(tmp_path / "operator")
    run_sql(database, *ORDERS)
    table = configure(database, "orders", key=("id",))
    operator.ingest(database, table, batch_id="b1")
    folder = f"{faulty_lake.folder}/test/public.orders/b1"
    data_factory_copies(operator.read(table), faulty_lake, folder, files=3)
    faulty_lake.lake.write_text(f"{faulty_lake.paths.bronze}/test/public.orders/b1/part-00000-0123abcd.parquet", "half")
    fault_proxy.faults = [
        Fault("cut", "GET", r"data_1"),
        Fault("wrong length", "GET", r"data_2"),
        Fault("lost answer", "PUT", r"part-0000[01]", times=2),
        Fault("lost answer", "DELETE", r"data_0"),
    ]
    assert adf_batch(faulty_lake, table).seal() == {"public.orders": 100}
    assert [fault.hits for fault in fault_proxy.faults] == [1, 1, 2, 1]

    assert faulty_lake.read(table).equals(operator.read(table))
    manifest = faulty_lake.manifest(table)
    faulty_lake.store.verify_batch(manifest)
    names = sorted(["_manifest.json", *(file.name for file in manifest.files)])
    assert faulty_lake.files() == [f"test/public.orders/b1/{name}" for name in names]
    assert adf_batch(faulty_lake, table).seal() == {"public.orders": 100}
    assert faulty_lake.manifest(table) == manifest


def test_a_batch_that_another_run_has_sealed_is_kept(database, azure_lake):
    run_sql(database, *ORDERS)
    table = configure(database, "orders", key=("id",))
    azure_lake.ingest(database, table, batch_id="b1")
    theirs = azure_lake.manifest(table)
    folder = f"{azure_lake.folder}/test/public.orders/b1"
    data_factory_copies(azure_lake.read(table), azure_lake, folder, files=1)
    batch = dataclasses.replace(adf_batch(azure_lake, table), run_id="scheduled__2")
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(BronzeStore, "unseal_damaged", lambda *_: None)  # as if it was sealed after the check
        with pytest.raises(BronzeError, match=r"batch b1 was already sealed in .*, by run 'manual__1' \(operator\) at"):
            batch.seal()
    assert azure_lake.manifest(table) == theirs
