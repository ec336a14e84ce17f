"""The demo's views on Synapse, published and read by the real driver."""

from __future__ import annotations

from datetime import UTC, datetime

import duckdb
import pyarrow as pa
from deltalake import write_deltalake

from midnight.column_types import duckdb_type
from midnight.gold_to_serving.base_views import base_views_of_build
from midnight.gold_to_serving.publish_synapse import run_in_transaction
from midnight.gold_to_serving.reporting_views import load_reporting_views
from midnight.gold_to_serving.run_views import RUN_VIEWS
from midnight.gold_to_serving.synapse_statements import publication_statements
from midnight.settings import REPOSITORY
from midnight.silver_to_gold.builds import BuiltColumn, BuiltModel, GoldBuild
from midnight.silver_to_gold.load_contracts import load_gold_contracts
from midnight.synapse.connection import connect
from tests.fakes.synapse_workspace import Workspace
from tests.unit.conftest import SmallLake


def test_the_demos_views_are_accepted_and_read(ready_workspace: Workspace, small_lake: SmallLake):
    """All contracts of include/sql/gold and views of include/sql/serving, over Delta tables with one row."""
    models = {}
    with duckdb.connect() as connection:
        for name, contract in load_gold_contracts(REPOSITORY / "include").items():
            types = {column.name: column.type for column in contract.columns}
            values = ", ".join(
                f'CAST({"2 * 0" if kind in NUMBERS else "NULL"} AS {duckdb_type(kind)}) AS "{column}"'
                for column, kind in types.items()
            )
            row = connection.execute(f"SELECT {values}").to_arrow_table()
            write_deltalake(small_lake.paths.gold_model(name, "B1"), _with_zone(row))
            columns = tuple(BuiltColumn(name=c.name, type=c.type, max_length=c.max_length) for c in contract.columns)
            models[name] = BuiltModel(
                path=f"{name}/B1", rows=1, built_in="B1", definition="", inputs={}, columns=columns, checks=()
            )
    build = GoldBuild(build_id="B1", batch_id="B1", run_id="r", completed_at=datetime.now(UTC), models=models)
    base_views = base_views_of_build(build)
    statements = publication_statements(build, base_views, load_reporting_views(REPOSITORY / "include", base_views))
    server = ready_workspace.server()
    run_in_transaction(connect(server), statements, server)
    views = list((REPOSITORY / "include" / "sql" / "serving").glob("*.sql"))
    assert len(ready_workspace.synapse.views()) == len(models) + len(views) + len(RUN_VIEWS)
    assert ready_workspace.rows("SELECT COUNT_BIG(*) AS n FROM reporting.flight") == [(0,)]
    assert ready_workspace.rows("SELECT w.flights, w.band FROM reporting.weather_effect AS w") == [(0, None)]


NUMBERS = ("INT", "BIGINT", "SMALLINT", "DOUBLE")


def _with_zone(table: pa.Table) -> pa.Table:
    """Cast timestamps to UTC: delta-rs would otherwise write a higher reader version."""
    for number, field in enumerate(table.schema):
        if pa.types.is_timestamp(field.type):
            column = table.column(number).cast(pa.timestamp("us")).cast(pa.timestamp("us", "UTC"))
            table = table.set_column(number, field.name, column)
    return table
