"""Publishing: the chosen build, atomic replacement, and what readers see meanwhile."""

from __future__ import annotations

import multiprocessing
import os
import signal
import time
from contextlib import nullcontext
from pathlib import Path
from types import SimpleNamespace

import duckdb
import pytest

from midnight.errors import ConfigurationError, ServingError
from midnight.gold_to_serving.base_views import base_views_of_build
from midnight.gold_to_serving.publication import read_publication
from midnight.gold_to_serving.publish import publish_on_synapse
from midnight.gold_to_serving.run_views import RUN_VIEWS
from midnight.gold_to_serving.synapse_statements import (
    EXISTING_VIEWS,
    ExistingView,
    publication_statements,
    rollback_statements,
)
from tests.support.waiting import LIMIT_SECONDS
from tests.unit.conftest import SmallLake, sale


def test_the_record_describes_the_publication(lake):
    build = lake.build("B1", [sale(1), sale(2)])
    lake.reporting(total="SELECT SUM(pieces) AS pieces FROM gold.fact_sale")
    publication = lake.publish("B1")
    assert read_publication(lake.paths, lake.files) == publication
    assert publication.build_id == build.build_id
    assert publication.published_by == "publishing run"
    assert publication.views == {"gold.dim_shop": 2, "gold.fact_sale": 2, "reporting.total": 1}
    assert lake.query("SELECT pieces FROM reporting.total") == [(3,)]


def test_nothing_is_published_before_the_first_build(lake):
    with pytest.raises(ServingError, match=r"batch 'B1' has no complete build of gold \(gold has no build yet\)"):
        lake.publish("B1")
    assert not lake.database.exists()
    assert read_publication(lake.paths, lake.files) is None


def test_a_run_whose_gold_failed_its_checks_publishes_nothing(lake):
    lake.build("B1", [sale(1)])
    lake.publish("B1")
    with pytest.raises(ServingError, match=r"batch 'B2' has no complete build of gold .* of batch 'B1'"):
        lake.publish("B2")
    assert lake.query("SELECT count(*) FROM gold.fact_sale") == [(1,)]


def test_clearing_an_older_run_keeps_the_newest_data(lake):
    lake.build("B1", [sale(1)])
    newest = lake.build("B2", [sale(1), sale(2)])
    assert lake.publish("B1").build_id == newest.build_id
    assert lake.query("SELECT count(*) FROM gold.fact_sale") == [(2,)]


def test_a_failing_view_keeps_the_old_file(lake):
    lake.build("B1", [sale(1)])
    lake.publish("B1")
    before = lake.database.read_bytes()
    lake.build("B2", [sale(1), sale(2, note="not a number")])
    lake.reporting(fine="SELECT pieces FROM gold.fact_sale", wrong="SELECT CAST(note AS INT) AS n FROM gold.fact_sale")
    with pytest.raises(
        ServingError,
        match=r"the view reporting\.wrong failed: .*Conversion failed when converting a text to data type int",
    ):
        lake.publish("B2")
    assert lake.database.read_bytes() == before
    assert [path.name for path in lake.home.iterdir() if path.name.startswith(".serving-")] == []


def test_a_view_of_the_runs_that_cannot_be_read_is_a_warning(lake, caplog):
    lake.build("B1", [sale(1)])
    lake.publish("B1")
    path = Path(lake.paths.run_rows("ledger", "B0"))
    path.write_bytes(b"cut off")
    lake.build("B2", [sale(1), sale(2)])
    publication = lake.publish("B2")
    assert list(publication.unreadable) == ["midnight.ledger"]
    assert str(path) in publication.unreadable["midnight.ledger"]
    assert any("the view midnight.ledger cannot be read" in record.getMessage() for record in caplog.records)
    assert lake.query("SELECT count(*) FROM gold.fact_sale") == [(2,)]
    assert lake.query("SELECT count(*) FROM midnight.ledger") == [(0,)]
    path.unlink()
    assert lake.publish("B2").unreadable == {}


def test_an_invalid_reporting_view_keeps_the_old_file(lake):
    lake.build("B1", [sale(1)])
    lake.publish("B1")
    lake.reporting(v="SELECT nothing FROM gold.fact_sale")
    with pytest.raises(ConfigurationError):
        lake.publish("B1")
    assert lake.query("SELECT count(*) FROM gold.fact_sale") == [(1,)]


def test_a_base_view_must_have_the_rows_of_its_build(lake):
    build = lake.build("B1", [sale(1), sale(2)])
    wrong = build.models["fact_sale"].model_copy(update={"rows": 3})
    lake.record(
        build.model_copy(
            update={
                "models": build.models | {"fact_sale": wrong},
                "completed_at": build.completed_at.replace(year=2027),
            }
        )
    )
    with pytest.raises(ServingError, match=r"gold\.fact_sale has 2 rows, but build 'B1-1' recorded 3"):
        lake.publish("B1")


def test_a_missing_file_of_a_table_is_named(lake):
    build = lake.build("B1", [sale(1)])
    (gone,) = Path(build.model_path(lake.paths, "fact_sale")).glob("*.parquet")
    gone.unlink()
    with pytest.raises(ServingError, match=rf"gold\.fact_sale: file '{gone.name}' .* does not exist"):
        lake.publish("B1")


def test_a_reader_keeps_its_open_file(lake):
    lake.build("B1", [sale(1)])
    lake.publish("B1")
    with duckdb.connect(str(lake.database), read_only=True) as reader:
        lake.build("B2", [sale(1), sale(2)])
        lake.publish("B2")
        assert reader.execute("SELECT count(*) FROM gold.fact_sale").fetchall() == [(1,)]
    assert lake.query("SELECT count(*) FROM gold.fact_sale") == [(2,)]


def test_the_file_can_be_attached_under_another_name(lake):
    lake.build("B1", [sale(1)])
    lake.reporting(v="SELECT pieces, GETUTCDATE() AS now FROM gold.fact_sale")
    lake.publish("B1")
    with duckdb.connect() as connection:
        connection.execute(f"ATTACH '{str(lake.database).replace(chr(39), chr(39) * 2)}' AS other (READ_ONLY)")
        assert connection.execute("SELECT pieces FROM other.reporting.v").fetchall() == [(1,)]


def _publish_repeatedly(home: Path) -> None:
    while True:
        SmallLake(home).publish("B1")


@pytest.mark.slow
def test_a_killed_publisher_leaves_the_old_file_and_no_temporary_files(lake):
    lake.build("B1", [sale(1)])
    lake.publish("B1")
    publisher = multiprocessing.get_context("spawn").Process(target=_publish_repeatedly, args=(lake.home,))
    publisher.start()
    deadline = time.monotonic() + LIMIT_SECONDS
    while not list(lake.home.glob(".serving-*/*")) and time.monotonic() < deadline:
        time.sleep(0.001)
    assert publisher.pid is not None
    os.kill(publisher.pid, signal.SIGKILL)
    publisher.join()
    assert lake.query("SELECT count(*) FROM gold.fact_sale") == [(1,)]
    lake.publish("B1")
    assert sorted(path.name for path in lake.home.iterdir()) == [".serving.duckdb.lock", "lake", "serving.duckdb"]


def test_descriptions_can_be_queried(lake):
    lake.build("B1", [sale(1)])
    lake.publish("B1")
    assert lake.query("SELECT comment FROM duckdb_columns() WHERE schema_name = 'gold' AND column_name = 'amount'") == [
        ("The amount",)
    ]


def test_synapse_statements_in_order(lake):
    build = lake.build("B1", [sale(1)])
    names = [("gold", "fact_sale"), ("gold", "old"), ("reporting", "old"), ("dbo", "mine")]
    existing = [ExistingView(schema, name, "") for schema, name in names]
    statements = publication_statements(build, base_views_of_build(build), (), existing)
    heads = [statement.splitlines()[0] for statement in statements]
    assert heads == [
        "IF SCHEMA_ID('gold') IS NULL EXEC('CREATE SCHEMA [gold]')",
        "IF SCHEMA_ID('reporting') IS NULL EXEC('CREATE SCHEMA [reporting]')",
        "IF SCHEMA_ID('midnight') IS NULL EXEC('CREATE SCHEMA [midnight]')",
        "CREATE OR ALTER VIEW [gold].[dim_shop] AS",
        "CREATE OR ALTER VIEW [gold].[fact_sale] AS",
        *[f"CREATE OR ALTER VIEW [midnight].[{view.name}] AS" for view in RUN_VIEWS],
        "DROP VIEW IF EXISTS [reporting].[old]",
        "DROP VIEW IF EXISTS [gold].[old]",
    ]
    assert f"BULK 'dim_shop/{build.build_id}/'" in statements[3]


def test_an_earlier_publication_is_restored_in_the_order_of_its_references(lake):
    """For every form in which the catalogue may return the head of a definition."""
    build = lake.build("B1", [sale(1)])
    existing = [
        ExistingView("reporting", "a", "-- from b\nCREATE   VIEW reporting.a AS SELECT x FROM [reporting] . [b]"),
        ExistingView("reporting", "b", "CREATE OR ALTER VIEW [reporting].[b] AS SELECT x FROM gold.old"),
        ExistingView("gold", "old", "/* a */ create view gold.old as SELECT 1 AS x"),
    ]
    of_runs = [ExistingView("midnight", view.name, "create view x as select 1") for view in RUN_VIEWS]
    statements = rollback_statements([*existing, *of_runs], base_views_of_build(build), ())
    assert [statement for statement in statements if "VIEW x" not in statement] == [
        "/* a */ CREATE OR ALTER VIEW gold.old as SELECT 1 AS x",
        "CREATE OR ALTER VIEW [reporting].[b] AS SELECT x FROM gold.old",
        "-- from b\nCREATE OR ALTER VIEW reporting.a AS SELECT x FROM [reporting] . [b]",
        "DROP VIEW IF EXISTS [gold].[fact_sale]",
        "DROP VIEW IF EXISTS [gold].[dim_shop]",
    ]


def test_publishing_on_synapse_records_only_after_the_transaction(lake):
    build = lake.build("B1", [sale(1)])
    lake.reporting(v="SELECT pieces FROM gold.fact_sale")
    lake.files.write_text(lake.paths.run_document("B1"), '{"tables": [{"table": {"reconcile": "off"}}]}')
    sent: list[list[str]] = []

    def publish(run_in_transaction):
        endpoint = SimpleNamespace(
            query=lambda sql: [("reporting", "gone", "")] if sql == EXISTING_VIEWS else [],
            reading=lambda: nullcontext(lambda sql: iter(())),
            run_in_transaction=run_in_transaction,
        )
        return publish_on_synapse(
            paths=lake.paths,
            files=lake.files,
            configuration=lake.configuration,
            database="midnight",
            batch_id="B1",
            run_id="r",
            endpoint=endpoint,
            warn=print,
        )

    def refuse(statements):
        raise ServingError("refused")

    with pytest.raises(ServingError, match="refused"):
        publish(refuse)
    assert read_publication(lake.paths, lake.files) is None
    publication = publish(sent.append)
    assert read_publication(lake.paths, lake.files) == publication
    assert publication.views == {"gold.dim_shop": 2, "gold.fact_sale": 1, "reporting.v": None}
    assert "DROP VIEW IF EXISTS [reporting].[gone]" in sent[0]
    assert "CREATE OR ALTER VIEW reporting.v AS\nSELECT pieces FROM gold.fact_sale" in sent[0]
    assert build.build_id == publication.build_id
