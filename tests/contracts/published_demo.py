"""The demo as the jobs build and publish it, with the generated Power BI model over it."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import duckdb
import pandas as pd
import pyarrow as pa
import pyarrow.compute as pc

from midnight.gold_to_serving.publish import publish_locally
from midnight.gold_to_serving.run_rows import write_run_rows
from midnight.lake.files import open_local_lake
from midnight.lake.paths import LakePaths
from midnight.settings import REPOSITORY
from spark_jobs.gold.run import build_gold
from spark_jobs.runtime.session import open_session
from tests.contracts.dax_evaluator import DaxModel
from tests.contracts.read_tmdl import read_tmdl
from tests.support.gold_lake import demo_rows, run_document, write_silver
from tests.support.summaries import numbered

INCLUDE = REPOSITORY / "include"
BATCH = "20140101T000000000Z-00000001"


@dataclass
class Demo:
    """The published demo, and the model over it."""

    database: Path
    model: DaxModel
    of_table: Mapping[str, str]
    connection: Any

    def sql(self, query: str) -> Any:
        return self.connection.execute(query).fetchone()[0]

    def values(self, column: tuple[str, str]) -> list[str]:
        return sorted(self.model.tables[column[0]][column[1]].unique())


@contextmanager
def published_demo(folder: Path) -> Iterator[Demo]:
    """Each tenth flight of the year; of some that left, the departure delay is not known."""
    paths = LakePaths.below(str(folder / "lake"))
    silver = dict(demo_rows())
    flights = silver["flights"]
    flights = flights.take(list(range(0, flights.num_rows, 10)))
    unknown = pc.equal(pc.bit_wise_and(flights["flight_id"], 255), 7)
    delays = pc.if_else(unknown, pa.scalar(None, flights["dep_delay"].type), flights["dep_delay"])
    index = flights.column_names.index("dep_delay")
    silver["flights"] = flights.set_column(index, "dep_delay", delays)
    write_silver(paths, silver, BATCH)
    with open_session("sail") as session:
        build_gold(session, run_document(paths, BATCH))
    database = folder / "serving.duckdb"
    publish_locally(
        paths=paths,
        files=open_local_lake(),
        configuration=INCLUDE,
        database=database,
        batch_id=BATCH,
        run_id="r",
    )
    for run in (numbered(1, "failed"), numbered(2)):
        write_run_rows(open_local_lake(), paths, run)
    (described,) = read_tmdl(INCLUDE / "powerbi/Midnight.SemanticModel/definition")
    tables, measures, of_table = {}, {}, {}
    with duckdb.connect(str(database), read_only=True) as connection:
        connection.register("weather", silver["weather"])
        for name, table in described["tables"].items():
            (source,) = table["source"]
            schema, view = source.partition('Schema = "')[2].partition('"')[0], source.partition('Item = "')[2]
            tables[name] = frame(connection, f"{schema}.{view.partition(chr(34))[0]}", table["columns"])
            for measure, (expression, *_) in table["measures"].items():
                measures[measure], of_table[measure] = expression, name
        relationships = []
        for many, one, active in described["relationships"]:
            assert active
            relationships.append((*many[:-1].split("["), *one[:-1].split("[")))
        yield Demo(database, DaxModel(tables, relationships, measures), of_table, connection)


def frame(connection: Any, view: str, columns: Mapping[str, list[str]]) -> pd.DataFrame:
    rows = connection.execute(f"SELECT * FROM {view}").df()
    names = {source: name for name, (_, source, _) in columns.items()}
    assert set(rows.columns) == set(names), view
    for name, kind in rows.dtypes.items():
        if str(kind).startswith("decimal"):
            rows[name] = rows[name].astype(float)
    return rows.rename(columns=names)
