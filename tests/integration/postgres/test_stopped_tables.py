"""A table that is not safe to read stops itself and what depends on it; everything else is loaded and published."""

from __future__ import annotations

from pathlib import Path

import duckdb
import pytest
from deltalake import DeltaTable

from cli.postgres.embedded import Server
from midnight.bronze.batches import BronzeStore
from midnight.errors import StoppedTablesError
from midnight.lake.files import open_local_lake
from midnight.lake.ledger import read_ledger
from midnight.names import TableName
from midnight.run.document import read_run_document
from midnight.settings import Settings, load_settings
from midnight.silver_to_gold.builds import newest_build
from tests.support.ingest_run import run_sql
from tests.support.local_run import run_pipeline
from tests.support.shop import SOURCE, TABLES, write_shop

DAYS = [f"2026010{day}T000000000Z-00000001" for day in range(1, 5)]


@pytest.fixture
def shop(database: Server, place: Path) -> Settings:
    run_sql(database, *SOURCE)
    return load_settings()


def sealed(settings: Settings, batch_id: str) -> list[str]:
    store = BronzeStore(open_local_lake(), settings.paths, "shop")
    return [name for name in TABLES if store.is_sealed(TableName("public", name), batch_id)]


def view(settings: Settings, name: str) -> list[tuple]:
    with duckdb.connect(str(settings.serving_database), read_only=True) as connection:
        return sorted(connection.execute(f"SELECT * FROM {name}").fetchall())


def stopped(settings: Settings, batch_id: str) -> dict[str, str]:
    document = read_run_document(open_local_lake(), settings.paths, batch_id)
    return {table.silver: table.message for table in document.stopped}


def statuses(settings: Settings, batch_id: str) -> dict[str, str]:
    entries = read_ledger(settings.paths.ledger, run_id=batch_id)
    return {e.table: e.status for e in sorted(entries, key=lambda e: e.attempt_at) if e.status != "started"}


def report(settings: Settings) -> str:
    return settings.report_page.with_name("report.html").read_text(encoding="utf-8")


def customers(settings: Settings) -> list[str]:
    return sorted(DeltaTable(settings.paths.silver_table("customer")).to_pyarrow_table()["name"].to_pylist())


@pytest.mark.parametrize("groups", [{}, {"customer": "first", "line": "last"}], ids=["one group", "three groups"])
def test_a_stopped_table_keeps_its_rows_and_all_else_goes_on(
    database: Server, shop: Settings, groups: dict[str, str]
) -> None:
    write_shop(shop.config, groups)
    run_pipeline(shop, database, DAYS[0])
    run_sql(
        database,
        "ALTER TABLE customer ALTER name TYPE int USING id",
        "UPDATE product SET price = 2 WHERE id = 1",
        "INSERT INTO orders VALUES (3, 1, '2024-01-03')",
    )
    run_pipeline(shop, database, DAYS[1])
    found = stopped(shop, DAYS[1])
    assert list(found) == ["customer", "line", "orders"]
    assert "public.customer: column 'name' is integer in the source, but 'text' in tables/" in found["customer"]
    assert found["orders"] == "public.orders references public.customer, which is stopped"
    assert found["line"] == "public.line references public.orders, which is stopped"
    # Tables of other load groups are read at the same time; what is read of them goes no further than bronze. Nothing
    # has changed in "line", which gets no new batch.
    assert sealed(shop, DAYS[1]) == (["product"] if not groups else ["product", "orders"])
    assert statuses(shop, DAYS[1]) == {
        "customer": "stopped",
        "line": "stopped",
        "orders": "stopped",
        "product": "applied",
    }
    assert customers(shop) == ["Ada", "Bo"]
    assert [str(price) for _, price in view(shop, "reporting.products")] == ["9.00", "2.00"]
    assert len(view(shop, "gold.fact_order")) == 2
    build = newest_build(shop.paths.gold_builds)
    assert {name: model.built_in == build.build_id for name, model in build.models.items()} == {
        "dim_product": True,
        "fact_order": False,
        "orders_per_day": False,
    }

    run_sql(database, "ALTER TABLE customer ALTER name TYPE text USING 'C' || id")
    run_pipeline(shop, database, DAYS[1])  # the ingest task was cleared with all tasks after it
    assert stopped(shop, DAYS[1]) == {}
    assert customers(shop) == ["C1", "C2"]
    assert len(view(shop, "gold.fact_order")) == 3


def test_the_first_run_publishes_what_it_can(database: Server, shop: Settings) -> None:
    write_shop(shop.config)
    run_sql(database, "ALTER TABLE customer RENAME TO client")
    run_pipeline(shop, database, DAYS[0])
    assert list(stopped(shop, DAYS[0])) == ["customer", "line", "orders"]
    assert list(newest_build(shop.paths.gold_builds).models) == ["dim_product"]
    assert len(view(shop, "reporting.products")) == 2
    with pytest.raises(duckdb.CatalogException):
        view(shop, "reporting.busy_days")
    page = report(shop)
    assert "Products" in page
    assert "Busy days" not in page
    run_sql(database, "ALTER TABLE client RENAME TO customer")
    run_pipeline(shop, database, DAYS[1])
    assert view(shop, "reporting.busy_days") == []
    assert "Busy days" in report(shop)


def test_a_run_without_a_table_to_load_fails_with_every_problem(database: Server, shop: Settings) -> None:
    write_shop(shop.config)
    run_sql(database, *(f"ALTER TABLE {name} RENAME TO old_{name}" for name in TABLES))
    with pytest.raises(StoppedTablesError) as caught:
        run_pipeline(shop, database, DAYS[0])
    for name in TABLES:
        assert f"the source has no table or view public.{name}" in str(caught.value)
