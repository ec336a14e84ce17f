"""A small gold layer as real Delta tables, with its recorded builds, ledger and quarantine."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import timedelta
from decimal import Decimal
from pathlib import Path
from typing import Any

import duckdb
import pyarrow as pa
import pytest
from deltalake import write_deltalake

from midnight.bronze.manifest import BronzeFile, Manifest, ReadFrom
from midnight.gold_to_serving.publication import Publication
from midnight.gold_to_serving.publish import publish_locally
from midnight.lake.files import LakeFiles, open_local_lake
from midnight.lake.ledger import LedgerEntry
from midnight.lake.paths import LakePaths
from midnight.silver_to_gold.builds import BuiltColumn, BuiltModel, CheckResult, GoldBuild
from tests.support.ledger_entries import START

MODELS: dict[str, dict[str, str]] = {
    "dim_shop": {"shop_key": "INT", "shop_name": "STRING"},
    "fact_sale": {
        "sale_key": "BIGINT",
        "shop_key": "INT",
        "sold_at": "TIMESTAMP",
        "day": "DATE",
        "amount": "DECIMAL(10,2)",
        "weight": "DOUBLE",
        "pieces": "INT",
        "is_returned": "BOOLEAN",
        "note": "STRING",
    },
}
_ARROW = {
    "INT": pa.int32(),
    "BIGINT": pa.int64(),
    "STRING": pa.string(),
    "DATE": pa.date32(),
    "DOUBLE": pa.float64(),
    "BOOLEAN": pa.bool_(),
    "TIMESTAMP": pa.timestamp("us", "UTC"),
    "DECIMAL(10,2)": pa.decimal128(10, 2),
}
SHOPS = [{"shop_key": 1, "shop_name": "Nørre"}, {"shop_key": 2, "shop_name": "O'Hara & <Sons>"}]


def sale(key: int, **values: Any) -> dict[str, Any]:
    """A row of fact_sale."""
    row: dict[str, Any] = {
        "sale_key": key,
        "shop_key": 1 + key % 2,
        "sold_at": START + timedelta(hours=key),
        "day": (START + timedelta(hours=key)).date(),
        "amount": Decimal(key) + Decimal("0.10"),
        "weight": key / 2,
        "pieces": key,
        "is_returned": key % 3 == 0,
        "note": None,
    }
    return row | values


@dataclass
class SmallLake:
    """The lake and home of one test."""

    home: Path
    builds: int = 0

    @property
    def paths(self) -> LakePaths:
        return LakePaths.below(str(self.home / "lake"))

    @property
    def files(self) -> LakeFiles:
        return open_local_lake()

    @property
    def database(self) -> Path:
        return self.home / "serving.duckdb"

    @property
    def configuration(self) -> Path:
        return self.home / "include"

    def build(
        self,
        batch_id: str,
        sales: list[dict[str, Any]],
        models: Mapping[str, Mapping[str, str]] = MODELS,
        **table_options: Any,
    ) -> GoldBuild:
        """Write all models as Delta tables, and record the build."""
        self.builds += 1
        build_id = f"{batch_id}-{self.builds}"
        rows = {"dim_shop": SHOPS, "fact_sale": sales}
        built = {}
        for name, columns in models.items():
            schema = pa.schema([(column, _ARROW[kind]) for column, kind in columns.items()])
            content = [{column: row[column] for column in columns} for row in rows[name]]
            table = pa.Table.from_pylist(content, schema=schema)
            write_deltalake(self.paths.gold_model(name, build_id), table, **table_options)
            built[name] = BuiltModel(
                path=f"{name}/{build_id}",
                rows=table.num_rows,
                built_in=build_id,
                definition="",
                inputs={},
                key=(next(iter(columns)),),
                description=f"All of {name}, it's <b>complete</b>",
                columns=tuple(BuiltColumn(name=c, type=k, description=f"The {c}") for c, k in columns.items()),
                checks=(CheckResult(name="key", rule="unique", on_failure="fail", failed_rows=0),),
            )
        build = GoldBuild(
            build_id=build_id,
            batch_id=batch_id,
            run_id=f"run of {batch_id}",
            completed_at=START + timedelta(days=1, minutes=self.builds),
            models=built,
        )
        self.record(build)
        return build

    def record(self, build: GoldBuild) -> None:
        row = build.model_dump(exclude={"models"}) | {"models": build.models_json()}
        write_deltalake(self.paths.gold_builds, pa.Table.from_pylist([row]), mode="append")

    def reporting(self, **views: str) -> None:
        """Write reporting views, given by name and query."""
        folder = self.configuration / "sql" / "serving"
        folder.mkdir(parents=True, exist_ok=True)
        for name, query in views.items():
            (folder / f"{name}.sql").write_text(f"CREATE OR ALTER VIEW reporting.{name} AS\n{query}\n")

    def ledger(self, *entries: LedgerEntry) -> None:
        write_deltalake(self.paths.ledger, pa.Table.from_pylist([e.model_dump() for e in entries]), mode="append")

    def quarantine(self, *rows: dict[str, Any]) -> None:
        write_deltalake(self.paths.quarantine, pa.Table.from_pylist(list(rows)), mode="append")

    def run_document(self, batch_id: str, table: str) -> None:
        manifest = Manifest(
            source="shop",
            schema_name="public",
            table=table,
            batch_id=batch_id,
            columns=(),
            rows=5,
            files=(BronzeFile(name="part-00000.parquet", rows=5, bytes=1500, sha256=""),),
            read_from=ReadFrom(server="1", server_version="18.6", database="shop"),
            written_by="operator",
            run_id="r",
            started_at=START,
            sealed_at=START + timedelta(minutes=1),
        )
        work = f'{{"table": {{"silver": "{table}"}}, "batches": [{manifest.to_json()}]}}'
        self.files.write_text(self.paths.run_document(batch_id), f'{{"tables": [{work}]}}')

    def publish(self, batch_id: str) -> Publication:
        return publish_locally(
            paths=self.paths,
            files=self.files,
            configuration=self.configuration,
            database=self.database,
            batch_id=batch_id,
            run_id="publishing run",
        )

    def query(self, sql: str) -> list[tuple[Any, ...]]:
        """Query the published file, in a session with a time zone other than UTC."""
        with duckdb.connect(str(self.database), read_only=True) as connection:
            connection.execute("SET TimeZone = 'America/New_York'")
            return connection.execute(sql).fetchall()


@pytest.fixture
def lake(tmp_path: Path) -> SmallLake:
    """An empty lake in a folder whose name needs quoting."""
    home = tmp_path / "it's a höme"
    home.mkdir()
    return SmallLake(home)
