"""Nights of a database whose orders are read incrementally: from the server to the view."""

from __future__ import annotations

from pathlib import Path
from urllib.parse import quote

import duckdb
import pytest

from cli.commands import init
from cli.postgres.embedded import Server
from midnight.bronze.batches import BronzeStore
from midnight.configuration.files import load_configuration
from midnight.lake.files import open_local_lake
from midnight.lake.ledger import LedgerEntry
from midnight.scaffold import table_plan
from midnight.settings import Settings, load_settings
from midnight.silver_to_gold.builds import newest_build
from tests.support.ingest_run import fetch, run_sql
from tests.support.local_run import run_pipeline
from tests.support.sealed_batches import counts

ORDERS = (
    "CREATE TABLE customers (id int PRIMARY KEY, name text)",
    "INSERT INTO customers SELECT i, 'customer ' || i FROM generate_series(1, 10) i",
    "CREATE TABLE orders (id bigint PRIMARY KEY, customer int REFERENCES customers, amount numeric(10,2), "
    "updated_at timestamptz)",
    "CREATE INDEX ON orders (updated_at)",
    "INSERT INTO orders SELECT i, 1 + i % 10, i / 4.0, '2024-11-01Z'::timestamptz - make_interval(mins => i) "
    "FROM generate_series(1, 500) i",
)


@pytest.fixture
def shop(database: Server, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Settings:
    """What ``make init`` wrote, with the change that its comment suggests."""
    run_sql(database, *ORDERS)
    monkeypatch.setenv("MIDNIGHT_HOME", str(tmp_path / "home"))
    monkeypatch.setenv("MIDNIGHT_CONFIG", str(tmp_path / "include"))
    login = f"{database.user}:{quote(database.password, safe='')}@{database.host}:{database.port}/{database.database}"
    monkeypatch.setattr(table_plan, "_LARGE_BYTES", 30_000)
    assert init.main(source=f"postgresql://{login}") == 0
    file = tmp_path / "include" / "tables" / "public.orders.yml"
    text = file.read_text()
    assert "mode: snapshot\n# A large table with an index on updated_at. If every write sets it, mode:" in text
    assert "incremental" not in (file.parent / "public.customers.yml").read_text()
    file.write_text(text.replace("mode: snapshot", "mode: incremental\ncursor: updated_at"))
    return load_settings()


def run_day(settings: Settings, server: Server, day: int) -> tuple[LedgerEntry, list[tuple]]:
    """The ledger entry of the orders, and the rows of their view."""
    entries = run_pipeline(settings, server, f"202411{day:02d}T000000000Z-00000001")
    with duckdb.connect(str(settings.serving_database), read_only=True) as views:
        rows = views.execute("SELECT id, customer, amount FROM gold.orders ORDER BY id").fetchall()
    return next(entry for entry in entries if entry.table == "orders"), rows


def models(settings: Settings) -> dict[str, bool]:
    """Of each gold model whether the run kept the table of the one before."""
    build = newest_build(settings.paths.gold_builds)
    return {name: model.built_in != build.build_id for name, model in build.models.items()}


@pytest.mark.slow
def test_a_week_of_an_incremental_table(shop: Settings, database: Server) -> None:
    def source() -> list[tuple]:
        return fetch(database, "SELECT id, customer, amount FROM public.orders ORDER BY id")

    first, rows = run_day(shop, database, 1)
    assert (counts(first), rows) == ({"inserted": 500}, source())

    run_sql(
        database,
        "UPDATE orders SET amount = 7, updated_at = '2024-11-01 12:00Z' WHERE id BETWEEN 100 AND 109",
        "INSERT INTO orders SELECT i, 1, 1, '2024-11-01 13:00Z' FROM generate_series(501, 505) i",
        "DELETE FROM orders WHERE id = 1",
        "UPDATE orders SET amount = 8 WHERE id = 500",  # by somebody who forgot the cursor
    )
    second, rows = run_day(shop, database, 2)
    # The rows of the last hour before are read again; without the one that was deleted. The last snapshot did not show
    # the forgotten one, which is read, too.
    assert counts(second) == {"inserted": 5, "updated": 11, "unchanged": 60}
    assert (second.rows_in, second.silver_after) == (76, 505)
    unseen = {1: (1, 2, 0.25)}
    assert {row[0]: row for row in rows} == {row[0]: row for row in source()} | unseen
    assert models(shop) == {"customers": True, "orders": False}
    configuration = load_configuration(shop.config)
    orders = next(table for table in configuration.tables if table.silver == "orders")
    bronze = BronzeStore(open_local_lake(), shop.paths, configuration.pipeline.source.name)
    assert [manifest.mode for manifest in bronze.sealed_batches(orders)] == ["snapshot", "incremental"]

    third, rows = run_day(shop, database, 3)
    assert (counts(third), third.rows_in) == ({"unchanged": 15}, 15)
    assert models(shop) == {"customers": True, "orders": True}, "nothing changed, so nothing is built"

    last, rows = run_day(shop, database, 8)  # a week after the first
    assert (counts(last), rows) == ({"deleted": 1, "unchanged": 504}, source())
